"""AMD's certificates for a report, from the key distribution service (KDS).

AMD, *Versioned Chip Endorsement Key (VCEK) Certificate and KDS Interface Specification* (57230),
chapter 4.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from confide.errors import DataError
from confide.tee.roots import PRODUCTS
from confide.tee.snp import LEVELS, SnpReport

from confide_operator.fetch.http import Client, NotFoundError

__all__ = ["KDS", "chain_of", "list_of", "products_of", "vcek_of", "vcek_query"]

KDS: Final = "https://kdsintf.amd.com"
_LEVEL: Final = {
    "fmc": "fmcSPL",
    "bootloader": "blSPL",
    "tee": "teeSPL",
    "snp": "snpSPL",
    "microcode": "ucodeSPL",
}
_CHIP_BYTES: Final = {"Milan": 64, "Genoa": 64, "Turin": 8}


def products_of(report: SnpReport) -> tuple[str, ...]:
    """Which products a report may be of: one, or in older reports, which do not say, several.

    Raises:
        DataError: If the processor is not known.
    """
    if not report.products:
        family, model = report.processor or (0, 0)
        raise DataError(
            f"a processor of family {family:#x}, model {model:#x}; name its product with "
            f"--product: {', '.join(PRODUCTS)}"
        )
    return report.products


def vcek_query(report: SnpReport, product: str) -> str:
    """The path at which AMD keeps the certificate of the report's chip at the TCB it reports."""
    reported = report.tcbs[0]
    levels = {_LEVEL[name]: reported[place] for name, place in LEVELS[product].items()}
    chip = report.chip[: _CHIP_BYTES[product]]
    return f"vcek/v1/{product}/{chip.hex()}?{urlencode(levels)}"


def vcek_of(
    report: SnpReport, products: tuple[str, ...], client: Client, base: str
) -> tuple[str, bytes]:
    """Fetches the certificate of the chip's key.

    Returns:
        The product whose chip it is, and the certificate in DER.

    Raises:
        DataError: If AMD has none, or the report hides its chip.
    """
    if not any(report.chip):
        raise DataError(
            "the report hides its chip, so its certificate cannot be asked for: have the host "
            "unmask it (MaskChipId), or use a VLEK"
        )
    for product in products:
        try:
            return product, client.get(f"{base}/{vcek_query(report, product)}").body
        except NotFoundError:
            continue
    raise DataError(
        f"AMD has no certificate for this chip and TCB among {', '.join(products)}: name the "
        "product with --product, and check whether the report is genuine"
    )


def chain_of(signer: str, product: str, client: Client, base: str) -> bytes:
    """Fetches the issuer's and the root's certificates, in PEM."""
    return client.get(f"{base}/{signer.lower()}/v1/{product}/cert_chain").body


def list_of(signer: str, product: str, client: Client, base: str) -> bytes:
    """Fetches the root's revocation list, in DER."""
    return client.get(f"{base}/{signer.lower()}/v1/{product}/crl").body
