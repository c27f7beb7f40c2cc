"""Who can open what, and what a shared result gives away."""

from __future__ import annotations

import copy
import os
import pickle  # noqa: TID251 -- to see it refused
import warnings
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import stats
from tests.he.support import CKKS, setting

from confide import he
from confide.errors import EncryptionError
from confide.he.flooding import _parts, flooding_scale

pytest.importorskip("confide_native")


@pytest.fixture
def here():
    return setting("CKKS")


@pytest.fixture
def fresh(here):
    """A key that has shared nothing yet."""
    return he.SecretKey(here.context)


class TestRefusals:
    """Nothing is computed or opened with what belongs elsewhere."""

    def others(self, here):
        numbers = here.numbers(np.random.default_rng(0))
        other_key = he.SecretKey(here.context).encrypt(numbers)
        literal = he.Literal(**{**vars(CKKS), "depth": 2})
        other_ring = he.SecretKey(he.Context(literal.checked())).encrypt(numbers)
        return [(other_key, "a ciphertext under key"), (other_ring, "of other parameters")]

    def test_decryption(self, here):
        for x, message in self.others(here):
            with pytest.raises(EncryptionError, match=message):
                here.secret.decrypt_private(x)
            with pytest.raises(EncryptionError, match=message):
                here.secret.decrypt_shared(x, noise=1.0, queries=1)
        assert here.secret.spent == 0

    def test_every_operation(self, here):
        engine, mine = here.evaluator.engine, here.secret.encrypt([0.5])
        one = engine.plain(1.0)
        for x, message in self.others(here):
            for operation in (
                lambda x: engine.add(mine, x),
                lambda x: engine.subtract(x, mine),
                lambda x: engine.products([mine], [x]),
                lambda x: engine.weighted([mine, x], [one, one]),
                lambda x: engine.add_plain(x, one),
                lambda x: engine.times(x, 2),
                engine.square_scale,
                engine.relinearise,
                lambda x: engine.lower(x, 0),
                engine.rescale,
                lambda x: engine.rotate(x, [1]),
                engine.conjugate,
            ):
                with pytest.raises(EncryptionError, match=message):
                    operation(x)

    def test_levels_and_scales_that_differ(self, here):
        engine, x = here.evaluator.engine, here.secret.encrypt([0.5])
        for y in (here.secret.encrypt([0.5], level=1), engine.square_scale(x)):
            with pytest.raises(EncryptionError, match="An Evaluator brings them together"):
                engine.add(x, y)

    @pytest.mark.parametrize("level", [-1, 4, 1.0, "1", True])
    def test_levels_that_are_none(self, here, level):
        for key in (here.secret, here.secret.public_key()):
            with pytest.raises(EncryptionError, match="a whole number between 0 and 3"):
                key.encrypt([1.0], level=level)

    def test_missing_keys(self, here):
        none = he.Evaluator(he.NativeEngine(here.secret.evaluation_keys()))
        x = here.secret.encrypt([0.5])
        with pytest.raises(EncryptionError, match="rotating by 3 needs a key"):
            none.rotate(x, 3)
        with pytest.raises(EncryptionError, match="conjugating needs a key"):
            none.conjugate(x)
        with pytest.raises(EncryptionError, match="relinearising a product needs a key"):
            none.settled(none.multiply(x, x))
        low = he.Evaluator(he.NativeEngine(here.secret.evaluation_keys(rotations={1: 2})))
        with pytest.raises(EncryptionError, match="at level 3 with a key made for level 2"):
            low.rotate(x, 1)
        assert low.rotate(here.secret.encrypt([0.5], level=2), 1).level == 2

    @pytest.mark.parametrize("threads", [0, 257, 1.0, True])
    def test_threads(self, here, threads):
        with pytest.raises(EncryptionError, match="threads is"):
            he.Context(here.parameters, threads=threads)


class TestNumbers:
    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([np.nan], "NaN or infinity"),
            ([np.inf], "NaN or infinity"),
            (["a"], "where numbers are encrypted"),
            ([None], "a NoneType among the numbers"),
            (np.zeros((2, 3)), r"shape \(2, 3\)"),
            (np.zeros(4097), r"shape \(4097,\)"),
            ([1e20], "a number that does not fit"),
        ],
    )
    def test_what_ckks_refuses(self, here, values, message):
        for key in (here.secret, here.secret.public_key()):
            with pytest.raises(EncryptionError, match=message):
                key.encrypt(values)

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([0.5], "whole numbers"),
            ([1j], "whole numbers"),
            ([np.nan], "whole numbers"),
            ([516097], "a number beyond 516096"),
            ([-516097], "a number beyond 516096"),
            ([np.iinfo(np.int64).min], "a number beyond 516096"),
            ([2.0**70], "a number beyond 516096"),
            ([2**70], "a number beyond 516096"),
            ([Fraction(1, 2)], "whole numbers"),
            (np.zeros((3, 4), int), r"shape \(3, 4\)"),
            (np.zeros(4097, int), r"shape \(4097,\)"),
        ],
    )
    def test_what_bgv_refuses(self, values, message):
        with pytest.raises(EncryptionError, match=message):
            setting("BGV").secret.encrypt(values)

    def test_the_ends_of_bgv(self):
        bgv = setting("BGV")
        ends = np.array([516096, -516096, 0, 1, -1])
        assert np.array_equal(bgv.opened(bgv.secret.encrypt(ends))[:5], ends)
        assert np.array_equal(bgv.opened(bgv.secret.encrypt([2.0, -3.0]))[:3], [2, -3, 0])

    def test_few_numbers_are_followed_by_zeros(self, here):
        found = here.opened(here.secret.encrypt([1.0, 2.0]))
        here.assert_close(found, [1.0, 2.0] + [0.0] * 4094)
        here.assert_close(here.opened(here.secret.encrypt(3.0)), np.full(4096, 3.0))


