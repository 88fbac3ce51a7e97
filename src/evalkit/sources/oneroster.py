"""A OneRoster 1.1 or 1.2 csv bundle with an attendance table as a study.

Source: 1EdTech OneRoster 1.2 CSV binding. It holds a roster and no attendance: that comes from a table beside it.
Names, addresses, phones and passwords are dropped on reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from evalkit.config import Config, end_year
from evalkit.errors import UserError
from evalkit.sources import StudyTables
from evalkit.sources.account import Account, FileAccount, account_of, must_not_lose_too_much
from evalkit.sources.bundle import estimated_calendar, one_or_more
from evalkit.sources.canonical import read_table
from evalkit.sources.folder import files_of_study, read_files
from evalkit.sources.rows import RawFile, TableRows, text_column
from evalkit.sources.study_folder import finish, frames, inputs_of
from evalkit.sources.text import plain_name, read_text

_WANTED = {
    "orgs": ("sourcedId", "name", "type", "identifier", "parentSourcedId", "status"),
    "users": ("sourcedId", "orgSourcedIds", "role", "identifier", "grades", "status", "primaryOrgSourcedId"),
    "roles": ("userSourcedId", "role", "orgSourcedId", "status"),
    "enrollments": ("sourcedId", "schoolSourcedId", "userSourcedId", "role", "beginDate", "endDate", "status"),
    "academicSessions": ("sourcedId", "type", "startDate", "endDate", "schoolYear", "status"),
    "demographics": (
        "sourcedId",
        "birthDate",
        "sex",
        "americanIndianOrAlaskaNative",
        "asian",
        "blackOrAfricanAmerican",
        "nativeHawaiianOrOtherPacificIslander",
        "white",
        "demographicRaceTwoOrMoreRaces",
        "hispanicOrLatinoEthnicity",
        "status",
    ),
}
_RACES = {
    "americanIndianOrAlaskaNative": "AmericanIndianOrAlaskaNative",
    "asian": "Asian",
    "blackOrAfricanAmerican": "Black",
    "nativeHawaiianOrOtherPacificIslander": "NativeHawaiianOrPacificIslander",
    "white": "White",
}
_LENIENT = frozenset({"student.grade_level"})


def read_oneroster(folder: Path, config: Config) -> StudyTables:
    """Roster from OneRoster, attendance (and every further table) from canonical files beside it."""
    bundle = {name: frame for name in _WANTED if (frame := _file(folder, name)) is not None}
    students, others = _students(bundle)
    paths, unread = files_of_study(folder, replace(config, tables={}))
    if not {"attendance_event", "attendance_total"} & set(paths):
        raise UserError(
            "A OneRoster bundle holds no attendance.",
            file=f"{folder.name}/",
            remedy="Put attendance_event.csv with code_table.csv (or attendance_total.csv) beside it.",
        )
    raw = {name: read_files(name, found, folder, config) for name, found in paths.items()}
    config = _with_year(config, bundle)
    remarks = [
        "OneRoster holds no days: enrollment is taken from class enrollments, earliest beginning to latest "
        "end at each school (the whole school year where they are blank)."
    ]
    raw.setdefault("student", [_student_file(students, others, bundle, folder)])
    raw.setdefault("school", [_school_file(bundle, folder)])
    account: list[FileAccount] = []
    if "enrollment" not in raw:
        raw["enrollment"], counted = _spans(bundle, students, config)
        account.append(counted)
    tables = {name: read_table(name, files, config, lenient=_LENIENT) for name, files in raw.items()}
    remarks += _to_identifiers(tables, students)
    return _finished(folder, config, tables, account, remarks, unread)


def _finished(
    folder: Path,
    config: Config,
    tables: dict[str, TableRows],
    account: list[FileAccount],
    remarks: list[str],
    unread: tuple[str, ...],
) -> StudyTables:
    has_calendar = "calendar" in tables
    remarks += finish(tables, config, strict_calendar=has_calendar)
    counted = [rows for name, rows in tables.items() if name != "enrollment" or not account]
    made = account_of([rows for rows in counted if rows.files])
    made = Account((*made.files, *account), made.set_aside)
    must_not_lose_too_much(
        counted, Account(tuple(f for f in made.files if f not in account), ()), config.rules.max_set_aside
    )
    found, off = frames(tables), {}
    if not has_calendar and "attendance_event" in found:
        found, thin = estimated_calendar(found)
        off["estimated_calendar"] = (
            f"The bundle holds no calendar for {one_or_more(len(thin), 'school')}: school days are taken to be the "
            "Mondays to Fridays with an event there, and every rate is an estimate."
        )
        remarks.append(off["estimated_calendar"])
    rest = sorted(name for name in unread if name.removesuffix(".csv") not in _WANTED)
    remarks += [f"Not read: {', '.join(rest[:8])}."] if rest else []
    return StudyTables(
        tables=found,
        account=made,
        remarks=tuple(dict.fromkeys(remarks)),
        inputs=inputs_of(folder, tables),
        config=config,
        capabilities_off=off,
        source="oneroster",
    )


def _file(folder: Path, name: str) -> pd.DataFrame | None:
    """One file of the bundle as text, deleted rows left out, its row numbers kept."""
    path = next((p for p in folder.iterdir() if p.name.casefold() == f"{name.casefold()}.csv"), None)
    if path is None:
        if name in ("orgs", "users"):
            raise UserError(
                f"The OneRoster bundle has no {name}.csv.", file=f"{folder.name}/", remedy="Export the whole bundle."
            )
        return None
    raw = read_text(
        path, path.name, known={plain_name(column): column for column in _WANTED[name]}, required=_WANTED[name][:2]
    )
    frame = pd.DataFrame(
        {
            column: [raw.columns[column].values[c] for c in raw.columns[column].codes]
            if column in raw.columns
            else [""] * len(raw.rows)
            for column in _WANTED[name]
        },
        dtype="str",
    )
    frame = frame.assign(row=raw.rows, **{c: frame[c].str.strip() for c in frame.columns})
    frame.attrs |= {"sha256": raw.sha256, "n": raw.n_rows}
    return frame


def _is_deleted(frame: pd.DataFrame) -> pd.Series:
    return frame["status"].str.casefold().isin(["tobedeleted", "inactive"])


def _students(bundle: Mapping[str, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Users who are students, with the id that attendance files use; and the other users."""
    users = bundle["users"]
    is_student = users["role"].str.casefold().eq("student")
    if "roles" in bundle:
        roles = bundle["roles"]
        is_student |= users["sourcedId"].isin(roles.loc[roles["role"].str.casefold() == "student", "userSourcedId"])
    used = is_student & ~_is_deleted(users)
    students = users[used].assign(student_id=users["identifier"].where(users["identifier"] != "", users["sourcedId"]))
    return students, users[~used]


