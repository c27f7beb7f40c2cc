"""Verification: nine steps in one order, each of which alone refuses, for each vendor."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import cbor2
import pytest
from confide_sim import AmdFault, AwsFault, Event, IntelFault, Machine, Tcb
from tests.tee.support import BUILD, LEAST, NOW, asked, emit, policy_of, reference_of

from confide.errors import AttestationError, PlanError, Step
from confide.tee import (
    Binding,
    Claims,
    Collateral,
    Evidence,
    Expected,
    Platform,
    Policy,
    Reference,
    Roots,
    inspect,
    verify,
    verify_peer,
)
from confide.tee.attestation import Assurance

DEBUG_POLICY = 1 << 19 | 1 << 17 | 1 << 16
MIGRATION_POLICY = 1 << 18 | 1 << 17 | 1 << 16
NONCE, KEY = b"n" * 32, b"k" * 32
every = pytest.mark.parametrize("platform", list(Platform), ids=lambda p: p.value)


def case_of(platform, **case):
    if platform is Platform.NITRO:
        case = {"nonce": NONCE, "public_key": KEY, **case}
    return asked(platform, **case)


def steps_of(case, *, good=None, at=NOW, carried=None, collateral=None, **policy):
    """The steps that held, and the one that did not, or None."""
    held = []
    reference = reference_of(case.platform, (good or case).evidence.document)
    own = Binding(case.report_data)
    if case.platform is Platform.NITRO:
        own = Binding(case.report_data, NONCE, KEY)
    try:
        verify(
            case.evidence,
            policy_of(**{"reference": reference, **policy}),
            carried or own,
            collateral=case.collateral if collateral is None else Collateral.of(collateral),
            at=at,
            passed=lambda step, _: held.append(step),
        )
    except AttestationError as error:
        return held, error.step
    return held, None


def refused_at(*arguments, **fields):
    held, step = steps_of(*arguments, **fields)
    # What held came before, in the order of the steps.
    order = list(Step)
    assert held == order[: order.index(step)]
    return step


@every
def test_all_steps_hold_in_their_order(platform):
    held, step = steps_of(case_of(platform))
    assert step is None
    assert held == list(Step)[: list(Step).index(Step.CLAIMS)]


class TestRoot:
    @pytest.mark.parametrize("fault", [
        IntelFault.BAD_SIGNATURE, IntelFault.BAD_QE_SIGNATURE, IntelFault.BAD_QE_BINDING,
        IntelFault.BAD_TCB_SIGNATURE, IntelFault.BAD_IDENTITY_SIGNATURE,
        IntelFault.IDENTITY_MISMATCH, IntelFault.FORGED_LEAF, IntelFault.REVOKED_LEAF,
        IntelFault.REVOKED_INTERMEDIATE,
    ])  # fmt: skip
    @pytest.mark.parametrize("platform", [Platform.SGX, Platform.TDX], ids=lambda p: p.value)
    def test_of_intel(self, platform, fault):
        assert refused_at(case_of(platform, faults=[fault])) is Step.ROOT

    @pytest.mark.parametrize(
        "fault", [AmdFault.BAD_SIGNATURE, AmdFault.FORGED_LEAF, AmdFault.REVOKED_INTERMEDIATE]
    )
    @pytest.mark.parametrize("key", ["vcek", "vlek"])
    def test_of_amd(self, key, fault):
        assert refused_at(case_of(Platform.SNP, key=key, faults=[fault])) is Step.ROOT

    @pytest.mark.parametrize("fault", [AwsFault.BAD_SIGNATURE, AwsFault.FORGED_LEAF])
    def test_of_aws(self, fault):
        assert refused_at(case_of(Platform.NITRO, faults=[fault])) is Step.ROOT

    @every
    def test_of_another_vendor(self, platform):
        other = case_of(platform, copy=1)
        assert steps_of(other)[1] is Step.ROOT

    @every
    def test_simulated_evidence_is_refused_by_default(self, platform):
        """The root is not the vendor's, and nothing else about it is wrong."""
        assert refused_at(case_of(platform), allow_simulated=False, roots=Roots()) is Step.ROOT

    @every
    def test_simulated_evidence_meets_a_second_lock(self, platform):
        """Whoever got a simulator's root past the policy's own check still needs the permission."""
        case = case_of(platform)
        policy = policy_of(reference_of(platform, case.evidence.document))
        object.__setattr__(policy, "allow_simulated", False)
        with pytest.raises(AttestationError, match="is simulated, which the policy") as raised:
            verify(case.evidence, policy, case.carried, collateral=case.collateral, at=NOW)
        assert raised.value.step is Step.ROOT

    def test_one_of_root_and_permission_is_refused_in_the_policy_itself(self):
        case = case_of(Platform.SNP)
        with pytest.raises(PlanError, match="the policy has one of them"):
            steps_of(case, roots=Roots())
        with pytest.raises(PlanError, match="the policy has one of them"):
            steps_of(case, allow_simulated=False)

    @every
    @pytest.mark.parametrize(
        "name", ["CONFIDE_ALLOW_SIMULATED", "ALLOW_SIMULATED", "SGX_INSECURE", "OE_SIMULATION"]
    )
    def test_no_environment_variable_accepts_it(self, platform, name, monkeypatch):
        monkeypatch.setenv(name, "1")
        assert steps_of(case_of(platform), allow_simulated=False, roots=Roots())[1] is Step.ROOT

    @pytest.mark.parametrize(
        "platform", [Platform.SGX, Platform.TDX, Platform.SNP], ids=lambda p: p.value
    )
    def test_another_chain_beside_it_does_not_help(self, platform):
        """Collateral of another vendor's chain, for the same kind; Nitro's documents have none."""
        case, other = case_of(platform), case_of(platform, copy=1)
        assert steps_of(case, collateral=other.emitted.collateral)[1] is Step.ROOT

    @pytest.mark.parametrize("missing", [0, 1, 3])
    def test_of_amd_each_part_of_the_collateral_is_needed(self, missing):
        case = case_of(Platform.SNP)
        parts = [c for k, c in enumerate(case.emitted.collateral) if k != missing]
        assert refused_at(case, collateral=parts) is Step.ROOT

    def test_of_amd_the_root_in_collateral_is_not_needed_and_not_believed(self):
        leaf, issuer, _, revoked = case_of(Platform.SNP).emitted.collateral
        case = case_of(Platform.SNP)
        leaf, issuer, _, revoked = case.emitted.collateral
        assert steps_of(case, collateral=[leaf, issuer, revoked])[1] is None
        other_root = case_of(Platform.SNP, copy=1).emitted.collateral[2]
        assert steps_of(case, collateral=[leaf, issuer, other_root, revoked])[1] is None

    @pytest.mark.parametrize(
        "case",
        [
            {"certified_tcb": Tcb(bootloader=3)},
            {"certified_tcb": Tcb(microcode=254)},
            {"certified_chip_id": bytes(63) + b"\1"},
        ],
    )
    def test_of_amd_the_certificate_of_another_chip_or_level(self, case):
        assert refused_at(case_of(Platform.SNP, **case)) is Step.ROOT

    def test_of_amd_a_hidden_chip(self):
        """Whose it is, only the signature tells: any machine must do, and no list has it."""
        case = case_of(Platform.SNP, mask_chip_id=True)
        assert steps_of(case)[1] is None
        assert refused_at(case, nodes=frozenset({"00" * 64})) is Step.NODE
        other = case_of(Platform.SNP, mask_chip_id=True, faults=[AmdFault.BAD_SIGNATURE])
        assert refused_at(other) is Step.ROOT

    def test_of_amd_levels_of_another_product(self):
        case = case_of(Platform.SNP, product="Genoa")
        assert refused_at(case, minimum_levels=LEAST) is Step.TCB

    def test_of_intel_levels_stated_for_other_machines(self):
        case = case_of(Platform.SGX, stated_fmspc=bytes(6))
        assert refused_at(case) is Step.ROOT


