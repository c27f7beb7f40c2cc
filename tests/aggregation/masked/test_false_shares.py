"""Parties that open false shares, deal them, or take somebody else's key; against whole rounds."""

import numpy as np
import pytest
from tests.aggregation.adversary import coordinator_of, payload_of
from tests.aggregation.support import Federation, plan_of, sparse_plan, sum_of

from confide import canonical
from confide.aggregation import FalseShare
from confide.aggregation.masked import reconstruction, shamir
from confide.aggregation.masked.shares import SEALED_BYTES
from confide.errors import DropoutError, ProtocolError, VerificationError
from confide.plan import Masked

PLANS = {"complete": plan_of(5), "sparse": sparse_plan(dropouts=3)}


def one_more(share: bytes) -> bytes:
    """A share whose first limb is one more."""
    elements = np.frombuffer(share, "<u4").astype(np.uint64)
    elements[0] = (elements[0] + 1) % shamir.PRIME
    return elements.astype("<u4").tobytes()


def lie(attempt, liar, field="seeds", owners=None):
    """The liar's opened shares, of all or of some owners, each one more than it should be."""
    opened = coordinator_of(attempt)._opened[coordinator_of(attempt)._index[liar]]
    shares = getattr(opened, field)
    vars(opened)[field] = {
        i: one_more(s) if owners is None or i in owners else s for i, s in shares.items()
    }


class TestPartyThatOpensFalseShares:
    """One party adds 1 to what it opens. It gets a wrong sum released, if nobody looks."""

    def attack(self, plan, silent=(), **lies):
        federation = Federation(plan)
        attempt = federation.attempt().until("contribution")
        attempt.step(silent=silent)
        attempt.until("opened")
        attempt.deliver()
        lie(attempt, "p000", **lies)
        attempt.advance()
        return federation, attempt

    @pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
    def test_is_named_and_the_sum_is_right(self, plan):
        federation, attempt = self.attack(plan)
        totals = attempt.coordinator.result.totals
        assert totals.tolist() == sum_of(federation.contributions, federation.names)
        named = coordinator_of(attempt).false_shares
        assert named
        assert {share.holder for share in named} == {"p000"}

    def test_is_named_for_a_key_of_a_party_that_dropped_out(self):
        plan = plan_of(6, dropouts=2)
        federation, attempt = self.attack(plan, silent=["p005"], field="keys")
        totals = attempt.coordinator.result.totals
        assert totals.tolist() == sum_of(federation.contributions, federation.names[:5])
        assert coordinator_of(attempt).false_shares == (FalseShare("p005", "p000"),)

    def test_would_have_a_wrong_sum_released_if_seeds_were_not_committed_to(self, monkeypatch):
        monkeypatch.setattr("confide.aggregation.masked.unmask.fits_seed", lambda *_: True)
        # Of a verified sum the coordinator would find out that it is out of reach.
        plan = plan_of(5, aggregation=Masked(verified=False))
        federation, attempt = self.attack(plan, owners=[3])
        totals = attempt.coordinator.result.totals
        assert totals.tolist() != sum_of(federation.contributions, federation.names)

    def test_ends_the_round_if_no_share_is_to_spare(self):
        with pytest.raises(VerificationError, match="'p001' do not give what it committed to"):
            self.attack(plan_of(5), silent=["p004"], owners=[1])

    def test_ends_the_round_if_more_lie_than_can_be_found_out(self, monkeypatch):
        monkeypatch.setattr(reconstruction, "MOST_SETS", 0)
        with pytest.raises(VerificationError, match="'p000' do not give what it committed to"):
            self.attack(plan_of(5))


class TestPartyThatDealsFalseShares:
    """It seals garbage to the others, so that nobody can open its seed in the end."""

    @pytest.mark.parametrize("dealt_to", [1, 2])
    def test_costs_the_round_only_if_too_few_can_open_theirs_and_is_named(self, dealt_to):
        federation = Federation(plan_of(5))
        attempt = federation.attempt().until("shares")
        attempt.deliver()
        coordinator = coordinator_of(attempt)
        sealed = coordinator._sealed_shares[4]
        coordinator._sealed_shares[4] = (
            bytes(dealt_to * SEALED_BYTES) + sealed[dealt_to * SEALED_BYTES :]
        )
        attempt.advance()
        if dealt_to == 1:
            assert attempt.finish().totals.tolist() == sum_of(
                federation.contributions, federation.names
            )
        else:
            with pytest.raises(VerificationError, match=r"of 5 parties could open .* 'p004'"):
                attempt.finish()

    def test_dropouts_are_still_called_dropouts(self):
        attempt = Federation(plan_of(6, dropouts=2)).attempt().until("opened")
        attempt.deliver()
        for lost in (4, 5):
            del coordinator_of(attempt)._opened[lost]
        del coordinator_of(attempt)._opened[3]
        with pytest.raises(DropoutError, match="more parties dropped out"):
            attempt.advance()


class TestPartyThatAdvertisesSomebodyElsesKey:
    """Shares that are sealed to it only the other can open, so its neighbours' are lost."""

    @pytest.mark.parametrize("field", ["mask_key", "share_key"])
    @pytest.mark.parametrize("copied", ["mask_key", "share_key"])
    def test_is_refused_at_once_and_named(self, field, copied):
        federation = Federation(plan_of(5))
        attempt = federation.attempt()
        for name in federation.names[:4]:
            attempt.coordinator.receive(attempt.answer(name))
        theirs = canonical.decode(payload_of(attempt.answers["advertise", "p001"]), 300)
        own = canonical.decode(payload_of(attempt.answer("p004")), 300)
        copy = canonical.encode({**own, field: theirs[copied]})
        hostile = attempt.round_.seal(federation.identities["p004"].key, "p004", "advertise", copy)
        with pytest.raises(VerificationError, match="'p004' advertises a key that 'p001'"):
            attempt.coordinator.receive(hostile)
        attempt.advance()
        assert attempt.finish().survivors == tuple(federation.names[:4])

    def test_of_another_length_a_commitment_to_a_seed_is_refused(self):
        federation = Federation(plan_of(5))
        attempt = federation.attempt()
        own = canonical.decode(payload_of(attempt.answer("p004")), 300)
        short = canonical.encode({**own, "seed": bytes(31)})
        hostile = attempt.round_.seal(federation.identities["p004"].key, "p004", "advertise", short)
        with pytest.raises(ProtocolError, match="31 bytes"):
            attempt.coordinator.receive(hostile)
