"""Stores of the release before ledgers kept rounds: what was spent is spent."""

import json
import math
import re
import shutil
import sqlite3

import dp_accounting as dp
import pytest
from tests.privacy.ledger.ledger_support import NAMES, Pure, opened
from tests.privacy.ledger.old_stores import OLD, PLAN_HASH, spent_numbers, spent_words
from tests.privacy.ledger.test_rounds import FIVE, consent

from confide.canonical import decode
from confide.errors import DataError, LedgerError, OpeningError, PrivacyBudgetError, ProtocolError
from confide.plan import Relation
from confide.privacy.accounting import event_from_plain, rdp_curve
from confide.privacy.ledger import Cap, Ledger
from confide.privacy.ledger.costs import ORDERS, UNIT
from confide.privacy.ledger.entries import Claimed, chained
from confide.privacy.ledger.old_register import read_register

SAID = json.loads((OLD / "said.json").read_text())
SECOND = json.loads((OLD / "second.json").read_text())
REGISTERS = {bytes.fromhex(plan): said for plan, said in SAID["register"].items()}


@pytest.fixture
def folder(tmp_path):
    """Copies of the old files."""
    for name in ("ledger.db", "rounds.db"):
        shutil.copy(OLD / name, tmp_path / name)
    return tmp_path


def said(ledger):
    """What that release said, in its words: without the numbers that it did not know."""
    words = {dataset.name: spent_words(ledger, dataset.name) for dataset in ledger.datasets()}
    return {name: [NEW.sub("", each) for each in found] for name, found in words.items()}


NEW = re.compile(
    r"whole_epsilon=[^,]*, whole_delta=[^,]*, |, rho=0\.0|(?<=, )epsilon=[^,]*, (?=order)"
)


class TestAnOldLedger:
    def test_says_what_it_said_and_is_not_changed_by_looking(self, folder):
        with opened(folder / "ledger.db", create=False) as ledger:
            assert said(ledger) == SAID["ledger"]["spent"]
            assert [e.hash.hex() for e in ledger.entries()] == SAID["ledger"]["hashes"]
            ledger.verify(bytes.fromhex(SAID["ledger"]["head"]))

    def test_is_migrated_by_its_first_charge_and_loses_nothing(self, folder):
        with opened(folder / "ledger.db") as ledger:
            before = {d.name: ledger.spent(d.name) for d in ledger.datasets()}
            with pytest.raises(PrivacyBudgetError):
                ledger.reserve("loans", Pure("0.36"), observers=NAMES)
            assert len(ledger.entries()) == len(SAID["ledger"]["hashes"])
            ledger.reserve("copy", Pure("0.01"), observers=NAMES).commit()
        with opened(folder / "ledger.db") as ledger:
            kinds = [entry.kind for entry in ledger.entries()]
            assert kinds[len(SAID["ledger"]["hashes"]) :] == ["migrated", "reserved", "committed"]
            for name, spent in before.items():
                assert ledger.spent(name).pure_epsilon == pytest.approx(spent.pure_epsilon + 0.01)
            ledger.verify(bytes.fromhex(SAID["ledger"]["head"]))

    def test_is_migrated_by_its_first_round_and_loses_nothing(self, folder):
        with opened(folder / "ledger.db") as ledger:
            ledger.claim(PLAN_HASH, 0, 0)
            consent(ledger, PLAN_HASH, 0, FIVE)
        with opened(folder / "ledger.db") as ledger:
            entries = ledger.entries()
            old = len(SAID["ledger"]["hashes"])
            assert [e.hash.hex() for e in entries[:old]] == SAID["ledger"]["hashes"]
            assert [e.kind for e in entries[old:]] == [
                "migrated", "claimed", "gathered", "consented",
            ]  # fmt: skip
            assert said(ledger) == SAID["ledger"]["spent"]
            ledger.verify(bytes.fromhex(SAID["ledger"]["head"]))
            with pytest.raises(PrivacyBudgetError):
                ledger.reserve("loans", Pure("0.36"), observers=NAMES)
            ledger.reserve("loans", Pure("0.35"), observers=NAMES)

    def test_with_a_round_before_its_migration_is_refused(self, folder):
        with opened(folder / "ledger.db") as ledger:
            last = ledger.entries()[-1]
        fact = Claimed(plan_hash=PLAN_HASH, round_number=0, attempt=0)
        entry = chained(last.number + 1, last.hash, last.time, fact)
        with sqlite3.connect(folder / "ledger.db") as other:
            other.execute("INSERT INTO confide_ledger_entries VALUES (?, ?, ?)",
                          (entry.number, entry.data, entry.hash))  # fmt: skip
        other.close()
        with pytest.raises(ProtocolError, match="format 1 has no entries about rounds"):
            opened(folder / "ledger.db")


