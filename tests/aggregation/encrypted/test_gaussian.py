"""The discrete Gaussian: its table against another one's arithmetic, its sampler against Python."""

import threading

import mpmath
import numpy as np
import pytest
from scipy.stats import chisquare

from confide.aggregation.encrypted.gaussian import LARGEST, STANDARD_DEVIATION, cumulative_table
from confide.he import kernel

native = pytest.importorskip("confide_native")

SEED = bytes(range(32))


@pytest.fixture(scope="module")
def probabilities():
    """P(|x| = k) for k = 0 …, of the whole distribution, in 60 digits."""
    with mpmath.workdps(60):
        sigma = mpmath.mpf(str(STANDARD_DEVIATION))
        weights = [mpmath.exp(-(mpmath.mpf(k) ** 2) / (2 * sigma**2)) for k in range(200)]
        whole = weights[0] + 2 * mpmath.fsum(weights[1:])
        return [(1 if k == 0 else 2) * w / whole for k, w in enumerate(weights)]


def drawn(count, seed=SEED):
    out = np.empty(count, np.int8)
    native.draw_gaussian(out, *cumulative_table(), seed)
    return out


class TestTable:
    def test_is_that_of_the_gaussian_to_its_last_bits(self, probabilities):
        high, low = cumulative_table()
        assert len(high) == len(low) == LARGEST
        with mpmath.workdps(60):
            so_far = mpmath.mpf(0)
            for k in range(LARGEST):
                so_far += probabilities[k]
                entry = (high[k] << 63) + low[k]
                assert abs(entry - so_far * 2**126) < 2**27, k

    def test_leaves_out_next_to_nothing(self, probabilities):
        assert mpmath.fsum(probabilities[LARGEST + 1 :]) < mpmath.mpf(2) ** -100

    def test_leaves_what_the_security_table_assumes_beside_the_hint(self):
        assert float(STANDARD_DEVIATION) / np.sqrt(2) > 3.19


