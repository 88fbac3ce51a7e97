"""The targeting score: five parts between 0 and 1, each shown, with weights that add up as the team chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from evalkit.errors import UsageError
from evalkit.measures import early_warning, is_chronic, persistence, prior_rates, recent_window
from evalkit.panel import DayBook, student_panel
from evalkit.rules import UNITS_PER_DAY
from evalkit.selection.lists import FLOOR, hardly_attend

TRANSITION_GRADES = ("KG", "06", "09")
FULL_NEED = 0.20
LEAST_DAYS = 20
PARTS = ("need", "transition", "persistence", "adult", "grade_rate")
ON_SITE_TYPES = ("partner_staff", "volunteer", "college")
ON_SITE = 1 / 6
"""A partner's mentor at the school, without a tie to the student: half of the loosest named relationship."""


@dataclass(frozen=True)
class Weights:
    """Points each part can give (defaults add up to 100)."""

    need: float = 45
    transition: float = 15
    persistence: float = 20
    adult: float = 10
    grade_rate: float = 10

    def __post_init__(self) -> None:
        values = asdict(self)
        if min(values.values()) < 0 or sum(values.values()) <= 0:
            raise UsageError(
                "The weights of the targeting score must be 0 or more, and one of them above 0.",
                remedy=f"Defaults: {', '.join(f'{k} {v:g}' for k, v in asdict(Weights()).items())}.",
            )


def candidates(
    study: Any,
    *,
    matched: Sequence[str] = (),
    weights: Weights | None = None,
    transition: tuple[str, ...] = TRANSITION_GRADES,
    floor: float = FLOOR,
    book: DayBook | None = None,
) -> pd.DataFrame:
    """Everyone on the roll, scored and routed: grain student_id, highest score first.

    matched: students with a mentor now. Parts are 0-1: need = share of days missed over 20 % (this year's from 20
    enrolled days on, else last year's), at most 1; transition = the grade is one of `transition`; persistence = years
    in a row chronically absent up to last year, two or more is 1; adult = strength of the closest named relationship
    (1 to 3) over 3, or a sixth where only a partner's mentor is at the school (adult_from says which); grade_rate =
    the grade's share chronically absent over the highest grade's. points_* = weight x
    part, score their sum. route: match, reach_out_first, has_mentor, not_listed. Source: seed 001 1c (R26-R31).
    """
    weights = weights or Weights()
    rows = _roll(study, book)
    rows = _with_need(study, rows, book)
    years = persistence(study).set_index("student_id")["n_years_chronic"]
    rows["n_years_chronic"] = rows["student_id"].map(years).fillna(0).astype("int64")
    by_grade = rows.groupby("grade_level")["is_over"].mean()
    top = by_grade.max() if len(by_grade) and by_grade.max() > 0 else 1.0
    rows["part_need"] = (rows["need_rate"] / FULL_NEED).clip(0, 1).fillna(0.0)
    rows["part_transition"] = rows["grade_level"].isin(transition).astype("float64")
    rows["part_persistence"] = rows["n_years_chronic"].clip(upper=2) / 2
    rows = _with_adult(study, rows)
    rows["part_grade_rate"] = (rows["grade_level"].map(by_grade).astype("float64") / top).fillna(0.0)
    for part, weight in asdict(weights).items():
        rows[f"points_{part}"] = weight * rows[f"part_{part}"]
    rows["score"] = rows[[f"points_{part}" for part in PARTS]].sum(axis=1)
    rows["route"] = _routes(study, rows, set(matched), floor, book)
    return rows.sort_values(["score", "student_id"], ascending=[False, True]).reset_index(drop=True)


def _roll(study: Any, book: DayBook | None) -> pd.DataFrame:
    """Students enrolled on their school's latest day (before the first, by their entry). Grain: student_id."""
    now = recent_window(study, days=1, book=book)[["student_id", "school_id"]]
    if now.empty:
        spans = study.table("enrollment")
        year = spans["school_year"].astype("str").str.extract(r"(\d{4})$")[0].eq(str(study.school_year))
        now = spans.loc[year, ["student_id", "school_id"]].drop_duplicates("student_id")
    students = study.table("student").drop_duplicates("student_id")
    keep = [name for name in students.columns if name != "student_id"]
    return now.merge(students[["student_id", *keep]], on="student_id", how="left").reset_index(drop=True)


def _with_need(study: Any, rows: pd.DataFrame, book: DayBook | None) -> pd.DataFrame:
    """Add this year's and last year's days, and need_rate with where it comes from (need_from)."""
    year = student_panel(study, book=book)[["student_id", "enrolled_units", "absent_units"]]
    prior = prior_rates(study)[["student_id", "enrolled_units", "absent_units", "prior_absence_rate", "is_chronic"]]
    prior = prior.rename(
        columns={
            "enrolled_units": "prior_enrolled_units",
            "absent_units": "prior_absent_units",
            "is_chronic": "is_prior_chronic",
        }
    )
    rows = rows.merge(year, on="student_id", how="left").merge(prior, on="student_id", how="left")
    enrolled, absent = (rows[name].astype("float64") for name in ("enrolled_units", "absent_units"))
    enough = enrolled >= LEAST_DAYS * UNITS_PER_DAY
    rows["need_rate"] = (absent / enrolled).where(enough, rows["prior_absence_rate"])
    known = enough | rows["prior_absence_rate"].notna()
    rows["need_from"] = enough.map({True: "this year", False: "last year"}).where(known, "not known yet").astype("str")
    now = rows[["enrolled_units", "absent_units"]].astype("Int64")
    over_now = is_chronic(now, rules=study.rules).eq(True).fillna(False)
    rows["is_over"] = over_now.where(enough, rows["is_prior_chronic"].eq(True).fillna(False)).astype(bool)
    return rows


def _with_adult(study: Any, rows: pd.DataFrame) -> pd.DataFrame:
    """Add part_adult and adult_from: named, partner on site, or blank."""
    strength = study.table("nomination").groupby("student_id")["strength"].max()
    named = rows["student_id"].map(strength).astype("float64").fillna(0) / 3
    mentors = study.table("mentor")
    here = mentors["mentor_type"].isin(ON_SITE_TYPES) & ~(mentors["end_date"] < study.as_of).fillna(False)
    here &= ~(mentors["start_date"] > study.as_of).fillna(False)
    on_site = rows["school_id"].isin(mentors.loc[here, "school_id"])
    adult = pd.concat([named, on_site * ON_SITE], axis=1).max(axis=1)
    source = pd.Series("", index=rows.index, dtype="str").mask(on_site, "partner on site").mask(named > 0, "named")
    return rows.assign(part_adult=adult.astype("float64"), adult_from=source)


def _routes(study: Any, rows: pd.DataFrame, matched: set[str], floor: float, book: DayBook | None) -> pd.Series:
    """Where each student goes next: a student who hardly attends is reached out to first, whoever else lists them."""
    flags = early_warning(study, book=book)
    signs = rows["student_id"].isin(flags["student_id"])
    listed = rows["is_over"] | rows["is_prior_chronic"].eq(True).fillna(False) | signs
    first = rows["student_id"].isin(hardly_attend(study, floor=floor, book=book)["student_id"])
    new = rows["need_from"].eq("last year") & rows["need_rate"].ge(floor)
    route = pd.Series("not_listed", index=rows.index, dtype="str")
    route = route.mask(listed, "match").mask(rows["student_id"].isin(matched), "has_mentor")
    return route.mask((first | new) & ~rows["student_id"].isin(matched), "reach_out_first")
