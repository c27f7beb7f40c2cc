"""Clipping, capacity and rounding: where real numbers become the integers that are summed."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from confide.aggregation import Accumulator, Placed, RoundResult, Summed, decode
from confide.aggregation.numbers import real_numbers
from confide.errors import DataError
from confide.plan import Neighbours, Norm, Relation, Sum, SumGroup, Unit

ORDERS = {Norm.L1: 1, Norm.L2: 2, Norm.LINF: np.inf}
REALS = st.floats(allow_nan=False, allow_infinity=False, width=64)


def a_sum(**fields) -> Sum:
    return Sum(**{"name": "total", "unit_bound": 1.0, "capacity": 100, **fields})


def integers_of(group, *chunks, seed=0, party="alder", round_number=0, persons=None):
    """What a party contributes that adds these chunks of units."""
    accumulator = Accumulator(group)
    for chunk in chunks:
        accumulator.add(chunk, persons)
    return accumulator.finish(seed=seed, party=party, round_number=round_number)


def contribution(declared, rows, **context):
    """A party's lattice integers in one sum."""
    return integers_of(SumGroup((declared,)), {declared.name: rows}, **context)


def value(declared, rows, **context):
    """A party's contribution to one sum, as it is added up."""
    group = SumGroup((declared,))
    return decode(group, contribution(declared, rows, **context))[declared.name]


@st.composite
def sums_with_rows(draw, unit=Unit.RECORD):
    """A sum, and rows of about the size of its bound or far beyond it."""
    declared = a_sum(
        shape=(draw(st.integers(1, 12)),),
        unit=unit,
        unit_bound=draw(st.floats(1e-3, 1e3)),
        norm=draw(st.sampled_from(Norm)),
        capacity=draw(st.integers(1, 8)),
    )
    count, seed = draw(st.integers(1, 12)), draw(st.integers(0, 2**32))
    scale = declared.unit_bound * draw(st.sampled_from([1e-3, 1.0, 10.0, 1e6]))
    return declared, np.random.default_rng(seed).normal(size=(count, declared.size)) * scale


class TestClipping:
    @given(sums_with_rows())
    def test_a_unit_moves_the_sum_by_its_bound_at_most(self, case):
        declared, rows = case
        rounding = declared.lattice.resolution * declared.norm.of_ones(declared.size)
        for row in rows:
            length = np.linalg.norm(value(declared, row[np.newaxis]), ord=ORDERS[declared.norm])
            assert length <= declared.unit_bound + rounding * (1 + 2**-15)

    @given(sums_with_rows())
    def test_a_unit_within_the_bound_is_left_as_it_is(self, case):
        declared, rows = case
        order = ORDERS[declared.norm]
        within = rows[:1] * min(1, 0.999 * declared.unit_bound / np.linalg.norm(rows[0], ord=order))
        step = declared.lattice.resolution * (1 + 2**-16)
        assert np.abs(value(declared, within) - within[0]).max() <= step

    @pytest.mark.parametrize("norm", [Norm.L1, Norm.L2])
    def test_a_longer_one_keeps_its_direction(self, norm):
        declared = a_sum(shape=(2,), norm=norm)
        clipped = value(declared, [[30.0, 40.0]])
        expected = np.array([3, 4]) / (7 if norm is Norm.L1 else 5)
        assert clipped == pytest.approx(expected, abs=2 * declared.lattice.resolution)

    def test_in_the_maximum_norm_each_coordinate_is_cut_by_itself(self):
        declared = a_sum(shape=(3,), norm=Norm.LINF)
        assert value(declared, [[30.0, -40.0, 0.25]]) == pytest.approx([1, -1, 0.25], abs=0.02)

    @pytest.mark.parametrize("norm", Norm)
    @pytest.mark.parametrize("size", [1e308, 1e200, 1e-200, 5e-324, 0.0])
    def test_huge_and_tiny_numbers_neither_overflow_nor_vanish_into_nan(self, norm, size):
        declared = a_sum(shape=(4,), norm=norm)
        got = value(declared, [[size, -size, size, size]])
        each = min(size, {Norm.L1: 0.25, Norm.L2: 0.5, Norm.LINF: 1.0}[norm])
        expected = np.array([1, -1, 1, 1]) * each
        assert got == pytest.approx(expected, abs=2 * declared.lattice.resolution)


