"""Keys: the secret key, the public key to encrypt, and the evaluation keys to compute.

Ciphertexts and keys of one secret carry its `key_id`, 16 random bytes that say nothing about it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NoReturn, SupportsIndex

import numpy as np

from confide.errors import EncryptionError
from confide.he.ciphertext import KEY_ID_BYTES, Ciphertext, require_fit
from confide.he.context import Context, moved_by
from confide.he.encoding import Polys
from confide.he.flooding import (
    LEAST_STATISTICAL_BITS,
    flood,
    flooding_scale,
    require_room,
    shareable,
)
from confide.he.kernel import make_secret
from confide.he.noise import CKKSNoise
from confide.he.numbers import Numbers, real_number, whole_number
from confide.he.parameters import Parameters, Scheme
from confide.randomness import SystemRandom

if TYPE_CHECKING:
    from confide_native import Secret

__all__ = [
    "RELINEARISATION",
    "EvaluationKeys",
    "PublicKey",
    "SecretKey",
    "SwitchingKey",
    "conjugation",
    "public_rows",
]

RELINEARISATION: Final = 0
"""Stands for the key of products, where others are named by their power of X."""


def conjugation(degree: int) -> int:
    """The power of X that conjugates CKKS's slots and swaps BGV's rows."""
    return 2 * degree - 1


@dataclass(frozen=True, eq=False, kw_only=True)
class SwitchingKey:
    """What takes one secret to another, up to a level (Han and Ki 2020, hybrid key switching).

    Attributes:
        level: The highest level of what it switches.
        data: (2·digits, primes of the level and special ones, N).
        seed: What every second polynomial was made of.
    """

    level: int
    data: Polys = field(repr=False)
    seed: bytes = field(repr=False)
    _offsets: dict[int, Polys] = field(default_factory=dict, repr=False)

    def rows(self, parameters: Parameters) -> list[int]:
        """The primes that `data` is modulo."""
        return [*parameters.rows(self.level), *parameters.special]

    def offset(self, context: Context, level: int) -> Polys:
        """What centres the digits of a level; made when it is first needed."""
        if level not in self._offsets:
            parameters = context.parameters
            rows, special = parameters.rows(level), parameters.special
            out = context.empty(2, len(rows) + len(special))
            context.ring.offset(
                out, self.data, self.rows(parameters), rows, special, parameters.width
            )
            self._offsets[level] = out
        return self._offsets[level]


class EvaluationKeys:
    """What an evaluator needs: a key for products, and one for each rotation. Public.

    Attributes:
        context: Of the secret key.
        key_id: Of the secret key.
        keys: By the power of X; 0 is the key of products.
    """

    def __init__(self, context: Context, key_id: bytes, keys: Mapping[int, SwitchingKey]) -> None:
        self.context: Final = context
        self.key_id: Final = key_id
        self.keys: Final = dict(keys)

    @property
    def nbytes(self) -> int:
        """Memory of all of them."""
        return sum(key.data.nbytes for key in self.keys.values())

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(_NOT_PICKLED.format("evaluation keys are", "read_evaluation_keys"))

    def find(self, power: int, level: int, what: str) -> SwitchingKey:
        """The key of a power of X.

        Args:
            power: Of X; 0 for products.
            level: Of the ciphertext.
            what: The operation, for the error.

        Raises:
            EncryptionError: If there is none, or it is for lower levels.
        """
        key = self.keys.get(power)
        if key is None:
            raise EncryptionError(
                f"{what} needs a key that is not among these {len(self.keys)}: name it when you"
                " make evaluation_keys, or let plan(...) find what a computation needs"
            )
        if key.level < level:
            raise EncryptionError(
                f"{what} at level {level} with a key made for level {key.level} and below: make"
                " the key for the higher level, or rotate later"
            )
        return key

    def __repr__(self) -> str:
        return (
            f"EvaluationKeys({len(self.keys)} keys, {self.nbytes / 2**20:.1f} MiB,"
            f" {self.context.parameters!r}, key {self.key_id.hex()[:8]})"
        )


class PublicKey:
    """What anybody encrypts with.

    Attributes:
        context: Of the secret key.
        key_id: Of the secret key.
        data: An encryption of zero at the top level, modulo the special primes too: (2, rows, N).
        seed: What its second polynomial was made of.
    """

    def __init__(self, context: Context, key_id: bytes, data: Polys, seed: bytes) -> None:
        self.context: Final = context
        self.key_id: Final = key_id
        self.data: Final = data
        self.seed: Final = seed

    def encrypt(
        self, values: object, *, level: int | None = None, bound: float | None = None
    ) -> Ciphertext:
        """Encrypts numbers (Lyubashevsky, Peikert and Regev 2013, §8.1, ternary).

        Zero is encrypted modulo QP and divided by the special primes P, before the numbers are
        added: the error that is left is that of the rounding, about a sixteenth (as in SEAL).

        Args:
            values: At most N/2, real or complex for CKKS; whole numbers for BGV, (n,) or (2, n).
            level: How many multiplications are to come; all if None. Lower is smaller and faster.
            bound: The largest size of a number by the plan of what will be computed.

        Raises:
            EncryptionError: If the numbers do not fit the scheme or the level, or exceed the bound.
        """
        context = self.context
        parameters = context.parameters
        at = _checked_level(level, parameters.depth)
        message = context.encoding.message(values, at, _checked_bound(bound))
        rows = parameters.rows(at)
        out = context.empty(2, len(rows))
        context.ring.encrypt(
            out, self.data, self.rows, message, rows, parameters.special, parameters.plain_modulus
        )
        return Ciphertext(parameters=parameters, key_id=self.key_id, data=out, level=at)

    @property
    def rows(self) -> list[int]:
        """The primes that `data` is modulo: all of them."""
        return public_rows(self.context.parameters)

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError(_NOT_PICKLED.format("a public key is", "read_public_key"))

    def __repr__(self) -> str:
        return f"PublicKey({self.context.parameters!r}, key {self.key_id.hex()[:8]})"


class SecretKey:
    """A uniform ternary secret. It is never pickled, copied or shown; its memory is wiped.

    Args:
        context: What it is for.

    Attributes:
        context: What it is for.
        key_id: 16 random bytes that name it.
    """

    def __init__(self, context: Context) -> None:
        self._begin(context, SystemRandom().bytes(KEY_ID_BYTES), make_secret(context.ring))

    @classmethod
    def of_coefficients(
        cls,
        context: Context,
        key_id: bytes,
        coefficients: np.typing.NDArray[np.int8],
        spent: Fraction,
    ) -> SecretKey:
        """The key of these coefficients, each -1, 0 or 1; for `import_secret_key`."""
        self = cls.__new__(cls)
        self._begin(context, key_id, make_secret(context.ring, coefficients))
        self._spent = spent
        return self

    def _begin(self, context: Context, key_id: bytes, secret: Secret) -> None:
        self.context = context
        self.key_id = key_id
        self._secret = secret
        self._spent = Fraction(0)
        self._lock = threading.Lock()
        self._process = os.getpid()

    def encrypt(
        self, values: object, *, level: int | None = None, bound: float | None = None
    ) -> Ciphertext:
        """Encrypts numbers; half the ciphertext is a seed, so that half the bytes travel.

        Args:
            values: At most N/2, real or complex for CKKS; whole numbers for BGV, (n,) or (2, n).
            level: How many multiplications are to come; all if None. Lower is smaller and faster.
            bound: The largest size of a number by the plan of what will be computed.

        Raises:
            EncryptionError: If the numbers do not fit the scheme or the level, or exceed the bound.
        """
        parameters = self.context.parameters
        at = _checked_level(level, parameters.depth)
        message = self.context.encoding.message(values, at, _checked_bound(bound))
        data, seed = self._encrypted(message, parameters.rows(at))
        return Ciphertext(
            parameters=self.context.parameters, key_id=self.key_id, data=data, level=at, seed=seed
        )

    def _encrypted(self, message: Polys | None, rows: Sequence[int]) -> tuple[Polys, bytes]:
        parameters, ring = self.context.parameters, self.context.ring
        data = self.context.empty(2, len(rows))
        seed = self._secret.encrypt(data[:1], message, rows, parameters.plain_modulus)
        ring.uniform(data[1:], rows, seed)
        return data, seed

    def public_key(self) -> PublicKey:
        """A fresh public key of this secret."""
        data, seed = self._encrypted(None, public_rows(self.context.parameters))
        return PublicKey(self.context, self.key_id, data, seed)

    def evaluation_keys(
        self,
        *,
        products: bool | int = False,
        rotations: Iterable[int] | Mapping[int, int] = (),
        conjugate: bool | int = False,
    ) -> EvaluationKeys:
        """Keys for what an evaluator is to compute, and for nothing else.

        Args:
            products: Whether ciphertexts are multiplied by ciphertexts; or up to which level.
            rotations: By how many slots; or for each of them up to which level. Keys of lower
                levels are smaller by the square.
            conjugate: Whether slots are conjugated (CKKS) or rows swapped (BGV); or up to which
                level.
        """
        degree, depth = self.context.parameters.degree, self.context.parameters.depth
        steps = rotations if isinstance(rotations, Mapping) else dict.fromkeys(rotations, depth)
        needs = {moved_by(step, degree): level for step, level in steps.items()}
        for power, need in ((RELINEARISATION, products), (conjugation(degree), conjugate)):
            if need is not False:
                needs[power] = depth if need is True else need
        return self.evaluation_keys_of(needs)

    def evaluation_keys_of(self, needs: Mapping[int, int]) -> EvaluationKeys:
        """Keys by powers of X and levels, as a plan lists them; 0 is the key of products."""
        return EvaluationKeys(
            self.context,
            self.key_id,
            {power: self._switching_key(power, level) for power, level in needs.items()
             if power != 1},
        )  # fmt: skip

    def _switching_key(self, power: int, level: int) -> SwitchingKey:
        parameters = self.context.parameters
        at = _checked_level(level, parameters.depth)
        rows, special = parameters.rows(at), parameters.special
        data = self.context.empty(2 * parameters.digits(at), len(rows) + len(special))
        seed = self._secret.switching_key(
            data, power, rows, special, parameters.width, parameters.plain_modulus
        )
        return SwitchingKey(level=at, data=data, seed=seed)

    def decrypt_private(self, ciphertext: Ciphertext) -> Numbers:
        """Decrypts a result that stays with the key holder.

        A CKKS result still holds its error. Shown to anybody who knows the ciphertext, it reveals
        the secret key: use `decrypt_shared` for results to share.

        Returns:
            (N/2,) complex for CKKS, (2, N/2) int64 for BGV.

        Raises:
            EncryptionError: If the ciphertext is of another key or of other parameters.
        """
        phase, level = self._phase(ciphertext)
        return self.context.encoding.decode(phase, level)

    def decrypt_shared(
        self,
        ciphertext: Ciphertext,
        *,
        noise: float,
        queries: int,
        statistical_bits: int = LEAST_STATISTICAL_BITS,
    ) -> Numbers:
        """Decrypts a result that others will see, under noise that hides its error (CKKS).

        Each result uses 1/`queries` of the key, and no more than all of it can be used. BGV's
        results are exact and get no noise, but must come from a planned computation: an overflow
        reveals something about the key.

        Args:
            ciphertext: What the planned computation made, and nothing else.
            noise: The root mean square error of its slots, from the plan of that computation
                (`Plan.noise`); never from the evaluator.
            queries: τ, how many results of this key may be shared at most.
            statistical_bits: s, at least 30.

        Returns:
            (N/2,) complex for CKKS, (2, N/2) int64 for BGV.

        Raises:
            EncryptionError: If the key has given all it may, the base has no room for the noise, an
                argument is out of range, or the ciphertext is of another key or parameters.
        """
        return self.open_shared(
            [ciphertext], noise=noise, queries=queries, statistical_bits=statistical_bits
        )[0]

    def open_shared(
        self,
        ciphertexts: Sequence[Ciphertext],
        *,
        noise: object,
        queries: object,
        statistical_bits: object = LEAST_STATISTICAL_BITS,
    ) -> list[Numbers]:
        """Opens several results as `decrypt_shared` does: all, or none without any cost.

        Raises:
            EncryptionError: As `decrypt_shared` does; also if not all of them may be opened.
        """
        most, bits = shareable(queries, statistical_bits)
        floods = [self._flood_of(x, noise, most, bits) for x in ciphertexts]
        share = Fraction(1, most << (bits - LEAST_STATISTICAL_BITS))
        self._require_process()
        # The results are computed before they are charged, and returned after: a failure in between
        # costs nothing and reveals nothing.
        with self._lock:
            self._require_left(share * len(ciphertexts), len(ciphertexts))
            opened = [self._flooded(x, flood) for x, flood in zip(ciphertexts, floods, strict=True)]
            self._spent += share * len(ciphertexts)
        return opened

    def _flood_of(self, x: Ciphertext, noise: object, queries: int, bits: int) -> float:
        """The standard deviation of what floods a result, in units of its coefficients."""
        parameters, least = self.context.parameters, self._least_noise()
        t = real_number(noise, "noise", "the error that the plan predicts")
        if t < least:
            raise EncryptionError(
                f"noise is {t!r}; the error that the plan predicts, and at least that of a fresh"
                f" encryption, {least:.1e}"
            )
        require_fit(parameters, self.key_id, x)
        if parameters.scheme is not Scheme.CKKS:
            return 0.0
        flooded = flooding_scale(t, queries, bits) * parameters.scale(x.level - x.squared)
        require_room(self.context, flooded)
        return flooded

    def _flooded(self, x: Ciphertext, scale: float) -> Numbers:
        phase, level = self._phase(x)
        if scale:
            flood(self.context, phase, scale)
        return self.context.encoding.decode(phase, level)

    def _least_noise(self) -> float:
        """Root mean square of the slots of a fresh encryption (CKKS)."""
        parameters = self.context.parameters
        if parameters.scheme is not Scheme.CKKS:
            return 0.0
        fresh = CKKSNoise(parameters, secret=True)
        return fresh.fresh(0.0, parameters.depth, public=False)

    def _require_process(self) -> None:
        if os.getpid() != self._process:
            raise EncryptionError(
                "a secret key in a forked process, which does not know what the other one gives"
                " away: share results where the key was made, or give it to one process alone with"
                " export_secret_key"
            )

    def _require_left(self, share: Fraction, count: int) -> None:
        if self._spent + share > 1:
            raise EncryptionError(
                f"key {self.key_id.hex()[:8]} does not give away so many results more:"
                f" {float(self._spent):.1%} is spent and {count} of these take {float(share):.1%}."
                " Nothing was used now. Make a new key, or share fewer results"
            )

    @property
    def spent(self) -> Fraction:
        """Which part of what the key may give away it has given."""
        return self._spent

    def _phase(self, x: Ciphertext) -> tuple[Polys, int]:
        """What x holds, modulo the base's primes, and at which level's scale.

        The secret is multiplied in first and primes are divided out afterwards: the rounding is
        then not multiplied by the secret, nor by its square.
        """
        require_fit(self.context.parameters, self.key_id, x)
        rows = self.context.parameters.rows(x.level)
        phase = self.context.empty(1, len(rows))
        self._secret.phase(phase, x.data, rows)
        encoding, level = self.context.encoding, x.level
        if x.squared:
            phase, level = encoding.divided(phase, level), level - 1
        return encoding.to_base(phase, level), level

    def coefficients_into(self, out: np.typing.NDArray[np.int8]) -> None:
        """Writes the N coefficients; for `export_secret_key`, which wipes them."""
        self._secret.coefficients(out)

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        raise TypeError("a secret key is not pickled or copied; export_secret_key writes it")

    def __repr__(self) -> str:
        return f"SecretKey({self.context.parameters!r}, key {self.key_id.hex()[:8]})"


def public_rows(parameters: Parameters) -> list[int]:
    """The primes of a public key: those of fresh ciphertexts, and the special ones."""
    return [*parameters.rows(parameters.depth), *parameters.special]


_NOT_PICKLED: Final = "{} not pickled or copied: send the bytes of write(...), read them with {}"


def _checked_level(level: int | None, depth: int) -> int:
    return depth if level is None else whole_number(level, "level", 0, depth)


def _checked_bound(bound: float | None) -> float | None:
    return None if bound is None else real_number(bound, "bound")
