"""Staggered starts: Callaway & Sant'Anna 2021, doi:10.1016/j.jeconom.2020.12.001."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from evalkit.errors import UserError, must_be_one_of
from evalkit.estimators.aggregate import AGGREGATES, Aggregate, aggregate, covariance, multiplier_bands
from evalkit.estimators.design import encode
from evalkit.estimators.group_time import GroupTime, group_time_effects
from evalkit.estimators.leads import smallest_seen
from evalkit.estimators.linear import Array
from evalkit.estimators.linear_estimate import unit_of
from evalkit.estimators.panel_data import NEVER, PanelData, make_panel
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request, need_columns

CHOICES = {"control_group": ("never", "notyet"), "method": ("dr", "reg", "ipw"),
           "base_period": ("varying", "universal"), "aggregate": AGGREGATES}


def run(panel: pd.DataFrame | None, comparison: Any, ask: Request) -> Estimate:
    """The overall effect of one aggregate; details hold every group-time effect, all aggregates and the pre-test."""
    picked = {name: ask.option(name, choices[0]) for name, choices in CHOICES.items()}
    for name, value in picked.items():
        must_be_one_of(name, value, CHOICES[name], error=UserError)
    data = make_panel(panel, comparison, ask, extra=ask.covariates)
    data, caveats = _without_always_treated(data)
    effects = group_time_effects(
        data, _covariates(data, ask.covariates), control_group=picked["control_group"],
        base_period=picked["base_period"], method=picked["method"] if ask.covariates else "none",
        anticipation=int(ask.option("anticipation", 0)),
        label=lambda code: str(data.times[code]))
    _refuse_nothing(effects, picked["control_group"])
    whole = {kind: aggregate(effects, kind) for kind in AGGREGATES}
    chosen = (aggregate(effects, "event", first_event=ask.option("first_event"), last_event=ask.option("last_event"))
              if picked["aggregate"] == "event" else whole[picked["aggregate"]])
    return _record(data, effects, whole, chosen, ask, picked, caveats)


def _without_always_treated(data: PanelData) -> tuple[PanelData, tuple[str, ...]]:
    """Units treated from the first period on have no before, and cannot be anyone's comparison."""
    always = data.first == 0
    if not always.any():
        return data, data.caveats
    keep, new = ~always[data.unit], np.cumsum(~always) - 1
    frame = data.frame[keep].reset_index(drop=True)
    kept = PanelData(frame, new[data.unit[keep]], data.time[keep], data.y[keep], data.weight[keep], data.first[~always],
                     data.clusters[~always], data.times, data.clustered_by)
    return kept, (*data.caveats, f"{int(always.sum())} units treated from the first period on were left out.")


def _covariates(data: PanelData, names: tuple[str, ...]) -> Array:
    """Intercept and covariates of each unit's first row (they must not change with treatment)."""
    need_columns(data.frame, names, what="The plan")
    first = data.frame.iloc[np.unique(data.unit, return_index=True)[1]]
    columns = [values for name in names for _, values in encode(first[name])]
    return np.column_stack([np.ones(len(first)), *columns])


def _refuse_nothing(effects: GroupTime, control_group: str) -> None:
    if not (~np.isnan(effects.att) & (effects.time >= effects.group)).any():
        remedy = ('Use control_group = "notyet".' if control_group == "never" and not (effects.first >= NEVER).any()
                  else "Look at who starts when: groups need a period before their start and a comparison.")
        raise UserError("No group has an effect that can be estimated.", culprits=effects.reasons, remedy=remedy)


def _record(data: PanelData, effects: GroupTime, whole: dict[str, Aggregate], chosen: Aggregate, ask: Request,
            picked: dict[str, Any], caveats: tuple[str, ...]) -> Estimate:
    error, df, notes = _error(chosen.overall_influence, effects, ask)
    reach = (stats.t.ppf((1 + ask.level) / 2, df) if df else stats.norm.ppf((1 + ask.level) / 2)) * error
    statistic = abs(chosen.overall) / error
    p_value = float(2 * (stats.t.sf(statistic, df) if df else stats.norm.sf(statistic)))
    return Estimate(
        comparison=ask.comparison, estimator=ask.estimator, estimand="ATT", outcome=ask.outcome,
        unit=unit_of(ask.outcome, ask.unit), value=chosen.overall, standard_error=error, ci_low=chosen.overall - reach,
        ci_high=chosen.overall + reach, p_value=p_value, df=df, n_treated=_in_effects(effects),
        n_comparison=int((effects.first >= NEVER).sum()), clustered_by=data.clustered_by, level=ask.level,
        standard_errors=ask.standard_errors, caveats=(*caveats, *notes, *effects.reasons),
        details={**picked, "group_time": _table(data, effects, ask), "pre_test": pre_test(effects),
                 "aggregates": {kind: _steps(data, kind, one, effects, ask) for kind, one in whole.items()},
                 "chosen": _steps(data, picked["aggregate"], chosen, effects, ask), "n_units": effects.n})


