"""confide's engine and Microsoft SEAL keep one protocol and compute the same."""

from __future__ import annotations

import numpy as np
import pytest
from tests.he.conformance import EngineConformance
from tests.he.support import CKKS, setting

pytest.importorskip("confide_native")


class NativeConformance(EngineConformance):
    name = ""

    @pytest.fixture
    def engine(self):
        return setting(self.name).evaluator.engine

    @pytest.fixture
    def encrypt(self):
        return setting(self.name).secret.encrypt

    @pytest.fixture
    def opened(self):
        return setting(self.name).opened

    def test_conjugation(self, engine, encrypt):
        here = setting(self.name)
        values = np.arange(engine.slots) % 7 - 3
        both = np.stack([values, -values]) if here.exact else values * 1j
        turned = engine.conjugate(encrypt(both))
        found = here.secret.decrypt_private(turned)
        self.same(found, both[::-1] if here.exact else both.conj())


class TestCKKS(NativeConformance):
    name = "CKKS"
    tolerance = 1e-5

    def test_complex_numbers(self, engine, encrypt, opened):
        rng = np.random.default_rng(3)
        x, y = rng.uniform(-0.5, 0.5, (2, engine.slots, 2)).view(np.complex128)[..., 0]
        a, b = encrypt(x), encrypt(y)
        self.same(opened(engine.products([a], [b])), x * y)
        self.same(opened(engine.weighted([a], [engine.plain(1j)])), 1j * x)


class TestComposite(NativeConformance):
    name = "composite"
    tolerance = 1e-12


class TestBGV(NativeConformance):
    name = "BGV"
    tolerance = 0.0

    def test_two_rows(self, engine, encrypt):
        here, rng = setting(self.name), np.random.default_rng(3)
        x, y = rng.integers(-100, 101, (2, 2, engine.slots))
        a, b = encrypt(x), encrypt(y)
        product = engine.rescale(engine.relinearise(engine.products([a], [b])))
        self.same(here.secret.decrypt_private(product), x * y)
        turned = engine.rotate(a, [2])[0]
        self.same(here.secret.decrypt_private(turned), np.roll(x, -2, axis=1))


@pytest.fixture(scope="module")
def seal():
    pytest.importorskip("tenseal", reason="tenseal brings SEAL, which is compared with")
    from tests.he.seal import SEALEngine

    return SEALEngine(CKKS.checked(), [1, 2, 4, 8, -3])


class TestSEAL(EngineConformance):
    """The oracle: another library, other people, the same primes."""

    # Its key switching leaves an error in slot 0 that is a hundred times that of the others.
    tolerance = 1e-3

    @pytest.fixture
    def engine(self, seal):
        return seal

    @pytest.fixture
    def encrypt(self, seal):
        return seal.encrypt

    @pytest.fixture
    def opened(self, seal):
        return seal.opened
