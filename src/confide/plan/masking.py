"""Degree, threshold, window and quorum of masked aggregation, derived from the plan.

Parties sit on a circle in an order drawn by a joint coin; each masks with the `degree`/2 next to it
on either side and hands Shamir shares of its secrets to those neighbours and itself. Small rounds
use the complete graph. The plan has n parties, up to d dropouts and c colluders; all failure
probabilities are over the coin, at most 2^-40 together for each round; the signatures that parties
draw to verify add the same amount.

- **Shares** (`threshold` t): an outsider needs t shares of a party's secret. Fewer than t colluders
  sit in any honest party's neighbourhood, and at least t survivors in every one.
- **Cuts** (`cut_survivors` s): the honest survivors' graph falls apart only at two disjoint runs of
  degree/2 places in which everybody is dropped or colludes (a circulant graph has no other cut).
  Any two disjoint runs keep at least s survivors, which each party checks for itself, and no two
  such runs hold s colluders. So even a coordinator that reports any parties as dropped cannot
  isolate a party.
- **Quorum** q > (n + c)/2: honest parties sign one set of survivors. Two sets with q signatures
  each would need 2q ≤ (n - c) + 2c. So at most one set is unmasked, and nobody reveals both the
  self mask and the pairwise masks of one party (Bonawitz et al. 2017, §6.2).
- **Samples of the quorum**: a party verifies signatures that it draws at random, in secret, after
  it received them all. To open anything without a true quorum (the other secret of a party, or any
  secret of another attempt) the adversary needs t shares of some honest party's secret, from
  colluders and from parties that a false quorum deceived. So a single party may be deceived with a
  probability 2^-b far above 2^-40, as long as it is that unlikely for enough parties together; b is
  derived from this.

The tails are hypergeometric, since a neighbourhood is a uniformly random set (Bell et al. 2020,
Lemma 3.7); they are summed exactly, and bounded over all n places and over the attempts that a
withheld share of the coin allows.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from confide.errors import PlanError

__all__ = [
    "COMPLETE_UP_TO",
    "MAX_ATTEMPTS",
    "MAX_PARTIES",
    "SECURITY_BITS",
    "Masking",
    "derive_masking",
    "failure_bits",
    "hypergeometric_tail",
    "signatures_to_verify",
]

SECURITY_BITS: Final = 40
"""Statistical security: every stated failure happens with probability at most 2^-40 a round."""

COMPLETE_UP_TO: Final = 128
"""Rounds of up to this many parties use the complete graph."""

MAX_PARTIES: Final = 20_000
"""The most parties that degrees are derived for."""

MAX_ATTEMPTS: Final = 16
"""How often a round may start again because somebody withheld its share of the coin."""


@dataclass(frozen=True)
class Masking:
    """The derived parameters of one masked round.

    Attributes:
        parties: n.
        dropouts: d, the most parties that may be missing at the end.
        colluding: c, the colluders that the round is safe against.
        degree: k, neighbours of each party; n - 1 is the complete graph.
        threshold: t, shares that open a secret.
        cut_survivors: s, survivors in any two disjoint runs of k/2; 0 for the complete graph.
        quorum: q, signatures on one set of survivors; 0 if the coordinator is only curious.
    """

    parties: int
    dropouts: int
    colluding: int
    degree: int
    threshold: int
    cut_survivors: int
    quorum: int

    @property
    def complete(self) -> bool:
        """Whether everybody is everybody's neighbour, so that no coin is thrown."""
        return self.degree == self.parties - 1

    @property
    def min_survivors(self) -> int:
        """The fewest parties that a sum is released over."""
        return self.parties - self.dropouts

    @cached_property
    def false_quorum_bits(self) -> int:
        """b: a party takes a false quorum for a true one with probability at most 2^-b."""
        allowed = 2.0**-SECURITY_BITS / (self.parties * MAX_ATTEMPTS)
        return next(
            (b for b in range(1, SECURITY_BITS) if self._falsely_opened(2.0**-b) <= allowed),
            SECURITY_BITS,
        )

    def _falsely_opened(self, fooled: float) -> float:
        """P[colluders and deceived parties hold t shares of one honest party's secret]."""
        holders = self.degree + 1
        return math.fsum(
            _hypergeometric(self.parties - 1, self.colluding, self.degree, colluders)
            * _binomial_tail(holders - colluders, fooled, self.threshold - colluders)
            for colluders in range(min(self.colluding, self.degree) + 1)
        )


