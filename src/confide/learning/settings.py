"""Models and tables as task settings, and back: what a plan carries instead of code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag

from confide.computation import Data, State
from confide.errors import DataError, PlanError
from confide.learning.models import GeneralisedLinearModel
from confide.learning.models.families import Bernoulli, Categorical, Family, Gaussian, Poisson
from confide.learning.tables import Table
from confide.plan.codec import nearest
from confide.plan.literals import Literal
from confide.tables import Schema
from confide.tables.written import SchemaSettings, schema_settings

__all__ = [
    "Inputs",
    "ModelSettings",
    "TableSettings",
    "check_features",
    "inputs_and_targets",
    "model_settings",
    "read_table",
    "table_settings",
]

Reals = NDArray[np.float64]

Inputs = Table | Schema
"""The tables that say which columns are a model's inputs and label."""

_FAMILIES: Final[Mapping[str, type[Family]]] = {
    family.name: family for family in (Bernoulli, Categorical, Gaussian, Poisson)
}


class ModelSettings(Literal):
    """A generalised linear model in a plan file."""

    family: str
    n_classes: int | None = None
    l2: float = Field(default=0.0, ge=0)
    fit_intercept: bool = True

    def model(self, n_features: int) -> GeneralisedLinearModel:
        """The model over so many features.

        Raises:
            PlanError: If the family is unknown, or classes are given to one without or missing.
        """
        if self.family not in _FAMILIES:
            raise PlanError(f"model family {self.family!r}; {nearest(self.family, _FAMILIES)}")
        return GeneralisedLinearModel(
            family=self._family(),
            n_features=n_features,
            l2=self.l2,
            fit_intercept=self.fit_intercept,
        )

    def _family(self) -> Family:
        if self.family != Categorical.name:
            if self.n_classes is not None:
                raise PlanError(
                    f"n_classes for family {self.family!r}; only 'categorical' has classes"
                )
            return _FAMILIES[self.family]()
        if self.n_classes is None:
            raise PlanError("family 'categorical' without n_classes; say how many there are")
        return Categorical(n_classes=self.n_classes)


class _ScaledSettings(Literal):
    """Features, label and public scaling constants in a plan file."""

    features: list[str]
    label: str
    scaling: dict[str, tuple[float, float]] = Field(default_factory=dict)
    limit: float = 10.0

    def table(self) -> Table:
        """The table.

        Raises:
            PlanError: If columns or constants do not fit together.
        """
        return Table(
            features=tuple(self.features), label=self.label, scaling=self.scaling, limit=self.limit
        )


def model_settings(model: GeneralisedLinearModel) -> dict[str, Any]:
    """A model as settings; the number of features follows from the table."""
    family = model.family
    classes = family.n_classes if isinstance(family, Categorical) else None
    return ModelSettings(
        family=family.name, n_classes=classes, l2=model.l2, fit_intercept=model.fit_intercept
    ).model_dump()


def _kind(given: object) -> str:
    """Which form of settings a table is written in: features are maps in a schema, else names."""
    features = given.get("features") if isinstance(given, Mapping) else None
    columns = isinstance(features, list) and any(isinstance(f, Mapping) for f in features)
    return (SchemaSettings if columns else _ScaledSettings).__name__


TableSettings = Annotated[
    Annotated[_ScaledSettings, Tag("_ScaledSettings")]
    | Annotated[SchemaSettings, Tag("SchemaSettings")],
    Discriminator(_kind),
]
"""A table in a plan file: a schema of columns, or names with public constants."""


class _Table(Literal):
    table: TableSettings


def read_table(given: object) -> Inputs:
    """The table of a task's settings.

    Raises:
        PlanError: If it is not hexadecimal.
    """
    return _Table.read({"table": given}, "task").table.table()


def table_settings(table: Inputs) -> dict[str, Any]:
    """A table as settings."""
    if isinstance(table, Schema):
        return schema_settings(table)
    return _ScaledSettings(
        features=list(table.features),
        label=table.label,
        scaling=dict(table.scaling),
        limit=table.limit,
    ).model_dump()


def check_features(model: GeneralisedLinearModel, table: Inputs) -> None:
    """Refuses a value that is not a model, or has another number of features than the table."""
    if not isinstance(model, GeneralisedLinearModel):
        raise PlanError(
            f"a model of type {type(model).__name__}; give a GeneralisedLinearModel, such as "
            f"GeneralisedLinearModel(family=Bernoulli(), n_features={len(table.names)})"
        )
    if model.n_features != len(table.names):
        raise PlanError(
            f"a model of {model.n_features} features over a table of {len(table.names)}; make "
            "both from the same list of columns"
        )


def inputs_and_targets(
    model: GeneralisedLinearModel, table: Inputs, data: Data, state: State
) -> tuple[Reals, Reals]:
    """Scaled features and targets of a party's rows.

    Args:
        model: The model that reads them.
        table: The table they are of.
        data: The rows, as the table reads them.
        state: The state, with the constants that earlier stages found.

    Raises:
        DataError: Naming the label's column if a target is not in the model's range.
    """
    x, y = table.inputs(data, state), table.targets(data, state)
    try:
        model.family.encode(y)
    except DataError as error:
        raise DataError(f"column {table.label!r}: {error}") from error
    return x, y
