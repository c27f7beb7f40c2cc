"""Deterministic CBOR: one value, one byte string; and hostile bytes come to nothing."""

import hashlib
import sys
import tracemalloc
from collections import Counter
from contextlib import contextmanager

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.canonical import decode, encode, sha256
from confide.errors import ProtocolError

LIMIT = 1 << 20

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.text(max_size=40)
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=30,
)

RFC_8949_APPENDIX_A = [
    (0, "00"),
    (23, "17"),
    (24, "1818"),
    (255, "18ff"),
    (256, "190100"),
    (1_000_000, "1a000f4240"),
    (2**64 - 1, "1bffffffffffffffff"),
    (-1, "20"),
    (-1000, "3903e7"),
    (-(2**64), "3bffffffffffffffff"),
    (False, "f4"),
    (True, "f5"),
    (None, "f6"),
    (b"", "40"),
    (b"\1\2\3\4", "4401020304"),
    ("", "60"),
    ("IETF", "6449455446"),
    ("ü", "62c3bc"),
    ("水", "63e6b0b4"),
    ([], "80"),
    ([1, [2, 3], [4, 5]], "8301820203820405"),
    ({}, "a0"),
    ({"a": 1, "b": [2, 3]}, "a26161016162820203"),
]


class TestOneValueOneString:
    @pytest.mark.parametrize(("value", "encoded"), RFC_8949_APPENDIX_A)
    def test_the_examples_of_the_standard(self, value, encoded):
        assert encode(value).hex() == encoded
        assert decode(bytes.fromhex(encoded), LIMIT) == value

    @given(VALUES)
    def test_decodes_what_it_encoded(self, value):
        assert decode(encode(value), LIMIT) == value

    @given(VALUES)
    def test_another_library_reads_it(self, value):
        assert cbor2.loads(encode(value)) == value

    @given(VALUES, VALUES)
    def test_different_values_have_different_strings(self, one, other):
        same = one == other and repr(one) == repr(other)
        assert same or encode(one) != encode(other) or one == other

    @given(st.dictionaries(st.text(max_size=9), st.integers(0, 9)), st.randoms())
    def test_keys_come_in_the_order_of_their_bytes(self, values, chance):
        """Shorter keys first, since their heads are smaller (RFC 8949, §4.2.1)."""
        items = list(values.items())
        chance.shuffle(items)
        encoded = encode(dict(items))
        keys = [encode(key) for key in decode(encoded, LIMIT)]
        assert keys == sorted(keys)
        assert encoded == encode(values)

    def test_lists_and_tuples_are_one(self):
        assert encode((1, (2,))) == encode([1, [2]])

    def test_the_hash_is_that_of_the_encoding(self):
        assert sha256(["a", 1]) == hashlib.sha256(bytes.fromhex("82616101")).digest()


class TestRefusedValues:
    @pytest.mark.parametrize(
        "value",
        [
            0.5,
            float("nan"),
            1j,
            {1: 2},
            {b"a": 1},
            {None: 1},
            {1, 2},
            pytest.param(object(), id="an object"),
            [[0.5]],
            {"a": {"b": 0.5}},
            2**64,
            -(2**64) - 1,
            bytearray(b"a"),
            range(3),
        ],
        ids=repr,
    )
    def test_have_no_encoding(self, value):
        with pytest.raises(TypeError):
            encode(value)

    def test_a_value_nests_32_deep_at_most(self):
        deep: list[object] = []
        for _ in range(31):
            deep = [deep]
        assert decode(encode(deep), LIMIT) == deep
        for _ in range(2):
            deep = [deep]
        with pytest.raises(TypeError, match="deeper than 32"):
            encode(deep)


def head(major: int, argument: int) -> bytes:
    """The shortest head of an item."""
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 24:
            return bytes([major << 5 | argument])
        if argument < 1 << 8 * size:
            return bytes([major << 5 | info]) + argument.to_bytes(size, "big")
    raise ValueError(argument)


def tag(number: int, content: bytes) -> bytes:
    return head(6, number) + content


def billion_laughs(levels: int, width: int = 10) -> bytes:
    """A list whose every item holds the one before it ten times, by reference (tags 28 and 29)."""
    items = [tag(28, head(4, 1) + b"\0")]
    items += [
        tag(28, head(4, width) + tag(29, head(0, level)) * width) for level in range(levels - 1)
    ]
    return head(4, levels) + b"".join(items)


