"""What every ledger does, wherever it lies."""

import os
import threading
from datetime import UTC, datetime

import pytest
from tests.privacy.ledger.ledger_support import (
    NAMES,
    Curve,
    Gauss,
    Pure,
    gaussian_cap,
    opened,
    with_cap,
)

from confide.errors import DataError, LedgerError, PlanError, PrivacyBudgetError, VerificationError
from confide.plan import Relation, Unit
from confide.privacy.ledger import Cap, Filter, Period

PLAN = b"p" * 32


def at(year, month, day=1):
    return datetime(year, month, day, tzinfo=UTC).timestamp()


def pure(ledger, epsilon="0.5", dataset="loans", observers=NAMES, **options):
    return ledger.reserve(dataset, Pure(epsilon), observers=observers, **options)


def spent(ledger, dataset="loans", **options):
    return ledger.spent(dataset, **options).pure_epsilon


class TestTwoPhases:
    def test_a_reservation_counts_in_full_at_once_and_after_a_crash(self, where):
        with with_cap(where) as ledger:
            pure(ledger, "0.25", count=3)
            assert spent(ledger) == 0.75
        with opened(where) as again:
            assert spent(again) == 0.75
            assert again.spent("loans").open == 1
            with pytest.raises(PrivacyBudgetError, match=r"needs ε = 0\.5; 0\.25 of 1 are left"):
                pure(again)
            assert spent(again) == 0.75

    def test_a_commit_without_uses_counts_all_runs(self, where):
        with with_cap(where) as ledger:
            pure(ledger, "0.25", count=3).commit(b"d" * 32)
            assert spent(ledger) == 0.75
            assert ledger.charges()[0].release == b"d" * 32

    def test_a_commit_gives_back_the_runs_that_never_began(self, where):
        with with_cap(where) as ledger:
            reservation = pure(ledger, "0.25", count=3)
            assert (reservation.use(), reservation.left) == (1, 2)
            assert spent(ledger) == 0.75
            reservation.commit()
            assert (spent(ledger), reservation.left) == (0.25, 0)

    def test_only_as_many_runs_begin_as_were_reserved(self, where):
        with with_cap(where) as ledger:
            reservation = pure(ledger, "0.25", count=2)
            assert [reservation.use(), reservation.use()] == [1, 2]
            with pytest.raises(DataError, match="for 2 runs, and all have begun"):
                reservation.use()

    def test_what_was_cancelled_before_it_began_costs_nothing(self, where):
        with with_cap(where) as ledger:
            reservation = pure(ledger)
            reservation.cancel()
            assert spent(ledger) == 0
            for again in (reservation.use, reservation.cancel, reservation.commit):
                with pytest.raises(DataError, match="is cancelled; reserve again"):
                    again()

    def test_what_began_cannot_be_cancelled(self, where):
        with with_cap(where) as ledger:
            reservation = pure(ledger)
            reservation.use()
            with pytest.raises(DataError, match=r"1 runs of .* have begun; commit it"):
                reservation.cancel()

    def test_after_a_crash_it_goes_on_but_is_not_cancelled(self, where):
        with with_cap(where) as ledger:
            identity = pure(ledger, "0.25", count=3).identity
        with opened(where) as again:
            resumed = again.resume(identity)
            with pytest.raises(DataError, match="nobody knows whether something was computed"):
                resumed.cancel()
            assert resumed.use() == 1
            resumed.commit()
            assert spent(again) == 0.25
            with pytest.raises(DataError, match="is committed; reserve again"):
                again.resume(identity)

    def test_committing_twice_is_once_unless_the_release_differs(self, where):
        with with_cap(where) as ledger:
            reservation = pure(ledger)
            reservation.commit(b"d" * 32)
            reservation.commit(b"d" * 32)
            with pytest.raises(DataError, match="is committed"):
                reservation.commit(b"e" * 32)
            assert len([e for e in ledger.entries() if e.kind == "committed"]) == 1

    def test_a_reservation_left_by_an_error_counts(self, where):
        with with_cap(where) as ledger:
            with pytest.raises(ZeroDivisionError):
                _ = pure(ledger) and 1 / 0
            assert spent(ledger) == 0.5


