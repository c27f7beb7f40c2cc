"""The lenders before an enclave: each verifies it before it sends, and refuses four frauds.

The hardware is simulated: a root that was made for the run signs evidence in AMD's real layout, and
the code that verifies it is the code that verifies real evidence. It shows how a run works but
protects nothing, and every part of it says so.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from confide.aggregation import Aggregator, Receipt, check_chain
from confide.aggregation.enclave.wire import expected_of
from confide.clock import system_clock
from confide.demo.experiment import (
    WARY,
    Progress,
    Scores,
    lenders_plan,
    reporting,
    same_bits,
)
from confide.demo.lenders import LENDERS, Market, load_market
from confide.engines import EnclaveHost, Run, simulate
from confide.errors import AttestationError, DataError, Step, VerificationError
from confide.learning import quality
from confide.plan import Clear, Enclave, Hardware, Party, Plan, simulation_key
from confide.randomness import SystemRandom
from confide.tee import Collateral, Evidence, Platform, Policy, Release, Roots, SignedRelease
from confide.tee.certificates import load_certificate
from confide.tee.counters import FileCounter
from confide.tee.relying import RelyingParty
from confide.tee.sealing import SealedState, Sealer
from confide.tee.verification import verify_peer
from confide.tee.workload import Quoted

if TYPE_CHECKING:
    from confide_sim import AmdVendor

__all__ = ["AttestedDemo", "Fraud", "run_attested"]

_LEAST: Final = {"Milan": {"bootloader": 4, "tee": 0, "snp": 20, "microcode": 200}}
_DEBUG: Final = 1 << 19


@dataclass(frozen=True)
class Fraud:
    """An attack with something that is not the agreed enclave, and how it was refused.

    Attributes:
        name: What it was.
        refused: The step at which it was refused.
        reason: In words.
    """

    name: str
    refused: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class AttestedDemo:
    """What the demonstration found.

    Attributes:
        plan: The lenders' plan.
        release: What they signed.
        steps: What one lender verified before it sent, step by step.
        run: The run.
        scores: Of its model in the hold-out.
        equal: Whether the enclave released the same integers as a coordinator in clear.
        receipts: What the enclave signed, verified.
        frauds: Attacks that were tried.
    """

    plan: Plan
    release: SignedRelease
    steps: Mapping[Step, str]
    run: Run
    scores: Scores
    equal: bool
    receipts: tuple[Receipt, ...]
    frauds: tuple[Fraud, ...]


@dataclass(frozen=True)
class SimulatedSnp:
    """A simulated SEV-SNP machine, as a workload sees it."""

    vendor: AmdVendor
    measurement: bytes
    debug: bool = False

    def attest(self, report_data: bytes, nonce: bytes, public_key: bytes) -> Quoted:
        """See `confide.tee.workload.Attester`."""
        del nonce, public_key
        from confide_sim import GuestPolicy

        policy = GuestPolicy.SMT | GuestPolicy.ALWAYS_ONE | (_DEBUG if self.debug else 0)
        emitted = self.vendor.attest(
            report_data, at=system_clock(), measurement=self.measurement, policy=policy
        )
        return Quoted(emitted.evidence, None, emitted.collateral)


def run_attested(seed: int, progress: Progress) -> AttestedDemo:
    """Trains the lenders' model in a simulated enclave, and tries four frauds on them.

    Args:
        seed: Of the market.
        progress: Called with the label of the work, how much is done, and of how much.

    Raises:
        DataError: If the simulator is not installed.
    """
    vendor = _vendor(progress)
    market = load_market(seed)
    in_clear = lenders_plan(market, seed, Clear())
    build = hashlib.sha256(b"confide aggregator" + in_clear.code.digest).digest()
    measurement = hashlib.sha384(b"launched with" + build).digest()
    release = _signed(build, measurement, in_clear.code.version)
    relying = RelyingParty(_policy(vendor, release))
    plan = _plan(market, seed, relying.policy)
    machine = SimulatedSnp(vendor, measurement)
    run = simulate(
        plan,
        market.lenders,
        measure=quality(plan, market.hold_out),
        on_round=reporting(plan, progress, "in the simulated enclave"),
        enclave=EnclaveHost(machine, build, relying),
    )
    twin = simulate(
        in_clear, market.lenders, on_round=reporting(in_clear, progress, "the same in clear")
    )
    receipts = tuple(Receipt.from_bytes(r.receipt) for r in run.totals if r.receipt)
    check_chain(receipts)
    last = run.rounds[-1]
    return AttestedDemo(
        plan=run.plan,
        release=release,
        steps=_first_contact(run.plan, machine, build, relying),
        run=run,
        scores=Scores(last["auc"], last["accuracy"]),
        equal=same_bits(run, twin),
        receipts=receipts,
        frauds=tuple(_frauds(run.plan, machine, build, relying)),
    )


def _vendor(progress: Progress) -> AmdVendor:
    try:
        from confide_sim import AmdVendor
    except ImportError as error:
        raise DataError(
            "the demonstration with an enclave needs the simulator: pip install 'confide[sim]'"
        ) from error
    vendor = AmdVendor()
    progress("making a simulated vendor's keys", 1, 1)
    return vendor


def _signed(build: bytes, measurement: bytes, version: str) -> SignedRelease:
    """The release that all five lenders signed."""
    measured = {Platform.SNP: {"measurement": measurement}}
    release = SignedRelease(Release("aggregator", version, build, measured), {})
    for name in LENDERS:
        release = release.sign(simulation_key(name))
    return release


def _policy(vendor: AmdVendor, release: SignedRelease) -> Policy:
    keys = [Party.simulation(name).key for name in LENDERS]
    return Policy(
        references=release.verify(keys, threshold=len(keys)).references,
        nodes=None,
        minimum_levels=_LEAST,
        allow_simulated=True,
        roots=Roots({Platform.SNP: load_certificate(vendor.root)}),
    )


def _plan(market: Market, seed: int, policy: Policy) -> Plan:
    plan = lenders_plan(market, seed, Clear())
    return replace(
        plan,
        name="five rival lenders, in an enclave",
        aggregation=Enclave(policy=policy.hash, simulated=True),
        threat=replace(WARY, hardware=Hardware.ASSUMED_SOUND),
    ).simulated()


def _first_contact(
    plan: Plan, machine: SimulatedSnp, build: bytes, relying: RelyingParty
) -> Mapping[Step, str]:
    """What one lender verifies, step by step."""
    held: dict[Step, str] = {}
    nonce = relying.nonce()
    answer = Aggregator(plan, machine, build).workload.answer(nonce, relying.clock())
    verify_peer(
        answer,
        relying.policy,
        expected_of(plan, nonce),
        collateral=Collateral(),
        at=relying.clock(),
        passed=held.__setitem__,
    )
    return held


def _frauds(plan: Plan, machine: SimulatedSnp, build: bytes, relying: RelyingParty) -> list[Fraud]:
    altered = replace(machine, measurement=hashlib.sha384(b"with a back door").digest())
    return [
        _refused("an altered build", plan, altered, build, relying),
        _refused("a debug enclave", plan, replace(machine, debug=True), build, relying),
        _relayed(plan, machine, build, relying),
        _rolled_back(plan, machine, build),
    ]


def _refused(
    name: str, plan: Plan, machine: SimulatedSnp, build: bytes, relying: RelyingParty
) -> Fraud:
    nonce = relying.nonce()
    answer = Aggregator(plan, machine, build).workload.answer(nonce, relying.clock())
    return _fraud(name, relying, plan, nonce, answer)


def _relayed(plan: Plan, machine: SimulatedSnp, build: bytes, relying: RelyingParty) -> Fraud:
    """A host in the middle relays genuine evidence, with its own key in the claims."""
    nonce = relying.nonce()
    true = Aggregator(plan, machine, build).workload.answer(nonce, relying.clock())
    own = SystemRandom().bytes(32)
    assert true.claims is not None  # noqa: S101 - a workload answers with claims
    relayed = replace(true, claims=replace(true.claims, hpke_key=own))
    return _fraud("a relayed quote", relying, plan, nonce, relayed)


def _rolled_back(plan: Plan, machine: SimulatedSnp, build: bytes) -> Fraud:
    """A host gives an enclave that starts again the state before the last one."""
    with tempfile.TemporaryDirectory() as folder:
        counter = FileCounter(Path(folder) / "counter.db", plan.hash)
        sealer = Sealer(SystemRandom().bytes(32), "measurement")
        state = SealedState(Path(folder) / "state", sealer, counter, plan.hash)
        Aggregator(plan, machine, build, state=state)
        older = state.path.read_bytes()
        state.save(state.load() or b"")
        state.path.write_bytes(older)
        try:
            Aggregator(plan, machine, build, state=state)
        except VerificationError as error:
            return Fraud("a rolled-back state", "counter", str(error).replace(folder, "…"))
    raise AssertionError("an enclave accepted a state that was rolled back")


def _fraud(name: str, relying: RelyingParty, plan: Plan, nonce: bytes, answer: Evidence) -> Fraud:
    try:
        relying.verify(answer.to_bytes(), expected_of(plan, nonce))
    except AttestationError as error:
        return Fraud(name, error.step.value, str(error))
    raise AssertionError(f"a lender accepted {name}")
