"""The half of a ledger that charges: reservations of plans, and releases that are charged once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from confide.canonical import encode
from confide.errors import DataError, PrivacyBudgetError
from confide.plan import Relation, Unit
from confide.privacy.ledger.checks import check_request, observer_names
from confide.privacy.ledger.costs import UNBOUNDED, Accountant, cost_of, pair_of
from confide.privacy.ledger.entries import FORMAT, Committed, Fact, Reserved
from confide.privacy.ledger.journal import Journal
from confide.privacy.ledger.lineage import steps
from confide.privacy.ledger.prices import Pair, Price, prices_of, stored
from confide.privacy.ledger.question import Question
from confide.privacy.ledger.reservation import Reservation
from confide.privacy.ledger.round_ledger import RoundLedger
from confide.privacy.ledger.state import State
from confide.randomness import SecureRandom

if TYPE_CHECKING:
    from dp_accounting import DpEvent

    from confide.privacy.mechanisms import Interactive, Mechanism, OneShot, Released

__all__ = ["ChargeLedger"]

Answer = TypeVar("Answer", bound="Released[Any]")
Session = TypeVar("Session")


class ChargeLedger(RoundLedger):
    """Charges for releases: each is recorded before it is computed.

    Args:
        journal: The ledger's entries.
        accountant: Knows what events cost.
        random: Names reservations.
    """

    def __init__(self, journal: Journal, accountant: Accountant, random: SecureRandom) -> None:
        super().__init__(journal)
        self._accountant = accountant
        self._random = random

    def release(
        self,
        dataset: str,
        mechanism: OneShot[Answer],
        values: Any,
        *,
        observers: Iterable[str],
        meaning: str = "",
        random: SecureRandom | None = None,
    ) -> Answer:
        """Charges a mechanism, then runs it once, so that what is released is what was charged.

        The charge is on the disk before the values are read. If anything fails after it, an
        interrupt included, the charge stays and nothing is released, because an error may also have
        revealed something.

        Args:
            dataset: The dataset that it is charged to.
            mechanism: What is released.
            values: What the mechanism takes.
            observers: Who will see the answer.
            meaning: Its purpose, in words.
            random: The source of the noise; the operating system's if omitted.

        Returns:
            What the mechanism's own `release` returns.

        Raises:
            PrivacyBudgetError: If a cap is exceeded. Nothing was charged or released.
            DataError: If the dataset is unknown or protects something else than the mechanism does
                (nothing was charged), or the values are not what was declared (it was).
            LedgerError: If the charge cannot be written. Nothing was released.

        Example:
            >>> from tempfile import TemporaryDirectory
            >>> from confide.privacy.ledger import Cap, Ledger
            >>> from confide.privacy.mechanisms import ClampedMean, GaussianNoise
            >>> mean = ClampedMean(lower=18, upper=100, noise=GaussianNoise(8.0))
            >>> with TemporaryDirectory() as folder, Ledger.open(f"{folder}/ledger.db") as ledger:
            ...     _ = ledger.open_dataset("customers")
            ...     ledger.cap("customers", Cap(epsilon=1.0, delta=1e-6))
            ...     ages = [34.0, 51.0, 28.0] * 1000
            ...     age = ledger.release("customers", mean, ages, observers=["analyst"])
            >>> 36 < age.value < 40
            True
        """
        from confide.privacy.mechanisms import OneShot

        if not isinstance(mechanism, OneShot):
            raise _not_a(mechanism, "a mechanism that answers once", "start")
        self._charge(dataset, mechanism, observers, meaning)
        return mechanism.release(values, random=random)

    def answer(
        self,
        dataset: str,
        mechanism: OneShot[Answer],
        values: Any,
        *,
        observers: Iterable[str],
        written: Callable[[Answer], bytes],
        data_digest: bytes,
        plan_hash: bytes,
        meaning: str = "",
        unit: Unit | None = None,
        random: SecureRandom | None = None,
    ) -> tuple[bytes, bool]:
        """Releases once, and keeps the answer: the same question again costs nothing.

        Like `release`, it charges before the values are read. If anything fails after that, the
        reservation stays open, which counts in full, and nothing is returned.

        Args:
            dataset: The dataset that it is charged to.
            mechanism: What is released.
            values: What the mechanism takes.
            observers: Who will see the answer.
            written: Turns what the mechanism releases into bytes.
            data_digest: SHA-256 of the data as they are.
            plan_hash: SHA-256 of everything else that the answer depends on.
            meaning: Its purpose, in words.
            unit: The unit that the mechanism bounds; the dataset's own without.
            random: The source of the noise; the operating system's if omitted.

        Returns:
            The answer's bytes, and whether it was charged now.

        Raises:
            PrivacyBudgetError: If a cap is exceeded. Nothing was charged or released.
            DataError: If the dataset is unknown or protects something else than the mechanism does
                (nothing was charged), or the values are not what was declared (it was).
            LedgerError: If the charge or the answer cannot be written. Nothing was released.
        """
        from confide.privacy.mechanisms import OneShot

        if not isinstance(mechanism, OneShot):
            raise _not_a(mechanism, "a mechanism that answers once", "start")
        event, names = mechanism.event, frozenset(observers)
        question = self.question(
            dataset, event, observers=names, data_digest=data_digest, plan_hash=plan_hash
        )
        known = self.released(question)
        if known is not None:
            return known, False
        charge = self.reserve(
            dataset,
            event,
            observers=names,
            plan_hash=plan_hash,
            meaning=meaning,
            unit=unit,
            relation=mechanism.relation,
            delta=mechanism.delta,
            closeness=mechanism.closeness,
        )
        charge.use()
        answer = written(mechanism.release(values, random=random))
        charge.commit(question=question, answer=answer)
        return answer, True

    def start(
        self,
        dataset: str,
        mechanism: Interactive[Session],
        *,
        observers: Iterable[str],
        meaning: str = "",
        random: SecureRandom | None = None,
    ) -> Session:
        """Charges a session of a mechanism, as one, then starts it.

        Args:
            dataset: The dataset that it is charged to.
            mechanism: What answers one question after the other, as `AboveThreshold`.
            observers: Who will see the answers.
            meaning: Its purpose, in words.
            random: The source of the noise; the operating system's if omitted.

        Raises:
            PrivacyBudgetError: If a cap is exceeded. Nothing was charged or started.
            DataError: If the dataset is unknown, or protects something else than the mechanism.
            LedgerError: If the charge cannot be written. Nothing was started.
        """
        from confide.privacy.mechanisms import Interactive

        if not isinstance(mechanism, Interactive):
            raise _not_a(mechanism, "a mechanism with sessions", "release")
        self._charge(dataset, mechanism, observers, meaning)
        return mechanism.start(random=random)

    def reserve(
        self,
        dataset: str,
        event: DpEvent,
        *,
        observers: Iterable[str],
        plan_hash: bytes = b"",
        meaning: str = "",
        count: int = 1,
        unit: Unit | None = None,
        relation: Relation | None = None,
        delta: float = 0.0,
        closeness: float = 0.0,
    ) -> Reservation:
        """Charges an event in full, before anything is computed.

        Args:
            dataset: What it is charged to, and to all that this was made from.
            event: What one run is.
            observers: Who sees the answers.
            plan_hash: The plan that asks, 32 bytes.
            meaning: Its purpose, in words.
            count: How many runs.
            unit: The unit that the event's accounting is about; the dataset's own without.
            relation: The relation of that accounting; the dataset's own without.
            delta: Of each run: the probability that the event does not describe it.
            closeness: Of each run: within how many nats its likelihoods lie of the event's.

        Returns:
            The reservation, open.

        Raises:
            PrivacyBudgetError: If it exceeds a cap, or no cap counts it. Nothing is charged.
            DataError: If the dataset is unknown or protects another unit or relation, or an
                argument is malformed. Nothing is charged.
            PlanError: If the event is unknown. Nothing is charged.
            LedgerError: If it cannot be written; then nothing may be computed.
        """
        fact = self._priced(
            dataset,
            event,
            observers=observers,
            plan_hash=plan_hash,
            meaning=meaning,
            count=count,
            unit=unit,
            relation=relation,
            delta=delta,
            closeness=closeness,
        )
        self._append(fact, event)
        return Reservation(self._journal, fact.reservation, fresh=True)

    def resume(self, identity: bytes) -> Reservation:
        """Reopens an open reservation, after a crash for instance, to continue or to commit it.

        Raises:
            DataError: If it is unknown or closed.
        """
        self._journal.read(lambda state, _: state.open_charge(identity))
        return Reservation(self._journal, identity, fresh=False)

    def question(
        self,
        dataset: str,
        event: DpEvent,
        *,
        observers: Iterable[str],
        data_digest: bytes,
        plan_hash: bytes = b"",
        round_number: int = 0,
    ) -> Question:
        """What makes a question the same as another: see `Question`."""
        return Question(
            dataset=self._journal.read(lambda state, _: state.dataset(dataset).name),
            data_digest=data_digest,
            plan_hash=plan_hash,
            round_number=round_number,
            observers=frozenset(observer_names(observers)),
            event=encode(self._accountant.plain(event)),
        )

    def released(self, question: Question) -> bytes | None:
        """The answer that was already released to this question, or None: then reserve.

        Raises:
            VerificationError: If the answer kept is not the one that was released.
        """
        return self._journal.read(lambda state, rows: state.answer(question.key, rows.answer))

    def _charge(
        self, dataset: str, mechanism: Mechanism, observers: Iterable[str], meaning: str
    ) -> None:
        """Writes a charge of one run and that it was used, in one transaction."""
        event = mechanism.event
        fact = self._priced(
            dataset,
            event,
            observers=observers,
            meaning=meaning,
            relation=mechanism.relation,
            delta=mechanism.delta,
            closeness=mechanism.closeness,
        )
        used = Committed(reservation=fact.reservation, used=1, release=b"", question=b"")
        self._append(fact, event, used)

    def _append(self, fact: Reserved, event: DpEvent, *after: Fact) -> None:
        """Writes a charge, and what happens to it in the same transaction.

        If its curve does not fit a cap, its exact ε may, at half or all of the δ that is left for
        whole plans: see `confide.privacy.ledger.filters`.
        """
        refused = self._refused(fact, after)
        if refused is None:
            return
        shares = self._journal.read(lambda state, _: _shares(state, fact, self._journal.now()))
        for share in shares:
            refused = self._refused(self._with_pair(fact, event, share), after)
            if refused is None:
                return
        raise refused

    def _refused(self, fact: Reserved, after: tuple[Fact, ...]) -> PrivacyBudgetError | None:
        """Writes a charge, or says why not."""
        try:
            self._journal.append(lambda _state, _rows: (fact, *after))
        except PrivacyBudgetError as error:
            return error
        return None

    def _with_pair(self, fact: Reserved, event: DpEvent, share: int) -> Reserved:
        """A charge with the ε that all its runs have together at a δ."""
        prices = {}
        for distance, price in prices_of(fact.distances, fact.costs, FORMAT).items():
            epsilon = pair_of(self._accountant, event, Relation(fact.relation), share,
                              count=fact.count, distance=distance, delta=float(fact.delta),
                              closeness=float(fact.closeness))  # fmt: skip
            pair = Pair(share, epsilon) if epsilon < UNBOUNDED else None
            prices[distance] = Price(price.once, pair)
        return replace(fact, costs=tuple(stored(prices)))

    def _priced(
        self,
        dataset: str,
        event: DpEvent,
        *,
        observers: Iterable[str],
        plan_hash: bytes = b"",
        meaning: str = "",
        count: int = 1,
        unit: Unit | None = None,
        relation: Relation | None = None,
        delta: float = 0.0,
        closeness: float = 0.0,
    ) -> Reserved:
        """What a charge writes down."""
        names = observer_names(observers)
        check_request(plan_hash, meaning, count)
        plain = encode(self._accountant.plain(event))
        lineage = self._journal.read(lambda state, _: tuple(state.lineage(dataset)))
        unit, relation = unit or lineage[0].unit, relation or lineage[0].relation
        distances = sorted({steps(protected, unit, relation) for protected in lineage})
        prices = {
            distance: Price(
                cost_of(self._accountant, event, relation, distance=distance, delta=delta,
                        closeness=closeness)
            )
            for distance in distances
        }  # fmt: skip
        return Reserved(
            reservation=self._random.bytes(16),
            dataset=lineage[0].name,
            unit=unit.value,
            relation=relation.value,
            observers=names,
            event=plain,
            delta=repr(float(delta)),
            closeness=repr(float(closeness)),
            count=count,
            plan_hash=plan_hash,
            meaning=meaning,
            distances=tuple(distances),
            costs=tuple(stored(prices)),
        )


def _shares(state: State, fact: Reserved, now: int) -> list[int]:
    """The δ, in whole units, at which an exact ε of a charge may fit: half of what is left, or all.

    Caps that count Rényi orders have refused the charge already, or have room for it.
    """
    lefts = []
    for protected, limit in state.binding(fact.dataset, fact.observers):
        budget, total = state.standing(protected, limit, now)
        if limit.terms.whole_delta > 0 and (budget.is_whole or not total):
            lefts.append(limit.terms.whole_delta - total.whole_delta)
    least = min(lefts, default=0)
    return [share for share in (least // 2, least) if share > 0]


def _not_a(mechanism: object, wanted: str, other: str) -> DataError:
    return DataError(
        f"a {type(mechanism).__name__} is not {wanted}; give one from confide.privacy.mechanisms, "
        f"or use Ledger.{other} for the other kind"
    )
