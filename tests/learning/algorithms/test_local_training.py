"""The algorithms that train any model by local steps: against each other, and against papers."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from tests.learning.algorithms.plain import MODEL, PROTECTIONS, TABLE, draw_rows
from tests.learning.modules import nets
from tests.learning.modules.nets import party
from torch import nn

import confide as cf
from confide.computation import find_computation
from confide.engines import Drop
from confide.errors import DataError, PlanError
from confide.learning import partition
from confide.learning.algorithms import (
    Adagrad,
    Adam,
    Momentum,
    Yogi,
    cluster_state,
    ditto,
    fed_avg,
    fed_bn,
    fed_nova,
    fed_opt,
    fed_per,
    fed_prox,
    fed_rep,
    ifca,
    parameter_averaging,
    personal_state,
    scaffold,
)
from confide.learning.algorithms.fed_nova import _length
from confide.learning.algorithms.local import LocalSGD
from confide.learning.modules import Averaged, TorchModel
from confide.plan import Encrypted
from confide.runtime import PartyRun

torch.set_num_threads(1)

NAMES = tuple("abcd")
DATA = {name: party(rows) for name, rows in zip(NAMES, (12, 20, 8, 16), strict=True)}
POOLED = {c: np.concatenate([d[c] for d in DATA.values()]) for c in "xy"}
ROUNDING = 1e-3
"""What the lattice moves a mean of updates by at most, in these plans."""

EVERY: dict[str, Any] = {
    "weight_cap": 20,
    "clip_norm_l2": 0.5,
    "local_steps": 3,
    "learning_rate": 0.2,
}


@cache
def model(**fields):
    arguments: dict[str, Any] = {
        name: fields.pop(name) for name in ("norm", "dropout") if name in fields
    }
    return TorchModel(nets.Mlp, inputs=["x"], label="y", arguments=arguments, **fields)


def run(computation, rounds=1, data=None, how="clear", **fields):
    plan = computation.plan(parties=NAMES, rounds=rounds, **PROTECTIONS[how])
    return cf.simulate(plan, data or DATA, computation=computation, **fields)


def exact(computation, rounds, data=None):
    """The state after rounds whose sums are not rounded to a lattice: the two functions alone."""
    data = data or DATA
    state, own = computation.init(), {n: computation.own and computation.own() for n in data}
    for _ in range(rounds):
        totals = {s.name: np.zeros(s.shape) for s in computation.sums.sums}
        for name, rows in data.items():
            if own[name] is None:
                given = computation.contribute(state, rows, np.random.default_rng(0))
            else:
                given, own[name] = computation.contribute(
                    state, own[name], rows, np.random.default_rng(0)
                )
            totals = {key: total + given[key] for key, total in totals.items()}
        state = computation.update(state, totals)
    return state


def flat(found, of=None):
    return (of or model()).layout.flat(found.state)


def close(one, other, tolerance=ROUNDING):
    return bool(np.abs(one - other).max() <= tolerance)


def descended(rows, *, steps, momentum=0.0, mu=0.0):
    """SGD of torch on all rows, by hand: heavy-ball momentum, and a proximal term in the loss."""
    module = nets.Mlp()
    module.load_state_dict(model().module(model().init()).state_dict())
    parameters = list(module.parameters())
    start = [p.detach().clone() for p in parameters]
    velocity = [torch.zeros_like(p) for p in parameters]
    x, y = (torch.tensor(rows[column]) for column in "xy")
    for _ in range(steps):
        near = sum(((p - s) ** 2).sum() for p, s in zip(parameters, start, strict=True))
        loss = nn.functional.cross_entropy(module(x), y) + mu / 2 * near
        for place, gradient in enumerate(torch.autograd.grad(loss, parameters)):
            velocity[place] = momentum * velocity[place] + gradient
        with torch.no_grad():
            for p, v in zip(parameters, velocity, strict=True):
                p.sub_(0.2 * v)
    return torch.cat([p.detach().reshape(-1) for p in parameters]).numpy()


def moved(found):
    """The test tells something only if training goes further than rounding does."""
    return np.abs(flat(found) - model().layout.flat(model().init())).max() > 20 * ROUNDING


class TestFedAvg:
    def test_of_one_full_step_is_the_pooled_step_of_torch(self):
        found = run(fed_avg(model(), **EVERY | {"local_steps": 1}))
        assert close(flat(found), descended(POOLED, steps=1))
        assert moved(found)

    def test_of_equal_parties_is_sgd_of_torch_with_momentum(self):
        found = run(fed_avg(model(), momentum=0.9, **EVERY), data=dict.fromkeys(NAMES, DATA["b"]))
        assert close(flat(found), descended(DATA["b"], steps=3, momentum=0.9))

    def test_under_every_protection_gives_the_same_bits(self):
        training = fed_avg(model(dropout=0.3), batch_rows=4, **EVERY)
        clear, masked = (run(training, 2, how=how) for how in ("clear", "masked"))
        plan = training.plan(parties=NAMES, rounds=2, aggregation=Encrypted())
        encrypted = cf.simulate(plan, DATA, computation=training)
        for other in (masked, encrypted):
            assert np.array_equal(clear.totals[-1].totals, other.totals[-1].totals)
            for name, array in clear.state.items():
                assert np.array_equal(array, other.state[name])

    def test_twice_gives_the_same_bits_and_with_another_seed_others(self):
        training = fed_avg(model(dropout=0.3), batch_rows=4, **EVERY)
        one, again = run(training, 2), run(training, 2)
        assert np.array_equal(flat(one), flat(again))
        plan = training.plan(parties=NAMES, rounds=2, seed=9, **PROTECTIONS["clear"])
        other = cf.simulate(plan, DATA, computation=training)
        assert not np.array_equal(flat(one), flat(other))

    def test_bounds_what_a_party_with_an_enormous_update_does(self):
        """An attack: one party's rows are scaled until its gradients explode."""
        evil = {**DATA, "c": {"x": DATA["c"]["x"] * 1e4, "y": DATA["c"]["y"]}}
        training = fed_avg(model(), **EVERY | {"clip_norm_l2": 0.05})
        honest, attacked = (run(training, data=data) for data in (DATA, evil))
        weight = sum(len(d["y"]) for d in DATA.values()) / 20
        assert np.linalg.norm(flat(attacked) - flat(honest)) <= 2 * 0.05 / weight * 1.05

    def test_goes_on_without_a_party_whose_training_diverges(self):
        """NaN is that party's dropout, with a reason, and nothing of it is in the sum."""
        odd = {**DATA, "c": {"x": np.full_like(DATA["c"]["x"], 3e38), "y": DATA["c"]["y"]}}
        training = fed_avg(model(), **EVERY)
        plan = training.plan(parties=NAMES, dropouts=1, **PROTECTIONS["masked"])
        found = cf.simulate(plan, odd, computation=training)
        without = cf.simulate(plan, DATA, computation=training, drops=[Drop("c", 0)])
        assert found.rounds[0]["dropped"] == "c (data)"
        assert np.array_equal(flat(found), flat(without))

    def test_names_the_cause_where_no_party_may_be_missing(self):
        odd = {**DATA, "c": {"x": np.full_like(DATA["c"]["x"], 3e38), "y": DATA["c"]["y"]}}
        with pytest.raises(DataError, match="'c': a contribution to sum 'update' is NaN or inf"):
            run(fed_avg(model(), **EVERY), data=odd)

    def test_refuses_the_checkpoint_of_another_plan(self, tmp_path):
        run(fed_avg(model(), **EVERY), checkpoint=tmp_path / "run")
        with pytest.raises(DataError, match="belongs to plan"):
            run(fed_avg(model(), **EVERY | {"learning_rate": 0.3}), checkpoint=tmp_path / "run")

    def test_goes_on_from_a_checkpoint_to_the_same_bits(self, tmp_path):
        training = scaffold(model(dropout=0.3), control_clip_norm_l2=9.0, **EVERY)

        def stop(entry):
            if entry["round"] == 1:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run(training, 4, checkpoint=tmp_path / "run", on_round=stop)
        resumed = run(training, 4, checkpoint=tmp_path / "run")
        assert np.array_equal(flat(resumed), flat(run(training, 4)))