class TestExactness:
    @given(sums_with_rows(), st.data())
    def test_chunks_do_not_matter(self, case, data):
        """A party reads its rows in any chunks, and gets the same bits."""
        declared, rows = case
        ends = data.draw(st.lists(st.integers(0, len(rows)), max_size=3).map(sorted))
        chunks = [{"total": part} for part in np.split(rows, ends)]
        group = SumGroup((declared,))
        assert (integers_of(group, *chunks) == contribution(declared, rows)).all()

    @given(sums_with_rows(), st.randoms(use_true_random=False))
    def test_the_order_of_the_rows_does_not_matter_below_the_capacity(self, case, chance):
        declared, rows = case
        rows = rows[: declared.capacity]
        order = chance.sample(range(len(rows)), len(rows))
        assert (contribution(declared, rows[order]) == contribution(declared, rows)).all()

    @given(sums_with_rows())
    def test_a_contribution_stays_within_the_declared_range(self, case):
        declared, rows = case
        for many in (
            rows,
            np.repeat(rows[:1], 20, axis=0),
            np.abs(rows) * 1e6,
            -np.abs(rows) * 1e6,
        ):
            assert np.abs(contribution(declared, many)).max() <= declared.lattice.party_range

    def test_sums_of_a_group_stand_in_its_order(self):
        group = SumGroup((a_sum(shape=(2,)), a_sum(name="count", unit_bound=8.0, shape=(2, 1))))
        units = {"count": [[[1.0], [2.0]]], "total": [[0.5, -0.25]]}
        decoded = decode(group, integers_of(group, units))
        assert {name: array.shape for name, array in decoded.items()} == {
            "total": (2,),
            "count": (2, 1),
        }
        assert decoded["total"] == pytest.approx([0.5, -0.25], abs=0.01)
        assert decoded["count"] == pytest.approx(np.array([[1.0], [2.0]]), abs=0.05)

    @given(st.lists(st.integers(-(2**40), 2**40), min_size=3, max_size=3))
    def test_decoding_multiplies_by_a_power_of_two(self, integers):
        declared = a_sum(shape=(3,))
        decoded = decode(SumGroup((declared,)), np.array(integers))["total"]
        assert decoded.tolist() == [i * declared.lattice.resolution for i in integers]

    def test_is_the_same_on_every_machine(self):
        declared = a_sum(shape=(5,), capacity=2)
        got = contribution(declared, [[0.1, 0.2, 0.3, 0.4, 0.5], [1, -1, 1, -1, 1]], seed=7)
        assert got.tolist() == GOLDEN


GOLDEN = [140, -63, 191, -12, 243]


class TestCapacity:
    def test_counts_the_first_units_and_no_more(self):
        declared = a_sum(capacity=3)
        assert value(declared, [1, 1, 1, 1, 1]) == pytest.approx(3, abs=0.01)

    def test_counts_over_all_chunks(self):
        group = SumGroup((a_sum(capacity=3),))
        got = decode(group, integers_of(group, {"total": [1, 1]}, {"total": [1, 1]}, {"total": []}))
        assert got["total"] == pytest.approx(3, abs=0.01)

    def test_each_sum_has_its_own(self):
        group = SumGroup((a_sum(capacity=3), a_sum(name="count", capacity=5)))
        units = {"total": np.ones(4), "count": np.ones(4)}
        decoded = decode(group, integers_of(group, units, units))
        assert decoded["total"] == pytest.approx(3, abs=0.01)
        assert decoded["count"] == pytest.approx(5, abs=0.01)

    def test_room_is_that_of_the_largest(self):
        accumulator = Accumulator(SumGroup((a_sum(capacity=3), a_sum(name="count", capacity=5))))
        rooms = []
        for _ in range(4):
            rooms.append(accumulator.room)
            accumulator.add({"total": np.ones(2), "count": np.ones(2)})
        assert rooms == [5, 3, 1, 0]


