"""The result of a training: the model, its metrics, and who learned what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from os import PathLike
from typing import TYPE_CHECKING, Any, Final

from confide.engines import Run
from confide.learning import TableModel
from confide.plan import NoNoise, Plan
from confide.report import ViewReport, views
from confide.report.claims import Sentence
from confide.training.margins import written
from confide.training.owners import OwnerReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Trained", "Verdicts"]

_SHOWN: Final = (
    "auc", "accuracy", "base_rate", "r2", "d2", "concordance", "explained", "loss",
)  # fmt: skip


class Verdicts(tuple[Sentence, ...]):
    """What is guaranteed of each record and each party, as sentences; printed, one a line."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n".join(sentence.text for sentence in self)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained model and all that belongs to it.

    Attributes:
        run: The run: plan, state, rounds.
        model: The model, which takes raw rows.
        metrics: What the plan's last stage measured on the rows held out: charged sums, with noise
            if the plan has noise. Or of public test rows, if these were given.
        margins: By metric, how far the noise moves it in 19 of 20 runs; empty without noise.
        owners: What each owner learns about its own rows on its own machine; nothing of it is sent.
    """

    run: Run = field(repr=False)
    model: TableModel
    metrics: Mapping[str, Any]
    owners: Mapping[str, OwnerReport] = field(repr=False)
    margins: Mapping[str, float] = field(default_factory=dict, repr=False)

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
    def measured_on(self) -> str:
        """Which rows the metrics are of."""
        return str(self.model.about.get("measured on", ""))

    @property
    def exact(self) -> bool:
        """Whether the sums were released without noise."""
        return isinstance(self.plan.noise, NoNoise)

    def plot(self) -> Figure:
        """Metrics, calibration, confusion matrix and coefficients side by side.

        Raises:
            PlanError: If matplotlib is not installed.
        """
        from confide.training.card import figure_of

        return figure_of(self)

    def to_html(self) -> str:
        """The model's card: one page that loads nothing.

        Raises:
            PlanError: If matplotlib is not installed.
        """
        from confide.training.card import card_html

        return card_html(self)

    def _repr_html_(self) -> str:
        from confide.training.card import summary_html

        return f"<p><b>{escape(repr(self.model))}</b></p>{summary_html(self)}"

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the model as one file, which `confide.load_model` and `confide predict` read.

        Raises:
            DataError: If it cannot be written.
        """
        self.model.save(path)

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{n} {written(n, self.metrics, self.margins)}" for n in _SHOWN if n in self.metrics
        )
        return f"Trained({self.model!r}, {shown})" if shown else f"Trained({self.model!r})"