class TestBuffers:
    def test_that_are_averaged_are_the_weighted_mean_of_the_parties(self):
        averaged = model(norm=True, buffers=Averaged(clip_norm_l2=1.0))
        found = run(fed_avg(averaged, **EVERY))
        means, total = 0.0, 0
        for rows in DATA.values():
            module = averaged.module(averaged.init()).train()
            session = averaged.open(averaged.init(), rows, np.random.default_rng(0))
            LocalSGD(steps=3, learning_rate=0.2).descent(session, np.random.default_rng(0)).run()
            means = means + len(rows["y"]) * session.buffers()["norm.running_mean"]
            total += len(rows["y"])
            assert module.get_buffer("norm.running_mean").abs().sum() == 0
        assert close(found.state["norm.running_mean"], means / total, 0.01)

    def test_that_are_local_stay_at_the_parties(self):
        found = run(fed_avg(model(norm=True, buffers="local"), **EVERY), 2)
        assert not any("running" in name for name in found.state)
        own = [found.own[name]["norm.running_mean"] for name in NAMES]
        assert not np.array_equal(own[0], own[1])


class TestFedProx:
    def test_without_its_term_is_fed_avg(self):
        one, other = run(fed_prox(model(), mu=0.0, **EVERY)), run(fed_avg(model(), **EVERY))
        assert np.array_equal(flat(one), flat(other))

    def test_takes_steps_on_the_proximal_loss(self):
        found = run(fed_prox(model(), mu=0.7, **EVERY), data=dict.fromkeys(NAMES, DATA["b"]))
        assert close(flat(found), descended(DATA["b"], steps=3, mu=0.7))
        assert not close(flat(found), descended(DATA["b"], steps=3), 5 * ROUNDING)


