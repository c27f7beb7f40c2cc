"""Above-threshold: as published, and the broken variants of it that were published too."""

import copy
import itertools
import math
from collections import Counter

import pytest
from tests.privacy.mechanisms.closed_forms import assert_counts_fit, threshold_outputs

from confide.errors import DataError, PlanError, PrivacyBudgetError
from confide.privacy.accounting import profile_of
from confide.privacy.mechanisms import AboveThreshold


def outputs(mechanism, answers, threshold=0.0, transcripts=None):
    step = mechanism.steps.size
    return threshold_outputs(
        answers,
        threshold,
        threshold_scale=float(mechanism.threshold_noise.scale) * step,
        answer_scale=float(mechanism.answer_noise.scale) * step,
        max_above=mechanism.max_above,
        transcripts=transcripts,
    )


def transcript(mechanism, answers, threshold=0.0):
    session, said = mechanism.start(), []
    for answer in answers:
        said.append(session.is_above(answer, threshold=threshold))
        if not session.left:
            break
    return tuple(said)


def farthest(outputs_of, answers, moves):
    """The largest log-ratio of any transcript between answers and all their neighbours."""
    here = outputs_of(answers)
    ratios = []
    for moved in itertools.product(moves, repeat=len(answers)):
        there = outputs_of([a + m for a, m in zip(answers, moved, strict=True)])
        ratios += [abs(math.log(there[said] / p)) for said, p in here.items()]
    return max(ratios)


@pytest.mark.parametrize("monotone", [False, True])
@pytest.mark.parametrize("max_above", [1, 2])
class TestIsAsPublished:
    ANSWERS = (0.5, -1.0, 2.0)

    def test_in_what_it_says(self, max_above, monotone):
        mechanism = AboveThreshold(
            epsilon=4.0, sensitivity=1, max_above=max_above, monotone=monotone
        )
        said = Counter(transcript(mechanism, self.ANSWERS) for _ in range(8000))
        meant = outputs(mechanism, self.ANSWERS)
        assert set(said) <= set(meant)
        assert_counts_fit([said[each] for each in meant], list(meant.values()))

    def test_in_how_much_that_tells(self, max_above, monotone):
        mechanism = AboveThreshold(
            epsilon=1.0, sensitivity=1, max_above=max_above, monotone=monotone
        )
        moves = (0, 1) if monotone else (-1, 0, 1)
        assert farthest(lambda a: outputs(mechanism, a), self.ANSWERS, moves) <= 1 + 1e-6

    def test_in_that_it_spends_what_it_says(self, max_above, monotone):
        """Unlikely answers on both sides, moved against each other, take all but a tenth of ε."""
        mechanism = AboveThreshold(
            epsilon=1.0, sensitivity=1, max_above=max_above, monotone=monotone
        )
        far, said = 40.0, (False,) * 30 + (True,) * max_above
        answers = [far] * 30 + [-far] * max_above
        lower = 0 if monotone else -1
        moved = [far + 1] * 30 + [-far + lower] * max_above
        here, there = (outputs(mechanism, a, transcripts=[said])[said] for a in (answers, moved))
        spent = math.log(here / there)
        share = 1 / float(mechanism.threshold_noise.scale) / mechanism.steps.size
        assert (share if monotone else 0.9) * (1 - 1e-5) <= spent <= 1 + 1e-6

    def test_in_its_scales(self, max_above, monotone):
        """Δ/ε₁ + (positives)·Δ/ε₂ with ε₁ + ε₂ = ε, to the rounding of answers."""
        mechanism = AboveThreshold(
            epsilon=0.7, sensitivity=3, max_above=max_above, monotone=monotone
        )
        spent = 3 / (float(mechanism.threshold_noise.scale) * mechanism.steps.size)
        factor = max_above if monotone else 2 * max_above
        spent += factor * 3 / (float(mechanism.answer_noise.scale) * mechanism.steps.size)
        assert 0.7 * (1 - 1e-5) < spent <= 0.7


