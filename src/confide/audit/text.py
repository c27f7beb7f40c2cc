"""An audit in plain English: what is given away, of whom, and how to end it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from confide.audit.words import first_of, labels_text

if TYPE_CHECKING:
    from confide.audit.findings import AuditedCell, TableAudit

__all__ = ["audit_text"]

_MULTIPLIER = 4.2247
"""Of Gaussian noise with ε = 1, δ = 10^-6 (Balle and Wang 2018, Theorem 8)."""


def audit_text(audit: TableAudit) -> str:
    """The report."""
    return "\n".join([*_given_away(audit), *_insiders(audit), *_differences(audit),
                      *_remedy(audit), *_limits(audit)])  # fmt: skip


def _given_away(audit: TableAudit) -> Iterator[str]:
    count, of = len(audit.determined), len(audit.cells)
    yield (
        f"{', '.join(audit.tables)}: {of:,} cells of the joint table; the tables give away "
        f"{count:,} of them exactly ({count / of:.0%})."
    )
    reasons = {
        "published": "printed as they are",
        "sums": "the only values with these sums",
        "bounds": "the only values with these sums if no cell is negative",
    }
    for how, reason in reasons.items():
        found = [c for c in audit.determined if c.how == how]
        if found:
            yield f"  {len(found):,} {reason}: {first_of([_valued(c) for c in found])}."
    close = [c for c in audit.cells if c.close and not c.determined]
    if close:
        share = audit.needed.protection
        yield (
            f"  {len(close):,} more are known within ±{share:.0%}: "
            f"{first_of([_valued(c) for c in close])}."
        )
    if audit.unique is not None:
        yield (
            "Only one table of whole numbers has these sums: everything is given away."
            if audit.unique
            else "More than one table of whole numbers has these sums."
        )
    if audit.confidence < 1:
        yield (
            f"Values have noise: all intervals hold together, with {audit.confidence:.0%} "
            "confidence."
        )


def _valued(cell: AuditedCell) -> str:
    low, high = cell.interval
    value = f"{low:,.6g}" if cell.determined else f"{low:,.6g} to {high:,.6g}"
    return f"{labels_text(cell.cell)} = {value}"


def _insiders(audit: TableAudit) -> Iterator[str]:
    if not audit.learnt:
        yield "Nobody learns a further cell exactly by subtracting its own values."
        return
    who = "a firm that is alone in its cell" if audit.own_cells else "an insider"
    yield f"{audit.learnt:,} further cells are learnt by {who} that subtracts its own values:"
    for insider in audit.insiders[:10]:
        if insider.learns:
            told = first_of([labels_text(cell) for cell in insider.learns])
            yield f"  {insider.name} learns {told}."
    more = sum(bool(insider.learns) for insider in audit.insiders[10:])
    if more:
        yield f"  and {more:,} more insiders learn cells."


def _differences(audit: TableAudit) -> Iterator[str]:
    if audit.differences:
        yield f"{len(audit.differences):,} values changed between the two releases:"
    for difference in audit.differences[:10]:
        text = f"  {difference.table}, {labels_text(difference.labels)}: {difference.change:+,.6g}"
        if difference.cells:
            told = [f"{labels_text(cell)} {change:+,.6g}" for cell, change in difference.cells]
            text += f", which is the change of {first_of(told)}"
        yield text + "."


def _remedy(audit: TableAudit) -> Iterator[str]:
    needed, cells = audit.needed, audit.to_protect
    if not cells:
        yield "No cell needs protection from outsiders."
    else:
        names = first_of([labels_text(cell.cell) for cell in cells])
        yield f"To protect: {names}."
        yield (
            f"Noise of standard deviation {needed.deviation:,.4g} on every published value leaves "
            f"each of them uncertain by ±{needed.protection:.0%} or more (95 % confidence); "
            f"{labels_text(needed.cell or {})} needs most."
        )
    if (cells or audit.learnt) and math.isfinite(needed.largest):
        deviation = _MULTIPLIER * needed.largest * math.sqrt(needed.counted_in)
        yield (
            "That hides values from readers who know nothing else. To hide each cell from insiders "
            f"too, whatever they know: cells clipped to a public cap, noise of {_MULTIPLIER:.2f} × "
            f"cap × √{needed.counted_in} (ε = 1, δ = 1e-06), released by the ledger; "
            f"{deviation:,.4g} for a cap of {needed.largest:,.6g}."
        )
        yield "The more people a value is a sum over, the less this noise is beside it."


def _limits(audit: TableAudit) -> Iterator[str]:
    loose = sum(not cell.sharp for cell in audit.cells)
    if loose:
        yield (
            f"The intervals of {loose:,} cells are bounds that were not proven sharp: the true "
            "ones may be narrower."
        )
    yield (
        "This is what the tables say by themselves. A reader who knows more learns more; only "
        "noise bounds that."
    )
