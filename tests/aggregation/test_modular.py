"""Packing, and arithmetic modulo powers of two."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.aggregation.support import draw_contributions, plan_of, sum_of

from confide.aggregation import Layout
from confide.aggregation.modular import pack, packed_bytes, unpack
from confide.errors import ProtocolError
from confide.plan import Sum, SumGroup, Unit

WIDTHS = st.integers(1, 62)


@st.composite
def layouts(draw):
    """Layouts of up to four sums."""
    sums = draw(st.lists(st.tuples(st.integers(1, 200), WIDTHS), min_size=1, max_size=4))
    return Layout(sizes=tuple(n for n, _ in sums), bits=tuple(w for _, w in sums))


def words_of(layout, seed):
    """Random words of a layout, all bits of them."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2**64, layout.size, np.uint64).astype(layout.dtype)


class TestPacking:
    @given(size=st.integers(1, 300), width=WIDTHS, seed=st.integers(0, 2**32))
    def test_gives_back_the_low_bits(self, size, width, seed):
        words = np.random.default_rng(seed).integers(0, 2**64, size, np.uint64)
        packed = pack(words, width)
        assert len(packed) == packed_bytes(size, width)
        assert (unpack(packed, size, width) == words & np.uint64((1 << width) - 1)).all()

    @given(width=WIDTHS, seed=st.integers(0, 2**32))
    def test_says_nothing_of_the_bits_above(self, width, seed):
        """High bits of a word are no part of the sum, and would not be masked uniformly."""
        words = np.random.default_rng(seed).integers(0, 2**64, 70, np.uint64)
        low = words & np.uint64((1 << width) - 1)
        assert pack(words, width) == pack(low, width)

    @given(size=st.integers(1, 300), width=WIDTHS)
    def test_is_dense(self, size, width):
        """No more than the bits themselves, with the last of 64 rows filled up."""
        assert 8 * packed_bytes(size, width) < size * width + 64 * width

    def test_is_the_same_on_every_machine(self):
        assert pack(
            np.arange(4, dtype=np.uint64), 3
        ).hex() == "88060000000000000000000000000000" + ("0000000000000000")


class TestLayout:
    @given(layout=layouts(), seed=st.integers(0, 2**32))
    def test_unpacks_what_it_packed(self, layout, seed):
        words = words_of(layout, seed)
        packed = layout.pack(words)
        assert len(packed) == layout.wire_bytes
        assert (layout.to_integers(layout.unpack(packed)) == layout.to_integers(words)).all()
        assert layout.pack(layout.unpack(packed)) == packed

    @given(layout=layouts(), seed=st.integers(0, 2**32))
    def test_integers_are_residues_around_zero(self, layout, seed):
        words = words_of(layout, seed)
        integers = layout.to_integers(words).tolist()
        widths = np.repeat(layout.bits, layout.sizes).tolist()
        for integer, word, width in zip(integers, words.tolist(), widths, strict=True):
            assert -(2 ** (width - 1)) <= integer < 2 ** (width - 1)
            assert (integer - word) % 2**width == 0

    @given(layout=layouts(), seed=st.integers(0, 2**32))
    def test_adding_words_adds_residues(self, layout, seed):
        """Masks wrap around the word; what counts wraps around its own 2^w, inside the word."""
        one, other = words_of(layout, seed), words_of(layout, seed + 1)
        total = layout.to_integers(one + other).tolist()
        parts = zip(
            layout.to_integers(one).tolist(), layout.to_integers(other).tolist(), strict=True
        )
        widths = np.repeat(layout.bits, layout.sizes).tolist()
        for got, (a, b), width in zip(total, parts, widths, strict=True):
            assert (got - a - b) % 2**width == 0

    @given(layout=layouts(), change=st.sampled_from([-1, 1, 8]))
    def test_another_length_is_a_protocol_error(self, layout, change):
        with pytest.raises(ProtocolError, match="this round's have"):
            layout.unpack(bytes(max(0, layout.wire_bytes + change)))

    def test_words_are_as_narrow_as_the_widest_sum_allows(self):
        assert Layout((1, 1), (3, 32)).dtype == np.dtype("<u4")
        assert Layout((1, 1), (3, 33)).dtype == np.dtype("<u8")


class TestLayoutOfAPlan:
    @pytest.fixture
    def plan(self):
        sums = (
            Sum(name="narrow", shape=(7,), unit=Unit.RECORD, unit_bound=1.0, capacity=1),
            Sum(name="wide", shape=(2, 3), unit=Unit.RECORD, unit_bound=1e3, capacity=100_000),
        )
        return plan_of(9, sums=SumGroup(sums))

    def test_a_sum_over_all_parties_fits_whatever_they_contribute(self, plan):
        layout = Layout.of_sum(plan)
        contributions = draw_contributions(plan)
        total = np.zeros(layout.size, layout.dtype)
        for integers in contributions.values():
            total += layout.to_words(integers)
        assert layout.to_integers(total).tolist() == sum_of(contributions, contributions)

    def test_one_party_fits_fewer_bits(self, plan):
        one, all_parties = Layout.of_contribution(plan), Layout.of_sum(plan)
        assert one.sizes == all_parties.sizes == (7, 6)
        assert all(a < b for a, b in zip(one.bits, all_parties.bits, strict=True))
        for integers in draw_contributions(plan).values():
            assert (one.to_integers(one.to_words(integers)) == integers).all()
