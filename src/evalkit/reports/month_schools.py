"""The words and the table of schools side by side, each beside schools with similar students."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pandas as pd

from evalkit.programme import side_by_side
from evalkit.render.blocks import Column, Paragraph, Table
from evalkit.reports.gate import Gate
from evalkit.wording import date_words, listed, number

MANY = 12
"""More schools than a figure with a line for each can hold."""


def shown_standing(study, gate: Gate) -> pd.DataFrame:
    """`side_by_side` as this audience may know it: outside the team a school with a small group stands nowhere."""
    table, least = side_by_side(study), gate.rules.min_cell
    small = (table["n_chronic"] < least) | (table["n"] - table["n_chronic"] < least)
    return table if gate.is_team else table.assign(stands=table["stands"].mask(small, ""))


def standing_words(study, table: pd.DataFrame) -> str:
    """One sentence: which schools stand apart from schools with similar students, the lower ones first."""
    parts = []
    for way in ("lower", "higher"):
        rows = table[table["stands"] == way].sort_values("school_id")
        if len(rows):
            names = listed([study.school_name(school) for school in rows["school_id"].head(3)])
            more = f" and {number(len(rows) - 3)} more" if len(rows) > 3 else ""
            parts.append(f"{way} at {names}{more}")
    if not parts:
        return "Beside similar students (grade, last year) no school stands apart: differences are as usual."
    return f"Beside similar students (grade, last year) the share is {listed(parts)}; the others are as usual."


def schools_table(study, facts, gate: Gate, hidden: dict[str, Collection[str]]) -> Table | Paragraph:
    """Many schools: those that stand apart, lower first; every school in tables/schools. In order of id, not ranked."""
    table = shown_standing(study, gate).assign(order=lambda d: d["stands"].map({"lower": 0, "higher": 1, "": 2}))
    table = table.sort_values(["order", "school_id"], ignore_index=True)
    shown = table[["n", "n_chronic", "share", "ci_low", "ci_high", "expected", "shrunken", "stands"]].assign(
        school=[study.school_name(school) for school in table["school_id"]],
        stands=table["stands"].replace({"": "as usual"}))
    plain = dict.fromkeys(("ci_low", "ci_high", "expected", "shrunken"), "n_chronic")
    also = {place: {name if name == "n_chronic" else "n" for name in hidden.get(school, ())
                    if name in ("n_chronic", "n_students")} for place, school in enumerate(table["school_id"])}
    released = gate.table("schools", shown, keys=("school", "stands"), counts=("n", "n_chronic"),
                          shares={"share": ("n_chronic", "n")}, plain=plain, also=also)
    apart = int((table["stands"] != "").sum())
    columns = (Column("school", "School"), Column("n_chronic", "Missed 10% or more", "integer", "students"),
               Column("n", "All", "integer", "students"), Column("share", "Share", "percent1"),
               Column("expected", "Similar students", "percent1"), Column("shrunken", "Smoothed", "percent1"),
               Column("stands", "Beside similar"))
    many = number(len(table))
    title = f"None of {many} schools stands apart" if not apart else (
        f"Of {many} schools, {number(apart)} {'stands' if apart == 1 else 'stand'} apart")
    note = (f"{standing_words(study, table)} Usual: within what chance and the usual spread between schools explain. "
            "Smoothed: a small school's share is drawn toward that of similar students. In order of id, not ranked. "
            "A student of two schools counts at both.")
    return Table(gate.fixed(title), gate.fixed(f"Share of students who missed 10% or more of days, "
                                               f"{date_words(facts.window.end)}; ask the lower ones what they do"),
                 released, columns, most_rows=max(apart, 6) if apart <= 10 else 10, key="schools",
                 note=gate.fixed(f"{note} {'' if gate.is_team else released.rule}".strip()))


def school_numbers(study, gate: Gate) -> list[dict[str, Any]]:
    """results.json `schools`, team only: a row per school with its share, what is expected, and whether it stands
    apart."""
    if not gate.is_team or not {"daily", "rates"} <= study.can or study.school:
        return []
    names = ("school_id", "n", "n_chronic", "share", "ci_low", "ci_high", "expected", "usual_low", "usual_high",
             "shrunken", "stands")
    return side_by_side(study).sort_values("school_id")[list(names)].to_dict("records")
