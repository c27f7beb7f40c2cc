import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load, save
from tests.computation.examples import NAMES, mean

from confide.computation import Checkpoint, checked_state, state_hash
from confide.errors import DataError
from confide.plan import Opening

DTYPES = ["<f8", ">f8", "<f4", "<f2", "<i8", ">i4", "<u2", "|i1", "|u1", "|b1"]
arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(
        dtype,
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False} if "f" in dtype else None,
    )
)
states = st.dictionaries(st.text("abcxyz_", min_size=1, max_size=4), arrays, max_size=3)


@pytest.fixture(scope="module")
def plan():
    return mean().plan(parties=NAMES, rounds=5)


@pytest.fixture
def checkpoint(plan):
    state = checked_state({"mean": np.float64(0.1), "w": np.arange(6.0).reshape(2, 3)})
    history = ({"round": 0, "loss": 0.1}, {"round": 1, "loss": 1e-17, "dropped": "a, ä"})
    openings = (Opening(0, 0, NAMES), Opening(1, 2, NAMES))
    own = {"a": checked_state({"bias": np.float64(0.5)}, "own")}
    return Checkpoint(plan.hash, 2, state, history, openings, own)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.safetensors"


def assert_same(one, other):
    assert list(one) == list(other)
    for name in one:
        assert one[name].shape == other[name].shape
        assert one[name].dtype.newbyteorder("<") == other[name].dtype.newbyteorder("<")
        np.testing.assert_array_equal(one[name], other[name])


class TestCheckedState:
    def test_holds_the_same_numbers_in_order_of_names(self):
        checked = checked_state({"b": [1, 2], "a": 0.5})
        assert list(checked) == ["a", "b"]
        assert (checked["a"].shape, checked["b"].tolist()) == ((), [1, 2])

    def test_cannot_be_written_to(self):
        with pytest.raises(ValueError, match="read-only"):
            checked_state({"w": np.zeros(3)})["w"][0] = 1

    def test_does_not_change_with_the_arrays_it_was_made_of(self):
        w = np.zeros(3)
        checked = checked_state({"w": w})
        w[0] = 1
        assert checked["w"][0] == 0

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_is_finite(self, bad):
        with pytest.raises(DataError, match=r"state 'w' became NaN or infinite.* lower its learn"):
            checked_state({"v": 1.0, "w": [0.0, bad]})

    @pytest.mark.parametrize("value", ["text", b"bytes", None, 1j, [{}], np.datetime64("2020")])
    def test_is_made_of_numbers(self, value):
        with pytest.raises(DataError, match=r"state 'w' is of type .*; a state is made of numbers"):
            checked_state({"w": value})

    @pytest.mark.parametrize("state", [None, [1.0], 1.0])
    def test_is_made_of_a_mapping(self, state):
        said = f"init returned {type(state).__name__}; it must return a mapping of names to arrays"
        with pytest.raises(DataError, match=said):
            checked_state(state)


class TestStateHash:
    def test_has_32_bytes_and_is_pinned(self):
        digest = state_hash({"w": np.array([1.0, -2.5])})
        assert digest.hex() == ("dfc0c46207b733ce35143756063c219f5d226c650cf7f0041680ced44e41359a")

    @given(states)
    def test_does_not_depend_on_order_layout_or_byte_order(self, state):
        turned = {
            name: np.asarray(array, array.dtype.newbyteorder(">"), order="F")
            for name, array in reversed(state.items())
        }
        assert state_hash(turned) == state_hash(state)

    @pytest.mark.parametrize(
        "other",
        [
            {"v": np.array([1.0, 2.0])},
            {"w": np.array([1.0, 2.5])},
            {"w": np.array([1, 2])},
            {"w": np.array([1.0, 2.0], np.float32)},
            {"w": np.array([[1.0, 2.0]])},
            {"w": np.array([1.0, 2.0]), "v": np.array(0.0)},
            {},
        ],
        ids=["name", "value", "kind", "width", "shape", "one more", "none"],
    )
    def test_tells_states_apart(self, other):
        assert state_hash(other) != state_hash({"w": np.array([1.0, 2.0])})


