"""Jobs on encrypted tables: score rows, select variables, on data that the evaluator cannot read.

A *data owner* encrypts its table and keeps the secret key. An *evaluator* has the ciphertexts, the
evaluation keys, and sometimes a model of its own. A job says in advance what both do; its data are
streamed in blocks of rows, so a table may be larger than the memory.
"""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.encrypted.models import scorer_of
    from confide.encrypted.score import ScoreJob, Scorer, read_job
    from confide.encrypted.select import select_variables
    from confide.encrypted.select_evaluator import SelectionEvaluator
    from confide.encrypted.select_exchange import selection_exchange
    from confide.encrypted.select_messages import (
        Coefficients,
        Rows,
        SealedUnit,
        Sums,
        read_message,
        write_message,
    )
    from confide.encrypted.select_owner import SelectionOwner
    from confide.encrypted.select_result import NullModel, Selected, Tested
    from confide.encrypted.selection import Column, Refresh, Selection, Unit, read_selection

__all__ = [
    "Coefficients",
    "Column",
    "NullModel",
    "Refresh",
    "Rows",
    "ScoreJob",
    "Scorer",
    "SealedUnit",
    "Selected",
    "Selection",
    "SelectionEvaluator",
    "SelectionOwner",
    "Sums",
    "Tested",
    "Unit",
    "read_job",
    "read_message",
    "read_selection",
    "scorer_of",
    "select_variables",
    "selection_exchange",
    "write_message",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.encrypted.models": ("scorer_of",),
            "confide.encrypted.score": ("ScoreJob", "Scorer", "read_job"),
            "confide.encrypted.select": ("select_variables",),
            "confide.encrypted.select_evaluator": ("SelectionEvaluator",),
            "confide.encrypted.select_exchange": ("selection_exchange",),
            "confide.encrypted.select_messages": (
                "Coefficients",
                "Rows",
                "SealedUnit",
                "Sums",
                "read_message",
                "write_message",
            ),
            "confide.encrypted.select_owner": ("SelectionOwner",),
            "confide.encrypted.select_result": ("NullModel", "Selected", "Tested"),
            "confide.encrypted.selection": (
                "Column",
                "Refresh",
                "Selection",
                "Unit",
                "read_selection",
            ),
        },
    )
