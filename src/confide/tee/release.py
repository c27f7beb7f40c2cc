"""Releases: which measurements belong to a build, and who confirms that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from confide import canonical
from confide.errors import AttestationError, PlanError, Step
from confide.tee.attestation import REQUIRED_MEASUREMENTS, Platform

__all__ = ["Reference", "Release", "SignedRelease"]

_FORMAT: Final = "confide release 1"
_MAX_BYTES: Final = 256 << 10
_HASH_BYTES: Final = 32


@dataclass(frozen=True)
class Reference:
    """Measurements that are accepted.

    Attributes:
        platform: Where they are measured.
        measurements: By the vendor's names; evidence must show each of them.
        workload: Hash of the build's manifest, which claims must repeat; None if only the
            measurements are known.
        name: What they are of, for messages.

    Raises:
        AttestationError: If one that identifies the code is missing or zero.
    """

    platform: Platform
    measurements: Mapping[str, bytes]
    workload: bytes | None
    name: str

    def __post_init__(self) -> None:
        if missing := REQUIRED_MEASUREMENTS[self.platform] - self.measurements.keys():
            raise AttestationError(
                Step.MEASUREMENT,
                f"{self.name} lacks {', '.join(sorted(missing))} for {self.platform.value}: "
                "without it any code would do",
            )
        required = sorted(REQUIRED_MEASUREMENTS[self.platform])
        if zeros := [name for name in required if not any(self.measurements[name])]:
            raise AttestationError(
                Step.MEASUREMENT,
                f"{self.name} has {', '.join(zeros)} = 0 for {self.platform.value}: nothing was "
                "measured into a register of zeros, so it identifies no code",
            )

    def differs(self, measured: Mapping[str, bytes]) -> list[str]:
        """The names of measurements that differ; empty if all match."""
        expected = dict(self.measurements)
        if self.platform is Platform.SNP:
            # Code at a lower privilege level than the firmware's could ask for reports, too.
            expected.setdefault("vmpl", b"\0")
        return [name for name, value in expected.items() if measured.get(name) != value]


@dataclass(frozen=True)
class Release:
    """A build, and what the hardware measures of it.

    Attributes:
        name: Of the workload.
        version: Of the build.
        workload: SHA-256 of the build's manifest.
        measurements: By platform, and in it by the vendor's names.
    """

    name: str
    version: str
    workload: bytes
    measurements: Mapping[Platform, Mapping[str, bytes]]

    def __post_init__(self) -> None:
        if len(self.workload) != _HASH_BYTES:
            raise _error(f"has a workload hash of {len(self.workload)} bytes, not {_HASH_BYTES}")
        if not self.measurements:
            raise _error("has no measurements")
        _ = self.references

    @property
    def references(self) -> tuple[Reference, ...]:
        """What a policy that trusts this release accepts."""
        name = f"release {self.name} {self.version}"
        return tuple(
            Reference(platform, measured, self.workload, name)
            for platform, measured in self.measurements.items()
        )

    def to_bytes(self) -> bytes:
        """What is signed."""
        return canonical.encode(
            {
                "format": _FORMAT,
                "name": self.name,
                "version": self.version,
                "workload": self.workload,
                "measurements": {
                    platform.value: dict(measured)
                    for platform, measured in self.measurements.items()
                },
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote.

        Raises:
            ProtocolError: If it is not deterministic CBOR.
            AttestationError: If it is anything else, at the step `measurement`.
        """
        match canonical.decode(data, _MAX_BYTES):
            case {
                "name": str(name),
                "version": str(version),
                "workload": bytes(workload),
                "measurements": dict(measurements),
            }:
                pass
            case _:
                raise _error(f"is no {_FORMAT!r}")
        try:
            release = cls(
                _text(name),
                _text(version),
                workload,
                {Platform(platform): _bytes(m) for platform, m in measurements.items()},
            )
        except (ValueError, TypeError) as error:
            raise _error(f"cannot be read: {error}") from error
        if release.to_bytes() != data:
            raise _error("has more in it than a release, or another format")
        return release

    @property
    def hash(self) -> bytes:
        """SHA-256 of the release, by which logs and registries name it."""
        return hashlib.sha256(self.to_bytes()).digest()


