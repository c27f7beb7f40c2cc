"""Reports: who learns what, and what it costs, as values, text, JSON and HTML."""

from confide.report.document import to_json, views_html
from confide.report.estimate import CostLimits, Estimate, estimate
from confide.report.text import estimate_text, views_text
from confide.report.views import Observation, SumFacts, View, ViewReport, views

__all__ = [
    "CostLimits",
    "Estimate",
    "Observation",
    "SumFacts",
    "View",
    "ViewReport",
    "estimate",
    "estimate_text",
    "to_json",
    "views",
    "views_html",
    "views_text",
]
