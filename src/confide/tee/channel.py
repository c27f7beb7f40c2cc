"""Sending to an attested peer, and to nobody else.

Each message has a data key of its own, wrapped by HPKE (RFC 9180, base mode, X25519, HKDF-SHA256,
AES-256-GCM) to the public key in the evidence. Its `info` is SHA-256(claims ‖ header), so a message
opens only where these claims were made, and only as what its header says. The payload goes in
chunks under the data key, each nonce the chunk's number and whether it is the last: chunks that are
swapped, left out or cut off do not open (STREAM, Hoang et al. 2015, §7). TLS is only transport, so
anyone who relays the evidence of an enclave receives ciphertext.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from confide import canonical
from confide.errors import AttestationError, ProtocolError, Step, VerificationError
from confide.randomness import SecureRandom
from confide.tee.claims import Claims
from confide.tee.verification import AttestedPeer

__all__ = ["CHUNK_BYTES", "framed", "open_sealed", "seal", "sealed_bytes"]

CHUNK_BYTES: Final = 8 << 20
"""One chunk holds most contributions, and then nothing is cut up and put together again."""
_KEY_BYTES: Final = 32
_TAG_BYTES: Final = 16
_NUMBER_BYTES: Final = 11
_WRAPPED_BYTES: Final = 32 + _KEY_BYTES + _TAG_BYTES
_SIZE_BYTES: Final = 2
_FRAME_BYTES: Final = 64
"""Room for what stands around header, wrapped key and chunks."""

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def seal(
    peer: AttestedPeer, header: bytes, payload: bytes, *, at: datetime, random: SecureRandom
) -> bytes:
    """Encrypts a message to an attested peer.

    Args:
        peer: Made by `verify_peer`; nothing else will do.
        header: What the message is: authenticated, and readable by everybody.
        payload: What only the peer is to read.
        at: The time.
        random: Where the data key comes from.

    Raises:
        AttestationError: If the verification has expired, at the step `freshness`; or if the key
            in the claims cannot encrypt, at the step `claims`.
    """
    if at > peer.expires:
        raise AttestationError(
            Step.FRESHNESS,
            f"the peer was verified until {peer.expires:%Y-%m-%d %H:%M:%S} UTC; ask it again "
            "before sending",
        )
    bound, key = _bound_to(peer.claims, header), random.bytes(_KEY_BYTES)
    wrapped = _wrapped(key, peer.claims.hpke_key, bound)
    cipher = AESGCM(key)
    chunks = [
        cipher.encrypt(nonce, payload[start : start + CHUNK_BYTES], bound)
        for nonce, start in _chunks(len(payload))
    ]
    return framed(header, wrapped, b"".join(chunks))


def open_sealed(
    key: X25519PrivateKey,
    claims: Claims,
    header: bytes,
    sealed: bytes | memoryview,
    max_bytes: int,
) -> bytes:
    """Decrypts a message of the one header that is expected.

    Args:
        key: The private half of the claims' HPKE key.
        claims: What the peer was told in the evidence that it verified.
        header: What the message must be.
        sealed: What `seal` wrote.
        max_bytes: Bytes of the largest payload accepted.

    Raises:
        ProtocolError: If it is malformed, too large or of another header.
        VerificationError: If it was encrypted to other claims or altered.
    """
    found, wrapped, chunks = _parts(sealed, len(header))
    if found != header:
        raise ProtocolError("a message to the enclave that is of another step, round or party")
    if len(chunks) > _encrypted_bytes(max_bytes):
        raise ProtocolError(f"a message to the enclave of more than {max_bytes:,} bytes")
    bound = _bound_to(claims, header)
    try:
        cipher = AESGCM(_SUITE.decrypt(wrapped, key, info=bound))
        return b"".join(_decrypted(cipher, chunks, bound))
    except (InvalidTag, ValueError) as error:
        raise VerificationError(
            "a message to the enclave that does not open: it was encrypted to other claims, or "
            "altered on the way"
        ) from error


def framed(header: bytes, wrapped: bytes | None = None, chunks: bytes | int = b"") -> bytes:
    """A message as it travels; without a key, one of the right size for a payload of so many bytes.

    Two bytes say how long header and key are in deterministic CBOR, which follow; the chunks are
    the rest, so that what is large is not copied into a structure and out again.

    Args:
        header: What the message is.
        wrapped: The data key, encrypted.
        chunks: The payload, encrypted; or its size before.
    """
    if isinstance(chunks, int):
        chunks = bytes(_encrypted_bytes(chunks))
    key = bytes(_WRAPPED_BYTES) if wrapped is None else wrapped
    front = canonical.encode({"header": header, "key": key})
    return b"".join((len(front).to_bytes(_SIZE_BYTES, "big"), front, chunks))


def _parts(sealed: bytes | memoryview, header: int) -> tuple[bytes, bytes, memoryview]:
    """Header, wrapped key and chunks of a message whose header has at most so many bytes."""
    view = memoryview(sealed)
    end = _SIZE_BYTES + int.from_bytes(view[:_SIZE_BYTES], "big")
    if len(view) < max(end, _SIZE_BYTES):
        raise ProtocolError(f"a message to the enclave that ends after {len(view):,} bytes")
    most = header + _WRAPPED_BYTES + _FRAME_BYTES
    match canonical.decode(bytes(view[_SIZE_BYTES:end]), most, max_items=5):
        case {"header": bytes(found), "key": bytes(wrapped)}:
            return found, wrapped, view[end:]
        case _:
            raise ProtocolError("a message to the enclave that is not a header, key and chunks")


def sealed_bytes(payload: int, header: int) -> int:
    """Bytes of a message with a payload and a header of so many bytes, at most."""
    return _encrypted_bytes(payload) + header + _WRAPPED_BYTES + _FRAME_BYTES


def _wrapped(key: bytes, public: bytes, bound: bytes) -> bytes:
    try:
        return _SUITE.encrypt(key, X25519PublicKey.from_public_bytes(public), info=bound)
    except ValueError as error:
        raise AttestationError(
            Step.CLAIMS, f"the peer claims the key {public.hex()[:16]}…, which anybody can open"
        ) from error


def _encrypted_bytes(payload: int) -> int:
    return payload + _TAG_BYTES * max(1, -(-payload // CHUNK_BYTES))


def _bound_to(claims: Claims, header: bytes) -> bytes:
    return hashlib.sha256(claims.to_bytes() + header).digest()


def _chunks(size: int) -> Iterator[tuple[bytes, int]]:
    """The nonce and the start of each chunk; an empty message has one, empty too."""
    count = max(1, -(-size // CHUNK_BYTES))
    for k in range(count):
        last = k == count - 1
        yield k.to_bytes(_NUMBER_BYTES, "big") + bytes([last]), k * CHUNK_BYTES


def _decrypted(cipher: AESGCM, chunks: memoryview, bound: bytes) -> Iterator[bytes]:
    size, step = len(chunks), CHUNK_BYTES + _TAG_BYTES
    payload = size - _TAG_BYTES * -(-size // step)
    if payload < 0 or _encrypted_bytes(payload) != size:
        raise ValueError("chunks of no such sizes")
    for k, (nonce, _) in enumerate(_chunks(payload)):
        yield cipher.decrypt(nonce, chunks[k * step : (k + 1) * step], bound)
