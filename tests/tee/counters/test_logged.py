"""A counter in an external log: it counts, and a keeper that sets it back convicts itself."""

import shutil
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide import canonical
from confide.errors import ProtocolError, VerificationError
from confide.tee.counters import LogCounter, LogKeeper
from confide.tee.counters.logged import check_log
from confide.transparency.log import Inclusion, TransparencyLog, check_heads

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()


@pytest.fixture
def keeper(tmp_path):
    return LogKeeper(TransparencyLog(tmp_path / "log.db"), KEY)


@pytest.fixture
def counter(keeper):
    return LogCounter(b"an enclave", PUBLIC, keeper.answer)


def test_counts_from_nothing(counter):
    assert counter.read() == 0
    for value in (1, 2, 7):
        counter.advance(value)
        assert counter.read() == value


def test_other_entries_and_other_counters_do_not_matter(keeper, counter):
    keeper.log.append(b"something else")
    other = LogCounter(b"another enclave", PUBLIC, keeper.answer)
    other.advance(9)
    assert counter.read() == 0
    counter.advance(1)
    keeper.log.append(canonical.encode(["confide counter 1", b"an enclave", "no number"]))
    assert (counter.read(), other.read()) == (1, 9)


def test_two_instances_cannot_both_raise_it_to_one_value(keeper, counter):
    twin = LogCounter(b"an enclave", PUBLIC, keeper.answer)
    counter.advance(1)
    with pytest.raises(VerificationError, match="another instance raised it"):
        twin.advance(1)
    assert twin.read() == 1


def test_a_keeper_that_was_closed_goes_on(keeper, counter, tmp_path):
    counter.advance(3)
    again = LogKeeper(TransparencyLog(tmp_path / "log.db"), KEY)
    assert LogCounter(b"an enclave", PUBLIC, again.answer).read() == 3


def test_an_older_copy_of_the_log_is_refused_by_who_saw_a_newer_one(counter, tmp_path):
    counter.advance(1)
    shutil.copy(tmp_path / "log.db", tmp_path / "older.db")
    counter.advance(2)
    older = LogKeeper(TransparencyLog(tmp_path / "older.db"), KEY)
    counter.ask = older.answer
    with pytest.raises(VerificationError, match="changed or taken away"):
        counter.read()


def test_a_log_made_anew_is_refused_by_who_saw_the_true_one(counter, tmp_path):
    counter.advance(1)
    forged = LogKeeper(TransparencyLog(tmp_path / "forged.db"), KEY)
    forged.log.append(b"another history")
    counter.ask = forged.answer
    with pytest.raises(VerificationError, match="changed or taken away"):
        counter.read()


def test_an_honest_log_holds(keeper, counter):
    other = LogCounter(b"another enclave", PUBLIC, keeper.answer)
    for value in (1, 2):
        counter.advance(value)
        other.advance(10 * value)
        counter.read()
    keeper.log.append(b"something else")
    check_log(keeper.log)


@pytest.mark.parametrize("lie", [0, 1, 3])
def test_a_keeper_that_lies_to_a_new_instance_says_so_in_its_log(keeper, counter, lie):
    """An instance that begins has seen no head: the lie passes, and stands in public."""
    counter.advance(1)
    counter.advance(2)
    keeper._values[b"an enclave"] = lie
    keeper._seen = len(keeper.log)
    assert LogCounter(b"an enclave", PUBLIC, keeper.answer).read() == lie
    with pytest.raises(VerificationError, match=f"stood at {lie}, and it stood at 2"):
        check_log(keeper.log)


def test_a_keeper_that_lies_in_another_log_has_two_heads_of_one_size(keeper, counter, tmp_path):
    counter.advance(1)
    shutil.copy(tmp_path / "log.db", tmp_path / "older.db")
    counter.advance(2)
    liar = LogKeeper(TransparencyLog(tmp_path / "older.db"), KEY)
    fresh = LogCounter(b"an enclave", PUBLIC, liar.answer)
    assert fresh.read() == 1
    check_log(liar.log)
    with pytest.raises(VerificationError, match="shows two logs"):
        check_heads([h for h in (counter.head, fresh.head) if h])


