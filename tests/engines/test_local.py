import gc
import importlib.metadata
import tracemalloc
import weakref
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.tee.support import BUILD, SimulatedAttester, enclave, relying_party

from confide.aggregation import Layout, message_kinds
from confide.computation import Account, Checkpoint, Computation, make_computation, state_hash
from confide.computation.registry import GROUP
from confide.engines import Drop, EnclaveHost, simulate
from confide.errors import ConfideError, DataError, DropoutError, PlanError, ProtocolError
from confide.learning import quality
from confide.plan import (
    Adversary,
    CentralNoise,
    Clear,
    Coordinator,
    Corruption,
    Encrypted,
    FixedCrowd,
    Hardware,
    Masked,
    Masking,
    NoiseShares,
    OpenCrowd,
    Party,
    Sum,
    SumGroup,
    Task,
    Threat,
    Unit,
)
from confide.privacy.ledger import Cap, Filter, Ledger

NAMES = ("alder", "birch", "cedar", "dogwood", "elm")
TRUSTING = Threat(
    confidentiality=Adversary(coordinator=Corruption.HONEST, network=Corruption.CURIOUS)
)
CURIOUS = Threat(
    confidentiality=Adversary(coordinator=Corruption.CURIOUS, network=Corruption.CURIOUS)
)
PROTECTIONS: dict[str, dict[str, Any]] = {
    "masked": {"aggregation": Masked(), "crowd": FixedCrowd()},
    "clear": {"aggregation": Clear(), "threat": TRUSTING},
    "encrypted": {"aggregation": Encrypted(), "crowd": FixedCrowd()},
}
"""Where the coordinator may lie, who misses the first sum stays out of all."""
RETURNING: dict[str, dict[str, Any]] = {
    "masked": {"aggregation": Masked(), "threat": CURIOUS},
    "clear": PROTECTIONS["clear"],
    "encrypted": {"aggregation": Encrypted(), "threat": CURIOUS},
}
"""Under a coordinator that follows the protocol, who misses a sum may be in the next one."""
SOUND = Threat(hardware=Hardware.ASSUMED_SOUND)
SIMULATED = EnclaveHost(SimulatedAttester(), BUILD, relying_party())
STEPS = ("advertise", "shares", "contribution", "consent", "opened")
COUNTED = {"consent", "opened"}
"""Steps after the contribution: who drops out there is in the sum."""

TABLE = {"features": ["x", "z"], "label": "y", "scaling": {"z": [1.0, 2.0]}}
MODELS: dict[str, dict[str, Any]] = {
    "bernoulli": {"family": "bernoulli", "l2": 0.01},
    "gaussian": {"family": "gaussian", "fit_intercept": False},
    "categorical": {"family": "categorical", "n_classes": 3},
    "poisson": {"family": "poisson"},
}
ALGORITHMS: dict[str, dict[str, Any]] = {
    "fed-avg": {"weight_cap": 20, "clip_norm_l2": 1.0, "local_steps": 2, "batch_rows": 5},
    "fed-sgd": {"capacity": 8, "clip_norm_l2": 0.5},
    "fed-newton": {"capacity": 8},
}


def training(name="fed-avg", model="bernoulli"):
    settings = {**ALGORITHMS[name], "model": MODELS[model], "table": TABLE}
    return make_computation(name, settings)


def rows(name, count=12):
    rng = np.random.default_rng(NAMES.index(name))
    x, z = rng.normal(size=(2, count))
    return {"x": x, "z": z, "y": (x + rng.normal(size=count) > 0).astype(float)}


def everybody():
    return {name: rows(name, 10 + i) for i, name in enumerate(NAMES)}


def plan_of(computation, protection="masked", **fields):
    fields = {"rounds": 3, "dropouts": 1, **PROTECTIONS[protection], **fields}
    return computation.plan(parties=NAMES, **fields)


def returning(computation, protection="masked", **fields):
    """A plan that who dropped out may come back to."""
    return computation.plan(
        parties=NAMES, **{"rounds": 3, "dropouts": 1, **RETURNING[protection], **fields}
    )


def attested(computation, over=None, **fields):
    """A plan aggregated in an enclave, in which who misses the first sum stays out."""
    fields = {"threat": SOUND, "crowd": FixedCrowd(), **fields}
    return plan_of(computation, aggregation=enclave(over or Clear()), **fields)


