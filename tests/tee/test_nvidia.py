"""NVIDIA's GPUs, on a real H100's report and the manifests that NVIDIA signed for it."""

import base64
import hashlib
import json
import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384
from tests.simulator.vectors import vector
from tests.tee import support
from typer.testing import CliRunner

from confide.cli.commands import app
from confide.errors import AttestationError, PlanError, Step
from confide.tee import Collateral, Expected, nvidia, rim, spdm, verify_peer, xmlsig
from confide.tee.attestation import Platform
from confide.tee.certificates import load_certificate, pem_blocks, to_pem
from confide.tee.evidence import Evidence
from confide.tee.nvidia import GpuEvidence, GpuPolicy, gpu_nonce, read_gpus, verify_gpus
from confide.tee.policyfile import read_policy
from confide.tee.roots import vendor_roots
from confide.tee.workload import Workload, WorkloadKeys

AT = datetime(2025, 6, 1, tzinfo=UTC)
REPORT = vector("nvidia_gh100.report.bin")
CHAIN = vector("nvidia_gh100.chain.pem")
DRIVER = vector("nvidia_gh100_driver_550.90.07.rim.xml")
VBIOS = vector("nvidia_gh100_vbios_96009f0001.rim.xml")
NONCE = REPORT[4:36]
POLICY = GpuPolicy("550.90.07", "96.00.9F.00.01", revocation_lists=False)
REAL = (GpuEvidence(REPORT, CHAIN),)
ROOT = vendor_roots()["nvidia-rim"]


def verified(
    *, report=REPORT, chain=CHAIN, policy=POLICY, nonce=NONCE, rims=(DRIVER, VBIOS), at=AT
):
    return verify_gpus([GpuEvidence(report, chain)], policy, nonce, manifests=rims, lists=[], at=at)


def refused(step, match, **changes):
    with pytest.raises(AttestationError, match=match) as raised:
        verified(**changes)
    assert raised.value.step is step


class TestReport:
    def test_a_real_one_holds_with_its_manifests(self):
        (gpu,) = verified()
        assert (gpu.driver, gpu.vbios) == ("550.90.07", "96.00.9F.00.01")
        assert gpu.expires == datetime(2026, 2, 22, 23, 17, 58, tzinfo=UTC)

    @pytest.mark.parametrize("at", [*range(0, len(REPORT), 97), len(REPORT) - 1])
    def test_of_no_byte_a_bit_can_be_changed(self, at):
        changed = bytearray(REPORT)
        changed[at] ^= 1
        with pytest.raises(AttestationError) as raised:
            verified(report=bytes(changed))
        assert raised.value.step in (Step.PARSE, Step.ROOT)

    @pytest.mark.parametrize("keep", [0, 36, 37, 44, 45, 1000, 3372, 4020, 4116])
    def test_that_ends_too_early(self, keep):
        refused(Step.PARSE, "too early|begins with no|no block", report=REPORT[:keep])

    def test_with_bytes_after_its_end(self):
        refused(Step.PARSE, "after its end", report=REPORT + b"\0")

    def test_that_is_larger_than_any(self):
        refused(Step.PARSE, "at most 16,384", report=REPORT + bytes(20_000))

    def test_a_field_that_stands_twice(self):
        start = 37 + 8 + int.from_bytes(REPORT[42:45], "little") + 32
        field = struct.pack("<HH", 11, 1) + b"\x55"
        (size,) = struct.unpack_from("<H", REPORT, start)
        longer = struct.pack("<H", size + len(field)) + REPORT[start + 2 : start + 2 + size] + field
        refused(Step.PARSE, "twice", report=REPORT[:start] + longer + REPORT[-96:])

    def test_another_gpus_signature(self):
        other = vector("nvidia_gh100_590.12.report.bin")
        refused(Step.ROOT, "FWID", report=other, nonce=other[4:36])

    def test_a_gpu_among_others_is_refused(self):
        """A real GPU in protected PCIe mode: everything that it signs holds."""
        report = vector("nvidia_gh100_590.12.report.bin")
        chain = vector("nvidia_gh100_590.12.chain.pem")
        refused(Step.GPU, "together with others", report=report, chain=chain, nonce=report[4:36])

    def test_firmware_is_bound_to_the_certificate(self):
        """The FWID is compared before the signature, so a report of other firmware names it."""
        at = REPORT.index(spdm.parse(REPORT).firmware)
        changed = REPORT[:at] + bytes(48) + REPORT[at + 48 :]
        refused(Step.ROOT, "FWID", report=changed)


