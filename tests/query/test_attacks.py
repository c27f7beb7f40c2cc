"""Attacks on query interfaces, rebuilt: none may win more often than the stated ε allows.

The attacks of the `attacks` folder of cwida/pac (small filters, variance, composition, null side
channel), membership by differencing, averaging, and listing keys. An attacker who guesses by a coin
is right half of the time; under ε-DP nobody is right more often than e^ε/(1 + e^ε) (Kairouz, Oh and
Viswanath 2015). Each bound here allows for chance with a false alarm below one in a million.
"""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom
from tests.query.tables import CATALOG, engine

from confide.errors import PrivacyBudgetError
from confide.plan import Unit
from confide.privacy.ledger import Cap, Ledger
from confide.query import Budget, Contribution, Session, prepared
from confide.query.bounding import SampleKey
from confide.query.parse import parse
from confide.randomness import SystemRandom

TURNS = 400


def table(victim):
    """Nine ordinary people, and the victim with an outlying row if they are there."""
    rows = pd.DataFrame({
        "customer": range(1, 10), "county": "a", "line": "p", "amount": 10.0, "free": 1.0,
        "paid": "2020-01-01", "approved": True,
    })  # fmt: skip
    outlier = rows[:1].assign(customer=99, line="rare", amount=90.0, free=np.nan)
    return pd.concat([rows, outlier]) if victim else rows


@pytest.fixture(scope="module")
def worlds():
    """The mechanism's exact counters do not change from turn to turn, so noise alone is drawn."""
    return {victim: engine(loans=table(victim)) for victim in (False, True)}


class Kept:
    """An engine that has answered already."""

    def __init__(self, mechanism, here):
        self._rows = {}
        self._mechanism, self._here = mechanism, here

    def run(self, statement):
        place = (
            "rows" if "DISTINCT" in statement.split("FROM")[0] or " AS n FROM" in statement else ""
        )
        if place not in self._rows:
            self._rows[place] = self._here.run(statement)
        return self._rows[place]


def success(sql, worlds, says_in, budget, contribution=None):
    """How often an attacker names the world from one answer."""
    contribution = contribution or Contribution(groups=1, rows_per_group=1)
    mechanism = prepared(parse(sql), CATALOG, budget, contribution=contribution)
    kept = {victim: Kept(mechanism, here) for victim, here in worlds.items()}
    right = 0
    for turn in range(TURNS):
        victim = bool(turn % 2)
        row = mechanism.release(kept[victim]).value.to_pylist()
        right += says_in(row) == victim
    return right


def most(epsilon, delta=0.0):
    """What chance exceeds once in a million, for the best attacker under (ε, δ)."""
    share = (math.exp(epsilon) + delta) / (1 + math.exp(epsilon))
    return int(binom.isf(1e-6, TURNS, share))


FILTERS = {
    "small filter": ("SELECT count(*) AS n FROM loans WHERE line = 'rare'",
                     lambda rows: rows[0]["n"] >= 1),
    "filter on one person": ("SELECT count(*) AS n FROM loans WHERE customer = 99",
                             lambda rows: rows[0]["n"] >= 1),
    "variance": ("SELECT var_pop(amount) AS v FROM loans", lambda rows: rows[0]["v"] > 200),
    "width of the interval": ("SELECT avg(amount) AS m FROM loans",
                              lambda rows: rows[0]["m_high"] - rows[0]["m_low"] < 80),
    "sum of an outlier": ("SELECT sum(amount) AS s FROM loans", lambda rows: rows[0]["s"] > 135),
    "null side channel": ("SELECT count(free) AS k, count(*) AS n FROM loans",
                          lambda rows: rows[0]["n"] - rows[0]["k"] >= 1),
    "a missing value in an average": ("SELECT avg(clamp(free, 0, 9)) AS m FROM loans",
                                      lambda rows: rows[0]["m"] != rows[0]["m"]),
    "a condition that would fail": (
        "SELECT count(*) AS n FROM loans WHERE 1 / (amount - 90) IS NULL",
        lambda rows: rows[0]["n"] >= 1),
    "an overflow": ("SELECT sum(clamp(amount * 1e307 * 90, 0, 1)) AS s FROM loans",
                    lambda rows: rows[0]["s"] > 9.5),
}  # fmt: skip


@pytest.mark.parametrize("attack", FILTERS)
def test_no_attacker_beats_epsilon(attack, worlds):
    sql, says_in = FILTERS[attack]
    assert success(sql, worlds, says_in, Budget(0.5)) <= most(0.5)


def test_the_same_attack_wins_without_noise(worlds):
    """The harness is not blind: with hardly any noise it finds the victim nearly always."""
    sql, says_in = FILTERS["small filter"]
    assert success(sql, worlds, says_in, Budget(20.0)) > 0.98 * TURNS


def test_differencing_two_queries(worlds):
    """The victim is in one query and not in the other: both are one composed charge."""
    right = 0
    queries = [parse("SELECT count(*) AS n FROM loans"),
               parse("SELECT count(*) AS n FROM loans WHERE customer <> 99")]  # fmt: skip
    one = Contribution(groups=1, rows_per_group=1)
    mechanisms = [prepared(query, CATALOG, Budget(0.25), contribution=one) for query in queries]
    kept = {v: [Kept(m, here) for m in mechanisms] for v, here in worlds.items()}
    for turn in range(TURNS):
        victim = bool(turn % 2)
        whole, less = (
            m.release(k).value["n"][0].as_py()
            for m, k in zip(mechanisms, kept[victim], strict=True)
        )
        right += (whole - less >= 1) == victim
    assert right <= most(0.5)


