"""Exports as school systems write them, the OneRoster bundle, the Ed-Fi sample and a state's published file."""

from __future__ import annotations

import shutil
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest
from sources_world import BASE, account, opened

from evalkit.config import Config
from evalkit.errors import UserError
from evalkit.sources.canonical import read_table
from evalkit.sources.text import plain_name, read_text
from evalkit.study import open_study

SHAPES = Path(__file__).parents[1] / "fixtures" / "sis_shapes"
ONEROSTER = Path(__file__).parents[1] / "fixtures" / "oneroster"
SAMPLES = Path(__file__).parents[3] / "shared" / "samples"
HEAD = '[study]\nname = "t"\nschool_year = 2025\n'


def shape(number: str) -> Path:
    return next(SHAPES.glob(f"{number}_*"))


def read_as(table: str, path: Path, columns: dict[str, str], **settings):
    config = Config(name="t", school_year=2025, columns={table: columns}, **settings)
    known = {plain_name(local): name for name, local in columns.items()}
    raw = read_text(path, path.name, known=known, required=tuple(columns))
    return raw, read_table(table, [raw], config)


def test_powerschool_events_ask_for_the_order_of_dates_then_read_all_four(tmp_path):
    columns = {
        "student_id": "PERMNUMBER",
        "school_id": "ENRORGID",
        "date": "ATTEVENTDATE",
        "code_local": "ABSCATID",
        "absent_days": "DSID_VALUE",
    }
    with pytest.raises(UserError, match="month/day"):
        read_as("attendance_event", shape("01"), columns)
    _, rows = read_as("attendance_event", shape("01"), columns, date_order="month_first", id_width=10)
    assert rows.frame["date"].dt.strftime("%m-%d").tolist() == ["09-03", "09-04", "09-05", "09-06"]
    assert rows.frame["student_id"].tolist() == ["0004512345", "0004512345", "0004512346", "0004512347"]
    assert rows.frame["absent_days_units"].tolist() == [120_000, 60_000, 120_000, 120_000]


def test_a_tab_file_in_windows_text_is_read_and_its_names_dropped():
    raw, rows = read_as("student", shape("02"), {"student_id": "Student_Number", "grade_level": "Grade_Level"})
    assert any("cp1252" in note for note in raw.notes) and "LastFirst" in raw.dropped
    assert rows.frame["grade_level"].tolist() == ["03", "KG", "03", "PK"]


def test_a_report_with_titles_and_a_total_row_keeps_only_its_students():
    raw, rows = read_as("student", shape("03"), {"student_id": "Pupil No", "grade_level": "Gr"})
    assert rows.frame["student_id"].tolist() == ["000201", "000202", "000203"]
    assert [reason for _, reason in raw.structural] == ["a title above the column names"] * 3 + [
        "a footer or total row"
    ]
    assert raw.n_rows == 7


def test_period_rows_are_refused_as_daily_attendance(tmp_path):
    text = (
        shape("04")
        .read_text(encoding="utf-8")
        .replace("personID", "school_id")
        .replace("studentNumber", "student_id")
        .replace("code,status", "code_local,state")
    )
    students = BASE["student"] + "000301,03\n"
    with pytest.raises(UserError, match="period attendance"):
        opened(tmp_path, {"attendance_event": text, "student": students})


def test_enrolment_spans_as_exported(tmp_path):
    columns = {
        "student_id": "STUDENT_ID",
        "school_id": "SCHOOL_CODE",
        "grade_level": "GRADE",
        "entry_date": "ENTRY_DATE",
        "exit_date": "EXIT_DATE",
        "exit_type": "EXIT_CODE",
    }
    mapping = "[columns.enrollment]\n" + "".join(f'{name} = "{local}"\n' for name, local in columns.items())
    lines = shape("05").read_text(encoding="utf-8").splitlines()
    text = "\n".join([lines[0] + ",school_year", *[f"{line},2024-25" for line in lines[1:]]]) + "\n"
    students = (
        "student_id,grade_level\n" + "".join(f"00040{i},03\n" for i in range(1, 6)) + BASE["student"].split("\n", 1)[1]
    )
    spans = text + "".join(f"{s},0042,03,09/03/2024,E1,,,2024-25\n" for s in ("0001", "0002", "0003"))
    through = '[rules]\nmax_set_aside = 0.9\ncomplete_through = "2025-06-20"\n'
    study = opened(tmp_path, {"enrollment": spans, "student": students}, toml=through + mapping)
    found = account(study, "enrollment")
    assert (
        found["quarantined"] == 2
        and any("no-show" in r for r in found["reasons"])
        and any("before entry" in r for r in found["reasons"])
    )
    kept = study.table("enrollment").set_index(["student_id", "school_id"])["exit_date"]
    assert pd.isna(kept["000405"].iloc[0]) and kept["000401"]["0042"] == pd.Timestamp("2024-10-11")
    assert any("overlap" in remark for remark in study.remarks)


