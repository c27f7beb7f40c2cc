"""The state of the enclave from round to round: keys, who asked, what was opened and released."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from confide.aggregation.enclave.consent import check_openings
from confide.aggregation.enclave.memory import Memory
from confide.aggregation.enclave.receipts import (
    Receipt,
    hash_of_evidence,
    hash_of_totals,
    inputs_root,
    own_nonce,
)
from confide.aggregation.enclave.wire import PURPOSE
from confide.aggregation.envelope import Round
from confide.aggregation.register import RoundRegister
from confide.aggregation.session import RoundResult
from confide.aggregation.sharing import wire
from confide.clock import system_clock
from confide.errors import OpeningError, PlanError, ProtocolError
from confide.plan.openings import Opening
from confide.plan.plan import Plan
from confide.plan.protection import CentralNoise, Enclave, NoNoise
from confide.privacy.federation import add_noise
from confide.randomness import SecureRandom, SystemRandom
from confide.tee.sealing import SealedState
from confide.tee.workload import Attester, Workload, WorkloadKeys

__all__ = ["Aggregator"]

_LIFETIME: Final = timedelta(hours=1)


class Aggregator:
    """One instance of the attested aggregator, for one plan.

    Args:
        plan: The plan that it enforces, and no other.
        attester: The hardware that it runs on.
        build: Hash of the build's manifest, 32 bytes.
        random: Where keys and noise come from.
        clock: The time, with a time zone.
        lifetime: How long its claims are good for.
        state: Where it keeps keys and the sums it opened across restarts. Without one, or if it is
            gone, another instance begins: with fresh keys, a new identifier and no memory; parties
            see this in its claims and receipts.
        new_epoch: Start fresh although there is a state: after it was lost or rolled back.

    Attributes:
        plan: The plan.
        protection: The plan's enclave.
        register: The attempts that it took; a later one ends an earlier one.
        workload: Answers questions and opens sealed messages.
        evidence: Its evidence for its own nonce when it started, for those who verify its receipts
            later.

    Raises:
        PlanError: If the plan has no enclave.
        VerificationError: If the state was rolled back, or belongs to another build.
        AttestationError: If the hardware gives no evidence.
    """

    def __init__(
        self,
        plan: Plan,
        attester: Attester,
        build: bytes,
        *,
        random: SecureRandom | None = None,
        clock: Callable[[], datetime] = system_clock,
        lifetime: timedelta = _LIFETIME,
        state: SealedState | None = None,
        new_epoch: bool = False,
    ) -> None:
        if not isinstance(plan.aggregation, Enclave):
            raise PlanError(f"plan {plan.name!r} has no enclave; give it aggregation Enclave(…)")
        self.plan, self.protection = plan, plan.aggregation
        self._random = random or SystemRandom()
        self.clock = clock
        self._state, self._memory = state, self._remember(state, new_epoch=new_epoch)
        self._names = [party.name for party in plan.parties]
        self._unreleased: Opening | None = None
        self.register = self._register()
        self.workload = Workload(
            attester=attester,
            keys=WorkloadKeys(self._memory.hpke_seed, self._memory.signing_seed),
            purpose=PURPOSE,
            build=build,
            plan=plan.hash,
            task=plan.task_names,
            instance=self._memory.instance,
            epoch=self._memory.epoch,
            lifetime=lifetime,
        )
        nonce = own_nonce(plan, self._memory.instance)
        self.evidence = self.workload.answer(nonce, clock())
        self._evidence_hash = hash_of_evidence(self.evidence)

    def _remember(self, state: SealedState | None, *, new_epoch: bool) -> Memory:
        """The memory of the instance before, or that of a new one, sealed at once."""
        kept = state.load() if state and not new_epoch else None
        if kept is not None:
            return Memory.from_bytes(kept)
        memory = Memory.fresh(self._random, state.begin() if state else 0)
        if state is not None:
            state.save(memory.to_bytes())
        return memory

    def _register(self) -> RoundRegister:
        """A register that knows the attempts that were opened."""
        register = RoundRegister()
        for opening in self.openings:
            round_ = Round(self.plan, opening.number, opening.attempt)
            register.claim(round_)
            register.consent(round_, opening.survivors)
        last = (self._memory.number, self._memory.attempt)
        if last > register.latest:
            register.claim(Round(self.plan, *last))
        return register

    def __repr__(self) -> str:
        return f"Aggregator({self.plan.name!r}, instance {self.workload.instance.hex()[:16]}…)"

    @property
    def random(self) -> SecureRandom:
        """Where keys, noise and the numbers of sessions come from."""
        return self._random

    @property
    def openings(self) -> tuple[Opening, ...]:
        """The sums that it opened, in order."""
        return wire.history_of(self._memory.history, self._names)

    def history(self, told: Iterable[Opening] = ()) -> tuple[Opening, ...]:
        """The openings that a round follows: its own, and those that its host tells it of.

        A host that leaves one out or invents one gains nothing: parties refuse a history without
        openings that they signed, and an invented one only leads to more refusals.

        Args:
            told: What the host knows: after a state was lost, all that is known.

        Raises:
            OpeningError: If the host tells of other survivors than were opened here, or of a party
                that the plan does not have.
        """
        told = tuple(told)
        if unknown := {name for opening in told for name in opening.survivors} - {*self._names}:
            raise OpeningError(
                f"the enclave is told of a sum over {min(unknown)[:80]!r}, which is not a party "
                f"of plan {self.plan.name!r}: tell it of this plan's openings"
            )
        together = sorted({*self.openings, *told})
        for before, after in pairwise(together):
            if (before.number, before.attempt) == (after.number, after.attempt):
                raise OpeningError(
                    f"the enclave is told of {before} and of {after}, which is one attempt with "
                    "two sets of survivors: one of them is false, or two enclaves were run"
                )
        return tuple(together)

    def begin(self, round_: Round) -> None:
        """Takes an attempt, before a message of it is opened.

        The state is sealed at once. Otherwise an enclave that restarts from an older state could
        open the messages of the attempt a second time, and release another sum of them.

        Raises:
            ProtocolError: If it, or a later one, was taken before, or the round is spent.
            VerificationError: If another instance continues from the same state.
        """
        self.register.claim(round_)
        self._memory.number, self._memory.attempt = round_.number, round_.attempt
        self._save()

    def open(self, round_: Round, history: tuple[Opening, ...], opening: Opening) -> None:
        """Counts a sum as opened, before anybody is told of its survivors.

        Args:
            round_: The attempt.
            history: The openings before, as they were announced in this attempt.
            opening: The survivors.

        Raises:
            OpeningError: If the sum would tell few ownership groups apart; nothing is sent.
            ProtocolError: If a sum of the round was opened before, or a later attempt began.
        """
        together = (*history, opening)
        check_openings(self.plan, together)
        self.register.consent(round_, opening.survivors)
        self._memory.history = wire.history_to_bytes(together, self._names)
        self._unreleased = opening
        self._save()

    def release(
        self, round_: Round, result: RoundResult, inputs: list[bytes], met: list[bytes]
    ) -> RoundResult:
        """Adds the enclave's noise, if the plan has it, and signs.

        Args:
            round_: The attempt.
            result: What the inner protection released.
            inputs: What each survivor sent, in the order of their names.
            met: Each survivor's signature on this instance.

        Raises:
            ProtocolError: If the sum is not the one that was opened last, or was released before.
        """
        opening = Opening(round_.number, round_.attempt, result.survivors)
        if opening != self._unreleased:
            raise ProtocolError(
                f"{opening} is not the sum that was opened last, or was released before"
            )
        self._unreleased = None
        totals = result.totals
        if isinstance(self.plan.noise, CentralNoise):
            add_noise(round_.part, totals, self._random)
        memory = self._memory
        # Of all rounds up to this one, by whichever instance: parties take part in later ones only.
        epsilon, delta = self._spent(round_.number + 1)
        receipt = Receipt(
            plan=self.plan.hash,
            number=round_.number,
            attempt=round_.attempt,
            instance=memory.instance,
            epoch=memory.epoch,
            sequence=memory.receipts,
            previous=memory.last,
            survivors=result.survivors,
            met=tuple(met),
            inputs=inputs_root(inputs),
            totals=hash_of_totals(totals),
            evidence=self._evidence_hash,
            epsilon=epsilon,
            delta=delta,
            assurance="simulated" if self.protection.simulated else "hardware",
        ).signed(self.workload.keys.signing)
        # Sealed before anything of the round is sent, so that a restart continues the chain.
        memory.receipts, memory.last = memory.receipts + 1, receipt.hash
        self._save()
        return replace(result, totals=totals, receipt=receipt.to_bytes())

    def _save(self) -> None:
        if self._state is not None:
            self._state.save(self._memory.to_bytes())

    def _spent(self, rounds: int) -> tuple[str, str]:
        """ε and δ of so many rounds of the plan, against an outsider."""
        if isinstance(self.plan.noise, NoNoise):
            return "inf", "0"
        from confide.privacy.guarantee import statement

        stated = statement(self.plan, rounds=rounds)
        return f"{stated.epsilon:.6g}", f"{self.plan.noise.delta:g}"
