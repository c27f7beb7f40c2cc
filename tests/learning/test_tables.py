"""From columns to inputs: public constants scale, and a limit cuts."""

import numpy as np
import pandas as pd
import pytest

from confide.errors import PlanError
from confide.learning import Table

TABLE = Table(
    features=("age", "dose"), label="cured", scaling={"dose": (10.0, 4.0)}, limit=3.0
)  # fmt: skip
COLUMNS = {
    "cured": np.array([1, 0, 1]),
    "dose": np.array([10.0, 2.0, 100.0]),
    "other": np.array([7.0, 7.0, 7.0]),
    "age": np.array([0.5, -9.0, 2.0]),
}


class TestInputs:
    def test_are_scaled_by_the_constants_and_cut_to_the_limit(self):
        """Dose 2 is two scales below its centre; dose 100 is beyond the limit. Age has no scale."""
        assert TABLE.inputs(COLUMNS).tolist() == [[0.5, 0.0], [-9.0, -2.0], [2.0, 3.0]]

    def test_follow_the_order_of_the_features_and_not_that_of_the_data(self):
        turned = Table(features=("dose", "age"), label="cured", scaling=TABLE.scaling, limit=3.0)
        assert np.array_equal(turned.inputs(COLUMNS), TABLE.inputs(COLUMNS)[:, ::-1])

    def test_of_a_data_frame_are_those_of_its_columns(self):
        frame = pd.DataFrame(COLUMNS)
        assert np.array_equal(TABLE.inputs(frame), TABLE.inputs(COLUMNS))
        assert np.array_equal(TABLE.targets(frame), TABLE.targets(COLUMNS))

    def test_of_a_feature_without_constants_are_as_they_are(self):
        table = Table(features=("age",), label="cured")
        assert table.inputs({"age": [3.0, 11.0, 9e4, -1e30]}).ravel().tolist() == [
            3,
            11,
            9e4,
            -1e30,
        ]

    def test_of_flags_and_whole_numbers_are_reals(self):
        data = {"age": np.array([True, False]), "dose": np.array([14, 10]), "cured": [0, 1]}
        inputs = TABLE.inputs(data)
        assert inputs.dtype == np.float64
        assert inputs.tolist() == [[1.0, 1.0], [0.0, 0.0]]

    def test_treat_each_row_by_itself(self):
        """Otherwise contributions would depend on the chunks, and the constants on private data."""
        whole = TABLE.inputs(COLUMNS)
        for row in range(3):
            alone = TABLE.inputs({name: values[[row]] for name, values in COLUMNS.items()})
            assert alone.tolist() == whole[[row]].tolist()


class TestTargets:
    def test_are_the_label_as_it_is(self):
        table = Table(features=("age",), label="dose", scaling={"age": (5.0, 2.0)}, limit=1.0)
        assert table.targets(COLUMNS).tolist() == [10.0, 2.0, 100.0]

    def test_come_last_among_the_columns(self):
        assert TABLE.columns == ("age", "dose", "cured")


class TestRefused:
    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            pytest.param({"features": ()}, "at least one column", id="no features"),
            pytest.param({"features": ("age", "age")}, "occurs twice", id="a feature twice"),
            pytest.param({"features": ("age", "cured")}, "occurs twice", id="label as feature"),
            pytest.param(
                {"scaling": {"doze": (0.0, 1.0)}}, "'doze'.*did you mean 'dose'", id="unknown"
            ),
            pytest.param({"scaling": {"cured": (0.0, 1.0)}}, "not a feature", id="scaled label"),
            pytest.param(
                {"scaling": {"age": (0.0, 0.0)}}, "scale of feature 'age' is 0.0", id="zero"
            ),
            pytest.param(
                {"scaling": {"age": (0.0, -1.0)}},
                "scale of feature 'age' is -1.0",
                id="negative scale",
            ),
            pytest.param(
                {"scaling": {"age": (0.0, float("nan"))}},
                "scale of feature 'age' is nan",
                id="nan scale",
            ),
            pytest.param(
                {"scaling": {"age": (0.0, float("inf"))}},
                "scale of feature 'age' is inf",
                id="inf scale",
            ),
            pytest.param(
                {"scaling": {"age": (float("nan"), 1.0)}},
                "centre of feature 'age' is nan",
                id="nan centre",
            ),
            pytest.param(
                {"scaling": {"age": (float("inf"), 1.0)}},
                "centre of feature 'age' is inf",
                id="inf centre",
            ),
            pytest.param({"limit": 0.0}, "limit is 0.0", id="no room"),
            pytest.param({"limit": -3.0}, "limit is -3.0", id="negative limit"),
            pytest.param({"limit": float("nan")}, "limit is nan", id="nan limit"),
            pytest.param({"limit": float("inf")}, "limit is inf", id="no limit"),
        ],
    )
    def test_is_what_makes_no_table(self, fields, message):
        with pytest.raises(PlanError, match=message):
            Table(**{"features": ("age", "dose"), "label": "cured", **fields})


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"features": "age"}, r"features=\('age',\)"),
        ({"features": 3}, "names of columns"),
        ({"label": 3}, "name of a column"),
        ({"scaling": [("age", 1, 2)]}, r"scaling=\{'age'"),
        ({"scaling": {"age": 5}}, "centre, scale"),
        ({"limit": "10"}, "limit"),
    ],
)
def test_wrong_types_are_refused_with_how_to_write_it(wrong, expected):
    with pytest.raises(PlanError, match=expected):
        Table(**({"features": ("age",), "label": "cured"} | wrong))
