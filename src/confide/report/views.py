"""Who will learn what: the view of each party, and of each coalition that the threat allows.

The report follows from the plan alone, before anything runs. Each view lists what its holder
observes, in which form, how often, what noise protects it, and what would void that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from confide.plan import (
    Aim,
    Clear,
    Encrypted,
    Finding,
    NoiseShares,
    Norm,
    Plan,
    PublicValue,
    Relation,
    Sum,
    Unit,
)
from confide.privacy.guarantee import statement
from confide.report.hardware import (
    SEALED_HARDNESS,
    enclave_promise,
    hardware_warning,
    reads_each,
    rule_in_words,
)
from confide.report.hiding import hiding
from confide.report.privacy import (
    Audience,
    NoiseFacts,
    noise_facts,
    privacy_against,
    statement_against,
)

if TYPE_CHECKING:
    from confide.privacy.accounting.statement import PrivacyStatement

__all__ = ["Observation", "SumFacts", "View", "ViewReport", "views"]


@dataclass(frozen=True)
class Observation:
    """One kind of value in a view.

    Attributes:
        value: What is observed.
        form: In which form, and over whom.
        when: How often.
        privacy: What (ε, δ) and μ bound it, or that nothing does.
        voided_by: The assumption without which this would be more.
    """

    value: str
    form: str
    when: str
    privacy: str
    voided_by: str


@dataclass(frozen=True)
class View:
    """All that one observer sees.

    Attributes:
        observer: A party's name, 'coordinator', 'network', or a coalition in words.
        within_threat: Whether the plan's confidentiality must, and does, hold against it. A
            coalition beyond the threat is reported for what it could do.
        observations: What it sees.
        statement: What noise protects one unit against it; None if nothing does.
    """

    observer: str
    within_threat: bool
    observations: tuple[Observation, ...]
    statement: PrivacyStatement | None = None


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
    """

    name: str
    meaning: str
    shape: tuple[int, ...]
    bound: str
    sensitivity: float
    party_range: float
    resolution: float
    bits: int


@dataclass(frozen=True)
class ViewReport:
    """The who-learns-what report of one plan.

    Attributes:
        plan_name: For people.
        plan_hash: Hexadecimal.
        warnings: What must not be overlooked: keys or hardware that are simulated.
        promise: What the plan promises against whom, in one sentence.
        sums: The declared sums: the only data that leaves a party.
        noise: What noise is added to them, and what it is worth.
        metadata: What else becomes known by taking part.
        public: What the parties agreed is public.
        views: One for each observer and coalition.
        findings: Each known attack and what it comes to.
    """

    plan_name: str
    plan_hash: str
    warnings: tuple[str, ...]
    promise: str
    sums: tuple[SumFacts, ...]
    noise: NoiseFacts
    metadata: tuple[str, ...]
    public: tuple[PublicValue, ...]
    views: tuple[View, ...]
    findings: tuple[Finding, ...]

    def view(self, observer: str) -> View:
        """The view of an observer.

        Raises:
            KeyError: If the report has none of that name.
        """
        for view in self.views:
            if view.observer == observer:
                return view
        raise KeyError(observer)

    @property
    def grouped(self) -> tuple[tuple[View, ...], ...]:
        """The views in order, neighbours that differ by their observer's name only together."""
        groups: list[list[View]] = []
        for view in self.views:
            if groups and view == replace(groups[-1][0], observer=view.observer):
                groups[-1].append(view)
            else:
                groups.append([view])
        return tuple(map(tuple, groups))

    @property
    def influence(self) -> tuple[Finding, ...]:
        """What the stated adversary can do to the result."""
        return tuple(f for f in self.findings if f.aim is Aim.INTEGRITY)

    def __str__(self) -> str:
        from confide.report.text import views_text

        return views_text(self)


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
    return ViewReport(
        plan_name=plan.name,
        plan_hash=plan.hash.hex(),
        warnings=tuple(_warnings(plan)),
        promise=_promise(plan),
        sums=tuple(_facts(plan, s) for s in plan.sums.sums),
        noise=noise_facts(plan),
        metadata=tuple(_metadata(plan)),
        public=plan.public,
        views=tuple(_all_views(plan)),
        findings=plan.findings,
    )


def _warnings(plan: Plan) -> Iterator[str]:
    if any(p.simulated for p in plan.parties):
        yield (
            "SIMULATION: at least one party has a simulated key, whose private half anybody can "
            "make."
        )
    if warning := hardware_warning(plan):
        yield warning


