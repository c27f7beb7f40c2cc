"""Attacks on masked sums, each tried for real.

Every test says who attacks, how, and what they get. Where a single check stands in the way, a
second test takes that check away and shows that the attack then works: so the first can fail.
All randomness is replayed, so that no test fails by chance.
"""

import hashlib
from contextlib import nullcontext
from itertools import combinations

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from scipy.stats import chisquare
from tests.aggregation.adversary import (
    Loot,
    another_story,
    around,
    at_place,
    call_dropped,
    call_for_unmasking,
    coordinator_of,
    payload_of,
    signature_of,
)
from tests.aggregation.support import (
    CURIOUS,
    STATE,
    Attempt,
    Federation,
    plan_of,
    sparse_plan,
    sum_of,
    threat,
)

from confide import canonical
from confide.aggregation import Round, RoundRegister
from confide.aggregation.masked import MaskedCoordinator, MaskedParty, graph
from confide.aggregation.masked.graph import Circle
from confide.aggregation.masked.shares import SEALED_BYTES
from confide.aggregation.masked.streams import MaskAdder
from confide.aggregation.sharing import wire
from confide.aggregation.sharing.keys import decrypt, pairwise_key
from confide.errors import (
    CoinError,
    ConfideError,
    DropoutError,
    PlanError,
    ProtocolError,
    VerificationError,
)
from confide.plan import Corruption, Masked, simulation_key
from confide.plan.masking import MAX_ATTEMPTS


def nothing(*_args, **_kwargs) -> None:
    """A check that checks nothing."""


def recovered(loot: Loot, federation: Federation, *names: str) -> bool:
    """Whether the adversary holds the sum of just these parties."""
    return loot.strip(*names).tolist() == sum_of(federation.contributions, names)


class TestCoordinatorThatLiesAboutDropouts:
    """It has a party's vector, calls the party dropped, and so gets its pairwise masks opened."""

    def attack(self):
        # Of a verified sum the coordinator would find out itself that it is out of reach.
        federation = Federation(plan_of(7, dropouts=2, aggregation=Masked(verified=False)))
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        loot = Loot(attempt).corrupt(["p006"])
        call_dropped(coordinator_of(attempt), ["p000"])
        attempt.advance()
        seed = loot.party("p000")._open_secrets.self_seed
        attempt.finish()
        return federation, loot.take_opened(), seed

    def test_gets_the_sum_of_the_others(self):
        federation, loot, _ = self.attack()
        assert loot._pairwise(loot.party("p000"), 1) is not None
        assert not recovered(loot, federation, "p000")

    def test_would_get_the_vector_if_there_were_no_self_mask(self):
        federation, loot, seed = self.attack()
        loot.seeds[0] = seed
        assert recovered(loot, federation, "p000")


class TestCoordinatorThatTellsTwoStoriesOfTheSurvivors:
    """It tells some that a party survived, for its self mask, and others that it dropped out, for
    its pairwise masks (Bonawitz et al. 2017, §6.2)."""

    victim = "p000"

    def attack(self):
        federation = Federation(sparse_plan(dropouts=1))
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        denied = dict(another_story(attempt, without=[self.victim]).advance())
        attempt.advance()
        deniers = around(attempt, self.victim)[::2]
        signatures = {
            name: signature_of(attempt.answer(name, denied[name] if name in deniers else None))
            for name in attempt.outbox
        }
        believers = {n: s for n, s in signatures.items() if n not in deniers}
        others = {n: s for n, s in signatures.items() if n != self.victim}
        refused = set()
        for name in attempt.outbox:
            call = call_for_unmasking(attempt, others if name in deniers else believers)
            try:
                attempt.answer(name, call)
            except VerificationError:
                refused.add(name)
        return federation, Loot(attempt).take_opened(), refused == set(deniers)

    def test_finds_no_quorum_for_the_second_story(self):
        federation, loot, all_deniers_refused = self.attack()
        assert all_deniers_refused
        assert not recovered(loot, federation, self.victim)

    def test_would_get_the_vector_if_nobody_asked_for_a_quorum(self, monkeypatch):
        monkeypatch.setattr(MaskedParty, "_verify_quorum", nothing)
        federation, loot, _ = self.attack()
        assert recovered(loot, federation, self.victim)

    def test_gets_the_vector_under_a_plan_that_calls_it_curious(self):
        """That plan bears more dropouts and asks for no quorum: the reason why one must say who
        may lie. A plan that says so cannot bear as many."""
        federation = Federation(plan_of(7, dropouts=4, threat=CURIOUS))
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        denied = dict(another_story(attempt, without=[self.victim]).advance())
        attempt.advance()
        for name in federation.names[1:4]:
            attempt.answer(name)
        for name in federation.names[4:]:
            attempt.answer(name, denied[name])
        assert recovered(Loot(attempt).take_opened(), federation, self.victim)
        with pytest.raises(PlanError, match="equivocation"):
            plan_of(7, dropouts=4)


