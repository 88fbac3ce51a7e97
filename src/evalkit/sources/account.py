"""What became of every row: per file rows_read = loaded + repaired + quarantined + duplicate, with reasons."""

from __future__ import annotations

import contextlib
import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evalkit import files
from evalkit.errors import UserError
from evalkit.sources.rows import DUPLICATE, LOADED, QUARANTINED, REPAIRED, TableRows

SET_ASIDE = "set-aside"
"""The folder below DIR/<study> in which a check, and each run for the team, keeps the rows that were not used."""


@dataclass(frozen=True)
class SetAside:
    """The rows of one file that were not used: row number, reason, and their text (kept on the site, mode 0600)."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def to_csv(self) -> str:
        """The rows as csv that a spreadsheet opens without running anything in it."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["row", "reason", *self.columns])
        writer.writerows([[_safe(cell) for cell in row] for row in self.rows])
        return text.getvalue()


@dataclass(frozen=True)
class FileAccount:
    """The rows of one file. reasons: why rows were mended or not used, most frequent first."""

    file: str
    table: str
    rows_read: int
    loaded: int
    repaired: int
    quarantined: int
    duplicate: int
    reasons: tuple[tuple[str, int], ...] = ()
    counted: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "table": self.table,
            "rows_read": self.rows_read,
            "loaded": self.loaded,
            "repaired": self.repaired,
            "quarantined": self.quarantined,
            "duplicate": self.duplicate,
            "reasons": [{"reason": reason, "n": n} for reason, n in self.reasons],
        }


