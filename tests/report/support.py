"""Plans to report on, and what a reader finds in a page."""

from __future__ import annotations

from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Any

import numpy as np

from confide.computation import Computation
from confide.plan import (
    Adversary,
    Clear,
    Corruption,
    FixedCrowd,
    Party,
    Plan,
    Sum,
    SumGroup,
    Task,
    Threat,
    Unit,
)

HONEST, CURIOUS, MALICIOUS = Corruption
TRUSTED = Threat(confidentiality=Adversary(coordinator=HONEST))


def against(colluding: int = 1, role: Corruption = MALICIOUS, **fields: Any) -> Threat:
    """Coordinator and network of one kind, and so many colluding parties."""
    return Threat(
        confidentiality=Adversary(
            **{"coordinator": role, "network": role, "colluding_parties": colluding, **fields}
        )
    )


def totals(size: int = 3, unit: Unit = Unit.RECORD, capacity: int = 50) -> Computation:
    """Column sums and the number of rows."""
    capacity = 1 if unit is Unit.PARTY else capacity
    fields: dict[str, Any] = {"unit": unit, "capacity": capacity}
    columns = Sum(name="columns", shape=(size,), unit_bound=4.0, meaning="column sums", **fields)
    rows = Sum(name="rows", unit_bound=64.0 if unit is Unit.PARTY else 1.0, **fields)

    def contribute(state: Any, data: Any, rng: np.random.Generator) -> dict[str, Any]:
        values = data["values"]
        if unit is Unit.PARTY:
            return {"columns": values.mean(axis=0), "rows": len(values)}
        return {"columns": values, "rows": np.ones(len(values))}

    return Computation(
        task=Task.of("totals"),
        sums=SumGroup((columns, rows)),
        columns=("values",),
        init=dict,
        contribute=contribute,
        update=lambda state, totals: dict(totals),
        person_column="who" if unit is Unit.PERSON else None,
    )


def plan_of(parties: int = 7, *, computation: Computation | None = None, **fields: Any) -> Plan:
    """A masked plan of three rounds over p000, p001, …"""
    names: list[Party | str] = [f"p{i:03}" for i in range(parties)]
    made = computation or totals()
    return made.plan(parties=names, **{"rounds": 3, "dropouts": 1, "crowd": FixedCrowd(), **fields})


def clear_plan(parties: int = 7, **fields: Any) -> Plan:
    """A plan whose coordinator reads every contribution."""
    return plan_of(parties, **{"aggregation": Clear(), "threat": TRUSTED, **fields})


def sparse_plan(**fields: Any) -> Plan:
    """The derived graph of 200 parties is sparse."""
    return plan_of(200, **{"dropouts": 20, "threat": against(10), **fields})


def rows_of(plan: Plan, rows: int = 4, size: int = 3) -> dict[str, dict[str, Any]]:
    """Each party's rows of eighths, which the lattice holds exactly."""
    rng = np.random.default_rng(0)
    return {
        p.name: {"values": rng.integers(-8, 9, (rows, size)) / 8} for p in plan.parties
    }  # fmt: skip


def squeezed(text: str) -> str:
    """A text without white space, so that wrapping makes no difference."""
    return "".join(text.split())


class Page(HTMLParser):
    """A page as a browser reads it: its text, its elements, and whether they nest."""

    VOID = frozenset({"meta", "img", "br", "hr", "link", "input"})

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.styles: list[str] = []
        self.open: list[str] = []
        self.misnested: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.misnested.append(tag)

    def handle_data(self, data: str) -> None:
        (self.styles if "style" in self.open else self.texts).append(data)

    @property
    def text(self) -> str:
        """All text that is shown, without white space."""
        return squeezed("".join(self.texts))

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    @property
    def loads(self) -> list[str]:
        """Everything that a browser would fetch, or run: addresses, but not fragments or data."""
        named = {"src", "href", "srcset", "action", "data", "poster", "background"}
        found = [
            value or ""
            for _, attributes in self.elements
            for name, value in attributes.items()
            if name in named or name.startswith("on")
        ]
        kept = [value for value in found if not value.startswith(("data:image/", "#"))]
        return kept + [s for s in self.styles if "url(" in s or "@import" in s]