class TestSampler:
    def test_inverts_the_table_as_its_definition_does(self):
        """Number by number: 126 bits of two words, and the sign from the first one's last bit."""
        count, lanes = 5000, 64
        words = np.empty(2 * lanes * -(-count // lanes), np.uint64)
        native.read_stream(words, SEED, 0)
        blocks = words.reshape(-1, 2, lanes)
        first, second = (blocks[:, i].reshape(-1)[:count].tolist() for i in (0, 1))
        table = [(h << 63) + low for h, low in zip(*cumulative_table(), strict=True)]
        expected = []
        for a, b in zip(first, second, strict=True):
            number = ((a >> 1) << 63) + (b >> 1)
            magnitude = sum(number >= entry for entry in table)
            expected.append(-magnitude if a & 1 else magnitude)
        assert drawn(count).tolist() == expected

    @pytest.mark.parametrize("entry", [0, 1, 2, 55])
    def test_tells_numbers_at_an_entry_from_those_just_below(self, entry):
        """A table whose entries are a stream's own numbers, and one more."""
        words = np.empty(128, np.uint64)
        native.read_stream(words, SEED, 0)
        high, low = int(words[0]) >> 1, int(words[64]) >> 1
        number = (high << 63) + low
        for offset, counted in ((0, True), (1, False), (-1, True)):
            table = [number + offset] * (entry + 1)
            out = np.empty(64, np.int8)
            native.draw_gaussian(
                out, [e >> 63 for e in table], [e & (2**63 - 1) for e in table], SEED
            )
            assert abs(int(out[0])) == (entry + 1 if counted else 0)

    def test_has_the_gaussian_s_frequencies(self, probabilities):
        sample = drawn(1_000_000)
        for sign in (1, -1):
            seen = np.bincount(np.clip(sign * sample[sign * sample >= 0], 0, 18), minlength=19)
            half = [float(p) / (1 if k == 0 else 2) for k, p in enumerate(probabilities)]
            tail = 0.5 + half[0] / 2 - sum(half[:18])
            expected = np.array([*half[:18], tail])
            expected *= seen.sum() / expected.sum()
            assert chisquare(seen, expected).pvalue > 1e-6

    def test_has_as_many_below_as_above_zero(self):
        sample = drawn(1_000_000).astype(int)
        assert abs(sample.mean()) < 6 * 4.6 / 1000
        assert np.abs(sample).max() <= LARGEST

    @pytest.mark.parametrize(
        ("high", "low"),
        [([], []), ([1], [1, 2]), ([1 << 63], [0]), ([2, 1], [0, 0]), ([0] * 128, [0] * 128)],
        ids=["none", "lengths", "too large", "falling", "too many"],
    )
    def test_refuses_a_table_that_is_none(self, high, low):
        with pytest.raises(ValueError, match="table"):
            native.draw_gaussian(np.empty(64, np.int8), high, low, SEED)


class TestKey:
    """Keys for one vector, as the kernels make them."""

    PRIME = 1032193

    def key(self, path="", seed=SEED, degree=4096):
        ring = kernel.make_ring(degree, [self.PRIME], threads=1, instructions=path)
        return ring, kernel.make_sum_key(ring, *cumulative_table(), seed)

    def test_is_the_same_on_every_path(self):
        made = set()
        for path in native.paths():
            _, key = self.key(path)
            out, shares = np.empty((2, 1, 4096), np.uint64), np.empty((3, 1, 4096), np.uint64)
            numbers = np.arange(8192).reshape(2, 4096) % 8 - 4
            key.encrypt(out, numbers, bytes(32), 3)
            key.share(shares, [1, 2, 5], 2)
            made.add(out.tobytes() + shares.tobytes())
        assert len(made) == 1

    def test_encrypts_once(self):
        _, key = self.key()
        out, numbers = np.empty((1, 1, 4096), np.uint64), np.zeros((1, 4096), np.int64)
        key.encrypt(out, numbers, bytes(32), 3)
        with pytest.raises(ValueError, match="has encrypted one"):
            key.encrypt(out, numbers, bytes(32), 3)

    @pytest.mark.parametrize("what", ["encrypt", "share"])
    def test_does_so_once_in_however_many_threads(self, what):
        numbers, points = np.zeros((64, 4096), np.int64), list(range(1, 65))
        for trial in range(20):
            _, key = self.key(seed=bytes([trial]) * 32)
            together, done = threading.Barrier(4), list[np.ndarray]()

            def work(key=key, together=together, done=done):
                out = np.empty((64, 1, 4096), np.uint64)
                together.wait()
                try:
                    if what == "encrypt":
                        key.encrypt(out, numbers, bytes(32), 3)
                    else:
                        key.share(out, points, 9)
                    done.append(out)
                except ValueError:
                    pass

            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(done) == 1

    def test_is_shared_once(self):
        _, key = self.key()
        out = np.empty((2, 1, 4096), np.uint64)
        key.share(out, [1, 2], 2)
        with pytest.raises(ValueError, match="has been shared"):
            key.share(out, [3, 4], 2)

    @pytest.mark.parametrize("number", [4, -5, 2**62])
    def test_refuses_a_number_beyond_its_bits_and_can_still_encrypt(self, number):
        _, key = self.key()
        out, numbers = np.empty((1, 1, 4096), np.uint64), np.zeros((1, 4096), np.int64)
        numbers[0, 7] = number
        with pytest.raises(ValueError, match="does not fit"):
            key.encrypt(out, numbers, bytes(32), 3)
        numbers[0, 7] = -4
        key.encrypt(out, numbers, bytes(32), 3)

    @pytest.mark.parametrize(
        ("points", "threshold"), [([1, 2], 3), ([1, 2], 0), ([0, 1], 2), ([1, PRIME], 2)]
    )
    def test_refuses_points_and_thresholds_that_share_nothing(self, points, threshold):
        _, key = self.key()
        with pytest.raises(ValueError, match="points"):
            key.share(np.empty((2, 1, 4096), np.uint64), points, threshold)

    @pytest.mark.parametrize("bits", [0, 15, 51])
    def test_refuses_bits_that_exceed_the_prime(self, bits):
        _, key = self.key()
        with pytest.raises(ValueError, match="exceed the prime"):
            key.encrypt(
                np.empty((1, 1, 4096), np.uint64), np.zeros((1, 4096), np.int64), bytes(32), bits
            )

    def test_lives_in_a_ring_with_one_prime(self):
        ring = kernel.make_ring(4096, [self.PRIME, 1073692673], threads=1)
        with pytest.raises(ValueError, match="one prime"):
            kernel.make_sum_key(ring, *cumulative_table(), SEED)

    def test_says_nothing_of_itself(self):
        _, key = self.key()
        assert "SumKey object at" in repr(key)
