"""Coins against the probabilities that they are said to have."""

from collections import Counter
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from tests.privacy.mechanisms.closed_forms import assert_counts_fit

from confide.noise.stream import KeyStream
from confide.privacy.mechanisms.coins import below, exponential_choice, succeeds
from confide.randomness import SystemRandom

DRAWS = 40_000


@pytest.fixture
def stream():
    return KeyStream(SystemRandom())


class Dictated(KeyStream):
    """A stream that says given words, then zeros."""

    def __init__(self, *words):
        self._words = [*words]
        self.asked = 0

    def word(self):
        self.asked += 1
        return self._words.pop(0) if self._words else 0

    def bytes(self, words):
        return b"".join(self.word().to_bytes(8, "little") for _ in range(words))


class TestBelow:
    @pytest.mark.parametrize("count", [1, 2, 3, 7, 64])
    def test_is_uniform(self, count, stream):
        drawn = Counter(below(count, stream) for _ in range(DRAWS // 4))
        assert_counts_fit([drawn[i] for i in range(count)], [1 / count] * count)

    def test_is_uniform_beyond_one_word(self, stream):
        count = 3 * 2**70
        thirds = Counter(below(count, stream) // 2**70 for _ in range(DRAWS // 4))
        assert_counts_fit([thirds[i] for i in range(3)], [1 / 3] * 3)

    def test_draws_again_what_would_favour_some(self):
        """3 of the 4 values of two bits stand for 0, 1 and 2; the fourth for none."""
        words = Dictated(0b11 << 62, 0b10 << 62)
        assert below(3, words) == 2
        assert words.asked == 2


class TestSucceeds:
    @pytest.mark.parametrize("exponent", ["0", "1/1000", "1", "5/2", "9"])
    def test_as_often_as_it_should(self, exponent, stream):
        p = float(mpmath.exp(-mpmath.mpf(Fraction(exponent).numerator)
                             / Fraction(exponent).denominator))  # fmt: skip
        heads = sum(succeeds(Fraction(exponent), stream) for _ in range(DRAWS))
        assert_counts_fit([heads, DRAWS - heads], [p, 1 - p])

    def test_asks_on_until_it_is_decided(self):
        """The first 128 bits of 1/e leave it open; the next one below or above decides."""
        with mpmath.workprec(400):
            digits = int(mpmath.floor(mpmath.exp(-1) * 2**192))
        high, middle, low = digits >> 128, digits >> 64 & (2**64 - 1), digits & (2**64 - 1)
        for last, heads in ((low - 1, True), (low + 1, False)):
            words = Dictated(high, middle, last)
            assert succeeds(Fraction(1), words) is heads
            assert words.asked == 3


class TestExponentialChoice:
    CASES = (
        ([1, 1, 1], [0, 1, 5], "1/2"),
        ([1, 10**12, 7], [0, 40, 2], "3/4"),
        ([5], [3], "1"),
        ([1] * 300, list(range(300)), "1/100"),
        ([2**40, 1, 1], [900, 0, 1], "1/30"),
    )

    @pytest.mark.parametrize(("weights", "distances", "rate"), CASES)
    def test_fits(self, weights, distances, rate, stream):
        w, d = np.array(weights), np.array(distances)
        drawn = Counter(exponential_choice(w, d, Fraction(rate), stream) for _ in range(1000))
        p = w * np.exp(-float(Fraction(rate)) * (d - d.min()))
        assert_counts_fit([drawn[i] for i in range(len(w))], p / p.sum())

    def test_of_numbers_that_lie_at_an_edge(self):
        """U just below and just above Σ_{i≤1} P(i), to 150 bits, with distances out of order."""
        weights, distances, rate = [3, 2, 5], [7, 0, 1], Fraction(1, 3)
        with mpmath.workprec(600):
            p = [w * mpmath.exp(-mpmath.mpf(d) / 3)
                 for w, d in zip(weights, distances, strict=True)]  # fmt: skip
            # The nearest come first: 1, 2, then 0.
            edge = int(mpmath.floor((p[1] + p[2]) / mpmath.fsum(p) * 2**256))
        words = [edge >> shift & (2**64 - 1) for shift in (192, 128, 64, 0)]
        for last, chosen in ((-2, 2), (2, 0)):
            dictated = Dictated(*words[:3], words[3] + last)
            arrays = np.array(weights), np.array(distances)
            assert exponential_choice(*arrays, rate, dictated) == chosen
            assert dictated.asked >= 4

    def test_looks_as_far_as_it_must(self):
        """All the weight is far away: what is near is not chosen for want of looking."""
        weights = np.array([1, 2**62])
        distances = np.array([0, 100])
        with mpmath.workprec(300):
            first = 1 / (1 + 2**62 * mpmath.exp(-100))
            edge = int(mpmath.floor(first * 2**128))
        for off, chosen in ((-5, 0), (5, 1)):
            words = Dictated((edge + off) >> 64, (edge + off) & (2**64 - 1))
            assert exponential_choice(weights, distances, Fraction(1), words) == chosen
