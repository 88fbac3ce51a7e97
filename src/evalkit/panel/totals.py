"""Totals form: monthly or period totals instead of dated rows; the same integers where both exist."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.errors import UserError, must_be_one_of
from evalkit.panel.calendar import units_of, year_bounds
from evalkit.rules import UNITS_PER_DAY

ATTENDANCE = ("attendance_event", "attendance_period", "attendance_total")
SUMS = ["enrolled_units", "absent_units", "n_days", "tardy_days", "excused_units", "suspended_units",
        "provisional_units"]


def period_rows(study: Any, *, school_year: int | None = None) -> pd.DataFrame:
    """The usable period totals of a year: student_id x school_id x period_start x period_end, none inside another.

    A period that ends after complete_through or as_of cannot be divided, so it is left out. Where a student has a
    longer period that holds shorter ones (a year beside its months), the shorter ones are used.
    """
    year = study.school_year if school_year is None else school_year
    first, last = year_bounds(year)
    table = study.tables.get("attendance_total")
    if table is None and any(study.begins_later(name) for name in ATTENDANCE):  # asked about a day before the first row
        table = study.table("attendance_total")
    if table is None:
        raise UserError("The study has neither dated attendance nor attendance totals.",
                        remedy="Add attendance_event with enrollment and calendar, or attendance_total.")
    rows = table[(table["period_start"] >= first) & (table["period_end"] <= _cut(study, table, last))]
    frame = pd.DataFrame({
        **{name: rows[name] for name in ("student_id", "school_id", "period_start", "period_end")},
        "enrolled_units": units_of(rows, "days_enrolled").fillna(0).astype("int64"),
        "absent_units": units_of(rows, "days_absent").fillna(0).astype("int64"),
        "excused_units": units_of(rows, "days_excused").fillna(0).astype("int64"),
        "suspended_units": units_of(rows, "days_suspended_oss").fillna(0).astype("int64"),
        "tardy_units": units_of(rows, "days_tardy").fillna(0).astype("int64")})
    return _finest(frame.reset_index(drop=True))


def _cut(study: Any, table: pd.DataFrame, last: pd.Timestamp) -> pd.Series:
    """Last usable day per row: the school's complete_through, as_of, the year's end."""
    through = pd.to_datetime(table["school_id"].map(dict(study.complete_through or {})))
    limit = min(last, pd.Timestamp(study.as_of))
    return through.fillna(limit).clip(upper=limit)


def _finest(rows: pd.DataFrame) -> pd.DataFrame:
    """Without the longer of two overlapping periods of one student at one school."""
    keys = ["student_id", "school_id"]
    rows = rows.sort_values([*keys, "period_start", "period_end"], kind="stable", ignore_index=True)
    reach = rows.groupby(keys, sort=False)["period_end"].cummax().shift()
    same = rows[keys].eq(rows[keys].shift()).all(axis=1)
    messy = rows.loc[same & (rows["period_start"] <= reach), keys].drop_duplicates()
    if messy.empty:
        return rows
    hit = pd.MultiIndex.from_frame(rows[keys]).isin(pd.MultiIndex.from_frame(messy))
    kept = [_disjoint(group) for _, group in rows[hit].groupby(keys, sort=False)]
    return pd.concat([rows[~hit], *kept]).sort_values([*keys, "period_start"], kind="stable", ignore_index=True)


def _disjoint(rows: pd.DataFrame) -> pd.DataFrame:
    length = rows["period_end"] - rows["period_start"]
    taken: list[int] = []
    for row in length.sort_values(kind="stable").index:
        clash = (rows.loc[taken, "period_start"] <= rows.at[row, "period_end"]) & (
            rows.loc[taken, "period_end"] >= rows.at[row, "period_start"])
        if not clash.any():
            taken.append(row)
    return rows.loc[sorted(taken)]


def _shown(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sums by key with the columns of the daily form."""
    frame = frame.assign(provisional_units=0)
    sums = ["enrolled_units", "absent_units", "excused_units", "suspended_units", "tardy_units", "provisional_units"]
    whole = frame.groupby(keys, sort=True, as_index=False)[sums].sum()
    whole = whole[(whole["enrolled_units"] > 0) | (whole["absent_units"] > 0)].reset_index(drop=True)
    enrolled = whole["enrolled_units"]
    whole = whole.assign(n_days=enrolled // UNITS_PER_DAY, enrolled_days=enrolled / UNITS_PER_DAY,
                         absent_days=whole["absent_units"] / UNITS_PER_DAY,
                         tardy_days=whole["tardy_units"] / UNITS_PER_DAY)
    whole["absence_rate"] = np.where(enrolled > 0, whole["absent_units"] / enrolled.where(enrolled > 0, 1), np.nan)
    return whole[[*keys, *SUMS, "enrolled_days", "absent_days", "absence_rate"]]


def month_totals(study: Any, *, school_year: int | None = None) -> pd.DataFrame:
    """student_id x school_id x month; a period over several months is labelled with both ends (2025-09/2025-12)."""
    rows = period_rows(study, school_year=school_year)
    begin, end = rows["period_start"].dt.strftime("%Y-%m"), rows["period_end"].dt.strftime("%Y-%m")
    rows = rows.assign(month=begin.where(begin == end, begin + "/" + end).astype("str"))
    return _shown(rows, ["student_id", "school_id", "month"])


def student_totals(study: Any, *, start: Any = None, end: Any = None, by_school: bool = False,
                   school_year: int | None = None) -> pd.DataFrame:
    """student_id (x school_id) over the periods that lie wholly between `start` and `end`."""
    rows = period_rows(study, school_year=school_year)
    if start is not None:
        rows = rows[rows["period_start"] >= pd.Timestamp(start)]
    if end is not None:
        rows = rows[rows["period_end"] <= pd.Timestamp(end)]
    if by_school:
        return _shown(rows, ["student_id", "school_id"])
    whole = _shown(rows, ["student_id"])
    last = rows.sort_values(["student_id", "period_end"], kind="stable").groupby("student_id")["school_id"].last()
    whole.insert(1, "school_id", whole["student_id"].map(last).astype("str"))
    return whole


def totals_panel(study: Any, *, by: str, start: Any, end: Any) -> pd.DataFrame:
    """The public view of totals; days are not to be had from them."""
    must_be_one_of("by", by, ("student", "student_school", "month"))
    if by == "month":
        return month_totals(study)
    return student_totals(study, start=start, end=end, by_school=by == "student_school")
