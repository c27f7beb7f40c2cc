"""Ledgers that a command is told to charge."""

from __future__ import annotations

from contextlib import ExitStack

from confide.computation import Account
from confide.errors import DataError
from confide.privacy.ledger import Ledger

__all__ = ["open_accounts"]


def open_accounts(named: list[str], stack: ExitStack) -> dict[str, Account]:
    """Opens the ledgers that are named, each with the dataset that the plan is charged to."""
    accounts: dict[str, Account] = {}
    for pair in named:
        name, equals, where = pair.partition("=")
        file, _, dataset = where.partition("#")
        if not (name and equals and file):
            raise DataError(
                f"--ledger {pair!r}; write NAME=FILE or NAME=FILE#DATASET, for example --ledger "
                "alder=alder.db#loans"
            )
        if name in accounts:
            raise DataError(f"--ledger names {name!r} twice; each party has one")
        opened = stack.enter_context(Ledger.open(file, create=False))
        accounts[name] = Account(opened, dataset or _only_dataset(opened, file))
    return accounts


def _only_dataset(ledger: Ledger, file: str) -> str:
    names = [dataset.name for dataset in ledger.datasets()]
    if len(names) != 1:
        held = (
            f"datasets {', '.join(names)}: name one, as {file}#{names[0]}"
            if names
            else ("no dataset: `confide ledger cap` declares one and caps it")
        )
        raise DataError(f"the ledger {file} has {held}")
    return names[0]
