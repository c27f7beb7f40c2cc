"""Least versions, and bits that must be set or clear: weaker evidence is refused at its step."""

from dataclasses import replace

import pytest
from confide_sim import GuestPolicy
from tests.tee.support import NOW, asked, policy_of, reference_of

from confide.errors import AttestationError, PlanError, Step
from confide.tee import Platform, Policy, verify
from confide.tee.requirements import FIELDS, Requirement, mask_of, version_number, version_text

SNP, TDX, SGX = Platform.SNP, Platform.TDX, Platform.SGX
ALWAYS = GuestPolicy.ALWAYS_ONE
ALIAS, ECC, SMT = 1 << 5, 1 << 2, 1 << 0


def verified(case, *requirements):
    policy = policy_of(reference_of(case.platform, case.emitted.evidence))
    policy = replace(policy, requirements=requirements)
    return verify(case.evidence, policy, case.carried, collateral=case.collateral, at=NOW)


def step_of(case, *requirements):
    with pytest.raises(AttestationError) as refused:
        verified(case, *requirements)
    return refused.value.step, str(refused.value)


def bits(platform, name, *, on=(), off=()):
    known = FIELDS[platform][name].bits
    return Requirement(platform, name, None, mask_of(on, known, name), mask_of(off, known, name))


class TestGuestPolicy:
    def test_threads_of_strangers_on_one_core(self):
        asked_for = bits(SNP, "guest_policy", off=["smt"])
        verified(asked(SNP, policy=ALWAYS), asked_for)
        step, reason = step_of(asked(SNP, policy=ALWAYS | GuestPolicy.SMT), asked_for)
        assert step is Step.DEBUG
        assert reason == "snp.guest_policy has smt, which the policy refuses"

    def test_one_socket(self):
        asked_for = bits(SNP, "guest_policy", on=["single_socket"])
        verified(asked(SNP, policy=ALWAYS | 1 << 20), asked_for)
        step, reason = step_of(asked(SNP, policy=ALWAYS), asked_for)
        assert (step, reason) == (
            Step.DEBUG, "snp.guest_policy lacks single_socket, which the policy asks for",
        )  # fmt: skip

    @pytest.mark.parametrize(("abi", "good"), [(0x0137, True), (0x0200, True), (0x0136, False)])
    def test_a_least_version_of_the_interface(self, abi, good):
        case = asked(SNP, policy=ALWAYS | abi)
        asked_for = Requirement(SNP, "guest_abi", version_number("1.55", "guest_abi"))
        if good:
            verified(case, asked_for)
            return
        step, reason = step_of(case, asked_for)
        assert step is Step.DEBUG
        assert "is 1.54; the policy asks for 1.55 or more" in reason


class TestPlatform:
    def test_the_check_against_aliases_of_memory_is_complete(self):
        """BadRAM (De Meulemeester et al. 2025): a module that lies about its size."""
        asked_for = bits(SNP, "platform_info", on=["alias_check_complete"])
        verified(asked(SNP, platform_info=ALIAS), asked_for)
        step, reason = step_of(asked(SNP, platform_info=SMT | ECC), asked_for)
        assert step is Step.TCB
        assert "lacks alias_check_complete" in reason

    def test_a_stronger_machine_is_not_refused_for_its_other_bits(self):
        asked_for = bits(SNP, "platform_info", on=["ecc_en"], off=["smt_en"])
        for stronger in (ECC, ECC | ALIAS, ECC | ALIAS | 1 << 4):
            verified(asked(SNP, platform_info=stronger), asked_for)

    def test_the_modules_least_version(self):
        case = asked(TDX)
        stated = verified(case).numbers["module_svn"]
        verified(case, Requirement(TDX, "module_svn", stated))
        assert step_of(case, Requirement(TDX, "module_svn", stated + 1))[0] is Step.TCB


