"""Lists a team starts from: last year's, this year's early signs, who hardly attends, and the summer's."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pandas as pd

from evalkit.measures import early_warning, fraction_of, is_chronic, prior_rates, recent_window
from evalkit.panel import DayBook, student_panel
from evalkit.rules import UNITS_PER_DAY

FLOOR = 0.5
AWAY_DAYS = 10
ENOUGH_DAYS = 10
ZIPS_KEPT = 0.99
LEAST_IN_ZIP = 10


def hardly_attend(study: Any, *, floor: float = FLOOR, book: DayBook | None = None) -> pd.DataFrame:
    """Students on the roll who hardly attend: grain student_id; school_id, is_half, is_away, enrolled_units,
    absent_units (the year), recent_enrolled, recent_absent (last 10 school days).

    is_half: `floor` of the year's days or more missed, from the 10th enrolled day on. is_away: not seen on any of the
    school's last 10 days. They need a home visit before a mentor (seed 001 1c); nobody is dropped.
    """
    recent = recent_window(study, days=AWAY_DAYS, book=book)
    recent = recent.rename(columns={"enrolled_units": "recent_enrolled", "absent_units": "recent_absent"})
    year = student_panel(study, book=book)[["student_id", "enrolled_units", "absent_units"]]
    both = recent[["student_id", "school_id", "recent_enrolled", "recent_absent", "n_days"]].merge(
        year, on="student_id"
    )
    edge = fraction_of(floor)
    half = (both["enrolled_units"] >= ENOUGH_DAYS * UNITS_PER_DAY) & (
        edge.denominator * both["absent_units"] >= edge.numerator * both["enrolled_units"]
    )
    away = (both["n_days"] >= AWAY_DAYS) & (both["recent_absent"] >= both["recent_enrolled"])
    return both.assign(is_half=half, is_away=away)[half | away].reset_index(drop=True)


def prior_year_list(study: Any, roll: pd.Series) -> pd.DataFrame:
    """Students of `roll` who were chronically absent last year, most days missed first. Grain: student_id.

    Columns: enrolled_units, absent_units, prior_absence_rate (0-1). Source: seed 001 1b (R20).
    """
    prior = prior_rates(study)
    found = prior[prior["is_chronic"].eq(True).fillna(False) & prior["student_id"].isin(roll)]
    return found.sort_values(["absent_units", "student_id"], ascending=[False, True]).reset_index(drop=True)


def warning_list(study: Any, roll: pd.Series, *, book: DayBook | None = None) -> pd.DataFrame:
    """Students of `roll` with an early-warning sign this year, the newest first. Grain: student_id.

    Columns: flag and flagged_on of the first sign, n_signs. Source: seed 001 1b, standards 2.4 (R21, R80).
    """
    flags = early_warning(study, book=book)
    flags = flags[flags["student_id"].isin(roll)].sort_values(["flagged_on", "flag"])
    first = flags.drop_duplicates("student_id")[["student_id", "flag", "flagged_on"]]
    first = first.assign(n_signs=first["student_id"].map(flags["student_id"].value_counts()).astype("int64"))
    return first.sort_values(["flagged_on", "student_id"], ascending=[False, True]).reset_index(drop=True)


def summer_list(scored: pd.DataFrame, year: pd.DataFrame, *, transition: tuple[str, ...], rules: Any) -> pd.DataFrame:
    """Whom to reach in August: chronically absent this year or last and staying. Grain: student_id.

    scored: the rows of `candidates`; year: student_panel. Adds next_grade, is_moving (into a transition grade) and
    is_now (chronic this year); movers first, then by need. Students in grade 12 leave. Source: seed 004 (R94).
    """
    now = year.assign(is_now=is_chronic(year, rules=rules).eq(True).fillna(False))[["student_id", "is_now"]]
    found = scored.merge(now, on="student_id", how="left")
    found["is_now"] = found["is_now"].eq(True)
    before = found["is_prior_chronic"].eq(True)
    order = ["PR", "PK", "KG", *(f"{grade:02d}" for grade in range(1, 13))]
    ahead = dict(pairwise(order)) | {"TK": "KG"}
    found["next_grade"] = found["grade_level"].map(ahead)
    found["is_moving"] = found["next_grade"].isin(transition)
    keep = (found["is_now"] | before) & found["next_grade"].notna()
    return (
        found[keep]
        .sort_values(["is_moving", "need_rate", "student_id"], ascending=[False, False, True])
        .reset_index(drop=True)
    )


def with_pooled_zip(students: pd.DataFrame) -> pd.Series:
    """Each student's zip, rare ones pooled to "Other": beyond the zips of 99 % of students, or under ten students.

    The 99 % is the DATT port's rule. A missing zip stays missing.
    """
    counts = students["zip5"].value_counts()
    kept = counts.index[(counts.cumsum() - counts < ZIPS_KEPT * counts.sum()) & (counts >= LEAST_IN_ZIP)]
    zips = students["zip5"]
    return zips.where(zips.isin(kept) | zips.isna(), "Other")
