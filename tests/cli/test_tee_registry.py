"""`confide tee registry` and `confide tee attest` as operators, parties and auditors use them."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from confide_operator.registry import Registry
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.operator.registry.support import RELEASE, Machine, key
from tests.tee.support import LEAST, MEASUREMENT, vendor

from confide.tee import Evidence, SignedRelease, read_policy
from confide.tee.certificates import load_certificate, to_pem
from confide.tee.heartbeat import Heartbeat

NAMES = ("alder", "birch", "cedar", "operator", "log-operator")


def policy_text(measurement):
    levels = "\n".join(f"{name} = {level}" for name, level in LEAST["Milan"].items())
    return (
        'nodes = "any"\nallow_simulated = true\n'
        f'[measurements.snp]\nmeasurement = "{measurement.hex()}"\n'
        f"[tcb.snp.Milan]\n{levels}\n"
        '[simulated_roots]\nsnp = "root.pem"\n'
    )


@pytest.fixture
def files(folder):
    for name in NAMES:
        private = key(name)
        (folder / f"{name}.key").write_bytes(
            private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        (folder / f"{name}.pem").write_bytes(
            private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
    (folder / "release.json").write_text(SignedRelease(RELEASE, {}).to_json())
    (folder / "root.pem").write_bytes(to_pem([load_certificate(vendor("amd", 0).root)]))
    (folder / "policy.toml").write_text(policy_text(MEASUREMENT))
    return folder


@pytest.fixture
def registry(files, confide):
    members = [part for name in NAMES[:3] for part in ("--party", f"{name}={name}.pem")]
    done = confide(
        "tee", "registry", "init", "r.db", "--name", "lenders", "--by", "alder", "--key",
        "alder.key", *members, "--operator", "operator=operator.pem", "--threshold", 2,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.out.strip() == Registry(files / "r.db").id.hex()
    return files / "r.db"


@pytest.fixture
def run(registry, confide):
    """Runs a command on the registry that must not fail."""

    def run(command, *arguments):
        done = confide("tee", "registry", command, registry, *arguments)
        assert done.code == 0, done.err
        return done

    return run


def answered(registry_file, folder, nonce, **case):
    registry = Registry(registry_file, clock=lambda: datetime.now(UTC))
    (folder / "evidence").write_bytes(Machine(registry, **case).answer(bytes.fromhex(nonce)))


def enrolled(registry, files, run):
    nonce = run("challenge", "node-1").out.strip()
    answered(registry, files, nonce)
    return run(
        "enrol", "node-1", "evidence", "--nonce", nonce, "--policy", "policy.toml",
        "--key", "operator.key",
    )  # fmt: skip


def test_a_build_goes_from_the_operator_through_the_queue_into_a_policy(run, files):
    build = run("propose", "release.json", "--key", "operator.key").out.strip()
    waiting = run("queue", "--party", "birch").out
    assert build[:16] in waiting
    assert "build aggregator 1.0, by operator" in waiting
    assert "0 of 2 accept" in waiting
    done = run("accept", build[:12], "--key", "alder.key", "--reason", "reproduced")
    assert "1 of 2 accept; pending" in done.err
    assert "2 of 2 accept; accepted" in run("accept", build, "--key", "birch.key").err
    assert run("queue").out.strip() == "nothing waits"

    fragment = run("releases", "--out", "policies").out
    policy = files / "policies" / "policy.toml"
    policy.write_text(
        fragment + "[tcb.snp.Milan]\nbootloader = 4\ntee = 0\nsnp = 20\nmicrocode = 200\n"
    )
    (reference,) = read_policy(policy).references
    assert reference.workload == RELEASE.workload


def test_a_machine_is_enrolled_attested_again_and_told_when_it_may_be_used(registry, run, files):
    done = enrolled(registry, files, run)
    assert "SIMULATED" in done.err
    node = done.out.strip()
    waiting = run("queue")
    assert "SIMULATED" in waiting.out
    assert "SIMULATED" in waiting.err
    assert "says operator; verify it with --policy" in waiting.out
    (item,) = json.loads(run("queue", "--policy", "policy.toml", "--json").out)
    assert item["simulated"]
    assert f"machine {item['machine']}" in waiting.out
    done = run("status")
    assert "it is pending; its evidence was not verified here: give a policy" in done.out
    assert "without --policy no evidence is verified" in done.err
    for name in ("alder", "birch"):
        run("accept", node, "--key", f"{name}.key", "--policy", "policy.toml")
    nonce = run("challenge", "node-1").out.strip()
    answered(registry, files, nonce)
    done = run(
        "attest", "node-1", "evidence", "--nonce", nonce, "--policy", "policy.toml",
        "--key", "operator.key",
    )  # fmt: skip
    assert "node-1: attested" in done.err
    shown = run("status", "--check", "--policy", "policy.toml")
    assert "SIMULATED" in shown.out
    assert "SIMULATED" in shown.err
    (found,) = json.loads(run("status", "--policy", "policy.toml", "--json").out)["nodes"]
    assert found["usable"]
    assert found["assurance"] == "simulated"


def test_a_machine_that_fails_is_refused_recorded_and_not_used(registry, run, files, confide):
    node = enrolled(registry, files, run).out.strip()
    for name in ("alder", "birch"):
        run("accept", node, "--key", f"{name}.key", "--policy", "policy.toml")
    nonce = run("challenge", "node-1").out.strip()
    answered(registry, files, nonce, measurement=bytes(48))
    done = confide(
        "tee", "registry", "attest", registry, "node-1", "evidence", "--nonce", nonce,
        "--policy", "policy.toml", "--key", "operator.key",
    )  # fmt: skip
    assert done.code == 10
    assert "what runs is nothing that the policy accepts" in done.err
    assert "failed at measurement" in run("status").out
    done = confide("tee", "registry", "status", registry, "--policy", "policy.toml", "--check")
    assert done.code == 10
    assert "may not be used now: node-1" in done.err


def test_the_audit_is_a_table_and_json(run):
    run("propose", "release.json", "--key", "operator.key")
    table = list(csv.DictReader(io.StringIO(run("audit").out)))
    listed = json.loads(run("audit", "--format", "json").out)
    assert [row["action"] for row in table] == ["founded", "build proposed"]
    assert [row["hash"] for row in listed] == [row["hash"] for row in table]


def test_a_head_finds_what_was_taken_away(registry, run, files, confide):
    run("propose", "release.json", "--key", "operator.key")
    (files / "head").write_text(run("head", "--key", "log-operator.key").out)
    assert (
        "entries: 2, each"
        in run("verify", "--head", "head", "--log-operator", "log-operator.pem").out
    )
    assert "without --head" in run("verify").err
    registry.unlink()
    members = [part for name in NAMES[:3] for part in ("--party", f"{name}={name}.pem")]
    confide(
        "tee", "registry", "init", registry, "--name", "lenders", "--by", "alder", "--key",
        "alder.key", *members,
    )  # fmt: skip
    done = confide(
        "tee",
        "registry",
        "verify",
        registry,
        "--head",
        "head",
        "--log-operator",
        "log-operator.pem",
    )
    assert done.code == 5
    assert "it was truncated" in done.err


def test_an_entry_is_shown_to_who_has_no_copy(run, files, confide):
    run("propose", "release.json", "--key", "operator.key")
    (files / "proof").write_text(run("prove", 1, "--key", "log-operator.key").out)
    done = confide("tee", "registry", "check-proof", "proof", "--log-operator", "log-operator.pem")
    assert done.code == 0
    assert "operator, build proposed" in done.out
    done = confide("tee", "registry", "check-proof", "proof", "--log-operator", "alder.pem")
    assert done.code == 6


def test_members_change_by_the_parties_word(run, files, confide, registry):
    proposal = run(
        "member", "log-operator", "log-operator.pem", "--role", "party", "--key", "operator.key"
    )
    for name in ("alder", "birch"):
        run("accept", proposal.out.strip(), "--key", f"{name}.key")
    build = run("propose", "release.json", "--key", "operator.key").out.strip()
    run("reject", build, "--key", "log-operator.key", "--reason", "not seen")
    run("withdraw", build, "--key", "operator.key", "--reason", "superseded")
    assert run("queue").out.strip() == "nothing waits"


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (("queue", "absent.db"), 3, "no registry at absent.db; create one with `registry init`"),
        (("accept", "r.db", "ffff", "--key", "alder.key"), 3, "no proposals begin with 'ffff'"),
        (("head", "r.db", "--key", "absent.key"), 3, "cannot read absent.key"),
        (("propose", "r.db", "plan.toml", "--key", "operator.key"), 10, "cannot be read"),
        (("propose", "r.db", "release.json", "--key", "alder.pem"), 3, "holds no private key"),
        (("propose", "r.db", "release.json", "--key", "log-operator.key"), 3, "no member"),
        (("verify", "r.db", "--head", "plan.toml"), 3, "give --log-operator"),
        (("verify", "r.db", "--head", "plan.toml", "--log-operator", "log-operator.pem"), 3,
         "not a hexadecimal"),
        (("member", "r.db", "x", "alder.key", "--role", "party", "--key", "alder.key"), 3,
         "holds no public key"),
        (("verify", "r.db", "--head", "none", "--log-operator", "log-operator.pem"), 3,
         "none holds no head of a registry"),
        (("check-proof", "none", "--log-operator", "log-operator.pem"), 3,
         "none holds no proof of a registry"),
        (("prove", "r.db", "9", "--key", "alder.key"), 5, "has no entry 9"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_clear_line(registry, refused, command, code, message):
    registry.with_name("none").write_text("00")
    assert message in refused("tee", "registry", *command, code=code)


def test_a_party_is_no_operator_beside(files, refused):
    assert "is a party and an operator" in refused(
        "tee", "registry", "init", "r.db", "--name", "x", "--by", "alder", "--key", "alder.key",
        "--party", "alder=alder.pem", "--operator", "alder=alder.pem", code=3,
    )  # fmt: skip


def test_a_policy_names_the_machines_that_are_usable_under_another(registry, run, files, confide):
    node = enrolled(registry, files, run).out.strip()
    run("accept", run("propose", "release.json", "--key", "operator.key").out.strip(), "--key",
        "alder.key")  # fmt: skip
    build = run("queue", "--json").out
    done = confide("tee", "registry", "releases", registry, "--out", "p", "--policy", "policy.toml")
    assert done.code == 3
    assert "no machine is usable under policy.toml: node-1: it is pending" in done.err
    for item in json.loads(build):
        run("accept", item["id"], "--key", "birch.key", "--policy", "policy.toml")
    run("accept", node, "--key", "cedar.key", "--policy", "policy.toml")
    fragment = run("releases", "--out", "p", "--policy", "policy.toml").out
    (found,) = json.loads(run("status", "--policy", "policy.toml", "--json").out)["nodes"]
    assert f'nodes = ["{found["identifier"]}"]' in fragment


def test_attestations_are_verified_again_under_the_policies_given(registry, run, files, confide):
    enrolled(registry, files, run)
    done = run("verify", "--policy", "policy.toml")
    assert "NOT verified" not in done.err
    assert "NOT verified: 1 attestations" in run("verify").err
    (files / "strict.toml").write_text(policy_text(b"m" * 48))
    done = confide("tee", "registry", "verify", registry, "--policy", "strict.toml")
    assert done.code == 10
    assert "node node-1 (snp) was attested by evidence that fails" in done.err


class TestHeartbeat:
    def test_is_of_the_instance_whose_keys_were_attested(self, registry, run, files, confide):
        (files / "mrenclave").mkdir()
        (files / "attestation_type").write_text("dcap")
        (files / "quote").write_bytes(b"a quote")
        arguments = [*TestAttest.ARGUMENTS, "--keys", "keys", "--from", "gramine", "--device", "."]
        for _ in range(2):  # the keys are made once, and kept
            assert confide("tee", "attest", *arguments).code == 0
        evidence = Evidence.from_bytes((files / "evidence").read_bytes())
        done = confide("tee", "heartbeat", "--keys", "keys", "--registry", "11" * 32, "--node",
                       "node-1", "--out", "beat")  # fmt: skip
        assert done.code == 0, done.err
        assert evidence.claims is not None
        Heartbeat.from_bytes((files / "beat").read_bytes()).verify(evidence.claims.signing_key)
        assert (files / "keys").stat().st_mode & 0o777 == 0o600

    def test_takes_keys_that_are_there(self, refused):
        message = refused("tee", "heartbeat", "--keys", "absent", "--registry", "11" * 32, "--node",
                          "node-1", "--out", "beat", code=3)  # fmt: skip
        assert message.startswith("no keys at absent: make them with `confide tee attest --keys")

    def test_takes_keys_and_nothing_else(self, folder, refused):
        (folder / "keys").write_bytes(b"\x80")
        message = refused("tee", "heartbeat", "--keys", "keys", "--registry", "11" * 32, "--node",
                          "node-1", "--out", "beat", code=3)  # fmt: skip
        assert message == "keys holds no instance's keys"


class TestAttest:
    ARGUMENTS = (
        "--purpose", "enrol", "--plan", "11" * 32, "--task", "node-1", "--nonce", "22" * 32,
        "--build", "33" * 32, "--out", "evidence",
    )  # fmt: skip

    def test_writes_what_the_hardware_gives_with_the_claims_it_carries(self, folder, confide):
        gramine = folder / "attestation"
        gramine.mkdir()
        (gramine / "attestation_type").write_text("dcap")
        (gramine / "quote").write_bytes(b"a quote")
        done = confide("tee", "attest", "--from", "gramine", "--device", gramine, *self.ARGUMENTS)
        assert done.code == 0, done.err
        evidence = Evidence.from_bytes((folder / "evidence").read_bytes())
        assert evidence.document == b"a quote"
        assert evidence.claims is not None
        assert evidence.claims.nonce == bytes.fromhex("22" * 32)
        assert (gramine / "user_report_data").read_bytes() == evidence.claims.report_data

    def test_without_hardware_is_one_clear_line(self, refused):
        for source in ("gramine", "configfs", "nitro", "simulator"):
            message = refused(
                "tee", "attest", "--from", source, "--device", "absent", *self.ARGUMENTS, code=10
            )
            assert message.startswith("no evidence from absent")

    def test_an_event_log_is_of_a_tdx_domain(self, refused):
        message = refused(
            "tee", "attest", "--from", "nitro", "--event-log", "log", *self.ARGUMENTS, code=3
        )
        assert "--event-log is for a TDX domain" in message
