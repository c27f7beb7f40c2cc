"""Every sentence of a first page is held against what really happens: the attack, or the number.

`CHECKS` has one check for each claim. It fails when the sentence is false: a test changes each fact
of each sentence in turn and sees that the check notices.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest
from dp_accounting.pld import PLDAccountant
from scipy.optimize import brentq
from scipy.stats import norm
from tests.aggregation import support
from tests.aggregation.adversary import Loot
from tests.aggregation.encrypted.loot import Loot as KeyLoot
from tests.report.cases import CASES, made, report_of
from tests.report.evidence import (
    SMALL,
    carried,
    first,
    opened,
    runnable,
    shown_by_a_lying_coordinator,
    shown_by_a_lying_party,
    tells_apart,
)
from tests.report.support import against, plan_of, squeezed
from tests.report.test_views import can_single_out

from confide.errors import ConfideError, OpeningError
from confide.plan import (
    Clear,
    Condition,
    Encrypted,
    FixedCrowd,
    Form,
    Masked,
    Neighbours,
    NoiseShares,
    NoNoise,
    Opening,
    Plan,
    Standing,
    Subject,
    Unit,
    Verdict,
    What,
    exposures,
)
from confide.plan.crowds import check_openings
from confide.plan.exchange_exposures import IN_CHANNEL
from confide.plan.openings import classes
from confide.privacy.guarantee import guarantee
from confide.report import ViewReport, views, views_text
from confide.report.claims import WORDING, Claim, Sentence
from confide.report.decisions import WAYS_OUT
from confide.report.sections import Section
from confide.report.verdict import plan_verdicts


@dataclass(frozen=True)
class Told:
    """A sentence where it stands: on which page, and in which section if in one."""

    plan: Plan
    report: ViewReport
    section: Section | None
    sentence: Sentence

    @property
    def facts(self):
        return self.sentence.facts

    @property
    def seen(self):
        """What the section's observers see, or all of the stated adversary, of the part named."""
        if self.section is None:
            found = [e for e in self.report.exposures if e.observer.standing is Standing.ADVERSARY]
        else:
            names = self.section.observers
            found = [e for e in self.report.exposures if e.observer.name in names]
        where, _, rest = str(self.facts.get("each", "")).rpartition(": ")
        assert rest.lower() in ("", "each")
        parts = ["Sums"] * bool(self.plan.sum_stages) + [f"{e.name!r}" for e in self.plan.exchanges]
        assert not where or (len(parts) > 1 and where in parts)
        if where:
            found = [e for e in found if self._part(e) == where]
        return found

    def _part(self, e):
        exchange = e.stage is not None and self.plan.stages[e.stage] in self.plan.exchanges
        return repr(self.plan.stages[e.stage].name) if exchange else "Sums"

    @property
    def members(self):
        """How many parties look together at most."""
        return max(e.observer.parties for e in self.seen)

    @property
    def small(self):
        """Whether the plan's sums are run for real."""
        ours = isinstance(self.plan.inner, Clear | Masked | Encrypted)
        beneath = self.plan.attested and self.plan.only_sums_open  # as without an enclave
        return (
            bool(self.plan.sum_stages)
            and len(self.plan.parties) <= SMALL
            and ours
            and (not beneath)
        )


CHECKS: dict[Claim, Callable[[Told], None]] = {}


def check(*claims):
    def keep(function):
        CHECKS.update(dict.fromkeys(claims, function))
        return function

    return keep


def units_of(told):
    return told.facts["who"].split(" and each ")


# --- verdicts ------------------------------------------------------------------------------------


def epsilon_of(plan, insiders):
    """ε by formulas and a library that the report does not use."""
    delta, total, events = plan.noise.delta, 0.0, []
    for part in plan.sum_plans:
        if hasattr(part.sampling, "rate"):
            events.append(guarantee(part, insiders=insiders).event)
            continue
        shares = part.min_survivors - insiders if isinstance(part.noise, NoiseShares) else 1
        distance = part.neighbours.distance(part.sums.unit)
        # Steps of the lattice in units of how far one unit moves a sum, all sums together.
        least = min(
            part.noise_steps(s) * math.sqrt(shares) * s.lattice.resolution / s.unit_bound
            for s in part.sums.sums
        )
        moved = part.reach * distance * math.sqrt(len(part.sums.sums))
        total += part.rounds * (moved / least) ** 2
    return _of_events(events, delta) if events else _of_gaussian(math.sqrt(total), delta)


def _of_events(events, delta):
    accountant = PLDAccountant(value_discretization_interval=1e-5)
    for event in events:
        accountant.compose(event)
    return accountant.get_epsilon(delta)


def _of_gaussian(mu, delta):
    """Balle and Wang 2018, Theorem 8."""

    def excess(epsilon):
        above = norm.cdf(mu / 2 - epsilon / mu)
        return above - math.exp(epsilon) * norm.cdf(-mu / 2 - epsilon / mu) - delta

    return brentq(excess, 0, 200)


