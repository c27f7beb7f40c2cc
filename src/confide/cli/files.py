"""Reading the files that a user names: plans, tables and keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from confide.computation import Computation, find_computation, state_hash
from confide.errors import DataError, PlanError, ProtocolError, why_unreadable
from confide.exchange import read_plan
from confide.learning import trained_model
from confide.plan import Plan
from confide.plan.codec import nearest_column
from confide.tables import Schema, read_table
from confide.tables.values import numbers

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "load_plan",
    "load_plan_alone",
    "load_private_key",
    "load_public",
    "load_public_key",
    "load_table",
    "load_tables",
    "named_files",
    "named_sources",
    "read_text",
]

_MAX_PLAN_FILE = 16 << 20
_MAPS = frozenset(bytes([first]) for first in range(0xA0, 0xC0))
"""How the CBOR of a plan begins: with a map. No text in UTF-8 begins so."""
_MAX_KEY_FILE = 64 << 10


def load_plan(path: Path) -> tuple[Plan, tuple[Computation, ...]]:
    """Reads a plan to run, from a file in TOML or of canonical bytes, and what computes it.

    Raises:
        PlanError: If it cannot be read, its plan must not be made, or its task is not installed.
    """
    read = _read(path)
    if isinstance(read, Plan):
        return read, tuple(find_computation(stage.task) for stage in read.sum_stages)
    return read_plan(read, str(path))


def load_plan_alone(path: Path) -> Plan:
    """Reads a plan to look at; of canonical bytes the task need not be installed.

    Raises:
        PlanError: If it cannot be read, or its plan must not be made.
    """
    read = _read(path)
    return read if isinstance(read, Plan) else read_plan(read, str(path))[0]


def _read(path: Path) -> Plan | str:
    """The plan of canonical bytes, or the text of a file in TOML."""
    try:
        if path.stat().st_size > _MAX_PLAN_FILE:
            raise PlanError(f"{path} has {path.stat().st_size:,} bytes; at most {_MAX_PLAN_FILE:,}")
        data = path.read_bytes()
        return _canonical_plan(data, path) if data[:1] in _MAPS else data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"cannot read the plan file {path}: {why_unreadable(error)}") from error


def _canonical_plan(data: bytes, path: Path) -> Plan:
    try:
        return Plan.from_canonical(data)
    except ProtocolError as error:
        raise PlanError(f"{path} does not hold the canonical bytes of a plan: {error}") from error
    except PlanError as error:
        raise PlanError(f"{path}: {error}") from error


def load_table(source: Path | str) -> pd.DataFrame:
    """Reads a table from any usual file or a database; columns of numbers become numbers.

    Raises:
        DataError: If it cannot be read; never naming a cell.
    """
    frame = read_table(source)
    return frame.apply(_numeric) if len(frame.columns) else frame


def load_tables(
    sources: Mapping[str, str], computations: Iterable[Computation]
) -> dict[str, pd.DataFrame]:
    """Reads each party's table for the stages of a plan.

    Where a stage has a schema, cells stay as they are written, and the schema reads them.

    Raises:
        DataError: If one cannot be read; naming the party, and never a cell.
    """
    as_written = all(c.read is not None for c in computations)
    tables = {}
    for party, source in sources.items():
        try:
            tables[party] = read_table(source) if as_written else load_table(source)
        except DataError as error:
            raise DataError(f"{party}: {error}") from None
    return tables


def _numeric(cells: pd.Series) -> pd.Series:
    """A column of texts as numbers, if all of it are or are missing."""
    if not (pd.api.types.is_object_dtype(cells.dtype) or pd.api.types.is_string_dtype(cells.dtype)):
        return cells
    try:
        found = numbers(cells, str(cells.name))
    except DataError:
        return cells
    whole = bool(np.isfinite(found).all()) and not cells.astype(str).str.contains(r"[.eE]").any()
    return pd.Series(found.astype(np.int64) if whole else found, index=cells.index)


def load_public(plan: Plan, path: Path) -> tuple[pd.DataFrame, bytes]:
    """Reads rows to measure a plan's model on, and computes the digest that a plan declares.

    The digest is of the columns that the plan reads, as numbers, so that a CSV and a Parquet file
    of one table have the same.

    Raises:
        DataError: If the file cannot be read, or lacks numbers that the plan reads.
        PlanError: If the plan trains no model.
    """
    _, table = trained_model(plan)
    if isinstance(table, Schema):
        rows = read_table(path)
        return rows, state_hash(table.read(rows))
    rows = load_table(path)
    columns = {}
    for column in table.columns:
        if column not in rows:
            raise DataError(f"{path} has no column {column!r}; {nearest_column(column, rows)}")
        columns[column] = values = rows[column].to_numpy()
        if values.dtype.kind not in "fiub" or not np.isfinite(values).all():
            raise DataError(f"{path} has column {column!r} with values that are not finite numbers")
    return rows, state_hash(columns)


def named_files(pairs: list[str], option: str) -> dict[str, Path]:
    """Reads options of the form NAME=FILE.

    Raises:
        DataError: If one is of another form, or a name occurs twice.
    """
    return {name: Path(file) for name, file in named_sources(pairs, option).items()}


def named_sources(pairs: list[str], option: str) -> dict[str, str]:
    """Reads options of the form NAME=FILE, where a file may also be a database's URL.

    Raises:
        DataError: If one is of another form, or a name occurs twice.
    """
    files: dict[str, str] = {}
    for pair in pairs:
        name, equals, file = pair.partition("=")
        if not (name and equals and file):
            raise DataError(
                f"{option} {pair!r}; write NAME=FILE, for example {option} alder=alder.csv"
            )
        if name in files:
            raise DataError(f"{option} names {name!r} twice; give each party one file")
        files[name] = file
    return files


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Reads an Ed25519 key to sign with, in PEM without a password.

    Raises:
        DataError: If it cannot be read, or is another key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    text = read_text(path).encode()
    try:
        key = load_pem_private_key(text, password=None)
    except (ValueError, TypeError) as error:
        raise DataError(f"{path} holds no private key in PEM without a password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise DataError(f"{path} holds a key of another kind; an Ed25519 key is needed")
    return key


def load_public_key(path: Path) -> bytes:
    """Reads an Ed25519 public key in PEM: 32 bytes.

    Raises:
        DataError: If it cannot be read, or is another key.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    text = read_text(path).encode()
    try:
        key = load_pem_public_key(text)
    except (ValueError, TypeError) as error:
        raise DataError(f"{path} holds no public key in PEM") from error
    if not isinstance(key, Ed25519PublicKey):
        raise DataError(f"{path} holds a key of another kind; an Ed25519 key is needed")
    return key.public_bytes_raw()


def read_text(path: Path) -> str:
    """Reads a short text file, such as a key or a log head.

    Raises:
        DataError: If it cannot be read or is too large.
    """
    try:
        if path.stat().st_size > _MAX_KEY_FILE:
            raise DataError(
                f"{path} is larger than {_MAX_KEY_FILE:,} bytes, so it is not such a file"
            )
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {why_unreadable(error)}") from error
