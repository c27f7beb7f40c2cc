"""What containers do to numbers: neighbours stay neighbours, and no unit decides about an error."""

import itertools
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest

from confide.errors import DataError, PlanError
from confide.noise import DiscreteLaplace
from confide.privacy import mechanisms
from confide.privacy.mechanisms.lattice import finite

KINDS: Any = mechanisms
AboveThreshold = KINDS.AboveThreshold
ClampedMean = KINDS.ClampedMean
ClampedSum = KINDS.ClampedSum
ExponentialMechanism = KINDS.ExponentialMechanism
GaussianMechanism = KINDS.GaussianMechanism
GaussianNoise = KINDS.GaussianNoise
Histogram = KINDS.Histogram
KeySelection = KINDS.KeySelection
LaplaceMechanism = KINDS.LaplaceMechanism
LaplaceNoise = KINDS.LaplaceNoise
Quantile = KINDS.Quantile

BASES = [0, 2**31, 2**53, 2**60 + 128, 2**63 - 2, 2**63, 2**64 - 5]
CONTAINERS = {
    "list beside a float": lambda v: [v, 0.0],
    "tuple": lambda v: (v, 0.5),
    "objects": lambda v: np.array([v, 0.5], object),
    "uint64 and int64": lambda v: [np.uint64(v), np.int64(-1)],
    "decimal": lambda v: [Decimal(v), 0.5],
    "fraction": lambda v: [Fraction(v), 0.5],
    "uint64": lambda v: np.array([v, 0], np.uint64),
    "arrays of no axis": lambda v: [np.array(v, np.uint64), np.float32(0.5)],
    "nullable": lambda v: pd.Series([v, 0], dtype="UInt64"),
    "series": lambda v: pd.Series([v, 0.5], dtype=object),
}


@pytest.mark.parametrize("make", CONTAINERS.values(), ids=CONTAINERS)
@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("sensitivity", [1, 3, 1000])
def test_whole_answers_one_apart_stay_so_in_any_container(base, make, sensitivity):
    mechanism = LaplaceMechanism(epsilon=1.0, sensitivity=sensitivity, size=2, integer=True)
    near = [int(mechanism.steps.nearest(finite(make(base + i), "x"))[0]) for i in range(5)]
    one = max(1, round(1 / mechanism.steps.size))
    assert all(0 <= b - a <= one for a, b in itertools.pairwise(near))


@pytest.mark.parametrize("base", [b for b in BASES if b < 2**61])
def test_whole_answers_are_exact_up_to_2_to_the_61(base):
    mechanism = LaplaceMechanism(epsilon=1.0, sensitivity=1, size=2, integer=True)
    assert mechanism.steps.nearest(finite([base, 0.0], "x"))[0] == base


def bounded(**missing):
    noise = {"noise": LaplaceNoise(50.0)}
    return [
        ClampedSum(lower=0, upper=1, **noise, **missing),
        ClampedMean(lower=0, upper=1, **noise, **missing),
        Quantile(quantile=0.5, lower=0, upper=1, resolution=0.1, epsilon=50.0, **missing),
    ]


ODD = [None, math.nan, pd.NA, pd.NaT, "x", "0.5", b"1", 1j, object(), [1], {}, 10**400, -(10**400),
       Decimal("NaN"), Decimal("1e999999999"), Decimal("-1e-999999999"), Fraction(10**500, 3),
       np.datetime64("2020-01-01"), math.inf, np.longdouble(1), np.ma.masked,
       pd.Timestamp(0)]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_what_a_declaration_covers_is_no_error(odd):
    for mechanism in bounded(missing=0.5):
        mechanism.release([0.25, odd, 1])
        objects = np.empty(2, object)
        objects[:] = [odd, 1]
        mechanism.release(objects)
    Histogram(keys=("x", None), noise=LaplaceNoise(50.0)).release([odd, "x"])


