"""Folders of encrypted blocks, with a signed manifest that comes last.

A folder is complete once its manifest is there: the hash of each block in order, the job, and what
the blocks were computed from, signed. So a block that is missing, cut off, altered, repeated or in
another place is found before anything is computed or decrypted. Until then a list of finished
blocks lies in the folder, and interrupted work goes on after the last of them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from confide.canonical import sha256
from confide.errors import DataError, VerificationError

__all__ = ["BlockWriter", "Blocks", "Header", "read_blocks", "read_bytes", "write_secret"]

_FORMAT: Final = "confide encrypted blocks 1"
_MANIFEST: Final = "manifest.json"
_UNFINISHED: Final = "unfinished.jsonl"
_MOST_MANIFEST: Final = 64 << 20
_MOST_BLOCK: Final = 8 << 30
_HASH: Final = 32


@dataclass(frozen=True, kw_only=True)
class Header:
    """What blocks are.

    Attributes:
        what: "rows" or "scores".
        job: The digest of their job.
        of: The digest of the manifest of the blocks that these were computed from; empty of none.
    """

    what: str
    job: bytes
    of: bytes = b""

    def as_value(self) -> dict[str, str]:
        """What stands in a manifest."""
        return {
            "format": _FORMAT, "what": self.what, "job": self.job.hex(), "of": self.of.hex()
        }  # fmt: skip


@dataclass
class BlockWriter:
    """Writes the blocks of a folder one after another; used as a context manager.

    Attributes:
        folder: Made if it is not there.
        header: What the blocks are.
        goes_on: Whether unfinished work is gone on with; otherwise it is removed.
        finished: Size and hash of each finished block.

    Raises:
        DataError: If the folder is complete already, holds other work, or cannot be written.
    """

    folder: Path
    header: Header
    goes_on: bool = True
    finished: list[tuple[int, str]] = field(default_factory=list)

    def __enter__(self) -> Self:
        if (self.folder / _MANIFEST).exists():
            raise DataError(f"{self.folder} is complete already; give an empty folder")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"cannot make {self.folder}: {error.strerror}") from None
        unfinished = self.folder / _UNFINISHED
        if unfinished.exists() and not self.goes_on:
            for path in (*self.folder.glob("*.block*"), unfinished):
                path.unlink()
        if unfinished.exists():
            self._go_on(unfinished)
        elif any(self.folder.iterdir()):
            raise DataError(f"{self.folder} holds other files; give an empty folder")
        else:
            self._append(self.header.as_value())
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @property
    def size(self) -> int:
        """Bytes of the finished blocks."""
        return sum(size for size, _ in self.finished)

    def write(self, data: bytes) -> None:
        """Writes the next block, whole or not at all.

        Raises:
            DataError: If it cannot be written, as on a full disk.
        """
        _write_whole(self.folder / _name(len(self.finished)), data)
        entry = len(data), hashlib.sha256(data).hexdigest()
        self._append(entry)
        self.finished.append(entry)

    def complete(self, key: Ed25519PrivateKey) -> bytes:
        """Signs the manifest and writes it. Returns its digest."""
        manifest: dict[str, Any] = self.header.as_value() | {
            "blocks": [list(entry) for entry in self.finished],
            "signer": key.public_key().public_bytes_raw().hex(),
        }
        manifest["signature"] = key.sign(_signed(manifest)).hex()
        _write_whole(self.folder / _MANIFEST, json.dumps(manifest, indent=0).encode())
        (self.folder / _UNFINISHED).unlink()
        return _digest(manifest)

    def _go_on(self, unfinished: Path) -> None:
        """Takes what is whole: the list's last line, and the last block, may have been cut off."""
        first, *entries = _lines(unfinished)
        if first != self.header.as_value():
            raise DataError(
                f"{self.folder} holds unfinished work of another job or of other rows; give an"
                " empty folder"
            )
        for place, entry in enumerate(entries):
            data = read_bytes(self.folder / _name(place), entry[0])
            if hashlib.sha256(data).hexdigest() != entry[1]:
                break
            self.finished.append(entry)
        lines = [json.dumps(line) for line in (first, *self.finished)]
        _write_whole(unfinished, ("\n".join(lines) + "\n").encode())

    def _append(self, value: object) -> None:
        try:
            with (self.folder / _UNFINISHED).open("a", encoding="utf-8") as file:
                file.write(json.dumps(value) + "\n")
        except OSError as error:
            raise DataError(f"cannot write in {self.folder}: {error.strerror}") from None


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """A folder whose manifest was verified; each block is verified when it is read.

    Attributes:
        folder: Where.
        header: What the blocks are.
        digest: Of the manifest.
        entries: Size and hash of each block.
    """

    folder: Path
    header: Header
    digest: bytes
    entries: tuple[tuple[int, str], ...]

    def __len__(self) -> int:
        return len(self.entries)

    def read(self, start: int = 0) -> Iterator[bytes]:
        """The blocks from one on.

        Raises:
            DataError: If one cannot be read.
            VerificationError: If one is not what was signed.
        """
        for place in range(start, len(self.entries)):
            size, digest = self.entries[place]
            path = self.folder / _name(place)
            data = read_bytes(path, size)
            if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
                raise VerificationError(
                    f"{path} is not the block that was signed: it was altered, cut off or"
                    " exchanged. Nothing of it is used; have the folder sent again"
                )
            yield data


