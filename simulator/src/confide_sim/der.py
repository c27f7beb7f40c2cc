"""Values in DER (X.690), as many kinds as the vendors' own extensions of certificates need."""

from __future__ import annotations

__all__ = ["boolean", "enumerated", "ia5_string", "integer", "octets", "oid", "sequence"]


def integer(value: int) -> bytes:
    """INTEGER, not negative."""
    return _tagged(0x02, _minimal(value))


def enumerated(value: int) -> bytes:
    """ENUMERATED, not negative."""
    return _tagged(0x0A, _minimal(value))


def boolean(*, value: bool) -> bytes:
    """BOOLEAN."""
    return _tagged(0x01, b"\xff" if value else b"\x00")


def octets(value: bytes) -> bytes:
    """OCTET STRING."""
    return _tagged(0x04, value)


def ia5_string(value: str) -> bytes:
    """IA5String."""
    return _tagged(0x16, value.encode("ascii"))


def sequence(*items: bytes) -> bytes:
    """SEQUENCE of encoded values."""
    return _tagged(0x30, b"".join(items))


def oid(dotted: str) -> bytes:
    """OBJECT IDENTIFIER, of a text as '1.2.840'."""
    first, second, *others = (int(arc) for arc in dotted.split("."))
    return _tagged(0x06, b"".join(_base128(arc) for arc in (40 * first + second, *others)))


def _tagged(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _minimal(value: int) -> bytes:
    # One bit more than the number has, for the sign.
    return value.to_bytes(value.bit_length() // 8 + 1, "big")


def _base128(arc: int) -> bytes:
    digits = [arc & 0x7F]
    while arc := arc >> 7:
        digits.append(0x80 | arc & 0x7F)
    return bytes(reversed(digits))
