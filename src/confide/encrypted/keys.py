"""The keys of a job: what its owner keeps, and what its evaluator is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from confide import canonical, he
from confide.encrypted.files import read_bytes, write_secret
from confide.errors import DataError, ProtocolError, VerificationError

__all__ = ["EvaluatorKeys", "OwnerKeys"]

EVALUATION: Final = "evaluation.keys"
_OWN: Final = "secret.key"
_SENT: Final = "sent.txt"
_VERSION: Final = 1
_MOST_BYTES: Final = 16 << 30
_MOST_SECRET: Final = 1 << 20


class Job(Protocol):
    """What keys are made for."""

    @property
    def parameters(self) -> he.Parameters:
        """The ring."""

    @property
    def needs(self) -> Mapping[int, int]:
        """The evaluation keys: the highest level for each power of X."""

    @property
    def digest(self) -> bytes:
        """Its hash, which names it."""


@dataclass(frozen=True)
class OwnerKeys:
    """What opens scores, and signs rows. It stays at home.

    Attributes:
        secret: Encrypts and decrypts.
        signing: Signs manifests.
    """

    secret: he.SecretKey
    signing: Ed25519PrivateKey

    @classmethod
    def make(cls, job: Job) -> Self:
        """Fresh keys for a job."""
        return cls(he.SecretKey(he.Context(job.parameters)), Ed25519PrivateKey.generate())

    def for_evaluator(self, job: Job) -> bytes:
        """What the evaluator is given: evaluation keys, and the key that verifies manifests."""
        keys = self.secret.evaluation_keys_of(job.needs)
        return canonical.encode(
            {
                "job": job.digest,
                "keys": he.write(keys, self.secret.context),
                "kind": "evaluator keys",
                "signer": self.signing.public_key().public_bytes_raw(),
                "version": _VERSION,
            }
        )

    def save(self, folder: Path, job: Job) -> None:
        """Writes `secret.key`, which only its owner may read, and `evaluation.keys` to send.

        Raises:
            DataError: If they cannot be written, or the folder has keys already.
        """
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"cannot make {folder}: {error.strerror}") from None
        stored = canonical.encode(
            {
                "job": job.digest,
                "kind": "owner keys",
                "secret": he.export_secret_key(self.secret),
                "signing": self.signing.private_bytes_raw(),
                "version": _VERSION,
            }
        )
        write_secret(folder / _OWN, stored)
        try:
            (folder / EVALUATION).write_bytes(self.for_evaluator(job))
        except OSError as error:
            raise DataError(f"cannot write {folder / EVALUATION}: {error.strerror}") from None

    @classmethod
    def load(cls, folder: Path, job: Job) -> Self:
        """Reads the owner's keys.

        Raises:
            DataError: If they cannot be read.
            ProtocolError: If they are malformed.
            VerificationError: If they are of another job.
        """
        data = read_bytes(folder / _OWN, _MOST_SECRET)
        fields = _fields(data, "owner keys", {"secret", "signing"}, job, _MOST_SECRET)
        secret = he.import_secret_key(fields["secret"], he.Context(job.parameters))
        if len(fields["signing"]) != 32:
            raise ProtocolError(f"{folder / _OWN} is damaged")
        return cls(secret, Ed25519PrivateKey.from_private_bytes(fields["signing"]))

    @staticmethod
    def note_sent(folder: Path, manifest: bytes, rows: int) -> None:
        """Remembers which rows were encrypted, so that scores of others are refused.

        Raises:
            DataError: If it cannot be written.
        """
        try:
            with (folder / _SENT).open("a", encoding="ascii") as file:
                file.write(f"{manifest.hex()} {rows}\n")
        except OSError as error:
            raise DataError(f"cannot write {folder / _SENT}: {error.strerror}") from None

    @staticmethod
    def sent(folder: Path, manifest: bytes) -> int:
        """How many rows were encrypted with a manifest.

        Raises:
            DataError: If the list cannot be read.
            VerificationError: If none were: the scores are of somebody else's rows.
        """
        lines = read_bytes(folder / _SENT, _MOST_SECRET).decode("ascii", "replace").splitlines()
        for line in lines:
            name, _, rows = line.partition(" ")
            if name == manifest.hex() and rows.isdecimal():
                return int(rows)
        raise VerificationError(
            "these are scores of rows that were not encrypted with these keys; nothing is decrypted"
        )


@dataclass(frozen=True)
class EvaluatorKeys:
    """What computes on the owner's ciphertexts, and opens none.

    Attributes:
        keys: Evaluation keys.
        signer: The owner's public key.
    """

    keys: he.EvaluationKeys
    signer: bytes

    @classmethod
    def load(cls, path: Path, job: Job) -> Self:
        """Reads `evaluation.keys`.

        Raises:
            DataError: If the file cannot be read.
            ProtocolError: If it is malformed.
            VerificationError: If it is of another job.
        """
        data = read_bytes(path, _MOST_BYTES)
        fields = _fields(data, "evaluator keys", {"keys", "signer"}, job, _MOST_BYTES)
        keys = he.read_evaluation_keys(fields["keys"], he.Context(job.parameters))
        if {power: key.level for power, key in keys.keys.items()} != dict(job.needs):
            raise ProtocolError(f"{path} has keys for other operations than those of the job")
        return cls(keys, fields["signer"])


def _fields(data: bytes, kind: str, names: set[str], job: Job, most: int) -> dict[str, bytes]:
    fields = canonical.decode(data, most, 64)
    if (
        not isinstance(fields, dict)
        or set(fields) != names | {"job", "kind", "version"}
        or fields["kind"] != kind
        or fields["version"] != _VERSION
        or not all(isinstance(fields[name], bytes) for name in {*names, "job"})
    ):
        raise ProtocolError(f"not {kind} of this release: make them with confide he keygen")
    if fields["job"] != job.digest:
        raise VerificationError(f"{kind} of another job: keys are made for one job")
    return {name: fields[name] for name in names}
