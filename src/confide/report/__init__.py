"""Reports: who learns what, and what it costs, as values, text, JSON and HTML."""

from confide.report.document import to_json, views_html
from confide.report.quote import Budget, Quote, quote
from confide.report.text import quote_text, views_text
from confide.report.views import Observation, SumFacts, View, ViewReport, views

__all__ = [
    "Budget",
    "Observation",
    "Quote",
    "SumFacts",
    "View",
    "ViewReport",
    "quote",
    "quote_text",
    "to_json",
    "views",
    "views_html",
    "views_text",
]