@check(Claim.PRIVATE)
def _private(told):
    observers = {e.observer for e in told.seen if e.what is What.SUMS and e.form is Form.NOISY_SUM}
    insiders = max(o.parties for o in observers)
    true = epsilon_of(told.plan.sums_part, insiders)
    assert true * 0.98 <= float(told.facts["epsilon"]) <= true * 1.06
    assert float(told.facts["delta"]) == told.plan.noise.delta
    assert not any(e.form is Form.SUM and e.what is What.SUMS for e in told.seen)
    _holds(told)


@check(Claim.AT_CAPACITY)
def _at_capacity(told):
    part = told.plan.sums_part
    capacities = {s.capacity for p in part.sum_plans for s in p.sums.sums}
    assert told.facts["capacity"] == f"{min(capacities):,}"
    assert told.facts["units"] == told.plan.neighbours.unit.plural
    stated = told.report.noise
    assert float(told.facts["epsilon"]) >= stated.at_capacity.epsilon > stated.statement.epsilon
    assert float(told.facts["epsilon"]) <= stated.at_capacity.epsilon * 1.02


def _holds(told):
    """Each failure that would void the verdict is named, and no other."""
    named = told.facts["holds"]
    colluding = re.search(r"fewer than (\d+) collude", named)
    if colluding:
        assert told.plan.only_sums_open
        assert int(colluding[1]) == told.plan.colluding + 1
    clause = (
        r"(fewer than \d+ collude|no party colludes|the channel \(TLS 1\.3\) holds|"
        r"the coordinator keeps what it reads|(the coordinator )?adds its noise|"
        r"the enclave's hardware is not opened|(ring-LWE|X25519)[\w, '-]* hold|[a-z0-9-]+ "
        r"keeps its secret key)"
    )
    assert re.fullmatch(rf"{clause}( and {clause})*", named), named
    assert set(units_of(told)) <= {v.who for v in told.report.verdicts}
    assert told.seen


@check(Claim.AS_ABOVE)
def _as_above(told):
    """Against the section's observers nothing is worse than against all together."""
    said = told.facts["verdicts"].split(" and each ")
    for words, _, verdict in (each.rpartition(" ") for each in said):
        of_group = verdict_word(told.plan) == words
        assert of_group or words == told.plan.neighbours.unit.value
        sums = [e for e in told.seen if e.what is What.SUMS and e.form is not Form.SEALED]
        assert sums
        found = {(e.guarantee.group if of_group else e.guarantee.unit).value for e in sums}
        assert found == {verdict}
    heads = [s for s in told.report.first_page.headline if s.claim is Claim.PRIVATE]
    (head,) = [s for s in heads if s.facts["each"] == told.facts["each"]]
    shares = max(e.guarantee.insiders for e in told.seen if e.what is What.SUMS)
    true = epsilon_of(told.plan.sums_part, shares)
    assert true * 0.98 <= float(head.facts["epsilon"]) <= true * 1.06


def verdict_word(plan):
    return "ownership group" if len({*plan.owners.values()}) < len(plan.parties) else "party"


@check(Claim.HIDDEN)
def _hidden(told):
    """Nobody can tell which of two others contributed what, or reads anything at all."""
    _holds(told)
    readable = [e for e in told.seen if e.what is What.SUMS and e.form is not Form.SEALED]
    if not readable:
        contributions = [e for e in told.seen if e.what is What.CONTRIBUTION]
        assert all(e.form not in (Form.PLAINTEXT, Form.SUM) for e in contributions)
        return
    if told.small:
        assert not tells_apart(runnable(told.plan), told.members)
    part = told.plan.sums_part
    adversary = part.threat.confidentiality
    may_lie = adversary.coordinator.value == "malicious" and not part.attested
    if part.rounds > 1 and may_lie and any(e.observer.coordinator for e in readable):
        assert shown_by_a_lying_coordinator(part) is None
    if part.rounds > 1 and adversary.parties.value == "malicious":
        lying = [e for e in readable if e.observer.parties]
        assert not lying or part.neighbours.unit is Unit.PARTY or told.plan.exchanges


