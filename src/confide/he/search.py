"""The cheapest sufficient parameters of a computation.

At each ring of the security table: first the fewest bits of a level that are precise enough, then
the number of primes in a digit of key switching that is fastest with them. Wide digits make smaller
keys and fewer products, and take more of the modulus for special primes (Han and Ki 2020, §4).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from confide.errors import EncryptionError
from confide.he import primes
from confide.he.blocks import Alike
from confide.he.costs import key_bytes, seconds
from confide.he.evaluating import Computation, Located, no_result
from confide.he.evaluator import Evaluator
from confide.he.flooding import FLOOD_TAIL, flooding_scale
from confide.he.inputs import Input, Shared
from confide.he.layout import Layout, blocks_of, numbers_of, period
from confide.he.matrix import EncryptedMatrix
from confide.he.numbers import Numbers
from confide.he.parameters import Literal, Parameters, Scheme, least_base_bits
from confide.he.security import DEGREES
from confide.he.simulated import ROOM, Clear, Simulated
from confide.he.tracer import Symbol, Tracer
from confide.he.vector import EncryptedVector
from confide.randomness import public_generator

__all__ = ["Found", "Search"]

_WORST_TAIL: Final = 6.5
"""No slot's error exceeds this many root mean squares, but with probability below 2^-40."""

_RUNS: Final = 16
_AVERAGE_TAIL: Final = 8.0
"""A number's error, over the root mean square of 16 others like it, is Student's t of 16 degrees of
freedom: it exceeds 8 with probability below 2^-20."""

_FLOOD_ROOM_BITS: Final = 8
_MARGIN_BITS: Final = 2
_WIDTHS: Final = (2, 3, 4, 6, 8, 12)
_AS_FAST: Final = 1.1
"""Of plans so close in time the one with smaller keys is taken."""

