"""Found vocabularies: frequent words are spelled out, rare ones are not, exact sums are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import confide as cf
from confide.errors import PlanError
from confide.tables import Category, Missing, Number, Schema, vocabularies
from confide.tables.schema import vocabulary_name, words_of

CURIOUS = cf.Threat(confidentiality=cf.Adversary(coordinator=cf.Corruption.CURIOUS))
SCHEMA = Schema(
    features={
        "city": Category(most=6, missing=Missing.INDICATOR),
        "dose": Number(bounds=(0, 1)),
    },
    label="y",
)
CITIES = ("Köln", "São Paulo", "Lagos", "a city of more than 24 bytes")
RARE = "the only one"


def owners(rows):
    rng = np.random.default_rng(0)
    data = {}
    for name in "abcd":
        cities = rng.choice([*CITIES, ""], rows, p=[0.4, 0.3, 0.15, 0.1, 0.05])
        data[name] = pd.DataFrame({"city": cities, "dose": rng.random(rows), "y": 0})
    data["a"].loc[0, "city"] = RARE
    return data


def plan_of(stage, epsilon=4.0):
    noise = cf.Calibrated(kind=cf.NoiseShares, epsilon=epsilon, delta=1e-6)
    return stage.plan(parties=list("abcd"), rounds=2, noise=noise, threat=CURIOUS)


def test_frequent_words_are_found_and_rare_ones_are_not():
    stage = vocabularies(SCHEMA, capacity=5000)
    data = owners(2000)
    state = cf.simulate(plan_of(stage), data, computation=stage).state
    found = [word for word in words_of(state[vocabulary_name("city")]) if word]
    assert found == list(CITIES[:3])
    rows = SCHEMA.read({"city": ["Lagos", RARE, "", "Köln"], "dose": [0, 0, 0, 0]}, label=False)
    x = SCHEMA.inputs(rows, {**state, "schema constants": np.array([[0, 1, 0.5, 0.3]])})
    assert x[:, :8].argmax(axis=1).tolist() == [2, 6, 7, 0]


def test_exact_sums_are_refused():
    stage = vocabularies(SCHEMA, capacity=5000)
    plan = stage.plan(parties=list("abcd"), rounds=2, threat=CURIOUS)
    with pytest.raises(PlanError, match="words that few rows hold would be spelled out"):
        cf.simulate(plan, owners(10), computation=stage)


def test_a_schema_without_anything_to_find_is_refused():
    declared = Schema(features={"dose": Number(bounds=(0, 1))}, label="y")
    with pytest.raises(PlanError, match="leave the stage of vocabularies out"):
        vocabularies(declared, capacity=5)
