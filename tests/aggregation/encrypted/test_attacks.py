"""Attacks on encrypted sums: what liars and coalitions get, and what they would get without each
defence. Adversaries read every message, and decrypt by themselves.
"""

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from scipy.stats import chisquare
from tests.aggregation.adversary import (
    another_story,
    call_for_unmasking,
    payload_of,
    relay_of,
    signature_of,
)
from tests.aggregation.encrypted.loot import Loot, centred, weighted
from tests.aggregation.support import CURIOUS, STATE, Federation, plan_of, sum_of

from confide import canonical
from confide.aggregation import FalseShare, Round, RoundRegister
from confide.aggregation.encrypted import EncryptedCoordinator, EncryptedParty
from confide.aggregation.encrypted.gaussian import LARGEST
from confide.aggregation.encrypted.parameters import DEGREE, ROW
from confide.aggregation.sharing import SharingParty, wire
from confide.aggregation.sharing.keys import decrypt, encrypt
from confide.errors import (
    ComplaintError,
    ConfideError,
    DropoutError,
    ProtocolError,
    VerificationError,
)
from confide.plan import Encrypted

VICTIM = "p000"


def encrypted_plan(parties=7, dropouts=2, **fields):
    return plan_of(parties, dropouts=dropouts, aggregation=Encrypted(), **fields)


def contribution_of(federation, *names):
    return sum_of(federation.contributions, names)


def nothing(*_):
    """A check that checks nothing."""


class TestCiphertextInThePlaceOfTheSum:
    """A coordinator that has the sum of keys holds up one party's ciphertext, or a few parties'."""

    def attack(self, *names):
        federation = Federation(encrypted_plan())
        attempt = federation.attempt()
        attempt.finish()
        loot = Loot(attempt).take_opened()
        key = loot.sum_of_keys()
        return federation, loot.decrypt(loot.vector(*names), key, loot.shared(VICTIM)).tolist()

    def test_opens_all_of_them_together(self):
        names = [f"p{i:03}" for i in range(7)]
        federation, found = self.attack(*names)
        assert found == contribution_of(federation, *names)

    @pytest.mark.parametrize("fewer", [1, 2, 6])
    def test_opens_nothing_less(self, fewer):
        names = [f"p{i:03}" for i in range(fewer)]
        federation, found = self.attack(*names)
        assert found != contribution_of(federation, *names)

    def test_is_no_part_of_what_parties_answer(self):
        """Asked to decrypt, a party is shown signatures; it never sees a ciphertext of a sum."""
        attempt = Federation(encrypted_plan()).attempt().until("opened")
        kind, said = attempt.said(VICTIM)
        assert (kind, set(said)) == ("decrypt", {"signers", "signatures"})

    def test_is_refused_by_an_honest_coordinator_that_was_given_one(self):
        attempt = Federation(encrypted_plan()).attempt().until("opened")
        attempt.deliver()
        coordinator = attempt.coordinator
        assert isinstance(coordinator, EncryptedCoordinator)
        coordinator._ciphertext[:] = Loot(attempt).vector(VICTIM)
        with pytest.raises(VerificationError, match="does not decrypt"):
            attempt.advance()
        with pytest.raises(ProtocolError, match="not finished"):
            _ = coordinator.result


class TestSurvivorsThatAreTooFew:
    """The coordinator calls dropped whom it likes, down to fewer than may stay."""

    @pytest.mark.parametrize("left", [1, 2, 4])
    def test_are_refused_by_each_of_them(self, left):
        federation = Federation(encrypted_plan())
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        attempt.advance()
        members = np.arange(7) < left
        said = attempt.say("survivors", survivors=wire.members_to_bytes(members))
        for name in federation.names:
            with pytest.raises(ProtocolError if name > f"p{left - 1:03}" else DropoutError):
                attempt.answer(name, said)


