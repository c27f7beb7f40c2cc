"""Releases: signed by enough of those who count, and by nobody else's say."""

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from confide import canonical
from confide.errors import AttestationError, PlanError, Step
from confide.tee import Platform, Reference, Release, SignedRelease
from confide.tee.attestation import REQUIRED_MEASUREMENTS

KEYS = [Ed25519PrivateKey.from_private_bytes(bytes([k]) * 32) for k in range(3)]
SIGNERS = [key.public_key().public_bytes_raw() for key in KEYS]
MEASUREMENTS = {
    Platform.SNP: {"measurement": b"m" * 48},
    Platform.SGX: {"mrenclave": b"e" * 32, "mrsigner": b"s" * 32},
}
RELEASE = Release("aggregator", "1.2", b"w" * 32, MEASUREMENTS)

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
measured = {
    platform: st.builds(
        lambda more, required: {**more, **required},
        st.dictionaries(names, st.binary(max_size=48), max_size=2),
        st.fixed_dictionaries(dict.fromkeys(sorted(required), st.binary(max_size=48).filter(any))),
    )
    for platform, required in REQUIRED_MEASUREMENTS.items()
}
measurements = st.fixed_dictionaries({}, optional=measured).filter(bool)
releases = st.builds(
    Release,
    name=names,
    version=names,
    workload=st.binary(min_size=32, max_size=32),
    measurements=measurements,
)


def signed(*keys, release=RELEASE):
    document = SignedRelease(release, {})
    for key in keys:
        document = document.sign(key)
    return document


def refused(document, signers, threshold, reason):
    with pytest.raises(AttestationError, match=reason) as raised:
        document.verify(signers, threshold)
    assert raised.value.step is Step.MEASUREMENT


class TestSignatures:
    @pytest.mark.parametrize("threshold", [1, 2, 3])
    def test_of_enough_signers_hold(self, threshold):
        assert signed(*KEYS).verify(SIGNERS, threshold) == RELEASE
        assert signed(*KEYS[:threshold]).verify(SIGNERS, threshold) == RELEASE

    @pytest.mark.parametrize("threshold", [1, 2, 3])
    def test_of_fewer_do_not(self, threshold):
        few = signed(*KEYS[: threshold - 1])
        reason = (
            f"aggregator 1.2 is signed by {threshold - 1} of the 3 signers .* needs {threshold}"
        )
        refused(few, SIGNERS, threshold, reason)

    def test_of_others_do_not_count(self):
        refused(signed(*KEYS), SIGNERS[:1], 2, "signed by 1 of the 1 signers")
        refused(signed(KEYS[2]), SIGNERS[:2], 1, "signed by 0 of the 2 signers")

    def test_of_one_signer_count_once(self):
        refused(signed(KEYS[0], KEYS[0]), SIGNERS, 2, "signed by 1 of")

    def test_are_not_to_be_done_without(self):
        for threshold in (0, -1):
            with pytest.raises(PlanError, match=f"a threshold of {threshold} signers"):
                signed(*KEYS).verify(SIGNERS, threshold)

    @pytest.mark.parametrize(
        "change",
        [
            {"name": "Aggregator"},
            {"version": "1.3"},
            {"workload": b"x" * 32},
            {"measurements": {**MEASUREMENTS, Platform.SNP: {"measurement": b"x" * 48}}},
            {"measurements": {Platform.SNP: MEASUREMENTS[Platform.SNP]}},
            {"measurements": {**MEASUREMENTS, Platform.SGX: {"mrenclave": b"e" * 32}}},
        ],
        ids=["name", "version", "workload", "measurement", "platform", "signer"],
    )
    def test_cover_every_field(self, change):
        altered = SignedRelease(replace(RELEASE, **change), signed(*KEYS).signatures)
        refused(altered, SIGNERS, 1, f"is not as {SIGNERS[0].hex()[:16]}… signed it")

    def test_that_are_false_refuse_the_release_though_enough_others_hold(self):
        """Who sees one has a file that somebody altered, or a signer that must be asked."""
        held = signed(*KEYS).signatures
        for forged in (bytes(64), held[SIGNERS[1]], held[SIGNERS[0]][:-1], b""):
            document = SignedRelease(RELEASE, {**held, SIGNERS[0]: forged})
            refused(document, SIGNERS, 1, "signed it")

    def test_of_strangers_need_not_be_true(self):
        stranger = {bytes(32): bytes(64), b"short": b""}
        document = SignedRelease(RELEASE, {**stranger, **signed(KEYS[0]).signatures})
        assert document.verify(SIGNERS, 1) == RELEASE

    def test_by_what_is_no_key_do_not_hold(self):
        document = SignedRelease(RELEASE, {b"short": bytes(64)})
        refused(document, [b"short"], 1, "signed it")

    def test_under_another_name_do_not_hold(self):
        swapped = {SIGNERS[0]: signed(KEYS[1]).signatures[SIGNERS[1]]}
        refused(SignedRelease(RELEASE, swapped), SIGNERS, 1, "signed it")


