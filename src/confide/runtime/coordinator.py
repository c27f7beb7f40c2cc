"""The coordinator's side of a run: rounds, attempts, results, and who catches up.

It drives one session of the plan's protocol after another, signs what it announces, and keeps the
history of openings. A message that a session refuses, or a party's refusal, is a dropout of that
party alone. It contains no transport, clock or thread:

    outbox = coordinator.begin()
    while outbox:
        for name, messages in outbox.items():
            for message in messages:
                answer = parties[name].receive(message)
                ...  # give it to coordinator.receive, whose messages go back to the same party
        outbox = coordinator.advance()
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide import canonical
from confide.aggregation import (
    Aggregator,
    Announcer,
    CoordinatorSession,
    Round,
    RoundResult,
    coordinator_session,
    release,
)
from confide.aggregation.envelope import fields_of
from confide.computation import (
    Checkpoint,
    Computation,
    State,
    next_state,
    state_hash,
)
from confide.errors import (
    CoinError,
    ComplaintError,
    DropoutError,
    OpeningError,
    PlanError,
    ProtocolError,
)
from confide.plan import COORDINATOR, Exchange, Opening, Plan, simulation_key
from confide.plan.masking import MAX_ATTEMPTS
from confide.randomness import SecureRandom, SystemRandom
from confide.runtime import saved
from confide.runtime.events import (
    AttemptFailed,
    Event,
    FalseSharesFound,
    PartyRefused,
    ResultReleased,
    RoundSkipped,
    RoundStarted,
    SurvivorsAnnounced,
)
from confide.runtime.stages import StagesOfRun
from confide.runtime.wire import (
    CONSENTS,
    READY,
    REFUSAL,
    RESULT,
    SKIP,
    Refusal,
    frame,
    framed,
    kind_of,
    result_fields,
)

__all__ = ["CoordinatorRun", "Outbox"]

Outbox = Mapping[str, list[bytes]]
"""Messages to send, by party, each party's in order."""

_SMALL: Final = 1024
_ITEMS: Final = 8
_KEPT_BYTES: Final = 64 << 20
"""The most bytes of results that are kept for parties that may come back."""


