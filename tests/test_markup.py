"""What notebooks show: short, and escaped."""

import numpy as np
import pytest

import confide as cf
from confide.privacy.ledger.statement import statement

ODD = "<b>sales</b>"
DATA = {name: {"sold": np.array([1.0])} for name in ("ash", "birch", "cedar")}


@pytest.fixture(scope="module")
def computation():
    total = cf.SumGroup((cf.Sum(name="total", unit_bound=100, capacity=1),))
    return cf.Computation(
        task=cf.Task.of("sales"), sums=total, columns=("sold",), init=dict,
        contribute=lambda _state, data, _rng: {"total": data["sold"]},
        update=lambda _state, totals: {"total": totals["total"]},
    )  # fmt: skip


@pytest.fixture(scope="module")
def plan(computation):
    return computation.plan(parties=list(DATA), name=ODD, dropouts=0)


def shown(thing):
    """What a notebook shows of a thing, if its repr is short and its HTML escaped."""
    assert len(repr(thing)) < 700
    page = thing._repr_html_()
    assert ODD not in page
    assert page.count("<table>") == page.count("</table>") == 1
    return page


def test_a_plan(plan):
    page = shown(plan)
    assert "&lt;b&gt;sales&lt;/b&gt;" in page
    assert "ash, birch, cedar" in page
    assert plan.hash.hex() in page


def test_an_estimate(plan):
    made = cf.estimate(plan, dict.fromkeys(DATA, 10))
    assert f"{made.bytes_sent_per_party:,}" in shown(made)


def test_a_run(plan, computation):
    page = shown(cf.simulate(plan, DATA, computation=computation))
    assert "total ()" in page


def test_a_statement(tmp_path):
    with cf.Ledger.open(tmp_path / "ledger.db") as ledger:
        ledger.open_dataset("loans")
        ledger.cap("loans", cf.Cap(epsilon=3.0, delta=1e-6))
        page = shown(statement(ledger))
    assert "loans: cap of ε = 3, δ = 1e-06" in page
    assert "100% left" in page
