"""Encrypted vectors and tables against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.polynomial import Chebyshev, Polynomial
from tests.he.support import setting

from confide import he
from confide.errors import EncryptionError
from confide.he.layout import blocks_of, is_full, numbers_of, period

pytest.importorskip("confide_native")

LENGTHS = st.sampled_from([1, 2, 3, 5, 8, 31, 64, 4096, 4097, 9000])


class TestLayout:
    @given(LENGTHS, st.sampled_from([4096, 8192]))
    def test_there_and_back(self, length, slots):
        values = np.arange(1, length + 1)
        blocks = blocks_of(values, slots)
        assert all(len(block) == slots for block in blocks)
        assert np.array_equal(numbers_of(blocks, length), values)
        size = period(length, slots)
        assert size == min(slots, 2 ** int(np.ceil(np.log2(length))))
        # A rotation by a period changes nothing.
        assert all(np.array_equal(np.roll(block, size), block) for block in blocks)
        assert is_full(length, slots) == (length % size == 0)


@pytest.fixture(params=["CKKS", "BGV"])
def here(request):
    return setting(request.param)


@pytest.mark.parametrize("name", ["CKKS", "BGV"])
@given(length=LENGTHS, seed=st.integers(0, 2**32))
@settings(max_examples=12)
def test_elementwise(name, length, seed):
    here, rng = setting(name), np.random.default_rng(seed)
    x, y, z = (here.numbers(rng, length) for _ in range(3))
    a, b = here.vector(x), here.vector(y)
    for found, expected in (
        (a + b, x + y),
        (a - b, x - y),
        (-a, -x),
        (a * b, x * y),
        (a + z, x + z),
        (z + a, z + x),
        (a - z, x - z),
        (z - a, z - x),
        (a * z, x * z),
        (z * a, z * x),
        (a + 2, x + 2),
        (2 - a, 2 - x),
        (3 * a, 3 * x),
        (a**3, x**3),
        (a * b - 2 * a * z + 1, x * y - 2 * x * z + 1),
        (a + here.vector(y[:1]), x + y[:1]),
        (here.vector(y[:1]) * a, y[:1] * x),
    ):
        assert len(found) == length
        here.assert_close(here.read(found), expected)


@pytest.mark.parametrize("name", ["CKKS", "BGV"])
@pytest.mark.parametrize("length", [1, 3, 8, 37, 64])
def test_sums_and_inner_products(name, length):
    here, rng = setting(name), np.random.default_rng(length)
    x, y = here.numbers(rng, length), here.numbers(rng, length)
    a, b = here.vector(x), here.vector(y)
    for found, expected in (
        (a.sum(), x.sum()),
        (a @ b, x @ y),
        (a @ y, x @ y),
        (y @ a, x @ y),
        # Padding that a single number was added to does not count.
        ((a + here.vector(y[:1])).sum(), (x + y[0]).sum()),
        ((a + 1).sum(), (x + 1).sum()),
        ((a @ b) * a + a.sum(), (x @ y) * x + x.sum()),
    ):
        here.assert_close(here.read(found), np.broadcast_to(expected, len(found)))
        # Every slot holds the sum, and none a part of it.
    for row in np.atleast_2d(here.secret.decrypt_private(a.sum().blocks[0])):
        here.assert_close(row, np.full(here.parameters.slots, x.sum()))


def test_padding_that_is_not_zero_counts_nowhere(here):
    """A vector of length one stands in every slot, the padding of a longer one too."""
    x, one = here.vector([1, 2, 3, 4, 5]), here.vector([2])
    dirty, values = x + one, np.arange(1, 6) + 2
    for found, expected in (
        (dirty.sum(), values.sum()),
        ((dirty * one).sum(), 2 * values.sum()),
        ((one * dirty).sum(), 2 * values.sum()),
        ((dirty * np.array([3])).sum(), 3 * values.sum()),
        ((dirty * dirty).sum(), (values**2).sum()),
        (dirty @ (dirty - 10), values @ (values - 10)),
        (dirty @ x, values @ np.arange(1, 6)),
        ((dirty * [1, 0, 2, 0, 1]).sum(), values @ [1, 0, 2, 0, 1]),
    ):
        here.assert_close(here.read(found), [expected], 1e-3)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 8), (8, 1), (3, 5), (5, 3), (16, 16), (10, 60), (60, 10), (64, 64)]
)
def test_plain_matrices(here, shape):
    rng = np.random.default_rng(shape[0])
    matrix = here.numbers(rng, shape[0] * shape[1]).reshape(shape)
    x = here.numbers(rng, shape[1])
    here.assert_close(here.read(matrix @ here.vector(x)), matrix @ x)
    here.assert_close(here.read(here.vector(x) @ matrix.T), matrix @ x)
    once = he.PlainMatrix(matrix, here.parameters.slots)
    for _ in range(2):
        here.assert_close(here.read(once @ here.vector(x)), matrix @ x)


def test_matrices_beyond_the_slots():
    """Four blocks of rows and of columns, with few diagonals that are not zero."""
    here, rng = setting("CKKS"), np.random.default_rng(5)
    for shape in ((9000, 4), (4, 9000)):
        matrix, x = rng.uniform(-0.1, 0.1, shape), rng.uniform(-0.1, 0.1, shape[1])
        secret = he.SecretKey(here.context)
        steps = [1, 2, *(2**k for k in range(2, 13))]
        keys = secret.evaluation_keys(rotations=steps)
        sealed = he.encrypt(secret, x)
        found = he.evaluate(lambda x, matrix=matrix: matrix @ x, keys, x=sealed)
        np.testing.assert_allclose(he.decrypt_private(secret, found), matrix @ x, atol=1e-4)


class TestPolynomials:
    @pytest.mark.parametrize(
        "c", [[1, 2], [0, 0, 1], [1, 0, -1, 0.5], [0.5, 0.25, 0, -0.1, 0, 0, 0.3], [0, 3]]
    )
    def test_powers(self, c):
        here = setting("CKKS")
        x = here.numbers(np.random.default_rng(1), 50)
        found = here.vector(x).polynomial(c)
        here.assert_close(here.read(found), Polynomial(c)(x))
        here.assert_close(here.read(found.sum()), Polynomial(c)(x).sum(), 1e-3)

    @pytest.mark.parametrize("degree", [1, 2, 3, 5, 7, 15])
    def test_chebyshev(self, degree):
        here = setting("composite") if degree < 4 else deep()
        sigmoid = Chebyshev.interpolate(lambda t: 1 / (1 + np.exp(-t)), degree, [-4, 4])
        x = np.random.default_rng(degree).uniform(-4, 4, 50)
        found = here.vector(x).chebyshev(sigmoid.coef, -4, 4)
        here.assert_close(here.read(found), sigmoid(x), 1e-5)
        levels = int(np.ceil(np.log2(degree + 1))) + 2
        assert found.level >= here.parameters.depth - levels

    @pytest.mark.parametrize("c", [[], ["1"], 1, [1, 1j], [np.nan, 1], [[1, 2]]])
    def test_what_is_refused(self, c):
        x = setting("CKKS").vector([1.0])
        with pytest.raises(EncryptionError, match=r"coefficients|numbers are encrypted"):
            x.polynomial(c)
        with pytest.raises(EncryptionError, match=r"coefficients|numbers are encrypted"):
            x.chebyshev(c, -1, 1)

    @pytest.mark.parametrize("c", [[5], [5, 0, 0], [0], np.array([2.5])])
    def test_constants(self, c):
        x = setting("CKKS").vector([1.0, 2.0, 3.0])
        for found in (x.polynomial(c), x.chebyshev(c, -4, 4)):
            setting("CKKS").assert_close(setting("CKKS").read(found), np.full(3, c[0]))

    def test_intervals(self):
        for low, high in ((1, 1), (2, 1), (-np.inf, 0), (0, np.nan), ("0", 1), (0, None)):
            with pytest.raises(EncryptionError, match="interval"):
                setting("CKKS").vector([1.0]).chebyshev([1, 2], low, high)


def deep():
    literal = he.Literal(
        scheme=he.Scheme.CKKS, degree=16384, depth=6, level_bits=45, base_bits=(50,)
    )
    context = he.Context(literal.checked())
    secret = he.SecretKey(context)
    keys = secret.evaluation_keys(products=True)
    return type(setting("CKKS"))(context, secret, keys, he.Evaluator(he.NativeEngine(keys)))


class TestTables:
    def test_against_numpy(self, here):
        rng = np.random.default_rng(2)
        x, r = here.numbers(rng, 60).reshape(20, 3), here.numbers(rng, 20)
        w, many = here.numbers(rng, 3), here.numbers(rng, 6).reshape(3, 2)
        table, residual = here.table(x), here.vector(r)
        assert table.shape == (20, 3)
        for found, expected in (
            (table @ w, x @ w),
            (residual @ table, r @ x),
            (r @ table, r @ x),
            (table[1], x[:, 1]),
        ):
            here.assert_close(here.read(found), expected)
        for found, expected in (
            (table @ many, x @ many),
            (many[:2].T @ here.table(x[:2]), many[:2].T @ x[:2]),
            (table + table, x + x),
            (table * table, x * x),
            (table - 1, x - 1),
            (2 * table, 2 * x),
            (table * w, x * w),
            (table * residual, x * r[:, None]),
        ):
            columns = [here.read(column) for column in found.columns]
            here.assert_close(np.stack(columns, axis=1), expected)

    def test_what_is_refused(self, here):
        table = here.table(np.ones((4, 3), int))
        with pytest.raises(EncryptionError, match="for 3 columns"):
            table @ np.ones(4)
        with pytest.raises(EncryptionError, match="operands for 3 columns"):
            table + np.ones(2)
        with pytest.raises(EncryptionError, match="one number for each column"):
            table + np.ones((4, 3))
        with pytest.raises(EncryptionError, match="all of one length"):
            he.EncryptedMatrix([here.vector([1, 2]), here.vector([1])])
        with pytest.raises(EncryptionError, match="rows and columns"):
            he.encrypt_columns(here.secret, [1, 2])


class TestRefusals:
    def test_lengths(self, here):
        a = here.vector([1, 2, 3])
        for operation in (
            lambda: a + here.vector([1, 2]),
            lambda: a * np.ones(2),
            lambda: a @ here.vector([1, 2]),
            lambda: a - [1, 2, 3, 4],
            lambda: a @ [2],
            lambda: np.array([2]) @ a,
        ):
            with pytest.raises(EncryptionError, match="of one length, or one of them of 1"):
                operation()
        with pytest.raises(EncryptionError, match="a matrix of 4 columns and a vector of 3"):
            np.ones((2, 4), int) @ a

    def test_matrices_of_other_slots(self, here):
        with pytest.raises(EncryptionError, match="for 2048 slots and a vector of 4096"):
            he.PlainMatrix(np.ones((2, 3), int), 2048) @ here.vector([1, 2, 3])

    def test_shapes(self, here):
        for values in ([], [[1]], 1):
            with pytest.raises(EncryptionError, match="one dimension"):
                he.encrypt(here.secret, values)
        with pytest.raises(EncryptionError, match="for 5 numbers"):
            he.SealedVector(
                he.encrypt(here.secret, [1]).blocks * 2,
                he.Layout(length=5, clean=True, complex=False),
            )

    @pytest.mark.parametrize("exponent", [0, -1, 0.5, True])
    def test_powers(self, here, exponent):
        with pytest.raises(EncryptionError, match="whole powers"):
            here.vector([1]) ** exponent

    def test_two_evaluators(self, here):
        one = here.vector([1])
        other = he.EncryptedVector(he.Evaluator(he.NativeEngine(here.keys)), one.blocks, one.layout)
        for operation in (
            lambda: one + other,
            lambda: one @ other,
            lambda: he.concatenate([one, other]),
            lambda: he.EncryptedMatrix([one]) @ other,
        ):
            with pytest.raises(EncryptionError, match="two evaluators"):
                operation()

    def test_repr_shows_parameters_and_level(self, here):
        shown = repr(here.vector([1, 2, 3]))
        assert "length=3, level 3" in shown
        assert "N=8192" in shown
