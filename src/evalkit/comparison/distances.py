"""Covariates turned so that plain Euclidean distance is the distance asked for.

Mahalanobis with the pooled within-arm covariance (Rubin 1980), rank-based Mahalanobis (Rosenbaum 2010, ch. 8) and
Euclidean on columns divided by the pooled within-arm SD. Factor levels enter all, divided by the square root of 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evalkit.comparison.balance import is_binary
from evalkit.comparison.covariates import Column, filled, indicator
from evalkit.errors import UserError

COVARIATE_DISTANCES = ("mahalanobis", "robust_mahalanobis", "scaled_euclidean")


def metric_columns(columns: Sequence[Column], treated: np.ndarray, usable: np.ndarray, *, distance: str) -> np.ndarray:
    """n x p coordinates; statistics come from the usable rows, coordinates are given for all."""
    raw = _distance_columns(columns)
    if raw.shape[1] == 0:
        raise UserError(f"The {distance} distance has no covariate that differs between students.",
                        remedy="Name covariates that vary.")
    if distance == "mahalanobis":
        return _whitened(raw, _pooled_covariance(raw[usable], treated[usable]))
    if distance == "robust_mahalanobis":
        return _rank_whitened(raw, usable)
    return raw / _pooled_sd(raw[usable], treated[usable])


def _distance_columns(columns: Sequence[Column]) -> np.ndarray:
    parts: list[np.ndarray] = []
    for column in columns:
        if column.levels:
            parts += [(column.values == code) / np.sqrt(2) for code in range(len(column.levels))]
            continue
        parts.append(filled(column))
        if column.absent is not None:
            parts.append(indicator(column)[1])
    parts = [part for part in parts if np.ptp(part) > 1.5e-8]
    return np.stack(parts, axis=1) if parts else np.zeros((0, 0))


def _centred(values: np.ndarray, treated: np.ndarray) -> np.ndarray:
    out = values.copy()
    for arm in (0, 1):
        out[treated == arm] -= out[treated == arm].mean(axis=0)
    return out


def _pooled_covariance(values: np.ndarray, treated: np.ndarray) -> np.ndarray:
    centred = _centred(values, treated)
    return centred.T @ centred / (len(values) - 2)


def _pooled_sd(values: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Pooled within-arm SD; a 0/1 column has variance p(1 - p)."""
    squares = (_centred(values, treated) ** 2).sum(axis=0)
    counts = np.array([len(values) if is_binary(values[:, j]) else len(values) - 2 for j in range(values.shape[1])])
    return np.sqrt(squares / counts)


def _whitened(values: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """values times a root of the (generalized) inverse of the covariance, on standardized columns."""
    scale = np.sqrt(np.diag(covariance))
    scale = np.where(scale > 0, scale, 1.0)
    roots, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    keep = roots > 1e-8 * roots.max()
    return (values - values.mean(axis=0)) / scale @ (vectors[:, keep] / np.sqrt(roots[keep]))


def _rank_whitened(values: np.ndarray, usable: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata  # slow to import, and only this distance needs it

    ranks = np.zeros_like(values)
    ranks[usable] = rankdata(values[usable], axis=0)
    covariance = np.cov(ranks[usable], rowvar=False).reshape(values.shape[1], -1)
    untied = np.arange(1, usable.sum() + 1).std(ddof=1)
    multiplier = untied / np.sqrt(np.diag(covariance))
    rescaled = covariance * np.outer(multiplier, multiplier)
    roots, vectors = np.linalg.eigh(rescaled)
    keep = roots > 1e-8 * roots.max()
    return ranks @ (vectors[:, keep] / np.sqrt(roots[keep]))


def require_overlap(columns: Sequence[Column], treated: np.ndarray, usable: np.ndarray) -> None:
    """A distance between covariates finds a nearest partner however far away; a score refuses such groups by itself."""
    apart = []
    for column in (column for column in columns if not column.levels):
        known = usable & np.isfinite(column.values)
        arms = [column.values[known & (treated == arm)] for arm in (1, 0)]
        if all(map(len, arms)) and (arms[0].min() > arms[1].max() or arms[0].max() < arms[1].min()):
            apart.append(column.name)
    if apart:
        raise UserError("The treated and the others do not overlap: on these covariates every treated student lies on "
                        "one side of all the others.", culprits=apart,
                        remedy="Take other comparison students, or leave out what only says who was treated.")
