"""Kinds of school days: weekdays, months, and, by each school's calendar, days beside a break or of bad weather."""

from __future__ import annotations

import numpy as np
import pandas as pd

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_ALL_DAYS = np.array([*WEEKDAYS, "Saturday", "Sunday"])
MIN_DAYS = 4
SPECIAL = ("before_holiday", "after_holiday", "early_dismissal", "late_start", "remote", "weather")
NO_HOLIDAY = ("weather", "emergency", "strike")
"""Closures nobody planned for: a day beside one is no day beside a break."""


def day_classes(dates: pd.DatetimeIndex) -> dict[str, np.ndarray]:
    """Classes of days that are the same in every school: pattern code -> dates (bool)."""
    names, month = weekday_names(dates), dates.strftime("%Y-%m")
    classes = {f"weekday={name}": np.asarray(names == name) for name in WEEKDAYS}
    classes |= {f"month={name}": np.asarray(month == name) for name in pd.unique(month)}
    return {name: days for name, days in classes.items() if is_enough(days)}


def weekday_names(dates: pd.DatetimeIndex | pd.Series) -> np.ndarray:
    """The English weekday of each date (pandas' own day_name fails where texts are held as Python's strings)."""
    return _ALL_DAYS[pd.DatetimeIndex(dates).dayofweek]


def is_enough(days: np.ndarray) -> bool:
    """Whether a class of days, and the days outside it, are at least four."""
    return bool(MIN_DAYS <= days.sum() <= len(days) - MIN_DAYS)


def special_days(calendar: pd.DataFrame, opened: np.ndarray, school_ids: np.ndarray, dates: pd.DatetimeIndex) -> dict:
    """Classes of days by school, from its own calendar: pattern code -> schools x dates (bool).

    before_holiday, after_holiday: the school day before and after a weekday off that was planned (any weekday without
    school that the calendar does not call weather, emergency or strike). early_dismissal, late_start, remote: by
    day_type. weather: school days of that day_type, and the school days beside a weather closure.
    opened: schools x dates, the school's own days.
    """
    kinds = calendar if "day_type" in calendar else calendar.iloc[:0].assign(day_type=pd.Series(dtype="str"))
    found = {
        name: mark(kinds[kinds["day_type"].eq(name)], school_ids, dates) & opened
        for name in ("early_dismissal", "late_start", "remote", "weather")
    }
    off = kinds[kinds["day_type"].isin(NO_HOLIDAY)]
    before, after = np.zeros_like(opened), np.zeros_like(opened)
    for s, school in enumerate(school_ids):
        own = off[off["school_id"].eq(school) | ~off["school_id"].isin(school_ids)]
        closures = {kind: part["date"].to_numpy("datetime64[D]") for kind, part in own.groupby("day_type")}
        beside_break, beside_weather = _gaps(dates, opened[s], closures)
        at = np.flatnonzero(opened[s])
        before[s, at[:-1][beside_break]], after[s, at[1:][beside_break]] = True, True
        for side in (at[:-1], at[1:]):
            found["weather"][s, side[beside_weather]] = True
    return {"before_holiday": before, "after_holiday": after} | found


def _gaps(
    dates: pd.DatetimeIndex, opened: np.ndarray, closures: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Between each two school days in turn: is there a planned weekday off, and is there a weather closure?"""
    day = dates.to_numpy("datetime64[D]")[opened]
    if day.size < 2:
        return np.zeros(0, dtype=bool), np.zeros(0, dtype=bool)
    weekdays_off = np.busday_count(day[:-1] + 1, day[1:])
    unplanned = np.zeros(len(day) - 1, dtype=int)
    weather = np.zeros(len(day) - 1, dtype=bool)
    for kind, closed in closures.items():
        closed = closed[np.is_busday(closed)]
        gap = np.searchsorted(day, closed) - 1
        inside = (gap >= 0) & (gap < len(day) - 1) & ~np.isin(closed, day)
        np.add.at(unplanned, gap[inside], 1)
        weather[gap[inside]] |= kind == "weather"
    return weekdays_off > unplanned, weather


def mark(rows: pd.DataFrame, school_ids: np.ndarray, dates: pd.DatetimeIndex) -> np.ndarray:
    """Schools x dates: True where `rows` has the pair; a row without a school counts for every school."""
    table = np.zeros((len(school_ids), len(dates)), dtype=bool)
    day = dates.get_indexer(pd.DatetimeIndex(rows["date"]))
    place = pd.Index(school_ids).get_indexer(rows["school_id"].astype("str"))
    good = (day >= 0) & (place >= 0)
    table[place[good], day[good]] = True
    table[:, day[(day >= 0) & (place < 0)]] = True
    return table


def weeks(dates: pd.DatetimeIndex) -> np.ndarray:
    """The number of each date's week, from the first."""
    return ((dates - dates[0]).days.to_numpy() + dates[0].day_of_week) // 7 if len(dates) else np.array([], dtype=int)
