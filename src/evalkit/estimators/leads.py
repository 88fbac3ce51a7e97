"""What a panel estimate rests on, tested on its own rows: no movement before the start, and no help from late starters.

Leads on untreated rows: Borusyak, Jaravel & Spiess 2024, doi:10.1093/restud/rdae007, section 4.3. Two-way effects
against the two-stage effect of the same rows: Hausman 1978, doi:10.2307/1913827, clustered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from evalkit.errors import UserError
from evalkit.estimators.aggregate import cluster_sums
from evalkit.estimators.linear import Array
from evalkit.estimators.panel_data import PanelData
from evalkit.estimators.within import fit_within

_LEADS = 3
"""Leads tested: two, three, and four or more periods before the start; the period just before it is the base."""
_NOTHING: dict[str, float | None] = {"wald": None, "df": None, "p_value": None}


def lead_test(data: PanelData, outcome: Array | None = None) -> dict[str, float | None]:
    """Joint test that the treated moved as the others did before their start (F on clusters - 1)."""
    y = data.y if outcome is None else outcome
    rows = ~data.is_on
    before = data.first[data.unit] - data.time
    lead = np.where(data.ever_treated[data.unit] & rows, np.minimum(before, _LEADS + 1), 0)[rows]
    steps = [step for step in range(2, _LEADS + 2) if (lead == step).any()]
    if not steps:
        return dict(_NOTHING)
    columns = np.column_stack([(lead == step).astype(float) for step in steps])
    early = replace(data, frame=data.frame[rows], unit=data.unit[rows], time=data.time[rows], y=y[rows],
                    weight=data.weight[rows])
    try:
        found = fit_within(early, columns, tuple(f"lead {step}" for step in steps))
        wald = float(found.coef @ np.linalg.solve(found.covariance, found.coef))
    except (UserError, np.linalg.LinAlgError):
        return dict(_NOTHING)
    spare = found.df - len(steps) + 1  # Hotelling: a clustered covariance of few clusters makes the test too eager
    if spare < 1 or not np.isfinite(wald) or wald < 0:
        return dict(_NOTHING)
    return {"wald": wald, "df": len(steps),
            "p_value": float(stats.f.sf(wald * spare / (found.df * len(steps)), len(steps), spare))}


def staggered_test(data: PanelData, value: float, influence: Array) -> dict[str, Any] | None:
    """The two-stage effect of the same rows and the difference of the two-way one from it, with its p.

    influence: of the two-way estimate, per row. None where a two-stage effect cannot be had.
    """
    from evalkit.estimators.did2s import two_stage

    try:
        robust, other = two_stage(data)
    except (UserError, np.linalg.LinAlgError):
        return None
    sums = cluster_sums((influence - other)[:, None], data.clusters[data.unit])
    error, groups = float(np.sqrt((sums**2).sum())), len(sums)
    if not error > 0:
        return None
    return {"two_stage": robust, "difference": value - robust, "standard_error": error,
            "p_value": float(2 * stats.t.sf(abs(value - robust) / error, groups - 1))}
