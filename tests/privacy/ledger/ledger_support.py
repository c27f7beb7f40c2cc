"""Ledgers for tests: events that say themselves what they cost."""

import math
from dataclasses import dataclass
from fractions import Fraction

from scipy.optimize import brentq
from scipy.stats import norm

from confide.plan import Relation, Unit
from confide.privacy.accounting.gaussian import epsilon_of_mu
from confide.privacy.ledger import Cap, Filter, Ledger

NAMES = frozenset({"bank"})


@dataclass(frozen=True)
class Gauss:
    """A Gaussian mechanism of μ."""

    mu: float


@dataclass(frozen=True)
class Pure:
    """An ε-DP mechanism, ε as text."""

    epsilon: str


@dataclass(frozen=True)
class Curve:
    """Something with a Rényi divergence of `slope`·α up to an order, and none beyond."""

    slope: float
    highest: float = math.inf


class Fake:
    """An accountant that needs no accounting."""

    def plain(self, event):
        return {"type": type(event).__name__, "value": repr(event)}

    def event(self, plain):
        known = {kind.__name__: kind for kind in (Pure, Gauss, Curve)}
        return eval(plain["value"], known | {"inf": math.inf})

    def gaussian_mu(self, event):
        return event.mu if isinstance(event, Gauss) else None

    def pure_epsilon(self, event):
        return Fraction(event.epsilon) if isinstance(event, Pure) else None

    def rdp_curve(self, event, orders, relation):
        if isinstance(event, Pure):
            epsilon = float(Fraction(event.epsilon))
            return [min(epsilon, order * epsilon**2 / 2) for order in orders]
        return [event.slope * o if o <= event.highest else math.inf for o in orders]

    def rho(self, event):
        match event:
            case Gauss():
                return event.mu**2 / 2
            case Pure():
                return float(Fraction(event.epsilon)) ** 2 / 2
            case _:
                return None

    def epsilon(self, event, delta, relation, *, count, distance):
        match event:
            case Gauss():
                return epsilon_of_mu(event.mu * distance * math.sqrt(count), delta)
            case Pure():
                return float(Fraction(event.epsilon)) * distance * count
            case _:
                return math.inf

    def mu_of(self, epsilon, delta):
        return mu_of(epsilon, delta)


def delta_of(mu, epsilon):
    """δ of μ-Gaussian-DP at ε (Dong, Roth and Su 2022, Corollary 2.13)."""
    return norm.cdf(-epsilon / mu + mu / 2) - math.exp(epsilon) * norm.cdf(-epsilon / mu - mu / 2)


def mu_of(epsilon, delta):
    return brentq(lambda mu: delta_of(mu, epsilon) - delta, 1e-6, 100) * (1 - 1e-9)


def opened(where, **options):
    return Ledger.open(where, accountant=Fake(), **options)


def with_cap(where, cap=None, *, unit=Unit.RECORD, relation=Relation.ADD_OR_REMOVE_ONE, **options):
    ledger = opened(where, **options)
    ledger.open_dataset("loans", unit=unit, relation=relation)
    ledger.cap("loans", cap or Cap(epsilon=1, delta=0))
    return ledger


def gaussian_cap(mu):
    """A Gaussian cap that holds Σ μ² = mu² and hardly more."""
    return Cap(epsilon=2.0, delta=float(delta_of(mu * (1 + 1e-5), 2.0)), filter=Filter.GAUSSIAN)
