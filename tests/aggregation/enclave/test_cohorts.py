"""Cohorts whose sums leave an enclave, of which the host sets the memory back or copies it."""

from dataclasses import replace
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from tests.aggregation.enclave.test_openings import Host, nothing
from tests.runtime.liar import drift, rows
from tests.tee.support import BUILD, SimulatedAttester, enclave, relying_party

from confide.aggregation.enclave import aggregator as running
from confide.aggregation.enclave import consent
from confide.aggregation.sharing import party as sharing
from confide.engines import Drop, EnclaveHost, simulate
from confide.errors import DropoutError, OpeningError, PlanError
from confide.plan import (
    CentralNoise,
    Clear,
    Cohort,
    Cohorts,
    Corruption,
    Encrypted,
    Hardware,
    Masked,
    Neighbours,
    NoNoise,
    Outcome,
    Plan,
    Threat,
    Unit,
)
from confide.plan.findings import Attack
from confide.plan.threat import Adversary

VICTIM, *OTHERS = NAMES = tuple(f"p{i:03}" for i in range(9))
THIRDS = (NAMES[:3], NAMES[3:6], NAMES[6:])
GOOD = tuple((*one, *other) for one, other in combinations(THIRDS, 2))
"""Any two of three classes of three: each class is in two cohorts."""
BY_ONE = (NAMES, NAMES[1:])
LYING, CURIOUS = (
    Threat(
        confidentiality=Adversary(coordinator=kind, network=kind), hardware=Hardware.ASSUMED_SOUND
    )
    for kind in (Corruption.MALICIOUS, Corruption.CURIOUS)
)


def cohorts(*members):
    return Cohorts(
        cohorts=tuple(Cohort(name="abc"[i], parties=each) for i, each in enumerate(members))
    )


FOURS = tuple(tuple(f"p{i:03}" for i in range(at, at + 4)) for at in (0, 4, 8))
WIDE = tuple((*one, *other) for one, other in combinations(FOURS, 2))
"""The same with classes of four, of whom one may be missing."""


def host_of(folder, over=Clear(), members=WIDE, parties=12, **fields):  # noqa: B008 - frozen
    fields = {"dropouts": 1, "rounds": 6, "crowd": cohorts(*members), **fields}
    return Host.of(folder, over, parties=parties, **fields)


def asked(host, number):
    return host.federation.plan.asked(number)


def finding(plan, attack=Attack.ROUND_DIFFERENCES):
    return plan.finding(attack)


EVERY_INNER = pytest.mark.parametrize(
    "over", [Clear(), Masked(), Encrypted()], ids=["clear", "masked", "encrypted"]
)


class TestWhoMissesOneCohort:
    """The state stands still; p000 is in the first sum of its cohort, and missing from the next."""

    @EVERY_INNER
    def test_is_kept_by_the_enclave_and_by_the_parties_when_it_forgets(self, tmp_path, over):
        host = host_of(tmp_path, over)
        assert finding(host.federation.plan).outcome is Outcome.DEFEATED
        for number in range(2):
            host.attempt(number, names=asked(host, number)).finish()
        before = host.keep()
        host.attempt(2, names=asked(host, 2)).finish()
        without = [name for name in asked(host, 3) if name != VICTIM]
        with pytest.raises(OpeningError, match="singled out"):
            host.attempt(3, names=without).finish()
        host.restore(before)
        with pytest.raises((OpeningError, DropoutError), match=r"leaves out|answered"):
            host.attempt(3, 1, names=without).finish()

    def test_is_given_away_without_the_rule(self, tmp_path, monkeypatch):
        for module in (running, consent, sharing):
            monkeypatch.setattr(module, "check_openings", nothing)
        host = host_of(tmp_path)
        sums = [host.attempt(number, names=asked(host, number)).finish() for number in range(3)]
        without = host.attempt(3, names=[n for n in asked(host, 3) if n != VICTIM]).finish()
        assert host.difference(sums[0], without) == host.contribution_of(VICTIM)


class TestSumsOfTwoCopiesThatShareNobody:
    """S1 = {v} + A + B, then S2 = A and S3 = B by two enclaves that know of S1 alone.

    A cohort of everybody, and two that have the victim's class in common, of which two are missing.
    """

    V, A, B = (tuple(f"p{i:03}" for i in range(*ends)) for ends in ((0, 3), (3, 7), (7, 11)))
    MEMBERS = ((*V, *A, *B), (*V, *A), (*V, *B))

    def host(self, folder, **fields):
        return host_of(folder, members=self.MEMBERS, parties=11, dropouts=2, **fields)

    def steal(self, host):
        """The victim's contribution, by three sums of which the last two know the first only."""
        first = host.attempt(0, names=asked(host, 0)).finish()
        kept = host.keep()
        second = host.attempt(1, names=[*self.A, self.V[1]]).finish()
        host.restore(kept)
        third = host.attempt(2, names=[*self.B, self.V[2]]).finish()
        return (first.totals - second.totals - third.totals).tolist()

    def test_cannot_be_planned_for(self, tmp_path):
        with pytest.raises(PlanError, match="equivocation: 6 of 11 parties may be in no sum"):
            self.host(tmp_path)

    def test_would_give_the_victim_away_by_smaller_quorums(self, tmp_path, monkeypatch):
        monkeypatch.setattr(Plan, "quorum", 1)
        host = self.host(tmp_path)
        monkeypatch.undo()
        assert self.steal(host) == host.contribution_of(VICTIM)

    def test_may_be_planned_for_where_the_host_does_not_lie_and_then_the_enclave_remembers(
        self, tmp_path
    ):
        host = self.host(tmp_path, threat=CURIOUS)
        host.attempt(0, names=asked(host, 0)).finish()
        host.attempt(1, names=[*self.A, self.V[1]]).finish()
        with pytest.raises(OpeningError, match="singled out"):
            host.attempt(2, names=[*self.B, self.V[2]]).finish()

    def test_tell_nothing_where_nobody_may_be_missing(self, tmp_path):
        host = host_of(tmp_path, members=self.MEMBERS, parties=11, dropouts=0)
        with pytest.raises(DropoutError, match=r"allows 0 dropouts|survivors signed"):
            self.steal(host)


