"""Aggregation: interpreters of a bounded sum that agree bit for bit."""

from typing import TYPE_CHECKING

from confide._lazy import attach
from confide.aggregation.release import release

if TYPE_CHECKING:
    from confide.aggregation.enclave import Aggregator, Receipt, check_chain, verify_receipts
    from confide.aggregation.encoding import Accumulator, Integers, decode
    from confide.aggregation.envelope import Round
    from confide.aggregation.forms import Placed, Summed
    from confide.aggregation.modular import Layout
    from confide.aggregation.register import LedgerRegister, RoundRegister
    from confide.aggregation.rounds import (
        Traffic,
        coordinator_session,
        message_kinds,
        party_session,
        run_round,
    )
    from confide.aggregation.session import (
        Announcer,
        Contribution,
        CoordinatorSession,
        FalseShare,
        Identity,
        PartySession,
        RoundResult,
    )

__all__ = [
    "Accumulator",
    "Aggregator",
    "Announcer",
    "Contribution",
    "CoordinatorSession",
    "FalseShare",
    "Identity",
    "Integers",
    "Layout",
    "LedgerRegister",
    "PartySession",
    "Placed",
    "Receipt",
    "Round",
    "RoundRegister",
    "RoundResult",
    "Summed",
    "Traffic",
    "check_chain",
    "coordinator_session",
    "decode",
    "message_kinds",
    "party_session",
    "release",
    "run_round",
    "verify_receipts",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.aggregation.enclave": (
                "Aggregator",
                "Receipt",
                "check_chain",
                "verify_receipts",
            ),
            "confide.aggregation.encoding": ("Accumulator", "Integers", "decode"),
            "confide.aggregation.envelope": ("Round",),
            "confide.aggregation.forms": ("Placed", "Summed"),
            "confide.aggregation.modular": ("Layout",),
            "confide.aggregation.register": ("LedgerRegister", "RoundRegister"),
            "confide.aggregation.rounds": (
                "Traffic",
                "coordinator_session",
                "message_kinds",
                "party_session",
                "run_round",
            ),
            "confide.aggregation.session": (
                "Announcer",
                "Contribution",
                "CoordinatorSession",
                "FalseShare",
                "Identity",
                "PartySession",
                "RoundResult",
            ),
        },
    )
