"""The transparency log: it grows, it proves, and whoever tampers with it is found out."""

import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide import canonical
from confide.errors import ProtocolError, VerificationError
from confide.transparency.log import Entry, Inclusion, LogHead, TransparencyLog, check_heads

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


class Clock:
    def __init__(self):
        self.now = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.db"


@pytest.fixture
def log(path):
    log = TransparencyLog(path, Clock())
    for k in range(7):
        log.append(b"entry %d" % k)
    return log


def rewrite(path, statement, *values):
    with sqlite3.connect(path) as connection:
        connection.execute(statement, values)
    connection.close()


def test_entries_are_a_chain_with_times_that_never_go_back(log):
    entries = list(log.entries())
    assert [entry.number for entry in entries] == list(range(7))
    assert [entry.body for entry in entries] == [b"entry %d" % k for k in range(7)]
    assert all(b.previous == a.hash for a, b in pairwise(entries))
    assert [e.time for e in entries] == sorted(e.time for e in entries)
    assert list(log.entries(5)) == entries[5:]


def test_a_clock_that_was_set_back_does_not_set_entries_back(log):
    log._clock.now -= timedelta(days=3)
    entry = log.append(b"later")
    assert entry.time == list(log.entries())[-2].time


def test_an_opened_log_is_the_one_that_was_closed(log, path):
    again = TransparencyLog(path)
    assert len(again) == 7
    again.check_grew_from(log.head(KEY), PUBLIC)


def test_every_entry_can_be_shown_to_somebody_who_has_none(log):
    for number in range(7):
        shown = Inclusion.from_bytes(log.inclusion(number, KEY).to_bytes())
        assert shown.verify(PUBLIC).body == b"entry %d" % number


def test_what_is_not_in_the_log_cannot_be_shown(log):
    shown = log.inclusion(3, KEY)
    forged = replace(shown, entry=replace(shown.entry, body=b"never said"))
    with pytest.raises(VerificationError, match="does not show that leaf"):
        forged.verify(PUBLIC)
    with pytest.raises(VerificationError, match="not signed"):
        shown.verify(OTHER.public_key().public_bytes_raw())
    with pytest.raises(ProtocolError, match=r"no entry 7; it has 0 to 6"):
        log.inclusion(7, KEY)


@pytest.mark.parametrize("field", ["size", "root", "last", "time", "key"])
def test_every_field_of_a_head_is_signed(log, field):
    head = log.head(KEY)
    value = getattr(head, field)
    other = value + 1 if isinstance(value, int) else bytes(32)
    with pytest.raises(VerificationError, match="not signed"):
        replace(head, **{field: other}).verify(PUBLIC)


def test_a_head_in_bytes_is_the_same_head(log):
    head = log.head(KEY)
    assert LogHead.from_bytes(head.to_bytes()) == head
    with pytest.raises(ProtocolError):
        LogHead.from_bytes(head.to_bytes() + b"\0")


def test_a_log_that_grew_is_the_same_log(log):
    head = log.head(KEY)
    log.append(b"more")
    log.check_grew_from(head, PUBLIC)


def test_an_end_that_was_cut_off_is_found_by_whoever_kept_a_head(log, path):
    head = log.head(KEY)
    rewrite(path, "DELETE FROM confide_log WHERE number >= 5")
    cut = TransparencyLog(path)
    with pytest.raises(ProtocolError, match="has 5 entries and not 7: it was truncated"):
        cut.check_grew_from(head, PUBLIC)


def test_a_log_made_anew_is_another_log(log, path):
    head = log.head(KEY)
    path.unlink()
    forged = TransparencyLog(path, Clock())
    for k in range(9):
        forged.append(b"history as it should have been %d" % k)
    with pytest.raises(VerificationError, match="changed or removed"):
        forged.check_grew_from(head, PUBLIC)


@pytest.mark.parametrize("number", [0, 3, 5])
def test_an_entry_that_was_changed_breaks_the_chain(log, path, number):
    entry = list(log.entries())[number]
    rewrite(
        path,
        "UPDATE confide_log SET data = ? WHERE number = ?",
        replace(entry, body=b"rewritten").to_bytes(),
        number,
    )
    with pytest.raises(VerificationError, match="does not follow the one before"):
        TransparencyLog(path)


