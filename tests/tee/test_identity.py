"""Measurements that identify no code are refused, in policies and in evidence."""

import pytest
from tests.simulator.vectors import vector
from tests.tee.support import NOW, asked, policy_of, reference_of
from tests.tee.test_vectors import SUMMER

from confide.errors import AttestationError, Step
from confide.tee import Binding, Collateral, Evidence, Platform, Policy, Reference, inspect, verify
from confide.tee.attestation import REQUIRED_MEASUREMENTS
from confide.tee.inspection import warnings

SIZES = {Platform.SGX: 32, Platform.TDX: 48, Platform.SNP: 48, Platform.NITRO: 48}
EVERY = [
    (platform, name) for platform in Platform for name in sorted(REQUIRED_MEASUREMENTS[platform])
]


@pytest.mark.parametrize(("platform", "name"), EVERY)
def test_a_reference_of_zeros_is_refused(platform, name):
    size = SIZES[platform]
    good = dict.fromkeys(REQUIRED_MEASUREMENTS[platform], b"\x01" * size)
    Reference(platform, good, None, "good")
    with pytest.raises(AttestationError, match="identifies no code") as refused:
        Reference(platform, {**good, name: bytes(size)}, None, "zero")
    assert refused.value.step is Step.MEASUREMENT


def test_a_domain_without_a_measured_start_is_refused():
    """Azure's, or a start without firmware that measures: RTMR0 to RTMR2 are zero."""
    case = asked(Platform.TDX, rtmrs=[bytes(48)] * 4)
    with pytest.raises(AttestationError, match="rtmr0, rtmr1, rtmr2 = 0"):
        reference_of(Platform.TDX, case.emitted.evidence)
    good = asked(Platform.TDX)
    policy = policy_of(reference_of(Platform.TDX, good.emitted.evidence))
    with pytest.raises(AttestationError) as refused:
        verify(case.evidence, policy, case.carried, collateral=case.collateral, at=NOW)
    assert refused.value.step is Step.MEASUREMENT
    assert "UNMEASURED" in warnings(case.emitted.evidence)[0]


def test_azures_real_domain_is_refused():
    document = vector("tdx_v4_azure.quote.bin")
    with pytest.raises(AttestationError, match="identifies no code"):
        reference_of(Platform.TDX, document)
    assert warnings(document) == ["UNMEASURED: rtmr0, rtmr1, rtmr2 are zero; it identifies no code"]


class TestParavisor:
    NAMES = ("snp_milan_azure", "snp_milan_v2")

    def verified(self, name, **fields):
        document = vector(f"{name}.report.bin")
        _, said = inspect(document)
        measured = {"measurement": bytes.fromhex(said["measurement"])}
        levels = {"Milan": {"bootloader": 3, "tee": 0, "snp": 8, "microcode": 115}}
        policy = Policy(
            references=(Reference(Platform.SNP, measured, None, name),),
            nodes=None,
            minimum_levels=levels,
            revocation_lists=False,
            **fields,
        )
        leaf = "snp_milan_azure.vcek.pem" if "azure" in name else "snp_milan_v2.vcek.der"
        given = Collateral.of([vector(leaf), vector("snp_milan_ask_ark_asvk.pem")])
        carried = Binding(bytes.fromhex(said["report_data"]))
        return verify(Evidence(document), policy, carried, collateral=given, at=SUMMER)

    @pytest.mark.parametrize("name", NAMES)
    def test_is_refused_though_its_measurement_is_on_the_list(self, name):
        with pytest.raises(AttestationError, match="Azure's paravisor") as refused:
            self.verified(name)
        assert refused.value.step is Step.MEASUREMENT
        assert "PARAVISOR" in warnings(vector(f"{name}.report.bin"))[0]

    @pytest.mark.parametrize("name", NAMES)
    def test_is_accepted_by_who_says_so(self, name):
        assert self.verified(name, allow_paravisor=True).node is not None

    def test_with_a_new_key_is_known_by_its_image_and_what_it_carries(self):
        image = b"\2" + bytes(15)
        for data, paravisor in ((b"h" * 32 + bytes(32), True), (b"h" * 64, False)):
            case = asked(Platform.SNP, image_id=image)
            document = case.emitted.evidence
            from confide.tee import snp

            report = bytearray(document)
            report[0x50:0x90] = data
            assert snp.parse(bytes(report)).paravisor is paravisor
