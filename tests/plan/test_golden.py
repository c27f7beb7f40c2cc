import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan import golden

from confide import canonical
from confide.errors import ConfideError, PlanError
from confide.plan import SCHEMA_VERSION, Plan
from confide.plan.plan import MIGRATED_VERSION

NEEDS_A_VERSION = (
    "the bytes of a plan changed: plans that parties have signed become unreadable. If that is "
    "meant, raise SCHEMA_VERSION, then run: python -m tests.plan.golden --write"
)

each_plan = pytest.mark.parametrize("name", golden.PLANS)


@each_plan
def test_a_change_of_bytes_needs_a_new_schema_version(name):
    pinned, plan = golden.read_bytes(name), golden.PLANS[name]
    written_under = canonical.decode(pinned, len(pinned))["schema_version"]
    assert written_under == SCHEMA_VERSION, "run: python -m tests.plan.golden --write"
    assert plan.canonical() == pinned, NEEDS_A_VERSION
    assert plan.hash == golden.read_hash(name), NEEDS_A_VERSION


@each_plan
def test_the_hash_is_sha_256_of_the_pinned_bytes(name):
    assert hashlib.sha256(golden.read_bytes(name)).digest() == golden.read_hash(name)


@each_plan
def test_the_pinned_bytes_are_read_as_the_plan(name):
    plan = Plan.from_canonical(golden.read_bytes(name))
    assert plan == golden.PLANS[name]
    assert plan.hash == golden.PLANS[name].hash


def test_no_file_is_left_over():
    files = [path.name.partition(".")[0] for path in golden.FOLDER.iterdir() if path.is_file()]
    assert {name for name in files if not name.startswith("_")} == set(golden.PLANS)


def test_writing_anew_changes_nothing(tmp_path, monkeypatch):
    pinned = {path.name: path.read_bytes() for path in golden.FOLDER.glob("[!_]*.*")}
    monkeypatch.setattr(golden, "FOLDER", tmp_path)
    golden.write()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == pinned


def test_a_plan_of_the_schema_before_is_refused_with_the_line_that_migrates_it():
    old = bytes.fromhex(golden.SCHEMA_2.read_text("ascii"))
    assert canonical.decode(old, len(old))["schema_version"] == MIGRATED_VERSION
    with pytest.raises(PlanError, match=r"schema_version 2; this release reads 3.*plan migrate"):
        Plan.from_canonical(old)


@each_plan
def test_no_altered_byte_is_read_as_the_plan(name):
    pinned = golden.read_bytes(name)
    for place, byte in enumerate(pinned):
        _refused_or_another_plan(name, place, byte ^ 1 << place % 8)


@settings(max_examples=200)
@given(
    name=st.sampled_from(list(golden.PLANS)), place=st.integers(0, 2**16), new=st.integers(0, 255)
)
def test_no_replaced_byte_is_read_as_the_plan(name, place, new):
    pinned = golden.read_bytes(name)
    if pinned[place % len(pinned)] != new:
        _refused_or_another_plan(name, place % len(pinned), new)


@each_plan
def test_no_cut_or_lengthened_bytes_are_read(name):
    pinned = golden.read_bytes(name)
    for other in [*(pinned[:end] for end in range(len(pinned))), pinned + b"\0", pinned + pinned]:
        with pytest.raises(ConfideError):
            Plan.from_canonical(other)


def _refused_or_another_plan(name, place, new):
    pinned = golden.read_bytes(name)
    altered = pinned[:place] + bytes([new]) + pinned[place + 1 :]
    try:
        read = Plan.from_canonical(altered)
    except ConfideError:
        return
    assert read != golden.PLANS[name]
    assert read.canonical() == altered
