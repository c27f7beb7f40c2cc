"""Tables of the suite of trusted execution, from its records alone."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.record import Record
from benchmarks.tables import Table, ratio, seconds
from benchmarks.tee.rounds import CASE as ROUND
from benchmarks.tee.verifications import CASE as VERIFY

__all__ = ["tables"]

_TARGET_S = 0.010
_BENEATH = {
    "enclave over clear": "clear",
    "enclave over masked": "masked",
    "enclave over encrypted": "encrypted",
}


def tables(records: Sequence[Record]) -> Sequence[Table]:
    """Verifications a second, and what an enclave adds to a contribution."""
    made = []
    if verified := [r for r in records if r.case == VERIFY]:
        made.append(_verifications(verified))
    if rounds := [r for r in records if r.case == ROUND]:
        made.append(_rounds(rounds))
    return made


def _verifications(records: Sequence[Record]) -> Table:
    rows = [
        [
            r.subject,
            f"{r.measured['verifications_per_s']:,.0f}",
            seconds(r.measured["verify_s"]),
            seconds(r.measured["bound_s"]),
            ratio(r.measured["verify_s"], r.measured["bound_s"]),
        ]
        for r in records
    ]
    return Table(
        "Verifications of evidence, one thread",
        ["evidence", "a second", "one", "signatures alone", "ratio"],
        rows,
        "One is a whole verification: the document read, its chain, collateral and policy. The "
        "signatures alone are, for Intel, dcap-qvl with the same collateral and no second reading; "
        "for AMD and AWS the chain's and the evidence's by cryptography, on certificates that are "
        "read already.",
    )


def _rounds(records: Sequence[Record]) -> Table:
    found = {r.subject: r.measured for r in records}
    rows = []
    for r in records:
        m = r.measured
        row = [r.subject, seconds(m["party_s"]), seconds(m["coordinator_s"])]
        beneath = found.get(_BENEATH.get(r.subject, ""))
        if beneath is None:
            rows.append([*row, "", "", "", "", "", ""])
            continue
        party = m["party_s"] - beneath["party_s"]
        inside = m["coordinator_s"] - beneath["coordinator_s"]
        added = party + inside
        verdict = "met" if added <= _TARGET_S else f"missed by {seconds(added - _TARGET_S)}"
        rows.append(
            [
                *row,
                seconds(max(party, 0.0)),
                seconds(max(inside, 0.0)),
                seconds(max(added, 0.0)),
                verdict,
                seconds(m["verify_s"]),
                seconds(m["simulated_evidence_s"]),
            ]
        )
    size, parties = records[0].params["size"], records[0].params["parties"]
    return Table(
        f"A round of {parties} parties × {size:,} coordinates",
        [
            "protection",
            "a party",
            "coordinator, each contribution",
            "added: a party",
            "added: inside",
            "added: both",
            f"at most {seconds(_TARGET_S)}",
            "verifying, once a round",
            "evidence, simulated",
        ],
        rows,
        "Medians over repeats in turn. What an enclave adds is next to the same protection "
        "without one: a party seals, and checks the receipt of what was released; inside, messages "
        "are opened, and the receipt is made. Verifying and making evidence are apart: the former "
        "does not grow with the contribution, the latter is the simulator's.",
    )
