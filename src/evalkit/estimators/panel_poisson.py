"""Poisson for days absent with unit and period effects and enrolled days as exposure (a ratio of rates).

Hausman, Hall & Griliches 1984, doi:10.2307/1911191; Wooldridge 1999, doi:10.1016/S0304-4076(98)00033-5: consistent
whatever the spread of the counts. Units that are never absent carry no information and are left out, and said.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import UserError
from evalkit.estimators.leads import lead_test, staggered_test
from evalkit.estimators.linear import Array
from evalkit.estimators.panel_data import PanelData, make_panel
from evalkit.estimators.panel_estimate import LOG_RATIO, panel_estimate
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request, need_columns, numbers
from evalkit.estimators.twfe import WARNING
from evalkit.estimators.within import WithinFit, fit_within

_TOLERANCE, _MOST_STEPS = 1e-12, 100


def run(panel: pd.DataFrame | None, comparison: Any, ask: Request) -> Estimate:
    """The log ratio of rates (negative: fewer absences); details hold the ratio with its interval."""
    exposure = ask.option("exposure", "enrolled_days")
    if panel is not None:
        need_columns(panel, [exposure], what="exposure")
    data, dropped = _with_absences(make_panel(panel, comparison, ask))
    days = numbers(data.frame[exposure])
    if not (days > 0).all():
        raise UserError("Some rows have no enrolled days.", column=exposure, remedy="Leave these rows out.")
    found = _iterate(data, np.log(days))
    value, error = float(found.coef[0]), float(np.sqrt(found.covariance[0, 0]))
    caveats = ((f"{dropped} units without a single absence were left out: they say nothing about a ratio.",)
               if dropped else ())
    made = panel_estimate(data, ask, value, error, found.df, unit=LOG_RATIO,
                          caveats=(*caveats, WARNING) if _is_staggered(data) else caveats)
    edges = {name: None if edge is None else float(np.exp(edge))
             for name, edge in (("ratio_low", made.ci_low), ("ratio_high", made.ci_high))}
    rate = data.y / days
    seen = float(np.average(rate[data.is_on], weights=data.weight[data.is_on]))
    tested = {**lead_test(data, rate), "effect": seen * (1 - float(np.exp(-value))), "unit": "share"}
    return replace(made, details={**made.details, "ratio": float(np.exp(value)), **edges,
                                  "pre_test": tested, "staggered_test": _on_the_rate(data, rate)})


def _on_the_rate(data: PanelData, rate: Array) -> dict[str, Any] | None:
    """Whether it matters that late starters stand in for untreated students: tested on the rate, which is linear."""
    if not _is_staggered(data):
        return None
    data = replace(data, y=rate)
    found = fit_within(data, data.is_on.astype(float)[:, None], ("treated",))
    influence = found.fit.scores @ (found.fit.bread @ found.fit.unit_contrast("treated"))
    return staggered_test(data, float(found.coef[0]), influence)


def _is_staggered(data: PanelData) -> bool:
    return len(np.unique(data.first[data.ever_treated])) > 1


def _with_absences(data: PanelData) -> tuple[PanelData, int]:
    if (data.y < 0).any():
        raise UserError("A count of days is below zero.", remedy="Correct the data.")
    some = np.bincount(data.unit, data.y) > 0
    if some.all():
        return data, 0
    keep, new = some[data.unit], np.cumsum(some) - 1
    return PanelData(data.frame[keep].reset_index(drop=True), new[data.unit[keep]], data.time[keep], data.y[keep],
                     data.weight[keep], data.first[some], data.clusters[some], data.times, data.clustered_by,
                     data.caveats), int((~some).sum())


def _iterate(data: PanelData, offset: Array) -> WithinFit:
    """Weighted least squares steps; unit effects come out by demeaning with the working weights."""
    mean = data.y + 0.1
    column = data.is_on.astype(float)[:, None]
    predictor, last = np.log(mean), 1e9
    for _ in range(_MOST_STEPS):
        working = predictor - offset + (data.y - mean) / mean
        found = fit_within(data, column, ("treated",), outcome=working, weight=data.weight * mean)
        predictor = working - found.fit.residuals + offset
        mean = np.exp(predictor)
        if abs(found.coef[0] - last) <= _TOLERANCE * (1 + abs(last)):
            return found
        last = float(found.coef[0])
    raise UserError("The Poisson model does not settle on an answer.", remedy='Use estimator = "twfe" on the rate.')
