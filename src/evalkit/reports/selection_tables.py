"""The tables of the selection pages: breakdowns in the DATT's columns, places, and the team's lists."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from evalkit.disclosure import TableRequest
from evalkit.render.blocks import Column, Table
from evalkit.reports.gate import Gate, is_whole
from evalkit.reports.month_tables import People, short
from evalkit.reports.selection_facts import GROUPS, Selection
from evalkit.rules import UNITS_PER_DAY
from evalkit.vocabulary import grades
from evalkit.wording import date_words, grade_words, number

BANDS = ("severe", "moderate", "chronic", "at_risk", "satisfactory")
HEADS = {
    "severe": "20% or more",
    "moderate": "10–20%",
    "chronic": "All 10% or more",
    "at_risk": "5–10%",
    "satisfactory": "Under 5%",
}
RACES = {"Hispanic Latino": "Hispanic or Latino", "Two Or More": "Two or more races", "American Indian":
         "American Indian or Alaska Native", "Pacific Islander": "Pacific Islander"}
WORDS = {"all": "All", "yes": "Yes", "no": "No", "unknown": "Not known"}
SHOWN = 5
MOST_GROUPS = 14


def breakdown_tables(found: Selection, gate: Gate) -> list[Table]:
    """One table per group, protected together: they are about the same students. Short ones first, so pages fill."""
    requests = [_request(name, table) for name, table in found.tables.items()]
    tables = [
        _breakdown(name, released, found.basis, gate)
        for name, released in zip(found.tables, gate.tables(requests), strict=True)
    ]
    return sorted(tables, key=lambda table: len(table.data.frame) > 4)


def _request(name: str, table: pd.DataFrame) -> TableRequest:
    counts = [f"n_{band}" for band in BANDS]
    frame = table.rename(columns={name: "group"})
    if name == "grade_level":
        order = {grade.grade_level: grade.order for grade in grades()} | {"unknown": 98, "all": 99}
        frame = frame.sort_values("group", key=lambda codes: codes.map(order), ignore_index=True)
        frame = frame.assign(group=[g if g in ("all", "unknown") else grade_words(g) for g in frame["group"]])
    if name in ("race_ethnicity", "sex"):
        frame = frame.assign(group=frame["group"].str.replace(r"(?<=[a-z])(?=[A-Z])", " ", regex=True))
    parts = {"n_chronic": ("n_severe", "n_moderate"), "n_students": ("n_chronic", "n_at_risk", "n_satisfactory")}
    return TableRequest(
        f"by_{name}",
        frame,
        keys=("group",),
        counts=(*counts, "n_students"),
        shares={f"share_{band}": (f"n_{band}", "n_students") for band in BANDS},
        total="all",
        parts=parts,
    )


def breakdown_columns(label: str) -> tuple[Column, ...]:
    """The DATT's columns in its order, after the group's name."""
    shown = [Column(f"n_{band}", HEADS[band], "integer", share=f"share_{band}") for band in BANDS]
    return (Column("group", label), *shown, Column("n_students", "All", "integer"))


def _breakdown(name: str, released, basis: str, gate: Gate) -> Table:
    released = replace(released, frame=released.frame.assign(group=released.frame["group"].map(_group_words)))
    return Table(
        gate.fixed(f"By {GROUPS[name]}"),
        gate.fixed(f"Students on the roll by share of days missed, {basis}: number, and percent of the row."),
        released,
        breakdown_columns(GROUPS[name].capitalize()),
        total_row=True,
        note=gate.fixed("" if is_whole(released) else released.rule),
        key=f"by_{name}",
    )


def _group_words(group: object) -> str:
    return WORDS.get(str(group), RACES.get(str(group), str(group)))


def capacity_table(found: Selection, gate: Gate) -> Table:
    """Students to match against open places, school by school; twelve schools are shown, all are in tables/."""
    frame = found.capacity[["school", "n_to_match", "n_matched", "n_open", "gap"]]
    frame = frame.assign(school=[short(name, 34) for name in frame["school"]])
    released = gate.table(
        "capacity",
        frame,
        keys=("school",),
        counts=("n_to_match", "n_matched"),
        plain={"n_open": "n_matched", "gap": "n_to_match"},
    )
    columns = (
        Column("school", "School"),
        Column("n_to_match", "To match", "integer", "students"),
        Column("n_matched", "Have a mentor", "integer", "students"),
        Column("n_open", "Open places", "integer"),
        Column("gap", "Places short", "integer"),
    )
    return Table(
        gate.fixed("Students to match against open places"),
        gate.fixed("Schools in the order of their ids. Places: each mentor's cap less students now."),
        released,
        columns,
        most_rows=12,
        key="capacity",
        note=gate.fixed("" if is_whole(released) else released.rule),
    )


def score_frame(study, rows: pd.DataFrame, people: People) -> pd.DataFrame:
    """Students with their points, part by part. Grain: student_id."""
    days = [
        f"{number(a / UNITS_PER_DAY, 0)} of {number(e / UNITS_PER_DAY, 0)}" if pd.notna(e) and e else "–"
        for a, e in zip(rows["absent_units"].astype("float64"), rows["enrolled_units"].astype("float64"), strict=True)
    ]
    names = ("need", "transition", "persistence", "adult", "grade_rate")
    return pd.DataFrame(
        {
            "student_id": rows["student_id"],
            "student": [people.name(s) for s in rows["student_id"]],
            "place": [people.place(s, school) for s, school in zip(rows["student_id"], rows["school_id"], strict=True)],
            "missed": days,
            **{f"points_{name}": rows[f"points_{name}"].to_numpy() for name in names},
            "score": rows["score"].to_numpy(),
            "adult_from": rows["adult_from"].to_numpy(),
        }
    )


def score_table(frame: pd.DataFrame) -> Table:
    """The highest scores of students to match, with every part shown."""
    heads = {
        "need": "need",
        "transition": "new school",
        "persistence": "years",
        "adult": "known adult",
        "grade_rate": "grade",
    }
    columns = (
        Column("student", "Student"),
        Column("place", "Grade, school"),
        Column("missed", "Missed", "number_text", "this year"),
        Column("parts", "Points by part"),
        Column("score", "Score", "integer"),
    )
    points = frame[[f"points_{name}" for name in heads]].round().astype("int64")
    parts = [", ".join(f"{word} {n}" for word, n in zip(heads.values(), row, strict=True) if n)
             for row in points.itertuples(index=False)]
    return Table(
        f"To match: {number(len(frame))} students, highest score first",
        "The parts add up to the score; each is rounded by itself.",
        frame.assign(score=frame["score"].round(), parts=parts),
        columns,
        note="A score opens the talk; it does not decide.",
        most_rows=SHOWN,
        key="to_match",
    )


def proposal_frame(study, found: Selection, people: People) -> pd.DataFrame:
    """The proposals as a csv a person edits: confirmed and begin_date are theirs to fill. Grain: student_id."""
    pairs = found.pairing.pairs.merge(found.scored[["student_id", "school_id"]], on=["student_id", "school_id"])
    pairs = pairs.sort_values(["school_id", "score", "student_id"], ascending=[True, False, True])
    return pd.DataFrame(
        {
            "student_id": pairs["student_id"],
            "student": [people.name(s) for s in pairs["student_id"]],
            "place": [people.place(s, x) for s, x in zip(pairs["student_id"], pairs["school_id"], strict=True)],
            "mentor_id": pairs["mentor_id"],
            "score": pairs["score"].round(1),
            "reasons": pairs["reasons"],
            "confirmed": "",
            "begin_date": "",
        }
    ).reset_index(drop=True)


def proposal_table(frame: pd.DataFrame) -> Table:
    """The first proposals; all of them are in tables/proposals.csv."""
    columns = (
        Column("student", "Student"),
        Column("place", "Grade, school"),
        Column("mentor_id", "Mentor"),
        Column("score", "Score", "integer"),
        Column("reasons", "Why this pairing"),
    )
    return Table(
        f"{number(len(frame))} pairings to talk over",
        "Within each mentor's cap, in the same school.",
        frame.assign(score=frame["score"].round()),
        columns,
        most_rows=SHOWN,
        key="proposals",
        note="Edit tables/proposals.csv: write yes under confirmed, change the mentor, or delete the row.",
    )


def plain_list(rows: pd.DataFrame, people: People, seen: list[str], *, title: str, measure: str, key: str) -> Table:
    """A short list of students: who, where, what is seen."""
    frame = pd.DataFrame(
        {
            "student_id": rows["student_id"],
            "student": [people.name(s) for s in rows["student_id"]],
            "place": [people.place(s, x) for s, x in zip(rows["student_id"], rows["school_id"], strict=True)],
            "seen": seen,
        }
    )
    columns = (Column("student", "Student"), Column("place", "Grade, school"), Column("seen", "What we see"))
    return Table(title, measure, frame, columns, most_rows=SHOWN, key=key)


def workbook(study, found: Selection, people: People) -> dict[str, Any]:
    """Every list in full for tables/ and tables.xlsx (team only)."""
    tables = {
        "to_match": score_frame(study, found.route("match"), people),
        "reach_out_first": score_frame(study, found.route("reach_out_first"), people),
        "prior_year": found.prior[["student_id", "prior_absence_rate"]],
        "early_warning": found.warned.assign(flagged_on=[date_words(day) for day in found.warned["flagged_on"]]),
        "unplaced": found.pairing.unplaced,
        "proposals": proposal_frame(study, found, people),
        "summer": found.summer[["student_id", "school_id", "grade_level", "next_grade", "is_moving", "need_rate"]],
    }
    return {name: table for name, table in tables.items() if len(table)}
