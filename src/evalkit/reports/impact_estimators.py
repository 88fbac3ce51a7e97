"""What each estimator needs of a plan: the rows it works on, its options, its standard errors, and when it is refused.

Most estimators take a row per student, from its start on. Those of `MONTHS` follow each student month by month, which
is a difference-in-differences: refused where the months before the start were matched or selected on, for the change
would then count regression to the mean as an effect (Daw & Hatfield 2018, doi:10.1111/1475-6773.12993).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from evalkit.comparison import Comparison
from evalkit.comparison.months import LEAST_DAYS, month_rows
from evalkit.comparison.planned_outcome import earlier_value
from evalkit.config import AnalysisPlan
from evalkit.errors import UsageError, must_be_one_of
from evalkit.estimators import ESTIMATORS, Estimate, estimate
from evalkit.estimators.did import of_same_period
from evalkit.estimators.inference import WHOLE_SCHOOLS, choose_clusters
from evalkit.estimators.linear_estimate import arms
from evalkit.estimators.sample import Sample, make_sample
from evalkit.measures import outcome_row

STUDENTS = ("regression_adjusted", "difference", "did", "poisson", "logistic", "randomized", "discontinuity")
MONTHS = ("callaway_santanna", "did2s", "sun_abraham", "twfe", "panel_poisson")
PLANNED = (*STUDENTS, *MONTHS)
"""Estimators a plan can name."""
SAME_MEASURE = {"absence_rate": ("prior_absence_rate", "pre_absence_rate"), "is_chronic": ("prior_chronic",)}
"""Outcome of attendance -> its own earlier values, in its unit."""
SELECTED_BY = {"prior_absence_rate": "prior_chronic", "pre_absence_rate": "early_warning",
               "prior_chronic": "prior_chronic"}
"""Earlier measure -> the plan's `eligible` rule that selects on it."""
_NOT_PLANNED = {
    "interrupted_series": "It follows whole schools, and a plan compares students. In a notebook ek.estimate takes it.",
    "session_day": "It holds a student's days with a session against its other days and has no comparison group; the "
                   "method appendix shows it for every service, planned or not.",
}


def check_estimator(plan: AnalysisPlan) -> None:
    """Refuse an estimator that a plan cannot name, or that this plan's other settings do not allow."""
    name = plan.estimator
    must_be_one_of("estimator", name, (*PLANNED, *_NOT_PLANNED))
    if name in _NOT_PLANNED:
        raise UsageError(f'estimator "{name}" cannot be planned. {_NOT_PLANNED[name]}',
                         remedy=f"Use one of: {', '.join(PLANNED)}.")
    _check_own_keys(plan)
    if name == "randomized" and plan.comparison != "randomized":
        raise UsageError('estimator "randomized" redraws a lottery, and this comparison was none.',
                         remedy='Use estimator = "regression_adjusted", or comparison = "randomized" after a lottery.')
    if name == "logistic" and not plan.outcome.startswith("is_"):
        raise UsageError(f'estimator "logistic" needs a yes/no outcome, and "{plan.outcome}" is none.',
                         remedy='Use outcome = "is_chronic", or estimator = "regression_adjusted".')
    known = ESTIMATORS[name].standard_errors
    if plan.standard_errors != AnalysisPlan.standard_errors:  # the default gives way to the estimator's own
        must_be_one_of(f'standard_errors with estimator "{name}"', plan.standard_errors, known)
    for names, check in (((*MONTHS, "did"), _check_earlier), (MONTHS, _check_months),
                         (("discontinuity",), _check_threshold)):
        if name in names:
            check(plan)


def _check_own_keys(plan: AnalysisPlan) -> None:
    """A key of one estimator beside another would do nothing."""
    for key, name in (("before", "did"), ("score", "discontinuity"), ("cutoff", "discontinuity"),
                      ("side", "discontinuity")):
        if plan.estimator != name and getattr(plan, key) != getattr(AnalysisPlan, key):
            raise UsageError(f'{key} has no effect with estimator "{plan.estimator}".',
                             remedy=f'Leave it out, or use estimator = "{name}".')


