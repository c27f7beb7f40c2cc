"""Databases that fail: nothing is charged, nothing is released, and the error says why."""

import os
import resource
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from tests.privacy.ledger.ledger_support import NAMES, Pure, opened, with_cap

from confide.errors import LedgerError
from confide.privacy.ledger import Ledger
from confide.privacy.ledger.entries import FIRST_PREVIOUS, Opened, chained
from confide.privacy.ledger.state import order_texts

NOBODY = 65534


def pure(ledger, epsilon="0.1", **options):
    return ledger.reserve("loans", Pure(epsilon), observers=NAMES, **options)


def fill_up(ledger):
    """Charges until it fails: how often it did not."""
    for done in range(2000):
        try:
            pure(ledger, "0.0001", meaning="m" * 2000)
        except LedgerError as error:
            return done, str(error)
    raise AssertionError("there was room for everything")


def check_all_charges_are_there(where, done):
    with opened(where) as again:
        again.verify()
        assert len(again.charges()) == done


@pytest.fixture
def for_nobody():
    """A folder that a user without rights may read."""
    folder = Path(tempfile.mkdtemp(prefix="confide-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


@contextmanager
def without_rights():
    """Gives up root's right to write everywhere."""
    user = os.geteuid()
    if not user:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_full_database_is_a_clear_error(tmp_path):
    where = tmp_path / "ledger.db"
    with with_cap(where) as ledger:
        with ledger._journal._store._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 40")
        done, error = fill_up(ledger)
        assert 5 < done < 100
        assert "has no room left on its disk: nothing was charged" in error
        assert ledger.spent("loans").charges == done
    check_all_charges_are_there(where, done)


def test_a_file_that_may_not_grow_is_a_clear_error(tmp_path):
    where = tmp_path / "ledger.db"
    with with_cap(where) as ledger:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        try:
            done, error = fill_up(ledger)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "disk" in error
        pure(ledger)
    check_all_charges_are_there(where, done + 1)


def test_a_full_disk_is_a_clear_error(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk takes root and the right to mount")
    try:
        with with_cap(disk / "ledger.db") as ledger:
            done, error = fill_up(ledger)
            assert "nothing was charged" in error or "disk" in error
            assert ledger.spent("loans").charges == done
        shutil.copytree(disk, tmp_path / "copy")
        check_all_charges_are_there(tmp_path / "copy" / "ledger.db", done)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_read_only_file_can_be_read_and_not_charged(for_nobody):
    where = for_nobody / "ledger.db"
    with with_cap(where) as ledger:
        pure(ledger).commit()
        head = ledger.head()
    database = sqlite3.connect(where)
    database.execute("PRAGMA journal_mode=DELETE")  # so that reading needs no second file
    database.close()
    where.chmod(0o444)
    for_nobody.chmod(0o555)
    before = where.read_bytes()
    with without_rights(), opened(where, create=False) as ledger:
        assert ledger.verify(head).number == head.number
        with pytest.raises(LedgerError, match="is read-only: nothing can be charged"):
            pure(ledger)
    with without_rights(), pytest.raises(LedgerError, match="read-only"):
        opened(where)
    assert where.read_bytes() == before


def test_a_folder_without_rights_is_a_clear_error(for_nobody):
    for_nobody.chmod(0o555)
    with (
        without_rights(),
        pytest.raises(LedgerError, match="cannot be opened: is its folder there"),
    ):
        opened(for_nobody / "ledger.db")


def test_a_missing_folder_is_a_clear_error(tmp_path):
    with pytest.raises(LedgerError, match="is its folder there"):
        opened(tmp_path / "none" / "ledger.db")


def test_none_is_made_unless_asked(tmp_path):
    where = tmp_path / "ledger.db"
    with pytest.raises(LedgerError, match="there is no ledger at"):
        opened(where, create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_locked_ledger_is_a_clear_error(tmp_path):
    where = tmp_path / "ledger.db"
    with with_cap(where), opened(where, timeout=0.05) as ledger:
        other = sqlite3.connect(where, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="held by another process: nothing was charged"):
            pure(ledger)
        other.execute("ROLLBACK")
        other.close()
        pure(ledger)


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"x", b"SQLite format 3\0" * 9])
def test_a_file_that_is_no_ledger_is_a_clear_error(tmp_path, content):
    where = tmp_path / "ledger.db"
    where.write_bytes(content)
    with pytest.raises(LedgerError, match=r"is not a ledger, or is damaged|cannot be"):
        opened(where)
    assert where.read_bytes() == content


def test_another_database_is_not_taken_for_a_ledger(tmp_path):
    where = tmp_path / "other.db"
    with sqlite3.connect(where) as other:
        other.execute("CREATE TABLE customers (name)")
    other.close()
    with pytest.raises(LedgerError, match="holds no ledger"):
        opened(where, create=False)
    with pytest.raises(LedgerError, match="holds something else: customers"):
        opened(where)


def test_a_damaged_file_is_a_clear_error(tmp_path):
    where = tmp_path / "ledger.db"
    with with_cap(where) as ledger:
        for _ in range(20):
            pure(ledger, "0.01")
    content = bytearray(where.read_bytes())
    content[4096:12288] = os.urandom(8192)
    where.write_bytes(content)
    with pytest.raises(LedgerError, match=r"damaged|cannot be used"):
        opened(where, create=False)


def test_another_format_is_a_clear_error(tmp_path):
    where = tmp_path / "ledger.db"
    opened(where).close()
    fact = Opened(format=4, ledger=bytes(16), owner=b"", orders=order_texts())
    entry = chained(1, FIRST_PREVIOUS, 1_790_000_000, fact)
    with sqlite3.connect(where) as other:
        other.execute("UPDATE confide_ledger_entries SET data = ?, hash = ?",
                      (entry.data, entry.hash))  # fmt: skip
    other.close()
    with pytest.raises(LedgerError, match=r"is of format 4 .* this release reads formats 1 to 3"):
        opened(where)


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite://", "sqlite:///:memory:", "no url://"])
def test_urls_of_other_kinds_are_refused(url):
    with pytest.raises(LedgerError, match=r"so that it survives|cannot be read"):
        Ledger.open(url)


def test_a_server_that_does_not_answer_is_a_clear_error_without_the_password(tmp_path):
    with pytest.raises(LedgerError) as caught:
        Ledger.open(f"postgresql://me:secret@/ledger?host={tmp_path}")
    assert "cannot be used" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_postgresql_that_is_read_only_is_a_clear_error(postgresql):
    with with_cap(postgresql) as ledger:
        pure(ledger)
    database = sa.make_url(postgresql).database
    with psycopg.connect(postgresql, autocommit=True) as other:
        other.execute(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    with opened(postgresql, create=False) as ledger:
        with pytest.raises(LedgerError, match="is read-only: nothing can be charged"):
            pure(ledger)
        assert ledger.spent("loans").charges == 1


def test_postgresql_that_goes_away_is_a_clear_error_and_comes_back(postgresql):
    with with_cap(postgresql) as ledger:
        pure(ledger)
        with psycopg.connect(postgresql, autocommit=True) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        with pytest.raises(LedgerError, match="cannot be used"):
            pure(ledger)
        pure(ledger)
        assert ledger.spent("loans").charges == 2


def test_postgresql_commits_are_flushed_whatever_its_default(postgresql):
    database = sa.make_url(postgresql).database
    with psycopg.connect(postgresql, autocommit=True) as other:
        other.execute(f"ALTER DATABASE {database} SET synchronous_commit = off")
    with with_cap(postgresql) as ledger, ledger._journal._store.transaction(write=True) as rows:
        shown = rows._connection.exec_driver_sql("SHOW synchronous_commit").scalar()
        assert shown == "on"


def test_a_held_lock_on_postgresql_is_a_clear_error(postgresql):
    with with_cap(postgresql) as ledger, opened(postgresql, timeout=0.1) as hasty:
        error = pytest.raises(LedgerError, match="held by another process: nothing was charged")
        with ledger._journal._store.transaction(write=True), error:
            pure(hasty)
        pure(hasty)


def test_sqlite_flushes_each_commit(tmp_path):
    ledger = with_cap(tmp_path / "ledger.db")
    with ledger, ledger._journal._store._engine.connect() as connection:
        pragma = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous")
        }
    assert pragma == {"journal_mode": "wal", "synchronous": 2}


def test_nothing_runs_if_a_use_cannot_be_written(tmp_path):
    where, ran = tmp_path / "ledger.db", []
    with with_cap(where) as ledger:
        reservation = pure(ledger)
        with ledger._journal._store._engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")
        with pytest.raises(LedgerError, match="is read-only"):
            ran.append(reservation.use())
    assert ran == []
