"""Algorithms: each a pair of pure functions over declared sums, reading like its paper."""

from confide.learning.algorithms.clipping import AdaptiveClip
from confide.learning.algorithms.fed_avg import fed_avg
from confide.learning.algorithms.fed_sgd import fed_sgd
from confide.learning.algorithms.fed_trees import TreeSettings, fed_trees, for_trees
from confide.learning.algorithms.newton import fed_newton
from confide.learning.algorithms.score_histogram import auc_of_histogram, score_histogram

__all__ = [
    "AdaptiveClip",
    "TreeSettings",
    "auc_of_histogram",
    "fed_avg",
    "fed_newton",
    "fed_sgd",
    "fed_trees",
    "for_trees",
    "score_histogram",
]
