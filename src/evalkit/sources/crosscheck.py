"""Checks across tables: unknown students, spans, days that are no school days, codes without a meaning, totals."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.config import Config
from evalkit.schemas import table as schema_table
from evalkit.sources.cautions import cautions
from evalkit.sources.codes import end_year_of
from evalkit.sources.event_checks import check_events, year_bounds
from evalkit.sources.period_checks import check_periods
from evalkit.sources.rows import TableRows, Tables, as_mask, usable
from evalkit.vocabulary import plain

NO_SHOW = {"noshow", "invalidenrollment", "invalid"}
_DATES_INSIDE = {
    "assignment": "begin_date",
    "contact": "date",
    "barrier": "identified_date",
    "recognition": "date",
    "service": "scheduled_date",
    "survey": "asked_on",
    "success_plan": "made_on",
    "school": "complete_through",
}


def check_tables(tables: Tables, config: Config, *, strict_calendar: bool = True) -> list[str]:
    """Set aside every row that another table shows to be impossible; return remarks in plain sentences."""
    remarks: list[str] = []
    known = set(usable(tables, "student")["student_id"])
    for name in tables:
        if name not in ("student", "identity") and "student_id" in schema_table(name).columns:
            _unknown_students(tables[name], known)
    if "identity" in tables:
        tables["identity"].set_aside(
            ~tables["identity"].frame["student_id"].isin(known), "names of an unknown student", counts=False
        )
    if "enrollment" in tables:
        remarks += check_enrollment(tables, config)
    if "calendar" in tables:
        remarks += check_calendar(tables["calendar"])
    if "attendance_event" in tables:
        remarks += check_events(tables, config, strict_calendar=strict_calendar)
    if "attendance_period" in tables:
        remarks += check_periods(tables, config, strict_calendar=strict_calendar)
    if "attendance_total" in tables:
        remarks += check_totals(tables["attendance_total"], config)
    _programme(tables, year_bounds(tables, config))
    if "prior_year" in tables:
        remarks += _prior_year(tables["prior_year"])
    return remarks + id_remarks(tables) + cautions(tables)


def _unknown_students(rows: TableRows, known: set[str]) -> None:
    ids = rows.frame["student_id"]
    outside = ids.notna() & ~ids.isin(known)
    if rows.name == "prior_year":  # last year's leavers are no fault of this year's roster
        rows.set_aside(outside, "student_id: not in the student table (left before this year)", counts=False)
    rows.set_aside(outside, "student_id: not in the student table (unknown student)")


def id_remarks(tables: Tables) -> list[str]:
    """A warning where numeric ids differ in length, which lost zeros do."""
    lengths: dict[str, set[int]] = {}
    for name, rows in tables.items():
        if "student_id" in rows.frame:
            ids = rows.frame["student_id"].dropna()
            numeric = ids[ids.str.fullmatch(r"\d+")]
            if len(numeric):
                lengths[name] = set(numeric.str.len().unique().tolist())
    if len(set().union(*lengths.values())) > 1 if lengths else False:
        seen = "; ".join(f"{name} {' and '.join(map(str, sorted(found)))}" for name, found in lengths.items())
        return [
            "Student ids made of digits differ in length: a program may have dropped zeros at the front. If so, set "
            f"[study] id_width in study.toml. Digits by table: {seen}."
        ]
    return []


def check_enrollment(tables: Tables, config: Config) -> list[str]:
    """No-shows, spans that end before they begin, entries outside their year; spans learn their calendar."""
    rows, remarks = tables["enrollment"], []
    frame = rows.frame
    if config.exit_is_exclusive:
        frame["exit_date"] = frame["exit_date"] - pd.Timedelta(days=1)
        remarks.append(
            "Exit dates are read as the first day away (exit_is_exclusive), so the last day is the day before."
        )
    never_came = [word for word in frame["exit_type"].dropna().unique() if plain(word) in NO_SHOW]
    rows.set_aside(
        frame["exit_type"].isin(never_came), "exit_type: a no-show or invalid enrollment, dropped", counts=False
    )
    nothing = frame["exit_date"] == frame["entry_date"] - pd.Timedelta(days=1) if config.exit_is_exclusive else None
    if nothing is not None:
        rows.set_aside(nothing, "exit_date: on the entry date, so no day in school", counts=False)
    rows.set_aside(frame["exit_date"] < frame["entry_date"], "exit_date: before entry_date")
    rows.set_aside(_outside_own_year(frame), "entry_date: more than 60 days outside its school year")
    same_day = int((rows.usable & as_mask(frame["exit_date"] == frame["entry_date"])).sum())
    if same_day:
        remarks.append(f"Enrollment spans that begin and end on the same day: {same_day}. They may be no-shows.")
    remarks += _calendars_of_spans(tables) + _overlaps(rows)
    return remarks


def _outside_own_year(frame: pd.DataFrame) -> pd.Series:
    """Entry more than 60 days before the school year begins (August) or after it ends (July)."""
    year = pd.to_numeric(frame["school_year"], errors="coerce")
    begin = pd.to_datetime({"year": year - 1, "month": 8, "day": 1}, errors="coerce")
    end = pd.to_datetime({"year": year, "month": 7, "day": 31}, errors="coerce")
    margin = pd.Timedelta(days=60)
    return (frame["entry_date"] < begin - margin) | (frame["entry_date"] > end + margin)


def _calendars_of_spans(tables: Tables) -> list[str]:
    """A school with one calendar needs none on its spans; with several, a span must say which."""
    rows, calendar = tables["enrollment"], usable(tables, "calendar")
    if not len(calendar):
        return []
    codes = calendar[["school_id", "calendar_code"]].drop_duplicates()
    n_codes = codes.groupby("school_id")["calendar_code"].size()
    only = codes[codes["school_id"].map(n_codes) == 1].set_index("school_id")["calendar_code"]
    frame = rows.frame
    frame["calendar_code"] = (
        frame["calendar_code"].fillna(frame["school_id"].map(only)).astype(frame["calendar_code"].dtype)
    )
    several = frame["calendar_code"].isna() & frame["school_id"].isin(n_codes.index)
    rows.set_aside(several, "calendar_code: blank, and the school has several calendars")
    pairs = pd.MultiIndex.from_frame(codes)
    unknown = frame["calendar_code"].notna() & ~pd.MultiIndex.from_frame(frame[["school_id", "calendar_code"]]).isin(
        pairs
    )
    rows.set_aside(unknown & frame["school_id"].isin(n_codes.index), "calendar_code: not in the school's calendar")
    lost = int((rows.usable & ~as_mask(frame["school_id"].isin(n_codes.index))).sum())
    return [f"Enrollment spans at schools without a calendar: {lost}. Their days cannot be counted."] if lost else []


def _overlaps(rows: TableRows) -> list[str]:
    """Overlapping spans of a student, and two primary spans on one date, noted: each date is counted once."""
    frame = rows.frame[rows.usable].sort_values(["student_id", "entry_date", "school_id"], kind="stable")
    same = frame["student_id"].eq(frame["student_id"].shift())
    reach = frame["exit_date"].fillna(pd.Timestamp("2200-01-01")).groupby(frame["student_id"]).cummax()
    before = reach.shift()
    overlap = same & (frame["entry_date"] < before)
    primary = frame[frame["is_primary"].fillna(False).astype(bool)]
    again = primary["student_id"].eq(primary["student_id"].shift()) & (
        primary["entry_date"]
        < primary["exit_date"].fillna(pd.Timestamp("2200-01-01")).groupby(primary["student_id"]).cummax().shift()
    )
    remarks = []
    if overlap.any():
        remarks.append(
            f"Enrollment spans that overlap an earlier span of the same student: {int(overlap.sum())}. Each date is "
            "counted once, the primary school first."
        )
    if again.any():
        remarks.append(
            f"Spans that are primary at two schools on the same date: {int(again.sum())}. Please correct them."
        )
    return remarks


def check_calendar(rows: TableRows) -> list[str]:
    """School days on weekends and years of unusual length, noted."""
    frame = rows.frame[rows.usable]
    school_days = frame[frame["is_instructional"].fillna(False).astype(bool)]
    remarks = []
    weekend = int((school_days["date"].dt.weekday >= 5).sum())
    if weekend:
        remarks.append(f"Saturdays or Sundays that are school days in the calendar: {weekend}. Please check them.")
    years = pd.Series(end_year_of(school_days["date"]), index=school_days.index)
    sizes = school_days.groupby(["school_id", "calendar_code", years]).size()
    odd = sizes[(sizes < 150) | (sizes > 200)]
    if len(odd):
        remarks.append(f"School calendars with fewer than 150 or more than 200 school days in a year: {len(odd)}.")
    closed = {"holiday", "teacher_only", "weather", "emergency", "strike", "non_instructional"}
    clash = int(school_days["day_type"].isin(closed).sum())
    if clash:
        remarks.append(f"Calendar days called closed (holiday, weather ...) and yet marked as school days: {clash}.")
    return remarks


def check_totals(rows: TableRows, config: Config) -> list[str]:
    """Totals that cannot be: more absent than enrolled, periods that end before they begin or lie outside the year."""
    frame = rows.frame
    rows.set_aside(frame["period_end"] < frame["period_start"], "period_end: before period_start")
    rows.set_aside(
        (frame["period_end"] - frame["period_start"]).dt.days > 400, "period_end: more than a year after period_start"
    )
    years = end_year_of(frame["period_end"])
    if len(years) and rows.usable.any():
        usual = int(np.median(years[rows.usable])) if not config.school_year else config.school_year
        rows.set_aside((years > usual) | (years < usual - 15), "period_end: outside the school year")
    rows.set_aside(frame["days_absent_units"] > frame["days_enrolled_units"], "days_absent: above days_enrolled")
    parts = frame[["days_excused_units", "days_unexcused_units", "days_suspended_oss_units"]]
    told = rows.usable & parts.iloc[:, :2].notna().all(axis=1).to_numpy()
    differ = int((told & as_mask(parts.fillna(0).sum(axis=1) != frame["days_absent_units"])).sum())
    remarks = (
        [f"In {differ} rows of totals, excused, unexcused and suspended days do not add up to the days absent."]
        if differ
        else []
    )
    return remarks + _overlapping_periods(rows)


def _overlapping_periods(rows: TableRows) -> list[str]:
    """Periods inside one another (months beside a year) are noted: the panel counts the shorter ones."""
    frame = rows.frame[rows.usable].sort_values(["student_id", "school_id", "period_start"], kind="stable")
    same = frame["student_id"].eq(frame["student_id"].shift()) & frame["school_id"].eq(frame["school_id"].shift())
    n = int((same & (frame["period_start"] <= frame["period_end"].shift())).sum())
    return [f"Periods that overlap another of the same student and school: {n}. Each day is counted once."] if n else []


def _programme(tables: Tables, bounds: tuple[pd.Timestamp, pd.Timestamp] | None) -> None:
    """Programme rows with dates outside the year, ends before beginnings, or contacts without a student."""
    if "assignment" in tables:
        rows = tables["assignment"]
        rows.set_aside(rows.frame["end_date"] < rows.frame["begin_date"], "end_date: before begin_date")
    if "contact" in tables:
        rows = tables["contact"]
        rows.set_aside(
            rows.frame["student_id"].isna() & (rows.frame["activity"] != "h_team_meeting"),
            "student_id: blank, allowed only for h_team_meeting",
        )
    if "referral" in tables:
        rows = tables["referral"]
        rows.set_aside(rows.frame["outcome_date"] < rows.frame["made_date"], "outcome_date: before made_date")
    for name, column in _DATES_INSIDE.items():
        if name in tables and bounds:
            first = bounds[0] - pd.DateOffset(years=5)
            dates = tables[name].frame[column]
            tables[name].set_aside((dates > bounds[1]) | (dates < first), f"{column}: outside the school year")


def _prior_year(rows: TableRows) -> list[str]:
    """Absent above enrolled set aside; a chronic flag that differs from the days is noted (the days decide)."""
    frame = rows.frame
    rows.set_aside(frame["days_absent_units"] > frame["days_enrolled_units"], "days_absent: above days_enrolled")
    used = rows.usable & as_mask(frame["days_enrolled_units"] > 0) & as_mask(frame["chronically_absent"].notna())
    computed = as_mask(10 * frame["days_absent_units"] >= frame["days_enrolled_units"])
    differ = int((used & (computed != as_mask(frame["chronically_absent"]))).sum())
    return (
        [f"For {differ} students the chronic flag of the prior year differs from its days: the days are used."]
        if differ
        else []
    )
