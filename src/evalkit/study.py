"""A study: validated tables, its rules, the date it is read as of, and what it can show."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from evalkit.config import Config
from evalkit.errors import UsageError, UserError
from evalkit.files import locate, must_lie_outside, safe_name
from evalkit.rules import Rules
from evalkit.schemas import empty_frame
from evalkit.sources import StudyTables, read_study
from evalkit.sources.account import SET_ASIDE, Account
from evalkit.sources.bears import (
    capabilities,
    complete_through,
    first_day,
    last_day,
    not_submitted,
    school_year_of,
    schools_in,
)
from evalkit.sources.known import HAPPENED, SchoolIndex, of_school, up_to
from evalkit.sources.silent import silent_days, silent_remarks

SWITCHES = {
    "rates": ("Attendance rates and shares chronically absent are off", "enrollment and calendar, or attendance_total"),
    "daily": ("Days of the week, streaks and first crossings are off", "attendance_event with calendar and enrollment"),
    "prior_year": ("Last year's attendance is off", "prior_year"),
    "reasons": ("Reasons for absence are off", "barrier, or a code_table with the column pattern"),
    "assignment": ("Everything about mentored students is off", "assignment"),
    "unmentored": ("Comparison with students who have no mentor is off", "student and attendance of the whole roster"),
    "comparison_schools": ("Comparison with other schools is off", "school (programme_school) and their students"),
    "mentor": ("Mentors' caseloads and training are off", "mentor"),
    "contact": ("Contacts with students and families are off", "contact"),
    "barrier": ("Barriers that mentors heard of are off", "barrier"),
    "referral": ("Referrals to resources are off", "referral"),
    "resource": ("The list of resources is off", "resource"),
    "school": ("School names are off", "school"),
    "identity": ("Students' names on team pages are off", "identity"),
}
"""Capability -> what is off without it, and the table that would switch it on."""


@dataclass(frozen=True)
class Study:
    """A study whose tables are valid. `can` names what they bear; `tables` hold nothing after `as_of`.

    complete_through: school_id -> the last day its attendance counts as complete. remarks: what was inferred, assumed
    or estimated. inputs: file -> sha256 and rows. school: the one school it is narrowed to, or "".
    """

    folder: Path
    name: str
    config: Config
    rules: Rules
    school_year: int
    tables: Mapping[str, pd.DataFrame]
    account: Account
    as_of: pd.Timestamp
    complete_through: Mapping[str, pd.Timestamp]
    can: frozenset[str]
    remarks: tuple[str, ...]
    inputs: Mapping[str, Mapping[str, Any]]
    school: str = ""
    withheld: Mapping[str, str] = field(default_factory=dict)
    _all: StudyTables | None = field(default=None, repr=False, compare=False)

    def table(self, name: str) -> pd.DataFrame:
        """A canonical table; an empty frame with all its columns where the study has none."""
        return self.tables[name] if name in self.tables else empty_frame(name)

    def at(self, date: Any) -> Study:
        """The study as it was known on `date`."""
        if self._all is None:
            raise UserError("This study cannot be set back in time.", remedy="Open it with open_study.")
        return _study(self.folder, self._all, as_of=pd.Timestamp(date), school=self.school, is_look_back=True)

    def lacks(self, *capabilities: str) -> tuple[str, ...]:
        """A sentence for each capability the study lacks: what is off, and the table that would switch it on."""
        asked = capabilities or tuple(SWITCHES)
        return tuple(self._off(name) for name in asked if name not in self.can)

    def _off(self, name: str) -> str:
        if name in self.withheld:
            return self.withheld[name]
        what, by = SWITCHES.get(name, (f"What needs {name} is off", name))
        if self.begins_later(name):
            return f"{what}: the table {name} has no row yet on {self.as_of:%Y-%m-%d}; its rows begin later."
        return f"{what}: the study has no usable data for it. To switch it on: {by}."

    def begins_later(self, name: str) -> bool:
        """Whether every row of this table is dated after as_of."""
        rows = self._all.tables.get(name) if self._all is not None and name in HAPPENED else None
        return rows is not None and len(rows) > 0 and bool((rows[HAPPENED[name]] > self.as_of).all())

    def school_name(self, school_id: str) -> str:
        """The school's name as reports show it; its id where the study has no name."""
        return self._school_names.get(str(school_id), str(school_id))

    @cached_property
    def _school_names(self) -> dict[str, str]:
        schools = self.table("school").dropna(subset=["name"]).drop_duplicates("school_id")
        return dict(zip(schools["school_id"].astype(str), schools["name"].astype(str), strict=True))


