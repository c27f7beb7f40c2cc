"""What an estimate says a plan costs, and what a run of it really takes."""

from dataclasses import replace

import pytest
from tests.plan.examples import changed
from tests.report.support import (
    CURIOUS,
    against,
    clear_plan,
    plan_of,
    rows_of,
    sparse_plan,
    totals,
)

from confide.engines import Drop, simulate
from confide.errors import CostError, PlanError
from confide.plan import CentralNoise, Encrypted, NoiseShares, NoNoise, Party, Unit
from confide.privacy.guarantee import statement
from confide.report import CostLimits, estimate, to_json

RUNS = {
    "clear": clear_plan(),
    "complete, malicious": plan_of(),
    "complete, curious": plan_of(threat=against(1, CURIOUS)),
    "complete, larger": plan_of(9, computation=totals(700), dropouts=2),
    "encrypted, malicious": plan_of(aggregation=Encrypted()),
    "encrypted, curious": plan_of(threat=against(1, CURIOUS), aggregation=Encrypted()),
    "sparse, malicious": plan_of(130, rounds=1),
    "sparse, curious": plan_of(130, rounds=1, threat=against(1, CURIOUS)),
}
PLANS = {
    "clear": clear_plan(),
    "complete": plan_of(),
    "encrypted": plan_of(aggregation=Encrypted()),
    "sparse": sparse_plan(),
}
every_plan = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)


def sizes_of(plan, rows=4):
    return {p.name: rows for p in plan.parties}


def estimated(plan, rows=4):
    return estimate(plan, sizes_of(plan, rows))


def run_of(plan, **options):
    size = plan.sums["columns"].size
    return simulate(plan, rows_of(plan, size=size), computation=totals(size), **options)


class TestBytes:
    @pytest.mark.parametrize("plan", RUNS.values(), ids=RUNS)
    def test_are_those_that_a_run_really_takes(self, plan):
        """To the byte, where all names are equally long and nobody drops out."""
        run, made = run_of(plan), estimated(plan)
        assert run.history["survivors"].unique().tolist() == [len(plan.parties)]
        assert run.history["bytes_sent_per_party"].sum() == made.bytes_sent_per_party
        assert run.history["bytes_received_per_party"].sum() == made.bytes_received_per_party

    def test_of_the_sparse_runs_are_of_sparse_graphs(self):
        assert not RUNS["sparse, malicious"].masking.complete
        assert RUNS["sparse, malicious"].masking.quorum
        assert not RUNS["sparse, curious"].masking.quorum

    def test_are_as_for_the_longest_name(self):
        names = ["a", "bb", "a-name-that-is-rather-long", "c", "d", "e", "f"]
        plan = replace(plan_of(), parties=tuple(Party.simulation(name) for name in names))
        run, made = run_of(plan), estimated(plan)
        assert run.history["bytes_sent_per_party"].sum() == made.bytes_sent_per_party
        received = run.history["bytes_received_per_party"].sum()
        # Each of six adverts in three rounds may name a party that is shorter, by up to 25 letters.
        assert 0 < made.bytes_received_per_party - received <= 3 * 6 * 26

    @pytest.mark.parametrize("at", ["advertise", "shares"])
    def test_are_no_fewer_than_a_run_with_early_dropouts_takes(self, at):
        plan = plan_of(9, dropouts=2)
        run, made = run_of(plan, drops=[Drop("p003", 0, 2, at=at)]), estimated(plan)
        assert run.history["bytes_received_per_party"].sum() <= made.bytes_received_per_party

    @every_plan
    def test_are_the_same_in_every_round_but_for_the_openings_that_each_one_lists(self, plan):
        one, many = estimated(changed(plan, rounds=1)), estimated(changed(plan, rounds=17))
        assert many.rounds == 17
        assert many.bytes_sent_per_party == 17 * one.bytes_sent_per_party
        listed = many.bytes_received_per_party - 17 * one.bytes_received_per_party
        openings = 16 * 17 // 2  # Round r lists the r before it: 12 bytes and a bit for each party.
        least = openings * (12 + len(plan.parties) / 8) if plan.only_sums_open else 0
        assert least <= listed <= least + openings + 16 * 8
        assert many.plain_bytes_per_party == 17 * one.plain_bytes_per_party

    @every_plan
    def test_hold_the_plain_vector(self, plan):
        made = estimated(plan)
        assert 0 < made.plain_bytes_per_party < made.bytes_sent_per_party

    @every_plan
    def test_do_not_depend_on_rows(self, plan):
        few, many = estimated(plan, 1), estimated(plan, 1_000_000)
        assert few.bytes_sent_per_party == many.bytes_sent_per_party
        assert few.bytes_received_per_party == many.bytes_received_per_party

    def test_of_masks_cost_more_than_in_clear_and_a_quorum_more_than_none(self):
        clear, malicious, curious = (
            estimated(RUNS[name]) for name in ("clear", "complete, malicious", "complete, curious")
        )
        assert clear.plain_bytes_per_party == malicious.plain_bytes_per_party
        for field in ("bytes_sent_per_party", "bytes_received_per_party"):
            assert getattr(clear, field) < getattr(curious, field) < getattr(malicious, field)


