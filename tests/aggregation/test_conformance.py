"""Each protection passes the conformance suite."""

import pytest
from tests.aggregation.conformance import ProtectionConformance
from tests.aggregation.support import (
    CURIOUS,
    Federation,
    attested_plan,
    clear_plan,
    plan_of,
    sparse_plan,
    sum_of,
)

from confide.errors import DropoutError, ProtocolError
from confide.plan import Clear, Encrypted, Masked


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


class TestMaskedVerified(ProtectionConformance):
    """The complete graph, and parties that check the sum."""

    def plan(self, **fields):
        verified = Masked(verified=True)
        return plan_of(**{"parties": 6, "dropouts": 2, "aggregation": verified, **fields})


class TestMaskedWithACuriousCoordinator(ProtectionConformance):
    """The complete graph without a quorum, so that more may drop out than stay."""

    def plan(self, **fields):
        plan = plan_of(**{"parties": 7, "dropouts": 4, "threat": CURIOUS, **fields})
        assert not plan.masking.quorum
        return plan


class TestEncrypted(ProtectionConformance):
    """Any t of n open, against liars."""

    def plan(self, **fields):
        plan = plan_of(**{"parties": 6, "dropouts": 2, "aggregation": Encrypted(), **fields})
        assert plan.masking.threshold < len(plan.parties)
        assert plan.masking.quorum
        return plan


class TestEnclave(ProtectionConformance):
    """An enclave that reads contributions."""

    examples = 10

    def plan(self, **fields):
        return attested_plan(Clear(), **fields)


class TestEnclaveOverMasked(ProtectionConformance):
    """An enclave that adds up masked vectors."""

    examples = 5

    def plan(self, **fields):
        return attested_plan(Masked(), **fields)


class TestEnclaveOverEncrypted(ProtectionConformance):
    """An enclave that adds up encrypted vectors."""

    examples = 5

    def plan(self, **fields):
        return attested_plan(Encrypted(), **fields)


class TestEncryptedByEverybody:
    """All n open: nobody may drop out."""

    def plan(self, **fields):
        plan = plan_of(**{"parties": 4, "aggregation": Encrypted(), **fields, "dropouts": 0})
        assert plan.masking.threshold == len(plan.parties)
        return plan

    @pytest.mark.parametrize("size", [1, 3, 5000])
    def test_the_sum_is_exact(self, size):
        federation = Federation(self.plan(size=size))
        totals = federation.run().totals
        assert totals.tolist() == sum_of(federation.contributions, federation.names)

    @pytest.mark.parametrize("kind", ["advertise", "shares", "contribution", "consent", "opened"])
    def test_without_one_party_there_is_no_sum(self, kind):
        attempt = Federation(self.plan()).attempt()
        with pytest.raises(DropoutError):
            attempt.finish({"p002": kind})
        with pytest.raises(ProtocolError, match="not finished"):
            _ = attempt.coordinator.result


class TestEncryptedWithACuriousCoordinator(ProtectionConformance):
    """Without a quorum, so that more may drop out than stay."""

    def plan(self, **fields):
        fields = {"parties": 7, "dropouts": 4, "threat": CURIOUS, **fields}
        plan = plan_of(**fields, aggregation=Encrypted())
        assert not plan.masking.quorum
        return plan


class TestMaskedSmallSparse(ProtectionConformance):
    """A sparse graph, smaller than is safe."""

    examples = 3

    def plan(self, **fields):
        plan = sparse_plan(**{"parties": 14, "degree": 6, "dropouts": 2, **fields})
        assert not plan.masking.complete
        return plan


class TestMaskedSparse:
    """The sparse graph of a plan with more than 128 parties, where a round takes over a second."""

    def plan(self):
        plan = plan_of(130, dropouts=4)
        assert not plan.masking.complete
        return plan

    def test_the_sum_is_exact_with_as_many_dropouts_as_the_plan_bears(self):
        federation = Federation(self.plan())
        silent = {"p007": "shares", "p008": "contribution", "p009": "consent", "p010": "opened"}
        result = federation.run(silent)
        kept = [name for name in federation.names if name not in {"p007", "p008"}]
        assert list(result.survivors) == kept
        assert result.totals.tolist() == sum_of(federation.contributions, kept)

    def test_one_dropout_more_and_there_is_no_sum(self):
        attempt = Federation(self.plan()).attempt()
        with pytest.raises(DropoutError):
            attempt.finish(dict.fromkeys(["p007", "p008", "p009", "p010", "p011"], "contribution"))
