import hashlib
import itertools
import math
import types
import typing
from dataclasses import FrozenInstanceError, fields, is_dataclass, replace
from enum import Enum

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan import golden
from tests.plan.examples import (
    PARTIES,
    TRUSTED,
    make_plan,
    make_plan_with_sums,
    make_sum,
    plans,
)

from confide.errors import ConfideError, PlanError
from confide.plan import (
    SCHEMA_VERSION,
    Adversary,
    CentralNoise,
    Clear,
    Code,
    Cohort,
    Cohorts,
    Coordinator,
    Corruption,
    Enclave,
    Encrypted,
    Exchange,
    FixedCrowd,
    FullBatch,
    Masked,
    Message,
    MessageForm,
    Neighbours,
    NoiseShares,
    NoNoise,
    OpenCrowd,
    Party,
    Plan,
    PoissonSampling,
    PublicValue,
    Recipients,
    Release,
    Role,
    Sum,
    SumGroup,
    Sums,
    Task,
    Threat,
    Unit,
)
from confide.plan.codec import optional
from confide.plan.value import kinds_of

CURIOUS = Threat(confidentiality=Adversary(coordinator=Corruption.CURIOUS))
TO_COORDINATOR = Release(to=Recipients.COORDINATOR)


few = settings(max_examples=30)


def with_exchange(owner="owner"):
    """An owner tells a reader, has a row scored under its key; then five parties add up."""
    honest = dict.fromkeys(("coordinator", "parties", "evaluator"), Corruption.HONEST)
    trusted = Threat(confidentiality=Adversary(colluding_parties=0, **honest))
    plan = make_plan(threat=trusted)
    return replace(plan, stages=(_scoring(owner), plan.stage))


def _scoring(owner):
    of = (owner, "evaluator")
    return Exchange(
        task=Task("score"),
        code=Code(package="package", version="1.0", digest=bytes(32)),
        roles=tuple(
            Role(name=role, party=party.name)
            for role, party in zip((*of, "reader"), PARTIES[:3], strict=True)
        ),
        messages=(
            Message(
                name="announced", sender=owner, receiver="reader", of=(owner,), shape=(2,),
                form=MessageForm.RESULT, max_bytes=1000,
            ),
            Message(
                name="public-key", sender=owner, receiver="evaluator", key=owner,
                form=MessageForm.PUBLIC_KEY, max_bytes=1000,
            ),
            Message(
                name="scores", sender="evaluator", receiver=owner, key=owner,
                form=MessageForm.ENCRYPTED_RESULT, of=of, shape=(2,), max_bytes=1000,
            ),
        ),
    )  # fmt: skip


def _with_cohorts():
    """A plan whose noise lets its cohorts be any."""
    names = tuple(party.name for party in PARTIES[:5])
    return make_plan(
        crowd=Cohorts(
            cohorts=(
                Cohort(name="a", parties=names[:-1]),
                Cohort(name="b", parties=names[1:]),
                Cohort(name="c", parties=names),
            )
        ),
        neighbours=Neighbours(unit=Unit.PARTY),
        sums=SumGroup((make_sum(unit=Unit.PARTY, capacity=1),)),
        noise=NoiseShares(4.0),
        dropouts=0,
    )


