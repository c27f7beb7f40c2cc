"""What the simulator promises of itself: its own roots, no secrets outside, no way in."""

import ast
import copy
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from importlib.metadata import requires
from pathlib import Path

import cbor2
import confide_sim
import pytest
from confide_sim import der, pki
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from tests.simulator.vectors import pem_chain, vector

SOURCES = sorted(Path(confide_sim.__file__).parent.glob("*.py"))
DATA = bytes(64)
NOTICE = "confide simulator, not hardware"


@pytest.fixture(params=["amd", "intel", "aws"])
def vendor(request):
    return request.getfixturevalue(request.param)


def _chains(amd, intel, aws, at):
    for pem in amd.attest(DATA, at=at).collateral[:3]:
        yield x509.load_pem_x509_certificate(pem)
    yield from pem_chain(intel.attest_sgx(DATA, at=at).evidence)
    fields = cbor2.loads(cbor2.loads(aws.attest(at=at).evidence)[2])
    for certificate in (*fields["cabundle"], fields["certificate"]):
        yield x509.load_der_x509_certificate(certificate)


class TestRoots:
    def test_is_a_root_that_signed_itself(self, vendor):
        root = x509.load_der_x509_certificate(vendor.root)
        root.verify_directly_issued_by(root)
        assert root.public_bytes(Encoding.DER) == vendor.root

    def test_each_instance_has_its_own(self, amd, other_amd):
        assert amd.root != other_amd.root
        assert confide_sim.IntelVendor().root != confide_sim.IntelVendor().root
        assert confide_sim.AwsVendor().root != confide_sim.AwsVendor().root

    def test_every_certificate_says_that_there_is_no_hardware(self, amd, intel, aws, at):
        for certificate in _chains(amd, intel, aws, at):
            (organisation,) = certificate.subject.get_attributes_for_oid(
                x509.NameOID.ORGANIZATION_NAME
            )
            assert organisation.value == NOTICE
            assert certificate.serial_number > 0

    def test_no_certificate_has_the_name_of_a_real_one(self, amd, intel, aws, at):
        real = [
            *x509.load_pem_x509_certificates(vector("snp_milan_ask_ark_asvk.pem")),
            *pem_chain(vector("sgx_v3_confsw.quote.bin")),
            *x509.load_pem_x509_certificates(vector("aws_nitro_root_g1.pem")),
        ]
        names = {certificate.subject for certificate in real}
        assert not names & {c.subject for c in _chains(amd, intel, aws, at)}

    def test_no_function_takes_a_root_or_a_key(self, vendor):
        with pytest.raises(TypeError):
            type(vendor)(vendor.root)


class TestSecrets:
    def test_a_repr_shows_the_root_alone(self, vendor):
        fingerprint = x509.load_der_x509_certificate(vendor.root).fingerprint(SHA256()).hex()
        expected = f"{type(vendor).__name__}({NOTICE}; SHA-256 of the root: {fingerprint})"
        assert repr(vendor) == expected

    def test_an_authority_shows_no_key(self, vendor):
        assert "key" not in repr(vendor._root).lower()

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
    def test_keys_stay_where_they_are(self, vendor, copied):
        """What copies an object would also write it down."""
        with pytest.raises(TypeError, match="stay in the memory they were made in"):
            copied(vendor)

    def test_evidence_holds_no_private_key(self, amd, intel, aws, at):
        for emitted in (
            amd.attest(DATA, at=at),
            intel.attest_tdx(DATA, at=at, events=[]),
            aws.attest(at=at),
        ):
            everything = b"".join((emitted.evidence, *emitted.collateral, emitted.event_log or b""))
            assert b"PRIVATE" not in everything


class TestTimes:
    @pytest.mark.parametrize("year", [2017, 2050])
    def test_a_time_outside_of_the_roots_life(self, intel, at, year):
        with pytest.raises(ValueError, match="the simulated roots live from 2018 to 2049"):
            intel.attest_sgx(DATA, at=at.replace(year=year))

    def test_a_time_without_a_zone(self, amd, intel, aws):
        naive = datetime(2026, 1, 1)  # noqa: DTZ001 - what is refused
        for attest in (
            lambda: amd.attest(DATA, at=naive),
            lambda: intel.attest_tdx(DATA, at=naive),
            lambda: intel.attest_sgx(DATA, at=naive.astimezone(), issued=naive),
            lambda: aws.attest(at=naive),
        ):
            with pytest.raises(ValueError, match="no time zone"):
                attest()

    def test_zones_are_one(self, aws, at):
        east = at.astimezone(tz=timezone(timedelta(hours=9)))
        stamps = [
            cbor2.loads(cbor2.loads(aws.attest(at=time).evidence)[2])["timestamp"]
            for time in (at, east)
        ]
        assert stamps[0] == stamps[1]


class TestPackage:
    def test_public_names_are_sorted_and_there(self):
        names = confide_sim.__all__
        assert list(names) == sorted(names)
        assert all(hasattr(confide_sim, name) for name in names)

    def test_does_not_need_confide(self):
        assert not any(line.startswith("confide") for line in requires("confide-sim") or [])
        script = (
            "import sys, confide_sim\n"
            "print([m for m in sys.modules if m == 'confide' or m.startswith('confide.')])"
        )
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
        assert ran.stdout.strip() == b"[]"

    @pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
    def test_asks_neither_the_environment_nor_the_network(self, path):
        modules = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                modules.add(str(node.module).partition(".")[0])
        forbidden = {"confide", "http", "os", "pickle", "random", "socket", "urllib"}
        if path.name == "serving.py":  # it answers at a socket in a folder of this machine
            forbidden -= {"socket"}
            assert "AF_INET" not in path.read_text(encoding="utf-8")
        assert not modules & forbidden
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


class TestDer:
    @pytest.mark.parametrize(
        ("encoded", "expected"),
        [
            (der.integer(0), "020100"),
            (der.integer(127), "02017f"),
            (der.integer(128), "02020080"),
            (der.integer(255), "020200ff"),
            (der.integer(256), "02020100"),
            (der.enumerated(1), "0a0101"),
            (der.boolean(value=True), "0101ff"),
            (der.boolean(value=False), "010100"),
            (der.ia5_string("Milan"), "16054d696c616e"),
            (der.octets(bytes(128))[:3], "048180"),
            (der.octets(bytes(256))[:4], "04820100"),
            (der.sequence(der.integer(1), der.octets(b"")), "30050201010400"),
            (der.oid("1.2.840.113741.1.13.1"), "06092a864886f84d010d01"),
        ],
    )
    def test_values(self, encoded, expected):
        assert encoded.hex() == expected


def test_the_validity_of_a_root_covers_every_time_it_takes():
    assert pki.LIFE == (pki.FOUNDED, pki.ENDS)
