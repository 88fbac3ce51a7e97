"""The usual study: one file (or several) per canonical table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evalkit.config import Config
from evalkit.errors import UserError
from evalkit.schemas import MINIMAL_SETS, empty_frame
from evalkit.sources import StudyTables
from evalkit.sources.account import account_of, must_not_lose_too_much
from evalkit.sources.canonical import keep_one, read_table, repeated_rows
from evalkit.sources.codes import declared_codes
from evalkit.sources.crosscheck import check_tables, id_remarks
from evalkit.sources.folder import files_of_study, notes_files, read_files
from evalkit.sources.rows import RawFile, TableRows, listed

_NOBODY_YET = "Nobody has a mentor yet? Write no_mentors_yet = true under [study] in study.toml."


def read_folder(folder: Path, config: Config) -> StudyTables:
    """Every table of a study folder, checked; refuses a folder without one of the two minimal sets."""
    paths, unread = files_of_study(folder, config)
    must_be_minimal(set(paths), config, folder, unread)
    raw = {name: read_files(name, found, folder, config) for name, found in paths.items()}
    for name, path in notes_files(folder).items():
        noted = read_files(name, [path], folder, config)
        raw.setdefault(name, []).extend(RawFile(**{**file.__dict__, "is_notes": True}) for file in noted)
    blank = _without_rows(raw, config)
    tables = {name: read_table(name, files, config) for name, files in raw.items() if name not in blank}
    remarks = [*_still_to_confirm(folder), *file_remarks(raw, unread), *finish(tables, config)]
    account = account_of(tables.values())
    must_not_lose_too_much(list(tables.values()), account, config.rules.max_set_aside,
                           ids=" ".join(id_remarks(tables)))
    account = account.with_more(account_of(blank.values()))
    return StudyTables(
        tables=frames(tables),
        account=account,
        remarks=tuple(dict.fromkeys(remarks)),
        inputs=inputs_of(folder, {**blank, **tables}),
        config=config,
        capabilities_off={},
    )


def _still_to_confirm(folder: Path) -> list[str]:
    """A remark on the guesses of `evalkit new` that nobody has confirmed."""
    path = folder / "study.toml"
    lines = path.read_text(encoding="utf-8-sig").splitlines() if path.exists() else []
    n = sum(CONFIRM_MARK.search(line) is not None for line in lines)
    said = (f"Guesses in study.toml that nobody has confirmed yet: {n}. Look at each line marked # confirm, correct "
            "it, and take the mark off.")
    return [said] if n else []


CONFIRM_MARK = re.compile(r"^[^#]*#\s*confirm\b", re.I)
"""The mark of `evalkit new` on a line that counts; a line that is a comment as a whole does not count."""


def _without_rows(raw: Mapping[str, list[RawFile]], config: Config) -> dict[str, TableRows]:
    """Tables whose files hold column names and no rows: read as none. Refused where the study needs one of them."""
    blank = {name: files for name, files in raw.items() if not any(len(file.rows) for file in files)}
    if blank and not _is_enough(set(raw) - set(blank), config):
        needed = [name for name in blank if name == "code_table" or any(name in one for one in MINIMAL_SETS)]
        more = f" {_NOBODY_YET}" if "assignment" in needed else ""
        raise UserError("The file has column names and no rows, and the study needs its table.",
                        file=blank[needed[0]][0].file, culprits=[f"{blank[name][0].file}: no rows" for name in needed],
                        remedy=f"Export it again with its rows.{more}")
    return {name: TableRows(name, files, np.zeros(0, np.int16), np.zeros(0, np.int64))
            for name, files in blank.items()}


def finish(tables: dict[str, TableRows], config: Config, *, strict_calendar: bool = True) -> list[str]:
    """Repeats counted, declared codes added, one row a key, every check across tables; remarks."""
    for rows in tables.values():
        repeated_rows(rows)
    _add_codes(tables, config)
    for name, rows in tables.items():
        if name != "attendance_event":
            keep_one(rows)
    return check_tables(tables, config, strict_calendar=strict_calendar)


def must_be_minimal(names: set[str], config: Config, folder: Path, unread: tuple[str, ...]) -> None:
    """Refuse a folder that holds neither minimal set; name what is missing from the nearer one."""
    if _is_enough(names, config):
        return
    codes = _code_table(names, config)
    names = names | ({"assignment"} if config.no_mentors_yet else set())
    if not names and (told := published_totals(folder)):
        raise told
    nearer = MINIMAL_SETS[0] if "attendance_total" not in names else MINIMAL_SETS[1]
    if "attendance_period" in names and not names & {"attendance_event", "attendance_total"}:
        nearer = MINIMAL_SETS[2]
    missing = sorted(set(nearer) - names) + sorted(codes - names if nearer is MINIMAL_SETS[0] else ())
    hint = f" Files here that are no table's: {listed(unread)}." if unread else ""
    add = f"Add {missing[0]}.csv (or .xlsx, .parquet), or name your file under [tables] in study.toml."
    if missing == ["assignment"]:
        add += f" {_NOBODY_YET}"
    if not names and unread:  # a folder of exports, not yet a study
        begin = f"Begin a study from these exports: evalkit new STUDY --from {folder.name}. "
    else:
        begin, hint = f"{add} ", f" To begin from other exports: evalkit new FOLDER --from EXPORTS.{hint}"
    raise UserError(
        f"The study has no file for: {', '.join(missing)}.",
        file=f"{folder.name}/",
        culprits=[
            "enough with daily attendance: student, enrollment, calendar, attendance_event, code_table, assignment",
            "enough with totals: student, attendance_total, assignment",
            "enough with periods: student, enrollment, calendar, attendance_period, assignment",
        ],
        remedy=f"{begin.strip()}{hint}",
    )


def _is_enough(names: set[str], config: Config) -> bool:
    """Whether these tables hold one of the minimal sets, with what the codes of attendance mean."""
    codes = _code_table(names, config)
    names = names | ({"assignment"} if config.no_mentors_yet else set())
    return any(set(wanted) <= names and (codes <= names or "attendance_event" not in wanted)
               for wanted in MINIMAL_SETS)


def _code_table(names: set[str], config: Config) -> set[str]:
    """The code table, where dated attendance needs one."""
    return {"code_table"} if "attendance_event" in names and not config.codes else set()


def published_totals(folder: Path) -> UserError | None:
    """A refusal that says so when the folder holds a state's published totals."""
    from evalkit.sources.published import find_published

    return find_published(folder)


