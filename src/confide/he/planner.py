"""Parameters from what a computation does: its depth, the precision wanted, the security table.

`plan` runs the computation on symbols, at every ring of the security table, and keeps the cheapest
that is precise enough. Nothing is encrypted, and whatever would go wrong is said with the line of
the computation in which it would.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from confide.errors import EncryptionError
from confide.he import primes
from confide.he.evaluating import Computation, Located, evaluate, no_result, require_sealed
from confide.he.evaluator import Evaluator
from confide.he.flooding import (
    FLOOD_TAIL,
    flooding_scale,
)
from confide.he.inputs import Input, Shared
from confide.he.kernel import make_ring
from confide.he.keys import EvaluationKeys, PublicKey, SecretKey
from confide.he.layout import Layout, period
from confide.he.matrix import EncryptedMatrix
from confide.he.numbers import real_number
from confide.he.parameters import Literal, Parameters, Scheme, least_base_bits
from confide.he.sealed import SealedTable, SealedVector
from confide.he.security import DEGREES
from confide.he.tracer import Symbol, Tracer, Work
from confide.he.vector import EncryptedVector

__all__ = ["Plan", "plan"]

_TAIL: Final = 6.5
"""No slot's error exceeds this many root mean squares, but with probability below 2^-40."""

_FLOOD_ROOM_BITS: Final = 8
_MARGIN_BITS: Final = 2


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan:
    """The cost of a computation, and the error of its results.

    Attributes:
        parameters: The cheapest that suffice.
        needs: The keys that it uses: the highest level for each power of X; 0 is for products.
        depth: Multiplications in a row.
        noise: Root mean square error of the results' slots, for `decrypt_shared`. Of BGV 1.0: its
            results are exact.
        error: The largest error of a result, after flooding if results are shared; 0 for BGV.
        seconds: About how long it takes on one thread of this machine.
        key_bytes: Memory of the evaluation keys.
        bytes_held: Memory of the ciphertexts that are held at a time, at most.
        operations: How often each operation runs.
    """

    computation: Computation
    inputs: Mapping[str, Input]
    parameters: Parameters
    needs: Mapping[int, int]
    depth: int
    noise: float
    error: float
    seconds: float
    key_bytes: int
    bytes_held: int
    operations: Mapping[str, int]

    def evaluation_keys(self, secret: SecretKey) -> EvaluationKeys:
        """Exactly the keys that the computation uses."""
        return secret.evaluation_keys_of(self.needs)

    def encrypt(
        self, key: SecretKey | PublicKey, /, **values: object
    ) -> dict[str, SealedVector | SealedTable]:
        """Encrypts inputs, each number of which is checked against the plan.

        Only numbers within the declared bounds are accepted: the error and the noise that the plan
        states depend on this, and with them the protection of `decrypt_shared`.

        Args:
            key: The secret key, which makes half the bytes, or the public one.
            **values: By name: all inputs, or those that one party has.

        Returns:
            By name, as `run` takes them.

        Raises:
            EncryptionError: If a number is beyond its bound, missing, of another kind, or the
                shape is another; nothing was encrypted then, and no number is shown.
        """
        if key.context.parameters != self.parameters:
            raise EncryptionError(
                f"a key of {key.context.parameters!r}, planned with {self.parameters!r}"
            )
        if unknown := sorted(set(values) - set(self.inputs)):
            raise EncryptionError(
                f"{unknown[0]!r} is not an input; the plan has {', '.join(sorted(self.inputs))}"
            )
        checked = {name: self.inputs[name].checked(x, name) for name, x in values.items()}
        return {name: self.inputs[name].encrypted(key, x) for name, x in checked.items()}

    def run(self, keys: EvaluationKeys, /, **inputs: SealedVector | SealedTable) -> Any:
        """Computes on ciphertexts that `encrypt` made, here or elsewhere; see `evaluate`.

        Raises:
            EncryptionError: As `evaluate` does; also if an input is of another shape, or was not
                checked against its bound when it was encrypted.
        """
        if keys.context.parameters != self.parameters:
            raise EncryptionError(
                f"keys of {keys.context.parameters!r}, planned with {self.parameters!r}"
            )
        if set(inputs) != set(self.inputs):
            raise EncryptionError(
                f"inputs {', '.join(sorted(inputs)) or 'none'}; the plan has"
                f" {', '.join(sorted(self.inputs))}"
            )
        for name, given in inputs.items():
            require_sealed(given, name)
            self.inputs[name].require_planned(given, name)
        return evaluate(self.computation, keys, **inputs)

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in self.operations.items())
        exact = self.parameters.scheme is Scheme.BGV
        return "\n".join(
            (
                f"ring        {self.parameters!r}",
                f"depth       {self.depth} multiplications in a row",
                f"error       {'none' if exact else f'at most {self.error:.1e}'}",
                f"operations  {counts}",
                f"keys        {len(self.needs)}, {self.key_bytes / 2**20:.1f} MiB",
                f"memory      {self.bytes_held / 2**20:.1f} MiB of ciphertexts at a time",
                f"time        about {self.seconds:.2g} s on one thread",
            )
        )