@lru_cache(maxsize=256)
def derive_masking(parties: int, dropouts: int, colluding: int, *, malicious: bool) -> Masking:
    """Derives the parameters, or says why there are none.

    Args:
        parties: n, the parties of the plan.
        dropouts: d, how many may drop out in a round.
        colluding: c, how many may pool what they see with the coordinator; at least 1 if the
            parties receive the sum.
        malicious: Whether the coordinator, or a network posing as it, may lie.

    Raises:
        PlanError: If n - d survivors leave fewer than two honest ones, or no quorum.

    Example:
        >>> derive_masking(5, 1, 1, malicious=True).quorum
        4
    """
    check_survivors(parties, dropouts, colluding)
    quorum = check_quorum(parties, dropouts, colluding) if malicious else 0
    if parties > MAX_PARTIES:
        raise PlanError(
            f"{parties:,} parties in one masked sum; at most {MAX_PARTIES:,} are derived"
        )
    sparse = None if parties <= COMPLETE_UP_TO else _sparse(parties, dropouts, colluding)
    degree, threshold, cut = sparse or (parties - 1, parties - dropouts, 0)
    return Masking(parties, dropouts, colluding, degree, threshold, cut, quorum)


def check_survivors(parties: int, dropouts: int, colluding: int) -> None:
    """Refuses plans in which colluders, without their own part, see that of one party."""
    if dropouts < 0:
        raise PlanError(f"dropouts is {dropouts}; it is at least 0")
    if parties - dropouts < colluding + 2:
        raise PlanError(
            f"insider subtraction: of {parties} parties {dropouts} may drop out, which leaves "
            f"{parties - dropouts}; if {colluding} of them subtract their own part from the "
            f"sum, fewer than 2 honest parties are left in it. At least "
            f"{colluding + dropouts + 2} parties are needed (colluding + dropouts + 2): invite "
            "more, or allow fewer dropouts or colluders"
        )


