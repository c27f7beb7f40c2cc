"""What is timed: each subject's operations by name, ready to be called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import tenseal.sealapi as seal

from confide import he
from confide.he.context import moved_by
from confide.he.evaluating import evaluate

__all__ = [
    "HOISTED",
    "Operations",
    "confide_error",
    "confide_matrix",
    "confide_primitives",
    "literal",
    "seal_error",
    "seal_matrix",
    "seal_primitives",
]

Operations = Mapping[str, Callable[[], object]]

SCALE_BITS: Final = 46
HOISTED: Final = 16
"""Rotations of one ciphertext that share a decomposition; a single one's share is reported."""

MATRIX: Final = 512
_BABY: Final = 32


def literal(degree: int, primes: int) -> he.Literal:
    """So many primes in all, one of them special: the levels that SEAL has with as many."""
    return he.Literal(
        scheme=he.Scheme.CKKS,
        degree=degree,
        depth=primes - 2,
        level_bits=SCALE_BITS,
        base_bits=(50,),
    )


def confide_primitives(
    degree: int, primes: int, *, threads: int = 1, instructions: str = "", hoisted: bool = True
) -> Operations:
    """Every primitive at the top level; hoisted rotations take gigabytes of keys."""
    context = he.Context(
        literal(degree, primes).checked(), threads=threads, instructions=instructions
    )
    secret = he.SecretKey(context)
    keys = secret.evaluation_keys(products=True, rotations=range(1, HOISTED + 1 if hoisted else 2))
    engine, encoding, public = he.NativeEngine(keys), context.encoding, secret.public_key()
    numbers, depth = _numbers(degree // 2), context.parameters.depth
    x, y, plain = secret.encrypt(numbers), secret.encrypt(numbers), engine.plain(numbers)
    engine.weighted([x], [plain])  # encodes it once
    product = engine.products([x], [y])
    small = engine.relinearise(product)
    operations: dict[str, Callable[[], object]] = {
        "encode": lambda: encoding.encode(numbers, depth),
        "encode one number": lambda: encoding.encode(numbers[:1], depth),
        "encode and encrypt": lambda: public.encrypt(numbers),
        "encode and encrypt, secret key": lambda: secret.encrypt(numbers),
        "decrypt and decode": lambda: secret.decrypt_private(x),
        "add": lambda: engine.add(x, y),
        "multiply by plaintext": lambda: engine.weighted([x], [plain]),
        "multiply": lambda: engine.products([x], [y]),
        "multiply and relinearise": lambda: engine.relinearise(engine.products([x], [y])),
        "rescale": lambda: engine.rescale(small),
        "rotate": lambda: engine.rotate(x, [1]),
    }
    if hoisted:
        operations["rotate, hoisted"] = lambda: engine.rotate(x, range(1, HOISTED + 1))
    return operations


def confide_error(degree: int, primes: int) -> float:
    """Root mean square error of a fresh encryption under the public key, decrypted at once."""
    secret = he.SecretKey(he.Context(literal(degree, primes).checked()))
    numbers = _numbers(degree // 2)
    found = secret.decrypt_private(secret.public_key().encrypt(numbers))
    return float(np.sqrt(np.mean((found.real - numbers) ** 2)))


def seal_error(degree: int, primes: int) -> float:
    """The same of SEAL."""
    them, numbers, opened = _SEAL(degree, primes, [1]), _numbers(degree // 2), seal.Plaintext()
    them.decryptor.decrypt(them.encrypted(numbers.tolist()), opened)
    found = np.array(them.encoder.decode_double(opened))
    return float(np.sqrt(np.mean((found - numbers) ** 2)))


class _SEAL:
    """Keys and tools of one SEAL context: primes of the same sizes, its first and last larger."""

    def __init__(self, degree: int, primes: int, rotations: list[int]) -> None:
        chosen = seal.EncryptionParameters(seal.SCHEME_TYPE.CKKS)
        chosen.set_poly_modulus_degree(degree)
        sizes = [60, *[SCALE_BITS] * (primes - 2), 60]
        chosen.set_coeff_modulus(seal.CoeffModulus.Create(degree, sizes))
        self.context = seal.SEALContext(chosen, True, seal.SEC_LEVEL_TYPE.TC128)
        generator = seal.KeyGenerator(self.context)
        public, self.products, self.rotations = (
            seal.PublicKey(),
            seal.RelinKeys(),
            seal.GaloisKeys(),
        )
        generator.create_public_key(public)
        generator.create_relin_keys(self.products)
        # SEAL names a rotation by a power of 3.
        powers = [pow(3, step, 2 * degree) for step in rotations]
        generator.create_galois_keys(powers, self.rotations)
        self.encryptor = seal.Encryptor(self.context, public)
        self.encryptor.set_secret_key(generator.secret_key())
        self.decryptor = seal.Decryptor(self.context, generator.secret_key())
        self.encoder, self.evaluator = seal.CKKSEncoder(self.context), seal.Evaluator(self.context)

    def encoded(self, numbers: list[float]) -> seal.Plaintext:
        """At the top level."""
        plain = seal.Plaintext()
        self.encoder.encode(numbers, 2.0**SCALE_BITS, plain)
        return plain

    def encrypted(self, numbers: list[float]) -> seal.Ciphertext:
        """Under the public key."""
        out = seal.Ciphertext()
        self.encryptor.encrypt(self.encoded(numbers), out)
        return out


def seal_primitives(degree: int, primes: int) -> Operations:
    """The same, one thread; hoisting it has not."""
    them = _SEAL(degree, primes, [1])
    numbers = _numbers(degree // 2).tolist()
    evaluator, encryptor = them.evaluator, them.encryptor
    plain, x, out, made = them.encoded(numbers), them.encrypted(numbers), *_two()
    small, opened = seal.Ciphertext(), seal.Plaintext()
    evaluator.multiply(x, x, small)
    evaluator.relinearize_inplace(small, them.products)

    def multiply_and_relinearise() -> None:
        evaluator.multiply(x, x, out)
        evaluator.relinearize_inplace(out, them.products)

    def decrypt() -> None:
        them.decryptor.decrypt(x, opened)
        them.encoder.decode_double(opened)

    return {
        "encode": lambda: them.encoded(numbers),
        "encode one number": lambda: them.encoded(numbers[:1]),
        "encode and encrypt": lambda: them.encrypted(numbers),
        "encode and encrypt, secret key": lambda: encryptor.encrypt_symmetric(
            them.encoded(numbers), made
        ),
        "decrypt and decode": decrypt,
        "add": lambda: evaluator.add(x, x, out),
        "multiply by plaintext": lambda: evaluator.multiply_plain(x, plain, out),
        "multiply": lambda: evaluator.multiply(x, x, out),
        "multiply and relinearise": multiply_and_relinearise,
        "rescale": lambda: evaluator.rescale_to_next(small, made),
        "rotate": lambda: evaluator.rotate_vector(x, 1, them.rotations, made),
    }


def confide_matrix(*, threads: int = 1, instructions: str = "") -> Operations:
    """A dense matrix by an encrypted vector, in the smallest ring with room for one level."""
    context = he.Context(literal(8192, 3).checked(), threads=threads, instructions=instructions)
    secret, numbers = he.SecretKey(context), _numbers(MATRIX)
    matrix = he.PlainMatrix(_matrix(), context.parameters.slots)
    sealed = he.encrypt(secret, numbers)
    powers = {moved_by(step, 8192): 1 for step in range(1, _BABY + 1)}
    keys = secret.evaluation_keys_of(powers)

    def product() -> he.SealedVector:
        found: he.SealedVector = evaluate(lambda x: matrix @ x, keys, x=sealed)
        return found

    error = np.abs(he.decrypt_private(secret, product()) - _matrix() @ numbers).max()
    if error > 1e-4:
        raise AssertionError(f"a wrong product: off by {error}")
    return {"matrix product": product}


def seal_matrix() -> Operations:
    """The same diagonals with SEAL's primitives: 31 rotations, 512 products, 15 rotations."""
    them, degree = _SEAL(8192, 3, [*range(1, _BABY), _BABY]), 8192
    evaluator, slots, numbers = them.evaluator, degree // 2, _numbers(MATRIX)
    ours = he.PlainMatrix(_matrix(), slots)
    plains = [them.encoded(ours.diagonal(0, 0, k).tolist()) for k in range(MATRIX)]
    x = them.encrypted(np.tile(numbers, slots // MATRIX).tolist())

    def product() -> seal.Ciphertext:
        turned = [x]
        for step in range(1, _BABY):
            turned.append(seal.Ciphertext())
            evaluator.rotate_vector(x, step, them.rotations, turned[-1])
        total, term = None, seal.Ciphertext()
        for first in reversed(range(0, MATRIX, _BABY)):
            part = seal.Ciphertext()
            evaluator.multiply_plain(turned[0], plains[first], part)
            for i in range(1, _BABY):
                evaluator.multiply_plain(turned[i], plains[first + i], term)
                evaluator.add_inplace(part, term)
            if total is not None:
                evaluator.rotate_vector_inplace(total, _BABY, them.rotations)
                evaluator.add_inplace(part, total)
            total = part
        evaluator.rescale_to_next_inplace(total)
        return total

    opened = seal.Plaintext()
    them.decryptor.decrypt(product(), opened)
    error = np.abs(np.array(them.encoder.decode_double(opened))[:MATRIX] - _matrix() @ numbers)
    if error.max() > 1e-3:
        raise AssertionError(f"a wrong product: off by {error.max()}")
    return {"matrix product": product}


def _two() -> tuple[seal.Ciphertext, seal.Ciphertext]:
    return seal.Ciphertext(), seal.Ciphertext()


def _numbers(count: int) -> np.typing.NDArray[np.float64]:
    return np.random.default_rng(0).uniform(-1, 1, count)


def _matrix() -> np.typing.NDArray[np.float64]:
    entries = np.random.default_rng(1).uniform(-1, 1, (MATRIX, MATRIX))
    scaled: np.typing.NDArray[np.float64] = entries / np.sqrt(MATRIX)
    return scaled
