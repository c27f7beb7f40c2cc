"""Audits: what published tables and noisy answers give away, found by the attacks themselves.

`audit_tables` computes what outsiders and insiders can infer of each cell behind published tables,
`reconstruct_people` who lives in a block whose statistics are published, and `reconstruct_bits`
secret bits from many noisy counts. The noise that ends each of them is in the results.
"""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.audit.findings import AuditedCell, Difference, Insider, Needed, TableAudit
    from confide.audit.people import Statistic, reconstruct_people
    from confide.audit.plots import plot_recovery
    from confide.audit.reconstruction import Recovery, attack_noise, reconstruct_bits
    from confide.audit.tables import audit_tables

__all__ = [
    "AuditedCell",
    "Difference",
    "Insider",
    "Needed",
    "Recovery",
    "Statistic",
    "TableAudit",
    "attack_noise",
    "audit_tables",
    "plot_recovery",
    "reconstruct_bits",
    "reconstruct_people",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.audit.findings": (
                "AuditedCell",
                "Difference",
                "Insider",
                "Needed",
                "TableAudit",
            ),
            "confide.audit.people": ("Statistic", "reconstruct_people"),
            "confide.audit.plots": ("plot_recovery",),
            "confide.audit.reconstruction": ("Recovery", "attack_noise", "reconstruct_bits"),
            "confide.audit.tables": ("audit_tables",),
        },
    )
