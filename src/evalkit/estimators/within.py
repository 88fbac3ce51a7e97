"""Unit and period effects taken out exactly: units by demeaning, periods as columns (few periods, many units).

Frisch & Waugh 1933. Clustered errors with the small-sample factor of fixest: G/(G-1) * (n-1)/(n-K), where effects
nested in the clusters are not counted in K.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import UserError
from evalkit.estimators.aggregate import cluster_sums
from evalkit.estimators.linear import Array, Fit, weighted_least_squares
from evalkit.estimators.panel_data import PanelData
from evalkit.estimators.variance import cluster_error

_LOST = "Unit and period effects leave nothing to tell the treated from the others by."
_LOST_REMEDY = "There must be units not treated in the same periods."


@dataclass(frozen=True)
class WithinFit:
    """fit: the regression after unit means are out; n_shown: its leading columns of interest."""

    fit: Fit
    n_shown: int
    covariance: Array
    df: float

    @property
    def coef(self) -> Array:
        return self.fit.coef[: self.n_shown]


def demean(values: Array, unit: NDArray[np.int64], weight: Array) -> Array:
    """Weighted unit means taken out of every column."""
    table = values if values.ndim == 2 else values[:, None]
    total = np.bincount(unit, weight)
    whole = np.where(total > 0, total, 1.0)  # a unit without a row here has no mean, and nobody asks for it
    means = np.column_stack([np.bincount(unit, weight * column) for column in table.T]) / whole[:, None]
    return (table - means[unit]).reshape(values.shape)


def period_columns(time: NDArray[np.int64], n_periods: int) -> Array:
    """A column per period but the first."""
    return (time[:, None] == np.arange(1, n_periods)[None, :]).astype(float)


def fit_within(data: PanelData, columns: Array, names: tuple[str, ...], *, outcome: Array | None = None,
               weight: Array | None = None, kind: str = "CR1S") -> WithinFit:
    """Weighted regression of the outcome on `columns` with unit and period effects, errors by the panel's clusters.

    kind: CR1S, or CR3, the jackknife over whole clusters (MacKinnon, Nielsen & Webb 2023, doi:10.1002/jae.2969) with
    the same small-sample factor, as pyfixest's CRV3.
    """
    y, w = (data.y if outcome is None else outcome), (data.weight if weight is None else weight)
    periods = period_columns(data.time, data.n_periods)
    design = demean(np.hstack([columns, periods]), data.unit, w)
    _refuse_periods(design[:, :len(names)], design[:, len(names):], w, names)
    fit = weighted_least_squares(design, demean(y, data.unit, w), w,
                                 (*names, *(f"period {index}" for index in range(1, data.n_periods))))
    lost = [name for name in names if name in fit.dropped]
    if lost:
        raise UserError(_LOST, culprits=lost, remedy=_LOST_REMEDY)
    shown = len(names)
    clusters = data.clusters[data.unit]
    factor, df = small_sample(len(y), fit.rank, clusters, nested=_nested(data))
    if kind == "CR3":
        return WithinFit(fit, shown, factor * jackknife(fit, clusters)[:shown, :shown], df)
    sums = cluster_sums(fit.scores, clusters)
    covariance = factor * (fit.bread @ (sums.T @ sums) @ fit.bread)[:shown, :shown]
    return WithinFit(fit, shown, covariance, df)


_NOTHING_LEFT = 1e-8
"""Share of a column's length left beside the periods below which only rounding is left."""


def _refuse_periods(columns: Array, periods: Array, weight: Array, names: tuple[str, ...]) -> None:
    """What all units have in the same periods cannot be told from the periods (the fit would drop a period instead)."""
    root = np.sqrt(weight)[:, None]
    shown, other = columns * root, periods * root
    left = shown - other @ np.linalg.lstsq(other, shown, rcond=None)[0]
    short = np.linalg.norm(left, axis=0) <= _NOTHING_LEFT * np.maximum(np.linalg.norm(shown, axis=0), 1e-300)
    if short.any():
        raise UserError(_LOST, culprits=[name for name, gone in zip(names, short, strict=True) if gone],
                        remedy=_LOST_REMEDY)


def within_error(data: PanelData, found: WithinFit, contrast: Array, kind: str) -> tuple[float, float]:
    """(standard error, df) of a contrast: CR1S or CR3 with clusters - 1, or CR2 with Satterthwaite df.

    CR2 on the demeaned rows is right because unit effects are nested in the clusters (Pustejovsky & Tipton 2018).
    """
    if kind == "CR2":
        return cluster_error(found.fit, contrast, data.clusters[data.unit].astype(np.intp), "CR2")
    shown = contrast[: found.n_shown]
    return float(np.sqrt(shown @ found.covariance @ shown)), found.df


def jackknife(fit: Fit, clusters: NDArray[np.int64]) -> Array:
    """Squared moves of the coefficients as each cluster is left out, added up. Units lie in one cluster, so that their
    means stay as they are. NaN where the coefficients cannot be had without some cluster.
    """
    whole = np.linalg.inv(fit.bread)
    total = np.zeros_like(whole)
    for code in np.unique(clusters):
        rows = clusters == code
        design = fit.design[rows]
        rest = whole - (design * fit.weights[rows][:, None]).T @ design
        if np.linalg.cond(rest) > 1e13:
            return np.full_like(whole, np.nan)
        moved = np.linalg.solve(rest, fit.scores[rows].sum(axis=0))
        total += np.outer(moved, moved)
    return total


def _nested(data: PanelData) -> bool:
    """Units sit whole in their cluster: always so here, where a unit has one cluster."""
    return len(data.clusters) == data.n_units


def small_sample(n: int, rank: int, clusters: NDArray[np.int64], *, nested: bool = True) -> tuple[float, float]:
    """fixest's factor and its t degrees of freedom, clusters - 1."""
    n_clusters = len(np.unique(clusters))
    if n_clusters < 2:
        raise UserError("All units are in one cluster, so its standard error cannot be had.",
                        remedy="Cluster by the student.")
    counted = rank + 1 if nested else rank
    return n_clusters / (n_clusters - 1) * (n - 1) / (n - counted), float(n_clusters - 1)
