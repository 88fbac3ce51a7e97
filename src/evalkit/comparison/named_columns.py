"""The columns a plan names must be known of a student before its start: checked before anything is measured."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit import measures
from evalkit.comparison.planned_outcome import earlier_column
from evalkit.errors import UsageError, nearest

BEFORE = ("prior_absence_rate", "pre_absence_rate")
"""Rates of days missed before the start, counted for every student at its start date."""
AFTER = ("absence_rate", "absent_days", "enrolled_days", "is_chronic", "weight", "subclass", "treated", "distance")
_AT_THE_START = ("school_id", "grade_level")
_OF_THE_ROW = ("subclass", "student_id", "landmark", "landmark_month")
_NO_PRIOR = ("The plan compares students on prior_absence_rate, and the study holds no attendance of the school year "
             "before{more}: the table prior_year is missing, or has nobody of that year.")
_ADD_PRIOR = ("Add the table prior_year, or write an [[analysis]] whose covariates leave prior_absence_rate out: the "
              "days of the same year before the start then stand for it.")


def check_named_columns(study: Any, plan: Any) -> None:
    """Refuse a column that no student has before its start; names what can be named.

    Of covariates, exact, clustered_by, before and score. Errors: UsageError with the column; the list is of columns
    that hold something in this study.
    """
    for name in (*plan.covariates, *plan.exact):
        if name in AFTER or name == plan.outcome:
            raise UsageError(f'"{name}" is measured after the start, so it cannot be a covariate.', column=name,
                             remedy="Use prior_absence_rate and pre_absence_rate for attendance before the start.")
    known, held = _columns(study)
    own, shown = [*known, "prior_chronic"], [*held, "prior_chronic"]
    _require("covariates", plan.covariates, [*own, *BEFORE], [*shown, *BEFORE])
    _require("exact", plan.exact, own, shown)
    _require("before", (plan.before,) if plan.before else (), [*own, *BEFORE, earlier_column(plan.outcome)],
             [*shown, *BEFORE])
    _require("score", (plan.score,) if plan.score else (), [*own, *BEFORE], [*shown, *BEFORE])
    _require("clustered_by", (plan.clustered_by,) if plan.clustered_by else (), [*_OF_THE_ROW, *own],
             [*_OF_THE_ROW, *held])


def _columns(study: Any) -> tuple[list[str], list[str]]:
    """What is known of a student on its start date: every column, and those that hold something here."""
    table = study.tables.get("student", pd.DataFrame())
    names = [str(name) for name in table.columns if name not in ("student_id", *_AT_THE_START)]
    return [*_AT_THE_START, *names], [*_AT_THE_START, *(name for name in names if table[name].notna().any())]


def _require(key: str, asked: Any, known: list[str], shown: list[str]) -> None:
    for name in asked:
        if name not in known:
            near = nearest(str(name), known)
            hint = f'Did you mean "{near}"? ' if near else ""
            raise UsageError(f'{key} names "{name}", which is not among the columns it can name.', column=str(name),
                             remedy=f"{hint}In this study {key} can name: {', '.join(shown)}.")


def require_prior_year(rates: pd.Series, plan: Any) -> None:
    """Refuse last year's rate as a covariate where nobody has one. rates: prior_absence_rate of those at hand."""
    if "prior_absence_rate" in plan.covariates and rates.isna().all():
        more = " that of the students of last year" if plan.comparison == "prior_cohort" else ""
        raise UsageError(_NO_PRIOR.format(more=more), column="prior_absence_rate", remedy=_ADD_PRIOR)


def check_prior_year(study: Any, plan: Any) -> None:
    """As `require_prior_year`, from the tables alone."""
    if "prior_absence_rate" in plan.covariates:
        year = study.school_year - (2 if plan.comparison == "prior_cohort" else 1)
        require_prior_year(measures.prior_rates(study, school_year=year)["prior_absence_rate"], plan)
