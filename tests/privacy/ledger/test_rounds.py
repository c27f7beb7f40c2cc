"""Rounds and openings: what a party must not forget, and the attack that forgetting allows."""

import hashlib
import shutil
from dataclasses import replace

import pytest
from tests.privacy.ledger.ledger_support import NAMES, Pure, opened, with_cap
from tests.privacy.ledger.test_ledger_tampering import run

from confide.errors import DataError, OpeningError, ProtocolError, VerificationError
from confide.privacy.ledger.entries import Claimed, Consented, Gathered, chained
from confide.privacy.ledger.rounds import Crowd, gathered
from confide.privacy.ledger.state import State

PLAN, OTHER = b"p" * 32, b"o" * 32
FIVE = range(5)


def crowd_of(parties):
    """Fingerprints of parties that are named by numbers."""
    return frozenset(hashlib.sha256(b"key %d" % party).hexdigest() for party in parties)


def bits(parties):
    value = sum(1 << party for party in parties)
    return value.to_bytes(-(-value.bit_length() // 8), "little")


def open_sum(ledger, plan=PLAN, number=0, parties=FIVE, *, exact=True, datasets=("loans",)):
    """Takes part in a round and helps to open its sum."""
    ledger.claim(plan, number, 0)
    consent(ledger, plan, number, parties, exact=exact, datasets=datasets)


def consent(ledger, plan, number, parties, *, attempt=0, exact=True, datasets=("loans",)):
    ledger.consent(
        plan, number, attempt, survivors=bits(parties), crowd=crowd_of(parties), exact=exact,
        datasets=datasets,
    )  # fmt: skip


@pytest.fixture
def ledger(where):
    with opened(where) as made:
        made.open_dataset("loans")
        yield made


class TestRounds:
    def test_go_up_only(self, ledger):
        ledger.claim(PLAN, 0, 0)
        ledger.claim(PLAN, 0, 2)
        for number, attempt in ((0, 2), (0, 1), (0, 0)):
            with pytest.raises(ProtocolError, match="a replay"):
                ledger.claim(PLAN, number, attempt)
        ledger.claim(PLAN, 2, 0)
        with pytest.raises(ProtocolError, match="a replay"):
            ledger.claim(PLAN, 1, 0)
        ledger.claim(OTHER, 0, 0)

    def test_are_consented_to_once_at_the_latest_attempt(self, ledger):
        ledger.claim(PLAN, 0, 0)
        ledger.claim(PLAN, 0, 1)
        with pytest.raises(ProtocolError, match="not the attempt"):
            consent(ledger, PLAN, 0, FIVE)
        consent(ledger, PLAN, 0, FIVE, attempt=1)
        with pytest.raises(ProtocolError, match="not the attempt"):
            consent(ledger, PLAN, 0, FIVE, attempt=1)
        with pytest.raises(ProtocolError, match="is used up"):
            ledger.claim(PLAN, 0, 2)
        ledger.claim(PLAN, 1, 0)

    def test_that_were_not_claimed_are_not_consented_to(self, ledger):
        with pytest.raises(ProtocolError, match="not the attempt"):
            consent(ledger, PLAN, 0, FIVE)
        assert ledger.openings(PLAN) == ()

    def test_are_remembered_with_their_survivors(self, ledger, where):
        open_sum(ledger)
        open_sum(ledger, number=3, parties=(0, 1, 3))
        found = ((0, 0, b"\x1f"), (3, 0, b"\x0b"))
        assert ledger.openings(PLAN) == found
        assert ledger.openings(OTHER) == ()
        with opened(where) as again:
            assert again.openings(PLAN) == found
            again.verify()

    def test_of_another_register_begin_with_no_answers(self, ledger):
        ledger.claim(PLAN, 0, 0)
        ledger.answered(PLAN, 0, 0, step=0, digest=b"1" * 32)
        ledger.import_rounds({PLAN: [(1, 0, False)]})
        ledger.answered(PLAN, 1, 0, step=0, digest=b"2" * 32)
        with pytest.raises(ProtocolError, match="another announcement or answer"):
            ledger.answered(PLAN, 1, 0, step=0, digest=b"1" * 32)
        ledger.verify()

    def test_of_a_hundred_thousand_parties_fit(self, ledger):
        """3.2 MB of fingerprints, once; each round then takes a bit for each party."""
        everybody = frozenset(f"{party:064x}" for party in range(100_000))
        for number in range(2):
            ledger.claim(PLAN, number, 0)
            ledger.consent(
                PLAN, number, 0, survivors=b"\xff" * 12_500, crowd=everybody, exact=True,
                datasets=["loans"],
            )  # fmt: skip
        kinds = [entry.kind for entry in ledger.entries()]
        assert (kinds.count("gathered"), kinds.count("consented")) == (7, 2)
        (crowd,) = ledger.crowds("loans")
        same = crowd.members == everybody
        assert (crowd.plan_hash, crowd.openings, same) == (PLAN, 2, True)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"survivors": b"\x0f"}, "4 survivors in 1 bytes and a crowd of 5"),
            ({"survivors": b"\x00", "crowd": frozenset()}, "0 survivors in 1 bytes"),
            ({"crowd": frozenset(["alder"])}, "a party's fingerprint 'alder'"),
            ({"datasets": ["homes"]}, "no dataset 'homes'"),
            ({"number": -1}, "round -1"),
            ({"attempt": True}, "attempt True"),
            ({"plan_hash": b"p"}, "a plan hash of 1 bytes"),
        ],
    )
    def test_with_malformed_arguments_change_nothing(self, ledger, change, message):
        ledger.claim(PLAN, 0, 0)
        before = ledger.position()
        arguments = {
            "plan_hash": PLAN, "number": 0, "attempt": 0, "survivors": bits(FIVE),
            "crowd": crowd_of(FIVE), "exact": True, "datasets": ["loans"], **change,
        }  # fmt: skip
        with pytest.raises(DataError, match=message):
            ledger.consent(**arguments)
        assert ledger.position() == before


