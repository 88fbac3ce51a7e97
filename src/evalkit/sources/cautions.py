"""What is odd but no fault: counted and said in a plain sentence, no row set aside, no id named."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.rules import UNITS_PER_DAY
from evalkit.sources.codes import code_rows, end_year_of
from evalkit.sources.event_checks import day_numbers
from evalkit.sources.rows import Tables, usable

MOST_DAYS, FAR_IN_AGE, OLD_DAYS, FEW_STUDENTS = 185, 3, 180, 10
_EARLY_GRADES = {"PR": -2, "PK": -1, "TK": -1, "KG": 0}
_MEANING = ("status", "counts_absent_units", "counts_enrolled", "is_tardy", "is_excused", "is_suspension")


def cautions(tables: Tables) -> list[str]:
    """A sentence for each oddity found, with its count."""
    found = [*_ages(tables), *_part_time(tables), *_code_meanings(tables), *_empty_days(tables), *_long_years(tables)]
    return [*found, *_totals_above_calendar(tables), *_caseloads(tables), *_contacts(tables), *_unknown_ids(tables),
            *_old_resources(tables)]


def _said(n: int, sentence: str) -> list[str]:
    """The sentence with its count, or nothing."""
    return [sentence.format(n=f"{int(n):,}")] if n else []


def _ages(tables: Tables) -> list[str]:
    students, spans = usable(tables, "student"), usable(tables, "enrollment")
    years = pd.to_numeric(spans["school_year"], errors="coerce").dropna()
    if years.empty:
        years = pd.Series(end_year_of(usable(tables, "attendance_total")["period_end"]))
    if years.empty or not len(students):
        return []
    grade = students["grade_level"].map(_EARLY_GRADES).fillna(pd.to_numeric(students["grade_level"], errors="coerce"))
    usual = int(years.max()) - 6 - grade  # a kindergartner of 2025-26 was born in 2020
    far = (students["birth_year"].astype("float64") - usual).abs() > FAR_IN_AGE
    return _said(far.sum(), "Students more than three years older or younger than is usual for their grade: {n}. "
                            "Please check birth_year and grade_level.")


def _part_time(tables: Tables) -> list[str]:
    n = (usable(tables, "enrollment")["fte"] < 1).sum()
    return _said(n, "Enrollment spans of part-time students (fte below 1): {n}. fte is not used: each of their school "
                    "days counts as a whole day enrolled. Days a student is not expected need a NotExpected code.")


def _code_meanings(tables: Tables) -> list[str]:
    """One code, two meanings in a year: in the code table, or by the status that events themselves give."""
    said = []
    if "code_table" in tables:
        rows = tables["code_table"].frame
        meanings = rows[[*_KEY, *_MEANING]].drop_duplicates()
        n = meanings.loc[meanings.duplicated(_KEY), "code_local"].nunique()
        said += _said(n, "Attendance codes with two meanings in one school year: {n}. One of them is used for the "
                         "whole year. If a meaning changed during the year, give the later one a code of its own.")
    events = usable(tables, "attendance_event")
    told = events.loc[events["status"].notna() & events["code_local"].fillna("").ne(""), ["code_local", "status"]]
    told = told.drop_duplicates()
    n = told.loc[told.duplicated("code_local"), "code_local"].nunique()
    return said + _said(n, "Attendance codes that rows use with more than one status: {n}. Each row's own status "
                           "counts; a meaning may have changed during the year.")


_KEY = ["district_id", "school_year", "code_local"]


def _empty_days(tables: Tables) -> list[str]:
    """School days on which every student of a school of some size is absent all day."""
    events, spans = usable(tables, "attendance_event"), usable(tables, "enrollment")
    if events.empty or spans.empty:
        return []
    codes = usable(tables, "code_table")
    place = code_rows(events, codes, usable(tables, "school"))
    units = codes["counts_absent_units"].fillna(0).to_numpy("int64") if len(codes) else np.zeros(1, "int64")
    share = events["absent_days_units"].fillna(pd.Series(np.where(place >= 0, units[np.maximum(place, 0)], 0),
                                                         index=events.index))
    whole = events[share >= UNITS_PER_DAY].drop_duplicates(["student_id", "school_id", "date"])
    absent = whole.groupby(["school_id", "date"]).size().reset_index(name="n")
    absent["enrolled"] = _enrolled_on(absent, spans)
    n = ((absent["enrolled"] >= FEW_STUDENTS) & (absent["n"] >= absent["enrolled"])).sum()
    return _said(n, "School days on which every student of a school is absent (0% attendance): {n}. If the school was "
                    "closed, correct the calendar.")


def _enrolled_on(days: pd.DataFrame, spans: pd.DataFrame) -> np.ndarray:
    """How many students are enrolled at the school on each school_id x date."""
    count = np.zeros(len(days), "int64")
    on = day_numbers(days["date"])
    for school, mine in spans.groupby("school_id"):
        here = np.flatnonzero(days["school_id"].to_numpy() == school)
        entry = np.sort(day_numbers(mine["entry_date"]))
        leave = np.sort(np.where(mine["exit_date"].isna(), 199_999, day_numbers(mine["exit_date"])))
        count[here] = np.searchsorted(entry, on[here], "right") - np.searchsorted(leave, on[here], "left")
    return count


def _school_days(tables: Tables) -> pd.DataFrame:
    calendar = usable(tables, "calendar")
    return calendar[calendar["is_instructional"].fillna(False).astype(bool)]


def _joined(rows: pd.DataFrame, keys: list[str]) -> pd.Series:
    """The keys of each row as one text; a missing key never meets another."""
    own = rows[keys[0]].fillna("").astype("str")
    for key in keys[1:]:
        own = own + "\x1f" + rows[key].fillna("").astype("str")
    return own


def _days_between(rows: pd.DataFrame, first: str, last: str, keys: list[str], days: pd.DataFrame) -> np.ndarray:
    """School days of the row's own calendar from `first` to `last` (blank: the calendar's end); -1 without one."""
    count = np.full(len(rows), -1, "int64")
    own, theirs = _joined(rows, keys).to_numpy(), _joined(days, keys)
    for name, mine in days.groupby(theirs)["date"]:
        here = np.flatnonzero(own == name)
        dates = np.unique(day_numbers(mine))
        end = day_numbers(rows[last].iloc[here])
        end = np.where(end < 0, 199_999, end)
        begin = day_numbers(rows[first].iloc[here])
        count[here] = np.searchsorted(dates, end, "right") - np.searchsorted(dates, begin, "left")
    return count


def _long_years(tables: Tables) -> list[str]:
    """Students with more than 185 days enrolled in a school year."""
    spans, days = usable(tables, "enrollment"), _school_days(tables)
    n = int((usable(tables, "prior_year")["days_enrolled"] > MOST_DAYS).sum())
    if len(spans) and len(days):
        first = pd.to_datetime((pd.to_numeric(spans["school_year"]) - 1).astype("str") + "-07-01")
        last = first + pd.DateOffset(years=1) - pd.Timedelta(days=1)
        cut = spans.assign(entry_date=spans["entry_date"].clip(lower=first), exit_date=spans["exit_date"].fillna(last))
        held = _days_between(cut, "entry_date", "exit_date", ["school_id", "calendar_code"], days)
        whole = pd.Series(np.maximum(held, 0)).groupby(
            [spans["student_id"].to_numpy(), spans["school_id"].to_numpy(), spans["school_year"].to_numpy()]).sum()
        n += int((whole > MOST_DAYS).sum())
    totals = usable(tables, "attendance_total")
    if len(totals):
        years = pd.Series(end_year_of(totals["period_end"]), index=totals.index)
        sums = totals.groupby(["student_id", "school_id", "period_start", years])["days_enrolled"].max()
        n += int((sums.groupby(level=[0, 1, 3]).sum() > MOST_DAYS).sum())
    return _said(n, "Students with more than 185 days enrolled in a school year: {n}. Please check the calendar and "
                    "the enrollment spans.")


def _totals_above_calendar(tables: Tables) -> list[str]:
    totals, days = usable(tables, "attendance_total"), _school_days(tables)
    if not len(totals) or not len(days):
        return []
    held = _days_between(totals, "period_start", "period_end", ["school_id"], days)
    n = ((held >= 0) & (totals["days_enrolled"].to_numpy() > held)).sum()
    return _said(n, "Rows of totals with more days enrolled than the calendar has school days: {n}.")


def _caseloads(tables: Tables) -> list[str]:
    """Mentors who at some time had more students at once than their capacity."""
    mentors, held = usable(tables, "mentor"), usable(tables, "assignment")
    mentors = mentors.loc[mentors["capacity"].notna(), ["mentor_id", "capacity"]]
    rows = held.merge(mentors, on="mentor_id")[["mentor_id", "student_id", "begin_date", "end_date", "capacity"]]
    if rows.empty:
        return []
    moments = rows[["mentor_id", "begin_date"]].drop_duplicates().rename(columns={"begin_date": "moment"})
    both = rows.merge(moments, on="mentor_id")
    open_then = (both["begin_date"] <= both["moment"]) & ~(both["end_date"] < both["moment"])
    at_once = both[open_then].groupby(["mentor_id", "moment"])["student_id"].nunique().groupby(level=0).max()
    capacity = mentors.set_index("mentor_id")["capacity"].reindex(at_once.index)
    n = (at_once > capacity).sum()
    return _said(n, "Mentors who had more students at one time than their capacity: {n}.")


def _contacts(tables: Tables) -> list[str]:
    if "assignment" not in tables:
        return []
    contacts = usable(tables, "contact").dropna(subset=["student_id"])
    if contacts.empty or usable(tables, "assignment").empty:
        return []
    begin = usable(tables, "assignment").groupby("student_id")["begin_date"].min()
    first = contacts["student_id"].map(begin)
    return [*_said(first.isna().sum(), "Contacts with students who have no assignment: {n}. They are kept."),
            *_said((contacts["date"] < first).sum(), "Contacts dated before the student's assignment begins: {n}. They "
                                                     "are kept; please check the begin dates.")]


def _unknown_ids(tables: Tables) -> list[str]:
    """Mentors and resources that rows name and their own table does not hold."""
    said = []
    for name, column, home in (("assignment", "mentor_id", "mentor"), ("contact", "mentor_id", "mentor"),
                               ("referral", "resource_id", "resource")):
        if home in tables and name in tables:
            rows = tables[name]
            given = rows.frame[column]
            far = rows.usable & (given.notna() & ~given.isin(set(usable(tables, home)[column]))).to_numpy(bool)
            if far.any():
                file, row = rows.first_row(far)
                said += _said(far.sum(), f"Rows of the table {name} that name a {home} not in the table {home}: {{n}}. "
                              f"They are kept. First in {file}, row {row}: correct {column} there, or add the {home}.")
    return said


def _old_resources(tables: Tables) -> list[str]:
    """Resources last checked more than 180 days before the last day of attendance."""
    checked = usable(tables, "resource")["checked_date"]
    last = max((usable(tables, name)[column].max() for name, column in _LAST if len(usable(tables, name))),
               default=pd.NaT)
    n = 0 if pd.isna(last) else (checked < last - pd.Timedelta(days=OLD_DAYS)).sum()
    return _said(n, "Resources last checked more than 180 days before the last day of attendance: {n}. Please check "
                    "that they still help.")


_LAST = (("attendance_event", "date"), ("attendance_period", "date"), ("attendance_total", "period_end"))
