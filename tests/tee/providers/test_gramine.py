"""Evidence and keys by Gramine, held against files that behave as its own do."""

import pytest
from tests.tee.providers.devices import DevAttestation, outblob_of
from tests.tee.support import NOW, SimulatedAttester, relying_party
from tests.tee.test_workload import EXPECTED, NONCE, workload

from confide.errors import AttestationError, Step
from confide.tee import Collateral, Platform
from confide.tee.providers import Gramine
from confide.tee.relying import RelyingParty
from confide.tee.sealing import Sealer
from confide.tee.workload import Quoted

DATA = bytes(range(64))


@pytest.fixture
def folder(tmp_path):
    return DevAttestation(tmp_path).begin()


def attest(folder, data=DATA):
    return Gramine(folder).attest(data, bytes(32), bytes(32))


def refused(act, reason, step=Step.PARSE):
    with pytest.raises(AttestationError, match=reason) as raised:
        act()
    assert raised.value.step is step
    assert "\n" not in str(raised.value)


class TestAttest:
    def test_is_given_for_what_was_written(self, folder):
        for data in (DATA, bytes(64)):
            assert attest(folder, data) == Quoted(outblob_of(data))

    @pytest.mark.parametrize("size", [0, 32, 63, 65])
    def test_carries_64_bytes(self, folder, size):
        reason = f"{size} bytes .* carries 64"
        refused(lambda: attest(folder, bytes(size)), reason, Step.REPORT_DATA)
        assert (folder / "user_report_data").read_bytes() == bytes(64)

    @pytest.mark.parametrize("kind", ["none", "epid", "DCAP", ""])
    def test_is_by_dcap_alone(self, folder, kind):
        (folder / "attestation_type").write_text(kind)
        refused(lambda: attest(folder), f"attestation_type is '{kind}'; .* 'dcap'")
        assert (folder / "user_report_data").read_bytes() == bytes(64)

    def test_is_of_a_kind_that_is_text(self, folder):
        (folder / "attestation_type").write_bytes(b"\xff")
        refused(lambda: attest(folder), "'ascii' codec can't decode")

    @pytest.mark.parametrize("name", ["attestation_type", "quote"])
    def test_takes_an_enclave(self, folder, name, tmp_path):
        class Outside(DevAttestation):
            def read_bytes(self):
                return super(DevAttestation, self).read_bytes()

        (tmp_path / name).unlink()
        refused(lambda: attest(Outside(tmp_path)), "No such file.* It takes Gramine on SGX")


class TestSealingSecret:
    def test_is_of_the_enclave_or_of_its_signer(self, folder):
        assert Gramine(folder).sealing_secret("mrenclave") == b"e" * 16
        assert Gramine(folder).sealing_secret("mrsigner") == b"s" * 16

    @pytest.mark.parametrize("bound_to", ["", "mrtd", "../../quote", "MRENCLAVE"])
    def test_is_of_nothing_else(self, folder, bound_to):
        reason = "a key bound to .* it is to 'mrenclave' or 'mrsigner'"
        refused(lambda: Gramine(folder).sealing_secret(bound_to), reason)

    def test_is_there_inside_of_an_enclave(self, folder):
        (folder / "keys" / "_sgx_mrenclave").unlink()
        refused(lambda: Gramine(folder).sealing_secret("mrenclave"), "no sealing key: .*No such")

    @pytest.mark.parametrize("size", [0, 15, 17])
    def test_is_of_16_bytes(self, folder, size):
        (folder / "keys" / "_sgx_mrsigner").write_bytes(b"k" * size)
        reason = f"a sealing key of {size} bytes, not 16$"
        refused(lambda: Gramine(folder).sealing_secret("mrsigner"), reason)

    def test_seals(self, folder):
        first, second = (Gramine(folder).sealing_secret(name) for name in ("mrenclave",) * 2)
        sealed = Sealer(first, "mrenclave").seal(b"state", b"plan")
        assert Sealer(second, "mrenclave").open(sealed, b"plan") == b"state"


def test_an_enclave_on_such_files_is_believed(tmp_path):
    """The whole way: the files, the workload, what travels, and the party that verifies it."""
    given = {}

    class Simulated(DevAttestation):
        def read_bytes(self):
            if self.name != "quote":
                return super().read_bytes()
            data = (self.parent / "user_report_data").read_bytes()
            quoted = SimulatedAttester(Platform.SGX).attest(data, bytes(32), bytes(32))
            given["collateral"] = quoted.collateral
            return quoted.document

    answer = workload(Gramine(Simulated(tmp_path).begin())).answer(NONCE, NOW)
    party = relying_party(Platform.SGX)
    asking = RelyingParty(party.policy, Collateral.of(given["collateral"]), party.clock)
    assert asking.verify(answer.to_bytes(), EXPECTED).claims == answer.claims