def test_an_old_head_answers_no_new_question(keeper, counter):
    """What a genuine log once showed is not an answer to a fresh nonce."""
    old = []

    def ask(request):
        old.append(keeper.answer(request))
        return old[0]

    counter.advance(1)
    late = LogCounter(b"an enclave", PUBLIC, ask)
    assert late.read() == 1
    counter.advance(2)
    with pytest.raises(VerificationError, match="none to this question"):
        LogCounter(b"an enclave", PUBLIC, lambda _: old[0]).read()


def test_a_host_that_rewrites_the_question_is_found(keeper, counter):
    """Two instances raise one value, and the host has the keeper answer both of them alike."""

    def rewritten(request):
        verb, name, nonce, to, size = canonical.decode(request, 1024)
        return keeper.answer(canonical.encode([verb, name, nonce, to - 1, size]))

    twin = LogCounter(b"an enclave", PUBLIC, rewritten)
    with pytest.raises(VerificationError, match="stands at 1 where 2 was asked for"):
        twin.advance(2)
    counter.advance(2)


def test_an_answer_of_before_is_refused(keeper, counter):
    answers = []

    def ask(request):
        answers.append(keeper.answer(request))
        return answers[0]

    counter.ask = ask
    assert counter.read() == 0
    with pytest.raises(VerificationError, match="none to this question"):
        counter.read()


@pytest.mark.parametrize("at", range(2))
def test_every_part_of_an_answer_matters(keeper, counter, at):
    counter.advance(1)
    keeper.log.append(b"so that there is a path")

    def ask(request):
        parts = canonical.decode(keeper.answer(request), 1 << 14)
        old = parts[at]
        if isinstance(old, int):
            parts[at] = old + 1
        elif isinstance(old, list):
            parts[at] = [*old, bytes(32)]
        else:
            parts[at] = old[:-1] + bytes([old[-1] ^ 1])
        return canonical.encode(parts)

    counter.ask = ask
    with pytest.raises(ProtocolError):
        counter.read()


@pytest.mark.parametrize("field", ["entry", "path", "head"])
def test_every_part_of_what_is_shown_matters(keeper, counter, field):
    counter.advance(1)

    def ask(request):
        shown, grew = canonical.decode(keeper.answer(request), 1 << 14)
        inclusion = Inclusion.from_bytes(shown)
        other: Any = {
            "entry": replace(inclusion.entry, body=inclusion.entry.body[:-1] + b"\7"),
            "path": (*inclusion.path, bytes(32)),
            "head": replace(inclusion.head, size=inclusion.head.size + 1),
        }[field]
        return canonical.encode([replace(inclusion, **{field: other}).to_bytes(), grew])

    counter.ask = ask
    with pytest.raises(VerificationError):
        counter.read()


def test_another_log_with_another_key_is_refused(keeper):
    counter = LogCounter(b"an enclave", bytes(32), keeper.answer)
    with pytest.raises(VerificationError, match="not signed by"):
        counter.read()


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        canonical.encode(["read", b"name", bytes(31), 0, 0]),
        canonical.encode(["read", b"", bytes(32), 0, 0]),
        canonical.encode(["read", b"name", bytes(32), False, 0]),
        canonical.encode(["read", b"name", bytes(32), 0, False]),
        canonical.encode(["delete", b"name", bytes(32), 0, 0]),
        canonical.encode(["advance", b"name", bytes(32), -1, 0]),
        canonical.encode(["advance", b"name", bytes(32), (1 << 53) + 1, 0]),
        canonical.encode(["read", bytes(300), bytes(32), 0, 0]),
    ],
)
def test_a_request_that_is_none_is_refused_and_logged_nowhere(keeper, request_):
    with pytest.raises(ProtocolError):
        keeper.answer(request_)
    assert len(keeper.log) == 0


def test_a_log_that_cannot_be_reached_is_one_clear_error():
    def ask(request):
        raise ConnectionRefusedError("nobody listens")

    with pytest.raises(ProtocolError, match="the log does not answer: nobody listens"):
        LogCounter(b"an enclave", PUBLIC, ask).read()


def test_no_key_in_a_repr(keeper, counter):
    assert KEY.private_bytes_raw().hex() not in repr(keeper) + repr(counter)
    assert "PrivateKey" not in repr(keeper)
