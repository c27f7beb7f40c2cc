"""Operators that numpy has, on encrypted numbers; and what has no answer there."""

from __future__ import annotations

import copy
import pickle  # noqa: TID251 -- it must not work
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.he.support import BGV, CKKS, setting
from tests.he.test_layouts import settings_of

from confide import he
from confide.errors import EncryptionError

pytest.importorskip("confide_native")


def run(here, computation, **values):
    """The computation on encrypted vectors and tables, decrypted."""
    sealed = {
        name: (he.encrypt if np.ndim(array) == 1 else he.encrypt_columns)(here.secret, array)
        for name, array in values.items()
    }
    return he.decrypt_private(here.secret, he.evaluate(computation, here.keys, **sealed))


def close(here, found, expected):
    """Equal: modulo t, or nearly."""
    assert found.shape == np.shape(expected)
    if here.parameters.scheme is he.Scheme.BGV:
        assert ((found - expected) % here.parameters.plain_modulus == 0).all()
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)


@pytest.fixture(scope="module", params=["CKKS", "BGV"])
def here(request):
    return settings_of(request.param)


class TestParts:
    @given(data=st.data(), length=st.integers(1, 16))
    @settings(max_examples=25, deadline=None)
    def test_slices_and_numbers(self, here, data, length):
        x = np.arange(1, length + 1)
        index = data.draw(
            st.one_of(
                st.integers(-length, length - 1),
                st.slices(length).filter(lambda part: len(x[part])),
                st.lists(st.integers(0, length - 1), min_size=1, max_size=5),
                st.lists(st.booleans(), min_size=length, max_size=length).filter(any),
            )
        )
        expected = np.atleast_1d(x[index])
        close(here, run(here, lambda x: x[index], x=x), expected)
        # What is left beside them counts nowhere.
        close(here, run(here, lambda x: x[index].sum(), x=x), [expected.sum()])
        close(here, run(here, lambda x: (x + x.sum())[index].sum(), x=x),
              [(expected + x.sum()).sum()])  # fmt: skip

    @given(length=st.integers(1, 16), shift=st.integers(-40, 40))
    @settings(max_examples=15, deadline=None)
    def test_roll(self, here, length, shift):
        x = np.arange(length) - 3
        close(here, run(here, lambda x: x.roll(shift), x=x), np.roll(x, shift))
        close(here, run(here, lambda x: x.roll(shift).sum(), x=x), [x.sum()])

    @given(lengths=st.lists(st.integers(1, 7), min_size=1, max_size=4))
    @settings(max_examples=15, deadline=None)
    def test_concatenate(self, here, lengths):
        parts = {f"x{i}": np.arange(n) + 10 * i for i, n in enumerate(lengths)}
        joined = np.concatenate(list(parts.values()))
        close(here, run(here, lambda **xs: he.concatenate(list(xs.values())), **parts), joined)
        close(here, run(here, lambda **xs: he.concatenate(list(xs.values())).sum(), **parts),
              [joined.sum()])  # fmt: skip

    def test_of_more_than_a_ciphertext(self):
        here = settings_of("CKKS-long")
        x = np.random.default_rng(0).uniform(-1, 1, 5000)
        for computation, expected in (
            (lambda x: x[4095:4099], x[4095:4099]),
            (lambda x: x[904:], x[904:]),
            (lambda x: x[4096:], x[4096:]),
            (lambda x: x[4999], x[-1:]),
            (lambda x: x.roll(1)[:3], np.roll(x, 1)[:3]),
            (lambda x: he.concatenate([x, x[:3]])[4998:5003], np.concatenate([x, x[:3]])[4998:]),
        ):
            found = he.evaluate(computation, here.keys, x=he.encrypt(here.secret, x))
            np.testing.assert_allclose(he.decrypt_private(here.secret, found), expected, atol=1e-3)

    def test_what_can_stay_where_it_is_takes_no_level(self):
        x = setting("CKKS").vector(np.arange(8.0))
        assert x.roll(3).level == x.level
        assert x[1:7].level == x.level
        assert not x[1:7].clean
        assert x[1:3].level == x.level - 1
        assert x[2].level == x.level - 1

    def test_indices_that_are_none(self, here):
        x = setting("CKKS").vector([1.0, 2.0, 3.0])
        for index in (3, -4):
            with pytest.raises(IndexError):
                x[index]
        nothing: list[Any] = [slice(0, 0), [], np.array([[1]])]
        for index in nothing:
            with pytest.raises((EncryptionError, IndexError)):
                x[index]
        with pytest.raises(EncryptionError, match="encrypted vectors are put together"):
            he.concatenate([])
        mixed: list[Any] = [x, np.ones(3)]
        with pytest.raises(EncryptionError, match="encrypted vectors are put together"):
            he.concatenate(mixed)


