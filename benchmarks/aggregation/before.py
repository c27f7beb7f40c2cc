"""The same rounds by an earlier commit and by this tree, in turn, on one machine in one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.aggregation.cases import BEFORE, QUICK_BEFORE, Case
from benchmarks.machine import ROOT, commit
from benchmarks.record import Record
from benchmarks.suite import Options

__all__ = ["before_and_after"]

_SCRIPT = Path(__file__).with_name("round_alone.py")


def before_and_after(options: Options) -> Iterator[Record]:
    """Measures each case under both trees: a round of one, a round of the other, and again.

    The least of the repeats counts: whatever else the machine does makes a round slower only.
    """
    with _worktree(options.before) as earlier:
        for case in QUICK_BEFORE if options.quick else BEFORE:
            if options.only in case.name:
                options.report(f"{case.name}, before and after")
                yield from _compared(case, earlier, options)


def _compared(case: Case, earlier: Path, options: Options) -> Iterator[Record]:
    repeats = options.repeats or case.repeats
    found: dict[str, list[Mapping[str, float]]] = {"before": [], "after": []}
    with ExitStack() as stack:
        trees = {
            "before": stack.enter_context(_Rounds(case, earlier)),
            "after": stack.enter_context(_Rounds(case, ROOT)),
        }
        for turn in range(repeats):
            # Who goes first alternates as well.
            for subject in sorted(trees, reverse=turn % 2 > 0):
                found[subject].append(trees[subject].measure())
    params = {key: value for key, value in asdict(case).items() if key != "flower"}
    params |= {"drop": case.drop.value, "threat": "malicious" if case.malicious else "curious"}
    commits = {"before": _commit(earlier), "after": commit()}
    for subject, rounds in found.items():
        yield Record(
            suite="aggregation",
            case=f"{case.name}-before-and-after",
            subject=subject,
            params=params | {"repeats": repeats},
            measured={
                measure: value
                for name in rounds[0]
                for measure, value in (
                    (name, min(r[name] for r in rounds)),
                    (f"all_{name}", [r[name] for r in rounds]),
                )
            },
            commit=commits[subject],
        )


class _Rounds:
    """A process that runs rounds of a case with the confide of one tree; a context manager."""

    def __init__(self, case: Case, tree: Path) -> None:
        work = {
            "parties": case.parties,
            "coordinates": case.coordinates,
            "dropping": case.dropping,
            "colluding": case.colluding,
            "malicious": case.malicious,
        }
        sources = [str(path) for path in (tree / "src", tree / "simulator/src") if path.is_dir()]
        self._child = subprocess.Popen(
            [sys.executable, "-P", str(_SCRIPT), json.dumps(work)],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sources)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()  # It has imported what it needs and made the plan.

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._child.terminate()
        self._child.communicate()

    def measure(self) -> dict[str, float]:
        """One round."""
        assert self._child.stdin  # noqa: S101 - narrows the type, it was asked for
        self._child.stdin.write("\n")
        self._child.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout  # noqa: S101 - narrows the type, it was asked for
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError("the process that runs rounds ended; its error stands above")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def _worktree(revision: str) -> Iterator[Path]:
    """A commit's files in a folder of their own, for as long as they are needed."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        _git("worktree", "add", "--detach", str(tree), revision)
        try:
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _commit(tree: Path) -> str:
    return _git("-C", str(tree), "rev-parse", "--short=12", "HEAD").strip()


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments],  # noqa: S607 - whichever git the developer has
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
