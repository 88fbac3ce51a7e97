"""The plan before the result: what a plan may ask for, checked before anything is worked out, and the planned estimate.

What an estimator needs of a plan is in `impact_estimators`; what it cannot have is refused with where it can be had.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from evalkit.comparison import METHODS, Comparison, landmark_comparison
from evalkit.comparison.landmark import plan_options
from evalkit.config import FILE, AnalysisPlan
from evalkit.errors import UsageError, UserError, must_be_one_of
from evalkit.estimators import Estimate
from evalkit.estimators.sample import drop_with_sets
from evalkit.reports.impact_estimators import (
    check_estimator,
    holds_no_strata,
    run_estimator,
    with_months,
    without_earlier,
)

OUTCOMES = ("absence_rate", "is_chronic", "absent_days")
FEWER_IS_BETTER = {"absence", "absences", "chronic", "failure", "failures", "suspension", "suspensions", "incident",
                   "incidents", "tardies", "tardy", "referrals", "retained"}
MORE_IS_BETTER = {"gpa", "credits", "score", "grade", "attendance", "passed", "graduated", "belonging", "track"}
"""Words in the name of a measure that say which way is better; a name with none of them has no known way."""
KEYS = ["student_id", "landmark"]


def check_plan(study: Any, plan: AnalysisPlan) -> None:
    """Refuse, before anything is worked out, what a plan asks for and cannot have; names the choices."""
    with plan_faults(plan):
        check_estimator(plan)
        _check_outcome(study, plan)
        plan_options(plan)
        _check_strata(plan)


@contextlib.contextmanager
def plan_faults(plan: AnalysisPlan) -> Iterator[None]:
    """A wrong option of a plan is a fault of study.toml (exit 1), and says which block it stands in."""
    try:
        yield
    except UsageError as wrong:
        raise UserError(f'[[analysis]] "{plan.id}": {wrong.what}', remedy=wrong.remedy, file=FILE) from None


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
    measured = sorted(study.table("outcome")["measure"].dropna().unique())
    must_be_one_of("outcome", plan.outcome, (*OUTCOMES, *measured))


def better_sign(outcome: str) -> int:
    """-1 where less of the outcome is better, +1 where more is, 0 where its name does not say."""
    parts = set(outcome.lower().split("_"))
    fewer, more = outcome in OUTCOMES or bool(parts & FEWER_IS_BETTER), bool(parts & MORE_IS_BETTER)
    return 0 if fewer == more else -1 if fewer else 1


def earlier_column(outcome: str) -> str:
    """Where the last value of a measure before the start stands."""
    return f"earlier_{outcome}"


def is_default(study: Any, plan: AnalysisPlan) -> bool:
    """Whether the study wrote no plan, so that evalkit's defaults stand in."""
    return plan == AnalysisPlan() and tuple(study.config.analyses) == (plan,)


def planned_comparison(study: Any, plan: AnalysisPlan) -> Comparison:
    """Who is compared with whom, with what the planned estimate needs: outcome, earlier value, months."""
    with plan_faults(plan):
        made = with_outcome(study, landmark_comparison(study, plan), plan.outcome)
        return with_months(study, without_earlier(made, plan), plan)


def planned_estimate(comparison: Comparison, plan: AnalysisPlan, **changes: Any) -> Estimate:
    """The planned number on a comparison; changes: estimator, outcome, clustered_by, standard_errors of another run."""
    return run_estimator(comparison, plan, **changes)


def with_outcome(study: Any, comparison: Comparison, outcome: str) -> Comparison:
    """The comparison with a measure of the table outcome as a column: each student's last value after its start.

    A student without a value has none; it counts as lost (attrition), never as zero. Attendance outcomes are there.
    """
    if outcome in comparison.students.columns:
        return comparison
    table = study.table("outcome")
    seen = table.loc[table["measure"].eq(outcome), ["student_id", "date", "value"]].dropna()
    dated = comparison.students[KEYS].drop_duplicates().merge(seen, on="student_id")
    last = _last(dated[dated["date"] >= dated["landmark"]], outcome)
    earlier = _last(dated[dated["date"] < dated["landmark"]], earlier_column(outcome))
    if last.empty:
        raise UserError("Nobody who is compared has a value of the planned outcome after the start.", column="value",
                        file="outcome", remedy="Add later rows to the table outcome, or plan another outcome.")
    students = comparison.students.merge(last, on=KEYS, how="left", validate="many_to_one")
    if len(earlier):
        students = students.merge(earlier, on=KEYS, how="left", validate="many_to_one")
    used = students[students["weight"] != 0]
    counts = with_missing(comparison.details["attrition"], used, outcome)
    return replace(comparison, students=students, details={**comparison.details, "attrition": counts})


def with_missing(counts: Mapping[str, Any], used: pd.DataFrame, outcome: str) -> dict[str, Any]:
    """The count of who left, with those added whose outcome nobody measured and those who left with their set."""
    absent = used[outcome].isna()
    kept = drop_with_sets(used, absent.to_numpy())
    found = {}
    for name, arm in (("treated", 1), ("comparison", 0)):
        there = set(kept.loc[kept["treated"] == arm, "student_id"])
        gone = used[(used["treated"] == arm) & ~used["student_id"].isin(there)]
        unseen = gone.loc[absent, "student_id"].nunique()
        old = counts[name]
        found[name] = {"n": old["n"], "lost": old["lost"] + unseen,
                       "with_set": old["with_set"] + gone["student_id"].nunique() - unseen}
    return found


def _last(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """The newest value of each student and start, as the column `name`."""
    rows = rows.sort_values([*KEYS, "date"], kind="stable").drop_duplicates(KEYS, keep="last")
    return rows[[*KEYS, "value"]].rename(columns={"value": name})


def plain_plan(plan: AnalysisPlan) -> dict[str, Any]:
    """The plan as JSON can hold it."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in plan.settings().items()}


def never_mentored_only(plan: AnalysisPlan) -> AnalysisPlan:
    """The sensitivity that the landmark design names: it conditions on the future, so it is never the plan."""
    return replace(plan, later_assigned="exclude")
