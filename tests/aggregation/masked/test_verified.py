"""Attacks on verified sums: a coordinator that announces false ones, alone and with a lying party.

Each runs against the real sessions. Where a check stands in the way, a second test takes it away,
or runs the same attack on sums that are not verified, and shows that it works then.
"""

from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from tests.aggregation.adversary import (
    call_for_unmasking,
    coordinator_of,
    payload_of,
    signature_of,
)
from tests.aggregation.support import (
    CURIOUS,
    Federation,
    attested_plan,
    flip_bit,
    plan_of,
    said_in,
    sum_of,
)

from confide import canonical
from confide.aggregation import Layout
from confide.aggregation.envelope import SIGNATURE_BYTES, Round
from confide.aggregation.masked import (
    Consents,
    VerifiedCoordinator,
    VerifiedParty,
    ring_hash,
    verified,
    verified_coordinator,
    verified_party,
)
from confide.aggregation.masked.commitments import commit_to_seed
from confide.aggregation.masked.opening import Opening
from confide.aggregation.masked.reference_ring import ReferenceRing
from confide.aggregation.masked.ring_hash import RingHash
from confide.aggregation.masked.streams import MaskAdder
from confide.aggregation.masked.unmask import take_masks_off
from confide.computation import Computation
from confide.engines import simulate
from confide.errors import DropoutError, PlanError, ProtocolError, VerificationError
from confide.plan import (
    CentralNoise,
    Masked,
    NoiseShares,
    Plan,
    Recipients,
    Release,
    Sum,
    SumGroup,
    Task,
    Unit,
    simulation_key,
)

VERIFIED = Masked(verified=True)
UNCHECKED = Masked(verified=False)


def verified_plan(parties=5, **fields):
    return plan_of(parties, **{"aggregation": VERIFIED, **fields})


def finished(plan=None, silent=None):
    """A federation, one attempt that went to its end, and what it released."""
    federation = Federation(plan or verified_plan())
    attempt = federation.attempt()
    return federation, attempt, attempt.finish(silent)


def accepting(attempt, result):
    """Who accepts a result; the sessions of all others raise."""
    names = set()
    for name, party in attempt.parties.items():
        try:
            party.accept(result)
        except ProtocolError:
            continue
        names.add(name)
    return names


def opening_of(attempt, result):
    """What the coordinator shows, to alter it, and what packs it again."""
    masks, layout = attempt.coordinator._masks(), Layout.of_sum(attempt.round_.plan)
    opening = Opening.from_bytes(result.opening, layout, masks)
    return opening, lambda altered: altered.to_bytes(layout)


def nothing(*_args, **_kwargs) -> None:
    """A check that checks nothing."""


class TestHonestRound:
    @pytest.mark.parametrize(
        "silent",
        [{}, {"p001": "advertise"}, {"p001": "contribution"}, {"p001": "consent"}],
        ids=str,
    )
    def test_is_accepted_by_all_even_by_those_who_dropped_out(self, silent):
        federation, attempt, result = finished(silent=silent)
        assert result.totals.tolist() == sum_of(federation.contributions, result.survivors)
        assert accepting(attempt, result) == set(federation.names)

    @pytest.mark.parametrize("silent", [{}, {"p001": "contribution"}], ids=str)
    def test_gives_the_bits_of_a_sum_that_is_not_verified(self, silent):
        plan = verified_plan(7, size=300, dropouts=2, noise=NoiseShares(1.0))
        federation, _, result = finished(plan, silent)
        plain = Federation(replace(plan, aggregation=UNCHECKED), federation.contributions)
        assert plain.run(silent).totals.tobytes() == result.totals.tobytes()

    def test_goes_on_without_the_kernels(self, monkeypatch):
        monkeypatch.setattr(ring_hash, "_ring", lambda p: ReferenceRing(p.degree, p.primes))
        federation, attempt, result = finished()
        assert accepting(attempt, result) == set(federation.names)

    def test_leaves_no_secret_behind(self):
        _, attempt, _ = finished()
        assert all(party._secrets is None for party in attempt.parties.values())


