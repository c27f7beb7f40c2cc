"""Files of every usual form are one table; what is damaged is said without showing a cell."""

from __future__ import annotations

import gzip

import pandas as pd
import pytest

from confide.errors import DataError
from confide.tables import Boolean, Category, Label, Number, Schema, check_table, read_table

CANARY = "canary-7391"
ROWS = [("61.5", "Köln", "yes"), ("1234.25", 'a "b", c', "no"), ("-3", "São Paulo", "no")]


def written(delimiter=",", decimal=".", quote='"'):
    def cell(text):
        return (
            f'"{text.replace(chr(34), chr(34) * 2)}"' if set(text) & set(f'{delimiter}"') else text
        )

    rows = [(n.replace(".", decimal), city, cured) for n, city, cured in ROWS]
    return "\n".join(delimiter.join(map(cell, row)) for row in [("dose", "city", "cured"), *rows])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".tsv", ".txt"])
def test_text_files(tmp_path, delimiter, decimal, encoding, ending):
    if delimiter == "," and decimal == ",":
        pytest.skip("nobody can read that")
    content = written(delimiter, decimal).replace("\n", "\r\n").encode(encoding)
    path = tmp_path / f"rows{ending}"
    path.write_bytes(gzip.compress(content) if ending.endswith("gz") else content)
    frame = read_table(path)
    assert list(frame) == ["dose", "city", "cured"]
    assert frame["dose"].tolist() == [row[0] for row in ROWS]
    assert frame["city"].tolist() == [row[1] for row in ROWS]


def test_thousands_with_points(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a;b\n1.234,5;2,25\n12.000;0,5\n")
    assert read_table(path)["a"].tolist() == ["1234.5", "12000"]


def test_texts_that_look_like_numbers_stay_texts(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("ward,x\n007,1\nNA,2\n")
    assert read_table(path)["ward"].tolist() == ["007", "NA"]


def test_parquet_arrow_and_frames(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"x": [1.5, 2.5], "c": ["a", "b"]})
    frame.to_parquet(tmp_path / "rows.parquet")
    frame.to_feather(tmp_path / "rows.arrow")
    for source in (frame, tmp_path / "rows.parquet", tmp_path / "rows.arrow"):
        pd.testing.assert_frame_equal(read_table(source), frame)


def test_duckdb_tables(tmp_path):
    duckdb = pytest.importorskip("duckdb")
    file = tmp_path / "rows.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("create table loans as select 1.5 as x, 'a' as c")
    assert read_table(f"duckdb:{file}#loans")["c"].tolist() == ["a"]
    with pytest.raises(DataError, match="cannot read table 'others'"):
        read_table(f"duckdb:{file}#others")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.csv", b"", "is empty"),
        ("rows.csv", b"a,b\n", "no rows"),
        ("rows.csv", b"1,2.5,3\n4,5,6\n", "not a line of column names"),
        ("rows.csv", b"a,a\n1,2\n", "column 'a' twice"),
        ("rows.csv", f"a,b\n1,2\n3,{CANARY},5\n".encode(), "more cells than its first line"),
        ("rows.parquet", CANARY.encode() * 9, "damaged"),
        ("rows.csv.gz", CANARY.encode(), "cannot read"),
        ("rows.xyz", b"a,b\n1,2\n", "of no known kind; convert"),
    ],
)
def test_what_cannot_be_read_is_said_without_a_cell(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as raised:
        read_table(path)
    assert CANARY not in str(raised.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*No such file"):
        read_table(tmp_path / "none.csv")


class TestCheck:
    SCHEMA = Schema(
        features={
            "age": Number(bounds=(0, 120)),
            "ward": Category(values=("A", "B")),
            "smoker": Boolean(),
        },
        label="outcome",
        target=Label(classes=("well", "ill")),
    )

    def check(self, **columns):
        return check_table(pd.DataFrame(columns), self.SCHEMA, capacity=2)

    def test_counts_stay_with_the_owner(self):
        made = self.check(
            age=["150", "30", "-1"], ward=["A", "Z", "B"], smoker=["yes", "no", "1"],
            outcome=["well", "ill", "ill"], extra=[1, 2, 3],
        )  # fmt: skip
        assert made.fits
        assert (made.rows, made.beyond_capacity, made.unused) == (3, 1, ("extra",))
        assert [(c.clipped, c.other) for c in made.columns] == [(2, 0), (0, 1), (0, 0), (0, 0)]

    def test_problems_are_said_column_by_column(self):
        made = self.check(
            age=["x" + CANARY, "30"], ward=["A", ""], smoker=["1", "0"], result=["well", "ill"]
        )
        assert not made.fits
        age, ward, _, outcome = made.columns
        assert "a value that is not a number" in age.problem
        assert CANARY not in str(made)
        assert "1 of 2 values are missing" in ward.problem
        assert "no such column" in outcome.problem


def test_two_columns_with_decimal_commas(tmp_path):
    (tmp_path / "t.csv").write_text("age;ill\n" + "48,123;0\n51,5;1\n" * 20)
    assert read_table(tmp_path / "t.csv").iloc[0].tolist() == ["48.123", "0"]


@pytest.mark.parametrize("cells", [["CANARY", 1.5], {"a"}, b"CANARY", 731845.5])
def test_what_is_no_table_is_not_shown(cells):
    with pytest.raises(DataError, match="a table of type") as refused:
        read_table(cells)
    assert "CANARY" not in str(refused.value)
    assert "731845" not in str(refused.value)
