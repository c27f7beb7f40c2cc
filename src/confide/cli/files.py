"""Reading the files that a user names: plans and tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from confide.computation import Computation, read_plan
from confide.errors import DataError, PlanError
from confide.plan import Plan

__all__ = ["load_plan", "load_table", "named_files"]

_MAX_PLAN_FILE = 16 << 20


def load_plan(path: Path) -> tuple[Plan, Computation]:
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
