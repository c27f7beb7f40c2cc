"""Statistics of everybody's rows, as bounded sums: means, quantiles, groups, survival curves.

Each is a `Computation` for a stage of a plan, over a table by `statistics_table`; `statistics`
reads what a run found. `confide.describe` does it all in one call.
"""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.analytics.bisection import quantiles, rounds_of_quantiles
    from confide.analytics.counts import heavy_hitters, histograms
    from confide.analytics.found import statistics
    from confide.analytics.grouping import groups
    from confide.analytics.means import covariances, moments
    from confide.analytics.presences import distinct
    from confide.analytics.reading import statistics_table
    from confide.analytics.results import (
        Counts,
        Covariances,
        Curve,
        Distinct,
        Groups,
        Histogram,
        Moments,
        Quantiles,
        Result,
        SurvivalCurves,
    )
    from confide.analytics.survival import survival_curve

__all__ = [
    "Counts",
    "Covariances",
    "Curve",
    "Distinct",
    "Groups",
    "Histogram",
    "Moments",
    "Quantiles",
    "Result",
    "SurvivalCurves",
    "covariances",
    "distinct",
    "groups",
    "heavy_hitters",
    "histograms",
    "moments",
    "quantiles",
    "rounds_of_quantiles",
    "statistics",
    "statistics_table",
    "survival_curve",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.analytics.bisection": (
                "quantiles",
                "rounds_of_quantiles",
            ),
            "confide.analytics.counts": (
                "heavy_hitters",
                "histograms",
            ),
            "confide.analytics.found": ("statistics",),
            "confide.analytics.grouping": ("groups",),
            "confide.analytics.means": (
                "covariances",
                "moments",
            ),
            "confide.analytics.presences": ("distinct",),
            "confide.analytics.reading": ("statistics_table",),
            "confide.analytics.results": (
                "Counts",
                "Covariances",
                "Curve",
                "Distinct",
                "Groups",
                "Histogram",
                "Moments",
                "Quantiles",
                "Result",
                "SurvivalCurves",
            ),
            "confide.analytics.survival": ("survival_curve",),
        },
    )
