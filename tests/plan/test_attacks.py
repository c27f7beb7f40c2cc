"""The table (adversary, protection, attack), judged a second time from what a coalition sees.

The judgement here enumerates who survives, who colludes and who signs what; it shares no formula
with `confide.plan`. Parties are alike, so the colluders are the first ones.
"""

import itertools
import re
from dataclasses import dataclass, replace
from functools import cache

import pytest
from tests.plan.examples import PARTIES, make_plan, make_plan_with_sums, make_sum

from confide.errors import PlanError
from confide.plan import (
    ATTACKS,
    Adversary,
    Aim,
    CentralNoise,
    Clear,
    Corruption,
    Encrypted,
    FixedCrowd,
    Hardware,
    Masked,
    Neighbours,
    NoiseShares,
    Outcome,
    Party,
    Plan,
    Recipients,
    Release,
    SumGroup,
    Threat,
    Unit,
)

HONEST, CURIOUS, MALICIOUS = Corruption
NAMES = {name for name, *_ in ATTACKS}


@dataclass(frozen=True)
class Case:
    """A plan of the table: its size, what it bears, whom it trusts and how it is protected."""

    aggregation: object
    n: int
    dropouts: int
    colluding: int
    coordinator: Corruption
    network: Corruption
    parties: Corruption
    to: Recipients

    def make(self) -> Plan:
        return make_plan(
            parties=PARTIES[: self.n],
            dropouts=self.dropouts,
            aggregation=self.aggregation,
            release=released(self.to),
            threat=Threat(
                confidentiality=Adversary(
                    coordinator=self.coordinator,
                    network=self.network,
                    parties=self.parties,
                    colluding_parties=self.colluding,
                )
            ),
        )

    @property
    def coalition(self) -> int:
        """How many parties look together: a party that receives the sums looks by itself."""
        return max(self.colluding, int(self.to is not Recipients.COORDINATOR))

    @property
    def broken_by(self) -> set[str]:
        """The attacks that the stated adversary succeeds with."""
        coordinator_sees = self.coordinator is not HONEST
        hidden = not isinstance(self.aggregation, Clear)
        # The network cannot: what is announced is signed by the coordinator.
        somebody_lies = self.coordinator is MALICIOUS
        broken = set()
        if coordinator_sees and not hidden:
            broken.add("read contributions")
        # It takes two to hide behind, even if nobody is to see the sum (c + 2 survivors).
        if (coordinator_sees or self.to is not Recipients.COORDINATOR or hidden) and (
            can_single_out(self.n, self.dropouts, self.coalition)
        ):
            broken.add("insider subtraction")
        if hidden and somebody_lies and can_confirm_two(self.n, self.dropouts, self.coalition):
            broken.add("equivocation")
        return broken

    @property
    def can_be_made(self) -> bool:
        """Whether nobody breaks it, and a sum of somebody is left that parties would open."""
        return not self.broken_by and self.dropouts < self.n and not self.never_opens

    @property
    def never_opens(self) -> bool:
        """Whether parties would refuse each sum: a class keeps max(c, 1) + 2 of them."""
        hidden = not isinstance(self.aggregation, Clear)
        least = max(self.colluding, 1) + 2
        return hidden and self.coordinator is MALICIOUS and self.n - self.dropouts < least


def released(to):
    """A release to the coordinator, to everybody, or to the first party."""
    return Release(to=to, parties=(PARTIES[0].name,) if to is Recipients.NAMED else None)


def cases(aggregation, n):
    for case in itertools.product(
        range(n + 1), range(n + 1), Corruption, Corruption, Corruption, Recipients
    ):
        _, colluding, *_, parties, _ = case
        if not (colluding and parties is HONEST):  # which no adversary can be
            yield Case(aggregation, n, *case)


@cache
def can_single_out(n, dropouts, coalition):
    """Whether, for some survivors, the coalition can subtract its own part and leave one other's.

    It need not use all of its members: those left out only hide the one.
    """
    return any(
        len(survivors - set(range(members))) == 1
        for size in range(n - dropouts, n + 1)
        for survivors in map(set, itertools.combinations(range(n), size))
        for members in range(coalition + 1)
    )


