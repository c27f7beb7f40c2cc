"""What lives in the enclave from round to round: keys, who asked, what was released."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from confide.aggregation.enclave.receipts import Receipt, hash_of_totals, inputs_root
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
from confide.tee.workload import Attester, Workload, WorkloadKeys

__all__ = ["Aggregator"]

_INSTANCE_BYTES: Final = 32
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

    Raises:
        PlanError: If the plan has no enclave.
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
    ) -> None:
        if not isinstance(plan.aggregation, Enclave):
            raise PlanError(f"plan {plan.name!r} has no enclave; give it aggregation Enclave(…)")
        self.plan, self.protection = plan, plan.aggregation
        self._random = random or SystemRandom()
        self.clock = clock
        self.register = RoundRegister()
        self.workload = Workload(
            attester=attester,
            keys=WorkloadKeys.generate(self._random),
            purpose=PURPOSE,
            build=build,
            plan=plan.hash,
            task=plan.task.name,
            instance=self._random.bytes(_INSTANCE_BYTES),
            epoch=0,
            lifetime=lifetime,
        )
        self.receipts: list[Receipt] = []

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
            totals = totals + draw_noise(self.plan, self._random)
        epsilon, delta = self._spent(len(self.receipts) + 1)
        receipt = Receipt(
            plan=self.plan.hash,
            number=round_.number,
            attempt=round_.attempt,
            instance=self.workload.instance,
            epoch=self.workload.epoch,
            sequence=len(self.receipts),
            previous=self.receipts[-1].hash if self.receipts else bytes(32),
            survivors=result.survivors,
            met=tuple(met),
            inputs=inputs_root(inputs),
            totals=hash_of_totals(totals),
            epsilon=epsilon,
            delta=delta,
            assurance="simulated" if self.protection.simulated else "hardware",
        ).signed(self.workload.keys.signing)
        self.receipts.append(receipt)
        return RoundResult(result.survivors, totals, receipt.to_bytes())

    def _spent(self, rounds: int) -> tuple[str, str]:
        """ε and δ of so many rounds of the plan, against an outsider."""
        if isinstance(self.plan.noise, NoNoise):
            return "inf", "0"
        from confide.privacy.guarantee import statement

        stated = statement(replace(self.plan, rounds=rounds))
        return f"{stated.epsilon:.6g}", f"{self.plan.noise.delta:g}"
