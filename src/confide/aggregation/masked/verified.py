"""Verified sums: parties check an announced sum against what everybody signed before it opened.

Each party signs a linear hash of its masked vector (`ring_hash`), and a quorum signs all of these
hashes together before it opens anything. Then a coordinator that announces a sum shows:

1. the seeds of the survivors' self masks, which fit what they committed to, and the mask keys of
   those who dropped out, which fit what they advertised;
2. Y, the sum of the masked vectors over the whole numbers, 0 ≤ Y < n·2^w, whose hash is the sum of
   the signed hashes. To find a second such Y is to solve ring-SIS (`hash_parameters`);
3. so the sum is Y less the masks modulo 2^w, which a party computes by itself. It must lie within
   what honest parties can reach.

A masked vector is uniform, so neither its hash nor Y tells anything beside the sum: carries are
those of uniform numbers that add up to it.

Without a lying party the sum is that of the survivors' contributions, or nobody accepts it. A party
that lies with the coordinator signs a hash before anything is opened. What it adds is then fixed
and can be anything modulo 2^w that keeps the sum within reach, but does not depend on what the
others contributed: were there two answers for two openings, their difference would solve ring-SIS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from confide import canonical
from confide.aggregation.encoding import Integers
from confide.aggregation.envelope import SIGNATURE_BYTES, Round, fields_of
from confide.aggregation.masked.commitments import COMMITMENT_BYTES
from confide.aggregation.masked.opening import Opening
from confide.aggregation.masked.ring_hash import Residues, RingHash
from confide.aggregation.masked.unmask import Masks, Secrets, take_masks_off
from confide.aggregation.modular import Layout
from confide.aggregation.session import Released
from confide.aggregation.sharing import wire
from confide.errors import DropoutError, VerificationError
from confide.plan.masking import MAX_ATTEMPTS
from confide.plan.noise import noise_tail
from confide.plan.plan import Plan
from confide.plan.protection import NoiseShares

__all__ = [
    "Agreed",
    "Consents",
    "check_announced",
    "check_reach",
    "confirmation",
    "fixed_transcript",
    "verify_sum",
]

_OVERHEAD: Final = 512
_ITEMS: Final = 32


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """What was signed before the sum was opened.

    Attributes:
        masks: Who masked with whom, under what, and what they advertised.
        hash: The sum of the survivors' hashes.
    """

    masks: Masks
    hash: Residues


def confirmation(transcript: bytes, hash_bytes: bytes) -> bytes:
    """What a party signs of its masked vector: what it masked under, and the vector's hash."""
    return wire.chain(transcript, "hash", hash_bytes)


def fixed_transcript(
    transcript: bytes,
    mask_keys: Mapping[int, bytes],
    commitments: Mapping[int, bytes],
    hashes: Mapping[int, bytes],
) -> bytes:
    """The transcript with all that decides about the sum: keys, commitments and hashes.

    Keys and commitments are signed already, but a lying party may have signed two of each.

    Args:
        transcript: Up to the sharers.
        mask_keys: Of all sharers.
        commitments: To seeds, of all sharers.
        hashes: Of all survivors' masked vectors.
    """
    parts = (b"".join(part[i] for i in sorted(part)) for part in (mask_keys, commitments, hashes))
    return wire.chain(transcript, "hashes", *parts)


