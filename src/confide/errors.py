"""The one error tree.

Every error that `confide` raises on purpose is a `ConfideError`, so that the command line can turn
it into one clear line and an exit code. A message names the value, the limit and the fix, and never
contains a secret.
"""

from __future__ import annotations

from enum import Enum

__all__ = [
    "AttestationError",
    "CoinError",
    "ComplaintError",
    "ConfideError",
    "CostError",
    "DataError",
    "DropoutError",
    "EncryptionError",
    "LedgerError",
    "NotFittedError",
    "OpeningError",
    "PlanError",
    "PrivacyBudgetError",
    "ProtocolError",
    "QuestionError",
    "Step",
    "VerificationError",
    "why_unreadable",
]


def why_unreadable(error: Exception) -> str:
    """Why a file cannot be read, in words: without the system's number, and the path once.

    Args:
        error: What reading it raised.
    """
    if isinstance(error, UnicodeDecodeError):
        return f"it is not text in {error.encoding.upper()}"
    return (isinstance(error, OSError) and error.strerror) or str(error)


class ConfideError(Exception):
    """The root of the tree; `exit_code` is what the command line exits with."""

    exit_code = 1


class PlanError(ConfideError, ValueError):
    """A plan, or a part of one, that must not be made: raised before anything runs."""

    exit_code = 2


class QuestionError(ConfideError, ValueError):
    """A question to a report names an unknown observer, party or word."""

    exit_code = 2


class DataError(ConfideError, ValueError):
    """Data or an update that does not fit what was declared: wrong shape, NaN, missing column."""

    exit_code = 3


class EncryptionError(ConfideError, ValueError):
    """Parameters, keys or ciphertexts that do not fit an operation; nothing was decrypted."""

    exit_code = 9


class NotFittedError(ConfideError, ValueError):
    """An estimator was asked to predict before it was fitted."""


class CostError(ConfideError):
    """A plan would take more bytes, seconds or memory than it may; nothing ran."""

    exit_code = 4


class PrivacyBudgetError(ConfideError):
    """A cap of the ledger has no room for a charge; nothing was charged or released."""

    exit_code = 4


class ProtocolError(ConfideError):
    """A message that is malformed, repeated, out of order or not for this round.

    The session that raises it is over: the error reveals nothing, and the session sends no more
    messages.
    """

    exit_code = 5


class VerificationError(ProtocolError):
    """A signature, commitment or ciphertext does not verify: a lie or an error."""

    exit_code = 6


class OpeningError(ProtocolError):
    """A sum that, with the sums opened before, would single out few parties.

    Nothing was opened, and nothing of the round was revealed.
    """

    exit_code = 11


class Step(Enum):
    """The checks of an attested peer, in this order; it stops at the first failed check."""

    PARSE = "parse"
    ROOT = "root"
    FRESHNESS = "freshness"
    TCB = "tcb"
    DEBUG = "debug"
    MEASUREMENT = "measurement"
    NODE = "node"
    REPORT_DATA = "report data"
    CLAIMS = "claims"
    GPU = "gpu"


class AttestationError(VerificationError):
    """Evidence of trusted hardware, or what depends on it, does not verify: nothing is sent.

    Attributes:
        step: The step of the verification that did not hold.
    """

    exit_code = 10

    def __init__(self, step: Step, message: str) -> None:
        super().__init__(message)
        self.step = step


class DropoutError(ConfideError):
    """More parties dropped out than the plan allows; no sum was released."""

    exit_code = 7


class CoinError(DropoutError):
    """A party committed to the joint coin and withheld its share: the round starts again, afresh.

    Attributes:
        absent: Names of the parties that withheld, which the next attempt does without.
    """

    def __init__(self, message: str, absent: tuple[str, ...]) -> None:
        super().__init__(message)
        self.absent = absent


class ComplaintError(DropoutError):
    """A party got a false share, or says so: the round starts again, nothing was spent.

    Attributes:
        absent: Names of the parties that the next attempt does without.
    """

    def __init__(self, message: str, absent: tuple[str, ...]) -> None:
        super().__init__(message)
        self.absent = absent


class LedgerError(ConfideError):
    """A ledger that cannot be read or written: full, locked, damaged, or of another format.

    Nothing was released. What it should have recorded counts as spent unless the ledger says
    otherwise.
    """

    exit_code = 8
