"""What the fuzzers share: valid messages changed field by field, and a run of so many seconds.

Inputs are either taken as they are, or as instructions by which a valid message is changed, so that
they come past the first checks.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import atheris

from confide import canonical

__all__ = ["MOST", "Change", "Changer", "in_bytes", "in_cbor", "in_json", "run"]

MOST = 1 << 24
ODD: Final = (
    *(
        sign * ((1 << bits) + more)
        for bits in (31, 32, 53, 63)
        for sign in (1, -1)
        for more in (0, 1)
    ),
    (1 << 64) - 1,
    "0001-01-01T00:00:00+23:00",
    "9999-12-31T23:59:59-23:00",
    "2026-02-30T00:00:00Z",
    "nan",
    "",
    b"",
)
"""Where readers of numbers, dates and texts end, which chance finds too late."""


class Changer:
    """Changes values by what the fuzzer gives.

    Args:
        data: The fuzzer's bytes.
    """

    def __init__(self, data: bytes) -> None:
        self.given = atheris.FuzzedDataProvider(data)
        self.text: Callable[[int], str] = self.given.ConsumeUnicodeNoSurrogates

    def rest(self) -> bytes:
        """What the fuzzer gave and nothing took yet."""
        return self.given.ConsumeBytes(self.given.remaining_bytes())

    def changed(self, value: Any, depth: int = 0) -> Any:
        """The value with something else somewhere in it."""
        given = self.given
        if isinstance(value, dict) and value and given.ConsumeProbability() < 0.9:
            name = given.PickValueInList(sorted(value))
            if given.ConsumeProbability() < 0.05:
                return {k: v for k, v in value.items() if k != name}
            return {**value, name: self.changed(value[name], depth + 1)}
        if isinstance(value, list) and value and given.ConsumeProbability() < 0.8:
            at = given.ConsumeIntInRange(0, len(value) - 1)
            return [*value[:at], self.changed(value[at], depth + 1), *value[at + 1 :]]
        if isinstance(value, bytes | str) and value and given.ConsumeBool():
            return self.spliced(value)
        alike = [odd for odd in ODD if type(odd) is type(value)]
        if alike and given.ConsumeBool():
            return given.PickValueInList(alike)
        return self.anything(depth)

    def spliced(self, value: Any) -> Any:
        """Bytes or a text with a few of its places replaced by a few others."""
        at = self.given.ConsumeIntInRange(0, len(value) - 1)
        piece = self.given.ConsumeBytes(16) if isinstance(value, bytes) else self.text(16)
        cut = self.given.ConsumeIntInRange(0, 16)
        return value[:at] + piece + value[at + cut :]

    def anything(self, depth: int = 0) -> Any:
        """Any value that canonical CBOR has."""
        given = self.given
        kind = given.ConsumeIntInRange(0, 7 if depth < 4 else 5)
        if kind == 6:
            return [self.anything(depth + 1) for _ in range(given.ConsumeIntInRange(0, 3))]
        if kind == 7:
            return {self.text(8): self.anything(depth + 1)}
        draw = (
            lambda: None,
            given.ConsumeBool,
            lambda: given.ConsumeInt(given.ConsumeIntInRange(1, 8)),
            lambda: self.text(20),
            lambda: given.ConsumeBytes(40),
            lambda: given.ConsumeIntInRange(-3, 70),
        )[kind]
        return draw()


Change = Callable[[Changer], bytes]
"""Makes a message of what the fuzzer gives, or raises a `TypeError` if it cannot be written."""


def in_bytes(message: bytes) -> Change:
    """Bytes of any format, with a few of them replaced by a few others."""
    return lambda changer: changer.spliced(message)


def in_cbor(message: bytes) -> Change:
    """Deterministic CBOR with a value changed."""
    value = canonical.decode(message, MOST)
    return lambda changer: canonical.encode(changer.changed(value))


def in_json(message: bytes) -> Change:
    """JSON with a value changed; its texts may hold what no other can, halves of characters."""
    value = json.loads(message)

    def change(changer: Changer) -> bytes:
        changer.text = changer.given.ConsumeUnicode
        return json.dumps(changer.changed(value)).encode()

    return change


def run(target: Callable[[bytes], None], description: str | None, *, seconds: int) -> None:
    """Fuzzes for as long as the command line says.

    Args:
        target: Takes an input; what it raises ends the run with that input.
        description: For the command's help.
        seconds: How long, unless the command line says.
    """
    parser = argparse.ArgumentParser(description=(description or "").split("\n", 1)[0])
    parser.add_argument("--seconds", type=int, default=seconds)
    parser.add_argument(
        "--corpus", type=Path, help="where inputs that found something new are kept"
    )
    arguments = parser.parse_args()
    corpus = arguments.corpus or Path(tempfile.mkdtemp())
    corpus.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={arguments.seconds}",
        "-max_len=4096",
        "-len_control=0",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
        f"-artifact_prefix={corpus}/",
    ]
    atheris.Setup([sys.argv[0], str(corpus), *options], target)
    atheris.Fuzz()
