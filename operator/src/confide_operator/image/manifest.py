"""What is in an image: every file by its hash, in one order, for every builder and time.

Times, owners and the order of folders are left out on purpose: nothing that the image does depends
on them, and they differ from machine to machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from confide.errors import DataError, why_unreadable

from confide_operator.image.description import Description, Source

__all__ = ["FileEntry", "Manifest", "file_hash"]

_FORMAT: Final = "confide image 1"
_MAX_FILES: Final = 200_000
_MAX_FILE_BYTES: Final = 8 << 30
_MAX_MANIFEST_BYTES: Final = 64 << 20
_CHUNK: Final = 1 << 20
_EXECUTABLE: Final = 0o100


@dataclass(frozen=True)
class FileEntry:
    """A file of the image.

    Attributes:
        path: Where it is, from the root.
        sha256: Of its contents, in hexadecimal.
        size: In bytes.
        executable: Whether its owner may run it.
    """

    path: str
    sha256: str
    size: int
    executable: bool


@dataclass(frozen=True)
class Manifest:
    """All that an image is.

    Attributes:
        name: Of the image.
        version: Of the image.
        entrypoint: The program that runs.
        arguments: That it is given.
        environment: Its environment.
        base: Name and digest of what the files lie upon, or None.
        files: In the order of their paths.
        options: Of each platform, as the description has them; files in them by their hashes.
    """

    name: str
    version: str
    entrypoint: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    base: Mapping[str, str] | None
    files: tuple[FileEntry, ...]
    options: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, description: Description) -> Self:
        """Hashes what a description names.

        Raises:
            DataError: If a file cannot be read, is a link or a device, or two go to one place.
        """
        files: dict[str, FileEntry] = {}
        for source in description.files:
            for entry in _entries(description.folder, source):
                if entry.path in files:
                    raise DataError(
                        f"two files go to {entry.path} in the image: leave one of them out"
                    )
                files[entry.path] = entry
                if len(files) > _MAX_FILES:
                    raise DataError(f"an image of more than {_MAX_FILES:,} files")
        if description.entrypoint not in files and description.base is None:
            raise DataError(
                f"the entrypoint {description.entrypoint} is none of the {len(files):,} files of "
                "the image, and no [base] is named: what would run is not measured"
            )
        return cls(
            name=description.name,
            version=description.version,
            entrypoint=description.entrypoint,
            arguments=description.arguments,
            environment=description.environment,
            base=description.base.model_dump() if description.base else None,
            files=tuple(files[path] for path in sorted(files)),
            options=_options(description),
        )

    def to_json(self) -> str:
        """The one text of it: keys in order, no spaces that mean nothing."""
        document = {
            "format": _FORMAT,
            **asdict(self),
            "files": [asdict(entry) for entry in self.files],
        }
        return json.dumps(document, sort_keys=True, ensure_ascii=True, indent=1) + "\n"

    @property
    def hash(self) -> bytes:
        """SHA-256 of that text: the workload's identifier in releases and claims."""
        return hashlib.sha256(self.to_json().encode()).digest()

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` wrote.

        Raises:
            DataError: If it is anything else.
        """
        if len(text) > _MAX_MANIFEST_BYTES:
            raise DataError(f"a manifest of {len(text):,} bytes; at most {_MAX_MANIFEST_BYTES:,}")
        try:
            given = json.loads(text)
            if given.pop("format") != _FORMAT:
                raise DataError(f"a manifest of another format than {_FORMAT!r}")
            files = tuple(_file_of(entry) for entry in given.pop("files"))
            manifest = cls(**{**given, "arguments": tuple(given["arguments"]), "files": files})
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise DataError(f"not a valid manifest: {error}") from error
        if manifest.to_json() != text:
            raise DataError("a manifest that is not written as this program writes it")
        return manifest


def file_hash(path: Path) -> tuple[str, int]:
    """SHA-256 of a file, in hexadecimal, and its size.

    Raises:
        DataError: If it cannot be read, is not a plain file, or is too large.
    """
    digest, size = hashlib.sha256(), 0
    try:
        if not path.is_symlink() and not path.exists():
            raise DataError(f"there is no file {path}, which the description names")
        if path.is_symlink() or not path.is_file():
            raise DataError(
                f"{path} is a link or not a plain file, so its target would not be measured; "
                "put the file itself there, or exclude it"
            )
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                size += len(chunk)
                if size > _MAX_FILE_BYTES:
                    raise DataError(f"{path} has more than {_MAX_FILE_BYTES:,} bytes")
    except OSError as error:
        raise DataError(f"cannot read {path}: {why_unreadable(error)}") from error
    return digest.hexdigest(), size


def _entries(folder: Path, source: Source) -> Iterator[FileEntry]:
    root = folder / source.source
    if root.is_dir() and not root.is_symlink():
        for pattern in (*source.include, *source.exclude):
            if pattern.startswith("/") or ".." in pattern.split("/"):
                raise DataError(f"the pattern {pattern!r} leaves {root}; name a folder of its own")
        chosen = {p for pattern in source.include for p in root.glob(pattern)}
        chosen -= {p for pattern in source.exclude for p in root.glob(pattern)}
        found = sorted(p for p in chosen if p.is_symlink() or not p.is_dir())
        if not found:
            raise DataError(f"{root} has no file that {source.include} names")
        for path in found:
            yield _entry(path, f"{source.target}/{path.relative_to(root).as_posix()}")
    else:
        yield _entry(root, source.target)


def _entry(path: Path, target: str) -> FileEntry:
    digest, size = file_hash(path)
    if not target.isprintable():
        raise DataError(f"a file named {target!r}: names in an image are printable")
    return FileEntry(target, digest, size, bool(path.stat().st_mode & _EXECUTABLE))


def _file_of(given: dict[str, Any]) -> FileEntry:
    entry = FileEntry(**given)
    kinds = {"path": str, "sha256": str, "size": int, "executable": bool}
    for name, kind in kinds.items():
        if type(getattr(entry, name)) is not kind:
            raise TypeError(f"a file whose {name} is no {kind.__name__}")
    return entry


def _options(description: Description) -> dict[str, dict[str, Any]]:
    options: dict[str, dict[str, Any]] = {}
    if description.sgx is not None:
        options["sgx"] = description.sgx.model_dump(mode="json")
    if description.snp is not None:
        given = description.snp.model_dump(mode="json")
        for part in ("firmware", "kernel", "initrd"):
            path = description.folder / given[part]
            if not path.exists():
                raise DataError(
                    f"there is no snp.{part} at {path}: put it there, or leave the platform out "
                    "with --skip snp"
                )
            given[part] = file_hash(path)[0]
        options["snp"] = given
    return options
