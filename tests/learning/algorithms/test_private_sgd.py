"""FedSGD with noise: expected sizes, secret batches, persons, and what one of them can move."""

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
from confide.errors import PlanError
from confide.learning import fed_sgd
from confide.learning.algorithms.registered import fed_sgd_from_settings
from confide.plan import CentralNoise, Neighbours, NoiseShares, PoissonSampling, Unit
from confide.randomness import InsecureReplayableRandom

RATE, BOUND = 0.7, 0.5
DATA = {"east": draw_rows(90), **{n: draw_rows(r) for n, r in (("north", 30), ("west", 217))}}


def train(*, protection="clear", replay=None, data=DATA, **changes):
    settings = {"capacity": 500, "clip_norm_l2": BOUND, "learning_rate": RATE}
    computation = fed_sgd(
        MODEL, TABLE, **settings | {k: changes.pop(k) for k in list(changes) if k in SETTINGS}
    )
    plan = computation.plan(parties=list(data), **PROTECTIONS[protection], **changes)
    if replay is None:
        return simulate(plan, data, computation=computation)
    return simulate(
        plan, data, computation=computation,
        randomness=lambda name: InsecureReplayableRandom(replay + name.encode()),
    )  # fmt: skip


SETTINGS = {"capacity", "clip_norm_l2", "expected_units", "person_column"}


def gradient_sum(run):
    return decode(run.plan.sums, run.totals[0].totals)["gradient"]


class TestExpectedUnits:
    def test_stand_for_the_count_which_is_not_released(self):
        """Opacus divides by int(len(data)·rate), which tells the number of records (#571, #819)."""
        run = train(expected_units=1000)
        assert [s.name for s in run.plan.sums.sums] == ["gradient"]
        rows = together(*DATA.values())
        total = clip(row_gradients(np.zeros(3), rows), BOUND).sum(axis=0)
        expected = -RATE * (total / 1000 + penalty(np.zeros(3)))
        off = RATE * rounding(run.plan.sums["gradient"], 3, 337) / 1000 + 1e-12
        assert np.abs(run.state["parameters"] - expected).max() <= off

    @pytest.mark.parametrize("units", [0, -5, float("nan"), float("inf")])
    def test_are_positive(self, units):
        with pytest.raises(PlanError, match="expected_units is"):
            train(expected_units=units)

    def test_come_back_from_a_plan(self):
        plan = train(expected_units=337.5).plan
        assert fed_sgd_from_settings(plan.task.read()).task == plan.task


class TestNoisyCount:
    def test_below_one_moves_nothing(self):
        computation = fed_sgd(MODEL, TABLE, capacity=5, clip_norm_l2=1.0)
        state = {"parameters": np.ones(3)}
        for count in (-3.0, 0.0, 0.5):
            noisy = {"gradient": np.ones(3), "records": np.array(count)}
            assert np.array_equal(computation.update(state, noisy)["parameters"], np.ones(3))


class TestNoise:
    @pytest.mark.parametrize("noise", [CentralNoise, NoiseShares])
    def test_has_the_deviation_that_the_plan_says(self, noise):
        runs = [
            gradient_sum(
                train(
                    protection="masked", expected_units=337, noise=noise(2.0, delta=1e-6),
                    replay=bytes([i]),
                )
            )
            for i in range(60)
        ]  # fmt: skip
        exact = gradient_sum(train(protection="masked", expected_units=337))
        off = np.array(runs) - exact
        # With shares all three survivors add theirs, while two may not count on the colluder's.
        deviation = 2.0 * BOUND * (np.sqrt(3 / 2) if noise is NoiseShares else 1)
        # 180 draws: the root mean square leaves ±26 % with probability below 1e-6.
        assert 0.74 < np.sqrt(np.mean(off**2)) / deviation < 1.28

    @pytest.mark.parametrize("noise", [CentralNoise, NoiseShares])
    def test_is_repeated_by_a_replayable_source_and_by_no_other(self, noise):
        def once(replay):
            return gradient_sum(
                train(protection="masked", noise=noise(1.0, delta=1e-6), replay=replay)
            )

        assert np.array_equal(once(b"seed"), once(b"seed"))
        assert not np.array_equal(once(None), once(None))

    def test_at_equal_placement_is_released_alike_in_clear_and_masked(self):
        clear, masked = (
            train(protection=p, noise=CentralNoise(1.0, delta=1e-6), replay=b"seed", rounds=3)
            for p in PROTECTIONS
        )
        assert np.array_equal(clear.state["parameters"], masked.state["parameters"])


class TestBatches:
    def test_hold_the_rate_of_the_rows(self):
        run = train(sampling=PoissonSampling(0.5), data={n: draw_rows(400) for n in DATA})
        counted = decode(run.plan.sums, run.totals[0].totals)["records"]
        # 1200 rows at ½: six standard deviations are 104.
        assert abs(counted - 600) < 104

    def test_differ_from_round_to_round_and_are_not_the_seed_s(self):
        data = {n: draw_rows(400) for n in DATA}
        counts = {
            float(decode(run.plan.sums, result.totals)["records"])
            for run in (train(sampling=PoissonSampling(0.5), data=data, rounds=4, seed=1),) * 2
            for result in run.totals
        }
        assert len(counts) > 1

    def test_may_be_empty(self):
        run = train(sampling=PoissonSampling(1e-9))
        assert decode(run.plan.sums, run.totals[0].totals)["records"] == 0

    def test_are_drawn_from_the_first_rows_only(self):
        run = train(sampling=PoissonSampling(1 - 1e-12), capacity=20)
        assert decode(run.plan.sums, run.totals[0].totals)["records"] == 60


PERSONS = {name: np.arange(len(rows["y"])) // 3 for name, rows in DATA.items()}
OWNED = {name: {**rows, "who": PERSONS[name]} for name, rows in DATA.items()}


class TestPersons:
    def train(self, **changes):
        return train(
            data=OWNED, person_column="who", neighbours=Neighbours(unit=Unit.PERSON), **changes
        )

    def test_count_once_and_are_clipped_whole(self):
        run = self.train(clip_norm_l2=0.3)
        totals = decode(run.plan.sums, run.totals[0].totals)
        assert totals["persons"] == sum(len(np.unique(p)) for p in PERSONS.values())
        expected = np.zeros(3)
        for name, rows in DATA.items():
            gradients = row_gradients(np.zeros(3), rows)
            for person in np.unique(PERSONS[name]):
                own = gradients[PERSONS[name] == person].sum(axis=0, keepdims=True)
                expected += clip(own, 0.3)[0]
        off = rounding(run.plan.sums["gradient"], 3, 337)
        assert np.abs(totals["gradient"] - expected).max() <= off

    def test_are_sampled_whole(self):
        run = self.train(sampling=PoissonSampling(0.5), clip_norm_l2=1e6)
        persons = decode(run.plan.sums, run.totals[0].totals)["persons"]
        # 113 persons at ½: six standard deviations are 32.
        assert abs(persons - 56.5) < 32
        assert persons == round(float(persons))

    def test_are_cut_to_the_capacity_before_they_are_sampled(self):
        run = self.train(sampling=PoissonSampling(1 - 1e-12), capacity=5)
        assert decode(run.plan.sums, run.totals[0].totals)["persons"] == 15


def test_a_run_says_whether_its_secrets_can_be_replayed():
    assert not train().replayable
    assert train(replay=b"again").replayable
