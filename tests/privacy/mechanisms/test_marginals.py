"""ResidualPlanner: what a person costs, how exact counts are, and that no split does better."""

import math
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize

from confide.errors import DataError, PlanError, PrivacyBudgetError
from confide.plan import Relation
from confide.privacy.ledger import Cap, Filter, Ledger
from confide.privacy.mechanisms import GaussianNoise, LaplaceNoise, Marginals

DOMAIN = {"owns": ("no", "yes"), "region": ("n", "e", "s"), "size": (1, 2, 3, 4)}
WORKLOAD = [(), ("owns",), ("owns", "region"), ("region", "size")]


def tables(multiplier=1.5, **options):
    return Marginals(domain=DOMAIN, workload=WORKLOAD, noise=GaussianNoise(multiplier), **options)


def matrices(attributes):
    """The marginal and the residual of some attributes, as matrices over the whole domain."""
    marginal: Any = np.ones((1, 1))
    residual: Any = np.ones((1, 1))
    for name, values in DOMAIN.items():
        n = len(values)
        inside = name in attributes
        marginal = np.kron(marginal, np.eye(n) if inside else np.ones((1, n)))
        residual = np.kron(residual, np.eye(n) - 1 / n if inside else np.ones((1, n)))
    return marginal, residual


class TestPrivacy:
    def test_every_person_moves_the_noisy_residuals_by_what_is_charged(self):
        """Σ‖column‖²/σ² is 1/z² for each of the 24 kinds of people."""
        mechanism = tables()
        cost = np.zeros(24)
        for part, variance in mechanism.variances.items():
            cost += (matrices(part)[1] ** 2).sum(axis=0) / variance
        assert cost == pytest.approx(np.full(24, 1 / 1.5**2), rel=1e-12)

    def test_the_noise_that_is_drawn_is_at_least_what_is_charged(self):
        """On the integers that are released: the sensitivity by trying all people."""
        mechanism = tables()
        total = 0.0
        for part, (steps, _, drawn) in mechanism.drawn.items():
            integer = matrices(part)[1] * math.prod(len(DOMAIN[name]) for name in part)
            assert np.abs(integer - np.rint(integer)).max() < 1e-9
            norms = np.linalg.norm(np.rint(integer), axis=0) / steps.size
            assert norms == pytest.approx(np.full(24, norms[0]))
            # Four of the variance are what the rounding to the lattice is charged with.
            total += norms[0] ** 2 / (float(drawn.scale) ** 2 - 4)
        assert total <= 1 / 1.5**2

    def test_replacing_doubles_the_noise(self):
        one, other = tables(), tables(relation=Relation.REPLACE_ONE)
        for marginal, error in one.standard_errors.items():
            assert other.standard_errors[marginal] == pytest.approx(2 * error)

    def test_the_ledger_charges_it_once_and_refuses_beyond_the_cap(self, tmp_path):
        rows = pd.DataFrame({"owns": ["no"] * 9, "region": ["e"] * 9, "size": [1] * 9})
        with Ledger.open(tmp_path / "ledger.db") as ledger:
            ledger.open_dataset("people")
            ledger.cap("people", Cap(epsilon=4.0, delta=1e-6, filter=Filter.GAUSSIAN))
            found = ledger.release("people", tables(2.0), rows, observers=["analyst"])
            assert ledger.spent("people").mu == pytest.approx(0.5)
            assert list(found.value) == WORKLOAD
            with pytest.raises(PrivacyBudgetError):
                ledger.release("people", tables(0.5), rows, observers=["analyst"])