class TestCoordinatorThatTellsTwoStories:
    """Some are told that a party survived, others that it dropped out: the two sums differ in it
    (Bonawitz et al. 2017, §6.2)."""

    def attack(self):
        federation = Federation(encrypted_plan())
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        denied = dict(another_story(attempt, without=[VICTIM]).advance())
        attempt.advance()
        deniers = set(federation.names[4:])
        stories: dict[bool, dict[str, bytes]] = {True: {}, False: {}}
        for name in federation.names:
            answer = attempt.answer(name, denied[name] if name in deniers else None)
            stories[name in deniers][name] = signature_of(answer)
        refused = set()
        for name in federation.names:
            try:
                attempt.answer(name, call_for_unmasking(attempt, stories[name in deniers]))
            except VerificationError:
                refused.add(name)
        return federation, attempt, refused

    def test_finds_a_quorum_for_neither(self):
        federation, attempt, refused = self.attack()
        assert refused == set(federation.names)
        assert Loot(attempt).take_opened().sums == {}

    def test_would_get_the_vector_if_nobody_asked_for_a_quorum(self, monkeypatch):
        """Two colluders then have shares for both stories: enough for the two sums of keys."""
        monkeypatch.setattr(SharingParty, "_verify_quorum", nothing)
        federation = Federation(encrypted_plan(threat=CURIOUS, dropouts=4))
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        denied = dict(another_story(attempt, without=[VICTIM]).advance())
        attempt.advance()
        for name in federation.names:
            attempt.answer(name, denied[name] if name > "p003" else None)
        loot, keys = Loot(attempt).take_opened(), []
        for some in ([0, 1, 2, 3], [4, 5, 6]):
            points = [i + 1 for i in some[:3]]
            keys.append(weighted(loot.parameters, [loot.sums[i] for i in some[:3]], points))
        loot.parameters.ring.subtract(keys[0], keys[0], keys[1], ROW)
        assert loot.read(VICTIM, keys[0]) == contribution_of(federation, VICTIM)


class TestRoundThatIsOpenedTwice:
    """A second attempt over other survivors would give a second sum (Mouchet et al. 2024: retries
    of threshold decryption)."""

    def test_finds_everybody_bound_to_the_first_attempt(self):
        federation = Federation(encrypted_plan())
        federation.attempt().finish()
        for name in federation.names:
            with pytest.raises(ProtocolError, match="used up"):
                federation.party(name, Round(federation.plan, 0, 1))

    def test_is_lost_if_the_coordinator_pretends_to_have_crashed_after_consent(self):
        federation = Federation(encrypted_plan())
        federation.attempt().until("opened")
        with pytest.raises(ProtocolError, match="used up"):
            federation.attempt(attempt=1)

    def test_would_tell_one_party_apart_if_consent_did_not_spend_the_round(self, monkeypatch):
        monkeypatch.setattr(RoundRegister, "consent", nothing)
        federation = Federation(encrypted_plan())
        first = federation.attempt().finish()
        others = federation.names[1:]
        second = federation.attempt(attempt=1, names=others, history=()).finish()
        found = (first.totals - second.totals).tolist()
        assert found == contribution_of(federation, VICTIM)

    def test_takes_fresh_keys(self):
        """Of an attempt that nobody has opened, so that it may be repeated: had the key been the
        same, the difference of two ciphertexts under one `a` would be that of two messages."""
        federation = Federation(encrypted_plan())
        federation.attempt().until("consent")
        again = federation.attempt(attempt=1).until("consent")
        everybody = federation.names
        first, second = (
            Loot(attempt).corrupt(everybody).keys()[0].tolist()
            for attempt in (federation.attempt(attempt=2).until("consent"), again)
        )
        assert first != second


