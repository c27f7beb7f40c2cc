"""Parameters found from a computation, and what is foretold of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.polynomial import Chebyshev
from tests.he.support import CKKS

from confide import he
from confide.errors import EncryptionError
from confide.he.security import require_secure

pytest.importorskip("confide_native")

SIGMOID = Chebyshev.interpolate(lambda t: 1 / (1 + np.exp(-t)), 7, [-8, 8])
MATRIX = np.random.default_rng(0).uniform(-0.3, 0.3, (10, 30))
WEIGHTS = np.linspace(-0.5, 0.5, 6)


def vector(length=50, bound=1.0):
    return he.Input(shape=(length,), bound=bound)


COMPUTATIONS: dict[str, Any] = {
    "linear": (lambda x: 3 * x - 1, {"x": vector()}),
    "inner": (lambda x, y: x @ y, {"x": vector(), "y": vector()}),
    "matrix": (lambda x: MATRIX @ x, {"x": vector(30)}),
    "score": (
        lambda table: (table @ WEIGHTS).chebyshev(SIGMOID.coef, -8, 8),
        {"table": he.Input(shape=(5000, 6), bound=2.0)},
    ),
    "long": (lambda x: (x * x).sum() * x, {"x": vector(9000, 0.1)}),
}
PLAINLY: dict[str, Any] = {**COMPUTATIONS, "score": (lambda table: SIGMOID(table @ WEIGHTS), None)}


def planned(name, **options):
    computation, inputs = COMPUTATIONS[name]
    return he.plan(computation, inputs, precision=1e-3, **options)


def ran(plan, seed=0, *, shared=None):
    """The plan's computation on random inputs: results, and what numpy says."""
    rng = np.random.default_rng(seed)
    secret = he.SecretKey(he.Context(plan.parameters))
    keys = plan.evaluation_keys(secret)
    values = {n: rng.uniform(-i.bound, i.bound, i.shape) for n, i in plan.inputs.items()}
    public = secret.public_key()
    result = plan.run(keys, **plan.encrypt(public, **values))
    if shared:
        opened = he.decrypt_shared(secret, result, noise=plan.noise, queries=shared.queries)
    else:
        opened = he.decrypt_private(secret, result)
    return keys, values, opened


@pytest.mark.parametrize("name", COMPUTATIONS)
def test_results_are_as_precise_as_foretold(name):
    plan = planned(name)
    require_secure(plan.parameters.degree, plan.parameters.primes)
    keys, values, found = ran(plan)
    expected = PLAINLY[name][0](**values)
    error = np.abs(found - expected).max()
    assert error <= plan.error <= 1e-3
    # Exactly the keys that are used, and the memory that they were said to take.
    assert set(keys.keys) == set(plan.needs)
    offsets = sum(offset.nbytes for key in keys.keys.values() for offset in key._offsets.values())
    assert keys.nbytes + offsets == plan.key_bytes
    assert plan.seconds > 0
    assert plan.bytes_held > 0


@pytest.mark.parametrize("name", ["linear", "inner", "matrix"])
def test_shared_results(name):
    shared = he.Shared(queries=1000)
    plan = planned(name, shared=shared)
    assert len(plan.parameters.rows(0)) == 2
    _, values, found = ran(plan, shared=shared)
    error = np.abs(found - PLAINLY[name][0](**values)).max()
    # The flood is most of the error, and it is there: without it some 1e-14 are left.
    assert 1e-10 < error <= plan.error <= 1e-3


def test_the_noise_that_is_flooded_is_the_noise_there_is():
    """Too little would leave the key in the result; the bound of one operation is a tight one."""
    plan = planned("linear", shared=he.Shared(queries=1000))
    ratios = []
    for seed in range(10):
        _, values, found = ran(plan, seed)
        error = found - PLAINLY["linear"][0](**values)
        ratios.append(np.sqrt(np.mean(error**2)) / plan.noise)
    # Real parts hold half of the mean square of a complex slot.
    assert 0.5 < np.mean(ratios) < 0.8


def test_whole_numbers():
    def computation(x, y):
        return (x @ y) * (x @ y) - 5

    inputs = {"x": vector(10, 10), "y": vector(10, 10)}
    plan = he.plan(computation, inputs, scheme=he.Scheme.BGV)
    assert plan.parameters.plain_modulus > 2 * (1000**2 + 5)
    secret = he.SecretKey(he.Context(plan.parameters))
    x, y = np.arange(10), np.arange(10) - 7
    sealed = plan.encrypt(secret, x=x, y=y)
    result = plan.run(plan.evaluation_keys(secret), **sealed)
    assert he.decrypt_private(secret, result).tolist() == [(x @ y) ** 2 - 5]
    assert plan.error == 0
    assert "error       none" in str(plan)


