"""What the two roles of encrypted scoring compute between their messages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike

from confide import he
from confide.aggregation.numbers import Reals, real_numbers
from confide.errors import DataError, ProtocolError, VerificationError
from confide.exchange.hiding import rerandomised
from confide.plan.masking import SECURITY_BITS

if TYPE_CHECKING:
    from confide.exchange.score import EncryptedScore

__all__ = ["EvaluatorPart", "OwnerPart", "ScoreModel"]


@dataclass(frozen=True, kw_only=True)
class ScoreModel:
    """What the evaluator holds: a linear model, to which the plan adds the link.

    Attributes:
        weights: One for each column, in the order of the plan's columns. Never shown.
        intercept: What is added.
    """

    weights: Reals = field(repr=False)
    intercept: float = field(default=0.0, repr=False)

    @classmethod
    def of(cls, weights: ArrayLike, intercept: ArrayLike = 0.0) -> Self:
        """A model of numbers, such as scikit-learn's `coef_` and `intercept_`.

        Args:
            weights: Shape `(columns,)` or `(1, columns)`.
            intercept: One number, or an array of one.

        Raises:
            DataError: If they are not numbers, or of another shape. The message shows none of them.
        """
        w, b = (
            real_numbers(weights, "the vector of weights"),
            real_numbers(intercept, "the intercept"),
        )
        if w.ndim == 2 and len(w) == 1:
            w = w[0]
        if w.ndim != 1 or b.size != 1:
            raise DataError(
                f"weights of shape {w.shape} and an intercept of shape {b.shape}; a model has one "
                "weight for each column and one intercept"
            )
        return cls(weights=w, intercept=float(b.item()))


class OwnerPart:
    """The owner of the rows in one round, with the round's secret key."""

    def __init__(self, declared: EncryptedScore, rows: Reals) -> None:
        self._declared, self._rows = declared, rows
        self._secret = he.SecretKey(declared.context)
        self._scores: Reals | None = None

    def make(self, message: str) -> bytes:
        """See `Part`."""
        secret = self._secret
        made: he.PublicKey | he.EvaluationKeys | he.SealedVector | he.SealedTable
        match message:
            case "public-key":
                made = secret.public_key()
            case "evaluation-keys":
                made = self._declared.planned.evaluation_keys(secret)
            case _:
                sealed = self._declared.planned.encrypt(secret, table=self._rows)
                made = sealed["table"]
        return he.write(made, self._declared.context)

    def take(self, message: str, content: bytes) -> None:
        """See `Part`: opens the scores, and refuses what no model within the bounds gives."""
        declared = self._declared
        found = he.read_vector(content, declared.context, most_length=declared.rows)
        if len(found) != declared.rows or any(b.level or b.parts > 2 for b in found.blocks):
            raise ProtocolError(
                "the scores differ from the declaration in their number or their level"
            )
        scores = he.decrypt_private(self._secret, found)
        largest = declared.circuit.largest + declared.error
        if not (np.abs(scores) <= largest).all() or not self._repeats(found):
            raise VerificationError(
                "scores that no model within the declared bounds gives: the evaluator did not "
                "compute them from this round's rows. They are not used; run the round again with "
                "an evaluator that you trust to compute"
            )
        self._scores = scores

    @property
    def result(self) -> Reals:
        """The scores, (rows,)."""
        if self._scores is None:
            raise ProtocolError("the scores have not arrived yet")
        return self._scores

    def _repeats(self, found: he.SealedVector) -> bool:
        """Whether the numbers repeat through the slots, as those of a vector do.

        A ciphertext under another key decrypts to noise in all slots.
        """
        period = 1 << (self._declared.rows - 1).bit_length()
        for block in found.blocks:
            slots = self._secret.decrypt_private(block)
            turns = slots.reshape(-1, min(period, len(slots)))
            if np.abs(turns - turns[0]).max() > 2 * self._declared.error:
                return False
        return True


class EvaluatorPart:
    """The holder of the model in one round."""

    def __init__(self, declared: EncryptedScore, model: ScoreModel) -> None:
        self._declared, self._model = declared, model
        self._public: he.PublicKey | None = None
        self._keys: he.EvaluationKeys | None = None
        self._table: he.SealedTable | None = None
        self.result: None = None

    def take(self, message: str, content: bytes) -> None:
        """See `Part`."""
        context = self._declared.context
        match message:
            case "public-key":
                self._public = he.read_public_key(content, context)
            case "evaluation-keys":
                self._keys = he.read_evaluation_keys(content, context)
                self._check_keys(self._keys)
            case _:
                shape = (self._declared.rows, len(self._declared.columns))
                self._table = he.read_table(content, context, most_shape=shape)
                if self._table.shape != shape:
                    raise ProtocolError(f"rows of shape {self._table.shape}; declared are {shape}")
                bound = self._table.bound
                if bound is None or bound > self._declared.bound:
                    raise ProtocolError(
                        "rows whose encryption was not checked against the declared bound of"
                        f" {self._declared.bound:g}"
                    )

    def make(self, message: str) -> bytes:
        """See `Part`: computes on the ciphertexts."""
        declared = self._declared
        if self._public is None or self._keys is None or self._table is None:
            raise ProtocolError("scores were requested before keys and rows arrived")
        computed = declared.circuit.on(self._model.weights, self._model.intercept)
        result = he.evaluate(computed, self._keys, table=self._table)
        hidden = rerandomised(
            result,
            self._keys,
            self._public,
            noise=declared.planned.noise,
            queries=declared.circuit.queries,
            statistical_bits=SECURITY_BITS,
        )
        return he.write(hidden, declared.context)

    def _check_keys(self, keys: he.EvaluationKeys) -> None:
        given = {power: key.level for power, key in keys.keys.items()}
        if given != dict(self._declared.planned.needs):
            raise ProtocolError("evaluation keys for other operations or levels than declared")
