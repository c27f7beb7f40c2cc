"""Federated averaging against the same few lines in numpy."""

from dataclasses import replace

import numpy as np
import pytest
from tests.learning.algorithms.plain import (
    MODEL,
    PROTECTIONS,
    TABLE,
    clip,
    descend,
    draw_rows,
    rounding,
    together,
)

from confide.aggregation import decode
from confide.engines import Drop, simulate
from confide.errors import DataError, PlanError
from confide.learning import GeneralisedLinearModel, fed_avg
from confide.learning.models.families import Categorical
from confide.plan import Unit

RATE, STEPS, CAP = 0.4, 7, 200
LOOSE = 1.5
"""A clipping norm that no update reaches."""
ZERO = np.zeros(3)
DATA = {"north": draw_rows(5), "south": draw_rows(60), "west": draw_rows(200)}
SEED = np.random.default_rng(0)


def make(**settings):
    fields = {
        "weight_cap": CAP, "clip_norm_l2": LOOSE, "local_steps": STEPS, "learning_rate": RATE,
    }  # fmt: skip
    return fed_avg(MODEL, TABLE, **fields | settings)


def train(data, *, protection="clear", rounds=1, drops=(), fields=None, **settings):
    plan = make(**settings).plan(
        parties=list(data), rounds=rounds, **PROTECTIONS[protection], **fields or {}
    )
    return simulate(plan, data, drops=drops)


def plain_fed_avg(data, *, rounds=1, cap=CAP, clip_norm_l2=LOOSE, server_rate=1.0):
    """Algorithm 1 of McMahan et al. 2017, with capped weights and clipped weighted updates."""
    w = ZERO
    for _ in range(rounds):
        shares = [min(len(rows["y"]), cap) / cap for rows in data.values()]
        updates = [
            clip(share * (descend(w, rows, steps=STEPS, rate=RATE) - w), clip_norm_l2)
            for share, rows in zip(shares, data.values(), strict=True)
        ]
        w = w + server_rate * np.sum(updates, axis=0) / sum(shares)
    return w


def tolerance(run, data, cap=CAP):
    """What rounding moves the mean by: Δu / W + |u| Δw / W², and a little for floats."""
    sums, parties = run.plan.sums, len(data)
    weight = sum(min(len(rows["y"]), cap) / cap for rows in data.values())
    weight -= rounding(sums["weight"], parties)
    update = np.abs(released(run)["update"]).max() + rounding(sums["update"], parties)
    off = rounding(sums["update"], parties) + update * rounding(sums["weight"], parties) / weight
    return off / weight + 1e-12


def released(run, number=0):
    return decode(run.plan.sums, run.totals[number].totals)


def off(run, expected):
    return np.abs(run.state["parameters"] - expected).max()


class TestOneParty:
    """The two pure functions alone: what a party contributes, and what everybody makes of it."""

    @pytest.mark.parametrize("rows", [5, 60, 200, 900])
    def test_averaged_with_nobody_takes_its_own_steps(self, rows):
        computation, own = make(), draw_rows(rows)
        state = computation.init()
        given = computation.contribute(state, own, SEED)
        after = computation.update(state, {name: np.asarray(v) for name, v in given.items()})
        expected = descend(ZERO, own, steps=STEPS, rate=RATE)
        assert np.allclose(after["parameters"], expected, rtol=0, atol=1e-12)

    @pytest.mark.parametrize(
        ("rows", "weight"), [(1, 0.005), (50, 0.25), (200, 1.0), (201, 1.0), (9000, 1.0)]
    )
    def test_weighs_its_rows_up_to_the_cap(self, rows, weight):
        given = make().contribute({"parameters": ZERO}, draw_rows(rows), SEED)
        assert given["weight"] == weight

    def test_contributes_where_it_would_go_and_not_where_it_is(self):
        """From another start the update is that of another descent."""
        start = np.array([1.0, -2.0, 0.5])
        given = make().contribute({"parameters": start}, draw_rows(200), SEED)
        expected = descend(start, draw_rows(200), steps=STEPS, rate=RATE) - start
        assert np.allclose(given["update"], expected, rtol=0, atol=1e-12)

    def test_leaves_the_state_as_it_was(self):
        """The state is shared and read-only."""
        start = np.zeros(3)
        start.setflags(write=False)
        make().contribute({"parameters": start}, draw_rows(9), SEED)

    def test_moves_nobody_without_weight(self):
        state = {"parameters": np.ones(3)}
        totals = {"update": np.ones(3), "weight": np.array(0.0)}
        assert np.array_equal(make().update(state, totals)["parameters"], np.ones(3))