class TestFedOpt:
    def test_with_a_plain_step_is_fed_avg(self):
        one = run(fed_opt(model(), server=Momentum(), **EVERY), 2)
        assert np.array_equal(flat(one), flat(run(fed_avg(model(), **EVERY), 2)))

    @pytest.mark.parametrize(
        "server",
        [
            Momentum(learning_rate=0.5, momentum=0.9),
            Adagrad(learning_rate=0.1, tau=0.01),
            Adam(learning_rate=0.1, beta1=0.8, beta2=0.9, tau=0.01),
            Yogi(learning_rate=0.1, beta1=0.8, beta2=0.9, tau=0.01),
        ],
        ids=lambda server: server.kind,
    )
    def test_steps_as_algorithm_2_says(self, server):
        """Coordinate by coordinate, with the branches written out."""
        rng, size = np.random.default_rng(1), 5
        deltas = rng.normal(size=(6, size)) * np.array([0.001, 0.1, 1, 3, 0])
        state, w = server.init(size), np.ones(size)
        for delta in deltas:
            w, after = server.step(state, w, delta)
            state = {**state, **after}
        for i in range(size):
            x, m, v = 1.0, 0.0, getattr(server, "tau", 0) ** 2
            for delta in deltas[:, i]:
                if server.kind == "momentum":
                    m = 0.9 * m + delta
                    x += 0.5 * m
                    continue
                m = server.beta1 * m + (1 - server.beta1) * delta
                if server.kind == "adagrad":
                    v = v + delta**2
                elif server.kind == "adam":
                    v = 0.9 * v + 0.1 * delta**2
                elif v > delta**2:
                    v = v - 0.1 * delta**2
                elif v < delta**2:
                    v = v + 0.1 * delta**2
                x += 0.1 * m / (v**0.5 + 0.01)
            assert w[i] == pytest.approx(x, abs=1e-12)


