"""Reads the registers of rounds that earlier releases kept in a file of their own."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from confide.errors import LedgerError
from confide.privacy.ledger.store import REGISTER_TABLE

__all__ = ["read_register"]


def read_register(path: Path) -> Mapping[bytes, list[tuple[int, int, bool]]]:
    """Reads all rounds of a register.

    Args:
        path: The file. Stop the party that uses it first: what it does later is not seen.

    Returns:
        By plan hash: round, latest attempt, and whether the round was spent.

    Raises:
        LedgerError: If it cannot be read, or is another file.
    """
    # Opened for writing: an interrupted transaction is rolled back first.
    where = f"{path.resolve().as_uri()}?mode=rw"
    found: dict[bytes, list[tuple[int, int, bool]]] = {}
    try:
        with closing(sqlite3.connect(where, uri=True, timeout=30)) as connection:
            rows = connection.execute(
                f"SELECT plan, number, attempt, spent FROM {REGISTER_TABLE} ORDER BY number"  # noqa: S608 - a constant
            )
            for plan, number, attempt, spent in rows:
                found.setdefault(plan, []).append((number, attempt, bool(spent)))
    except sqlite3.Error as error:
        raise LedgerError(
            f"{path} cannot be read as a register of rounds: {error}; name the file that "
            "DurableRegister was given"
        ) from error
    return found
