"""What holds privacy state does not survive a fork, a copy or a pickle: every class of it."""

import copy
import dataclasses
import importlib
import inspect
import os
import pickle  # noqa: TID251 - to see it refused
import pkgutil
import re
from types import SimpleNamespace
from typing import Any

import pytest
from tests.privacy.ledger.ledger_support import NAMES, Pure, with_cap

import confide
from confide.computation.account import Charges
from confide.errors import ConfideError
from confide.noise.stream import KeyStream
from confide.privacy.ledger import Ledger, Reservation
from confide.privacy.ledger.charging import ChargeLedger
from confide.privacy.ledger.journal import Journal
from confide.privacy.ledger.round_ledger import RoundLedger
from confide.privacy.ledger.store import Store
from confide.privacy.mechanisms import AboveThreshold, ThresholdSession
from confide.process_bound import ProcessBound
from confide.randomness import SecretStream, SystemRandom

BASES = {RoundLedger, ChargeLedger}
"""Classes that nobody makes an instance of."""


def ledger_of(folder):
    return with_cap(folder / "ledger.db")


def reservation_of(folder):
    return ledger_of(folder).reserve("loans", Pure("0.1"), observers=NAMES)


def charges_of(folder):
    plan: Any = SimpleNamespace(name="rates", hash=b"p" * 32)
    account: Any = SimpleNamespace(ledger=ledger_of(folder), dataset="loans")
    charges = Charges(account, plan, ())
    charges._open = [reservation_of(folder)]
    return charges


MADE: dict[type, tuple[Any, Any]] = {
    ThresholdSession: (
        lambda _: AboveThreshold(epsilon=1.0, sensitivity=1, max_above=9).start(),
        lambda session: session.is_above(10**6, threshold=0),
    ),
    SecretStream: (lambda _: SecretStream(bytes(32)), lambda stream: stream.bytes(8)),
    KeyStream: (lambda _: KeyStream(SystemRandom()), lambda stream: stream.word()),
    Ledger: (ledger_of, lambda ledger: ledger.reserve("loans", Pure("0.1"), observers=NAMES)),
    Reservation: (reservation_of, lambda reservation: reservation.use()),
    Journal: (lambda folder: ledger_of(folder)._journal, lambda j: j.append(lambda _s, _r: None)),
    Store: (
        lambda folder: ledger_of(folder)._journal._store,
        lambda store: store.transaction(write=True).__enter__(),
    ),
    Charges: (charges_of, lambda charges: charges.close()),
}
"""Of each class: how one is made, and a use of its state."""


def modules():
    for found in pkgutil.walk_packages(confide.__path__, "confide."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


def classes():
    return {
        kind
        for module in modules()
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if kind.__module__.startswith("confide.")
    }


def below(kind):
    return {kind}.union(*map(below, kind.__subclasses__()))


def test_every_class_is_tried_here():
    classes()
    ours = {kind for kind in below(ProcessBound) if kind.__module__.startswith("confide.")}
    assert ours - {ProcessBound} == set(MADE) | BASES


HARMLESS = {
    "Account": "a ledger and a name, frozen; every use of it is one of the ledger",
    "Session": "every use of it is one of its ledger, which is bound",
    "LedgerRegister": "every use of it is one of its ledger, which is bound",
    "_LazyWords": "of one call; its stream, made when it is asked, is bound",
}
"""Classes that hold such state, and need no check of their own."""

DRAWS = ("confide.privacy.", "confide.noise.")
"""Where noise is drawn: whoever keeps a source of randomness there keeps noise, or a budget."""


def held_by(kind):
    """Names of the parameters with which a class is made that hold privacy state.

    Annotations are read as text: some of their types are imported for type checkers alone.
    """
    bound = {each.__name__ for each in below(ProcessBound)}
    if kind.__module__.startswith(DRAWS):
        bound |= {"SecureRandom"}
    hints = getattr(kind.__init__, "__annotations__", {})
    return {name for name, hint in hints.items() if bound & set(re.findall(r"\w+", str(hint)))}


def test_whatever_is_made_of_such_state_is_bound_too():
    loose = {
        kind.__qualname__
        for kind in classes()
        if held_by(kind) and not issubclass(kind, ProcessBound) and not inspect.isabstract(kind)
    }
    assert loose == set(HARMLESS)


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(
    "again",
    [copy.copy, copy.deepcopy, pickle.dumps, dataclasses.replace],
    ids=["copy", "deepcopy", "pickle", "replace"],
)
def test_it_is_not_copied(tmp_path, kind, again):
    made = MADE[kind][0](tmp_path)
    with pytest.raises(TypeError):
        again(made)


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_it_is_of_no_use_in_a_fork_and_goes_on_in_its_own_process(tmp_path, kind):
    make, use = MADE[kind]
    made = make(tmp_path)
    child = os.fork()
    if not child:
        try:
            use(made)
        except ConfideError as error:
            os._exit(0 if "made by another process" in str(error) else 2)
        except BaseException:  # noqa: BLE001 - the parent judges
            os._exit(3)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    use(made)


def test_a_grandchild_with_the_number_of_the_maker_is_another_process(monkeypatch):
    """Numbers of processes come again: the forks in between are counted too."""
    stream = SecretStream(bytes(32))
    number, child = os.getpid(), os.fork()
    if not child:
        monkeypatch.setattr(os, "getpid", lambda: number)
        try:
            stream.bytes(1)
        except ConfideError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