def test_utf16_with_semicolons_serials_and_decimal_commas(tmp_path):
    lines = shape("06").read_text(encoding="utf-16").splitlines()
    text = "\n".join([lines[0] + ";SchoolNo", *[f"{line};0042" for line in lines[1:]]]) + "\n"
    path = tmp_path / "events.csv"
    path.write_bytes(text.encode("utf-16"))
    columns = {
        "student_id": "studentId",
        "date": "Date",
        "code_local": "Code",
        "absent_days": "DaysAbsent",
        "school_id": "SchoolNo",
    }
    _, rows = read_as("attendance_event", path, columns)
    assert rows.frame["student_id"].tolist() == ["000501", "000502"]
    assert rows.frame["date"].dt.strftime("%Y-%m-%d").tolist() == ["2024-10-01", "2024-10-02"]
    assert rows.frame["absent_days_units"].tolist() == [60_000, 120_000]


def test_calendar_and_code_tables_without_their_meaning_name_what_is_missing():
    with pytest.raises(UserError, match="is_instructional"):
        read_as("calendar", shape("07"), {"school_id": "SchoolID", "date": "Date", "day_type": "DayType"})
    with pytest.raises(UserError, match="counts_absent"):
        read_as("code_table", shape("08"), {"code_local": "Att_Code", "description": "Description"})


def test_a_grid_of_days_is_refused(tmp_path):
    with pytest.raises(UserError, match="column names was not found"):
        opened(tmp_path, {"attendance_event": shape("09").read_text(encoding="utf-8")})


def test_a_thousand_blank_lines_and_a_footer_are_no_rows():
    raw = read_text(
        shape("10"), "x.csv", known={"student_id": "student_id", "date": "date"}, required=("student_id", "date")
    )
    assert len(raw.rows) == 1 and [reason for _, reason in raw.structural] == ["a footer or total row"]


def oneroster(folder: Path, *, ids=("000401", "000402")) -> Path:
    shutil.copytree(ONEROSTER, folder)
    a, b = ids
    (folder / "attendance_event.csv").write_text(
        f"student_id,school_id,date,code_local\n{a},0042,2024-09-03,A\n{b},0042,2024-09-04,A\n", encoding="utf-8"
    )
    (folder / "code_table.csv").write_text(BASE["code_table"], encoding="utf-8")
    return folder


def test_oneroster_with_attendance_is_a_study(tmp_path):
    folder = oneroster(tmp_path / "or")
    (folder / "study.toml").write_text('[rules]\ncomplete_through = "2024-10-31"\n', encoding="utf-8")
    study = open_study(folder)
    assert study.table("student")["student_id"].tolist() == ["000401", "000402"]
    assert study.table("student")["race_ethnicity"].tolist()[0] == "Black"
    spans = study.table("enrollment").set_index(["student_id", "school_id"])["exit_date"]
    assert spans["000401"]["0042"] == pd.Timestamp("2024-10-11") and len(spans) == 3
    assert (
        study.school_year == 2025
        and "estimated_calendar" in study.can
        and study.school_name("0042") == "Test Elementary"
    )


def test_oneroster_attendance_by_sourced_id_is_put_on_the_identifier(tmp_path):
    study = open_study(oneroster(tmp_path / "or", ids=("u1", "u2")))
    assert set(study.table("attendance_event")["student_id"]) == {"000401", "000402"}
    assert any("sourcedId" in remark for remark in study.remarks)


def test_oneroster_without_attendance_is_refused():
    with pytest.raises(UserError, match="no attendance"):
        open_study(ONEROSTER)


@pytest.mark.skipif(
    not (SAMPLES / "ct_grade").exists(), reason="the third-party samples are not beside this repository"
)
def test_published_totals_are_told_apart():
    with pytest.raises(UserError, match="published totals"):
        open_study(SAMPLES / "ct_grade")


EDFI = pytest.mark.skipif(
    not (SAMPLES / "edfi").exists(), reason="the third-party samples are not beside this repository"
)


