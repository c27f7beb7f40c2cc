"""Runs are charged before anything is computed, in every ledger or in none."""

from dataclasses import replace

import numpy as np
import pytest

from confide.computation import Account, Checkpoint, Computation
from confide.engines import Drop, simulate
from confide.errors import (
    DataError,
    LedgerError,
    OpeningError,
    PlanError,
    PrivacyBudgetError,
    ProtocolError,
)
from confide.plan import (
    Adversary,
    CentralNoise,
    Corruption,
    FixedCrowd,
    Masked,
    Neighbours,
    NoiseShares,
    NoNoise,
    PoissonSampling,
    Relation,
    Sum,
    SumGroup,
    Task,
    Threat,
)
from confide.privacy.guarantee import guarantee, statement
from confide.privacy.ledger import Cap, Filter, Ledger

NAMES = ("ash", "birch", "cedar", "dogwood")
ROWS = {name: {"x": np.full(20, 0.5)} for name in NAMES}
HONEST = Threat(
    confidentiality=Adversary(coordinator=Corruption.HONEST, network=Corruption.CURIOUS)
)


def totals(contribute=None):
    def plain(state, data, rng):
        return {"total": data["x"]}

    return Computation(
        task=Task.of("total"),
        sums=SumGroup((Sum(name="total", unit_bound=1, capacity=50),)),
        columns=("x",),
        init=lambda: {"total": np.array(0.0)},
        contribute=contribute or plain,
        update=lambda state, totals: {"total": totals["total"]},
    )


def plan_of(computation=None, noise=None, rounds=5, **fields):
    noise = noise or NoiseShares(20.0, delta=1e-6)
    fields = {"aggregation": Masked(), "rounds": rounds, "noise": noise, **fields}
    return (computation or totals()).plan(parties=list(NAMES), **fields)


@pytest.fixture
def opened(tmp_path):
    ledgers = {name: Ledger.open(tmp_path / f"{name}.db") for name in NAMES}
    yield ledgers
    for ledger in ledgers.values():
        ledger.close()


@pytest.fixture
def accounts(opened):
    for ledger in opened.values():
        ledger.open_dataset("rows")
        ledger.cap("rows", Cap(epsilon=1.0, delta=1e-6, filter=Filter.GAUSSIAN))
    return {name: Account(ledger, "rows") for name, ledger in opened.items()}


def run(plan, accounts, computation=None, **settings):
    computation = computation or totals()
    return simulate(plan, settings.pop("data", ROWS), computation=computation, accounts=accounts,
                    **settings)  # fmt: skip


def mu(account):
    return account.ledger.spent("rows").mu


class TestSumsWithoutNoise:
    """They have no ε: the ledger records over whom they were, if its owner says so."""

    plan = plan_of(noise=NoNoise(), crowd=FixedCrowd(), rounds=2)

    @pytest.fixture
    def kept(self, opened):
        for ledger in opened.values():
            ledger.open_dataset("rows")
            ledger.open_dataset("copy", parent="rows")
        return {name: Account(ledger, "rows", charged=False) for name, ledger in opened.items()}

    def test_are_recorded_and_opened_once(self, kept):
        run(self.plan, kept)
        for account in kept.values():
            assert [sums.parties for sums in account.ledger.opened_sums("rows")] == [4]
            assert account.ledger.charges() == ()
        with pytest.raises(ProtocolError, match="each round is opened only once"):
            run(self.plan, kept)

    def test_of_a_later_plan_keep_the_crowd(self, kept):
        run(self.plan, kept)
        run(replace(self.plan, name="again"), kept)
        fewer = list(NAMES[:3])
        smaller = totals().plan(parties=fewer, aggregation=Masked(), rounds=1, name="fewer")
        for dataset in ("rows", "copy"):  # A copy has no crowd of its own.
            accounts = {n: replace(kept[n], dataset=dataset) for n in fewer}
            with pytest.raises(OpeningError, match="0 joined and 1 left"):
                run(smaller, accounts, data={n: ROWS[n] for n in fewer})

    @pytest.mark.parametrize("dataset", ["rows", "copy"])
    def test_are_refused_where_a_cap_would_be_broken(self, kept, dataset):
        kept["ash"].ledger.cap(dataset, Cap(epsilon=1.0, delta=1e-6))
        with pytest.raises(PrivacyBudgetError, match=f"dataset {dataset!r} has caps"):
            run(self.plan, kept)
        assert not any(account.ledger.opened_sums("rows") for account in kept.values())

    def test_are_the_only_ones_that_cost_nothing(self, kept):
        with pytest.raises(PlanError, match="adds noise, so that its sums have an ε: charge them"):
            run(plan_of(), kept)


