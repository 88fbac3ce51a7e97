"""Text columns of one table's files -> the canonical frame, with the fate of every row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from evalkit.config import Config
from evalkit.errors import UserError, nearest
from evalkit.schemas import Field, Table, dtype, table
from evalkit.sources.cells import Cell, reader_for, uses_decimal_comma
from evalkit.sources.dates import OPEN_END, is_ambiguous, orders_shown, read_dates
from evalkit.sources.rows import RawFile, TableRows, TextColumn, blank_column, listed, row_texts
from evalkit.sources.text import plain_name
from evalkit.vocabulary import plain
from evalkit.vocabulary.exports import column_names

MAIN_CALENDAR = "main"


def known_names(name: str, config: Config) -> dict[str, str]:
    """Every spelling of a column's name that is read in this study -> its canonical name."""
    known = {plain_name(column): column for column in table(name).columns}
    for column, local in config.columns.get(name, {}).items():
        known[plain_name(local)] = column
    return known


def read_table(
    name: str, files: Sequence[RawFile], config: Config, *, lenient: frozenset[str] = frozenset()
) -> TableRows:
    """The canonical rows of a table from all its files. Refuses missing columns, unsettled dates and unmapped codes.

    lenient: "table.column" names that a bundle may leave blank, because its standard does.
    """
    schema = table(name)
    for file in files:
        _must_have_columns(file, schema, config)
    part = np.repeat(np.arange(len(files), dtype=np.int16), [len(file.rows) for file in files])
    rows = TableRows(name, list(files), part, np.concatenate([file.rows for file in files]))
    _odd_rows(rows)
    columns: dict[str, Any] = {}
    unmapped: dict[str, Counter[str]] = {}
    order = _date_order(schema, files, config)
    for field in schema.fields:
        if field.kind == "date":
            columns[field.name] = _dates(rows, field, order)
        else:
            columns |= _values(rows, field, config, unmapped)
    if unmapped:
        raise unmapped_codes(name, unmapped, files[0].file)
    rows.frame = pd.DataFrame({column: columns[column] for column in schema.frame_columns})
    _blank_keys(rows, schema, lenient)
    return rows


def _must_have_columns(file: RawFile, schema: Table, config: Config) -> None:
    missing = [column for column in schema.required if column not in file.columns]
    if not missing:
        return
    near = {column: _likely(column, schema.name, file.dropped) for column in missing}
    hints = [f'{column}: is it your column "{near[column]}"?' for column in missing if near[column]]
    first = missing[0]
    raise UserError(
        f"The file has no column for: {', '.join(missing)}.",
        file=file.file,
        row=file.head_row,
        culprits=hints,
        remedy=f'Add it, or name your own column in study.toml: [columns.{schema.name}] {first} = "your column".',
    )


def _likely(column: str, table_name: str, others: Sequence[str]) -> str:
    """Which of a file's other columns may be this one: a usual spelling in exports, else a name that reads like it."""
    usual = column_names().get(table_name, {})
    spelt = next((name for name in others if usual.get(plain(name), ("", False))[0] == column), "")
    alike = {plain(name): name for name in others}
    return spelt or alike.get(nearest(plain(column), alike), "")


def _odd_rows(rows: TableRows) -> None:
    for index, file in enumerate(rows.files):
        for reason in sorted(set(file.odd.values())):
            bad = [row for row, why in file.odd.items() if why == reason]
            rows.set_aside((rows.part == index) & np.isin(rows.row, bad), reason)


def _merged(rows: TableRows, column: str) -> TextColumn:
    """One column over all files: the different texts and which one each row has."""
    parts = [file.columns.get(column) or blank_column(len(file.rows)) for file in rows.files]
    if len(parts) == 1:
        return parts[0]
    place: dict[str, int] = {}
    codes = []
    for one in parts:
        local = np.fromiter((place.setdefault(value, len(place)) for value in one.values), np.int32, len(one.values))
        codes.append(local[one.codes] if len(one.values) else one.codes)
    return TextColumn(tuple(place), np.concatenate(codes))


