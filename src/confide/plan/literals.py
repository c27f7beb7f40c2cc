"""Literals: the content of files, checked field by field before any value is made from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from confide.errors import PlanError
from confide.plan.codec import nearest

__all__ = ["Literal"]


class Literal(BaseModel):
    """A map with known keys. Unknown ones are errors that name the nearest known one."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def read(cls, given: Mapping[str, Any], where: str) -> Self:
        """Reads a map.

        Args:
            given: The map.
            where: What it is, for the message: a file name or a section.

        Raises:
            PlanError: Naming each wrong value, what it should be, and for an unknown key the
                nearest known one.
        """
        try:
            # Read as JSON because its strict mode fits files: "20" and true are not numbers, but a
            # text may name a member of an enumeration, and a list may stand for a tuple.
            return cls.model_validate_json(json.dumps(given, default=_refuse), strict=True)
        except ValidationError as error:
            raise PlanError(f"{where}: " + "; ".join(_problems(cls, error))) from error
        except (TypeError, ValueError) as error:
            raise PlanError(f"{where}: {error}") from error


def _refuse(value: object) -> None:
    raise TypeError(f"a value of type {type(value).__name__}; use texts, numbers or lists")


def _problems(model: type[BaseModel], error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        parts, holder = _place(model, problem["loc"])
        path = ".".join(parts)
        if problem["type"] == "extra_forbidden":
            yield f"unknown key {path!r}, {nearest(parts[-1], holder.model_fields)}"
        elif problem["type"] == "missing":
            yield f"{path!r} is missing"
        else:
            yield (
                f"{path!r} is {problem['input']!r}: "
                f"{problem['msg'][:1].lower()}{problem['msg'][1:]}"
            )


def _place(
    model: type[BaseModel], path: tuple[int | str, ...]
) -> tuple[list[str], type[BaseModel]]:
    """Where a problem is, as people write it, and the literal whose key it is.

    Where a value may be one of several literals, pydantic names the chosen one in the path: nobody
    wrote that part.
    """
    parts: list[str] = []
    choices: list[type[BaseModel]] = []
    for position, part in enumerate(path):
        chosen = [c for c in choices if c.__name__ == part or _kind(c) == part]
        if isinstance(part, str) and chosen and len(choices) > 1:
            model, choices = chosen[0], []
            continue
        parts.append(str(part))
        if position == len(path) - 1:
            break
        field = model.model_fields.get(str(part)) if isinstance(part, str) else None
        if field is not None:
            choices = list(_models_in(field.annotation))
            model = choices[0] if choices else model
    return parts, model


def _kind(model: type[BaseModel]) -> object:
    return model.model_fields["kind"].default if "kind" in model.model_fields else None


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