class TestFiles:
    def test_are_json_with_hashes_in_hex(self):
        document = json.loads(signed(KEYS[0]).to_json())
        assert document == {
            "format": "confide release 1",
            "name": "aggregator",
            "version": "1.2",
            "workload": "77" * 32,
            "measurements": {
                "snp": {"measurement": "6d" * 48},
                "sgx": {"mrenclave": "65" * 32, "mrsigner": "73" * 32},
            },
            "signatures": {SIGNERS[0].hex(): KEYS[0].sign(RELEASE.to_bytes()).hex()},
        }

    @given(releases, st.lists(st.sampled_from(KEYS), unique=True, max_size=3))
    def test_are_read_back_as_they_were(self, release, keys):
        written = signed(*keys, release=release)
        read = SignedRelease.from_json(written.to_json())
        assert read == written
        assert read.release.hash == release.hash
        if keys:
            assert read.verify(SIGNERS, len(keys)) == release

    @given(releases, releases)
    def test_two_releases_have_one_hash_only_if_they_are_the_same(self, first, second):
        assert (first == second) == (first.hash == second.hash)

    def test_may_be_laid_out_in_any_way(self):
        document = json.loads(signed(*KEYS).to_json())
        backwards = json.dumps(dict(reversed(document.items())))
        assert SignedRelease.from_json(backwards).verify(SIGNERS, 3) == RELEASE

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"format": "confide release 2"}, "is no 'confide release 1' with the keys"),
            ({"extra": 1}, "is no 'confide release 1' with the keys format, measurements, name"),
            ({"name": ""}, "a name of 1 to 200 characters"),
            ({"name": "x" * 201}, "a name of 1 to 200 characters"),
            ({"name": 7}, "a name of 1 to 200 characters"),
            ({"name": "\ud800"}, "holds half of a character"),
            ({"version": None}, "a name of 1 to 200 characters"),
            ({"version": "\udfff"}, "holds half of a character"),
            ({"workload": "77" * 31}, "has a workload hash of 31 bytes, not 32"),
            ({"workload": "none"}, "cannot be read"),
            ({"workload": 7}, "cannot be read"),
            ({"measurements": {}}, "has no measurements"),
            ({"measurements": []}, "cannot be read"),
            ({"measurements": {"sev": {}}}, "'sev' is not a valid Platform"),
            ({"measurements": {"snp": []}}, "cannot be read"),
            ({"measurements": {"snp": {}}}, "aggregator 1.2 lacks measurement for snp"),
            ({"measurements": {"snp": {"measurement": "0"}}}, "cannot be read"),
            ({"measurements": {"snp": {"measurement": "00", "": "00"}}}, "a name of 1 to 200"),
            ({"measurements": {"snp": {"measurement": "", "\ud800": ""}}}, "half of a character"),
            ({"measurements": {"nitro": {"pcr0": ""}}}, "lacks pcr1, pcr2 for nitro"),
            ({"signatures": []}, "cannot be read"),
            ({"signatures": {"key": "00"}}, "cannot be read"),
            ({"signatures": {"00": 7}}, "cannot be read"),
        ],
        ids=str,
    )
    def test_of_another_form_are_not_read(self, change, reason):
        document = {**json.loads(signed(*KEYS).to_json()), **change}
        with pytest.raises(AttestationError, match=reason) as raised:
            SignedRelease.from_json(json.dumps(document))
        assert raised.value.step is Step.MEASUREMENT
        assert len(str(raised.value)) < 300

    @pytest.mark.parametrize("name", sorted(json.loads(signed().to_json())))
    def test_without_a_field_are_not_read(self, name):
        document = json.loads(signed(*KEYS).to_json())
        del document[name]
        with pytest.raises(AttestationError, match="is no 'confide release 1'"):
            SignedRelease.from_json(json.dumps(document))

    @pytest.mark.parametrize(
        "text",
        ["", "{", "[]", "null", '"text"', "7", "[" * 100_000, "9" * 5000, "{}", " " * (256 << 10)],
        ids=lambda text: text[:6],
    )
    def test_that_are_none_are_not_read(self, text):
        with pytest.raises(AttestationError, match="the release"):
            SignedRelease.from_json(text)

    def test_have_a_largest_size(self):
        text = signed(*KEYS).to_json()
        full = text + " " * ((256 << 10) - len(text))
        assert SignedRelease.from_json(full).release == RELEASE
        with pytest.raises(AttestationError, match="has 262,145 characters; at most 262,144"):
            SignedRelease.from_json(full + " ")

    def test_answer_an_unknown_platform_in_one_short_line(self):
        document = json.loads(signed().to_json())
        document["measurements"] = {"x" * 10_000: {}}
        with pytest.raises(AttestationError) as raised:
            SignedRelease.from_json(json.dumps(document))
        assert len(str(raised.value)) < 300