class TestPersons:
    """The unit is the person: all rows of one are added, and then clipped."""

    def test_rows_of_one_person_count_as_one_unit(self):
        declared = a_sum(unit=Unit.PERSON)
        assert value(declared, [0.9] * 10, persons=["a"] * 10) == pytest.approx(1, abs=0.01)
        assert value(declared, [0.9] * 10, persons=list("aabbccddee")) == pytest.approx(5, abs=0.05)

    def test_rows_of_one_person_cancel_before_they_are_clipped(self):
        declared = a_sum(unit=Unit.PERSON)
        assert value(declared, [9.0, -9.0, 0.5], persons=[1, 1, 1]) == pytest.approx(0.5, abs=0.01)

    def test_capacity_counts_persons(self):
        declared = a_sum(unit=Unit.PERSON, capacity=2)
        assert value(declared, [1.0] * 9, persons=list("abcabcabc")) == pytest.approx(2, abs=0.02)

    @given(st.permutations(list("aaabbcdd")))
    def test_the_order_of_the_rows_does_not_matter(self, persons):
        declared = a_sum(unit=Unit.PERSON, capacity=3)
        worth = {"a": 0.1, "b": 0.3, "c": -0.5, "d": 0.25}
        rows = [worth[p] for p in persons]
        assert value(declared, rows, persons=persons) == pytest.approx(0.4, abs=0.02)

    def test_of_several_types_are_refused(self):
        """They could not be told apart reliably: is the text 1 the number 1?"""
        mixed = np.array(["a", 1], object)
        with pytest.raises(DataError, match="several types"):
            value(a_sum(unit=Unit.PERSON), [1.0, 1.0], persons=mixed)

    def test_rows_that_add_up_to_infinity_are_refused(self):
        """Each is finite, so only their sum shows it; clipping infinity would give NaN."""
        with pytest.raises(DataError):
            value(a_sum(unit=Unit.PERSON), [1e308, 1e308], persons=["a", "a"])

    @pytest.mark.parametrize("persons", [None, ["a"], ["a", "b", "c"]])
    def test_each_row_says_who_it_is_about(self, persons):
        with pytest.raises(DataError, match="person"):
            value(a_sum(unit=Unit.PERSON), [1.0, 2.0], persons=persons)


class TestSensitivity:
    """What a neighbouring data set changes in the sum that all parties make, rounding included."""

    def change(self, declared, ours, theirs):
        context = {"seed": 3, "party": "birch", "round_number": 2}
        difference = contribution(declared, ours, **context) - contribution(
            declared, theirs, **context
        )
        return np.linalg.norm(difference * declared.lattice.resolution, ord=ORDERS[declared.norm])

    @given(sums_with_rows(), st.data())
    def test_one_record_more_moves_the_sum_by_the_sensitivity_at_most(self, case, data):
        declared, rows = case
        rows = rows[: declared.capacity]
        place = data.draw(st.integers(0, len(rows) - 1))
        change = self.change(declared, rows, np.delete(rows, place, axis=0))
        assert change <= declared.sensitivity(Neighbours())

    @given(sums_with_rows(), st.data())
    def test_another_record_moves_it_by_that_of_a_replacement_at_most(self, case, data):
        declared, rows = case
        place = data.draw(st.integers(0, len(rows) - 1))
        other = rows.copy()
        other[place] = data.draw(st.sampled_from([-1e9, -1, 0, 1e-9])) * rows[place]
        replaced = Neighbours(relation=Relation.REPLACE_ONE)
        assert self.change(declared, rows, other) <= declared.sensitivity(replaced)

    @given(sums_with_rows(), st.data())
    def test_at_a_full_party_one_record_more_counts_as_a_replacement(self, case, data):
        """It pushes another record out of the capacity, so both move the sum."""
        declared, rows = case
        assume(len(rows) > declared.capacity)
        place = data.draw(st.integers(0, len(rows) - 1))
        change = self.change(declared, rows, np.delete(rows, place, axis=0))
        assert change <= declared.sensitivity(Neighbours(relation=Relation.REPLACE_ONE))

    @pytest.mark.parametrize("norm", Norm)
    def test_the_bound_is_nearly_reached(self, norm):
        """So the sensitivity is no larger than it must be: within 3 % of what one record does."""
        declared = a_sum(shape=(6,), norm=norm, unit_bound=2.0)
        change = self.change(declared, [[9.0] * 6], np.zeros((0, 6)))
        assert change >= 0.97 * declared.sensitivity(Neighbours())


