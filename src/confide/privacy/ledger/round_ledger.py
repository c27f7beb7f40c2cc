"""The half of a ledger that is about rounds: which sums its owner helped to open, over whom."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy

from confide.errors import LedgerError
from confide.privacy.ledger.checks import check_attempt, check_crowd, check_survivors
from confide.privacy.ledger.entries import Answered, Claimed, Consented, Fact, Imported
from confide.privacy.ledger.journal import Journal
from confide.privacy.ledger.rounds import (
    Attempt,
    Crowd,
    Opened,
    OpenedSums,
    Rounds,
    crowd_digest,
    gathered,
    imported,
)
from confide.privacy.ledger.state import State
from confide.process_bound import ProcessBound

__all__ = ["RoundLedger"]


class RoundLedger(
    ProcessBound, what="a handle on a ledger", instead="open the ledger again", error=LedgerError
):
    """What a party must remember, so that no round is opened twice and no crowd is split.

    Everything here is an entry of the same chain as the charges, on the disk before the method
    returns. See `confide.privacy.ledger.rounds` for the attack that it prevents.

    Args:
        journal: The ledger's entries.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def claim(self, plan_hash: bytes, number: int, attempt: int) -> None:
        """Records that the owner takes part in an attempt at a round; attempts only increase.

        Args:
            plan_hash: The plan, 32 bytes.
            number: The round, from 0.
            attempt: The attempt, from 0.

        Raises:
            ProtocolError: If it, or a later one, was claimed before, or the round was consented to.
            LedgerError: If it cannot be written; then the owner does not take part.
        """
        check_attempt(plan_hash, number, attempt)
        claimed = Attempt(plan_hash, number, attempt)

        def decide(state: State, _: object) -> Fact:
            state.book.of(plan_hash).check_claim(claimed)
            return Claimed(plan_hash=plan_hash, round_number=number, attempt=attempt)

        self._journal.append(decide)

    def answered(
        self, plan_hash: bytes, number: int, attempt: int, *, step: int, digest: bytes
    ) -> None:
        """Writes down what a step of an attempt answered, before the answer leaves; once.

        Args:
            plan_hash: The plan, 32 bytes.
            number: The round.
            attempt: The attempt, the latest that was claimed.
            step: The place of the announcement in the attempt, from 0.
            digest: SHA-256 over the announcement and the answer.

        Raises:
            ProtocolError: If the step had another announcement or answer, or another attempt is
                the latest.
            LedgerError: If it cannot be written; then nothing is answered.
        """
        check_attempt(plan_hash, number, attempt)
        latest = Attempt(plan_hash, number, attempt)

        def decide(state: State, _: object) -> Fact | None:
            if state.book.of(plan_hash).check_answer(latest, step, digest):
                return None
            return Answered(
                plan_hash=plan_hash,
                round_number=number,
                attempt=attempt,
                step=step,
                digest=digest,
            )

        self._journal.append(decide)

    def latest_attempt(self, plan_hash: bytes) -> tuple[int, int]:
        """The round and the attempt that were claimed last; (-1, 0) before the first."""
        return self._journal.read(lambda state, _: state.book.of(plan_hash).latest)

    def consent(
        self,
        plan_hash: bytes,
        number: int,
        attempt: int,
        *,
        survivors: bytes,
        crowd: frozenset[str],
        exact: bool,
        datasets: Iterable[str] = (),
    ) -> None:
        """Records a consent, before the owner sends anything that helps to open the sum.

        From here on the sum counts as opened. The caller knows the plan and checks what its sums
        reveal together: see `openings`.

        Args:
            plan_hash: The plan, 32 bytes.
            number: The round.
            attempt: The attempt, the latest that was claimed.
            survivors: One bit for each party of the plan, the first party in the lowest bit of the
                first byte; empty if it is not known who is in the sum.
            crowd: The fingerprints of these parties: SHA-256 of their Ed25519 public keys (raw) in
                hexadecimal.
            exact: Whether no noise covers everything that one ownership group contributes.
            datasets: The datasets here that the contribution was computed from.

        Raises:
            ProtocolError: If another attempt is the latest, or the round was consented to before.
            OpeningError: If the sum is exact, and an exact sum of one of the datasets, or of one
                that shares rows with it, was opened under another plan over another crowd.
            DataError: If a dataset is unknown, or an argument is malformed.
            LedgerError: If it cannot be written; then nothing may leave.
        """
        check_attempt(plan_hash, number, attempt)
        check_crowd(crowd)
        check_survivors(survivors, crowd)
        given = frozenset(datasets)
        kept = crowd if exact and given else frozenset[str]()

        def decide(state: State, _: object) -> Iterable[Fact]:
            book = state.book
            book.of(plan_hash).check_consent(
                Attempt(plan_hash, number, attempt), survivors, exact=exact
            )
            names = _names(state, given)
            if exact:
                state.check_crowds(names, crowd, plan_hash)
            fact = Consented(
                plan_hash=plan_hash,
                round_number=number,
                attempt=attempt,
                survivors=survivors,
                crowd=crowd_digest(kept),
                exact=exact,
                datasets=names,
            )
            return (fact,) if book.knows(fact.crowd) else (*gathered(kept), fact)

        self._journal.append(decide)

    def openings(self, plan_hash: bytes) -> tuple[Opened[bytes], ...]:
        """The consents under a plan, in order: round, attempt and survivors' bits."""
        return self._journal.read(lambda state, _: tuple(state.book.of(plan_hash).openings))

    def crowds(self, dataset: str) -> tuple[Crowd, ...]:
        """The crowds of a dataset's exact sums, by plan."""
        return self._journal.read(
            lambda state, _: tuple(state.book.crowds(state.dataset(dataset).name))
        )

    def opened_sums(self, dataset: str) -> Mapping[OpenedSums, int]:
        """How many sums of a dataset were opened under each plan, over each crowd, noisy or not."""
        return self._journal.read(
            lambda state, _: dict(state.book.sums.get(state.dataset(dataset).name, {}))
        )

    def rounds(self) -> Mapping[bytes, Rounds[bytes]]:
        """What the owner did under each plan, by plan hash."""
        return self._journal.read(lambda state, _: deepcopy(state.book.rounds))

    def check_crowd(self, datasets: Iterable[str], crowd: frozenset[str], plan_hash: bytes) -> None:
        """Checks, before a run, that a plan's exact sums over all its parties would be admitted.

        Args:
            datasets: The datasets that contributions will be computed from.
            crowd: The fingerprints of all parties of the plan.
            plan_hash: The plan.

        Raises:
            OpeningError: If exact sums of one of them were opened under another plan over another
                crowd. Nothing is written.
            DataError: If a dataset is unknown, or a fingerprint malformed.
        """
        check_crowd(crowd)
        given = frozenset(datasets)
        self._journal.read(
            lambda state, _: state.check_crowds(_names(state, given), crowd, plan_hash)
        )

    def import_rounds(
        self,
        rounds: Mapping[bytes, Sequence[tuple[int, int, bool]]],
        datasets: Iterable[str] = (),
    ) -> int:
        """Imports a register of rounds of an earlier release; importing it twice changes nothing.

        Args:
            rounds: By plan hash: round, latest attempt, and whether the round was spent.
            datasets: The datasets here that the contributions were computed from. As nobody knows
                over which crowd, they can no longer enter exact sums of other plans.

        Returns:
            How many rounds were new here.

        Raises:
            DataError: If a dataset is unknown or a round malformed. Nothing is written.
        """
        given = frozenset(datasets)
        for plan_hash, found in rounds.items():
            for number, attempt, _ in found:
                check_attempt(plan_hash, number, attempt)
        facts: list[Imported] = []

        def decide(state: State, _: object) -> Iterable[Fact]:
            names = _names(state, given)
            for plan_hash, found in rounds.items():
                facts.extend(imported(plan_hash, found, state.book.of(plan_hash), names))
            return facts

        self._journal.append(decide)
        return sum(len(fact.numbers) for fact in facts)


def _names(state: State, given: Iterable[str]) -> tuple[str, ...]:
    """Datasets by the names under which the ledger has them, in order."""
    return tuple(sorted({state.dataset(name).name for name in given}))
