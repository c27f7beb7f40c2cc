"""Random computations: what comes out, and that errors stay below what was foretold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.he.support import setting

from confide import he
from confide.he.noise import TAIL, CKKSNoise
from confide.he.tracer import Tracer

pytest.importorskip("confide_native")


class Circuit:
    """The same random program on numbers, on ciphertexts and on symbols."""

    def __init__(self, here, rng, *, public):
        self.here, self.rng = here, rng
        parameters = here.parameters
        self.tracer = Tracer(parameters.scheme, parameters.degree, parameters)
        self.symbols = he.Evaluator(self.tracer)
        encrypt = here.secret.public_key().encrypt if public else here.secret.encrypt
        self.known: list[Any] = []
        for _ in range(2):
            x = here.numbers(rng)
            bound = float(np.abs(x).max())
            self.known.append((x, encrypt(x), self.tracer.fresh(bound, public=public)))

    def pick(self):
        return self.known[self.rng.integers(len(self.known))]

    def step(self):
        here, rng = self.here, self.rng
        (x, a, s), (y, b, u) = self.pick(), self.pick()
        engine, evaluator, symbols = here.evaluator.engine, here.evaluator, self.symbols
        levels = min(v.level - v.squared for v in (a, b))
        kind = rng.choice(["add", "subtract", "plain", "times", "rotate", "multiply", "weigh"])
        if kind in {"multiply", "weigh"} and levels == 0:
            kind = "add"
        if kind == "add":
            made = x + y, evaluator.add(a, b), symbols.add(s, u)
        elif kind == "subtract":
            made = x - y, evaluator.subtract(a, b), symbols.subtract(s, u)
        elif kind == "plain":
            p = here.numbers(rng)
            made = (
                x + p,
                evaluator.add(a, engine.plain(p)),
                symbols.add(s, self.tracer.plain(p)),
            )
        elif kind == "times":
            n = int(rng.integers(-3, 4)) or 1
            made = n * x, evaluator.multiply(a, engine.plain(n)), symbols.multiply(s, _plain(n))
        elif kind == "rotate":
            k = int(rng.choice([1, 2, 4, -3]))
            made = np.roll(x, -k), evaluator.rotate(a, k), symbols.rotate(s, k)
        elif kind == "multiply":
            made = x * y, evaluator.multiply(a, b), symbols.multiply(s, u)
        else:
            p = here.numbers(rng)
            made = x * p, evaluator.multiply(a, engine.plain(p)), symbols.multiply(s, _plain(p))
        if made[2].bound < (1e4 if here.exact else 16):
            self.known.append(made)


def _plain(values):
    return he.ciphertext.Plain(np.asarray(values))


def ratios(name, count, seed, *, public):
    """Root mean square errors of random circuits, over what was foretold."""
    here, rng = setting(name), np.random.default_rng(seed)
    found = []
    for _ in range(count):
        circuit = Circuit(here, rng, public=public)
        for _ in range(6):
            circuit.step()
        x, a, s = circuit.known[-1]
        # As results are: to open a squared scale is to round it, which no engine's operation is.
        a, s = here.evaluator.settled(a), circuit.symbols.settled(s)
        error = here.opened(a) - x
        if here.exact:
            here.assert_close(here.opened(a), x)
        else:
            # In each slot, where there is a bound for each; on the average over slots, of them all.
            foretold = np.resize(s.error, error.shape)
            # Decoding in double precision adds what depends on the largest number of all slots.
            decoded = 2.0**-48 * np.abs(x).max()
            assert (np.abs(error) < TAIL * foretold + decoded).all()
            found.append(np.sqrt(np.mean(np.abs(error) ** 2) / np.mean(foretold**2)))
    return np.array(found)


@pytest.mark.parametrize("public", [False, True], ids=["secret key", "public key"])
@pytest.mark.parametrize("part", range(4))
class TestErrorsStayBelowTheBound:
    """2,000 random circuits of CKKS in all."""

    def test_ckks(self, part, public):
        found = ratios("CKKS", 250, (part, public), public=public)
        # It bounds the mean over keys and encryptions, about which one of them varies a little.
        assert found.max() < 1.1
        # The bound follows the error: it is no constant that is simply large.
        assert np.quantile(found, 0.9) > 0.05


@pytest.mark.parametrize("part", range(2))
def test_bgv_is_exact(part):
    ratios("BGV", 250, part, public=bool(part))


def test_composite_scales():
    assert ratios("composite", 40, 1, public=True).max() < 1.1


class TestFresh:
    """Errors of single operations are foretold to a few per cent, so a factor of two is seen."""

    @pytest.fixture
    def here(self):
        return setting("CKKS")

    @pytest.mark.parametrize("public", [False, True])
    def test_encryption(self, here, public):
        key = here.secret.public_key() if public else here.secret
        tracer = Tracer(here.parameters.scheme, here.parameters.degree, here.parameters)
        rms = np.sqrt(np.mean([np.abs(here.opened(key.encrypt(0.0))) ** 2 for _ in range(50)]))
        assert rms == pytest.approx(tracer.fresh(0.0, public=public).error, rel=0.1)

    @pytest.mark.parametrize("level", [0, 1, 3])
    def test_switching(self, here, level):
        x = here.secret.encrypt(0.0, level=level)
        noise = here.opened(x)
        rms = []
        for step in (1, 2, 4, 8, 16, 32, 64, -3):
            turned = here.evaluator.rotate(x, step)
            rms.append(np.mean(np.abs(here.opened(turned) - np.roll(noise, -step)) ** 2))
        foretold = CKKSNoise(here.parameters).switched(0.0, level, squared=False)
        # Switching and its rounding are added as if they depended on one another.
        assert foretold / 2 < np.sqrt(np.mean(rms)) < 1.05 * foretold

    def test_rescaling(self, here):
        evaluator = here.evaluator
        numbers = evaluator.engine.plain(here.numbers(np.random.default_rng(1)))
        squared = evaluator.multiply(here.secret.encrypt(0.5), numbers)
        before = here.opened(squared)
        after = here.opened(evaluator.engine.rescale(squared))
        foretold = CKKSNoise(here.parameters).rescaled(0.0, here.parameters.depth)
        assert np.sqrt(np.mean(np.abs(after - before) ** 2)) == pytest.approx(foretold, rel=0.15)

    def test_errors_do_not_pile_up_in_a_few_slots(self, here):
        """Digits and roundings that are not about zero would show at the slots next to X = 1."""
        x = here.secret.encrypt(0.0)
        noise, total = here.opened(x), np.zeros(here.parameters.slots)
        for step in (1, 2, 4, 8, 16, 32, 64, -3, 100):
            turned = here.opened(here.evaluator.rotate(x, step))
            total = total + np.abs(turned - np.roll(noise, -step)) ** 2
        near, rest = total[[0, -1]].mean(), np.median(total)
        assert near < 20 * rest
