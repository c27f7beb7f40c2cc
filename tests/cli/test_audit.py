"""`confide audit tables`, as users call it."""

import json

import pytest
from typer.testing import CliRunner

from confide.cli.audit import app
from confide.cli.commands import command
from confide.errors import ConfideError, DataError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "county.csv").write_text("county,sales\neast,30\nwest,12\n")
    (tmp_path / "line.csv").write_text("line,sales\ntools,25\npaint,17\n")
    (tmp_path / "cells.csv").write_text("county,line\neast,tools\neast,paint\nwest,paint\n")
    return tmp_path


def called(*arguments):
    done = CliRunner().invoke(app, ["tables", *arguments])
    if isinstance(done.exception, ConfideError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_json_has_every_cell(folder):
    found = json.loads(called("county.csv", "line.csv", "--cells", "cells.csv", "--json"))
    assert [(c["cell"], c["interval"], c["determined"]) for c in found["cells"]] == [
        ({"county": "east", "line": "tools"}, [25.0, 25.0], True),
        ({"county": "east", "line": "paint"}, [5.0, 5.0], True),
        ({"county": "west", "line": "paint"}, [12.0, 12.0], True),
    ]
    assert found["method"] == "bridges"


def test_text_says_what_is_given_away_of_whom_and_how_to_end_it(folder):
    said = called("county.csv", "line.csv", "--cells", "cells.csv", "--value", "sales")
    assert "the tables give away 3 of them exactly (100%)" in said
    assert "county west, line paint = 12" in said
    assert "Noise of standard deviation" in said
    assert "county east, line tools needs most" in said


def test_without_cells_every_combination_may_be_occupied(folder):
    found = json.loads(called("county.csv", "line.csv", "--counts", "--unique", "--json"))
    assert [c["interval"] for c in found["cells"]] == [[13, 25], [5, 17], [0, 12], [0, 12]]
    assert found["unique"] is False


def test_a_picture_is_drawn(folder):
    called("county.csv", "line.csv", "--cells", "cells.csv", "--plot", "seen.png")
    assert (folder / "seen.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ConfideError, match="no known kind of picture"):
        called("county.csv", "line.csv", "--plot", "seen.unknown")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.csv"], "cannot read none.csv"),
        (["county.csv", "line.csv", "--value", "sale"], "no column 'sale'"),
        (["county.csv", "line.csv", "--cells", "cells.csv", "--insiders", "firms"], "'firms'"),
        (["county.csv", "county.csv"], "given twice"),
        (["county.csv", "--rounding", "-1"], "rounding is -1"),
    ],
)
def test_bad_input_is_one_clear_error(folder, arguments, message):
    with pytest.raises(DataError, match=message):
        called(*arguments)


def test_the_command_is_listed():
    assert command("audit").help