class TestChain:
    def certificates(self):
        return [load_certificate(der) for _, der in pem_blocks(CHAIN)]

    def test_another_gpus(self):
        refused(Step.ROOT, "FWID", chain=vector("nvidia_gh100_590.12.chain.pem"))

    def test_another_root(self):
        refused(Step.ROOT, "not pinned", chain=to_pem([*self.certificates()[:-1], ROOT]))

    def test_without_one_of_its_certificates(self):
        refused(Step.PARSE, "4 PEM blocks", chain=to_pem(self.certificates()[1:]))

    def test_in_another_order(self):
        leaf, rom, *above = self.certificates()
        refused(Step.ROOT, "is not signed by", chain=to_pem([rom, leaf, *above]))

    def test_before_it_began(self):
        at = datetime(2022, 1, 1, tzinfo=UTC)
        refused(Step.FRESHNESS, "valid from 2022", at=at)

    def test_revocation_lists_are_asked_for(self):
        policy = replace(POLICY, revocation_lists=True)
        refused(Step.ROOT, "no revocation list that 'NVIDIA GH100 Identity'", policy=policy)


class TestRevocation:
    """With an authority made here: NVIDIA's keys sign no list for tests."""

    KEY = ec.generate_private_key(ec.SECP384R1())
    NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])

    def certificate(self, *, names_list):
        day = timedelta(days=1)
        made = (
            x509.CertificateBuilder(self.NAME, self.NAME, self.KEY.public_key(), 7)
            .not_valid_before(AT - day)
            .not_valid_after(AT + day)
        )
        if names_list:
            where = [x509.UniformResourceIdentifier("http://crl.example/list")]
            point = x509.DistributionPoint(where, None, None, None)
            made = made.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        return made.sign(self.KEY, SHA384())

    def list_of(self, *serials, ends=1):
        made = x509.CertificateRevocationListBuilder(self.NAME, AT, AT + timedelta(days=ends))
        for serial in serials:
            revoked = x509.RevokedCertificateBuilder(serial, AT).build()
            made = made.add_revoked_certificate(revoked)
        return made.sign(self.KEY, SHA384())

    def checked(self, *lists, required=True, names_list=True, at=AT):
        path = [self.certificate(names_list=names_list)] * 2
        return nvidia._check_revocation(path, lists, at, required=required)

    def test_a_current_list_limits_how_long_it_holds(self):
        assert self.checked(self.list_of(8)) == [AT + timedelta(days=1)]

    @pytest.mark.parametrize("required", [True, False])
    def test_what_is_on_a_list_is_refused(self, required):
        with pytest.raises(AttestationError, match="revoked by its vendor"):
            self.checked(self.list_of(7), self.list_of(), required=required)

    def test_an_old_list_is_none(self):
        with pytest.raises(AttestationError, match="fetch a new one"):
            self.checked(self.list_of(), at=AT + timedelta(days=2))

    def test_without_a_list(self):
        with pytest.raises(AttestationError, match="no revocation list that 'authority'"):
            self.checked()
        assert self.checked(required=False) == self.checked(names_list=False) == []


