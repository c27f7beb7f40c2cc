"""Who will learn what: the view of each party, and of each coalition that the threat allows.

The report is computed from the plan alone, before anything runs. A plan's exposures say who sees
what of whom (`confide.plan.disclosure`); each view here lists those of one observer with what the
noise guarantees in numbers, and the promise states the worst of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Final

from confide.plan import (
    Condition,
    Exposure,
    Finding,
    Form,
    Norm,
    Observer,
    Plan,
    PublicValue,
    Relation,
    Rule,
    Standing,
    Sum,
    Unit,
    What,
    exposures,
)
from confide.report.alike import Alike, alike
from confide.report.exchanges import (
    MessageFacts,
    exchange_promise,
    message_facts,
)
from confide.report.first_page import FirstPage, first_page
from confide.report.privacy import (
    NoiseFacts,
    noise_facts,
    owner_word,
    privacy_of,
    statement_of,
    verdict_of,
)
from confide.report.questions import Question
from confide.report.signal import noise_warnings
from confide.report.verdict import PlanVerdict, plan_verdicts

if TYPE_CHECKING:
    from confide.privacy.accounting.statement import PrivacyStatement

__all__ = ["Observation", "SumFacts", "View", "ViewReport", "views"]

_REPR_NAME: Final = 60


@dataclass(frozen=True)
class Observation:
    """One kind of value in a view.

    Attributes:
        value: What is observed.
        form: In which form, and over whom.
        when: How often.
        privacy: What (ε, δ) and μ bound it, or that nothing does.
        voided_by: The failure that would reveal more than this; empty if there is none.
        condition: Whether it is seen in every run, or under which condition.
        verdict: What is guaranteed about each unit and each ownership group, in words.
        remedy: What would end it; empty if the plan intends it.
    """

    value: str
    form: str
    when: str
    privacy: str
    voided_by: str
    condition: Condition = Condition.EVERY_RUN
    verdict: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class View:
    """All that one observer sees.

    Attributes:
        observer: A party's name, 'coordinator', 'network', or a coalition in words.
        within_threat: Whether the plan's confidentiality must hold against it.
        observations: What it sees.
        statement: What noise protects one unit against it; None if nothing does.
        standing: Whether it is in the threat, trusted (and sees this in every run), or a coalition
            beyond the threat, which is listed to show what it could do.
    """

    observer: str
    within_threat: bool
    observations: tuple[Observation, ...]
    statement: PrivacyStatement | None = None
    standing: Standing = Standing.ADVERSARY

    @property
    def heading(self) -> str:
        """What follows the observer's name: whether the threat counts it."""
        return {
            Standing.ADVERSARY: "",
            Standing.TRUSTED: "(trusted not to misuse what it sees, in every run)",
            Standing.BEYOND: "(beyond the stated threat)",
        }[self.standing]


@dataclass(frozen=True)
class SumFacts:
    """What follows from the declaration of one sum.

    Attributes:
        name: Its name.
        meaning: What it is, in words.
        shape: Its shape.
        bound: What one unit can move, in words.
        sensitivity: Distance of two neighbours' sums on the lattice, rounding included.
        party_range: The most that one honest party can move it.
        resolution: Spacing of the lattice.
        bits: Bits of each number's modulus.
        stage: The stage that it belongs to; empty in a plan of one stage.
    """

    name: str
    meaning: str
    shape: tuple[int, ...]
    bound: str
    sensitivity: float
    party_range: float
    resolution: float
    bits: int
    stage: str = ""


