"""What statistics give: values, what the noise may have moved them by, tables and pictures.

`error` is always the standard error of the noise alone, 0 without noise: how far a value lies from
the same statistic of all rows. An interval is ±1.96 of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from confide.analytics.interval import Z, log_log

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

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
]

Reals = NDArray[np.float64]


class Result:
    """What a statistic gives: `table`, `plot`, and a table in notebooks."""

    noise: float
    """The standard deviation of the noise in each released sum; 0 without."""

    @property
    def table(self) -> pd.DataFrame:
        """The result as a table."""
        raise NotImplementedError

    def plot(self, axes: Axes | None = None) -> Axes:
        """The result as a picture.

        Args:
            axes: Where to draw; a new figure if omitted.

        Raises:
            PlanError: If matplotlib is not installed.
        """
        from confide.analytics.plots import plot_result

        return plot_result(self, axes)

    def _repr_html_(self) -> str:
        return str(self.table.to_html())


@dataclass(frozen=True, repr=False)
class Moments(Result):
    """Rows, missing values, means and variances of columns.

    Attributes:
        columns: Their names.
        rows: How many rows there are.
        counts: How many of them have a value, shape `(columns,)`.
        weights: What these weigh together; as `counts` without weights.
        mean: Shape `(columns,)`; NaN where no row has a value.
        variance: With Bessel's correction; with weights the weighted variance, without it.
        mean_error: Standard error of the noise.
        variance_error: Standard error of the noise.
        bounds: Values were cut to these, shape `(columns, 2)`.
        noise: Standard deviation of the noise in each sum.
    """

    columns: tuple[str, ...]
    rows: float
    counts: Reals
    weights: Reals
    mean: Reals
    variance: Reals
    mean_error: Reals
    variance_error: Reals
    bounds: Reals
    noise: float

    @property
    def missing(self) -> Reals:
        """How many rows have no value, shape `(columns,)`."""
        return np.maximum(self.rows - self.counts, 0.0)

    @property
    def std(self) -> Reals:
        """Standard deviations, shape `(columns,)`."""
        return np.sqrt(self.variance)

    @property
    def table(self) -> pd.DataFrame:
        """One row for each column; with noise the 95 % interval of each mean."""
        import pandas as pd

        made = {"count": self.counts, "missing": self.missing, "mean": self.mean, "std": self.std}
        if self.noise:
            made |= {"mean from": self.mean - Z * self.mean_error,
                     "mean to": self.mean + Z * self.mean_error}  # fmt: skip
        return pd.DataFrame(made, index=pd.Index(self.columns, name="column"))

    def __repr__(self) -> str:
        return f"Moments({_few(self.columns)}; {self.rows:,.0f} rows{_noise(self)})"


@dataclass(frozen=True, repr=False)
class Covariances(Result):
    """Covariances of columns over the rows that have all of them.

    Attributes:
        columns: Their names.
        rows: How many rows have all columns.
        mean: Over these rows, shape `(columns,)`.
        covariance: With Bessel's correction, shape `(columns, columns)`.
        covariance_error: Standard error of the noise.
        noise: Standard deviation of the noise in each sum.
    """

    columns: tuple[str, ...]
    rows: float
    mean: Reals
    covariance: Reals
    covariance_error: Reals
    noise: float

    @property
    def correlation(self) -> Reals:
        """Pearson's correlations, shape `(columns, columns)`; NaN for a column that is constant."""
        deviations = np.sqrt(np.diag(self.covariance))
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self.covariance / np.outer(deviations, deviations)
        np.fill_diagonal(found, np.where(deviations > 0, 1.0, np.nan))
        return np.asarray(np.clip(found, -1.0, 1.0))

    @property
    def table(self) -> pd.DataFrame:
        """The correlations."""
        import pandas as pd

        return pd.DataFrame(self.correlation, index=list(self.columns), columns=list(self.columns))

    def __repr__(self) -> str:
        return f"Covariances({_few(self.columns)}; {self.rows:,.0f} rows{_noise(self)})"


