"""`confide he`: an owner and an evaluator who exchange files alone."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.encrypted.test_trees import forest_model, rows

KEYS = ("--keys", "keys")
COUNT = 150


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and rows of its owner in another dialect of CSV."""
    folder = tmp_path_factory.mktemp("he")
    forest_model(9).save(folder / "trees.confide")
    pd.DataFrame(rows(COUNT)).to_csv(folder / "rows.csv", sep=";", decimal=",", index=False)
    return folder


@pytest.fixture
def work(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, confide) -> Path:
    """The same after planning and key generation."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    assert confide("he", "plan", "trees.confide", "job.json", "--rows", "64").code == 0
    assert confide("he", "keygen", "job.json", "--out", "keys").code == 0
    return tmp_path


def encrypt(confide, out: str = "rows") -> None:
    done = confide("he", "encrypt", "job.json", "rows.csv", *KEYS, "--out", out)
    assert done.code == 0, done.err


def score(confide, *more: str):
    evaluator = ("he", "score", "job.json", "trees.confide", "rows", "--out", "scores")
    return confide(*evaluator, "--keys", "keys/evaluation.keys", *more)


def test_from_model_to_predictions(work: Path, confide) -> None:
    encrypt(confide)
    # The evaluator has neither the secret key nor the rows.
    (work / "keys" / "secret.key").rename(work / "kept")
    (work / "rows.csv").rename(work / "kept.csv")
    done = score(confide, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["blocks"] == 3
    (work / "kept").rename(work / "keys" / "secret.key")
    done = confide("he", "decrypt", "job.json", "scores", *KEYS, "--out", "found.csv")
    assert done.code == 0, done.err
    want = confide("predict", "trees.confide", "kept.csv", "--out", "want.csv")
    assert want.code == 0, want.err
    found, want = pd.read_csv("found.csv"), pd.read_csv("want.csv")
    assert list(found) == list(want)
    assert (found["ill"] == want["ill"]).all()
    assert (found["probability of yes"] - want["probability of yes"]).abs().max() < 1e-6


def test_a_plan_says_what_it_costs_and_stops(work: Path, confide) -> None:
    done = confide("he", "plan", "trees.confide", "--json")
    facts = json.loads(done.out)
    assert facts["columns"] > 1
    assert facts["error"] < 1e-6
    encrypt(confide)
    done = score(confide, "--plan")
    assert done.code == 0
    assert "error       at most" in done.out
    assert not (work / "scores").exists()


def test_keys_and_folders_are_never_overwritten(work: Path, confide) -> None:
    done = confide("he", "keygen", "job.json", "--out", "keys")
    assert done.code != 0
    assert "never overwritten" in done.err
    encrypt(confide)
    done = confide("he", "encrypt", "job.json", "rows.csv", *KEYS, "--out", "rows")
    assert "complete already" in done.err


def test_keys_and_rows_of_somebody_else_are_refused(work: Path, confide) -> None:
    encrypt(confide)
    assert confide("he", "keygen", "job.json", "--out", "others").code == 0
    shutil.copy("others/evaluation.keys", "keys/evaluation.keys")
    done = score(confide)
    assert done.code != 0
    assert "signed by another key" in done.err
    assert not (work / "scores").exists()


def test_scores_of_other_rows_are_not_decrypted(work: Path, confide) -> None:
    encrypt(confide)
    assert score(confide).code == 0
    (work / "keys" / "sent.txt").write_text("")
    done = confide("he", "decrypt", "job.json", "scores", *KEYS)
    assert done.code != 0
    assert "were not encrypted with these keys" in done.err
    assert not done.out


def test_a_block_that_was_altered_stops_the_evaluator(work: Path, confide) -> None:
    encrypt(confide)
    path = work / "rows" / "000001.block"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    done = score(confide)
    assert done.code != 0
    assert "000001.block is not the block that was signed" in done.err
    assert (work / "scores" / "000000.block").exists()
    # Mended, the work goes on after the first block.
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    done = score(confide)
    assert done.code == 0, done.err
    assert "goes on after 1 of 3 blocks" in done.err


def test_rows_that_the_job_does_not_read_are_refused(work: Path, confide) -> None:
    pd.read_csv("rows.csv", sep=";", decimal=",").drop(columns="ward").to_csv(
        "rows.csv", index=False
    )
    done = confide("he", "encrypt", "job.json", "rows.csv", *KEYS, "--out", "rows")
    assert done.code != 0
    assert "ward" in done.err
    assert not (work / "rows").exists()
    done = confide("he", "keygen", "rows.csv", "--out", "more")
    assert "not a score job" in done.err
