"""What may be asked for, and what is made of it."""

from __future__ import annotations

import dataclasses
import math

import pytest
from tests.he import whole
from tests.he.support import BGV, CKKS, COMPOSITE, LITERALS

from confide import he
from confide.errors import EncryptionError, ProtocolError
from confide.he.primes import falling, is_prime, largest
from confide.he.security import DEGREES, MOST_BITS, require_secure


def changed(literal, **fields):
    return dataclasses.replace(literal, **fields)


class TestSecurity:
    def test_the_table(self):
        """Bossuat et al. 2024, table 5.2: 128 bits, ternary secrets."""
        assert MOST_BITS == {4096: 106, 8192: 214, 16384: 430, 32768: 868, 65536: 1747}

    @pytest.mark.parametrize("degree", DEGREES)
    def test_to_the_bit(self, degree):
        require_secure(degree, [2 ** MOST_BITS[degree] - 1])
        with pytest.raises(EncryptionError, match=f"at degree {degree}"):
            require_secure(degree, [2 ** MOST_BITS[degree]])

    def test_special_primes_count(self):
        fits = changed(CKKS, depth=3, special_bits=(50,), base_bits=(50,), level_bits=36)
        with pytest.raises(EncryptionError, match=r"allows 214 .*key switching included"):
            changed(fits, special_bits=(50, 50)).checked()
        assert fits.checked()

    def test_what_seal_accepts_and_we_do_not(self):
        """TenSEAL's tutorial: 218 bits at N = 8192, which the table of 2018 allowed."""
        literal = changed(CKKS, base_bits=(50,), level_bits=39, special_bits=(50,))
        with pytest.raises(EncryptionError, match="217 bits at degree 8192"):
            literal.checked()

    @pytest.mark.parametrize("degree", [1024, 2048, 131072, 5000, -1, "4096", None, 8192.0])
    def test_other_degrees(self, degree):
        with pytest.raises(EncryptionError, match="degree"):
            changed(CKKS, degree=degree).checked()


class TestPrimes:
    def test_against_a_sieve(self):
        sieve = [all(n % d for d in range(2, math.isqrt(n) + 1)) for n in range(2, 5000)]
        assert [is_prime(n) for n in range(2, 5000)] == sieve
        assert not is_prime(0)
        assert not is_prime(1)

    @pytest.mark.parametrize("n", [3215031751, 3825123056546413051, 341550071728321])
    def test_strong_pseudoprimes(self, n):
        assert not is_prime(n)

    @pytest.mark.parametrize("bits", [20, 36, 50])
    def test_falling(self, bits):
        found = largest(3, bits, 4096, frozenset())
        assert found == sorted(found, reverse=True)
        assert all(q % 8192 == 1 and q.bit_length() == bits and is_prime(q) for q in found)
        assert found == whole.take(bits, 4096, 3)

    def test_running_out(self):
        with pytest.raises(EncryptionError, match="take larger primes or fewer levels"):
            largest(100, 20, 65536, frozenset())
        for bits in (19, 51):
            with pytest.raises(EncryptionError, match="20 to 50"):
                largest(1, bits, 4096, frozenset())
        assert next(falling(20, 65536)) < 2**20


