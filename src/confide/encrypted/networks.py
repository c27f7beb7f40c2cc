"""Neural networks on encrypted columns: affine layers and polynomials in place of activations.

An activation becomes a Chebyshev polynomial on the range that its inputs have on samples. What lies
outside gives wrong scores, and nothing says so: samples should be like the rows to be scored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from confide import he
from confide.errors import PlanError

__all__ = ["ACTIVATIONS", "Activation", "Affine", "Network", "layers_of_torch", "network_of"]

Reals = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Affine:
    """x @ weights + bias; a convolution or an average pool is one too, with many zeros.

    Attributes:
        weights: (inputs, outputs).
        bias: (outputs,).
    """

    weights: Reals
    bias: Reals

    def __call__(self, table: he.EncryptedMatrix[Any]) -> he.EncryptedMatrix[Any]:
        """Of ciphertexts: one level; weights of zero cost nothing."""
        columns = []
        for weights, bias in zip(self.weights.T, self.bias, strict=True):
            used = np.flatnonzero(weights)
            if used.size:
                part = he.EncryptedMatrix([table[int(j)] for j in used])
                columns.append(part @ weights[used] + float(bias))
            else:
                columns.append(table[0] * 0 + float(bias))
        return he.EncryptedMatrix(columns)

    def in_clear(self, table: Reals) -> Reals:
        """Of numbers."""
        return table @ self.weights + self.bias

    def then(self, other: Affine) -> Affine:
        """Both in one."""
        return Affine(self.weights @ other.weights, self.bias @ other.weights + other.bias)


@dataclass(frozen=True, eq=False)
class Activation:
    """Polynomials in place of an activation, one for each unit, of numbers from -1 to 1.

    Attributes:
        coefficients: Of Chebyshev polynomials, (units, degree + 1).
    """

    coefficients: Reals

    def __call__(self, table: he.EncryptedMatrix[Any]) -> he.EncryptedMatrix[Any]:
        """Of ciphertexts: log2(degree + 1) + 1 levels."""
        units = zip(table.columns, self.coefficients, strict=True)
        return he.EncryptedMatrix([x.within(-1, 1).chebyshev(fit, -1, 1) for x, fit in units])

    def in_clear(self, table: Reals) -> Reals:
        """Of numbers."""
        units = zip(table.T, self.coefficients, strict=True)
        return np.column_stack([chebyshev.chebval(x, fit) for x, fit in units])


def fitted(
    function: Callable[[Reals], Reals], inputs: Reals, degree: int
) -> tuple[Affine, Activation]:
    """What takes inputs to -1 to 1, and the polynomials that are nearest to an activation there.

    Least squares over the inputs, and with a twentieth of their weight over the Chebyshev points of
    their range, a tenth wider, so that a polynomial is near the activation also where inputs are
    rare.

    Args:
        function: The activation.
        inputs: What it is applied to, (samples, units).
        degree: Of the polynomials.
    """
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    half = np.maximum(0.55 * (high - low), 1e-6)
    middle = (low + high) / 2
    grid = np.cos(np.pi * (np.arange(4 * degree) + 0.5) / (4 * degree))
    rare = math.sqrt(len(inputs) / len(grid) / 20)
    weights = np.concatenate([np.ones(len(inputs)), np.full(len(grid), rare)])
    fits = []
    for unit, centre, width in zip(inputs.T, middle, half, strict=True):
        places = np.concatenate([(unit - centre) / width, grid])
        values = function(centre + width * places)
        fits.append(chebyshev.chebfit(places, values, degree, w=weights))
    return Affine(np.diag(1 / half), -middle / half), Activation(np.array(fits))


Layer = Affine | Activation


@dataclass(frozen=True, eq=False)
class Network:
    """Layers one after another (a `Circuit`).

    Attributes:
        layers: Affine ones and activations.
    """

    layers: Sequence[Layer]

    @property
    def inputs(self) -> int:
        """See `Circuit`."""
        return len(self._affine[0].weights)

    @property
    def outputs(self) -> int:
        """See `Circuit`."""
        return len(self._affine[-1].bias)

    @property
    def _affine(self) -> list[Affine]:
        return [layer for layer in self.layers if isinstance(layer, Affine)]

    def __call__(self, table: he.EncryptedMatrix[Any]) -> he.EncryptedMatrix[Any]:
        """See `Circuit`."""
        for layer in self.layers:
            table = layer(table)
        return table

    def in_clear(self, table: Reals) -> Reals:
        """See `Circuit`."""
        for layer in self.layers:
            table = layer.in_clear(table)
        return table


def _append(layers: list[Layer], layer: Affine) -> None:
    """Adds an affine layer, in one with the one before if that is affine too."""
    last = layers[-1] if layers else None
    if isinstance(last, Affine):
        layers[-1] = last.then(layer)
    else:
        layers.append(layer)


def _relu(x: Reals) -> Reals:
    return np.maximum(x, 0)


def _logistic(x: Reals) -> Reals:
    return 1 / (1 + np.exp(-x))


def _gelu(x: Reals) -> Reals:
    erf: Reals = np.vectorize(math.erf)(x / math.sqrt(2))
    return x / 2 * (1 + erf)


ACTIVATIONS: Final[Mapping[str, Callable[[Reals], Reals]]] = {
    "relu": _relu,
    "logistic": _logistic,
    "tanh": np.tanh,
    "gelu": _gelu,
    "silu": lambda x: x * _logistic(x),
    "softplus": lambda x: np.logaddexp(0, x),
}
"""Activations by scikit-learn's or PyTorch's name, in lower case."""


def network_of(layers: Sequence[Affine | str], samples: Reals, degree: int) -> Network:
    """A network whose activations are fitted to samples.

    Args:
        layers: Affine ones, and names of activations.
        samples: Inputs from -1 to 1, (samples, inputs).
        degree: Of the polynomials.

    Raises:
        PlanError: If a layer is none of these, or the first or last is no affine one.
    """
    made: list[Layer] = []
    numbers = samples
    for layer in layers:
        if isinstance(layer, Affine):
            _append(made, layer)
            numbers = layer.in_clear(numbers)
            continue
        scaling, activation = fitted(ACTIVATIONS[layer], numbers, degree)
        _append(made, scaling)
        made.append(activation)
        numbers = activation.in_clear(scaling.in_clear(numbers))
    if not made or not (isinstance(made[0], Affine) and isinstance(made[-1], Affine)):
        raise PlanError("a network begins and ends with a layer of weights")
    return Network(made)


_OF_TORCH: Final = {
    "ReLU": "relu", "Sigmoid": "logistic", "Tanh": "tanh", "GELU": "gelu", "SiLU": "silu",
    "Softplus": "softplus",
}  # fmt: skip
_NOTHING: Final = frozenset({"Dropout", "Dropout1d", "Dropout2d", "Identity"})
_AFFINE: Final = frozenset(
    {"Linear", "Conv1d", "Conv2d", "AvgPool1d", "AvgPool2d", "Flatten", "Unflatten",
     "AdaptiveAvgPool2d", "BatchNorm1d", "BatchNorm2d"}
)  # fmt: skip
_LINKS: Final = {"Softmax": "softmax", "LogSoftmax": "softmax", "Sigmoid": "logistic"}


def layers_of_torch(module: Any, shape: tuple[int, ...]) -> tuple[list[Affine | str], str | None]:
    """The layers of a `torch.nn.Sequential`, in evaluation.

    Args:
        module: The network.
        shape: Of one input.

    Returns:
        The layers, and the link with which it ends, if any.

    Raises:
        PlanError: If one of its modules cannot be computed on ciphertexts.
    """
    import torch

    if not isinstance(module, torch.nn.Sequential):
        raise PlanError(
            f"a {type(module).__name__}; give a torch.nn.Sequential of the layers, so that their"
            " order is known"
        )
    parts = list(_flattened(module))
    last = type(parts[-1]).__name__ if parts else ""
    link = _LINKS.get(last)
    found: list[Affine | str] = []
    for part in parts[: -1 if link else None]:
        name = type(part).__name__
        if name in _OF_TORCH:
            found.append(_OF_TORCH[name])
        elif name in _AFFINE:
            made, shape = _affine(part, shape)
            found.append(made)
        elif name not in _NOTHING:
            hint = "; take AvgPool2d, which is a sum" if name.startswith("MaxPool") else ""
            raise PlanError(f"a {name} is not computed on ciphertexts{hint}")
    return found, link


def _flattened(module: Any) -> Any:
    for part in module.children():
        if type(part).__name__ == "Sequential":
            yield from _flattened(part)
        else:
            yield part


def _affine(part: Any, shape: tuple[int, ...]) -> tuple[Affine, tuple[int, ...]]:
    """What a module that is affine does to zero and to each unit vector."""
    import torch

    count = math.prod(shape)
    training = part.training
    part.eval()
    try:
        with torch.no_grad():
            dtype = next((p.dtype for p in part.parameters()), torch.float64)
            basis = torch.cat([torch.zeros(1, count), torch.eye(count)]).to(dtype)
            made = part(basis.reshape(count + 1, *shape))
    except RuntimeError as error:
        raise PlanError(f"a {type(part).__name__} does not take inputs of shape {shape}") from error
    finally:
        part.train(training)
    numbers = made.reshape(count + 1, -1).double().numpy()
    return Affine(numbers[1:] - numbers[0], numbers[0]), tuple(made.shape[1:])
