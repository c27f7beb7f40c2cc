"""Masked sums: masks that cancel in the sum alone. What they hide from whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from confide.plan.exposures import Form
from confide.plan.findings import Attack, Judge
from confide.plan.protections.base import Hiding, Protection
from confide.plan.protections.shared import SharedSecrets, shared_judges

__all__ = ["Masked"]


@dataclass(frozen=True)
class Masked(SharedSecrets, Protection):
    """Secure aggregation by masks that cancel in the sum (Bonawitz et al. 2017, Bell et al. 2020).

    Degree, threshold and quorum are derived from the plan (`confide.plan.masking`).

    Attributes:
        verified: Whether parties check the announced sum themselves, so that a coordinator cannot
            announce a false one (`confide.plan.verified` says for which plans). If omitted, they
            do wherever they can and the coordinator may lie.
    """

    verified: bool | None = None

    hiding: ClassVar[Hiding] = Hiding(
        form=Form.MASKED,
        vector="masked vector",
        looks="uniformly distributed",
        hardness="X25519, AES-256, SHA-256 or Ed25519 broken",
    )
    secrets: ClassVar[str] = "each of two secrets"
    opened: ClassVar[str] = "their shares open the masks"
    judges: ClassVar[Mapping[Attack, Judge]] = shared_judges(
        how="masked",
        read="each contribution is hidden by masks that cancel only in the sum",
        opens="masks",
        split="masks of parties with different states do not cancel",
    )