class TestFreshness:
    @pytest.mark.parametrize("fault", [
        IntelFault.EXPIRED_LEAF, IntelFault.FUTURE_LEAF, IntelFault.EXPIRED_TCB,
        IntelFault.EXPIRED_IDENTITY, IntelFault.EXPIRED_LEAF_LIST, IntelFault.EXPIRED_ROOT_LIST,
    ])  # fmt: skip
    @pytest.mark.parametrize("platform", [Platform.SGX, Platform.TDX], ids=lambda p: p.value)
    def test_of_intel(self, platform, fault):
        assert refused_at(case_of(platform, faults=[fault])) is Step.FRESHNESS

    @pytest.mark.parametrize("fault", [
        AmdFault.EXPIRED_LEAF, AmdFault.FUTURE_LEAF, AmdFault.EXPIRED_LIST, AmdFault.FUTURE_LIST,
    ])  # fmt: skip
    def test_of_amd(self, fault):
        assert refused_at(case_of(Platform.SNP, faults=[fault])) is Step.FRESHNESS

    @pytest.mark.parametrize("fault", [AwsFault.EXPIRED_LEAF, AwsFault.FUTURE_LEAF])
    def test_of_aws(self, fault):
        assert refused_at(case_of(Platform.NITRO, faults=[fault])) is Step.FRESHNESS

    @pytest.mark.parametrize("platform", [Platform.SGX, Platform.TDX], ids=lambda p: p.value)
    @pytest.mark.parametrize(("days", "step"), [(6.9, None), (7.1, Step.FRESHNESS)])
    def test_of_intel_a_week_and_no_longer(self, platform, days, step):
        case = case_of(platform, issued=NOW - timedelta(days=days))
        assert steps_of(case)[1] is step
        assert steps_of(case, max_collateral_age=timedelta(days=29))[1] is None

    @pytest.mark.parametrize(
        ("minutes", "step"),
        [(-1.1, Step.FRESHNESS), (-0.9, None), (4.9, None), (5.1, Step.FRESHNESS)],
    )
    def test_of_aws_five_minutes_and_a_clock_that_is_a_minute_off(self, minutes, step):
        case = case_of(Platform.NITRO)
        assert steps_of(case, at=NOW + timedelta(minutes=minutes))[1] is step

    @every
    @pytest.mark.parametrize("years", [-40, 40])
    def test_of_another_age(self, platform, years):
        case = case_of(platform)
        assert refused_at(case, at=NOW + timedelta(days=365 * years)) is Step.FRESHNESS

    @every
    def test_a_time_without_a_zone_is_refused(self, platform):
        assert steps_of(case_of(platform), at=NOW.replace(tzinfo=None)) == ([], Step.FRESHNESS)


