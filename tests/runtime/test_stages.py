"""Plans of several stages: one hash, one noise budget, one state that goes through them."""

import math

import numpy as np
import pytest
from tests.runtime.liar import NAMES, rows

from confide.computation import Computation
from confide.engines import simulate
from confide.errors import DataError, PlanError
from confide.plan import (
    FixedCrowd,
    Neighbours,
    NoiseShares,
    Norm,
    Party,
    Plan,
    Recipients,
    Release,
    Sum,
    SumGroup,
    Task,
    Unit,
)
from confide.privacy.guarantee import guarantee, statement, with_noise


def means():
    """A first stage: the mean of x over parties, for the second to centre by."""
    total = Sum(name="mean", unit=Unit.PARTY, unit_bound=64.0, norm=Norm.L1, capacity=1)
    return Computation(
        task=Task.of("means"),
        sums=SumGroup((total,)),
        columns=("x",),
        init=dict,
        contribute=lambda state, data, rng: {"mean": data["x"].mean()},
        update=lambda state, totals: {"centre": totals["mean"] / len(NAMES)},
    )


def spreads():
    """A second stage, which reads the state that the first left."""
    total = Sum(name="squares", unit=Unit.PARTY, unit_bound=128.0, capacity=1)
    return Computation(
        task=Task.of("spreads"),
        sums=SumGroup((total,)),
        columns=("x",),
        init=lambda: {"spread": np.array(0.0)},
        contribute=lambda state, data, rng: {
            "squares": ((data["x"] - state["centre"]) ** 2).mean()
        },
        update=lambda state, totals: {**state, "spread": totals["squares"] / len(NAMES)},
    )


def plan_of(*stages, **fields):
    stages = stages or (
        means().stage(name="means", budget=0.25),
        spreads().stage(name="spreads", rounds=3, budget=0.75),
    )
    parties = tuple(Party.simulation(name) for name in NAMES)
    return Plan(**{"name": "two stages", "parties": parties, "stages": stages, **fields})


BOTH = [means(), spreads()]


class TestAPlanOfTwoStages:
    def test_computes_the_second_from_what_the_first_left(self):
        run = simulate(plan_of(), rows(), computation=BOTH)
        values = np.array([data["x"] for data in rows().values()])
        assert float(run.state["centre"]) == pytest.approx(values.mean(), abs=0.05)
        expected = ((values - values.mean()) ** 2).mean()
        assert float(run.state["spread"]) == pytest.approx(expected, rel=0.01)
        assert len(run.history) == 4

    def test_has_one_hash_that_says_all_of_it(self):
        plan = plan_of()
        assert Plan.from_canonical(plan.canonical()) == plan
        swapped = plan_of(
            means().stage(name="means", budget=0.3),
            spreads().stage(name="spreads", rounds=3, budget=0.7),
        )
        assert swapped.hash != plan.hash
        assert all(part.hash != plan.hash for part in plan.stage_plans)

    def test_keeps_one_crowd_through_both(self):
        from confide.engines import Drop

        plan = plan_of(crowd=FixedCrowd(), dropouts=1)
        run = simulate(plan, rows(), computation=BOTH, drops=[Drop(NAMES[0], 0)])
        assert set(run.history["survivors"]) == {6}

    def test_takes_a_computation_for_each(self):
        with pytest.raises(PlanError, match="1 computations for the 2 stages"):
            simulate(plan_of(), rows(), computation=means())
        with pytest.raises(PlanError, match="another"):
            simulate(plan_of(), rows(), computation=[spreads(), means()])

    def test_is_asked_by_stages(self):
        with pytest.raises(PlanError, match="has 2 stages; ask one of"):
            _ = plan_of().sums

    @pytest.mark.parametrize(
        ("stages", "says"),
        [
            ((), "without stages"),
            ((means().stage(name="same", budget=0.5), spreads().stage(name="same", budget=0.5)),
             "share the name 'same'"),
            ((means().stage(name="a", budget=0.5), spreads().stage(name="b", budget=0.6)),
             "use 1.1 of the noise budget together"),
            ((means().stage(name="a", budget=0.5,
                            release=Release(to=Recipients.COORDINATOR)),
              spreads().stage(name="b", budget=0.5)),
             "later stages need"),
        ],
    )  # fmt: skip
    def test_is_refused_where_its_stages_do_not_fit(self, stages, says):
        with pytest.raises(PlanError, match=says):
            Plan(name="x", parties=tuple(map(Party.simulation, NAMES)), stages=stages)


