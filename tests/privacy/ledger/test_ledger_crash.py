"""Processes that die and processes that compete."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.privacy.ledger.ledger_processes import PLAN_HASH as PLAN
from tests.privacy.ledger.ledger_support import NAMES, Pure, opened, with_cap

from confide.privacy.ledger import Cap

_ROOT = Path(__file__).parents[3]
_KILLS, _KILLS_PER_LEDGER = 200, 10


class _Processes:
    """The script that forks, and what it says."""

    def __init__(self):
        self._script = subprocess.Popen(
            [sys.executable, "-m", "tests.privacy.ledger.ledger_processes"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
        assert self._script.stdin
        assert self._script.stdout
        self._input, self._output = self._script.stdin, self._script.stdout

    def ask(self, *words):
        self._input.write(" ".join(map(str, words)) + "\n")
        self._input.flush()

    def until(self, *ends):
        said: list[list[str]] = []
        while not said or said[-1][0] not in ends:
            said.append(self.word())
        return said

    def word(self):
        line = self._output.readline()
        assert line, "the script ended"
        return line.split()

    def close(self):
        self._input.close()
        self._output.close()
        self._script.wait(30)


@pytest.fixture(scope="module")
def processes():
    started = _Processes()
    yield started
    started.close()


def _killed(processes, where, random, task="crash"):
    """What a child said until it was killed, some words and a moment after it began."""
    processes.ask(task, where)
    *said, (_, child) = processes.until("started")
    said += [processes.word() for _ in range(random.integers(0, 10))]
    time.sleep(random.uniform(0, 0.006))
    os.kill(int(child), signal.SIGKILL)
    processes.ask("wait", child)
    return said + processes.until("dead")


def _check(where, said):
    """Every word that a killed process got out is true in the ledger, and no cap is exceeded."""
    with opened(where) as ledger:
        ledger.verify()
        charges = {c.fact.reservation.hex(): c for c in ledger.charges()}
        assert sum(c.charged for c in charges.values()) * 80 <= 1000
        for c in charges.values():
            assert c.charged == (max(c.used, 1) if c.closed else c.fact.count)
    for word, *of in said:
        assert word != "failed", of
        if word == "reserved":
            assert of[0] in charges
        elif word == "used":
            assert charges[of[0]].used == 1
        elif word == "committed":
            found = charges[of[0]]
            assert (found.closed, found.release.hex(), found.charged) == ("committed", of[1], 1)


def test_killed_at_any_moment_nothing_is_lost_and_no_cap_exceeded(processes, tmp_path):
    random, words = np.random.default_rng(3), []
    for i in range(_KILLS):
        where = tmp_path / f"{i // _KILLS_PER_LEDGER}.db"
        said = _killed(processes, where, random)
        words += [word for word, *_ in said]
        if where.exists():
            _check(where, said)
    # The kills hit every stage, and the cap was reached.
    assert {"opened", "reserved", "used", "committing", "committed", "refused"} <= set(words)


def test_killed_while_it_begins_a_ledger_is_begun_by_the_next(processes, tmp_path):
    random = np.random.default_rng(4)
    for i in range(30):
        where = tmp_path / f"{i}.db"
        processes.ask("crash", where)
        *_, (_, child) = processes.until("started")
        time.sleep(random.uniform(0, 0.012))
        os.kill(int(child), signal.SIGKILL)
        processes.ask("wait", child)
        processes.until("dead")
        with with_cap(where) as ledger:
            ledger.reserve("loans", Pure("0.001"), observers=NAMES)
            ledger.verify()


def test_killed_on_postgresql(processes, postgresql):
    with with_cap(postgresql):
        pass
    random = np.random.default_rng(5)
    for _ in range(8):
        _check(postgresql, _killed(processes, postgresql, random))


def test_killed_at_any_moment_no_round_is_opened_twice_and_no_opening_is_lost(processes, tmp_path):
    random, words, where = np.random.default_rng(6), [], tmp_path / "ledger.db"
    with with_cap(where):
        pass
    for _ in range(60):
        said = _killed(processes, where, random, "rounds")
        assert "failed" not in {word for word, *_ in said}, said
        words += said
        with opened(where) as ledger:
            ledger.verify()
            openings = {number: survivors.hex() for number, _, survivors in ledger.openings(PLAN)}
            assert len(openings) == len(ledger.openings(PLAN))
        for word, *of in said:
            if word == "consented":
                assert openings[int(of[0])] == of[1]
    # One process at most got beyond each claim, and some died between a claim and its consent.
    claimed = [int(of[0]) for word, *of in words if word == "claimed"]
    assert len(claimed) == len(set(claimed)) > 20
    assert {"claimed", "consenting", "consented", "passed"} <= {word for word, *_ in words}


def test_of_sixteen_processes_one_takes_part_and_one_consents(processes, where):
    with opened(where) as ledger:
        processes.ask("claim", where, 16)
        said = [tuple(words[:2]) for words in processes.until("done")[:-1]]
        assert sorted(said) == sorted(
            [*[("refused", "claim"), ("refused", "consent")] * 15, ("won", "claim"),
             ("won", "consent")]
        )  # fmt: skip
        assert ledger.openings(PLAN) == ((0, 0, b""),)
        ledger.verify()


def test_of_sixteen_processes_that_want_the_last_run_one_gets_it(processes, where):
    with with_cap(where) as ledger:
        ledger.reserve("loans", Pure("0.75"), observers=NAMES).commit()
        processes.ask("contend", where, 16)
        said = processes.until("done")
        assert sorted(word for word, *_ in said) == ["done", *["refused"] * 15, "won"]
        assert ledger.spent("loans").pure_epsilon == 1.0
        ledger.verify()


def test_of_sixteen_processes_none_gets_more_than_there_is(processes, where):
    with with_cap(where, Cap(epsilon=0.2, delta=0)) as ledger:
        processes.ask("contend", where, 16)
        said = processes.until("done")
        assert sorted(word for word, *_ in said) == ["done", *["refused"] * 16]
        assert ledger.spent("loans").charges == 0


def test_sixteen_processes_that_begin_a_ledger_begin_one(processes, where):
    processes.ask("begin", where, 16)
    said = processes.until("done")
    assert sorted(word for word, *_ in said) == ["done", *["refused"] * 12, *["won"] * 4]
    with opened(where) as ledger:
        ledger.verify()
        assert [entry.kind for entry in ledger.entries()].count("opened") == 1
