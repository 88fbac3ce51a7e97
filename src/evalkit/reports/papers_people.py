"""Who a paper is about: one student's facts, gathered once per run. Besides team pages, only this reads `identity`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from evalkit.measures import days_left, momentum, recent_window
from evalkit.panel import has_days, student_panel, window_panel
from evalkit.programme import active_assignments, book_of
from evalkit.rules import UNITS_PER_DAY
from evalkit.vocabulary import grade_label

SPOKEN = {"es": "es", "spa": "es", "spanish": "es", "español": "es", "es-us": "es", "es-mx": "es",
          "": "en", "en": "en", "eng": "en", "english": "en", "en-us": "en"}
FAMILY_ACTIVITIES = ("b_call_absent", "e_family_intro")
FRESH_DAYS = 60


@dataclass(frozen=True)
class Person:
    """What papers may say about one student by `as_of`. Days are school days; None is not known.

    recent: (missed, of) in the last ten school days; is_back: seen all day on the last counted school day (False where
    days are not known); gain: (before, now) in the last 20 school days and the 20 before,
    only when fewer; plan: the newest success plan; outreach, checkin: the last held contact with the family, the
    student; guess: the days missed that the family thought it was.
    """

    student_id: str
    name: str
    first: str
    grade: str
    school_id: str
    school: str
    language: str
    missed: float | None = None
    enrolled: float | None = None
    recent: tuple[float, float] | None = None
    is_back: bool = False
    gain: tuple[float, float] | None = None
    days_left: int | None = None
    barriers: tuple[str, ...] = ()
    solved: tuple[str, ...] = ()
    referrals: tuple[Mapping[str, Any], ...] = ()
    outreach: Mapping[str, Any] | None = None
    checkin: Mapping[str, Any] | None = None
    plan: Mapping[str, Any] | None = None
    plan_missed: float | None = None
    awards: tuple[str, ...] = ()
    guess: float | None = None
    family: Mapping[str, Any] = field(default_factory=dict)


class People:
    """Every student's facts, each table gone through once. `on_roll`: enrolled on their school's last counted day."""

    def __init__(self, study) -> None:
        self.study = study
        self.book = book_of(study) if has_days(study) else None
        self.identity = _rows_by(study.table("identity"), "student_id")
        self.grades = study.table("student").set_index("student_id")["grade_level"].to_dict()
        self.panel = _rows_by(student_panel(study, book=self.book), "student_id")
        self.schools = _last_schools(study)
        self._windows()
        self._barriers()
        self._contacts()
        self.plans = _newest(study.table("success_plan"), "made_on", study.as_of)
        self.plan_days = self._plan_days()
        awards = _this_year(study, study.table("recognition"))
        self.awards = awards.groupby("student_id")["award"].agg(list).to_dict()
        self.guesses = _guesses(study)

    def _windows(self) -> None:
        recent = _rows_by(recent_window(self.study, days=10, book=self.book), "student_id") if self.book else {}
        self.recent = {s: (row["absent_days"], row["n_days"]) for s, row in recent.items()}
        self.on_roll = set(recent) if self.book else set(self.panel)
        last = recent_window(self.study, days=1, book=self.book) if self.book else None
        self.back = set() if last is None else set(last.loc[last["absent_units"] == 0, "student_id"])
        moved = momentum(self.study, book=self.book).query("is_gaining") if self.book else None
        self.gains = {} if moved is None else {
            row.student_id: (row.absent_before, row.absent_now) for row in moved.itertuples()}
        left = days_left(self.study, book=self.book) if self.book else None
        self.left = {} if left is None else dict(zip(left["student_id"], left["days_left"], strict=True))

    def _barriers(self) -> None:
        """What gets in the way now, what is solved, and the referrals, by student."""
        rows = self.study.table("barrier")
        rows = rows[rows["identified_date"] <= self.study.as_of].sort_values(["identified_date", "pattern"])
        is_solved = rows["status"].eq("resolved").fillna(False) & ~(rows["resolved_date"] > self.study.as_of)
        self.solved = rows[is_solved].groupby("student_id")["pattern"].agg(list).to_dict()
        self.barriers = rows[~is_solved].groupby("student_id")["pattern"].agg(list).to_dict()
        made = self.study.table("referral")
        made = made[made["made_date"] <= self.study.as_of].sort_values(["made_date", "referral_id"])
        self.referrals = {s: group.to_dict("records") for s, group in made.groupby("student_id")}

    def _contacts(self) -> None:
        """The last held contact with each family, and with each student alone or in a group."""
        held = self.study.table("contact")
        held = held[held["status"].isna() | held["status"].eq("held").fillna(False)]
        family = held["activity"].isin(FAMILY_ACTIVITIES) | held["with_whom"].eq("family").fillna(False)
        self.outreach = _newest(held[family], "date", self.study.as_of)
        self.checkins = _newest(held[held["activity"].eq("d_meeting").fillna(False)], "date", self.study.as_of)

    def _plan_days(self) -> dict[str, float]:
        """Days missed from the day a plan was made to its review (or as_of)."""
        if self.book is None or not self.plans:
            return {}
        as_of = self.study.as_of
        rows = [{"student_id": s, "start": plan["made_on"],
                 "end": min(plan["review_on"], as_of) if pd.notna(plan["review_on"]) else as_of}
                for s, plan in self.plans.items()]
        panel = window_panel(self.study, pd.DataFrame(rows), book=self.book)
        missed = panel["absent_units"].astype("float64") / UNITS_PER_DAY
        return {s: n for s, n in zip(panel["student_id"], missed, strict=True) if pd.notna(n)}

    def person(self, student: str) -> Person:
        """One student's facts."""
        known, panel = self.identity.get(student, {}), self.panel.get(student, {})
        school, left = self.schools.get(student, ""), self.left.get(student)
        first = _text(known.get("preferred_name")) or _text(known.get("first_name"))
        name = " ".join(part for part in (first, _text(known.get("last_name"))) if part)
        return Person(
            student_id=student, name=name, first=first, school_id=school, school=self.study.school_name(school),
            grade=grade_label(_text(self.grades.get(student))),
            language="es" if spoken(known.get("home_language")) == "es" else "en",
            missed=_number(panel.get("absent_days")), enrolled=_number(panel.get("enrolled_days")),
            recent=self.recent.get(student), is_back=student in self.back, gain=self.gains.get(student),
            days_left=None if left is None else int(left),
            barriers=_unique(self.barriers.get(student)), solved=_unique(self.solved.get(student)),
            referrals=tuple(self.referrals.get(student, ())), outreach=self.outreach.get(student),
            checkin=self.checkins.get(student), plan=self.plans.get(student),
            plan_missed=self.plan_days.get(student), awards=_unique(self.awards.get(student)),
            guess=self.guesses.get(student), family=known)


