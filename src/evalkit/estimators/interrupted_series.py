"""Interrupted time series of schools, a plan change as the break: change in level and in slope.

Wagner, Soumerai, Zhang & Ross-Degnan 2002, doi:10.1046/j.1365-2710.2002.00430.x; Bernal, Cummins & Gasparrini 2017,
doi:10.1093/ije/dyw098, and 2018, doi:10.1093/ije/dyy135 for series with comparison schools. Each school has its own
level and trend; schools without a break take out what all schools share, month by month.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from evalkit.errors import UserError
from evalkit.estimators.leads import smallest_seen
from evalkit.estimators.linear import Array
from evalkit.estimators.panel_data import PanelData, make_panel
from evalkit.estimators.panel_estimate import panel_estimate
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request
from evalkit.estimators.series_breaks import Break, find_breaks, refuse_short, season_columns
from evalkit.estimators.series_errors import SeriesFit, fit_series

_WINDOW = 3
"""Periods just before the break in which nothing may have changed yet (the pre-test)."""


def run(panel: pd.DataFrame | None, comparison: Any, ask: Request) -> Estimate:
    """The change in level at the first break, averaged over the schools that changed; details: every break and slope.

    panel: a row per school and period; first_treated: the first period after the plan change (missing: none). Options:
    breaks (school -> its periods, where a school changed more than once), season (column of the month of the year),
    lags (of Newey-West). Refused below 4 periods before and 3 after (8 and 4 without comparison schools).
    """
    season = ask.option("season")
    data = make_panel(panel, comparison, ask, extra=(season,) if isinstance(season, str) else ())
    breaks = find_breaks(data, ask)
    alone = not (~data.ever_treated).any()
    refuse_short(data, breaks, alone)
    seasons, said = season_columns(data, season, alone, breaks)
    columns, names = _columns(data, breaks)
    found = fit_series(data, columns, names, seasons, alone=alone, kind=ask.standard_errors, lags=ask.option("lags"))
    _refuse_lost(found, names)
    share = _shares(breaks)
    level = found.contrast({f"level {b.label}": s for b, s in zip(breaks, share, strict=True)})
    value, error, df = found.say(level)
    details = {"n_units": data.n_units, "comparative": not alone, "season": said.startswith("Month"),
               "lags": found.lags if found.kind == "newey_west" else None,
               "breaks": [_row(found, one) for one in breaks], **_later(found, data, breaks, share),
               "pre_test": _pre_test(data, breaks, columns, names, seasons, alone, ask),
               "without_months_before": [_without(data, breaks, columns, names, seasons, alone, ask, months)
                                         for months in range(1, _WINDOW + 1)]}
    caveats = (*(("No school without the change is in the series, so anything else that happened then is part of this "
                  "number.",) if alone else ()), *((said,) if said else ()), *found.caveats)
    asked = Request(**{**ask.__dict__, "standard_errors": found.kind})
    return panel_estimate(data, asked, value, error, df, details=details, caveats=caveats,
                          clustered=found.kind == "CR2")


def _columns(data: PanelData, breaks: list[Break]) -> tuple[Array, tuple[str, ...]]:
    """A level and a slope for each period in which some schools changed."""
    parts, names = [], []
    for one in breaks:
        here = one.units[data.unit]
        since = data.time - one.code
        parts += [(here & (since >= 0)).astype(float), np.where(here, np.maximum(since, 0), 0).astype(float)]
        names += [f"level {one.label}", f"slope {one.label}"]
    return np.column_stack(parts), tuple(names)


def _refuse_lost(found: SeriesFit, names: tuple[str, ...]) -> None:
    lost = [name for name in names if name not in found.fit.names]
    if lost:
        raise UserError("A break cannot be told from the trend, the season or what all schools share.", culprits=lost,
                        remedy="Give more periods, or schools without a change.")


def _shares(breaks: list[Break]) -> Array:
    """First breaks weigh by their schools; later breaks of the same school are told apart, not averaged in."""
    count = np.array([float(one.units.sum()) if one.is_first else 0.0 for one in breaks])
    return count / count.sum()


def _row(found: SeriesFit, one: Break) -> dict[str, Any]:
    row: dict[str, Any] = {"period": one.label, "n_units": int(one.units.sum()), "first": one.is_first}
    for what in ("level", "slope"):
        value, error, _ = found.say(found.contrast({f"{what} {one.label}": 1.0}))
        row |= {what: value, f"{what}_standard_error": error}
    return row


def _later(found: SeriesFit, data: PanelData, breaks: list[Break], share: Array) -> dict[str, float]:
    """Mean change in slope, and the effect in the last period, over the schools that changed."""
    told: dict[str, float] = {}
    slope = {f"slope {one.label}": s for one, s in zip(breaks, share, strict=True)}
    last = {name: w for one, s in zip(breaks, share, strict=True)
            for name, w in ((f"level {one.label}", s), (f"slope {one.label}", s * (data.n_periods - 1 - one.code)))}
    for name, weights in (("slope", slope), ("effect_at_end", last)):
        value, error, _ = found.say(found.contrast(weights))
        told |= {name: value, f"{name}_standard_error": error}
    return told


def _without(data: PanelData, breaks: list[Break], columns: Array, names: tuple[str, ...], seasons: Array, alone: bool,
             ask: Request, months: int) -> dict[str, float | int | None]:
    """The estimate once the months just before each first break have a term of their own, which leaves them out.

    A change that a bad spell brought is measured from that spell; without it the trend before is the schools' usual one
    (the "donut" of Barreca, Guldi, Lindo & Waddell 2011, doi:10.1093/qje/qjr042, in time).
    """
    own = [(one.units[data.unit] & (data.time == one.code - back)).astype(float)
           for one in breaks if one.is_first for back in range(1, months + 1) if one.code >= back]
    extra = np.column_stack(own)
    labels = tuple(f"before {place}" for place in range(extra.shape[1]))
    found = fit_series(data, np.column_stack([extra, columns]), (*labels, *names), seasons, alone=alone,
                       kind=ask.standard_errors, lags=ask.option("lags"))
    wanted = {f"level {b.label}": s for b, s in zip(breaks, _shares(breaks), strict=True)}
    if not set(wanted) <= set(found.fit.names):
        return {"months": months, "value": None, "standard_error": None}
    value, error, _ = found.say(found.contrast(wanted))
    return {"months": months, "value": value, "standard_error": error}


def _pre_test(data: PanelData, breaks: list[Break], columns: Array, names: tuple[str, ...], seasons: Array, alone: bool,
              ask: Request) -> dict[str, float | None]:
    """Were the schools already off their trend in the periods just before the break?"""
    just = np.zeros(len(data.y))
    for one in (one for one in breaks if one.is_first):
        since = data.time - one.code
        just += one.units[data.unit] & (since < 0) & (since >= -_WINDOW)
    found = fit_series(data, np.column_stack([just, columns]), ("just before", *names), seasons, alone=alone,
                       kind=ask.standard_errors, lags=ask.option("lags"))
    if "just before" not in found.fit.names:
        return {"wald": None, "df": None, "p_value": None, "detectable": None}
    value, error, df = found.say(found.contrast({"just before": 1.0}))
    if not error > 0:
        return {"wald": None, "df": None, "p_value": None, "detectable": None}
    return {"wald": (value / error) ** 2, "df": 1, "detectable": smallest_seen(1 / error**2, 1, df),
            "p_value": float(2 * stats.t.sf(abs(value) / error, df))}
