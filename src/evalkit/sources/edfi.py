"""A folder of Ed-Fi 5 XML as a study: students, attendance events, interventions; what it lacks is said.

Source: Ed-Fi Data Standard 5.2, Core XSD (StudentSchoolAttendanceEvent, Intervention, StudentInterventionAssociation).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from evalkit import files
from evalkit.config import Config
from evalkit.errors import UserError
from evalkit.schemas import empty_frame
from evalkit.sources import StudyTables
from evalkit.sources.account import account_of, must_not_lose_too_much
from evalkit.sources.bundle import estimated_calendar, one_or_more, unknown_schools
from evalkit.sources.canonical import read_table
from evalkit.sources.codes import MEANINGS
from evalkit.sources.rows import RawFile, TableRows, text_column
from evalkit.sources.study_folder import finish, frames, inputs_of
from evalkit.sources.xml_records import Record, read_records
from evalkit.vocabulary import plain, spellings

NOT_GIVEN = "not given"
_ABSENT = ("Excused Absence", "Unexcused Absence")
_LENIENT = frozenset({"student.grade_level", "enrollment.school_year", "calendar.day_type"})


def _first(record: Record, tag: str) -> str:
    """The first text of a tag, a descriptor's namespace taken off."""
    return record.get(tag, [""])[0].rsplit("#", 1)[-1]


def _student(record: Record) -> dict[str, str]:
    return {
        "student_id": _first(record, "StudentUniqueId"),
        "grade_level": "",
        "birth_year": _first(record, "BirthDate")[:4],
    }


def _identity(record: Record) -> dict[str, str]:
    return {
        "student_id": _first(record, "StudentUniqueId"),
        "first_name": _first(record, "FirstName"),
        "last_name": _first(record, "LastSurname"),
        "preferred_name": _first(record, "PreferredFirstName"),
    }


def _event(record: Record) -> dict[str, str]:
    category = _first(record, "AttendanceEventCategory")
    share = _first(record, "EventDuration") if category in (*_ABSENT, "Partial") else ""
    return {
        "student_id": _first(record, "StudentUniqueId"),
        "school_id": _first(record, "SchoolId"),
        "date": _first(record, "EventDate"),
        "code_local": category,
        "absent_days": share,
        "status": spellings("attendance_status").get(plain(category), ""),
        "reason_text": _first(record, "AttendanceEventReason"),
    }


def _section(record: Record) -> dict[str, str]:
    return {
        "student_id": _first(record, "StudentUniqueId"),
        "school_id": _first(record, "SchoolId"),
        "date": _first(record, "EventDate"),
        "period": _first(record, "ClassPeriodName") or _first(record, "SectionIdentifier"),
        "section_id": _first(record, "SectionIdentifier"),
        "code_local": _first(record, "AttendanceEventCategory"),
    }


def _span(record: Record) -> dict[str, str]:
    primary = _first(record, "PrimarySchool")
    return {
        "student_id": _first(record, "StudentUniqueId"),
        "school_id": _first(record, "SchoolId"),
        "school_year": _first(record, "SchoolYear"),
        "entry_date": _first(record, "EntryDate"),
        "exit_date": _first(record, "ExitWithdrawDate"),
        "exit_type": _first(record, "ExitWithdrawType"),
        "grade_level": _first(record, "EntryGradeLevel"),
        "is_primary": primary,
        "calendar_code": _first(record, "CalendarCode"),
    }


def _day(record: Record) -> dict[str, str]:
    kinds = [text.rsplit("#", 1)[-1] for text in record.get("CalendarEvent", [])]
    open_kinds = [
        kind for kind in kinds if plain(kind) in {"instructionalday", "makeupday", "studentlatearrivalearlydismissal"}
    ]
    closed = [kind for kind in kinds if kind not in open_kinds]
    chosen = (closed or open_kinds or [""])[0]
    return {
        "school_id": _first(record, "SchoolId"),
        "calendar_code": _first(record, "CalendarCode"),
        "date": _first(record, "Date"),
        "day_type": chosen,
        "is_instructional": "no" if closed or not kinds else "yes",
    }


def _school(record: Record) -> dict[str, str]:
    return {
        "school_id": _first(record, "SchoolId"),
        "name": _first(record, "NameOfInstitution"),
        "district_id": _first(record, "LocalEducationAgencyId"),
    }


_KINDS: dict[str, tuple[tuple[str, Callable[[Record], dict[str, str]]], ...]] = {
    "Student": (("student", _student), ("identity", _identity)),
    "StudentSchoolAttendanceEvent": (("attendance_event", _event),),
    "StudentSchoolAssociation": (("enrollment", _span),),
    "CalendarDate": (("calendar", _day),),
    "School": (("school", _school),),
}


