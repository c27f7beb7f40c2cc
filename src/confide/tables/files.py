"""Tables from files, frames and databases, cell by cell as they are written.

A CSV file is read as texts, so that a schema decides what a cell means and not a guess: "007" stays
a ward's name, and "1,5" becomes a number only where the file's decimal mark is a comma. What is
found out about a file is its form (encoding, delimiter, decimal mark), never what its columns mean,
and `Dialect` says it aloud.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections import Counter
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Final

import pandas as pd

from confide.errors import DataError

__all__ = ["Dialect", "read_table", "write_numbers"]

_MAX_BYTES: Final = 8 << 30
_SAMPLE: Final = 1 << 16
_DELIMITERS: Final = ",;\t|"
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_THOUSANDS: Final = r"\d{1,3}(?:\.\d{3})+"
_DECIMAL_COMMA: Final = rf"\s*[+-]?(?:{_THOUSANDS}|\d+)(?:,\d+)?(?:[eE][+-]?\d+)?\s*"
_SAID: Final = re.compile(r"sep=([,;\t|])")
"""A first line by which spreadsheets say the delimiter."""

_KINDS: Final = ".csv, .tsv, .txt (each also .gz), .parquet, .arrow or .feather"


@dataclass(frozen=True)
class Dialect:
    """How a text file is written.

    Attributes:
        encoding: Such as "utf-8", "utf-16" or "cp1252".
        delimiter: The separator of two cells.
        decimal: "." or ",".
        said: Whether the first line says the delimiter, as `sep=;`.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    decimal: str = "."
    said: bool = False

    def __str__(self) -> str:
        name = {"\t": "tab", ",": "comma", ";": "semicolon", "|": "bar"}[self.delimiter]
        mark = "comma" if self.decimal == "," else "point"
        return f"{self.encoding}, cells divided by {name}, decimal {mark}"


def read_table(source: Any) -> pd.DataFrame:
    """A table from a file, a database or a frame.

    Args:
        source: A path to a file; `duckdb:FILE#TABLE` or a `postgresql://…#TABLE` URL; or a frame
            of pandas, Polars or Arrow, which passes as it is.

    Returns:
        A frame. From a text file its cells are texts, with a point as decimal mark; elsewhere what
        the file's columns hold.

    Raises:
        DataError: If it cannot be read; never naming a cell.
    """
    if isinstance(source, pd.DataFrame):
        return source
    if hasattr(source, "to_pandas"):  # Polars, Arrow
        return pd.DataFrame(source.to_pandas())
    if not isinstance(source, str | PathLike):
        raise DataError(
            f"a table of type {type(source).__name__}; give a data frame, or a file's path"
        )
    text = str(source)
    if "://" in text or text.startswith("duckdb:"):
        return _from_database(text)
    return _from_file(Path(text))


def dialect_of(path: Path) -> Dialect:
    """How a text file is written, from its first 64 kB.

    Raises:
        DataError: If it cannot be read or is empty.
    """
    head = _head(path)
    encoding = next((name for mark, name in _MARKS if head.startswith(mark)), "")
    if not encoding:
        encoding = "utf-8" if _is_utf8(head) else "cp1252"
    if "utf-16" not in encoding and b"\0" in head:
        raise DataError(f"{path} is not text; convert it to {_KINDS}")
    lines = head.decode(encoding, errors="ignore").splitlines()
    lines = [line for line in lines[:200] if line.strip()]
    said = _SAID.fullmatch(lines[0].strip()) if lines else None
    if not lines[said is not None :]:
        raise DataError(f"{path} is empty; give a file with a line of column names and rows")
    delimiter = said[1] if said else _delimiter(lines)
    decimal = _decimal(lines[said is not None :], delimiter)
    return Dialect(encoding, delimiter, decimal, said is not None)


def write_numbers(cells: pd.Series, decimal: str) -> pd.Series:
    """A column's texts with a point as decimal mark; other texts stay unchanged."""
    if decimal == ".":
        return cells
    number = cells.str.fullmatch(_DECIMAL_COMMA).fillna(value=False)
    plain = cells.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
    return cells.mask(number, plain)


def _from_file(path: Path) -> pd.DataFrame:
    suffixes = [s.lower() for s in path.suffixes]
    kind = (
        suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else "".join(suffixes[-1:])
    )
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(
                f"{path} has {path.stat().st_size:,} bytes; at most {_MAX_BYTES:,} are read: split "
                "it, or put it into a DuckDB table"
            )
        if kind in (".csv", ".tsv", ".txt"):
            return _from_text(path)
        if kind == ".parquet":
            return pd.read_parquet(path)
        if kind in (".arrow", ".feather"):
            return pd.read_feather(path)
    except DataError:
        raise
    except ImportError:
        raise DataError(f"reading {kind} needs pyarrow: pip install 'confide[parquet]'") from None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or 'damaged file'}") from None
    except (ValueError, EOFError) as error:
        # What a reader says of a damaged file may quote it.
        raise DataError(f"cannot read {path}: {type(error).__name__}, it is damaged") from None
    if path.is_dir():
        raise DataError(f"{path} is a folder; name a file in it")
    raise DataError(f"{path} is of no known kind; convert it to {_KINDS}")


