"""Runs the cases: one distribution after the other, every subject in turn."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import machine
from benchmarks.meter import Stopwatch
from benchmarks.noise.samplers import Sampler, samplers, versions
from benchmarks.record import Record, medians
from benchmarks.suite import Options
from confide.noise import DiscreteGaussian, DiscreteLaplace, DiscreteNoise

__all__ = ["run"]

_SCALES = (("0.1", 0.1), ("1", 1), ("4", 4), ("100", 100), ("2^20", 2**20), ("2^40", 2**40))
_KINDS = (("gaussian", DiscreteGaussian), ("laplace", DiscreteLaplace))
_REPEATS = 7


def run(options: Options) -> Iterator[Record]:
    """Measures each distribution by everybody's samplers."""
    for kind, noise in _KINDS:
        for name, scale in _SCALES:
            case = f"{kind}-{name}"
            if options.only in case:
                yield from _case(options, case, kind, noise(scale))


def _case(options: Options, case: str, kind: str, noise: DiscreteNoise) -> Iterator[Record]:
    repeats = options.repeats or (1 if options.quick else _REPEATS)
    for sampler in samplers(noise):
        options.report(f"{case}, {sampler.subject}")
        size = sampler.quick_size if options.quick else sampler.size
        # Tables, imports and caches are made once in a process, and not counted.
        sampler.draw(min(size, 1000))
        yield Record(
            suite="noise",
            case=case,
            subject=sampler.subject,
            params={
                "kind": kind,
                "scale": float(noise.scale),
                "size": size,
                "repeats": repeats,
            },
            measured=medians(
                [_measure(sampler, size) for _ in range(repeats)],
                keep=("wall_ns_per_sample",),
            ),
            versions={**machine.versions(), **versions()},
        )


def _measure(sampler: Sampler, size: int) -> dict[str, float]:
    clock = Stopwatch()
    with clock.running():
        sampler.draw(size)
    return {
        "wall_ns_per_sample": clock.wall_ns / size,
        "cpu_ns_per_sample": clock.cpu_ns / size,
    }
