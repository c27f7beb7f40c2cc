"""What mechanisms should do, written down a second time and without their code."""

import itertools
import math

import numpy as np
from scipy.stats import chi2

from confide.noise import DiscreteGaussian

FALSE_ALARMS = 1e-9
"""Of every test that calls `assert_counts_fit` once."""

_LEAST_EXPECTED = 25


def assert_counts_fit(counts, probabilities):
    """χ² of counts against probabilities, rare ones put together."""
    counts, probabilities = np.asarray(counts, float), np.asarray(probabilities, float)
    assert counts.shape == probabilities.shape
    assert math.isclose(probabilities.sum(), 1, rel_tol=1e-9)
    expected = probabilities * counts.sum()
    rare = expected < _LEAST_EXPECTED
    assert not counts[probabilities == 0].any()
    together = [np.append(each[~rare], each[rare].sum()) for each in (counts, expected)]
    seen, meant = (each[together[1] > 0] for each in together)
    value = ((seen - meant) ** 2 / meant).sum()
    assert value < chi2.isf(FALSE_ALARMS, max(1, len(seen) - 1)), (value, seen, meant)


def softmax(scores):
    scores = np.asarray(scores, float)
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def permute_and_flip(exponents):
    """P[i] = p_i · ∫₀¹ Π_{j≠i} (1 - p_j·t) dt for heads with p: i at uniform time t (Ding 2021)."""
    p = np.exp(np.asarray(exponents, float))
    chosen = []
    for i in range(len(p)):
        polynomial = np.polynomial.Polynomial([1.0])
        for j in set(range(len(p))) - {i}:
            polynomial *= np.polynomial.Polynomial([1.0, -p[j]])
        whole = polynomial.integ()
        chosen.append(p[i] * (whole(1.0) - whole(0.0)))
    return np.array(chosen)


def hockey_stick(noise, moved, epsilon):
    """δ(ε) between integer noise and the same moved by some steps, exactly but for 1e-25."""
    scale = float(noise.scale)
    reach = 12.0 if isinstance(noise, DiscreteGaussian) else 60.0
    x = np.arange(-math.ceil(reach * scale), moved + math.ceil(reach * scale) + 1)
    log_p, log_q = noise.log_pmf(x - moved), noise.log_pmf(x)
    excess = -np.expm1(np.minimum(epsilon + log_q - log_p, 0)) * np.exp(log_p)
    return math.fsum(excess)


def threshold_outputs(
    answers, threshold, *, threshold_scale, answer_scale, max_above, transcripts=None
):
    """Probabilities of what a session may say, by integrating over the threshold's noise."""
    width = 45 * threshold_scale
    kinks = sorted({-width, 0.0, width, *(a - threshold for a in answers)})
    nodes, weights = np.polynomial.legendre.leggauss(200)
    found = {}
    for said in transcripts or _transcripts(len(answers), max_above):
        total = 0.0
        for low, high in itertools.pairwise(kinks):
            pieces = np.linspace(low, high, 40)
            for a, b in itertools.pairwise(pieces):
                r = (a + b) / 2 + (b - a) / 2 * nodes
                density = np.exp(-np.abs(r) / threshold_scale) / (2 * threshold_scale)
                for answer, above in zip(answers, said, strict=False):
                    reached = _laplace_above(threshold + r - answer, answer_scale)
                    density = density * (reached if above else 1 - reached)
                total += (b - a) / 2 * (weights * density).sum()
        found[said] = total
    return found


def _transcripts(answers, max_above):
    """All (False, True, ...) that end with the last positive or the last answer."""
    for said in itertools.product((False, True), repeat=answers):
        if sum(said) <= max_above:
            last = [i for i, above in enumerate(said) if above]
            if len(last) < max_above or last[-1] == answers - 1:
                yield said
    for shorter in range(1, answers):
        for said in itertools.product((False, True), repeat=shorter):
            if sum(said) == max_above and said[-1]:
                yield said


def _laplace_above(x, scale):
    return np.where(x > 0, np.exp(-np.maximum(x, 0) / scale) / 2,
                    1 - np.exp(np.minimum(x, 0) / scale) / 2)  # fmt: skip