class TestBrokenVariants:
    """Lyu, Su and Li 2017, Table 1: each promises ε = 1, and the same search finds it out."""

    def test_without_noise_on_answers(self):
        """Stoddard, Chen and Machanavajjhala 2014: two answers in order are never disordered."""

        def broken(answers):
            return threshold_outputs(
                answers, 0.0, threshold_scale=1.0, answer_scale=1e-3, max_above=2
            )

        # 0 and 1 become 1 and 0: (False, True) turns from usual to all but impossible.
        assert broken([0.0, 1.0])[False, True] > 1e4 * broken([1.0, 0.0])[False, True]

    def test_with_noise_that_does_not_grow_with_the_positives(self):
        """Lee and Clifton 2014: not ε but (1 + 6c)/4 of it."""
        assert self.told(4, 4 / 3, max_above=4, negatives=2, positives=4) > 2.5

    def test_without_an_end_of_positives(self):
        """Chen, Xiao, Zhang and Xu 2015: what it tells grows with every answer."""
        told = [self.told(2, 2, max_above=99, negatives=n, positives=n) for n in (1, 3, 6)]
        assert told[0] <= told[1] - 0.5 <= told[2] - 1
        assert told[2] > 2

    @staticmethod
    def told(threshold_scale, answer_scale, *, max_above, negatives, positives):
        """With answers on the two sides that move against each other."""
        said = (False,) * negatives + (True,) * positives
        here, there = (
            threshold_outputs(
                [-side] * negatives + [side] * positives, 0.0, threshold_scale=threshold_scale,
                answer_scale=answer_scale, max_above=max_above, transcripts=[said],
            )[said]
            for side in (0.5, -0.5)
        )  # fmt: skip
        return math.log(here / there)


class TestSession:
    def test_ends_with_its_last_positive(self):
        session = AboveThreshold(epsilon=1.0, sensitivity=1, max_above=3).start()
        said = [session.is_above(1e6, threshold=0) for _ in range(3)]
        assert said == [True] * 3
        assert session.left == 0
        for answer in (1e6, -1e6):
            with pytest.raises(
                PrivacyBudgetError, match="all 3 positives of this session were given"
            ):
                session.is_above(answer, threshold=0)

    def test_goes_on_through_any_number_of_negatives(self):
        session = AboveThreshold(epsilon=1.0, sensitivity=1).start()
        assert not any(session.is_above(-1e6, threshold=0) for _ in range(2000))
        assert session.left == 1

    def test_keeps_its_threshold(self):
        """One draw for all: whoever draws anew each time pays for each negative."""
        mechanism = AboveThreshold(epsilon=1.0, sensitivity=1)
        noises = {session._noise for session in (mechanism.start() for _ in range(5))}
        assert len(noises) == 5
        session = mechanism.start()
        kept = session._noise
        for _ in range(10):
            session.is_above(-1e6, threshold=0)
        assert session._noise == kept

    @pytest.mark.parametrize(
        "copied", [copy.copy, copy.deepcopy, lambda session: session.__reduce_ex__(4)]
    )
    def test_is_not_copied(self, copied):
        session = AboveThreshold(epsilon=1.0, sensitivity=1).start()
        with pytest.raises(TypeError, match="cannot be copied or stored"):
            copied(session)

    def test_hides_its_noise(self):
        session = AboveThreshold(epsilon=1.0, sensitivity=1).start()
        assert str(session._noise) not in repr(session)

    @pytest.mark.parametrize("answer", [math.nan, math.inf])
    def test_refuses_what_is_no_number(self, answer):
        session = AboveThreshold(epsilon=1.0, sensitivity=1).start()
        with pytest.raises(DataError, match="the answer is not finite"):
            session.is_above(answer, threshold=0)
        with pytest.raises(DataError, match="the threshold is not finite"):
            session.is_above(0, threshold=answer)
        assert session.left == 1


def test_one_event_for_a_session():
    mechanism = AboveThreshold(epsilon=0.9, sensitivity=1, max_above=50)
    assert 0.9 <= profile_of(mechanism.event).epsilon(1e-30) < 0.9 * (1 + 1e-9)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"epsilon": -1.0}, "epsilon is -1.0"),
        ({"sensitivity": math.nan}, "sensitivity is nan"),
        ({"max_above": 0}, "max_above is 0"),
        ({"max_above": 1.5}, "max_above is 1.5"),
        ({"epsilon": 1e-9, "max_above": 10**6}, "more noise than fits a lattice"),
    ],
)
def test_refused(given, named):
    with pytest.raises(PlanError, match=named):
        AboveThreshold(**({"epsilon": 1.0, "sensitivity": 1.0} | given))
