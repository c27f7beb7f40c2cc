"""One party in a run: its data checked, its contribution computed, its session made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray

from confide.aggregation import (
    Accumulator,
    Identity,
    Integers,
    PartySession,
    Round,
    Summed,
    decode,
    party_session,
)
from confide.computation.account import Account, Charges
from confide.computation.computation import Computation, Data, State
from confide.computation.state import checked_state, state_hash
from confide.errors import DataError, PlanError
from confide.plan import FullBatch, NoiseShares, NoNoise, Plan, Unit
from confide.plan.codec import nearest_column
from confide.privacy.federation import add_noise, draw_batch
from confide.randomness import SecureRandom, public_generator

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Columns", "Computed", "Counted", "DataSource", "Participant", "next_state"]

Columns: TypeAlias = "Mapping[str, Any] | pd.DataFrame"
"""One party's rows by column: a data frame, or a map from names to arrays of one length."""

DataSource: TypeAlias = "Columns | Callable[[], Columns]"
"""A party's columns, or a function that loads them when they are needed."""


class _Declared(dict[str, Any]):
    """The columns that a computation declares; reading any other column is an error."""

    def __missing__(self, column: str) -> NoReturn:
        raise PlanError(
            f"contribute reads {column!r}, and {column!r} is not in Computation.columns "
            f"({', '.join(self)}): declare it there"
        )


@dataclass(frozen=True)
class Counted:
    """What a party contributes to a round, and how many of its rows were clipped or left out.

    Attributes:
        integers: The lattice integers, with its share of noise, shape `(group.size,)`.
        own: The private state that is kept if they are in the sum.
        rows: How many rows it has. This and what follows is for the party alone.
        clipped: For each sum, how many of the units that it counts were longer than its bound.
        beyond_capacity: For each sum, how many units it had no room for.
    """

    integers: Integers = field(repr=False)
    own: State = field(repr=False)
    rows: int = field(repr=False)
    clipped: Mapping[str, int] = field(repr=False)
    beyond_capacity: Mapping[str, int] = field(repr=False)


@dataclass(frozen=True)
class Computed:
    """What `contribute` of a computation gave for a party, before it is clipped and rounded.

    Attributes:
        given: The contribution to each sum.
        own: The next own state.
        rows: How many rows the party has.
    """

    given: Mapping[str, Any] = field(repr=False)
    own: State = field(repr=False)
    rows: int = field(repr=False)