class TestTheDifferenceOfTwoPlans:
    """Two exact sums over one dataset, whose parties differ by one: the difference is hers."""

    def test_is_refused_for_a_party_that_left(self, ledger):
        open_sum(ledger)
        ledger.claim(OTHER, 0, 0)
        with pytest.raises(OpeningError, match="over 5 parties; in this one 0 joined and 1 left"):
            consent(ledger, OTHER, 0, FIVE[:-1])
        assert ledger.openings(OTHER) == ()

    def test_is_refused_for_a_party_that_joined(self, ledger):
        open_sum(ledger)
        ledger.claim(OTHER, 0, 0)
        error = "dataset 'loans', was in exact sums of plan 7070707070707070 .* 1 joined and 0 left"
        with pytest.raises(OpeningError, match=error):
            consent(ledger, OTHER, 0, range(6))

    def test_is_refused_before_the_run(self, ledger):
        ledger.check_crowd(["loans"], crowd_of(FIVE), PLAN)
        open_sum(ledger)
        before = ledger.position()
        ledger.check_crowd(["loans"], crowd_of(FIVE), OTHER)
        ledger.check_crowd(["loans"], crowd_of(range(4)), PLAN)
        with pytest.raises(OpeningError, match="0 joined and 1 left"):
            ledger.check_crowd(["loans"], crowd_of(range(4)), OTHER)
        with pytest.raises(DataError, match="no dataset 'homes'"):
            ledger.check_crowd(["homes"], crowd_of(FIVE), OTHER)
        assert ledger.position() == before

    def test_is_refused_although_a_round_between_had_the_same_crowd(self, ledger):
        open_sum(ledger)
        open_sum(ledger, number=1, parties=range(4))
        ledger.claim(OTHER, 0, 0)
        for parties in (FIVE, range(4)):
            with pytest.raises(OpeningError):
                consent(ledger, OTHER, 0, parties)

    def test_is_nothing_over_the_same_crowd(self, ledger):
        open_sum(ledger)
        open_sum(ledger, plan=OTHER)
        open_sum(ledger, plan=OTHER, number=1)
        assert ledger.crowds("loans") == (
            Crowd(PLAN, crowd_of(FIVE), 1),
            Crowd(OTHER, crowd_of(FIVE), 2),
        )
        ledger.verify()

    def test_is_hidden_by_noise_that_covers_a_party(self, ledger):
        open_sum(ledger, exact=False)
        open_sum(ledger, plan=OTHER, parties=range(4))
        open_sum(ledger, plan=b"q" * 32, parties=range(3), exact=False)
        assert ledger.crowds("loans") == (Crowd(OTHER, crowd_of(range(4)), 1),)
        ledger.verify()

    def test_is_nothing_for_another_dataset(self, ledger):
        ledger.open_dataset("homes", fresh=True)
        open_sum(ledger)
        open_sum(ledger, plan=OTHER, parties=range(4), datasets=["homes"])
        ledger.verify()

    def test_within_a_plan_is_for_the_session_to_refuse(self, ledger):
        """It knows the plan's ownership groups and colluders; here every set is kept for it."""
        open_sum(ledger)
        open_sum(ledger, number=1, parties=range(4))
        assert [survivors for _, _, survivors in ledger.openings(PLAN)] == [b"\x1f", b"\x0f"]

    def test_is_refused_over_a_copy_of_the_dataset(self, ledger):
        ledger.open_dataset("copy", parent="loans")
        ledger.open_dataset("other copy", parent="loans")
        open_sum(ledger, datasets=["copy"])
        ledger.claim(OTHER, 0, 0)
        for dataset in ("copy", "loans", "other copy"):
            with pytest.raises(OpeningError, match=f"dataset '{dataset}'"):
                consent(ledger, OTHER, 0, range(4), datasets=[dataset])

    def test_is_nothing_over_cells_that_share_no_row(self, ledger):
        north, south = ledger.partition("loans", "region", ["north", "south"])
        old, _ = ledger.partition("loans", "age", ["old", "young"])
        ledger.open_dataset("northern copy", parent=north)
        open_sum(ledger, datasets=["northern copy"])
        open_sum(ledger, plan=OTHER, parties=range(4), datasets=[south])
        ledger.claim(b"q" * 32, 0, 0)
        for dataset in (north, old, "loans"):
            with pytest.raises(OpeningError, match="shares rows with"):
                consent(ledger, b"q" * 32, 0, range(3), datasets=[dataset])

    def test_cannot_be_ruled_out_if_a_crowd_is_not_known(self, ledger):
        ledger.claim(PLAN, 0, 0)
        ledger.consent(PLAN, 0, 0, survivors=b"", crowd=frozenset(), exact=True, datasets=["loans"])
        ledger.claim(OTHER, 0, 0)
        with pytest.raises(OpeningError, match="not known which parties were in them"):
            consent(ledger, OTHER, 0, FIVE)
        ledger.claim(PLAN, 1, 0)
        with pytest.raises(OpeningError, match="does not know over which parties"):
            consent(ledger, PLAN, 1, FIVE)
        consent(ledger, PLAN, 1, FIVE, exact=False)

    def test_cannot_be_ruled_out_for_a_crowd_that_will_not_be_known(self, ledger):
        open_sum(ledger)
        ledger.claim(OTHER, 0, 0)
        with pytest.raises(OpeningError, match="not known which parties will be in this one"):
            ledger.consent(
                OTHER, 0, 0, survivors=b"", crowd=frozenset(), exact=True, datasets=["loans"]
            )


