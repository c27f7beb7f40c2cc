"""Optimal Gaussian noise for a workload of marginals (ResidualPlanner).

A marginal over attributes is the table of counts for each combination of their values. Marginals
overlap: that of (a, b) has those of a, of b and the total in it. ResidualPlanner (Xiao, He, Zhang
and Kifer 2023, arXiv 2305.08175) measures each part once. For attributes A of sizes n_i the
residual is R_A = ⊗(I − 11ᵀ/n_i) times the marginal of A, which is what A says beyond its subsets;
residuals of different sets are orthogonal. With noise of variance σ_A² on each, adding or removing
one person costs Σ_A p_A/σ_A², p_A = ∏(1 − 1/n_i), and each cell of a marginal B has variance
Σ_{A⊆B} σ_A²·p_A·∏ 1/n_i² over i in B and not in A. The least total variance for a given cost has
σ_A² in proportion to √(p_A/v_A), v_A what σ_A² adds to the total (Cauchy and Schwarz).

On integers: ∏n_i·R_A is an integer matrix, each of whose columns has the squared length ∏n_i(n_i −
1). So the noise is discrete Gaussian noise on an integer vector of that sensitivity, and what the
division leaves outside the range of R_A is noise alone and is projected away.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from confide.errors import DataError, PlanError
from confide.noise import DiscreteNoise
from confide.numbers import shown, units
from confide.plan import Relation
from confide.privacy.mechanisms.additive import noisy
from confide.privacy.mechanisms.checks import check_declared
from confide.privacy.mechanisms.lattice import Steps
from confide.privacy.mechanisms.mechanism import OneShot
from confide.privacy.mechanisms.noises import GaussianNoise
from confide.privacy.mechanisms.released import Released
from confide.randomness import SecureRandom

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = ["Marginals", "ReleasedMarginals"]

Attributes = tuple[str, ...]
Table = NDArray[np.float64]

_MOST_CELLS: Final = 1 << 22
_MOST_RESIDUALS: Final = 1 << 14
_UP: Final = 1 + 2.0**-40


@dataclass(frozen=True)
class ReleasedMarginals(Released[dict[Attributes, Table]]):
    """Marginals with noise, which agree with each other.

    Attributes:
        value: For each marginal of the workload its table of counts with noise, of the shape of its
            attributes' sizes. They may be negative, and are not whole.
        mechanism: What gave it, with its `event`.
        standard_error: For each marginal the standard deviation of the noise on each count.
    """

    standard_error: dict[Attributes, float]


@dataclass(frozen=True, kw_only=True)
class Marginals(OneShot[ReleasedMarginals]):
    """Tables of counts over several attributes, with the least total variance.

    Args:
        domain: The values of each attribute, known without the data.
        workload: The attributes of each marginal; () is the total.
        noise: `GaussianNoise(noise_multiplier)` for all of them together.
        relation: How neighbours differ. Where units are replaced, the noise is doubled.

    Raises:
        PlanError: If an attribute is unknown or has no values, a marginal occurs twice, or they are
            too large.

    Example:
        >>> tables = Marginals(
        ...     domain={"owns": ("no", "yes"), "region": ("n", "e", "s", "w")},
        ...     workload=[("owns",), ("owns", "region")],
        ...     noise=GaussianNoise(2.0),
        ... )
        >>> tables.event
        GaussianDpEvent(noise_multiplier=2.0)
        >>> {a: round(e, 2) for a, e in tables.standard_errors.items()}
        {('owns',): 3.06, ('owns', 'region'): 2.12}
        >>> people = {"owns": ["yes", "no"] * 500, "region": ["n", "s"] * 500}
        >>> found = tables.release(people).value
        >>> bool(abs(found["owns", "region"].sum(axis=1) - found["owns",]).max() < 1e-9)
        True
    """

    domain: Mapping[str, Sequence[Any]]
    workload: Sequence[Attributes]
    noise: GaussianNoise
    relation: Relation = Relation.ADD_OR_REMOVE_ONE

    def __post_init__(self) -> None:
        check_declared(self)
        object.__setattr__(self, "domain", _checked_domain(self.domain))
        object.__setattr__(self, "workload", _checked_workload(self.workload, self.domain))
        if not isinstance(self.noise, GaussianNoise):
            raise PlanError(f"noise is {shown(self.noise)}; give GaussianNoise(noise_multiplier)")
        _ = self.drawn

    def __hash__(self) -> int:
        return hash((tuple(self.domain.items()), self.workload, self.noise, self.relation))

    @property
    def event(self) -> DpEvent:
        """A Gaussian of the noise multiplier: every person moves all residuals alike."""
        return self.noise.event()

    @property
    def closeness(self) -> float:
        """That of discrete Gaussian noise on every coordinate of every residual."""
        return self.noise.closeness(sum(self._cells(a) for a in self.residuals))

    @cached_property
    def residuals(self) -> tuple[Attributes, ...]:
        """The attributes of all residuals that the workload needs."""
        found = {part for marginal in self.workload for part in self._parts(marginal)}
        order = {name: place for place, name in enumerate(self.domain)}
        return tuple(sorted(found, key=lambda a: (len(a), [order[name] for name in a])))

    @cached_property
    def variances(self) -> dict[Attributes, float]:
        """The variance σ_A² of each residual's noise, in counts."""
        weight = dict.fromkeys(self.residuals, 0.0)
        for marginal in self.workload:
            for part in self._parts(marginal):
                weight[part] += self._cells(marginal) * self._share(marginal, part)
        cost = {a: _product(1 - 1 / n for n in self._sizes(a)) for a in self.residuals}
        total = math.fsum(math.sqrt(weight[a] * cost[a]) for a in self.residuals)
        budget = self.noise.noise_multiplier**2 * self._doubled**2
        return {
            a: math.sqrt(cost[a] / weight[a]) * total * budget if cost[a] else 0.0
            for a in self.residuals
        }

    @cached_property
    def standard_errors(self) -> dict[Attributes, float]:
        """Standard deviation of the noise on each count of each marginal, before any data."""
        return {
            m: math.sqrt(math.fsum(self.variances[a] * self._share(m, a) for a in self._parts(m)))
            for m in self.workload
        }

    @cached_property
    def drawn(self) -> dict[Attributes, tuple[Steps, GaussianNoise, DiscreteNoise]]:
        """For each residual its lattice and the noise on it."""
        found: dict[Attributes, tuple[Steps, GaussianNoise, DiscreteNoise]] = {}
        for part in self.residuals:
            norm = math.sqrt(_product(n * (n - 1) for n in self._sizes(part)))
            if not norm:
                continue  # an attribute of one value says nothing beyond its subsets
            deviation = math.sqrt(self.variances[part]) * self._cells(part)
            noise = GaussianNoise(deviation / norm / self._doubled * _UP)
            steps = noise.lattice(norm, whole=True)
            moved = math.ldexp(self._doubled * norm * _UP, -steps.log2_size)
            found[part] = steps, noise, noise.drawn_for(moved)
        return found

    def release(self, values: Any, *, random: SecureRandom | None = None) -> ReleasedMarginals:
        """Counts, adds noise to the residuals, and puts the marginals together.

        Args:
            values: A frame or a mapping: for each attribute a column of one value for each unit. A
                unit with a value that is not in the domain counts nowhere.
            random: The operating system's if it is omitted.

        Raises:
            DataError: If a column is missing or they differ in length. The message shows no value.
        """
        codes = self._codes(values)
        residuals = {part: self._noisy(part, codes, random) for part in self.residuals}
        tables = {}
        for marginal in self.workload:
            table = np.zeros(self._sizes(marginal))
            for part in self._parts(marginal):
                rest = _product(self._sizes(tuple(m for m in marginal if m not in part)))
                shape = [len(self.domain[m]) if m in part else 1 for m in marginal]
                table += residuals[part].reshape(shape) / rest
            tables[marginal] = table
        return ReleasedMarginals(tables, self, self.standard_errors)

    def _noisy(
        self, part: Attributes, codes: Mapping[str, NDArray[np.int64]], random: SecureRandom | None
    ) -> Table:
        sizes = self._sizes(part)
        if part not in self.drawn:
            return np.zeros(sizes)
        counts = _counts([codes[name] for name in part], sizes, len(next(iter(codes.values()), ())))
        for axis, size in enumerate(sizes):
            counts = size * counts - counts.sum(axis=axis, keepdims=True)
        steps, noise, drawn = self.drawn[part]
        exact = np.asarray(counts.ravel() << -steps.log2_size, np.int64)
        found = noisy(noise, drawn, steps, exact, random)[0].reshape(sizes) / _product(sizes)
        # What is outside the range of R_A is noise alone.
        for axis in range(len(sizes)):
            found = found - found.mean(axis=axis, keepdims=True)
        return np.asarray(found)

    def _codes(self, values: Any) -> dict[str, NDArray[np.int64]]:
        """The place of each unit's value of each attribute, of the units that count."""
        used = sorted({name for marginal in self.workload for name in marginal})
        columns = {}
        for name in used or list(self.domain)[:1]:
            try:
                column = units(values[name], f"column {name!r}")
            except (KeyError, TypeError, IndexError, ValueError) as error:
                if isinstance(error, DataError):
                    raise
                raise DataError(
                    f"the values have no column {name!r}, which a marginal is over"
                ) from None
            places = {value: place for place, value in enumerate(self.domain[name])}
            columns[name] = np.fromiter((_place(places, v) for v in column), np.int64, len(column))
        if len({len(column) for column in columns.values()}) > 1:
            raise DataError("the columns differ in length; give one value of each for every unit")
        counted = np.ones(len(next(iter(columns.values()), ())), np.bool_)
        for column in columns.values():
            counted &= column >= 0
        return {name: column[counted] for name, column in columns.items()}

    @property
    def _doubled(self) -> float:
        """A replaced unit leaves and another comes: at most twice as far."""
        return 1.0 if self.relation is Relation.ADD_OR_REMOVE_ONE else 2.0

    def _sizes(self, attributes: Attributes) -> tuple[int, ...]:
        return tuple(len(self.domain[name]) for name in attributes)

    def _cells(self, attributes: Attributes) -> int:
        return int(_product(self._sizes(attributes)))

    @staticmethod
    def _parts(marginal: Attributes) -> list[Attributes]:
        """The residuals of a marginal, which is in the order of the domain."""
        return [p for size in range(len(marginal) + 1) for p in combinations(marginal, size)]

    def _share(self, marginal: Attributes, part: Attributes) -> float:
        """The variance that one unit of a residual's adds to each count of a marginal."""
        kept = _product(1 - 1 / n for n in self._sizes(part))
        return kept / _product(n**2 for n in self._sizes(
            tuple(m for m in marginal if m not in part)))  # fmt: skip