class TestManifests:
    @pytest.mark.parametrize("missing", [DRIVER, VBIOS])
    def test_without_one_nothing_holds(self, missing):
        rims = [document for document in (DRIVER, VBIOS) if document != missing]
        refused(Step.MEASUREMENT, "no manifest", rims=rims)

    @pytest.mark.parametrize(
        ("kept", "name"),
        [
            (VBIOS, "nvidia_gh100_driver_550.144.03.rim.xml"),
            (DRIVER, "nvidia_gh100_vbios_960074001a.rim.xml"),
        ],
    )
    def test_of_another_version(self, kept, name):
        assert rim.read(vector(name), ROOT).active
        refused(Step.MEASUREMENT, "no manifest", rims=[kept, vector(name)])

    def test_others_beside_them_do_no_harm(self):
        others = [vector("nvidia_gh100_driver_550.144.03.rim.xml"), b"<none/>", DRIVER]
        assert verified(rims=[*others, VBIOS, DRIVER])

    def test_after_their_signers_certificates_ended(self):
        refused(Step.FRESHNESS, "HCC RIM L4", at=datetime(2026, 2, 23, tzinfo=UTC))

    @pytest.mark.parametrize("at", range(200, len(DRIVER), 1009))
    def test_of_no_byte_a_bit_can_be_changed(self, at):
        changed = bytearray(DRIVER)
        changed[at] ^= 1
        try:
            found = rim.read(bytes(changed), ROOT)
        except AttestationError:
            return
        # Only white space and line ends in the base64 of the signature and its certificates.
        assert found.active == rim.read(DRIVER, ROOT).active
        assert DRIVER.index(b"<ds:SignatureValue>") < at

    def test_with_a_changed_value(self):
        value = next(iter(rim.read(DRIVER, ROOT).active[7])).hex().encode()
        changed = DRIVER.replace(value, b"0" * 96)
        assert changed != DRIVER
        refused(Step.ROOT, "changed after it was signed", rims=[changed, VBIOS])

    def test_with_a_digest_that_fits_the_changed_value(self):
        value = next(iter(rim.read(DRIVER, ROOT).active[7])).hex().encode()
        changed = DRIVER.replace(value, b"0" * 96)
        whole = xmlsig._parse(changed)
        content = xmlsig._canonical(whole, {}, without=whole.elements[-1])
        digest = base64.b64encode(hashlib.sha384(content).digest())
        start, end = (changed.index(t) for t in (b"<ds:DigestValue>", b"</ds:DigestValue>"))
        forged = changed[: start + 16] + digest + changed[end:]
        refused(Step.ROOT, "not signed by the key of its chain", rims=[forged, VBIOS])

    def test_of_another_root(self):
        with pytest.raises(AttestationError, match="not pinned"):
            rim.read(DRIVER, vendor_roots()["nvidia-device"])

    def test_a_report_with_a_value_that_no_manifest_lists(self, monkeypatch):
        measured = list(spdm.parse(REPORT).measurements)
        for index in (0, 35, 40):
            wrong = [*measured]
            wrong[index] = bytes(47) + b"\1"
            report = replace(spdm.parse(REPORT), measurements=tuple(wrong))
            monkeypatch.setattr(spdm, "parse", lambda _, report=report: report)
            refused(Step.MEASUREMENT, f"measurements {index} are none")
            monkeypatch.undo()


class TestSignatureWrapping:
    SIGNATURE = DRIVER[DRIVER.index(b"<ds:Signature ") : DRIVER.index(b"</SoftwareIdentity>")]
    BODY = DRIVER.replace(SIGNATURE, b"")

    def parse_error(self, document, match):
        with pytest.raises(AttestationError, match=match) as raised:
            rim.read(document, ROOT)
        assert raised.value.step is Step.PARSE

    def test_two_signatures(self):
        end = b"</SoftwareIdentity>"
        self.parse_error(DRIVER.replace(end, self.SIGNATURE + end), "exactly one signature")

    def test_none(self):
        self.parse_error(self.BODY, "exactly one signature")

    def test_a_signature_that_is_not_last(self):
        end = b"</SoftwareIdentity>"
        self.parse_error(DRIVER.replace(end, b"<Payload/>" + end), "last element")

    def test_the_signed_document_inside_of_another(self):
        self.parse_error(b"<SoftwareIdentity>" + DRIVER + b"</SoftwareIdentity>", "last element")

    def test_the_signed_document_inside_of_the_signature(self):
        """The attacker's body carries the old signature, and in it an object with the old body."""
        inner = self.SIGNATURE.replace(
            b"</ds:Signature>", b"<ds:Object>" + self.BODY + b"</ds:Object></ds:Signature>"
        )
        document = self.BODY.replace(b"550.90.07", b"550.90.08")
        wrapped = document.replace(b"</SoftwareIdentity>", inner + b"</SoftwareIdentity>")
        self.parse_error(wrapped, "other parts")

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b'URI=""', b'URI="#body"'),
            (b"ecdsa-sha384", b"hmac-sha384"),
            (b"xmldsig-more#sha384", b"xmlenc#sha256"),
            (b"#enveloped-signature", b"#base64"),
        ],
    )
    def test_another_procedure(self, old, new):
        assert old in self.SIGNATURE
        changed = DRIVER.replace(self.SIGNATURE, self.SIGNATURE.replace(old, new))
        self.parse_error(changed, "another procedure")

    @pytest.mark.parametrize(
        ("before", "match"),
        [
            (b'<!DOCTYPE S [<!ENTITY e SYSTEM "file:///etc/passwd">]>', "document type"),
            (b"<!-- a comment -->", "comment"),
            (b"<?php ?>", "processing instruction"),
            (b"<a" * 40 + b">", "not XML"),
            (b"<a>" * 40, "16 deep"),
            (b" " * 200_000, "at most 131,072"),
        ],
    )
    def test_what_is_not_of_a_manifest(self, before, match):
        self.parse_error(before + DRIVER, match)

    def test_an_attribute_of_xml(self):
        self.parse_error(
            DRIVER.replace(b' name="GH100"', b' xml:base="x" name="GH100"'), "xml:base"
        )


