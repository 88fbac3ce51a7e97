"""Reading a study: file(s) -> canonical tables, and an account of every row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.config import Config, read_config
from evalkit.errors import UserError, nearest
from evalkit.sources.account import Account

if TYPE_CHECKING:
    import pandas as pd

SOURCES = {
    "folder": "one csv, xlsx or parquet file per table, with study.toml",
    "edfi": "a folder of Ed-Fi 5 XML",
    "oneroster": "a OneRoster 1.1 or 1.2 csv bundle with an attendance table",
}
"""Kinds of study folder and what each is. A new kind is one file here and one line."""


def listed() -> tuple[tuple[str, str], ...]:
    """(name, one line) of every kind of study folder, for `evalkit list sources`."""
    return tuple(SOURCES.items())


@dataclass(frozen=True)
class StudyTables:
    """What a source gives: canonical frames with usable rows only, the account, and remarks in plain sentences.

    memo: what was made of these tables by those who read them, kept as long as the tables are.
    """

    tables: Mapping[str, pd.DataFrame]
    account: Account
    remarks: tuple[str, ...]
    inputs: Mapping[str, Mapping[str, Any]]
    config: Config
    capabilities_off: Mapping[str, str]
    source: str = "folder"
    memo: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)


def read_study(folder: Path) -> StudyTables:
    """Read the study in `folder`, whatever its kind. Refuses what cannot be read, with every culprit."""
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError("There is no study folder of this name.", file=f"{folder.name}/", remedy=_near_folder(folder))
    kind = source_of(folder)
    config = read_config(folder)
    if kind == "edfi":
        from evalkit.sources.edfi import read_edfi

        return read_edfi(folder, config)
    if kind == "oneroster":
        from evalkit.sources.oneroster import read_oneroster

        return read_oneroster(folder, config)
    from evalkit.sources.study_folder import read_folder

    return read_folder(folder, config)


def source_of(folder: Path) -> str:
    """Which kind of study folder this is, told by its files."""
    names = {path.name.casefold() for path in folder.iterdir()}
    if "study.toml" in names and not any(name.endswith(".xml") for name in names):
        return "oneroster" if {"orgs.csv", "users.csv"} <= names else "folder"
    if any(name.endswith(".xml") for name in names) and "student.csv" not in names:
        return "edfi"
    return "oneroster" if {"orgs.csv", "users.csv"} <= names else "folder"


def _near_folder(folder: Path) -> str:
    parent = folder.absolute().parent
    near = nearest(folder.name, [p.name for p in parent.iterdir() if p.is_dir()]) if parent.is_dir() else ""
    return (
        f'Did you mean "{near}"?' if near else "Give the path of a folder that holds study.toml and one file per table."
    )