class TestDivision:
    def test_by_plain_numbers(self):
        here = settings_of("CKKS")
        x = np.array([1.0, -2.0, 4.0])
        t = np.arange(6.0).reshape(3, 2)
        for divisor in (2, 0.5, np.array([1, 2, 4]), Decimal("0.5"), Fraction(1, 3)):
            plain = np.asarray(divisor, float)
            close(here, run(here, lambda x, d=divisor: x / d, x=x), x / plain)
        close(here, run(here, lambda t: t / 2, t=t), t / 2)
        close(here, run(here, lambda t: t / [1, 2], t=t), t / [1, 2])

    def test_what_is_refused(self):
        x, t = setting("CKKS").vector([1.0, 2.0]), setting("CKKS").table(np.ones((2, 2)))
        for operation in (lambda: x / 0, lambda: x / [1, 0], lambda: t / 0.0):
            with pytest.raises(EncryptionError, match="a division by zero"):
                operation()
        for operation in (
            lambda: 1 / x, lambda: x / x, lambda: 1 / t, lambda: t / t, lambda: x / t,
            lambda: t / x,
        ):  # fmt: skip
            with pytest.raises(EncryptionError, match="an encrypted number cannot be a divisor"):
                operation()
        whole = setting("BGV").vector([2, 4])
        for operation in (lambda: whole / 2, whole.mean, setting("BGV").table([[1]]).mean):
            with pytest.raises(EncryptionError, match="whole numbers, which are not divided"):
                operation()


class TestTables:
    def test_against_numpy(self, here):
        t = np.arange(15).reshape(5, 3) - 4
        w = np.array([2, -1, 3])
        for computation, expected in (
            (lambda t: 1 - t, 1 - t),
            (lambda t: -t, -t),
            (lambda t: t**2, t**2),
            (lambda t: t.sum(), [t.sum()]),
            (lambda t: t.sum(axis=0), t.sum(axis=0)),
            (lambda t: t.sum(axis=1), t.sum(axis=1)),
            (lambda t: (t - t[0].sum()).sum(axis=0), (t - t[:, 0].sum()).sum(axis=0)),
            (lambda t: t.sum(axis=0) @ w, [t.sum(axis=0) @ w]),
        ):
            close(here, run(here, computation, t=t), expected)
        close(here, run(here, lambda t, w: t @ w, t=t, w=w), t @ w)
        close(here, run(here, lambda t, w: (t @ w).sum(), t=t, w=w), [(t @ w).sum()])
        close(here, run(here, lambda t, r: r - t, t=t, r=np.arange(5)), np.arange(5)[:, None] - t)

    @pytest.mark.parametrize("axis", [None, 0, 1])
    def test_means(self, axis):
        here, t = settings_of("CKKS"), np.arange(15.0).reshape(5, 3)
        expected = np.atleast_1d(t.mean(axis=axis))
        close(here, run(here, lambda t: t.mean(axis=axis), t=t), expected)

    def test_encrypted_weights_of_two_blocks(self):
        here = settings_of("CKKS-long")
        t, w = np.random.default_rng(1).uniform(-1, 1, (5000, 3)), np.array([0.5, -1, 0.25])
        close(here, run(here, lambda t, w: t @ w, t=t, w=w), t @ w)

    def test_messages(self):
        t = setting("CKKS").table(np.ones((4, 9)))
        with pytest.raises(EncryptionError, match="one weight for each of the 9 columns"):
            t @ 3
        with pytest.raises(EncryptionError, match=r"weights of shape \(8,\) for 9 columns"):
            t @ np.ones(8)
        with pytest.raises(EncryptionError, match="2 encrypted weights for 9 columns"):
            t @ setting("CKKS").vector([1.0, 2.0])
        for axis in (2, -1, "0"):
            with pytest.raises(EncryptionError, match="of a table; 0, 1 or None"):
                t.sum(axis=axis)


