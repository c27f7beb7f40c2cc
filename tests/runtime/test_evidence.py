"""Announcements that contradict each other are evidence that anybody can check."""

import itertools
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.runtime.liar import KEY, NAMES, Liar, drift, rows

from confide.aggregation import Identity, Round, RoundResult
from confide.aggregation.sharing import wire
from confide.errors import DropoutError, ProtocolError, VerificationError
from confide.plan import FixedCrowd, Masked, NoiseShares, Opening, Plan
from confide.runtime import CoordinatorRun, PartyRun, contradiction
from confide.runtime.wire import RESULT, SKIP, framed, kind_of, result_fields, unframed

FIVE = NAMES[:5]


def plan_of(**fields):
    given: dict[str, Any] = {"parties": NAMES, "rounds": 3, "dropouts": 1, **fields}
    return drift().plan(**given)


@pytest.fixture(name="plan", scope="module")
def _plan():
    return plan_of(crowd=FixedCrowd())


@pytest.fixture(name="round_")
def _round(plan):
    return Round(plan, 1)


def members(names):
    return wire.members_to_bytes(np.isin(NAMES, names))


def said(round_, kind, key=KEY, **values):
    return framed(round_, round_.announce(key, kind, **values))


def survivors(round_, names=NAMES, key=KEY):
    return said(round_, "survivors", key, survivors=members(names), confirmations=b"")


def result(round_, totals=(0, 0), names=NAMES):
    made = RoundResult(tuple(names), np.array(totals))
    return said(round_, RESULT, **result_fields(round_, made))


def begins(round_, *openings):
    return said(round_, "open", history=wire.history_to_bytes(openings, NAMES))


def opened(number, names=NAMES, attempt=0):
    return Opening(number, attempt, tuple(names))


def roster(round_, names):
    return said(round_, "roster", present=members(names), commitments=b"")


def sharers(round_, names):
    return said(round_, "deliver", sharers=members(names), ciphertexts=b"")


