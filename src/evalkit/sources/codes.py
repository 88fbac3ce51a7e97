"""Local attendance codes: which row of the code table gives a code its meaning, and [codes] of study.toml as rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from evalkit.config import FILE
from evalkit.errors import UserError, nearest
from evalkit.rules import to_units
from evalkit.schemas import empty_frame, tables
from evalkit.vocabulary import plain, spellings

_FLAGS = (
    "description",
    "status",
    "counts_absent",
    "counts_enrolled",
    "is_tardy",
    "is_excused",
    "is_suspension",
    "pattern",
)
_DEFAULT = {
    "description": "",
    "status": "",
    "counts_absent": 0.0,
    "counts_enrolled": True,
    "is_tardy": False,
    "is_excused": False,
    "is_suspension": False,
    "pattern": "",
}
MEANINGS: dict[str, dict[str, Any]] = {
    "Present": {},
    "Tardy": {"is_tardy": True},
    "EarlyDeparture": {},
    "ExcusedAbsence": {"counts_absent": 1.0, "is_excused": True},
    "UnexcusedAbsence": {"counts_absent": 1.0},
    "Unverified": {"counts_absent": 1.0},
    "NotExpected": {"counts_enrolled": False},
    "suspension": {"status": "ExcusedAbsence", "counts_absent": 1.0, "is_suspension": True, "pattern": "suspension"},
    "in_school_suspension": {"status": "Present", "is_suspension": True},
    "home_hospital": {"status": "NotExpected", "counts_enrolled": False, "description": "Home or hospital instruction"},
}


def end_year_of(dates: pd.Series) -> np.ndarray:
    """The END year of the school year a date lies in (a school year begins in July)."""
    index = pd.DatetimeIndex(dates)
    return (index.year + (index.month >= 7)).to_numpy()


def year_bounds(school_year: int) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First and last date of the school year named by its end year: 1 July to 30 June."""
    return pd.Timestamp(school_year - 1, 7, 1), pd.Timestamp(school_year, 6, 30)


def year_of_span(enrollment: pd.DataFrame) -> pd.Series:
    """The end year of the school year a span belongs to: its school_year, else read from its entry date."""
    by_date = pd.Series(end_year_of(enrollment["entry_date"]), index=enrollment.index)
    if "school_year" not in enrollment:
        return by_date.astype("int64")
    return stated_year(enrollment["school_year"]).fillna(by_date).astype("int64")


def stated_year(column: pd.Series) -> pd.Series:
    """Years written as text, as numbers; missing where there is none. Each spelling is read once."""
    place, spelled = pd.factorize(column)
    years = np.append(pd.to_numeric(pd.Series(spelled), errors="coerce").to_numpy(float), np.nan)
    return pd.Series(years[place], index=column.index)


def declared_codes(codes: Mapping[str, Any]) -> pd.DataFrame:
    """The attendance codes of `[codes]` as rows of a code table that serves every district and year."""
    coded_columns = {field.name for table in tables().values() for field in table.fields if field.choices}
    rows = []
    for code, meaning in codes.items():
        if code in coded_columns and isinstance(meaning, Mapping) and not set(meaning) & set(_FLAGS):
            _check_words(code, meaning)
            continue
        rows.append({**_DEFAULT, **_meaning(code, meaning), "code_local": code})
    frame = empty_frame("code_table")
    if not rows:
        return frame
    made = pd.DataFrame(rows).reindex(columns=frame.columns)
    made["counts_absent_units"] = [to_units(value) for value in made["counts_absent"]]
    for name in ("status", "description", "pattern"):
        made[name] = made[name].where(made[name] != "")
    return made.astype(frame.dtypes.to_dict())


