"""Names: one spelling is one dataset, and what looks like one that is there is asked about."""

import unicodedata

import pytest
from tests.privacy.ledger.ledger_support import NAMES, Pure, with_cap

from confide.errors import DataError, PrivacyBudgetError
from confide.privacy.ledger import Cap


@pytest.fixture
def ledger(tmp_path):
    with with_cap(tmp_path / "ledger.db") as opened:
        yield opened


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (unicodedata.normalize("NFC", "cafe\u0301"), unicodedata.normalize("NFD", "cafe\u0301")),
        ("fi", "\ufb01"),
        ("a1", "\uff411"),
        ("m2", "m\u00b2"),
    ],
    ids=ascii,
)
def test_other_encodings_are_the_same_dataset(ledger, one, other):
    ledger.open_dataset(one, fresh=True)
    assert ledger.open_dataset(other, fresh=True).name == one
    ledger.cap(other, Cap(epsilon=1, delta=0))
    ledger.reserve(one, Pure("0.5"), observers=NAMES)
    ledger.reserve(other, Pure("0.5"), observers=NAMES)
    with pytest.raises(PrivacyBudgetError):
        ledger.reserve(other, Pure("0.1"), observers=NAMES)
    assert ledger.spent(other).pure_epsilon == 1
    assert len(ledger.charges(other)) == 2
    assert ledger.partition(other, "key", ["x"]) == (f"{one}/key=x",)
    ledger.verify()


@pytest.mark.parametrize(
    "name",
    ["lo\u0430ns", "l\u043eans", "Loans", "l0ans", "lo\u03b1ns", "lo\u00e4ns", "ioans"],
    ids=ascii,
)
def test_look_alikes_are_asked_about(ledger, name):
    with pytest.raises(DataError, match=r"looks like 'loans'.*distinct=True, --distinct"):
        ledger.open_dataset(name, fresh=True)
    assert [dataset.name for dataset in ledger.datasets()] == ["loans"]
    assert ledger.open_dataset(name, fresh=True, distinct=True).name == name
    assert ledger.open_dataset(name, fresh=True).name == name


def test_the_letters_that_differ_are_named(ledger):
    with pytest.raises(DataError, match=r"with CYRILLIC SMALL LETTER A\).*'loans' \(in ASCII\)"):
        ledger.open_dataset("lo\u0430ns", fresh=True)


@pytest.mark.parametrize("name", ["homes", "loans 2", "loans-2026", "moans"])
def test_others_are_not(ledger, name):
    assert ledger.open_dataset(name, fresh=True).name == name


def test_observers_are_one_whatever_their_encoding(ledger):
    ledger.cap("loans", Cap(epsilon=0.25, delta=0, observers=frozenset({"caf\u00e9"})))
    with pytest.raises(PrivacyBudgetError, match=r"has a cap of ε = 0\.25"):
        ledger.reserve("loans", Pure("0.5"), observers={"cafe\u0301"})
