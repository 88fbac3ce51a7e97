"""Regression of school series with each school's level and trend taken out, and errors that allow for carry-over.

Newey & West 1987, doi:10.2307/1913610, with the lag of Newey & West 1994; where schools without a change are missing
scores are added up over schools first (Driscoll & Kraay 1998, doi:10.1162/003465398557825), for what happens in a
month happens to all. With four schools a side: CR2 by school (Pustejovsky & Tipton 2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evalkit.estimators.linear import Array, Fit, weighted_least_squares
from evalkit.estimators.panel_data import PanelData
from evalkit.estimators.variance import cluster_error

ENOUGH = 4
"""Schools on each side from which the error is taken by school."""


@dataclass(frozen=True)
class SeriesFit:
    """kind: CR2 or newey_west. covariance and df: of Newey-West, None where each contrast has its own (CR2)."""

    fit: Fit
    data: PanelData
    kind: str
    lags: int | None
    covariance: Array | None
    df: float
    caveats: tuple[str, ...] = ()

    def contrast(self, weights: dict[str, float]) -> Array:
        vector = np.zeros(self.fit.rank)
        for name, weight in weights.items():
            vector[self.fit.names.index(name)] += weight
        return vector

    def say(self, contrast: Array) -> tuple[float, float, float]:
        """Value, standard error and degrees of freedom of a sum of coefficients."""
        value = float(contrast @ self.fit.coef)
        if self.covariance is None:
            error, df = cluster_error(self.fit, contrast, self.data.clusters[self.data.unit].astype(np.intp), "CR2")
            return value, error, df
        return value, float(np.sqrt(max(contrast @ self.covariance @ contrast, 0.0))), self.df


def fit_series(data: PanelData, columns: Array, names: tuple[str, ...], shared: Array, *, alone: bool, kind: str,
               lags: int | None) -> SeriesFit:
    """Weighted regression on period (or month) terms and the breaks; levels and trends of schools are taken out."""
    table = _without_trends(data, np.column_stack([data.y, shared, columns]))
    shared_names = tuple(f"period {index}" for index in range(shared.shape[1]))
    fit = weighted_least_squares(table[:, 1:], table[:, 0], data.weight, (*shared_names, *names))
    chosen = _kind(data, kind, alone)
    if chosen == "CR2":
        return SeriesFit(fit, data, chosen, None, None, np.nan)
    used = int(4 * (data.n_periods / 100) ** (2 / 9)) if lags is None else int(lags)
    covariance, df = _newey_west(fit, data, max(1, used), alone)
    n_sides = (int(data.ever_treated.sum()), int((~data.ever_treated).sum()))
    few = () if alone or min(n_sides) >= ENOUGH else (
        f"{n_sides[0]} schools with and {n_sides[1]} without the change: the interval rests on how steady each school's "
        "own series was, not on how schools differ.",)
    return SeriesFit(fit, data, chosen, max(1, used), covariance, df, few)


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


def _newey_west(fit: Fit, data: PanelData, lags: int, alone: bool) -> tuple[Array, float]:
    """Bartlett weights within each school, or over the sum of schools where none can say what is shared."""
    spare = np.maximum(1 - fit.leverage - _trend_leverage(data), 0.05)
    scores = np.zeros((data.n_units, data.n_periods, fit.rank))
    scores[data.unit, data.time] = fit.scores / spare[:, None]
    if alone:
        scores = scores.sum(axis=0, keepdims=True)
    meat = np.einsum("utp,utq->pq", scores, scores)
    for lag in range(1, lags + 1):
        cross = np.einsum("utp,utq->pq", scores[:, lag:], scores[:, :-lag])
        meat += (1 - lag / (lags + 1)) * (cross + cross.T)
    df = data.n_periods - 2 - fit.rank if alone else fit.n - fit.rank - 2 * data.n_units
    return fit.bread @ meat @ fit.bread, float(max(df, 2))


def _trend_leverage(data: PanelData) -> Array:
    """What a school's own level and trend take of each of its points."""
    found = np.empty(len(data.y))
    for unit in range(data.n_units):
        rows = data.unit == unit
        line = np.column_stack([np.ones(int(rows.sum())), data.time[rows]]) * np.sqrt(data.weight[rows])[:, None]
        found[rows] = (np.linalg.qr(line)[0] ** 2).sum(axis=1)
    return found
