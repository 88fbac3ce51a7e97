"""Every canonical table: its grain (key), columns, types, units and allowed values. The rows are two csv files."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files
from typing import TYPE_CHECKING, Any

from evalkit.errors import UserError, nearest
from evalkit.vocabulary import choices

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("id", "code", "text", "list", "date", "bool", "int", "num")
MINIMAL_SETS = (
    ("student", "enrollment", "calendar", "attendance_event", "assignment"),
    ("student", "attendance_total", "assignment"),
    ("student", "enrollment", "calendar", "attendance_period", "assignment"),
)


@dataclass(frozen=True)
class Field:
    """One column. exact: "part" of a day or "total" of days, then `<name>_units` holds it as an exact integer.

    lowest, highest: the range a value must lie in (">0" leaves the edge out). private: never leaves the site.
    """

    table: str
    name: str
    kind: str
    required: bool
    blank_ok: bool
    choices: str
    unit: str
    exact: str
    lowest: str
    highest: str
    private: bool
    note: str
    standard: str

    @property
    def allowed(self) -> tuple[str, ...]:
        """The values a code may have; empty when any text will do."""
        return tuple(choices(self.choices)) if self.choices else ()

    @property
    def units_name(self) -> str:
        """The name of the exact integer column beside this one, or an empty text."""
        return f"{self.name}_units" if self.exact else ""


@dataclass(frozen=True)
class Table:
    """One canonical table. key: the columns that name a row; grain: the same in words."""

    name: str
    key: tuple[str, ...]
    grain: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        return next(field for field in self.fields if field.name == name)

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names as they stand in a file."""
        return tuple(field.name for field in self.fields)

    @property
    def frame_columns(self) -> tuple[str, ...]:
        """Column names of the loaded frame: each exact integer column right after its days."""
        return tuple(name for field in self.fields for name in (field.name, field.units_name) if name)

    @property
    def required(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields if field.required)


def _read(name: str) -> list[dict[str, str]]:
    text = (package_files("evalkit.schemas") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@cache
def tables() -> dict[str, Table]:
    """Every canonical table by name, in the schema's order."""
    fields: dict[str, list[Field]] = {}
    for row in _read("fields.csv"):
        flags = {name: row.pop(name) == "yes" for name in ("required", "blank_ok", "private")}
        settings: dict[str, Any] = {**row, **flags, "name": row["field"]}
        settings.pop("field")
        fields.setdefault(row["table"], []).append(Field(**settings))
    return {
        row["table"]: Table(row["table"], tuple(row["key"].split(";")), row["grain"], tuple(fields[row["table"]]))
        for row in _read("tables.csv")
    }


def table(name: str) -> Table:
    """The canonical table of this name; an unknown one is refused with the nearest."""
    found = tables().get(name)
    if found is None:
        near = nearest(name, tables())
        raise UserError(
            f'evalkit has no table "{name}".',
            remedy=f'Did you mean "{near}"?' if near else f"Use one of: {', '.join(tables())}.",
        )
    return found


def dtype(kind: str) -> object:
    """The pandas dtype of a kind of column."""
    import numpy as np
    import pandas as pd

    if kind in ("id", "code", "text", "list"):
        return pd.StringDtype(na_value=np.nan)
    return {
        "date": np.dtype("datetime64[us]"),
        "bool": pd.BooleanDtype(),
        "int": pd.Int64Dtype(),
        "num": np.dtype("float64"),
        "units": pd.Int64Dtype(),
    }[kind]


def empty_frame(name: str) -> pd.DataFrame:
    """The canonical frame of a table with no rows: every column, its type, in schema order."""
    import pandas as pd

    columns = {}
    for field in table(name).fields:
        columns[field.name] = pd.Series([], dtype=dtype(field.kind))
        if field.exact:
            columns[field.units_name] = pd.Series([], dtype=dtype("units"))
    return pd.DataFrame(columns)


def must_have_grain(frame: pd.DataFrame, key: tuple[str, ...], *, name: str) -> None:
    """Refuse a frame that has two rows for one key, or lacks a key column."""
    missing = [column for column in key if column not in frame.columns]
    if missing:
        raise UserError(
            f"The {name} has no column {', '.join(missing)}.", remedy=f"Its rows are named by: {', '.join(key)}."
        )
    n_repeated = int(frame.duplicated(list(key)).sum())
    if n_repeated:
        raise UserError(
            f"The {name} has {n_repeated} rows too many: one row is meant for each {' x '.join(key)}.",
            remedy="Add the rows up, or keep one, before this step.",
        )
