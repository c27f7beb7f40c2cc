"""The simulation suite's work in Apple's pfl, by its `SimulatedBackend` with PyTorch.

Runs in pfl's environment, with one argument (parameters in JSON), and prints one line of JSON.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
from importlib.metadata import version
from typing import Any

import torch
from pfl.aggregate.simulate import SimulatedBackend  # type: ignore[import-not-found]
from pfl.aggregate.weighting import WeightByDatapoints  # type: ignore[import-not-found]
from pfl.algorithm.base import NNAlgorithmParams  # type: ignore[import-not-found]
from pfl.algorithm.federated_averaging import (  # type: ignore[import-not-found]
    FederatedAveraging,
)
from pfl.callback.base import TrainingProcessCallback  # type: ignore[import-not-found]
from pfl.data.dataset import Dataset  # type: ignore[import-not-found]
from pfl.data.federated_dataset import FederatedDataset  # type: ignore[import-not-found]
from pfl.data.sampling import get_user_sampler  # type: ignore[import-not-found]
from pfl.hyperparam import NNTrainHyperParams  # type: ignore[import-not-found]
from pfl.metrics import Metrics  # type: ignore[import-not-found]
from pfl.model.pytorch import PyTorchModel  # type: ignore[import-not-found]

from benchmarks.clients import WORK, client_rows, module
from benchmarks.meter import Stopwatch, peak_rss_bytes


class Net(torch.nn.Module):
    """The model with the methods that pfl calls."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.net = module(model)

    def loss(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch."""
        return torch.nn.functional.cross_entropy(self.net(x), y)

    def metrics(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, Any]:
        """Nothing: evaluation is switched off."""
        return {}


class Clock(TrainingProcessCallback):  # type: ignore[misc]
    """One stopwatch a round."""

    def __init__(self) -> None:
        self.watches: list[Stopwatch] = []
        self._start()

    def _start(self) -> None:
        self.watches.append(Stopwatch())
        self._running = self.watches[-1].running()
        self._running.__enter__()

    def after_central_iteration(self, *_: Any, **__: Any) -> tuple[bool, Any]:
        """Ends a round's time and begins the next one's."""
        self._running.__exit__(None, None, None)
        self._start()
        return False, Metrics()


def main(case: str, rounds: int) -> dict[str, Any]:
    """Seconds of each round after the first."""
    torch.set_num_threads(1)
    work = WORK[case]
    users = list(range(work["clients"]))
    data = {user: tuple(map(torch.from_numpy, client_rows(case, user))) for user in users}
    clients = FederatedDataset(
        lambda user: Dataset(raw_data=list(data[user]), user_id=user),
        get_user_sampler("random", users),
    )
    net, clock = Net(work["model"]), Clock()
    FederatedAveraging().run(
        algorithm_params=NNAlgorithmParams(
            central_num_iterations=rounds + 1, evaluation_frequency=10**6,
            train_cohort_size=work["cohort"], val_cohort_size=0,
        ),
        backend=SimulatedBackend(
            training_data=clients, val_data=clients, postprocessors=[WeightByDatapoints()]
        ),
        model=PyTorchModel(
            net, local_optimizer_create=torch.optim.SGD,
            central_optimizer=torch.optim.SGD(net.parameters(), lr=1.0),
        ),
        model_train_params=NNTrainHyperParams(
            local_learning_rate=0.05, local_num_epochs=1, local_batch_size=work["batch"]
        ),
        callbacks=[clock],
    )  # fmt: skip
    watches = clock.watches[1:-1]
    return {
        "params": {**work, "rounds": rounds, "threads": 1},
        "measured": {
            "wall_s": statistics.median(w.wall_ns / 1e9 for w in watches),
            "cpu_s": statistics.median(w.cpu_ns / 1e9 for w in watches),
            "peak_rss_bytes": peak_rss_bytes(),
        },
        "versions": {
            "python": platform.python_version(), "pfl": version("pfl"),
            "torch": version("torch"),
        },
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(**json.loads(sys.argv[1]))))
