"""What is an engine's own in SQL. All other SQL here is standard, for a second engine to run."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DUCKDB", "Dialect"]


@dataclass(frozen=True)
class Dialect:
    """How one engine writes things.

    Attributes:
        name: The engine.
        mark: What names are quoted by.
        texts: Its type of texts.
    """

    name: str
    mark: str
    texts: str

    def quote(self, name: str) -> str:
        """A name, quoted."""
        return f"{self.mark}{name.replace(self.mark, 2 * self.mark)}{self.mark}"

    def text(self, value: str) -> str:
        """A text constant."""
        return "'{}'".format(value.replace("'", "''"))

    def floor(self, sql: str) -> str:
        """The floor of a double below 2^62, as a whole number of 64 bits."""
        return f"CAST(floor({sql}) AS BIGINT)"

    def text_limb(self, sql: str) -> str:
        """60 bits of the MD5 of a text, as a whole number.

        MD5 only spreads texts over the numbers that the keyed hash takes: two texts that somebody
        made collide are sampled together, and nothing else depends on it.
        """
        return f"CAST('0x' || substr(md5({sql}), 1, 15) AS BIGINT)"

    def shift(self, sql: str, bits: int) -> str:
        """A whole number, shifted to the right."""
        return f"(({sql}) >> {bits})"

    def exact_sum(self, sql: str) -> str:
        """A sum of whole numbers of 64 bits that cannot overflow."""
        return f"sum({sql})"


DUCKDB = Dialect("duckdb", '"', "VARCHAR")
