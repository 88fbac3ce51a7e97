"""Whole schools as the unit: school-clustered CR2 and the enumerated wild bootstrap beside the planned interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.checks.context import Context, Known, known
from evalkit.checks.result import CheckResult, not_run
from evalkit.estimators.result import LEAST_DF

_LEVEL = 0.05


def run(context: Context) -> CheckResult:
    """Passes when the school-clustered interval and the wild bootstrap lead to the same reading as the planned one."""
    rows, planned = context.rows, context.estimate
    if "school_id" not in rows.columns or rows["school_id"].nunique() < 2:
        return not_run("school_clusters", "there is one school, so the result is for this school.")
    if planned.estimator not in ("regression_adjusted", "difference", "did"):
        return _by_school(context)
    if _whole_schools(context) and "school_id" not in planned.clustered_by:
        return _counted(context)
    again = context.again(clustered_by="school_id", standard_errors="CR2")
    wild = context.again(clustered_by="school_id", standard_errors="wild_bootstrap")
    p_value = wild.details.get("wild", {}).get("p_ge")
    cr2, ours = known(again), known(planned)
    if cr2 is None or ours is None:
        return CheckResult("school_clusters", "caution", p_value, f"By school: {again.reason or planned.reason}")
    unsure = _side(ours) != 0 and p_value is not None and p_value > _LEVEL
    same = _side(cr2) == _side(ours) and not unsure
    text = (f"With {rows['school_id'].nunique()} schools as the unit the interval is {context.in_words(cr2.ci_low)} to "
            f"{context.in_words(cr2.ci_high)} ({cr2.df:.1f} degrees of freedom)"
            + (f"; the enumerated wild bootstrap gives p = {p_value:.3f}" if p_value is not None else "")
            + _least(wild.details.get("wild", {}), unsure)
            + (". The reading stays the same." if same else ". The reading changes: say \"for these schools\".")
            + _thin(cr2))
    return CheckResult("school_clusters", "pass" if same and not _thin(cr2) else "caution", p_value, text,
                       {"ci_low": cr2.ci_low, "ci_high": cr2.ci_high, "df": cr2.df})


_FEW, _TOO_FEW = 10, 4
"""Schools from which a clustered error is taken as it is, and schools a side below which it says little."""


def _whole_schools(context: Context) -> bool:
    arms = context.rows.groupby("school_id")["treated"].agg(["min", "max"])
    return bool((arms["min"] == arms["max"]).all())


def _by_school(context: Context) -> CheckResult:
    """For a model without the wild bootstrap: the same model clustered by school, judged by its own interval."""
    cr2, ours = known(context.again(clustered_by="school_id", standard_errors="CR2")), known(context.estimate)
    counted = _counted(context)
    if cr2 is None or ours is None or counted.verdict == "fail" or "school_id" in context.estimate.clustered_by:
        return counted
    same = _side(cr2) == _side(ours)
    text = (f"With {context.rows['school_id'].nunique()} schools as the unit the interval is "
            f"{context.in_words(cr2.ci_low)} to {context.in_words(cr2.ci_high)} ({cr2.df:.1f} degrees of freedom). "
            + ("The reading stays the same." if same else "The reading changes: say \"for these schools\".")
            + _thin(cr2))
    return CheckResult("school_clusters", "pass" if same and not _thin(cr2) else "caution", counted.value, text,
                       {"ci_low": cr2.ci_low, "ci_high": cr2.ci_high, "df": cr2.df})


def _counted(context: Context) -> CheckResult:
    """Where the estimate is not made anew: were whole schools chosen, is the error by school, are schools enough?"""
    arms = context.rows.groupby("school_id")["treated"].agg(["min", "max"])
    whole, by_school = _whole_schools(context), "school_id" in context.estimate.clustered_by
    least = int(min((arms["max"] == 1).sum(), (arms["min"] == 0).sum()))
    text = f"{len(arms)} schools, {least} on the smaller side. "
    planned = known(context.estimate)
    if whole and not by_school:
        return CheckResult("school_clusters", "fail", float(least), text + "Whole schools were chosen, but the "
                           "interval takes students as independent: cluster by school.")
    if whole and least < _TOO_FEW:
        return CheckResult("school_clusters", "fail", float(least), text + "That is too few to tell the programme from "
                           "what these schools did anyway.")
    if by_school and planned is not None and _thin(planned):
        return CheckResult("school_clusters", "caution", float(least), text + f"The interval has {planned.df:.1f} "
                           f"degrees of freedom.{_thin(planned)}", {"df": planned.df})
    if by_school and len(arms) < _FEW:
        return CheckResult("school_clusters", "caution", float(least), text + "With so few an interval by school is "
                           "only about right: say \"for these schools\".")
    return CheckResult("school_clusters", "pass", float(least), text + ("The interval is by school." if by_school else
                       "Schools hold both groups, so students carry the comparison."))


def _thin(estimate: Known) -> str:
    """Below four degrees of freedom the approximation behind a CR2 p-value and interval breaks down."""
    return "" if estimate.df >= LEAST_DF else (f" Under {LEAST_DF:g} degrees of freedom that interval and its p "
                                              "cannot be relied on: it takes more schools.")


def _least(wild: Mapping[str, Any], unsure: bool) -> str:
    """With few schools even the clearest result has a p above 0.05."""
    if not unsure or not wild.get("enumerated") or 2 / wild["draws"] <= _LEVEL:
        return ""
    return f", and with {wild['n_clusters']} schools it can never be below {2 / wild['draws']:.3f}"


def _side(estimate: Known) -> int:
    return -1 if estimate.ci_high < 0 else 1 if estimate.ci_low > 0 else 0