class TestCanonicalBytes:
    @few
    @given(plan=plans())
    def test_are_read_as_the_plan(self, plan):
        read = Plan.from_canonical(plan.canonical())
        assert read == plan
        assert read.canonical() == plan.canonical()
        assert read.findings == plan.findings

    @few
    @given(plan=plans())
    def test_are_what_is_hashed(self, plan):
        assert plan.hash == hashlib.sha256(plan.canonical()).digest()
        assert plan.short_hash == plan.hash[:8].hex()

    @few
    @given(plan=plans())
    def test_hold_no_float(self, plan):
        kinds = {type(value) for value in _plain_values(cbor2.loads(plan.canonical()))}
        assert kinds <= {dict, list, str, int, bool, bytes}

    @few
    @given(plan=plans())
    def test_hold_reals_as_their_shortest_decimal_text(self, plan):
        for stage, plain in zip(plan.stages, cbor2.loads(plan.canonical())["stages"], strict=True):
            assert [s["unit_bound"] for s in plain["sums"]["sums"]] == [
                repr(s.unit_bound) for s in stage.sums.sums
            ]
            assert plain["budget"] == repr(stage.budget)

    @few
    @given(plan=plans(), data=st.data())
    def test_do_not_depend_on_the_order_of_the_parties(self, plan, data):
        shuffled = data.draw(st.permutations(plan.parties))
        assert replace(plan, parties=shuffled).hash == plan.hash

    @few
    @given(plan=plans(), data=st.data())
    def test_are_shared_by_equal_plans_only(self, plan, data):
        path, _, new = data.draw(st.sampled_from(list(_changes(plan))))
        try:
            other = _put(plan, path, new)
        except PlanError:
            return
        assert (other == plan) == (other.canonical() == plan.canonical())
        assert (other == plan) == (other.hash == plan.hash)

    def test_say_a_real_number_in_one_way_only(self):
        assert make_plan_with_sums(make_sum(unit_bound=1)).hash == make_plan().hash
        assert make_plan_with_sums(make_sum(unit_bound=0.1)).hash == (
            make_plan_with_sums(make_sum(unit_bound=0.1000000000000000055)).hash
        )
        assert make_plan_with_sums(make_sum(unit_bound=np.float64(1))).hash == make_plan().hash


class TestHash:
    """Every field that a plan can reach counts: a new one is found here by its declared type."""

    # Between them these hold every type that a plan may hold.
    BASES = (
        *golden.PLANS.values(),
        make_plan(noise=CentralNoise(1.5), sampling=PoissonSampling(0.25)),
        with_exchange(),
        _with_cohorts(),
    )

    # Fields that no other valid value exists for, while all others stay as they are.
    DETERMINED = frozenset(
        {
            (Plan, "schema_version"),
            (Party, "simulated"),
            (Coordinator, "simulated"),
            (Role, "name"),  # messages name it
        }
    )

    def test_changes_with_every_field(self):
        changed = set()
        for plan in self.BASES:
            for path, on_path, new in _changes(plan):
                try:
                    other = _put(plan, path, new)
                except PlanError:
                    continue
                assert (other.hash != plan.hash) == (other != plan), path
                if other != plan:
                    changed.update(on_path)
        # Other tests register protections of their own.
        reachable = {
            (kind, name)
            for kind, name in _reachable(Plan)
            if kind.__module__.startswith("confide.")
        }
        assert changed | self.DETERMINED == reachable, "a field that no change was tried of"

    def test_changes_with_the_schema_version(self, monkeypatch):
        before = make_plan().hash
        monkeypatch.setattr("confide.plan.checks.SCHEMA_VERSION", SCHEMA_VERSION + 1)
        assert make_plan(schema_version=SCHEMA_VERSION + 1).hash != before

    def test_changes_with_the_name_of_a_role(self):
        assert with_exchange("owner").hash != with_exchange("bank").hash

    def test_changes_with_the_mark_of_a_simulated_party(self):
        marked, unmarked = (Party.simulation("a") for _ in range(2))
        object.__setattr__(unmarked, "simulated", False)
        assert make_plan(parties=[*PARTIES[:4], marked]).hash != (
            make_plan(parties=[*PARTIES[:4], unmarked]).hash
        )

    def test_changes_with_the_mark_of_a_simulated_coordinator(self):
        marked, unmarked = (Coordinator.simulation() for _ in range(2))
        object.__setattr__(unmarked, "simulated", False)
        parties = [Party.simulation(f"p{i}") for i in range(5)]
        assert make_plan(parties=parties, coordinator=marked).hash != (
            make_plan(parties=parties, coordinator=unmarked).hash
        )