@dataclass(frozen=True)
class SignedRelease:
    """A release and signatures on it, by Ed25519 key.

    Attributes:
        release: What is signed.
        signatures: By public key, 32 bytes; not verified until `verify` is called.
    """

    release: Release
    signatures: Mapping[bytes, bytes]

    def sign(self, key: Ed25519PrivateKey) -> SignedRelease:
        """The same with one more signature."""
        signer = key.public_key().public_bytes_raw()
        signatures = {**self.signatures, signer: key.sign(self.release.to_bytes())}
        return SignedRelease(self.release, signatures)

    def verify(self, signers: Collection[bytes], threshold: int) -> Release:
        """Checks that enough of the signers signed the release.

        Args:
            signers: Public keys, 32 bytes each.
            threshold: How many of them must have signed, at least one.

        Raises:
            PlanError: If nobody had to sign.
            AttestationError: If fewer did, or one of their signatures is false, at the step
                `measurement`.
        """
        if threshold < 1:
            raise PlanError(f"a threshold of {threshold} signers; without one, anybody's would do")
        signed = self.release.to_bytes()
        known = [key for key in self.signatures if key in signers]
        for key in known:
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(self.signatures[key], signed)
            except (InvalidSignature, ValueError) as error:
                raise AttestationError(
                    Step.MEASUREMENT,
                    f"{self.release.name} {self.release.version} is not as {key.hex()[:16]}… "
                    "signed it",
                ) from error
        if len(known) < threshold:
            raise AttestationError(
                Step.MEASUREMENT,
                f"{self.release.name} {self.release.version} is signed by {len(known)} of the "
                f"{len(signers)} signers that the policy names; it needs {threshold}",
            )
        return self.release

    def to_json(self) -> str:
        """A file for people: hashes in hex, keys in order."""
        measurements = {
            platform.value: {name: value.hex() for name, value in sorted(measured.items())}
            for platform, measured in self.release.measurements.items()
        }
        document = {
            "format": _FORMAT,
            "name": self.release.name,
            "version": self.release.version,
            "workload": self.release.workload.hex(),
            "measurements": measurements,
            "signatures": {k.hex(): s.hex() for k, s in sorted(self.signatures.items())},
        }
        return json.dumps(document, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` wrote; what is signed does not depend on how the file is laid out.

        Raises:
            AttestationError: If it is anything else, at the step `measurement`.
        """
        if len(text) > _MAX_BYTES:
            raise _error(f"has {len(text):,} characters; at most {_MAX_BYTES:,} are read")
        try:
            document = json.loads(text)
            known = {"format", "name", "version", "workload", "measurements", "signatures"}
            if document.keys() != known or document["format"] != _FORMAT:
                raise _error(f"is no {_FORMAT!r} with the keys {', '.join(sorted(known))}")
            measurements = {
                Platform(platform): {_text(name): bytes.fromhex(v) for name, v in measured.items()}
                for platform, measured in document["measurements"].items()
            }
            release = Release(
                _text(document["name"]),
                _text(document["version"]),
                bytes.fromhex(document["workload"]),
                measurements,
            )
            signatures = {
                bytes.fromhex(key): bytes.fromhex(signature)
                for key, signature in document["signatures"].items()
            }
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise _error(f"cannot be read: {str(error)[:200]}") from error
        return cls(release, signatures)


def _bytes(measured: Any) -> dict[str, bytes]:
    if not isinstance(measured, dict) or not all(isinstance(v, bytes) for v in measured.values()):
        raise TypeError("measurements are bytes")
    return dict(measured)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= 200:
        raise TypeError("a name of 1 to 200 characters is expected")
    if not canonical.has_encoding(value):
        raise TypeError(f"a name is expected, not {value!r}, which holds half of a character")
    return value


def _error(problem: str) -> AttestationError:
    return AttestationError(Step.MEASUREMENT, f"the release {problem}")