class TestAnOpeningThatIsToBeForgotten:
    @pytest.fixture
    def where(self, tmp_path):
        return tmp_path / "ledger.db"

    def test_by_cutting_the_tail_is_found_by_a_head(self, ledger, where):
        open_sum(ledger)
        head = ledger.head()
        ledger.close()
        run(where, "DELETE FROM confide_ledger_entries WHERE number > 3")
        with opened(where) as again:
            assert again.openings(PLAN) == ()
            with pytest.raises(VerificationError, match="ends with entry 3, the head with entry 5"):
                again.verify(head)

    def test_by_a_restored_backup_is_found_by_a_head(self, ledger, where, tmp_path):
        ledger.claim(PLAN, 0, 0)
        ledger.close()
        shutil.copy(where, tmp_path / "backup.db")
        with opened(where) as used:
            consent(used, PLAN, 0, FIVE)
            head = used.head()
        shutil.copy(tmp_path / "backup.db", where)
        with opened(where) as restored:
            with pytest.raises(VerificationError, match="an older backup was restored"):
                restored.verify(head)
            consent(restored, PLAN, 0, range(4))
            with pytest.raises(VerificationError, match="continued from an older backup"):
                restored.verify(head)

    def test_by_a_copy_that_goes_its_own_way_is_found_by_a_head(self, ledger, where, tmp_path):
        ledger.claim(PLAN, 0, 0)
        ledger.close()
        shutil.copy(where, tmp_path / "copy.db")
        with opened(where) as one, opened(tmp_path / "copy.db") as copy:
            consent(one, PLAN, 0, FIVE)
            consent(copy, PLAN, 0, range(4))
            for used, other in ((one, copy), (copy, one)):
                used.verify(used.head())
                with pytest.raises(VerificationError, match="not the one that the head names"):
                    used.verify(other.head())

    def test_by_a_changed_entry_is_found(self, ledger, where):
        open_sum(ledger)
        data = next(e.data for e in ledger.entries() if e.kind == "consented")
        changed = data.replace(b"survivorsA\x1f", b"survivorsA\x0f")
        assert changed != data
        run(where, "UPDATE confide_ledger_entries SET data = ? WHERE data = ?", changed, data)
        with pytest.raises(VerificationError, match="entry 5 of the ledger was changed"):
            opened(where)
        with pytest.raises(VerificationError, match="entry 5 of the ledger was changed"):
            ledger.verify()

    def test_by_a_process_that_looks_first_is_seen_by_the_next(self, ledger, where):
        with opened(where) as other:
            assert other.openings(PLAN) == ()
            open_sum(ledger)
            with pytest.raises(ProtocolError, match="is used up"):
                other.claim(PLAN, 0, 1)