class TestReplayedSession:
    """Messages of another attempt, round or plan."""

    @pytest.mark.parametrize("kind", ["advertise", "shares", "contribution", "consent", "opened"])
    def test_is_refused_by_the_coordinator(self, kind):
        federation = Federation(encrypted_plan())
        recorded = federation.attempt(number=0)
        recorded.finish()
        attempt = federation.attempt(number=1).until(kind)
        for name in federation.names:
            with pytest.raises(VerificationError, match="another round"):
                attempt.coordinator.receive(recorded.answers[kind, name])

    def test_is_refused_by_parties(self):
        """The coordinator plays what it said in a round before."""
        federation = Federation(encrypted_plan())
        recorded = federation.attempt(number=0).until("shares")
        said = dict(recorded.outbox)
        attempt = federation.attempt(number=1).until("shares")
        for name in federation.names:
            with pytest.raises(VerificationError):
                attempt.answer(name, said[name])

    def test_with_a_replayed_call_to_decrypt_opens_nothing(self):
        federation = Federation(encrypted_plan())
        recorded = federation.attempt(number=0).until("opened")
        said = dict(recorded.outbox)
        attempt = federation.attempt(number=1).until("opened")
        for name in federation.names:
            with pytest.raises(VerificationError):
                attempt.answer(name, said[name])


class TestRogueKey:
    """The last party to contribute makes its ciphertext of the others', so that the victim's is
    what is left; it works with the coordinator."""

    ROGUE = "p006"

    def attack(self, *, reads_shares=False):
        federation = Federation(encrypted_plan())
        others = [n for n in federation.names if n not in {VICTIM, self.ROGUE}]
        attempt = federation.attempt().until("shares")
        for name in federation.names[:-1]:
            attempt.coordinator.receive(attempt.answer(name))
        rogue = attempt.answer(self.ROGUE)
        if reads_shares:
            rogue = self.negated_shares(federation, attempt, others)
        attempt.coordinator.receive(rogue)
        attempt.advance()
        for name in federation.names[:-1]:
            attempt.coordinator.receive(attempt.answer(name))
        attempt.answer(self.ROGUE)
        loot = Loot(attempt)
        vector = np.zeros_like(loot.vector(VICTIM))
        loot.parameters.ring.subtract(vector, vector, loot.vector(*others), ROW)
        payload = loot.parameters.to_bytes(vector)
        key = federation.identities[self.ROGUE].key
        forged = attempt.round_.seal(key, self.ROGUE, "contribution", payload)
        attempt.coordinator.receive(forged)
        attempt.advance()
        return federation, attempt

    def negated_shares(self, federation, attempt, others):
        """What the rogue would have to share: for each holder, less what all the others share.

        Nobody can read those; the test takes them from the parties' own memory."""
        parties = attempt.parties
        parameters = Loot(attempt).parameters
        ring, sealed, own = parameters.ring, [], None
        rogue = parties[self.ROGUE]
        pieces = {
            n: wire.split(payload_of(attempt.answers["shares", n]), rogue._sealed_bytes, 6)
            for n in others
        }
        for holder in federation.names:
            total = np.zeros((1, 1, DEGREE), np.uint64)
            for name in others:
                sharer = parties[name]
                if holder == name:
                    share = parameters.from_bytes(sharer._open_secrets.own_share, 1)
                else:
                    piece = pieces[name][sharer._neighbours.index(parties[holder]._me)]
                    opened = decrypt(parties[holder]._open_secrets.opening[sharer._me], piece)
                    share = parameters.from_bytes(opened, 1)
                ring.subtract(total, total, share, ROW)
            if holder == self.ROGUE:
                own = parameters.to_bytes(total)
            else:
                key = parties[holder]._open_secrets.opening[rogue._me]
                sealed.append(encrypt(key, parameters.to_bytes(total)))
        rogue._open_secrets.own_share = own
        key = federation.identities[self.ROGUE].key
        return attempt.round_.seal(key, self.ROGUE, "shares", b"".join(sealed))

    def test_opens_nothing(self):
        federation, attempt = self.attack()
        with pytest.raises(VerificationError, match="does not decrypt"):
            attempt.finish()
        loot = Loot(attempt).take_opened()
        assert loot.read(VICTIM, loot.sum_of_keys()) != contribution_of(federation, VICTIM)

    def test_would_open_the_victim_if_it_could_read_shares_to_others(self):
        federation, attempt = self.attack(reads_shares=True)
        assert attempt.finish().totals.tolist() == contribution_of(federation, VICTIM)


