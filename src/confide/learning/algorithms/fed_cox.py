"""Cox regression by sums over a grid of times: Newton's method on everybody's risk sets.

A row adds exp(xᵀβ)·(1, x, xxᵀ) in the cell of its own time; its event, if it came, and its inputs
then. Sums over the rows still at risk at a time are sums over the cells from there on, so everybody
has S₀, S₁ and S₂ of all rows together, and the gradient and information of Breslow's partial
likelihood (`confide.learning.models.cox`). Times in one cell count as tied: with a cell for each
time it is the likelihood of the pooled rows. A row is in one cell, so this works with noise for
each record: then without the information, by steps along the gradient ÷ the events, with risks and
inputs cut.

`by_owner` is the stratified model: each owner has a baseline hazard of its own, no grid is needed,
and only gradient and information of its own likelihood leave it. Its rows' risk sets are its own,
so it is the choice where owners' patients differ in what no column says. But one row is in every
earlier risk set: no bound of what it moves is small, so there is no noise for each record.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.computation import Computation, Data, State, Totals
from confide.errors import PlanError
from confide.learning.algorithms.digits import in_digits, joined, split
from confide.learning.algorithms.placed_sums import PlacedSums
from confide.learning.models.cox import (
    MOST_RISK,
    at_risk,
    cox_step,
    likelihood_of_rows,
    partial_likelihood,
    risk_terms,
)
from confide.plan import Norm, Sum, SumGroup, Task, Unit
from confide.plan.literals import Literal
from confide.tables import Schema
from confide.tables.columns import Survival
from confide.tables.grid import PILOTS, noise_level
from confide.tables.schema import QUANTILES
from confide.tables.written import SchemaSettings, schema_settings

__all__ = ["CoxSettings", "fed_cox", "fed_cox_from_settings", "for_noise", "time_cells"]

Reals = NDArray[np.float64]

MOST_INPUTS: Final = 300
_DIGITS: Final = 5
_LEAST_AT_RISK: Final = 5.0
"""A time at which fewer standard deviations of noise are at risk tells nothing."""


class CoxSettings(Literal):
    """How hazards are fitted; all in the plan, so public.

    Attributes:
        cells: Times are sorted into so many cells: equally full as found quantiles say, at most 64,
            or equally wide over declared bounds.
        l2: The weight of the squared penalty beside the mean over events.
        by_owner: Whether each owner has a baseline hazard of its own.
        rounds: Steps; by default 8, and 6 with noise.
        learning_rate: η of a step along the gradient ÷ the events, with noise only.
        input_norm: A row's inputs are scaled down to this norm, with noise only.
        most_risk: A row's exp(xᵀβ) is cut to this, with noise only.
    """

    cells: int = 64
    l2: float = 1e-3
    by_owner: bool = False
    rounds: int | None = None
    learning_rate: float = 0.5
    input_norm: float | None = None
    most_risk: float = 4.0


def for_noise(how: CoxSettings, inputs: int) -> CoxSettings:
    """The settings for plans with noise, where none are given: few cells, and inputs cut.

    Raises:
        PlanError: If each owner is to have its own baseline.
    """
    if how.by_owner:
        raise PlanError(
            "a baseline hazard for each owner with noise for each record: a row is in every "
            "earlier risk set of its owner. Leave by_owner out, or the noise"
        )
    if how.input_norm is not None:
        return how
    given = {"input_norm": math.sqrt(inputs), "cells": min(how.cells, 8)}
    return how.model_copy(update=given)


def fed_cox(schema: Schema, *, capacity: int, settings: CoxSettings | None = None) -> Computation:
    """Makes Cox regression of a table.

    Args:
        schema: The table; its label is a time, its target a `Survival`.
        capacity: The most rows that a party counts; public, never the number of its rows.
        settings: How hazards are fitted.

    Returns:
        A computation, one step a round. Its state has `hazard_ratios`, the logarithms β of shape
        `(inputs,)`, and on a grid `baseline`, the events ÷ those at risk of each cell.

    Raises:
        PlanError: If the label is no time, or a setting is out of range.
    """
    how = settings or CoxSettings()
    _check(schema, how)
    sums, contribute, update = (_by_owner if how.by_owner else _on_grid)(schema, how, capacity)
    return Computation(
        task=Task.of(
            "fed-cox",
            table=schema_settings(schema),
            cox=how.model_dump(mode="json"),
            capacity=capacity,
        ),
        sums=SumGroup(sums),
        columns=schema.columns,
        read=schema.read,
        init=lambda: {
            "hazard_ratios": np.zeros(len(schema.names)),
            "baseline": np.zeros(how.cells),
        },
        contribute=contribute,
        update=update,
    )


class _Settings(Literal):
    table: SchemaSettings
    cox: CoxSettings = CoxSettings()
    capacity: int


def fed_cox_from_settings(settings: Mapping[str, Any]) -> Computation:
    """The entry point of task 'fed-cox'."""
    read = _Settings.read(settings, "task fed-cox")
    return fed_cox(read.table.table(), capacity=read.capacity, settings=read.cox)


def time_cells(schema: Schema, times: Reals, state: State, cells: int) -> NDArray[np.intp]:
    """The cell of each time, shape `(rows,)`; whole-numbered by rising time."""
    bounds = schema.declared_bounds(schema.label)
    if bounds is not None:
        share = (times - bounds[0]) / (bounds[1] - bounds[0])
        return np.clip(np.floor(share * cells), 0, cells - 1).astype(np.intp)
    quantiles = state[QUANTILES][schema.found_numbers.index(schema.label)]
    inner = np.interp(np.arange(1, cells) / cells, np.linspace(0, 1, len(quantiles)), quantiles)
    return np.searchsorted(inner, times, side="right")


Parts = tuple[tuple[Sum, ...], Callable[..., Mapping[str, Any]], Callable[[State, Totals], State]]
"""The sums of a round, and how they are made and used."""


def _on_grid(schema: Schema, how: CoxSettings, capacity: int) -> Parts:
    p, exact = len(schema.names), how.input_norm is None
    risks = 1 + p + (p * (p + 1) // 2 if exact else 0)
    at_time = risks + 1
    size = how.cells * at_time + p
    clip = None if exact else 2.0  # 1 + ‖x‖² for the event, and as much for the risk
    risk_sets = PlacedSums(
        name="risk_sets", shape=(size + PILOTS,), capacity=capacity, clip_norm_l2=clip,
        meaning="events, and risks of all rows with their inputs, by time",
        cells="times", digits=_DIGITS,
    )  # fmt: skip
    largest, norm = math.exp(MOST_RISK), how.input_norm
    of_inputs = np.full(p, 10.0 if norm is None else norm)
    by_row = np.concatenate([[1.0], of_inputs, np.full(risks - p - 1, 100.0)])

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        x, beta = np.clip(schema.inputs(data, state), -10, 10), state["hazard_ratios"]
        if norm is None:
            risk = risk_terms(x, beta) / largest
        else:
            x = x * np.minimum(1, norm / np.maximum(np.linalg.norm(x, axis=1), 1e-300))[:, None]
            risk = np.column_stack([np.ones(len(x)), x])
            risk *= np.minimum(np.exp(x @ beta) / how.most_risk, 1.0)[:, np.newaxis]
        event = data["events"][:, np.newaxis]
        cell = time_cells(schema, schema.targets(data, state), state, how.cells)
        own = cell[:, np.newaxis] * at_time + np.arange(at_time)
        moved = np.broadcast_to(how.cells * at_time + np.arange(p), (len(x), p))
        values = np.column_stack([event, risk / by_row, event * x / of_inputs])
        return risk_sets.contribution(np.hstack([own, moved]), values)

    def update(state: State, totals: Totals) -> State:
        released = risk_sets.total(totals)
        by_time = released[: how.cells * at_time].reshape(how.cells, at_time)
        deaths, moved = by_time[:, 0], released[how.cells * at_time : size] * of_inputs
        scale = largest if exact else how.most_risk
        risks = at_risk(by_time[:, 1:]) * by_row * scale
        noise = 0.0 if exact else noise_level(released[size:]) * scale
        known = risks[:, 0] > max(1e-9, _LEAST_AT_RISK * noise * math.sqrt(how.cells))
        deaths = np.where(known, np.maximum(deaths, 0.0), 0.0)
        beta = state["hazard_ratios"]
        if exact:
            gradient, information = partial_likelihood(deaths, moved, risks)
            beta = cox_step(beta, gradient, information, how.l2 * float(deaths.sum()))
        elif deaths.sum() > 0:
            mean = risks[known, 1:] / risks[known, :1]
            gradient = (moved - deaths[known] @ mean) / float(deaths.sum())
            beta = beta + how.learning_rate * (gradient - how.l2 * beta)
        baseline = np.divide(deaths, risks[:, 0], out=np.zeros(how.cells), where=known)
        return {**state, "hazard_ratios": beta, "baseline": baseline}

    return risk_sets.sums, contribute, update


def _by_owner(schema: Schema, how: CoxSettings, capacity: int) -> Parts:
    """Each owner's own partial likelihood, whose gradients and informations add up."""
    p = len(schema.names)
    # No row is farther than 20 from the mean of those at risk in any input.
    gradients, informations, events = (
        in_digits(
            Sum(
                name=name, shape=shape, unit=Unit.PARTY, unit_bound=bound * capacity,
                norm=Norm.LINF, capacity=1, meaning=meaning,
            ),
            _DIGITS,
        )
        for name, shape, bound, meaning in (
            ("gradient", (p,), 20.0, "gradients of the owners' partial likelihoods"),
            ("information", (p * (p + 1) // 2,), 100.0, "their second derivatives"),
            ("events", (), 1.0, "events of all owners"),
        )
    )  # fmt: skip
    upper = np.triu_indices(p)

    def contribute(state: State, data: Data, _: np.random.Generator) -> Mapping[str, Any]:
        x = np.clip(schema.inputs(data, state), -10, 10)[:capacity]
        times, came = schema.targets(data, state)[:capacity], data["events"][:capacity]
        gradient, information = likelihood_of_rows(x, times, came, state["hazard_ratios"])
        return {
            name: given.total
            for digits, total in (
                (gradients, gradient), (informations, information[upper]), (events, came.sum())
            )
            for name, given in split(digits, np.asarray(total), 1).items()
        }  # fmt: skip

    def update(state: State, totals: Totals) -> State:
        p, information = len(state["hazard_ratios"]), joined(informations, totals)
        full = np.zeros((p, p))
        full[upper] = information
        full += np.triu(full, 1).T
        ridge = how.l2 * float(joined(events, totals))
        moved = cox_step(state["hazard_ratios"], joined(gradients, totals), full, ridge)
        return {**state, "hazard_ratios": moved}

    return (*gradients, *informations, *events), contribute, update


def _check(schema: Schema, how: CoxSettings) -> None:
    if not isinstance(schema.target, Survival):
        raise PlanError("Cox regression of a label that is no time; declare a Survival")
    if len(schema.names) > MOST_INPUTS:
        raise PlanError(
            f"Cox regression over {len(schema.names):,} inputs; at most {MOST_INPUTS:,}: choose "
            "fewer columns with features=[…]"
        )
    most = 64 if schema.target.bounds is None else 4096
    for name, value, least, largest in (
        ("cells", how.cells, 2, most), ("l2", how.l2, 0, 1e9),
        ("learning_rate", how.learning_rate, 1e-6, 10), ("most_risk", how.most_risk, 1, 1e6),
        ("input_norm", how.input_norm or 1.0, 1e-6, 1e6),
    ):  # fmt: skip
        if not least <= value <= largest:
            raise PlanError(f"{name} of Cox regression is {value}; from {least:g} to {largest:g}")