class TestCaps:
    def test_hold_to_nine_digits_what_they_say(self, where):
        with with_cap(where) as ledger:
            pure(ledger, "0.1").commit()
            pure(ledger, "0.9").commit()
            with pytest.raises(PrivacyBudgetError):
                pure(ledger, "0.00000001")

    def test_a_charge_that_no_cap_counts_is_refused(self, where):
        with opened(where) as ledger:
            ledger.open_dataset("loans")
            with pytest.raises(
                PrivacyBudgetError, match="no cap of dataset 'loans' counts what bank"
            ):
                pure(ledger)
            ledger.cap("loans", Cap(epsilon=1, delta=0, observers=frozenset({"insurer"})))
            with pytest.raises(
                PrivacyBudgetError, match="no cap of dataset 'loans' counts what bank"
            ):
                pure(ledger)
            pure(ledger, observers={"bank", "insurer"})

    def test_of_a_coalition_count_what_any_of_it_sees(self, where):
        with with_cap(where, Cap(epsilon=10, delta=0)) as ledger:
            ledger.cap("loans", Cap(epsilon=1, delta=0, observers=frozenset({"bank", "insurer"})))
            pure(ledger, observers={"bank"})
            pure(ledger, observers={"insurer", "court"})
            with pytest.raises(PrivacyBudgetError, match="bank, insurer"):
                pure(ledger, "0.1", observers={"insurer"})
            pure(ledger, observers={"court"})
            assert spent(ledger) == 1.5
            assert spent(ledger, observers={"bank"}) == 0.5
            assert spent(ledger, observers={"bank", "court"}) == 1.5
            assert spent(ledger, observers={"nobody"}) == 0

    def test_of_a_period_start_anew_with_the_calendar(self, where):
        now = [at(2026, 1, 31)]
        with with_cap(where, Cap(epsilon=5, delta=0), clock=lambda: now[0]) as ledger:
            ledger.cap("loans", Cap(epsilon=1, delta=0, period=Period.MONTH))
            ledger.cap("loans", Cap(epsilon=1.5, delta=0, period=Period.YEAR))
            pure(ledger, "1")
            with pytest.raises(PrivacyBudgetError, match="each month"):
                pure(ledger, "0.1")
            now[0] = at(2026, 2)
            pure(ledger, "0.5")
            with pytest.raises(PrivacyBudgetError, match="each year"):
                pure(ledger, "0.1")
            now[0] = at(2027, 2)
            pure(ledger, "1")
            assert spent(ledger) == 2.5
            assert spent(ledger, period=Period.YEAR) == 1

    def test_a_clock_that_is_set_back_refills_nothing(self, where):
        now = [at(2026, 2)]
        cap = Cap(epsilon=1, delta=0, period=Period.MONTH)
        with with_cap(where, cap, clock=lambda: now[0]) as ledger:
            pure(ledger, "1")
            now[0] = at(2026, 1)
            with pytest.raises(PrivacyBudgetError):
                pure(ledger, "0.1")

    def test_are_replaced_by_a_cap_on_the_same(self, where):
        with with_cap(where) as ledger:
            ledger.cap("loans", Cap(epsilon=0.25, delta=0))
            with pytest.raises(PrivacyBudgetError):
                pure(ledger)
            assert [cap.epsilon for cap in ledger.caps("loans")] == [0.25]

    def test_below_what_was_spent_leave_nothing(self, where):
        with with_cap(where) as ledger:
            pure(ledger)
            ledger.cap("loans", Cap(epsilon=0.25, delta=0))
            (left,) = ledger.remaining("loans")
            assert (left.fraction, left.mu) == (0, 0)
            with pytest.raises(PrivacyBudgetError):
                pure(ledger, "0.001")

    def test_of_another_filter_replace_those_on_the_same(self, where):
        with with_cap(where, gaussian_cap(1.0)) as ledger:
            ledger.reserve("loans", Gauss(0.6), observers=NAMES)
            ledger.reserve("loans", Gauss(0.79), observers=NAMES)
            with pytest.raises(
                PrivacyBudgetError, match=r"left of μ², and this charge takes 0\.04"
            ):
                ledger.reserve("loans", Gauss(0.2), observers=NAMES)
            with pytest.raises(PrivacyBudgetError, match="counts only exactly Gaussian events"):
                pure(ledger, "0.001")
            ledger.cap("loans", Cap(epsilon=100, delta=1e-6))
            assert [cap.filter for cap in ledger.caps("loans")] == [Filter.RENYI]
            kinds = [entry.kind for entry in ledger.entries()]
            assert kinds[-2:] == ["uncapped", "limited"]
            pure(ledger, "0.001")
        with opened(where) as again:
            assert [cap.epsilon for cap in again.caps("loans")] == [100]
            again.verify()

    def test_that_are_removed_bind_no_more_and_what_was_charged_stays(self, where):
        with with_cap(where) as ledger:
            ledger.cap("loans", Cap(epsilon=0.5, delta=0, period=Period.YEAR))
            pure(ledger)
            ledger.uncap("loans", period=Period.YEAR)
            pure(ledger, "0.25")
            ledger.uncap("loans")
            with pytest.raises(PrivacyBudgetError, match="no cap of dataset 'loans' counts"):
                pure(ledger, "0.1")
            with pytest.raises(DataError, match=r"no cap on these observers.*it has: none"):
                ledger.uncap("loans")
            ledger.cap("loans", Cap(epsilon=1, delta=0))
            with pytest.raises(PrivacyBudgetError, match=r"needs ε = 0\.5; 0\.25 of 1 are left"):
                pure(ledger)
        with opened(where) as again:
            assert spent(again) == 0.75
            again.verify()

    def test_gaussian_after_something_else_was_charged_are_refused(self, where):
        with with_cap(where) as ledger:
            pure(ledger)
            with pytest.raises(PlanError, match="charged for events that it cannot count"):
                ledger.cap("loans", gaussian_cap(1.0))

    def test_set_delta_aside_for_events_that_have_one(self, where):
        cap = Cap(epsilon=5, delta=1e-6, approximate_delta=1e-7)
        with with_cap(where, cap) as ledger:
            pure(ledger, delta=6e-8)
            with pytest.raises(
                PrivacyBudgetError, match="needs a δ of its own of 6e-08, and 4e-08 are left"
            ):
                pure(ledger, delta=6e-8)
            assert ledger.spent("loans").approximate_delta == 6e-8

    def test_what_no_filter_counts_is_refused(self, where):
        with with_cap(where, Cap(epsilon=100, delta=1e-6)) as ledger:
            with pytest.raises(PrivacyBudgetError, match="no ε bounds this release"):
                ledger.reserve("loans", Curve(0.1, highest=0), observers=NAMES)
            assert ledger.spent("loans").charges == 0


