"""Poisson and logistic regression by iterated weighted least squares, handed on as the last weighted step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.errors import UserError
from evalkit.estimators.linear import Array, Fit, independent_columns

_TOLERANCE = 1e-8
"""R's glm stops at this relative change of the deviance, and takes its working weights from the step before:
the same here, so that standard errors equal R's; coefficients are converged to about 1e-12 by then."""
_MOST_STEPS = 60
_EDGE = 25.0
"""A linear predictor beyond this means a fitted share of 1e-11 from 0 or 1: separation, not an estimate."""


@dataclass(frozen=True)
class GlmFit:
    """fit: rows times the root of their working weight, so weights are 1; predictor: without the offset."""

    fit: Fit
    design: Array
    coef: Array
    names: tuple[str, ...]
    mean: Array


def fit_glm(design: Array, outcome: Array, weights: Array, names: tuple[str, ...], *, family: str,
            offset: Array | None = None) -> GlmFit:
    """Quasi-likelihood fit with the canonical link; family "poisson" or "binomial". Source: McCullagh & Nelder 1989."""
    keep = independent_columns(design * np.sqrt(weights)[:, None])
    left_out = tuple(name for index, name in enumerate(names) if index not in set(keep))
    design, names = design[:, keep], tuple(names[index] for index in keep)
    shift = np.zeros(len(outcome)) if offset is None else offset
    mean = outcome + 0.1 if family == "poisson" else (weights * outcome + 0.5) / (weights + 1)
    predictor = np.log(mean) if family == "poisson" else np.log(mean / (1 - mean))
    last = _deviance(outcome, mean, weights, family)
    for _ in range(_MOST_STEPS):
        slope = _slope(mean, family)
        coef, bread = _step(design, predictor - shift + (outcome - mean) / slope, weights * slope)
        predictor = design @ coef + shift
        _refuse_separation(predictor - shift, family)
        mean = np.exp(predictor) if family == "poisson" else 1 / (1 + np.exp(-predictor))
        last, before = _deviance(outcome, mean, weights, family), last
        if abs(last - before) < _TOLERANCE * (abs(last) + 0.1):
            break
    root = np.sqrt(weights * slope)
    fit = Fit(names=names, design=design * root[:, None], weights=np.ones(len(outcome)), coef=coef, dropped=left_out,
              residuals=(outcome - mean) / _slope(mean, family) * root, bread=bread)
    return GlmFit(fit, design, coef, names, mean)


def _slope(mean: Array, family: str) -> Array:
    return mean if family == "poisson" else mean * (1 - mean)


def _step(design: Array, working: Array, weights: Array) -> tuple[Array, Array]:
    root = np.sqrt(weights)
    q, r = np.linalg.qr(design * root[:, None])
    r_inverse = np.linalg.inv(r)
    return r_inverse @ (q.T @ (working * root)), r_inverse @ r_inverse.T


def _refuse_separation(predictor: Array, family: str) -> None:
    if not np.isfinite(predictor).all() or (family == "binomial" and np.abs(predictor).max() > _EDGE):
        raise UserError("A covariate or stratum tells the outcome completely (separation), so the model has no answer.",
                        remedy="Join small strata, name fewer covariates, or use estimator = \"regression_adjusted\".")


def _deviance(outcome: Array, mean: Array, weights: Array, family: str) -> float:
    if family == "poisson":
        some = np.where(outcome > 0, outcome, 1.0)
        gain = np.where(outcome > 0, outcome * np.log(some / mean), 0.0)
        return float(2 * (weights * (gain - (outcome - mean))).sum())
    inside = np.clip(mean, 1e-300, 1 - 1e-16)
    return float(-2 * (weights * (outcome * np.log(inside) + (1 - outcome) * np.log1p(-inside))).sum())
