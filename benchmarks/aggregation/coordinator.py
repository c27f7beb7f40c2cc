"""The coordinator in a process of its own, so that its time and memory are its own."""

from __future__ import annotations

import sys
from typing import IO

from benchmarks.frames import read, write
from benchmarks.meter import Stopwatch, peak_rss_bytes
from confide.aggregation import Round, coordinator_session, decode
from confide.plan import Plan


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Runs one round on behalf of the parent, timing the session's own work."""
    plan_bytes, state_hash = read(source)
    plan = Plan.from_canonical(plan_bytes)
    invited = tuple(p.name for p in plan.parties)
    session = coordinator_session(Round(plan, 0), state_hash, invited)
    total, closing = Stopwatch(), Stopwatch()
    before = peak_rss_bytes()
    write(sink, None)
    while True:
        match read(source):
            case ["receive", bytes(message)]:
                with total.running():
                    asked = session.receive(message)
                write(sink, next(iter(asked.items()), None))
                continue
            case "open":
                with total.running():
                    outbox = session.open()
            case _:
                closing = Stopwatch()
                with total.running(), closing.running():
                    outbox = session.advance()
        write(sink, [session.awaits, len(outbox)])
        for entry in outbox.items():
            write(sink, entry)
        if not outbox:
            break
    with total.running():
        result = session.result
        decode(plan.sums, result.totals)
    measured = {
        "server_wall_ns": total.wall_ns,
        "server_cpu_ns": total.cpu_ns,
        "server_unmask_wall_ns": closing.wall_ns,
        "server_unmask_cpu_ns": closing.cpu_ns,
        "server_start_rss_bytes": before,
        "server_peak_rss_bytes": peak_rss_bytes(),
    }
    shown = [result.opening, result.consents]
    write(sink, [result.survivors, result.totals.tobytes(), *shown, measured])


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
