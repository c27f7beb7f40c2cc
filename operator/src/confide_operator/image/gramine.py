"""Gramine's manifests: made from an image's manifest; also a linter for any manifest.

Gramine, *Manifest syntax*. What is measured into MRENCLAVE is Gramine's own loader, the layout of
the enclave and this file, in which every trusted file stands by its hash; a file that is missing
here is under the host's control.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from confide_operator.image.description import Sgx
from confide_operator.image.manifest import Manifest

__all__ = ["Finding", "lint", "render"]

_MAX_CHARACTERS: Final = 64 << 20
_GRAMINES: Final = ("{{ gramine.libos }}", "{{ gramine.runtimedir() }}")
"""The places that gramine-manifest fills in; any other mark of Jinja's would run when it does."""

_MARKS: Final = ("{{", "{%", "{#")
_TRUSTED: Final = tuple(f"file:{mark}{end}" for mark, end in zip(_GRAMINES, ("", "/"), strict=True))
_KEYS: Final = ("_sgx_mrenclave", "_sgx_mrsigner")

_HEADER: Final = """\
# Gramine's manifest of {name} {version}, made by `confide tee build`; the hash of manifest.json is
# {workload}.
# gramine-manifest fills in where Gramine is, and gramine-sgx-sign measures the result.{base}
"""

_BASE: Final = """
# The files of {image}@{digest} are not here: gsc build adds them, each by its hash."""


@dataclass(frozen=True)
class Finding:
    """A setting that opens the enclave, or gives the host control over it.

    Attributes:
        key: The option.
        problem: What is wrong, and what to write instead.
        line: Where it stands, from 1; 0 if it is missing.
    """

    key: str
    problem: str
    line: int

    def __str__(self) -> str:
        where = f"line {self.line}" if self.line else "missing"
        return f"{self.key} ({where}): {self.problem}"


def render(manifest: Manifest, sgx: Sgx) -> str:
    """Gramine's manifest of an image, a template in which only Gramine's own places are open."""
    lines = [
        _HEADER.format(
            name=manifest.name,
            version=_text(manifest.version),
            workload=manifest.hash.hex(),
            base=_BASE.format(**manifest.base) if manifest.base else "",
        ),
        'loader.entrypoint.uri = "file:{{ gramine.libos }}"',
        'loader.log_level = "error"',
        f"libos.entrypoint = {_text(manifest.entrypoint)}",
        f"loader.argv = [{', '.join(map(_text, (manifest.entrypoint, *manifest.arguments)))}]",
        *(f"loader.env.{n} = {_text(v)}" for n, v in sorted(manifest.environment.items())),
        "",
        "sgx.debug = false",
        'sgx.remote_attestation = "dcap"',
        f"sgx.enclave_size = {_text(sgx.enclave_size)}",
        f"sgx.max_threads = {sgx.max_threads}",
        f"sgx.isvprodid = {sgx.isv_prod_id}",
        f"sgx.isvsvn = {sgx.isv_svn}",
        "",
        "fs.mounts = [",
        '  { path = "/lib", uri = "file:{{ gramine.runtimedir() }}" },',
        *(f"  {{ path = {_text(f.path)}, uri = {_text(_uri(f.path))} }}," for f in manifest.files),
        *(
            f'  {{ type = "encrypted", path = {_text(sealed.path)}, '
            f"uri = {_text(_uri(sealed.path))}, key_name = {_text(sealed.key)} }},"
            for sealed in sgx.sealed
        ),
        "]",
        "",
        "sgx.trusted_files = [",
        '  "file:{{ gramine.libos }}",',
        '  "file:{{ gramine.runtimedir() }}/",',
        *(
            f"  {{ uri = {_text(_uri(f.path))}, sha256 = {_text(f.sha256)} }},"
            for f in manifest.files
        ),
        "]",
    ]
    return "\n".join(lines) + "\n"


def lint(text: str) -> list[Finding]:
    """What is wrong with a manifest of Gramine's, rendered or a template of `render`'s kind.

    Args:
        text: The manifest, in TOML; Jinja's marks may stand within texts.
    """
    if len(text) > _MAX_CHARACTERS:
        return [Finding("file", f"{len(text):,} characters; at most {_MAX_CHARACTERS:,}", 0)]
    try:
        given = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return [Finding("file", f"no TOML: {error}", 0)]
    findings = [
        *_templates(text),
        *_required(given, text),
        *_forbidden(given, text),
        *_mounts(given, text),
        *_files(given, text),
    ]
    return sorted(findings, key=lambda finding: (finding.line, finding.key))


_WANTED: Final[tuple[tuple[str, object, str], ...]] = (
    ("sgx.debug", False, "the host reads a debug enclave; write false"),
    ("sgx.remote_attestation", "dcap", "nobody can verify it; write 'dcap'"),
)
_NEVER: Final = re.compile(r"(^|\.)insecure__")
_PASSED: Final = "passthrough"