class TestVariance:
    def test_is_that_of_the_best_linear_estimate(self):
        """Generalised least squares over all noisy residuals, in matrices."""
        mechanism = tables()
        parts = [matrices(part)[1] for part in mechanism.variances]
        precision = sum(
            r.T @ r / v for r, v in zip(parts, mechanism.variances.values(), strict=True)
        )
        covariance = np.linalg.pinv(precision)
        for marginal, error in mechanism.standard_errors.items():
            q, _ = matrices(marginal)
            assert np.diag(q @ covariance @ q.T) == pytest.approx(error**2, rel=1e-9)

    def test_no_other_split_has_a_smaller_total_variance(self):
        mechanism = tables()
        names = list(mechanism.variances)
        p = np.array([math.prod(1 - 1 / len(DOMAIN[n]) for n in a) for a in names])
        weight = np.array([sum(np.trace(_spread(m, a)) for m in WORKLOAD) for a in names])
        ours = sum(mechanism.standard_errors[m] ** 2 * math.prod(len(DOMAIN[n]) for n in m)
                   for m in WORKLOAD)  # fmt: skip

        def total(logs):
            variance = np.exp(logs)
            return float(weight @ variance * (p / variance).sum() * 1.5**2)

        best = minimize(total, np.zeros(len(names)), method="BFGS", options={"gtol": 1e-10})
        assert ours == pytest.approx(best.fun, rel=1e-6)
        # Equal splitting: each marginal gets the same part of the budget.
        equal = sum(len(WORKLOAD) * 1.5**2 * math.prod(len(DOMAIN[n]) for n in m)
                    for m in WORKLOAD)  # fmt: skip
        assert ours < 0.75 * equal

    def test_released_counts_are_right_on_average_and_as_exact_as_stated(self):
        """400 releases; z-scores of means and a chi-square of spreads below 5: one in 10^4."""
        rows = [r for r in product(*DOMAIN.values()) for _ in range(3)]
        frame = pd.DataFrame(rows, columns=list(DOMAIN))
        mechanism = tables()
        released = [mechanism.release(frame).value for _ in range(400)]
        for marginal, error in mechanism.standard_errors.items():
            exact = 72 / math.prod(len(DOMAIN[n]) for n in marginal)
            off = np.array([found[marginal] - exact for found in released])
            assert np.abs(off.mean(axis=0)).max() < 5 * error / 20
            assert abs((off**2).mean() / error**2 - 1) < 5 * math.sqrt(2 / 400)

    def test_marginals_agree_with_each_other(self):
        rows = {"owns": ["no", "yes"] * 50, "region": ["n", "s"] * 50, "size": [4] * 100}
        found = tables().release(rows).value
        assert found["owns", "region"].sum(axis=1) == pytest.approx(found["owns",])
        assert found["owns",].sum() == pytest.approx(float(found[()]))
        assert found["region", "size"].sum(axis=1) == pytest.approx(
            found["owns", "region"].sum(axis=0)
        )

    def test_people_with_unknown_values_count_nowhere(self):
        rows = {"owns": ["no", "?"] * 5000, "region": ["n", None] * 5000, "size": [4, 4] * 5000}
        found = tables().release(rows).value
        assert abs(float(found[()]) - 5000) < 100


def _spread(marginal, part):
    """What one unit of a residual's variance adds to the covariance of a marginal."""
    if not set(part) <= set(marginal):
        return np.zeros((1, 1))
    found: Any = np.ones((1, 1))
    for name in marginal:
        n = len(DOMAIN[name])
        found = np.kron(found, np.eye(n) - 1 / n if name in part else np.ones((n, n)) / n**2)
    return found


def test_many_attributes_are_planned_in_pairs():
    """60 attributes of 5 values: 1,770 pairs, 1,831 residuals, no table of the whole domain."""
    domain = {f"a{place}": tuple(range(5)) for place in range(60)}
    mechanism = Marginals(domain=domain, workload=list(combinations(domain, 2)),
                          noise=GaussianNoise(1.0))  # fmt: skip
    assert len(mechanism.residuals) == 1831
    # Equal splitting has √1770 = 42.1 for each.
    assert max(mechanism.standard_errors.values()) < 34


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"workload": [("owner",)]}, "unknown or occurs twice"),
        ({"workload": [("owns", "owns")]}, "unknown or occurs twice"),
        ({"workload": [("owns", "size"), ("size", "owns")]}, "occurs twice in the workload"),
        ({"workload": []}, "a list of tuples"),
        ({"workload": "owns"}, "a list of tuples"),
        ({"domain": {"owns": ()}}, "at least one value"),
        ({"domain": {"owns": "ny"}}, "a tuple of them"),
        ({"noise": LaplaceNoise(1.0)}, "GaussianNoise"),
    ],
)
def test_bad_declarations_are_refused(change, message):
    with pytest.raises(PlanError, match=message):
        Marginals(**{"domain": DOMAIN, "workload": WORKLOAD, "noise": GaussianNoise(1.0), **change})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"owns": ["no"], "region": ["n"]}, "no column 'size'"),
        ({"owns": ["no"], "region": ["n", "n"], "size": [1]}, "differ in length"),
        ([1, 2], "no column"),
    ],
)
def test_bad_values_are_an_error(values, message):
    with pytest.raises(DataError, match=message):
        tables().release(values)
