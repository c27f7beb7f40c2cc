"""Attacks on the record: bytes, rows, tails, backups, heads and names."""

import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.privacy.ledger.ledger_support import NAMES, Fake, Pure, opened, with_cap

from confide.canonical import decode, encode
from confide.errors import (
    ConfideError,
    DataError,
    LedgerError,
    PrivacyBudgetError,
    ProtocolError,
    VerificationError,
)
from confide.privacy.ledger import Cap, Ledger
from confide.privacy.ledger.entries import MAX_ENTRY_BYTES, Limited, chained, read_entry

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OWNER = KEY.public_key().public_bytes_raw()


def fill(where, **options):
    """Three charges, entries 4 to 9."""
    with with_cap(where, **options) as ledger:
        for epsilon in ("0.1", "0.2", "0.3"):
            charge(ledger, epsilon)
        return ledger.head()


def charge(ledger, epsilon):
    ledger.reserve("loans", Pure(epsilon), observers=NAMES, meaning=epsilon).commit()


def run(where, statement, *values):
    """A statement by somebody who has the file and not the ledger."""
    database = sqlite3.connect(where)
    with database:
        database.execute(statement, values)
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


@pytest.fixture
def where(tmp_path):
    return tmp_path / "ledger.db"


def test_an_honest_ledger_verifies(where):
    head = fill(where, key=KEY)
    with opened(where) as ledger:
        assert ledger.verify(head).number == 9
        assert ledger.verify(head.to_bytes(), owner=OWNER).hash == head.hash
        charge(ledger, "0.1")
        assert ledger.verify(head, owner=OWNER).number == 11


@pytest.mark.parametrize("number", range(1, 10))
def test_a_flipped_bit_in_an_entry_is_found_and_named(where, number):
    fill(where)
    with opened(where) as ledger:
        for column in ("data", "hash"):
            (value,) = sqlite3.connect(where).execute(
                f"SELECT {column} FROM confide_ledger_entries WHERE number = ?", [number]
            ).fetchone()  # fmt: skip
            middle = len(value) // 2
            flipped = value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]
            update = f"UPDATE confide_ledger_entries SET {column} = ? WHERE number = ?"
            run(where, update, flipped, number)
            with pytest.raises(VerificationError, match=f"entry {number} of the ledger"):
                ledger.verify()
            with pytest.raises(VerificationError, match=f"entry {number} of the ledger"):
                opened(where)
            run(where, update, value, number)
        ledger.verify()


def test_a_flipped_byte_anywhere_in_the_file_changes_no_entry_unnoticed(where):
    head = fill(where)
    with opened(where) as ledger:
        honest = [entry.data for entry in ledger.entries()]
    run(where, "SELECT 1")
    content, random, found = where.read_bytes(), np.random.default_rng(0), 0
    for at in random.choice(len(content), 150, replace=False):
        flipped = bytearray(content)
        flipped[at] ^= 1 << int(random.integers(8))
        where.write_bytes(flipped)
        try:
            with opened(where, create=False) as ledger:
                ledger.verify(head)
                assert [entry.data for entry in ledger.entries()] == honest
        except ConfideError:
            found += 1
    assert found > 20  # most of the file is room that means nothing


@pytest.mark.parametrize("number", [1, 4, 8])
def test_a_row_left_out_is_found(where, number):
    fill(where)
    run(where, "DELETE FROM confide_ledger_entries WHERE number = ?", number)
    with pytest.raises(VerificationError, match=f"entry {number} of the ledger is missing"):
        opened(where, create=False)


def test_rows_exchanged_are_found(where):
    fill(where)
    for old, new in ((5, 100), (7, 5), (100, 7)):
        run(where, "UPDATE confide_ledger_entries SET number = ? WHERE number = ?", new, old)
    with pytest.raises(VerificationError, match="entry 5 of the ledger does not follow"):
        opened(where)


def test_an_entry_rewritten_with_its_hash_is_found_by_the_next(where):
    fill(where)
    with opened(where) as ledger:
        entry = ledger.entries()[3]
    body = decode(entry.data, MAX_ENTRY_BYTES)
    forged = encode({**body, "costs": [0] * len(body["costs"])})
    digest = read_entry(forged, 4, entry.previous).hash
    run(where, "UPDATE confide_ledger_entries SET data = ?, hash = ? WHERE number = 4", forged,
        digest)  # fmt: skip
    with pytest.raises(VerificationError, match="entry 5 of the ledger does not follow"):
        opened(where)