class TestReference:
    @pytest.mark.parametrize("platform", list(Platform))
    def test_names_all_that_identifies_the_code(self, platform):
        whole = dict.fromkeys(REQUIRED_MEASUREMENTS[platform], b"x")
        assert not Reference(platform, whole, None, "a build").differs({**whole, "vmpl": b"\0"})
        for name in whole:
            left = {other: value for other, value in whole.items() if other != name}
            with pytest.raises(AttestationError, match=f"a build lacks {name} for") as raised:
                Reference(platform, left, None, "a build")
            assert raised.value.step is Step.MEASUREMENT

    def test_says_what_differs(self):
        expected = {"mrenclave": b"e", "mrsigner": b"s"}
        reference = Reference(Platform.SGX, expected, None, "a build")
        assert reference.differs(expected) == []
        assert reference.differs({**expected, "isv_svn": b"more"}) == []
        assert reference.differs({"mrenclave": b"x", "mrsigner": b"s"}) == ["mrenclave"]
        assert reference.differs({"mrenclave": b"e"}) == ["mrsigner"]
        assert reference.differs({}) == ["mrenclave", "mrsigner"]

    def test_of_a_guest_is_of_its_highest_privilege_level(self):
        """Code below the firmware can ask for reports with the same measurement."""
        reference = Reference(Platform.SNP, {"measurement": b"m"}, None, "a build")
        assert reference.differs({"measurement": b"m", "vmpl": b"\0"}) == []
        assert reference.differs({"measurement": b"m", "vmpl": b"\1"}) == ["vmpl"]
        assert reference.differs({"measurement": b"m"}) == ["vmpl"]
        lower = Reference(Platform.SNP, {"measurement": b"m", "vmpl": b"\1"}, None, "a build")
        assert lower.differs({"measurement": b"m", "vmpl": b"\1"}) == []


class TestRelease:
    def test_gives_a_reference_for_each_platform(self):
        references = RELEASE.references
        assert [r.platform for r in references] == list(MEASUREMENTS)
        assert [r.measurements for r in references] == list(MEASUREMENTS.values())
        assert {r.workload for r in references} == {RELEASE.workload}
        assert {r.name for r in references} == {"release aggregator 1.2"}

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"workload": bytes(31)}, "workload hash of 31 bytes, not 32"),
            ({"measurements": {}}, "has no measurements"),
            ({"measurements": {Platform.TDX: {"mrtd": b""}}}, "lacks rtmr0, rtmr1, rtmr2"),
        ],
    )
    def test_that_would_let_any_code_in_is_not_made(self, change, reason):
        with pytest.raises(AttestationError, match=reason):
            replace(RELEASE, **change)

    @pytest.mark.parametrize(
        "change",
        [
            {"more": 1},
            {"format": "confide release 2"},
            {"name": ""},
            {"name": 7},
            {"measurements": {"snp": 7}},
            {"measurements": {"snp": {"measurement": "text"}}},
            {"measurements": {"sev": {"measurement": b""}}},
        ],
        ids=str,
    )
    def test_reads_from_its_bytes_and_from_no_others(self, change):
        assert Release.from_bytes(RELEASE.to_bytes()) == RELEASE
        values = canonical.decode(RELEASE.to_bytes(), 1 << 16)
        with pytest.raises(AttestationError) as raised:
            Release.from_bytes(canonical.encode({**values, **change}))
        assert raised.value.step is Step.MEASUREMENT

    def test_is_signed_as_these_bytes(self):
        assert RELEASE.to_bytes() == canonical.encode(
            {
                "format": "confide release 1",
                "name": "aggregator",
                "version": "1.2",
                "workload": b"w" * 32,
                "measurements": {
                    "snp": {"measurement": b"m" * 48},
                    "sgx": {"mrenclave": b"e" * 32, "mrsigner": b"s" * 32},
                },
            }
        )
