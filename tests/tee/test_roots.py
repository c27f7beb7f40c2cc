"""The roots of the vendors: the published ones, and no others."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PSS
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from tests.simulator.vectors import pem_chain, vector
from tests.tee.support import NOW, VENDORS, asked, policy_of, reference_of, vendor

from confide.errors import AttestationError, Step
from confide.tee import Assurance, Platform, Roots, verify
from confide.tee.certificates import load_certificate
from confide.tee.roots import PRODUCTS, vendor_roots

FINGERPRINTS = {
    "intel": "44a0196b2b99f889b8e149e95b807a350e7424964399e885a7cbb8ccfab674d3",
    "Milan": "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd",
    "Genoa": "4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1",
    "Turin": "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a",
    "aws": "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b",
    "nvidia-device": "102bf659d5419614c9d8e6aecebc80454eb26b1df6a769ac720b9a690b167b48",
    "nvidia-rim": "12977b5115acb0381179279fffeb5a8c4d264971ebb32298023a465fa41df5d1",
}
"""SHA-256 of the certificates, as verifiers of other projects pin them, too."""

NAMES = {
    "intel": "Intel SGX Root CA",
    "Milan": "ARK-Milan",
    "Genoa": "ARK-Genoa",
    "Turin": "ARK-Turin",
    "aws": "aws.nitro-enclaves",
    "nvidia-device": "NVIDIA Device Identity CA",
    "nvidia-rim": "NVIDIA CoRIM signing Root CA",
}


def simulated(platform, copy=0):
    return load_certificate(vendor(VENDORS[platform], copy).root)


class TestPinned:
    def test_are_the_published_ones(self):
        found = {name: root.fingerprint(SHA256()).hex() for name, root in vendor_roots().items()}
        assert found == FINGERPRINTS

    @pytest.mark.parametrize("name", NAMES)
    def test_are_authorities_that_signed_themselves(self, name):
        root = vendor_roots()[name]
        root.verify_directly_issued_by(root)
        (common,) = root.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        assert common.value == NAMES[name]
        assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert root.not_valid_before_utc < NOW < root.not_valid_after_utc

    @pytest.mark.parametrize("product", PRODUCTS)
    def test_of_amd_are_of_the_kind_that_it_documents(self, product):
        root = vendor_roots()[product]
        key = root.public_key()
        assert isinstance(key, rsa.RSAPublicKey)
        assert key.key_size == 4096
        assert isinstance(root.signature_algorithm_parameters, PSS)
        assert isinstance(root.signature_hash_algorithm, SHA384)

    @pytest.mark.parametrize(
        ("name", "curve"),
        [
            ("intel", ec.SECP256R1),
            ("aws", ec.SECP384R1),
            ("nvidia-device", ec.SECP384R1),
            ("nvidia-rim", ec.SECP384R1),
        ],
    )
    def test_of_others_are_of_their_curves(self, name, curve):
        key = vendor_roots()[name].public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert isinstance(key.curve, curve)

    def test_are_where_real_evidence_ends(self):
        aws = x509.load_pem_x509_certificate(vector("aws_nitro_root_g1.pem"))
        assert vendor_roots()["aws"] == aws
        for quote in ("sgx_v3_confsw.quote.bin", "tdx_v4_uptodate.quote.bin"):
            assert vendor_roots()["intel"] == pem_chain(vector(quote))[-1]
        _, ark, _ = x509.load_pem_x509_certificates(vector("snp_milan_ask_ark_asvk.pem"))
        assert vendor_roots()["Milan"].public_bytes(Encoding.DER) == ark.public_bytes(Encoding.DER)


class TestOfAPlatform:
    @pytest.mark.parametrize(
        ("platform", "names"),
        [
            (Platform.SGX, ["intel"]),
            (Platform.TDX, ["intel"]),
            (Platform.SNP, list(PRODUCTS)),
            (Platform.NITRO, ["aws"]),
        ],
    )
    def test_are_its_vendors_alone(self, platform, names):
        expected = {name: [(vendor_roots()[name], Assurance.HARDWARE)] for name in names}
        assert Roots().of(platform) == expected

    @pytest.mark.parametrize("platform", list(Platform))
    def test_are_a_simulators_beside_them(self, platform):
        root = simulated(platform)
        roots = Roots({platform: root})
        for name, found in roots.of(platform).items():
            hardware = (vendor_roots()[name], Assurance.HARDWARE)
            assert found == [hardware, (root, Assurance.SIMULATED)]

    def test_are_no_simulator_of_another_platform(self):
        roots = Roots({Platform.SGX: simulated(Platform.SGX)})
        for other in (Platform.TDX, Platform.SNP, Platform.NITRO):
            assert roots.of(other) == Roots().of(other)

    @pytest.mark.parametrize("name", NAMES)
    def test_are_no_vendors_under_a_simulators_name(self, name):
        for platform in Platform:
            with pytest.raises(AttestationError, match="is a vendor's root") as raised:
                Roots({platform: vendor_roots()[name]})
            assert raised.value.step is Step.ROOT


@pytest.mark.parametrize("platform", list(Platform))
class TestSimulatedEvidence:
    """Accepted by a root and a word in the policy; by neither of them alone, nor by default."""

    def verified(self, platform, **fields):
        given = asked(platform)
        policy = policy_of(reference_of(platform, given.evidence.document), **fields)
        return verify(given.evidence, policy, given.carried, collateral=given.collateral, at=NOW)

    def test_is_accepted_by_both_and_called_what_it_is(self, platform):
        assert self.verified(platform).assurance is Assurance.SIMULATED

    def test_is_refused_by_default(self, platform):
        with pytest.raises(AttestationError) as raised:
            self.verified(platform, allow_simulated=False, roots=Roots())
        assert raised.value.step is Step.ROOT

    def test_is_refused_by_the_root_of_another_simulator(self, platform):
        with pytest.raises(AttestationError) as raised:
            self.verified(platform, roots=Roots({platform: simulated(platform, 1)}))
        assert raised.value.step is Step.ROOT

    def test_is_not_accepted_by_anything_in_the_environment(self, platform, monkeypatch):
        for name in ("CONFIDE_ALLOW_SIMULATED", "ALLOW_SIMULATED", "CONFIDE_SIMULATED"):
            monkeypatch.setenv(name, "1")
        with pytest.raises(AttestationError):
            self.verified(platform, allow_simulated=False, roots=Roots())