class TestSecrets:
    def test_are_not_shown_or_copied(self, here, fresh):
        shown = repr(fresh) + str(vars(fresh).keys())
        coefficients = np.empty(8192, np.int8)
        fresh.coefficients_into(coefficients)
        assert "coefficients" not in repr(fresh)
        assert len(shown) < 500
        for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="not pickled or copied"):
                attempt(fresh)

    def test_keys_differ(self, here, fresh):
        assert fresh.key_id != he.SecretKey(here.context).key_id
        one, two = fresh.encrypt([1.0]), fresh.encrypt([1.0])
        assert not np.array_equal(one.data[0], two.data[0])
        assert not np.array_equal(one.data[1], two.data[1])
        assert fresh.public_key().seed != fresh.public_key().seed

    def test_ciphertexts_are_not_written_into(self, here):
        x = here.secret.encrypt([1.0])
        with pytest.raises(ValueError, match="read-only"):
            x.data[0, 0, 0] = 0


def recovered_secret(here, ciphertext, shown):
    """Li and Micciancio's attack: an exact phase is a linear equation, s = (phase - c0)/c1."""
    parameters, ring = here.parameters, here.context.ring
    q, rows = parameters.primes[0], parameters.rows(0)
    phase = here.context.encoding.encode(shown, 0)
    c0, c1 = (ciphertext.data[i, 0].tolist() for i in range(2))
    quotient = [
        (p - a) * pow(b, -1, q) % q if b else 0
        for p, a, b in zip(phase[0, 0].tolist(), c0, c1, strict=True)
    ]
    out = np.array(quotient, np.uint64).reshape(1, 1, -1)
    ring.inverse(out, rows)
    centred = out[0, 0].astype(np.int64)
    centred[centred > q // 2] -= q
    return centred


class TestSharing:
    """An approximate result gives the key away; a flooded one does not."""

    def attack(self, here, key, decrypt):
        known = np.empty(here.parameters.degree, np.int8)
        key.coefficients_into(known)
        x = key.encrypt(here.numbers(np.random.default_rng(1)), level=0)
        return np.mean(recovered_secret(here, x, decrypt(x)) == known)

    def test_one_private_result_gives_the_key_away(self, here, fresh):
        assert self.attack(here, fresh, fresh.decrypt_private) == 1.0

    def test_a_shared_result_does_not(self, here, fresh):
        def decrypt(x):
            return fresh.decrypt_shared(x, noise=1e-8, queries=1000)

        assert self.attack(here, fresh, decrypt) < 0.01

    def test_noise_is_as_wide_as_stated(self, here, fresh):
        """σ = √(12τ)·2^(s/2)·t, on every coefficient."""
        x, noise = fresh.encrypt(0.0, level=0), 1e-8
        scale = here.parameters.scale(0)
        sigma = flooding_scale(noise, 1000, 30) * scale
        found = fresh.decrypt_shared(x, noise=noise, queries=1000)
        phase = here.context.encoding.encode(found, 0)
        here.context.ring.inverse(phase, [0])
        coefficients = phase[0, 0].astype(np.int64)
        coefficients[coefficients > here.parameters.primes[0] // 2] -= here.parameters.primes[0]
        assert np.std(coefficients) == pytest.approx(sigma, rel=0.05)
        assert stats.kstest(coefficients / sigma, "norm").pvalue > 1e-6

    @pytest.mark.parametrize(
        ("queries", "bits", "bits_taken"), [(1, 30, 16.79), (1000, 30, 21.78), (1000, 64, 38.78)]
    )
    def test_the_formula(self, queries, bits, bits_taken):
        """Over τ results the divergence is 2^-s/24: t²/(2σ²) each."""
        sigma = flooding_scale(3.0, queries, bits)
        assert np.log2(sigma / 3.0) == pytest.approx(bits_taken, abs=0.01)
        assert queries * 3.0**2 / (2 * sigma**2) == pytest.approx(2.0**-bits / 24)

    def test_wide_noise_is_a_gaussian_too(self, fresh):
        """Beyond what the sampler draws, a coarse Gaussian and a fine one that fills it."""
        from confide.randomness import SystemRandom

        parts = _parts(2.0**47)
        assert len(parts) == 2
        total = sum(w * part.sample(20_000, SystemRandom()) for w, part in parts)
        assert stats.kstest(total / 2.0**47, "norm").pvalue > 1e-6
        coarse = parts[0][0]
        spread = np.bincount(total % coarse * 16 // coarse, minlength=16)
        assert stats.chisquare(spread).pvalue > 1e-6

    def test_queries_are_counted(self, fresh):
        x = fresh.encrypt([1.0], level=0)
        for _ in range(3):
            fresh.decrypt_shared(x, noise=1e-8, queries=4)
        assert fresh.spent == Fraction(3, 4)
        with pytest.raises(EncryptionError, match=r"75.0% is spent and 1 of these take 50.0%"):
            fresh.decrypt_shared(x, noise=1e-8, queries=2)
        # Two bits more of security make a result a quarter as dear.
        fresh.decrypt_shared(x, noise=1e-8, queries=1, statistical_bits=32)
        assert fresh.spent == 1
        with pytest.raises(EncryptionError, match="Make a new key"):
            fresh.decrypt_shared(x, noise=1e-8, queries=10**6)
        assert fresh.spent == 1

    def test_all_of_several_results_or_none(self, here):
        """Two queries are left and three are asked for: nothing is spent, nothing is opened."""
        key = he.SecretKey(here.context)
        options: Any = {"noise": 1e-8, "queries": 10}
        one = he.encrypt(key, [1.0, 2.0], level=0)
        table = he.SealedTable([one] * 4)
        he.decrypt_shared(key, table, **options)
        he.decrypt_shared(key, {"a": table}, **options)
        assert key.spent == Fraction(8, 10)
        for three in (he.SealedTable([one] * 3), {"x": one, "y": he.SealedTable([one] * 2)}):
            with pytest.raises(EncryptionError, match=r"80.0% is spent and 3 of these take 30.0%"):
                he.decrypt_shared(key, three, **options)
        assert key.spent == Fraction(8, 10)
        # What does not belong here, last of all, spends nothing either.
        other = he.encrypt(he.SecretKey(here.context), [1.0, 2.0], level=0)
        with pytest.raises(EncryptionError, match="under key"):
            he.decrypt_shared(key, {"x": one, "y": other}, **options)
        assert key.spent == Fraction(8, 10)
        opened = he.decrypt_shared(key, {"x": one, "y": {"z": one}}, **options)
        assert opened["y"]["z"].shape == (2,)
        assert key.spent == 1

    def test_a_flood_that_fails_spends_nothing(self, fresh, monkeypatch):
        x = fresh.encrypt([1.0], level=0)

        def fails(*_arguments):
            raise MemoryError

        with monkeypatch.context() as patched:
            patched.setattr("confide.he.keys.flood", fails)
            with pytest.raises(MemoryError):
                fresh.decrypt_shared(x, noise=1e-8, queries=4)
        assert fresh.spent == 0

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
    def test_a_forked_process_gives_nothing_away(self, fresh):
        """It has its own count: together both would give away twice what the key may."""
        x = fresh.encrypt([1.0], level=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            try:
                fresh.decrypt_shared(x, noise=1e-8, queries=4)
            except EncryptionError as error:
                os._exit(0 if "forked process" in str(error) else 2)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        fresh.decrypt_shared(x, noise=Fraction(1, 10**8), queries=np.int64(4))
        assert fresh.spent == Fraction(1, 4)

    def test_threads_share_one_count(self, fresh):
        x = fresh.encrypt([1.0], level=0)

        def ask(_):
            try:
                fresh.decrypt_shared(x, noise=1e-8, queries=20)
            except EncryptionError:
                return 0
            return 1

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(ask, range(60))) == 20

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"queries": 0}, "queries is 0"),
            ({"queries": 1.5}, "queries is 1.5"),
            ({"queries": True}, "queries is True"),
            ({"statistical_bits": 29}, "between 30 and 128"),
            ({"statistical_bits": 10_000}, "between 30 and 128"),
            ({"queries": 10**400}, "queries is 1000"),
            ({"noise": 1e-300}, "at least that of a fresh encryption"),
            ({"noise": 0.0}, "noise is 0.0"),
            ({"noise": float("nan")}, "noise is nan"),
            ({"noise": float("inf")}, "noise is inf"),
            ({"noise": 1.0}, "two base primes"),
            ({"noise": "1"}, "noise is '1'"),
            ({"noise": None}, "noise is None"),
            ({"noise": [1e-8]}, "noise is a list"),
            ({"noise": True}, "noise is True"),
        ],
    )
    def test_what_is_refused_spends_nothing(self, fresh, arguments, message):
        x = fresh.encrypt([1.0], level=0)
        given = {"noise": 1e-8, "queries": 10, **arguments}
        with pytest.raises(EncryptionError, match=message):
            fresh.decrypt_shared(x, **given)
        assert fresh.spent == 0

    def test_bgv_is_exact_and_counted(self):
        bgv = setting("BGV")
        key = he.SecretKey(bgv.context)
        x = key.encrypt([5, 6])
        found = key.decrypt_shared(x, noise=1.0, queries=2)
        assert found[0, :2].tolist() == [5, 6]
        assert key.spent == Fraction(1, 2)
