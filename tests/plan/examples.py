"""Plans to test with: one to vary by hand, and hypothesis strategies for any that can be made."""

from collections import Counter
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from confide.plan import (
    Adversary,
    CentralNoise,
    Clear,
    Code,
    Coordinator,
    Corruption,
    Enclave,
    Encrypted,
    FixedCrowd,
    FullBatch,
    Hardware,
    Masked,
    Neighbours,
    Noise,
    NoiseShares,
    NoNoise,
    Norm,
    OpenCrowd,
    Party,
    Plan,
    PoissonSampling,
    PublicValue,
    Recipients,
    Relation,
    Release,
    Rule,
    Sampling,
    Sum,
    SumGroup,
    Sums,
    Task,
    Threat,
    Unit,
)
from confide.plan.parties import fewest_owners

PARTIES = tuple(Party(f"party-{i:02}", bytes([i]) * 32) for i in range(40))
COORDINATOR_KEY = Coordinator(b"\xc0" * 32)
STAGE_FIELDS = {"task", "code", "sums", "rounds", "sampling", "release"}
TRUSTED = Threat(confidentiality=Adversary(coordinator=Corruption.HONEST))


def make_sum(**changes):
    fields: dict[str, Any] = {"name": "total", "unit_bound": 1.0, "capacity": 100}
    return Sum(**fields | changes)


def make_plan(**changes):
    """Five parties, one masked sum, the default threat: change what the test is about."""
    fields: dict[str, Any] = {
        "name": "example",
        "parties": PARTIES[:5],
        "coordinator": COORDINATOR_KEY,
        "task": Task("task"),
        "code": Code(package="package", version="1.0", digest=bytes(32)),
        "sums": SumGroup((make_sum(),)),
    }
    return staged(**fields | changes)


def staged(**fields):
    """A plan of one stage from fields of both."""
    own = {name: fields.pop(name) for name in STAGE_FIELDS & fields.keys()}
    return Plan(stages=(Sums(**own),), **fields)


def changed(plan, **changes):
    """A plan of one stage with changes to fields of either."""
    own = {name: changes.pop(name) for name in STAGE_FIELDS & changes.keys()}
    return replace(plan, stages=(replace(plan.stage, **own),), **changes)


def make_plan_with_sums(*sums, **changes):
    return make_plan(sums=SumGroup(sums), **changes)


names = st.from_regex(r"[a-z][a-z0-9_]{0,12}", fullmatch=True)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
digests = st.binary(min_size=32, max_size=32)
positive_reals = st.floats(1e-150, 1e150)
multipliers = st.floats(0.5, 100)
deltas = st.floats(1e-30, 1e-8)
settings_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        texts,
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
tasks = st.builds(
    lambda name, settings: Task.of(name, **settings),
    texts.filter(bool),
    st.dictionaries(texts, settings_values, max_size=3),
)
public_values = st.builds(
    PublicValue, name=texts, digest=digests, meaning=texts, rows=st.integers(0, 2**40)
)
corruptions = st.sampled_from(Corruption)


@st.composite
def sums(draw, unit, capacity=None):
    return Sum(
        name=draw(names),
        shape=draw(st.lists(st.integers(1, 20), max_size=3)),
        unit=unit,
        unit_bound=draw(positive_reals),
        norm=draw(st.sampled_from(Norm)),
        capacity=1 if unit is Unit.PARTY else capacity or draw(st.integers(1, 1_000_000)),
        meaning=draw(texts),
    )


@st.composite
def groups(draw, unit, capacity=None):
    one = sums(unit, capacity)
    return SumGroup(draw(st.lists(one, min_size=1, max_size=3, unique_by=lambda s: s.name)))


@st.composite
def adversaries(draw, colluding=None, coordinators=corruptions):
    colluding = draw(st.integers(0, 9)) if colluding is None else colluding
    corrupt = st.sampled_from([Corruption.CURIOUS, Corruption.MALICIOUS])
    return Adversary(
        coordinator=draw(coordinators),
        colluding_parties=colluding,
        parties=draw(corrupt if colluding else corruptions),
        evaluator=draw(corruptions),
        network=draw(corruptions),
    )


@st.composite
def neighbours(draw):
    unit = draw(st.sampled_from(Unit))
    return Neighbours(
        unit=unit,
        relation=draw(st.sampled_from(Relation)),
        person_at_several_parties=unit is Unit.PERSON and draw(st.booleans()),
    )


parties = st.sampled_from([*PARTIES, *(Party.simulation(f"simulated-{i}") for i in range(8))])


def enclave_of(over, **fields):
    return Enclave(policy=bytes(range(32)), over=over, **fields)


hiding = st.sampled_from(
    [Masked(), Encrypted(), enclave_of(Masked()), enclave_of(Encrypted(), simulated=True)]
)
reading = st.sampled_from([Clear(), *(enclave_of(Clear(), rule=rule) for rule in Rule)])


@st.composite
def releases(draw, members, *, to_all):
    """To whom the sums of a stage go: to all, or also to some or to nobody."""
    to = Recipients.EVERYONE if to_all else draw(st.sampled_from(Recipients))
    some = st.lists(st.sampled_from([p.name for p in members]), min_size=1, max_size=3)
    return Release(
        to=to,
        parties=draw(some) if to is Recipients.NAMED else None,
        not_before=draw(st.sampled_from([None, "2027-01-31T09:00:00Z"])),
    )


