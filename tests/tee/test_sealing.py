"""Sealed state: for the same enclave, in its context, and never an older one."""

import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide import canonical
from confide.errors import ProtocolError, VerificationError
from confide.randomness import InsecureReplayableRandom
from confide.tee.counters import FileCounter
from confide.tee.sealing import SealedState, Sealer

SECRET, PURPOSE = b"a secret of 16+ bytes", b"p" * 32


def state_in(folder):
    counter = FileCounter(folder / "counter.db", PURPOSE)
    return SealedState(folder / "state", Sealer(SECRET, "mrenclave"), counter, PURPOSE)


@pytest.fixture
def state(tmp_path):
    """A state of which there was none before."""
    made = state_in(tmp_path)
    assert made.load() is None
    return made


def refused(state, reason, error=VerificationError):
    with pytest.raises(error, match=reason) as raised:
        state.load()
    assert "\n" not in str(raised.value)


class TestSealer:
    @given(st.binary(max_size=200), st.binary(max_size=40))
    def test_opens_what_it_sealed(self, data, context):
        sealed = Sealer(SECRET, "mrenclave").seal(data, context)
        assert Sealer(SECRET, "mrenclave").open(sealed, context) == data

    @given(st.binary(max_size=50), st.data())
    def test_opens_nothing_that_was_altered(self, data, drawn):
        sealed = bytearray(Sealer(SECRET, "mrenclave").seal(data, b"context"))
        place = drawn.draw(st.integers(0, 8 * len(sealed) - 1))
        sealed[place // 8] ^= 1 << place % 8
        with pytest.raises(VerificationError, match="does not open"):
            Sealer(SECRET, "mrenclave").open(bytes(sealed), b"context")

    @pytest.mark.parametrize("size", [0, 1, 11, 12, 27])
    def test_opens_nothing_that_is_too_short(self, size):
        with pytest.raises(VerificationError, match="does not open"):
            Sealer(SECRET, "mrenclave").open(bytes(size), b"context")

    @pytest.mark.parametrize(
        ("secret", "bound_to", "context"),
        [
            (SECRET[:-1] + b"x", "mrenclave", b"context"),
            (SECRET, "mrsigner", b"context"),
            (SECRET, "mrenclave", b"Context"),
            (SECRET, "mrenclave", b""),
        ],
        ids=["secret", "what it is bound to", "context", "no context"],
    )
    def test_of_another_enclave_or_context_opens_nothing(self, secret, bound_to, context):
        sealed = Sealer(SECRET, "mrenclave").seal(b"data", b"context")
        with pytest.raises(VerificationError, match="another build or signer sealed it"):
            Sealer(secret, bound_to).open(sealed, context)

    def test_uses_a_nonce_once(self):
        sealer = Sealer(SECRET, "mrenclave")
        sealed = {sealer.seal(b"same", b"context") for _ in range(50)}
        assert len({item[:12] for item in sealed}) == 50
        replayed = [
            Sealer(SECRET, "mrenclave", InsecureReplayableRandom(b"nonces")) for _ in range(2)
        ]
        first, second = (sealer.seal(b"same", b"context") for sealer in replayed)
        assert first == second
        assert first[:12] == InsecureReplayableRandom(b"nonces").bytes(12)

    @pytest.mark.parametrize("size", [0, 1, 15])
    def test_takes_no_secret_that_is_too_short(self, size):
        with pytest.raises(VerificationError, match=f"of {size} bytes; it has at least 16"):
            Sealer(bytes(size), "mrenclave")
        assert Sealer(bytes(16), "mrenclave").seal(b"", b"")

    def test_shows_no_secret(self, state):
        for shown in (repr(state.sealer), str(state.sealer), repr(state)):
            assert SECRET.decode() not in shown
            assert SECRET.hex() not in shown
        assert repr(state.sealer) == "Sealer(<hidden>)"


class TestState:
    def test_was_never_there(self, state):
        assert state.load() is None

    def test_is_the_last_one_saved(self, state):
        for number in range(1, 5):
            state.save(bytes([number]))
            assert state.load() == bytes([number])
            assert state.counter.read() == number
        assert [path.name for path in sorted(state.path.parent.iterdir())] == [
            "counter.db",
            "state",
        ]

    @given(st.binary(max_size=500))
    def test_is_hidden_from_who_keeps_the_file(self, tmp_path_factory, data):
        state = state_in(tmp_path_factory.mktemp("sealed"))
        state.begin()
        state.save(b"a marked number" + data)
        assert b"marked" not in state.path.read_bytes()
        assert state.load() == b"a marked number" + data

    def test_comes_back_to_another_instance_of_the_enclave(self, state, tmp_path):
        state.save(b"first")
        again = state_in(tmp_path)
        assert again.load() == b"first"

    def test_does_not_open_after_a_newer_one(self, state, tmp_path):
        state.save(b"first")
        shutil.copy(state.path, tmp_path / "older")
        state.save(b"second")
        shutil.copy(tmp_path / "older", state.path)
        refused(state, "is number 1, but the counter is at 2: somebody rolled the state back")

    def test_of_an_older_number_is_not_made_newer_by_its_label(self, state):
        """The number that is read is outside of the encryption; the one that counts is inside."""
        state.save(b"first")
        older = canonical.decode(state.path.read_bytes(), 1000)
        state.save(b"second")
        for label, reason in ((2, "does not open"), (True, "is not a sealed state")):
            state.path.write_bytes(canonical.encode({**older, "counter": label}))
            with pytest.raises(ProtocolError, match=reason):
                state.load()

    def test_of_a_counter_that_was_set_back_is_refused(self, state, tmp_path):
        state.save(b"first")
        shutil.copy(tmp_path / "counter.db", tmp_path / "older.db")
        state.save(b"second")
        shutil.copy(tmp_path / "older.db", tmp_path / "counter.db")
        refused(state, "is number 2, but the counter is at 1")

    def test_set_back_together_with_its_counter_is_not_found_out(self, state, tmp_path):
        """Why the counter must be out of the host's reach: a file beside the state is not."""
        state.save(b"first")
        for name in ("state", "counter.db"):
            shutil.copy(tmp_path / name, tmp_path / f"older {name}")
        state.save(b"second")
        for name in ("state", "counter.db"):
            shutil.copy(tmp_path / f"older {name}", tmp_path / name)
        assert state.load() == b"first"

    def test_that_was_taken_away_is_missed(self, state):
        state.save(b"first")
        state.path.unlink()
        refused(state, "is gone, and the counter says that there were 1: start a new epoch")

    def test_of_another_build_or_signer_does_not_open(self, state):
        state.save(b"first")
        for sealer in (Sealer(b"x" * 16, "mrenclave"), Sealer(SECRET, "mrsigner")):
            refused(replace(state, sealer=sealer), "another build or signer sealed it")

    def test_of_another_plan_does_not_open(self, state):
        state.save(b"first")
        refused(replace(state, purpose=b"q" * 32), "another plan's enclave")

    def test_of_another_plan_beside_it_is_left_alone(self, state):
        """Names that differ in their ending alone do not meet while they are written, either."""
        own = replace(state, path=state.path.with_suffix(".plan"))
        state.path.with_suffix(".new").mkdir()
        own.begin()
        own.save(b"own")
        assert own.load() == b"own"

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"", "not deterministic CBOR"),
            (b"\xa0", "is not a sealed state"),
            (canonical.encode([1, b"state"]), "is not a sealed state"),
            (canonical.encode({"counter": "1", "state": b""}), "is not a sealed state"),
            (canonical.encode({"counter": 1, "state": "text"}), "is not a sealed state"),
            (canonical.encode({"counter": 1, "state": b"", "more": 1}), "CBOR"),
        ],
    )
    def test_of_another_form_is_not_read(self, state, data, reason):
        state.save(b"first")
        state.path.write_bytes(data)
        refused(state, reason, ProtocolError)

    def test_too_large_is_not_read(self, state):
        state.save(b"first")
        with state.path.open("wb") as file:
            file.truncate((64 << 20) + 1)
        refused(state, "at most 67,108,864 fit here", ProtocolError)

    def test_that_cannot_be_read_says_so(self, state):
        state.save(b"first")
        state.path.unlink()
        state.path.mkdir()
        refused(state, "cannot read the sealed state", ProtocolError)


