"""Local polynomials at a threshold: jump, its bias and variance, and the bandwidth with the least squared error.

Calonico, Cattaneo & Titiunik 2014, doi:10.3982/ECTA11757; bandwidth with the regularisation of Calonico, Cattaneo &
Farrell 2020, doi:10.1093/ectj/utz022. Everything is a weighted sum of outcomes, so one set of weights per side serves
the value, its bias and every variance. Triangular kernel; a line for the jump, a parabola for its bias.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import UserError
from evalkit.estimators.linear import Array

_PILOT = 2.576
"""Constant of the pilot bandwidth for a triangular kernel (Calonico, Cattaneo & Titiunik 2014, supplement)."""
_FEWEST = 10
"""Different scores the pilot must hold on each side where a fifth of the scores are ties."""
_EDGE = 1 + np.sqrt(np.finfo(float).eps)


@dataclass(frozen=True)
class Side:
    """The students on one side of the threshold: signed distance x, outcome y, weight."""

    x: Array
    y: Array
    weight: Array


@dataclass(frozen=True)
class LocalFit:
    """A weighted polynomial near the threshold. rows: used; operator @ y[rows]: coefficients; leverage by row."""

    rows: NDArray[np.bool_]
    operator: Array
    leverage: Array
    degree: int

    def coefficients(self, side: Side) -> Array:
        return self.operator @ side.y[self.rows]

    def variance(self, side: Side, order: int) -> float:
        """HC2 variance of one coefficient."""
        powers = np.vander(side.x[self.rows], self.degree + 1, increasing=True)
        left = (side.y[self.rows] - powers @ self.coefficients(side)) ** 2 / np.maximum(1 - self.leverage, 1e-8)
        return float((self.operator[order] ** 2 * left).sum())


def local_fit(side: Side, width: float, degree: int) -> LocalFit:
    """Triangular weights up to `width`; refused with fewer different scores than coefficients."""
    kernel = np.maximum(1 - np.abs(side.x) / width, 0.0) * side.weight
    rows = kernel > 0
    x = side.x[rows] / width
    if len(np.unique(x)) <= degree:
        raise UserError("Too few different scores lie near the threshold to choose a bandwidth from.",
                        remedy="Give the bandwidth, or another design.")
    powers = np.vander(x, degree + 1, increasing=True)
    root = np.sqrt(kernel[rows])
    q, r = np.linalg.qr(powers * root[:, None])
    scale = float(width) ** -np.arange(degree + 1.0)
    operator = scale[:, None] * np.linalg.solve(r, q.T * root[None, :])
    return LocalFit(rows, operator, (q**2).sum(axis=1), degree)


def mse_bandwidths(below: Side, above: Side) -> tuple[float, float]:
    """(bandwidth of the jump, bandwidth of its bias): the least mean squared error of the difference."""
    x = np.concatenate([below.x, above.x])
    most = float(np.abs(x).max())
    pilot, least = _pilot(below, above, x, most)

    def step(degree: int, order: int, widths: tuple[float, float], regular: float) -> float:
        one, two = (_pieces(side, degree, order, pilot, width, regular)
                    for side, width in zip((below, above), widths, strict=True))
        squared = (two[1] - one[1]) ** 2 + one[2] + two[2]
        return float(((one[0] + two[0]) / squared) ** (1 / (2 * degree + 3)))

    reach = (float(np.abs(below.x).max()) * _EDGE, float(np.abs(above.x).max()) * _EDGE)
    first = max(min(step(3, 3, reach, 0.0), most), least)
    bias = min(step(2, 2, (first, first), 1.0), most)
    return min(step(1, 0, (bias, bias), 1.0), most), bias


def _pilot(below: Side, above: Side, x: Array, most: float) -> tuple[float, float]:
    """The pilot bandwidth and, where many scores are ties, the least one that holds enough different scores."""
    different = [np.unique(np.abs(side.x)) for side in (below, above)]
    low, high = np.quantile(x, [0.25, 0.75], method="averaged_inverted_cdf")
    spread = min(float(x.std(ddof=1)), float(high - low) / 1.349)
    n_different = sum(len(values) for values in different)
    pilot = min(_PILOT * spread * n_different**-0.2, most)
    tied = max(1 - len(values) / len(side.x) for values, side in zip(different, (below, above), strict=True))
    least = max(values[min(_FEWEST, len(values)) - 1] for values in different) * _EDGE if tied >= 0.2 else 0.0
    return max(pilot, float(least)), float(least)


def _pieces(side: Side, degree: int, order: int, pilot: float, width: float,
            regular: float) -> tuple[float, float, float]:
    """Variance, bias and regularisation of one coefficient of a polynomial, all per unit of bandwidth."""
    fit, wide = local_fit(side, pilot, degree), local_fit(side, width, degree + 1)
    constant = pilot**order * float(fit.operator[order] @ (side.x[fit.rows] / pilot) ** (degree + 1))
    variance = (2 * order + 1) * pilot ** (2 * order + 1) * fit.variance(side, order)
    factor = 2 * (degree + 1 - order)
    bias = np.sqrt(factor) * constant * float(wide.coefficients(side)[-1])
    noise = regular * factor * 3 * constant**2 * wide.variance(side, degree + 1) if regular else 0.0
    return variance, float(bias), float(noise)


@dataclass(frozen=True)
class Jump:
    """value: local linear. corrected: less its bias. weights, residuals, leverage: of the latter; n: rows used."""

    value: float
    corrected: float
    weights: Array
    residuals: Array
    leverage: Array
    n: int


def side_jump(side: Side, width: float, bias_width: float) -> Jump:
    """The level at the threshold on one side (sign left to the caller), with bias correction."""
    line, curve = local_fit(side, width, 1), local_fit(side, bias_width, 2)
    plain, bent = np.zeros(len(side.x)), np.zeros(len(side.x))
    plain[line.rows], bent[curve.rows] = line.operator[0], curve.operator[2]
    weights = plain - float(plain @ side.x**2) * bent
    leverage = np.zeros(len(side.x))
    leverage[curve.rows] = curve.leverage
    near = line.rows | curve.rows
    fitted = np.vander(side.x, 3, increasing=True) @ curve.coefficients(side)
    residuals = np.where(near, side.y - fitted, 0.0)
    return Jump(float(plain @ side.y), float(weights @ side.y), weights, residuals, leverage, int(near.sum()))
