"""Runs and periods: long spells of absence, single periods missed, absence that grows within the year."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.patterns.calendar import COLUMNS
from evalkit.patterns.grid import DayGrid, group_members
from evalkit.patterns.permute import deals

MIN_EVENTS = 20.0
EDGES = np.array([1, 3, 5, 8, 12, 18, 27, 40, 60])


def find_runs(
    grid: DayGrid, periods: pd.DataFrame | None = None, *, n_permutations: int = 12, seed: int = 20261
) -> pd.DataFrame:
    """Groups with longer spells, with more of their missed periods in one period, or with more fading students.

    Grain: group x pattern (long_spells, fading, period=1 ...). Every rate ratio is against all other students with as
    many absences; the student is the unit.
    """
    groups = group_members(grid)
    rows = _compare(groups, "long_spells", *spells_by_student(grid))
    rows += _compare(groups, "fading", *fading_by_student(grid, n_permutations=n_permutations, seed=seed))
    if periods is not None and len(periods):
        rows += _periods(grid, groups, periods)
    return pd.DataFrame(rows, columns=COLUMNS)


def spells_by_student(grid: DayGrid) -> tuple[np.ndarray, np.ndarray]:
    """Per student: absences that continue one of the school day before, and those expected at that number of
    absences.
    """
    follows = (grid.absent[:, 1:] & grid.absent[:, :-1]).sum(axis=1)
    n = grid.absent.sum(axis=1)
    return _expected_in_bins(follows.astype(float), n, weights=n.astype(float))


def _expected_in_bins(value: np.ndarray, n: np.ndarray, *, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`value`, and what students with about as many absences have on average (per unit of `weights`)."""
    place = np.searchsorted(EDGES, n, side="right")
    total, base = np.bincount(place, value, len(EDGES) + 1), np.bincount(place, weights, len(EDGES) + 1)
    return value, (total / np.maximum(base, 1e-9))[place] * weights