DIES = """
import os, sys
from pathlib import Path
from confide.tee.counters import FileCounter
from confide.tee.sealing import SealedState, Sealer

class Dying(Sealer):
    def seal(self, data, context):
        os._exit(9)

folder, purpose = Path(sys.argv[1]), b"p" * 32
sealer = Dying(b"a secret of 16+ bytes", "mrenclave")
state = SealedState(folder / "state", sealer, FileCounter(folder / "counter.db", purpose), purpose)
assert state.load() == b"first"
state.save(b"second")
"""


class TestCrash:
    def test_between_the_counter_and_the_file_loses_the_state(self, state, tmp_path):
        """The other way round, a host could collect two states of one number."""
        state.save(b"first")
        died = subprocess.run([sys.executable, "-c", DIES, str(tmp_path)], check=False)
        assert died.returncode == 9
        assert state.counter.read() == 2
        refused(state, "is number 1, but the counter is at 2.*new epoch")
        assert state.begin() == 2
        state.save(b"third")
        assert state.load() == b"third"

    def test_of_the_disk_leaves_the_older_file_and_says_so(self, state):
        state.save(b"first")
        before = state.path.read_bytes()
        state.path.with_name("state.new").mkdir()
        with pytest.raises(ProtocolError, match="cannot write the sealed state"):
            state.save(b"second")
        assert state.path.read_bytes() == before
        refused(state, "somebody rolled the state back")

    def test_of_the_counter_writes_nothing(self, state, tmp_path):
        state.save(b"first")
        before = state.path.read_bytes()
        (tmp_path / "counter.db").write_bytes(b"no database" * 100)
        with pytest.raises(ProtocolError, match="cannot raise the counter"):
            state.save(b"second")
        for act in (state.load, state.begin):
            with pytest.raises(ProtocolError, match="cannot read the counter"):
                act()
        assert state.path.read_bytes() == before


