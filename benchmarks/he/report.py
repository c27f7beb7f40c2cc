"""Tables of the encryption suite, from its records alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.he.sums import CASE
from benchmarks.record import Record
from benchmarks.tables import Table, ratio, seconds

__all__ = ["tables"]

_OURS, _THREADS, _SEAL = "confide", "confide, 2 threads", "seal"
_PORTABLE = "confide, portable"

_SHOWN = {
    "seal": "SEAL (TenSEAL's, no HEXL)",
    "helayers": "HElayers (its SEAL back end)",
    "desilo": "DESILO (CPU)",
}
"""Each by what computes in it."""

_TARGETS = {
    "encode": 3,
    "encode and encrypt": 3,
    "multiply and relinearise": 4,
    "rotate": 4,
    "rotate, hoisted": 8,
    "matrix product": 5,
}
"""How many times faster than SEAL; a hoisted rotation is compared with SEAL's rotation."""

_SUM_TARGETS = {"party_cpu_s": 0.1, "party_sent_bytes": 7e6}
_SUM_WORDS = ("at most 0.1 s", "at most 7 MB sent")

_THREAD_TARGETS = {"multiply and relinearise": 1.7, "rotate": 1.7, "matrix product": 1.7}


def tables(records: Sequence[Record]) -> Sequence[Table]:
    """Milliseconds, how many times faster than SEAL, and how far from the machine."""
    cases = list(dict.fromkeys(r.case for r in records))
    made: list[Table] = []
    for case in cases:
        found = {r.subject: r.measured for r in records if r.case == case}
        made += [_sum_table(case, found)] if case == CASE else _tables_of(case, found)
    return made


def _sum_table(case: str, found: Mapping[str, Mapping[str, float]]) -> Table:
    ours, rows = found[_OURS], []
    for subject, m in found.items():
        rows.append(
            [
                subject,
                seconds(m["party_cpu_s"]),
                ratio(m["party_cpu_s"], ours["party_cpu_s"]),
                f"{m['party_sent_bytes'] / 1e6:.2f}",
                f"{m['party_received_bytes'] / 1e6:.2f}",
                ratio(m["party_sent_bytes"], ours["party_sent_bytes"]),
                seconds(m["coordinator_cpu_s"]),
                ratio(m["coordinator_cpu_s"], ours["coordinator_cpu_s"]),
                f"{m['largest_error']:.1g}",
            ]
        )
    met = {name: ours[name] <= most for name, most in _SUM_TARGETS.items()}
    said = ", ".join(
        f"{name} {'met' if good else 'missed'}"
        for name, good in zip(_SUM_WORDS, met.values(), strict=True)
    )
    return Table(
        f"{case}: ten parties, sums of 32 bits",
        [
            "subject",
            "party CPU",
            "÷ confide",
            "sent MB",
            "received MB",
            "sent ÷ confide",
            "coordinator CPU",
            "÷ confide",
            "largest error",
        ],
        rows,
        f"Targets for a party: {said}. All messages of a round count: keys, shares of keys, "
        "signatures, the vector, the share of the sum of keys; two of ten may drop out, and "
        "coordinator and network may lie. TenSEAL as NVFlare uses it: every client holds the one "
        "secret key, encrypts and serialises, the server adds, every client decrypts the sum; "
        "one client and the server together read everybody's vector.",
    )


def _tables_of(case: str, found: Mapping[str, Mapping[str, float]]) -> list[Table]:
    names = [
        name.removesuffix("_s")
        for name in found[_OURS]
        if name.endswith("_s") and not name.startswith("floor")
    ]
    paths = [name for name in found if name not in {_OURS, _THREADS} and name.startswith(_OURS)]
    subjects = [_OURS, _THREADS, *paths, _SEAL]
    subjects += [name for name in found if name not in subjects]
    rows = [_row(name, found, subjects) for name in names]
    times = Table(
        f"{case}: milliseconds",
        [
            "operation",
            *(_SHOWN.get(name, name) for name in subjects),
            "SEAL ÷ confide",
            "target",
            "SEAL ÷ portable",
            "portable ÷ confide",
            "1 ÷ 2 threads",
            "target",
        ],
        rows,
        _error_words(found)
        + "Medians of the repeats, one thread unless said: processor time, but wall time of two "
        "threads and of the peers with a process of their own. SEAL is TenSEAL's build, which has "
        "no HEXL, called through its Python binding in the same process, in turn, repeat by "
        "repeat; its first and last primes have 60 bits where ours have 50, the others 46. Its "
        "encoding takes a list of Python's numbers and converts it, ours an array: a list of one "
        "number takes the transform without the conversion. It has no hoisting: the hoisted "
        "rotation is one of sixteen of a ciphertext, and is next to SEAL's rotation. The "
        "portable path has no vector instructions that every machine of its kind does not have: "
        "SEAL ÷ portable is what is left of the lead without them, portable ÷ confide what they "
        "add.",
    )
    floors = [name for name in names if f"floor of {name}_s" in found[_OURS]]
    if not floors:
        return [times]
    return [times, Table(
        f"{case}: how far from the machine",
        ["operation", "measured ms", "floor ms", "measured ÷ floor"],
        [
            [
                name,
                _milliseconds(found[_OURS][f"{name}_s"]),
                _milliseconds(found[_OURS][f"floor of {name}_s"]),
                ratio(found[_OURS][f"{name}_s"], found[_OURS][f"floor of {name}_s"]),
            ]
            for name in floors
        ],
        "The floor counts butterflies and multiply-adds, at the rates that this core reaches on "
        "data that stays in its own caches. What is above it is memory: keys and digits that no "
        "cache holds.",
    )]  # fmt: skip


def _row(name: str, found: Mapping[str, Mapping[str, float]], subjects: Sequence[str]) -> list[str]:
    def time(subject: str) -> float | None:
        return found.get(subject, {}).get(f"{name}_s")

    ours = time(_OURS)
    # What SEAL has not is compared with what it has instead.
    seal = time(_SEAL) or found.get(_SEAL, {}).get("rotate_s")
    cells = [name, *(_milliseconds(time(subject)) for subject in subjects)]
    cells += _against(seal, ours, _TARGETS.get(name))
    cells += [_times(seal, time(_PORTABLE)), _times(time(_PORTABLE), ours)]
    return cells + _against(ours, time(_THREADS), _THREAD_TARGETS.get(name))


def _error_words(found: Mapping[str, Mapping[str, float]]) -> str:
    ours, seal = (found.get(name, {}).get("fresh error") for name in (_OURS, _SEAL))
    if ours is None or seal is None:
        return ""
    return (
        f"Root mean square error of a fresh encryption under the public key: {ours:.1e}, SEAL's "
        f"{seal:.1e}. "
    )


def _times(slow: float | None, fast: float | None) -> str:
    return "–" if slow is None or fast is None else f"{slow / fast:.1f}"


def _against(slow: float | None, fast: float | None, target: float | None) -> list[str]:
    if slow is None or fast is None:
        return ["–", "–"]
    times = slow / fast
    if target is None:
        return [f"{times:.1f}", "–"]
    return [f"{times:.1f}", f"{target} {'met' if times >= target else 'missed'}"]


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value * 1e3:.3g}"
