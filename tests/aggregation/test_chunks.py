"""Long contributions in chunks: bad ones are refused at once, and a missing one is a dropout."""

import numpy as np
import pytest
from tests.aggregation.support import (
    Attempt,
    Federation,
    clear_plan,
    draw_contributions,
    flip_bit,
    plan_of,
    sum_of,
)

from confide import canonical
from confide.aggregation import Layout, chunks
from confide.aggregation.chunks import CHUNK, is_chunk, pieces_of
from confide.errors import ProtocolError, VerificationError
from confide.plan import Encrypted, Masked

SIZE = 20_000
LIAR = "p001"

PLANS = {
    "clear": clear_plan(parties=5, size=SIZE),
    "masked": plan_of(5, size=SIZE, aggregation=Masked(verified=False)),
    "verified": plan_of(5, size=SIZE, aggregation=Masked()),
    "encrypted": plan_of(5, size=SIZE, aggregation=Encrypted()),
}

every_plan = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)


@pytest.fixture(autouse=True)
def _short_chunks(monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 12_000)


def at_chunk(plan, index: int) -> Attempt:
    """An attempt in which the liar is asked for a chunk, and nobody else for any yet."""
    attempt = Federation(plan).attempt().until("contribution")
    for _ in range(index + 1):
        attempt.outbox |= attempt.coordinator.receive(attempt.answer(LIAR))
    assert attempt.said(LIAR) == (CHUNK, {"index": index})
    return attempt


def fields_in(message: bytes) -> list:
    """What a chunk says: kind, sender, index, data and proof."""
    assert is_chunk(message)
    return canonical.decode(message, len(message))


def finish(attempt: Attempt):
    """The others' contributions, and the rest of the round."""
    attempt.deliver([LIAR])
    attempt.advance()
    return attempt.finish({LIAR: attempt.coordinator.awaits})


@every_plan
def test_give_the_sum_that_whole_contributions_give(plan, monkeypatch):
    contributions = draw_contributions(plan)
    in_chunks = Federation(plan, contributions).attempt().finish()
    monkeypatch.setattr(chunks, "CHUNK_BYTES", 1 << 30)
    whole = Federation(plan, contributions).attempt().finish()
    np.testing.assert_array_equal(in_chunks.totals, whole.totals)
    assert in_chunks.survivors == whole.survivors
    assert in_chunks.totals.tolist() == sum_of(contributions, whole.survivors)


@every_plan
def test_that_are_altered_are_refused_and_the_true_one_is_taken(plan):
    attempt = at_chunk(plan, 1)
    chunk = attempt.answer(LIAR)
    kind, sender, index, data, proof = fields_in(chunk)
    lies = [
        (VerificationError, [kind, sender, index, flip_bit(data, 5), proof]),
        (VerificationError, [kind, sender, index, data, flip_bit(proof, 5)]),
        (VerificationError, [kind, sender, index, data, proof[:-32]]),
        (ProtocolError, [kind, sender, index, data[:-1], proof]),
        (ProtocolError, [kind, sender, index, data, proof[:-1]]),
        (ProtocolError, [kind, sender, index, data]),
        (ProtocolError, [kind, sender, index + 1, data, proof]),
        (ProtocolError, [kind, sender, index - 1, data, proof]),
        (ProtocolError, [kind, "p002", index, data, proof]),
        (ProtocolError, [kind, "stranger", index, data, proof]),
    ]
    for error, lie in lies:
        with pytest.raises(error):
            attempt.coordinator.receive(canonical.encode(lie))
    attempt.outbox |= attempt.coordinator.receive(chunk)
    attempt.exchange(LIAR)
    attempt.deliver([LIAR])
    attempt.advance()
    assert LIAR in attempt.finish().survivors


@every_plan
def test_that_are_repeated_or_out_of_order_are_refused(plan):
    attempt = at_chunk(plan, 0)
    first = attempt.answer(LIAR)
    attempt.outbox |= attempt.coordinator.receive(first)
    with pytest.raises(ProtocolError, match=r"chunk 0 .*where chunk 1 belongs"):
        attempt.coordinator.receive(first)
    attempt.exchange(LIAR)
    with pytest.raises(ProtocolError, match="whose contribution is not being received"):
        attempt.coordinator.receive(first)


@every_plan
def test_that_stop_coming_are_a_dropout(plan):
    attempt = at_chunk(plan, 1)
    result = finish(attempt)
    assert LIAR not in result.survivors
    assert result.totals.tolist() == sum_of(draw_contributions(plan), result.survivors)


@every_plan
def test_are_under_a_root_that_is_signed_once(plan):
    attempt = Federation(plan).attempt().until("contribution")
    head = attempt.answer(LIAR)
    attempt.outbox |= attempt.coordinator.receive(head)
    with pytest.raises(ProtocolError, match="second"):
        attempt.coordinator.receive(head)
    other = Federation(plan).attempt().until("contribution")
    with pytest.raises(VerificationError):
        other.coordinator.receive(flip_bit(head, 8 * (len(head) - 100)))


@every_plan
def test_are_given_once_and_in_order(plan):
    for asked in (2, 0):
        attempt = at_chunk(plan, 1)
        wrong = attempt.say(CHUNK, index=asked)
        with pytest.raises(ProtocolError, match=rf"asks for chunk {asked} .*1 is next"):
            attempt.parties[LIAR].receive(wrong)
        with pytest.raises(ProtocolError):
            attempt.answer(LIAR)


def test_are_as_long_as_was_said_and_together_the_vector():
    layout = Layout((100, 5_000, 64, 3), (5, 23, 62, 31))
    pieces = pieces_of(layout, PLANS["masked"])
    assert len(pieces) > 1
    assert [where.start for where, _ in pieces[1:]] == [where.stop for where, _ in pieces[:-1]]
    assert pieces[-1][0].stop == layout.size
    assert all(piece.wire_bytes <= chunks.CHUNK_BYTES for _, piece in pieces)
    rng = np.random.default_rng(1)
    words = np.concatenate(
        [rng.integers(0, 1 << w, n) for n, w in zip(layout.sizes, layout.bits, strict=True)]
    ).astype(layout.dtype)
    again = np.concatenate([piece.unpack(piece.pack(words[at])) for at, piece in pieces])
    np.testing.assert_array_equal(again, words)
