"""What the simulated vendors have in common: a root of their own."""

from __future__ import annotations

from typing import NoReturn

from cryptography.hazmat.primitives.hashes import SHA256

from confide_sim import pki

__all__ = ["Vendor"]


class Vendor:
    """A vendor whose root was made just now, and is gone with this object.

    Args:
        root: Its root, made by the subclass.
    """

    def __init__(self, root: pki.Authority) -> None:
        self._root = root

    @property
    def root(self) -> bytes:
        """The self-signed root in DER: what a verifier must be given, explicitly."""
        return pki.der(self._root.certificate)

    def __repr__(self) -> str:
        fingerprint = self._root.certificate.fingerprint(SHA256()).hex()
        return f"{type(self).__name__}({pki.NOTICE}; SHA-256 of the root: {fingerprint})"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"the keys of {type(self).__name__} stay in the memory they were made in")
