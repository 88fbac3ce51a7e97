"""The blocks of the selection's place page: schools past 20 %, school by zip, moves to a new school, signs, years."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit import figures
from evalkit.measures import breakdown
from evalkit.panel import has_days, student_panel
from evalkit.programme import book_of, wilson
from evalkit.render.blocks import Callout, Column, Figure, Paragraph, Table
from evalkit.reports.gate import Gate
from evalkit.reports.month_tables import short
from evalkit.reports.rough import is_few, share_table, shown_columns
from evalkit.reports.selection_facts import Selection, grades_of
from evalkit.reports.selection_tables import breakdown_columns
from evalkit.selection.places import (
    grade_moves,
    hot_spots,
    judged,
    outcome_flags,
    previous_grade,
    school_table,
    sign_counts,
    year_by_year,
)
from evalkit.wording import grade_words, listed, percent

LINE_WORDS = "20% or more of students missed 10% or more of days"
LEVELS = ((0.3, "30% or more"), (0.2, "20 to 30%"), (0.1, "10 to 20%"), (0.0, "under 10%"))
SIGN_WORDS = {"attendance": "attendance", "course": "course failed", "behavior": "behavior referral"}
MOST_SPOTS, MOST_SCHOOLS = 8, 12


def _rows(study, found: Selection) -> pd.DataFrame:
    """The roll with days that can be judged: this year's, or last year's where the breakdowns use those."""
    return judged(found.scored, study.rules, prior=found.basis == "last year")


def schools_block(study, found: Selection, gate: Gate) -> list[Any]:
    """The DATT's summary by school, for the team; which schools are past 20 %, for everybody."""
    table = school_table(_rows(study, found))
    table = table[table["school_id"].ne("all")]
    seen = [row for row in table.itertuples() if not is_few(gate, row.n_chronic, row.n_students)]
    over = [study.school_name(row.school_id) for row in seen if row.is_20]
    said = gate.fixed(f"**Schools where {LINE_WORDS}, {found.basis}:** {listed(over) or 'none'}. "
                      "From there on it touches every student's class, so the whole school needs a plan.")
    blocks: list[Any] = [Paragraph(said)]
    if gate.is_team:
        blocks.insert(0, _school_table(study, found))
    return blocks


def _school_table(study, found: Selection) -> Table:
    names = ("enrolled_units", "absent_units")
    source = names if found.basis == "this year" else ("prior_enrolled_units", "prior_absent_units")
    frame = found.scored.assign(**{name: found.scored[column].astype("Int64")
                                   for name, column in zip(names, source, strict=True)})
    rows = breakdown(frame, "school_id", rules=study.rules)
    marks = 5 * rows["n_chronic"] >= rows["n_students"]
    marks &= rows["school_id"].ne("all")
    rows = rows.assign(group=[short(study.school_name(s)) if s != "all" else "All" for s in rows["school_id"]],
                       mark=marks.map({True: "20%+", False: ""}))
    return Table("By school", f"Students by share of days missed, {found.basis}: number and percent.",
                 rows.drop(columns="school_id"), (*breakdown_columns("School"), Column("mark", "Mark")),
                 total_row=True, most_rows=MOST_SCHOOLS, key="by_school")


def hot_spot_table(study, found: Selection, gate: Gate) -> Table | Callout:
    """School by zip, where most students beyond the usual share miss 10 %: counts for the team, levels for others."""
    title = gate.fixed("Where most students could be reached: school by zip code")
    if found.scored["zip5"].notna().sum() == 0:
        return Callout(title, (gate.fixed("Zip codes are not in the data; student.zip5 would switch this on."),),
                       tone="caution")
    rows = hot_spots(_rows(study, found))
    rows = rows.assign(school=[study.school_name(s) for s in rows["school_id"]],
                       level=[_level(row, gate) for row in rows.itertuples()])
    measure = gate.fixed(f"Students who missed 10% or more, {found.basis}. Most beyond the share of all schools first.")
    head = (Column("school", "School"), Column("zip", "Zip"))
    if gate.is_team:
        columns = (*head, Column("n_chronic", "Missed 10%+", "integer", "students"),
                   Column("n_students", "All", "integer"), Column("share", "Share", "percent"))
        names = ["school", "zip", "n_chronic", "n_students", "share", "beyond"]
        return Table(title, measure, rows[names], columns, most_rows=MOST_SPOTS, key="hot_spots",
                     note="A place to ask what would help. Rare zips are joined as Other.")
    shown = rows.loc[rows["level"].ne("hidden"), ["school", "zip", "level"]].sort_values(["school", "zip"])
    table = gate.table("hot_spots", shown.reset_index(drop=True), keys=("school", "zip", "level"))
    note = gate.fixed("Steps of 10 points, no counts. Groups where either side is small are left out.")
    return Table(title, gate.fixed(f"Share of students who missed 10% or more, {found.basis}"), table,
                 (*head, Column("level", "Share")), note=note, key="hot_spots", most_rows=MOST_SPOTS)


def _level(row: Any, gate: Gate) -> str:
    """The share as a step of ten points; hidden where a side of the group is small."""
    if is_few(gate, row.n_chronic, row.n_students):
        return "hidden"
    return next(words for edge, words in LEVELS if row.share >= edge)


