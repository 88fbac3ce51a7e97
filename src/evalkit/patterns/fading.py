"""Students one by one, for the team: whose absence grew within the year, and who skips one class period.

Both lists control how many of them may be chance: Benjamini-Hochberg over all students judged.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.patterns.grid import DayGrid

LEAST_ABSENCES = 8
LEAST_ENROLLED = 0.9
EDGE_WEEKS = 0.15
SURE = 0.05
LEAST_PERIODS = 5
FADING_COLUMNS = ["student_id", "school_id", "since", "share_before", "share_after", "n_absences", "p_value", "q_value"]
PERIOD_COLUMNS = ["student_id", "school_id", "period", "n_in_period", "n_missed", "expected", "p_value", "q_value"]


def fading_students(grid: DayGrid, *, n_permutations: int = 199, seed: int = 20263, q: float = SURE) -> pd.DataFrame:
    """Students whose absence rises at some week, beyond chance. Grain: student; since (first day of the higher part),
    share of days missed before and after, p and q.

    Statistic: largest likelihood ratio of one rise against everyone's season, between 15 % and 85 % of the year.
    Chance: the student's own weeks in random order, so an illness of some days stays together; judged are students
    enrolled nine tenths of the days with 8 absences or more. q: Benjamini-Hochberg over the students judged.
    """
    weeks, counts, due = _weekly(grid)
    n = counts.sum(axis=1)
    enough = grid.enrolled.sum(axis=1) >= LEAST_ENROLLED * len(grid.dates)
    judged = np.flatnonzero(enough & (n >= LEAST_ABSENCES))
    if len(judged) == 0 or weeks.size < 8:
        return pd.DataFrame(columns=FADING_COLUMNS)
    seen, at = _largest_rise(counts[judged], due[judged])
    p = _chance(counts[judged], due[judged], seen, n_permutations, np.random.default_rng(seed))
    from evalkit.patterns.search import q_values

    table = _told(grid, judged, at, weeks, p).assign(q_value=q_values(p))
    return table[table["q_value"] < q].sort_values(["q_value", "student_id"], ignore_index=True)[FADING_COLUMNS]


def _weekly(grid: DayGrid) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """First day of each week (index into dates), absences by student and week, and everyone's share of absences due."""
    from evalkit.patterns.days import weeks

    week = weeks(grid.dates)
    first = np.flatnonzero(np.diff(week, prepend=-1) != 0)
    counts = np.add.reduceat(grid.absent, first, axis=1, dtype=np.float32)
    share = grid.absent.sum(axis=0) / np.maximum(grid.enrolled.sum(axis=0), 1)
    due = np.add.reduceat(grid.enrolled * share.astype(np.float32), first, axis=1)
    return first, counts, due


