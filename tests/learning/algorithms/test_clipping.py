"""Adaptive clipping: the clip goes to the quantile of the parties' norms, in sums and in state."""

import math

import numpy as np
import pytest
from tests.learning.algorithms.plain import MODEL, PROTECTIONS, TABLE, draw_rows

from confide.engines import simulate
from confide.errors import PlanError
from confide.learning import AdaptiveClip, fed_avg
from confide.learning.algorithms.registered import fed_avg_from_settings

DATA = {f"party-{i}": draw_rows(20 + 7 * i, seed=i) for i in range(5)}


def train(clip, rounds=1, protection="clear"):
    computation = fed_avg(MODEL, TABLE, weight_cap=50, clip_norm_l2=clip, learning_rate=0.3)
    plan = computation.plan(parties=list(DATA), rounds=rounds, **PROTECTIONS[protection])
    return simulate(plan, DATA)


class TestClip:
    def test_shrinks_when_all_are_below_and_grows_when_all_are_above(self):
        clip = AdaptiveClip(initial=1.0, parties=8, quantile=0.5, learning_rate=0.2)
        assert clip.next_clip(2.0, 4.0) == pytest.approx(2 * math.exp(-0.1))
        assert clip.next_clip(2.0, -4.0) == pytest.approx(2 * math.exp(0.1))
        assert clip.next_clip(2.0, 0.0) == 2.0

    def test_moves_no_further_for_votes_that_only_noise_can_give(self):
        clip = AdaptiveClip(initial=1.0, parties=8)
        assert clip.next_clip(2.0, 1e9) == clip.next_clip(2.0, 4.0)
        assert clip.next_clip(2.0, -1e9) == clip.next_clip(2.0, -4.0)

    def test_stays_where_floats_are_ordinary(self):
        clip = AdaptiveClip(initial=1.0, parties=1, learning_rate=1000.0)
        assert clip.next_clip(1.0, 0.5) > 0
        assert math.isfinite(clip.next_clip(1.0, -0.5))

    def test_goes_to_the_median_norm(self):
        norms = np.linspace(1.0, 9.0, 33)
        clip, value = AdaptiveClip(initial=0.1, parties=len(norms)), 0.1
        for _ in range(300):
            value = clip.next_clip(value, sum(clip.vote(np.array([n]), value) for n in norms))
        assert value == pytest.approx(5.0, rel=0.05)

    @pytest.mark.parametrize(
        "wrong", [{"initial": 0}, {"parties": 0}, {"quantile": 1.0}, {"learning_rate": -1}]
    )
    def test_of_numbers_out_of_range_is_refused(self, wrong):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            AdaptiveClip(**{"initial": 1.0, "parties": 2} | wrong)


class TestTraining:
    @pytest.mark.parametrize("protection", PROTECTIONS)
    def test_equals_a_clip_that_is_fixed_while_nothing_is_clipped(self, protection):
        fixed = train(64.0, protection=protection)
        moving = train(AdaptiveClip(initial=64.0, parties=5), protection=protection)
        assert moving.state["parameters"] == pytest.approx(fixed.state["parameters"], abs=64 * 0.02)

    def test_learns_the_clip_from_the_released_votes(self):
        run = train(AdaptiveClip(initial=64.0, parties=5, learning_rate=1.0), rounds=10)
        assert run.state["clip_norm_l2"] < 1.0

    def test_bounds_an_update_by_the_clip_of_the_round(self):
        tight = train(AdaptiveClip(initial=1e-3, parties=5))
        assert np.linalg.norm(tight.state["parameters"]) < 5e-3

    def test_comes_back_from_a_plan(self):
        plan = train(AdaptiveClip(initial=2.0, parties=5, quantile=0.7)).plan
        assert fed_avg_from_settings(plan.task.read()).task == plan.task

    def test_of_a_plan_with_an_unknown_key_is_refused(self):
        settings = train(AdaptiveClip(initial=2.0, parties=5)).plan.task.read()
        settings["clip_norm_l2"]["partys"] = 3
        with pytest.raises(PlanError, match="partys"):
            fed_avg_from_settings(settings)
