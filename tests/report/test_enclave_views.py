"""Who learns what, where contributions go to an enclave: what each sees, and what voids it."""

import pytest
from tests.aggregation.support import attested_plan
from tests.tee.support import enclave

from confide.plan import CentralNoise, Clear, Encrypted, Hardware, Masked, Rule, Threat
from confide.report import to_json, views, views_html

OVER = [Clear(), Masked(), Encrypted()]
HIDDEN = [Masked(), Encrypted()]


def forms(report, who):
    return {seen.value: seen.form for seen in report.view(who).observations}


@pytest.mark.parametrize("over", OVER, ids=str)
def test_the_host_sees_ciphertext_and_sums(over):
    report = views(attested_plan(over))
    seen = forms(report, "coordinator")
    assert seen["messages to the enclave and its answers"] == (
        "encrypted to a public key that its evidence contains"
    )
    assert seen["'vector'"] == "one sum over at least 4 of 6 parties"
    assert not any("contribution" in value for value in seen)


def test_an_enclave_over_clear_reads_each_contribution_and_the_promise_says_so():
    report = views(attested_plan(Clear()))
    assert forms(report, "enclave")["each party's contribution to 'vector'"] == (
        "in clear, by party; it checks ranges, and forgets it after the round"
    )
    # Nobody verifies anything of use about a simulated one, and its host may read.
    assert "the host of the simulated enclave, which no hardware protects," in report.promise
    assert "hardware is trusted" not in report.promise
    opened = report.view("an attacker who opened the enclave's machine")
    assert opened.within_threat


def test_an_enclave_on_hardware_is_trusted_in_the_promise():
    aggregation = enclave(Clear())
    real = type(aggregation)(policy=aggregation.policy, over=Clear(), simulated=False)
    report = views(
        attested_plan(Clear(), aggregation=real, threat=Threat(hardware=Hardware.ASSUMED_SOUND))
    )
    assert "the enclave, which it verifies before it sends and whose hardware is trusted" in (
        report.promise
    )
    opened = report.view("an attacker who opened the enclave's machine")
    assert opened.heading == "(beyond the stated threat)"


@pytest.mark.parametrize("over", HIDDEN, ids=str)
def test_an_enclave_over_hidden_sums_reads_sums_and_the_promise_does_not_need_it(over):
    report = views(attested_plan(over))
    assert not any(
        "contribution" in value and "in clear" in form
        for value, form in forms(report, "enclave").items()
    )
    assert "hardware is trusted" not in report.promise


@pytest.mark.parametrize("over", OVER, ids=str)
def test_whoever_opens_the_machine_is_named_with_what_is_left(over):
    report = views(attested_plan(over))
    view = report.view("an attacker who opened the enclave's machine")
    reads = any(seen.form == "in clear, by party" for seen in view.observations)
    assert reads is isinstance(over, Clear)


@pytest.mark.parametrize("over", OVER, ids=str)
def test_simulated_hardware_is_a_warning_in_every_form_of_the_report(over):
    report = views(attested_plan(over))
    assert any("SIMULATED HARDWARE" in warning for warning in report.warnings)
    for text in (str(report), views_html(report), str(to_json(report))):
        assert "SIMULATED HARDWARE" in text


@pytest.mark.parametrize("over", HIDDEN, ids=str)
def test_of_simulated_hardware_the_protection_beneath_is_what_is_left(over):
    (warning,) = [w for w in views(attested_plan(over)).warnings if "HARDWARE" in w]
    assert f"protected as in {type(over).__name__.lower()!r} sums alone" in warning


def test_real_hardware_is_no_warning():
    aggregation = enclave(Clear())
    real = type(aggregation)(policy=aggregation.policy, over=Clear(), simulated=False)
    threat = Threat(hardware=Hardware.ASSUMED_SOUND)
    report = views(attested_plan(Clear(), aggregation=real, threat=threat))
    assert not any("HARDWARE" in warning for warning in report.warnings)


def test_noise_is_stated_against_the_host():
    report = views(attested_plan(Clear(), noise=CentralNoise(2.0, 1e-6)))
    (sums,) = [s for s in report.view("coordinator").observations if s.value == "'vector'"]
    assert sums.privacy.startswith("ε = ")
    assert "∞" not in sums.privacy


def test_a_robust_rule_is_named():
    report = views(attested_plan(Clear(), rule=Rule.MEDIAN))
    assert "median" in report.full