class TestDither:
    def test_rounds_to_one_of_the_two_neighbours(self):
        declared = a_sum(shape=(1000,), unit_bound=100.0, norm=Norm.LINF)
        exact = 33.3 / declared.lattice.resolution
        assert set(contribution(declared, [[33.3] * 1000])) == {int(exact), int(exact) + 1}

    def test_is_unbiased(self):
        """Over 10,000 coordinates the mean of ⌊x + r⌋ is within 5 standard errors of x."""
        declared = a_sum(shape=(10_000,), unit_bound=100.0, norm=Norm.LINF)
        step = declared.lattice.resolution
        for share in (0.1, 0.5, 0.77):
            x = (12 + share) * step
            error = np.mean(contribution(declared, [[x] * 10_000])) - x / step
            assert abs(error) < 5 * np.sqrt(share * (1 - share) / 10_000)

    def test_leaves_whole_steps_alone(self):
        declared = a_sum(shape=(100,), unit_bound=100.0, norm=Norm.LINF)
        x = 41 * declared.lattice.resolution
        assert set(contribution(declared, [[x] * 100])) == {41}

    def test_is_another_for_each_party_round_seed_and_sum(self):
        declared = a_sum(shape=(50,), unit_bound=100.0, norm=Norm.LINF)
        contexts: list[dict[str, Any]] = [
            {},
            {"seed": 1},
            {"party": "birch"},
            {"round_number": 1},
        ]
        drawn = {contribution(declared, [[33.3] * 50], **c).tobytes() for c in contexts}
        renamed = a_sum(name="other", shape=(50,), unit_bound=100.0, norm=Norm.LINF)
        drawn.add(contribution(renamed, [[33.3] * 50]).tobytes())
        assert len(drawn) == 5


