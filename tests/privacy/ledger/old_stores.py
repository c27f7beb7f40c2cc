"""Writes stores of the release before ledgers kept rounds, to test that nothing in them is lost.

The files in `old/` were written by that release (commit 1cc3894): check it out, copy this file
into its tests, and run `python -m tests.privacy.ledger.old_stores FOLDER` there.
"""

import importlib
import json
import sys
from pathlib import Path

from tests.aggregation.support import plan_of
from tests.privacy.ledger.ledger_support import NAMES, Pure, with_cap

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


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    said = {
        "ledger": write_ledger(folder / "ledger.db"),
        "register": write_register(folder / "rounds.db"),
    }
    (folder / "said.json").write_text(json.dumps(said, indent=1) + "\n")
