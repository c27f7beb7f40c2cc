"""One round of FedSGD is one full-batch gradient step on everybody's rows, up to the lattice."""

from dataclasses import replace

import numpy as np
import pytest
from tests.learning.algorithms.plain import (
    MODEL,
    PROTECTIONS,
    TABLE,
    clip,
    draw_rows,
    penalty,
    rounding,
    row_gradients,
    together,
)

from confide.aggregation import decode
from confide.engines import simulate
from confide.errors import DataError, PlanError
from confide.learning import GeneralisedLinearModel, fed_sgd
from confide.learning.models.families import Categorical
from confide.plan import Neighbours, Unit

RATE = 0.7
LOOSE = 100.0
"""A clipping norm that no row's gradient reaches."""
DATA = {"north": draw_rows(3), "south": draw_rows(40), "west": draw_rows(217)}


def train(
    data,
    *,
    clip_norm_l2=LOOSE,
    capacity=500,
    rounds=1,
    protection="clear",
    averaged=False,
    **fields,
):
    computation = fed_sgd(
        MODEL, TABLE, capacity=capacity, clip_norm_l2=clip_norm_l2, learning_rate=RATE,
        averaged=averaged,
    )  # fmt: skip
    plan = computation.plan(
        parties=list(data), rounds=rounds, **PROTECTIONS[protection], **fields
    )  # fmt: skip
    return simulate(plan, data)


def pooled_step(w, rows, clip_norm_l2=LOOSE):
    gradients = clip(row_gradients(w, rows), clip_norm_l2)
    return w - RATE * (gradients.mean(axis=0) + penalty(w))


def tolerance(run, rows):
    """The lattice's, and a little for the last bits of floats."""
    return RATE * rounding(run.plan.sums["gradient"], len(run.plan.parties), rows) / rows + 1e-12


def released(run, number=0):
    return decode(run.plan.sums, run.totals[number].totals)


class TestStep:
    @pytest.mark.parametrize("protection", PROTECTIONS)
    @pytest.mark.parametrize("clip_norm_l2", [LOOSE, 0.3, 0.01])
    def test_is_the_pooled_gradient_step_to_lattice_resolution(self, protection, clip_norm_l2):
        run = train(DATA, clip_norm_l2=clip_norm_l2, protection=protection)
        expected = pooled_step(np.zeros(3), together(*DATA.values()), clip_norm_l2)
        off = np.abs(run.state["parameters"] - expected).max()
        assert off <= tolerance(run, 260)
        assert np.abs(expected).max() > 20 * tolerance(run, 260)

    def test_follows_the_pooled_descent_for_many_rounds(self):
        run = train(DATA, rounds=12)
        w = np.zeros(3)
        for _ in range(12):
            w = pooled_step(w, together(*DATA.values()))
        assert np.abs(run.state["parameters"] - w).max() <= 12 * tolerance(run, 260)

    def test_averaged_is_the_mean_of_the_steps_with_rising_weights(self):
        run = train(DATA, rounds=12, averaged=True)
        w, steps = np.zeros(3), []
        for _ in range(12):
            w = pooled_step(w, together(*DATA.values()))
            steps.append(w)
        mean = np.average(steps, axis=0, weights=np.arange(1, 13))
        assert np.abs(run.state["parameters"] - mean).max() <= 12 * tolerance(run, 260)
        assert np.abs(run.state["parameters"] - w).max() > 20 * tolerance(run, 260)

    def test_counts_the_rows_exactly(self):
        assert released(train(DATA))["records"] == 260

    def test_starts_from_zero_and_moves_by_the_penalty_alone_where_gradients_vanish(self):
        """One row of each class at the same place, from zero: their gradients cancel."""
        twins = {"a": np.array([1.0, 1.0]), "b": np.array([2.0, 2.0]), "y": np.array([0.0, 1.0])}
        run = train(dict.fromkeys(DATA, twins))
        assert np.abs(run.state["parameters"]).max() <= tolerance(run, 6)

    def test_leaves_out_a_party_that_dropped_out(self):
        from confide.engines import Drop

        data = {**DATA, "zenith": draw_rows(90)}
        computation = fed_sgd(MODEL, TABLE, capacity=500, clip_norm_l2=LOOSE, learning_rate=RATE)
        plan = computation.plan(parties=list(data), dropouts=1, **PROTECTIONS["masked"])
        run = simulate(plan, data, drops=[Drop("zenith", first_round=0)])
        expected = pooled_step(np.zeros(3), together(*DATA.values()))
        assert np.abs(run.state["parameters"] - expected).max() <= tolerance(run, 260)

    def test_does_not_depend_on_how_rows_are_chunked(self):
        whole, parts = (train(DATA, chunk_records=size) for size in (4096, 7))
        assert np.array_equal(whole.totals[0].totals, parts.totals[0].totals)

    def test_does_not_depend_on_who_holds_which_row(self):
        """Beyond the dither of each party's total."""
        pooled = together(*DATA.values())
        dealt = {
            name: {column: values[i::3] for column, values in pooled.items()}
            for i, name in enumerate(DATA)
        }
        one, other = train(DATA), train(dealt)
        off = np.abs(one.state["parameters"] - other.state["parameters"]).max()
        assert off <= 2 * tolerance(one, 260)

    def test_stays_where_it_is_if_no_row_was_counted(self):
        computation = fed_sgd(MODEL, TABLE, capacity=5, clip_norm_l2=1.0)
        state = {"parameters": np.ones(3)}
        nothing = {"gradient": np.ones(3), "records": np.array(0.0)}
        assert np.array_equal(computation.update(state, nothing)["parameters"], np.ones(3))


