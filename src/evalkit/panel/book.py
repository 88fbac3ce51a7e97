"""The day book: a study's attendance laid out once as numbered days, enrolment pieces and marks.

Every view of the panel is a difference of two running totals in it. Make it once with `open_days(study)` and hand it
to several views as `book=`, or let each view make its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from evalkit import engine as engines
from evalkit.engine import Source, open_session
from evalkit.errors import must_be_one_of
from evalkit.panel import calendar as cal
from evalkit.panel import marks as step
from evalkit.panel import spans as sp
from evalkit.panel.codes import read_codes
from evalkit.panel.periods import add_periods
from evalkit.panel.readers import TAKEN_AT_MOST, InEngine, Taken, take_rows
from evalkit.rules import UNITS_PER_DAY, Rules
from evalkit.sources.codes import year_of_span

Reader: TypeAlias = InEngine | Taken
DATED = ("attendance_event", "attendance_period")
FORMS = ("auto", "exceptions", "every_day", "totals")
EVERY_DAY_SHARE = 0.5
"""A school's file is an every-day file when at least half its rows say no more than present."""


@dataclass(frozen=True)
class DayBook:
    """days: grain school_id x calendar_code x date (day_row its number). pieces: grain piece, ordered by student and
    first day, each owning day rows row_first..row_end-1. marks: grain piece x day_row, with code_row into codes.
    has_rates: enrolment is known.
    """

    rules: Rules
    school_year: int
    days: pd.DataFrame
    pieces: pd.DataFrame
    marks: pd.DataFrame
    codes: pd.DataFrame
    has_rates: bool
    forms: Mapping[str, str]

    @cached_property
    def cum_units(self) -> np.ndarray:
        """Units of all day rows before row i."""
        return _running(self.days["units"])

    @cached_property
    def mark_places(self) -> np.ndarray:
        """Piece and day row of every mark in one sorted integer."""
        return self.marks["piece"].to_numpy("int64") * (len(self.days) + 1) + self.marks["day_row"].to_numpy("int64")

    @cached_property
    def mark_totals(self) -> Mapping[str, np.ndarray]:
        """What all marks before mark i add up to: units out and absent, days out and tardy, absent units by kind."""
        marks = self.marks
        absent = marks["absent_units"].to_numpy("int64")
        provisional = self.days["provisional"].to_numpy(bool)[marks["day_row"].to_numpy("int64")]
        return {name: _running(values) for name, values in (
            ("out_units", marks["out_units"]), ("absent_units", absent), ("out_days", marks["is_out"]),
            ("tardy_days", marks["is_tardy"]), ("excused_units", np.where(marks["is_excused"], absent, 0)),
            ("suspended_units", np.where(marks["suspension"].ne(""), absent, 0)),
            ("provisional_units", np.where(provisional, absent, 0)))}

    @cached_property
    def labels(self) -> Mapping[str, tuple[np.ndarray, pd.Index]]:
        """Student and school of every piece as codes and their sorted labels."""
        return {name: pd.factorize(self.pieces[name], sort=True) for name in ("student_id", "school_id")}

    @property
    def day_units(self) -> int:
        """Units of one usual school day."""
        return cal.usual_day(self.days, self.rules)


def _running(values: Any) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.asarray(values, dtype="int64"))])


def open_days(study: Any, *, school_year: int | None = None, cut: Mapping[str, pd.Timestamp] | None = None,
              form: str = "auto", engine: str = engines.DEFAULT) -> DayBook:
    """Lay out the daily attendance of one school year of a study.

    study: a Study (or anything with its attributes; its event table may be a parquet path). school_year: the reported
    one by default. cut: last day to count per school, instead of complete_through. form: auto, exceptions (no row =
    present) or every_day (no row = not counted). Days after the cut are never present and never enrolled.
    """
    must_be_one_of("form", form, ("auto", "exceptions", "every_day"))
    year = study.school_year if school_year is None else school_year
    first, last = cal.year_bounds(year)
    reader = kept_rows(study, year) if form == "auto" and engine == engines.DEFAULT else None
    if reader is not None:
        return _lay_out(study, reader, _codes(study, year), year=year, cut=cut, form=form)
    events: Source = study.tables.get("attendance_event", _no_events())
    codes, periods = _codes(study, year), study.tables.get("attendance_period")
    with open_session(engine, sources=[source for source in (events, periods) if source is not None]) as session:
        rows = step.open_rows(session, events, first=first, last=min(last, pd.Timestamp(study.as_of)))
        rows = add_periods(rows, periods, codes, study.rules, form=form)
        return _lay_out(study, InEngine(rows, codes, study.rules), codes, year=year, cut=cut, form=form)


