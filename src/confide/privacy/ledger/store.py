"""Where entries lie: SQLite by default, PostgreSQL by URL. It keeps rows and knows no meaning.

A writing transaction excludes all others from its first statement: `BEGIN IMMEDIATE` on SQLite, an
advisory lock on PostgreSQL. When it returns, the row is on the disk: SQLite in WAL mode with
`synchronous=FULL` flushes each commit, and a PostgreSQL server that does not is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from confide.errors import LedgerError
from confide.process_bound import ProcessBound

__all__ = ["REGISTER_TABLE", "Rows", "Store"]

REGISTER_TABLE: Final = "attempts"
"""The one table of the registers of rounds that earlier releases kept next to the ledger."""

_TABLES: Final = sa.MetaData()

_ENTRIES: Final = sa.Table(
    "confide_ledger_entries",
    _TABLES,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True,
              autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)  # fmt: skip

_ANSWERS: Final = sa.Table(
    "confide_ledger_answers",
    _TABLES,
    sa.Column("question", sa.LargeBinary, primary_key=True),
    sa.Column("answer", sa.LargeBinary, nullable=False),
)

_CHECKPOINTS: Final = sa.Table(
    "confide_ledger_checkpoints",
    _TABLES,
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True,
              autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("signature", sa.LargeBinary, nullable=False),
)  # fmt: skip

_MAGIC: Final = b"SQLite format 3\0"
"""How a file of SQLite's begins."""

_LOCK: Final = 0x636F6E66696465
"""The advisory lock of ledgers: "confide"."""


