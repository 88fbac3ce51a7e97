"""Group-time effects put together: simple, by group, by calendar period, by time since the start.

Callaway & Sant'Anna 2021, section 3; standard errors from influence functions, summed per cluster (sums, not means:
with unequal schools the two differ), uniform bands by the multiplier bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.estimators.group_time import GroupTime
from evalkit.estimators.linear import Array
from evalkit.estimators.panel_data import NEVER

AGGREGATES = ("simple", "event", "group", "calendar")


@dataclass(frozen=True)
class Aggregate:
    """overall: one effect; steps: effects by egt (events, groups or periods). influence columns match."""

    overall: float
    overall_influence: Array
    egt: Array
    att: Array
    influence: Array


def aggregate(effects: GroupTime, kind: str, *, first_event: int | None = None,
              last_event: int | None = None) -> Aggregate:
    """One of AGGREGATES. Cells without an answer are left out (and named where they arose)."""
    known = ~np.isnan(effects.att)
    post = known & (effects.time >= effects.group)
    if kind == "simple":
        att, influence = _weighted(effects, np.flatnonzero(post))
        return Aggregate(att, influence, np.array([]), np.array([]), np.zeros((effects.n, 0)))
    if kind == "group":
        return _by_group(effects, post)
    if kind == "calendar":
        steps = np.unique(effects.time[post])
        return _mean_of(effects, steps, [np.flatnonzero(post & (effects.time == step)) for step in steps],
                        np.ones(len(steps), dtype=bool))
    events = effects.time - effects.group
    steps = np.array([step for step in np.unique(events[known]) if (first_event is None or step >= first_event)
                      and (last_event is None or step <= last_event)])
    return _mean_of(effects, steps, [np.flatnonzero(known & (events == step)) for step in steps], steps >= 0)


def _mean_of(effects: GroupTime, steps: Array, cells: list[NDArray[np.intp]], counted: NDArray[np.bool_]) -> Aggregate:
    """Each step weighs its cells by cohort size; the overall effect is the plain mean of the counted steps."""
    found = [_weighted(effects, cell) for cell in cells]
    att = np.array([value for value, _ in found])
    influence = np.column_stack([inf for _, inf in found]) if found else np.zeros((effects.n, 0))
    if not counted.any():
        return Aggregate(np.nan, np.zeros(effects.n), steps, att, influence)
    return Aggregate(float(att[counted].mean()), influence[:, counted].mean(axis=1), steps, att, influence)


def _by_group(effects: GroupTime, post: NDArray[np.bool_]) -> Aggregate:
    steps = np.unique(effects.group[post])
    cells = [np.flatnonzero(post & (effects.group == step)) for step in steps]
    att = np.array([effects.att[cell].mean() for cell in cells])
    influence = np.column_stack([effects.influence[:, cell].mean(axis=1) for cell in cells])
    overall, overall_influence = _combine(effects, steps, att, influence)
    return Aggregate(overall, overall_influence, steps, att, influence)


def _weighted(effects: GroupTime, cells: NDArray[np.intp]) -> tuple[float, Array]:
    return _combine(effects, effects.group[cells], effects.att[cells], effects.influence[:, cells])


def _combine(effects: GroupTime, groups: NDArray[np.int64], att: Array, influence: Array) -> tuple[float, Array]:
    """Mean weighted by cohort size, with the cohort sizes' own sampling in the influence function."""
    n = effects.n
    share = np.array([effects.weight[effects.first == group].sum() / n for group in groups])
    total = share.sum()
    value = float(share @ att / total)
    # sum over cells of (1{G = g} - p_g) * (att_cell - value) / total, without an n x cells table
    lift = np.zeros(int(groups.max()) + 1)
    np.add.at(lift, groups, (att - value) / total)
    known = effects.first < min(NEVER, len(lift))
    own = np.zeros(n)
    own[known] = effects.weight[known] * lift[effects.first[known]]
    return value, influence @ (share / total) + own - share @ ((att - value) / total)


def cluster_sums(influence: Array, clusters: NDArray[np.int64]) -> Array:
    """Influence added up within clusters, clusters x columns."""
    table = influence if influence.ndim == 2 else influence[:, None]
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(clusters[order]) > 0])
    if len(starts) == len(clusters):
        return table
    return np.add.reduceat(table[order], starts, axis=0)


def covariance(influence: Array, clusters: NDArray[np.int64]) -> Array:
    """Covariance of estimates from their influence: sums per cluster, S'S / n^2."""
    sums = cluster_sums(influence, clusters)
    return sums.T @ sums / len(clusters) ** 2


def multiplier_bands(influence: Array, clusters: NDArray[np.int64], *, draws: int, seed: int,
                     level: float) -> tuple[Array, float]:
    """(standard errors, critical value of the uniform band) from sign multipliers drawn per cluster.

    Standard errors from the interquartile range, as in Callaway & Sant'Anna's algorithm 1.
    """
    sums = cluster_sums(influence, clusters) / len(clusters)
    rng = np.random.default_rng(seed)
    drawn = np.vstack([rng.choice((-1.0, 1.0), size=(min(100, draws - at), sums.shape[0])) @ sums
                       for at in range(0, draws, 100)])
    high, low = np.quantile(drawn, (0.75, 0.25), axis=0)
    error = (high - low) / 1.3489795003921634
    usable = error > 0
    if not usable.any():
        return np.full(sums.shape[1], np.nan), np.nan
    widest = (np.abs(drawn[:, usable]) / error[usable]).max(axis=1)
    return np.where(usable, error, np.nan), float(np.quantile(widest, level))
