"""Attacks on what an enclave remembers: the host asks twice, sets it back or forks it.

Everybody contributes the same in every round, as parties do whose state stands still. So whoever
has two sums that differ in one party has that party's contribution.
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.aggregation.support import CURIOUS, STATE, Attempt, Federation, attested_plan, sum_of
from tests.tee.support import BUILD, NOW, SimulatedAttester

from confide.aggregation import Aggregator, LedgerRegister, Round, RoundRegister, message_kinds
from confide.aggregation.enclave import EnclaveCoordinator, aggregator, consent, coordinator, party
from confide.aggregation.enclave.wire import split
from confide.aggregation.sharing import party as sharing
from confide.errors import (
    DropoutError,
    OpeningError,
    ProtocolError,
    VerificationError,
)
from confide.plan import CentralNoise, Clear, Encrypted, Masked, OpenCrowd, Rule, Threat
from confide.plan.openings import Opening
from confide.privacy.ledger import Ledger
from confide.tee.sealing import SealedState, Sealer

VICTIM = "p000"
EVERY_INNER = pytest.mark.parametrize(
    "over", [Clear(), Masked(), Encrypted()], ids=["clear", "masked", "encrypted"]
)


def nothing(*_):
    """A check that checks nothing."""


@dataclass
class LyingCounter:
    """A monotonic counter of the host's, which sets it back as it likes."""

    value: int = 0

    def read(self):
        return self.value

    def advance(self, to):
        self.value = to


@dataclass
class Host:
    """Runs enclaves of a plan from sealed states that it keeps all of."""

    federation: Federation
    path: Path
    counter: LyingCounter = field(default_factory=LyingCounter)

    @classmethod
    def of(cls, folder, over=Clear(), **fields):  # noqa: B008 - frozen
        host = cls(Federation(attested_plan(over, **fields)), folder / "state")
        host.start()
        return host

    @property
    def names(self):
        return self.federation.names

    def start(self, **fields):
        """Another process, from the state as it lies there."""
        plan, self.counter = self.federation.plan, replace(self.counter)
        sealer = Sealer(b"s" * 16, "mrenclave")
        self.federation.aggregator = Aggregator(
            plan,
            SimulatedAttester(),
            BUILD,
            clock=lambda: NOW,
            state=SealedState(self.path, sealer, self.counter, plan.hash),
            **fields,
        )
        return self.federation.aggregator

    def keep(self):
        return self.path.read_bytes(), self.counter.value

    def restore(self, kept):
        """Sets state and counter back, and starts from there."""
        data, value = kept
        self.path.write_bytes(data)
        self.counter = LyingCounter(value)
        return self.start()

    def attempt(self, number, attempt=0, names=None, history=()):
        """Opens an attempt, with what the host tells the enclave of openings."""
        round_ = Round(self.federation.plan, number, attempt)
        names, running = names or self.names, self.federation.aggregator
        assert running is not None
        session = EnclaveCoordinator(round_, STATE, tuple(names), running, tuple(history))
        return Attempt(round_, session, {n: self.federation.party(n, round_) for n in names})

    def difference(self, first, second):
        return (first.totals - second.totals).tolist()

    def contribution_of(self, *names):
        return sum_of(self.federation.contributions, names)

    def without(self, *names):
        return [name for name in self.names if name not in names]


