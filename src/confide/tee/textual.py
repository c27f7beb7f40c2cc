"""Evidence as text, as people paste it: hexadecimal, base64, or blocks like PEM's."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

__all__ = ["from_text"]

_BLOCK: Final = re.compile(rb"-----BEGIN [^\n-]+-----(.+?)-----END [^\n-]+-----", re.DOTALL)
_HEX: Final = re.compile(rb"(?:0[xX])?((?:[0-9A-Fa-f]{2})+)")
_BASE64: Final = re.compile(rb"[A-Za-z0-9+/_-]+={0,2}")
_LEAST: Final = 64
"""Below which bytes are not taken for a text: no evidence is so short."""


def from_text(data: bytes) -> bytes:
    """The bytes that a text encodes; the data themselves, if they are not such a text.

    No vendor's document is made of printable characters alone, so nothing is taken for a text that
    is evidence already.

    Args:
        data: A file's contents.
    """
    if len(data) < _LEAST or not data.isascii():
        return data
    block = _BLOCK.fullmatch(data.strip())
    text = b"".join((block[1] if block else data).split())
    if (found := _HEX.fullmatch(text)) is not None:
        return bytes.fromhex(found[1].decode("ascii"))
    if _BASE64.fullmatch(text) is None:
        return data
    try:
        padded = text.rstrip(b"=") + b"=" * (-len(text.rstrip(b"=")) % 4)
        return base64.b64decode(padded.translate(bytes.maketrans(b"-_", b"+/")), validate=True)
    except binascii.Error:
        return data
