"""Builds and machines that the parties accept, on a record that nobody can rewrite."""

from confide.tee.registry.audit import AuditRow, audit, to_csv, to_json
from confide.tee.registry.heartbeat import Heartbeat
from confide.tee.registry.nodes import NodeHealth
from confide.tee.registry.registry import ENROL, Registry
from confide.tee.registry.state import Proposal
from confide.tee.registry.statements import (
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
    "Founded",
    "Heartbeat",
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
