"""A coverage-guided fuzzer of everything that reads ciphertexts and keys from elsewhere.

    python -m tests.he.fuzz                    # half a minute, as CI does
    python -m tests.he.fuzz --seconds 36000 --corpus /tmp/corpus

A reader may return or raise a `ConfideError`; anything else is a bug, and ends the run with the
input that showed it. How inputs are made of valid messages is in `tests.fuzzing`.
"""

from __future__ import annotations

import atheris

with atheris.instrument_imports(include=["confide.canonical", "confide.he", "cbor2"]):
    from tests.fuzzing import Changer, in_cbor, run

    from confide import he
    from confide.errors import ConfideError

LITERAL = he.Literal(
    scheme=he.Scheme.CKKS,
    degree=4096,
    depth=1,
    level_bits=26,
    base_bits=(36,),
    special_bits=(36,),
)


class Target:
    """One valid message of each kind, and what reads it."""

    def __init__(self) -> None:
        context = he.Context(LITERAL.checked())
        secret = he.SecretKey(context)
        keys = secret.evaluation_keys(products=0, rotations={1: 0})
        public = secret.public_key()
        vector = he.encrypt(secret, [1.0, 2.0], level=0)
        table = he.encrypt_columns(secret, [[1.0, 2.0]], level=0)
        self.kinds = [
            (he.write(secret.encrypt([1.0], level=0), context), he.read_ciphertext),
            (he.write(public.encrypt([1.0]), context), he.read_ciphertext),
            (he.write(public, context), he.read_public_key),
            (he.write(keys, context), he.read_evaluation_keys),
            (
                he.write(vector, context),
                lambda data, context: he.read_vector(data, context, most_length=3),
            ),
            (
                he.write(table, context),
                lambda data, context: he.read_table(data, context, most_shape=(2, 2)),
            ),
            (he.export_secret_key(secret), he.import_secret_key),
            (he.write_parameters(context.parameters), lambda data, _: he.read_parameters(data)),
        ]
        self.context = context
        self.changes = [in_cbor(message) for message, _ in self.kinds]

    def __call__(self, data: bytes) -> None:
        changer = Changer(data)
        which = changer.given.ConsumeIntInRange(0, len(self.kinds) - 1)
        raw = changer.given.ConsumeBool()
        try:
            message = changer.rest() if raw else self.changes[which](changer)
        except TypeError:
            return
        try:
            self.kinds[which][1](message, self.context)
        except ConfideError:
            return


if __name__ == "__main__":
    run(Target(), __doc__, seconds=30)
