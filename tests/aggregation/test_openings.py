"""Sums over the same data, played by a coordinator that lies, against real state machines.

It announces a false sum that leaves the state as it was, so every party contributes what it
contributed before. Then it combines the sums it gets opened.
"""

import pytest
from tests.aggregation.support import CURIOUS, Federation, plan_of, sum_of

from confide.aggregation.sharing import SharingParty, wire
from confide.errors import ConfideError, OpeningError, ProtocolError
from confide.plan import Encrypted, Masked, OpenCrowd, Plan
from confide.plan.openings import Opening
from confide.privacy.ledger.rounds import Rounds

VICTIM = "p000"
EVERY = pytest.mark.parametrize("hiding", [Masked(), Encrypted()], ids=["masked", "encrypted"])


def nothing(*_, **__):
    """A check that checks nothing."""


def open_crowd(plan: Plan) -> Plan:
    """The plan as if it could be made with an open crowd: only the parties' checks are left."""
    object.__setattr__(plan, "crowd", OpenCrowd())
    return plan


def opened(federation, number, history, *, without):
    """Runs a round in which the coordinator calls some missing although they contributed."""
    attempt = federation.attempt(number, history=history).until("contribution")
    for name in attempt.outbox:
        answer = attempt.answer(name)
        if name not in without:
            attempt.coordinator.receive(answer)
    attempt.advance()
    return attempt.finish()


@EVERY
class TestPartyThatIsCalledMissing:
    """Round 0 is over everybody, round 1 over all but one: the difference is its contribution."""

    def attack(self, plan):
        federation = Federation(plan)
        first = federation.attempt(0).finish()
        second = opened(federation, 1, federation.history, without=[VICTIM])
        found = (first.totals - second.totals).tolist()
        return found == sum_of(federation.contributions, [VICTIM])

    def test_is_safe_in_a_fixed_crowd(self, hiding):
        with pytest.raises(OpeningError, match=r"fixed crowd.*'p000' missing"):
            self.attack(plan_of(7, dropouts=2, aggregation=hiding))

    def test_is_safe_where_parties_keep_classes(self, hiding):
        with pytest.raises(OpeningError, match="'p000' could be singled out"):
            self.attack(open_crowd(plan_of(7, dropouts=2, aggregation=hiding)))

    def test_would_be_given_away_if_parties_did_not_look_at_openings(self, hiding, monkeypatch):
        monkeypatch.setattr(SharingParty, "_check_opening", nothing)
        assert self.attack(plan_of(7, dropouts=2, aggregation=hiding))

    def test_is_given_away_under_a_plan_that_calls_the_coordinator_curious(self, hiding):
        """So such a plan's views say that it is not private once anybody is missing."""
        plan = plan_of(7, dropouts=2, aggregation=hiding, threat=CURIOUS, crowd=OpenCrowd())
        assert self.attack(plan)
        (finding,) = [f for f in plan.findings if f.attack == "differences across rounds"]
        assert "NOT PRIVATE" in finding.reason


@EVERY
class TestHistoryThatLeavesAnOpeningOut:
    """S1 = {v} and two crowds A and B, S2 = B, S3 = {v} and B: S3 - S2 is v, and any two of the
    three have large classes only. So the coordinator tells of S1 alone before it opens S3."""

    CROWD = tuple(f"p{i:03}" for i in range(4, 16))

    def attack(self, hiding, *, told):
        """Opens S1, S2 and S3, the last with a history of the first so many."""
        federation = Federation(open_crowd(plan_of(16, dropouts=4, aggregation=hiding)))
        federation.attempt(0).finish()
        second = opened(federation, 1, federation.history, without=federation.names[:4])
        history = federation.history[:told]
        third = opened(federation, 2, history, without=federation.names[1:4])
        assert tuple(second.survivors) == self.CROWD
        found = (third.totals - second.totals).tolist()
        return found == sum_of(federation.contributions, [VICTIM])

    def test_is_refused_by_who_consented_to_it(self, hiding):
        with pytest.raises(OpeningError, match=r"leaves out the sum of round 1.*consented to"):
            self.attack(hiding, told=1)

    def test_leaves_no_quorum_that_goes_on(self, hiding):
        """Two quorums share an honest party, so those who do not know of S2 are too few."""
        federation = Federation(open_crowd(plan_of(16, dropouts=4, aggregation=hiding)))
        federation.attempt(0).finish()
        opened(federation, 1, federation.history, without=federation.names[:4])
        attempt = federation.attempt(2, history=federation.history[:1])
        willing = set()
        for name in federation.names:
            try:
                attempt.answer(name)
                willing.add(name)
            except OpeningError:
                assert name in self.CROWD
        assert willing == set(federation.names[:4])
        assert len(willing) < federation.plan.masking.quorum

    def test_is_needed_to_have_the_victim_told_apart(self, hiding):
        with pytest.raises(OpeningError, match="'p000' could be singled out"):
            self.attack(hiding, told=2)

    def test_would_give_the_victim_away_if_parties_did_not_remember(self, hiding, monkeypatch):
        monkeypatch.setattr("confide.aggregation.sharing.party.check_history", nothing)
        assert self.attack(hiding, told=1)

    def test_is_refused_if_it_names_other_survivors(self, hiding):
        federation = Federation(plan_of(7, dropouts=2, aggregation=hiding))
        federation.attempt(0).finish()
        attempt = federation.attempt(1, history=(Opening(0, 0, tuple(federation.names[1:])),))
        for name in federation.names:
            with pytest.raises(OpeningError, match="leaves out"):
                attempt.answer(name)

    def test_that_differs_from_party_to_party_opens_nothing(self, hiding):
        """Some are told of an opening that nobody consented to: what parties sign, and the keys
        they agree on, bind the history that each was told."""
        federation = Federation(plan_of(7, dropouts=2, aggregation=hiding))
        attempt = federation.attempt(1, history=())
        invented = (Opening(0, 0, tuple(federation.names)),)
        story = wire.history_to_bytes(invented, federation.names)
        for name in federation.names[:3]:
            attempt.outbox[name] = attempt.misquoted(name, history=story)
        with pytest.raises(ConfideError):
            attempt.finish()
        with pytest.raises(ProtocolError, match="not finished"):
            _ = attempt.coordinator.result


@EVERY
class TestRoundThatIsOpenedAgain:
    """The coordinator says that an attempt failed, and opens the round over others once more."""

    def again(self, hiding, history):
        federation = Federation(plan_of(7, dropouts=2, aggregation=hiding))
        federation.attempt(0).finish()
        return federation.attempt(0, 1, names=federation.names[1:], history=history).finish()

    def test_finds_the_round_spent(self, hiding):
        with pytest.raises(ProtocolError, match="used up"):
            self.again(hiding, None)

    def test_finds_the_opening_remembered_if_rounds_were_not_spent(self, hiding, monkeypatch):
        monkeypatch.setattr(Rounds, "check_claim", nothing)
        monkeypatch.setattr(Rounds, "check_consent", nothing)
        with pytest.raises(OpeningError, match="leaves out"):
            self.again(hiding, ())
        with pytest.raises(OpeningError, match="fixed crowd"):
            self.again(hiding, None)
