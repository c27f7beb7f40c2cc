"""`confide tee verify`, `inspect` and `policy`: evidence from the command line."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
from confide_sim import GuestPolicy
from cryptography.hazmat.primitives.serialization import Encoding
from tests.simulator.vectors import FOLDER, vector
from tests.tee.support import BUILD, LEAST, NOW, VENDORS, asked, emit, reference_of, vendor
from tests.tee.test_workload import EXPECTED, NONCE, PLAN, workload

from confide.errors import Step
from confide.tee import Evidence, Platform, inspect, read_policy
from confide.tee.certificates import load_certificate, to_pem
from confide.tee.policy import Policy

AT = ("--at", NOW.isoformat())
CLAIMED = ("--nonce", NONCE.hex(), "--plan", PLAN.hex(), "--task", "test")
WARNING = "SIMULATED: no hardware is behind this evidence, and it protects nothing"
STEPS = [step.value for step in Step if step.value != "gpu"]  # which a policy asks for apart


def policy_text(platform, document, *, simulated=True, nodes='"any"'):
    """A policy of the file's author for one document's measurements."""
    reference = reference_of(platform, document)
    measured = "".join(f'{n} = "{v.hex()}"\n' for n, v in reference.measurements.items())
    roots = f'[simulated_roots]\n{platform.value} = "root.pem"\n' if simulated else ""
    levels = "".join(f"{name} = {level}\n" for name, level in LEAST["Milan"].items())
    return (
        f"nodes = {nodes}\nallow_simulated = {str(simulated).lower()}\n"
        f"[measurements.{platform.value}]\n{measured}{roots}[tcb.snp.Milan]\n{levels}"
    )


@pytest.fixture
def written(folder):
    """Writes evidence, its collateral, a root and a policy for it: how it is verified."""

    def write(platform=Platform.SNP, claims=False, **case):
        asks = {key: case.pop(key) for key in ("simulated", "nodes") if key in case}
        collateral: tuple[bytes, ...] = ()
        options: tuple[str, ...] = CLAIMED
        if claims:
            answer = workload().answer(NONCE, NOW)
            data, document = answer.to_bytes(), answer.document
        else:
            given = asked(platform, **case)
            data = document = given.evidence.document
            collateral = given.emitted.collateral
            options = ("--report-data", given.report_data.hex())
        root = load_certificate(vendor(VENDORS[platform], 0).root)
        (folder / "root.pem").write_bytes(to_pem([root]))
        (folder / "evidence").write_bytes(data)
        (folder / "collateral").mkdir(exist_ok=True)
        for number, item in enumerate(collateral):
            (folder / "collateral" / str(number)).write_bytes(item)
        text = policy_text(platform, document, **asks)
        (folder / "policy.toml").write_text(text)
        return ("tee", "verify", "evidence", "--policy", "policy.toml", *options, *AT,
                "--collateral", "collateral")  # fmt: skip

    return write


class TestVerify:
    @pytest.mark.parametrize("platform", list(Platform))
    def test_exits_with_0_if_all_holds_and_warns_of_a_simulator(self, confide, written, platform):
        done = confide(*written(platform))
        assert done.code == 0, done.out
        lines = done.out.splitlines()
        assert all(line.startswith("holds   ") for line in lines)
        found = [line[8:20].strip() for line in lines]
        assert found == [step for step in STEPS if step != "claims"]
        assert "SIMULATOR" in done.out
        assert done.err.strip() == WARNING

    def test_of_a_bundle_holds_its_claims_against_what_was_asked(self, confide, written):
        done = confide(*written(claims=True))
        assert done.code == 0, done.out
        assert [line[8:20].strip() for line in done.out.splitlines()] == STEPS
        assert "to aggregate for 'test', until 2026-11-24 12:10:00 UTC" in done.out
        assert done.err.strip() == WARNING

    def test_as_json_warns_too(self, confide, written):
        done = confide(*written(), "--json")
        assert done.code == 0
        assert done.err.strip() == WARNING
        found = json.loads(done.out)
        assert found["verified"] is True
        assert found["assurance"] == "simulated"
        assert found["platform"] == "snp"
        assert found["node"] == vendor("amd", 0).chip_id.hex()
        assert found["expires"].endswith("+00:00")
        assert list(found["held"]) == [step for step in STEPS if step != "claims"]
        assert found["failed"] is found["reason"] is None

    def test_as_a_process_exits_with_its_codes(self, confide, folder, written):
        """What a script sees that looks at nothing else."""
        good, bad = written(), ("--at", (NOW + timedelta(days=365 * 40)).isoformat())
        run = [sys.executable, "-W", "error", "-c", "from confide.cli import main; main()"]
        for more, code in (((), 0), (bad, 10)):
            done = subprocess.run(
                [*run, *good, *more], capture_output=True, encoding="utf-8", check=False
            )
            assert done.returncode == code, done.stderr
            assert "Traceback" not in done.stderr

    @pytest.mark.parametrize(
        ("case", "options", "step", "reason"),
        [
            ({}, ("--at", "1999-01-01T00:00:00Z"), "freshness", "not at 1999-01-01 00:00"),
            ({}, ("--report-data", "00" * 64), "report data", "other report data"),
            ({"policy": GuestPolicy.ALWAYS_ONE | GuestPolicy.DEBUG}, (), "debug", "debugging"),
            ({"simulated": False}, (), "root", "is not pinned"),
            ({"nodes": '["another"]'}, (), "node", "not on the policy's list of 1"),
        ],
        ids=["time", "report data", "debug", "no simulator", "node"],
    )
    def test_exits_with_10_and_the_reason_if_one_does_not(  # noqa: PLR0917 - its cases
        self, confide, written, case, options, step, reason
    ):
        command = written(**case)
        done = confide(*command, *options)
        assert done.code == 10
        *held, last = done.out.splitlines()
        assert all(line.startswith("holds   ") for line in held)
        assert last.startswith(f"refused {step:<12}")
        assert reason in last
        assert done.err == ""
        as_json = confide(*command, *options, "--json")
        assert as_json.code == 10
        found = json.loads(as_json.out)
        assert (found["verified"], found["failed"]) == (False, step)
        assert reason in found["reason"]
        assert found["assurance"] is found["platform"] is found["expires"] is None
        # Steps follow each other: none holds after the one that does not.
        assert list(found["held"]) == STEPS[: len(found["held"])]
        assert step not in found["held"]

    @pytest.mark.parametrize(
        ("options", "reason"),
        [
            (("--nonce", "00" * 32), "the nonce, which another question asked"),
            (("--plan", "00" * 32), "the plan, another one"),
            (("--task", "other"), "the task 'test'"),
            (("--purpose", "train"), "the purpose 'aggregate'"),
        ],
    )
    def test_of_claims_that_were_not_asked(self, confide, written, options, reason):
        done = confide(*written(claims=True), *options)
        assert done.code == 10
        assert done.out.splitlines()[-1].startswith("refused claims")
        assert reason in done.out

    @pytest.mark.parametrize(
        ("data", "step"),
        [(b"", "parse"), (b"text", "parse"), (b"\xa0", "parse"), (bytes(4 << 20) + b"x", "parse")],
        ids=["nothing", "text", "empty map", "too large"],
    )
    def test_of_what_is_no_evidence(self, confide, folder, written, data, step):
        command = written()
        (folder / "evidence").write_bytes(data)
        done = confide(*command)
        assert done.code == 10
        assert done.out.startswith(f"refused {step}")
        assert len(done.out.splitlines()) == 1

    def test_of_altered_evidence(self, confide, folder, written):
        command = written()
        path = folder / "evidence"
        data = bytearray(path.read_bytes())
        data[0x90] ^= 1
        path.write_bytes(data)
        done = confide(*command)
        assert done.code == 10
        assert done.out.splitlines()[-1].startswith("refused root")
        assert "it was altered" in done.out

    def test_without_collateral(self, confide, written):
        done = confide(*written()[:-2])
        assert done.code == 10
        assert "the collateral has no VCEK certificate" in done.out

    def test_takes_collateral_from_files_and_folders(self, confide, folder, written):
        command = written()[:-2]
        files = sorted((folder / "collateral").iterdir())
        options = [option for file in files for option in ("--collateral", file)]
        assert confide(*command, *options).code == 0
        none = confide(*command, *options, "--collateral", "none")
        assert none.code == 10
        assert "cannot read the collateral none" in none.out

    def test_writes_nothing_that_forges_lines_or_colours(self, confide, folder, written):
        """The task is the peer's text; the terminal is ours."""
        task = "x\n[bold]holds[/]\x1b[31m"
        answer = workload(task=task).answer(NONCE, NOW)
        command = written(claims=True)
        (folder / "evidence").write_bytes(answer.to_bytes())
        refused, held = confide(*command), confide(*command, "--task", task)
        assert (refused.code, held.code) == (10, 0)
        for shown in (refused, held, confide("tee", "inspect", "evidence")):
            assert "\x1b" not in shown.out
            assert "[bold]" in shown.out
            assert not any(line.startswith("holds[/]") for line in shown.out.splitlines())


