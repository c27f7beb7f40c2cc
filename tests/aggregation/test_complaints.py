"""Complaints about shares: without whom the next attempt is made, and that liars gain little."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.aggregation.support import plan_of, threat

from confide.aggregation.complaints import (
    COMPLAINT,
    Complaint,
    ComplaintReason,
    is_complaint,
    leaving,
    liars_of,
    read_complaint,
)
from confide.aggregation.envelope import Round
from confide.errors import ProtocolError
from confide.plan import Adversary, Threat, simulation_key

NAMES = [f"p{i:03}" for i in range(12)]
OWNERS = {name: name for name in NAMES}


def of(name):
    return Complaint(name, ComplaintReason.UNREADABLE)


@st.composite
def quarrels(draw):
    """Up to four liars who accuse anybody, and honest parties who accuse liars only."""
    liars = draw(st.sets(st.sampled_from(NAMES), max_size=4))
    complaints = {}
    for name in draw(st.sets(st.sampled_from(NAMES))):
        others = [n for n in NAMES if n != name and (name in liars or n in liars)]
        if others:
            complaints[name] = of(draw(st.sampled_from(others)))
    return liars, complaints


@given(quarrels())
def test_no_liar_throws_out_more_than_one_honest_party(quarrel):
    liars, complaints = quarrel
    gone = set(leaving(complaints, OWNERS, len(liars)))
    assert len(gone - liars) <= len(gone & liars)
    assert bool(gone & liars) == bool(complaints)


@given(quarrels())
def test_every_complaint_is_settled(quarrel):
    liars, complaints = quarrel
    gone = set(leaving(complaints, OWNERS, len(liars)))
    for accuser, complaint in complaints.items():
        assert {accuser, complaint.accused} & gone


def test_whom_more_accuse_than_lie_leaves_alone():
    complaints = {name: of("p009") for name in NAMES[:3]}
    assert leaving(complaints, OWNERS, liars=2) == ("p009",)
    assert leaving(complaints, OWNERS, liars=3) == ("p000", "p009")


def test_parties_of_one_owner_accuse_with_one_voice():
    owners = OWNERS | {"p001": "p000", "p002": "p000"}
    complaints = {name: of("p009") for name in NAMES[:3]}
    assert leaving(complaints, owners, liars=1) == ("p000", "p009")
    own = {name: of("p000") for name in ("p001", "p002")}
    assert leaving(own, owners, liars=0) == ("p000", "p001")


def test_whoever_the_plan_expects_to_lie_counts():
    assert liars_of(plan_of(6, threat=threat(2))) == 2
    integrity = Threat(integrity=Adversary(colluding_parties=3))
    assert liars_of(plan_of(6, threat=integrity)) == 3


def test_a_complaint_is_read_as_it_was_written():
    for reason in ComplaintReason:
        said = Complaint("p001", reason)
        assert read_complaint(said.to_payload(), {"p001"}, "p000") == said


def test_a_message_is_a_complaint_by_its_beginning():
    round_, key = Round(plan_of(), 0), simulation_key("p000")
    payload = of("p001").to_payload()
    assert is_complaint(round_.seal(key, "p000", COMPLAINT, payload))
    assert not is_complaint(round_.seal(key, "p000", "contribution", payload))
    assert not is_complaint(round_.seal(key, "p000", "complaints", payload))


@pytest.mark.parametrize(
    ("said", "match"),
    [
        (of("p002").to_payload(), "gave it no share"),
        (of("p000").to_payload(), "gave it no share"),
        (of("p001").to_payload().replace(b"unreadable", b"unreadably"), "unknown reason"),
        (b"\xa0", "fields"),
        (b"\x80", "not a map"),
        (bytes(300), "bytes"),
    ],
)
def test_what_is_no_complaint_is_refused(said, match):
    with pytest.raises(ProtocolError, match=match):
        read_complaint(said, {"p000", "p001"}, "p000")
