"""Who accounts: this package, and dp-accounting by privacy-loss distributions and by Rényi."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version

import dp_accounting as dp
from dp_accounting.pld import PLDAccountant
from dp_accounting.rdp import RdpAccountant

from confide.privacy.accounting import calibrate, profile_of

__all__ = ["SUBJECTS", "Subject", "versions"]

Event = Callable[[float], dp.DpEvent]


@dataclass(frozen=True)
class Subject:
    """An accountant.

    Attributes:
        name: For people.
        epsilon: From an event and δ to ε.
        calibrate: From events by their noise multiplier, ε and δ to the multiplier.
    """

    name: str
    epsilon: Callable[[dp.DpEvent, float], float]
    calibrate: Callable[[Event, float, float], float]


def versions() -> dict[str, str]:
    """Of the peer."""
    return {"dp-accounting": version("dp-accounting")}


def _our_epsilon(event: dp.DpEvent, delta: float) -> float:
    return profile_of(event).epsilon(delta)


def _our_multiplier(event: Event, epsilon: float, delta: float) -> float:
    return calibrate(event, epsilon=epsilon, delta=delta)


def _their_epsilon(
    accountant: Callable[[], dp.PrivacyAccountant], event: dp.DpEvent, delta: float
) -> float:
    return float(accountant().compose(event).get_epsilon(delta))


def _their_multiplier(
    accountant: Callable[[], dp.PrivacyAccountant], event: Event, epsilon: float, delta: float
) -> float:
    return float(dp.calibrate_dp_mechanism(accountant, event, epsilon, delta))


def _peer(name: str, accountant: Callable[[], dp.PrivacyAccountant]) -> Subject:
    return Subject(
        name, partial(_their_epsilon, accountant), partial(_their_multiplier, accountant)
    )


SUBJECTS = (
    Subject("confide", _our_epsilon, _our_multiplier),
    _peer("dp-accounting PLD", PLDAccountant),
    _peer("dp-accounting RDP", RdpAccountant),
)
"""The peer with its defaults: a grid of 10^-4 for distributions, its orders for Rényi."""