class TestCheckpoint:
    def test_reads_what_it_wrote(self, checkpoint, path, plan):
        checkpoint.write(path)
        read = Checkpoint.read(path, plan)
        assert (read.plan_hash, read.next_round) == (plan.hash, 2)
        assert read.history == checkpoint.history
        assert read.openings == checkpoint.openings
        assert_same(read.state, checkpoint.state)
        assert read.own.keys() == {"a"}
        assert_same(read.own["a"], checkpoint.own["a"])

    @given(state=states)
    def test_reads_back_every_state_with_the_same_hash(self, state, plan, tmp_path_factory):
        path = tmp_path_factory.getbasetemp() / "any.safetensors"
        state = checked_state(state)
        Checkpoint(plan.hash, 0, state, ()).write(path)
        read = Checkpoint.read(path, plan).state
        assert_same(read, state)
        assert state_hash(read) == state_hash(state)

    def test_gives_a_state_that_cannot_be_written_to(self, checkpoint, path, plan):
        checkpoint.write(path)
        with pytest.raises(ValueError, match="read-only"):
            Checkpoint.read(path, plan).state["w"][0] = 1

    def test_is_written_over_whole_and_leaves_nothing_beside(self, checkpoint, path, plan):
        Checkpoint(plan.hash, 1, {"w": np.zeros(100)}, ({"round": 0},)).write(path)
        checkpoint.write(path)
        assert Checkpoint.read(path, plan).next_round == 2
        assert [p.name for p in path.parent.iterdir()] == [path.name]

    def test_is_not_lost_if_writing_the_next_stops_half_way(self, checkpoint, path, plan):
        checkpoint.write(path)
        path.with_name(path.name + ".partial").write_bytes(b"half a check")
        assert Checkpoint.read(path, plan).next_round == 2
        checkpoint.write(path)

    def test_says_where_it_cannot_be_written(self, checkpoint, tmp_path):
        with pytest.raises(DataError, match=r"cannot write the checkpoint .*nowhere"):
            checkpoint.write(tmp_path / "nowhere" / "run")

    def test_is_safetensors_and_json_and_no_pickle(self, checkpoint, path):
        checkpoint.write(path)
        data = path.read_bytes()
        tensors = load(data)
        assert tensors.pop("own/a/bias") == 0.5
        assert_same(dict(sorted(tensors.items())), checkpoint.state)
        length = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        openings = [[o.number, o.attempt, list(o.survivors)] for o in checkpoint.openings]
        assert json.loads(metadata["run"]) == [2, list(checkpoint.history), openings]
        assert metadata.keys() == {"format", "plan", "run", "digest"}


def changed_metadata(data, **changes):
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    return save(load(data), {k: v for k, v in (metadata | changes).items() if v is not None})


class TestReadingAStrangeFile:
    def test_refuses_a_checkpoint_of_another_plan_and_names_both(self, checkpoint, path, plan):
        checkpoint.write(path)
        other = mean().plan(parties=NAMES, rounds=6)
        with pytest.raises(DataError, match="another checkpoint path") as refusal:
            Checkpoint.read(path, other)
        assert plan.short_hash in str(refusal.value)
        assert other.short_hash in str(refusal.value)

    def test_refuses_every_truncation(self, checkpoint, path, plan):
        checkpoint.write(path)
        whole = path.read_bytes()
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            with pytest.raises(DataError, match=str(path)):
                Checkpoint.read(path, plan)

    def test_refuses_every_changed_bit_that_changes_what_it_says(self, checkpoint, path, plan):
        checkpoint.write(path)
        whole = path.read_bytes()
        for position in range(len(whole)):
            changed = bytearray(whole)
            changed[position] ^= 1 << position % 7
            path.write_bytes(changed)
            try:
                read = Checkpoint.read(path, plan)
            except DataError:
                continue
            # Padding and the order of keys may change, what the checkpoint says may not.
            assert (read.next_round, read.history) == (2, checkpoint.history)
            assert read.openings == checkpoint.openings
            assert_same(read.state, checkpoint.state)
            assert_same(read.own["a"], checkpoint.own["a"])

    @pytest.mark.parametrize(
        ("change", "refusal"),
        [
            ({"format": None}, "not a checkpoint of this format"),
            ({"format": "confide checkpoint 1"}, "not a checkpoint of this format"),
            ({"plan": None}, "belongs to plan"),
            ({"run": None}, "damaged"),
            ({"run": "[3, []]"}, "damaged"),
            ({"run": "["}, "damaged"),
            ({"digest": None}, "damaged"),
            ({"digest": ""}, "damaged"),
        ],
    )
    def test_refuses_other_metadata(self, checkpoint, path, plan, change, refusal):
        checkpoint.write(path)
        path.write_bytes(changed_metadata(path.read_bytes(), **change))
        with pytest.raises(DataError, match=refusal):
            Checkpoint.read(path, plan)

    @pytest.mark.parametrize(
        "data",
        [b"", b"\x80\x04N.", b"not a checkpoint", save({"w": np.zeros(2)}), b"\xff" * 64],
        ids=["empty", "pickle", "text", "other safetensors", "ones"],
    )
    def test_refuses_what_is_no_checkpoint(self, path, plan, data):
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"not a (readable )?checkpoint"):
            Checkpoint.read(path, plan)

    def test_refuses_what_is_no_file(self, tmp_path, plan):
        for path in (tmp_path, tmp_path / "none"):
            with pytest.raises(DataError, match="not a readable checkpoint"):
                Checkpoint.read(path, plan)
