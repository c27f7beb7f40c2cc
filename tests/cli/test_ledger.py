"""`confide ledger`: the record from the command line."""

import json
import shutil
import sqlite3

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from dp_accounting import GaussianDpEvent, LaplaceDpEvent, SelfComposedDpEvent
from tests.privacy.ledger.old_stores import OLD

from confide.errors import PrivacyBudgetError
from confide.privacy.ledger import Ledger

CAP = ("ledger", "cap", "l.db", "--dataset", "loans", "--epsilon", 3, "--delta", 1e-6)


def charge(event=None, *, commit=True, **options):
    with Ledger.open("l.db", create=False) as ledger:
        given = {"observers": {"bank"}, "meaning": "[bold]a mean\x1b[31m", **options}
        reservation = ledger.reserve("loans", event or GaussianDpEvent(4.0), **given)
        if commit:
            reservation.commit()


@pytest.fixture
def ledger(confide):
    """A ledger with a Gaussian cap and a charge."""
    assert confide(*CAP, "--filter", "gaussian").code == 0
    charge()


@pytest.fixture
def key(folder):
    path = folder / "key.pem"
    private = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


class TestCap:
    def test_begins_a_ledger_and_declares_the_dataset(self, confide):
        done = confide(*CAP, "--unit", "person", "--relation", "replace-one", "--period", "year")
        assert (done.code, done.out) == (0, "")
        assert done.err == "loans: ε = 3, δ = 1e-06 (renyi; all observers, each year)\n"
        with Ledger.open("l.db", create=False) as ledger:
            (dataset,) = ledger.datasets()
            assert (dataset.unit.value, dataset.relation.value) == ("person", "replace-one")

    def test_of_some_observers(self, confide):
        assert confide(*CAP, "--observers", "bank", "--observers", "court").code == 0
        with Ledger.open("l.db", create=False) as ledger:
            assert ledger.caps("loans")[0].observers == frozenset({"bank", "court"})

    def test_on_a_second_dataset_says_where_it_is_from(self, confide, refused, ledger):
        again = ("ledger", "cap", "l.db", "--dataset", "copy", "--epsilon", 3, "--delta", 1e-6)
        assert "name the parent" in refused(*again, code=3)
        assert confide(*again, "--parent", "loans").code == 0
        other = ("ledger", "cap", "l.db", "--dataset", "new", "--epsilon", 3, "--delta", 1e-6)
        assert confide(*other, "--fresh").code == 0

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (("--epsilon", 0, "--delta", 1e-6), "epsilon 0.0"),
            (("--epsilon", "nan", "--delta", 1e-6), "epsilon nan"),
            (("--epsilon", 1, "--delta", 1), "delta 1.0; it is at least 0 and below 1"),
        ],
    )
    def test_that_cannot_be_makes_no_ledger(self, refused, options, message):
        error = refused("ledger", "cap", "l.db", "--dataset", "loans", *options, code=2)
        assert message in error


class TestShow:
    def test_in_words(self, confide, ledger):
        charge(SelfComposedDpEvent(GaussianDpEvent(50.0), 10), count=3, commit=False)
        done = confide("ledger", "show", "l.db")
        assert (done.code, done.err) == (0, "")
        assert "loans: protects each record (add-or-remove-one)" in done.out
        assert "spent so far: ε = " in done.out
        assert "μ = 0.2729, of 2 charges, 1 still open and counted in full" in done.out
        assert "gaussian" in done.out
        assert "\x1b" not in done.out

    def test_nothing_yet(self, confide):
        confide(*CAP)
        assert "spent so far: nothing was charged" in confide("ledger", "show", "l.db").out

    def test_as_json(self, confide, ledger):
        found = json.loads(confide("ledger", "show", "l.db", "--json").out)
        (dataset,) = found["datasets"]
        assert found["entries"] == 5
        assert dataset["mu"] == pytest.approx(0.25, rel=1e-6)
        assert dataset["caps"][0]["epsilon"] == 3.0
        assert dataset["charges"][0]["event"] == "gaussian (noise multiplier 4)"
        assert dataset["charges"][0]["state"] == "committed"

    def test_as_a_page(self, confide, ledger):
        page = confide("ledger", "show", "l.db", "--format", "html").out
        assert page.startswith("<!doctype html>")
        assert "<h2>loans</h2>" in page
        assert "gaussian (noise multiplier 4)" in page

    def test_one_dataset(self, confide, refused, ledger):
        assert "loans" in confide("ledger", "show", "l.db", "--dataset", "loans").out
        error = refused("ledger", "show", "l.db", "--dataset", "lons", code=3)
        assert error == "no dataset 'lons' in this ledger; it has: loans"

    def test_periods_add_up(self, confide):
        confide(*CAP, "--period", "month")
        shown = confide("ledger", "show", "l.db").out
        assert "what is learnt over several months adds up" in shown

    @pytest.mark.parametrize("command", ["show", "verify", "export", "head"])
    def test_no_ledger_is_made_by_looking(self, refused, command):
        assert "there is no ledger at none.db" in refused("ledger", command, "none.db", code=8)


