"""Checks across tables: unknown students, spans, days that are no school days, codes without a meaning, totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from evalkit.config import Config
from evalkit.errors import UserError
from evalkit.schemas import table as schema_table
from evalkit.sources.canonical import shown
from evalkit.sources.codes import code_rows, end_year_of
from evalkit.sources.rows import QUARANTINED, TableRows, as_mask, row_texts
from evalkit.vocabulary import plain

NO_SHOW = {"noshow", "invalidenrollment", "invalid"}
_DATES_INSIDE = {"assignment": "begin_date", "contact": "date", "barrier": "identified_date", "recognition": "date",
                 "service": "scheduled_date", "survey": "asked_on", "success_plan": "made_on"}
Tables = Mapping[str, TableRows]


def usable(tables: Tables, name: str) -> pd.DataFrame:
    """The rows of a table that are still in use; an empty canonical frame where there is no such table."""
    from evalkit.schemas import empty_frame

    if name not in tables:
        return empty_frame(name)
    rows = tables[name]
    return rows.settled() if rows.extra is not None else rows.frame[rows.usable]


def check_tables(tables: Tables, config: Config, *, strict_calendar: bool = True) -> list[str]:
    """Set aside every row that another table shows to be impossible; return remarks in plain sentences."""
    remarks: list[str] = []
    known = set(usable(tables, "student")["student_id"])
    for name in tables:
        if name not in ("student", "identity") and "student_id" in schema_table(name).columns:
            _unknown_students(tables[name], known)
    if "identity" in tables:
        tables["identity"].set_aside(~tables["identity"].frame["student_id"].isin(known), "names of an unknown student",
                                     counts=False)
    if "enrollment" in tables:
        remarks += check_enrollment(tables, config)
    if "calendar" in tables:
        remarks += check_calendar(tables["calendar"])
    if "attendance_event" in tables:
        remarks += check_events(tables, config, strict_calendar=strict_calendar)
    if "attendance_total" in tables:
        remarks += check_totals(tables["attendance_total"], config)
    _programme(tables, year_bounds(tables, config))
    if "prior_year" in tables:
        remarks += _prior_year(tables["prior_year"])
    return remarks + id_remarks(tables)


def _unknown_students(rows: TableRows, known: set[str]) -> None:
    ids = rows.frame["student_id"]
    outside = ids.notna() & ~ids.isin(known)
    if rows.name == "prior_year":  # last year's leavers are no fault of this year's roster
        rows.set_aside(outside, "student_id: not in the student table (left before this year)", counts=False)
    rows.set_aside(outside, "student_id: not in the student table (unknown student)")


def id_remarks(tables: Tables) -> list[str]:
    """A warning where numeric ids differ in length, which lost zeros do."""
    lengths: dict[str, set[int]] = {}
    for name, rows in tables.items():
        if "student_id" in rows.frame:
            ids = rows.frame["student_id"].dropna()
            numeric = ids[ids.str.fullmatch(r"\d+")]
            if len(numeric):
                lengths[name] = set(numeric.str.len().unique().tolist())
    if len(set().union(*lengths.values())) > 1 if lengths else False:
        return ["Student ids made of digits differ in length: a program may have dropped zeros at the front. If so, set "
                "[study] id_width in study.toml."]
    return []


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


def check_enrollment(tables: Tables, config: Config) -> list[str]:
    """No-shows, spans that end before they begin, entries outside their year; spans learn their calendar."""
    rows, remarks = tables["enrollment"], []
    frame = rows.frame
    if config.exit_is_exclusive:
        frame["exit_date"] = frame["exit_date"] - pd.Timedelta(days=1)
        remarks.append("Exit dates are read as the first day away (exit_is_exclusive), so the last day is the day before.")
    never_came = [word for word in frame["exit_type"].dropna().unique() if plain(word) in NO_SHOW]
    rows.set_aside(frame["exit_type"].isin(never_came), "exit_type: a no-show or invalid enrolment, dropped", counts=False)
    nothing = frame["exit_date"] == frame["entry_date"] - pd.Timedelta(days=1) if config.exit_is_exclusive else None
    if nothing is not None:
        rows.set_aside(nothing, "exit_date: on the entry date, so no day in school", counts=False)
    rows.set_aside(frame["exit_date"] < frame["entry_date"], "exit_date: before entry_date")
    rows.set_aside(_outside_own_year(frame), "entry_date: more than 60 days outside its school year")
    same_day = int((rows.usable & as_mask(frame["exit_date"] == frame["entry_date"])).sum())
    if same_day:
        remarks.append(f"Enrolment spans that begin and end on the same day: {same_day}. They may be no-shows.")
    remarks += _calendars_of_spans(tables) + _overlaps(rows)
    return remarks


def _outside_own_year(frame: pd.DataFrame) -> pd.Series:
    """Entry more than 60 days before the school year begins (August) or after it ends (July)."""
    year = pd.to_numeric(frame["school_year"], errors="coerce")
    begin = pd.to_datetime({"year": year - 1, "month": 8, "day": 1}, errors="coerce")
    end = pd.to_datetime({"year": year, "month": 7, "day": 31}, errors="coerce")
    margin = pd.Timedelta(days=60)
    return (frame["entry_date"] < begin - margin) | (frame["entry_date"] > end + margin)


def _calendars_of_spans(tables: Tables) -> list[str]:
    """A school with one calendar needs none on its spans; with several, a span must say which."""
    rows, calendar = tables["enrollment"], usable(tables, "calendar")
    if not len(calendar):
        return []
    codes = calendar[["school_id", "calendar_code"]].drop_duplicates()
    n_codes = codes.groupby("school_id")["calendar_code"].size()
    only = codes[codes["school_id"].map(n_codes) == 1].set_index("school_id")["calendar_code"]
    frame = rows.frame
    frame["calendar_code"] = frame["calendar_code"].fillna(frame["school_id"].map(only)).astype(frame["calendar_code"].dtype)
    several = frame["calendar_code"].isna() & frame["school_id"].isin(n_codes.index)
    rows.set_aside(several, "calendar_code: blank, and the school has several calendars")
    pairs = pd.MultiIndex.from_frame(codes)
    unknown = frame["calendar_code"].notna() & ~pd.MultiIndex.from_frame(frame[["school_id", "calendar_code"]]).isin(pairs)
    rows.set_aside(unknown & frame["school_id"].isin(n_codes.index), "calendar_code: not in the school's calendar")
    lost = int((rows.usable & ~as_mask(frame["school_id"].isin(n_codes.index))).sum())
    return [f"Enrolment spans at schools without a calendar: {lost}. Their days cannot be counted."] if lost else []


def _overlaps(rows: TableRows) -> list[str]:
    """Overlapping spans of a student, and two primary spans on one date, noted: each date is counted once."""
    frame = rows.frame[rows.usable].sort_values(["student_id", "entry_date", "school_id"], kind="stable")
    same = frame["student_id"].eq(frame["student_id"].shift())
    reach = frame["exit_date"].fillna(pd.Timestamp("2200-01-01")).groupby(frame["student_id"]).cummax()
    before = reach.shift()
    overlap = same & (frame["entry_date"] < before)
    primary = frame[frame["is_primary"].fillna(False).astype(bool)]
    again = primary["student_id"].eq(primary["student_id"].shift()) & (
        primary["entry_date"] < primary["exit_date"].fillna(pd.Timestamp("2200-01-01")).groupby(primary["student_id"]).cummax().shift())
    remarks = []
    if overlap.any():
        remarks.append(f"Enrolment spans that overlap an earlier span of the same student: {int(overlap.sum())}. Each date is "
                       "counted once, the primary school first.")
    if again.any():
        remarks.append(f"Spans that are primary at two schools on the same date: {int(again.sum())}. Please correct them.")
    return remarks


def check_calendar(rows: TableRows) -> list[str]:
    """School days on weekends and years of unusual length, noted."""
    frame = rows.frame[rows.usable]
    school_days = frame[frame["is_instructional"].fillna(False).astype(bool)]
    remarks = []
    weekend = int((school_days["date"].dt.weekday >= 5).sum())
    if weekend:
        remarks.append(f"Saturdays or Sundays that are school days in the calendar: {weekend}. Please check them.")
    years = pd.Series(end_year_of(school_days["date"]), index=school_days.index)
    sizes = school_days.groupby(["school_id", "calendar_code", years]).size()
    odd = sizes[(sizes < 150) | (sizes > 200)]
    if len(odd):
        remarks.append(f"School calendars with fewer than 150 or more than 200 school days in a year: {len(odd)}.")
    closed = {"holiday", "teacher_only", "weather", "emergency", "strike", "non_instructional"}
    clash = int(school_days["day_type"].isin(closed).sum())
    if clash:
        remarks.append(f"Calendar days called closed (holiday, weather ...) and yet marked as school days: {clash}.")
    return remarks


def check_events(tables: Tables, config: Config, *, strict_calendar: bool) -> list[str]:
    """Period files refused; days outside the year, the calendar or the span dropped; codes must have a meaning."""
    rows = tables["attendance_event"]
    must_be_daily(rows)
    if strict_calendar:
        _on_school_days(tables, config)
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
            raise UserError("This file has several rows for a student and day: it looks like period attendance.",
                            file=file.file, column=column,
                            remedy="Export daily attendance, or give it as the table attendance_period.")


def _on_school_days(tables: Tables, config: Config) -> None:
    rows, calendar = tables["attendance_event"], usable(tables, "calendar")
    bounds = year_bounds(tables, config)
    frame = rows.frame
    year = pd.Series(end_year_of(frame["date"]), index=frame.index)
    if bounds and len(calendar):
        known = set(end_year_of(calendar["date"]))
        earlier = set(pd.to_numeric(usable(tables, "enrollment")["school_year"]).tolist()) - known
        rows.set_aside(year.isin({y for y in earlier if y < min(known)}), "date: in an earlier school year that has no calendar",
                       counts=False)
        rows.set_aside(~year.isin(known), "date: outside the school year")
    school_days = calendar[calendar["is_instructional"].fillna(False).astype(bool)]
    mine, theirs = _joint(frame["school_id"], frame["date"], school_days["school_id"], school_days["date"])
    rows.set_aside(~np.isin(mine, theirs), "date: not a school day in the school's calendar")


def _joint(schools: pd.Series, dates: pd.Series, open_at: pd.Series, open_on: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """School x date of two frames as one integer each."""
    codes, _ = pd.factorize(pd.concat([schools, open_at], ignore_index=True))
    days = np.concatenate([day_numbers(dates), day_numbers(open_on)])
    joint = codes.astype(np.int64) * 200_000 + days
    return joint[:len(schools)], np.unique(joint[len(schools):])


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
    rows.set_aside(~inside, "date: outside the student's enrolment at that school")


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
        raise UserError(f"{int(blank.sum())} attendance rows have a blank code, which can mean present.", file=file, row=row,
                        column="code_local", remedy='If blank means present, say so in study.toml: [study] blank_code = "present".')
    if not bare.any():
        return
    counts = Counter(events["code_local"].to_numpy()[bare].tolist())
    file, row = rows.first_row(_at(rows, bare))
    stub = "  ".join(f'{shown(code)} = "UnexcusedAbsence"' for code, _ in counts.most_common(6))
    raise UserError(f"{len(counts)} attendance codes are not in the code table.", file=file, row=row, column="code_local",
                    culprits=[f"{shown(code)}: {n} rows" for code, n in counts.most_common()],
                    remedy="Add a row for each to code_table, or lines under [codes] in study.toml and edit the right-hand "
                           f"side: {stub}")


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
    order = pd.DataFrame({"as_of": frame["as_of"].fillna(pd.Timestamp(1900, 1, 1)).to_numpy(),
                          "units": np.nan_to_num(units, nan=-1.0), "content": content})
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
    rows.set_aside(_mask(rows, near, mine[lost & older & ~same_rest]), "replaced by a later extract (as_of)", counts=False)
    n = rows.set_aside(_mask(rows, near, mine[lost & ~older & ~same_rest]),
                       "date: the student already has a row for this day; the one with more absence is kept")
    return [f"Student-days with two different rows: {n}. The row with more absence is kept."] if n else []


def _mask(rows: TableRows, near: np.ndarray, which: np.ndarray) -> np.ndarray:
    hit = np.zeros(len(rows.row), bool)
    hit[near[which]] = True
    return hit


def check_totals(rows: TableRows, config: Config) -> list[str]:
    """Totals that cannot be: more absent than enrolled, a period that ends before it begins or lies outside the year."""
    frame = rows.frame
    rows.set_aside(frame["period_end"] < frame["period_start"], "period_end: before period_start")
    rows.set_aside((frame["period_end"] - frame["period_start"]).dt.days > 400, "period_end: more than a year after period_start")
    years = end_year_of(frame["period_end"])
    if len(years) and rows.usable.any():
        usual = int(np.median(years[rows.usable])) if not config.school_year else config.school_year
        rows.set_aside((years > usual) | (years < usual - 15), "period_end: outside the school year")
    rows.set_aside(frame["days_absent_units"] > frame["days_enrolled_units"], "days_absent: above days_enrolled")
    parts = frame[["days_excused_units", "days_unexcused_units", "days_suspended_oss_units"]]
    told = rows.usable & parts.iloc[:, :2].notna().all(axis=1).to_numpy()
    differ = int((told & as_mask(parts.fillna(0).sum(axis=1) != frame["days_absent_units"])).sum())
    remarks = [f"In {differ} rows of totals, excused, unexcused and suspended days do not add up to the days absent."] if differ else []
    return remarks + _overlapping_periods(rows)


def _overlapping_periods(rows: TableRows) -> list[str]:
    frame = rows.frame[rows.usable].sort_values(["student_id", "school_id", "period_start"], kind="stable")
    same = frame["student_id"].eq(frame["student_id"].shift()) & frame["school_id"].eq(frame["school_id"].shift())
    overlap = same & (frame["period_start"] <= frame["period_end"].shift())
    if overlap.any():
        rows.set_aside(rows.frame.index.isin(frame.index[overlap]), "period_start: inside another period of the same student and school")
    return []


def _programme(tables: Tables, bounds: tuple[pd.Timestamp, pd.Timestamp] | None) -> None:
    """Programme rows with dates outside the year, ends before beginnings, or contacts without a student."""
    if "assignment" in tables:
        rows = tables["assignment"]
        rows.set_aside(rows.frame["end_date"] < rows.frame["begin_date"], "end_date: before begin_date")
    if "contact" in tables:
        rows = tables["contact"]
        rows.set_aside(rows.frame["student_id"].isna() & (rows.frame["activity"] != "h_team_meeting"),
                       "student_id: blank, allowed only for h_team_meeting")
    if "referral" in tables:
        rows = tables["referral"]
        rows.set_aside(rows.frame["outcome_date"] < rows.frame["made_date"], "outcome_date: before made_date")
    for name, column in _DATES_INSIDE.items():
        if name in tables and bounds:
            first = bounds[0] - pd.DateOffset(years=5)
            dates = tables[name].frame[column]
            tables[name].set_aside((dates > bounds[1]) | (dates < first), f"{column}: outside the school year")


def _prior_year(rows: TableRows) -> list[str]:
    """Absent above enrolled set aside; a chronic flag that differs from the days is noted (the days decide)."""
    frame = rows.frame
    rows.set_aside(frame["days_absent_units"] > frame["days_enrolled_units"], "days_absent: above days_enrolled")
    used = rows.usable & as_mask(frame["days_enrolled_units"] > 0) & as_mask(frame["chronically_absent"].notna())
    computed = as_mask(10 * frame["days_absent_units"] >= frame["days_enrolled_units"])
    differ = int((used & (computed != as_mask(frame["chronically_absent"]))).sum())
    return [f"For {differ} students the chronic flag of the prior year differs from its days: the days are used."] if differ else []