class TestDifferenceOfTwoRounds:
    """The state stands still, and the victim is called missing from the second sum."""

    @EVERY_INNER
    def test_is_refused_by_the_enclave(self, tmp_path, over):
        host = Host.of(tmp_path, over)
        host.attempt(0).finish()
        second = host.attempt(1, names=host.without(VICTIM))
        with pytest.raises(OpeningError, match="fixed crowd"):
            second.finish()
        with pytest.raises(ProtocolError, match="not finished"):
            _ = second.coordinator.result
        assert second.coordinator.opening is None
        assert second.coordinator.advance() == {}
        with pytest.raises(ProtocolError, match="after the end"):
            second.coordinator.receive(b"")
        assert len(host.federation.aggregator.openings) == 1

    @EVERY_INNER
    def test_would_be_the_victims_contribution_if_nobody_checked(self, tmp_path, over, monkeypatch):
        monkeypatch.setattr(aggregator, "check_openings", nothing)
        monkeypatch.setattr(sharing.SharingParty, "_check_opening", nothing)
        host = Host.of(tmp_path, over)
        first = host.attempt(0).finish()
        second = host.attempt(1, names=host.without(VICTIM)).finish()
        assert host.difference(first, second) == host.contribution_of(VICTIM)

    @EVERY_INNER
    def test_of_the_same_parties_is_released(self, tmp_path, over):
        host = Host.of(tmp_path, over)
        names = host.without("p005")
        first = host.attempt(0, names=names).finish()
        second = host.attempt(1, names=names).finish()
        assert not any(host.difference(first, second))
        assert [o.survivors for o in host.federation.aggregator.openings] == [tuple(names)] * 2

    def test_of_an_open_crowd_is_refused_where_classes_are_kept(self, tmp_path):
        """A plan of one round, whose enclave is told of a sum over other parties."""
        host = Host.of(tmp_path, crowd=OpenCrowd(), rounds=1)
        told = (Opening(0, 0, tuple(host.without(VICTIM))),)
        aggregator_ = host.federation.aggregator
        with pytest.raises(OpeningError, match="singled out"):
            aggregator_.open(
                Round(host.federation.plan, 0, 1), told, Opening(0, 1, tuple(host.names))
            )
        assert aggregator_.openings == ()

    def test_is_checked_where_the_host_is_only_curious(self, tmp_path):
        """It follows the protocol, in which the crowd is fixed; nobody has to sign."""
        host = Host.of(tmp_path, threat=CURIOUS)
        assert message_kinds(host.federation.plan) == ("challenge", "contribution")
        host.attempt(0).finish()
        second = host.attempt(1, names=host.without(VICTIM))
        with pytest.raises(OpeningError, match="fixed crowd"):
            second.finish()
        with pytest.raises(ProtocolError, match="not finished"):
            _ = second.coordinator.result


class TestEnclaveThatWasSetBack:
    """The host restores an older state, under a counter that says what the host likes."""

    @EVERY_INNER
    def test_to_before_an_opening_finds_no_party_that_signed_it(self, tmp_path, over):
        host = Host.of(tmp_path, over)
        before = host.keep()
        host.attempt(0).finish()
        assert host.restore(before).openings == ()
        names = host.without(VICTIM)
        second = host.attempt(1, names=names).until(
            "contribution" if over == Clear() else "advertise"
        )
        for name in names:
            with pytest.raises(OpeningError, match="leaves out the sum of round 0"):
                second.answer(name)

    @EVERY_INNER
    def test_would_tell_the_victim_apart_if_parties_forgot(self, tmp_path, over, monkeypatch):
        monkeypatch.setattr(consent, "check_history", nothing)
        monkeypatch.setattr(sharing, "check_history", nothing)
        host = Host.of(tmp_path, over)
        before = host.keep()
        first = host.attempt(0).finish()
        host.restore(before)
        second = host.attempt(1, names=host.without(VICTIM)).finish()
        assert host.difference(first, second) == host.contribution_of(VICTIM)

    def test_to_between_survivors_and_release_knows_the_opening(self, tmp_path):
        """No party has seen a receipt yet, so none could say that there was a release."""
        host = Host.of(tmp_path)
        first = host.attempt(0).until("consent")
        between = host.keep()
        first.finish()
        assert len(host.restore(between).openings) == 1
        with pytest.raises(ProtocolError, match="used up"):
            host.attempt(0, 1)
        with pytest.raises(OpeningError, match="fixed crowd"):
            host.attempt(1, names=host.without(VICTIM)).finish()
        assert host.attempt(1, 1).finish().survivors == tuple(host.names)

    def test_to_before_the_survivors_opens_the_round_again_for_nobody(self, tmp_path):
        host = Host.of(tmp_path)
        first = host.attempt(0).until("contribution")
        before = host.keep()
        first.finish()
        host.restore(before)
        second = host.attempt(0, 1).until("contribution")
        for name in host.names:
            with pytest.raises(ProtocolError, match="used up"):
                second.answer(name)

    def test_goes_on_when_its_host_gives_the_history(self, tmp_path):
        """Also where the state was lost, and an instance without memory begins."""
        host = Host.of(tmp_path)
        first = host.attempt(0)
        first.finish()
        host.start(new_epoch=True)
        second = host.attempt(1, history=[first.coordinator.opening])
        assert second.finish().survivors == tuple(host.names)
        assert [o.number for o in host.federation.aggregator.openings] == [0, 1]

    def test_gains_nothing_by_a_history_that_its_host_invents(self, tmp_path):
        host = Host.of(tmp_path)
        host.attempt(0).finish()
        host.start(new_epoch=True)
        invented = (Opening(0, 0, tuple(host.without(VICTIM))),)
        second = host.attempt(1, names=host.without(VICTIM), history=invented)
        second.until("contribution")
        for name in host.without(VICTIM):
            with pytest.raises(OpeningError, match="leaves out"):
                second.answer(name)

    def test_refuses_a_history_that_contradicts_its_own(self, tmp_path):
        host = Host.of(tmp_path)
        host.attempt(0).finish()
        for survivors, match in (
            (host.without(VICTIM), "two sets of survivors"),
            ([*host.names, "p999"], "not a party of plan"),
        ):
            with pytest.raises(OpeningError, match=match):
                host.attempt(1, history=[Opening(0, 0, tuple(survivors))])


