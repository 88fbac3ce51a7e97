"""A delimited text file as text: its encoding, delimiter and head row are found, nothing is interpreted."""

from __future__ import annotations

import csv
import io
import re
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from evalkit import files
from evalkit.errors import UserError, nearest
from evalkit.sources.rows import RawFile, TextColumn, text_column

DELIMITERS = (",", ";", "\t", "|")
MOST_BYTES = 1 << 30
_CHUNK = 50_000
_LARGE = 1_000_000
_LOOK = 30
_TOTAL = re.compile(r"(grand\s+)?totals?\s*:?", re.I)
_FOOTER = re.compile(
    r"(grand\s+)?totals?\b|sum(me)?\s*:?$|records?\s*:|rows?\s*:|count\s*:|page\s+\d|printed\b|run\s+(date|on|\d)"
    r"|report\s+(date|run)|end of (report|file)|generated\b|as of\b",
    re.I,
)


def must_be_regular(path: Path, name: str) -> None:
    """Refuse what is not an ordinary file of a sane size (a pipe, a device, an empty file)."""
    try:
        found = path.resolve(strict=True).stat()
    except OSError as problem:
        raise UserError(
            "The file cannot be opened.", file=name, remedy=f"{problem.strerror}: check the file."
        ) from None
    if not stat.S_ISREG(found.st_mode):
        raise UserError(
            "This is not an ordinary file.", file=name, remedy="Put a copy of the file in the study folder."
        )
    if found.st_size == 0:
        raise UserError(
            "The file is empty.", file=name, remedy="Export it again, or remove it if there is nothing to read."
        )
    if found.st_size > MOST_BYTES:
        raise UserError(
            "The file is larger than 1 GB.", file=name, remedy="Save it as parquet, or split it into parts."
        )


def decode(data: bytes, name: str) -> tuple[str, tuple[str, ...]]:
    """The text of a file and a note where its encoding had to be guessed."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            return _strict(data, encoding, name), () if encoding == "utf-8-sig" else ("read as UTF-16",)
    if b"\0" in data[:4096]:
        if data[1:200:2].count(0) > 0.4 * len(data[1:200:2]):
            return _strict(data, "utf-16-le", name), ("read as UTF-16",)
        raise UserError("The file is not text.", file=name, remedy="Export it as csv, xlsx or parquet.")
    try:
        return data.decode("utf-8"), ()
    except UnicodeDecodeError:
        return _strict(data, "cp1252", name), ("not UTF-8: read as Windows text (cp1252); check accented letters",)


def _strict(data: bytes, encoding: str, name: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise UserError(
            "The letters of this file cannot be read.",
            file=name,
            remedy="Save it again as UTF-8 csv (in Excel: CSV UTF-8).",
        ) from None


def read_text(path: Path, name: str, *, known: dict[str, str], required: tuple[str, ...]) -> RawFile:
    """One delimited file. known: a column's spelling (plain) -> canonical name; required: canonical names."""
    must_be_regular(path, name)
    data = path.read_bytes()
    text, notes = decode(data, name)
    del data
    if "\0" in text:
        raise UserError("The file holds bytes that are not text.", file=name, remedy="Export it again as csv.")
    delimiter, head = _layout(text, known, required, name)
    raw = _records(text, delimiter, head, known, name)
    return RawFile(**{**raw, "notes": notes, "decimal_comma": delimiter == ";", "sha256": files.sha256(path)})


def _first(text: str, delimiter: str) -> list[list[str]]:
    try:
        return list(islice(csv.reader(io.StringIO(text[:200_000], newline=""), delimiter=delimiter), _LOOK))
    except csv.Error:
        return []


def plain_name(text: str) -> str:
    """A column's name made comparable: case, spaces, BOM and Excel's ="..." do not matter."""
    return re.sub(r"\s+", " ", re.sub(r'^="?(.*?)"?$', r"\1", text.strip("\ufeff \t\u00a0"))).strip().casefold()


def _layout(text: str, known: dict[str, str], required: tuple[str, ...], name: str) -> tuple[str, int]:
    """The delimiter and the index of the head row: where most known names stand."""
    best: tuple[int, int, str, int] = (0, 0, ",", -1)
    for delimiter in DELIMITERS:
        for index, record in enumerate(_first(text, delimiter)):
            hits = len({known[plain_name(cell)] for cell in record if plain_name(cell) in known})
            if (hits, len(record)) > best[:2]:
                best = (hits, len(record), delimiter, index)
    if best[0] >= min(2, len(required)):
        return best[2], best[3]
    raise header_not_found(_first(text, ","), required, name)


