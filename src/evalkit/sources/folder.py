"""A study folder: which files make which table, each read as text by its kind."""

from __future__ import annotations

import re
from pathlib import Path

from evalkit.config import Config
from evalkit.errors import UserError
from evalkit.schemas import table, tables
from evalkit.sources.canonical import known_names
from evalkit.sources.rows import RawFile
from evalkit.sources.sheets import read_parquet, read_workbook
from evalkit.sources.text import read_text

TEXT, BOOKS, PARQUET = (".csv", ".tsv", ".txt"), (".xlsx", ".xlsm", ".xls", ".ods"), (".parquet",)
KINDS = (*TEXT, *BOOKS, *PARQUET)
NOTES_TABLES = ("action", "plan_change", "insight")


def files_of_study(folder: Path, config: Config) -> tuple[dict[str, list[Path]], tuple[str, ...]]:
    """table -> its files, in a fixed order; and the names of data files that are no table's."""
    found: dict[str, list[Path]] = {}
    declared: set[Path] = set()
    for name, patterns in config.tables.items():
        found[name] = _declared(folder, name, patterns)
        declared |= set(found[name])
    unread = []
    for path in sorted(folder.iterdir(), key=lambda p: p.name):
        if path in declared or path.name.startswith((".", "~$")):
            continue
        name = _table_of(path)
        if name and name not in config.tables:
            found.setdefault(name, []).extend(_parts(path) if path.is_dir() else [path])
        elif not path.is_dir() and path.suffix.casefold() in KINDS:
            unread.append(path.name)
    return {name: found[name] for name in tables() if found.get(name)}, tuple(unread)


def _declared(folder: Path, name: str, patterns: tuple[str, ...]) -> list[Path]:
    found = []
    for pattern in patterns:
        target = folder / pattern
        hits = [target] if target.exists() else sorted(folder.glob(pattern))
        if not hits:
            raise UserError(
                f"The file that study.toml names for the table {name} is not there.",
                file=pattern,
                remedy="Correct the name under [tables] in study.toml, or put the file in the study folder.",
            )
        found += [part for hit in hits for part in (_parts(hit) if hit.is_dir() else [hit])]
    for path in found:
        if not path.resolve().is_relative_to(folder.resolve()) or path.suffix.casefold() not in KINDS:
            raise UserError(
                "A table's file must be csv, tsv, txt, xlsx or parquet, inside the study folder.",
                file=path.name,
                remedy="Copy the file into the study folder, or save it as csv.",
            )
    return found


def _parts(folder: Path) -> list[Path]:
    parts = sorted(
        path for path in folder.iterdir() if path.suffix.casefold() in KINDS and not path.name.startswith(".")
    )
    if not parts:
        raise UserError(
            "A folder of parts holds no csv, xlsx or parquet file.",
            file=f"{folder.name}/",
            remedy="Put the parts in it, or remove the folder.",
        )
    return parts


def _table_of(path: Path) -> str:
    """The table a file or folder is named after: `attendance_event.csv`, `attendance_event_2026-01.csv` ..."""
    if path.is_dir():
        return path.name.casefold() if path.name.casefold() in tables() else ""
    if path.suffix.casefold() not in KINDS:
        return ""
    stem = path.stem.casefold()
    fits = [name for name in tables() if stem == name or re.match(rf"{name}(?=[-_. \d(])", stem)]
    return max(fits, key=len, default="")


def read_files(name: str, paths: list[Path], folder: Path, config: Config) -> list[RawFile]:
    """Every file of a table as text."""
    known, required = known_names(name, config), table(name).required
    found = []
    for path in paths:
        shown = path.relative_to(folder).as_posix()
        kind = path.suffix.casefold()
        if kind in PARQUET:
            raw = read_parquet(path, shown, known=known)
        elif kind in BOOKS:
            raw = read_workbook(path, shown, table=name, known=known, required=required)
        else:
            raw = read_text(path, shown, known=known, required=required)
        found.append(raw)
    return found


def notes_files(folder: Path) -> dict[str, Path]:
    """What `evalkit notes` has written: STUDY/notes/<table>.csv. The last row of an id wins."""
    notes = folder / "notes"
    return {name: notes / f"{name}.csv" for name in tables() if (notes / f"{name}.csv").exists()}