def open_study(
    folder: str | Path, *, as_of: str | dt.date | None = None, month: str | None = None, school: str | None = None
) -> Study:
    """Read and validate the study in `folder`.

    as_of: the last day whose data are used (default: the last complete day). month: "2026-01" = as of that month's last
    school day (or the last complete day, if earlier). school: one school's id. Refuses, with every culprit, a study
    that cannot be read; sets single bad rows aside and counts them in `account`.
    """
    if as_of and month:
        raise UsageError("month and as_of were both given.", remedy="Give one of them: a month is its last school day.")
    folder = locate(folder)
    key = str(folder.resolve())
    if key in _SHARED and _SHARED[key].is_stale:
        _SHARED[key] = _Reading(folder)
    return _opened(_SHARED.get(key) or _Reading(folder), as_of, month, school)


def _opened(reading: _Reading, as_of: Any, month: str | None, school: str | None) -> Study:
    """The study of a reading at the moment and of the school asked for."""
    read, whole = reading.read, reading.whole
    moment = _month_end(whole, month) if month else _date(as_of) if as_of else None
    if moment is not None and moment < first_day(read):
        raise UserError(
            "The study holds no attendance up to that date.",
            remedy=f"Choose a date on or after {first_day(read):%Y-%m-%d}.",
        )
    if not school:
        return whole if moment is None else reading.at(moment)
    _must_have_school(whole, school)
    moment = whole.as_of if moment is None else moment
    return _study(whole.folder, reading.of_school(school), as_of=moment, school=school)


class _Reading:
    """A study folder read once: its tables, the whole study at the moments asked for, and one school's rows."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._stamp = folder, _stamp(folder)
        self.read = read_study(folder)
        self.whole = _study(folder, self.read, as_of=None, school="")
        self._moments: dict[pd.Timestamp, Study] = {}

    @cached_property
    def _schools(self) -> SchoolIndex:
        return SchoolIndex(self.read.tables)

    @property
    def is_stale(self) -> bool:
        """Whether a file of the folder has changed since."""
        return _stamp(self._folder) != self._stamp

    def at(self, moment: pd.Timestamp) -> Study:
        """The whole study as of a moment: one and the same each time, so that what was worked out for it stays."""
        if moment == self.whole.as_of:
            return self.whole
        if moment not in self._moments:
            self._moments = {moment: _study(self._folder, self.read, as_of=moment, school="")}
        return self._moments[moment]

    def of_school(self, school: str) -> StudyTables:
        """The tables with this school's rows alone; what the whole study says of its year stays."""
        year, inferred = school_year_of(self.read)
        config = replace(self.read.config, school_year=year)
        return replace(self.read, tables=self._schools.rows(school), config=config, memo={},
                       remarks=(*self.read.remarks, *inferred))


_SHARED: dict[str, _Reading] = {}
"""Readings that are kept: empty unless somebody makes the reports of many schools."""


def keep_reading(folder: str | Path) -> None:
    """From here on, opening this study reads its files again only where one has changed (for a batch of schools)."""
    folder = locate(folder)
    if folder.is_dir() and str(folder.resolve()) not in _SHARED:
        _SHARED[str(folder.resolve())] = _Reading(folder)


def forget_reading(folder: str | Path) -> None:
    """End of `keep_reading`: the memory is given back."""
    _SHARED.pop(str(locate(folder).resolve()), None)


