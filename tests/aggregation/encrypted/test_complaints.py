"""False shares of keys: who gets one says so, before anything is spent, and the run goes on."""

import pytest
from tests.aggregation.adversary import payload_of
from tests.aggregation.support import (
    CURIOUS,
    Federation,
    attested_plan,
    flip_bit,
    plan_of,
    sum_of,
)

from confide import canonical
from confide.aggregation.complaints import COMPLAINT, Complaint, ComplaintReason
from confide.aggregation.sharing import SharingParty
from confide.aggregation.sharing.keys import TAG_BYTES
from confide.errors import ComplaintError, ProtocolError
from confide.plan import Encrypted, OpenCrowd

VICTIM, LIAR = "p000", "p003"


def federation_of(parties=7, dropouts=2, **fields):
    return Federation(plan_of(parties, dropouts=dropouts, aggregation=Encrypted(), **fields))


def garbled(attempt, receivers):
    """Has the liar seal nonsense to some parties: what it sends is signed, and cannot be read."""
    liar = session_of(attempt, LIAR)
    sealing = liar._seal_shares

    def seal(share_keys, shares):
        sealed = sealing(share_keys, shares)
        size = liar._sealed_bytes
        for place, index in enumerate(liar._neighbours):
            if liar._names[index] in receivers:
                sealed = flip_bit(sealed, 8 * size * place + 77)
        return sealed

    liar._seal_shares = seal
    return attempt.until("contribution")


def session_of(attempt, name):
    session = attempt.parties[name]
    inner = session if isinstance(session, SharingParty) else session._inner
    assert isinstance(inner, SharingParty)
    return inner


def complaint_of(attempt, accuser, accused, reason="unreadable"):
    """A signed complaint, of whom an accuser likes."""
    payload = canonical.encode({"accused": accused, "reason": reason})
    identity = session_of(attempt, accuser)._identity
    return attempt.round_.seal(identity.key, accuser, COMPLAINT, payload)


class TestFalseShare:
    def test_ends_the_attempt_without_both(self):
        federation = federation_of()
        attempt = garbled(federation.attempt(), {VICTIM})
        attempt.deliver()
        assert attempt.coordinator.complaints == {
            VICTIM: Complaint(LIAR, ComplaintReason.UNREADABLE)
        }
        with pytest.raises(ComplaintError, match="p000 of p003") as ended:
            attempt.advance()
        assert ended.value.absent == (VICTIM, LIAR)
        assert attempt.coordinator.opening is None

    def test_spends_nothing_so_the_others_try_the_round_again(self):
        federation = federation_of()
        attempt = garbled(federation.attempt(), {VICTIM})
        attempt.deliver()
        with pytest.raises(ComplaintError) as ended:
            attempt.advance()
        assert all(not i.register.openings for i in federation.identities.values())
        others = [name for name in federation.names if name not in ended.value.absent]
        totals = federation.attempt(0, 1, names=others).finish().totals
        assert totals.tolist() == sum_of(federation.contributions, others)

    def test_to_everybody_throws_out_its_sharer_alone(self):
        federation = federation_of()
        attempt = garbled(federation.attempt(), set(federation.names))
        attempt.deliver()
        with pytest.raises(ComplaintError) as ended:
            attempt.advance()
        assert ended.value.absent == (LIAR,)

    def test_that_is_no_polynomial_is_complained_of_too(self):
        federation = federation_of()
        attempt = federation.attempt()
        liar = session_of(attempt, LIAR)
        sealing, size = liar._seal_shares, liar._sealed_bytes - TAG_BYTES
        liar._seal_shares = lambda keys, shares: sealing(keys, [b"\xff" * size for _ in shares])
        attempt.until("contribution").deliver()
        reasons = {complaint.reason for complaint in attempt.coordinator.complaints.values()}
        assert reasons == {ComplaintReason.FALSE}
        with pytest.raises(ComplaintError) as ended:
            attempt.advance()
        assert ended.value.absent == (LIAR,)

    def test_leaves_out_who_got_it_where_the_plan_cannot_spare_both(self):
        """As if it had fallen silent: an attempt without both would never have enough parties."""
        federation = federation_of(5, dropouts=1)
        attempt = garbled(federation.attempt(), {VICTIM})
        result = attempt.finish()
        assert result.survivors == tuple(federation.names[1:])
        assert result.totals.tolist() == sum_of(federation.contributions, federation.names[1:])

    def test_is_complained_of_before_a_curious_coordinator_opens_anything(self):
        federation = federation_of(threat=CURIOUS, crowd=OpenCrowd())
        attempt = garbled(federation.attempt(), {VICTIM})
        attempt.deliver()
        with pytest.raises(ComplaintError):
            attempt.advance()
        assert all(not i.register.openings for i in federation.identities.values())

    def test_ends_the_attempt_in_an_enclave_too(self):
        federation = Federation(attested_plan(Encrypted(), parties=7))
        attempt = federation.attempt().until("advertise")
        attempt.step()
        garbled(attempt, {VICTIM})
        attempt.deliver()
        with pytest.raises(ComplaintError) as ended:
            attempt.advance()
        assert ended.value.absent == (VICTIM, LIAR)
        assert federation.aggregator is not None
        assert federation.aggregator.openings == ()

    def test_would_be_kept_to_itself_if_parties_only_fell_silent(self):
        """Then a liar that seals nonsense to everybody costs the round, and again the next one."""
        federation = federation_of()
        attempt = garbled(federation.attempt(), set(federation.names))
        assert attempt.coordinator.complaints == {}
        attempt.deliver(silent=[name for name in federation.names if name != LIAR])
        with pytest.raises(Exception, match="1 of 7 parties answered 'contribution'"):
            attempt.advance()


