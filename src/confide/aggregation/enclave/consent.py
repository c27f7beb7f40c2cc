"""Openings of an enclave that reads contributions, of which the parties' stores are the counter.

The enclave knows which sums it opened as long as nobody sets it back, and its host may: it restores
an old state under a counter that lies, runs two enclaves from one state, or starts a new one. So
the enclave asks before a sum leaves it. It announces the survivors, each of them notes the sum in
its register and signs, and the enclave releases once enough have signed (`consents_needed`):

1. *open → contribution*: the enclave announces its history of openings; a party that signed a sum
   which the history leaves out takes no part.
2. *survivors → consent*: a party signs the survivors once in a round, for this one session of the
   enclave, which drew a number for it.

**Theorem.** Let the hardware be sound, let at most c parties collude, and let an honest party keep
its register. (1) Any two released sums that contain one honest party have an honest signer in
common, which signed the first before the second and saw the first in the second's history,
whatever was set back, copied or begun anew in between. (2) So the enclave that released the second
checked both together: their classes are as large as the plan says, and a fixed crowd is the same in
both; sums without a common honest party tell nothing but their own totals. (3) c colluding parties
that lie about their memory sign as they like and are still too few to replace the honest signer, so
what they gain is their own part of each sum, which they know.

With a quorum q > (n + c)/2 two sets of signers share an honest party (Bonawitz et al. 2017, §6.2).
A plan that bears the loss of so many parties that a sum may have fewer survivors than q takes the
signatures of all of them: then every honest party in two sums signed both. Two such sums over
disjoint parties can still be released by two enclaves, and each is large enough by itself. With
cohorts and dropouts that would not do: S1 = {v} + A + B, then S2 = A and S3 = B of two enclaves
that know S1 alone give v away. Such plans have a quorum in each sum, or cannot be made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from confide.aggregation.clear import ClearCoordinator, contribution_payload
from confide.aggregation.enclave.wire import opening_bytes
from confide.aggregation.encoding import Integers
from confide.aggregation.envelope import Round, fields_of
from confide.aggregation.session import (
    Announcer,
    Contribution,
    FalseShare,
    Identity,
    Released,
    RoundResult,
    totals_of,
)
from confide.aggregation.sharing import wire
from confide.errors import DropoutError, ProtocolError, VerificationError
from confide.plan.crowds import check_openings
from confide.plan.openings import Opening, check_history
from confide.plan.plan import Plan
from confide.randomness import SecureRandom

__all__ = [
    "SESSION_BYTES",
    "ConsentCoordinator",
    "ConsentingParty",
    "check_openings",
    "consents_needed",
]

SESSION_BYTES: Final = 32
"""A number that an enclave draws for each set of survivors, so that a consent serves once."""

_CONSENT_BYTES: Final = 64


def consents_needed(plan: Plan, survivors: int) -> int:
    """How many survivors sign before their sum leaves an enclave that reads contributions.

    Args:
        plan: The plan.
        survivors: How many parties are in the sum.

    Returns:
        A quorum; all survivors, if the plan lets a sum have fewer than a quorum; 0 if there is no
        enclave, if contributions are hidden from it (then its inner protocol asks for consent), or
        if its host does not lie.
    """
    if not plan.attested or plan.only_sums_open or not plan.coordinator_may_lie:
        return 0
    quorum = (len(plan.parties) + plan.colluding) // 2 + 1
    return quorum if quorum <= plan.min_survivors else survivors


class ConsentingParty:
    """A party's side: see `confide.aggregation.session.PartySession`.

    Args:
        round_: The attempt, whose announcer is the enclave that was verified; it is claimed from
            the identity's register at once.
        identity: Name, key and register of the party.
        state_hash: Hash of the state that the party itself computed and contributes to.
        contribution: Called once, when the vector is due.
    """

    def __init__(
        self, round_: Round, identity: Identity, state_hash: bytes, contribution: Contribution
    ) -> None:
        identity.register.claim(round_)
        self._round, self._identity = round_, identity
        self._state_hash, self._contribution = state_hash, contribution
        self._names = [party.name for party in round_.plan.parties]
        self._limit = opening_bytes(round_.plan)
        self._step: Callable[[bytes], tuple[str, bytes]] | None = self._contribute

    def receive(self, message: bytes) -> bytes:
        """Answers the next announcement of the enclave."""
        step, self._step = self._step, None
        if step is None:
            raise ProtocolError(f"a message after the end of {self._round}")
        kind, payload = step(message)
        return self._round.seal(self._identity.key, self._identity.name, kind, payload)

    def accept(self, result: Released) -> Integers:
        """The receipt is checked by the session around this one."""
        return totals_of(result)

    def _contribute(self, message: bytes) -> tuple[str, bytes]:
        said = self._round.read_announcement(message, "open", self._limit)
        state_hash, history = fields_of(said, state=bytes, history=bytes)
        if state_hash != self._state_hash:
            raise VerificationError(f"the enclave opens {self._round} with another state than ours")
        known = self._identity.register.openings
        sums = (opening for opening in known if self._round.plan.opens(opening.number))
        check_history(wire.history_of(history, self._names), sums)
        self._transcript = _transcript(self._round, state_hash, history)
        self._step = self._consent
        return "contribution", contribution_payload(self._round, state_hash, self._contribution())

    def _consent(self, message: bytes) -> tuple[str, bytes]:
        said = self._round.read_announcement(message, "survivors", self._limit)
        survivors, session = fields_of(said, survivors=bytes, session=bytes)
        members = wire.members_of(survivors, len(self._names))
        names = tuple(self._names[i] for i in np.flatnonzero(members))
        if self._identity.name not in names:
            raise ProtocolError(
                f"the survivors leave out {self._identity.name!r}, who is asked to sign them"
            )
        # On the disk before the signature leaves: from here on the sum counts as opened.
        self._identity.register.consent(self._round, names)
        return "consent", _consent(self._transcript, members, session)


class ConsentCoordinator:
    """The enclave's side: see `confide.aggregation.session.CoordinatorSession`.

    Args:
        round_: The attempt.
        state_hash: Hash of the state that this round contributes to.
        invited: Names of the parties to ask.
        inner: Takes the contributions and combines them.
        announcer: Whose key signs, with the openings so far.
        random: Where the session's number comes from.
    """

    def __init__(
        self,
        round_: Round,
        state_hash: bytes,
        invited: tuple[str, ...],
        inner: ClearCoordinator,
        *,
        announcer: Announcer,
        random: SecureRandom,
    ) -> None:
        self._round, self._state_hash, self._invited = round_, state_hash, invited
        self._inner, self._announcer, self._random = inner, announcer, random
        self._names = [party.name for party in round_.plan.parties]
        self._history = wire.history_to_bytes(announcer.history, self._names)
        self._expected = b""
        self._signed: set[str] = set()
        self._over = False

    def open(self) -> Mapping[str, bytes]:
        """Asks every invited party for its contribution, and says what was opened before."""
        said = {"state": self._state_hash, "history": self._history}
        return dict.fromkeys(
            self._invited, self._round.announce(self._announcer.key, "open", **said)
        )

    def receive(self, message: bytes) -> Mapping[str, bytes]:
        """Takes a contribution, and later a consent."""
        if self._over:
            raise ProtocolError(f"a message after the end of {self._round}")
        if self._inner.opening is None:
            return self._inner.receive(message)
        self._take_consent(message, self._inner.opening)
        return {}

    def advance(self) -> Mapping[str, bytes]:
        """Fixes the survivors and asks them; then ends the round."""
        if self._over:
            return {}
        if self._inner.opening is None:
            self._inner.advance()
            return self._ask(self._inner.result.survivors)
        needed = consents_needed(self._round.plan, len(self._inner.opening.survivors))
        if len(self._signed) < needed:
            raise DropoutError(
                f"{len(self._signed)} of {len(self._inner.opening.survivors)} survivors signed "
                f"{self._inner.opening}; it takes {needed}. No sum is released, and the round "
                "counts as opened: go on with the next one, over the same parties"
            )
        self._over = True
        return {}

    @property
    def awaits(self) -> str:
        """The kind of message that this step takes."""
        return "contribution" if self._inner.opening is None else "consent"

    @property
    def opening(self) -> Opening | None:
        """The survivors, once all contributions are in."""
        return self._inner.opening

    @property
    def false_shares(self) -> tuple[FalseShare, ...]:
        """None: nothing is shared."""
        return ()

    @property
    def result(self) -> RoundResult:
        """The sum over the survivors."""
        if not self._over:
            raise ProtocolError(f"{self._round} is not finished")
        return self._inner.result

    def _ask(self, survivors: tuple[str, ...]) -> Mapping[str, bytes]:
        members, session = np.isin(self._names, survivors), self._random.bytes(SESSION_BYTES)
        transcript = _transcript(self._round, self._state_hash, self._history)
        self._expected = _consent(transcript, members, session)
        said = {"survivors": wire.members_to_bytes(members), "session": session}
        message = self._round.announce(self._announcer.key, "survivors", **said)
        return dict.fromkeys(survivors, message)

    def _take_consent(self, message: bytes, opening: Opening) -> None:
        envelope = self._round.open(message, "consent", _CONSENT_BYTES)
        if envelope.sender in self._signed or envelope.sender not in opening.survivors:
            raise ProtocolError(f"a second or unasked consent of {envelope.sender!r}")
        if envelope.payload != self._expected:
            raise VerificationError(
                f"{envelope.sender!r} signed other survivors, or the survivors that another "
                "instance of the enclave announced"
            )
        self._signed.add(envelope.sender)


def _transcript(round_: Round, state_hash: bytes, history: bytes) -> bytes:
    return wire.chain(wire.start_transcript("attested", round_, state_hash), "history", history)


def _consent(transcript: bytes, survivors: wire.Members, session: bytes) -> bytes:
    """What a party signs: these survivors, after this history, for this session."""
    return wire.consent_payload(wire.chain(transcript, "session", session), survivors)
