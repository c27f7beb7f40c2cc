"""Flower's SecAgg+ on the work of the aggregation suite, in this one process.

Its own workflow drives its own client mod. In place of the network stands a grid that calls the mod
of one client after another, so that all time is the protocol's; messages are turned to protobuf
only to be measured. Clients that drop out vanish when asked for their masked vector, after their
keys were shared.

Runs in Flower's environment, with one argument (parameters in JSON), and prints one line of JSON.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
from collections.abc import Iterable
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import numpy as np
from flwr.app import (  # type: ignore[import-not-found]
    ConfigRecord,
    Context,
    Error,
    Message,
    RecordDict,
)
from flwr.client.mod import secaggplus_mod  # type: ignore[import-not-found]
from flwr.common import (  # type: ignore[import-not-found]
    Code,
    FitIns,
    FitRes,
    Status,
    ndarrays_to_parameters,
    parameters_to_ndarrays,
)
from flwr.common.serde import recorddict_to_proto  # type: ignore[import-not-found]
from flwr.compat.common import (  # type: ignore[import-not-found]
    recorddict_compat,
)
from flwr.server.compat.legacy_context import (  # type: ignore[import-not-found]
    LegacyContext,
)
from flwr.server.workflow import (  # type: ignore[import-not-found]
    SecAggPlusWorkflow,
)
from flwr.server.workflow.constant import (  # type: ignore[import-not-found]
    MAIN_CONFIGS_RECORD,
    MAIN_PARAMS_RECORD,
)
from flwr.supercore.task_identity import TaskIdentity  # type: ignore[import-not-found]
from numpy.typing import NDArray

from benchmarks.meter import Stopwatch, peak_rss_bytes

Vector = NDArray[np.float32]

_SERVER = 0
_CONFIGS = "secaggplus_configs"
_EXAMPLES = 10
_TOLERANCE = 1e-3


class _Client:
    """One client: its mod and its state, on the clock except for the making of its vector."""

    def __init__(self, node: int, base: Vector, factor: np.float32) -> None:
        self._context = Context(
            run_id=1, node_id=node, node_config={}, state=RecordDict(), run_config={}
        )
        self._base, self._factor = base, factor
        self._answering, self._fitting = Stopwatch(), Stopwatch()
        self.sent_bytes = self.received_bytes = 0

    @property
    def own_time(self) -> Stopwatch:
        """Time of the protocol alone."""
        return self._answering.less(self._fitting)

    def answer(self, message: Message) -> Message:
        """Lets the mod answer."""
        self.received_bytes += recorddict_to_proto(message.content).ByteSize()
        with self._answering.running():
            reply = secaggplus_mod(message, self._context, self._fit)
        self.sent_bytes += recorddict_to_proto(reply.content).ByteSize()
        return reply

    def _fit(self, message: Message, _: Context) -> Message:
        with self._fitting.running():
            parameters = ndarrays_to_parameters([self._base * self._factor])
            result = FitRes(Status(Code.OK, ""), parameters, _EXAMPLES, {})
            content = recorddict_compat.fitres_to_recorddict(result, keep_input=False)
            return Message(content, reply_to=message)


class _Grid:
    """What the workflow needs of a grid: each client answers, one after another."""

    def __init__(self, clients: dict[int, _Client], dropping: set[int]) -> None:
        self._clients, self._dropping = clients, dropping
        self.inside = Stopwatch()

    def send_and_receive(
        self,
        messages: Iterable[Message],
        timeout: float | None = None,
    ) -> list[Message]:
        """Hands out messages and gathers the answers."""
        with self.inside.running():
            replies = [self._deliver(message) for message in messages]
            TaskIdentity.node_id = _SERVER
        return replies

    def _deliver(self, sent: Message) -> Message:
        node = sent.metadata.dst_node_id
        # The mod takes keys out of the record it is given, and the workflow sends one record to
        # all: over a network each client has a copy.
        content = RecordDict(dict(sent.content.items()))
        content[_CONFIGS] = ConfigRecord(dict(sent.content.config_records[_CONFIGS]))
        message = Message(content, dst_node_id=node, message_type=sent.metadata.message_type)
        TaskIdentity.node_id = node
        if node in self._dropping and content[_CONFIGS]["stage"] == "collect_masked_vectors":
            return Message(Error(1, "gone"), reply_to=message)
        return self._clients[node].answer(message)


class _Strategy:
    """Asks every client, and takes the mean that the workflow computed."""

    mean: Vector

    def __init__(self, nodes: Iterable[int]) -> None:
        self._nodes = list(nodes)

    def configure_fit(self, _round: int, parameters: Any, _manager: Any) -> list[Any]:
        """All clients, with nothing to configure."""
        return [
            (SimpleNamespace(node_id=node, cid=str(node)), FitIns(parameters, {}))
            for node in self._nodes
        ]

    def aggregate_fit(self, _round: int, results: list[Any], _failures: list[Any]) -> Any:
        """Every result carries the mean already."""
        parameters = results[0][1].parameters
        (self.mean,) = parameters_to_ndarrays(parameters)
        return parameters, {}


def _context(strategy: _Strategy, coordinates: int) -> LegacyContext:
    inner = Context(run_id=1, node_id=_SERVER, node_config={}, state=RecordDict(), run_config={})
    context = LegacyContext(context=inner, strategy=strategy, client_manager=None, config=None)
    context.state.config_records[MAIN_CONFIGS_RECORD] = ConfigRecord({"current_round": 1})
    start = ndarrays_to_parameters([np.zeros(coordinates, np.float32)])
    context.state.array_records[MAIN_PARAMS_RECORD] = recorddict_compat.parameters_to_arrayrecord(
        start, keep_input=False
    )
    return context


def measure(params: dict[str, Any]) -> dict[str, float]:
    """One round.

    Raises:
        RuntimeError: If Flower gives no mean, or a wrong one.
    """
    n, generator = params["parties"], np.random.default_rng(params["seed"])
    base = generator.standard_normal(params["coordinates"]).astype(np.float32)
    factors = {node: np.float32(0.5 + node / n) for node in range(1, n + 1)}
    dropping = set(generator.choice(list(factors), params["dropping"], replace=False).tolist())
    clients = {node: _Client(node, base, factor) for node, factor in factors.items()}
    grid, strategy = _Grid(clients, dropping), _Strategy(factors)
    workflow = SecAggPlusWorkflow(
        num_shares=params["num_shares"],
        reconstruction_threshold=params["reconstruction_threshold"],
        max_weight=100.0,
    )
    context, whole = _context(strategy, params["coordinates"]), Stopwatch()
    with whole.running():
        workflow(grid, context)
    last = [factors[node] for node in factors.keys() - dropping]
    error = float(np.abs(strategy.mean - np.mean(last) * base).max())
    if not error < _TOLERANCE:
        raise RuntimeError(f"Flower's mean is off by {error}")
    return _measures(clients, dropping, whole.less(grid.inside)) | {"largest_error": error}


def _measures(
    clients: dict[int, _Client], dropping: set[int], server: Stopwatch
) -> dict[str, float]:
    last = [clients[node].own_time for node in clients.keys() - dropping]
    everybody = sum(client.own_time.wall_ns for client in clients.values())
    return {
        "wall_s": (server.wall_ns + everybody) / 1e9,
        "server_wall_s": server.wall_ns / 1e9,
        "server_cpu_s": server.cpu_ns / 1e9,
        "client_median_wall_s": statistics.median(t.wall_ns for t in last) / 1e9,
        "client_max_wall_s": max(t.wall_ns for t in last) / 1e9,
        "client_median_cpu_s": statistics.median(t.cpu_ns for t in last) / 1e9,
        "client_max_cpu_s": max(t.cpu_ns for t in last) / 1e9,
        "client_sent_bytes": max(client.sent_bytes for client in clients.values()),
        "client_received_bytes": max(client.received_bytes for client in clients.values()),
        "process_peak_rss_bytes": peak_rss_bytes(),
    }


def main() -> None:
    """Measures as often as asked."""
    params = json.loads(sys.argv[1])
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, _SERVER
    answer = {
        "rounds": [measure(params) for _ in range(params["repeats"])],
        "versions": {
            "python": platform.python_version(),
            "flwr": version("flwr"),
            "numpy": version("numpy"),
            "cryptography": version("cryptography"),
        },
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
