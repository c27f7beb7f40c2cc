"""A PyTorch module at one party in one round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from confide.computation import Data, State
from confide.learning.modules.descending import descend, descend_together
from confide.learning.modules.descent import Descent
from confide.learning.modules.network import Network, rows_of

if TYPE_CHECKING:
    from confide.learning.modules.torch_model import TorchModel

__all__ = ["TorchSession"]

Reals = NDArray[np.float64]


class TorchSession:
    """A module at one party in one round; see `Session`."""

    def __init__(
        self, model: TorchModel, network: Network, state: State, data: Data, seed: int
    ) -> None:
        self._model, self._network = model, network
        self.data = network.rows(data)
        self.rows = len(next(iter(data.values())))
        self.start = network.vector(model.layout.flat(state))
        self._buffers = network.buffers(model.kept.named(model.kept.flat(state)))
        self._dice = network.first_dice(seed)

    def gradient(self, w: Tensor, batch: Any) -> Tensor:
        """See `Session.gradient`."""
        with self._network.dice(self._dice):
            return self._network.gradient(w, self._buffers, rows_of(self.data, batch))

    def descend(self, descent: Descent) -> Tensor:
        """See `Descends.descend`."""
        with self._network.dice(self._dice):
            return descend(self._network, descent, self.data, self._buffers)

    def descend_together(self, descents: Sequence[Descent]) -> Sequence[Tensor] | None:
        """See `Descends.descend_together`."""
        parties = [(d, d.session.data) for d in descents if isinstance(d.session, TorchSession)]
        return descend_together(self._network, parties, self._buffers)

    def loss(self, w: Tensor) -> float:
        """See `Session.loss`."""
        tensors = {**self._network.parameters(w), **self._buffers}
        return self._network.mean_loss(tensors, self.data)

    def vector(self, flat: Reals) -> Tensor:
        """See `Session.vector`."""
        return self._network.vector(flat)

    def array(self, w: Tensor) -> Reals:
        """See `Session.array`."""
        found: Reals = w.cpu().double().numpy()
        return found

    def buffers(self) -> State:
        """See `Session.buffers`."""
        dtypes = self._model.kept.dtypes
        return {n: self._buffers[n].cpu().double().numpy().astype(d) for n, d in dtypes.items()}