@dataclass(frozen=True, repr=False)
class Histogram(Result):
    """How many rows have which value of a column.

    Attributes:
        column: Its name.
        counts: Rows in each bin, or of each label; noise may make some negative.
        missing: Rows without a value.
        edges: The bins' edges, shape `(bins + 1,)`; None for categories.
        labels: The values of a category, `other` last; empty for numbers.
        noise: Standard deviation of the noise in each count.
    """

    column: str
    counts: Reals
    missing: float
    edges: Reals | None
    labels: tuple[str, ...]
    noise: float

    @property
    def table(self) -> pd.DataFrame:
        """One row for each bin or value; with noise the 95 % interval of each count."""
        import pandas as pd

        names = list(self.labels)
        if self.edges is not None:
            ends = [f"{edge:.6g}" for edge in self.edges]
            names = [f"{low} to {high}" for low, high in pairwise(ends)]
        made = {"rows": self.counts}
        if self.noise:
            made |= {"from": self.counts - Z * self.noise, "to": self.counts + Z * self.noise}
        return pd.DataFrame(made, index=pd.Index(names, name=self.column))

    def __repr__(self) -> str:
        cells = f"{len(self.counts)} {'values' if self.labels else 'bins'}"
        return f"Histogram({self.column!r}, {cells}{_noise(self)})"


@dataclass(frozen=True, repr=False)
class Counts(Result, Mapping[str, Histogram]):
    """The histograms of some columns, by their names."""

    histograms: Mapping[str, Histogram]

    @property
    def noise(self) -> float:  # type: ignore[override]
        """Standard deviation of the noise in each count."""
        return next(iter(self.histograms.values())).noise

    @property
    def table(self) -> pd.DataFrame:
        """All histograms, one under the other."""
        import pandas as pd

        parts = {n: h.table for n, h in self.histograms.items()}
        return pd.concat(parts, names=["column", "value"])

    def __getitem__(self, column: str) -> Histogram:
        return self.histograms[column]

    def __iter__(self) -> Any:
        return iter(self.histograms)

    def __len__(self) -> int:
        return len(self.histograms)

    def __repr__(self) -> str:
        return f"Counts({_few(tuple(self.histograms))}{_noise(self)})"


@dataclass(frozen=True, repr=False)
class Groups(Result):
    """Rows, means and deviations by group.

    Attributes:
        by: The columns that make the groups.
        keys: Each group's values of them; `other` and `missing` are groups too.
        rows: Rows of each group, shape `(groups,)`.
        columns: The columns of the means.
        counts: Rows of each group that have a value, shape `(groups, columns)`.
        mean: Shape `(groups, columns)`; NaN where no row has a value.
        std: Standard deviations, shape `(groups, columns)`.
        mean_error: Standard error of the noise.
        noise: Standard deviation of the noise in each sum.
    """

    by: tuple[str, ...]
    keys: tuple[tuple[str, ...], ...]
    rows: Reals
    columns: tuple[str, ...]
    counts: Reals
    mean: Reals
    std: Reals
    mean_error: Reals
    noise: float

    @property
    def table(self) -> pd.DataFrame:
        """One row for each group that has rows, or may have some under the noise."""
        import pandas as pd

        index: pd.Index[Any] = pd.MultiIndex.from_tuples(self.keys, names=list(self.by))
        if len(self.by) == 1:
            index = pd.Index([key[0] for key in self.keys], name=self.by[0])
        made = {"rows": self.rows}
        for place, name in enumerate(self.columns):
            made |= {f"mean {name}": self.mean[:, place], f"std {name}": self.std[:, place]}
            if self.noise:
                made[f"± mean {name}"] = Z * self.mean_error[:, place]
        frame = pd.DataFrame(made, index=index)
        usual = [not {"other", "missing"} & set(key) for key in self.keys]
        kept: pd.DataFrame = frame[(self.rows > max(0.5, Z * self.noise)) | np.array(usual)]
        return kept

    def __repr__(self) -> str:
        return f"Groups(by {_few(self.by)}, {len(self.keys)} groups{_noise(self)})"


