"""Several parties' contributions computed at once, against each computed alone."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from tests.learning.modules import nets
from tests.learning.modules.nets import party
from torch import nn

import confide as cf
from confide.computation import Together
from confide.engines import Drop
from confide.learning.algorithms import ditto, fed_avg, fed_prox, fed_rep, ifca, scaffold
from confide.learning.modules import TorchModel
from confide.plan import Adversary, Clear, Corruption, Masked, Threat

torch.set_num_threads(1)

NAMES = tuple("abcdefg")
DATA = {n: party(rows) for n, rows in zip(NAMES, (9, 9, 14, 9, 5, 14, 9), strict=True)}
HONEST = Threat(confidentiality=Adversary(coordinator=Corruption.HONEST))
LOCAL: dict[str, Any] = {
    "weight_cap": 20,
    "clip_norm_l2": 5.0,
    "batch_rows": 4,
    "learning_rate": 0.2,
}
FLOATS = 1e-5
"""What float32 steps in another order may differ by, and the lattice round to."""


@cache
def model(**arguments):
    return TorchModel(nets.Mlp, inputs=["x"], label="y", arguments=arguments)


def plan_of(training, rounds=2, **fields):
    return training.plan(
        parties=NAMES, rounds=rounds, **{"aggregation": Clear(), "threat": HONEST, **fields}
    )


def run(training, data=None, rounds=2, drops=(), **fields):
    plan = plan_of(training, rounds, **fields)
    return cf.simulate(plan, data or DATA, computation=training, drops=drops)


def watched(training, parties=7):
    """The computation in groups of so many, and how many parties each group had."""
    sizes: list[int] = []

    def contribute(state, group):
        sizes.append(len(group))
        return training.together.contribute(state, group)

    return replace(training, together=Together(parties, contribute)), sizes


def moved(first, second):
    return max(float(np.abs(first[name] - second[name]).max()) for name in first)


ALGORITHMS = {
    "fed-avg": lambda m: fed_avg(m, local_epochs=2, momentum=0.5, **LOCAL),
    "full batches": lambda m: fed_avg(m, local_steps=2, **{**LOCAL, "batch_rows": None}),
    "fed-prox": lambda m: fed_prox(m, mu=0.3, local_epochs=1, **LOCAL),
    "scaffold": lambda m: scaffold(m, control_clip_norm_l2=5.0, local_epochs=1, **LOCAL),
    "ditto": lambda m: ditto(m, lambda_=0.3, local_epochs=1, **LOCAL),
    "fed-rep": lambda m: fed_rep(m, personal=["head.*"], head_steps=2, local_epochs=1, **LOCAL),
    "ifca": lambda m: ifca(m, clusters=2, local_epochs=1, **LOCAL),
}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_gives_what_it_gives_party_by_party(name):
    training, sizes = watched(ALGORITHMS[name](model()))
    together, alone = run(training), run(replace(training, together=None))
    assert sizes == [7, 7]
    assert 0 <= moved(together.state, alone.state) < FLOATS
    assert moved(together.state, training.init()) > 1e-2
    for party_, own in alone.own.items():
        assert moved(together.own[party_], own) < FLOATS


def test_masked_sums_are_those_in_clear():
    training, sizes = watched(ALGORITHMS["fed-avg"](model()), parties=3)
    masked = run(training, aggregation=Masked(), threat=Threat())
    clear = run(training)
    assert sizes == [3, 3, 1] * 4
    for ours, theirs in zip(masked.totals, clear.totals, strict=True):
        assert np.array_equal(ours.totals, theirs.totals)


def test_a_contribution_does_not_depend_on_who_drops_out():
    training = ALGORITHMS["fed-avg"](model())

    def total(*missing):
        drops = [Drop(name, 0) for name in missing]
        return run(training, rounds=1, drops=drops, dropouts=2).totals[0].totals

    assert np.array_equal(total("b", "c") + total(), total("b") + total("c"))


def test_a_party_whose_rows_do_not_fit_drops_out_alone():
    training, sizes = watched(ALGORITHMS["fed-avg"](model()))
    wrong = {**DATA, "c": {**DATA["c"], "y": DATA["c"]["y"] + 3}}
    found = run(training, wrong, rounds=1, dropouts=1)
    assert found.rounds[0]["dropped"] == "c (data)"
    assert sizes == [7]
    drops = [Drop("c", 0)]
    alone = replace(training, together=None)
    without = run(alone, rounds=1, dropouts=1, drops=drops)
    assert np.array_equal(found.totals[0].totals, without.totals[0].totals)


def test_a_loader_that_fails_fails_in_its_own_turn():
    def fails():
        raise OSError("the disk is away")

    calls = []

    def loads():
        calls.append(1)
        return DATA["d"]

    training, sizes = watched(ALGORITHMS["fed-avg"](model()))
    data = {**DATA, "d": loads}
    found = run(training, data, rounds=1)
    assert (sizes, len(calls)) == ([7], 2)  # Once to be checked, and once in the round.
    assert not found.rounds[0]["dropped"]
    with pytest.raises(OSError, match="the disk is away"):
        run(training, {**DATA, "d": fails}, rounds=1)


def test_a_module_with_dropout_is_trained_alone_with_the_same_bits():
    training, sizes = watched(fed_avg(model(dropout=0.5), local_epochs=1, **LOCAL))
    together, alone = run(training), run(replace(training, together=None))
    assert sizes == [7, 7]
    assert moved(together.state, alone.state) == 0


def test_convolutions_and_losses_of_their_own_are_not_joined():
    net = TorchModel(nn.Conv1d(1, 1, 1), inputs=["x"], label="y", loss="squared-error")
    assert net.at_once == 1
    assert fed_avg(net, local_epochs=1, **LOCAL).together is None
    assert model().at_once == 64


def test_rows_of_the_caller_are_never_written_to():
    class Doubles(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x):
            return self.layer(x.mul_(2))

    before = {name: rows["x"].copy() for name, rows in DATA.items()}
    net = TorchModel(Doubles, inputs=["x"], label="y")
    training = fed_avg(net, local_steps=1, **{**LOCAL, "batch_rows": None})
    found = run(training, rounds=1)
    run(replace(training, together=None), rounds=1)
    net.predict(found.state, DATA["a"])
    assert all(np.array_equal(DATA[name]["x"], x) for name, x in before.items())