class TestComplaint:
    def attempt(self):
        federation = federation_of()
        return federation, federation.attempt().until("contribution")

    def test_says_whom_and_why_and_nothing_else(self):
        federation = federation_of()
        attempt = garbled(federation.attempt(), {VICTIM})
        said = payload_of(attempt.answer(VICTIM))
        assert canonical.decode(said, 256) == {"accused": LIAR, "reason": "unreadable"}
        assert session_of(attempt, VICTIM)._secrets is None
        with pytest.raises(ProtocolError, match="after the end"):
            attempt.answer(VICTIM)

    def test_throws_the_accuser_out_with_the_accused(self):
        """A lying accuser is gone, so it accuses one honest party in a round."""
        federation, attempt = self.attempt()
        attempt.deliver(silent=[LIAR])
        attempt.coordinator.receive(complaint_of(attempt, LIAR, VICTIM))
        with pytest.raises(ComplaintError) as ended:
            attempt.advance()
        assert ended.value.absent == (VICTIM, LIAR)
        others = [name for name in federation.names if name not in ended.value.absent]
        assert federation.attempt(0, 1, names=others).finish().survivors == tuple(others)

    def test_is_made_once(self):
        _, attempt = self.attempt()
        attempt.coordinator.receive(complaint_of(attempt, LIAR, VICTIM))
        for again in (complaint_of(attempt, LIAR, "p001"), attempt.answer(LIAR)):
            with pytest.raises(ProtocolError, match="a second or unasked"):
                attempt.coordinator.receive(again)
        assert list(attempt.coordinator.complaints) == [LIAR]

    def test_is_not_made_after_a_contribution(self):
        _, attempt = self.attempt()
        attempt.coordinator.receive(attempt.answer(LIAR))
        with pytest.raises(ProtocolError, match="a second or unasked 'complaint'"):
            attempt.coordinator.receive(complaint_of(attempt, LIAR, VICTIM))

    @pytest.mark.parametrize("accused", [LIAR, "nobody", "p006"])
    def test_of_who_gave_no_share_is_refused(self, accused):
        federation = federation_of()
        attempt = federation.attempt().until("shares")
        attempt.step(silent=["p006"])
        with pytest.raises(ProtocolError, match="gave it no share"):
            attempt.coordinator.receive(complaint_of(attempt, LIAR, accused))
        assert attempt.coordinator.complaints == {}
        attempt.finish()

    @pytest.mark.parametrize("kind", ["advertise", "shares", "consent", "opened"])
    def test_has_its_place_in_the_round(self, kind):
        federation = federation_of()
        attempt = federation.attempt().until(kind)
        with pytest.raises(ProtocolError, match="repeated or out of order"):
            attempt.coordinator.receive(complaint_of(attempt, LIAR, VICTIM))
        attempt.finish()

    def test_is_signed(self):
        federation, attempt = self.attempt()
        payload = Complaint(VICTIM, ComplaintReason.FALSE).to_payload()
        key = federation.identities["p001"].key
        with pytest.raises(ProtocolError, match="does not verify"):
            attempt.coordinator.receive(attempt.round_.seal(key, LIAR, COMPLAINT, payload))

    def test_ends_the_attempt_until_the_next_one(self):
        _, attempt = self.attempt()
        attempt.coordinator.receive(complaint_of(attempt, LIAR, VICTIM))
        attempt.deliver(silent=[LIAR])
        for _ in range(2):
            with pytest.raises(ComplaintError):
                attempt.coordinator.advance()
