"""`describe`: one plan and one charge for statistics of all owners' rows."""

from contextlib import ExitStack

import numpy as np
import pytest
from tests.analytics.tables import owners, pooled

import confide as cf
from confide.computation import Account
from confide.describing import planned_description
from confide.errors import DataError, PlanError
from confide.privacy.ledger import Cap, Filter, Ledger

WARD = {"ward": cf.Category(values=("A", "B", "Z"))}
COLUMNS = {**WARD, "age": cf.Number(bounds=(0, 120))}


@pytest.fixture(scope="module")
def data():
    return owners((40, 150, 90))


@pytest.fixture(scope="module")
def rows(data):
    return pooled(data)


@pytest.fixture(scope="module")
def found(data):
    return cf.describe(
        data, columns=COLUMNS, by=["ward"], correlations=True, distinct=["cost", "ward"], bins=5
    )


class TestDescription:
    def test_is_pandas_describe_of_all_rows(self, found, rows):
        table, true = found.table, rows.describe()
        for name in ("count", "mean", "std"):
            assert table.loc["age", name] == pytest.approx(true.loc[name, "age"], rel=1e-4)
        for name in ("25%", "50%", "75%"):
            assert table.loc["age", name] == true.loc[name, "age"]
        assert table.loc["age", "missing"] == rows["age"].isna().sum()
        assert table.loc["smoker", "mean"] == pytest.approx(rows["smoker"].mean(), rel=1e-4)
        assert table.loc["ward", "count"] == rows["ward"].notna().sum()

    def test_finds_bounds_that_nobody_declared_and_says_so(self, found, rows):
        table = found.table
        assert table.loc["age", "cut to"] == "0 to 120"
        assert table.loc["cost", "cut to"].endswith(", found")
        assert table.loc["cost", "mean"] == pytest.approx(rows["cost"].mean(), rel=0.01)
        assert table.loc["cost", "50%"] == pytest.approx(rows["cost"].median(), rel=1e-3)

    def test_has_dates_for_dates(self, found, rows):
        median = found.table.loc["day", "50%"]
        assert abs((median - rows["day"].median()).days) <= 1
        assert f"{found.table.loc['day', 'mean']:%Y}" == "2026"

    def test_has_what_else_was_asked_for(self, found, rows):
        usual = {"moments", "histograms", "quantiles"}
        asked = {"covariances", "groups", "distinct-1", "distinct-2"}
        assert set(found.statistics) == usual | asked
        assert found.statistics["distinct-2"].count == 3
        assert found.statistics["groups"].table.loc["A", "rows"] == (rows["ward"] == "A").sum()
        assert found.histograms["age"].counts.sum() == rows["age"].notna().sum()

    def test_is_one_ordinary_plan(self, found, data):
        plan = planned_description(
            data, columns=COLUMNS, by=["ward"], correlations=True, distinct=["cost", "ward"], bins=5
        ).plan
        assert plan.hash == found.plan.hash
        assert str(found.verdicts).startswith("Each record NOT PRIVATE")
        page = " ".join(s.text for s in found.views.first_page.sentences)
        assert "alone in one of the" in page
        assert found.owners["a"].check.rows == 40

    def test_is_shown(self, found):
        assert len(repr(found)) < 600
        assert "<table" in found._repr_html_()
        assert len(found.plot().axes) == 8
        page = found.to_html()
        assert page.count("<img") == 8
        assert found.plan.hash.hex() in page
        assert "By ward" in page


class TestNoise:
    @pytest.fixture(scope="class")
    @classmethod
    def charged(cls, tmp_path_factory):
        data = {n: t[["age", "ward"]] for n, t in owners((400, 500, 450)).items()}
        folder = tmp_path_factory.mktemp("ledgers")
        with ExitStack() as stack:
            accounts = {}
            for name in data:
                ledger = stack.enter_context(Ledger.open(folder / f"{name}.db"))
                ledger.open_dataset("rows")
                ledger.cap("rows", Cap(epsilon=9.0, delta=1e-5, filter=Filter.GAUSSIAN))
                accounts[name] = Account(ledger, "rows")
            made = cf.describe(data, privacy=cf.Epsilon(8.0), accounts=accounts)
            return made, data, [len(a.ledger.charges("rows")) for a in accounts.values()]

    def test_finds_values_and_says_how_sure_it_is(self, charged):
        found, data, _ = charged
        rows = pooled(data)
        assert {"A", "B"} <= set(found.histograms["ward"].labels)
        table = found.table
        assert table.loc["age", "mean from"] < table.loc["age", "mean to"]
        assert table.loc["age", "mean"] == pytest.approx(rows["age"].mean(), abs=15)
        assert found.statistics["quantiles"].noise > 1
        assert str(found.verdicts).startswith("Each record PRIVATE at ε = 8")

    def test_is_charged_with_all_its_stages(self, charged):
        found, _, charges = charged
        assert [s.name.split("-")[0] for s in found.plan.sum_stages] == [
            "vocabularies", "summaries", "moments", "histograms", "quantiles"
        ]  # fmt: skip
        assert sum(stage.budget for stage in found.plan.sum_stages) == pytest.approx(1)
        assert len(set(charges)) == 1
        assert charges[0] > 0


class TestTries:
    def test_a_column_of_texts_is_asked_for(self, data):
        with pytest.raises(PlanError, match=r"column 'ward' of texts: write down the values"):
            cf.describe(data)

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"features": ["agee"]}, "owner 'a' has no column 'agee'"),
            ({"distinct": ["idd"]}, "owner 'a' has no column 'idd'"),
            ({"distinct": "cost"}, "distinct is the text 'cost'"),
            ({"by": ["age"]}, "it takes categories or booleans"),
            ({"privacy": 3.0}, "write privacy=cf.Epsilon"),
            ({"resolution": {"cost": 1.0}}, "column 'cost' has a resolution of 1 and no bounds"),
        ],
    )
    def test_names_what_is_wrong_and_what_to_write(self, data, options, said):
        with pytest.raises((PlanError, DataError)) as refused:
            planned_description(data, columns=COLUMNS if "features" not in options else None,
                                **options)  # fmt: skip
        assert said in str(refused.value)

    def test_a_cell_that_does_not_fit_is_not_shown(self, data):
        odd = {**data, "b": data["b"].assign(age="4711x")}
        with pytest.raises(DataError) as refused:
            cf.describe(odd, columns=COLUMNS)
        assert "owner 'b'" in str(refused.value)
        assert "'age'" in str(refused.value)
        assert "4711" not in str(refused.value)

    def test_nothing_follows_from_the_number_of_rows(self, data):
        few = {n: t.head(20) for n, t in data.items()}
        plans = [planned_description(d, columns=COLUMNS).plan.hash for d in (data, few)]
        assert plans[0] == plans[1]

    def test_a_column_without_any_value_is_named(self, data):
        empty = {n: t.assign(age=np.nan) for n, t in data.items()}
        made = cf.describe(empty, columns=COLUMNS, features=["age", "ward"])
        assert made.table["mean"].isna()["age"]
        assert made.table.loc["age", "count"] == 0