def same_bits(one, other):
    """Whether two runs gave the same states and history, but for how long they took."""
    untimed = [[{**entry, "seconds": 0} for entry in run.rounds] for run in (one, other)]
    return state_hash(one.state) == state_hash(other.state) and untimed[0] == untimed[1]


def totals(run):
    return [(result.survivors, result.totals.tobytes()) for result in run.totals]


def contribute_vector(state, data, rng):
    return {"vector": data["vector"]}


def vector_sum(size=3, **changes):
    """One vector from each party, added up."""
    declared = Sum(name="vector", shape=(size,), unit=Unit.PARTY, unit_bound=4.0, capacity=1)
    fields: dict[str, Any] = {
        "task": Task.of("vector", size=size),
        "sums": SumGroup((declared,)),
        "columns": ("vector",),
        "init": lambda: {"vector": np.zeros(size)},
        "contribute": contribute_vector,
        "update": lambda state, totals: {"vector": totals["vector"]},
    }
    return Computation(**fields | changes)


def total_of_rows(**changes):
    """How much the rows of all parties add up to."""
    fields: dict[str, Any] = {
        "task": Task.of("total"),
        "sums": SumGroup((Sum(name="total", unit_bound=1, capacity=50),)),
        "columns": ("x",),
        "init": lambda: {"total": np.array(0.0)},
        "contribute": lambda state, data, rng: {"total": data["x"]},
        "update": lambda state, totals: {"total": totals["total"]},
    }
    return Computation(**fields | changes)


class InterruptedRunError(Exception):
    """Somebody pulled the plug."""


@pytest.fixture(params=PROTECTIONS)
def protection(request):
    return request.param


class TestDeterminism:
    def test_the_same_seed_gives_the_same_bits(self, protection):
        plan = plan_of(training(), protection)
        one, other = simulate(plan, everybody()), simulate(plan, everybody())
        assert same_bits(one, other)
        assert totals(one) == totals(other)

    def test_another_seed_gives_other_bits(self, protection):
        one, other = (
            simulate(plan_of(training(), protection, seed=s), everybody()) for s in (1, 2)
        )
        assert totals(one)[0] != totals(other)[0]

    def test_it_does_not_matter_how_the_data_come(self):
        plan = plan_of(training())
        data = everybody()
        frames = {
            n: pd.DataFrame(d).sample(frac=1, axis=1, random_state=1) for n, d in data.items()
        }
        loaders = {n: (lambda d=d: d) for n, d in reversed(data.items())}
        runs = [simulate(plan, given) for given in (data, frames, loaders)]
        assert same_bits(runs[0], runs[1])
        assert same_bits(runs[0], runs[2])

    def test_it_does_not_matter_whether_the_computation_is_given(self):
        computation = training()
        plan = plan_of(computation)
        assert same_bits(
            simulate(plan, everybody()), simulate(plan, everybody(), computation=computation)
        )

    def test_the_global_random_state_is_left_alone(self):
        before = np.random.get_state(legacy=False)["state"]["key"].tolist()  # noqa: NPY002 - what is tested
        simulate(plan_of(training()), everybody())
        assert np.random.get_state(legacy=False)["state"]["key"].tolist() == before  # noqa: NPY002


def test_every_registered_algorithm_is_run_below():
    ours = importlib.metadata.distribution("confide").entry_points.select(group=GROUP)
    # Statistics, and what takes a trained model, a schema of columns, or noise: each has a suite of
    # its own; so have the algorithms that keep a state of each party, or several sums.
    others = {
        "covariances",
        "distinct",
        "ditto",
        "fed-bn",
        "fed-cox",
        "fed-k-means",
        "fed-metrics",
        "fed-naive-bayes",
        "fed-nova",
        "fed-opt",
        "fed-pca",
        "fed-per",
        "fed-prox",
        "fed-rep",
        "fed-trees",
        "groups",
        "histograms",
        "ifca",
        "moments",
        "parameter-averaging",
        "quantiles",
        "scaffold",
        "score-histogram",
        "survival-curve",
        "table-summaries",
        "table-vocabularies",
    }
    assert ours.names == ALGORITHMS.keys() | others