class TestForgedEntries:
    """Entries with right hashes that no ledger would have written."""

    @pytest.fixture
    def where(self, tmp_path):
        return tmp_path / "ledger.db"

    def append(self, where, *facts):
        with opened(where) as ledger:
            last = ledger.entries()[-1]
        for fact in facts:
            last = chained(last.number + 1, last.hash, last.time, fact)
            run(where, "INSERT INTO confide_ledger_entries VALUES (?, ?, ?)",
                last.number, last.data, last.hash)  # fmt: skip

    def consented(self, parties, **changes):
        (members,) = gathered(crowd_of(parties))
        fact = Consented(
            plan_hash=OTHER, round_number=0, attempt=0, survivors=bits(parties),
            crowd=members.crowd, exact=True, datasets=("loans",),
        )  # fmt: skip
        return (
            Claimed(plan_hash=OTHER, round_number=0, attempt=0),
            members,
            replace(fact, **changes),
        )

    def test_over_a_crowd_that_splits_are_found_by_verify(self, ledger, where):
        open_sum(ledger)
        self.append(where, *self.consented(range(4)))
        with pytest.raises(VerificationError, match=r"entry 8 .*0 joined and 1 left"):
            ledger.verify()

    def test_with_another_number_of_survivors(self, ledger, where):
        self.append(where, *self.consented(FIVE, survivors=b"\x0f"))
        with pytest.raises(VerificationError, match=r"entry 5 .*other parties than the 4"):
            opened(where)

    def test_with_members_of_another_crowd(self, ledger, where):
        claim, members, consented = self.consented(FIVE)
        forged = Gathered(crowd=members.crowd, members=members.members[::-1])
        self.append(where, claim, forged, consented)
        with pytest.raises(VerificationError, match=r"entry 5 .*not the one of its digest"):
            opened(where)

    def test_with_members_that_join_a_crowd_later(self, ledger, where):
        claim, members, consented = self.consented(FIVE)
        self.append(where, claim, members, consented, members)
        with pytest.raises(VerificationError, match=r"entry 6 .*written down twice"):
            opened(where)

    def test_of_a_round_opened_twice(self, ledger, where):
        claim, members, consented = self.consented(FIVE)
        self.append(where, claim, members, consented, consented)
        with pytest.raises(VerificationError, match=r"entry 6 .*not the attempt"):
            opened(where)

    def test_of_a_dataset_that_is_not_there(self, ledger, where):
        self.append(where, *self.consented(FIVE, datasets=("homes",)))
        with pytest.raises(VerificationError, match=r"entry 5 .*no dataset 'homes'"):
            opened(where)


def test_a_refused_consent_leaves_memory_and_file_alike(where):
    with with_cap(where) as ledger:
        open_sum(ledger)
        ledger.claim(OTHER, 0, 0)
        for _ in range(3):
            with pytest.raises(OpeningError):
                consent(ledger, OTHER, 0, range(4))
        ledger.reserve("loans", Pure("0.5"), observers=NAMES).commit()
        state = State()
        for entry in ledger.entries():
            state.apply(entry, strict=True)
        assert state.book == ledger._journal._state.book
