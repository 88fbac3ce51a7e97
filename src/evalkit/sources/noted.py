"""One small table read alone, exports and notes together: what the team has written down so far."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from evalkit.config import read_config
from evalkit.schemas import empty_frame
from evalkit.sources.canonical import keep_one, read_table, repeated_rows
from evalkit.sources.folder import files_of_study, notes_files, read_files
from evalkit.sources.rows import RawFile


def noted_table(folder: Path, table: str) -> pd.DataFrame:
    """Every usable row of a notes table of a study folder; the last row of an id wins. Grain: the table's key."""
    config = read_config(folder)
    raw = read_files(table, files_of_study(folder, config)[0].get(table, []), folder, config)
    noted = [path for name, path in notes_files(folder).items() if name == table]
    raw += [RawFile(**{**file.__dict__, "is_notes": True}) for file in read_files(table, noted, folder, config)]
    if not raw:
        return empty_frame(table)
    rows = read_table(table, raw, config)
    repeated_rows(rows)
    keep_one(rows)
    return rows.settled()