class TestValues:
    def test_are_frozen(self):
        with pytest.raises(FrozenInstanceError):
            make_plan().rounds = 2

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"rounds": 0}, "rounds is 0; it is at least 1"),
            ({"dropouts": -1}, "dropouts is -1; it is at least 0"),
            ({"chunk_records": 0}, "chunk_records is 0; it is at least 1"),
            ({"seed": -1}, "seed is -1"),
            ({"seed": 2**64}, f"seed is {2**64}; it is at least 0 and below 2^64"),
            ({"rounds": 2**64}, f"rounds of Sums is {2**64}; 64 bits hold it at most"),
            ({"schema_version": 4}, "schema_version 4; this release reads 3"),
            ({"parties": ()}, "0 parties; a federation has 2"),
            ({"parties": PARTIES[:1]}, "1 parties; a federation has 2"),
            ({"rounds": 2, "release": TO_COORDINATOR}, "release to 'everyone', or run one round"),
        ],
    )
    def test_out_of_range_are_refused(self, changes, message):
        with pytest.raises(PlanError, match=message.replace("^", r"\^")):
            make_plan(**changes)

    @pytest.mark.parametrize("changes", [{"seed": 0}, {"seed": 2**64 - 1}, {"chunk_records": 1}])
    def test_at_the_edge_are_taken(self, changes):
        make_plan(**changes)

    def test_one_round_may_be_released_to_the_coordinator_alone(self):
        assert make_plan(release=TO_COORDINATOR).rounds == 1

    @pytest.mark.parametrize("dropouts", [5, 100])
    def test_somebody_has_to_survive(self, dropouts):
        with pytest.raises(
            PlanError, match=f"{dropouts} dropouts of 5 parties leave no party in the sum"
        ):
            make_plan(
                aggregation=Clear(), threat=TRUSTED, release=TO_COORDINATOR, dropouts=dropouts
            )

    # What slips through is worse than an awkward error: a text is no member of an enumeration, so
    # `Release(to="everyone")` passes as a release to the coordinator, and reads back as another.
    @pytest.mark.parametrize(
        ("kind", "wrong"),
        [
            (Release, {"to": "everyone"}),
            (Adversary, {"coordinator": "curious"}),
            (Neighbours, {"unit": "record"}),
            (Plan, {"aggregation": "masked"}),
            (Plan, {"aggregation": Masked}),
            (Plan, {"parties": ("a", "b", "c")}),
            (Plan, {"stages": ()}),
            (Plan, {"stages": (make_sum(),)}),
            (Plan, {"coordinator": "c0" * 32}),
            (Plan, {"crowd": "fixed"}),
            (Sums, {"sums": (make_sum(),)}),
            (Plan, {"name": 5}),
            (Plan, {"name": "\ud800"}),
            (Sums, {"rounds": 1.0}),
            (Sums, {"rounds": True}),
            (Sums, {"budget": "1.0"}),
            (Release, {"parties": "party-00"}),
            (Release, {"not_before": 5}),
            (Plan, {"seed": 1.5}),
            (Party, {"group": 5}),
            (Party, {"key": bytearray(b"\xff" * 32)}),
            (PublicValue, {"rows": 1.5}),
            (Code, {"digest": [0] * 32}),
            (Code, {"version": 1}),
            (Task, {"name": 5}),
            (Sum, {"capacity": 2.5}),
            (Sum, {"shape": (2.5,)}),
            (Sum, {"unit_bound": "1.0"}),
        ],
    )
    def test_of_another_type_are_refused(self, kind, wrong):
        plan = make_plan(
            public=[PublicValue(name="a", digest=bytes(32), meaning="")], threat=TRUSTED
        )
        path = next(path for path in _paths(plan) if isinstance(_at(plan, path), kind))
        with pytest.raises(PlanError):
            _put(plan, path, replace(_at(plan, path), **wrong))

    # Equal to a plan that can be made, so either refused or the same plan, to the bit.
    @pytest.mark.parametrize(
        "change",
        [
            {"noise": CentralNoise(1)},
            {"noise": CentralNoise(np.float64(1.0))},
            {"noise": NoiseShares(1)},
            {"rounds": True},
            {"seed": np.uint64(3)},
            {"sums": SumGroup((make_sum(shape=(np.int64(3),)),))},
        ],
        ids=str,
    )
    def test_that_are_equal_have_one_encoding(self, change):
        try:
            plan = make_plan(**change)
        except PlanError:
            return
        assert Plan.from_canonical(plan.canonical()) == plan


