import itertools

import pytest

from confide.errors import PlanError
from confide.plan import Adversary, Corruption, Hardware, Threat


def test_a_role_is_corrupt_unless_it_is_honest():
    assert [c for c in Corruption if not c.corrupt] == [Corruption.HONEST]


def test_nobody_is_trusted_unless_said_otherwise():
    strongest = Adversary(
        coordinator=Corruption.MALICIOUS,
        colluding_parties=1,
        parties=Corruption.MALICIOUS,
        evaluator=Corruption.MALICIOUS,
        network=Corruption.MALICIOUS,
    )
    assert Threat() == Threat(
        confidentiality=strongest, integrity=strongest, hardware=Hardware.UNTRUSTED
    )


def test_confidentiality_and_integrity_are_stated_apart():
    one, other = Adversary(), Adversary(coordinator=Corruption.CURIOUS)
    assert Threat(confidentiality=one, integrity=other) != Threat(
        confidentiality=other, integrity=one
    )


@pytest.mark.parametrize("colluding", [-1, -5])
def test_colluders_are_not_fewer_than_none(colluding):
    with pytest.raises(PlanError, match=f"colluding_parties is {colluding}; it is at least 0"):
        Adversary(colluding_parties=colluding)


@pytest.mark.parametrize(("colluding", "parties"), list(itertools.product([0, 1, 7], Corruption)))
def test_colluders_are_not_honest(colluding, parties):
    if colluding and parties is Corruption.HONEST:
        with pytest.raises(PlanError, match=f"{colluding} colluding parties that are 'honest'"):
            Adversary(colluding_parties=colluding, parties=parties)
    else:
        Adversary(colluding_parties=colluding, parties=parties)
