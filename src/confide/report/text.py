"""Reports as plain text: what the command line prints and what goes into a mail."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from confide.plan import Condition, Exposure
from confide.report.alike import alike
from confide.report.page_text import WIDTH, page_lines, printable
from confide.report.privacy import NoiseFacts

if TYPE_CHECKING:
    from confide.report.estimate import Estimate
    from confide.report.views import Observation, View, ViewReport

__all__ = ["estimate_text", "exposures_text", "full_text", "names_of", "views_text"]

_WIDTH = 100

_MOST_NAMES = 20
"""Up to this many observers of one view are named."""

_Text = tuple[str, str]
"""A text, and what its first line is indented by."""


def views_text(report: ViewReport, *, width: int = WIDTH) -> str:
    """The first page of the who-learns-what report as text.

    Args:
        report: The report.
        width: The most characters in a line.
    """
    return "\n".join(line.text for line in page_lines(report, width=width))


def full_text(report: ViewReport, *, width: int = _WIDTH) -> str:
    """The whole report as text: its first page, and the details after it.

    Args:
        report: The report.
        width: The most characters in a line.
    """
    return "\n".join([views_text(report, width=width), *_rest(report, width)])


def estimate_text(estimate: Estimate) -> str:
    """An estimate as text."""
    rows = [
        ("rounds", f"{estimate.rounds}"),
        ("a party sends", f"{_bytes(estimate.bytes_sent_per_party)} in all"),
        ("a party receives", f"{_bytes(estimate.bytes_received_per_party)} in all"),
        ("a plain vector would be", f"{_bytes(estimate.plain_bytes_per_party)} in all"),
        ("protocol time of a party", f"about {estimate.party_seconds:.2g} s in all"),
        ("protocol time of the coordinator", f"about {estimate.coordinator_seconds:.2g} s in all"),
        ("protocol memory of a party", f"about {_bytes(estimate.party_memory_bytes)}"),
        ("protocol memory, coordinator", f"about {_bytes(estimate.coordinator_memory_bytes)}"),
        ("privacy", estimate.privacy),
    ]
    width = max(len(label) for label, _ in rows)
    lines = [f"{label:<{width}}  {value}" for label, value in rows]
    for seen in estimate.observers:
        lines += _wrap(f"against {', '.join(seen.observers)}: {seen.privacy}. {seen.sentence}", "")
    return "\n".join([*lines, *(f"note: {note}" for note in estimate.notes)])


def _rest(report: ViewReport, width: int) -> Iterator[str]:
    """Everything after the first page, in lines of at most this many characters."""
    for text, indent in _behind(report):
        yield from _wrap(text, indent, width) or [""]


def _behind(report: ViewReport) -> Iterator[tuple[str, str]]:
    yield "", ""
    yield f"Plan {report.plan_hash}", ""
    yield report.promise, ""
    yield from _section("What leaves a party")
    for s in report.sums:
        shape = "a number" if not s.shape else f"{' × '.join(map(str, s.shape))} numbers"
        stage = f" (stage {s.stage!r})" if s.stage else ""
        yield (f"{s.name}{stage}: {s.meaning} ({shape}). {s.bound}; {s.bits} bits each.", "  ")
    for m in report.messages:
        times = "once" if m.times == 1 else f"in each of {m.times} rounds"
        told = f"{m.name}: {m.meaning}, from {m.sender} to {m.receiver} ({m.form})."
        yield f"{told} At most {_bytes(m.max_bytes)}; {times}.", "  "
    yield from _section("Noise")
    yield from _noise_lines(report.noise)
    yield from _section("Metadata")
    yield from _items(report.metadata)
    if report.public:
        yield from _section("Agreed to be public")
        yield from _items(
            f"{p.name}{f' ({p.rows:,} rows)' if p.rows else ''}: {p.meaning}" for p in report.public
        )
    yield from _section("Views")
    for group in report.grouped:
        yield from _view_lines(group)
    yield from _section("Known attacks, and what they come to")
    for f in report.findings:
        yield (f"{f.outcome.value.upper()}: {f.attack} [{f.aim.value}]. {f.reason}.", "  ")


def _noise_lines(noise: NoiseFacts) -> Iterator[_Text]:
    yield (noise.how, "  ")
    if noise.statement is not None:
        yield (f"{noise.statement}. {noise.statement.sentence}", "  ")
    if noise.at_capacity is not None:
        yield (f"{noise.at_capacity_means}: {noise.at_capacity}.", "  ")


def _view_lines(group: tuple[View, ...]) -> Iterator[_Text]:
    heading = group[0].heading
    yield f"{names_of(group)}" + (f"  {heading}" if heading else ""), "  "
    for o in group[0].observations:
        yield (_observation(o), " " * 6)
    if group[0].statement is not None:
        yield (f"In words: {group[0].statement.sentence}", " " * 6)


def _observation(o: Observation) -> str:
    when = o.when if o.condition is Condition.EVERY_RUN else f"{o.when}, {o.condition.value}"
    told = [f"{o.value}: {o.form}; {when}"]
    told += [o.verdict] if o.verdict else []
    told += [f"Privacy: {o.privacy}"]
    told += [f"Voided by: {o.voided_by}"] if o.voided_by else []
    told += [f"Ends with: {o.remedy}"] if o.remedy else []
    return ". ".join(told) + "."


def exposures_text(found: Iterable[Exposure], *, width: int = WIDTH) -> str:
    """Exposures as text: the answer to who sees what; observers that see the same together.

    Args:
        found: The exposures.
        width: The most characters in a line.
    """
    lines: list[str] = []
    for group in alike(found):
        names = _listed([o.name for o in group.observers])
        lines += _wrap(f"{names} ({group.first.standing.value})", "", width)
        for e in group.seen:
            whose = f", of {_listed(list(e.whose))}" if e.whose else ""
            when = (
                e.when if e.condition is Condition.EVERY_RUN else f"{e.when}, {e.condition.value}"
            )
            lines += _wrap(f"{e.value}{whose} [{e.form.value}]: {e.detail}; {when}", "  ", width)
    return "\n".join(lines) or "nobody"


def names_of(group: tuple[View, ...]) -> str:
    """The observers of views that are the same; of many, the first few and how many more."""
    return _listed([view.observer for view in group])


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more:,} more" if more > 0 else "")


def _section(title: str) -> Iterator[_Text]:
    yield "", ""
    yield title, ""


def _items(items: Iterable[str]) -> Iterator[_Text]:
    for item in items:
        yield (item, "  ")


def _wrap(text: str, indent: str, width: int = _WIDTH) -> list[str]:
    return textwrap.wrap(
        printable(text), width, initial_indent=indent, subsequent_indent=indent + "  "
    )


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:,.0f} B" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    raise AssertionError(count)
