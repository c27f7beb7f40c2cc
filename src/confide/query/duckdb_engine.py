"""Queries on DuckDB, in this process: Parquet files, CSV files, frames, databases."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from confide.errors import DataError
from confide.query.catalog import Catalog, PublicTable
from confide.query.dialects import DUCKDB
from confide.tables.files import read_table

__all__ = ["DuckDbEngine"]

_CHUNK = 1 << 20


class DuckDbEngine:
    """Runs statements on DuckDB.

    A Parquet file is scanned where it is; everything else becomes a table in memory. Statements
    are this library's own, and each function in them is total, so an error is one of the machine
    or of a damaged file. Its text is not shown, as it could show a value.

    Args:
        catalog: The declared tables.
        sources: Of each table: a file's path, a frame (pandas, Polars, Arrow), or a database's URL.
        threads: How many threads; DuckDB decides if None.

    Raises:
        DataError: If a source is missing or cannot be read, lacks a declared column, or a public
            table's key is not one.
    """

    dialect = DUCKDB

    def __init__(
        self, catalog: Catalog, sources: Mapping[str, Any], *, threads: int | None = None
    ) -> None:
        duckdb = _imported()
        _check_sources(catalog, sources)
        self._failures: type[Exception] = duckdb.Error
        self._connection = duckdb.connect(":memory:")
        self._connection.execute("SET preserve_insertion_order = false")
        if threads is not None:
            self._connection.execute(f"SET threads = {int(threads)}")
        self._files: dict[str, Path] = {}
        self._frames: dict[str, Any] = {}
        for name, source in sources.items():
            self._open(name, source)
            self._check_columns(name, catalog)

    def close(self) -> None:
        """Closes the connection."""
        self._connection.close()

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a statement.

        Raises:
            DataError: If it fails.
        """
        try:
            found: list[tuple[Any, ...]] = self._connection.execute(statement).fetchall()
        except self._failures:
            raise DataError(
                "the engine failed while it read the data: check that the files are whole and that "
                "memory and disk suffice. Nothing was released"
            ) from None
        return found

    def digest(self) -> bytes:
        """SHA-256 of the content of all tables: of a file's bytes, or of a frame's columns."""
        digest = hashlib.sha256()
        for name in sorted({*self._files, *self._frames}):
            digest.update(name.encode() + b"\0")
            digest.update(
                _of_file(self._files[name]) if name in self._files else _of(self._frames[name])
            )
        return digest.digest()

    def _open(self, name: str, source: Any) -> None:
        if isinstance(source, str | Path) and str(source).lower().endswith(".parquet"):
            path = Path(source)
            if not path.is_file():
                raise DataError(f"table {name!r}: there is no file {path}; check the path")
            scan = f"read_parquet({DUCKDB.text(str(path))})"
            try:
                self._connection.execute(
                    f"CREATE VIEW {DUCKDB.quote(name)} AS SELECT * FROM {scan}"
                )
            except self._failures:
                raise DataError(
                    f"table {name!r}: {path} is not a Parquet file, or damaged; write it again"
                ) from None
            self._files[name] = path
            return
        frame = source if _is_arrow(source) else read_table(source)
        frame = frame if _is_arrow(frame) else _arrow(frame)
        self._frames[name] = frame
        self._connection.register(name, frame)

    def _check_columns(self, name: str, catalog: Catalog) -> None:
        table = catalog.table(name)
        described = self.run(f"SELECT * FROM (DESCRIBE SELECT * FROM {DUCKDB.quote(name)})")
        there = {row[0] for row in described}
        missing = [column for column in table.columns if column not in there]
        if missing:
            raise DataError(f"table {name!r} lacks the declared column {missing[0]!r}")
        if isinstance(table, PublicTable) and table.key:
            keys = ", ".join(map(DUCKDB.quote, table.key))
            several = f"SELECT 1 FROM {DUCKDB.quote(name)} GROUP BY {keys} HAVING count(*) > 1"
            if self.run(f"{several} LIMIT 1"):
                raise DataError(
                    f"public table {name!r}: two rows share the key {', '.join(table.key)}; "
                    "declare a key that no two rows share"
                )


def _imported() -> Any:
    try:
        import duckdb
    except ImportError as error:
        raise DataError("queries run on DuckDB: install confide[query]") from error
    return duckdb


def _check_sources(catalog: Catalog, sources: Mapping[str, Any]) -> None:
    missing = sorted(set(catalog.tables) - set(sources))
    unknown = sorted(set(sources) - set(catalog.tables))
    if missing or unknown:
        raise DataError(
            f"table {(missing or unknown)[0]!r} "
            f"{'is declared and has no source' if missing else 'has a source and is not declared'}"
        )


def _is_arrow(source: Any) -> bool:
    return type(source).__module__.startswith("pyarrow")


def _arrow(frame: Any) -> Any:
    import pyarrow as pa

    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError):
        # A column of mixed types, as from a spreadsheet: texts say the same, and are read again.
        return pa.Table.from_pandas(frame.astype("string"), preserve_index=False)


def _of_file(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()


def _of(frame: Any) -> bytes:
    import pyarrow as pa

    class _Sink:
        closed = False

        def __init__(self) -> None:
            self.digest = hashlib.sha256()

        def write(self, data: Any) -> int:
            self.digest.update(data)
            return len(data)

        def flush(self) -> None:
            """Nothing waits."""

        def close(self) -> None:
            """Nothing is open."""

    sink = _Sink()
    with pa.ipc.new_stream(pa.PythonFile(sink, "w"), frame.schema) as writer:
        writer.write_table(frame.combine_chunks())
    return sink.digest.digest()