def _raw(frame: pd.DataFrame, folder_file: str, source: pd.DataFrame, rows: np.ndarray, structural=()) -> RawFile:
    columns = {
        name: text_column(pa.array(frame[name].astype("str").fillna("").tolist(), pa.string())) for name in frame
    }
    return RawFile(
        file=folder_file,
        head_row=1,
        columns=columns,
        rows=rows,
        structural=tuple(structural),
        sha256=source.attrs.get("sha256", ""),
    )


def _student_file(
    students: pd.DataFrame, others: pd.DataFrame, bundle: Mapping[str, pd.DataFrame], folder: Path
) -> RawFile:
    frame = pd.DataFrame(
        {"student_id": students["student_id"], "grade_level": students["grades"].str.split(",").str[0].fillna("")}
    )
    if "demographics" in bundle:
        about = bundle["demographics"].drop_duplicates("sourcedId").set_index("sourcedId")
        ids = students["sourcedId"]
        frame["birth_year"] = ids.map(about["birthDate"].str[:4]).fillna("")
        frame["sex"] = ids.map(about["sex"]).fillna("")
        frame["race_ethnicity"] = ids.map(_race(about)).fillna("")
    rest = [(int(row), "a user who is no student, or was deleted") for row in others["row"]]
    return _raw(frame, "users.csv", bundle["users"], students["row"].to_numpy(), rest)


def _race(about: pd.DataFrame) -> pd.Series:
    """One group from six flags: Hispanic first, then two or more, then the one that is true."""
    flags = pd.DataFrame(
        {name: about[column].str.casefold().isin(["true", "1", "yes"]) for column, name in _RACES.items()}
    )
    one = flags.idxmax(axis=1).where(flags.sum(axis=1) == 1, "")
    several = (flags.sum(axis=1) > 1) | about["demographicRaceTwoOrMoreRaces"].str.casefold().eq("true")
    return one.mask(several, "TwoOrMore").mask(about["hispanicOrLatinoEthnicity"].str.casefold().eq("true"), "Hispanic")


def _school_ids(bundle: Mapping[str, pd.DataFrame]) -> pd.Series:
    orgs = bundle["orgs"]
    return orgs["identifier"].where(orgs["identifier"] != "", orgs["sourcedId"]).set_axis(orgs["sourcedId"])


def _school_file(bundle: Mapping[str, pd.DataFrame], folder: Path) -> RawFile:
    orgs = bundle["orgs"]
    is_school = orgs["type"].str.casefold().eq("school") & ~_is_deleted(orgs)
    schools, ids = orgs[is_school], _school_ids(bundle)
    frame = pd.DataFrame(
        {
            "school_id": schools["sourcedId"].map(ids),
            "name": schools["name"],
            "district_id": schools["parentSourcedId"].map(ids).fillna(""),
        }
    )
    rest = [(int(row), "an organization that is no school, or was deleted") for row in orgs.loc[~is_school, "row"]]
    return _raw(frame, "orgs.csv", orgs, schools["row"].to_numpy(), rest)


