"""The enclave's side of an attested round; the host that runs it only carries these messages."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from confide import canonical
from confide.aggregation.clear import ClearCoordinator
from confide.aggregation.enclave.aggregator import Aggregator
from confide.aggregation.enclave.consent import ConsentCoordinator, consents_needed
from confide.aggregation.enclave.robust import RobustCoordinator
from confide.aggregation.enclave.wire import CHALLENGE_BYTES, MET, header, split
from confide.aggregation.envelope import SIGNATURE_BYTES, Round, fields_of
from confide.aggregation.inner import inner_bytes, inner_coordinator
from confide.aggregation.session import Announcer, CoordinatorSession, FalseShare, RoundResult
from confide.errors import DropoutError, PlanError, ProtocolError, VerificationError
from confide.plan.openings import Opening
from confide.plan.protection import Rule
from confide.tee.channel import sealed_bytes
from confide.tee.claims import Claims

__all__ = ["EnclaveCoordinator"]

_NAME_BYTES = 200


class EnclaveCoordinator:
    """See `confide.aggregation.session.CoordinatorSession`.

    Args:
        round_: The attempt; the aggregator takes it at once.
        state_hash: Hash of the state that this round contributes to.
        invited: Names of the parties to ask.
        aggregator: The state of the enclave.
        history: The openings that the host knows of; the aggregator adds those that it knows.

    Raises:
        PlanError: If the aggregator is for another plan.
        OpeningError: If the host tells of other survivors than the aggregator opened.
    """

    def __init__(
        self,
        round_: Round,
        state_hash: bytes,
        invited: tuple[str, ...],
        aggregator: Aggregator,
        history: tuple[Opening, ...] = (),
    ) -> None:
        if aggregator.plan.hash != round_.plan.hash:
            raise PlanError(
                f"{aggregator!r} enforces plan {aggregator.plan.short_hash}, and is asked for "
                f"{round_.plan.short_hash}: launch another one"
            )
        known = aggregator.history(history)
        aggregator.begin(round_)
        self._round, self._state_hash, self._invited = round_, state_hash, invited
        self._aggregator, self._history = aggregator, known
        self._claims: dict[str, Claims] = {}
        self._evidence: dict[str, bytes] = {}
        self._inner: CoordinatorSession | None = None
        self._step = 0
        self._inputs: dict[str, bytes] = {}
        self._met: dict[str, bytes] = {}
        self._limit = inner_bytes(round_)
        self._opening: Opening | None = None
        self._result: RoundResult | None = None
        self._over = False

    def open(self) -> Mapping[str, bytes]:
        """Lets every invited party ask."""
        return dict.fromkeys(self._invited, self._round.announce(None, "ask"))

    def receive(self, message: bytes) -> Mapping[str, bytes]:
        """Takes a party's question, and later what it sealed."""
        if self._over:
            raise ProtocolError(f"a message after the end of {self._round}")
        if self._inner is None:
            self._answer(message)
        else:
            self._take(message, self._inner)
        return {}

    def advance(self) -> Mapping[str, bytes]:
        """Closes the step."""
        if self._over:
            return {}
        if self._inner is None:
            return self._begin()
        outbox = self._inner.advance()
        self._step += 1
        if self._opening is None and self._inner.opening is not None:
            self._open(self._inner.opening)
        if not outbox:
            self._finish(self._inner.result)
        return outbox

    @property
    def awaits(self) -> str:
        """The kind of message that this step takes, as the inner protection calls it."""
        return "challenge" if self._inner is None else self._inner.awaits

    @property
    def opening(self) -> Opening | None:
        """The survivors of this attempt, once the aggregator has opened their sum."""
        return self._opening

    @property
    def false_shares(self) -> tuple[FalseShare, ...]:
        """Those that the inner protection found."""
        return self._inner.false_shares if self._inner is not None else ()

    @property
    def result(self) -> RoundResult:
        """What is released, with the enclave's receipt."""
        if self._result is None:
            raise ProtocolError(f"{self._round} is not finished")
        return self._result

    def _answer(self, message: bytes) -> None:
        envelope = self._round.open(message, "challenge", CHALLENGE_BYTES)
        sender = envelope.sender
        if sender in self._claims or sender not in self._invited:
            raise ProtocolError(f"a second or unasked question of {sender!r}")
        values = canonical.decode(envelope.payload, CHALLENGE_BYTES)
        (nonce,) = fields_of(values, nonce=bytes)
        workload = self._aggregator.workload
        evidence = workload.answer(nonce, self._aggregator.clock())
        assert evidence.claims is not None  # noqa: S101 - a workload answers with claims
        self._claims[sender], self._evidence[sender] = evidence.claims, evidence.to_bytes()

    def _begin(self) -> Mapping[str, bytes]:
        plan = self._round.plan
        if len(self._claims) < self._round.min_survivors:
            raise DropoutError(
                f"{len(self._claims)} of {len(plan.asked(self._round.number))} parties asked the "
                f"enclave in {self._round}; the plan allows {plan.dropouts} dropouts. No sum is "
                "released"
            )
        asked = tuple(name for name in self._invited if name in self._claims)
        self._inner = self._inner_session(asked)
        return {
            name: self._round.announce(
                None, "attested", evidence=self._evidence[name], message=opening
            )
            for name, opening in self._inner.open().items()
        }

    def _inner_session(self, asked: tuple[str, ...]) -> CoordinatorSession:
        rule = self._aggregator.protection.rule
        key = self._aggregator.workload.keys.signing
        announcer = Announcer(key, self._history)
        round_, state_hash = self._round, self._state_hash
        if round_.plan.only_sums_open:
            return inner_coordinator(round_, state_hash, asked, announcer)
        inner = (
            ClearCoordinator(round_, state_hash, asked, announcer)
            if rule is Rule.SUM
            else RobustCoordinator(round_, state_hash, asked, rule, announcer)
        )
        if not consents_needed(round_.plan, len(asked)):
            return inner
        random = self._aggregator.random
        return ConsentCoordinator(
            round_, state_hash, asked, inner, announcer=announcer, random=random
        )

    def _take(self, message: bytes, inner: CoordinatorSession) -> None:
        most = sealed_bytes(self._limit, len(header(self._round, "", self._step)) + _NAME_BYTES)
        sender, met, sealed = split(message, most)
        claims = self._claims.get(sender)
        if claims is None:
            raise ProtocolError(f"a sealed message of {sender[:80]!r}, who did not ask before")
        if (sender in self._met) != (not met) or len(met) not in (0, SIGNATURE_BYTES):
            raise ProtocolError(f"{sender!r} does not name exactly one instance that it met")
        if met:
            self._round.verify(sender, MET, claims.instance, met)
        expected = header(self._round, sender, self._step)
        opened = self._aggregator.workload.open(claims, expected, sealed, self._limit)
        contributes = inner.awaits == "contribution"
        try:
            inner.receive(opened)
        except VerificationError:
            if self._round.plan.only_sums_open or not contributes:
                raise
            # The original error names the party's number, which the host must not learn.
            raise VerificationError(
                f"{sender!r} sealed a contribution that the enclave refuses: its signature is "
                "by another key, or it is for another state, or beyond the plan's range"
            ) from None
        if met:
            self._met[sender] = met
        if contributes:
            self._inputs[sender] = hashlib.sha256(sealed).digest()

    def _open(self, opening: Opening) -> None:
        """Has the aggregator check and remember the survivors; without that nothing is sent."""
        try:
            self._aggregator.open(self._round, self._history, opening)
        except BaseException:
            self._over = True
            raise
        self._opening = opening

    def _finish(self, result: RoundResult) -> None:
        self._over = True
        self._result = self._aggregator.release(
            self._round,
            result,
            [self._inputs[name] for name in result.survivors],
            [self._met[name] for name in result.survivors],
        )