class TestParties:
    def test_stand_in_order_of_their_names(self):
        plan = make_plan(parties=reversed(PARTIES[:5]))
        assert plan.parties == PARTIES[:5]

    def test_share_no_name(self):
        again = Party(PARTIES[1].name, bytes([99]) * 32)
        with pytest.raises(PlanError, match="2 parties share the name 'party-01'; each needs"):
            make_plan(parties=(*PARTIES[:5], again))

    def test_share_no_key(self):
        again = Party("other", PARTIES[1].key)
        with pytest.raises(PlanError, match=f"2 parties share the key '{'01' * 32}'; each needs"):
            make_plan(parties=(*PARTIES[:5], again))

    def test_of_one_name_and_key_differ_in_nothing_else(self):
        for group in ("a", None):
            again = Party(PARTIES[1].name, PARTIES[1].key, group=group)
            with pytest.raises(PlanError, match="2 parties share the name 'party-01'"):
                make_plan(parties=(again, *PARTIES[:5]))

    def test_do_not_share_the_coordinators_key(self):
        with pytest.raises(PlanError, match="the coordinator has the same key as a party"):
            make_plan(coordinator=Coordinator(PARTIES[0].key))

    def test_with_keys_of_their_own_take_a_coordinator_with_one(self):
        with pytest.raises(PlanError, match="anybody could announce in its name"):
            make_plan(coordinator=Coordinator.simulation())
        simulated = [Party.simulation(f"p{i}") for i in range(5)]
        make_plan(parties=simulated, coordinator=Coordinator.simulation())
        with pytest.raises(PlanError, match="anybody could announce in its name"):
            make_plan(parties=[*simulated, PARTIES[0]], coordinator=Coordinator.simulation())

    def test_of_one_group_are_not_called_after_a_party_of_another(self):
        grouped = replace(PARTIES[0], group="party-01")
        elsewhere = replace(PARTIES[1], group="chain")
        with pytest.raises(PlanError, match="call the group something else"):
            make_plan(parties=(grouped, elsewhere, *PARTIES[2:6]))
        owners = make_plan(parties=(grouped, *PARTIES[1:6])).owners
        assert owners["party-00"] == owners["party-01"] == "party-01"

    def test_of_one_owner_hide_as_one(self):
        """Six parties of two owners: whoever is one of them subtracts its own."""
        chains = [replace(p, group=f"chain-{i % 2}") for i, p in enumerate(PARTIES[:6])]
        with pytest.raises(PlanError, match="belong to 2 ownership groups, and at least 3"):
            make_plan(parties=chains)
        three = [replace(p, group=f"chain-{i % 3}") for i, p in enumerate(PARTIES[:6])]
        assert make_plan(parties=three).colluding == 2
        with pytest.raises(PlanError, match="insider subtraction"):
            make_plan(parties=three, dropouts=2, threat=CURIOUS)

    def test_are_found_by_name(self):
        assert make_plan().party("party-03") == PARTIES[3]
        with pytest.raises(PlanError, match="no party 'mallory' in plan 'example'"):
            make_plan().party("mallory")

    def test_can_all_be_simulated(self):
        simulated = make_plan().simulated()
        assert simulated.parties == tuple(Party.simulation(p.name) for p in PARTIES[:5])
        assert simulated.coordinator == Coordinator.simulation()
        assert simulated.hash != make_plan().hash
        assert simulated.simulated() is simulated


class TestSums:
    @pytest.mark.parametrize(
        ("summed", "protected"), list(itertools.product(Unit, Unit)), ids=lambda unit: unit.value
    )
    def test_are_bounded_per_what_is_protected_or_coarser(self, summed, protected):
        declared = make_sum(unit=summed, capacity=1)
        if list(Unit).index(summed) >= list(Unit).index(protected):
            make_plan_with_sums(declared, neighbours=Neighbours(unit=protected))
        else:
            with pytest.raises(PlanError, match=f"protects a {protected.value}: declare the sums"):
                make_plan_with_sums(declared, neighbours=Neighbours(unit=protected))

    def test_of_all_parties_fit_their_words(self):
        fits = make_sum(capacity=2**38)
        assert fits.lattice.bits(1) < make_plan_with_sums(fits).sum_bits(fits) <= 62
        with pytest.raises(PlanError, match="lower the capacity"):
            make_plan_with_sums(make_sum(capacity=2**54), threat=TRUSTED)


