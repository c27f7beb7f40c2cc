"""Files that behave as the kernel's do: what one writes to one of them changes another."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import PosixPath

CERTIFICATES = {
    "VCEK": uuid.UUID("63da758d-e664-4564-adc5-f4b93be8accd"),
    "ASK": uuid.UUID("4ab7b379-bbac-4fe4-a02f-05aef327c782"),
    "ARK": uuid.UUID("c0b406a4-a803-4952-9743-3fb6014cd0ae"),
}
"""The names of a host's certificates (AMD 56421, §4.1.8.1), written the most significant first."""


def outblob_of(inblob: bytes) -> bytes:
    """The evidence that a device of the tests gives for what it is to carry."""
    return b"\2" + hashlib.sha512(inblob).digest()


def certificate_table(*certificates: bytes) -> bytes:
    """A host's table, in the layout of AMD's header: entries, an empty one, then the contents."""
    at = 24 * (len(certificates) + 1)
    entries = b""
    for name, certificate in zip(CERTIFICATES, certificates, strict=False):
        guid, size = CERTIFICATES[name].bytes, len(certificate)
        entries += guid + at.to_bytes(4, "little") + size.to_bytes(4, "little")
        at += size
    return entries + bytes(24) + b"".join(certificates)


class Configfs(PosixPath):
    """A folder of configfs-tsm: folders made in it have attributes, and go with them.

    Linux, *Documentation/ABI/testing/configfs-tsm-report*: each write of an attribute raises
    `generation`, `inblob` takes 64 bytes at most, and there is no `outblob` before it.
    """

    def mkdir(self, mode=0o777, parents=False, exist_ok=False):
        super().mkdir(mode, parents, exist_ok)
        (self / "generation").write_text("0\n")
        (self / "inblob").touch()
        self._provide()

    def rmdir(self):
        for attribute in self.iterdir():
            attribute.unlink()
        super().rmdir()

    def write_bytes(self, data):
        if self.name != "inblob":
            return super().write_bytes(data)
        if len(data) > 64:
            raise OSError(22, "Invalid argument")
        written = super().write_bytes(data)
        self.parent._written(data)
        return written

    def _written(self, inblob):
        generation = int((self / "generation").read_text()) + 1
        (self / "generation").write_text(f"{generation}\n")
        (self / "outblob").write_bytes(outblob_of(inblob))

    def _provide(self):
        """What a provider adds: nothing, as on TDX."""


class SnpConfigfs(Configfs):
    """On SEV-SNP, with the certificates that the host has."""

    def _provide(self):
        (self / "auxblob").touch()

    def _written(self, inblob):
        super()._written(inblob)
        table = certificate_table(b"the chip's", b"its issuer's", b"the root")
        (self / "auxblob").write_bytes(table)


class DevAttestation(PosixPath):
    """Gramine's `/dev/attestation`: the quote is of what was last written."""

    def begin(self, kind="dcap"):
        """Makes the files that a manifest with remote attestation gives."""
        (self / "attestation_type").write_text(f"{kind}\n")
        (self / "user_report_data").write_bytes(bytes(64))
        (self / "quote").touch()
        (self / "keys").mkdir()
        (self / "keys" / "_sgx_mrenclave").write_bytes(b"e" * 16)
        (self / "keys" / "_sgx_mrsigner").write_bytes(b"s" * 16)
        return self

    def read_bytes(self):
        if self.name == "quote":
            return outblob_of((self.parent / "user_report_data").read_bytes())
        return super().read_bytes()
