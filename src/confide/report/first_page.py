"""The first page of a report: a verdict for each observer, what it rests on, and what to decide."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from confide.plan import CentralNoise, NoNoise, Plan, Standing, Unit
from confide.privacy.rounding import rounded_up
from confide.report.alike import Alike
from confide.report.claims import Claim, Sentence
from confide.report.decisions import decisions
from confide.report.drawing import Drawing, drawing
from confide.report.privacy import NoiseFacts
from confide.report.sections import Section, as_above, sections, without
from confide.report.verdict import PlanVerdict, verdict_sentences

__all__ = ["FirstPage", "first_page"]

_TELLS_SUMS: Final = (Claim.EXACT_SUMS, Claim.NOISY_SUMS)

_HASH_DIGITS: Final = 10
"""The digits of the plan's hash that the page shows; parties sign the whole hash."""


@dataclass(frozen=True)
class FirstPage:
    """The first page of a report.

    Attributes:
        headline: What is guaranteed against all that the threat allows.
        about: The plan in a sentence, and what a reader must not miss.
        shared_by: The names of the sections that `shared` belongs to; empty without any.
        shared: What several observers see in every run, said once.
        sections: Each observer, or observers that see the same.
        decisions: What the reader decides.
        drawing: Who sees which value in which form, as a picture.
    """

    headline: tuple[Sentence, ...]
    about: tuple[Sentence, ...]
    shared_by: tuple[str, ...]
    shared: tuple[Sentence, ...]
    sections: tuple[Section, ...]
    decisions: tuple[Sentence, ...]
    drawing: Drawing

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        """All sentences, in order."""
        of_sections = (s for section in self.sections for s in section.sentences)
        return (*self.headline, *self.about, *self.shared, *of_sections, *self.decisions)


def first_page(
    plan: Plan,
    groups: Iterable[Alike],
    verdicts: tuple[PlanVerdict, ...],
    noise: NoiseFacts,
    warnings: Iterable[str],
) -> FirstPage:
    """Writes the first page of a plan's report.

    Args:
        plan: The plan.
        groups: Its observers, those together that see the same.
        verdicts: What is guaranteed over the whole plan.
        noise: What its noise is worth.
        warnings: What a reader must not miss.
    """
    together = tuple(groups)
    feared = [
        e for group in together if group.first.standing is Standing.ADVERSARY for e in group.seen
    ]
    told = tuple(verdict_sentences(plan, verdicts, feared, named=True))
    made = tuple(as_above(s, told) for s in sections(plan, together))
    shared_by, shared = _shared(made)
    readers = [s.observers[0] for s in made if _trusted_reader(s)]
    return FirstPage(
        headline=(
            *told,
            *(Sentence.of(Claim.TRUSTED, reader=reader) for reader in readers),
        ),
        about=(
            _about(plan),
            *_at_capacity(plan, noise),
            *(Sentence.of(Claim.WARNING, text=text) for text in warnings),
        ),
        shared_by=shared_by,
        shared=shared,
        sections=tuple(without(s, shared) if s.name in shared_by else s for s in made),
        decisions=tuple(decisions(plan, verdicts, feared, readers)),
        drawing=drawing(plan, together),
    )


def _about(plan: Plan) -> Sentence:
    noise = {NoNoise: "no noise", CentralNoise: f"noise by the {plan.aggregation.adder}"}
    of_sums = {
        "protection": plan.aggregation.name if plan.sum_stages else "no sums",
        "noise": noise.get(type(plan.noise), "noise in shares"),
    }
    return Sentence.of(
        Claim.PLAN,
        plan=plan.hash.hex()[:_HASH_DIGITS],
        parties=f"{len(plan.parties):,}",
        rounds=_rounds(plan),
        missing=f"{plan.dropouts:,} may drop out" if plan.dropouts else "no dropouts",
        **of_sums,
    )


def _rounds(plan: Plan) -> str:
    count = "1 round" if plan.rounds == 1 else f"{plan.rounds:,} rounds"
    return f"{count} of {len(plan.cohorts.cohorts):,} cohorts in turn" if plan.cohorts else count


def _at_capacity(plan: Plan, noise: NoiseFacts) -> Iterator[Sentence]:
    if noise.at_capacity is None:
        return
    declared = [s for part in plan.sum_plans for s in part.sums.sums]
    yield Sentence.of(
        Claim.AT_CAPACITY,
        capacity=f"{min(s.capacity for s in declared if s.unit is not Unit.PARTY):,}",
        units=plan.neighbours.unit.plural,
        epsilon=rounded_up(noise.at_capacity.epsilon),
    )


def _trusted_reader(section: Section) -> bool:
    reads = any(s.claim is Claim.READS_EACH for s in section.sees)
    return reads and section.standing is Standing.TRUSTED


def _shared(made: tuple[Section, ...]) -> tuple[tuple[str, ...], tuple[Sentence, ...]]:
    """What all observers of sums see in every run, and who they are; nothing if it is only one."""
    informed = [s for s in made if any(each.claim in _TELLS_SUMS for each in s.sees)]
    if len(informed) < 2:
        return (), ()
    first, *others = informed
    shared = tuple(s for s in first.sees if all(s in other.sees for other in others))
    return (tuple(s.name for s in informed) if shared else ()), shared
