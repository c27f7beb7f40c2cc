"""Parameters, keys and ciphertexts as bytes, and strict readers of such bytes.

One canonical CBOR map each: its kind and version, the hash of the parameters, the key's identifier
and the residues, packed to the bits of their primes. A polynomial that was made from a seed is
written as the seed. Input is bounded in size before it is read, has exactly the fields of its kind,
and residues below their primes. It is not authenticated: the channel does that (see SECURITY.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import Any, Final

import numpy as np

from confide import canonical
from confide.errors import EncryptionError, ProtocolError
from confide.he.ciphertext import KEY_ID_BYTES, Ciphertext
from confide.he.context import Context
from confide.he.encoding import Polys
from confide.he.keys import (
    RELINEARISATION,
    EvaluationKeys,
    PublicKey,
    SecretKey,
    SwitchingKey,
    public_rows,
)
from confide.he.layout import Layout
from confide.he.parameters import Literal, Parameters, Scheme
from confide.he.sealed import SealedTable, SealedVector
from confide.randomness import SEED_BYTES

__all__ = [
    "export_secret_key",
    "import_secret_key",
    "read_ciphertext",
    "read_evaluation_keys",
    "read_parameters",
    "read_public_key",
    "read_table",
    "read_vector",
    "write",
    "write_parameters",
]

_VERSIONS: Final = {
    "ciphertext": 1,
    "evaluation keys": 1,
    "public key": 2,  # modulo the special primes too
    "secret key": 1,
    "table": 2,
    "vector": 2,  # says what stands in its padding, whether it is complex, and its bound
}
_FIRST_VERSIONS: Final = ("table", "vector")
"""Kinds that said no version in their first one."""
_HEADER_BYTES: Final = 4096
_MOST_KEYS: Final = 1024
_MOST_SPENT_DIGITS: Final = 40
_MOST_BOUND: Final = 32
_MOST_DENOMINATOR: Final = 1 << 128
_MOST_ITEMS: Final = 16 * _MOST_KEYS
"""Values in a message: many small ones take far more memory than bytes."""


def write_parameters(parameters: Parameters) -> bytes:
    """Parameters as bytes: what was asked for; the primes follow from it."""
    return canonical.encode({"kind": "parameters", "literal": parameters.literal.as_value()})


def read_parameters(data: bytes) -> Parameters:
    """Checked parameters.

    Raises:
        ProtocolError: If the bytes are malformed.
        EncryptionError: If the parameters are not secure or otherwise refused.
    """
    fields = _opened(data, "parameters", {"literal"}, _HEADER_BYTES)
    return Literal.from_value(fields["literal"]).checked()


def write(
    x: Ciphertext | SealedVector | SealedTable | PublicKey | EvaluationKeys, context: Context
) -> bytes:
    """What is encrypted, or public keys, as bytes.

    Raises:
        EncryptionError: If it is of other parameters than the context, or a secret key, which only
            `export_secret_key` writes.
    """
    if isinstance(x, SecretKey):
        raise EncryptionError("a secret key is not written with the rest: call export_secret_key")
    if isinstance(x, SealedVector):
        return canonical.encode(
            {
                "blocks": [write(block, context) for block in x.blocks],
                "bound": None if x.bound is None else repr(x.bound),
                "clean": x.layout.clean,
                "complex": x.layout.complex,
                "kind": "vector",
                "length": x.length,
                "version": _VERSIONS["vector"],
            }
        )
    if isinstance(x, SealedTable):
        columns = [write(column, context) for column in x.columns]
        return canonical.encode(
            {"columns": columns, "kind": "table", "version": _VERSIONS["table"]}
        )
    parameters = x.parameters if isinstance(x, Ciphertext) else x.context.parameters
    if parameters != context.parameters:
        raise EncryptionError(f"{parameters!r} in a context of {context.parameters!r}")
    if isinstance(x, Ciphertext):
        return _written("ciphertext", context, x.key_id, _ciphertext_fields(x, context))
    if isinstance(x, PublicKey):
        fields = {"residues": context.ring.pack(x.data[:1], x.rows), "seed": x.seed}
        return _written("public key", context, x.key_id, fields)
    keys = [
        {
            "level": key.level,
            "power": power,
            "residues": context.ring.pack(
                np.ascontiguousarray(key.data[::2]), key.rows(context.parameters)
            ),
            "seed": key.seed,
        }
        for power, key in sorted(x.keys.items())
    ]
    return _written("evaluation keys", context, x.key_id, {"keys": keys})


def _ciphertext_fields(x: Ciphertext, context: Context) -> dict[str, Any]:
    travels = x.data[:1] if x.seed else x.data
    return {
        "level": x.level,
        "parts": x.parts,
        "residues": context.ring.pack(travels, context.parameters.rows(x.level)),
        "scale": repr(x.scale),
        "seed": x.seed,
        "squared": x.squared,
    }


def read_ciphertext(data: bytes, context: Context) -> Ciphertext:
    """A ciphertext.

    Raises:
        ProtocolError: If the bytes are malformed.
        EncryptionError: If it is of other parameters.
    """
    parameters = context.parameters
    names = {"level", "parts", "residues", "scale", "seed", "squared"}
    most = _ciphertext_bytes(parameters)
    fields, key_id = _opened_for(context, data, "ciphertext", names, most)
    level = _whole(fields["level"], 0, parameters.depth, "a level")
    parts = _whole(fields["parts"], 2, 3, "parts")
    squared, seed = fields["squared"], fields["seed"]
    if type(squared) is not bool or (squared and level == 0):
        raise ProtocolError("a ciphertext whose scale cannot be squared")
    if seed is not None and (parts != 2 or squared):
        raise ProtocolError("a seed of a ciphertext that is not fresh")
    rows = parameters.rows(level)
    out = context.empty(parts, len(rows))
    if seed is None:
        _unpack(context, out, fields["residues"], rows)
    else:
        _unpack(context, out[:1], fields["residues"], rows)
        context.ring.uniform(out[1:], rows, _seed(seed))
    read = Ciphertext(
        parameters=parameters, key_id=key_id, data=out, level=level, squared=squared, seed=seed
    )
    if fields["scale"] != repr(read.scale):
        raise ProtocolError(f"a ciphertext with another scale than level {level} has")
    return read


def read_vector(data: bytes, context: Context, *, most_length: int) -> SealedVector:
    """An encrypted vector.

    Args:
        data: What `write` made.
        context: Of its parameters.
        most_length: How many numbers are expected at most: it bounds what is looked at.

    Raises:
        ProtocolError: If the bytes are malformed.
        EncryptionError: If it is of other parameters.
    """
    blocks = -(-most_length // context.parameters.slots)
    most = _HEADER_BYTES + blocks * _ciphertext_bytes(context.parameters)
    names = {"blocks", "bound", "clean", "complex", "length", "version"}
    fields = _opened(data, "vector", names, most)
    length = _whole(fields["length"], 1, most_length, "the length of a vector")
    layout = Layout(length=length, clean=_truth(fields["clean"]), complex=_truth(fields["complex"]))
    bound = _bound(fields["bound"])
    if layout.complex and context.parameters.scheme is not Scheme.CKKS:
        raise ProtocolError("complex numbers under a scheme of whole ones")
    if bound is not None and not layout.clean:
        raise ProtocolError("a result with the bound of an input")
    given = _messages(fields["blocks"], blocks)
    sealed = [read_ciphertext(block, context) for block in given]
    return SealedVector(sealed, layout, bound=bound)


def read_table(data: bytes, context: Context, *, most_shape: tuple[int, int]) -> SealedTable:
    """An encrypted table.

    Args:
        data: What `write` made.
        context: Of its parameters.
        most_shape: How many rows and columns are expected at most.

    Raises:
        ProtocolError: If the bytes are malformed.
        EncryptionError: If it is of other parameters.
    """
    rows, columns = most_shape
    blocks = -(-rows // context.parameters.slots)
    most = columns * (_HEADER_BYTES + blocks * _ciphertext_bytes(context.parameters))
    fields = _opened(data, "table", {"columns", "version"}, _HEADER_BYTES + most)
    given = _messages(fields["columns"], columns)
    return SealedTable([read_vector(column, context, most_length=rows) for column in given])


def read_public_key(data: bytes, context: Context) -> PublicKey:
    """A public key.

    Raises:
        ProtocolError: If the bytes are malformed.
        EncryptionError: If it is of other parameters.
    """
    parameters = context.parameters
    most = _HEADER_BYTES + _word_bytes(parameters)
    fields, key_id = _opened_for(context, data, "public key", {"residues", "seed"}, most)
    rows, seed = public_rows(parameters), _seed(fields["seed"])
    out = context.empty(2, len(rows))
    _unpack(context, out[:1], fields["residues"], rows)
    context.ring.uniform(out[1:], rows, seed)
    return PublicKey(context, key_id, out, seed)


def read_evaluation_keys(data: bytes, context: Context) -> EvaluationKeys:
    """Evaluation keys. Their memory is up to three times that of the bytes.

    Raises:
        ProtocolError: If the bytes are malformed.
        EncryptionError: If they are of other parameters.
    """
    parameters = context.parameters
    digits = parameters.digits(parameters.depth)
    most = _HEADER_BYTES + _MOST_KEYS * (_HEADER_BYTES + digits * _word_bytes(parameters))
    fields, key_id = _opened_for(context, data, "evaluation keys", {"keys"}, most)
    keys: dict[int, SwitchingKey] = {}
    for entry in _list(fields["keys"], _MOST_KEYS):
        power, key = _read_switching_key(entry, context)
        if power in keys:
            raise ProtocolError(f"two keys of power {power}")
        keys[power] = key
    return EvaluationKeys(context, key_id, keys)


def _read_switching_key(entry: object, context: Context) -> tuple[int, SwitchingKey]:
    parameters = context.parameters
    fields = _exactly(entry, {"level", "power", "residues", "seed"}, "a switching key")
    power = _whole(fields["power"], 0, 2 * parameters.degree - 1, "a power")
    if power == 1 or (power != RELINEARISATION and power % 2 == 0):
        raise ProtocolError(f"a key of power {power}, which is not a rotation")
    level = _whole(fields["level"], 0, parameters.depth, "a level")
    seed = _seed(fields["seed"])
    rows = [*parameters.rows(level), *parameters.special]
    digits = parameters.digits(level)
    halves = context.empty(digits, len(rows))
    _unpack(context, halves, fields["residues"], rows)
    out = context.empty(2 * digits, len(rows))
    out[::2] = halves
    context.ring.expand_key(out, rows, seed)
    return power, SwitchingKey(level=level, data=out, seed=seed)


def export_secret_key(secret: SecretKey) -> bytes:
    """The secret key itself, as bytes that open everything: keep them as you keep a password.

    They hold what the key has spent of its shared results. A copy kept from before does not know
    what was spent since: restore the newest.
    """
    spent = secret.spent
    if spent.denominator > _MOST_DENOMINATOR:
        # Rounded up, so that nothing is forgotten.
        spent = min(Fraction(math.ceil(spent * _MOST_DENOMINATOR), _MOST_DENOMINATOR), Fraction(1))
    coefficients = np.empty(secret.context.parameters.degree, np.int8)
    secret.coefficients_into(coefficients)
    coefficients += 1
    try:
        return _written(
            "secret key",
            secret.context,
            secret.key_id,
            {
                "coefficients": coefficients.tobytes(),
                "spent": [str(spent.numerator), str(spent.denominator)],
            },
        )
    finally:
        coefficients.fill(0)


def import_secret_key(data: bytes, context: Context) -> SecretKey:
    """The secret key that `export_secret_key` wrote.

    Raises:
        ProtocolError: If the bytes are malformed; nothing of them is in the message.
        EncryptionError: If it is of other parameters.
    """
    degree = context.parameters.degree
    names = {"coefficients", "spent"}
    fields, key_id = _opened_for(context, data, "secret key", names, _HEADER_BYTES + degree)
    stored = fields["coefficients"]
    if not isinstance(stored, bytes) or len(stored) != degree:
        raise ProtocolError("a secret key of another length")
    coefficients = np.frombuffer(stored, np.int8) - np.int8(1)
    if np.abs(coefficients.astype(np.int16)).max() > 1:
        raise ProtocolError("a secret key with coefficients beyond -1, 0 and 1")
    try:
        return SecretKey.of_coefficients(context, key_id, coefficients, _spent(fields["spent"]))
    finally:
        coefficients.fill(0)


def _spent(value: object) -> Fraction:
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not all(
            isinstance(x, str) and x.isascii() and x.isdigit() and len(x) <= _MOST_SPENT_DIGITS
            for x in value
        )
        or int(value[1]) == 0
        or int(value[0]) > int(value[1])
    ):
        raise ProtocolError("what a key has spent is a fraction between 0 and 1")
    return Fraction(int(value[0]), int(value[1]))


def _ciphertext_bytes(parameters: Parameters) -> int:
    return _HEADER_BYTES + 3 * _word_bytes(parameters)


def _word_bytes(parameters: Parameters) -> int:
    """More than one polynomial modulo all primes takes."""
    return 8 * parameters.degree * len(parameters.primes)


def _written(kind: str, context: Context, key_id: bytes, fields: dict[str, Any]) -> bytes:
    header = {"key": key_id, "kind": kind, "parameters": context.parameters.hash}
    return canonical.encode({**header, **fields, "version": _VERSIONS[kind]})


def _opened_for(
    context: Context, data: bytes, kind: str, names: Iterable[str], most: int
) -> tuple[dict[str, Any], bytes]:
    """The fields of a kind under these parameters, and the key's identifier."""
    fields = _opened(data, kind, {*names, "key", "parameters", "version"}, most)
    if fields["parameters"] != context.parameters.hash:
        raise EncryptionError(
            f"a {kind} of other parameters than {context.parameters!r}: read it with the"
            " parameters that it was made with"
        )
    key_id = fields["key"]
    if not isinstance(key_id, bytes) or len(key_id) != KEY_ID_BYTES:
        raise ProtocolError(f"a key identifier that is not {KEY_ID_BYTES} bytes")
    return fields, key_id