def test_missing_units_count_as_declared():
    total = ClampedSum(lower=0, upper=1000, noise=LaplaceNoise(50.0), missing=1000)
    assert total.release([pd.NA, "x", None, 10**400, 0]).value == pytest.approx(4000, abs=500)
    counts = Histogram(keys=("x", None), noise=LaplaceNoise(50.0))
    found = counts.release([pd.NA, None, math.nan, pd.NaT] * 100 + ["x"] * 200 + [[1]] * 50).value
    assert found == {"x": pytest.approx(200, abs=5), None: pytest.approx(400, abs=5)}


FRAME = pd.DataFrame({"yes": [1, 2], "no": [3, 4]})


@pytest.mark.parametrize(
    "values",
    [FRAME, np.zeros((2, 2)), "yes", b"yes", np.ma.array([1, 2], mask=[False, True]), {"yes": 1},
     {"yes"}, 3, 0.5, None, object(), np.array("yes")],
    ids=lambda values: type(values).__name__,
)  # fmt: skip
@pytest.mark.parametrize("missing", [{}, {"missing": 0.5}])
def test_what_is_no_column_is_refused(values, missing):
    for mechanism in (*bounded(**missing), Histogram(keys=("yes", 0), noise=LaplaceNoise(1.0))):
        with pytest.raises(DataError, match=r"one value for each unit|type") as caught:
            mechanism.release(values)
        assert "yes" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [np.array([1j]), np.array(["2020"], "M8[D]"), np.array([5], "m8[s]"), np.array(["7"])],
)
def test_an_array_of_another_type_is_refused_by_its_type(values):
    for mechanism in bounded(missing=0.5):
        with pytest.raises(DataError, match="array of"):
            mechanism.release(values)


NUMBERS = [np.float32(0.5), np.float64(0.5), Decimal("0.5"), Fraction(1, 2), np.float16(0.5)]


@pytest.mark.parametrize("half", NUMBERS, ids=repr)
def test_numbers_of_any_kind_are_numbers(half):
    one = type(half)(1)
    made = [
        ClampedSum(lower=-half, upper=half, noise=LaplaceNoise(half), missing=half),
        ClampedMean(lower=-half, upper=half, noise=GaussianNoise(half)),
        Quantile(quantile=half, lower=-half, upper=half, resolution=half, epsilon=half),
        LaplaceMechanism(epsilon=half, sensitivity=half),
        GaussianMechanism(noise_multiplier=half, sensitivity=half),
        ExponentialMechanism(epsilon=half, sensitivity=half, candidates=np.int64(3)),
        AboveThreshold(epsilon=half, sensitivity=half, max_above=np.int32(1)),
        KeySelection(epsilon=half, delta=half),
    ]
    for mechanism in made:
        fields = {name: getattr(mechanism, name) for name in mechanism.__dataclass_fields__}
        assert all(
            type(value) is not type(half) or type(half) is float for value in fields.values()
        )
        assert mechanism.event == type(mechanism)(**fields).event
    assert abs(LaplaceMechanism(epsilon=100, sensitivity=1).release(half).value - 0.5) < 1
    assert made[5].shortfall(half) > 0
    assert DiscreteLaplace(one).scale == 1


def test_a_sensitivity_that_no_float_holds_is_rounded_up():
    third = Fraction(1, 3)
    assert Fraction(LaplaceMechanism(epsilon=1, sensitivity=third).sensitivity) > third


@pytest.mark.parametrize("noise", [0.5, "laplace", None, LaplaceNoise])
def test_noise_of_another_type_is_refused(noise):
    for make in (
        lambda: ClampedSum(lower=0, upper=1, noise=noise),
        lambda: ClampedMean(lower=0, upper=1, noise=noise),
        lambda: Histogram(keys=("a",), noise=noise),
    ):
        with pytest.raises(PlanError, match=r"LaplaceNoise\(epsilon\)"):
            make()


@pytest.mark.parametrize("keys", ["yes", b"yes", 3, None])
def test_keys_are_a_sequence(keys):
    with pytest.raises(PlanError, match="tuple"):
        Histogram(keys=keys, noise=LaplaceNoise(1.0))
