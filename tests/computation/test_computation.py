import dataclasses

import pytest
from tests.computation.examples import NAMES, contribute_values, mean, update_mean

from confide.computation import code_of
from confide.errors import PlanError
from confide.plan import (
    CentralNoise,
    Code,
    Coordinator,
    FixedCrowd,
    Neighbours,
    NoiseShares,
    OpenCrowd,
    Party,
    Sum,
    SumGroup,
    Task,
    Unit,
)
from confide.privacy.guarantee import Calibrated, statement, with_noise


def scaled_update(state, totals):
    return {"mean": 2 * totals["total"] / totals["count"]}


class TestPlan:
    def test_says_what_the_computation_says(self):
        computation = mean()
        plan = computation.plan(parties=NAMES)
        assert (plan.task, plan.sums) == (computation.task, computation.sums)
        assert plan.code == code_of(contribute_values, update_mean)

    def test_is_named_after_the_task_unless_named(self):
        assert mean().plan(parties=NAMES).name == "mean"
        assert mean().plan(parties=NAMES, name="ages").name == "ages"

    def test_takes_further_fields(self):
        plan = mean().plan(parties=list("abcde"), rounds=3, dropouts=1, seed=9, crowd=FixedCrowd())
        assert (plan.rounds, plan.dropouts, plan.seed) == (3, 1, 9)
        assert plan.fixed_crowd

    def test_takes_its_noise_by_epsilon(self):
        given = Calibrated(kind=NoiseShares, epsilon=3.0, delta=1e-6)
        plan = mean().plan(parties=NAMES, rounds=2, noise=given)
        assert plan == with_noise(
            mean().plan(parties=NAMES, rounds=2), NoiseShares, epsilon=3.0, delta=1e-6
        )

    def test_takes_noise_without_which_its_crowd_would_be_refused(self):
        fields = {
            "parties": list("abcdefgh"),
            "rounds": 3,
            "dropouts": 1,
            "neighbours": Neighbours(unit=Unit.PARTY),
        }
        computation = mean(
            sums=SumGroup((Sum(name="total", unit=Unit.PARTY, unit_bound=8, capacity=1),
                           Sum(name="count", unit=Unit.PARTY, unit_bound=100, capacity=1)))
        )  # fmt: skip
        with pytest.raises(PlanError, match="differences of opened sums"):
            computation.plan(**fields)
        given = Calibrated(kind=NoiseShares, epsilon=3.0, delta=1e-3)
        plan = computation.plan(**fields, noise=given)
        assert isinstance(plan.crowd, OpenCrowd)
        assert 2.99 < statement(plan).epsilon <= 3.0

    def test_with_noise_of_a_coordinator_that_may_lie_is_refused_like_exact_sums(self):
        given = Calibrated(kind=CentralNoise, epsilon=3.0, delta=1e-6)
        with pytest.raises(PlanError, match="differences of opened sums"):
            mean().plan(parties=list("abcdefgh"), rounds=3, dropouts=1, noise=given)

    def test_takes_bare_names_for_simulated_parties_and_parties_as_they_are(self):
        real = Party("real", b"k" * 32)
        coordinator = Coordinator(b"c" * 32)
        plan = mean().plan(parties=["a", real, "b", "c"], coordinator=coordinator)
        assert plan.party("a") == Party.simulation("a")
        assert plan.party("real") is real

    def test_refuses_a_text_in_the_place_of_names(self):
        with pytest.raises(PlanError, match="parties is the text 'abcd'"):
            mean().plan(parties="abcd")

    def test_is_refused_if_it_must_not_be_made(self):
        with pytest.raises(PlanError, match="insider subtraction"):
            mean().plan(parties=["a", "b"])


class TestCheckPlan:
    def test_accepts_the_plans_that_the_computation_makes(self):
        mean().check_plan(mean().plan(parties=NAMES, rounds=7, seed=3))

    def test_refuses_another_task(self):
        plan = mean().plan(parties=NAMES)
        with pytest.raises(PlanError, match=r"plan 'mean' declares another task than .* 'median'"):
            mean(task=Task.of("median")).check_plan(plan)

    def test_refuses_other_settings(self):
        plan = mean(task=Task.of("mean", k=1)).plan(parties=NAMES)
        with pytest.raises(PlanError, match="another task"):
            mean(task=Task.of("mean", k=2)).check_plan(plan)

    def test_refuses_other_sums(self):
        sums = SumGroup((Sum(name="total", unit_bound=9, capacity=100),))
        plan = mean().plan(parties=NAMES)
        with pytest.raises(PlanError, match="another sums"):
            mean(sums=sums).check_plan(plan)

    @pytest.mark.parametrize(
        "other",
        [
            {"package": "elsewhere"},
            {"version": "0.0.0"},
            {"digest": bytes(32)},
        ],
        ids=["package", "version", "digest"],
    )
    def test_refuses_other_code_and_names_both(self, other):
        plan = mean().plan(parties=NAMES)
        fields = {f.name: getattr(plan.code, f.name) for f in dataclasses.fields(Code)}
        agreed = Code(**fields | other)
        with pytest.raises(
            PlanError, match="install the agreed version, or agree on a new plan"
        ) as refusal:
            mean().check_plan(plan.with_stage(code=agreed))
        for code in (agreed, plan.code):
            assert f"{code.package} {code.version} ({code.digest.hex()[:16]}…)" in str(
                refusal.value
            )


class TestComputation:
    def test_cannot_be_changed(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            mean().columns = ("other",)

    def test_over_persons_says_who_a_row_is_about(self):
        per_person = SumGroup((Sum(name="total", unit=Unit.PERSON, unit_bound=1, capacity=9),))
        with pytest.raises(PlanError, match="unit 'person' and no person_column"):
            mean(sums=per_person)
        with pytest.raises(PlanError, match="unit 'record' and person_column 'who'"):
            mean(person_column="who")