class TestAllProtectionsAgree:
    """Bit for bit, over the same survivors."""

    @pytest.mark.parametrize("protection", ["masked", "encrypted"])
    @pytest.mark.parametrize("step", STEPS)
    @pytest.mark.parametrize("name", ALGORITHMS)
    def test_whatever_is_computed_and_wherever_somebody_drops_out(self, name, step, protection):
        computation = training(name)
        clear, hiding = plan_of(computation, "clear"), plan_of(computation, protection)
        assert message_kinds(hiding) == STEPS
        hidden = simulate(hiding, everybody(), drops=[Drop("cedar", 0, at=step)])
        gone = [] if step in COUNTED else [Drop("cedar", 0, 2)]
        read = simulate(clear, everybody(), drops=gone)
        survivors = [len(result.survivors) for result in hidden.totals]
        assert survivors == ([5, 5, 5] if step in COUNTED else [4, 4, 4])
        assert totals(read) == totals(hidden)
        assert state_hash(read.state) == state_hash(hidden.state)

    @pytest.mark.parametrize("protection", ["masked", "encrypted"])
    @pytest.mark.parametrize("step", ["advertise", "shares", "contribution", "opened"])
    @pytest.mark.parametrize("name", ALGORITHMS)
    def test_where_who_drops_out_comes_back(self, name, step, protection):
        computation = training(name)
        hiding = returning(computation, protection)
        assert step in message_kinds(hiding)
        hidden = simulate(hiding, everybody(), drops=[Drop("cedar", 1, at=step)])
        gone = [] if step in COUNTED else [Drop("cedar", 1)]
        read = simulate(plan_of(computation, "clear"), everybody(), drops=gone)
        survivors = [len(result.survivors) for result in hidden.totals]
        assert survivors == ([5, 5, 5] if step in COUNTED else [5, 4, 5])
        assert totals(read) == totals(hidden)
        assert state_hash(read.state) == state_hash(hidden.state)

    @pytest.mark.parametrize("protection", ["masked", "encrypted"])
    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize("name", ALGORITHMS)
    def test_for_every_model(self, name, model, protection):
        computation = training(name, model)
        read, hidden = (
            simulate(plan_of(computation, p), everybody()) for p in ("clear", protection)
        )
        assert totals(read) == totals(hidden)
        assert state_hash(read.state) == state_hash(hidden.state)
        assert np.abs(hidden.state["parameters"]).max() > 0

    @pytest.mark.parametrize("over", ["clear", "masked", "encrypted"])
    @pytest.mark.parametrize("model", MODELS)
    @pytest.mark.parametrize("name", ALGORITHMS)
    def test_in_an_enclave_too(self, name, model, over):
        computation = training(name, model)
        plan = attested(computation, PROTECTIONS[over]["aggregation"])
        inside = simulate(plan, everybody(), drops=[Drop("cedar", 0)], enclave=SIMULATED)
        read = simulate(plan_of(computation, "clear"), everybody(), drops=[Drop("cedar", 0, 2)])
        assert totals(read) == totals(inside)
        assert state_hash(read.state) == state_hash(inside.state)
        assert all(result.receipt for result in inside.totals)

    @pytest.mark.parametrize(
        ("fields", "survivors"),
        [
            ({}, [4, 4, 4]),
            (
                {"crowd": OpenCrowd(), "threat": replace(CURIOUS, hardware=SOUND.hardware)},
                [4, 5, 5],
            ),
        ],
        ids=["fixed", "open"],
    )
    @pytest.mark.parametrize("step", ["challenge", "contribution"])
    def test_in_an_enclave_before_which_somebody_drops_out(self, step, fields, survivors):
        plan = attested(training(), **fields)
        inside = simulate(plan, everybody(), drops=[Drop("elm", 0, at=step)], enclave=SIMULATED)
        assert [len(result.survivors) for result in inside.totals] == survivors

    def test_in_an_enclave_whose_history_says_what_stood_behind_it(self):
        run = simulate(attested(training()), everybody(), enclave=SIMULATED)
        assert set(run.history["assurance"]) == {"simulated"}
        assert "assurance" not in simulate(plan_of(training()), everybody()).history

    def test_in_an_enclave_that_must_be_there(self):
        with pytest.raises(PlanError, match="enclave="):
            simulate(attested(training()), everybody())

    @pytest.mark.parametrize("step", ["advertise", "reveal", "shares", "contribution", "opened"])
    def test_on_a_sparse_graph_where_a_withheld_coin_starts_the_round_anew(self, step):
        names = [f"p{i:02}" for i in range(14)]
        computation = vector_sum()
        data = {n: {"vector": np.full(3, 0.1 * i)} for i, n in enumerate(names)}
        fields = {"parties": names, "dropouts": 2}
        masked = computation.plan(**fields, aggregation=Masked(verified=False))
        full = masked.masking
        # Far below the size at which chance makes it safe; the steps are those of a large one.
        masked.__dict__["masking"] = Masking(14, 2, full.colluding, 6, 3, 2, full.quorum)
        assert "reveal" in message_kinds(masked)
        drops = [Drop("p03", 0, at=step), Drop("p08", 0, at=step)]
        hidden = simulate(masked, data, computation=computation, drops=drops)
        read = simulate(
            computation.plan(**fields, **PROTECTIONS["clear"]),
            data,
            computation=computation,
            drops=[] if step in COUNTED else [Drop("p03", 0), Drop("p08", 0)],
        )
        assert totals(read) == totals(hidden)
        assert len(hidden.totals[0].survivors) == (14 if step in COUNTED else 12)


