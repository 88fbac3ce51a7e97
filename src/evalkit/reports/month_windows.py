"""The dates a monthly or weekly review looks at: the window, the review before, and each student's last school days."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from evalkit.panel import enrolled_spans, school_days, window_panel
from evalkit.programme import year_days


@dataclass(frozen=True)
class Window:
    """From `start` to `end`, both included. `before` is the last review's date (missing in the first month)."""

    start: pd.Timestamp
    end: pd.Timestamp
    before: pd.Timestamp | None
    period: str

    @property
    def before_start(self) -> pd.Timestamp | None:
        """The first day of the window before this one."""
        if self.before is None:
            return None
        return self.before - pd.Timedelta(days=6) if self.period == "week" else self.before.replace(day=1)


def review_window(study, period: str = "month") -> Window:
    """The month (or the seven days) that ends on as_of, and the last school day of the one before.

    A month without a school day before it has no earlier review. With totals only, months end by the calendar.
    """
    end = study.as_of.normalize()
    start = end - pd.Timedelta(days=6) if period == "week" else end.replace(day=1)
    days = year_days(study)
    earlier = days.loc[days["date"] < start, "date"]
    if len(days) == 0:
        totals = study.table("attendance_total")["period_end"].dropna()
        earlier = totals[totals < start]
    return Window(start, end, pd.Timestamp(earlier.max()) if len(earlier) else None, period)


def reached_days(study) -> pd.DataFrame:
    """School days up to as_of and each school's last complete day. Grain: school_id x calendar_code x date."""
    days = school_days(study)
    if days.empty:
        return days
    last = days["school_id"].map(dict(study.complete_through)).fillna(study.as_of)
    return days[(days["date"] <= study.as_of) & (days["date"] <= last)]


def current_students(study) -> pd.DataFrame:
    """Students enrolled on their school's latest school day. Grain: student_id. Columns: school_id, latest, day_number."""
    days, spans = reached_days(study), enrolled_spans(study)
    if days.empty or spans.empty:
        return pd.DataFrame({"student_id": pd.Series(dtype="str"), "school_id": pd.Series(dtype="str"),
                             "day_number": pd.Series(dtype="int64"), "calendar_code": pd.Series(dtype="str")})
    keys = [key for key in ("school_id", "calendar_code") if key in spans.columns and key in days.columns]
    latest = days.groupby(keys, dropna=False)["day_number"].max().rename("day_number").reset_index()
    now = spans.merge(latest, on=keys)
    now = now[(now["last_day_number"] >= now["day_number"]) & (now["first_day_number"] <= now["day_number"])]
    now = now.sort_values(["student_id", "first_day_number", "school_id"]).drop_duplicates("student_id", keep="last")
    return now[["student_id", *keys, "day_number"]].reset_index(drop=True)


def last_school_days(study, current: pd.DataFrame, *, days: int, back: int = 0) -> pd.DataFrame:
    """What each current student missed in the `days` school days that end `back` school days ago.

    Grain: student_id (only where the school has had that many days). Columns: start, end, enrolled_units, absent_units.
    """
    calendar = reached_days(study)
    keys = [key for key in ("school_id", "calendar_code") if key in current.columns]
    dates = calendar[[*keys, "day_number", "date"]]
    ends = current.assign(day_number=current["day_number"] - back).merge(dates, on=[*keys, "day_number"])
    ends = ends.rename(columns={"date": "end"})
    starts = ends.assign(day_number=ends["day_number"] - days + 1).merge(dates, on=[*keys, "day_number"])
    windows = starts.rename(columns={"date": "start"})[["student_id", "start", "end"]]
    return window_panel(study, windows)
