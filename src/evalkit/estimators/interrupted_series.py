"""Interrupted time series of schools, a plan change as the break: change in level and in slope.

Wagner, Soumerai, Zhang & Ross-Degnan 2002, doi:10.1046/j.1365-2710.2002.00430.x; Bernal, Cummins & Gasparrini 2017,
doi:10.1093/ije/dyw098. Errors by Newey & West 1987 within each school's series. Schools without a break, where there
are any, take out what all schools share (a comparative series).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import UserError
from evalkit.estimators.linear import Array, Fit, weighted_least_squares
from evalkit.estimators.panel_data import NEVER, PanelData, make_panel
from evalkit.estimators.panel_estimate import panel_estimate
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request

_BEFORE, _AFTER = 4, 3


def run(panel: pd.DataFrame | None, comparison: Any, ask: Request) -> Estimate:
    """The change in level at the break; details: change in slope, effect at the end.

    panel: a row per school and period; first_treated: the first period after the plan change (missing: none).
    """
    data = make_panel(panel, comparison, ask)
    _refuse_short(data)
    since = np.maximum(data.time - data.first[data.unit], 0.0)
    columns, names = _columns(data, since)
    fit = weighted_least_squares(columns, data.y, data.weight, names)
    if "level" not in fit.names:
        raise UserError("The break cannot be told from the trend or from what all schools share.",
                        remedy="Give more periods, or schools without a change.")
    covariance = _newey_west(fit, data)
    index = fit.names.index("level")
    details: dict[str, Any] = {"n_units": data.n_units, "comparative": bool((~data.ever_treated).any())}
    if "slope" in fit.names:
        step, last = fit.names.index("slope"), float(since.max())
        at_end = np.zeros(fit.rank)
        at_end[[index, step]] = 1.0, last
        details |= {"slope": float(fit.coef[step]), "slope_standard_error": float(np.sqrt(covariance[step, step])),
                    "effect_at_end": float(at_end @ fit.coef),
                    "effect_at_end_standard_error": float(np.sqrt(at_end @ covariance @ at_end))}
    alone = () if details["comparative"] else (
        "No school without the change is in the series, so anything else that happened then is part of this number.",)
    return panel_estimate(data, ask, float(fit.coef[index]), float(np.sqrt(covariance[index, index])),
                          float(fit.n - fit.rank), details=details, caveats=alone)


def _refuse_short(data: PanelData) -> None:
    starts = data.first[data.ever_treated]
    if not len(starts):
        raise UserError("No school has a break in its series.", remedy="Give the first period after the plan change.")
    if starts.min() < _BEFORE or data.n_periods - starts.max() < _AFTER:
        raise UserError(f"An interrupted series needs {_BEFORE} periods before the break and {_AFTER} after it.",
                        remedy="Wait for more months, or use weeks.")


def _columns(data: PanelData, since: Array) -> tuple[Array, tuple[str, ...]]:
    units = (data.unit[:, None] == np.arange(data.n_units)[None, :]).astype(float)
    trend = units * data.time[:, None]
    on = (data.is_on & (data.first[data.unit] < NEVER)).astype(float)
    shared = ((data.time[:, None] == np.arange(1, data.n_periods)[None, :]).astype(float)
              if (~data.ever_treated).any() else np.zeros((len(on), 0)))
    names = (*(f"unit {u}" for u in range(data.n_units)), *(f"trend {u}" for u in range(data.n_units)),
             *(f"period {t}" for t in range(1, shared.shape[1] + 1)), "level", "slope")
    return np.column_stack([units, trend, shared, on, on * since]), names


def _newey_west(fit: Fit, data: PanelData) -> Array:
    """Bartlett weights up to floor(4 (T/100)^(2/9)) lags (at least 1), within each unit, with n / (n - k)."""
    lags = max(1, int(4 * (data.n_periods / 100) ** (2 / 9)))
    scores = np.zeros((data.n_units, data.n_periods, fit.rank))
    scores[data.unit, data.time] = fit.scores
    meat = np.einsum("utp,utq->pq", scores, scores)
    for lag in range(1, lags + 1):
        cross = np.einsum("utp,utq->pq", scores[:, lag:], scores[:, :-lag])
        meat += (1 - lag / (lags + 1)) * (cross + cross.T)
    return fit.bread @ meat @ fit.bread * fit.n / (fit.n - fit.rank)
