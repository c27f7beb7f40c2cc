"""PyTorch modules: parameters under their own names, gradients as torch's own, buffers as said."""

from typing import Any

import numpy as np
import pytest
import torch
from tests.learning.modules import nets
from tests.learning.modules.nets import party
from torch import nn

from confide.errors import DataError, PlanError
from confide.learning.algorithms import fed_avg
from confide.learning.modules import Averaged, Model, TorchModel
from confide.learning.modules.torch_model import TorchSettings

torch.set_num_threads(1)

DATA = party(20)
RNG = np.random.default_rng(0)
ALL = slice(None)
EVERY: dict[str, Any] = {
    "weight_cap": 50,
    "clip_norm_l2": 5.0,
    "local_steps": 4,
    "learning_rate": 0.1,
}


def make(factory=nets.Mlp, **fields):
    arguments = {
        k: fields.pop(k) for k in list(fields) if k in {"hidden", "dropout", "norm", "dtype"}
    }
    return TorchModel(factory, **{"inputs": ["x"], "label": "y", "arguments": arguments, **fields})


def opened(model, data=DATA, state=None, seed=0):
    return model.open(model.init() if state is None else state, data, np.random.default_rng(seed))


class TestState:
    def test_has_the_names_and_values_of_the_module_s_state_dict(self):
        torch.manual_seed(7)
        expected = nets.Mlp().state_dict()
        found = make(seed=7).init()
        assert list(found) == list(expected)
        for name, tensor in expected.items():
            assert np.array_equal(found[name], tensor.numpy())
            assert found[name].dtype == np.float32

    def test_making_a_model_leaves_torch_s_generator_as_it_was(self):
        torch.manual_seed(1)
        before = torch.get_rng_state()
        make(seed=3)
        assert torch.equal(torch.get_rng_state(), before)

    def test_goes_back_into_a_module(self):
        model = make()
        state = {name: array + 1 for name, array in model.init().items()}
        loaded = nets.Mlp()
        loaded.load_state_dict(model.module(state).state_dict())
        expected = loaded(torch.tensor(DATA["x"])).detach().numpy()
        assert np.allclose(model.predict(state, DATA), expected, atol=1e-6)

    def test_of_another_shape_is_refused(self):
        with pytest.raises(
            DataError, match=r"'body.weight' has shape \(9, 4\).*model's is \(6, 4\)"
        ):
            make().predict(make(hidden=9).init(), DATA)

    def test_without_an_array_is_refused(self):
        state = make().init()
        del state["head.bias"]
        with pytest.raises(DataError, match=r"no array 'head\.bias'"):
            make().predict(state, DATA)