def _codes(study: Any, year: int) -> pd.DataFrame:
    """What the year's codes mean."""
    return _remembered(study, ("codes", year), [study.tables.get(name) for name in ("code_table", "school")],
                       lambda: read_codes(_table(study, "code_table"), _every_school(study), study.rules,
                                          school_year=year))


def _remembered(study: Any, name: tuple[Any, ...], given: Sequence[Any], make: Callable[[], pd.DataFrame]
                ) -> pd.DataFrame:
    """What `make` gives, shared by all moments of a study as long as the tables it is made from are the same ones."""
    memo = getattr(getattr(study, "_all", None), "memo", {})
    known, found = memo.get(key := (*name, study.rules), ((), None))
    if found is None or len(known) != len(given) or any(a is not b for a, b in zip(known, given, strict=True)):
        found = make()
        memo[key] = given, found
    return found


def _every_school(study: Any) -> pd.DataFrame:
    """The school table and, below it, the schools that only the calendar or a span names: their district is unknown.
    Spans of all moments: what is found is shared by them."""
    listed, tables = _table(study, "school"), getattr(getattr(study, "_all", None), "tables", study.tables)
    named = pd.concat([cal.column_of(tables.get(name, pd.DataFrame()), "school_id")
                       for name in ("calendar", "enrollment")])
    more = named[~named.isin(cal.column_of(listed, "school_id"))].dropna().drop_duplicates()
    return pd.concat([listed, pd.DataFrame({"school_id": more})], ignore_index=True) if len(more) else listed


def kept_rows(study: Any, year: int) -> Taken | None:
    """The rows of a study that was read from files, taken once and shared by all its earlier moments (`Study.at`).

    None where a table is too large to hold or is no longer what was read: then the engine is asked.
    """
    whole, tables = getattr(study, "_all", None), [study.tables.get(name) for name in DATED]
    if whole is None or any(table is not None and (not isinstance(table, pd.DataFrame) or len(table) > TAKEN_AT_MOST)
                            for table in tables):
        return None
    first, end = cal.year_bounds(year)
    last, key = min(end, pd.Timestamp(study.as_of)), ("rows", study.school, year, study.rules)
    found = whole.memo.get(key)
    if found is None or found.last < last:
        found = whole.memo[key] = _take(study, tables, year, last)
    cut = found.up_to(last)
    rows = 0 if tables[0] is None else int(tables[0]["date"].between(first, last).sum())
    return cut if cut is not None and rows == int(cut.daily["n"].sum()) else None


def _take(study: Any, tables: list[pd.DataFrame | None], year: int, last: pd.Timestamp) -> Taken:
    events = _no_events() if tables[0] is None else tables[0]
    return take_rows(events, tables[1], _codes(study, year), study.rules, year=year, last=last)


def planned_days(study: Any, school_year: int) -> pd.DataFrame:
    """The numbered school days of a year from the calendar alone, without reading any attendance."""
    schools, calendar = _table(study, "school"), _table(study, "calendar")
    ids = sorted({*schools.get("school_id", ()), *_table(study, "enrollment").get("school_id", ())})
    days = cal.number_days(calendar, schools, school_ids=ids, rules=study.rules, school_year=school_year)
    return cal.mark_counted(days, study.rules, _cut(study, ids, school_year))


