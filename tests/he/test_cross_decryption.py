"""One secret key, two libraries: what SEAL encrypts and computes, confide opens."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from tests.he.support import CKKS

from confide import he

pytest.importorskip("confide_native")
pytest.importorskip("tenseal", reason="tenseal brings SEAL, which is compared with")

KEY_ID = bytes(16)


def words(array, count):
    return np.array([array.at(i) for i in range(count)], np.uint64)


def places(context, prime):
    """Where our transform has what SEAL's has at each place.

    SEAL's place i holds the value at ψ^(2·rev(i) + 1), with the least primitive root ψ; the
    transform of X tells at which root each of our places is.
    """
    degree, q = context.parameters.degree, context.parameters.primes[prime]
    x = np.zeros((1, 1, degree), np.uint64)
    x[0, 0, 1] = 1
    context.ring.forward(x, [prime])
    at = {root: place for place, root in enumerate(x[0, 0].tolist())}
    root = min(at)
    bits = degree.bit_length() - 1
    reverse = [int(f"{i:0{bits}b}"[::-1], 2) for i in range(degree)]
    return np.argsort([at[pow(root, 2 * i + 1, q)] for i in reverse])


@pytest.fixture(scope="module")
def sides():
    """SEAL's engine, our context, and our key made of SEAL's."""
    from tests.he.seal import SEALEngine

    theirs = SEALEngine(CKKS.checked(), [1, 2, 4])
    context = he.Context(CKKS.checked())
    degree, q = context.parameters.degree, context.parameters.primes[0]
    secret = words(theirs.secret.data().dyn_array(), degree)[places(context, 0)]
    row = np.ascontiguousarray(secret[None, None])
    context.ring.inverse(row, [0])
    coefficients = row[0, 0].astype(np.int64)
    coefficients[coefficients > q // 2] -= q
    assert set(coefficients.tolist()) == {-1, 0, 1}
    ours = he.SecretKey.of_coefficients(context, KEY_ID, coefficients.astype(np.int8), Fraction(0))
    return theirs, context, ours


def taken(context, x):
    """SEAL's ciphertext as one of ours."""
    rows, degree = context.parameters.rows(x.level), context.parameters.degree
    data = words(x.inner.dyn_array(), x.parts * len(rows) * degree)
    data = data.reshape(x.parts, len(rows), degree)
    for row in rows:
        data[:, row] = data[:, row][:, places(context, row)]
    return he.Ciphertext(
        parameters=context.parameters,
        key_id=KEY_ID,
        data=data,
        level=x.level,
        squared=x.squared,
    )


def logarithms(degree):
    """From a power of 5 modulo 2N to the exponent: where our slots are."""
    found, power = {}, 1
    for j in range(degree // 2):
        found[power] = j
        power = power * 5 % (2 * degree)
    return found


def their_order(degree):
    """Our slot for each of SEAL's, which are at the powers of 3 where ours are at those of 5.

    A power of 3 is one of 5, or the negative of one: there real numbers are the same.
    """
    ours = logarithms(degree)
    powers = [pow(3, j, 2 * degree) for j in range(degree // 2)]
    return np.array([ours.get(p, ours.get(2 * degree - p)) for p in powers])


def computed(engine, a, b, plain, step):
    """Some of everything: two levels, a rotation, a plain factor, sums."""
    evaluator = he.Evaluator(engine)
    turned = evaluator.rotate(evaluator.multiply(a, b), step)
    weighed = evaluator.multiply(turned, engine.plain(plain))
    return evaluator.settled(evaluator.subtract(evaluator.add(weighed, a), b))


def test_fresh_ciphertexts(sides):
    theirs, context, ours = sides
    x = np.random.default_rng(0).uniform(-1, 1, theirs.slots)
    found = ours.decrypt_private(taken(context, theirs.encrypt(x))).real
    found = found[their_order(context.parameters.degree)]
    np.testing.assert_allclose(found, x, atol=1e-6)


def test_the_same_computation(sides):
    theirs, context, ours = sides
    degree = context.parameters.degree
    order = their_order(degree)
    x, y, p = np.random.default_rng(1).uniform(-1, 1, (3, theirs.slots))
    expected = np.roll(x * y, -2) * p + x - y

    by_seal = computed(theirs, theirs.encrypt(x), theirs.encrypt(y), p, 2)
    opened_by_seal = theirs.opened(by_seal)
    opened_by_us = ours.decrypt_private(taken(context, by_seal)).real[order]
    # The same ciphertext, so the same error: both read the same numbers out of it.
    np.testing.assert_allclose(opened_by_us, opened_by_seal, rtol=0, atol=1e-9)
    np.testing.assert_allclose(opened_by_us, expected, rtol=0, atol=1e-3)

    # Their ciphertexts go on in our engine: two of their steps are X -> X^9.
    step = logarithms(degree)[9]
    keys = ours.evaluation_keys(products=True, rotations=[step])
    a, b = (taken(context, theirs.encrypt(v)) for v in (x, y))
    reordered = np.empty_like(p)
    reordered[order] = p
    by_us = computed(he.NativeEngine(keys), a, b, reordered, step)
    found = ours.decrypt_private(by_us).real[order]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
