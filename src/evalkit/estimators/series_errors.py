"""Regression of school series with each school's level and trend taken out, and errors that allow for carry-over.

Newey & West 1987, doi:10.2307/1913610, prewhitened (Andrews & Monahan 1992, doi:10.2307/2951574) with the lag of
Newey & West 1994; where schools without a change are missing scores are added up over schools first (Driscoll & Kraay
1998, doi:10.1162/003465398557825), for what happens in a month happens to all. With four schools a side: CR2 by school
(Pustejovsky & Tipton 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from evalkit.estimators.linear import Array, Fit, weighted_least_squares
from evalkit.estimators.panel_data import PanelData
from evalkit.estimators.variance import adjusted_scores, cluster_error

ENOUGH = 4
"""Schools on each side from which the error is taken by school."""
_MOST_CARRY = 0.9


@dataclass(frozen=True)
class SeriesFit:
    """kind: CR2 or newey_west (then with its lags). alone: no school without a change is there."""

    fit: Fit
    data: PanelData
    kind: str
    lags: int
    alone: bool
    caveats: tuple[str, ...] = ()

    def contrast(self, weights: dict[str, float]) -> Array:
        vector = np.zeros(self.fit.rank)
        for name, weight in weights.items():
            vector[self.fit.names.index(name)] += weight
        return vector

    def say(self, contrast: Array) -> tuple[float, float, float]:
        """Value, standard error and degrees of freedom of a sum of coefficients."""
        value = float(contrast @ self.fit.coef)
        if self.kind == "CR2":
            return value, *self._by_school(contrast)
        return value, *(self._summed(contrast) if self.alone else self._by_series(contrast))

    def _by_school(self, contrast: Array) -> tuple[float, float]:
        return cluster_error(self.fit, contrast, self.data.clusters[self.data.unit].astype(np.intp), "CR2")

    def _by_series(self, contrast: Array) -> tuple[float, float]:
        """Each school's series on its own; residuals enlarged for what the fit took of them."""
        data, fit = self.data, self.fit
        spare = np.maximum(1 - (self._basis**2).sum(axis=1), 0.05)
        scores = np.zeros((data.n_units, data.n_periods))
        scores[data.unit, data.time] = fit.scores @ (fit.bread @ contrast) / np.sqrt(spare)
        error = max(float(np.sqrt(long_run(scores, self.lags))), self._carried(contrast))
        return error, float(max(fit.n - self._basis.shape[1], 2))

    @cached_property
    def _basis(self) -> Array:
        """Orthonormal columns that span everything fitted: the schools' levels and trends, and the design."""
        data, root = self.data, np.sqrt(self.data.weight)[:, None]
        lines = np.zeros((len(data.y), 2 * data.n_units))
        for unit in range(data.n_units):
            rows = data.unit == unit
            line = np.column_stack([np.ones(int(rows.sum())), data.time[rows] - data.time[rows].mean()])
            lines[rows, 2 * unit: 2 * unit + 2] = np.linalg.qr(line * root[rows])[0]
        return np.hstack([lines, np.linalg.qr(self.fit.design * root)[0]])

    @cached_property
    def _followers(self) -> Array:
        """Pairs (row, row of the month before) within a school."""
        place = np.full((self.data.n_units, self.data.n_periods), -1)
        place[self.data.unit, self.data.time] = np.arange(len(self.data.y))
        pairs = np.column_stack([place[:, 1:].ravel(), place[:, :-1].ravel()])
        return pairs[(pairs >= 0).all(axis=1)]

    @cached_property
    def carry(self) -> float:
        """Correlation of a month's deviation with the last one's, corrected for what the fit takes of it.

        Under independence residuals correlate by -sum H(i, i-1) / (n - k); the shortfall grows as 1 + 2 r (Kendall
        1954).
        """
        left = self.fit.residuals * np.sqrt(self.data.weight)
        now, last = self._followers.T
        found = float(left[now] @ left[last]) / float(left @ left)
        short = float((self._basis[now] * self._basis[last]).sum()) / max(len(left) - self._basis.shape[1], 1)
        return min(max((found + short) / max(1 - 2 * short, 0.3), 0.0), _MOST_CARRY)

    def _carried(self, contrast: Array) -> float:
        """The error if every school's deviations carry over by `carry`: a floor for Newey-West in short series."""
        data, root = self.data, np.sqrt(self.data.weight)
        lead = root * (self.fit.design @ (self.fit.bread @ contrast))
        left = self.fit.residuals * root
        gap = np.abs(np.subtract.outer(np.arange(data.n_periods), np.arange(data.n_periods)))
        spread, taken = 0.0, 0.0
        for unit in range(data.n_units):
            rows = np.flatnonzero(data.unit == unit)
            shape = self.carry ** gap[np.ix_(data.time[rows], data.time[rows])]
            spread += float(lead[rows] @ shape @ lead[rows])
            taken += float(np.einsum("ik,ij,jk->", self._basis[rows], shape, self._basis[rows], optimize=True))
        return float(np.sqrt(spread * float(left @ left) / max(len(left) - taken, 1.0)))

    def _summed(self, contrast: Array) -> tuple[float, float]:
        """Months added up over schools; never less than the error by school where there are enough of them."""
        periods = self.data.time.astype(np.intp)
        scores = adjusted_scores(self.fit, contrast, periods, "CR2")
        _, df = cluster_error(self.fit, contrast, periods, "CR2")
        error = max(float(np.sqrt(long_run(scores[None, :], self.lags))), self._carried(contrast))
        if len(np.unique(self.data.clusters)) < ENOUGH:
            return error, max(df, 2.0)
        by_school = self._by_school(contrast)
        return by_school if by_school[0] > error else (error, max(df, 2.0))