def plan(
    computation: Computation,
    inputs: Mapping[str, Input],
    *,
    precision: float | None = None,
    scheme: Scheme = Scheme.CKKS,
    shared: Shared | None = None,
    parameters: Parameters | None = None,
) -> Plan:
    """Finds the cheapest parameters for a computation, before anything is encrypted.

    Args:
        computation: Takes encrypted vectors and tables by name. It is run several times on
            symbols: it must not depend on anything but its arguments.
        inputs: Their shapes and bounds.
        precision: The largest error that results may have; for CKKS, which needs it.
        scheme: CKKS, or BGV for whole numbers.
        shared: That results are shown to others, and to how many queries.
        parameters: To be used as they are, if given: nothing is searched, only checked.

    Raises:
        EncryptionError: If no ring of the security table suffices: which operation fails, and what
            to change; or if the arguments are unsound.
    """
    if parameters is not None and parameters.scheme is not scheme:
        raise EncryptionError(f"{parameters!r} for a computation in {scheme.value}")
    if (scheme is Scheme.CKKS) != (precision is not None):
        raise EncryptionError("precision is for CKKS, and CKKS needs it: such as precision=1e-4")
    if precision is not None:
        precision = real_number(precision, "precision", "a positive error")
        if precision <= 0:
            raise EncryptionError(f"precision is {precision!r}; a positive error")
    if scheme is not Scheme.CKKS and any(given.complex for given in inputs.values()):
        raise EncryptionError("complex inputs are for CKKS")
    search = _Search(computation, dict(inputs), precision, scheme, shared)
    if parameters is not None:
        return search.checked(parameters)
    found, reasons = [], []
    for degree in DEGREES:
        try:
            found.append(search.at(degree))
        except EncryptionError as error:
            reasons.append((degree, error))
    if not found:
        degree, last = reasons[-1]
        raise EncryptionError(f"no ring suffices; at the largest, N = {degree}: {last}") from last
    return min(found, key=lambda each: each.seconds)