def _largest_rise(counts: np.ndarray, due: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The largest log likelihood ratio of one rise, and the week before which it lies. Rows are students."""
    seen, f = np.cumsum(counts, axis=1), np.cumsum(due, axis=1)
    f = f / np.maximum(f[:, -1:], 1e-9)
    total = seen[:, -1:]
    later = total - seen
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(seen > 0, seen * np.log(seen / (total * f)), 0)
        ratio = ratio + np.where(later > 0, later * np.log(later / (total * (1 - f))), 0)
    rises = (seen < total * f) & (f > EDGE_WEEKS) & (f < 1 - EDGE_WEEKS)
    ratio = np.where(rises, ratio, 0)
    return ratio.max(axis=1), ratio.argmax(axis=1) + 1


def _chance(counts: np.ndarray, due: np.ndarray, seen: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """p of each student among the permutations of all, each relative to its own student's average permutation."""
    drawn = np.empty((n, len(counts)), dtype=np.float32)
    for k in range(n):
        drawn[k] = _largest_rise(rng.permuted(counts, axis=1), due)[0]
    own = np.maximum(drawn.mean(axis=0), 1e-6)
    pool = np.sort((drawn / own).ravel())
    above = len(pool) - np.searchsorted(pool, seen / own - 1e-6, side="left")
    return (1 + above) / (1 + len(pool))


def _told(grid: DayGrid, judged: np.ndarray, at: np.ndarray, weeks: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    first = weeks[np.minimum(at, len(weeks) - 1)]
    later = np.arange(len(grid.dates))[None, :] >= first[:, None]
    absent, enrolled = grid.absent[judged], grid.enrolled[judged]
    return pd.DataFrame(
        {
            "student_id": grid.students["student_id"].to_numpy()[judged],
            "school_id": grid.school_ids[grid.home[judged]],
            "since": grid.dates[first],
            "share_before": (absent & ~later).sum(axis=1) / np.maximum((enrolled & ~later).sum(axis=1), 1),
            "share_after": (absent & later).sum(axis=1) / np.maximum((enrolled & later).sum(axis=1), 1),
            "n_absences": absent.sum(axis=1),
            "p_value": p,
        }
    )


def skipped_periods(grid: DayGrid, missed: pd.DataFrame | None, *, q: float = SURE) -> pd.DataFrame:
    """Students whose missed single periods gather in one period beyond the share usual at their school.

    Grain: student x period; n_in_period of n_missed, expected. One-sided binomial chance, Benjamini-Hochberg over all
    students with 5 missed periods or more and every period of theirs.
    """
    from scipy import stats

    from evalkit.patterns.search import q_values

    if missed is None or not len(missed):
        return pd.DataFrame(columns=PERIOD_COLUMNS)
    row = pd.Index(grid.students["student_id"]).get_indexer(missed["student_id"])
    one = missed[row >= 0].assign(school_id=grid.school_ids[grid.home[row[row >= 0]]])
    one["period"] = one["period"].astype("str")
    usual = one.groupby("school_id")["period"].value_counts(normalize=True).rename("usual").reset_index()
    table = one.groupby(["student_id", "school_id", "period"]).size().rename("n_in_period").reset_index()
    table["n_missed"] = table.groupby("student_id")["n_in_period"].transform("sum")
    table = table[table["n_missed"] >= LEAST_PERIODS].merge(usual, on=["school_id", "period"])
    if table.empty:
        return pd.DataFrame(columns=PERIOD_COLUMNS)
    table["expected"] = table["n_missed"] * table["usual"]
    table["p_value"] = stats.binom.sf(table["n_in_period"] - 1, table["n_missed"], table["usual"])
    table["q_value"] = q_values(table["p_value"].to_numpy())
    kept = table[table["q_value"] < q].sort_values(["q_value", "student_id"], ignore_index=True)
    return kept[PERIOD_COLUMNS]


def missed_by_student(grid: DayGrid, missed: pd.DataFrame | None) -> pd.DataFrame:
    """Students with 5 single periods missed or more, most first. Grain: student; n_missed, period (the one missed
    most), n_in_period, beyond (yes where `skipped_periods` finds it beyond chance, else no)."""
    names = ["student_id", "n_missed", "period", "n_in_period", "beyond"]
    if missed is None or not len(missed):
        return pd.DataFrame(columns=names)
    known = missed[missed["student_id"].isin(grid.students["student_id"])]
    counts = known.assign(period=known["period"].astype("str")).groupby(["student_id", "period"]).size()
    table = counts.rename("n_in_period").reset_index()
    table["n_missed"] = table.groupby("student_id")["n_in_period"].transform("sum")
    table = table[table["n_missed"] >= LEAST_PERIODS]
    most = table.sort_values(["n_in_period", "period"], ascending=[False, True]).drop_duplicates("student_id")
    sure = skipped_periods(grid, missed)
    pairs = set(zip(sure["student_id"], sure["period"], strict=True))
    beyond = ["yes" if pair in pairs else "no" for pair in zip(most["student_id"], most["period"], strict=True)]
    order = ["n_missed", "n_in_period", "student_id"]
    return most.assign(beyond=beyond).sort_values(order, ascending=[False, False, True], ignore_index=True)[names]
