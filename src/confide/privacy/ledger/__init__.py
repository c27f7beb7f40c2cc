"""The ledger: each data owner's own record of what its data have lost, and the caps on it."""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.privacy.ledger.balance import Remaining, Spent
    from confide.privacy.ledger.caps import Cap, Filter, Period
    from confide.privacy.ledger.costs import Accountant
    from confide.privacy.ledger.heads import SignedHead
    from confide.privacy.ledger.ledger import Ledger
    from confide.privacy.ledger.lineage import Dataset
    from confide.privacy.ledger.question import Question
    from confide.privacy.ledger.reservation import Reservation
    from confide.privacy.ledger.split import Share, split_budget

__all__ = [
    "Accountant",
    "Cap",
    "Dataset",
    "Filter",
    "Ledger",
    "Period",
    "Question",
    "Remaining",
    "Reservation",
    "Share",
    "SignedHead",
    "Spent",
    "split_budget",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.privacy.ledger.balance": ("Remaining", "Spent"),
            "confide.privacy.ledger.caps": ("Cap", "Filter", "Period"),
            "confide.privacy.ledger.costs": ("Accountant",),
            "confide.privacy.ledger.heads": ("SignedHead",),
            "confide.privacy.ledger.ledger": ("Ledger",),
            "confide.privacy.ledger.lineage": ("Dataset",),
            "confide.privacy.ledger.question": ("Question",),
            "confide.privacy.ledger.reservation": ("Reservation",),
            "confide.privacy.ledger.split": ("Share", "split_budget"),
        },
    )
