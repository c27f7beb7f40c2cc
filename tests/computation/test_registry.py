import importlib
import sys

import pytest

from confide.computation import find_computation, make_computation
from confide.computation.registry import GROUP
from confide.errors import PlanError
from confide.plan import Task

MODULE = """
from confide.computation import Computation
from confide.plan import Sum, SumGroup, Task


def from_settings(settings):
    step = settings.get("step", 1)
    return Computation(
        task=Task.of("elsewhere", step=step),
        sums=SumGroup((Sum(name="total", unit_bound=1, capacity=1),)),
        columns=("value",),
        init=dict,
        contribute=lambda state, data, rng: {"total": data["value"]},
        update=lambda state, totals: {"total": totals["total"]},
    )


def nothing(settings):
    return dict(settings)
"""

MODEL = {"family": "bernoulli"}
TABLE = {"features": ["x"], "label": "y"}
SETTINGS = {"model": MODEL, "table": TABLE, "weight_cap": 10, "clip_norm_l2": 1.0}


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package from elsewhere that offers computations by entry points."""
    (tmp_path / "offered_elsewhere.py").write_text(MODULE)
    folder = tmp_path / "elsewhere-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        f"[{GROUP}]\n"
        "elsewhere = offered_elsewhere:from_settings\n"
        "nothing = offered_elsewhere:nothing\n"
        "lost = offered_elsewhere:removed\n"
        "gone = removed_elsewhere:from_settings\n"
        "[other.group]\n"
        "hidden = offered_elsewhere:from_settings\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    yield
    sys.modules.pop("offered_elsewhere", None)


class TestMakeComputation:
    def test_fills_in_the_defaults(self):
        task = make_computation("fed-avg", SETTINGS).task.read()
        assert task.keys() > SETTINGS.keys()
        assert task["local_steps"] == 10

    def test_refuses_settings_that_do_not_fit(self):
        with pytest.raises(PlanError, match="unknown key 'weigth_cap', did you mean 'weight_cap'"):
            make_computation("fed-avg", {**SETTINGS, "weigth_cap": 1})

    def test_names_the_nearest_computation_of_one_it_does_not_know(self):
        with pytest.raises(
            PlanError, match="no installed package computes 'fed-agv'; did you mean 'fed-avg'"
        ):
            make_computation("fed-agv", SETTINGS)

    def test_makes_what_an_installed_package_offers(self, installed):
        computation = make_computation("elsewhere", {"step": 3})
        assert computation.task == Task.of("elsewhere", step=3)

    def test_does_not_know_a_package_that_is_not_installed(self):
        with pytest.raises(PlanError, match="no installed package computes 'elsewhere'"):
            make_computation("elsewhere", {})

    def test_looks_at_its_own_group_of_entry_points_only(self, installed):
        with pytest.raises(PlanError, match="no installed package computes 'hidden'"):
            make_computation("hidden", {})

    def test_runs_nothing_that_a_plan_names_by_its_path(self, installed):
        with pytest.raises(PlanError, match="no installed package computes"):
            make_computation("offered_elsewhere:from_settings", {})
        assert "offered_elsewhere" not in sys.modules

    def test_refuses_an_entry_point_that_makes_something_else(self, installed):
        with pytest.raises(PlanError, match="'nothing' makes a dict instead of a Computation"):
            make_computation("nothing", {})

    @pytest.mark.parametrize("name", ["lost", "gone"])
    def test_refuses_an_entry_point_without_code(self, installed, name):
        with pytest.raises(PlanError, match=f"which computes '{name}', has no code: "):
            make_computation(name, {})


class TestFindComputation:
    def test_finds_the_computation_of_a_task(self):
        made = make_computation("fed-avg", SETTINGS)
        found = find_computation(made.task)
        assert (found.task, found.sums) == (made.task, made.sums)

    def test_refuses_a_task_that_leaves_something_open(self):
        with pytest.raises(PlanError, match="'fed-avg' are incomplete"):
            find_computation(Task.of("fed-avg", **SETTINGS))

    def test_refuses_a_task_whose_name_the_computation_does_not_bear(self, installed):
        assert find_computation(Task.of("elsewhere", step=1)).task.name == "elsewhere"
        with pytest.raises(PlanError, match="are incomplete"):
            find_computation(Task.of("elsewhere"))

    def test_refuses_a_task_that_nobody_offers(self):
        with pytest.raises(PlanError, match=r"known here: .*fed-avg, .*fed-sgd"):
            find_computation(Task.of("median"))
