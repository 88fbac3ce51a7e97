"""Tables as files: csv and xlsx that no spreadsheet program reads as a formula, whatever a name holds."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from evalkit.disclosure.types import HIDDEN, Released
from evalkit.tables import is_missing, plain

_DANGEROUS = ("=", "+", "-", "@")
_MADE = datetime(2000, 1, 1)


def shown_frame(data: Released | pd.DataFrame) -> pd.DataFrame:
    """The values as objects; a hidden cell is the word "hidden", a missing one None."""
    frame = data.frame if isinstance(data, Released) else data
    shown = pd.DataFrame({str(name): _values(frame.iloc[:, i]) for i, name in enumerate(frame.columns)}, dtype=object)
    if isinstance(data, Released):
        for name in data.hidden.columns:
            if str(name) in shown.columns:
                shown.loc[data.hidden[name].to_numpy(dtype=bool), str(name)] = HIDDEN
    return shown


def _values(column: pd.Series) -> list[Any]:
    """A column as plain values; whole numbers and flags of numpy need no look at each."""
    return column.tolist() if column.dtype.kind in "biu" and not hasattr(column.dtype, "na_value") else \
        [_value(v) for v in column]


def _value(value: Any) -> Any:
    if is_missing(value):
        return None
    if isinstance(value, pd.Timestamp | datetime):
        return value.date().isoformat()
    if isinstance(value, str):
        return plain(value)
    return value.item() if hasattr(value, "item") else value


def guarded(text: str) -> str:
    """`text` with an apostrophe before it when a spreadsheet program could take it for a formula."""
    first = unicodedata.normalize("NFKC", text).strip()
    return "'" + text if first.startswith(_DANGEROUS) else text


def csv_text(data: Released | pd.DataFrame) -> str:
    """A table as csv: full precision, dates as YYYY-MM-DD, text guarded."""
    return _as_csv(shown_frame(data))


def _as_csv(frame: pd.DataFrame) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([guarded(str(name)) for name in frame.columns])
    for row in frame.itertuples(index=False):
        writer.writerow([guarded(v) if isinstance(v, str) else "" if v is None else v for v in row])
    return out.getvalue()


def workbook(named: Mapping[str, Released | pd.DataFrame]) -> bytes:
    """Every table as a sheet: strings stay strings, no formula, no link, a constant date inside."""
    return _as_workbook({name: shown_frame(data) for name, data in named.items()})


def as_files(named: Mapping[str, Released | pd.DataFrame], *, with_workbook: bool) -> tuple[dict[str, str], bytes]:
    """Every table as csv (by name), and all of them as a workbook (nothing where none is asked for)."""
    shown = {name: shown_frame(data) for name, data in named.items()}
    return {name: _as_csv(frame) for name, frame in shown.items()}, _as_workbook(shown) if with_workbook else b""


def _as_workbook(shown: Mapping[str, pd.DataFrame]) -> bytes:
    import xlsxwriter

    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(out, options)
    book.set_properties({"created": _MADE, "author": "", "company": ""})
    head = book.add_format({"bold": True, "bottom": 1})
    for name, title in zip(shown, _sheet_names(list(shown)), strict=True):
        _fill_sheet(book.add_worksheet(title), shown[name], head)
    if not shown:
        book.add_worksheet("empty")
    book.close()
    return out.getvalue()


def _fill_sheet(sheet: Any, frame: pd.DataFrame, head: Any) -> None:
    for j, name in enumerate(frame.columns):
        sheet.write_string(0, j, str(name), head)
        longest = max([len(str(name)), *(len(str(v)) for v in frame.iloc[:200, j] if v is not None)])
        sheet.set_column(j, j, min(48, longest + 2))
        for i, value in enumerate(frame.iloc[:, j]):
            if isinstance(value, bool):
                sheet.write_boolean(i + 1, j, value)
            elif isinstance(value, int | float):
                sheet.write_number(i + 1, j, value)
            elif value is not None:
                sheet.write_string(i + 1, j, str(value))
    sheet.freeze_panes(1, 0)


def _sheet_names(names: list[str]) -> list[str]:
    """Names Excel takes: at most 31 characters, none of []:*?/\\, unique whatever their case."""
    found: list[str] = []
    for name in names:
        stem = "".join("_" if c in "[]:*?/\\'" else c for c in plain(name))[:31] or "table"
        title, n = stem, 2
        while title.lower() in {other.lower() for other in found}:
            title, n = f"{stem[:28]}_{n}", n + 1
        found.append(title)
    return found
