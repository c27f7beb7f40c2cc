"""Which rounds are measured."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from confide import __version__
from confide.plan import (
    Adversary,
    Code,
    Corruption,
    Masked,
    Party,
    Plan,
    Sum,
    SumGroup,
    Sums,
    Task,
    Threat,
    Unit,
)

__all__ = [
    "BEFORE",
    "QUICK",
    "QUICK_BEFORE",
    "QUICK_VERIFIED",
    "STANDARD",
    "VERIFIED",
    "Case",
    "Drop",
    "FlowerWork",
]

SEED = 1


class Drop(Enum):
    """When parties drop out."""

    BEFORE_VECTOR = "before vector"
    """After their keys are shared: each of their pairwise masks has to be rebuilt."""
    AFTER_VECTOR = "after vector"
    """Their vectors count, their shares are missing."""


@dataclass(frozen=True, kw_only=True)
class FlowerWork:
    """How Flower runs the same work.

    Attributes:
        num_shares: Parties that hold shares of each secret, the party itself among them.
        reconstruction_threshold: Share of them that opens a secret.
    """

    num_shares: int
    reconstruction_threshold: float = 0.6


@dataclass(frozen=True, kw_only=True)
class Case:
    """One round.

    Attributes:
        parties: n.
        coordinates: d.
        dropping: How many drop out, and are planned for.
        drop: When they do.
        colluding: c.
        malicious: Whether coordinator and network may lie; they read along otherwise.
        verified: Whether parties check the sum.
        repeats: How often it is run unless asked otherwise.
        flower: How a peer runs the same work, if it is to be compared.
    """

    parties: int
    coordinates: int
    dropping: int
    drop: Drop = Drop.BEFORE_VECTOR
    colluding: int
    malicious: bool
    verified: bool = False
    repeats: int = 3
    flower: FlowerWork | None = None

    @property
    def work(self) -> str:
        """What is added up, whoever does it."""
        when = self.drop.value.replace(" ", "-")
        return f"n{self.parties}-d{self.coordinates}-{self.dropping}-{when}"

    @property
    def name(self) -> str:
        """The work, against whom, and whether parties check the sum."""
        against = "malicious" if self.malicious else "curious"
        return f"{self.work}-{against}{'-verified' if self.verified else ''}"

    def plan(self) -> Plan:
        """The plan of the round: one vector of each party, clipped to L2 norm 5."""
        corruption = Corruption.MALICIOUS if self.malicious else Corruption.CURIOUS
        return Plan(
            name="benchmark",
            parties=tuple(Party.simulation(f"party-{i:04}") for i in range(self.parties)),
            stages=(self._stage(),),
            dropouts=self.dropping,
            aggregation=Masked(verified=self.verified),
            threat=Threat(
                confidentiality=Adversary(
                    colluding_parties=self.colluding, coordinator=corruption, network=corruption
                )
            ),
            seed=SEED,
        )

    def _stage(self) -> Sums:
        update = Sum(
            name="update", shape=(self.coordinates,), unit=Unit.PARTY, unit_bound=5.0, capacity=1
        )
        return Sums(
            task=Task.of("fed-avg", learning_rate=0.5),
            code=Code(package="confide", version=__version__, digest=bytes(32)),
            sums=SumGroup((update,)),
        )


def _scaled(parties: int, coordinates: int, percent_dropping: int, **rest: Any) -> Case:
    """One party in ten colludes."""
    return Case(
        parties=parties,
        coordinates=coordinates,
        dropping=parties * percent_dropping // 100,
        colluding=parties // 10,
        **rest,
    )


def _against(malicious: bool) -> tuple[Case, ...]:  # noqa: FBT001 - it is one or the other
    return (
        _scaled(20, 1_000_000, 10, malicious=malicious, flower=FlowerWork(num_shares=20)),
        _scaled(100, 100_000, 10, malicious=malicious, flower=FlowerWork(num_shares=21)),
        _scaled(100, 1_000_000, 10, malicious=malicious),
        _scaled(1000, 100_000, 30, malicious=malicious, repeats=1),
        _scaled(1000, 100_000, 30, malicious=malicious, repeats=1, drop=Drop.AFTER_VECTOR),
    )


def _quick(malicious: bool) -> tuple[Case, ...]:  # noqa: FBT001 - it is one or the other
    return (
        _scaled(20, 10_000, 10, malicious=malicious, repeats=1, flower=FlowerWork(num_shares=11)),
        _scaled(200, 10_000, 30, malicious=malicious, repeats=1),
        _scaled(200, 10_000, 30, malicious=malicious, repeats=1, drop=Drop.AFTER_VECTOR),
    )


def _verified(*sizes: tuple[int, int]) -> tuple[Case, ...]:
    """Sums that parties check; each is measured beside the same that they do not check."""
    return tuple(
        _scaled(parties, coordinates, percent, malicious=True, verified=True)
        for parties, coordinates in sizes
        for percent in (0, 10)
    )


STANDARD = (
    *_against(malicious=False),
    *_against(malicious=True),
    # Between a hundred and a thousand parties: does the coordinator's memory grow with them?
    _scaled(250, 100_000, 30, malicious=False),
    _scaled(500, 100_000, 30, malicious=False),
)
BEFORE = (
    _scaled(100, 100_000, 10, malicious=True, repeats=5),
    _scaled(100, 100_000, 10, malicious=False, repeats=5),
    _scaled(20, 1_000_000, 10, malicious=True, repeats=7),
    _scaled(20, 1_000_000, 10, malicious=False, repeats=7),
    _scaled(300, 20_000, 20, malicious=True, repeats=5),
    _scaled(300, 20_000, 20, malicious=False, repeats=5),
)
VERIFIED = _verified((20, 1_000_000), (100, 100_000))
QUICK = (*_quick(malicious=False), *_quick(malicious=True))
QUICK_BEFORE = (_scaled(20, 10_000, 10, malicious=True, repeats=2),)
QUICK_VERIFIED = _verified((20, 10_000))
