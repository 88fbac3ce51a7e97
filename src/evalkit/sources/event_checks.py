"""Checks of attendance events: daily rows, on school days, inside the enrollment, codes with a meaning, one a day."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from evalkit.config import Config
from evalkit.errors import UserError
from evalkit.sources.canonical import shown
from evalkit.sources.codes import code_rows, end_year_of
from evalkit.sources.rows import QUARANTINED, TableRows, Tables, row_texts, usable
from evalkit.vocabulary import plain

PERIOD_FILE = (
    "name this file under [tables] as attendance_period (columns period, minutes_scheduled, minutes_present) and "
    'choose how periods make a day: [rules] period_rollup = "half_of_minutes" (the default), "half_day_bands", or '
    '"homeroom" with homeroom_period = "HR".'
)


def year_bounds(tables: Tables, config: Config) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """The first and last day that any row may name: from the calendar, else the spans or totals, widened to years."""
    for name, column in (("calendar", "date"), ("attendance_total", "period_end"), ("enrollment", "entry_date")):
        dates = usable(tables, name)[column]
        if len(dates):
            years = end_year_of(dates)
            low, high = np.quantile(years, [0.001, 0.999], method="nearest")
            high = max(int(high), config.school_year)
            return pd.Timestamp(int(low) - 1, 7, 1), pd.Timestamp(high, 8, 31)
    return None


def check_events(tables: Tables, config: Config, *, strict_calendar: bool) -> list[str]:
    """Period files refused; days outside the year, the calendar or the span dropped; codes must have a meaning."""
    rows = tables["attendance_event"]
    must_be_daily(rows)
    if strict_calendar:
        on_school_days(tables, config, "attendance_event")
    else:
        rows.set_aside(rows.frame["date"].dt.weekday >= 5, "date: on a Saturday or Sunday")
    _inside_span(tables)
    _codes_have_meaning(tables, config)
    return _repeated_days(tables)


def must_be_daily(rows: TableRows) -> None:
    """Refuse a file that holds several rows a student and day: it is period attendance."""
    words = {"period", "periodname", "section", "sectionid", "classperiod", "periodno"}
    for index, file in enumerate(rows.files):
        column = next((name for name in file.dropped if plain(name) in words), "")
        here = (rows.part == index) & (rows.fate != QUARANTINED if column else rows.usable)
        frame = rows.frame.loc[here, ["student_id", "date"]]
        days = len(frame.drop_duplicates())
        if days and len(frame) > (1.05 if column else 1.5) * days:
            raise UserError(
                "This file has several rows for a student and day: it looks like period attendance.",
                file=file.file,
                column=column,
                remedy="Export daily attendance; or " + PERIOD_FILE,
            )


def on_school_days(tables: Tables, config: Config, name: str) -> None:
    """Set aside rows of a dated table on days that are no school days of their school."""
    rows, calendar = tables[name], usable(tables, "calendar")
    bounds = year_bounds(tables, config)
    frame = rows.frame
    year = pd.Series(end_year_of(frame["date"]), index=frame.index)
    if bounds and len(calendar):
        known = set(end_year_of(calendar["date"]))
        earlier = set(pd.to_numeric(usable(tables, "enrollment")["school_year"]).tolist()) - known
        rows.set_aside(
            year.isin({y for y in earlier if y < min(known)}),
            "date: in an earlier school year that has no calendar",
            counts=False,
        )
        rows.set_aside(~year.isin(known), "date: outside the school year")
    school_days = calendar[calendar["is_instructional"].fillna(False).astype(bool)]
    mine, theirs = _joint(frame["school_id"], frame["date"], school_days["school_id"], school_days["date"])
    rows.set_aside(~np.isin(mine, theirs), "date: not a school day in the school's calendar")


def _joint(
    schools: pd.Series, dates: pd.Series, open_at: pd.Series, open_on: pd.Series
) -> tuple[np.ndarray, np.ndarray]:
    """School x date of two frames as one integer each."""
    codes, _ = pd.factorize(pd.concat([schools, open_at], ignore_index=True))
    days = np.concatenate([day_numbers(dates), day_numbers(open_on)])
    joint = codes.astype(np.int64) * 200_000 + days
    return joint[: len(schools)], np.unique(joint[len(schools) :])


def day_numbers(dates: pd.Series) -> np.ndarray:
    """Dates as whole days since 1970; a missing one is -1."""
    days = dates.to_numpy("datetime64[D]").astype(np.int64)
    return np.where(dates.isna().to_numpy(), -1, days)


def _inside_span(tables: Tables) -> None:
    """Drop events on days the student is not enrolled at that school."""
    rows, spans = tables["attendance_event"], usable(tables, "enrollment")
    if not len(spans):
        return
    inside = inside_spans(rows.frame, spans)
    rows.set_aside(~inside, "date: outside the student's enrollment at that school")


def inside_spans(events: pd.DataFrame, spans: pd.DataFrame) -> np.ndarray:
    """Whether each event lies in a span of its student and school. Sorted search: no row is multiplied."""
    n = len(events)
    students, _ = pd.factorize(pd.concat([events["student_id"], spans["student_id"]], ignore_index=True))
    schools, _ = pd.factorize(pd.concat([events["school_id"], spans["school_id"]], ignore_index=True))
    key = students.astype(np.int64) * (schools.max() + 1) + schools
    entry = day_numbers(spans["entry_date"])
    leave = np.where(spans["exit_date"].isna().to_numpy(), 199_999, day_numbers(spans["exit_date"]))
    order = np.lexsort((entry, key[n:]))
    begin = key[n:][order] * 200_000 + entry[order]
    reach = np.maximum.accumulate(key[n:][order] * 200_000 + leave[order])
    at = key[:n] * 200_000 + day_numbers(events["date"])
    place = np.searchsorted(begin, at, side="right") - 1
    same = (place >= 0) & (key[n:][order][np.maximum(place, 0)] == key[:n])
    return same & (reach[np.maximum(place, 0)] >= at)


def _codes_have_meaning(tables: Tables, config: Config) -> None:
    """Stop at codes that the code table does not hold, unless the event itself says its status."""
    rows = tables["attendance_event"]
    events = rows.frame[rows.usable]
    codes = usable(tables, "code_table")
    place = code_rows(events, codes, usable(tables, "school"))
    bare = (place < 0) & events["status"].isna().to_numpy()
    blank = bare & events["code_local"].fillna("").eq("").to_numpy()
    if blank.any():
        file, row = rows.first_row(_at(rows, blank))
        raise UserError(
            f"{int(blank.sum())} attendance rows have a blank code, which can mean present.",
            file=file,
            row=row,
            column="code_local",
            remedy='If blank means present, say so in study.toml: [study] blank_code = "present".',
        )
    if not bare.any():
        return
    counts = Counter(events["code_local"].to_numpy()[bare].tolist())
    file, row = rows.first_row(_at(rows, bare))
    stub = "  ".join(f'{shown(code)} = "UnexcusedAbsence"' for code, _ in counts.most_common(6))
    raise UserError(
        f"{len(counts)} attendance codes are not in the code table.",
        file=file,
        row=row,
        column="code_local",
        culprits=[f"{shown(code)}: {n} rows" for code, n in counts.most_common()],
        remedy="Add a row for each to code_table, or lines under [codes] in study.toml and edit the right-hand "
        f"side: {stub}",
    )


def _at(rows: TableRows, bare: np.ndarray) -> np.ndarray:
    hit = np.zeros(len(rows.row), bool)
    hit[np.flatnonzero(rows.usable)[bare]] = True
    return hit


def _repeated_days(tables: Tables) -> list[str]:
    """One row a student, school and day: the later extract wins, then the row with more absence."""
    rows = tables["attendance_event"]
    key = ["student_id", "school_id", "date"]
    at = np.flatnonzero(rows.usable)
    near = at[rows.frame[key].iloc[at].duplicated(keep=False).to_numpy()]
    if not len(near):
        return []
    frame = rows.frame.iloc[near]
    codes = usable(tables, "code_table")
    place = code_rows(frame, codes, usable(tables, "school"))
    given = frame["absent_days_units"].to_numpy("float64", na_value=np.nan)
    default = codes["counts_absent_units"].to_numpy("float64", na_value=np.nan)
    default = np.where(place >= 0, default[np.maximum(place, 0)] if len(default) else np.nan, np.nan)
    units = np.where(np.isnan(given), default, given)
    content = row_texts(frame.drop(columns=["as_of"]))
    order = pd.DataFrame(
        {
            "as_of": frame["as_of"].fillna(pd.Timestamp(1900, 1, 1)).to_numpy(),
            "units": np.nan_to_num(units, nan=-1.0),
            "content": content,
        }
    )
    ranked = order.sort_values(["as_of", "units", "content"], ascending=False, kind="stable")
    groups = row_texts(frame[key])[ranked.index]
    first = ~pd.Series(groups).duplicated().to_numpy()
    winner = pd.Series(ranked.index[first], index=groups[first])
    best = winner[groups].to_numpy()
    mine = ranked.index.to_numpy()
    lost = ~first
    same_rest = order["content"].to_numpy()[best] == order["content"].to_numpy()[mine]
    older = order["as_of"].to_numpy()[best] > order["as_of"].to_numpy()[mine]
    rows.repeated(_mask(rows, near, mine[lost & same_rest]), "the same row in a later extract")
    rows.set_aside(
        _mask(rows, near, mine[lost & older & ~same_rest]), "replaced by a later extract (as_of)", counts=False
    )
    n = rows.set_aside(
        _mask(rows, near, mine[lost & ~older & ~same_rest]),
        "date: the student already has a row for this day; the one with more absence is kept",
    )
    return [f"Student-days with two different rows: {n}. The row with more absence is kept."] if n else []


def _mask(rows: TableRows, near: np.ndarray, which: np.ndarray) -> np.ndarray:
    hit = np.zeros(len(rows.row), bool)
    hit[near[which]] = True
    return hit
