"""Microsoft SEAL as a second engine, through TenSEAL's `sealapi`: the oracle of the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tenseal.sealapi as seal

from confide.he import Parameters, Scheme
from confide.he.ciphertext import Plain


@dataclass(frozen=True, eq=False)
class SEALCiphertext:
    inner: seal.Ciphertext
    level: int
    squared: bool

    @property
    def parts(self) -> int:
        return self.inner.size()


class SEALEngine:
    """An `Engine` with the primes of a set of CKKS parameters of one special prime."""

    scheme, lowest = Scheme.CKKS, 0

    def __init__(self, parameters: Parameters, rotations: Sequence[int]) -> None:
        self.parameters, self.slots = parameters, parameters.slots
        chosen = seal.EncryptionParameters(seal.SCHEME_TYPE.CKKS)
        chosen.set_poly_modulus_degree(parameters.degree)
        chosen.set_coeff_modulus([seal.Modulus(q) for q in parameters.primes])
        self.context = seal.SEALContext(chosen, True, seal.SEC_LEVEL_TYPE.TC128)
        assert self.context.parameters_set()
        generator = seal.KeyGenerator(self.context)
        self.secret = generator.secret_key()
        self._products, self._rotations = seal.RelinKeys(), seal.GaloisKeys()
        generator.create_relin_keys(self._products)
        # SEAL's slots follow the powers of 3; a rotation by one is the power 3.
        powers = [pow(3, step % self.slots, 2 * parameters.degree) for step in rotations]
        generator.create_galois_keys(powers, self._rotations)
        self._encoder = seal.CKKSEncoder(self.context)
        self._evaluator = seal.Evaluator(self.context)
        self._encryptor = seal.Encryptor(self.context, self.secret)
        self._decryptor = seal.Decryptor(self.context, self.secret)
        self._ids = {parameters.depth: self.context.first_parms_id()}
        at = self.context.first_context_data()
        for level in range(parameters.depth - 1, -1, -1):
            at = at.next_context_data()
            self._ids[level] = at.parms_id()

    def encrypt(self, values) -> SEALCiphertext:
        out = seal.Ciphertext()
        top = self.parameters.depth
        self._encryptor.encrypt_symmetric(self._encoded(values, top, self._scale(top)), out)
        return SEALCiphertext(out, top, False)

    def opened(self, x: SEALCiphertext):
        out = seal.Plaintext()
        self._decryptor.decrypt(x.inner, out)
        return np.array(self._encoder.decode_double(out))

    def plain(self, values) -> Plain:
        return Plain(np.asarray(values, np.float64))

    def add(self, x, y):
        return self._made(x, self._evaluator.add, x.inner, y.inner)

    def subtract(self, x, y):
        return self._made(x, self._evaluator.sub, x.inner, y.inner)

    def add_plain(self, x, y):
        encoded = self._encoded(y.values, x.level, x.inner.scale)
        return self._made(x, self._evaluator.add_plain, x.inner, encoded)

    def times(self, x, number):
        encoded = self._encoded(float(number), x.level, 1.0)
        return self._made(x, self._evaluator.multiply_plain, x.inner, encoded)

    def products(self, xs, ys):
        return self._summed(
            self._made(x, self._evaluator.multiply, x.inner, y.inner, squared=True)
            for x, y in zip(xs, ys, strict=True)
        )

    def weighted(self, xs, ys):
        return self._summed(
            self._made(
                x,
                self._evaluator.multiply_plain,
                x.inner,
                self._encoded(y.values, x.level, self._scale(x.level)),
                squared=True,
            )
            for x, y in zip(xs, ys, strict=True)
        )

    def square_scale(self, x):
        return self.weighted([x], [self.plain(1.0)])

    def rescale(self, x):
        out = self._made(x, self._evaluator.rescale_to_next, x.inner, level=x.level - 1)
        out.inner.scale = self._scale(out.level)
        return SEALCiphertext(out.inner, out.level, False)

    def lower(self, x, level):
        if x.level == level + 1:
            return self.rescale(self.square_scale(x))
        above = self._made(
            x, self._evaluator.mod_switch_to, x.inner, self._ids[level + 1], level=level + 1
        )
        above.inner.scale = self._scale(level + 1)
        return self.rescale(self.square_scale(above))

    def relinearise(self, x):
        return self._made(x, self._evaluator.relinearize, x.inner, self._products)

    def rotate(self, x, steps):
        return [
            self._made(x, self._evaluator.rotate_vector, x.inner, step, self._rotations)
            if step
            else x
            for step in steps
        ]

    def known(self, x, of, reach):
        return x

    def declared(self, x, low, high):
        return x

    def _scale(self, level):
        return self.parameters.scale(level)

    def _encoded(self, values, level, scale):
        out = seal.Plaintext()
        numbers = np.asarray(values, np.float64)
        given = float(numbers) if numbers.ndim == 0 else numbers.tolist()
        self._encoder.encode(given, self._ids[level], scale, out)
        return out

    def _made(self, x, operation, *arguments, level=None, squared=None):
        out = seal.Ciphertext()
        operation(*arguments, out)
        return SEALCiphertext(
            out, x.level if level is None else level, x.squared if squared is None else squared
        )

    def _summed(self, terms):
        total = None
        for term in terms:
            total = term if total is None else self.add(total, term)
        return total
