"""Who is at risk of being chosen at each landmark, with everything known about them the day before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit import measures
from evalkit.comparison.named_columns import check_named_columns, require_prior_year
from evalkit.comparison.remedies import NOBODY
from evalkit.comparison.starts import (
    NEVER,
    Calendars,
    Starts,
    as_dates,
    common_landmark,
    drawn_by_lot,
    measure,
    place_starts,
    read_starts,
    stays,
)
from evalkit.errors import UsageError, UserError
from evalkit.panel import DayBook, open_days
from evalkit.panel.calendar import as_ordinal
from evalkit.rules import UNITS_PER_DAY

LEAST_BEFORE = 15
"""Enrolled school days before the landmark below which pre_absence_rate says too little and is missing."""
GROUP_ABOVE = 2_000_000
"""Rows at risk above which covariates are measured by school week."""
AT_RISK = "_at_risk"


@dataclass(frozen=True)
class World:
    """A study laid out for the comparison: this year's days, the pool's days (last year's for prior_cohort)."""

    study: Any
    plan: Any
    book: DayBook
    pool_book: DayBook
    calendars: Calendars
    pool_calendars: Calendars
    starts: Starts
    pool: pd.DataFrame
    remarks: tuple[str, ...] = ()

    @property
    def is_prior_cohort(self) -> bool:
        return self.plan.comparison == "prior_cohort"

    def books_of(self, treated: pd.Series) -> list[tuple[np.ndarray, DayBook]]:
        """Which rows are measured in which day book: all in one, where both groups are of this year."""
        mine = treated.to_numpy() == 1
        if self.pool_book is self.book:
            return [(np.ones(len(mine), dtype=bool), self.book)]
        return [(mine, self.book), (~mine, self.pool_book)]

    @property
    def strata(self) -> list[str]:
        """The columns that must be equal at the landmark: the plan's exact ones, and the school within schools."""
        own_school = ["school_id"] if self.plan.comparison in ("within_school", "prior_cohort") else []
        return list(dict.fromkeys([*own_school, *self.plan.exact]))


@dataclass(frozen=True)
class Risk:
    """rows: grain student_id x landmark, treated rows first, sorted by landmark and student. lost: treated students
    without a landmark, with the reason. by_week: covariates were measured by school week."""

    rows: pd.DataFrame
    lost: pd.DataFrame
    by_week: bool
    remarks: tuple[str, ...]


def open_world(study: Any, plan: Any) -> World:
    """Read the days, the starts and the pool of possible comparison students."""
    for table, why in (("attendance_event", "dated attendance"), ("assignment", "the students with a mentor")):
        by_period = table == "attendance_event" and len(study.tables.get("attendance_period", ()))
        if not by_period and not len(study.tables.get(table, ())):
            raise UserError(f"An impact study needs {why}, and this study has no table {table}.",
                            remedy=f"Add {table}; evalkit list sources says what it may look like.")
    book = open_days(study)
    if not book.has_rates:
        raise UserError("An impact study needs the days enrolled, and this study has no enrolment.",
                        remedy="Add the table enrollment.")
    starts = read_starts(study, clock=plan.clock)
    if starts.treated.empty:
        raise UserError("No student was given a mentor in this school year.",
                        remedy="Check the dates of the table assignment and the study's school_year.")
    starts = drawn_by_lot(starts) if plan.comparison == "randomized" else starts
    pool_book = open_days(study, school_year=study.school_year - 1) if plan.comparison == "prior_cohort" else book
    world = World(study, plan, book, pool_book, Calendars.of(book), Calendars.of(pool_book), starts, pd.DataFrame(),
                  starts.remarks)
    world = replace(world, pool=_describe_pool(world, stays(pool_book), study.school_year - world.is_prior_cohort))
    return replace(world, remarks=(*_counted_last_year(world), *world.remarks))


def _counted_last_year(world: World) -> tuple[str, ...]:
    """Where last year's rate comes from, when no table states it."""
    named = "prior_absence_rate" in (*world.plan.covariates, *world.plan.exact)
    if not named or len(world.study.tables.get("prior_year", ())) or world.pool["prior_absence_rate"].isna().all():
        return ()
    return ("Days missed last year are counted from the study's own records of that year; it has no table prior_year.",)


def _describe_pool(world: World, pool: pd.DataFrame, year: int) -> pd.DataFrame:
    """Add what does not change with the landmark: the student's columns, prior year, start, first warning."""
    students = world.study.tables.get("student", pd.DataFrame({"student_id": pd.Series(dtype="str")}))
    known = students.drop_duplicates("student_id").set_index("student_id")
    pool = pool.copy()
    for name in (name for name in known.columns if name not in pool.columns):
        pool[name] = pool["student_id"].map(known[name])
    if "grade_level" in known:
        pool["grade_level"] = pool["grade_level"].fillna(pool["student_id"].map(known["grade_level"]))
    prior = measures.prior_rates(world.study, school_year=year - 1).set_index("student_id")
    pool["prior_absence_rate"] = pool["student_id"].map(prior["prior_absence_rate"])
    pool["prior_chronic"] = pool["student_id"].map(prior["is_chronic"]).astype("boolean")
    pool["started"] = pool["student_id"].map(world.starts.ever).fillna(NEVER).astype("int64")
    pool["warned"] = _first_warning(world, pool["student_id"])
    return pool


def _first_warning(world: World, student_id: pd.Series) -> np.ndarray:
    """The day of the first early-warning flag of the pool's year; NEVER without one, or when nobody asked."""
    if world.plan.eligible != "early_warning":
        return np.full(len(student_id), NEVER)
    flags = measures.early_warning(world.study, book=world.pool_book)
    first = pd.Series(as_ordinal(flags["flagged_on"]), index=flags["student_id"]).groupby(level=0).min()
    return student_id.map(first).fillna(NEVER).to_numpy("int64")


def build_risk(world: World, *, group_above: int = GROUP_ABOVE) -> Risk:
    """Treated rows at their own landmark, and every candidate at every landmark of its strata."""
    _check_columns(world)
    treated, lost = _treated_rows(world)
    candidates, by_week = _candidates(world, treated, group_above)
    remarks = list(world.remarks)
    if by_week:
        remarks.append(f"There are more than {group_above:,} pairs of student and start date: covariates of both "
                       f"groups are measured up to the Monday of the start date's week.")
    rows = pd.concat([treated, candidates], ignore_index=True)
    rows["known_by"] = _monday(rows["own_landmark"]) if by_week else rows["own_landmark"]
    rows = _add_pre_rate(world, rows)
    rows["landmark_month"] = as_dates(rows["landmark"]).dt.strftime("%Y-%m").astype("str").to_numpy()
    return Risk(rows, lost, by_week, tuple(remarks))


def _monday(date: pd.Series) -> pd.Series:
    return date - (date + 3) % 7  # day 0 (1 January 1970) was a Thursday


def _check_columns(world: World) -> None:
    """Covariates and exact columns must be known before the landmark."""
    plan = world.plan
    check_named_columns(world.study, plan)
    require_prior_year(world.pool["prior_absence_rate"], plan)
    if plan.comparison == "comparison_schools" and "school_id" in plan.exact:
        raise UsageError("Students of comparison schools cannot be equal on school_id.",
                         remedy='Take school_id out of exact, or use comparison = "within_school".')
    if plan.comparison == "waitlist" and plan.later_assigned == "exclude":
        raise UsageError("A waitlist comparison is made of students who get a mentor later, and later_assigned = "
                         '"exclude" takes them out.', remedy='Use later_assigned = "censor".')


def _treated_rows(world: World) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Treated students at their landmark, and those who have none."""
    starts, plan = world.starts.treated, world.plan
    pool = world.pool if not world.is_prior_cohort else \
        _describe_pool(world, stays(world.book), world.study.school_year)
    pool = pool.drop(columns=["started", "warned"])
    lost = []
    if plan.baseline != "landmark":
        day = common_landmark(world.calendars, pd.Timestamp(plan.baseline))
        early = starts["start"] < as_ordinal([pd.Timestamp(plan.baseline)])[0]
        lost.append(starts[early].assign(reason="the mentor began before the baseline date"))
        starts = starts[~early].assign(start=day)
    placed = place_starts(starts, pool, world.calendars)
    if plan.baseline != "landmark":
        placed = placed[placed["landmark"] == placed["start"]]
    gone = starts[~starts["student_id"].isin(placed["student_id"])]
    lost.append(gone.assign(reason="not enrolled on a school day when the mentor began"))
    if placed.empty:
        raise UserError("No student with a mentor was enrolled on its start date.",
                        remedy="Check the dates of the tables assignment, enrollment and calendar.")
    placed = placed.assign(treated=1, own_landmark=placed["landmark"], started=NEVER)
    return placed.sort_values(["landmark", "student_id"], kind="stable", ignore_index=True), \
        pd.concat(lost, ignore_index=True)[["student_id", "reason"]]


def _candidates(world: World, treated: pd.DataFrame, group_above: int) -> tuple[pd.DataFrame, bool]:
    """Every allowed stay at every landmark of its strata, kept where the student was at risk on that day."""
    pool = _allowed(world, treated)
    marks = treated[["landmark", "calendar"]].assign(stratum=_strata(treated, world.strata)).drop_duplicates(
        ["landmark", "stratum"])
    strata = pd.Index(marks["stratum"].unique())
    place, marks["stratum"] = strata.get_indexer(_strata(pool, world.strata)), strata.get_indexer(marks["stratum"])
    by_week = int(np.bincount(place[place >= 0], minlength=len(strata))[marks["stratum"]].sum()) > group_above
    pool, place = pool[place >= 0], place[place >= 0]
    found = [_at_risk(world, pool, place, len(strata), rows) for _, rows in marks.groupby("landmark", sort=True)]
    row, landmark, own = (np.concatenate(part) for part in zip(*found, strict=True))
    return pool.iloc[row].assign(landmark=landmark, own_landmark=own, treated=0).reset_index(drop=True), by_week


def _strata(rows: pd.DataFrame, names: Sequence[str]) -> pd.Series:
    """The stratum of each row as one text; a missing value is a value like any other."""
    parts = [rows[name].astype("str").fillna("(missing)") for name in names]
    return parts[0].str.cat(parts[1:], sep="\x1f") if parts else pd.Series("", index=rows.index, dtype="str")


def _at_risk(world: World, pool: pd.DataFrame, place: np.ndarray, n_strata: int,
             marks: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The stays at risk at one landmark (enrolled, no mentor yet, eligible on earlier data): their rows in the pool,
    the landmark, and the day it is in their own year."""
    landmark, calendar = int(marks["landmark"].iloc[0]), np.full(n_strata, -1)
    calendar[marks["stratum"]] = marks["calendar"]
    row = np.flatnonzero(calendar[place] >= 0)
    own = np.full(len(row), landmark)
    if world.is_prior_cohort:
        number = world.calendars.number_on(calendar[place[row]], own)
        own = world.pool_calendars.date_of_number(pool["calendar"].to_numpy("int64")[row], number)
    here = _is_at_risk(world, pool, row, own)
    return row[here], np.full(int(here.sum()), landmark), own[here]


def _is_at_risk(world: World, pool: pd.DataFrame, row: np.ndarray, day: np.ndarray) -> np.ndarray:
    def known(name: str) -> np.ndarray:
        return pool[name].to_numpy("int64")[row]

    here = (known("first") <= day) & (known("last") >= day) & (known("started") > day)
    if world.plan.eligible == "early_warning":
        here &= known("warned") < day
    if world.plan.comparison == "waitlist":
        here &= known("waiting_from") <= day
    return here


def _allowed(world: World, treated: pd.DataFrame) -> pd.DataFrame:
    """The pool of the plan's design, its later_assigned and its lasting eligibility rules."""
    plan, pool = world.plan, world.pool
    own_schools = treated["school_id"].unique()
    if plan.comparison == "comparison_schools":
        pool = pool[pool["school_id"].isin(_comparison_schools(world, own_schools))]
    else:
        pool = pool[pool["school_id"].isin(own_schools)]
    if plan.baseline != "landmark" or world.is_prior_cohort:
        pool = pool[~pool["student_id"].isin(world.starts.treated["student_id"])]
    if plan.later_assigned == "exclude":
        pool = pool[pool["started"] == NEVER]
    if plan.comparison == "waitlist":
        pool = _waiting(world, pool)
    if plan.eligible == "prior_chronic":
        pool = pool[pool["prior_chronic"].fillna(False).astype(bool)]
    if pool.empty:
        raise UserError("There is nobody to compare with under this plan.",
                        remedy=NOBODY.get(plan.comparison, "Students of the same schools without a mentor must be in "
                                          "the data."))
    return pool


def _comparison_schools(world: World, own: np.ndarray) -> np.ndarray:
    """Schools marked as not running the programme; without marks, schools where nobody ever had a mentor."""
    schools = world.study.tables.get("school", pd.DataFrame())
    flags = schools["programme_school"] if "programme_school" in schools else pd.Series(dtype="boolean")
    if flags.notna().any():
        return schools.loc[flags.eq(False).fillna(False), "school_id"].to_numpy()
    mentored = world.pool.loc[world.pool["started"] < NEVER, "school_id"].unique()
    return np.setdiff1d(world.pool["school_id"].unique(), np.union1d(own, mentored))


def _waiting(world: World, pool: pd.DataFrame) -> pd.DataFrame:
    """Students who were already chosen and get their mentor later: by assigned_by = waitlist, or assigned_date."""
    table = world.starts.table
    listed = table["assigned_by"].eq("waitlist").fillna(False) if "assigned_by" in table else table["start"].lt(0)
    assigned = as_ordinal(table["assigned_date"]) if "assigned_date" in table else np.full(len(table), NEVER)
    since = np.where(listed, -NEVER, np.where(assigned < -NEVER, NEVER, assigned))
    waiting = pd.Series(since, index=table["student_id"]).groupby(level=0).min()
    return pool.assign(waiting_from=pool["student_id"].map(waiting).fillna(NEVER).astype("int64"))


def _add_pre_rate(world: World, rows: pd.DataFrame) -> pd.DataFrame:
    """This year's absence rate from entry to the day before the landmark, missing below 15 enrolled days."""
    parts = []
    for mask, book in world.books_of(rows["treated"]):
        mine = rows[mask]
        spent = measure(world.study, book, mine["student_id"], None, mine["known_by"].to_numpy("int64") - 1)
        enough = spent["n_days"].fillna(0).to_numpy("int64") >= LEAST_BEFORE
        parts.append(mine.assign(pre_absence_rate=np.where(enough, spent["absence_rate"].to_numpy(float), np.nan),
                                 pre_enrolled_days=spent["enrolled_units"].to_numpy(float) / UNITS_PER_DAY))
    return pd.concat(parts).loc[rows.index]
