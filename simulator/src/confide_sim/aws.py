"""AWS Nitro Enclaves, simulated.

AWS, *Nitro Enclaves attestation process* (repository aws-nitro-enclaves-nsm-api, docs), §3; RFC
9052, §4.2 and §4.4. A document carries its whole chain, and its key lives for three hours. Nothing
here can be revoked: AWS uses no revocation lists, and has verifiers turn them off (§3.2.4).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec

from confide_sim import pki, signing
from confide_sim.checks import moment, sized, some_of
from confide_sim.emitted import Emitted
from confide_sim.vendor import Vendor

__all__ = ["AwsFault", "AwsVendor"]

_ES384: Final = b"\xa1\x01\x38\x22"
"""The protected header, {1: -35}."""

_PCRS: Final = 16
_PCR_BYTES: Final = 48
_DEBUG_PCRS: Final = (0, 1, 2)
_DEFAULT_PCRS: Final = {
    index: hashlib.sha384(f"confide simulator: PCR{index}".encode()).digest()
    for index in (0, 1, 2, 4)
}
"""Of the image, its kernel, its application, and the instance; without a role or a signature."""

_SIZES: Final = {"user_data": (0, 512), "nonce": (0, 512), "public_key": (1, 1024)}
"""§3.2.2.2."""

_MODULE: Final = re.compile(r"i-[0-9a-f]{17}-enc[0-9a-f]{16}")
_DEFAULT_MODULE: Final = "i-0000000000c0ffee0-enc00000000c0ffee00"
_ZONE: Final = "us-east-1.aws.nitro-enclaves"
_INDEFINITE_MAP, _BREAK = b"\xbf", b"\xff"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND, _HOUR, _DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
_LEAF_LIFE: Final = 3 * _HOUR


class AwsFault(StrEnum):
    """Faults of a document apart from its content; each case has exactly one."""

    BAD_SIGNATURE = "bad signature"
    """The document's signature is of another message."""
    FORGED_LEAF = "forged leaf"
    """The certificate of the key is not signed by the issuer that it names."""
    EXPIRED_LEAF = "expired leaf"
    """It had ended when the document was made."""
    FUTURE_LEAF = "future leaf"
    """It had not begun."""


class AwsVendor(Vendor):
    """A simulated AWS: root → region → zone → instance → enclave, all of P-384.

    Only the root's certificate lives long; those below are made for each document, as real ones
    live for weeks, days and hours.
    """

    def __init__(self) -> None:
        super().__init__(pki.found("simulated.aws.nitro-enclaves", _p384()))
        self._keys = (_p384(), _p384(), _p384())

    def attest(
        self,
        *,
        at: datetime,
        pcrs: Mapping[int, bytes] | None = None,
        user_data: bytes | None = None,
        nonce: bytes | None = None,
        public_key: bytes | None = None,
        module_id: str = _DEFAULT_MODULE,
        debug: bool = False,
        faults: Collection[AwsFault] = (),
    ) -> Emitted:
        """A document: a COSE_Sign1 structure without a tag, over a map with the whole chain.

        Args:
            at: The time that it says it was made, with a time zone.
            pcrs: Measurements by their numbers, 0 to 15, 48 bytes each; those not named are zero.
                If none are given, PCR0 to PCR2 and PCR4 are those of some image.
            user_data: What the enclave puts in, at most 512 bytes.
            nonce: The same.
            public_key: The same, 1 to 1024 bytes.
            module_id: The instance and the enclave, as 'i-…-enc…' with 17 and 16 hex digits.
            debug: Whether PCR0 to PCR2 are zero, as of an enclave in debug mode.
            faults: What else is wrong.

        Returns:
            The document; there is no collateral.

        Raises:
            ValueError: If an argument does not fit the layout.
        """
        if not _MODULE.fullmatch(module_id):
            raise ValueError(f"module_id {module_id!r}; it is as {_DEFAULT_MODULE!r}")
        time, key = moment(at), _p384()
        has = some_of(AwsFault, faults)
        leaf, bundle = self._chain(key, time, module_id, has)
        fields = {
            "module_id": module_id,
            "digest": "SHA384",
            "timestamp": (time - _EPOCH) // timedelta(milliseconds=1),
            "pcrs": _pcrs(pcrs, debug=debug),
            "certificate": leaf,
            "cabundle": bundle,
            "public_key": _limited("public_key", public_key),
            "user_data": _limited("user_data", user_data),
            "nonce": _limited("nonce", nonce),
        }
        payload = _map(fields)
        signed = cbor2.dumps(["Signature1", _ES384, b"", payload])
        signature = signing.raw(key, signed, valid=AwsFault.BAD_SIGNATURE not in has)
        return Emitted(cbor2.dumps([_ES384, {}, payload, signature]))

    def _chain(
        self,
        key: ec.EllipticCurvePrivateKey,
        at: datetime,
        module_id: str,
        faults: Collection[AwsFault],
    ) -> tuple[bytes, list[bytes]]:
        """The key's certificate, and those above it from the root down."""
        instance = module_id.partition("-enc")[0]
        names = (f"5eed.{_ZONE}", f"5eed.zonal.{_ZONE}", f"{instance}.{_ZONE}")
        lives = (20 * _DAY, 6 * _DAY, _DAY)
        bundle = [self._root]
        for depth, (name, life) in enumerate(zip(names, lives, strict=True)):
            length = len(names) - 1 - depth
            validity = (at - life / 2, at + life / 2)
            bundle.append(pki.certify(name, self._keys[depth], bundle[-1], length, validity))
        public = key.public_key()
        extensions = pki.leaf_extensions(public, bundle[-1])
        name = f"{module_id}.us-east-1.aws"
        forger = pki.forger_of(bundle[-1], self._keys[0])
        issuer = forger if AwsFault.FORGED_LEAF in faults else bundle[-1]
        leaf = pki.issue(name, public, issuer, _leaf_validity(at, faults), extensions)
        return pki.der(leaf), [pki.der(authority.certificate) for authority in bundle]


def _p384() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def _pcrs(given: Mapping[int, bytes] | None, *, debug: bool) -> dict[int, bytes]:
    values = dict(_DEFAULT_PCRS if given is None else given)
    if unknown := values.keys() - set(range(_PCRS)):
        raise ValueError(f"PCR{min(unknown)}; a document has PCR0 to PCR{_PCRS - 1}")
    if debug:
        values |= dict.fromkeys(_DEBUG_PCRS, bytes(_PCR_BYTES))
    return {
        index: sized(f"PCR{index}", values.get(index, bytes(_PCR_BYTES)), _PCR_BYTES)
        for index in range(_PCRS)
    }


def _limited(name: str, value: bytes | None) -> bytes | None:
    least, most = _SIZES[name]
    if value is not None and not least <= len(value) <= most:
        raise ValueError(f"{name} has {len(value)} bytes; it has {least} to {most}")
    return value


def _map(fields: Mapping[str, Any]) -> bytes:
    """A map of indefinite length with its keys in this order, as the hypervisor writes it."""
    items = (cbor2.dumps(key) + cbor2.dumps(value) for key, value in fields.items())
    return b"".join((_INDEFINITE_MAP, *items, _BREAK))


def _leaf_validity(at: datetime, faults: Collection[AwsFault]) -> pki.Validity:
    if AwsFault.EXPIRED_LEAF in faults:
        return at - _HOUR - _LEAF_LIFE, at - _HOUR
    if AwsFault.FUTURE_LEAF in faults:
        return at + _HOUR, at + _HOUR + _LEAF_LIFE
    return at - 3 * _SECOND, at + _LEAF_LIFE