class TestCoordinatorThatTellsAPartyOfOtherSharers:
    """It hides from one party its honest neighbours that will survive: the party masks only with
    some that are called dropped later. Their mask keys are opened, and so is the party's own self
    mask, since to everybody else it is one of the survivors. No colluder is needed."""

    victim = "p000"

    def attack(self):
        federation = Federation(sparse_plan(dropouts=3))
        attempt = federation.attempt().until("shares")
        attempt.deliver()
        near = around(attempt, self.victim)
        hidden, dropped = {near[0], near[4], near[5]}, {near[1], near[2], near[3]}
        liar = another_story(attempt, without=hidden)
        attempt.advance()
        attempt.outbox[self.victim] = liar.advance()[self.victim]
        coordinator = coordinator_of(attempt)
        for name in attempt.outbox:
            answer = attempt.answer(name)
            if name != self.victim:
                coordinator.receive(answer)
        index = coordinator._index[self.victim]
        assert isinstance(liar, MaskedCoordinator)
        liar.receive(attempt.answers["contribution", self.victim])
        coordinator._answered[index] = True
        coordinator._confirmations[index] = liar._confirmations[index]
        call_dropped(coordinator, dropped)
        attempt.advance()
        signatures, refused = {}, set()
        for name in attempt.outbox.keys() - {self.victim}:
            try:
                signatures[name] = signature_of(attempt.answer(name))
            except VerificationError:
                refused.add(name)
        call = call_for_unmasking(attempt, signatures)
        for name in signatures:
            attempt.answer(name, call)
        return federation, Loot(attempt).take_opened(), refused == hidden

    def test_is_found_out_by_the_hidden_neighbours(self):
        federation, loot, all_hidden_refused = self.attack()
        assert all_hidden_refused
        assert not recovered(loot, federation, self.victim)

    def test_would_get_the_vector_if_neighbours_did_not_confirm_what_they_masked_under(
        self, monkeypatch
    ):
        monkeypatch.setattr(MaskedParty, "_verify_confirmations", nothing)
        federation, loot, _ = self.attack()
        assert recovered(loot, federation, self.victim)


class TestTooFewHoldersOfShares:
    """A party whose neighbours left would share its secrets with too few to open them again."""

    @pytest.mark.parametrize(("gone", "goes_on"), [(4, True), (5, False)])
    def test_stop_that_party_before_it_sends_its_vector(self, gone, goes_on):
        federation = Federation(sparse_plan(degree=6, threshold=3, dropouts=9))
        attempt = federation.attempt().until("shares")
        neighbours = coordinator_of(attempt)._neighbours[0]
        attempt.step([federation.names[i] for i in neighbours[:gone]])
        expected = nullcontext() if goes_on else pytest.raises(DropoutError, match="hold shares")
        with expected:
            attempt.answer("p000")


