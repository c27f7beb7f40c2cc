import math
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from confide.errors import PlanError
from confide.plan import Lattice, Neighbours, Norm, Relation, Sum
from confide.plan.lattice import FINE_BITS, MAX_SIZE, ROUNDING_CHARGE, derive_lattice

FINE = 1 << FINE_BITS

bounds = st.floats(1e-150, 1e150)
capacities = st.integers(1, 10_000) | st.integers(300_000, 3_000_000)


@st.composite
def declared_sums(draw):
    return Sum(
        name="total",
        shape=(draw(st.integers(1, 100_000)),),
        unit_bound=draw(bounds),
        norm=draw(st.sampled_from(Norm)),
        capacity=draw(capacities),
    )


def ones_norm(declared):
    """The norm of the all-ones vector, rounded up to a rational."""
    size = declared.size
    return {
        Norm.L1: Fraction(size),
        Norm.L2: Fraction(math.isqrt(size * 10**24) + 1, 10**12),
        Norm.LINF: Fraction(1),
    }[declared.norm]


class TestResolution:
    @given(declared=declared_sums())
    def test_is_a_power_of_two(self, declared):
        lattice = declared.lattice
        assert math.frexp(lattice.resolution) == (0.5, lattice.log2_resolution + 1)
        assert lattice.fine_resolution == lattice.resolution / FINE

    @given(declared=declared_sums())
    def test_inflates_the_sensitivity_by_at_most_one_per_cent(self, declared):
        steps = Fraction(declared.lattice.resolution) + Fraction(declared.lattice.fine_resolution)
        share = steps * ones_norm(declared) / Fraction(declared.unit_bound)
        assert share <= Fraction(1, 100) * (1 + Fraction(1, 10**9))

    @given(declared=declared_sums())
    def test_is_the_largest_that_does(self, declared):
        doubled = 2 * (Fraction(declared.lattice.resolution) * (1 + Fraction(1, FINE)))
        share = doubled * ones_norm(declared) / Fraction(declared.unit_bound)
        assert share > Fraction(1, 100)

    @given(declared=declared_sums(), relation=st.sampled_from(Relation))
    def test_is_charged_to_the_sensitivity(self, declared, relation):
        neighbours = Neighbours(relation=relation)
        exact = neighbours.distance(declared.unit) * declared.unit_bound
        charged = declared.sensitivity(neighbours)
        assert exact < charged <= exact + declared.unit_bound * ROUNDING_CHARGE * (1 + 1e-9)

    @pytest.mark.parametrize(
        ("norm", "size", "log2_resolution"),
        # 1 % of a bound of 1 is 2^-6.6; a million coordinates cost 2^20 in L1 and 2^10 in L2.
        [
            (Norm.L1, 1, -7),
            (Norm.L2, 1, -7),
            (Norm.LINF, 1, -7),
            (Norm.L1, 1 << 20, -27),
            (Norm.L2, 1 << 20, -17),
            (Norm.LINF, 1 << 20, -7),
        ],
    )
    def test_follows_from_the_norm(self, norm, size, log2_resolution):
        declared = Sum(name="a", shape=(size,), unit_bound=1, norm=norm, capacity=1)
        assert declared.lattice.log2_resolution == log2_resolution

    @pytest.mark.parametrize("bound", [5e-324, 1e-322, 1.7e308])
    def test_of_an_extreme_bound_holds_or_is_refused(self, bound):
        try:
            declared = Sum(name="a", unit_bound=bound, capacity=10)
        except PlanError:
            return
        sensitivity = declared.sensitivity(Neighbours(relation=Relation.REPLACE_ONE))
        assert math.isfinite(sensitivity)
        assert sensitivity <= 2 * bound * 1.02
        assert math.isfinite(declared.party_range)