class TestPublicValues:
    def test_share_no_name(self):
        value = PublicValue(name="means", digest=bytes(32), meaning="a census")
        with pytest.raises(PlanError, match="2 public values share the name 'means'; each needs"):
            make_plan(public=[value, replace(value, rows=5)])


class TestDerived:
    def test_each_receiver_of_the_sums_is_a_colluder_by_itself(self):
        nobody = Threat(confidentiality=Adversary(colluding_parties=0))
        three = Threat(confidentiality=Adversary(colluding_parties=3))
        assert make_plan(threat=nobody).colluding == 1
        assert make_plan(threat=nobody, release=TO_COORDINATOR).colluding == 0
        assert make_plan(threat=three).colluding == 3

    def test_fewest_survivors(self):
        assert make_plan(dropouts=1).min_survivors == 4

    def test_masking_is_for_the_colluders_that_count(self):
        masking = make_plan(dropouts=1).masking
        assert (masking.parties, masking.dropouts, masking.colluding) == (5, 1, 1)
        assert masking.quorum == 4


class TestRepr:
    def test_is_short_and_names_the_hash(self):
        plan = make_plan(parties=PARTIES[:30])
        assert "30 parties" in repr(plan)
        assert plan.short_hash in repr(plan)
        assert len(repr(plan)) < 250


class TestRefusedBytes:
    """What decodes but is not the one encoding of a plan that may be made."""

    @given(data=st.binary(max_size=200))
    def test_of_noise(self, data):
        with pytest.raises(ConfideError):
            Plan.from_canonical(data)

    def test_with_parties_in_another_order(self):
        plain = cbor2.loads(make_plan().canonical())
        plain["parties"].reverse()
        with pytest.raises(PlanError, match="not those of the plan they describe"):
            Plan.from_canonical(cbor2.dumps(plain, canonical=True))

    def test_of_a_plan_that_cannot_be_made(self):
        plain = cbor2.loads(make_plan().canonical()) | {"dropouts": 4}
        with pytest.raises(PlanError, match="insider subtraction"):
            Plan.from_canonical(cbor2.dumps(plain, canonical=True))

    def test_of_a_newer_schema_say_so(self):
        plain = cbor2.loads(make_plan().canonical()) | {"schema_version": 4, "lineage": "x"}
        with pytest.raises(PlanError, match="schema_version 4; this release reads 3"):
            Plan.from_canonical(cbor2.dumps(plain, canonical=True))

    @pytest.mark.parametrize(
        ("version", "message"),
        [
            ("3", "schema_version of the plan is of type str; it is the whole number 3"),
            (b"3", "schema_version of the plan is of type bytes"),
            (True, "schema_version of the plan is of type bool"),
            (1, "schema_version 1; this release reads 3: use the release that it was made with"),
            (2, "schema_version 2; this release reads 3: convert it with `confide plan migrate"),
            (None, "a plan without schema_version; this release reads 3"),
        ],
    )
    def test_of_another_schema_say_what_is_wrong(self, version, message):
        plain = cbor2.loads(make_plan().canonical()) | {"schema_version": version}
        with pytest.raises(PlanError, match=message):
            Plan.from_canonical(cbor2.dumps(plain, canonical=True))

    def test_without_a_schema_say_so(self):
        plain = cbor2.loads(make_plan().canonical())
        del plain["schema_version"]
        with pytest.raises(PlanError, match="a plan without schema_version"):
            Plan.from_canonical(cbor2.dumps(plain, canonical=True))


def _plain_values(value):
    yield value
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        for item in value:
            yield from _plain_values(item)


def _reachable(declared, within=()):
    """Every (class, field) that a value of the declared type can hold."""
    found = set()
    for inner in (*typing.get_args(declared), *kinds_of(declared).values()):
        found |= _reachable(inner, within)
    # A kind that may hold its own family is looked into once.
    if is_dataclass(declared) and declared not in within:
        hints = typing.get_type_hints(declared)
        for field in fields(declared):
            found |= {(declared, field.name)}
            found |= _reachable(hints[field.name], (*within, declared))
    return found


