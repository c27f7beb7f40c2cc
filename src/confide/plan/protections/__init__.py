"""Protections: one module for each, with all that it hides from whom.

A protection is a value of the plan and describes itself: its judges give the outcome of each known
attack, and its exposures say who sees what in which form. A further one is a subclass of
`Protection` in any package; what runs it is registered with `confide.aggregation.machinery`.
"""

from confide.plan.protections.base import Hiding, Protection, Rule
from confide.plan.protections.clear import Clear
from confide.plan.protections.enclave import Enclave
from confide.plan.protections.encrypted import Encrypted
from confide.plan.protections.masked import Masked

__all__ = ["Clear", "Enclave", "Encrypted", "Hiding", "Masked", "Protection", "Rule"]
