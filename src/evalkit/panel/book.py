"""The day book: a study's attendance laid out once as numbered days, enrolment pieces and marks.

Every view of the panel is a difference of two running totals in it. Make it once with `open_days(study)` and hand it
to several views as `book=`, or let each view make its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
from evalkit.rules import UNITS_PER_DAY, Rules

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

    @property
    def cum_units(self) -> np.ndarray:
        """Units of all day rows before row i."""
        return np.concatenate([[0], np.cumsum(self.days["units"].to_numpy("int64"))])

    @property
    def day_units(self) -> int:
        """Units of one usual school day."""
        return cal.usual_day(self.days, self.rules)


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
    events: Source = study.tables.get("attendance_event", _no_events())
    with open_session(engine, sources=[events, *_periods(study)]) as session:
        rows = step.open_rows(session, events, first=first, last=min(last, pd.Timestamp(study.as_of)))
        return _lay_out(study, rows, year=year, cut=cut, form=form)


def planned_days(study: Any, school_year: int) -> pd.DataFrame:
    """The numbered school days of a year from the calendar alone, without reading any attendance."""
    schools, calendar = _table(study, "school"), _table(study, "calendar")
    ids = sorted({*schools.get("school_id", ()), *_table(study, "enrollment").get("school_id", ())})
    return cal.number_days(calendar, schools, school_ids=ids, rules=study.rules, school_year=school_year,
                           cut=_cut(study, ids, school_year))


def _periods(study: Any) -> list[Source]:
    """The table attendance_period, where the study has one."""
    found = study.tables.get("attendance_period")
    return [] if found is None else [found]


def _no_events() -> pd.DataFrame:
    names = ("student_id", "school_id", "code_local", "status", "reason_code")
    texts = {name: pd.Series(dtype="str") for name in names}
    return pd.DataFrame({**texts, "date": pd.Series(dtype="datetime64[us]"),
                         "absent_days_units": pd.Series(dtype="Int64"), "minutes_absent": pd.Series(dtype="Int64")})


def _lay_out(study: Any, rows: step.Rows, *, year: int, cut: Mapping | None, form: str) -> DayBook:
    rules: Rules = study.rules
    schools = _table(study, "school")
    codes = read_codes(_table(study, "code_table"), schools, rules, school_year=year)
    rows = add_periods(rows, next(iter(_periods(study)), None), codes, rules, form=form)
    table = step.interpret(rows, codes, rules)
    forms = _forms(rows, codes, form)
    spans = _spans(study, rows, forms, year)
    school_ids = sorted(set(spans["school_id"]) | set(schools.get("school_id", ())))
    calendar = _calendar(study, rows, forms, year)
    cut = _cut(study, school_ids, year) if cut is None else cut
    days = cal.number_days(calendar, schools, school_ids=school_ids, rules=rules, cut=cut, school_year=year)
    days, pieces = _bind(days, spans, rules)
    lazy_pieces, lazy_days = step.dimensions(rows.session, pieces, days)
    marks = step.collect_marks(table, lazy_pieces, lazy_days)
    marks = _one_per_day(_weighed(_inside(marks, pieces), days, rules))
    marks = _with_gaps(marks, _gaps(rows, forms, pieces, days, lazy_pieces, lazy_days), days)
    return DayBook(rules, year, days, pieces, marks, codes, _has_rates(study, forms, year), forms)


def _table(study: Any, name: str) -> pd.DataFrame:
    found = study.tables.get(name)
    return found if found is not None else pd.DataFrame()


def _has_year(study: Any, year: int) -> bool:
    spans = _table(study, "enrollment")
    return len(spans) > 0 and bool((sp.year_of_span(spans) == year).any())


def _has_rates(study: Any, forms: Mapping[str, str], year: int) -> bool:
    """Denominators are known with spans, or with every-day rows."""
    return _has_year(study, year) or (bool(forms) and all(form == "every_day" for form in forms.values()))


def _forms(rows: step.Rows, codes: pd.DataFrame, form: str) -> dict[str, str]:
    """The form of each school's rows: as declared, or every_day where most rows say no more than present."""
    counts = pd.concat([step.share_plain(rows, codes), rows.period_counts], ignore_index=True)
    counts = counts.drop_duplicates("school_id")  # daily rows decide, where a school has both
    if form != "auto":
        return dict.fromkeys(counts["school_id"], form)
    daily = counts["n_plain"] >= EVERY_DAY_SHARE * counts["n"]
    return dict(zip(counts["school_id"], np.where(daily, "every_day", "exceptions").tolist(), strict=True))


