"""The same student on days with and without a scheduled session: what a session day does to being there.

The design of the District of Columbia tutoring study (Lee, Loeb & Robinson 2024, EdWorkingPaper 24-959): student and
school-by-date effects, errors clustered by student. Two-way effects by alternating projections (Gaure 2013,
doi:10.1016/j.csda.2013.03.024), so a district's daily rows fit in memory.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evalkit.errors import UserError
from evalkit.estimators.aggregate import cluster_sums
from evalkit.estimators.linear import Array
from evalkit.estimators.linear_estimate import unit_of
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request, need_columns, numbers
from evalkit.estimators.within import small_sample

_SETTLED, _MOST = 1e-11, 10_000
_SOLVED = 1_000
"""With fewer effects than this in the smaller set its normal equations are solved at once."""


def run(panel: pd.DataFrame | None, comparison: Any, ask: Request) -> Estimate:
    """Difference in absence on scheduled days. panel: a row per student and school day.

    Options: unit_id, time (date), scheduled (0/1 column), school (dates are taken per school where it is there).
    """
    if panel is None:
        raise UserError("session_day needs one row per student and school day.", remedy="Give the panel.")
    unit, date, scheduled = (ask.option(name, default) for name, default in
                             (("unit_id", "student_id"), ("time", "date"), ("scheduled", "scheduled")))
    need_columns(panel, [unit, date, scheduled, ask.outcome], what="session_day")
    rows = panel[~np.isnan(numbers(panel[ask.outcome])) & ~np.isnan(numbers(panel[scheduled]))]
    if rows.duplicated([unit, date]).any():
        raise UserError("Some students have more than one row on the same day.", remedy="Give one row per day.")
    school = ask.option("school", "school_id")
    keys = [school, date] if school in rows.columns else [date]
    students = pd.factorize(rows[unit], sort=True)[0]
    days = rows.groupby(keys, sort=True).ngroup().to_numpy()
    on = numbers(rows[scheduled])
    made = _estimate(rows, students, days, on, ask, unit)
    return replace(made, details={**made.details, **_around(rows, students, days, on, ask, date)})


def _around(rows: pd.DataFrame, students: NDArray[np.int64], days: NDArray[np.int64], on: Array, ask: Request,
            date: str) -> dict[str, dict[str, float | None]]:
    """The school day before and after a session, beside the session day: the first is a placebo, the second lasts."""
    from scipy import stats

    nothing: dict[str, float | None] = {"value": None, "standard_error": None, "p_value": None, "df": None}
    order = np.lexsort((rows[date].to_numpy(), students))
    ordered = pd.Series(on[order]).groupby(students[order])
    lags = np.column_stack([ordered.shift(1).to_numpy(), ordered.shift(-1).to_numpy()])
    keep = ~np.isnan(lags).any(axis=1)
    who, when = (pd.factorize(codes[order][keep])[0].astype(np.int64) for codes in (students, days))
    if keep.sum() < 10 or len(np.unique(who)) < 2:
        return {"day_before": nothing, "day_after": nothing}
    y_and_days = np.column_stack([numbers(rows[ask.outcome])[order], on[order], lags])
    table = project_out(y_and_days[keep], who, when)
    y, x = table[:, 0], table[:, 1:]
    gram = x.T @ x
    if np.linalg.cond(gram) > 1e10:
        return {"day_before": nothing, "day_after": nothing}
    coef = np.linalg.solve(gram, x.T @ y)
    factor, df = small_sample(len(y), 3 + len(np.unique(when)), who)
    sums = cluster_sums(x * (y - x @ coef)[:, None], who)
    bread = np.linalg.inv(gram)
    error = np.sqrt(np.diag(factor * bread @ (sums.T @ sums) @ bread))
    return {name: {"value": float(coef[place]), "standard_error": float(error[place]),
                   "df": df, "p_value": float(2 * stats.t.sf(abs(coef[place]) / error[place], df))}
            for name, place in (("day_after", 1), ("day_before", 2))}


def _estimate(rows: pd.DataFrame, students: NDArray[np.int64], days: NDArray[np.int64], on: Array, ask: Request,
              unit: str) -> Estimate:
    from scipy import stats

    y, x = project_out(np.column_stack([numbers(rows[ask.outcome]), on]), students, days).T
    spread = float(x @ x)
    if spread < 1e-9 * len(x):
        raise UserError("No student has days both with and without a scheduled session.",
                        remedy="Give all school days of students whose sessions were scheduled.")
    value = float(x @ y / spread)
    counted = 1 + len(np.unique(days))
    factor, df = small_sample(len(y), counted, students)
    error = float(np.sqrt(factor * (cluster_sums(x * (y - value * x), students) ** 2).sum()) / spread)
    reach = stats.t.ppf((1 + ask.level) / 2, df) * error
    ever = pd.Series(on).groupby(students).agg(["min", "max"])
    moved = int((ever["min"] != ever["max"]).sum())
    return Estimate(
        comparison="the same students on other days", estimator=ask.estimator, estimand="effect of a scheduled day",
        outcome=ask.outcome, unit=ask.unit or ("share" if set(np.unique(numbers(rows[ask.outcome]))) <= {0.0, 0.5, 1.0}
                                               else unit_of(ask.outcome)),
        value=value, standard_error=error, ci_low=value - reach, ci_high=value + reach, df=df,
        p_value=float(2 * stats.t.sf(abs(value) / error, df)), n_treated=moved, n_comparison=len(ever) - moved,
        clustered_by=unit, standard_errors="CR1S", level=ask.level,
        caveats=("About session days only: it says nothing about the days in between, or about students who left.",),
        details={"n_rows": len(y), "share_scheduled": float(on.mean())})


def _solve_out(table: Array, small: NDArray[np.int64], large: NDArray[np.int64]) -> Array:
    """The larger set taken out by its means, the smaller by its normal equations (exact, however few the overlaps)."""
    from scipy import sparse

    n_rows, size = len(small), np.bincount(large)
    counts = sparse.csr_matrix((np.ones(n_rows), (large, small)))
    gram = np.diag(np.bincount(small).astype(float)) - (counts.T @ sparse.diags(1.0 / size) @ counts).toarray()

    def within(columns: Array) -> Array:
        means = np.column_stack([np.bincount(large, column) / size for column in columns.T])
        return columns - means[large]

    inside = within(table)
    sums = np.column_stack([np.bincount(small, column) for column in inside.T])
    effects = np.linalg.lstsq(gram, sums, rcond=None)[0]
    return inside - within(effects[small])


def project_out(table: Array, first: NDArray[np.int64], second: NDArray[np.int64]) -> Array:
    """Both sets of effects taken out of every column: solved where one set is small, else by turns until settled."""
    if min(first.max(), second.max()) < _SOLVED:
        return _solve_out(table, *sorted((first, second), key=lambda codes: int(codes.max())))
    result = table - table.mean(axis=0)
    scale = np.abs(result).max(axis=0) + 1e-300
    for _ in range(_MOST):
        before = result
        for codes in (first, second):
            size = np.bincount(codes)
            means = np.column_stack([np.bincount(codes, column) / size for column in result.T])
            result = result - means[codes]
        if (np.abs(result - before).max(axis=0) <= _SETTLED * scale).all():
            return result
    raise UserError("Student and day effects do not settle.", remedy="Leave out students with a single day.")