def _in_effects(effects: GroupTime) -> int:
    """Treated units of the cohorts that have an effect; a cohort left out for its size counts for nothing."""
    shown = np.unique(effects.group[~np.isnan(effects.att) & (effects.time >= effects.group)])
    return int(np.isin(effects.first, shown).sum())


def _error(influence: Array, effects: GroupTime, ask: Request) -> tuple[float, float | None, tuple[str, ...]]:
    """Standard error, df (clusters - 1 where units are grouped) and what to say about it."""
    n_clusters = len(np.unique(effects.clusters))
    if n_clusters < 2:
        raise UserError("All units are in one cluster, so its standard error cannot be had.",
                        remedy="Cluster by the student.")
    if ask.standard_errors == "bootstrap":
        error = float(multiplier_bands(influence[:, None], effects.clusters, draws=int(ask.option("draws", 999)),
                                       seed=ask.seed, level=ask.level)[0][0])
    else:
        error = float(np.sqrt(covariance(influence[:, None], effects.clusters)[0, 0]))
    if n_clusters == effects.n:
        return error, None, ()
    few = ((f"{n_clusters} clusters: influence functions were added up per cluster without a small-sample correction, "
            "so this standard error is on the small side.",) if n_clusters < 20 else ())
    return error, float(n_clusters - 1), few


def _table(data: PanelData, effects: GroupTime, ask: Request) -> list[dict[str, Any]]:
    errors, critical = _errors(effects.influence, effects, ask)
    return [{"group": data.times[g], "time": data.times[t], "att": None if np.isnan(att) else float(att),
             "standard_error": None if np.isnan(att) or se == 0 or np.isnan(se) else float(se),
             "uniform_critical_value": critical}
            for g, t, att, se in zip(effects.group, effects.time, effects.att, errors, strict=True)]


def _errors(influence: Array, effects: GroupTime, ask: Request) -> tuple[Array, float | None]:
    if influence.shape[1] == 0:
        return np.array([]), None
    if ask.standard_errors == "bootstrap":
        return multiplier_bands(influence, effects.clusters, draws=int(ask.option("draws", 999)), seed=ask.seed,
                                level=ask.level)
    return np.sqrt(np.diag(covariance(influence, effects.clusters))), None


def _steps(data: PanelData, kind: str, one: Aggregate, effects: GroupTime, ask: Request) -> dict[str, Any]:
    errors, critical = _errors(one.influence, effects, ask)
    names = one.egt.tolist() if kind == "event" else [data.times[int(step)] for step in one.egt]
    return {"overall": one.overall, "overall_standard_error": _error(one.overall_influence, effects, ask)[0],
            "egt": names, "att": one.att.tolist(), "uniform_critical_value": critical,
            "standard_error": [None if se == 0 or np.isnan(se) else float(se) for se in errors]}


def pre_test(effects: GroupTime) -> dict[str, float | None]:
    """Wald test that every effect before the start is zero (unit-level influence, as did prints it).

    detectable: the dip in the last period before the start that it sees in four studies of five.
    """
    units = np.arange(effects.n)
    before = (effects.time < effects.group) & ~np.isnan(effects.att) & (np.abs(effects.influence).sum(axis=0) > 0)
    if not before.any():
        return {"wald": None, "df": None, "p_value": None, "detectable": None}
    spread = covariance(effects.influence[:, before], units)
    if np.linalg.cond(spread) > 1e13:
        return {"wald": None, "df": None, "p_value": None, "detectable": None}
    wald = float(effects.att[before] @ np.linalg.solve(spread, effects.att[before]))
    dip = ((effects.time == effects.last_before).astype(float) - (effects.base == effects.last_before))[before]
    information = float(dip @ np.linalg.solve(spread, dip))
    return {"wald": wald, "df": int(before.sum()), "p_value": float(stats.chi2.sf(wald, int(before.sum()))),
            "detectable": smallest_seen(information, int(before.sum()), None)}