def _opened(data: bytes, kind: str, names: set[str], most: int) -> dict[str, Any]:
    found = canonical.decode(data, most, _MOST_ITEMS)
    if isinstance(found, dict) and found.get("kind") == kind and "version" in names:
        _require_version(kind, found)
    fields = _exactly(found, {*names, "kind"}, f"a {kind}")
    if fields["kind"] != kind:
        raise ProtocolError(f"not a {kind}: these bytes are of another kind")
    return fields


def _require_version(kind: str, found: dict[str, Any]) -> None:
    given = found.get("version", 1 if kind in _FIRST_VERSIONS else None)
    if type(given) is not int or given != _VERSIONS[kind]:
        raise ProtocolError(
            f"a {kind} of version {given!r:.20}; this release reads {_VERSIONS[kind]}: write it "
            "again with the same release on both sides"
        )


def _exactly(value: object, names: set[str], what: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        raise ProtocolError(f"not {what}: its fields are {', '.join(sorted(names))}")
    return value


def _whole(value: object, low: int, high: int, what: str) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ProtocolError(f"{what} lies between {low} and {high}")
    return value


def _truth(value: object) -> bool:
    if type(value) is not bool:
        raise ProtocolError("what a vector says of itself is true or false")
    return value


def _bound(value: object) -> float | None:
    if value is None:
        return None
    try:
        bound = float(value) if isinstance(value, str) and len(value) <= _MOST_BOUND else math.nan
    except ValueError:
        bound = math.nan
    if not 0 < bound < math.inf or repr(bound) != value:
        raise ProtocolError("a bound is a positive number")
    return bound


def _list(value: object, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ProtocolError(f"a list of at most {most} entries")
    return value


def _messages(value: object, most: int) -> list[bytes]:
    given = _list(value, most)
    if not all(isinstance(message, bytes) for message in given):
        raise ProtocolError("ciphertexts are bytes")
    return given


def _seed(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) != SEED_BYTES:
        raise ProtocolError(f"a seed is {SEED_BYTES} bytes")
    return value


def _unpack(context: Context, out: Polys, packed: object, rows: Iterable[int]) -> None:
    if not isinstance(packed, bytes):
        raise ProtocolError("residues are bytes")
    try:
        context.ring.unpack(out, packed, list(rows))
    except ValueError as error:
        raise ProtocolError(f"residues that do not fit: {error}") from error