def test_a_truncated_tail_is_found_with_a_head_only(where):
    head = fill(where)
    run(where, "DELETE FROM confide_ledger_entries WHERE number > 5")
    with opened(where) as ledger:
        ledger.verify()
        with pytest.raises(VerificationError, match="ends with entry 5, the head with entry 9"):
            ledger.verify(head)
        # Having gone on from there, it has an entry 9 again, but another one.
        charge(ledger, "0.4")
        charge(ledger, "0.1")
        with pytest.raises(VerificationError, match="entry 9 is not the one that the head names"):
            ledger.verify(head)


def test_a_restored_backup_is_found(where, tmp_path):
    backup = tmp_path / "backup.db"
    fill(where)
    run(where, "SELECT 1")
    shutil.copy(where, backup)
    with opened(where) as ledger:
        charge(ledger, "0.4")
        head = ledger.head()
    run(where, "SELECT 1")
    shutil.copy(backup, where)
    with opened(where) as ledger:
        with pytest.raises(VerificationError, match="an older backup was restored"):
            ledger.verify(head)
        charge(ledger, "0.4")
        with pytest.raises(VerificationError, match="entry 11 is not the one"):
            ledger.verify(head)


def test_a_ledger_made_anew_is_found(where, tmp_path):
    head = fill(where)
    fill(tmp_path / "new.db")
    with opened(tmp_path / "new.db") as ledger:
        with pytest.raises(VerificationError, match="this one was replaced"):
            ledger.verify(head)
        with pytest.raises(VerificationError, match="names another owner's key"):
            ledger.verify(owner=OWNER)


class TestForgedHeads:
    def test_of_another_key(self, where):
        head = fill(where, key=KEY)
        forger = Ed25519PrivateKey.from_private_bytes(b"f" * 32)
        with opened(where) as ledger:
            with pytest.raises(VerificationError, match="not signed by the ledger's owner"):
                ledger.verify(head.signed(forger))
            with pytest.raises(VerificationError, match="not signed by the ledger's owner"):
                ledger.verify(replace(head, signature=b""))

    @pytest.mark.parametrize("change", [{"number": 5}, {"hash": b"h" * 32}, {"time": 0}])
    def test_with_a_changed_field(self, where, change):
        head = fill(where, key=KEY)
        error = pytest.raises(VerificationError, match="it was forged")
        with opened(where) as ledger, error:
            ledger.verify(replace(head, **change))

    def test_that_are_no_heads(self, where):
        head = fill(where, key=KEY).to_bytes()
        with opened(where) as ledger:
            for forged in (b"", b"\x00", encode({}), encode({"number": 1}), head[:-1]):
                with pytest.raises(ProtocolError):
                    ledger.verify(forged)

    def test_cannot_be_made_without_the_key(self, where):
        fill(where, key=KEY)
        with opened(where) as ledger, pytest.raises(LedgerError, match="open it with that"):
            ledger.head()
        with pytest.raises(LedgerError, match="not founded with this key"):
            opened(where, key=Ed25519PrivateKey.from_private_bytes(b"f" * 32))


class TestForgedEntries:
    """An entry with right hashes that no ledger would have written: the owner's software lied."""

    def append(self, where, change):
        with opened(where) as ledger:
            entries = ledger.entries()
        last = entries[-1]
        reserved = next(e.fact for e in entries if e.kind == "reserved")
        fact = change(reserved, entries)
        entry = chained(last.number + 1, last.hash, last.time, fact)
        run(where, "INSERT INTO confide_ledger_entries VALUES (?, ?, ?)",
            entry.number, entry.data, entry.hash)  # fmt: skip

    def test_over_the_cap(self, where):
        fill(where)
        self.append(where, lambda r, _: replace(r, reservation=b"x" * 16, count=9))
        with opened(where) as ledger:
            with pytest.raises(VerificationError, match=r"entry 10 .*has a cap of ε = 1"):
                ledger.verify()
            assert ledger.remaining("loans")[0].fraction == 0

    def test_a_reservation_replayed(self, where):
        fill(where)
        self.append(where, lambda r, _: r)
        with pytest.raises(VerificationError, match=r"entry 10 .*made twice"):
            opened(where)

    def test_costs_that_are_negative_or_missing(self, where):
        fill(where)
        self.append(where, lambda r, _: replace(r, reservation=b"x" * 16, costs=r.costs[:-1]))
        with pytest.raises(VerificationError, match=r"entry 10 .*numbers"):
            opened(where)

    def test_a_second_founding(self, where):
        fill(where)
        self.append(where, lambda _, entries: entries[0].fact)
        with pytest.raises(VerificationError, match=r"entry 10 .*opens once"):
            opened(where)

    def test_a_cap_in_the_chain_counts_like_any_other(self, where):
        fill(where)

        def larger(_, entries):
            fact = next(e.fact for e in entries if isinstance(e.fact, Limited))
            return replace(fact, budget=tuple(9 * units for units in fact.budget))

        self.append(where, larger)
        error = pytest.raises(VerificationError, match=r"entry 10 .*another budget than its ε")
        with opened(where) as ledger, error:
            ledger.verify()


