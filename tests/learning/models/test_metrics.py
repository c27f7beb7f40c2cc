import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from confide.errors import DataError
from confide.learning.models import accuracy, auc, log_loss

seeds = st.integers(0, 2**32 - 1)


class TestAuc:
    @given(seed=seeds, levels=st.integers(1, 50), m=st.integers(2, 200))
    def test_agrees_with_scikit_learn_ties_or_not(self, seed, levels, m):
        rng = np.random.default_rng(seed)
        labels = rng.permutation(np.arange(m) < rng.integers(1, m))
        score = rng.integers(levels, size=m) / 7
        assert auc(labels, score) == pytest.approx(roc_auc_score(labels, score), abs=1e-12)

    def test_is_the_share_of_pairs_in_order(self):
        labels, score = np.array([0, 0, 1, 1, 1]), np.array([0.2, 0.7, 0.7, 0.1, 0.9])
        pairs = [(p > n) + (p == n) / 2 for p in score[labels == 1] for n in score[labels == 0]]
        assert auc(labels, score) == np.mean(pairs)

    def test_its_ends(self):
        assert auc([0, 0, 1], [1, 2, 3]) == 1
        assert auc([1, 1, 0], [1, 2, 3]) == 0
        assert auc([0, 1, 0], [5, 5, 5]) == 0.5

    def test_ranks_infinities(self):
        assert auc([0, 1, 1], [-np.inf, 0, np.inf]) == 1

    @pytest.mark.parametrize(
        ("labels", "score", "message"),
        [
            ([1, 1], [0.1, 0.2], "all 2 labels are of one class; an AUC compares"),
            ([0, 0, 0], [0.1, 0.2, 0.3], "all 3 labels are of one class; an AUC compares"),
            ([0, 2], [0.1, 0.2], "y_true is neither 0 nor 1 in record 1"),
            ([0, np.nan], [0.1, 0.2], "y_true is neither 0 nor 1 in record 1"),
            (["no", "yes"], [0.1, 0.2], "y_true holds values of type str"),
            ([0, 1], [0.1, np.nan], "score is NaN in record 1"),
            ([0, 1], [0.1, 0.2, 0.3], r"y_true of shape \(2,\) with score of shape \(3,\)"),
            ([], [], r"y_true of shape \(0,\) with score"),
        ],
    )
    def test_refuses(self, labels, score, message):
        with pytest.raises(DataError, match=message):
            auc(labels, score)


class TestAccuracy:
    @given(seed=seeds, m=st.integers(1, 50))
    def test_agrees_with_scikit_learn(self, seed, m):
        true, predicted = np.random.default_rng(seed).integers(3, size=(2, m))
        assert accuracy(true, predicted) == accuracy_score(true, predicted)

    def test_of_text(self):
        assert accuracy(["a", "b"], np.array(["a", "c"])) == 0.5

    def test_refuses_other_lengths(self):
        with pytest.raises(DataError, match=r"y_true of shape \(2,\) with y_pred of shape \(3,\)"):
            accuracy([1, 2], [1, 2, 3])


class TestLogLoss:
    @given(seed=seeds, m=st.integers(1, 50), k=st.integers(2, 5))
    def test_agrees_with_scikit_learn(self, seed, m, k):
        rng = np.random.default_rng(seed)
        true = rng.integers(k, size=m)
        probability = rng.dirichlet(np.ones(k), size=m)
        expected = sklearn_log_loss(true, probability, labels=np.arange(k))
        assert log_loss(true, probability) == pytest.approx(expected, rel=1e-12)

    def test_takes_one_column_for_two_classes(self):
        expected = sklearn_log_loss(["no", "yes", "yes"], [0.2, 0.4, 0.9])
        found = log_loss(["no", "yes", "yes"], [0.2, 0.4, 0.9], classes=["no", "yes"])
        assert found == pytest.approx(expected, rel=1e-12)

    def test_a_certain_miss_is_finite_as_in_scikit_learn(self):
        expected = sklearn_log_loss([0, 1], [1.0, 1.0])
        assert log_loss([0, 1], [1.0, 1.0]) == pytest.approx(expected, rel=1e-9)

    @pytest.mark.parametrize(
        ("true", "probability", "message"),
        [
            ([0, 2], [0.5, 0.5], r"the class in record 1 is not one of the 2 known"),
            ([0, 1], [[0.5, 0.6], [0.5, 0.5]], "probabilities in record 0 do not add up to 1"),
            ([0, 1], [0.5, 1.5], r"probabilities in record 1 .* leave \[0, 1\]"),
            ([0, 1], [0.5, np.nan], "probabilities in record 1 do not add up to 1"),
            ([0, 1], [[[0.5]]], r"probability of shape \(1, 1, 1\)"),
            ([0], [0.5, 0.5], r"y_true of shape \(1,\) with probability of shape \(2, 2\)"),
        ],
    )
    def test_refuses(self, true, probability, message):
        with pytest.raises(DataError, match=message):
            log_loss(true, probability)

    def test_refuses_too_few_names(self):
        with pytest.raises(DataError, match="1 classes for 2 columns"):
            log_loss(["a"], [[0.5, 0.5]], classes=["a"])
