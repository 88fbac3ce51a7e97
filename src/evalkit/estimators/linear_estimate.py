"""Common ending of the linear estimators: the coefficient of treated, its interval and the record."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit.errors import UserError
from evalkit.estimators.inference import infer
from evalkit.estimators.linear import Array, Fit
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request, Sample
from evalkit.measures import outcome_row

_SHARES = ("rate", "share")
_DAYS = ("days_absent",)


def unit_of(outcome: str, asked: str = "") -> str:
    """share (0-1), days, or the unit named by the caller."""
    row = outcome_row(outcome)
    if asked or row is not None:
        return asked or row.unit  # type: ignore[union-attr]
    if outcome in _SHARES or outcome.endswith(("_rate", "_share")) or outcome.startswith("is_"):
        return "share"
    return "days" if outcome in _DAYS or outcome.endswith("_days") else "units of the outcome"


def from_fit(fit: Fit, sample: Sample, ask: Request, *, contrast: Array | None = None, value: float | None = None,
             details: dict[str, Any] | None = None) -> Estimate:
    """An Estimate from a fitted model; by default the coefficient of treated, else the contrast given."""
    if contrast is None:
        _refuse_lost_treatment(fit)
        contrast = fit.unit_contrast("treated")
    found = infer(fit, contrast, sample, ask, value=value)
    point = float(contrast @ fit.coef) if value is None else value
    sure = found.standard_error is not None
    dropped = ((f"Left out as combinations of other columns: {', '.join(fit.dropped)}.",) if fit.dropped else ())
    return Estimate(
        comparison=ask.comparison, estimator=ask.estimator, estimand=ask.estimand, outcome=ask.outcome,
        unit=unit_of(ask.outcome, ask.unit), value=point if sure else None,
        standard_error=found.standard_error, ci_low=found.ci_low, ci_high=found.ci_high, p_value=found.p_value,
        df=found.df, n_treated=sample.n_treated, n_comparison=sample.n_comparison, clustered_by=found.clustered_by,
        standard_errors=found.kind, level=ask.level, reason=found.reason,
        caveats=sample.caveats + found.caveats + dropped,
        details={"n_rows": fit.n, "arms": arms(sample), "sum_of_weights": float(sample.weights.sum()),
                 **({} if sure else {"point_without_interval": point}), **found.details, **(details or {})})


def arms(sample: Sample) -> dict[str, Any]:
    """Weighted means and unweighted SDs of the outcome by arm: what effect sizes are made of."""
    found: dict[str, Any] = {"is_binary": bool(np.isin(sample.y, (0.0, 1.0)).all())}
    for arm, word in ((1, "treated"), (0, "comparison")):
        rows = sample.treated == arm
        found[f"mean_{word}"] = float(np.average(sample.y[rows], weights=sample.weights[rows]))
        found[f"sd_{word}"] = float(sample.y[rows].std(ddof=1))
    return found


def _refuse_lost_treatment(fit: Fit) -> None:
    if "treated" not in fit.names:
        raise UserError("A covariate or stratum tells the treated apart completely, so no effect can be told from it.",
                        remedy="Take the covariate that says who was treated out of the plan.")
    if fit.n <= fit.rank:
        raise UserError(f"There are {fit.n} rows for {fit.rank} columns, too few to fit the model.",
                        remedy="Name fewer covariates, or use estimator = \"difference\".")