class TestTimes:
    @pytest.mark.parametrize(
        "at",
        ["2026-11-24T12:00:00Z", "2026-11-24T21:00:00+09:00", "1795521600", "1795521600.5"],
    )
    def test_are_of_all_zones(self, confide, written, at):
        done = confide(*written(), "--at", at)
        assert done.code == 0, done.out
        assert "at 2026-11-24 12:00:00 UTC" in done.out

    @pytest.mark.parametrize(
        ("at", "reason"),
        [
            ("2026-11-24T12:00:00", "has no time zone; add Z for UTC"),
            ("2026-11-24", "has no time zone"),
            ("yesterday", "'yesterday' is not a time; write 2026-01-31T12:00:00Z"),
            ("", "is not a time"),
            ("²", "is not a time"),
            ("1.2.3", "is not a time"),
            ("9" * 400, "is not a time"),
            ("99999999999999", "is not a time"),
            ("0", "is not in the years 1971 to 9998"),
            ("1969-12-31T00:00:00Z", "is not in the years 1971 to 9998"),
            ("0001-01-01T00:00:00+14:00", "is not in the years"),
            ("9999-12-31T23:59:59-14:00", "is not in the years"),
        ],
    )
    @pytest.mark.parametrize("platform", [Platform.NITRO, Platform.SGX])
    def test_that_are_none_are_refused(self, refused, written, platform, at, reason):
        assert reason in refused(*written(platform), "--at", at, code=3)

    @pytest.mark.parametrize("platform", list(Platform))
    @pytest.mark.parametrize("at", ["1971-01-01T00:00:00Z", "9998-12-31T23:59:59Z"])
    def test_at_either_end_are_another_time(self, confide, written, platform, at):
        done = confide(*written(platform), "--at", at)
        assert done.code == 10
        assert done.out.splitlines()[-1].startswith("refused freshness")

    def test_are_now_unless_given(self, confide, folder, written):
        command = list(written(claims=True))
        place = command.index("--at")
        done = confide(*command[:place], *command[place + 2 :])
        assert done.code == 10
        assert "--at" not in done.out


