"""Interaction-weighted event study: Sun & Abraham 2021, doi:10.1016/j.jeconom.2020.09.006.

Cohort by event-time columns with unit and period effects, the never treated as reference; averaged by cohort share.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.errors import UserError
from evalkit.estimators.leads import lead_test
from evalkit.estimators.linear import Array
from evalkit.estimators.panel_data import PanelData, make_panel
from evalkit.estimators.panel_estimate import panel_estimate
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request
from evalkit.estimators.within import fit_within, within_error


def run(panel: pd.DataFrame | None, comparison: Any, ask: Request) -> Estimate:
    """The average over all treated rows; details hold the event study."""
    data = make_panel(panel, comparison, ask)
    if data.ever_treated.all():
        raise UserError("Sun & Abraham needs units that are never treated as the reference.",
                        remedy='Use estimator = "callaway_santanna" with control_group = "notyet".')
    columns, cohort, event = _interactions(data)
    found = fit_within(data, columns, tuple(f"cohort {c} event {e}" for c, e in zip(cohort, event, strict=True)))
    size = np.array([data.weight[columns[:, index] > 0].sum() for index in range(columns.shape[1])])
    value, error = _average(found.coef, found.covariance, np.where(event >= 0, size, 0.0))
    df = found.df
    if ask.standard_errors == "CR2":
        contrast = np.zeros(found.fit.rank)
        contrast[: found.n_shown] = np.where(event >= 0, size, 0.0) / size[event >= 0].sum()
        error, df = within_error(data, found, contrast, "CR2")
    steps = [int(step) for step in np.unique(event)]
    study = [_average(found.coef, found.covariance, np.where(event == step, size, 0.0)) for step in steps]
    return panel_estimate(data, ask, value, error, df, details={
        "pre_test": lead_test(data), "event": steps, "event_att": [att for att, _ in study],
        "event_standard_error": [se for _, se in study]})


def _interactions(data: PanelData) -> tuple[Array, NDArray[np.int64], NDArray[np.int64]]:
    """One column per cohort and event time, the period before the start left out as the base."""
    first, event = data.first[data.unit], data.time - data.first[data.unit]
    pairs = sorted({(int(f), int(e)) for f, e in zip(first, event, strict=True) if f < 10**9 and e != -1})
    columns = np.column_stack([((first == f) & (event == e)).astype(float) for f, e in pairs])
    return columns, np.array([f for f, _ in pairs]), np.array([e for _, e in pairs])


def _average(coef: Array, covariance: Array, size: Array) -> tuple[float, float]:
    share = size / size.sum()
    return float(share @ coef), float(np.sqrt(share @ covariance @ share))
