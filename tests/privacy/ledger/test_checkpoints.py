"""Checkpoints: opening need not read every entry, and nothing is believed that does not match."""

import sqlite3

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.privacy.ledger.ledger_support import NAMES, Gauss, Pure, opened, with_cap
from tests.privacy.ledger.test_rounds import FIVE, consent

from confide.canonical import decode, encode
from confide.errors import DataError, LedgerError, PrivacyBudgetError, VerificationError
from confide.privacy.ledger import Cap, Period
from confide.privacy.ledger.state import State
from confide.privacy.ledger.store import Rows

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PLAN = b"p" * 32


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr("confide.privacy.ledger.journal.CHECKPOINT_EVERY", 7)


@pytest.fixture(params=["with an owner", "without"])
def key(request):
    return KEY if request.param == "with an owner" else None


@pytest.fixture
def where(tmp_path):
    return tmp_path / "ledger.db"


def fill(ledger):
    """Something of every kind, refusals and cancelled charges among it."""
    ledger.open_dataset("copy", parent="loans")
    ledger.cap("copy", Cap(epsilon=0.5, delta=1e-6, period=Period.YEAR))
    north, _ = ledger.partition("loans", "region", ["north", "south"])
    ledger.reserve("loans", Pure("0.1"), observers=NAMES).cancel()
    ledger.reserve("loans", Pure("0.02"), observers=NAMES, count=3).commit(b"r" * 32)
    for _ in range(3):
        ledger.reserve("copy", Gauss(0.02), observers={"court"}).commit()
    with pytest.raises(PrivacyBudgetError):
        ledger.reserve("copy", Pure("7"), observers={"court"})
    question = ledger.question("loans", Pure("0.01"), observers=NAMES, data_digest=b"d" * 32)
    asked = ledger.reserve("loans", Pure("0.01"), observers=NAMES)
    asked.commit(question=question, answer=b"an answer")
    ledger.claim(PLAN, 0, 0)
    ledger.answered(PLAN, 0, 0, step=0, digest=b"a" * 32)
    consent(ledger, PLAN, 0, FIVE)
    kept = ledger.reserve(north, Pure("0.05"), observers=NAMES, count=4)
    kept.use()
    ledger.cap("loans", Cap(epsilon=2, delta=1e-5))
    for _ in range(8):
        ledger.open_dataset("loans")
        ledger.cap("loans", Cap(epsilon=2, delta=1e-5))
    return kept.identity, question


def said(ledger):
    """All that a ledger says."""
    names = [dataset.name for dataset in ledger.datasets()]
    return (
        ledger.datasets(),
        ledger.charges(),
        ledger.rounds(),
        ledger.position(),
        [(ledger.spent(n), ledger.remaining(n), ledger.caps(n), ledger.charges(n),
          ledger.opened_sums(n), ledger.crowds(n)) for n in names],
    )  # fmt: skip


def run(where, statement, *values):
    database = sqlite3.connect(where)
    with database:
        found = database.execute(statement, values).fetchall()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return found


def test_what_is_opened_from_one_says_and_does_the_same(where, key, monkeypatch):
    with with_cap(where, Cap(epsilon=1, delta=1e-6), key=key) as ledger:
        identity, question = fill(ledger)
        before = said(ledger)
    ((number,),) = run(where, "SELECT number FROM confide_ledger_checkpoints")
    read, apply = [], State.apply

    def recorded(self, entry, **options):
        read.append(entry.number)
        apply(self, entry, **options)

    monkeypatch.setattr(State, "apply", recorded)
    with opened(where, key=key) as ledger:
        assert min(read, default=number + 1) > number
        assert said(ledger) == before
        assert ledger.released(question) == b"an answer"
        with pytest.raises(DataError, match="is closed; reserve again"):
            ledger.resume(ledger.charges()[1].fact.reservation)
        resumed = ledger.resume(identity)
        resumed.use()
        resumed.commit()
        resumed.commit()
        assert resumed.charge.charged == 2
        with pytest.raises(PrivacyBudgetError):
            ledger.reserve("copy", Pure("0.6"), observers={"court"})
        for _ in range(9):
            ledger.reserve("loans", Pure("0.01"), observers=NAMES).commit()
        ledger.verify()
    ((later,),) = run(where, "SELECT number FROM confide_ledger_checkpoints")
    assert later > number


def test_one_that_does_not_match_the_chain_is_refused(where, key):
    with with_cap(where, Cap(epsilon=1, delta=1e-6), key=key) as ledger:
        fill(ledger)
    ((number,),) = run(where, "SELECT number FROM confide_ledger_checkpoints")
    run(where, "UPDATE confide_ledger_checkpoints SET number = ?", number - 1)
    with pytest.raises(VerificationError, match=r"does not match the chain.*ledger repair"):
        opened(where, key=key)
    with opened(where, key=key, repair=True) as ledger:
        ledger.verify()
        ledger.reserve("loans", Pure("0.01"), observers=NAMES)
    opened(where, key=key).close()


def forged(data):
    body = decode(data, 1 << 30)
    body["tally"]["totals"] = []
    return encode(body)


def test_a_forged_one_is_refused_if_there_is_an_owner(where):
    with with_cap(where, Cap(epsilon=1, delta=1e-6), key=KEY) as ledger:
        fill(ledger)
    ((data,),) = run(where, "SELECT data FROM confide_ledger_checkpoints")
    run(where, "UPDATE confide_ledger_checkpoints SET data = ?", forged(data))
    for key in (KEY, None):
        with pytest.raises(VerificationError, match="not signed by the ledger's owner"):
            opened(where, key=key)


def test_a_forged_one_without_an_owner_is_found_by_verify(where):
    with with_cap(where, Cap(epsilon=1, delta=1e-6)) as ledger:
        fill(ledger)
    ((data,),) = run(where, "SELECT data FROM confide_ledger_checkpoints")
    run(where, "UPDATE confide_ledger_checkpoints SET data = ?", forged(data))
    with (
        opened(where) as ledger,
        pytest.raises(VerificationError, match="does not match the entries before it"),
    ):
        ledger.verify()


@pytest.mark.parametrize("data", [b"", b"\x00", encode({"number": 3}), encode([1])])
def test_a_malformed_one_is_refused(where, data):
    with with_cap(where, Cap(epsilon=1, delta=1e-6)) as ledger:
        fill(ledger)
    run(where, "UPDATE confide_ledger_checkpoints SET data = ?", data)
    with pytest.raises(VerificationError, match="is malformed; confide ledger repair"):
        opened(where)


def test_nobody_but_the_owner_writes_one(where):
    with with_cap(where, Cap(epsilon=1, delta=1e-6), key=KEY):
        pass
    with opened(where) as ledger:
        fill(ledger)
    assert not run(where, "SELECT number FROM confide_ledger_checkpoints")


def test_one_that_cannot_be_written_is_not_needed(where, monkeypatch):
    def full(self, *_):
        raise LedgerError("full")

    monkeypatch.setattr(Rows, "keep_checkpoint", full)
    with with_cap(where, Cap(epsilon=1, delta=1e-6)) as ledger:
        fill(ledger)
        before = said(ledger)
    with opened(where) as ledger:
        assert said(ledger) == before
