"""A coordinator session whose work is done in another process, and measured there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import numpy as np

from benchmarks.frames import read, write
from benchmarks.machine import ROOT
from confide.aggregation import RoundResult
from confide.aggregation.session import FalseShare
from confide.plan import Plan

__all__ = ["RemoteCoordinator"]


class RemoteCoordinator:
    """A coordinator session that runs in a child process; a context manager.

    Args:
        plan: The plan of the round.
        state_hash: Of the state contributed to.
    """

    def __init__(self, plan: Plan, state_hash: bytes) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.aggregation.coordinator"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._child.stdin  # noqa: S101 - narrows the type, both were asked for
        assert self._child.stdout  # noqa: S101
        self._to, self._from = self._child.stdin, self._child.stdout
        self._say([plan.canonical(), state_hash])
        read(self._from)  # It has imported what it needs and read the plan.
        self._awaits = ""
        self._result: RoundResult | None = None
        self.measured: Mapping[str, float] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._child.terminate()
        self._child.communicate()

    def open(self) -> Mapping[str, bytes]:
        """The first messages."""
        self._say("open")
        return self._read_outbox()

    def receive(self, message: bytes) -> Mapping[str, bytes]:
        """Hands over one party's answer; what that party is asked next, if anything."""
        self._say(["receive", message])
        asked = read(self._from)
        return dict([asked]) if asked else {}

    def advance(self) -> Mapping[str, bytes]:
        """Closes the step."""
        self._say("advance")
        outbox = self._read_outbox()
        if not outbox:
            survivors, totals, opening, consents, measured = read(self._from)
            self._result = RoundResult(
                tuple(survivors),
                np.frombuffer(totals, np.int64),
                opening=opening,
                consents=consents,
            )
            self.measured = _units(measured)
        return outbox

    @property
    def awaits(self) -> str:
        """The kind of message that this step takes."""
        return self._awaits

    @property
    def opening(self) -> None:
        """Whom the sum is over is the child's to remember."""
        return

    @property
    def false_shares(self) -> tuple[FalseShare, ...]:
        """They are the child's to find."""
        return ()

    @property
    def result(self) -> RoundResult:
        """What is released."""
        if self._result is None:
            raise RuntimeError("the round is not finished")
        return self._result

    def _say(self, value: object) -> None:
        write(self._to, value)

    def _read_outbox(self) -> Mapping[str, bytes]:
        self._awaits, count = read(self._from)
        return dict(read(self._from) for _ in range(count))


def _units(measured: Mapping[str, int]) -> dict[str, float]:
    """Nanoseconds, which travel as whole numbers, to seconds."""
    return {
        name.removesuffix("_ns") + "_s" if name.endswith("_ns") else name: (
            value / 1e9 if name.endswith("_ns") else value
        )
        for name, value in measured.items()
    }