def _promise(plan: Plan) -> str:
    adversary = plan.threat.confidentiality
    parties = adversary.colluding_parties
    roles = [
        f"a {role.value} {name}"
        for name, role in (("coordinator", adversary.coordinator), ("network", adversary.network))
        if role.corrupt
    ]
    if parties:
        what = adversary.parties.value
        roles.append(f"any {_count(parties, f'{what} party', f'{what} parties')}")
    against = _join(roles) or "nobody"
    together = " together" if len(roles) > 1 else ""
    trusted = " and the coordinator, which is trusted with it," if _clear(plan) else ""
    trusted += enclave_promise(plan)
    channel = ""
    if _clear(plan) and adversary.network.corrupt:
        channel = ", as long as the encrypted channel (TLS 1.3) holds"
    promise = (
        f"Nobody but a party itself{trusted} learns its contribution; everybody else sees only "
        f"sums over at least {plan.min_survivors} of {len(plan.parties)} parties. This holds "
        f"in each round against {against}{together}{channel}."
    )
    if plan.rounds > 1 and plan.dropouts:
        promise += (
            " Differences between rounds tell more about a party that is in one round's sum and "
            "not in another's."
        )
    return promise


def _clear(plan: Plan) -> bool:
    """Whether the coordinator reads contributions."""
    return isinstance(plan.aggregation, Clear)


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
        sentence += f"; it is twice the bound, because it changes what its {unit} contributes"
    if plan.reach > 1:
        sentence += f"; a person may be at all {plan.reach:,} parties, and each counts"
    if declared.unit is not Unit.PARTY:
        sentence += f"; a party counts at most {declared.capacity:,} {unit}s"
        if distance == 1:
            sentence += (
                f", and at one that has as many or more a {who} moves it twice as far, because "
                "another takes its place"
            )
    return sentence


def _metadata(plan: Plan) -> Iterator[str]:
    who = "the coordinator" if _clear(plan) else "everybody"
    yield f"{who} learns which parties took part in each round and which dropped out"
    yield (
        "the network learns who talks to the coordinator, when, and how much: "
        "sizes depend on the plan alone"
    )
    yield "the coordinator learns how long each party takes, which grows with its number of rows"
    reader = (
        "nobody but the coordinator, which reads each contribution," if _clear(plan) else "nobody"
    )
    reader = "nobody but the enclave" if reads_each(plan) else reader
    yield f"{reader} learns a party's number of rows except by what the sums tell"
    if rule := rule_in_words(plan):
        yield rule


def _all_views(plan: Plan) -> Iterator[View]:
    adversary = plan.threat.confidentiality
    for party in plan.parties:
        yield _party_view(plan, party.name)
    if plan.attested:
        yield _enclave_view(plan)
    yield _coordinator_view(plan)
    yield _network_view(plan)
    if plan.attested:
        yield _opened_machine_view(plan)
    colluding, corrupt = adversary.colluding_parties, adversary.coordinator.corrupt
    if colluding > 1:
        yield _coalition_view(plan, colluding, with_coordinator=False)
    if colluding and corrupt:
        yield _coalition_view(plan, colluding, with_coordinator=True)
    if plan.only_sums_open:
        yield _subtraction_view(plan)
        yield _threshold_view(plan)


def _party_view(plan: Plan, name: str) -> View:
    seen = [
        Observation("its own rows and contributions", "in full", "always", "its own", "nothing"),
        *_released(plan, Audience(1)),
    ]
    if plan.only_sums_open:
        seen.append(_relay(plan))
    return View(name, True, tuple(seen), statement_against(plan, Audience(1)))


def _coordinator_view(plan: Plan) -> View:
    corrupt = plan.threat.confidentiality.coordinator.corrupt
    if _clear(plan):
        each = Observation(
            f"each party's contribution to {_names(plan)}",
            "in clear, by party",
            _every_round(plan),
            "ε = ∞ (no noise in it)",
            "the coordinator is trusted: were it not, this plan could not be made",
        )
        return View("coordinator", corrupt, (each, *_released(plan, Audience(coordinator=True))))
    alone = Audience(coordinator=True)
    hidden = (_sealed(plan),) if plan.attested else _hidden_vectors(plan)
    seen = (*_sums_seen(plan, alone), *hidden)
    return View("coordinator", corrupt, seen, statement_against(plan, alone))


