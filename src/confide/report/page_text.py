"""The first page as lines of text: for a terminal of any width, a pipe or a mail."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from confide.report.claims import Claim, Sentence, Tone
from confide.report.sections import Section

if TYPE_CHECKING:
    from confide.report.views import ViewReport

__all__ = ["MARKED", "WIDTH", "Line", "page_lines", "printable"]

WIDTH: Final = 80
"""The default width of a page."""

_LEAST_WIDTH: Final = 32
_UNBROKEN: Final = "ε\u00a0=\u00a0"
"""So that an ε stays in one line."""

MARKED: Final = {
    Tone.BAD: re.compile(r"NOT PRIVATE|ε = ∞|SIMULAT\w+( HARDWARE)?|EACH PARTY'S CONTRIBUTION"),
    Tone.GOOD: re.compile(r"(?<!NOT )\bPRIVATE\b"),
    Tone.FAIR: re.compile(r"\bHIDDEN\b"),
}
"""What a line of verdicts shows in a colour."""


@dataclass(frozen=True)
class Line:
    """A line of a page.

    Attributes:
        text: The line.
        heading: Whether it is a heading.
        marked: Whether its verdicts may be coloured: it holds no text of the plan's.
    """

    text: str
    heading: bool = False
    marked: bool = False


def page_lines(report: ViewReport, *, width: int = WIDTH) -> Iterator[Line]:
    """The first page, line by line.

    Args:
        report: The report.
        width: The most characters in a line; lines that hold one long word may be longer.
    """
    page, width = report.first_page, max(width, _LEAST_WIDTH)
    for sentence in page.headline:
        yield from _paragraph(sentence.text, width, marked=True)
    yield from _paragraph(f"Who learns what: {report.plan_name}", width, heading=True)
    for sentence in page.about:
        yield from _paragraph(sentence.text, width, marked=sentence.claim is Claim.WARNING)
    if page.shared:
        yield Line("")
        yield from _paragraph(f"{_all_of(page.shared_by)} see in every run", width, heading=True)
        yield from _items(page.shared, "  · ", width)
    for section in page.sections:
        if not section.besides:
            yield Line("")
        yield from _section(section, width)
    yield Line("")
    yield Line("YOUR DECISION", heading=True)
    yield from _items(page.decisions, "  [ ] ", width)


def printable(line: str) -> str:
    """The line with control characters escaped: a plan's texts must not forge lines or colours."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode()
        for c in line
    )


def _section(section: Section, width: int) -> Iterator[Line]:
    yield from _paragraph(f"{section.title} ({section.assumed})", width, heading=True)
    verdicts = " ".join(sentence.text for sentence in section.verdicts)
    yield from _paragraph(verdicts, width, indent="  ", marked=True)
    for label, sentences in (
        ("sees", section.sees),
        ("can", section.can),
        ("cannot", section.cannot),
    ):
        for place, sentence in enumerate(sentences):
            start = f"  {label if not place else '':<7} · "
            yield from _paragraph(sentence.text, width, indent=start)


def _items(sentences: tuple[Sentence, ...], start: str, width: int) -> Iterator[Line]:
    for sentence in sentences:
        yield from _paragraph(sentence.text, width, indent=start)


def _paragraph(
    text: str, width: int, *, indent: str = "", heading: bool = False, marked: bool = False
) -> Iterator[Line]:
    """A text in lines; what follows the first stands below its first word."""
    wrapped = textwrap.wrap(
        printable(text).replace("ε = ", _UNBROKEN),
        width,
        initial_indent=indent,
        subsequent_indent=" " * len(indent) if indent else "  ",
        break_on_hyphens=False,
    )
    lines = (line.replace(_UNBROKEN, "ε = ") for line in wrapped)
    return (Line(line, heading=heading, marked=marked) for line in lines)


def _all_of(names: tuple[str, ...]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