class TestSurvivorsOfACohort:
    @EVERY_INNER
    def test_are_as_many_as_the_plan_says_in_a_large_cohort_too(self, tmp_path, over):
        """Nine parties and six: of the nine not four may be missing, because six would do."""
        members = (NAMES, NAMES[:6])
        host = host_of(tmp_path, over, members, parties=9, dropouts=0, threat=CURIOUS)
        with pytest.raises(DropoutError):
            host.attempt(0, names=NAMES[:6]).finish()

    def test_are_its_own(self, tmp_path):
        host = host_of(tmp_path)
        with pytest.raises(OpeningError, match="cohort 'a'"):
            host.attempt(0, names=asked(host, 1)).finish()


def plan_of(members, noise, threat, **fields):
    """A plan of the grid: what a firm contributes stays the same while the state does."""
    return drift().plan(
        parties=list(NAMES),
        crowd=cohorts(*members),
        rounds=2,
        dropouts=0,
        aggregation=enclave(Clear()),
        threat=threat,
        **NOISES[noise],
        **fields,
    )


NOISES: dict[str, dict[str, Any]] = {
    "none": {"noise": NoNoise()},
    "record": {"noise": CentralNoise(0.05, 1e-3)},
    "party": {"neighbours": Neighbours(unit=Unit.PARTY), "noise": CentralNoise(8.0, 1e-3)},
}


class TestEveryPlan:
    """What the findings say of cohorts in an enclave is what a run of it tells."""

    GRID = (
        *product((GOOD, BY_ONE), ("none", "record"), (LYING,)),
        (GOOD, "none", CURIOUS),
        (BY_ONE, "record", CURIOUS),
        (BY_ONE, "party", LYING),
    )

    @pytest.mark.parametrize(("members", "noise", "threat"), GRID)
    def test_somebody_is_told_apart_if_and_only_if_the_findings_say_so(
        self, members, noise, threat
    ):
        if members is BY_ONE and noise == "none":
            with pytest.raises(PlanError, match="differences of opened sums"):
                plan_of(members, noise, threat)
            return
        plan = plan_of(members, noise, threat)
        still = frozen()
        run = simulate(plan, rows(NAMES), computation=still, enclave=HOST)
        assert [r.survivors for r in run.totals] == [plan.asked(n) for n in range(2)]
        steps = float(plan.noise_steps(plan.sums.sums[0]))
        told = told_apart(run.totals)
        reported = finding(plan).outcome is Outcome.REPORTED
        if noise == "party":
            # The noise in a sum is at least as large as all that a firm can contribute.
            assert finding(plan).outcome is Outcome.DEFEATED
            assert steps >= plan.sums.sums[0].lattice.party_range
            return
        assert bool(told) is reported
        for name, found in told.items():
            exact = alone(name)
            assert np.abs(found - exact).max() <= 2 * len(NAMES) + 10 * steps


HOST = EnclaveHost(SimulatedAttester(), BUILD, relying_party())


def frozen():
    """A computation whose state stands still, as a coordinator's false sums would keep it."""
    return replace(drift(), update=lambda state, totals: state)


def told_apart(results):
    """What a combination of the sums is of one party alone: by its name, the combination."""
    members = np.array([[name in r.survivors for name in NAMES] for r in results]).astype(float)
    totals, found = np.array([r.totals for r in results]), {}
    for place, name in enumerate(NAMES):
        weights, _, rank, _ = np.linalg.lstsq(members.T, np.eye(len(NAMES))[place], rcond=None)
        if rank == len(results) and np.abs(members.T @ weights - np.eye(9)[place]).max() < 1e-9:
            found[name] = weights @ totals
    return found


def alone(name):
    """A party's contribution without noise, in lattice steps up to the dither."""
    declared = drift().sums.sums
    mean = rows(NAMES)[name]["x"].mean()
    return np.array([mean / s.lattice.resolution for s in declared])


class TestRun:
    def test_a_loss_that_splits_a_class_ends_it(self):
        names = tuple(name for part in FOURS for name in part)
        plan = drift().plan(
            parties=list(names),
            crowd=cohorts(*WIDE),
            rounds=4,
            dropouts=1,
            aggregation=enclave(Clear()),
            threat=LYING,
        )
        assert finding(plan).outcome is Outcome.DEFEATED
        with pytest.raises(OpeningError, match="singled out"):
            simulate(
                plan, rows(names), computation=drift(), enclave=HOST, drops=[Drop(VICTIM, 3, 3)]
            )
