"""Who has someone at school: students' answers, adults on record, families' estimates; and the team's friend list."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit.disclosure.types import HIDDEN
from evalkit.measures import is_chronic, recent_window
from evalkit.panel import has_days, student_panel
from evalkit.programme import active_assignments, book_of, wilson
from evalkit.programme.connected import (
    absence_by_answer,
    connection,
    family_estimates,
    named_adults,
    without_friend,
)
from evalkit.render.blocks import Callout, Column, CountList, Row, Table, Tile, Tiles
from evalkit.reports.gate import Gate
from evalkit.reports.month_tables import People
from evalkit.reports.rough import is_few, share_table, shown_columns
from evalkit.wording import date_words, number, percent

WORDS = {"trusted_adult": "An adult they trust", "friend_at_school": "A friend at school",
         "belonging": "They belong here"}
ASKED = ("Answers to trusted_adult, friend_at_school or belonging in the table survey (agree or disagree, yes or no) "
         "would switch this on.")


def belonging_blocks(study: Any, gate: Gate) -> list[Any]:
    """Tiles, answers beside adults on record, what goes along with absence, and for the team who has no friend yet."""
    table = connection(study)
    adults = _adult_table(study, gate)
    if table.empty:
        return [Callout(gate.fixed("Students were not asked yet"), (gate.fixed(ASKED),), tone="caution"), adults,
                *_families(study, gate)]
    left = (_answer_table(table, gate),)
    below = [block for block in (_absence_table(study, gate), *_families(study, gate)) if block is not None]
    rows: list[Any] = [_tiles(table, gate), Row((left, (adults,)), (6, 6))]
    rows += [Row(tuple((block,) for block in below), (7, 5))] if len(below) == 2 else below
    return rows + (_friend_list(study) if gate.is_team else [])


def _tiles(table: pd.DataFrame, gate: Gate) -> Tiles:
    whole = table[table["group"] == "all"].set_index("item")
    return Tiles(tuple(_tile(WORDS[item], int(row["n_yes"]), int(row["n"]), gate) for item, row in whole.iterrows()))


def _tile(label: str, n: int, of: int, gate: Gate) -> Tile:
    note = gate.text("of {of:,} who answered", of=(gate.about(of), None)) if of >= gate.rules.min_cell or gate.is_team \
        else gate.fixed("few answered")
    value = gate.text("{share:.0%}", share=(n / of, (n, of)), otherwise="hidden")
    return Tile(gate.fixed(label), value, note)


def _answer_table(table: pd.DataFrame, gate: Gate) -> Table:
    ends = [wilson(int(row.n_yes), int(row.n)) for row in table.itertuples()]
    frame = table.assign(what=[WORDS[item] for item in table["item"]], share=table["n_yes"] / table["n"],
                         ci_low=[low for low, _ in ends], ci_high=[high for _, high in ends])
    shown = share_table("connection", frame, gate, keys=("what", "group"), n="n_yes", of="n",
                        plain=("ci_low", "ci_high"))
    columns = shown_columns(shown, Column("what", "Students say"), Column("group", "Students"),
                            Column("share", "Yes", "percent"), Column("ci_low", "Low", "percent"),
                            Column("ci_high", "High", "percent"), Column("n", "Answered", "integer"))
    note = "Mentors are given to students who miss many days, so the groups differ for many reasons."
    measure = gate.fixed("Newest answer of each student this year, with 95% interval")
    return Table(gate.fixed("What students say"), measure, shown, columns, key="connection",
                 note=gate.fixed(note if gate.is_team else f"{note} {shown.rule}"))


def on_roll(study: Any) -> pd.DataFrame:
    """Students on the roll today and whether they missed 10 % or more so far. Grain: student_id."""
    year = student_panel(study, book=book_of(study) if has_days(study) else None)
    if has_days(study):
        year = year[year["student_id"].isin(recent_window(study, days=1, book=book_of(study))["student_id"])]
    return year.assign(is_over=is_chronic(year, rules=study.rules).eq(True).fillna(False).astype(bool))


def adult_counts(study: Any) -> pd.DataFrame:
    """With how many an adult is on record. Grain: group (all students, missed 10 % or more); n, of and each source."""
    roll = on_roll(study)
    known = named_adults(study, roll["student_id"]).merge(roll[["student_id", "is_over"]], on="student_id")
    rows = []
    for label, part in (("All students on the roll", known), ("Missed 10% or more", known[known["is_over"]])):
        rows.append({"group": label, "n": int(part["has_adult"].sum()), "of": len(part),
                     **{name: int(part[name].sum()) for name in ("has_mentor", "is_nominated", "says_so")}})
    return pd.DataFrame(rows)


def _adult_table(study: Any, gate: Gate) -> Table | Callout:
    title = gate.fixed("An adult at school, by name")
    known = {"assignment", "nomination", "survey"} & study.can
    if not known or not (has_days(study) or "rates" in study.can):
        text = "Mentors (assignment), named relationships (nomination) or answers (survey) would switch this on."
        return Callout(title, (gate.fixed(text),), tone="caution")
    rows = adult_counts(study)
    rows = rows[rows["of"] > 0]
    frame = rows.assign(share=rows["n"] / rows["of"])
    sources = ("has_mentor", "is_nominated", "says_so")
    if gate.is_team:
        shown = gate.table("named_adult", frame, keys=("group",), counts=("n", "of", *sources), shares={
            "share": ("n", "of")}, within=dict.fromkeys(sources, "n"))
    else:
        shown = share_table("named_adult", frame, gate, keys=("group",))
    columns = shown_columns(
        shown, Column("group", "Students"), Column("share", "Share", "percent"), Column("n", "Have one", "integer"),
        Column("of", "All", "integer"), Column("has_mentor", "Mentor", "integer"),
        Column("is_nominated", "Named tie", "integer"), Column("says_so", "Say so", "integer"))
    note = ("A mentor today who is an adult, an adult who named the student, or the student's own newest yes. A "
            "student not asked may well have one: the share is the least there are.")
    return Table(title, gate.fixed("Students with an adult on record"), shown, columns, key="named_adult",
                 note=gate.fixed(note if gate.is_team else f"{note} {shown.rule}"))


def _absence_table(study: Any, gate: Gate) -> Table | None:
    rows = absence_by_answer(study)
    if rows.empty:
        return None
    frame = rows.assign(what=[WORDS[item] for item in rows["item"]])
    figures = ("rate_yes", "rate_no", "difference", "ci_low", "ci_high")
    for name in figures:
        frame[name] = 180 * frame[name]
    few = {row: figures for row, (a, b) in enumerate(zip(rows["n_yes"], rows["n_no"], strict=True))
           if is_few(gate, a, a + b)}
    if not gate.is_team:
        frame[list(figures)] = frame[list(figures)].round(1)
    table = gate.table("absence_by_answer", frame[["what", "n_yes", "n_no", *figures]], keys=("what",),
                       counts=("n_yes", "n_no"), plain=dict.fromkeys(figures, "n_yes"), also=few,
                       about=() if gate.is_team else ("n_yes", "n_no"))
    columns = (Column("what", "First answer"), Column("rate_yes", "Said yes", "decimal1", "days of 180"),
               Column("rate_no", "Said no", "decimal1", "days of 180"), Column("difference", "Difference", "signed1"),
               Column("ci_low", "Low", "signed1"), Column("ci_high", "High", "signed1"))
    note = "This goes along with absence. It does not show that a friend or an adult is the reason."
    measure = gate.fixed("Scaled to a year of 180 days, with 95% interval")
    return Table(gate.fixed("Days missed after the answer"), measure, table, columns, key="absence_by_answer",
                 note=gate.fixed(note if gate.is_team else f"{note} {table.rule}"))


def _families(study: Any, gate: Gate) -> list[Any]:
    """What families thought beside what is on record, where they were asked."""
    rows = family_estimates(study)
    title = gate.fixed("What families thought, and the days on record")
    if rows.empty:
        text = ("Rows of survey with item = estimated_days_missed (respondent family) would show this, and stand in "
                "letters.")
        return [Callout(title, (gate.fixed(text),), tone="caution")]
    n, lower = len(rows), int((rows["guess"] < rows["missed"]).sum())
    figures = [(number(rows[name].median(), 0), n) for name in ("guess", "missed")]
    items = (
        (gate.text("{n:,}", n=(n, n)), gate.fixed("families were asked how many days their child had missed")),
        (gate.text("{guess}", guess=figures[0]), gate.fixed("days is the middle guess")),
        (gate.text("{missed}", missed=figures[1]), gate.fixed("days is the middle of the days on record then")),
        (gate.text("{share}", share=(percent(lower / n), [lower, n - lower])),
         gate.fixed("thought it was fewer; days are hard to keep count of, so letters show them side by side")),
    )
    return [CountList(title, tuple(item for item in items if item[0] != HIDDEN))]


def _friend_list(study: Any) -> list[Any]:
    """Students who say they have no friend at school yet: a peer, a club, a seat at lunch. Team only."""
    roll = on_roll(study)
    rows = without_friend(study, roll["student_id"]).merge(roll[["student_id", "school_id"]], on="student_id")
    if rows.empty:
        return []
    people, mentors = People(study), set(active_assignments(study)["student_id"])
    frame = pd.DataFrame({
        "student_id": rows["student_id"], "student": [people.name(s) for s in rows["student_id"]],
        "place": [people.place(s, x) for s, x in zip(rows["student_id"], rows["school_id"], strict=True)],
        "asked": [date_words(day, year=False) for day in rows["asked_on"]],
        "who": [people.mentor(s) if s in mentors else "No mentor yet" for s in rows["student_id"]],
        "adult": rows["has_adult"].map({True: "yes", False: "not on record"})})
    columns = (Column("student", "Student"), Column("place", "Grade, school"), Column("asked", "Asked"),
               Column("adult", "An adult by name"), Column("who", "Who starts"))
    return [Table(f"No friend at school yet: {number(len(frame))} students say so",
                  "Newest answer this year. Those without an adult by name come first.", frame, columns, most_rows=5,
                  key="no_friend_yet",
                  note="Think of a trained peer, a club, or a seat at lunch. Ask the student first.")]


__all__ = ["adult_counts", "belonging_blocks", "on_roll"]