def _no_events() -> pd.DataFrame:
    names = ("student_id", "school_id", "code_local", "status", "reason_code")
    texts = {name: pd.Series(dtype="str") for name in names}
    return pd.DataFrame({**texts, "date": pd.Series(dtype="datetime64[us]"),
                         "absent_days_units": pd.Series(dtype="Int64"), "minutes_absent": pd.Series(dtype="Int64")})


def _lay_out(study: Any, reader: Reader, codes: pd.DataFrame, *, year: int, cut: Mapping | None, form: str) -> DayBook:
    rules: Rules = study.rules
    schools = _table(study, "school")
    forms = _forms(reader.counts(), form)
    spans = _spans(study, reader, forms, year)
    school_ids = sorted({*spans["school_id"].unique(), *schools.get("school_id", ())})
    calendar = _calendar(study, reader, forms, year)
    cut = _cut(study, school_ids, year) if cut is None else cut
    days = _remembered(study, ("days", year, *school_ids), [calendar, study.tables.get("school")],
                       lambda: cal.number_days(calendar, schools, school_ids=school_ids, rules=rules, school_year=year))
    days, pieces = _bind(cal.mark_counted(days, rules, cut), spans, rules)
    found, daily = reader.marks(pieces), _every_day(pieces, forms)
    with ThreadPoolExecutor(1) as beside:  # the engine counts rows while the marks are put in order here
        counting = beside.submit(reader.rows_per_piece, pieces, days) if len(daily) else None
        marks = _weighed(_in_order(_on_days(found, pieces, days), len(days)), days, rules)
        counts = counting.result() if counting else None
    marks = _with_gaps(_one_per_day(marks), _gaps(reader, counts, daily, days), days)
    return DayBook(rules, year, days, pieces, marks, codes, _has_rates(study, forms, year), forms)


def _table(study: Any, name: str) -> pd.DataFrame:
    found = study.tables.get(name)
    return found if found is not None else pd.DataFrame()


def _has_year(study: Any, year: int) -> bool:
    spans = _table(study, "enrollment")
    return len(spans) > 0 and bool((year_of_span(spans) == year).any())


def _has_rates(study: Any, forms: Mapping[str, str], year: int) -> bool:
    """Denominators are known with spans, or with every-day rows."""
    return _has_year(study, year) or (bool(forms) and all(form == "every_day" for form in forms.values()))


def _forms(counts: pd.DataFrame, form: str) -> dict[str, str]:
    """The form of each school's rows: as declared, or every_day where most rows say no more than present."""
    if form != "auto":
        return dict.fromkeys(counts["school_id"], form)
    daily = counts["n_plain"] >= EVERY_DAY_SHARE * counts["n"]
    return dict(zip(counts["school_id"], np.where(daily, "every_day", "exceptions").tolist(), strict=True))


def _spans(study: Any, reader: Reader, forms: Mapping[str, str], year: int) -> pd.DataFrame:
    """Non-overlapping spans; without an enrolment table, from the first to the last row (the whole year for
    exceptions, whose days enrolled are then not known)."""
    as_of = pd.Timestamp(study.as_of)
    if _has_year(study, year):
        return sp.without_overlaps(sp.usable_spans(_table(study, "enrollment"), school_year=year, as_of=as_of))
    seen = reader.first_and_last()
    daily = seen["school_id"].map(dict(forms)).eq("every_day")
    start, end = cal.year_bounds(year)
    seen = seen.assign(entry_date=seen["entry_date"].where(daily, start), exit_date=seen["exit_date"].where(daily, end),
                       school_year=year)
    return sp.without_overlaps(sp.usable_spans(seen, school_year=year, as_of=as_of))


def _calendar(study: Any, reader: Reader, forms: Mapping[str, str], year: int) -> pd.DataFrame:
    start, end = cal.year_bounds(year)
    calendar = _table(study, "calendar")
    if len(calendar) and calendar["date"].between(start, end).any():
        return calendar
    daily = bool(forms) and all(form == "every_day" for form in forms.values())
    return cal.days_from_rows(reader.distinct_days(), weekdays_only=not daily)


