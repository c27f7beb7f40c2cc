"""Attempts at a round against real ledgers: what a party consented to is charged, each time."""

from contextlib import closing, nullcontext

import pytest
from tests.runtime.liar import NAMES, Liar, drift, rows
from tests.runtime.test_stages import means, spreads
from tests.tee.support import BUILD, SimulatedAttester, enclave, relying_party

from confide.aggregation import Aggregator, Identity
from confide.computation import Account
from confide.engines import simulate
from confide.errors import DropoutError, OpeningError, PrivacyBudgetError, ProtocolError
from confide.plan import (
    Adversary,
    CentralNoise,
    Clear,
    Corruption,
    Encrypted,
    FixedCrowd,
    Hardware,
    Masked,
    Neighbours,
    NoiseShares,
    Plan,
    Threat,
    Unit,
)
from confide.privacy.accounting.gaussian import epsilon_of_mu
from confide.privacy.ledger import Cap, Filter, Ledger
from confide.privacy.ledger.rounds import Rounds
from confide.runtime import PartyRun

PER_FIRM = Neighbours(unit=Unit.PARTY)
HONEST = Threat(confidentiality=Adversary(coordinator=Corruption.HONEST))
SOUND = Threat(hardware=Hardware.ASSUMED_SOUND)
SHARES, CENTRAL = NoiseShares(8.0, 1e-3), CentralNoise(8.0, 1e-3)
PROTECTIONS = {
    "clear": {"aggregation": Clear(), "noise": CENTRAL, "threat": HONEST},
    "masked": {"aggregation": Masked(verified=False), "noise": SHARES},
    "verified": {"aggregation": Masked(), "noise": SHARES},
    "encrypted": {"aggregation": Encrypted(), "noise": SHARES},
    "enclave": {"aggregation": enclave(Clear()), "noise": CENTRAL, "threat": SOUND},
    "enclave over masked": {"aggregation": enclave(Masked()), "noise": SHARES, "threat": SOUND},
}
ROUNDS = 3


def plan_of(protection: str) -> Plan:
    return drift().plan(
        parties=list(NAMES),
        rounds=ROUNDS,
        dropouts=2,
        crowd=FixedCrowd(),
        neighbours=PER_FIRM,
        **PROTECTIONS[protection],
    )


WATCHED = NAMES[-2:]
"""Who keeps an account; the others forget when the run ends."""


class Charged(Liar):
    """A coordinator that lies, against parties of which some keep accounts."""

    def __init__(self, plan, folder, epsilon=1000.0, watched=WATCHED):
        super().__init__(plan)
        self.ledgers = {}
        relying = relying_party() if plan.attested else None
        for name, data in rows().items():
            account, identity = None, Identity.simulation(name, relying=relying)
            if name in watched:
                self.ledgers[name] = opened(folder / f"{name}.db", epsilon)
                account = Account(self.ledgers[name], "rows")
            self.parties[name] = PartyRun(plan, [self.computation], identity, data, account)
            self.parties[name].reserve()
        self.launch()

    def launch(self):
        """Another instance of the plan's enclave, which remembers nothing."""
        if self.plan.attested:
            clock = relying_party().clock
            self.aggregator = Aggregator(self.plan, SimulatedAttester(), BUILD, clock=clock)

    def charged(self, name):
        """The attempts that a party was charged for."""
        return sum(charge.used for charge in self.ledgers[name].charges("rows"))

    def consented(self, name):
        """The attempts that a party consented to, as its own store has it."""
        return len(self.ledgers[name].openings(self.plan.hash))

    def fail(self, attempt):
        """An attempt of which the coordinator calls too many contributions missing."""
        with pytest.raises(DropoutError):
            self.open_round(attempt=attempt, ignoring=NAMES[:3])

    def close(self):
        for name, ledger in self.ledgers.items():
            self.parties[name].settle()
            ledger.close()


def opened(path, epsilon):
    ledger = Ledger.open(path)
    ledger.open_dataset("rows")
    ledger.cap("rows", Cap(epsilon=epsilon, delta=1e-3, filter=Filter.GAUSSIAN))
    return ledger


@pytest.fixture(params=PROTECTIONS, name="protection")
def _protection(request):
    return request.param


@pytest.fixture(name="liar")
def _liar(protection, tmp_path):
    with closing(Charged(plan_of(protection), tmp_path)) as liar:
        yield liar


