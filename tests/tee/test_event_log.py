"""The event log of a TDX domain: it leads to the registers, or says nothing at all."""

import hashlib
import itertools
import json
from typing import Any

import pytest
from confide_sim import Event as Measured
from confide_sim.events import extended, to_json
from hypothesis import given
from hypothesis import strategies as st
from tests.simulator.vectors import vector

from confide.errors import AttestationError, Step
from confide.tee import event_log, quote

START = (bytes(48),) * 4
TWO = (Measured("app", b"1"), Measured("key", b"2"))
BOOT = (
    Measured("firmware", b"f", 0, 0x8000000A),
    Measured("kernel", b"k", 1, 0x80000003),
    Measured("command line", b"c", 2, 0x6),
)


def registers_of(events):
    return {f"rtmr{k}": value for k, value in enumerate(extended(START, events))}


def replayed(events, log=None):
    text = to_json(events) if log is None else json.dumps(log).encode()
    return event_log.replay(event_log.parse(text), registers_of(events))


def not_the_registers(events, log, register=3):
    with pytest.raises(AttestationError, match=f"to what RTMR{register} holds") as raised:
        replayed(events, log)
    assert raised.value.step is Step.MEASUREMENT


def entries(*events):
    return json.loads(to_json(events))


def test_a_digest_is_dstacks():
    """SHA-384(type, little-endian ‖ ':' ‖ name ‖ ':' ‖ contents), written out once more."""
    expected = hashlib.sha384(bytes.fromhex("01000008") + b":app:\x00\xff").digest()
    assert event_log.application_digest(event_log.APPLICATION_EVENT, "app", b"\x00\xff") == expected


def test_a_register_is_extended_as_the_module_does_it():
    """Written out by hand: SHA-384(register ‖ digest), from zeros."""
    first, second = (hashlib.sha384(b"\x01\0\0\x08:" + t).digest() for t in (b"a:1", b"b:2"))
    value = hashlib.sha384(hashlib.sha384(bytes(48) + first).digest() + second).digest()
    assert registers_of((Measured("a", b"1"), Measured("b", b"2")))["rtmr3"] == value
    log = event_log.parse(to_json((Measured("a", b"1"), Measured("b", b"2"))))
    registers = {f"rtmr{k}": bytes(48) for k in range(3)} | {"rtmr3": value}
    assert event_log.replay(log, registers) == {"event:a": b"1", "event:b": b"2"}


class TestReplay:
    def test_contents_come_by_name(self):
        assert replayed((*BOOT, *TWO)) == {"event:app": b"1", "event:key": b"2"}

    def test_no_events_lead_to_zeros(self):
        assert replayed(()) == {}
        not_the_registers(TWO, [])

    @pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[1:])
    def test_the_order_counts(self, order):
        events = (*TWO, Measured("more", b"3"))
        not_the_registers(events, [entries(*events)[k] for k in order])

    @pytest.mark.parametrize("left_out", range(5))
    def test_each_event_counts(self, left_out):
        events = (*BOOT, *TWO)
        log = entries(*events)
        register = log.pop(left_out)["imr"]
        not_the_registers(events, log, register)

    @pytest.mark.parametrize("at", range(6))
    @pytest.mark.parametrize("register", range(4))
    def test_one_more_does_not_go_unseen(self, at, register):
        events = (*BOOT, *TWO)
        log = entries(*events)
        log[at:at] = entries(Measured("more", b"", register))
        not_the_registers(events, log, register)

    @pytest.mark.parametrize("register", [0, 1, 2])
    def test_in_another_register(self, register):
        log = entries(*TWO)
        log[0]["imr"] = register
        not_the_registers(TWO, log, register)

    def test_events_of_registers_interleave(self):
        """The order is kept within a register; which of two was first, nothing measures."""
        mixed = [entries(*BOOT, *TWO)[k] for k in (3, 0, 2, 4, 1)]
        assert replayed((*BOOT, *TWO), mixed) == {"event:app": b"1", "event:key": b"2"}


