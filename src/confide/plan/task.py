"""What is computed, by name: a plan carries no code.

A task names a computation of an installed package and its settings; the package's version and a
digest of its files say which code. Public values (a hold-out, scaling constants) are named with
their digests, because public values need no protection, but the parties must agree on them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from confide.errors import PlanError
from confide.plan.fields import in_file
from confide.plan.value import Value

__all__ = ["Code", "PublicValue", "Task"]

_DIGEST_BYTES: Final = 32
_MAX_SETTINGS: Final = 1 << 20


@dataclass(frozen=True)
class Task(Value):
    """A computation by name, with its settings as deterministic JSON text.

    Attributes:
        name: The registered name of the computation, such as 'fed-avg'.
        settings: JSON with sorted keys; `Task.of` writes it, `read` parses it.

    Example:
        >>> Task.of("histogram", edges=[0, 0.5, 1]).settings
        '{"edges":[0,0.5,1]}'
    """

    name: str
    settings: str = "{}"

    def _check(self) -> None:
        if not self.name:
            raise PlanError("a task without a name; name the computation")
        if len(self.settings) > _MAX_SETTINGS:
            raise PlanError(
                f"task settings of {len(self.settings):,} characters; at most {_MAX_SETTINGS:,}"
            )
        if _json(self.read()) != self.settings:
            raise PlanError("task settings are not in their deterministic form; use Task.of")

    @classmethod
    def of(cls, name: str, /, **settings: Any) -> Task:
        """Makes a task from settings: texts, finite numbers, booleans, None, lists and maps."""
        return cls(name, _json(settings))

    def read(self) -> Mapping[str, Any]:
        """The settings as a new map."""
        try:
            settings = json.loads(self.settings)
        except (ValueError, RecursionError) as error:
            raise PlanError(f"the settings of task {self.name!r} are not JSON: {error}") from error
        if not isinstance(settings, dict):
            raise PlanError(f"the settings of task {self.name!r} are not a map")
        return settings


def _json(settings: object) -> str:
    try:
        return json.dumps(settings, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise PlanError(f"task settings that JSON cannot hold: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Code(Value):
    """Which code runs: an installed package, its version and the SHA-256 over its files."""

    package: str
    version: str
    digest: bytes

    def _check(self) -> None:
        if len(self.digest) != _DIGEST_BYTES:
            raise PlanError(
                f"a code digest of {len(self.digest)} bytes; SHA-256 has {_DIGEST_BYTES}"
            )


@dataclass(frozen=True, kw_only=True)
class PublicValue(Value):
    """Something all parties agree is public, such as a hold-out or scaling constants.

    Attributes:
        name: What it is called in reports.
        digest: SHA-256 of its deterministic encoding.
        meaning: Why it may be public, in words.
        rows: Rows, if it is a table; 0 otherwise.
    """

    name: str
    digest: bytes = field(metadata=in_file(key="sha256"))
    meaning: str
    rows: int = 0

    def _check(self) -> None:
        if len(self.digest) != _DIGEST_BYTES:
            raise PlanError(
                f"public value {self.name!r} has a digest of {len(self.digest)} bytes; SHA-256 has "
                f"{_DIGEST_BYTES}"
            )
        if self.rows < 0:
            raise PlanError(f"public value {self.name!r} has {self.rows} rows; at least 0")
