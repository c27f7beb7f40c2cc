"""The public state: its hash, its bytes, and checkpoints that a run resumes from exactly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from confide import canonical
from confide.computation.computation import State
from confide.errors import DataError
from confide.plan import Opening, Plan

__all__ = ["Checkpoint", "checked_state", "state_hash"]

_FORMAT = "confide checkpoint 2"
_OWN = "own"


def checked_state(state: Mapping[str, Any], source: str = "init") -> State:
    """A state as read-only arrays of finite numbers.

    Args:
        state: Named arrays, or what numpy makes arrays of.
        source: The function that returned it, for the message.

    Raises:
        DataError: If it is not a mapping, or a value is not an array of finite numbers.
    """
    if not isinstance(state, Mapping):
        raise DataError(
            f"{source} returned {type(state).__name__}; it must return a mapping of names to arrays"
        )
    checked = {}
    for name, value in sorted(state.items()):
        array = np.array(value)
        if array.dtype.kind not in "fiub":
            raise DataError(f"state {name!r} is of type {array.dtype}; a state is made of numbers")
        if not np.isfinite(array).all():
            raise DataError(
                f"state {name!r} became NaN or infinite: the computation diverges, lower its "
                "learning rate or scale its data"
            )
        array.setflags(write=False)
        checked[name] = array
    return checked


def state_hash(state: State) -> bytes:
    """SHA-256 of a state: names, types, shapes and bytes (little-endian)."""
    return canonical.sha256(
        [
            [name, array.dtype.str.replace(">", "<"), list(array.shape), _little_endian(array)]
            for name, array in sorted(state.items())
        ]
    )


def _little_endian(array: np.ndarray[Any, Any]) -> bytes:
    return np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


@dataclass(frozen=True)
class Checkpoint:
    """A run between two rounds, as a safetensors file.

    Attributes:
        plan_hash: The plan that is run.
        next_round: The round to continue with.

        state: The state it starts from.
        history: One map of plain values per finished round.
        openings: The sums that count as opened, in order; one of `next_round` may be among them.
        own: Each party's own state, by its name.
    """

    plan_hash: bytes
    next_round: int
    state: State = field(repr=False)
    history: tuple[Mapping[str, Any], ...]
    openings: tuple[Opening, ...] = ()
    own: Mapping[str, State] = field(default_factory=dict, repr=False)

    def write(self, path: Path) -> None:
        """Writes the file, whole or not at all.

        Raises:
            DataError: If it cannot be written.
        """
        opened = [[o.number, o.attempt, o.survivors] for o in self.openings]
        run = json.dumps([self.next_round, self.history, opened])
        tensors = dict(self.state) | {
            f"{_OWN}/{party}/{name}": array
            for party, own in self.own.items()
            for name, array in own.items()
        }
        metadata = {
            "format": _FORMAT,
            "plan": self.plan_hash.hex(),
            "run": run,
            "digest": _digest(self.plan_hash, run, tensors),
        }
        # A number without axes stays one: ascontiguousarray would give it an axis.
        data = save({k: np.asarray(v, order="C") for k, v in tensors.items()}, metadata)
        partial = path.with_name(path.name + ".partial")
        try:
            partial.write_bytes(data)
            partial.replace(path)
        except OSError as error:
            raise DataError(f"cannot write the checkpoint {path}: {error}") from error

    @classmethod
    def read(cls, path: Path, plan: Plan) -> Checkpoint:
        """Reads a checkpoint of a plan.

        Raises:
            DataError: If it is not a checkpoint, is damaged, or belongs to another plan.
        """
        try:
            with safe_open(str(path), framework="numpy") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise DataError(f"{path} is not a readable checkpoint: {error}") from error
        if metadata.get("format") != _FORMAT:
            raise DataError(f"{path} is not a checkpoint of this format ({_FORMAT})")
        if (owner := metadata.get("plan", "")) != plan.hash.hex():
            raise DataError(
                f"{path} belongs to plan {owner[:16]}…, not to {plan.short_hash}…: give "
                "that plan, or another checkpoint path"
            )
        run = metadata.get("run", "")
        if metadata.get("digest") != _digest(plan.hash, run, tensors):
            raise DataError(f"{path} is damaged: its digest does not match its content")
        next_round, history, opened = json.loads(run)
        own: dict[str, dict[str, Any]] = {}
        for name in [name for name in tensors if name.startswith(f"{_OWN}/")]:
            _, party, own_name = name.split("/", 2)
            own.setdefault(party, {})[own_name] = tensors.pop(name)
        return cls(
            plan.hash,
            next_round,
            checked_state(tensors),
            tuple(history),
            tuple(Opening(number, attempt, tuple(names)) for number, attempt, names in opened),
            {party: checked_state(values, "own") for party, values in own.items()},
        )


def _digest(plan_hash: bytes, run: str, state: State) -> str:
    return canonical.sha256([_FORMAT, plan_hash, run, state_hash(state)]).hex()