@check(Claim.EXACT, Claim.NOT_PRIVATE)
def _not_private(told):
    conditions = {
        " once a party is missing from a sum": Condition.ONCE_MISSING,
        " if somebody lies": Condition.BY_CHEATING,
        " beyond the threat": Condition.BEYOND,
    }
    named = {c for words, c in conditions.items() if words in told.facts["when"]}
    bad = [
        e for e in told.seen
        if Verdict.NOT_PRIVATE in (e.guarantee.unit, e.guarantee.group)
        and e.what not in (What.OWN_DATA, What.METADATA)
    ]  # fmt: skip
    assert named <= {e.condition for e in bad}
    for clause in told.facts["when"].split("; or"):
        words, _, against = clause.partition(", against ")
        condition = next((c for w, c in conditions.items() if w in words), Condition.EVERY_RUN)
        of_it = [e for e in bad if e.condition is condition]
        assert of_it
        if against:
            names = re.split(r", | and (?!any)", against)
            assert names
            assert all(_is_one_of(name, of_it) for name in names), against
    rest = re.sub("|".join(map(re.escape, conditions)), "", told.facts["when"]).strip(";or ")
    assert not rest or rest.startswith(", against") or told.plan.exchanges, rest
    if told.sentence.claim is Claim.EXACT:
        assert any(e.guarantee.insiders is None for e in bad)
    else:
        assert all(e.guarantee.insiders is not None for e in bad)
    units = units_of(told)
    assert set(units) <= {v.who for v in told.report.verdicts}
    read = [e for e in bad if e.form is Form.PLAINTEXT and not e.whose]
    if not told.small or told.plan.exchanges or read:
        return
    plan = runnable(told.plan)
    if Condition.ONCE_MISSING in named:
        what_a_missing_party_contributed(plan)
    elif Condition.BY_CHEATING in named:
        a_record_by_lying(told)
    elif "record" in units or "person" in units:
        what_one_more_moves(plan)


def _is_one_of(name, seen):
    """Whether an observer that a sentence names is among those of these exposures."""
    observers = {e.observer for e in seen}
    if name == "each party":
        return any(o.party is not None for o in observers)
    base, joined, _ = name.removeprefix("the ").partition(" with any ")
    return any(o.name.startswith(base) and bool(o.parties) >= bool(joined) for o in observers)


@cache
def what_one_more_moves(plan):
    """Whoever knows all but one value subtracts it: two runs, one of which has one unit more."""
    contributions = support.draw_contributions(plan)
    name = plan.parties[0].name
    one = np.ones_like(contributions[name])
    more = {**contributions, name: contributions[name] - np.sign(contributions[name]) * one}
    _, (before,) = opened(plan, contributions, missing=(0,))
    _, (after,) = opened(plan, more, missing=(0,))
    moved = (after.totals - before.totals).tolist()
    assert moved == (more[name] - contributions[name]).tolist()
    assert any(moved)


@cache
def what_a_missing_party_contributed(plan):
    """The difference of a sum with it and one without it."""
    federation, (full, without) = opened(plan, missing=(0, 1))
    (gone,) = set(full.survivors) - set(without.survivors)
    difference = (full.totals - without.totals).tolist()
    assert difference == federation.contributions[gone].tolist()


def a_record_by_lying(told):
    """A lying party, or the coordinator, chooses a state at which the sum is one record: 24."""
    if any(e.condition is Condition.BY_CHEATING and e.observer.parties for e in told.seen):
        assert shown_by_a_lying_party(runnable(told.plan)) == pytest.approx(24, abs=3)
    else:
        shown = shown_by_a_lying_coordinator(told.plan)
        assert shown == pytest.approx(24, abs=3)


@check(Claim.TRUSTED, Claim.ACCEPT_TRUST)
def _trusted(told):
    (observer,) = [
        e for e in told.report.exposures
        if e.observer.name == told.facts["reader"] and e.form is Form.PLAINTEXT
    ]  # fmt: skip
    assert observer.observer.standing is Standing.TRUSTED
    sent, contributed = carried(runnable(told.plan), told.plan.parties[0].name)
    assert sent == contributed


# --- the plan ------------------------------------------------------------------------------------


@check(Claim.PLAN)
def _plan(told):
    plan, facts = told.plan, told.facts
    assert plan.hash.hex().startswith(facts["plan"])
    assert len(facts["plan"]) == 10
    assert facts["parties"] == f"{len(plan.parties):,}"
    turns = f" of {len(plan.crowd.cohorts)} cohorts in turn" if plan.cohorts else ""
    assert facts["rounds"] == ("1 round" if plan.rounds == 1 else f"{plan.rounds:,} rounds{turns}")
    some = f"{plan.dropouts:,} may drop out" if plan.dropouts else "no dropouts"
    assert facts["missing"] == some
    assert facts["protection"] == (plan.aggregation.name if plan.sum_stages else "no sums")
    noise = {"NoNoise": "no noise", "NoiseShares": "noise in shares"}
    central = f"noise by the {'enclave' if plan.attested else 'coordinator'}"
    assert facts["noise"] == noise.get(type(plan.noise).__name__, central)


@check(Claim.WARNING)
def _warning(told):
    text = told.facts["text"]
    assert text in told.report.warnings
    if text.startswith("SIMULATION"):
        assert any(p.simulated for p in told.plan.parties)
    else:
        assert told.plan.aggregation.simulated


# --- what is seen --------------------------------------------------------------------------------


