"""Statistics on the command line, by files alone and by a plan."""

import json

import pytest
from tests.analytics.tables import owners

import confide as package
from confide.analytics.counts import histograms_from_settings
from confide.analytics.means import moments_from_settings
from confide.computation import registry

NAMES = ("a", "b", "c")
DATA = [part for name in NAMES for part in ("--data", f"{name}={name}.csv")]
DECLARED = ["--bounds", "age=0,120", "--category", "ward=A,B,Z", "--features", "age,ward"]
PLAN = """
name = "ages"
crowd = "fixed"
[[party]]
name = "a"
[[party]]
name = "b"
[[party]]
name = "c"
[[stage]]
name = "means"
budget = 1.0
[stage.task]
name = "moments"
capacity = 1000
columns = ["age"]
[stage.task.table]
label = ""
[[stage.task.table.features]]
name = "age"
kind = "number"
bounds = [0, 120]
scale = "none"
missing = "impute"
"""


@pytest.fixture
def files(folder):
    for name, table in owners((40, 50, 60)).items():
        table.to_csv(f"{name}.csv", index=False)
    return folder


@pytest.fixture
def registered(monkeypatch):
    """The tasks of statistics, as an installed release offers them."""
    made = {"moments": moments_from_settings, "histograms": histograms_from_settings}

    def make(name, settings):
        return (made.get(name) or (lambda s: registry.make_computation(name, s)))(settings)

    monkeypatch.setattr("confide.computation.planfile.make_computation", make)
    monkeypatch.setattr("confide.computation.planfile.offered_computations", lambda: list(made))


class TestFiles:
    def test_shows_verdicts_and_a_table(self, confide, files):
        done = confide("--quiet", "stats", *DATA, *DECLARED, "--by", "ward")
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("Each record NOT PRIVATE")
        assert "age" in done.out
        assert "groups" in done.out

    def test_as_json_with_a_page_and_the_plan(self, confide, files):
        done = confide("stats", *DATA, *DECLARED, "--json", "--report", "p.html",
                       "--plan", "plan.bin", "--distinct", "cost")  # fmt: skip
        found = json.loads(done.out)
        assert [row["column"] for row in found["table"]] == ["age", "ward"]
        assert {"moments", "histograms", "quantiles", "distinct-1"} == set(found["statistics"])
        plan = package.Plan.from_canonical((files / "plan.bin").read_bytes())
        assert plan.hash.hex() == found["plan"]
        assert found["plan"] in (files / "p.html").read_text()

    def test_may_only_say_who_would_learn_what(self, confide, files):
        done = confide("stats", *DATA, *DECLARED, "--epsilon", "3", "--dry-run")
        assert done.out.startswith("Each record PRIVATE at ε = 3")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--bounds", "age"], "--bounds 'age'; it takes COLUMN=LOW,HIGH"),
            (["--bounds", "age=0,x"], "it takes COLUMN=LOW,HIGH"),
            (["--delta", "1e-5"], "--delta without --epsilon"),
            ([], "column 'ward' of texts: write down the values"),
        ],
    )
    def test_says_what_to_write(self, refused, files, arguments, message):
        assert message in refused("stats", *DATA, *arguments, code=2)

    def test_errors_under_json_are_json(self, confide, files):
        done = confide("stats", *DATA, "--features", "agee", "--json")
        assert json.loads(done.err)["error"]["exit_code"] == done.code == 3


class TestPlan:
    @pytest.fixture(autouse=True)
    def _plan(self, files, registered):
        (files / "plan.toml").write_text(PLAN)

    def test_runs_it(self, confide):
        done = confide("--quiet", "stats", "plan.toml", *DATA, "--json")
        assert done.code == 0, done.err
        ((row,),) = (json.loads(done.out)["statistics"]["moments"],)
        assert row["column"] == "age"
        assert row["count"] + row["missing"] == 150

    def test_takes_no_other_options(self, refused):
        error = refused("stats", "plan.toml", *DATA, "--epsilon", "3", code=2)
        assert "plan.toml says what is computed" in error
