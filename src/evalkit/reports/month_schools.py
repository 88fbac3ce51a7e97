"""Schools side by side, fairly: against similar students, with funnel limits and shrinkage, never ranked on noise."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from evalkit.estimators.multiple import benjamini_hochberg
from evalkit.measures import is_chronic, prior_rates
from evalkit.panel import student_panel
from evalkit.programme import book_of, kept, wilson
from evalkit.render.blocks import Column, Paragraph, Table
from evalkit.reports.gate import Gate
from evalkit.wording import date_words, listed, number

MANY = 12
"""More schools than a figure with a line for each can hold."""
FEW_IN_STRATUM, LEAST_STUDENTS, SIGNIFICANT = 30, 10, 0.05


def side_by_side(study) -> pd.DataFrame:
    """Each school's share at 10 % or more beside what its students would lead one to expect. Grain: school_id.

    n, n_chronic, share, ci_low, ci_high (Wilson 95 %); expected: the share among students of the same grade and the
    same standing last year in all schools; difference = share - expected; usual_low, usual_high: the funnel's 95 %
    limits, with the spread that schools usually have beyond chance; shrunken: empirical-Bayes share; stands: lower,
    higher or "" (Benjamini-Hochberg at 5 % over all schools). Source: Spiegelhalter 2005, doi:10.1002/sim.1970.
    """
    return kept(study, "side_by_side", lambda: _side_by_side(study))


def _side_by_side(study) -> pd.DataFrame:
    students = _students(study)
    groups = students.groupby("school_id")
    frame = groups.agg(n=("is_over", "size"), n_chronic=("is_over", "sum"), expected=("expected", "mean"),
                       spread=("spread", "sum")).reset_index()
    ends = [wilson(n, of) for n, of in zip(frame["n_chronic"], frame["n"], strict=True)]
    frame = frame.assign(share=frame["n_chronic"] / frame["n"], ci_low=[low for low, _ in ends],
                         ci_high=[high for _, high in ends])
    return compared(frame)


def _students(study) -> pd.DataFrame:
    """Students by school with is_over (10 % or more), and the chance of it among similar students of all schools."""
    rows = student_panel(study, by_school=True, book=book_of(study))
    over = is_chronic(rows, rules=study.rules)
    rows = rows.assign(is_over=over)[over.notna().to_numpy()].astype({"is_over": bool})
    prior = prior_rates(study).set_index("student_id")["is_chronic"].map({True: "yes", False: "no"})
    grade = study.table("student").drop_duplicates("student_id").set_index("student_id")["grade_level"]
    rows["before"] = rows["student_id"].map(prior).fillna("unknown")
    rows["stratum"] = rows["student_id"].map(grade).astype("str").fillna("?") + " " + rows["before"]
    size, chance = (rows.groupby("stratum")["is_over"].transform(how) for how in ("size", "mean"))
    wide = rows.groupby("before")["is_over"].transform("mean")
    chance = chance.where(size >= FEW_IN_STRATUM, wide)
    return rows.assign(expected=chance, spread=chance * (1 - chance))


def compared(frame: pd.DataFrame) -> pd.DataFrame:
    """Add what is usual among these schools: difference, usual_low, usual_high, shrunken, p_value, stands.

    frame: n, share, expected and spread (the sum of p(1-p) of its students). Schools of under ten students, or among
    fewer than three schools, never stand out.
    """
    frame = frame.reset_index(drop=True)
    chance = frame["spread"].to_numpy("float64") / frame["n"].to_numpy("float64") ** 2
    difference = (frame["share"] - frame["expected"]).to_numpy("float64")
    able = (frame["n"].to_numpy() >= LEAST_STUDENTS) & (chance > 0)
    between = between_schools(difference[able], chance[able])
    total = np.sqrt(chance + between)
    shrunken = frame["expected"] + difference * np.divide(between, total**2, out=np.zeros(len(frame)), where=total > 0)
    p = np.ones(len(frame))
    if able.sum() >= 3:
        p[able] = [math.erfc(abs(z) / math.sqrt(2)) for z in difference[able] / total[able]]  # two-sided normal
    q = np.ones(len(frame))
    q[able] = benjamini_hochberg(p[able]) if able.any() else []
    way = np.where(difference < 0, "lower", "higher")
    low, high = (np.clip(frame["expected"] + sign * 1.96 * total, 0, 1) for sign in (-1, 1))
    return frame.assign(difference=difference, usual_low=low, usual_high=high, shrunken=np.clip(shrunken, 0, 1),
                        p_value=p, stands=np.where(q <= SIGNIFICANT, way, ""))


def between_schools(difference: np.ndarray, chance: np.ndarray) -> float:
    """Variance between schools beyond chance, from squared z-scores winsorized at a tenth on each side, so that a
    school that truly stands apart does not hide itself."""
    if len(difference) < 3:
        return 0.0
    z = difference / np.sqrt(chance)
    low, high = np.quantile(z, [0.1, 0.9])
    ratio = float(np.mean(np.clip(z, low, high) ** 2))
    weight = 1 / chance
    room = weight.sum() - (weight**2).sum() / weight.sum()
    return max(0.0, (len(z) * ratio - (len(z) - 1)) / room)


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
            "Smoothed: a small school's share is drawn toward that of similar students. In order of id, not ranked.")
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


__all__ = ["MANY", "between_schools", "compared", "school_numbers", "schools_table", "shown_standing", "side_by_side",
           "standing_words"]