@check(Claim.EXACT_SUMS, Claim.NOISY_SUMS)
def _sums(told):
    stages = {"": told.plan.sum_plans[0]} | {
        f" in stage '{p.stage.name}'": p for p in told.plan.sum_plans
    }
    rounds, _, where = told.facts["when"].partition(" in stage")
    part = stages[f" in stage{where}" if where else ""]
    assert rounds == ("once" if part.rounds == 1 else f"{part.rounds} times")
    _sum_names(told, part)
    least, parties = part.min_survivors, len(part.parties)
    over = f"all {parties:,}" if least == parties else f"at least {least:,} of {parties:,}"
    assert told.facts["over"] == f"{over} parties"
    form = Form.NOISY_SUM if told.sentence.claim is Claim.NOISY_SUMS else Form.SUM
    assert any(e.what is What.SUMS and e.form is form for e in told.seen)
    if told.small:
        plan = runnable(part)
        federation, (result,) = first(plan)
        assert len(result.survivors) == least
        exact = support.sum_of(federation.contributions, result.survivors)
        assert result.totals.tolist() == exact
        _, (fewer,) = opened(plan, missing=(plan.dropouts + 1,))
        assert fewer is None or isinstance(plan.aggregation, Clear)


@check(Claim.OTHERS_SUMS)
def _others(told):
    part = told.plan.sum_plans[0]
    members = told.members
    assert told.facts["others"] == part.min_survivors - members


@check(Claim.CLASSES)
def _classes(told):
    """The totals of classes, from the sums that the real parties open."""
    plan = told.plan.sums_part
    assert told.facts["fewest"] == min(len(names) for _, names in plan.crowd.classes)
    noisy = not isinstance(plan.noise, NoNoise)
    assert told.facts["noise"] == (", with the noise of each sum" if noisy else "")
    trusted = {"aggregation": Clear(), "threat": support.TRUSTED}
    totals_of_classes(replace(plan, noise=NoNoise(), neighbours=Neighbours(), **trusted))


@cache
def totals_of_classes(plan):
    """Every class's total is a combination of the cohorts' sums, where nothing else changes."""
    federation = support.Federation(plan)
    rounds = range(len(plan.crowd.cohorts))
    sums = []
    for n in rounds:
        others = {name: "contribution" for name in federation.names if name not in plan.asked(n)}
        sums.append(federation.run(others, number=n).totals)
    inside = [
        [cohort.name in within for within, _ in plan.crowd.classes] for cohort in plan.crowd.cohorts
    ]
    found, *_ = np.linalg.lstsq(np.array(inside, float), np.array(sums, float), rcond=None)
    for (_, names), total in zip(plan.crowd.classes, found, strict=True):
        assert np.allclose(total, support.sum_of(federation.contributions, names))


@check(Claim.TURNS)
def _turns(told):
    assert told.facts["cohorts"] == len(told.plan.crowd.cohorts)
    told_each = [e.value for e in told.seen if e.what is What.METADATA and "cohort" in e.value]
    for cohort in told.plan.crowd.cohorts:
        assert any(f"{cohort.name!r} ({', '.join(cohort.parties)})" in told for told in told_each)


@check(Claim.STATE, Claim.RESULT)
def _state(told):
    states = [e for e in told.seen if e.what is What.STATE]
    rounds = {told.plan.stage_plans[e.stage or 0].rounds > 1 for e in states}
    assert (told.sentence.claim is Claim.STATE) in rounds


@check(Claim.READS_EACH)
def _reads(told):
    assert any(e.form is Form.PLAINTEXT and e.what is What.CONTRIBUTION for e in told.seen)
    _sum_words(told)
    if told.small and isinstance(told.plan.inner, Clear):
        sent, contributed = carried(runnable(told.plan), told.plan.parties[0].name)
        assert sent == contributed


def _sum_words(told):
    part = told.plan.sum_plans[0]
    assert told.facts["when"] == ("once" if part.rounds == 1 else f"{part.rounds} times")
    _sum_names(told, part)


def _sum_names(told, part):
    names = [repr(s.name) for s in part.sums.sums]
    more = [f"{len(names) - 3} more"] if len(names) > 3 else []
    assert re.split(", | and ", told.facts["sums"]) == names[:3] + more


@check(Claim.VECTORS)
def _vectors(told):
    """What a party sends is spread over all residues, whatever it contributes."""
    hiding = told.plan.inner.hiding
    assert (told.facts["vector"], told.facts["looks"]) == (hiding.vector, hiding.looks)
    if told.small and isinstance(told.plan.inner, Masked):
        plan = runnable(told.plan)
        seen = [carried(plan, p.name) for p in plan.parties[:2]]
        assert all(sent != contributed for sent, contributed in seen)


@check(Claim.SHARES)
def _shares(told):
    masking = told.plan.sum_plans[0].masking
    assert told.facts["secrets"] == told.plan.inner.secrets
    assert told.facts["threshold"] == masking.threshold
    others = "party" if masking.degree == 1 else "parties"
    assert told.facts["of"] == f"{masking.degree:,} other {others}"
    if told.small:
        opens_at(told.plan, masking.threshold)