def test_more_precision_takes_more_bits():
    computation, inputs = COMPUTATIONS["inner"]
    bits = [
        he.plan(computation, inputs, precision=10.0**-digits).parameters.literal.level_bits
        for digits in (1, 3, 5, 7)
    ]
    assert bits == sorted(bits)
    assert bits[-1] - bits[0] >= 18


def test_deeper_takes_a_larger_ring():
    degrees = [
        he.plan(lambda x, n=n: x**n, {"x": vector()}, precision=1e-3).parameters.degree
        for n in (1, 2, 64, 2**14)
    ]
    assert degrees == sorted(degrees)
    assert degrees[0] < degrees[-1]


def test_a_dictionary_of_results():
    def computation(x):
        return {"double": 2 * x, "sum": x.sum()}

    plan = he.plan(computation, {"x": vector(8)}, precision=1e-4)
    secret = he.SecretKey(he.Context(plan.parameters))
    x = np.linspace(-1, 1, 8)
    found = plan.run(plan.evaluation_keys(secret), **plan.encrypt(secret, x=x))
    opened = he.decrypt_private(secret, found)
    assert list(opened) == ["double", "sum"]
    np.testing.assert_allclose(opened["double"], 2 * x, atol=1e-4)
    np.testing.assert_allclose(opened["sum"], [x.sum()], atol=1e-4)


class TestSaidBeforehand:
    """What the field complains of most: depth and scale, without a hint. Here with the line."""

    def test_too_deep_for_any_ring(self):
        with pytest.raises(EncryptionError) as refusal:
            he.plan(lambda x: x ** (2**50), {"x": vector()}, precision=1e-3)
        message = str(refusal.value)
        assert "no ring suffices; at the largest, N = 65536" in message
        assert "50 multiplications in a row, the last at test_planner.py, line" in message

    def test_too_deep_for_these_parameters(self):
        def computation(x):
            y = x * x
            z = y * y
            return z * z * x

        with pytest.raises(EncryptionError) as refusal:
            he.plan(computation, {"x": vector()}, precision=1, parameters=CKKS.checked())
        message = str(refusal.value)
        assert "test_planner.py, line" in message
        assert "(return z * z * x)" in message
        assert "a product at level 0, where none is left" in message

    def test_too_imprecise_for_these_parameters(self):
        computation, inputs = COMPUTATIONS["inner"]
        with pytest.raises(EncryptionError, match=r"an error of up to .* take larger levels"):
            he.plan(computation, inputs, precision=1e-9, parameters=CKKS.checked())
        assert he.plan(computation, inputs, precision=1, parameters=CKKS.checked()).depth == 1

    def test_too_large_numbers(self):
        with pytest.raises(EncryptionError, match="divide the inputs"):
            he.plan(lambda x: x * x, {"x": vector(bound=1e15)}, precision=1e-9)
        inputs = {"x": vector()}
        with pytest.raises(EncryptionError, match=r"numbers up to 1e\+06"):
            he.plan(lambda x: 1e6 * x, inputs, precision=1e6, parameters=CKKS.checked())

    def test_at_run_time_too(self):
        plan = planned("linear")
        secret = he.SecretKey(he.Context(plan.parameters))
        keys = plan.evaluation_keys(secret)
        x = he.encrypt(secret, np.zeros(50))
        with pytest.raises(EncryptionError, match=r"test_planner.py, line .*\(.*x \* x"):
            he.evaluate(lambda x: x * x, keys, x=x)

    def test_whole_numbers_that_are_none(self):
        with pytest.raises(EncryptionError, match="BGV computes with whole numbers"):
            he.plan(lambda x: 0.5 * x, {"x": vector()}, scheme=he.Scheme.BGV)
        with pytest.raises(EncryptionError, match="need a plain modulus of"):
            he.plan(lambda x: x**8, {"x": vector(bound=1000)}, scheme=he.Scheme.BGV)


class TestSmallTypes:
    """Numbers of numpy's narrow types are what they say, not what wraps around."""

    @pytest.mark.parametrize("values", [np.array([-128, 5], np.int8), np.array([255, 0], np.uint8)])
    def test_whole_numbers(self, values):
        def computation(x):
            return (x - values) * values

        plan = he.plan(computation, {"x": vector(2)}, scheme=he.Scheme.BGV)
        secret = he.SecretKey(he.Context(plan.parameters))
        found = plan.run(plan.evaluation_keys(secret), **plan.encrypt(secret, x=[1, -1]))
        wide = values.astype(int)
        expected = (np.array([1, -1]) - wide) * wide
        assert he.decrypt_private(secret, found).tolist() == expected.tolist()

    def test_truths_and_halves(self):
        truths = np.array([True, False])
        plan = he.plan(lambda x: (x - truths) * np.float16(60000), {"x": vector(2)}, precision=1)
        assert plan.depth <= 1