class TestSwappedKeysOnTheWay:
    """The coordinator puts its own keys in the place of parties' to read the shares."""

    def attack(self):
        federation = Federation(encrypted_plan())
        attempt = federation.attempt().until("advertise")
        attempt.deliver()
        coordinator, liar = relay_of(attempt), Ed25519PrivateKey.generate()
        advert = canonical.encode({"share_key": bytes(range(32))})
        for index, name in enumerate(federation.names[1:], start=1):
            coordinator._adverts[index] = attempt.round_.seal(liar, name, "advertise", advert)
        attempt.advance()
        return attempt

    def test_are_refused(self):
        attempt = self.attack()
        with pytest.raises(VerificationError, match="does not verify"):
            attempt.answer(VICTIM)

    def test_would_be_shared_to_if_keys_were_not_signed(self, monkeypatch):
        attempt = self.attack()
        monkeypatch.setattr(Round, "verify", nothing)
        assert attempt.answer(VICTIM)


def test_a_key_that_agrees_on_what_everybody_knows_leaves_the_others_going_on():
    """Each of them would have to stop at such a key, so one party could stop them all."""
    federation = Federation(encrypted_plan())
    attempt = federation.attempt()
    hostile = canonical.encode({"share_key": bytes(32)})
    sealed = attempt.round_.seal(federation.identities["p006"].key, "p006", "advertise", hostile)
    with pytest.raises(VerificationError, match="known to all"):
        attempt.coordinator.receive(sealed)
    totals = attempt.finish({"p006": "advertise"}).totals
    assert totals.tolist() == contribution_of(federation, *federation.names[:-1])


class TestDifferentModels:
    """The victim alone is given a model of the coordinator's choice (Pasquini et al. 2022)."""

    def attack(self):
        federation = Federation(encrypted_plan())
        return federation, federation.attempt(states={VICTIM: bytes(32)})

    def test_give_no_sum(self):
        _, attempt = self.attack()
        with pytest.raises(ConfideError):
            attempt.finish()
        loot = Loot(attempt).take_opened()
        assert loot.sums == {}

    def test_would_give_the_sum_if_keys_did_not_depend_on_the_state(self, monkeypatch):
        honest = wire.start_transcript
        monkeypatch.setattr(
            wire, "start_transcript", lambda name, round_, _: honest(name, round_, STATE)
        )
        federation, attempt = self.attack()
        assert attempt.finish().totals.tolist() == contribution_of(federation, *federation.names)


class TestPartyThatIsToldOfOtherSharers:
    """Its transcript, and so its `a`, is another; its key is in the opened sum all the same."""

    def test_opens_nothing(self):
        federation = Federation(encrypted_plan())
        attempt = federation.attempt().until("shares")
        attempt.deliver()
        liar = another_story(attempt, without=["p005"])
        attempt.advance()
        attempt.outbox[VICTIM] = liar.advance()[VICTIM]
        attempt.step()
        others = [name for name in federation.names if name != VICTIM]
        signatures = {name: signature_of(attempt.answer(name)) for name in others}
        call = call_for_unmasking(attempt, signatures)
        for name in others:
            attempt.answer(name, call)
        loot = Loot(attempt).take_opened()
        key = loot.sum_of_keys()
        assert loot.shared(VICTIM) != loot.shared("p001")
        for shared in (loot.shared(VICTIM), loot.shared("p001")):
            for names in ([VICTIM], others, federation.names):
                found = loot.decrypt(loot.vector(*names), key, shared).tolist()
                assert found != contribution_of(federation, *names)


