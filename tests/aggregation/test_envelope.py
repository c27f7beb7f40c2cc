"""Signed messages: what they mean, and that nothing else is taken for one."""

import hashlib
import tracemalloc

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from tests.aggregation.support import flip_bit, plan_of

from confide import canonical
from confide.aggregation import Round
from confide.aggregation.envelope import Envelope, fields_of
from confide.errors import ProtocolError, VerificationError
from confide.plan import Coordinator, simulation_key
from confide.plan.parties import COORDINATOR

PLAN = plan_of()
HERE = Round(PLAN, 1, 2)
PAYLOAD = b"what is said"
SEALED = HERE.seal(simulation_key("p001"), "p001", "shares", PAYLOAD)
COORDINATORS = simulation_key(COORDINATOR)
SAID = HERE.announce(COORDINATORS, "open", state=b"s")

elsewhere = pytest.mark.parametrize(
    "elsewhere",
    [
        Round(PLAN, 0, 2),
        Round(PLAN, 1, 1),
        Round(plan_of(name="another"), 1, 2),
        Round(plan_of(parties=6), 1, 2),
        Round(plan_of(seed=1), 1, 2),
    ],
    ids=["round", "attempt", "plan by name", "plan by parties", "plan by seed"],
)


class TestEnvelope:
    def test_opens_where_it_was_sealed(self):
        assert HERE.open(SEALED, "shares", 100) == Envelope("p001", "shares", PAYLOAD)

    def test_does_not_open_with_any_bit_changed(self):
        for bit in range(8 * len(SEALED)):
            with pytest.raises(ProtocolError):
                HERE.open(flip_bit(SEALED, bit), "shares", 100)

    def test_does_not_open_cut_short_or_with_something_after_its_end(self):
        for end in range(len(SEALED)):
            with pytest.raises(ProtocolError):
                HERE.open(SEALED[:end], "shares", 100)
        with pytest.raises(ProtocolError):
            HERE.open(SEALED + b"\0", "shares", 100)

    @elsewhere
    def test_means_nothing_elsewhere(self, elsewhere):
        with pytest.raises(VerificationError, match="does not verify"):
            elsewhere.open(SEALED, "shares", 100)

    def test_means_nothing_in_another_step(self):
        with pytest.raises(ProtocolError, match="this step takes 'consent'"):
            HERE.open(SEALED, "consent", 100)
        kind, sender, payload, signature = canonical.decode(SEALED, 500)
        assert kind == "shares"
        renamed = canonical.encode(["consent", sender, payload, signature])
        with pytest.raises(VerificationError):
            HERE.open(renamed, "consent", 100)

    def test_means_nothing_in_another_name(self):
        for name in ("p000", "nobody"):
            forged = HERE.seal(simulation_key("p001"), name, "shares", PAYLOAD)
            with pytest.raises(VerificationError, match=name):
                HERE.open(forged, "shares", 100)

    @pytest.mark.parametrize("key", [COORDINATORS, simulation_key("p001")], ids=["its own", "else"])
    def test_of_a_party_is_not_in_the_coordinators_name(self, key):
        forged = HERE.seal(key, COORDINATOR, "shares", PAYLOAD)
        with pytest.raises(VerificationError, match="in the coordinator's name"):
            HERE.open(forged, "shares", 100)

    def test_holds_no_more_than_the_step_takes(self):
        assert HERE.open(SEALED, "shares", len(PAYLOAD)).payload == PAYLOAD
        with pytest.raises(ProtocolError, match="at most 11"):
            HERE.open(SEALED, "shares", len(PAYLOAD) - 1)

    def test_costs_little_memory_before_its_signature_is_looked_at(self):
        """A million empty lists in the place of a payload, from nobody."""
        count = 1_000_000
        hostile = b"\x84\x66shares\x64p001\x9a" + count.to_bytes(4, "big")
        hostile += b"\x80" * count + b"\x40"
        tracemalloc.start()
        with pytest.raises(ProtocolError):
            HERE.open(hostile, "shares", 2 * count)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1 << 20

    def test_is_not_repeated_whole_in_an_error(self):
        for kind, name in (("x" * 9999, "p001"), ("shares", "x" * 9999)):
            with pytest.raises(ProtocolError) as error:
                HERE.open(canonical.encode([kind, name, b"", bytes(64)]), "shares", 20_000)
            assert len(str(error.value)) < 400

    def test_signs_what_the_documentation_says(self):
        """A second implementation of the signed bytes, so that they do not change unnoticed."""
        *_, signature = canonical.decode(SEALED, 500)
        digest = hashlib.sha256(PAYLOAD).digest()
        signed = b"confide message 1\0" + canonical.encode(
            [PLAN.hash, 1, 2, "shares", "p001", digest]
        )
        Ed25519PublicKey.from_public_bytes(PLAN.party("p001").key).verify(signature, signed)

    @given(st.binary(max_size=400))
    def test_noise_is_a_protocol_error(self, noise):
        with pytest.raises(ProtocolError):
            HERE.open(noise, "shares", 100)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(0, 2**64 - 1) | st.text() | st.binary(),
            lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner),
        )
    )
    def test_any_other_value_is_a_protocol_error(self, value):
        with pytest.raises(ProtocolError):
            HERE.open(canonical.encode(value), "shares", 100)


