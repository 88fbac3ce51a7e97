"""Weights from the chance of treatment: ATT, ATC, ATE, overlap (ATO) and matching (ATM) weights; or all alike.

Sources: Li, Morgan & Zaslavsky 2018 (JASA 113) for ATO, Li & Greene 2013 for ATM, Imai & Ratkovic 2014 (JRSS B 76)
for covariate balancing, Hainmueller 2012 (Political Analysis 20) for entropy balancing.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from evalkit.comparison.problem import Problem, Result
from evalkit.errors import UserError

MOST_STEPS = 200
BALANCED = 1e-11
"""Largest imbalance left, in SDs: far below anything a table shows, near what doubles can carry."""


def weighting(problem: Problem) -> Result:
    """Inverse-probability weights for the estimand."""
    return _kept(problem, propensity_weights(problem.probability, problem.treated, problem.estimand))


def propensity_weights(share: np.ndarray, treated: np.ndarray, estimand: str) -> np.ndarray:
    """Weight of each row: the estimand's tilt over the chance of the arm the row is in."""
    tilt = {"ATT": share, "ATC": 1 - share, "ATE": np.ones_like(share), "ATO": share * (1 - share),
            "ATM": np.minimum(share, 1 - share)}[estimand]
    return tilt / np.where(treated == 1, share, 1 - share)


def none(problem: Problem) -> Result:
    """No adjustment: everybody weighs 1."""
    return _kept(problem, np.ones(len(problem.treated)))


def _kept(problem: Problem, weights: np.ndarray) -> Result:
    return Result(np.where(problem.usable, weights, 0.0), np.full(len(weights), -1, dtype=np.int64))


def entropy(problem: Problem) -> Result:
    """Weights nearest to equal that give the estimand's group's exact covariate means; mean 1 in each arm."""
    usable, treated = problem.usable, problem.treated
    matrix = _standardized(problem)
    target = {"ATT": usable & (treated == 1), "ATC": usable & (treated == 0), "ATE": usable}[problem.estimand]
    aim = matrix[target].mean(axis=0)
    weights = np.where(usable, 1.0, 0.0)
    for arm in {"ATT": (0,), "ATC": (1,), "ATE": (0, 1)}[problem.estimand]:
        rows = np.flatnonzero(usable & (treated == arm))
        weights[rows] = entropy_weights(matrix[rows], aim) * len(rows)
    return _kept(problem, weights)


def entropy_weights(matrix: np.ndarray, aim: np.ndarray) -> np.ndarray:
    """Shares that sum to 1 with weighted column means `aim`: Newton on the convex dual, halving steps."""
    centred = matrix - aim
    dual = np.zeros(matrix.shape[1])
    level = special.logsumexp(centred @ dual)
    for _ in range(MOST_STEPS):
        shares = special.softmax(centred @ dual)
        off = shares @ centred
        if np.abs(off).max(initial=0.0) < BALANCED:
            return shares
        spread = (centred * shares[:, None]).T @ centred - np.outer(off, off)
        step = np.linalg.lstsq(spread, off, rcond=1e-14)[0]
        size = 1.0
        while size > 1e-10 and not special.logsumexp(centred @ (dual - size * step)) <= level:
            size /= 2
        dual = dual - size * step
        level = special.logsumexp(centred @ dual)
        if size <= 1e-10 and np.abs(off).max() < 1e-8:
            return shares
    raise UserError("No weights can give both groups the same covariate means: the groups do not overlap enough.",
                    remedy="Take out covariates, or match with a caliper so that the comparison is for fewer students.")


def cbps(problem: Problem) -> Result:
    """Just-identified covariate-balancing propensity score: a logit whose weights balance the means exactly."""
    usable, treated = problem.usable, problem.treated
    matrix = np.column_stack([np.ones(len(treated)), _standardized(problem)])
    share = np.full(len(treated), np.nan)
    share[usable] = special.expit(matrix[usable] @ _balancing_logit(matrix[usable], treated[usable], problem.estimand))
    weights = propensity_weights(np.where(usable, share, 0.5), treated, problem.estimand)
    return Result(np.where(usable, weights, 0.0), np.full(len(weights), -1, dtype=np.int64),
                  extra={"probability": share})


def _balancing_logit(matrix: np.ndarray, treated: np.ndarray, estimand: str) -> np.ndarray:
    """Root of the estimand's balance equations by damped Newton from the zero model."""
    start = np.log(treated.mean() / (1 - treated.mean()))
    beta = np.zeros(matrix.shape[1])
    beta[0] = start
    gap, slope = _balance_equations(matrix, treated, beta, estimand)
    for _ in range(MOST_STEPS):
        if np.abs(gap).max() < BALANCED:
            return beta
        step = np.linalg.lstsq(slope, gap, rcond=1e-14)[0]
        size = 1.0
        while size > 1e-8:
            trial = _balance_equations(matrix, treated, beta - size * step, estimand)
            if np.linalg.norm(trial[0]) < np.linalg.norm(gap):
                break
            size /= 2
        if size <= 1e-8:
            break
        beta, (gap, slope) = beta - size * step, trial
    if np.abs(gap).max() < 1e-9:
        return beta
    raise UserError("No propensity model can balance these covariates: the groups do not overlap enough.",
                    remedy="Take out covariates, or match with a caliper so that the comparison is for fewer students.")


def _balance_equations(matrix: np.ndarray, treated: np.ndarray, beta: np.ndarray, estimand: str):
    """Mean of (weight of the treated - weight of the others) x, and its derivative."""
    eta = np.clip(matrix @ beta, -500, 500)
    odds, inverse = np.exp(eta), np.exp(-eta)
    if estimand == "ATT":
        size, change = treated - (1 - treated) * odds, -(1 - treated) * odds
    elif estimand == "ATC":
        size, change = treated * inverse - (1 - treated), -treated * inverse
    else:
        size = treated * (1 + inverse) - (1 - treated) * (1 + odds)
        change = -treated * inverse - (1 - treated) * odds
    return matrix.T @ size / len(treated), (matrix * change[:, None]).T @ matrix / len(treated)


def _standardized(problem: Problem) -> np.ndarray:
    matrix = problem.design.matrix
    rows = matrix[problem.usable]
    return (matrix - rows.mean(axis=0)) / np.maximum(rows.std(axis=0), 1e-300)
