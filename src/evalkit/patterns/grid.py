"""Who was enrolled and who was absent on which school day, as arrays that every search for patterns works on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.patterns.days import mark, special_days

GROUP_COLUMNS = (
    "grade_level",
    "school_id",
    "zip5",
    "bus_route",
    "sex",
    "race_ethnicity",
    "english_learner",
    "disability_idea",
    "econ_disadvantaged",
)
MIN_STUDENTS = 20
AND = " & "
"""Between the two columns of a subgroup's name."""


@dataclass(frozen=True)
class DayGrid:
    """students (sorted by student_id) x dates: absent, enrolled (bool) and school (index into school_ids, -1 none).

    special: class of days -> schools x dates (`days.special_days`). home: each student's most frequent school.
    """

    students: pd.DataFrame
    dates: pd.DatetimeIndex
    absent: np.ndarray
    enrolled: np.ndarray
    school: np.ndarray
    school_ids: np.ndarray
    special: dict[str, np.ndarray]
    home: np.ndarray


def day_grid(study: Any) -> DayGrid:
    """The reported year of a study up to its last complete day. Needs dated absences and known days enrolled."""
    from evalkit.panel import absences, enrolled_spans, open_days, school_days

    book = open_days(study)
    days = school_days(study, book=book)
    return make_grid(
        study.table("student"),
        enrolled_spans(study, book=book),
        absences(study, book=book),
        days[days["counted"]],
        study.table("calendar"),
    )


def make_grid(
    students: pd.DataFrame, spans: pd.DataFrame, absences: pd.DataFrame, days: pd.DataFrame, calendar: pd.DataFrame
) -> DayGrid:
    """The grid from plain frames: spans (student_id, school_id, first_date, last_date), absences (student_id, date,
    absent_units), days (school_id, date) that count, calendar (school_id, date, day_type)."""
    students = (
        students[students["student_id"].isin(spans["student_id"])].sort_values("student_id").reset_index(drop=True)
    )
    dates = pd.DatetimeIndex(np.sort(days["date"].unique()))
    school_ids = np.sort(days["school_id"].astype("str").unique())
    opened = mark(days, school_ids, dates)
    row = pd.Index(students["student_id"]).get_indexer(spans["student_id"])
    place = pd.Index(school_ids).get_indexer(spans["school_id"])
    first = dates.searchsorted(pd.DatetimeIndex(spans["first_date"]), side="left")
    last = dates.searchsorted(pd.DatetimeIndex(spans["last_date"]), side="right")
    school = np.full((len(students), len(dates)), -1, dtype=np.int16)
    for i, s, a, b in zip(row, place, first, last, strict=True):
        if i >= 0 and s >= 0:
            school[i, a:b] = np.where(opened[s, a:b], s, school[i, a:b])
    enrolled = school >= 0
    missed = absences[absences["absent_units"] > 0]
    i, d = pd.Index(students["student_id"]).get_indexer(missed["student_id"]), dates.get_indexer(missed["date"])
    absent = np.zeros(school.shape, dtype=bool)
    absent[i[(i >= 0) & (d >= 0)], d[(i >= 0) & (d >= 0)]] = True
    counts = np.stack([(school == s).sum(axis=1) for s in range(len(school_ids))], axis=1)
    return DayGrid(
        students,
        dates,
        absent & enrolled,
        enrolled,
        school,
        school_ids,
        special_days(calendar, opened, school_ids, dates),
        counts.argmax(axis=1),
    )


def part_of(grid: DayGrid, rows: np.ndarray) -> DayGrid:
    """The grid of some students (bool by row)."""
    return replace(
        grid,
        students=grid.students[rows].reset_index(drop=True),
        absent=grid.absent[rows],
        enrolled=grid.enrolled[rows],
        school=grid.school[rows],
        home=grid.home[rows],
    )


def group_members(grid: DayGrid, columns: tuple[str, ...] = GROUP_COLUMNS) -> dict[str, np.ndarray]:
    """Groups to search: "column=value" -> rows of the grid. Groups under 20 students, and groups with fewer than 20
    students outside them, are left out; of a yes/no column only the yes is taken."""
    found = {}
    for column in columns:
        values = _values(grid, column)
        for value, rows in values.groupby(values).indices.items():
            if MIN_STUDENTS <= rows.size <= len(values) - MIN_STUDENTS:
                found[f"{column}={value}"] = np.asarray(rows)
    return {name: found[name] for name in sorted(found)}


def _values(grid: DayGrid, column: str) -> pd.Series:
    if column == "school_id":
        return pd.Series(grid.school_ids[grid.home])
    if column not in grid.students:
        return pd.Series(dtype="str")
    values = grid.students[column]
    if pd.api.types.is_bool_dtype(values):
        return (
            values.astype("boolean")
            .map({True: "true"}, na_action="ignore")
            .astype("str")
            .where(values.fillna(False).astype(bool))
        )
    values = values.astype("str")
    return values.where(values.notna() & values.ne("") & values.ne("nan"))


def membership(groups: dict[str, np.ndarray], n: int) -> Any:
    """The groups as a sparse 0/1 matrix, groups x students."""
    from scipy import sparse

    rows = np.repeat(np.arange(len(groups)), [len(members) for members in groups.values()])
    columns = np.concatenate([*groups.values(), np.array([], dtype=int)]).astype(int)
    return sparse.csr_matrix((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape=(len(groups), n))