class TestRange:
    @given(declared=declared_sums(), dither=st.integers(0, FINE - 1), sign=st.sampled_from([-1, 1]))
    def test_holds_a_party_whose_units_are_all_extreme(self, declared, dither, sign):
        total = sign * declared.capacity * extreme_unit(declared)
        assert abs((total + dither) >> FINE_BITS) <= declared.lattice.party_range

    @given(declared=declared_sums())
    def test_leaves_room_for_rounding_and_no_more(self, declared):
        exact = declared.capacity * extreme_unit(declared) >> FINE_BITS
        # A fine step or two for each unit, and two steps for the total.
        assert 0 <= declared.lattice.party_range - exact <= 3 + 2 * declared.capacity // FINE

    @given(declared=declared_sums(), parties=st.integers(1, 1000), sign=st.sampled_from([-1, 1]))
    def test_of_all_parties_does_not_wrap_around(self, declared, parties, sign):
        total = sign * parties * declared.lattice.party_range
        modulus = 1 << declared.lattice.bits(parties)
        assert centred(total % modulus, modulus) == total

    @given(declared=declared_sums(), parties=st.integers(1, 1000), tail=st.integers(0, 1 << 30))
    def test_of_all_parties_takes_the_fewest_bits(self, declared, parties, tail):
        bits = declared.lattice.bits(parties, tail)
        reach = parties * declared.lattice.party_range + tail
        assert reach < 1 << (bits - 1)
        assert not reach < 1 << (bits - 2)

    def test_grows_with_the_noise(self):
        lattice = Lattice(log2_resolution=0, party_range=7)
        assert [lattice.bits(1, tail) for tail in (0, 1, 8, 9, 24, 25)] == [4, 5, 5, 6, 6, 7]

    def test_of_too_many_parties_is_refused(self):
        lattice = Lattice(log2_resolution=0, party_range=(1 << 60) - 1)
        assert lattice.bits(2) == 62
        with pytest.raises(PlanError, match="over 3 parties needs 63 bits; 62 fit: lower the cap"):
            lattice.bits(3)

    @given(norm=st.sampled_from(Norm), bound=bounds)
    @example(norm=Norm.LINF, bound=1.0)
    def test_of_too_many_units_is_refused(self, norm, bound):
        def declare(capacity):
            return Sum(name="ages", shape=(3,), unit_bound=bound, norm=norm, capacity=capacity)

        most = largest(declare)
        assert 1 << 36 < most < 1 << 40
        with pytest.raises(PlanError) as refused:
            declare(most + 1)
        for part in "'ages'", f"capacity {most + 1:,}", "63 bits", "62 fit: lower the capacity":
            assert part in str(refused.value)

    def test_of_the_most_coordinates_is_exact(self):
        lattice = derive_lattice(name="a", unit_bound=1.0, capacity=1, ones_norm=float(MAX_SIZE))
        assert lattice.party_range.bit_length() < 53


class TestDither:
    """The lemma that rounding's charge rests on: two totals' roundings differ by less than one step
    from the totals' difference, whatever the dither."""

    @given(
        one=st.integers(-(1 << 62), 1 << 62),
        other=st.integers(-(1 << 62), 1 << 62),
        dither=st.integers(0, FINE - 1),
    )
    def test_costs_less_than_a_step(self, one, other, dither):
        rounded = ((one + dither) >> FINE_BITS) - ((other + dither) >> FINE_BITS)
        assert abs(rounded * FINE - (one - other)) < FINE


def extreme_unit(declared):
    """One unit with its whole bound in one coordinate, in fine steps."""
    return round(Fraction(declared.unit_bound) / Fraction(declared.lattice.fine_resolution))


def centred(residue, modulus):
    return residue - modulus if residue >= modulus // 2 else residue


def largest(declare):
    """The largest capacity that can be declared, by bisection."""
    low, high = 1, 1 << 62
    while high - low > 1:
        middle = (low + high) // 2
        try:
            declare(middle)
            low = middle
        except PlanError:
            high = middle
    return low
