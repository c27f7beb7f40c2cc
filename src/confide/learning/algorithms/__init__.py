"""Algorithms: each a pair of pure functions over declared sums, reading like its paper."""

from confide.learning.algorithms.clipping import AdaptiveClip
from confide.learning.algorithms.ditto import ditto, personal_state
from confide.learning.algorithms.fed_avg import fed_avg
from confide.learning.algorithms.fed_nova import fed_nova
from confide.learning.algorithms.fed_opt import fed_opt
from confide.learning.algorithms.fed_prox import fed_prox
from confide.learning.algorithms.fed_sgd import fed_sgd
from confide.learning.algorithms.fed_trees import TreeSettings, fed_trees, for_trees
from confide.learning.algorithms.ifca import cluster_state, ifca
from confide.learning.algorithms.newton import fed_newton
from confide.learning.algorithms.parameter_averaging import parameter_averaging
from confide.learning.algorithms.personal_layers import fed_bn, fed_per, fed_rep
from confide.learning.algorithms.scaffold import scaffold
from confide.learning.algorithms.score_histogram import auc_of_histogram, score_histogram
from confide.learning.algorithms.server import Adagrad, Adam, Momentum, Yogi

__all__ = [
    "Adagrad",
    "Adam",
    "AdaptiveClip",
    "Momentum",
    "TreeSettings",
    "Yogi",
    "auc_of_histogram",
    "cluster_state",
    "ditto",
    "fed_avg",
    "fed_bn",
    "fed_newton",
    "fed_nova",
    "fed_opt",
    "fed_per",
    "fed_prox",
    "fed_rep",
    "fed_sgd",
    "fed_trees",
    "for_trees",
    "ifca",
    "parameter_averaging",
    "personal_state",
    "scaffold",
    "score_histogram",
]