class TestCoordinatorThatAnnouncesAFalseSum:
    """It holds the honest sum and announces another, so that the state moves as it likes."""

    def false(self, result, step):
        totals = result.totals.copy()
        totals[0] += step
        return replace(result, totals=totals)

    @pytest.mark.parametrize("step", [1, -1, 10**6, "zeros"])
    def test_is_refused_by_all(self, step):
        _, attempt, result = finished(verified_plan(size=50))
        zeros = replace(result, totals=np.zeros_like(result.totals))
        lie = zeros if step == "zeros" else self.false(result, step)
        assert not accepting(attempt, lie)

    @pytest.mark.parametrize("step", [1, 10**6])
    def test_is_taken_by_all_where_sums_are_not_verified(self, step):
        federation, attempt, result = finished(plan_of(aggregation=UNCHECKED))
        assert accepting(attempt, self.false(result, step)) == set(federation.names)

    def test_cannot_claim_other_survivors(self):
        _, attempt, result = finished()
        assert not accepting(attempt, replace(result, survivors=result.survivors[1:]))

    def test_cannot_leave_the_opening_out(self):
        _, attempt, result = finished()
        assert not accepting(attempt, replace(result, opening=None))


class TestCoordinatorThatOpensAnotherSum:
    """It shows an opening that gives the sum that it announces."""

    def attack(self, alter):
        """Who accepts what it announces after it has altered the opening."""
        federation, attempt, result = finished(verified_plan(size=50))
        opening, packed = opening_of(attempt, result)
        altered = alter(opening)
        lie = replace(result, opening=packed(altered), totals=self.totals_of(attempt, altered))
        return federation, accepting(attempt, lie)

    def totals_of(self, attempt, opening):
        words, layout = opening.low.copy(), Layout.of_sum(attempt.round_.plan)
        take_masks_off(words, attempt.coordinator._masks(), opening.secrets)
        return layout.to_integers(words)

    def nudged(self, opening):
        low = opening.low.copy()
        low[0] += 1
        return replace(opening, low=low)

    def carried(self, opening):
        carries = opening.carries.copy()
        carries[7] = (carries[7] + 1) % 5
        return replace(opening, carries=carries)

    def reseeded(self, opening):
        seeds = {**opening.secrets.seeds, 2: bytes(32)}
        return replace(opening, secrets=replace(opening.secrets, seeds=seeds))

    @pytest.mark.parametrize("alter", ["nudged", "carried", "reseeded"])
    def test_is_refused_by_all(self, alter):
        _, accept = self.attack(getattr(self, alter))
        assert not accept

    @pytest.mark.parametrize("alter", ["nudged", "carried"])
    def test_would_be_taken_if_nobody_compared_hashes(self, alter, monkeypatch):
        monkeypatch.setattr(verified, "_check_hash", nothing)
        federation, accept = self.attack(getattr(self, alter))
        assert accept == set(federation.names)

    def test_would_be_taken_if_seeds_were_not_committed_to(self, monkeypatch):
        monkeypatch.setattr(verified, "_check_secrets", nothing)
        monkeypatch.setattr(verified, "check_reach", nothing)
        federation, accept = self.attack(self.reseeded)
        assert accept == set(federation.names)

    def test_is_refused_beyond_what_masked_numbers_add_up_to(self):
        _, attempt, result = finished(verified_plan(size=50))
        opening, packed = opening_of(attempt, result)
        carries = opening.carries.copy()
        carries[0] = 5
        with pytest.raises(VerificationError, match="no 5 masked ones add up to"):
            attempt.parties["p000"].accept(
                replace(result, opening=packed(replace(opening, carries=carries)))
            )

    def test_is_refused_with_another_key_of_a_party_that_dropped_out(self):
        _, attempt, result = finished(silent={"p004": "contribution"})
        opening, packed = opening_of(attempt, result)
        keys = {4: X25519PrivateKey.generate().private_bytes_raw()}
        altered = replace(opening, secrets=replace(opening.secrets, keys=keys))
        for party in attempt.parties.values():
            with pytest.raises(VerificationError, match="a mask key of 'p004'"):
                party.accept(replace(result, opening=packed(altered)))

    @given(st.integers(0, 10**9))
    def test_no_altered_bit_changes_what_is_accepted(self, bit):
        attempt, result = self.kept()
        altered = replace(result, opening=flip_bit(result.opening, bit))
        late = replace(result, consents=flip_bit(result.consents, bit))
        for name, lie in (("p000", altered), ("p004", late)):
            try:
                attempt.parties[name].accept(lie)
            except (ProtocolError, DropoutError):
                continue
            attempt.parties[name].accept(replace(lie, totals=result.totals))

    _kept = None

    def kept(self):
        if type(self)._kept is None:
            type(self)._kept = finished(silent={"p004": "contribution"})[1:]
        return type(self)._kept


