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
from confide.aggregation.envelope import (
    Envelope,
    announce,
    fields_of,
    read_announcement,
)
from confide.errors import ProtocolError, VerificationError
from confide.plan import simulation_key

PLAN = plan_of()
HERE = Round(PLAN, 1, 2)
PAYLOAD = b"what is said"
SEALED = HERE.seal(simulation_key("p001"), "p001", "shares", PAYLOAD)


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

    @pytest.mark.parametrize(
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
        assert read_announcement(announce("open", state=b"s"), "open", 100) == {"state": b"s"}

    def test_costs_little_memory_whatever_lists_it_holds(self):
        count = 1_000_000
        hostile = b"\x82\x64open\xa1\x61a\x9a" + count.to_bytes(4, "big") + b"\x80" * count
        tracemalloc.start()
        with pytest.raises(ProtocolError):
            read_announcement(hostile, "open", 2 * count, max_listed=128)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 1 << 20

    @pytest.mark.parametrize(
        ("data", "says"),
        [
            (announce("deliver"), "says 'deliver' where this step takes 'open'"),
            (announce("open", filler=bytes(100)), "at most 100"),
            (canonical.encode(["open"]), "no announcement"),
            (canonical.encode(["open", []]), "no announcement"),
            (canonical.encode([1, {}]), "no announcement"),
            (b"", "deterministic CBOR"),
        ],
    )
    def test_is_refused_if_it_is_another_or_none(self, data, says):
        with pytest.raises(ProtocolError, match=says):
            read_announcement(data, "open", 100)


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
