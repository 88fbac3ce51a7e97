"""The students of a comparison month by month, for the estimators that follow each student over the year."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit import panel
from evalkit.comparison.result import Comparison
from evalkit.comparison.starts import as_dates, read_starts
from evalkit.panel.views import finish

LEAST_DAYS = 5
"""Enrolled school days below which a month says too little about a student to be a row."""
SUMS = ("n_days", "enrolled_units", "absent_units")


def month_rows(study: Any, comparison: Comparison, plan: Any) -> pd.DataFrame:
    """A row per student compared and calendar month of this school year with at least 5 enrolled days.

    Columns: those known of the student at its start (covariates, school_id, subclass), treated, weight, month
    ("2026-01"), first_treated (the month its mentor began; missing for who is compared), n_days, enrolled_days,
    absent_days, absence_rate (0-1). A comparison student leaves with the month its own mentor begins; who is both is a
    mentored student here, and serves as not yet mentored until then. With a baseline date the month is that of the
    student's own mentor. weight: mentored as in the comparison; others add up over their sets or start dates (which
    keeps what was made equal equal), and weigh 1 where nothing was selected.
    """
    own = _own_start(study, plan)
    students = _students(comparison, plan, own)
    then = _until(study, plan)
    book = panel.open_days(then)
    rows = panel.month_panel(then, book=book)
    rows = rows[rows["student_id"].isin(students["student_id"])]
    rows = rows.groupby(["student_id", "month"], as_index=False)[list(SUMS)].sum()
    rows = rows[rows["n_days"] >= LEAST_DAYS]
    both = rows.merge(students, on="student_id", validate="many_to_one")
    left = both["month"] >= both["student_id"].map(own).fillna("9999-99")
    both = both[~(left & both["first_treated"].isna())]
    return finish(both, book.day_units).sort_values(["student_id", "month"], ignore_index=True)


def _until(study: Any, plan: Any) -> Any:
    """The study cut where the plan's follow-up ends."""
    end = pd.Timestamp(plan.follow_up_end) if plan.follow_up_end else None
    return study if end is None or end >= study.as_of else study.at(end)


def _students(comparison: Comparison, plan: Any, own: pd.Series) -> pd.DataFrame:
    """A row per student: what was known of it at its (first) start, the month it counts as mentored from, weight."""
    used = comparison.used.sort_values(["treated", "landmark"], ascending=[False, True], kind="stable")
    first = used.drop_duplicates("student_id")
    others = used[used["treated"] == 0].groupby("student_id")["weight"]
    weight = first["student_id"].map(others.mean() if plan.method == "none" else others.sum())
    mentored = (first["treated"] == 1).to_numpy()
    month = pd.to_datetime(first["landmark"]).dt.strftime("%Y-%m")
    month = month if plan.baseline == "landmark" else first["student_id"].map(own)
    hidden = ["landmark", "landmark_month", "follow_up_end", "is_chronic", "absence_rate", "enrolled_days",
              "absent_days", *SUMS]
    return first.drop(columns=[name for name in hidden if name in first]).assign(
        first_treated=month.where(mentored), weight=np.where(mentored, first["weight"], weight))


def _own_start(study: Any, plan: Any) -> pd.Series:
    """The month in which each student's own mentor begins."""
    ever = read_starts(study, clock=plan.clock).ever
    return as_dates(ever).dt.strftime("%Y-%m").set_axis(ever.index)