ESTIMATES = ("party_seconds", "coordinator_seconds", "party_memory_bytes",
             "coordinator_memory_bytes")  # fmt: skip


class TestSecondsAndMemory:
    @every_plan
    def test_are_positive(self, plan):
        assert all(getattr(estimated(plan), field) > 0 for field in ESTIMATES)

    @pytest.mark.parametrize("make", [clear_plan, plan_of, sparse_plan])
    def test_grow_with_the_sums(self, make):
        small, large = (estimated(make(computation=totals(size))) for size in (10, 10_000))
        assert all(getattr(large, field) > getattr(small, field) for field in ESTIMATES)

    @every_plan
    def test_of_time_grow_with_rounds_and_of_memory_do_not(self, plan):
        one, many = estimated(changed(plan, rounds=1)), estimated(changed(plan, rounds=20))
        for field in ESTIMATES:
            times = 20 if "seconds" in field else 1
            assert getattr(many, field) == pytest.approx(times * getattr(one, field))

    @pytest.mark.parametrize("make", [clear_plan, plan_of], ids=["clear", "complete"])
    def test_of_the_coordinator_grow_with_parties(self, make):
        few, many = estimated(make(7)), estimated(make(70))
        assert many.coordinator_seconds > few.coordinator_seconds
        assert many.coordinator_memory_bytes >= few.coordinator_memory_bytes

    def test_of_a_party_grow_with_its_neighbours(self):
        few, many = estimated(plan_of(7)), estimated(plan_of(70))
        assert many.party_seconds > few.party_seconds
        assert many.coordinator_memory_bytes > few.coordinator_memory_bytes

    def test_of_a_sparse_graph_stay_below_those_of_a_complete_one(self):
        """129 parties need 4 neighbours each; 128 have 127."""
        complete, sparse = estimated(plan_of(128)), estimated(plan_of(129))
        assert sparse.party_seconds < complete.party_seconds
        assert sparse.bytes_received_per_party < complete.bytes_received_per_party

    def test_of_the_coordinator_grow_with_the_dropouts_it_must_expect(self):
        few, many = estimated(plan_of(30, dropouts=1)), estimated(plan_of(30, dropouts=12))
        assert many.coordinator_seconds > few.coordinator_seconds

    def test_of_a_party_s_memory_grow_with_rows_up_to_a_chunk(self):
        plan = plan_of(chunk_records=100)
        memory = [estimated(plan, rows).party_memory_bytes for rows in (1, 50, 100, 101, 9_999)]
        assert memory[0] < memory[1] < memory[2] == memory[3] == memory[4]

    def test_of_a_party_s_memory_grow_with_all_rows_where_persons_count(self):
        """The rows of a person are added up before they are clipped: all at once."""
        plan = plan_of(computation=totals(unit=Unit.PERSON))
        memory = [estimated(plan, rows).party_memory_bytes for rows in (10, 1_000, 100_000)]
        assert memory[2] > 50 * memory[1] > 50 * memory[0]

    def test_of_a_party_s_memory_follow_the_largest_party(self):
        plan = plan_of()
        largest = estimate(plan, {**sizes_of(plan, 1), "p004": 40})
        assert largest.party_memory_bytes == estimated(plan, 40).party_memory_bytes

    def test_of_sums_over_parties_do_not_grow_with_rows(self):
        plan = plan_of(computation=totals(unit=Unit.PARTY))
        assert estimated(plan, 1).party_memory_bytes == estimated(plan, 4_000).party_memory_bytes

    def test_are_of_the_order_of_a_run(self):
        """Seconds and no other unit; the two are far apart only where the machine is busy."""
        plan = plan_of(40, rounds=1)
        real = run_of(plan).history["seconds"].iloc[0]
        made = estimated(plan)
        total = 40 * made.party_seconds + made.coordinator_seconds
        assert real / 200 < total < 200 * real


