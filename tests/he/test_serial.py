"""Bytes in and out, and hostile ones refused."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.he.support import CKKS, setting

from confide import canonical, he
from confide.errors import ConfideError, EncryptionError, ProtocolError

pytest.importorskip("confide_native")

MOST = 1 << 30


@pytest.fixture(params=["CKKS", "composite", "BGV"])
def here(request):
    return setting(request.param)


def opened(data):
    return canonical.decode(data, MOST)


def ciphertexts(here):
    """One in each state that a ciphertext may travel in."""
    x = here.secret.encrypt(here.numbers(np.random.default_rng(0)))
    public = here.secret.public_key().encrypt([1.0, 2.0], level=1)
    product = here.evaluator.multiply(x, x)
    relinearised = here.evaluator.relinearised(product)
    return [x, public, product, relinearised, here.evaluator.settled(product)]


class TestRoundTrips:
    def test_ciphertexts(self, here):
        for x in ciphertexts(here):
            back = he.read_ciphertext(he.write(x, here.context), here.context)
            assert np.array_equal(back.data, x.data)
            for name in ("level", "squared", "seed", "key_id", "parameters", "scale"):
                assert getattr(back, name) == getattr(x, name)
            here.assert_close(here.opened(back), here.opened(x), 0)

    def test_a_fresh_ciphertext_is_half_the_bytes(self, here):
        x = here.secret.encrypt([1.0])
        public = here.secret.public_key().encrypt([1.0])
        fresh, whole = (len(he.write(c, here.context)) for c in (x, public))
        bits = sum(here.parameters.primes[i].bit_length() for i in here.parameters.rows(3))
        assert whole - 1024 < 2 * bits * here.parameters.degree / 8 < whole
        assert fresh - 1024 < whole / 2

    def test_whatever_is_computed_has_no_seed(self, here):
        x = here.secret.encrypt([1.0])
        one = here.evaluator.engine.plain([1])
        for y in (
            here.evaluator.add(x, x),
            here.evaluator.add(x, one),
            here.evaluator.rotate(x, 1),
        ):
            assert y.seed is None

    def test_keys(self, here):
        public = here.secret.public_key()
        read = he.read_public_key(he.write(public, here.context), here.context)
        here.assert_close(here.opened(read.encrypt([1, 2]))[:2], [1, 2])
        keys = here.secret.evaluation_keys(products=2, rotations={1: 1, 5: 3}, conjugate=True)
        back = he.read_evaluation_keys(he.write(keys, here.context), here.context)
        assert back.keys.keys() == keys.keys.keys()
        for power, key in keys.keys.items():
            assert np.array_equal(back.keys[power].data, key.data)
            assert back.keys[power].level == key.level
        evaluator = he.Evaluator(he.NativeEngine(back))
        values = here.numbers(np.random.default_rng(0))
        turned = evaluator.rotate(here.secret.encrypt(values), 5)
        here.assert_close(here.opened(turned), np.roll(values, -5))

    def test_vectors_and_tables(self, here):
        values = here.numbers(np.random.default_rng(0), 9000)
        x = he.encrypt(here.secret, values)
        back = he.read_vector(he.write(x, here.context), here.context, most_length=9000)
        here.assert_close(he.decrypt_private(here.secret, back), values)
        table = he.encrypt_columns(here.secret, values[:6].reshape(3, 2))
        read = he.read_table(he.write(table, here.context), here.context, most_shape=(3, 2))
        here.assert_close(he.decrypt_private(here.secret, read), values[:6].reshape(3, 2))
        for most, kind in (((2, 2), "length"), ((3, 1), "list of at most 1")):
            with pytest.raises(ProtocolError, match=kind):
                he.read_table(he.write(table, here.context), here.context, most_shape=most)
        with pytest.raises(ProtocolError):
            he.read_vector(he.write(x, here.context), here.context, most_length=10)

    def test_secret_keys(self, here):
        secret = he.SecretKey(here.context)
        x = secret.encrypt([3.0])
        secret.decrypt_shared(x, noise=1e-8, queries=4)
        back = he.import_secret_key(he.export_secret_key(secret), here.context)
        here.assert_close(np.atleast_2d(back.decrypt_private(x))[0, :1], [3.0])
        assert back.spent == Fraction(1, 4)
        assert back.key_id == secret.key_id

    def test_what_was_spent_in_odd_parts(self):
        """Fractions grow; what is written forgets nothing and is read again."""
        here = setting("CKKS")
        secret = he.SecretKey(here.context)
        x = secret.encrypt([3.0], level=0)
        for queries in (99_991, 99_989, 99_971, 99_961, 99_929, 99_923, 99_907, 99_901):
            secret.decrypt_shared(x, noise=1e-8, queries=queries)
        back = he.import_secret_key(he.export_secret_key(secret), here.context)
        assert secret.spent <= back.spent < secret.spent + Fraction(1, 2**100)


class TestSecretsStayHome:
    def test_not_in_the_default_export(self, here):
        with pytest.raises(EncryptionError, match="call export_secret_key"):
            he.write(here.secret, here.context)

    def test_no_coefficients_in_what_travels(self):
        """Nothing written by default holds the secret, plainly or packed."""
        here = setting("CKKS")
        coefficients = np.empty(here.parameters.degree, np.int8)
        here.secret.coefficients_into(coefficients)
        travels = [
            he.write(x, here.context)
            for x in (here.secret.public_key(), here.keys, here.secret.encrypt([1.0]))
        ]
        # Any 64 coefficients in a row would be found by chance with probability 3^-64.
        for piece in (coefficients[:64], coefficients[:64] + 1):
            assert all(piece.astype(np.uint8).tobytes() not in data for data in travels)

    def test_of_one_length(self):
        here = setting("CKKS")
        lengths = {len(he.export_secret_key(he.SecretKey(here.context))) for _ in range(20)}
        assert len(lengths) == 1


class TestWrongParameters:
    def test_every_kind(self):
        here = setting("CKKS")
        other = he.Context(he.Literal(**{**vars(CKKS), "depth": 2}).checked())
        for x, read in (
            (here.secret.encrypt([1.0]), he.read_ciphertext),
            (here.secret.public_key(), he.read_public_key),
            (here.keys, he.read_evaluation_keys),
        ):
            with pytest.raises(EncryptionError, match="of other parameters"):
                read(he.write(x, here.context), other)
            with pytest.raises(EncryptionError, match="in a context of"):
                he.write(x, other)
        with pytest.raises(EncryptionError, match="of other parameters"):
            he.import_secret_key(he.export_secret_key(here.secret), other)


class TestHostileBytes:
    """Each is refused with one clear error, and nothing is made of it."""

    @pytest.fixture
    def small(self):
        return setting("CKKS")

    def refused(self, read, fields, context, error=ProtocolError):
        with pytest.raises(error) as refusal:
            read(canonical.encode(fields), context)
        assert len(str(refusal.value)) < 400

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("level", -1),
            ("level", 4),
            ("level", 2**63),
            ("level", None),
            ("level", True),
            ("level", 2),
            ("parts", 1),
            ("parts", 4),
            ("parts", 3),
            ("residues", b""),
            ("residues", 7),
            ("residues", [1, 2]),
            ("scale", "1.0"),
            ("scale", 1),
            ("seed", b"short"),
            ("seed", bytes(31)),
            ("seed", 0),
            ("squared", True),
            ("squared", 1),
            ("key", b""),
            ("key", bytes(17)),
            ("kind", "public key"),
            ("version", 2),
            ("version", None),
            ("extra", 1),
        ],
    )
    def test_ciphertexts(self, small, name, value):
        fields = opened(he.write(small.secret.encrypt([1.0]), small.context))
        self.refused(he.read_ciphertext, {**fields, name: value}, small.context)
        if name in fields:
            del fields[name]
            self.refused(he.read_ciphertext, fields, small.context)

    def test_a_residue_that_is_none(self, small):
        """The largest word that fits its bits is no residue of a prime below."""
        x = small.secret.encrypt([1.0], level=0)
        fields = opened(he.write(x, small.context))
        fields["residues"] = b"\xff" * len(fields["residues"])
        self.refused(he.read_ciphertext, fields, small.context)

    def test_products_at_level_0(self, small):
        x = small.secret.public_key().encrypt([1.0], level=0)
        fields = opened(he.write(x, small.context))
        squared = {"squared": True, "scale": repr(x.scale**2)}
        self.refused(he.read_ciphertext, {**fields, **squared}, small.context)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("level", 4),
            ("level", -1),
            ("power", 1),
            ("power", 2),
            ("power", 16384),
            ("power", -1),
            ("power", True),
            ("seed", bytes(33)),
            ("residues", b"x"),
            ("extra", 0),
        ],
    )
    def test_evaluation_keys(self, small, name, value):
        keys = small.secret.evaluation_keys(rotations={1: 0})
        fields = opened(he.write(keys, small.context))
        fields["keys"][0][name] = value
        self.refused(he.read_evaluation_keys, fields, small.context)

    def test_keys_that_are_no_list_or_repeat(self, small):
        keys = small.secret.evaluation_keys(rotations={1: 0})
        fields = opened(he.write(keys, small.context))
        attempts: list[Any] = [fields["keys"] * 2, {}, [None], [[]], "keys"]
        for entries in attempts:
            self.refused(he.read_evaluation_keys, {**fields, "keys": entries}, small.context)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("coefficients", b""),
            ("coefficients", bytes(8191)),
            ("coefficients", b"\x03" * 8192),
            ("coefficients", b"\xff" * 8192),
            ("coefficients", 0),
            ("spent", ["1", "0"]),
            ("spent", ["2", "1"]),
            ("spent", ["-1", "2"]),
            ("spent", ["1"]),
            ("spent", [1, 2]),
            ("spent", ["1" * 50, "1" * 50]),
            ("spent", ["\u0661", "\u0662"]),
        ],
    )
    def test_secret_keys(self, small, name, value):
        fields = opened(he.export_secret_key(small.secret))
        self.refused(he.import_secret_key, {**fields, name: value}, small.context)

    @pytest.mark.parametrize("blocks", [None, {}, [], [None], [b""], ["x"], [b"x", b"y"]])
    @pytest.mark.parametrize("length", [1, 0, -1, None, 2**60])
    def test_vectors(self, small, blocks, length):
        fields = {"blocks": blocks, "kind": "vector", "length": length}

        def read(data, context):
            return he.read_vector(data, context, most_length=3)

        self.refused(read, fields, small.context, ConfideError)
        table = {"columns": blocks, "kind": "table"}

        def read_table(data, context):
            return he.read_table(data, context, most_shape=(3, 3))

        self.refused(read_table, table, small.context, ConfideError)

    def test_many_small_values(self, small):
        """A byte each on the wire, and seventy in memory."""
        maps = b"\x9a" + (1_000_000).to_bytes(4, "big") + b"\xa0" * 1_000_000
        with pytest.raises(ProtocolError, match="not deterministic CBOR"):
            he.read_evaluation_keys(maps, small.context)
        with pytest.raises(ProtocolError):
            canonical.decode(maps, MOST, 1000)

    def test_size_is_bounded_before_anything_is_looked_at(self, small):
        huge = b"\x00" * (8 * 8192 * 5 * 3 + 5000)
        for read in (he.read_ciphertext, he.read_public_key, he.import_secret_key):
            with pytest.raises(ProtocolError, match="at most"):
                read(huge, small.context)

    @given(st.data())
    @settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
    def test_flipped_and_cut(self, data):
        small = setting("CKKS")
        x = small.secret.encrypt([1.0], level=0)
        good = bytearray(he.write(x, small.context))
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, min(len(good) - 1, 600)))
            good[at] ^= data.draw(st.integers(1, 255))
        cut = data.draw(st.integers(0, len(good)))
        for attempt in (bytes(good), bytes(good[:cut])):
            try:
                read = he.read_ciphertext(attempt, small.context)
            except ConfideError:
                continue
            # Residues are not authenticated: what parses is a ciphertext, of this key or none.
            assert read.parameters == small.parameters

    @given(st.binary(max_size=300))
    def test_noise(self, data):
        small = setting("CKKS")
        for read in (
            he.read_ciphertext,
            he.read_public_key,
            he.read_evaluation_keys,
            he.import_secret_key,
            lambda given, _: he.read_parameters(given),
        ):
            with pytest.raises(ConfideError):
                read(data, small.context)