class TestEqualParties:
    @pytest.mark.parametrize("protection", PROTECTIONS)
    @pytest.mark.parametrize("parties", [3, 6])
    def test_average_to_what_each_would_do_alone(self, protection, parties):
        data = {f"p{i}": draw_rows(80) for i in range(parties)}
        run = train(data, protection=protection)
        expected = descend(ZERO, draw_rows(80), steps=STEPS, rate=RATE)
        assert off(run, expected) <= tolerance(run, data)
        assert np.abs(expected).max() > 5 * tolerance(run, data)

    def test_taking_one_step_each_take_the_pooled_gradient_step(self):
        """Of the same size, but with different rows: one local step is FedSGD."""
        data = {f"p{i}": draw_rows(80, seed=i) for i in range(4)}
        run = train(data, local_steps=1)
        expected = descend(ZERO, together(*data.values()), steps=1, rate=RATE)
        assert off(run, expected) <= tolerance(run, data)


class TestUnequalParties:
    @pytest.mark.parametrize("protection", PROTECTIONS)
    def test_count_by_their_rows(self, protection):
        run = train(DATA, protection=protection)
        assert off(run, plain_fed_avg(DATA)) <= tolerance(run, DATA)

    def test_count_by_their_rows_and_not_alike(self):
        """The weighted mean is far from the plain one here, so the test above tells them apart."""
        ends = [descend(ZERO, rows, steps=STEPS, rate=RATE) for rows in DATA.values()]
        run = train(DATA)
        assert off(run, np.mean(ends, axis=0)) > 3 * tolerance(run, DATA)

    def test_count_up_to_the_cap(self):
        run = train(DATA, weight_cap=50)
        assert off(run, plain_fed_avg(DATA, cap=50)) <= tolerance(run, DATA, cap=50)
        weight = released(run)["weight"]
        assert abs(weight - (0.1 + 1 + 1)) <= rounding(run.plan.sums["weight"], 3)

    def test_train_for_many_rounds_as_in_numpy(self):
        run = train(DATA, rounds=8)
        assert off(run, plain_fed_avg(DATA, rounds=8)) <= 8 * tolerance(run, DATA)

    def test_go_further_with_a_larger_server_step(self):
        run = train(DATA, server_learning_rate=2.5)
        assert off(run, plain_fed_avg(DATA, server_rate=2.5)) <= 2.5 * tolerance(run, DATA)

    def test_that_drop_out_do_not_count(self):
        data = {**DATA, "zenith": draw_rows(150)}
        run = train(
            data, protection="masked", fields={"dropouts": 1}, drops=[Drop("zenith", 0)]
        )  # fmt: skip
        assert off(run, plain_fed_avg(DATA)) <= tolerance(run, DATA)

    def test_learn(self):
        """Round by round the loss on everybody's rows goes down."""
        pooled = together(*DATA.values())
        plan = make().plan(parties=list(DATA), rounds=6)
        run = simulate(
            plan, DATA,
            measure=lambda state: {
                "loss": MODEL.loss(state["parameters"], TABLE.inputs(pooled), pooled["y"])
            },
        )  # fmt: skip
        assert run.history["loss"].is_monotonic_decreasing
        assert run.history["loss"].iloc[-1] < 0.8 * np.log(2)


class TestProtections:
    def test_give_the_same_bits(self):
        clear, masked = (train(DATA, rounds=3, protection=how) for how in PROTECTIONS)
        assert clear.plan.hash != masked.plan.hash
        for one, other in zip(clear.totals, masked.totals, strict=True):
            assert np.array_equal(one.totals, other.totals)
        assert np.array_equal(clear.state["parameters"], masked.state["parameters"])


class TestClipping:
    @pytest.mark.parametrize("clip_norm_l2", [0.2, 0.01])
    def test_bounds_the_weighted_update(self, clip_norm_l2):
        run = train(DATA, clip_norm_l2=clip_norm_l2)
        expected = plain_fed_avg(DATA, clip_norm_l2=clip_norm_l2)
        assert off(run, expected) <= tolerance(run, DATA)
        loose = plain_fed_avg(DATA)
        assert np.abs(expected - loose).max() > 5 * tolerance(run, DATA)

    def test_bounds_what_one_party_can_do(self):
        """Whatever its rows are: with and without them lie twice the bound apart at most."""
        worst = {"a": np.full(900, 1e9), "b": np.full(900, -1e9), "y": np.ones(900)}
        before = released(train(DATA, clip_norm_l2=0.2))["update"]
        after = released(train({**DATA, "south": worst}, clip_norm_l2=0.2))["update"]
        assert np.linalg.norm(after - before) <= 0.4 * 1.01

    def test_leaves_the_weight_alone(self):
        run = train(DATA, clip_norm_l2=0.01)
        assert abs(released(run)["weight"] - 265 / CAP) <= rounding(run.plan.sums["weight"], 3)