def _check_earlier(plan: AnalysisPlan) -> None:
    """The earlier period of a change was neither matched nor selected on."""
    before = "pre_absence_rate" if plan.estimator in MONTHS else earlier_value(plan)
    _check_same_measure(plan, before)
    what = "months before the start were" if plan.estimator in MONTHS else f"earlier value, {before}, was"
    period = set(of_same_period(before))
    used = [key for key, columns in (("covariates", plan.covariates), ("exact", plan.exact)) if period & set(columns)]
    named = " and ".join(name for name in of_same_period(before) if name in (*plan.covariates, *plan.exact)) or before
    if SELECTED_BY.get(before) == plan.eligible:
        used.append("eligible")
    if used:
        raise UsageError(f'estimator "{plan.estimator}" measures a change, and the {what} matched or selected on '
                         f"({', '.join(used)}): the change would count regression to the mean as an effect.",
                         remedy=f'Take {named} out of {" and ".join(used)}, or use estimator = "regression_adjusted".')


def _check_same_measure(plan: AnalysisPlan, before: str) -> None:
    """A change is of one measure in one unit: the earlier value must be that of the outcome."""
    row = outcome_row(plan.outcome)
    fitting = SAME_MEASURE.get(plan.outcome, ())
    if plan.estimator != "did" or row is None or before in fitting:
        return
    wanted = f"before can be: {', '.join(fitting)}" if fitting else "No earlier value of it is counted"
    raise UsageError(f'estimator "did" takes the change of one measure, and {before} is no earlier "{plan.outcome}".',
                     remedy=f'{wanted}; or use estimator = "regression_adjusted".')


def _check_months(plan: AnalysisPlan) -> None:
    wanted = ("absent_days",) if plan.estimator == "panel_poisson" else ("absence_rate",)
    must_be_one_of(f'outcome with estimator "{plan.estimator}"', plan.outcome, wanted)
    if plan.comparison == "prior_cohort":
        raise UsageError(f'estimator "{plan.estimator}" follows all students over the same months, and a prior cohort '
                         "has those of another year.", remedy='Use estimator = "regression_adjusted".')
    if plan.clustered_by == "subclass" and plan.method not in ("nearest", "optimal", "full"):
        raise UsageError(f'method "{plan.method}" makes no sets of a few students to cluster by.',
                         remedy='Use clustered_by = "student_id" or "school_id".')


def _check_threshold(plan: AnalysisPlan) -> None:
    if not plan.score or plan.cutoff is None:
        raise UsageError('estimator "discontinuity" needs the score and the threshold that decided who got a mentor.',
                         remedy='Write, for example, score = "prior_absence_rate" and cutoff = 0.10.')
    if plan.method != "none" or plan.baseline == "landmark":
        raise UsageError('estimator "discontinuity" looks at everybody on one day, near the threshold.',
                         remedy='Write method = "none" and baseline as the date the scores were looked at.')


def follows_months(plan: AnalysisPlan) -> bool:
    """Whether the planned estimator follows each student month by month."""
    return plan.estimator in MONTHS


def is_about_fewer(plan: AnalysisPlan) -> bool:
    """Whether the estimator itself leaves students of the comparison out: away from a threshold, or without months."""
    return follows_months(plan) or plan.estimator == "discontinuity"


def measures_change(plan: AnalysisPlan) -> bool:
    """Whether the planned estimate is a difference-in-differences, two periods or many."""
    return plan.estimator in (*MONTHS, "did")


def has_wild_bootstrap(plan: AnalysisPlan) -> bool:
    """Whether the planned estimator knows the few-schools test."""
    return "wild_bootstrap" in ESTIMATORS[plan.estimator].standard_errors


def level_instead(plan: AnalysisPlan) -> dict[str, Any]:
    """The other end of the bracket: the earlier value as a covariate, not as what the change is taken from."""
    before = "pre_absence_rate" if follows_months(plan) else earlier_value(plan)
    return {"estimator": "regression_adjusted", "outcome": "absence_rate" if follows_months(plan) else plan.outcome,
            "covariates": tuple(dict.fromkeys([*plan.covariates, before]))}


def level_plan(study: Any, plan: AnalysisPlan) -> AnalysisPlan:
    """The plan with the share of days missed from the start on, for pages that always show that.

    A plan of a change names no earlier absence, so that it can take the change from it; here it is a covariate.
    """
    made = replace(plan, outcome="absence_rate", estimator="regression_adjusted", before="", score="", cutoff=None,
                   side="above")
    if not measures_change(plan):
        return made
    earlier = [name for name, there in (("prior_absence_rate", "prior_year" in study.can), ("pre_absence_rate", True))
               if there and name not in plan.covariates]
    return replace(made, covariates=(*plan.covariates, *earlier))