class Fork:
    """Two processes of one instance, started from one sealed state.

    They have the same keys, so whatever is sealed to one opens in the other: the host shows each
    contribution to both, and closes the second without some.
    """

    def __init__(self, host, missing):
        self.host, self.attempts = host, []
        kept = host.keep()
        round_ = Round(host.federation.plan, 0)
        parties = {name: host.federation.party(name, round_) for name in host.names}
        for _ in range(2):
            session = EnclaveCoordinator(round_, STATE, tuple(host.names), host.restore(kept))
            self.attempts.append(Attempt(round_, session, parties))
        for name in host.names:
            question = self.first.answer(name)
            for attempt in self.attempts:
                attempt.coordinator.receive(question)
        for attempt in self.attempts:
            attempt.advance()
        for name in host.names:
            answer = self.first.answer(name)
            self.first.coordinator.receive(answer)
            if name not in missing:
                self.second.coordinator.receive(answer)
        for attempt in self.attempts:
            attempt.advance()

    @property
    def first(self):
        return self.attempts[0]

    @property
    def second(self):
        return self.attempts[1]

    def ask(self, attempt, names):
        """Has parties sign what one process announced; who signed before refuses."""
        for name in names:
            with suppress(ProtocolError):
                attempt.coordinator.receive(attempt.answer(name))

    def released(self):
        """The sums that come out."""
        sums = []
        for attempt in self.attempts:
            with suppress(DropoutError):
                attempt.advance()
                sums.append(attempt.coordinator.result)
        return sums


class TestForkOfOneState:
    @pytest.mark.parametrize("signers", range(7))
    def test_releases_one_of_two_sums_at_most(self, tmp_path, signers):
        """However the parties are shared out between the two."""
        host = Host.of(tmp_path)
        fork = Fork(host, missing=[VICTIM])
        fork.ask(fork.first, host.names[:signers])
        fork.ask(fork.second, host.without(VICTIM))
        fork.ask(fork.first, host.names)
        assert len(fork.released()) <= 1

    def test_would_give_the_victim_away_if_nobody_had_to_sign(self, tmp_path, monkeypatch):
        for module in (party, coordinator):
            monkeypatch.setattr(module, "consents_needed", lambda *_: 0)
        host = Host.of(tmp_path)
        kept = host.keep()
        round_ = Round(host.federation.plan, 0)
        parties = {name: host.federation.party(name, round_) for name in host.names}
        sessions = [
            EnclaveCoordinator(round_, STATE, tuple(host.names), host.restore(kept))
            for _ in range(2)
        ]
        first, second = (Attempt(round_, session, parties) for session in sessions)
        for missing in ([], [VICTIM]):
            for name in host.names:
                answer = first.answer(name)
                first.coordinator.receive(answer)
                if name not in missing:
                    second.coordinator.receive(answer)
            first.advance()
            second.advance()
        found = host.difference(first.coordinator.result, second.coordinator.result)
        assert found == host.contribution_of(VICTIM)

    def averaged(self, folder):
        """The second process is shown what was signed for the first: the same survivors."""
        host = Host.of(folder, noise=CentralNoise(1.0, 1e-6), threat=Threat(), dropouts=0)
        fork = Fork(host, missing=[])
        for name in host.names:
            signed = fork.first.answer(name)
            fork.first.coordinator.receive(signed)
            fork.second.coordinator.receive(signed)
        return fork

    def test_draws_no_second_noise_for_one_consent(self, tmp_path):
        """The mean of many such releases would be the sum without noise."""
        with pytest.raises(VerificationError, match="another instance of the enclave"):
            self.averaged(tmp_path)

    def test_would_draw_a_second_noise_if_a_consent_served_twice(self, tmp_path, monkeypatch):
        signed = consent._consent
        monkeypatch.setattr(consent, "_consent", lambda t, members, _: signed(t, members, b""))
        first, second = self.averaged(tmp_path).released()
        assert first.survivors == second.survivors
        assert first.totals.tolist() != second.totals.tolist()