class TestDrop:
    @pytest.mark.parametrize(
        ("drop", "rounds"),
        [
            (Drop("birch", 0), {0}),
            (Drop("birch", 2), {2}),
            (Drop("birch", 1, 3), {1, 2, 3}),
            (Drop("birch", 1, 99), {1, 2, 3}),
        ],
        ids=["first", "third", "from to", "to the end"],
    )
    def test_covers_its_rounds_and_no_others(self, drop, rounds, protection):
        run = simulate(returning(training(), protection, rounds=4), everybody(), drops=[drop])
        assert {r for r, entry in enumerate(run.rounds) if entry["dropped"] == "birch"} == rounds
        assert [entry["survivors"] for entry in run.rounds] == [5 - (r in rounds) for r in range(4)]

    def test_at_a_step_that_the_protection_lacks_stands_for_the_contribution(self):
        drop = Drop("birch", 0, at="opened")
        run = simulate(plan_of(training(), "clear"), everybody(), drops=[drop])
        assert run.rounds[0]["dropped"] == "birch"

    @pytest.mark.parametrize(
        ("drop", "message"),
        [
            (Drop("brich", 0), "'brich' cannot drop out; did you mean 'birch'"),
            (Drop("birch", 3), "'birch' drops out of round 3; rounds are 0 to 2"),
            (Drop("birch", -1), "'birch' drops out of round -1; rounds are 0 to 2"),
            (Drop("birch", 2, 1), "out of round 2 and is back after round 1"),
            (Drop("birch", 0, at="share"), "drops out at 'share'; did you mean 'shares'?"),
        ],
        ids=["name", "late", "early", "backwards", "never"],
    )
    def test_that_cannot_be_is_refused(self, drop, message):
        with pytest.raises(DataError, match=message):
            simulate(plan_of(training()), everybody(), drops=[drop])


class TestTooManyDropouts:
    @pytest.mark.parametrize(
        ("protection", "step"),
        [("clear", "contribution"), *(("masked", step) for step in STEPS)],
    )
    def test_end_the_run_and_nothing_is_released(self, protection, step, tmp_path):
        computation = vector_sum(update=lambda state, totals: pytest.fail("a sum was released"))
        plan = plan_of(computation, protection)
        data = {name: {"vector": np.ones(3)} for name in NAMES}
        drops = [Drop("birch", 0, at=step), Drop("elm", 0, at=step)]
        path = tmp_path / "run"
        with pytest.raises(DropoutError, match=r"the plan allows 1 dropouts\. No sum is released"):
            simulate(
                plan,
                data,
                computation=computation,
                drops=drops,
                checkpoint=path,
                measure=lambda state: pytest.fail("a state was measured"),
                on_round=lambda entry: pytest.fail("a round was reported"),
            )
        left = Checkpoint.read(path, plan)
        assert (left.next_round, left.history) == (0, ())
        assert state_hash(left.state) == state_hash(computation.init())
        # Who was asked for consent may have helped to open the sum: that is kept, and no sum is.
        assert [len(o.survivors) for o in left.openings] == ([5] if step in COUNTED else [])

    def test_before_they_asked_the_enclave(self):
        plan = attested(training())
        drops = [Drop(name, 0, at="challenge") for name in ("birch", "elm")]
        with pytest.raises(DropoutError, match="3 of 5 parties asked the enclave in round 0"):
            simulate(plan, everybody(), drops=drops, enclave=SIMULATED)

    def test_leave_the_rounds_before_to_resume_from(self, tmp_path, protection):
        plan, path = returning(training(), protection), tmp_path / "run"
        with pytest.raises(DropoutError, match="round 1, attempt 0"):
            simulate(plan, everybody(), drops=[Drop("birch", 1), Drop("elm", 1)], checkpoint=path)
        assert Checkpoint.read(path, plan).next_round == 1
        resumed = simulate(plan, everybody(), checkpoint=path)
        assert same_bits(resumed, simulate(plan, everybody()))

    @pytest.mark.parametrize("error", [OSError, MemoryError, DataError])
    def test_by_an_error_at_one_party_show_that_error_and_what_followed(self, error):
        """A fixed crowd refuses the sum without it; whose error came first is not by name."""
        loaded: list[int] = []

        def load():
            loaded.append(len(loaded))
            if len(loaded) == 3:  # Checked once, and then asked in each round.
                raise error("no file")
            return everybody()["elm"]

        with pytest.raises(error, match="no file") as raised:
            simulate(plan_of(training()), {**everybody(), "elm": load})
        (note,) = raised.value.__notes__
        assert note.startswith("party 'elm' dropped out by this, and then: the plan has a fixed")

    def test_at_different_steps_count_together(self):
        drops = [Drop("birch", 0, at="advertise"), Drop("elm", 0, at="opened")]
        with pytest.raises(DropoutError, match="3 of 5 parties answered 'opened' in round 0"):
            simulate(plan_of(training()), everybody(), drops=drops)


