"""Evidence by configfs, held against files that behave as the kernel's do."""

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st
from tests.tee.providers.devices import Configfs, SnpConfigfs, certificate_table, outblob_of
from tests.tee.support import NOW, SimulatedAttester, relying_party
from tests.tee.test_workload import EXPECTED, NONCE, workload

from confide.errors import AttestationError, Step
from confide.randomness import InsecureReplayableRandom
from confide.tee import Collateral
from confide.tee.certificates import load_certificate, pem_blocks
from confide.tee.providers import ConfigfsTsm
from confide.tee.providers import configfs as module
from confide.tee.relying import RelyingParty
from confide.tee.workload import Quoted

DATA = bytes(range(64))


def attest(folder, data=DATA, **fields):
    return ConfigfsTsm(folder, **fields).attest(data, bytes(32), bytes(32))


def refused(folder, reason, step, data=DATA, **fields):
    with pytest.raises(AttestationError, match=reason) as raised:
        attest(folder, data, **fields)
    assert raised.value.step is step
    assert "\n" not in str(raised.value)


class TestAttest:
    def test_is_given_for_what_was_written(self, tmp_path):
        for data in (DATA, bytes(64)):
            assert attest(Configfs(tmp_path), data) == Quoted(outblob_of(data))

    def test_of_a_guest_comes_with_the_hosts_certificates(self, tmp_path):
        quoted = attest(SnpConfigfs(tmp_path))
        assert quoted.document == outblob_of(DATA)
        assert quoted.collateral == (b"the chip's", b"its issuer's", b"the root")
        assert quoted.event_log is None

    def test_of_a_domain_comes_with_its_event_log(self, tmp_path):
        log = tmp_path / "log.json"
        log.write_bytes(b"[]")
        folder = Configfs(tmp_path / "report")
        super(Configfs, folder).mkdir()
        assert attest(folder, event_log=log) == Quoted(outblob_of(DATA), b"[]")

    def test_of_a_host_that_has_no_certificates_comes_without(self, tmp_path):
        class Bare(SnpConfigfs):
            def _written(self, inblob):
                Configfs._written(self, inblob)

        assert attest(Bare(tmp_path)).collateral == ()

    def test_leaves_no_request_behind(self, tmp_path):
        attest(SnpConfigfs(tmp_path))
        assert list(tmp_path.iterdir()) == []

    def test_leaves_no_request_behind_when_it_fails(self, tmp_path):
        class Fails(Configfs):
            def _written(self, inblob):
                raise OSError(5, "Input/output error")

        refused(Fails(tmp_path), "Input/output error", Step.PARSE)
        assert list(tmp_path.iterdir()) == []

    def test_names_each_request_anew(self, tmp_path):
        names = []

        class Watched(Configfs):
            def _written(self, inblob):
                names.append(self.name)
                super()._written(inblob)

        for _ in range(5):
            attest(Watched(tmp_path))
        attest(Watched(tmp_path), random=InsecureReplayableRandom(b"names"))
        assert len(set(names)) == 6
        assert all(name.startswith("confide-") and len(name) == 24 for name in names)
        assert names[-1] == f"confide-{InsecureReplayableRandom(b'names').bytes(8).hex()}"

    def test_meets_no_request_of_its_own_name(self, tmp_path):
        """Else somebody who made it first would keep it open and write to it."""
        name = f"confide-{InsecureReplayableRandom(b'names').bytes(8).hex()}"
        (tmp_path / name).mkdir()
        refused(
            Configfs(tmp_path), "File exists", Step.PARSE, random=InsecureReplayableRandom(b"names")
        )
        assert (tmp_path / name).is_dir()

    @pytest.mark.parametrize("times", [0, 2])
    def test_is_not_given_if_somebody_else_wrote_meanwhile(self, tmp_path, times):
        """Of the two that wrote, one would have the other's evidence."""

        class Shared(Configfs):
            def _written(self, inblob):
                for _ in range(times):
                    super()._written(inblob)
                (self / "outblob").write_bytes(b"another's")

        refused(Shared(tmp_path), "somebody else wrote .* ask again", Step.REPORT_DATA)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("size", [0, 32, 63, 65])
    def test_carries_64_bytes(self, tmp_path, size):
        refused(Configfs(tmp_path), f"{size} bytes .* carries 64", Step.REPORT_DATA, bytes(size))
        assert list(tmp_path.iterdir()) == []

    def test_takes_a_kernel_that_has_it(self, tmp_path):
        refused(tmp_path / "none", "none: .*No such file.* Linux 6.7", Step.PARSE)
        refused(tmp_path, "It takes Linux 6.7 on SEV-SNP or TDX", Step.PARSE)

    def test_takes_a_generation_that_is_a_number(self, tmp_path):
        class Odd(Configfs):
            def mkdir(self, *arguments, **options):
                super().mkdir(*arguments, **options)
                (self / "generation").write_text("none\n")

        refused(Odd(tmp_path), "invalid literal", Step.PARSE)
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("attribute", ["outblob", "auxblob"])
    def test_takes_no_more_than_a_megabyte(self, tmp_path, attribute):
        class Endless(SnpConfigfs):
            def _written(self, inblob):
                super()._written(inblob)
                with (self / attribute).open("wb") as file:
                    file.truncate((1 << 20) + 1)

        refused(Endless(tmp_path), f"{attribute} has more than 1,048,576 bytes", Step.PARSE)

    def test_takes_the_event_log_that_it_was_told_of(self, tmp_path):
        refused(Configfs(tmp_path), "No such file", Step.PARSE, event_log=tmp_path / "none.json")


