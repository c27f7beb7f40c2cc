"""Encrypted sums: keys are never opened, only their sum is.

Each party makes a short key s_j for one vector and shares it among all parties. Its contribution is
b_j = a·s_j + t·e_j + m_j in a ring Z_q[X]/(X^N + 1), for a public `a` that nobody chooses. The sum
of contributions is an encryption of the sum under S = Σ s_j, and S is all that the survivors open:

1. *open → advertise*: a party sends a public key for shares.
2. *neighbours → shares*: the others' keys are signed, so it sends each an encrypted Shamir share of
   its key.
3. *deliver → contribution*: enough parties shared and each share opens, so it encrypts its
   contribution; or *→ complaint*, naming whose share does not.
4. *survivors → consent* (against liars): the survivors are enough, so it signs them.
5. *decrypt → opened*: a quorum signed the same survivors, so it sends the sum of its shares of the
   survivors' keys: one share of S.

What a party opens depends on the session, on `a` and on the signed survivors, and never on a
ciphertext. The key-homomorphic design is that of LERNA (Li et al. 2023, ePrint 2023/1936) and
Willow (Bell-Clark et al. 2024, ePrint 2024/936).
"""

from typing import TYPE_CHECKING

from confide._lazy import attach

if TYPE_CHECKING:
    from confide.aggregation.encrypted.coordinator import EncryptedCoordinator
    from confide.aggregation.encrypted.party import EncryptedParty

__all__ = ["EncryptedCoordinator", "EncryptedParty"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "confide.aggregation.encrypted.coordinator": ("EncryptedCoordinator",),
            "confide.aggregation.encrypted.party": ("EncryptedParty",),
        },
    )
