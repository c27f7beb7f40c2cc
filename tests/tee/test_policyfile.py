"""Policies in files: what each key means, and one clear error for what is wrong."""

import json
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from tests.tee.support import vendor
from tests.tee.test_release import KEYS, RELEASE, SIGNERS, signed

from confide.errors import AttestationError, PlanError, Step
from confide.tee import Platform, read_policy
from confide.tee.certificates import load_certificate, to_pem
from confide.tee.policy import INTEL_STATUSES
from confide.tee.roots import vendor_roots

MEASURED = "6d" * 48
LEVELS = "[tcb.snp.Milan]\nbootloader = 4\ntee = 0\nsnp = 20\nmicrocode = 200\n"
PINNED = f'nodes = "any"\n[measurements.snp]\nmeasurement = "{MEASURED}"\n{LEVELS}'
SIMULATED = (
    f'nodes = "any"\nallow_simulated = true\n[measurements.nitro]\npcr0 = "{MEASURED}"\n'
    f'pcr1 = "{MEASURED}"\npcr2 = "{MEASURED}"\n[simulated_roots]\nnitro = "root.pem"\n'
)


def releases(*, files=("release.json",), signers=SIGNERS, threshold=2):
    names = json.dumps(list(files)), json.dumps([key.hex() for key in signers])
    section = f"[releases]\nfiles = {names[0]}\nsigners = {names[1]}\nthreshold = {threshold}\n"
    return f'nodes = "any"\n{section}{LEVELS}'


@pytest.fixture
def read(tmp_path):
    """Reads a policy, beside which lie a signed release and a simulator's root."""
    (tmp_path / "release.json").write_text(signed(*KEYS).to_json())
    root = load_certificate(vendor("aws", 0).root)
    (tmp_path / "root.pem").write_bytes(to_pem([root]))
    (tmp_path / "root.der").write_bytes(root.public_bytes(Encoding.DER))

    def run(text):
        path = tmp_path / "policy.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_policy(path)

    return run


def refused(read, text, error, reason):
    """The one line of the error."""
    with pytest.raises(error, match=reason) as raised:
        read(text)
    message = str(raised.value)
    assert "\n" not in message
    assert len(message) < 600
    return raised.value


class TestReads:
    def test_the_least_that_there_must_be(self, read):
        policy = read(PINNED)
        (reference,) = policy.references
        assert reference.platform is Platform.SNP
        assert reference.measurements == {"measurement": b"m" * 48}
        assert reference.workload is None
        assert reference.name == "the measurements of policy.toml"
        assert policy.nodes is None
        assert policy.statuses == frozenset({"UpToDate"})
        assert policy.advisories == frozenset()
        assert policy.minimum_evaluation == 0
        assert policy.max_collateral_age == timedelta(days=7)
        assert policy.max_evidence_age == timedelta(minutes=5)
        assert policy.revocation_lists
        assert not policy.allow_simulated
        assert not policy.roots.simulated
        assert policy.minimum_levels == {
            "Milan": {"bootloader": 4, "tee": 0, "snp": 20, "microcode": 200}
        }

    def test_every_key(self, read):
        policy = read(
            'nodes = ["one", "two"]\n'
            "max_collateral_age_days = 1.5\nmax_evidence_age_minutes = 2\n"
            "revocation_lists = false\n"
            f'[measurements.sgx]\nmrenclave = "{"65" * 32}"\n'
            '[tcb]\nstatuses = ["UpToDate", "SWHardeningNeeded"]\n'
            'advisories = ["INTEL-SA-00615"]\nminimum_evaluation = 17\n'
        )
        assert policy.nodes == frozenset({"one", "two"})
        assert policy.max_collateral_age == timedelta(hours=36)
        assert policy.max_evidence_age == timedelta(minutes=2)
        assert not policy.revocation_lists
        assert policy.statuses == frozenset({"UpToDate", "SWHardeningNeeded"})
        assert policy.advisories == frozenset({"INTEL-SA-00615"})
        assert policy.minimum_evaluation == 17
        assert policy.platforms == (Platform.SGX,)

    def test_releases_that_enough_signed(self, read):
        policy = read(releases())
        assert policy.references == RELEASE.references

    def test_releases_beside_pinned_measurements(self, read):
        both = releases() + f'[measurements.sgx]\nmrenclave = "{"01" * 32}"\n'
        names = [reference.name for reference in read(both).references]
        assert names == ["release aggregator 1.2"] * 2 + ["the measurements of policy.toml"]

    @pytest.mark.parametrize("file", ["root.pem", "root.der"])
    def test_a_simulators_root(self, read, file):
        policy = read(SIMULATED.replace("root.pem", file))
        assert policy.allow_simulated
        assert policy.roots.simulated == {Platform.NITRO: load_certificate(vendor("aws", 0).root)}

    def test_to_the_hash_of_what_it_asks(self, read):
        assert read(PINNED).hash == read("# a remark\n" + PINNED).hash
        assert read(PINNED).hash != read(PINNED.replace("microcode = 200", "microcode = 201")).hash