@cache
def opens_at(plan, threshold):
    """So many parties' shares give a contribution away, and one fewer do not."""
    plan = runnable(plan)
    if isinstance(plan.aggregation, Masked):
        plan = replace(plan, aggregation=Masked(verified=False))
    federation = support.Federation(plan)
    attempt = federation.attempt().until("contribution")
    attempt.deliver()
    names = federation.names
    expected = federation.contributions[names[0]].tolist()
    for size in (threshold, threshold - 1):
        if size >= len(names):
            continue
        coalition = names[1 : size + 1]
        if isinstance(plan.aggregation, Encrypted):
            stolen = KeyLoot(attempt).corrupt(coalition).read(names[0])
        else:
            stolen = Loot(attempt).corrupt(coalition).strip(names[0]).tolist()
        assert (stolen == expected) is (size == threshold)


@check(Claim.SUM_OF_KEYS)
def _sum_of_keys(told):
    assert isinstance(told.plan.inner, Encrypted)
    federation, (result,) = first(runnable(told.plan))
    assert result.totals.tolist() == support.sum_of(federation.contributions, result.survivors)


@check(Claim.CARRIES)
def _carries(told):
    hiding = told.plan.inner.hiding
    held = [e for e in told.seen if e.what is What.CONTRIBUTION and not e.whose]
    (seen,) = {e.detail for e in held if e.form in _CARRIED}
    assert told.facts["how"] == seen.partition(";")[0]
    hidden_beneath = hiding is not None and not told.plan.attested
    assert told.facts["vector"] == (hiding.vector if hidden_beneath else "contribution")


_CARRIED = (Form.SEALED, Form.MASKED, Form.CIPHERTEXT, Form.SHARE)


@check(Claim.CARRIES_SUMS, Claim.OPEN_SUMS)
def _carries_sums(told):
    assert told.plan.only_sums_open
    assert told.facts.get("vector", told.plan.hiding.vector) == told.plan.hiding.vector
    sealed = [e for e in told.seen if e.what is What.SUMS and e.form is Form.SEALED]
    assert sealed
    if "failure" in told.facts:
        assert "TLS" in sealed[0].assumption
        assert told.facts["failure"] == "the channel (TLS 1.3) is broken"


@check(Claim.TOOK_PART, Claim.TRAFFIC, Claim.DURATIONS)
def _metadata(told):
    words = {Claim.TOOK_PART: "took part", Claim.TRAFFIC: "talks", Claim.DURATIONS: "how long"}
    word = words[told.sentence.claim]
    assert any(e.what is What.METADATA and word in e.value for e in told.seen)
    if told.sentence.claim is Claim.TOOK_PART and told.small:
        federation, (result,) = first(runnable(told.plan))
        assert len(result.survivors) == len(federation.names) - told.plan.dropouts


@check(Claim.SAME)
def _same(told):
    page = told.report.first_page
    (before,) = [s for s in page.sections if s.name.lower() == told.facts["other"]]

    def forms(section):
        return {
            (e.what, e.form) for e in told.report.exposures
            if e.observer.name in section.observers and e.what is not What.METADATA
        }  # fmt: skip

    assert forms(told.section) == forms(before)


@check(Claim.MESSAGE, Claim.MORE_METADATA)
def _message(told):
    named = [e for e in told.seen if e.of.name == "NAMED" or e.what is What.METADATA]
    for value in told.facts["value"].split("; "):
        if value.startswith("public keys of "):
            (seen, *_) = [e for e in named if e.what is What.KEYS and value.endswith(e.whose)]
        else:
            (seen, *_) = [e for e in named if value.startswith(e.value)]
        assert (
            not seen.whose
            or seen.what is not What.CONTRIBUTION
            or value.endswith(" and ".join(seen.whose))
        )
        assert told.facts.get("how", seen.detail) == seen.detail.partition("; it")[0]


@check(Claim.SAME_MESSAGES, Claim.CARRIED)
def _same_messages(told):
    """What the section's observers have of each message is what the coordinator has of it."""
    carried_ = told.sentence.claim is Claim.CARRIED
    assert all(e.observer.network is carried_ for e in told.seen)

    def messages(seen):
        return {
            e.value: e.detail.removeprefix(IN_CHANNEL if carried_ else "")
            for e in seen if e.of is Subject.NAMED and e.what is not What.METADATA
            and e.condition is Condition.EVERY_RUN
        }  # fmt: skip

    other = [e for e in told.report.exposures if e.observer.name == told.facts["other"]]
    assert messages(told.seen) == messages(other) != {}
    if carried_:
        assert all(e.detail.startswith(IN_CHANNEL) for e in told.seen if e.form in _ENCRYPTED)


_ENCRYPTED = (Form.CIPHERTEXT, Form.PUBLIC_KEY)


@check(Claim.OTHER)
def _other(told):
    """Only protections of other packages have it, and it is their word."""
    assert type(told.plan.inner).__module__.split(".")[0] != "confide"