def _values(rows: TableRows, field: Field, config: Config, unmapped: dict[str, Counter[str]]) -> dict[str, Any]:
    """A column that holds no dates, and its exact integer column where it has one."""
    column = _merged(rows, field.name)
    extra = (
        {plain(key): str(value) for key, value in dict(config.codes.get(field.name, {})).items()}
        if field.choices
        else {}
    )
    comma = field.kind in ("num", "int") and (
        uses_decimal_comma(column.values) or any(f.decimal_comma for f in rows.files)
    )
    reader = reader_for(field, width=config.id_width, decimal_comma=comma, extra=extra)
    cells = [reader(value) for value in column.values]
    _mark(rows, field, column, cells)
    unknown = {i for i, cell in enumerate(cells) if cell.unknown}
    if unknown:
        counts = Counter({str(cells[i].value): int(n) for i, n in enumerate(column.counts()) if i in unknown and n})
        if counts:
            unmapped[field.name] = counts
    made = {field.name: _spread([cell.value for cell in cells], column.codes, field.kind)}
    if field.exact:
        made[field.units_name] = _spread([cell.units for cell in cells], column.codes, "units")
    return made


def _spread(values: list[Any], codes: np.ndarray, kind: str) -> Any:
    """Values of the different texts, put in every row."""
    if kind in ("id", "code", "text", "list"):
        if not values:
            return pd.array([], dtype=dtype(kind))
        array = pa.array(values, pa.string()).take(pa.array(codes))
        return pd.array(array, dtype=dtype(kind))
    return pd.array(values, dtype=dtype(kind)).take(codes) if values else pd.array([], dtype=dtype(kind))


def _mark(rows: TableRows, field: Field, column: TextColumn, cells: Sequence[Any]) -> None:
    """Set aside the rows whose text cannot be used, and note those whose value was mended."""
    for reason in sorted({cell.fault for cell in cells if cell.fault}):
        rows.set_aside(_having(column, [cell.fault == reason for cell in cells]), f"{field.name}: {reason}")
    for reason in sorted({cell.mend for cell in cells if cell.mend}):
        rows.mended(_having(column, [cell.mend == reason for cell in cells]), f"{field.name}: {reason}")


def _having(column: TextColumn, flags: list[bool]) -> np.ndarray:
    return np.array(flags, bool)[column.codes] if flags else np.zeros(len(column.codes), bool)


def _date_order(schema: Table, files: Sequence[RawFile], config: Config) -> str:
    """Whether slashes mean month/day or day/month in this table: declared, or proven by a part above 12."""
    if config.date_order:
        return config.date_order
    names = [field.name for field in schema.fields if field.kind == "date"]
    columns = [(file, name, file.columns[name]) for file in files for name in names if name in file.columns]
    shown = set().union(*(orders_shown(column.values) for _, _, column in columns)) if columns else set()
    if len(shown) == 1:
        return shown.pop()
    for file, name, column in columns:
        hit = column.where(is_ambiguous)
        if hit.any():
            why = "Some dates are day first and some month first" if shown else "No date in it has a part above 12"
            raise UserError(
                "Dates in this file can be read as month/day and as day/month.",
                file=file.file,
                row=int(file.rows[np.flatnonzero(hit)[0]]),
                column=name,
                culprits=[f"{why}."],
                remedy='Say which, in study.toml: [study] date_order = "month_first" (or "day_first").',
            )
    return ""


def _dates(rows: TableRows, field: Field, order: str) -> np.ndarray:
    """A date column; each file is read on its own, as its own export wrote it."""
    columns = [file.columns.get(field.name) or blank_column(len(file.rows)) for file in rows.files]
    parts, start = [], 0
    for column in columns:
        read = read_dates(column.values, column.counts().tolist(), order)
        cells = [_closed(one, field) for one in read]
        stop = start + len(column.codes)
        for kind, act in (("fault", rows.set_aside), ("mend", rows.mended)):
            for reason in sorted({getattr(cell, kind) for cell in cells if getattr(cell, kind)}):
                hit = np.zeros(len(rows.row), bool)
                hit[start:stop] = _having(column, [getattr(cell, kind) == reason for cell in cells])
                act(hit, f"{field.name}: {reason}")
        values = np.array([cell.value for cell in cells], "datetime64[us]") if cells else np.zeros(0, "datetime64[us]")
        parts.append(values[column.codes] if len(values) else np.zeros(0, "datetime64[us]"))
        start = stop
    return np.concatenate(parts)


