"""Reports as plain text: what the command line prints and what goes into a mail."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from confide.plan import Condition
from confide.report.estimate import Estimate
from confide.report.privacy import NoiseFacts
from confide.report.views import Observation, View, ViewReport

__all__ = ["estimate_text", "views_text"]

_WIDTH = 100


def views_text(report: ViewReport) -> str:
    """The who-learns-what report as text."""
    return "\n".join(map(_printable, _views_lines(report)))


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


def _views_lines(report: ViewReport) -> Iterator[str]:
    yield f"Who learns what: {report.plan_name}"
    yield f"plan {report.plan_hash}"
    for warning in report.warnings:
        yield from _wrap(warning, "")
    yield ""
    yield from _wrap(report.promise, "")
    yield from _section("What leaves a party")
    for s in report.sums:
        shape = "a number" if not s.shape else f"{' × '.join(map(str, s.shape))} numbers"
        stage = f" (stage {s.stage!r})" if s.stage else ""
        yield from _wrap(
            f"{s.name}{stage}: {s.meaning} ({shape}). {s.bound}; {s.bits} bits each.", "  "
        )
    for m in report.messages:
        yield from _wrap(
            f"{m.name}: {m.meaning}, from {m.sender} to {m.receiver} ({m.form}). At most "
            f"{_bytes(m.max_bytes)}; {'once' if m.times == 1 else f'in each of {m.times} rounds'}.",
            "  ",
        )
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
        yield from _wrap(
            f"{f.outcome.value.upper()}: {f.attack} [{f.aim.value}]. {f.reason}.", "  "
        )


def _noise_lines(noise: NoiseFacts) -> Iterator[str]:
    yield from _wrap(noise.how, "  ")
    if noise.statement is not None:
        yield from _wrap(f"{noise.statement}. {noise.statement.sentence}", "  ")
    if noise.at_capacity is not None:
        yield from _wrap(f"{noise.at_capacity_means}: {noise.at_capacity}.", "  ")


def _view_lines(group: tuple[View, ...]) -> Iterator[str]:
    names = ", ".join(v.observer for v in group)
    heading = group[0].heading
    yield f"  {names}" + (f"  {heading}" if heading else "")
    for o in group[0].observations:
        yield from _wrap(_observation(o), "      ")
    if group[0].statement is not None:
        yield from _wrap(f"In words: {group[0].statement.sentence}", "      ")


def _observation(o: Observation) -> str:
    when = o.when if o.condition is Condition.EVERY_RUN else f"{o.when}, {o.condition.value}"
    told = [f"{o.value}: {o.form}; {when}"]
    told += [o.verdict] if o.verdict else []
    told += [f"Privacy: {o.privacy}"]
    told += [f"Voided by: {o.voided_by}"] if o.voided_by else []
    told += [f"Ends with: {o.remedy}"] if o.remedy else []
    return ". ".join(told) + "."


def _section(title: str) -> Iterator[str]:
    yield ""
    yield title


def _items(items: Iterable[str]) -> Iterator[str]:
    for item in items:
        yield from _wrap(item, "  ")


def _wrap(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")


def _printable(line: str) -> str:
    """The line with control characters escaped: a plan's texts must not forge lines or colours."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode()
        for c in line
    )


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:,.0f} B" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    raise AssertionError(count)
