"""The dates a monthly or weekly review looks at: the window, and the review before."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from evalkit.panel import school_days
from evalkit.programme import book_of, year_days


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
    if days.empty:
        totals = study.table("attendance_total")["period_end"].dropna()
        earlier = totals[totals < start]
    return Window(start, end, pd.Timestamp(earlier.max()) if len(earlier) else None, period)


def days_behind(study) -> dict[str, int]:
    """School -> number of school days of its calendar after its last complete day, up to as_of.

    A nightly run asks as of today, so a feed that stopped shows here. A school that never sent anything is behind by
    all its days.
    """
    days = year_days(study)
    through = days["school_id"].map(dict(study.complete_through)).astype("datetime64[us]")
    late = days[(days["date"] <= study.as_of) & ~(days["date"] <= through)]
    counts = late.groupby("school_id").size()
    schools = days["school_id"].unique()
    return {str(school): int(counts.get(school, 0)) for school in sorted(schools)}


def stale_schools(study) -> list[str]:
    """Schools whose newest day is more than `rules.stale_after` school days old (R82)."""
    return [school for school, n in days_behind(study).items() if n > study.rules.stale_after]


def reached_days(study) -> pd.DataFrame:
    """School days up to as_of and each school's last complete day. Grain: school_id x calendar_code x date."""
    days = school_days(study, book=book_of(study))
    return days[days["counted"]].reset_index(drop=True)


def has_no_day(study, window: Window) -> bool:
    """Whether the calendar holds days, and none of the month that the page is about."""
    days = study.table("calendar")
    days = days.loc[days["is_instructional"].eq(True).fillna(False), "date"] if len(days) else days.get("date", [])
    return bool(len(days)) and window.period == "month" and not days.between(window.start, window.end).any()
