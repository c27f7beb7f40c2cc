"""Encrypted scoring: an evaluator scores rows that it cannot read, with a model that it keeps.

In each round the owner of the rows makes a fresh secret key, and sends public keys and its rows
under that key. The evaluator computes w·x + b on the ciphertexts, for a logistic model the sigmoid
of it as a polynomial, re-randomises the result and sends it back; the owner decrypts it.

The ring follows from public bounds alone: on the numbers in a row, on the weights, and the
precision. The plan names it and both sides check that it is large enough. It does not depend on the
owner's rows or the evaluator's weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike

from confide import he
from confide.aggregation.numbers import real_numbers
from confide.computation.code import package_code
from confide.errors import DataError, EncryptionError, PlanError
from confide.exchange.circuit import LINKS, Circuit, Reals
from confide.exchange.scoring import EvaluatorPart, OwnerPart, ScoreModel
from confide.exchange.session import Part
from confide.exchange.sizes import (
    ciphertext_bytes,
    evaluation_key_bytes,
    public_key_bytes,
    table_bytes,
)
from confide.plan import Exchange, Message, MessageForm, Party, Plan, Role, Task
from confide.plan.codec import check_keys

__all__ = ["EVALUATOR", "OWNER", "TASK", "EncryptedScore"]

TASK: Final = "encrypted-score"
OWNER, EVALUATOR = "owner", "evaluator"

_MOST_ROWS: Final = 1 << 16
_MOST_COLUMNS: Final = 1000
_MOST_ROUNDS: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class EncryptedScore:
    """The declaration of encrypted scoring: all of it is public.

    Attributes:
        columns: The columns of a row, in the order of the weights.
        bound: The largest size of a number in a row.
        weight_bound: The largest size of a weight and of the intercept.
        link: 'identity' or 'logistic'.
        rows: How many rows a round scores; thousands cost as much as one.
        rounds: How many rounds.
        precision: The largest error of a score.
        ring: The parameters of the encryption, as `confide.he.Literal.as_value` writes them; the
            cheapest that suffice if omitted.

    Raises:
        PlanError: If a value is out of range, or no ring is precise enough.
    """

    columns: tuple[str, ...]
    bound: float = 1.0
    weight_bound: float = 1.0
    link: str = "identity"
    rows: int = 1
    rounds: int = 1
    precision: float = 1e-2
    ring: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        self._check_columns()
        for what in ("bound", "weight_bound", "precision"):
            value = getattr(self, what)
            if type(value) not in {int, float} or not (math.isfinite(value) and value > 0):
                raise PlanError(f"{what} is {value!r}; it is a positive finite number")
            object.__setattr__(self, what, float(value))
        for what, most in (("rows", _MOST_ROWS), ("rounds", _MOST_ROUNDS)):
            if type(value := getattr(self, what)) is not int or not 1 <= value <= most:
                raise PlanError(f"{what} is {value!r}; it is a whole number from 1 to {most:,}")
        if self.link not in LINKS:
            raise PlanError(f"link is {self.link!r}; it is one of {', '.join(LINKS)}")
        object.__setattr__(self, "ring", self.planned.parameters.literal.as_value())

    def _check_columns(self) -> None:
        given: object = self.columns
        if isinstance(given, str) or not all(isinstance(name, str) for name in self.columns):
            raise PlanError(f"columns {given!r}; give a list of names")
        object.__setattr__(self, "columns", tuple(self.columns))
        if not 1 <= len(self.columns) <= _MOST_COLUMNS:
            raise PlanError(
                f"{len(self.columns):,} columns; at least 1 and at most {_MOST_COLUMNS:,}"
            )
        if len(set(self.columns)) < len(self.columns):
            raise PlanError(f"columns {list(self.columns)}; name each once")

    @classmethod
    def of_exchange(cls, exchange: Exchange) -> Self:
        """The declaration that an exchange was made from.

        Raises:
            PlanError: If its settings do not fit, or it declares other roles or messages.
        """
        self = cls._of_settings(exchange.task.read(), exchange.rounds)
        made = self.stage(**_parties(exchange.name, exchange.roles), name=exchange.name)
        if exchange.code != made.code:
            raise PlanError(
                f"exchange {exchange.name!r} names {exchange.code.package} "
                f"{exchange.code.version} ({exchange.code.digest.hex()[:16]}…), but "
                f"{made.code.package} {made.code.version} ({made.code.digest.hex()[:16]}…) is "
                "installed: install what the plan names, or agree on a new plan"
            )
        if made != exchange:
            raise PlanError(
                f"exchange {exchange.name!r} declares other messages or settings than task "
                f"{TASK!r} sends; make it with confide.exchange.EncryptedScore"
            )
        return self

    @classmethod
    def of_file(
        cls, settings: Mapping[str, Any], roles: tuple[Role, ...], *, name: str, rounds: int
    ) -> Exchange:
        """The stage that a plan file declares; see `confide.computation.MakeExchange`."""
        return cls._of_settings(settings, rounds).stage(**_parties(name, roles), name=name)

    @classmethod
    def _of_settings(cls, settings: Mapping[str, Any], rounds: int) -> Self:
        known = {each.name: each for each in fields(cls) if each.name != "rounds"}
        check_keys(settings, known, f"task {TASK!r}")
        if "columns" not in settings:
            raise PlanError(f"task {TASK!r} lacks columns: name those of a row, in order")
        return cls(**settings, rounds=rounds)

    def plan(self, *, owner: str, evaluator: str, **fields: Any) -> Plan:
        """A plan of this exchange alone, between two simulated parties.

        Args:
            owner: The name of the party that has the rows.
            evaluator: The name of the party that has the model.
            **fields: Other fields of the plan: its `threat`, or `parties` with keys of their own.
        """
        given: dict[str, Any] = {
            "name": TASK,
            "parties": (Party.simulation(owner), Party.simulation(evaluator)),
            "stages": (self.stage(owner=owner, evaluator=evaluator),),
        }
        return Plan(**given | fields)

    def stage(self, *, owner: str, evaluator: str, name: str = "scoring") -> Exchange:
        """The stage of a plan.

        Args:
            owner: The name of the party that has the rows.
            evaluator: The name of the party that has the model.
            name: The stage's name.
        """
        return Exchange(
            name=name,
            task=Task.of(
                TASK,
                columns=list(self.columns),
                bound=self.bound,
                weight_bound=self.weight_bound,
                link=self.link,
                rows=self.rows,
                precision=self.precision,
                ring=self.ring,
            ),
            code=package_code("confide"),
            roles=(Role(name=OWNER, party=owner), Role(name=EVALUATOR, party=evaluator)),
            messages=self._messages(),
            rounds=self.rounds,
        )

    def _messages(self) -> tuple[Message, ...]:
        planned, parameters = self.planned, self.planned.parameters
        blocks = -(-self.rows // parameters.slots)
        there: dict[str, Any] = {"sender": OWNER, "receiver": EVALUATOR, "key": OWNER}
        return (
            Message(
                name="public-key", form=MessageForm.PUBLIC_KEY,
                max_bytes=public_key_bytes(parameters),
                meaning="the round's public key", **there,
            ),
            Message(
                name="evaluation-keys", form=MessageForm.EVALUATION_KEYS,
                max_bytes=evaluation_key_bytes(parameters, planned.needs),
                meaning="the round's keys for computing on ciphertexts", **there,
            ),
            Message(
                name="rows", form=MessageForm.CIPHERTEXT, of=(OWNER,),
                shape=(self.rows, len(self.columns)),
                max_bytes=table_bytes(parameters, self.rows, len(self.columns)),
                meaning=f"{self.rows} {'row' if self.rows == 1 else 'rows'} of "
                f"{', '.join(self.columns)}", **there,
            ),
            Message(
                name="scores", sender=EVALUATOR, receiver=OWNER, form=MessageForm.ENCRYPTED_RESULT,
                of=(OWNER, EVALUATOR), key=OWNER, shape=(self.rows,),
                max_bytes=512 + blocks * ciphertext_bytes(parameters, 0, 2),
                meaning="the model's score of each row",
            ),
        )  # fmt: skip

    # --- what follows from it --------------------------------------------------------------------

    @property
    def circuit(self) -> Circuit:
        """What is computed on the encrypted rows."""
        return Circuit(
            columns=len(self.columns),
            bound=self.bound,
            weight_bound=self.weight_bound,
            link=self.link,
            rows=self.rows,
            rounds=self.rounds,
            precision=self.precision,
        )

    @property
    def planned(self) -> he.Plan:
        """The encryption: its ring, its keys and how long it takes."""
        try:
            ring = None if self.ring is None else he.Literal.from_value(self.ring)
        except EncryptionError as error:
            raise PlanError(f"the ring of task {TASK!r}: {error}") from error
        return self.circuit.planned(ring)

    @property
    def error(self) -> float:
        """The largest error of a score: of the encryption and of the polynomial."""
        return self.planned.error + self.circuit.approximation

    @property
    def seconds_per_round(self) -> float:
        """About how long the evaluator computes in a round, on one thread of this machine."""
        return self.planned.seconds

    @cached_property
    def context(self) -> he.Context:
        """What keys and ciphertexts are made in."""
        return he.Context(self.planned.parameters)

    def in_clear(self, model: ScoreModel, rows: ArrayLike) -> Reals:
        """The scores without encryption, (rows,), with the sigmoid itself."""
        return self.circuit.in_clear(
            model.weights, model.intercept, real_numbers(rows, "the table")
        )

    # --- the two parts ---------------------------------------------------------------------------

    def check_input(self, role: str, given: object) -> None:
        """Checks what a party brings, before anything is sent.

        Args:
            role: 'owner', with all rows: (rounds · rows, columns) numbers, or a data frame or a map
                with the columns; or 'evaluator', with a `ScoreModel`.
            given: What it brings.

        Raises:
            DataError: If it is of another type, shape or size. The message shows no number of it.
        """
        if role == OWNER:
            self._table(given)
        else:
            self._model(given)

    def part(self, role: str, given: object, number: int) -> Part:
        """What a role does in one round.

        Args:
            role: 'owner' or 'evaluator'.
            given: What the party brings, as for `check_input`.
            number: The round, from 0.
        """
        if role == OWNER:
            return OwnerPart(
                self, self._table(given)[number * self.rows : (number + 1) * self.rows]
            )
        return EvaluatorPart(self, self._model(given))

    def _numbers(self, given: Any) -> Reals:
        """The declared columns of a data frame or of a map, or an array as it is."""
        columns = given if isinstance(given, Mapping) else getattr(given, "columns", None)
        if columns is None:
            return real_numbers(given, "the table")
        return real_numbers(
            [real_numbers(given[name], f"column {name!r}") for name in self.columns], "the table"
        ).T

    def _table(self, given: object) -> Reals:
        columns = given if isinstance(given, Mapping) else getattr(given, "columns", self.columns)
        if missing := [name for name in self.columns if name not in columns]:
            raise DataError(f"the rows lack the column {missing[0]!r}")
        try:
            rows = self._numbers(given)
        except DataError as error:
            raise DataError(f"the rows hold values that are not numbers: {error}") from None
        shape = (self.rounds * self.rows, len(self.columns))
        if rows.shape != shape:
            raise DataError(
                f"rows of shape {rows.shape}; the plan scores {self.rounds} rounds of {self.rows} "
                f"rows of {len(self.columns)} columns: bring {shape}"
            )
        for name, column in zip(self.columns, rows.T, strict=True):
            if not (np.isfinite(column).all() and (np.abs(column) <= self.bound).all()):
                raise DataError(
                    f"column {name!r} has a number that is missing or beyond the declared bound of "
                    f"{self.bound:g}: scale the column, or agree on another bound"
                )
        return rows

    def _model(self, given: object) -> ScoreModel:
        if not isinstance(given, ScoreModel):
            raise DataError(
                f"the evaluator brings a {type(given).__name__}, not a ScoreModel: make one with "
                "ScoreModel.of(weights, intercept)"
            )
        if given.weights.shape != (len(self.columns),):
            raise DataError(
                f"weights of shape {given.weights.shape} for {len(self.columns)} columns; give "
                "one weight for each column"
            )
        numbers = np.append(given.weights, given.intercept)
        if not (np.isfinite(numbers).all() and (np.abs(numbers) <= self.weight_bound).all()):
            raise DataError(
                "a weight or the intercept is missing or beyond the declared weight_bound of "
                f"{self.weight_bound:g}: scale the model, or agree on another bound"
            )
        return given


def _parties(exchange: str, roles: tuple[Role, ...]) -> dict[str, str]:
    """The party of each role.

    Raises:
        PlanError: If a role is missing, repeated or unknown.
    """
    parties = {role.name: role.party for role in roles}
    if set(parties) != {OWNER, EVALUATOR} or len(roles) != len(parties):
        raise PlanError(
            f"exchange {exchange!r} has the roles {', '.join(r.name for r in roles) or 'none'}; "
            f"task {TASK!r} has {OWNER!r}, whose rows are scored, and {EVALUATOR!r}, whose model "
            "scores them: give each one party"
        )
    return parties
