"""Reports as JSON values and as self-contained HTML pages."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment

    from confide.report.views import ViewReport

__all__ = ["first_page_html", "render", "to_json", "views_html"]


def to_json(value: object) -> Any:
    """A report value as what JSON can hold: digests in hexadecimal, infinities as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(v) for v in value]
    return _scalar_to_json(value)


def _scalar_to_json(value: object) -> object:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def views_html(report: ViewReport) -> str:
    """The who-learns-what report as one HTML page: the first page, and the rest collapsed."""
    return render("views.html", title=f"Who learns what: {report.plan_name}", report=report)


def first_page_html(report: ViewReport) -> str:
    """The first page of the report as a fragment of HTML, with its style: for a notebook."""
    return render("fragment.html", report=report)


def render(template: str, *, package: str = "confide.report", **values: object) -> str:
    """Renders a page from a package's templates, which may extend those of this package."""
    return _environment(package).get_template(template).render(**values)


@lru_cache(maxsize=8)
def _environment(package: str) -> Environment:
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    from confide.report.text import names_of

    packages = dict.fromkeys((package, "confide.report"))
    made = Environment(
        loader=ChoiceLoader([PackageLoader(p, "templates") for p in packages]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["names_of"] = names_of
    return made