class TestScaffold:
    def test_in_the_first_round_is_fed_avg(self):
        one = run(scaffold(model(), control_clip_norm_l2=9.0, **EVERY))
        assert np.array_equal(flat(one), flat(run(fed_avg(model(), **EVERY))))

    def test_goes_on_as_algorithm_1_says(self):
        """Three rounds of option II, weighing all parties alike, over torch's gradients."""
        every = EVERY | {"weight_cap": 1, "clip_norm_l2": 1.0}
        found = exact(scaffold(model(), control_clip_norm_l2=1.5, **every), 3)
        x = model().layout.flat(model().init())
        c, c_k = np.zeros_like(x), {name: np.zeros_like(x) for name in NAMES}
        for _ in range(3):
            dy, dc = 0, 0
            for name, rows in DATA.items():
                state = model().layout.named(x)
                session = model().open(state, rows, np.random.default_rng(0))
                y = x
                for _ in range(3):
                    w = session.vector(y)
                    y = y - 0.2 * (session.array(session.gradient(w, slice(None))) - c_k[name] + c)
                after = c_k[name] - c + (x - y) / (3 * 0.2)
                dy, dc = dy + (y - x) / 4, dc + (after - c_k[name]) / 4
                c_k[name] = after
            x, c = x + dy, c + dc
        assert close(model().layout.flat(found), x, 1e-5)
        assert close(found["scaffold/control"], c, 1e-5)
        averaged = exact(fed_avg(model(), **every), 3)
        assert not close(model().layout.flat(found), model().layout.flat(averaged), ROUNDING)

    def test_keeps_the_mean_of_the_parties_variates_also_when_they_are_clipped(self):
        training = scaffold(model(), control_clip_norm_l2=0.1, **EVERY | {"weight_cap": 1})
        found = run(training, 3)
        mean = np.mean([own["scaffold/own_control"] for own in found.own.values()], axis=0)
        assert close(found.state["scaffold/control"], mean)
        assert np.linalg.norm(mean) > 10 * ROUNDING

    def test_is_ahead_of_fed_avg_where_parties_differ(self):
        """On synthetic(1, 1) with many local steps, as in figure 1 of the paper."""
        clients = partition.synthetic(10, alpha=1, beta=1, most_rows=80)
        data = {name: clients.client(name) for name in clients.client_ids}
        linear = TorchModel(
            nn.Linear, arguments={"in_features": 60, "out_features": 10}, inputs=["x"], label="y"
        )
        every: dict[str, Any] = {
            "weight_cap": 1, "clip_norm_l2": 100.0, "local_steps": 15, "batch_rows": 10,
            "learning_rate": 0.05,
        }  # fmt: skip

        def loss(training):
            state = exact(training, 5, data)
            session = linear.open(state, clients.columns, np.random.default_rng(0))
            return session.loss(session.start)

        ours = loss(scaffold(linear, control_clip_norm_l2=1000.0, **every))
        assert ours < 0.8 * loss(fed_avg(linear, **every))

    def test_takes_no_momentum(self):
        with pytest.raises(PlanError, match=r"SCAFFOLD with momentum 0\.9"):
            scaffold(model(), control_clip_norm_l2=1.0, momentum=0.9, **EVERY)


class TestFedNova:
    def test_of_equal_steps_is_fed_avg(self):
        one = run(fed_nova(model(), steps_cap=3, **EVERY))
        assert close(flat(one), flat(run(fed_avg(model(), **EVERY))), 3 * ROUNDING)

    def test_of_unequal_steps_weighs_directions_and_not_updates(self):
        epochs = {"local_steps": None, "local_epochs": 1, "batch_rows": 4}
        found = run(fed_nova(model(), steps_cap=10, **EVERY | epochs))
        w, taken, direction, total = flat_of_init(), 0.0, 0.0, 0
        for name, rows in DATA.items():
            rng = cf_generator(name)
            session = model().open(model().init(), rows, rng)
            local = LocalSGD(epochs=1, batch_rows=4, learning_rate=0.2)
            n, steps = len(rows["y"]), local.steps_of(len(rows["y"]))
            ended = session.array(local.descent(session, rng).run())
            taken, direction = taken + n * steps, direction + n * (ended - w) / steps
            total += n
        assert close(flat(found), w + taken / total * direction / total, 5 * ROUNDING)
        assert not close(flat(found), flat(run(fed_avg(model(), **EVERY | epochs))), 5 * ROUNDING)

    @pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
    def test_counts_steps_with_momentum_by_what_they_add_up_to(self, momentum):
        weights = [sum(momentum**i for i in range(7 - j)) for j in range(7)]
        assert _length(7, momentum) == pytest.approx(sum(weights))


def flat_of_init():
    return model().layout.flat(model().init())


def cf_generator(name):
    from confide.randomness import public_generator

    return public_generator("contribution", 0, name, 0)


class TestParameterAveraging:
    def test_unclipped_is_fed_avg(self):
        one = run(parameter_averaging(model(), **EVERY | {"clip_norm_l2": 4.0}), 2)
        assert close(flat(one), flat(run(fed_avg(model(), **EVERY), 2)), 10 * ROUNDING)

    def test_clipped_shrinks_the_model_where_fed_avg_stays(self):
        small = EVERY | {"clip_norm_l2": 0.01}
        start = np.linalg.norm(flat_of_init())
        assert np.linalg.norm(flat(run(parameter_averaging(model(), **small)))) < start / 2
        assert np.linalg.norm(flat(run(fed_avg(model(), **small)))) > start / 2