def _sealed(plan: Plan) -> Observation:
    """What the host of an enclave carries."""
    return Observation(
        "messages to the enclave and its answers",
        "encrypted to a key that its evidence vouches for",
        _every_round(plan),
        "nothing to bound",
        f"the enclave's hardware opened; or {SEALED_HARDNESS}",
    )


def _enclave_view(plan: Plan) -> View:
    inside = Audience(coordinator=True)
    if not reads_each(plan):
        return View("enclave", False, (*_sums_seen(plan, inside), *_hidden_vectors(plan)))
    each = Observation(
        f"each party's contribution to {_names(plan)}",
        "in clear, by party; it checks ranges, and forgets it after the round",
        _every_round(plan),
        "ε = ∞ (no noise in it)",
        "it is trusted with this: every party verifies what runs before it sends",
    )
    return View("enclave", False, (each,))


def _opened_machine_view(plan: Plan) -> View:
    """Who holds the machine opened, or another machine's stolen key that the policy accepts."""
    inside = Audience(coordinator=True)
    if not reads_each(plan):
        seen = (*_sums_seen(plan, inside), *_hidden_vectors(plan))
        return View("whoever opened the enclave's machine", True, seen)
    each = Observation(
        f"each party's contribution to {_names(plan)}",
        "in clear, by party",
        _every_round(plan),
        "ε = ∞ (no noise in it)",
        "this is beyond the threat, in which the hardware is sound",
    )
    return View("whoever opened the enclave's machine", False, (each,))


def _network_view(plan: Plan) -> View:
    corrupt = plan.threat.confidentiality.network.corrupt
    channel = "the channel (TLS 1.3) and its certificates"
    form, voided = "encrypted by the channel", f"only {channel} protect this"
    if plan.attested:
        return View("network", corrupt, (_sealed(plan),))
    if _clear(plan):
        seen = Observation("contributions", form, _every_round(plan), "nothing to bound", voided)
        return View("network", corrupt, (seen,))
    hidden = Observation(
        "contributions",
        f"{form}; {hiding(plan).looks} beneath it",
        _every_round(plan),
        "nothing to bound",
        hiding(plan).hardness,
    )
    sums = Observation(
        f"sums of {_names(plan)}",
        f"{form}; without it, or posing as the coordinator, as the coordinator sees them",
        _every_round(plan),
        privacy_against(plan, Audience(coordinator=True)),
        voided,
    )
    return View(
        "network", corrupt, (hidden, sums), statement_against(plan, Audience(coordinator=True))
    )


def _coalition_view(plan: Plan, members: int, *, with_coordinator: bool) -> View:
    who = f"any {_count(members, 'party', 'parties')}" + (" together" if members > 1 else "")
    own = Observation(
        "their own rows and contributions", "in full", "always", "their own", "nothing"
    )
    together = Audience(members, coordinator=with_coordinator)
    if with_coordinator:
        sums = _sums_seen(plan, together)
        hidden = _hidden_vectors(plan) if plan.only_sums_open else ()
        hidden = (_sealed(plan),) if plan.attested else hidden
        seen = (own, *sums, *hidden)
        return View(f"coordinator and {who}", True, seen, statement_against(plan, together))
    return View(who, True, (own, *_released(plan, together)), statement_against(plan, together))


def _subtraction_view(plan: Plan) -> View:
    """The fewest parties beyond the threat with whom the coordinator can single out another."""
    n, left, masking = len(plan.parties), plan.min_survivors, plan.masking
    means, who = "they subtract their own part from a sum over themselves and one other", "any "
    fewest = left - 1
    # Liars sign twice: two sets of survivors that differ in one party then both find a quorum, and
    # in a neighbourhood the shares that open them. Without dropouts there is one set only.
    around = 2 * masking.threshold - (masking.degree + 1)
    signing = max(2 * masking.quorum - n, around)
    if masking.quorum and plan.dropouts and signing < fewest:
        means = "they confirm two sets of survivors that differ in one party, and subtract the sums"
        fewest, who = signing, "any " if masking.complete or around <= 0 else ""
    members = max(fewest, plan.colluding + 1)
    return View(
        f"coordinator and {who}{_count(members, 'party', 'parties')} together",
        within_threat=False,
        observations=(
            Observation(
                "the contribution of a party of their choice",
                f"in clear: {means}",
                _every_round(plan),
                _left_alone(plan),
                _beyond(plan),
            ),
        ),
    )


