"""Regression to the mean: what the same students' change would have looked like with no programme at all."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.checks.context import DAYS, Context
from evalkit.checks.result import CheckResult, not_run
from evalkit.estimators.sample import numbers
from evalkit.measures import outcome_row

_BEFORE = ("prior_absence_rate", "prior_rate", "pre_absence_rate", "pre_rate")
_ONE_DAY = 1 / DAYS


def _known_in_both(rows: pd.DataFrame, name: str) -> bool:
    """Whether some student of either arm has this earlier rate (last year's cohort has none of the year before)."""
    return name in rows.columns and rows.loc[rows[name].notna(), "treated"].nunique() == 2


def _told(theirs: float) -> str:
    """What a before/after number of the mentored would make of the change that came without a mentor."""
    return ("A before/after number would count that as effect" if theirs < 0 else
            "A before/after number would not see that absence rose anyway, and so would show too little" if theirs > 0
            else "A before/after number would take all change as effect")


def run(context: Context) -> CheckResult:
    """The comparison students' own change from before: what a before/after number of the treated would have claimed.

    Passes when the estimate compares and adjusts for the earlier rate; a caution when it only matches on it; a fail
    when neither, and the change is more than a day a year. An estimate of a change is held beside the same rows with
    the earlier rate as a covariate instead (`_bracket`).
    """
    if context.measures_change:
        return _bracket(context)
    rows = context.rows
    before = context.given.get("before") or next((name for name in _BEFORE if _known_in_both(rows, name)), None)
    outcome, row = context.estimate.outcome, outcome_row(context.estimate.outcome)
    of_presence = row is not None and row.kind == "share" and row.in_school > 0
    if before is None or not ("rate" in outcome or of_presence):
        return not_run("regression_to_the_mean", "there is no earlier rate of the same measure.")
    now = numbers(rows[outcome])
    change = (1 - now if of_presence else now) - numbers(rows[before])
    known = ~np.isnan(change)
    arm, weight = rows["treated"].to_numpy(), rows["weight"].to_numpy(dtype=float)
    ours, theirs = (float(np.average(change[known & (arm == a)], weights=weight[known & (arm == a)])) for a in (1, 0))
    used = before in context.covariates or any(name in context.covariates for name in _BEFORE)
    by_design = context.estimate.estimator in ("randomized", "discontinuity")  # both sides were chosen alike
    verdict = ("pass" if by_design or (used and context.is_adjusted)
               else "caution" if used or abs(theirs) <= _ONE_DAY else "fail")
    words = context.rate_words if of_presence else context.in_words
    text = (f"Mentored students changed by {words(ours)} since the earlier period; comparable students "
            f"without a mentor changed by {words(theirs)}. {_told(theirs)}; "
            + ("this estimate does not." if verdict == "pass" else "adjust for the earlier rate."))
    return CheckResult("regression_to_the_mean", verdict, theirs, text, {"treated_change": ours, "before": before})


def _bracket(context: Context) -> CheckResult:
    """A change beside the level with the earlier value as a covariate: under either one's assumption the truth lies
    between the two (Ding & Li 2019, doi:10.1017/pan.2019.25; Angrist & Pischke 2009, section 5.4).

    Passes where the two are within a day a year; fails where they differ in sign or by half the change or more, unless
    students or whole schools were chosen for no reason of their own attendance (a lottery).
    """
    earlier = context.estimate.details.get("before") or next(
        (name for name in ("pre_absence_rate", *_BEFORE) if _known_in_both(context.rows, name)), None)
    if earlier is None:
        return not_run("regression_to_the_mean", "there is no earlier value to hold the change beside.")
    test = context.estimate.details.get("pre_test", {})
    as_share = test.get("unit") == "share"  # a ratio of rates, told as the difference in the rate that it makes
    change, outcome = (test["effect"], "absence_rate") if as_share else (context.value, context.estimate.outcome)
    level = context.again(estimator="regression_adjusted", outcome=outcome, covariates=tuple(dict.fromkeys(
        [*context.covariates, earlier])))
    if level.value is None or not (as_share or context.same_scale(level)):
        return not_run("regression_to_the_mean", level.reason or "the level is on another scale than the change.")
    gap, drawn = abs(change - level.value), context.setting("comparison") == "randomized"
    near = gap <= _ONE_DAY if as_share or context.estimate.unit == "share" else gap <= abs(change) / 10
    far = level.value * change < 0 or gap >= abs(change) / 2
    words = context.rate_words if as_share else context.in_words
    verdict = "pass" if near else "fail" if far and not drawn else "caution"
    text = (f"As a change from the earlier period the estimate is {words(change)}; with the earlier value as a "
            f"covariate instead it is {words(level.value)}. "
            + {"pass": "The two agree.",
               "caution": "Read the two as a bracket: the truth most likely lies between them.",
               "fail": "Where students are given mentors in a hard time the change counts their coming back anyway as "
                       "an effect: trust the second."}[verdict])
    return CheckResult("regression_to_the_mean", verdict, level.value, text, {"level": level.value, "gap": gap})
