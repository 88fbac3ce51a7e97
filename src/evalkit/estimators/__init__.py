"""Estimators: a comparison and an outcome in, an Estimate out. `ESTIMATORS` lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evalkit.errors import UserError, must_be_one_of
from evalkit.estimators.result import Estimate, no_estimate
from evalkit.estimators.table import ESTIMATORS, Method

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ESTIMATORS", "Estimate", "Method", "estimate", "estimate_or_reason"]


def estimate(panel: pd.DataFrame | None, comparison: Any = None, *, estimator: str = "regression_adjusted",
             outcome: str = "absence_rate", clustered_by: str | Sequence[str] | None = None,
             standard_errors: str | None = None, covariates: Sequence[str] | str | None = None,
             exact: Sequence[str] | str | None = None, estimand: str | None = None, name: str | None = None,
             unit: str = "", level: float = 0.95, missing: str = "refuse", exploratory: bool = False, seed: int = 20260,
             **options: Any) -> Estimate:
    """Estimate one effect, treated minus comparison, with its interval.

    panel: a frame (pandas, Polars, PyArrow) with a row per student and the outcome (or per unit and period for the
    panel estimators); None when the comparison's own rows hold it. comparison: from choose_comparison or
    landmark_comparison, or a frame with treated and weight. Rows are joined by student_id (and landmark), else by
    index. covariates, exact, estimand: the plan's,
    unless given. standard_errors: CR2 unless given. missing: "refuse" or "drop". options: the estimator's own
    (`ESTIMATORS[name].options`). Raises UserError with the remedy where no honest number can be had.
    """
    must_be_one_of("estimator", estimator, list(ESTIMATORS), error=UserError)
    must_be_one_of("missing", missing, ("refuse", "drop"), error=UserError)
    method = ESTIMATORS[estimator]
    _check_options(method, options)
    _check_level(level)
    kind = standard_errors or method.standard_errors[0]
    must_be_one_of("standard_errors", kind, method.standard_errors, error=UserError)
    from evalkit.engine import as_pandas
    from evalkit.estimators.sample import Request, make_sample, plan_value

    panel, comparison = as_pandas(panel), as_pandas(comparison)
    ask = Request(
        estimator=estimator, outcome=outcome, standard_errors=kind, unit=unit, level=level, seed=seed, options=options,
        clustered_by=clustered_by if isinstance(clustered_by, str | None) else tuple(clustered_by),
        covariates=_names(plan_value(comparison, "covariates", ()) if covariates is None else covariates),
        exact=_names(plan_value(comparison, "exact", ()) if exact is None else exact),
        estimand=estimand or plan_value(comparison, "estimand", "ATT"),
        comparison=name if name is not None else str(plan_value(comparison, "comparison", "")))
    data = make_sample(panel, comparison, outcome, missing=missing) if method.shape == "students" else panel
    found: Estimate = method.run(data, ask) if method.shape == "students" else method.run(data, comparison, ask)
    return found.as_exploratory() if exploratory else found


def estimate_or_reason(panel: pd.DataFrame | None, comparison: Any = None, **options: Any) -> Estimate:
    """As `estimate`, for runs beyond the plan: a refusal becomes an Estimate without a number, with its reason."""
    try:
        return estimate(panel, comparison, **options)
    except UserError as refusal:
        reason = f"{refusal.what} {refusal.remedy}".strip()
        return no_estimate(reason, estimator=str(options.get("estimator", "regression_adjusted")),
                           outcome=str(options.get("outcome", "absence_rate")),
                           comparison=str(options.get("name") or ""), estimand=str(options.get("estimand") or "ATT"),
                           exploratory=bool(options.get("exploratory", False)))


def _names(given: Sequence[str] | str) -> tuple[str, ...]:
    """Column names as given; one name alone is one column, not its letters."""
    return (given,) if isinstance(given, str) else tuple(given)


def _check_options(method: Method, options: dict[str, Any]) -> None:
    for option in options:
        must_be_one_of(f"An option of {method.name}", option, method.options or ("(it has none)",), error=UserError)


def _check_level(level: float) -> None:
    if not 0.5 <= level < 1:
        raise UserError("level must be a share from 0.5 to below 1.", remedy="Write 0.95 for a 95 % interval.")
