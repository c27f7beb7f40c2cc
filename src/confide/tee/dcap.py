"""Intel SGX and TDX: quotes verified against Intel's collateral by `dcap-qvl`.

The library checks signatures, chains, revocation lists, dates and TCB levels. What it says is not
taken for more than it is: its own parser is checked against ours, and whether a status is good
enough is the policy's decision, not its return (Phala-Network/dcap-qvl#125).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.serialization import Encoding

from confide.errors import AttestationError, Step
from confide.tee import certificates, intel
from confide.tee.attestation import Assurance, Attestation, Binding, Tcb
from confide.tee.certificates import Certificate, name_of
from confide.tee.collateral import IntelCollateral
from confide.tee.quote import Quote, parse

__all__ = ["authenticate"]

_NOT_SEALED: Final = (
    "Debug mode",
    "TD profiling",
    "TD migration",
    "SERVTD_EXT",
    "SEPT_VE_DISABLE",
    "Reserved bits in TD attributes",
    "MR service TD",
)
"""Words of the library's refusals of quotes that are genuine, of workloads open to others."""

_TCB: Final = ("No matching TCB level", "TCB status is invalid", "TDX module TCB level check")
"""Words of its refusals of genuine quotes by what Intel says of the platform's TCB."""

_OURS: Final = {
    "mrenclave": "mr_enclave",
    "mrsigner": "mr_signer",
    "mrtd": "mr_td",
    "mrseam": "mr_seam",
    "mrconfigid": "mr_config_id",
    "rtmr0": "rt_mr0",
    "rtmr1": "rt_mr1",
    "rtmr2": "rt_mr2",
    "rtmr3": "rt_mr3",
}
"""Our names of fields and the library's."""


def authenticate(
    evidence: bytes,
    quote: Quote,
    collateral: Sequence[IntelCollateral],
    roots: Iterable[tuple[Certificate, Assurance]],
    *,
    at: datetime,
    max_age: timedelta,
) -> Attestation:
    """Verifies a quote's signatures, its chain and Intel's statements, then their dates.

    Args:
        evidence: The quote's bytes.
        quote: What `quote.parse` read in them.
        collateral: Intel's documents; the one for this platform is picked.
        roots: The pinned roots.
        at: The time of the verification, with a time zone.
        max_age: How old Intel's statements, and its list of revoked platforms, may be. Intel signs
            them for thirty days, in which a revocation could be hidden by giving an older one.

    Raises:
        AttestationError: At the steps `root`, `freshness`, `tcb` (a platform for which Intel
            states no TCB level, or which it revoked) and `debug`. What is open to debugging ends
            here, so nothing is said of its TCB status.
    """
    root, assurance = _root_of(quote, roots)
    document = intel.document_for(quote, collateral, root)
    intel.check_chains(quote, document, root)
    intel.check_not_revoked(quote, collateral)
    try:
        claims = _verified(evidence, document, root, at)
    except AttestationError as error:
        if error.step in (Step.DEBUG, Step.TCB):  # which the library looks at last
            intel.check_age(document, at, max_age)
        raise
    _check_parsers_agree(quote, claims)
    intel.check_age(document, at, max_age)
    pck = claims["platform"]["pck"]
    node = pck["platform_instance_id"] or pck["ppid"]
    tcb = claims["tcb"]
    return Attestation(
        platform=quote.platform,
        assurance=assurance,
        measurements=quote.measurements,
        numbers=quote.numbers,
        binding=Binding(quote.report_data),
        node=bytes(node).hex() if node else None,
        tcb=Tcb(
            status=str(tcb["status"]),
            advisories=tuple(sorted(tcb["advisory_ids"])),
            evaluation=int(tcb["eval_data_number"]),
        ),
        debug="it may be debugged" if quote.debug else "",
        migratable=quote.migratable,
        expires=datetime.fromtimestamp(
            min(claims["earliest_expiration_date"], claims["qe_iden_earliest_expiration_date"]), UTC
        ),
    )


def _root_of(
    quote: Quote, roots: Iterable[tuple[Certificate, Assurance]]
) -> tuple[Certificate, Assurance]:
    last = quote.chain[-1]
    for root, assurance in roots:
        if root == last:
            return root, assurance
    raise AttestationError(
        Step.ROOT, f"the quote's chain ends at {name_of(last)}, which is not pinned"
    )


def _verified(
    evidence: bytes, document: IntelCollateral, root: Certificate, at: datetime
) -> Mapping[str, Any]:
    """The library's claims, or its refusal under the step that it belongs to."""
    try:
        return _claims(evidence, document, root, at)
    except ValueError as error:
        raise AttestationError(
            _step_of(error, evidence, document, root, at),
            f"the quote does not verify at {at:%Y-%m-%d %H:%M} UTC: {_reason(error)}",
        ) from error


def _step_of(
    error: ValueError,
    evidence: bytes,
    document: IntelCollateral,
    root: Certificate,
    at: datetime,
) -> Step:
    if (step := _step_in_words(error)) is not None:
        return step
    chain = parse(evidence).chain
    # A key that is certified for another time: its chain holds, and its dates do not.
    if _is_certified(chain, root) and not _is_dated(chain, at):
        return Step.FRESHNESS
    # The same evidence when the statements were made: if it holds, only time has passed.
    try:
        began = max(certificate.not_valid_before_utc for certificate in chain)
        _claims(evidence, document, root, max(began, intel.issued(document)))
    except ValueError as then:
        return Step.ROOT if _step_in_words(then) is None else Step.FRESHNESS
    return Step.FRESHNESS


def _step_in_words(error: ValueError) -> Step | None:
    """The step that the library's words tell; None of signatures, chains and dates."""
    if any(words in str(error) for words in _NOT_SEALED):
        return Step.DEBUG
    return Step.TCB if any(words in str(error) for words in _TCB) else None


def _is_certified(chain: Sequence[Certificate], root: Certificate) -> bool:
    try:
        certificates.check_chain(chain[:-1], root)
    except AttestationError:
        return False
    return True


def _is_dated(chain: Sequence[Certificate], at: datetime) -> bool:
    return all(c.not_valid_before_utc <= at <= c.not_valid_after_utc for c in chain)


def _reason(error: ValueError) -> str:
    return str(error).removeprefix("Verification failed: ").split("\n")[0]


def _claims(
    evidence: bytes, document: IntelCollateral, root: Certificate, at: datetime
) -> Mapping[str, Any]:
    import dcap_qvl

    now = int(at.timestamp())
    claims = dcap_qvl.QuoteVerifier(root.public_bytes(Encoding.DER)).verify_with_policy(
        evidence,
        dcap_qvl.QuoteCollateralV3.from_json(document.text),
        now,
        dcap_qvl.QuotePolicy.claims_only(now),
    )
    return json.loads(claims.to_json())  # type: ignore[no-any-return]


def _check_parsers_agree(quote: Quote, claims: Mapping[str, Any]) -> None:
    """Two readers of one structure must see the same, or one of them can be led astray."""
    (body,) = claims["report"].values()
    fields = body.get("base", body)
    theirs = {ours: fields.get(name) for ours, name in _OURS.items() if ours in quote.measurements}
    same = all(theirs[name] == quote.measurements[name].hex() for name in theirs)
    if not same or fields.get("report_data") != quote.report_data.hex():
        raise AttestationError(Step.PARSE, "the quote reads differently to two readers of it")
