"""What a party remembers outlives it: crashes, second processes, restarts and the next plan."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import ExitStack

import pytest
from tests.aggregation.support import CURIOUS, Federation, attested_plan, clear_plan, plan_of

from confide.aggregation import Identity, LedgerRegister, Round, RoundRegister
from confide.errors import DataError, LedgerError, OpeningError, ProtocolError
from confide.plan import (
    CentralNoise,
    Clear,
    Encrypted,
    Neighbours,
    NoiseShares,
    Opening,
    Plan,
    Unit,
    simulation_key,
)
from confide.privacy.ledger import Ledger

PLAN = plan_of(aggregation=Encrypted())
NAMES = tuple(party.name for party in PLAN.parties)
CLEAR = clear_plan()


def noisy(unit, noise=NoiseShares, **fields):
    """A plan whose noise protects a unit."""
    return plan_of(
        noise=noise(noise_multiplier=2.0),
        neighbours=Neighbours(unit=unit),
        **fields,
    )


@pytest.fixture
def ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as made:
        made.open_dataset("loans")
        yield made


@pytest.fixture(params=["memory", "ledger"])
def register(request, ledger):
    return RoundRegister() if request.param == "memory" else LedgerRegister(ledger, PLAN)


def open_sum(register, plan, number, survivors):
    """Takes part in a round and helps to open its sum."""
    register.claim(Round(plan, number))
    register.consent(Round(plan, number), survivors)


class TestBoth:
    def test_go_up_only(self, register):
        register.claim(Round(PLAN, 0, 0))
        register.claim(Round(PLAN, 0, 2))
        for number, attempt in ((0, 2), (0, 1), (0, 0)):
            with pytest.raises(ProtocolError, match="a replay"):
                register.claim(Round(PLAN, number, attempt))
        register.claim(Round(PLAN, 2, 0))
        with pytest.raises(ProtocolError, match="a replay"):
            register.claim(Round(PLAN, 1, 0))

    @pytest.mark.parametrize("method", ["consent", "spend"])
    def test_open_a_round_once_and_then_no_attempt_is_claimed(self, register, method):
        def help_to_open(round_):
            if method == "spend":
                register.spend(round_)
            else:
                register.consent(round_, NAMES)

        register.claim(Round(PLAN, 0, 0))
        help_to_open(Round(PLAN, 0, 0))
        with pytest.raises(ProtocolError, match="not the attempt"):
            help_to_open(Round(PLAN, 0, 0))
        with pytest.raises(ProtocolError, match="used up"):
            register.claim(Round(PLAN, 0, 1))
        register.claim(Round(PLAN, 1, 0))

    def test_open_the_latest_attempt_only(self, register):
        register.claim(Round(PLAN, 0, 0))
        register.claim(Round(PLAN, 0, 1))
        with pytest.raises(ProtocolError, match="not the attempt"):
            register.consent(Round(PLAN, 0, 0), NAMES)
        register.consent(Round(PLAN, 0, 1), NAMES)

    def test_say_what_was_opened(self, register):
        assert register.openings == ()
        open_sum(register, PLAN, 0, NAMES[1:])
        register.claim(Round(PLAN, 1, 0))
        register.claim(Round(PLAN, 1, 3))
        register.consent(Round(PLAN, 1, 3), NAMES[::-1])
        assert register.openings == (Opening(0, 0, NAMES[1:]), Opening(1, 3, NAMES))

    @pytest.mark.parametrize("survivors", [(), ("p000", "stranger"), ("p000", "p000", "p001")])
    def test_refuse_survivors_that_are_no_parties(self, register, survivors):
        register.claim(Round(PLAN, 0, 0))
        with pytest.raises(ProtocolError, match="name each party in the sum once"):
            register.consent(Round(PLAN, 0, 0), survivors)
        register.consent(Round(PLAN, 0, 0), NAMES)

    def test_refuse_an_exact_sum_after_one_over_an_unknown_set(self, register):
        register.claim(Round(PLAN, 0, 0))
        register.spend(Round(PLAN, 0, 0))
        assert register.openings == (Opening(0, 0, ()),)
        register.claim(Round(PLAN, 1, 0))
        with pytest.raises(OpeningError, match="does not know over which parties"):
            register.consent(Round(PLAN, 1, 0), NAMES)


class TestMemory:
    def test_begins_with_what_is_known(self):
        known = (Opening(0, 1, NAMES), Opening(1, 0, NAMES[1:]))
        register = RoundRegister(spent=[2], openings=known)
        assert register.openings == (*known, Opening(2, 0, ()))
        for number in range(3):
            with pytest.raises(ProtocolError, match="used up"):
                register.claim(Round(plan_of(rounds=4), number, 5))

    def test_in_clear_each_round_may_be_spent(self):
        """The coordinator sees each contribution, so there are no classes to keep."""
        plan, register = clear_plan(dropouts=1), RoundRegister()
        for number in range(2):
            register.claim(Round(plan, number))
            register.spend(Round(plan, number))
        assert register.openings == tuple(Opening(n, 0, ()) for n in range(2))

    def test_without_dropouts_the_survivors_are_everybody(self):
        plan, register = plan_of(dropouts=0), RoundRegister()
        register.claim(Round(plan, 0))
        register.spend(Round(plan, 0))
        assert register.openings == (Opening(0, 0, NAMES),)


class TestLedger:
    def test_is_remembered_when_it_is_opened_again(self, tmp_path):
        with Ledger.open(tmp_path / "ledger.db") as ledger:
            first = LedgerRegister(ledger, PLAN)
            first.claim(Round(PLAN, 0, 3))
            first.consent(Round(PLAN, 0, 3), NAMES[1:])
            first.claim(Round(PLAN, 1, 1))
        with Ledger.open(tmp_path / "ledger.db") as ledger:
            second = LedgerRegister(ledger, PLAN)
            assert second.openings == (Opening(0, 3, NAMES[1:]),)
            with pytest.raises(ProtocolError, match="used up"):
                second.claim(Round(PLAN, 0, 4))
            with pytest.raises(ProtocolError, match="a replay"):
                second.claim(Round(PLAN, 1, 1))
            second.consent(Round(PLAN, 1, 1), NAMES)

    def test_is_one_for_two_that_are_open_at_once(self, ledger, tmp_path):
        with Ledger.open(tmp_path / "ledger.db") as beside:
            one, other = LedgerRegister(ledger, PLAN), LedgerRegister(beside, PLAN)
            one.claim(Round(PLAN, 0, 0))
            with pytest.raises(ProtocolError, match="a replay"):
                other.claim(Round(PLAN, 0, 0))
            other.claim(Round(PLAN, 0, 1))
            with pytest.raises(ProtocolError, match="not the attempt"):
                one.consent(Round(PLAN, 0, 0), NAMES)

    def test_keeps_plans_apart(self, ledger):
        another = plan_of(aggregation=Encrypted(), name="another")
        one, other = LedgerRegister(ledger, PLAN), LedgerRegister(ledger, another)
        one.claim(Round(PLAN, 2, 0))
        with pytest.raises(ProtocolError, match="each has its own"):
            one.claim(Round(another, 0, 0))
        other.claim(Round(another, 0, 0))
        with pytest.raises(ProtocolError, match="each has its own"):
            one.consent(Round(another, 0, 0), NAMES)
        assert one.openings == other.openings == ()

    def test_serves_many_threads_and_gives_each_attempt_to_one(self, ledger):
        register, won = LedgerRegister(ledger, PLAN), []

        def claim(attempt):
            try:
                register.claim(Round(PLAN, 0, attempt))
                won.append(attempt)
            except ProtocolError:
                pass

        threads = [threading.Thread(target=claim, args=(i // 4,)) for i in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == len(set(won)) > 0

    def test_that_was_closed_lets_nothing_out(self, ledger):
        register = LedgerRegister(ledger, PLAN)
        ledger.close()
        with pytest.raises(LedgerError, match="was closed"):
            register.claim(Round(PLAN, 0, 0))

    def test_knows_its_datasets(self, ledger):
        with pytest.raises(DataError, match="no dataset 'homes'"):
            LedgerRegister(ledger, PLAN, ["homes"])


class TestTheCrowdOfADataset:
    """The attack: one more plan over the same rows, with one party more or less."""

    smaller = plan_of(4)

    def test_is_the_same_in_every_exact_plan(self, ledger):
        open_sum(LedgerRegister(ledger, PLAN, ["loans"]), PLAN, 0, NAMES)
        again = plan_of(name="again")
        register = LedgerRegister(ledger, again, ["loans"])
        open_sum(register, again, 0, NAMES)
        register.claim(Round(again, 1))
        with pytest.raises(OpeningError, match="0 joined and 1 left"):
            register.consent(Round(again, 1), NAMES[1:])

    def test_refuses_another_plan_before_anything_is_computed(self, ledger):
        open_sum(LedgerRegister(ledger, PLAN, ["loans"]), PLAN, 0, NAMES)
        with pytest.raises(OpeningError, match="dataset 'loans', was in exact sums"):
            LedgerRegister(ledger, self.smaller, ["loans"])
        LedgerRegister(ledger, self.smaller)

    @pytest.mark.parametrize(
        "plan",
        [
            noisy(Unit.PARTY, CentralNoise, threat=CURIOUS),
            noisy(Unit.RECORD, CentralNoise, threat=CURIOUS),
        ],
        ids=["per party", "per record"],
    )
    def test_counts_noise_that_a_corrupt_coordinator_adds_as_none(self, ledger, plan):
        open_sum(LedgerRegister(ledger, self.smaller, ["loans"]), self.smaller, 0, NAMES[:4])
        with pytest.raises(OpeningError, match="1 joined and 0 left"):
            LedgerRegister(ledger, plan, ["loans"])

    @pytest.mark.parametrize(
        "plan",
        [
            noisy(Unit.PARTY),
            noisy(Unit.RECORD),
            attested_plan(
                Clear(),
                parties=5,
                dropouts=1,
                noise=CentralNoise(2.0),
                neighbours=Neighbours(unit=Unit.PARTY),
            ),
        ],
        ids=["per party in shares", "per record in shares", "in an enclave"],
    )
    def test_may_change_under_noise(self, ledger, plan):
        open_sum(LedgerRegister(ledger, self.smaller, ["loans"]), self.smaller, 0, NAMES[:4])
        register = LedgerRegister(ledger, plan, ["loans"])
        open_sum(register, plan, 0, NAMES)
        open_sum(register, plan, 1, NAMES[1:])


CRASHING = """
    import os, signal, sys
    from pathlib import Path
    from confide.aggregation import LedgerRegister, Round
    from confide.plan import Plan
    from confide.privacy.ledger import Ledger

    plan = Plan.from_canonical(Path(sys.argv[1]).read_bytes())
    register = LedgerRegister(Ledger.open(Path(sys.argv[2])), plan)
    register.claim(Round(plan, 0, 0))
    if sys.argv[3] == "consent":
        register.consent(Round(plan, 0, 0), tuple(party.name for party in plan.parties))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
