"""What differs between two builds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from confide_operator.image.manifest import Manifest

__all__ = ["Difference", "differences"]


@dataclass(frozen=True)
class Difference:
    """Something that is not the same.

    Attributes:
        what: 'file', 'option' or 'measurement'.
        name: Of it.
        old: What it was; None if it was not there.
        new: What it is; None if it is not there any more.
    """

    what: str
    name: str
    old: str | None
    new: str | None

    @property
    def kind(self) -> str:
        """'added', 'removed' or 'changed'."""
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"


def differences(
    old: Manifest,
    new: Manifest,
    old_measurements: dict[str, str] | None = None,
    new_measurements: dict[str, str] | None = None,
) -> list[Difference]:
    """What differs: options first, then measurements, then files by path.

    Args:
        old: The one manifest.
        new: The other.
        old_measurements: By 'platform.name', in hexadecimal.
        new_measurements: The same of the other.
    """
    return [
        *_between("option", _options(old), _options(new)),
        *_between("measurement", old_measurements or {}, new_measurements or {}),
        *_between("file", _files(old), _files(new)),
    ]


def _between(what: str, old: dict[str, str], new: dict[str, str]) -> Iterator[Difference]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            yield Difference(what, name, old.get(name), new.get(name))


def _files(manifest: Manifest) -> dict[str, str]:
    return {
        f.path: f"{f.sha256} {f.size}{' executable' if f.executable else ''}"
        for f in manifest.files
    }


def _options(manifest: Manifest) -> dict[str, str]:
    given: dict[str, Any] = {
        "name": manifest.name,
        "version": manifest.version,
        "entrypoint": manifest.entrypoint,
        "arguments": list(manifest.arguments),
        **{f"environment.{name}": value for name, value in manifest.environment.items()},
        **{
            f"{platform}.{name}": value
            for platform, options in manifest.options.items()
            for name, value in options.items()
        },
    }
    return {name: str(value) for name, value in given.items()}