class Rows:
    """The rows, inside one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def present(self) -> bool:
        """Whether the tables are there."""
        return sa.inspect(self._connection).has_table(_ENTRIES.name)

    def tables(self) -> list[str]:
        """The names of all tables."""
        return sa.inspect(self._connection).get_table_names()

    def entries(self, start: int) -> Iterator[tuple[int, bytes, bytes]]:
        """Number, bytes and hash of the entries from a number on, in order."""
        table = _ENTRIES
        query = sa.select(table).where(table.c.number >= start).order_by(table.c.number)
        for number, data, digest in self._connection.execute(query):
            yield number, bytes(data), bytes(digest)

    def entry(self, number: int) -> tuple[bytes, bytes] | None:
        """Bytes and hash of one entry."""
        query = sa.select(_ENTRIES.c.data, _ENTRIES.c.hash).where(_ENTRIES.c.number == number)
        found = self._connection.execute(query).one_or_none()
        return None if found is None else (bytes(found.data), bytes(found.hash))

    def checkpoint(self) -> tuple[int, bytes, bytes] | None:
        """Number, data and signature of the latest checkpoint; None if there is none."""
        if not sa.inspect(self._connection).has_table(_CHECKPOINTS.name):
            return None
        query = sa.select(_CHECKPOINTS).order_by(_CHECKPOINTS.c.number.desc()).limit(1)
        found = self._connection.execute(query).one_or_none()
        return found and (found.number, bytes(found.data), bytes(found.signature))

    def keep_checkpoint(self, number: int, data: bytes, signature: bytes) -> None:
        """Keeps a checkpoint in place of earlier ones."""
        self.drop_checkpoints()
        row = {"number": number, "data": data, "signature": signature}
        self._connection.execute(_CHECKPOINTS.insert(), row)

    def drop_checkpoints(self) -> None:
        """Forgets all checkpoints."""
        _CHECKPOINTS.create(self._connection, checkfirst=True)
        self._connection.execute(_CHECKPOINTS.delete())

    def append(self, number: int, data: bytes, digest: bytes) -> None:
        """Adds an entry; fails if the number is taken."""
        row = {"number": number, "data": data, "hash": digest}
        self._connection.execute(_ENTRIES.insert(), row)

    def answer(self, question: bytes) -> bytes | None:
        """The answer kept for a question."""
        query = sa.select(_ANSWERS.c.answer).where(_ANSWERS.c.question == question)
        found = self._connection.execute(query).scalar()
        return None if found is None else bytes(found)

    def answers(self) -> Iterator[tuple[bytes, bytes]]:
        """All questions with their answers."""
        for question, answer in self._connection.execute(sa.select(_ANSWERS)):
            yield bytes(question), bytes(answer)

    def keep(self, question: bytes, answer: bytes) -> None:
        """Keeps an answer; fails if there is one."""
        self._connection.execute(_ANSWERS.insert(), {"question": question, "answer": answer})


class Store(
    ProcessBound, what="a handle on a ledger", instead="open the ledger again", error=LedgerError
):
    """A database that holds one ledger.

    Args:
        where: A path, `sqlite:///file` or `postgresql://…`.
        create: Whether to make it if there is none.
        timeout: How long to wait for others that write, in seconds.

    Raises:
        LedgerError: If it cannot be opened, or does not exist and must not be created.
    """

    def __init__(self, where: str | Path, *, create: bool, timeout: float) -> None:
        self._url = _url(where)
        self._timeout = timeout
        self._closed = False
        if self._sqlite and Path(str(self._url.database)).is_dir():
            raise LedgerError(f"{self} is a folder; name a ledger's file")
        if self._sqlite and not create and not Path(str(self._url.database)).is_file():
            raise LedgerError(f"there is no ledger at {self}; set a cap to make one")
        self._engine = _engine(self._url, timeout)
        if create:
            self._create()
        with self.transaction() as rows:
            if not rows.present():
                self._refuse_register(rows.tables())
                raise LedgerError(f"{self} holds no ledger; set a cap to make one")

    def __str__(self) -> str:
        if self._sqlite:
            return str(self._url.database)
        return self._url.render_as_string(hide_password=True)

    @property
    def _sqlite(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[Rows]:
        """One transaction: all of it happens, durably, or nothing.

        Args:
            write: Whether to keep all others out until it ends.

        Raises:
            LedgerError: If the database fails. What was to be written may be there only if the
                failure was at the very end, on a server that could not answer any more.
        """
        self.check_process()
        if self._closed:
            raise LedgerError(f"the ledger {self} was closed; open it again")
        with self._named(), self._engine.connect() as connection:
            try:
                self._begin(connection, write=write)
                yield Rows(connection)
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise

    def check_integrity(self) -> None:
        """Lets the database look at itself.

        Raises:
            LedgerError: If its file is damaged.
        """
        if not self._sqlite:
            return
        with self._named(), self._engine.connect() as connection:
            found = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
        if found != "ok":
            raise LedgerError(f"the ledger {self} is damaged: {found}; restore it from a backup")

    def close(self) -> None:
        """Drops the database; nothing can be read or written any more."""
        self._closed = True
        self._engine.dispose()

    def _create(self) -> None:
        if self._sqlite:
            self._refuse_another_file()
            with self._named(), self._engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        with self._named(), self._engine.connect() as connection:
            try:
                self._begin(connection, write=True)
                _TABLES.create_all(connection)
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise

    def _refuse_another_file(self) -> None:
        """Refuses other files: SQLite takes a short one for an empty database."""
        path = Path(str(self._url.database))
        with self._named():
            if not path.exists():
                return
            with path.open("rb") as file:
                start = file.read(len(_MAGIC))
            if start not in (b"", _MAGIC):
                raise LedgerError(f"{self} is not a ledger, or is damaged; name another file")
            with self._engine.connect() as connection:
                tables = sa.inspect(connection).get_table_names()
        self._refuse_register(tables)
        if tables and _ENTRIES.name not in tables:
            raise LedgerError(
                f"{self} holds something else: {', '.join(tables)}; name another file"
            )

    def _refuse_register(self, tables: list[str]) -> None:
        if self._sqlite and tables == [REGISTER_TABLE]:
            raise LedgerError(
                f"{self} is a register of rounds of an earlier release; rounds are kept in the "
                f"ledger now. Copy it: confide ledger import-register {self} --ledger LEDGER"
            )

    def _begin(self, connection: sa.Connection, *, write: bool) -> None:
        run = connection.exec_driver_sql
        if self._sqlite:
            run("BEGIN IMMEDIATE" if write else "BEGIN")
            return
        # Each statement must see what was committed before it: the lock is taken by the first.
        run("BEGIN ISOLATION LEVEL " + ("READ COMMITTED" if write else "REPEATABLE READ READ ONLY"))
        if write:
            run(f"SET LOCAL lock_timeout = {int(self._timeout * 1000)}")
            run(f"SELECT pg_advisory_xact_lock({_LOCK})")
            _require_durable(connection)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Turns what the database raises into one clear line, without its statements and values."""
        try:
            yield
        except DBAPIError as error:
            reason = " ".join(str(error.orig).split())
            raise LedgerError(f"the ledger {self} {_explained(reason)} ({reason})") from error
        except (SQLAlchemyError, OSError) as error:
            raise LedgerError(f"the ledger {self} cannot be used: {error}") from error