class TestARoundThatWasOpened:
    """The coordinator has the sum, says that the attempt failed, and asks for another."""

    def test_is_opened_no_second_time(self, liar):
        liar.open_round()
        liar.openings.clear()
        liar.launch()
        with pytest.raises(DropoutError):
            liar.open_round(attempt=1)
        for name in liar.ledgers:
            assert liar.consented(name) == liar.charged(name) == 1
            assert isinstance(liar.failures[name], ProtocolError | OpeningError)

    def test_would_be_charged_each_time(self, liar, monkeypatch):
        """Where parties forget what they consented to, the charge still is for each attempt."""
        for check in ("check_claim", "check_consent"):
            monkeypatch.setattr(Rounds, check, lambda *_, **__: None)
        for attempt in range(2):
            liar.launch()
            liar.open_round(attempt=attempt)
            for name in liar.ledgers:
                assert liar.consented(name) == liar.charged(name) == attempt + 1

    def test_stays_charged_though_it_has_no_result(self, liar):
        step = "opened" if liar.plan.only_sums_open else "consent"
        if liar.plan.aggregation.name == "clear":
            pytest.skip("a contribution in clear is there at once")
        with pytest.raises(DropoutError):
            liar.open_round(loses=NAMES[:4], loses_at=step)
        liar.skip()
        for name in liar.ledgers:
            liar.parties[name].settle()
            assert liar.consented(name) == liar.charged(name) == 1


class TestAttemptsThatFailBeforeConsent:
    def test_are_charged_too(self, liar):
        """Their noise is drawn anew. In clear a contribution is an opening, and the last one."""
        clear = liar.plan.aggregation.name == "clear"
        liar.fail(0)
        liar.launch()
        with pytest.raises(DropoutError) if clear else nullcontext():
            liar.open_round(attempt=1)
        for name in liar.ledgers:
            assert liar.consented(name) == 1
            assert liar.charged(name) == (1 if clear else 2)

    @pytest.mark.parametrize("protection", ["masked"])
    def test_end_where_the_cap_has_no_room(self, liar, tmp_path):
        """The plan's rounds fit, and not one attempt more: nothing leaves for it."""
        spent = liar.ledgers[WATCHED[0]].spent("rows").mu
        folder = tmp_path / "full"
        folder.mkdir()
        with closing(
            Charged(liar.plan, folder, epsilon_of_mu(spent * 1.0001, 1e-3), NAMES)
        ) as full:
            full.fail(0)
            for number in range(ROUNDS):
                if number == ROUNDS - 1:
                    with pytest.raises(DropoutError):
                        full.open_round(attempt=0)
                else:
                    result = full.open_round(attempt=1 if number == 0 else 0)
                    full.announce(result.totals, result.survivors)
            assert {type(e) for e in full.failures.values()} == {PrivacyBudgetError}
            assert {full.charged(name) for name in NAMES} == {ROUNDS}
            assert {full.consented(name) for name in NAMES} == {ROUNDS - 1}


class TestStages:
    """A run that was stopped goes on with what each of its stages reserved."""

    def test_take_up_their_own_reservations(self, tmp_path):
        stages = (
            means().stage(name="means", rounds=2, budget=0.25),
            spreads().stage(name="spreads", rounds=3, budget=0.75),
        )
        plan = Plan(
            name="two",
            parties=drift().plan(parties=list(NAMES)).parties,
            stages=stages,
            noise=NoiseShares(8.0, 1e-3),
            neighbours=PER_FIRM,
            crowd=FixedCrowd(),
            aggregation=Masked(),
        )

        def stop(entry):
            raise KeyboardInterrupt

        made = [means(), spreads()]
        with closing(opened(tmp_path / "p0.db", 1000.0)) as ledger:
            fields = {"accounts": {NAMES[0]: Account(ledger, "rows")}, "checkpoint": tmp_path / "c"}
            with pytest.raises(KeyboardInterrupt):
                simulate(plan, rows(), computation=made, on_round=stop, **fields)
            simulate(plan, rows(), computation=made, **fields)
            found = [(c.fact.meaning, c.fact.count, c.used) for c in ledger.charges("rows")]
        assert found == [
            ("two: stage means", 2, 1),
            ("two: stage spreads", 3, 0),
            ("two: stage means", 1, 1),
            ("two: stage spreads", 3, 3),
        ]
