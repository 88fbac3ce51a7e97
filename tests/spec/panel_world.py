"""A small stand-in for a Study: the attributes the panel reads, with canonical frames made from plain rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType

import pandas as pd

from evalkit.rules import Rules, to_units

CODES = [
    ("", "Present", 0, True, False, False, False),
    ("AU", "UnexcusedAbsence", 1, True, False, False, False),
    ("AE", "ExcusedAbsence", 1, True, False, True, False),
    ("HD", "ExcusedAbsence", 0.5, True, False, True, False),
    ("T", "Tardy", 0, True, True, False, False),
    ("OSS", "UnexcusedAbsence", 1, True, False, False, True),
    ("ISS", "Present", 0, True, False, False, True),
    ("SNE", "NotExpected", 0, False, False, False, False),
]


@dataclass(frozen=True)
class World:
    """The attributes of a Study that panel and measures use."""

    tables: dict
    rules: Rules = field(default_factory=Rules)
    as_of: pd.Timestamp = field(default_factory=lambda: pd.Timestamp("2026-06-30"))
    complete_through: dict = field(default_factory=dict)
    school_year: int = 2026
    can: frozenset = frozenset()
    school: str = ""

    def table(self, name: str) -> pd.DataFrame:
        return self.tables.get(name, pd.DataFrame())


def texts(values) -> pd.Series:
    return pd.Series(list(values), dtype="str")


def days_of(values) -> pd.Series:
    return pd.to_datetime(pd.Series(list(values), dtype="object")).astype("datetime64[us]")


def code_table() -> pd.DataFrame:
    columns = ["code_local", "status", "counts_absent", "counts_enrolled", "is_tardy", "is_excused", "is_suspension"]
    frame = pd.DataFrame(CODES, columns=columns).astype({"code_local": "str", "status": "str"})
    described = {"ISS": "In-school suspension", "OSS": "Out-of-school suspension"}
    return frame.assign(
        description=frame["code_local"].map(described).fillna("A code").astype("str"),
        district_id=texts([None] * len(frame)),
        school_year=texts(["2026"] * len(frame)),
        counts_absent_units=frame["counts_absent"].map(to_units).astype("Int64"),
        pattern=texts([None] * len(frame)),
    )


def calendar(schools=("S1",), first="2025-09-01", n=20, weights=None, code="") -> pd.DataFrame:
    """n weekdays from `first` for each school."""
    dates = pd.bdate_range(first, periods=n)
    weights = [1.0] * n if weights is None else weights
    parts = [
        pd.DataFrame(
            {
                "school_id": texts([s] * n),
                "calendar_code": texts([code] * n),
                "date": days_of(dates),
                "is_instructional": pd.array([True] * n, dtype="boolean"),
                "day_weight": weights,
                "minutes": pd.array([360] * n, dtype="Int64"),
                "day_weight_units": pd.array([to_units(w) for w in weights], dtype="Int64"),
            }
        )
        for s in schools
    ]
    return pd.concat(parts, ignore_index=True)


def spans(rows) -> pd.DataFrame:
    """rows: (student, school, entry, exit or None) and optionally a dict of further columns."""
    extra = [dict(row[4]) if len(row) > 4 else {} for row in rows]
    return pd.DataFrame(
        {
            "student_id": texts(r[0] for r in rows),
            "school_id": texts(r[1] for r in rows),
            "school_year": texts(e.get("school_year", "2026") for e in extra),
            "entry_date": days_of(r[2] for r in rows),
            "exit_date": days_of(r[3] for r in rows),
            "exit_type": texts(e.get("exit_type") for e in extra),
            "is_primary": pd.array([e.get("is_primary") for e in extra], dtype="boolean"),
            "calendar_code": texts(e.get("calendar_code") for e in extra),
            "setting": texts(e.get("setting") for e in extra),
            "grade_level": texts(e.get("grade") for e in extra),
        }
    )


def events(rows) -> pd.DataFrame:
    """rows: (student, school, date, code) and optionally a dict of the other columns."""
    extra = [dict(row[4]) if len(row) > 4 else {} for row in rows]
    shares = [e.get("absent_days") for e in extra]
    return pd.DataFrame(
        {
            "student_id": texts(r[0] for r in rows),
            "school_id": texts(r[1] for r in rows),
            "date": days_of(r[2] for r in rows),
            "code_local": texts(r[3] for r in rows),
            "status": texts(e.get("status") for e in extra),
            "absent_days": pd.Series(shares, dtype="float64"),
            "absent_days_units": pd.array([None if s is None else to_units(s) for s in shares], dtype="Int64"),
            "minutes_absent": pd.array([e.get("minutes_absent") for e in extra], dtype="Int64"),
            "reason_code": texts(e.get("reason_code") for e in extra),
        }
    )


def world(event_rows, span_rows=(("a", "S1", "2025-09-01", None),), days=None, **options) -> World:
    """A study of these rows; every school complete through the end of the year unless `complete_through` says."""
    days = calendar(sorted({row[1] for row in span_rows})) if days is None else days
    schools = sorted(set(days["school_id"]))
    rules = Rules(**options.pop("rules", {}))
    through = options.pop("complete_through", {s: pd.Timestamp("2026-06-30") for s in schools})
    tables = {
        "attendance_event": events(event_rows),
        "enrollment": spans(span_rows),
        "calendar": days,
        "code_table": code_table(),
        "school": pd.DataFrame({"school_id": texts(schools), "district_id": texts([None] * len(schools))}),
    }
    tables.update(options.pop("tables", {}))
    return World(
        MappingProxyType({k: v for k, v in tables.items() if v is not None}),
        rules=rules,
        complete_through=through,
        **options,
    )
