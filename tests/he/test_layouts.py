"""What stands in the padding goes with a vector: in memory, in bytes, from one step to the next."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.he.support import setting

from confide import canonical, he
from confide.errors import ProtocolError

pytest.importorskip("confide_native")

LENGTHS = [1, 2, 3, 5, 6, 7, 9, 13, 37, 64, 100]
LONG = [4096, 4097, 5000]


def stored(sealed, here):
    """Written and read again."""
    data = he.write(sealed, here.context)
    if isinstance(sealed, he.SealedTable):
        return he.read_table(data, here.context, most_shape=sealed.shape)
    return he.read_vector(data, here.context, most_length=len(sealed))


def centre(x):
    return x - x.mean()


def chained(here, steps, sealed, *, store):
    """Each step in an evaluation of its own."""
    for step in steps:
        sealed = he.evaluate(step, here.keys, x=sealed)
        sealed = stored(sealed, here) if store else sealed
    return he.decrypt_private(here.secret, sealed)


class TestOneResultFeedsAnother:
    @pytest.mark.parametrize("length", LENGTHS + LONG[1:])
    @pytest.mark.parametrize("store", [False, True])
    def test_energy_and_sum_of_what_was_centred(self, length, store):
        here = long_setting()
        values = np.random.default_rng(length).uniform(-1, 1, length) / np.sqrt(length)
        sealed = he.encrypt(here.secret, values)
        spread = values - values.mean()
        for last, expected in ((lambda x: x @ x, spread @ spread), (lambda x: x.sum(), 0.0)):
            apart = chained(here, [centre, last], sealed, store=store)
            together = chained(here, [lambda x, f=last: f(centre(x))], sealed, store=store)
            for found in (apart, together):
                assert found == pytest.approx([expected], abs=2e-3)

    @pytest.mark.parametrize("length", [3, 5, 37])
    def test_whole_numbers(self, length):
        here = setting("BGV")
        values = np.arange(length)
        sealed = he.encrypt(here.secret, values)
        steps = [lambda x: x + x.sum(), lambda x: x @ x]
        expected = values + values.sum()
        for store in (False, True):
            here.assert_close(chained(here, steps, sealed, store=store), [expected @ expected])

    def test_columns_of_a_table(self):
        here = setting("CKKS")
        values = np.arange(15.0).reshape(5, 3) / 10
        sealed = he.encrypt_columns(here.secret, values)
        shifted = he.evaluate(lambda x: x + x[0].sum(), here.keys, x=sealed)
        expected = values + values[:, 0].sum()
        for each in (shifted, stored(shifted, here)):
            found = he.evaluate(lambda x: x.sum(axis=0), here.keys, x=each)
            found = he.decrypt_private(here.secret, found)
            np.testing.assert_allclose(found, expected.sum(axis=0), atol=1e-3)


class TestBytes:
    def test_say_what_stands_in_the_padding(self):
        here = setting("CKKS")
        sealed = he.encrypt(here.secret, [1.0, 2.0, 3.0])
        dirty = he.evaluate(lambda x: x + x.sum(), here.keys, x=sealed)
        assert sealed.layout.clean
        assert not dirty.layout.clean
        assert stored(sealed, here).layout == sealed.layout
        assert stored(dirty, here).layout == dirty.layout
        # Without padding there is nothing to be said.
        full = he.evaluate(lambda x: x + x.sum(), here.keys, x=he.encrypt(here.secret, np.ones(4)))
        assert full.layout.clean

    @pytest.mark.parametrize("kind", ["vector", "table"])
    def test_of_earlier_releases_are_refused(self, kind):
        """They do not say it, and a guess would be wrong in silence."""
        here = setting("CKKS")
        vector = he.encrypt(here.secret, [1.0, 2.0, 3.0])
        block = he.write(vector.blocks[0], here.context)
        old = canonical.encode({"blocks": [block], "kind": "vector", "length": 3})
        if kind == "table":
            old = canonical.encode({"columns": [old], "kind": "table"})
        reads = {
            "vector": lambda: he.read_vector(old, here.context, most_length=3),
            "table": lambda: he.read_table(old, here.context, most_shape=(3, 1)),
        }
        with pytest.raises(ProtocolError, match=f"a {kind} of version 1; this release reads 2"):
            reads[kind]()

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("clean", 1),
            ("complex", None),
            ("bound", 1),
            ("bound", "nan"),
            ("bound", "-1.0"),
            ("bound", "1"),
            ("bound", "1" * 40),
            ("version", 3),
            ("version", True),
        ],
    )
    def test_that_say_anything_else_are_refused(self, field, value):
        here = setting("CKKS")
        written = he.write(he.encrypt(here.secret, [1.0, 2.0, 3.0]), here.context)
        fields = canonical.decode(written, len(written), 1000)
        with pytest.raises(ProtocolError):
            he.read_vector(canonical.encode({**fields, field: value}), here.context, most_length=3)

    def test_a_result_with_the_bound_of_an_input(self):
        here = setting("CKKS")
        written = he.write(he.encrypt(here.secret, [1.0, 2.0, 3.0], bound=3), here.context)
        fields = canonical.decode(written, len(written), 1000)
        assert he.read_vector(written, here.context, most_length=3).bound == 3
        with pytest.raises(ProtocolError, match="the bound of an input"):
            he.read_vector(
                canonical.encode({**fields, "clean": False}), here.context, most_length=3
            )


# --- random computations, cut at random places ---------------------------------------------------


STEPS = {
    "plus its sum": (lambda x: x + x.sum(), lambda x: x + x.sum()),
    "plus one": (lambda x: x + 1, lambda x: x + 1),
    "from its sum": (lambda x: x.sum() - x, lambda x: x.sum() - x),
    "doubled": (lambda x: x * 2, lambda x: x * 2),
    "negative": (lambda x: -x, lambda x: -x),
    "plus its first": (lambda x: x + x[0], lambda x: x + x[0]),
    "rolled": (lambda x: x.roll(1), lambda x: np.roll(x, 1)),
    "without its first": (
        lambda x: x[1:] if len(x) > 1 else x,
        lambda x: x[1:] if len(x) > 1 else x,
    ),
    "weighted": (lambda x: x * np.arange(len(x)), lambda x: x * np.arange(len(x))),
    "itself twice": (lambda x: he.concatenate([x, x]), lambda x: np.concatenate([x, x])),
    "squared": (lambda x: x * x, lambda x: x * x),
}
LAST = {
    "sum": (lambda x: x.sum(), lambda x: x.sum(keepdims=True)),
    "energy": (lambda x: x @ x, lambda x: np.atleast_1d(x @ x)),
    "all": (lambda x: x, lambda x: x),
}


class OnDemand(he.EvaluationKeys):
    """A key for whatever is asked for, made when it is: random computations name none."""

    def __init__(self, secret):
        super().__init__(secret.context, secret.key_id, {})
        self._secret = secret

    def find(self, power, level, what):
        if power not in self.keys:
            depth = self.context.parameters.depth
            self.keys.update(self._secret.evaluation_keys_of({power: depth}).keys)
        return super().find(power, level, what)


def long_setting():
    return settings_of("CKKS-long")


_MADE: dict = {}


def settings_of(name):
    """Deep enough for a step that takes a level each, and every rotation there is."""
    if name not in _MADE:
        literal = he.Literal(
            scheme=he.Scheme.CKKS if name.startswith("CKKS") else he.Scheme.BGV,
            degree=8192 if name == "CKKS-long" else 16384,
            depth=3 if name == "CKKS-long" else 6,
            level_bits={"CKKS-long": 35, "CKKS": 40, "BGV": 48}[name],
            base_bits=(45,) if name == "CKKS-long" else (50,),
            plain_modulus=None if name.startswith("CKKS") else 1179649,
        )
        context = he.Context(literal.checked())
        secret = he.SecretKey(context)
        _MADE[name] = type(setting("CKKS"))(
            context, secret, OnDemand(secret), setting("CKKS").evaluator
        )
    return _MADE[name]


@pytest.mark.parametrize("scheme", ["CKKS", "BGV"])
@given(
    values=st.lists(st.integers(-2, 2), min_size=1, max_size=9),
    names=st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4),
    last=st.sampled_from(sorted(LAST)),
    cuts=st.lists(st.sampled_from(["together", "apart", "stored"]), min_size=5, max_size=5),
)
@settings(max_examples=25, deadline=None)
def test_cuts_change_nothing(scheme, values, names, last, cuts):
    here = settings_of(scheme)
    steps = [*(STEPS[name] for name in names), LAST[last]]
    expected = np.array(values)
    for _, plainly in steps:
        expected = plainly(expected)
    sealed, waiting = he.encrypt(here.secret, values), []
    for (step, _), cut in zip(steps, [*cuts[: len(steps) - 1], "apart"], strict=False):
        waiting.append(step)
        if cut == "together":
            continue

        def run(x, parts=tuple(waiting)):
            for part in parts:
                x = part(x)
            return x

        sealed = he.evaluate(run, here.keys, x=sealed)
        sealed = stored(sealed, here) if cut == "stored" else sealed
        waiting = []
    found = he.decrypt_private(here.secret, sealed)
    assert len(found) == len(expected)
    if scheme == "BGV":
        assert ((found - expected) % here.parameters.plain_modulus == 0).all()
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-2)
