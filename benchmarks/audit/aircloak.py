"""Answers that a production query system gave in 2018, beside the truth (Cohen and Nissim 2020).

Each question counted the clients of a range who have a loan status and for whom two roundings of a
power of their number agree, which is about half of them. The client numbers were public; the status
was to be protected.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Asked", "asked"]

_ANSWER: Final = re.compile(
    r"power => ([\d.]+),\s+mult => ([\d.]+),\s+offset => ([\d.]+),.*?answer => (-?[\d.]+)",
    re.DOTALL,
)


@dataclass(frozen=True, eq=False)
class Asked:
    """The questions about one range of clients.

    Attributes:
        name: The range.
        queries: `(answers, clients)`: who is counted.
        answers: `(answers,)`: what the system said.
        truth: `(clients,)`: who has the status.
    """

    name: str
    queries: NDArray[np.float64]
    answers: NDArray[np.float64]
    truth: NDArray[np.int64]


def asked(folder: Path) -> Iterator[Asked]:
    """Every range whose answers are somewhere in a folder."""
    from scipy.io import loadmat

    for path in sorted(folder.rglob("aircloak_output_cleaned_*.txt")):
        name = path.stem.removeprefix("aircloak_output_cleaned_")
        found = _ANSWER.findall(path.read_text(encoding="utf-8"))
        power, mult, offset, answer = np.array(found, np.float64).T
        clients = loadmat(path.parent / f"client_id_{name}_ordered.mat")["client_id"].ravel()
        truth = loadmat(path.parent / f"true_status_client_id_{name}_ordered.mat")["true_status"]
        scaled = offset[:, None] * (clients.astype(float) * mult[:, None]) ** power[:, None]
        queries = (np.floor(scaled + 0.5) == np.floor(scaled)).astype(float)
        told = power % 1 != 0  # whole powers count everybody
        yield Asked(name, queries[told], answer[told], truth.ravel().astype(np.int64))
