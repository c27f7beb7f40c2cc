"""Each lab runs top to bottom; its checks refuse exercises as given and accept the solutions."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jupytext")

LABS = Path(__file__).parents[2] / "labs"
_spec = importlib.util.spec_from_file_location("labs_build", LABS / "build.py")
assert _spec is not None
assert _spec.loader is not None
build = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(build)


@pytest.mark.parametrize("name", build.lab_names())
def test_runs_in_three_minutes(name):
    pytest.importorskip("nbclient")
    # A process of its own: a kernel's sockets and loops are not this one's to close.
    done = subprocess.run(
        [sys.executable, LABS / "build.py", "--run", name],
        capture_output=True, text=True, check=False, timeout=build.SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("name", build.lab_names())
def test_readers_get_no_solution_and_solutions_no_exercise(name):
    notebook = build.read_lab(name)
    tags = [sum(build.tagged(c, t) for c in notebook.cells) for t in ("exercise", "solution")]
    assert tags[0] == tags[1] > 0
    for tag in ("exercise", "solution"):
        left = build.without(notebook, tag)
        assert not any(build.tagged(cell, tag) for cell in left.cells)


def test_a_solution_without_its_check_is_refused(tmp_path, monkeypatch):
    lab = '# %% tags=["exercise"]\nx = None\n# %% tags=["solution"]\nx = 1\n# %%\nx + 1\n'
    (tmp_path / "00_odd.py").write_text(lab)
    monkeypatch.setattr(build, "LABS", tmp_path)
    with pytest.raises(ValueError, match="exercise, solution, check"):
        build.as_tested(build.read_lab("00_odd"))


def test_a_check_that_accepts_anything_is_refused(tmp_path, monkeypatch):
    pytest.importorskip("nbclient")
    lab = '# %% tags=["exercise"]\nx = 0\n# %% tags=["solution"]\nx = 1\n'
    (tmp_path / "00_odd.py").write_text(lab + '# %% tags=["check"]\nassert x >= 0\n')
    source = f"import importlib.util as u, pathlib\ns = u.spec_from_file_location('b', {str(LABS / 'build.py')!r})\nb = u.module_from_spec(s)\ns.loader.exec_module(b)\nb.LABS = pathlib.Path({str(tmp_path)!r})\nb.run_lab('00_odd')"  # noqa: E501
    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False
    )
    assert "a check accepts what nobody completed" in done.stderr