@dataclass(frozen=True, repr=False)
class ViewReport:
    """The who-learns-what report of one plan.

    Attributes:
        plan_name: For people.
        plan_hash: Hexadecimal.
        first_page: The verdicts, what they rest on, and what the reader decides.
        warnings: What a reader must not miss, such as simulated keys or hardware.
        promise: What the plan promises against whom, over all rounds, in a few sentences.
        sums: The declared sums: the only data that leaves a party.
        noise: What noise is added to them, and what it is worth.
        metadata: What else becomes known because parties take part.
        public: What the parties agreed is public.
        views: One for each observer and coalition.
        findings: Each known attack and what it comes to.
        verdicts: What is guaranteed over the whole plan against all that the threat allows: for
            each unit of privacy, and for each ownership group.
        exposures: Every exposure as a value, of sums and exchanges; the views are made from these.
        messages: The declared messages of exchanges: the only other data that leaves a party.
    """

    plan_name: str
    plan_hash: str
    first_page: FirstPage
    warnings: tuple[str, ...]
    promise: str
    sums: tuple[SumFacts, ...]
    noise: NoiseFacts
    metadata: tuple[str, ...]
    public: tuple[PublicValue, ...]
    views: tuple[View, ...]
    findings: tuple[Finding, ...]
    verdicts: tuple[PlanVerdict, ...]
    exposures: tuple[Exposure, ...]
    messages: tuple[MessageFacts, ...] = ()

    def view(self, observer: str) -> View:
        """The view of an observer.

        Raises:
            KeyError: If the report has none of that name.
        """
        for view in self.views:
            if view.observer == observer:
                return view
        raise KeyError(observer)

    def who_sees(
        self,
        *,
        observer: str | None = None,
        party: str | None = None,
        form: Form | str | None = None,
        what: What | str | None = None,
        condition: Condition | str | None = None,
        standing: Standing | str | None = None,
    ) -> tuple[Exposure, ...]:
        """The exposures that match: who sees what of whom.

        Args:
            observer: Only what this observer sees: a party's name, or that of a view.
            party: Only values that are, or may be, of this party, or have its part in them.
            form: Only values in this form, such as "plaintext".
            what: Only this kind of value, such as "contribution".
            condition: Only under this condition, such as "in every run".
            standing: Only observers of this standing, such as "trusted".

        Raises:
            QuestionError: If the report knows no such observer, party or word.
        """
        question = Question.of(
            self.exposures,
            observer=observer,
            party=party,
            form=form,
            what=what,
            condition=condition,
            standing=standing,
        )
        return question.answer(self.exposures)

    @cached_property
    def grouped(self) -> tuple[tuple[View, ...], ...]:
        """The views in order; neighbours that differ only in the observer's name are grouped."""
        groups: list[list[View]] = []
        for view in self.views:
            if groups and view == replace(groups[-1][0], observer=view.observer):
                groups[-1].append(view)
            else:
                groups.append([view])
        return tuple(map(tuple, groups))

    @property
    def full(self) -> str:
        """The whole report as text: the first page and the details after it."""
        from confide.report.text import full_text

        return full_text(self)

    def __str__(self) -> str:
        from confide.report.text import views_text

        return views_text(self)

    def __repr__(self) -> str:
        verdicts = ", ".join(f"{v.who} {v.verdict.value}" for v in self.verdicts)
        return f"<ViewReport {self.plan_name[:_REPR_NAME]!r}: {verdicts}>"

    def _repr_html_(self) -> str:
        """The first page for a notebook."""
        from confide.report.document import first_page_html

        return first_page_html(self)


