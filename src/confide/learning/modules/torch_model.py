"""Any `torch.nn.Module` as a model that the algorithms train."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from confide.computation import Columns, Data, State
from confide.errors import DataError, PlanError
from confide.learning.modules.factory import CodeSettings, Factory
from confide.learning.modules.layout import matching
from confide.learning.modules.model import Averaged, Buffers
from confide.plan.codec import nearest, nearest_column
from confide.plan.literals import Literal

if TYPE_CHECKING:
    from torch import Tensor, nn

    from confide.learning.modules.network import Network
    from confide.learning.modules.torch_session import TorchSession

__all__ = ["TorchModel", "TorchSettings"]

Reals = NDArray[np.float64]

_MOST_AT_ONCE: Final = 64
_NUMBERS_AT_ONCE: Final = 1 << 22
"""How many parties, and how many parameters of theirs, are trained in step: 16 MB of float32."""

_LOSSES: Final = ("cross-entropy", "binary-cross-entropy", "squared-error", "own")


class TorchSettings(Literal):
    """A PyTorch module in a plan file.

    Attributes:
        factory: `package.module:name` of a Module class or a function marked by `model_factory`.
        inputs: The columns that it is called with.
        label: The column of targets.
        loss: See `TorchModel`.
        arguments: What the factory is called with.
        trained: Names of the trained parameters, or patterns such as `head.*`; all that require a
            gradient if left out.
        buffers: See `TorchModel`.
        seed: Of the initial parameters.
        code: The factory's package, filled in if left out.
        untrained: SHA-256 over what is not trained, filled in if left out.
    """

    factory: str
    inputs: list[str]
    label: str | None = None
    loss: str = "cross-entropy"
    arguments: dict[str, Any] = Field(default_factory=dict)
    trained: list[str] | None = None
    buffers: str | Averaged | None = None
    seed: int = 0
    code: CodeSettings | None = None
    untrained: str | None = None

    def model(self) -> TorchModel:
        """The model.

        Raises:
            PlanError: If it cannot be made, or is not what was agreed.
        """
        made = TorchModel(self.factory, **{name: getattr(self, name) for name in _FIELDS})
        made.check(self)
        return made


_FIELDS: Final = ("inputs", "label", "loss", "arguments", "trained", "buffers", "seed")


class TorchModel:
    """Any `torch.nn.Module`, unwrapped: the state has its parameters under its own names.

    Parameters are trained in their own type; of bfloat16 and float16 the state keeps float32, which
    the module rounds when it is called. A batch of rows gives a mean loss, whose gradient is taken
    in training mode; dropout draws from a seed that follows from the plan's seed, the party and the
    round. Repeating a run takes the same torch, CPU kind and number of threads.

    Args:
        factory: A Module class, a function that makes one, the name of either as
            'package.module:name', or a module (in simulation only, like classes of a notebook).
        inputs: The columns that the module is called with; they may have further axes. Real numbers
            get the module's type, whole numbers are int64.
        label: The column of targets.
        loss: 'cross-entropy' (logits, with the classes on the last axis), 'binary-cross-entropy'
            (logits), 'squared-error', or 'own' for a module that is called with its columns by name
            and returns its loss, or something with the loss as `.loss`, as those of Hugging Face.
        arguments: What the factory is called with: plain values, which stand in the plan.
        trained: Names of the parameters that are trained and exchanged, or patterns such as
            'head.*' or '*.lora_?': the rest stays as the factory makes it. None for all that
            require a gradient.
        buffers: What becomes of the arrays that training moves without a gradient, such as
            BatchNorm's statistics: 'frozen' (they stay as they are, and normalise), 'local' (each
            party keeps its own, which are never sent) or `Averaged`. A module that has such arrays
            must say. Whole numbers, as `num_batches_tracked`, stay as they are.
        seed: Of the initial parameters.
        device: Where this machine computes it; no part of a plan.

    Raises:
        PlanError: If torch is not installed, the module cannot be made, a name fits nothing, or its
            buffers are not said.

    Example:
        >>> from torch import nn
        >>> model = TorchModel(nn.Linear, arguments={"in_features": 2, "out_features": 3},
        ...                    inputs=["x"], label="y")
        >>> {name: array.shape for name, array in model.init().items()}
        {'weight': (3, 2), 'bias': (3,)}
    """

    read = None

    def __init__(
        self,
        factory: Callable[..., nn.Module] | nn.Module | str,
        *,
        inputs: Sequence[str],
        label: str | None = None,
        loss: str = "cross-entropy",
        arguments: Mapping[str, Any] | None = None,
        trained: Sequence[str] | None = None,
        buffers: Buffers | None = None,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        _check(inputs, label, loss)
        torch = _torch()
        self.factory = _factory(factory, arguments or {})
        module = torch.built(self.factory.make, self.factory.arguments, seed)
        found = dict(module.named_parameters())
        names = _trained(found, trained)
        moving = {n: b for n, b in module.named_buffers() if b.is_floating_point()}
        self.columns = (*inputs, *([] if label is None else [label]))
        self.simulation_only = self.factory.simulation_only
        self.buffers = _buffers(buffers, tuple(moving))
        self.normalisation = torch.normalisation(module, names)
        self.layout = torch.layout_of({name: found[name] for name in names})
        self.kept = torch.layout_of({} if self.buffers == "frozen" else moving)
        self._init = {
            name: (found | moving)[name].detach().cpu().double().numpy().astype(kind)
            for name, kind in {**self.layout.dtypes, **self.kept.dtypes}.items()
        }
        self._said = {
            "inputs": list(inputs), "label": label, "loss": loss,
            "trained": None if trained is None else list(trained),
            "buffers": buffers.model_dump() if isinstance(buffers, Averaged) else buffers,
            "seed": seed,
            "untrained": torch.digest_of(
                {n: t for n, t in module.state_dict().items() if n not in self._init}
            ),
        }  # fmt: skip
        self._network: Network = torch.Network(
            module, trained=names, loss=loss, inputs=tuple(inputs), label=label,
            frozen=self.buffers == "frozen", device=device,
        )  # fmt: skip

    def init(self) -> State:
        """See `Model.init`: the trained parameters, and the buffers that training moves."""
        return dict(self._init)

    def open(self, state: State, data: Data, rng: np.random.Generator) -> TorchSession:
        """See `Model.open`."""
        from confide.learning.modules.torch_session import TorchSession

        return TorchSession(self, self._network, state, data, int(rng.integers(1 << 62)))

    @property
    def at_once(self) -> int:
        """How many parties a simulation trains in step; see `Computation.together`."""
        if self.kept.size or not self._network.joins:
            return 1
        parties: int = _NUMBERS_AT_ONCE // self.layout.size
        return max(1, min(_MOST_AT_ONCE, parties))

    def settings(self) -> Mapping[str, Any]:
        """See `Model.settings`."""
        return {"torch": self.factory.settings() | self._said}

    def check(self, settings: TorchSettings) -> None:
        """Refuses a model that is not what a plan was made with.

        Raises:
            PlanError: Saying what differs.
        """
        self.factory.check(settings.code)
        if settings.untrained not in {None, self._said["untrained"]}:
            raise PlanError(
                f"the parameters of model {self.factory.name!r} that are not trained are not those "
                "that the plan was made with: install the same pretrained ones"
            )

    def module(self, state: State) -> nn.Module:
        """A module of its own with the parameters of a state, ready to predict.

        Args:
            state: That of a run; personal layers are in a party's own state, so join both.

        Raises:
            DataError: If an array is missing or of another shape.
        """
        module = copy.deepcopy(self._network.module)
        module.load_state_dict(self.tensors(state), strict=False)
        return module.eval()

    def predict(self, state: State, data: Columns) -> Reals:
        """The module's outputs, shape `(rows, *outputs)`.

        Args:
            state: Parameters and buffers.
            data: The input columns; a label is not needed.

        Raises:
            DataError: If an array of the state is missing or does not fit, or a column.
        """
        for column in self._said["inputs"]:
            if column not in data:
                raise DataError(f"no column {column!r}; {nearest_column(column, data)}")
        rows = self._network.inputs({n: np.asarray(data[n]) for n in self._said["inputs"]})
        return self._network.predictions(self.tensors(state), rows)

    def accuracy(self, state: State, data: Columns) -> float:
        """The share of labels that have the largest output.

        Raises:
            DataError: As `predict`.
        """
        best = self.predict(state, data).argmax(axis=-1)
        return float((best == np.asarray(data[self.columns[-1]])).mean())

    def tensors(self, state: State) -> dict[str, Tensor]:
        """Parameters and buffers of a state, by name."""
        network = self._network
        kept = self.kept.named(self.kept.flat(state))
        return network.parameters(network.vector(self.layout.flat(state))) | network.buffers(kept)


def _torch() -> Any:
    try:
        from confide.learning.modules import network
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise PlanError("PyTorch models need torch: pip install 'confide[torch]'") from None
    return network


def _factory(given: Any, arguments: Mapping[str, Any]) -> Factory:
    from torch.nn import Module

    if not isinstance(given, Module):
        return Factory.of(given, arguments, Module)
    if arguments:
        raise PlanError("arguments for a module that is made already; give its class instead")
    kind = type(given)
    name = f"{kind.__module__}:{kind.__qualname__}"
    why = f"a {kind.__name__} that was handed over as it is; give its class or a function"
    return Factory(name, partial(copy.deepcopy, given), {}, why, kind)


def _check(inputs: Sequence[str], label: str | None, loss: str) -> None:
    if isinstance(inputs, str) or not inputs:
        raise PlanError(f"inputs {inputs!r}; give a list of the columns that the module takes")
    if loss not in _LOSSES:
        raise PlanError(f"loss {loss!r}; {nearest(loss, _LOSSES)}")
    if (label is None) != (loss == "own"):
        raise PlanError(
            f"loss {loss!r} with label {label!r}: a module with a loss of its own gets its targets "
            "as one of the inputs, and every other loss takes a label"
        )


def _trained(found: Mapping[str, Any], patterns: Sequence[str] | None) -> tuple[str, ...]:
    if patterns is not None:
        return matching(tuple(found), patterns)
    names = tuple(name for name, parameter in found.items() if parameter.requires_grad)
    if not names:
        raise PlanError("no parameter of the module requires a gradient; name some by trained=…")
    return names


def _buffers(said: Buffers | None, moving: tuple[str, ...]) -> Buffers:
    if isinstance(said, str) and said not in {"frozen", "local"}:
        raise PlanError(f"buffers {said!r}; they are 'frozen', 'local' or Averaged(clip_norm_l2=…)")
    if said is None and moving:
        raise PlanError(
            f"the module keeps {', '.join(moving[:3])}{', …' if moving[3:] else ''} beside its "
            "parameters, and what becomes of them is not said: buffers='frozen' leaves them as "
            "they are, 'local' keeps them at each party, Averaged(clip_norm_l2=…) sums them"
        )
    return said if said is not None and moving else "frozen"
