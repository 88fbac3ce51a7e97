"""The chance of having a mentor, from covariates: logit or probit by iteratively reweighted least squares.

Own numpy code: statsmodels builds several copies of the design, which a million rows do not fit in; the steps here are
those of R's glm, so that stored numbers of MatchIt hold. Source: McCullagh & Nelder 1989, ch. 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from evalkit.comparison.covariates import Design
from evalkit.errors import UserError

BLOCK = 65_536
MOST_STEPS = 30
SETTLED = 1e-8
"""Relative change of the deviance at which R's glm stops; its stored numbers are those of that step."""
STILL_MOVING = 0.05
"""Separated data never settle: each logit step moves some linear predictor by about 1, each probit step by a fifth."""


@dataclass(frozen=True)
class Fit:
    """A fitted model: coefficients (intercept first), standard errors, linear predictor and probability by row."""

    names: tuple[str, ...]
    coefficients: np.ndarray
    standard_errors: np.ndarray
    linear: np.ndarray
    probability: np.ndarray
    deviance: float
    link: str


def fit_propensity(design: Design, treated: np.ndarray, *, link: str = "logit") -> Fit:
    """Fit treated ~ 1 + design. Refuses separated data with a sentence. link: logit or probit."""
    centre, scale = _standardize(design.matrix)
    eta = _start(treated, link)
    deviance, gamma = np.inf, np.zeros(len(design.names) + 1)
    for _ in range(MOST_STEPS):
        gram, right = _normal_equations(design.matrix, centre, scale, treated, eta, link)
        last = gamma
        try:
            gamma = np.linalg.solve(gram, right)
        except np.linalg.LinAlgError:
            raise _separated(design, gamma[1:]) from None
        moved = _linear(design.matrix, centre, scale, gamma)
        before, deviance = deviance, _deviance(moved, treated, link)
        change, eta = np.abs(moved - eta).max(), moved
        if abs(deviance - before) < SETTLED * (abs(deviance) + 0.1) and change < STILL_MOVING:
            return _describe(design, centre, scale, gamma, gram, eta, deviance, link)
    raise _separated(design, (gamma - last)[1:] / scale * np.ptp(design.matrix, axis=0))


def _deviance(eta: np.ndarray, treated: np.ndarray, link: str) -> float:
    signed = np.where(treated == 1, eta, -eta)
    return float(2 * np.logaddexp(0, -signed).sum() if link == "logit" else -2 * special.log_ndtr(signed).sum())


def _standardize(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if matrix.shape[1] == 0:
        return np.zeros(0), np.ones(0)
    return matrix.mean(axis=0), np.maximum(matrix.std(axis=0), 1e-300)


def _start(treated: np.ndarray, link: str) -> np.ndarray:
    """R's start: a fitted share of (y + 1/2) / 2."""
    share = (treated + 0.5) / 2
    return special.logit(share) if link == "logit" else special.ndtri(share)


def _mean_and_slope(eta: np.ndarray, link: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fitted share, d share / d eta, and the working weight, kept off zero as glm does."""
    if link == "logit":
        share = _expit(eta)
        slope = np.maximum(share * (1 - share), 2.2e-16)
        return share, slope, slope
    share = np.clip(special.ndtr(eta), 2.2e-16, 1 - 2.2e-16)
    slope = np.maximum(np.exp(-eta * eta / 2) / np.sqrt(2 * np.pi), 2.2e-16)
    return share, slope, slope * slope / (share * (1 - share))


def _expit(eta: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(eta, -700, 700)))


def _normal_equations(matrix: np.ndarray, centre: np.ndarray, scale: np.ndarray, treated: np.ndarray, eta: np.ndarray,
                      link: str) -> tuple[np.ndarray, np.ndarray]:
    """X'WX and X'Wz of the working response z on standardized columns, summed over blocks of rows."""
    width = matrix.shape[1] + 1
    gram, right = np.zeros((width, width)), np.zeros(width)
    for start in range(0, len(treated), BLOCK):
        rows = slice(start, start + BLOCK)
        block = np.ones((len(treated[rows]), width), order="F")
        np.subtract(matrix[rows], centre, out=block[:, 1:])
        block[:, 1:] /= scale
        share, slope, weight = _mean_and_slope(eta[rows], link)
        weighted = block * weight[:, None]
        gram += weighted.T @ block
        right += weighted.T @ (eta[rows] + (treated[rows] - share) / slope)
    return gram, right


def _linear(matrix: np.ndarray, centre: np.ndarray, scale: np.ndarray, gamma: np.ndarray) -> np.ndarray:
    """Linear predictor column by column: equal rows get equal bits, whatever rows stand beside them."""
    eta = np.full(len(matrix), gamma[0] - float((gamma[1:] / scale * centre).sum()))
    for place in range(matrix.shape[1]):
        eta += matrix[:, place] * (gamma[place + 1] / scale[place])
    return eta


def _separated(design: Design, pull: np.ndarray) -> UserError:
    """pull: how far each column still moves the linear predictor in one step."""
    name = design.names[int(np.nanargmax(np.abs(pull)))] if len(pull) else ""
    return UserError(
        f'The covariates tell the treated from the others without error (most of all "{name}"), so no chance of being '
        f"treated can be estimated.",
        remedy=f'Leave "{name}" out of the covariates, name it under exact, or drop the rows whose group has no '
        f"treated or only treated students.")


def _describe(design: Design, centre: np.ndarray, scale: np.ndarray, gamma: np.ndarray, gram: np.ndarray,
              eta: np.ndarray, deviance: float, link: str) -> Fit:
    """Back from standardized columns to the reader's units; the information matrix is the last step's, as in glm."""
    to_raw = np.eye(len(gamma))
    to_raw[0, 1:] = -centre / scale
    to_raw[1:, 1:] = np.diag(1 / scale)
    cov = to_raw @ np.linalg.inv(gram) @ to_raw.T
    return Fit(("(Intercept)", *design.names), to_raw @ gamma, np.sqrt(np.diag(cov)), eta,
               _mean_and_slope(eta, link)[0], deviance, link)
