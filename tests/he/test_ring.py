"""The ring: every path of instructions against the portable one, and that against whole numbers."""

from __future__ import annotations

import os
import struct
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tests.he import whole

native = pytest.importorskip("confide_native")

PATHS = native.paths()
LARGE_PATHS = [path for path in PATHS if path != "portable"]


def make(degree, moduli, **options):
    return native.Ring(degree, moduli, **options)


def mixed(degree):
    """Primes of the largest and the smallest sizes, and between."""
    return [
        *whole.take(50, degree, 2),
        *whole.take(46, degree, 1),
        *whole.take(41, degree, 1),
        *whole.take(24, degree, 1),
    ]


def transformed(ring, x, rows):
    out = x.copy()
    ring.forward(out, rows)
    return out


def coefficients(ring, x, rows):
    out = x.copy()
    ring.inverse(out, rows)
    return out


def extremes(rng, moduli, degree):
    """Random rows whose first places hold the largest and the smallest residues."""
    x = whole.random_rows(rng, moduli, degree)
    for row, q in enumerate(moduli):
        x[0, row, :8] = [q - 1, 0, 1, q // 2, q // 2 + 1, q - 2, 2, q - 1]
    return x


class TestPaths:
    """Bit for bit the same, whatever the processor can."""

    @pytest.mark.parametrize("path", LARGE_PATHS)
    @pytest.mark.parametrize("degree", [16, 32, 64, 128, 256, 512, 4096, 8192, 1 << 14, 1 << 16])
    def test_transforms(self, path, degree):
        moduli, rng = mixed(max(degree, 4096)), np.random.default_rng(degree)
        rows = range(len(moduli))
        ours, plain = make(degree, moduli, path=path), make(degree, moduli, path="portable")
        full = np.empty((1, len(moduli), degree), np.uint64)
        full[:] = np.array(moduli, np.uint64)[:, None] - np.uint64(1)
        for x in (extremes(rng, moduli, degree), full, np.zeros_like(full)):
            there = transformed(ours, x, rows)
            assert np.array_equal(there, transformed(plain, x, rows))
            assert np.array_equal(coefficients(ours, x, rows), coefficients(plain, x, rows))
            assert np.array_equal(coefficients(ours, there, rows), x)

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("degree", [16, 64, 2048, 4096, 8192])
    def test_digits_are_residues_of_one_prime_modulo_the_others(self, path, degree):
        moduli, rows = mixed(8192), [0, 2, 4]
        ring = make(degree, moduli, path=path)
        x = extremes(np.random.default_rng(degree), [moduli[i] for i in rows], degree)
        out = np.empty((3, 5, degree), np.uint64)
        ring.decompose(out, transformed(ring, x, rows), rows, [1, 3], 1)
        order = [*rows, 1, 3]
        for d in range(3):
            # Raised by half the digit's prime, but modulo that prime itself.
            q = moduli[rows[d]]
            raised = (x[0, d] + np.uint64(q // 2)) % np.uint64(q)
            expected = np.stack([raised % np.uint64(moduli[i]) for i in order])[None]
            expected[0, d] = x[0, d]
            assert np.array_equal(out[d : d + 1], transformed(ring, expected, order))

    @pytest.mark.parametrize("path", LARGE_PATHS)
    @pytest.mark.parametrize("terms", [1, 2, 7, 8, 9, 40])
    def test_sums_of_products(self, path, terms):
        degree = 64
        moduli, rng = mixed(4096), np.random.default_rng(terms)
        rows = list(range(len(moduli)))
        pairs = [whole.random_rows(rng, moduli, degree, 2) for _ in range(2 * terms)]
        pairs[0][:] = np.array(moduli, np.uint64)[None, :, None] - np.uint64(1)
        singles = [np.ascontiguousarray(pair[:1]) for pair in pairs]
        found = []
        for name in (path, "portable"):
            ring = make(degree, moduli, path=name)
            cube, line = np.empty((3, len(rows), degree), np.uint64), np.empty_like(pairs[0])
            ring.tensor(cube, pairs[:terms], pairs[terms:], rows)
            ring.weighted(line, pairs[:terms], singles[terms:], rows)
            found.append((cube, line))
        assert all(np.array_equal(x, y) for x, y in zip(*found, strict=True))

    @pytest.mark.parametrize("path", LARGE_PATHS)
    @pytest.mark.parametrize("width", [1, 2, 3])
    def test_all_else(self, path, width):
        degree = 128
        moduli, rng = mixed(4096), np.random.default_rng(width)
        kept, special = [0, 3, 4], [1, 2]
        rows = kept + special
        digits = -(-len(kept) // width)
        x = extremes(rng, [moduli[i] for i in rows], degree)
        y = whole.random_rows(rng, [moduli[i] for i in rows], degree)
        key = whole.random_rows(rng, moduli, degree, 2 * digits)
        factors = [moduli[i] - 1 for i in rows]
        found = []
        for name in (path, "portable"):
            ring = make(degree, moduli, path=name)
            outs = [np.empty_like(x) for _ in range(4)]
            ring.add(outs[0], x, y, rows)
            ring.subtract(outs[1], x, y, rows)
            ring.multiply(outs[2], x, y, rows)
            ring.scale(outs[3], x, factors, rows)
            lower = np.empty((1, 3, degree), np.uint64)
            short = np.ascontiguousarray(x[:, :3])
            cut = np.empty((digits, 5, degree), np.uint64)
            both, again = np.empty((2, 5, degree), np.uint64), np.empty((2, 5, degree), np.uint64)
            ring.decompose(cut, short, kept, special, width)
            offset = np.empty((2, 5, degree), np.uint64)
            ring.offset(offset, key, range(5), kept, special, width)
            ring.switch_digits(both, cut, key, range(5), offset, kept, special, width)
            ring.switch_key(again, short, key, range(5), offset, kept, special, width)
            assert np.array_equal(both, again)
            outs += [offset, cut, both]
            for t in (1, 65537):
                ring.lower(lower, x, kept, special, t)
                outs.append(lower.copy())
            found.append(outs)
        assert all(np.array_equal(x, y) for x, y in zip(*found, strict=True))


class TestSpecification:
    """The portable path against whole numbers of any size."""

    degree = 32
    moduli = mixed(4096)
    rows = range(5)

    @pytest.fixture
    def ring(self):
        return make(self.degree, self.moduli, path="portable")

    @given(st.integers(0, 2**32))
    def test_products(self, seed):
        ring = make(self.degree, self.moduli, path="portable")
        rng = np.random.default_rng(seed)
        x, y = (extremes(rng, self.moduli, self.degree) for _ in range(2))
        out = np.empty_like(x)
        ring.multiply(
            out, transformed(ring, x, self.rows), transformed(ring, y, self.rows), self.rows
        )
        found = coefficients(ring, out, self.rows)
        for i, q in enumerate(self.moduli):
            expected = whole.product(x[0, i].tolist(), y[0, i].tolist())
            assert found[0, i].tolist() == [c % q for c in expected]

    @pytest.mark.parametrize("g", [3, 5, 25, 2 * 32 - 1])
    def test_rotations(self, ring, g):
        x = np.random.default_rng(g).integers(-1000, 1000, self.degree).tolist()
        there = transformed(ring, whole.residues(x, self.moduli), self.rows)
        out = np.empty_like(there)
        ring.rotate(out, there, g)
        found = whole.lifted(coefficients(ring, out, self.rows)[0], self.moduli)
        assert found == whole.automorphism(x, g)

    @pytest.mark.parametrize("dropped", [[4], [0], [1, 2], [0, 3, 4]])
    @pytest.mark.parametrize("t", [1, 2, 65537, 1_032_193])
    def test_lowering(self, ring, dropped, t):
        kept = [i for i in self.rows if i not in dropped]
        order = kept + dropped
        moduli = [self.moduli[i] for i in order]
        x = whole.random_rows(np.random.default_rng(t), moduli, self.degree)
        out = np.empty((1, len(kept), self.degree), np.uint64)
        ring.lower(out, transformed(ring, x, order), kept, dropped, t)
        found = whole.lifted(coefficients(ring, out, kept)[0], moduli[: len(kept)])
        by = int(np.prod([self.moduli[i] for i in dropped], dtype=object))
        for before, after in zip(whole.lifted(x[0], moduli), found, strict=True):
            off = before - by * after
            assert off % t == 0
            # Rounding, and a wrong multiple of B in the conversion for each prime after the first,
            # about zero together.
            assert abs(off) <= t * by * len(dropped) / 2 + t

    @pytest.mark.parametrize("width", [1, 2, 4])
    def test_digits_add_up(self, ring, width):
        rows, special = [0, 1, 2, 3], [4]
        moduli = self.moduli
        x = whole.random_rows(np.random.default_rng(width), moduli[:4], self.degree)
        count = -(-4 // width)
        out = np.empty((count, 5, self.degree), np.uint64)
        ring.decompose(out, transformed(ring, x, rows), rows, special, width)
        for d in range(count):
            mine = range(d * width, min(4, (d + 1) * width))
            size = int(np.prod([moduli[i] for i in mine], dtype=object))
            found = coefficients(ring, out[d : d + 1], range(5))[0]
            assert np.array_equal(found[mine], x[0, mine])
            # Modulo the others it is raised by half its range; raised everywhere, it is one number.
            middle = len(mine) * size // 2
            for i in mine:
                found[i] = [(c + middle) % moduli[i] for c in found[i].tolist()]
            raised = whole.lifted(found, moduli)
            assert all(0 <= c < len(mine) * size for c in raised)

    def test_numbers_in_and_out(self, ring):
        rng = np.random.default_rng(1)
        integers = rng.integers(-(2**62), 2**62, self.degree)
        integers[:4] = [0, -1, 2**63 - 1, -(2**63)]
        out = np.empty((1, 5, self.degree), np.uint64)
        ring.from_integers(out, integers, self.rows)
        assert np.array_equal(out, whole.residues(integers.tolist(), self.moduli))

        reals = rng.normal(size=self.degree) * 2.0 ** rng.integers(-3, 118, self.degree)
        reals[:6] = [0.5, 1.5, -0.5, -0.0, 2.0**119, -(2.0**119)]
        ring.from_reals(out, reals, self.rows)
        assert np.array_equal(out, whole.residues([round(x) for x in reals.tolist()], self.moduli))

        # Numbers below 2^49 go another way, and halves are rounded to even there too.
        few = rng.normal(size=self.degree) * 2.0 ** rng.integers(-3, 46, self.degree)
        few[:8] = [0.5, 1.5, -0.5, -2.5, -0.0, 2.0**49 - 1, -(2.0**49) + 1, 2.0**40 + 0.5]
        ring.from_reals(out, few, self.rows)
        assert np.array_equal(out, whole.residues([round(x) for x in few.tolist()], self.moduli))

        small = rng.integers(-(2**40), 2**40, self.degree)
        for rows in ([0], [0, 1], [3, 0]):
            ring.from_integers(out[:, : len(rows)], small, rows)
            back, rest = np.empty(self.degree), np.empty(self.degree, np.int64)
            ring.to_reals(back, out[:, : len(rows)], rows)
            assert np.array_equal(back, small)
            ring.to_residues(rest, out[:, : len(rows)], rows, 1009)
            assert np.array_equal((small - rest) % 1009, np.zeros(self.degree))
            assert np.abs(rest).max() <= 504

    @pytest.mark.parametrize("bad", [np.nan, np.inf, 2.0**120, -(2.0**121)])
    def test_numbers_too_large(self, ring, bad):
        reals = np.zeros(self.degree)
        reals[7] = bad
        with pytest.raises(ValueError, match=r"not finite, or 2\^120"):
            ring.from_reals(np.empty((1, 5, self.degree), np.uint64), reals, self.rows)


class TestKeys:
    """Under a secret that the test knows."""

    degree = 64
    moduli = (
        *whole.take(50, 4096, 3),
        *whole.take(46, 4096, 1),
        *whole.take(24, 4096, 1),
    )
    kept, special = (0, 1, 4), (2, 3)

    @pytest.fixture(params=PATHS)
    def ring(self, request):
        return make(self.degree, self.moduli, path=request.param)

    @pytest.fixture
    def secret(self, ring):
        return native.Secret(ring)

    def known(self, secret):
        out = np.empty(self.degree, np.int8)
        secret.coefficients(out)
        return out.tolist()

    def opened(self, ring, secret, ciphertext, rows):
        out = np.empty((1, len(rows), self.degree), np.uint64)
        secret.phase(out, ciphertext, rows)
        return whole.lifted(coefficients(ring, out, rows)[0], [self.moduli[i] for i in rows])

    @pytest.mark.parametrize("t", [1, 257])
    def test_encryption(self, ring, secret, t):
        rows = [0, 1]
        message = [3, -5, 7] + [0] * (self.degree - 3)
        plain = transformed(ring, whole.residues(message, self.moduli[:2]), rows)
        pair = np.empty((2, 2, self.degree), np.uint64)
        seed = secret.encrypt(pair[:1], plain, rows, t)
        ring.uniform(pair[1:], rows, seed)
        found = self.opened(ring, secret, pair, rows)
        errors = [(f - m) // t for f, m in zip(found, message, strict=True)]
        assert all((f - m) % t == 0 for f, m in zip(found, message, strict=True))
        assert 1 < np.std(errors) < 6
        assert max(map(abs, errors)) <= 21
        # Two encryptions have nothing in common.
        other = np.empty((1, 2, self.degree), np.uint64)
        assert secret.encrypt(other, plain, rows, t) != seed
        assert not np.array_equal(other, pair[:1])

    @pytest.mark.parametrize("t", [1, 257])
    def test_encryption_under_a_public_key(self, ring, secret, t):
        """Modulo the special primes too, which are divided out: the rounding is what is left."""
        all_rows = self.kept + self.special
        key = np.empty((2, len(all_rows), self.degree), np.uint64)
        seed = secret.encrypt(key[:1], None, all_rows, t)
        ring.uniform(key[1:], all_rows, seed)
        rows = [0, 1]
        message = [3, -5, 7] + [0] * (self.degree - 3)
        plain = transformed(ring, whole.residues(message, self.moduli[:2]), rows)
        pair = np.empty((2, 2, self.degree), np.uint64)
        sizes = []
        choices: list[Sequence[int]] = [[], self.special]
        for special in choices:
            ring.encrypt(pair, key, all_rows, plain, rows, special, t)
            found = self.opened(ring, secret, pair, rows)
            errors = [(f - m) // t for f, m in zip(found, message, strict=True)]
            assert all((f - m) % t == 0 for f, m in zip(found, message, strict=True))
            sizes.append(np.std(errors))
        n = self.degree
        assert sizes[0] == pytest.approx(np.sqrt(10.5 * (1 + 4 / 3 * n)), rel=0.5)
        # Each of the special primes rounds once.
        rounding = np.sqrt((1 + 2 / 3 * n) / 12)
        assert 0.5 * rounding < sizes[1] < 1.3 * len(self.special) * rounding
        with pytest.raises(ValueError, match="a row that the public key has not"):
            ring.encrypt(pair, key[:, :2].copy(), rows, plain, rows, self.special, t)

    @pytest.mark.parametrize("width", [1, 2])
    @pytest.mark.parametrize("t", [1, 257])
    @pytest.mark.parametrize("g", [0, 5, 127])
    def test_switching(self, ring, secret, width, t, g):
        s = self.known(secret)
        digits = -(-3 // width)
        key = np.empty((2 * digits, 5, self.degree), np.uint64)
        key_rows = self.kept + self.special
        seed = secret.switching_key(key, g, self.kept, self.special, width, t)
        copy = key.copy()
        copy[1::2] = 0
        ring.expand_key(copy, key_rows, seed)
        assert np.array_equal(copy, key)

        x = whole.random_rows(
            np.random.default_rng(g), [self.moduli[i] for i in self.kept], self.degree
        )
        above = np.empty((2, 5, self.degree), np.uint64)
        below = np.empty((2, 3, self.degree), np.uint64)
        offset = np.empty_like(above)
        ring.offset(offset, key, key_rows, self.kept, self.special, width)
        there = transformed(ring, x, self.kept)
        ring.switch_key(above, there, key, key_rows, offset, self.kept, self.special, width)
        ring.lower(below, above, self.kept, self.special, t)
        if g:
            turned = np.empty_like(below)
            ring.rotate(turned, below, g)
            below = turned
        found = self.opened(ring, secret, below, self.kept)
        moduli = [self.moduli[i] for i in self.kept]
        total = int(np.prod(moduli, dtype=object))
        numbers = whole.lifted(x[0], moduli)
        if g:
            target = whole.automorphism(whole.product(numbers, s), g)
        else:
            target = whole.product(numbers, whole.product(s, s))
        # Modulo t a switch divides by the special primes and multiplies by them: nothing changes.
        off = [
            (f - c + total // 2) % total - total // 2 for f, c in zip(found, target, strict=True)
        ]
        assert all(o % t == 0 for o in off)
        assert max(map(abs, off)) < t * self.degree * 2**12

    def test_a_secret_given(self, ring):
        given_ = np.array([-1, 0, 1, 1] * 16, np.int8)
        assert self.known(native.Secret(ring, given_)) == given_.tolist()
        for bad in (given_[:-1], np.full(64, 2, np.int8)):
            with pytest.raises(ValueError, match="each -1, 0 or 1"):
                native.Secret(ring, bad)


class TestRandomness:
    def test_stream_is_chacha20(self):
        seed = bytes(range(32))
        for number in (0, 1, 2**64 - 1):
            words = np.empty(1000, np.uint64)
            native.read_stream(words, seed, number)
            nonce = struct.pack("<QQ", 0, number)
            stream = Cipher(algorithms.ChaCha20(seed, nonce), mode=None).encryptor()
            assert words.astype("<u8").tobytes() == stream.update(bytes(8000))

    def test_seeds(self):
        assert len({native.fresh_seed() for _ in range(100)}) == 100
        assert all(len(native.fresh_seed()) == 32 for _ in range(3))

    def test_uniform(self):
        moduli = [*whole.take(50, 4096, 1), *whole.take(24, 4096, 1)]
        ring = make(4096, moduli)
        out = np.empty((1, 2, 4096), np.uint64)
        ring.uniform(out, [0, 1], native.fresh_seed(), 0)
        for row, q in zip(out[0], moduli, strict=True):
            assert row.max() < q
            assert stats.kstest(row / q, "uniform").pvalue > 1e-9

    def test_uniform_skips_the_last_words(self):
        """Words of q·floor(2^64/q) and more would be a bias: here that is one in 22,000 of them."""
        degree, seed = 2**16, bytes(32)
        q = next(q for q in range(2**50 - 3 * 2**34 + 1, 2**50, 2 * degree) if whole.is_prime(q))
        out = np.empty((1, 1, degree), np.uint64)
        make(degree, [q]).uniform(out, [0], seed, 7)
        words = np.empty(degree + 100, np.uint64)
        native.read_stream(words, seed, 7)
        kept = [word for word in words.tolist() if word < 2**64 // q * q][:degree]
        assert kept != words[:degree].tolist()
        assert out[0, 0].tolist() == [word % q for word in kept]

    def test_ternary(self):
        out = np.empty(300_000, np.int8)
        native.draw_ternary(out, native.fresh_seed())
        counts = [(out == v).sum() for v in (-1, 0, 1)]
        assert sum(counts) == out.size
        assert stats.chisquare(counts).pvalue > 1e-9
        # Neighbours are independent.
        pairs = np.bincount((out[:-1:2] + 1) * 3 + out[1::2] + 1, minlength=9)
        assert stats.chisquare(pairs).pvalue > 1e-9

    def test_centred_binomial(self):
        out = np.empty(300_000, np.int8)
        native.draw_error(out, native.fresh_seed())
        values = np.arange(-12, 13)
        law = stats.binom(42, 0.5).pmf(values + 21)
        counts = [(out == v).sum() for v in values]
        rest = out.size - sum(counts)
        expected = np.append(law, 1 - law.sum()) * out.size
        assert stats.chisquare([*counts, rest], expected).pvalue > 1e-9
        assert np.abs(out).max() <= 21

    def test_samplers_differ_from_seed_to_seed(self):
        first, second = np.empty(1000, np.int8), np.empty(1000, np.int8)
        for draw in (native.draw_ternary, native.draw_error):
            draw(first, bytes(32)), draw(second, bytes(31) + b"\1")
            assert not np.array_equal(first, second)
            draw(second, bytes(32))
            assert np.array_equal(first, second)


class TestPacking:
    degree = 64
    moduli = mixed(4096)

    def test_there_and_back(self):
        ring = make(self.degree, self.moduli)
        x = extremes(np.random.default_rng(0), self.moduli, self.degree)
        packed = ring.pack(x, range(5))
        assert len(packed) == self.degree // 8 * (2 * 50 + 46 + 41 + 24)
        out = np.empty_like(x)
        ring.unpack(out, packed, range(5))
        assert np.array_equal(out, x)
        # Little-endian bits without gaps.
        bits = sum(int(v) << (50 * i) for i, v in enumerate(x[0, 0]))
        assert packed[: self.degree // 8 * 50] == bits.to_bytes(self.degree // 8 * 50, "little")

    def test_too_large_a_number(self):
        ring = make(self.degree, self.moduli)
        out = np.empty((1, 1, self.degree), np.uint64)
        for place in (0, 31, 63):
            bits = self.moduli[0] << (50 * place)
            with pytest.raises(ValueError, match="not below its prime"):
                ring.unpack(out, bits.to_bytes(self.degree // 8 * 50, "little"), [0])

    @pytest.mark.parametrize("length", [0, 399, 401])
    def test_wrong_length(self, length):
        ring = make(self.degree, self.moduli)
        with pytest.raises(ValueError, match="length of their shape"):
            ring.unpack(np.empty((1, 1, self.degree), np.uint64), bytes(length), [0])


class TestThreads:
    degree = 1024
    moduli = mixed(4096)

    def work(self, ring):
        x = whole.random_rows(np.random.default_rng(0), self.moduli, self.degree, 4)
        key = whole.random_rows(np.random.default_rng(1), self.moduli, self.degree, 8)
        out = np.empty((2, 5, self.degree), np.uint64)
        ring.forward(x, range(5))
        offset = np.zeros_like(out)
        short = np.ascontiguousarray(x[:1, :4])
        ring.switch_key(out, short, key, range(5), offset, range(4), [4], 1)
        return out

    def test_results_are_the_same(self):
        alone = self.work(make(self.degree, self.moduli))
        ring = make(self.degree, self.moduli, threads=3)
        assert ring.threads == 3
        for _ in range(50):
            assert np.array_equal(self.work(ring), alone)
        ring.threads = 1
        assert np.array_equal(self.work(ring), alone)

    def test_may_be_set_while_others_work(self):
        ring = make(self.degree, self.moduli, threads=2)
        expected = self.work(ring)
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(self.work, ring) for _ in range(100)]
            for threads in [1, 3, 2] * 20:
                ring.threads = threads
            assert all(np.array_equal(result.result(), expected) for result in waiting)

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
    def test_a_child_process_goes_on_alone(self):
        ring = make(self.degree, self.moduli, threads=4)
        expected = self.work(ring)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that threads and fork meet
            child = os.fork()
        if child == 0:
            same = np.array_equal(self.work(ring), expected)
            del ring
            os._exit(0 if same else 1)
        assert os.waitpid(child, 0)[1] == 0


class TestBadArguments:
    moduli = mixed(4096)

    @pytest.mark.parametrize(
        ("degree", "moduli", "message"),
        [
            (100, moduli, "power of two"),
            (8, moduli, "power of two"),
            (64, [], "1 to 128 primes"),
            (64, [moduli[0], moduli[0]], "stands twice"),
            (64, [moduli[0] + 2], "prime of 20 to 50 bits"),
            (64, [(1 << 61) - 1], "prime of 20 to 50 bits"),
            (64, [257], "prime of 20 to 50 bits"),
            (64, [1_048_573], "not 1 modulo twice the ring degree"),
        ],
    )
    def test_of_rings(self, degree, moduli, message):
        with pytest.raises(ValueError, match=message):
            make(degree, moduli)

    def test_of_paths_and_threads(self):
        with pytest.raises(ValueError, match="no such path on this processor: sse9"):
            make(64, self.moduli, path="sse9")
        for threads in (0, 257):
            with pytest.raises(ValueError, match="threads lie between 1 and 256"):
                make(64, self.moduli, threads=threads)

    def test_of_rows(self):
        ring, x = make(64, self.moduli), np.zeros((1, 2, 64), np.uint64)
        for rows, message in (
            ([0, 5], "that the ring has not"),
            ([1, 1], "stands twice"),
            ([0], "shape"),
            ([], "at least one row"),
        ):
            with pytest.raises(ValueError, match=message):
                ring.forward(x, rows)

    @pytest.mark.parametrize(
        "x",
        [
            np.zeros((1, 2, 64), np.int64),
            np.zeros((2, 64), np.uint64),
            np.zeros((1, 2, 128), np.uint64)[:, :, ::2],
            [[[0] * 64] * 2],
        ],
    )
    def test_of_types(self, x):
        with pytest.raises(TypeError):
            make(64, self.moduli).forward(x, [0, 1])

    def test_of_values_that_may_not_be_written(self):
        x = np.zeros((1, 1, 64), np.uint64)
        x.flags.writeable = False
        with pytest.raises(TypeError):
            make(64, self.moduli).forward(x, [0])

    def test_of_keys(self):
        ring = make(64, self.moduli)
        x, out = np.zeros((1, 3, 64), np.uint64), np.zeros((2, 4, 64), np.uint64)
        key = np.zeros((6, 4, 64), np.uint64)
        good = {
            "key_rows": range(4),
            "offset": np.zeros_like(out),
            "rows": range(3),
            "special": [3],
            "width": 1,
        }
        ring.switch_key(out, x, key, **good)
        for changed, message in (
            ({"key_rows": [0, 1, 2, 4]}, "without one of the primes"),
            ({"width": 0}, "width lies"),
            ({"special": [2]}, "stands twice"),
        ):
            with pytest.raises(ValueError, match=message):
                ring.switch_key(out, x, key, **(good | changed))
        with pytest.raises(ValueError, match="too few digits"):
            ring.switch_key(out, x, key[:4], **good)

    def test_of_offsets(self):
        ring = make(64, self.moduli)
        key, out = np.zeros((6, 4, 64), np.uint64), np.zeros((2, 4, 64), np.uint64)
        with pytest.raises(ValueError, match="too few digits"):
            ring.offset(out, key[:4], range(4), range(3), [3], 1)
        with pytest.raises(ValueError, match="shape"):
            ring.offset(out[:1], key, range(4), range(3), [3], 1)

    def test_of_seeds(self):
        ring = make(64, self.moduli)
        for seed in (b"", bytes(31), bytes(33)):
            with pytest.raises(ValueError, match="32 bytes"):
                ring.uniform(np.empty((1, 1, 64), np.uint64), [0], seed)
