"""Every public function of noise, mechanisms and accounting checks every argument.

The functions, classes and methods are found from the public names, so a new one is in the test; a
parameter of a new name fails it until an example stands here.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from decimal import Decimal
from typing import Any

import dp_accounting as dp
import numpy as np
import pytest

from confide import noise
from confide.errors import ConfideError
from confide.plan import Relation, Unit
from confide.privacy import accounting, mechanisms
from confide.privacy.mechanisms import GaussianNoise, LaplaceNoise
from confide.randomness import SystemRandom

BAD = [math.nan, math.inf, -math.inf, -1, -0.5, True, "x", None, 10**400, -(10**400), [], object(),
       1j, Decimal("NaN"), np.float64("nan"), {}, b"1", 1e308, 5e-324]  # fmt: skip

GOOD: dict[str, Any] = {
    "answer": 1.0, "backend": None, "bands": 3, "bound": 9, "candidates": 3, "canaries": 100,
    "closeness": 0.0, "coefficients": (1.0, 0.5), "confidence": 0.9, "correct": 70,
    "counts": {"a": 3}, "curve": [0.1, 0.2], "delta": 1e-6, "deviation": 5.0, "drawn":
    noise.DiscreteLaplace(9), "epsilon": 1.0, "error": 0.05, "event": dp.GaussianDpEvent(1.0),
    "fineness": 0.1, "fpr": 0.01, "guesses": 80, "integer": False, "keys": ("a", "b"),
    "log2_probability": -40, "lower": 0.0, "max_above": 1, "mechanism": None, "missing": 0.5,
    "monotone": False, "moves": (1,), "mu": 1.0, "noise": LaplaceNoise(1.0),
    "noise_multiplier": 2.0, "norm": 8.0, "orders": [2.0, 3.0], "participations": 1, "parts":
    {"a": mechanisms.LaplaceMechanism(epsilon=1, sensitivity=1)}, "plain":
    {"type": "GaussianDpEvent", "noise_multiplier": "2.0"}, "depth": 0,
    "domain": {"a": ("x", "y"), "b": (1, 2, 3)}, "quantile": 0.5,
    "random": SystemRandom(), "rate": 0.1, "relation": Relation.ADD_OR_REMOVE_ONE,
    "resolution": 0.1, "restarts": 1, "scale": 4.0, "scores": [1.0, 2.0, 3.0],
    "sensitivity": 1.0, "separation": 3, "shares": 2, "size": 1, "steps": 10, "t": 3,
    "threshold": 5.0, "unit": Unit.RECORD, "units": 2, "upper": 1.0, "values": [0.5, 1.0],
    "workload": [("a",), ("a", "b")], "x":
    [0, 1],
}  # fmt: skip
"""What fits a parameter of this name."""

FITTING: dict[tuple[str, str], Any] = {
    ("calibrate", "event"): dp.GaussianDpEvent,
    ("Composition.release", "values"): {"a": 1.0},
    ("Marginals", "noise"): GaussianNoise(1.0),
    ("Marginals.release", "values"): {"a": ["x", "y"], "b": [1, 3]},
    ("noise_multiplier", "rate"): 1.0,
}
"""And where one name means two things."""

LEFT_OUT = {
    # Sources of randomness have a protocol, and these values are made by the library alone.
    "random", "backend", "mechanism",
}  # fmt: skip

NOT_FOR_USERS = {
    # Values that the library hands out, and the bases of others.
    "PrivacyStatement", "TotalNoise", "Released", "ReleasedMarginals",
    "Estimate", "Mechanism", "OneShot", "Interactive",
    "ThresholdSession", "AdditiveNoise", "DiscreteNoise", "PrivacyProfile", "Backend",
}  # fmt: skip

INTERNAL = {
    # What a kind of noise tells a mechanism, in steps of its lattice: no face of the library.
    "norm", "rounding", "drawn_for", "event", "closeness", "deviation", "reach", "lattice",
}  # fmt: skip


def example(where: str, name: str) -> Any:
    assert (where, name) in FITTING or name in GOOD, f"no example of {name} in {where}"
    return FITTING.get((where, name), GOOD.get(name))


def parameters(function: Callable[..., Any], where: str) -> dict[str, Any]:
    given = inspect.signature(function).parameters.values()
    return {p.name: example(where, p.name) for p in given if p.name != "self"}


def of_class(kind: type, made: Any, name: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    for method, found in inspect.getmembers(kind):
        internal = issubclass(kind, mechanisms.AdditiveNoise) and method in INTERNAL
        if method.startswith("_") or internal:
            continue
        if inspect.isfunction(found) or inspect.ismethod(found):
            yield f"{name}.{method}", getattr(made, method)


def faces() -> Iterator[tuple[str, Callable[..., Any]]]:
    for module in (noise, mechanisms, accounting):
        for name in module.__all__:
            face: Any = getattr(module, name)
            if not callable(face) or name in NOT_FOR_USERS:
                continue
            yield name, face
            if isinstance(face, type) and is_dataclass(face):
                made: Any = face
                yield from of_class(face, made(**parameters(made, name)), name)
    session = mechanisms.AboveThreshold(epsilon=1.0, sensitivity=1, max_above=100_000).start()
    yield "ThresholdSession.is_above", session.is_above
    yield "PrivacyStatement.of_event", accounting.PrivacyStatement.of_event
    sampled = dp.SelfComposedDpEvent(dp.PoissonSampledDpEvent(0.1, dp.GaussianDpEvent(1.0)), 3)
    for event in (dp.GaussianDpEvent(1.0), sampled, dp.ZCDpEvent(0.1)):
        profile = accounting.profile_of(event, fineness=0.5)
        for method in ("epsilon", "delta", "tpr"):
            yield f"{type(profile).__name__}.{method}", getattr(profile, method)


FACES = dict(faces())


def numbers_in(answer: Any) -> Iterator[float]:
    if isinstance(answer, float | np.floating):
        yield float(answer)
    elif isinstance(answer, np.ndarray) and answer.dtype.kind == "f":
        yield from map(float, answer.ravel())
    elif isinstance(answer, Mapping):
        for value in answer.values():
            yield from numbers_in(value)
    elif isinstance(answer, list | tuple):
        for value in answer:
            yield from numbers_in(value)
    elif is_dataclass(answer):
        yield from numbers_in(list(vars(answer).values()))


def test_the_public_names_are_all_there():
    assert {"delta_of_mu", "noise_multiplier", "ClampedSum.release", "DiscreteGaussian.tail",
            "KeySelection.probability", "ToeplitzStrategy.square_root"} <= FACES.keys()  # fmt: skip


@pytest.mark.parametrize("where", FACES)
def test_takes_what_fits(where):
    face = FACES[where]
    assert not any(map(math.isnan, numbers_in(face(**parameters(face, where)))))


@pytest.mark.parametrize("where", FACES)
def test_refuses_what_does_not_fit_or_answers_with_numbers(where):
    face = FACES[where]
    given = parameters(face, where)
    for name in given.keys() - LEFT_OUT:
        for bad in BAD:
            try:
                answer = face(**{**given, name: bad})
            except ConfideError:
                continue
            except Exception as error:  # noqa: BLE001 - that is what is looked for
                pytest.fail(f"{name}={bad!r:.40} ends in {type(error).__name__}: {error}")
            assert not any(map(math.isnan, numbers_in(answer))), f"{name}={bad!r:.40} gives NaN"


@pytest.mark.parametrize("noise_multiplier", [math.nan, math.inf, 0, -1, "x", None, True])
def test_noise_of_a_mechanism(noise_multiplier):
    with pytest.raises(ConfideError):
        GaussianNoise(noise_multiplier)


class TestLargeDelta:
    """With δ = 0.5 every second record may be put out as it is."""

    def test_is_refused_unless_there_are_few_units(self):
        for delta in (0.5, 0.011):
            with pytest.raises(ConfideError, match="units="):
                accounting.noise_multiplier(epsilon=1.0, delta=delta)
        assert accounting.noise_multiplier(epsilon=1.0, delta=0.5, units=1) > 0

    def test_is_compared_with_the_units(self):
        with pytest.raises(ConfideError, match="1,000 units"):
            accounting.noise_multiplier(epsilon=1.0, delta=0.001, units=1000)