class TestGradient:
    @pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
    def test_is_torch_s(self, dtype):
        model, module = make(dtype=dtype, seed=3), nets.Mlp(dtype=dtype)
        session = opened(model)
        module.load_state_dict(model.module(model.init()).state_dict())
        x = torch.tensor(DATA["x"]).to(getattr(torch, dtype))
        nn.functional.cross_entropy(module(x), torch.tensor(DATA["y"])).backward()
        gradients: list[Any] = [p.grad for p in module.parameters()]
        expected = torch.cat([g.reshape(-1).double() for g in gradients]).numpy()
        found = session.array(session.gradient(session.start, ALL))
        assert np.allclose(found, expected, atol=1e-2 if dtype == "bfloat16" else 1e-6)

    def test_of_bfloat16_is_taken_at_parameters_kept_exactly(self):
        model = make(dtype="bfloat16")
        state = model.init()
        again = torch.tensor(state["body.weight"]).bfloat16().float().numpy()
        assert state["body.weight"].dtype == np.float32
        assert np.array_equal(state["body.weight"], again)
        assert model.module(state).body.weight.dtype == torch.bfloat16

    def test_leaves_module_and_state_alone(self):
        model = make(norm=True, buffers="local")
        before = {n: t.clone() for n, t in model.module(model.init()).state_dict().items()}
        session = opened(model)
        session.gradient(session.start, ALL)
        for name, tensor in model.module(model.init()).state_dict().items():
            assert torch.equal(tensor, before[name])

    def test_of_images_and_of_sequences(self):
        rng = np.random.default_rng(0)
        images = {"x": rng.random((9, 8, 8), np.float32), "y": rng.integers(0, 3, 9)}
        text = rng.integers(0, 5, (9, 7))
        for model, data in (
            (make(nets.Convolution), images),
            (make(nets.Letters), {"x": text[:, :-1], "y": text[:, 1:]}),
        ):
            session = opened(model, data)
            assert session.array(session.gradient(session.start, np.arange(4))).any()

    def test_of_a_module_with_a_loss_of_its_own(self):
        own = TorchModel(nets.OwnLoss, inputs=["features", "labels"], loss="own", seed=5)
        plain = TorchModel(
            nn.Linear, arguments={"in_features": 4, "out_features": 3}, inputs=["x"], label="y",
            seed=5,
        )  # fmt: skip
        one = opened(own, {"features": DATA["x"], "labels": DATA["y"]})
        other = opened(plain)
        assert torch.equal(one.gradient(one.start, ALL), other.gradient(other.start, ALL))

    @pytest.mark.parametrize("loss", ["binary-cross-entropy", "squared-error"])
    def test_of_the_other_losses(self, loss):
        model = TorchModel(
            nn.Linear, arguments={"in_features": 4, "out_features": 1}, inputs=["x"], label="y",
            loss=loss,
        )  # fmt: skip
        y = (DATA["y"] > 0).astype(float)
        session = opened(model, {"x": DATA["x"], "y": y})
        w = session.array(session.start)
        eta = DATA["x"] @ w[:4] + w[4]
        mean = 1 / (1 + np.exp(-eta)) if loss == "binary-cross-entropy" else eta
        scale = 1 if loss == "binary-cross-entropy" else 2
        expected = scale * (mean - y) @ np.c_[DATA["x"], np.ones(20)] / 20
        found = session.array(session.gradient(session.start, ALL))
        assert np.allclose(found, expected, atol=1e-6)


class TestDropout:
    def test_is_drawn_from_the_seed_that_the_round_gives(self):
        model = make(dropout=0.5)

        def gradients(seed):
            session = opened(model, seed=seed)
            return [session.gradient(session.start, ALL) for _ in range(2)]

        one, again, other = gradients(1), gradients(1), gradients(2)
        assert torch.equal(one[0], again[0])
        assert torch.equal(one[1], again[1])
        assert not torch.equal(one[0], one[1])
        assert not torch.equal(one[0], other[0])

    def test_leaves_the_process_s_generator_as_it_was(self):
        torch.manual_seed(1)
        before = torch.get_rng_state()
        session = opened(make(dropout=0.5))
        session.gradient(session.start, ALL)
        assert torch.equal(torch.get_rng_state(), before)

    def test_is_off_when_predicting(self):
        model = make(dropout=0.5)
        assert np.array_equal(model.predict(model.init(), DATA), model.predict(model.init(), DATA))


class TestTrained:
    def test_are_those_that_are_named_and_no_others(self):
        model = TorchModel(
            nets.LoraLinear, arguments={"inputs": 4, "outputs": 3, "rank": 2},
            inputs=["x"], label="y", trained=["lora_*"],
        )  # fmt: skip
        assert list(model.init()) == ["lora_a", "lora_b"]
        assert fed_avg(model, **EVERY).sums["update"].shape == (2 * 4 + 3 * 2,)
        assert "base.weight" in model.module(model.init()).state_dict()

    def test_name_that_fits_nothing_is_refused(self):
        with pytest.raises(
            PlanError, match=r"no parameter is called 'haed\.\*'; did you mean 'head"
        ):
            make(trained=["haed.*"])

    def test_without_any_is_refused(self):
        with pytest.raises(PlanError, match="no parameter of the module requires a gradient"):
            make(lambda: nets.Mlp().requires_grad_(False))

    def test_without_a_gradient_is_refused(self):
        session = opened(make(nets.Unused))
        with pytest.raises(PlanError, match=r"without a gradient: unused\.weight, unused\.bias"):
            session.gradient(session.start, ALL)
        allowed = opened(make(nets.Unused, trained=["used.*"]))
        assert allowed.array(allowed.gradient(allowed.start, ALL)).shape == (15,)

    def test_other_pretrained_parameters_than_agreed_are_refused(self):
        model = make(trained=["head.*"])
        said = {**model.settings()["torch"], "untrained": "00" * 32}
        with pytest.raises(PlanError, match="not those that the plan was made with"):
            TorchSettings.read(said, "torch").model()


