r"""The filters that enforce caps: theorems for charges that may depend on earlier answers.

**Gaussian filter.** While Σ μ_i² ≤ μ², all answers together are μ-GDP, even if each mechanism is
chosen after the answers of those before it, and so (ε, δ)-DP where the trade-off of a Gaussian says
so (Smith and Thakurta 2022; Koskela, Tobaben and Honkela 2023).

**Zero-concentrated filter.** While Σ ρ_i ≤ ρ and Σ δ_i ≤ δ, the answers are δ-approximately ρ-zCDP
together (Whitehouse et al. 2023, Theorem 1).

**Approximate Rényi filter.** Whitehouse et al. treat approximate zCDP, Feldman and Zrnic (2021, §4)
and Lécuyer (2021) Rényi curves without a δ. This is the argument for curves with one, for several
orders, and for a split of δ that the first charge decides.

*Charges.* Of two neighbours D and D', mechanism i answers by P_i and Q_i, chosen in view of what
was answered before. It was charged for (δ_i, R_i): there are distributions with P_i = (1 −
δ_i)·P'_i + δ_i·P''_i, Q_i = (1 − δ_i)·Q'_i + δ_i·Q''_i and D_α(P'_i ‖ Q'_i) ≤ R_i(α) for all α >
1, in both directions. It was charged for a pair (d_i, e_i) besides: it is (e_i, d_i)-DP, so there
are such distributions with d_i in place of δ_i and P'_i ≤ e^(e_i)·Q'_i everywhere, which is a
bound at order ∞ (Kairouz, Oh and Viswanath 2015, Theorem 3.2; Murtagh and Vadhan 2016, Lemma 2.2).

*One order.* Let N be the interaction that stops before the first charge with which Σ δ_i > Δ or Σ
R_i(α) > B. Let p(x) = Π (1 − δ_i)·P'_i(x_i | x_<i) of a transcript x, and q(x) likewise.
(1) P[x] ≥ p(x), and what p lacks is the probability that one of the answers came from a P''_i.
Along every transcript Σ δ_i ≤ Δ, so that is at most Δ (add up the coins, one after the other).
(2) Σ_x p^α·q^(1−α) ≤ e^((α−1)·B): from the last charge backwards, an answer of mechanism i
multiplies the bound by (1 − δ_i)·e^((α−1)·R_i(α)) ≤ e^((α−1)·R_i(α)), whatever was answered
before, and these add up to at most B along every transcript.
(3) For all p, q ≥ 0: p − e^ε·q ≤ c·p^α·q^(1−α) with c = e^(−(α−1)ε)·(1 − 1/α)^(α−1)/α, which is
the largest value of (1 − e^ε·u)·u^(α−1) over u = q/p (Canonne, Kamath and Steinke 2020, Prop. 12).
With (2): Σ_S p − e^ε·q ≤ δ_α for each set S of transcripts, if B is at most

    B_α(ε, δ_α) = ε − [ln(1/δ_α) + (α − 1)·ln(1 − 1/α) − ln α] / (α − 1).

At order ∞, p ≤ e^ε·q while Σ e_i ≤ ε, and nothing of δ is taken but the Δ of (1).

*Several orders, any of which may admit.* Assign a transcript to the first order that still holds
at its end. Costs only grow, so along it that order's N never stopped, and (1) to (3) hold for the
transcripts of that order. The charges of all finite orders have the same P''_i, and so does order
∞ if it counts pure ε_i; then what they lack is the same event and counts once. So with
δ = Δ + Σ_α δ_α

    P[S] − e^ε·Q[S] ≤ Δ + Σ_α Σ_(S_α) (p − e^ε·q) ≤ Δ + Σ_α δ_α = δ. ∎

*The split that the first charge decides.* Before the first charge nothing was answered (what costs
nothing answers alike on D and D'), so that charge, and whatever is a function of it, has one
distribution on both. Given that function the claim holds for the split that it names, and so it
holds on average. The split is one of:
  * **orders**: a tenth of δ for Δ (or what the cap sets aside), eight ninths of the rest (`_MAIN`)
    for the order at which the first charge uses the least part of its budget, and the remainder
    for five orders around the best for Gaussian noise, and order ∞ with pure ε;
  * **whole**, if no order holds the first charge: order ∞ alone, with Δ = δ and the pairs. There a
    plan that is fixed in advance and exactly (ε₀, δ₀)-DP, however it was composed, costs (δ₀, ε₀);
    a plan that is calibrated for (ε, δ) fits a cap of (ε, δ), once.
Which charge was first is not changed by later ones. It is forgotten only when everything that was
charged to the whole family of datasets was cancelled, so that nothing was ever answered. A cap on
a coalition or a period is about what it counts, given everything else.

A refusal tells nothing: it follows from costs, which are public, and from the transcript.

**Close to what is charged.** If the likelihoods of mechanism i lie within e^±τ_i of a Gaussian's,
those of a transcript lie within e^±Στ_i, so with τ = Στ_i δ(ε) ≤ e^τ·δ_μ(ε − 2τ): the Gaussian
filter sets `CLOSENESS` aside for τ, the Rényi filter has it in its costs, and that of ρ counts it
as a δ_i: P_i ≥ e^−τ·P, so P_i is a mixture with weight e^−τ on P.

**Rounds in between each other.** An event of many rounds may be open while others are charged. Each
round is a mechanism of its own whose cost was fixed when its event was reserved, so this is the
same adaptive sequence; a pair for the whole event composes so too, as interactive mechanisms that
run at the same time do (Haney et al. 2023).

References:
    Feldman, Zrnic, "Individual privacy accounting via a Rényi filter" (NeurIPS 2021).
    Lécuyer, "Practical privacy filters and odometers with Rényi DP" (2021).
    Smith, Thakurta, "Fully adaptive composition for Gaussian DP" (2022).
    Koskela, Tobaben, Honkela, "Individual privacy accounting with Gaussian DP" (ICLR 2023).
    Whitehouse, Ramdas, Rogers, Wu, "Fully adaptive composition in DP" (ICML 2023).
    Kairouz, Oh, Viswanath, "The composition theorem for differential privacy" (ICML 2015).
    Murtagh, Vadhan, "The complexity of computing the optimal composition of DP" (TCC 2016).
    Haney et al., "Concurrent composition for interactive DP with adaptive privacy-loss parameters"
    (CCS 2023).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from confide.errors import DataError, PlanError
from confide.privacy.ledger.caps import Cap, Filter
from confide.privacy.ledger.costs import (
    CLOSENESS_UNIT,
    DELTA_UNIT,
    FIRST_ORDERS,
    ORDERS,
    UNBOUNDED,
    UNIT,
    Cost,
    limit,
)

__all__ = ["CLOSENESS", "Budget", "Terms", "divergence_budget", "first_terms_of", "terms_of"]

CLOSENESS: Final = 1e-12
"""Nats of the likelihood ratio that a Gaussian cap sets aside for mechanisms close to Gaussian."""

_LAST_DIGITS: Final = 1 + Fraction(1, 10**9)
"""A charge in closed form may exceed a cap by this much, so that three thirds and ten tenths fit a
cap of 1, and what was calibrated for a cap fits it: no float is exactly a tenth, and each charge is
rounded up (opendp/opendp#2131)."""

_MAIN: Final = Fraction(8, 9)
"""The part of the Rényi orders' δ for the order that fits the first charge best."""

_WINDOW: Final = 2
"""Orders of `FIRST_ORDERS` on either side of the best for Gaussian noise that share the rest."""

_FIRST_CLOSENESS: Final = 1e-6
"""What Gaussian caps of the first two formats set aside."""

_NONE: Final = (-1,) * len(ORDERS)


@dataclass(frozen=True, slots=True)
class Budget:
    """What totals are compared with, rounded down; −1 stands for what is not used.

    Attributes:
        squared_mu: Limit of Σ μ².
        closeness: Limit of Σ τ, for the Gaussian filter.
        rho: Limit of Σ ρ.
        delta: Limit of Σ δ_i.
        renyi: Limit at each of `ORDERS`.
        whole_delta: Limit of Σ d_i of the pairs.
        whole_epsilon: Limit of Σ e_i of the pairs.
    """

    squared_mu: int = -1
    closeness: int = -1
    rho: int = -1
    delta: int = 0
    renyi: tuple[int, ...] = _NONE
    whole_delta: int = -1
    whole_epsilon: int = -1

    @property
    def is_whole(self) -> bool:
        """Whether pairs alone count."""
        return self.whole_epsilon >= 0

    def admits(self, total: Cost) -> bool:
        """Whether a total keeps within the budget: its δ, and either μ, ρ, a pair or some order."""
        if self.is_whole:
            fits = total.whole_delta <= self.whole_delta
            return fits and total.whole_epsilon <= self.whole_epsilon
        if self.rho >= 0:
            return total.rho <= self.rho and total.delta + total.closeness <= self.delta
        if total.delta > self.delta:
            return False
        if total.squared_mu <= self.squared_mu and total.closeness <= self.closeness:
            return True
        return any(spent <= most for spent, most in zip(total.renyi, self.renyi, strict=True))


@dataclass(frozen=True, slots=True)
class Terms:
    """A cap in whole units, rounded down, as an entry stores it; −1 stands for what is not used.

    Attributes:
        squared_mu: Limit of Σ μ².
        closeness: Limit of Σ τ, for the Gaussian filter.
        rho: Limit of Σ ρ.
        delta: Limit of Σ δ_i besidessssss Rényi orders, μ or ρ.
        whole_delta: δ in all; −1 if the split is fixed.
        pure: Limit of Σ ε_i.
        main: Limit at each order, if the first charge makes it the main one.
        others: Limit at each order besides the main one.
    """

    squared_mu: int = -1
    closeness: int = -1
    rho: int = -1
    delta: int = 0
    whole_delta: int = -1
    pure: int = -1
    main: tuple[int, ...] = _NONE
    others: tuple[int, ...] = _NONE

    def budget(self, first: Cost | None) -> Budget:
        """The budget, split as the first charge decides.

        Args:
            first: What the first charge cost; None if there is none, for a look at what is left.
        """
        fixed = Budget(self.squared_mu, self.closeness, self.rho, self.delta,
                       (*self.others[:-1], self.pure))  # fmt: skip
        if self.whole_delta < 0:
            return fixed
        if first is None:
            return replace(fixed, renyi=(*self.main[:-1], self.pure))
        best = self._best(first)
        if first.delta > self.delta or best is None or first.renyi[best] > self.main[best]:
            return Budget(whole_delta=self.whole_delta, whole_epsilon=self.pure)
        renyi = list(fixed.renyi)
        renyi[best] = self.main[best]
        return replace(fixed, renyi=tuple(renyi))

    def units(self) -> tuple[int, ...]:
        """All numbers in a row, as an entry stores them."""
        first = self.squared_mu, self.closeness, self.rho, self.delta, self.whole_delta, self.pure
        return (*first, *self.main, *self.others)

    @classmethod
    def of_units(cls, units: Sequence[int]) -> Terms:
        """Reads back `units`.

        Raises:
            DataError: If there are more or fewer.
        """
        if len(units) != 6 + 2 * len(ORDERS):
            raise DataError(f"a budget of {len(units)} numbers; {6 + 2 * len(ORDERS)} are needed")
        squared_mu, closeness, rho, delta, whole_delta, pure, *orders = units
        main, others = tuple(orders[: len(ORDERS)]), tuple(orders[len(ORDERS) :])
        return cls(squared_mu, closeness, rho, delta, whole_delta, pure, main, others)

    @classmethod
    def of_first_units(cls, units: Sequence[int]) -> Terms:
        """Reads what the first two formats wrote: a split that was fixed when the cap was set.

        Raises:
            DataError: If there are more or fewer.
        """
        if len(units) != 3 + len(FIRST_ORDERS):
            raise DataError(f"a budget of {len(units)} numbers; {3 + len(FIRST_ORDERS)} are needed")
        squared_mu, closeness, delta, *renyi = units
        known = dict(zip(FIRST_ORDERS[:-1], renyi, strict=False))
        return cls(
            squared_mu, closeness, delta=delta, pure=renyi[-1],
            others=tuple(known.get(order, -1) for order in ORDERS),
        )  # fmt: skip

    def _best(self, first: Cost) -> int | None:
        """The order at which a charge uses the least part of the main budget."""
        usable = [i for i, most in enumerate(self.main) if most > 0]
        return min(usable, key=lambda i: Fraction(first.renyi[i], self.main[i]), default=None)


def terms_of(cap: Cap, mu_of: Callable[[float, float], float]) -> Terms:
    """The whole units that a cap stands for.

    Args:
        cap: The cap.
        mu_of: The largest μ with δ_μ(ε) ≤ δ, rounded down.

    Raises:
        PlanError: If nothing at all fits.
    """
    own = _delta_units(cap.own_delta)
    if cap.filter is Filter.ZCDP:
        return Terms(rho=_digits_down(cap.rho), delta=_delta_units(cap.delta))
    if cap.filter is Filter.GAUSSIAN:
        return Terms(_squared_mu(cap, mu_of), _closeness_units(), delta=own)
    pure = _digits_down(cap.epsilon)
    if cap.orders is not None:
        others = _shares(cap, [o for o in cap.orders if not math.isinf(o)], cap.for_filter)
        return Terms(delta=own, pure=pure, others=others)
    main, rest = cap.for_filter * _MAIN, cap.for_filter * (1 - _MAIN)
    return Terms(
        delta=own,
        whole_delta=_delta_units(cap.delta),
        pure=pure,
        main=(*(_limit(cap, order, float(main)) for order in ORDERS[:-1]), -1),
        others=_shares(cap, _best_orders(cap, rest), rest),
    )


def first_terms_of(cap: Cap, mu_of: Callable[[float, float], float]) -> Terms:
    """What a cap stood for in the first two formats: orders around the best for Gaussian noise.

    Raises:
        PlanError: If nothing at all fits.
    """
    own = _delta_units(cap.own_delta)
    if cap.filter is Filter.GAUSSIAN:
        mu = mu_of(cap.epsilon - 2 * _FIRST_CLOSENESS,
                   float(cap.for_filter) * (1 - 2 * _FIRST_CLOSENESS))  # fmt: skip
        closeness = math.floor(Fraction(repr(_FIRST_CLOSENESS)) * CLOSENESS_UNIT)
        return Terms(limit(mu**2), closeness, delta=own)
    finite = [o for o in cap.orders or _best_orders(cap, cap.for_filter) if not math.isinf(o)]
    others = _shares(cap, finite, cap.for_filter)
    return Terms(delta=own, pure=_digits_down(cap.epsilon), others=others)


def _squared_mu(cap: Cap, mu_of: Callable[[float, float], float]) -> int:
    epsilon = cap.epsilon - 2 * CLOSENESS
    if epsilon <= 0:
        raise PlanError(
            f"a Gaussian cap of epsilon {cap.epsilon}; it takes more than {2 * CLOSENESS:g}"
        )
    mu = mu_of(epsilon, float(cap.for_filter) * (1 - 2 * CLOSENESS))
    # One unit for the charge, which is rounded up.
    return min(math.floor(Fraction(mu) ** 2 * _LAST_DIGITS * UNIT) + 1, UNBOUNDED - 1)


def divergence_budget(order: float, epsilon: float, delta: float) -> float:
    """The most divergence at an order that implies (ε, δ)-DP; negative if none does.

    References:
        Canonne, Kamath, Steinke, "The discrete Gaussian for differential privacy" (2020), Prop. 12.
    """
    if math.isinf(order):
        return epsilon
    if delta <= 0:
        return -math.inf
    return epsilon - _conversion(order, delta)


def _conversion(order: float, delta: float) -> float:
    gain = (order - 1) * math.log1p(-1 / order) - math.log(order)
    return (math.log(1 / delta) + gain) / (order - 1)


def _limit(cap: Cap, order: float, share: float) -> int:
    """The whole units at an order that has a share of δ."""
    if share <= 0:
        return -1
    terms = cap.epsilon + abs(math.log(share)) + math.log(order) + order
    return limit(divergence_budget(order, cap.epsilon, share), terms=terms)


def _shares(cap: Cap, orders: Sequence[float], delta: Fraction) -> tuple[int, ...]:
    """The whole units at orders that share a δ alike.

    Dropping one that has no budget only raises the others' shares.
    """
    kept = list(orders)
    while True:
        share = float(delta / len(kept)) if kept else 0.0
        holding = [order for order in kept if divergence_budget(order, cap.epsilon, share) > 0]
        if len(holding) == len(kept):
            break
        kept = holding
    return tuple(_limit(cap, order, share) if order in kept else -1 for order in ORDERS)


def _best_orders(cap: Cap, delta: Fraction) -> tuple[float, ...]:
    """The order with the largest μ² = 2·B(α)/α, and its neighbours: a rule that sees no data."""
    if delta <= 0:
        return ()
    finite, share = FIRST_ORDERS[:-1], float(delta) / (2 * _WINDOW + 1)
    squared = [divergence_budget(order, cap.epsilon, share) / order for order in finite]
    best = squared.index(max(squared))
    return finite[max(0, best - _WINDOW) : best + _WINDOW + 1]


def _delta_units(delta: float) -> int:
    return math.floor(Fraction(repr(delta)) * DELTA_UNIT)


def _closeness_units() -> int:
    return math.floor(Fraction(repr(CLOSENESS)) * CLOSENESS_UNIT)


def _digits_down(value: float) -> int:
    return min(math.floor(Fraction(repr(value)) * _LAST_DIGITS * UNIT), UNBOUNDED - 1)
