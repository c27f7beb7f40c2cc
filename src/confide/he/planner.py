"""Parameters from what a computation does: its depth, the precision wanted, the security table.

`plan` runs the computation on symbols, at every ring of the security table, and keeps the cheapest
that is precise enough. Nothing is encrypted, and whatever would go wrong is said with the line of
the computation in which it would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from confide.errors import EncryptionError
from confide.he.evaluating import Computation, evaluate, require_sealed
from confide.he.inputs import Input, Shared
from confide.he.keys import EvaluationKeys, PublicKey, SecretKey
from confide.he.numbers import Numbers, real_number
from confide.he.parameters import Parameters, Scheme
from confide.he.sealed import SealedTable, SealedVector
from confide.he.search import Found, Search
from confide.he.security import DEGREES

__all__ = ["Plan", "plan", "planned"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan:
    """What a computation takes, and what comes out of it.

    Attributes:
        computation: It.
        inputs: Shapes and bounds of what goes in, by name.
        precision: The largest error that was asked for; None for BGV.
        shared: To how many others results are shown; None if only the key holder sees them.
        parameters: The cheapest that suffice.
        needs: The keys that it uses: the highest level for each power of X; 0 is for products.
        depth: Multiplications in a row.
        noise: Root mean square error of the results' slots, for `decrypt_shared`. Of BGV 1.0: its
            results are exact. Infinite, which `decrypt_shared` refuses, where it would rest on
            samples or on declared ranges.
        error: The largest error of a result, after flooding if results are shared; 0 for BGV.
        average: Whether that is the average over samples, and not the worst that can happen.
        declarations: Ranges that the computation declares (`within`) and that do not follow from
            the bounds of the inputs: where, and which.
        seconds: About how long it takes on one thread; see `confide.he.costs`.
        key_bytes: Memory of the evaluation keys.
        bytes_held: Memory of the ciphertexts that are held at a time, at most.
        operations: How often each operation runs.
    """

    computation: Computation
    inputs: Mapping[str, Input]
    precision: float | None
    shared: Shared | None
    parameters: Parameters
    needs: Mapping[int, int]
    depth: int
    noise: float
    error: float
    average: bool
    declarations: tuple[str, ...]
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

        Whatever lies within the declared bounds is taken, nothing else is: on this rest the error
        and the noise that the plan states, and with them what `decrypt_shared` hides.

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
                f"{unknown[0]!r} is no input; the plan has {', '.join(sorted(self.inputs))}"
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
                f"error       {'none' if exact else f'at most {self.error:.1e}'}"
                + (" (on numbers like the samples)" if self.average else ""),
                *(f"declared    {each}, which nothing enforces" for each in self.declarations),
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
    average: bool = False,
    samples: Mapping[str, object] | None = None,
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
        average: Whether the error is what a simulation on samples finds, and not the worst that can
            happen. Then a number like those of the samples has a larger error than `Plan.error`
            with probability below 2^-20, and one twice as large as any of theirs still fits.
            For CKKS and `decrypt_private` alone.
        samples: Inputs by name, to check declared ranges on and for the average. A table may have
            fewer rows than its input. Numbers within the bounds are drawn where there are none.

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
    if average and (scheme is not Scheme.CKKS or shared is not None):
        raise EncryptionError(
            "average=True is for CKKS results that their key holder alone sees: what is shown to"
            " others, and BGV, rest on what can happen at worst"
        )
    if samples is not None and scheme is not Scheme.CKKS:
        raise EncryptionError("samples are for CKKS: of whole numbers the bounds alone count")
    search = Search(
        computation=computation,
        inputs=dict(inputs),
        precision=precision,
        scheme=scheme,
        shared=shared,
        average=average,
        samples=_samples(samples or {}, inputs),
    )
    if samples is not None:
        search.check_samples(DEGREES[0] if parameters is None else parameters.degree)
    return planned(search, search.cheapest() if parameters is None else search.checked(parameters))


def planned(search: Search, found: Found) -> Plan:
    """The plan of what was searched and found."""
    tracer = found.tracer
    return Plan(
        computation=search.computation,
        inputs=search.inputs,
        precision=search.precision,
        shared=search.shared,
        parameters=found.parameters,
        needs=tracer.needs,
        depth=found.parameters.depth - tracer.lowest_seen,
        noise=search.secret_noise(found.parameters),
        error=found.error,
        average=search.average,
        declarations=tuple(dict.fromkeys(tracer.declarations)),
        seconds=found.seconds,
        key_bytes=found.key_bytes,
        bytes_held=tracer.work.most_held,
        operations=dict(tracer.work.operations),
    )


def _samples(given: Mapping[str, object], inputs: Mapping[str, Input]) -> dict[str, Numbers]:
    """Samples in the shapes of the inputs; a table may have fewer rows, which are repeated."""
    if unknown := sorted(set(given) - set(inputs)):
        raise EncryptionError(
            f"samples of {unknown[0]!r}, which is no input; there are {', '.join(sorted(inputs))}"
        )
    return {name: inputs[name].repeated(values, name) for name, values in given.items()}