def _from_text(path: Path) -> pd.DataFrame:
    dialect = dialect_of(path)
    try:
        frame = pd.read_csv(
            path,
            sep=dialect.delimiter,
            encoding=dialect.encoding,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            on_bad_lines="error",
            skiprows=int(dialect.said),
        )
    except UnicodeDecodeError:
        raise DataError(
            f"{path} is not all {dialect.encoding}: save it as UTF-8, which every spreadsheet can"
        ) from None
    except pd.errors.ParserError:
        raise _ragged(path, dialect) from None
    if not isinstance(frame.index, pd.RangeIndex):  # pandas takes further cells for names of rows
        raise _ragged(path, dialect)
    frame.columns = pd.Index(_names(path, dialect))
    # A delimiter at the end of each line makes a column without a name and without cells.
    kept = [bool(n) or bool((frame.iloc[:, i] != "").any()) for i, n in enumerate(frame.columns)]
    frame = frame.loc[:, kept]
    _check_names(path, frame)
    return frame.apply(lambda column: write_numbers(column, dialect.decimal))


def _ragged(path: Path, dialect: Dialect) -> DataError:
    return DataError(
        f"{path} has rows with more cells than its first line has names (read as {dialect}): "
        "quote cells that hold the delimiter, and begin with the line of column names"
    )


def _names(path: Path, dialect: Dialect) -> list[str]:
    """The first line's cells; pandas would rename a repeated one."""
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rt", encoding=dialect.encoding, newline="") as file:
        rows = csv.reader(file, delimiter=dialect.delimiter, skipinitialspace=True)
        found = (row for row in rows if row)
        if dialect.said:
            next(found)
        return [name.strip() for name in next(found)]


def _check_names(path: Path, frame: pd.DataFrame) -> None:
    """A first line of numbers is a row, and naming its cells would show them."""
    if not len(frame.columns) or not len(frame):
        raise DataError(f"{path} has no rows below its line of column names")
    numeric = sum(_is_number(name) for name in frame.columns)
    if numeric * 2 > len(frame.columns):
        raise DataError(
            f"the first line of {path} is not a line of column names: most of its cells are "
            "numbers. Put a line of names first"
        )
    twice = [name for name, count in Counter(frame.columns).items() if count > 1]
    if twice:
        raise DataError(f"{path} has column {twice[0]!r} twice; rename one of them")


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _head(path: Path) -> bytes:
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rb") as file:
        return bytes(file.read(_SAMPLE))


def _is_utf8(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return len(head) == _SAMPLE and error.start > len(head) - 4  # cut within a character
    return True


def _delimiter(lines: list[str]) -> str:
    """The delimiter that gives all lines the same number of cells, and most of them."""
    best, most = ",", 1
    for delimiter in _DELIMITERS:
        rows = list(csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter))
        rows = rows[:-1] if len(rows) > 2 else rows  # the last one may be cut within a cell
        sizes = Counter(len(row) for row in rows if row)
        size, count = sizes.most_common(1)[0] if sizes else (0, 0)
        # With decimal commas the rows of two columns have two cells by comma too, the names do not.
        if size > most and len(rows[0]) == size and count >= 0.9 * len(rows):
            best, most = delimiter, size
    return best


def _decimal(lines: list[str], delimiter: str) -> str:
    """A comma, if cells like 3,5 occur and cells like 3.5 do not."""
    if delimiter == ",":
        return "."
    cells = [c for row in csv.reader(lines[1:], delimiter=delimiter) for c in row]
    commas = sum(_like(cell, ",") for cell in cells)
    points = sum(_like(cell, ".") and not re.fullmatch(_THOUSANDS, cell) for cell in cells)
    return "," if commas > points else "."


def _like(cell: str, mark: str) -> bool:
    whole, found, part = cell.strip().lstrip("+-").rpartition(mark)
    return bool(found) and part.isdigit() and whole.replace(".", "").isdigit()


def _from_database(text: str) -> pd.DataFrame:
    where, hash_, table = text.partition("#")
    if not (hash_ and table.replace("_", "").replace(".", "").isalnum()):
        raise DataError(
            f"a database without a table; name it after '#', as {where.split('?')[0]}#loans"
        )
    if where.startswith("duckdb:"):
        return _from_duckdb(where.removeprefix("duckdb:").removeprefix("//"), table)
    import sqlalchemy

    try:
        engine = sqlalchemy.create_engine(where)
        schema, _, name = table.rpartition(".")
        with engine.connect() as connection:
            return pd.read_sql_table(name, connection, schema=schema or None)
    except (ValueError, ImportError, sqlalchemy.exc.SQLAlchemyError) as error:
        raise DataError(
            f"cannot read table {table!r} of the database: {type(error).__name__}. Check the URL, "
            "the table's name and the driver (pip install 'confide[postgresql]')"
        ) from None


def _from_duckdb(file: str, table: str) -> pd.DataFrame:
    try:
        import duckdb
    except ImportError:
        raise DataError("reading DuckDB needs duckdb: pip install 'confide[duckdb]'") from None
    if not Path(file).is_file():
        raise DataError(f"no DuckDB file {file}")
    try:
        with duckdb.connect(file, read_only=True) as connection:
            return pd.DataFrame(connection.table(table).df())
    except duckdb.Error as error:
        raise DataError(f"cannot read table {table!r} of {file}: {type(error).__name__}") from None
