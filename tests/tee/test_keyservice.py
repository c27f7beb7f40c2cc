"""The key service: a secret for who shows the right evidence, from nobody but the service."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.tee.support import BUILD, NOW, SimulatedAttester, relying_party

from confide import canonical
from confide.errors import AttestationError, PlanError, ProtocolError, Step, VerificationError
from confide.tee import Platform, Reference
from confide.tee.counters import FileCounter
from confide.tee.keyservice import Bound, KeyClient, KeyService
from confide.tee.relying import RelyingParty
from confide.tee.sealing import SealedState, Sealer

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
MASTER = hashlib.sha256(b"the master secret").digest()
PLAN = hashlib.sha256(b"a plan").digest()
NEWER = hashlib.sha384(b"a newer build, measured").digest()


def service(bound=Bound.MEASUREMENT, relying=None, **fields) -> KeyService:
    given = {"master": MASTER, "key": KEY, "plan": PLAN, "task": "a task", "bound": bound}
    return KeyService(**{**given, "relying": relying or relying_party(), **fields})


def client(ask, attester=None, **fields) -> KeyClient:
    attester = attester or SimulatedAttester()
    public = KEY.public_key().public_bytes_raw()
    given: dict[str, Any] = {"service": public, "build": BUILD, "plan": PLAN}
    given |= {"task": "a task", "clock": lambda: NOW}
    return KeyClient(ask=ask, attester=attester, **{**given, **fields})


def accepting(*measurements: bytes) -> RelyingParty:
    relying = relying_party()
    references = tuple(
        Reference(Platform.SNP, {"measurement": m}, BUILD, f"build {k}")
        for k, m in enumerate(measurements)
    )
    return replace(relying, policy=replace(relying.policy, references=references))


def test_the_same_code_gets_the_same_secret_again():
    first, again = client(service().answer).secret(), client(service().answer).secret()
    assert first == again
    assert len(first) == 32
    assert first != MASTER


def test_state_sealed_under_it_opens_after_a_restart(tmp_path):
    def state():
        sealer = Sealer(client(service().answer).secret(), "key service")
        return SealedState(
            tmp_path / "state", sealer, FileCounter(tmp_path / "counter", PLAN), PLAN
        )

    first = state()
    assert first.load() is None
    first.save(b"what must not be forgotten")
    assert state().load() == b"what must not be forgotten"


@pytest.mark.parametrize(
    "changed",
    [{"plan": bytes(32)}, {"master": bytes(32)}],
    ids=["another plan", "another service"],
)
def test_other_plans_and_services_have_other_secrets(changed):
    asks = {k: v for k, v in changed.items() if k == "plan"}
    other = client(service(**changed).answer, **asks).secret()
    assert other != client(service().answer).secret()


def test_bound_to_a_measurement_a_newer_build_has_another_secret_and_bound_to_the_plan_the_same():
    old = SimulatedAttester()
    measured = old.attest(bytes(64), b"", b"").document[0x90 : 0x90 + 48]
    relying = accepting(measured, NEWER)
    new = SimulatedAttester(case={"measurement": NEWER})
    for bound, same in ((Bound.MEASUREMENT, False), (Bound.PLAN, True)):
        ask = service(bound, relying).answer
        assert (client(ask, old).secret() == client(ask, new).secret()) is same


def test_code_that_the_policy_does_not_accept_gets_nothing():
    attester = SimulatedAttester(case={"measurement": NEWER})
    with pytest.raises(AttestationError) as refused:
        client(service().answer, attester).secret()
    assert refused.value.step is Step.MEASUREMENT


@pytest.mark.parametrize(
    ("fields", "what"),
    [({"plan": bytes(32)}, "the plan"), ({"task": "another"}, "the task 'another'")],
)
def test_an_enclave_of_another_plan_or_task_gets_nothing(fields, what):
    with pytest.raises(AttestationError, match=what):
        client(service().answer, **fields).secret()


def test_claims_of_an_aggregator_get_nothing(monkeypatch):
    """What a party verified for aggregation cannot be turned into an unsealing enclave."""
    ask = service().answer
    monkeypatch.setattr("confide.tee.keyservice.PURPOSE", "aggregate")
    keys = client(ask)
    workload = keys._workload()
    monkeypatch.undo()
    monkeypatch.setattr(KeyClient, "_workload", lambda self: workload)
    with pytest.raises(AttestationError, match="the purpose 'aggregate'"):
        keys.secret()


def test_a_host_that_serves_a_secret_of_its_own_is_found():
    own = service(key=Ed25519PrivateKey.from_private_bytes(bytes(32)))
    with pytest.raises(VerificationError, match="not from the key service that this enclave knows"):
        client(own.answer).secret()


def test_an_answer_to_another_question_is_refused():
    answers: dict[str, bytes] = {}

    def ask(request):
        kind = canonical.decode(request, 1 << 22)[0]
        return answers.setdefault(kind, the_service.answer(request))

    the_service = service()
    client(ask).secret()
    with pytest.raises(ProtocolError):
        client(ask).secret()


def test_a_nonce_is_answered_once_and_in_time():
    the_service = service()
    requests = []

    def ask(request):
        requests.append(request)
        return the_service.answer(request)

    client(ask).secret()
    with pytest.raises(ProtocolError, match="answered already"):
        the_service.answer(requests[-1])

    times = iter([NOW, NOW + timedelta(minutes=6), NOW + timedelta(minutes=6)])
    late = service(relying=replace(relying_party(), clock=lambda: next(times)))
    with pytest.raises(ProtocolError, match="or too late"):
        client(late.answer).secret()


def test_evidence_of_an_answer_opens_nothing_for_who_listens():
    """The whole conversation is with the host; the secret is in none of it."""
    heard = []

    def ask(request):
        heard.append(request)
        heard.append(the_service.answer(request))
        return heard[-1]

    the_service = service()
    secret = client(ask).secret()
    assert not any(secret in message or MASTER in message for message in heard)


def test_questions_that_nobody_answers_do_not_pile_up():
    the_service = service()
    for _ in range(1024):
        the_service.answer(canonical.encode(["challenge"]))
    with pytest.raises(ProtocolError, match="1,024 questions"):
        the_service.answer(canonical.encode(["challenge"]))


@pytest.mark.parametrize(
    "request_", [b"", canonical.encode(["secret"]), canonical.encode([1]), b"\xa0"]
)
def test_requests_that_are_none(request_):
    with pytest.raises(ProtocolError):
        service().answer(request_)


@pytest.mark.parametrize("reply", [canonical.encode([b"short"]), canonical.encode([]), b"\xff"])
def test_answers_that_are_none(reply):
    with pytest.raises(ProtocolError):
        client(lambda request: reply).secret()


def test_a_service_that_cannot_be_reached_is_one_clear_error():
    def ask(request):
        raise ConnectionRefusedError("nobody listens")

    with pytest.raises(ProtocolError, match="the key service does not answer: nobody listens"):
        client(ask).secret()


def test_a_short_master_secret_is_refused():
    with pytest.raises(PlanError, match="31 bytes; it has at least 32"):
        service(master=bytes(31))


def test_no_secret_in_a_repr():
    shown = repr(service()) + repr(client(service().answer))
    assert MASTER.hex() not in shown
    assert repr(MASTER) not in shown
    assert "PrivateKey" not in shown