class Participant:
    """A party that takes part in a run of a plan.

    Args:
        plan: The plan, or one of its stages as a plan of its own.
        computation: What is computed; the plan must be for it.
        identity: The party's name, key, register and randomness.
        data: Its rows; a data frame will do.
        account: Where it records what the plan's sums reveal about its rows, before it computes.
        whole: The plan that `plan` is a stage of; `plan` itself if omitted.
    """

    def __init__(
        self,
        plan: Plan,
        computation: Computation,
        identity: Identity,
        data: DataSource,
        account: Account | None = None,
        *,
        whole: Plan | None = None,
    ) -> None:
        plan.party(identity.name)
        self._plan, self._computation = plan, computation
        self._whole = whole or plan
        self._identity, self._data = identity, data
        self._account = account
        self._charges: Charges | None = None
        self._read: Data | None = None
        self._checked: Data | None = None

    def reserve(self, rounds: int, *, resume: bool = False) -> None:
        """Reserves the privacy cost of so many rounds, if the party has an account.

        Args:
            rounds: How many are to run.
            resume: Whether to reuse what an interrupted run of the plan reserved.

        Raises:
            PrivacyBudgetError: If the ledger has no room for it; nothing is charged.
        """
        if self._account is not None:
            self._charges = self._account.reserve(
                self._whole,
                self._identity.name,
                at_capacity=self._fills_capacity(),
                rounds=rounds,
                resume=resume,
                part=self._plan,
            )

    def settle(self, release_digest: bytes = b"") -> None:
        """Closes the charges of the rounds that this party contributed to; gives back the rest.

        Args:
            release_digest: SHA-256 of what was released, to be found in the ledger later.
        """
        if self._charges is not None:
            self._charges.close(release_digest)
            self._charges = None

    def check_data(self) -> int:
        """Checks the data without contributing; the number of rows.

        Raises:
            DataError: If a column is missing, of another length or not finite, there is no row, or
                a row does not say which person it is about.
        """
        return _rows(self._load())

    def session(self, round_: Round, state: State) -> PartySession:
        """The party's session of one attempt.

        Args:
            round_: The attempt.
            state: The state as this party computed it from the sums released so far.
        """
        return party_session(
            round_,
            self._identity,
            state_hash(state),
            lambda: self.contribution(round_.number, state),
        )

    def contribution(self, round_number: int, state: State) -> Integers:
        """What the party contributes to a round of a computation without own state.

        Raises:
            LedgerError, DataError, PlanError: As `contribute`.
        """
        return self.contribute(round_number, state, {}, self._identity.random).integers

    def first_own(self) -> State:
        """The party's own state before its first round; empty if it keeps none."""
        made = self._computation.own
        return {} if made is None else checked_state(made(), "own")

    def inputs(self, round_number: int) -> tuple[Data, np.random.Generator] | None:
        """All rows and the public generator of a round, where a round counts all rows as one unit.

        None if it counts a batch of records, or if an account has to be charged before anything is
        computed.

        Raises:
            DataError: As `check_data`.
        """
        if self._plan.sums.unit is not Unit.PARTY or self._account is not None:
            return None
        return _Declared(self._load()), self._generator(round_number)

    def _generator(self, round_number: int) -> np.random.Generator:
        return public_generator("contribution", self._plan.seed, self._identity.name, round_number)

    def contribute(
        self,
        round_number: int,
        state: State,
        own: State,
        random: SecureRandom,
        computed: Computed | None = None,
    ) -> Counted:
        """What the party contributes to a round, as lattice integers, with its share of noise.

        Args:
            round_number: The round, counted through the plan.
            state: The public state.
            own: The party's own state after the last round that counted.
            random: The randomness of its batch and its noise.
            computed: What was computed from `inputs` of this round already, if it was.

        Raises:
            LedgerError: If the round cannot be charged; nothing is computed then.
            DataError: If the data or what is computed from it does not fit the declared sums, or
                the own state changes its names or shapes.
            PlanError: If the computation reads a column that it does not declare.

        Returns:
            The integers, the private state to keep if they are in the sum, and counts of its rows.
        """
        plan = self._plan
        if self._charges is not None:
            self._charges.use()
        accumulator = Accumulator(plan.sums)
        if computed is not None:
            own = self._add_computed(accumulator, computed, own)
            return self._counted(accumulator, round_number, random, own=own, rows=computed.rows)
        data, generator = self._load(), self._generator(round_number)
        by_record = plan.sums.unit is Unit.RECORD
        batch, left_out = self._batch(data, accumulator.room, random)
        rows = len(batch)
        chunk = plan.chunk_records if by_record else max(rows, 1)
        persons = self._computation.person_column
        for start in range(0, rows, chunk):
            part = _Declared(
                {column: values[batch[start : start + chunk]] for column, values in data.items()}
            )
            try:
                given, own = self._given(state, own, part, generator)
                accumulator.add(self._allowed(_mapping(given)), part[persons] if persons else None)
                del given  # As long as the sums: not held while they are rounded.
            except DataError as error:
                counted = f", counted from row {start}" if start else ""
                raise DataError(f"{self}{counted}: {error}") from error
        return self._counted(
            accumulator, round_number, random, own=own, rows=_rows(data), left_out=left_out
        )

    def _add_computed(self, accumulator: Accumulator, computed: Computed, own: State) -> State:
        try:
            accumulator.add(self._allowed(_mapping(computed.given)))
            if self._computation.own is None:
                return own
            return _same_form(own, checked_state(computed.own, "contribute"))
        except DataError as error:
            raise DataError(f"{self}: {error}") from error

    def _counted(
        self,
        accumulator: Accumulator,
        round_number: int,
        random: SecureRandom,
        *,
        own: State,
        rows: int,
        left_out: int = 0,
    ) -> Counted:
        """Rounds what was added, and adds this party's share of the noise."""
        plan, name = self._plan, self._identity.name
        exact = accumulator.finish(seed=plan.seed, party=name, round_number=round_number)
        if isinstance(plan.noise, NoiseShares):
            add_noise(plan, exact, random)
        beyond = {sum_: left_out + n for sum_, n in accumulator.beyond_capacity.items()}
        return Counted(exact, own, rows, accumulator.clipped, beyond)

    def _allowed(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        summed = [name for name, value in given.items() if isinstance(value, Summed)]
        if summed and not isinstance(self._plan.noise, NoNoise):
            raise PlanError(
                f"contribute gives {summed[0]!r} as a sum, and the plan adds noise: a sum in "
                "floating point may move by more than one unit's bound. Contribute one row "
                "for each unit"
            )
        return given

    def _given(
        self, state: State, own: State, part: Data, generator: np.random.Generator
    ) -> tuple[object, State]:
        contribute: Any = self._computation.contribute
        if self._computation.own is None:
            return contribute(state, part, generator), own
        match contribute(state, own, part, generator):
            case (given, after):
                return given, _same_form(own, checked_state(after, "contribute"))
            case _:
                raise DataError(
                    "contribute of a computation with own state returned one value; it must "
                    "return two: the contributions and the next own state"
                )

    def _fills_capacity(self) -> bool:
        """Whether adding or removing a unit would move another one out or in."""
        if self._plan.sums.unit is Unit.PARTY:
            return False
        data = self._load()
        persons = self._computation.person_column
        units = _distinct(data[persons])[1] if persons else _rows(data)
        return bool(units >= min(s.capacity for s in self._plan.sums.sums))

    def _batch(self, data: Data, room: int, random: SecureRandom) -> tuple[NDArray[np.intp], int]:
        """Indices of the rows that this round counts, in order: at most `room` units, sampled.

        Units beyond `room` are cut before the sample is drawn; if they were cut afterwards, one
        unit could decide whether another is in. The second value is how many units were cut.
        """
        plan, rows = self._plan, np.arange(_rows(data))
        if plan.sums.unit is Unit.PARTY or isinstance(plan.sampling, FullBatch):
            cut = rows[:room] if plan.sums.unit is Unit.RECORD else rows
            return cut, len(rows) - len(cut)
        unit_of_row = rows
        if persons := self._computation.person_column:
            unit_of_row, _ = _distinct(data[persons])
        counted = int(unit_of_row.max()) + 1
        drawn = draw_batch(plan, min(counted, room), random)
        beyond = np.zeros(max(0, counted - room), np.bool_)
        kept: NDArray[np.intp] = rows[np.append(drawn, beyond)[unit_of_row]]
        return kept, len(beyond)

    def _load(self) -> Data:
        """The columns, checked; those that are no function's are checked once."""
        if self._checked is not None:
            return self._checked
        data = self._loaded()
        if not callable(self._data):
            self._checked = data
        return data

    def _loaded(self) -> Data:
        source = self._data() if callable(self._data) else self._data
        if not hasattr(source, "keys"):
            raise DataError(
                f"{self} has data of type {type(source).__name__}; give columns by name: a data "
                "frame, or a map of names to arrays"
            )
        data = self._columns(source)
        if persons := self._computation.person_column:
            data[persons] = self._present(source, persons)
        if len({len(values) for values in data.values()}) > 1:
            lengths = ", ".join(f"{column}: {len(values)}" for column, values in data.items())
            raise DataError(f"{self} has columns of different lengths ({lengths})")
        if _rows(data) == 0 and not self._reads_a_part(source):
            raise DataError(f"{self} has no rows; leave it out of the plan, or give it data")
        for column in data.keys() - {persons}:
            self._check_numbers(column, data[column])
        if persons:
            self._check_persons(persons, data[persons])
        return data

    def _reads_a_part(self, source: Columns) -> bool:
        """Whether the data have rows of which the computation reads none, as of a hold-out."""
        first = next(iter(source.keys()), None)
        return self._computation.read is not None and first is not None and len(source[first]) > 0

    def _columns(self, source: Columns) -> dict[str, NDArray[Any]]:
        """The declared columns as they are, or as the computation reads them."""
        computation = self._computation
        if computation.read is None:
            return {column: self._present(source, column) for column in computation.columns}
        if self._read is not None:
            return dict(self._read)
        try:
            found = dict(computation.read(source))
        except DataError as error:
            raise DataError(f"{self}: {error}") from error
        if not callable(self._data):  # the same rows in each round are read once
            self._read = found
        return dict(found)

    def _present(self, source: Columns, column: str) -> np.ndarray[Any, Any]:
        if column not in source:
            known = nearest_column(column, source)
            raise DataError(f"{self} has no column {column!r}; {known}")
        if np.ma.is_masked(source[column]):
            raise DataError(
                f"{self} has a masked array as column {column!r}; fill in or leave out what is "
                "masked"
            )
        try:
            values = np.asarray(source[column])
        except ValueError:
            raise DataError(f"{self} has column {column!r} of uneven rows") from None
        if values.ndim == 0:
            raise DataError(f"{self} has one value as column {column!r}; give one for each row")
        return values

    def _check_numbers(self, column: str, values: np.ndarray[Any, Any]) -> None:
        if values.dtype.kind not in "fiub":
            text = values.dtype.kind in "US" or any(isinstance(v, str) for v in values.flat)
            raise DataError(
                f"{self} has column {column!r} of type {values.dtype}; numbers are needed"
                + ("; encode texts as numbers first" if text else "")
            )
        finite = np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
        if not finite.all():
            row = int(np.argmin(finite))
            raise DataError(
                f"{self} has NaN or infinity in column {column!r}, first in row {row} (from 0); "
                "fill in or drop such rows before the run"
            )

    def _check_persons(self, column: str, values: np.ndarray[Any, Any]) -> None:
        """Refuses rows without a person: one person could then count as two."""
        if values.ndim != 1:
            raise DataError(
                f"{self} has column {column!r} of {values.ndim} axes; person identifiers have one"
            )
        import pandas as pd

        missing = pd.isna(values)
        if missing.any():
            raise DataError(
                f"{self} does not say in column {column!r} who row {int(np.argmax(missing))} (from "
                "0) is about; fill in or drop such rows before the run"
            )

    def __str__(self) -> str:
        return f"party {self._identity.name!r}"


def next_state(computation: Computation, state: State, totals: Integers) -> State:
    """The server step, which everybody computes: the next state, from released integers.

    Raises:
        DataError: If the computation diverges, or gives no state.
    """
    return checked_state(computation.update(state, decode(computation.sums, totals)), "update")


def _same_form(before: State, after: State) -> State:
    """Refuses a private state whose names or shapes change: it could grow from round to round."""
    forms = [{name: array.shape for name, array in own.items()} for own in (before, after)]
    if forms[0] != forms[1]:
        odd = sorted(n for n in forms[0] | forms[1] if forms[0].get(n) != forms[1].get(n))
        raise DataError(
            f"the own state changes in {', '.join(odd)}: from {forms[0].get(odd[0])} to "
            f"{forms[1].get(odd[0])}. It keeps the names and shapes that `own` gives, so that it "
            "cannot grow without bound"
        )
    return after


def _mapping(given: object) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise DataError(
            f"contribute returned {type(given).__name__}; it must return a mapping of the "
            "declared sums to arrays"
        )
    return given


def _rows(data: Data) -> int:
    return len(next(iter(data.values()))) if data else 0


def _distinct(values: np.ndarray[Any, Any]) -> tuple[NDArray[np.intp], int]:
    """The number of each row's value, counted in order of appearance, and how many there are."""
    import pandas as pd

    numbers, found = pd.factorize(values)
    return numbers, len(found)
