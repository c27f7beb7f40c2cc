"""A party's side of a run: it answers the coordinator's messages and keeps its own state.

The party computes each state itself, from the released sums, and contributes to no other. A failure
at one party is a dropout of that party: it answers with a typed reason, keeps the error for its
owner, and the run continues without it if the plan allows that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from confide import canonical
from confide.aggregation import (
    Identity,
    Integers,
    LedgerRegister,
    PartySession,
    Round,
    party_session,
)
from confide.aggregation.envelope import fields_of
from confide.aggregation.masked.verified import check_announced
from confide.aggregation.session import totals_of
from confide.computation import (
    Account,
    Checkpoint,
    Computation,
    Computed,
    Data,
    DataSource,
    Participant,
    State,
    next_state,
    state_hash,
)
from confide.errors import OpeningError, ProtocolError, VerificationError
from confide.plan import Opening, Plan, Sums
from confide.randomness import SEED_BYTES, SecretStream
from confide.runtime import saved
from confide.runtime.events import ContributionCounted
from confide.runtime.evidence import Evidence, Heard
from confide.runtime.saved import Recording, ReplayedRegister
from confide.runtime.stages import StagesOfRun
from confide.runtime.wire import (
    CONSENTS,
    READY,
    REFUSAL,
    RESULT,
    SKIP,
    Announced,
    Refusal,
    kind_of,
    result_limit,
    result_of,
    unframed,
)

__all__ = ["PartyRun", "Steps"]

_SKIP_BYTES = 1024


class Steps:
    """How a party reads a result, and computes the next state from it."""

    def read(self, round_: Round, announcement: memoryview) -> Announced:
        """Reads an announced result.

        Raises:
            ProtocolError: If it is malformed.
            VerificationError: If the coordinator did not sign it, or honest parties cannot reach
                it.
        """
        said = round_.read_announcement(announcement, RESULT, result_limit(round_))
        return result_of(round_, said)

    def take(self, computation: Computation, state: State, totals: Integers) -> State:
        """The next state.

        Raises:
            DataError: If the computation diverges.
        """
        return next_state(computation, state, totals)

    def computed(self, party: str, number: int) -> Computed | None:
        """What was computed already for a party's contribution to a round, or None."""
        return None


def _sums_of(plan: Plan) -> Iterator[tuple[int, Plan]]:
    """The stages of sums, each by its place and as a plan of its own."""
    for place, (stage, part) in enumerate(zip(plan.stages, plan.stage_plans, strict=True)):
        if isinstance(stage, Sums):
            yield place, part