def test_an_entry_that_is_gone_breaks_the_chain(log, path):
    rewrite(path, "DELETE FROM confide_log WHERE number = 2")
    with pytest.raises(VerificationError, match="entry 3 of the log does not follow"):
        TransparencyLog(path)


def test_the_last_entry_that_was_changed_under_an_open_log_is_found(log, path):
    rewrite(
        path,
        "UPDATE confide_log SET data = ? WHERE number = 6",
        replace(list(log.entries())[6], body=b"rewritten").to_bytes(),
    )
    with pytest.raises(VerificationError, match=r"entry 6 of .* was removed or changed"):
        log.append(b"more")


def test_a_failure_appends_nothing(log, path):
    def fail():
        with log.appending() as append:
            append(b"one")
            append(b"two")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert len(log) == len(TransparencyLog(path)) == 7
    with log.appending() as append:
        append(b"one")
        append(b"two")
    assert len(log) == len(TransparencyLog(path)) == 9


def test_a_body_has_a_largest_size(log):
    with pytest.raises(ProtocolError, match="at most 1,048,576 are logged"):
        log.append(bytes((1 << 20) + 1))
    assert len(log) == 7


def test_two_heads_of_one_size_convict_who_shows_two_logs(log, path, tmp_path):
    other = TransparencyLog(tmp_path / "other.db", Clock())
    for k in range(7):
        other.append(b"another %d" % k)
    check_heads([log.head(KEY), log.head(KEY)])
    with pytest.raises(VerificationError, match="shows two different logs"):
        check_heads([log.head(KEY), other.head(KEY)])


def test_what_is_no_log_is_refused(tmp_path):
    (tmp_path / "text").write_text("no database, but long enough to be taken for one " * 20)
    with pytest.raises(ProtocolError, match="cannot use the log"):
        TransparencyLog(tmp_path / "text")
    with pytest.raises(ProtocolError, match="cannot open the log"):
        TransparencyLog(tmp_path / "absent" / "log.db")
    empty = TransparencyLog(tmp_path / "empty.db")
    with pytest.raises(ProtocolError, match="is empty"):
        empty.head(KEY)


_ENDLESS_VIEW = """
CREATE VIEW confide_log AS WITH RECURSIVE t(number) AS
(SELECT 1 UNION ALL SELECT number + 1 FROM t) SELECT number, x'' AS data FROM t
"""


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE confide_log (number INTEGER PRIMARY KEY, data)",
        "CREATE TABLE confide_log (number INTEGER PRIMARY KEY, data BLOB)",
        _ENDLESS_VIEW,
    ],
)
def test_a_file_that_is_laid_out_to_exhaust_its_reader_is_refused(path, statement):
    """A number in the place of bytes would be as many zeros; a view may never end."""
    rewrite(path, statement)
    with pytest.raises(ProtocolError, match=r"has other tables|cannot use the log"):
        TransparencyLog(path)


def test_an_entry_of_no_date_is_refused(log, path):
    last = list(log.entries())[-1]
    late = Entry(7, 1 << 60, last.hash, b"later than any date")
    rewrite(path, "INSERT INTO confide_log VALUES (?, ?)", 7, late.to_bytes())
    with pytest.raises(ProtocolError, match="not a valid log entry"):
        TransparencyLog(path)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x84\x00\x00\x40", bytes(40)])
def test_an_entry_that_is_none_is_refused(data):
    with pytest.raises(ProtocolError):
        Entry.from_bytes(data)


def test_a_number_is_no_truth_value(log):
    """Which is equal to 1 and has other bytes."""
    head = log.head(KEY)
    for reads, written in (
        (Entry, [True, 1, bytes(32), b""]),
        (Entry, [1, True, bytes(32), b""]),
        (LogHead, [True, head.root, head.last, head.time, head.key, head.signature]),
        (LogHead, [head.size, head.root, head.last, True, head.key, head.signature]),
    ):
        with pytest.raises(ProtocolError, match="not a valid"):
            reads.from_bytes(canonical.encode(written))


APPENDING = """
import sys
from pathlib import Path
from confide.transparency.log import TransparencyLog
log = TransparencyLog(Path(sys.argv[1]))
for _ in range(20):
    log.append(b"by several")
"""


def test_several_processes_append_to_one_chain(path):
    TransparencyLog(path)
    command = [sys.executable, "-c", APPENDING, str(path)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(TransparencyLog(path)) == 60
