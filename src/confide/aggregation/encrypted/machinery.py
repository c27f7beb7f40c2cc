"""What runs encrypted sums, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import Final

import numpy as np

from confide import canonical
from confide.aggregation.encrypted.coordinator import EncryptedCoordinator
from confide.aggregation.encrypted.gaussian import cumulative_table
from confide.aggregation.encrypted.opening import open_sum
from confide.aggregation.encrypted.packing import CHECKED, Packing
from confide.aggregation.encrypted.parameters import (
    DEGREE,
    ROW,
    SumParameters,
    chunks_of,
    parameters_of,
)
from confide.aggregation.encrypted.party import EncryptedParty
from confide.aggregation.envelope import Round
from confide.aggregation.machinery import Machinery, Sent, Work, timed, without_aggregator
from confide.aggregation.modular import Layout
from confide.aggregation.sharing import wire
from confide.aggregation.sharing.keys import TAG_BYTES
from confide.aggregation.sharing.sizes import kinds_of, shared_sizes
from confide.he.kernel import make_sum_key
from confide.plan.masking import signatures_to_verify
from confide.plan.plan import Plan
from confide.randomness import SEED_BYTES, SystemRandom

__all__ = ["ENCRYPTED"]

_ROOM: Final = 4096


def _sent(plan: Plan, name: str) -> Sent:
    parameters = parameters_of(plan)
    return shared_sizes(
        plan,
        name,
        advert=canonical.encode({"share_key": bytes(wire.KEY_BYTES)}),
        sealed=parameters.polynomial_bytes + TAG_BYTES,
        chunks=[
            (part.stop - part.start) * parameters.polynomial_bytes
            for part in chunks_of(parameters, plan)
        ],
        opened=parameters.polynomial_bytes,
        opening="decrypt",
    )


def _most_bytes(round_: Round) -> int:
    parameters = parameters_of(round_.part)
    sealed = parameters.polynomial_bytes + TAG_BYTES
    return wire.message_limit(round_, sealed, parameters.vector_bytes) + _ROOM


def _work(plan: Plan) -> Work:
    parameters, masking, n = parameters_of(plan), plan.masking, len(plan.parties)
    messages = 5 if masking.quorum else 4
    signatures = masking.degree
    if masking.quorum:
        signatures += signatures_to_verify(masking, masking.min_survivors)
    pairs = n * masking.degree
    return Work(
        party={
            "agree": 2 * masking.degree,
            "sign": messages,
            "verify": signatures,
            "encrypt": parameters.blocks,
            "pack": parameters.blocks + n,
            "unpack": n,
            "term": n * masking.threshold,
        },
        coordinator={
            "verify": n * messages,
            "unpack": n * (parameters.blocks + 1),
            "term": n * (parameters.blocks + 1),
            "open": parameters.blocks,
        },
        party_bytes=_held(plan, parameters),
        # Each sealed share as it came, and as it goes out.
        coordinator_bytes=_held(plan, parameters) + 2 * pairs * parameters.polynomial_bytes,
        primitives=partial(_block_seconds, parameters.modulus),
    )


def _held(plan: Plan, parameters: SumParameters) -> int:
    """Numbers, coefficients and residues of one vector, its bytes, and a share for each party."""
    residues = 8 * parameters.blocks * DEGREE
    shares = len(plan.parties) * (8 * DEGREE + parameters.polynomial_bytes)
    return 3 * residues + 2 * parameters.vector_bytes + shares


@lru_cache(maxsize=8)
def _block_seconds(modulus: int) -> Mapping[str, float]:
    """Seconds of what is done with one polynomial on this machine."""
    packing = Packing(Layout((DEGREE - CHECKED,), (4,)), 2, 4)
    parameters, count = SumParameters(packing, modulus), 16
    ring, numbers = parameters.ring, np.zeros((count, DEGREE), np.int64)
    blocks, one = np.empty((count, 1, DEGREE), np.uint64), np.zeros((1, 1, DEGREE), np.uint64)
    key = make_sum_key(ring, *cumulative_table(), SystemRandom().bytes(SEED_BYTES))
    seed = bytes(SEED_BYTES)
    packed = parameters.to_bytes(one)
    return {
        "encrypt": timed(lambda: key.encrypt(blocks, numbers, seed, 4), 1) / count,
        "pack": timed(lambda: parameters.to_bytes(one)),
        "unpack": timed(lambda: parameters.from_bytes(packed, 1)),
        "term": timed(lambda: ring.scale(one, one, [1], ROW)),
        "open": timed(lambda: open_sum(parameters, one, one, seed)),
    }


ENCRYPTED = Machinery(
    party=EncryptedParty,
    coordinator=without_aggregator(EncryptedCoordinator),
    kinds_of=kinds_of,
    sent=_sent,
    most_bytes=_most_bytes,
    work=_work,
)