class TestNoise:
    def plan(self, epsilon=2.0):
        return with_noise(
            plan_of(neighbours=Neighbours(unit=Unit.PARTY)),
            NoiseShares,
            epsilon=epsilon,
            delta=1e-3,
        )

    def test_is_shared_as_the_budgets_say(self):
        plan = self.plan()
        spent = [statement(part).mu ** 2 for part in plan.stage_plans]
        assert spent[0] / sum(spent) == pytest.approx(0.25, rel=0.01)
        assert statement(plan).mu == pytest.approx(math.sqrt(sum(spent)), rel=1e-4)

    def test_keeps_epsilon_for_both_together(self):
        for epsilon in (0.5, 2.0, 8.0):
            found = statement(self.plan(epsilon)).epsilon
            assert 0.98 * epsilon < found <= epsilon

    def test_of_the_first_rounds_costs_less(self):
        plan = self.plan()
        spent = [statement(plan, rounds=n).epsilon for n in range(1, 5)]
        assert spent == sorted(spent)
        assert spent[0] == pytest.approx(statement(plan.stage_plans[0]).epsilon)
        assert spent[-1] == statement(plan).epsilon

    def test_of_a_stage_is_on_its_own_lattice(self):
        plan = self.plan()
        for part, stage in zip(plan.stage_plans, plan.stages, strict=True):
            assert guarantee(part).rounds == stage.rounds
            assert part.noise_steps(stage.sums.sums[0]) >= 4


class TestOwnState:
    def computation(self, after=lambda own: {"seen": own["seen"] + 1}):
        def contribute(state, own, data, rng):
            return {"mean": own["seen"]}, after(own)

        return Computation(
            task=Task.of("own"),
            sums=means().sums,
            columns=("x",),
            init=lambda: {"all": np.zeros(0)},
            own=lambda: {"seen": np.array(0.0)},
            contribute=contribute,
            update=lambda state, totals: {"all": np.append(state["all"], totals["mean"].round())},
        )

    def test_counts_only_the_rounds_in_whose_sum_the_party_was(self):
        from confide.engines import Drop
        from confide.plan import Adversary, Corruption, Threat

        curious = Corruption.CURIOUS
        threat = Threat(confidentiality=Adversary(coordinator=curious, network=curious))
        plan = self.computation().plan(parties=list(NAMES), rounds=4, dropouts=2, threat=threat)
        drops = [Drop(NAMES[0], 1), Drop(NAMES[1], 1, 2, at="shares")]
        run = simulate(plan, rows(), computation=self.computation(), drops=drops)
        # Of five 1; then of five 2, and p0, who was in one round; of five 3, p0 in 2 and p1 in 1.
        assert run.state["all"].tolist() == [0.0, 5.0, 11.0, 18.0]

    def test_stands_in_the_plan(self):
        assert self.computation().stage().keeps_own_state
        assert not means().stage().keeps_own_state
        with pytest.raises(PlanError, match="keeps a private state"):
            self.computation().check_plan(
                means().plan(parties=list(NAMES)).with_stage(task=Task.of("own"))
            )

    def test_stands_in_the_report(self):
        from confide.report import views

        kept = views(self.computation().plan(parties=list(NAMES))).metadata
        assert any("keeps a private state" in line for line in kept)
        without = views(means().plan(parties=list(NAMES))).metadata
        assert not any("keeps a private state" in line for line in without)

    def test_that_grows_is_refused(self):
        grows = self.computation(lambda own: {"seen": np.append(own["seen"], 0.0)})
        plan = grows.plan(parties=list(NAMES), rounds=2)
        with pytest.raises(DataError, match="the own state changes in seen"):
            simulate(plan, rows(), computation=grows)

    def test_is_in_a_checkpoint(self, tmp_path):
        path, computation = tmp_path / "run", self.computation()
        plan = computation.plan(parties=list(NAMES), rounds=4)
        whole = simulate(plan, rows(), computation=computation)
        stopped = []

        def stop(entry):
            stopped.append(entry)
            if len(stopped) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            simulate(plan, rows(), computation=computation, checkpoint=path, on_round=stop)
        rest = simulate(plan, rows(), computation=computation, checkpoint=path)
        np.testing.assert_array_equal(rest.state["all"], whole.state["all"])
