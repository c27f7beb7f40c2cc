"""A bank gets its customers scored by a bureau that sees neither customers nor scores.

Run it: python examples/encrypted_scores.py
"""

import numpy as np
from numpy.polynomial import Chebyshev

from confide import he

rng = np.random.default_rng(0)
customers = rng.uniform(-1, 1, (1000, 8))
weights = np.array([0.9, -1.2, 0.4, 0.0, 1.5, -0.3, 0.7, -0.8])
sigmoid = Chebyshev.interpolate(lambda t: 1 / (1 + np.exp(-t)), 9, [-6, 6])


def score(table: he.EncryptedMatrix[he.Ciphertext]) -> he.EncryptedVector[he.Ciphertext]:
    """What the evaluator computes: a linear model and a sigmoid, all on ciphertexts."""
    margins: he.EncryptedVector[he.Ciphertext] = table @ weights
    return margins.chebyshev(sigmoid.coef, -6, 6)


# Nothing is encrypted yet: ring, primes, keys, time and error follow from the computation.
plan = he.plan(score, {"table": he.Input(shape=(1000, 8), bound=1.0)}, precision=1e-3)
print(f"{plan.depth} multiplications in a row, {len(plan.needs)} evaluation key")

# At the bank.
secret = he.SecretKey(he.Context(plan.parameters))
keys = plan.evaluation_keys(secret)
sealed = plan.encrypt(secret, table=customers)  # refuses what is beyond the declared bound

# At the evaluator, which has `keys` and `sealed`.
scores = plan.run(keys, **sealed)

# At the bank again.
found = he.decrypt_private(secret, scores)
print("first scores:", found[:4].round(3) + 0.0)
print(
    "as precise as planned:", bool(np.abs(found - sigmoid(customers @ weights)).max() < plan.error)
)
