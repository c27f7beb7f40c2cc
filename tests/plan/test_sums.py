import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from tests.plan.examples import make_sum

from confide.aggregation.encoding import Accumulator, decode
from confide.errors import PlanError
from confide.plan import Neighbours, Norm, Relation, SumGroup, Unit
from confide.plan.lattice import MAX_SIZE

ADD_OR_REMOVE = Neighbours()
REPLACE = Neighbours(relation=Relation.REPLACE_ONE)


class TestSum:
    @pytest.mark.parametrize("bound", [0.0, -0.0, -1.0, math.nan, math.inf, -math.inf])
    def test_needs_a_positive_finite_bound(self, bound):
        with pytest.raises(PlanError) as refused:
            make_sum(name="ages", unit_bound=bound)
        assert f"'ages' has unit_bound {bound + 0.0}; it must be a positive" in str(refused.value)

    @pytest.mark.parametrize("bound", [10**400, -(10**400)], ids=["large", "small"])
    def test_needs_a_bound_that_a_float_holds(self, bound):
        with pytest.raises(PlanError, match="inf; it must be a positive number"):
            make_sum(unit_bound=bound)

    def test_bound_is_a_real_number_however_it_is_written(self):
        assert [type(make_sum(unit_bound=b).unit_bound) for b in (1, np.float32(1))] == [float] * 2
        assert make_sum(unit_bound=1) == make_sum(unit_bound=1.0)

    @pytest.mark.parametrize("name", ["", "Total", "1st", "_a", "a-b", "a b", "ä", "a" * 65, "a\n"])
    def test_refuses_a_name(self, name):
        with pytest.raises(PlanError) as refused:
            make_sum(name=name)
        assert f"a sum named {name!r}; a name is like 'gradient'" in str(refused.value)

    @pytest.mark.parametrize("name", ["a", "cell_counts", "layer2_", "a" * 64])
    def test_takes_a_name(self, name):
        assert make_sum(name=name).name == name

    @pytest.mark.parametrize("shape", [(0,), (3, 0), (-1, -1), (MAX_SIZE + 1,), (1 << 20, 1 << 20)])
    def test_refuses_a_shape(self, shape):
        with pytest.raises(
            PlanError, match="sides are at least 1 and coordinates at most 268,435,456"
        ):
            make_sum(name="a", shape=shape)

    @pytest.mark.parametrize(("shape", "size"), [((), 1), ((1,), 1), ([3, 4], 12), ((2, 3, 4), 24)])
    def test_takes_a_shape(self, shape, size):
        declared = make_sum(shape=shape)
        assert declared.shape == tuple(shape)
        assert declared.size == size

    def test_takes_the_most_coordinates(self):
        assert make_sum(shape=(MAX_SIZE,), norm=Norm.LINF).size == MAX_SIZE

    @pytest.mark.parametrize("capacity", [0, -3])
    def test_counts_at_least_one_unit(self, capacity):
        with pytest.raises(PlanError, match=f"capacity {capacity}; count at least 1"):
            make_sum(capacity=capacity)

    def test_over_parties_counts_one(self):
        with pytest.raises(PlanError, match="unit 'party' and capacity 2; a party is one unit"):
            make_sum(unit=Unit.PARTY, capacity=2)
        assert make_sum(unit=Unit.PARTY, unit_bound=3, capacity=1).party_range == 3.0

    def test_range_is_not_the_sensitivity(self):
        declared = make_sum(unit_bound=2.5, capacity=40)
        assert declared.party_range == 100.0
        assert declared.sensitivity(ADD_OR_REMOVE) < 2.6

    def test_is_frozen(self):
        with pytest.raises(FrozenInstanceError):
            make_sum().unit_bound = 2.0