class TestComplexNumbers:
    def test_are_kept(self):
        here = settings_of("CKKS")
        x, y = np.array([1 + 2j, -1j, 0.5, 3 - 1j, 1j]), np.array([1.0, 2, 3, 4, 5])
        for computation, expected in (
            (lambda x, y: x + y, x + y),
            (lambda x, y: y - x, y - x),
            (lambda x, y: x * y, x * y),
            (lambda x, y: y * 1j, y * 1j),
            (lambda x, y: y + 1j, y + 1j),
            (lambda x, y: y * [1j, 1, 2, 3, 4], y * [1j, 1, 2, 3, 4]),
            (lambda x, y: y / 2j, y / 2j),
            (lambda x, y: x.conjugate(), x.conjugate()),
            (lambda x, y: (y * 1j).conjugate(), y * -1j),
            (lambda x, y: x @ y, np.array([x @ y])),
            (lambda x, y: x[1:3], x[1:3]),
            (lambda x, y: he.concatenate([y, x])[5:], x),
            (lambda x, y: np.full((2, 5), 1j) @ y, np.full((2, 5), 1j) @ y),
            (lambda x, y: x.polynomial([1, 2, 1]), 1 + 2 * x + x**2),
            (lambda x, y: he.EncryptedMatrix([y, y]) @ [1j, 2], y * (1j + 2)),
        ):
            sealed = {"x": he.encrypt(here.secret, x), "y": he.encrypt(here.secret, y)}
            result = he.evaluate(computation, here.keys, **sealed)
            data = he.write(result, here.context)
            result = he.read_vector(data, here.context, most_length=len(result))
            found = he.decrypt_private(here.secret, result)
            assert found.dtype == complex
            np.testing.assert_allclose(found, expected, atol=1e-3)
        table = he.encrypt_columns(here.secret, np.stack([x, x], axis=1))
        assert np.allclose(he.decrypt_private(here.secret, table)[:, 1], x, atol=1e-4)

    def test_real_ones_are_their_own_conjugates(self, here):
        found = run(here, lambda x: x.conjugate(), x=[1, 2, 3])
        assert found.dtype in (np.float64, np.int64)
        close(here, found, np.array([1, 2, 3]))

    def test_are_shared_as_complex_ones(self):
        key = he.SecretKey(he.Context(CKKS.checked()))
        sealed = he.encrypt(key, [1 + 2j], level=0)
        found = he.decrypt_shared(key, sealed, noise=1e-8, queries=1)
        np.testing.assert_allclose(found, [1 + 2j], atol=0.2)

    def test_bgv_refuses_them(self):
        with pytest.raises(EncryptionError, match="whole numbers"):
            he.encrypt(setting("BGV").secret, [1j])
        with pytest.raises(EncryptionError, match="whole numbers"):
            setting("BGV").vector([1]) * 1j


class TestNumbers:
    @pytest.mark.parametrize("kind", [int, np.int8, np.uint64, Decimal, Fraction, np.bool_])
    def test_of_every_kind(self, here, kind):
        one = kind(1)
        for computation in (
            lambda x: x + one, lambda x: one + x, lambda x: x - (one,), lambda x: x * [one] * one,
        ):  # fmt: skip
            found = run(here, computation, x=[one, one])
            close(here, found, np.full(2, int(computation(np.array([1]))[0])))

    @pytest.mark.parametrize(
        "bad", ["1", None, b"1", object(), ["1"], [None], np.datetime64(1, "s")]
    )
    def test_what_is_none(self, bad):
        x, t = setting("CKKS").vector([1.0, 2.0]), setting("CKKS").table(np.ones((2, 2)))
        for operation in (
            lambda: x + bad, lambda: bad * x, lambda: x - bad, lambda: x / bad, lambda: t + bad,
            lambda: t * bad, lambda: t @ bad,
        ):  # fmt: skip
            with pytest.raises(EncryptionError):
                operation()

    def test_masked_ones_are_refused(self):
        with pytest.raises(EncryptionError, match="masked"):
            he.encrypt(setting("CKKS").secret, np.ma.masked_array([1.0, 2.0], [True, False]))

    def test_powers_of_numpy(self):
        x = setting("BGV").vector([2, 3])
        setting("BGV").assert_close(setting("BGV").read(x ** np.int64(2)), [4, 9])


class TestWhatNobodyCanLookAt:
    def test_truth_order_and_arrays(self):
        x, t = setting("CKKS").vector([1.0]), setting("CKKS").table(np.ones((2, 2)))
        sealed = he.encrypt(setting("CKKS").secret, [1.0])
        for encrypted in (x, t):
            with pytest.raises(EncryptionError, match=r"cannot tell whether .* is true or false"):
                bool(encrypted)
        for encrypted in (sealed, he.SealedTable([sealed])):
            with pytest.raises(EncryptionError, match="neither true nor false"):
                bool(encrypted)
        for operation in (
            lambda: x > 0, lambda: x == 0, lambda: x != t, lambda: x >= 0, lambda: t <= x,
            lambda: np.ones(1) == x, lambda: x in [1.0, 2.0],
        ):  # fmt: skip
            with pytest.raises(EncryptionError, match="the evaluator cannot compare"):
                operation()
        for encrypted in (x, t):
            with pytest.raises(EncryptionError, match="make no array"):
                np.asarray(encrypted)

    @pytest.mark.parametrize("literal", [CKKS, BGV])
    def test_nothing_is_pickled(self, literal):
        secret = he.SecretKey(he.Context(literal.checked()))
        sealed = he.encrypt(secret, [1])
        for thing in (
            secret, secret.context, secret.public_key(), secret.evaluation_keys(products=0), sealed,
            he.SealedTable([sealed]),
        ):  # fmt: skip
            for call in (pickle.dumps, copy.copy, copy.deepcopy):
                with pytest.raises(TypeError, match=r"not pickled or copied"):
                    call(thing)
