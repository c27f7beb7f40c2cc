"""Mechanisms: typed values that turn an exact answer into one that may be released.

Each is declared before any data are read. It says how it is accounted (`event`, `closeness`), and a
ledger or an accountant charges it so. All randomness is exact and secure.

Adding noise: `LaplaceMechanism` and `GaussianMechanism` to an answer of declared sensitivity;
`ClampedSum`, `ClampedMean` and `Histogram` derive theirs and take `LaplaceNoise` or
`GaussianNoise`. Choosing: `ExponentialMechanism`, `PermuteAndFlip`, `Quantile`, `KeySelection`.
Comparing: `AboveThreshold`. Several at once: `Composition`; tables of counts that overlap:
`Marginals`.
"""

from confide.privacy.mechanisms.additive import GaussianMechanism, LaplaceMechanism
from confide.privacy.mechanisms.composition import Composition
from confide.privacy.mechanisms.keys import KeySelection
from confide.privacy.mechanisms.marginals import Marginals, ReleasedMarginals
from confide.privacy.mechanisms.mechanism import Interactive, Mechanism, OneShot
from confide.privacy.mechanisms.noises import AdditiveNoise, GaussianNoise, LaplaceNoise
from confide.privacy.mechanisms.quantile import Quantile
from confide.privacy.mechanisms.queries import ClampedMean, ClampedSum, Histogram
from confide.privacy.mechanisms.released import Estimate, Released
from confide.privacy.mechanisms.selection import ExponentialMechanism, PermuteAndFlip
from confide.privacy.mechanisms.threshold import AboveThreshold, ThresholdSession

__all__ = [
    "AboveThreshold",
    "AdditiveNoise",
    "ClampedMean",
    "ClampedSum",
    "Composition",
    "Estimate",
    "ExponentialMechanism",
    "GaussianMechanism",
    "GaussianNoise",
    "Histogram",
    "Interactive",
    "KeySelection",
    "LaplaceMechanism",
    "LaplaceNoise",
    "Marginals",
    "Mechanism",
    "OneShot",
    "PermuteAndFlip",
    "Quantile",
    "Released",
    "ReleasedMarginals",
    "ThresholdSession",
]
