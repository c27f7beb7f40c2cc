"""Selecting variables by a score test on encrypted data, both halves in one process.

The semi-parallel score test (Sikorska et al. 2013) tests thousands of variables with one null
model. On encrypted genomes it was the fastest way in iDASH 2018 (Kim, Song, Li and Micciancio 2020;
Blatt et al. 2020; Carpov et al. 2020); Masters et al. 2019 (ePrint 2019/1113) selected a bank's
variables under encryption by many small models instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from confide.encrypted.select_evaluator import SelectionEvaluator
from confide.encrypted.select_messages import Sums
from confide.encrypted.select_owner import SelectionOwner
from confide.encrypted.select_result import Selected
from confide.encrypted.selection import Selection

__all__ = ["select_variables"]


def select_variables(
    selection: Selection, columns: Mapping[str, Any], *, threads: int = 1
) -> Selected:
    """Owner and evaluator, one after the other, for notebooks and tests.

    Args:
        selection: What is tested.
        columns: Numbers (rows,) by name.
        threads: As many blocks or units at a time.

    Raises:
        DataError: If a column is not as it was declared, or the null model could not be fitted.

    Example:
        >>> import numpy as np
        >>> from confide.encrypted.selection import Column
        >>> random = np.random.default_rng(0)
        >>> table = {name: random.uniform(-1, 1, 200) for name in ("age", "debt", "luck")}
        >>> table["default"] = (table["debt"] + random.normal(0, 0.5, 200) > 0.3).astype(float)
        >>> selection = Selection(
        ...     rows=200,
        ...     covariates={"age": Column(low=-1, high=1)},
        ...     variables={name: Column(low=-1, high=1) for name in ("debt", "luck")},
        ...     label="default",
        ... )
        >>> select_variables(selection, table).top(1)[0].variable
        'debt'
    """
    owner = SelectionOwner(selection, columns, threads=threads)
    evaluator = SelectionEvaluator(selection, owner.keys(), owner.rows(), threads=threads)
    coefficients = owner.coefficients()
    for _ in selection.refreshes:
        coefficients = owner.refresh(evaluator.step(coefficients))
    null = evaluator.finish_null(coefficients)
    return owner.result(null, Sums(packed=tuple(evaluator.test(owner.units()))))