class TestSensitivity:
    """By hand: γ is the largest power of two with γ (1 + 2^-16) ‖1‖ ≤ B / 100."""

    @pytest.mark.parametrize(
        ("bound", "shape", "norm", "resolution", "ones"),
        [
            (1.0, (), Norm.L2, 2**-7, 1),  # 0.0078 ≤ 0.01
            (10.0, (), Norm.L2, 2**-4, 1),  # 0.0625 ≤ 0.1
            (3.0, (100,), Norm.L2, 2**-9, 10),  # 0.00195 × 10 ≤ 0.03
            (3.0, (10, 10), Norm.L1, 2**-12, 100),  # 0.000244 × 100 ≤ 0.03
            (3.0, (100,), Norm.LINF, 2**-6, 1),  # 0.0156 ≤ 0.03
            (1.5625, (), Norm.L2, 2**-7, 1),  # 2^-6 is 1 %, and with the fine grid above it
        ],
    )
    def test_of_one_sum(self, bound, shape, norm, resolution, ones):
        declared = make_sum(unit_bound=bound, shape=shape, norm=norm)
        rounding = resolution * (1 + 2**-16) * ones
        assert declared.lattice.resolution == resolution
        assert declared.sensitivity(ADD_OR_REMOVE) == pytest.approx(bound + rounding, rel=1e-15)
        assert declared.sensitivity(REPLACE) == pytest.approx(2 * bound + rounding, rel=1e-15)

    @pytest.mark.parametrize("neighbours", [ADD_OR_REMOVE, REPLACE], ids=["add", "replace"])
    @pytest.mark.parametrize("norm", Norm)
    def test_bounds_what_one_unit_moves(self, norm, neighbours):
        """Against the contributions themselves: an extreme unit more, or in another's place."""
        group = SumGroup((make_sum(shape=(6,), unit_bound=0.7, norm=norm, capacity=50),))
        rng = np.random.default_rng(0)
        order = {Norm.L1: 1, Norm.L2: 2, Norm.LINF: np.inf}[norm]
        allowed = group.sums[0].sensitivity(neighbours)
        moved = []
        for seed in range(200):
            rest, one = rng.normal(size=(20, 6)), 100 * rng.normal(size=(1, 6))
            before = np.vstack([rest, -one]) if neighbours is REPLACE else rest
            after = np.vstack([rest, one])
            difference = total(group, after, seed) - total(group, before, seed)
            moved.append(np.linalg.norm(difference, ord=order))
        assert allowed * 0.97 < max(moved) <= allowed

    def test_beyond_the_capacity_adding_one_counts_as_replacing_one(self):
        """The unit that is added takes another's place among those counted."""
        group = SumGroup((make_sum(unit_bound=1.0, capacity=3),))
        rest = np.array([-1.0, -1.0, -1.0])
        moved = abs(total(group, [1.0, *rest], 0) - total(group, rest, 0))
        declared = group.sums[0]
        assert declared.sensitivity(ADD_OR_REMOVE) < moved <= declared.sensitivity(REPLACE)

    def test_bounds_what_one_record_moves_in_a_sum_over_parties(self):
        """A party's unit is its mean here: one record more turns it from -1 to 1."""
        group = SumGroup((make_sum(unit=Unit.PARTY, capacity=1),))
        moved = abs(total(group, 1.0, 0) - total(group, -1.0, 0))
        assert moved <= group.sums[0].sensitivity(Neighbours(unit=Unit.RECORD))
        assert moved > group.sums[0].sensitivity(Neighbours(unit=Unit.PARTY))


class TestSumGroup:
    def test_needs_a_sum(self):
        with pytest.raises(PlanError, match="a group without sums"):
            SumGroup(())

    def test_names_each_sum_once(self):
        with pytest.raises(PlanError, match="sums named total, total; use each name once"):
            SumGroup((make_sum(), make_sum(capacity=2)))

    def test_has_one_unit(self):
        with pytest.raises(PlanError, match=r"mixes the units person, record; .* over the same"):
            SumGroup((make_sum(), make_sum(name="b", unit=Unit.PERSON)))

    def test_has_a_largest_size(self):
        half = {"shape": (MAX_SIZE // 2,), "norm": Norm.LINF}
        one, other = (make_sum(name=name, **half) for name in "ab")
        assert SumGroup((one, other)).size == MAX_SIZE
        with pytest.raises(PlanError, match=r"268,435,457 coordinates; at most 268,435,456 fit"):
            SumGroup((one, other, make_sum(name="c")))

    def test_finds_sums_by_name(self):
        group = SumGroup((make_sum(name="a"), make_sum(name="b", shape=(3,))))
        assert group["b"] is group.sums[1]
        assert group.size == 4
        assert group.unit is Unit.RECORD
        with pytest.raises(KeyError, match="c"):
            group["c"]

    @pytest.mark.parametrize("neighbours", [ADD_OR_REMOVE, REPLACE], ids=["add", "replace"])
    def test_joint_sensitivity_by_hand(self, neighbours):
        """Each sum over its bound, in L2; L∞ over four coordinates counts √4 times."""
        group = SumGroup(
            (
                make_sum(name="a", unit_bound=1.0),
                make_sum(name="b", unit_bound=10.0, norm=Norm.L1),
                make_sum(name="c", unit_bound=3.0, shape=(4,), norm=Norm.LINF),
            )
        )
        fine = 1 + 2**-16
        distance = 1 if neighbours is ADD_OR_REMOVE else 2
        parts = [
            distance + 2**-7 * fine,
            distance + 2**-4 * fine / 10,
            (distance + 2**-6 * fine / 3) * 2,
        ]
        expected = math.sqrt(sum(part**2 for part in parts))
        assert group.joint_sensitivity(neighbours) == pytest.approx(expected, rel=1e-14)

    def test_joint_sensitivity_of_k_equal_sums_grows_with_the_root(self):
        group = SumGroup(tuple(make_sum(name=name) for name in "abcdefghi"))
        one = make_sum().sensitivity(ADD_OR_REMOVE)
        assert group.joint_sensitivity(ADD_OR_REMOVE) == pytest.approx(3 * one)


def total(group, units, seed):
    """What one party contributes with these units, as a real vector."""
    accumulator = Accumulator(group)
    accumulator.add({group.sums[0].name: units})
    integers = accumulator.finish(seed=seed, party="a", round_number=0)
    return decode(group, integers)[group.sums[0].name]
