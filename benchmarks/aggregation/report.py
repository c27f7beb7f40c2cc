"""Tables of the aggregation suite, from its records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.record import Record
from benchmarks.tables import Table, mebibytes, ratio, seconds

__all__ = ["tables"]

_FLOAT32_BYTES = 4
_PUBLISHED_SERVER_S = 414
"""Server of the 2017 protocol, n = 1,000, d = 100,000, 30 % dropping (Bonawitz et al. 2017)."""
_PUBLISHED_EXPANSION = 1.73
"""Traffic against sending in clear, 2^10 parties, 2^20 coordinates of 16 bits (the same paper)."""
_TARGET_SERVER_S = {"curious": 6, "malicious": 15}
_TARGET_CLIENT_S = 0.1
_TARGET_VECTORS = 3
_WHAT = "parties × coordinates"


def tables(records: Sequence[Record]) -> Sequence[Table]:
    """What a masked sum costs, and how that compares."""
    ours = [r for r in records if r.subject == "confide"]
    theirs = {r.case: r for r in records if r.subject.startswith("flower")}
    pairs = [(r, p) for r in ours for case, p in theirs.items() if r.case.startswith(case)]
    made = [_times(ours), _traffic(ours), _memory(ours)] if ours else []
    compared = [r for r in records if r.subject in ("before", "after")]
    if compared:
        made.append(_before(compared))
    held = [r for r in records if r.subject == "memory"]
    if held:
        made.append(_held(held))
    rest = (*ours, *compared, *held)
    checked = [r for r in records if r not in rest and r.case not in theirs]
    if checked:
        made.append(_verified(checked))
    return [*made, _against_flower(pairs)] if pairs else made


def _times(ours: Sequence[Record]) -> Table:
    rows = []
    for record in ours:
        m = record.measured
        rows.append(
            [
                _what(record),
                str(record.params["degree"]),
                seconds(m["server_wall_s"]),
                seconds(m["server_unmask_wall_s"]),
                seconds(m["server_cpu_s"]),
                seconds(m["client_median_wall_s"]),
                seconds(m["client_max_wall_s"]),
                _targets(record),
            ]
        )
    return Table(
        "Seconds of a round",
        [
            _WHAT,
            "neighbours",
            "server",
            "of it unmasking",
            "server CPU",
            "client median",
            "client max",
            "targets: server, client median",
        ],
        rows,
        "Server: the coordinator session's own work, in a process of its own. Client: the party "
        "session's over all its messages, for parties that stay to the end, without computing, "
        "clipping and rounding the contribution. No network is in here. Published for "
        f"the 2017 protocol at n = 1,000, d = 100,000 and 30 % dropping: {_PUBLISHED_SERVER_S} s "
        "of server time, on the authors' machine.",
    )


def _before(records: Sequence[Record]) -> Table:
    """This tree beside an earlier commit."""
    found = {(r.case, r.subject): r for r in records}
    rows, commit = [], ""
    for (case, subject), after in found.items():
        if subject != "after":
            continue
        before = found[case, "before"]
        commit, a, b = before.commit, after.measured, before.measured
        rows.append(
            [_what(after), *_moved(b, a, "client_median_cpu_s"), *_moved(b, a, "server_cpu_s")]
        )
    return Table(
        f"Before ({commit}) and after",
        [_WHAT, "client CPU", "after ÷ before", "server CPU", "after ÷ before"],
        rows,
        "Sums that parties do not check. Rounds of both commits in turn; of each the least of "
        "all repeats counts, as whatever else runs makes a round slower only.",
    )


def _held(records: Sequence[Record]) -> Table:
    """What each role of a run holds."""
    rows = []
    for record in records:
        m, p = record.measured, record.params
        roles = [m[f"{role}_peak_bytes"] for role in ("party", "coordinator")]
        kept = [m[f"{role}_peak_with_free_bytes"] for role in ("party", "coordinator")]
        rows.append(
            [
                f"{p['parties']:,} × {p['coordinates']:,}, {p['protection']}",
                str(p["bits_on_wire"]),
                *(f"{held / m['vector_bytes']:.2f}" for held in roles),
                "met" if max(roles) <= _TARGET_VECTORS * m["vector_bytes"] else "missed",
                *(f"{held / m['vector_bytes']:.2f}" for held in kept),
            ]
        )
    return Table(
        "Memory of each role, in vectors of 64-bit numbers",
        [
            _WHAT,
            "bits",
            "party",
            "coordinator",
            f"target: ≤ {_TARGET_VECTORS}",
            "party, free memory kept",
            "coordinator, free memory kept",
        ],
        rows,
        "Peak resident memory beyond that before the first message, of a process for each role: "
        "the contribution, all messages of a round and the result included; the party's is that "
        "of the largest. The last columns: with glibc's own setting, which keeps freed memory of "
        "up to 32 MiB a piece; MALLOC_MMAP_THRESHOLD_=65536 has it given back.",
    )


def _moved(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> tuple[str, str]:
    b, a = before[name], after[name]
    return f"{seconds(b)} → {seconds(a)}", f"{a / b:.2f}×"


def _verified(records: Sequence[Record]) -> Table:
    """Sums that parties check beside the same that they do not, and beside other ways."""
    found = {(r.case, r.subject): r for r in records}
    rows = []
    for (case, subject), record in found.items():
        if subject != "masked":
            continue
        base = record.measured["client_least_cpu_s"]
        rows.append(
            [f"{_what(record)}", "unchecked", seconds(base), "1×", *_bytes_of(record.measured)]
        )
        for other in (r for r in records if r.case == f"{case}-verified"):
            m = other.measured
            spent = m.get("client_least_cpu_s") or base + m["extra_least_cpu_s"]
            rows.append(["", other.subject, seconds(spent), ratio(spent, base), *_bytes_of(m)])
    return Table(
        "Sums that parties check",
        [_WHAT, "how", "client CPU", "ratio", "up", "down"],
        rows,
        "Client: the median party session's work over all its messages and the check of the sum, "
        "of the repeats the least: checked and unchecked rounds in turn. Up and "
        "down: the most that any client sends and receives, with what opens the sum. The "
        "alternatives are the unchecked round with what they would add to it.",
    )


def _bytes_of(measured: Mapping[str, Any]) -> tuple[str, str]:
    up = measured.get("client_sent_bytes")
    down = measured.get("client_received_bytes") or measured["received_bytes"]
    return mebibytes(up) if up else "", mebibytes(down)


def _targets(record: Record) -> str:
    if record.params["parties"] != 1000:
        return ""
    m, target = record.measured, _TARGET_SERVER_S[record.params["threat"]]
    met = ("missed", "met")
    server = met[m["server_wall_s"] <= target]
    client = met[m["client_median_wall_s"] <= _TARGET_CLIENT_S]
    return f"≤ {target} s {server}, ≤ {_TARGET_CLIENT_S} s {client}"


def _traffic(ours: Sequence[Record]) -> Table:
    rows = []
    for record in ours:
        m = record.measured
        up, down, plain = m["client_sent_bytes"], m["client_received_bytes"], m["plain_bytes"]
        float32 = _FLOAT32_BYTES * record.params["coordinates"]
        rows.append(
            [
                _what(record),
                f"{record.params['bits_plain']} → {record.params['bits_on_wire']}",
                mebibytes(plain),
                mebibytes(up),
                mebibytes(down),
                f"{up / plain:.3f}×",
                f"{(up + down) / plain:.3f}×",
                f"{up / float32:.3f}×",
            ]
        )
    return Table(
        "Traffic of a client",
        [
            _WHAT,
            "bits in clear → masked",
            "in clear",
            "up",
            "down",
            "up ÷ clear",
            "(up + down) ÷ clear",
            "up ÷ float32",
        ],
        rows,
        "The most that any client sends and receives, without the model's state. In clear: the "
        "same lattice vector as clear aggregation sends it; masked, a coordinate also takes the "
        "bits that the sum over all parties needs. Published for the 2017 protocol with 2^10 "
        f"parties and 2^20 coordinates of 16 bits: {_PUBLISHED_EXPANSION}×.",
    )


def _memory(ours: Sequence[Record]) -> Table:
    rows = []
    for record in sorted(ours, key=lambda r: (r.params["coordinates"], r.params["parties"])):
        m, p = record.measured, record.params
        grown = m["server_peak_rss_bytes"] - m["server_start_rss_bytes"]
        vector = 4 * p["coordinates"]
        rows.append(
            [
                _what(record),
                mebibytes(m["server_start_rss_bytes"]),
                mebibytes(m["server_peak_rss_bytes"]),
                mebibytes(grown),
                mebibytes(vector),
                mebibytes(vector * p["parties"]),
            ]
        )
    return Table(
        "Memory of the coordinator",
        [_WHAT, "before", "peak", "grown by", "one vector", "all vectors"],
        rows,
        "Peak resident memory of the coordinator's process. Vectors are added up as they arrive; "
        "what grows with the parties is their keys and encrypted shares.",
    )


def _against_flower(pairs: Sequence[tuple[Record, Record]]) -> Table:
    rows = []
    for ours, theirs in pairs:
        a, b = ours.measured, theirs.measured
        # Flower's mod rounds inside, so our rounding counts here too.
        client = a["client_median_cpu_s"] + a["client_encode_cpu_s"]
        rows.append(
            [
                _what(ours),
                f"{ours.params['degree'] + 1} / {theirs.params['num_shares']}",
                *_beside(a["server_cpu_s"], b["server_cpu_s"]),
                *_beside(client, b["client_median_cpu_s"]),
                *_beside(a["wall_s"], b["wall_s"]),
                ratio(a["client_sent_bytes"], b["client_sent_bytes"]),
                ratio(a["client_received_bytes"], b["client_received_bytes"]),
            ]
        )
    version = pairs[0][1].versions["flwr"]
    return Table(
        f"confide ÷ Flower {version} SecAgg+",
        [
            _WHAT,
            "share holders",
            "server CPU",
            "ratio",
            "client CPU",
            "ratio",
            "wall",
            "ratio",
            "up, ratio",
            "down, ratio",
        ],
        rows,
        "Ours / Flower's, below 1× is better; the same vectors and dropouts, in this run. Wall: "
        "server and all clients one after another. Not equal work: Flower's messages are not "
        "signed, its threshold (0.6 of the share holders) follows from no stated number of "
        "colluders, it knows no malicious coordinator, its masks come from 32-bit seeds of a "
        "Mersenne Twister, and it rounds to 22 bits of a range of ±8 in 32-bit words. Ours takes "
        "keys of 256 bits, every message signed, and the neighbours and threshold that 40 bits of "
        "statistical security against one colluder in ten take: up to 128 parties, everybody.",
    )


def _beside(ours: float, theirs: float) -> tuple[str, str]:
    return f"{seconds(ours)} / {seconds(theirs)}", ratio(ours, theirs)


def _what(record: Record) -> str:
    p = record.params
    when = f"{p['dropping']} dropping {p['drop']}"
    return f"{p['parties']:,} × {p['coordinates']:,}, {when}, {p['threat']}"