def views(plan: Plan) -> ViewReport:
    """Says who will learn what under a plan.

    Example:
        >>> from confide.computation import Computation
        >>> from confide.plan import Sum, SumGroup, Task, Unit
        >>> total = SumGroup((Sum(name="total", unit=Unit.PARTY, unit_bound=1, capacity=1),))
        >>> mean = Computation(task=Task.of("mean"), sums=total, columns=("x",), init=dict,
        ...                    contribute=lambda state, data, rng: {"total": data["x"].mean()},
        ...                    update=lambda state, totals: {"total": totals["total"]})
        >>> report = views(mean.plan(parties=["a", "b", "c", "d"], dropouts=0))
        >>> report.view("coordinator").observations[0].form
        'one sum over at least 4 of 4 parties'
    """
    part = plan.sums_part
    found = exposures(plan)
    groups = alike(found)
    verdicts = plan_verdicts(plan, found)
    noise = noise_facts(part) if part else NoiseFacts("none: the plan has no sums", None, None)
    warnings = tuple(_warnings(plan))
    page = first_page(plan, groups, verdicts, noise, warnings)
    promises = (
        _promise(part, within="In the sums, nobody" if plan.exchanges else "Nobody")
        if part
        else "",
        exchange_promise(plan, found),
        _over_all(plan, page),
    )
    return ViewReport(
        plan_name=plan.name,
        plan_hash=plan.hash.hex(),
        first_page=page,
        warnings=warnings,
        promise=" ".join(filter(None, promises)),
        sums=tuple(_all_facts(part)) if part else (),
        noise=noise,
        metadata=tuple(_metadata(plan, found)),
        public=plan.public,
        views=tuple(_all_views(plan, found, groups)),
        findings=plan.findings,
        verdicts=verdicts,
        exposures=found,
        messages=message_facts(plan),
    )


def _warnings(plan: Plan) -> Iterator[str]:
    if any(p.simulated for p in plan.parties):
        yield ("SIMULATION: a party's key is simulated, so anybody can sign in its name.")
    if warning := plan.aggregation.warning:
        yield warning
    yield from noise_warnings(plan)


def _over_all(plan: Plan, page: FirstPage) -> str:
    """The verdicts over all rounds, as the end of the promise."""
    over = "In all:" if plan.rounds == 1 else "Over all rounds together:"
    return " ".join([over, *(sentence.text for sentence in page.headline)])


def _promise(plan: Plan, *, within: str) -> str:
    """What holds in each round of sums by itself, and against whom.

    Args:
        plan: The plan without its exchanges.
        within: The first words.
    """
    adversary = plan.threat.confidentiality
    roles = [
        f"a {role.value} {name}"
        for name, role in (("coordinator", adversary.coordinator), ("network", adversary.network))
        if role.corrupt
    ]
    if groups := adversary.colluding_parties:
        owner = f"{adversary.parties.value} {owner_word(plan)}"
        roles.append(f"any {groups} {owner if groups == 1 else _plural(owner)}")
    against = _join(roles) or "nobody"
    together = " together" if len(roles) > 1 else ""
    return (
        f"{within} but a party itself{plan.aggregation.trust} learns its contribution; everybody "
        f"else sees only sums over at least {plan.min_survivors} of {len(plan.parties)} parties. "
        f"This holds in each round against {against}{together}{_channel(plan)}."
    )


def _channel(plan: Plan) -> str:
    """The channel as a condition of the promise, where nothing else hides contributions on it."""
    network = plan.threat.confidentiality.network
    if not (network.corrupt and plan.aggregation.relies_on_channel):
        return ""
    return ", as long as the encrypted channel (TLS 1.3) holds"


def _all_facts(plan: Plan) -> Iterator[SumFacts]:
    parts = plan.stage_plans
    for stage, part in zip(plan.stages, parts, strict=True):
        for declared in part.sums.sums:
            facts = _facts(part, declared)
            yield facts if len(parts) == 1 else replace(facts, stage=stage.name)


def _facts(plan: Plan, declared: Sum) -> SumFacts:
    return SumFacts(
        name=declared.name,
        meaning=declared.meaning or declared.name.replace("_", " "),
        shape=declared.shape,
        bound=_bound(plan, declared),
        sensitivity=plan.sensitivity(declared),
        party_range=declared.party_range,
        resolution=declared.lattice.resolution,
        bits=plan.sum_bits(declared),
    )