class TestDatasets:
    def test_declared_again_keep_their_losses(self, where):
        with with_cap(where) as ledger:
            pure(ledger)
            ledger.open_dataset("loans")
            assert spent(ledger) == 0.5

    @pytest.mark.parametrize(
        "other", [{"unit": Unit.PERSON}, {"relation": Relation.REPLACE_ONE}, {"fresh": False}]
    )
    def test_cannot_be_declared_otherwise(self, where, other):
        with with_cap(where) as ledger:
            ledger.open_dataset("old", fresh=True)
            with pytest.raises(DataError, match="exists already"):
                ledger.open_dataset("loans", **{"parent": "old", **other})

    def test_a_second_one_says_where_it_is_from(self, where):
        with with_cap(where) as ledger:
            with pytest.raises(DataError, match="or declare it fresh"):
                ledger.open_dataset("copy of loans")
            with pytest.raises(DataError, match="it is one of them"):
                ledger.open_dataset("copy", parent="loans", fresh=True)
            with pytest.raises(DataError, match="no dataset 'lons' in this ledger; it has: loans"):
                ledger.open_dataset("copy", parent="lons")

    def test_a_copy_has_no_budget_of_its_own(self, where):
        with with_cap(where) as ledger:
            ledger.open_dataset("copy", parent="loans")
            ledger.open_dataset("copy of copy", parent="copy")
            ledger.cap("copy of copy", Cap(epsilon=100, delta=0))
            pure(ledger, dataset="copy of copy")
            pure(ledger, dataset="copy")
            assert [spent(ledger, d) for d in ("loans", "copy", "copy of copy")] == [1, 1, 0.5]
            with pytest.raises(PrivacyBudgetError, match="dataset 'loans' has a cap"):
                pure(ledger, "0.1", dataset="copy of copy")

    def test_charges_for_other_units_are_refused(self, where):
        with with_cap(where, unit=Unit.PERSON) as ledger:
            with pytest.raises(DataError, match=r"per record .* protects each person"):
                pure(ledger, unit=Unit.RECORD)
            pure(ledger, unit=Unit.PARTY, relation=Relation.REPLACE_ONE)
            assert spent(ledger) == 0.5

    def test_replacing_is_charged_as_leaving_and_coming(self, where):
        with with_cap(where, relation=Relation.REPLACE_ONE) as ledger:
            pure(ledger, "0.25")
            pure(ledger, "0.25", relation=Relation.ADD_OR_REMOVE_ONE)
            assert spent(ledger) == 0.75

    def test_a_parents_relation_decides_what_a_childs_charge_costs_it(self, where):
        with with_cap(where, relation=Relation.REPLACE_ONE) as ledger:
            ledger.open_dataset("copy", parent="loans")
            pure(ledger, "0.25", dataset="copy")
            assert (spent(ledger), spent(ledger, "copy")) == (0.5, 0.25)


