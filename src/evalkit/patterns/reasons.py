"""Why: how many absences have a reason at all, which reasons sit where, which come together.

Excused and unexcused are legal words, never reasons. A student may have several reasons, so shares are of students and
do not add up to 100 %. A mentor's own entry (barrier table) stands beside the code's reason.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.patterns.calendar import COLUMNS
from evalkit.patterns.grid import DayGrid, group_members

UNKNOWN = ("no_reason", "unknown", "")
COVERAGE_NEEDED = 0.60
"""Reasons are compared only where at least six of ten absences have one."""
MIN_WITH_REASON = 5.0


def is_known(pattern: pd.Series) -> pd.Series:
    """Whether a reason is one: recorded, and not "no reason"."""
    return pattern.notna() & ~pattern.isin(UNKNOWN)


def with_reasons(absences: pd.DataFrame) -> pd.DataFrame:
    """The absences with `pattern` filled in from the event's own reason_code where the attendance code gives none: a
    CEDS code, or a barrier's name in any spelling of the vocabulary. A status (excused only ...) is no reason."""
    from evalkit.vocabulary import absence_codes, plain, spellings

    if "reason_code" not in absences or not absences["reason_code"].notna().any():
        return absences
    ceds, names = absence_codes("ceds"), spellings("pattern")
    said = {
        code: ceds.get(str(code).strip()) or names.get(plain(str(code))) for code in absences["reason_code"].unique()
    }
    found = absences["reason_code"].map(said)
    return absences.assign(pattern=absences["pattern"].where(is_known(absences["pattern"]), found).astype("str"))


