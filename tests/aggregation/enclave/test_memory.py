"""An aggregator that starts again goes on, or begins anew, and is never set back."""

import pytest
from tests.aggregation.support import STATE, Federation, attested_plan, receipt_of
from tests.tee.support import BUILD, NOW, SimulatedAttester

from confide.aggregation import Aggregator, Round, check_chain
from confide.aggregation.enclave import EnclaveCoordinator
from confide.aggregation.enclave.memory import Memory
from confide.errors import ProtocolError, VerificationError
from confide.plan import Clear
from confide.tee.counters import FileCounter
from confide.tee.sealing import SealedState, Sealer

PLAN = attested_plan(Clear())


@pytest.fixture
def state(tmp_path):
    counter = FileCounter(tmp_path / "counter.db", PLAN.hash)
    return SealedState(tmp_path / "state", Sealer(b"s" * 16, "mrenclave"), counter, PLAN.hash)


def started(state, **fields):
    return Aggregator(PLAN, SimulatedAttester(), BUILD, clock=lambda: NOW, state=state, **fields)


def released(aggregator, number=0):
    federation = Federation(PLAN)
    federation.aggregator = aggregator
    return receipt_of(federation.attempt(number).finish())


def test_goes_on_with_its_keys_and_its_chain_of_receipts(state):
    first = started(state)
    receipts = [released(first, 0)]
    second = started(state)
    assert second.workload.instance == first.workload.instance
    assert second.workload.keys.seeds == first.workload.keys.seeds
    receipts.append(released(second, 1))
    check_chain(receipts)


def test_releases_no_round_again(state):
    released(started(state), 0)
    with pytest.raises(ProtocolError, match="used up"):
        EnclaveCoordinator(Round(PLAN, 0, 1), STATE, ("p000", "p001"), started(state))


def copy_of(state):
    """The same file and counter, for another instance."""
    return SealedState(state.path, state.sealer, state.counter, state.purpose)


def test_of_two_started_from_one_state_only_one_releases(state):
    """A host gives the same sealed messages to two instances, to have two sums of one round."""
    started(state)
    first, second = started(copy_of(state)), started(copy_of(state))
    assert first.workload.instance == second.workload.instance
    released(first, 0)
    with pytest.raises(VerificationError, match="another instance raised it"):
        released(second, 0)
    with pytest.raises(VerificationError, match="another instance raised it"):
        released(second, 1)
    released(first, 1)


def answers(federation, attempt, kind):
    """What each party answers to what it was sent, and the coordinator has not read yet."""
    attempt.until(kind)
    return [attempt.answer(name) for name in sorted(attempt.outbox)]


def test_a_restart_opens_no_message_of_the_attempt_before(state):
    """The host keeps what parties sealed, stops the enclave and starts it from its sealed state."""
    federation = Federation(PLAN)
    federation.aggregator = started(state)
    attempt = federation.attempt(0)
    kept = answers(federation, attempt, "contribution")
    assert kept
    again = started(copy_of(state))
    with pytest.raises(ProtocolError, match="a replay"):
        EnclaveCoordinator(Round(PLAN, 0, 0), STATE, tuple(federation.names), again)
    later = EnclaveCoordinator(Round(PLAN, 0, 1), STATE, tuple(federation.names), again)
    later.open()
    for message in kept:
        with pytest.raises(ProtocolError):
            later.receive(message)
    for message in kept:
        attempt.coordinator.receive(message)
    with pytest.raises(VerificationError, match="another instance raised it"):
        attempt.advance()


def test_an_instance_that_was_restarted_beside_itself_is_stopped(state):
    first = started(state)
    released(first, 0)
    second = started(copy_of(state))
    released(second, 1)
    with pytest.raises(VerificationError, match="another instance raised it"):
        released(first, 2)


def test_would_release_a_round_again_if_it_forgot():
    released(Aggregator(PLAN, SimulatedAttester(), BUILD, clock=lambda: NOW), 0)
    released(Aggregator(PLAN, SimulatedAttester(), BUILD, clock=lambda: NOW), 0)


def test_with_an_older_state_does_not_start(state):
    aggregator = started(state)
    older = state.path.read_bytes()
    released(aggregator, 0)
    state.path.write_bytes(older)
    with pytest.raises(VerificationError, match="somebody rolled the state back"):
        started(state)


def test_without_its_state_does_not_start(state):
    started(state)
    state.path.unlink()
    with pytest.raises(VerificationError, match="is gone"):
        started(state)


def test_begins_anew_with_fresh_keys_and_another_epoch(state):
    first = started(state)
    state.path.unlink()
    second = started(state, new_epoch=True)
    assert second.workload.instance != first.workload.instance
    assert second.workload.keys.seeds != first.workload.keys.seeds
    assert second.workload.epoch > first.workload.epoch
    assert started(state).workload.instance == second.workload.instance


def unreachable(monkeypatch):
    def advance(self, to):
        raise ProtocolError("the counter does not answer")

    monkeypatch.setattr(FileCounter, "advance", advance)


def test_takes_no_attempt_that_it_cannot_remember(state, monkeypatch):
    federation = Federation(PLAN)
    federation.aggregator = started(state)
    unreachable(monkeypatch)
    with pytest.raises(ProtocolError, match="does not answer"):
        federation.attempt()


def test_releases_nothing_that_it_cannot_remember(state, monkeypatch):
    federation = Federation(PLAN)
    federation.aggregator = started(state)
    attempt = federation.attempt()
    unreachable(monkeypatch)
    with pytest.raises(ProtocolError, match="does not answer"):
        attempt.finish()
    with pytest.raises(ProtocolError, match="not finished"):
        _ = attempt.coordinator.result


def test_another_build_does_not_open_it(state):
    started(state)
    other = SealedState(state.path, Sealer(b"t" * 16, "mrenclave"), state.counter, PLAN.hash)
    with pytest.raises(VerificationError, match="another build or signer"):
        started(other)


def test_shows_no_key():
    memory = Memory(b"h" * 32, b"s" * 32, bytes(32), 0)
    assert "hhh" not in repr(memory)
    assert "sss" not in repr(memory)
    assert Memory.from_bytes(memory.to_bytes()) == memory
    with pytest.raises(ProtocolError, match="another version"):
        Memory.from_bytes(b"\xa0")
