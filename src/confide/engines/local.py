"""The local engine: a plan run on one machine, with the same state machines as over the network.

The same plan, data, seed, library versions and CPU dispatch give the same bits. Besides the
parties' data and keys it holds one state, one sum and the contributions of one group of parties,
for any number of parties: a party's data may be a function that loads it, called when the party
contributes. Where the computation can, it computes a group's contributions at once
(`Computation.together`), whose last bits may then differ from those of a party over a network.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from confide.aggregation import (
    Aggregator,
    Identity,
    Receipt,
    RoundResult,
    Traffic,
)
from confide.aggregation.rounds import message_kinds
from confide.computation import (
    Account,
    Checkpoint,
    Computation,
    DataSource,
    State,
    find_computation,
)
from confide.engines.drops import Drop, check_drops
from confide.engines.given import check_parties, check_types
from confide.engines.outcome import Run
from confide.engines.shared_steps import SharedSteps
from confide.errors import DataError, DropoutError, OpeningError, PlanError, ProtocolError
from confide.exchange import ExchangeRun, run_exchange
from confide.plan import COORDINATOR, Exchange, Plan
from confide.plan.codec import nearest
from confide.randomness import InsecureReplayableRandom, SecureRandom, SystemRandom
from confide.report.signal import noise_warnings
from confide.runtime import (
    CoordinatorRun,
    Event,
    Outbox,
    PartyRun,
    ResultReleased,
    RoundSkipped,
    RoundStarted,
    SurvivorsAnnounced,
)
from confide.runtime.stages import StagesOfRun
from confide.runtime.wire import READY, kind_of, unframed
from confide.tee.relying import RelyingParty
from confide.tee.workload import Attester

__all__ = ["Drop", "EnclaveHost", "NoiseWarning", "simulate"]


class NoiseWarning(UserWarning):
    """Warns of a plan whose model would be mostly noise."""


@dataclass(frozen=True)
class EnclaveHost:
    """Where an enclave runs, and how parties verify it.

    Attributes:
        attester: The hardware.
        build: Hash of the build's manifest, 32 bytes.
        relying: The policy and time that every party verifies it by.
    """

    attester: Attester
    build: bytes
    relying: RelyingParty

    def launch(self, plan: Plan, random: SecureRandom) -> Aggregator:
        """An instance of the aggregator for a plan."""
        return Aggregator(plan, self.attester, self.build, random=random, clock=self.relying.clock)


def _system_random(_: str) -> SecureRandom:
    return SystemRandom()


def simulate(
    plan: Plan,
    data: Mapping[str, DataSource],
    *,
    computation: Computation | Sequence[Computation] | None = None,
    drops: Sequence[Drop] = (),
    measure: Callable[[State], Mapping[str, float]] | None = None,
    checkpoint: Path | None = None,
    on_round: Callable[[Mapping[str, Any]], None] | None = None,
    accounts: Mapping[str, Account] | None = None,
    randomness: Callable[[str], SecureRandom] = _system_random,
    enclave: EnclaveHost | None = None,
    exchanges: Mapping[str, Mapping[str, Any]] | None = None,
) -> Run:
    """Runs a plan on this machine.

    A party whose loader or computation fails drops out of that round, as it would over the network.
    If too few are left, the first such error is raised.

    Args:
        plan: The plan. Real keys are replaced by simulated ones, since real ones cannot sign here.
        data: By party name: a data frame, or a map from column names to arrays of one length
            (numbers or booleans), or a function that gives either and is called in each round. A
            plan without sums takes none.
        computation: What is computed, one for each stage; found by the plan's tasks among installed
            packages if omitted.
        drops: Who drops out, and when.
        measure: Measures each state on public data for the history; it is given nothing else.
        checkpoint: A file written before each sum is opened and after each round; if it exists, the
            run continues from it. A round whose sum may have been opened is not run again: if its
            result was lost, it is skipped, and the state stays as it was.
        on_round: Called with each round's history entry, for progress.
        accounts: By party name, the ledgers that the run is charged to before anything is computed.
            A party without one keeps no record of what it reveals.
        randomness: Where a party, or 'coordinator', takes keys, masks, noise and batches from, by
            name. The operating system, unless a test replays a run with its noise by
            `InsecureReplayableRandom`.
        enclave: The hardware, and how parties verify it, for a plan that has an enclave.
        exchanges: By the name of a stage that is an exchange: by party name, what it brings
            (`confide.exchange.run_exchange`).

    Raises:
        PlanError: If the plan is not for the computation, or needs a feature that this release
        lacks.
        DataError: If a party's data does not fit; before anything is computed.
        DropoutError: If more parties drop out than the plan allows.
        PrivacyBudgetError: If a party's ledger has no room for the plan; nothing is computed or
            charged.
        ProtocolError: If a party's ledger says that a round to come was opened before; nothing is
            computed or charged.

    Warns:
        NoiseWarning: If the plan's noise is larger than all updates of its model.

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
    check_types(plan, data)
    plan = plan.simulated()
    computations = _computations(plan, computation)
    check_parties(plan, data)
    check_drops(plan, drops)
    _check_accounts(plan, accounts or {})
    _check_enclave(plan, enclave)
    _check_times(plan)
    start = _resume(checkpoint, plan)
    drawn_from = {name: randomness(name) for name in (COORDINATOR, *plan.owners)}
    relying = enclave.relying if enclave else None
    stages = StagesOfRun(plan, computations)
    shared = SharedSteps(plan, stages)
    shared.parties = parties = {
        p.name: PartyRun(
            plan,
            computations,
            Identity.simulation(p.name, drawn_from[p.name], relying),
            data.get(p.name, {}),
            (accounts or {}).get(p.name),
            steps=shared,
            stages=stages,
            records=False,
        )
        for p in plan.parties
    }
    _check_exchanges(plan, exchanges or {})
    _check_unopened(plan, parties, start)
    for party in parties.values():
        party.check_data()
        if start is not None:
            party.resume(start)
    aggregator = enclave.launch(plan, drawn_from[COORDINATOR]) if enclave else None
    for warning in noise_warnings(plan):
        warnings.warn(warning, NoiseWarning, stacklevel=2)
    simulation = _Simulation(
        plan,
        computations,
        parties,
        drawn_from[COORDINATOR],
        aggregator,
        drops=drops,
        measure=measure,
        checkpoint=checkpoint,
        on_round=on_round,
        start=start,
        exchanges=exchanges or {},
        accounts=accounts or {},
    )
    with _charged(parties, resume=start is not None):
        simulation.run()
    return Run(
        plan=plan,
        state=simulation.state,
        rounds=tuple(simulation.history),
        totals=tuple(simulation.results),
        exchanges=simulation.exchanged,
        own={name: party.own for name, party in parties.items() if party.own},
        evidence=aggregator.evidence.to_bytes() if aggregator else None,
        replayable=any(isinstance(r, InsecureReplayableRandom) for r in drawn_from.values()),
    )


