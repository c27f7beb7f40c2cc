"""One measured case: a line of JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from benchmarks import machine as about

__all__ = ["Record", "medians"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One case of one suite, measured.

    Attributes:
        suite: Name of the suite.
        case: Name of the case; a peer's record of the same work has the same.
        subject: Whose code was measured: confide, or a peer.
        params: What was run.
        measured: Medians over the repeats. Names end in their unit; `all_` holds single repeats.
        versions: Of interpreter and libraries.
        machine: What it ran on.
        commit: Of this repository.
        date: UTC.
    """

    suite: str
    case: str
    subject: str
    params: Mapping[str, Any]
    measured: Mapping[str, Any]
    versions: Mapping[str, str] = field(default_factory=about.versions)
    machine: Mapping[str, Any] = field(default_factory=about.machine)
    commit: str = field(default_factory=about.commit)
    date: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")

    def to_json(self) -> str:
        """The record in one line."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Record:
        """Reads a line."""
        return cls(**json.loads(line))


def medians(repeats: Sequence[Mapping[str, float]], keep: Iterable[str] = ()) -> dict[str, Any]:
    """The median of each measure over the repeats, with all of them for those to keep."""
    middle: dict[str, Any] = {
        name: _rounded(statistics.median(run[name] for run in repeats)) for name in repeats[0]
    }
    return middle | {f"all_{name}": [_rounded(run[name]) for run in repeats] for name in keep}


def _rounded(value: float) -> float:
    """Whole numbers stay whole; others keep five significant digits."""
    return int(value) if value == int(value) else float(f"{value:.5g}")
