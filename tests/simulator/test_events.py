"""Event logs of simulated domains: whoever replays them gets to the registers of the quote."""

import hashlib
import json

import pytest
from confide_sim import Event

DATA = bytes(64)
EVENTS = [Event("app-id", b"\x01\x02"), Event("compose-hash", b"\x03"), Event("app-id", b"")]


def _registers(quote):
    return [quote[48 + 328 + 48 * index :][:48] for index in range(4)]


def _replayed(log):
    registers = [bytes(48)] * 4
    for entry in json.loads(log):
        old = registers[entry["imr"]]
        registers[entry["imr"]] = hashlib.sha384(old + bytes.fromhex(entry["digest"])).digest()
    return registers


class TestLog:
    @pytest.mark.parametrize("events", [[], EVENTS], ids=["none", "some"])
    def test_replays_to_all_registers(self, intel, at, events):
        emitted = intel.attest_tdx(DATA, at=at, events=events)
        assert _replayed(emitted.event_log) == _registers(emitted.evidence)
        assert any(_registers(emitted.evidence)[3]) == bool(events)

    def test_names_what_was_measured(self, intel, at):
        *_, first, second, third = json.loads(
            intel.attest_tdx(DATA, at=at, events=EVENTS).event_log
        )
        digest = hashlib.sha384(b"\x01\x00\x00\x08:app-id:\x01\x02").hexdigest()
        assert first == {
            "imr": 3,
            "event_type": 0x08000001,
            "digest": digest,
            "event": "app-id",
            "event_payload": "0102",
        }
        assert [entry["event"] for entry in (second, third)] == ["compose-hash", "app-id"]

    def test_the_order_of_events_matters(self, intel, at):
        one, other = (
            intel.attest_tdx(DATA, at=at, events=events) for events in (EVENTS, EVENTS[::-1])
        )
        assert _registers(one.evidence)[3] != _registers(other.evidence)[3]

    def test_events_go_on_from_given_registers(self, intel, at):
        start = [bytes([index]) * 48 for index in (1, 2, 3, 0)]
        emitted = intel.attest_tdx(DATA, at=at, rtmrs=start, events=EVENTS)
        registers = _registers(emitted.evidence)
        assert registers[:3] == start[:3]
        assert registers[3] == _replayed(emitted.event_log)[3]
        assert len(json.loads(emitted.event_log)) == len(EVENTS)

    def test_a_domain_without_events_has_just_started(self, intel, at):
        emitted = intel.attest_tdx(DATA, at=at)
        *started, last = _registers(emitted.evidence)
        assert all(any(register) for register in started)
        assert not any(last)
        assert emitted.event_log is None

    def test_an_event_of_another_kind_is_its_contents(self):
        assert Event("kernel", b"k", 1, 6).digest == hashlib.sha384(b"k").digest()

    @pytest.mark.parametrize(
        ("arguments", "words"), [((4,), "register 4; a domain has 4"), ((3, 2**32), "kind is")]
    )
    def test_no_such_register_or_type(self, arguments, words):
        with pytest.raises(ValueError, match=words):
            Event("name", b"", *arguments)