def _templates(text: str) -> Iterator[Finding]:
    """Marks of Jinja's, in comments too: what they become is not in the text that is read here."""
    for number, line in enumerate(text.splitlines(), start=1):
        rest = line
        for mark in _GRAMINES:
            rest = rest.replace(mark, "")
        if any(mark in rest for mark in _MARKS):
            known = " and ".join(_GRAMINES)
            yield Finding(
                "template", f"a mark that is not one of {known}: write out what it is", number
            )


def _mounts(given: dict[str, Any], text: str) -> Iterator[Finding]:
    mounts = _at(given, "fs.mounts")
    for mount in mounts if isinstance(mounts, list) else []:
        if not isinstance(mount, dict):
            yield Finding("fs.mounts", f"{mount!r} is not a mount", _line(text, "fs.mounts"))
            continue
        kind, path = mount.get("type", "chroot"), str(mount.get("path"))
        line = _line(text, path)
        if kind not in ("chroot", "encrypted", "tmpfs"):
            problem = f"{path} is of type {kind!r}: the host reads or writes it; leave it out"
            yield Finding("fs.mounts", problem, line)
        if str(mount.get("uri", "")).startswith("dev:"):
            yield Finding("fs.mounts", f"{path} is a device of the host's; leave it out", line)
        if kind == "encrypted" and mount.get("key_name") not in _KEYS:
            problem = f"{path} is encrypted under a key that somebody gives; use {_KEYS[0]!r}"
            yield Finding("fs.mounts", problem, line)


def _required(given: dict[str, Any], text: str) -> Iterator[Finding]:
    for key, value, why in _WANTED:
        found = _at(given, key)
        if found != value:
            yield Finding(key, f"is {found!r}: {why}", _line(text, key))
    for key in ("libos.entrypoint", "sgx.enclave_size", "sgx.max_threads"):
        if _at(given, key) is None:
            yield Finding(key, "is left to a default; say it", 0)
    if _at(given, "loader.argv") is None:
        yield Finding("loader.argv", "nothing says what the program is given; write a list", 0)


def _forbidden(given: dict[str, Any], text: str) -> Iterator[Finding]:
    for key, value in _flat(given, ""):
        if _NEVER.search(key) and value not in (False, None):
            problem = f"is {value!r}: the host chooses what the enclave should know; leave it out"
            yield Finding(key, problem, _line(text, key))
        if key.startswith("loader.env.") and key.endswith(f".{_PASSED}") and value:
            problem = "the host chooses the value; write it down"
            yield Finding(key, problem, _line(text, key.removesuffix(f".{_PASSED}")))
    for key in ("loader.argv_src_file", "loader.env_src_file"):
        if _at(given, key) is not None:
            problem = "is read at run time; write the values down, or trust the file by its hash"
            yield Finding(key, problem, _line(text, key))
    policy = _at(given, "sgx.file_check_policy")
    if policy not in (None, "strict"):
        problem = f"is {policy!r}: files of the host's pass; leave it out, it is 'strict'"
        yield Finding("sgx.file_check_policy", problem, _line(text, "sgx.file_check_policy"))
    if _at(given, "sys.allowed_ioctls"):
        problem = "calls go to the host and come back as it likes; leave them out"
        yield Finding("sys.allowed_ioctls", problem, _line(text, "sys.allowed_ioctls"))
    if _at(given, "sgx.allowed_files"):
        problem = "the host may change these; trust them by hash, or mount them encrypted"
        yield Finding("sgx.allowed_files", problem, _line(text, "sgx.allowed_files"))


def _files(given: dict[str, Any], text: str) -> Iterator[Finding]:
    trusted = _at(given, "sgx.trusted_files")
    if not isinstance(trusted, list) or not trusted:
        yield Finding("sgx.trusted_files", "nothing is trusted, so nothing can run", 0)
        return
    for item in trusted:
        if isinstance(item, dict) and "sha256" in item:
            if not re.fullmatch(r"[0-9a-f]{64}", str(item["sha256"])):
                problem = f"{item.get('uri')!r} has a hash that is not valid"
                yield Finding("sgx.trusted_files", problem, _line(text, str(item["sha256"])))
        elif item not in _TRUSTED:
            problem = (
                f"{item!r} has no hash here: so the file of the signing machine is measured; "
                "name its sha256"
            )
            yield Finding("sgx.trusted_files", problem, _line(text, str(item)))


def _at(given: dict[str, Any], key: str) -> Any:
    value: Any = given
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _flat(value: Any, key: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flat(inner, f"{key}.{name}" if key else name)
    else:
        yield key, value


def _line(text: str, key: str) -> int:
    """Where a key, or its last part, first stands; 0 if nowhere."""
    for wanted in (key, key.rpartition(".")[2]):
        for number, line in enumerate(text.splitlines(), start=1):
            if wanted in line and not line.lstrip().startswith("#"):
                return number
    return 0


def _uri(path: str) -> str:
    return f"file:{path.lstrip('/')}"


def _text(value: str) -> str:
    """A TOML basic string; JSON's escapes are among TOML's.

    Braces are escaped, so that gramine-manifest, which renders the text with Jinja, sees no mark.
    """
    return json.dumps(value).replace("{", "\\u007b")