class TestCoordinatorThatReplays:
    """It shows what was signed and opened elsewhere."""

    def test_another_round_is_refused(self):
        federation, _, old = finished()
        attempt = federation.attempt(1)
        attempt.finish()
        assert not accepting(attempt, old)

    def test_another_attempt_is_refused(self):
        """The first attempt got as far as consent nowhere; the second one opens."""
        federation = Federation(verified_plan())
        first = federation.attempt().until("contribution")
        second = federation.attempt(attempt=1)
        result = second.finish()
        assert accepting(second, result) == set(federation.names)
        assert not accepting(first, result)

    def test_a_sum_of_another_state_is_refused(self):
        """A party that is behind, or was given another model, takes no sum of this one."""
        federation, _, result = finished(silent={"p000": "advertise"})
        behind = federation.attempt(1, states={"p000": bytes(32)}).parties["p000"]
        with pytest.raises(VerificationError):
            behind.accept(result)


class TestPartyThatMissedTheEnd:
    """It did not see the survivors' hashes, so it asks for what a quorum signed."""

    SILENT = "p004"

    @pytest.fixture(params=["advertise", "shares", "contribution", "consent"])
    def late(self, request):
        _, attempt, result = finished(silent={self.SILENT: request.param})
        return attempt.parties[self.SILENT], attempt, result

    def test_takes_the_sum_with_the_quorums_signatures(self, late):
        party, _, result = late
        party.accept(result)

    def test_takes_no_sum_without_them(self, late):
        party, _, result = late
        with pytest.raises(VerificationError, match="without the signatures"):
            party.accept(replace(result, consents=None))

    @pytest.mark.parametrize(
        "field", ["present", "sharers", "survivors", "mask_keys", "commitments", "hashes"]
    )
    def test_takes_no_sum_if_anything_else_was_signed(self, late, field):
        party, attempt, result = late
        consents = Consents.from_bytes(result.consents, attempt.round_)
        data = getattr(consents, field)
        for altered in (flip_bit(data, 0), flip_bit(data, 4)):
            lie = replace(consents, **{field: altered})
            with pytest.raises((ProtocolError, DropoutError)):
                party.accept(replace(result, consents=lie.to_bytes()))

    def test_takes_no_sum_with_fewer_signatures_than_a_quorum(self, late):
        party, attempt, result = late
        consents = Consents.from_bytes(result.consents, attempt.round_)
        few = replace(
            consents,
            signers=b"\x07",
            signatures=consents.signatures[: 3 * SIGNATURE_BYTES],
        )
        with pytest.raises(VerificationError, match=r"3 signatures .* takes 4"):
            party.accept(replace(result, consents=few.to_bytes()))

    def test_takes_no_sum_with_a_made_up_signature(self, late):
        party, attempt, result = late
        consents = Consents.from_bytes(result.consents, attempt.round_)
        forged = consents.signatures[:-SIGNATURE_BYTES] + bytes(SIGNATURE_BYTES)
        with pytest.raises(VerificationError, match="does not verify"):
            party.accept(replace(result, consents=replace(consents, signatures=forged).to_bytes()))