class TestRefuses:
    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (b"\xff", "policy.toml: it is not text in UTF-8"),
            ("nodes", "policy.toml: "),
            ("nodes = " + "[" * 5000, "policy.toml: "),
            ("", "'nodes' is missing"),
            ("node = 'any'\nnodes = 'any'", "unknown key 'node', .*'nodes'"),
            (PINNED + "[tcb.intel]\n", "unknown key 'tcb.intel'"),
            ("nodes = 'any'", "without reference measurements would accept any code"),
            (PINNED.replace('"any"', '"all"'), "policy.toml: nodes is 'all'; .* or \"any\""),
            (PINNED.replace('"any"', "[]"), "list of nodes is empty"),
            (PINNED.replace('"any"', "[7]"), "'nodes"),
            (PINNED.replace('"any"', "true"), "'nodes"),
            (PINNED.replace('"any"', "1979-05-27"), "policy.toml: "),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_what_is_no_policy(self, read, text, reason):
        refused(read, text, PlanError, reason)

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ("max_collateral_age_days = 0", "'max_collateral_age_days' is 0"),
            ("max_collateral_age_days = -1", "'max_collateral_age_days' is -1"),
            ("max_collateral_age_days = 1e-300", "it is above zero"),
            ("max_collateral_age_days = 3651", "'max_collateral_age_days' is 3651"),
            ("max_collateral_age_days = inf", "'max_collateral_age_days' is inf"),
            ("max_collateral_age_days = nan", "'max_collateral_age_days' is nan"),
            ('max_collateral_age_days = "7"', "'max_collateral_age_days' is '7'"),
            ("max_evidence_age_minutes = 0", "'max_evidence_age_minutes' is 0"),
            ("max_evidence_age_minutes = 1441", "'max_evidence_age_minutes' is 1441"),
            ("revocation_lists = 0", "'revocation_lists' is 0"),
            ('allow_simulated = "yes"', "'allow_simulated' is 'yes'"),
            ("allow_simulated = true", "both allow_simulated = true and its root named"),
            ("tcb = 1", "'tcb' is 1"),
            ("measurements = []", "'measurements' is \\[\\]"),
        ],
    )
    def test_a_value_that_a_key_cannot_have(self, read, line, reason):
        rest = 'nodes = "any"\n' if line.startswith(("tcb", "measurements")) else PINNED
        refused(read, f"{line}\n{rest}", PlanError, reason)

    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            ('statuses = ["Revoked"]', f"'Revoked'; a policy may accept {INTEL_STATUSES[0]}"),
            ('statuses = "UpToDate"', "'tcb.statuses' is 'UpToDate'"),
            ("advisories = [615]", "'tcb.advisories.0' is 615"),
            ("minimum_evaluation = -1", "'tcb.minimum_evaluation' is -1"),
            ("minimum_evaluation = 1.5", "'tcb.minimum_evaluation' is 1.5"),
            ("minimum_evaluation = 99999999999999999999", "minimum_evaluation 99999999999999"),
        ],
    )
    def test_a_tcb_that_cannot_be(self, read, line, reason):
        refused(read, f"{PINNED}[tcb]\n{line}\n", PlanError, reason)

    @pytest.mark.parametrize(
        ("levels", "reason"),
        [
            ("", "names no least patch levels: add \\[tcb.snp.Milan\\] with bootloader"),
            ("[tcb.snp.Milan]\n", "tcb.snp.Milan lacks"),
            ("[tcb.snp.Milan]\nbootloader = 4\n", "lacks, or should not have, microcode, snp"),
            (LEVELS.replace("Milan", "milan"), "AMD's product 'milan'; known are Milan"),
            (LEVELS.replace("snp = 20", "snp = -1"), "tcb.snp.Milan.snp is -1"),
            (LEVELS.replace("snp = 20", 'snp = "20"'), "'tcb.snp.Milan.snp' is '20'"),
            (LEVELS.replace("snp = 20", "snp = true"), "'tcb.snp.Milan.snp' is True"),
        ],
        ids=lambda value: value[:30],
    )
    def test_patch_levels_that_leave_one_open(self, read, levels, reason):
        refused(read, PINNED.replace(LEVELS, levels), PlanError, reason)

    @pytest.mark.parametrize(
        ("section", "reason"),
        [
            ("[measurements.sev]\nx = '00'", "unknown platform 'sev'; known are sgx, tdx, snp"),
            ("[measurements.snp]\n", "policy.toml lacks measurement for snp: without it any code"),
            ("[measurements.sgx]\nmrsigner = '00'", "lacks mrenclave for sgx"),
            ("[measurements.snp]\nmeasurement = 'x'", "measurements.snp.measurement: 'x' is no"),
            ("[measurements.snp]\nmeasurement = 7", "'measurements.snp.measurement' is 7"),
        ],
        ids=lambda value: value[:40],
    )
    def test_measurements_that_are_none(self, read, section, reason):
        refused(read, f'nodes = "any"\n{section}\n{LEVELS}', PlanError, reason)

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"threshold": 0}, "'releases.threshold' is 0"),
            ({"threshold": 4}, "releases.threshold is 4; the policy names 3 signers"),
            ({"signers": SIGNERS[:1] * 3}, "is 2; the policy names 1 signers"),
            ({"signers": []}, "'releases.signers' is \\[\\]"),
            ({"signers": [b"k" * 31]}, "releases.signers: 31 bytes in hex; a key has 32"),
            ({"files": []}, "'releases.files' is \\[\\]"),
            ({"files": ["none.json"]}, "cannot read .*none.json: .*No such file"),
            ({"files": ["."]}, "cannot read .*Is a directory"),
            ({"files": ["a\0b"]}, "cannot read .*embedded null byte"),
        ],
        ids=str,
    )
    def test_releases_that_say_nothing(self, read, fields, reason):
        refused(read, releases(**fields), PlanError, reason)

    def test_a_release_that_too_few_signed(self, read, tmp_path):
        (tmp_path / "release.json").write_text(signed(KEYS[0]).to_json())
        reason = "release.json: aggregator 1.2 is signed by 1 of the 3 signers"
        error = refused(read, releases(), AttestationError, reason)
        assert error.step is Step.MEASUREMENT

    def test_a_release_that_was_altered(self, read, tmp_path):
        text = signed(*KEYS).to_json().replace("6d" * 48, "6e" * 48)
        (tmp_path / "release.json").write_text(text)
        refused(read, releases(), AttestationError, "release.json: .* is not as .* signed it")

    @pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"{}"])
    def test_a_release_that_is_none(self, read, tmp_path, data):
        (tmp_path / "release.json").write_bytes(data)
        refused(read, releases(), AttestationError, "release.json: the release")

    def test_one_bad_release_among_good_ones(self, read, tmp_path):
        (tmp_path / "other.json").write_text(signed().to_json())
        both = releases(files=("release.json", "other.json"))
        refused(read, both, AttestationError, "other.json: .* signed by 0 of the 3 signers")

    def test_a_simulators_root_without_the_word(self, read):
        text = SIMULATED.replace("allow_simulated = true\n", "")
        refused(read, text, PlanError, "both allow_simulated = true and its root named")

    def test_a_vendors_root_as_a_simulators(self, read, tmp_path):
        (tmp_path / "root.pem").write_bytes(to_pem([vendor_roots()["aws"]]))
        refused(read, SIMULATED, PlanError, "simulated_roots: .* is a vendor's root")

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "simulated_roots: a certificate that is not X.509"),
            (b"text", "simulated_roots: a certificate that is not X.509"),
            (
                b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "simulated_roots: a certificate that is not X.509",
            ),
            (
                b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n",
                "simulated_roots: a PEM block that is not base64",
            ),
            (
                b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
                "root.pem is to hold one certificate",
            ),
        ],
        ids=["nothing", "text", "no certificate", "no base64", "a key"],
    )
    def test_a_simulators_root_that_is_none(self, read, tmp_path, data, reason):
        (tmp_path / "root.pem").write_bytes(data)
        refused(read, SIMULATED, PlanError, reason)

    def test_two_roots_in_one_file(self, read, tmp_path):
        root = load_certificate(vendor("aws", 0).root)
        (tmp_path / "root.pem").write_bytes(to_pem([root, root]))
        refused(read, SIMULATED, PlanError, "root.pem is to hold one certificate")

    def test_a_root_of_an_unknown_platform(self, read):
        text = SIMULATED.replace('nitro = "root.pem"', 'arm = "root.pem"')
        refused(read, text, PlanError, "unknown platform 'arm'; known are")

    def test_no_file_and_files_that_are_too_large(self, read, tmp_path):
        with pytest.raises(PlanError, match=r"cannot read .*none\.toml"):
            read_policy(tmp_path / "none.toml")
        full = PINNED + "#" * ((1 << 20) - len(PINNED))
        assert read(full).hash == read(PINNED).hash
        refused(read, full + "#", PlanError, "policy.toml has more than 1,048,576 bytes")
        (tmp_path / "release.json").write_bytes(bytes((1 << 20) + 1))
        refused(read, releases(), PlanError, "release.json has more than 1,048,576 bytes")
