"""The auditor against brute force, and against tables whose answer is known."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from tests.audit.brute import all_tables, intervals, published

from confide.audit import audit_tables
from confide.audit.joint import Block
from confide.audit.structure import structure_of
from confide.errors import DataError
from confide.randomness import public_generator

SMALL = st.integers(0, 3)


def grid(*sizes, names=("county", "line", "year")):
    """The cells of a table, all combinations."""
    places = np.array(list(np.ndindex(*sizes)))
    return {name: [f"{name[0]}{p}" for p in places[:, axis]] for axis, name in
            enumerate(names[: len(sizes)])}  # fmt: skip


def kept(cells, occupied):
    return {name: [c for c, o in zip(column, occupied, strict=True) if o]
            for name, column in cells.items()}  # fmt: skip


def audited(cells, values, column_sets, **options):
    tables = {"-".join(c) or "total": published(cells, values, c) for c in column_sets}
    return audit_tables(tables, cells=pd.DataFrame(cells), value="sales", **options)


def found_intervals(audit):
    return np.array([cell.interval for cell in audit.cells])


class TestBruteForce:
    @settings(max_examples=20, deadline=None)
    @given(st.data())
    def test_two_ways_with_holes(self, data):
        occupied = data.draw(st.lists(st.booleans(), min_size=9, max_size=9).filter(
            lambda o: 1 < sum(o) < 8))  # fmt: skip
        cells = kept(grid(3, 3), occupied)
        values = data.draw(st.lists(SMALL, min_size=sum(occupied), max_size=sum(occupied)))
        ways = data.draw(st.sampled_from([
            (("county",), ("line",)), (("county",), ()), ((), ("county",), ("line",)),
        ]))  # fmt: skip
        audit = audited(cells, values, ways, counts=True)
        tables = all_tables(cells, values, ways)
        assert (found_intervals(audit) == intervals(tables)).all()
        determined = tables.min(axis=0) == tables.max(axis=0)
        assert [cell.determined for cell in audit.cells] == determined.tolist()
        assert all(cell.sharp for cell in audit.cells)

    @settings(max_examples=10, deadline=None)
    @given(st.lists(SMALL, min_size=8, max_size=8))
    def test_three_ways_in_pairs(self, values):
        """Not a network: whole numbers need their own search."""
        cells = grid(2, 2, 2)
        ways = (("county", "line"), ("county", "year"), ("line", "year"))
        audit = audited(cells, values, ways, counts=True, unique=True)
        tables = all_tables(cells, values, ways)
        assert (found_intervals(audit) == intervals(tables)).all()
        assert audit.unique == (len(tables) == 1)

    @settings(max_examples=10, deadline=None)
    @given(st.lists(SMALL, min_size=6, max_size=6), st.integers(0, 2))
    def test_suppressed_sums(self, values, hidden):
        """A sum that is withheld, and the total that gives it away."""
        cells = grid(3, 2)
        county = published(cells, values, ("county",)).astype({"sales": object})
        county.loc[hidden, "sales"] = "*"
        line, total = published(cells, values, ("line",)), published(cells, values, ())
        audit = audit_tables({"county": county, "line": line, "total": total}, counts=True)
        tables = all_tables(cells, values, (("county",), ("line",)))
        assert (found_intervals(audit) == intervals(tables)).all()

    @settings(max_examples=10, deadline=None)
    @given(st.lists(st.integers(0, 6), min_size=4, max_size=4))
    def test_rounded_sums(self, values):
        """All tables whose sums round to the published ones, by trying every sum."""
        cells = grid(2, 2)
        rounded = {}
        for way in (("county",), ("line",)):
            rounded[way] = published(cells, values, way)
            rounded[way]["sales"] = 5 * np.floor(rounded[way]["sales"] / 5 + 0.5).astype(int)
        audit = audit_tables(list(rounded.values()), rounding=5, counts=True)
        each = np.stack(np.meshgrid(*[np.arange(18)] * 4, indexing="ij")).reshape(4, -1).T
        sums = np.stack([each[:, 0] + each[:, 1], each[:, 2] + each[:, 3],
                         each[:, 0] + each[:, 2], each[:, 1] + each[:, 3]])  # fmt: skip
        wanted = np.concatenate([rounded[w]["sales"] for w in rounded])[:, None]
        agree = each[(np.abs(sums - wanted) <= 2.5).all(axis=0)]
        assert (found_intervals(audit) == intervals(agree)).all()
        assert (found_intervals(audit)[:, 0] <= values).all()
        assert (found_intervals(audit)[:, 1] >= values).all()


class TestStructure:
    @settings(max_examples=30, deadline=None)
    @given(st.integers(2, 6), st.integers(2, 5), st.integers(0, 10**6), st.floats(0.15, 0.9))
    def test_bridges_are_what_the_rank_says(self, rows, columns, seed, share):
        generator = public_generator("bridges", rows, columns, seed)
        i, j = np.nonzero(generator.random((rows, columns)) < share)
        if len(i) < 2:
            return
        blocks = [block(i, rows, "county"), block(j, columns, "line")]
        unknown = generator.random(len(i)) < 0.9
        found = structure_of(blocks, unknown)
        assert found.method == "bridges"
        matrix = np.zeros((rows + columns, len(i)))
        matrix[i, np.arange(len(i))] = matrix[rows + j, np.arange(len(i))] = 1
        matrix[:, ~unknown] = 0
        rank = np.linalg.matrix_rank(matrix)
        for cell in np.flatnonzero(unknown):
            alone = np.zeros(len(i))
            alone[cell] = 1
            by_rank = np.linalg.matrix_rank(np.vstack([matrix, alone])) == rank
            assert found.determined[cell] == by_rank
            # Knowing this cell too determines those of its group, and no others.
            more = np.vstack([matrix, alone])
            for other in np.flatnonzero(unknown & ~found.determined):
                if other != cell and not found.determined[cell]:
                    added = np.zeros(len(i))
                    added[other] = 1
                    learnt = np.linalg.matrix_rank(np.vstack([more, added])) == rank + 1
                    same = found.group[cell] == found.group[other] >= 0
                    assert learnt == same

    def test_all_ways_of_finding_the_rank_agree(self, monkeypatch):
        generator = public_generator("three ways")
        places = np.array(np.nonzero(generator.random((5, 4, 4)) < 0.5))
        count = places.shape[1]
        pairs = [(0, 1), (0, 2), (1, 2)]
        blocks = [block(places[a] * 5 + places[b], 30, f"{a}{b}") for a, b in pairs]
        everything = np.ones(count, bool)
        exact = structure_of(blocks, everything)
        monkeypatch.setattr("confide.audit.structure._MOST_ELIMINATION", 0)
        projected = structure_of(blocks, everything)
        assert (exact.method, projected.method) == ("elimination", "projection")
        assert (exact.determined == projected.determined).all()
        assert 0 < exact.determined.sum() < count
        together = exact.group[:, None] == exact.group[None, :]
        assert ((together & (exact.group >= 0)) ==
                ((projected.group[:, None] == projected.group[None, :])
                 & (projected.group >= 0))).all()  # fmt: skip

    @pytest.mark.parametrize(("share", "expected"), [(0.2, 0.58), (0.3, 0.20), (0.6, 0.01)])
    def test_the_share_of_cells_that_two_sums_give_away(self, share, expected):
        """80 tables of 12 × 6, by the share of cells that are occupied."""
        given_away = all_cells = 0
        for seed in range(80):
            generator = public_generator("share", seed)
            i, j = np.nonzero(generator.random((12, 6)) < share)
            found = structure_of([block(i, 12, "county"), block(j, 6, "line")], i >= 0)
            given_away += found.determined.sum()
            all_cells += len(i)
        assert given_away / all_cells == pytest.approx(expected, abs=0.06)


def block(row, count, name):
    sums = np.bincount(row, minlength=count).astype(float)
    return Block(name, (name,), np.asarray(row), sums, sums, np.arange(count))


class TestInsiders:
    def test_of_two_firms_in_a_cell_each_learns_the_other(self):
        """County a has one line, with two firms; nothing else is near."""
        cells = pd.DataFrame({
            "county": ["a", "a", "b", "b", "c", "c"], "line": ["x", "x", "y", "z", "y", "z"],
            "firm": ["one", "two", "three", "three", "four", "five"],
            "sales": [7.0, 5.0, 3.0, 4.0, 2.0, 6.0],
        })  # fmt: skip
        tables = [
            published(cells, cells.sales, ("county",)),
            published(cells, cells.sales, ("line",)),
        ]
        audit = audit_tables(tables, cells=cells, value="sales", insiders="firm")
        assert not audit.determined
        learnt = {i.name: [c["firm"] for c in i.learns] for i in audit.insiders}
        assert learnt == {"one": ["two"], "two": ["one"], "three": ["four", "five"],
                          "four": ["three", "three", "five"],
                          "five": ["three", "three", "four"]}  # fmt: skip
        by_name = {i.name: i for i in audit.insiders}
        assert by_name["one"].intervals[1] == (5.0, 5.0)
        assert by_name["one"].intervals[2] == (0.0, 5.0)
        assert "one learns county a, line x, firm two" in str(audit)

    def test_without_a_column_each_cell_is_a_firm(self):
        cells = pd.DataFrame(grid(2, 2))
        tables = [published(grid(2, 2), [1, 2, 3, 4], (w,)) for w in ("county", "line")]
        audit = audit_tables(tables, cells=cells, value="sales")
        assert not audit.determined
        assert audit.learnt == 4
        assert all(len(cell.learnt_by) == 3 for cell in audit.cells)


class TestDifferencing:
    def test_a_firm_that_moves_in_is_told_by_two_releases(self):
        cells = grid(3, 3)
        before, after = [5, 4, 3, 2, 1, 6, 7, 8, 9], [5, 4, 3, 2, 1, 6, 7, 12, 9]
        ways = (("county",), ("line",))
        first = {way[0]: published(cells, before, way) for way in ways}
        later = {f"{way[0]}, later": published(cells, after, way) for way in ways}
        audit = audit_tables(first, later=later)
        assert not audit.determined
        assert [(d.change, d.cells) for d in audit.differences] == [
            (4.0, (({"county": "c2", "line": "l1"}, 4.0),))
        ] * 2

    def test_a_table_that_was_not_there_is_refused(self):
        table = published(grid(3), [1, 2, 3], ("county",))
        with pytest.raises(DataError, match="no table of the first release has the same"):
            audit_tables([table], later=[published(grid(2, 2), [1, 1, 1, 1], ("line",))])


class TestNoise:
    CELLS = pd.DataFrame({"county": ["a", "a", "b", "b", "c"], "line": ["x", "y", "x", "y", "z"]})
    VALUES = (400.0, 300.0, 200.0, 100.0, 50.0)

    def tables(self, noise=0.0, seed=0):
        generator = public_generator("noise", seed)
        made = []
        for way in ("county", "line"):
            table = published(self.CELLS, self.VALUES, (way,))
            made.append(table.assign(sales=table.sales + noise * generator.standard_normal(3)))
        return made

    def test_the_noise_that_is_proposed_ends_it(self):
        before = audit_tables(self.tables(), cells=self.CELLS, value="sales")
        assert [c.cell["county"] for c in before.determined] == ["c"]
        needed = before.needed
        # The best estimate of c is the mean of its two sums.
        assert needed.deviation == pytest.approx(0.2 * 50 / 1.959964 * np.sqrt(2), rel=1e-6)
        after = audit_tables(self.tables(needed.deviation), cells=self.CELLS, value="sales",
                             deviation=needed.deviation)  # fmt: skip
        assert not after.determined
        assert not after.to_protect

    def test_intervals_hold_with_the_stated_confidence(self):
        """Of 24 releases at least 19 are within all intervals; at 95 %, fewer are one in 1,000."""
        held = 0
        for seed in range(24):
            audit = audit_tables(self.tables(20.0, seed), cells=self.CELLS, value="sales",
                                 deviation=20.0)  # fmt: skip
            low, high = found_intervals(audit).T
            held += bool(((low <= self.VALUES) & (high >= self.VALUES)).all())
        assert held >= 19


class TestFiles:
    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "county.csv").write_text("county,sales\neast,30\nwest,12\nTotal,42\n")
        (tmp_path / "line.csv").write_text("line,sales\ntools,25\npaint,17\n")
        (tmp_path / "cells.csv").write_text("county,line\neast,tools\neast,paint\nwest,paint\n")
        return tmp_path

    def test_sums_of_all_labels_are_totals(self, folder):
        audit = audit_tables([folder / "county.csv", folder / "line.csv"],
                             cells=folder / "cells.csv", value="sales")  # fmt: skip
        assert [c.interval for c in audit.cells] == [(25, 25), (5, 5), (12, 12)]
        assert json.loads(json.dumps(audit.to_json()))["determined"] == 3

    @pytest.mark.parametrize(
        ("name", "text", "message"),
        [
            ("line.csv", "line,sales\ntools,25\npaint,18\n", "contradict each other"),
            ("line.csv", "line,sales\ntools,-25\npaint,67\n", r"negative in row 0 \(from 0\)"),
            ("line.csv", "line,sales\ntools,many\npaint,17\n", "neither a number nor a mark"),
            ("line.csv", "line,sales\ntools,25\ntools,17\n", "same labels in rows 0 and 1"),
            ("line.csv", "line,value\ntools,25\npaint,17\n", "has no column 'sales'"),
            ("line.csv", "line,sales\ntools,25\n,17\n", "no label in row 1"),
            ("line.csv", "line,sales\ntools,25\npaint,9e15\n", r"2\^52"),
            ("cells.csv", "county,branch\neast,tools\n", "no column 'line'"),
            ("cells.csv", "county,line\neast,tools\neast,tools\n", "list one cell twice"),
            ("cells.csv", "county,line\neast,tools\neast,paint\n", "no cell that may be occupied"),
            ("line.parquet", "PAR1 damaged", "cannot read"),
        ],
    )
    def test_bad_input_is_one_clear_error(self, folder, name, text, message):
        (folder / name).write_text(text)
        line = folder / (name if name.endswith("parquet") else "line.csv")
        with pytest.raises(DataError, match=message) as error:
            audit_tables([folder / "county.csv", line], cells=folder / "cells.csv", value="sales")
        assert "25" not in str(error.value)

    def test_a_missing_file_is_an_error(self, folder):
        with pytest.raises(DataError, match=r"cannot read .*none\.csv"):
            audit_tables([folder / "none.csv"])

    @pytest.mark.parametrize("option", [{"rounding": -1}, {"deviation": np.nan}, {"protection": 0}])
    def test_options_are_checked(self, folder, option):
        with pytest.raises(DataError, match=next(iter(option))):
            audit_tables([folder / "county.csv"], **option)

    def test_cells_that_may_be_negative_have_no_bounds_but_bridges(self, folder):
        (folder / "line.csv").write_text("line,sales\ntools,-25\npaint,67\n")
        audit = audit_tables([folder / "county.csv", folder / "line.csv"],
                             cells=folder / "cells.csv", value="sales", signed=True)  # fmt: skip
        assert [c.interval[0] for c in audit.cells] == [-25, 55, 12]


def test_a_large_table_needs_few_linear_programs():
    """5,000 cells of which two thirds are occupied; every bound is proven, and the truth inside."""
    generator = public_generator("large")
    i, j = np.nonzero(generator.random((100, 75)) < 0.66)
    values = np.round(generator.lognormal(3, 1.5, len(i))) + 1
    cells = {"county": [f"c{c}" for c in i], "line": [f"l{c}" for c in j]}
    audit = audited(cells, values, (("county",), ("line",)))
    low, high = found_intervals(audit).T
    assert ((low <= values) & (values <= high)).all()
    assert all(cell.sharp for cell in audit.cells)
    assert audit.programs < 20
    county = sparse.csr_array((values, (i, j)))
    limits = np.minimum(county.sum(axis=1)[i], county.sum(axis=0)[j])
    assert (high <= limits + 1e-6).all()