class PartyRun:
    """One party's run of a plan.

    Args:
        plan: The plan.
        computations: What each stage of sums computes, in order.
        identity: The party's name, key, register and randomness.
        data: Its rows.
        account: Where it records what the plan's sums reveal about its rows, the rounds that it
            takes part in and the sums that it helps to open. With an account, that ledger is the
            register, and `identity.register` is not used.
        on_event: Called with how the party's rows were counted; this is for the party alone and is
            not sent.
        steps: How results are read, and steps taken from them; a simulation does both once for all
            of its parties.
        stages: The plan's stages with `computations`, if the parties of a simulation share them.
        records: Whether it keeps the contribution and the messages of the attempt under way, so
            that `save` holds them and a repeated announcement gets its answer again. Then it holds
            two more vectors.

    Attributes:
        state: The public state, as this party computed it.
        number: The round that it waits for.
        own: Its own state, that of the last round in whose sum its contribution was.
        failure: The last error that made it refuse, for its owner; never sent.
        evidence: Two announcements by which anybody sees that the coordinator contradicted itself,
            if the last one that this party refused contradicts one that it followed; else None.
    """

    def __init__(
        self,
        plan: Plan,
        computations: Sequence[Computation],
        identity: Identity,
        data: DataSource,
        account: Account | None = None,
        *,
        on_event: Callable[[ContributionCounted], None] | None = None,
        steps: Steps | None = None,
        stages: StagesOfRun | None = None,
        records: bool = True,
    ) -> None:
        if account is not None:
            # Charges, rounds and openings are in one store, which survives a restart.
            register = LedgerRegister(account.ledger, plan, (account.dataset,))
            identity = replace(identity, register=register)
        self._plan, self._identity = plan, identity
        self._stages = stages or StagesOfRun(plan, computations)
        self._participants = {
            place: Participant(part, computation, identity, data, account, whole=plan)
            for (place, part), computation in zip(_sums_of(plan), computations, strict=True)
        }
        self._on_event = on_event or (lambda _: None)
        self._steps, self._records = steps or Steps(), records
        self.state: State = self._stages.entered(0, {})
        self.number = 0
        self.own = self._first_own()
        self.failure: Exception | None = None
        self.evidence: Evidence | None = None
        self._heard = Heard(plan)
        self._session: PartySession | None = None
        self._attempt: Round | None = None
        self._recording: Recording | None = None
        self._answered: tuple[bytes, bytes] | None = None
        self._next_own: State = {}
        self._consents: bytes | None = None

    def __repr__(self) -> str:
        return (
            f"PartyRun({self._identity.name!r}, plan {self._plan.short_hash}, round {self.number})"
        )

    @property
    def name(self) -> str:
        """The party's name."""
        return self._identity.name

    @property
    def identity(self) -> Identity:
        """The party as it takes part, with the register that remembers its rounds."""
        return self._identity

    @property
    def over(self) -> bool:
        """Whether the last round is over."""
        return self.number >= self._plan.rounds

    def check_data(self) -> int:
        """Checks the data for every stage without contributing; the number of rows.

        Raises:
            DataError: If they do not fit.
        """
        return max((p.check_data() for p in self._participants.values()), default=0)

    def inputs(self, number: int) -> tuple[State, Data, np.random.Generator] | None:
        """Own state, rows and public generator of the round that it waits for.

        None for another round, and where `Participant.inputs` gives none.

        Raises:
            DataError: If the rows do not fit.
        """
        if number != self.number:
            return None
        found = self._participants[self._plan.stage_of(number)].inputs(number)
        return None if found is None else (self.own, *found)

    def reserve(self, *, resume: bool = False) -> None:
        """Reserves what the rounds to come will cost the party, if it has an account.

        Args:
            resume: Whether to reuse what an interrupted run of the plan reserved.

        Raises:
            PrivacyBudgetError: If the ledger has no room for it; nothing is charged.
        """
        try:
            for place, participant in self._participants.items():
                stage = self._plan.stages[place]
                passed = self.number - self._plan.first_round(stage.name)
                first = self._plan.first_round(stage.name)
                left = range(first + min(max(passed, 0), stage.rounds), first + stage.rounds)
                rounds = sum(self.name in self._plan.asked(number) for number in left)
                if rounds:
                    participant.reserve(rounds, resume=resume)
        except BaseException:
            self.settle()
            raise

    def settle(self) -> None:
        """Closes the charges: of rounds that it contributed to they stay, others are given back."""
        for participant in self._participants.values():
            participant.settle()

    def resume(self, start: Checkpoint) -> None:
        """Continues from a checkpoint of a simulation: its state, openings and own state.

        A register that forgets takes the openings in. A ledger knows those of its rounds better: a
        party that left before its consent opened nothing.
        """
        self.number, self.state = start.next_round, start.state
        self.own = start.own.get(self.name, {})
        for opening in start.openings:
            known = self._identity.register.latest >= (opening.number, opening.attempt)
            if self.name in opening.survivors and not known:
                round_ = Round(self._plan, opening.number, opening.attempt)
                self._identity.register.claim(round_)
                self._identity.register.consent(round_, opening.survivors)

    # --- messages --------------------------------------------------------------------------------

    def receive(self, message: bytes) -> bytes | None:
        """Takes a message of the coordinator.

        Returns:
            The answer, or None where there is none: a message of the round's protocol, or that the
            party is behind and waits for another round, or that it takes no further part.
        """
        try:
            return self._take(message)
        # Any failure here, of a data loader for example, is a dropout of this party alone.
        except Exception as error:  # noqa: BLE001
            self.failure = error
            self.evidence = self._heard.against(message) or self.evidence
            self._session = None
            return self._refuse(message, Refusal.of(error))

    def _take(self, message: bytes) -> bytes | None:
        number, attempt, announcement = unframed(message)
        round_ = Round(self._plan, number, attempt)
        kind = kind_of(announcement)
        if number > self.number:
            return self._say(round_, READY, next=self.number)
        if number < self.number:
            return None  # Of a round that is over: what it says is known.
        if kind == RESULT:
            self._accept(round_, announcement)
            return None
        if kind == CONSENTS:
            said = round_.read_announcement(announcement, CONSENTS, len(announcement))
            self._consents = fields_of(said, consents=bytes)[0]
            return None
        if kind == SKIP:
            fields_of(round_.read_announcement(announcement, SKIP, _SKIP_BYTES))
            self._move_on(self.state, committed=False)
            return None
        answer = self._answer(round_, bytes(announcement))
        self._heard.keep(message)
        return answer

    def _answer(self, round_: Round, announcement: bytes) -> bytes:
        """Answers an announcement of the round's protocol; a repeated one as before."""
        before = self._answered
        if self._attempt == round_ and before is not None and before[0] == announcement:
            return before[1]
        if self._attempt != round_ or self._session is None:
            self._begin(round_)
        assert self._session is not None  # noqa: S101 - `_begin` made one
        assert self._recording is not None  # noqa: S101 - with it
        answer = self._session.receive(announcement)
        received = self._recording.received
        if not self._plan.attested:
            self._identity.register.answered(round_, len(received), announcement, answer)
        self._keep(received, announcement, answer)
        return answer

    def _keep(self, received: list[bytes], announcement: bytes, answer: bytes) -> None:
        """Keeps a message and its answer, or just that there was one."""
        received.append(announcement if self._records else b"")
        if self._records:
            self._answered = announcement, answer

    def _begin(self, round_: Round) -> None:
        """A session for an attempt, whose secrets come from one seed of its own."""
        if self._attempt is not None and (round_.number, round_.attempt) <= (
            self._attempt.number,
            self._attempt.attempt,
        ):
            raise ProtocolError(f"{round_} is over for {self.name!r}")
        if self.name not in self._plan.asked(round_.number):
            raise OpeningError(
                f"{round_} asks {self.name!r}, who is not in the cohort of that round: it takes no "
                "part"
            )
        self._recording = Recording(seed=self._identity.random.bytes(SEED_BYTES))
        self._session = self._session_of(round_, self._recording, self._identity)
        self._attempt = round_

    def _session_of(self, round_: Round, recording: Recording, identity: Identity) -> PartySession:
        stage = self._participants[self._plan.stage_of(round_.number)]
        secrets = SecretStream(recording.seed)

        def contribution() -> Integers:
            made, own = recording.contribution, recording.own
            if made is None:
                computed = self._steps.computed(self.name, round_.number)
                counted = stage.contribute(round_.number, self.state, self.own, secrets, computed)
                made, own = counted.integers, counted.own
                self._on_event(
                    ContributionCounted(
                        round_.number, counted.rows, counted.clipped, counted.beyond_capacity
                    )
                )
            if self._records:
                recording.contribution, recording.own = made, own
            self._next_own = own
            return made

        seeded = replace(identity, random=secrets)
        return party_session(round_, seeded, state_hash(self.state), contribution)

    def _accept(self, round_: Round, announcement: memoryview) -> None:
        """Checks a result, and computes the next state from it."""
        computation = self._stages.computation(round_.number)
        mine = self._attempt == round_ and self._session is not None
        survivors, totals = self._checked(round_, announcement)
        state = self._steps.take(computation, self.state, totals)
        self._move_on(state, committed=mine and self.name in survivors)

    def _checked(self, round_: Round, announcement: memoryview) -> tuple[tuple[str, ...], Integers]:
        """Survivors and sums, checked as far as a party can that was there, or was not."""
        result = self._steps.read(round_, announcement)
        self._check_consent(round_, result.survivors)
        result = replace(result, consents=self._consents)
        there = self._session if self._attempt == round_ else None
        if there is not None and (self._plan.verified or self.name in result.survivors):
            return result.survivors, there.accept(result)
        if self._plan.verified:
            return result.survivors, check_announced(round_, state_hash(self.state), result)
        return result.survivors, totals_of(result)

    def _check_consent(self, round_: Round, survivors: tuple[str, ...]) -> None:
        for opening in self._identity.register.openings:
            if (opening.number, opening.attempt) == (round_.number, round_.attempt) and (
                opening.survivors not in ((), survivors)
            ):
                raise VerificationError(
                    f"a result of {round_} over other parties than {self.name!r} consented to"
                )

    def _move_on(self, state: State, *, committed: bool) -> None:
        """Continues with the next round; the private state is kept if the contribution counts."""
        if committed:
            self.own = self._next_own
        self._session = self._recording = self._answered = None
        self._next_own, self._consents = {}, None
        self._pass(1, state)

    def _pass(self, rounds: int, state: State) -> None:
        """Advances by some rounds; a new stage begins with its state before the first round."""
        self.number += rounds
        self.state = self._stages.entered(self.number, state)
        if self._stages.begins(self.number):
            self.own = self._first_own()

    def _first_own(self) -> State:
        """The own state before the first round of the stage that begins."""
        if self.over or self._stages.exchange(self.number) is not None:
            return {}
        return self._participants[self._plan.stage_of(self.number)].first_own()

    def pass_exchange(self) -> None:
        """Goes on after an exchange, whose messages do not pass through this run."""
        if (exchange := self._stages.exchange(self.number)) is not None:
            self._pass(exchange.rounds, self.state)

    def _refuse(self, message: bytes, reason: Refusal) -> bytes | None:
        try:
            number, attempt, _ = unframed(message)
            round_ = Round(self._plan, number, attempt)
        except ProtocolError:
            return None
        return self._say(round_, REFUSAL, reason=reason.value)

    def _say(self, round_: Round, kind: str, **values: object) -> bytes:
        """A message besides the protocol's, which names the attempt that it is signed for."""
        place = {"number": round_.number, "attempt": round_.attempt}
        payload = canonical.encode(place | values)
        return round_.seal(self._identity.key, self.name, kind, payload)

    # --- saved and restored ----------------------------------------------------------------------

    def save(self) -> bytes:
        """The run as bytes, secrets of the attempt included: as secret as the party's data.

        The messages that a session received and the seed of its secrets determine its state, so
        these are saved, and `restore` replays them. Without `records` they are not: the attempt
        under way is lost then.
        """
        attempt = self._attempt
        return saved.write(
            self._plan,
            {
                "party": self.name,
                "number": self.number,
                "attempt": [] if attempt is None else [attempt.number, attempt.attempt],
                "state": saved.state_to_plain(self.state),
                "own": saved.state_to_plain(self.own),
                "heard": self._heard.kept,
                "openings": saved.openings_to_plain(list(self._identity.register.openings)),
                "recording": (
                    self._recording.to_plain() if self._recording and self._records else None
                ),
            },
        )

    def restore(self, data: bytes) -> None:
        """Restores a saved run of the same plan, also in the middle of an attempt.

        The register decides what may continue: an attempt that it does not know, or a consent to
        something else, is refused, so an older save opens nothing twice. A register that knows less
        than the save is refused too: the party would follow a history without its own consents.

        Raises:
            ProtocolError: If the bytes are another plan's or party's, or the register contradicts
                them.
        """
        values = saved.read(self._plan, data)
        if values["party"] != self.name:
            raise ProtocolError(f"a saved run of {values['party']!r}, not of {self.name!r}")
        self._check_register(values["attempt"], saved.openings_of_plain(values["openings"]))
        self.number = values["number"]
        self.state = saved.state_of_plain(values["state"])
        self.own = saved.state_of_plain(values["own"])
        self._heard = Heard(self._plan, values["heard"])
        self._session = self._recording = self._attempt = self._answered = None
        if values["attempt"]:
            self._attempt = Round(self._plan, *values["attempt"])
        if values["recording"] is None or self._attempt is None or self._plan.attested:
            return  # An enclave answers a fresh question: such an attempt is lost.
        recording = Recording.of_plain(values["recording"])
        register = self._identity.register
        replaying = replace(self._identity, register=ReplayedRegister(register, self._attempt))
        self._session = self._session_of(self._attempt, recording, replaying)
        for step, announcement in enumerate(recording.received):
            answer = self._session.receive(announcement)
            register.answered(self._attempt, step, announcement, answer)
            self._answered = announcement, answer
        self._recording = recording

    def _check_register(self, attempt: list[int], openings: list[Opening]) -> None:
        """Refuses a register that forgot what the run had done when it was saved."""
        register = self._identity.register
        known, latest = register.openings, register.latest
        forgotten = next((o for o in openings if o not in known), None)
        if forgotten is not None or latest < tuple(attempt):
            what = forgotten or f"round {attempt[0]}, attempt {attempt[1]}"
            raise ProtocolError(
                f"the register of rounds of {self.name!r} does not know {what} of plan "
                f"{self._plan.short_hash}, and the saved run does: it is empty, another party's or "
                "restored from a backup that is older than the save. Give the ledger that the run "
                "was saved with; without it this party takes no further part in the plan"
            )
