"""The small faults of real exports, row by row, so that a careful loader has something to be careful about.

No fault refuses a file: each is one that a loader mends or sets aside with a reason.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import pandas as pd

Tables = TypeVar("Tables", bound=dict[str, pd.DataFrame])


def roughen(rng: np.random.Generator, tables: Tables) -> Tables:
    """Repeat some rows, put some on closed days or after an exit, assign a mentor to somebody not on the roster."""
    tables["attendance_event"] = _events(rng, tables["attendance_event"], tables["calendar"])
    tables["student"] = _students(rng, tables["student"])
    stranger = tables["assignment"].iloc[[0]].assign(student_id="9999999")
    tables["assignment"] = pd.concat([tables["assignment"], stranger], ignore_index=True)
    if "contact" in tables:
        odd = tables["contact"].iloc[[5]].assign(contact_id="C99998", minutes=600)
        tables["contact"] = pd.concat([tables["contact"], odd], ignore_index=True)
    return tables


def _events(rng: np.random.Generator, events: pd.DataFrame, calendar: pd.DataFrame) -> pd.DataFrame:
    """Eight exact repeats, three rows on a Sunday, two on a holiday, one for a student nobody knows."""
    late = events.index[events["date"] > events["date"].median()].to_numpy()
    repeats = events.loc[rng.choice(late, 8, replace=False)]
    sunday = events.loc[rng.choice(late, 3, replace=False)]
    sunday = sunday.assign(date=sunday["date"] - pd.to_timedelta(sunday["date"].dt.weekday + 1, unit="D"))
    closed = calendar.loc[calendar["day_type"].eq("holiday"), "date"].to_numpy()
    holiday = events.loc[rng.choice(late, 2, replace=False)].assign(date=rng.choice(closed[len(closed) // 2 :], 2))
    unknown = events.loc[rng.choice(late, 1)].assign(student_id="9999998")
    return pd.concat([events, repeats, sunday, holiday, unknown], ignore_index=True)


def _students(rng: np.random.Generator, students: pd.DataFrame) -> pd.DataFrame:
    """Grades spelt in three ways and a few ids with blanks around them."""
    spelt = {"KG": "K", "01": "1", "02": "2nd", "03": "3", "09": "9"}
    odd = rng.random(len(students)) < 0.04
    grade = students["grade_level"].where(~odd, students["grade_level"].map(spelt).fillna(students["grade_level"]))
    padded = rng.random(len(students)) < 0.003
    return students.assign(
        grade_level=grade, student_id=students["student_id"].where(~padded, students["student_id"] + " ")
    )