class CoordinatorRun:
    """The coordinator's run of a plan.

    Args:
        plan: The plan.
        computations: What each stage of sums computes, in order.
        key: What announcements are signed with; simulated if omitted, for a simulated coordinator.
        random: The randomness for the coordinator's noise.
        aggregator: What runs in the enclave, for a plan that has one.
        retries: How often a round that lost too many parties is tried again, before its sum may
            count as opened.
        skips: Whether a round that counts as opened and has no result is skipped, with the state
            kept; otherwise the run ends there.
        records: Whether `save` keeps what the attempt under way received, so that a restart does
            not lose it. Then it holds all contributions of a round instead of one vector.
        on_event: Called with each event, before anything that depends on it is sent.
        clock: The time with a time zone, for releases that have an earliest one.

    Attributes:
        state: The public state.
        number: The current round.

    Raises:
        PlanError: If the key is not the plan's, or a computation is missing.
    """

    def __init__(
        self,
        plan: Plan,
        computations: Sequence[Computation],
        *,
        key: Ed25519PrivateKey | None = None,
        random: SecureRandom | None = None,
        aggregator: Aggregator | None = None,
        retries: int = 0,
        skips: bool = False,
        records: bool = False,
        on_event: Callable[[Event], None] | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._plan, self._stages = plan, StagesOfRun(plan, computations)
        self._key = key or simulation_key(COORDINATOR)
        if self._key.public_key().public_bytes_raw() != plan.coordinator.key:
            raise PlanError(
                f"this is not the key of the coordinator of plan {plan.name!r}: parties would "
                "reject what it signs"
            )
        self._random, self._aggregator = random or SystemRandom(), aggregator
        self._retries, self._skips, self._records = retries, skips, records
        self._inputs: list[bytes | None] = []
        self._on_event = on_event or (lambda _: None)
        self._clock = clock
        self.state: State = self._stages.entered(0, {})
        self.number = 0
        self._openings: list[Opening] = []
        self._session: CoordinatorSession | None = None
        self._round = Round(plan, 0)
        self._absent: set[str] = set()
        self._refused: dict[str, Refusal] = {}
        self._sent: dict[str, bytes] = {}
        self._log: dict[int, list[bytes]] = {}
        self._reached = {p.name: 0 for p in plan.parties}
        self._caught_up: set[tuple[str, int]] = set()
        self._held: RoundResult | None = None
        self._next_attempt = 0

    def __repr__(self) -> str:
        return f"CoordinatorRun(plan {self._plan.short_hash}, round {self.number})"

    @property
    def over(self) -> bool:
        """Whether the last round is over."""
        return self.number >= self._plan.rounds

    @property
    def exchange(self) -> Exchange | None:
        """The exchange whose turn it is, which runs without the coordinator; or None."""
        return self._stages.exchange(self.number)

    @property
    def awaits(self) -> str:
        """The kind of message that this step takes; empty between rounds."""
        return self._session.awaits if self._session is not None else ""

    @property
    def openings(self) -> tuple[Opening, ...]:
        """Every set of survivors that was announced, in order: the history."""
        return tuple(self._openings)

    @property
    def earliest(self) -> datetime | None:
        """The time before which the current result is not released; None if nothing waits."""
        if self._held is None:
            return None
        return self._round.part.release.earliest

    def resume(self, start: Checkpoint) -> None:
        """Continues from a checkpoint of a simulation; `begin` gives the first messages."""
        self.number, self.state = start.next_round, start.state
        self._openings = list(start.openings)
        self._reached = dict.fromkeys(self._reached, start.next_round)

    def start_after(self, attempts: Iterable[tuple[int, int]]) -> None:
        """Lets the first round begin with an attempt that no party took part in.

        Args:
            attempts: The round and attempt that each party remembers as its latest. An earlier
                run may have ended in the middle of one; nobody takes part in it again.
        """
        begun = [attempt for number, attempt in attempts if number == self.number]
        self._next_attempt = max(begun, default=-1) + 1

    # --- messages --------------------------------------------------------------------------------

    def begin(self) -> Outbox:
        """The first messages: of the first round, or after `restore` of the current one.

        A round whose survivors were announced before a restart counts as opened. Its result is
        lost, so it is skipped.
        """
        outbox: dict[str, list[bytes]] = {p.name: [] for p in self._plan.parties}
        if self._session is not None:
            return {name: [message] for name, message in self._sent.items()}
        while not self.over and any(o.number == self.number for o in self._openings):
            self._skip(outbox)
            self._next_attempt = 0
        return self._start(outbox, self._next_attempt)

    def receive(self, message: bytes) -> list[bytes]:
        """Takes a party's message; returns its answer to that party, mostly nothing."""
        kind = kind_of(message)
        try:
            if kind == READY:
                return self._catch_up(message)
            if kind == REFUSAL:
                self._take_refusal(message)
            elif self._session is not None:
                return self._take(message, self._session)
        except ProtocolError:
            # The session is unchanged: the sender of this has not answered.
            self._refuse(_sender_of(message), Refusal.PROTOCOL)
        return []

    def _take(self, message: bytes, session: CoordinatorSession) -> list[bytes]:
        """Takes an answer of the round's protocol; what is asked of that party next."""
        asked = {name: framed(self._round, said) for name, said in session.receive(message).items()}
        self._record(message)
        self._sent.update(asked)
        return list(asked.values())

    def advance(self) -> Outbox:
        """Closes the step; parties that have not answered drop out.

        Returns:
            The next messages; nothing once the run is over, or while a result waits for its
            earliest time.

        Raises:
            DropoutError: If too few parties are left; nothing is released, and the run is over.
        """
        if self._held is not None:
            return self._release()
        if self._session is None:
            return {}
        try:
            outbox = self._session.advance()
        except OpeningError as error:
            # An enclave refuses to open this sum; nothing of it was sent.
            self._on_event(AttemptFailed(self.number, self._round.attempt, str(error)))
            self._session = None
            raise
        except DropoutError as error:
            return self._lost(error)
        self._record(None)
        self._note_opening(self._session)
        if outbox:
            return self._send(outbox)
        if found := self._session.false_shares:
            self._on_event(FalseSharesFound(self.number, self._round.attempt, found))
        for name in self._round_members():
            self._reached[name] = max(self._reached[name], self.number)
        self._held, self._session = self._session.result, None  # Only its sums continue.
        return self._release()

    def pass_exchange(self) -> Outbox:
        """Continues after an exchange with the first messages of the next stage."""
        if (exchange := self.exchange) is not None:
            self.number += exchange.rounds
            self.state = self._stages.entered(self.number, self.state)
            self._reached = {n: max(r, self.number) for n, r in self._reached.items()}
        return self._start({name: [] for name in self._reached})

    # --- attempts --------------------------------------------------------------------------------

    def _start(self, outbox: dict[str, list[bytes]], attempt: int = 0) -> Outbox:
        """Starts an attempt; its messages follow those that are there already."""
        if self.over or self.exchange is not None:
            self._session = None
            return {name: messages for name, messages in outbox.items() if messages}
        self._round = Round(self._plan, self.number, attempt)
        if not attempt:
            self._absent, self._refused = set(), {}
        self._session, self._inputs = self._session_of(self._round), []
        self._next_attempt = 0
        self._on_event(RoundStarted(self.number, attempt, self._invited()))
        opened = self._send(self._session.open())
        together = {name: [*outbox.get(name, []), *opened.get(name, [])] for name in self._reached}
        return {name: messages for name, messages in together.items() if messages}

    def _session_of(self, round_: Round) -> CoordinatorSession:
        return coordinator_session(
            round_,
            state_hash(self.state),
            self._invited(),
            self._aggregator,
            Announcer(self._key, tuple(self._openings)),
        )

    def _record(self, event: bytes | None) -> None:
        """Keeps a message, or None for a step that was closed, for `save`."""
        if self._records:
            self._inputs.append(event)

    def _invited(self) -> tuple[str, ...]:
        plan, names = self._plan, self._plan.asked(self.number)
        before = [o for o in self._openings if plan.asked(o.number) == names]
        # A party that missed the first sum of a fixed crowd, or of a cohort that keeps classes,
        # stays out.
        if before and (plan.fixed_crowd or (plan.cohorts is not None and plan.keeps_classes)):
            names = before[0].survivors
        return tuple(name for name in names if name not in self._absent)

    def _send(self, outbox: Mapping[str, bytes]) -> dict[str, list[bytes]]:
        self._sent = {name: framed(self._round, said) for name, said in outbox.items()}
        return {name: [message] for name, message in self._sent.items()}

    def _note_opening(self, session: CoordinatorSession) -> None:
        opening = session.opening
        if opening is not None and opening not in self._openings:
            self._openings.append(opening)
            self._on_event(SurvivorsAnnounced(opening))

    def _lost(self, error: DropoutError) -> Outbox:
        """After an attempt without a result: another attempt, a skipped round, or the end."""
        self._on_event(AttemptFailed(self.number, self._round.attempt, str(error)))
        attempt = self._round.attempt + 1
        if any(opening.number == self.number for opening in self._openings):
            if not self._skips:
                self._session = None
                raise error
            outbox: dict[str, list[bytes]] = {name: [] for name in self._reached}
            self._skip(outbox)
            return self._start(outbox)
        if isinstance(error, CoinError | ComplaintError):
            # A coin was withheld, or a share is false: nothing is used up, so the round is tried
            # again without them.
            self._absent.update(error.absent)
            if attempt < MAX_ATTEMPTS:
                return self._start({}, attempt)
            self._session = None
            raise DropoutError(
                f"round {self.number} began {attempt} times and did not get past its first steps: "
                f"{error}"
            )
        if attempt > self._retries:
            self._session = None
            raise error
        return self._start({}, attempt)

    def _skip(self, outbox: dict[str, list[bytes]]) -> None:
        last = max(o.attempt for o in self._openings if o.number == self.number)
        round_ = Round(self._plan, self.number, last)
        message = framed(round_, round_.announce(self._key, SKIP))
        self._on_event(RoundSkipped(self.number))
        self._log[self.number] = [message]
        for messages in outbox.values():
            messages.append(message)
        self._move_on(self.state)

    # --- results ---------------------------------------------------------------------------------

    def _release(self) -> Outbox:
        """Releases the current sum, now or when its time has come, and continues."""
        part = self._round.part
        earliest = part.release.earliest
        if earliest is not None and (self._clock is None or self._clock() < earliest):
            return {}
        assert self._held is not None  # noqa: S101 - what is called for
        noisy, self._held = release(part, self._held, self._random), None
        message = self._announced(noisy)
        consents = self._consents(noisy)
        # The data that parties check a sum by are as long as the sum, and no longer needed.
        noisy = replace(noisy, opening=None, consents=None)
        self._log[self.number] = [*consents, message]
        state = next_state(self._stages.computation(self.number), self.state, noisy.totals)
        receivers = [name for name in self._reached if part.release.reaches(name)]
        saw = set(self._round_members())
        event = ResultReleased(self.number, noisy, dict(self._refused))
        self._move_on(state)
        self._on_event(event)
        return self._start(
            {name: [message] if name in saw else [*consents, message] for name in receivers}
        )

    def _announced(self, result: RoundResult) -> bytes:
        fields = result_fields(self._round, result)
        return self._round.announce_behind(frame(self._round), self._key, RESULT, fields)

    def _consents(self, result: RoundResult) -> list[bytes]:
        """The proof of a verified sum for parties that did not see it opened."""
        if result.consents is None:
            return []
        said = self._round.announce(self._key, CONSENTS, consents=result.consents)
        return [framed(self._round, said)]

    def _move_on(self, state: State) -> None:
        self.number += 1
        self.state = self._stages.entered(self.number, state)
        self._forget()

    def _forget(self) -> None:
        """Drops old results that no participating party waits for, once they are many."""
        behind = min(self._reached[name] for name in self._invited())
        sizes = {number: sum(map(len, kept)) for number, kept in self._log.items()}
        held = sum(sizes.values())
        for number in sorted(self._log):
            if number >= behind or held <= _KEPT_BYTES:
                break
            del self._log[number]
            held -= sizes[number]

    def _round_members(self) -> tuple[str, ...]:
        return tuple(name for name in self._sent if name not in self._refused)

    def _catch_up(self, message: bytes) -> list[bytes]:
        """The results that a late party missed, and then what it was asked."""
        sender, number = self._read(message, READY, next=int)
        missed = [self._log[n] for n in range(number, self.number) if n in self._log]
        kept = [message for messages in missed for message in messages]
        again = (sender, number) in self._caught_up
        self._caught_up.add((sender, number))
        if len(missed) < self.number - number or again:
            # Too long ago, or the earlier answer did not help.
            self._refuse(sender, Refusal.PROTOCOL)
            return []
        asked = self._sent.get(sender)
        return [*kept, asked] if asked is not None else kept

    def _take_refusal(self, message: bytes) -> None:
        sender, given = self._read(message, REFUSAL, reason=str)
        known = {reason.value: reason for reason in Refusal}
        self._refuse(sender, known.get(given, Refusal.ERROR))

    def _read(self, message: bytes, kind: str, **field: type) -> tuple[str, Any]:
        """Sender and value of a message that names the attempt that it is signed for."""
        match canonical.decode(message, _SMALL, _ITEMS):
            case [_, _, bytes(payload), _]:
                values = canonical.decode(payload, _SMALL, _ITEMS)
            case _:
                raise ProtocolError(f"a {kind!r} message that is not an envelope")
        number, attempt, value = fields_of(values, number=int, attempt=int, **field)
        envelope = Round(self._plan, number, attempt).open(message, kind, _SMALL)
        return envelope.sender, value

    def _refuse(self, party: str, reason: Refusal) -> None:
        if party in self._reached and party not in self._refused:
            self._refused[party] = reason
            self._on_event(PartyRefused(self.number, party, reason))

    # --- saved and restored ----------------------------------------------------------------------

    def save(self) -> bytes:
        """The run as bytes, between two rounds or in one.

        Without `records`, the attempt under way is not part of it: after `restore` the round starts
        again with fresh keys, unless its survivors were announced; then it is skipped.
        """
        return saved.write(
            self._plan,
            {
                "number": self.number,
                "attempt": self._round.attempt if self._session is not None else -1,
                "absent": sorted(self._absent),
                "inputs": list(self._inputs),
                "state": saved.state_to_plain(self.state),
                "openings": saved.openings_to_plain(self._openings),
                "log": [[number, kept] for number, kept in sorted(self._log.items())],
                "reached": sorted([name, number] for name, number in self._reached.items()),
            },
        )

    def restore(self, data: bytes) -> None:
        """Restores a saved run of the same plan; `begin` gives the first messages.

        Raises:
            ProtocolError: If the bytes belong to another plan.
        """
        values: Mapping[str, Any] = saved.read(self._plan, data)
        self.number = values["number"]
        self.state = saved.state_of_plain(values["state"])
        self._openings = saved.openings_of_plain(values["openings"])
        self._log = dict(values["log"])
        self._reached = dict(values["reached"])
        self._absent = set(values["absent"])
        self._session = None
        self._next_attempt = values["attempt"] + 1
        if values["attempt"] >= 0 and self._records and not self._plan.attested:
            self._replay(Round(self._plan, self.number, values["attempt"]), values["inputs"])

    def _replay(self, round_: Round, inputs: list[bytes | None]) -> None:
        """Plays an attempt again: a session is a pure function of what it received."""
        announced = [o for o in self._openings if o.number == self.number]
        self._openings = [o for o in self._openings if o.number != self.number]
        self._round, self._session = round_, self._session_of(round_)
        self._openings += announced
        self._send(self._session.open())
        for event in inputs:
            if event is None:
                self._send(self._session.advance())
            else:
                self._take(event, self._session)
        self._inputs = inputs


def _sender_of(message: bytes) -> str:
    """The name in an envelope, unverified: whose answer is missing then."""
    try:
        match canonical.decode(message, len(message), 8):
            case [str(), str(sender), *_]:
                return sender
            case _:
                return ""
    except ProtocolError:
        return ""
