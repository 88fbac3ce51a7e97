"""Which attendance rows are not counted, and why: for the account that a report shows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.engine import collect_small, open_session
from evalkit.panel import marks as step
from evalkit.panel.book import DayBook, open_days
from evalkit.panel.calendar import year_bounds
from evalkit.panel.codes import read_codes

REASONS = {
    "outside_enrollment": "on a date when the student was not enrolled there",
    "other_school": "from a school other than the one the student attended that day",
    "out_of_denominator": "in a homebound or hospital stay, which the rules leave out",
    "not_a_school_day": "on a weekend, holiday or other day without school",
    "after_complete_through": "after the last day the school's attendance is complete",
    "repeated": "a second row for the same student and day (the one with more absence counts)"}


def dropped_events(study: Any, *, book: DayBook | None = None) -> pd.DataFrame:
    """Absent, tardy and suspended rows of the year that are not counted: reason, n, text; a row per reason, all listed.

    Present rows are not looked at. Rows after as_of or of another school year are no part of the year's count.
    """
    book = book or open_days(study)
    rows = _remarkable(study, book.school_year)
    days = book.days[["calendar", "date", "day_row", "counted"]]
    pieces = book.pieces[["student_id", "school_id", "calendar", "piece", "is_out", "first_date", "last_date"]]
    both = rows.merge(pieces.rename(columns={"school_id": "at"}), on="student_id", how="left")
    both = both[both["date"].between(both["first_date"], both["last_date"])]
    both = both.merge(days, on=["calendar", "date"], how="left").set_index("row")
    whole = rows.set_index("row").join(both[["at", "is_out", "piece", "day_row", "counted"]])
    counts = _reason(whole).value_counts()
    return pd.DataFrame({"reason": list(REASONS), "n": [int(counts.get(name, 0)) for name in REASONS],
                         "text": list(REASONS.values())})


def _remarkable(study: Any, year: int) -> pd.DataFrame:
    events = study.tables.get("attendance_event")
    first, last = year_bounds(year)
    if events is None:
        return pd.DataFrame({"student_id": [], "school_id": [], "date": pd.to_datetime([]), "row": []})
    school = study.tables.get("school")
    codes = read_codes(study.tables.get("code_table", pd.DataFrame()), pd.DataFrame() if school is None else school,
                       study.rules, school_year=year)
    with open_session(sources=[events]) as session:
        rows = step.open_rows(session, events, first=first, last=min(last, pd.Timestamp(study.as_of)))
        table = step.interpret(rows, codes, study.rules).filter(step.is_remarkable())
        keys = ["student_id", "school_id", "date", "absent_share"]
        frame = collect_small(table.select(keys), order=["student_id", "date", "school_id", "absent_share"])
    return frame.assign(date=pd.to_datetime(frame["date"]), row=np.arange(len(frame)))


def _reason(rows: pd.DataFrame) -> pd.Series:
    """The first reason that applies to each row; blank for a row that counts."""
    reason = pd.Series("", index=rows.index, dtype="str")
    tests = {"outside_enrollment": rows["piece"].isna(), "other_school": rows["at"].ne(rows["school_id"]),
             "out_of_denominator": rows["is_out"].eq(True), "not_a_school_day": rows["day_row"].isna(),
             "after_complete_through": rows["counted"].ne(True)}
    for name, hit in tests.items():
        reason = reason.mask(reason.eq("") & hit.fillna(False).astype(bool), name)
    kept = rows[reason.eq("")]
    again = kept.index[kept.duplicated(["student_id", "date"])]
    reason[again] = "repeated"
    return reason