class TestALedgerOfTheSecondFormat:
    @pytest.fixture
    def where(self, tmp_path):
        shutil.copy(OLD / "second.db", tmp_path / "second.db")
        return tmp_path / "second.db"

    @staticmethod
    def check(ledger):
        """Nothing that was spent is less than that release said, at any δ."""
        for name, rows in SECOND["ledger"]["spent"].items():
            for row, now in zip(rows, spent_numbers(ledger, name), strict=True):
                for number, before in row.items():
                    assert float(now[number]) >= float(before)

    def test_says_the_same_numbers(self, where):
        with Ledger.open(where, create=False) as ledger:
            found = {d.name: spent_numbers(ledger, d.name) for d in ledger.datasets()}
            assert found == SECOND["ledger"]["spent"]
            assert [e.hash.hex() for e in ledger.entries()] == SECOND["ledger"]["hashes"]
            ledger.verify(bytes.fromhex(SECOND["ledger"]["head"]))

    def test_goes_on_and_loses_nothing(self, where):
        with Ledger.open(where) as ledger:
            ledger.reserve("people", dp.GaussianDpEvent(50.0), observers=NAMES).commit()
            self.check(ledger)
            assert [e.kind for e in ledger.entries()][-3:] == ["migrated", "reserved", "committed"]
        with Ledger.open(where) as ledger:
            self.check(ledger)
            assert [len(ledger.caps(d.name)) for d in ledger.datasets()] == [3, 2, 0]
            ledger.cap("moved", Cap(epsilon=4.0, delta=1e-5))
            assert len(ledger.caps("moved")) == 1
            self.check(ledger)
            ledger.verify(bytes.fromhex(SECOND["ledger"]["head"]))

    def test_keeps_its_caps_as_they_were_until_they_are_set_anew(self, where):
        """Their split of δ was fixed; one that a later charge decides would be another."""
        with Ledger.open(where) as ledger:
            for limit in ledger._journal.read(lambda state, _: state.caps["people"]).values():
                assert limit.terms.whole_delta == -1
            with pytest.raises(PrivacyBudgetError, match="Rényi order 8"):
                ledger.reserve("people", dp.GaussianDpEvent(1.5), observers=NAMES)

    def test_costs_between_its_orders_are_bounded_from_above(self, where):
        with Ledger.open(where) as ledger:
            for charge in ledger.charges():
                event = event_from_plain(decode(charge.fact.event, 1 << 20))
                relation = Relation(charge.fact.relation)
                true = rdp_curve(event, ORDERS[:-1], relation)
                for said, least in zip(charge.prices[1].once.renyi, true, strict=False):
                    assert math.isinf(least) or said >= least * UNIT * (1 - 1e-9)


class TestALedgerWithATimeThatIsNone:
    @pytest.fixture
    def where(self, tmp_path):
        shutil.copy(OLD / "clock.db", tmp_path / "clock.db")
        return tmp_path / "clock.db"

    def test_says_so_in_one_error_and_writes_nothing(self, where):
        before = where.read_bytes()
        for _ in range(2):
            with pytest.raises(LedgerError, match=r"entry 6 .*confide ledger repair LEDGER"):
                opened(where, create=False)
        assert where.read_bytes() == before

    def test_goes_on_after_a_repair_that_loses_nothing(self, where):
        with opened(where, repair=True) as ledger:
            entries = ledger.entries()
            old = SECOND["clock"]["hashes"]
            assert [e.hash.hex() for e in entries[: len(old)]] == old
            assert [e.kind for e in entries[len(old) :]] == ["retimed", "migrated"]
            assert ledger.spent("loans").pure_epsilon == 0.25
            ledger.reserve("loans", Pure("0.5"), observers=NAMES)
            with pytest.raises(PrivacyBudgetError):
                ledger.reserve("loans", Pure("1.3"), observers=NAMES)
            ledger.verify()
        with opened(where, repair=True) as again:
            assert [e.kind for e in again.entries()].count("retimed") == 1
            again.verify()


