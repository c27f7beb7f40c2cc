"""Two kinds of randomness: streams against their standard, and what must not be mixed up."""

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from confide.randomness import (
    SEED_BYTES,
    InsecureReplayableRandom,
    SystemRandom,
    keystream,
    public_generator,
)

KEYS = st.binary(min_size=SEED_BYTES, max_size=SEED_BYTES)


def stream_of(key: bytes, count: int) -> bytes:
    out = bytearray(b"\xaa" * count)
    keystream(key, out)
    return bytes(out)


class TestKeystream:
    def test_begins_with_the_encryption_of_counter_zero(self):
        """The known answer of AES-256 for a key and a block of zeros."""
        assert stream_of(bytes(32), 16).hex() == "dc95c078a2408989ad48a21492842087"

    @given(KEYS)
    def test_is_the_counter_encrypted_block_by_block(self, key):
        """A second implementation of CTR, from single blocks (NIST SP 800-38A, §6.5)."""
        block = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        counters = b"".join(i.to_bytes(16, "big") for i in range(5))
        assert stream_of(key, 80) == block.update(counters)

    @given(KEYS, st.integers(0, 100), st.integers(0, 100))
    def test_shorter_is_the_beginning_of_longer(self, key, one, other):
        shorter, longer = sorted((one, other))
        assert stream_of(key, longer)[:shorter] == stream_of(key, shorter)

    def test_long_streams_go_on_the_same(self):
        """Above a mebibyte it takes another way."""
        limit = 1 << 20
        streams = [stream_of(b"k" * 32, count) for count in (limit, limit + 1, limit + 17)]
        assert streams[2][:limit] == streams[1][:limit] == streams[0]
        assert streams[2][: limit + 1] == streams[1]

    def test_overwrites_whatever_was_there(self):
        zeros, ones = bytearray(100), bytearray(b"\xff" * 100)
        keystream(bytes(32), zeros)
        keystream(bytes(32), ones)
        assert zeros == ones

    def test_bytes_are_uniform(self):
        counts = np.bincount(np.frombuffer(stream_of(b"k" * 32, 100_000), np.uint8), minlength=256)
        assert chisquare(counts).pvalue > 1e-9

    @pytest.mark.parametrize("length", [0, 16, 24, 31, 33])
    def test_takes_keys_of_256_bits_only(self, length):
        with pytest.raises(ValueError, match=f"a key of {length} bytes"):
            keystream(bytes(length), bytearray(16))


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
