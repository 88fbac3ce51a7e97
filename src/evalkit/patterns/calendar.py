"""Days of the week, months, days round holidays and early dismissals: where a group's absences sit differently.

A group is held against the other students of the same school on the same day, so a storm, a long weekend or a hard
month that everyone has is no pattern. What is left over from day to day (or week to week, for months) and from student
to student widens the interval: quasi-Poisson with the two-way sum of both (Cameron, Gelbach & Miller 2011).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.patterns.grid import DayGrid, group_members, membership

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
MIN_EXPECTED = 20.0
MIN_DAYS = 4
_BORROWED = 20.0
"""Student-days borrowed from the whole district's rate for a school day with few other students."""

COLUMNS = [
    "kind",
    "group",
    "pattern",
    "n_students",
    "rate_ratio",
    "ci_low",
    "ci_high",
    "p_value",
    "n_absences",
    "n_days",
    "excess_days",
]


def day_classes(grid: DayGrid) -> dict[str, np.ndarray]:
    """Classes of days to search: pattern code -> dates (bool). Early dismissal is by school, see `early_for`."""
    names = grid.dates.day_name()
    classes = {f"weekday={name}": np.asarray(names == name) for name in WEEKDAYS}
    month = grid.dates.strftime("%Y-%m")
    classes |= {f"month={name}": np.asarray(month == name) for name in pd.unique(month)}
    gap = np.diff(grid.dates.to_numpy()) / np.timedelta64(1, "D") if len(grid.dates) > 1 else np.array([])
    classes["before_holiday"] = np.append(gap > 3, False)[: len(grid.dates)]
    classes["after_holiday"] = np.append(False, gap > 3)[: len(grid.dates)]
    return {name: days for name, days in classes.items() if MIN_DAYS <= days.sum() <= len(days) - MIN_DAYS}


def find_calendar(grid: DayGrid, groups: dict[str, np.ndarray] | None = None) -> pd.DataFrame:
    """Every group x class of days with enough absences: rate ratio of the group's excess on these days against all its
    other days. Grain: group x pattern. The common profile of everyone stands under group "all", without a test.

    groups: name -> rows of the grid; by default every group of `group_members`.
    """
    groups = group_members(grid) if groups is None else groups
    seen, expected = observed_and_expected(grid, groups)
    classes = day_classes(grid)
    week = weeks(grid.dates)
    rows = profile(grid, classes)
    for g, (name, members) in enumerate(groups.items()):
        own = dict(classes)
        early = grid.early[grid.home[members]].mean(axis=0) > 0.5
        if early.sum() >= MIN_DAYS:
            own["early_dismissal"] = early
        absent = grid.absent[members]
        for pattern, days in own.items():
            block = week if pattern.startswith("month") else np.arange(len(grid.dates))
            row = contrast(seen[g], expected[g], days, block, absent)
            if row is not None:
                rows.append({"kind": "calendar", "group": name, "pattern": pattern, "n_students": len(members), **row})
    return pd.DataFrame(rows, columns=COLUMNS)


def weeks(dates: pd.DatetimeIndex) -> np.ndarray:
    """The number of each date's week, from the first."""
    return ((dates - dates[0]).days.to_numpy() + dates[0].day_of_week) // 7 if len(dates) else np.array([], dtype=int)