class TestWhatIsTaken:
    def without(self, name, *events):
        """What is said of a log in which this name is of no account."""
        said = replayed((*TWO, *events))
        assert f"event:{name}" not in said
        return said

    @pytest.mark.parametrize("register", [0, 1, 2])
    def test_only_from_the_applications_register(self, register):
        """Firmware and kernel extend the others, of whose events nothing is known."""
        assert len(self.without("odd", Measured("odd", b"3", register))) == 2

    @pytest.mark.parametrize("kind", [0, 1, 0x08000000, 0x08000002, 0xFFFFFFFF])
    def test_only_of_the_applications_kind(self, kind):
        assert len(self.without("odd", Measured("odd", b"3", 3, kind))) == 2

    def test_not_of_another_kind_even_if_its_digest_is_made_as_applications_are(self):
        digest = event_log.application_digest(5, "odd", b"3")
        log = [{**entries(Measured("odd", b"3", 3, 5))[0], "digest": digest.hex()}]
        registers = {f"rtmr{k}": bytes(48) for k in range(3)}
        registers["rtmr3"] = hashlib.sha384(bytes(48) + digest).digest()
        assert event_log.replay(event_log.parse(json.dumps(log).encode()), registers) == {}

    def test_not_of_a_kind_that_was_changed_to_the_applications(self):
        """Whose digest is of the contents alone, so that any name would do."""
        events = (*TWO, Measured("odd", b"3", 3, 5))
        log = entries(*events)
        log[2]["event_type"] = event_log.APPLICATION_EVENT
        assert "event:odd" not in replayed(events, log)

    @pytest.mark.parametrize("other", [Measured("app", b"1"), Measured("app", b"other")])
    def test_not_of_names_that_occur_twice(self, other):
        assert self.without("app", other) == {"event:key": b"2"}

    def test_not_of_a_name_that_another_kind_has_too(self):
        assert self.without("app", Measured("app", b"3", 3, 7)) == {"event:key": b"2"}

    @pytest.mark.parametrize(
        ("key", "value"), [("event", "other"), ("event_payload", "33"), ("event", "App")]
    )
    def test_not_of_what_the_digest_does_not_bind(self, key, value):
        log = entries(*TWO)
        log[0][key] = value
        assert replayed(TWO, log) == {"event:key": b"2"}

    def test_not_where_a_name_ends_and_contents_begin_at_the_relays_will(self):
        """'a:b' with 'c' and 'a' with 'b:c' have one digest, and the log is nobody's word."""
        honest = (Measured("a", b"b:c"),)
        assert replayed(honest) == {"event:a": b"b:c"}
        moved = entries(*honest)
        moved[0] |= {"event": "a:b", "event_payload": b"c".hex()}
        assert replayed(honest, moved) == {}

    @given(st.lists(st.tuples(st.text(max_size=4), st.binary(max_size=4)), max_size=6))
    def test_what_was_measured_and_nothing_else(self, pairs):
        said = replayed(tuple(Measured(name, contents) for name, contents in pairs))
        names = [name for name, _ in pairs]
        assert said == {f"event:{n}": c for n, c in pairs if ":" not in n and names.count(n) == 1}


