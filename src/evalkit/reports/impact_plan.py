"""The plan before the result: what a plan may ask for, checked before anything is worked out, and the planned estimate.

A plan compares students at their start, so it takes the estimators that need a row per student. What an estimator needs
and a plan cannot say is refused with where it can be said instead.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from evalkit.comparison import METHODS, Comparison, landmark_comparison
from evalkit.comparison.landmark import plan_options
from evalkit.config import FILE, AnalysisPlan
from evalkit.errors import UsageError, UserError, must_be_one_of
from evalkit.estimators import ESTIMATORS, Estimate, estimate
from evalkit.estimators.sample import drop_with_sets

PLANNED = ("regression_adjusted", "difference", "poisson", "logistic", "randomized")
"""Estimators a plan can name: a row per student, and nothing asked that study.toml has no key for."""
OUTCOMES = ("absence_rate", "is_chronic", "absent_days")
FEWER_IS_BETTER = {"absence", "absences", "chronic", "failure", "failures", "suspension", "suspensions", "incident",
                   "incidents", "tardies", "tardy", "referrals", "retained"}
MORE_IS_BETTER = {"gpa", "credits", "score", "grade", "attendance", "passed", "graduated", "belonging", "track"}
"""Words in the name of a measure that say which way is better; a name with none of them has no known way."""
KEYS = ["student_id", "landmark"]
_ELSEWHERE = {
    "did": "It needs an earlier period that was neither matched nor selected on, which a plan cannot name.",
    "discontinuity": "It needs the score and the threshold that decided who got a mentor, which a plan cannot name.",
}


def check_plan(study: Any, plan: AnalysisPlan) -> None:
    """Refuse, before anything is worked out, what a plan asks for and cannot have; names the choices."""
    with plan_faults(plan):
        _check_estimator(plan)
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


def _check_estimator(plan: AnalysisPlan) -> None:
    name, instead = plan.estimator, f"Use one of: {', '.join(PLANNED)}; in a notebook, ek.estimate takes it."
    if name not in ESTIMATORS:
        must_be_one_of("estimator", name, PLANNED)
    if ESTIMATORS[name].shape == "panel":
        raise UsageError(f'estimator "{name}" needs a row per student and period; a plan compares students from their '
                         "start on, once each.", remedy=instead)
    if name not in PLANNED:
        raise UsageError(f'estimator "{name}" cannot be planned. {_ELSEWHERE.get(name, "")}'.strip(), remedy=instead)
    if name == "randomized" and plan.comparison != "randomized":
        raise UsageError('estimator "randomized" redraws a lottery, and this comparison was none.',
                         remedy='Use estimator = "regression_adjusted", or comparison = "randomized" after a lottery.')
    if name == "logistic" and not plan.outcome.startswith("is_"):
        raise UsageError(f'estimator "logistic" needs a yes/no outcome, and "{plan.outcome}" is none.',
                         remedy='Use outcome = "is_chronic", or estimator = "regression_adjusted".')
    must_be_one_of(f'standard_errors with estimator "{name}"', plan.standard_errors, ESTIMATORS[name].standard_errors)


def _check_strata(plan: AnalysisPlan) -> None:
    """What must be equal (the school within schools, the exact columns) has to be held somewhere: by sets, or by the
    regression where everybody is weighted."""
    inside = plan.comparison in ("within_school", "prior_cohort") or plan.exact
    weights = "exact" not in METHODS[plan.method].takes
    if inside and weights and plan.method != "subclass" and plan.estimator == "difference":
        raise UsageError(f'method "{plan.method}" weights students over all schools, and estimator "difference" does '
                         "not hold the school or the exact columns fixed.",
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
    """Who is compared with whom, with the planned outcome beside every row that has one."""
    with plan_faults(plan):
        return with_outcome(study, landmark_comparison(study, plan), plan.outcome)


def planned_estimate(comparison: Comparison, plan: AnalysisPlan, **changes: Any) -> Estimate:
    """The planned number on a comparison; changes: estimator, outcome, clustered_by, standard_errors of another run."""
    wanted = {"estimator": plan.estimator, "outcome": plan.outcome, "clustered_by": plan.clustered_by or None,
              "standard_errors": plan.standard_errors, "seed": plan.seed, **changes}
    if wanted["standard_errors"] == "wild_bootstrap" and not wanted["clustered_by"]:
        wanted["clustered_by"] = "school_id"  # it is made for few clusters, and takes one clustering
    return estimate(None, comparison, **wanted, missing="refuse" if wanted["outcome"] in OUTCOMES else "drop")


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
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(plan).items()}


def never_mentored_only(plan: AnalysisPlan) -> AnalysisPlan:
    """The sensitivity that the landmark design names: it conditions on the future, so it is never the plan."""
    return replace(plan, later_assigned="exclude")
