"""A sum in an enclave that each shop verifies before it sends; the hardware is simulated.

Run it: python examples/attested_sum.py

With real hardware, `SimulatedSnp` is `confide.tee.providers.ConfigfsTsm`, the policy is a file
whose release the parties signed, and `allow_simulated` and the root are left out.
"""

import hashlib
from datetime import UTC, datetime

import numpy as np
from confide_sim import AmdVendor

import confide as cf
from confide.computation import Data, State, Totals
from confide.tee import Platform, Policy, Reference, Roots
from confide.tee.certificates import load_certificate
from confide.tee.relying import RelyingParty
from confide.tee.workload import Quoted

BUILD = hashlib.sha256(b"the manifest of a build").digest()
MEASUREMENT = hashlib.sha384(b"what hardware measures of it").digest()
SALES = {"alder": [3, 4], "birch": [5], "cedar": [1, 1, 2], "dogwood": [9]}


class SimulatedSnp:
    """A machine whose reports a simulator signs, in AMD's layout.

    Args:
        vendor: The simulator, with a root of its own.
    """

    def __init__(self, vendor: AmdVendor) -> None:
        self.vendor = vendor

    def attest(self, report_data: bytes, nonce: bytes, public_key: bytes) -> Quoted:
        """Evidence that carries the report data; nonce and key are in them already."""
        now = datetime.now(UTC)
        emitted = self.vendor.attest(report_data, at=now, measurement=MEASUREMENT)
        return Quoted(emitted.evidence, collateral=emitted.collateral)


def policy_for(vendor: AmdVendor) -> Policy:
    """What every shop asks of the enclave: this code, on hardware at these patch levels."""
    return Policy(
        references=(Reference(Platform.SNP, {"measurement": MEASUREMENT}, BUILD, "our build"),),
        nodes=None,
        minimum_levels={"Milan": {"bootloader": 4, "tee": 0, "snp": 20, "microcode": 200}},
        allow_simulated=True,
        roots=Roots({Platform.SNP: load_certificate(vendor.root)}),
    )


def contribute(state: State, data: Data, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """What a shop sends, sealed to the enclave: how many things it sold."""
    return {"total": np.array(data["sold"].sum())}


def update(state: State, totals: Totals) -> State:
    """What everybody learns."""
    return {"total": totals["total"].round()}


total = cf.Sum(name="total", unit=cf.Unit.PARTY, unit_bound=100, capacity=1)
sales = cf.Computation(
    task=cf.Task.of("sales"),
    sums=cf.SumGroup((total,)),
    columns=("sold",),
    init=dict,
    contribute=contribute,
    update=update,
)


def main() -> None:
    """Four shops add up their sales."""
    vendor = AmdVendor()
    policy = policy_for(vendor)
    # One round opens one sum, over all four shops, so there is no other sum to compare it with.
    plan = sales.plan(
        parties=list(SALES),
        dropouts=0,
        aggregation=cf.Enclave(policy=policy.hash, simulated=True),
        threat=cf.Threat(hardware=cf.Hardware.ASSUMED_SOUND),
    )
    report = cf.views(plan)
    print(*report.warnings, report.promise, sep="\n")
    host = cf.EnclaveHost(SimulatedSnp(vendor), BUILD, RelyingParty(policy))
    data = {name: {"sold": np.array(sold)} for name, sold in SALES.items()}
    print("total:", cf.simulate(plan, data, computation=sales, enclave=host).state["total"])


if __name__ == "__main__":
    main()
