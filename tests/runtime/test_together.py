"""Attacks that use all that the threat allows at once: rounds, stages, plans, retries, restarts."""

import shutil
from dataclasses import replace

import pytest
from tests.runtime.liar import KEY, NAMES, Liar, close_to, drift, rows

from confide.aggregation import Identity, LedgerRegister, Round, RoundRegister, RoundResult
from confide.errors import DropoutError, OpeningError, ProtocolError, VerificationError
from confide.plan import Coordinator, FixedCrowd, Masked, NoiseShares, Party, simulation_key
from confide.privacy.ledger import Ledger
from confide.runtime import PartyRun
from confide.runtime.wire import RESULT, framed, result_fields

VICTIM = NAMES[3]
WATCHED = NAMES[:2]
"""Who keeps a ledger: without two of seven there is no sum."""
UNVERIFIED = Masked(verified=False)


def plan_of(**fields):
    fields = {
        "parties": list(NAMES), "rounds": 4, "dropouts": 1, "crowd": FixedCrowd(), **fields,
    }  # fmt: skip
    return drift().plan(**fields)


def restarted(liar, name, register=None, saved=None):
    """The party in a new process, with its save and a register."""
    before = liar.parties[name]
    saved = saved or before.save()
    identity = replace(before.identity, register=register or before.identity.register)
    liar.parties[name] = PartyRun(liar.plan, [liar.computation], identity, rows()[name])
    liar.parties[name].restore(saved)


class TestAMemoryThatIsLost:
    """Without its register a party would follow a history that leaves its own consents out."""

    def frozen(self):
        liar = Liar(plan_of(aggregation=UNVERIFIED))
        full = liar.open_round()
        liar.freeze()
        return liar, full

    def test_would_give_everybody_away(self, monkeypatch):
        monkeypatch.setattr(PartyRun, "_check_register", lambda *_: None)
        liar, full = self.frozen()
        for name in NAMES:
            restarted(liar, name, RoundRegister())
        without = liar.open_round(ignoring=[VICTIM], history=())
        assert close_to(full.totals - without.totals, liar.contribution(VICTIM), liar.plan)

    def test_is_refused_when_the_run_is_restored(self):
        liar, _ = self.frozen()
        for name in NAMES:
            with pytest.raises(ProtocolError, match=f"rounds of {name!r} does not know"):
                restarted(liar, name, RoundRegister())

    def test_is_found_in_a_backup_that_is_older_than_the_save(self, tmp_path):
        liar, name = Liar(plan_of(aggregation=UNVERIFIED)), NAMES[0]
        path, backup = tmp_path / "ledger.db", tmp_path / "backup.db"
        with Ledger.open(path) as ledger:
            ledger.open_dataset("rows")
            kept(liar, name, ledger)
            liar.open_round()
            liar.freeze()
            saved = liar.parties[name].save()
        shutil.copy(path, backup)
        with Ledger.open(path) as ledger, Ledger.open(backup) as older:
            restarted(liar, name, LedgerRegister(ledger, liar.plan, ["rows"]), saved)
            liar.open_round()
            with pytest.raises(ProtocolError, match="does not know the sum of round 1, attempt 0"):
                restarted(liar, name, LedgerRegister(older, liar.plan, ["rows"]))

    def test_does_not_stop_a_run_that_had_not_begun(self):
        liar = Liar(plan_of())
        restarted(liar, NAMES[0], RoundRegister())
        assert liar.open_round().survivors == NAMES


class TestAVerifiedSum:
    """A nudged sum, a round that is skipped, a dropout, a history that forgets, and restarts."""

    def test_opens_no_difference_in_a_later_round(self):
        liar = Liar(plan_of())
        full = liar.open_round()
        self.announce_nudged(liar)
        assert all(isinstance(e, VerificationError) for e in liar.failures.values())
        for name in NAMES:
            restarted(liar, name)
        liar.skip()  # Signed, and allowed: the state stays as it was.
        assert all(party.number == 1 for party in liar.parties.values())
        for changes in (
            {"ignoring": [VICTIM]},
            {"ignoring": [VICTIM], "history": ()},
            {"ignoring": [VICTIM], "attempt": 1},
            {"ignoring": [VICTIM], "attempt": 2, "history": ()},
        ):
            with pytest.raises((DropoutError, ProtocolError)):
                liar.open_round(**changes)
            for name in NAMES:
                restarted(liar, name)
        assert liar.sums == {0: full}
        # Who was never dropped may go on: all together, in another attempt.
        assert liar.open_round(attempt=3, history=liar.openings[:1]).survivors == NAMES

    def announce_nudged(self, liar):
        round_ = Round(liar.plan, 0)
        nudged = RoundResult(NAMES, liar.sums[0].totals + 1)
        fields = result_fields(round_, liar.sums[0]) | {
            "totals": result_fields(round_, nudged)["totals"]
        }
        for party in liar.parties.values():
            party.receive(framed(round_, round_.announce(KEY, RESULT, **fields)))