class TestVerify:
    def test_an_honest_ledger(self, confide, folder, ledger):
        (folder / "head").write_text(confide("ledger", "head", "l.db").out)
        charge()
        done = confide("ledger", "verify", "l.db", "--head", "head")
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("7 entries, none changed; the last is ")
        assert "without --head" in confide("ledger", "verify", "l.db").err

    def test_a_tail_cut_off(self, confide, folder, ledger):
        (folder / "head").write_text(confide("ledger", "head", "l.db").out)
        with sqlite3.connect("l.db") as database:
            database.execute("DELETE FROM confide_ledger_entries WHERE number = 5")
        database.close()
        done = confide("ledger", "verify", "l.db", "--head", "head")
        assert (done.code, done.out) == (6, "")
        assert "ends with entry 4, the head with entry 5" in done.err

    def test_a_changed_entry(self, confide, ledger):
        with sqlite3.connect("l.db") as database:
            database.execute("UPDATE confide_ledger_entries SET data = CAST(data || x'00' AS BLOB) "
                             "WHERE number = 4")  # fmt: skip
        database.close()
        for command in ("verify", "show", "export"):
            done = confide("ledger", command, "l.db")
            assert (done.code, done.out) == (6, "")
            assert done.err.startswith("error: entry 4 of the ledger")

    def test_of_an_owner(self, confide, folder, key):
        assert confide(*CAP, "--key", key).code == 0
        (folder / "head").write_text(confide("ledger", "head", "l.db", "--key", key).out)
        owner = Ed25519PrivateKey.from_private_bytes(b"k" * 32).public_key().public_bytes_raw()
        checked = ("ledger", "verify", "l.db", "--head", "head", "--owner")
        assert confide(*checked, owner.hex()).code == 0
        assert confide(*checked, bytes(32).hex()).code == 6
        assert confide("ledger", "head", "l.db").code == 8

    def test_heads_and_keys_that_are_none(self, confide, folder, refused, key, ledger):
        (folder / "head").write_text("no head")
        error = refused("ledger", "verify", "l.db", "--head", "head", code=3)
        assert error == "the head head is not hexadecimal"
        assert "cannot read" in refused("ledger", "verify", "l.db", "--head", "none", code=3)
        error = refused("ledger", "head", "l.db", "--key", "head", code=3)
        assert "no private key in PEM" in error
        assert "not founded with this key" in refused(
            "ledger", "head", "l.db", "--key", key, code=8
        )


def test_export_is_a_line_of_json_for_each_entry(confide, ledger):
    lines = [json.loads(line) for line in confide("ledger", "export", "l.db").out.splitlines()]
    assert [line["kind"] for line in lines] == [
        "opened", "registered", "limited", "reserved", "committed",
    ]  # fmt: skip
    assert [line["number"] for line in lines] == [1, 2, 3, 4, 5]
    assert [line["previous"] for line in lines[1:]] == [line["hash"] for line in lines[:-1]]
    assert lines[3]["event"] == {"type": "GaussianDpEvent", "noise_multiplier": "4.0"}


def test_pure_losses_are_stated_without_delta(confide):
    confide("ledger", "cap", "l.db", "--dataset", "loans", "--epsilon", 1, "--delta", 0)
    charge(LaplaceDpEvent(4.0))
    assert "spent so far: ε = 0.25 and δ = 0, of 1 charges" in confide("ledger", "show", "l.db").out


