"""What can be said where days enrolled are not known: days per student and weekday counts against the school days
known.
"""

from __future__ import annotations

import pandas as pd

from evalkit.patterns.days import WEEKDAYS, weekday_names
from evalkit.rules import UNITS_PER_DAY


def days_per_student(absences: pd.DataFrame, n_listed: int) -> pd.DataFrame:
    """Students by days missed. Grain: days (1-2, 3-5, 6-9, 10 or more, none on record); n_students."""
    units = absences[absences["absent_units"] > 0].groupby("student_id")["absent_units"].sum()
    days = units / UNITS_PER_DAY
    labels = ["up to 2 days", "over 2 to 5 days", "over 5 to 9 days", "more than 9 days"]
    cut = pd.cut(days, [0, 2, 5, 9, float("inf")], labels=labels)
    table = cut.value_counts(sort=False).rename_axis("days").reset_index(name="n_students")
    table["days"] = table["days"].astype("str")
    return pd.concat(
        [table, pd.DataFrame({"days": ["none on record"], "n_students": [n_listed - len(units)]})], ignore_index=True
    )


def weekday_counts(absences: pd.DataFrame, days: pd.DataFrame) -> pd.DataFrame:
    """Absences by weekday beside the school days known. Grain: weekday; n_absences, n_students, n_school_days,
    per_day.
    """
    missed = absences[absences["absent_units"] > 0]
    name = weekday_names(missed["date"])
    known = pd.Series(weekday_names(days["date"].drop_duplicates()), dtype="str").value_counts()
    table = (
        pd.DataFrame(
            {
                "n_absences": missed.groupby(name).size(),
                "n_students": missed.groupby(name)["student_id"].nunique(),
                "n_school_days": known,
            }
        )
        .reindex(list(WEEKDAYS))
        .fillna(0)
        .astype("int64")
    )
    table["per_day"] = table["n_absences"] / table["n_school_days"].where(table["n_school_days"] > 0)
    return table.rename_axis("weekday").reset_index()