class Liar:
    """Party p004, which hands its key to the coordinator."""

    name, index = "p004", 4

    def __init__(self, attempt):
        self.attempt = attempt
        self.key = simulation_key(self.name)

    def seal(self, kind, payload):
        return self.attempt.round_.seal(self.key, self.name, kind, payload)

    def contribution(self, words, hashed=None):
        """A contribution of this masked vector, with the hash of it or of another one."""
        round_, plan = self.attempt.round_, self.attempt.round_.plan
        hash_ = RingHash.of_plan(plan)
        said = hash_.to_bytes(hash_(words if hashed is None else hashed))
        transcript = self.attempt.coordinator._transcript
        signed = verified.confirmation(transcript, said)
        signature = round_.sign(self.key, self.name, "masked", signed)
        self.attempt.parties[self.name]._own_hash = said
        return self.seal("contribution", signature + said + Layout.of_sum(plan).pack(words))

    def masked(self, shift):
        """What it would send honestly, with so many steps added to the first number."""
        plan = self.attempt.round_.plan
        layout = Layout.of_sum(plan)
        payload = payload_of(self.attempt.answer(self.name))
        words = layout.unpack(payload[-layout.wire_bytes :])
        words[0] += words.dtype.type(shift % (1 << layout.bits[0]))
        return layout.unpack(layout.pack(words))


class TestPartyWhoseHashDoesNotFit:
    def test_is_a_dropout_before_anybody_consents(self):
        federation = Federation(verified_plan())
        attempt = federation.attempt().until("contribution")
        liar = Liar(attempt)
        words = liar.masked(0)
        with pytest.raises(VerificationError, match="'p004' signs another hash"):
            attempt.coordinator.receive(liar.contribution(words, hashed=words + 1))
        attempt.deliver(silent=["p004"])
        attempt.advance()
        result = attempt.finish()
        assert result.survivors == tuple(federation.names[:4])
        assert result.totals.tolist() == sum_of(federation.contributions, result.survivors)
        assert accepting(attempt, result) == set(federation.names)

    def test_would_spoil_the_sum_for_all_if_the_coordinator_did_not_compare(self, monkeypatch):
        attempt = Federation(verified_plan()).attempt().until("contribution")
        liar = Liar(attempt)
        words = liar.masked(0)
        hostile = liar.contribution(words, hashed=words + 1)
        monkeypatch.setattr(VerifiedCoordinator, "_is_hash_of", lambda *_: True)
        attempt.coordinator.receive(hostile)
        attempt.deliver(silent=["p004"])
        attempt.advance()
        assert not accepting(attempt, attempt.finish())


