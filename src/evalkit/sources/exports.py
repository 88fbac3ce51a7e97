"""A stranger's exports as grids of text, before it is known what they are; for `evalkit new`."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from evalkit.errors import UserError
from evalkit.sources.folder import BOOKS, KINDS, PARQUET
from evalkit.sources.sheets import must_unpack_small, read_grid, read_parquet_grid
from evalkit.sources.text import DELIMITERS, decode, must_be_regular

_LOOK = 30


@dataclass(frozen=True)
class Export:
    """One file as text. head: its column names; above: the lines over them; rows: the filled lines below; first_row:
    the number of the first line below the head. is_plain: a csv of commas in UTF-8 whose first line is the head."""

    file: str
    path: Path
    head: tuple[str, ...]
    above: tuple[tuple[str, ...], ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, place: int) -> list[str]:
        """The cells below a head cell; a short line has a blank."""
        return [row[place] if place < len(row) else "" for row in self.rows]


def export_files(place: Path) -> list[Path]:
    """The data files of a folder of exports (or the one file), in the order of their names."""
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise UserError("There is no folder of exports of this name.", file=place.name,
                        remedy="Give the folder that holds your csv, txt, xlsx or parquet files: --from EXPORTS.")
    found = sorted((path for path in place.iterdir() if path.suffix.casefold() in KINDS and path.is_file()
                    and not path.name.startswith((".", "~$"))), key=lambda path: path.name)
    if not found:
        raise UserError("The folder holds no csv, txt, xlsx or parquet file.", file=place.name,
                        remedy="Put the exports of your student information system in it.")
    return found


def read_export(path: Path, score: Callable[[list[str]], float]) -> Export:
    """One file as a grid. score: how much a line looks like column names (0: not at all)."""
    must_be_regular(path, path.name)
    kind = path.suffix.casefold()
    if kind in PARQUET:
        grids = [read_parquet_grid(path, path.name)]
    elif kind in BOOKS:
        must_unpack_small(path, path.name)
        grids = [read_grid(path, path.name)]
    else:
        grids = _text_grids(path)
    best, place, grid = max(((score(line), -i, grid) for grid in grids for i, line in enumerate(grid[:_LOOK])),
                            key=lambda found: found[:2], default=(0.0, 0, [[]]))
    head = -place if best > 0 else 0
    filled = [line for line in grid[head + 1:] if any(cell.strip() for cell in line)]
    return Export(path.name, path, tuple(grid[head]) if grid else (), tuple(map(tuple, grid[:head])),
                  tuple(map(tuple, filled)))


def _text_grids(path: Path) -> list[list[list[str]]]:
    text, _ = decode(path.read_bytes(), path.name)
    found = []
    for delimiter in DELIMITERS:
        try:
            grid = list(csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter))
        except csv.Error:
            continue
        found.append(grid)
    if not found:
        raise UserError("The file is not valid csv.", file=path.name, remedy="Export it again as CSV UTF-8.")
    return found
