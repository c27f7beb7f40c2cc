"""A registry of three parties and an operator, with a simulated machine to enrol."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from confide_operator.registry import ENROL, Founded, Member, Registry, Role
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.tee.support import BUILD, MEASUREMENT, NOW, SimulatedAttester, relying_party

from confide.randomness import SystemRandom
from confide.tee import Platform, Release
from confide.tee.workload import Workload, WorkloadKeys

DAY = 24 * 3600


def key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def public(name: str) -> bytes:
    return key(name).public_key().public_bytes_raw()


PARTIES = ("alder", "birch", "cedar")
MEMBERS = {
    **{name: Member(public(name), Role.PARTY) for name in PARTIES},
    "operator": Member(public("operator"), Role.OPERATOR),
}
RELEASE = Release("aggregator", "1.0", BUILD, {Platform.SNP: {"measurement": MEASUREMENT}})


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: float) -> None:
        self.now += timedelta(**time)


def founding(**fields: Any) -> Founded:
    given: dict[str, Any] = {"name": "five lenders", "members": MEMBERS, "threshold": 2}
    given |= {"reattest_seconds": DAY, "heartbeat_seconds": 0}
    return Founded(**{**given, **fields})


def found(path: Path, clock: Clock | None = None, **fields: Any) -> Registry:
    return Registry.init(path, founding(**fields), "alder", key("alder"), clock or Clock())


class Machine:
    """A simulated machine that answers to a registry; each start is another instance."""

    def __init__(self, registry: Registry, name: str = "node-1", **case: Any) -> None:
        self.registry, self.name, self.case = registry, name, case
        self.keys = WorkloadKeys.generate(SystemRandom())

    def answer(self, nonce: bytes, purpose: str = ENROL) -> bytes:
        workload = Workload(
            attester=SimulatedAttester(at=self.registry.clock(), case=self.case),
            keys=self.keys,
            purpose=purpose,
            build=BUILD,
            plan=self.registry.id,
            task=self.name,
            instance=SystemRandom().bytes(32),
            epoch=0,
            lifetime=timedelta(hours=1),
        )
        return workload.answer(nonce, self.registry.clock()).to_bytes()


def enrolled(registry: Registry, machine: Machine) -> Any:
    """A machine that two parties accepted, each by the evidence that is kept."""
    relying = replace(relying_party(), clock=registry.clock)
    nonce = relying.nonce()
    node = registry.propose_node(
        machine.name, machine.answer(nonce), relying, nonce, key("operator")
    )
    for name in ("alder", "birch"):
        registry.accept(node, key(name), relying=relying)
    return registry.node(machine.name)
