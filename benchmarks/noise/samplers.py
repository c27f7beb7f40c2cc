"""The samplers that are measured, all behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from confide.noise import (
    Backend,
    DiscreteGaussian,
    DiscreteLaplace,
    DiscreteNoise,
    backend,
)
from confide.randomness import SystemRandom

__all__ = ["Sampler", "samplers", "versions"]


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """One subject.

    Attributes:
        subject: Whose it is.
        size: How many samples at a time.
        quick_size: The same where only a rough figure is asked for.
        draw: Draws that many.
    """

    subject: str
    size: int
    quick_size: int
    draw: Callable[[int], object]


def samplers(noise: DiscreteNoise) -> Iterator[Sampler]:
    """Everybody's sampler of one distribution, as far as they are installed."""
    for which in Backend:
        if which is Backend.KERNEL and backend() is Backend.REFERENCE:
            continue
        yield Sampler(
            subject=f"confide {which.value}",
            size=10**6,
            quick_size=10**5,
            draw=lambda size, which=which: noise.sample(  # type: ignore[misc]
                size, SystemRandom(), backend=which
            ),
        )
    if _installed("opendp"):
        yield Sampler(subject="opendp", size=20_000, quick_size=2000, draw=_opendp(noise))
    yield Sampler(subject="numpy, inexact", size=10**6, quick_size=10**5, draw=_numpy(noise))


def versions() -> dict[str, str]:
    """Versions of anyone who is measured."""
    names = ("confide-native", "opendp")
    return {name: version(name) if _installed(name) else "not installed" for name in names}


def _opendp(noise: DiscreteNoise) -> Callable[[int], object]:
    import opendp.prelude as dp

    dp.enable_features("contrib")
    domain = dp.vector_domain(dp.atom_domain(T="i64"))
    scale = float(noise.scale)
    release: Any
    if isinstance(noise, DiscreteGaussian):
        release = dp.m.make_gaussian(domain, dp.l2_distance(T=float), scale)
    else:
        release = dp.m.make_laplace(domain, dp.l1_distance(T="i64"), scale)
    return lambda size: release([0] * size)


def _numpy(noise: DiscreteNoise) -> Callable[[int], object]:
    generator, scale = np.random.default_rng(), float(noise.scale)
    if isinstance(noise, DiscreteLaplace):
        return lambda size: generator.laplace(scale=scale, size=size)
    return lambda size: generator.normal(scale=scale, size=size)


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
