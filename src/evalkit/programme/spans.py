"""Who was matched on which school day: the denominators of everything a mentor did."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from evalkit.panel import DayBook, absences, enrolled_spans, open_days, school_days

DAY_COLUMNS = ["student_id", "mentor_id", "school_id", "date", "day_number", "absent_units", "units"]

def kept(study, name: str, make: Callable[[], Any]) -> Any:
    """What was worked out for this very study, made once: a review asks the same days a hundred times. It is kept with
    the study and goes with it."""
    found = vars(study).setdefault("_worked_out", {})
    if name not in found:
        found[name] = make()
    return found[name]


def book_of(study) -> DayBook:
    """The study's day book, laid out once."""
    return kept(study, "book", lambda: open_days(study))


def active_assignments(study, on=None) -> pd.DataFrame:
    """The pairings in force on `on` (default: as_of). Grain: student_id x mentor_id x begin_date."""
    day = pd.Timestamp(on) if on is not None else study.as_of
    begun = assignments(study)
    return begun[(begun["begin_date"] <= day) & (begun["end_date"].isna() | (begun["end_date"] >= day))]


def assignments(study) -> pd.DataFrame:
    """The study year's pairings begun by as_of, of the school asked for. Grain: student_id x mentor_id x begin_date."""
    return kept(study, "assignments", lambda: _assignments(study))


def _assignments(study) -> pd.DataFrame:
    table = study.table("assignment")
    table = table[table["begin_date"].notna() & (table["begin_date"] <= study.as_of)]
    days = year_days(study)
    if len(days):
        table = table[table["end_date"].isna() | (table["end_date"] >= days["date"].min())]
    return table.sort_values(["student_id", "begin_date", "mentor_id"]).reset_index(drop=True)


def year_days(study) -> pd.DataFrame:
    """One row per school x date of the reported year, calendars joined (the lowest day number wins).

    Grain: school_id x date. Columns: day_number, units.
    """
    return kept(study, "year_days", lambda: _year_days(study))


def _year_days(study) -> pd.DataFrame:
    days = school_days(study, book=book_of(study)) if "daily" in study.can else pd.DataFrame()
    if days.empty:
        return pd.DataFrame(
            {
                "school_id": pd.Series(dtype="str"),
                "date": pd.Series(dtype="datetime64[us]"),
                "day_number": pd.Series(dtype="int64"),
                "units": pd.Series(dtype="int64"),
            }
        )
    return (
        days.sort_values("day_number")
        .drop_duplicates(["school_id", "date"])[["school_id", "date", "day_number", "units"]]
        .sort_values(["school_id", "date"])
        .reset_index(drop=True)
    )


def matched_days(study, start=None, end=None) -> pd.DataFrame:
    """School days on which a student was enrolled and matched, from `start` to `end` (both included).

    Grain: student_id x date. absent_units is what was missed of the day's units. Where two mentors share a student the
    later pairing is named.
    """
    whole = kept(study, "matched_days", lambda: _matched_days(study))
    return _window(whole, start, min(_or(end, study.as_of), study.as_of)).reset_index(drop=True)


def _matched_days(study) -> pd.DataFrame:
    pairs = assignments(study)
    if "daily" not in study.can or pairs.empty:
        return _no_days()
    book = book_of(study)
    spans, days = enrolled_spans(study, book=book), school_days(study, book=book)
    if spans.empty or days.empty:
        return _no_days()
    days = days[days["counted"]]
    spans = spans[spans["student_id"].isin(pairs["student_id"])]
    keys = ["school_id", "calendar_code"] if "calendar_code" in spans.columns else ["school_id"]
    grid = spans.merge(days, on=keys, how="inner")
    grid = grid[(grid["day_number"] >= grid["first_day_number"]) & (grid["day_number"] <= grid["last_day_number"])]
    grid = grid[["student_id", "school_id", "date", "day_number", "units"]]
    joined = grid.merge(pairs[["student_id", "mentor_id", "begin_date", "end_date"]], on="student_id")
    inside = (joined["date"] >= joined["begin_date"]) & (
        joined["end_date"].isna() | (joined["date"] <= joined["end_date"])
    )
    joined = (
        joined[inside]
        .sort_values(["student_id", "date", "begin_date"])
        .drop_duplicates(["student_id", "date"], keep="last")
    )
    missed = absences(study, book=book)[["student_id", "date", "absent_units"]]
    joined = joined.merge(missed, on=["student_id", "date"], how="left")
    joined["absent_units"] = joined["absent_units"].fillna(0).astype("int64")
    return joined[DAY_COLUMNS].reset_index(drop=True)


def _no_days() -> pd.DataFrame:
    kinds = (
        dict.fromkeys(DAY_COLUMNS, "str")
        | {"date": "datetime64[us]"}
        | dict.fromkeys(("day_number", "absent_units", "units"), "int64")
    )
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def held_contacts(study, start=None, end=None, *, attempts: bool = False) -> pd.DataFrame:
    """Contacts held by as_of in the window (a blank status counts as held); with `attempts`, everything not
    cancelled."""
    table = study.table("contact")
    table = _window(table[table["date"].notna()], start, min(_or(end, study.as_of), study.as_of))
    status = table["status"]
    return table[status.ne("cancelled").fillna(True)] if attempts else table[status.isna() | status.eq("held")]


def next_school_day(days: pd.DataFrame, rows: pd.DataFrame, *, ahead: int = 1) -> pd.Series:
    """For rows of school_id and day_number, the date `ahead` school days later (missing beyond the calendar)."""
    lookup = days[["school_id", "day_number", "date"]].rename(columns={"date": "later"})
    wanted = rows[["school_id", "day_number"]].assign(day_number=rows["day_number"] + ahead)
    return wanted.merge(lookup, on=["school_id", "day_number"], how="left")["later"].set_axis(rows.index)


def _window(table: pd.DataFrame, start, end) -> pd.DataFrame:
    inside = pd.Series(True, index=table.index)
    if start is not None:
        inside &= table["date"] >= pd.Timestamp(start)
    if end is not None:
        inside &= table["date"] <= pd.Timestamp(end)
    return table[inside]


def _or(value, default):
    return default if value is None else pd.Timestamp(value)