def check_quorum(parties: int, dropouts: int, colluding: int) -> int:
    """The quorum; refuses plans that allow two confirmed sets of survivors."""
    bearable = min((parties - colluding - 1) // 2, parties - colluding - 2)
    if dropouts > (parties - colluding - 1) // 2:
        enough = max(colluding + 2 * dropouts + 1, colluding + dropouts + 2)
        fix = f"Set dropouts = {bearable}, invite" if bearable >= 0 else "Invite"
        raise PlanError(
            f"equivocation: {parties} parties of which {colluding} collude with a malicious "
            f"coordinator allow {bearable if bearable > 0 else 'no'} dropouts, not {dropouts}: "
            f"otherwise two sets of survivors could each get more than (n + c)/2 confirmations, "
            f"and their sums differ in one party. {fix} more, so that there are at least "
            f"{enough} parties, or "
            "call coordinator and network 'curious' if they are"
        )
    return (parties + colluding) // 2 + 1


def signatures_to_verify(masking: Masking, count: int) -> int:
    """How many of `count` signatures a party draws at random and verifies; at most a quorum.

    With at most q - 1 good ones, all that it draws are good with probability at most
    2^-`false_quorum_bits`.

    Args:
        masking: The round's parameters.
        count: Signatures received, at least the quorum q.
    """
    allowed, fooled = 2.0**-masking.false_quorum_bits, 1.0
    for drawn in range(masking.quorum):
        if fooled <= allowed:
            return drawn
        fooled *= (masking.quorum - 1 - drawn) / (count - drawn)
    return masking.quorum


def failure_bits(masking: Masking, rounds: int) -> float:
    """How unlikely it is that a stated bound fails by chance in any round of a plan.

    Adds up, over the rounds (union bound), the probability that each round allows over all its
    attempts: 2^-40 for the joint coin, unless the graph is complete, and 2^-40 for the signatures
    that parties draw to verify, where there is a quorum. Noise that exceeds its modulus affects
    correctness only and is not counted here (`confide.plan.noise.TAIL_BITS`), and neither are the
    assumptions on ciphers.

    Args:
        masking: The parameters of each round.
        rounds: How many rounds the plan has, at least 1.

    Returns:
        b: the probability is at most 2^-b; ∞ if nothing is left to chance.

    Example:
        >>> failure_bits(derive_masking(1000, 300, 100, malicious=True), rounds=1)
        39.0
        >>> failure_bits(derive_masking(1000, 300, 100, malicious=True), rounds=256)
        31.0
        >>> failure_bits(derive_masking(5, 1, 1, malicious=False), rounds=256)
        inf
    """
    sources = (not masking.complete) + (masking.quorum > 0)
    return SECURITY_BITS - math.log2(rounds * sources) if sources else math.inf


def hypergeometric_tail(population: int, marked: int, draws: int, at_least: int) -> float:
    """P[X ≥ at_least] where X counts the marked among `draws` taken without replacement."""
    lowest = max(at_least, 0, draws - (population - marked))
    highest = min(draws, marked)
    if at_least <= max(0, draws - (population - marked)):
        return 1.0
    return math.fsum(
        _hypergeometric(population, marked, draws, x) for x in range(lowest, highest + 1)
    )


def _hypergeometric(population: int, marked: int, draws: int, x: int) -> float:
    """P[X = x] of the same X."""
    if not max(0, draws - (population - marked)) <= x <= min(draws, marked):
        return 0.0
    return math.exp(
        _log_choose(marked, x)
        + _log_choose(population - marked, draws - x)
        - _log_choose(population, draws)
    )


def _binomial_tail(trials: int, chance: float, at_least: int) -> float:
    """P[X ≥ at_least] where X counts successes among independent trials."""
    if at_least <= 0:
        return 1.0
    return math.fsum(
        math.exp(_log_choose(trials, x) + x * math.log(chance) + (trials - x) * math.log1p(-chance))
        for x in range(at_least, trials + 1)
    )


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _sparse(n: int, d: int, c: int) -> tuple[int, int, int] | None:
    """The smallest even degree below n/2 that meets all bounds, with t and s, or None."""
    # Four bounds share the budget: for shares and for cuts, colluders hold few enough and survivors
    # enough.
    budget = 2.0**-SECURITY_BITS / (4 * MAX_ATTEMPTS)
    per_party, per_cut = budget / n, budget / (n * (n - 1) / 2)
    for degree in range(4, (n + 1) // 2, 2):
        threshold = _largest_reached(n, d, degree + 1, per_party)
        cut = _largest_reached(n, d, degree, per_cut)
        # An honest party holds a share of its own: only its `degree` neighbours may collude.
        if hypergeometric_tail(n - 1, c, degree, max(threshold, 2)) > per_party:
            continue
        if hypergeometric_tail(n, c, degree, max(cut, 2)) <= per_cut and min(threshold, cut) >= 2:
            return degree, threshold, cut
    return None


def _largest_reached(n: int, d: int, draws: int, allowed: float) -> int:
    """The largest m such that `draws` random places almost always hold at least m survivors."""
    fewest = bisect_left(
        range(draws), True, key=lambda x: hypergeometric_tail(n, d, draws, x + 1) <= allowed
    )
    return draws - fewest
