"""Why a charge was refused: what is left and what it takes."""

from __future__ import annotations

from confide.privacy.ledger.costs import DELTA_UNIT, ORDERS, UNBOUNDED, UNIT, Cost
from confide.privacy.ledger.filters import Budget, Cap, Filter
from confide.privacy.ledger.lineage import Dataset

__all__ = ["nearest_order", "refusal"]

_NOTHING = "Nothing was charged. "


def refusal(dataset: Dataset, cap: Cap, budget: Budget, total: Cost, taken: Cost) -> str:
    """The message of a refused charge.

    Args:
        dataset: Whose cap refuses.
        cap: The cap.
        budget: The whole units that it stands for.
        total: What would be spent with the charge.
        taken: What the charge takes.
    """
    where = f"dataset {dataset.name!r} has a cap of {cap}"
    if total.delta > budget.delta:
        left = (budget.delta - total.delta + taken.delta) / DELTA_UNIT
        return (
            f"{where}, with {left:.3g} left for events with a δ of their own; this charge takes "
            f"{taken.delta / DELTA_UNIT:.3g}. {_NOTHING}Set a cap with a larger approximate_delta"
        )
    if cap.filter is Filter.GAUSSIAN:
        return f"{where}; {_gaussian(budget, total, taken)}"
    order = nearest_order(budget, total)
    if min(total.renyi[i] for i, most in enumerate(budget.renyi) if most >= 0) >= UNBOUNDED:
        return (
            f"{where}; it cannot count this event, whose divergence has no bound at any of its "
            f"orders. {_NOTHING}Add noise, or choose other orders"
        )
    most, spent, more = budget.renyi[order], total.renyi[order], taken.renyi[order]
    return (
        f"{where}; {_left(most - spent + more)} of {most / UNIT:.4g} nats are left at Rényi order "
        f"{ORDERS[order]:g}, and this charge takes {_amount(more)}. {_NOTHING}Add noise, ask for "
        "fewer runs, or raise the cap"
    )


def nearest_order(budget: Budget, total: Cost) -> int:
    """The index of the order that is nearest to holding a total, or has most left."""
    usable = [i for i, most in enumerate(budget.renyi) if most > 0]
    return min(usable, key=lambda i: total.renyi[i] / budget.renyi[i])


def _gaussian(budget: Budget, total: Cost, taken: Cost) -> str:
    if total.squared_mu >= UNBOUNDED:
        return (
            f"it counts exactly Gaussian events only, and this is none. {_NOTHING}Set a cap with "
            "the filter 'renyi'"
        )
    if total.closeness > budget.closeness:
        return (
            f"the mechanisms under it are not close enough to Gaussian together. {_NOTHING}Set a "
            "cap with the filter 'renyi', or a finer lattice"
        )
    left = budget.squared_mu - total.squared_mu + taken.squared_mu
    return (
        f"{_left(left)} of {budget.squared_mu / UNIT:.4g} are left of μ², and this charge takes "
        f"{_amount(taken.squared_mu)}. {_NOTHING}Add noise, ask for fewer runs, or raise the cap"
    )


def _left(units: int) -> str:
    return f"{max(units, 0) / UNIT:.4g}"


def _amount(units: int) -> str:
    return "more than can be counted" if units >= UNBOUNDED else f"{units / UNIT:.4g}"