class TestAnAttemptAfterAConsent:
    """Consent in one attempt, which is lost; then other survivors, to parties of older saves."""

    @pytest.mark.parametrize("exact", [True, False])
    def test_opens_nothing_over_other_survivors(self, exact):
        liar = Liar(plan_of() if exact else plan_of(noise=NoiseShares(1.0, 1e-3)))
        saved = {name: party.save() for name, party in liar.parties.items()}
        # All consent, and the answers of two are lost: no sum, but it counts as opened.
        with pytest.raises(DropoutError):
            liar.open_round(loses=NAMES[:2])
        for name, party in liar.parties.items():
            old = PartyRun(liar.plan, [liar.computation], party.identity, rows()[name])
            old.restore(saved[name])  # As it was before the consent.
            liar.parties[name] = old
        for attempt, history in ((1, None), (2, ()), (0, ())):
            with pytest.raises((DropoutError, ProtocolError)):
                liar.open_round(ignoring=[VICTIM], attempt=attempt, history=history)
        assert not liar.sums
        assert {
            o.survivors for p in liar.parties.values() for o in p.identity.register.openings
        } == {NAMES}


def kept(liar, name, ledger):
    """Gives a party a register in its ledger."""
    register = LedgerRegister(ledger, liar.plan, ["rows"])
    identity = replace(Identity.simulation(name), register=register)
    liar.parties[name] = PartyRun(liar.plan, [liar.computation], identity, rows()[name])


class TestTwoPlans:
    """Over one dataset, with the parties under other names, another key, or one dropped."""

    @pytest.fixture(name="ledgers")
    def _ledgers(self, tmp_path):
        ledgers = {name: Ledger.open(tmp_path / f"{name}.db") for name in WATCHED}
        for ledger in ledgers.values():
            ledger.open_dataset("rows")
        yield ledgers
        for ledger in ledgers.values():
            ledger.close()

    def first(self, ledgers):
        liar = Liar(plan_of(aggregation=UNVERIFIED))
        for name, ledger in ledgers.items():
            kept(liar, name, ledger)
        liar.open_round()
        liar.freeze()

    @pytest.mark.parametrize(
        ("key", "says"),
        [(None, "0 joined and 1 left"), ("somebody else", "1 joined and 1 left")],
    )
    def test_without_the_victim_under_other_names_is_refused(self, ledgers, key, says):
        """Left out, or replaced by somebody whom the coordinator plays."""
        self.first(ledgers)
        signs = {name: name for name in NAMES} | {VICTIM: key}
        parties = [Party(f"other-{n}", _public(of)) for n, of in signs.items() if of]
        second = plan_of(
            parties=parties, name="second", dropouts=0, coordinator=Coordinator(_public("c"))
        )
        for ledger in ledgers.values():
            with pytest.raises(OpeningError, match=says):
                LedgerRegister(ledger, second, ["rows"])

    def test_with_the_same_parties_of_whom_one_is_dropped_is_refused_at_consent(self, ledgers):
        self.first(ledgers)
        liar = Liar(plan_of(aggregation=UNVERIFIED, name="second", seed=7))
        for name, ledger in ledgers.items():
            kept(liar, name, ledger)
        for attempt in (0, 1):
            with pytest.raises(DropoutError):
                liar.open_round(ignoring=[VICTIM], attempt=attempt, history=())
        assert {type(liar.failures[name]) for name in WATCHED} == {OpeningError}
        assert not liar.sums
        # The same parties may go on, over the same crowd.
        watched = (liar.parties[name].identity.register for name in WATCHED)
        assert not any(register.openings for register in watched)


def _public(name):
    return simulation_key(name).public_key().public_bytes_raw()