class TestOptions:
    def test_of_a_document_say_what_it_must_carry(self, refused, written):
        command = list(written())
        place = command.index("--report-data")
        error = refused(*command[:place], *command[place + 2 :], code=3)
        assert "give --report-data, or genuine evidence of any machine would pass" in error

    @pytest.mark.parametrize("missing", ["--nonce", "--plan", "--task"])
    def test_of_a_bundle_say_what_was_asked(self, refused, written, missing):
        command = list(written(claims=True))
        place = command.index(missing)
        error = refused(*command[:place], *command[place + 2 :], code=3)
        assert "give --nonce, --plan and --task, as they were requested" in error

    @pytest.mark.parametrize("option", ["--nonce", "--plan"])
    def test_of_a_bundle_are_in_hexadecimal(self, refused, written, option):
        error = refused(*written(claims=True), option, "no hex", code=3)
        assert error == f"{option} 'no hex' is not a hexadecimal number"

    def test_of_a_document_are_in_hexadecimal(self, refused, written):
        error = refused(*written(), "--report-data", "0", code=3)
        assert error == "--report-data '0' is not a hexadecimal number"
        assert "--nonce 'x'" in refused(*written(), "--nonce", "x", code=3)

    def test_name_a_policy_and_files_that_are_there(self, confide, refused, written):
        command = list(written())
        assert "cannot read none" in refused("tee", "verify", "none", *command[3:], code=3)
        assert "cannot read none.toml" in refused(*command, "--policy", "none.toml", code=2)
        done = confide("tee", "verify", "evidence")
        assert done.code == 2
        assert "Missing option '--policy'" in done.err

    def test_cannot_allow_a_simulator(self, confide, written):
        """It takes the policy, which the plan names by its hash."""
        for option in ("--allow-simulated", "--simulated"):
            done = confide(*written(simulated=False), option)
            assert done.code == 2
            assert "No such option" in done.err


