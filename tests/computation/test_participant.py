import numpy as np
import pandas as pd
import pytest
from tests.computation.examples import NAMES, mean, participant, total_of

from confide.aggregation import Accumulator, Identity, Round, decode
from confide.computation import Participant, next_state, state_hash
from confide.errors import DataError, PlanError
from confide.plan import Sum, SumGroup, Task, Unit
from confide.randomness import public_generator

VALUES = np.array([1.0, 2.0, 4.0])


def contributed(computation, data, **fields):
    made = participant(computation, data, **fields)
    return decode(computation.sums, made.contribution(0, {}))


class TestContribution:
    def test_is_the_accumulated_contribution_of_the_rows(self):
        accumulator = Accumulator(mean().sums)
        accumulator.add({"total": VALUES, "count": np.ones(3)})
        expected = accumulator.finish(seed=7, party="a", round_number=3)
        made = participant(mean(), {"value": VALUES}, round_seed=7)
        np.testing.assert_array_equal(made.contribution(3, {}), expected)

    @pytest.mark.parametrize(
        "source",
        [
            {"value": [1, 2, 4]},
            {"value": VALUES, "unread": ["not", "even", "numbers", "of one length"]},
            {"value": pd.Series(VALUES, index=[7, 8, 9])},
            pd.DataFrame({"other": [0, 0, 0], "value": VALUES}),
            pd.DataFrame({"value": pd.array([1, 2, 4], dtype="Int64")}),
            lambda: {"value": VALUES},
        ],
        ids=["lists", "more columns", "series", "data frame", "nullable integers", "loader"],
    )
    def test_is_the_same_from_every_source(self, source):
        expected = participant(mean(), {"value": VALUES}).contribution(0, {})
        np.testing.assert_array_equal(participant(mean(), source).contribution(0, {}), expected)

    @pytest.mark.parametrize("chunk", [1, 2, 3, 1000])
    def test_does_not_depend_on_the_chunks(self, chunk):
        seen = []

        def contribute(state, data, rng):
            seen.append(len(data["value"]))
            return {"total": data["value"], "count": np.ones(len(data["value"]))}

        data = {"value": np.linspace(-5, 5, 7)}
        made = participant(mean(contribute=contribute), data, chunk_records=chunk)
        expected = participant(mean(), data).contribution(0, {})
        np.testing.assert_array_equal(made.contribution(0, {}), expected)
        assert sum(seen) == 7
        assert max(seen) == min(chunk, 7)

    def test_counts_no_more_rows_than_the_capacity_and_reads_no_more(self):
        seen = []

        def contribute(state, data, rng):
            seen.extend(data["value"])
            return {"total": data["value"], "count": np.ones(len(data["value"]))}

        computation = mean(capacity=4, contribute=contribute)
        totals = contributed(computation, {"value": np.arange(8.0)}, chunk_records=3)
        assert totals["count"] == pytest.approx(4, abs=0.1)
        assert seen == [0, 1, 2, 3]

    def test_is_given_the_state_and_no_column_that_is_not_declared(self):
        seen: dict[str, object] = {}

        def contribute(state, data, rng):
            seen.update(state=state, columns=set(data))
            return {"total": data["value"], "count": np.ones(len(data["value"]))}

        state = {"w": np.ones(1)}
        data = {"value": VALUES, "secret": VALUES}
        participant(mean(contribute=contribute), data).contribution(0, state)
        assert seen == {"state": state, "columns": {"value"}}

    def test_is_given_a_public_generator_of_seed_party_and_round(self):
        drawn = []

        def contribute(state, data, rng):
            drawn.append(rng.random())
            return {"total": data["value"], "count": np.ones(len(data["value"]))}

        computation = mean(contribute=contribute)
        for seed, name, number in [(0, "a", 0), (0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1)]:
            made = participant(computation, {"value": VALUES}, round_seed=seed, name=name)
            made.contribution(number, {})
            assert drawn[-1] == public_generator("contribution", seed, name, number).random()
        assert len(set(drawn)) == 4

    def test_sees_all_rows_at_once_if_the_unit_is_the_party(self):
        seen = []

        def contribute(state, data, rng):
            seen.append(len(data["value"]))
            return {"total": data["value"].mean()}

        declared = Sum(name="total", unit=Unit.PARTY, unit_bound=8, capacity=1)
        computation = mean(sums=SumGroup((declared,)), contribute=contribute)
        totals = contributed(computation, {"value": np.full(10, 3.0)}, chunk_records=2)
        assert seen == [10]
        assert totals["total"] == pytest.approx(3, abs=0.2)

    def test_adds_the_rows_of_a_person_before_it_clips(self):
        data = {"value": [5.0, 5.0, 5.0, 1.0], "who": ["x", "x", "x", "y"]}
        by_person = contributed(total_of(Unit.PERSON), data, chunk_records=1)
        by_record = contributed(total_of(Unit.RECORD), data)
        assert by_person["total"] == pytest.approx(8 + 1, abs=0.2)
        assert by_record["total"] == pytest.approx(16, abs=0.2)

    @pytest.mark.parametrize(
        "given",
        [{}, {"total": [1.0]}, {"total": VALUES, "count": VALUES, "more": VALUES},
         {"total": VALUES, "count": [1.0]}, {"total": VALUES * np.nan, "count": VALUES},
         {"total": ["text"] * 3, "count": VALUES}, {"total": np.ones((3, 2)), "count": VALUES}],
        ids=["nothing", "no count", "an unknown sum", "other lengths", "NaN", "text", "shape"],
    )  # fmt: skip
    def test_must_fit_the_declared_sums(self, given):
        computation = mean(contribute=lambda state, data, rng: given)
        with pytest.raises(DataError, match=r"sum|contribution"):
            participant(computation, {"value": VALUES}).contribution(0, {})

    @pytest.mark.parametrize("given", [None, [1.0]], ids=["none", "a list"])
    def test_is_a_mapping(self, given):
        computation = mean(contribute=lambda state, data, rng: given)
        said = f"party 'a': contribute returned {type(given).__name__}; it must return a mapping"
        with pytest.raises(DataError, match=said):
            participant(computation, {"value": VALUES}).contribution(0, {})

    def test_names_the_party_whose_contribution_does_not_fit(self):
        computation = mean(contribute=lambda state, data, rng: {"total": VALUES})
        with pytest.raises(DataError, match="party 'a': no contribution to the declared sum"):
            participant(computation, {"value": VALUES}).contribution(0, {})

    def test_cannot_read_a_column_that_is_not_declared(self):
        computation = mean(contribute=lambda state, data, rng: {"total": data["z"]})
        with pytest.raises(PlanError, match=r"'z' is not in Computation.columns \(value\)"):
            participant(computation, {"value": VALUES, "z": VALUES}).contribution(0, {})


