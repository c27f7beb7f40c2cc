"""The operator's page: every command of its walk works, in order, from an empty folder.

Each line runs in Bash, as a reader types it. Only `confide` is a function there that asks this
process to run the command, since starting Python anew for each would take minutes.
"""

import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from confide.tee import read_policy

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "registry.md"
_RELAY = """
import socket, sys
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect(sys.argv[1])
    asked.sendall("\\0".join(sys.argv[2:]).encode())
    asked.shutdown(socket.SHUT_WR)
    answer = b"".join(iter(lambda: asked.recv(65536), b""))
code, out, err = answer.decode().split("\\0")
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(int(code))
"""


def blocks():
    section = PAGE.read_text(encoding="utf-8").split("\n## ")[1]
    found = re.findall(r"^```sh\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)
    assert found[0].startswith("pip install")
    return found[1:]


class Shell:
    """One Bash for the page; `confide` in it is `run` here."""

    def __init__(self, folder, run):
        self.folder, self.run = folder, run
        self.relay = folder / "relay.py"
        self.relay.write_text(_RELAY)
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind("relay.sock")
        self.listening.listen()
        self.listening.settimeout(120)

    def execute(self, text):
        """Runs a script to its end, and answers its commands meanwhile; returns what it wrote."""
        script = (
            "set -euo pipefail\n"
            f'confide() {{ {sys.executable} -S -I relay.py relay.sock "$@"; }}\n'
            f"confide-sim() {{ exec {sys.executable} -c "
            '"from confide_sim.serving import main; main()" "$@"; }\n'
            "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
            f"{text}\n"
        )
        with subprocess.Popen(
            ["bash", "-c", script],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        ) as process:
            done = threading.Event()
            written = []

            def wait():
                assert process.stdout is not None
                written.append(process.stdout.read())
                process.wait()
                done.set()
                with socket.socket(socket.AF_UNIX) as nobody:
                    nobody.connect(str(self.folder / "relay.sock"))

            waiting = threading.Thread(target=wait)
            waiting.start()
            while True:
                connection, _ = self.listening.accept()
                with connection:
                    if done.is_set():
                        break
                    self._answer(connection)
            waiting.join()
        return process.returncode, written[0]

    def _answer(self, connection):
        asked = b"".join(iter(lambda: connection.recv(65536), b""))
        result = self.run(*asked.decode().split("\0"))
        answer = "\0".join([str(result.code), result.out, result.err])
        connection.sendall(answer.encode())


@pytest.fixture
def shell(folder, confide):
    made = Shell(folder, confide)
    with made.listening:
        yield made


def test_every_command_of_the_page_works(shell, folder):
    code, written = shell.execute("\n".join(blocks()))
    assert code == 0, written
    assert "SIMULATED" in written
    assert "may be used" in written
    assert "NOT verified" not in written
    policy = read_policy(folder / "policies" / "plan.toml")
    assert policy.nodes is not None
    assert len(policy.nodes) == 1
    (machine,) = policy.nodes
    assert f"machine {machine}" in written, "parties see the identifier that they vote on"
    assert policy.hash.hex() in written
    assert "attested,operator" not in (folder / "audit.csv").read_text()