class TestInstances:
    """Two that were started from one state, as a host may do: one of them goes on."""

    def test_of_one_state_do_not_both_save(self, state):
        state.save(b"first")
        twin = replace(state)
        assert twin.load() == b"first"
        state.save(b"of the one")
        before = state.path.read_bytes()
        for _ in range(2):
            with pytest.raises(VerificationError, match="another instance raised it"):
                twin.save(b"of the other")
        assert state.path.read_bytes() == before
        assert state.load() == b"of the one"

    def test_go_on_from_the_state_that_they_loaded(self, state):
        state.save(b"first")
        twin = replace(state)
        assert twin.load() == b"first"
        twin.save(b"second")
        assert twin.load() == b"second"
        with pytest.raises(VerificationError, match="another instance raised it"):
            state.save(b"third")

    def test_overwrite_no_state_that_they_have_not_seen(self, state):
        state.save(b"first")
        before = state.path.read_bytes()
        for _ in range(2):
            with pytest.raises(VerificationError, match="load it, or begin a new epoch"):
                replace(state).save(b"second")
        assert state.path.read_bytes() == before
        assert state.counter.read() == 1

    def test_go_on_without_it_if_they_give_it_up(self, state):
        state.save(b"first")
        fresh = replace(state)
        assert fresh.begin() == 1
        fresh.save(b"of a new epoch")
        assert fresh.load() == b"of a new epoch"
        assert state.counter.read() == 2

    def test_do_not_go_on_from_a_state_that_did_not_open(self, state):
        state.save(b"first")
        other = replace(state, sealer=Sealer(b"x" * 16, "mrenclave"))
        refused(other, "another build or signer")
        with pytest.raises(VerificationError, match="load it, or begin a new epoch"):
            other.save(b"second")

    def test_save_nothing_before_they_looked(self, tmp_path):
        with pytest.raises(VerificationError, match="neither loaded nor discarded"):
            state_in(tmp_path).save(b"first")
        assert not (tmp_path / "state").exists()
