"""Models named in plans: what a plan may call, and what it may not."""

from typing import Any

import numpy as np
import pytest
from tests.learning.modules import nets
from torch import nn

import confide as cf
from confide.computation import find_computation, make_computation
from confide.errors import PlanError
from confide.learning.algorithms import fed_avg
from confide.learning.modules import TorchModel
from confide.learning.modules.factory import Factory
from confide.plan.parties import Coordinator, Party

HERE = "tests.learning.modules.nets"
TASK: dict[str, Any] = {
    "weight_cap": 50,
    "clip_norm_l2": 1.0,
    "torch": {"factory": f"{HERE}:Mlp", "inputs": ["x"], "label": "y"},
}


REAL: dict[str, Any] = {
    "parties": [Party(name, bytes([i + 1]) * 32) for i, name in enumerate("abcd")],
    "coordinator": Coordinator(bytes([9]) * 32),
}
"""Keys that nobody can make from names."""


class TestNames:
    @pytest.mark.parametrize("name", [f"{HERE}:Mlp", f"{HERE}:marked"])
    def test_lead_to_classes_and_marked_functions(self, name):
        arguments = {"hidden": 3}
        model = TorchModel(name, inputs=["x"], label="y", arguments=arguments)
        assert model.init()["body.weight"].shape == (3, 4)
        assert model.simulation_only == ""

    @pytest.mark.parametrize(
        "name",
        [
            f"{HERE}:unmarked", "os:system", "subprocess:run", "torch:load", "builtins:eval",
            "builtins:dict", "torch.hub:load", "confide.learning.modules.factory:Factory",
        ],
    )  # fmt: skip
    def test_lead_to_nothing_else(self, name):
        """A plan from elsewhere calls no function that its author did not offer."""
        with pytest.raises(PlanError, match="so no plan may call it"):
            TorchModel(name, inputs=["x"], label="y")

    @pytest.mark.parametrize(
        ("name", "said"),
        [
            ("nets", "a name is like"),
            ("nets:Mlp.forward", "a name is like"),
            ("os:__import__", "a name is like"),
            ("no_such_package.nets:Mlp", "is not installed here"),
            (f"{HERE}:NoSuch", "is not installed here"),
            ("__main__:Net", "of a script or a notebook"),
        ],
    )
    def test_that_lead_nowhere_are_refused(self, name, said):
        with pytest.raises(PlanError, match=said):
            TorchModel(name, inputs=["x"], label="y")

    def test_take_plain_arguments_only(self):
        with pytest.raises(PlanError, match=r"arguments\.layers\.0 is of type Linear"):
            Factory.of(nets.Mlp, {"layers": [nn.Linear(1, 1)]}, nn.Module)


class TestPlans:
    def test_name_the_model_and_the_digest_of_its_package(self):
        task = make_computation("fed-avg", TASK).task
        said = task.read()["torch"]
        assert said["factory"] == f"{HERE}:Mlp"
        assert said["code"]["package"] == "tests"
        assert find_computation(task).task == task

    def test_of_other_code_are_refused(self):
        settings = make_computation("fed-avg", TASK).task.read()
        settings["torch"]["code"] |= {"digest": "00" * 32, "version": "0.9"}
        with pytest.raises(PlanError, match=r"is of tests 0\.9 \(0+…\), and tests"):
            make_computation("fed-avg", settings)

    def test_train_one_model(self):
        with pytest.raises(PlanError, match=r"a task trains one model: .*found none"):
            make_computation("fed-avg", {k: v for k, v in TASK.items() if k != "torch"})

    def test_with_real_keys_take_an_installed_model(self):
        model = TorchModel(nets.Mlp, inputs=["x"], label="y")
        plan = fed_avg(model, weight_cap=5, clip_norm_l2=1.0).plan(**REAL)
        assert not any(party.simulated for party in plan.parties)

    @pytest.mark.parametrize("kind", ["local class", "instance", "unmarked function"])
    def test_with_real_keys_refuse_what_nobody_else_has(self, kind):
        class Local(nets.Mlp):
            pass

        kinds: dict[str, Any] = {
            "local class": Local, "instance": nets.Mlp(), "unmarked function": plain,
        }  # fmt: skip
        model = TorchModel(kinds[kind], inputs=["x"], label="y")
        training = fed_avg(model, weight_cap=5, clip_norm_l2=1.0)
        with pytest.raises(PlanError, match="'fed-avg' in a plan with real keys"):
            training.plan(**REAL)
        data = {name: nets.party(8, i) for i, name in enumerate("abcd")}
        run = cf.simulate(training.plan(parties=list("abcd")), data, computation=training)
        assert np.isfinite(run.state["head.bias"]).all()

    def test_of_a_module_begin_with_its_parameters_and_leave_it_alone(self):
        module = nets.Mlp()
        before = module.head.bias.detach().clone().numpy()
        model = TorchModel(module, inputs=["x"], label="y")
        assert np.array_equal(model.init()["head.bias"], before)
        assert module.head.bias.requires_grad


def plain():
    return nets.Mlp()