class TestTcb:
    @pytest.mark.parametrize("status", [
        "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded",
        "OutOfDate", "OutOfDateConfigurationNeeded",
    ])  # fmt: skip
    @pytest.mark.parametrize("platform", [Platform.SGX, Platform.TDX], ids=lambda p: p.value)
    def test_of_intel_only_what_the_policy_names(self, platform, status):
        case = case_of(platform, tcb_status=status)
        assert refused_at(case) is Step.TCB
        assert steps_of(case, statuses=frozenset({status}))[1] is None

    @pytest.mark.parametrize("platform", [Platform.SGX, Platform.TDX], ids=lambda p: p.value)
    def test_of_intel_revoked_never(self, platform):
        case = case_of(platform, tcb_status="Revoked")
        assert steps_of(case)[1] in (Step.ROOT, Step.TCB)
        with pytest.raises(PlanError, match="'Revoked'"):
            steps_of(case, statuses=frozenset({"Revoked"}))

    @pytest.mark.parametrize("platform", [Platform.SGX, Platform.TDX], ids=lambda p: p.value)
    def test_of_intel_advisories_by_name(self, platform):
        case = case_of(platform, advisories=["INTEL-SA-00615", "INTEL-SA-00999"])
        assert refused_at(case) is Step.TCB
        assert steps_of(case, advisories=frozenset({"INTEL-SA-00615"}))[1] is Step.TCB
        both = frozenset({"INTEL-SA-00615", "INTEL-SA-00999"})
        assert steps_of(case, advisories=both)[1] is None

    def test_of_intel_a_quoting_enclave_that_is_old(self):
        assert steps_of(case_of(Platform.SGX, qe_status="OutOfDate"))[1] is Step.TCB

    def test_of_intel_a_module_that_is_old(self):
        assert steps_of(case_of(Platform.TDX, module_status="OutOfDate"))[1] is Step.TCB

    def test_of_intel_an_evaluation_of_before(self):
        case = case_of(Platform.SGX, evaluation_number=16)
        assert refused_at(case, minimum_evaluation=17) is Step.TCB
        assert steps_of(case, minimum_evaluation=16)[1] is None

    @pytest.mark.parametrize("which", ["tcb", "committed_tcb", "launch_tcb"])
    def test_of_amd_the_least_of_what_is_reported_committed_and_was_at_launch(self, which):
        old = Tcb(bootloader=4, tee=0, snp=19, microcode=213)
        assert refused_at(case_of(Platform.SNP, **{which: old})) is Step.TCB

    def test_of_amd_a_product_that_the_policy_does_not_name(self):
        case = case_of(Platform.SNP, product="Turin")
        assert refused_at(case) is Step.TCB


