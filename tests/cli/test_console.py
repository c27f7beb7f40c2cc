"""Progress: bars where somebody watches, lines where a file is read later."""

import os
import subprocess
import sys

import pytest

from confide.cli import console

PROGRAM = """
from confide.cli.console import progress
with progress() as report:
    for done in range(3):
        report("rounds [of] two", done + 1, 3)
"""


def test_a_file_has_a_line_for_what_is_done():
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert ran.stderr == "rounds [of] two: 3 of 3\n"


def test_a_file_has_a_line_now_and_then_for_long_work(capsys, monkeypatch):
    monkeypatch.setattr(console, "_SILENCE", 0.0)
    with console.progress() as report:
        for done in range(3):
            report("rounds", done + 1, 3)
    assert capsys.readouterr().err == "rounds: 1 of 3\nrounds: 2 of 3\nrounds: 3 of 3\n"


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs a pseudo-terminal")
def test_a_terminal_has_bars_as_wide_as_it_has_room_for():
    ours, theirs = os.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "78"}
    ran = subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert ran.wait() == 0
    assert b"3/3" in shown
    assert b"\xe2\x94\x81" in shown  # the bar's own sign


def _read(descriptor):
    try:
        return os.read(descriptor, 4096)
    except OSError:  # Linux says so of a terminal that nobody writes to any more
        return b""
