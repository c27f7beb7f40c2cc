"""Aggregation in an attested enclave, which every party verifies before it sends.

The enclave holds the coordinator's whole session; its host only carries bytes. What protects
contributions inside is another protection: in clear, where the enclave checks ranges and adds the
noise, or masked or encrypted, where broken hardware reveals no more than that protection does. It
checks what several sums reveal together against its history; the parties' stores serve as its
monotonic counter (`confide.aggregation.enclave.consent`).
"""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.aggregation.enclave.aggregator import Aggregator
    from confide.aggregation.enclave.coordinator import EnclaveCoordinator
    from confide.aggregation.enclave.party import EnclaveParty
    from confide.aggregation.enclave.receipts import Receipt, check_chain, verify_receipts

__all__ = [
    "Aggregator",
    "EnclaveCoordinator",
    "EnclaveParty",
    "Receipt",
    "check_chain",
    "verify_receipts",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.aggregation.enclave.aggregator": ("Aggregator",),
            "confide.aggregation.enclave.coordinator": ("EnclaveCoordinator",),
            "confide.aggregation.enclave.party": ("EnclaveParty",),
            "confide.aggregation.enclave.receipts": ("Receipt", "check_chain", "verify_receipts"),
        },
    )
