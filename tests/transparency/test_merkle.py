"""Merkle trees, held against the test vectors of Certificate Transparency and against lies."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confide.errors import VerificationError
from confide.transparency import merkle

# The reference inputs and roots of Certificate Transparency's own tests (google/certificate-
# transparency, merkletree/merkle_tree_test.cc).
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(bytes([k % 251, k // 251])) for k in range(count)]


@pytest.mark.parametrize("count", range(1, len(INPUTS) + 1))
def test_roots_are_those_of_certificate_transparency(count):
    tree = [merkle.leaf_hash(item) for item in INPUTS[:count]]
    assert merkle.root_of(tree).hex() == ROOTS[count - 1]


def test_the_root_of_nothing_is_the_hash_of_nothing():
    assert merkle.root_of([]) == hashlib.sha256(b"").digest()


def test_a_published_proof_of_inclusion():
    tree = [merkle.leaf_hash(item) for item in INPUTS]
    proof = [step.hex() for step in merkle.inclusion_proof(tree, 0)]
    assert proof == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]


@pytest.mark.parametrize("count", range(1, 34))
def test_every_leaf_of_every_tree_has_a_proof_and_no_other_leaf_takes_it(count):
    tree = leaves(count)
    root = merkle.root_of(tree)
    for index in range(count):
        proof = merkle.inclusion_proof(tree, index)
        merkle.check_inclusion(tree[index], index, count, proof, root)
        for other in {0, index - 1, index + 1, count - 1} - {index}:
            with pytest.raises(VerificationError):
                merkle.check_inclusion(tree[index], other, count, proof, root)
        with pytest.raises(VerificationError):
            merkle.check_inclusion(merkle.leaf_hash(b"another"), index, count, proof, root)
        with pytest.raises(VerificationError):
            merkle.check_inclusion(tree[index], index, count, [*proof, bytes(32)], root)
        if proof:
            with pytest.raises(VerificationError):
                merkle.check_inclusion(tree[index], index, count, proof[:-1], root)


@pytest.mark.parametrize("count", range(1, 34))
def test_a_list_that_grew_is_told_from_one_that_was_changed(count):
    tree = leaves(count)
    root = merkle.root_of(tree)
    for size in range(1, count + 1):
        old, proof = merkle.root_of(tree[:size]), merkle.consistency_proof(tree, size)
        merkle.check_consistency(size, old, count, root, proof)
        changed = merkle.root_of([merkle.leaf_hash(b"changed"), *tree[1:size]])
        for wrong in (changed, bytes(32)):
            with pytest.raises(VerificationError, match=r"changed or removed|proof"):
                merkle.check_consistency(size, wrong, count, root, proof)
        with pytest.raises(VerificationError):
            merkle.check_consistency(size, old, count, bytes(32), proof)
        for other in ([*proof, bytes(32)], [] if proof else [bytes(32)]):
            with pytest.raises(VerificationError):
                merkle.check_consistency(size, old, count, root, other)
        if proof:
            with pytest.raises(VerificationError):
                merkle.check_consistency(size, old, count, root, proof[1:])
            with pytest.raises(VerificationError):
                merkle.check_consistency(size, old, count, root, proof[:-1])


@given(
    st.integers(1, 300).flatmap(
        lambda count: st.tuples(
            st.just(count), st.integers(0, count - 1), st.integers(0, 8), st.integers(0, 255)
        )
    )
)
def test_a_proof_with_one_bit_changed_proves_nothing(case):
    count, index, which, bit = case
    tree = leaves(count)
    proof = merkle.inclusion_proof(tree, index)
    if not proof:
        return
    at = which % len(proof)
    flipped = (int.from_bytes(proof[at], "big") ^ 1 << bit).to_bytes(32, "big")
    with pytest.raises(VerificationError):
        merkle.check_inclusion(
            tree[index],
            index,
            count,
            [*proof[:at], flipped, *proof[at + 1 :]],
            merkle.root_of(tree),
        )


def test_an_older_list_cannot_be_larger_or_empty():
    tree = leaves(5)
    for size in (0, 6):
        with pytest.raises(IndexError):
            merkle.consistency_proof(tree, size)
        with pytest.raises(VerificationError):
            merkle.check_consistency(size, merkle.root_of([]), 5, merkle.root_of(tree), [])
    with pytest.raises(IndexError):
        merkle.inclusion_proof(tree, 5)
