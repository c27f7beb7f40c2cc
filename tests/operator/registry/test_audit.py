"""The record that auditors take away."""

import csv
import io
import json

import pytest
from confide_operator.registry import MemberProposed, audit, to_csv, to_json
from tests.operator.registry.support import RELEASE, Machine, enrolled, found, key
from tests.tee.support import relying_party

from confide.errors import AttestationError
from confide.tee import Platform, Release


@pytest.fixture
def registry(tmp_path):
    registry = found(tmp_path / "registry.db")
    build = registry.propose_build(RELEASE, key("operator"))
    registry.accept(build, key("alder"), "reproduced it")
    registry.reject(build, key("birch"), "not yet")
    node = enrolled(registry, Machine(registry))
    with pytest.raises(AttestationError):
        registry.attest(node, b"garbage", relying_party(), bytes(32), key("operator"))
    registry.withdraw(build, key("operator"), "superseded")
    return registry


def test_every_statement_is_one_row_in_both_forms(registry):
    rows = audit(registry)
    assert [row.entry for row in rows] == list(range(len(registry.log)))
    table = list(csv.DictReader(io.StringIO(to_csv(rows))))
    listed = json.loads(to_json(rows))
    assert len(table) == len(listed) == len(rows)
    for row, line, entry in zip(rows, table, listed, strict=True):
        assert line["hash"] == entry["hash"] == row.hash
        assert line["action"] == entry["action"] == row.action


def test_says_who_did_what_and_what_came_of_it(registry):
    said = [(r.member, r.role, r.action, r.subject, r.outcome) for r in audit(registry)]
    build, node = "build aggregator 1.0", "node node-1 (snp)"
    assert said == [
        ("alder", "party", "founded", "registry five lenders", ""),
        ("operator", "operator", "build proposed", build, ""),
        ("alder", "party", "decided", build, "accepted"),
        ("birch", "party", "decided", build, "rejected"),
        ("operator", "operator", "node proposed", node, ""),
        ("operator", "operator", "attested", node, "held"),
        ("alder", "party", "decided", node, "accepted"),
        ("birch", "party", "decided", node, "accepted"),
        ("operator", "operator", "attested", node, "failed at parse"),
        ("operator", "operator", "withdrawn", build, "withdrawn"),
    ]


def test_the_assurance_stands_in_the_record(registry):
    rows = audit(registry)
    assert [r.assurance for r in rows if r.outcome == "held"] == ["simulated"]


def test_no_cell_is_a_formula_of_a_spreadsheet(tmp_path):
    registry = found(tmp_path / "registry.db")
    release = Release("=HYPERLINK(1)", "1", bytes(32), {Platform.SNP: {"measurement": b"m" * 48}})
    build = registry.propose_build(release, key("operator"))
    registry.reject(build, key("alder"), "=1+1")
    registry.reject(build, key("birch"), "@SUM(A1)")
    registry.propose(MemberProposed("+dial", bytes(32), "operator"), key("alder"))
    for line in csv.DictReader(io.StringIO(to_csv(audit(registry)))):
        assert not any(cell.startswith(("=", "+", "-", "@")) for cell in line.values())
    assert json.loads(to_json(audit(registry)))[2]["detail"] == "=1+1"