class TestPersonal:
    @pytest.mark.parametrize("algorithm", [fed_per, fed_rep])
    def test_layers_are_in_no_sum_no_state_and_no_message(self, algorithm, monkeypatch):
        more = {"head_steps": 2} if algorithm is fed_rep else {}
        training = algorithm(model(), personal=["head.*"], **more, **EVERY)
        wire, receive = [], PartyRun.receive

        def listening(self, message):
            wire.append(bytes(message))
            answer = receive(self, message)
            wire.append(answer or b"")
            return answer

        monkeypatch.setattr(PartyRun, "receive", listening)
        found = run(training, 2)
        sent = b"".join(wire)
        assert sorted(found.state) == ["body.bias", "body.weight"]
        assert training.sums.size == 6 * 4 + 6 + 1
        for own in found.own.values():
            for values in (own["head.weight"], own["head.bias"]):
                for number in values.ravel():
                    assert np.float32(number).tobytes() not in sent
                    assert np.float64(number).tobytes() not in sent

    def test_layers_fit_their_own_party(self):
        """Labels mean something else at each party: what one model cannot learn, heads can."""
        data = {n: {"x": d["x"], "y": (d["y"] + i) % 3} for i, (n, d) in enumerate(DATA.items())}
        more = EVERY | {"local_steps": 10, "learning_rate": 0.5, "clip_norm_l2": 4.0}
        common = run(fed_avg(model(), **more), 3, data=data)
        for training in (
            fed_per(model(), personal=["head.*"], **more),
            fed_rep(model(), personal=["head.*"], head_steps=5, **more),
            ditto(model(), lambda_=0.01, **more),
        ):
            found = run(training, 3, data=data)
            mine = [
                model().accuracy(personal_state(found.state, found.own[n]), data[n]) for n in NAMES
            ]
            everybody = [model().accuracy(common.state, data[n]) for n in NAMES]
            assert np.mean(mine) > np.mean(everybody) + 0.1

    def test_head_is_trained_first_and_the_representation_with_it_fixed(self):
        """FedRep, Algorithm 1, at one party, step by step."""
        training: Any = fed_rep(model(), personal=["head.*"], head_steps=2, **EVERY)
        state, own = dict(training.init()), dict(training.own())
        given, after = training.contribute(state, own, DATA["b"], np.random.default_rng(0))
        head = model().layout.mask(["head.*"])
        session = model().open(model().init(), DATA["b"], np.random.default_rng(0))
        w = flat_of_init()
        for step in range(5):
            gradient = session.array(session.gradient(session.vector(w), slice(None)))
            w = w - 0.2 * gradient * (head if step < 2 else ~head)
        assert np.allclose(np.concatenate([a.ravel() for a in after.values()]), w[head], atol=1e-6)
        share = len(DATA["b"]["y"]) / 20
        assert np.allclose(given["update"], share * (w - flat_of_init())[~head], atol=1e-6)

    def test_normalisation_of_fed_bn_stays_at_each_party(self):
        found = run(fed_bn(model(norm=True, buffers="local"), **EVERY), 2)
        assert not any(name.startswith("norm") for name in found.state)
        assert {"norm.weight", "norm.bias", "norm.running_mean"} <= set(found.own["a"])

    def test_fed_bn_refuses_statistics_that_are_not_local(self):
        with pytest.raises(PlanError, match="with buffers='local'"):
            fed_bn(model(norm=True, buffers=Averaged(clip_norm_l2=1.0)), **EVERY)
        with pytest.raises(PlanError, match="without normalisation layers"):
            fed_bn(model(), **EVERY)

    def test_models_of_ditto_are_kept_near_the_common_one(self):
        far, near = (run(ditto(model(), lambda_=x, **EVERY), 2) for x in (0.0, 3.0))

        def distance(found):
            own = model().layout.flat(personal_state(found.state, found.own["a"]))
            return np.linalg.norm(own - flat(found))

        assert np.array_equal(flat(far), flat(near))
        assert distance(near) < distance(far) / 2

    def test_ditto_alone_is_training_alone(self):
        found = run(ditto(model(), lambda_=0.0, **EVERY), 2)
        session = model().open(model().init(), DATA["a"], np.random.default_rng(0))
        w = session.array(
            LocalSGD(steps=6, learning_rate=0.2).descent(session, np.random.default_rng(0)).run()
        )
        own = model().layout.flat(personal_state(found.state, found.own["a"]))
        assert np.allclose(own, w, atol=1e-5)

    @pytest.mark.parametrize(("names", "said"), [([], "no parameter is"), (["*"], "all param")])
    def test_layers_are_some_and_not_all(self, names, said):
        with pytest.raises(PlanError, match=said):
            fed_per(model(), personal=names, **EVERY)


