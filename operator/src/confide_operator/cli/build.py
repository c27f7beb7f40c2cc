"""`confide tee build`, `diff`, `lint` and `sign`: what hardware will measure, reproducibly."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from confide.cli.console import errors, output, plain
from confide.cli.files import load_private_key
from confide.cli.tee.evidence import hexadecimal
from confide.errors import DataError, why_unreadable
from confide.tee.attestation import Platform

from confide_operator.image import Build, Description, Manifest, Measured
from confide_operator.image import build as make
from confide_operator.image import differences as between
from confide_operator.image import lint as findings_in

__all__ = ["build", "diff", "lint", "sign"]

_MAX_BYTES = 64 << 20
_DIFFERENT = 1

AsJson = Annotated[bool, typer.Option("--json", help="Write it as JSON.")]


def build(
    description: Annotated[
        Path, typer.Argument(metavar="IMAGE.toml", help="The image's description.")
    ],
    *,
    out: Annotated[Path, typer.Option(help="The folder for the manifest and the release.")],
    measurement: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLATFORM.NAME=HEX", help="A measurement by another tool; repeatable."
        ),
    ] = None,
    skip: Annotated[
        list[Platform] | None, typer.Option(help="Leave a platform out; repeatable.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hash what goes into an image, and what hardware measures."""
    described = Description.read(description).without(skip or [])
    made = make(described, _given(measurement or []))
    made.write(out)
    if as_json:
        typer.echo(json.dumps(_as_json(made), indent=1))
    else:
        _print(made)
    errors.print(f"wrote {', '.join(made.files)} to {out}", markup=False, soft_wrap=True)


def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A folder that was built.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Another one.")],
    as_json: AsJson = False,
) -> None:
    """Say what differs between two builds. The exit code is 0 only if nothing does."""
    found = between(
        _manifest(old), _manifest(new), _release_measurements(old), _release_measurements(new)
    )
    if as_json:
        typer.echo(json.dumps([{**asdict(d), "kind": d.kind} for d in found], indent=1))
    for difference in found if not as_json else ():
        output.print(
            f"{difference.kind:<8} {difference.what:<12} {plain(difference.name)}", soft_wrap=True
        )
        for mark, text in (("-", difference.old), ("+", difference.new)):
            if text is not None:
                output.print(f"  {mark} {plain(text)}", soft_wrap=True)
    if found:
        raise typer.Exit(_DIFFERENT)
    errors.print("the same")


def lint(
    manifest: Annotated[Path, typer.Argument(metavar="MANIFEST", help="Gramine's manifest.")],
    as_json: AsJson = False,
) -> None:
    """Say what opens an enclave of Gramine's. The exit code is 0 only if nothing does."""
    found = findings_in(_read(manifest))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found], indent=1))
    for finding in found if not as_json else ():
        output.print(f"{plain(str(finding))}", soft_wrap=True)
    if found:
        raise typer.Exit(_DIFFERENT)
    errors.print("nothing opens it")


def sign(
    release: Annotated[Path, typer.Argument(metavar="RELEASE", help="As `build` wrote it.")],
    key: Annotated[Path, typer.Option("--key", help="Your Ed25519 key to sign with (PEM).")],
) -> None:
    """Sign a release that you built again. Your signature confirms it."""
    from confide.tee import SignedRelease

    signed = SignedRelease.from_json(_read(release)).sign(load_private_key(key))
    try:
        release.write_text(signed.to_json(), encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot write {release}: {error}") from error
    errors.print(
        f"{plain(signed.release.name)} {plain(signed.release.version)}: "
        f"{len(signed.signatures)} signatures",
        soft_wrap=True,
    )


def _given(pairs: list[str]) -> dict[tuple[Platform, str], bytes]:
    found: dict[tuple[Platform, str], bytes] = {}
    for pair in pairs:
        where, equals, value = pair.partition("=")
        platform, dot, name = where.partition(".")
        if not (equals and dot and name) or platform not in {p.value for p in Platform}:
            raise DataError(
                f"--measurement {pair!r}; write PLATFORM.NAME=HEX, for example sgx.mrenclave=…, "
                "with "
                f"{', '.join(p.value for p in Platform)}"
            )
        if (Platform(platform), name) in found:
            raise DataError(f"--measurement names {where!r} twice")
        found[Platform(platform), name] = hexadecimal(value, f"--measurement {where}")
    return found


def _as_json(made: Build) -> dict[str, object]:
    return {
        "name": made.manifest.name,
        "version": made.manifest.version,
        "workload": made.manifest.hash.hex(),
        "files": len(made.manifest.files),
        "measurements": [
            {
                "platform": m.platform.value,
                "name": m.name,
                "value": m.value.hex() if m.value else None,
                "source": m.source,
            }
            for m in made.measurements
        ],
    }


def _print(made: Build) -> None:
    manifest = made.manifest
    size = sum(entry.size for entry in manifest.files)
    output.print(
        f"{plain(manifest.name)} {plain(manifest.version)}: {len(manifest.files):,} files, "
        f"{size:,} bytes\nworkload {manifest.hash.hex()}",
        soft_wrap=True,
    )
    if manifest.base is None:
        output.print(
            "no base image is named, so other files that these files need are not measured",
            style="yellow",
            soft_wrap=True,
        )
    for platform in Platform:
        _print_measurements([m for m in made.measurements if m.platform is platform])
    if made.release is None:
        output.print(
            "no platform's measurements are complete: there is nothing to sign yet",
            style="yellow",
            soft_wrap=True,
        )


def _print_measurements(measurements: list[Measured]) -> None:
    """Of one platform."""
    unknown: dict[str, list[str]] = {}
    for m in measurements:
        if m.value is None:
            unknown.setdefault(m.source, []).append(m.name)
        else:
            line = f"{m.platform.value:<6} {plain(m.name)} {m.value.hex()} ({m.source})"
            output.print(line, soft_wrap=True)
    for why, names in unknown.items():
        output.print(
            f"{measurements[0].platform.value:<6} {', '.join(names)} [yellow]not computed here[/]: "
            f"{plain(why)}",
            soft_wrap=True,
        )


def _manifest(folder: Path) -> Manifest:
    return Manifest.from_json(_read(folder / "manifest.json"))


def _release_measurements(folder: Path) -> dict[str, str]:
    from confide.tee import SignedRelease

    if not (folder / "release.json").exists():
        return {}
    release = SignedRelease.from_json(_read(folder / "release.json")).release
    return {
        f"{platform.value}.{name}": value.hex()
        for platform, measured in release.measurements.items()
        for name, value in measured.items()
    }


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise DataError(f"{path} has more than {_MAX_BYTES:,} bytes")
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read {path}: {why_unreadable(error)}") from error