def test_nonces_of_nitro_are_held_against_the_question(confide, folder, written):
    command = written(Platform.NITRO)
    data = bytes.fromhex(command[command.index("--report-data") + 1])
    emitted = emit(Platform.NITRO, data, nonce=NONCE)
    (folder / "evidence").write_bytes(emitted.evidence)
    assert confide(*command, "--nonce", NONCE.hex()).code == 0
    done = confide(*command, "--nonce", "00" * 32)
    assert done.code == 10
    assert done.out.splitlines()[-1].startswith("refused report data")


class TestRealEvidence:
    """As a user would verify a vendor's own documents; they lie beside the repository."""

    def test_of_nitro_holds_at_its_time_and_warns_of_nothing(self, confide, folder):
        document = vector("nitro_ok.cose")
        path = FOLDER / "nitro_ok.cose"
        (folder / "policy.toml").write_text(policy_text(Platform.NITRO, document, simulated=False))
        _, said = inspect(document)
        options = ("--policy", "policy.toml", "--report-data", said["user_data"])
        done = confide("tee", "verify", path, *options, "--at", "1766668537")
        assert done.out.splitlines()[1].startswith("holds   root")
        assert done.code == 0, done.out
        assert done.err == ""
        assert "the vendor's root, pinned in this package" in done.out
        later = confide("tee", "verify", path, *options, "--at", "1766768537")
        assert later.code == 10
        assert later.out.splitlines()[-1].startswith("refused freshness")
        asked_for = confide(
            "tee", "verify", path, *options, "--at", "1766668537", "--nonce", NONCE.hex()
        )
        assert asked_for.code == 10
        assert asked_for.out.splitlines()[-1].startswith("refused report data")


class TestInspect:
    @pytest.mark.parametrize("platform", list(Platform))
    def test_says_what_is_stated_and_that_nothing_is_verified(self, confide, written, platform):
        written(platform)
        done = confide("tee", "inspect", "evidence")
        assert done.code == 0
        assert done.err.strip() == "nothing of this is verified: anybody could have written it"
        lines = dict(line.split(maxsplit=1) for line in done.out.splitlines() if " " in line)
        assert lines["platform"] == platform.value
        reference = reference_of(platform, Evidence.from_bytes(read("evidence")).document)
        for name, value in reference.measurements.items():
            assert lines[name] == value.hex()

    def test_as_json(self, confide, written):
        written()
        done = confide("tee", "inspect", "evidence", "--json")
        assert (done.code, done.err) == (0, "")
        found = json.loads(done.out)
        assert found["verified"] is False
        assert found["platform"] == "snp"
        assert found["measurement"] == read("evidence")[0x90:0xC0].hex()
        assert found["claims"] is None

    def test_of_a_bundle_shows_its_claims(self, confide, written):
        written(claims=True)
        shown = confide("tee", "inspect", "evidence").out
        assert f"claims.nonce           {NONCE.hex()}" in shown
        assert "claims.epoch           2" in shown
        claims = json.loads(confide("tee", "inspect", "evidence", "--json").out)["claims"]
        assert (claims["task"], claims["plan"]) == (EXPECTED.task, PLAN.hex())
        assert claims["workload"] == BUILD.hex()

    @pytest.mark.parametrize("data", [b"", b"text", b"\xa0"])
    def test_of_what_is_no_evidence(self, folder, refused, data):
        (folder / "evidence").write_bytes(data)
        refused("tee", "inspect", "evidence", code=10)

    def test_of_no_file(self, refused):
        assert "cannot read none" in refused("tee", "inspect", "none", code=3)