class TestCoordinatorThatOpensARoundTwice:
    """It has one attempt opened by few parties, just enough shares of each secret, and has another
    attempt opened by the rest. The two sums differ by what the few contributed."""

    def attack(self):
        federation = Federation(sparse_plan(degree=10, dropouts=9))
        first = federation.attempt().until("opened")
        few = at_place(first, [24 * i // 9 for i in range(9)])
        coordinator = coordinator_of(first)
        for name in few:
            coordinator.receive(first.answer(name))
        coordinator._members = coordinator._answered
        coordinator._close(coordinator._members)
        rest = [name for name in federation.names if name not in few]
        second = federation.attempt(attempt=1, names=rest, history=()).finish()
        return federation, few, coordinator.result.totals - second.totals

    def test_finds_everybody_who_consented_bound_to_the_first_attempt(self):
        with pytest.raises(ProtocolError, match="used up"):
            self.attack()

    def test_would_get_a_sum_over_few_if_consent_did_not_spend_the_round(self, monkeypatch):
        monkeypatch.setattr(RoundRegister, "consent", nothing)
        federation, few, difference = self.attack()
        assert len(few) < federation.plan.min_survivors
        assert difference.tolist() == sum_of(federation.contributions, few)

    def test_cannot_go_on_with_an_attempt_beside_its_successor(self):
        """Two attempts are open at once, and both wait for consent."""
        federation = Federation(plan_of(7, dropouts=2))
        first = federation.attempt().until("consent")
        second = federation.attempt(attempt=1).until("consent")
        for name in federation.names:
            with pytest.raises(ProtocolError, match="not the attempt"):
                first.answer(name)
            assert second.answer(name)

    def test_cannot_have_a_round_again_after_consent(self):
        """The coordinator pretends to have crashed before it called for unmasking."""
        federation = Federation(plan_of(7, dropouts=2))
        federation.attempt().until("opened")
        with pytest.raises(ProtocolError, match="used up"):
            federation.attempt(attempt=1)

    def test_gets_one_share_of_a_party_and_then_silence(self):
        """It asks those who have opened a share of the self mask for the mask key as well."""
        federation = Federation(plan_of(7, dropouts=2))
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        denied = dict(another_story(attempt, without=["p000"]).advance())
        attempt.advance()
        attempt.until("opened").deliver()
        for name in federation.names[1:]:
            with pytest.raises(ProtocolError, match="after the end"):
                attempt.answer(name, denied[name])
            with pytest.raises(ProtocolError, match="used up"):
                federation.party(name, Round(federation.plan, 0, 1))


class TestCoordinatorThatCutsAPartyOff:
    """It calls dropped whoever stands between a party with its two colluders and all the others:
    the three make a sum of their own (Bell et al. 2020, §3.3)."""

    def attack(self):
        federation = Federation(sparse_plan(dropouts=6, threat=threat(2)))
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        colluder, victim, other_colluder = island = at_place(attempt, [0, 1, 2])
        loot = Loot(attempt).corrupt([colluder, other_colluder])
        call_dropped(coordinator_of(attempt), at_place(attempt, [-3, -2, -1, 3, 4, 5]))
        attempt.advance()
        signatures, refused = {}, 0
        for name in attempt.outbox:
            try:
                signatures[name] = signature_of(attempt.answer(name))
            except DropoutError as error:
                refused += "cut off" in str(error)
        call = call_for_unmasking(attempt, signatures)
        for name in signatures:
            attempt.answer(name, call)
        assert victim in island
        return federation, loot.take_opened(), victim, refused

    def test_is_refused_by_all(self):
        federation, loot, victim, refused = self.attack()
        assert refused == federation.plan.min_survivors
        assert not recovered(loot, federation, victim)

    def test_would_get_the_vector_if_parties_did_not_look_at_the_circle(self, monkeypatch):
        monkeypatch.setattr(Circle, "fewest_in_two_runs", lambda *_: 6)
        federation, loot, victim, refused = self.attack()
        assert refused == 0
        assert recovered(loot, federation, victim)


class TestCoordinatorThatChoosesTheCircle:
    """It wants colluders all around a party, so it must choose the coin, or among many."""

    def attack(self):
        """Knowing all shares of the coin, it replaces one until the circle is as it likes."""
        federation = Federation(sparse_plan(dropouts=3, threat=threat(3)))
        attempt = federation.attempt().until("reveal")
        attempt.deliver()
        coordinator = coordinator_of(attempt)
        shares = [payload_of(attempt.answers["reveal", name]) for name in federation.names]
        near: list[int] = []
        for trial in range(10_000):
            if {21, 22, 23} <= {*near}:
                break
            shares[5] = trial.to_bytes(graph.COIN_BYTES, "big")
            coin = graph.coin_of(coordinator._transcript, shares)
            near = graph.draw_circle(federation.plan.masking, coin).neighbours(0)
        adverts = [coordinator._adverts[i] for i in near]
        attempt.answer("p000", attempt.say("neighbours", adverts=adverts, reveals=b"".join(shares)))
        return attempt.parties["p000"]

    def test_finds_every_share_committed_to_before_it_saw_any(self):
        with pytest.raises(VerificationError, match="committed"):
            self.attack()

    def test_would_surround_a_party_if_shares_were_not_committed_to(self, monkeypatch):
        monkeypatch.setattr(graph, "commitments_hash", lambda _: b"")
        party = self.attack()
        assert {21, 22, 23} <= {*party._neighbours}
        assert party._masking.threshold == 3

    def test_cannot_leave_a_partys_own_share_out(self, monkeypatch):
        """It commits to shares that it made up, for everybody, so that it knows the coin."""
        federation = Federation(sparse_plan())
        attempt = federation.attempt()
        attempt.step()
        coordinator = coordinator_of(attempt)
        made_up = [bytes([i]) * graph.COIN_BYTES for i in range(24)]
        commitments = [graph.commit(coordinator._start, i, s) for i, s in enumerate(made_up)]
        everybody = wire.members_to_bytes(np.ones(24, bool))
        fixed = graph.commitments_hash(commitments)
        attempt.answer("p000", attempt.say("roster", present=everybody, commitments=fixed))
        story = attempt.say("neighbours", adverts=[], reveals=b"".join(made_up))
        with pytest.raises(VerificationError, match="in this party's name"):
            attempt.answer("p000", story)

    def test_chooses_among_few_coins_only(self):
        """A colluder that dislikes a coin withholds its share, and the round starts again: each
        party bears it so often, and the bounds of `confide.plan.masking` count every time."""
        federation = Federation(sparse_plan())
        for attempt in range(MAX_ATTEMPTS):
            withheld = federation.attempt(attempt=attempt).until("reveal")
            withheld.deliver(silent=["p003"])
            with pytest.raises(CoinError) as caught:
                withheld.advance()
            assert caught.value.absent == ("p003",)
        with pytest.raises(ProtocolError, match="at most 16 times"):
            federation.attempt(attempt=MAX_ATTEMPTS)

    def test_has_no_coin_to_choose_in_a_complete_graph(self):
        federation = Federation(plan_of(5))
        federation.attempt(attempt=MAX_ATTEMPTS + 1).finish()


class TestCoordinatorThatSwapsKeys:
    """It puts itself between a party and all of its neighbours, with keys of its own."""

    def attack(self):
        federation = Federation(plan_of(5))
        attempt = federation.attempt().until("shares")
        private = X25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        advert = canonical.encode(
            {"commitment": b"", "mask_key": public, "seed": bytes(32), "share_key": public}
        )
        forger = Ed25519PrivateKey.generate()
        adverts = [
            attempt.round_.seal(forger, name, "advertise", advert) for name in federation.names[1:]
        ]
        present = wire.members_to_bytes(np.ones(5, bool))
        sealed = payload_of(
            attempt.answer("p000", attempt.say("neighbours", present=present, adverts=adverts))
        )
        loot, victim = Loot(attempt), attempt.parties["p000"]
        assert isinstance(victim, MaskedParty)
        own = canonical.decode(payload_of(attempt.answers["advertise", "p000"]), 300)["share_key"]
        for i, ciphertext in enumerate(wire.split(sealed, SEALED_BYTES, 4), start=1):
            key = pairwise_key(private, own, b"share", victim._transcript, (0, i))
            loot.take_shares(0, i, decrypt(key, ciphertext))
        attempt.answer("p000", attempt.say("deliver", sharers=present, ciphertexts=sealed))
        return federation, loot

    def test_is_found_out_at_the_first_key(self):
        with pytest.raises(VerificationError, match="signature of 'p001'"):
            self.attack()

    def test_would_get_the_vector_if_keys_were_not_signed(self, monkeypatch):
        monkeypatch.setattr(Round, "verify", nothing)
        federation, loot = self.attack()
        assert recovered(loot, federation, "p000")


class TestCoordinatorThatReplays:
    """It hands out what was signed elsewhere: in another round, another attempt, another plan."""

    def elsewhere(self, federation):
        yield federation.attempt(0, 0)
        yield federation.attempt(0, 1)
        yield Federation(plan_of(5, name="another plan")).attempt(1, 0)
        yield Federation(plan_of(5, seed=1)).attempt(1, 0)

    def replay(self, old: Attempt, federation: Federation) -> MaskedParty:
        """A party's old advertisement, to its neighbours of today."""
        new = federation.attempt(1, 0).until("shares")
        coordinator = coordinator_of(new)
        coordinator._adverts[0] = old.answers["advertise", "p000"]
        new.outbox = dict(
            coordinator._send_neighbours(present=wire.members_to_bytes(np.ones(5, bool)))
        )
        new.answer("p001")
        party = new.parties["p001"]
        assert isinstance(party, MaskedParty)
        return party

    @pytest.mark.parametrize("which", range(4))
    def test_is_found_out(self, which):
        federation = Federation(plan_of(5))
        old = list(self.elsewhere(federation))[which]
        old.deliver()
        with pytest.raises(VerificationError, match="another round"):
            self.replay(old, federation)

    def test_would_make_parties_mask_with_a_key_that_was_opened_before(self, monkeypatch):
        """The party was called dropped in round 0, so its mask key of that round is known."""
        monkeypatch.setattr(Round, "verify", nothing)
        federation = Federation(plan_of(5))
        old = federation.attempt(0, 0).until("contribution")
        old.step(silent=["p000"])
        old.finish()
        loot = Loot(old).take_opened()
        opened = loot._secret(loot.keys, loot.key_shares, 0)
        assert opened
        today = self.replay(old, federation)
        known = X25519PrivateKey.from_private_bytes(opened).public_key().public_bytes_raw()
        assert today._mask_keys[0] == known


class TestCoordinatorThatInventsParties:
    """It adds parties of its own, who would count as survivors and leave nobody to hide among."""

    def test_an_invented_party_has_no_key_in_the_plan(self):
        federation = Federation(plan_of(5))
        attempt = federation.attempt()
        advert = attempt.round_.seal(simulation_key("sybil"), "sybil", "advertise", b"")
        with pytest.raises(VerificationError, match="not a party of the plan"):
            attempt.coordinator.receive(advert)

    def test_an_invented_party_is_nobodys_neighbour(self):
        federation = Federation(plan_of(5))
        attempt = federation.attempt().until("shares")
        coordinator = coordinator_of(attempt)
        payload = payload_of(coordinator._adverts[1])
        sybil = attempt.round_.seal(simulation_key("sybil"), "sybil", "advertise", payload)
        adverts = [sybil, *(coordinator._adverts[i] for i in (2, 3, 4))]
        present = wire.members_to_bytes(np.ones(5, bool))
        with pytest.raises(VerificationError, match="not a party of the plan"):
            attempt.answer("p000", attempt.say("neighbours", present=present, adverts=adverts))

    def test_a_party_stands_for_itself_only(self):
        """A colluder lends its valid key to another's place."""
        federation = Federation(plan_of(5))
        attempt = federation.attempt().until("shares")
        coordinator = coordinator_of(attempt)
        adverts = [coordinator._adverts[i] for i in (4, 2, 3, 4)]
        present = wire.members_to_bytes(np.ones(5, bool))
        with pytest.raises(VerificationError, match="in the place of 'p001'"):
            attempt.answer("p000", attempt.say("neighbours", present=present, adverts=adverts))

    @pytest.mark.parametrize("kind", ["contribution", "consent", "opened"])
    def test_nobody_comes_back_who_was_not_there_in_the_step_before(self, kind):
        federation = Federation(plan_of(7, dropouts=2))
        names = {"contribution": "sharers", "consent": "survivors", "opened": "signers"}
        before = {"contribution": "advertise", "consent": "shares", "opened": "contribution"}
        attempt = federation.attempt().until(before[kind])
        attempt.step(silent=["p006"])
        attempt.until(kind)
        everybody = wire.members_to_bytes(np.ones(7, bool))
        with pytest.raises(VerificationError, match="'p006', which were not there before"):
            attempt.answer("p000", attempt.misquoted("p000", **{names[kind]: everybody}))

    def test_a_set_of_more_parties_than_the_plan_has_is_none(self):
        attempt = Federation(plan_of(5)).attempt().until("shares")
        for members in (b"\xff", b"\x1f\x00", b""):
            with pytest.raises(ProtocolError, match="a set of parties"):
                attempt.answer("p000", attempt.misquoted("p000", present=members))
            attempt = Federation(plan_of(5)).attempt().until("shares")


class TestCoordinatorThatForgesTheQuorum:
    """It has one signature too few on its survivors, and makes up the rest."""

    def call(self, forged: bytes):
        federation = Federation(plan_of(9, dropouts=3))
        attempt = federation.attempt().until("opened")
        masking = federation.plan.masking
        real = {n: signature_of(m) for (k, n), m in attempt.answers.items() if k == "consent"}
        assert len(real) > masking.quorum
        made_up = dict.fromkeys(list(real)[masking.quorum - 1 :], forged)
        attempt.answer("p000", call_for_unmasking(attempt, {**real, **made_up}))

    def test_is_found_out(self):
        with pytest.raises(VerificationError, match="does not verify"):
            self.call(bytes(64))

    def test_would_have_its_survivors_opened_if_signatures_were_not_verified(self, monkeypatch):
        monkeypatch.setattr(Round, "verify", nothing)
        self.call(bytes(64))

    def test_cannot_leave_signatures_out(self):
        federation = Federation(plan_of(9, dropouts=3))
        attempt = federation.attempt().until("opened")
        real = {n: signature_of(m) for (k, n), m in attempt.answers.items() if k == "consent"}
        few = dict(list(real.items())[: federation.plan.masking.quorum - 1])
        with pytest.raises(VerificationError, match="5 signatures"):
            attempt.answer("p000", call_for_unmasking(attempt, few))


class TestCoordinatorThatSendsDifferentModels:
    """It gives one party a model of its own, to single out its contribution (Pasquini, Francati
    and Ateniese 2022). That party computes, honestly, from the state it was given."""

    def attack(self):
        federation = Federation(plan_of(7, dropouts=2))
        return federation, federation.attempt(states={"p000": hashlib.sha256(b"bait").digest()})

    def test_gets_no_sum(self):
        federation, attempt = self.attack()
        with pytest.raises(ConfideError):
            attempt.finish()
        assert not recovered(Loot(attempt), federation, "p000")

    def test_gets_a_sum_over_the_others_if_it_leaves_the_party_out(self):
        federation, attempt = self.attack()
        totals = attempt.finish(silent={"p000": "shares"}).totals
        assert totals.tolist() == sum_of(federation.contributions, federation.names[1:])

    def test_would_get_the_sum_if_keys_did_not_depend_on_the_state(self, monkeypatch):
        honest = wire.start_transcript
        monkeypatch.setattr(
            wire, "start_transcript", lambda name, round_, _: honest(name, round_, STATE)
        )
        federation, attempt = self.attack()
        assert attempt.finish().totals.tolist() == sum_of(
            federation.contributions, federation.names
        )


class TestCoalition:
    """Colluders pool their masks and shares with the coordinator, who reads everything."""

    BINS = 256
    FALSE_ALARM = 1e-6
    """The chance that uniform vectors fail one test."""

    def uniformity(self, integers, bits):
        """The p-value of the hypothesis that integers modulo 2^bits are uniform (χ²)."""
        residues = integers.astype(np.uint64) % (1 << bits)
        counts = np.bincount((residues >> np.uint64(bits - 8)).astype(int), minlength=self.BINS)
        return chisquare(counts).pvalue

    def test_below_the_threshold_sees_uniform_vectors_and_the_one_sum(self):
        """Three honest parties of five: whatever part of their vectors is added up, less all that
        two colluders know, is uniform, though each contribution is zero. Only the whole is not."""
        unverified = Masked(verified=False)
        plan = plan_of(5, size=20_000, dropouts=0, threat=threat(2), aggregation=unverified)
        zero = np.zeros(plan.sums.size, np.int64)
        federation = Federation(plan, dict.fromkeys([p.name for p in plan.parties], zero))
        bits = plan.sum_bits(plan.sums.sums[0])
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        loot = Loot(attempt).corrupt(["p003", "p004"])
        attempt.advance()
        attempt.finish()
        loot.take_opened()
        honest = federation.names[:3]
        for count in (1, 2):
            for part in combinations(honest, count):
                assert self.uniformity(loot.strip(*part), bits) > self.FALSE_ALARM
        assert self.uniformity(loot.strip(*honest), bits) == 0
        assert not loot.strip(*honest).any()

    def neighbours_of_the_victim(self, count):
        federation = Federation(sparse_plan(dropouts=3))
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        return federation, Loot(attempt).corrupt(around(attempt, "p000")[:count])

    def test_below_the_threshold_of_a_sparse_graph_gets_nothing(self):
        federation, loot = self.neighbours_of_the_victim(2)
        assert not recovered(loot, federation, "p000")

    def test_at_the_threshold_gets_the_vector(self):
        """So it is right that a plan's threshold exceeds its colluders, and that views say so."""
        federation, loot = self.neighbours_of_the_victim(3)
        assert recovered(loot, federation, "p000")

    def test_at_the_threshold_of_a_complete_graph_gets_the_vector(self):
        federation = Federation(plan_of(7, dropouts=2))
        attempt = federation.attempt().until("contribution")
        attempt.deliver()
        assert recovered(Loot(attempt).corrupt(federation.names[2:]), federation, "p000")
        assert not recovered(Loot(attempt).corrupt(federation.names[3:]), federation, "p000")


class TestPartyThatStopsOthers:
    """One party of the plan sends what makes honest parties or the coordinator give up."""

    ORDER_FOUR = bytes([1]) + bytes(31)

    @pytest.mark.parametrize(
        "key",
        [b"", bytes(31), bytes(33), bytes(32), ORDER_FOUR],
        ids=["none", "short", "long", "zero", "order four"],
    )
    @pytest.mark.parametrize("field", ["mask_key", "share_key"])
    def test_a_key_that_nobody_can_agree_with_costs_only_its_owner_the_round(self, field, key):
        federation = Federation(plan_of(5))
        attempt = federation.attempt()
        good = X25519PrivateKey.generate().public_key().public_bytes_raw()
        advert = {
            "commitment": b"",
            "mask_key": good,
            "seed": bytes(32),
            "share_key": good,
            field: key,
        }
        bad = attempt.round_.seal(
            simulation_key("p004"), "p004", "advertise", canonical.encode(advert)
        )
        with pytest.raises(ProtocolError):
            attempt.coordinator.receive(bad)
        assert attempt.finish({"p004": "advertise"}).survivors == ("p000", "p001", "p002", "p003")

    def test_a_share_of_the_coin_of_another_length_costs_only_its_owner_the_round(self):
        federation = Federation(sparse_plan())
        attempt = federation.attempt()
        coordinator = coordinator_of(attempt)
        long = bytes(graph.COIN_BYTES + 1)
        good = X25519PrivateKey.generate().public_key().public_bytes_raw()
        advert = {
            "commitment": graph.commit(coordinator._start, 0, long),
            "mask_key": good,
            "seed": bytes(32),
            "share_key": good,
        }
        key = simulation_key("p000")
        attempt.deliver(silent=["p000"])
        coordinator.receive(attempt.round_.seal(key, "p000", "advertise", canonical.encode(advert)))
        attempt.advance()
        attempt.deliver(silent=["p000"])
        with pytest.raises(ProtocolError):
            coordinator.receive(attempt.round_.seal(key, "p000", "reveal", long))
        with pytest.raises(CoinError, match="p000"):
            attempt.advance()

    def test_an_altered_share_counts_as_one_not_given(self):
        """Ciphertexts garbled on their way: nobody stops, as long as the threshold is met."""
        federation = Federation(sparse_plan(dropouts=3))
        attempt = federation.attempt().until("contribution")
        coordinator = coordinator_of(attempt)
        half = [n for n in around(attempt, "p000") if n in attempt.outbox][:3]
        for name in half:
            _, said = attempt.said(name)
            garbled = bytes(len(said["ciphertexts"]))
            attempt.outbox[name] = attempt.misquoted(name, ciphertexts=garbled)
        assert coordinator.awaits == "contribution"
        assert attempt.finish().totals.tolist() == sum_of(
            federation.contributions, federation.names
        )

    def test_false_shares_of_a_mask_key_are_named_and_open_nothing(self):
        federation = Federation(plan_of(5))
        attempt = federation.attempt().until("contribution")
        attempt.step(silent=["p004"])
        attempt.until("opened")
        attempt.deliver()
        coordinator = coordinator_of(attempt)
        keys = coordinator._opened[0].keys
        vars(coordinator._opened[0])["keys"] = {i: bytes(len(s)) for i, s in keys.items()}
        with pytest.raises(VerificationError, match=r"'p004'|do not belong to one secret"):
            attempt.advance()
        with pytest.raises(ProtocolError, match="not finished"):
            _ = attempt.coordinator.result


class TestMaskFromAFoldedSeed:
    """Flower 1.x makes a mask from a 32-byte key folded to 32 bits that seed a Mersenne Twister
    (flwr.common.secure_aggregation.secaggplus_utils). Whoever knows one coordinate that a party
    contributes, such as a zero, sees one number of the mask and tries all seeds."""

    KNOWN_BITS = 12
    """So many bits of the seed are given to the test for the sake of its time. It tries 2^20 seeds
    in about a second, so all 2^32 take 2^12 times as long: about an hour on one core."""

    def fold(self, key: bytes) -> int:
        return int(np.bitwise_xor.reduce(np.frombuffer(key, "<u4")))

    def folded_mask(self, key: bytes, size: int):
        twister = np.random.RandomState(self.fold(key))
        return twister.randint(0, 2**32 - 1, size, dtype=np.int64)

    def first_outputs(self, seeds):
        """The first number of each seed's Mersenne Twister (Matsumoto and Nishimura 1998)."""
        state = first = seeds.astype(np.uint32)
        second = first
        for i in range(1, 398):
            state = np.uint32(1812433253) * (state ^ (state >> np.uint32(30))) + np.uint32(i)
            second = state if i == 1 else second
        joined = (first & np.uint32(0x80000000)) | (second & np.uint32(0x7FFFFFFF))
        y = state ^ (joined >> np.uint32(1)) ^ (joined & np.uint32(1)) * np.uint32(0x9908B0DF)
        y ^= y >> np.uint32(11)
        y ^= (y << np.uint32(7)) & np.uint32(0x9D2C5680)
        y ^= (y << np.uint32(15)) & np.uint32(0xEFC60000)
        return y ^ (y >> np.uint32(18))

    def test_is_no_mask(self):
        key = hashlib.sha256(b"a key of 256 bits").digest()
        contribution = np.arange(1000)
        masked = (contribution + self.folded_mask(key, 1000)) % 2**32
        top = self.fold(key) >> (32 - self.KNOWN_BITS) << (32 - self.KNOWN_BITS)
        seeds = np.arange(top, top + (1 << (32 - self.KNOWN_BITS)))
        known = contribution[0]
        found = seeds[self.first_outputs(seeds) == np.uint32(masked[0] - known)]
        candidates = [int(seed).to_bytes(4, "little") for seed in found]
        opened = [(masked - self.folded_mask(c, 1000)) % 2**32 for c in candidates]
        assert any((o == contribution).all() for o in opened)

    def test_two_keys_of_one_fold_give_one_mask_there_and_two_here(self):
        key = hashlib.sha256(b"a key of 256 bits").digest()
        other = key[4:8] + key[:4] + key[8:]
        assert (self.folded_mask(key, 8) == self.folded_mask(other, 8)).all()
        ours, theirs = np.zeros((2, 8), np.uint32)
        MaskAdder(ours.dtype).add(ours, key)
        MaskAdder(theirs.dtype).add(theirs, other)
        assert (ours != theirs).any()


class TestSecretsStayInside:
    """Somebody reads logs: what is printed of sessions and errors holds no secret."""

    def test_no_representation_or_error_shows_one(self):
        federation = Federation(plan_of(5))
        attempt = federation.attempt()
        shown, secrets = [], set()
        while attempt.outbox:
            attempt.deliver()
            for party in attempt.parties.values():
                assert isinstance(party, MaskedParty)
                shown.append(repr(party))
                if held := party._secrets:
                    shown.append(repr(held))
                    secrets |= {
                        held.mask_key.private_bytes_raw(),
                        held.share_key.private_bytes_raw(),
                        held.self_seed,
                        held.coin_share,
                    }
            attempt.advance()
        shown += [repr(i) for i in federation.identities.values()]
        shown += [repr(i.register) for i in federation.identities.values()]
        secrets |= {i.key.private_bytes_raw() for i in federation.identities.values()}
        text = "\n".join(shown)
        assert len(secrets) == 5 * 5
        for secret in secrets:
            assert secret.hex() not in text
            assert repr(secret)[2:-1] not in text

    @pytest.mark.parametrize("kind", ["shares", "contribution", "consent", "opened"])
    def test_a_session_that_failed_has_wiped_them(self, kind):
        attempt = Federation(plan_of(5)).attempt().until(kind)
        party = attempt.parties["p000"]
        assert isinstance(party, MaskedParty)
        with pytest.raises(ProtocolError):
            party.receive(b"")
        assert party._secrets is None

    def test_a_contribution_that_fails_ends_the_session(self):
        federation = Federation(plan_of(5))
        federation.contributions = {}
        attempt = federation.attempt().until("contribution")
        party = attempt.parties["p000"]
        assert isinstance(party, MaskedParty)
        with pytest.raises(KeyError):
            attempt.answer("p000")
        assert party._secrets is None

    def test_nothing_is_left_after_the_end(self):
        attempt = Federation(plan_of(5)).attempt()
        attempt.finish()
        for party in attempt.parties.values():
            assert isinstance(party, MaskedParty)
            assert party._secrets is None


def test_every_attack_here_runs_against_a_plan_that_fears_it():
    """The default threat is a lying coordinator, so no test above passes for want of an enemy."""
    for plan in (plan_of(5), sparse_plan()):
        adversary = plan.threat.confidentiality
        assert adversary.coordinator is adversary.network is Corruption.MALICIOUS
        assert plan.masking.quorum
