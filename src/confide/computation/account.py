"""A party's account in a run: charged before anything is computed, settled with what was used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from confide.errors import DataError, LedgerError, PlanError, PrivacyBudgetError
from confide.plan import CentralNoise, FullBatch, NoNoise, Plan
from confide.privacy.guarantee import guarantee
from confide.process_bound import ProcessBound

if TYPE_CHECKING:
    from dp_accounting import DpEvent

    from confide.privacy.ledger import Ledger, Reservation

__all__ = ["Account", "Charges"]

_COORDINATOR = "coordinator"


@dataclass(frozen=True)
class Account:
    """Where a party's privacy losses are recorded.

    Attributes:
        ledger: The party's own ledger.
        dataset: The ledger's name of the party's rows.
        charged: Whether the plan's sums are charged to the dataset's caps. Sums without noise have
            no ε and fit no cap: with False, the ledger records their rounds and crowds, and charges
            nothing. Only for plans without noise, over rows without caps.
    """

    ledger: Ledger
    dataset: str
    charged: bool = True

    def reserve(
        self,
        plan: Plan,
        party: str,
        *,
        at_capacity: bool,
        rounds: int,
        resume: bool = False,
        part: Plan | None = None,
    ) -> Charges:
        """Reserves what a stage's rounds will release about this party's rows.

        Args:
            plan: The plan, whose hash the ledger names.
            party: The party that the account belongs to.
            at_capacity: Whether the party has as many units as the plan's capacity, or more.
            rounds: How many rounds are to run.
            resume: Whether to reuse what an interrupted run of the same plan reserved.
            part: The stage as a plan of its own; the plan itself if it has one stage.

        Raises:
            PrivacyBudgetError: If a cap has no room for it. Nothing is charged.
            PlanError: If a plan with noise is not to be charged.
            LedgerError: If it cannot be written. Nothing is charged.
        """
        alone = part or plan
        if self.charged:
            requests = tuple(_requests(alone, party, at_capacity=at_capacity))
            self._refuse_unbounded(alone, requests)
        else:
            self._check_uncharged(plan)
            requests = ()
        stage = alone.stages[0].name if len(plan.stages) > 1 else ""
        charges = Charges(self, plan, requests, stage)
        charges.open(rounds, resume=resume)
        return charges

    def _refuse_unbounded(self, plan: Plan, requests: tuple[_Request, ...]) -> None:
        """Refuses what no cap could ever admit, and says what to do instead."""
        for request in requests:
            if request.event == _unbounded():
                instead = (
                    "add noise, or have the ledger record rounds and crowds alone: "
                    "Account(…, charged=False)"
                    if isinstance(plan.noise, NoNoise)
                    else "let the parties add the noise (placement 'shares')"
                )
                raise PrivacyBudgetError(
                    f"{', '.join(sorted(request.observers))} would see sums of plan {plan.name!r} "
                    f"without noise. They have no ε, so no cap of dataset {self.dataset!r} has "
                    f"room for them: {instead}"
                )

    def _check_uncharged(self, plan: Plan) -> None:
        """Refuses to charge nothing where something could be charged, or a cap would be broken."""
        if not isinstance(plan.noise, NoNoise):
            raise PlanError(
                f"plan {plan.name!r} adds noise, so that its sums have an ε: charge them "
                f"(Account of dataset {self.dataset!r} has charged=False)"
            )
        if capped := self.ledger.capped(self.dataset):
            raise PrivacyBudgetError(
                f"dataset {capped[0]!r} has caps, which sums of plan {plan.name!r} would break: "
                "they are without noise. Remove the caps (confide ledger uncap), add noise, or use "
                "a dataset of other rows"
            )


@dataclass(frozen=True)
class _Request:
    """One charge: what some observers see in one round."""

    event: DpEvent
    observers: frozenset[str]
    closeness: float = 0.0


class Charges(
    ProcessBound,
    what="the open charges of a run",
    instead="open the ledger again",
    error=LedgerError,
):
    """The open charges of one party in one run.

    Args:
        account: Where they are written.
        plan: The plan that they are for.
        requests: What each group of observers sees of a round.
        stage: The name of the stage that is charged for, if the plan has several.
    """

    def __init__(
        self, account: Account, plan: Plan, requests: tuple[_Request, ...], stage: str = ""
    ) -> None:
        self._account, self._plan, self._requests = account, plan, requests
        # Stages may tell the same observers the same: a run that continues takes up its stage's.
        self._meaning = f"{plan.name}: stage {stage}" if stage else plan.name
        self._open: list[Reservation] = []
        self._used = False

    def open(self, rounds: int, *, resume: bool = False) -> None:
        """Reserves rounds for each group of observers: all, or none."""
        try:
            for request in self._requests:
                self._open.append(
                    self._resumed(request, resume=resume) or self._reserve(request, rounds)
                )
        except BaseException:
            self.close()
            raise

    def use(self) -> None:
        """Records that a round's contribution is about to be computed.

        A round that is tried again is charged again: its noise is drawn again. So whatever a party
        consented to is charged, and what was never consented to as well.
        """
        for place, request in enumerate(self._requests):
            if self._open[place].left == 0:
                self._open[place].commit()
                self._open[place] = self._reserve(request, 1)
            self._open[place].use()
        self._used = True

    def close(self, release_digest: bytes = b"") -> None:
        """Closes the charges: rounds that began stay charged, the rest is given back."""
        for reservation in self._open:
            if self._used:
                reservation.commit(release_digest)
            else:
                reservation.cancel()
        self._open = []

    def _reserve(self, request: _Request, rounds: int) -> Reservation:
        return self._account.ledger.reserve(
            self._account.dataset,
            request.event,
            observers=request.observers,
            plan_hash=self._plan.hash,
            meaning=self._meaning,
            count=rounds,
            unit=self._plan.neighbours.unit,
            relation=self._plan.neighbours.relation,
            closeness=request.closeness,
        )

    def _resumed(self, request: _Request, *, resume: bool) -> Reservation | None:
        if not resume:
            return None
        for charge in self._account.ledger.charges(self._account.dataset):
            fact = charge.fact
            same = (fact.plan_hash, fact.meaning) == (self._plan.hash, self._meaning)
            if same and set(fact.observers) == request.observers and not charge.closed:
                self._used = True  # What began before the interruption stays charged.
                return self._account.ledger.resume(fact.reservation)
        return None


def _requests(plan: Plan, party: str, *, at_capacity: bool) -> Iterator[_Request]:
    """Who sees what of a party: one request for each group of observers that sees the same."""
    released = frozenset(
        p.name for p in plan.parties if p.name != party and plan.release.reaches(p.name)
    )
    if isinstance(plan.noise, NoNoise):
        yield _Request(_unbounded(), released | {_COORDINATOR})
        return
    found = guarantee(plan, at_capacity=at_capacity)
    sampled = not isinstance(plan.sampling, FullBatch)
    if sampled and found.relation is not plan.neighbours.relation:
        raise DataError(
            f"party {party!r} samples its batches, and what the plan protects (a "
            f"{plan.neighbours.unit.value}, {plan.neighbours.relation.value}) replaces a "
            f"sampled {plan.sums.unit.value}"
            + (" because its rows fill the capacity" if at_capacity else "")
            + "; a ledger cannot account for this: declare the relation 'replace-one' over "
            f"{plan.sums.unit.plural}, or raise the capacity"
        )
    # Who adds the noise is charged for the sums without it, unless it is trusted or an enclave.
    adds = isinstance(plan.noise, CentralNoise) and not plan.attested
    noised = released if adds and released else released | {_COORDINATOR}
    yield _Request(found.round_event, noised, found.round_closeness)
    if adds and plan.exact:
        yield _Request(_unbounded(), frozenset({_COORDINATOR}))


def _unbounded() -> DpEvent:
    from dp_accounting import NonPrivateDpEvent

    return NonPrivateDpEvent()
