"""Simulated SGX and TDX: real layouts, good cases that `dcap-qvl` accepts, bad ones it refuses."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from confide_sim import IntelFault, IntelVendor, Machine, SgxAttributes, TdAttributes
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.simulator.vectors import pem_chain, vector

dcap_qvl = pytest.importorskip("dcap_qvl", reason="needs dcap-qvl, which verifies Intel's quotes")

DATA = bytes(range(64))
EXTENSION = x509.ObjectIdentifier("1.2.840.113741.1.13.1")
SGX_DEFAULT = SgxAttributes.INIT | SgxAttributes.MODE64BIT
STATUSES = [
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
]


def _collateral(emitted):
    (document,) = emitted.collateral
    return dcap_qvl.QuoteCollateralV3.from_json(document.decode())


def _claims(emitted, root, at):
    now = int(at.timestamp())
    verified = dcap_qvl.QuoteVerifier(root).verify_with_policy(
        emitted.evidence, _collateral(emitted), now, dcap_qvl.QuotePolicy.claims_only(now)
    )
    return json.loads(verified.to_json())


def _strict(emitted, root, at, policy=None):
    now = int(at.timestamp())
    policy = policy or dcap_qvl.QuotePolicy.strict(now)
    return dcap_qvl.QuoteVerifier(root).verify_with_policy(
        emitted.evidence, _collateral(emitted), now, policy
    )


def _refusal(emitted, root, at):
    """Why the library refuses it, with the causes, which `verify_with_policy` leaves out."""
    with pytest.raises(ValueError, match="Verification failed"):
        _strict(emitted, root, at)
    with pytest.raises(ValueError, match="Verification failed") as refused:
        dcap_qvl.verify_with_root_ca(
            emitted.evidence, _collateral(emitted), root, int(at.timestamp())
        )
    return str(refused.value)


def _body(claims):
    (body,) = claims["report"].values()
    return body.get("base", {}) | body


@pytest.fixture(params=["SGX 3", "TDX 4", "TDX 5"])
def attest(request, intel, at):
    """Evidence of each kind, by the arguments that all kinds have."""
    kind, version = request.param.split()
    if kind == "SGX":
        return lambda **given: intel.attest_sgx(DATA, at=at, **given)
    return lambda **given: intel.attest_tdx(DATA, at=at, version=int(version), **given)


class TestRealLayout:
    def test_with_the_contents_of_a_real_quote_of_sgx_it_has_its_body(self, intel, at):
        real = vector("sgx_v3_confsw.quote.bin")
        body = real[48:432]
        emitted = intel.attest_sgx(
            body[320:],
            at=at,
            mrenclave=body[64:96],
            mrsigner=body[128:160],
            isv_prod_id=int.from_bytes(body[256:258], "little"),
            isv_svn=int.from_bytes(body[258:260], "little"),
            attributes=int.from_bytes(body[48:56], "little"),
            machine=Machine(components=body[:16]),
        )
        ours = emitted.evidence
        assert ours[:28] == real[:28]  # what follows identifies the machine
        assert ours[44:432] == real[44:432]
        assert _lengths(ours, 432) == len(ours) - 432
        assert ours[1052 - 6 : 1052 - 4] == real[1052 - 6 : 1052 - 4]  # a chain, of type 5
        assert ours[1012:1046] == real[1012:1046]  # what the quoting enclave adds
        assert ours.endswith(b"-----END CERTIFICATE-----\n\0")
        assert real.endswith(b"-----END CERTIFICATE-----\n\0")

    def test_with_the_contents_of_a_real_quote_of_tdx_it_has_its_body(self, intel, at):
        real = vector("tdx_v4_uptodate.quote.bin")
        body = real[48:632]
        emitted = intel.attest_tdx(
            body[520:],
            at=at,
            mrseam=body[16:64],
            mrtd=body[136:184],
            rtmrs=[body[328 + 48 * index :][:48] for index in range(4)],
            td_attributes=int.from_bytes(body[120:128], "little"),
            machine=Machine(tee_tcb_svn=body[:16]),
        )
        ours = emitted.evidence
        assert ours[:28] == real[:28]
        assert ours[44:632] == real[44:632]
        assert _lengths(ours, 632) == len(ours) - 632
        assert ours[764:766] == real[764:766]  # the quoting enclave's report, of type 6
        assert _lengths(ours, 766) == len(ours) - 766
        assert ours[1218:1252] == real[1218:1252]
        assert emitted.event_log is None

    def test_a_quote_of_version_5_names_its_body(self, intel, at):
        service = b"\x05" * 48
        quote = intel.attest_tdx(DATA, at=at, version=5, mrservicetd=service).evidence
        assert quote[:2] == b"\x05\x00"
        assert quote[48:54] == (3).to_bytes(2, "little") + (648).to_bytes(4, "little")
        assert quote[54 + 600 : 54 + 648] == service
        assert quote[54:70] == quote[54 + 584 : 54 + 600] == intel.machine.tee_tcb_svn
        assert type(dcap_qvl.parse_quote(quote).report).__name__ == "PyTdReport15"

    @pytest.mark.parametrize(
        ("name", "ca"), [("sgx_v3_confsw", "processor"), ("tdx_v4_uptodate", "platform")]
    )
    def test_with_the_contents_of_a_real_certificate_it_has_its_extension(self, name, ca):
        leaf, *_ = pem_chain(vector(f"{name}.quote.bin"))
        real = leaf.extensions.get_extension_for_oid(EXTENSION).value.value
        says = dcap_qvl.parse_pck_extension_from_pem(leaf.public_bytes(Encoding.PEM))
        machine = Machine(
            ca=ca,
            ppid=says.ppid,
            components=says.cpu_svn,
            pce_svn=says.pce_svn,
            pce_id=says.pce_id,
            fmspc=says.fmspc,
            instance_id=says.platform_instance_id or bytes(16),
            dynamic_platform=True,
            cached_keys=True,
            smt_enabled=True,
        )
        assert machine.extension().value == real

    @pytest.mark.parametrize("name", ["sgx_v3_confsw", "tdx_v4_uptodate"])
    def test_the_chain_has_the_kinds_of_a_real_one(self, intel, at, name):
        real = pem_chain(vector(f"{name}.quote.bin"))
        machine = Machine(ca="processor" if name.startswith("sgx") else "platform")
        ours = pem_chain(intel.attest_sgx(DATA, at=at, machine=machine).evidence)
        assert [_kind(c) for c in ours] == [_kind(c) for c in real]

    @pytest.mark.parametrize("name", ["sgx_v3_confsw", "tdx_v4_uptodate"])
    def test_the_collateral_has_the_members_of_a_real_one(self, intel, at, name):
        real = json.loads(vector(f"{name}.collateral.json"))
        attest = intel.attest_sgx if name.startswith("sgx") else intel.attest_tdx
        emitted = attest(DATA, at=at, tcb_status="OutOfDate", advisories=["INTEL-SA-1"])
        ours = json.loads(emitted.collateral[0])
        assert list(ours) == list(real)
        for statement in ("tcb_info", "qe_identity"):
            assert _shape(json.loads(ours[statement])) == _shape(json.loads(real[statement]))
            assert " " not in ours[statement]


def _lengths(data, offset):
    return 4 + int.from_bytes(data[offset : offset + 4], "little")


def _kind(certificate):
    extensions = certificate.extensions
    return (
        certificate.public_key().curve.name,
        certificate.signature_algorithm_oid,
        extensions.get_extension_for_class(x509.BasicConstraints).value,
        extensions.get_extension_for_class(x509.KeyUsage).value,
    )


def _shape(value):
    """Names of members in their order, and kinds of values; optional members of lists together."""
    if isinstance(value, dict):
        optional = {"category", "type", "advisoryIDs"}
        return {name: _shape(member) for name, member in value.items() if name not in optional}
    if isinstance(value, list):
        return _shape(value[0])
    return type(value)


class TestGood:
    def test_is_accepted_under_the_root_that_is_given(self, attest, intel, at):
        emitted = attest()
        _strict(emitted, intel.root, at)
        report = dcap_qvl.verify_with_root_ca(
            emitted.evidence, _collateral(emitted), intel.root, int(at.timestamp())
        )
        assert (report.status, report.advisory_ids) == ("UpToDate", [])
        assert report.ppid == intel.machine.ppid

    def test_is_refused_under_intels_own_root(self, attest, at):
        emitted, now = attest(), int(at.timestamp())
        with pytest.raises(ValueError, match="InvalidCrlSignatureForPublicKey"):
            dcap_qvl.verify(emitted.evidence, _collateral(emitted), now)
        with pytest.raises(ValueError, match="Verification failed"):
            _strict(emitted, None, at)

    def test_an_enclave_says_what_it_is_given(self, intel, at):
        given = {
            "mrenclave": b"\x01" * 32,
            "mrsigner": b"\x02" * 32,
            "isv_prod_id": 3,
            "isv_svn": 4,
        }
        body = _body(_claims(intel.attest_sgx(DATA, at=at, **given), intel.root, at))
        assert body["mr_enclave"] == "01" * 32
        assert body["mr_signer"] == "02" * 32
        assert (body["isv_prod_id"], body["isv_svn"]) == (3, 4)
        assert body["attributes"] == "0500000000000000e700000000000000"
        assert body["report_data"] == DATA.hex()

    @pytest.mark.parametrize("version", [4, 5])
    def test_a_domain_says_what_it_is_given(self, intel, at, version):
        names = ("mrtd", "mrconfigid", "mrowner", "mrownerconfig", "mrseam")
        given = {name: bytes([index]) * 48 for index, name in enumerate(names, 1)}
        rtmrs = [bytes([0x10 + index]) * 48 for index in range(4)]
        emitted = intel.attest_tdx(DATA, at=at, version=version, rtmrs=rtmrs, **given)
        body = _body(_claims(emitted, intel.root, at))
        theirs = ("mr_td", "mr_config_id", "mr_owner", "mr_owner_config", "mr_seam")
        assert [body[name] for name in theirs] == [value.hex() for value in given.values()]
        assert [body[f"rt_mr{index}"] for index in range(4)] == [value.hex() for value in rtmrs]
        assert body["td_attributes"] == "0000001000000000"
        assert body["report_data"] == DATA.hex()

    @pytest.mark.parametrize("ca", ["platform", "processor"])
    def test_a_machine_is_named(self, attest, intel, at, ca):
        machine = Machine(ca=ca)
        emitted = attest(machine=machine)
        pck = _claims(emitted, intel.root, at)["platform"]["pck"]
        assert bytes(pck["ppid"]) == machine.ppid
        instance = pck["platform_instance_id"]
        assert instance == (list(machine.instance_id) if ca == "platform" else None)
        assert dcap_qvl.parse_quote(emitted.evidence).ca() == ca

    def test_old_statements_hold_until_they_expire(self, attest, intel, at):
        emitted = attest(issued=at - timedelta(days=29))
        claims = _claims(emitted, intel.root, at)
        age = int(at.timestamp()) - claims["latest_issue_date"]
        assert age == 29 * 86_400
        assert "expired" in _refusal(emitted, intel.root, at + timedelta(days=2)).lower()


class TestLevels:
    @pytest.mark.parametrize("status", STATUSES)
    def test_a_status_and_its_advisories_are_in_the_claims(self, attest, intel, at, status):
        emitted = attest(tcb_status=status, advisories=["INTEL-SA-00615", "INTEL-SA-00289"])
        tcb = _claims(emitted, intel.root, at)["tcb"]
        assert tcb["status"] == status
        assert sorted(tcb["advisory_ids"]) == ["INTEL-SA-00289", "INTEL-SA-00615"]
        if status != "UpToDate":
            with pytest.raises(ValueError, match=f"TCB status {status} is not acceptable"):
                _strict(emitted, intel.root, at)

    def test_a_revoked_level_is_refused(self, attest, intel, at):
        assert "TCB status is invalid: Revoked" in _refusal(
            attest(tcb_status="Revoked"), intel.root, at
        )

    @pytest.mark.parametrize("status", [*STATUSES, "Revoked"])
    def test_who_is_behind_has_somebody_ahead(self, intel, at, status):
        part = "OutOfDate" if status.startswith("OutOfDate") else "UpToDate"
        emitted = intel.attest_tdx(
            DATA, at=at, tcb_status=status, qe_status=part, module_status=part
        )
        document = json.loads(emitted.collateral[0])
        info, identity = json.loads(document["tcb_info"]), json.loads(document["qe_identity"])
        first = "UpToDate" if status.startswith(("OutOfDate", "Revoked")) else status
        assert info["tcbLevels"][0]["tcbStatus"] == first
        (module,) = info["tdxModuleIdentities"]
        for levels in (identity["tcbLevels"], module["tcbLevels"]):
            assert [level["tcbStatus"] for level in levels] == (
                ["UpToDate"] if part == "UpToDate" else ["UpToDate", "OutOfDate"]
            )

    @pytest.mark.parametrize("of", ["qe_status", "module_status"])
    def test_the_level_of_a_part_is_that_of_the_whole(self, intel, at, of):
        behind = intel.attest_tdx(DATA, at=at, **{of: "OutOfDate"})
        assert _claims(behind, intel.root, at)["tcb"]["status"] == "OutOfDate"
        revoked = intel.attest_tdx(DATA, at=at, **{of: "Revoked"})
        assert "Revoked" in _refusal(revoked, intel.root, at)

    def test_the_number_of_an_evaluation_is_in_the_claims(self, attest, intel, at):
        emitted = attest(evaluation_number=16)
        assert _claims(emitted, intel.root, at)["tcb"]["eval_data_number"] == 16
        least = dcap_qvl.QuotePolicy.strict(int(at.timestamp())).min_tcb_eval_data_number(17)
        with pytest.raises(ValueError, match="16 is below minimum 17"):
            _strict(emitted, intel.root, at, least)

    @pytest.mark.parametrize(
        ("flag", "words"),
        [
            ("dynamic_platform", "Dynamic platform"),
            ("cached_keys", "Cached keys"),
            ("smt_enabled", "SMT"),
        ],
    )
    def test_the_configuration_of_a_machine_is_in_the_claims(self, attest, intel, at, flag, words):
        flags: dict[str, Any] = {flag: True}
        emitted = attest(machine=Machine(**flags))
        assert _claims(emitted, intel.root, at)["platform"]["pck"][flag] == "True"
        with pytest.raises(ValueError, match=words):
            _strict(emitted, intel.root, at)


EVIDENCE = {
    IntelFault.BAD_SIGNATURE: "ISV enclave report signature is invalid",
    IntelFault.BAD_QE_SIGNATURE: "Signature is invalid for qe_report in quote",
    IntelFault.BAD_QE_BINDING: "QE report hash mismatch",
    IntelFault.EXPIRED_LEAF: "CertExpired",
    IntelFault.FUTURE_LEAF: "CertNotValidYet",
    IntelFault.FORGED_LEAF: "InvalidSignatureForPublicKey",
}
COLLATERAL = {
    IntelFault.BAD_TCB_SIGNATURE: ("tcb_info_signature", "invalid for tcb_info"),
    IntelFault.BAD_IDENTITY_SIGNATURE: ("qe_identity_signature", "invalid for qe_identity"),
    IntelFault.IDENTITY_MISMATCH: ("qe_identity", "QE MRSIGNER mismatch"),
    IntelFault.REVOKED_LEAF: ("pck_crl", "CertRevoked"),
    IntelFault.REVOKED_INTERMEDIATE: ("root_ca_crl", "CertRevoked"),
    IntelFault.EXPIRED_TCB: ("tcb_info", "TCBInfo expired"),
    IntelFault.EXPIRED_IDENTITY: ("qe_identity", "QE Identity expired"),
    IntelFault.EXPIRED_LEAF_LIST: ("pck_crl", "CrlExpired"),
    IntelFault.EXPIRED_ROOT_LIST: ("root_ca_crl", "CrlExpired"),
}


class TestBad:
    def test_every_fault_is_tested(self):
        assert EVIDENCE.keys() | COLLATERAL.keys() == set(IntelFault)

    @pytest.mark.parametrize(("fault", "words"), EVIDENCE.items())
    def test_evidence_is_refused_for_its_fault_alone(self, attest, intel, at, fault, words):
        bad, good = attest(faults=[fault]), attest()
        assert words in _refusal(bad, intel.root, at)
        _strict(replace(good, collateral=bad.collateral), intel.root, at)

    @pytest.mark.parametrize(("fault", "expected"), COLLATERAL.items())
    def test_collateral_is_refused_for_its_fault_alone(self, attest, intel, at, fault, expected):
        """Once the faulty document, with its signature, is replaced, everything holds."""
        name, words = expected
        bad, good = attest(faults=[fault]), attest()
        assert words in _refusal(bad, intel.root, at)
        ours, theirs = json.loads(bad.collateral[0]), json.loads(good.collateral[0])
        statement = name.removesuffix("_signature")
        for member in {statement, f"{statement}_signature"} & ours.keys():
            ours[member] = theirs[member]
        _strict(replace(bad, collateral=(json.dumps(ours).encode(),)), intel.root, at)

    @pytest.mark.parametrize(
        ("fault", "hours"),
        [
            (IntelFault.EXPIRED_LEAF, -18),
            (IntelFault.FUTURE_LEAF, 18),
            (IntelFault.EXPIRED_TCB, -18),
            (IntelFault.EXPIRED_IDENTITY, -18),
            (IntelFault.EXPIRED_LEAF_LIST, -18),
            (IntelFault.EXPIRED_ROOT_LIST, -18),
        ],
    )
    def test_at_this_time_alone(self, attest, intel, at, fault, hours):
        emitted = attest(faults=[fault])
        _refusal(emitted, intel.root, at)
        _strict(emitted, intel.root, at + timedelta(hours=hours))

    @pytest.mark.parametrize(
        ("days", "words"), [(-40, "TCBInfo expired"), (1, "issue date is in the future")]
    )
    def test_statements_of_another_time(self, attest, intel, at, days, words):
        emitted = attest(issued=at + timedelta(days=days))
        assert words in _refusal(emitted, intel.root, at)
        _strict(emitted, intel.root, at + timedelta(days=days, seconds=1))

    def test_statements_about_another_kind_of_machine(self, attest, intel, at):
        bad = attest(stated_fmspc=b"\x01" * 6)
        assert "Fmspc mismatch" in _refusal(bad, intel.root, at)

    def test_another_instance_is_another_vendor(self, intel, at):
        other = IntelVendor()
        emitted = other.attest_sgx(DATA, at=at)
        _strict(emitted, other.root, at)
        assert "InvalidCrlSignatureForPublicKey" in _refusal(emitted, intel.root, at)
        mixed = replace(emitted, collateral=intel.attest_sgx(DATA, at=at).collateral)
        assert "InvalidSignatureForPublicKey" in _refusal(mixed, intel.root, at)

    def test_an_enclave_under_debug(self, intel, at):
        emitted = intel.attest_sgx(DATA, at=at, attributes=SGX_DEFAULT | SgxAttributes.DEBUG)
        assert "Debug mode is enabled" in _refusal(emitted, intel.root, at)

    @pytest.mark.parametrize("version", [4, 5])
    @pytest.mark.parametrize(
        ("attributes", "words"),
        [
            (TdAttributes.SEPT_VE_DISABLE | TdAttributes.DEBUG, "Debug mode is enabled"),
            (TdAttributes(0), "SEPT_VE_DISABLE is not enabled"),
            (TdAttributes.SEPT_VE_DISABLE | TdAttributes.MIGRATABLE, "TD migration is enabled"),
        ],
    )
    def test_a_domain_that_is_not_sealed(self, intel, at, version, attributes, words):
        emitted = intel.attest_tdx(DATA, at=at, version=version, td_attributes=attributes)
        assert words in _refusal(emitted, intel.root, at)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"mrservicetd": b"\x01" * 48}, "Invalid MR service TD"),
            ({"mrsignerseam": b"\x01" * 48}, "TDX module MRSIGNER mismatch"),
            ({"seam_attributes": 1}, "TDX module SEAMATTRIBUTES mismatch"),
        ],
    )
    def test_a_domain_under_something_else_than_intels_module(self, intel, at, arguments, words):
        emitted = intel.attest_tdx(DATA, at=at, version=5, **arguments)
        assert words in _refusal(emitted, intel.root, at)


class TestRefused:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"mrenclave": bytes(48)}, "mrenclave has 48 bytes; the layout takes exactly 32"),
            ({"isv_svn": 1 << 16}, "isv_svn is 65536; the layout has 2 bytes"),
            ({"tcb_status": "Fine"}, "tcb_status is 'Fine'; known are UpToDate"),
            ({"qe_status": "SWHardeningNeeded"}, "qe_status is"),
            ({"faults": "bad signature"}, "a fault is 'b'"),
            ({"stated_fmspc": b""}, "stated_fmspc has 0 bytes"),
        ],
    )
    def test_what_does_not_fit_an_enclave(self, intel, at, arguments, words):
        with pytest.raises(ValueError, match=words):
            intel.attest_sgx(DATA, at=at, **arguments)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"mrtd": bytes(32)}, "mrtd has 32 bytes; the layout takes exactly 48"),
            ({"rtmrs": [bytes(48)] * 3}, "3 registers; a domain has 4"),
            ({"rtmrs": [bytes(47)] * 4}, "RTMR0 has 47 bytes"),
            ({"version": 3}, "version 3 of TDX; SGX has 3, TDX has 4 and 5"),
            ({"mrservicetd": b"\x01" * 48}, "version 4 has no MRSERVICETD"),
        ],
    )
    def test_what_does_not_fit_a_domain(self, intel, at, arguments, words):
        with pytest.raises(ValueError, match=words):
            intel.attest_tdx(DATA, at=at, **arguments)

    def test_a_machine_of_other_sizes(self):
        with pytest.raises(ValueError, match="ppid has 8 bytes"):
            Machine(ppid=bytes(8))

    def test_a_machine_of_no_known_issuer(self):
        with pytest.raises(ValueError, match="ca is 'root'; known are platform, processor"):
            Machine(ca="root")  # type: ignore[arg-type]
