"""The environment of a measurement: versions, commit, and the kind of machine but not its name."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cryptography.hazmat.backends.openssl import backend

__all__ = ["ROOT", "commit", "machine", "versions"]

ROOT = Path(__file__).resolve().parents[1]
_LIBRARIES = ("confide", "numpy", "scipy", "cryptography", "cbor2")


def machine() -> dict[str, object]:
    """The kind of machine, and how busy it is."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": f"{platform.system()} {platform.machine()}",
        # Two busy cores make every figure worse, so a reader should know.
        "load_before": round(os.getloadavg()[0], 2),
    }


def versions() -> Mapping[str, str]:
    """Versions of the interpreter and of the libraries that the time is spent in."""
    found = {"python": platform.python_version(), "openssl": backend.openssl_version_text()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found


def commit() -> str:
    """The commit measured; `+` behind it if files under src/ or benchmarks/ differ from it."""
    head = _git("rev-parse", "--short=12", "HEAD")
    changed = _git("status", "--porcelain", "--", "src", "benchmarks", ":!benchmarks/results")
    return (head or "unknown") + ("+" if changed else "")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments],  # noqa: S607 - whichever git the developer has
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