class TestDebug:
    @pytest.mark.parametrize(
        ("platform", "case"),
        [
            (Platform.SGX, {"attributes": 0x07}),
            (Platform.TDX, {"td_attributes": 1 << 28 | 1}),
            (Platform.SNP, {"policy": DEBUG_POLICY}),
            (Platform.SNP, {"policy": MIGRATION_POLICY}),
            (Platform.NITRO, {"debug": True}),
        ],
    )
    def test_an_open_workload_is_refused(self, platform, case):
        opened = case_of(platform, **case)
        assert steps_of(opened, good=case_of(platform))[1] is Step.DEBUG

    @pytest.mark.parametrize("attributes", [1 << 28 | 1 << 29, 0])
    def test_a_domain_that_may_be_moved_or_lets_the_host_in_is_refused(self, attributes):
        """SEPT_VE_DISABLE off lets the host put pages under a domain."""
        opened = case_of(Platform.TDX, td_attributes=attributes)
        assert steps_of(opened)[1] is Step.DEBUG

    @pytest.mark.parametrize("pcr", [0, 1, 2])
    def test_one_measurement_of_zeros_is_debugging(self, pcr):
        pcrs = {k: bytes([k + 1]) * 48 for k in range(3)} | {pcr: bytes(48)}
        case = case_of(Platform.NITRO, pcrs=pcrs)
        assert steps_of(case, good=case_of(Platform.NITRO))[1] is Step.DEBUG


