"""What every engine keeps, as a suite to inherit.

An engine passes if its class inherits `EngineConformance`, gives `engine`, `encrypt` and `opened`,
and all tests pass. Numbers are real, of about one, and `tolerance` says how exact results are.
"""

from __future__ import annotations

import numpy as np
import pytest

from confide import he
from confide.errors import EncryptionError
from confide.he.layout import numbers_of


class EngineConformance:
    """Arithmetic on slots, at the levels and scales that the protocol states."""

    tolerance = 1e-4

    @pytest.fixture
    def engine(self):
        raise NotImplementedError

    @pytest.fixture
    def encrypt(self, engine):
        """Takes a line of `slots` numbers to a ciphertext at the top level."""
        raise NotImplementedError

    @pytest.fixture
    def opened(self, engine):
        """Takes a ciphertext to its slots."""
        raise NotImplementedError

    @pytest.fixture
    def pair(self, engine, encrypt):
        rng = np.random.default_rng(7)
        whole = engine.scheme is he.Scheme.BGV
        size = (2, engine.slots)
        values = rng.integers(-5, 6, size) if whole else rng.uniform(-1, 1, size)
        return [(x, encrypt(x)) for x in values]

    def same(self, found, expected):
        np.testing.assert_allclose(found, expected, rtol=0, atol=self.tolerance)

    def state(self, x):
        return x.level, x.squared, x.parts

    def test_sums(self, engine, opened, pair):
        (x, a), (y, b) = pair
        top = a.level
        for found, expected in (
            (engine.add(a, b), x + y),
            (engine.subtract(a, b), x - y),
            (engine.times(a, -3), -3 * x),
            (engine.add_plain(a, engine.plain(y)), x + y),
            (engine.add_plain(a, engine.plain(2)), x + 2),
        ):
            assert self.state(found) == (top, False, 2)
            self.same(opened(found), expected)

    def test_products(self, engine, opened, pair):
        (x, a), (y, b) = pair
        product = engine.products([a, b, a], [b, b, a])
        assert self.state(product) == (a.level, True, 3)
        self.same(opened(product), x * y + y * y + x * x)
        small = engine.relinearise(product)
        assert self.state(small) == (a.level, True, 2)
        self.same(opened(small), x * y + y * y + x * x)
        settled = engine.rescale(small)
        assert self.state(settled) == (a.level - 1, False, 2)
        self.same(opened(settled), x * y + y * y + x * x)

    def test_plain_products(self, engine, opened, pair):
        (x, a), (y, b) = pair
        product = engine.weighted([a, b], [engine.plain(y), engine.plain(3)])
        assert self.state(product) == (a.level, True, 2)
        self.same(opened(engine.rescale(product)), x * y + 3 * y)

    def test_scales_and_levels(self, engine, opened, pair):
        (x, a), (y, b) = pair
        squared = engine.square_scale(a)
        assert self.state(squared) == (a.level, True, 2)
        product = engine.relinearise(engine.products([a], [b]))
        self.same(opened(engine.rescale(engine.add(squared, product))), x + x * y)
        for level in range(a.level):
            low = engine.lower(a, level)
            assert self.state(low) == (level, False, 2)
            self.same(opened(low), x)
            self.same(opened(engine.add(low, engine.lower(b, level))), x + y)

    def test_sums_of_products_not_yet_relinearised(self, engine, opened, pair):
        (x, a), (y, b) = pair
        cube, flat = engine.products([a], [b]), engine.square_scale(a)
        for found, expected in (
            (engine.add(cube, flat), x * y + x),
            (engine.add(flat, cube), x * y + x),
            (engine.subtract(cube, flat), x * y - x),
            (engine.subtract(flat, cube), x - x * y),
            (engine.add_plain(cube, engine.plain(y)), x * y + y),
        ):
            assert self.state(found) == (a.level, True, 3)
            self.same(opened(engine.rescale(engine.relinearise(found))), expected)

    def test_rotations(self, engine, opened, pair):
        (x, a), (y, b) = pair
        steps = [1, 0, -3, 4, 1]
        for step, turned in zip(steps, engine.rotate(a, steps), strict=True):
            assert self.state(turned) == (a.level, False, 2)
            self.same(opened(turned), np.roll(x, -step))
        low = engine.lower(a, 0)
        self.same(opened(engine.rotate(low, [2])[0]), np.roll(x, -2))
        squared = engine.relinearise(engine.products([a], [b]))
        turned = engine.rotate(squared, [8])[0]
        assert self.state(turned) == (a.level, True, 2)
        self.same(opened(engine.rescale(turned)), np.roll(x * y, -8))

    def test_all_levels(self, engine, opened, pair):
        x, a = pair[0]
        evaluator = he.Evaluator(engine)
        power, expected = a, x
        while power.level - power.squared > engine.lowest:
            power, expected = evaluator.multiply(power, a), expected * x
            self.same(opened(evaluator.settled(power)), expected)
        with pytest.raises(EncryptionError, match="where no level is left"):
            evaluator.multiply(power, a)

    def test_a_computation(self, engine, encrypt, opened):
        """The same program, whatever the engine: vectors, a matrix, a polynomial."""
        rng, evaluator = np.random.default_rng(8), he.Evaluator(engine)
        x, y = rng.integers(-3, 4, (2, 8)) / (1 if engine.scheme is he.Scheme.BGV else 4)
        matrix = rng.integers(-2, 3, (4, 8))

        def vector(values):
            block = np.tile(values, engine.slots // len(values))
            return he.EncryptedVector(
                evaluator,
                [encrypt(block)],
                he.Layout(length=len(values), clean=True, complex=False),
            )

        a, b = vector(x), vector(y)
        result = matrix @ (a * b) - 2 * (matrix @ a) + (a @ b)
        found = numbers_of([opened(block) for block in result.settled().blocks], 4)
        self.same(found, matrix @ (x * y) - 2 * (matrix @ x) + x @ y)
