"""A folder of collateral: what is missing or old is fetched, what is there is kept."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from confide.errors import DataError
from confide.tee import documents, quote, snp
from confide.tee.attestation import Platform
from confide.tee.collateral import Collateral
from confide.tee.intel import family_of
from confide.tee.roots import PRODUCTS

from confide_operator.fetch import amd, intel
from confide_operator.fetch.http import Client, check_url

__all__ = ["Cache", "Fetched"]

_UPDATES: Final = ("early", "standard")


@dataclass(frozen=True)
class Fetched:
    """A file of the cache.

    Attributes:
        path: The file.
        new: Whether it was fetched now.
    """

    path: Path
    new: bool


@dataclass(frozen=True)
class Cache:
    """A folder that is filled from the vendors, one file for each document.

    Nothing in it is trusted: each use verifies it, like data from any source.

    Attributes:
        folder: The folder.
        pcs: Address of Intel's service, or of a cache of it.
        kds: Address of AMD's.
        max_age: Seconds after which statements and lists are fetched again; certificates are kept.
        update: Which of Intel's TCB levels: 'early' or 'standard'.
        product: Of AMD's chips, where the report does not say.
        client: Asks.
        clock: Seconds since 1970.

    Raises:
        DataError: If an address cannot be trusted, or an option is invalid.
    """

    folder: Path
    pcs: str = intel.PCS
    kds: str = amd.KDS
    max_age: float = 24 * 3600.0
    update: str = "standard"
    product: str | None = None
    client: Client = field(default_factory=Client)
    clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        for base in (self.pcs, self.kds):
            check_url(base)
        if self.update not in _UPDATES:
            raise DataError(f"TCB levels {self.update!r}; there are {' and '.join(_UPDATES)}")
        if self.product is not None and self.product not in PRODUCTS:
            raise DataError(f"AMD's product {self.product!r}; known are {', '.join(PRODUCTS)}")

    def fill(self, document: bytes) -> list[Fetched]:
        """Fetches what it takes to verify a vendor's document.

        Args:
            document: A quote, a report or a Nitro document.

        Returns:
            The files that belong to it; none for Nitro, which carries its chain.

        Raises:
            AttestationError: If no reader knows the document, at the step `parse`.
            DataError: If something cannot be fetched; what was there before stays.
        """
        _, parsed = documents.read(document, tuple(Platform))
        match parsed:
            case quote.Quote():
                return [self._intel(parsed)]
            case snp.SnpReport() as report:
                return list(self._amd(report))
            case _:
                return []

    def _intel(self, parsed: quote.Quote) -> Fetched:
        family, issuer = family_of(parsed), intel.issuer_of(parsed)
        name = f"intel-{parsed.platform.value}-{family.lower()}-{issuer}.json"
        return self._renewed(
            name,
            lambda: intel.collateral_of(
                parsed, self.client, base=self.pcs.rstrip("/"), update=self.update
            ),
        )

    def _amd(self, report: snp.SnpReport) -> Iterator[Fetched]:
        base, signer = self.kds.rstrip("/"), report.signer
        products = (self.product,) if self.product else amd.products_of(report)
        product = products[0]
        if signer == "VCEK":
            fetched, product = self._vcek(report, products, base)
            yield fetched
        elif len(products) > 1:
            raise DataError(
                "a report signed by a provider's key (VLEK) that does not say what processor it is "
                f"of: name it with --product, {', '.join(PRODUCTS)}"
            )
        stem = f"amd-{product.lower()}-{signer.lower()}"
        yield self._kept(
            f"{stem}-chain.pem", lambda: amd.chain_of(signer, product, self.client, base)
        )
        yield self._renewed(
            f"{stem}-crl.der", lambda: amd.list_of(signer, product, self.client, base)
        )

    def _vcek(
        self, report: snp.SnpReport, products: tuple[str, ...], base: str
    ) -> tuple[Fetched, str]:
        for product in products:
            path = self.folder / _vcek_name(report, product)
            if path.exists():
                return Fetched(path, new=False), product
        product, certificate = amd.vcek_of(report, products, self.client, base)
        return self._write(_vcek_name(report, product), certificate), product

    def _kept(self, name: str, fetch: Callable[[], bytes]) -> Fetched:
        """A file that is fetched once."""
        path = self.folder / name
        return Fetched(path, new=False) if path.exists() else self._write(name, fetch())

    def _renewed(self, name: str, fetch: Callable[[], bytes]) -> Fetched:
        """A file that is fetched again when it is old."""
        path = self.folder / name
        if path.exists() and self.clock() - path.stat().st_mtime <= self.max_age:
            return Fetched(path, new=False)
        return self._write(name, fetch())

    def _write(self, name: str, data: bytes) -> Fetched:
        """Writes a document that reads as collateral, whole or not at all."""
        found = Collateral.of([data])
        if not (found.certificates or found.revocation_lists or found.intel):
            raise DataError(f"the vendor's answer for {name} is not collateral")
        path, beside = self.folder / name, self.folder / f".{name}.new"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with beside.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            raise DataError(f"cannot write {path}: {error}") from error
        return Fetched(path, new=True)


def _vcek_name(report: snp.SnpReport, product: str) -> str:
    levels = "-".join(str(report.tcbs[0][place]) for place in snp.LEVELS[product].values())
    return f"amd-{product.lower()}-vcek-{report.chip.hex()[:32]}-{levels}.der"
