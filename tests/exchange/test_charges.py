"""An exchange is written into ledgers before anything is sent."""

from contextlib import closing

import pytest
from tests.exchange.scores import EVALUATOR, MODEL, OWNER, ROWS, declared, plan_of

from confide.computation import Account
from confide.errors import ConfideError, PrivacyBudgetError
from confide.exchange import ExchangeSession, run_exchange
from confide.privacy.ledger import Cap, Filter, Ledger

SCORING = declared(rows=1, rounds=2)
PLAN = plan_of(SCORING)


@pytest.fixture(params=[Filter.GAUSSIAN, Filter.RENYI])
def accounts(tmp_path, request):
    with (
        closing(Ledger.open(tmp_path / "a.db")) as one,
        closing(Ledger.open(tmp_path / "b.db")) as other,
    ):
        for ledger, dataset in ((one, "rows"), (other, "model")):
            ledger.open_dataset(dataset)
            ledger.cap(dataset, Cap(epsilon=0.1, delta=1e-9, filter=request.param))
        yield {OWNER: Account(one, "rows"), EVALUATOR: Account(other, "model")}


def charges(account):
    return list(account.ledger.charges(account.dataset))


def run(accounts):
    return run_exchange(PLAN, {OWNER: ROWS, EVALUATOR: MODEL}, accounts=accounts)


def test_rows_that_nobody_else_reads_lose_nothing(accounts):
    owner = {OWNER: accounts[OWNER]}
    for _ in range(2):
        run(owner)
    for charge in charges(accounts[OWNER]):
        assert charge.closed
        assert (charge.used, charge.fact.count) == (2, 2)
        assert set(charge.fact.observers) == {EVALUATOR, "coordinator"}
        assert charge.fact.plan_hash == PLAN.hash
        assert charge.fact.meaning == "encrypted-score: exchange scoring"
    account = accounts[OWNER]
    assert account.ledger.spent(account.dataset).mu == 0


def test_a_model_with_an_account_answers_nobody(accounts, monkeypatch):
    """Nothing bounds what scores tell of it, so no cap has room; and no other party is charged."""
    monkeypatch.setattr(ExchangeSession, "send", lambda session: pytest.fail("something was sent"))
    with pytest.raises(PrivacyBudgetError):
        run(accounts)
    assert charges(accounts[EVALUATOR]) == []
    assert [charge.used for charge in charges(accounts[OWNER])] == [0]
    assert all(charge.closed for charge in charges(accounts[OWNER]))


def test_what_began_stays_charged(accounts, monkeypatch):
    def lose(session, data):
        raise ConfideError("lost")

    monkeypatch.setattr(ExchangeSession, "receive", lose)
    with pytest.raises(ConfideError, match="lost"):
        run({OWNER: accounts[OWNER]})
    (charge,) = charges(accounts[OWNER])
    assert charge.closed
    assert charge.used == 1