class TestCharge:
    def test_is_what_the_plan_states_for_its_strongest_observers(self, accounts):
        plan = plan_of()
        run(plan, accounts)
        for account in accounts.values():
            assert mu(account) == pytest.approx(statement(plan).mu, rel=1e-6)
            (charge,) = account.ledger.charges()
            assert charge.fact.plan_hash == plan.hash
            assert charge.closed == "committed"

    def test_names_all_others_as_observers(self, accounts):
        run(plan_of(), accounts)
        (charge,) = accounts["ash"].ledger.charges()
        assert set(charge.fact.observers) == {"birch", "cedar", "dogwood", "coordinator"}

    def test_stands_before_anything_is_computed(self, accounts):
        seen = []

        def watching(state, data, rng):
            seen.append([mu(account) for account in accounts.values()])
            return {"total": data["x"]}

        computation = totals(watching)
        plan = plan_of(computation)
        run(plan, accounts, computation)
        assert all(charged == pytest.approx(statement(plan).mu) for row in seen for charged in row)

    def test_is_of_the_rounds_that_a_party_contributed_to(self, accounts):
        plan = plan_of(dropouts=1)
        run(plan, accounts, drops=[Drop("birch", 1, 3)])
        used = {n: a.ledger.charges()[0].used for n, a in accounts.items()}
        assert used == {"ash": 5, "birch": 2, "cedar": 5, "dogwood": 5}
        assert mu(accounts["birch"]) == pytest.approx(statement(plan).mu * np.sqrt(2 / 5), rel=1e-6)

    def test_is_of_a_replaced_record_at_a_party_that_fills_its_capacity(self, accounts):
        plan = plan_of()
        run(plan, accounts, data={**ROWS, "ash": {"x": np.full(50, 0.1)}})
        assert mu(accounts["ash"]) == pytest.approx(statement(plan, at_capacity=True).mu, rel=1e-6)
        assert mu(accounts["ash"]) > 1.9 * mu(accounts["birch"])

    def test_of_a_sampled_plan_is_in_renyi_units(self, opened):
        plan = plan_of(noise=NoiseShares(5.0, delta=1e-6), sampling=PoissonSampling(0.1))
        ash = opened["ash"]
        ash.open_dataset("rows")
        ash.cap("rows", Cap(epsilon=3.0, delta=1e-6))
        run(plan, {"ash": Account(ash, "rows")})
        exact = statement(plan).epsilon
        assert exact < ash.spent("rows", delta=1e-6).renyi_epsilon < 3.0

    def test_of_a_sampled_plan_that_fills_the_capacity_is_refused(self, accounts):
        plan = plan_of(sampling=PoissonSampling(0.1))
        with pytest.raises(DataError, match="rows fill the capacity"):
            run(plan, accounts, data={**ROWS, "ash": {"x": np.full(50, 0.1)}})


class TestRefusal:
    def test_of_one_ledger_computes_nothing_and_charges_nobody(self, accounts):
        seen = []

        def watching(state, data, rng):
            seen.append(1)
            return {"total": data["x"]}

        computation = totals(watching)
        accounts["cedar"].ledger.cap("rows", Cap(epsilon=0.01, delta=1e-6, filter=Filter.GAUSSIAN))
        with pytest.raises(PrivacyBudgetError, match="Nothing was charged"):
            run(plan_of(computation), accounts, computation)
        assert seen == []
        assert [mu(account) for account in accounts.values()] == [0, 0, 0, 0]

    def test_comes_when_the_cap_is_reached(self, accounts):
        plan = plan_of()
        fitting = int((_mu_cap() / statement(plan).mu) ** 2)
        for seed in range(fitting):
            run(plan_of(seed=seed), accounts)
        spent = [mu(account) for account in accounts.values()]
        with pytest.raises(PrivacyBudgetError):
            run(plan_of(seed=fitting), accounts)
        assert [mu(account) for account in accounts.values()] == spent

    @pytest.mark.parametrize(
        "noise", [NoNoise(), CentralNoise(20.0, delta=1e-6)], ids=["none", "central"]
    )
    def test_of_sums_that_somebody_corrupt_sees_exactly(self, accounts, noise):
        with pytest.raises(PrivacyBudgetError, match="They have no ε, so no cap of"):
            run(plan_of(noise=noise, rounds=1), accounts)
        assert [mu(account) for account in accounts.values()] == [0, 0, 0, 0]

    def test_is_not_for_noise_of_a_coordinator_that_is_trusted(self, accounts):
        plan = plan_of(noise=CentralNoise(20.0, delta=1e-6), threat=HONEST)
        run(plan, accounts)
        assert mu(accounts["ash"]) == pytest.approx(statement(plan).mu, rel=1e-6)
        assert "coordinator" not in accounts["ash"].ledger.charges()[0].fact.observers

    def test_of_a_relation_that_the_plan_does_not_bound(self, opened):
        for ledger in opened.values():
            ledger.open_dataset("rows", relation=Relation.ADD_OR_REMOVE_ONE)
            ledger.cap("rows", Cap(epsilon=5.0, delta=1e-6))
        accounts = {name: Account(ledger, "rows") for name, ledger in opened.items()}
        with pytest.raises(DataError, match="does not bound"):
            run(plan_of(neighbours=Neighbours(relation=Relation.REPLACE_ONE)), accounts)

    def test_of_accounts_of_strangers(self, accounts):
        with pytest.raises(DataError, match="an account of 'zelkova', who is not a party"):
            run(plan_of(), {"zelkova": accounts["ash"]})