class TestPrivacy:
    def test_of_exact_sums_is_infinite(self):
        assert estimated(replace(plan_of(), noise=NoNoise())).privacy.startswith("ε = ∞")

    @pytest.mark.parametrize("noise", [CentralNoise(5.0), NoiseShares(5.0)], ids=repr)
    def test_of_noise_is_that_of_the_strongest_who_holds_no_exact_sum(self, noise):
        plan = plan_of(noise=noise)
        assert estimated(plan).privacy == str(statement(plan))

    def test_is_told_for_each_observer(self):
        told = {
            name: told for told in estimated(plan_of(noise=NoiseShares(5.0))).observers
            for name in told.observers
        }  # fmt: skip
        alone, together = told["coordinator"], told["coordinator and any 1 party"]
        assert alone.privacy != together.privacy == str(statement(plan_of(noise=NoiseShares(5.0))))
        assert "1 % false-positive rate" in together.sentence

    def test_of_central_noise_is_none_against_who_adds_it(self):
        made = estimated(plan_of(noise=CentralNoise(5.0)))
        told = {name: told for told in made.observers for name in told.observers}
        assert told["coordinator"].privacy == "ε = ∞"
        assert told["p000"].privacy == made.privacy
        assert "against coordinator: ε = ∞" in " ".join(str(made).split())


class TestNotes:
    def test_name_parties_with_more_rows_than_are_counted(self):
        plan = plan_of()
        made = estimate(plan, {**sizes_of(plan, 50), "p002": 51, "p005": 1_234_567})
        notes = [note for note in made.notes if "counted" in note]
        assert notes == [
            "p002 may have 51 rows; only the first 50 are counted",
            "p005 may have 1,234,567 rows; only the first 50 are counted",
        ]

    def test_name_nobody_where_a_party_is_one_unit(self):
        plan = plan_of(computation=totals(unit=Unit.PARTY))
        assert not any("counted" in note for note in estimated(plan, 10_000).notes)

    def test_say_that_a_party_s_own_work_comes_on_top(self):
        assert any("are not included" in note for note in estimated(plan_of()).notes)


class TestSizes:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            pytest.param({"p003": None}, "differ in p003", id="one missing"),
            pytest.param({"p777": 3}, "differ in p777", id="one unknown"),
            pytest.param({"p003": 0}, "size 0 of party 'p003'", id="none"),
            pytest.param({"p003": -5}, "size -5 of party 'p003'", id="negative"),
        ],
    )
    def test_are_given_for_each_party_once(self, change, message):
        sizes = {k: v for k, v in {**sizes_of(plan_of()), **change}.items() if v is not None}
        with pytest.raises(PlanError, match=message):
            estimate(plan_of(), sizes)


LIMITS = {
    "bytes_per_party": lambda q: q.bytes_sent_per_party + q.bytes_received_per_party,
    "seconds": lambda q: max(q.party_seconds, q.coordinator_seconds),
    "memory_bytes": lambda q: max(q.party_memory_bytes, q.coordinator_memory_bytes),
}


class TestBudget:
    @every_plan
    @pytest.mark.parametrize("name", LIMITS)
    def test_that_just_suffices_is_kept(self, plan, name):
        made = estimated(plan)
        exact = CostLimits(**{name: LIMITS[name](made)})
        assert estimate(plan, sizes_of(plan), limits=exact) == made

    @every_plan
    @pytest.mark.parametrize("name", LIMITS)
    def test_that_is_exceeded_is_an_error_that_says_which_and_by_what(self, plan, name):
        value = LIMITS[name](estimated(plan))
        with pytest.raises(CostError) as caught:
            estimate(plan, sizes_of(plan), limits=CostLimits(**{name: 0.999 * value}))
        assert f"the plan takes {value:,.6g} {name.replace('_', ' ')}" in str(caught.value)
        assert f"limit is {0.999 * value:,.6g}" in str(caught.value)

    def test_of_zero_is_a_limit_and_of_none_is_not(self):
        sizes = sizes_of(plan_of())
        assert estimate(plan_of(), sizes, limits=CostLimits()) == estimated(plan_of())
        with pytest.raises(CostError):
            estimate(plan_of(), sizes, limits=CostLimits(memory_bytes=0))

    @pytest.mark.parametrize("limit", [float("nan"), -1])
    @pytest.mark.parametrize("name", LIMITS)
    def test_that_limits_nothing_is_refused(self, name, limit):
        with pytest.raises(PlanError, match=f"limit {name} is {limit}; it is at least 0"):
            CostLimits(**{name: limit})


def test_a_quote_is_a_value_that_goes_into_a_report():
    as_json = to_json(estimated(plan_of()))
    assert as_json["rounds"] == 3
    assert as_json["notes"] == list(estimated(plan_of()).notes)
