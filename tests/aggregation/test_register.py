"""What a party remembers outlives it: crashes, second processes, and files that are not its own."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.aggregation.support import Federation, plan_of

from confide.aggregation import DurableRegister, Identity, Round, RoundRegister
from confide.errors import ProtocolError
from confide.plan import Encrypted, Plan, simulation_key

PLAN = plan_of(aggregation=Encrypted())


@pytest.fixture(params=["memory", "file"])
def register(request, tmp_path):
    if request.param == "memory":
        yield RoundRegister()
        return
    with DurableRegister(tmp_path / "rounds", PLAN) as made:
        yield made


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

    def test_spend_a_round_once_and_then_no_attempt_is_claimed(self, register):
        register.claim(Round(PLAN, 0, 0))
        register.spend(Round(PLAN, 0, 0))
        with pytest.raises(ProtocolError, match="not the attempt"):
            register.spend(Round(PLAN, 0, 0))
        with pytest.raises(ProtocolError, match="spent"):
            register.claim(Round(PLAN, 0, 1))
        register.claim(Round(PLAN, 1, 0))

    def test_spend_the_latest_attempt_only(self, register):
        register.claim(Round(PLAN, 0, 0))
        register.claim(Round(PLAN, 0, 1))
        with pytest.raises(ProtocolError, match="not the attempt"):
            register.spend(Round(PLAN, 0, 0))
        register.spend(Round(PLAN, 0, 1))


class TestFile:
    def test_is_remembered_when_it_is_opened_again(self, tmp_path):
        with DurableRegister(tmp_path / "rounds", PLAN) as first:
            first.claim(Round(PLAN, 0, 3))
            first.spend(Round(PLAN, 0, 3))
            first.claim(Round(PLAN, 1, 1))
        with DurableRegister(tmp_path / "rounds", PLAN) as second:
            with pytest.raises(ProtocolError, match="spent"):
                second.claim(Round(PLAN, 0, 4))
            with pytest.raises(ProtocolError, match="a replay"):
                second.claim(Round(PLAN, 1, 1))
            second.spend(Round(PLAN, 1, 1))

    def test_is_one_for_two_that_are_open_at_once(self, tmp_path):
        with (
            DurableRegister(tmp_path / "rounds", PLAN) as one,
            DurableRegister(tmp_path / "rounds", PLAN) as other,
        ):
            one.claim(Round(PLAN, 0, 0))
            with pytest.raises(ProtocolError, match="a replay"):
                other.claim(Round(PLAN, 0, 0))
            other.claim(Round(PLAN, 0, 1))
            with pytest.raises(ProtocolError, match="not the attempt"):
                one.spend(Round(PLAN, 0, 0))

    def test_keeps_plans_apart(self, tmp_path):
        another = plan_of(aggregation=Encrypted(), name="another")
        with DurableRegister(tmp_path / "rounds", PLAN) as one:
            one.claim(Round(PLAN, 2, 0))
            with pytest.raises(ProtocolError, match="each has its own"):
                one.claim(Round(another, 0, 0))
        with DurableRegister(tmp_path / "rounds", another) as other:
            other.claim(Round(another, 0, 0))

    def test_that_is_none_is_refused(self, tmp_path):
        (tmp_path / "rounds").write_bytes(b"not a register, but a text of some length" * 9)
        with pytest.raises(ProtocolError, match="cannot open the register"):
            DurableRegister(tmp_path / "rounds", PLAN)

    def test_that_cannot_be_made_is_refused(self, tmp_path):
        with pytest.raises(ProtocolError, match="cannot open the register"):
            DurableRegister(tmp_path / "no such folder" / "rounds", PLAN)

    def test_that_somebody_reads_fails_and_goes_on_when_they_have_left(self, tmp_path):
        """A backup holds the file when a round is to be spent."""
        with DurableRegister(tmp_path / "rounds", PLAN) as register:
            register._connection.execute("PRAGMA busy_timeout=50")
            register.claim(Round(PLAN, 0, 0))
            reader = sqlite3.connect(tmp_path / "rounds", isolation_level=None)
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM attempts").fetchall()
            with pytest.raises(ProtocolError, match="database is locked"):
                register.spend(Round(PLAN, 0, 0))
            reader.execute("COMMIT")
            reader.close()
            register.spend(Round(PLAN, 0, 0))
            with pytest.raises(ProtocolError, match="spent"):
                register.claim(Round(PLAN, 0, 1))

    def test_is_a_file_whatever_it_is_called(self, tmp_path, monkeypatch):
        """SQLite keeps ":memory:" in memory."""
        monkeypatch.chdir(tmp_path)
        with DurableRegister(Path(":memory:"), PLAN) as register:
            register.claim(Round(PLAN, 0, 0))
        with (
            DurableRegister(Path(":memory:"), PLAN) as register,
            pytest.raises(ProtocolError, match="a replay"),
        ):
            register.claim(Round(PLAN, 0, 0))

    def test_serves_many_threads_and_gives_each_attempt_to_one(self, tmp_path):
        with DurableRegister(tmp_path / "rounds", PLAN) as register:
            won = []

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

    def test_that_was_closed_lets_nothing_out(self, tmp_path):
        register = DurableRegister(tmp_path / "rounds", PLAN)
        register.close()
        with pytest.raises(ProtocolError, match="takes no part"):
            register.claim(Round(PLAN, 0, 0))


CRASHING = """
    import os, signal, sys
    from pathlib import Path
    from confide.aggregation import DurableRegister, Round
    from confide.plan import Plan

    plan = Plan.from_canonical(Path(sys.argv[1]).read_bytes())
    register = DurableRegister(Path(sys.argv[2]), plan)
    register.claim(Round(plan, 0, 0))
    if sys.argv[3] == "spend":
        register.spend(Round(plan, 0, 0))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills a process")
@pytest.mark.parametrize(("last", "message"), [("claim", "a replay"), ("spend", "spent")])
def test_a_party_that_is_killed_comes_back_bound_by_what_it_did(tmp_path, last, message):
    """Killed between the disk and the wire: whether the message left is unknown, and it counts."""
    plan, rounds = tmp_path / "plan", tmp_path / "rounds"
    plan.write_bytes(PLAN.canonical())
    died = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CRASHING), plan, rounds, last], check=False
    )
    assert died.returncode == -signal.SIGKILL
    read = Plan.from_canonical(plan.read_bytes())
    with (
        DurableRegister(rounds, read) as register,
        pytest.raises(ProtocolError, match=message),
    ):
        register.claim(Round(read, 0, 0))


def test_a_restarted_party_cannot_be_made_to_open_a_round_twice(tmp_path):
    """The whole protocol: all parties open a round, restart, and are asked for it again."""
    federation = Federation(PLAN)

    def live(number):
        """Starts all parties, lets them open a round, and stops them."""
        with ExitStack() as stopped:
            for name in federation.names:
                register = stopped.enter_context(DurableRegister(tmp_path / name, PLAN))
                federation.identities[name] = Identity(name, simulation_key(name), register)
            for name in federation.names:
                for spent in range(number):
                    with pytest.raises(ProtocolError, match="spent"):
                        federation.party(name, Round(PLAN, spent, 1))
            federation.attempt(number).finish()

    live(0)
    live(1)
    live(2)