class TestBinding:
    DATA = bytes(range(64))

    def test_the_nonce_depends_on_both(self):
        nonces = {
            gpu_nonce(data, nonce)
            for data in (self.DATA, self.DATA[::-1])
            for nonce in (bytes(32), b"\1" * 32)
        }
        assert len(nonces) == 4

    def test_it_is_what_an_attester_can_compute(self):
        said = b"confide gpu nonce 1\0" + self.DATA + bytes(32)
        assert gpu_nonce(self.DATA, bytes(32)) == hashlib.sha256(said).digest()

    def test_nothing_else_is_asked_with(self):
        refused(Step.GPU, "another nonce", nonce=gpu_nonce(self.DATA, bytes(32)))

    @pytest.mark.parametrize(
        ("data", "nonce"), [(b"", bytes(32)), (bytes(64), b""), (bytes(65), bytes(31))]
    )
    def test_of_other_lengths(self, data, nonce):
        with pytest.raises(AttestationError, match="is bound"):
            gpu_nonce(data, nonce)


class TestPolicy:
    @pytest.mark.parametrize(
        ("asked", "match"),
        [({"driver": "550.90.08"}, "driver is 550"), ({"driver": "560.1"}, "driver is"),
         ({"vbios": "96.00.9F.00.02"}, "VBIOS is"), ({"vbios": "97.00.00.00.00"}, "VBIOS is")],
    )  # fmt: skip
    def test_older_versions(self, asked, match):
        refused(Step.TCB, match, policy=replace(POLICY, **asked))

    @pytest.mark.parametrize("asked", [{"driver": "535.9999"}, {"vbios": "95.FF.FF.FF.FF"}])
    def test_newer_ones_hold(self, asked):
        assert verified(policy=replace(POLICY, **asked))

    def test_fewer_gpus(self):
        refused(Step.GPU, "of 1 GPUs; the policy asks for 2", policy=replace(POLICY, gpus=2))

    def test_one_gpu_twice(self):
        twice = [GpuEvidence(REPORT, CHAIN)] * 2
        with pytest.raises(AttestationError, match="answered twice"):
            verify_gpus(
                twice, replace(POLICY, gpus=2), NONCE, manifests=(DRIVER, VBIOS), lists=[], at=AT
            )

    @pytest.mark.parametrize(
        "wrong",
        [{"driver": "new"}, {"vbios": "96"}, {"gpus": 0}, {"gpus": 17}, {"architecture": "GB100"}],
    )
    def test_that_cannot_be(self, wrong):
        with pytest.raises(PlanError, match=f"nvidia.{next(iter(wrong))}"):
            replace(POLICY, **wrong)


