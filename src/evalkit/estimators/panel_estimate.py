"""Common ending of the panel regressions: one number with a t interval on clusters - 1, and the record."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from evalkit.estimators.linear_estimate import unit_of
from evalkit.estimators.panel_data import PanelData
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request

FEW = 20
LOG_RATIO = "log ratio of rates"


def panel_estimate(data: PanelData, ask: Request, value: float, error: float, df: float | None, *, unit: str = "",
                   details: dict[str, Any] | None = None, caveats: tuple[str, ...] = (),
                   clustered: bool = True) -> Estimate:
    """An Estimate whose interval is value plus or minus t times error (normal where df is None).

    clustered: whether df comes from clusters, so that few of them are worth a caveat.
    """
    tail = stats.t(df) if df else stats.norm
    sure = np.isfinite(error) and error > 0
    reach = tail.ppf((1 + ask.level) / 2) * error
    few = ((f"{len(np.unique(data.clusters))} clusters: too few for this standard error to be trusted to the digit.",)
           if clustered and df and df + 1 < FEW else ())
    return Estimate(
        comparison=ask.comparison, estimator=ask.estimator, estimand=ask.estimand, outcome=ask.outcome,
        unit=unit or unit_of(ask.outcome, ask.unit), value=value if sure else None,
        standard_error=error if sure else None, ci_low=value - reach if sure else None,
        ci_high=value + reach if sure else None, df=df,
        p_value=float(2 * tail.sf(abs(value) / error)) if sure else None,
        n_treated=int(data.ever_treated.sum()), n_comparison=int((~data.ever_treated).sum()),
        clustered_by=data.clustered_by, standard_errors=ask.standard_errors, level=ask.level,
        reason="" if sure else "The standard error cannot be had from these data.",
        caveats=(*data.caveats, *few, *caveats), details={"n_rows": len(data.y), **(details or {})})
