"""One small declaration of encrypted scoring that tests share, and rounds of it by hand."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from confide.aggregation import Identity, Round
from confide.exchange import EncryptedScore, ExchangeSession, ScoreModel

pytest.importorskip("confide_native")

OWNER, EVALUATOR = "bank", "bureau"
COLUMNS = ("income", "debt", "age")
MODEL = ScoreModel.of([0.5, -0.75, 0.2], intercept=0.1)
ROWS = np.array([[0.8, 0.4, -0.3], [-1.0, 1.0, 0.25]])


@cache
def declared(**changes):
    """Two rows a round of three columns, linear: the cheapest ring there is."""
    fields: dict[str, Any] = {"columns": COLUMNS, "rows": 2, "precision": 1e-3}
    return EncryptedScore(**fields | changes)


def plan_of(scoring):
    return scoring.plan(owner=OWNER, evaluator=EVALUATOR)


class Table:
    """Both parties at one round, with everything that passes between them."""

    def __init__(self, scoring=None, number=0, rows=ROWS, model=MODEL):
        self.scoring = scoring or declared()
        self.plan = plan_of(self.scoring)
        self.owner, self.owner_part = self._seat(OWNER, "owner", rows, number)
        self.evaluator, self.evaluator_part = self._seat(EVALUATOR, "evaluator", model, number)
        self.sent = {}

    def _seat(self, name, role, given, number):
        part = self.scoring.part(role, given, 0)
        round_ = Round(self.plan, number)
        return ExchangeSession(round_, Identity.simulation(name), part), part

    def asked(self):
        """Up to where the evaluator has all that it needs."""
        while (parcel := self.owner.send()) is not None:
            self.sent[parcel.message] = parcel.data
            self.evaluator.receive(parcel.data)
        return self

    def answer(self):
        parcel = self.evaluator.send()
        self.sent[parcel.message] = parcel.data
        return parcel.data