BAD_DATA = {
    "no such column": ({"valeu": VALUES}, "no column 'value'; did you mean 'valeu'"),
    "no columns": ({}, "no column 'value'"),
    "no rows": ({"value": []}, "no rows; leave it out of the plan, or give it data"),
    "NaN": ({"value": [1.0, np.nan, 2.0]}, "NaN or infinity in column 'value', first in row 1"),
    "infinity": ({"value": [1.0, 2.0, -np.inf]}, "NaN or infinity in column 'value', .* row 2"),
    "NaN in an axis": (
        {"value": [[1.0, 2.0], [np.nan, 0.0]]},
        "NaN or infinity in column 'value', first in row 1",
    ),
    "text": ({"value": ["a", "b"]}, "column 'value' of type <U1; numbers are needed; encode texts"),
    "text of a table": (
        pd.DataFrame({"value": ["yes", "no"]}),
        "column 'value' of type .*; numbers are needed; encode texts as numbers first",
    ),
    "missing numbers": (
        {"value": [1.0, None]},
        "column 'value' of type object; numbers are needed$",
    ),
    "masked": (
        {"value": np.ma.array([1.0, 9.0, 2.0], mask=[False, True, False])},
        "a masked array as column 'value'; fill in or leave out what is masked",
    ),
    "complex": ({"value": [1j]}, "column 'value' of type complex128; numbers are needed"),
    "one number": ({"value": 5.0}, "one value as column 'value'; give one for each row"),
    "uneven rows": ({"value": [[1.0], [1.0, 2.0]]}, "column 'value' of uneven rows"),
}


@pytest.mark.parametrize("case", BAD_DATA)
class TestBadData:
    def test_is_refused_when_checked(self, case):
        data, message = BAD_DATA[case]
        with pytest.raises(DataError, match=f"party 'a' has .*{message}"):
            participant(mean(), data).check_data()

    def test_is_refused_when_loaded_later(self, case):
        data, message = BAD_DATA[case]
        with pytest.raises(DataError, match=message):
            participant(mean(), lambda: data).contribution(0, {})


