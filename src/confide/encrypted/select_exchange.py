"""A selection as an exchange of a plan, so that views say who sees what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from confide.computation.code import package_code
from confide.encrypted.selection import Selection
from confide.exchange.sizes import ciphertext_bytes, evaluation_key_bytes
from confide.plan import Exchange, Message, MessageForm, Role, Task
from confide.plan.exchange import MAX_MESSAGE_BYTES

__all__ = ["EVALUATOR", "OWNER", "TASK", "selection_exchange"]

TASK: Final = "select-variables"
OWNER, EVALUATOR = "owner", "evaluator"

_AROUND: Final = 1024
"""Bytes of a vector beside its ciphertexts."""


def selection_exchange(
    selection: Selection, *, owner: str, evaluator: str, name: str = "selection"
) -> Exchange:
    """The exchange: every message of it, what the owner refreshes above all.

    It declares; `SelectionOwner` and `SelectionEvaluator` run it.

    Args:
        selection: What is tested.
        owner: The name of the party that has the table.
        evaluator: The name of the party that computes.
        name: The stage's name.
    """
    return Exchange(
        name=name,
        task=Task.of(
            TASK,
            rows=selection.rows,
            covariates=list(selection.covariates),
            variables=len(selection.variables),
            label=selection.label,
            degree=selection.degree,
            newton_steps=selection.newton_steps,
        ),
        code=package_code("confide"),
        roles=(Role(name=OWNER, party=owner), Role(name=EVALUATOR, party=evaluator)),
        messages=tuple(_messages(selection)),
    )


def _messages(selection: Selection) -> Iterator[Message]:
    there: dict[str, Any] = {"sender": OWNER, "receiver": EVALUATOR, "key": OWNER}
    back: dict[str, Any] = {"sender": EVALUATOR, "receiver": OWNER, "key": OWNER, "of": (OWNER,)}
    back["form"] = MessageForm.CIPHERTEXT
    k = len(selection.covariates)
    sums = {"shape": (selection.null_sums,), "max_bytes": _packed_bytes(selection, 1), **back}
    yield Message(
        name="evaluation-keys", form=MessageForm.EVALUATION_KEYS,
        max_bytes=evaluation_key_bytes(selection.plan.parameters, selection.needs),
        meaning="keys for computing on ciphertexts", **there,
    )  # fmt: skip
    there |= {"form": MessageForm.CIPHERTEXT, "of": (OWNER,)}
    yield Message(
        name="rows", shape=(selection.rows, k + 1), max_bytes=_rows_bytes(selection),
        meaning=f"{', '.join(selection.covariates)} and {selection.label} of every row", **there,
    )  # fmt: skip
    yield _coefficients(selection, 0, there)
    for refresh in selection.refreshes:
        yield Message(
            name=f"sums-{refresh.round}",
            meaning="gradient and Hessian of the null model, sums over all rows", **sums,
        )  # fmt: skip
        yield _coefficients(selection, refresh.round, there)
    yield Message(name="sums-last", meaning="gradient and Hessian of the fitted null model", **sums)
    yield from _variables(selection, there)
    count = sum(selection.sums_of(unit) for unit in selection.units)
    yield Message(
        name="results", shape=(len(selection.variables), k + 3),
        max_bytes=_packed_bytes(selection, -(-count // selection.grouping.packed)),
        meaning="sums over all rows of each variable, from which its U and V follow", **back,
    )  # fmt: skip


def _coefficients(selection: Selection, number: int, there: dict[str, Any]) -> Message:
    parameters, levels = selection.plan.parameters, selection.levels
    sent = selection.refreshes[0].sent
    # None is larger than the slopes at their level.
    each = _AROUND + ciphertext_bytes(parameters, levels["slopes"], 1)
    return Message(
        name=f"coefficients-{number}", shape=(sent,), max_bytes=sent * each,
        meaning="the null model's coefficients, encrypted again", **there,
    )  # fmt: skip


def _variables(selection: Selection, there: dict[str, Any]) -> Iterator[Message]:
    """In as many messages as their size takes."""
    each = selection.blocks * ciphertext_bytes(
        selection.plan.parameters, selection.levels["variables"], 1
    )
    sizes = [(1 + unit.squares) * (_AROUND + each) for unit in selection.units]
    at = number = 0
    while at < len(sizes):
        number, size, names = number + 1, 0, 0
        while at < len(sizes) and (not names or size + sizes[at] <= MAX_MESSAGE_BYTES):
            size, names, at = size + sizes[at], names + len(selection.units[at].names), at + 1
        yield Message(
            name=f"variables-{number}", shape=(selection.rows, names), max_bytes=size,
            meaning=f"{names:,} variables of every row", **there,
        )  # fmt: skip


def _rows_bytes(selection: Selection) -> int:
    parameters, levels = selection.plan.parameters, selection.levels
    covariate, label = (
        _AROUND + 2 * selection.blocks * ciphertext_bytes(parameters, levels[name], 1)
        for name in ("covariates", "label")
    )
    return len(selection.covariates) * covariate + label


def _packed_bytes(selection: Selection, count: int) -> int:
    return _AROUND + count * ciphertext_bytes(selection.plan.parameters, 0, 2)
