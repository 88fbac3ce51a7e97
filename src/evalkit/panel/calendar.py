"""School days: every instructional day of a school's calendar, numbered once, with what it weighs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from evalkit.rules import UNITS_PER_DAY, Rules
from evalkit.sources.codes import year_bounds as year_bounds

DAY = np.timedelta64(1, "D")
COLUMNS = ["school_id", "calendar_code", "date", "day_number", "units", "counted", "provisional", "month", "minutes"]


def units_of(frame: pd.DataFrame, column: str) -> pd.Series:
    """The exact integer units of a column of days: its `_units` twin, or scaled from the column itself."""
    if f"{column}_units" in frame:
        return frame[f"{column}_units"].astype("Int64")
    if column not in frame:
        return pd.Series(pd.NA, index=frame.index, dtype="Int64")
    return (frame[column].astype("Float64") * UNITS_PER_DAY).round().astype("Int64")


def column_of(frame: pd.DataFrame, column: str, dtype: str = "str") -> pd.Series:
    """A column, or the same length of nothing where the table does not have it."""
    return frame[column] if column in frame else pd.Series(np.nan if dtype == "str" else pd.NA, index=frame.index,
                                                           dtype=dtype)


def number_days(calendar: pd.DataFrame, schools: pd.DataFrame, *, school_ids: list[str], rules: Rules,
                school_year: int) -> pd.DataFrame:
    """Every instructional day of the year, grain school_id x calendar_code x date, in that order.

    day_number 1.. within a school's calendar; units = what the day weighs. Nothing is counted yet (`mark_counted`).
    """
    start, end = year_bounds(school_year)
    rows = calendar[calendar["is_instructional"].fillna(False).astype(bool) & calendar["date"].between(start, end)]
    days = pd.DataFrame({"school_id": rows["school_id"], "calendar_code": column_of(rows, "calendar_code").fillna(""),
                         "date": rows["date"], "units": units_of(rows, "day_weight").fillna(UNITS_PER_DAY),
                         "minutes": column_of(rows, "minutes", "Int64")})
    days = _for_each_school(days, schools, school_ids)
    days = days.sort_values(["school_id", "calendar_code", "date"], kind="stable", ignore_index=True)
    days = days.drop_duplicates(["school_id", "calendar_code", "date"], ignore_index=True)
    days["units"] = _weigh(days, rules)
    days["minutes"] = days["minutes"].astype("Int64")
    days["day_number"] = days.groupby(["school_id", "calendar_code"], sort=False).cumcount().astype("int64") + 1
    days["month"] = month_of(days["date"])
    return days


def month_of(dates: pd.Series) -> pd.Series:
    """Each date's month as "2026-01"; each date is written once."""
    place, seen = pd.factorize(dates)
    return pd.Series(pd.DatetimeIndex(seen).strftime("%Y-%m"), dtype="str").take(place).set_axis(dates.index)


def _for_each_school(days: pd.DataFrame, schools: pd.DataFrame, school_ids: list[str]) -> pd.DataFrame:
    """A calendar kept by a district (or by no school at all) serves each of its schools without one of its own."""
    own = set(days["school_id"].dropna())
    lacking = [school for school in school_ids if school not in own]
    if not lacking or days.empty:
        return days
    district = dict(zip(schools.get("school_id", ()), schools.get("district_id", ()), strict=False))
    parts = [days[days["school_id"].notna()]]
    for school in lacking:
        rows = days[days["school_id"] == district.get(school)]
        rows = days[days["school_id"].isna()] if rows.empty else rows
        parts.append(rows.assign(school_id=pd.Series(school, index=rows.index, dtype="str")))
    return pd.concat(parts, ignore_index=True)


def _weigh(days: pd.DataFrame, rules: Rules) -> pd.Series:
    """What a day weighs: its day_weight, or under `unit = "minutes"` its minutes, scaled by one whole number."""
    if rules.unit != "minutes":
        return days["units"].astype("int64")
    usual = usual_minutes(days)
    minutes = days["minutes"].astype("Float64").fillna((days["units"] * usual / UNITS_PER_DAY).round())
    return minutes.astype("int64") * units_per_minute(usual)


def usual_minutes(days: pd.DataFrame) -> int:
    """The most frequent length of a school day in minutes (the shorter on a tie), 360 where none is given."""
    known = days["minutes"].dropna()
    return int(known.mode().min()) if len(known) else 360


def units_per_minute(usual: int) -> int:
    """Whole units in a minute: minutes stay exact, and a usual day is UNITS_PER_DAY or at most 0.5 % above it."""
    return -(-UNITS_PER_DAY // usual)


def mark_counted(days: pd.DataFrame, rules: Rules, cut: Mapping[str, pd.Timestamp]) -> pd.DataFrame:
    """Numbered days with counted = not after the school's cut, and provisional = one of the last counted days of a
    calendar, which may still change."""
    last = pd.to_datetime(days["school_id"].map(dict(cut)))
    counted, number = (days["date"] <= last).to_numpy(bool), days["day_number"].to_numpy()
    calendar = np.cumsum(number == 1) - 1
    n_counted = np.bincount(calendar, weights=counted)[calendar] if len(days) else number
    return days.assign(counted=counted, provisional=counted & (number > n_counted - rules.provisional_days))[COLUMNS]


def usual_day(days: pd.DataFrame, rules: Rules) -> int:
    """Units of one usual school day: what "a day" is when a count of days is asked or shown."""
    if rules.unit != "minutes":
        return UNITS_PER_DAY
    usual = usual_minutes(days)
    return usual * units_per_minute(usual)


def days_from_rows(rows: pd.DataFrame, *, weekdays_only: bool) -> pd.DataFrame:
    """A calendar read off dated rows (school_id, date): used only where the study has none. `weekdays_only` for
    exceptions, which a Sunday slip must not turn into a school day."""
    seen = rows[["school_id", "date"]].drop_duplicates()
    if weekdays_only:
        seen = seen[seen["date"].dt.dayofweek < 5]
    return seen.assign(calendar_code="", is_instructional=True).reset_index(drop=True)


def day_rows(days: pd.DataFrame, calendar: np.ndarray, ordinal: np.ndarray) -> np.ndarray:
    """The day row of each calendar and date, -1 where that is no school day: one look-up in a table of all dates."""
    if days.empty:
        return np.full(len(ordinal), -1)
    dates = as_ordinal(days["date"])
    first, width = dates.min(), dates.max() - dates.min() + 1
    table = np.full((int(days["calendar"].max()) + 1, width), -1)
    table[days["calendar"], dates - first] = np.arange(len(days))
    known = (calendar >= 0) & (ordinal >= first) & (ordinal < first + width)
    return np.where(known, table[np.where(known, calendar, 0), np.where(known, ordinal - first, 0)], -1)


def as_ordinal(dates: Any) -> np.ndarray:
    """Dates as whole days since 1970, for exact integer comparison; missing is the smallest integer."""
    return np.asarray(pd.Series(dates).to_numpy("datetime64[D]")).astype("int64")
