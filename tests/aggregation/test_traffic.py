"""Bytes counted before a round are the bytes that it takes."""

import pytest
from tests.aggregation.support import CURIOUS, STATE, Federation, clear_plan, plan_of, sparse_plan

from confide.aggregation import Traffic, coordinator_session, run_round
from confide.aggregation.traffic import round_bytes
from confide.plan import Encrypted, Masked, simulation_key
from confide.runtime.wire import RESULT, result_fields

PLANS = {
    "clear": clear_plan(parties=5, size=1000),
    "complete, malicious": plan_of(9, size=1000),
    "complete, verified": plan_of(9, size=1000, aggregation=Masked(verified=True)),
    "complete, curious": plan_of(9, size=1000, threat=CURIOUS),
    "encrypted, malicious": plan_of(9, size=1000, aggregation=Encrypted()),
    "encrypted, curious": plan_of(9, size=5000, threat=CURIOUS, aggregation=Encrypted()),
    "sparse, malicious": sparse_plan(size=1000),
    "sparse, curious": sparse_plan(size=1000, threat=CURIOUS),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_a_quote_is_what_a_round_takes(plan):
    """To the byte, for parties whose names are as long as the longest."""
    attempt = Federation(plan).attempt()
    coordinator = coordinator_session(attempt.round_, STATE, tuple(attempt.parties))
    traffic = Traffic()
    result = run_round(coordinator, attempt.parties, traffic=traffic)
    quoted = round_bytes(plan)
    assert set(traffic.sent.values()) == {quoted.sent}
    assert set(traffic.received.values()) == {quoted.received}
    fields = result_fields(attempt.round_, result)
    assert quoted.result == len(attempt.round_.announce(simulation_key("c"), RESULT, **fields))