class TestLargePlainModuli:
    def test_results_fit_the_base(self):
        """A base too small for t would decrypt to anything."""
        plan = he.plan(lambda x: 2 * x, {"x": vector(2, float(2**38))}, scheme=he.Scheme.BGV)
        secret = he.SecretKey(he.Context(plan.parameters))
        sealed = plan.encrypt(secret.public_key(), x=[2, 3])
        found = plan.run(plan.evaluation_keys(secret), **sealed)
        assert he.decrypt_private(secret, found).tolist() == [4, 6]
        low = he.Literal(
            scheme=he.Scheme.BGV,
            degree=plan.parameters.degree,
            depth=1,
            level_bits=40,
            base_bits=(50,),
            plain_modulus=plan.parameters.plain_modulus,
        )
        with pytest.raises(EncryptionError, match="ciphertexts need"):
            low.checked()


class TestRefusals:
    def test_inputs(self):
        shapes: list[Any] = [5, [1], (), (0,), (1, 2, 3), (1.5,), (-1, 2)]
        for shape in shapes:
            with pytest.raises(EncryptionError, match="input's shape"):
                he.Input(shape=shape, bound=1)
        bounds: list[Any] = [0, -1, np.inf, np.nan, "1", True, None]
        for bound in bounds:
            with pytest.raises(EncryptionError, match="input's bound"):
                he.Input(shape=(1,), bound=bound)

    def test_arguments(self):
        computation, inputs = COMPUTATIONS["linear"]
        with pytest.raises(EncryptionError, match="CKKS needs it"):
            he.plan(computation, inputs)
        with pytest.raises(EncryptionError, match="precision is for CKKS"):
            he.plan(computation, inputs, precision=1, scheme=he.Scheme.BGV)
        for precision in (0, -1, np.nan, np.inf):
            with pytest.raises(EncryptionError, match="precision is"):
                he.plan(computation, inputs, precision=precision)
        with pytest.raises(EncryptionError, match="for a computation in BGV"):
            he.plan(computation, inputs, scheme=he.Scheme.BGV, parameters=CKKS.checked())
        with pytest.raises(
            EncryptionError, match="returned something of type int, which is not encrypted"
        ):
            he.plan(lambda x: 5, inputs, precision=1)

    def test_what_is_shared(self):
        numbers: list[Any] = [0, -1, 1.5, 2**41, True]
        for queries in numbers:
            with pytest.raises(EncryptionError, match="queries is"):
                he.Shared(queries=queries)
        numbers = [29, 129, 30.0]
        for bits in numbers:
            with pytest.raises(EncryptionError, match="statistical_bits is"):
                he.Shared(queries=1, statistical_bits=bits)

    def test_a_base_without_room_for_the_flood(self):
        """The numbers fit, and the noise alone would: together they would wrap around."""
        literal = he.Literal(
            scheme=he.Scheme.CKKS, degree=4096, depth=0, level_bits=40, base_bits=(50,)
        )
        shared = he.Shared(queries=1000, statistical_bits=36)
        with pytest.raises(EncryptionError, match="results and the noise that floods them"):
            he.plan(
                lambda x: x + x,
                {"x": vector(2048, 255.9)},
                precision=400.0,
                parameters=literal.checked(),
                shared=shared,
            )

    def test_numbers_beyond_any_bound(self):
        for scheme, precision in ((he.Scheme.CKKS, 1.0), (he.Scheme.BGV, None)):
            with pytest.raises(EncryptionError, match="beyond any bound"):
                he.plan(
                    lambda x: x**1024,
                    {"x": vector(bound=1e9)},
                    scheme=scheme,
                    precision=precision,
                )

    def test_other_parameters_than_planned(self):
        plan = planned("linear")
        secret = he.SecretKey(he.Context(CKKS.checked()))
        with pytest.raises(EncryptionError, match=r"keys of .* planned with"):
            plan.run(secret.evaluation_keys(), x=he.encrypt(secret, np.zeros(50)))

    def test_inputs_that_are_not_encrypted(self):
        keys = he.SecretKey(he.Context(CKKS.checked())).evaluation_keys()
        given: Any = np.zeros(3)
        with pytest.raises(EncryptionError, match=r"x is not encrypted \(ndarray\)"):
            he.evaluate(lambda x: x, keys, x=given)

    def test_runs(self):
        plan = planned("linear")
        secret = he.SecretKey(he.Context(plan.parameters))
        keys = plan.evaluation_keys(secret)
        with pytest.raises(EncryptionError, match="inputs none; the plan has x"):
            plan.run(keys)
        with pytest.raises(EncryptionError, match=r"x of shape \(3,\), planned as \(50,\)"):
            plan.run(keys, x=he.encrypt(secret, np.zeros(3)))
        assert plan.run(keys, **plan.encrypt(secret, x=np.zeros(50))).length == 50


def test_a_plan_reads_aloud():
    text = str(planned("score"))
    for part in ("ring        Parameters(CKKS", "depth", "at most", "keys", "memory", "time"):
        assert part in text