# --- what it can and cannot ----------------------------------------------------------------------


@check(Claim.DIFFERENCES, Claim.NOISY_DIFFERENCES)
def _differences(told):
    noisy = told.sentence.claim is Claim.NOISY_DIFFERENCES
    (form,) = {e.guarantee.insiders is not None for e in told.seen if e.form is Form.DIFFERENCE}
    assert form is noisy
    if told.small:
        what_a_missing_party_contributed(runnable(told.plan))


@check(Claim.STATE_BY_COORDINATOR)
def _state_by_coordinator(told):
    assert any(e.observer.coordinator for e in told.seen)
    assert shown_by_a_lying_coordinator(replace_small(told.plan)) == pytest.approx(24, abs=3)


@check(Claim.STATE_BY_PARTY)
def _state_by_party(told):
    assert any(e.observer.parties for e in told.seen)
    assert told.plan.threat.confidentiality.parties.value == "malicious"
    plan = runnable(replace_small(told.plan))
    assert shown_by_a_lying_party(plan) == pytest.approx(24, abs=3)


def replace_small(plan):
    """The plan with a threat that seven parties bear: the attack needs one liar."""
    few = replace(plan.threat.confidentiality, colluding_parties=1)
    if len(plan.parties) <= SMALL:
        return plan
    parties = plan.parties[:7]
    return replace(
        plan, parties=parties, dropouts=1, threat=replace(plan.threat, confidentiality=few),
        aggregation=Masked(verified=plan.verified),
        crowd=FixedCrowd() if plan.cohorts else plan.crowd,
    )  # fmt: skip


@check(Claim.OPEN_VECTORS)
def _open_vectors(told):
    failure = told.facts["failure"]
    assumptions = " ".join(e.assumption for e in told.seen)
    pooled = re.search(r"(\d+) parties pool their shares", failure)
    if pooled:
        hardness = told.plan.inner.hiding.hardness.removesuffix(" broken")
        assert failure == f"{hardness} is broken or {pooled[1]} parties pool their shares"
        assert int(pooled[1]) == told.plan.sum_plans[0].masking.threshold
        if told.small:
            opens_at(told.plan, int(pooled[1]))
    else:
        ways = {
            "the coordinator passes on what it reads": "the coordinator passes on what it reads",
            "the enclave's hardware is opened": "the enclave's hardware opened",
        }
        if "relays" not in failure:
            assert ways[failure] in assumptions


@check(Claim.SINGLE_OUT)
def _single_out(told):
    """As many as can, by trying all; with one fewer nobody can."""
    helpers = told.facts["helpers"]
    count = re.search(r"(\d+) part", helpers)
    others = int(count[1]) if count else 0
    alone = "the coordinator" in helpers
    of_role = [e.observer for e in told.seen if not e.observer.coordinator]
    members = others + (max((o.parties for o in of_role), default=0) if alone else 0)
    assert alone is not told.section.observers[0].startswith("coordinator")
    part = told.plan.sum_plans[0]
    if "assume" in helpers:
        assumed = re.search(r"at most (\d+)|none", helpers.partition("assume")[2])
        assert assumed is not None
        assert int(assumed[1] or 0) == part.colluding
    if part.cohorts:
        assert members == max(_of_smallest_class(part) - 1, part.colluding + 1)
    elif len(part.parties) <= SMALL:
        plan = runnable(told.plan)
        fewest = next(m for m in range(len(part.parties)) if can_single_out(plan, m))
        assert members == max(fewest, part.colluding + 1)


def _of_smallest_class(plan):
    """The fewest parties of a class that parties let remain in the sums: by trying all losses."""
    rounds = range(len(plan.crowd.cohorts))
    left = []
    for gone in combinations(plan.owners, plan.dropouts):
        sums = [Opening(n, 0, tuple(p for p in plan.asked(n) if p not in gone)) for n in rounds]
        try:
            check_openings(plan, sums)
        except OpeningError:
            continue
        left += [len(names) for names in classes(sums).values()]
    return min(left)


@check(Claim.OPEN_CARRIED, Claim.OPEN_MESSAGES)
def _open_carried(told):
    failure = told.facts["failure"]
    whole = " ".join(e.assumption for e in told.seen if e.form is not Form.PLAINTEXT)
    for word in re.findall(r"[A-Z][A-Za-z]*-?[\d.]+|ring-LWE|hardware|vendor", failure):
        assert word in whole
    assert told.facts.get("holder", "others") == "others"
    clause = (
        r"(the channel \(TLS 1\.3\) is broken|(ring-LWE|X25519)[\w, '-]* is broken|"
        r"the enclave's hardware is opened|[a-z0-9-]+ gives its secret key away)"
    )
    assert re.fullmatch(rf"{clause}( or {clause})*", failure), failure