class TestBalancesCannotBeReset:
    def test_by_declaring_the_dataset_again(self, where):
        fill(where)
        with opened(where) as ledger:
            ledger.open_dataset("loans")
            with pytest.raises(DataError):
                ledger.open_dataset("loans", parent="loans")
            with pytest.raises(PrivacyBudgetError):
                charge(ledger, "0.5")

    def test_by_an_alias(self, where):
        fill(where)
        with opened(where) as ledger:
            with pytest.raises(DataError, match="name the parent"):
                ledger.open_dataset("loans 2")
            ledger.open_dataset("loans 2", parent="loans")
            ledger.cap("loans 2", Cap(epsilon=100, delta=0))
            with pytest.raises(PrivacyBudgetError, match="dataset 'loans' has a cap"):
                ledger.reserve("loans 2", Pure("0.5"), observers=NAMES)

    def test_by_a_million_small_charges(self, where):
        class Tiny(Fake):
            def pure_epsilon(self, event):
                return super().pure_epsilon(event) / 10**15

        with with_cap(where) as ledger:
            ledger._accountant = Tiny()
            # Each is rounded up to a whole unit, so that a million of millions of them fit.
            ledger.reserve("loans", Pure("1"), observers=NAMES, count=10**9)
            assert ledger.spent("loans").pure_epsilon == 1e-3

    def test_by_an_accountant_that_says_too_little(self, where):
        """Whose process charged it does not matter: verify asks its own."""

        class Kind(Fake):
            def pure_epsilon(self, event):
                return super().pure_epsilon(event) / 2

        with with_cap(where) as ledger:
            charge(ledger, "0.5")
            ledger.verify()
            ledger._accountant = Kind()
            charge(ledger, "0.5")
            ledger.verify()
        with (
            opened(where) as ledger,
            pytest.raises(VerificationError, match=r"entry \d .*less than its event costs"),
        ):
            ledger.verify()

    def test_by_an_event_that_nobody_understands(self, where):
        class Inventive(Fake):
            def plain(self, event):
                return {"type": "Free", "value": "1/0"}

        with with_cap(where) as ledger:
            ledger._accountant = Inventive()
            charge(ledger, "0.5")
        with (
            Ledger.open(where) as ledger,
            pytest.raises(VerificationError, match="not understood: no event that is known here"),
        ):
            ledger.verify()

    def test_by_opening_and_closing(self, where):
        with with_cap(where) as ledger:
            for _ in range(50):
                ledger.reserve("loans", Pure("0.7"), observers=NAMES).cancel()
                ledger.reserve("loans", Pure("0.3"), observers=NAMES).cancel()
            assert ledger.spent("loans").pure_epsilon == 0
            charge(ledger, "0.7")
            charge(ledger, "0.3")


def test_answers_that_were_changed_or_removed_are_found(where):
    with with_cap(where) as ledger:
        question = ledger.question("loans", Pure("0.5"), observers=NAMES, data_digest=b"d" * 32)
        ledger.reserve("loans", Pure("0.5"), observers=NAMES).commit(question=question, answer=b"1")
        run(where, "UPDATE confide_ledger_answers SET answer = ?", b"2")
        with pytest.raises(VerificationError, match="not the one that was released"):
            ledger.released(question)
        with pytest.raises(VerificationError, match="was changed"):
            ledger.verify()
        run(where, "DELETE FROM confide_ledger_answers")
        with pytest.raises(VerificationError, match="not the one that was released"):
            ledger.released(question)
        with pytest.raises(VerificationError, match="is missing"):
            ledger.verify()


def test_a_tail_cut_off_is_found_on_postgresql_too(postgresql):
    head = fill(postgresql)
    with opened(postgresql) as ledger:
        with ledger._journal._store.transaction(write=True) as rows:
            rows._connection.exec_driver_sql("DELETE FROM confide_ledger_entries WHERE number > 5")
        with pytest.raises(VerificationError, match="ends with entry 5, the head with entry 9"):
            ledger.verify(head)
