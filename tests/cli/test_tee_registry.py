"""`confide tee registry` and `confide tee attest` as operators, parties and auditors use them."""

import csv
import io
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from tests.tee.registry.support import RELEASE, Machine, key
from tests.tee.support import LEAST, MEASUREMENT, vendor

from confide.tee import Evidence, SignedRelease, read_policy
from confide.tee.certificates import load_certificate, to_pem
from confide.tee.registry import Registry

NAMES = ("alder", "birch", "cedar", "operator", "keeper")


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
        "tee", "registry", "found", "r.db", "--name", "lenders", "--by", "alder", "--key",
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
        fragment.replace("nodes = []", 'nodes = "any"')
        + "[tcb.snp.Milan]\nbootloader = 4\ntee = 0\nsnp = 20\nmicrocode = 200\n"
    )
    (reference,) = read_policy(policy).references
    assert reference.workload == RELEASE.workload


def test_a_machine_is_enrolled_attested_again_and_told_when_it_may_be_used(registry, run, files):
    done = enrolled(registry, files, run)
    assert "SIMULATED" in done.err
    node = done.out.strip()
    assert "it is pending" in run("status").out
    for name in ("alder", "birch"):
        run("accept", node, "--key", f"{name}.key")
    nonce = run("challenge", "node-1").out.strip()
    answered(registry, files, nonce)
    done = run(
        "attest", "node-1", "evidence", "--nonce", nonce, "--policy", "policy.toml",
        "--key", "operator.key",
    )  # fmt: skip
    assert "node-1: attested" in done.err
    shown = run("status", "--check")
    assert "SIMULATED" in shown.out
    assert "SIMULATED" in shown.err
    (found,) = json.loads(run("status", "--json").out)["nodes"]
    assert found["usable"]
    assert found["assurance"] == "simulated"


def test_a_machine_that_fails_is_refused_recorded_and_not_used(registry, run, files, confide):
    node = enrolled(registry, files, run).out.strip()
    for name in ("alder", "birch"):
        run("accept", node, "--key", f"{name}.key")
    nonce = run("challenge", "node-1").out.strip()
    answered(registry, files, nonce, measurement=bytes(48))
    done = confide(
        "tee", "registry", "attest", registry, "node-1", "evidence", "--nonce", nonce,
        "--policy", "policy.toml", "--key", "operator.key",
    )  # fmt: skip
    assert done.code == 10
    assert "what runs is nothing that the policy accepts" in done.err
    assert "failed at measurement" in run("status").out
    done = confide("tee", "registry", "status", registry, "--check")
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
    (files / "head").write_text(run("head", "--key", "keeper.key").out)
    assert "entries: 2, each" in run("verify", "--head", "head", "--keeper", "keeper.pem").out
    assert "without --head" in run("verify").err
    registry.unlink()
    members = [part for name in NAMES[:3] for part in ("--party", f"{name}={name}.pem")]
    confide(
        "tee", "registry", "found", registry, "--name", "lenders", "--by", "alder", "--key",
        "alder.key", *members,
    )  # fmt: skip
    done = confide(
        "tee", "registry", "verify", registry, "--head", "head", "--keeper", "keeper.pem"
    )
    assert done.code == 5
    assert "its end was cut off" in done.err


def test_an_entry_is_shown_to_who_has_no_copy(run, files, confide):
    run("propose", "release.json", "--key", "operator.key")
    (files / "proof").write_text(run("prove", 1, "--key", "keeper.key").out)
    done = confide("tee", "registry", "check-proof", "proof", "--keeper", "keeper.pem")
    assert done.code == 0
    assert "operator, build proposed" in done.out
    done = confide("tee", "registry", "check-proof", "proof", "--keeper", "alder.pem")
    assert done.code == 6


def test_members_change_by_the_parties_word(run, files, confide, registry):
    proposal = run("member", "keeper", "keeper.pem", "--role", "party", "--key", "operator.key")
    for name in ("alder", "birch"):
        run("accept", proposal.out.strip(), "--key", f"{name}.key")
    build = run("propose", "release.json", "--key", "operator.key").out.strip()
    run("reject", build, "--key", "keeper.key", "--reason", "not seen")
    run("withdraw", build, "--key", "operator.key", "--reason", "superseded")
    assert run("queue").out.strip() == "nothing waits"


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (("queue", "absent.db"), 3, "there is no registry at absent.db"),
        (("accept", "r.db", "ffff", "--key", "alder.key"), 3, "no proposals begin with 'ffff'"),
        (("head", "r.db", "--key", "absent.key"), 3, "cannot read absent.key"),
        (("propose", "r.db", "plan.toml", "--key", "operator.key"), 10, "cannot be read"),
        (("propose", "r.db", "release.json", "--key", "alder.pem"), 3, "holds no private key"),
        (("propose", "r.db", "release.json", "--key", "keeper.key"), 3, "no member"),
        (("verify", "r.db", "--head", "plan.toml"), 3, "give --keeper"),
        (("verify", "r.db", "--head", "plan.toml", "--keeper", "keeper.pem"), 3, "no hexadecimal"),
        (("member", "r.db", "x", "alder.key", "--role", "party", "--key", "alder.key"), 3,
         "holds no public key"),
        (("verify", "r.db", "--head", "none", "--keeper", "keeper.pem"), 3,
         "none holds no head of a registry"),
        (("check-proof", "none", "--keeper", "keeper.pem"), 3, "none holds no proof of a registry"),
        (("prove", "r.db", "9", "--key", "alder.key"), 5, "has no entry 9"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_clear_line(registry, refused, command, code, message):
    registry.with_name("none").write_text("00")
    assert message in refused("tee", "registry", *command, code=code)


def test_a_party_is_no_operator_beside(files, refused):
    assert "is a party and an operator" in refused(
        "tee", "registry", "found", "r.db", "--name", "x", "--by", "alder", "--key", "alder.key",
        "--party", "alder=alder.pem", "--operator", "alder=alder.pem", code=3,
    )  # fmt: skip


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
        for source in ("gramine", "configfs", "nitro"):
            message = refused(
                "tee", "attest", "--from", source, "--device", "absent", *self.ARGUMENTS, code=10
            )
            assert message.startswith("no evidence from absent")

    def test_an_event_log_is_of_a_tdx_domain(self, refused):
        message = refused(
            "tee", "attest", "--from", "nitro", "--event-log", "log", *self.ARGUMENTS, code=3
        )
        assert "--event-log is of a TDX domain" in message
