"""Parameters of the hash against known estimates, and against attacks other than reduction."""

import math

import numpy as np
import pytest

from confide.aggregation.masked.hash_parameters import (
    SECURITY_BITS,
    _block_size,
    _log2_delta,
    hash_parameters,
    reduction_bits,
    sieving_bits,
)
from confide.he.primes import is_prime

GRID = [(3, 8), (5, 20), (20, 30), (100, 32), (128, 33), (128, 45), (64, 62), (128, 62)]


def log2_bound(parties, bits):
    return math.log2(parties) + bits + 1


class TestParameters:
    @pytest.mark.parametrize(("parties", "bits"), GRID)
    def test_take_128_bits_to_break_by_reduction_and_hardly_more(self, parties, bits):
        found = hash_parameters(parties, bits)
        bound = log2_bound(parties, bits)
        assert reduction_bits(found.degree, found.log2_modulus, bound) >= SECURITY_BITS
        if found.primes[0].bit_length() > 20:  # the kernels' smallest
            smaller = found.log2_modulus - len(found.primes)
            assert reduction_bits(found.degree, smaller, bound) < SECURITY_BITS

    @pytest.mark.parametrize(("parties", "bits"), GRID)
    def test_are_primes_that_split_the_ring_and_exceed_what_they_bind(self, parties, bits):
        found = hash_parameters(parties, bits)
        assert len(set(found.primes)) == len(found.primes)
        for prime in found.primes:
            assert is_prime(prime)
            assert prime % (2 * found.degree) == 1
            assert 20 <= prime.bit_length() <= 50
        assert found.log2_modulus > log2_bound(parties, bits) + math.log2(found.degree) / 2

    @pytest.mark.parametrize(
        ("parties", "bits", "hash_bytes"), [(5, 20, 4096), (20, 30, 8448), (100, 32, 10240)]
    )
    def test_give_hashes_of_the_sizes_that_the_decision_names(self, parties, bits, hash_bytes):
        assert hash_parameters(parties, bits).wire_bytes == hash_bytes

    def test_are_not_fooled_by_a_modulus_that_is_itself_short(self):
        assert reduction_bits(4096, 30, 30) == 0


class TestReduction:
    """Against numbers that others published."""

    @pytest.mark.parametrize(
        ("block", "delta"),
        # Chen and Nguyen 2011, table 2.
        [(85, 1.01), (106, 1.009), (133, 1.008), (168, 1.007), (216, 1.006), (286, 1.005)],
    )
    def test_root_hermite_factors_are_those_that_were_measured(self, block, delta):
        assert 2 ** _log2_delta(block) == pytest.approx(delta, abs=2e-4)
        assert _block_size(_log2_delta(block)) == block

    def test_length_is_that_of_micciancio_and_regev(self):
        """At the best dimension √(N log q / log δ) the length is 2^(2√(N log q log δ)), so for a
        bound that just meets it the cost is that of δ (Micciancio and Regev 2009, §3)."""
        degree, log2_q, block = 1024, 78.0, 360
        log2_delta = _log2_delta(block)
        dimension = math.sqrt(degree * log2_q / log2_delta)
        length = 2 * math.sqrt(degree * log2_q * log2_delta)
        cost = reduction_bits(degree, log2_q, length - math.log2(dimension) / 2)
        assert cost == pytest.approx(sieving_bits(block, dimension), abs=1)

    def test_sieving_costs_what_the_lattice_estimator_says(self):
        """Its documented values: MATZOV22 replaces two constants of Kyber20, which gives 176.6 at
        block size 500 and dimension 1024."""
        kyber = 0.2988026130564745 * (500 - 42.597) + 26.011121212891872
        kyber += 2 * math.log2(5.46) + math.log2(524)
        assert kyber == pytest.approx(176.615, abs=0.01)
        ours = kyber - 0.0026676099744208 * (500 - 42.597) - 5.623235227423958
        assert sieving_bits(500, 1024) == pytest.approx(ours, abs=0.01)

    def test_older_counts_give_128_bits_too(self):
        """0.292·b + 16.4 + log2(8m): the Homomorphic Encryption Standard of 2018."""
        found = hash_parameters(100, 32)
        blocks = range(60, 1000)
        block = next(b for b in blocks if sieving_bits(b, 4 * found.degree) >= SECURITY_BITS)
        assert 0.292 * block + 16.4 + math.log2(8 * 4 * found.degree) >= SECURITY_BITS

    def test_swifft_is_broken_only_by_a_length_that_it_does_not_bind(self):
        """SWIFFT (N = 64, q = 257, 1,024 bits of input) collides in vectors of {-1, 0, 1}, of
        length 32 at most. With δ = 1.01 reduction reaches about 42 (Micciancio and Regev 2009)."""
        reached = 2 ** (2 * math.sqrt(64 * math.log2(257) * math.log2(1.01)))
        assert reached == pytest.approx(43, abs=1)
        assert reached > math.sqrt(1024)


