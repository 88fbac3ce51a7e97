"""What was known of a study on a date, and what of it belongs to one school."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from evalkit.schemas import empty_frame

HAPPENED = {
    "attendance_event": "date",
    "attendance_period": "date",
    "attendance_total": "period_end",
    "enrollment": "entry_date",
    "assignment": "begin_date",
    "contact": "date",
    "barrier": "identified_date",
    "referral": "made_date",
    "recognition": "date",
    "team_meeting": "date",
    "action": "decided_on",
    "plan_change": "changed_on",
    "insight": "date",
    "service": "scheduled_date",
    "survey": "asked_on",
    "success_plan": "made_on",
    "observation": "date",
    "outcome": "date",
}
"""The column that says when a row's matter happened: a row after the study's `as_of` is not used."""

LATER = {
    "enrollment": (("exit_date", ("exit_type",)),),
    "assignment": (("end_date", ("end_reason",)),),
    "barrier": (("resolved_date", ("status",)),),
    "referral": (("outcome_date", ("outcome",)),),
    "action": (("closed_on", ("status",)),),
    "identity": (("last_verified_date", ()),),
    "resource": (("checked_date", ()),),
}
"""What was written on a row later: after `as_of` it is not known yet, nor what came with it."""


ENROLLED = ("enrollment", "attendance_event", "attendance_total", "attendance_period")
"""A student with a row of the school in one of these belongs to it."""


def up_to(given: Mapping[str, pd.DataFrame], as_of: pd.Timestamp) -> dict[str, pd.DataFrame]:
    """The tables as they were known on `as_of`: later rows left out, later endings not known yet."""
    known: dict[str, pd.DataFrame] = {}
    for name, frame in given.items():
        if name in HAPPENED:
            later = frame[HAPPENED[name]] > as_of
            frame = frame[~later].reset_index(drop=True) if later.any() else frame
        for column, others in LATER.get(name, ()):
            frame = _not_yet(frame, name, column, others, as_of)
        if len(frame) or _says_present(name, given):
            known[name] = frame
    return known


def _says_present(name: str, given: Mapping[str, pd.DataFrame]) -> bool:
    """Whether a table means something without a row: dated absences do, where enrollment and calendar say who was
    expected. A small school in which nobody has missed a day yet is not a school without attendance."""
    return name == "attendance_event" and {"enrollment", "calendar"} <= given.keys()


def _not_yet(frame: pd.DataFrame, name: str, column: str, others: tuple[str, ...], as_of: pd.Timestamp) -> pd.DataFrame:
    """Blank an ending after `as_of` and what came with it; a status goes back to open."""
    later = frame[column] > as_of
    if not later.any():
        return frame
    frame = frame.copy()
    frame.loc[later, column] = pd.NaT
    for other in others:
        frame.loc[later, other] = "open" if other == "status" else np.nan
    return frame


class SchoolIndex:
    """Finds one school's rows without looking through everybody's: made once for a study whose schools are asked for
    one after the other. `rows(school)` holds every row that `of_school` may want, and more."""

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self._tables = tables
        self._places: dict[tuple[str, str], Mapping[str, np.ndarray]] = {}

    def rows(self, school: str) -> dict[str, pd.DataFrame]:
        """The tables with the rows of the school, of the students ever seen there, and of the mentors of either."""
        at_school = {name: self._at(name, "school_id", [school]) for name in ENROLLED if name in self._tables}
        students = set().union(*(self._tables[name]["student_id"].iloc[at] for name, at in at_school.items()))
        mentors: set[str] = set()
        if "assignment" in self._tables:
            assigned = self._tables["assignment"]
            mentors = set(assigned["mentor_id"].iloc[self._at("assignment", "student_id", students)])
        return {name: self._some(name, frame, school, students, mentors) for name, frame in self._tables.items()}

    def _some(self, name: str, frame: pd.DataFrame, school: str, students: set[str], mentors: set[str]) -> pd.DataFrame:
        if name == "mentor":
            at = np.union1d(self._at(name, "school_id", [school]), self._at(name, "mentor_id", mentors))
        elif name == "contact":
            at = np.union1d(self._at(name, "student_id", students), self._at(name, "mentor_id", mentors))
        elif name == "prior_year" or ("student_id" in frame and "school_id" not in frame):
            at = self._at(name, "student_id", students)
        elif "school_id" in frame:
            at = self._at(name, "school_id", [school])
        else:
            return frame
        return frame.iloc[at].reset_index(drop=True)

    def _at(self, name: str, column: str, wanted: Iterable[str]) -> np.ndarray:
        """Places of the rows whose column is one of `wanted`, in the order of the table."""
        if (name, column) not in self._places:
            self._places[name, column] = self._tables[name].groupby(column, sort=False).indices
        places = self._places[name, column]
        found = [places[value] for value in wanted if value in places]
        return np.sort(np.concatenate(found)) if found else np.array([], dtype="int64")


def of_school(known: Mapping[str, pd.DataFrame], school: str) -> dict[str, pd.DataFrame]:
    """The tables narrowed to one school: its own rows, and all rows of the students who were ever enrolled there."""
    here = [known[name] for name in ENROLLED if name in known]
    students = set().union(*(frame.loc[frame["school_id"] == school, "student_id"] for frame in here))
    assigned = known.get("assignment", empty_frame("assignment"))
    mentors = set(assigned.loc[assigned["student_id"].isin(students), "mentor_id"])
    found = {}
    for name, frame in known.items():
        columns = frame.columns
        if name == "mentor":
            frame = frame[(frame["school_id"] == school) | frame["mentor_id"].isin(mentors)]
        elif name == "prior_year" or ("student_id" in columns and "school_id" not in columns):
            mine = frame["student_id"].isin(students)
            if name == "contact":  # a team meeting has no student
                mine |= frame["mentor_id"].isin(mentors) & frame["student_id"].isna()
            frame = frame[mine]
        elif "school_id" in columns:
            frame = frame[frame["school_id"] == school]
        if len(frame) or _says_present(name, known):
            found[name] = frame.reset_index(drop=True)
    return found