@dataclass(frozen=True)
class Account:
    """The row account of a study. It adds up file by file, or the study does not open."""

    files: tuple[FileAccount, ...] = ()
    set_aside: tuple[SetAside, ...] = ()

    def with_more(self, other: Account) -> Account:
        """This account and the files of another."""
        return Account(self.files + other.files, self.set_aside + other.set_aside)

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `evalkit check --json`."""
        return {"files": [file.to_dict() for file in self.files]}

    def write_set_aside(self, folder: Path) -> Path | None:
        """Keep the rows that were not used, one csv per file, for the owner's eyes only (mode 0600). None if none.

        What is kept already is left alone. While another run keeps the same study's rows, they are left to it.
        """
        folder = Path(folder)
        if not self.set_aside:
            return None
        texts = {f"{files.safe_name(kept.file.removesuffix('.csv'))}.csv": kept.to_csv() for kept in self.set_aside}
        with contextlib.suppress(files.Held), files.held(folder.with_name(f".{folder.name}.lock"), what="This list"):
            if files.holds_exactly(folder, texts):
                return folder
            with files.whole_folder(folder) as work:
                for name, text in texts.items():
                    files.write_text(work / name, text, private=True)
            folder.chmod(0o700)
        return folder

    @property
    def totals(self) -> Mapping[str, int]:
        """The four fates over all files, and rows_read."""
        names = ("rows_read", "loaded", "repaired", "quarantined", "duplicate")
        return {name: sum(getattr(file, name) for file in self.files) for name in names}


def _safe(cell: str) -> str:
    """A cell that a spreadsheet will not run."""
    begins = unicodedata.normalize("NFKC", cell).strip()[:1]
    return f"'{cell}" if begins and begins in "=+-@" else cell


def account_of(tables: Iterable[TableRows]) -> Account:
    """Count every row of every file."""
    accounts: list[FileAccount] = []
    kept: list[SetAside] = []
    for rows in tables:
        mends = rows.settled_mends()
        for part, file in enumerate(rows.files):
            here = rows.part == part
            accounts.append(_file_account(rows, part, here, mends))
            if aside := _set_aside(rows, file, here):
                kept.append(aside)
    return Account(tuple(accounts), tuple(kept))


def _file_account(rows: TableRows, part: int, here: np.ndarray, mends: Mapping[tuple[int, str], int]) -> FileAccount:
    file = rows.files[part]
    fates = np.bincount(rows.fate[here], minlength=4)
    reasons: dict[str, int] = {reason: n for (at, reason), n in mends.items() if at == part}
    for index, n in zip(*np.unique(rows.why[here & ~rows.usable], return_counts=True), strict=True):
        reasons[rows.reasons[index]] = reasons.get(rows.reasons[index], 0) + int(n)
    for _, reason in file.structural:
        reasons[reason] = reasons.get(reason, 0) + 1
    ordered = tuple(sorted(reasons.items(), key=lambda item: (-item[1], item[0])))
    account = FileAccount(
        file.file,
        rows.name,
        file.n_rows,
        int(fates[LOADED]),
        int(fates[REPAIRED]),
        int(fates[QUARANTINED]) + len(file.structural),
        int(fates[DUPLICATE]),
        ordered,
        int(((rows.fate == QUARANTINED) & rows.counted & here).sum()),
    )
    if account.rows_read != account.loaded + account.repaired + account.quarantined + account.duplicate:
        raise AssertionError(f"the row account of {file.file} does not add up")
    return account


def _set_aside(rows: TableRows, file: Any, here: np.ndarray) -> SetAside | None:
    """The text of the rows of this file that were not used."""
    first = int(np.flatnonzero(here)[0]) if here.any() else 0
    at = np.flatnonzero(here & (rows.fate == QUARANTINED))
    texts = {name: column.texts(at - first) for name, column in file.columns.items()}
    lines = [
        (str(rows.row[i]), rows.reasons[rows.why[i]], *(texts[name][k] for name in texts)) for k, i in enumerate(at)
    ]
    lines += [(str(row), reason, *("" for _ in texts)) for row, reason in file.structural]
    return SetAside(file.file, tuple(texts), tuple(lines)) if lines else None


def must_not_lose_too_much(tables: Iterable[TableRows], account: Account, most: float, *, ids: str = "") -> None:
    """Refuse files that lost a larger share of their rows than `[rules] max_set_aside`; every one is named.

    ids: what was noticed about the student ids, said where rows were lost for want of their student.
    """
    firsts = {
        (rows.files[part].file, rows.name): _first_lost(rows, part)
        for rows in tables
        for part in range(len(rows.files))
    }
    culprits = []
    for file in account.files:
        n_structural = file.rows_read - _data_rows(file, tables)
        data = file.rows_read - n_structural
        if data and file.counted > most * data:
            why, row = firsts[(file.file, file.table)]
            culprits.append(f"{file.file}: {file.counted} of {data} rows; most often {why} (first in row {row})")
    if culprits:
        raise UserError(
            f"More than {most:.0%} of the rows of a file cannot be used.",
            culprits=culprits,
            file=culprits[0].split(":")[0],
            remedy=(f"{ids} " if ids and "(unknown student)" in " ".join(culprits) else "")
            + "Mend the export. If the loss is known and right, set [rules] max_set_aside in study.toml.",
        )
    empty = [
        f"{file.file} ({file.table})" for file in account.files if not file.loaded + file.repaired and file.rows_read
    ]
    empty = [name for name in empty if _no_row_of_table(name, account)]
    if empty:
        raise UserError(
            "No row of a file can be used.",
            culprits=empty,
            file=empty[0].split(" (")[0],
            remedy="Look at the reasons with `evalkit check`, or remove the file.",
        )


def _no_row_of_table(name: str, account: Account) -> bool:
    table = name.rsplit("(", 1)[1].rstrip(")")
    return not any(file.loaded + file.repaired for file in account.files if file.table == table)


def _data_rows(file: FileAccount, tables: Iterable[TableRows]) -> int:
    return next(
        len(raw.rows) for rows in tables if rows.name == file.table for raw in rows.files if raw.file == file.file
    )


def _first_lost(rows: TableRows, part: int) -> tuple[str, int]:
    lost = (rows.part == part) & (rows.fate == QUARANTINED) & rows.counted
    if not lost.any():
        return "", 0
    whys, counts = np.unique(rows.why[lost], return_counts=True)
    most = whys[counts.argmax()]
    return rows.reasons[most], int(rows.row[lost & (rows.why == most)][0])