class TestPolicy:
    def test_prints_the_hash_that_a_plan_names(self, confide, folder, written):
        written(simulated=False)
        done = confide("tee", "policy", "policy.toml")
        assert (done.code, done.err) == (0, "")
        policy = read_policy(folder / "policy.toml")
        assert isinstance(policy, Policy)
        assert done.out == policy.hash.hex() + "\n"
        renamed = replace(policy, nodes=frozenset({"one"}))
        assert done.out != renamed.hash.hex() + "\n"

    def test_warns_of_a_simulator(self, confide, written):
        written()
        done = confide("tee", "policy", "policy.toml")
        assert done.code == 0
        assert done.err.strip() == WARNING
        assert len(done.out) == 65

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("nodes = 'any'", "would accept any code"),
            ("node = 'any'", "unknown key 'node'"),
            ("", "'nodes' is missing"),
        ],
    )
    def test_that_must_not_be_made_has_none(self, folder, refused, text, reason):
        (folder / "policy.toml").write_text(text)
        assert reason in refused("tee", "policy", "policy.toml", code=2)

    def test_of_a_release_that_nobody_signed_has_none(self, folder, refused):
        (folder / "release.json").write_text("{}")
        (folder / "policy.toml").write_text(
            'nodes = "any"\n[releases]\nfiles = ["release.json"]\n'
            f'signers = ["{"00" * 32}"]\nthreshold = 1\n'
        )
        error = refused("tee", "policy", "policy.toml", code=10)
        assert error.startswith("release.json: the release is no 'confide release 1'")

    def test_takes_a_root_in_der_too(self, confide, folder, written):
        written()
        before = confide("tee", "policy", "policy.toml").out
        root = load_certificate(vendor("amd", 0).root)
        (folder / "root.pem").write_bytes(root.public_bytes(Encoding.DER))
        assert confide("tee", "policy", "policy.toml").out == before


def read(name):
    with open(name, "rb") as file:  # noqa: PTH123 - in the working folder, as the command does
        return file.read()


@pytest.mark.parametrize(
    ("platform", "case", "warning"),
    [
        (Platform.SGX, {"attributes": 0x07}, "DEBUG"),
        (Platform.TDX, {"td_attributes": 1 << 28 | 1}, "DEBUG"),
        (Platform.TDX, {"td_attributes": 1 << 28 | 1 << 29}, "MIGRATION"),
        (Platform.SNP, {"policy": 1 << 19 | 1 << 17}, "DEBUG"),
        (Platform.SNP, {"policy": 1 << 18 | 1 << 17}, "MIGRATION"),
        (Platform.NITRO, {"debug": True}, "DEBUG"),
    ],
)
def test_inspecting_an_open_workload_says_so_aloud(folder, confide, platform, case, warning):
    (folder / "open").write_bytes(asked(platform, **case).emitted.evidence)
    done = confide("tee", "inspect", "open")
    assert done.code == 0
    assert warning in done.err
    assert warning in json.loads(confide("tee", "inspect", "open", "--json").out)["warnings"][0]


@pytest.mark.parametrize("platform", list(Platform))
def test_inspecting_a_closed_workload_warns_of_nothing_but_that_it_is_not_verified(
    folder, confide, platform
):
    (folder / "closed").write_bytes(asked(platform).emitted.evidence)
    done = confide("tee", "inspect", "closed")
    assert done.err.strip() == "nothing of this is verified: anybody could have written it"
    assert json.loads(confide("tee", "inspect", "closed", "--json").out)["warnings"] == []