def _closed(read: Any, field: Field) -> Cell:
    """A read date as a cell; the year 9999 is an open end where an end may be open."""
    if read.value == OPEN_END:
        may_be_open = field.blank_ok or not field.required
        return Cell(None, read.mend) if may_be_open else Cell(fault="a date in the year 9999")
    return Cell(read.value, read.mend, read.fault)


def _blank_keys(rows: TableRows, schema: Table, lenient: frozenset[str]) -> None:
    """Set aside rows with nothing in a column that must be filled."""
    for field in schema.fields:
        if field.required and not field.blank_ok and f"{schema.name}.{field.name}" not in lenient:
            rows.set_aside(rows.frame[field.name].isna(), f"{field.name}: blank")
    if schema.name == "calendar":
        rows.frame["calendar_code"] = rows.frame["calendar_code"].fillna(MAIN_CALENDAR)


def repeated_rows(rows: TableRows) -> None:
    """Count exact repeats as duplicates: the same in every column that is read, whichever file they stand in."""
    key = [column for column in table(rows.name).key if column in rows.frame]
    usable = np.flatnonzero(rows.usable)
    near = usable[rows.frame[key].iloc[usable].duplicated(keep=False).to_numpy()]
    if len(near):
        same = rows.frame.iloc[near].duplicated(keep="first").to_numpy()
        hit = np.zeros(len(rows.row), bool)
        hit[near[same]] = True
        rows.repeated(hit)


def keep_one(rows: TableRows) -> None:
    """Where rows share a key and differ, keep one: of notes the last, else the fullest, told by its content alone."""
    key = list(table(rows.name).key)
    usable = np.flatnonzero(rows.usable)
    near = usable[rows.frame[key].iloc[usable].duplicated(keep=False).to_numpy()]
    if not len(near):
        return
    frame = rows.frame.iloc[near]
    is_notes = np.array([file.is_notes for file in rows.files])[rows.part[near]]
    order = pd.DataFrame(
        {
            "note": is_notes,
            "place": np.where(is_notes, np.arange(len(near)), 0),
            "full": frame.notna().sum(axis=1).to_numpy(),
            "text": row_texts(frame),
        }
    )
    best = order.sort_values(["note", "place", "full", "text"], ascending=False, kind="stable").index.to_numpy()
    ranked = frame.iloc[best]
    lost = np.zeros(len(rows.row), bool)
    lost[near[best[ranked.duplicated(key, keep="first").to_numpy()]]] = True
    notes = np.array([file.is_notes for file in rows.files])[rows.part]
    rows.set_aside(lost & notes, "replaced by a later note", counts=False)
    rows.set_aside(lost, f"another row has the same {' and '.join(key)}: the fuller one is kept")


def unmapped_codes(name: str, unmapped: dict[str, Counter[str]], file: str) -> UserError:
    """The refusal for codes that are in no list: each with its count, and lines to paste into study.toml."""
    culprits, stub = [], []
    for column, counts in unmapped.items():
        choices = table(name).field(column).allowed
        culprits += [f"{column} {shown(value)}: {n} rows" for value, n in counts.most_common(8)]
        stub.append(
            f"[codes.{column}] "
            + " ".join(f'{shown(v)} = "{nearest(v, choices) or choices[0]}"' for v, _ in counts.most_common(4))
        )
    columns = list(unmapped)
    return UserError(
        f"Some codes of {listed(columns)} are in no list that evalkit knows.",
        file=file,
        column=columns[0],
        culprits=culprits,
        remedy="Say what each means in study.toml, then run this again. To begin with "
        f"(edit the right-hand side): {'  '.join(stub)}. Known: "
        f"{', '.join(table(name).field(columns[0]).allowed)}.",
    )


def shown(value: str) -> str:
    """A code as a message may show it: never a long number (it may be an id) and never a long text."""
    if re.search(r"\d{5}", value) or len(value) > 20 or not value.isprintable():
        return f"(a text of {len(value)} letters)"
    return '"' + value.replace('"', "'") + '"'
