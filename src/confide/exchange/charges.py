"""What an exchange writes into a party's ledger.

An exchange adds no noise, so it has no finite ε. Its entry says who sees what of the party's data.
An observer that reads a result sees something that nothing bounds: it is charged as ε = ∞, and
refused where a cap is set for this observer. An observer that sees only a ciphertext learns
nothing: its event has no loss, but the ledger still shows who computed on the data, and when.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from confide.computation import Account
from confide.plan import Condition, Exchange, Form, Plan, What, exchange_exposures

if TYPE_CHECKING:
    from confide.privacy.ledger import Reservation

__all__ = ["charged"]

_OF_DATA: Final = frozenset({What.CONTRIBUTION, What.RESULT})
_READABLE: Final = frozenset({Form.PLAINTEXT, Form.RESULT})


@contextmanager
def charged(
    plan: Plan, exchange: Exchange, accounts: Mapping[str, Account]
) -> Iterator[tuple[Reservation, ...]]:
    """Reserves all rounds at every party that has an account, or at none; settles at the end.

    Args:
        plan: The plan, whose hash the ledger names.
        exchange: The stage.
        accounts: By party name.

    Yields:
        The reservations, each to be used before a round begins.

    Raises:
        PrivacyBudgetError: If a cap has no room. Nothing is charged.
    """
    made: list[Reservation] = []
    with ExitStack() as settle:
        for party, account in accounts.items():
            made += _reserved(plan, exchange, party, account, settle)
        yield tuple(made)


def _reserved(
    plan: Plan, exchange: Exchange, party: str, account: Account, settle: ExitStack
) -> Iterator[Reservation]:
    from dp_accounting import NonPrivateDpEvent, NoOpDpEvent

    read, sealed = _observers(plan, exchange, party)
    for observers, event in ((read, NonPrivateDpEvent()), (sealed, NoOpDpEvent())):
        if observers:
            reservation = account.ledger.reserve(
                account.dataset,
                event,
                observers=observers,
                plan_hash=plan.hash,
                meaning=f"{plan.name}: exchange {exchange.name}",
                count=exchange.rounds,
            )
            settle.callback(_settle, reservation, exchange.rounds)
            yield reservation


def _settle(reservation: Reservation, rounds: int) -> None:
    """Rounds that began stay charged; the charge for the other rounds is given back."""
    if reservation.left == rounds:
        reservation.cancel()
    else:
        reservation.commit()


def _observers(plan: Plan, exchange: Exchange, party: str) -> tuple[set[str], set[str]]:
    """Who else reads something that is computed from a party's data, and who sees it encrypted."""
    seen = [
        e
        for e in exchange_exposures(plan, plan.stages.index(exchange))
        if party in e.whose
        and e.what in _OF_DATA
        and e.condition is Condition.EVERY_RUN
        and not (e.observer.network or e.observer.party == party)
    ]
    read = {e.observer.name for e in seen if e.form in _READABLE}
    return read, {e.observer.name for e in seen} - read
