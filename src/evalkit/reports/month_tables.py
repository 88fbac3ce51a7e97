"""Page 2 of the review: the team's lists as tables, five rows each, with names. Only a team copy ever calls this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from evalkit.measures import days_left
from evalkit.programme import active_assignments, book_of, kept
from evalkit.render.blocks import Column, Table
from evalkit.reports.month_facts import Facts
from evalkit.reports.month_lists import RULES
from evalkit.reports.month_more import run_words
from evalkit.rules import UNITS_PER_DAY
from evalkit.wording import grade_words, month_words, number, plural

SHOWN = 5


@dataclass(frozen=True)
class ListText:
    """How one list is titled; note stands after the count of rows shown."""

    name: str
    title: Callable[[int, int], str]
    note: str = ""


def _celebrate_title(shown: int, n: int) -> str:
    return f"Celebrate: {plural(n, 'student')} with a personal gain"


LIST_TEXTS = (
    ListText(
        "celebrate",
        _celebrate_title,
        "Students with a mentor come first. Improvement is the student's own; it does not measure the program.",
    ),
    ListText(
        "watch",
        lambda shown, n: f"Watch: a call now helps {plural(n, 'student')} stay on track",
        "Students who can still end the year under 10% come first.",
    ),
    ListText(
        "decide",
        lambda shown, n: f"Decide: steady mentoring, no gain yet, so try something else ({n})",
        "The plan changes, not the student. Bring one idea for each.",
    ),
    ListText(
        "reach_out_first",
        lambda shown, n: f"Reach out first: a home visit before a mentor ({n})",
        "A person checks the address and phone first.",
    ),
)


class People:
    """Names and places of students, read once for one team page (identity is read nowhere else)."""

    def __init__(self, study) -> None:
        identity = study.table("identity").drop_duplicates("student_id").set_index("student_id")
        first = identity["preferred_name"].fillna(identity["first_name"])
        initial = identity["last_name"].fillna("").str[:1]
        self.names = {
            key: f"{name} {letter}." if letter else name
            for key, name, letter in zip(first.index, first, initial, strict=True)
            if isinstance(name, str)
        }
        students = study.table("student").set_index("student_id")
        self.grades = students["grade_level"].map(grade_words).to_dict()
        self.mentors = (
            active_assignments(study)
            .drop_duplicates("student_id", keep="last")
            .set_index("student_id")["mentor_id"]
            .to_dict()
        )
        self.study = study

    def name(self, student: str) -> str:
        return self.names.get(student, student)

    def place(self, student: str, school: str) -> str:
        """Grade and school, on one line."""
        return f"{self.grades.get(student, '?')}, {short(self.study.school_name(school))}"

    def mentor(self, student: str) -> str:
        return f"Mentor {self.mentors[student]}" if student in self.mentors else "No mentor yet"


def list_frame(study, facts: Facts, name: str, people: People) -> pd.DataFrame:
    """One list as it is shown and as it goes to the workbook. Grain: student_id."""
    rows = facts.lists[name]
    missed, schools, left = kept(study, "list columns", lambda: _of_everybody(study, facts))
    frame = pd.DataFrame(
        {
            "student_id": rows["student_id"],
            "student": [people.name(s) for s in rows["student_id"]],
            "place": [people.place(s, schools.get(s, "")) for s in rows["student_id"]],
            "seen": [_seen(name, row) for row in rows.itertuples()],
            "missed": [missed.get(s, "–") for s in rows["student_id"]],
            "left": [_left(name, left.get(s)) for s in rows["student_id"]],
            "next": [_next(name, row, people) for row in rows.itertuples()],
        }
    )
    if name == "watch":
        order = [0 if (left.get(s) is not None and left.get(s) >= 0) else 1 for s in rows["student_id"]]
        frame = frame.assign(order=order).sort_values("order", kind="stable").drop(columns="order")
    return frame.reset_index(drop=True)


def _of_everybody(study, facts: Facts) -> tuple[dict[str, str], dict[str, str], dict[str, int]]:
    """By student: days missed of days enrolled, school, and days left before 10 %."""
    now = facts.now
    missed = [f"{_units(absent)} of {_units(of)}"
              for absent, of in zip(now["absent_units"], now["enrolled_units"], strict=True)]
    left = days_left(study, book=book_of(study))
    schools = dict(zip(now["student_id"], now["school_id"], strict=True))
    return (dict(zip(now["student_id"], missed, strict=True)), schools,
            dict(zip(left["student_id"], left["days_left"], strict=True)))


def short(name: str, most: int = 26) -> str:
    """A school's name that fits one line of a list: without "School" at its end, then cut after a whole word."""
    name = name.removesuffix(" School")
    if len(name) <= most:
        return name
    return name[: most - 1].rsplit(" ", 1)[0].rstrip(",;-") + "…"


