"""What Ed-Fi and OneRoster bundles share: school days inferred from events, and counts in words."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from evalkit.schemas import empty_frame

ESTIMATED = "estimated"
ENOUGH_DAYS = 30


def estimated_calendar(tables: Mapping[str, pd.DataFrame]) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """The tables with school days inferred (Monday to Friday with any event there) for every school whose own calendar
    has fewer than 30 school days; and those schools."""
    events, own = tables["attendance_event"], tables.get("calendar", empty_frame("calendar"))
    open_days = own[own["is_instructional"].fillna(False).astype(bool)].groupby("school_id")["date"].nunique()
    enough = set(open_days[open_days >= ENOUGH_DAYS].index)
    thin = sorted(set(events["school_id"].dropna()) - enough)
    if not thin:
        return dict(tables), []
    seen = events[events["school_id"].isin(thin) & (events["date"].dt.weekday < 5)]
    days = seen[["school_id", "date"]].drop_duplicates().sort_values(["school_id", "date"])
    made = days.assign(calendar_code=ESTIMATED, day_type="instructional", is_instructional=True)
    frame = pd.concat([own[own["school_id"].isin(enough)], made.reindex(columns=own.columns)], ignore_index=True)
    found = {**tables, "calendar": frame.astype(own.dtypes.to_dict())}
    if "enrollment" in found:
        spans = found["enrollment"].copy()
        spans.loc[spans["school_id"].isin(thin), "calendar_code"] = ESTIMATED
        found["enrollment"] = spans
    return found, thin


def unknown_schools(tables: Mapping[str, pd.DataFrame]) -> int:
    """Students whose school no table names."""
    known: set[str] = set()
    for name in ("enrollment", "attendance_event", "attendance_total"):
        if name in tables:
            known |= set(tables[name]["student_id"])
    return int((~tables["student"]["student_id"].isin(known)).sum())


def one_or_more(n: int, one: str, many: str = "") -> str:
    """ "1 event", "1,850 absences"."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"
