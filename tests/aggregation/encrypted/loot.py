"""What an adversary makes of an encrypted round: every message, and what colluders hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from tests.aggregation.adversary import payload_of
from tests.aggregation.support import Attempt

from confide.aggregation import Integers
from confide.aggregation.encrypted import EncryptedParty
from confide.aggregation.encrypted.opening import lagrange
from confide.aggregation.encrypted.parameters import DEGREE, ROW, Residues, parameters_of
from confide.aggregation.sharing import wire
from confide.aggregation.sharing.keys import decrypt


class Loot:
    """Shares of keys by whose they are, and the arithmetic that the adversary would do.

    It decrypts by itself, without the checks of an honest coordinator, which would only hinder it.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._names = [p.name for p in attempt.round_.plan.parties]
        self._threshold = attempt.round_.plan.masking.threshold
        self.parameters = parameters_of(attempt.round_.plan)
        self.shares: dict[int, dict[int, Residues]] = defaultdict(dict)
        self.sums: dict[int, Residues] = {}

    def corrupt(self, names: Iterable[str]) -> Loot:
        """Takes the shares in colluders' hands, of their own keys and of everybody's."""
        for name in names:
            party = self.party(name)
            secrets = party._open_secrets
            self.shares[party._me][party._me] = self._polynomial(secrets.own_share)
            for other, ciphertext in party._ciphertexts.items():
                share = decrypt(secrets.opening[other], ciphertext)
                self.shares[other][party._me] = self._polynomial(share)
        return self

    def take_opened(self) -> Loot:
        """Takes the shares of sums of keys that parties have opened so far."""
        for (kind, name), answer in self._attempt.answers.items():
            if kind == "opened":
                self.sums[self._names.index(name)] = self._polynomial(payload_of(answer))
        return self

    def key_of(self, name: str) -> Residues | None:
        """A party's key, if there are as many shares of it as it takes."""
        return self._interpolated(self.shares[self._names.index(name)])

    def keys(self) -> list[Integers]:
        """Every party's key, as numbers about zero; the adversary holds enough shares of all."""
        found = [self.key_of(name) for name in self._names]
        return [centred(key, self.parameters.modulus) for key in found if key is not None]

    def sum_of_keys(self) -> Residues:
        """What the opened shares give."""
        key = self._interpolated(self.sums)
        assert key is not None, "fewer shares than it takes"
        return key

    def decrypt(self, ciphertext: Residues, key: Residues | None, shared: bytes) -> Integers:
        """A ciphertext as it opens under a key; zero stands for one that is not known."""
        parameters, packing = self.parameters, self.parameters.packing
        ring = parameters.ring
        transformed = np.zeros((1, 1, DEGREE), np.uint64) if key is None else key.copy()
        ring.forward(transformed, ROW)
        found = np.empty((parameters.blocks, DEGREE), np.int64)
        for k in range(parameters.blocks):
            mask, phase = np.empty((1, 1, DEGREE), np.uint64), ciphertext[k : k + 1].copy()
            ring.uniform(mask, ROW, shared, k)
            ring.multiply(mask, mask, transformed, ROW)
            ring.inverse(mask, ROW)
            ring.subtract(phase, phase, mask, ROW)
            ring.to_residues(found[k], phase, ROW, 1 << packing.bits)
        return packing.unpack(found.reshape(-1) & ((1 << packing.bits) - 1))

    def read(self, name: str, key: Residues | None = None) -> list[int]:
        """A party's contribution, under its own key if that is known, or under another."""
        key = self.key_of(name) if key is None else key
        return self.decrypt(self.vector(name), key, self.shared(name)).tolist()

    def vector(self, *names: str) -> Residues:
        """The sum of the ciphertexts that parties sent."""
        parameters = self.parameters
        total = np.zeros((parameters.blocks, 1, DEGREE), np.uint64)
        for name in names:
            payload = payload_of(self._attempt.answers["contribution", name])
            parameters.ring.add(total, total, self._polynomial(payload, parameters.blocks), ROW)
        return total

    def shared(self, name: str) -> bytes:
        """The seed of `a` that a party encrypted under."""
        return wire.chain(self.party(name)._transcript, "a")

    def party(self, name: str) -> EncryptedParty:
        party = self._attempt.parties[name]
        assert isinstance(party, EncryptedParty)
        return party

    def _polynomial(self, data: bytes, count: int = 1) -> Residues:
        return self.parameters.from_bytes(data, count)

    def _interpolated(self, shares: dict[int, Residues]) -> Residues | None:
        used = sorted(shares)[: self._threshold]
        if len(used) < self._threshold:
            return None
        return weighted(self.parameters, [shares[i] for i in used], [i + 1 for i in used])


def weighted(parameters, shares: list[Residues], points: list[int], at: int = 0) -> Residues:
    """The polynomial through shares at some points, elsewhere."""
    ring, out = parameters.ring, np.zeros((1, 1, DEGREE), np.uint64)
    for share, factor in zip(shares, lagrange(points, at, parameters.modulus), strict=True):
        term = np.empty_like(out)
        ring.scale(term, share, [factor], ROW)
        ring.add(out, out, term, ROW)
    return out


def centred(residues: Residues, modulus: int) -> Integers:
    """Residues as the numbers about zero that they stand for."""
    numbers = residues.reshape(-1).astype(np.int64)
    return np.where(numbers > modulus // 2, numbers - modulus, numbers)


__all__ = ["Loot", "centred", "weighted"]