class TestForgetfulParties:
    """Up to c parties lie about what they signed, and new instances ask with no memory."""

    def lie(self, host, *names):
        identities = host.federation.identities
        for name in names:
            identities[name] = replace(identities[name], register=RoundRegister())

    @pytest.mark.parametrize("liar", [f"p{i:03}" for i in range(6)])
    def test_find_no_second_quorum(self, tmp_path, liar):
        """The first sum has as few signatures as suffice; everybody else signs the second."""
        host = Host.of(tmp_path)
        first = host.attempt(0).until("consent")
        first.step(silent=host.names[4:])
        assert first.coordinator.result.survivors == tuple(host.names)
        self.lie(host, liar)
        host.start(new_epoch=True)
        second = host.attempt(1, names=host.without(VICTIM)).until("contribution")
        for name in second.parties:
            with suppress(OpeningError):
                second.coordinator.receive(second.answer(name))
        with pytest.raises(DropoutError):
            second.advance()

    def test_would_find_one_if_they_were_more_than_c(self, tmp_path):
        host = Host.of(tmp_path)
        first = host.attempt(0).until("consent")
        first.step(silent=host.names[4:])
        self.lie(host, "p002", "p003")
        host.start(new_epoch=True)
        second = host.attempt(1, names=host.names[2:]).finish()
        found = host.difference(first.coordinator.result, second)
        assert found == host.contribution_of("p000", "p001")


class TestPartyThatRestarts:
    """Its process ends after every attempt; its ledger stays."""

    def restarted(self, host, folder):
        ledger = Ledger.open(folder / "ledger.db")
        identity = host.federation.identities["p001"]
        register = LedgerRegister(ledger, host.federation.plan)
        host.federation.identities["p001"] = replace(identity, register=register)
        return ledger

    def test_refuses_an_enclave_that_forgot_what_it_signed(self, tmp_path):
        host = Host.of(tmp_path)
        before = host.keep()
        with self.restarted(host, tmp_path):
            host.attempt(0).finish()
        host.restore(before)
        with self.restarted(host, tmp_path):
            second = host.attempt(1, names=host.without(VICTIM)).until("contribution")
            with pytest.raises(OpeningError, match="leaves out the sum of round 0"):
                second.answer("p001")

    def test_goes_on_with_one_that_did_not(self, tmp_path):
        host = Host.of(tmp_path)
        for number in range(2):
            host.start()
            with self.restarted(host, tmp_path):
                result = host.attempt(number).finish()
            assert result.survivors == tuple(host.names)


class TestPlanThatBearsTheLossOfHalf:
    """Sums may have fewer survivors than a quorum, so that all of them sign."""

    def host(self, folder):
        return Host.of(folder, parties=9, dropouts=5)

    def test_takes_the_signature_of_every_survivor(self, tmp_path):
        host = self.host(tmp_path)
        attempt = host.attempt(0).until("consent")
        with pytest.raises(DropoutError, match="8 of 9 survivors signed"):
            attempt.step(silent=[VICTIM])

    @pytest.mark.parametrize("common", [1, 2, 4])
    def test_never_opens_two_sums_that_one_honest_party_is_in(self, tmp_path, common):
        """Of two instances that know nothing of each other."""
        host = self.host(tmp_path)
        opened, names = set(host.names[:5]), host.names[5 - common : 9 - common]
        host.attempt(0, names=sorted(opened)).finish()
        host.start(new_epoch=True)
        second = host.attempt(1, names=names).until("contribution")
        refused = set()
        for name in names:
            try:
                second.coordinator.receive(second.answer(name))
            except OpeningError:
                refused.add(name)
        assert refused == opened.intersection(names)
        with pytest.raises(DropoutError):
            second.advance()

    def test_may_open_two_sums_over_disjoint_parties(self, tmp_path):
        """Each is large enough by itself, and no combination tells anything smaller."""
        host = self.host(tmp_path)
        first = host.attempt(0, names=host.names[:5]).finish()
        host.start(new_epoch=True)
        second = host.attempt(1, names=host.names[5:]).finish()
        assert not set(first.survivors) & set(second.survivors)

    def test_refuses_two_halves_of_an_opened_sum(self, tmp_path):
        """S1 = {v} + A + B, S2 = A, S3 = B: each party would see large classes only."""
        host = self.host(tmp_path)
        host.attempt(0).finish()
        kept = host.keep()
        for half in (host.names[1:5], host.names[5:]):
            host.restore(kept)
            second = host.attempt(1, names=half)
            with pytest.raises(OpeningError):
                second.finish()


