"""The first page of a report on a terminal: as wide as the terminal, with verdicts in colours."""

from __future__ import annotations

from typing import Final

from rich.text import Text

from confide.cli.console import output
from confide.report import ViewReport
from confide.report.claims import Tone
from confide.report.page_text import MARKED, WIDTH, page_lines

__all__ = ["page_width", "show_first_page"]

_STYLES: Final = {Tone.BAD: "bold red", Tone.GOOD: "bold green", Tone.FAIR: "bold yellow"}
_WIDEST: Final = 100
"""The most characters in a line, because longer lines are hard to read."""


def page_width() -> int:
    """The width of a page: that of the terminal, or that of a mail without a terminal."""
    return min(output.width, _WIDEST) if output.is_terminal else WIDTH


def show_first_page(report: ViewReport) -> None:
    """Prints a report's first page.

    Args:
        report: The report.
    """
    for line in page_lines(report, width=page_width()):
        text = Text(line.text, style="bold" if line.heading else "")
        if line.marked:
            for tone, pattern in MARKED.items():
                text.highlight_regex(pattern, _STYLES[tone])
        output.print(text, soft_wrap=True)