class TestRound:
    @pytest.mark.parametrize(("number", "attempt"), [(-1, 0), (3, 0), (0, -1), (0, 2**31)])
    def test_is_one_of_the_plan(self, number, attempt):
        with pytest.raises(ProtocolError):
            Round(PLAN, number, attempt)

    def test_names_itself_and_its_plan(self):
        assert str(HERE) == f"round 1, attempt 2 of plan {PLAN.short_hash}"


class TestAnnouncement:
    def test_is_read_as_it_was_made(self):
        assert HERE.read_announcement(SAID, "open", 100) == {"state": b"s"}

    def test_is_not_read_with_any_bit_changed(self):
        for bit in range(8 * len(SAID)):
            with pytest.raises(ProtocolError):
                HERE.read_announcement(flip_bit(SAID, bit), "open", 100)

    def test_is_not_read_cut_short_or_with_something_after_its_end(self):
        for end in range(len(SAID)):
            with pytest.raises(ProtocolError):
                HERE.read_announcement(SAID[:end], "open", 100)
        with pytest.raises(ProtocolError):
            HERE.read_announcement(SAID + b"\0", "open", 100)

    @elsewhere
    def test_means_nothing_elsewhere(self, elsewhere):
        with pytest.raises(VerificationError, match="does not verify"):
            elsewhere.read_announcement(SAID, "open", 100)

    def test_means_nothing_in_another_step(self):
        kind, payload, signature = canonical.decode(SAID, 500)
        assert kind == "open"
        renamed = canonical.encode(["deliver", payload, signature])
        with pytest.raises(VerificationError, match="does not verify"):
            HERE.read_announcement(renamed, "deliver", 100)

    @pytest.mark.parametrize("key", [simulation_key("p000"), simulation_key("nobody"), None])
    def test_of_another_key_or_of_none_is_refused(self, key):
        """The network, and a party, speak in the coordinator's name."""
        with pytest.raises(VerificationError, match=f"signature of '{COORDINATOR}'"):
            HERE.read_announcement(HERE.announce(key, "open", state=b"s"), "open", 100)

    def test_is_signed_by_the_key_that_the_plan_names(self):
        own = simulation_key("somebody")
        key = Coordinator(own.public_key().public_bytes_raw())
        here = Round(plan_of(coordinator=key), 0)
        said = here.announce(own, "open")
        assert here.read_announcement(said, "open", 100) == {}
        with pytest.raises(VerificationError):
            here.read_announcement(here.announce(COORDINATORS, "open"), "open", 100)

    def test_is_signed_by_the_announcer_that_the_round_names_and_nobody_else(self):
        """As an enclave does, whose key its evidence vouches for."""
        enclaves = simulation_key("enclave")
        inside = Round(PLAN, 1, 2, enclaves.public_key().public_bytes_raw())
        said = inside.announce(enclaves, "open", state=b"s")
        assert inside.read_announcement(said, "open", 100) == {"state": b"s"}
        for here, message in ((inside, SAID), (HERE, said)):
            with pytest.raises(VerificationError, match="does not verify"):
                here.read_announcement(message, "open", 100)

    def test_needs_no_signature_where_it_proves_itself(self):
        said = HERE.announce(None, "ask")
        assert HERE.read_announcement(said, "ask", 100, signed=False) == {}

    def test_costs_little_memory_whatever_lists_it_holds(self):
        """A million empty lists, in the place of the fields and of the announcement itself."""
        count = 1_000_000
        lists = b"\x9a" + count.to_bytes(4, "big") + b"\x80" * count
        payload = b"\xa1\x61a" + lists
        signature = HERE.sign(COORDINATORS, COORDINATOR, "open", payload)
        signed = canonical.encode(["open", payload, signature])
        for hostile, copied in ((b"\x83\x64open" + lists + b"\x40", 0), (signed, len(payload))):
            tracemalloc.start()
            with pytest.raises(ProtocolError):
                HERE.read_announcement(hostile, "open", 2 * count, max_listed=128)
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < (1 << 20) + copied

    @pytest.mark.parametrize(
        ("data", "says"),
        [
            (HERE.announce(COORDINATORS, "deliver"), "'deliver' where this step takes 'open'"),
            (HERE.announce(COORDINATORS, "open", filler=bytes(100)), "at most 100"),
            (canonical.encode(["open"]), "not an announcement"),
            (canonical.encode(["open", b""]), "not an announcement"),
            (canonical.encode(["open", {}, b""]), "not an announcement"),
            (canonical.encode([1, b"", b""]), "not an announcement"),
            (b"", "deterministic CBOR"),
        ],
    )
    def test_is_refused_if_it_is_another_or_none(self, data, says):
        with pytest.raises(ProtocolError, match=says):
            HERE.read_announcement(data, "open", 100)

    @pytest.mark.parametrize("values", [[], b"", 1, None])
    def test_has_fields(self, values):
        payload = canonical.encode(values)
        signature = HERE.sign(COORDINATORS, COORDINATOR, "open", payload)
        with pytest.raises(ProtocolError, match="has no fields"):
            HERE.read_announcement(canonical.encode(["open", payload, signature]), "open", 100)

    def test_signs_what_the_documentation_says(self):
        _, payload, signature = canonical.decode(SAID, 500)
        digest = hashlib.sha256(payload).digest()
        signed = b"confide message 1\0" + canonical.encode(
            [PLAN.hash, 1, 2, "open", "coordinator", digest]
        )
        Ed25519PublicKey.from_public_bytes(PLAN.coordinator.key).verify(signature, signed)

    @given(st.binary(max_size=400))
    def test_noise_is_a_protocol_error(self, noise):
        with pytest.raises(ProtocolError):
            HERE.read_announcement(noise, "open", 100)


class TestFields:
    def test_come_in_the_order_asked_for(self):
        assert fields_of({"a": 1, "b": b"x"}, b=bytes, a=int) == (b"x", 1)
        assert fields_of({}) == ()

    @pytest.mark.parametrize("values", [{}, {"a": 1, "b": 2}, {"b": 1}])
    def test_are_those_asked_for_and_no_others(self, values):
        with pytest.raises(ProtocolError, match="it takes"):
            fields_of(values, a=int)

    @pytest.mark.parametrize("value", [True, "1", b"1", None, [1]])
    def test_are_of_their_type_exactly(self, value):
        with pytest.raises(ProtocolError, match="not of type int"):
            fields_of({"a": value}, a=int)

    @pytest.mark.parametrize("values", [None, 0, "a", b"a", ["a"], [["a"]], [{}]])
    def test_are_those_of_a_map(self, values):
        """A party signs what it likes, so what is decoded need not be a map."""
        with pytest.raises(ProtocolError):
            fields_of(values, a=int)