def _left_alone(plan: Plan) -> str:
    """What protects a party's contribution that nobody else's hides."""
    if not isinstance(plan.noise, NoiseShares):
        return "ε = ∞ (nothing is left to protect it)"
    return f"its own share of the noise: {statement(plan, insiders=plan.min_survivors - 1)}"


def _beyond(plan: Plan) -> str:
    return f"this is beyond the threat, in which at most {plan.colluding} collude"


def _threshold_view(plan: Plan) -> View:
    threshold = plan.masking.threshold
    seen = Observation(
        "every contribution of the other parties they hold shares of",
        f"in clear: {hiding(plan).opened}",
        _every_round(plan),
        _left_alone(plan),
        _beyond(plan),
    )
    who = f"coordinator and {threshold} parties that share one neighbour"
    if plan.masking.complete:
        who = f"coordinator and any {threshold} parties together"
    return View(who, within_threat=False, observations=(seen,))


def _released(plan: Plan, audience: Audience) -> Iterator[Observation]:
    """The sums as those receive them to whom they are released."""
    if plan.to_parties:
        yield from _sums_seen(plan, audience)


def _sums_seen(plan: Plan, audience: Audience) -> Iterator[Observation]:
    """The sums as an audience sees them, and what follows from them."""
    yield _sum_observation(plan, audience)
    once = plan.rounds == 1
    yield Observation(
        "the result" if once else "the state after each round",
        "computed from the sums",
        _every_round(plan),
        "as the sums",
        "nothing",
    )
    if not once:
        yield from _differences(plan, audience)


def _sum_observation(plan: Plan, audience: Audience) -> Observation:
    least, n, insiders = plan.min_survivors, len(plan.parties), audience.insiders
    form = f"one sum over at least {least} of {n} parties"
    if insiders:
        form += f"; less their own part, the sum of at least {least - insiders} others"
        form = form if insiders > 1 else form.replace("their own", "its own")
    return Observation(
        f"{_names(plan)}",
        form,
        _every_round(plan),
        privacy_against(plan, audience),
        _sum_assumption(plan),
    )


def _differences(plan: Plan, audience: Audience) -> Iterator[Observation]:
    if not plan.dropouts:
        return
    yield Observation(
        "differences of sums across rounds",
        f"parties missing from one round's sum and not from another's, up to {plan.dropouts} at a "
        "time: the difference is what they contributed, up to how much the others' part changed; "
        "what does not change, such as a number of rows, comes out up to the lattice's steps",
        f"each pair of {plan.rounds} rounds",
        privacy_against(plan, audience),
        "only noise bounds this",
    )


def _relay(plan: Plan) -> Observation:
    return Observation(
        "keys, encrypted shares and signatures of its neighbours",
        f"one share of {hiding(plan).secrets} of each of {plan.masking.degree} neighbours; it "
        f"takes {plan.masking.threshold} to open one",
        _every_round(plan),
        "nothing to bound",
        hiding(plan).hardness,
    )


def _hidden_vectors(plan: Plan) -> tuple[Observation, ...]:
    """What the coordinator holds of each party, and what it takes to open it."""
    how, pooled = hiding(plan), f"{plan.masking.threshold} parties pooling their shares"
    vector = Observation(
        f"each party's {how.vector}",
        f"{how.looks} numbers",
        _every_round(plan),
        "nothing to bound",
        f"{how.hardness}; or {pooled}",
    )
    if not isinstance(plan.inner, Encrypted):
        return (vector,)
    key = Observation(
        "the sum of the survivors' keys, and of their errors",
        "one short polynomial each, which open the sum",
        _every_round(plan),
        "nothing to bound: beside another honest key, each is a Gaussian that is wide enough",
        f"{how.hardness}; or {pooled}",
    )
    return (vector, key)


def _sum_assumption(plan: Plan) -> str:
    if _clear(plan):
        return "the coordinator keeps to itself what it reads"
    if reads_each(plan):
        return "the enclave's hardware opened"
    return f"more than {plan.colluding} parties collude"


def _names(plan: Plan) -> str:
    return _join([f"'{s.name}'" for s in plan.sums.sums])


def _join(items: list[str]) -> str:
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def _every_round(plan: Plan) -> str:
    return "once" if plan.rounds == 1 else f"in each of {plan.rounds} rounds"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
