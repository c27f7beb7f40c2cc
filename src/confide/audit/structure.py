"""Which cells the published sums determine exactly, whatever their values are.

The sums are a linear system A·x = b, with a column for each cell. A cell is determined if and only
if its entry is zero in every vector of A's null space; somebody who knows cell i learns cell j too
if and only if entry j is a multiple of entry i in all of them.

Where each cell counts in at most two sums of two tables, A is the incidence matrix of a bipartite
graph whose edges are the cells. Its null space is spanned by cycles, so the determined cells are
the bridges, and the pairs are the pairs of edges whose removal disconnects the graph. A random
label for each edge outside a spanning tree, and for each edge of the tree the exclusive or of those
that close a cycle through it, finds both: the label of a bridge is zero and two edges of a pair
have the same one (Pritchard and Thurimella 2011, ACM Transactions on Algorithms 7(4), Section 2).
The labels have 64 bits: that two of 50,000 edges agree by chance has a probability below 2^-33.

Elsewhere the rank decides: by elimination modulo a prime where the system is small, by projections
of random vectors on the null space where it is large.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import breadth_first_order, connected_components
from scipy.sparse.linalg import lsmr

from confide.audit.joint import Block
from confide.errors import DataError
from confide.randomness import public_generator

__all__ = ["Structure", "incidence", "needed_sums", "structure_of"]

Flags = NDArray[np.bool_]
Places = NDArray[np.int64]

_PRIME: Final = 2**31 - 1
_MOST_ELIMINATION: Final = 2e9
"""Multiplications; beyond it projections are used."""
_PROJECTIONS: Final = 3
_ZERO: Final = 1e-7


@dataclass(frozen=True, eq=False)
class Structure:
    """What the sums determine.

    Attributes:
        determined: `(cells,)`: which cells the sums determine.
        group: `(cells,)`: two cells of one group, from 0, determine each other; −1 where a cell
            determines no other.
        method: "bridges", "elimination" or "projection".
    """

    determined: Flags
    group: Places
    method: str


def structure_of(blocks: list[Block], kept: Flags) -> Structure:
    """Finds the determined cells, and those that determine each other.

    Args:
        blocks: The sums; those that are not known exactly say nothing here.
        kept: `(cells,)`: which cells are unknown. Others are known, and subtracted from the sums.
    """
    rows = needed_sums(blocks, kept)
    if len(rows) <= 2:
        return _by_bridges(rows, kept)
    system = incidence(rows, kept)
    if float(system.shape[0]) ** 2 * system.shape[1] <= _MOST_ELIMINATION:
        vectors, method = _eliminated(system), "elimination"
    else:
        vectors, method = _projected(system), "projection"
    return _of_null_space(vectors, kept, method)


def needed_sums(blocks: list[Block], kept: Flags) -> list[Places]:
    """For each block the sum of each cell, −1 for none, without sums that others of them imply.

    A sum over the cells of whole sums of another block says nothing that these do not.
    """
    exact = [np.where((b.row >= 0) & b.exact[b.row], b.row, -1) for b in blocks]
    exact = [np.where(kept, rows, -1) for rows in exact]
    order = sorted(range(len(blocks)), key=lambda b: -len(blocks[b].dimensions))
    chosen: list[int] = []
    for place in order:
        rows = exact[place]
        implied = np.zeros(len(blocks[place].low), np.bool_)
        for finer in chosen:
            if set(blocks[place].dimensions) <= set(blocks[finer].dimensions):
                inside = rows >= 0
                uncovered = np.bincount(
                    rows[inside], exact[finer][inside] < 0, minlength=len(implied)
                )
                implied |= uncovered == 0
        exact[place] = np.where((rows >= 0) & ~implied[rows], rows, -1)
        chosen.append(place)
    return [exact[place] for place in sorted(chosen) if (exact[place] >= 0).any()]


def incidence(rows: list[Places], kept: Flags) -> sparse.csr_array:
    """The matrix of the sums, `(sums, kept cells)`, of zeros and ones."""
    number = np.cumsum(kept) - 1
    above, which, cells = 0, [], []
    for block in rows:
        inside = (block >= 0) & kept
        sums, codes = np.unique(block[inside], return_inverse=True)
        which.append(codes + above)
        cells.append(number[inside])
        above += len(sums)
    places = (np.concatenate(which), np.concatenate(cells))
    return sparse.csr_array((np.ones(len(places[0])), places), shape=(above, int(kept.sum())))


def _by_bridges(rows: list[Places], kept: Flags) -> Structure:
    """By the graph: a node for each sum, and one for all cells that count in one sum only."""
    cells = np.flatnonzero(kept)
    nodes, ends = 1, []
    for block in [*rows, *[np.full(len(kept), -1)] * (2 - len(rows))]:
        ends.append(np.where(block[cells] >= 0, block[cells] + nodes, 0))
        nodes += int(block.max(initial=-1)) + 1
    label = _cycle_labels(ends[0], ends[1], nodes)
    determined, group = np.zeros(len(kept), np.bool_), np.full(len(kept), -1)
    determined[cells] = label == 0
    _, code, count = np.unique(label, return_inverse=True, return_counts=True)
    group[cells] = np.where((label != 0) & (count[code] > 1), code, -1)
    return Structure(determined, group, "bridges")


def _cycle_labels(start: Places, end: Places, nodes: int) -> NDArray[np.uint64]:
    """A label for each edge: zero for a bridge, equal for two edges that lie on the same cycles."""
    label = public_generator("cycles", len(start)).integers(
        1, 2**64, len(start), np.uint64, endpoint=False
    )
    # One edge for each pair of nodes; of parallel edges the first may be in the tree.
    places = np.stack([np.minimum(start, end), np.maximum(start, end)])
    pairs, first = np.unique(places, axis=1, return_index=True)
    graph = sparse.csr_array((first + 1.0, (pairs[0], pairs[1])), shape=(nodes, nodes))
    both = graph + graph.T
    _, component = connected_components(both, directed=False)
    tree_edge = np.full(nodes, -1)
    order, parent = [], np.full(nodes, -1)
    edge_at = {(int(a), int(b)): int(e) for a, b, e in zip(*pairs, first, strict=True)}
    for root in np.unique(component, return_index=True)[1]:
        found, before = breadth_first_order(both, int(root), directed=False)
        order.append(found)
        parent[found] = before[found]
    for node in range(nodes):
        above = int(parent[node])
        if above >= 0:
            tree_edge[node] = edge_at[min(node, above), max(node, above)]
    inside = np.zeros(len(start), np.bool_)
    inside[tree_edge[tree_edge >= 0]] = True
    # XOR, at each node, of the edges outside the tree that end there; a loop counts twice.
    at_node = np.zeros(nodes, np.uint64)
    outside = ~inside
    np.bitwise_xor.at(at_node, start[outside], label[outside])
    np.bitwise_xor.at(at_node, end[outside], label[outside])
    for node in np.concatenate(order)[::-1] if order else ():
        edge = tree_edge[node]
        if edge >= 0:
            label[edge] = at_node[node]
            at_node[parent[node]] ^= at_node[node]
    return label


def _eliminated(system: sparse.csr_array) -> NDArray[np.float64]:
    """Random vectors of the null space modulo a prime, `(kept cells, vectors)`."""
    matrix = system.toarray().astype(np.int64)
    pivots, row = [], 0
    for column in range(matrix.shape[1]):
        if row == len(matrix):
            break
        nonzero = np.flatnonzero(matrix[row:, column])
        if not len(nonzero):
            continue
        matrix[[row, row + nonzero[0]]] = matrix[[row + nonzero[0], row]]
        matrix[row] = matrix[row] * pow(int(matrix[row, column]), -1, _PRIME) % _PRIME
        others = np.flatnonzero(matrix[:, column])
        others = others[others != row]
        matrix[others] = (matrix[others] - matrix[others, column, None] * matrix[row]) % _PRIME
        pivots.append(column)
        row += 1
    free = np.setdiff1d(np.arange(matrix.shape[1]), pivots)
    drawn = public_generator("null space", len(free)).integers(
        1, _PRIME, (_PROJECTIONS, len(free)), np.int64
    )
    vectors = np.zeros((matrix.shape[1], _PROJECTIONS), np.int64)
    vectors[free] = drawn.T
    for place, vector in enumerate(drawn):
        products = matrix[:row][:, free] * vector % _PRIME
        vectors[pivots, place] = -products.sum(axis=1) % _PRIME
    return _directions_mod_prime(vectors)


def _directions_mod_prime(vectors: Places) -> NDArray[np.float64]:
    """Each row divided by its first entry that is not zero, so that parallel rows are equal."""
    made = np.zeros(vectors.shape)
    for place, row in enumerate(vectors):
        nonzero = np.flatnonzero(row)
        if len(nonzero):
            made[place] = row * pow(int(row[nonzero[0]]), -1, _PRIME) % _PRIME
    return made


def _projected(system: sparse.csr_array) -> NDArray[np.float64]:
    """Directions of random vectors' projections on the null space, `(kept cells, vectors)`."""
    generator = public_generator("projections", *system.shape)
    found = []
    for vector in generator.standard_normal((_PROJECTIONS, system.shape[1])):
        row_space, reason, *_ = lsmr(system, system @ vector, atol=1e-13, btol=1e-13, maxiter=5000)
        if reason in (3, 6, 7):
            raise DataError(
                "the rank of these tables cannot be found to full precision: audit fewer of them "
                "at once, or list the cells that may be occupied (--cells)"
            )
        found.append(vector - row_space)
    vectors = np.stack(found, axis=1)
    vectors[np.abs(vectors).max(axis=1) < _ZERO] = 0.0
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    first = np.abs(vectors).argmax(axis=1)
    sign = np.sign(vectors[np.arange(len(vectors)), first])[:, None]
    return np.asarray(np.round(sign * vectors / np.where(lengths > 0, lengths, 1.0), 5))


def _of_null_space(directions: NDArray[np.float64], kept: Flags, method: str) -> Structure:
    determined, group = np.zeros(len(kept), np.bool_), np.full(len(kept), -1)
    zero = ~directions.any(axis=1)
    determined[kept] = zero
    _, code, count = np.unique(directions, axis=0, return_inverse=True, return_counts=True)
    group[kept] = np.where(~zero & (count[code] > 1), code, -1)
    return Structure(determined, group, method)