def fading_by_student(grid: DayGrid, *, n_permutations: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Per student: 1 where absence rises within the year beyond chance (a change-point likelihood ratio above the 95 %
    point of the permutations at that number of absences), and the share expected. Under 5 absences: not judged."""
    n = grid.absent.sum(axis=1)
    place = np.searchsorted(EDGES, n, side="right")
    due = due_so_far(grid)
    drawn = [largest_rise(deal.rows, deal.days, due) for deal in deals(grid, n=n_permutations, seed=seed)]
    limit = np.array(
        [
            np.quantile(np.concatenate([d[place == k] for d in drawn]), 0.95) if (place == k).any() else np.inf
            for k in range(len(EDGES) + 1)
        ]
    )
    rows, days = np.nonzero(grid.absent)
    flag = ((largest_rise(rows, days, due) > limit[place]) & (n >= 5)).astype(float)
    return _expected_in_bins(flag, n, weights=(n >= 5).astype(float))


def due_so_far(grid: DayGrid) -> np.ndarray:
    """Students x dates: the share of a student's absences due up to the end of each day, at everyone's season."""
    share = grid.absent.sum(axis=0) / np.maximum(grid.enrolled.sum(axis=0), 1)
    due = np.cumsum(grid.enrolled * share.astype(np.float32), axis=1, dtype=np.float32)
    due /= np.maximum(due[:, -1:], 1e-9)
    return due


def largest_rise(rows: np.ndarray, days: np.ndarray, due: np.ndarray) -> np.ndarray:
    """The largest log likelihood ratio of a rise at some day between 15 % and 85 % of each student's expected absences.

    rows, days: a place for each absence. Between two absences the ratio only grows, so it is looked at just before each
    absence, and at the last day under 85 %.
    """
    n, width = due.shape
    rows, days = np.divmod(np.sort(rows * width + days), width)
    total = np.bincount(rows, minlength=n)
    before = np.arange(len(rows)) - (np.cumsum(total) - total)[rows]
    edge = (due < 0.85).sum(axis=1) - 1
    at_edge = np.bincount(rows[days <= edge[rows]], minlength=n)
    who = np.concatenate([rows, np.arange(n)])
    seen = np.concatenate([before, at_edge]).astype(np.float32)
    day = np.concatenate([days - 1, edge])
    f, all_ = np.where(day >= 0, due[who, np.maximum(day, 0)], 0), total[who].astype(np.float32)
    later = all_ - seen
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(seen > 0, seen * np.log(seen / (all_ * f)), 0)
        ratio = ratio + np.where(later > 0, later * np.log(later / (all_ * (1 - f))), 0)
    rises = (seen < all_ * f) & (f > 0.15) & (f < 0.85)
    best = np.zeros(n, dtype=np.float32)
    np.maximum.at(best, who[rises], ratio[rises].astype(np.float32))
    return best


def _compare(
    groups: dict[str, np.ndarray], pattern: str, value: np.ndarray, due: np.ndarray
) -> list[dict[str, object]]:
    """Each group's total over its expected total, against the same of everyone else; residuals by student give the
    spread.
    """
    residual = value - due
    everyone = (value.sum(), due.sum(), residual @ residual)
    rows = []
    for name, members in groups.items():
        inside = (value[members].sum(), due[members].sum(), residual[members] @ residual[members])
        outside = (everyone[0] - inside[0], everyone[1] - inside[1], everyone[2] - inside[2])
        row = _ratio(*inside, *outside, df=int((value[members] > 0).sum()) - 1)
        if row is not None:
            rows.append({"kind": "runs", "group": name, "pattern": pattern, "n_students": len(members), **row})
    return rows


def _ratio(y1: float, m1: float, s1: float, y0: float, m0: float, s0: float, *, df: int) -> dict[str, float] | None:
    """Ratio of two observed-over-expected ratios. p (one-sided: more) is the larger of the one on the ratio and the
    one on its log, by t with the group's students who have any as df: with few of them either scale alone is too
    sure."""
    from scipy import special

    if min(m1, m0, y1, y0) < MIN_EVENTS or df < 10:
        return None
    ratio = (y1 / m1) / (y0 / m0)
    sd = np.sqrt(s1 / m1**2 + s0 / m0**2)
    p = special.stdtr(df, -min(ratio - 1, np.log(ratio)) / sd)
    half = special.stdtrit(df, 0.975) * sd
    return {
        "rate_ratio": ratio,
        "ci_low": ratio * np.exp(-half),
        "ci_high": ratio * np.exp(half),
        "p_value": float(p),
        "n_absences": int(y1),
        "n_days": 0,
        "excess_days": float(y1 - m1 * y0 / m0),
    }


def _periods(grid: DayGrid, groups: dict[str, np.ndarray], periods: pd.DataFrame) -> list[dict[str, object]]:
    """For each period: the group's share of missed periods that fall in it, against the others' share."""
    row = pd.Index(grid.students["student_id"]).get_indexer(periods["student_id"])
    periods = periods[row >= 0].assign(row=row[row >= 0])
    n = len(grid.students)
    total = np.bincount(periods["row"], minlength=n).astype(float)
    rows: list[dict[str, object]] = []
    for period in sorted(periods["period"].astype("str").unique()):
        value = np.bincount(periods.loc[periods["period"].astype("str").eq(period), "row"], minlength=n).astype(float)
        share = value.sum() / max(total.sum(), 1)
        at_school = np.bincount(grid.home, value) / np.maximum(np.bincount(grid.home, total), 1)
        schools = {name: rows for name, rows in groups.items() if name.startswith("school_id=")}
        others = {name: rows for name, rows in groups.items() if name not in schools}
        rows += _compare(schools, f"period={period}", value, total * share)
        rows += _compare(others, f"period={period}", value, total * at_school[grid.home])
        rows.append(
            {
                "kind": "runs",
                "group": "all",
                "pattern": f"period={period}",
                "n_students": int((total > 0).sum()),
                "rate_ratio": share * periods["period"].nunique(),
                "n_absences": int(value.sum()),
            }
        )
    return rows
