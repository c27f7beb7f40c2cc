"""What lives in the enclave from round to round: keys, who asked, what was released."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

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
from confide.errors import PlanError
from confide.plan.plan import Plan
from confide.plan.protection import CentralNoise, Enclave, NoNoise
from confide.privacy.federation import draw_noise
from confide.randomness import SecureRandom, SystemRandom
from confide.tee.relying import system_clock
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
        state: Where it keeps keys and released rounds across restarts. Without one, or if it is
            gone, another instance begins: with fresh keys, an identifier of its own and no memory,
            which parties see in its claims and receipts.
        new_epoch: Begin anew although there is a state: after it was lost or set back.

    Attributes:
        evidence: What it answered to its own question when it started, for whoever verifies its
            receipts later.

    Raises:
        PlanError: If the plan has no enclave.
        VerificationError: If the state was set back, or is another build's.
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
        self.register = RoundRegister(self._memory.spent)
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

    def __repr__(self) -> str:
        return f"Aggregator({self.plan.name!r}, instance {self.workload.instance.hex()[:16]}…)"

    def release(
        self, round_: Round, result: RoundResult, inputs: list[bytes], met: list[bytes]
    ) -> RoundResult:
        """Adds the noise that is the enclave's to add, signs, and counts the round as released.

        Args:
            round_: The attempt.
            result: What the inner protection released.
            inputs: What each survivor sent, in the order of their names.
            met: Each survivor's signature on this instance.

        Raises:
            ProtocolError: If the round was released before.
        """
        self.register.spend(round_)
        totals = result.totals
        if isinstance(self.plan.noise, CentralNoise):
            totals = totals + draw_noise(round_.part, self._random)
        memory = self._memory
        # Of all rounds up to this one, whoever released them: parties take part in later ones only.
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
        # Sealed before anything of the round leaves: a restart must know that it was released.
        memory.spent.append(round_.number)
        memory.receipts, memory.last = memory.receipts + 1, receipt.hash
        if self._state is not None:
            self._state.save(memory.to_bytes())
        return RoundResult(result.survivors, totals, receipt.to_bytes())

    def _spent(self, rounds: int) -> tuple[str, str]:
        """ε and δ of so many rounds of the plan, against an outsider."""
        if isinstance(self.plan.noise, NoNoise):
            return "inf", "0"
        from confide.privacy.guarantee import statement

        stated = statement(self.plan, rounds=rounds)
        return f"{stated.epsilon:.6g}", f"{self.plan.noise.delta:g}"