@dataclass(frozen=True)
class _Search:
    """The smallest sufficient modulus at each degree."""

    computation: Computation
    inputs: dict[str, Input]
    precision: float | None
    scheme: Scheme
    shared: Shared | None

    def at(self, degree: int) -> Plan:
        """The plan at this degree."""
        probe, outputs = self._traced(degree, None)
        depth = -probe.lowest_seen
        largest = max(x.bound for x in outputs)
        if not depth:
            # Inputs are encrypted at the level of the base.
            largest = max(largest, probe.largest)
        best: Plan | None = None
        low, high = primes.LEAST_BITS, 2 * primes.MOST_BITS
        reason: EncryptionError | None = None
        # More bits are more precise until they are not secure any more.
        while low <= high:
            bits = (low + high) // 2
            try:
                parameters = self._literal(degree, depth, bits, largest, probe.largest).checked()
            except EncryptionError as error:
                reason, high = error, bits - 1
                continue
            try:
                best = self.checked(parameters)
                high = bits - 1
            except EncryptionError as error:
                reason, low = error, bits + 1
        if best is None:
            raise EncryptionError(
                f"{reason}. It takes {depth} multiplications in a row, the last at {probe.deepest}"
            ) from reason
        return best

    def _literal(
        self, degree: int, depth: int, bits: int, largest: float, anywhere: float
    ) -> Literal:
        base, t = bits, None
        if self.scheme is Scheme.BGV:
            t = _plain_modulus(max(largest, anywhere), degree)
            base = max(bits, least_base_bits(t, degree))
        else:
            # Numbers below one need no less room than one.
            base = bits + math.ceil(math.log2(max(largest, 1.0))) + _MARGIN_BITS
            base += _FLOOD_ROOM_BITS if self.shared else 0
        if base > 2 * primes.MOST_BITS:
            raise EncryptionError(
                f"results up to {largest:.3g} at a scale of 2^{bits} need a base of {base} bits,"
                f" and two primes have {2 * primes.MOST_BITS}: divide the inputs, or ask for less"
                " precision"
            )
        flooded = self.shared is not None and self.scheme is Scheme.CKKS
        two = base > primes.MOST_BITS or (flooded and base > 2 * primes.LEAST_BITS)
        return Literal(
            scheme=self.scheme,
            degree=degree,
            depth=depth,
            level_bits=bits,
            base_bits=(-(-base // 2), base // 2) if two else (max(base, primes.LEAST_BITS),),
            plain_modulus=t,
        )

    def checked(self, parameters: Parameters) -> Plan:
        """The plan with these parameters, if it is precise enough."""
        tracer, outputs = self._traced(parameters.degree, parameters)
        depth, noise, error = parameters.depth - tracer.lowest_seen, 1.0, 0.0
        if self.precision is not None:
            _, secrets = self._traced(parameters.degree, parameters, secret=True)
            noise = max(x.error for x in secrets)
            self._require_flood_room(noise, outputs, parameters)
            error = _TAIL * math.hypot(
                max(x.error for x in outputs), self._flood(noise, parameters)
            )
            if error > self.precision:
                raise EncryptionError(
                    f"an error of up to {error:.1e} with a scale of {parameters.literal.level_bits}"
                    f" bits, where {self.precision:.1e} is asked for: ask for less precision, take"
                    " larger levels, or multiply less in a row"
                )
        return Plan(
            computation=self.computation,
            inputs=self.inputs,
            parameters=parameters,
            needs=dict(sorted(tracer.needs.items())),
            depth=depth,
            noise=noise,
            error=error,
            seconds=_seconds(tracer.work, parameters.degree),
            key_bytes=sum(_key_bytes(parameters, level) for level in tracer.needs.values()),
            bytes_held=tracer.work.most_held,
            operations=dict(tracer.work.operations),
        )

    def _require_flood_room(
        self, noise: float, outputs: list[Symbol], parameters: Parameters
    ) -> None:
        """Refuses a base in which flooding noise would push a result over its edge."""
        if self.shared is None:
            return
        flood = flooding_scale(noise, self.shared.queries, self.shared.statistical_bits)
        largest = max(x.bound + _TAIL * x.error for x in outputs) + FLOOD_TAIL * flood
        room = parameters.product(parameters.rows(0)) / parameters.scale(0) / 2
        if largest >= room:
            raise EncryptionError(
                f"results and the noise that floods them, up to {largest:.3g}, where the base has"
                f" room for {room:.3g}: take a larger base, fewer queries or smaller numbers"
            )

    def _flood(self, noise: float, parameters: Parameters) -> float:
        """Root mean square of the slots of what `decrypt_shared` adds."""
        if self.shared is None:
            return 0.0
        flood = flooding_scale(noise, self.shared.queries, self.shared.statistical_bits)
        return flood * math.sqrt(parameters.degree)

    def _traced(
        self, degree: int, parameters: Parameters | None, *, secret: bool = False
    ) -> tuple[Tracer, list[Symbol]]:
        tracer = Tracer(self.scheme, degree, parameters, secret=secret)
        evaluator = Evaluator(tracer)

        def vector(given: Input) -> EncryptedVector[Symbol]:
            layout = Layout(length=given.shape[0], clean=True, complex=given.complex)
            count = -(-layout.length // period(layout.length, tracer.slots))
            blocks = [tracer.fresh(given.bound, public=True) for _ in range(count)]
            return EncryptedVector(evaluator, blocks, layout)

        arguments: dict[str, Any] = {}
        for name, given in self.inputs.items():
            columns = [vector(given) for _ in range(math.prod(given.shape[1:]))]
            arguments[name] = columns[0] if len(given.shape) == 1 else EncryptedMatrix(columns)
        with Located():
            result = self.computation(**arguments)
            outputs = [evaluator.settled(x) for x in _symbols(result)]
        # Results come out of the base alone.
        for x in outputs:
            tracer.require_base(x)
        return tracer, outputs


def _symbols(x: Any) -> list[Symbol]:
    if isinstance(x, EncryptedVector):
        return list(x.blocks)
    if isinstance(x, EncryptedMatrix):
        return [block for column in x.columns for block in column.blocks]
    if isinstance(x, dict):
        return [symbol for each in x.values() for symbol in _symbols(each)]
    raise no_result(x)


def _plain_modulus(bound: float, degree: int) -> int:
    """A prime that distinguishes numbers up to the bound."""
    bits = max(int(2 * bound + 1).bit_length() + 1, primes.LEAST_BITS)
    if bits > primes.MOST_BITS:
        raise EncryptionError(
            f"whole numbers up to {bound:.3g} need a plain modulus of {bits} bits;"
            f" {primes.MOST_BITS} are the most. Divide the work, or take CKKS"
        )
    return next(primes.falling(bits, degree))


def _key_bytes(parameters: Parameters, level: int) -> int:
    rows = len(parameters.rows(level)) + len(parameters.special)
    return 8 * parameters.degree * rows * 2 * (parameters.digits(level) + 1)


def _seconds(work: Work, degree: int) -> float:
    rates = _rates(degree)
    return (
        work.butterflies * rates.butterfly
        + work.products * rates.product
        + work.encodings * rates.encoding
        + work.written * rates.byte
    )


class _Rates(NamedTuple):
    """Seconds on this machine."""

    butterfly: float
    product: float
    encoding: float
    byte: float


@lru_cache(maxsize=len(DEGREES))
def _rates(degree: int) -> _Rates:
    """Measured, in some milliseconds."""
    ring, rows = make_ring(degree, primes.largest(4, 46, degree, frozenset()), 1), range(4)
    x = np.ones((2, 4, degree), np.uint64)
    out, line = np.empty_like(x), np.ones(degree // 2)
    butterflies = 4 * degree * (degree.bit_length() - 1)
    return _Rates(
        butterfly=_fastest(lambda: ring.forward(out, rows)) / butterflies,
        product=_fastest(lambda: ring.weighted(out, [x] * 4, [x[:1]] * 4, rows)) / (32 * degree),
        encoding=_fastest(lambda: ring.from_reals(out[:1], np.fft.fft(line).real.repeat(2), rows)),
        byte=_fastest(lambda: np.ones_like(x)) / x.nbytes,
    )


def _fastest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