def _meaning(code: str, meaning: Any) -> dict[str, Any]:
    """What one line of [codes] says: a word, or the flags of the code table."""
    if isinstance(meaning, str):
        word = meaning if meaning in MEANINGS else spellings("attendance_status").get(plain(meaning), "")
        if not word:
            raise _refused(code, f"Use one of: {', '.join(MEANINGS)}.")
        return {
            "status": word if word not in ("suspension", "in_school_suspension", "home_hospital") else "",
            **MEANINGS[word],
        }
    if not isinstance(meaning, Mapping):
        raise _refused(
            code, 'Write a word such as "ExcusedAbsence", or { status = "ExcusedAbsence", counts_absent = 1 }.'
        )
    for key, value in meaning.items():
        if key not in _FLAGS:
            near = nearest(key, _FLAGS)
            raise _refused(
                code, f'"{key}" is not known. ' + (f'Did you mean "{near}"?' if near else f"Use: {', '.join(_FLAGS)}.")
            )
        _must_fit(code, key, value)
    status = str(meaning.get("status", ""))
    if status and plain(status) not in spellings("attendance_status"):
        raise _refused(
            code, f"status must be one of: {', '.join(sorted(set(spellings('attendance_status').values())))}."
        )
    return {
        **dict(meaning),
        "status": spellings("attendance_status").get(plain(status), ""),
        "counts_absent": float(meaning.get("counts_absent", 0)),
    }


def _must_fit(code: str, key: str, value: Any) -> None:
    """Refuse a flag of the wrong kind."""
    if isinstance(_DEFAULT[key], bool):
        fits, wanted = isinstance(value, bool), "true or false"
    elif key == "counts_absent":
        fits, wanted = type(value) in (int, float) and 0 <= value <= 1, "a number from 0 to 1"
    else:
        fits, wanted = isinstance(value, str), "a text"
    if not fits:
        raise _refused(code, f"{key} needs {wanted}.")


def _check_words(column: str, words: Mapping[str, Any]) -> None:
    """The lines of [codes.<column>]: local word = a value of that column's list."""
    allowed = next(
        field.allowed for table in tables().values() for field in table.fields if field.name == column and field.choices
    )
    for word, value in words.items():
        if value not in allowed:
            raise UserError(
                f'[codes.{column}] "{word}" has a value evalkit does not know.',
                file=FILE,
                remedy=f"Use one of: {', '.join(allowed)}.",
            )


def _refused(code: str, remedy: str) -> UserError:
    return UserError(f'[codes] "{code}" has a meaning evalkit cannot use.', file=FILE, remedy=remedy)


def code_rows(events: pd.DataFrame, code_table: pd.DataFrame, school: pd.DataFrame) -> np.ndarray:
    """For each event, the place of its row in the code table (by code, district of the school, school year); -1: none.

    A blank code looks for a blank row. One district's table serves every school whose district has none.
    """
    district = dict(zip(school["school_id"], school["district_id"], strict=True)) if len(school) else {}
    asked = pd.DataFrame(
        {
            "code": events["code_local"].fillna("").to_numpy(),
            "year": end_year_of(events["date"]),
            "district": events["school_id"].map(district).fillna("").to_numpy() if district else "",
        }
    )
    groups = asked.groupby(["code", "year", "district"], sort=False, dropna=False)
    number = groups.ngroup().to_numpy()
    firsts = asked[~asked.duplicated()]
    order = number[firsts.index.to_numpy()]
    found = np.full(len(firsts), -1, np.int64)
    lookup = _lookup(code_table)
    for place, (code, year, where) in zip(order, firsts.itertuples(index=False), strict=True):
        found[place] = _best(lookup, str(code), str(year), str(where))
    return found[number] if len(number) else np.zeros(0, np.int64)


def _lookup(code_table: pd.DataFrame) -> dict[str, list[tuple[str, str, int]]]:
    found: dict[str, list[tuple[str, str, int]]] = {}
    rows = zip(
        code_table["code_local"].fillna(""),
        code_table["district_id"].fillna(""),
        code_table["school_year"].fillna(""),
        strict=True,
    )
    for place, (code, district, year) in enumerate(rows):
        found.setdefault(code, []).append((district, year, place))
    return found


def _best(lookup: Mapping[str, list[tuple[str, str, int]]], code: str, year: str, district: str) -> int:
    """The row that fits best: the school's own district before any, the year itself before the latest other one."""
    rows = lookup.get(code, [])
    if not rows:
        return -1

    def fit(row: tuple[str, str, int]) -> tuple[int, int, int, str, int]:
        own = 2 if row[0] == district else 1 if row[0] == "" else 0
        same = 2 if row[1] == year else 1 if row[1] == "" else 0
        earlier = 1 if row[1] and row[1] <= year else 0
        return own, same, earlier, row[1] if earlier else "", -row[2]

    return max(rows, key=fit)[2]
