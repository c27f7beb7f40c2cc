"""What is in a cache of collateral, until when it holds, and what should be renewed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from confide.errors import AttestationError
from confide.tee.certificates import name_of
from confide.tee.collateral import Collateral
from cryptography import x509

__all__ = ["Listed", "listed"]

_SOON: Final = timedelta(days=3)


@dataclass(frozen=True)
class Listed:
    """One document.

    Attributes:
        file: Its name.
        kind: 'certificate', 'revocation list', 'TCB levels', 'quoting enclave', or 'unreadable'.
        name: Of whom it is, or why it does not read.
        since: When it begins, or was issued.
        until: When it ends.
        warning: What should be done about it; empty if nothing.
    """

    file: str
    kind: str
    name: str
    since: datetime | None
    until: datetime | None
    warning: str


def listed(folder: Path, at: datetime, max_age: timedelta) -> list[Listed]:
    """Everything in a folder, by file.

    Args:
        folder: The folder.
        at: The time.
        max_age: How old a policy lets Intel's statements be.
    """
    return [
        found
        for path in sorted(p for p in folder.iterdir() if p.is_file())
        for found in _in_file(path, at, max_age)
    ]


def _in_file(path: Path, at: datetime, max_age: timedelta) -> Iterator[Listed]:
    try:
        collateral = Collateral.read([path])
    except AttestationError as error:
        yield Listed(path.name, "unreadable", str(error), None, None, "take it away")
        return
    for certificate in collateral.certificates:
        since, until = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        kind, name = "certificate", name_of(certificate)
        yield Listed(path.name, kind, name, since, until, _ending(until, at))
    for revoked in collateral.revocation_lists:
        yield _list(path.name, revoked, at)
    for document in collateral.intel:
        for kind, statement in (
            ("TCB levels", document.tcb_info),
            ("quoting enclave", document.qe_identity),
        ):
            issued, due = _date(statement.get("issueDate")), _date(statement.get("nextUpdate"))
            name = str(statement.get("fmspc") or statement.get("id"))
            warning = _ending(due, at)
            if issued is not None and at - issued > max_age:
                warning = _too_old(max_age)
            yield Listed(path.name, kind, name, issued, due, warning)
        for key in ("pck_crl", "root_ca_crl"):
            try:
                revoked = document.revocation_list(key)
            except AttestationError as error:
                yield Listed(path.name, "unreadable", f"{key}: {error}", None, None, "take it away")
                continue
            found = _list(path.name, revoked, at)
            if key == "pck_crl" and at - revoked.last_update_utc > max_age:
                found = replace(found, warning=_too_old(max_age))
            yield found


def _list(file: str, revoked: x509.CertificateRevocationList, at: datetime) -> Listed:
    names = revoked.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    name = repr(str(names[0].value)) if names else revoked.issuer.rfc4514_string()
    since, until = revoked.last_update_utc, revoked.next_update_utc
    return Listed(file, "revocation list", name, since, until, _ending(until, at))


def _too_old(max_age: timedelta) -> str:
    return f"older than {max_age.days} days, which policies refuse: fetch it again"


def _ending(until: datetime | None, at: datetime) -> str:
    if until is None:
        return "does not say until when it holds"
    if until < at:
        return "has expired: fetch it again"
    if until - at < _SOON:
        return f"expires within {_SOON.days} days: fetch it again"
    return ""


def _date(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text)).astimezone(UTC)
    except ValueError:
        return None
