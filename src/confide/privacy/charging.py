"""Where mechanisms meet the ledger: a release is charged before the data are touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from confide.privacy.ledger import Ledger, Reservation
from confide.privacy.mechanisms import Mechanism

__all__ = ["charged"]


@contextmanager
def charged(
    ledger: Ledger,
    dataset: str,
    mechanism: Mechanism,
    *,
    observers: Iterable[str],
    meaning: str = "",
) -> Iterator[Reservation]:
    """Charges one release of a mechanism, then lets the block compute it.

    The charge stands however the block ends: an error may have told something too.

    Args:
        ledger: The data owner's.
        dataset: What it is charged to.
        mechanism: What will be released, once; an above-threshold session is one release.
        observers: Who will see it.
        meaning: What it is for, in words.

    Raises:
        PrivacyBudgetError: If a cap is exceeded. Nothing was charged, and the block does not run.
        DataError: If the dataset is unknown, or protects something else than the mechanism does.
        LedgerError: If the charge cannot be written. The block does not run.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> from confide.privacy.ledger import Cap
        >>> from confide.privacy.mechanisms import ClampedMean, GaussianNoise
        >>> mean = ClampedMean(lower=18, upper=100, noise=GaussianNoise(8.0))
        >>> with TemporaryDirectory() as folder, Ledger.open(f"{folder}/ledger.db") as ledger:
        ...     _ = ledger.open_dataset("customers")
        ...     ledger.cap("customers", Cap(epsilon=1.0, delta=1e-6))
        ...     with charged(ledger, "customers", mean, observers=["analyst"]):
        ...         age = mean.release([34.0, 51.0, 28.0] * 1000)
        >>> 36 < age.value < 40
        True
    """
    reservation = ledger.reserve(
        dataset,
        mechanism.event,
        observers=observers,
        meaning=meaning,
        relation=mechanism.relation,
        delta=mechanism.delta,
        closeness=mechanism.closeness,
    )
    reservation.use()
    try:
        yield reservation
    finally:
        reservation.commit()
