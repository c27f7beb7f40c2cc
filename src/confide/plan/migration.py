"""Converts plans of schema 2 to schema 3. The hash changes, so every party signs again.

Schema 3 added the coordinator's key, the crowd, and stages; what a plan of schema 2 says of its one
task moves into its one stage. All other fields keep their meaning. The new plan is checked like any
other, and schema 3 refuses some plans that schema 2 allowed: exact sums of several rounds, over
parties that may be missing, against a coordinator that may lie.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING
from typing import Any, Final

from confide import canonical
from confide.errors import PlanError
from confide.plan.checks import check_version
from confide.plan.codec import from_plain, to_plain
from confide.plan.fields import word_of
from confide.plan.parties import Coordinator
from confide.plan.plan import MAX_PLAN_BYTES, MIGRATED_VERSION, SCHEMA_VERSION, Plan
from confide.plan.protection import (
    Clear,
    Crowd,
    Encrypted,
    FixedCrowd,
    FullBatch,
    Masked,
    NoNoise,
    OpenCrowd,
)
from confide.plan.stages import Sums

__all__ = ["migrate"]

_MOVED: Final = ("task", "code", "sums", "rounds", "sampling", "release")
"""The fields that belong to a stage since schema 3. Its other fields take their defaults."""

_WERE_EMPTY: Final = {
    kind.__name__: kind for kind in (Clear, Encrypted, FullBatch, Masked, NoNoise)
}
"""Values that had no fields in schema 2: their new fields take their defaults."""


def migrate(
    data: bytes, *, coordinator: Coordinator | None = None, crowd: Crowd | None = None
) -> Plan:
    """The plan of schema 3 that says what a plan of schema 2 said.

    Args:
        data: Canonical bytes of the old plan.
        coordinator: Whose key signs announcements; simulated if omitted, which only plans of
            simulated parties may have.
        crowd: Whether the parties in the sums may change; they may if omitted, as in schema 2.

    Raises:
        PlanError: If the bytes are of another schema or not a plan, if the coordinator needs a key,
        or if the plan must not be made; then the message says what to change.
        ProtocolError: If the bytes are not deterministic CBOR.
    """
    old = _read(data)
    if coordinator is None:
        coordinator = _simulated(old)
    chosen = OpenCrowd() if crowd is None else crowd
    try:
        return _made(old, coordinator, chosen)
    except PlanError as error:
        if isinstance(chosen, OpenCrowd) and _can_be_made(old, coordinator):
            raise PlanError(
                f"{error}. With a fixed crowd this plan can be made: migrate it with --crowd "
                f"{word_of(FixedCrowd)}"
            ) from error
        raise


def _read(data: bytes) -> Mapping[str, Any]:
    plain = canonical.decode(data, MAX_PLAN_BYTES)
    if not isinstance(plain, dict) or plain.get("type") != "Plan":
        raise PlanError("not the canonical bytes of a plan")
    version = plain.get("schema_version")
    if type(version) is not int or version == SCHEMA_VERSION:
        check_version(version)
        raise PlanError(f"this plan is of schema_version {SCHEMA_VERSION}: it needs no migration")
    if version != MIGRATED_VERSION:
        raise PlanError(
            f"a plan of schema_version {version!r}; this release migrates {MIGRATED_VERSION} to "
            f"{SCHEMA_VERSION}"
        )
    if missing := [name for name in _MOVED if name not in plain]:
        raise PlanError(f"the old plan lacks {', '.join(missing)}")
    return plain


def _simulated(old: Mapping[str, Any]) -> Coordinator:
    parties = old.get("parties")
    listed = parties if isinstance(parties, list) else []
    if real := sum(isinstance(p, dict) and p.get("simulated") is False for p in listed):
        raise PlanError(
            f"{real} parties have keys of their own, so the coordinator needs one too, to "
            "sign what it announces: give the 64 hexadecimal digits of its Ed25519 public key, "
            "--coordinator-key HEX"
        )
    return Coordinator.simulation()


def _made(old: Mapping[str, Any], coordinator: Coordinator, crowd: Crowd) -> Plan:
    stage = {"type": "Sums", **_defaults(Sums), **{name: old[name] for name in _MOVED}}
    new = {
        **{name: value for name, value in old.items() if name not in _MOVED},
        "stages": [stage],
        "coordinator": to_plain(coordinator),
        "crowd": to_plain(crowd),
        "schema_version": SCHEMA_VERSION,
    }
    plan = from_plain(Plan, _completed(new), "the old plan")
    assert isinstance(plan, Plan)  # noqa: S101 - narrows the type for mypy, from_plain made it
    return plan


def _can_be_made(old: Mapping[str, Any], coordinator: Coordinator) -> bool:
    try:
        _made(old, coordinator, FixedCrowd())
    except PlanError:
        return False
    return True


def _defaults(kind: type) -> Mapping[str, Any]:
    """The defaults of a class's fields as plain values, of those that have one."""
    given = {f.name: f.default for f in dataclasses.fields(kind)}
    return {n: to_plain(d) for n, d in given.items() if d is not MISSING and d is not None}


def _completed(plain: Any) -> Any:
    """Plain values, with the defaults of fields that were added to values that had no fields."""
    if isinstance(plain, list):
        return [_completed(item) for item in plain]
    if not isinstance(plain, dict):
        return plain
    kind = _WERE_EMPTY.get(plain["type"]) if plain.keys() == {"type"} else None
    if kind is not None:
        return to_plain(kind())
    return {name: _completed(value) for name, value in plain.items()}
