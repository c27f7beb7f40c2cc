"""What `describe` gives: statistics, tables and pictures, and who learned what."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from confide.analytics import Counts, Covariances, Groups, Histogram, Moments, Quantiles, Result
from confide.analytics.reading import TableSettings
from confide.engines import Run
from confide.errors import PlanError
from confide.plan import NoNoise, Plan
from confide.report import ViewReport, views
from confide.report.document import render
from confide.tables import Boolean, Date, Schema
from confide.training.owners import OwnerReport
from confide.training.result import Verdicts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Description"]

_MOST_PICTURES: Final = 24
_ACROSS: Final = 4
_DAY: Final = pd.Timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Description:
    """Statistics of the rows of all owners.

    Attributes:
        run: The run: plan, state, rounds.
        statistics: Each statistic by its name: 'moments', 'histograms', 'quantiles' and what else
            was asked for.
        owners: What each owner learns about its own rows on its own machine; nothing of it is sent.
    """

    run: Run = field(repr=False)
    statistics: Mapping[str, Result]
    owners: Mapping[str, OwnerReport] = field(repr=False)

    @property
    def plan(self) -> Plan:
        """The plan that ran: an ordinary one, to be shown, saved and signed."""
        return self.run.plan

    @property
    def views(self) -> ViewReport:
        """Who learned what."""
        return views(self.run.plan)

    @property
    def verdicts(self) -> Verdicts:
        """What is guaranteed of each record and each party."""
        return Verdicts(self.views.first_page.headline)

    @property
    def exact(self) -> bool:
        """Whether the sums were released without noise."""
        return isinstance(self.plan.noise, NoNoise)

    @property
    def histograms(self) -> Mapping[str, Histogram]:
        """The histogram of each column, or the counts of its values."""
        found = self.statistics["histograms"]
        assert isinstance(found, Counts)  # noqa: S101 - its stage has that name
        return found

    @property
    def schema(self) -> Schema:
        """What each column is."""
        read = next(s.task.read() for s in self.plan.sum_stages if s.task.name == "histograms")
        return TableSettings.read(read["table"], "task histograms").table()

    @property
    def table(self) -> pd.DataFrame:
        """One row for each column: count, missing, mean, standard deviation and quantiles.

        Dates have dates; categories have counts only. `cut to` says what values were cut to, and
        whether anybody declared that or it was found by sums.
        """
        schema = self.schema
        made = pd.DataFrame(
            [self._counted(name) for name in schema.features],
            index=pd.Index(list(schema.features), name="column"),
        )
        for found in self.statistics.values():
            if isinstance(found, Moments):
                made = made.join(_moments(found, schema))
            elif isinstance(found, Quantiles):
                made = made.join(_as_dates(found.table, found.columns, schema))
        return made

    def _counted(self, name: str) -> dict[str, Any]:
        kind = type(self.schema.features[name]).__name__.lower()
        found = self.histograms[name]
        count = float(np.sum(found.counts))
        for moments in self.statistics.values():
            if isinstance(moments, Moments) and name in moments.columns:
                # With noise one of two counts must be shown; this one belongs to the mean.
                place = moments.columns.index(name)
                count, missing = float(moments.counts[place]), float(moments.missing[place])
                return {"kind": kind, "count": count, "missing": missing}
        return {"kind": kind, "count": count, "missing": max(found.missing, 0.0)}

    def plot(self) -> Figure:
        """A picture of each column: its histogram, or the counts of its values.

        Raises:
            PlanError: If matplotlib is not installed.
        """
        drawn = list(self.histograms.values())[:_MOST_PICTURES]
        figure = _figure(len(drawn))
        across = min(len(drawn), _ACROSS)
        for place, each in enumerate(drawn, start=1):
            each.plot(figure.add_subplot(-(-len(drawn) // across), across, place))
        return figure

    def to_html(self) -> str:
        """All of it as one page that loads nothing.

        Raises:
            PlanError: If matplotlib is not installed.
        """
        return render(
            "description.html",
            package="confide.describing",
            title=self.plan.name,
            owners=[p.name for p in self.plan.parties],
            verdicts=[(s.text, s.tone.value) for s in self.verdicts],
            tables=[
                (name, frame.rename_axis(None).to_html(border=0)) for name, frame in self._tables()
            ],
            pictures=[(each.column, _picture(each)) for each in self.histograms.values()],
            plan=self.plan.hash.hex(),
        )

    def _tables(self) -> list[tuple[str, pd.DataFrame]]:
        shown = [("Columns", _short(self.table))]
        for name, found in self.statistics.items():
            if isinstance(found, Covariances):
                shown.append(("Correlations", found.table.round(3)))
            elif not isinstance(found, Moments | Quantiles | Counts):
                title = f"By {', '.join(found.by)}" if isinstance(found, Groups) else name
                shown.append((title, _short(found.table)))
        return shown

    def _repr_html_(self) -> str:
        verdicts = "".join(f"<li>{escape(sentence.text)}</li>" for sentence in self.verdicts)
        return f"<ul>{verdicts}</ul>{_short(self.table).rename_axis(None).to_html()}"

    def __repr__(self) -> str:
        return f"Description({', '.join(map(repr, self.statistics.values()))})"


def _moments(found: Moments, schema: Schema) -> pd.DataFrame:
    table = found.table.drop(columns=["count", "missing"])
    spread = table.pop("std")  # of dates in days, which are no dates
    table = _as_dates(table, found.columns, schema)
    table.insert(1, "std", spread)
    bounds = pd.DataFrame(found.bounds, index=table.index, columns=["from", "to"])
    shown = _as_dates(bounds, found.columns, schema)
    table["cut to"] = [
        "" if isinstance(schema.features[name], Boolean)
        else f"{_shown(low)} to {_shown(high)}" + (", found" * (name in schema.found_numbers))
        for name, low, high in zip(found.columns, shown["from"], shown["to"], strict=True)
    ]  # fmt: skip
    return table


def _shown(value: object) -> str:
    return f"{value:%Y-%m-%d}" if isinstance(value, pd.Timestamp) else f"{value:.6g}"


def _as_dates(table: pd.DataFrame, columns: tuple[str, ...], schema: Schema) -> pd.DataFrame:
    """A table of numbers, in which rows of dates have dates instead of days since 1970."""
    days = [name for name in columns if isinstance(schema.features[name], Date)]
    if not days:
        return table
    made = table.astype(object)
    for name in days:
        made.loc[name] = [
            pd.Timestamp(1970, 1, 1) + round(value) * _DAY if np.isfinite(value) else pd.NaT
            for value in np.asarray(table.loc[name], np.float64).tolist()
        ]
    return made


def _short(table: pd.DataFrame) -> pd.DataFrame:
    """Numbers as six digits and dates without times, for people."""
    return table.map(
        lambda value: _shown(value) if isinstance(value, float | pd.Timestamp) else value
    )


def _figure(pictures: int) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise PlanError("pictures need matplotlib: pip install 'confide[demo]'") from None
    across = min(pictures, _ACROSS)
    return Figure(figsize=(4.2 * across, 3.1 * -(-pictures // across)), layout="constrained")


def _picture(found: Histogram) -> str:
    drawn, figure = BytesIO(), _figure(1)
    found.plot(figure.subplots())
    figure.savefig(drawn, format="svg")
    return f"data:image/svg+xml;base64,{base64.b64encode(drawn.getvalue()).decode()}"
