"""Across years and around a start date: prior rates, persistence, before and after, the same day last year."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit import panel
from evalkit.measures.bands import is_chronic, school_measures
from evalkit.panel import DayBook
from evalkit.panel.calendar import units_of
from evalkit.panel.totals import student_totals
from evalkit.sources.bears import holds_daily, holds_totals
from evalkit.sources.codes import stated_year


def prior_rates(study: Any, *, school_year: int | None = None) -> pd.DataFrame:
    """A student's year before: grain student_id; enrolled_units, absent_units, prior_absence_rate (0-1), is_chronic.

    From `prior_year` where it has the year, else counted from the study's own earlier rows. is_chronic is recomputed
    by the rules in force, whatever flag the file carries.
    """
    year = study.school_year - 1 if school_year is None else school_year
    rows = _stated_year(study, year)
    rows = _counted_year(study, year) if rows.empty else rows
    rate = rows["absent_units"] / rows["enrolled_units"].where(rows["enrolled_units"] > 0)
    rows = rows.assign(prior_absence_rate=rate.astype("float64"), is_chronic=is_chronic(rows, rules=study.rules))
    return rows.sort_values("student_id", kind="stable", ignore_index=True)


def _stated_year(study: Any, year: int) -> pd.DataFrame:
    table = study.tables.get("prior_year")
    if table is None:
        return pd.DataFrame({"student_id": pd.Series(dtype="str"), "enrolled_units": pd.Series(dtype="int64"),
                             "absent_units": pd.Series(dtype="int64")})
    rows = table[stated_year(table["school_year"]) == year]
    frame = pd.DataFrame({"student_id": rows["student_id"], "enrolled_units": units_of(rows, "days_enrolled"),
                          "absent_units": units_of(rows, "days_absent")}).dropna()
    kinds = {"enrolled_units": "int64", "absent_units": "int64"}
    return frame.groupby("student_id", as_index=False).sum().astype(kinds)


def _counted_year(study: Any, year: int) -> pd.DataFrame:
    """The year counted from dated rows or totals, where the study holds them."""
    columns = ["student_id", "enrolled_units", "absent_units"]
    if holds_daily(study.tables, year):
        counted = panel.student_panel(study, book=panel.open_days(study, school_year=year))[columns]
    elif holds_totals(study.tables, year):
        counted = student_totals(study, school_year=year)[columns]
    else:
        return _stated_year(study, -1)
    return counted.dropna().astype({"enrolled_units": "int64", "absent_units": "int64"})


def persistence(study: Any) -> pd.DataFrame:
    """For how many years in a row, up to last year, a student was chronically absent: grain student_id.

    n_years_chronic (0, 1, 2, ...: consecutive years counted back from last year), years_chronic ("0", "1", "2+"),
    n_years_known. A year without figures ends the count. Students without last year's figures are left out. R57.
    """
    last = study.school_year - 1
    known: dict[int, pd.Series] = {}
    for year in range(last, last - 12, -1):
        rows = prior_rates(study, school_year=year)
        if rows.empty:
            break
        known[year] = rows.set_index("student_id")["is_chronic"].dropna().astype(bool)
    if not known:
        return pd.DataFrame({"student_id": pd.Series(dtype="str"), "n_years_chronic": pd.Series(dtype="int64"),
                             "years_chronic": pd.Series(dtype="str"), "n_years_known": pd.Series(dtype="int64")})
    students = known[last].index
    flags = np.column_stack([rows.reindex(students).eq(True).fillna(False) for rows in known.values()]).astype(int)
    there = np.column_stack([students.isin(rows.index) for rows in known.values()]).astype(int)
    run = np.cumprod(flags, axis=1).sum(axis=1)
    return pd.DataFrame({"student_id": students.astype("str"), "n_years_chronic": run,
                         "years_chronic": np.where(run >= 2, "2+", run.astype(str)),
                         "n_years_known": np.cumprod(there, axis=1).sum(axis=1)}).astype({"years_chronic": "str"})


def pre_post_rates(study: Any, starts: pd.DataFrame, *, end: Any = None, book: DayBook | None = None) -> pd.DataFrame:
    """Days before and from each student's start date, with the year before beside them: the rows of `starts`.

    starts: student_id, start (any further column is kept). Adds for pre (the year's entry to the day before start) and
    post (start to `end` or the last counted day): {pre,post}_enrolled_units, _absent_units, _absence_rate (0-1), and
    prior_absence_rate. A change of the mentored alone is no effect: show comparable students beside it.
    """
    book = book or panel.open_days(study)
    begin = pd.to_datetime(starts["start"])
    windows = {"pre": (pd.NaT, begin - pd.Timedelta(days=1)), "post": (begin, pd.NaT if end is None else end)}
    out = starts.copy()
    for name, (low, high) in windows.items():
        asked = pd.DataFrame({"student_id": starts["student_id"], "start": low, "end": high}, index=starts.index)
        counted = panel.window_panel(study, asked, book=book)
        for column in ("enrolled_units", "absent_units", "absence_rate"):
            out[f"{name}_{column}"] = counted[column]
    prior = prior_rates(study).set_index("student_id")["prior_absence_rate"]
    return out.assign(prior_absence_rate=starts["student_id"].map(prior).astype("float64"))


def same_day_last_year(study: Any, *, book: DayBook | None = None) -> pd.DataFrame | None:
    """`school_measures` of the year before, up to the same school-day number in each school; None without history.

    The same number of school days is compared, not the same date. A school that was not there last year has no row.
    """
    year = study.school_year - 1
    if not panel.has_days(study) or not holds_daily(study.tables, year):
        return None
    book = book or panel.open_days(study)
    reached = book.days[book.days["counted"]].groupby("school_id")["day_number"].max()
    before = panel.planned_days(study, year)
    inside = before[before["day_number"] <= before["school_id"].map(reached).fillna(0)]
    cut = inside.groupby("school_id")["date"].max().to_dict()
    return school_measures(study, book=panel.open_days(study, school_year=year, cut=cut)) if cut else None