_MOST_SIMULATED: Final = 1 << 24
"""Numbers of inputs that a simulation takes."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """Parameters that suffice, and what is known of a computation with them.

    Attributes:
        parameters: The parameters.
        tracer: The tracer, after it has followed the computation.
        error: The largest error of a result.
        seconds: As `confide.he.costs` counts them.
        key_bytes: Of the evaluation keys.
    """

    parameters: Parameters
    tracer: Tracer
    error: float = 0.0

    @property
    def seconds(self) -> float:
        """See the class."""
        work = self.tracer.work
        return seconds(
            self.parameters.degree,
            butterflies=work.butterflies,
            products=work.products,
            encodings=work.encodings,
            written=work.written,
        )

    @property
    def key_bytes(self) -> int:
        """See the class."""
        return sum(key_bytes(self.parameters, levels) for levels in self.tracer.used.values())


@dataclass(frozen=True, kw_only=True)
class Search:
    """A computation, what goes into it, and what is asked of its results.

    Attributes:
        computation: It.
        inputs: Shapes and bounds.
        precision: The largest error; None for BGV.
        scheme: CKKS or BGV.
        shared: To whom results are shown.
        average: Whether errors are those of a simulation on samples, and not the worst.
        samples: Numbers of inputs by name, as `blocks_of` cuts them; drawn within the bounds where
            there are none.
    """

    computation: Computation
    inputs: Mapping[str, Input]
    precision: float | None
    scheme: Scheme
    shared: Shared | None
    average: bool
    samples: Mapping[str, Numbers]

    def cheapest(self) -> Found:
        """The fastest parameters of all rings.

        Raises:
            EncryptionError: If none suffice: why not at the largest ring.
        """
        found: list[Found] = []
        last: EncryptionError | None = None
        for degree in DEGREES:
            try:
                here = self._at(degree)
            except EncryptionError as error:
                last = error
                continue
            if found and here.seconds > found[-1].seconds:
                break  # Twice the ring has not paid, so four times will not.
            found.append(here)
        if not found:
            raise EncryptionError(
                f"no ring suffices; at the largest, N = {DEGREES[-1]}: {last}"
            ) from last
        return min(found, key=lambda each: each.seconds)

    def checked(self, parameters: Parameters) -> Found:
        """What is known with these parameters.

        Raises:
            EncryptionError: If they are too few or too imprecise.
        """
        tracer, outputs = self._traced(parameters.degree, parameters)
        if self.precision is None:
            return Found(parameters=parameters, tracer=tracer)
        noise = 0.0
        if self.shared is not None:
            noise = self.secret_noise(parameters)
            self._require_flood_room(noise, outputs, parameters)
        error = self._error(parameters, outputs, noise)
        if error > self.precision:
            raise ImprecisionError(error, self.precision, parameters.literal.level_bits)
        return Found(parameters=parameters, tracer=tracer, error=error)

    def followed(self, parameters: Parameters) -> Found:
        """What is done with these parameters, whatever the error is."""
        return Found(parameters=parameters, tracer=self._traced(parameters.degree, parameters)[0])

    def check_samples(self, degree: int) -> None:
        """Runs the computation on the samples, for the ranges that it declares.

        Raises:
            EncryptionError: If a number lies outside.
        """
        self._simulated(degree, None, 0)

    def _at(self, degree: int) -> Found:
        """The fastest parameters at this ring."""
        probe, outputs = self._traced(degree, None)
        depth, sizes = -probe.lowest_seen, self._sizes(degree, probe, outputs)

        def literal(bits: int, width: int = 1) -> Literal:
            return self._literal(degree, depth, sizes, bits, width=width)

        try:
            best = self._fewest_bits(literal)
        except EncryptionError as error:
            raise EncryptionError(
                f"{error}. It takes {depth} multiplications in a row, the last at {probe.deepest}"
            ) from error
        tried = [(best.seconds, best.key_bytes, 1)]
        bits = best.parameters.literal.level_bits
        for width in _WIDTHS if best.tracer.used else ():
            try:
                work = self.followed(literal(bits, width).checked())
            except EncryptionError:
                break  # Special primes leave too little of the modulus.
            tried.append((work.seconds, work.key_bytes, width))
            if work.seconds > tried[-2][0]:
                break
        fastest = min(tried)[0]
        for _, _, width in sorted(
            (each for each in tried if each[0] <= _AS_FAST * fastest), key=lambda each: each[1]
        ):
            if width == 1:
                return best
            try:
                return self.checked(literal(bits, width).checked())
            except EncryptionError:
                continue  # A wider digit adds a little to the error.
        return best

    def _fewest_bits(self, literal: Callable[..., Literal]) -> Found:
        """The shortest levels that are precise enough; longer ones are, until not secure."""
        low, high = primes.LEAST_BITS, 2 * primes.MOST_BITS
        best: Found | None = None
        reason: EncryptionError | None = None
        bits = high
        while low <= high:
            try:
                parameters = literal(bits).checked()
            except EncryptionError as error:
                reason, high = error, bits - 1
                bits = (low + high) // 2
                continue
            try:
                best = self.checked(parameters)
            except ImprecisionError as error:
                reason, low = error, bits + 1
                # A bit more halves the error.
                bits = min(max(low, bits + error.missing_bits), high)
            except EncryptionError as error:
                reason, low = error, bits + 1
                bits = (low + high) // 2
            else:
                high = bits - 1
                if not (self.precision and best.error):
                    bits = (low + high) // 2
                    continue
                spare = math.floor(math.log2(self.precision / best.error))
                if not spare:
                    break
                bits = max(low, min(bits - spare, high))
        if best is None:
            raise reason or AssertionError("there are bits to try")
        return best

    def _literal(
        self, degree: int, depth: int, sizes: tuple[float, float], bits: int, *, width: int
    ) -> Literal:
        base, t = bits, None
        largest, anywhere = sizes
        if not depth:
            largest = anywhere  # Inputs are encrypted at the level of the base.
        if self.scheme is Scheme.BGV:
            t = _plain_modulus(anywhere, degree)
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
            width=width,
            plain_modulus=t,
        )

    def _sizes(self, degree: int, probe: Tracer, outputs: list[Symbol]) -> tuple[float, float]:
        """The largest number of a result, and of all."""
        if not self.average:
            return max(x.bound for x in outputs), probe.largest
        engine, results = self._simulated(degree, None, 0)
        sizes = [float(np.abs(x.numbers).max()) for x in _blocks(results)]
        return ROOM * max(sizes), ROOM * engine.largest

    def _error(self, parameters: Parameters, outputs: list[Symbol], noise: float) -> float:
        if self.average:
            return _AVERAGE_TAIL * self._simulated_error(parameters)
        flood = 0.0
        if self.shared is not None:
            scale = flooding_scale(noise, self.shared.queries, self.shared.statistical_bits)
            flood = scale * math.sqrt(parameters.degree)
        return _WORST_TAIL * math.hypot(max(x.largest_error for x in outputs), flood)

    def secret_noise(self, parameters: Parameters) -> float:
        """Root mean square of what depends on the secret key in a result, at worst.

        That is what flooding must hide. It is infinite where it would rest on samples or declared
        ranges, which nothing enforces. BGV has none.
        """
        if self.precision is None:
            return 1.0
        if self.average:
            return math.inf
        tracer, outputs = self._traced(parameters.degree, parameters, secret=True)
        return math.inf if tracer.declarations else max(x.largest_error for x in outputs)

    def _require_flood_room(
        self, noise: float, outputs: list[Symbol], parameters: Parameters
    ) -> None:
        """Refuses a base in which flooding noise would push a result over its edge."""
        if self.shared is None:
            return
        flood = flooding_scale(noise, self.shared.queries, self.shared.statistical_bits)
        largest = max(x.bound + _WORST_TAIL * x.largest_error for x in outputs) + FLOOD_TAIL * flood
        room = parameters.product(parameters.rows(0)) / parameters.scale(0) / 2
        if largest >= room:
            raise EncryptionError(
                f"results and the noise that floods them, up to {largest:.3g}, where the base has"
                f" room for {room:.3g}: take a larger base, fewer queries or smaller numbers"
            )

    def _simulated_error(self, parameters: Parameters) -> float:
        """The largest root mean square of a number of the results, over some runs."""
        total: list[Any] = []
        for run in range(_RUNS):
            engine, results = self._simulated(parameters.degree, parameters, run)
            for x in _blocks(results):
                engine.require_base(x)
            errors = [np.abs(e) ** 2 for e in _errors(results)]
            total = [a + b for a, b in zip(total, errors, strict=True)] if total else errors
        return math.sqrt(max(float(each.max()) for each in total) / _RUNS)

    def _simulated(
        self, degree: int, parameters: Parameters | None, run: int
    ) -> tuple[Simulated, Any]:
        random = public_generator("errors of encryption", degree, run)
        engine = Simulated(degree, parameters, random)
        numbers = {
            name: self.samples[name] if name in self.samples else _drawn(given, random)
            for name, given in self.inputs.items()
        }

        def blocks(name: str, column: int) -> list[Clear]:
            given = self.inputs[name]
            line = numbers[name] if len(given.shape) == 1 else numbers[name][:, column]
            size = period(len(line), engine.slots)
            return [
                engine.fresh(block[:size], given.bound) for block in blocks_of(line, engine.slots)
            ]

        return engine, self._ran(engine, blocks)

    def _traced(
        self, degree: int, parameters: Parameters | None, *, secret: bool = False
    ) -> tuple[Tracer, list[Symbol]]:
        tracer = Tracer(
            self.scheme,
            degree,
            parameters,
            secret=secret,
            trusting=self.scheme is Scheme.CKKS and self.shared is None,
            follows=not self.average,
        )

        def blocks(name: str, _: int) -> Sequence[Symbol]:
            given = self.inputs[name]
            count = -(-given.shape[0] // period(given.shape[0], tracer.slots))
            with tracer.repeated(count):
                first = tracer.fresh(given.bound, public=True, real=not given.complex)
            return [first] if count == 1 else Alike(first, count, tracer)

        outputs = _blocks(self._ran(tracer, blocks))
        # Results come out of the base alone.
        for x in outputs:
            tracer.require_base(x)
        return tracer, outputs

    def _ran(self, engine: Any, blocks: Callable[[str, int], Sequence[Any]]) -> Any:
        """What the computation returns on an engine, settled."""
        evaluator: Evaluator[Any] = Evaluator(engine)

        def vector(name: str, column: int) -> EncryptedVector[Any]:
            given = self.inputs[name]
            layout = Layout(length=given.shape[0], clean=True, complex=given.complex)
            return EncryptedVector(evaluator, blocks(name, column), layout)

        arguments: dict[str, Any] = {}
        for name, given in self.inputs.items():
            columns = [vector(name, column) for column in range(math.prod(given.shape[1:]))]
            arguments[name] = columns[0] if len(given.shape) == 1 else EncryptedMatrix(columns)
        with Located():
            return _settled(self.computation(**arguments))


class ImprecisionError(EncryptionError):
    """An error beyond what is asked for."""

    def __init__(self, error: float, precision: float, bits: int) -> None:
        super().__init__(
            f"an error of up to {error:.1e} with a scale of {bits} bits, where {precision:.1e} is"
            " asked for: ask for less precision, take larger levels, or multiply less in a row"
        )
        self.missing_bits = max(1, math.ceil(math.log2(error / precision)))


def _settled(x: Any) -> Any:
    if isinstance(x, EncryptedVector):
        return x.settled()
    if isinstance(x, EncryptedMatrix):
        return EncryptedMatrix([column.settled() for column in x.columns])
    if isinstance(x, dict):
        return {name: _settled(each) for name, each in x.items()}
    raise no_result(x)


def _vectors(x: Any) -> list[EncryptedVector[Any]]:
    if isinstance(x, EncryptedVector):
        return [x]
    parts = x.columns if isinstance(x, EncryptedMatrix) else x.values()
    return [vector for part in parts for vector in _vectors(part)]


def _blocks(x: Any) -> list[Any]:
    """All ciphertexts of the results."""
    return [
        block
        for vector in _vectors(x)
        for block in (vector.blocks[:1] if isinstance(vector.blocks, Alike) else vector.blocks)
    ]


def _errors(x: Any) -> list[Numbers]:
    """The errors of the numbers of each result, without what stands in the padding."""
    return [
        numbers_of([np.resize(b.error, vector.period) for b in vector.blocks], vector.length)
        for vector in _vectors(x)
    ]


def _drawn(given: Input, random: np.random.Generator) -> Numbers:
    """Numbers anywhere within the bounds of an input."""
    if math.prod(given.shape) > _MOST_SIMULATED:
        raise EncryptionError(
            f"an average over {math.prod(given.shape):,} numbers of inputs; at most"
            f" {_MOST_SIMULATED:,} are simulated. Plan for the worst case, or for fewer rows"
        )
    size = given.bound * np.sqrt(random.uniform(0, 1, given.shape))
    if given.complex:
        return np.asarray(size * np.exp(2j * np.pi * random.uniform(0, 1, given.shape)))
    return random.uniform(-given.bound, given.bound, given.shape)


def _plain_modulus(bound: float, degree: int) -> int:
    """A prime that distinguishes numbers up to the bound."""
    bits = max(int(2 * bound + 1).bit_length() + 1, primes.LEAST_BITS)
    if bits > primes.MOST_BITS:
        raise EncryptionError(
            f"whole numbers up to {bound:.3g} need a plain modulus of {bits} bits;"
            f" {primes.MOST_BITS} are the most. Divide the work, or take CKKS"
        )
    return next(primes.falling(bits, degree))