class _Bundle:
    """The records of a folder, kept by table and file."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], list[dict[str, str]]] = {}
        self.interventions: dict[str, dict[str, str]] = {}
        self.associations: list[tuple[str, dict[str, str]]] = []
        self.routes: dict[str, str] = {}
        self.years: Counter[str] = Counter()
        self.unused: Counter[str] = Counter()

    def take(self, file: str, kind: str, record: Record) -> None:
        if kind in _KINDS:
            for table, make in _KINDS[kind]:
                self.rows.setdefault((table, file), []).append(make(record))
            self.years.update(record.get("SchoolYear", [])[:1] if kind == "StudentSchoolAttendanceEvent" else [])
        elif kind == "StudentSectionAttendanceEvent":
            self._take_section(file, record)
        elif kind == "Intervention":
            self.interventions[_first(record, "InterventionIdentificationCode")] = {
                "begin_date": _first(record, "BeginDate"),
                "end_date": _first(record, "EndDate"),
                "diagnosis": _first(record, "Diagnosis"),
                "mentor_id": _first(record, "StaffUniqueId") or NOT_GIVEN,
            }
        elif kind == "StudentInterventionAssociation":
            self.associations.append(
                (
                    file,
                    {
                        "student_id": _first(record, "StudentUniqueId"),
                        "intervention_code": _first(record, "InterventionIdentificationCode"),
                        "dosage_planned_min": _first(record, "Dosage"),
                        "assigned_by": "unknown",
                    },
                )
            )
        elif kind == "StudentTransportation":
            self.routes.setdefault(_first(record, "StudentUniqueId"), _first(record, "BusRoute"))
        else:
            self.unused[kind] += 1

    def _take_section(self, file: str, record: Record) -> None:
        """A tardy of a section is a tardy of the day; anything else of a section waits for a roll-up rule."""
        table = "attendance_event" if _first(record, "AttendanceEventCategory") == "Tardy" else "attendance_period"
        self.rows.setdefault((table, file), []).append(
            _event(record) if table == "attendance_event" else _section(record)
        )

    def assignments(self) -> None:
        """Each association takes its dates and staff from its intervention: the association holds neither."""
        for file, row in self.associations:
            known = self.interventions.get(row["intervention_code"], {"begin_date": "", "mentor_id": NOT_GIVEN})
            self.rows.setdefault(("assignment", file), []).append({"end_date": "", **known, **row})

    def bus_routes(self) -> None:
        for (table, _), rows in self.rows.items():
            if table == "student":
                for row in rows:
                    row["bus_route"] = self.routes.get(row["student_id"], "")


def read_edfi(folder: Path, config: Config) -> StudyTables:
    """Read every XML file of the folder; refuse one without students or attendance events."""
    bundle, hashes = _Bundle(), {}
    for path in sorted(folder.glob("*.xml")):
        hashes[path.name] = files.sha256(path)
        read_records(path, path.name, partial(bundle.take, path.name))
    _must_have(bundle, folder)
    bundle.assignments()
    bundle.bus_routes()
    tables = {
        table: read_table(table, raw, config, lenient=_LENIENT) for table, raw in _raw_files(bundle, hashes).items()
    }
    if "enrollment" in tables:
        _fill_years(tables["enrollment"])
    counts = _counts(tables)
    config = _with_year(config, bundle)
    tables["code_table"] = _categories(tables)
    calendar_of = (
        set(tables["calendar"].frame["school_id"][tables["calendar"].usable]) if "calendar" in tables else set()
    )
    remarks = finish(tables, config, strict_calendar=False)
    counted = [
        rows for name, rows in tables.items() if rows.files and name != "identity"
    ]  # the students' own rows again
    account = account_of(counted)
    must_not_lose_too_much(counted, account, config.rules.max_set_aside)
    found, off, said = _estimate(frames(tables), calendar_of)
    return StudyTables(
        tables=found,
        account=account,
        remarks=(*counts, *remarks, *said, *_said(bundle, found)),
        inputs=inputs_of(folder, tables),
        config=config,
        capabilities_off=off,
        source="edfi",
    )


def _must_have(bundle: _Bundle, folder: Path) -> None:
    names = {table for table, _ in bundle.rows}
    missing = [
        kind
        for kind, table in (("Student", "student"), ("StudentSchoolAttendanceEvent", "attendance_event"))
        if table not in names
    ]
    if missing:
        raise UserError(
            f"The Ed-Fi bundle holds no {' and no '.join(missing)}.",
            file=f"{folder.name}/",
            culprits=[f"found: {kind} ({n})" for kind, n in bundle.unused.most_common(6)],
            remedy="Put the interchange files with students and with attendance events in the folder.",
        )


def _raw_files(bundle: _Bundle, hashes: Mapping[str, str]) -> dict[str, list[RawFile]]:
    found: dict[str, list[RawFile]] = {}
    for (table, file), rows in sorted(bundle.rows.items()):
        columns = {name: text_column(pa.array([row.get(name, "") for row in rows], pa.string())) for name in rows[0]}
        found.setdefault(table, []).append(
            RawFile(file=file, head_row=0, columns=columns, rows=np.arange(1, len(rows) + 1), sha256=hashes[file])
        )
    return found


def _fill_years(rows: TableRows) -> None:
    """A span without a school year lies in the year of its entry date."""
    from evalkit.sources.codes import end_year_of

    entry = rows.frame["entry_date"]
    years = pd.Series(end_year_of(entry), index=entry.index).astype("Int64").astype("str")
    rows.frame["school_year"] = rows.frame["school_year"].fillna(years).astype(rows.frame["school_year"].dtype)


def _with_year(config: Config, bundle: _Bundle) -> Config:
    from dataclasses import replace

    from evalkit.config import end_year

    years = [year for text, _ in bundle.years.most_common(1) if (year := end_year(text))]
    return config if config.school_year or not years else replace(config, school_year=years[0])


def _categories(tables: Mapping[str, TableRows]) -> TableRows:
    """A code table for Ed-Fi's categories; a part of a day whose share is not given counts as present."""
    names = sorted({str(code) for code in tables["attendance_event"].frame["code_local"].dropna()})
    rows = []
    for name in names:
        status = spellings("attendance_status").get(plain(name), "")
        rows.append(
            {
                "code_local": name,
                "description": name,
                "status": status or None,
                "counts_absent": 0.0,
                "counts_enrolled": True,
                "is_tardy": False,
                "is_excused": False,
                "is_suspension": False,
                **MEANINGS.get(status, {}),
            }
        )
    table = TableRows("code_table", [], np.zeros(0, np.int16), np.zeros(0, np.int64))
    table.frame = empty_frame("code_table")
    made = pd.DataFrame(rows).reindex(columns=table.frame.columns)
    made["counts_absent_units"] = (made["counts_absent"] * 120_000).astype(int)
    table.extra = made.astype(table.frame.dtypes.to_dict())
    return table