def test_averaging_and_composition_end_at_the_cap(tmp_path):
    with Ledger.open(tmp_path / "l.db") as ledger:
        ledger.open_dataset("loans", unit=Unit.PERSON)
        ledger.cap("loans", Cap(epsilon=1.0, delta=1e-6))
        session = Session(ledger, "loans", CATALOG, engine(loans=table(True)), observers=["a"])
        same = [session.run("SELECT count(*) AS n FROM loans", epsilon=0.25) for _ in range(5)]
        assert len({answer.table["n"][0].as_py() for answer in same}) == 1
        answered = 0
        try:
            for turn in range(100):
                session.run(f"SELECT count(*) AS n{turn} FROM loans", epsilon=0.25)
                answered += 1
        except PrivacyBudgetError:
            pass
        # Fresh noise ends with the budget (a tenth of which is rounding at most).
        assert answered <= 12
        assert answer_spent(ledger) <= 1.0 + 1e-6


def answer_spent(ledger):
    spent = ledger.spent("loans", delta=1e-6)
    return min(spent.pure_epsilon, spent.renyi_epsilon)


def test_rare_keys_are_named_with_probability_delta(worlds):
    mechanism = prepared(
        parse("SELECT line, count(*) AS n FROM loans GROUP BY line"), CATALOG, Budget(8.0, 1e-6),
        contribution=Contribution(groups=1, rows_per_group=1),
    )  # fmt: skip
    kept = Kept(mechanism, worlds[True])
    named = [mechanism.release(kept).value["line"].to_pylist() for _ in range(100)]
    assert not any("rare" in lines for lines in named)
    assert any(lines == ["p"] for lines in named)


def test_listed_keys_do_not_say_who_is_there(worlds):
    mechanism = prepared(
        parse("SELECT county, count(*) AS n FROM loans GROUP BY county"), CATALOG, Budget(1.0)
    )
    tables = [mechanism.release(here).value["county"].to_pylist() for here in worlds.values()]
    assert tables[0] == tables[1] == ["a", "b", "c"]


SHAPES = {
    "count": "SELECT county, count(*) AS x FROM loans GROUP BY county",
    "sum": "SELECT sum(amount) AS x FROM loans",
    "mean": "SELECT avg(amount) AS x FROM loans",
    "median": "SELECT median(amount) AS x FROM loans",
    "distinct": "SELECT count(DISTINCT line) AS x FROM loans",
    "people": "SELECT count(DISTINCT customer) AS x FROM loans",
    "covariance": "SELECT covar_pop(amount, clamp(free, 0, 2)) AS x FROM loans",
    "join": "SELECT sum(income) AS x FROM loans JOIN incomes USING (customer)",
    "per person": "SELECT avg(clamp(k, 0, 3)) AS x FROM (SELECT customer, count(*) AS k FROM loans "
                  "GROUP BY customer) e",
    "histogram": "SELECT bin(amount, 0, 100, 2) AS b, count(*) AS x FROM loans GROUP BY b",
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_empirical_epsilon_of_ten_shapes(shape, worlds):
    """A threshold on the answer, chosen by one half of the draws, is counted on the other half."""
    epsilon = 1.0
    mechanism = prepared(
        parse(SHAPES[shape]), CATALOG, Budget(epsilon),
        contribution=Contribution(groups=1, rows_per_group=1),
    )  # fmt: skip
    draws = {}
    for victim, here in worlds.items():
        kept = Kept(mechanism, here)
        draws[victim] = np.array(
            [mechanism.release(kept).value["x"][-1].as_py() for _ in range(TURNS // 2)]
        )
    half = TURNS // 4
    cuts = np.unique(np.concatenate(list(draws.values())))
    gap = [abs(np.mean(draws[True][:half] > c) - np.mean(draws[False][:half] > c)) for c in cuts]
    cut = cuts[int(np.argmax(gap))]
    hits, alarms = (int(np.sum(draws[v][half:] > cut)) for v in (True, False))
    # Clopper–Pearson at one in ten thousand on both sides.
    from scipy.stats import beta

    def bounds(count):
        low = beta.ppf(1e-4, count, half - count + 1) if count else 0.0
        high = beta.ppf(1 - 1e-4, count + 1, half - count) if count < half else 1.0
        return low, high

    (hit_low, hit_high), (alarm_low, alarm_high) = bounds(hits), bounds(alarms)
    ratios = [hit_low / alarm_high, alarm_low / hit_high,
              (1 - hit_high) / (1 - alarm_low), (1 - alarm_high) / (1 - hit_low)]  # fmt: skip
    refuted = math.log(max(*ratios, 1e-9))
    assert refuted <= epsilon


def test_row_order_is_no_channel():
    rows = table(True)
    mechanism = prepared(parse("SELECT sum(amount) AS s FROM loans"), CATALOG, Budget(1.0))
    key = SampleKey(SystemRandom())
    answers = [
        mechanism.exact(engine(loans=rows.sample(frac=1, random_state=seed)), key)
        for seed in range(3)
    ]
    assert answers[0] == answers[1] == answers[2]
