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

__all__ = ["ScoreJob", "Scorer", "read_job", "scorer_of"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.encrypted.models": ("scorer_of",),
            "confide.encrypted.score": ("ScoreJob", "Scorer", "read_job"),
        },
    )