def _stamp(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Name, size and time of every file below a folder."""
    found = ((path.relative_to(folder).as_posix(), path.stat()) for path in folder.rglob("*") if path.is_file())
    return tuple(sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in found))


@dataclass(frozen=True)
class CheckOutcome:
    """What `evalkit check` found: the study, and where its set-aside rows are kept (None if there are none)."""

    study: Study
    kept: Path | None

    def to_dict(self) -> dict[str, Any]:
        """The JSON of `evalkit check --json`: the account, and where the set-aside rows are kept (null: none)."""
        return {**self.study.account.to_dict(), "set_aside": None if self.kept is None else self.kept.as_posix()}


def check_study(folder: str | Path, *, out: str | Path | None = None) -> CheckOutcome:
    """Validate a study and account for every row. out: where the set-aside rows are kept, below the study's name; never
    inside the study. Refuses as `open_study` does."""
    study = open_study(folder)
    if out is None:
        return CheckOutcome(study, None)
    place = locate(out) / safe_name(study.folder.resolve().name) / SET_ASIDE
    must_lie_outside(place, study.folder)
    try:
        return CheckOutcome(study, study.account.write_set_aside(place))
    except OSError as problem:
        raise UserError(
            f"The set-aside rows could not be kept: {problem.strerror}.",
            file=place.name,
            remedy="Run evalkit check from a folder you may write in.",
        ) from None


def _study(
    folder: Path, read: StudyTables, *, as_of: pd.Timestamp | None, school: str, is_look_back: bool = False
) -> Study:
    """The study at a moment. is_look_back: an earlier look, which repeats no remark on days that nobody sent."""
    year, inferred = school_year_of(read)
    given = dict(read.tables)
    if ("complete_through", year) not in read.memo:  # every moment of the study has the same
        read.memo["complete_through", year] = complete_through(given, read.config.rules, year)
    through = read.memo["complete_through", year]
    moment = as_of if as_of is not None else max(through.values(), default=last_day(given))
    known = up_to(given, moment)
    if school:
        known = of_school(known, school)
        through = {name: day for name, day in through.items() if name == school}
    through = {name: min(day, moment) for name, day in through.items()}
    can = capabilities(known, read, year)
    remarks = (*read.remarks, *inferred, *not_submitted(known, through))
    remarks = remarks if is_look_back else (*remarks, *_silent_remarks(known, through, year))
    return Study(
        folder=folder,
        name=read.config.name,
        config=read.config,
        rules=read.config.rules,
        school_year=year,
        tables=known,
        account=read.account,
        as_of=moment,
        complete_through=through,
        can=can,
        remarks=remarks,
        inputs=read.inputs,
        school=school,
        withheld=read.capabilities_off,
        _all=read,
    )


def _silent_remarks(
    known: Mapping[str, pd.DataFrame], through: Mapping[str, pd.Timestamp], year: int
) -> tuple[str, ...]:
    """What to say about days inside the year without a single row."""
    schools = known.get("school", empty_frame("school")).dropna(subset=["name"])
    names = dict(zip(schools["school_id"].astype(str), schools["name"].astype(str), strict=True))
    return silent_remarks(silent_days(known, through, year), names)


def _date(value: str | dt.date) -> pd.Timestamp:
    try:
        if isinstance(value, str) and not re.fullmatch(r"\d{4}-\d{2}-\d{2}", value):
            raise ValueError
        return pd.Timestamp(value).normalize()
    except ValueError:
        raise UsageError(
            "as_of is not a date evalkit can read.", remedy="Write it as YYYY-MM-DD, for example 2026-01-30."
        ) from None


def _month_end(study: Study, month: str) -> pd.Timestamp:
    """The month's last school day, or the last complete day if that is earlier."""
    if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
        raise UsageError("month is not a month evalkit can read.", remedy="Write it as YYYY-MM, for example 2026-01.")
    first = pd.Timestamp(f"{month}-01")
    last = first + pd.offsets.MonthEnd(0)
    calendar = study.table("calendar")
    days = calendar.loc[
        calendar["is_instructional"].fillna(False).astype(bool) & calendar["date"].between(first, last), "date"
    ]
    end = days.max() if len(days) else last
    return min(end, study.as_of)


def _must_have_school(study: Study, school: str) -> None:
    schools = sorted(schools_in(study.tables))
    if school not in schools:
        raise UsageError(
            "The study has no school with this id.",
            remedy=f"Write it as it stands in the column school_id of the study's files ({len(schools)} schools), "
            "zeros at the front included.",
        )
