"""Keys of pairs, encrypted shares and masks."""

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from tests.aggregation.support import flip_bit

from confide.aggregation import Layout
from confide.aggregation.masked.streams import MaskAdder
from confide.aggregation.sharing.keys import decrypt, encrypt, pairwise_key
from confide.errors import VerificationError

ALDER = X25519PrivateKey.from_private_bytes(bytes([1]) * 32)
BIRCH = X25519PrivateKey.from_private_bytes(bytes([2]) * 32)
A, B = (key.public_key().public_bytes_raw() for key in (ALDER, BIRCH))

SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]
"""The points of Curve25519 on which every private key agrees on zero (RFC 7748, §6.1)."""


class TestPairwiseKey:
    def test_is_the_same_on_both_sides(self):
        assert pairwise_key(ALDER, B, b"mask", b"t", (0, 1)) == pairwise_key(
            BIRCH, A, b"mask", b"t", (0, 1)
        )

    def test_is_another_for_each_purpose_transcript_and_pair(self):
        keys = {
            pairwise_key(ALDER, B, purpose, transcript, pair)
            for purpose in (b"mask", b"share")
            for transcript in (b"t" * 32, b"u" * 32)
            for pair in ((0, 1), (1, 0), (0, 2))
        }
        assert len(keys) == 12
        assert {len(key) for key in keys} == {32}

    @pytest.mark.parametrize("point", SMALL_ORDER)
    def test_a_point_of_small_order_is_refused(self, point):
        with pytest.raises(VerificationError, match="known to all"):
            pairwise_key(ALDER, bytes.fromhex(point), b"mask", b"t", (0, 1))

    @pytest.mark.parametrize("length", [0, 31, 33])
    def test_bytes_of_another_length_are_no_key(self, length):
        with pytest.raises(VerificationError):
            pairwise_key(ALDER, bytes(length), b"mask", b"t", (0, 1))


class TestEncryptedShare:
    KEY = bytes(range(32))

    def test_opens_under_its_key(self):
        assert decrypt(self.KEY, encrypt(self.KEY, b"a share")) == b"a share"

    def test_opens_under_no_other_key_and_with_no_bit_changed(self):
        sealed = encrypt(self.KEY, b"a share")
        with pytest.raises(VerificationError):
            decrypt(bytes(32), sealed)
        for bit in range(8 * len(sealed)):
            with pytest.raises(VerificationError):
                decrypt(self.KEY, flip_bit(sealed, bit))
        with pytest.raises(VerificationError):
            decrypt(self.KEY, b"")


class TestMaskAdder:
    @pytest.mark.parametrize("bits", [20, 40])
    def test_adds_and_subtracts_the_key_stream(self, bits):
        """Against AES-256-CTR by hand, for both widths of words."""
        layout = Layout((100,), (bits,))
        words = np.arange(100).astype(layout.dtype)
        masked = words.copy()
        MaskAdder(layout.dtype).add(masked, bytes(32))
        stream = Cipher(algorithms.AES(bytes(32)), modes.CTR(bytes(16))).encryptor()
        mask = np.frombuffer(stream.update(bytes(layout.vector_bytes)), layout.dtype)
        assert (masked == words + mask).all()
        MaskAdder(layout.dtype).subtract(masked, bytes(32))
        assert (masked == words).all()

    def test_masks_of_a_pair_cancel(self):
        layout = Layout((1000,), (17,))
        masks = MaskAdder(layout.dtype)
        one, other = np.ones(1000, layout.dtype), np.full(1000, 2, layout.dtype)
        masks.apply(one, b"k" * 32, add=True)
        masks.apply(other, b"k" * 32, add=False)
        assert (layout.to_integers(one + other) == 3).all()
        assert not (layout.to_integers(one) == 1).all()