REPEATED_TEXT = tag(
    256, head(4, 2) + head(2, 50_000) + bytes(50_000) + head(4, 5000) + tag(25, b"\0") * 5000
)
"""One string of 50,000 bytes, and 5,000 references to it: 250 MB in 65 kB (tags 25 and 256)."""


HOSTILE = {
    "nothing": b"",
    "a value and more": b"\0\0",
    "half a text": b"\x65abc",
    "a text that is not UTF-8": b"\x61\xff",
    "a surrogate": b"\x63\xed\xa0\x80",
    "lists without end": b"\x81" * 100_000,
    "lists of a hundred thousand levels": b"\x81" * 100_000 + b"\0",
    "tags of a hundred thousand levels": b"\xc1" * 100_000 + b"\0",
    "maps of a thousand levels": b"\xa1\x60" * 1000 + b"\0",
    "a string of 2^63 bytes": b"\x5b\x7f" + b"\xff" * 7,
    "a list of 2^63 items": b"\x9b\x7f" + b"\xff" * 7,
    "a list of 2^31 items": b"\x9a\x7f\xff\xff\xff",
    "a map of 2^63 items": b"\xbb\x7f" + b"\xff" * 7,
    "a hundred million laughs": billion_laughs(8),
    "a billion laughs, as a key": b"\xa1" + billion_laughs(9) + b"\0",
    "a list that holds itself": tag(28, b"\x81" + tag(29, b"\0")),
    "a repeated text": REPEATED_TEXT,
    "a big number": tag(2, head(2, 100_000) + b"\xff" * 100_000),
    "a big number that is small": tag(2, b"\x41\1"),
    "a big float": tag(5, b"\x82\x1b\x7f" + b"\xff" * 7 + b"\1"),
    "a decimal fraction": tag(4, b"\x82\x1b\x7f" + b"\xff" * 7 + b"\1"),
    "a fraction over zero": tag(30, b"\x82\1\0"),
    "a regular expression": tag(35, b"\x61("),
    "a date": tag(0, b"\x61x"),
    "a time at infinity": tag(1, b"\xfb\x7f\xf0" + bytes(6)),
    "a mail": tag(36, b"\x61a"),
    "a set": tag(258, b"\x82\x80\x80"),
    "a harmless tag": tag(55799, b"\0"),
    "a float": b"\xf9\x3c\0",
    "undefined": b"\xf7",
    "a simple value": b"\xe0",
    "a simple value of two bytes": b"\xf8\x20",
    "a break": b"\xff",
    "a list of indefinite length": b"\x9f\xff",
    "a text of indefinite length": b"\x7f\x61a\xff",
    "a reserved head": b"\x1c",
    "a key that is a number": b"\xa1\0\0",
    "a key that is a list": b"\xa1\x80\0",
    "a key that stands twice": b"\xa2\x61a\0\x61a\0",
    "keys out of order": b"\xa2\x61b\0\x61a\0",
    "a number in a longer form": b"\x18\x01",
    "a text in a longer form": b"\x78\x01a",
    "a list in a longer form": b"\x98\x01\0",
}


@contextmanager
def calls():
    """Every call and return while it lasts: work, on a machine as busy as it may be."""
    counted: Counter[str] = Counter()
    before = sys.getprofile()
    sys.setprofile(lambda _frame, event, _what: counted.update([event]))
    try:
        yield counted
    finally:
        sys.setprofile(before)


class TestHostileBytes:
    """Whoever may send a message sends these. They cost no time, no memory and no other error."""

    @pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
    def test_are_a_protocol_error_and_no_work(self, data):
        tracemalloc.start()
        with calls() as counted, pytest.raises(ProtocolError):
            decode(data, LIMIT)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert counted.total() < 1000 + 20 * len(data)
        assert peak < 10 << 20

    def test_are_not_looked_at_beyond_the_limit(self):
        assert decode(encode(bytes(97)), 99) == bytes(97)
        with pytest.raises(ProtocolError, match="a message of 100 bytes; at most 99"):
            decode(encode(bytes(98)), 99)

    @given(st.binary(max_size=60))
    def test_noise_is_an_error_or_its_own_encoding(self, noise):
        try:
            value = decode(noise, LIMIT)
        except ProtocolError:
            return
        assert encode(value) == noise

    @given(VALUES, st.integers(0, 10_000))
    def test_a_changed_bit_is_an_error_or_another_value(self, value, place):
        encoded = bytearray(encode(value))
        encoded[place // 8 % len(encoded)] ^= 1 << place % 8
        try:
            changed = decode(bytes(encoded), LIMIT)
        except ProtocolError:
            return
        assert encode(changed) == bytes(encoded) != encode(value)