class TestBatches:
    def test_of_all_rows_are_full_batches(self):
        whole, batches = train(DATA), train(DATA, batch_rows=200)
        assert np.array_equal(whole.state["parameters"], batches.state["parameters"])

    def test_are_drawn_anew_by_party_step_and_round_from_the_plan_s_seed(self):
        def first_round(seed):
            return released(train(DATA, batch_rows=3, fields={"seed": seed}))["update"]

        assert np.array_equal(first_round(1), first_round(1))
        assert not np.array_equal(first_round(1), first_round(2))

    def test_hold_no_row_twice(self):
        """Rows that are powers of two: with one step, the update tells which rows were drawn."""
        powers = {"a": 0.001 * 2.0 ** np.arange(12), "b": np.full(12, 2.0), "y": np.ones(12)}
        computation = make(local_steps=1, batch_rows=6)
        drawn = set()
        for seed in range(20):
            rng = np.random.default_rng(seed)
            update = np.asarray(computation.contribute({"parameters": ZERO}, powers, rng)["update"])
            step = update[0] / (12 / CAP)  # η · mean of a/2 over the batch
            total = round(step / RATE * 2 * 6 / 0.001)
            assert total.bit_count() == 6
            drawn.add(total)
        assert len(drawn) > 10


class TestDeclaration:
    def test_is_per_party(self):
        update, weight = make(clip_norm_l2=0.5).sums.sums
        assert (update.name, update.unit, update.unit_bound) == ("update", Unit.PARTY, 0.5)
        assert (weight.name, weight.unit, weight.unit_bound) == ("weight", Unit.PARTY, 1.0)
        assert "200" in weight.meaning

    @pytest.mark.parametrize(
        "name",
        ["weight_cap", "local_steps", "learning_rate", "server_learning_rate", "batch_rows"],
    )
    @pytest.mark.parametrize("value", [0, -1])
    def test_is_refused_where_a_number_is_not_positive(self, name, value):
        with pytest.raises(PlanError, match=f"{name} is {value}"):
            make(**{name: value})

    @pytest.mark.parametrize("bound", [0.0, -1.0, float("nan"), float("inf")])
    def test_is_refused_without_a_bound(self, bound):
        with pytest.raises(PlanError, match=f"unit_bound {bound}"):
            make(clip_norm_l2=bound)

    def test_is_refused_where_model_and_table_do_not_fit(self):
        with pytest.raises(PlanError, match="3 features over a table of 2"):
            fed_avg(replace(MODEL, n_features=3), TABLE, weight_cap=5, clip_norm_l2=1.0)


class TestClasses:
    """How many classes there are is public and part of the plan, so a party need not have all."""

    def train(self, labels):
        model = GeneralisedLinearModel(family=Categorical(n_classes=4), n_features=2)
        computation = fed_avg(model, TABLE, weight_cap=10, clip_norm_l2=LOOSE, local_steps=1)
        data = {
            name: {"a": np.ones(len(y)), "b": np.full(len(y), 2.0), "y": np.array(y)}
            for name, y in labels.items()
        }
        return simulate(computation.plan(parties=list(labels)), data)

    def test_need_not_all_be_at_every_party_or_anywhere(self):
        """One local step from zero at one point: a class moves by η (its share - 1/4)."""
        run = self.train({"north": [0] * 10, "south": [1] * 10, "west": [0] * 5 + [2] * 5})
        moved = run.state["parameters"].reshape(3, 4)
        expected = 0.5 * (np.array([15, 10, 5, 0]) / 30 - 1 / 4)
        assert np.abs(moved[0] - expected).max() <= rounding(run.plan.sums["update"], 3)
        assert moved[0, 3] < 0

    @pytest.mark.parametrize("odd", [4, -1, 0.5])
    def test_that_were_not_agreed_on_are_refused(self, odd):
        with pytest.raises(DataError, match="classes are the whole numbers 0 to 3"):
            self.train({"north": [0, 1], "south": [1, 2], "west": [0, odd]})


class TestBadData:
    def test_is_refused_before_anything_leaves(self):
        gap = {**DATA["west"], "a": np.where(np.arange(200) == 7, np.nan, 1.0)}
        with pytest.raises(DataError, match=r"'west' has NaN or infinity in column 'a'.*row 7"):
            train({**DATA, "west": gap})

    def test_without_rows_is_refused(self):
        with pytest.raises(DataError, match="'west' has no rows"):
            train({**DATA, "west": {c: np.array([]) for c in "aby"}})

    def test_of_a_third_class_is_refused(self):
        with pytest.raises(DataError, match="0 or 1"):
            train({**DATA, "west": {**DATA["west"], "y": np.full(200, 2.0)}})

    @pytest.mark.parametrize("batch_rows", [None, 3])
    def test_names_party_column_and_record_but_not_the_value(self, batch_rows):
        labels = np.where(np.arange(200) == 7, 987654, DATA["west"]["y"])
        said = r"party 'west': column 'y': a target out of range in record 7; a binary"
        with pytest.raises(DataError, match=said) as refusal:
            train({**DATA, "west": {**DATA["west"], "y": labels}}, batch_rows=batch_rows)
        assert "987654" not in str(refusal.value)
