"""What lies within the planned bounds is taken, what lies outside is refused when encrypted."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.he.support import CKKS, setting

from confide import he
from confide.errors import EncryptionError
from confide.he.flooding import flooding_scale

pytest.importorskip("confide_native")

SMALL = np.full(8, 1e-3)
COMPUTATIONS: dict[str, Any] = {
    "square": (lambda x: x * x, 1.0),
    "shrunk": (lambda x: 0.001 * x, 1000.0),
    "small weights": (lambda x: x @ SMALL, 100.0),
    "shifted": (lambda x: (x - 3) * 1e-4, 50.0),
    "polynomial": (lambda x: x.chebyshev([0.5, 0.1, 0, 0.01], -50, 50), 50.0),
    "as it is": (lambda x: x + 0, 300.0),
    "vanishing": (lambda x: x * 0, 1e5),
    "very large": (lambda x: x * 1e-9, 1e9),
}


class Planned:
    """A plan, its keys, and both ways to encrypt."""

    def __init__(self, computation, inputs, **options):
        self.plan = he.plan(computation, inputs, **options)
        self.secret = he.SecretKey(he.Context(self.plan.parameters))
        self.keys = self.plan.evaluation_keys(self.secret)
        self.encryptors = (self.secret, self.secret.public_key())

    def run(self, key, **values):
        result = self.plan.run(self.keys, **self.plan.encrypt(key, **values))
        return he.decrypt_private(self.secret, result)


@pytest.mark.parametrize("name", COMPUTATIONS)
@pytest.mark.parametrize("precision", [1e-3, 1e-6])
def test_numbers_at_the_bound_are_taken(name, precision):
    computation, bound = COMPUTATIONS[name]
    here = Planned(computation, {"x": he.Input(shape=(8,), bound=bound)}, precision=precision)
    for key in here.encryptors:
        for value in (bound, -bound, 0.9 * bound):
            found = here.run(key, x=np.full(8, value))
            expected = plainly(name, np.full(8, value))
            np.testing.assert_allclose(found, expected, atol=here.plan.error)


def plainly(name, x):
    if name == "polynomial":
        return np.polynomial.Chebyshev([0.5, 0.1, 0, 0.01], [-50, 50])(x)
    return np.atleast_1d(COMPUTATIONS[name][0](x))


@pytest.mark.parametrize("name", COMPUTATIONS)
def test_numbers_beyond_the_bound_are_refused(name):
    computation, bound = COMPUTATIONS[name]
    here = Planned(computation, {"x": he.Input(shape=(8,), bound=bound)}, precision=1e-3)
    for key in here.encryptors:
        for value in (np.nextafter(bound, np.inf), -1.01 * bound, 1e300, np.nan, np.inf):
            values = np.zeros(8)
            values[5] = value
            with pytest.raises(EncryptionError, match="beyond the declared bound") as refusal:
                here.plan.encrypt(key, x=values)
            assert "e+300" not in str(refusal.value)


@given(
    st.floats(1e-3, 1e3),
    st.lists(st.floats(-1, 1), min_size=4, max_size=4),
    st.floats(1e-6, 10),
)
@settings(max_examples=10, deadline=None)
def test_what_a_plan_takes_comes_out_right(bound, parts, factor):
    here = Planned(
        lambda x: x * factor, {"x": he.Input(shape=(4,), bound=bound)}, precision=1e-4 * bound
    )
    values = np.array(parts) * bound
    found = here.run(here.encryptors[1], x=values)
    np.testing.assert_allclose(found, values * factor, atol=here.plan.error)


class TestWholeNumbers:
    def test_at_and_beyond_the_bound(self):
        inputs = {"x": he.Input(shape=(3,), bound=500)}
        here = Planned(lambda x: x * x, inputs, scheme=he.Scheme.BGV)
        for key in here.encryptors:
            assert here.run(key, x=[500, -500, 0]).tolist() == [250_000, 250_000, 0]
            beyond: Any
            for beyond in (501, 2000, -501, 2**63 - 1, -(2**63), 2**70, 1e30):
                with pytest.raises(EncryptionError, match=r"x: a number .* beyond the declared"):
                    here.plan.encrypt(key, x=[0, 0, beyond])
            with pytest.raises(EncryptionError, match="whole numbers"):
                here.plan.encrypt(key, x=[0, 0, 0.5])

    def test_what_was_not_checked_does_not_run(self):
        """Unchecked, 2,000 squared came out as -128,772."""
        inputs = {"x": he.Input(shape=(3,), bound=500)}
        here = Planned(lambda x: x * x, inputs, scheme=he.Scheme.BGV)
        for bound in (None, 2000):
            sealed = he.encrypt(here.secret, [2000, 0, 0], bound=bound)
            with pytest.raises(EncryptionError, match="x was encrypted with"):
                here.plan.run(here.keys, x=sealed)


class TestComplexNumbers:
    def test_the_bound_is_on_the_distance_from_zero(self):
        inputs = {"x": he.Input(shape=(4,), bound=2.0, complex=True)}
        here = Planned(lambda x: x * x.conjugate(), inputs, precision=1e-4)
        circle = 2 * np.exp(1j * np.array([0.1, 1.0, 2.5, -3.0]))
        for key in here.encryptors:
            np.testing.assert_allclose(here.run(key, x=circle), np.full(4, 4 + 0j), atol=1e-4)
            for beyond in (2.001j, 1.5 + 1.5j, complex(0, np.nan)):
                with pytest.raises(EncryptionError, match="beyond the declared bound"):
                    here.plan.encrypt(key, x=[0, 0, 0, beyond])

    def test_where_real_ones_were_planned(self):
        here = Planned(lambda x: x, {"x": he.Input(shape=(1,), bound=2.0)}, precision=1e-4)
        with pytest.raises(EncryptionError, match="planned with real ones"):
            here.plan.encrypt(here.secret, x=[1 + 1j])
        with pytest.raises(EncryptionError, match="x is complex; planned are real numbers"):
            here.plan.run(here.keys, x=he.encrypt(here.secret, [1 + 1j], bound=2))
        with pytest.raises(EncryptionError, match="complex inputs are for CKKS"):
            he.plan(
                lambda x: x,
                {"x": he.Input(shape=(1,), bound=2.0, complex=True)},
                scheme=he.Scheme.BGV,
            )


class TestTables:
    def test_every_cell_is_checked(self):
        here = Planned(lambda x: x @ [1, 2], {"x": he.Input(shape=(3, 2), bound=1)}, precision=1e-3)
        values = np.array([[1, -1], [0, 1], [0.5, 0]])
        np.testing.assert_allclose(
            here.run(here.encryptors[1], x=values), values @ [1, 2], atol=1e-3
        )
        values[2, 1] = 1.5
        with pytest.raises(EncryptionError, match=r"x: a number .* bound of 1;"):
            here.plan.encrypt(here.secret, x=values)
        unchecked = he.SealedTable(
            [he.encrypt(here.secret, np.zeros(3), bound=1), he.encrypt(here.secret, np.zeros(3))]
        )
        with pytest.raises(EncryptionError, match="without a check"):
            here.plan.run(here.keys, x=unchecked)


class TestWhatHidesTheKey:
    """decrypt_shared drowns the planned error: inputs beyond the plan would have a larger one."""

    def test_an_attacker_cannot_take_the_margin_away(self):
        bound, shared = 0.01, he.Shared(queries=1000)
        inputs = {name: he.Input(shape=(2048,), bound=bound) for name in ("x", "y")}
        here = Planned(lambda x, y: x * y, inputs, precision=1e-1, shared=shared)
        key = here.encryptors[1]
        for beyond in (1.0, 10.0):
            values = np.full(2048, beyond)
            with pytest.raises(EncryptionError, match="beyond the declared bound"):
                here.plan.encrypt(key, x=values, y=values)
            # Nor by leaving the check out, nor by naming a bound of one's own.
            for given_bound in (None, beyond):
                unchecked = he.encrypt(key, values, bound=given_bound)
                with pytest.raises(EncryptionError, match="x was encrypted with"):
                    here.plan.run(here.keys, x=unchecked, y=unchecked)
        # Within the bound the error is below what is drowned: not one bit of 30 is lost.
        values = np.full(2048, bound)
        sealed = here.plan.encrypt(key, x=values, y=values)
        result = here.plan.run(here.keys, **sealed)
        slots = here.secret.decrypt_private(result.blocks[0])[:2048]
        error = np.sqrt(np.mean(np.abs(slots - bound**2) ** 2))
        assert error <= here.plan.noise
        found = he.decrypt_shared(here.secret, result, noise=here.plan.noise, queries=1000)
        flood = flooding_scale(here.plan.noise, 1000, 30)
        assert np.std(found - bound**2) > 0.3 * flood

    def test_results_are_no_inputs(self):
        """Their error is more than that of a fresh encryption."""
        here = Planned(lambda x: x + x, {"x": he.Input(shape=(4,), bound=1)}, precision=1e-3)
        once = here.plan.run(here.keys, **here.plan.encrypt(here.secret, x=np.zeros(4)))
        with pytest.raises(EncryptionError, match="or is a result"):
            here.plan.run(here.keys, x=once)
        again = he.evaluate(lambda x: x + x, here.keys, x=once)
        assert np.abs(he.decrypt_private(here.secret, again)).max() < 1e-3

    def test_the_bound_travels(self):
        here = Planned(lambda x: x + x, {"x": he.Input(shape=(4,), bound=0.1)}, precision=1e-3)
        context = here.secret.context
        sealed = here.plan.encrypt(here.secret, x=np.zeros(4))["x"]
        read = he.read_vector(he.write(sealed, context), context, most_length=4)
        assert read.bound == 0.1
        assert len(here.plan.run(here.keys, x=read)) == 4


class TestArguments:
    def test_of_plan_encrypt(self):
        inputs = {"x": he.Input(shape=(4,), bound=1), "key": he.Input(shape=(2, 2), bound=1)}
        here = Planned(lambda x, key: x + key[0].sum(), inputs, precision=1e-3)
        # One party may have one input; any name goes.
        assert set(here.plan.encrypt(here.secret, key=np.zeros((2, 2)))) == {"key"}
        with pytest.raises(EncryptionError, match="'y' is not an input; the plan has key, x"):
            here.plan.encrypt(here.secret, y=[1])
        with pytest.raises(EncryptionError, match=r"x of shape \(3,\), planned as \(4,\)"):
            here.plan.encrypt(here.secret, x=[1, 2, 3])
        other = he.SecretKey(he.Context(CKKS.checked()))
        with pytest.raises(EncryptionError, match="a key of"):
            here.plan.encrypt(other, x=np.zeros(4))
        for hidden in (["0.123"], [None], "0.123", [b"0.123"], [object()]):
            with pytest.raises(EncryptionError) as refusal:
                here.plan.encrypt(here.secret, x=hidden)
            assert "0.123" not in str(refusal.value)

    @pytest.mark.parametrize("kind", [float, np.float32, Decimal, Fraction, int, np.int16])
    def test_numbers_of_every_kind(self, kind):
        shape: Any = (np.int64(2),)
        inputs = {"x": he.Input(shape=shape, bound=kind(2))}
        here = Planned(lambda x: x * kind(2), inputs, precision=Fraction(1, 1000))
        found = here.run(here.secret, x=[kind(1), kind(2)])
        np.testing.assert_allclose(found, [2, 4], atol=1e-3)
        whole = Planned(lambda x: x * kind(2) + kind(1), inputs, scheme=he.Scheme.BGV)
        assert whole.run(whole.secret, x=[kind(1), kind(2)]).tolist() == [3, 5]

    def test_by_hand_numbers_must_come_out_right(self):
        """Without a plan nothing else says what a result may be."""
        here = setting("CKKS")
        for level in range(4):
            largest = 2.0 ** (45 - 36 - 2) if level == 0 else 2.0 ** (45 - 2)
            for key in (here.secret, here.secret.public_key()):
                x = key.encrypt([0.9 * largest], level=level)
                assert here.opened(x)[0].real == pytest.approx(0.9 * largest, rel=1e-6)
                with pytest.raises(EncryptionError, match="a number that does not fit"):
                    key.encrypt([1.1 * largest], level=level)