# What each pair is signed for: (number, attempt) or the number alone, and what the error says.
CONTRADICTIONS = {
    "two sets of survivors": (
        lambda r: (survivors(r(1)), survivors(r(1), NAMES[1:])), "two values of 'survivors'",
    ),
    "two results": (lambda r: (result(r(1)), result(r(1), (1, 0))), "two values of 'totals'"),
    "other survivors in the result": (
        lambda r: (survivors(r(1), NAMES[1:]), result(r(1))), "two values of 'survivors'",
    ),
    "other survivors when it asks to open": (
        lambda r: (said(r(1), "unmask", survivors=members(FIVE)), result(r(1))),
        "two values of 'survivors'",
    ),
    "a result and none": (
        lambda r: (result(r(1)), said(r(1), SKIP)), "a result, and that there is none",
    ),
    "two rosters": (
        lambda r: (roster(r(1), NAMES), roster(r(1), FIVE)), "two values of 'present'",
    ),
    "two coins": (
        lambda r: [said(r(1), "neighbours", adverts=[], reveals=coin) for coin in (b"a", b"b")],
        "two values of 'reveals'",
    ),
    "a survivor that shared nothing": (
        lambda r: (sharers(r(1), FIVE), survivors(r(1))),
        "'survivors' with a party that is not among the 'sharers'",
    ),
    "a sharer that was not present": (
        lambda r: (roster(r(1), FIVE), sharers(r(1), NAMES)),
        "'sharers' with a party that is not among the 'present'",
    ),
    "a signer that did not survive": (
        lambda r: (
            survivors(r(1), FIVE), said(r(1), "unmask", signers=members(NAMES), signatures=b""),
        ),
        "'signers' with a party that is not among the 'survivors'",
    ),
    "two histories at once": (
        lambda r: (begins(r(1), opened(0)), begins(r(1))), "two values of 'history'",
    ),
    "a history without survivors that it announced": (
        lambda r: (survivors(r(0)), begins(r(1))),
        "the sum of round 0, attempt 0 over 7 parties, and a later history of openings without it",
    ),
    "a history with other survivors than it announced": (
        lambda r: (survivors(r(0)), begins(r(1), opened(0, NAMES[1:]))), "history of openings",
    ),
    "a history without a result that it announced": (
        lambda r: (result(r(0)), begins(r(2), opened(1))), "history of openings without it",
    ),
    "a history that shrinks": (
        lambda r: (begins(r(1), opened(0)), begins(r(2), opened(1))), "two histories",
    ),
    "a history that grows in the past": (
        lambda r: (begins(r(1)), begins(r(2), opened(0))), "two histories",
    ),
    "a history that forgets in a second attempt": (
        lambda r: (begins(r(1), opened(0)), begins(r(1, 1))), "two histories",
    ),
    "a round opened in two attempts": (
        lambda r: (survivors(r(1)), survivors(r(1, 1), NAMES[1:])),
        "another attempt at a round whose sum counts as opened",
    ),
    "a round begun again after its survivors": (
        lambda r: (survivors(r(1)), begins(r(1, 1), opened(1))), "another attempt at a round",
    ),
    "a round begun again after it was skipped": (
        lambda r: (said(r(1), SKIP), begins(r(1, 3))), "another attempt at a round",
    ),
    "two states before one round": (
        lambda r: [said(r(1, a), "open", state=bytes([a])) for a in (0, 1)],
        "two states before one round",
    ),
    "a history with two sums of one round": (
        lambda r: (begins(r(2), opened(1), opened(1, attempt=1)), survivors(r(2))),
        "a history that is not in order, or opens a round twice",
    ),
    "a history of what is to come": (
        lambda r: (begins(r(1), opened(1)), survivors(r(0))), "a history that is not in order",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONTRADICTIONS)
def test_is_found_by_anybody_who_has_the_plan(plan, kind):
    made, says = CONTRADICTIONS[kind]
    pair = made(lambda number, attempt=0: Round(plan, number, attempt))
    # A third party: it has the bytes of the plan, which hold public keys alone.
    reads = Plan.from_canonical(plan.canonical())
    for first, second in (pair, pair[::-1]):
        assert says in str(contradiction(reads, first, second))


NO_CONTRADICTIONS = {
    "what is for one party": lambda r: [
        said(r(1), "deliver", sharers=members(NAMES), ciphertexts=text) for text in (b"a", b"b")
    ],
    "the same twice": lambda r: (result(r(1)), result(r(1))),
    "survivors of two rounds": lambda r: (survivors(r(0)), survivors(r(1), NAMES[1:])),
    "attempts before anything was opened": lambda r: (sharers(r(1), FIVE), survivors(r(1, 1))),
    "a history that grows": lambda r: (begins(r(1), opened(0)), begins(r(2), opened(0), opened(1))),
    "a history with what it announced": lambda r: (survivors(r(0)), begins(r(1), opened(0))),
    "fewer from step to step": lambda r: (sharers(r(1), NAMES), survivors(r(1), FIVE)),
    "a round skipped, and the next": lambda r: (said(r(0), SKIP), begins(r(1), opened(0))),
}


@pytest.mark.parametrize("kind", NO_CONTRADICTIONS)
def test_what_can_both_be_true_is_none(plan, kind):
    first, second = NO_CONTRADICTIONS[kind](lambda n, a=0: Round(plan, n, a))
    with pytest.raises(VerificationError, match="do not contradict each other"):
        contradiction(plan, first, second)


def test_what_another_key_signed_is_none(round_):
    forged = survivors(round_, NAMES[1:], Ed25519PrivateKey.generate())
    with pytest.raises(VerificationError, match="does not verify"):
        contradiction(round_.plan, survivors(round_), forged)


def test_what_was_signed_for_another_plan_is_none(round_):
    other = Round(plan_of(crowd=FixedCrowd(), name="other"), 1)
    with pytest.raises(VerificationError, match="another key, another plan, another round or"):
        contradiction(round_.plan, survivors(round_), survivors(other, NAMES[1:]))


def test_a_message_moved_to_another_round_is_none(plan):
    moved = framed(Round(plan, 2), survivors(Round(plan, 1), NAMES[1:])[12:])
    with pytest.raises(VerificationError, match="does not verify"):
        contradiction(plan, survivors(Round(plan, 2)), moved)


def test_no_message_at_all_is_none(round_):
    for bad in (b"", b"x" * 11, b"x" * 400, survivors(round_)[:-1]):
        with pytest.raises(ProtocolError):
            contradiction(round_.plan, survivors(round_), bad)


class TestAParty:
    """Parties keep the two messages that prove it, and nothing longer."""

    def check(self, plan, party, says):
        """What it shows convinces somebody who has the plan's bytes alone."""
        reads = Plan.from_canonical(plan.canonical())
        first, second = party.evidence.first, party.evidence.second
        assert says in str(contradiction(reads, first, second))
        assert str(party.evidence.says) == str(contradiction(reads, first, second))

    def liar(self, **fields):
        noisy = {"noise": NoiseShares(1.0, 1e-3), "aggregation": Masked(verified=False)}
        return Liar(plan_of(**noisy | fields), drift())

    def test_that_consented_proves_the_history_without_it(self):
        liar = self.liar()
        liar.open_round()
        liar.freeze()
        with pytest.raises(DropoutError):
            liar.open_round(ignoring=[NAMES[0]], history=())
        for party in liar.parties.values():
            self.check(liar.plan, party, "a later history of openings without it")

    def test_proves_a_history_that_forgets_an_older_round(self):
        liar = self.liar()
        for _ in range(2):
            liar.open_round()
            liar.freeze()
        with pytest.raises(DropoutError):
            liar.open_round(history=liar.openings[1:])
        for party in liar.parties.values():
            self.check(liar.plan, party, "two histories, of which the later one changes")

    def test_proves_it_after_a_restart(self):
        liar = self.liar()
        liar.open_round()
        liar.freeze()
        name = NAMES[0]
        before = liar.parties[name]
        liar.parties[name] = PartyRun(liar.plan, [liar.computation], before.identity, rows()[name])
        liar.parties[name].restore(before.save())
        with pytest.raises(DropoutError):
            liar.open_round(history=())
        self.check(liar.plan, liar.parties[name], "history of openings without it")

    def test_proves_a_result_over_others_than_it_consented_to(self):
        liar = self.liar()
        liar.open_round()
        liar.announce(liar.sums[0].totals, NAMES[1:])
        self.check(liar.plan, liar.parties[NAMES[1]], "two values of 'survivors'")

    def test_proves_a_second_attempt_at_an_opened_round(self):
        liar = self.liar()
        liar.open_round()
        with pytest.raises(DropoutError):
            liar.open_round(attempt=1)
        self.check(liar.plan, liar.parties[NAMES[2]], "another attempt at a round")

    def test_that_fails_by_itself_accuses_nobody(self):
        liar = self.liar()
        liar.open_round()
        liar.freeze()
        broken = liar.parties[NAMES[0]]._participants[0]
        broken._data, broken._checked = (lambda: {"x": np.array([np.nan])}), None
        liar.open_round()
        assert "NaN" in str(liar.parties[NAMES[0]].failure)
        assert liar.parties[NAMES[0]].evidence is None


@pytest.mark.parametrize("verified", [True, False])
def test_an_honest_run_gives_none_between_any_two_messages(verified):
    """With dropouts, a second attempt, a skipped round and a coordinator that restarts."""
    plan = plan_of(
        parties=list(FIVE), dropouts=1, noise=NoiseShares(1.0, 1e-3),
        aggregation=Masked(verified=verified),
    )  # fmt: skip
    heard = _honest_run(plan)
    kinds = {kind_of(unframed(message)[2]) for message in heard}
    assert {"open", "neighbours", "deliver", "survivors", "unmask", RESULT, SKIP} <= kinds
    by_name = defaultdict(list)
    for message in dict.fromkeys(heard):
        number, attempt, announcement = unframed(message)
        by_name[number, attempt, kind_of(announcement)].append(message)
    some = [message for messages in by_name.values() for message in messages[:2]]
    for first, second in itertools.combinations(some, 2):
        with pytest.raises(VerificationError, match="do not contradict each other"):
            contradiction(plan, first, second)


def _honest_run(plan):
    """All messages of a coordinator that follows the protocol."""
    parties = {
        n: PartyRun(plan, [drift()], Identity.simulation(n), data) for n, data in rows(FIVE).items()
    }
    coordinator, heard = _coordinator(plan), []
    outbox = coordinator.begin()
    while outbox:
        for name, messages in outbox.items():
            for message in messages:
                heard.append(message)
                if not _silent(name, message):
                    answer = parties[name].receive(message)
                    heard.extend(coordinator.receive(answer) if answer else ())
        if len(heard) == 5:  # It restarts in the first round, and begins a new attempt.
            data, coordinator = coordinator.save(), _coordinator(plan)
            coordinator.restore(data)
            outbox = coordinator.begin()
        else:
            outbox = coordinator.advance()
    return heard


def _coordinator(plan):
    return CoordinatorRun(plan, [drift()], retries=3, skips=True)


def _silent(name, message):
    """Who does not answer: an attempt fails before its sum counts as opened, and one after."""
    number, attempt, announcement = unframed(message)
    said_now = number, kind_of(announcement)
    if said_now == (0, "deliver") and attempt <= 1:
        return name in FIVE[:2]
    if said_now == (1, "unmask"):
        return name in FIVE[:2]
    return said_now == (2, "deliver") and name == FIVE[3]
