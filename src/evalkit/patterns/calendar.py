"""Days of the week, months, days round holidays and early dismissals: where a group's absences sit differently.

A group is held against the other students of the same school on the same day, so a storm, a long weekend or a hard
month that everyone has is no pattern. What is left over from day to day (or week to week, for months) and from student
to student widens the interval: quasi-Poisson with the two-way sum of both (Cameron, Gelbach & Miller 2011).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from evalkit.patterns.days import SPECIAL, day_classes, is_enough, weeks
from evalkit.patterns.grid import DayGrid, group_members, membership

MIN_EXPECTED = 20.0
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


def find_calendar(grid: DayGrid, groups: dict[str, np.ndarray] | None = None) -> pd.DataFrame:
    """Every group x class of days with enough absences: rate ratio of the group's excess on these days against all its
    other days. Grain: group x pattern. The common profile of everyone stands under group "all", without a test.

    groups: name -> rows of the grid; by default every group of `group_members`.
    """
    groups = group_members(grid) if groups is None else groups
    member = membership(groups, len(grid.students))
    seen, expected = observed_and_expected(grid, groups)
    parts = []
    for pattern, rows, days in classes_of(grid, member):
        own = member if len(rows) == member.shape[0] else member[rows]
        found = contrasts(seen[rows], expected[rows], days, blocks(grid, pattern), squares(grid, own, days))
        place = rows[found["row"]]
        parts.append(found | {"row": place, "pattern": np.full(len(place), pattern, dtype=object)})
    everyone = profile(grid)
    if not parts:
        return everyone
    table = pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    table = table.sort_values("row", kind="stable", ignore_index=True)
    place = table["row"].to_numpy(int)
    names, sizes = np.array([*groups], dtype=object), np.diff(member.indptr)
    table = table.assign(kind="calendar", group=names[place], n_students=sizes[place])[COLUMNS]
    return pd.concat([everyone, table], ignore_index=True) if len(everyone) and len(table) else table


def classes_of(grid: DayGrid, member: Any) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Every class of days with the groups (rows of `member`) it holds for: most of their students' schools have it."""
    everyone = np.arange(member.shape[0])
    for pattern, days in day_classes(grid.dates).items():
        yield pattern, everyone, days
    at_school = np.zeros((len(grid.students), len(grid.school_ids)), dtype=np.float32)
    at_school[np.arange(len(grid.students)), grid.home] = 1
    share = np.asarray(member @ at_school) / np.maximum(np.diff(member.indptr), 1)[:, None]
    for pattern in SPECIAL:
        own = share @ grid.special[pattern] > 0.5
        kinds, which = np.unique(own, axis=0, return_inverse=True)
        for k, days in enumerate(kinds):
            if is_enough(days):
                yield pattern, np.flatnonzero(which.ravel() == k), days


def days_of(grid: DayGrid, members: np.ndarray, pattern: str) -> np.ndarray:
    """The days of a class for one group."""
    classes = day_classes(grid.dates)
    if pattern in classes:
        return classes[pattern]
    return np.asarray(grid.special[pattern][grid.home[members]].mean(axis=0) > 0.5)


def blocks(grid: DayGrid, pattern: str) -> np.ndarray:
    """What counts as one draw of chance: a week for months, else a day."""
    return weeks(grid.dates) if pattern.startswith("month") else np.arange(len(grid.dates))


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


def squares(grid: DayGrid, member: Any, days: np.ndarray) -> np.ndarray:
    """By group, over its students: sums of a1 a1, a1 a0 and a0 a0, a1 and a0 the absences on these and on other
    days."""
    inside = (grid.absent & days).sum(axis=1).astype(float)
    outside = grid.absent.sum(axis=1) - inside
    return np.asarray(member @ np.stack([inside * inside, inside * outside, outside * outside], axis=1), dtype=float)


