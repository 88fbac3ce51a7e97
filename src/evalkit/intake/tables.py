"""From guessed exports to the tables of a study: a file whose columns suffice is copied, any other is written anew."""

from __future__ import annotations

import calendar
import csv
import datetime as dt
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evalkit import files
from evalkit.intake.facts import Facts, plain_id, school_year_of
from evalkit.intake.names import GRID, WIDE, Guess, day_columns, month_places
from evalkit.schemas import table as schema_table
from evalkit.sources.dates import read_dates
from evalkit.vocabulary import day_types, plain, spellings

Rows = list[dict[str, str]]
NOT_TABLES = ("code_table", "")


@dataclass
class Made:
    """What goes into the study folder. copies: table -> (file, canonical -> its own column name); texts: file -> csv.
    confirm and needed: sentences for the reader. writing: the file that is being written."""

    copies: dict[str, tuple[Path, dict[str, str]]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    confirm: list[str] = field(default_factory=list)
    needed: list[str] = field(default_factory=list)
    writing: str = ""

    @property
    def tables(self) -> set[str]:
        return {re.split(r"[.-]", name)[0] for name in self.texts} | set(self.copies)


def make_tables(guesses: Sequence[Guess], facts: Facts) -> Made:
    """Every table the exports bear, and the roster where no export is one."""
    made = Made()
    homes: dict[str, list[Guess]] = {}
    for guess in guesses:
        if guess.table not in NOT_TABLES:
            homes.setdefault({GRID: "attendance_event", WIDE: "attendance_total"}.get(guess.table, guess.table),
                             []).append(guess)
    for table, several in homes.items():
        for guess in several:
            name = table if len(several) == 1 else f"{table}-{files.safe_name(guess.export.file)}"
            made.writing = f"{name.removesuffix('.csv')}.csv"
            made.confirm += [f'{guess.export.file}: is "{guess.name(column)}" the {column}?' for column in guess.unsure]
            if len(several) == 1 and _suffices(guess, table):
                made.copies[table] = (guess.export.path, {c: guess.name(c) for c in guess.columns})
            elif rows := _rows(guess, table, facts, made):
                made.texts[made.writing] = _csv(table, rows)
    if "student" not in homes:
        _roster(guesses, made)
    return made


def _suffices(guess: Guess, table: str) -> bool:
    return guess.table == table and set(schema_table(table).required) <= set(guess.columns)


def _rows(guess: Guess, table: str, facts: Facts, made: Made) -> Rows:
    """The export's rows with the table's columns; what it lacks is filled in where it is known."""
    if guess.table == GRID:
        return _grid_rows(guess, facts, made)
    if guess.table == WIDE:
        return _wide_rows(guess, facts, made)
    columns = {column: guess.cells(column) for column in guess.columns}
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    lacking = [column for column in schema_table(table).required if column not in columns]
    for column in lacking:
        _fill(column, rows, guess, facts, made)
    return rows


def _fill(column: str, rows: Rows, guess: Guess, facts: Facts, made: Made) -> None:
    """A required column that the export does not have: from what is known, else blank and asked for."""
    file = guess.export.file
    if column == "school_id":
        _fill_school(rows, guess, facts, made)
    elif column == "school_year":
        entries = read_dates([row.get("entry_date", "").strip() for row in rows], [1] * len(rows), facts.date_order)
        for row, one in zip(rows, entries, strict=True):
            row[column] = str(school_year_of(one.value) if one.value else facts.school_year)
        made.confirm.append(f"{file}: has no school year; each span was given the year of its entry date")
    elif column == "is_instructional":
        kinds = {kind.day_type: kind.is_instructional for kind in day_types()}
        for row in rows:
            kind = spellings("day_type").get(plain(row.get("day_type", "")), "")
            row[column] = {True: "true", False: "false"}.get(kinds.get(kind), "")  # type: ignore[arg-type]
        made.confirm.append(f"{file}: which days are school days was told by their day type")
    elif column == "day_type":
        for row in rows:
            row[column] = "instructional" if row["is_instructional"].strip().casefold() in _YES else "non_instructional"
    else:
        for row in rows:
            row[column] = ""
        if column not in ("exit_date", "end_date", "calendar_code"):
            made.needed.append(f"{file}: has no column for {column} (table {guess.table})")


_YES = {"true", "yes", "y", "1", "t"}


def _fill_school(rows: Rows, guess: Guess, facts: Facts, made: Made) -> None:
    n_unknown = 0
    for row in rows:
        student = plain_id(row.get("student_id", ""))
        row["school_id"] = facts.only_school or facts.school_of.get(student, "")
        n_unknown += not row["school_id"]
    file = guess.export.file
    if n_unknown < len(rows) and not facts.only_school:
        made.confirm.append(f"{file}: has no school; each student's was taken from the other exports")
    if n_unknown:
        made.needed.append(f"{made.writing}: fill in school_id in {n_unknown} rows; its export {file} has no school, "
                           "and no other export names one for them")


def _grid_rows(guess: Guess, facts: Facts, made: Made) -> Rows:
    """A grid of days: a row for each filled cell."""
    export, students = guess.export, guess.cells("student_id")
    heads = {place: export.head[place].strip() for place in day_columns(export)}
    days, order = _grid_days(list(heads.values()), facts)
    rows = [{"student_id": student, "date": day.isoformat(), "code_local": cell.strip()}
            for place, day in zip(heads, days, strict=True) if day
            for student, cell in zip(students, export.column(place), strict=True) if cell.strip()]
    _fill_school(rows, guess, facts, made)
    made.confirm.append(f"{export.file}: the days over its columns were read {order.replace('_', ' ')} in the school "
                        f"year {facts.school_year - 1}-{facts.school_year % 100:02d}")
    made.confirm.append(f"{export.file}: a blank cell of the grid was taken to mean present")
    return rows


def _grid_days(heads: Sequence[str], facts: Facts) -> tuple[list[dt.date | None], str]:
    """The days of head cells without a year, in the order of day and month that gives most school days."""
    found = {order: [_in_year(head, order, facts.school_year) for head in heads]
             for order in ("month_first", "day_first")}
    fits = {order: sum(day is not None and day.weekday() < 5 for day in days) for order, days in found.items()}
    order = facts.date_order or max(fits, key=lambda name: fits[name])
    return found[order], order


def _in_year(head: str, order: str, year: int) -> dt.date | None:
    parts = re.fullmatch(r"(\d{1,2})[/.-](\d{1,2})", head)
    if not parts:
        return read_dates([head], [1], order)[0].value
    month, day = (int(parts[1]), int(parts[2])) if order == "month_first" else (int(parts[2]), int(parts[1]))
    try:
        return dt.date(year - (month >= 7), month, day)
    except ValueError:
        return None


def _wide_rows(guess: Guess, facts: Facts, made: Made) -> Rows:
    """Totals by month side by side: a row for each student and month with anything in it."""
    export, starts = guess.export, month_places(guess.export)
    stops = [place for _, place in starts[1:]] + [len(export.head)]
    rows: Rows = []
    for (month, first), stop in zip(starts, stops, strict=True):
        places = {name: next((p for p in range(first, stop) if plain(export.head[p]) == plain(guess.name(name))), -1)
                  for name in ("days_enrolled", "days_absent")}
        if min(places.values()) < 0:
            made.needed.append(f"{export.file}: one month has no days enrolled or no days absent; it was left out")
            continue
        year = facts.school_year - (month >= 7)
        ends = {"period_start": f"{year}-{month:02d}-01",
                "period_end": f"{year}-{month:02d}-{calendar.monthrange(year, month)[1]}"}
        cells = [export.column(places["days_enrolled"]), export.column(places["days_absent"])]
        rows += [{"student_id": student, **ends, "days_enrolled": enrolled, "days_absent": absent}
                 for student, enrolled, absent in zip(guess.cells("student_id"), *cells, strict=True)
                 if student.strip() and (enrolled.strip() or absent.strip())]
    _fill_school(rows, guess, facts, made)
    made.confirm.append(f"{export.file}: its {len(starts)} months were taken to lie in the school year "
                        f"{facts.school_year - 1}-{facts.school_year % 100:02d}; lines without a student id: left out")
    return rows


def _roster(guesses: Sequence[Guess], made: Made) -> None:
    """The student table from the ids and grades of the other exports."""
    grades: dict[str, str] = {}
    for guess in guesses:
        if "student_id" in guess.columns and guess.table not in ("prior_year", "assignment"):
            for student, grade, row in zip(guess.cells("student_id"), _grades(guess), guess.export.rows, strict=True):
                if (name := plain_id(student)) and sum(bool(cell.strip()) for cell in row) > 1:  # no "Records: 12"
                    grades[name] = grade.strip() or grades.get(name, "")
    if not grades:
        return
    roster = [{"student_id": student, "grade_level": grade} for student, grade in sorted(grades.items())]
    made.texts["student.csv"] = _csv("student", roster)
    made.confirm.append("student: no export is a roster, so the students are those whom the other exports name. "
                        "A comparison needs every student of the schools, those without a mentor too")
    blank = sum(not grade for grade in grades.values())
    if blank:
        made.needed.append(f"student.csv: students whose grade no export names: {blank}; fill in grade_level")


def _grades(guess: Guess) -> list[str]:
    """The grade in each line of an export of any kind."""
    spelt = (i for i, cell in enumerate(guess.export.head) if plain(cell) in ("grade", "gradelevel", "gr"))
    place = guess.columns.get("grade_level", next(spelt, -1))
    return guess.export.column(place) if place >= 0 else [""] * len(guess.export.rows)


def _csv(table: str, rows: Rows) -> str:
    """Rows as csv, in the table's own order of columns; those that no row has are left out."""
    have = {column for row in rows for column in row}
    columns = [column for column in schema_table(table).columns if column in have]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[row.get(column, "").strip() for column in columns] for row in rows])
    return text.getvalue()
