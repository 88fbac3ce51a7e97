"""What people confirmed about notes: STUDY/notes/reason_confirmed.csv, a filled-in copy of a run's
tables/reason_proposals.csv. It holds ids and barriers, no word of a note.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from evalkit.sources.filled_in import read_filled_in

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
    remedy = "Copy tables/reason_proposals.csv of a finished run and fill in confirmed."
    table = read_filled_in(path, f"notes/{FILE}", required=COLUMNS, optional=OPTIONAL, remedy=remedy)[names]
    return table.drop_duplicates(["contact_id", "pattern"], keep="last").reset_index(drop=True)