def contrasts(
    seen: np.ndarray, expected: np.ndarray, days: np.ndarray, block: np.ndarray, squares: np.ndarray
) -> dict[str, np.ndarray]:
    """Each group's absences on the class of days against its other days, both relative to the others' rate.

    Rows of seen, expected (by day) and squares (see `squares`) are groups; `row` of what comes back tells which
    were tested: those with 20 expected absences on either side. p: signed root of the scaled deviance against t with
    blocks - 2 df, one-sided (more absences).
    """
    y1, y0 = seen[:, days].sum(axis=1), seen[:, ~days].sum(axis=1)
    m1, m0 = expected[:, days].sum(axis=1), expected[:, ~days].sum(axis=1)
    level = (y1 + y0) / np.maximum(m1 + m0, 1e-9)
    kept = np.flatnonzero((np.minimum(m1, m0) * level >= MIN_EXPECTED) & (np.minimum(y1, y0) >= 1))
    y1, y0, m1, m0 = y1[kept], y0[kept], m1[kept], m0[kept]
    fitted = expected[kept] * np.where(days, (y1 / m1)[:, None], (y0 / m0)[:, None])
    spread, n_blocks = _spread(seen[kept], fitted, days, block)
    one, both, other = squares[kept].T
    by_student = one / y1**2 - 2 * both / (y1 * y0) + other / y0**2
    found = _tested((y1, y0, m1, m0), spread, n_blocks, by_student)
    return {"row": kept, "n_days": np.full(len(kept), int(days.sum()))} | found


def _tested(
    sums: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    spread: np.ndarray,
    n_blocks: np.ndarray,
    by_student: np.ndarray,
) -> dict[str, np.ndarray]:
    from scipy import special

    y1, y0, m1, m0 = sums
    poisson = 1 / y1 + 1 / y0
    by_block = np.maximum(spread, 1.0) * poisson
    variance = np.maximum(np.maximum(by_block, by_student), by_block + by_student - poisson)
    total = y1 + y0
    e1, e0 = total * m1 / (m1 + m0), total * m0 / (m1 + m0)
    deviance = np.maximum(2 * (y1 * np.log(y1 / e1) + y0 * np.log(y0 / e0)), 0)
    df = np.maximum(n_blocks - 2, 3)
    ratio, half = (y1 / m1) / (y0 / m0), special.stdtrit(df, 0.975) * np.sqrt(variance)
    return {
        "rate_ratio": ratio,
        "ci_low": ratio * np.exp(-half),
        "ci_high": ratio * np.exp(half),
        "p_value": special.stdtr(df, -np.sign(ratio - 1) * np.sqrt(deviance * poisson / variance)),
        "n_absences": y1.astype("int64"),
        "excess_days": y1 - m1 * y0 / m0,
    }


def _spread(seen: np.ndarray, fitted: np.ndarray, days: np.ndarray, block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pearson dispersion over blocks (days, or weeks split where the class begins), and how many blocks there are."""
    from scipy import sparse

    names, place = np.unique(block * 2 + days, return_inverse=True)
    if len(names) < len(days):
        pool = sparse.csr_matrix((np.ones(len(days)), (np.arange(len(days)), place.ravel())))
        seen, fitted = np.asarray(seen @ pool), np.asarray(fitted @ pool)
    used = fitted > 0
    pearson = np.where(used, (seen - fitted) ** 2 / np.where(used, fitted, 1), 0).sum(axis=1)
    return pearson / np.maximum(used.sum(axis=1) - 2, 1), used.sum(axis=1)


def profile(grid: DayGrid) -> pd.DataFrame:
    """Everyone's weekday, season and break profile: rate on a class of days over the rate on all other days, untested.

    A class of days that differs by school (early dismissal) counts the days most students have it.
    """
    from scipy import special

    seen, enrolled = grid.absent.sum(axis=0).astype(float), grid.enrolled.sum(axis=0).astype(float)
    whole = membership({"all": np.arange(len(grid.students))}, len(grid.students))
    rows: list[dict[str, object]] = []
    for pattern, _, days in classes_of(grid, whole):
        y1, y0, m1, m0 = seen[days].sum(), seen[~days].sum(), enrolled[days].sum(), enrolled[~days].sum()
        if min(y1, y0) < 1 or min(m1, m0) < 1:
            continue
        fitted = enrolled * np.where(days, y1 / m1, y0 / m0)
        spread, n = (x[0] for x in _spread(seen[None, :], fitted[None, :], days, np.arange(len(seen))))
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
    return pd.DataFrame(rows, columns=COLUMNS)
