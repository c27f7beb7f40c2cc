"""Algorithms: each a pair of pure functions over declared sums, reading like its paper."""

from confide.learning.algorithms.fed_avg import fed_avg
from confide.learning.algorithms.fed_sgd import fed_sgd

__all__ = ["fed_avg", "fed_sgd"]