class TestLyingPartyWithTheCoordinator:
    """What the views say of it: it adds anything within the modulus, but fixes it beforehand."""

    def shifted(self, shift):
        """The liar adds this to the first number of its vector; everybody contributes ones."""
        plan = verified_plan()
        federation = Federation(plan, {p.name: np.ones(3, np.int64) for p in plan.parties})
        attempt = federation.attempt().until("contribution")
        liar = Liar(attempt)
        words = liar.masked(shift)
        attempt.deliver(silent=["p004"])
        attempt.coordinator.receive(liar.contribution(words))
        attempt.advance()
        return federation, attempt

    def test_moves_the_sum_by_what_it_chose_before_the_opening(self):
        shift = -2 * verified_plan().sums.sums[0].lattice.party_range
        federation, attempt = self.shifted(shift)
        result = attempt.finish()
        assert result.totals.tolist() == [5 + shift, 5, 5]
        assert accepting(attempt, result) == set(federation.names)

    def test_cannot_move_it_beyond_what_honest_parties_can_reach(self, monkeypatch):
        plan = verified_plan()
        beyond = 1 << (plan.sum_bits(plan.sums.sums[0]) - 1)
        _, attempt = self.shifted(beyond)
        with pytest.raises(VerificationError, match="honest parties cannot exceed"):
            attempt.finish()
        _, attempt = self.shifted(beyond)
        monkeypatch.setattr(verified_coordinator, "check_reach", nothing)
        assert not accepting(attempt, attempt.finish())

    def second_hash(self):
        """The honest sum is known. Now the liar signs a hash of what would make it zero at the
        first number, and the coordinator announces that."""
        federation = Federation(verified_plan())
        attempt = federation.attempt()
        result = attempt.finish(silent={"p003": "contribution"})
        plan, layout = federation.plan, Layout.of_sum(federation.plan)
        opening, packed = opening_of(attempt, result)
        payload = payload_of(attempt.answers["contribution", Liar.name])
        words = layout.unpack(payload[-layout.wire_bytes :])
        wanted = words.copy()
        modulus = 1 << layout.bits[0]
        wanted[0] = (int(words[0]) - int(result.totals[0])) % modulus
        low, carries = opening.low.copy(), opening.carries.copy()
        exact = int(low[0]) + modulus * int(carries[0]) + int(wanted[0]) - int(words[0])
        low[0], carries[0] = exact % modulus, exact // modulus
        hash_ = RingHash.of_plan(plan)
        assert result.consents is not None
        consents = Consents.from_bytes(result.consents, attempt.round_)
        second = hash_.to_bytes(hash_(wanted))
        lie = replace(
            result,
            totals=np.array([0, *result.totals[1:]]),
            opening=packed(replace(opening, low=low, carries=carries)),
            consents=replace(consents, hashes=consents.hashes[: -len(second)] + second).to_bytes(),
        )
        return federation, attempt, lie

    def test_cannot_sign_a_second_hash_once_the_honest_sum_is_known(self):
        _, attempt, lie = self.second_hash()
        assert not accepting(attempt, lie)

    def test_could_if_consent_did_not_fix_the_hashes(self, monkeypatch):
        for module in (verified, verified_party, verified_coordinator):
            monkeypatch.setattr(module, "fixed_transcript", lambda transcript, *_: transcript)
        _, attempt, lie = self.second_hash()
        assert accepting(attempt, lie) == {"p003"}

    def two_lists(self):
        """One party is kept waiting until the others have opened. Then it is shown a second hash of
        the liar, consents to that list, and is asked to open with the liar's signature beside it.
        It does not open; the coordinator announces the sum that suits the second list."""
        federation = Federation(verified_plan())
        attempt = federation.attempt().until("consent")
        slow, coordinator = attempt.parties["p000"], coordinator_of(attempt)
        waiting = attempt.outbox.pop("p000")
        attempt.deliver()
        attempt.advance()
        kind, said = said_in(waiting)
        layout, hash_ = Layout.of_sum(federation.plan), RingHash.of_plan(federation.plan)
        payload = payload_of(attempt.answers["contribution", Liar.name])
        wanted = layout.unpack(payload[-layout.wire_bytes :])
        wanted[0] ^= 1
        second = hash_.to_bytes(hash_(wanted))
        signature = attempt.round_.sign(
            Liar(attempt).key,
            Liar.name,
            "masked",
            verified.confirmation(coordinator._masked_under, second),
        )
        said["hashes"] = said["hashes"][: -len(second)] + second
        said["confirmations"] = said["confirmations"][:-SIGNATURE_BYTES] + signature
        own = slow.receive(attempt.say(kind, **said))
        signatures = {
            name: signature_of(attempt.answers["consent", name]) for name in federation.names[1:4]
        }
        call = call_for_unmasking(attempt, {**signatures, "p000": signature_of(own)})
        return attempt, slow, call

    def test_cannot_show_a_party_that_waits_another_list(self):
        _, slow, call = self.two_lists()
        with pytest.raises(VerificationError, match="does not verify"):
            slow.receive(call)
        assert slow._agreed is None

    def test_could_if_the_party_did_not_ask_for_a_quorum_on_its_list(self, monkeypatch):
        monkeypatch.setattr(Round, "verify", nothing)
        _, slow, call = self.two_lists()
        slow.receive(call)
        assert slow._agreed is not None

    def test_cannot_commit_to_two_seeds(self):
        """It signs two advertisements, and the coordinator hands one party the second."""
        federation = Federation(verified_plan())
        attempt = federation.attempt().until("shares")
        first = payload_of(attempt.answers["advertise", Liar.name])
        other = commit_to_seed(coordinator_of(attempt)._start, Liar.index, bytes(32))
        twice = canonical.encode({**canonical.decode(first, 300), "seed": other})
        kind, said = said_in(attempt.outbox["p000"])
        said["adverts"][-1] = Liar(attempt).seal("advertise", twice)
        attempt.outbox["p000"] = attempt.say(kind, **said)
        attempt.until("consent")
        with pytest.raises(ProtocolError, match="'p000' consents to something else"):
            attempt.deliver()

    def test_of_two_that_commit_in_bytes_of_other_lengths_neither_is_taken(self):
        federation = Federation(verified_plan())
        attempt = federation.attempt().until("shares")
        kind, said = said_in(attempt.outbox["p000"])
        first = payload_of(attempt.answers["advertise", Liar.name])
        short = canonical.encode({**canonical.decode(first, 300), "seed": bytes(31)})
        said["adverts"][-1] = Liar(attempt).seal("advertise", short)
        attempt.outbox["p000"] = attempt.say(kind, **said)
        attempt.until("consent")
        with pytest.raises(VerificationError, match="31 bytes"):
            attempt.deliver()

    def test_learns_nothing_of_the_others_that_it_could_choose_by(self):
        """What it and the coordinator hold before consent is uniform: contributions of zeros and
        of ones give vectors of which the same masks are left."""
        left = []
        for value in (0, 1):
            plan = verified_plan(size=100)
            same = {p.name: np.full(100, value, np.int64) for p in plan.parties}
            attempt = Federation(plan, same).attempt().until("contribution")
            attempt.deliver()
            layout = Layout.of_sum(plan)
            payload = payload_of(attempt.answers["contribution", "p000"])
            words = layout.unpack(payload[-layout.wire_bytes :])
            party = attempt.parties["p000"]
            assert isinstance(party, VerifiedParty)
            MaskAdder(words.dtype).subtract(words, party._open_secrets.self_seed)
            left.append((words - words.dtype.type(value)) % (1 << layout.bits[0]))
        zeros, ones = left
        assert np.array_equal(zeros, ones)