class TestCheckpoint:
    @pytest.mark.parametrize("stop", [0, 2, 3])
    @pytest.mark.parametrize("name", ALGORITHMS)
    def test_at_any_round_gives_exactly_the_same_result_and_history(
        self, name, stop, tmp_path, protection
    ):
        plan, path = returning(training(name), protection, rounds=4), tmp_path / "run"
        drops, measure = [Drop("dogwood", 1, 2)], quality(plan, rows("alder"))
        whole = simulate(plan, everybody(), drops=drops, measure=measure)

        def interrupt(entry):
            if entry["round"] == stop:
                raise InterruptedRunError

        with pytest.raises(InterruptedRunError):
            simulate(
                plan, everybody(), drops=drops, measure=measure, checkpoint=path, on_round=interrupt
            )
        before = Checkpoint.read(path, plan)
        reported: list[Mapping[str, Any]] = []
        resumed = simulate(
            plan,
            everybody(),
            drops=drops,
            measure=measure,
            checkpoint=path,
            on_round=reported.append,
        )
        assert same_bits(resumed, whole)
        assert resumed.rounds[: stop + 1] == before.history
        assert [entry["round"] for entry in reported] == list(range(stop + 1, 4))
        assert totals(resumed) == totals(whole)[stop + 1 :]
        pd.testing.assert_frame_equal(
            resumed.history.drop(columns="seconds"), whole.history.drop(columns="seconds")
        )

    def test_keeps_numbers_without_axes_as_they_are(self, tmp_path):
        computation = vector_sum(
            init=lambda: {"n": np.array(0), "vector": np.zeros(3)},
            update=lambda state, totals: {"n": state["n"] + 1, "vector": totals["vector"]},
        )
        plan, path = plan_of(computation, rounds=2), tmp_path / "run"
        data = {name: {"vector": np.ones(3)} for name in NAMES}

        def interrupt(entry):
            raise InterruptedRunError

        with pytest.raises(InterruptedRunError):
            simulate(plan, data, computation=computation, checkpoint=path, on_round=interrupt)
        resumed = simulate(plan, data, computation=computation, checkpoint=path)
        assert same_bits(resumed, simulate(plan, data, computation=computation))
        assert resumed.state["n"].shape == ()

    def test_of_a_finished_run_runs_no_round_again(self, tmp_path):
        plan, path = plan_of(training()), tmp_path / "run"
        whole = simulate(plan, everybody(), checkpoint=path)
        again = simulate(
            plan, everybody(), checkpoint=path, on_round=lambda entry: pytest.fail("a round ran")
        )
        assert same_bits(again, whole)
        assert again.rounds == whole.rounds
        assert again.totals == ()

    def test_of_another_plan_is_refused(self, tmp_path):
        path = tmp_path / "run"
        simulate(plan_of(training()), everybody(), checkpoint=path)
        with pytest.raises(DataError, match="belongs to plan"):
            simulate(plan_of(training(), seed=1), everybody(), checkpoint=path)

    def test_changes_nothing(self, tmp_path):
        plan = plan_of(training())
        assert same_bits(
            simulate(plan, everybody(), checkpoint=tmp_path / "run"), simulate(plan, everybody())
        )

    def test_needs_a_folder_before_anything_runs(self, tmp_path):
        with pytest.raises(DataError, match=r"no folder .*nowhere for the checkpoint"):
            simulate(
                plan_of(training()),
                everybody(),
                checkpoint=tmp_path / "nowhere" / "run",
                on_round=lambda entry: pytest.fail("a round ran"),
            )