def _paths(value, path=()):
    """The path to a value and to all within it: names of fields, places in tuples."""
    yield path
    if isinstance(value, tuple):
        for place in {0, len(value) - 1} if value else ():
            yield from _paths(value[place], (*path, place))
    if is_dataclass(value):
        for field in fields(value):
            yield from _paths(getattr(value, field.name), (*path, field.name))


def _at(value, path):
    for step in path:
        value = value[step] if isinstance(step, int) else getattr(value, step)
    return value


def _changes(plan):
    """For every field: its path, each (class, field) on the way there, and other values to try."""
    for path in _paths(plan):
        if not path or isinstance(path[-1], int):
            continue
        owners = [(path[:i], step) for i, step in enumerate(path) if isinstance(step, str)]
        on_path = [(type(_at(plan, owner)), step) for owner, step in owners]
        declared = typing.get_type_hints(on_path[-1][0])[path[-1]]
        others = GIVEN.get(on_path[-1], [])
        if optional(declared):
            assert others, f"GIVEN says no value for {on_path[-1]}"
            others = [None, *others]
        others = others or _others(declared, _at(plan, path))
        for new in others:
            yield path, on_path, new


COHORTS = Cohorts(
    cohorts=(
        Cohort(name="even", parties=tuple(p.name for p in PARTIES[:4])),
        Cohort(name="odd", parties=tuple(p.name for p in PARTIES[1:5])),
    )
)

VARIANTS = {
    Clear: Clear(),
    Cohorts: COHORTS,
    Enclave: Enclave(policy=bytes(32)),
    Encrypted: Encrypted(),
    Masked: Masked(),
    NoNoise: NoNoise(),
    CentralNoise: CentralNoise(2.0),
    NoiseShares: NoiseShares(2.0),
    FixedCrowd: FixedCrowd(),
    OpenCrowd: OpenCrowd(),
    FullBatch: FullBatch(),
    PoissonSampling: PoissonSampling(0.25),
}


# What a field may hold that can be absent, or that names something else in the plan.
GIVEN: dict[tuple[type, str], list[typing.Any]] = {
    (Cohort, "parties"): [tuple(PARTIES[i].name for i in (0, 1, 3, 4))],
    (Cohorts, "cohorts"): [COHORTS.cohorts],
    (Party, "group"): ["owner", "another"],
    (Sum, "cells"): ["bins of a histogram"],
    (Masked, "verified"): [True, False],
    (Message, "sender"): ["owner", "evaluator", "reader"],
    (Message, "receiver"): ["owner", "evaluator", "reader"],
    (Message, "key"): ["owner", "evaluator", "reader"],
    (Message, "shape"): [(), (3,)],
    (Role, "party"): ["party-03"],
    (Release, "parties"): [("party-00",), ("bureau-0",), ("party-01", "party-00")],
    (Release, "not_before"): ["2027-01-31T09:00:00Z", "2028-01-31T09:00:00Z"],
}


def _others(declared, value):
    kinds = kinds_of(declared).values() or (
        typing.get_args(declared) if isinstance(declared, types.UnionType) else ()
    )
    if kinds:
        return [VARIANTS[kind] for kind in kinds if kind in VARIANTS]
    if isinstance(value, Enum):
        return [member for member in type(value) if member is not value]
    others = {
        bool: lambda: [not value],
        int: lambda: [value + 1, value - 1],
        float: lambda: [value * 2, math.nextafter(value, 0)],
        str: lambda: [value + "x", '{"other":1}'],
        bytes: lambda: [value[:-1] + bytes([value[-1] ^ 1])],
        tuple: lambda: [value[1:], value[::-1], value + value[:1]],
    }
    return others[type(value)]() if type(value) in others else []


def _put(value, path, new):
    """The value with another one at a path; every value on the way is made, so checked, anew."""
    if not path:
        return new
    step, *rest = path
    if isinstance(step, int):
        return (*value[:step], _put(value[step], rest, new), *value[step + 1 :])
    return replace(value, **{step: _put(getattr(value, step), rest, new)})
