"""Explains why a charge was refused: what it needs and what is left, first in ε."""

from __future__ import annotations

import math

from confide.privacy.ledger.caps import Cap
from confide.privacy.ledger.costs import DELTA_UNIT, ORDERS, UNBOUNDED, UNIT, Cost
from confide.privacy.ledger.filters import Budget
from confide.privacy.ledger.lineage import Dataset

__all__ = ["nearest_order", "refusal"]

_NOTHING = "Nothing was charged. "
_LESS = "Add noise, ask for fewer runs, or raise the cap"


def refusal(dataset: Dataset, cap: Cap, budget: Budget, total: Cost, taken: Cost) -> str:
    """The message of a refused charge.

    Args:
        dataset: The dataset of the cap.
        cap: The cap.
        budget: The whole units that it stands for.
        total: What would be spent with the charge.
        taken: What the charge takes.
    """
    where = f"dataset {dataset.name!r} has a cap of {cap}"
    if budget.is_whole:
        return f"{where}: {_whole(cap, budget, total, taken)}"
    if budget.rho >= 0:
        return f"{where}: {_zcdp(budget, total, taken)}"
    if total.delta > budget.delta:
        left = (budget.delta - total.delta + taken.delta) / DELTA_UNIT
        return (
            f"{where}: this release needs a δ of its own of {taken.delta / DELTA_UNIT:.3g}, and "
            f"{left:.3g} are left for such events. {_NOTHING}Set a cap with a larger "
            "approximate_delta"
        )
    if budget.squared_mu >= 0:
        return f"{where}: {_gaussian(cap, budget, total, taken)}"
    return f"{where}: {_renyi(cap, budget, total, taken)}"


def nearest_order(budget: Budget, total: Cost) -> int:
    """The index of the order that is nearest to holding a total, or has most left."""
    usable = [i for i, most in enumerate(budget.renyi) if most > 0]
    return min(usable, key=lambda i: total.renyi[i] / budget.renyi[i])


def _whole(cap: Cap, budget: Budget, total: Cost, taken: Cost) -> str:
    if taken.whole_epsilon >= UNBOUNDED:
        reason = "no ε bounds this release"
        if cap.delta == 0 and min(taken.renyi) < UNBOUNDED:
            reason = "this release is not ε-DP, and the cap has no δ"
        elif budget.whole_delta <= total.whole_delta - taken.whole_delta:
            reason = "this release is not ε-DP, and earlier ones took all of δ"
        return f"{reason}. {_NOTHING}Use a mechanism that is ε-DP, or another cap"
    left = budget.whole_epsilon - total.whole_epsilon + taken.whole_epsilon
    delta = (budget.whole_delta - total.whole_delta + taken.whole_delta) / DELTA_UNIT
    needs = f"this release needs ε = {_amount(taken.whole_epsilon)}"
    if taken.whole_delta:
        needs += f" at δ = {taken.whole_delta / DELTA_UNIT:.3g}"
    return (
        f"{needs}; {_left(left)} of {cap.epsilon:.4g} are left at δ = {delta:.3g} (whole plans, "
        f"added up). {_NOTHING}{_LESS}"
    )


def _renyi(cap: Cap, budget: Budget, total: Cost, taken: Cost) -> str:
    order = nearest_order(budget, total)
    if min(total.renyi[i] for i, most in enumerate(budget.renyi) if most >= 0) >= UNBOUNDED:
        return (
            "it cannot count this event, whose divergence has no bound at any of its "
            f"orders. {_NOTHING}Add noise, or choose other orders"
        )
    most, spent, more = budget.renyi[order], total.renyi[order], taken.renyi[order]
    at = "δ = 0" if math.isinf(ORDERS[order]) else f"δ = {cap.delta:g}"
    return (
        f"this release needs ε = {_amount(more)}; {_left(most - spent + more)} of "
        f"{cap.epsilon:.4g} are left at {at} "
        f"(nats at Rényi order {ORDERS[order]:g}, of {most / UNIT:.4g} there). {_NOTHING}{_LESS}"
    )


def _gaussian(cap: Cap, budget: Budget, total: Cost, taken: Cost) -> str:
    if total.squared_mu >= UNBOUNDED:
        return (
            f"it counts only exactly Gaussian events, and this is another event. {_NOTHING}Set "
            "a cap with "
            "the filter 'renyi'"
        )
    if total.closeness > budget.closeness:
        return (
            f"the mechanisms under it are not close enough to Gaussian together. {_NOTHING}Set a "
            "cap with the filter 'renyi', or a finer lattice"
        )
    left = budget.squared_mu - total.squared_mu + taken.squared_mu
    needs, lasts = (_epsilon(units, cap.delta) for units in (taken.squared_mu, left))
    return (
        f"this release needs ε = {needs}, and one of ε = {lasts} of {cap.epsilon:.4g} is left at "
        f"δ = {cap.delta:g} ({_left(left)} of {budget.squared_mu / UNIT:.4g} are left of μ², and "
        f"this charge takes {_amount(taken.squared_mu)}). {_NOTHING}{_LESS}"
    )


def _zcdp(budget: Budget, total: Cost, taken: Cost) -> str:
    if total.rho >= UNBOUNDED:
        return (
            f"this release is not known to be ρ-zCDP. {_NOTHING}Use a mechanism that is, or set a "
            "cap of ε"
        )
    if total.delta + total.closeness > budget.delta:
        return (
            "the events' own δ, and how far the mechanisms are from Gaussian, are more than its δ. "
            f"{_NOTHING}Set a larger δ: 1e-12 is enough for what is close to Gaussian"
        )
    left = budget.rho - total.rho + taken.rho
    return (
        f"this release needs ρ = {_amount(taken.rho)}; {_left(left)} of {budget.rho / UNIT:.4g} "
        f"are left. {_NOTHING}{_LESS}"
    )


def _epsilon(squared_mu: int, delta: float) -> str:
    """ε at δ of a Gaussian of μ²."""
    from confide.privacy.accounting.gaussian import epsilon_of_mu

    return f"{epsilon_of_mu(math.sqrt(max(squared_mu, 0) / UNIT), delta):.4g}"


def _left(units: int) -> str:
    return f"{max(units, 0) / UNIT:.4g}"


def _amount(units: int) -> str:
    return "more than can be counted" if units >= UNBOUNDED else f"{units / UNIT:.4g}"
