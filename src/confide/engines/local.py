"""The local engine: a plan run on one machine, by the same protocol machines as over the network.

The same plan, data, seed, library versions and CPU dispatch give the same bits. Beside the parties'
data and keys it holds one state and one sum, whatever the number of parties: a party's data may be
a function that loads it, called when the party contributes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from confide.aggregation import (
    Aggregator,
    Announcer,
    Identity,
    Receipt,
    Round,
    RoundResult,
    Traffic,
    release,
)
from confide.aggregation.rounds import MESSAGE_KINDS, coordinator_session, message_kinds, run_round
from confide.computation import (
    Account,
    Checkpoint,
    Computation,
    DataSource,
    Participant,
    State,
    checked_state,
    find_computation,
    next_state,
    state_hash,
)
from confide.errors import CoinError, DataError, PlanError
from confide.plan import Opening, Plan
from confide.plan.codec import nearest
from confide.plan.masking import MAX_ATTEMPTS
from confide.randomness import InsecureReplayableRandom, SecureRandom, SystemRandom
from confide.tee.relying import RelyingParty
from confide.tee.workload import Attester

__all__ = ["Drop", "EnclaveHost", "Run", "simulate"]


@dataclass(frozen=True)
class Drop:
    """A party that does not answer: in these rounds, from this kind of message on.

    Attributes:
        party: Its name.
        first_round: The first round it drops out of, from zero.
        last_round: The last one; the first only, if not given.
        at: The kind of message that it fails to send: 'advertise', 'reveal', 'shares',
            'contribution', 'consent' or 'opened', and before an enclave 'challenge'. One that the
            protection does not have stands for 'contribution'.
    """

    party: str
    first_round: int
    last_round: int | None = None
    at: str = "contribution"

    def covers(self, round_number: int) -> bool:
        """Whether the party drops out of a round."""
        last = self.first_round if self.last_round is None else self.last_round
        return self.first_round <= round_number <= last


@dataclass(frozen=True)
class EnclaveHost:
    """Where an enclave runs, and how parties verify it.

    Attributes:
        attester: The hardware.
        build: Hash of the build's manifest, 32 bytes.
        relying: What every party verifies it by.
    """

    attester: Attester
    build: bytes
    relying: RelyingParty

    def launch(self, plan: Plan, random: SecureRandom) -> Aggregator:
        """An instance of the aggregator for a plan."""
        return Aggregator(plan, self.attester, self.build, random=random, clock=self.relying.clock)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run gave.

    Attributes:
        plan: The plan as it ran.
        state: The public state after the last round.
        rounds: One map of plain values per round: survivors, bytes, seconds, public measurements.
        totals: The lattice integers released in each round that this process ran.
        evidence: Of the enclave, by which its receipts in `totals` are verified; None without one.
        replayable: Whether somebody drew keys, masks, noise or batches from randomness that can be
            replayed, as tests do. Then nothing of the run is private, whatever the plan says.
    """

    plan: Plan
    state: State
    rounds: tuple[Mapping[str, Any], ...]
    totals: tuple[RoundResult, ...] = field(repr=False)
    evidence: bytes | None = field(default=None, repr=False)
    replayable: bool = False

    @property
    def history(self) -> pd.DataFrame:
        """The rounds as a data frame, indexed by round."""
        return pd.DataFrame(self.rounds).set_index("round")


def _system_random(_: str) -> SecureRandom:
    return SystemRandom()


