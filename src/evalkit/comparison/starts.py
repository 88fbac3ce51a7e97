"""When each student's mentoring starts, and the school day on which it is compared: its landmark."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit import panel
from evalkit.errors import UserError
from evalkit.panel import DayBook
from evalkit.panel.calendar import as_ordinal, year_bounds

NEVER = 10**8
"""Ordinal of a start that is not in the data."""


@dataclass(frozen=True)
class Starts:
    """treated: student_id and start (ordinal day) of the first assignment of the study year. ever: every student's
    first start of any year. table: the dated assignments known at as_of. remarks: what was assumed."""

    treated: pd.DataFrame
    ever: pd.Series
    table: pd.DataFrame
    remarks: tuple[str, ...] = ()


def read_starts(study: Any, *, clock: str) -> Starts:
    """Assignments known at as_of with the plan's clock: begin_date, or assigned_date where it is given."""
    table = study.tables.get("assignment")
    if table is None or table.empty:
        empty = pd.DataFrame({"student_id": pd.Series(dtype="str"), "start": pd.Series(dtype="int64")})
        return Starts(empty, empty.set_index("student_id")["start"], empty)
    begin = pd.to_datetime(table["begin_date"])
    clock_date, remarks = begin, []
    if clock == "assigned":
        assigned = pd.to_datetime(table["assigned_date"]) if "assigned_date" in table else begin.where(False)
        clock_date = assigned.fillna(begin)
        if assigned.isna().any():
            remarks.append(f"{int(assigned.isna().sum())} assignments have no assigned_date; their begin_date is used.")
    rows = table.assign(_start=clock_date, _begin=begin)[clock_date.notna() & (clock_date <= pd.Timestamp(study.as_of))]
    rows = rows.assign(start=as_ordinal(rows["_start"])).sort_values(["_begin", "start"], kind="stable")
    first, last = year_bounds(study.school_year)
    this_year = rows[rows["_begin"].between(first, last)].drop_duplicates("student_id")
    treated = this_year[["student_id", "start"]].sort_values("student_id", ignore_index=True)
    return Starts(treated, rows.groupby("student_id")["start"].min(), rows, tuple(remarks))


def drawn_by_lot(starts: Starts) -> Starts:
    """The starts that chance decided (assigned_by = randomized), for a comparison called randomized.

    Refused where assignments say how they were made and none was drawn. Where nothing is said the plan is believed, and
    a remark says so.
    """
    table = starts.table
    how = table["assigned_by"] if "assigned_by" in table else pd.Series(dtype="str")
    if not how.notna().any():
        said = "The table assignment does not say how students were assigned; the plan calls it a lottery."
        return replace(starts, remarks=(*starts.remarks, said))
    drawn = set(table.loc[how.eq("randomized").fillna(False), "student_id"])
    chosen = starts.treated[starts.treated["student_id"].isin(drawn)]
    if chosen.empty:
        raise UserError("The plan calls the comparison randomized, but no assignment was made by lottery.",
                        column="assigned_by", file="assignment",
                        remedy='Write assigned_by = randomized where chance decided, or plan another comparison.')
    others = len(starts.treated) - len(chosen)
    said = f"{others} students got a mentor in another way than by the lottery; they count only until that day."
    remarks = (*starts.remarks, said) if others else starts.remarks
    return replace(starts, treated=chosen.reset_index(drop=True), remarks=remarks)


@dataclass(frozen=True)
class Calendars:
    """School days of a day book as sorted integers, for finding the next school day of a calendar."""

    stamp: np.ndarray
    date: np.ndarray
    number: np.ndarray
    counted: np.ndarray

    @classmethod
    def of(cls, book: DayBook) -> Calendars:
        days = book.days
        date = as_ordinal(days["date"])
        return cls(days["calendar"].to_numpy("int64") * 1_000_000 + date, date, days["day_number"].to_numpy("int64"),
                   days["counted"].to_numpy(bool))

    def next_day(self, calendar: np.ndarray, date: np.ndarray) -> np.ndarray:
        """The first school day of each calendar on or after each date; NEVER where there is none."""
        place = np.searchsorted(self.stamp, calendar * 1_000_000 + date, "left")
        inside = place < len(self.stamp)
        place = np.minimum(place, max(len(self.stamp) - 1, 0))
        same = inside & (self.stamp[place] // 1_000_000 == calendar) if len(self.stamp) else inside
        return np.where(same, self.date[place] if len(self.stamp) else NEVER, NEVER)

    def number_on(self, calendar: np.ndarray, date: np.ndarray) -> np.ndarray:
        """School days of each calendar up to and including each date."""
        return (np.searchsorted(self.stamp, calendar * 1_000_000 + date, "right")
                - np.searchsorted(self.stamp, calendar * 1_000_000, "left"))

    def date_of_number(self, calendar: np.ndarray, number: np.ndarray) -> np.ndarray:
        """The date of each calendar's nth school day; NEVER where the year is shorter."""
        begin = np.searchsorted(self.stamp, calendar * 1_000_000, "left")
        end = np.searchsorted(self.stamp, (calendar + 1) * 1_000_000, "left")
        place = begin + number - 1
        good = (number >= 1) & (place < end)
        return np.where(good, self.date[np.where(good, place, 0)] if len(self.date) else NEVER, NEVER)


def stays(book: DayBook) -> pd.DataFrame:
    """Enrolment that counts: student_id, school_id, grade_level, calendar, first, last (ordinal days)."""
    pieces = book.pieces[~book.pieces["is_out"]]
    return pieces[["student_id", "school_id", "grade_level", "calendar", "first", "last"]].reset_index(drop=True)


def place_starts(treated: pd.DataFrame, pool: pd.DataFrame, calendars: Calendars) -> pd.DataFrame:
    """Each treated student's landmark: the next school day of its school on or after the start, while enrolled.

    Columns of `pool` at that day are added. A student enrolled only later gets its first school day there. Students
    with no such day are left out.
    """
    both = treated.merge(pool, on="student_id")
    both["landmark"] = calendars.next_day(both["calendar"].to_numpy("int64"),
                                          np.maximum(both["start"], both["first"]).to_numpy("int64"))
    both = both[both["landmark"] <= both["last"]]
    return both.sort_values(["student_id", "landmark"], kind="stable").drop_duplicates("student_id", ignore_index=True)


def common_landmark(calendars: Calendars, baseline: pd.Timestamp) -> int:
    """A baseline date as everyone's landmark: the first school day of any school on or after it."""
    date = int(as_ordinal([baseline])[0])
    later = calendars.date[calendars.date >= date]
    return int(later.min()) if len(later) else NEVER


def as_dates(ordinal: Any) -> pd.Series:
    """Ordinal days as dates; NEVER and beyond as missing."""
    values = np.asarray(ordinal, dtype="int64")
    dates = pd.Series(values.astype("datetime64[D]").astype("datetime64[us]"))
    return dates.mask(values >= NEVER)


def measure(study: Any, book: DayBook, student_id: Any, start: Any, end: Any) -> pd.DataFrame:
    """Own enrolled and absent days from start to end (ordinals; start None = entry): one row each, same order."""
    windows = pd.DataFrame({"student_id": np.asarray(student_id)})
    windows["start"] = pd.NaT if start is None else as_dates(start)
    windows["end"] = as_dates(end)
    return panel.window_panel(study, windows, book=book)
