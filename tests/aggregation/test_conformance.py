"""Each protection passes the conformance suite."""

from confide.plan import Masked
from tests.aggregation.conformance import ProtectionConformance
from tests.aggregation.support import CURIOUS, clear_plan, plan_of, sparse_plan


class TestClear(ProtectionConformance):
    def plan(self, **fields):
        return clear_plan(**{"parties": 6, "dropouts": 2, **fields})


class TestMasked(ProtectionConformance):
    """The complete graph, against liars."""

    def plan(self, **fields):
        plan = plan_of(**{"parties": 6, "dropouts": 2, "aggregation": Masked(), **fields})
        assert plan.masking.complete
        assert plan.masking.quorum
        return plan


class TestMaskedWithACuriousCoordinator(ProtectionConformance):
    """The complete graph without a quorum, so that more may drop out than stay."""

    def plan(self, **fields):
        plan = plan_of(**{"parties": 7, "dropouts": 4, "threat": CURIOUS, **fields})
        assert not plan.masking.quorum
        return plan


class TestMaskedSmallSparse(ProtectionConformance):
    """A sparse graph, smaller than is safe."""

    examples = 3

    def plan(self, **fields):
        plan = sparse_plan(**{"parties": 14, "degree": 6, "dropouts": 2, **fields})
        assert not plan.masking.complete
        return plan


class MaskedSparse(ProtectionConformance):
    """The sparse graph of a plan with more than 128 parties, where a round takes over a second."""

    examples = 2

    def plan(self, **fields):
        plan = plan_of(**{"parties": 130, "dropouts": 4, **fields})
        assert not plan.masking.complete
        return plan


class TestMaskedSparse:
    """The part of the suite that is worth its time at this size."""

    suite = MaskedSparse()

    def test_sums_are_exact_and_those_in_clear(self):
        self.suite.test_sums_equal_the_exact_ones_and_those_in_clear_whoever_drops_out()

    def test_too_many_dropouts(self):
        self.suite.test_a_round_that_bears_no_more_dropouts_releases_nothing()