class TestAccounts:
    """Runs whose parties keep ledgers, which no new run empties."""

    NOISE = NoiseShares(20.0, delta=1e-6)

    @pytest.fixture
    def accounts(self, tmp_path):
        with ExitStack() as stack:
            opened = {}
            for name in NAMES:
                ledger = stack.enter_context(Ledger.open(tmp_path / f"{name}.db"))
                ledger.open_dataset("rows")
                ledger.cap("rows", Cap(epsilon=5.0, delta=1e-6, filter=Filter.GAUSSIAN))
                opened[name] = Account(ledger, "rows")
            yield opened

    def test_open_no_sum_of_a_plan_a_second_time(self, accounts, protection):
        computation = total_of_rows()
        noise = CentralNoise(20.0, delta=1e-6) if protection == "clear" else self.NOISE
        fields: dict[str, Any] = {
            "dropouts": 0,
            "noise": noise,
        }  # A new plan is over the same crowd.
        plan, new = (plan_of(computation, protection, seed=s, **fields) for s in (1, 2))
        again: dict[str, Any] = {"computation": computation, "accounts": accounts}
        simulate(plan, everybody(), **again)
        before = [len(account.ledger.charges("rows")) for account in accounts.values()]
        with pytest.raises(ProtocolError) as refused:
            simulate(
                plan,
                {name: lambda: pytest.fail("data were loaded") for name in NAMES},
                **again,
            )
        for said in (
            f"the ledger of 'alder' says that plan {plan.short_hash} ran before",
            "round 0 was opened, and of 2 later rounds",
            "checkpoint",
            "ledgers in another folder",
            "a new plan",
        ):
            assert said in str(refused.value)
        assert [len(account.ledger.charges("rows")) for account in accounts.values()] == before
        simulate(new, everybody(), **again)

    def test_open_no_sum_again_from_an_older_checkpoint(self, accounts, tmp_path):
        computation = total_of_rows()
        plan, path = plan_of(computation, noise=self.NOISE), tmp_path / "run"
        older = tmp_path / "older"
        again: dict[str, Any] = {"computation": computation, "accounts": accounts}

        def copy(entry):
            if entry["round"] == 0:
                older.write_bytes(path.read_bytes())

        simulate(plan, everybody(), checkpoint=path, on_round=copy, **again)
        with pytest.raises(ProtocolError, match="round 1 was opened, and of 1 later round,"):
            simulate(plan, everybody(), checkpoint=older, **again)

    def test_go_on_after_an_end_in_the_middle_of_a_round(self, accounts, tmp_path):
        """Parties took part in an attempt, and take part in the next one after it."""
        calls = []

        def contribute(state, data, rng):
            calls.append(1)
            if len(calls) == len(NAMES) + 2:
                raise KeyboardInterrupt
            return {"total": data["x"]}

        computation = total_of_rows(contribute=contribute)
        plan, path = plan_of(computation, noise=self.NOISE), tmp_path / "run"
        data = everybody()
        again: dict[str, Any] = {"computation": computation, "accounts": accounts}
        with pytest.raises(KeyboardInterrupt):
            simulate(plan, data, checkpoint=path, **again)
        assert accounts["alder"].ledger.latest_attempt(plan.hash) == (1, 0)
        assert len(simulate(plan, data, checkpoint=path, **again).rounds) == 3
        openings = accounts["alder"].ledger.openings(plan.hash)
        assert [(o.number, o.attempt) for o in openings] == [(0, 0), (1, 1), (2, 0)]


