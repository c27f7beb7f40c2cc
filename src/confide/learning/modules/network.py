"""A PyTorch module as a pure function of one vector, through `torch.func.functional_call`.

The module itself is never changed: parameters and buffers are handed to each call. Its random
numbers (dropout) come from a state of their own, which begins at a public seed for each party and
round; the process's generator stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from confide import canonical
from confide.computation import Data, State
from confide.errors import DataError, PlanError
from confide.learning.modules.layout import Layout

__all__ = ["LOSSES", "Network", "built", "digest_of", "layout_of", "normalisation", "rows_of"]

Rows = tuple[Tensor, ...]

_CHUNK: Final = 1000
"""Rows that are predicted at a time."""


def built(make: Callable[..., Any], arguments: Mapping[str, Any], seed: int) -> nn.Module:
    """A module from its factory, with initial parameters that are the same for one seed.

    Raises:
        PlanError: If the factory fails or makes something else.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            module = make(**arguments)
        except (TypeError, ValueError, RuntimeError) as error:
            raise PlanError(f"the model cannot be made with these arguments: {error}") from error
    if not isinstance(module, nn.Module):
        raise PlanError(f"the model's factory made a {type(module).__name__}, no torch.nn.Module")
    return module


def _kept_type(name: str, tensor: Tensor) -> str:
    """The numpy type that a tensor is kept in, exactly.

    Raises:
        PlanError: If it is not of real numbers.
    """
    if tensor.dtype in {torch.float32, torch.bfloat16, torch.float16}:
        return "float32"
    if tensor.dtype == torch.float64:
        return "float64"
    raise PlanError(f"parameter {name!r} is of {tensor.dtype}; real numbers are trained")


def normalisation(module: nn.Module, names: tuple[str, ...]) -> tuple[str, ...]:
    """Which of the named parameters are those of normalisation layers with statistics."""
    layers = [name for name, part in module.named_modules() if isinstance(part, _NormBase)]
    return tuple(name for name in names if name.rpartition(".")[0] in layers)