class TestIfca:
    def test_finds_the_two_kinds_of_parties(self):
        """Two parties have the labels of the others turned around; a generalised linear model."""
        data = {n: dict(draw_rows(40, seed=3)) for n in NAMES}
        for name in "cd":
            data[name]["y"] = 1 - data[name]["y"]
        training = ifca(MODEL, TABLE, clusters=2, spread=0.5, **EVERY | {"clip_norm_l2": 3.0})
        found = run(training, 5, data=data)

        def loss(name, cluster):
            w = cluster_state(found.state, cluster)["parameters"]
            return MODEL.loss(w, TABLE.inputs(data[name]), data[name]["y"])

        best = {name: min(range(2), key=lambda cluster: loss(name, cluster)) for name in NAMES}
        assert best["a"] == best["b"] != best["c"] == best["d"]
        common = run(fed_avg(MODEL, TABLE, **EVERY | {"clip_norm_l2": 3.0}), 5, data=data)
        alike = MODEL.loss(common.state["parameters"], TABLE.inputs(data["a"]), data["a"]["y"])
        assert loss("a", best["a"]) < alike - 0.1
        assert training.sums["update"].shape == (2, 3)

    def test_a_model_that_suits_nobody_stays(self):
        training = ifca(model(), clusters=2, **EVERY)
        totals = {"update": np.ones((2, model().layout.size)), "weight": np.array([0.5, 0.0])}
        before = training.init()
        after = training.update(before, totals)
        assert not np.array_equal(after["cluster0/body.bias"], before["cluster0/body.bias"])
        assert np.array_equal(after["cluster1/body.bias"], before["cluster1/body.bias"])


TRAININGS = {
    "fed-avg": fed_avg(model(norm=True, buffers=Averaged(clip_norm_l2=1.0)), **EVERY),
    "fed-avg by epochs": fed_avg(
        model(), weight_cap=9, clip_norm_l2=1.0, local_epochs=2, momentum=0.5
    ),
    "fed-prox": fed_prox(model(), mu=0.1, server=Yogi(), **EVERY),
    "fed-opt": fed_opt(model(), server=Adam(learning_rate=0.1), **EVERY),
    "scaffold": scaffold(model(), control_clip_norm_l2=1.0, participation=0.5, **EVERY),
    "fed-nova": fed_nova(model(), steps_cap=10, **EVERY),
    "parameter-averaging": parameter_averaging(model(), **EVERY),
    "fed-per": fed_per(model(), personal=["head.*"], **EVERY),
    "fed-rep": fed_rep(model(), personal=["head.*"], head_steps=2, **EVERY),
    "fed-bn": fed_bn(model(norm=True, buffers="local"), **EVERY),
    "ditto": ditto(model(), lambda_=0.1, **EVERY),
    "ifca": ifca(model(), clusters=3, **EVERY),
}


@pytest.mark.parametrize("name", TRAININGS)
class TestEveryAlgorithm:
    def test_is_found_again_by_the_plan_s_task(self, name):
        task = TRAININGS[name].task
        assert find_computation(task).task == task

    def test_runs_under_masks_as_in_clear(self, name):
        clear, masked = (run(TRAININGS[name], 2, how=how) for how in ("clear", "masked"))
        assert sorted(clear.state) == sorted(masked.state)
        for array, other in zip(clear.state.values(), masked.state.values(), strict=True):
            assert np.array_equal(array, other)

    def test_moves_nothing_without_weight(self, name):
        training = TRAININGS[name]
        totals = {s.name: np.zeros(s.shape) for s in training.sums.sums}
        before = training.init()
        assert training.update(before, totals) == before


class TestLocalSteps:
    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"local_epochs": 2}, "both local_steps and local_epochs"),
            ({"momentum": 1.0}, r"momentum is 1\.0"),
            ({"batch_rows": 0}, "batch_rows is 0"),
            ({"weight_cap": 0}, "weight_cap is 0"),
        ],
    )
    def test_out_of_range_are_refused(self, fields, said):
        with pytest.raises(PlanError, match=said):
            fed_avg(model(), **EVERY | fields)

    def test_of_an_epoch_meet_every_row_once(self):
        batches = list(LocalSGD(epochs=1, batch_rows=4).batches(10, np.random.default_rng(0)))
        assert [len(batch) for batch in batches] == [4, 4, 2]
        assert sorted(np.concatenate(batches)) == list(range(10))

    def test_of_what_is_no_model_are_refused(self):
        with pytest.raises(PlanError, match="a model of type Linear; give a TorchModel"):
            fed_avg(nn.Linear(1, 1), **EVERY)  # type: ignore[arg-type]
