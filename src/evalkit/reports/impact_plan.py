"""The plan before the result: what a plan may ask for, checked before anything is worked out, and the planned estimate.

What an estimator needs of a plan is in `impact_estimators`; what it cannot have is refused with where it can be had.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from evalkit.comparison import METHODS, Comparison, landmark_comparison
from evalkit.comparison.landmark import plan_options
from evalkit.comparison.named_columns import check_named_columns, check_prior_year
from evalkit.config import FILE, AnalysisPlan
from evalkit.errors import UsageError, UserError, must_be_one_of
from evalkit.estimators import Estimate
from evalkit.measures import NO_OUTCOME, Outcome, outcome_row
from evalkit.measures import OUTCOMES as ATTENDANCE
from evalkit.panel import has_days, student_panel
from evalkit.reports.impact_estimators import check_estimator, holds_no_strata, run_estimator, with_months

FEWER_IS_BETTER = {"absence", "absences", "chronic", "failure", "failures", "suspension", "suspensions", "incident",
                   "incidents", "tardies", "tardy", "referrals", "retained"}
MORE_IS_BETTER = {"gpa", "credits", "score", "grade", "attendance", "passed", "graduated", "belonging", "track"}
"""Words in the name of a measure that say which way is better; a name with none of them has no known way."""


def check_plan(study: Any, plan: AnalysisPlan) -> None:
    """Refuse, before anything is worked out, what a plan asks for and cannot have; names the choices."""
    with plan_faults(plan):
        check_estimator(plan)
        _check_outcome(study, plan)
        plan_options(plan)
        check_named_columns(study, plan)
        _check_strata(plan)
        if {"assignment", "rates", "unmentored"} <= set(study.can):  # else the report is refused for want of these
            check_prior_year(study, plan)


@contextlib.contextmanager
def plan_faults(plan: AnalysisPlan) -> Iterator[None]:
    """A wrong option of a plan is a fault of study.toml (exit 1), and says which block it stands in; of the plan that
    stands in where a study wrote none, too."""
    try:
        yield
    except UsageError as wrong:
        usual = " (evalkit's usual plan)" if plan == AnalysisPlan() else ""
        raise UserError(f'[[analysis]] "{plan.id}"{usual}: {wrong.what}', remedy=wrong.remedy, file=FILE,
                        column=wrong.column, culprits=wrong.culprits) from None


def _check_strata(plan: AnalysisPlan) -> None:
    """What must be equal (the school within schools, the exact columns) has to be held somewhere: by sets, or by the
    regression where everybody is weighted."""
    inside = plan.comparison in ("within_school", "prior_cohort") or plan.exact
    weights = "exact" not in METHODS[plan.method].takes
    if inside and weights and plan.method != "subclass" and holds_no_strata(plan):
        raise UsageError(f'method "{plan.method}" weights students over all schools, and estimator '
                         f'"{plan.estimator}" does not hold the school or the exact columns fixed.',
                         remedy='Use estimator = "regression_adjusted", or method = "nearest".')


def _check_outcome(study: Any, plan: AnalysisPlan) -> None:
    """An outcome of attendance, or a measure of the table outcome; it must fit the estimator and be there to see."""
    name, row = plan.outcome, outcome_row(plan.outcome)
    measured = sorted(study.table("outcome")["measure"].dropna().unique())
    if name in NO_OUTCOME and name not in measured:
        why, instead = NO_OUTCOME[name]
        raise UsageError(f'outcome "{name}" cannot be planned: it {why}.', remedy=f"Name {instead}.")
    must_be_one_of("outcome", name, (*ATTENDANCE, *measured))
    if plan.estimator == "poisson" and (not row.adds_up if row else name.startswith("is_")):
        raise UsageError(f'estimator "poisson" needs days that add up over the days enrolled, and "{name}" does not.',
                         remedy='Use outcome = "absent_days", or estimator = "regression_adjusted".')
    if row is not None:
        _check_attendance(study, row, measured)


def _check_attendance(study: Any, row: Outcome, measured: Sequence[str]) -> None:
    """An outcome of attendance: its name says one thing, its words hold under the rules, and somebody has some."""
    if row.name in measured:
        raise UsageError(f'outcome "{row.name}" is counted from attendance, and the table outcome has a measure of the '
                         "same name.", remedy="Give the measure of the table outcome another name.")
    if row.edge is not None and study.rules.bands[row.edge[0]] != row.edge[1]:
        raise UsageError(f'outcome "{row.name}" is about {row.edge[1]:.0%} of days missed, and [rules] bands have '
                         "another edge there.", remedy='Use outcome = "absence_rate" or "is_chronic".')
    if row.seen_in and has_days(study) and not student_panel(study)[row.seen_in].gt(0).any():
        raise UsageError(f'outcome "{row.name}" would be the same for everybody: no day of this study is marked '
                         f"{row.mark}.", remedy='Check the table code_table, or use outcome = "absent_days".')


def better_sign(outcome: str) -> int:
    """-1 where less of the outcome is better, +1 where more is, 0 where its name does not say."""
    row = outcome_row(outcome)
    if row is not None:
        return row.better
    parts = set(outcome.lower().split("_"))
    fewer, more = bool(parts & FEWER_IS_BETTER), bool(parts & MORE_IS_BETTER)
    return 0 if fewer == more else -1 if fewer else 1


def is_default(study: Any, plan: AnalysisPlan) -> bool:
    """Whether the study wrote no plan, so that evalkit's defaults stand in."""
    return plan == AnalysisPlan() and tuple(study.config.analyses) == (plan,)


def planned_comparison(study: Any, plan: AnalysisPlan) -> Comparison:
    """Who is compared with whom, with what the planned estimate needs: outcome, earlier value, months.

    Everybody in it has a value of the planned outcome.
    """
    with plan_faults(plan):
        return with_months(study, landmark_comparison(study, plan), plan)


def planned_estimate(comparison: Comparison, plan: AnalysisPlan, **changes: Any) -> Estimate:
    """The planned number on a comparison; changes: estimator, outcome, clustered_by, standard_errors of another run."""
    return run_estimator(comparison, plan, **changes)


def plain_plan(plan: AnalysisPlan) -> dict[str, Any]:
    """The plan as JSON can hold it."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in plan.settings().items()}


def never_mentored_only(plan: AnalysisPlan) -> AnalysisPlan:
    """The sensitivity that the landmark design names: it conditions on the future, so it is never the plan."""
    return replace(plan, later_assigned="exclude")