class TestCheckData:
    def test_counts_the_rows(self):
        assert participant(mean(), {"value": VALUES}).check_data() == 3

    def test_refuses_columns_of_different_lengths_and_names_them(self):
        computation = mean(columns=("value", "other"))
        with pytest.raises(DataError, match=r"different lengths \(value: 3, other: 2\)"):
            participant(computation, {"value": VALUES, "other": [1, 2]}).check_data()

    def test_refuses_persons_of_another_length(self):
        with pytest.raises(DataError, match=r"different lengths \(value: 3, who: 2\)"):
            participant(total_of(Unit.PERSON), {"value": VALUES, "who": ["x", "y"]}).check_data()

    def test_needs_the_column_of_persons(self):
        with pytest.raises(DataError, match="no column 'who'"):
            participant(total_of(Unit.PERSON), {"value": VALUES}).check_data()

    @pytest.mark.parametrize(
        "who",
        [["x", None, "y"], [1.0, np.nan, 2.0], pd.Series(["x", pd.NA, "y"])],
        ids=["none", "nan", "na"],
    )
    def test_refuses_rows_about_nobody(self, who):
        with pytest.raises(DataError, match=r"column 'who' who row 1 \(from 0\) is about"):
            participant(total_of(Unit.PERSON), {"value": VALUES, "who": who}).check_data()

    def test_refuses_persons_of_several_axes(self):
        with pytest.raises(DataError, match="column 'who' of 2 axes"):
            participant(
                total_of(Unit.PERSON), {"value": VALUES, "who": np.ones((3, 2))}
            ).check_data()

    def test_does_not_say_what_the_values_are(self):
        with pytest.raises(DataError) as refusal:
            participant(mean(), {"value": [np.nan, 987654.0]}).check_data()
        assert "987654" not in str(refusal.value)

    def test_contributes_nothing(self):
        def contribute(state, data, rng):
            raise AssertionError

        participant(mean(contribute=contribute), {"value": VALUES}).check_data()


class TestParticipant:
    def test_is_a_party_of_the_plan(self):
        plan = mean().plan(parties=NAMES)
        with pytest.raises(PlanError, match="no party 'stranger'"):
            Participant(plan, mean(), Identity.simulation("stranger"), {"value": VALUES})

    def test_loads_its_data_when_they_are_needed_and_keeps_none(self):
        loads = []

        def load():
            loads.append(1)
            return {"value": VALUES}

        made = participant(mean(), load)
        assert loads == []
        made.check_data()
        made.contribution(0, {})
        made.contribution(1, {})
        assert len(loads) == 3

    def test_does_not_load_before_its_session_asks(self):
        loads = []

        def load():
            loads.append(1)
            return {"value": VALUES}

        computation = mean()
        plan = computation.plan(parties=NAMES)
        made = Participant(plan, computation, Identity.simulation("a"), load)
        made.session(Round(plan, 0, 0), {})
        assert loads == []


class TestNextState:
    def test_is_what_the_update_makes_of_the_decoded_sums(self):
        computation = mean()
        integers = participant(computation, {"value": VALUES}).contribution(0, {})
        totals = decode(computation.sums, integers)
        state = next_state(computation, {}, integers)
        assert state["mean"] == totals["total"] / totals["count"]
        assert state_hash(state) == state_hash({"mean": np.asarray(state["mean"])})

    def test_is_given_the_state_before(self):
        computation = mean(update=lambda state, totals: {"n": state["n"] + 1})
        integers = participant(computation, {"value": VALUES}).contribution(0, {})
        assert next_state(computation, {"n": np.array(4)}, integers)["n"] == 5

    def test_is_a_mapping(self):
        computation = mean(update=lambda state, totals: None)
        integers = participant(computation, {"value": VALUES}).contribution(0, {})
        said = "update returned NoneType; it must return a mapping of names to arrays"
        with pytest.raises(DataError, match=said):
            next_state(computation, {}, integers)

    def test_cannot_diverge(self):
        computation = mean(
            task=Task.of("diverges"), update=lambda state, totals: {"w": np.array(np.inf)}
        )
        integers = participant(computation, {"value": VALUES}).contribution(0, {})
        with pytest.raises(DataError, match="diverges"):
            next_state(computation, {}, integers)
