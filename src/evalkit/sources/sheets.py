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
    """The sheet of a workbook named as the table, or the one that holds its columns, or its first that is not empty.

    Several visible sheets with the table's columns and rows of their own (a sheet a month, say) are refused: rows would
    go missing unseen. A sheet that repeats rows of the first (its chronic students, say) is passed over.
    """
    must_be_regular(path, name)
    must_unpack_small(path, name)
    grids = _visible_sheets(path, name)
    chosen = _sheet_of(table, grids, known, required, name)
    head = _head_row(grids[chosen], known, required, name)
    raw = assemble(
        iter([grids[chosen][head + 1 :]] if grids[chosen][head + 1 :] else []), grids[chosen][: head + 1], known, name
    )
    others = _n_sheets(path) - 1
    notes = (f"only the sheet {shown(chosen)} was read; {others} other not read",) if others else ()
    return RawFile(**{**raw, "notes": notes, "sha256": files.sha256(path)})


def _sheet_of(table: str, grids: dict[str, list[list[str]]], known: dict[str, str], required: tuple[str, ...],
              name: str) -> str:
    named = [sheet for sheet in grids if sheet.casefold() == table]
    fitting = {sheet: rows for sheet, records in grids.items() if (rows := _table_rows(records, known, required))}
    first = next(iter(fitting.values()), set())
    if not named and any(rows - first for rows in fitting.values()):
        raise UserError(
            f"{len(fitting)} sheets of this workbook have the columns of {table}; only one can be read.",
            file=name,
            culprits=[f"sheet {shown(sheet)}" for sheet in fitting],
            remedy=f'Put all rows on one sheet; or name the one to read "{table}"; or save each sheet as a file of its '
            f"own: {table}_1.csv, {table}_2.csv and so on.",
        )
    return [*named, *fitting, *grids][0]


def _table_rows(records: list[list[str]], known: dict[str, str], required: tuple[str, ...]) -> set[tuple[str, ...]]:
    """The needed cells of each row below a line that names every column the table needs; none where no line does."""
    for at, record in enumerate(records[:30]):
        place = {known[name]: i for i, name in enumerate(map(plain_name, record)) if name in known}
        if set(required) <= place.keys() and len(place) >= 2:
            wanted = [place[name] for name in required or sorted(place)]
            return {tuple(row[i].strip() for i in wanted) for row in records[at + 1 :]} - {("",) * len(wanted)}
    return set()


def _n_sheets(path: Path) -> int:
    from python_calamine import CalamineWorkbook

    return len(CalamineWorkbook.from_path(str(path)).sheet_names)


def _visible_sheets(path: Path, name: str) -> dict[str, list[list[str]]]:
    """Sheet -> its cells as text, of every visible sheet that is not empty, in the workbook's order."""
    from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

    try:
        book = CalamineWorkbook.from_path(str(path))
        visible = [sheet.name for sheet in book.sheets_metadata if sheet.visible == SheetVisibleEnum.Visible]
        grids = {sheet: book.get_sheet_by_name(sheet).to_python(skip_empty_area=False) for sheet in visible}
    except (CalamineError, OSError, ValueError):
        raise UserError(
            "The workbook cannot be read.",
            file=name,
            remedy="Save it again as .xlsx without a password, or as CSV UTF-8.",
        ) from None
    filled = {sheet: [[_cell(cell) for cell in record] for record in grid] for sheet, grid in grids.items()
              if any(cell != "" for record in grid for cell in record)}
    if not filled:
        raise UserError("The workbook has no visible sheet with data.", file=name, remedy="Check the export.")
    return filled


def read_grid(path: Path, name: str) -> list[list[str]]:
    """The first visible sheet with data, as text."""
    return next(iter(_visible_sheets(path, name).values()))


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