class TestCertificateTable:
    @given(st.lists(st.binary(max_size=40), max_size=3))
    def test_is_read_as_it_was_written(self, certificates):
        assert module.certificate_table(certificate_table(*certificates)) == tuple(certificates)

    @given(st.binary(max_size=200))
    def test_is_read_or_refused(self, data):
        try:
            found = module.certificate_table(data)
        except AttestationError as error:
            assert error.step is Step.PARSE  # noqa: PT017 - most bytes are none
        else:
            assert all(certificate in data for certificate in found)

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "ends after 0 bytes"),
            (bytes(23), "ends after 23 bytes"),
            (b"g" * 16 + bytes(8), "ends after 24 bytes"),
            (certificate_table(b"one")[:-1], "an entry of 3 bytes at 48 that is not in it"),
            (b"g" * 16 + b"\xff" * 8 + bytes(24), "an entry of 4,294,967,295 bytes at 4,294,967"),
            ((b"g" * 16 + bytes(8)) * 17 + bytes(24), "an entry of 0 bytes at 0"),
        ],
    )
    def test_that_points_outside_or_does_not_end_is_refused(self, data, reason):
        with pytest.raises(AttestationError, match=reason) as raised:
            module.certificate_table(data)
        assert raised.value.step is Step.PARSE

    def test_has_sixteen_entries_at_most(self):
        sixteen = (b"g" * 16 + bytes(8)) * 16 + bytes(24)
        assert module.certificate_table(sixteen) == (b"",) * 16


def test_a_guest_on_such_files_is_believed(tmp_path):
    """The whole way: the files, the workload, what travels, and the party that verifies it."""

    revoked: list[bytes] = []

    class Simulated(SnpConfigfs):
        def _written(self, inblob):
            Configfs._written(self, inblob)
            quoted = SimulatedAttester().attest(inblob, bytes(32), bytes(32))
            (self / "outblob").write_bytes(quoted.document)
            chain = [item for item in quoted.collateral if b"X509 CRL" not in item]
            certificates = [der for item in chain for _, der in pem_blocks(item)]
            (self / "auxblob").write_bytes(certificate_table(*certificates))
            revoked.extend(item for item in quoted.collateral if item not in chain)

    answer = workload(ConfigfsTsm(Simulated(tmp_path))).answer(NONCE, NOW)
    assert [load_certificate(c).public_bytes(Encoding.DER) for c in answer.collateral] == list(
        answer.collateral
    )
    party = relying_party()
    lists = Collateral.of(revoked)
    peer = RelyingParty(party.policy, lists, party.clock).verify(answer.to_bytes(), EXPECTED)
    assert peer.claims == answer.claims
