"""The data dictionary as a page: every table, its key, its columns. Made from the rows, so it cannot go stale."""

from __future__ import annotations

from evalkit.schemas import MINIMAL_SETS, Field, Table, tables

_KIND = {
    "id": "id (text, zeros kept)",
    "code": "code",
    "text": "text",
    "list": "list, parted by ;",
    "date": "date",
    "bool": "yes or no",
    "int": "whole number",
    "num": "number",
}

_HEAD = """# Data dictionary

This page is made by `scripts/make_data_dictionary.py`; do not edit it by hand.

A study is a folder: `study.toml` beside one file per table (csv, xlsx or parquet), named after the table. A table
may be several files (`attendance_event_2026-01.csv`, ... or a folder `attendance_event/`). Names of columns do not
mind capitals. Other names are given in study.toml, see below.

"""

_READING = """## How files are read

Everything is read as text first. Ids keep their zeros, and "NA" or "None" in an id or a code is a word. Encoding
(UTF-8, UTF-16, Windows), delimiter (comma, semicolon, tab, bar), titles above the column names, footers and total
rows are recognized. Bools are true/false, yes/no, y/n, 1/0 in any case. A school year is the year it ends in (2026,
2025-26 and 25/26 are the same).

Every row is used as it stands, used after a value was mended, set aside with its reason, or an exact repeat. The
four add up, file by file. A file that loses more than 5% of its rows is refused (`[rules] max_set_aside`); titles,
footers, totals, no-shows, last year's leavers and rows that a later extract or note replaces do not count against
it.

Dates may be written 2026-01-30, 1/30/2026, 30.1.2026, 20260130, 30 Jan 2026 or, where the whole column is so, as
Excel day numbers. 9999-12-31 is an open end. Dates that could be month/day or day/month are refused until one of
them settles it (a part above 12) or study.toml says `date_order`.

What is odd but no fault is kept and said as a note with its count: an age far from the grade's, a caseload above a
mentor's capacity, a contact before its assignment, ids that no table holds, a school day with nobody present, a year of
unusual length, a code with two meanings. `fte` is such a note too: days enrolled are counted as days, so a part-time
student's school day is a whole one. Give the days a student is not expected a code with status NotExpected.

Marks for hidden values (s, *, <5, NS, -9999, -6666) are missing, never numbers.
Minutes may be written 90, 90 min, 1:30, 1.5 h.

## study.toml

`[study]`: `name`; `school_year` (the year it ends in); `mentor_term` (your word for a mentor); `language` (en or
es); `date_order` ("month_first" or "day_first"); `exit_is_exclusive` (true where an exit date is the first day
away); `id_width` (fill student ids made of digits up with zeros to this width); `blank_code` ("present" where a
blank attendance code means present, "refuse" otherwise); `is_sample`; `no_mentors_yet`
(true before the first mentor has a student: then the table assignment may be missing).

`[tables]`: `student = "roster.csv"` where a file has another name (a list for several files).

`[columns.<table>]`: `student_id = "PERMNUMBER"` where a column has another name.

`[codes]`: what a local attendance code means, in place of (or beside) the table code_table: one of Present, Tardy,
EarlyDeparture, ExcusedAbsence, UnexcusedAbsence, Unverified, NotExpected, suspension, in_school_suspension,
home_hospital; or `HH = { status = "ExcusedAbsence", counts_absent = 1, is_excused = true, pattern =
"health_physical" }`. `[codes.<column>]`: your word for a value of a column with a list, such as
`[codes.grade_level]` with `Kinder = "KG"`.

`[rules] period_rollup`: how rows of attendance_period make a day, at schools (and on dates) without a row in
attendance_event. "half_of_minutes" (the default): a day is absent when at least half of what was scheduled was missed.
"half_day_bands": under 25% missed is a day present, 25 to 75% half a day (both ends), above 75% a whole day.
"homeroom": only the period named by `homeroom_period` counts. Time is counted in minutes where every row of a student's
day has minutes_scheduled, else in periods. A file of missed periods only needs `periods_in_day` (such as 7). A day is
excused when every missed period was; tardy when it counts as present and any period was tardy.

A folder of Ed-Fi XML, or a OneRoster csv bundle with attendance_event.csv beside it, is a study too: it needs no
study.toml.

"""


def data_dictionary() -> str:
    """The whole page as markdown."""
    least = "\n".join(
        f"* {', '.join(f'`{name}`' for name in names)}" + (" with `code_table` (or `[codes]`)" if i != 1 else "")
        for i, names in enumerate(MINIMAL_SETS)
    )
    parts = [_HEAD, "Enough to begin with is one of\n\n", least, "\n\n", _READING, "## Tables\n\n"]
    return "".join(parts) + "\n".join(_section(schema) for schema in tables().values())


def _section(schema: Table) -> str:
    lines = [
        f"### {schema.name}",
        "",
        f"One row for each {schema.grain}. Key: {', '.join(f'`{name}`' for name in schema.key)}.",
        "",
        "| column | kind | must be there | values | notes |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_row(field) for field in schema.fields), ""])


def _row(field: Field) -> str:
    must = ("yes" + (", may be blank" if field.blank_ok else "")) if field.required else ""
    return f"| `{field.name}` | {_KIND[field.kind]} | {must} | {_values(field)} | {_notes(field)} |"


def _values(field: Field) -> str:
    if field.choices == "pattern":
        return "a pattern of the absence reasons"
    if field.allowed:
        return ", ".join(field.allowed)
    low, high = field.lowest.lstrip(">"), field.highest
    if low and high:
        return f"{'above ' if field.lowest.startswith('>') else ''}{low} to {high}"
    return f"{low} or more" if low else ""


def _notes(field: Field) -> str:
    parts = [
        f"unit: {field.unit}" if field.unit else "",
        field.note,
        field.standard,
        "never leaves the site" if field.private else "",
    ]
    return "; ".join(part for part in parts if part).replace("|", "/")
