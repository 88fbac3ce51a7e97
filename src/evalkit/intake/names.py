"""What an export is and what its columns mean, told by their names; a name that can mean more is to be confirmed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from evalkit.sources.exports import Export
from evalkit.vocabulary import plain
from evalkit.vocabulary.exports import column_names

SHAPES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "attendance_period": (("student_id", "date", "period"), ()),
    "attendance_event": (("student_id", "date", "code_local"), ()),
    "prior_year": (("student_id", "school_year", "days_enrolled", "days_absent"), ("period_start", "period_end")),
    "attendance_total": (("student_id", "days_enrolled", "days_absent"), ()),
    "assignment": (("student_id", "mentor_id", "begin_date"), ()),
    "enrollment": (("student_id", "entry_date"), ()),
    "calendar": (("date",), ("student_id",)),
    "code_table": (("code_local", "description"), ("student_id", "date")),
    "mentor": (("mentor_id", "mentor_type"), ("student_id",)),
    "student": (("student_id", "grade_level"), ()),
    "school": (("school_id", "name"), ("student_id", "date", "grade_level")),
}
"""Table -> (columns that make a file it, columns that speak against it), in the order to ask."""

GRID, WIDE = "daily grid", "totals by month"
_DAY = re.compile(r"\s*(\d{1,2})[/.-](\d{1,2})(?:[/.-](\d{2,4}))?\s*|\s*\d{4}-\d{2}-\d{2}\s*")
MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
          "november", "december")


@dataclass(frozen=True)
class Guess:
    """What an export seems to be. columns: canonical -> place in the head; unsure: canonical columns to confirm."""

    export: Export
    table: str
    columns: Mapping[str, int] = field(default_factory=dict)
    unsure: tuple[str, ...] = ()

    def name(self, column: str) -> str:
        """The export's own name of a column."""
        return self.export.head[self.columns[column]].strip("\ufeff ")

    def cells(self, column: str) -> list[str]:
        """The cells of a canonical column; blanks where the export has none."""
        return self.export.column(self.columns[column]) if column in self.columns else [""] * len(self.export.rows)


def column_score(line: Sequence[str]) -> float:
    """How much a line looks like column names: its cells that some table knows, and those that are days."""
    every = set().union(*column_names().values())
    known = {plain(cell) for cell in line} & every
    days = sum(bool(_DAY.fullmatch(cell)) for cell in line)
    return len(known) + (days if len(known) >= 1 and days >= 3 else 0)


def guess_of(export: Export) -> Guess:
    """What the export seems to be; table "" where nothing fits."""
    named = _named_after(export)
    for table in ([named] if named else []) + list(SHAPES):
        columns, unsure = _columns(export, table)
        wanted, against = SHAPES.get(table, ((), ()))
        if named == table and columns:
            return Guess(export, table, columns, unsure)
        if all(column in columns for column in wanted) and not any(_means(export, column) for column in against):
            if table == "attendance_total" and _is_wide(export):
                return Guess(export, WIDE, columns, unsure)
            if table != "calendar" or {"day_type", "is_instructional"} & set(columns):
                return Guess(export, table, columns, unsure)
    columns, unsure = _columns(export, "student")
    if "student_id" in columns and len(day_columns(export)) >= 3:
        return Guess(export, GRID, columns, unsure)
    return Guess(export, "")


def _named_after(export: Export) -> str:
    """A canonical table whose name the file begins with, when its columns bear it out."""
    stem = export.path.stem.casefold()
    fits = [table for table in column_names() if stem == table or re.match(rf"{table}[-_. (\d]", stem)]
    return max(fits, key=len, default="")


def _columns(export: Export, table: str) -> tuple[dict[str, int], tuple[str, ...]]:
    """Canonical column -> its place, a sure name before an unsure one; and the unsure ones."""
    known = column_names()[table]
    found: dict[str, int] = {}
    sure_of: dict[str, bool] = {}
    for place, cell in enumerate(export.head):
        column, sure = known.get(plain(cell), ("", False))
        if column and (column not in found or (sure and not sure_of[column])):
            found[column], sure_of[column] = place, sure
    return found, tuple(column for column in found if not sure_of[column])


def _means(export: Export, column: str) -> bool:
    """Whether a head cell is a sure name of this column in any table."""
    spelt = {word for names in column_names().values() for word, (name, sure) in names.items()
             if name == column and sure}
    return any(plain(cell) in spelt for cell in export.head)


def _is_wide(export: Export) -> bool:
    """Days enrolled and absent stand once for each month: the months are in the line above the column names."""
    return bool(export.above) and len(month_places(export)) >= 1


def month_places(export: Export) -> list[tuple[int, int]]:
    """(month number, first place of its columns) from the line above the head."""
    line = export.above[-1] if export.above else ()
    found = []
    for place, cell in enumerate(line):
        word = cell.strip().casefold()
        number = next((n for n, name in enumerate(MONTHS, start=1) if word and len(word) >= 3
                       and (name.startswith(word) or word.startswith(name))), 0)
        found += [(number, place)] if number else []
    return found


def day_columns(export: Export) -> list[int]:
    """Places of the head cells that are days."""
    return [place for place, cell in enumerate(export.head) if _DAY.fullmatch(cell)]
