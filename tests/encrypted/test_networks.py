"""Networks on ciphertexts: layers of weights as they are, activations as fitted polynomials."""

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier, MLPRegressor

from confide import he
from confide.encrypted.models import scorer_of
from confide.encrypted.networks import ACTIVATIONS, Affine, fitted, network_of
from confide.errors import DataError, PlanError

RNG = np.random.default_rng(3)
X = RNG.uniform(0, 16, (200, 3))


def perceptron() -> MLPClassifier:
    """Two hidden units, of three classes."""
    labels = np.array(["a", "b", "c"])[(X[:, 0] // 6).astype(int)]
    return MLPClassifier(
        hidden_layer_sizes=(2,), activation="tanh", max_iter=60, random_state=1
    ).fit(X, labels)


@pytest.mark.filterwarnings("ignore")
def test_a_perceptron_is_scored_as_its_polynomials_in_clear() -> None:
    made = scorer_of(perceptron(), bounds=(0, 16), samples=X, degree=3, rows=16)
    secret = he.SecretKey(he.Context(made.job.parameters))
    keys = secret.evaluation_keys_of(made.job.needs)
    blocks = [made.score(keys, block) for block in made.job.encrypt(secret, X[:20])]
    found = made.job.scores(secret, blocks, 20)
    clear = made.circuit.in_clear(made.job.reading.encode(X[:20]))
    assert np.abs(found - clear).max() < made.job.error
    assert set(made.job.answers(found)["prediction"]) <= {"a", "b", "c"}
    assert made.plan.declarations  # ranges that nothing enforces are said


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_polynomials_are_near_the_network(kind: type) -> None:
    targets = X[:, 0] + X[:, 1] > 16 if kind is MLPClassifier else X[:, 0] / 4
    model = kind(hidden_layer_sizes=(3,), max_iter=80, random_state=1).fit(X, targets)
    made = scorer_of(model, bounds=(0, 16), samples=X, degree=15, rows=16, precision=1e-2)
    answers = made.job.answers(made.circuit.in_clear(made.job.reading.encode(X)))
    want, found = model.predict(X), answers["prediction"]
    if kind is MLPClassifier:
        assert np.mean(want.astype(str) == found.astype(str)) > 0.97
    else:
        assert np.abs(want - found).max() < 0.3


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_fits_are_near_where_inputs_are(name: str) -> None:
    inputs = RNG.normal(0, 1, (500, 2)) * [1, 4]
    scaling, activation = fitted(ACTIVATIONS[name], inputs, 31)
    found = activation.in_clear(scaling.in_clear(inputs))
    assert np.abs(scaling.in_clear(inputs)).max() <= 1
    assert np.abs(found - ACTIVATIONS[name](inputs)).max() < 0.15


def test_affine_layers_become_one() -> None:
    first = Affine(RNG.normal(size=(3, 4)), RNG.normal(size=4))
    second = Affine(RNG.normal(size=(4, 2)), RNG.normal(size=2))
    network = network_of([first, second], X / 16, 3)
    assert len(network.layers) == 1
    want = second.in_clear(first.in_clear(X / 16))
    assert np.allclose(network.in_clear(X / 16), want)
    with pytest.raises(PlanError, match="begins and ends"):
        network_of([first, "relu"], X / 16, 3)


def test_a_network_of_torch_is_read_layer_by_layer() -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 2),
        torch.nn.BatchNorm2d(2),
        torch.nn.Tanh(),
        torch.nn.Sequential(torch.nn.AvgPool2d(2), torch.nn.Dropout()),
        torch.nn.Flatten(),
        torch.nn.Linear(2, 3),
        torch.nn.Softmax(dim=1),
    )
    images = torch.rand(50, 1, 3, 3)
    net(images)  # moves the batch norm's statistics
    net.eval()
    made = scorer_of(net, bounds=(0, 1), samples=images.numpy(), shape=(1, 3, 3), degree=9, rows=16)
    answers = made.job.answers(made.circuit.in_clear(made.job.reading.encode(images.numpy())))
    chances = np.column_stack([answers[f"probability of {k}"] for k in range(3)])
    assert np.abs(chances - net(images).detach().numpy()).max() < 1e-3


def test_what_cannot_be_computed_is_refused() -> None:
    torch = pytest.importorskip("torch")
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.MaxPool1d(2), torch.nn.Linear(2, 1))
    with pytest.raises(PlanError, match="MaxPool1d is not computed on ciphertexts; take AvgPool2d"):
        scorer_of(net, bounds=(0, 16), samples=X)
    with pytest.raises(PlanError, match="give samples="):
        scorer_of(net, bounds=(0, 16))
    with pytest.raises(PlanError, match="samples are beyond the bounds"):
        scorer_of(torch.nn.Sequential(torch.nn.Linear(3, 1)), bounds=(0, 8), samples=X)
    with pytest.raises(PlanError, match="a Linear; give"):
        scorer_of(torch.nn.Linear(3, 1), bounds=(0, 16), samples=X)
    with pytest.raises(PlanError, match="does not take inputs of shape"):
        scorer_of(torch.nn.Sequential(torch.nn.Linear(4, 1)), bounds=(0, 16), samples=X)
    made = scorer_of(torch.nn.Sequential(torch.nn.Linear(3, 1)), bounds=(0, 16), samples=X)
    with pytest.raises(DataError, match="rows of 2 columns; the model takes 3"):
        made.job.reading.encode(X[:, :2])