def check_announced(
    round_: Round, state_hash: bytes, result: Released, agreed: Agreed | None = None
) -> Integers:
    """Checks an announced result, and computes its sum.

    Who did not see a quorum sign the survivors' hashes, because it dropped out or gave up, checks
    the quorum's signatures first.

    Args:
        round_: The attempt.
        state_hash: Hash of the state that the verifier itself computed.
        result: What the coordinator announces.
        agreed: What the verifier saw a quorum sign; None if it did not.

    Returns:
        The sum, shape `(layout.size,)`.

    Raises:
        VerificationError: If the sum is not the one that a quorum of the survivors signed.
        ProtocolError: If what should show it is malformed.
    """
    if result.opening is None:
        raise VerificationError(
            f"a sum of {round_} without its opening, by which parties check it: it is not taken"
        )
    if agreed is None:
        if result.consents is None:
            raise VerificationError(
                f"the sum of {round_} comes without the signatures on what is in it, and this "
                "party did not see them: ask the coordinator for the consents"
            )
        agreed = Consents.from_bytes(result.consents, round_).agreed(round_, state_hash)
    totals = verify_sum(round_, agreed, result.opening)
    survivors = tuple(round_.plan.parties[i].name for i in agreed.masks.alive)
    said = result.totals
    if result.survivors != survivors or (said is not None and not np.array_equal(said, totals)):
        raise VerificationError(
            f"the sum that the coordinator announces of {round_} is another than the one that it "
            "opens: a false sum, which this party does not take"
        )
    return totals


def verify_sum(round_: Round, agreed: Agreed, opening: bytes) -> Integers:
    """Checks an announced sum; see the module's text.

    Args:
        round_: The attempt.
        agreed: What was signed before the sum was opened.
        opening: What the coordinator shows.

    Returns:
        The sum, shape `(layout.size,)`.

    Raises:
        VerificationError: If it is not the sum that was signed, or beyond what honest parties can
            reach.
        ProtocolError: If the opening is malformed.
    """
    layout, names = Layout.of_sum(round_.part), [p.name for p in round_.plan.parties]
    opened = Opening.from_bytes(opening, layout, agreed.masks)
    _check_secrets(agreed.masks, opened.secrets, names)
    _check_hash(round_, agreed, opened)
    take_masks_off(opened.low, agreed.masks, opened.secrets)
    totals = layout.to_integers(opened.low)
    check_reach(round_.part, totals, len(agreed.masks.alive))
    return totals


def check_reach(plan: Plan, totals: Integers, survivors: int) -> None:
    """Refuses a sum that honest parties cannot have added up to.

    With noise in shares an honest sum is refused with probability 2^-60 a round at most.

    Raises:
        VerificationError: If a number of it is beyond their reach.
    """
    start = 0
    for declared in plan.sums.sums:
        noise = noise_tail(plan, declared) if isinstance(plan.noise, NoiseShares) else 0
        limit = survivors * declared.lattice.party_range + noise
        part = totals[start : start + declared.size]
        if part.max(initial=0) > limit or part.min(initial=0) < -limit:
            raise VerificationError(
                f"sum {declared.name!r} has a number beyond {limit:,} lattice steps, which "
                f"{survivors} honest parties cannot exceed: one of them lies"
            )
        start += declared.size


def _check_secrets(masks: Masks, secrets: Secrets, names: list[str]) -> None:
    for index, seed in secrets.seeds.items():
        if not masks.fits_seed(index, seed):
            raise VerificationError(
                f"the coordinator shows a seed of {names[index]!r} that is not the one that it "
                "committed to: a false sum, which this party does not take"
            )
    for index, key in secrets.keys.items():
        if not masks.fits_key(index, key):
            raise VerificationError(
                f"the coordinator shows a mask key of {names[index]!r} that is not the one that "
                "it advertised: a false sum, which this party does not take"
            )


def _check_hash(round_: Round, agreed: Agreed, opened: Opening) -> None:
    if not np.array_equal(RingHash.of_plan(round_.part)(opened.low, opened.carries), agreed.hash):
        raise VerificationError(
            f"the sum that the coordinator announces of {round_} is not that of the vectors whose "
            "hashes the survivors signed: a false sum, which this party does not take"
        )


