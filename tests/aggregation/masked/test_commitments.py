"""A secret that was opened fits what its owner advertised, and no other does."""

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from confide.aggregation.masked.commitments import (
    _CURVE_ORDER,
    commit_to_seed,
    fits_key,
    fits_seed,
)

CONTEXT, SEED = bytes(32), bytes(range(32))


def public_of(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


class TestSeed:
    def test_fits_its_commitment(self):
        assert fits_seed(CONTEXT, 3, SEED, commit_to_seed(CONTEXT, 3, SEED))

    @pytest.mark.parametrize(
        ("context", "index", "seed"),
        [(b"\x01" + bytes(31), 3, SEED), (CONTEXT, 4, SEED), (CONTEXT, 3, SEED[::-1])],
    )
    def test_fits_no_other_attempt_party_or_seed(self, context, index, seed):
        assert not fits_seed(context, index, seed, commit_to_seed(CONTEXT, 3, SEED))


class TestKey:
    def test_fits_its_public_half_and_no_other(self):
        assert fits_key(SEED, public_of(SEED))
        assert not fits_key(SEED, public_of(SEED[::-1]))

    def twins(self):
        scalar = (1 << 254) + (1 << 100)
        return [k.to_bytes(32, "little") for k in (scalar, _CURVE_ORDER - scalar)]

    def test_two_private_keys_of_one_public_key_agree_on_different_secrets(self):
        """Why such keys are refused: a party that drops out and a colluder whose public key lies
        on the twist could choose between two masks after all is opened."""
        one, other = self.twins()
        assert public_of(one) == public_of(other)
        keys = [X25519PrivateKey.from_private_bytes(k) for k in (one, other)]
        on_twist = X25519PublicKey.from_public_bytes((2).to_bytes(32, "little"))
        assert keys[0].exchange(on_twist) != keys[1].exchange(on_twist)
        on_curve = X25519PublicKey.from_public_bytes(public_of(SEED))
        assert keys[0].exchange(on_curve) == keys[1].exchange(on_curve)

    def test_neither_of_two_such_keys_fits(self):
        for private in self.twins():
            assert not fits_key(private, public_of(private))

    def test_bits_that_x25519_ignores_make_no_other_key(self):
        alike = bytes([SEED[0] ^ 7]) + SEED[1:31] + bytes([SEED[31] ^ 0x80])
        assert fits_key(alike, public_of(SEED))
