"""The ledger: each data owner's own record of what its data have lost, and the caps on it."""

from confide.privacy.ledger.balance import Remaining, Spent
from confide.privacy.ledger.costs import Accountant
from confide.privacy.ledger.filters import Cap, Filter, Period
from confide.privacy.ledger.heads import SignedHead
from confide.privacy.ledger.ledger import Ledger
from confide.privacy.ledger.lineage import Dataset
from confide.privacy.ledger.question import Question
from confide.privacy.ledger.reservation import Reservation

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
    "SignedHead",
    "Spent",
]
