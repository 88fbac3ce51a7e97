"""Spillover: a comparison student who lives with a mentored one may gain from the same mentor."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit.checks.context import Context, p_words
from evalkit.checks.power import multiplier
from evalkit.checks.result import CheckResult, not_run
from evalkit.estimators.sample import drop_with_sets

_PASS, _FAIL = 0.05, 0.20


def run(context: Context) -> CheckResult:
    """Share of comparison rows with a mentored household member, and the estimate without them."""
    if "day_after" in context.estimate.details:
        return _day_after(context)
    rows = context.rows
    household = _household(context, rows)
    if household is None or household.isna().all():
        return not_run("spillover", "households are not known (student.household_id).")
    touched = (rows["treated"] == 0) & _has_mentored_mate(context, rows, household)
    share = float(touched.sum() / (rows["treated"] == 0).sum())
    verdict = "pass" if share < _PASS else "caution" if share < _FAIL else "fail"
    text = f"{share:.0%} of the comparison students live with a mentored student."
    if touched.any():
        without = context.again(drop_with_sets(rows, touched.to_numpy()))
        if without.value is not None:
            text += f" Without them the estimate is {context.in_words(without.value)}."
    return CheckResult("spillover", verdict, share, text)


def _day_after(context: Context) -> CheckResult:
    """Days with a session: what lasts into the next school day counts among the days it is compared with."""
    found = context.estimate.details["day_after"]
    if found["p_value"] is None:
        return not_run("spillover", "no student has days after a session to look at.")
    seen, large = found["p_value"] < 0.05, abs(found["value"]) >= abs(context.value) / 4
    smallest = multiplier(found["df"]) * found["standard_error"]
    blind = smallest > abs(context.value) / 2
    verdict = "fail" if seen and large else "caution" if seen or large or blind else "pass"
    text = (f"On the school day after a session absence differs by {context.in_words(found['value'])} "
            f"({p_words(found['p_value'])}); what lasts there makes the effect of the session day look smaller. "
            f"A difference of {context.in_words(smallest).removeprefix('+')} or more would be seen in four studies of "
            "five"
            + (", which is more than half the effect, so this cannot clear it." if blind and not seen else "."))
    return CheckResult("spillover", verdict, found["value"], text,
                       {"p_value": found["p_value"], "detectable": smallest})


def _household(context: Context, rows: pd.DataFrame) -> pd.Series | None:
    given: Any = context.given.get("household")
    if given is not None:
        return rows["student_id"].map(given)
    if "household_id" in rows.columns:
        return rows["household_id"]
    if context.study is None or "student_id" not in rows.columns:
        return None
    students = context.study.table("student")
    if "household_id" not in students.columns:
        return None
    return rows["student_id"].map(students.drop_duplicates("student_id").set_index("student_id")["household_id"])


def _has_mentored_mate(context: Context, rows: pd.DataFrame, household: pd.Series) -> pd.Series:
    """Whether somebody else of the household was mentored (a later mentor of the student itself does not count)."""
    is_treated = rows["treated"] == 1
    pairs = pd.DataFrame({"household": household[is_treated], "student": rows.loc[is_treated, "student_id"]})
    if context.study is not None:
        students, assigned = context.study.table("student"), context.study.table("assignment")
        if "household_id" in students.columns and not assigned.empty:
            more = students[students["student_id"].isin(assigned["student_id"])]
            pairs = pd.concat([pairs, pd.DataFrame({"household": more["household_id"], "student": more["student_id"]})])
    pairs = pairs.dropna().drop_duplicates()
    n_mentored = household.map(pairs.groupby("household").size()).fillna(0)
    own = pd.MultiIndex.from_arrays([household, rows["student_id"]]).isin(pd.MultiIndex.from_frame(pairs))
    return n_mentored - own > 0
