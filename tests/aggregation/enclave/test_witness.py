"""What a party remembers of enclaves: two of them in turns, or one set back, are noticed."""

import pytest
from tests.aggregation.support import Federation, attested_plan

from confide.aggregation.witness import Link, Witness
from confide.errors import VerificationError
from confide.plan import Clear

VICTIM = "p000"
A, B = b"a" * 32, b"b" * 32


def chain(instance, count):
    links, previous = [], bytes(32)
    for sequence in range(count):
        links.append(Link(instance, sequence, previous, bytes([sequence + 1]) * 32))
        previous = links[-1].hash
    return links


def finish(federation, number):
    attempt = federation.attempt(number)
    attempt.parties[VICTIM].accept(attempt.finish())


class TestRounds:
    @pytest.fixture
    def federation(self):
        return Federation(attested_plan(Clear(), parties=4, dropouts=0))

    def test_of_one_enclave_follow_each_other(self, federation):
        for number in range(3):
            finish(federation, number)

    def test_of_an_enclave_that_began_anew_are_taken(self, federation):
        finish(federation, 0)
        federation.aggregator = federation.launch(random=None)
        finish(federation, 1)
        finish(federation, 2)

    def test_of_two_enclaves_in_turns_are_refused(self, federation):
        first, second = federation.aggregator, federation.launch(random=None)
        finish(federation, 0)
        federation.aggregator = second
        finish(federation, 1)
        federation.aggregator = first
        with pytest.raises(VerificationError, match="two of them run"):
            finish(federation, 2)

    def test_of_two_enclaves_in_turns_are_refused_without_any_receipt(self, federation):
        """The host withholds all receipts, and shows A, B, A: nothing is sealed to A again."""
        first, second = federation.aggregator, federation.launch(random=None)
        federation.attempt(0).finish()
        federation.aggregator = second
        federation.attempt(1).finish()
        federation.aggregator = first
        attempt = federation.attempt(2)
        attempt.until("contribution")
        with pytest.raises(VerificationError, match="two of them run"):
            attempt.answer(VICTIM)

    def test_of_an_enclave_that_forgot_a_round_are_refused(self, federation):
        """The same instance and keys, without what it released: a copy, or state set back."""
        finish(federation, 0)
        federation.aggregator = federation.launch()
        with pytest.raises(VerificationError, match="does not follow receipt 0"):
            finish(federation, 1)

    def test_are_missed_without_harm(self, federation):
        finish(federation, 0)
        federation.attempt(1).finish()
        finish(federation, 2)


class TestInstances:
    def test_that_are_met_again_may_go_on(self):
        witness = Witness()
        for instance in (A, A, B, B):
            witness.met(instance)

    def test_that_were_left_do_not_come_back(self):
        witness = Witness()
        witness.met(A)
        witness.met(B)
        with pytest.raises(VerificationError, match="answers again after another instance did"):
            witness.met(A)

    def test_that_were_left_release_nothing(self):
        witness = Witness()
        witness.met(A)
        witness.met(B)
        with pytest.raises(VerificationError, match="two of them run"):
            witness.saw(chain(A, 1)[0])


class TestLinks:
    def test_in_order_are_taken(self):
        witness = Witness()
        for link in chain(A, 5):
            witness.saw(link)

    @pytest.mark.parametrize("at", [0, 1, 2])
    def test_that_came_before_are_refused(self, at):
        witness, links = Witness(), chain(A, 3)
        for link in links:
            witness.saw(link)
        with pytest.raises(VerificationError, match="was rolled back"):
            witness.saw(links[at])

    def test_that_name_another_one_before_are_refused(self):
        witness, links = Witness(), chain(A, 3)
        witness.saw(links[0])
        with pytest.raises(VerificationError, match="was rolled back"):
            witness.saw(Link(A, 1, b"x" * 32, links[1].hash))

    def test_may_have_gaps(self):
        witness, links = Witness(), chain(A, 5)
        witness.saw(links[1])
        witness.saw(links[4])

    @pytest.mark.parametrize("link", [Link(A, 0, b"x" * 32, b"y" * 32), Link(A, 2, bytes(32), B)])
    def test_that_begin_and_do_not_begin_are_refused(self, link):
        with pytest.raises(VerificationError, match="a first receipt"):
            Witness().saw(link)

    def test_of_an_enclave_that_was_left_do_not_come_back(self):
        witness = Witness()
        witness.saw(chain(A, 1)[0])
        witness.saw(chain(B, 1)[0])
        with pytest.raises(VerificationError, match="answers again after another instance did"):
            witness.saw(chain(A, 2)[1])