class TestClipping:
    def test_bounds_what_one_row_can_do(self):
        """A party swaps one row for the worst there is: the sum moves by twice the bound at most,
        once out and once in."""
        bound = 0.25
        worse = {name: values.copy() for name, values in DATA["north"].items()}
        worse["a"][1], worse["b"][1], worse["y"][1] = 1e9, -1e9, 1 - worse["y"][1]
        before = released(train(DATA, clip_norm_l2=bound))["gradient"]
        after = released(train({**DATA, "north": worse}, clip_norm_l2=bound))["gradient"]
        run = train(DATA, clip_norm_l2=bound)
        replaced = 2 * run.plan.sums["gradient"].sensitivity(Neighbours())
        assert 0.1 * bound < np.linalg.norm(after - before) <= replaced

    def test_keeps_the_direction_of_a_gradient(self):
        row = {"a": np.array([3.0]), "b": np.array([2.0]), "y": np.array([1.0])}
        alone = train(dict.fromkeys(DATA, row), clip_norm_l2=0.1)
        direction = released(alone)["gradient"] / 3
        expected = clip(row_gradients(np.zeros(3), row)[0], 0.1)
        assert np.abs(direction - expected).max() <= rounding(alone.plan.sums["gradient"], 1, 1)
        assert np.linalg.norm(expected) == pytest.approx(0.1)


class TestCapacity:
    def test_counts_a_party_s_first_rows_only(self):
        run = train(DATA, capacity=50)
        first = {name: {c: v[:50] for c, v in rows.items()} for name, rows in DATA.items()}
        assert released(run)["records"] == 3 + 40 + 50
        expected = pooled_step(np.zeros(3), together(*first.values()))
        assert np.abs(run.state["parameters"] - expected).max() <= tolerance(run, 93)


class TestDeclaration:
    def test_is_per_record(self):
        computation = fed_sgd(MODEL, TABLE, capacity=77, clip_norm_l2=0.5)
        gradient, records = computation.sums["gradient"], computation.sums["records"]
        assert gradient.unit is records.unit is Unit.RECORD
        assert (gradient.unit_bound, gradient.capacity, gradient.shape) == (0.5, 77, (3,))
        assert (records.unit_bound, records.capacity, records.shape) == (1.0, 77, ())

    def test_reads_the_table_s_columns_and_no_others(self):
        assert fed_sgd(MODEL, TABLE, capacity=5, clip_norm_l2=1.0).columns == ("a", "b", "y")

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            pytest.param({"learning_rate": 0.0}, "learning_rate is 0.0", id="no rate"),
            pytest.param({"learning_rate": float("nan")}, "learning_rate is nan", id="nan rate"),
            pytest.param({"learning_rate": float("inf")}, "cannot hold|inf", id="infinite rate"),
            pytest.param({"clip_norm_l2": 0.0}, "unit_bound 0.0", id="no bound"),
            pytest.param({"clip_norm_l2": float("inf")}, "unit_bound inf", id="infinite bound"),
            pytest.param({"capacity": 0}, "capacity 0", id="no capacity"),
        ],
    )
    def test_is_refused_where_a_bound_is_missing(self, settings, message):
        with pytest.raises(PlanError, match=message):
            fed_sgd(MODEL, TABLE, **{"capacity": 5, "clip_norm_l2": 1.0, **settings})

    def test_is_refused_where_model_and_table_do_not_fit(self):
        model = replace(MODEL, n_features=3)
        with pytest.raises(PlanError, match="3 features over a table of 2"):
            fed_sgd(model, TABLE, capacity=5, clip_norm_l2=1.0)


