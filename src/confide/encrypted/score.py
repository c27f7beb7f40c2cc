"""Scoring rows that the evaluator cannot read, with a model that it need not show.

The evaluator makes a `Scorer` of its model, and gives away the scorer's `job`. By the job, the
owner of the rows makes keys, encrypts its rows in blocks, and later decrypts the scores of each.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide import he
from confide.canonical import sha256
from confide.encrypted.circuits import Circuit
from confide.encrypted.readings import Reading, read_reading
from confide.errors import ConfideError, EncryptionError, PlanError, ProtocolError
from confide.numbers import check_whole

__all__ = ["ScoreJob", "Scorer", "read_job"]

Reals = NDArray[np.float64]

PRECISION: Final = 1e-6
"""The largest error of a score, unless another is asked for."""

_FORMAT: Final = "confide score job 1"
_MOST_TEXT: Final = 16 << 20
_MOST_ROWS: Final = 1 << 15
_MOST_OUTPUTS: Final = 1 << 10
_SMALLEST_RING: Final = 2048
"""Slots of the smallest ring."""


@dataclass(frozen=True, kw_only=True)
class ScoreJob:
    """What owner and evaluator agree on. It holds no weight of the model.

    Attributes:
        reading: How rows are encrypted, and scores are read.
        outputs: Scores of a row.
        rows: Of a block. The last block is filled up with zeros.
        parameters: The ring.
        needs: The evaluation keys, as `confide.he.Plan.needs`.
        error: The largest error of a score.
    """

    reading: Reading
    outputs: int
    rows: int
    parameters: he.Parameters
    needs: Mapping[int, int]
    error: float

    @property
    def shape(self) -> tuple[int, int]:
        """Of an encrypted block: (rows, columns)."""
        return self.rows, self.reading.columns

    @property
    def digest(self) -> bytes:
        """Its hash, which names it."""
        return sha256(["confide.encrypted.score", self.text()])

    def encrypt(self, secret: he.SecretKey, rows: Any) -> Iterator[he.SealedTable]:
        """Encrypts raw rows, block by block.

        Args:
            secret: The owner's key.
            rows: A data frame, or a map from columns to cells.

        Raises:
            DataError: If a row cannot be read; before anything is encrypted.
            EncryptionError: If the key is of other parameters.
        """
        encoded = self.reading.encode(rows)
        given = he.Input(shape=self.shape, bound=1.0)

        def blocks() -> Iterator[he.SealedTable]:
            for start in range(0, len(encoded), self.rows):
                block = np.zeros(self.shape)
                part = encoded[start : start + self.rows]
                block[: len(part)] = part
                sealed = given.encrypted(secret, given.checked(block, "the block of rows"))
                assert isinstance(sealed, he.SealedTable)  # noqa: S101 - of two dimensions
                yield sealed

        if secret.context.parameters != self.parameters:
            raise EncryptionError(
                f"a key of {secret.context.parameters!r}; the job has {self.parameters!r}"
            )
        return blocks()

    def scores(self, secret: he.SecretKey, blocks: Iterable[he.SealedTable], count: int) -> Reals:
        """Decrypts scores, which stay with the owner: see `confide.he.decrypt_private`.

        Args:
            secret: The key under which the rows were encrypted.
            blocks: All, in order.
            count: How many rows there were.

        Returns:
            Shape `(count, outputs)`.

        Raises:
            EncryptionError: If a block is of another key or another shape.
        """
        opened: list[Reals] = []
        for block in blocks:
            if block.shape != (self.rows, self.outputs):
                raise EncryptionError(
                    f"scores of shape {block.shape}; the job says {(self.rows, self.outputs)}"
                )
            opened.append(np.asarray(he.decrypt_private(secret, block), np.float64))
        if len(opened) != -(-count // self.rows):
            raise EncryptionError(
                f"{len(opened)} blocks of scores for {count:,} rows, which stand in"
                f" {-(-count // self.rows)}"
            )
        return np.concatenate(opened)[:count]

    def answers(self, scores: Reals) -> dict[str, NDArray[Any]]:
        """What scores say: the prediction, and of classes the probability of each."""
        answers = self.reading.answers
        found = {answers.table.label or "prediction": answers.predictions(scores)}
        if answers.classifies:
            chances = answers.probabilities(scores)
            names = [f"probability of {name}" for name in answers.classes]
            found |= dict(zip(names, chances.T, strict=True))
        return found

    def text(self) -> str:
        """The job as JSON, which `read_job` reads."""
        return json.dumps(
            {
                "format": _FORMAT,
                "reading": self.reading.as_value(),
                "outputs": self.outputs,
                "rows": self.rows,
                "ring": self.parameters.literal.as_value(),
                "keys": {str(power): level for power, level in self.needs.items()},
                "error": self.error,
            },
            indent=1,
            sort_keys=True,
            allow_nan=False,
        )


def read_job(text: str) -> ScoreJob:
    """The job that `ScoreJob.text` wrote.

    Its ring is checked against the security table; nothing else in it can weaken the encryption.

    Raises:
        ProtocolError: If it is malformed, or of another release.
        EncryptionError: If the ring is not secure.
    """
    try:
        given = json.loads(text) if len(text) <= _MOST_TEXT else None
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or given.get("format") != _FORMAT:
        raise ProtocolError(f"not a score job: its format is {_FORMAT!r}, in JSON")
    try:
        return ScoreJob(
            reading=read_reading(given["reading"]),
            outputs=check_whole(
                "outputs", given["outputs"], least=1, most=_MOST_OUTPUTS, limit="as the model has"
            ),
            rows=check_whole(
                "rows", given["rows"], least=1, most=_MOST_ROWS, limit="as many as fill a block"
            ),
            parameters=he.Literal.from_value(given["ring"]).checked(),
            needs={int(power): int(level) for power, level in given["keys"].items()},
            error=float(given["error"]),
        )
    except EncryptionError:
        raise
    except (ConfideError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        reason = f": {error}" if isinstance(error, ConfideError) else ""
        raise ProtocolError(f"a score job that this release cannot read{reason}") from None


class Scorer:
    """A model that scores encrypted rows.

    Args:
        circuit: What is computed, on columns from -1 to 1.
        reading: How rows become these columns.
        rows: Of a block, unless the ring has fewer slots: as many as are expected at a time.
        precision: The largest error of a score.
        job: An earlier job of the same model, whose ring is to be used; None to find one.

    Attributes:
        circuit: As given.
        job: What the owner of the rows needs.
        plan: What a block costs.

    Raises:
        EncryptionError: If no ring suffices.
        PlanError: If the job is of another model.
    """

    def __init__(
        self,
        circuit: Circuit,
        reading: Reading,
        *,
        rows: int = _MOST_ROWS,
        precision: float = PRECISION,
        job: ScoreJob | None = None,
    ) -> None:
        if circuit.inputs != reading.columns:
            raise PlanError(f"a model of {circuit.inputs} columns and {reading.columns} read")
        count = check_whole("rows", rows, least=1, limit="how many are expected at a time")
        self.circuit: Final = circuit
        self.plan: Final = self._planned(count, precision) if job is None else self._by(job)
        shape = self.plan.inputs["table"].shape
        self.job: Final = ScoreJob(
            reading=reading,
            outputs=circuit.outputs,
            rows=shape[0],
            parameters=self.plan.parameters,
            needs=self.plan.needs,
            error=self.plan.error if job is None else job.error,
        )
        if job is not None and self.job.digest != job.digest:
            raise PlanError(
                "the job is not this model's: columns, scaling, classes or keys differ. Give the"
                " model from which the job was made, or make a job of this one"
            )

    def score(self, keys: he.EvaluationKeys, block: he.SealedTable) -> he.SealedTable:
        """Scores of an encrypted block.

        Args:
            keys: What the owner made by the job.
            block: Of the job's shape.

        Returns:
            Shape `(rows, outputs)`, under the owner's key.

        Raises:
            EncryptionError: If keys or block are not as the job says.
        """
        scores: he.SealedTable = self.plan.run(keys, table=block)
        return scores

    def _planned(self, rows: int, precision: float) -> he.Plan:
        # A block is as long as the ring has slots, and which ring is known after a first plan.
        first = self._plan(min(rows, _SMALLEST_RING), precision, None)
        slots = first.parameters.slots
        return self._plan(min(rows, slots), precision, first.parameters)

    def _by(self, job: ScoreJob) -> he.Plan:
        return self._plan(job.rows, job.error * (1 + 1e-9), job.parameters)

    def _plan(self, rows: int, precision: float, parameters: he.Parameters | None) -> he.Plan:
        given = he.Input(shape=(rows, self.circuit.inputs), bound=1.0)
        computation = self.circuit.__call__
        return he.plan(computation, {"table": given}, precision=precision, parameters=parameters)
