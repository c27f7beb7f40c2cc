"""A party's side of encrypted aggregation: the key it makes, and the share of a sum it opens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from confide import canonical
from confide.aggregation.complaints import COMPLAINT, Complaint, ComplaintReason
from confide.aggregation.encrypted.gaussian import cumulative_table
from confide.aggregation.encrypted.parameters import (
    DEGREE,
    ROW,
    Residues,
    SumParameters,
    chunks_of,
    parameters_of,
)
from confide.aggregation.envelope import Round, fields_of
from confide.aggregation.session import Contribution, Identity
from confide.aggregation.sharing import wire
from confide.aggregation.sharing.keys import TAG_BYTES, decrypt
from confide.aggregation.sharing.party import ShareSecrets, SharingParty
from confide.errors import ProtocolError, VerificationError
from confide.he import kernel
from confide.randomness import SEED_BYTES

__all__ = ["EncryptedParty"]


class _Secrets(ShareSecrets):
    """The key of the one vector, which the kernels hold; shares of it and of the sum of keys."""

    def __init__(self, parameters: SumParameters, random_bytes: Callable[[int], bytes]) -> None:
        super().__init__(random_bytes)
        self.key = kernel.make_sum_key(
            parameters.ring, *cumulative_table(), random_bytes(SEED_BYTES)
        )
        self.own_share = b""
        self.shares: dict[int, Residues] = {}
        self.share_of_sum = b""


class EncryptedParty(SharingParty[_Secrets]):
    """One party's side: see `confide.aggregation.session.PartySession`.

    Args:
        round_: The attempt; it is claimed from the identity's register at once.
        identity: Name, key, register and randomness of the party.
        state_hash: Hash of the state that the party itself computed and contributes to.
        contribution: Called once, when the encrypted vector is due.
    """

    protocol = "encrypted"
    asks_to_open = "decrypt"

    def __init__(
        self, round_: Round, identity: Identity, state_hash: bytes, contribution: Contribution
    ) -> None:
        self._parameters = parameters_of(round_.part)
        _ = self._parameters.ring  # Without the kernels, say so before the attempt is claimed.
        super().__init__(
            round_,
            identity,
            state_hash,
            contribution,
            sealed_bytes=self._parameters.polynomial_bytes + TAG_BYTES,
        )

    def _advertise(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        self._read_history(said)
        self._secrets = secrets = _Secrets(self._parameters, self._identity.random.bytes)
        self._awaited = ("neighbours", self._share)
        public = secrets.share_key.public_key().public_bytes_raw()
        return "advertise", canonical.encode({"share_key": public})

    def _share(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        """Checks the others' keys and hands each a share of this party's."""
        present, adverts = fields_of(said, present=bytes, adverts=list)
        self._enter_roster(present)
        self._meet(i for i in range(self._masking.parties) if i != self._me)
        (share_keys,) = self._read_adverts(adverts, "share_key")
        points = [i + 1 for i in self._neighbours] + [self._me + 1]
        rows = np.empty((len(points), 1, DEGREE), np.uint64)
        secrets = self._open_secrets
        secrets.key.share(rows, points, self._masking.threshold)
        shares = [self._parameters.to_bytes(row[np.newaxis]) for row in rows]
        secrets.own_share = shares[-1]
        self._awaited = ("deliver", self._encrypt)
        return "shares", self._seal_shares(share_keys, shares[:-1])

    def _encrypt(self, said: Mapping[str, Any]) -> tuple[str, bytes]:
        self._take_shares(said)
        # Before the contribution is sent: a complaint ends the attempt, and nothing is used up.
        for other in self._partners:
            if (reason := self._open_share(other)) is not None:
                self._secrets = None
                return COMPLAINT, Complaint(self._names[other], reason).to_payload()
        parameters = self._parameters
        numbers = parameters.packing.pack(self._contribution(), parameters.blocks * DEGREE)
        out = np.empty((parameters.blocks, 1, DEGREE), np.uint64)
        self._open_secrets.key.encrypt(
            out,
            numbers.reshape(parameters.blocks, DEGREE),
            wire.chain(self._transcript, "a"),
            parameters.packing.bits,
        )
        del numbers
        parts = chunks_of(parameters, self._round.plan)
        return self._contribute(b"", [parameters.to_bytes(out[part]) for part in parts])

    def _accept_survivors(self, data: bytes) -> None:
        """Adds up its shares of the survivors' keys."""
        super()._accept_survivors(data)
        secrets, parameters = self._open_secrets, self._parameters
        total = parameters.from_bytes(secrets.own_share, 1)
        for other in self._partners:
            if self._survivors[other]:
                parameters.ring.add(total, total, secrets.shares[other], ROW)
        secrets.share_of_sum = parameters.to_bytes(total)

    def _open(self) -> tuple[str, bytes]:
        """Gives one share of the sum of the survivors' keys."""
        share = self._open_secrets.share_of_sum
        self._secrets = None
        return "opened", share

    def _open_share(self, other: int) -> ComplaintReason | None:
        """Opens the share that another party made for this one, or says what is wrong with it."""
        secrets = self._open_secrets
        try:
            share = decrypt(secrets.opening[other], self._ciphertexts[other])
        except VerificationError:
            return ComplaintReason.UNREADABLE
        try:
            secrets.shares[other] = self._parameters.from_bytes(share, 1)
        except ProtocolError:
            return ComplaintReason.FALSE
        return None