class TestOtherAttacks:
    @pytest.mark.parametrize(
        ("rank", "columns", "bound", "block"),
        # Dilithium 2, 3 and 5 in round 3: BKZ block size to break SIS (Bai et al. 2021, table 2).
        [(4, 4, 350_209, 423), (6, 5, 724_481, 638), (8, 7, 769_537, 909)],
    )
    def test_the_attack_on_coordinates_finds_the_published_cost_of_dilithium(
        self, rank, columns, bound, block
    ):
        log2_q = math.log2(8_380_417)
        height, widest = 256 * rank, 256 * (rank + columns + 1)
        cost = coordinate_bits(height, widest, log2_q, math.log2(bound), lambda b, _: 0.2925 * b)
        assert cost == pytest.approx(0.2925 * block, abs=1)

    @pytest.mark.parametrize(("parties", "bits"), GRID)
    def test_bounds_on_coordinates_are_harder_than_the_length(self, parties, bits):
        found = hash_parameters(parties, bits)
        bound = log2_bound(parties, bits)
        cost = coordinate_bits(
            found.degree, 16 * found.degree, found.log2_modulus, bound, sieving_bits
        )
        assert cost >= SECURITY_BITS

    @pytest.mark.parametrize(("parties", "bits"), GRID)
    def test_lists_of_combinations_are_far_too_long(self, parties, bits):
        """Generalised birthdays: 2^k lists, merged k times, each of 2^(N log q / (k + 1)) vectors
        from m/2^k coordinates of the input (Wagner 2002; Micciancio and Regev 2009, §3)."""
        found = hash_parameters(parties, bits)
        output, entropy = found.degree * found.log2_modulus, 2**28 * log2_bound(parties, bits)
        shortest = min(output / (k + 1) for k in range(64) if entropy / 2**k >= output / (k + 1))
        assert shortest > SECURITY_BITS


def coordinate_bits(height, widest, log2_q, log2_bound, sieving):
    """The attack on SIS with a bound on each coordinate, as Dilithium's specification has it.

    Reduced vectors have a head that is uniform modulo q and a middle of Gaussian coordinates. Of
    the 2^0.2075b that a sieve gives one must be within the bound everywhere.
    """
    widths = np.unique(np.linspace(height + 100, widest, 60).astype(int))
    return min(
        sieving(block, width) + repetitions(height, width, log2_q, log2_bound, block)
        for width in widths
        for block in range(60, 1400, 4)
    )


def repetitions(height, width, log2_q, log2_bound, block):
    """log2 of how often a reduction must be repeated, whichever basis it begins with."""
    slope = 2 * _log2_delta(block)
    needed = min(
        _repetitions(log2_q, log2_bound, *shape) - 0.2075 * block
        for shape in (
            _with_multiples_of_q(height, width, log2_q, slope),
            _forgetting_them(height, width, log2_q, slope),
        )
    )
    return max(0.0, needed)


def _with_multiples_of_q(height, width, log2_q, slope):
    """Lengths are q at first, then fall to 1: head, middle, log2 of the middle's first length."""
    ramp = log2_q / slope
    middle = min(ramp, math.sqrt(2 * (width - height) * log2_q / slope))
    return max(0.0, height - ramp / 2 if middle == ramp else width - middle), middle, log2_q


def _forgetting_them(height, width, log2_q, slope):
    """Lengths fall from the first on: the basis was randomised before."""
    middle = math.sqrt(2 * height * log2_q / slope)
    if middle <= width:
        return 0.0, middle, slope * middle
    return 0.0, float(width), height * log2_q / width + slope * width / 2


def _repetitions(log2_q, log2_bound, head, middle, first):
    deviation = first - math.log2(middle) / 2
    inside = math.erf(2 ** (log2_bound - deviation) / math.sqrt(2))
    log2_inside = math.log2(inside) if inside > 1e-300 else -1000.0
    uniform = min(0.0, log2_bound + 1 - log2_q)
    return -(middle * log2_inside + head * uniform)
