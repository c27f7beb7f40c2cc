"""The linear hash: linear, the same in numpy and compiled, and different for different vectors."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from tests.aggregation.support import plan_of

from confide.aggregation.masked import ring_hash
from confide.aggregation.masked.hash_parameters import HashParameters, hash_parameters
from confide.aggregation.masked.opening import accumulate
from confide.aggregation.masked.reference_ring import ReferenceRing
from confide.aggregation.masked.ring_hash import RingHash
from confide.aggregation.modular import Layout
from confide.errors import EncryptionError, ProtocolError
from confide.he import kernel, primes

LAYOUTS = {
    "one block": (5, Layout((10,), (12,))),
    "several sums": (20, Layout((3000, 1, 77), (30, 9, 32))),
    "just whole blocks": (3, Layout((2048,), (20,))),
    "words of 64 bits": (7, Layout((1500, 20), (45, 60))),
    "the widest": (128, Layout((1100,), (62,))),
}


def hash_of(name):
    parties, layout = LAYOUTS[name]
    return RingHash(hash_parameters(parties, max(layout.bits)), bytes(range(32)), layout)


def vectors(layout, count, seed=0):
    rng = np.random.default_rng(seed)
    limits = np.repeat([1 << w for w in layout.bits], layout.sizes)
    for _ in range(count):
        ends = rng.random(layout.size) < 0.2
        yield np.where(ends, limits - 1, rng.integers(0, limits)).astype(layout.dtype)


def added_up(layout, several):
    low, carries = np.zeros(layout.size, layout.dtype), np.zeros(layout.size, np.uint8)
    for vector in several:
        accumulate(layout, low, carries, vector)
    return low, carries


@pytest.fixture
def in_numpy(monkeypatch):
    monkeypatch.setattr(ring_hash, "_ring", lambda p: ReferenceRing(p.degree, p.primes))


@pytest.mark.parametrize("name", LAYOUTS)
class TestHash:
    def test_of_a_sum_is_the_sum_of_the_hashes(self, name):
        parties, layout = LAYOUTS[name]
        hash_ = hash_of(name)
        several = list(vectors(layout, parties))
        low, carries = added_up(layout, several)
        assert np.array_equal(
            hash_(low, carries), hash_.total(hash_.to_bytes(hash_(v)) for v in several)
        )

    def test_of_a_sum_is_another_if_a_carry_or_a_step_is(self, name):
        _, layout = LAYOUTS[name]
        hash_ = hash_of(name)
        (low,) = vectors(layout, 1)
        carries = np.zeros(layout.size, np.uint8)
        before = hash_(low, carries)
        for place in {0, layout.size // 2, layout.size - 1}:
            carried, nudged = carries.copy(), low.copy()
            carried[place] += 1
            nudged[place] ^= 1
            assert not np.array_equal(hash_(low, carried), before)
            assert not np.array_equal(hash_(nudged, carries), before)

    def test_is_the_same_bit_for_bit_in_numpy(self, name, monkeypatch):
        _, layout = LAYOUTS[name]
        hash_ = hash_of(name)
        (low,) = vectors(layout, 1)
        carries = np.arange(layout.size).astype(np.uint8) % 5
        compiled = hash_(low), hash_(low, carries)
        monkeypatch.setattr(ring_hash, "_ring", lambda p: ReferenceRing(p.degree, p.primes))
        assert np.array_equal(hash_(low), compiled[0])
        assert np.array_equal(hash_(low, carries), compiled[1])

    def test_travels_as_bytes(self, name):
        _, layout = LAYOUTS[name]
        hash_ = hash_of(name)
        (value,) = map(hash_, vectors(layout, 1))
        data = hash_.to_bytes(value)
        assert len(data) == hash_.parameters.wire_bytes
        assert np.array_equal(hash_.from_bytes(data), value)
        with pytest.raises(ProtocolError, match="bytes"):
            hash_.from_bytes(data[:-1])
        with pytest.raises(ProtocolError, match="not below its prime"):
            hash_.from_bytes(b"\xff" * len(data))


class TestPolynomials:
    """The hash is what its definition says, computed by schoolbook."""

    def test_hash_is_a_sum_of_products_modulo_x_n_plus_1(self):
        degree, prime = 64, next(primes.falling(30, 64))
        layout = Layout((150,), (20,))
        hash_ = RingHash(HashParameters(degree, (prime,)), bytes(32), layout)
        (vector,) = vectors(layout, 1)
        ring, rows = ReferenceRing(degree, (prime,)), [0]
        blocks = np.zeros(3 * degree, object)
        blocks[:150] = vector.tolist()
        stream, total = ring_hash._KeyStream(bytes(32), 0, prime), np.zeros(degree, object)
        for block in blocks.reshape(3, degree):
            key = _coefficients(_taken(stream, degree), ring)
            total = (total + _product(key, block, prime)) % prime
        expected = total.astype(np.uint64).reshape(1, 1, degree)
        ring.forward(expected, rows)
        assert np.array_equal(hash_(vector), expected[0])


def _taken(stream, count):
    out = np.empty(count, np.uint64)
    stream.fill(out)
    return out


def _coefficients(transformed, ring):
    """Those of a polynomial whose transform is given: the transform is a matrix, inverted."""
    degree, (prime,) = ring.degree, ring._primes
    unit = np.zeros((2, 1, degree), np.uint64)
    unit[0, 0, 0], unit[1, 0, 1] = 1, 1
    ring.forward(unit, [0])
    assert (unit[0] == 1).all()
    roots = [int(r) for r in unit[1, 0]]
    scale = pow(degree, -1, prime)
    return [
        scale
        * sum(int(v) * pow(r, -k, prime) for v, r in zip(transformed, roots, strict=True))
        % prime
        for k in range(degree)
    ]


def _product(x, y, prime):
    out = np.zeros(len(x), object)
    for i, a in enumerate(x):
        for j, b in enumerate(y):
            sign = 1 if i + j < len(x) else -1
            out[(i + j) % len(x)] = (out[(i + j) % len(x)] + sign * a * b) % prime
    return out


class TestKey:
    def test_is_of_the_plan(self):
        one, same, other = (RingHash.of_plan(plan_of(5, size=9, seed=s)) for s in (0, 0, 1))
        vector = np.arange(9).astype(one.layout.dtype)
        assert one == same
        assert np.array_equal(one(vector), same(vector))
        assert not np.array_equal(one(vector), other(vector))

    @given(st.lists(st.integers(1, 300), max_size=6))
    def test_is_the_same_in_whatever_pieces_it_is_taken(self, sizes):
        """One word in seventeen is refused by this prime."""
        prime = 1032193
        stream = ring_hash._KeyStream(bytes(range(32)), 1, prime)
        pieces = [_taken(stream, size) for size in sizes]
        whole = _taken(ring_hash._KeyStream(bytes(range(32)), 1, prime), sum(sizes))
        assert np.array_equal(np.concatenate([np.empty(0, np.uint64), *pieces]), whole)
        assert int(whole.max(initial=0)) < prime

    @pytest.mark.parametrize("prime", [*hash_parameters(3, 8).primes, 1032193])
    def test_is_uniform(self, prime):
        stream = ring_hash._KeyStream(bytes(range(32)), 0, prime)
        counts = np.bincount(
            (_taken(stream, 15_000) * np.uint64(64) // np.uint64(prime)).astype(int)
        )
        assert chisquare(counts).pvalue > 1e-3

    def test_differs_from_prime_to_prime(self):
        one, other = (_taken(ring_hash._KeyStream(bytes(32), row, 1032193), 9) for row in (0, 1))
        assert not np.array_equal(one, other)

    def test_is_not_repeated_from_block_to_block(self):
        """Or two blocks could be exchanged."""
        layout = Layout((2048,), (20,))
        hash_ = RingHash(HashParameters(1024, hash_parameters(5, 20).primes), bytes(32), layout)
        (vector,) = vectors(layout, 1)
        exchanged = np.concatenate([vector[1024:], vector[:1024]])
        assert not np.array_equal(hash_(vector), hash_(exchanged))


def test_a_hash_is_pinned(in_numpy):
    """Parties of two releases must agree on it."""
    vector = np.arange(3000, dtype=np.uint32)
    hash_ = RingHash(hash_parameters(20, 30), bytes(range(32)), Layout((3000,), (30,)))
    digest = hashlib.sha256(hash_.to_bytes(hash_(vector))).hexdigest()
    assert digest == "09767cd5f8619d8963904906f3599462ffb8a422c363b5048eb4d3b4fc11a416"


@pytest.mark.parametrize("summed", [2, 5, 1000])
def test_whenever_residues_are_reduced_the_hash_is_the_same(summed, monkeypatch):
    made = hash_of("several sums")
    (low,) = vectors(made.layout, 1)
    expected = made(low)
    monkeypatch.setattr(ring_hash, "_SUMMED", summed)
    monkeypatch.setattr(ring_hash, "_CHUNK_BYTES", 8 * made.parameters.degree)  # One block each.
    assert np.array_equal(made(low), expected)


def test_without_the_kernels_the_hash_is_computed_in_numpy(monkeypatch):
    def missing(*_args, **_kwargs):
        raise EncryptionError("no kernels")

    monkeypatch.setattr(kernel, "make_ring", missing)
    assert isinstance(ring_hash._ring.__wrapped__(hash_parameters(5, 20)), ReferenceRing)


@given(st.integers(2, 128), st.integers(0, 2**32 - 1))
def test_sums_over_the_whole_numbers_are_exact(count, seed):
    layout = Layout((3, 2, 2), (5, 31, 32))
    several = list(vectors(layout, count, seed))
    widths = np.repeat(layout.bits, layout.sizes).tolist()
    found = [
        int(low) + (int(carry) << width)
        for low, carry, width in zip(*added_up(layout, several), widths, strict=True)
    ]
    assert found == [sum(column) for column in zip(*(v.tolist() for v in several), strict=True)]