@EDFI
def test_edfi_counts_agree_with_another_parser():
    study, space = open_study(SAMPLES / "edfi"), "{http://ed-fi.org/5.2.0}"
    seen = []
    for record in ElementTree.parse(SAMPLES / "edfi" / "StudentSchoolAttendance.xml").getroot():
        seen.append(
            tuple(
                record.find(f".//{space}{tag}").text
                for tag in ("StudentUniqueId", "EventDate", "AttendanceEventCategory")
            )
        )
    assert len(seen) == account_of_file(study, "StudentSchoolAttendance.xml")["rows_read"] == 1917
    kinds = pd.Series([kind.split("#")[1] for _, _, kind in seen]).value_counts()
    assert (
        kinds[["Excused Absence", "Unexcused Absence"]].sum() == 1850 and kinds["Tardy"] == 66 and kinds["Partial"] == 1
    )
    said = " ".join(study.remarks)
    for words in (
        "960 students",
        "1,917 school attendance events",
        "1,850 absences",
        "66 tardies",
        "1 partial day",
        "227 students",
        "3 events dated on a weekend (Sunday 2022-05-15)",
        "Student-days with two different rows: 1",
        "25 students in an intervention, 6 of whom have an event",
        "2021-08-23",
        '"not given"',
    ):
        assert words in said, words
    assert len({student for student, _, _ in seen}) == study.table("attendance_event")["student_id"].nunique() == 227


@EDFI
def test_edfi_without_enrolment_withholds_rates_with_that_sentence():
    study = open_study(SAMPLES / "edfi")
    assert "rates" not in study.can and "daily" in study.can and study.school_year == 2022
    assert "733 students without an event have no known school" in study.lacks("rates")[0]
    held = study.table("assignment")
    assert len(held) == 25 and held["begin_date"].eq("2021-08-23").all() and held["mentor_id"].eq("not given").all()
    assert account_of_file(study, "StudentSchoolAttendance.xml")["quarantined"] == 4
    assert account_of_file(study, "StudentSectionAttendance-Tardy.xml")["duplicate"] == 66


def account_of_file(study, file: str) -> dict:
    return next(entry for entry in study.account.to_dict()["files"] if entry["file"] == file)


BOMB = ('<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "1234567890"><!ENTITY b "&a;&a;&a;&a;">]>'
        "<I><Student>&b;</Student></I>")


@pytest.mark.parametrize(
    "text", [BOMB, '<!DOCTYPE a SYSTEM "file:///etc/hostname"><I/>', "<I><Student>", "", "<I>" * 60 + "</I>" * 60]
)
def test_hostile_or_broken_xml_is_refused(tmp_path, text):
    (tmp_path / "Student.xml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as problem:
        open_study(tmp_path)
    assert problem.value.exit_code == 1


def test_edfi_with_enrolment_and_calendar_bears_rates(tmp_path):
    days = pd.bdate_range("2024-09-03", periods=40).strftime("%Y-%m-%d")
    ref = ("<StudentReference><StudentUniqueId>{}</StudentUniqueId></StudentReference>"
           "<SchoolReference><SchoolId>0042</SchoolId></SchoolReference>")
    parts = [f"<Student><StudentUniqueId>{i}</StudentUniqueId></Student>" for i in ("01", "02")]
    parts += [
        f"<StudentSchoolAssociation>{ref.format(i)}<SchoolYear>2024-2025</SchoolYear><EntryDate>2024-09-03</EntryDate>"
        "<EntryGradeLevel>uri://ed-fi.org/GradeLevelDescriptor#Ninth grade</EntryGradeLevel></StudentSchoolAssociation>"
        for i in ("01", "02")
    ]
    parts += [
        f"<CalendarDate><Date>{d}</Date><CalendarEvent>x#Instructional day</CalendarEvent>"
        "<CalendarReference><CalendarCode>R</CalendarCode><SchoolId>0042</SchoolId></CalendarReference></CalendarDate>"
        for d in days
    ]
    parts += [
        f"<StudentSchoolAttendanceEvent><EventDate>{days[5]}</EventDate>"
        "<AttendanceEventCategory>x#Unexcused Absence</AttendanceEventCategory>"
        f"<EventDuration>0.33</EventDuration>{ref.format('01')}</StudentSchoolAttendanceEvent>"
    ]
    (tmp_path / "bundle.xml").write_text(f"<I>{''.join(parts)}</I>", encoding="utf-8")
    study = open_study(tmp_path)
    assert "rates" in study.can and "estimated_calendar" not in study.can
    assert study.table("attendance_event")["absent_days_units"].tolist() == [40_000]
    assert study.table("enrollment")["grade_level"].tolist() == ["09", "09"]


def test_events_of_a_folder_with_no_study_are_pointed_to_new(tmp_path):
    shutil.copy(shape("01"), tmp_path / "x.csv")
    with pytest.raises(UserError, match="no file for") as problem:
        open_study(tmp_path)
    assert "evalkit new" in problem.value.remedy