class TestAnOldRegister:
    @pytest.mark.parametrize("create", [True, False])
    def test_is_not_opened_as_a_ledger(self, folder, create):
        before = (folder / "rounds.db").read_bytes()
        command = f"confide ledger import-register {folder / 'rounds.db'} --ledger LEDGER"
        with pytest.raises(LedgerError, match=command):
            opened(folder / "rounds.db", create=create)
        assert (folder / "rounds.db").read_bytes() == before

    def test_is_copied_whole(self, folder):
        with opened(folder / "new.db") as ledger:
            assert ledger.import_rounds(read_register(folder / "rounds.db")) == 6
            self.check(ledger)
        with opened(folder / "new.db") as ledger:
            self.check(ledger)
            ledger.verify()

    def check(self, ledger):
        for plan, said in REGISTERS.items():
            assert [number for number, _, _ in ledger.openings(plan)] == said["spent"]
            for number in said["spent"]:
                with pytest.raises(ProtocolError, match="is used up"):
                    ledger.claim(plan, number, 99)
            with pytest.raises(ProtocolError, match="a replay"):
                ledger.claim(plan, *said["latest"])

    def test_lets_no_later_exact_sum_of_its_plans_be_opened(self, folder):
        """Who was in the first one is not known, so neither is what the two tell together."""
        with opened(folder / "new.db") as ledger:
            ledger.import_rounds(read_register(folder / "rounds.db"))
            for plan, said in REGISTERS.items():
                number, attempt = said["latest"]
                ledger.claim(plan, number, attempt + 1)
                with pytest.raises(OpeningError, match="does not know over which parties"):
                    consent(ledger, plan, number, FIVE, attempt=attempt + 1, datasets=[])
                consent(ledger, plan, number, FIVE, attempt=attempt + 1, exact=False, datasets=[])

    def test_binds_the_datasets_that_it_is_said_to_be_of(self, folder):
        with opened(folder / "ledger.db") as ledger:
            ledger.import_rounds(read_register(folder / "rounds.db"), ["loans"])
            assert said(ledger) == SAID["ledger"]["spent"]
            ledger.claim(PLAN_HASH, 0, 0)
            with pytest.raises(OpeningError, match="not known which parties were in them"):
                consent(ledger, PLAN_HASH, 0, FIVE)
            with pytest.raises(DataError, match="no dataset 'homes'"):
                ledger.import_rounds(read_register(folder / "rounds.db"), ["homes"])
            ledger.verify(bytes.fromhex(SAID["ledger"]["head"]))

    def test_copied_twice_is_copied_once(self, folder):
        found = read_register(folder / "rounds.db")
        with opened(folder / "new.db") as ledger:
            ledger.import_rounds(found)
            before = ledger.position()
            assert ledger.import_rounds(found) == 0
            assert ledger.position() == before

    def test_never_takes_back_what_the_ledger_knows(self, folder):
        """The ledger was used under the plan before the register was copied."""
        plan = next(iter(REGISTERS))
        with opened(folder / "new.db") as ledger:
            ledger.claim(plan, 1, 0)
            consent(ledger, plan, 1, FIVE, datasets=[])
            ledger.claim(plan, 7, 0)
            assert ledger.import_rounds({plan: read_register(folder / "rounds.db")[plan]}) == 1
            assert ledger.openings(plan) == ((1, 0, b"\x1f"), (0, 0, b""))
            with pytest.raises(ProtocolError, match="a replay"):
                ledger.claim(plan, 7, 0)
            ledger.claim(plan, 7, 1)
            ledger.verify()

    def test_that_is_something_else_is_a_clear_error(self, folder):
        (folder / "text").write_text("no database, but a text of some length\n" * 99)
        for name in ("text", "ledger.db", "nothing"):
            with pytest.raises(LedgerError, match="cannot be read as a register of rounds"):
                read_register(folder / name)
        assert not (folder / "nothing").exists()