@pytest.mark.parametrize(("last", "message"), [("claim", "a replay"), ("consent", "used up")])
def test_a_party_that_is_killed_comes_back_bound_by_what_it_did(tmp_path, last, message):
    """Killed between the disk and the wire: whether the message left is unknown, and it counts."""
    plan, rounds = tmp_path / "plan", tmp_path / "rounds"
    plan.write_bytes(PLAN.canonical())
    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CRASHING), plan, rounds, last], check=False
    )
    assert died.returncode == -signal.SIGKILL
    read = Plan.from_canonical(plan.read_bytes())
    with Ledger.open(rounds) as ledger, pytest.raises(ProtocolError, match=message):
        LedgerRegister(ledger, read).claim(Round(read, 0, 0))


def test_a_restarted_party_cannot_be_made_to_open_a_round_twice(tmp_path):
    """The whole protocol: all parties open a round, restart, and are asked for it again."""
    federation = Federation(PLAN)

    def live(number):
        """Starts all parties, lets them open a round, and stops them."""
        with ExitStack() as stopped:
            for name in federation.names:
                ledger = stopped.enter_context(Ledger.open(tmp_path / name))
                register = LedgerRegister(ledger, PLAN)
                # A coordinator that asks for these rounds again is refused; one that goes on from
                # `openings` skips them.
                assert {opening.number for opening in register.openings} == set(range(number))
                federation.identities[name] = Identity(name, simulation_key(name), register)
            for name in federation.names:
                for spent in range(number):
                    with pytest.raises(ProtocolError, match="used up"):
                        federation.party(name, Round(PLAN, spent, 1))
            federation.attempt(number).finish()

    live(0)
    live(1)
    live(2)