class TestCode:
    @pytest.mark.parametrize(
        ("platform", "name", "field"),
        [(SNP, "guest_svn", "guest_svn"), (SGX, "isv_svn", "isv_svn")],
    )
    def test_a_least_version_of_what_runs(self, platform, name, field):
        asked_for = Requirement(platform, name, 3)
        for version in (3, 4):
            verified(asked(platform, **{field: version}), asked_for)
        step, reason = step_of(asked(platform, **{field: 2}), asked_for)
        assert step is Step.MEASUREMENT
        assert reason == f"{platform.value}.{name} is 2; the policy asks for 3 or more"

    def test_attributes_of_a_domain(self):
        asked_for = bits(TDX, "attributes", on=["sept_ve_disable"], off=["perfmon"])
        verified(asked(TDX), asked_for)
        assert step_of(asked(TDX, td_attributes=1 << 28 | 1 << 63), asked_for)[0] is Step.DEBUG

    def test_an_enclave_with_the_key_for_provisioning(self):
        asked_for = bits(SGX, "attributes", off=["provision_key"])
        verified(asked(SGX), asked_for)
        # INIT, MODE64BIT and PROVISIONKEY
        assert step_of(asked(SGX, attributes=0x15), asked_for)[0] is Step.DEBUG


class TestPolicies:
    @pytest.mark.parametrize(
        ("make", "reason"),
        [
            (lambda: Requirement(SNP, "colour", 1), "snp.colour is not a field"),
            (lambda: Requirement(Platform.NITRO, "svn", 1), "none of nitro"),
            (lambda: Requirement(SNP, "guest_svn"), "snp.guest_svn takes a least number"),
            (lambda: Requirement(SNP, "guest_policy", 1), "takes { set"),
            (lambda: Requirement(SNP, "guest_svn", -1), "it is a number from 0"),
            (lambda: Requirement(SNP, "guest_policy", None, 1 << 16, 1 << 16), "smt cannot be"),
            (lambda: mask_of(["sm"], {"smt": 16}, "x"), "unknown bit 'sm'; known are smt"),
            (lambda: mask_of([128], {}, "x"), "unknown bit 128"),
            (lambda: version_number("1", "x"), "such as '1.55'"),
            (lambda: version_number("1.256", "x"), "each part is at most 255"),
            (lambda: version_number("-1.2", "x"), "such as '1.55'"),
        ],
    )
    def test_what_cannot_be_asked(self, make, reason):
        with pytest.raises(PlanError) as refused:
            make()
        assert reason in str(refused.value)

    def test_ask_for_a_thing_once_and_of_platforms_that_they_accept(self):
        policy = policy_of(reference_of(SNP, asked(SNP).emitted.evidence))
        one = Requirement(SNP, "guest_svn", 1)
        with pytest.raises(PlanError, match="asked for twice"):
            replace(policy, requirements=(one, Requirement(SNP, "guest_svn", 2)))
        with pytest.raises(PlanError, match="accepts no tdx"):
            replace(policy, requirements=(Requirement(TDX, "module_svn", 1),))

    def test_hash_to_what_they_ask_for(self):
        policy = policy_of(reference_of(SNP, asked(SNP).emitted.evidence))
        one, two = Requirement(SNP, "guest_svn", 1), bits(SNP, "guest_policy", off=["smt"])
        made: list[Policy] = [
            policy,
            replace(policy, allow_paravisor=True),
            replace(policy, requirements=(one,)),
            replace(policy, requirements=(Requirement(SNP, "guest_svn", 2),)),
            replace(policy, requirements=(two,)),
            replace(policy, requirements=(bits(SNP, "guest_policy", on=["smt"]),)),
            replace(policy, requirements=(one, two)),
        ]
        assert len({p.hash for p in made}) == len(made)
        assert replace(policy, requirements=(two, one)).hash == made[-1].hash


def test_versions_read_as_they_are_written():
    for text in ("0.0", "1.55", "255.255"):
        assert version_text(version_number(text, "x")) == text
