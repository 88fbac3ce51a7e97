"""School days and who is absent on them: the calendar, the day's pull on everyone, and the two-state chain."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.simulate.settings import DAYS_PER_YEAR, MONTH_RATIO, WEEKDAY_RATIO

N_INCOMPLETE = 10


def make_days(school_year: int) -> pd.DataFrame:
    """A row per weekday from the Monday after Labor Day until 180 school days: date, day_type, is_instructional."""
    dates = pd.bdate_range(_nth(school_year - 1, 9, 0, 1) + pd.Timedelta(days=7), periods=260)
    day_type = pd.Series("instructional", index=dates)
    day_type[dates.isin(_holidays(school_year))] = "holiday"
    day_type[dates.isin(_teacher_days(school_year))] = "teacher_only"
    is_open = day_type.eq("instructional")
    last = dates[np.flatnonzero(is_open.to_numpy())[DAYS_PER_YEAR - 1]]
    frame = pd.DataFrame({"date": dates, "day_type": day_type.to_numpy(), "is_instructional": is_open.to_numpy()})
    frame = frame[frame["date"] <= last].reset_index(drop=True)
    early = frame["is_instructional"] & frame["date"].dt.weekday.eq(2) & frame["date"].dt.day.between(8, 14)
    frame.loc[early, "day_type"] = "early_dismissal"
    return frame


def _nth(year: int, month: int, weekday: int, nth: int) -> pd.Timestamp:
    first = pd.Timestamp(year, month, 1)
    return first + pd.Timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


def _holidays(year: int) -> list[pd.Timestamp]:
    thanks = _nth(year - 1, 11, 3, 4)
    memorial = pd.Timestamp(year, 5, 31)
    memorial -= pd.Timedelta(days=memorial.weekday())
    spring = _nth(year, 4, 0, 2)
    winter = _nth(year, 2, 0, 3)
    breaks = [
        *pd.bdate_range(winter, periods=5),
        *pd.bdate_range(pd.Timestamp(year - 1, 12, 24), pd.Timestamp(year, 1, 2)),
        *pd.bdate_range(spring, periods=5),
        thanks,
        thanks + pd.Timedelta(days=1),
    ]
    single = [
        _nth(year - 1, 10, 0, 2),
        pd.Timestamp(year - 1, 11, 11),
        _nth(year, 1, 0, 3),
        memorial,
        pd.Timestamp(year, 6, 19),
    ]
    return [*breaks, *single]


def _teacher_days(year: int) -> list[pd.Timestamp]:
    return [_nth(year - 1, 11, 1, 1), _nth(year, 1, 4, 4), _nth(year, 3, 4, 2)]


def day_factors(rng: np.random.Generator, dates: pd.DatetimeIndex, n_schools: int) -> np.ndarray:
    """How much each day multiplies everyone's chance of absence: schools x days, mean one in every school.

    Weekday and month ratios are the published ones (raked), shocks common to the district (sd 0.15 on the log scale,
    two snow days, the days round the long breaks) and to a school (sd 0.12) lie around them.
    """
    n_days = len(dates)
    factor = np.exp(rng.normal(0, 0.15, n_days)) * _break_days(dates)
    winter = np.flatnonzero(dates.month.isin([1, 2]))
    factor[rng.choice(winter, size=min(2, winter.size), replace=False)] *= 3.0
    factor = _rake(factor, dates)
    factor = factor * np.exp(rng.normal(0, 0.12, (n_schools, n_days)))
    return factor / factor.mean(axis=1, keepdims=True)


def _break_days(dates: pd.DatetimeIndex) -> np.ndarray:
    """The last day before and the first day after a gap of five days or more draw more absences."""
    gap = np.diff(dates.to_numpy()) / np.timedelta64(1, "D")
    factor = np.ones(len(dates))
    factor[np.append(gap >= 5, False)] *= 1.5
    factor[np.append(False, gap >= 5)] *= 1.3
    return factor


def _rake(factor: np.ndarray, dates: pd.DatetimeIndex) -> np.ndarray:
    """Scale months and weekdays in turn until both sets of ratios hold."""
    months = dates.month.to_numpy()
    weekdays = dates.weekday.to_numpy()
    for _ in range(20):
        for month in np.unique(months):
            factor = np.where(months == month, factor * MONTH_RATIO[month] / factor[months == month].mean(), factor)
        for weekday, ratio in enumerate(WEEKDAY_RATIO):
            factor = np.where(weekdays == weekday, factor * ratio / factor[weekdays == weekday].mean(), factor)
    return factor / factor.mean()


def run_chain(q: np.ndarray, draws: np.ndarray, stickiness: float) -> np.ndarray:
    """Absent or not, students x days: P(absent) = q_t + s (absent yesterday - q_(t-1)).

    With a level q this is P(absent | absent yesterday) = q + s(1 - q), P(absent | present) = q(1 - s), and the share
    absent on every day stays q_t. The same `draws` give the same path: a student's path with and without the programme
    share every draw.
    """
    absent = np.zeros(q.shape, dtype=bool)
    before = draws[:, 0] < q[:, 0]
    absent[:, 0] = before
    for day in range(1, q.shape[1]):
        chance = q[:, day] + stickiness * (before - q[:, day - 1])
        before = draws[:, day] < chance
        absent[:, day] = before
    return absent


def calendar_table(
    frame: pd.DataFrame,
    school_ids: np.ndarray,
    closed: dict[int, int],
    instructional: np.ndarray,
) -> pd.DataFrame:
    """The calendar of every school; `closed` maps a school's index to the instructional day it was shut."""
    table = pd.concat([frame.assign(school_id=school) for school in school_ids], ignore_index=True)
    for school, day in closed.items():
        shut = table["school_id"].eq(school_ids[school]) & table["date"].eq(instructional[day])
        table.loc[shut, "day_type"] = "emergency"
        table.loc[shut, "is_instructional"] = False
    table["calendar_code"] = "REG"
    return table[["school_id", "calendar_code", "date", "day_type", "is_instructional"]]


def complete_through(instructional: pd.DatetimeIndex) -> pd.Timestamp:
    """The last day every school has handed in: ten school days before the year's end."""
    return instructional[-N_INCOMPLETE - 1]
