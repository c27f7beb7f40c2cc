"""Events as plain values: one encoding each, read back strictly."""

import math

import dp_accounting as dp
import pytest
from dp_accounting import dp_event
from hypothesis import given
from hypothesis import strategies as st

from confide.canonical import encode
from confide.errors import PlanError
from confide.privacy.accounting import event_from_plain, event_to_plain

reals = st.floats(1e-300, 1e300)
rates = st.floats(0, 1)
counts = st.integers(0, 1 << 40)
leaves = st.one_of(
    st.just(dp_event.NoOpDpEvent()),
    st.just(dp_event.NonPrivateDpEvent()),
    reals.map(dp_event.GaussianDpEvent),
    reals.map(dp_event.LaplaceDpEvent),
    st.builds(dp_event.DiscreteLaplaceDpEvent, reals, counts),
    st.builds(dp_event.RandomizedResponseDpEvent, rates, counts),
    st.builds(dp_event.ZCDpEvent, reals, reals),
    st.builds(dp_event.SingleEpochTreeAggregationDpEvent, reals,
              counts | st.lists(counts, min_size=1, max_size=4)),
    st.builds(dp_event.TruncatedSubsampledGaussianDpEvent, counts, rates, counts, reals),
    st.lists(st.tuples(reals, rates), min_size=1, max_size=4).map(
        lambda parts: dp_event.MixtureOfGaussiansDpEvent(1.0, *map(list, zip(*parts, strict=True)))
    ),
)  # fmt: skip
events = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(dp_event.PoissonSampledDpEvent, rates, inner),
        st.builds(dp_event.SelfComposedDpEvent, inner, counts),
        st.lists(inner, max_size=3).map(dp_event.ComposedDpEvent),
    ),
    max_leaves=6,
)


@given(events)
def test_what_is_written_is_read_back(event):
    plain = event_to_plain(event)
    again = event_from_plain(plain)
    assert again == event
    assert encode(event_to_plain(again)) == encode(plain)


@given(events, events)
def test_different_events_are_written_differently(one, other):
    if one != other:
        assert encode(event_to_plain(one)) != encode(event_to_plain(other))


def test_numbers_of_numpy_are_written_like_ours():
    import numpy as np

    ours, theirs = dp.GaussianDpEvent(1.5), dp.GaussianDpEvent(np.float64(1.5))
    assert event_to_plain(ours) == event_to_plain(theirs)


class GaussianDpEvent(dp.DpEvent):  # type: ignore[misc]
    """Somebody else's class of a known name."""

    noise_multiplier = 1.0


@pytest.mark.parametrize(
    ("event", "named"),
    [
        (GaussianDpEvent(), "unknown event GaussianDpEvent"),
        (dp_event.UnsupportedDpEvent(), "unknown event UnsupportedDpEvent"),
        (dp_event.GaussianDpEvent(math.nan), "is nan"),
        (dp_event.GaussianDpEvent(math.inf), "is inf"),
        (dp_event.SelfComposedDpEvent(dp_event.NoOpDpEvent(), -1), "is -1"),
        (dp_event.SelfComposedDpEvent(dp_event.NoOpDpEvent(), 1.5), "is 1.5"),
    ],
)
def test_what_is_not_written(event, named):
    with pytest.raises(PlanError, match=named):
        event_to_plain(event)


def nested(depth):
    event = dp_event.NoOpDpEvent()
    for _ in range(depth):
        event = dp_event.SelfComposedDpEvent(event, 1)
    return event


def test_nesting_has_an_end():
    assert event_from_plain(event_to_plain(nested(12))) == nested(12)
    with pytest.raises(PlanError, match="nested deeper"):
        event_to_plain(nested(13))
    plain = {"type": "SelfComposedDpEvent", "event": event_to_plain(nested(12)), "count": 1}
    with pytest.raises(PlanError, match="nested deeper"):
        event_from_plain(plain)


GAUSSIAN = {"type": "GaussianDpEvent", "noise_multiplier": "2.0"}


@pytest.mark.parametrize(
    ("plain", "named"),
    [
        (None, "no event that is known"),
        ([], "no event that is known"),
        ({"type": "os.system"}, "no event that is known"),
        ({"type": "UnsupportedDpEvent"}, "no event that is known"),
        ({"type": "GaussianDpEvent"}, "it takes noise_multiplier"),
        (GAUSSIAN | {"more": 1}, "it takes noise_multiplier"),
        (GAUSSIAN | {"noise_multiplier": 2.0}, "its shortest decimal text"),
        (GAUSSIAN | {"noise_multiplier": "2"}, "its shortest decimal text"),
        (GAUSSIAN | {"noise_multiplier": "2.00"}, "its shortest decimal text"),
        (GAUSSIAN | {"noise_multiplier": "nan"}, "nan"),
        (GAUSSIAN | {"noise_multiplier": "x"}, "its shortest decimal text"),
        ({"type": "SelfComposedDpEvent", "event": GAUSSIAN, "count": True}, "counts True"),
        ({"type": "SelfComposedDpEvent", "event": GAUSSIAN, "count": 2.0}, "counts 2.0"),
        ({"type": "SelfComposedDpEvent", "event": GAUSSIAN, "count": 1 << 63}, "counts"),
        ({"type": "ComposedDpEvent", "events": "ab"}, "it is a list"),
        ({"type": "ComposedDpEvent", "events": [{"type": "NoOpDpEvent"}] * 10_001}, "at most"),
    ],
)
def test_what_is_not_read(plain, named):
    with pytest.raises(PlanError, match=named):
        event_from_plain(plain)