class _Simulation:
    """Carries messages between the runs on one machine, and records what happens."""

    def __init__(
        self,
        plan: Plan,
        computations: tuple[Computation, ...],
        parties: Mapping[str, PartyRun],
        random: SecureRandom,
        aggregator: Aggregator | None,
        *,
        drops: Sequence[Drop],
        measure: Callable[[State], Mapping[str, float]] | None,
        checkpoint: Path | None,
        on_round: Callable[[Mapping[str, Any]], None] | None,
        start: Checkpoint | None,
        exchanges: Mapping[str, Mapping[str, Any]],
        accounts: Mapping[str, Account],
    ) -> None:
        self._plan, self._parties, self._drops = plan, parties, drops
        self._measure, self._checkpoint, self._on_round = measure, checkpoint, on_round
        self._coordinator = CoordinatorRun(
            plan, computations, random=random, aggregator=aggregator, on_event=self._on_event
        )
        self.history: list[Mapping[str, Any]] = []
        if start is not None:
            self.history = list(start.history)
            self._coordinator.resume(start)
        self._coordinator.start_after(p.identity.register.latest for p in parties.values())
        self.results: list[RoundResult] = []
        self._inputs, self._accounts = exchanges, accounts
        self.exchanged: dict[str, ExchangeRun] = {}
        self._traffic, self._began = Traffic(), time.perf_counter()
        self._closed = self._traffic
        self._gone: dict[int, set[str]] = {}
        self._released: ResultReleased | None = None
        self._failures: list[tuple[str, Exception]] = []

    @property
    def state(self) -> State:
        """The public state."""
        return self._coordinator.state

    def run(self) -> None:
        """Runs the rounds that are left."""
        self._write()
        self._run_sums(self._coordinator.begin())
        while (exchange := self._coordinator.exchange) is not None:
            self._run_exchange(exchange)
            self._run_sums(self._coordinator.pass_exchange())

    def _run_exchange(self, exchange: Exchange) -> None:
        names = exchange.parties
        self.exchanged[exchange.name] = run_exchange(
            self._plan,
            self._inputs[exchange.name],
            stage=exchange.name,
            accounts={name: self._accounts[name] for name in names if name in self._accounts},
            identities={name: self._parties[name].identity for name in names},
        )
        for party in self._parties.values():
            party.pass_exchange()

    def _run_sums(self, outbox: Outbox) -> None:
        while outbox:
            # First a result reaches everybody, so that all know the state of the next round.
            self._deliver_all(outbox, over=True)
            if self._released is not None:
                self._finish_entry()
            self._deliver_all(outbox, over=False)
            try:
                outbox = self._coordinator.advance()
            except (DropoutError, OpeningError) as error:
                raise self._cause(error) from None

    def _deliver_all(self, outbox: Outbox, *, over: bool) -> None:
        """Delivers the messages of rounds that are over, or the others."""
        now = self._coordinator.number
        for name, messages in outbox.items():
            for message in messages:
                if (unframed(message)[0] < now) == over:
                    self._deliver(name, message)

    def _deliver(self, name: str, message: bytes) -> None:
        number, _, announcement = unframed(message)
        gone = self._gone.setdefault(number, set())
        current = number == self._coordinator.number
        if current and self._drops_at(name, number) == self._coordinator.awaits:
            gone.add(name)
        if name in gone:
            return
        party, before = self._parties[name], self._parties[name].failure
        answer = party.receive(message)
        if party.failure is not None and party.failure is not before:
            self._failures.append((name, party.failure))
        # A result comes after its round, whose traffic it belongs to.
        traffic = self._traffic if current else self._closed
        if answer is None:
            traffic.count(name, message=announcement)
            return
        replies = self._coordinator.receive(answer)
        if kind_of(answer) != READY:  # Catching up is not part of a round: it is asked again.
            traffic.count(name, message=announcement, answer=answer)
        for reply in replies:
            if unframed(reply)[0] < number:
                self._parties[name].receive(reply)  # A result that it missed.
            else:
                self._deliver(name, reply)

    def _drops_at(self, name: str, number: int) -> str | None:
        """The kind of message that a party fails to send in a round, or None."""
        kinds = message_kinds(self._plan)
        for drop in self._drops:
            if drop.party == name and drop.covers(number):
                return next((at for at in (drop.at, "contribution") if at in kinds), kinds[0])
        return None

    def _cause(self, end: Exception) -> Exception:
        """The first error at a party in the attempt that failed, which a simulation may show.

        Others refuse what is left after it: a note on the error says why.
        """
        if not self._failures:
            return end
        name, error = self._failures[0]
        if not isinstance(error, OpeningError):
            refused = (e for _, e in self._failures if isinstance(e, OpeningError))
            error.add_note(f"party {name!r} dropped out by this, and then: {next(refused, end)}")
        return error

    # --- what happens ----------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        match event:
            case RoundStarted():
                self._failures.clear()
            case SurvivorsAnnounced():
                self._write()
            case RoundSkipped(number):
                self.history.append(self._skipped_entry(number))
            case ResultReleased():
                self.results.append(event.result)
                self._released = event
                self._seconds = time.perf_counter() - self._began
                entry = _entry(self._plan, event, self._seconds)
                measured = self._measure(self._coordinator.state) if self._measure else {}
                self.history.append(
                    entry | {name: float(value) for name, value in measured.items()}
                )
                self._closed, self._traffic = self._traffic, Traffic()
                self._began = time.perf_counter()
            case _:
                pass

    def _finish_entry(self) -> None:
        """Adds the bytes, once the result has reached the parties."""
        self._released = None
        took = self._closed
        self.history[-1] = {
            **self.history[-1],
            "bytes_sent_per_party": max(took.sent.values()),
            "bytes_received_per_party": max(took.received.values()),
        }
        self._write()
        if self._on_round:
            self._on_round(self.history[-1])

    def _skipped_entry(self, number: int) -> Mapping[str, Any]:
        return {"round": number, "survivors": 0, "dropped": "", "seconds": 0.0, "skipped": True}

    def _write(self) -> None:
        if self._checkpoint is None:
            return
        Checkpoint(
            self._plan.hash,
            self._coordinator.number,
            self._coordinator.state,
            tuple(self.history),
            self._coordinator.openings,
            {name: party.own for name, party in self._parties.items() if party.own},
        ).write(self._checkpoint)


