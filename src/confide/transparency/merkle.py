"""Merkle trees: short proofs that an item is in a list, and that a list only grew.

Certificate Transparency's tree (RFC 9162, §2.1): SHA-256, leaves and nodes in domains of their own,
and a left half that is the largest power of two below the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final

from confide.errors import VerificationError

__all__ = [
    "check_consistency",
    "check_inclusion",
    "consistency_proof",
    "inclusion_proof",
    "leaf_hash",
    "root_of",
]

_LEAF, _NODE = b"\0", b"\1"
_EMPTY: Final = hashlib.sha256(b"").digest()


def leaf_hash(item: bytes) -> bytes:
    """The hash of an item as a leaf, 32 bytes."""
    digest = hashlib.sha256(_LEAF)
    digest.update(item)  # An item may be as long as a model: it is not copied.
    return digest.digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root of a tree (§2.1.1), 32 bytes.

    Args:
        leaves: Their hashes, in order.
    """
    if len(leaves) <= 1:
        return leaves[0] if leaves else _EMPTY
    split = _split(len(leaves))
    return _node(root_of(leaves[:split]), root_of(leaves[split:]))


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """A proof that a leaf is in the tree (§2.1.3.1): the siblings on its path to the root.

    Args:
        leaves: All hashes, in order.
        index: Which of them.

    Raises:
        IndexError: If there is no such leaf.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of a tree of {len(leaves)}")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    left, right = leaves[:split], leaves[split:]
    if index < split:
        return [*inclusion_proof(left, index), root_of(right)]
    return [*inclusion_proof(right, index - split), root_of(left)]


def check_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> None:
    """Checks a proof that a leaf is in a tree (§2.1.3.2).

    Args:
        leaf: Its hash.
        index: Which of the leaves it is.
        size: How many leaves the tree has.
        proof: From `inclusion_proof`.
        root: Of the tree.

    Raises:
        VerificationError: If the proof is wrong.
    """
    if not 0 <= index < size or len(proof) > size.bit_length():
        raise VerificationError(f"leaf {index} cannot be in a tree of {size} leaves")
    found = leaf
    for sibling, before in _upwards(index, size - 1, proof):
        found = _node(sibling, found) if before else _node(found, sibling)
    if found != root:
        raise VerificationError(
            f"the proof does not show that leaf {index} is in the tree of {size} leaves"
        )


def consistency_proof(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """A proof that the tree of the first `size` leaves only grew into this one (§2.1.4.1).

    Args:
        leaves: All hashes, in order.
        size: How many of them the older tree had.

    Raises:
        IndexError: If the older tree was empty or larger.
    """
    if not 0 < size <= len(leaves):
        raise IndexError(f"no tree of {size} leaves grows into one of {len(leaves)}")
    return _subproof(leaves, size, whole=True)


def check_consistency(
    size: int, root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Checks a proof that a tree only grew (§2.1.4.2).

    Args:
        size: Leaves of the older tree.
        root: Of the older tree.
        new_size: Leaves of the newer tree.
        new_root: Of the newer tree.
        proof: From `consistency_proof`.

    Raises:
        VerificationError: If the proof is wrong: a leaf was changed or removed.
    """
    changed = VerificationError(
        f"the list of {new_size} is not the list of {size} with more at its end: an entry was "
        "changed or removed"
    )
    if not 0 < size <= new_size or len(proof) > new_size.bit_length() + 1:
        raise changed
    if size == new_size:
        if proof or root != new_root:
            raise changed
        return
    hashes = [root, *proof] if size & (size - 1) == 0 else list(proof)
    if not hashes:
        raise changed
    at, last = size - 1, new_size - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = hashes[0]
    for sibling, before in _upwards(at, last, hashes[1:]):
        if before:
            old, new = _node(sibling, old), _node(sibling, new)
        else:
            new = _node(new, sibling)
    if old != root or new != new_root:
        raise changed


def _upwards(at: int, last: int, proof: Sequence[bytes]) -> Iterator[tuple[bytes, bool]]:
    """A proof's hashes on the path from a node to the root, and whether each is the left sibling.

    Args:
        at: Where the node is in its row.
        last: Where its row ends.
        proof: The hashes.

    Raises:
        VerificationError: If the path is longer or shorter.
    """
    for sibling in proof:
        if last == 0:
            raise VerificationError("the proof has more hashes than its tree has levels")
        before = bool(at & 1) or at == last
        yield sibling, before
        while before and at and not at & 1:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    if last:
        raise VerificationError("the proof has fewer hashes than its tree has levels")


def _subproof(leaves: Sequence[bytes], size: int, *, whole: bool) -> list[bytes]:
    if size == len(leaves):
        return [] if whole else [root_of(leaves)]
    split = _split(len(leaves))
    left, right = leaves[:split], leaves[split:]
    if size <= split:
        return [*_subproof(left, size, whole=whole), root_of(right)]
    return [*_subproof(right, size - split, whole=False), root_of(left)]


def _split(count: int) -> int:
    """The largest power of two below a count."""
    return 1 << (count - 1).bit_length() - 1


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()
