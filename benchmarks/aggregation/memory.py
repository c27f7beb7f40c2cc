"""What each role of a run holds at a time, in a process of its own."""

from __future__ import annotations

import ctypes
import os
import signal
import traceback
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Final, NoReturn, Self

import numpy as np

from benchmarks.aggregation.role import COORDINATOR, Here, serve
from benchmarks.frames import read, write
from benchmarks.record import Record
from benchmarks.suite import Options
from confide.computation import Computation
from confide.plan import (
    Adversary,
    CentralNoise,
    Clear,
    Corruption,
    Encrypted,
    Masked,
    Noise,
    NoiseShares,
    NoNoise,
    Norm,
    Plan,
    Sum,
    SumGroup,
    Task,
    Threat,
    Unit,
)
from confide.plan.protection import Protection

__all__ = ["memory"]

_FEW: Final = 8
_M_MMAP_THRESHOLD: Final = -3
NAMES: Final = ("ash", "birch", "cedar", "dogwood")


@dataclass(frozen=True, kw_only=True)
class Work:
    """One run that is measured.

    Attributes:
        name: Of the case.
        protection: What hides the contributions.
        noise: What is added to them.
        wide: Whether a sum's numbers take more than 32 bits, by the finer lattice of an L1 bound.
        threat: Against whom.
    """

    name: str
    protection: Protection
    noise: Noise = NoNoise()  # noqa: RUF009 - frozen
    wide: bool = False
    threat: Threat = Threat()  # noqa: RUF009 - frozen


_HONEST: Final = Threat(confidentiality=Adversary(coordinator=Corruption.HONEST))
_SHARES: Final = NoiseShares(3.0)
WORKS: Final = (
    Work(name="clear", protection=Clear(), threat=_HONEST),
    Work(name="clear, noise", protection=Clear(), noise=CentralNoise(3.0), threat=_HONEST),
    Work(name="masked", protection=Masked(verified=False)),
    Work(name="masked, noise", protection=Masked(verified=False), noise=_SHARES),
    Work(name="masked, long words", protection=Masked(verified=False), wide=True),
    Work(name="verified", protection=Masked()),
    Work(name="verified, noise", protection=Masked(), noise=_SHARES),
    Work(name="verified, long words", protection=Masked(), wide=True),
    Work(name="encrypted", protection=Encrypted()),
    Work(name="encrypted, noise", protection=Encrypted(), noise=_SHARES),
)


def computation_of(work: Work, coordinates: int) -> Computation:
    """A model of many coordinates, of which a run keeps one number."""
    vector = Sum(
        name="vector",
        shape=(coordinates,),
        unit=Unit.PARTY,
        unit_bound=5.0,
        norm=Norm.L1 if work.wide else Norm.L2,
        capacity=1,
    )
    return Computation(
        task=Task.of("large"),
        sums=SumGroup((vector,)),
        columns=("x",),
        init=lambda: {"first": np.zeros(1)},
        contribute=lambda *_: {"vector": np.full(coordinates, 2.0**-24)},
        update=lambda _, totals: {"first": totals["vector"][:1]},
    )


def memory(options: Options) -> Iterator[Record]:
    """Measures each case: a run of one round by four parties."""
    coordinates = 200_000 if options.quick else 5_000_000
    for work in WORKS:
        name = f"memory, {work.name}"
        if options.only not in name:
            continue
        options.report(name)
        held, kept = (_run(work, coordinates, returns=returns) for returns in (True, False))
        plan = plan_of(work, coordinates)[0]
        yield Record(
            suite="aggregation",
            case=name,
            subject="memory",
            params={
                "parties": len(NAMES),
                "coordinates": coordinates,
                "protection": work.name,
                "bits_on_wire": plan.sum_bits(plan.sums.sums[0]),
            },
            measured={
                "vector_bytes": 8 * coordinates,
                **{f"{role}_peak_bytes": peak for role, peak in held.items()},
                **{f"{role}_peak_with_free_bytes": peak for role, peak in kept.items()},
            },
        )


def plan_of(work: Work, coordinates: int) -> tuple[Plan, Computation]:
    """The plan of a case, and what it computes."""
    made = computation_of(work, coordinates)
    plan = made.plan(
        parties=list(NAMES), aggregation=work.protection, noise=work.noise, threat=work.threat
    )
    return plan, made


def _run(work: Work, coordinates: int, *, returns: bool) -> dict[str, int]:
    """Runs a plan with a process for each role.

    Args:
        work: What is run.
        coordinates: Of the vector.
        returns: Whether the C library gives memory back to the system once it is free. By itself
            glibc keeps what it freed of up to 32 MiB a piece, for the next that asks.

    Returns:
        The bytes that the coordinator, and the party that took most, held beyond their start.
    """
    # What is loaded at its first use is loaded now, and is no part of what a round takes.
    _carry({name: Here(*plan_of(work, _FEW), name) for name in (*NAMES, COORDINATOR)})
    with ExitStack() as stack:
        roles = {
            name: stack.enter_context(_Role(work, coordinates, name, returns=returns))
            for name in (*NAMES, COORDINATOR)
        }
        _carry(roles)
        peaks = {name: role.ask("peak") for name, role in roles.items()}
        coordinator = peaks.pop(COORDINATOR)
        return {"party": max(peaks.values()), COORDINATOR: coordinator}


def _carry(roles: Mapping[str, Here | _Role]) -> None:
    """Carries the messages of a run."""
    outbox = roles[COORDINATOR].ask("begin")
    while outbox:
        for name, messages in outbox:
            while messages:
                answer = roles[name].ask("receive", messages.pop(0))
                if answer is not None:
                    messages.extend(roles[COORDINATOR].ask("receive", answer))
        outbox = roles[COORDINATOR].ask("advance")


class _Role:
    """A role in a child process, forked so that what it imports is there; a context manager."""

    def __init__(self, work: Work, coordinates: int, name: str, *, returns: bool) -> None:
        (source, to), (back, sink) = os.pipe(), os.pipe()
        self._child = os.fork()
        if not self._child:
            os.close(to)
            os.close(back)
            if returns:
                _return_memory()
            _serve(os.fdopen(source, "rb"), os.fdopen(sink, "wb"), work, coordinates, name)
        os.close(source)
        os.close(sink)
        self._to, self._from = os.fdopen(to, "wb"), os.fdopen(back, "rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        self._to.close()
        self._from.close()

    def ask(self, what: str, message: bytes = b"") -> Any:
        """Lets it do something, and gives what it says."""
        write(self._to, [what, len(message)])
        self._to.write(message)
        self._to.flush()
        answer = read(self._from)
        match answer:
            case ["message", int(length)]:
                return self._from.read(length)
            case ["outbox", list(sizes)]:
                return [(name, [self._from.read(n) for n in lengths]) for name, lengths in sizes]
            case ["messages", list(lengths)]:
                return [self._from.read(n) for n in lengths]
            case _:
                return answer


def _return_memory() -> None:
    """Has glibc map each array by itself, and unmap it when it is free (mallopt(3))."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 16)


def _serve(source: IO[bytes], sink: IO[bytes], work: Work, coordinates: int, name: str) -> NoReturn:
    """What the child does, until the parent ends it."""
    try:
        serve(source, sink, *plan_of(work, coordinates), name)
    finally:
        # The parent sees that no answer comes. Nothing of its own runs on here.
        traceback.print_exc()
        os._exit(1)