@dataclass(frozen=True, kw_only=True)
class Consents:
    """What shows to somebody who was not there what a quorum signed before a sum was opened.

    Attributes:
        history: The openings before.
        present: The roster.
        sharers: Who shared secrets.
        survivors: Whose vectors are in the sum.
        mask_keys: Public mask keys of the sharers, in order.
        commitments: Their commitments to seeds, in order.
        hashes: Hashes of the survivors' masked vectors, in order.
        signers: Who signed.
        signatures: Their signatures, in order.
    """

    history: bytes
    present: bytes
    sharers: bytes
    survivors: bytes
    mask_keys: bytes
    commitments: bytes
    hashes: bytes
    signers: bytes
    signatures: bytes

    def to_bytes(self) -> bytes:
        """The consents as they travel."""
        return canonical.encode(vars(self))

    @classmethod
    def from_bytes(cls, data: bytes, round_: Round) -> Consents:
        """What `to_bytes` wrote.

        Raises:
            ProtocolError: If it is malformed.
        """
        parties = round_.plan.masking.parties
        hash_bytes = RingHash.of_plan(round_.part).parameters.wire_bytes
        each = hash_bytes + wire.KEY_BYTES + COMMITMENT_BYTES + SIGNATURE_BYTES + 1
        openings = round_.plan.rounds * MAX_ATTEMPTS * (16 + parties // 8)
        values = canonical.decode(data, parties * each + openings + _OVERHEAD, _ITEMS)
        fields = dict.fromkeys(cls.__dataclass_fields__, bytes)
        return cls(**dict(zip(fields, fields_of(values, **fields), strict=True)))

    def agreed(self, round_: Round, state_hash: bytes) -> Agreed:
        """What the quorum signed, once its signatures are verified: all of them.

        Args:
            round_: The attempt.
            state_hash: Hash of the state that the verifier itself computed.

        Raises:
            VerificationError: If no quorum signed just this, under this state.
            ProtocolError: If something is malformed.
        """
        n, ring_hash = round_.plan.masking.parties, RingHash.of_plan(round_.part)
        sharers = _subset(self.sharers, wire.members_of(self.present, n), "sharers")
        survivors = _subset(self.survivors, sharers, "survivors")
        masked, alive = np.flatnonzero(sharers).tolist(), np.flatnonzero(survivors).tolist()
        mask_keys = _by_party(self.mask_keys, wire.KEY_BYTES, masked)
        commitments = _by_party(self.commitments, COMMITMENT_BYTES, masked)
        hashes = _by_party(self.hashes, ring_hash.parameters.wire_bytes, alive)
        start = wire.start_transcript("masked", round_, state_hash)
        start = wire.chain(start, "history", self.history)
        transcript = wire.chain(start, "roster", self.present)
        transcript = wire.chain(transcript, "sharers", self.sharers)
        fixed = fixed_transcript(transcript, mask_keys, commitments, hashes)
        self._verify(round_, wire.consent_payload(fixed, survivors), survivors)
        masks = Masks(
            start=start,
            transcript=transcript,
            sharers=sharers,
            survivors=survivors,
            neighbours={i: [j for j in masked if j != i] for i in masked},
            mask_keys=mask_keys,
            commitments=commitments,
        )
        total = ring_hash.total(hashes.values())
        return Agreed(masks=masks, hash=total)

    def _verify(self, round_: Round, payload: bytes, survivors: wire.Members) -> None:
        masking, names = round_.plan.masking, [p.name for p in round_.plan.parties]
        signers = _subset(self.signers, survivors, "signers")
        indices = np.flatnonzero(signers).tolist()
        if survivors.sum() < round_.min_survivors:
            raise DropoutError(
                f"a sum over {survivors.sum()} parties; {round_} takes at least "
                f"{round_.min_survivors}"
            )
        if len(indices) < masking.quorum:
            raise VerificationError(
                f"{len(indices)} signatures on the survivors and their hashes; taking their sum "
                f"takes {masking.quorum}"
            )
        signatures = _by_party(self.signatures, SIGNATURE_BYTES, indices)
        for index, signature in signatures.items():
            round_.verify(names[index], "consent", payload, signature)


def _subset(data: bytes, of: wire.Members, what: str) -> wire.Members:
    members = wire.members_of(data, len(of))
    if (members & ~of).any():
        raise VerificationError(f"the {what} include a party that was not there before")
    return members


def _by_party(data: bytes, size: int, parties: list[int]) -> dict[int, bytes]:
    return dict(zip(parties, wire.split(data, size, len(parties)), strict=True))