class TestHistory:
    def test_is_a_data_frame_of_rounds(self, protection):
        plan = returning(training(), protection)
        run = simulate(plan, everybody(), drops=[Drop("elm", 1)])
        history = run.history
        assert isinstance(history, pd.DataFrame)
        assert (history.index.name, history.index.tolist()) == ("round", [0, 1, 2])
        assert history["survivors"].tolist() == [5, 4, 5]
        assert history["dropped"].tolist() == ["", "elm", ""]
        vector = Layout.of_sum(plan).wire_bytes if protection == "masked" else 4
        assert (history["bytes_sent_per_party"] > vector).all()
        assert (history["bytes_received_per_party"] > 0).all()
        assert (history["seconds"] >= 0).all()

    def test_holds_what_is_measured_of_each_state_as_plain_numbers(self, tmp_path):
        plan = plan_of(training())
        states = []

        def measure(state):
            states.append(state)
            return {"largest": np.float32(np.abs(state["parameters"]).max()), "count": 1}

        run = simulate(plan, everybody(), measure=measure, checkpoint=tmp_path / "run")
        assert len(states) == 3
        assert state_hash(states[-1]) == state_hash(run.state)
        expected = [float(np.float32(np.abs(s["parameters"]).max())) for s in states]
        assert run.history["largest"].tolist() == expected
        assert {type(entry["largest"]) for entry in run.rounds} == {float}

    def test_does_not_change_with_what_is_measured(self):
        plan = plan_of(training())
        bare, measured = (
            simulate(plan, everybody(), measure=m) for m in (None, quality(plan, rows("elm")))
        )
        assert state_hash(bare.state) == state_hash(measured.state)
        assert {"loss", "auc", "accuracy"} <= set(measured.history.columns)

    def test_is_reported_round_by_round(self):
        reported: list[Mapping[str, Any]] = []
        run = simulate(plan_of(training()), everybody(), on_round=reported.append)
        assert tuple(reported) == run.rounds
        assert len(reported) == 3


class TestRun:
    def test_says_which_plan_ran(self):
        plan = plan_of(training())
        assert simulate(plan, everybody()).plan is plan

    def test_is_by_simulated_keys_if_a_party_has_a_real_one(self):
        computation = training()
        parties = [Party("alder", b"k" * 32), *NAMES[1:]]
        run = simulate(
            computation.plan(parties=parties, coordinator=Coordinator(b"c" * 32)), everybody()
        )
        assert run.plan == computation.plan(parties=NAMES)

    def test_ends_with_the_state_that_the_released_sums_give(self):
        computation = vector_sum()
        data = {name: {"vector": np.full(3, 0.5)} for name in NAMES}
        run = simulate(plan_of(computation), data, computation=computation)
        assert run.state["vector"] == pytest.approx(np.full(3, 2.5), abs=0.1)

    def test_gives_a_state_that_cannot_be_written_to(self):
        with pytest.raises(ValueError, match="read-only"):
            simulate(plan_of(training()), everybody()).state["parameters"][0] = 1

    def test_hands_contributions_a_state_that_cannot_be_written_to(self):
        def contribute(state, data, rng):
            state["vector"][0] = 1
            return {"vector": data["vector"]}

        computation = vector_sum(contribute=contribute)
        data = {name: {"vector": np.ones(3)} for name in NAMES}
        with pytest.raises(ValueError, match="read-only"):
            simulate(plan_of(computation), data, computation=computation)

    def test_does_not_print_the_sums(self):
        assert "totals" not in repr(simulate(plan_of(training()), everybody()))


BAD_DATA = {
    "no rows": (lambda d: {c: v[:0] for c, v in d.items()}, "has no rows; leave it out"),
    "another column": (
        lambda d: {"x": d["x"], "zz": d["z"], "y": d["y"]},
        "has no column 'z'; did you mean 'zz'",
    ),
    "NaN": (lambda d: {**d, "x": np.append(d["x"][:-1], np.nan)}, "has NaN or infinity in col"),
    "infinity": (lambda d: {**d, "y": d["y"] / 0.0}, "has NaN or infinity in column 'y'"),
    "lengths": (lambda d: {**d, "z": d["z"][:-1]}, "has columns of different lengths"),
    "text": (lambda d: {**d, "z": ["a"] * len(d["x"])}, "'z' of type <U1; numbers are needed"),
}


