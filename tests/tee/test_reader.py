"""The cursor under the binary formats: every byte is read once, and none beyond the end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.errors import AttestationError, Step
from confide.tee.reader import Reader


def refused(act, reason):
    with pytest.raises(AttestationError, match=reason) as raised:
        act()
    assert raised.value.step is Step.PARSE


@given(st.binary(max_size=60), st.lists(st.integers(0, 20), max_size=8))
def test_takes_what_is_there_and_nothing_beyond(data, sizes):
    reader, taken = Reader(data, "it"), b""
    for size in sizes:
        if len(taken) + size > len(data):
            refused(lambda size=size: reader.take(size), f"it ends after {len(data)} bytes")
        else:
            taken += reader.take(size)
        assert reader.at == len(taken)
        assert reader.left == len(data) - len(taken)
    assert data.startswith(taken)


@given(st.integers(0, 2**64 - 1), st.integers(8, 12))
def test_numbers_have_their_least_byte_first(number, size):
    reader = Reader(number.to_bytes(size, "little"), "it")
    assert reader.number(size) == number
    reader.end()


def test_numbers_do_not_go_beyond_the_end():
    refused(lambda: Reader(b"abc", "it").number(4), "it ends after 3 bytes, 1 too early")


def test_zeros_are_zeros():
    reader = Reader(b"x\0\0y\0", "it")
    reader.take(1)
    reader.zeros(2)
    assert reader.at == 3
    refused(lambda: reader.zeros(2), "it has bytes from 3 to 5 that should be zero")
    refused(lambda: Reader(b"\0", "it").zeros(2), "1 too early")


def test_ends_where_it_ends():
    Reader(b"", "it").end()
    reader = Reader(b"ab", "it")
    reader.take(1)
    refused(reader.end, "it has 1 bytes after its end, at 1")


def test_ends_with_zeros_only_if_they_may_follow():
    Reader(b"\0" * 9, "it").end(padded=True)
    Reader(b"", "it").end(padded=True)
    refused(Reader(b"\0", "it").end, "1 bytes after its end")
    refused(lambda: Reader(b"\0\1", "it").end(padded=True), "should be zero")