def read_blocks(folder: Path, what: str, job: bytes, signer: bytes | None = None) -> Blocks:
    """Reads a folder's manifest and verifies it.

    Args:
        folder: Where.
        what: "rows" or "scores".
        job: The digest of the job that they must be of.
        signer: Whose signature it must have; None for anybody's, which only tells damage.

    Raises:
        DataError: If there is no manifest: the folder is not complete.
        VerificationError: If it is of another job, signed by somebody else, or altered.
    """
    path = folder / _MANIFEST
    if not path.exists():
        raise DataError(
            f"{folder} has no {_MANIFEST}: it is no folder of encrypted blocks, or unfinished."
            " Run the command that writes it again; it goes on where it stopped"
        )
    try:
        manifest = json.loads(read_bytes(path, _MOST_MANIFEST))
        header = Header(
            what=manifest["what"],
            job=bytes.fromhex(manifest["job"]),
            of=bytes.fromhex(manifest["of"]),
        )
        entries = tuple((_size(size), str(digest)) for size, digest in manifest["blocks"])
        by = bytes.fromhex(manifest["signer"])
        Ed25519PublicKey.from_public_bytes(by).verify(
            bytes.fromhex(manifest["signature"]), _signed(manifest)
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidSignature):
        raise VerificationError(
            f"{path} is not a manifest, or its signature does not match: it was altered"
        ) from None
    if signer is not None and by != signer:
        raise VerificationError(
            f"{path} is signed by another key than that of the evaluation keys: the rows come from"
            " somebody else"
        )
    if header.what != what:
        raise VerificationError(f"{folder} holds {header.what}; {what} are needed here")
    if header.job != job:
        raise VerificationError(f"{folder} is of another job")
    return Blocks(folder=folder, header=header, digest=_digest(manifest), entries=entries)


def read_bytes(path: Path, most: int) -> bytes:
    """Reads a file of at most so many bytes, and one more if it is longer.

    Raises:
        DataError: If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None


def write_secret(path: Path, data: bytes) -> None:
    """Writes a new file that its owner alone may read.

    Raises:
        DataError: If it is there already, or cannot be written.
    """
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
    except FileExistsError:
        raise DataError(f"{path} exists already: a key is never overwritten") from None
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from None


def _lines(path: Path) -> list[Any]:
    """A list's header and its entries, up to the first that is not one."""
    found: list[Any] = []
    for line in read_bytes(path, _MOST_MANIFEST).decode("utf-8", "replace").splitlines():
        try:
            value = json.loads(line)
            found.append((_size(value[0]), str(value[1])) if found else value)
        except (ValueError, KeyError, TypeError, IndexError):
            break
    return found or [None]


def _write_whole(path: Path, data: bytes) -> None:
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise DataError(f"cannot write {path}: {error.strerror}") from None


def _size(size: object) -> int:
    if type(size) is not int or not 0 <= size <= _MOST_BLOCK:
        raise ValueError("a block's size")
    return size


def _name(place: int) -> str:
    return f"{place:06d}.block"


def _signed(manifest: dict[str, Any]) -> bytes:
    """What is signed: everything but the signature."""
    unsigned = {name: value for name, value in manifest.items() if name != "signature"}
    return sha256(["confide.encrypted.manifest", json.dumps(unsigned, sort_keys=True)])


def _digest(manifest: dict[str, Any]) -> bytes:
    return sha256(["confide.encrypted.manifest-digest", json.dumps(manifest, sort_keys=True)])
