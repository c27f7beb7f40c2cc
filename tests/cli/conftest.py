"""The command line as a user meets it: in a folder of plans and tables."""

import sys
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from confide.cli import main

NAMES = ("alder", "birch", "cedar", "dogwood", "elm")
PLAN = "".join(
    [
        'name = "test"\nrounds = 2\ndropouts = 1\ncrowd = "fixed"\n',
        *(f'[[party]]\nname = "{name}"\n' for name in NAMES),
        '[task]\nname = "fed-avg"\nweight_cap = 50\nclip_norm_l2 = 1.0\nlocal_steps = 2\n',
        '[task.model]\nfamily = "bernoulli"\n',
        '[task.table]\nfeatures = ["x", "z"]\nlabel = "y"\n',
    ]
)


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder: a plan, and tables of five parties as CSV and Parquet."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.toml").write_text(PLAN)
    for i, name in enumerate(NAMES):
        table = table_of(i)
        table.to_csv(f"{name}.csv", index=False)
        table.to_parquet(f"{name}.parquet")
    return tmp_path


def table_of(seed, count=20):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, count))
    return pd.DataFrame({"x": x, "z": z, "y": (x > 0).astype(int)})


@pytest.fixture
def confide(folder, monkeypatch, capsys):
    """Runs a command as the script does: what it exits with and what it wrote."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["confide", *map(str, arguments)])
        # The script belongs to no package; `python -m pytest` does, which usage lines would name.
        monkeypatch.setattr(sys.modules["__main__"], "__package__", None)
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        written = capsys.readouterr()
        return Done(code, written.out, written.err)

    return run


@pytest.fixture
def refused(folder, confide):
    """Runs a command that must fail: its one line of error. No file may be made or changed."""

    def files():
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def run(*arguments, code):
        before = files()
        done = confide(*arguments)
        assert done.code == code, done.err
        assert done.out == ""
        assert files() == before
        assert "Traceback" not in done.err
        lines = done.err.splitlines()
        assert len(lines) == 1, done.err
        assert lines[0].startswith("error: ")
        return lines[0].removeprefix("error: ")

    return run