def spoken(value: Any) -> str:
    """The home language as papers know it: en, es or other; nothing on file is en."""
    return SPOKEN.get(_text(value).casefold(), "other")


def pairs_of(study, mentor: str = "") -> pd.DataFrame:
    """Pairings in force on as_of, in order of mentor. Grain: student_id x mentor_id."""
    pairs = active_assignments(study).drop_duplicates(["student_id", "mentor_id"])
    pairs = pairs[pairs["mentor_id"].eq(mentor)] if mentor else pairs
    return pairs.sort_values(["mentor_id", "student_id"]).reset_index(drop=True)


def is_stale(person: Person, on) -> bool:
    """Whether nobody checked the family's contact details in the last 60 days."""
    seen = person.family.get("last_verified_date")
    return seen is None or pd.isna(seen) or (pd.Timestamp(on) - seen).days > FRESH_DAYS


def _rows_by(frame: pd.DataFrame, key: str) -> dict[str, dict[str, Any]]:
    rows = frame.drop_duplicates(key, keep="last").to_dict("records")
    return {str(row[key]): {str(name): value for name, value in row.items()} for row in rows}


def _newest(frame: pd.DataFrame, column: str, on) -> dict[str, dict[str, Any]]:
    frame = frame[frame["student_id"].notna() & (frame[column] <= on)]
    return _rows_by(frame.sort_values(column, kind="stable"), "student_id")


def _this_year(study, frame: pd.DataFrame) -> pd.DataFrame:
    first = pd.Timestamp(study.school_year - 1, 7, 1)
    return frame[(frame["date"] >= first) & (frame["date"] <= study.as_of)].sort_values(["date", "student_id"])


def _last_schools(study) -> dict[str, str]:
    spans = study.table("enrollment")
    spans = spans[spans["entry_date"] <= study.as_of].sort_values("entry_date", kind="stable")
    rows = spans if len(spans) else study.table("attendance_total").sort_values("period_end", kind="stable")
    return {str(s): str(school) for s, school in zip(rows["student_id"], rows["school_id"], strict=True)}


def _guesses(study) -> dict[str, float]:
    """What a family thought: the newest answer to "how many days has your child missed?"."""
    rows = study.table("survey")
    asked = rows["item"].eq("estimated_days_missed").fillna(False) & rows["respondent"].eq("family").fillna(False)
    found = _newest(rows[asked], "asked_on", study.as_of)
    numbers = {s: pd.to_numeric(row["value"], errors="coerce") for s, row in found.items()}
    return {s: float(n) for s, n in numbers.items() if pd.notna(n)}


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _unique(values: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values or ()))
