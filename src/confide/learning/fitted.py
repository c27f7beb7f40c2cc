"""From a run's state to a model one can use, and its quality on public data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from confide.computation import Columns, State
from confide.errors import DataError, PlanError
from confide.learning.models import (
    GeneralisedLinearModel,
    LinearRegression,
    LogisticRegression,
    PoissonRegression,
    SoftmaxRegression,
    accuracy,
    auc,
)
from confide.learning.models.families import Bernoulli, Categorical, Gaussian, Poisson
from confide.learning.settings import Inputs, ModelSettings, read_table
from confide.learning.table_model import Estimator, TableModel
from confide.plan import Plan, Sums
from confide.plan.codec import nearest
from confide.tables import Schema
from confide.tables.schema import CONSTANT_PREFIX

__all__ = ["Estimator", "fitted_estimator", "quality", "trained_model"]

_ESTIMATORS: Final[Mapping[type, type[Estimator]]] = {
    Bernoulli: LogisticRegression,
    Categorical: SoftmaxRegression,
    Gaussian: LinearRegression,
    Poisson: PoissonRegression,
}


def trained_model(plan: Plan) -> tuple[GeneralisedLinearModel, Inputs]:
    """The model and table that a plan trains, in its last stage that trains one.

    Raises:
        PlanError: If no stage does.
    """
    for stage in reversed(plan.stages):
        settings = stage.task.read() if isinstance(stage, Sums) else {}
        if {"model", "table"} <= settings.keys():
            table = read_table(settings["table"])
            model = ModelSettings.read(settings["model"], "task model").model(len(table.names))
            return model, table
    raise PlanError(f"plan {plan.name!r} trains no model over a table")


def fitted_estimator(plan: Plan, state: State) -> Estimator | TableModel:
    """A model with a run's parameters.

    With a schema it is a `TableModel`, which takes raw rows. With a `Table` of public constants it
    is a scikit-learn-shaped estimator that takes scaled inputs: give it `table.inputs(data)` of
    `trained_model(plan)`.
    """
    model, table = trained_model(plan)
    kind = _ESTIMATORS[type(model.family)]
    fitted = kind.from_parameters(model, state["parameters"], feature_names=list(table.names))
    if not isinstance(table, Schema):
        return fitted
    constants = {n: v for n, v in state.items() if n.startswith(CONSTANT_PREFIX)}
    return TableModel(table, fitted, constants)


def quality(plan: Plan, public: Columns) -> Callable[[State], dict[str, float]]:
    """A measurement of each state on data that the plan declares public.

    Args:
        plan: A plan that trains a model.
        public: The columns of the public data.

    Returns:
        A function from a state to its loss, and for two classes its AUC and accuracy; empty before
        the training stage.

    Raises:
        DataError: If a column of the plan's is missing.
    """
    model, table = trained_model(plan)
    for column in table.columns:
        if column not in public:
            raise DataError(f"no column {column!r}; {nearest(column, map(str, public))}")
    rows: Any = public if table.read is None else table.read(public)

    def measure(state: State) -> dict[str, float]:
        if "parameters" not in state:
            return {}
        parameters = state["parameters"]
        x, y = table.inputs(rows, state), table.targets(rows, state)
        found = {"loss": model.loss(parameters, x, y)}
        if isinstance(model.family, Bernoulli):
            score = model.mean_response(parameters, x)[:, 0]
            found |= {"auc": auc(y, score), "accuracy": accuracy(y, score > 1 / 2)}
        return found

    return measure