class TestPlans:
    def test_sessions_are_the_verified_ones(self):
        attempt = Federation(verified_plan()).attempt()
        assert isinstance(attempt.coordinator, VerifiedCoordinator)
        assert all(isinstance(p, VerifiedParty) for p in attempt.parties.values())
        plain = Federation(plan_of(aggregation=UNCHECKED)).attempt()
        assert not isinstance(plain.coordinator, VerifiedCoordinator)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"parties": 129}, "at most 128 parties are allowed"),
            ({"release": Release(to=Recipients.COORDINATOR), "rounds": 1}, "sees it"),
            ({"noise": CentralNoise(1.0)}, "central noise"),
            ({"threat": CURIOUS}, "may not lie"),
        ],
    )
    def test_that_cannot_verify_are_refused(self, fields, message):
        with pytest.raises(PlanError, match=message):
            verified_plan(**fields)

    def test_that_trust_an_enclave_are_refused(self):
        with pytest.raises(PlanError, match="verified sums in an enclave"):
            attested_plan(VERIFIED)

    def test_read_back_what_they_say(self):
        plan, plain = verified_plan(), plan_of()
        assert Plan.from_canonical(plan.canonical()) == plan
        assert plan.hash != plain.hash
        assert b"verified" not in plain.canonical()

    def test_do_not_take_a_default_that_is_written_out(self):
        """One plan has one encoding."""
        plain = canonical.decode(plan_of().canonical(), 10_000)
        plain["aggregation"]["verified"] = None
        with pytest.raises(PlanError, match="verified"):
            Plan.from_canonical(canonical.encode(plain))


def test_a_simulation_of_several_rounds_checks_each_sum():
    total = SumGroup((Sum(name="total", unit=Unit.PARTY, unit_bound=100, capacity=1),))
    sales = Computation(
        task=Task.of("sales"),
        sums=total,
        columns=("sold",),
        init=dict,
        contribute=lambda _state, data, _rng: {"total": data["sold"].sum()},
        update=lambda _state, totals: {"total": totals["total"].round()},
    )
    data = {f"shop{i}": {"sold": np.array([i, 2 * i])} for i in range(1, 6)}
    plan = sales.plan(parties=list(data), rounds=2, aggregation=VERIFIED)
    run = simulate(plan, data, computation=sales)
    assert [len(result.survivors) for result in run.totals] == [5, 5]
    assert run.state["total"] == 3 * (1 + 2 + 3 + 4 + 5)
