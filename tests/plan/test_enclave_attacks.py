"""What is judged of attacks on plans with an enclave, over each protection and assumption."""

import itertools

import pytest
from tests.plan.examples import PARTIES, make_plan

from confide.errors import PlanError
from confide.plan import (
    Adversary,
    CentralNoise,
    Clear,
    Corruption,
    Enclave,
    Encrypted,
    Hardware,
    Masked,
    Outcome,
    Rule,
    Threat,
)

OVER = (Clear(), Masked(), Encrypted())
ENCLAVE_ATTACKS = (
    "another build in the enclave",
    "relayed evidence",
    "rolled-back enclave",
    "forked enclave",
    "broken hardware",
)


def plan_of(aggregation, hardware=Hardware.ASSUMED_SOUND, coordinator=Corruption.MALICIOUS, **more):
    threat = Threat(
        confidentiality=Adversary(coordinator=coordinator, colluding_parties=1), hardware=hardware
    )
    return make_plan(
        parties=PARTIES[:6], dropouts=1, aggregation=aggregation, threat=threat, **more
    )


def outcomes(plan):
    return {finding.attack: finding.outcome for finding in plan.findings}


def enclave(over, **fields):
    return Enclave(policy=bytes(32), over=over, **fields)


@pytest.mark.parametrize(
    ("over", "hardware", "coordinator"),
    list(itertools.product(OVER, Hardware, (Corruption.CURIOUS, Corruption.MALICIOUS))),
    ids=str,
)
def test_reading_contributions_takes_sound_hardware_or_hidden_sums(over, hardware, coordinator):
    if isinstance(over, Clear) and hardware is Hardware.UNTRUSTED:
        with pytest.raises(PlanError, match=r"threat\.hardware = 'assumed-sound'"):
            plan_of(enclave(over), hardware, coordinator)
        return
    found = outcomes(plan_of(enclave(over), hardware, coordinator))
    expected = Outcome.ASSUMED if isinstance(over, Clear) else Outcome.DEFEATED
    assert found["read contributions"] is expected


@pytest.mark.parametrize("over", OVER, ids=str)
def test_attacks_on_enclaves_are_judged_of_plans_that_have_one(over):
    found = outcomes(plan_of(enclave(over)))
    for attack in ENCLAVE_ATTACKS[:4]:
        assert found[attack] is Outcome.DEFEATED
    broken = Outcome.REPORTED if isinstance(over, Clear) else Outcome.DEFEATED
    assert found["broken hardware"] is broken


def test_attacks_on_enclaves_are_absent_elsewhere():
    found = outcomes(plan_of(Masked()))
    assert {found[attack] for attack in ENCLAVE_ATTACKS} == {Outcome.ABSENT}


@pytest.mark.parametrize(
    ("hardware", "outcome"),
    [(Hardware.ASSUMED_SOUND, Outcome.ASSUMED), (Hardware.UNTRUSTED, Outcome.REPORTED)],
)
def test_a_false_sum_is_noticed_while_the_hardware_holds(hardware, outcome):
    assert outcomes(plan_of(enclave(Masked()), hardware))["false sum"] is outcome
    assert outcomes(plan_of(Masked()))["false sum"] is Outcome.REPORTED


def test_simulated_hardware_is_said_to_protect_nothing():
    (finding,) = [
        f
        for f in plan_of(enclave(Clear(), simulated=True)).findings
        if f.attack == "read contributions"
    ]
    assert "SIMULATED" in finding.reason
    assert "protects nothing" in finding.reason


@pytest.mark.parametrize("rule", [rule for rule in Rule if rule is not Rule.SUM])
def test_a_robust_rule_bounds_what_few_parties_do(rule):
    (finding,) = [
        f
        for f in plan_of(enclave(Clear(), rule=rule)).findings
        if f.attack == "poisoned contribution"
    ]
    assert finding.outcome is Outcome.REPORTED
    assert f"the rule {rule.value!r}" in finding.reason


def test_noise_inside_is_not_the_coordinators_to_leave_out():
    noisy = plan_of(enclave(Clear()), noise=CentralNoise(1.0))
    in_clear = plan_of(Clear(), coordinator=Corruption.HONEST, noise=CentralNoise(1.0))
    assert outcomes(noisy)["noise left out"] is not Outcome.BROKEN
    assert outcomes(in_clear)["noise left out"] is not Outcome.BROKEN
