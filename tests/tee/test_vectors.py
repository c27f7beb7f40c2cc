"""Evidence that vendors' hardware made, with the results that are known of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.simulator.vectors import vector

from confide.errors import AttestationError, Step
from confide.tee import Binding, Collateral, Evidence, Platform, Policy, Reference, inspect, verify
from confide.tee.attestation import REQUIRED_MEASUREMENTS, Assurance

SUMMER = datetime.fromtimestamp(1751500800, UTC)
NITRO_MADE = datetime.fromtimestamp(1766668537, UTC)
MONTH = timedelta(days=31)
NAMED: dict[str, Any] = {
    "statuses": frozenset({"UpToDate", "ConfigurationAndSWHardeningNeeded"}),
    "advisories": frozenset({"INTEL-SA-00289", "INTEL-SA-00615"}),
    "max_collateral_age": MONTH,
}
LEVELS = {"Milan": {"bootloader": 3, "tee": 0, "snp": 8, "microcode": 115}}

CASES = {
    "sgx": (Platform.SGX, "sgx_v3_confsw.quote.bin", ["sgx_v3_confsw.collateral.json"], SUMMER),
    "tdx": (Platform.TDX, "tdx_v4_uptodate.quote.bin", ["tdx_v4_uptodate.collateral.json"], SUMMER),
    "snp": (
        Platform.SNP,
        "snp_milan_v2.report.bin",
        ["snp_milan_v2.vcek.der", "snp_milan_ask_ark_asvk.pem"],
        SUMMER,
    ),
    "nitro": (Platform.NITRO, "nitro_ok.cose", [], NITRO_MADE),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "sgx": NAMED,
    "tdx": {"max_collateral_age": MONTH},
    # It is of Azure's paravisor, which a policy has to accept aloud.
    "snp": {"minimum_levels": LEVELS, "revocation_lists": False, "allow_paravisor": True},
    "nitro": {},
}
every = pytest.mark.parametrize("name", CASES)


def document_of(name):
    return vector(CASES[name][1])


def verified(name, *, document=None, at=None, collateral=None, carried=None, **options):
    """Verifies a vector against the vendors' own roots, or with something else in a place."""
    platform, _, files, time = CASES[name]
    genuine = document_of(name)
    _, said = inspect(genuine)
    measured = {n: bytes.fromhex(said[n]) for n in REQUIRED_MEASUREMENTS[platform]}
    given = {**OPTIONS[name], **options}
    policy = Policy(
        **{"references": (Reference(platform, measured, None, name),), "nodes": None, **given}
    )
    data = said.get("report_data", said.get("user_data", ""))
    return verify(
        Evidence(genuine if document is None else document),
        policy,
        carried or Binding(bytes.fromhex(data)),
        collateral=Collateral.of([vector(file) for file in files] if collateral is None
                                 else [vector(file) for file in collateral]),
        at=at or time,
    )  # fmt: skip


def refused(name, **changes):
    with pytest.raises(AttestationError) as raised:
        verified(name, **changes)
    return raised.value.step


@every
def test_genuine_evidence_holds(name):
    attestation = verified(name)
    assert attestation.platform is CASES[name][0]
    assert attestation.assurance is Assurance.HARDWARE
    assert not attestation.debug
    assert not attestation.migratable


@every
def test_what_it_says_is_what_is_known_of_it(name):
    attestation = verified(name)
    known = {
        "sgx": ("report_data", b"Hello, world!"),
        "tdx": ("report_data", bytes.fromhex("9a9d48e7")),
        "snp": ("measurement", bytes.fromhex("a1f39304")),
        "nitro": ("pcr0", bytes.fromhex("5cb70295")),
    }
    where, start = known[name]
    found = (
        attestation.binding.report_data
        if where == "report_data"
        else attestation.measurements[where]
    )
    assert found.startswith(start)


class TestIntel:
    def test_status_and_advisories_are_intels(self):
        assert verified("sgx").tcb.status == "ConfigurationAndSWHardeningNeeded"
        assert verified("sgx").tcb.advisories == ("INTEL-SA-00289", "INTEL-SA-00615")
        assert verified("sgx").tcb.evaluation == 17
        assert (verified("tdx").tcb.status, verified("tdx").tcb.advisories) == ("UpToDate", ())

    def test_a_status_that_the_policy_does_not_name_is_refused(self):
        assert refused("sgx", statuses=frozenset({"UpToDate"})) is Step.TCB

    def test_an_advisory_that_the_policy_does_not_name_is_refused(self):
        assert refused("sgx", advisories=frozenset({"INTEL-SA-00289"})) is Step.TCB

    def test_an_older_evaluation_is_refused(self):
        assert refused("tdx", minimum_evaluation=18) is Step.TCB

    @pytest.mark.parametrize("name", ["sgx", "tdx"])
    def test_statements_of_two_weeks_ago_are_too_old_by_default(self, name):
        assert refused(name, max_collateral_age=timedelta(days=7)) is Step.FRESHNESS

    @pytest.mark.parametrize(
        ("name", "seconds"),
        [
            ("sgx", 1750330571 - 60),
            ("sgx", 1752919278 + 60),
            ("tdx", 1750329147 - 60),
            ("tdx", 1752919235 + 60),
        ],
    )
    def test_outside_of_the_statements_time_is_refused(self, name, seconds):
        at = datetime.fromtimestamp(seconds, UTC)
        assert refused(name, at=at, max_collateral_age=MONTH * 2) is Step.FRESHNESS

    @pytest.mark.parametrize(
        ("name", "other"),
        [
            ("sgx", "tdx_v4_uptodate.collateral.json"),
            ("sgx", "sgx_00606a_2025-08.collateral.json"),
            ("tdx", "sgx_v3_confsw.collateral.json"),
        ],
    )
    def test_collateral_of_other_platforms_is_refused(self, name, other):
        assert refused(name, collateral=[other]) is Step.ROOT

    def test_without_collateral_is_refused(self):
        assert refused("sgx", collateral=[]) is Step.ROOT

    def test_a_debug_enclave_is_refused(self):
        document = vector("sgx_v3_debug.quote.bin")
        step = refused(
            "sgx",
            document=document,
            collateral=["sgx_00606a_2025-08.collateral.json"],
            at=datetime.fromtimestamp(1756000000, UTC),
        )
        assert step is Step.DEBUG

    def test_statements_that_belong_to_another_platform_of_the_family_are_refused(self):
        """The same family under another name: signatures are Intel's, the family is not this."""
        outer = json.loads(vector("sgx_00606a_2025-08.collateral.json"))
        own = json.loads(vector("sgx_v3_confsw.collateral.json"))
        mixed = {**own, "qe_identity": outer["qe_identity"]}
        with pytest.raises(AttestationError) as raised:
            _verify_with(json.dumps(mixed))
        assert raised.value.step is Step.ROOT


