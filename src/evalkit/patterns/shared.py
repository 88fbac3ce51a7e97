"""Absent on the same days: households, routes and zips whose students' absences meet more often than chance.

Chance is a permutation that keeps every student's number of absences and every school day's number of absences
("curveball" trades between pairs of students of one school, Strona et al. 2014; all pairs at once,
Carstens et al. 2018).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from evalkit.patterns.calendar import COLUMNS
from evalkit.patterns.grid import DayGrid, group_members, membership

MIN_PAIRS = 30.0
SHARED_COLUMNS = ("bus_route", "zip5")


def shuffled(grid: DayGrid, *, n: int, seed: int, burn_in: int = 12, between: int = 2) -> Iterator[np.ndarray]:
    """`n` matrices of absences with the same totals by student and by school day. Do not keep them: one array is
    reused.
    """
    rng = np.random.default_rng(seed)
    moves = grid.absent.copy()
    at_home = grid.enrolled & (grid.school == grid.home[:, None])
    for step in range(burn_in + n * between):
        _trade(rng, moves, at_home, grid.home)
        if step >= burn_in and (step - burn_in) % between == between - 1:
            yield moves


def _trade(rng: np.random.Generator, moves: np.ndarray, at_home: np.ndarray, home: np.ndarray) -> None:
    """Pair the students of each school at random; each pair deals the days only one of them missed anew, in place."""
    order = np.lexsort((rng.random(len(home)), home))
    a, b = order[0 : len(order) - 1 : 2], order[1::2]
    same = home[a] == home[b]
    a, b = a[same], b[same]
    first, second = moves[a], moves[b]
    open_ = (first ^ second) & at_home[a] & at_home[b]
    width = moves.shape[1]
    keys = rng.integers(0, 1 << 22, size=open_.shape, dtype=np.uint32) * np.uint32(512) + np.arange(
        width, dtype=np.uint32
    )
    keys[~open_] = np.uint32(0xFFFFFFFF)
    need = (first & open_).sum(axis=1)
    limit = np.sort(keys, axis=1)[np.arange(len(a)), np.maximum(need - 1, 0)]
    takes = open_ & (keys <= limit[:, None]) & (need > 0)[:, None]
    moves[a] = np.where(open_, takes, first)
    moves[b] = np.where(open_, ~takes, second)


def find_shared(grid: DayGrid, *, n_permutations: int = 120, seed: int = 20260) -> pd.DataFrame:
    """Routes, zips and all households together: pairs of students absent on the same day, against the permutations.

    Grain: group x pattern (same_days). rate_ratio: pairs seen over pairs expected. p: Pearson III fitted to the
    permutations' mean, spread and skew. n_days: days that stand out one by one (see `standout_days`).
    """
    groups = group_members(grid, SHARED_COLUMNS)
    homes = _households(grid)
    member = membership(groups, len(grid.students))
    home = membership({str(k): rows for k, rows in enumerate(homes)}, len(grid.students))
    seen = _pairs(grid.absent, member, home)
    drawn = np.array([_pairs(moves, member, home) for moves in shuffled(grid, n=n_permutations, seed=seed)])
    names = [*groups, "household_id=all"]
    sizes = [*(len(rows) for rows in groups.values()), sum(len(rows) for rows in homes)]
    rows = [
        _row(name, size, seen[k], drawn[:, k])
        for k, (name, size) in enumerate(zip(names, sizes, strict=True))
        if drawn[:, k].mean() >= MIN_PAIRS
    ]
    table = pd.DataFrame([row for row in rows if row is not None], columns=COLUMNS)
    days = standout_days(grid, {name: groups[name] for name in table["group"] if name in groups})
    counted = days.groupby("group").size()
    return table.assign(n_days=table["group"].map(counted).fillna(0).astype(int))


def _households(grid: DayGrid) -> list[np.ndarray]:
    if "household_id" not in grid.students:
        return []
    values = grid.students["household_id"].astype("str")
    rows = values[values.notna() & values.ne("") & values.ne("nan")].groupby(values).indices
    return [members for members in rows.values() if 2 <= len(members) <= 8]


def _pairs(moves: np.ndarray, member: Any, home: Any) -> np.ndarray:
    """Pairs absent on the same day, per group, and over all households."""
    absent = moves.astype(np.float32)
    together = np.asarray(member @ absent).astype(float)
    at_home = np.asarray(home @ absent).astype(float)
    return np.append((together * (together - 1) / 2).sum(axis=1), (at_home * (at_home - 1) / 2).sum())


def _row(name: str, size: int, seen: float, drawn: np.ndarray) -> dict[str, object] | None:
    from scipy import stats

    mean, sd = drawn.mean(), drawn.std(ddof=1)
    if sd == 0:
        return None
    skew = float(np.clip(stats.skew(drawn, bias=False), 0.0, 1.5)) + 1e-6
    # the permutations' own sampling error widens the tail: t-like factor for an estimated mean and spread
    z = (seen - mean) / (sd * np.sqrt(1 + 1 / len(drawn)) * (1 + 1 / (2 * len(drawn))))
    upper = stats.pearson3.sf(z, skew)
    p = min(1.0, 2 * min(upper, 1 - upper))
    ratio, half = seen / mean, 1.96 * sd / mean
    return {
        "kind": "shared",
        "group": name,
        "pattern": "same_days",
        "n_students": size,
        "rate_ratio": ratio,
        "ci_low": ratio * np.exp(-half),
        "ci_high": ratio * np.exp(half),
        "p_value": float(p),
        "n_absences": int(seen),
        "n_days": 0,
        "excess_days": float("nan"),
    }


def standout_days(grid: DayGrid, groups: dict[str, np.ndarray]) -> pd.DataFrame:
    """Days on which a group had far more absences than the other students of its schools. Grain: group x date.

    Kept: one-sided Poisson chance below 0.01 / number of days, and at least 5 absences.
    """
    from scipy import stats

    from evalkit.patterns.calendar import observed_and_expected

    if not groups:
        return pd.DataFrame(columns=["group", "date", "n_absences", "expected"])
    seen, expected = observed_and_expected(grid, groups)
    level = seen.sum(axis=1, keepdims=True) / np.maximum(expected.sum(axis=1, keepdims=True), 1e-9)
    chance = stats.poisson.sf(seen - 1, expected * level)
    g, d = np.nonzero((chance < 0.01 / max(len(grid.dates), 1)) & (seen >= 5))
    names = np.array(list(groups))
    return pd.DataFrame(
        {
            "group": names[g],
            "date": grid.dates[d],
            "n_absences": seen[g, d].astype(int),
            "expected": (expected * level)[g, d],
        }
    )