def simulate(
    plan: Plan,
    data: Mapping[str, DataSource],
    *,
    computation: Computation | None = None,
    drops: Sequence[Drop] = (),
    measure: Callable[[State], Mapping[str, float]] | None = None,
    checkpoint: Path | None = None,
    on_round: Callable[[Mapping[str, Any]], None] | None = None,
    accounts: Mapping[str, Account] | None = None,
    randomness: Callable[[str], SecureRandom] = _system_random,
    enclave: EnclaveHost | None = None,
) -> Run:
    """Runs a plan on this machine.

    Args:
        plan: The plan. Real keys are replaced by simulated ones, since nobody else's can sign here.
        data: By party name: a data frame, or a map from column names to arrays of one length
            (numbers or booleans), or a function that gives either and is called in each round.
        computation: What is computed; found by the plan's task among installed packages if omitted.
        drops: Who drops out, and when.
        measure: Measures each state on public data for the history; it is given nothing else.
        checkpoint: A file written after each round; if it exists, the run goes on from it exactly.
        on_round: Called with each round's history entry, for progress.
        accounts: By party name, the ledgers that the run is charged to before anything is computed.
            A party without one keeps no account of what it reveals.
        randomness: Where a party, or 'coordinator', takes keys, masks, noise and batches from, by
            name. The operating system, unless a test replays a run with its noise by
            `InsecureReplayableRandom`.
        enclave: The hardware, and how parties verify it, for a plan that has an enclave.

    Raises:
        PlanError: If the plan is not for the computation, or asks for what this release lacks.
        DataError: If a party's data does not fit; before anything is computed.
        DropoutError: If more parties drop out than the plan bears.
        BudgetError: If a party's ledger has no room for the plan; nothing is computed or charged.

    Returns:
        The run: its final state, its history, and the sums that were released.

    Example:
        >>> from confide.plan import Sum, SumGroup, Task, Unit
        >>> total = SumGroup((Sum(name="total", unit=Unit.PARTY, unit_bound=100, capacity=1),))
        >>> sales = Computation(task=Task.of("sales"), sums=total, columns=("sold",), init=dict,
        ...                     contribute=lambda state, data, rng: {"total": data["sold"].sum()},
        ...                     update=lambda state, totals: {"total": totals["total"].round()})
        >>> sold = {"ash": [1, 2], "birch": [3, 4], "cedar": [5, 6], "dogwood": [7]}
        >>> data = {party: {"sold": numbers} for party, numbers in sold.items()}
        >>> run = simulate(sales.plan(parties=list(data)), data, computation=sales)
        >>> float(run.state["total"])
        28.0
    """
    plan = plan.simulated()
    computation = computation or find_computation(plan.task)
    computation.check_plan(plan)
    _check_parties(plan, data)
    _check_drops(plan, drops)
    _check_accounts(plan, accounts or {})
    _check_enclave(plan, enclave)
    drawn_from = {name: randomness(name) for name in ("coordinator", *data)}
    participants = {
        p.name: Participant(
            plan,
            computation,
            Identity.simulation(p.name, drawn_from[p.name], enclave.relying if enclave else None),
            data[p.name],
            (accounts or {}).get(p.name),
        )
        for p in plan.parties
    }
    for participant in participants.values():
        participant.check_data()
    aggregator = enclave.launch(plan, drawn_from["coordinator"]) if enclave else None
    start = _resume(checkpoint, plan) or Checkpoint(
        plan.hash, 0, checked_state(computation.init()), ()
    )
    state, history, results = start.state, list(start.history), []
    openings: list[Opening] = []
    with _charged(participants, plan.rounds - start.next_round, resume=start.next_round > 0):
        for number in range(start.next_round, plan.rounds):
            began = time.perf_counter()
            result, traffic = _round(
                plan,
                number,
                participants,
                state,
                drops=drops,
                aggregator=aggregator,
                history=openings,
            )
            result = release(plan, result, drawn_from["coordinator"])
            state = next_state(computation, state, result.totals)
            seconds = time.perf_counter() - began
            entry = _entry(plan, number, result, traffic, seconds)
            measured = measure(state) if measure else {}
            history.append(entry | {name: float(value) for name, value in measured.items()})
            results.append(result)
            if checkpoint:
                Checkpoint(plan.hash, number + 1, state, tuple(history)).write(checkpoint)
            if on_round:
                on_round(history[-1])
    return Run(
        plan=plan,
        state=state,
        rounds=tuple(history),
        totals=tuple(results),
        evidence=aggregator.evidence.to_bytes() if aggregator else None,
        replayable=any(isinstance(r, InsecureReplayableRandom) for r in drawn_from.values()),
    )


@contextmanager
def _charged(
    participants: Mapping[str, Participant], rounds: int, *, resume: bool
) -> Iterator[None]:
    """Reserves rounds at every party that has an account, or at none; settles them in the end."""
    with ExitStack() as settle:
        for participant in participants.values():
            if rounds:
                participant.reserve(rounds, resume=resume)
                settle.callback(participant.settle)
        yield


