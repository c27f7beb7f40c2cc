"""Shamir's scheme: any t shares give the secret, fewer say nothing, false ones are found."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from confide.aggregation.masked import shamir
from confide.errors import VerificationError
from confide.randomness import InsecureReplayableRandom

RANDOM = InsecureReplayableRandom(b"shamir")
SECRETS = st.binary(min_size=32, max_size=32)
P = shamir.PRIME


def limbs_of(share: bytes) -> list[int]:
    return np.frombuffer(share, "<u4").tolist()


def give_back(points: list[int], shares: list[bytes]) -> bytes:
    return shamir.combine(shamir.lagrange_at_zero(points), shares)


@st.composite
def sharings(draw):
    """A secret, holders' points and a threshold."""
    points = draw(st.lists(st.integers(1, P - 1), min_size=1, max_size=12, unique=True))
    return draw(SECRETS), points, draw(st.integers(1, len(points)))


class TestSharing:
    @given(sharings(), st.randoms(use_true_random=False))
    def test_any_threshold_of_shares_gives_the_secret(self, sharing, chance):
        secret, points, threshold = sharing
        shares = dict(zip(points, shamir.share(secret, threshold, points, RANDOM), strict=True))
        for count in {threshold, len(points)}:
            chosen = chance.sample(points, count)
            assert give_back(chosen, [shares[x] for x in chosen]) == secret

    def test_every_set_of_the_threshold_gives_the_secret(self):
        secret, points = bytes(range(32)), [1, 2, 3, 4, 5, 6]
        shares = dict(zip(points, shamir.share(secret, 4, points, RANDOM), strict=True))
        for count in (4, 5, 6):
            for chosen in combinations(points, count):
                assert give_back(list(chosen), [shares[x] for x in chosen]) == secret

    @pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32, b"\x80" + bytes(31)])
    def test_the_ends_of_the_range(self, secret):
        points = [1, P - 1, 2**30]
        assert give_back(points, shamir.share(secret, 3, points, RANDOM)) == secret

    def test_a_share_is_the_value_of_a_polynomial(self):
        """An oracle in Python's whole numbers: interpolation of every other value agrees."""
        points = [3, 5, 8, 13]
        shares = shamir.share(b"\x17" * 32, 3, points, RANDOM)
        for limb in range(9):
            values = [limbs_of(share)[limb] for share in shares]
            assert values[3] == interpolate(points[:3], values[:3], 13)

    def test_shares_have_their_stated_length(self):
        assert {len(s) for s in shamir.share(bytes(32), 2, [1, 2], RANDOM)} == {shamir.SHARE_BYTES}


class TestSecrecy:
    """One share fewer than the threshold is uniform, whatever the secret."""

    SAMPLES, BINS, FALSE_ALARM = 4000, 16, 1e-9

    @pytest.mark.parametrize("secret", [bytes(32), b"\xff" * 32])
    def test_shares_below_the_threshold_are_jointly_uniform(self, secret):
        """Two of three shares that are needed: χ² over the joint histogram of their top bits."""
        random = InsecureReplayableRandom(b"secrecy" + secret)
        pairs = [shamir.share(secret, 3, [1, 2], random) for _ in range(self.SAMPLES)]
        values = np.array([[limbs_of(a), limbs_of(b)] for a, b in pairs])
        bins = values * self.BINS // P
        for limb in range(9):
            joint = bins[:, 0, limb] * self.BINS + bins[:, 1, limb]
            counts = np.bincount(joint, minlength=self.BINS**2)
            assert chisquare(counts).pvalue > self.FALSE_ALARM

    def test_the_same_test_sees_a_threshold_that_is_too_low(self):
        """With threshold 2, two shares lie on a line through the secret: not jointly uniform."""
        random = InsecureReplayableRandom(b"secrecy")
        pairs = [shamir.share(bytes(32), 2, [1, 2], random) for _ in range(self.SAMPLES)]
        bins = np.array([[limbs_of(a)[0], limbs_of(b)[0]] for a, b in pairs]) * self.BINS // P
        counts = np.bincount(bins[:, 0] * self.BINS + bins[:, 1], minlength=self.BINS**2)
        assert chisquare(counts).pvalue < self.FALSE_ALARM

    def test_every_secret_explains_what_fewer_shares_show(self):
        """The exact statement: for any value at zero there is one polynomial through the shares."""
        points, shares = [1, 2], shamir.share(bytes(32), 3, [1, 2], RANDOM)
        for secret in (0, 1, 12345, 2**30 - 1):
            for limb in range(9):
                seen = [limbs_of(s)[limb] for s in shares]
                line = interpolate([0, *points], [secret, *seen], 3)
                assert 0 <= line < P

    def test_sharing_the_same_secret_again_gives_other_shares(self):
        again = [shamir.share(bytes(32), 2, [1, 2, 3], RANDOM) for _ in range(2)]
        assert not {*again[0]} & {*again[1]}