def _add_codes(tables: dict[str, TableRows], config: Config) -> None:
    """Rows for the codes of [codes], and one for the blank code where it is declared to mean present."""
    made = declared_codes({**config.codes, **({"": "Present"} if config.blank_code == "present" else {})})
    if "code_table" in tables:
        rows = tables["code_table"]
        rows.frame["code_local"] = rows.frame["code_local"].fillna("")
        made = made[~made["code_local"].isin(rows.frame["code_local"][rows.usable])]
    if len(made):
        tables["code_table"] = _with_rows(tables.get("code_table"), made)
    if "attendance_event" in tables:
        frame = tables["attendance_event"].frame
        frame["code_local"] = frame["code_local"].fillna("")


def _with_rows(rows: TableRows | None, made: pd.DataFrame) -> TableRows:
    """A code table with rows that stand in study.toml; those are settings, not rows of a file."""
    if rows is None:
        rows = TableRows("code_table", [], np.zeros(0, np.int16), np.zeros(0, np.int64))
        rows.frame = empty_frame("code_table")
    rows.extra = made
    return rows


def frames(tables: Mapping[str, TableRows]) -> dict[str, pd.DataFrame]:
    """The usable rows of every table that has any."""
    found = {name: rows.settled() for name, rows in tables.items()}
    return {name: frame for name, frame in found.items() if len(frame)}


def inputs_of(folder: Path, tables: Mapping[str, TableRows]) -> dict[str, dict[str, Any]]:
    """file -> sha256 and rows, for the manifest."""
    from evalkit import files

    found = {file.file: {"sha256": file.sha256, "rows": file.n_rows} for rows in tables.values() for file in rows.files}
    if (folder / "study.toml").exists():
        found["study.toml"] = {"sha256": files.sha256(folder / "study.toml"), "rows": 0}
    return dict(sorted(found.items()))


def file_remarks(raw: Mapping[str, list[RawFile]], unread: tuple[str, ...]) -> list[str]:
    """What was noticed while reading: encodings, columns that are not used, files that are no table's."""
    remarks = [f"{file.file}: {note}." for files in raw.values() for file in files for note in file.notes]
    blank = [file.file for files in raw.values() for file in files if not len(file.rows)]
    if blank:
        remarks.append(f"Files with column names and no rows, read as none: {listed(blank)}.")
    for files in raw.values():
        dropped = sorted({column for file in files for column in file.dropped})
        if dropped:
            remarks.append(f"{files[0].file}: {len(dropped)} columns are not used and were dropped: {listed(dropped)}.")
    if unread:
        remarks.append(f"Files that are no table's and were not read: {listed(unread)}.")
    return remarks