def _bound(plan: Plan, declared: Sum) -> str:
    """How far one protected unit moves a sum, without the rounding, and why so far."""
    who, unit = plan.neighbours.unit.value, declared.unit.value
    distance = plan.neighbours.distance(declared.unit)
    replaced = plan.neighbours.relation is Relation.REPLACE_ONE
    norm = {Norm.L1: "L1", Norm.L2: "L2", Norm.LINF: "Linf"}[declared.norm]
    moves = f"{plan.reach * distance * declared.unit_bound:.12g}"
    sentence = (
        f"one {who} {'replaced' if replaced else 'more or less'} moves it by at most {moves} in "
        f"{norm}, and rounding adds at most 1 % to that"
    )
    if distance == 2 and not replaced:
        sentence += f"; this is twice the bound, because it changes what its {unit} contributes"
    if plan.neighbours.person_at_several_parties:
        sentence += f"; a person may be at all {plan.reach:,} parties, and each counts"
    elif plan.reach > 1:
        sentence += f"; an ownership group has up to {plan.reach:,} parties, and each counts"
    if declared.unit is not Unit.PARTY:
        sentence += f"; a party counts at most {declared.capacity:,} {declared.unit.plural}"
        if distance == 1:
            sentence += (
                f"; at a party that has as many or more, a {who} moves it twice as far, because "
                "another takes its place"
            )
    return sentence


def _metadata(plan: Plan, found: tuple[Exposure, ...]) -> Iterator[str]:
    learned: dict[str, list[Observer]] = {}
    for exposure in found:
        roles = exposure.observer
        if exposure.what is What.METADATA and not (roles.parties and roles.party is None):
            learned.setdefault(exposure.value, []).append(roles)
    for value, observers in learned.items():
        yield f"{_learners(plan, observers)} {value}"
    if (part := plan.sums_part) is not None:
        yield from _metadata_of_sums(part)


def _learners(plan: Plan, observers: list[Observer]) -> str:
    """Who learns something from the participation, as the beginning of a sentence."""
    parties = [o.name for o in observers if o.party is not None]
    if len(parties) == len(plan.parties):
        return "everybody learns"
    who = [*parties, *(f"the {o.name}" for o in observers if o.party is None)]
    return f"{_join(who)} {'learns' if len(who) == 1 else 'learn'}"


def _metadata_of_sums(plan: Plan) -> Iterator[str]:
    """What else parties of sums learn by taking part, and what nobody learns."""
    reader = plan.aggregation.reader
    who = "nobody" if not reader else f"nobody but {reader}, which reads each contribution,"
    yield f"{who} learns a party's number of rows, except from the sums"
    for stage in plan.sum_stages:
        if stage.keeps_own_state:
            yield (
                f"in stage {stage.name!r} each party keeps a private state besides the public "
                "one: it never leaves the party, and affects only its contributions"
            )
    if chance := plan.aggregation.chance(plan):
        yield chance
    if plan.aggregation.rule is not Rule.SUM:
        yield (
            f"contributions are combined by the rule {plan.aggregation.rule.value!r} instead of "
            "a sum: it is not additive, so no noise can be calibrated to it"
        )


def _all_views(plan: Plan, found: tuple[Exposure, ...], groups: Iterable[Alike]) -> Iterator[View]:
    """Each observer's view in the order of the exposures; equal ones share their words."""
    worded = {o.name: view for g in groups for view in [_view(plan, g)] for o in g.observers}
    for name in dict.fromkeys(e.observer.name for e in found):
        yield replace(worded[name], observer=name)


def _view(plan: Plan, group: Alike) -> View:
    return View(
        observer=group.first.name,
        within_threat=group.first.standing is Standing.ADVERSARY,
        observations=tuple(
            _observation(plan, e) for e in group.seen if e.what is not What.METADATA
        ),
        statement=statement_of(plan, group.seen),
        standing=group.first.standing,
    )


def _observation(plan: Plan, exposure: Exposure) -> Observation:
    own = exposure.what is What.OWN_DATA
    whose = f", of {_join(list(exposure.whose))}" if exposure.whose else ""
    return Observation(
        value=f"{exposure.value}{whose}",
        form=exposure.detail,
        when=exposure.when,
        privacy=privacy_of(plan, exposure),
        voided_by=exposure.assumption,
        condition=exposure.condition,
        verdict="" if own else verdict_of(plan, exposure.guarantee),
        remedy=exposure.remedy,
    )


def _join(items: list[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def _plural(noun: str) -> str:
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
