"""What fuzzing found, kept: inputs that once raised something else than a refusal."""

import hashlib
import json

import pytest
from tests.tee.support import NOW, asked, policy_of, reference_of

from confide.errors import AttestationError, Step
from confide.tee import Collateral, Platform, event_log, verify


@pytest.mark.parametrize("name", ["\ud800", "app\udfff"])
def test_an_event_whose_name_is_half_a_character(name):
    """It has no digest, so a log with it cannot be replayed."""
    event = {
        "imr": 3, "event_type": event_log.APPLICATION_EVENT, "digest": "00" * 48,
        "event": name, "event_payload": "",
    }  # fmt: skip
    with pytest.raises(AttestationError, match="whose name is not a text") as raised:
        event_log.parse(json.dumps([event]).encode())
    assert raised.value.step is Step.PARSE


@pytest.mark.parametrize("field", ["tcb_info", "qe_identity"])
@pytest.mark.parametrize("date", ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"])
def test_a_statement_issued_at_the_end_of_time(field, date):
    """Nobody signed it; its date is read to tell what does not hold."""
    given = asked(Platform.SGX)
    policy = policy_of(reference_of(Platform.SGX, given.evidence.document))
    outer = json.loads(given.emitted.collateral[0])
    outer[field] = json.dumps({**json.loads(outer[field]), "issueDate": date})
    forged = Collateral.of([json.dumps(outer).encode()])
    with pytest.raises(AttestationError) as raised:
        verify(given.evidence, policy, given.carried, collateral=forged, at=NOW)
    assert raised.value.step is Step.ROOT


def test_a_log_with_names_of_whole_characters_is_replayed():
    name, contents = "größe", b"7"
    digest = event_log.application_digest(event_log.APPLICATION_EVENT, name, contents)
    event = {
        "imr": 3, "event_type": event_log.APPLICATION_EVENT, "digest": digest.hex(),
        "event": name, "event_payload": contents.hex(),
    }  # fmt: skip
    registers = {f"rtmr{k}": bytes(48) for k in range(3)}
    registers["rtmr3"] = hashlib.sha384(bytes(48) + digest).digest()
    events = event_log.parse(json.dumps([event]).encode())
    assert event_log.replay(events, registers) == {f"event:{name}": contents}
