"""What an enclave and its host see: the words for plans whose contributions go to one."""

from __future__ import annotations

from confide.plan import Clear, Enclave, Plan, Rule

__all__ = ["SEALED_HARDNESS", "enclave_promise", "hardware_warning", "reads_each", "rule_in_words"]

SEALED_HARDNESS = "X25519, AES-256, SHA-512 or the vendor's signatures broken"
"""What would open a message to the enclave without opening the enclave."""


def reads_each(plan: Plan) -> bool:
    """Whether an enclave reads each party's contribution."""
    return plan.attested and isinstance(plan.inner, Clear)


def enclave_promise(plan: Plan) -> str:
    """How the promise names the enclave: before 'learns its contribution'."""
    if not reads_each(plan):
        return ""
    return " and the enclave, which it verifies before it sends and whose hardware is trusted,"


def hardware_warning(plan: Plan) -> str:
    """What must not be overlooked, or nothing."""
    protection = plan.aggregation
    if not isinstance(protection, Enclave) or not protection.simulated:
        return ""
    beneath = (
        "each contribution is as safe as its host is honest"
        if reads_each(plan)
        else f"contributions are protected as in {type(plan.inner).__name__.lower()!r} sums alone"
    )
    return (
        "SIMULATED HARDWARE: the plan accepts evidence that anybody can make; no enclave protects "
        f"anything, and {beneath}."
    )


def rule_in_words(plan: Plan) -> str:
    """How contributions are combined, where it is not a sum."""
    protection = plan.aggregation
    if not isinstance(protection, Enclave) or protection.rule is Rule.SUM:
        return ""
    return (
        f"contributions are combined by the rule {protection.rule.value!r} in the place of a sum: "
        "it is not additive, and no noise can be calibrated to it"
    )
