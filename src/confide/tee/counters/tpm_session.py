"""Talking to a TPM 2.0 through a host that may lie: a session that only the TPM can answer.

The session's key comes from a secret that is encrypted to a key of the TPM's, and every command and
every answer carries an HMAC under it, over the names of what it is about (TCG, *TPM 2.0 Library*,
Part 1, "Session-based authorizations"; commands are in Part 3, structures in Part 2). A host that
keeps a command from the TPM, answers in its place, answers with what the TPM said before, or puts
another object under the same handle, is found out.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from confide.errors import ProtocolError, VerificationError
from confide.randomness import SecureRandom

__all__ = ["Session", "Transmit", "sized"]

Transmit = Callable[[bytes], bytes]
"""Carries a command to the TPM and its answer back."""

_NO_SESSIONS, _SESSIONS = 0x8001, 0x8002
_START_AUTH_SESSION: Final = 0x176
_NO_OBJECT: Final = 0x40000007
_HMAC_SESSION: Final = b"\0"
_SHA256, _NO_ALGORITHM = b"\0\x0b", b"\0\x10"
_CONTINUE: Final = 1
_HEADER_BYTES: Final = 10
_HASH_BYTES: Final = 32
_MAX_ANSWER: Final = 4096


class Session:
    """An authenticated session with the TPM that holds a key.

    Args:
        transmit: The way to the TPM.
        handle: Where the key is in the TPM.
        key: Its public half, P-256, which the enclave knows from elsewhere than the host.
        random: Where the secret and nonces come from.

    Raises:
        ProtocolError: If the TPM refuses, or what answers is none.
    """

    def __init__(
        self,
        transmit: Transmit,
        handle: int,
        key: ec.EllipticCurvePublicKey,
        random: SecureRandom,
    ) -> None:
        self._transmit, self._random = transmit, random
        self._mine = random.bytes(_HASH_BYTES)
        salt, encrypted = _salt(key, random)
        body = _u32(handle) + _u32(_NO_OBJECT) + sized(self._mine) + sized(encrypted)
        body += _HMAC_SESSION + _NO_ALGORITHM + _SHA256
        answer = _answer(transmit, _NO_SESSIONS, _START_AUTH_SESSION, body)
        self._handle, rest = answer[:4], answer[4:]
        self._theirs = _read_sized(rest)[0]
        # Part 1, §19.6.8: neither bound to an object nor to an authorisation value.
        self._key = _kdfa(salt, b"ATH", self._theirs, self._mine)

    def __repr__(self) -> str:
        return "Session(<hidden>)"

    def call(
        self, code: int, handles: list[int], names: list[bytes], parameters: bytes, *, last: bool
    ) -> bytes:
        """Sends a command with an empty authorisation value, and verifies who answers.

        Args:
            code: Of the command.
            handles: What it is about; the session authorises the first.
            names: Of these, as the TPM computes them: it refuses others.
            parameters: As they are marshalled.
            last: Whether the session ends with it.

        Returns:
            The answer's parameters.

        Raises:
            ProtocolError: If the TPM refuses, or what answers is none.
            VerificationError: If another than the TPM answers.
        """
        attributes = bytes([0 if last else _CONTINUE])
        self._mine = self._random.bytes(_HASH_BYTES)
        asked = _sha256(_u32(code) + b"".join(names) + parameters)
        mac = self._mac(asked + self._mine + self._theirs + attributes)
        area = self._handle + sized(self._mine) + attributes + sized(mac)
        body = b"".join(map(_u32, handles)) + _u32(len(area)) + area + parameters
        answer = _answer(self._transmit, _SESSIONS, code, body)
        size = int.from_bytes(answer[:4], "big")
        found, rest = answer[4 : 4 + size], answer[4 + size :]
        self._theirs, rest = _read_sized(rest)
        kept, (mac, end) = rest[:1], _read_sized(rest[1:])
        said = _sha256(_u32(0) + _u32(code) + found)
        if end or not hmac.compare_digest(mac, self._mac(said + self._theirs + self._mine + kept)):
            raise VerificationError(
                "the answer of the TPM is not from the TPM that this enclave knows, or not to what "
                "it asked"
            )
        return found

    def _mac(self, data: bytes) -> bytes:
        return hmac.digest(self._key, data, "sha256")


def sized(data: bytes) -> bytes:
    """Bytes with their number in front, as the TPM's TPM2B structures are."""
    return len(data).to_bytes(2, "big") + data


def _salt(key: ec.EllipticCurvePublicKey, random: SecureRandom) -> tuple[bytes, bytes]:
    """A secret, and the point of which the TPM makes it (Part 1, §11.4.10.3 and annex C)."""
    # A number below the order from 16 bytes more than it has: the rest is even to 2^-128.
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    scalar = int.from_bytes(random.bytes(48), "big") % (order - 1) + 1
    once = ec.derive_private_key(scalar, ec.SECP256R1())
    point, theirs = once.public_key().public_numbers(), key.public_numbers()
    x, y = (number.to_bytes(32, "big") for number in (point.x, point.y))
    shared = once.exchange(ec.ECDH(), key)
    salt = _sha256(_u32(1) + shared + b"SECRET\0" + x + theirs.x.to_bytes(32, "big"))
    return salt, sized(x) + sized(y)


def _kdfa(key: bytes, label: bytes, first: bytes, second: bytes) -> bytes:
    """256 bits (Part 1, §11.4.10.2)."""
    data = _u32(1) + label + b"\0" + first + second + _u32(8 * _HASH_BYTES)
    return hmac.digest(key, data, "sha256")


def _answer(transmit: Transmit, tag: int, code: int, body: bytes) -> bytes:
    command = tag.to_bytes(2, "big") + _u32(_HEADER_BYTES + len(body)) + _u32(code) + body
    answer = transmit(command)
    size, failed = int.from_bytes(answer[2:6], "big"), int.from_bytes(answer[6:10], "big")
    if not _HEADER_BYTES <= len(answer) == size <= _MAX_ANSWER:
        raise ProtocolError(f"what answers for the TPM sends {len(answer)} bytes of no answer")
    if failed:
        raise ProtocolError(
            f"the TPM refuses command {code:#x} with {failed:#x}: see 'tpm2_rc_decode {failed:#x}'"
        )
    return answer[_HEADER_BYTES:]


def _read_sized(data: bytes) -> tuple[bytes, bytes]:
    size = int.from_bytes(data[:2], "big")
    if len(data) < 2 + size:
        raise ProtocolError("an answer of the TPM that ends too early")
    return data[2 : 2 + size], data[2 + size :]


def _u32(number: int) -> bytes:
    return number.to_bytes(4, "big")


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