def _round(
    plan: Plan,
    number: int,
    participants: Mapping[str, Participant],
    state: State,
    *,
    drops: Sequence[Drop],
    aggregator: Aggregator | None,
    history: list[Opening],
) -> tuple[RoundResult, Traffic]:
    """One round: again, without who withheld a share of the coin, until one goes through."""
    kinds = message_kinds(plan)
    gone = {d.party: d.at if d.at in kinds else "contribution" for d in drops if d.covers(number)}
    invited, traffic = tuple(participants), Traffic()
    if plan.fixed_crowd and history:
        invited = history[0].survivors
    for attempt in range(MAX_ATTEMPTS):
        round_ = Round(plan, number, attempt)
        announcer = Announcer(history=tuple(history))
        coordinator = coordinator_session(round_, state_hash(state), invited, aggregator, announcer)
        sessions = {name: participants[name].session(round_, state) for name in invited}
        try:
            result = run_round(
                coordinator,
                sessions,
                answers=lambda name, kind: gone.get(name) != kind,
                traffic=traffic,
            )
            for name in result.survivors:
                sessions[name].accept(result)
            assert coordinator.opening is not None  # noqa: S101 - the round is over
            history.append(coordinator.opening)
            return result, traffic
        except CoinError as error:
            invited = tuple(name for name in invited if name not in error.absent)
    raise PlanError(f"round {number} started {MAX_ATTEMPTS} times without a joint coin")


def _check_parties(plan: Plan, data: Mapping[str, DataSource]) -> None:
    names = {p.name for p in plan.parties}
    unknown = sorted(data.keys() - names)
    if missing := sorted(names - data.keys()):
        odd = f", and {unknown[0]!r} is none; {nearest(unknown[0], names)}" if unknown else ""
        raise DataError(f"no data for {', '.join(missing)}; each party of the plan needs some{odd}")
    if unknown:
        raise DataError(f"data for {', '.join(unknown)}, who is not in plan {plan.name!r}")


def _check_accounts(plan: Plan, accounts: Mapping[str, Account]) -> None:
    names = {p.name for p in plan.parties}
    for name in accounts:
        if name not in names:
            raise DataError(f"an account of {name!r}, who is no party; {nearest(name, names)}")


def _check_enclave(plan: Plan, enclave: EnclaveHost | None) -> None:
    if plan.attested and enclave is None:
        raise PlanError(
            f"plan {plan.name!r} is aggregated in an enclave; give simulate(…, enclave=…) the "
            "hardware and the policy that parties verify it by"
        )


def _check_drops(plan: Plan, drops: Sequence[Drop]) -> None:
    names = {p.name for p in plan.parties}
    for drop in drops:
        if drop.party not in names:
            raise DataError(f"{drop.party!r} cannot drop out; {nearest(drop.party, names)}")
        if not 0 <= drop.first_round < plan.rounds:
            raise DataError(
                f"{drop.party!r} drops out of round {drop.first_round}; rounds are 0 to "
                f"{plan.rounds - 1}"
            )
        if drop.at not in MESSAGE_KINDS:
            raise DataError(
                f"{drop.party!r} drops out at {drop.at!r}; {nearest(drop.at, MESSAGE_KINDS)}"
            )
        if drop.last_round is not None and drop.last_round < drop.first_round:
            raise DataError(
                f"{drop.party!r} drops out of round {drop.first_round} and is back after round "
                f"{drop.last_round}; the last round is not before the first"
            )


def _resume(checkpoint: Path | None, plan: Plan) -> Checkpoint | None:
    if checkpoint is None:
        return None
    if not checkpoint.parent.is_dir():
        raise DataError(f"no folder {checkpoint.parent} for the checkpoint; make it first")
    return Checkpoint.read(checkpoint, plan) if checkpoint.exists() else None


def _entry(
    plan: Plan, number: int, result: RoundResult, traffic: Traffic, seconds: float
) -> dict[str, Any]:
    missing = [p.name for p in plan.parties if p.name not in result.survivors]
    return {
        "round": number,
        "survivors": len(result.survivors),
        "dropped": ", ".join(missing),
        "bytes_sent_per_party": max(traffic.sent.values()),
        "bytes_received_per_party": max(traffic.received.values()),
        "seconds": round(seconds, 4),
        **_attested(result),
    }


def _attested(result: RoundResult) -> dict[str, Any]:
    """What stood behind the enclave, as its receipt says, where there was one."""
    if result.receipt is None:
        return {}
    return {"assurance": Receipt.from_bytes(result.receipt).assurance}
