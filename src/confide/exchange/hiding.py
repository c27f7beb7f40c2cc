"""Results that tell a key holder no more than their numbers.

A ciphertext depends on how it was computed. Its second polynomial is a known function of the one
that the key holder sent and of the evaluator's numbers, without any randomness: a single result
confirms a guess of a model, or gives it away (`tests/exchange/test_hiding.py`). So the evaluator
re-randomises (Ducas and Stehlé 2016, Sanitization of FHE Ciphertexts, §1; Gentry 2009, §2.1): it
adds a fresh encryption of zero, which makes that polynomial look uniform, and Gaussian noise that
is much larger than the error, because the error depends on the model too (noise flooding). The
width of the noise follows from the same theorem as for opened results (`confide.he.flooding`).

This holds against a key holder that made its keys honestly. Under a false public key the encryption
of zero hides nothing, and nothing proves that keys were made honestly.
"""

from __future__ import annotations

from confide import he
from confide.he.flooding import flood, flooding_scale, require_room

__all__ = ["rerandomised"]


def rerandomised(
    result: he.SealedVector,
    keys: he.EvaluationKeys,
    public: he.PublicKey,
    *,
    noise: float,
    queries: int,
    statistical_bits: int,
) -> he.SealedVector:
    """A result under fresh randomness, at the lowest level.

    Args:
        result: What was computed; CKKS.
        keys: What it was computed with.
        public: The key holder's public key.
        noise: The root mean square error of the result's slots, at most, from its plan.
        queries: τ, how many result ciphertexts the key holder gets of one model.
        statistical_bits: s.

    Raises:
        EncryptionError: If the keys are not of one secret, or the base has no room for the noise.
    """
    context = keys.context
    scale = flooding_scale(noise, queries, statistical_bits) * context.parameters.scale(0)
    require_room(context, scale)
    engine = he.NativeEngine(keys)
    blocks = []
    for block in result.blocks:
        lowest = engine.lower(block, 0) if block.level else block
        fresh = engine.add(lowest, public.encrypt([0.0], level=0))
        data = context.empty(*fresh.data.shape[:2])
        data[:] = fresh.data
        flood(context, data[:1], scale)
        blocks.append(
            he.Ciphertext(parameters=context.parameters, key_id=keys.key_id, data=data, level=0)
        )
    return he.SealedVector(blocks, result.layout)
