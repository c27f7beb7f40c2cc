"""Masks added up: the right bytes, the same sum whoever adds, and no sum lost with a helper."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from confide.aggregation.masked import streams
from confide.aggregation.masked.streams import MaskAdder, shared_mask_adder
from confide.randomness import SEED_BYTES

KEYS = st.binary(min_size=SEED_BYTES, max_size=SEED_BYTES)
BLOCK = 1 << 16


def keys_of(count):
    return [bytes([i % 251]) * 32 for i in range(count)]


def by_definition(size, dtype, signed_keys):
    total = np.zeros(size, dtype)
    for key, add in signed_keys:
        stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
        mask = np.frombuffer(stream.update(bytes(total.nbytes)), dtype)
        total = total + mask if add else total - mask
    return total


@pytest.mark.parametrize("dtype", ["<u4", "<u8"])
@pytest.mark.parametrize("size", [1, 5, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_a_mask_is_the_key_stream(size, dtype):
    words = np.zeros(size, dtype)
    masks = MaskAdder(words.dtype)
    masks.add(words, bytes(32))
    masks.subtract(words, bytes(range(32)))
    expected = by_definition(size, dtype, [(bytes(32), True), (bytes(range(32)), False)])
    assert np.array_equal(words, expected)


def mask_of(key, count):
    """The first bytes of a mask, as it is added to zeros."""
    words = np.zeros(-(-count // 4), "<u4")
    MaskAdder(words.dtype).add(words, key)
    return words.tobytes()[:count]


class TestMask:
    def test_begins_with_the_encryption_of_counter_zero(self):
        """The known answer of AES-256 for a key and a block of zeros."""
        assert mask_of(bytes(32), 16).hex() == "dc95c078a2408989ad48a21492842087"

    @given(KEYS)
    def test_is_the_counter_encrypted_block_by_block(self, key):
        """A second implementation of CTR, from single blocks (NIST SP 800-38A, §6.5)."""
        block = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
        counters = b"".join(i.to_bytes(16, "big") for i in range(5))
        assert mask_of(key, 80) == block.update(counters)

    @given(KEYS, st.integers(0, 100), st.integers(0, 100))
    def test_shorter_is_the_beginning_of_longer(self, key, one, other):
        shorter, longer = sorted((one, other))
        assert mask_of(key, longer)[:shorter] == mask_of(key, shorter)

    def test_long_ones_go_on_the_same(self):
        """Above a block it takes several."""
        limit = 1 << 20
        masks = [mask_of(b"k" * 32, count) for count in (limit, limit + 1, limit + 17)]
        assert masks[2][:limit] == masks[1][:limit] == masks[0]
        assert masks[2][: limit + 1] == masks[1]

    def test_does_not_depend_on_what_was_masked_before(self):
        masks, once, again = MaskAdder(np.dtype("<u4")), np.zeros(25, "<u4"), np.zeros(25, "<u4")
        masks.add(once, bytes(32))
        masks.add(np.ones(90, "<u4"), b"k" * 32)
        masks.add(again, bytes(32))
        assert (once == again).all()

    def test_bytes_are_uniform(self):
        counts = np.bincount(np.frombuffer(mask_of(b"k" * 32, 100_000), np.uint8), minlength=256)
        assert chisquare(counts).pvalue > 1e-9

    @pytest.mark.parametrize("length", [0, 16, 24, 31, 33])
    def test_takes_keys_of_256_bits_only(self, length):
        with pytest.raises(ValueError, match=rf"Invalid key size \({8 * length}\)"):
            mask_of(bytes(length), 16)


@pytest.fixture
def helped(monkeypatch):
    monkeypatch.setattr(streams, "_WORTH_HELPERS_BYTES", 0)
    monkeypatch.setattr(streams, "_BATCH_STREAM_BYTES", 1 << 20)
    monkeypatch.setattr(streams, "_cores", lambda: 3)


@pytest.mark.usefixtures("helped")
class TestHelpers:
    def sum_of(self, count, *, meanwhile=lambda _masks, _place: None):
        words = np.zeros(10_000, "<u4")
        with shared_mask_adder(words, count) as masks:
            assert len(masks.helpers) == 2
            for place, key in enumerate(keys_of(count)):
                masks.apply(key, add=place % 3 > 0)
                meanwhile(masks, place)
        return words, masks

    def expected(self, count):
        signed = [(key, place % 3 > 0) for place, key in enumerate(keys_of(count))]
        return by_definition(10_000, "<u4", signed)

    @pytest.mark.parametrize("count", [0, 1, 25, 26, 27, 1000])
    def test_do_not_change_the_sum(self, count):
        words, _ = self.sum_of(count)
        assert np.array_equal(words, self.expected(count))

    def test_have_ended_afterwards(self):
        _, masks = self.sum_of(100)
        assert all(helper.process.returncode is not None for helper in masks.helpers)

    def test_end_with_an_error(self):
        with pytest.raises(LookupError), shared_mask_adder(np.zeros(10_000, "<u4"), 1) as masks:
            raise LookupError
        assert all(helper.process.returncode is not None for helper in masks.helpers)

    @pytest.mark.parametrize("when", [0, 30, 999])
    def test_that_die_cost_no_sum(self, when):
        def kill(masks, place):
            if place == when:
                masks.helpers[0].process.kill()

        words, _ = self.sum_of(1000, meanwhile=kill)
        assert np.array_equal(words, self.expected(1000))

    def test_that_hear_half_a_batch_give_no_sum(self):
        with shared_mask_adder(np.zeros(10_000, "<u4"), 1) as masks:
            helper = masks.helpers[0]
            helper.given.append(bytes(66))
            helper._to.write((33).to_bytes(4, "little") + bytes(33))
            assert helper.finish() is None
            masks.helpers = masks.helpers[1:]

    @pytest.mark.parametrize("noise", ["hi!", "...", "." * 100, "."])
    def test_in_which_something_else_prints_change_no_sum(self, noise, tmp_path, monkeypatch):
        site = f"import sys\nsys.stdout.write({noise!r})\nsys.stdout.flush()\n"
        (tmp_path / "sitecustomize.py").write_text(site)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        words, _ = self.sum_of(1000)
        assert np.array_equal(words, self.expected(1000))

    def test_that_fall_silent_are_given_up(self, monkeypatch):
        monkeypatch.setattr(streams, "_PATIENCE_S", 0.2)

        def stop(masks, place):
            if place == 500:
                masks.helpers[0].process.send_signal(signal.SIGSTOP)

        words, _ = self.sum_of(1000, meanwhile=stop)
        assert np.array_equal(words, self.expected(1000))

    def test_end_though_others_hold_their_pipe_open(self):
        with shared_mask_adder(np.zeros(10_000, "<u4"), 1) as masks:
            held = os.dup(masks.helpers[0]._to.fileno())
            masks.apply(bytes(32), add=True)
        os.close(held)
        assert all(helper.process.returncode is not None for helper in masks.helpers)

    def test_are_as_isolated_as_we_are(self):
        script = (
            "import sys, numpy as np\n"
            "from confide.aggregation.masked.streams import Helper, __file__ as path\n"
            "from pathlib import Path\n"
            "helper = Helper(Path(path), np.zeros(1, '<u4'))\n"
            "helper.stop()\n"
            "print(helper.command[1:3])\n"
        )
        command = [sys.executable, "-I", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == "['-P', '-I']\n"

    def test_that_do_not_start_are_done_without(self, monkeypatch):
        def no_process(*_args, **_settings):
            raise BlockingIOError("Resource temporarily unavailable")

        monkeypatch.setattr("subprocess.Popen", no_process)
        words = np.zeros(10_000, "<u4")
        with shared_mask_adder(words, 100) as masks:
            assert not masks.helpers
            for place, key in enumerate(keys_of(100)):
                masks.apply(key, add=place % 3 > 0)
        assert np.array_equal(words, self.expected(100))

    def test_are_told_no_secret_on_their_command_line(self):
        with shared_mask_adder(np.zeros(10_000, "<u4"), 1) as masks:
            assert masks.helpers[0].command[-3:] == [streams.__file__, "10000", "<u4"]


def test_few_masks_need_no_helper():
    with shared_mask_adder(np.zeros(10, "<u4"), 1000) as masks:
        assert not masks.helpers


@pytest.mark.skipif(os.name != "posix", reason="helpers need pipes that do not block")
def test_the_script_imports_nothing_of_ours():
    text = Path(streams.__file__).read_text(encoding="utf-8")
    assert "import confide" not in text
    assert "from confide" not in text
