"""Opening a sum, against arithmetic of its own: whole numbers of Python and nothing of the ring."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.aggregation.adversary import payload_of
from tests.aggregation.encrypted.loot import Loot, centred
from tests.aggregation.support import Federation, plan_of, sum_of

from confide.aggregation.encrypted.opening import _MOST_CHOICES, _choices, combine, lagrange
from confide.aggregation.encrypted.parameters import DEGREE, ROW, parameters_of
from confide.errors import VerificationError
from confide.plan import Encrypted

PRIME = 1032193


def negacyclic(x, y, q):
    """The product modulo X^N + 1 and q, by one product of whole numbers (Kronecker)."""
    width = (2 * q.bit_length() + len(x).bit_length() + 7) // 8
    whole = [
        int.from_bytes(b"".join(int(c).to_bytes(width, "little") for c in p), "little")
        for p in (x, y)
    ]
    product = (whole[0] * whole[1]).to_bytes(2 * width * len(x), "little")
    found = [
        int.from_bytes(product[i * width : (i + 1) * width], "little") for i in range(2 * len(x))
    ]
    return [(a - b) % q for a, b in zip(found[: len(x)], found[len(x) :], strict=True)]


def test_whole_numbers_open_what_a_round_sent():
    """A round is recorded; its shares are combined and its ciphertexts opened without the ring."""
    federation = Federation(plan_of(6, dropouts=1, size=5000, aggregation=Encrypted()))
    attempt = federation.attempt()
    attempt.finish({"p002": "contribution"})
    loot = Loot(attempt).take_opened()
    parameters, kept = loot.parameters, [n for n in federation.names if n != "p002"]
    q, t = parameters.modulus, 1 << parameters.packing.bits
    points = [i + 1 for i in sorted(loot.sums)][:5]
    shares = [loot.sums[x - 1].reshape(-1).tolist() for x in points]
    factors = [_factor(points, x, q) for x in points]
    key = [sum(f * s for f, s in zip(factors, column, strict=True)) % q
           for column in zip(*shares, strict=True)]  # fmt: skip
    coefficients = []
    for k in range(parameters.blocks):
        a = np.empty((1, 1, DEGREE), np.uint64)
        parameters.ring.uniform(a, ROW, loot.shared("p000"), k)
        parameters.ring.inverse(a, ROW)
        total = [sum(column) for column in zip(
            *(parameters.from_bytes(payload_of(attempt.answers["contribution", n]),
                                    parameters.blocks)[k, 0].tolist() for n in kept),
            strict=True)]  # fmt: skip
        masked = negacyclic(a.reshape(-1).tolist(), key, q)
        phases = [(b - m) % q for b, m in zip(total, masked, strict=True)]
        coefficients += [(p - q if p > q // 2 else p) % t for p in phases]
    found = parameters.packing.unpack(np.array(coefficients, np.int64))
    assert found.tolist() == sum_of(federation.contributions, kept)


def _factor(points, x, q):
    factor = 1
    for other in points:
        if other != x:
            factor = factor * other * pow(other - x, -1, q) % q
    return factor


@settings(max_examples=50)
@given(
    st.lists(st.integers(1, PRIME - 1), min_size=1, max_size=12, unique=True),
    st.integers(0, PRIME - 1),
    st.integers(0, 2**32),
)
def test_lagrange_factors_give_a_polynomial_s_value_anywhere(points, at, seed):
    rng = np.random.default_rng(seed)
    polynomial = [int(c) for c in rng.integers(0, PRIME, len(points))]
    values = [sum(c * pow(x, k, PRIME) for k, c in enumerate(polynomial)) for x in [*points, at]]
    factors = lagrange(points, at, PRIME)
    found = sum(f * v for f, v in zip(factors, values[:-1], strict=True)) % PRIME
    assert found == values[-1] % PRIME


@pytest.mark.parametrize("threshold", [1, 3, 5])
def test_any_so_many_shares_give_the_same_key(threshold):
    federation = Federation(plan_of(5, dropouts=0, aggregation=Encrypted()))
    attempt = federation.attempt().until("contribution")
    attempt.deliver()
    loot = Loot(attempt).corrupt(federation.names)
    parameters = parameters_of(federation.plan)
    shares = loot.shares[2]
    whole = combine(parameters, shares, 5, anything)
    assert np.abs(centred(whole.key, parameters.modulus)).max() <= 56
    assert whole.false == ()
    if threshold < 5:
        with pytest.raises(VerificationError, match="does not decrypt"):
            combine(parameters, shares, threshold, anything)


@pytest.mark.parametrize("false", [(), (0,), (4,), (6,), (1, 2), (0, 6)])
def test_false_shares_are_left_out_and_named(false):
    """Five of seven shares give a key, wherever the false ones stand."""
    loot = sharing(7)
    shares, true = dict(loot.shares[2]), combine(loot.parameters, loot.shares[2], 5, anything).key
    for index in false:
        shares[index] = falsified(loot.parameters, index)
    found = combine(loot.parameters, shares, 5, anything)
    assert np.array_equal(found.key, true)
    assert found.false == false


@pytest.mark.parametrize("false", [(0, 1, 2), (0, 3, 6)])
def test_more_false_shares_than_there_are_to_spare_give_nothing(false):
    loot = sharing(7)
    shares = dict(loot.shares[2])
    for index in false:
        shares[index] = falsified(loot.parameters, index)
    with pytest.raises(VerificationError, match="no 5 of the 7 shares"):
        combine(loot.parameters, shares, 5, anything)


def test_a_short_key_that_decrypts_nothing_is_not_taken():
    """A liar that knows who opens makes a short key of its own; the others' shares would be called
    false if nobody tried it."""
    loot = sharing(6)
    parameters, shares = loot.parameters, dict(loot.shares[2])
    true = combine(parameters, shares, 5, anything).key
    factor = lagrange([1, 2, 3, 4, 5], 0, parameters.modulus)[1]
    shares[1] = added(parameters, shares[1], pow(factor, -1, parameters.modulus))
    fooled = combine(parameters, shares, 5, anything)
    assert not np.array_equal(fooled.key, true)
    assert fooled.false == (5,)
    found = combine(parameters, shares, 5, lambda key: np.array_equal(key, true))
    assert found.false == (1,)


def test_tries_so_many_choices_and_no_more():
    opened = list(range(40))
    choices = list(_choices(opened, 20))
    assert len(choices) == len(set(choices)) == _MOST_CHOICES
    assert choices[0] == tuple(range(20))
    assert list(_choices([3, 5, 8], 2)) == [(3, 5), (5, 8), (3, 8)]


def anything(_):
    """Takes every short key for the one that decrypts."""
    return True


def sharing(parties):
    """What all parties together hold of each other's keys, of which five shares suffice."""
    federation = Federation(plan_of(parties, dropouts=parties - 5, aggregation=Encrypted()))
    attempt = federation.attempt().until("contribution")
    attempt.deliver()
    return Loot(attempt).corrupt(federation.names)


def falsified(parameters, seed):
    """Something that is no share of anything."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, parameters.modulus, (1, 1, DEGREE), np.uint64)


def added(parameters, share, number):
    """A share with a number added to its first coefficient."""
    changed = share.copy()
    changed[0, 0, 0] = (int(changed[0, 0, 0]) + number) % parameters.modulus
    return changed


def test_keys_add_up_to_what_shares_of_sums_give():
    federation = Federation(plan_of(5, dropouts=1, aggregation=Encrypted()))
    attempt = federation.attempt().until("consent")
    keys = Loot(attempt).corrupt(federation.names)
    each = np.array(keys.keys())
    attempt.finish()
    loot = Loot(attempt).take_opened()
    opened = centred(loot.sum_of_keys(), loot.parameters.modulus)
    assert opened.tolist() == each.sum(axis=0).tolist()