class TestDigestsLeftOut:
    def test_a_real_log_of_dstack_leads_to_the_registers(self):
        registers = quote.parse(vector("tdx_v4_dstack.quote.bin")).measurements
        data = vector("tdx_v4_dstack.events.json")
        found = event_log.replay(event_log.parse(data), registers)
        assert found["event:compose-hash"].hex().startswith("86b0e55f2fa8e4fb")
        assert {"event:app-id", "event:os-image-hash", "event:key-provider"} <= found.keys()
        log = json.loads(data)
        own = [k for k, entry in enumerate(log) if entry["event"] == "compose-hash"]
        log[own[0]]["event_payload"] = "00" * 32
        with pytest.raises(AttestationError, match="RTMR3"):
            event_log.replay(event_log.parse(json.dumps(log).encode()), registers)

    def test_are_computed(self):
        log = [{**entry, "digest": ""} for entry in entries(*TWO)]
        assert replayed(TWO, log) == {"event:app": b"1", "event:key": b"2"}

    def test_of_the_second_version_are_of_canonical_json(self):
        """RFC 8785, written out: keys in order, no spaces, a payload in small digits."""
        text = '{"name":"a:\u00e9\\n","payload":"00ff","type":134217729}'
        made = event_log.application_digest(0x08000001, "a:é\n", b"\x00\xff", 2)
        assert made == hashlib.sha384(text.encode()).digest()
        entry = {"imr": 3, "event_type": 0x08000001, "event": "a:é\n", "event_payload": "00FF"}
        log = json.dumps([{**entry, "digest": "", "version": 2, "preimage": ""}]).encode()
        value = hashlib.sha384(bytes(48) + made).digest()
        registers = {f"rtmr{k}": bytes(48) for k in range(3)} | {"rtmr3": value}
        assert event_log.replay(event_log.parse(log), registers) == {"event:a:é\n": b"\x00\xff"}
        first = json.dumps([{**entry, "digest": made.hex(), "version": 1}]).encode()
        assert event_log.replay(event_log.parse(first), registers) == {}, "not what v1 binds"


class TestForm:
    def refused(self, data, match="the event log"):
        with pytest.raises(AttestationError, match=match) as raised:
            event_log.parse(data)
        assert raised.value.step is Step.PARSE

    @pytest.mark.parametrize("data", [b"", b"\xff", b"nul", b"[" * 100_000, b"[1", b"\0", b"[]x"])
    def test_that_is_no_json(self, data):
        self.refused(data, "is not JSON")

    @pytest.mark.parametrize("data", [b"{}", b"1", b'"[]"', b"null"])
    def test_that_is_no_list(self, data):
        self.refused(data, "is not a list")

    @pytest.mark.parametrize("entry", [b"1", b"[]", b"null", b"{}", b'{"imr": 3}'])
    def test_an_entry_that_is_no_such_map(self, entry):
        self.refused(b"[" + entry + b"]", "not a map of imr, event_type, digest")

    @pytest.mark.parametrize("key", ["imr", "event_type", "digest", "event", "event_payload"])
    def test_an_entry_with_one_key_less_or_of_another_type(self, key):
        whole = entries(Measured("app"))[0]
        less = {k: v for k, v in whole.items() if k != key}
        self.refused(json.dumps([less]).encode(), "is not a map of")
        self.refused(json.dumps([{**whole, "more": 1}]).encode(), "is not a map of")
        others: list[Any] = [None, True, 1.0, [], {}, 3 if isinstance(whole[key], str) else "3"]
        for value in others:
            odd = json.dumps([{**whole, key: value}]).encode()
            self.refused(odd, f"whose {key} is of another type")

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("imr", 4), ("imr", -1), ("event_type", -1), ("event_type", 1 << 32),
            ("version", 0), ("version", 3), ("version", True), ("preimage", 1),
            ("digest", "00" * 32), ("digest", "00" * 49), ("digest", "0g" * 48),
            ("event_payload", "0"), ("event_payload", "zz"), ("event", "\ud800"),
        ],
    )  # fmt: skip
    def test_a_value_that_cannot_be(self, key, value):
        self.refused(json.dumps([{**entries(Measured("app"))[0], key: value}]).encode())

    def test_a_firmwares_event_without_a_digest(self):
        """Only of applications' events it is known how a digest is made."""
        whole = entries(Measured("kernel", b"k", 1, 0x80000003))[0]
        self.refused(json.dumps([{**whole, "digest": ""}]).encode(), "digest that is not SHA-384")

    def test_of_too_many_events_or_bytes(self):
        whole = entries(Measured("a"))
        assert len(event_log.parse(json.dumps(whole * 4096).encode())) == 4096
        self.refused(json.dumps(whole * 4097).encode(), "at most 4,096 events")
        self.refused(b"[]" + b" " * (1 << 20), "at most 1,048,576 are read")
