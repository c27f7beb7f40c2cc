"""The examples run as printed, under every protection, and give what numpy gives on all rows."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import confide as cf

FOLDER = Path(__file__).parents[2] / "examples"
TRUSTING = cf.Threat(
    confidentiality=cf.Adversary(
        coordinator=cf.Corruption.HONEST, network=cf.Corruption.CURIOUS, colluding_parties=1
    )
)
PROTECTIONS = {
    "masked": {"aggregation": cf.Masked()},
    "clear": {"aggregation": cf.Clear(), "threat": TRUSTING},
}


def load(name):
    """An example as a module."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(params=PROTECTIONS)
def protection(request):
    return PROTECTIONS[request.param]


@pytest.mark.parametrize("script", sorted(p.stem for p in FOLDER.glob("*.py")))
def test_every_example_runs_as_a_script(script):
    done = subprocess.run(
        [sys.executable, "-W", "error", FOLDER / f"{script}.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_histogram_counts_every_record_once(protection):
    example = load("histogram")
    rng = np.random.default_rng(7)
    ages = {name: {"age": rng.integers(18, 80, 100 + 50 * i)} for i, name in enumerate("abcd")}
    plan = example.histogram.plan(parties=list(ages), **protection)
    run = cf.simulate(plan, ages, computation=example.histogram)
    everybody = np.concatenate([d["age"] for d in ages.values()])
    np.testing.assert_array_equal(
        run.state["counts"], np.histogram(everybody, bins=[18, 30, 40, 50, 60, 70, 81])[0]
    )


def test_k_means_takes_the_steps_of_lloyd(protection):
    example = load("kmeans")
    data = example.clouds(3)
    plan = example.k_means.plan(parties=list(data), rounds=5, **protection)
    run = cf.simulate(plan, data, computation=example.k_means)

    points = np.concatenate([d["points"] for d in data.values()])
    centres = example.k_means.init()["centres"]
    for _ in range(5):
        nearest = np.linalg.norm(points[:, None] - centres, axis=2).argmin(axis=1)
        centres = np.array([points[nearest == k].mean(axis=0) for k in range(3)])
    np.testing.assert_allclose(run.state["centres"], centres, atol=0.01)


def test_newton_finds_the_pooled_solution(protection):
    example = load("newton")
    data = example.records(5)
    plan = example.newton.plan(parties=list(data), rounds=6, **protection)
    run = cf.simulate(plan, data, computation=example.newton)
    pooled = cf.LogisticRegression(fit_intercept=False).fit(
        np.concatenate([d["x"] for d in data.values()]),
        np.concatenate([d["y"] for d in data.values()]).astype(float),
    )
    np.testing.assert_allclose(run.state["w"], pooled.coef_.ravel(), atol=0.01)


def test_a_custom_algorithm_averages_what_the_clients_would_make_of_the_model():
    example = load("custom_algorithm")
    rng = np.random.default_rng(0)
    data = {n: {"x": rng.random((30, 64)), "y": np.full(30, i)} for i, n in enumerate("abcd")}
    plan = example.training.plan(parties=list(data), rounds=2)
    run = cf.simulate(plan, data, computation=example.training)
    w, rate = np.zeros((65, 10)), 0.3
    for _ in range(2):
        w = np.mean([example.local_train(w, rate, rows) for rows in data.values()], axis=0)
        rate *= 0.9
    np.testing.assert_allclose(run.state["w"], w, atol=0.005)


def test_the_naive_chain_tells_what_masks_do_not():
    example = load("three_devices")
    average, handed = example.naive_chain(example.DEVICES)
    assert (average, handed["device-2"], handed["device-3"]) == (3.5, 1.5, 5.0)
    assert example.masked_mean(example.DEVICES) == pytest.approx(3.5, abs=0.02)


def test_the_mean_of_means_is_wrong_for_unequal_sizes_and_the_weighted_sum_right():
    example = load("three_devices")
    truth = np.mean([v for values in example.UNEQUAL.values() for v in values])
    assert example.naive_chain(example.UNEQUAL)[0] != pytest.approx(truth, abs=0.5)
    assert example.masked_mean(example.UNEQUAL) == pytest.approx(truth, abs=0.02)


@pytest.mark.parametrize(
    ("script", "name", "sums"),
    [
        ("histogram", "histogram", "'counts'"),
        ("kmeans", "k_means", "'members' and 'counts'"),
        ("newton", "newton", "'gradient' and 'hessian'"),
    ],
)
def test_the_view_report_is_right_without_the_authors_help(script, name, sums, protection):
    computation = getattr(load(script), name)
    report = cf.views(computation.plan(parties=list("abcde"), dropouts=1, **protection))
    seen = {o.value: o.form for o in report.view("coordinator").observations}
    if isinstance(protection["aggregation"], cf.Masked):
        assert seen[sums] == "one sum over at least 4 of 5 parties"
        assert seen["each party's masked vector"] == "uniformly distributed numbers"
    else:
        assert seen[f"each party's contribution to {sums}"] == "in clear, by party"


def test_encrypted_scores():
    pytest.importorskip("confide_native")
    script = FOLDER / "encrypted_scores.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert "as precise as planned: True" in done.stdout
    assert "first scores: [0.712 0.817 0.312 0.861]" in done.stdout


def test_the_attested_sum_says_that_it_is_simulated_and_adds_up():
    script = FOLDER / "attested_sum.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert "SIMULATED HARDWARE" in done.stdout
    assert done.stdout.splitlines()[-1] == f"total: {float(3 + 4 + 5 + 1 + 1 + 2 + 9)}"
