"""Files made once and kept: what an earlier version wrote is read, opened and computed with.

They were made by `python -m tests.he.test_known_answers`. Making them anew is a break of the
format, or of the arithmetic, and belongs into the changelog.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from confide import he
from confide.he.serial import export_secret_key

FOLDER = Path(__file__).parent / "known"
LITERALS = {
    "ckks": he.Literal(
        scheme=he.Scheme.CKKS,
        degree=4096,
        depth=1,
        level_bits=26,
        base_bits=(36,),
        special_bits=(36,),
    ),
    "bgv": he.Literal(
        scheme=he.Scheme.BGV,
        degree=8192,
        depth=1,
        level_bits=44,
        base_bits=(46,),
        special_bits=(46,),
        plain_modulus=1032193,
    ),
}
NUMBERS: dict[str, tuple[list[float], list[float]]] = {
    "ckks": ([0.5, -1.25, 3.0], [2.0, 0.25, -1.5]),
    "bgv": ([5, -7, 300], [-2, 9, 11]),
}


def read(name, instructions=""):
    """Context, secret key, an engine with the kept keys, and two ciphertexts."""
    parts = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    literal = he.read_parameters(bytes.fromhex(parts["parameters"]))
    context = he.Context(literal, instructions=instructions)
    folder = FOLDER / name
    secret = he.import_secret_key((folder / "secret").read_bytes(), context)
    keys = he.read_evaluation_keys((folder / "keys").read_bytes(), context)
    x, y = (he.read_ciphertext((folder / n).read_bytes(), context) for n in ("x", "y"))
    return parts, context, secret, he.NativeEngine(keys), x, y


def computed(engine, x, y):
    """Whole numbers from end to end: no rounding of any machine's floating point is in it."""
    evaluator = he.Evaluator(engine)
    product = evaluator.settled(evaluator.multiply(evaluator.subtract(x, y), y))
    return evaluator.rotate(evaluator.add(product, engine.times(product, 2)), 1)


@pytest.mark.parametrize("name", LITERALS)
class TestKnownAnswers:
    @pytest.fixture(autouse=True)
    def _kernels(self):
        pytest.importorskip("confide_native")

    def test_parameters(self, name):
        _, context, *_ = read(name)
        assert context.parameters == LITERALS[name].checked()

    def test_decryption(self, name):
        _, _, secret, _, x, y = read(name)
        for ciphertext, numbers in zip((x, y), NUMBERS[name], strict=True):
            found = np.atleast_2d(secret.decrypt_private(ciphertext))[0, :3]
            np.testing.assert_allclose(found, numbers, rtol=0, atol=0 if name == "bgv" else 1e-3)

    @pytest.mark.parametrize("instructions", ["portable", "avx2", "avx512"])
    def test_arithmetic_to_the_bit(self, name, instructions):
        if instructions not in pytest.importorskip("confide_native").paths():
            pytest.skip(f"this processor has no {instructions}")
        parts, context, secret, engine, x, y = read(name, instructions)
        result = computed(engine, x, y)
        digest = hashlib.sha256(he.write(result, context)).hexdigest()
        assert digest == parts["result"]
        a, b = (np.array(numbers) for numbers in NUMBERS[name])
        found = np.atleast_2d(secret.decrypt_private(result))[0]
        expected = 3 * (a - b) * b
        atol = 0 if name == "bgv" else 2e-2
        np.testing.assert_allclose(found[:2], expected[1:], rtol=0, atol=atol)
        np.testing.assert_allclose(found[-1], expected[0], rtol=0, atol=atol)

    def test_bytes_are_written_as_they_were_read(self, name):
        _, context, secret, engine, x, y = read(name)
        folder = FOLDER / name
        assert he.write(x, context) == (folder / "x").read_bytes()
        assert he.write(y, context) == (folder / "y").read_bytes()
        assert he.write(engine.keys, context) == (folder / "keys").read_bytes()
        assert export_secret_key(secret) == (folder / "secret").read_bytes()


def make() -> None:
    """Writes the files."""
    for name, literal in LITERALS.items():
        folder = FOLDER / name
        folder.mkdir(parents=True, exist_ok=True)
        context = he.Context(literal.checked())
        secret = he.SecretKey(context)
        keys = secret.evaluation_keys(products=1, rotations={1: 0})
        x = secret.encrypt(NUMBERS[name][0])
        y = secret.public_key().encrypt(NUMBERS[name][1])
        (folder / "secret").write_bytes(export_secret_key(secret))
        (folder / "keys").write_bytes(he.write(keys, context))
        (folder / "x").write_bytes(he.write(x, context))
        (folder / "y").write_bytes(he.write(y, context))
        digest = hashlib.sha256(he.write(computed(he.NativeEngine(keys), x, y), context))
        stated = {
            "parameters": he.write_parameters(context.parameters).hex(),
            "result": digest.hexdigest(),
        }
        (FOLDER / f"{name}.json").write_text(json.dumps(stated, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make()