def _verify_with(text):
    document = document_of("sgx")
    _, said = inspect(document)
    reference = Reference(
        Platform.SGX, {"mrenclave": bytes.fromhex(said["mrenclave"])}, None, "sgx"
    )
    return verify(
        Evidence(document),
        Policy(references=(reference,), nodes=None, **NAMED),
        Binding(bytes.fromhex(said["report_data"])),
        collateral=Collateral.of([text.encode()]),
        at=SUMMER,
    )


class TestAmd:
    def test_patch_levels_are_the_reports(self):
        assert verified("snp").tcb.levels == LEVELS["Milan"]

    @pytest.mark.parametrize("component", LEVELS["Milan"])
    def test_a_level_below_the_policys_is_refused(self, component):
        higher = {"Milan": {**LEVELS["Milan"], component: LEVELS["Milan"][component] + 1}}
        assert refused("snp", minimum_levels=higher) is Step.TCB

    def test_without_a_revocation_list_is_refused_by_default(self):
        assert refused("snp", revocation_lists=True) is Step.ROOT

    @pytest.mark.parametrize("missing", ["snp_milan_v2.vcek.der", "snp_milan_ask_ark_asvk.pem"])
    def test_without_a_part_of_the_chain_is_refused(self, missing):
        files = [file for file in CASES["snp"][2] if file != missing]
        assert refused("snp", collateral=files) is Step.ROOT

    @pytest.mark.parametrize("year", [2022, 2031])
    def test_outside_of_the_chips_certificate_is_refused(self, year):
        assert refused("snp", at=datetime(year, 6, 1, tzinfo=UTC)) is Step.FRESHNESS


class TestAws:
    @pytest.mark.parametrize("minutes", [-2, 6, 60 * 24 * 365])
    def test_at_another_time_is_refused(self, minutes):
        assert refused("nitro", at=NITRO_MADE + timedelta(minutes=minutes)) is Step.FRESHNESS

    def test_of_a_patient_policy_the_certificate_still_ends(self):
        """The leaf lives for three hours, whatever the policy bears."""
        at = NITRO_MADE + timedelta(hours=4)
        assert refused("nitro", at=at, max_evidence_age=timedelta(days=1)) is Step.FRESHNESS

    def test_without_the_nonce_that_was_asked_with_is_refused(self):
        assert refused("nitro", carried=Binding(b"", b"nonce")) is Step.REPORT_DATA
        assert refused("nitro", carried=Binding(b"", None, b"key")) is Step.REPORT_DATA


@every
@pytest.mark.parametrize("more", [b"\0", b"\1", b"\0" * 100, b"trailing"])
def test_bytes_after_the_end_are_refused(name, more):
    """Zeros after a TDX quote are how Linux hands it out; nothing else is."""
    if name == "tdx" and not any(more):
        assert verified(name, document=document_of(name) + more)
    else:
        assert refused(name, document=document_of(name) + more) is Step.PARSE


@every
@pytest.mark.parametrize("keep", [0, 1, 47, 48, 431, 500, -1])
def test_what_ends_too_early_is_refused(name, keep):
    whole = document_of(name).rstrip(b"\0") if name == "tdx" else document_of(name)
    assert refused(name, document=whole[:keep]) is Step.PARSE


@every
def test_of_another_machine_is_refused(name):
    assert refused(name, nodes=frozenset({"another"})) is Step.NODE
    node = verified(name).node
    assert node is not None
    assert verified(name, nodes=frozenset({node}))


@every
def test_that_carries_something_else_is_refused(name):
    assert refused(name, carried=Binding(b"x" * 64)) is Step.REPORT_DATA


@every
def test_of_other_code_is_refused(name):
    platform = CASES[name][0]
    sizes = {Platform.SGX: 32}
    measured = dict.fromkeys(REQUIRED_MEASUREMENTS[platform], b"m" * sizes.get(platform, 48))
    other = Reference(platform, measured, None, "other code")
    assert refused(name, references=(other,)) is Step.MEASUREMENT


@every
def test_of_a_platform_that_no_reference_names_is_not_even_read(name):
    others = {
        Platform.SGX: {"mrenclave": b"m" * 32},
        Platform.NITRO: dict.fromkeys(("pcr0", "pcr1", "pcr2"), b"m" * 48),
    }
    platform = Platform.NITRO if CASES[name][0] is not Platform.NITRO else Platform.SGX
    other = Reference(platform, others[platform], None, "another platform")
    assert refused(name, references=(other,)) is Step.PARSE
