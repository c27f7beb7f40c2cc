"""From a run's state to a model one can use, and its quality on public data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from confide.computation import Columns, State
from confide.errors import PlanError
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
from confide.learning.settings import ModelSettings, TableSettings
from confide.learning.tables import Table
from confide.plan import Plan

__all__ = ["Estimator", "fitted_estimator", "quality", "trained_model"]

Estimator = LinearRegression | LogisticRegression | PoissonRegression | SoftmaxRegression

_ESTIMATORS: Final[Mapping[type, type[Estimator]]] = {
    Bernoulli: LogisticRegression,
    Categorical: SoftmaxRegression,
    Gaussian: LinearRegression,
    Poisson: PoissonRegression,
}


def trained_model(plan: Plan) -> tuple[GeneralisedLinearModel, Table]:
    """The model and table that a plan trains.

    Raises:
        PlanError: If its task trains none.
    """
    settings = plan.task.read()
    if not {"model", "table"} <= settings.keys():
        raise PlanError(f"task {plan.task.name!r} trains no model over a table")
    table = TableSettings.read(settings["table"], "task table").table()
    return ModelSettings.read(settings["model"], "task model").model(len(table.features)), table


def fitted_estimator(plan: Plan, state: State) -> Estimator:
    """A scikit-learn-shaped estimator with a run's parameters.

    It takes scaled inputs: give it `table.inputs(data)` of `trained_model(plan)`.
    """
    model, table = trained_model(plan)
    names = list(table.features)
    kind = _ESTIMATORS[type(model.family)]
    return kind.from_parameters(model, state["parameters"], feature_names=names)


def quality(plan: Plan, public: Columns) -> Callable[[State], dict[str, float]]:
    """A measurement of each state on data that the plan declares public.

    Args:
        plan: A plan that trains a model.
        public: The columns of the public data.

    Returns:
        A function from a state to its loss, and for two classes its AUC and accuracy.
    """
    model, table = trained_model(plan)
    x, y = table.inputs(public), table.targets(public)

    def measure(state: State) -> dict[str, float]:
        parameters = state["parameters"]
        found = {"loss": model.loss(parameters, x, y)}
        if isinstance(model.family, Bernoulli):
            score = model.mean_response(parameters, x)[:, 0]
            found |= {"auc": auc(y, score), "accuracy": accuracy(y, score > 1 / 2)}
        return found

    return measure