def long_run(scores: Array, lags: int) -> float:
    """Variance of the sum of series (a row each) whose points carry over: prewhitened, Bartlett weights.

    The carry-over found in residuals is too small by about (2 + 4 r) / T after a level and a trend (Kendall 1954).
    """
    n_periods = scores.shape[1]
    total = float((scores**2).sum())
    carry = float((scores[:, 1:] * scores[:, :-1]).sum()) / total if total > 0 else 0.0
    carry = min(max(carry + (2 + 4 * carry) / n_periods, 0.0), _MOST_CARRY)
    white = np.column_stack([scores[:, :1] * np.sqrt(1 - carry**2), scores[:, 1:] - carry * scores[:, :-1]])
    meat = float((white**2).sum())
    for lag in range(1, lags + 1):
        meat += 2 * (1 - lag / (lags + 1)) * float((white[:, lag:] * white[:, :-lag]).sum())
    return max(meat, 0.5 * float((white**2).sum())) / (1 - carry) ** 2


def fit_series(data: PanelData, columns: Array, names: tuple[str, ...], shared: Array, *, alone: bool, kind: str,
               lags: int | None) -> SeriesFit:
    """Weighted regression on period (or month) terms and the breaks; levels and trends of schools are taken out."""
    table = _without_trends(data, np.column_stack([data.y, shared, columns]))
    shared_names = tuple(f"period {index}" for index in range(shared.shape[1]))
    fit = weighted_least_squares(table[:, 1:], table[:, 0], data.weight, (*shared_names, *names))
    chosen = _kind(data, kind, alone)
    used = max(1, int(4 * (data.n_periods / 100) ** (2 / 9)) if lags is None else int(lags))
    n_sides = (int(data.ever_treated.sum()), int((~data.ever_treated).sum()))
    few = () if alone or min(n_sides) >= ENOUGH else (
        f"{n_sides[0]} schools with and {n_sides[1]} without the change: the interval rests on how steady each "
        "school's own series was, not on how schools differ.",)
    return SeriesFit(fit, data, chosen, used, alone, few)


def _kind(data: PanelData, kind: str, alone: bool) -> str:
    if kind != "auto":
        return kind
    changed = len(np.unique(data.clusters[data.ever_treated]))
    others = len(np.unique(data.clusters[~data.ever_treated]))
    return "CR2" if not alone and min(changed, others) >= ENOUGH else "newey_west"


def _without_trends(data: PanelData, table: Array) -> Array:
    """Every school's own level and trend taken out of each column (Frisch & Waugh 1933)."""
    out = np.empty_like(table)
    order = np.argsort(data.unit, kind="stable")
    ends = np.cumsum(np.bincount(data.unit, minlength=data.n_units))
    for rows in np.split(order, ends[:-1]):
        root = np.sqrt(data.weight[rows])[:, None]
        line = np.column_stack([np.ones(len(rows)), data.time[rows] - data.time[rows].mean()])
        q, _ = np.linalg.qr(line * root)
        inside = table[rows] * root
        out[rows] = (inside - q @ (q.T @ inside)) / root
    return out