class TestCoalition:
    """Colluders pool their shares with the coordinator, who reads everything."""

    @pytest.mark.parametrize("members", range(1, 7))
    def test_reads_a_contribution_at_the_threshold_and_not_below(self, members):
        federation = Federation(encrypted_plan())
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        loot = Loot(attempt).corrupt(federation.names[1 : members + 1])
        opens = members >= federation.plan.masking.threshold == 5
        found = loot.read(VICTIM) == contribution_of(federation, VICTIM)
        assert found is opens

    def test_below_the_threshold_finds_every_key_equally_likely(self):
        """Its shares and any share of one more party fit some key: t - 1 points say nothing."""
        federation = Federation(encrypted_plan())
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        loot = Loot(attempt).corrupt(federation.names[1:5])
        held = [loot.shares[0][i] for i in range(1, 5)]
        guess = np.random.default_rng(0).integers(0, loot.parameters.modulus, DEGREE)
        guessed = guess.astype(np.uint64).reshape(1, 1, DEGREE)
        key = weighted(loot.parameters, [*held, guessed], [2, 3, 4, 5, 6])
        assert not (np.abs(centred(key, loot.parameters.modulus)) <= LARGEST).all()

    def test_sees_ciphertexts_that_look_uniform_to_it(self):
        """All contribute nothing; what is sent, and what is left of it after every key that the
        coalition knows, is spread over all residues."""
        plan = encrypted_plan(size=20_000)
        zeros = {p.name: np.zeros(plan.sums.size, np.int64) for p in plan.parties}
        federation = Federation(plan, zeros)
        attempt = federation.attempt()
        attempt.finish()
        loot = Loot(attempt).take_opened()
        q = loot.parameters.modulus
        alone = loot.vector(VICTIM).reshape(-1)
        others = loot.vector(*federation.names[1:]).reshape(-1)
        for residues in (alone, others):
            counts = np.bincount((residues.astype(float) / q * 256).astype(int), minlength=256)
            assert chisquare(counts).pvalue > 1e-6

    def test_that_knows_the_sum_of_two_keys_knows_each_up_to_a_gaussian(self):
        """The hint of Hint-MLWE (Kim et al. 2023): less half the sum, a key has the variance that
        is left, and nothing to do with the sum."""
        federation = Federation(encrypted_plan())
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        loot = Loot(attempt).corrupt(federation.names)
        keys = np.array(loot.keys())
        hints = (keys[:6:2] + keys[1:6:2]).reshape(-1)
        left = keys[:6:2].reshape(-1) - hints / 2
        assert np.std(left) == pytest.approx(4.6 / np.sqrt(2), rel=0.02)
        assert abs(np.corrcoef(left, hints)[0, 1]) < 0.04


