"""Stores of the release before ledgers kept rounds: what was spent is spent."""

import json
import shutil
import sqlite3

import pytest
from tests.privacy.ledger.ledger_support import NAMES, Pure, opened
from tests.privacy.ledger.old_stores import OLD, PLAN_HASH, spent_words
from tests.privacy.ledger.test_rounds import FIVE, consent

from confide.errors import DataError, LedgerError, OpeningError, PrivacyBudgetError, ProtocolError
from confide.privacy.ledger.entries import Claimed, chained
from confide.privacy.ledger.old_register import read_register

SAID = json.loads((OLD / "said.json").read_text())
REGISTERS = {bytes.fromhex(plan): said for plan, said in SAID["register"].items()}


@pytest.fixture
def folder(tmp_path):
    """Copies of the old files."""
    for name in ("ledger.db", "rounds.db"):
        shutil.copy(OLD / name, tmp_path / name)
    return tmp_path


def said(ledger):
    return {dataset.name: spent_words(ledger, dataset.name) for dataset in ledger.datasets()}


class TestAnOldLedger:
    def test_says_what_it_said_and_is_not_changed_by_looking(self, folder):
        with opened(folder / "ledger.db", create=False) as ledger:
            assert said(ledger) == SAID["ledger"]["spent"]
            assert [e.hash.hex() for e in ledger.entries()] == SAID["ledger"]["hashes"]
            ledger.verify(bytes.fromhex(SAID["ledger"]["head"]))

    def test_keeps_its_format_while_it_is_only_charged(self, folder):
        """So the release that wrote it can read it still."""
        with opened(folder / "ledger.db") as ledger:
            ledger.reserve("loans", Pure("0.01"), observers=NAMES).commit()
            assert "migrated" not in {entry.kind for entry in ledger.entries()}

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
                with pytest.raises(ProtocolError, match="is spent"):
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
