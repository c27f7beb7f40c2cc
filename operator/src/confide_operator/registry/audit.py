"""The record of a registry as auditors take it away: one row for each statement, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from confide_operator.registry.statements import (
    Attested,
    BuildProposed,
    Decided,
    Fact,
    Founded,
    MemberProposed,
    NodeProposed,
    Role,
    Withdrawn,
)

if TYPE_CHECKING:
    from confide_operator.registry.registry import Registry

__all__ = ["AuditRow", "audit", "to_csv", "to_json"]

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class AuditRow:
    """One statement.

    Attributes:
        entry: Its number in the log.
        time: When it was recorded, ISO 8601 in UTC.
        member: Who said it.
        role: What the member was by the end of the record.
        action: What was said.
        subject: Of what.
        outcome: What came of it: 'accepted', 'rejected', 'held', or the step that failed.
        assurance: Of an attestation, in the member's word: 'hardware' or 'simulated'.
        detail: The rest, in words.
        hash: Of the entry.
    """

    entry: int
    time: str
    member: str
    role: str
    action: str
    subject: str
    outcome: str
    assurance: str
    detail: str
    hash: str


def audit(registry: Registry) -> list[AuditRow]:
    """Everything that was said, in order."""
    state = registry.state
    titles = {id_: proposal.title for id_, proposal in state.proposals.items()}
    rows = []
    for entry, statement in registry.statements():
        words = _in_words(statement.fact, titles)
        member = state.members.get(statement.by)
        rows.append(
            AuditRow(
                entry=entry.number,
                time=datetime.fromtimestamp(entry.time, UTC).isoformat(),
                member=statement.by,
                role=(member.role if member else Role.NONE).value,
                action=statement.kind,
                subject=words.subject or titles.get(entry.hash, ""),
                outcome=words.outcome,
                assurance=words.assurance,
                detail=words.detail,
                hash=entry.hash.hex(),
            )
        )
    return rows


def to_csv(rows: Iterable[AuditRow]) -> str:
    """A table with a header; no cell begins as a formula of a spreadsheet does."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(AuditRow)], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _harmless(value) for name, value in asdict(row).items()})
    return text.getvalue()


def to_json(rows: Iterable[AuditRow]) -> str:
    """A list of maps."""
    return json.dumps([asdict(row) for row in rows], indent=1, ensure_ascii=False) + "\n"


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


class _Words(NamedTuple):
    subject: str = ""
    outcome: str = ""
    assurance: str = ""
    detail: str = ""


def _in_words(fact: Fact, titles: dict[bytes, str]) -> _Words:
    match fact:
        case Founded():
            return _Words(f"registry {fact.name}", detail=_rules(fact))
        case BuildProposed() | NodeProposed() | MemberProposed():
            return _Words(detail=_proposed(fact))
        case Decided():
            outcome = "accepted" if fact.accepted else "rejected"
            return _Words(titles.get(fact.proposal, ""), outcome, detail=fact.reason)
        case Withdrawn():
            return _Words(titles.get(fact.proposal, ""), "withdrawn", detail=fact.reason)
        case Attested():
            outcome = f"failed at {fact.failed}" if fact.failed else "held"
            return _Words(titles.get(fact.node, ""), outcome, fact.assurance, _found(fact))


def _proposed(fact: BuildProposed | NodeProposed | MemberProposed) -> str:
    match fact:
        case BuildProposed():
            return f"release {fact.read.hash.hex()}"
        case NodeProposed():
            return f"machine {fact.identifier}"
        case MemberProposed():
            return f"key {fact.key.hex()}"


def _rules(fact: Founded) -> str:
    silent = f"silent for at most {fact.heartbeat_seconds:,} s"
    return (
        f"{fact.threshold} parties accept; attested again within {fact.reattest_seconds:,} s; "
        f"{silent if fact.heartbeat_seconds else 'no heartbeat expected'}"
    )


def _found(fact: Attested) -> str:
    found = f"{fact.reason}; " if fact.reason else ""
    return f"{found}evidence {fact.evidence.hex()}, policy {fact.policy.hex()}"