def _cut(study: Any, school_ids: list[str], year: int) -> dict[str, pd.Timestamp]:
    """The last day that counts per school: complete_through and as_of; a school that sent nothing has none."""
    as_of, given = pd.Timestamp(study.as_of), dict(study.complete_through or {})
    default = as_of if not given or year != study.school_year else pd.NaT
    return {school: min(as_of, pd.Timestamp(given[school])) if pd.notna(given.get(school)) else default
            for school in school_ids}


def _bind(days: pd.DataFrame, spans: pd.DataFrame, rules: Rules) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Number days and pieces, and give each piece its first day row and the row after its last counted one."""
    calendars = days[["school_id", "calendar_code"]].drop_duplicates(ignore_index=True)
    of_day = days.groupby(["school_id", "calendar_code"], sort=False).ngroup()
    days = days.assign(calendar=of_day.astype("int64"), day_row=np.arange(len(days)))
    pieces = spans.assign(calendar=sp.on_calendars(spans, calendars) if len(days) else -1)
    pieces = pieces.reset_index(drop=True)
    stamp = _stamp(days["calendar"].to_numpy(), cal.as_ordinal(days["date"]))
    owner = pieces["calendar"].to_numpy()
    begin = np.searchsorted(stamp, _stamp(owner, pieces["first"].to_numpy()), "left")
    end_all = np.searchsorted(stamp, _stamp(owner, pieces["last"].to_numpy()), "right")
    n_before = np.concatenate([[0], np.cumsum(days["counted"].to_numpy("int64"))])
    usable = (owner >= 0) & ~sp.out_of_denominator(pieces, rules).to_numpy(bool)
    end = np.where(usable, begin + (n_before[end_all] - n_before[begin]), begin)
    dates = {f"{name}_date": pd.to_datetime(pieces[name], unit="D").astype("datetime64[us]")
             for name in ("first", "last")}
    pieces = pieces.assign(piece=np.arange(len(pieces)), row_first=begin, row_end=end, row_planned=end_all,
                           is_out=~usable, **dates)
    pieces["student"] = pd.factorize(pieces["student_id"], sort=True)[0]
    return days, pieces


def _stamp(calendar: np.ndarray, ordinal: np.ndarray) -> np.ndarray:
    """Calendar and date in one sortable integer."""
    return calendar.astype("int64") * 1_000_000 + ordinal


def _weighed(marks: pd.DataFrame, days: pd.DataFrame, rules: Rules) -> pd.DataFrame:
    """Marks with their absent units under the rule for parts of days."""
    row = marks["day_row"].to_numpy("int64")
    units = days["units"].to_numpy("int64")[row]
    share = marks["absent_share"].to_numpy("int64")
    absent = _by_rule(share, units, marks, days, rules)
    return marks.assign(units=units, absent_units=absent, out_units=np.where(marks["is_out"], units, 0))


def _by_rule(share: np.ndarray, units: np.ndarray, marks: pd.DataFrame, days: pd.DataFrame, rules: Rules) -> np.ndarray:
    """Absent units: day = parts count as parts; full_day = only whole days; half_day = half or more is a whole day;
    sessions = two a day, each missed when half of it is; minutes = minutes of the day's minutes."""
    if rules.unit == "minutes":
        factor = cal.units_per_minute(cal.usual_minutes(days))
        minutes = marks["minutes_absent"].fillna(-1).to_numpy("int64")
        whole = share * (units // factor) // UNITS_PER_DAY
        stated = np.where(minutes >= 0, minutes, whole)
        return np.where(marks["is_out"], 0, np.minimum(stated * factor, units))
    half = UNITS_PER_DAY // 2
    if rules.unit == "full_day":
        share = np.where(share >= UNITS_PER_DAY, UNITS_PER_DAY, 0)
    elif rules.unit == "half_day":
        share = np.where(share >= half, UNITS_PER_DAY, 0)
    elif rules.unit == "sessions":
        share = (share + half // 2) // half * half
    return (share * units + UNITS_PER_DAY // 2) // UNITS_PER_DAY


def _every_day(pieces: pd.DataFrame, forms: Mapping[str, str]) -> pd.DataFrame:
    """The pieces with days in schools whose file has a row for every day."""
    return pieces[pieces["school_id"].map(dict(forms)).eq("every_day") & (pieces["row_end"] > pieces["row_first"])]


def _gaps(reader: Reader, counts: pd.Series | None, daily: pd.DataFrame, days: pd.DataFrame) -> pd.DataFrame:
    """Enrolled days without any row among every-day pieces: neither present nor enrolled."""
    if counts is None:
        return pd.DataFrame({"piece": [], "day_row": []}, dtype="int64")
    expected = daily["row_end"] - daily["row_first"]
    short = daily[expected.to_numpy() != counts.reindex(daily["piece"]).fillna(0).to_numpy("int64")]
    if short.empty:
        return pd.DataFrame({"piece": [], "day_row": []}, dtype="int64")
    grid = _grid(short)
    missing = ~pd.MultiIndex.from_frame(grid).isin(pd.MultiIndex.from_frame(reader.days_seen(short, days)))
    return grid[missing].reset_index(drop=True)


def _grid(pieces: pd.DataFrame) -> pd.DataFrame:
    """Every counted day of the pieces: grain piece x day_row."""
    length = (pieces["row_end"] - pieces["row_first"]).to_numpy("int64")
    start = np.repeat(pieces["row_first"].to_numpy("int64"), length)
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    return pd.DataFrame({"piece": np.repeat(pieces["piece"].to_numpy("int64"), length), "day_row": start + within})


def _on_days(marks: pd.DataFrame, pieces: pd.DataFrame, days: pd.DataFrame) -> pd.DataFrame:
    """Marks with the number of their school day, where it is one that their piece counts (none in a piece that is out
    of the denominator)."""
    piece = marks["piece"].to_numpy("int64")
    row = cal.day_rows(days, pieces["calendar"].to_numpy("int64")[piece], cal.as_ordinal(marks["date"]))
    begin, end = (pieces[name].to_numpy("int64")[piece] for name in ("row_first", "row_end"))
    marks, inside = marks.drop(columns="date").assign(piece=piece, day_row=row), (row >= begin) & (row < end)
    return marks if inside.all() else marks[inside]


def _in_order(marks: pd.DataFrame, n_days: int) -> pd.DataFrame:
    """By piece and day (rows of one student-day in no order)."""
    stamp = marks["piece"].to_numpy("int64") * (n_days + 1) + marks["day_row"].to_numpy("int64")
    return marks.iloc[np.argsort(stamp)].reset_index(drop=True)


def _one_per_day(marks: pd.DataFrame) -> pd.DataFrame:
    """One mark per student-day: of several rows the one with most absence, whatever order they came in."""
    piece, day = marks["piece"].to_numpy("int64"), marks["day_row"].to_numpy("int64")
    if not ((piece[1:] == piece[:-1]) & (day[1:] == day[:-1])).any():
        return marks
    keys = ["piece", "day_row", "absent_units", "out_units", "is_excused", "status", "code_row", "code_local",
            "reason_code"]
    ascending = [name not in ("absent_units", "is_excused") for name in keys]
    marks = marks.sort_values(keys, ascending=ascending, kind="stable")
    return marks.drop_duplicates(["piece", "day_row"], ignore_index=True)


def _with_gaps(marks: pd.DataFrame, gaps: pd.DataFrame, days: pd.DataFrame) -> pd.DataFrame:
    """Add the days without a record, as marks that take their day out of the denominator."""
    flags = ["is_out", "is_tardy", "is_excused"]
    marks = marks.astype(dict.fromkeys(flags, bool))
    if gaps.empty:
        return marks.assign(is_gap=False)
    units = days["units"].to_numpy("int64")[gaps["day_row"]]
    unrecorded = gaps.assign(units=units, out_units=units, absent_units=0, absent_share=0, is_out=True, is_tardy=False,
                             is_excused=False, suspension="", is_gap=True)
    both = pd.concat([marks.assign(is_gap=False), unrecorded], ignore_index=True)
    return both.sort_values(["piece", "day_row"], kind="stable", ignore_index=True)
