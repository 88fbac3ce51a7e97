"""What people confirmed about notes: STUDY/notes/reason_confirmed.csv, a filled-in copy of a run's
tables/reason_proposals.csv. It holds ids and barriers, no word of a note.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd

from evalkit.errors import UserError

FILE = "reason_confirmed.csv"
COLUMNS = ("contact_id", "pattern", "confirmed")
OPTIONAL = ("student_id", "strength")


def read_confirmed(folder: Path) -> pd.DataFrame:
    """The answers, all text: contact_id, student_id, pattern, strength, confirmed (yes, no or blank), with the row of
    the file in `row`. Empty where there is no file. Grain: contact_id x pattern; the last row of one wins.
    """
    path = folder / "notes" / FILE
    names = [*COLUMNS, *OPTIONAL, "row"]
    if not path.exists():
        return pd.DataFrame(columns=names)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        text = path.read_text(encoding="cp1252")
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    heads = [str(name).strip().casefold() for name in reader.fieldnames or []]
    for name in COLUMNS:
        if name not in heads:
            raise UserError(
                f"The confirmation file has no column {name}.",
                file=f"notes/{FILE}",
                column=name,
                remedy="Copy tables/reason_proposals.csv of a finished run and fill in confirmed.",
            )
    reader.fieldnames = heads
    rows = [{**{name: _text(row.get(name)) for name in names[:-1]}, "row": at + 2} for at, row in enumerate(reader)]
    table = pd.DataFrame(rows, columns=names)
    return table.drop_duplicates(["contact_id", "pattern"], keep="last").reset_index(drop=True)


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _delimiter(text: str) -> str:
    head = text.split("\n", 1)[0]
    return max((",", ";", "\t"), key=head.count)
