"""A csv that a run proposed and a person filled in, as Excel saves it: any delimiter, encoding and order of columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from evalkit.errors import UserError
from evalkit.sources.text import decode, must_be_regular, plain_name


def read_filled_in(path: Path, shown: str, *, required: Sequence[str], optional: Sequence[str] = (),
                   remedy: str = "") -> pd.DataFrame:
    """The rows as text, with the file's row in `row`; a missing optional column is blank. Grain: the file's row.

    shown: the file's name in messages. Raises UserError, with `remedy`, where a required column is missing.
    """
    must_be_regular(path, shown)
    text, _ = decode(path.read_bytes(), shown)
    head = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count))
    names = [plain_name(name) for name in next(reader, [])]
    for name in required:
        if name not in names:
            raise UserError(f"The file has no column {name}.", file=shown, column=name, remedy=remedy)
    wanted = [*required, *optional]
    rows = []
    for at, cells in enumerate(reader, 2):
        row = dict(zip(names, cells, strict=False))
        if any(cell.strip() for cell in cells):
            rows.append({**{name: row.get(name, "").strip() for name in wanted}, "row": at})
    return pd.DataFrame(rows, columns=[*wanted, "row"])