class TestOpenings:
    """What was opened, in words; and the registers of earlier releases."""

    @pytest.fixture
    def opened_sums(self, confide):
        assert confide(*CAP).code == 0
        crowd = frozenset(f"{party:064x}" for party in range(3))
        with Ledger.open("l.db", create=False) as ledger:
            for number in range(2):
                ledger.claim(b"p" * 32, number, 0)
                ledger.consent(
                    b"p" * 32, number, 0, survivors=b"\x07", crowd=crowd, exact=True,
                    datasets=["loans"],
                )  # fmt: skip
            ledger.claim(b"q" * 32, 4, 1)

    @pytest.mark.usefixtures("opened_sums")
    def test_are_shown(self, confide):
        text = confide("ledger", "show", "l.db").out
        assert "opened: 2 exact sums over 3 parties, of plan 7070707070707070" in text
        assert "are opened over the same parties only" in text
        assert "helped to open 2 rounds; took part last in round 1, attempt 0" in text
        assert "helped to open 0 rounds; took part last in round 4, attempt 1" in text
        page = confide("ledger", "show", "l.db", "--format", "html").out
        assert "2 exact sums over 3 parties" in page
        assert "71" * 32 in page

    @pytest.mark.usefixtures("opened_sums")
    def test_are_in_json_and_in_the_export(self, confide):
        found = json.loads(confide("ledger", "show", "l.db", "--json").out)
        assert found["datasets"][0]["openings"][0]["exact"] is True
        assert found["rounds"][0]["opened"] == [0, 1]
        kinds = [json.loads(line)["kind"] for line in
                 confide("ledger", "export", "l.db").out.splitlines()]  # fmt: skip
        assert kinds.count("consented") == 2

    def test_of_a_charged_plan_that_are_not_recorded_are_said(self, confide):
        assert confide(*CAP).code == 0
        charge(plan_hash=b"p" * 32)
        text = confide("ledger", "show", "l.db").out
        assert "charged by 1 plan of whose sums no opening is recorded" in text

    @pytest.fixture
    def register(self, folder):
        shutil.copy(OLD / "rounds.db", folder / "rounds.db")

    @pytest.mark.usefixtures("register")
    def test_of_a_register_are_imported(self, confide):
        refused = confide("ledger", "show", "rounds.db")
        assert refused.code == 8
        assert "confide ledger import-register rounds.db --ledger LEDGER" in refused.err
        done = confide("ledger", "import-register", "rounds.db", "--ledger", "l.db")
        assert done.out == "6 rounds of 2 plans, 6 of them new in the ledger\n"
        again = confide("ledger", "import-register", "rounds.db", "--ledger", "l.db")
        assert again.out == "6 rounds of 2 plans, 0 of them new in the ledger\n"
        assert "helped to open 2 rounds" in confide("ledger", "show", "l.db").out

    @pytest.mark.usefixtures("register")
    def test_of_a_register_are_of_datasets_that_the_owner_names(self, confide):
        assert confide(*CAP).code == 0
        command = ("ledger", "import-register", "rounds.db", "--ledger", "l.db")
        for options in ((), ("--dataset", "loans", "--no-dataset")):
            refused = confide(*command, *options)
            assert refused.code == 3
            assert "from which datasets of the ledger (loans)" in refused.err
        assert confide(*command, "--dataset", "loans").code == 0
        text = confide("ledger", "show", "l.db").out
        assert text.count("opened: 2 exact sums over parties that are not known") == 2


class TestUncap:
    def test_takes_a_cap_away_and_keeps_what_was_spent(self, confide, refused, ledger):
        assert confide("ledger", "uncap", "l.db", "--dataset", "loans").code == 0
        with Ledger.open("l.db", create=False) as opened:
            assert not opened.caps("loans")
            assert opened.spent("loans").mu > 0
        assert "has no cap" in refused("ledger", "uncap", "l.db", "--dataset", "loans", code=3)

    def test_names_the_datasets_that_there_are(self, refused, ledger):
        assert "loans" in refused("ledger", "uncap", "l.db", "--dataset", "loan", code=3)


class TestRho:
    def test_is_a_cap_of_zero_concentrated_privacy(self, confide):
        made = ("ledger", "cap", "l.db", "--dataset", "loans", "--rho", 0.5, "--delta", 1e-12)
        assert confide(*made).code == 0
        charge(GaussianDpEvent(1.0), commit=True)  # ρ = ½ of one Gaussian with multiplier 1
        with pytest.raises(PrivacyBudgetError):
            charge(GaussianDpEvent(20.0))

    def test_and_epsilon_are_not_given_together(self, refused):
        made = ("ledger", "cap", "l.db", "--dataset", "loans", "--rho", 0.5, "--epsilon", 1)
        assert "rho" in refused(*made, "--delta", 1e-9, code=2)


class TestLookAlikes:
    def test_are_asked_about(self, confide, refused, ledger):
        cyrillic = "l\N{CYRILLIC SMALL LETTER O}ans"
        again = ("ledger", "cap", "l.db", "--dataset", cyrillic, "--epsilon", 3, "--fresh",
                 "--delta", 1e-6)  # fmt: skip
        assert "loans" in refused(*again, code=3)
        assert confide(*again, "--distinct").code == 0


class TestSplit:
    def test_adds_up_to_the_whole(self, confide):
        done = confide("ledger", "split", "mean=2", "count=1", "--epsilon", 1, "--delta", 1e-6)
        assert done.code == 0
        assert "mean" in done.out
        assert "count" in done.out


class TestRepair:
    def test_drops_a_checkpoint_and_loses_nothing(self, confide, ledger):
        with Ledger.open("l.db", create=False) as opened:
            before = opened.spent("loans").mu
        assert confide("ledger", "repair", "l.db").code == 0
        assert confide("ledger", "verify", "l.db").code == 0
        with Ledger.open("l.db", create=False) as opened:
            assert opened.spent("loans").mu == before
