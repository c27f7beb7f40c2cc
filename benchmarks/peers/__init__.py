"""Peers: other people's libraries, each in an environment of its own under .peers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT

__all__ = ["PEERS", "make", "path_of", "ready", "run"]

PEERS: Mapping[str, str] = {
    "desilo": "desilo", "flower": "flwr", "helayers": "helayers", "pooled": "pooled"
}  # fmt: skip
"""Folder under .peers, by name; `<name>.txt` next to this file pins what is installed."""

_HERE = Path(__file__).parent


def ready(name: str) -> bool:
    """Whether a peer's environment was made, from the pins as they are."""
    made = _folder(name) / "pins.txt"
    return made.is_file() and made.read_bytes() == _pins(name).read_bytes()


def make(name: str) -> None:
    """Makes a peer's environment.

    Raises:
        subprocess.CalledProcessError: If pip fails; it says why on the error stream.
    """
    folder = _folder(name)
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q", "-r", str(_pins(name))]
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run(install, check=True, stdout=sys.stderr, env=environment)
    shutil.copyfile(_pins(name), folder / "pins.txt")


def path_of(name: str, file: str) -> Path:
    """Where a peer's environment keeps a file that a driver made."""
    return _folder(name) / file


def run(name: str, driver: str, arguments: Mapping[str, object]) -> dict[str, Any]:
    """Runs a driver in a peer's environment, without a network where that can be had.

    Args:
        name: The peer.
        driver: The script next to this file; of ours it imports `benchmarks.meter` at most.
        arguments: Its parameters, handed over as JSON.

    Returns:
        What the driver printed: one line of JSON.
    """
    python = str(_folder(name) / "bin" / "python")
    environment = os.environ | {
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_HOME": str(_folder(name) / "home"),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [*_without_network(), python, str(_HERE / driver), json.dumps(arguments)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


@cache
def _without_network() -> Sequence[str]:
    """The command that leaves a process no network interface, or nothing if it may not be used."""
    for command in (["unshare", "--net"], ["unshare", "--map-root-user", "--net"]):
        if shutil.which(command[0]) is None:
            break
        if not subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
            return command
    return []


def _folder(name: str) -> Path:
    return ROOT / ".peers" / PEERS[name]


def _pins(name: str) -> Path:
    return _HERE / f"{name}.txt"
