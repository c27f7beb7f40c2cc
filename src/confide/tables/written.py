"""Schemas in plan files and task settings: one map for each column."""

from __future__ import annotations

from typing import Annotated, Any
from typing import Literal as OneOf

from pydantic import Field

from confide.errors import PlanError
from confide.plan.literals import Literal
from confide.tables.columns import (
    Boolean,
    Category,
    Column,
    Date,
    Label,
    Missing,
    Number,
    Outcome,
    Scale,
    Survival,
    Target,
)
from confide.tables.holdout import HoldOut, Part
from confide.tables.schema import Schema

__all__ = ["SchemaSettings", "schema_settings"]


class _Number(Literal):
    name: str
    kind: OneOf["number"] = "number"
    bounds: tuple[float, float] | None = None
    scale: Scale = Scale.STANDARD
    missing: Missing = Missing.REFUSE

    def column(self) -> Number:
        return Number(bounds=self.bounds, scale=self.scale, missing=self.missing)


class _Date(Literal):
    name: str
    kind: OneOf["date"] = "date"
    bounds: tuple[str, str] | None = None
    scale: Scale = Scale.STANDARD
    missing: Missing = Missing.REFUSE

    def column(self) -> Date:
        return Date(bounds=self.bounds, scale=self.scale, missing=self.missing)


class _Boolean(Literal):
    name: str
    kind: OneOf["boolean"] = "boolean"
    missing: Missing = Missing.REFUSE

    def column(self) -> Boolean:
        return Boolean(missing=self.missing)


class _Category(Literal):
    name: str
    kind: OneOf["category"] = "category"
    values: list[str] | None = None
    most: int | None = None
    missing: Missing = Missing.REFUSE

    def column(self) -> Category:
        values = None if self.values is None else tuple(self.values)
        return Category(values=values, most=self.most, missing=self.missing)


class _Label(Literal):
    kind: OneOf["label"] = "label"
    classes: tuple[str, ...] = ("0", "1")

    def column(self) -> Label:
        return Label(classes=self.classes)


class _Target(Literal):
    kind: OneOf["target"] = "target"
    bounds: tuple[float, float] | None = None
    count: bool = False

    def column(self) -> Target:
        return Target(bounds=self.bounds, count=self.count)


class _Survival(Literal):
    event: str
    kind: OneOf["survival"] = "survival"
    bounds: tuple[float, float] | None = None

    def column(self) -> Survival:
        return Survival(event=self.event, bounds=self.bounds)


class _HoldOut(Literal):
    share: float = 0.2
    part: Part = Part.TRAINING
    columns: tuple[str, ...] = ()
    key: str = HoldOut().key

    def holdout(self) -> HoldOut:
        return HoldOut(share=self.share, part=self.part, columns=self.columns, key=self.key)


_Feature = Annotated[_Number | _Date | _Boolean | _Category, Field(discriminator="kind")]
_Predicted = Annotated[_Label | _Target | _Survival, Field(discriminator="kind")]


class SchemaSettings(Literal):
    """A schema in a plan file."""

    features: list[_Feature]
    label: str = ""
    target: _Predicted | None = _Label()
    holdout: _HoldOut | None = None

    def table(self) -> Schema:
        """The schema.

        Raises:
            PlanError: If columns or constants do not fit together.
        """
        names = [written.name for written in self.features]
        if len(set(names)) < len(names):
            raise PlanError(f"features {', '.join(names)} name a column twice; each stands once")
        return Schema(
            features={written.name: written.column() for written in self.features},
            label=self.label,
            target=None if self.target is None else self.target.column(),
            holdout=None if self.holdout is None else self.holdout.holdout(),
        )


def schema_settings(schema: Schema) -> dict[str, Any]:
    """A schema as settings, which a task's deterministic JSON holds."""
    return {
        "features": [_feature(name, column) for name, column in schema.features.items()],
        "label": schema.label,
        "target": _predicted(schema.target),
        "holdout": _held_out(schema.holdout),
    }


def _feature(name: str, column: Column) -> dict[str, Any]:
    missing = column.missing
    made: Literal
    if isinstance(column, Number):
        made = _Number(name=name, bounds=column.bounds, scale=column.scale, missing=missing)
    elif isinstance(column, Date):
        made = _Date(name=name, bounds=column.bounds, scale=column.scale, missing=missing)
    elif isinstance(column, Boolean):
        made = _Boolean(name=name, missing=missing)
    else:
        listed = None if column.values is None else list(column.values)
        made = _Category(name=name, values=listed, most=column.most, missing=missing)
    return made.model_dump(mode="json")


def _predicted(target: Outcome | None) -> dict[str, Any] | None:
    made: Literal
    match target:
        case None:
            return None
        case Label():
            made = _Label(classes=target.classes)
        case Survival():
            made = _Survival(event=target.event, bounds=target.bounds)
        case _:
            made = _Target(bounds=target.bounds, count=target.count)
    return made.model_dump(mode="json")


def _held_out(held: HoldOut | None) -> dict[str, Any] | None:
    if held is None:
        return None
    return _HoldOut(
        share=held.share, part=held.part, columns=held.columns, key=held.key
    ).model_dump(mode="json")
