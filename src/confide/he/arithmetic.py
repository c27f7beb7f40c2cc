"""Operations on ciphertexts that take no key."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from confide.he.ciphertext import Ciphertext
from confide.he.context import Context
from confide.he.encoding import Polys

__all__ = ["changed", "lowered", "rescaled", "scaled"]


def changed(x: Ciphertext, data: Polys, *, level: int | None = None, squared: bool) -> Ciphertext:
    """Other residues under the same key; whatever seed there was has gone."""
    at = x.level if level is None else level
    return replace(x, data=data, level=at, squared=squared, seed=None)


def scaled(context: Context, x: Ciphertext, number: int, *, squared: bool) -> Ciphertext:
    """Every polynomial times a whole number."""
    rows = context.parameters.rows(x.level)
    out = context.empty(x.parts, len(rows))
    context.ring.scale(out, x.data, context.encoding.residues(number, rows), rows)
    return changed(x, out, squared=squared)


def rescaled(context: Context, x: Ciphertext) -> Ciphertext:
    """Divided by the level's primes: a squared scale becomes that of the level below."""
    out = context.encoding.divided(x.data, x.level)
    return changed(x, out, level=x.level - 1, squared=False)


def lowered(context: Context, x: Ciphertext, level: int) -> Ciphertext:
    """The same numbers at a lower level's scale: one product with a whole number, one division."""
    rows = context.parameters.rows(level + 1)
    data = np.ascontiguousarray(x.data[:, : len(rows)])
    above = changed(x, data, level=level + 1, squared=False)
    by = context.encoding.to_level(x.level, level)
    return rescaled(context, scaled(context, above, by, squared=True))