def holds_no_strata(plan: AnalysisPlan) -> bool:
    """Whether the estimator has no place for the school and the exact columns, so that sets must hold them."""
    return plan.estimator in ("difference", *MONTHS)


def with_months(study: Any, comparison: Comparison, plan: AnalysisPlan) -> Comparison:
    """The comparison with its students' months beside it, where the estimator follows them.

    A mentored student without a month before its start has no change: it is left out, and said.
    """
    if plan.estimator not in MONTHS:
        return comparison
    rows = month_rows(study, comparison, plan)
    first = rows.groupby("student_id")["month"].transform("min")
    never_before = rows["first_treated"].notna() & (first >= rows["first_treated"])
    left = rows.loc[never_before, "student_id"].nunique()
    if not (rows["first_treated"].notna() & ~never_before).any():
        raise UsageError(f'estimator "{plan.estimator}" follows students from months before their mentor began, and no '
                         f"mentored student has one with {LEAST_DAYS} enrolled days.",
                         remedy='Use estimator = "regression_adjusted", with prior_absence_rate among the covariates.')
    said = (f"{left} mentored students have no month of {LEAST_DAYS} enrolled days before their start, so no "
            "change can be measured for them; they are left out.",) if left else ()
    return replace(comparison, remarks=(*comparison.remarks, *said),
                   details={**comparison.details, "months": rows[~never_before].reset_index(drop=True)})


FOLLOWED_MONTHS = "followed over months, in the estimate"
"""The last step of the flow of an estimator over months."""


NEAR = "near the threshold"
"""The last step of the flow of a threshold."""


def with_last_step(comparison: Comparison, plan: AnalysisPlan, found: Estimate) -> Comparison:
    """The comparison with who is in the estimate as its last step, where that is fewer.

    Over months a mentored student needs a month before its start, and in cohorts also enough others who started with
    it; at a threshold only students near it count.
    """
    if found.value is None or not is_about_fewer(plan):
        return comparison
    last = {"step": NEAR, "treated": found.n_treated, "comparison": found.n_comparison}
    if follows_months(plan):
        months, used = comparison.details["months"], comparison.used
        there = used[(used["treated"] == 0) & used["student_id"].isin(months["student_id"])]
        last |= {"step": FOLLOWED_MONTHS, "comparison": there["student_id"].nunique()}
    flow = pd.concat([comparison.flow, pd.DataFrame([last])], ignore_index=True)
    lost = {arm: int(comparison.flow[arm].iloc[-1] - last[arm]) for arm in ("treated", "comparison")}
    return replace(comparison, tables={**comparison.tables, "flow": lambda: flow},
                   details={**comparison.details, "not_followed": lost})


def run_estimator(comparison: Comparison, plan: AnalysisPlan, rows: pd.DataFrame | None = None,
                  **changes: Any) -> Estimate:
    """The planned estimate, or one with something changed, on the rows of the comparison (or some of them).

    changes: estimator, outcome, clustered_by, standard_errors, covariates. Standard errors that an estimator does not
    have give way to its own, and the estimate says which it used.
    """
    asked = {"estimator": plan.estimator, "outcome": plan.outcome, "clustered_by": plan.clustered_by or None,
             "standard_errors": plan.standard_errors, "seed": plan.seed, "covariates": plan.covariates, **changes}
    method = ESTIMATORS[asked["estimator"]]
    if asked["standard_errors"] not in method.standard_errors:
        asked["standard_errors"] = method.standard_errors[0]
    if method.shape == "panel":
        return _on_months(comparison, plan, comparison.used if rows is None else rows, asked)
    if asked["standard_errors"] == "wild_bootstrap" and not asked["clustered_by"]:
        asked["clustered_by"] = "school_id"  # it is made for few clusters, and takes one clustering
    source = comparison if rows is None else rows
    found = estimate(None, source, **asked, **options_of(plan, asked["estimator"]), exact=comparison.plan["exact"],
                    name=plan.comparison, estimand=comparison.plan["estimand"], missing="drop")
    if asked["estimator"] != "discontinuity" or not plan.covariates:
        return found
    said = "The covariates do not change this number: they are looked at for jumps at the threshold."
    return replace(found, caveats=(*found.caveats, said))


def options_of(plan: AnalysisPlan, estimator: str) -> dict[str, Any]:
    """The options a plan's settings give an estimator."""
    if estimator == "did":
        return {"before": earlier_value(plan)}
    if estimator == "discontinuity":
        return {"score": plan.score, "cutoff": plan.cutoff, "side": plan.side}
    if estimator == "callaway_santanna":
        return {"control_group": "never" if plan.later_assigned == "exclude" else "notyet"}
    return {}