def layout_of(tensors: Mapping[str, Tensor]) -> Layout:
    """Where named tensors stand in one vector.

    Raises:
        PlanError: If one is not of real numbers, or its name has a `/`.
    """
    return Layout(
        {name: tuple(tensor.shape) for name, tensor in tensors.items()},
        {name: _kept_type(name, tensor) for name, tensor in tensors.items()},
    )


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over named tensors, in hexadecimal digits."""
    return canonical.sha256(
        [[name, str(t.dtype), list(t.shape), _bytes(t)] for name, t in sorted(tensors.items())]
    ).hex()


def _bytes(tensor: Tensor) -> bytes:
    whole = tensor.detach().cpu().contiguous().reshape(-1)
    return whole.view(torch.uint8).numpy().tobytes() if whole.numel() else b""


class Network:
    """A module with its trained parameters taken out.

    Args:
        module: The module; it is set to train, and its statistics to stand still if frozen.
        trained: The names of the trained parameters, in the order of the vector.
        loss: A name in `LOSSES`, or 'own' for a module that returns its loss.
        inputs: The columns that it is called with.
        label: The column of targets; None with a loss of its own.
        frozen: Whether normalisation uses its statistics as they are.
        device: Where it computes.

    Attributes:
        joins: Whether several parties may be trained in step; false from when it turns out not.
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        trained: tuple[str, ...],
        loss: str,
        inputs: tuple[str, ...],
        label: str | None,
        frozen: bool,
        device: str,
    ) -> None:
        parameters = dict(module.named_parameters())
        self._names = trained
        self._shapes = [parameters[name].shape for name in trained]
        self._types = [parameters[name].dtype for name in trained]
        self._sizes = [parameters[name].numel() for name in trained]
        self.module = module.requires_grad_(False).to(device)
        self._loss, self._inputs, self._label = loss, inputs, label
        self._frozen, self.device = frozen, device
        self.dtype = torch.float64 if torch.float64 in self._types else torch.float32
        self._training: bool | None = None
        self._proved = False
        # Under vmap a convolution with weights of each party's own becomes a grouped one, which is
        # slow on a CPU.
        self.joins = loss != "own" and not any(isinstance(p, _ConvNd) for p in module.modules())

    def _train(self, *, training: bool) -> None:
        """Sets the module to train, frozen statistics apart, or to predict."""
        if self._training == training:
            return
        self._training = training
        self.module.train(training)
        for part in self.module.modules() if training and self._frozen else ():
            if isinstance(part, _NormBase) and part.track_running_stats:
                part.eval()

    def inputs(self, data: Data) -> Rows:
        """A party's inputs as tensors: real numbers of the module's type, others as they are."""
        return tuple(self._tensor(data[name], self._types[0]) for name in self._inputs)

    def rows(self, data: Data) -> Rows:
        """A party's inputs, and its targets if there is a label.

        Raises:
            DataError: If a class is no whole number from 0.
        """
        targets = () if self._label is None else (self._targets(data[self._label]),)
        return (*self.inputs(data), *targets)

    def _tensor(self, values: NDArray[Any], kind: torch.dtype) -> Tensor:
        if values.dtype.kind != "f":
            kind = torch.bool if values.dtype.kind == "b" else torch.int64
        if values.flags.writeable and min(values.strides, default=0) >= 0:
            return torch.from_numpy(values).to(self.device, kind)  # No copy where none is needed.
        return torch.tensor(values, dtype=kind, device=self.device)

    def _targets(self, values: NDArray[Any]) -> Tensor:
        if self._loss != "cross-entropy":
            return self._tensor(values.astype(np.float64), self._types[0])
        classes = values.astype(np.int64)
        self._refuse(classes != values, "not a whole number")
        self._refuse(classes < 0, "below 0")
        return torch.from_numpy(classes).to(self.device)

    def _refuse(self, wrong: NDArray[np.bool_], what: str) -> None:
        if wrong.any():
            record = int(np.argmax(wrong.reshape(len(wrong), -1).any(axis=1)))
            raise DataError(
                f"column {self._label!r} has a class that is {what}, first in record {record}; "
                "classes are the whole numbers from 0, the same at all parties"
            )

    def vector(self, flat: NDArray[np.float64]) -> Tensor:
        """A numpy vector as a tensor of its own memory."""
        return torch.tensor(flat, dtype=self.dtype, device=self.device)

    def buffers(self, kept: State) -> dict[str, Tensor]:
        """All buffers as new tensors: those of a state, the others as the module was made."""
        return {
            name: torch.tensor(kept[name], dtype=buffer.dtype, device=self.device)
            if name in kept
            else buffer.clone()
            for name, buffer in self.module.named_buffers()
        }

    def parameters(self, w: Tensor) -> dict[str, Tensor]:
        """The parts of a vector as the module's parameters."""
        return self.named(
            [p.view(s) for p, s in zip(torch.split(w, self._sizes), self._shapes, strict=True)]
        )

    def parts(self, w: Tensor) -> list[Tensor]:
        """The parameters of vectors of shape `(…, size)`, each a new tensor of `(…, *shape)`."""
        return [
            part.reshape(*w.shape[:-1], *shape).clone()
            for part, shape in zip(torch.split(w, self._sizes, -1), self._shapes, strict=True)
        ]

    def named(self, parts: Sequence[Tensor]) -> dict[str, Tensor]:
        """Parameters by name, each of its own type."""
        named = zip(self._names, parts, self._types, strict=True)
        return {name: part.to(dtype) for name, part, dtype in named}

    def outputs(self, tensors: Mapping[str, Tensor], rows: Rows) -> Any:
        """What the module returns.

        Raises:
            DataError: If it cannot take the columns.
        """
        own = self._loss == "own"
        args = () if own else rows[: len(self._inputs)]
        named = dict(zip(self._inputs, rows, strict=True)) if own else {}
        try:
            return functional_call(self.module, dict(tensors), args, named)
        except (IndexError, RuntimeError, TypeError, ValueError) as error:
            shapes = ", ".join(
                f"{name!r} of shape (rows, {', '.join(map(str, part.shape[1:]))}) and {part.dtype}"
                for name, part in zip(self._inputs, rows, strict=False)
            )
            raise DataError(
                f"the module cannot take the columns {shapes} ({type(error).__name__})"
            ) from error

    def loss(self, tensors: Mapping[str, Tensor], rows: Rows) -> Tensor:
        """The mean loss over rows, a number."""
        found = self.outputs(tensors, rows)
        if self._loss == "own":
            loss = getattr(found, "loss", found)
            if not isinstance(loss, Tensor) or loss.ndim:
                raise PlanError("the module returns no number, nor anything with a number as .loss")
            return loss
        return self.loss_of(getattr(found, "logits", found), rows[-1])

    def loss_of(self, scores: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of scores, a number.

        Raises:
            DataError: If a class is none of them, or the shapes differ.
        """
        if self._loss == "cross-entropy":
            self._check_classes(scores, targets)
        return LOSSES[self._loss](scores, targets)

    def _check_classes(self, scores: Tensor, targets: Tensor) -> None:
        classes = scores.shape[-1]
        if int(targets.max()) >= classes:
            wrong = (targets >= classes).reshape(len(targets), -1).any(dim=1).cpu().numpy()
            self._refuse(wrong, f"none of the module's {classes} outputs")

    def gradient(self, w: Tensor, buffers: Mapping[str, Tensor], rows: Rows) -> Tensor:
        """The gradient of the mean loss over rows, shape `(size,)`; it moves the buffers."""
        self.begin(w, buffers, rows)
        w = w.detach().requires_grad_()
        loss = self.loss({**self.parameters(w), **buffers}, rows)
        (gradient,) = torch.autograd.grad(loss, w)
        return gradient

    def begin(self, w: Tensor, buffers: Mapping[str, Tensor], rows: Rows) -> None:
        """Sets the module to train, and refuses it at its first batch if it cannot be trained.

        Raises:
            PlanError: Saying why.
        """
        self._train(training=True)
        if not self._proved:
            self._prove(w, buffers, rows)

    def _prove(self, w: Tensor, buffers: Mapping[str, Tensor], rows: Rows) -> None:
        """Refuses what could not be trained or repeated: asked once, at the first gradient."""
        found = [self._parts(w, buffers, rows) for _ in range(2)]
        unused = [name for name, part in found[0].items() if part is None]
        if unused:
            raise PlanError(
                f"parameters without a gradient: {', '.join(unused[:5])}. The loss does not depend "
                "on them; leave them out by trained=…"
            )
        if any(not torch.equal(found[0][name], found[1][name]) for name in self._names):  # type: ignore[arg-type]
            raise PlanError(
                "the module gives two gradients for the same rows and the same seed: a layer draws "
                "from another generator than torch's, or its kernel is not deterministic "
                "(torch.use_deterministic_algorithms names such kernels)"
            )
        self._proved = True

    def _parts(
        self, w: Tensor, buffers: Mapping[str, Tensor], rows: Rows
    ) -> dict[str, Tensor | None]:
        """The gradient by parameter, from copies of the buffers and the random state."""
        with torch.random.fork_rng(devices=self._cuda()):
            tensors = {n: p.detach().requires_grad_() for n, p in self.parameters(w).items()}
            copies = {name: buffer.clone() for name, buffer in buffers.items()}
            loss = self.loss({**tensors, **copies}, rows_of(rows, slice(None)))
            if not loss.requires_grad:
                return dict.fromkeys(tensors)
            parts = torch.autograd.grad(loss, list(tensors.values()), allow_unused=True)
            return dict(zip(tensors, parts, strict=True))

    def _cuda(self) -> list[str]:
        return [self.device] if self.device.startswith("cuda") else []

    @contextmanager
    def dice(self, state: list[Tensor]) -> Iterator[None]:
        """Draws from a random state, which moves on, and leaves the process's as it was.

        Args:
            state: One state for the CPU, and one for a GPU that computes.
        """
        outer = self._random()
        self._set_random(state)
        try:
            yield
        finally:
            state[:] = self._random()
            self._set_random(outer)

    def first_dice(self, seed: int) -> list[Tensor]:
        """The random state that a seed begins."""
        devices = ["cpu", *self._cuda()]
        return [torch.Generator(device).manual_seed(seed).get_state() for device in devices]

    def _random(self) -> list[Tensor]:
        return [torch.get_rng_state(), *(torch.cuda.get_rng_state(d) for d in self._cuda())]

    def _set_random(self, state: list[Tensor]) -> None:
        torch.set_rng_state(state[0])
        for device, part in zip(self._cuda(), state[1:], strict=True):
            torch.cuda.set_rng_state(part, device)

    @torch.no_grad()
    def mean_loss(self, tensors: Mapping[str, Tensor], rows: Rows) -> float:
        """The mean loss over rows, as the module predicts: without dropout."""
        self._train(training=False)
        return float(self.loss(tensors, rows_of(rows, slice(None))))

    @torch.no_grad()
    def predictions(self, tensors: Mapping[str, Tensor], rows: Rows) -> NDArray[np.float64]:
        """The module's outputs for inputs, as it predicts."""
        self._train(training=False)
        parts = []
        for start in range(0, len(rows[0]), _CHUNK):
            found = self.outputs(tensors, rows_of(rows, slice(start, start + _CHUNK)))
            parts.append(getattr(found, "logits", found).double().cpu())
        return torch.cat(parts).numpy()


def rows_of(rows: Rows, batch: Any) -> Rows:
    """Some rows as tensors of their own: a module may change what it is called with."""
    if isinstance(batch, slice):
        return tuple(column[batch].clone() for column in rows)
    chosen = torch.as_tensor(batch, device=rows[0].device)
    return tuple(column.index_select(0, chosen) for column in rows)


def _cross_entropy(scores: Tensor, targets: Tensor) -> Tensor:
    """Classes are on the last axis, so it is of single labels and of sequences."""
    if scores.shape[:-1] != targets.shape:
        raise DataError(
            f"the module gives scores of shape (rows, {', '.join(map(str, scores.shape[1:]))}) and "
            f"a label has shape {tuple(targets.shape[1:])}; its last axis is that of the classes"
        )
    return functional.cross_entropy(scores.reshape(-1, scores.shape[-1]), targets.reshape(-1))


def _like(scores: Tensor, targets: Tensor) -> Tensor:
    """Scores in the shape of the targets: a last axis of one output is none."""
    if scores.numel() != targets.numel():
        raise DataError(
            f"the module gives {scores[0].numel()} numbers a row, and a target has "
            f"{targets[0].numel()}"
        )
    return scores.reshape(targets.shape)


LOSSES: Final[Mapping[str, Callable[[Tensor, Tensor], Tensor]]] = {
    "cross-entropy": _cross_entropy,
    "binary-cross-entropy": lambda scores, y: functional.binary_cross_entropy_with_logits(
        _like(scores, y), y
    ),
    "squared-error": lambda scores, y: functional.mse_loss(_like(scores, y), y),
}
"""Losses by name: of logits, and a mean over the batch."""