def _counts(tables: Mapping[str, TableRows]) -> list[str]:
    """What the bundle holds, counted before anything is set aside."""
    events = tables["attendance_event"]
    names = sorted({file.file for file in events.files})
    first = events.part == min(range(len(events.files)), key=lambda i: "Section" in events.files[i].file)
    frame = events.frame[first]
    n_absent = int(frame["code_local"].isin(_ABSENT).sum())
    n_tardy, n_partial = int((frame["code_local"] == "Tardy").sum()), int((frame["code_local"] == "Partial").sum())
    students = int(tables["student"].usable.sum())
    weekend = frame[frame["date"].dt.weekday >= 5]
    said = [
        f"The bundle holds {students:,} students and {len(frame):,} school attendance events: "
        f"{one_or_more(n_absent, 'absence')}, {one_or_more(n_tardy, 'tardy', 'tardies')}, "
        f"{one_or_more(n_partial, 'partial day')}; they are of {frame['student_id'].nunique():,} students."
    ]
    if len(weekend):
        days = ", ".join(sorted({f"{day.day_name()} {day:%Y-%m-%d}" for day in weekend["date"]})[:4])
        late = int((weekend["code_local"] == "Tardy").sum())
        left = f" {late} of them are tardies, so {n_tardy - late} of the {n_tardy} tardies are counted." if late else ""
        said.append(f"{one_or_more(len(weekend), 'event')} dated on a weekend ({days}) dropped.{left}")
    if len(names) > 1:
        said.append("Tardies recorded for a section as well as for the school day are counted once.")
    return said


def _estimate(
    found: dict[str, pd.DataFrame], calendar_of: set[str]
) -> tuple[dict[str, pd.DataFrame], dict[str, str], list[str]]:
    """School days inferred where the bundle's calendar is too thin, and what that switches off."""
    found, thin = estimated_calendar(found)
    off, said = {}, []
    if thin:
        off["estimated_calendar"] = (
            f"The calendar is missing or too thin for {one_or_more(len(thin), 'school')}: school days are "
            "taken to be the Mondays to Fridays with an event there, and every rate is an estimate."
        )
        said.append(off["estimated_calendar"])
    if "enrollment" not in found:
        n = unknown_schools(found)
        off["rates"] = (
            f"The bundle holds no enrollment: {one_or_more(n, 'student')} without an event have no known school, "
            "so shares chronically absent are withheld. To switch them on: StudentSchoolAssociation and CalendarDate."
        )
        said.append(off["rates"])
    return found, off, said


def _said(bundle: _Bundle, found: Mapping[str, pd.DataFrame]) -> list[str]:
    """What was taken from elsewhere for the mentored students, and what was not read."""
    said: list[str] = []
    if "assignment" in found:
        rows: Any = found["assignment"]
        begins = sorted({f"{day:%Y-%m-%d}" for day in rows["begin_date"]})
        n_seen = int(rows["student_id"].drop_duplicates().isin(found["attendance_event"]["student_id"]).sum())
        said.append(
            f"{one_or_more(rows['student_id'].nunique(), 'student')} in an intervention, {n_seen} of whom have an "
            f"event; the begin date is the intervention's own ({', '.join(begins[:3])}), as the link of student "
            "and intervention holds no date."
        )
        if rows["mentor_id"].eq(NOT_GIVEN).any():
            said.append(f'Mentor: "{NOT_GIVEN}". The bundle names no staff for the intervention.')
    if bundle.unused:
        said.append(f"Not read: {', '.join(sorted(bundle.unused)[:8])}.")
    return said
