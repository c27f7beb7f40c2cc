"""Accounting: what guarantee noise gives, and how much noise a guarantee needs."""

from confide.privacy.accounting.audit import audited_epsilon
from confide.privacy.accounting.calibration import calibrate, noise_multiplier
from confide.privacy.accounting.correlated import ToeplitzStrategy, tree_event, tree_levels
from confide.privacy.accounting.events import event_from_plain, event_to_plain
from confide.privacy.accounting.gaussian import delta_of_mu, epsilon_of_mu, gaussian_mu, mu_of
from confide.privacy.accounting.groups import group_bound, group_epsilon, group_event
from confide.privacy.accounting.profile import PrivacyProfile, profile_of
from confide.privacy.accounting.renyi import rdp_curve, rdp_to_epsilon
from confide.privacy.accounting.shares import TotalNoise, sum_of_shares
from confide.privacy.accounting.statement import PrivacyStatement

__all__ = [
    "PrivacyProfile",
    "PrivacyStatement",
    "ToeplitzStrategy",
    "TotalNoise",
    "audited_epsilon",
    "calibrate",
    "delta_of_mu",
    "epsilon_of_mu",
    "event_from_plain",
    "event_to_plain",
    "gaussian_mu",
    "group_bound",
    "group_epsilon",
    "group_event",
    "mu_of",
    "noise_multiplier",
    "profile_of",
    "rdp_curve",
    "rdp_to_epsilon",
    "sum_of_shares",
    "tree_event",
    "tree_levels",
]