@cache
def can_confirm_two(n, dropouts, coalition):
    """Whether a liar can have two sets of survivors signed by as many as it may wait for.

    It waits for n - d signatures at most. An honest party signs one set, a colluder both.
    """
    colluders = set(range(min(coalition, n)))
    honest = set(range(n)) - colluders
    return any(
        min(len(first | colluders), len((honest - first) | colluders)) >= n - dropouts
        for size in range(len(honest) + 1)
        for first in map(set, itertools.combinations(sorted(honest), size))
    )


@cache
def refusal(case):
    """Why a plan cannot be made, or an empty text."""
    try:
        case.make()
    except PlanError as error:
        return str(error)
    return ""


every_size = pytest.mark.parametrize("n", range(2, 8))
every_aggregation = pytest.mark.parametrize(
    "aggregation", [Clear(), Masked(), Encrypted()], ids=["clear", "masked", "encrypted"]
)
every_hiding = pytest.mark.parametrize(
    "hiding", [Masked(), Encrypted()], ids=["masked", "encrypted"]
)


@every_size
@every_aggregation
class TestEveryCase:
    def test_is_refused_when_and_only_when_it_is_broken(self, aggregation, n):
        for case in cases(aggregation, n):
            assert bool(refusal(case)) != case.can_be_made, case

    def test_is_refused_with_the_names_of_the_attacks_and_no_others(self, aggregation, n):
        for case in cases(aggregation, n):
            message = refusal(case)
            named = {name for name in (*NAMES, "equivocation") if f"{name}: " in message}
            assert named == case.broken_by, case

    def test_is_refused_with_the_offending_numbers(self, aggregation, n):
        for case in cases(aggregation, n):
            message = refusal(case)
            if "insider subtraction" in message:
                assert f"{n} parties {case.dropouts} may drop out" in message
                assert f"leaves {n - case.dropouts}; if {case.coalition} of them" in message
            if "equivocation" in message:
                assert f"{n} parties of which {case.coalition} collude" in message
                assert f"dropouts, not {case.dropouts}:" in message
            if "read contributions" in message:
                assert f"coordinator is {case.coordinator.value!r}" in message

    def test_that_can_be_made_says_what_becomes_of_each_attack(self, aggregation, n):
        for case in cases(aggregation, n):
            if not case.can_be_made:
                continue
            findings = case.make().findings
            assert [f.attack for f in findings] == [name for name, *_ in ATTACKS]
            assert all(f.reason and f.source for f in findings)
            assert Outcome.BROKEN not in {f.outcome for f in findings}


@every_size
class TestFixes:
    def test_the_dropouts_that_a_refusal_suggests_can_be_borne(self, n):
        for case in cases(Masked(), n):
            for suggested in re.findall(r"dropouts = (\d+)", refusal(case)):
                allowed = replace(case, dropouts=int(suggested))
                assert not refusal(allowed) or allowed.never_opens, case

    def test_the_dropouts_that_a_refusal_suggests_are_the_most(self, n):
        for case in cases(Masked(), n):
            for suggested in re.findall(r"dropouts = (\d+)", refusal(case)):
                assert refusal(replace(case, dropouts=int(suggested) + 1)), case

    def test_the_parties_that_a_refusal_asks_for_are_enough(self, n):
        for case in cases(Masked(), n):
            if refusal(case):
                asked_for = re.findall(r"[Aa]t least (\d+) parties", refusal(case))
                larger = replace(case, n=max(map(int, asked_for), default=n))
                assert not refusal(larger) or larger.never_opens, case

    def test_the_parties_that_hide_one_are_enough(self, n):
        for case in cases(Clear(), n):
            if case.broken_by == {"insider subtraction"}:
                (asked_for,) = re.findall(r"[Aa]t least (\d+) parties", refusal(case))
                assert not refusal(replace(case, n=int(asked_for))), case

    @every_hiding
    def test_clear_sums_can_be_made_by_trust_or_by_hiding(self, n, hiding):
        for case in cases(Clear(), n):
            if case.broken_by == {"read contributions"}:
                assert not refusal(replace(case, coordinator=HONEST))
                assert replace(case, aggregation=hiding).broken_by <= {"equivocation"}