@check(Claim.MISS_NOISE)
def _miss_noise(told):
    assert type(told.plan.noise).__name__ == "CentralNoise"
    assert told.facts["failure"] == "the coordinator leaves its noise out"
    assert not any(e.observer.coordinator for e in told.seen)


# --- what is decided -----------------------------------------------------------------------------


@check(Claim.WAY_OUT)
def _way_out(told):
    """The change is made, and the verdict of the plan that comes of it is as promised."""
    (way,) = [w for ways in WAYS_OUT for w in ways if w.change == told.facts["change"]]
    changed = way.made(told.plan)
    found = plan_verdicts(changed, exposures(changed, of_each_kind=True), rated=False)
    after = {(v.who, v.where): v.verdict for v in found}
    before = {(v.who, v.where): v.verdict for v in told.report.verdicts}
    for promise in told.facts["effect"].split(" and each "):
        said = re.fullmatch(r"(?:each )?(.+?) (PRIVATE|HIDDEN)(?: in (.+))?", promise)
        assert said is not None
        bad = [name for name, verdict in before.items() if verdict is Verdict.NOT_PRIVATE]
        meant = [name for name in bad if name[0] == said[1] and said[3] in (None, name[1])]
        assert [after[name].value for name in meant] == [said[2]]


@check(Claim.ACCEPT_EXACT)
def _accept_exact(told):
    assert told.facts["units"] == told.plan.neighbours.unit.plural
    if told.small:
        what_one_more_moves(runnable(told.plan))
    assert any(e.form is Form.SUM and e.what is What.SUMS for e in told.seen)


@check(Claim.ACCEPT_GROUP)
def _accept_group(told):
    verdicts = {(v.who, v.where): v.verdict for v in told.report.verdicts}
    where = told.facts["where"].removeprefix(" in ")
    assert verdicts[told.facts["who"], where] is Verdict.NOT_PRIVATE
    assert told.facts["where"] in ("", f" in {where}")


@check(Claim.ACCEPT_HIDDEN)
def _accept_hidden(told):
    verdicts = {v.who: v.verdict for v in told.report.verdicts if v.of_sums}
    assert verdicts[told.facts["who"]] is Verdict.HIDDEN


@check(Claim.ACCEPT_EPSILON)
def _accept_epsilon(told):
    """The power of the best test at a size of 1 % (Dong, Roth and Su 2022, §2.2)."""
    owned = verdict_word(told.plan) == "ownership group"
    of_groups = told.plan.neighbours.unit is Unit.PARTY and owned
    units = "ownership groups" if of_groups else told.plan.neighbours.unit.plural
    assert told.facts["units"] == units
    (verdict,) = [v for v in told.report.verdicts if v.verdict is Verdict.PRIVATE]
    power = 100 * norm.cdf(norm.ppf(0.01) + verdict.statement.mu)
    assert power * 0.99 <= float(told.facts["found"]) <= power + 0.2 + power * 0.1


@check(Claim.ACCEPT_RESULT)
def _accept_result(told):
    found = told.report.exposures
    read = {(e.observer.name, e.value) for e in found if e.what is What.RESULT and e.observer.party}
    assert (told.facts["who"], told.facts["value"]) in read


@check(Claim.ACCEPT_SET)
def _accept_set(told):
    who = told.facts["who"].split(" or ")
    assert set(who) <= {"one party", "the coordinator"}
    part = told.plan.sums_part
    assert ("one party" in who) is part.only_sums_open
    assert ("the coordinator" in who) is not (part.verified or part.attested)
    if "one party" in who and told.small:
        plan = runnable(told.plan)
        contributions = support.draw_contributions(plan)
        target = np.arange(plan.sums.size)
        names = list(contributions)
        others = np.array(support.sum_of(contributions, names[1:]))
        _, (result,) = opened(plan, {**contributions, names[0]: target - others})
        assert result.totals.tolist() == target.tolist()


@check(Claim.ACCEPT_MOVE)
def _accept_move(told):
    assert told.plan.inner.hiding is None
    plan = runnable(told.plan)
    contributions = support.draw_contributions(plan)
    name = plan.parties[0].name
    limits = np.concatenate([np.full(s.size, s.lattice.party_range) for s in plan.sums.sums])
    _, (moved,) = opened(plan, {**contributions, name: limits})
    assert moved is not None
    _, (refused,) = opened(plan, {**contributions, name: limits + 1})
    assert refused is None


# --- the tests -----------------------------------------------------------------------------------


def told_of(name):
    """Every sentence of a first page, where it stands."""
    plan = made(name)
    report = report_of(name)
    page = report.first_page
    placed = [(None, s) for s in (*page.headline, *page.about, *page.decisions)]
    shared = [
        (section, s)
        for s in page.shared
        for section in page.sections
        if section.name in page.shared_by
    ]
    inside = [(section, s) for section in page.sections for s in section.sentences]
    return [Told(plan, report, section, s) for section, s in (*placed, *shared, *inside)]


every_case = pytest.mark.parametrize("name", CASES)