def coverage(absences: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """How many absences have a reason, by school, month or both. Grain: `by`. n_absences, n_known, share (0-1)."""
    missed = absences[absences["absent_units"] > 0]
    missed = missed.assign(known=is_known(missed["pattern"]))
    table = missed.groupby(by)["known"].agg(n_absences="size", n_known="sum").reset_index()
    table["n_known"] = table["n_known"].astype("int64")
    return table.assign(
        share=table["n_known"] / table["n_absences"], enough=table["n_known"] / table["n_absences"] >= COVERAGE_NEEDED
    )


def student_reasons(absences: pd.DataFrame, barriers: pd.DataFrame) -> pd.DataFrame:
    """Which student has which reason. Grain: student_id x pattern; n (absences with it), from_mentor (bool)."""
    missed = absences[(absences["absent_units"] > 0) & is_known(absences["pattern"])]
    coded = missed.groupby(["student_id", "pattern"]).size().rename("n").reset_index()
    said = (
        barriers[["student_id", "pattern"]].drop_duplicates()
        if len(barriers)
        else pd.DataFrame(columns=["student_id", "pattern"])
    )
    table = coded.merge(said.assign(from_mentor=True), on=["student_id", "pattern"], how="outer")
    return table.assign(n=table["n"].fillna(0).astype("int64"), from_mentor=table["from_mentor"].eq(True))


def find_reasons(grid: DayGrid, absences: pd.DataFrame, *, groups: dict[str, np.ndarray] | None = None) -> pd.DataFrame:
    """Reasons that a group's students have more often than other students with as many recorded reasons.

    Grain: group x pattern (reason=...). Mantel-Haenszel risk ratio over strata of the number of absences with a reason
    and the school (for schools themselves: the grade); groups below the coverage needed are left out. Only codes
    are compared: mentors see a chosen group of students. groups: as in `find_calendar`.
    """
    missed = absences[absences["absent_units"] > 0]
    row = pd.Index(grid.students["student_id"]).get_indexer(missed["student_id"])
    missed, row = missed[row >= 0], row[row >= 0]
    known = is_known(missed["pattern"]).to_numpy()
    n = len(grid.students)
    n_known, n_all = np.bincount(row[known], minlength=n), np.bincount(row, minlength=n)
    place, names = pd.factorize(missed["pattern"].where(known), sort=True)
    has = np.zeros((n, len(names)), dtype=bool)
    has[row[known], place[known]] = True
    by_school, by_grade = (Strata(has, stratum, n_known > 0) for stratum in _strata(grid, n_known))
    parts = []
    for group, members in (group_members(grid) if groups is None else groups).items():
        if not len(names) or n_known[members].sum() < COVERAGE_NEEDED * n_all[members].sum():
            continue
        members = members[n_known[members] > 0]
        found = (by_grade if group.startswith("school_id=") else by_school).against_the_rest(members)
        size = len(found["column"])
        parts.append(found | {"group": np.full(size, group, dtype=object), "n_students": np.full(size, len(members))})
    return _frame(parts, names)


def _frame(parts: list[dict[str, np.ndarray]], names: pd.Index) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    patterns = [f"reason={names[k]}" for k in table["column"]]
    return table.assign(kind="reasons", pattern=patterns, n_days=0, excess_days=float("nan"))[COLUMNS]


def _strata(grid: DayGrid, n_known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of absences with a reason (in bins) by school, and by grade."""
    bins = np.searchsorted([1, 2, 3, 5, 8, 13, 21], n_known, side="right")
    grade = pd.factorize(grid.students["grade_level"].astype("str"))[0] + 1
    by_school = np.unique(bins * len(grid.school_ids) + grid.home, return_inverse=True)[1]
    by_grade = np.unique(bins * (grade.max(initial=0) + 1) + grade, return_inverse=True)[1]
    return by_school, by_grade


class Strata:
    """Who has what, by stratum: the totals that every group is held against. has: students x columns; used:
    students."""

    def __init__(self, has: np.ndarray, stratum: np.ndarray, used: np.ndarray) -> None:
        self.has, self.stratum, self.k = has, stratum, int(stratum.max(initial=0)) + 1
        self.everyone = np.bincount(stratum[used], minlength=self.k).astype(float)
        self.total = self._counts(np.flatnonzero(used))

    def _counts(self, rows: np.ndarray) -> np.ndarray:
        """Strata x columns: how many of these students have it."""
        i, j = np.nonzero(self.has[rows])
        width = self.has.shape[1]
        at = self.stratum[rows[i]] * width + j
        return np.bincount(at, minlength=self.k * width).reshape(self.k, width).astype(float)

    def against_the_rest(self, members: np.ndarray) -> dict[str, np.ndarray]:
        """`risk_ratios` of these students (a part of those used) against the others, for every column at once."""
        inside = np.bincount(self.stratum[members], minlength=self.k).astype(float)
        a = self._counts(members)
        return risk_ratios(a, inside, self.total - a, self.everyone - inside)


def mantel_haenszel(
    has: np.ndarray, inside: np.ndarray, stratum: np.ndarray, *, used: np.ndarray
) -> dict[str, float] | None:
    """Risk ratio of `has`, inside against outside, over strata; None where too few have it (see `risk_ratios`)."""
    found = Strata(has[:, None], stratum, used).against_the_rest(np.flatnonzero(used & inside))
    return {name: float(x[0]) for name, x in found.items()} if len(found["column"]) else None


def risk_ratios(a: np.ndarray, n1: np.ndarray, c: np.ndarray, n0: np.ndarray) -> dict[str, np.ndarray]:
    """Mantel-Haenszel risk ratios with Greenland-Robins intervals and the signed root of the Mantel-Haenszel chi-square
    (with continuity correction), one-sided: more inside. a of n1 inside, c of n0 outside; rows of a and c are strata,
    columns what is asked. `column` tells which of them had enough: five expected inside with it, and without."""
    from scipy import special

    good = (n1 > 0) & (n0 > 0)
    a, c, n1, n0 = a[good], c[good], n1[good, None], n0[good, None]
    t, m1 = n1 + n0, a + c
    expected = (n1 * m1 / t).sum(axis=0)
    spread = (n1 * n0 * m1 * (t - m1) / np.maximum(t**2 * (t - 1), 1)).sum(axis=0)
    left, right = (a * n0 / t).sum(axis=0), (c * n1 / t).sum(axis=0)
    enough = (np.minimum(expected, n1.sum() - expected) >= MIN_WITH_REASON) & (spread > 0)
    kept = np.flatnonzero(enough & (np.minimum(left, right) > 0))
    seen, left, right = a.sum(axis=0)[kept], left[kept], right[kept]
    var = ((m1 * n1 * n0 - a * c * t) / t**2).sum(axis=0)[kept] / (left * right)
    ratio, half = left / right, 1.96 * np.sqrt(np.maximum(var, 0))
    beyond = seen - expected[kept]
    z = np.sign(beyond) * np.maximum(np.abs(beyond) - 0.5, 0) / np.sqrt(spread[kept])
    return {
        "column": kept,
        "rate_ratio": ratio,
        "ci_low": ratio * np.exp(-half),
        "ci_high": ratio * np.exp(half),
        "p_value": special.ndtr(-z),
        "n_absences": seen.astype("int64"),
    }


def shares_by(reasons: pd.DataFrame, students: pd.DataFrame, column: str) -> pd.DataFrame:
    """Students with each reason by a column of `students` (student_id, column), shrunk toward everyone's share.

    Grain: column x pattern. n_students with it, n_group, share, shrunk_share (beta-binomial, empirical Bayes).
    """
    known = students[["student_id", column]].dropna()
    size = known.groupby(column).size().rename("n_group")
    table = reasons.merge(known, on="student_id").groupby([column, "pattern"]).size().rename("n_students").reset_index()
    full = pd.MultiIndex.from_product([size.index, sorted(reasons["pattern"].unique())], names=[column, "pattern"])
    table = table.set_index([column, "pattern"]).reindex(full, fill_value=0).reset_index().merge(size, on=column)
    table["share"] = table["n_students"] / table["n_group"]
    pieces = [
        part.assign(shrunk_share=shrink(part["n_students"].to_numpy(), part["n_group"].to_numpy()))
        for _, part in table.groupby("pattern", sort=False)
    ]
    return pd.concat(pieces).sort_index() if pieces else table.assign(shrunk_share=[])


SHARE_COLUMNS = (
    "grade_level",
    "school_id",
    "band",
    "zip5",
    "sex",
    "race_ethnicity",
    "english_learner",
    "disability_idea",
    "econ_disadvantaged",
)


def shares_of_groups(reasons: pd.DataFrame, students: pd.DataFrame) -> pd.DataFrame:
    """`shares_by` for every column of SHARE_COLUMNS that `students` has, one under the other. Grain: column x value x
    pattern; n_students with the reason of n_group, share, shrunk_share (0-1). A student may have several reasons."""
    parts = []
    for column in SHARE_COLUMNS:
        if column in students and students[column].notna().any():
            part = shares_by(reasons, students, column).rename(columns={column: "value"})
            text = part["value"].astype("str")
            text = text.str.casefold() if pd.api.types.is_bool_dtype(students[column]) else text
            parts.append(part.assign(column=column, value=text))
    names = ["column", "value", "pattern", "n_students", "n_group", "share", "shrunk_share"]
    return pd.concat(parts, ignore_index=True)[names] if parts else pd.DataFrame(columns=names)


def shrink(count: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Shares pulled toward the common share by how little each group knows: moment estimate of a beta prior."""
    share = count.sum() / max(size.sum(), 1)
    within = share * (1 - share) / size
    between = max(float(np.average((count / size - share) ** 2 - within, weights=size)), 0.0)
    prior = share * (1 - share) / between - 1 if between > 0 else 1e6
    return (count + max(prior, 0) * share) / (size + max(prior, 0))


def co_occurring(reasons: pd.DataFrame, *, least: int = 10) -> pd.DataFrame:
    """Pairs of reasons that meet in one student. Grain: pattern x other; n_both, expected (if unrelated), lift."""
    wide = reasons.assign(one=1).pivot_table(index="student_id", columns="pattern", values="one", fill_value=0)
    if wide.empty:
        return pd.DataFrame(columns=["pattern", "other", "n_both", "expected", "lift"])
    matrix = wide.to_numpy() > 0
    both = matrix.astype(int).T @ matrix.astype(int)
    alone = matrix.sum(axis=0)
    i, j = np.triu_indices(len(alone), 1)
    table = pd.DataFrame(
        {
            "pattern": wide.columns[i],
            "other": wide.columns[j],
            "n_both": both[i, j],
            "expected": alone[i] * alone[j] / len(wide),
        }
    )
    table["lift"] = table["n_both"] / table["expected"]
    return table[table["n_both"] >= least].sort_values("lift", ascending=False, ignore_index=True)


def reason_months(absences: pd.DataFrame) -> pd.DataFrame:
    """Students with each reason by month. Grain: month x pattern; n_students, n_month (with any known reason),
    share.
    """
    missed = absences[(absences["absent_units"] > 0) & is_known(absences["pattern"])]
    everyone = missed.groupby("month")["student_id"].nunique().rename("n_month")
    table = missed.groupby(["month", "pattern"])["student_id"].nunique().rename("n_students").reset_index()
    table = table.merge(everyone, on="month")
    return table.assign(share=table["n_students"] / table["n_month"])


def categories_of(patterns: pd.Series) -> pd.Series:
    """The category of each reason, for tables."""
    from evalkit.vocabulary import reason

    found: dict[str, Any] = {name: reason(name) for name in patterns.unique()}
    return patterns.map(lambda name: found[name].category if found[name] else "unknown")