class TestMeasurement:
    @pytest.mark.parametrize(
        ("platform", "case"),
        [
            (Platform.SGX, {"mrenclave": b"m" * 32}),
            (Platform.TDX, {"mrtd": b"m" * 48}),
            (Platform.TDX, {"rtmrs": [b"m" * 48] * 4}),
            (Platform.SNP, {"measurement": b"m" * 48}),
            (Platform.NITRO, {"pcrs": dict.fromkeys(range(3), b"m" * 48)}),
        ],
    )
    def test_other_code_is_refused(self, platform, case):
        other = case_of(platform, **case)
        assert refused_at(other, good=case_of(platform)) is Step.MEASUREMENT

    def test_other_fields_are_asked_for_if_the_reference_names_them(self):
        case = case_of(Platform.SNP)
        reference = reference_of(Platform.SNP, case.evidence.document)
        named = replace(reference, measurements={**reference.measurements, "host_data": b"h" * 32})
        assert steps_of(case, reference=named)[1] is Step.MEASUREMENT
        fitting = case_of(Platform.SNP, host_data=b"h" * 32)
        assert steps_of(fitting, reference=named)[1] is None

    def test_code_at_a_lower_privilege_level_is_not_the_firmwares(self):
        assert refused_at(case_of(Platform.SNP, vmpl=1)) is Step.MEASUREMENT

    def test_one_of_several_references_will_do(self):
        case = case_of(Platform.SNP)
        good = reference_of(Platform.SNP, case.evidence.document)
        other = replace(good, measurements={"measurement": b"o" * 48}, name="another")
        assert steps_of(case, references=(other, good))[1] is None
        assert steps_of(case, references=(other,))[1] is Step.MEASUREMENT

    def test_events_are_replayed_and_can_be_asked_for(self):
        case = case_of(Platform.TDX, events=[Event("compose-hash", b"7"), Event("twice", b"1"),
                                             Event("twice", b"2")])  # fmt: skip
        reference = reference_of(Platform.TDX, case.evidence.document)

        def asking(**events):
            wanted = {f"event:{name}": value for name, value in events.items()}
            return replace(reference, measurements={**reference.measurements, **wanted})

        fitting = asking(**{"compose-hash": b"7"})
        assert steps_of(case, reference=fitting)[1] is None
        for other in (asking(**{"compose-hash": b"8"}), asking(twice=b"1"), asking(absent=b"")):
            assert steps_of(case, reference=other)[1] is Step.MEASUREMENT

    def test_a_log_that_does_not_lead_to_the_registers_is_refused(self):
        case = case_of(Platform.TDX, events=[Event("one", b"1")])
        longer = case_of(Platform.TDX, events=[Event("one", b"1"), Event("two", b"2")])
        case.emitted = replace(case.emitted, event_log=longer.emitted.event_log)
        assert refused_at(case) is Step.MEASUREMENT


class TestNode:
    @every
    def test_only_machines_on_the_list(self, platform):
        case = case_of(platform)
        assert refused_at(case, nodes=frozenset({"another"})) is Step.NODE
        node = verify(
            case.evidence,
            policy_of(reference_of(platform, case.evidence.document)),
            Binding(case.report_data),
            collateral=case.collateral,
            at=NOW,
        ).node
        assert steps_of(case, nodes=frozenset({"another", node}))[1] is None

    def test_a_machine_of_a_providers_key_that_hides_is_on_no_list(self):
        case = case_of(Platform.SNP, key="vlek", mask_chip_id=True)
        assert steps_of(case)[1] is None
        assert refused_at(case, nodes=frozenset({"", "None"})) is Step.NODE

    def test_two_machines_are_told_apart(self):
        one, two = Machine(), Machine()
        steps = [
            steps_of(case_of(Platform.SGX, machine=machine), nodes=frozenset({_node(one)}))[1]
            for machine in (one, two)
        ]
        assert steps == [None, Step.NODE]


def _node(machine):
    case = case_of(Platform.SGX, machine=machine)
    policy = policy_of(reference_of(Platform.SGX, case.evidence.document))
    carried = Binding(case.report_data)
    return verify(case.evidence, policy, carried, collateral=case.collateral, at=NOW).node