class TestFalseShares:
    def test_a_number_outside_the_field_is_found(self):
        shares = shamir.share(bytes(32), 2, [1, 2], RANDOM)
        for outside in (P, P + 1, 2**32 - 1):
            false = np.array([outside, *limbs_of(shares[0])[1:]], "<u4").tobytes()
            with pytest.raises(VerificationError, match="outside the field"):
                give_back([1, 2], [false, shares[1]])

    def test_a_random_share_is_found_nearly_always(self):
        """Nine limbs below 2^30 of p ≈ 2^31, and two bytes too many: one in 2^9 · 2^14 passes."""
        random = InsecureReplayableRandom(b"false shares")
        shares = shamir.share(bytes(32), 2, [1, 2], RANDOM)
        for _ in range(200):
            numbers = np.frombuffer(random.bytes(36), "<u4") >> np.uint32(2)
            with pytest.raises(VerificationError, match="do not belong to one secret"):
                give_back([1, 2], [numbers.astype("<u4").tobytes(), shares[1]])

    def test_shares_of_two_secrets_do_not_mix(self):
        one = shamir.share(bytes(32), 3, [1, 2, 3], RANDOM)
        other = shamir.share(b"\1" * 32, 3, [1, 2, 3], RANDOM)
        with pytest.raises(VerificationError):
            give_back([1, 2, 3], [one[0], other[1], one[2]])

    def test_fewer_than_the_threshold_give_no_secret(self):
        secret = bytes(range(32))
        shares = shamir.share(secret, 3, [1, 2, 3], RANDOM)
        with pytest.raises(VerificationError):
            give_back([1, 2], shares[:2])


class TestField:
    """The arithmetic against Python's own."""

    @given(st.lists(st.integers(0, 2**63 - 1), min_size=1))
    def test_reduction(self, numbers):
        reduced = shamir._reduce(np.array(numbers, np.uint64))
        assert reduced.tolist() == [x % P for x in numbers]

    @pytest.mark.parametrize("edge", [0, 1, P - 1, P, P + 1, 2 * P, P * P, (P - 1) ** 2, 2**62])
    def test_reduction_at_the_edges(self, edge):
        for x in (edge - 1, edge, edge + 1):
            if 0 <= x < 2**63:
                assert int(shamir._reduce(np.array([x], np.uint64))[0]) == x % P

    @given(st.lists(st.integers(1, P - 1), min_size=1))
    def test_inverse(self, numbers):
        inverse = shamir._inverse(np.array(numbers, np.uint64)).tolist()
        assert inverse == [pow(x, -1, P) for x in numbers]

    @given(st.lists(st.integers(1, P - 1), min_size=1, max_size=9, unique=True))
    def test_lagrange_factors(self, points):
        expected = [interpolate(points, [int(x == y) for y in points], 0) for x in points]
        assert shamir.lagrange_at_zero(points).tolist() == expected

    def test_uniform_numbers_are_drawn_again_if_they_are_p(self):
        class Stuck:
            """p first, as 31 and as 32 bits, then 7."""

            drawn = iter([b"\xff\xff\xff\x7f\xff\xff\xff\xff", b"\7\0\0\0\7\0\0\0"])

            def bytes(self, count):
                return next(self.drawn)[:count]

        assert shamir.uniform_field(2, Stuck()).tolist() == [7, 7]


def interpolate(points: list[int], values: list[int], at: int) -> int:
    """The value at `at` of the polynomial through the points, in Python's whole numbers."""
    total = 0
    for x, value in zip(points, values, strict=True):
        term = value
        for other in points:
            if other != x:
                term = term * (at - other) * pow(x - other, -1, P) % P
        total += term
    return total % P
