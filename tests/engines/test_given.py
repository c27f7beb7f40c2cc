"""A run's arguments of another type are refused at once, with how to write them and no row."""

from typing import Any

import numpy as np
import pytest

from confide import families
from confide.engines import simulate
from confide.errors import ConfideError, DataError, PlanError
from confide.learning import GeneralisedLinearModel, Table, fed_avg
from confide.plan import NoiseShares
from confide.privacy.guarantee import Calibrated, with_noise

PARTIES = ["alder", "birch", "cedar"]
ROWS = np.array([[61.5, 1.0], [47.25, 0.0]])
BERNOULLI: Any = families.Bernoulli()


def training() -> Any:
    model = GeneralisedLinearModel(family=BERNOULLI, n_features=1)
    return fed_avg(model, Table(features=("age",), label="sick"), weight_cap=50, clip_norm_l2=1.0)


def plan(**changes: Any) -> Any:
    return training().plan(**{"parties": PARTIES, "rounds": 1, "dropouts": 0} | changes)


@pytest.mark.parametrize(
    "data",
    [
        dict.fromkeys(PARTIES, ROWS),
        dict.fromkeys(PARTIES, ROWS.tolist()),
        [ROWS] * 3,
        {party: {"61.5": [47.25], "sick": [1]} for party in PARTIES},
    ],
)
def test_no_row_is_shown(data):
    with pytest.raises(DataError) as caught:
        simulate(plan(), data)
    seen: BaseException | None = caught.value
    while seen is not None:
        assert not any(value in repr(seen) for value in ("61", "47"))
        seen = seen.__cause__ or seen.__context__


def test_columns_are_shown_up_to_five_with_the_nearest():
    columns = {f"column_{letter}": [1.0] for letter in "abcdefgh"} | {"agee": [1.0]}
    with pytest.raises(DataError, match="did you mean 'agee'") as caught:
        simulate(plan(), dict.fromkeys(PARTIES, columns))
    assert str(caught.value).count("column_") == 4
    assert "and 4 more" in str(caught.value)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda: simulate(plan(), [ROWS]), "map of party names"),  # type: ignore[arg-type]
        (lambda: simulate("plan.toml", {}), "computation.plan"),  # type: ignore[arg-type]
        (lambda: plan(noise=0.5), "Calibrated"),
        (lambda: with_noise(plan(), "shares", epsilon=1.0, delta=1e-6), "NoiseShares"),  # type: ignore[arg-type]
        (lambda: Calibrated(kind="shares", epsilon=1.0), "NoiseShares"),  # type: ignore[arg-type]
        (lambda: Calibrated(kind=NoiseShares, epsilon="1"), "epsilon"),  # type: ignore[arg-type]
        (lambda: GeneralisedLinearModel(family="bernoulli", n_features=1), r"Bernoulli\(\)"),  # type: ignore[arg-type]
        (lambda: GeneralisedLinearModel(family=BERNOULLI, n_features="1"), "n_features"),  # type: ignore[arg-type]
    ],
)
def test_another_type_is_refused_with_how_to_write_it(made, expected):
    with pytest.raises(ConfideError, match=expected):
        made()


def test_a_plan_is_a_plan():
    with pytest.raises(PlanError, match=r"computation\.plan"):
        simulate(None, {})  # type: ignore[arg-type]
