"""Small settings that the tests of encryption share."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from confide import he
from confide.he.layout import blocks_of
from confide.he.matrix import EncryptedMatrix

CKKS = he.Literal(
    scheme=he.Scheme.CKKS,
    degree=8192,
    depth=3,
    level_bits=36,
    base_bits=(45,),
    special_bits=(45,),
)
COMPOSITE = he.Literal(
    scheme=he.Scheme.CKKS,
    degree=16384,
    depth=3,
    level_bits=70,
    base_bits=(42, 42),
    special_bits=(50, 50),
    width=2,
)
BGV = he.Literal(
    scheme=he.Scheme.BGV,
    degree=8192,
    depth=3,
    level_bits=40,
    base_bits=(44,),
    special_bits=(44,),
    plain_modulus=1032193,
)
LITERALS = {"CKKS": CKKS, "composite": COMPOSITE, "BGV": BGV}
ROTATIONS = [1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, -3, 100]


@dataclass(frozen=True)
class Setting:
    """Keys of one literal, and an evaluator that may do everything."""

    context: he.Context
    secret: he.SecretKey
    keys: he.EvaluationKeys
    evaluator: he.Evaluator

    @property
    def parameters(self):
        return self.context.parameters

    @property
    def exact(self):
        return self.parameters.scheme is he.Scheme.BGV

    def numbers(self, rng, size=None):
        """Random numbers of about one."""
        size = self.parameters.slots if size is None else size
        return rng.integers(-5, 6, size) if self.exact else rng.uniform(-1, 1, size)

    def opened(self, ciphertext):
        """The slots of a ciphertext, of one row."""
        return np.atleast_2d(self.secret.decrypt_private(ciphertext))[0]

    def vector(self, values):
        sealed = he.encrypt(self.secret, values)
        return he.EncryptedVector(self.evaluator, sealed.blocks, sealed.layout)

    def table(self, values):
        return EncryptedMatrix([self.vector(column) for column in np.asarray(values).T])

    def read(self, vector):
        return he.decrypt_private(self.secret, he.SealedVector(vector.blocks, vector.layout))

    def assert_close(self, found, expected, tolerance=1e-4):
        found, expected = np.asarray(found), np.asarray(expected)
        if self.exact:
            t = self.parameters.plain_modulus
            assert np.array_equal((found - expected) % t, np.zeros(found.shape))
        else:
            np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


@lru_cache
def setting(name: str) -> Setting:
    """The setting of a literal, made once in a process."""
    context = he.Context(LITERALS[name].checked())
    secret = he.SecretKey(context)
    keys = secret.evaluation_keys(products=True, rotations=ROTATIONS, conjugate=True)
    return Setting(context, secret, keys, he.Evaluator(he.NativeEngine(keys)))


def spread(values, slots):
    """One block of the layout."""
    return blocks_of(np.asarray(values), slots)[0]