def _with_year(config: Config, bundle: Mapping[str, pd.DataFrame]) -> Config:
    years = [
        year
        for text in bundle.get("academicSessions", pd.DataFrame({"schoolYear": []}))["schoolYear"]
        if (year := end_year(str(text)))
    ]
    return config if config.school_year or not years else replace(config, school_year=max(years))


def _year_dates(bundle: Mapping[str, pd.DataFrame], config: Config) -> tuple[str, str]:
    sessions = bundle.get("academicSessions")
    if sessions is not None and len(sessions):
        year = sessions[sessions["schoolYear"].map(lambda text: end_year(str(text))) == config.school_year]
        whole = year[year["type"] == "schoolYear"]
        chosen = whole if len(whole) else year
        if len(chosen):
            return chosen["startDate"].min(), chosen["endDate"].max()
    return f"{config.school_year - 1}-08-01", ""


def _spans(
    bundle: Mapping[str, pd.DataFrame], students: pd.DataFrame, config: Config
) -> tuple[list[RawFile], FileAccount]:
    """One span a student and school: earliest beginning to latest end of its class enrollments, else the year."""
    first, _ = _year_dates(bundle, config)
    ids, schools = students.set_index("sourcedId")["student_id"], _school_ids(bundle)
    rows, used = _class_rows(bundle, ids)
    every = pd.concat([rows[used].assign(is_class=True), _from_users(students)], ignore_index=True)
    every = every[every["school"].isin(schools.index)]
    in_class = every.loc[every["is_class"], ["user", "school"]]
    told = pd.MultiIndex.from_frame(every[["user", "school"]]).isin(pd.MultiIndex.from_frame(in_class))
    groups = every[every["is_class"] | ~told].groupby(["user", "school"], sort=True)
    entry = groups["beginDate"].agg(lambda texts: "" if (texts == "").any() else min(texts))
    leave = groups["endDate"].agg(lambda texts: "" if (texts == "").any() else max(texts))
    frame = pd.DataFrame({"entry": entry, "exit": leave}).reset_index()
    made = pd.DataFrame(
        {
            "student_id": frame["user"].map(ids),
            "school_id": frame["school"].map(schools),
            "school_year": str(config.school_year),
            "entry_date": frame["entry"].where(frame["entry"] != "", first),
            "exit_date": frame["exit"],
        }
    )
    source = bundle.get("enrollments", bundle["users"])
    numbers = np.arange(2, len(made) + 2)
    return [_raw(made, "enrollments.csv", source, numbers)], _span_account(len(rows), int(used.sum()))


def _class_rows(bundle: Mapping[str, pd.DataFrame], ids: pd.Series) -> tuple[pd.DataFrame, pd.Series]:
    """Class enrollments as user, school, beginDate, endDate; and which of them are students' own, not deleted."""
    names = {"userSourcedId": "user", "schoolSourcedId": "school"}
    rows = bundle.get("enrollments")
    if rows is None:
        return pd.DataFrame(columns=[*names.values(), "beginDate", "endDate"], dtype="str"), pd.Series(dtype=bool)
    is_staff = rows["role"].str.casefold().isin(["teacher", "aide"])
    used = rows["userSourcedId"].isin(ids.index) & ~_is_deleted(rows) & ~is_staff
    return rows.rename(columns=names)[[*names.values(), "beginDate", "endDate"]], used


def _from_users(students: pd.DataFrame) -> pd.DataFrame:
    """The schools that the user record itself names, without dates."""
    rows = students.assign(school=students["orgSourcedIds"].str.split(",")).explode("school")
    return pd.DataFrame(
        {
            "user": rows["sourcedId"],
            "school": rows["school"].fillna("").str.strip(),
            "beginDate": "",
            "endDate": "",
            "is_class": False,
        }
    )


def _span_account(n: int, n_used: int) -> FileAccount:
    lost = n - n_used
    why = (("a class enrollment of someone who is no student, or deleted", lost),) if lost else ()
    return FileAccount("enrollments.csv", "enrollment", n, n_used, 0, lost, 0, why)


def _to_identifiers(tables: Mapping[str, TableRows], students: pd.DataFrame) -> list[str]:
    """Tables keyed by OneRoster's sourcedId are put on the identifier; said where it happens."""
    ids, said = students.set_index("sourcedId")["student_id"], []
    for name, rows in tables.items():
        if name in ("student", "enrollment") or "student_id" not in rows.frame or not len(rows.frame):
            continue
        given = rows.frame["student_id"]
        if given.isin(ids.index).sum() > given.isin(ids.to_numpy()).sum():
            rows.frame["student_id"] = given.map(ids).fillna(given).astype(given.dtype)
            said.append(f"The table {name} names students by sourcedId: they were put on the identifier.")
    return said