class TestClasses:
    """How many classes there are is public and part of the plan, so a party need not have all."""

    def train(self, labels):
        model = GeneralisedLinearModel(family=Categorical(n_classes=3), n_features=2)
        computation = fed_sgd(model, TABLE, capacity=50, clip_norm_l2=LOOSE)
        data = {
            name: {"a": np.ones(len(y)), "b": np.full(len(y), 2.0), "y": np.array(y)}
            for name, y in labels.items()
        }
        return simulate(computation.plan(parties=list(labels)), data)

    def test_need_not_all_be_at_every_party_or_anywhere(self):
        """Six rows at one point from zero: a class's weight moves by η (its share - 1/3)."""
        run = self.train({"north": [0, 0], "south": [1, 1], "west": [0, 0]})
        moved = run.state["parameters"].reshape(3, 3)
        expected = 0.5 * (np.array([4, 2, 0]) / 6 - 1 / 3)
        off = rounding(run.plan.sums["gradient"], 3, 6) / 6 + 1e-12
        assert np.abs(moved[0] - expected).max() <= off
        assert np.abs(moved[2] - expected).max() <= off

    @pytest.mark.parametrize("odd", [3, -1, 0.5])
    def test_that_were_not_agreed_on_are_refused(self, odd):
        with pytest.raises(DataError, match="classes are the whole numbers 0 to 2"):
            self.train({"north": [0, 1], "south": [1, 2], "west": [0, odd]})


class TestBadData:
    @pytest.mark.parametrize(
        ("column", "values", "message"),
        [
            pytest.param("a", [np.nan, 1.0], "'west'.*NaN.*'a'", id="missing value"),
            pytest.param("b", [np.inf, 1.0], "'west'.*infinity.*'b'", id="infinity"),
            pytest.param("y", [0.0, 2.0], "'west': column 'y': .* 0 or 1", id="third class"),
            pytest.param("a", [1.0], "different lengths", id="short column"),
            pytest.param("a", ["x", "y"], "numbers are needed", id="text"),
        ],
    )
    def test_is_refused_before_anything_leaves(self, column, values, message):
        rows = {"a": [1.0, 2.0], "b": [2.0, 2.0], "y": [0.0, 1.0]}
        odd = {name: np.array(values if name == column else v) for name, v in rows.items()}
        with pytest.raises(DataError, match=message):
            train({**DATA, "west": odd})

    def test_names_a_record_of_a_later_chunk(self):
        rows = {"a": np.ones(5), "b": np.ones(5), "y": np.array([0, 1, 0, 1, 987654])}
        computation = fed_sgd(MODEL, TABLE, capacity=500, clip_norm_l2=LOOSE)
        plan = computation.plan(parties=list(DATA), chunk_records=3)
        said = "party 'west', counted from row 3: column 'y': a target out of range in record 1;"
        with pytest.raises(DataError, match=said) as refusal:
            simulate(plan, {**DATA, "west": rows})
        assert "987654" not in str(refusal.value)

    def test_without_the_label_is_refused(self):
        unlabelled = {"a": np.ones(2), "b": np.ones(2), "why": np.ones(2)}
        with pytest.raises(DataError, match="'west' has no column 'y'"):
            train({**DATA, "west": unlabelled})

    def test_that_makes_the_descent_diverge_is_an_error_and_no_state(self):
        model = replace(MODEL, l2=1e6)
        computation = fed_sgd(model, TABLE, capacity=500, clip_norm_l2=LOOSE, learning_rate=1e6)
        with pytest.raises(DataError, match="diverges"):
            simulate(computation.plan(parties=list(DATA), rounds=60), DATA)