class TestRefusals:
    GROUP = SumGroup((a_sum(shape=(2,)), a_sum(name="count")))

    @pytest.mark.parametrize(
        ("contributions", "says"),
        [
            ({"total": [[1, 2]]}, "no contribution to the declared sum 'count'"),
            ({"total": [[1, 2]], "count": [1], "other": [1]}, "not a declared sum"),
            ({"total": [[1, 2]], "count": [1, 2]}, "different numbers of units"),
            ({"total": [1, 2], "count": [1, 2]}, "shape"),
            ({"total": [[1, 2, 3]], "count": [1]}, "shape"),
            ({"total": [[1, 2]], "count": 1}, "shape"),
            ({"total": [[1, np.nan]], "count": [1]}, "NaN or infinite"),
            ({"total": [[1, 2], [np.inf, 1]], "count": [1, 1]}, r"infinite \(unit 1\)"),
            ({"total": [[1, -np.inf]], "count": [1]}, "NaN or infinite"),
            ({"total": [[1, 2]], "count": ["one"]}, "count"),
            ({"total": [[1, 2]], "count": [1j]}, "count"),
            ({"total": [[1, 2], [1]], "count": [1, 1]}, "total"),
            ({"total": [[1, 2]], "count": {"a": 1}}, "count"),
        ],
    )
    def test_what_does_not_fit_is_a_data_error_that_says_why(self, contributions, says):
        with pytest.raises(DataError, match=says):
            Accumulator(self.GROUP).add(contributions)

    def test_a_refused_chunk_leaves_no_trace(self):
        accumulator = Accumulator(self.GROUP)
        with pytest.raises(DataError):
            accumulator.add({"total": [[1, 1]], "count": [np.nan]})
        rest = accumulator.finish(seed=0, party="alder", round_number=0)
        assert not rest.any()
        assert accumulator.room == 100

    def test_one_party_contributes_one_unit_of_itself(self):
        group = SumGroup((a_sum(shape=(2,), unit=Unit.PARTY, capacity=1),))
        assert decode(group, integers_of(group, {"total": [0.5, 0.5]}))["total"].shape == (2,)
        with pytest.raises(DataError, match="shape"):
            Accumulator(group).add({"total": [[0.5, 0.5]]})

    NUMBERS = (
        [0.5, 0.25],
        (True, False),
        [1, 0.5],
        np.array([True, False]),
        np.array([1, 0], np.uint8),
        np.array([0.5, 0.25], np.float16),
        np.array([0.5, 1], object),
        [np.float32(0.5), np.int64(1)],
        [np.array(0.5), np.array(0.25)],
        pd.Series([0.5, 0.25]),
        pd.Series([1, 0], dtype="Int64"),
        np.array([2**60, 2**53], np.int64),
        [Fraction(731, 1000), 1],
        [Decimal("0.731"), np.float64(0.5)],
    )

    @pytest.mark.parametrize("values", NUMBERS, ids=str)
    def test_numbers_of_every_type_are_taken(self, values):
        declared = a_sum(unit_bound=2.0**61)
        exact = sum(float(v) for v in np.asarray(values).tolist())
        assert abs(value(declared, values) - exact) <= declared.lattice.resolution

    SECRET = "0.731"
    NO_NUMBERS: tuple[tuple[Any, str], ...] = (
        ([SECRET], "str"),
        (SECRET, "str"),
        (np.array([SECRET]), "str"),
        (np.array([SECRET], object), "str"),
        ([0.5, SECRET], "str"),
        ([np.array([SECRET])], "str"),
        (pd.Series([SECRET]), "str"),
        ([SECRET.encode()], "bytes"),
        (np.array([SECRET.encode()], object), "bytes"),
        ([None], "NoneType"),
        ([0.731 + 0j], "complex128"),
        (np.array([0.731 + 0j]), "complex128"),
        (np.array(["2031-07-31"], "datetime64[D]"), "datetime64"),
        (np.array([731], "timedelta64[s]"), "timedelta64"),
        ([dt.timedelta(seconds=731)], "timedelta"),
        ({"a": 0.731}, "dict"),
        (np.array([(0.731,)], [("a", float)]), "'a'"),
        (np.ma.MaskedArray([0.731], [True]), "masked"),
        ([np.ma.MaskedArray([0.731], [False])], "masked"),
    )

    @pytest.mark.parametrize(("values", "kind"), NO_NUMBERS, ids=str)
    def test_what_is_no_number_is_refused_by_type_and_never_by_value(self, values, kind):
        with pytest.raises(DataError, match="contribution to sum 'total'") as refused:
            value(a_sum(), values)
        assert kind in str(refused.value)
        assert "731" not in str(refused.value)
        assert refused.value.__cause__ is None

    TOO_LONG: tuple[Any, ...] = (
        [2**53 + 1],
        [2**53 + 1, 0.5],
        [0.5, -(2**60) - 1],
        np.array([2**53 + 1], np.int64),
        np.array([-(2**63) + 1], np.int64),
        np.array([2**64 - 1], np.uint64),
        [np.int64(2**53 + 1), 0.5],
        [np.array([2**53 + 1]), np.array([0.5])],
        np.array([2**53 + 1, 0.5], object),
        pd.Series([2**53 + 1]),
        [2**64 + 1],
        [2**2000],
    )

    @pytest.mark.parametrize("values", TOO_LONG, ids=lambda v: str(v)[:30])
    def test_whole_numbers_that_would_lose_digits_are_refused(self, values):
        """Else two data sets that differ by one would be the same, or further apart than that."""
        shape = (1,) if isinstance(values, list) and isinstance(values[0], np.ndarray) else ()
        with pytest.raises(
            DataError, match=r"'total' holds a whole number beyond 2\^53"
        ) as refused:
            value(a_sum(unit_bound=1e20, shape=shape), values)
        assert "9007199254740993" not in str(refused.value)

    @given(st.integers(-(2**70), 2**70), st.booleans())
    def test_whole_numbers_are_exact_or_refused(self, number, beside_a_float):
        values = [number, 0.5] if beside_a_float else [number]
        try:
            taken = real_numbers(values, "a test")
        except DataError:
            assert int(float(number)) != number
        else:
            assert int(taken[0]) == number

    def test_a_deep_nest_is_refused(self):
        nest: list[Any] = [1.0]
        for _ in range(2000):
            nest = [nest]
        with pytest.raises(DataError, match="nested deeper"):
            value(a_sum(), nest)


