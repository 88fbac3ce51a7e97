"""Enrolment spans cut into pieces that never overlap, so that each date of a student is counted once."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd

from evalkit.panel.calendar import as_ordinal, column_of, year_bounds
from evalkit.rules import Rules
from evalkit.sources.codes import year_of_span

NEVER_CAME = {"noshow", "invalidenrollment"}
OUT_OF_SCHOOL = ("homebound", "hospital")


def usable_spans(enrollment: pd.DataFrame, *, school_year: int, as_of: pd.Timestamp) -> pd.DataFrame:
    """The spans of the year that a student came for, known at `as_of`: first and last as whole days, no no-shows.

    An exit after `as_of` is not yet known, so the span is open to the year's end.
    """
    start, end = year_bounds(school_year)
    kind = column_of(enrollment, "exit_type").fillna("").str.lower().str.replace(r"[^a-z]", "", regex=True)
    keep = (year_of_span(enrollment) == school_year) & ~kind.isin(NEVER_CAME)
    rows = enrollment[keep & (enrollment["entry_date"] <= as_of)]
    left = rows["exit_date"].where(rows["exit_date"] <= as_of)
    spans = pd.DataFrame({
        "student_id": rows["student_id"], "school_id": rows["school_id"],
        "calendar_code": column_of(rows, "calendar_code").fillna(""), "setting": column_of(rows, "setting").fillna(""),
        "grade_level": column_of(rows, "grade_level"),
        "is_primary": column_of(rows, "is_primary", "boolean").fillna(True).astype(bool),
        "first": as_ordinal(rows["entry_date"].clip(lower=start)), "last": as_ordinal(left.fillna(end).clip(upper=end)),
        "is_open": left.isna()})
    return spans[spans["first"] <= spans["last"]].reset_index(drop=True)


def without_overlaps(spans: pd.DataFrame) -> pd.DataFrame:
    """Cut spans so that each date of a student lies in one: a primary span first, then the one entered last.

    So the day of a same-day transfer belongs to the receiving school, and a short stay elsewhere cuts a long span in
    two pieces. Grain student_id x first; shuffled rows give the same pieces.
    """
    spans = spans.sort_values(["student_id", "first", "last", "school_id", "calendar_code", "setting", "is_primary"],
                              kind="stable", ignore_index=True)
    if spans.empty:
        return spans
    reach = spans.groupby("student_id", sort=False)["last"].cummax()
    same = spans["student_id"].eq(spans["student_id"].shift())
    touching = same & (spans["first"] <= reach.shift(fill_value=-(10**9)))
    messy = spans["student_id"].isin(spans.loc[touching, "student_id"])
    if not messy.any():
        return spans
    pieces = [_cut_one(rows) for _, rows in spans[messy].groupby("student_id", sort=False)]
    whole = pd.concat([spans[~messy], *pieces], ignore_index=True)
    return whole.sort_values(["student_id", "first"], kind="stable", ignore_index=True)


def _cut_one(spans: pd.DataFrame) -> pd.DataFrame:
    """One student's overlapping spans as pieces (sweep over every date where a span begins or has ended)."""
    first, last = spans["first"].to_numpy(), spans["last"].to_numpy()
    rank = spans.reset_index(drop=True).sort_values(["is_primary", "first", "last", "school_id"],
                                                    ascending=[False, False, False, True], kind="stable").index
    edges = np.unique(np.concatenate([first, last + 1]))
    found: list[list[int]] = []
    for begin, after in pairwise(edges):
        owner = next((row for row in rank if first[row] <= begin and last[row] >= after - 1), None)
        if owner is None:
            continue
        if found and found[-1][0] == owner and found[-1][2] == begin - 1:
            found[-1][2] = after - 1
        else:
            found.append([owner, begin, after - 1])
    owners, begins, ends = (list(part) for part in zip(*found, strict=True))
    return spans.iloc[owners].assign(first=begins, last=ends, is_open=spans["is_open"].to_numpy()[owners]
                                     & (np.array(ends) == last[owners]))


def out_of_denominator(spans: pd.DataFrame, rules: Rules) -> pd.Series:
    """True for pieces whose days do not count as enrolled (homebound and hospital, unless the rules include them)."""
    return spans["setting"].isin(OUT_OF_SCHOOL if rules.homebound == "exclude" else ())


def on_calendars(pieces: pd.DataFrame, calendars: pd.DataFrame) -> pd.Series:
    """The calendar (its row in `calendars`: school_id, calendar_code) of each piece; -1 where none fits.

    A school with one calendar needs no code on its spans.
    """
    place = pd.Series(np.arange(len(calendars)), index=pd.MultiIndex.from_frame(calendars))
    keys = pd.MultiIndex.from_frame(pieces[["school_id", "calendar_code"]])
    exact = place.reindex(keys).to_numpy()
    only = calendars.groupby("school_id")["calendar_code"].transform("size").eq(1).to_numpy()
    single = pd.Series(np.arange(len(calendars))[only], index=calendars["school_id"][only])
    fallback = pieces["school_id"].map(single).to_numpy(float)
    return pd.Series(np.where(np.isnan(exact), fallback, exact), index=pieces.index).fillna(-1).astype("int64")