@st.composite
def federations(draw, least, dropouts, owners):
    """At least so many parties, some of one owner each, and of enough owners when some miss."""
    members = draw(st.lists(parties, min_size=least, max_size=12, unique_by=lambda p: p.name))
    groups = draw(
        st.lists(st.sampled_from([None, "chain", "union"]), min_size=12, max_size=12)
        if len(members) > least
        else st.just([None] * 12)
    )
    grouped = [replace(p, group=g) for p, g in zip(members, groups, strict=False)]
    return grouped if _enough(grouped, dropouts, owners) else members


def _enough(members, dropouts, owners):
    """Whether owners are left to hide in, and parties to hold shares, whoever is missing."""
    most = max(Counter(p.owner for p in members).values())
    colluding = max(owners, 1) * most
    left = fewest_owners(members, dropouts)
    return left >= max(owners, 1) + 2 and len(members) >= 2 * dropouts + colluding + 2


@st.composite
def plans(draw):
    """Any plan of up to twelve parties that can be made; all have room for what they bear."""
    colluding, dropouts = draw(st.integers(0, 3)), draw(st.integers(0, 2))
    # 2d + max(c, 1) + 2 parties leave a quorum, and two to hide, whoever is corrupt.
    least = 2 * dropouts + max(colluding, 1) + 2
    masked = draw(st.booleans())
    aggregation = draw(hiding if masked else reading)
    noises: list[st.SearchStrategy[Noise]] = [st.just(NoNoise())]
    if aggregation in (Clear(), Masked(), Encrypted()) or aggregation == enclave_of(Clear()):
        noises.append(st.builds(CentralNoise, multipliers, deltas))
    if masked:
        noises.append(st.builds(NoiseShares, multipliers, deltas))
    integrity = draw(adversaries())
    if isinstance(aggregation, Enclave) and aggregation.rule is not Rule.SUM:
        integrity = draw(adversaries(draw(st.integers(0, 2))))
        liars = integrity.colluding_parties
        least = max(least, dropouts + aggregation.rule.survivors_for(liars))
    coordinators = corruptions if masked else st.just(Corruption.HONEST)
    confidentiality = draw(adversaries(colluding, coordinators))
    members = draw(federations(least, dropouts, colluding))
    protected, noise = draw(neighbours()), draw(st.one_of(noises))
    stages = draw(stages_of(protected.unit, members))
    several = sum(stage.rounds for stage in stages) > 1 and dropouts
    lies = confidentiality.coordinator is Corruption.MALICIOUS
    covered = protected.unit is Unit.PARTY and isinstance(noise, NoiseShares)
    open_to = [FixedCrowd()] if several and lies and not covered else [FixedCrowd(), OpenCrowd()]
    return Plan(
        name=draw(texts),
        parties=members,
        coordinator=draw(coordinators_for(members)),
        neighbours=protected,
        stages=stages,
        dropouts=dropouts,
        crowd=draw(st.sampled_from(open_to)),
        aggregation=aggregation,
        noise=noise,
        threat=Threat(
            confidentiality=confidentiality,
            integrity=integrity,
            hardware=draw(st.sampled_from(Hardware)),
        ),
        public=draw(st.lists(public_values, max_size=2, unique_by=lambda value: value.name)),
        seed=draw(st.integers(0, 2**64 - 1)),
        chunk_records=draw(st.integers(1, 2**40)),
    )


def coordinators_for(members):
    """One with a key of its own; among simulated parties also the simulated one."""
    known = [COORDINATOR_KEY]
    if all(p.simulated for p in members):
        known.append(Coordinator.simulation())
    return st.sampled_from(known)


@st.composite
def stages_of(draw, protected, members):
    """One to three stages over units that cover what is protected, with shares of the budget."""
    shares = draw(st.sampled_from([(1.0,), (1.0,), (1.0,), (0.5, 0.5), (0.25, 0.25, 0.5)]))
    return tuple(
        draw(stages(protected, members, name=f"stage-{i}", budget=share, last=i == len(shares) - 1))
        for i, share in enumerate(shares)
    )


@st.composite
def stages(draw, protected, members, *, name, budget, last):
    unit = draw(st.sampled_from([u for u in Unit if u.covers(protected)]))
    samplings: list[st.SearchStrategy[Sampling]] = [st.just(FullBatch())]
    if unit is not Unit.PARTY:
        samplings.append(st.builds(PoissonSampling, st.floats(1e-6, 1, exclude_max=True)))
    sampling, rounds = draw(st.one_of(samplings)), draw(st.integers(1, 50))
    return Sums(
        name=name,
        task=draw(tasks),
        code=Code(package=draw(texts), version=draw(texts), digest=draw(digests)),
        sums=draw(groups(unit, None if isinstance(sampling, FullBatch) else 1000)),
        rounds=rounds,
        sampling=sampling,
        release=draw(releases(members, to_all=rounds > 1 or not last)),
        budget=budget,
    )