@dataclass(frozen=True, repr=False)
class Quantiles(Result):
    """Quantiles of columns.

    Attributes:
        columns: Their names.
        at: Which quantiles.
        values: Shape `(columns, quantiles)`; NaN where no row has a value.
        interval: Where each lies, 19 times in 20, whatever the noise; the value itself, to the
            resolution, without noise. Shape `(columns, quantiles, 2)`.
        resolution: How exact each column's are, shape `(columns,)`.
        counts: How many rows have a value, shape `(columns,)`.
        rank_error: No count was off by more rows than this, 19 times in 20.
        noise: Standard deviation of the noise in each count.
    """

    columns: tuple[str, ...]
    at: tuple[float, ...]
    values: Reals
    interval: Reals
    resolution: Reals
    counts: Reals
    rank_error: float
    noise: float

    @property
    def table(self) -> pd.DataFrame:
        """One row for each column; with noise the interval of each quantile."""
        import pandas as pd

        made = {}
        for place, share in enumerate(self.at):
            made[f"{100 * share:g}%"] = self.values[:, place]
            if self.noise:
                made[f"{100 * share:g}% from"] = self.interval[:, place, 0]
                made[f"{100 * share:g}% to"] = self.interval[:, place, 1]
        return pd.DataFrame(made, index=pd.Index(self.columns, name="column"))

    def __repr__(self) -> str:
        return f"Quantiles({_few(self.columns)} at {_few(self.at)}{_noise(self)})"


@dataclass(frozen=True, repr=False)
class Distinct(Result):
    """How many different values a column has.

    Attributes:
        column: Its name.
        count: The number, or its estimate.
        error: Its standard error, of the estimate and of the noise.
        exact: Whether it is the exact number.
        full: Whether no cell was empty, so that the number is at least this; take more buckets.
        noise: Standard deviation of the noise in each cell.
    """

    column: str
    count: float
    error: float
    exact: bool
    full: bool
    noise: float

    @property
    def table(self) -> pd.DataFrame:
        """The number and its 95 % interval."""
        import pandas as pd

        low, high = max(self.count - Z * self.error, 0.0), self.count + Z * self.error
        made = {"values": [self.count], "from": [low], "to": [np.inf if self.full else high]}
        return pd.DataFrame(made, index=pd.Index([self.column], name="column"))

    def __repr__(self) -> str:
        error = "" if self.exact else f" ± {self.error:,.0f}"
        return f"Distinct({self.column!r}: {'at least ' * self.full}{self.count:,.0f}{error})"


@dataclass(frozen=True)
class Curve:
    """One survival curve.

    Attributes:
        times: The grid, shape `(times,)`.
        survival: S at each time.
        at_risk: Rows that were still there before each time.
        events: Events at each time.
        variance: Of −log S: Greenwood's, and the noise's.
    """

    times: Reals = field(repr=False)
    survival: Reals = field(repr=False)
    at_risk: Reals = field(repr=False)
    events: Reals = field(repr=False)
    variance: Reals = field(repr=False)

    @property
    def interval(self) -> Reals:
        """95 % interval of S on the scale log(−log S), shape `(times, 2)`."""
        return log_log(self.survival, self.variance)

    @property
    def median(self) -> float:
        """The first time at which S is at most ½; infinity if it never is."""
        below = np.flatnonzero(self.survival <= 0.5)
        return float(self.times[below[0]]) if below.size else float("inf")


@dataclass(frozen=True, repr=False)
class SurvivalCurves(Result):
    """Survival curves, by group.

    Attributes:
        time: The column of times.
        by: The column of groups, or None.
        curves: By group; of '' without groups.
        noise: Standard deviation of the noise in each count.
    """

    time: str
    by: str | None
    curves: Mapping[str, Curve]
    noise: float

    @property
    def table(self) -> pd.DataFrame:
        """One row for each time of each curve."""
        import pandas as pd

        parts = {}
        for name, curve in self.curves.items():
            low, high = curve.interval.T
            made = {"at risk": curve.at_risk, "events": curve.events, "survival": curve.survival,
                    "from": low, "to": high}  # fmt: skip
            parts[name] = pd.DataFrame(made, index=pd.Index(curve.times, name=self.time))
        if self.by is None:
            return parts[""]
        return pd.concat(parts, names=[self.by])

    def __repr__(self) -> str:
        medians = ", ".join(f"{n or 'median'} {c.median:g}" for n, c in self.curves.items())
        return f"SurvivalCurves({self.time!r}: {medians}{_noise(self)})"


def _few(names: tuple[Any, ...]) -> str:
    shown = ", ".join(map(str, names[:4]))
    return shown + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _noise(result: Result) -> str:
    return f"; noise ± {result.noise:,.3g} a sum" if result.noise else ""
