"""From events to what is composed: runs of dominating pairs.

An event's unsampled noise is relative to the distance of neighbouring sums, so the neighbouring
relation is in it already. Under `PoissonSampledDpEvent` it is relative to the bound on one unit's
contribution, and the relation is counted here; so it is under `MixtureOfGaussiansDpEvent`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from confide.errors import PlanError
from confide.plan import Relation
from confide.privacy.accounting.gaussian import gaussian_mu
from confide.privacy.accounting.losses import Run
from confide.privacy.accounting.mixtures import MixedGaussian
from confide.privacy.accounting.pairs import (
    PureResponse,
    SampledGaussian,
    SampledLaplace,
    ShiftedDiscreteLaplace,
    TruncatedGaussian,
    sampled_epsilon,
    sampled_gaussian,
)

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["is_unprotected", "parts_of", "pure_epsilon", "runs_of"]

_MOST_RUNS: Final = 1 << 40
_LEAST_RATE: Final = 1e-100


def runs_of(event: DpEvent, relation: Relation) -> tuple[Run, ...] | None:
    """An event as runs of dominating pairs.

    Sums that share a sample are one event: a sampled composition of Gaussians z_i is one sampled
    Gaussian with 1/z² = Σ 1/z_i².

    Args:
        event: The event.
        relation: How neighbours differ.

    Returns:
        Equal ones counted together; None if there is a part whose pair is not known.

    Raises:
        PlanError: If a number of the event is out of range.
    """
    found: Counter[Run] = Counter()
    squared_mu = 0.0
    for part, count in parts_of(event):
        mu = gaussian_mu(part)
        if mu is not None:
            squared_mu += count * mu**2
            continue
        runs = _runs(part, relation)
        if runs is None:
            return None
        for run in runs:
            if isinstance(run, SampledGaussian) and run.rate == 1:
                squared_mu += count / run.noise_multiplier**2
            else:
                found[run] += count
    if squared_mu:
        found[SampledGaussian(1.0, 1 / math.sqrt(squared_mu), 1)] += 1
    if found.total() > _MOST_RUNS:
        raise PlanError(f"an event of {found.total():,} runs; at most {_MOST_RUNS:,} compose")
    return tuple(replace(cast("Any", run), count=count) for run, count in found.items())


def pure_epsilon(event: DpEvent, relation: Relation) -> float:
    """ε of an event that is ε-DP, by adding up; ∞ of any other."""
    runs = runs_of(event, relation)
    return math.inf if runs is None else math.fsum(run.count * run.epsilon for run in runs)


def is_unprotected(event: DpEvent) -> bool:
    """Whether an event releases something without noise."""
    return any(_is_bare(part) for part, _ in parts_of(event))


def _is_bare(part: DpEvent) -> bool:
    from dp_accounting import dp_event

    match part:
        case dp_event.NonPrivateDpEvent():
            return True
        case dp_event.PoissonSampledDpEvent(sampling_probability=rate, event=inner):
            return bool(rate != 0) and is_unprotected(inner)
        case dp_event.RandomizedResponseDpEvent(noise_parameter=p, num_buckets=buckets):
            return bool(p == 0 and buckets > 1)
        case dp_event.MixtureOfGaussiansDpEvent(standard_deviation=deviation):
            return bool(deviation == 0)
        case _:
            return getattr(part, "noise_multiplier", 1) == 0


def parts_of(event: DpEvent, count: int = 1) -> Iterator[tuple[DpEvent, int]]:
    """What an event is composed of, and how often each part is run, if the event is `count` times.

    Raises:
        PlanError: If a part is composed a negative or broken number of times.
    """
    from dp_accounting import dp_event

    match event:
        case dp_event.NoOpDpEvent():
            return
        case dp_event.SelfComposedDpEvent(event=inner, count=times):
            if times < 0 or int(times) != times:
                raise PlanError(f"an event composed {times!r} times; a whole number, at least 0")
            yield from parts_of(inner, count * int(times))
        case dp_event.ComposedDpEvent(events=events):
            for part in events:
                yield from parts_of(part, count)
        case _:
            if count:
                yield event, count


def _runs(part: DpEvent, relation: Relation) -> tuple[Run, ...] | None:
    from dp_accounting import dp_event

    match part:
        case dp_event.PoissonSampledDpEvent(sampling_probability=rate, event=inner):
            _check(part, rate == 0 or _LEAST_RATE <= rate <= 1)
            return _sampled_runs(float(rate), inner, relation) if rate else ()
        case dp_event.MixtureOfGaussiansDpEvent(
            standard_deviation=deviation, sensitivities=distances, sampling_probs=probabilities
        ):
            _check(part, 0 < deviation < math.inf and len(distances) > 0)
            return _mixture(deviation, distances, probabilities)
        case dp_event.TruncatedSubsampledGaussianDpEvent():
            return _truncated(part, relation)
        case _:
            return _pure_runs(part)


def _pure_runs(part: DpEvent) -> tuple[Run, ...] | None:
    from dp_accounting import dp_event

    match part:
        case dp_event.LaplaceDpEvent(noise_multiplier=b):
            _check(part, 0 < b < math.inf)
            return (SampledLaplace(1.0, float(b), 1),)
        case dp_event.DiscreteLaplaceDpEvent(noise_parameter=a, sensitivity=moved):
            _check(part, 0 < a < math.inf and 0 <= moved < 1 << 53 and int(moved) == moved)
            return (ShiftedDiscreteLaplace(float(a), int(moved), 1),) if moved else ()
        case dp_event.RandomizedResponseDpEvent(noise_parameter=p, num_buckets=buckets):
            _check(part, 0 < p <= 1 and buckets >= 1 and int(buckets) == buckets)
            return _response(float(p), int(buckets))
        case _:
            _check(part, getattr(part, "noise_multiplier", 1) > 0)
            return None


def _sampled_runs(rate: float, inner: DpEvent, relation: Relation) -> tuple[Run, ...] | None:
    from dp_accounting import dp_event

    mu = gaussian_mu(inner)
    if mu is not None:
        return (sampled_gaussian(rate, 1 / mu, relation),) if mu else ()
    between = relation is Relation.ADD_OR_REMOVE_ONE
    if isinstance(inner, dp_event.LaplaceDpEvent) and between:
        _check(inner, 0 < inner.noise_multiplier < math.inf)
        return (SampledLaplace(rate, float(inner.noise_multiplier), 1),)
    epsilon = pure_epsilon(inner, Relation.ADD_OR_REMOVE_ONE)
    if epsilon == math.inf:
        return None
    return (PureResponse(sampled_epsilon(epsilon, rate, relation), 0.0, 1),) if epsilon else ()


def _response(noise: float, buckets: int) -> tuple[Run, ...]:
    if noise == 1 or buckets == 1:
        return ()
    each = noise / buckets
    return (PureResponse(math.log1p((1 - noise) / each), (buckets - 2) * each, 1),)


def _mixture(
    deviation: float, distances: Sequence[float], probabilities: Sequence[float]
) -> tuple[Run, ...]:
    parts = tuple(map(float, distances)), tuple(map(float, probabilities))
    run = MixedGaussian(float(deviation), *parts, 1)
    return (run,) if run.deviation() > 0 else ()


def _truncated(part: Any, relation: Relation) -> tuple[Run, ...]:
    units, rate, batch = part.dataset_size, part.sampling_probability, part.truncated_batch_size
    _check(part, 0 <= rate <= 1 and 0 < part.noise_multiplier < math.inf)
    _check(part, all(n >= 0 and int(n) == n for n in (units, batch)))
    if rate == 0 or units == 0 or batch == 0:
        return ()
    run = TruncatedGaussian(int(units), float(rate), int(batch), float(part.noise_multiplier), 1)
    if run.never_full:
        return (sampled_gaussian(run.rate, run.noise_multiplier, relation),)
    return (run,)


def _check(event: DpEvent, holds: object) -> None:
    if not holds:
        raise PlanError(f"{event} has a number that is out of range or not finite")