def observed_and_expected(grid: DayGrid, groups: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Absences of each group by day, and those expected at the rate of the other students of the same schools."""
    member = membership(groups, len(grid.students))
    seen = np.asarray(member @ grid.absent.astype(np.float32), dtype=float)
    days_all, away_all = grid.enrolled.sum(axis=0).astype(float), grid.absent.sum(axis=0).astype(float)
    enrolled = np.asarray(member @ grid.enrolled.astype(np.float32), dtype=float)
    district = (away_all - seen + 0.5 * away_all / np.maximum(days_all, 1)) / np.maximum(days_all - enrolled + 0.5, 0.5)
    expected = np.zeros_like(seen)
    for s in range(len(grid.school_ids)):
        rows = np.flatnonzero((grid.school == s).any(axis=1))
        here = grid.school[rows] == s
        part = member[:, rows]
        busy = np.flatnonzero(np.diff(part.indptr))
        n_group = np.asarray(part[busy] @ here.astype(np.float32), dtype=float)
        y_group = np.asarray(part[busy] @ (here & grid.absent[rows]).astype(np.float32), dtype=float)
        rest_away = (here & grid.absent[rows]).sum(axis=0) - y_group
        rest_days = here.sum(axis=0) - n_group
        rate = (rest_away + _BORROWED * district[busy]) / (rest_days + _BORROWED)
        expected[busy] += n_group * rate
    return seen, expected


def contrast(
    seen: np.ndarray,
    expected: np.ndarray,
    days: np.ndarray,
    block: np.ndarray,
    absent: np.ndarray,
) -> dict[str, float] | None:
    """One group's absences on the class of days against its other days, both relative to the others' rate.

    None when either side has fewer than 20 expected absences. p: scaled deviance against t with blocks - 2 df.
    """
    from scipy import special

    y1, y0, m1, m0 = seen[days].sum(), seen[~days].sum(), expected[days].sum(), expected[~days].sum()
    level = (y1 + y0) / max(m1 + m0, 1e-9)
    if min(m1, m0) * level < MIN_EXPECTED or min(y1, y0) < 1:
        return None
    poisson = 1 / y1 + 1 / y0
    spread, n_blocks = _spread(seen, expected * np.where(days, y1 / m1, y0 / m0), days, block)
    own = absent[:, days].sum(axis=1) / y1 - absent[:, ~days].sum(axis=1) / y0
    by_block, by_student = max(spread, 1.0) * poisson, float(own @ own)
    variance = max(by_block, by_student, by_block + by_student - poisson)
    total = y1 + y0
    e1, e0 = total * m1 / (m1 + m0), total * m0 / (m1 + m0)
    deviance = 2 * (y1 * np.log(y1 / e1) + y0 * np.log(y0 / e0))
    df = max(n_blocks - 2, 3)
    p = 2 * special.stdtr(df, -np.sqrt(max(deviance, 0) * poisson / variance))
    ratio, half = (y1 / m1) / (y0 / m0), special.stdtrit(df, 0.975) * np.sqrt(variance)
    return {
        "rate_ratio": ratio,
        "ci_low": ratio * np.exp(-half),
        "ci_high": ratio * np.exp(half),
        "p_value": float(p),
        "n_absences": int(y1),
        "n_days": int(days.sum()),
        "excess_days": float(y1 - m1 * y0 / m0),
    }


def _spread(seen: np.ndarray, fitted: np.ndarray, days: np.ndarray, block: np.ndarray) -> tuple[float, int]:
    """Pearson dispersion over blocks (days, or weeks split where the class begins), and how many blocks there are."""
    cell = block * 2 + days
    _, place = np.unique(cell, return_inverse=True)
    y, m = np.bincount(place, seen), np.bincount(place, fitted)
    used = m > 0
    return float(((y - m)[used] ** 2 / m[used]).sum() / max(used.sum() - 2, 1)), int(used.sum())


def profile(grid: DayGrid, classes: dict[str, np.ndarray]) -> list[dict[str, object]]:
    """Everyone's weekday and season profile: rate on the class of days over the rate on all other days, untested."""
    from scipy import special

    seen, enrolled = grid.absent.sum(axis=0).astype(float), grid.enrolled.sum(axis=0).astype(float)
    rows: list[dict[str, object]] = []
    for pattern, days in classes.items():
        y1, y0, m1, m0 = seen[days].sum(), seen[~days].sum(), enrolled[days].sum(), enrolled[~days].sum()
        if min(y1, y0) < 1 or min(m1, m0) < 1:
            continue
        spread, n = _spread(seen, enrolled * np.where(days, y1 / m1, y0 / m0), days, np.arange(len(seen)))
        half = special.stdtrit(max(n - 2, 3), 0.975) * np.sqrt(max(spread, 1.0) * (1 / y1 + 1 / y0))
        ratio = (y1 / m1) / (y0 / m0)
        rows.append(
            {
                "kind": "calendar",
                "group": "all",
                "pattern": pattern,
                "n_students": len(grid.students),
                "rate_ratio": ratio,
                "ci_low": ratio * np.exp(-half),
                "ci_high": ratio * np.exp(half),
                "p_value": float("nan"),
                "n_absences": int(y1),
                "n_days": int(days.sum()),
                "excess_days": float("nan"),
            }
        )
    return rows
