"""Group-time average effects and their influence functions.

Callaway & Sant'Anna 2021, doi:10.1016/j.jeconom.2020.12.001; the 2x2 building blocks by Sant'Anna & Zhao 2020,
doi:10.1016/j.jeconom.2020.06.003 (doubly robust, outcome regression, standardised inverse probability).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evalkit.errors import UserError
from evalkit.estimators.glm import fit_glm
from evalkit.estimators.linear import Array
from evalkit.estimators.panel_data import NEVER, PanelData

_TRIM = 0.995
"""Comparison units with a score above this carry no weight (DRDID's trim level)."""


@dataclass(frozen=True)
class GroupTime:
    """One column of influence per (group, time); codes index `PanelData.times`. NaN where a cell has no answer.

    base: the period each cell is held against; last_before: the last one before its group's start (or anticipation).
    """

    group: NDArray[np.int64]
    time: NDArray[np.int64]
    att: Array
    influence: Array
    first: NDArray[np.int64]
    weight: Array
    clusters: NDArray[np.int64]
    reasons: tuple[str, ...]
    base: NDArray[np.int64]
    last_before: NDArray[np.int64]

    @property
    def n(self) -> int:
        return self.influence.shape[0]


@dataclass(frozen=True)
class Cell:
    group: int
    time: int
    base: int


def group_time_effects(data: PanelData, covariates: Array, *, control_group: str, method: str, base_period: str,
                       anticipation: int, label: Callable[[int], str]) -> GroupTime:
    """ATT(g, t) for every group with a period before its start. covariates: units x p with an intercept first."""
    groups = sorted({int(g) for g in data.first if g < NEVER})
    cells, reasons = _cells(groups, data.n_periods, base_period, anticipation, label)
    small, why = _too_small(data, groups, covariates.shape[1], label)
    reasons += why
    att = np.full(len(cells), np.nan)
    influence = np.zeros((data.n_units, len(cells)))
    solve = _solver(data, covariates, method)
    for group, control, columns in _tasks(data, cells, control_group, anticipation):
        if group in small:
            continue
        found = solve(group, control, [cells[column] for column in columns])
        if isinstance(found, str):
            reasons.append(f"Group {label(group)}: {found}")
            continue
        att[columns], influence[:, columns] = found
    fixed = np.array([cell.time == cell.base for cell in cells])
    att[fixed & ~np.isin([cell.group for cell in cells], list(small))] = 0.0
    group_of, time_of, base_of = (np.array([getattr(c, name) for c in cells]) for name in ("group", "time", "base"))
    return GroupTime(group_of, time_of, att, influence, data.first, _unit_weights(data), data.clusters,
                     tuple(dict.fromkeys(reasons)), base_of, group_of - 1 - anticipation)


def _unit_weights(data: PanelData) -> Array:
    at = np.unique(data.unit, return_index=True)[1]
    return data.weight[at] / data.weight[at].mean()


def _cells(groups: list[int], n_periods: int, base_period: str, anticipation: int,
           label: Callable[[int], str]) -> tuple[list[Cell], list[str]]:
    """Which period each (group, time) is held against: the last before treatment, or the one just before."""
    cells, reasons = [], []
    for group in groups:
        last = group - 1 - anticipation
        if last < 0:
            reasons.append(f"Group {label(group)} has no period before its start and was left out.")
            continue
        for time in range(0 if base_period == "universal" else 1, n_periods):
            base = last if base_period == "universal" or time >= group else time - 1
            cells.append(Cell(group, time, base))
    return cells, reasons


def _too_small(data: PanelData, groups: list[int], n_columns: int,
               label: Callable[[int], str]) -> tuple[set[int], list[str]]:
    """Groups under 5 units plus one per covariate: their standard error would look fine and be far too small."""
    least = n_columns - 1 + 5
    sizes = {group: int((data.first == group).sum()) for group in groups}
    small = {group for group, size in sizes.items() if size < least}
    return small, [f"Group {label(group)} has {sizes[group]} units, fewer than the {least} needed: no number."
                   for group in sorted(small)]


def _tasks(data: PanelData, cells: list[Cell], control_group: str,
           anticipation: int) -> Iterator[tuple[int, NDArray[np.bool_], list[int]]]:
    """(group, control units, columns) with the cells that share a control set together, so models are fitted once."""
    keyed: dict[tuple[int, int], list[int]] = {}
    for column, cell in enumerate(cells):
        if cell.time == cell.base:
            continue
        until = max(cell.time, cell.base) + anticipation if control_group == "notyet" else NEVER - 1
        later = data.first[data.first > until]
        key = int(later.min()) if len(later) else -1
        keyed.setdefault((cell.group, key), []).append(column)
    for (group, key), columns in keyed.items():
        yield group, (data.first >= key) & (data.first != group) if key >= 0 else np.zeros(data.n_units, bool), columns


def _solver(data: PanelData, covariates: Array, method: str) -> Callable[..., tuple[Array, Array] | str]:
    wide, weight = data.wide(data.y), _unit_weights(data)
    if not data.is_balanced and covariates.shape[1] == 1:
        return lambda group, control, cells: _unbalanced_means(wide, weight, data.first == group, control, cells)
    return lambda group, control, cells: _two_by_two(wide, weight, covariates, data.first == group, control, cells,
                                                     method)


def _unbalanced_means(wide: Array, weight: Array, treated: NDArray[np.bool_], control: NDArray[np.bool_],
                      cells: list[Cell]) -> tuple[Array, Array] | str:
    """Four means of whoever is there, influences summed per unit (repeated cross-sections, as did does)."""
    if not control.any():
        return "no comparison unit is left."
    n = len(weight)
    att, influence = np.zeros(len(cells)), np.zeros((n, len(cells)))
    for column, cell in enumerate(cells):
        for arm, sign in ((treated, 1.0), (control, -1.0)):
            for period, side in ((cell.time, sign), (cell.base, -sign)):
                here = arm & ~np.isnan(wide[:, period])
                if not here.any():
                    att[column] = np.nan
                    continue
                mean = np.average(wide[here, period], weights=weight[here])
                att[column] += side * mean
                influence[here, column] += side * n * weight[here] * (wide[here, period] - mean) / weight[here].sum()
    return att, influence


def _two_by_two(wide: Array, weight: Array, covariates: Array, treated: NDArray[np.bool_], control: NDArray[np.bool_],
                cells: list[Cell], method: str) -> tuple[Array, Array] | str:
    if not control.any():
        return "no comparison unit is left."
    n = len(weight)
    rows = np.flatnonzero(treated | control)
    change = np.column_stack([wide[rows, cell.time] - wide[rows, cell.base] for cell in cells])
    att, influence = np.full(len(cells), np.nan), np.zeros((n, len(cells)))
    seen = ~np.isnan(change)
    for pattern in np.unique(seen, axis=1).T if not seen.all() else [np.ones(len(rows), dtype=bool)]:
        columns = np.flatnonzero((seen == pattern[:, None]).all(axis=0))
        use = rows[pattern]
        try:
            one, inf = BLOCKS[method](change[np.ix_(pattern, columns)], treated[use].astype(float), covariates[use],
                                      weight[use])
        except (UserError, np.linalg.LinAlgError):
            return "its covariates tell it apart from the comparison completely or repeat each other: no number."
        att[columns] = one
        influence[np.ix_(use, columns)] = inf * (n / len(use))
    return att, influence


def _means(change: Array, treated: Array, covariates: Array, weight: Array) -> tuple[Array, Array]:
    """No covariates: the change of one arm less the change of the other."""
    one, zero = weight * treated, weight * (1 - treated)
    mean_one, mean_zero = one @ change / one.sum(), zero @ change / zero.sum()
    n = len(weight)
    return mean_one - mean_zero, (n / one.sum() * one[:, None] * (change - mean_one)
                                  - n / zero.sum() * zero[:, None] * (change - mean_zero))


def _regression(change: Array, treated: Array, covariates: Array, weight: Array) -> tuple[Array, Array]:
    """Outcome regression: fitted on the comparison, taken at the treated's covariates."""
    fitted, response = _comparison_fit(change, treated, covariates, weight)
    share = weight * treated
    effect_one, effect_zero = share @ change / share.sum(), share @ fitted / share.sum()
    inf = (share[:, None] * (change - effect_one - fitted + effect_zero)
           - _along(response, share @ covariates / len(share))) / share.mean()
    return effect_one - effect_zero, inf


def _comparison_fit(change: Array, treated: Array, covariates: Array, weight: Array) -> tuple[Array, Array]:
    """Least squares on the comparison: fitted changes (n x m) and the influence of its coefficients (m x n x p)."""
    w = weight * (1 - treated)
    gram = (covariates * w[:, None]).T @ covariates
    if np.linalg.cond(gram) > 1e15:
        raise np.linalg.LinAlgError
    fitted = covariates @ np.linalg.solve(gram, (covariates * w[:, None]).T @ change)
    lead = covariates @ np.linalg.inv(gram / len(w))
    return fitted, (w[:, None] * (change - fitted)).T[:, :, None] * lead[None, :, :]


def _score(treated: Array, covariates: Array, weight: Array) -> tuple[Array, Array]:
    """Propensity scores and the influence of their coefficients (n x p)."""
    names = tuple(map(str, range(covariates.shape[1])))
    model = fit_glm(covariates, treated, weight, names, family="binomial")
    if model.fit.dropped:
        raise np.linalg.LinAlgError
    score = np.minimum(model.mean, 1 - 1e-6)
    inner = (covariates * (weight * score * (1 - score))[:, None]).T @ covariates
    return score, (weight * (treated - score))[:, None] * covariates @ (np.linalg.inv(inner) * len(weight))


def _odds(treated: Array, score: Array, weight: Array) -> Array:
    return np.where((treated == 0) & (score < _TRIM), weight * score * (1 - treated) / (1 - score), 0.0)


def _weighting(change: Array, treated: Array, covariates: Array, weight: Array) -> tuple[Array, Array]:
    """Standardised inverse-probability weighting."""
    score, lead = _score(treated, covariates, weight)
    one, zero = weight * treated, _odds(treated, score, weight)
    effect_one, effect_zero = one @ change / one.sum(), zero @ change / zero.sum()
    pull = (zero[:, None] * covariates).T @ change - np.outer(zero @ covariates, effect_zero)
    n = len(weight)
    inf_one = one[:, None] * (change - effect_one) / one.mean()
    inf_zero = (zero[:, None] * (change - effect_zero) + lead @ (pull / n)) / zero.mean()
    return effect_one - effect_zero, inf_one - inf_zero


def _doubly_robust(change: Array, treated: Array, covariates: Array, weight: Array) -> tuple[Array, Array]:
    """Right if either the score or the outcome model is."""
    fitted, response = _comparison_fit(change, treated, covariates, weight)
    score, lead = _score(treated, covariates, weight)
    one, zero, n = weight * treated, _odds(treated, score, weight), len(weight)
    left = change - fitted
    effect_one, effect_zero = one @ left / one.sum(), zero @ left / zero.sum()
    pull = (zero[:, None] * covariates).T @ left - np.outer(zero @ covariates, effect_zero)
    moved_one, moved_zero = one @ covariates / n, zero @ covariates / n
    inf_one = (one[:, None] * (left - effect_one) - _along(response, moved_one)) / one.mean()
    inf_zero = (zero[:, None] * (left - effect_zero) + lead @ (pull / n) - _along(response, moved_zero)) / zero.mean()
    return effect_one - effect_zero, inf_one - inf_zero


def _along(response: Array, direction: Array) -> Array:
    return (response @ direction).T


BLOCKS: dict[str, Callable[..., tuple[Array, Array]]] = {
    "none": _means, "reg": _regression, "ipw": _weighting, "dr": _doubly_robust}