class TestFalseShares:
    """What survivors open, or sharers share, is altered: no sum comes of it."""

    def opened(self, alter, dropouts=2, silent=()):
        federation = Federation(encrypted_plan(dropouts=dropouts))
        attempt = federation.attempt().until("opened")
        for name in attempt.outbox:
            if name in silent:
                continue
            answer = attempt.answer(name)
            if name == "p001":
                payload = alter(Loot(attempt), payload_of(answer))
                key = federation.identities[name].key
                answer = attempt.round_.seal(key, name, "opened", payload)
            attempt.coordinator.receive(answer)
        return attempt

    def test_are_left_out_and_named_where_there_are_more_than_it_takes(self):
        attempt = self.opened(flipped)
        attempt.advance()
        totals = attempt.coordinator.result.totals.tolist()
        assert totals == contribution_of(Federation(encrypted_plan()), *attempt.parties)
        assert attempt.coordinator.false_shares == (FalseShare(None, "p001"),)

    def test_open_no_short_key_where_there_are_just_as_many(self):
        attempt = self.opened(replaced, silent=("p005", "p006"))
        with pytest.raises(VerificationError, match="no 5 of the 5 shares"):
            attempt.advance()

    def add_one_to_the_key(self, loot, payload):
        """What a liar does that expects the first five to open."""
        parameters = loot.parameters
        one = np.ones((1, 1, DEGREE), np.uint64)
        denominator = lagrange_at(parameters, [1, 2, 3, 4, 5], 1)
        parameters.ring.scale(one, one, [denominator], ROW)
        share = parameters.from_bytes(payload, 1)
        parameters.ring.add(share, share, one, ROW)
        return parameters.to_bytes(share)

    def test_that_make_another_short_key_leave_zeros_that_are_not(self):
        """A liar that knows who opens adds one to the key, and no more."""

        attempt = self.opened(self.add_one_to_the_key, silent=("p005", "p006"))
        with pytest.raises(VerificationError, match="does not decrypt"):
            attempt.advance()
        with pytest.raises(ProtocolError, match="not finished"):
            _ = attempt.coordinator.result

    def test_that_make_another_short_key_are_found_out_by_a_spare_one(self):
        attempt = self.opened(self.add_one_to_the_key, silent=("p006",))
        attempt.advance()
        assert attempt.coordinator.false_shares == (FalseShare(None, "p001"),)

    def test_of_one_party_with_another_state_leave_the_round_to_the_others(self):
        """Nobody has consented by then, so the round is not spent and nothing counts as opened."""
        federation = Federation(encrypted_plan())
        attempt = federation.attempt(states={"p006": bytes(32)}).until("contribution")
        attempt.deliver()
        with pytest.raises(ComplaintError) as ended:
            attempt.advance()
        assert ended.value.absent == ("p006",)
        others = federation.names[:-1]
        again = federation.attempt(attempt=1, names=others, history=())
        assert again.finish().totals.tolist() == contribution_of(federation, *others)

    @pytest.mark.parametrize("bytes_", [b"", bytes(7), b"\xff" * 9728])
    def test_that_are_malformed_leave_the_coordinator_as_it_was(self, bytes_):
        federation = Federation(encrypted_plan())
        attempt = federation.attempt().until("opened")
        size = Loot(attempt).parameters.polynomial_bytes
        hostile = b"\xff" * size if len(bytes_) > 100 else bytes_
        for name in federation.names[:2]:
            key = federation.identities[name].key
            with pytest.raises(ProtocolError, match="polynomial"):
                attempt.coordinator.receive(attempt.round_.seal(key, name, "opened", hostile))
        assert attempt.finish().totals.tolist() == contribution_of(federation, *federation.names)


class TestLeaks:
    """No secret in a repr or an error."""

    def test_are_none_in_what_a_session_says_of_itself(self):
        attempt = Federation(encrypted_plan()).attempt().until("consent")
        party = attempt.parties[VICTIM]
        assert isinstance(party, EncryptedParty)
        assert repr(party) == f"EncryptedParty('p000', {attempt.round_}, awaits 'survivors')"
        assert repr(party._secrets) == "_Secrets(<hidden>)"

    def test_are_let_go_of_at_the_end(self):
        attempt = Federation(encrypted_plan()).attempt()
        attempt.finish()
        loot = Loot(attempt)
        assert all(loot.party(name)._secrets is None for name in attempt.parties)

    def test_are_let_go_of_after_a_lie(self):
        attempt = Federation(encrypted_plan()).attempt().until("consent")
        with pytest.raises(ProtocolError):
            attempt.answer(VICTIM, attempt.say("survivors", survivors=b"\xff"))
        assert Loot(attempt).party(VICTIM)._secrets is None


def flipped(loot, payload):
    """One bit of one number changed, to another residue."""
    share = loot.parameters.from_bytes(payload, 1)
    share[0, 0, 17] ^= np.uint64(1)
    return loot.parameters.to_bytes(share)


def replaced(loot, payload):
    """Another share altogether."""
    numbers = np.random.default_rng(1).integers(0, loot.parameters.modulus, DEGREE)
    return loot.parameters.to_bytes(numbers.astype(np.uint64).reshape(1, 1, DEGREE))


def lagrange_at(parameters, points, index):
    """1 ÷ the factor with which the share of points[index] counts."""
    q, factor = parameters.modulus, 1
    for point in points[:index] + points[index + 1 :]:
        factor = factor * -point * pow(points[index] - point, -1, q) % q
    return pow(factor, -1, q)