class TestReportData:
    @every
    def test_something_else_is_refused(self, platform):
        assert refused_at(case_of(platform), carried=Binding(bytes(64))) is Step.REPORT_DATA

    @pytest.mark.parametrize("carried", [(NONCE, b"x"), (b"x", KEY)])
    def test_nitros_own_fields_count(self, carried):
        case = case_of(Platform.NITRO)
        binding = Binding(case.report_data, *carried)
        assert refused_at(case, carried=binding) is Step.REPORT_DATA

    def test_nitros_own_fields_may_not_be_missing(self):
        case = case_of(Platform.NITRO, nonce=None, public_key=None)
        assert steps_of(case)[1] is Step.REPORT_DATA


class TestClaims:
    EXPECTED = Expected(NONCE, "aggregate", b"p" * 32, "test")

    def bundle(self, platform=Platform.SNP, workload=BUILD, **changes):
        fields = {
            "purpose": "aggregate", "nonce": NONCE, "hpke_key": KEY, "signing_key": b"s" * 32,
            "tls_key": bytes(32), "workload": workload, "plan": b"p" * 32, "task": "test",
            "instance": b"i" * 32, "epoch": 0, "expires": int(NOW.timestamp()) + 60,
        } | changes  # fmt: skip
        claims = Claims(**fields)
        case: dict[str, Any] = {"nonce": claims.nonce, "public_key": claims.hpke_key}
        emitted = emit(platform, claims.report_data, **(case if platform is Platform.NITRO else {}))
        return Evidence(emitted.evidence, claims), Collateral.of(emitted.collateral)

    def peer(self, evidence, collateral, platform=Platform.SNP, at=NOW):
        reference = reference_of(platform, evidence.document, BUILD)
        return verify_peer(
            evidence, policy_of(reference), self.EXPECTED, collateral=collateral, at=at
        )

    @every
    def test_that_were_asked_for_make_a_peer(self, platform):
        evidence, collateral = self.bundle(platform)
        peer = self.peer(evidence, collateral, platform)
        assert peer.assurance is Assurance.SIMULATED
        assert peer.claims.hpke_key == KEY

    @every
    @pytest.mark.parametrize(
        "change",
        [
            {"purpose": "another"}, {"nonce": b"x" * 32}, {"plan": b"x" * 32}, {"task": "x"},
            {"workload": b"x" * 32}, {"expires": int(NOW.timestamp()) - 1},
        ],
        ids=lambda change: next(iter(change)),
    )  # fmt: skip
    def test_that_were_not_asked_for_are_refused(self, platform, change):
        evidence, collateral = self.bundle(platform, **change)
        with pytest.raises(AttestationError) as refused:
            self.peer(evidence, collateral, platform)
        assert refused.value.step is Step.CLAIMS

    @every
    @pytest.mark.parametrize("field", ["hpke_key", "signing_key", "tls_key", "instance"])
    def test_that_the_evidence_does_not_carry_are_refused(self, platform, field):
        evidence, collateral = self.bundle(platform)
        swapped = replace(evidence, claims=replace(evidence.claims, **{field: b"x" * 32}))
        with pytest.raises(AttestationError) as refused:
            self.peer(swapped, collateral, platform)
        assert refused.value.step is Step.REPORT_DATA

    def test_that_are_missing_are_refused(self):
        evidence, collateral = self.bundle()
        with pytest.raises(AttestationError, match="without claims") as refused:
            self.peer(replace(evidence, claims=None), collateral)
        assert refused.value.step is Step.REPORT_DATA