def _computations(
    plan: Plan, given: Computation | Sequence[Computation] | None
) -> tuple[Computation, ...]:
    """The computation of each stage, checked to be the one that the stage names."""
    if given is None:
        given = [find_computation(stage.task) for stage in plan.sum_stages]
    found = (given,) if isinstance(given, Computation) else tuple(given)
    if len(found) != len(plan.sum_stages):
        raise PlanError(
            f"{len(found)} computations for the {len(plan.sum_stages)} stages of sums of plan "
            f"{plan.name!r}; give one for each, in order"
        )
    for computation, part in zip(found, plan.sum_plans, strict=True):
        computation.check_plan(part)
    return found


@contextmanager
def _charged(parties: Mapping[str, PartyRun], *, resume: bool) -> Iterator[None]:
    """Reserves rounds at every party that has an account, or at none; settles them at the end."""
    with ExitStack() as settle:
        for party in parties.values():
            party.reserve(resume=resume)
            settle.callback(party.settle)
        yield


def _check_accounts(plan: Plan, accounts: Mapping[str, Account]) -> None:
    names = {p.name for p in plan.parties}
    for name, account in accounts.items():
        if name not in names:
            raise DataError(f"an account of {name!r}, who is not a party; {nearest(name, names)}")
        if not isinstance(account, Account):
            raise DataError(
                f"the account of {name!r} is a {type(account).__name__}; give its ledger and the "
                "dataset's name, as cf.Account(ledger, 'loans')"
            )


