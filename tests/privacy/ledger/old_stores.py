"""Writes stores of earlier releases, to test that nothing in them is lost.

The files in `old/` were written by these releases: check one out, copy this file into its tests,
and run `python -m tests.privacy.ledger.old_stores FOLDER RELEASE` there.

* `first` (commit 1cc3894): before ledgers kept rounds; `ledger.db`, `rounds.db`, `said.json`.
* `second` (commit a31ebac): before caps split δ by the first charge; `second.db`, `clock.db`,
  `second.json`.
"""

import importlib
import json
import sys
from pathlib import Path

from tests.aggregation.support import plan_of
from tests.privacy.ledger.ledger_support import NAMES, Pure, opened, with_cap

OLD = Path(__file__).with_name("old")
PLAN_HASH = b"p" * 32


def write_ledger(where):
    """A ledger with charges of every state; what that release says of it."""
    with with_cap(where) as ledger:
        ledger.open_dataset("copy", parent="loans")
        ledger.reserve("loans", Pure("0.1"), observers=NAMES, plan_hash=PLAN_HASH).commit()
        half = ledger.reserve("loans", Pure("0.05"), observers=NAMES, count=4, plan_hash=PLAN_HASH)
        half.use()
        half.commit()
        ledger.reserve("copy", Pure("0.2"), observers=NAMES, count=2)
        ledger.reserve("copy", Pure("0.3"), observers=NAMES).cancel()
        question = ledger.question("loans", Pure("0.1"), observers=NAMES, data_digest=b"d" * 32)
        asked = ledger.reserve("loans", Pure("0.1"), observers=NAMES)
        asked.commit(question=question, answer=b"an answer")
        return {
            "head": ledger.head().to_bytes().hex(),
            "spent": {d.name: spent_words(ledger, d.name) for d in ledger.datasets()},
            "hashes": [entry.hash.hex() for entry in ledger.entries()],
        }


def spent_words(ledger, dataset):
    """All that a ledger says was spent of a dataset, as text of every digit."""
    return [repr(ledger.spent(dataset)), repr(ledger.remaining(dataset))]


def write_register(where):
    """A register of two plans: rounds spent, claimed, tried again and skipped."""
    aggregation = importlib.import_module("confide.aggregation")
    said = {}
    for name in ("one", "other"):
        plan = plan_of(name=name, rounds=9)
        with aggregation.DurableRegister(where, plan) as register:
            for number, attempt, spent in (
                (0, 0, True),
                (1, 0, False),
                (1, 2, True),
                (4, 1, False),
            ):
                register.claim(aggregation.Round(plan, number, attempt))
                if spent:
                    register.spend(aggregation.Round(plan, number, attempt))
        said[plan.hash.hex()] = {"spent": [0, 1], "latest": [4, 1]}
    return said


def write_second(where, clock):
    """A ledger of the second format, with events of all kinds; what that release says of it."""
    import dp_accounting as dp

    from confide.plan import Relation
    from confide.privacy.ledger import Cap, Filter, Ledger, Period

    sampled = dp.PoissonSampledDpEvent(0.01, dp.GaussianDpEvent(1.0))
    with Ledger.open(where, clock=clock) as ledger:
        ledger.open_dataset("people")
        ledger.open_dataset("moved", relation=Relation.REPLACE_ONE, fresh=True)
        ledger.open_dataset("copy", parent="moved")
        ledger.cap("people", Cap(epsilon=3.0, delta=1e-5, approximate_delta=1e-6))
        ledger.cap(
            "people", Cap(epsilon=2.0, delta=1e-5, approximate_delta=1e-6, period=Period.YEAR)
        )
        ledger.cap("people", Cap(epsilon=1.0, delta=1e-6, observers=frozenset({"court"})))
        ledger.cap("moved", Cap(epsilon=4.0, delta=1e-5))
        ledger.cap("moved", Cap(epsilon=4.0, delta=1e-5, filter=Filter.GAUSSIAN))
        ledger.reserve("people", dp.GaussianDpEvent(20.0), observers=NAMES, count=3).commit()
        ledger.reserve("people", sampled, observers=NAMES, count=10)
        partly = ledger.reserve("people", dp.LaplaceDpEvent(20.0), observers={"court"}, count=4)
        partly.use()
        partly.commit()
        ledger.reserve("people", dp.RandomizedResponseDpEvent(0.97, 2), observers=NAMES,
                       delta=1e-8, closeness=1e-9).commit()  # fmt: skip
        ledger.reserve("people", dp.GaussianDpEvent(5.0), observers=NAMES).cancel()
        ledger.reserve("copy", dp.GaussianDpEvent(8.0), observers=NAMES,
                       relation=Relation.ADD_OR_REMOVE_ONE, closeness=1e-12).commit()  # fmt: skip
        ledger.claim(PLAN_HASH, 0, 0)
        return {
            "head": ledger.head().to_bytes().hex(),
            "spent": {d.name: spent_numbers(ledger, d.name) for d in ledger.datasets()},
            "hashes": [entry.hash.hex() for entry in ledger.entries()],
        }


def spent_numbers(ledger, dataset):
    """All that is spent of a dataset, at three δ."""
    found = [ledger.spent(dataset, delta=delta) for delta in (1e-9, 1e-6, 1e-3)]
    names = "mu", "pure_epsilon", "renyi_epsilon", "approximate_delta", "closeness", "charges"
    return [{name: repr(getattr(spent, name)) for name in names} for spent in found]


def write_clock(where):
    """A ledger that was charged, then capped by a clock that gave milliseconds."""
    from confide.privacy.ledger import Cap

    with with_cap(where) as ledger:
        ledger.reserve("loans", Pure("0.25"), observers=NAMES).commit()
    with opened(where, clock=lambda: 1.79e12) as ledger:
        ledger.cap("loans", Cap(epsilon=2.0, delta=0))
        return {"hashes": [entry.hash.hex() for entry in ledger.entries()]}


def write_first(folder):
    """The stores of the first release."""
    said = {
        "ledger": write_ledger(folder / "ledger.db"),
        "register": write_register(folder / "rounds.db"),
    }
    (folder / "said.json").write_text(json.dumps(said, indent=1) + "\n")


def write_both(folder):
    """The stores of the second release."""
    said = {
        "ledger": write_second(folder / "second.db", lambda: 1.79e9),
        "clock": write_clock(folder / "clock.db"),
    }
    (folder / "second.json").write_text(json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    {"first": write_first, "second": write_both}[sys.argv[2]](Path(sys.argv[1]))