class TestOrder:
    """With two things wrong, the earlier step is told."""

    FAULTS: tuple[tuple[Step, dict[str, Any], dict[str, Any]], ...] = (
        (Step.ROOT, {"faults": [AmdFault.BAD_SIGNATURE]}, {}),
        (Step.FRESHNESS, {"faults": [AmdFault.EXPIRED_LIST]}, {}),
        (Step.TCB, {}, {"minimum_levels": {"Milan": {**LEAST["Milan"], "snp": 99}}}),
        (Step.DEBUG, {"policy": DEBUG_POLICY}, {}),
        (Step.MEASUREMENT, {"vmpl": 2}, {}),
        (Step.NODE, {}, {"nodes": frozenset({"another"})}),
        (Step.REPORT_DATA, {}, {"carried": Binding(bytes(64))}),
    )

    @pytest.mark.parametrize("first", range(len(FAULTS)))
    @pytest.mark.parametrize("second", range(len(FAULTS)))
    def test_the_earlier_is_told(self, first, second):
        (step, case, options), (_, more_case, more) = self.FAULTS[first], self.FAULTS[second]
        if first > second:
            step = self.FAULTS[second][0]
        faults = [*case.get("faults", []), *more_case.get("faults", [])]
        both = {**case, **more_case} | ({"faults": faults} if faults else {})
        assert refused_at(case_of(Platform.SNP, **both), **{**options, **more}) is step


class TestTheVerifierIsThePolicys:
    @every
    def test_evidence_of_another_platform_is_not_read(self, platform):
        others = [p for p in Platform if p is not platform]
        references = tuple(
            reference_of(other, case_of(other).evidence.document) for other in others
        )
        case = case_of(platform)
        policy = Policy(references=references, nodes=None, minimum_levels=LEAST)
        with pytest.raises(AttestationError, match="no verifier that the policy allows") as refused:
            verify(
                case.evidence, policy, Binding(case.report_data),
                collateral=case.collateral, at=NOW,
            )  # fmt: skip
        assert refused.value.step is Step.PARSE

    @every
    def test_a_root_of_another_platform_does_not_help(self, platform):
        case = case_of(platform)
        other = Platform.NITRO if platform is not Platform.NITRO else Platform.SNP
        wrong = policy_of(reference_of(other, case_of(other).evidence.document)).roots
        assert steps_of(case, roots=wrong)[1] is Step.ROOT


