"""Rates, bands and the chronic flag: integers decide, shares are only shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit import panel
from evalkit.errors import UserError
from evalkit.panel import DayBook
from evalkit.panel.judge import can_be_judged, fraction_of, is_chronic, reaches
from evalkit.rules import Rules

BANDS = ("satisfactory", "at_risk", "moderate", "severe", "extreme")
CHRONIC_BANDS = ("moderate", "severe", "extreme")
__all__ = ["BANDS", "CHRONIC_BANDS", "ada", "add_rates", "band", "band_flows", "breakdown", "fraction_of", "is_chronic",
           "reaches", "school_measures"]


def band(frame: pd.DataFrame, *, rules: Rules) -> pd.Series:
    """The band of each row: satisfactory, at_risk, moderate, severe, extreme; missing where it cannot be judged.

    Lower edges count into the band. The edge that equals the chronic threshold follows `rules.inclusive`.
    Source: Attendance Works bands; `docs/measures/bands.md`.
    """
    known, enrolled = can_be_judged(frame, rules), frame["enrolled_units"].fillna(0)
    level = np.zeros(len(frame), dtype="int64")
    for edge in rules.bands:
        inclusive = rules.inclusive or edge != rules.threshold
        level += reaches(frame["absent_units"].fillna(0), enrolled, edge, inclusive=inclusive)
    names = np.array(BANDS, dtype=object)[level]
    return pd.Series(np.where(known, names, np.nan), index=frame.index, dtype="str", name="band")


def add_rates(frame: pd.DataFrame, *, rules: Rules) -> pd.DataFrame:
    """The frame with absence_rate (0-1), band and is_chronic; one row in, the same row out."""
    enrolled = frame["enrolled_units"].astype("Float64")
    rate = (frame["absent_units"].astype("Float64") / enrolled.where(enrolled > 0)).astype("float64")
    return frame.assign(absence_rate=rate, band=band(frame, rules=rules), is_chronic=is_chronic(frame, rules=rules))


def ada(frame: pd.DataFrame, *, by: str | list[str] | None = None) -> pd.DataFrame | float:
    """Average daily attendance: days present over days enrolled, added up over students. A school's number.

    by: column(s) to group by (a row per group: n_students, enrolled_units, absent_units, ada); None gives one share.
    ADA hides chronic absence: show the two together.
    """
    if by is None:
        enrolled, absent = int(frame["enrolled_units"].sum()), int(frame["absent_units"].sum())
        return 1 - absent / enrolled if enrolled else float("nan")
    groups = frame.groupby(by, sort=True, as_index=False)
    whole = groups.agg(n_students=("student_id", "nunique"), enrolled_units=("enrolled_units", "sum"),
                       absent_units=("absent_units", "sum"))
    enrolled = whole["enrolled_units"].astype("float64")
    return whole.assign(ada=1 - whole["absent_units"].astype("float64") / enrolled.where(enrolled > 0))


def school_measures(study: Any, *, book: DayBook | None = None) -> pd.DataFrame:
    """The monthly figures: a row per school and one of all (school_id missing), in that order.

    n_students (any enrolled day), n_enrolled_days, n_absent_days, ada, n_chronic, n_satisfactory ... n_extreme
    (n_severe is 20 to under 50 %), n_not_judged. A student counts at each school attended, with that school's days,
    and once in the row of all (under `level = "student_school"` the row of all adds up the schools, as EDFacts does).
    """
    book = _book(study, book)
    each = panel.student_panel(study, by_school=True, book=book)
    whole = each if study.rules.level == "student_school" else panel.student_panel(study, book=book)
    rows = [_figures(rows, study.rules, school) for school, rows in each.groupby("school_id", sort=True)]
    frame = pd.DataFrame([*rows, _figures(whole, study.rules, None)])
    return frame.astype({"school_id": "str"})


def _book(study: Any, book: DayBook | None) -> DayBook | None:
    """The given book, a new one, or none where the study has totals only."""
    return panel.open_days(study) if book is None and panel.has_days(study) else book


def _figures(rows: pd.DataFrame, rules: Rules, school: str | None) -> dict[str, Any]:
    bands = band(rows, rules=rules)
    known = bool(rows["enrolled_units"].notna().all()) and len(rows) > 0
    return {"school_id": school, "n_students": rows["student_id"].nunique(),
            "n_enrolled_days": float(rows["enrolled_days"].sum()) if known else np.nan,
            "n_absent_days": float(rows["absent_days"].sum()), "ada": ada(rows) if known else np.nan,
            "n_chronic": int(is_chronic(rows, rules=rules).sum()) if known else np.nan,
            **{f"n_{name}": int((bands == name).sum()) if known else np.nan for name in BANDS},
            "n_not_judged": int(bands.isna().sum())}


def breakdown(frame: pd.DataFrame, by: str, *, rules: Rules) -> pd.DataFrame:
    """Students by band for each value of `by`, in the column order of the DATT (Attendance Works), total last.

    n_severe, share_severe (20 % or more, so extreme is in it), n_moderate, share_moderate, n_chronic, share_chronic,
    n_at_risk, share_at_risk, n_satisfactory, share_satisfactory, n_students. Only students that can be judged count.
    A missing value of `by` is the group "unknown". Shares are 0-1.
    """
    if by not in frame:
        raise UserError(f"There is no column {by} to break down by.", column=by,
                        remedy="Join it from the student table.")
    bands = band(frame, rules=rules)
    group = frame[by].astype("str").fillna("unknown")[bands.notna()]
    bands = bands.dropna()
    counts = pd.crosstab(group, bands).reindex(columns=list(BANDS), fill_value=0)
    counts.loc["all"] = counts.sum()
    total = counts.sum(axis=1)
    parts = {"severe": counts["severe"] + counts["extreme"], "moderate": counts["moderate"],
             "chronic": counts[list(CHRONIC_BANDS)].sum(axis=1), "at_risk": counts["at_risk"],
             "satisfactory": counts["satisfactory"]}
    columns: dict[str, Any] = {}
    for name, number in parts.items():
        columns |= {f"n_{name}": number, f"share_{name}": number / total.where(total > 0)}
    table = pd.DataFrame({**columns, "n_students": total})
    return table.rename_axis(by).reset_index()


def band_flows(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """How students moved between bands: a row per from_band x to_band with n_students, every pair listed.

    before, after: frames with student_id and band (one row a student). `none` stands for not there or not judged, so
    the rows of a from_band add up to its stock before and those of a to_band to its stock after.
    """
    for frame in (before, after):
        if frame["student_id"].duplicated().any():
            raise UserError("A student is in the table more than once.", remedy="Use one row per student.")
    both = before[["student_id", "band"]].merge(after[["student_id", "band"]], on="student_id", how="outer",
                                                suffixes=("_before", "_after"))
    names = [*BANDS, "none"]
    table = pd.crosstab(both["band_before"].fillna("none"), both["band_after"].fillna("none"))
    table = table.reindex(index=names, columns=names, fill_value=0)
    long = table.stack().rename("n_students").reset_index()
    return long.set_axis(["from_band", "to_band", "n_students"], axis=1)