class TestBuffers:
    def test_that_training_moves_are_not_passed_over_in_silence(self):
        with pytest.raises(PlanError, match=r"norm\.running_mean, norm\.running_var.*is not said"):
            make(norm=True)

    def test_frozen_normalise_as_they_are(self):
        model = make(norm=True, buffers="frozen")
        session = opened(model)
        session.gradient(session.start, ALL)
        assert model.kept.size == 0
        assert session.buffers() == {}
        alone, among = opened(model), opened(model, {n: c[:1] for n, c in DATA.items()})
        one = alone.gradient(alone.start, np.arange(1))
        assert torch.allclose(one, among.gradient(among.start, ALL), atol=1e-6)

    @pytest.mark.parametrize("policy", ["local", Averaged(clip_norm_l2=1.0)])
    def test_otherwise_move_as_in_torch(self, policy):
        model = make(norm=True, buffers=policy)
        module = model.module(model.init()).train()
        module(torch.tensor(DATA["x"]))
        session = opened(model)
        session.gradient(session.start, ALL)
        for name, array in session.buffers().items():
            assert np.allclose(array, module.get_buffer(name).numpy(), atol=1e-6)

    def test_of_another_word_are_refused(self):
        with pytest.raises(PlanError, match="buffers 'mean'"):
            make(norm=True, buffers="mean")


class TestRefusals:
    def test_of_another_generator(self):
        session = opened(make(nets.OtherDice))
        with pytest.raises(PlanError, match="two gradients for the same rows and the same seed"):
            session.gradient(session.start, ALL)

    @pytest.mark.parametrize(
        ("labels", "said"),
        [
            (
                np.where(np.arange(20) == 7, 3, DATA["y"]),
                "none of the module's 3 .*record 7",
            ),
            (np.where(np.arange(20) == 7, -1, DATA["y"]), "below 0, first in record 7"),
            (np.where(np.arange(20) == 7, 0.5, DATA["y"]), "not a whole number, first in record 7"),
        ],
    )
    def test_of_labels_that_were_not_agreed_on(self, labels, said):
        model = make()

        def train():
            session = opened(model, {"x": DATA["x"], "y": labels})
            session.gradient(session.start, ALL)

        with pytest.raises(DataError, match=f"column 'y' has a class that is {said}"):
            train()

    def test_of_columns_that_do_not_fit_tells_shapes_and_no_values(self):
        session = opened(make(), {"x": np.full((20, 5), 12345.0), "y": DATA["y"]})
        with pytest.raises(DataError, match=r"'x' of shape \(rows, 5\) and torch.float32") as error:
            session.gradient(session.start, ALL)
        assert "12345" not in str(error.value)

    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"inputs": "x"}, "give a list of the columns"),
            ({"inputs": []}, "give a list of the columns"),
            ({"loss": "crossentropy"}, "did you mean 'cross-entropy'"),
            ({"label": None}, "every other loss takes a label"),
            ({"loss": "own"}, "gets its targets as one of the inputs"),
        ],
    )
    def test_of_arguments(self, fields, said):
        with pytest.raises(PlanError, match=said):
            make(**fields)

    def test_of_what_is_no_module(self):
        with pytest.raises(PlanError, match=r"made a dict, no torch\.nn\.Module"):
            make(dict)

    def test_of_arguments_that_the_factory_does_not_take(self):
        with pytest.raises(PlanError, match="cannot be made with these arguments"):
            TorchModel(nets.Mlp, inputs=["x"], label="y", arguments={"width": 3})


def test_a_model_is_one():
    assert isinstance(make(), Model)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_on_a_gpu_the_gradient_is_the_same_up_to_rounding():
    here, there = opened(make(dropout=0.0)), opened(make(device="cuda"))
    found = there.array(there.gradient(there.start, ALL))
    assert np.allclose(found, here.array(here.gradient(here.start, ALL)), atol=1e-5)
