"""What a study's tables bear: its school year, how far its attendance is complete, and what can be shown."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from evalkit.errors import UserError
from evalkit.rules import Rules
from evalkit.schemas import tables
from evalkit.sources import StudyTables
from evalkit.sources.codes import end_year_of, year_bounds, year_of_span
from evalkit.sources.known import HAPPENED

ATTENDANCE = ("attendance_event", "attendance_total", "attendance_period")


def first_day(read: StudyTables) -> pd.Timestamp:
    """The first date with any attendance."""
    found = [
        read.tables[name][column].min()
        for name, column in (("attendance_event", "date"), ("attendance_period", "date"),
                             ("attendance_total", "period_start"))
        if name in read.tables
    ]
    return min(found, default=pd.Timestamp(1990, 1, 1))


def last_day(given: Mapping[str, pd.DataFrame]) -> pd.Timestamp:
    """The last date with any attendance."""
    found = [given[name][HAPPENED[name]].max() for name in ATTENDANCE if name in given]
    return max(found, default=pd.Timestamp(2000, 1, 1))


def schools_in(given: Mapping[str, pd.DataFrame]) -> set[str]:
    """Every school_id that has a row, students or attendance."""
    names = ("school", "enrollment", *ATTENDANCE)
    return set().union(*(given[name]["school_id"].dropna().unique() for name in names if name in given))


def school_year_of(read: StudyTables) -> tuple[int, tuple[str, ...]]:
    """The reported school year: as study.toml says, else the latest that the attendance holds (and a remark)."""
    if read.config.school_year:
        return read.config.school_year, ()
    for name in (*ATTENDANCE, "enrollment"):
        if name in read.tables:
            years, counts = np.unique(end_year_of(read.tables[name][HAPPENED[name]]), return_counts=True)
            year = int(max(years[counts >= 0.02 * counts.sum()]))
            return year, (f"study.toml states no school_year: {year - 1}-{year % 100:02d} is taken from the dates.",)
    return 0, ()


def complete_through(given: Mapping[str, pd.DataFrame], rules: Rules, year: int) -> dict[str, pd.Timestamp]:
    """school_id -> last complete day: as ruled, as its school row says, else its last date with any event."""
    schools = schools_in(given)
    if rules.complete_through:
        return dict.fromkeys(sorted(schools), _ruled_day(given, rules, year))
    last: dict[str, pd.Timestamp] = {}
    for name in ("attendance_event", "attendance_total"):
        if name in given:
            rows = given[name]
            here = rows[end_year_of(rows[HAPPENED[name]]) <= year]
            for school, day in here.groupby("school_id")[HAPPENED[name]].max().items():
                last[str(school)] = max(day, last.get(str(school), day))
    if "attendance_period" in given:  # periods stand in only for schools that send nothing else
        rows = given["attendance_period"]
        here = rows[end_year_of(rows["date"]) <= year]
        last = {str(school): day for school, day in here.groupby("school_id")["date"].max().items()} | last
    if "school" in given:
        stated = given["school"].dropna(subset=["complete_through"])
        last |= dict(zip(stated["school_id"], stated["complete_through"], strict=True))
    return {school: last[school] for school in sorted(last) if school in schools}


def _ruled_day(given: Mapping[str, pd.DataFrame], rules: Rules, year: int) -> pd.Timestamp:
    """The day that `[rules] complete_through` names, refused where it lies outside the year's attendance."""
    day, last = pd.Timestamp(rules.complete_through), pd.Timestamp(year or 9999, 6, 30) if year else pd.Timestamp.max
    first = min((given[name][HAPPENED[name]].min() for name in ATTENDANCE if name in given), default=day)
    if first <= day <= last:
        return day
    raise UserError("[rules] complete_through lies outside the school year's attendance.", file="study.toml",
                    remedy=f"Write a day from {first:%Y-%m-%d} to {min(last, pd.Timestamp(2200, 1, 1)):%Y-%m-%d}, or "
                    "remove the line.")


def not_submitted(known: Mapping[str, pd.DataFrame], through: Mapping[str, pd.Timestamp]) -> tuple[str, ...]:
    """A remark on schools with students that sent no attendance."""
    if "enrollment" not in known:
        return ()
    silent = sorted(set(known["enrollment"]["school_id"].unique()) - set(through))
    return (
        (f"Schools with students that sent no attendance: {len(silent)}. None of their days are counted.",)
        if silent
        else ()
    )


def capabilities(known: Mapping[str, pd.DataFrame], read: StudyTables, year: int) -> frozenset[str]:
    """What the tables bear: their names, and what follows from them together."""
    can = {name for name in tables() if len(known.get(name, ()))}
    dated = "attendance_event" in known or ("attendance_period" in can and "attendance_total" not in can)
    if dated:
        can.add("daily")
    if year and (holds_daily(known, year - 1) or holds_totals(known, year - 1)):
        can.add("prior_year")
    if "attendance_total" in can:
        can |= {"totals", "rates"}
    if dated and {"enrollment", "calendar"} <= can:
        can.add("rates")
    if read.config and _has_unmentored(known):
        can.add("unmentored")
    if _has_comparison_schools(known):
        can.add("comparison_schools")
    if _has_reasons(known):
        can.add("reasons")
    if "estimated_calendar" in read.capabilities_off:
        can.add("estimated_calendar")
    return frozenset(can - {name for name in read.capabilities_off if name != "estimated_calendar"})


def holds_daily(known: Mapping[str, pd.DataFrame], year: int) -> bool:
    """Whether the year can be counted day by day: it has spans, a calendar and dated rows of its own."""
    spans, calendar, events = (known.get(name) for name in ("enrollment", "calendar", "attendance_event"))
    if spans is None or calendar is None or not isinstance(events, pd.DataFrame):
        return False
    start, end = year_bounds(year)
    return bool((year_of_span(spans) == year).any() and calendar["date"].between(start, end).any()
                and events["date"].between(start, end).any())


def holds_totals(known: Mapping[str, pd.DataFrame], year: int) -> bool:
    """Whether some row of totals lies inside the year."""
    table = known.get("attendance_total")
    start, end = year_bounds(year)
    return table is not None and bool((table["period_start"].ge(start) & table["period_end"].le(end)).any())


def _has_unmentored(known: Mapping[str, pd.DataFrame]) -> bool:
    """Some student with attendance was never assigned a mentor."""
    if "assignment" not in known:
        return False
    names = [name for name in ("enrollment", "attendance_total") if name in known] or ["student"]
    seen = set().union(*(known[name]["student_id"] for name in names if name in known))
    return bool(seen - set(known["assignment"]["student_id"]))


def _has_comparison_schools(known: Mapping[str, pd.DataFrame]) -> bool:
    """A school with students that does not run the programme: as its row says, else one without any assignment."""
    names = [name for name in ("enrollment", "attendance_total") if name in known]
    if not names or "assignment" not in known:
        return False
    rows = known[names[0]][["student_id", "school_id"]]
    if "school" in known and known["school"]["programme_school"].notna().any():
        outside = known["school"].loc[~known["school"]["programme_school"].fillna(True).astype(bool), "school_id"]
        return bool(rows["school_id"].isin(outside).any())
    with_mentors = set(rows.loc[rows["student_id"].isin(known["assignment"]["student_id"]), "school_id"])
    return bool(set(rows["school_id"]) - with_mentors)


def _has_reasons(known: Mapping[str, pd.DataFrame]) -> bool:
    if "barrier" in known:
        return True
    if "attendance_event" in known and known["attendance_event"]["reason_code"].notna().any():
        return True
    return "code_table" in known and bool(known["code_table"]["pattern"].notna().any())
