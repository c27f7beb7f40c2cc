"""The work of the simulation suite: models, clients and the loop by hand."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["WORK", "client_rows", "cohorts", "loop_round", "module"]

WORK: Final[Mapping[str, Mapping[str, Any]]] = {
    "W1a": {"model": "mlp", "clients": 1000, "rows": 200, "cohort": 100, "batch": 20},
    "W1b": {"model": "cnn", "clients": 100, "rows": 100, "cohort": 20, "batch": 20},
    "many-small": {"model": "small", "clients": 1000, "rows": 40, "cohort": 200, "batch": 10},
}
"""By case: model, number of clients, rows of each, clients in a round, rows of a step. One epoch of
steps a round, at a learning rate of 0.05."""

_CLASSES: Final = 62
_INPUTS: Final[Mapping[str, tuple[int, ...]]] = {
    "mlp": (784,), "cnn": (1, 28, 28), "small": (64,)
}  # fmt: skip


def client_rows(case: str, client: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Inputs, float32, and classes of one client: a fixed function of its number."""
    work, generator = WORK[case], np.random.default_rng([0, client])
    shape = (work["rows"], *_INPUTS[work["model"]])
    x = generator.standard_normal(shape, dtype=np.float32)
    return x, generator.integers(0, _CLASSES, work["rows"])


def cohorts(case: str) -> Sequence[Sequence[int]]:
    """Clients by cohort: a random order, dealt out."""
    work = WORK[case]
    order = np.random.default_rng(1).permutation(work["clients"])
    return [part.tolist() for part in order.reshape(-1, work["cohort"])]


def module(model: str) -> nn.Module:
    """A model by name, with the same first parameters each time."""
    torch.manual_seed(0)
    if model == "cnn":
        return nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, _CLASSES),
        )  # fmt: skip
    inputs, hidden = (784, 200) if model == "mlp" else (64, 32)
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, _CLASSES))


@functools.cache
def _tensors(case: str, client: int) -> tuple[Tensor, Tensor]:
    x, y = client_rows(case, client)
    return torch.from_numpy(x), torch.from_numpy(y)


def loop_round(
    case: str, net: nn.Module, w: Sequence[Tensor], cohort: Sequence[int]
) -> list[Tensor]:
    """One round as one writes it by hand: client after client, in place, and their mean."""
    batch, loss_of = WORK[case]["batch"], nn.CrossEntropyLoss()
    parameters = list(net.parameters())
    total = [torch.zeros_like(part) for part in w]
    for client in cohort:
        x, y = _tensors(case, client)
        with torch.no_grad():
            for parameter, part in zip(parameters, w, strict=True):
                parameter.copy_(part)
        optimiser = torch.optim.SGD(parameters, lr=0.05)
        for start in range(0, len(x), batch):
            optimiser.zero_grad()
            loss_of(net(x[start : start + batch]), y[start : start + batch]).backward()
            optimiser.step()
        with torch.no_grad():
            for sum_, parameter in zip(total, parameters, strict=True):
                sum_.add_(parameter)
    return [sum_ / len(cohort) for sum_ in total]