class TestPartitions:
    def test_cost_the_highest_cell(self, where):
        with with_cap(where) as ledger:
            north, south = ledger.partition("loans", "region", ["north", "south"])
            assert north == "loans/region=north"
            pure(ledger, "0.75", dataset=north)
            pure(ledger, "0.5", dataset=south)
            assert spent(ledger) == 0.75
            pure(ledger, "0.25")
            with pytest.raises(PrivacyBudgetError):
                pure(ledger, "0.1", dataset=north)
            pure(ledger, "0.25", dataset=south)
            assert spent(ledger) == 1

    def test_of_one_dataset_by_two_columns_add_up(self, where):
        with with_cap(where) as ledger:
            (north,) = ledger.partition("loans", "region", ["north"])
            (old,) = ledger.partition("loans", "age", ["old"])
            pure(ledger, dataset=north)
            pure(ledger, dataset=old)
            assert spent(ledger) == 1

    def test_where_a_record_is_replaced_cost_two_steps_of_the_highest_cell(self, where):
        with with_cap(where, relation=Relation.REPLACE_ONE) as ledger:
            north, south = ledger.partition("loans", "region", ["north", "south"])
            pure(ledger, "0.25", dataset=north)
            pure(ledger, "0.375", dataset=south)
            assert spent(ledger) == 0.75
            with pytest.raises(DataError, match="does not bound"):
                pure(ledger, "0.1", dataset=north, relation=Relation.REPLACE_ONE)

    def test_are_refused_without_proof_that_cells_are_disjoint(self, where):
        error = pytest.raises(DataError, match="only records lie in one each")
        with with_cap(where, unit=Unit.PERSON) as ledger, error:
            ledger.partition("loans", "region", ["north"])

    def test_are_fixed_once(self, where):
        with with_cap(where) as ledger:
            cells = ledger.partition("loans", "region", ["north", "south"])
            assert ledger.partition("loans", "region", ["north", "south"]) == cells
            with pytest.raises(DataError, match="is cut by 'region' already"):
                ledger.partition("loans", "region", ["north", "south", "east"])
            with pytest.raises(DataError, match="named once"):
                ledger.partition("loans", "age", ["old", "old"])
            with pytest.raises(DataError, match="exists already"):
                ledger.open_dataset(cells[0], fresh=True)


