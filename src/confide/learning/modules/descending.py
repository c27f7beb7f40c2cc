"""Local steps of PyTorch modules, parameters changed in place: of one party, or of several.

A party alone is trained as the usual loop of PyTorch does. Several are trained in step by
`torch.func.vmap` over their parameters: what a step costs besides its arithmetic is paid once for
all of them. Their rows need not be equally many; parties whose batches are equally large are taken
together in each step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

from confide.errors import DataError
from confide.learning.modules.descent import Descent
from confide.learning.modules.network import Network, Rows, rows_of

__all__ = ["descend", "descend_together"]

Buffers = Mapping[str, Tensor]


def descend(network: Network, descent: Descent, data: Rows, buffers: Buffers) -> Tensor:
    """The parameters after the steps of one party, shape `(size,)`; it moves the buffers."""
    parts, velocity = network.parts(descent.start), list[Tensor]()
    for step, batch in enumerate(descent.batches):
        rows = rows_of(data, batch)
        if not step:
            network.begin(descent.start, buffers, rows)
        for part in parts:
            part.requires_grad_()
        loss = network.loss({**network.named(parts), **buffers}, rows)
        gradient = list(torch.autograd.grad(loss, parts))
        velocity = _velocity(velocity, gradient, descent.momentum)
        _step(parts, velocity, descent.learning_rate)
    return torch.cat([part.detach().reshape(-1) for part in parts])


def descend_together(
    network: Network, parties: Sequence[tuple[Descent, Rows]], buffers: Buffers
) -> list[Tensor] | None:
    """The parameters of each party after its steps, or None if the module cannot be vmapped."""
    if not network.joins:
        return None
    first, data = parties[0]
    if first.batches:
        network.begin(first.start, buffers, rows_of(data, first.batches[0]))
    if len({tuple((c.dtype, c.shape[1:]) for c in columns) for _, columns in parties}) > 1:
        return None  # Not all rows can fit the module; alone each party finds whether its rows do.
    try:
        return list(_InStep(network, parties, buffers).run())
    except DataError as error:
        # The module refused what it was called with: vmap lets nothing be drawn, for dropout.
        network.joins = error.__cause__ is None
        return None
    except RuntimeError:
        network.joins = False
        return None


class _InStep:
    """Several parties of one module, whose parameters are stacked, each `(parties, *shape)`."""

    def __init__(
        self, network: Network, parties: Sequence[tuple[Descent, Rows]], buffers: Buffers
    ) -> None:
        self._network, self._buffers = network, buffers
        self._descents = [descent for descent, _ in parties]
        self._parts = network.parts(torch.stack([d.start for d in self._descents]))
        momentum = self._descents[0].momentum
        self._velocity = [torch.zeros_like(part) for part in self._parts] if momentum else []
        # The rows of all in one tensor for each column, so that a step takes its rows at once.
        self._rows = tuple(
            torch.cat(columns) for columns in zip(*(d for _, d in parties), strict=True)
        )
        counts = torch.tensor([len(data[0]) for _, data in parties])
        self._offsets = (counts.cumsum(0) - counts).tolist()
        self._counts = counts.tolist()

    def run(self) -> Iterator[Tensor]:
        """Takes all steps; the parameters of each party, shape `(size,)`."""
        for step in range(max(len(d.batches) for d in self._descents)):
            for members, rows in self._batches(step):
                self._advance(members, rows)
        for place in range(len(self._descents)):
            yield torch.cat([part[place].reshape(-1) for part in self._parts])

    def _batches(self, step: int) -> Iterator[tuple[list[int], Tensor]]:
        """Who takes this step with batches of one size, and their rows, `(members, batch)`."""
        by_size: dict[int, tuple[list[int], list[Tensor]]] = {}
        for place, descent in enumerate(self._descents):
            if step < len(descent.batches):
                batch = _numbers(descent.batches[step], self._counts[place])
                members, rows = by_size.setdefault(len(batch), ([], []))
                members.append(place)
                rows.append(batch + self._offsets[place])
        for members, rows in by_size.values():
            yield members, torch.stack(rows).to(self._rows[0].device)

    def _advance(self, members: list[int], rows: Tensor) -> None:
        """One step of some parties; where these are all, no parameter is copied."""
        everybody = len(members) == len(self._descents)
        chosen = slice(None) if everybody else members
        parts = [part[chosen] for part in self._parts]
        gradient = self._directed(members, parts, self._gradient(parts, rows))
        descent = self._descents[0]
        if descent.momentum:
            before = [v[chosen] for v in self._velocity]
            gradient = _velocity(before, gradient, descent.momentum)
            _put(self._velocity, chosen, gradient)
        _step(parts, gradient, descent.learning_rate)
        if not everybody:
            _put(self._parts, chosen, parts)

    def _gradient(self, parts: list[Tensor], rows: Tensor) -> list[Tensor]:
        """The gradient of each party's mean loss, stacked as the parameters."""
        leaves = [part.detach().requires_grad_() for part in parts]
        *inputs, targets = (column[rows] for column in self._rows)
        scores = vmap(self._scores)(leaves, tuple(inputs))
        # The mean over all rows of equally many each, times the parties: the sum of their means.
        loss = self._network.loss_of(scores.flatten(0, 1), targets.flatten(0, 1)) * len(rows)
        return list(torch.autograd.grad(loss, leaves))

    def _scores(self, parts: list[Tensor], inputs: Rows) -> Any:
        found = self._network.outputs({**self._network.named(parts), **self._buffers}, inputs)
        return getattr(found, "logits", found)

    def _directed(
        self, members: list[int], parts: list[Tensor], gradient: list[Tensor]
    ) -> list[Tensor]:
        """What the step goes against: an algorithm says it for one party's vector at a time."""
        if all(self._descents[place].direction is None for place in members):
            return gradient
        w, g = (torch.cat([p.flatten(1) for p in whole], 1) for whole in (parts, gradient))
        for row, place in enumerate(members):
            direction = self._descents[place].direction
            if direction is not None:
                g[row] = direction(w[row], g[row])
        return self._network.parts(g)


def _numbers(batch: Any, rows: int) -> Tensor:
    return torch.arange(rows)[batch] if isinstance(batch, slice) else torch.as_tensor(batch)


def _velocity(before: list[Tensor], gradient: list[Tensor], momentum: float) -> list[Tensor]:
    """The next velocity, ρ v + g; g where nothing came before, or without momentum."""
    if not before or not momentum:
        return gradient
    return [v.mul(momentum).add_(g) for v, g in zip(before, gradient, strict=True)]


@torch.no_grad()
def _step(parts: list[Tensor], velocity: list[Tensor], learning_rate: float) -> None:
    """Takes a step in place: w ← w - η v."""
    for part, v in zip(parts, velocity, strict=True):
        part.sub_(v, alpha=learning_rate)


def _put(whole: list[Tensor], chosen: Any, parts: list[Tensor]) -> None:
    for tensor, part in zip(whole, parts, strict=True):
        tensor[chosen] = part