class TestBadData:
    @pytest.mark.parametrize("case", BAD_DATA)
    @pytest.mark.parametrize("loaded", [False, True], ids=["given", "loaded"])
    def test_of_one_party_stop_the_run_before_anything_is_computed(
        self, case, loaded, tmp_path, protection
    ):
        change, message = BAD_DATA[case]
        computed = []

        def contribute(state, data, rng):
            computed.append(1)
            return {"vector": np.zeros(3)}

        computation = vector_sum(contribute=contribute, columns=("x", "z", "y"))
        with np.errstate(divide="ignore", invalid="ignore"):
            bad = change(rows("dogwood"))
        data = {**everybody(), "dogwood": (lambda: bad) if loaded else bad}
        with pytest.raises(DataError, match=f"party 'dogwood' .*{message}"):
            simulate(
                plan_of(computation, protection),
                data,
                computation=computation,
                checkpoint=tmp_path / "run",
            )
        assert computed == []
        assert list(tmp_path.iterdir()) == []

    def test_of_a_missing_party_are_refused(self):
        data = everybody()
        del data["birch"], data["elm"]
        with pytest.raises(DataError, match="no data for birch, elm; each party of the plan needs"):
            simulate(plan_of(training()), data)

    def test_under_a_misspelt_name_are_refused_with_the_right_one(self):
        data = everybody()
        data["ceder"] = data.pop("cedar")
        with pytest.raises(DataError, match=r"no data for cedar; .*'ceder'.*did you mean 'cedar'"):
            simulate(plan_of(training()), data)

    def test_of_an_unknown_party_are_refused(self):
        with pytest.raises(DataError, match="data for oak, who is not in plan 'fed-avg'"):
            simulate(plan_of(training()), {**everybody(), "oak": rows("elm")})

    def test_that_make_the_computation_diverge_are_a_clear_error(self, protection):
        computation = vector_sum(update=lambda state, totals: {"vector": totals["vector"] * np.inf})
        data = {name: {"vector": np.ones(3)} for name in NAMES}
        with pytest.raises(DataError, match="diverges"):
            simulate(plan_of(computation, protection), data, computation=computation)


class TestRefusedPlans:
    def test_of_another_computation(self):
        with pytest.raises(PlanError, match="another task"):
            simulate(plan_of(training("fed-sgd")), everybody(), computation=training())

    def test_of_a_task_that_nobody_offers(self):
        with pytest.raises(PlanError, match="no installed package computes 'vector'"):
            simulate(plan_of(vector_sum()), everybody())

    def test_are_all_of_one_error_tree(self):
        assert issubclass(PlanError, ConfideError)
        assert issubclass(DataError, ConfideError)
        assert issubclass(DropoutError, ConfideError)


class TestMemory:
    """What is held at once does not grow by a contribution, or by data, for each party."""

    SIZE = 40_000

    def peak(self, parties, protection):
        """Bytes at the worst moment of a run, above those before it."""
        names = [f"p{i:02}" for i in range(parties)]
        computation = vector_sum(self.SIZE)
        plan = computation.plan(parties=names, dropouts=1, **PROTECTIONS[protection])
        data = {name: lambda: {"vector": np.full(self.SIZE, 1e-3)} for name in names}
        gc.collect()
        tracemalloc.start()
        try:
            simulate(plan, data, computation=computation)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def test_at_the_peak_is_the_same_for_four_times_the_parties(self, protection):
        self.peak(5, protection)  # what is imported and cached by the first run is not its own
        few, many = self.peak(5, protection), self.peak(20, protection)
        one_vector = 8 * self.SIZE
        # Keys and shares grow with the parties; fifteen vectors more would be fifteen times this.
        allowed = 3 * one_vector
        if protection == "encrypted":  # And so do shares of keys, one polynomial for each pair.
            allowed += 3 * (20 * 19) * 4096 * 50 // 8
        if protection == "masked":  # And hashes that sums are verified by, one for each pair.
            allowed += (20 * 19) * 5120
        assert many - few < allowed
        if protection != "encrypted":
            assert allowed < 15 * one_vector

    def test_holds_one_contribution_and_one_partys_data_at_a_time(self, protection):
        alive: set[int] = set()
        most: list[int] = []

        def track(array):
            number = len(most)
            alive.add(number)
            weakref.finalize(array, alive.discard, number)
            most.append(len(alive))
            return array

        def contribute(state, data, rng):
            return {"vector": track(np.asarray(data["vector"]) * 2)}

        computation = vector_sum(contribute=contribute)
        loaders = {n: lambda: {"vector": track(np.ones(3))} for n in NAMES}
        plan = plan_of(computation, protection)
        simulate(plan, loaders, computation=computation)
        assert len(most) > 2 * len(NAMES)
        assert max(most) <= 2