class TestFormats:
    @every
    @pytest.mark.parametrize("size", [0, 1, 100, 1184, 5000, 70_000])
    def test_zeros_and_ones_of_all_sizes_are_no_evidence(self, platform, size):
        for filling in (b"\0", b"\xff", b"a"):
            with pytest.raises(AttestationError) as refused:
                inspect(filling * size)
            assert refused.value.step is Step.PARSE

    @pytest.mark.parametrize("version", [0, 1, 6, 255])
    def test_a_report_of_an_unknown_version(self, version):
        case = case_of(Platform.SNP)
        document = version.to_bytes(4, "little") + case.evidence.document[4:]
        case.emitted = replace(case.emitted, evidence=document)
        assert _step(case) is Step.PARSE

    @pytest.mark.parametrize("version", [2, 3, 5])
    def test_reports_of_known_versions(self, version):
        assert steps_of(case_of(Platform.SNP, version=version))[1] is None

    @pytest.mark.parametrize("product", ["Milan", "Genoa", "Turin"])
    def test_all_products(self, product):
        least = {"bootloader": 0, "tee": 0, "snp": 0, "microcode": 0}
        least |= {"fmc": 0} if product == "Turin" else {}
        case = case_of(Platform.SNP, product=product)
        assert steps_of(case, minimum_levels={product: least})[1] is None

    @pytest.mark.parametrize("version", [4, 5])
    def test_quotes_of_domains(self, version):
        assert steps_of(case_of(Platform.TDX, version=version))[1] is None

    @pytest.mark.parametrize("padding", [1, 100, 3000])
    def test_a_domains_quote_may_be_filled_up_with_zeros_and_an_enclaves_not(self, padding):
        for platform, step in ((Platform.TDX, None), (Platform.SGX, Step.PARSE)):
            case = case_of(platform)
            filled = case.evidence.document + bytes(padding)
            case.emitted = replace(case.emitted, evidence=filled)
            assert steps_of(case, good=case_of(platform))[1] is step

    def nitro(self, change):
        case = case_of(Platform.NITRO)
        protected, unprotected, payload, signature = cbor2.loads(case.evidence.document)
        fields = change(cbor2.loads(payload))
        encoded = fields if isinstance(fields, bytes) else cbor2.dumps(fields)
        document = cbor2.dumps([protected, unprotected, encoded, signature])
        case.emitted = replace(case.emitted, evidence=document)
        return _step(case, good=case_of(Platform.NITRO))

    @pytest.mark.parametrize(
        "change",
        [
            lambda f: {**f, "more": 1},
            lambda f: {k: v for k, v in f.items() if k != "pcrs"},
            lambda f: {**f, "digest": "SHA256"},
            lambda f: {**f, "timestamp": True},
            lambda f: {**f, "timestamp": 1 << 63},
            lambda f: {**f, "pcrs": {0: bytes(32)}},
            lambda f: {**f, "pcrs": {99: bytes(48)}},
            lambda f: {**f, "pcrs": {"0": bytes(48)}},
            lambda f: {**f, "cabundle": []},
            lambda f: {**f, "cabundle": f["cabundle"] * 3},
            lambda f: {**f, "cabundle": [b"garbage"]},
            lambda f: {**f, "cabundle": ["text"]},
            lambda f: {**f, "certificate": b""},
            lambda f: {**f, "user_data": "text"},
            lambda f: {**f, "nonce": 5},
            lambda f: [f],
            lambda _: b"\xc1\x00",
            lambda _: b"",
        ],
    )
    def test_a_nitro_document_of_another_form(self, change):
        assert self.nitro(change) is Step.PARSE

    @pytest.mark.parametrize(
        "outer",
        [
            lambda p, u, b, s: cbor2.dumps(cbor2.CBORTag(18, [p, u, b, s])),
            lambda p, u, b, s: cbor2.dumps([cbor2.dumps({1: -7}), u, b, s]),
            lambda p, u, b, s: cbor2.dumps([p, {4: b"kid"}, b, s]),
            lambda p, u, b, s: cbor2.dumps([p, u, b, s[:95]]),
            lambda p, u, b, s: cbor2.dumps([p, u, b, s, b""]),
            lambda p, u, b, s: b"\x9f" + cbor2.dumps([p, u, b, s])[1:] + b"\xff",
            lambda p, u, b, s: b"\x98\x04" + cbor2.dumps([p, u, b, s])[1:],
        ],
        ids=["tag", "algorithm", "header", "signature", "more", "indefinite", "long"],
    )
    def test_a_cose_structure_of_another_form(self, outer):
        case = case_of(Platform.NITRO)
        document = outer(*cbor2.loads(case.evidence.document))
        case.emitted = replace(case.emitted, evidence=document)
        assert _step(case, good=case_of(Platform.NITRO)) is Step.PARSE

    @pytest.mark.parametrize(
        "log",
        [
            b"", b"{}", b"[1]", b"[" * 100_000, b'[{"imr": 0}]', b"\xff",
            b'[{"imr": 4, "event_type": 1, "digest": "' + b"00" * 48
            + b'", "event": "", "event_payload": ""}]',
            b'[{"imr": 0, "event_type": 1, "digest": "00", "event": "", "event_payload": ""}]',
            b'[{"imr": true, "event_type": 1, "digest": "' + b"00" * 48
            + b'", "event": "", "event_payload": ""}]',
        ],
    )  # fmt: skip
    def test_an_event_log_of_another_form(self, log):
        case = case_of(Platform.TDX)
        case.emitted = replace(case.emitted, event_log=log)
        assert _step(case) is Step.PARSE


def _step(case, good=None):
    """The step at which a changed document is refused, by a policy for the whole one."""
    return steps_of(case, good=good or case_of(case.platform))[1]


def test_a_reference_without_what_identifies_the_code_cannot_be_made():
    for platform in Platform:
        with pytest.raises(AttestationError, match="without it any code would do"):
            Reference(platform, {"mrsigner": bytes(32)}, None, "nothing")
