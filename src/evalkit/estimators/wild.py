"""Wild cluster bootstrap with the null imposed, by enumeration of all sign vectors when clusters are few.

Cameron, Gelbach & Miller 2008, doi:10.1162/rest.90.3.414 (WCR, Rademacher signs, CR0 in the t statistic: any scale
cancels). With G clusters no two-sided p below 2 / 2^G exists.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.estimators.linear import Array, Fit

MOST_ENUMERATED = 12
_TIE = 1e-10
"""t statistics closer than this are the same sign pattern seen twice, not a difference (as the golden code)."""


@dataclass(frozen=True)
class WildTest:
    """p_value counts ties as extreme (the safe side), p_strict does not; the interval inverts the p_value test."""

    t: float
    p_value: float
    p_strict: float
    ci_low: float | None
    ci_high: float | None
    draws: int
    n_clusters: int
    enumerated: bool

    @property
    def least_p(self) -> float:
        return 2.0 / self.draws


@dataclass(frozen=True)
class _Pieces:
    """Per cluster, linear in the null value b: numerator steps s(b) and the table T(b) of score responses."""

    step_y: Array
    step_d: Array
    table_y: Array
    table_d: Array
    estimate: float
    signs: Array

    def statistics(self, null: float) -> tuple[float, Array]:
        """The observed t and the t of every sign vector under the null value."""
        step, table = self.step_y - null * self.step_d, self.table_y - null * self.table_d
        spread = np.sqrt(((self.signs @ table.T) ** 2).sum(axis=1))
        draws = np.divide(self.signs @ step, spread, out=np.zeros(len(spread)), where=spread > 0)
        return (self.estimate - null), draws


def wild_cluster_test(fit: Fit, contrast: Array, clusters: NDArray[np.intp], *, level: float = 0.95, seed: int = 20260,
                      draws: int = 9_999, interval: bool = True) -> WildTest:
    """Test one coefficient against zero and, with `interval`, invert the test. contrast must pick one coefficient."""
    n_clusters = len(np.unique(clusters))
    signs = _sign_vectors(n_clusters, draws, seed)
    pieces, error = _pieces(fit, contrast, np.unique(clusters, return_inverse=True)[1], signs)
    p_ge, p_gt = _p_values(pieces, 0.0, error)
    low = high = None
    if interval and 2.0 / len(signs) < 1 - level:
        low, high = (_edge(pieces, error, 1 - level, side) for side in (-1, 1))
    return WildTest(t=pieces.estimate / error, p_value=p_ge, p_strict=p_gt, ci_low=low, ci_high=high, draws=len(signs),
                    n_clusters=n_clusters, enumerated=n_clusters <= MOST_ENUMERATED)


def _sign_vectors(n_clusters: int, draws: int, seed: int) -> Array:
    if n_clusters <= MOST_ENUMERATED:
        bits = np.arange(2**n_clusters)[:, None] >> np.arange(n_clusters)[None, :] & 1
        return 1.0 - 2.0 * bits
    rng = np.random.default_rng(seed)
    return rng.choice([-1.0, 1.0], size=(draws, n_clusters))


def _pieces(fit: Fit, contrast: Array, clusters: NDArray[np.intp], signs: Array) -> tuple[_Pieces, float]:
    """Restricted residuals of the outcome and of the tested column, and what each cluster's sign flip does."""
    column = int(np.flatnonzero(contrast)[0])
    tested, rest = fit.design[:, column], np.delete(fit.design, column, axis=1)
    estimate = float(contrast @ fit.coef)
    root = np.sqrt(fit.weights)
    outcome = fit.residuals + fit.design @ fit.coef
    restricted = [target - rest @ np.linalg.lstsq(rest * root[:, None], target * root, rcond=None)[0]
                  for target in (outcome, tested)]
    direction = fit.weights * (fit.design @ (fit.bread @ contrast))
    steps, tables = zip(*(_responses(fit, direction, residual, clusters) for residual in restricted), strict=True)
    error = float(np.sqrt((np.bincount(clusters, direction * fit.residuals) ** 2).sum()))
    return _Pieces(steps[0], steps[1], tables[0], tables[1], estimate, signs), error


def _responses(fit: Fit, direction: Array, residual: Array, clusters: NDArray[np.intp]) -> tuple[Array, Array]:
    """Numerator per cluster, and T[g, h]: the score of cluster g when the residuals of cluster h are switched on."""
    n_clusters = int(clusters.max()) + 1
    step = np.bincount(clusters, direction * residual, minlength=n_clusters)
    weighted = np.zeros((n_clusters, fit.rank))
    np.add.at(weighted, clusters, fit.design * (fit.weights * residual)[:, None])
    pulled = np.zeros((n_clusters, fit.rank))
    np.add.at(pulled, clusters, fit.design * direction[:, None])
    return step, np.diag(step) - pulled @ fit.bread @ weighted.T


def _p_values(pieces: _Pieces, null: float, error: float) -> tuple[float, float]:
    distance, draws = pieces.statistics(null)
    observed = abs(distance) / error
    return float((np.abs(draws) >= observed - _TIE).mean()), float((np.abs(draws) > observed + _TIE).mean())


def _edge(pieces: _Pieces, error: float, alpha: float, side: int) -> float | None:
    """The null value on one side at which p falls to alpha; None when it never does."""
    from scipy.optimize import brentq  # slow to import: only where it is asked for

    def excess(distance: float) -> float:
        return _p_values(pieces, pieces.estimate + side * distance, error)[0] - alpha

    far = error
    for _ in range(40):
        if excess(far) <= 0:
            return pieces.estimate + side * float(brentq(excess, 0.0, far, xtol=error * 1e-6))
        far *= 1.6
    return None
