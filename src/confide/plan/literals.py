"""Literals: what people write in files, checked field by field before anything is made of it."""

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
            # Read as JSON because there strict means what files mean: "20" and true are no numbers,
            # but a text names a member of an enumeration and a list is as good as a tuple.
            return cls.model_validate_json(json.dumps(given, default=_refuse), strict=True)
        except ValidationError as error:
            raise PlanError(f"{where}: " + "; ".join(_problems(cls, error))) from error
        except (TypeError, ValueError) as error:
            raise PlanError(f"{where}: {error}") from error


def _refuse(value: object) -> None:
    raise TypeError(f"{value!r} is of type {type(value).__name__}; use texts, numbers or lists")


def _problems(model: type[BaseModel], error: ValidationError) -> Iterator[str]:
    for problem in error.errors(include_url=False):
        path = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = _keys_at(model, problem["loc"][:-1])
            yield f"unknown key {path!r}, {nearest(str(problem['loc'][-1]), known)}"
        elif problem["type"] == "missing":
            yield f"{path!r} is missing"
        else:
            yield (
                f"{path!r} is {problem['input']!r}: "
                f"{problem['msg'][:1].lower()}{problem['msg'][1:]}"
            )


def _keys_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The keys known at a path into nested literals."""
    for part in path:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = next(_models_in(field.annotation), model)
    return list(model.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
