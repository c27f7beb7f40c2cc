"""Constants found by sums are those of the pooled table, and noise stays noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import confide as cf
from confide.aggregation import Accumulator, Placed, Summed, decode
from confide.errors import DataError, PlanError
from confide.plan import Norm, Sum, SumGroup
from confide.tables import Missing, Number, Scale, Schema, Target, rounds_of, summaries
from confide.tables.grid import BINS, coarse_bin, coarse_range, denoised, fine_bin
from confide.tables.schema import CONSTANTS, QUANTILES

CURIOUS = cf.Threat(confidentiality=cf.Adversary(coordinator=cf.Corruption.CURIOUS))
SCHEMA = Schema(
    features={
        "age": Number(),
        "income": Number(scale=Scale.LOG1P),
        "year": Number(scale=Scale.QUANTILE),
        "pressure": Number(missing=Missing.INDICATOR),
        "temperature": Number(bounds=(-50, 50)),
    },
    label="cost",
    target=Target(),
)


def owners(rows=500, seed=0):
    rng = np.random.default_rng(seed)
    data = {}
    for shift, name in enumerate("abcd"):
        data[name] = pd.DataFrame(
            {
                "age": rng.normal(40 + 5 * shift, 10, rows).round(),
                "income": np.exp(rng.normal(10, 1, rows)),
                "year": rng.integers(2010, 2020, rows),
                "pressure": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(120, 15, rows)),
                "temperature": rng.normal(-5, 10, rows),
                "cost": rng.normal(-1e5, 3e4, rows),
            }
        )
    return data


def found(schema, data, **fields):
    stage = summaries(schema, capacity=10_000)
    plan = stage.plan(parties=list(data), rounds=rounds_of(schema), threat=CURIOUS, **fields)
    return cf.simulate(plan, data, computation=stage).state


class TestPooled:
    def test_bounds_end_where_values_do(self):
        """A range of powers of two around a year is thousands of days wide; the year is not."""
        rng = np.random.default_rng(0)
        data = {n: pd.DataFrame({"day": rng.uniform(20_500, 20_800, 400), "y": 0.0}) for n in "abc"}
        schema = Schema(features={"day": Number()}, label="y", target=Target(bounds=(0, 1)))
        lower, upper = found(schema, data)[CONSTANTS][0, :2]
        assert 20_480 < lower < 20_520
        assert 20_780 < upper < 20_820

    def test_means_and_deviations(self):
        data = owners()
        pooled = pd.concat(data.values())
        state = found(SCHEMA, data)
        expected = [pooled.age, np.log1p(pooled.income), pooled.year, pooled.pressure,
                    pooled.temperature, pooled.cost]  # fmt: skip
        for (_, _, mean, deviation), values in zip(state[CONSTANTS], expected, strict=True):
            assert mean == pytest.approx(values.mean(), abs=0.05 * values.std())
            assert deviation == pytest.approx(values.std(), rel=0.05)

    def test_quantiles(self):
        data = owners()
        pooled = pd.concat(data.values())
        state = found(SCHEMA, data)
        levels = state[QUANTILES].shape[1]
        expected = np.quantile(pooled.age, np.linspace(0, 1, levels))
        assert np.abs(state[QUANTILES][0] - expected)[2:-2].max() < 1.5

    def test_inputs_are_standardised(self):
        data = owners()
        pooled = pd.concat(data.values())
        state = found(SCHEMA, data)
        rows = SCHEMA.read(pooled)
        x = SCHEMA.inputs(rows, state)
        for name in ("age", "income", "temperature"):
            column = x[:, SCHEMA.names.index(name)]
            assert abs(column.mean()) < 0.05
            assert column.std() == pytest.approx(1, abs=0.05)
        y = SCHEMA.targets(rows, state)
        assert y.std() == pytest.approx(1, abs=0.05)
        away = np.abs(SCHEMA.outputs(y, state) - pooled.cost.to_numpy())
        assert np.quantile(away, 0.99) < 500  # all but those that found bounds cut

    def test_how_rows_are_split_changes_nothing(self):
        data = owners()
        pooled = pd.concat(data.values(), ignore_index=True)
        cuts = np.split(np.random.default_rng(1).permutation(len(pooled)), [50, 300, 1900])
        other = {name: pooled.iloc[cut] for name, cut in zip("abcd", cuts, strict=True)}
        assert np.allclose(found(SCHEMA, data)[CONSTANTS], found(SCHEMA, other)[CONSTANTS])

    def test_one_round_if_all_bounds_are_declared(self):
        schema = Schema(features={"age": Number(bounds=(0, 120))}, label="y")
        assert rounds_of(schema) == 1
        data = {n: pd.DataFrame({"age": [30, 50], "y": [0, 1]}) for n in "abcd"}
        assert found(schema, data)[CONSTANTS][0] == pytest.approx([0, 120, 40, 10], abs=0.2)

    def test_a_constant_column_divides_by_no_zero(self):
        schema = Schema(features={"x": Number()}, label="y")
        data = {n: pd.DataFrame({"x": [0.0] * 5, "y": [0, 1, 0, 1, 0]}) for n in "abcd"}
        state = found(schema, data)
        assert np.abs(schema.inputs(schema.read(data["a"]), state)).max() < 1


class TestNoise:
    def test_constants_are_near_the_pooled_ones(self):
        data = owners(rows=1500)
        pooled = pd.concat(data.values())
        noise = cf.Calibrated(kind=cf.NoiseShares, epsilon=1.0, delta=1e-5)
        state = found(SCHEMA, data, noise=noise)
        age, cost = state[CONSTANTS][0], state[CONSTANTS][5]
        assert age[2] == pytest.approx(pooled.age.mean(), abs=0.5 * pooled.age.std())
        assert 0.5 < age[3] / pooled.age.std() < 2
        assert cost[2] == pytest.approx(pooled.cost.mean(), abs=0.5 * pooled.cost.std())

    def test_joined_bins_beat_the_noise(self):
        rng = np.random.default_rng(3)
        counts = np.bincount(fine_bin(rng.normal(0, 1, 4000), -8, 8), minlength=BINS)
        noisy = counts + rng.normal(0, 8, BINS)
        clean = denoised(noisy, 8.0)
        middles = np.linspace(-8, 8, BINS)
        spread = np.sqrt(clean @ middles**2 / clean.sum())
        assert spread == pytest.approx(1, abs=0.3)
        assert denoised(counts.astype(float), 0.0) == pytest.approx(counts)

    def test_noise_alone_is_no_data(self):
        noisy = np.random.default_rng(4).normal(0, 8, BINS)
        assert np.ptp(denoised(noisy, 8.0)) == 0


class TestGrid:
    @pytest.mark.parametrize("value", [0.0, 1.0, -1.0, 3.7, -1e5, 1e-5, 1e12])
    def test_a_value_is_in_the_range_of_its_bin(self, value):
        counts = np.zeros(BINS)
        counts[coarse_bin(np.array([value]))] = 1
        lower, upper = coarse_range(counts, 0.0) or (0.0, 0.0)
        assert lower <= value <= upper
        assert upper - lower <= max(abs(value), 1e-5)

    def test_one_odd_value_in_thousands_is_left_out(self):
        counts = np.bincount(coarse_bin(np.append(np.full(5000, 10.0), 1e12)), minlength=BINS)
        assert (coarse_range(counts.astype(float), 0.0) or (0.0, 99.0))[1] < 20


class TestForms:
    GROUP = SumGroup((Sum(name="h", shape=(2, 3), unit_bound=2.0**0.5, norm=Norm.L2, capacity=10),))

    def total(self, given):
        accumulator = Accumulator(self.GROUP)
        accumulator.add({"h": given})
        return decode(self.GROUP, accumulator.finish(seed=0, party="a", round_number=0))["h"]

    def test_places_are_the_rows_that_they_stand_for(self):
        rng = np.random.default_rng(0)
        places = np.array([rng.choice(6, 2, replace=False) for _ in range(9)])
        values = rng.normal(size=(9, 2)) * 3
        placed = Placed(places, values)
        assert np.array_equal(self.total(placed), self.total(placed.dense(6).reshape(9, 2, 3)))

    def test_a_sum_is_the_rows_that_it_is_of(self):
        rows = np.random.default_rng(1).normal(size=(9, 2, 3)) / 3
        given = Summed(rows.sum(axis=0), 9)
        assert self.total(given) == pytest.approx(self.total(rows), abs=0.02)

    def test_capacity_counts_places(self):
        places = np.zeros((12, 1), np.intp)
        assert self.total(Placed(places, np.ones((12, 1))))[0, 0] == pytest.approx(10, abs=0.02)

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            (Placed(np.array([[0, 0]]), np.ones((1, 2))), "twice in one unit"),
            (Placed(np.array([[6]]), np.ones((1, 1))), "outside its 6"),
            (Placed(np.array([[-1]]), np.ones((1, 1))), "outside its 6"),
            (Placed(np.array([[0.5]]), np.ones((1, 1))), "whole numbers"),
            (Placed(np.array([[1]]), np.full((1, 1), np.nan)), "NaN or infinite"),
            (Summed(np.ones(6), 3), "shape"),
            (Summed(np.full((2, 3), 9.0), 3), "does not keep each within"),
            (Summed(np.full((2, 3), np.inf), 3), "NaN or infinite"),
            (Summed(np.zeros((2, 3)), 11), "a sum of 11 units"),
        ],
    )
    def test_what_fits_no_sum_is_refused(self, given, message):
        with pytest.raises(DataError, match=message):
            self.total(given)

    def test_a_plan_with_noise_takes_no_sum_in_floating_point(self):
        """One unit more may change the rounding of all (Casacuberta et al. 2022)."""
        total = SumGroup((Sum(name="t", unit_bound=1, capacity=100),))
        made = cf.Computation(
            task=cf.Task.of("t"), sums=total, columns=("x",), init=dict,
            contribute=lambda state, data, rng: {"t": Summed(data["x"].sum(), len(data["x"]))},
            update=lambda state, totals: dict(totals),
        )  # fmt: skip
        noise = cf.Calibrated(kind=cf.NoiseShares, epsilon=1.0, delta=1e-5)
        plan = made.plan(parties=list("abcd"), noise=noise, threat=CURIOUS)
        data = {name: {"x": [0.5, 1.0]} for name in "abcd"}
        with pytest.raises(PlanError, match="as a sum, and the plan adds noise"):
            cf.simulate(plan, data, computation=made)
        exact = made.plan(parties=list("abcd"), threat=CURIOUS)
        run = cf.simulate(exact, data, computation=made)
        assert run.state["t"] == pytest.approx(6, abs=0.1)
