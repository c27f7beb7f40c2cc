"""The score test in clear, written from the formulas and nothing of confide's."""

import numpy as np


def fitted(x, y):
    """Coefficients of a logistic regression, the intercept first."""
    design = np.column_stack([np.ones(len(y)), x])
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ beta))
        weighted = design * (p * (1 - p))[:, None]
        beta += np.linalg.lstsq(design.T @ weighted, design.T @ (y - p), rcond=None)[0]
    return beta


def scores(x, y, s):
    """U and V of every column of s, given the columns of x."""
    design = np.column_stack([np.ones(len(y)), x])
    p = 1 / (1 + np.exp(-design @ fitted(x, y)))
    w = p * (1 - p)
    root = np.sqrt(w)[:, None]
    # What the covariates do not explain of the weighted variable (Frisch and Waugh 1933).
    explained = np.linalg.lstsq(root * design, root * s, rcond=None)[0]
    rest = root * s - root * design @ explained
    return s.T @ (y - p), (rest**2).sum(axis=0)