class TestFailure:
    def test_keeps_what_began_and_gives_back_the_rest(self, accounts):
        calls = []

        def failing(state, data, rng):
            calls.append(1)
            if len(calls) > 9:
                raise RuntimeError("the machine is on fire")
            return {"total": data["x"]}

        computation = totals(failing)
        plan = plan_of(computation, dropouts=1)
        with pytest.raises(RuntimeError, match="on fire"):
            run(plan, accounts, computation, drops=[Drop("birch", 2, at="advertise")])
        used = {name: account.ledger.charges()[0].used for name, account in accounts.items()}
        assert used == {"ash": 3, "birch": 2, "cedar": 3, "dogwood": 3}

    def test_of_the_ledger_in_a_round_computes_nothing_more(self, accounts):
        calls = []

        def losing(state, data, rng):
            calls.append(1)
            if len(calls) == 4:
                accounts["ash"].ledger.close()
            return {"total": data["x"]}

        computation = totals(losing)
        with pytest.raises(LedgerError):
            run(plan_of(computation), accounts, computation)
        assert len(calls) == 4

    def test_is_resumed_on_what_was_reserved(self, accounts):
        """Two rounds began before the crash; the third is begun, and one is tried again."""
        plan, ash = plan_of(), accounts["ash"]
        crashed = ash.reserve(plan, "ash", at_capacity=False, rounds=5)
        crashed.use()
        crashed.use()
        again = ash.reserve(plan, "ash", at_capacity=False, rounds=3, resume=True)
        for _ in range(4):
            again.use()
        again.close()
        assert [charge.used for charge in ash.ledger.charges()] == [5, 1]

    def test_without_resuming_counts_in_full(self, accounts):
        plan, ash = plan_of(), accounts["ash"]
        ash.reserve(plan, "ash", at_capacity=False, rounds=5).use()
        assert mu(ash) == pytest.approx(statement(plan).mu)

    def test_between_two_runs_takes_up_the_reservation(self, accounts, tmp_path):
        plan, calls = plan_of(), []

        def stop(entry):
            calls.append(entry)
            if len(calls) == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(plan, accounts, checkpoint=tmp_path / "run", on_round=stop)
        run(plan, accounts, checkpoint=tmp_path / "run")
        for account in accounts.values():
            assert mu(account) == pytest.approx(statement(plan).mu, rel=1e-6)

    @pytest.mark.parametrize("writes", range(1, 12))
    def test_after_any_checkpoint_goes_on_with_what_no_party_began(
        self, accounts, tmp_path, monkeypatch, writes
    ):
        """The ledgers know later attempts than the checkpoint, which no party begins twice."""
        plan, written, write = plan_of(), [], Checkpoint.write

        def stopped(checkpoint, path):
            write(checkpoint, path)
            written.append(checkpoint)
            if len(written) == writes:
                raise KeyboardInterrupt

        monkeypatch.setattr(Checkpoint, "write", stopped)
        with pytest.raises(KeyboardInterrupt):
            run(plan, accounts, checkpoint=tmp_path / "run")
        finished = run(plan, accounts, checkpoint=tmp_path / "run")
        assert [entry["round"] for entry in finished.rounds] == list(range(5))
        for account in accounts.values():
            assert mu(account) >= 0.999 * statement(plan).mu

    @pytest.mark.parametrize("calls", [1, 6, 10, 20])
    def test_in_a_round_is_another_attempt_at_it(self, accounts, tmp_path, calls):
        seen = []

        def stopped(state, data, rng):
            seen.append(1)
            if len(seen) == calls:
                raise KeyboardInterrupt
            return {"total": data["x"]}

        computation = totals(stopped)
        plan = plan_of(computation)
        with pytest.raises(KeyboardInterrupt):
            run(plan, accounts, computation, checkpoint=tmp_path / "run")
        finished = run(plan, accounts, computation, checkpoint=tmp_path / "run")
        assert [entry["survivors"] for entry in finished.rounds] == [4] * 5


class TestGuarantee:
    def test_is_of_one_event_a_round(self):
        found = guarantee(plan_of())
        assert found.rounds == 5
        assert found.event.count == 5
        assert found.event.event == found.round_event

    def test_is_a_little_more_noise_than_the_multiplier_says(self):
        """Randomised rounding takes four squared steps of the variance."""
        plan = plan_of()
        effective = guarantee(plan).round_event.noise_multiplier
        assert 0.999 * 20 < effective < 20

    def test_of_nothing_is_refused(self):
        with pytest.raises(ValueError, match="guarantees nothing"):
            guarantee(plan_of(noise=NoNoise()))

    def test_without_any_honest_share_is_refused(self):
        plan = plan_of()
        with pytest.raises(ValueError, match="nobody's is left"):
            guarantee(plan, insiders=plan.min_survivors)


def _mu_cap():
    from confide.privacy.accounting.gaussian import mu_of

    return mu_of(1.0, 1e-6)
