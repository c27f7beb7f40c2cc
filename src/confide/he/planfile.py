"""A plan as bytes, so that whoever encrypts and whoever computes have the same one.

What travels is what was asked for and the parameters that were found. The computation does not: a
reader has it, and runs it on symbols again with these parameters. Everything that privacy and
correctness rest on (keys, errors, what flooding must hide) is what the reader finds, and nothing
that the writer claims; only the error of an average comes from the writer's samples.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

from confide import canonical
from confide.errors import ProtocolError
from confide.he.evaluating import Computation
from confide.he.inputs import Input, Shared
from confide.he.numbers import real_number
from confide.he.parameters import Literal, Scheme
from confide.he.planner import Plan, planned
from confide.he.search import Search

__all__ = ["read_plan", "write_plan"]

_VERSION: Final = 1
_MOST_BYTES: Final = 1 << 20
_MOST_ITEMS: Final = 1 << 14
_FIELDS: Final = frozenset(
    {"average", "error", "inputs", "kind", "literal", "precision", "shared", "version"}
)


def write_plan(plan: Plan) -> bytes:
    """A plan as bytes, without its computation."""
    shared = plan.shared
    return canonical.encode(
        {
            "average": plan.average,
            "error": repr(plan.error),
            "inputs": {
                name: [list(given.shape), repr(given.bound), given.complex]
                for name, given in plan.inputs.items()
            },
            "kind": "plan",
            "literal": plan.parameters.literal.as_value(),
            "precision": None if plan.precision is None else repr(plan.precision),
            "shared": None if shared is None else [shared.queries, shared.statistical_bits],
            "version": _VERSION,
        }
    )


def read_plan(data: bytes, computation: Computation) -> Plan:
    """The plan of a computation that the reader has.

    Args:
        data: What `write_plan` wrote.
        computation: The same one.

    Raises:
        ProtocolError: If the bytes are malformed.
        EncryptionError: If the parameters are not secure, or not enough for the computation.
    """
    fields = canonical.decode(data, _MOST_BYTES, _MOST_ITEMS)
    if not isinstance(fields, dict) or set(fields) != _FIELDS or fields["kind"] != "plan":
        raise ProtocolError(f"not a plan of encrypted work: its fields are {sorted(_FIELDS)}")
    if fields["version"] != _VERSION:
        raise ProtocolError(
            f"a plan of version {fields['version']!r:.20}; this release reads {_VERSION}: plan"
            " anew with the same release on both sides"
        )
    parameters = Literal.from_value(fields["literal"]).checked()
    average, inputs = fields["average"], _inputs(fields["inputs"])
    if type(average) is not bool or (parameters.scheme is Scheme.CKKS) != (
        fields["precision"] is not None
    ):
        raise ProtocolError("a plan that is average or not, and of CKKS with its precision")
    if average and (fields["shared"] is not None or parameters.scheme is not Scheme.CKKS):
        raise ProtocolError("a plan by an average, of results that others see: it is refused")
    precision = None if fields["precision"] is None else _real(fields["precision"])
    search = Search(
        computation=computation,
        inputs=inputs,
        precision=precision,
        scheme=parameters.scheme,
        shared=_shared(fields["shared"]),
        average=average,
        samples={},
    )
    if not average:
        return planned(search, search.checked(parameters))
    # What can happen at worst is found anew; the average of somebody's samples is not.
    return planned(search, replace(search.followed(parameters), error=_real(fields["error"])))


def _inputs(given: object) -> dict[str, Input]:
    if not isinstance(given, dict) or not given:
        raise ProtocolError("a plan's inputs are a map from names to shape, bound and kind")
    inputs: dict[str, Input] = {}
    for name, entry in given.items():
        match entry:
            case [list(shape), str(bound), bool(mixed)] if isinstance(name, str):
                sizes: Any = tuple(shape)
                inputs[name] = Input(shape=sizes, bound=_real(bound), complex=mixed)
            case _:
                raise ProtocolError("a plan's input is its shape, its bound and its kind")
    return inputs


def _shared(given: object) -> Shared | None:
    match given:
        case None:
            return None
        case [int(queries), int(bits)]:
            return Shared(queries=queries, statistical_bits=bits)
        case _:
            raise ProtocolError("what a plan says of sharing is two whole numbers, or nothing")


def _real(text: object) -> float:
    """A finite number, written as Python writes it."""
    try:
        number = float(text) if isinstance(text, str) and len(text) <= 32 else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or repr(number) != text:
        raise ProtocolError("a number of a plan that is not written as a number is")
    return real_number(number, "a number of a plan")
