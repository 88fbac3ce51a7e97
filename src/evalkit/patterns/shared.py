"""Absent on the same days: households, routes, zips and classes whose students' absences meet more often than chance.

Chance is a permutation that keeps every student's number of absences and every school day's number of absences
(`permute`).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from evalkit.patterns.calendar import COLUMNS, observed_and_expected
from evalkit.patterns.grid import AND, MIN_STUDENTS, DayGrid, group_members, part_of
from evalkit.patterns.permute import Deal, deals, first_deal

MOST_AT_HOME = 8
MIN_PAIRS = 30.0
SHARED_COLUMNS = ("bus_route", "zip5")


def find_shared(grid: DayGrid, *, n_permutations: int = 120, seed: int = 20260) -> pd.DataFrame:
    """Routes, zips, classes (a grade of a school) and all households together: pairs of students absent on the same
    day, against the permutations.

    Grain: group x pattern (same_days). rate_ratio: pairs seen over pairs expected. p: Pearson III fitted to the
    permutations' mean, spread and skew, with the tail of a t of half as many df; one-sided, as where one route meets
    more often the others meet less. n_days: days that stand out one by one (see `standout_days`).
    """
    return _meetings(grid, group_members(grid, SHARED_COLUMNS) | classes(grid), n_permutations, seed, "same_days")


def find_late_mornings(
    grid: DayGrid, absences: pd.DataFrame, *, n_permutations: int = 120, seed: int = 20264
) -> pd.DataFrame:
    """Bus routes whose riders are tardy on the same mornings beyond chance, against all who ride a bus to the same
    school.

    As `find_shared`, pattern late_mornings; absences: rows with is_tardy (student_id, date).
    """
    rides = grid.students["bus_route"].astype("str") if "bus_route" in grid.students else pd.Series(dtype="str")
    rides = (rides.notna() & rides.ne("") & rides.ne("nan")).to_numpy()
    if "is_tardy" not in absences or not rides.any() or not absences["is_tardy"].any():
        return pd.DataFrame(columns=COLUMNS)
    late = absences[absences["is_tardy"].astype(bool)]
    i = pd.Index(grid.students["student_id"]).get_indexer(late["student_id"])
    d = grid.dates.get_indexer(late["date"])
    tardy = np.zeros_like(grid.absent)
    tardy[i[(i >= 0) & (d >= 0)], d[(i >= 0) & (d >= 0)]] = True
    riders = part_of(replace(grid, absent=tardy & grid.enrolled), rides)
    return _meetings(riders, group_members(riders, ("bus_route",)), n_permutations, seed, "late_mornings")


def _meetings(
    grid: DayGrid, groups: dict[str, np.ndarray], n_permutations: int, seed: int, pattern: str
) -> pd.DataFrame:
    codes = _codes(groups, len(grid.students))
    later = _later_siblings(grid) if pattern == "same_days" else []
    seen = _pairs(first_deal(grid), codes, later)
    drawn = np.array([_pairs(deal, codes, later) for deal in deals(grid, n=n_permutations, seed=seed)])
    names = [*groups, "household_id=all"]
    sizes = [*(len(rows) for rows in groups.values()), int((_at_home_with(later) > 0).sum())]
    found = [
        _row(name, size, seen[k], drawn[:, k])
        for k, (name, size) in enumerate(zip(names, sizes, strict=True))
        if drawn[:, k].mean() >= MIN_PAIRS
    ]
    table = pd.DataFrame([row for row in found if row is not None], columns=COLUMNS)
    counted = standout_days(grid, {name: groups[name] for name in table["group"] if name in groups}).groupby("group")
    return table.assign(pattern=pattern, n_days=table["group"].map(counted.size()).fillna(0).astype(int))


def classes(grid: DayGrid) -> dict[str, np.ndarray]:
    """A grade of a school, where the school has more than one: "grade_level=03 & school_id=0001" -> rows."""
    grade = grid.students["grade_level"].astype("str") if "grade_level" in grid.students else None
    if grade is None:
        return {}
    school = pd.Series(grid.school_ids[grid.home])
    several = school.map(grade.groupby(school).nunique()) > 1
    found = grade[several].groupby([grade[several], school[several]]).indices if several.any() else {}
    place = np.flatnonzero(several)
    return {
        f"grade_level={g}{AND}school_id={s}": place[rows] for (g, s), rows in found.items() if len(rows) >= MIN_STUDENTS
    }


def _codes(groups: dict[str, np.ndarray], n: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each kind of group (route, zip, class): the group of each student (one past the last: none), and the groups'
    places."""
    kinds: dict[str, list[int]] = {}
    for k, name in enumerate(groups):
        kinds.setdefault(AND if AND in name else name.partition("=")[0], []).append(k)
    rows, found = list(groups.values()), []
    for places in kinds.values():
        code = np.full(n, len(places))
        for new, k in enumerate(places):
            code[rows[k]] = new
        found.append((code, np.array(places)))
    return found


def _later_siblings(grid: DayGrid) -> list[np.ndarray]:
    """k-th next student of the same household (2 to 8 students), or -1: every pair of a household once."""
    if "household_id" not in grid.students:
        return []
    values = grid.students["household_id"].astype("str")
    named = values[values.notna() & values.ne("") & values.ne("nan")]
    homes = [np.asarray(rows) for rows in named.groupby(named).indices.values() if 2 <= len(rows) <= MOST_AT_HOME]
    place = np.flatnonzero(values.isin(named))
    later = []
    for k in range(1, max((len(rows) for rows in homes), default=1)):
        after = np.full(len(values), -1)
        for rows in homes:
            after[place[rows[:-k]]] = place[rows[k:]]
        later.append(after)
    return later


def _at_home_with(later: list[np.ndarray]) -> np.ndarray:
    """How many brothers and sisters each student has in the search."""
    count = np.zeros(len(later[0]) if later else 0, dtype=int)
    for after in later:
        count += after >= 0
        np.add.at(count, after[after >= 0], 1)
    return count


def _pairs(deal: Deal, codes: list[tuple[np.ndarray, np.ndarray]], later: list[np.ndarray]) -> np.ndarray:
    """Pairs absent on the same day, per group, and over all households."""
    width, n_groups = deal.taken.shape[1], sum(len(places) for _, places in codes)
    found = np.zeros(n_groups + 1)
    for code, places in codes:
        # students without a group count in a last row of their own
        at = code.take(deal.rows) * width + deal.days
        away = np.bincount(at, minlength=(len(places) + 1) * width).reshape(-1, width)[:-1].astype(float)
        found[places] = (away * (away - 1) / 2).sum(axis=1)
    for after in later:
        sibling = after.take(deal.rows)
        at = sibling[sibling >= 0] * width + deal.days[sibling >= 0]
        found[-1] += (deal.taken.reshape(-1).take(at) & deal.at_home.reshape(-1).take(at)).sum()
    return found


def _row(name: str, size: int, seen: float, drawn: np.ndarray) -> dict[str, object] | None:
    from scipy import stats

    mean, sd = drawn.mean(), drawn.std(ddof=1)
    if sd == 0:
        return None
    skew = float(np.clip(stats.skew(drawn, bias=False), 0.0, 1.5)) + 1e-6
    z = (seen - mean) / (sd * np.sqrt(1 + 1 / len(drawn)))
    # the spread is estimated from draws that follow one another, worth about half as many: t instead of the normal
    p = stats.t.sf(min(stats.norm.isf(stats.pearson3.sf(z, skew)), z), len(drawn) / 2)
    ratio, half = seen / mean, 1.96 * sd / mean
    return {
        "kind": "shared",
        "group": name,
        "pattern": "",
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