def _spans(study: Any, rows: step.Rows, forms: Mapping[str, str], year: int) -> pd.DataFrame:
    """Non-overlapping spans; without an enrolment table, from the first to the last row (the whole year for
    exceptions, whose days enrolled are then not known)."""
    as_of = pd.Timestamp(study.as_of)
    if _has_year(study, year):
        return sp.without_overlaps(sp.usable_spans(_table(study, "enrollment"), school_year=year, as_of=as_of))
    seen = step.first_and_last(rows)
    daily = seen["school_id"].map(dict(forms)).eq("every_day")
    start, end = cal.year_bounds(year)
    seen = seen.assign(entry_date=seen["entry_date"].where(daily, start), exit_date=seen["exit_date"].where(daily, end),
                       school_year=year)
    return sp.without_overlaps(sp.usable_spans(seen, school_year=year, as_of=as_of))


def _calendar(study: Any, rows: step.Rows, forms: Mapping[str, str], year: int) -> pd.DataFrame:
    start, end = cal.year_bounds(year)
    calendar = _table(study, "calendar")
    if len(calendar) and calendar["date"].between(start, end).any():
        return calendar
    daily = bool(forms) and all(form == "every_day" for form in forms.values())
    return cal.days_from_rows(step.distinct_days(rows), weekdays_only=not daily)


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


def _gaps(rows: step.Rows, forms: Mapping[str, str], pieces: pd.DataFrame, days: pd.DataFrame, lazy_pieces: Any,
          lazy_days: Any) -> pd.DataFrame:
    """Enrolled days without any row in schools whose file has a row for every day: neither present nor enrolled."""
    daily = pieces[pieces["school_id"].map(dict(forms)).eq("every_day") & (pieces["row_end"] > pieces["row_first"])]
    if daily.empty:
        return pd.DataFrame({"piece": [], "day_row": []}, dtype="int64")
    counts = step.rows_per_piece(rows, lazy_pieces, lazy_days).set_index("piece")["n"]
    expected = daily["row_end"] - daily["row_first"]
    short = daily[expected.to_numpy() != counts.reindex(daily["piece"]).fillna(0).to_numpy("int64")]
    if short.empty:
        return pd.DataFrame({"piece": [], "day_row": []}, dtype="int64")
    few, numbered = step.dimensions(rows.session, short, days)
    seen = step.days_seen(rows, few, numbered)
    grid = _grid(short)
    missing = ~pd.MultiIndex.from_frame(grid).isin(pd.MultiIndex.from_frame(seen.astype("int64")))
    return grid[missing].reset_index(drop=True)


def _grid(pieces: pd.DataFrame) -> pd.DataFrame:
    """Every counted day of the pieces: grain piece x day_row."""
    length = (pieces["row_end"] - pieces["row_first"]).to_numpy("int64")
    start = np.repeat(pieces["row_first"].to_numpy("int64"), length)
    within = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    return pd.DataFrame({"piece": np.repeat(pieces["piece"].to_numpy("int64"), length), "day_row": start + within})


def _inside(marks: pd.DataFrame, pieces: pd.DataFrame) -> pd.DataFrame:
    """Marks on days their piece counts (none in a piece that is out of the denominator)."""
    piece = marks["piece"].to_numpy("int64")
    marks = marks.assign(piece=piece, day_row=marks["day_row"].to_numpy("int64"))
    return marks[marks["day_row"].to_numpy() < pieces["row_end"].to_numpy("int64")[piece]]


def _one_per_day(marks: pd.DataFrame) -> pd.DataFrame:
    """One mark per student-day: of several rows the one with most absence, whatever the order they came in."""
    order = ["piece", "day_row", "absent_units", "out_units", "is_excused", "status", "code_row", "code_local",
             "reason_code"]
    if not marks.duplicated(["piece", "day_row"]).any():
        return marks.sort_values(order[:2], kind="stable", ignore_index=True)
    ascending = [name not in ("absent_units", "is_excused") for name in order]
    marks = marks.sort_values(order, ascending=ascending, kind="stable")
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
