"""One role of a run, here or in a process of its own, so that its memory is its own."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from benchmarks.frames import read, write
from benchmarks.meter import peak_rss_bytes
from confide.aggregation import Identity
from confide.computation import Computation
from confide.plan import Plan
from confide.runtime import CoordinatorRun, PartyRun

__all__ = ["COORDINATOR", "Here", "serve"]

COORDINATOR: Final = "coordinator"


class Here:
    """A party or the coordinator, asked by the names of what it does."""

    def __init__(self, plan: Plan, computation: Computation, name: str) -> None:
        self._run: CoordinatorRun | PartyRun
        if name == COORDINATOR:
            self._run = CoordinatorRun(plan, [computation])
        else:
            identity, data = Identity.simulation(name), {"x": np.ones(2)}
            self._run = PartyRun(plan, [computation], identity, data, records=False)

    def ask(self, what: str, message: bytes = b"") -> Any:
        """Begins, advances or receives.

        Raises:
            Exception: Whatever made a party stop.
        """
        run = self._run
        if isinstance(run, PartyRun):
            answer = run.receive(message)
            if run.failure is not None:
                raise run.failure
            return answer
        if what == "receive":
            return list(run.receive(message))
        return list((run.begin() if what == "begin" else run.advance()).items())


def serve(
    source: IO[bytes], sink: IO[bytes], plan: Plan, computation: Computation, name: str
) -> None:
    """Does what the parent asks, and says at its end how many bytes it held beyond its start."""
    role = Here(plan, computation, name)
    _forget_peak()
    before = peak_rss_bytes()
    while True:
        what, length = read(source)
        if what == "peak":
            write(sink, peak_rss_bytes() - before)
        else:
            _say(sink, role.ask(what, source.read(length)))


def _say(sink: IO[bytes], answer: Any) -> None:
    """Writes what a role gave: lengths first, then the messages as they are."""
    messages: list[bytes]
    match answer:
        case None:
            head, messages = None, []
        case bytes():
            head, messages = ["message", len(answer)], [answer]
        case [(str(), _), *_]:
            head = ["outbox", [[name, [len(m) for m in sent]] for name, sent in answer]]
            messages = [m for _, sent in answer for m in sent]
        case _:
            head, messages = ["messages", [len(m) for m in answer]], answer
    write(sink, head)
    for message in messages:
        sink.write(message)
    sink.flush()


def _forget_peak() -> None:
    """Lets the peak begin anew, where Linux offers it (proc(5), clear_refs)."""
    forget = Path("/proc/self/clear_refs")
    if forget.exists():
        forget.write_text("5", encoding="ascii")