class TestParameters:
    @pytest.mark.parametrize("literal", LITERALS.values(), ids=LITERALS)
    def test_structure(self, literal):
        p = literal.checked()
        assert len(set(p.primes)) == len(p.primes)
        assert all(is_prime(q) and q % (2 * p.degree) == 1 for q in p.primes)
        assert [*p.rows(p.depth), *p.special] == list(range(len(p.primes)))
        for level in range(1, p.depth + 1):
            assert [*p.rows(level - 1), *p.dropped(level)] == list(p.rows(level))
        assert p.product(p.special) >= max(p.primes)
        assert p == literal.checked()
        assert p.hash == literal.checked().hash

    @pytest.mark.parametrize("depth", [1, 5, 17, 30])
    @pytest.mark.parametrize("bits", [30, 46, 50])
    def test_scales_stay_together(self, depth, bits):
        """S_{l-1} = S_l^2/q_l doubles every deviation, so primes are chosen against it."""
        p = changed(
            CKKS, degree=65536, depth=depth, level_bits=bits, base_bits=(50, 20), special_bits=()
        ).checked()
        scales = [p.scale(level) for level in range(depth + 1)]
        gap = 2 * 65536 * 60 * depth / 2**bits
        assert max(scales) / min(scales) - 1 < max(gap, 1e-9)
        for level in range(1, depth + 1):
            divided = p.product(p.dropped(level))
            assert scales[level - 1] == pytest.approx(scales[level] ** 2 / divided, rel=1e-12)

    def test_factors_follow_the_same_rule(self):
        p = BGV.checked()
        t = p.plain_modulus
        assert p.factor(p.depth) == 1
        for level in range(1, p.depth + 1):
            q = p.product(p.dropped(level))
            assert p.factor(level - 1) * q % t == p.factor(level) ** 2 % t

    def test_hashes_differ(self):
        literals = [
            CKKS,
            BGV,
            COMPOSITE,
            changed(CKKS, depth=2),
            changed(CKKS, level_bits=35),
            changed(CKKS, width=2, special_bits=(45, 45), depth=2),
            changed(BGV, plain_modulus=next(falling(20, 8192, frozenset({1032193})))),
        ]
        assert len({literal.checked().hash for literal in literals}) == len(literals)

    def test_the_hash_is_kept(self):
        """Ciphertexts on disk name their parameters by it."""
        assert CKKS.checked().hash.hex()[:16] == "baf35179e2e889bf"
        assert BGV.checked().hash.hex()[:16] == "1cc2e345b06f3460"

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"depth": -1}, "depth is -1; it lies between 0 and 60"),
            ({"depth": 61}, "depth is 61"),
            ({"depth": True}, "depth is True"),
            ({"level_bits": 19}, "level_bits is 19; it lies between 20 and 100"),
            ({"level_bits": 101}, "level_bits is 101"),
            ({"width": 0}, "width is 0"),
            ({"base_bits": [45]}, "a tuple of bits"),
            ({"base_bits": ()}, "number of base primes is 0"),
            ({"base_bits": (40, 40, 40)}, "number of base primes is 3"),
            ({"base_bits": (51,)}, "a prime of base_bits is 51"),
            ({"base_bits": ("45",)}, "a prime of base_bits is '45'"),
            ({"special_bits": (19,)}, "a prime of special_bits is 19"),
            ({"base_bits": (36,)}, "holds no number at a scale of 36 bits"),
            ({"special_bits": (36,)}, "special primes of 36 bits in all, and a digit of 45"),
            ({"plain_modulus": 1032193}, "leave it out of CKKS"),
        ],
    )
    def test_what_is_refused(self, fields, message):
        with pytest.raises(EncryptionError, match=message):
            changed(CKKS, **fields).checked()

    @pytest.mark.parametrize("t", [None, 0, 65537, 1032192, 2**50 + 1, 1032193.0, 17])
    def test_plain_moduli(self, t):
        with pytest.raises(EncryptionError, match="plain_modulus"):
            changed(BGV, plain_modulus=t).checked()

    def test_special_primes_are_found(self):
        p = changed(COMPOSITE, degree=32768, special_bits=(), width=3).checked()
        digits = p.rows(p.depth)[:: p.width]
        most = max(p.product(range(i, min(i + 3, len(p.rows(p.depth))))) for i in digits)
        assert most <= p.product(p.special) < most * 2**50

    @pytest.mark.parametrize("literal", LITERALS.values(), ids=LITERALS)
    def test_bytes(self, literal):
        p = literal.checked()
        assert he.read_parameters(he.write_parameters(p)) == p

    @pytest.mark.parametrize(
        ("field", "value", "error"),
        [
            ("version", 2, EncryptionError),
            ("scheme", "BFV", EncryptionError),
            ("degree", 2**40, EncryptionError),
            ("depth", "3", EncryptionError),
            ("base_bits", 45, EncryptionError),
            ("base_bits", [[45]], EncryptionError),
            ("other", 1, EncryptionError),
        ],
    )
    def test_bytes_that_lie(self, field, value, error):
        from confide import canonical

        stored = canonical.decode(he.write_parameters(CKKS.checked()), 10_000)
        stored["literal"][field] = value
        with pytest.raises(error):
            he.read_parameters(canonical.encode(stored))
        with pytest.raises(ProtocolError):
            he.read_parameters(canonical.encode(stored["literal"]))

    def test_repr_says_what_matters(self):
        assert repr(CKKS.checked()).startswith("Parameters(CKKS, N=8192, 3 levels, scale 2^36.0")
        assert "modulo 1032193" in repr(BGV.checked())
