"""Facts as a small table of HTML, for what notebooks show of plans, runs and ledgers."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

__all__ = ["facts_html"]


def facts_html(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """A title and facts below it, all escaped.

    Example:
        >>> facts_html("a <plan>", [("rounds", 3)])
        '<p><b>a &lt;plan&gt;</b></p><table><tr><th>rounds</th><td>3</td></tr></table>'
    """
    rows = "".join(
        f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in facts
    )
    return f"<p><b>{escape(title)}</b></p><table>{rows}</table>"
