"""Builds and machines that the parties accept, in a tamper-evident record."""

from confide_operator.registry.audit import AuditRow, audit, to_csv, to_json
from confide_operator.registry.kept import Bundle
from confide_operator.registry.nodes import NodeHealth
from confide_operator.registry.registry import ENROL, Registry
from confide_operator.registry.state import Proposal
from confide_operator.registry.statements import (
    BuildProposed,
    Founded,
    Member,
    MemberProposed,
    NodeProposed,
    Role,
    Statement,
)

__all__ = [
    "ENROL",
    "AuditRow",
    "BuildProposed",
    "Bundle",
    "Founded",
    "Member",
    "MemberProposed",
    "NodeHealth",
    "NodeProposed",
    "Proposal",
    "Registry",
    "Role",
    "Statement",
    "audit",
    "to_csv",
    "to_json",
]