def _roll_back(connection: sa.Connection) -> None:
    try:
        connection.exec_driver_sql("ROLLBACK")
    except SQLAlchemyError:
        # There was no transaction to roll back; a fresh connection has none either.
        connection.invalidate()


def _require_durable(connection: sa.Connection) -> None:
    run = connection.exec_driver_sql
    if run("SHOW fsync").scalar() == "off":
        raise LedgerError(
            "this PostgreSQL server runs with fsync = off, so a charge can be lost when it "
            "crashes; turn fsync on, or keep the ledger in a file"
        )
    if run("SHOW synchronous_commit").scalar() == "off":
        run("SET LOCAL synchronous_commit = on")


def _explained(reason: str) -> str:
    known = {
        "readonly": "is read-only: nothing can be charged",
        "read-only": "is read-only: nothing can be charged",
        "full": "has no room left on its disk: nothing was charged",
        "No space left": "has no room left on its disk: nothing was charged",
        "locked": "is held by another process: nothing was charged; try again",
        "lock timeout": "is held by another process: nothing was charged; try again",
        "unable to open": "cannot be opened: is its folder there, and may this user write to it?",
        "not a database": "is not a ledger, or is damaged",
        "malformed": "is damaged; restore it from a backup",
        "disk I/O error": "cannot be read or written: is its disk full or gone?",
        "UNIQUE": "was written to by another program",
        "duplicate key": "was written to by another program",
        "no such table": "is not a ledger, or is damaged",
    }
    for part, meaning in known.items():
        if part in reason:
            return meaning
    return "cannot be used"


def _url(where: str | Path) -> sa.URL:
    if isinstance(where, Path) or "://" not in where:
        return sa.URL.create("sqlite", database=str(where))
    try:
        url = sa.make_url(where)
    except SQLAlchemyError as error:
        raise LedgerError("the ledger's URL cannot be read; write postgresql://…") from error
    if url.drivername in ("postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername != "sqlite" or url.database in (None, "", ":memory:"):
        raise LedgerError(
            f"a ledger at {url.drivername}://; it is a file (a path or sqlite:///file) or a "
            "PostgreSQL database (postgresql://…), so that it survives"
        )
    return url


def _engine(url: sa.URL, timeout: float) -> sa.Engine:
    arguments: dict[str, Any] = {"timeout": timeout, "check_same_thread": False}
    if url.get_backend_name() != "sqlite":
        arguments = {"connect_timeout": max(2, int(timeout))}
    try:
        engine = sa.create_engine(
            url, isolation_level="AUTOCOMMIT", poolclass=QueuePool, pool_size=1,
            connect_args=arguments,
        )  # fmt: skip
    except ImportError as error:
        raise LedgerError("PostgreSQL takes psycopg: pip install 'confide[postgresql]'") from error
    if url.get_backend_name() == "sqlite":
        sa.event.listen(engine, "connect", _flush_each_commit)
    return engine


def _flush_each_commit(connection: Any, _: object) -> None:
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA fullfsync=ON")
