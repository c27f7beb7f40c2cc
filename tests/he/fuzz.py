"""A coverage-guided fuzzer of everything that reads bytes from elsewhere.

    python -m tests.he.fuzz                    # a minute, as CI does
    python -m tests.he.fuzz --seconds 36000 --corpus /tmp/corpus

Inputs are either taken as they are, or as instructions by which a valid message is changed, field
by field, so that they come past the first checks. A reader may return or raise a `ConfideError`;
anything else is a bug, and ends the run with the input that showed it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["confide.canonical", "confide.he", "cbor2"]):
    from confide import canonical, he
    from confide.errors import ConfideError

LITERAL = he.Literal(
    scheme=he.Scheme.CKKS,
    degree=4096,
    depth=1,
    level_bits=26,
    base_bits=(36,),
    special_bits=(36,),
)
MOST = 1 << 24


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
        self.valid = [canonical.decode(data, MOST) for data, _ in self.kinds]

    def __call__(self, data: bytes) -> None:
        given = atheris.FuzzedDataProvider(data)
        which = given.ConsumeIntInRange(0, len(self.kinds) - 1)
        if given.ConsumeBool():
            message = given.ConsumeBytes(given.remaining_bytes())
        else:
            changed = self.changed(self.valid[which], given, 0)
            try:
                message = canonical.encode(changed)
            except TypeError:
                return
        try:
            self.kinds[which][1](message, self.context)
        except ConfideError:
            return

    def changed(self, value: object, given: atheris.FuzzedDataProvider, depth: int) -> object:
        """The value with something else somewhere in it."""
        if isinstance(value, dict) and value and given.ConsumeProbability() < 0.9:
            name = given.PickValueInList(sorted(value))
            if given.ConsumeProbability() < 0.05:
                return {k: v for k, v in value.items() if k != name}
            return {**value, name: self.changed(value[name], given, depth + 1)}
        if isinstance(value, list) and value and given.ConsumeProbability() < 0.8:
            at = given.ConsumeIntInRange(0, len(value) - 1)
            return [*value[:at], self.changed(value[at], given, depth + 1), *value[at + 1 :]]
        if isinstance(value, bytes) and value and given.ConsumeBool():
            at = given.ConsumeIntInRange(0, len(value) - 1)
            piece = given.ConsumeBytes(16)
            cut = given.ConsumeIntInRange(0, 16)
            return value[:at] + piece + value[at + cut :]
        return self.anything(given, depth)

    def anything(self, given: atheris.FuzzedDataProvider, depth: int) -> object:
        """Any value that canonical CBOR has."""
        kind = given.ConsumeIntInRange(0, 7 if depth < 4 else 5)
        if kind == 6:
            return [self.anything(given, depth + 1) for _ in range(given.ConsumeIntInRange(0, 3))]
        if kind == 7:
            return {given.ConsumeUnicodeNoSurrogates(8): self.anything(given, depth + 1)}
        draw = (
            lambda: None,
            given.ConsumeBool,
            lambda: given.ConsumeInt(8),
            lambda: given.ConsumeUnicodeNoSurrogates(20),
            lambda: given.ConsumeBytes(40),
            lambda: given.ConsumeIntInRange(-3, 70),
        )[kind]
        return draw()


def main() -> None:
    """Fuzzes for as long as it is told to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument(
        "--corpus", type=Path, help="where inputs that found something new are kept"
    )
    arguments = parser.parse_args()
    corpus = arguments.corpus or Path(tempfile.mkdtemp())
    corpus.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={arguments.seconds}", "-max_len=4096", "-rss_limit_mb=4096"]
    atheris.Setup([sys.argv[0], str(corpus), *options, "-print_final_stats=1"], Target())
    atheris.Fuzz()


if __name__ == "__main__":
    main()
