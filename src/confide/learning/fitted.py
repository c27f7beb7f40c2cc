"""From a run's state to a model one can use, and its quality on public data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from confide.computation import Columns, State
from confide.errors import DataError, PlanError
from confide.learning.models import GeneralisedLinearModel, accuracy, auc
from confide.learning.models.families import Bernoulli
from confide.learning.predictor_kinds import PREDICTORS
from confide.learning.predictors import LinearPredictor, Predictor
from confide.learning.settings import Inputs, read_table
from confide.learning.table_model import TableModel
from confide.plan import Plan, Sums
from confide.plan.codec import nearest
from confide.tables.schema import CONSTANT_PREFIX

__all__ = ["fitted_estimator", "predictor_of", "quality", "trained_model"]


def predictor_of(plan: Plan) -> tuple[Predictor, Inputs]:
    """What predicts, and the table it reads, in the last stage of a plan that trains something.

    Raises:
        PlanError: If no stage does.
    """
    for stage in reversed(plan.stages):
        settings = stage.task.read() if isinstance(stage, Sums) else {}
        kinds = [kind for key, kind in PREDICTORS.items() if key in settings]
        if kinds and "table" in settings:
            table = read_table(settings["table"])
            return kinds[0].read(settings[kinds[0].key], table), table
    raise PlanError(f"plan {plan.name!r} trains no model over a table")


def trained_model(plan: Plan) -> tuple[GeneralisedLinearModel, Inputs]:
    """The generalised linear model and the table that a plan trains.

    Raises:
        PlanError: If no stage does.
    """
    predictor, table = predictor_of(plan)
    if not isinstance(predictor, LinearPredictor):
        raise PlanError(f"plan {plan.name!r} trains {predictor.word}: use fitted_estimator")
    return predictor.model, table


def fitted_estimator(plan: Plan, state: State) -> TableModel:
    """A model with what a run found: it takes raw rows, and reads them as training did.

    Args:
        plan: A plan that trains a model.
        state: The state after its last round, as `Run.state`.

    Raises:
        PlanError: If the plan trains no model.
        DataError: If the state has none.
    """
    predictor, table = predictor_of(plan)
    kept = {n: v for n, v in state.items() if n.startswith(CONSTANT_PREFIX)}
    kept |= {n: state[n] for n in predictor.arrays if n in state}
    return TableModel(table, predictor, kept, about={"plan": plan.hash.hex()})


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
    rows: Any = table.rows(public)

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
