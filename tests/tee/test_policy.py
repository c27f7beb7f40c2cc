"""Policies: what they ask for is what their hash names, and none accepts just anything."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
from tests.tee.support import LEAST, NOW, asked, policy_of, vendor

from confide.errors import AttestationError, PlanError
from confide.tee import Platform, Policy, Reference, Roots, verify
from confide.tee.certificates import load_certificate
from confide.tee.nvidia import GpuPolicy
from confide.tee.policy import INTEL_STATUSES
from confide.tee.requirements import Requirement
from confide.tee.roots import COMPONENTS, PRODUCTS

SNP = Reference(Platform.SNP, {"measurement": b"m" * 48}, b"w" * 32, "a build")
SGX = Reference(Platform.SGX, {"mrenclave": b"e" * 32}, None, "another")
HARDWARE = Policy(references=(SNP, SGX), nodes=frozenset({"one"}), minimum_levels=LEAST)
LEVELS = LEAST["Milan"]


def root(copy=0):
    return load_certificate(vendor("amd", copy).root)


def changes():
    """By field, policies that ask for something else than `HARDWARE` in that field alone."""
    other = replace(SNP, measurements={"measurement": b"x" * 48})
    more = replace(SNP, measurements={**SNP.measurements, "host_data": bytes(32)})
    raised = {"Milan": {**LEVELS, "microcode": 201}}
    roots = Roots({Platform.SNP: root()})
    gpu = GpuPolicy("550.90.07", "96.00.9F.00.01")
    return {
        "references": [
            (other, SGX),
            (more, SGX),
            (SNP,),
            (SNP, SGX, other),
            (replace(SNP, workload=None), SGX),
            (replace(SNP, workload=bytes(32)), SGX),
        ],
        "nodes": [None, frozenset({"two"}), frozenset({"one", "two"})],
        "statuses": [frozenset({"UpToDate", "OutOfDate"}), frozenset({"OutOfDate"})],
        "advisories": [frozenset({"INTEL-SA-00615"})],
        "minimum_evaluation": [17],
        "minimum_levels": [raised, {**LEAST, "Genoa": LEVELS}, {"Genoa": LEVELS}],
        "max_collateral_age": [timedelta(days=8), timedelta(days=7, microseconds=1)],
        "max_evidence_age": [timedelta(minutes=4), timedelta(minutes=5, microseconds=1)],
        "revocation_lists": [False],
        "requirements": [
            (Requirement(Platform.SNP, "guest_svn", 1),),
            (Requirement(Platform.SNP, "guest_policy", None, 0, 1 << 16),),
        ],
        "allow_paravisor": [True],
        "allow_simulated": [{"allow_simulated": True, "roots": roots}],
        "roots": [
            {"allow_simulated": True, "roots": Roots({Platform.SNP: root(1)})},
            {"allow_simulated": True, "roots": Roots({Platform.SGX: root()})},
        ],
        "nvidia": [gpu, *(replace(gpu, **change) for change in GPU_CHANGES)],
    }


GPU_CHANGES: list[dict[str, Any]] = [
    {"driver": "550.90.08"},
    {"vbios": "96.00.9F.00.02"},
    {"gpus": 2},
    {"revocation_lists": False},
]


class TestHash:
    def test_changes_with_every_field(self):
        found = changes()
        assert found.keys() == {item.name for item in fields(Policy)}
        policies = [HARDWARE]
        for name, values in found.items():
            for value in values:
                change = value if isinstance(value, dict) and "roots" in value else {name: value}
                policies.append(replace(HARDWARE, **change))
        assert len({policy.hash for policy in policies}) == len(policies)
        assert all(len(policy.hash) == 32 for policy in policies)

    def test_changes_with_no_name_and_no_order(self):
        renamed = tuple(replace(r, name="for people") for r in HARDWARE.references)
        assert replace(HARDWARE, references=renamed).hash == HARDWARE.hash
        assert replace(HARDWARE, references=(SGX, SNP)).hash == HARDWARE.hash
        backwards = {"Milan": dict(reversed(LEVELS.items()))}
        assert replace(HARDWARE, minimum_levels=backwards).hash == HARDWARE.hash

    def test_is_this_one(self):
        """A change of it is a change of what plans name: it takes another format's name."""
        assert (
            HARDWARE.hash.hex()
            == "ea3ba6e8e4477d0b7f759e4d0af8833171a3d4fb34c068be122957764026739f"
        )