def _units(value) -> str:
    days = float(value) / UNITS_PER_DAY
    return number(days, 0 if days.is_integer() else 1)


def _left(name: str, left) -> str:
    if name == "reach_out_first":
        return "Goal: 1 day back"
    if left is None or pd.isna(left):
        return "–"
    return plural(int(left), "day") if left >= 0 else "Goal: 2 a month"


def _short(day: pd.Timestamp) -> str:
    return f"{month_words(day)[:3]} {day.day}"


def _seen(name: str, row) -> str:
    if name == "celebrate":
        return f"{_units(row.absent_units)} of last 20, {_units(row.absent_units_before)} of 20 before"
    if name == "watch":
        if row.run >= 3:
            return f"{run_words(row.run)}{row.run} in a row, {_short(row.run_from)} to {_short(row.run_to)}"
        return f"{_units(row.absent_units)} of last 10, no run"
    if name == "decide":
        return (
            f"{row.weeks} weeks, {number(row.contacts_a_week, 1)} contacts each; missed "
            f"{_units(row.absent_since)} of {_units(row.enrolled_since)}"
        )
    if name == "reach_out_first":
        return "Not seen in the last 10 days" if row.is_away else "Missed half or more"
    if name == "newly_flagged":
        return f"First sign {_short(row.flagged_on)}: {SIGNS[row.flag]}"
    if name == "crossed_10":
        return f"First at 10% on {_short(row.crossed_on)}, day {row.enrolled_day} of the year"
    return f"Matched {_short(row.begin_date)}" if name == "no_family_contact" else f"Asked {_short(row.date)}"


SIGNS = {
    "W2": "2 of the first 10 days missed",
    "M1": "2 of the first 20 days missed",
    "M2": "4 of the first 40 days missed",
    "2m": "2 days missed in a school month",
}
"""The early-warning signs in words (standards 2.5)."""
_TEAM_HELPS = {"no_family_contact": "meet the family", "newly_flagged": "check in", "crossed_10": "check in"}


def _next(name: str, row, people: People) -> str:
    mentor = people.mentor(row.student_id)
    if name == "celebrate":
        return mentor if mentor != "No mentor yet" else "Homeroom"
    if name == "escalations":
        return "Team: answer the mentor"
    if name == "reach_out_first":
        return "Team: home visit"
    if mentor == "No mentor yet":
        return "No mentor yet: match"
    if name == "watch":
        return f"{mentor}: call today" if row.run >= 3 else f"{mentor}: check in"
    return f"{mentor}: {_TEAM_HELPS[name]}" if name in _TEAM_HELPS else f"{mentor} and team"


def list_table(frame: pd.DataFrame, text: ListText) -> Table:
    """The table of one list: at most five rows, the count of all, and the rule under it."""
    shown = min(SHOWN, len(frame))
    who = "Shout-out from" if text.name == "celebrate" else "Next step"
    columns = (
        Column("student", "Student"),
        Column("place", "Grade, school"),
        Column("seen", "What we see"),
        Column("missed", "Missed", "number_text", "this year"),
        Column("left", "Can still miss"),
        Column("next", who),
    )
    title = text.title(shown, len(frame))
    if text.name == "celebrate":
        title += f", {number(int(frame['next'].str.startswith('Mentor').sum()))} with a mentor"
    return Table(
        title=title,
        measure=RULES[text.name],
        data=frame,
        columns=columns,
        note=text.note,
        most_rows=SHOWN,
        key=text.name,
    )


def empty_list(text: ListText) -> str:
    """What stands in place of an empty list."""
    label = text.name.replace("_", " ").capitalize()
    return f"**{label}:** no students this time. Rule: {RULES[text.name][0].lower()}{RULES[text.name][1:]}"


def workbook(study, facts: Facts, people: People) -> dict[str, pd.DataFrame]:
    """Every list in full for tables.xlsx."""
    return {name: list_frame(study, facts, name, people) for name in facts.lists if len(facts.lists[name])}


__all__ = ["LIST_TEXTS", "People", "empty_list", "list_frame", "list_table", "workbook"]