def _check_unopened(plan: Plan, parties: Mapping[str, PartyRun], start: Checkpoint | None) -> None:
    """Refuses a run that would open sums again that some party helped to open before."""
    first = 0 if start is None else start.next_round
    known = set() if start is None else {opening.number for opening in start.openings}
    for name, party in parties.items():
        opened = sorted(n for n in party.identity.register.spent - known if n >= first)
        if opened:
            raise ProtocolError(
                f"the ledger of {name!r} says that plan {plan.short_hash} ran before: the sum of "
                f"round {opened[0]} was opened{_and_more(len(opened) - 1)}, and each round is "
                "opened only once: two sums over different parties would single them out. "
                "Continue from that run's checkpoint, simulate with ledgers in another "
                "folder, or make a new plan "
                "(with another seed, for example), whose cost is added in the ledger"
            )


def _and_more(rounds: int) -> str:
    return f", and of {rounds} later round{'' if rounds == 1 else 's'}" if rounds else ""


def _check_enclave(plan: Plan, enclave: EnclaveHost | None) -> None:
    if plan.attested and enclave is None:
        raise PlanError(
            f"plan {plan.name!r} is aggregated in an enclave; give simulate(…, enclave=…) the "
            "hardware and the policy that parties verify it by"
        )


def _resume(checkpoint: Path | None, plan: Plan) -> Checkpoint | None:
    if checkpoint is None:
        return None
    if not checkpoint.parent.is_dir():
        raise DataError(f"no folder {checkpoint.parent} for the checkpoint; make it first")
    return Checkpoint.read(checkpoint, plan) if checkpoint.exists() else None


def _check_exchanges(plan: Plan, given: Mapping[str, Mapping[str, Any]]) -> None:
    names = [exchange.name for exchange in plan.exchanges]
    for name in given:
        if name not in names:
            raise DataError(f"inputs for exchange {name!r}; {nearest(name, names)}")
    for name in names:
        if name not in given:
            raise DataError(
                f"stage {name!r} is an exchange without inputs: give "
                f"simulate(…, exchanges={{{name!r}: {{party: input}}}})"
            )


def _check_times(plan: Plan) -> None:
    for stage in plan.sum_stages:
        earliest = stage.release.earliest
        if earliest is not None and datetime.now(UTC) < earliest:
            raise PlanError(
                f"stage {stage.name!r} releases its results at {stage.release.not_before} at "
                "the earliest, and that time has not come: run it then"
            )


def _entry(plan: Plan, event: ResultReleased, seconds: float) -> dict[str, Any]:
    result = event.result
    missing = [name for name in plan.asked(event.number) if name not in result.survivors]
    refused = {name: reason.value for name, reason in event.refused.items() if name in missing}
    return {
        "round": event.number,
        "survivors": len(result.survivors),
        "dropped": ", ".join(
            f"{name} ({refused[name]})" if name in refused else name for name in missing
        ),
        # Known once the result was delivered; here for the order of the columns.
        "bytes_sent_per_party": 0,
        "bytes_received_per_party": 0,
        "seconds": round(seconds, 4),
        **_attested(result),
    }


def _attested(result: RoundResult) -> dict[str, Any]:
    """The hardware of the enclave, as its receipt says, if the plan has one."""
    if result.receipt is None:
        return {}
    return {"assurance": Receipt.from_bytes(result.receipt).assurance}