def test_every_claim_has_a_wording_and_a_check():
    assert set(Claim) == set(WORDING) == set(CHECKS)


def test_every_claim_is_made_by_some_page():
    found = {told.sentence.claim for name in CASES for told in told_of(name)}
    assert set(Claim) - found == {Claim.OTHER}


@every_case
def test_every_sentence_is_true(name):
    for told in told_of(name):
        CHECKS[told.sentence.claim](told)


@pytest.mark.parametrize(
    "name",
    ["the starter", "clear, noise by the coordinator", "open crowd, nobody lies"],
)  # fmt: skip
def test_every_fact_is_checked(name):
    """A sentence with one fact changed is false, and its check says so."""
    missed = []
    for told in told_of(name):
        for fact, value in told.facts.items():
            changed = value + 1 if isinstance(value, int) else _other_text(value)
            facts = {**told.facts, fact: changed}
            false = replace(told, sentence=Sentence.of(told.sentence.claim, **facts))
            try:
                CHECKS[told.sentence.claim](false)
            except (AssertionError, KeyError, ValueError, StopIteration, ConfideError):
                continue
            missed.append((told.sentence.claim.name, fact, value, changed))
    assert missed == []


def _other_text(value):
    """A number in a text is another one, or else the text is."""
    number = re.search(r"\d+(\.\d+)?", value)
    if number and not value.startswith(("'", "X25519", "ring", "AES", "SIMUL")):
        return value[: number.start()] + f"{float(number[0]) * 2 + 1:g}" + value[number.end() :]
    return f"not {value}"


@every_case
def test_the_text_says_every_sentence_and_nothing_else(name):
    report = report_of(name)
    page, text = report.first_page, squeezed(views_text(report))
    frame = [f"Who learns what: {report.plan_name}", "YOUR DECISION"]
    frame += [f"{s.title} ({s.assumed})" for s in page.sections]
    if page.shared:
        *others, last = page.shared_by
        frame.append(f"{', '.join(others)} and {last} see in every run")
    said = sorted({squeezed(s.text) for s in page.sentences}, key=len, reverse=True)
    for words in said:
        assert words in text
        text = text.replace(words, "")
    for words in sorted(map(squeezed, frame), key=len, reverse=True):
        assert words in text
        text = text.replace(words, "")
    assert re.sub(r"sees|cannot|can|·|\[\]", "", text) == ""


@pytest.mark.parametrize("name", ["the starter", "the demo, masked", "the demo, with noise",
                                  "the demo, in clear", "an exchange"])  # fmt: skip
def test_a_page_of_the_starter_the_demo_and_an_exchange_has_at_most_40_lines(name):
    lines = views_text(report_of(name)).splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80


@every_case
def test_every_other_page_stays_one(name):
    """Sums together with an exchange of three roles have the most observers."""
    most = 62 if name == "sums and an exchange of three roles" else 60
    assert len(views_text(report_of(name)).splitlines()) <= most


def test_a_page_of_10_000_parties_is_as_long_as_one_of_200():
    """And the report is written from a few kinds of observers, so its work does not grow faster."""
    plan = plan_of(10_000, dropouts=500, threat=against(100))
    page = views_text(views(plan))
    assert len(page.splitlines()) <= len(views_text(report_of("200 parties")).splitlines()) + 1
    assert "10,000 parties (500 may drop out)" in page


def test_sums_and_exchanges_have_verdicts_of_their_own():
    """What an exchange tells its parties does not make the sums of others less private."""
    report = report_of("sums and an exchange")
    found = {(v.who, v.where): v for v in report.verdicts}
    assert found["record", "the sums"].verdict is Verdict.PRIVATE
    assert found["record", "'scoring'"].verdict is Verdict.NOT_PRIVATE
    lines = views_text(report).splitlines()
    assert lines[0].startswith("'scoring': each record and each party NOT PRIVATE (ε = ∞)")
    assert any(line.startswith("Sums: each record PRIVATE at ε = ") for line in lines)
    assert report.promise.startswith("In the sums, nobody but a party itself")


def test_a_verdict_names_those_who_receive_the_sums_and_no_others():
    first_line = views_text(report_of("to one party")).splitlines()[0]
    assert first_line == "Each record NOT PRIVATE (ε = ∞), against p001 and the coordinator."


def test_the_first_line_says_the_worst():
    first_line = views_text(report_of("the starter")).splitlines()[0]
    assert "NOT PRIVATE (ε = ∞)" in first_line


@pytest.mark.parametrize("width", [40, 60, 100])
@pytest.mark.parametrize("name", ["the starter", "an exchange", "clear, noise by the coordinator"])
def test_a_page_fits_any_terminal(name, width):
    for line in views_text(report_of(name), width=width).splitlines():
        assert len(line) <= width
        assert not line.endswith("ε") and not line.lstrip().startswith(("= ∞", "∞"))  # noqa: PT018
