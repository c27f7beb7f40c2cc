"""Collateral that the verified peer passes on: all signed, and chosen to its own advantage."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from confide_sim import AmdFault, Event, IntelFault
from tests.tee.support import NOW, asked, policy_of, reference_of

from confide.errors import AttestationError, Step
from confide.tee import Collateral, Platform, verify

INTEL = pytest.mark.parametrize("platform", [Platform.SGX, Platform.TDX], ids=lambda p: p.value)


def step_of(case, collateral, **policy):
    """The step at which a case is refused with such collateral; None if it holds."""
    accepting = policy_of(reference_of(case.platform, case.evidence.document), **policy)
    try:
        verify(case.evidence, accepting, case.carried, collateral=Collateral.of(collateral), at=NOW)
    except AttestationError as error:
        return error.step
    return None


def both_orders(own, other):
    return ([*own, *other], [*other, *own])


class TestIntel:
    @INTEL
    def test_an_older_evaluation_of_tcb_levels_does_not_count_beside_a_newer(self, platform):
        """What was up to date by the evaluation of before is not by the one after an attack."""
        case = asked(platform, evaluation_number=17)
        newer = asked(platform, evaluation_number=18, tcb_status="OutOfDate",
                      issued=NOW - timedelta(days=2))  # fmt: skip
        for collateral in both_orders(case.emitted.collateral, newer.emitted.collateral):
            assert step_of(case, collateral) is Step.TCB
        assert step_of(case, case.emitted.collateral) is None

    @INTEL
    def test_a_list_that_revokes_counts_whichever_document_it_is_in(self, platform):
        case = asked(platform)
        revoking = asked(
            platform,
            faults=[IntelFault.REVOKED_INTERMEDIATE],
            issued=NOW - timedelta(days=3),
        )
        for collateral in both_orders(case.emitted.collateral, revoking.emitted.collateral):
            assert step_of(case, collateral) is Step.ROOT

    @INTEL
    def test_what_nobody_signed_does_not_stand_in_the_way(self, platform):
        """A forged document of tomorrow, with the highest number, is not picked."""
        case = asked(platform)
        outer = json.loads(case.emitted.collateral[0])
        inner = {**json.loads(outer["tcb_info"]), "tcbEvaluationDataNumber": 10**6}
        forged = json.dumps({**outer, "tcb_info": json.dumps(inner)}).encode()
        for collateral in both_orders(case.emitted.collateral, [forged]):
            assert step_of(case, collateral) is None
        assert step_of(case, [forged]) is Step.ROOT

    @INTEL
    def test_of_another_vendor_neither(self, platform):
        case, other = asked(platform), asked(platform, copy=1, evaluation_number=99)
        for collateral in both_orders(case.emitted.collateral, other.emitted.collateral):
            assert step_of(case, collateral) is None

    @pytest.mark.parametrize("key", ["tcb_info", "pck_crl", "pck_crl_issuer_chain"])
    @pytest.mark.parametrize("value", [None, 5, [], {}])
    def test_a_field_that_is_no_text(self, key, value):
        outer = json.loads(asked(Platform.SGX).emitted.collateral[0])
        with pytest.raises(AttestationError) as refused:
            Collateral.of([json.dumps({**outer, key: value}).encode()])
        assert refused.value.step is Step.PARSE


class TestAmd:
    def test_a_list_that_revokes_counts_beside_a_newer_one_that_does_not(self):
        case = asked(Platform.SNP)
        revoking = asked(
            Platform.SNP, at=NOW - timedelta(days=30), faults=[AmdFault.REVOKED_INTERMEDIATE]
        )
        own = case.emitted.collateral
        for collateral in both_orders(own, revoking.emitted.collateral[3:]):
            assert step_of(case, collateral) is Step.ROOT

    def test_it_counts_even_if_the_policy_does_not_ask_for_lists(self):
        case = asked(Platform.SNP, faults=[AmdFault.REVOKED_INTERMEDIATE])
        assert step_of(case, case.emitted.collateral, revocation_lists=False) is Step.ROOT

    def test_certificates_of_the_same_names_do_not_stand_in_the_way(self):
        """Another simulator's chain for the same chip and levels: names and fields are equal."""
        case = asked(Platform.SNP, chip_id=bytes(range(64)))
        other = asked(Platform.SNP, copy=1, chip_id=bytes(range(64)))
        own = case.emitted.collateral
        for collateral in both_orders(own, other.emitted.collateral):
            assert step_of(case, collateral) is None
        assert step_of(case, other.emitted.collateral) is Step.ROOT

    def test_two_keys_of_one_provider_are_told_apart_by_what_they_signed(self):
        first, second = (asked(Platform.SNP, key="vlek") for _ in range(2))
        together = [*second.emitted.collateral, *first.emitted.collateral]
        assert step_of(first, together) is None
        assert step_of(second, together) is None


def test_an_event_whose_name_holds_a_colon_says_nothing():
    """type:name:contents does not bind where the name ends: 'a:b' with 'c' is 'a' with 'b:c'."""
    case = asked(Platform.TDX, events=[Event("a:b", b"c"), Event("plain", b"1")])
    reference = reference_of(Platform.TDX, case.evidence.document)
    log = json.loads(case.emitted.event_log or b"")
    moved = [{**e, "event": "a", "event_payload": b"b:c".hex()} if e["event"] == "a:b" else e
             for e in log]  # fmt: skip
    for text in (log, moved):
        found = replace(case.emitted, event_log=json.dumps(text).encode())
        case.emitted = found
        measured = verify(
            case.evidence, policy_of(reference), case.carried,
            collateral=case.collateral, at=NOW,
        ).measurements  # fmt: skip
        assert "event:a:b" not in measured
        assert measured["event:plain"] == b"1"