def _on_months(comparison: Comparison, plan: AnalysisPlan, rows: pd.DataFrame, asked: dict[str, Any]) -> Estimate:
    """An estimate from the months of the students in `rows`, with the spread of their own outcomes for effect sizes."""
    months = comparison.details["months"]
    months = months[months["student_id"].isin(rows["student_id"])]
    by = asked.pop("clustered_by") or month_clusters(rows, plan)
    takes = month_covariates(months, replace(plan, estimator=asked["estimator"], covariates=asked["covariates"]))
    found = estimate(months, None, **{**asked, "covariates": takes}, clustered_by=by, name=plan.comparison,
                     estimand="ATT", **options_of(plan, asked["estimator"]))
    details = {**found.details, "arms": _spread(rows, asked["outcome"]), "n_rows": len(months)}
    return replace(found, details=details, clustered_by=by, caveats=(*found.caveats, *_said(plan, takes)))


def month_clusters(rows: pd.DataFrame, plan: AnalysisPlan) -> str:
    """As for students compared once; the student where a student is in several sets, or in a set of many."""
    found = choose_clusters(Sample(rows, plan.outcome), None, design=plan.comparison)
    return found[0] if len(found) == 1 else "student_id"


def month_covariates(months: pd.DataFrame, plan: AnalysisPlan) -> tuple[str, ...]:
    """The covariates an estimator over months adjusts for: only one has a place for them."""
    takes = plan.covariates if ESTIMATORS[plan.estimator].takes_covariates else ()
    return tuple(name for name in takes if name in months and months[name].nunique(dropna=False) > 1)


def columns_used(plan: AnalysisPlan) -> tuple[str, ...]:
    """Columns of the comparison the planned estimator needs beside outcome and covariates."""
    return {"did": (earlier_value(plan),), "discontinuity": (plan.score,), "poisson": ("enrolled_days",)}.get(
        plan.estimator, ())


def _spread(rows: pd.DataFrame, outcome: str) -> dict[str, Any]:
    """Means and SDs of the students' own outcomes over the follow-up: what g is made of."""
    return arms(make_sample(None, rows, outcome, missing="drop"))


def _said(plan: AnalysisPlan, takes: Sequence[str]) -> tuple[str, ...]:
    """What to know before quoting a change over months."""
    lines = ["The month a mentor began counts as mentored, so the first effect is about part of a month."]
    if plan.comparison not in ("randomized", WHOLE_SCHOOLS):
        lines.append("Students are given mentors after hard months. The change from such a month counts its end as an "
                     "effect: read the estimate that compares students from their start on beside it.")
    if plan.covariates and not takes:
        lines.append("The covariates chose the comparison; this estimator does not adjust for them.")
    return tuple(lines)


def adjusts_for(plan: AnalysisPlan) -> tuple[str, ...]:
    """Earlier measures and covariates whose gaps the estimate takes out (WWC: an acceptable adjustment)."""
    covariates = plan.covariates if ESTIMATORS[plan.estimator].takes_covariates else ()
    earlier = ("pre_absence_rate",) if follows_months(plan) else (earlier_value(plan),) if measures_change(plan) else ()
    return (*earlier, *covariates)


_SHOWN = {
    "did": ("before", "lagged_outcome_estimate", "correlation_before_after"),
    "discontinuity": ("bandwidth", "bandwidth_chosen", "bias_bandwidth", "bias_corrected_value", "jump_in_treatment",
                      "per_student_moved", "density_test", "other_bandwidths"),
    "callaway_santanna": ("control_group", "method", "base_period", "aggregate", "group_time", "aggregates",
                          "pre_test"),
    "did2s": ("event", "event_att", "event_standard_error", "pre_test"),
    "sun_abraham": ("event", "event_att", "event_standard_error", "pre_test"),
    "twfe": ("staggered", "staggered_test", "pre_test"),
    "panel_poisson": ("ratio", "ratio_low", "ratio_high", "staggered_test", "pre_test"),
}


def details_to_show(plan: AnalysisPlan, found: Estimate) -> dict[str, Any]:
    """What belongs to the planned estimator beyond its one number, for results.json."""
    return {name: found.details[name] for name in _SHOWN.get(plan.estimator, ()) if name in found.details}