class TestRunAfterAnHonestFailure:
    """What was not opened does not count, and what was is not forgotten."""

    def test_before_the_survivors_tries_the_round_again(self, tmp_path):
        host = Host.of(tmp_path)
        first = host.attempt(0).until("contribution")
        with pytest.raises(DropoutError):
            first.step(silent=host.names[:3])
        second = host.attempt(0, 1).finish()
        assert second.totals.tolist() == host.contribution_of(*host.names)

    def test_at_the_signatures_goes_on_with_the_next_round(self, tmp_path):
        host = Host.of(tmp_path)
        first = host.attempt(0).until("consent")
        with pytest.raises(DropoutError, match="3 of 6 survivors signed"):
            first.step(silent=host.names[:3])
        host.start()
        with pytest.raises(OpeningError, match="fixed crowd"):
            host.attempt(1, names=host.without(VICTIM)).finish()
        assert host.attempt(1, 1).finish().survivors == tuple(host.names)

    def test_signatures_that_come_late_still_count(self, tmp_path):
        host = Host.of(tmp_path)
        attempt = host.attempt(0).until("consent")
        attempt.deliver(silent=host.names[:3])
        with pytest.raises(DropoutError):
            attempt.coordinator.advance()
        attempt.coordinator.receive(attempt.answer(VICTIM))
        attempt.advance()
        assert attempt.coordinator.result.survivors == tuple(host.names)

    def test_lets_no_earlier_sum_be_released_after_a_later_one(self, tmp_path):
        host = Host.of(tmp_path)
        first = host.attempt(0).until("consent")
        first.deliver()
        host.attempt(1).finish()
        with pytest.raises(ProtocolError, match="not the sum that was opened last"):
            first.advance()
        with pytest.raises(ProtocolError, match="not finished"):
            _ = first.coordinator.result


class TestConsent:
    def attempt(self, folder):
        host = Host.of(folder)
        return host, host.attempt(0).until("consent")

    def test_is_taken_once_and_of_survivors(self, tmp_path):
        host, attempt = self.attempt(tmp_path)
        attempt.coordinator.receive(attempt.answer(VICTIM))
        inner = attempt.coordinator._inner
        key = host.federation.identities[VICTIM].key
        again = attempt.round_.seal(key, VICTIM, "consent", inner._expected)
        with pytest.raises(ProtocolError, match="a second or unasked consent"):
            inner.receive(again)

    def test_to_other_survivors_is_refused(self, tmp_path):
        host, attempt = self.attempt(tmp_path)
        key = host.federation.identities[VICTIM].key
        other = attempt.round_.seal(key, VICTIM, "consent", bytes(32))
        with pytest.raises(VerificationError, match="signed other survivors"):
            attempt.coordinator._inner.receive(other)

    def test_is_not_given_to_survivors_without_oneself(self, tmp_path):
        host, attempt = self.attempt(tmp_path)
        key = host.federation.aggregator.workload.keys.signing
        said = attempt.round_.announce(key, "survivors", survivors=b"\x3e", session=bytes(32))
        with pytest.raises(ProtocolError, match="leave out 'p000'"):
            attempt.answer(VICTIM, said)
        assert host.federation.identities[VICTIM].register.openings == ()

    def test_is_not_given_to_what_the_enclave_did_not_sign(self, tmp_path):
        host, attempt = self.attempt(tmp_path)
        key = host.federation.identities["p001"].key
        said = attempt.round_.announce(key, "survivors", survivors=b"\x3f", session=bytes(32))
        with pytest.raises(VerificationError, match="does not verify"):
            attempt.answer(VICTIM, said)

    def test_leaves_sealed(self, tmp_path):
        _, attempt = self.attempt(tmp_path)
        sender, met, sealed = split(attempt.answer(VICTIM), 1 << 20)
        assert (sender, met) == (VICTIM, b"")
        assert attempt.coordinator._inner._expected not in bytes(sealed)

    def test_of_a_robust_rule_is_asked_for_too(self):
        plan = attested_plan(Clear(), rule=Rule.MEDIAN)
        assert message_kinds(plan) == ("challenge", "contribution", "consent")
        contributions = Federation(plan)
        result = contributions.attempt().finish()
        assert result.survivors == tuple(contributions.names)


def test_sealed_state_lists_survivors_before_anybody_is_told(tmp_path):
    host = Host.of(tmp_path)
    host.attempt(0).until("consent")
    assert host.start().openings == (Opening(0, 0, tuple(host.names)),)
