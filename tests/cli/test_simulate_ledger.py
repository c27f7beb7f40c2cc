"""`confide simulate --ledger`: a run on the command line is charged, or refused."""

import pytest
from typer.testing import CliRunner

from confide.cli.commands import app
from confide.errors import ConfideError, DataError, PrivacyBudgetError, ProtocolError
from confide.plan import Unit
from confide.privacy.ledger import Cap, Filter, Ledger

PLAN = """
name = "private"
rounds = 3
dropouts = 1
[[party]]
name = "alder"
[[party]]
name = "birch"
[[party]]
name = "cedar"
[[party]]
name = "dogwood"
[noise]
placement = "shares"
epsilon = 2.0
delta = 1e-6
[task]
name = "fed-sgd"
capacity = 100
clip_norm_l2 = 1.0
expected_units = 30.0
[task.model]
family = "bernoulli"
[task.table]
features = ["x"]
label = "y"
"""
NAMES = ("alder", "birch", "cedar", "dogwood")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    for name in NAMES:
        (tmp_path / f"{name}.csv").write_text("x,y\n" + "1,1\n0,0\n2,1\n" * 3)
    return tmp_path


@pytest.fixture
def ledger(folder):
    path = folder / "alder.db"
    with Ledger.open(path) as opened:
        opened.open_dataset("loans", unit=Unit.RECORD)
        opened.cap("loans", Cap(epsilon=2.0, delta=1e-6, filter=Filter.GAUSSIAN))
    return path


def simulate(folder, *ledgers):
    data = [part for name in NAMES for part in ("--data", f"{name}={folder / name}.csv")]
    charged = [part for given in ledgers for part in ("--ledger", given)]
    result = CliRunner().invoke(app, ["simulate", str(folder / "plan.toml"), *data, *charged])
    if result.exception is not None:
        raise result.exception
    return result.output


def test_charges_what_epsilon_in_the_plan_says_and_then_refuses(folder, ledger):
    simulate(folder, f"alder={ledger}")
    with Ledger.open(ledger, create=False) as opened:
        (charge,) = opened.charges("loans")
        assert (charge.used, charge.closed) == (3, "committed")
        assert opened.remaining("loans")[0].fraction < 1e-4
    with pytest.raises(ProtocolError, match="ran before"):
        simulate(folder, f"alder={ledger}#loans")
    (folder / "plan.toml").write_text("seed = 1\n" + PLAN)
    with pytest.raises(PrivacyBudgetError, match="Nothing was charged"):
        simulate(folder, f"alder={ledger}#loans")


@pytest.mark.parametrize("given", ["alder", "=x", "alder="])
def test_of_another_form_says_what_it_takes(folder, given):
    with pytest.raises(DataError, match="NAME=FILE"):
        simulate(folder, given)


def test_named_twice_is_refused(folder, ledger):
    with pytest.raises(DataError, match="names 'alder' twice"):
        simulate(folder, f"alder={ledger}", f"alder={ledger}")


def test_that_is_not_there_is_not_made(folder):
    with pytest.raises(ConfideError):
        simulate(folder, f"alder={folder / 'none.db'}")
    assert not (folder / "none.db").exists()


def test_with_several_datasets_asks_which(folder, ledger):
    with Ledger.open(ledger) as opened:
        opened.open_dataset("cards", fresh=True)
    with pytest.raises(DataError, match="loans, cards: name one"):
        simulate(folder, f"alder={ledger}")


def test_without_a_dataset_says_how_to_declare_one(folder):
    with Ledger.open(folder / "empty.db"):
        pass
    with pytest.raises(DataError, match="confide ledger cap"):
        simulate(folder, f"alder={folder / 'empty.db'}")