class TestWhatDoesNotMatter:
    """Integrity, the evaluator and the hardware decide on no plan of sums."""

    @every_aggregation
    @pytest.mark.parametrize("n", [3, 5])
    def test_to_confidentiality(self, aggregation, n):
        strongest = Threat(integrity=Adversary(colluding_parties=9), hardware=Hardware.UNTRUSTED)
        weakest = Threat(
            integrity=Adversary(
                coordinator=HONEST, parties=HONEST, network=HONEST, colluding_parties=0
            ),
            hardware=Hardware.ASSUMED_SOUND,
        )
        for case in cases(aggregation, n):
            if case.can_be_made:
                plan = case.make()
                for other in strongest, weakest:
                    for evaluator in Corruption:
                        confidentiality = replace(plan.threat.confidentiality, evaluator=evaluator)
                        replace(plan, threat=replace(other, confidentiality=confidentiality))


class TestOutcome:
    """What becomes of an attack under plans that can be made."""

    @every_aggregation
    def test_insiders_leave_as_many_others_as_the_finding_says(self, aggregation):
        for case in cases(aggregation, 6):
            if not case.can_be_made:
                continue
            found = finding(case.make(), "insider subtraction")
            if case.coordinator is HONEST and case.to is Recipients.COORDINATOR:
                # Only who reads the wires could get at the sums, through the encrypted channel.
                tapped = case.network is not HONEST
                assert found.outcome is (Outcome.ASSUMED if tapped else Outcome.ABSENT)
            else:
                others = 6 - case.dropouts - case.coalition
                assert found.outcome is Outcome.DEFEATED
                assert f"at least {others} others" in found.reason

    @every_hiding
    @pytest.mark.parametrize("coordinator", [CURIOUS, MALICIOUS])
    def test_contributions_are_hidden_from_the_coordinator(self, coordinator, hiding):
        plan = make_plan(aggregation=hiding, threat=against(coordinator=coordinator))
        assert finding(plan, "read contributions").outcome is Outcome.DEFEATED

    @every_aggregation
    def test_an_honest_coordinator_may_read(self, aggregation):
        plan = make_plan(aggregation=aggregation, threat=against(coordinator=HONEST))
        assert finding(plan, "read contributions").outcome is Outcome.ABSENT

    @pytest.mark.parametrize(
        ("aggregation", "network", "outcome"),
        [
            (Clear(), HONEST, Outcome.ABSENT),
            (Clear(), CURIOUS, Outcome.ASSUMED),
            (Clear(), MALICIOUS, Outcome.ASSUMED),
            (Masked(), HONEST, Outcome.ABSENT),
            (Masked(), CURIOUS, Outcome.DEFEATED),
            (Masked(), MALICIOUS, Outcome.DEFEATED),
            (Encrypted(), HONEST, Outcome.ABSENT),
            (Encrypted(), CURIOUS, Outcome.DEFEATED),
            (Encrypted(), MALICIOUS, Outcome.DEFEATED),
        ],
    )
    def test_a_wiretap_on_clear_sums_is_assumed_away(self, aggregation, network, outcome):
        threat = against(coordinator=HONEST, network=network)
        assert (
            finding(make_plan(aggregation=aggregation, threat=threat), "wiretap").outcome is outcome
        )

    @pytest.mark.parametrize(
        "attack", ["equivocation on survivors", "different models to different parties"]
    )
    @pytest.mark.parametrize(
        ("coordinator", "network"), list(itertools.product(Corruption, Corruption))
    )
    def test_lies_are_defeated_where_the_coordinator_may_lie(self, attack, coordinator, network):
        plan = make_plan(dropouts=1, threat=against(coordinator=coordinator, network=network))
        lies = coordinator is MALICIOUS
        assert finding(plan, attack).outcome is (Outcome.DEFEATED if lies else Outcome.ABSENT)
        assert plan.coordinator_may_lie is lies
        assert bool(plan.masking.quorum) is lies

    def test_models_in_clear_are_nobodys_to_lie_about(self):
        """The coordinator is honest, and the network cannot sign in its name."""
        plan = make_plan(aggregation=Clear(), threat=against(coordinator=HONEST, network=MALICIOUS))
        found = finding(plan, "different models to different parties")
        assert found.outcome is Outcome.ABSENT

    @pytest.mark.parametrize(
        ("rounds", "dropouts", "outcome"),
        [(1, 1, Outcome.DEFEATED), (9, 0, Outcome.DEFEATED), (9, 1, Outcome.REPORTED)],
    )
    def test_differences_take_rounds_and_dropouts(self, rounds, dropouts, outcome):
        plan = make_plan(rounds=rounds, dropouts=dropouts, threat=against(coordinator=CURIOUS))
        found = finding(plan, "differences across rounds")
        assert found.outcome is outcome
        assert ("NOT PRIVATE" in found.reason) is (outcome is Outcome.REPORTED)

    @pytest.mark.parametrize(("rounds", "dropouts"), [(2, 1), (9, 1)])
    def test_differences_break_exact_plans_against_a_coordinator_that_lies(self, rounds, dropouts):
        """Nine rounds with the crowd fixed, or without dropouts, or with noise over the party as a
        whole; noise per record covers no firm, and the finding says so."""
        plan = {"rounds": rounds, "dropouts": dropouts}
        with pytest.raises(PlanError, match=r"differences of opened sums: .*crowd 'fixed'"):
            make_plan(**plan)
        per_record = {"noise": NoiseShares(1.0)}
        with pytest.raises(PlanError, match=r"noise per ownership group"):
            make_plan(**plan, noise=CentralNoise(1.0))  # the coordinator sees the sums without it
        found = finding(make_plan(**plan, **per_record), "differences across rounds")
        assert found.outcome is Outcome.REPORTED
        assert "keeps the others from changing" in found.reason
        assert "NOT PRIVATE for that party as a whole" in found.reason
        whole = make_sum(unit=Unit.PARTY, capacity=1)
        per_party = {"sums": SumGroup((whole,)), "neighbours": Neighbours(unit=Unit.PARTY)}
        with pytest.raises(PlanError, match="differences of opened sums"):
            make_plan(**plan, **per_party)
        for ways_out in (
            {**plan, "crowd": FixedCrowd()},
            {**plan, "dropouts": 0},
            {**plan, **per_party, **per_record},
            {**plan, "rounds": 1},
        ):
            found = finding(make_plan(**ways_out), "differences across rounds")
            assert found.outcome is Outcome.DEFEATED
        found = finding(make_plan(**plan, threat=against(coordinator=CURIOUS)),
                        "differences across rounds")  # fmt: skip
        assert found.outcome is Outcome.REPORTED

    @pytest.mark.parametrize("coordinator", Corruption)
    @pytest.mark.parametrize("rounds", [1, 9])
    @pytest.mark.parametrize("verified", [None, False])
    @pytest.mark.parametrize("parties", [CURIOUS, MALICIOUS])
    def test_a_liar_chooses_the_state_of_later_rounds(self, coordinator, rounds, verified, parties):
        """A coordinator that lies, unless the parties check its sums, or any party that lies."""
        threat = against(coordinator=coordinator, parties=parties)
        plan = make_plan(rounds=rounds, aggregation=Masked(verified=verified), threat=threat)
        found = finding(plan, "state of the coordinator's choice")
        lies, checked = coordinator is MALICIOUS, verified is None
        chooses = rounds > 1 and ((lies and not checked) or parties is MALICIOUS)
        stopped = Outcome.DEFEATED if rounds > 1 and lies else Outcome.ABSENT
        assert found.outcome is (Outcome.REPORTED if chooses else stopped)
        assert ("NOT PRIVATE" in found.reason) is chooses

    def test_noise_over_the_ownership_group_bounds_what_any_state_asks(self):
        whole = make_sum(unit=Unit.PARTY, capacity=1)
        plan = make_plan_with_sums(
            whole, rounds=9, neighbours=Neighbours(unit=Unit.PARTY), noise=NoiseShares(1.0)
        )
        found = finding(plan, "state of the coordinator's choice")
        assert found.outcome is Outcome.DEFEATED

    def test_exact_sums_bound_nothing(self):
        found = finding(make_plan(), "inference from exact sums")
        assert found.outcome is Outcome.REPORTED
        assert "ε = ∞" in found.reason

    def test_central_noise_does_not_hide_from_who_adds_it(self):
        plan = make_plan(noise=CentralNoise(1.0))
        assert "before it adds the noise" in finding(plan, "inference from exact sums").reason

    def test_clear_sums_with_shares_of_noise_are_refused_with_two_ways_out(self):
        plan = {"noise": NoiseShares(1.0), "threat": against(coordinator=HONEST)}
        ways_out = r"noise left out: .* Use 'masked' or 'encrypted', or central noise"
        with pytest.raises(PlanError, match=ways_out):
            make_plan(aggregation=Clear(), **plan)
        make_plan(aggregation=Masked(), **plan)
        make_plan(aggregation=Encrypted(), **plan)
        make_plan(aggregation=Clear(), **plan | {"noise": CentralNoise(1.0)})

    @pytest.mark.parametrize(
        ("coordinator", "outcome"),
        [
            (HONEST, Outcome.ASSUMED),
            (CURIOUS, Outcome.ASSUMED),
            (MALICIOUS, Outcome.REPORTED),
        ],
    )
    def test_central_noise_takes_a_coordinator_that_adds_it(self, coordinator, outcome):
        plan = make_plan(noise=CentralNoise(1.0), threat=against(coordinator=coordinator))
        assert finding(plan, "noise left out").outcome is outcome

    def test_shares_of_noise_take_no_trust(self):
        plan = make_plan(noise=NoiseShares(1.0))
        assert finding(plan, "noise left out").outcome is Outcome.DEFEATED

    @pytest.mark.parametrize("parties", Corruption)
    @pytest.mark.parametrize("colluding", [0, 1, 3])
    @pytest.mark.parametrize(
        ("aggregation", "does"),
        [(Clear(), "move"), (Masked(), "set"), (Encrypted(), "set")],
        ids=["clear", "masked", "encrypted"],
    )
    def test_one_malicious_party_moves_a_clear_sum_and_sets_a_hidden_one(
        self, aggregation, does, parties, colluding
    ):
        if colluding and parties is HONEST:
            return
        plan = make_plan(
            aggregation=aggregation,
            threat=replace(
                against(coordinator=HONEST),
                integrity=Adversary(parties=parties, colluding_parties=colluding),
            ),
        )
        found = finding(plan, "poisoned contribution")
        if colluding and parties is MALICIOUS:
            assert found.outcome is Outcome.REPORTED
            assert f"one party can {does} the result" in found.reason
        else:
            assert found.outcome is Outcome.ABSENT

    @pytest.mark.parametrize("coordinator", Corruption)
    def test_a_malicious_coordinator_announces_what_it_likes(self, coordinator):
        plan = make_plan(threat=Threat(integrity=Adversary(coordinator=coordinator)))
        lies = coordinator is MALICIOUS
        assert finding(plan, "false sum").outcome is (Outcome.REPORTED if lies else Outcome.ABSENT)

    @pytest.mark.parametrize(
        ("attack", "aggregation"),
        [
            ("another ciphertext in the place of the sum", Encrypted()),
            ("rogue key", Encrypted()),
            ("second opening", Encrypted()),
            ("second opening", Masked()),
        ],
    )
    def test_what_is_shared_and_opened_is_defended(self, attack, aggregation):
        plan = make_plan(aggregation=aggregation, threat=against(coordinator=HONEST))
        assert finding(plan, attack).outcome is Outcome.DEFEATED
        clear = replace(plan, aggregation=Clear())
        assert finding(clear, attack).outcome is Outcome.ABSENT

    def test_more_parties_than_share_keys_with_all_are_refused_with_the_way_out(self):
        parties = tuple(Party.simulation(f"p{i:03}") for i in range(129))
        with pytest.raises(
            PlanError, match=r"129 parties in one encrypted sum.*at most 128.*'masked'"
        ):
            make_plan(parties=parties, aggregation=Encrypted())
        make_plan(parties=parties[:128], aggregation=Encrypted())
        make_plan(parties=parties, aggregation=Masked())


class TestTable:
    def test_names_each_attack_once_with_its_source(self):
        assert len(NAMES) == len(ATTACKS)
        assert all(source for *_, source in ATTACKS)

    def test_integrity_is_reported_and_never_refused(self):
        for finding_ in make_plan().findings:
            if finding_.aim is Aim.INTEGRITY:
                assert finding_.outcome in {Outcome.REPORTED, Outcome.ABSENT}


def against(**adversary):
    return Threat(confidentiality=Adversary(**adversary))


def finding(plan, attack):
    (found,) = [f for f in plan.findings if f.attack == attack]
    return found