class TestBesideACpu:
    """A simulated CPU's evidence with claims, and the real GPU's report beside it."""

    def answer(self, instance=b"\4" * 32):
        quoted = support.SimulatedAttester()
        keys = WorkloadKeys(b"\1" * 32, b"\2" * 32)
        workload = Workload(
            quoted, keys, "aggregate", support.BUILD, b"\3" * 32, "fed-avg", instance, 0,
            timedelta(minutes=5),
        )  # fmt: skip
        return workload.answer(b"\5" * 32, support.NOW)

    def peer(self, monkeypatch, *, gpus=REAL, asked=POLICY):
        """The GPU was asked with a nonce of its own time, which here stands for the right one."""
        answer = self.answer()
        assert answer.claims is not None
        right = gpu_nonce(answer.claims.report_data, b"\5" * 32)
        of_old = nvidia.gpu_nonce
        monkeypatch.setattr(
            nvidia,
            "gpu_nonce",
            lambda data, nonce: NONCE if of_old(data, nonce) == right else of_old(data, nonce),
        )
        reference = support.reference_of(Platform.SNP, answer.document, support.BUILD)
        policy = support.policy_of(reference, nvidia=asked)
        return replace(answer, gpus=gpus), policy

    def verified(self, evidence, policy, at=support.NOW):
        collateral = Collateral.of([*evidence.collateral, DRIVER, VBIOS])
        return verify_peer(
            evidence,
            policy,
            Expected(b"\5" * 32, "aggregate", b"\3" * 32, "fed-avg"),
            collateral=collateral,
            at=at,
        )

    def refused(self, match, evidence, policy, step=Step.GPU):
        with pytest.raises(AttestationError, match=match) as raised:
            self.verified(evidence, policy)
        assert raised.value.step is step

    @pytest.fixture(autouse=True)
    def at_the_manifests_time(self, monkeypatch):
        """The real manifests' certificates ended before the simulated CPU's time begins."""
        monkeypatch.setattr(rim.Rim, "check_dates", lambda *_: None)

    def test_both_hold_together(self, monkeypatch):
        peer = self.verified(*self.peer(monkeypatch))
        assert peer.attestation.expires <= datetime(2026, 2, 22, 23, 17, 58, tzinfo=UTC)

    def test_without_a_gpu(self, monkeypatch):
        self.refused("evidence of 0 GPUs", *self.peer(monkeypatch, gpus=()))

    def test_a_gpu_beside_another_cpus_evidence(self, monkeypatch):
        evidence, policy = self.peer(monkeypatch)
        other = replace(self.answer(b"\6" * 32), gpus=evidence.gpus)
        self.refused("another nonce", other, policy)

    def test_another_gpu_report_beside_the_same_cpu(self, monkeypatch):
        other = GpuEvidence(
            vector("nvidia_gh100_590.12.report.bin"), vector("nvidia_gh100_590.12.chain.pem")
        )
        self.refused("another nonce", *self.peer(monkeypatch, gpus=(other,)))

    def test_no_gpu_is_read_that_no_policy_asks_for(self, monkeypatch):
        evidence, policy = self.peer(monkeypatch, gpus=(GpuEvidence(b"", b""),), asked=None)
        assert self.verified(evidence, policy)

    def test_the_policys_hash_names_what_is_asked(self, monkeypatch):
        _, policy = self.peer(monkeypatch)
        others = [replace(policy, nvidia=None), replace(policy, nvidia=replace(POLICY, gpus=2))]
        assert len({policy.hash, *(other.hash for other in others)}) == 3

    def test_a_policys_file_reads(self, tmp_path):
        path = tmp_path / "policy.toml"
        path.write_text(
            'nodes = "any"\n[measurements.nitro]\n'
            + "".join(f'pcr{k} = "{"00" * 47}01"\n' for k in range(3))
            + '[nvidia]\ndriver = "550.90.07"\nvbios = "96.00.9F.00.01"\n'
        )
        assert read_policy(path).nvidia == replace(POLICY, revocation_lists=True)


class TestEvidence:
    def json(self):
        item = {"evidence": base64.b64encode(REPORT).decode(), "nonce": "anybody's"}
        return json.dumps([{**item, "certificate": base64.b64encode(CHAIN).decode()}]).encode()

    def test_nvidias_json_reads(self):
        assert read_gpus(self.json()) == (GpuEvidence(REPORT, CHAIN),)

    @pytest.mark.parametrize(
        "text", [b"", b"{}", b"[]", b"[1]", b'[{"evidence": 1}]', b"\xff", b"[" * 9999]
    )
    def test_what_is_none(self, text):
        with pytest.raises(AttestationError, match="NVIDIA's tools"):
            read_gpus(text)

    def test_it_travels_with_the_cpus(self):
        evidence = Evidence(b"document", gpus=(GpuEvidence(REPORT, CHAIN),))
        assert Evidence.from_bytes(evidence.to_bytes()) == evidence

    def test_gpus_that_the_policy_does_not_ask_for_are_not_passed_over(self, tmp_path):
        gpus, policy = tmp_path / "gpus.json", tmp_path / "policy.toml"
        gpus.write_bytes(self.json())
        policy.write_text(
            'nodes = "any"\n[measurements.nitro]\n'
            + "".join(f'pcr{k} = "{"00" * 47}01"\n' for k in range(3))
        )
        asked = ["tee", "verify", str(gpus), "--policy", str(policy), "--gpu", str(gpus)]
        done = CliRunner().invoke(app, asked)
        assert done.exit_code != 0
        assert "[nvidia]" in str(done.exception)

    def test_inspect_says_what_it_states(self, tmp_path):
        gpus, cpu = tmp_path / "gpus.json", tmp_path / "cpu.bin"
        gpus.write_bytes(self.json())
        cpu.write_bytes(vector("snp_milan_v2.report.bin"))
        done = CliRunner().invoke(app, ["tee", "inspect", str(cpu), "--gpu", str(gpus), "--json"])
        assert done.exit_code == 0, done.output
        (said,) = json.loads(done.stdout)["gpus"]
        assert (said["driver"], said["vbios"]) == ("550.90.07", "96.00.9F.00.01")