class TestThatAcceptsAnything:
    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            ({"references": ()}, "would accept any code"),
            ({"nodes": frozenset()}, "empty accepts nothing; say 'any'"),
            ({"statuses": frozenset({"Revoked"})}, "TCB status 'Revoked'; a policy may accept"),
            ({"statuses": frozenset({"uptodate"})}, "TCB status 'uptodate'"),
            ({"minimum_evaluation": -1}, "minimum_evaluation -1; it is a number from 0 to"),
            ({"minimum_evaluation": 1 << 64}, "minimum_evaluation 18446744073709551616"),
            ({"max_collateral_age": timedelta(0)}, "it is above zero"),
            ({"max_collateral_age": -timedelta(1)}, "it is above zero"),
            ({"max_evidence_age": timedelta(0)}, "it is above zero"),
            ({"max_evidence_age": timedelta(days=3651)}, "at most 3,650 days"),
            ({"allow_simulated": True}, "both allow_simulated = true and its root named"),
            ({"minimum_levels": {}}, "accepts SEV-SNP and names no least patch levels"),
            ({"minimum_levels": {"Rome": LEVELS}}, "AMD's product 'Rome'; known are Milan"),
            ({"minimum_levels": {"Milan": {}}}, "tcb.snp.Milan lacks, .* bootloader, microcode"),
            (
                {"minimum_levels": {"Milan": {"bootloader": 4}}},
                "tcb.snp.Milan lacks, or should not have, microcode, snp, tee",
            ),
            (
                {"minimum_levels": {"Milan": {**LEVELS, "fmc": 1}}},
                "tcb.snp.Milan lacks, or should not have, fmc",
            ),
            ({"minimum_levels": {"Turin": LEVELS}}, "tcb.snp.Turin lacks, .* fmc"),
            ({"minimum_levels": {"Milan": {**LEVELS, "snp": -1}}}, "tcb.snp.Milan.snp is -1"),
            ({"minimum_levels": {"Milan": {**LEVELS, "snp": 256}}}, "tcb.snp.Milan.snp is 256"),
        ],
        ids=str,
    )
    def test_is_not_made(self, change, reason):
        with pytest.raises(PlanError, match=reason):
            replace(HARDWARE, **change)

    def test_of_a_simulators_root_takes_the_word_too(self):
        with pytest.raises(PlanError, match="both allow_simulated = true and its root named"):
            replace(HARDWARE, roots=Roots({Platform.SNP: root()}))


def test_the_defaults_are_the_strictest():
    policy = Policy(references=(SGX,), nodes=None)
    assert policy.statuses == frozenset({"UpToDate"})
    assert policy.advisories == frozenset()
    assert policy.max_collateral_age == timedelta(days=7)
    assert policy.revocation_lists
    assert not policy.allow_simulated
    assert not policy.roots.simulated


def test_revoked_is_no_status_to_accept():
    assert "Revoked" not in INTEL_STATUSES
    assert replace(HARDWARE, statuses=frozenset(INTEL_STATUSES)).hash


def test_uses_the_verifiers_of_its_references_alone():
    assert HARDWARE.platforms == (Platform.SGX, Platform.SNP)
    assert replace(HARDWARE, references=(SNP, SNP)).platforms == (Platform.SNP,)
    assert replace(HARDWARE, references=(SGX,), minimum_levels={}).platforms == (Platform.SGX,)


@pytest.mark.parametrize("product", PRODUCTS)
def test_names_the_components_that_the_evidence_has(product):
    assert COMPONENTS.keys() == set(PRODUCTS)
    given = asked(Platform.SNP, product=product)
    measured = {"measurement": given.evidence.document[0x90:0xC0]}
    reference = Reference(Platform.SNP, measured, None, "a build")
    zero = dict.fromkeys(COMPONENTS[product], 0)

    def verified(**levels):
        policy = policy_of(reference, minimum_levels={product: {**zero, **levels}})
        return verify(given.evidence, policy, given.carried, collateral=given.collateral, at=NOW)

    tcb = verified().tcb
    assert tuple(tcb.levels) == COMPONENTS[product]
    for component, level in tcb.levels.items():
        verified(**{component: level})
        with pytest.raises(AttestationError, match=f"{component} {level} < {level + 1}"):
            verified(**{component: level + 1})