class TestIdentifiers:
    """Two persons never become one: together they would move the sum twice as far as one may."""

    @pytest.mark.parametrize(
        "persons",
        [
            ["1", 1],
            [1, True],
            [2**53, 2**53 + 1, 0.5],
            [1, 1.0],
            [b"1", "1"],
            (1, "1"),
            np.array([1, 1.0], object),
            pd.Series([1, "1"], dtype=object),
        ],
        ids=str,
    )
    def test_of_several_types_are_refused(self, persons):
        with pytest.raises(DataError, match="several types"):
            value(a_sum(unit=Unit.PERSON), [1.0] * len(persons), persons=persons)

    @pytest.mark.parametrize(
        "persons",
        [
            [2**53, 2**53 + 1],
            [2**80, 2**80 + 1],
            np.array([2**53, 2**53 + 1]),
            [np.int64(2**53), 2**53 + 1],
            ["1", "1 "],
            (0.5, 0.25),
            pd.Series(["a", "b"]),
        ],
        ids=str,
    )
    def test_of_one_type_stay_apart(self, persons):
        got = value(a_sum(unit=Unit.PERSON), [1.0, 1.0], persons=persons)
        assert got == pytest.approx(2, abs=0.02)

    @pytest.mark.parametrize(
        ("persons", "says"),
        [
            ([{}, {}], "no order"),
            ("ab", "0 axes"),
            (np.array([["a"], ["b"]]), "2 axes"),
            (np.ma.MaskedArray([1, 2], [False, True]), "masked"),
        ],
    )
    def test_that_are_none_are_refused(self, persons, says):
        with pytest.raises(DataError, match=says):
            value(a_sum(unit=Unit.PERSON), [1.0, 1.0], persons=persons)


class TestCounts:
    """What a party can be told about its own data."""

    @pytest.mark.parametrize(("norm", "clipped"), [(Norm.L1, 3), (Norm.L2, 2), (Norm.LINF, 1)])
    def test_of_clipped_units_follow_the_norm(self, norm, clipped):
        accumulator = Accumulator(SumGroup((a_sum(shape=(2,), norm=norm),)))
        accumulator.add({"total": [[0.3, 0.3], [0.6, -0.6], [0.9, 0.9], [0.0, 1e200]]})
        assert accumulator.clipped == {"total": clipped}

    def test_leave_out_units_that_are_only_rounded(self):
        accumulator = Accumulator(SumGroup((a_sum(shape=(3,)),)))
        units = np.random.default_rng(0).normal(size=(1000, 3))
        units /= np.linalg.norm(units, axis=1, keepdims=True)
        accumulator.add({"total": units[:50]})
        accumulator.add({"total": 1.001 * units[50:100]})
        assert accumulator.clipped == {"total": 50}

    def test_go_on_over_chunks_and_are_one_for_each_sum(self):
        group = SumGroup((a_sum(capacity=3), a_sum(name="count", capacity=5)))
        accumulator = Accumulator(group)
        for _ in range(2):
            accumulator.add({"total": [9.0, 0.1, 9.0, 9.0], "count": [1.0, 1.0, 1.0, 2.0]})
        assert accumulator.clipped == {"total": 2, "count": 1}
        assert accumulator.beyond_capacity == {"total": 5, "count": 3}

    def test_count_persons_where_the_unit_is_the_person(self):
        accumulator = Accumulator(SumGroup((a_sum(unit=Unit.PERSON, capacity=2),)))
        accumulator.add({"total": [0.6, 0.6, 0.1, 0.1]}, persons=["a", "a", "b", "c"])
        assert accumulator.clipped == {"total": 1}
        assert accumulator.beyond_capacity == {"total": 1}

    def test_do_not_move_with_a_refused_chunk_or_from_outside(self):
        accumulator = Accumulator(SumGroup((a_sum(),)))
        with pytest.raises(DataError):
            accumulator.add({"total": [9.0, np.nan]})
        accumulator.clipped["total"] = 7
        assert accumulator.clipped == accumulator.beyond_capacity == {"total": 0}

    def test_go_into_no_contribution(self):
        """Clipped or not, a contribution of the same clipped units is the same."""
        declared = a_sum()
        assert contribution(declared, [1.0, 50.0]) == contribution(declared, [1.0, 1.0])


def test_contributions_and_totals_are_not_shown():
    for made in (
        Placed(np.array([[1]]), np.array([[731845.5]])),
        Summed(np.array([731845.5]), 1),
        RoundResult(("a",), np.array([7318455])),
    ):
        assert "731845" not in repr(made)