def _checked_domain(domain: object) -> dict[str, tuple[Any, ...]]:
    if not isinstance(domain, Mapping) or not domain:
        raise PlanError(
            f"domain is {shown(domain)}; give a mapping of attributes to their values, such as "
            "{'owns': ('no', 'yes')}"
        )
    found = {}
    for name, values in domain.items():
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise PlanError(f"the values of {name!s:.40} are {shown(values)}; give a tuple of them")
        found[str(name)] = kept = tuple(values)
        if not kept or len(set(kept)) < len(kept) or any(v != v for v in kept):  # noqa: PLR0124
            raise PlanError(
                f"{name!s:.40} has {len(kept)} values, {len(set(kept))} of them different; an "
                "attribute has at least one value, and each once"
            )
    return found


def _checked_workload(
    workload: object, domain: Mapping[str, Sequence[Any]]
) -> tuple[Attributes, ...]:
    if isinstance(workload, str | bytes) or not isinstance(workload, Sequence) or not workload:
        raise PlanError(
            f"workload is {shown(workload)}; give a list of tuples of attributes, such as "
            "[('owns',), ('owns', 'region')]"
        )
    order = {name: place for place, name in enumerate(domain)}
    found = []
    for marginal in workload:
        if isinstance(marginal, str) or not isinstance(marginal, Sequence):
            raise PlanError(f"a marginal is {shown(marginal)}; it is a tuple of attributes")
        unknown = [name for name in marginal if name not in order]
        if unknown or len(set(marginal)) < len(marginal):
            raise PlanError(
                f"a marginal of {len(marginal)} attributes has one that is unknown or occurs "
                f"twice; attributes are {', '.join(domain)}"
            )
        if len(marginal) > 14 or _product(len(domain[m]) for m in marginal) > _MOST_CELLS:
            raise PlanError(f"a marginal of more than {_MOST_CELLS:,} counts; leave attributes out")
        found.append(tuple(sorted(marginal, key=order.__getitem__)))
    if len(set(found)) < len(found):
        raise PlanError("a marginal occurs twice in the workload; name each once")
    if sum(2 ** len(marginal) for marginal in found) > _MOST_RESIDUALS * 16:
        raise PlanError(f"{len(found):,} marginals are too many; leave some out")
    return tuple(found)


def _counts(columns: Sequence[NDArray[np.int64]], sizes: tuple[int, ...], rows: int) -> Any:
    if not sizes:
        return np.array(rows, np.int64)
    flat = np.ravel_multi_index(columns, sizes)
    return np.bincount(flat, minlength=int(_product(sizes))).reshape(sizes).astype(np.int64)


def _place(places: Mapping[Any, int], value: Any) -> int:
    try:
        return places.get(value if value == value else None, -1)  # noqa: PLR0124 - that is NaN
    except Exception:  # noqa: BLE001 - no unit's value decides whether there is an error.
        return -1


def _product(numbers: Iterable[float]) -> float:
    return math.prod(numbers)