class TestReplay:
    def question(self, ledger, **other):
        given = {"observers": NAMES, "data_digest": b"s" * 32, "plan_hash": PLAN, "round_number": 1}
        return ledger.question("loans", Pure("0.5"), **{**given, **other})

    def test_the_same_question_is_answered_again_for_free(self, where):
        with with_cap(where) as ledger:
            question = self.question(ledger)
            assert ledger.released(question) is None
            pure(ledger, plan_hash=PLAN).commit(question=question, answer=b"42")
            assert ledger.released(question) == b"42"
        with opened(where) as again:
            assert again.released(self.question(again)) == b"42"
            assert spent(again) == 0.5
            again.verify()

    @pytest.mark.parametrize(
        "other",
        [
            {"observers": {"bank", "insurer"}},
            {"data_digest": b"t" * 32},
            {"plan_hash": b"q" * 32},
            {"round_number": 2},
        ],
        ids=lambda other: next(iter(other)),
    )
    def test_another_one_is_not(self, where, other):
        with with_cap(where) as ledger:
            question = self.question(ledger)
            pure(ledger, plan_hash=PLAN).commit(question=question, answer=b"42")
            assert ledger.released(self.question(ledger, **other)) is None

    def test_an_answer_is_kept_only_for_what_was_charged(self, where):
        with with_cap(where) as ledger:
            dearer = self.question(ledger, observers={"bank", "insurer"})
            with pytest.raises(DataError, match="its answer is not kept"):
                pure(ledger, plan_hash=PLAN).commit(question=dearer, answer=b"42")
            assert ledger.released(dearer) is None
            assert spent(ledger) == 0.5

    def test_the_first_answer_stays(self, where):
        with with_cap(where) as ledger:
            question = self.question(ledger)
            two = [pure(ledger, plan_hash=PLAN), pure(ledger, plan_hash=PLAN)]
            two[0].commit(question=question, answer=b"42")
            two[1].commit(question=question, answer=b"43")
            assert ledger.released(question) == b"42"
            ledger.verify()

    def test_answers_too_large_or_of_another_digest_are_refused(self, where, monkeypatch):
        monkeypatch.setattr("confide.privacy.ledger.reservation.MAX_ANSWER_BYTES", 3)
        with with_cap(where) as ledger:
            question, reservation = self.question(ledger), pure(ledger, plan_hash=PLAN)
            with pytest.raises(DataError, match=r"at most 3 are kept. Commit its digest alone"):
                reservation.commit(question=question, answer=b"1234")
            with pytest.raises(DataError, match="not that of the answer"):
                reservation.commit(b"x" * 32, question=question, answer=b"1")
            with pytest.raises(DataError, match="give both or none"):
                reservation.commit(answer=b"1")
            assert spent(ledger) == 0.5


class TestBadInput:
    @pytest.mark.parametrize("count", [0, -1, 2**32 + 1, 1.5, True, float("nan"), "2"])
    def test_counts(self, tmp_path, count):
        with with_cap(tmp_path / "l.db") as ledger:
            with pytest.raises(DataError, match="runs; it is a whole number from 1"):
                pure(ledger, count=count)
            assert ledger.charges() == ()

    @pytest.mark.parametrize(
        ("options", "error", "message"),
        [
            ({"observers": ()}, DataError, "name who sees the answer"),
            ({"observers": "bank"}, DataError, "give a set of names"),
            ({"observers": [""]}, DataError, "an observer named ''"),
            ({"dataset": "lons"}, DataError, "no dataset 'lons' in this ledger; it has: loans"),
            ({"plan_hash": b"x"}, DataError, "a plan hash of 1 bytes"),
            ({"meaning": "m" * 2001}, DataError, "2,001 characters"),
            ({"delta": 1.0}, PlanError, "below 1"),
            ({"delta": float("nan")}, PlanError, "below 1"),
            ({"closeness": -1e-9}, PlanError, "at least 0"),
        ],
    )
    def test_charges(self, tmp_path, options, error, message):
        with with_cap(tmp_path / "l.db") as ledger:
            with pytest.raises(error, match=message):
                pure(ledger, **options)
            assert ledger.charges() == ()

    @pytest.mark.parametrize("name", ["", " loans", "a\nb", "x" * 201, "\u202eloans"])
    def test_names(self, tmp_path, name):
        with opened(tmp_path / "l.db") as ledger, pytest.raises(DataError, match="printable"):
            ledger.open_dataset(name)


