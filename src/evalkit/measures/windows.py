"""Measures of a student's own window of dates: the longest run missed, the last school days, those before them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit import panel
from evalkit.panel import DayBook
from evalkit.panel.calendar import as_ordinal

PULSE_DAYS = 10
MOMENTUM_DAYS = 20


def longest_run(study: Any, windows: pd.DataFrame, *, book: DayBook) -> np.ndarray:
    """The most whole school days missed one after another inside each window: one number a row, 0 where none was.

    windows: student_id, start, end (both ends count). Consecutive means the student's own school days, as in `streaks`.
    """
    return panel.longest_runs(windows, book=book)


def last_days_missed(study: Any, windows: pd.DataFrame, *, book: DayBook, days: int = PULSE_DAYS) -> np.ndarray:
    """Days missed in the school's last `days` school days of each window: one number a row, as in `recent_window`.

    The school is that of the window's last school day. Missing where the student is not enrolled on that day, has no
    enrolled day among them, or where the window holds fewer school days.
    """
    spent = _tail(study, windows, book=book, days=days, skip=0)
    return spent["absent_days"].where(spent["n_days"] > 0).to_numpy("float64")


def change_at_end(study: Any, windows: pd.DataFrame, *, book: DayBook, days: int = MOMENTUM_DAYS) -> np.ndarray:
    """Share of days missed in the last `days` school days of each window less that of the `days` before (below 0:
    gained), as in `momentum`. Missing where the window does not hold both, or the student not both ends of them.
    """
    now = _tail(study, windows, book=book, days=days, skip=0)
    before = _tail(study, windows, book=book, days=days, skip=days)
    return (now["absence_rate"] - before["absence_rate"]).to_numpy("float64")


def _tail(study: Any, windows: pd.DataFrame, *, book: DayBook, days: int, skip: int) -> pd.DataFrame:
    """What each window's student did on the school's last `days` school days of it, after leaving out the last `skip`;
    no day where they do not all lie in the window."""
    piece, high = _at_the_end(windows, book)
    low = pd.Series(book.days["day_row"].to_numpy("int64")).groupby(book.days["calendar"].to_numpy("int64")).min()
    found = piece >= 0
    first = low.reindex(book.pieces["calendar"].to_numpy("int64")[piece]).fillna(0).to_numpy("int64")
    begin, end = high - skip - days + 1, high - skip
    dates = book.days["date"].to_numpy()
    inside = found & (begin >= first)
    start = pd.Series(dates[np.where(inside, begin, 0)]) if len(dates) else pd.Series(windows["start"].to_numpy())
    inside &= (start >= pd.Series(windows["start"].to_numpy())).to_numpy()
    tail = pd.DataFrame({"student_id": windows["student_id"].to_numpy()[inside], "start": start.to_numpy()[inside],
                         "end": dates[end[inside]], "row": np.flatnonzero(inside)})
    spent = panel.window_panel(study, tail, book=book).set_index("row")
    return spent[["n_days", "absent_days", "absence_rate"]].reindex(range(len(windows)))


def _at_the_end(windows: pd.DataFrame, book: DayBook) -> tuple[np.ndarray, np.ndarray]:
    """Of each window the enrolment that holds its school's last counted day, and that day's row; -1 without one."""
    asked = pd.DataFrame({"row": np.arange(len(windows)), "student_id": windows["student_id"].to_numpy(),
                          "end": np.clip(as_ordinal(pd.to_datetime(windows["end"]).fillna(pd.Timestamp(2200, 1, 1))),
                                         0, 900_000)})
    both = asked.merge(book.pieces[["student_id", "piece", "calendar", "row_first", "row_end"]], on="student_id")
    counted = book.days[book.days["counted"]]
    stamp = counted["calendar"].to_numpy("int64") * 1_000_000 + as_ordinal(counted["date"])
    place = np.searchsorted(stamp, both["calendar"].to_numpy("int64") * 1_000_000 + both["end"], "right") - 1
    last = counted["day_row"].to_numpy("int64")[place] if len(stamp) else place
    here = (place >= 0) & (last >= both["row_first"]) & (last < both["row_end"])
    chosen = both.assign(last=last)[here.to_numpy()].drop_duplicates("row", keep="last").set_index("row")
    chosen = chosen[["piece", "last"]].reindex(range(len(windows)), fill_value=-1)
    return chosen["piece"].to_numpy("int64"), chosen["last"].to_numpy("int64")
