"""Openings over the same data, against brute force and linear algebra."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import confide as cf
from confide.errors import OpeningError, PlanError
from confide.plan import Party
from confide.plan.openings import (
    Opening,
    check_classes,
    check_fixed,
    check_history,
    classes,
    least_owners,
)
from confide.plan.parties import fewest_owners, largest_owners

NAMES = tuple("abcdefgh")
ALONE = dict(zip(NAMES, NAMES, strict=True))

subsets = st.sets(st.sampled_from(NAMES), min_size=1).map(lambda names: tuple(sorted(names)))
histories = st.lists(subsets, max_size=5).map(
    lambda sets: tuple(Opening(number, 0, names) for number, names in enumerate(sets))
)
owners_of = st.lists(st.sampled_from("xyz"), min_size=8, max_size=8).map(
    lambda groups: dict(zip(NAMES, groups, strict=True))
)


def opening(number, names, attempt=0):
    return Opening(number, attempt, tuple(names))


def indicators(sets):
    """One row for each set of names: 1 for who is in it."""
    return np.array([[float(name in names) for name in NAMES] for names in sets])


class TestClasses:
    @given(histories)
    def test_hold_who_was_in_exactly_the_same_sums(self, history):
        found = classes(history).values()
        for one, other in itertools.product(NAMES, NAMES):
            places = [[name in o.survivors for o in history] for name in (one, other)]
            together = places[0] == places[1] and any(places[0])
            assert together == any(one in names and other in names for names in found)

    @given(histories)
    def test_are_named_by_the_sums_they_were_in(self, history):
        for places, names in classes(history).items():
            for place, of in enumerate(history):
                assert all((name in of.survivors) is (place in places) for name in names)

    @given(histories)
    def test_span_every_combination_of_the_sums(self, history):
        """So et al. 2023, Securing Secure Aggregation, §3: each sum is one of class totals, so no
        combination of sums tells members of a class apart."""
        sums, totals = (
            indicators(o.survivors for o in history),
            indicators(classes(history).values()),
        )
        if not history:
            return
        rank = np.linalg.matrix_rank(totals) if len(totals) else 0
        both = np.vstack([totals.reshape(-1, len(NAMES)), sums])
        assert np.linalg.matrix_rank(both) == rank == len(totals)

    @settings(max_examples=40)
    @given(histories, owners_of, st.integers(1, 4))
    def test_smaller_than_the_bound_are_refused_and_no_others(self, history, owners, least):
        """Whoever could be singled out by solving for it: any part of the owners below the bound
        whose total is a combination of the sums."""
        small = any(
            len({owners[name] for name in names}) < least for names in classes(history).values()
        )
        if small:
            with pytest.raises(OpeningError, match="could be singled out"):
                check_classes(history, owners, least)
        else:
            check_classes(history, owners, least)
            sums = indicators(o.survivors for o in history)
            for size in range(1, len(NAMES)):
                for few in itertools.combinations(NAMES, size):
                    if len({owners[name] for name in few}) < least and history:
                        alone = np.vstack([sums, indicators([few])])
                        assert np.linalg.matrix_rank(alone) > np.linalg.matrix_rank(sums)

    def test_keep_the_colluders_and_two_that_hide(self):
        assert [least_owners(c) for c in range(4)] == [3, 3, 4, 5]

    def test_are_refused_with_the_smallest_and_the_ways_out(self):
        history = (opening(0, NAMES), opening(1, NAMES[1:]))
        with pytest.raises(OpeningError) as refused:
            check_classes(history, ALONE, 3)
        message = str(refused.value)
        assert (
            "after the sum of round 1, attempt 0 over 7 parties, 'a' could be singled out"
            in message
        )
        assert "1 ownership group together, and a class keeps at least 3" in message
        assert "crowd 'fixed' or with noise per ownership group" in message

    def test_count_owners_and_not_parties(self):
        chains = dict(zip(NAMES, "xxxxyyzz", strict=True))
        check_classes((opening(0, NAMES),), chains, 3)
        with pytest.raises(OpeningError, match="2 ownership groups together"):
            check_classes((opening(0, "abcdef"),), chains, 3)

    def test_of_nothing_are_none(self):
        assert classes(()) == {}
        check_classes((), ALONE, 3)


class TestFixedCrowd:
    @given(histories.filter(bool))
    def test_is_that_of_the_first_sum(self, history):
        if len({o.survivors for o in history}) == 1:
            check_fixed(history)
        else:
            with pytest.raises(OpeningError, match="has a fixed crowd"):
                check_fixed(history)

    def test_is_refused_with_who_is_missing_and_who_is_new(self):
        with pytest.raises(OpeningError) as refused:
            check_fixed((opening(0, "abc"), opening(1, "bcd")))
        assert "'a' missing and 'd' new" in str(refused.value)
        assert "the run ends" in str(refused.value)


class TestHistory:
    @given(histories)
    def test_holds_all_that_a_party_consented_to(self, history):
        check_history(history, history)
        check_history(history, history[::2])
        for gone in history:
            left = tuple(o for o in history if o != gone)
            with pytest.raises(OpeningError, match="leaves out"):
                check_history(left, history)

    def test_with_other_survivors_leaves_it_out(self):
        with pytest.raises(OpeningError, match="leaves out the sum of round 0"):
            check_history((opening(0, "abc"),), (opening(0, "abd"),))

    @pytest.mark.parametrize(
        "history",
        [
            (opening(1, "abc"), opening(0, "abc")),
            (opening(0, "abc", 1), opening(0, "abc", 0)),
            (opening(0, "abc"), opening(0, "abc")),
            (opening(0, "abc"), opening(0, "abd")),
        ],
        ids=["rounds", "attempts", "twice", "two stories"],
    )
    def test_is_in_order_with_one_set_for_an_attempt(self, history):
        with pytest.raises(OpeningError, match="not in order, or has two for one attempt"):
            check_history(history, ())


federations = st.lists(st.sampled_from(["x", "y", "z", None]), min_size=1, max_size=7).map(
    lambda groups: tuple(
        Party(f"p{i}", bytes([i]) * 32, group=group) for i, group in enumerate(groups)
    )
)


class TestOwners:
    @given(federations, st.integers(0, 8))
    def test_left_are_the_fewest_over_whoever_is_missing(self, parties, missing):
        gone = min(missing, len(parties))
        fewest = min(
            len({p.owner for p in left})
            for left in itertools.combinations(parties, len(parties) - gone)
        )
        assert fewest_owners(parties, missing) == fewest

    @given(federations, st.integers(0, 8))
    def test_have_as_many_parties_as_the_largest_choice_of_them(self, parties, count):
        sizes = Counter(p.owner for p in parties)
        most = max(
            sum(sizes[owner] for owner in chosen)
            for chosen in itertools.combinations(sizes, min(count, len(sizes)))
        )
        assert largest_owners(parties, count) == most


def test_a_plan_whose_every_round_would_be_refused_cannot_be_made():
    """Parties refuse sums of two groups where the coordinator may lie: the plan says so first."""
    group = cf.SumGroup((cf.Sum(name="t", unit_bound=1, capacity=10),))
    made = cf.Computation(
        task=cf.Task.of("t"), sums=group, columns=("x",), init=dict,
        contribute=lambda state, data, rng: {"t": data["x"]}, update=lambda state, totals: {},
    )  # fmt: skip

    def plan(coordinator, parties):
        threat = cf.Threat(
            confidentiality=cf.Adversary(coordinator=coordinator, colluding_parties=0)
        )
        release = cf.Release(to=cf.Recipients.COORDINATOR)
        return made.plan(parties=parties, threat=threat, release=release)

    with pytest.raises(PlanError, match=r"over 2 ownership groups.*only over at least 3"):
        plan(cf.Corruption.MALICIOUS, ["a", "b"])
    data = {name: {"x": [1.0]} for name in "abc"}
    plan(cf.Corruption.CURIOUS, ["a", "b"])
    run = cf.simulate(plan(cf.Corruption.MALICIOUS, ["a", "b", "c"]), data, computation=made)
    assert len(run.rounds) == 1
