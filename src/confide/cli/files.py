"""Reading the files that a user names: plans, tables and keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from confide.computation import Computation, state_hash
from confide.errors import DataError, PlanError
from confide.exchange import read_plan
from confide.learning import trained_model
from confide.plan import Plan
from confide.plan.codec import nearest

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = [
    "load_plan",
    "load_private_key",
    "load_public",
    "load_public_key",
    "load_table",
    "named_files",
    "read_text",
]

_MAX_PLAN_FILE = 16 << 20
_MAX_KEY_FILE = 64 << 10


def load_plan(path: Path) -> tuple[Plan, tuple[Computation, ...]]:
    """Reads a plan file.

    Raises:
        PlanError: If it cannot be read or is no plan that may be made.
    """
    try:
        if path.stat().st_size > _MAX_PLAN_FILE:
            raise PlanError(f"{path} has {path.stat().st_size:,} bytes; at most {_MAX_PLAN_FILE:,}")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"cannot read the plan file {path}: {error}") from error
    return read_plan(text, str(path))


def load_table(path: Path) -> pd.DataFrame:
    """Reads a CSV or Parquet file.

    Raises:
        DataError: If it cannot be read, or its name ends in neither.
    """
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise DataError(f"{path} is neither .csv nor .parquet; convert it to one of them")
    try:
        return pd.read_csv(path) if kind == ".csv" else pd.read_parquet(path)
    except ImportError as error:
        raise DataError("reading .parquet needs pyarrow: pip install 'confide[parquet]'") from error
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from error


def load_public(plan: Plan, path: Path) -> tuple[pd.DataFrame, bytes]:
    """Reads rows to measure a plan's model on, and the digest that a plan declares of them.

    The digest is of the columns that the plan reads, as numbers, so that a CSV and a Parquet file
    of one table have the same.

    Raises:
        DataError: If the file cannot be read, or lacks numbers that the plan reads.
        PlanError: If the plan trains no model.
    """
    rows = load_table(path)
    _, table = trained_model(plan)
    columns = {}
    for column in table.columns:
        if column not in rows:
            raise DataError(f"{path} has no column {column!r}; {nearest(column, map(str, rows))}")
        columns[column] = values = rows[column].to_numpy()
        if values.dtype.kind not in "fiub" or not np.isfinite(values).all():
            raise DataError(f"{path} has column {column!r} with something else than finite numbers")
    return rows, state_hash(columns)


def named_files(pairs: list[str], option: str) -> dict[str, Path]:
    """Reads options of the form NAME=FILE.

    Raises:
        DataError: If one is of another form, or a name stands twice.
    """
    files: dict[str, Path] = {}
    for pair in pairs:
        name, equals, file = pair.partition("=")
        if not (name and equals and file):
            raise DataError(f"{option} {pair!r}; it takes NAME=FILE, as {option} alder=alder.csv")
        if name in files:
            raise DataError(f"{option} names {name!r} twice; give each party one file")
        files[name] = Path(file)
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
        raise DataError(f"{path} holds a key of another kind; what is signed here is by Ed25519")
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
        raise DataError(f"{path} holds a key of another kind; what is signed here is by Ed25519")
    return key.public_bytes_raw()


def read_text(path: Path) -> str:
    """Reads a short file of one text, as keys and heads are.

    Raises:
        DataError: If it cannot be read, or is larger than such a file.
    """
    try:
        if path.stat().st_size > _MAX_KEY_FILE:
            raise DataError(f"{path} is larger than {_MAX_KEY_FILE:,} bytes; it is something else")
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {error}") from error