_HEAD_WORD = re.compile(
    r"(student|school|person|perm|enr|att|abs|admin|dates?|code|id|number|num|no|grade|status|period|minutes?|days?|month"
    r"|year|sy|reason|type|value|name|calendar|section|entry|exit|start|end|pct|present|tardy|alumno|matricula|escuela"
    r"|fecha|codigo|grado|dia|estado|curso|motivo)",
    re.I,
)


def _names_in(records: list[list[str]]) -> list[str]:
    """Cells of the first lines that are words for columns; nothing else of a line, which may hold names and ids."""
    for record in records[:5]:
        cells = [cell.strip() for part in record for cell in re.split(r"[;\t|]", part)]
        found = [cell for cell in cells if cell.isascii() and len(cell) <= 30 and not re.search(r"\d{2}", cell)]
        found = [cell for cell in found if any(_HEAD_WORD.fullmatch(w) for w in _words(cell))]
        if len(found) >= 2 and 2 * len(found) >= len([cell for cell in cells if cell]):
            return found
    return []


def _words(cell: str) -> list[str]:
    """A column's name cut at spaces, underscores and capitals: ATTEVENTDATE stays whole, studentNumber is two."""
    parts = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", cell)
    long = re.fullmatch(r"(student|school|person|perm|enr|att|abs|admin)\w*(date|code|id|number)", cell, re.I)
    return [*parts, *(["id"] if long and len(parts) == 1 else [])]


def header_not_found(records: list[list[str]], required: tuple[str, ...], name: str) -> UserError:
    """The refusal for a file without its column names. Shows words for columns, never other cells of a line."""
    names = _names_in(records)
    shapes = [f"line {i}: {len(record)} cells" for i, record in enumerate(records[:5], start=1)]
    if names:
        shapes = [f"the file's own columns seem to be: {', '.join(names[:12])}"]
    mine = (nearest(required[0], names) if required and names else "") or "your column"
    asked = required[0] if required else "student_id"
    return UserError(
        "The row with the column names was not found in the first 30 lines.",
        file=name,
        culprits=shapes,
        remedy=f"It must name: {', '.join(required)}. If your columns have other names, say so in study.toml, below a "
        f'line [columns.<table>], one line each, such as: {asked} = "{mine}".',
    )


def used_columns(head: list[str], known: dict[str, str], name: str) -> dict[int, str]:
    """Place of each column that is read -> its canonical name; one name twice is refused."""
    found: dict[int, str] = {}
    for place, cell in enumerate(head):
        column = known.get(plain_name(cell))
        if column and column in found.values():
            raise UserError(
                "Two columns have the same meaning.",
                file=name,
                column=column,
                remedy="Remove one, or say which under [columns.<table>] in study.toml.",
            )
        if column:
            found[place] = column
    return found


def dropped_columns(head: list[str], used: dict[int, str]) -> tuple[str, ...]:
    return tuple(cell.strip()[:40] for place, cell in enumerate(head) if place not in used and cell.strip())


def _must_close_quotes(text: str, delimiter: str, name: str) -> None:
    """Refuse a quote that swallows the rest of the file, naming the row where it opens."""
    if text.count('"') % 2 == 0:
        return
    reader, row = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 0
    try:
        for _ in reader:
            row = reader.line_num
    except csv.Error as problem:
        if "end of data" in str(problem):
            raise UserError(
                "A double quote is opened and never closed, so the rest of the file is one cell.",
                file=name,
                row=row + 1,
                remedy="Close or remove the quote in this row, or export the file again.",
            ) from None


def _records(text: str, delimiter: str, head: int, known: dict[str, str], name: str) -> dict:
    if len(text) > _LARGE and '"' not in text and (fast := _plain_records(text, delimiter, head, known, name)):
        return fast
    _must_close_quotes(text, delimiter, name)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        top = list(islice(reader, head + 1))
        return assemble(_chunks(reader), top, known, name)
    except csv.Error:
        raise UserError(
            "A line of the file is not valid csv.",
            file=name,
            row=reader.line_num,
            remedy="Look for a double quote that is opened and not closed near this line.",
        ) from None


