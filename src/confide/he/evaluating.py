"""A computation on ciphertexts: its inputs, its results, and where it failed."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from confide.errors import EncryptionError
from confide.he.engine import NativeEngine
from confide.he.evaluator import Evaluator
from confide.he.keys import EvaluationKeys
from confide.he.matrix import EncryptedMatrix
from confide.he.sealed import SealedTable, SealedVector
from confide.he.vector import EncryptedVector

__all__ = ["Computation", "Located", "evaluate", "no_result", "require_sealed"]

Computation = Callable[..., Any]
"""Takes encrypted vectors and tables by name, returns one, or a dictionary of them."""


def evaluate(
    computation: Computation, keys: EvaluationKeys, /, **inputs: SealedVector | SealedTable
) -> Any:
    """Runs a computation on ciphertexts.

    Args:
        computation: As it was planned.
        keys: What the key holder gave.
        **inputs: Encrypted vectors and tables by name.

    Returns:
        What the computation returns, ready to be sent: sealed vectors and tables.

    Raises:
        EncryptionError: If a key is missing, levels run out, or inputs are under other keys or
            parameters.
    """
    evaluator = Evaluator(NativeEngine(keys))

    for name, given in inputs.items():
        require_sealed(given, name)

    def unsealed(x: SealedVector) -> EncryptedVector[Any]:
        return EncryptedVector(evaluator, x.blocks, x.layout)

    arguments = {
        name: unsealed(x)
        if isinstance(x, SealedVector)
        else EncryptedMatrix([unsealed(column) for column in x.columns])
        for name, x in inputs.items()
    }
    with Located():
        return _sealed(computation(**arguments))


def require_sealed(given: object, name: str) -> None:
    """Refuses an input that is not encrypted.

    Raises:
        EncryptionError: If it is not.
    """
    if not isinstance(given, SealedVector | SealedTable):
        raise EncryptionError(f"{name} is not encrypted ({type(given).__name__}): encrypt it first")


def _sealed(x: Any) -> Any:
    if isinstance(x, EncryptedVector):
        return SealedVector(x.settled().blocks, x.layout)
    if isinstance(x, EncryptedMatrix):
        return SealedTable([_sealed(column) for column in x.columns])
    if isinstance(x, dict):
        return {name: _sealed(each) for name, each in x.items()}
    raise no_result(x)


def no_result(x: object) -> EncryptionError:
    """What is wrong with a computation that returned this."""
    return EncryptionError(
        f"the computation returned something of type {type(x).__name__}, which is not encrypted:"
        " return an encrypted vector or table, or a dictionary of them"
    )


class Located:
    """Adds to an error the line of the computation that led to it."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not isinstance(error, EncryptionError):
            return
        here = Path(__file__).parent
        for frame in reversed(traceback.extract_tb(trace)):
            path = Path(frame.filename)
            if path.parent != here:
                raise EncryptionError(
                    f"{path.name}, line {frame.lineno} ({(frame.line or '').strip()}): {error}"
                ) from error
