"""Spreadsheets and parquet as text, so that every kind of file is read by the same rules."""

from __future__ import annotations

import datetime as dt
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from evalkit import files
from evalkit.errors import UserError
from evalkit.sources.canonical import shown
from evalkit.sources.rows import RawFile, text_column
from evalkit.sources.text import assemble, dropped_columns, header_not_found, must_be_regular, plain_name, used_columns

MOST_UNPACKED = 150_000_000


def must_unpack_small(path: Path, name: str) -> None:
    """Refuse a zipped file whose contents would fill the memory, before unpacking any of it."""
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError):
        raise UserError(
            "The workbook cannot be opened.",
            file=name,
            remedy="Save it again as .xlsx without a password, or as CSV UTF-8.",
        ) from None
    if size > MOST_UNPACKED:
        raise UserError("The workbook unpacks to more than 150 MB.", file=name, remedy="Save the sheet as CSV UTF-8.")


def read_workbook(path: Path, name: str, *, table: str, known: dict[str, str], required: tuple[str, ...]) -> RawFile:
    """The sheet of a workbook named as the table, or its first visible one that is not empty."""
    must_be_regular(path, name)
    must_unpack_small(path, name)
    records, _, notes = _sheet(path, name, table)
    head = _head_row(records, known, required, name)
    raw = assemble(
        iter([records[head + 1 :]] if records[head + 1 :] else []), records[: head + 1], known, name
    )
    return RawFile(**{**raw, "notes": notes, "sha256": files.sha256(path)})


def _sheet(path: Path, name: str, table: str) -> tuple[list[list[str]], str, tuple[str, ...]]:
    from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

    try:
        book = CalamineWorkbook.from_path(str(path))
        visible = [sheet.name for sheet in book.sheets_metadata if sheet.visible == SheetVisibleEnum.Visible]
        chosen = next((sheet for sheet in visible if sheet.casefold() == table), None)
        for sheet in [chosen] if chosen else visible:
            data = book.get_sheet_by_name(sheet)
            grid = data.to_python(skip_empty_area=False)
            if any(cell != "" for record in grid for cell in record):
                others = [other for other in book.sheet_names if other != sheet]
                note = (f"only the sheet {shown(sheet)} was read; {len(others)} other not read",) if others else ()
                return [[_cell(cell) for cell in record] for record in grid], sheet, note
    except (CalamineError, OSError, ValueError):
        raise UserError(
            "The workbook cannot be read.",
            file=name,
            remedy="Save it again as .xlsx without a password, or as CSV UTF-8.",
        ) from None
    raise UserError("The workbook has no visible sheet with data.", file=name, remedy="Check the export.")


def read_grid(path: Path, name: str) -> list[list[str]]:
    """The first visible sheet with data, as text."""
    return _sheet(path, name, "")[0]


def read_parquet_grid(path: Path, name: str) -> list[list[str]]:
    """A parquet file as text, its column names as the first line."""
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file:
            data = pq.ParquetFile(file).read()
    except (pa.ArrowException, OSError, ValueError):
        raise UserError("The parquet file cannot be read.", file=name, remedy="Write it again, or use csv.") from None
    every = np.arange(data.num_rows)
    columns = [_as_text(column).texts(every) for column in data.columns]
    return [list(data.column_names), *map(list, zip(*columns, strict=True))]


def _cell(value: Any) -> str:
    """A spreadsheet cell as the text a person sees, dates as ISO."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ")
    return value.isoformat() if isinstance(value, dt.date | dt.time) else str(value)


def _head_row(records: list[list[str]], known: dict[str, str], required: tuple[str, ...], name: str) -> int:
    hits = [len({known[plain_name(cell)] for cell in record if plain_name(cell) in known}) for record in records[:30]]
    if not hits or max(hits) < min(2, len(required)):
        raise header_not_found(records, required, name)
    return hits.index(max(hits))


def read_parquet(path: Path, name: str, *, known: dict[str, str]) -> RawFile:
    """A parquet file as text; its rows are numbered from 1."""
    import pyarrow.parquet as pq

    must_be_regular(path, name)
    try:
        with path.open("rb") as file:
            found = pq.ParquetFile(file)
            used = used_columns(list(found.schema_arrow.names), known, name)
            dropped = dropped_columns(list(found.schema_arrow.names), used)
            data = found.read(columns=[found.schema_arrow.names[place] for place in used])
    except (pa.ArrowException, OSError, ValueError):
        raise UserError("The parquet file cannot be read.", file=name, remedy="Write it again, or use csv.") from None
    columns = {column: _as_text(data.column(found.schema_arrow.names[place])) for place, column in used.items()}
    filled = np.zeros(data.num_rows, bool)
    for column in columns.values():
        filled |= column.where(lambda text: bool(text.strip()))
    keep = np.flatnonzero(filled)
    return RawFile(
        file=name,
        head_row=0,
        columns={key: value.take(keep) for key, value in columns.items()},
        rows=keep + 1,
        dropped=dropped,
        sha256=files.sha256(path),
    )


def _as_text(column: pa.ChunkedArray) -> Any:
    """An arrow column of any plain type as text."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if pa.types.is_large_string(kind) or pa.types.is_string(kind):
        return text_column(column.cast(pa.string()))
    if pa.types.is_timestamp(kind):
        column = column.cast(pa.timestamp("us", kind.tz), safe=False)
    coded = column.dictionary_encode().combine_chunks()
    coded = coded.chunk(0) if isinstance(coded, pa.ChunkedArray) and coded.num_chunks else coded
    if isinstance(coded, pa.ChunkedArray):
        return text_column(pa.array([], pa.string()))
    words = pa.array([None if value is None else _cell(value) for value in coded.dictionary.to_pylist()], pa.string())
    return text_column(words.take(coded.indices))