def _plain_records(text: str, delimiter: str, head: int, known: dict[str, str], name: str) -> dict | None:
    """The same for a large file without quotes and with every row whole, by arrow; None where that does not hold."""
    import pyarrow.csv as arrow_csv

    top = list(islice(csv.reader(io.StringIO(text[:200_000], newline=""), delimiter=delimiter), head + 1))
    names = [str(place) for place in range(len(top[-1]))]
    coded = pa.dictionary(pa.int32(), pa.string())
    try:
        found = arrow_csv.read_csv(
            pa.py_buffer(text.encode()),
            read_options=arrow_csv.ReadOptions(skip_rows=head + 1, column_names=names),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, quote_char=False, ignore_empty_lines=False),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, coded), strings_can_be_null=False
            ),
        )
    except pa.ArrowException:
        return None
    columns = [_coded_already(found.column(place)) for place in range(len(names))]
    return _told_apart(columns, used_columns(top[-1], known, name), top, {}, name)


def _coded_already(column: pa.ChunkedArray) -> TextColumn:
    one = column.unify_dictionaries().combine_chunks()
    one = one.chunk(0) if isinstance(one, pa.ChunkedArray) else one
    return TextColumn(tuple(one.dictionary.to_pylist()), one.indices.to_numpy().astype(np.int32))


def _chunks(reader: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    while chunk := list(islice(reader, _CHUNK)):
        yield chunk


def assemble(chunks: Iterator[list[list[str]]], top: list[list[str]], known: dict[str, str], name: str) -> dict:
    """The parts of a RawFile from records: titles above the head, footers and totals told apart from data."""
    head, width = top[-1], len(top[-1])
    used = used_columns(head, known, name)
    arrays: list[list[pa.Array]] = [[] for _ in range(width)]
    odd: dict[int, str] = {}
    seen = len(top)
    for chunk in chunks:
        if set(map(len, chunk)) != {width}:
            odd |= _odd(chunk, width, seen)
            chunk = [record if len(record) == width else (record + [""] * width)[:width] for record in chunk]
        for place, cells in enumerate(zip(*chunk, strict=True)):
            arrays[place].append(pa.array(cells, pa.string()).dictionary_encode())
        seen += len(chunk)
    columns = [_coded(parts) for parts in arrays]
    return _told_apart(columns, used, top, odd, name)


def _coded(parts: list[pa.Array]) -> TextColumn:
    """One text column from dictionary-coded chunks."""
    if not parts:
        return TextColumn((), np.zeros(0, np.int32))
    return text_column(pa.chunked_array([part.cast(pa.string()) for part in parts]))


def _odd(chunk: list[list[str]], width: int, seen: int) -> dict[int, str]:
    """Rows that are longer (with something in the extra cells) or shorter than the head; blank lines are no rows."""
    found = {}
    for index, record in enumerate(chunk, start=seen + 1):
        if len(record) > width and any(cell.strip() for cell in record[width:]):
            found[index] = "more cells than the head row"
        elif 0 < len(record) < width and any(cell.strip() for cell in record):
            found[index] = "fewer cells than the head row"
    return found


def _told_apart(
    columns: list[TextColumn], used: dict[int, str], top: list[list[str]], odd: dict[int, str], name: str
) -> dict:
    """Drop blank rows; set titles, footers and totals apart; keep the columns that are read."""
    n = len(columns[0].codes) if columns else 0
    filled = np.zeros(n, np.int32)
    footer, total = np.zeros(n, bool), np.zeros(n, bool)
    for column in columns[:64]:
        is_filled = column.where(lambda text: bool(text.strip()))
        footer |= (filled == 0) & is_filled & column.where(lambda text: bool(_FOOTER.match(text.strip())))
        total |= (filled == 0) & column.where(lambda text: bool(_TOTAL.fullmatch(text.strip())))
        filled += is_filled
    for column in columns[64:]:
        filled += column.where(lambda text: bool(text.strip()))
    last = np.flatnonzero(filled > 1)
    trailing = (np.arange(n) > (last[-1] if len(last) else -1)) & (filled == 1) & (len(columns) > 2)
    is_footer = total | (footer & (filled < max(2, len(columns)))) | trailing
    numbers = np.arange(n) + len(top) + 1
    data = (filled > 0) & ~is_footer
    structural = [
        (i, "a title above the column names")
        for i, record in enumerate(top[:-1], start=1)
        if any(cell.strip() for cell in record)
    ]
    structural += [(int(i), "a footer or total row") for i in numbers[(filled > 0) & is_footer]]
    keep = np.flatnonzero(data)
    footers = {number for number, _ in structural}
    return {
        "file": name,
        "head_row": len(top),
        "rows": numbers[keep],
        "structural": tuple(structural),
        "columns": {used[place]: columns[place].take(keep) for place in used},
        "odd": {row: why for row, why in odd.items() if row not in footers},
        "dropped": dropped_columns(top[-1], used),
    }