class TestTogether:
    def test_two_handles_see_each_others_charges(self, where):
        with with_cap(where) as one, opened(where) as other:
            pure(one)
            pure(other)
            assert spent(one) == spent(other) == 1
            with pytest.raises(PrivacyBudgetError):
                pure(one, "0.1")
            assert one.head() == other.head()

    def test_threads_share_a_handle(self, where):
        refused: list[PrivacyBudgetError] = []

        def charge():
            try:
                pure(ledger, "0.1").commit()
            except PrivacyBudgetError as error:
                refused.append(error)

        with with_cap(where) as ledger:
            threads = [threading.Thread(target=charge) for _ in range(12)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert (spent(ledger), len(refused)) == (1, 2)
            ledger.verify()

    def test_a_handle_does_not_pass_to_another_process(self, where, monkeypatch):
        with with_cap(where) as ledger:
            monkeypatch.setattr(os, "getpid", lambda: 1)
            with pytest.raises(LedgerError, match="made by another process"):
                pure(ledger)
            monkeypatch.undo()

    def test_a_closed_handle_does_nothing(self, where):
        with with_cap(where) as ledger:
            reservation = pure(ledger)
        for late in (reservation.commit, reservation.use, ledger.head, lambda: pure(ledger)):
            with pytest.raises(LedgerError, match="was closed; open it again"):
                late()

    def test_an_entry_that_vanishes_while_it_is_open_is_missed(self, where):
        with with_cap(where) as ledger, opened(where) as other:
            pure(ledger)
            with other._journal._store.transaction(write=True) as rows:
                rows._connection.exec_driver_sql(
                    "DELETE FROM confide_ledger_entries WHERE number = 4"
                )
            with pytest.raises(VerificationError, match="entry 4 of the ledger is gone"):
                pure(ledger)


def test_remaining_names_the_gaussian_event_that_still_fits(tmp_path):
    with with_cap(tmp_path / "l.db", gaussian_cap(1.0)) as ledger:
        ledger.reserve("loans", Gauss(0.8), observers=NAMES)
        (left,) = ledger.remaining("loans")
        assert left.order is None
        assert left.mu == pytest.approx(0.6, abs=1e-4)
        assert left.fraction == pytest.approx(0.36, abs=1e-4)
        ledger.reserve("loans", Gauss(left.mu * 0.999), observers=NAMES)


def test_spent_converts_every_total(tmp_path):
    with with_cap(tmp_path / "l.db", Cap(epsilon=9, delta=1e-6)) as ledger:
        ledger.reserve("loans", Gauss(0.6), observers=NAMES)
        ledger.reserve("loans", Gauss(0.8), observers=NAMES)
        lost = ledger.spent("loans", delta=1e-6)
        assert lost.mu == pytest.approx(1.0, rel=1e-9)
        assert lost.pure_epsilon == float("inf")
        assert 4.89 < lost.renyi_epsilon < 6.5  # 4.886 is exact for μ = 1
        with pytest.raises(PlanError, match="between 0 and 1"):
            ledger.spent("loans", delta=0.0)


def test_the_default_filter_is_for_everything():
    assert Cap(epsilon=1, delta=1e-6).filter is Filter.RENYI