def moves_figure(study, params: Any, found: Selection, gate: Gate) -> Figure | Callout:
    """The same students last year and this year by grade; the grades that begin a school are named."""
    title = gate.fixed("The same students, last year and now, by the grade they are in")
    rows = grade_moves(found.scored, study.rules, transition=grades_of(params))
    if rows.empty or found.basis != "this year":
        text = "Days of last year (prior_year) and 20 days of this year for most students would switch this on."
        return Callout(title, (gate.fixed(text),), tone="caution")
    ends = [wilson(int(row.n_now), int(row.n_students)) for row in rows.itertuples()]
    few = [is_few(gate, row.n_before, row.n_students) for row in rows.itertuples()]
    rows = rows.assign(label=[_move_words(row) for row in rows.itertuples()], value=rows["now"],
                       ci_low=[low for low, _ in ends], ci_high=[high for _, high in ends],
                       n_now=rows["n_now"].mask(few, 0))  # last year's small side hides the row as this year's does
    table = share_table("grade_moves", rows, gate, keys=("label",), n="n_now", of="n_students", share="value",
                        plain=("ci_low", "ci_high", "before"))
    columns = (Column("label", "Grade now"), Column("n_students", "Students", "integer"),
               Column("before", "Last year", "percent"), Column("value", "Now", "percent"))
    moving = table.frame[rows["is_move"].to_numpy() & table.frame["value"].notna().to_numpy()]
    alt = listed(f"{row.label} {percent(row.before)} last year, {percent(row.value)} now"
                 for row in moving.itertuples())
    note = "A new school level is a time to plan for. Last year is a whole year, this year is not yet."
    return Figure(title, gate.fixed("Share of students who missed 10% or more of days"),
                  figures.school_dots(table.frame, words=("this year, with 95% interval", "same students last year")),
                  gate.fixed(f"{alt or 'No grade that begins a school is shown'}."), table, columns,
                  note=gate.fixed(note), key="grade_moves")


def _move_words(row: Any) -> str:
    name = f"Grade {grade_words(row.grade_level)}"
    before = previous_grade(row.grade_level)
    return f"{name}: new school level, from {grade_words(before)}" if row.is_move and before else name


def signs_table(study, found: Selection, gate: Gate) -> Table | Callout:
    """Attendance, course and behavior signs together: how many students show which."""
    title = gate.fixed("Early signs together")
    flags = outcome_flags(study)
    if len(flags.columns) < 2:
        text = ("Course failures or behavior referrals in the table outcome (a measure that begins with course, "
                "behavior or suspension) would stand beside attendance signs here.")
        return Callout(title, (gate.fixed(text),), tone="caution")
    rows = sign_counts(found.scored, found.warned, flags)
    names = [name for name in SIGN_WORDS if name in rows]
    words = [listed(SIGN_WORDS[name] for name in names if getattr(row, name)) or "none of these"
             for row in rows.itertuples()]
    rows = rows.assign(signs=[f"{text[:1].upper()}{text[1:]}" for text in words])[["signs", "n_students"]]
    table = gate.table("signs", rows, keys=("signs",), counts=("n_students",))
    columns = (Column("signs", "Signs this year"), Column("n_students", "Students", "integer"))
    note = "Attendance: the signs of the first page. A course failed, a referral: one or more this year."
    return Table(title, gate.fixed("Students on the roll, each in one row"), table, columns, key="signs",
                 note=gate.fixed(note if gate.is_team else f"{note} {table.rule}"))


def sign_list(study, found: Selection) -> pd.DataFrame:
    """For the team's workbook: students with any sign, and what the record holds. Grain: student_id."""
    flags = outcome_flags(study)
    rows = found.scored[["student_id", "school_id", "grade_level", "route"]].merge(flags, on="student_id", how="left")
    first = found.warned.set_index("student_id").reindex(rows["student_id"])  # of nobody, early in the year
    rows = rows.assign(attendance_sign=first["flag"].array, since=first["flagged_on"].array)
    counts = rows[list(flags.columns.drop("student_id"))].fillna(0)
    rows[counts.columns] = counts
    any_sign = rows["attendance_sign"].notna() | counts.ge(1).any(axis=1)
    order = counts.ge(1).sum(axis=1) + rows["attendance_sign"].notna()
    rows = rows.assign(n_signs=order.astype("int64"))[any_sign]
    return rows.sort_values(["n_signs", "student_id"], ascending=[False, True], ignore_index=True)


def years_table(study, gate: Gate) -> Table | Callout:
    """Every school year the study knows, side by side."""
    title = gate.fixed("Year by year")
    if "rates" not in study.can:
        return Callout(title, (gate.fixed(study.lacks("rates")[0]),), tone="caution")
    year = student_panel(study, book=book_of(study) if has_days(study) else None)
    rows = year_by_year(study, year)
    words = [f"{row.school_year - 1}–{str(row.school_year)[2:]}{', so far' if row.is_so_far else ''}"
             for row in rows.itertuples()]
    frame = rows.assign(year=words)[["year", "n_chronic", "n_students", "share"]]
    table = share_table("years", frame, gate, keys=("year",), n="n_chronic", of="n_students")
    columns = shown_columns(table, Column("year", "School year"), Column("n_chronic", "Missed 10% or more", "integer"),
                            Column("n_students", "Students", "integer"), Column("share", "Share", "percent"))
    note = ("Years before are whole, of students this study holds, so the students differ. Add years to prior_year to "
            "see more of them.")
    return Table(title, gate.fixed("Students who missed 10% or more of days"), table, columns, key="years",
                 note=gate.fixed(note if gate.is_team else f"{note} {table.rule}"))
