"""Two kinds of randomness: streams against their standard, and what must not be mixed up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.randomness import (
    SEED_BYTES,
    InsecureReplayableRandom,
    SystemRandom,
    public_generator,
)

KEYS = st.binary(min_size=SEED_BYTES, max_size=SEED_BYTES)


class TestSystemRandom:
    def test_never_repeats_itself(self):
        drawn = {SystemRandom().bytes(32) for _ in range(1000)}
        assert len(drawn) == 1000

    def test_gives_as_many_bytes_as_asked_for(self):
        assert [len(SystemRandom().bytes(n)) for n in (0, 1, 33)] == [0, 1, 33]

    def test_takes_no_seed(self):
        with pytest.raises(TypeError):
            SystemRandom(b"seed")  # type: ignore[call-arg]


class TestInsecureReplayableRandom:
    def test_is_replayed_by_its_seed_whatever_the_pieces(self):
        one, other = InsecureReplayableRandom(b"s"), InsecureReplayableRandom(b"s")
        assert one.bytes(10) + one.bytes(30) == other.bytes(40)
        assert InsecureReplayableRandom(b"t").bytes(40) != InsecureReplayableRandom(b"s").bytes(40)

    def test_says_what_it_is_and_not_what_it_gives(self):
        shown = repr(InsecureReplayableRandom(b"the seed"))
        assert "tests only" in shown
        assert "the seed" not in shown


class TestPublicGenerator:
    @given(st.lists(st.text() | st.integers(0, 2**64 - 1) | st.binary(), max_size=4))
    def test_is_rebuilt_from_its_context(self, context):
        one, other = public_generator(*context), public_generator(*context)
        assert (one.integers(0, 2**63, 9) == other.integers(0, 2**63, 9)).all()

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            (("ab", "c"), ("a", "bc")),
            (("a", 1), ("a", "1")),
            (("a", b"b"), ("a", "b")),
            (("a",), ("a", "")),
            (("a", ["b"]), ("a", "b")),
            ((1, 23), (12, 3)),
        ],
    )
    def test_contexts_that_look_alike_give_other_streams(self, one, other):
        drawn = {public_generator(*context).bytes(32) for context in (one, other)}
        assert len(drawn) == 2

    def test_is_the_same_on_every_machine(self):
        drawn = public_generator("dither", 7, "alder", 3).integers(0, 1 << 16, 5)
        assert drawn.tolist() == [25626, 42343, 38175, 41880, 34164]

    def test_a_context_of_floats_is_refused(self):
        """Their text may differ between machines."""
        with pytest.raises(TypeError):
            public_generator("dither", 0.5)
