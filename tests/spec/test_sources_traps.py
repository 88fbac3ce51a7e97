"""The table of traps of docs: what a careful loader does, each with both edges."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from sources_world import BASE, DAYS, LOOSE, STUDENTS, TOML, TOTALS, account, opened, write

from evalkit.errors import UsageError, UserError
from evalkit.study import check_study, open_study

EVENTS = "student_id,school_id,date,code_local,absent_days\n"


def refused(folder: Path, tables=None, **options) -> UserError:
    with pytest.raises(UserError) as problem:
        opened(folder, tables, **options)
    assert problem.value.exit_code == 1
    assert problem.value.remedy
    return problem.value


def dates(study) -> list[str]:
    return study.table("attendance_event")["date"].dt.strftime("%Y-%m-%d").tolist()


def test_ids_keep_their_zeros_and_words_stay_words(tmp_path):
    study = opened(tmp_path, {"student": BASE["student"] + "NA,03\nNone,03\nNE,03\n"})
    assert study.table("student")["student_id"].tolist() == ["0001", "0002", "0003", "0004", "NA", "None", "NE"]
    assert study.table("student")["student_id"].dtype == "str"


def test_ids_are_padded_only_when_told(tmp_path):
    short = BASE["attendance_event"].replace("0001,", "1,")
    far = refused(tmp_path / "a", {"attendance_event": short})
    assert "attendance_event.csv" in str(far.culprits)
    study = opened(
        tmp_path / "b", {"attendance_event": short}, head='[study]\nname = "t"\nschool_year = 2025\nid_width = 4\n'
    )
    assert study.table("attendance_event")["student_id"].tolist()[0] == "0001"
    assert account(study, "attendance_event")["repaired"] == 1


def test_numeric_ids_of_two_lengths_are_remarked(tmp_path):
    study = opened(tmp_path / "a", {"student": BASE["student"] + "12345,03\n"})
    assert any("differ in length" in remark for remark in study.remarks)
    assert not any("differ in length" in remark for remark in opened(tmp_path / "b").remarks)


def test_ids_that_lost_their_zeros_in_one_file_are_named_as_the_likely_cause(tmp_path):
    """Every event of an export that went through Excel is of an unknown student: the refusal says why, and no id."""
    told = refused(tmp_path, {"attendance_event": BASE["attendance_event"].replace("000", "")})
    text = str(told)
    assert "dropped zeros" in text and "id_width" in text and "attendance_event 1" in text and "unknown student" in text
    assert not any(one in text for one in STUDENTS)


def test_a_school_that_is_not_there_is_refused_without_naming_an_id(tmp_path):
    with pytest.raises(UsageError) as told:
        open_study(write(tmp_path), school="9042")
    assert "0042" not in str(told.value) and "school_id" in str(told.value)


def workbook(path: Path, sheets: dict[str, list[list[str]]]) -> bytes:
    import xlsxwriter

    with xlsxwriter.Workbook(str(path)) as book:
        for name, lines in sheets.items():
            page = book.add_worksheet(name)
            for i, line in enumerate(lines):
                page.write_row(i, 0, line)
    return path.read_bytes()


def test_a_table_on_several_sheets_is_refused_and_never_read_by_half(tmp_path):
    """A sheet a month, as schools keep them: reading the first alone would lose the other months unseen."""
    lines = [line.split(",") for line in BASE["attendance_event"].split()]
    months = {"Sept": lines[:2], "Oct": [lines[0], *lines[2:]]}
    told = refused(tmp_path / "two", {"attendance_event": None,
                                      "attendance_event.xlsx": workbook(tmp_path / "a.xlsx", months)})
    assert all(word in str(told) for word in ("2 sheets", "Sept", "Oct", "attendance_event_1.csv"))
    named = workbook(tmp_path / "b.xlsx", {"Old": lines[:2], "Attendance_Event": lines})
    study = opened(tmp_path / "named", {"attendance_event": None, "attendance_event.xlsx": named})
    assert account(study, "attendance_event")["loaded"] == 3 and any("1 other not read" in one for one in study.remarks)


def test_a_sheet_that_repeats_rows_of_the_first_does_not_stand_in_the_way(tmp_path):
    """As the DATT's list of students with chronic absence does behind its sheet of all."""
    lines = [line.split(",") for line in BASE["attendance_event"].split()]
    both = workbook(tmp_path / "a.xlsx", {"All": lines, "Some": [lines[0], lines[2]]})
    study = opened(tmp_path / "study", {"attendance_event": None, "attendance_event.xlsx": both})
    assert account(study, "attendance_event")["loaded"] == 3


def test_the_sheet_that_holds_the_table_is_read_behind_a_cover_sheet(tmp_path):
    lines = [line.split(",") for line in BASE["attendance_event"].split()]
    cover = workbook(tmp_path / "a.xlsx", {"Cover": [["Run by the office"], ["for 2024"]], "Data": lines,
                                           "Codes": [["A", "Absent"], ["T", "Tardy"]]})
    study = opened(tmp_path / "study", {"attendance_event": None, "attendance_event.xlsx": cover})
    assert account(study, "attendance_event")["loaded"] == 3


def test_excel_text_literals_are_taken_off(tmp_path):
    text = BASE["student"].replace("0001,", '"=""0001""",')
    study = opened(tmp_path, {"student": text})
    assert study.table("student")["student_id"][0] == "0001"
    assert account(study, "student")["repaired"] == 1


def test_an_id_with_hidden_letters_is_set_aside(tmp_path):
    study = opened(tmp_path, {"student": BASE["student"] + "00\u200b05,03\n00\u202e06,03\n"}, toml=LOOSE)
    assert account(study, "student")["quarantined"] == 2
    study = opened(tmp_path / "nfc", {"student": BASE["student"] + "e\u0301x,03\n"})
    assert study.table("student")["student_id"].iloc[-1] == "\u00e9x"


def test_mixed_date_formats_are_each_read(tmp_path):
    text = (
        EVENTS + "0001,0042,09/13/2024,A,1\n0001,0042,9/5/24,A,1\n0001,0042,2024-09-06,A,1\n0001,0042,9 Sep 2024,A,1\n"
    )
    study = opened(tmp_path, {"attendance_event": text})
    assert dates(study) == ["2024-09-13", "2024-09-05", "2024-09-06", "2024-09-09"]
    assert account(study, "attendance_event")["repaired"] == 3


def test_ambiguous_dates_are_refused_until_told(tmp_path):
    text = EVENTS + "0001,0042,09/03/2024,A,1\n0001,0042,09/04/2024,A,1\n"
    far = refused(tmp_path / "a", {"attendance_event": text})
    assert far.file == "attendance_event.csv" and far.row == 2 and far.column == "date" and "date_order" in far.remedy
    head = '[study]\nname = "t"\nschool_year = 2025\ndate_order = "month_first"\n'
    assert dates(opened(tmp_path / "b", {"attendance_event": text}, head=head)) == ["2024-09-03", "2024-09-04"]
    settled = text + "0001,0042,09/13/2024,A,1\n"
    assert dates(opened(tmp_path / "c", {"attendance_event": settled}))[0] == "2024-09-03"
    same = EVENTS + "0001,0042,09/09/2024,A,1\n"
    assert dates(opened(tmp_path / "d", {"attendance_event": same})) == ["2024-09-09"]


def test_day_first_dates_settled_by_one_above_twelve(tmp_path):
    text = EVENTS + "0001,0042,03/09/2024,A,1\n0001,0042,13/09/2024,A,1\n"
    assert dates(opened(tmp_path, {"attendance_event": text})) == ["2024-09-03", "2024-09-13"]


def test_dates_proven_both_ways_are_refused(tmp_path):
    far = refused(
        tmp_path,
        {"attendance_event": EVENTS + "0001,0042,13/09/2024,A,1\n0001,0042,09/13/2024,A,1\n0001,0042,09/04/2024,A,1\n"},
    )
    assert "some month first" in str(far.culprits)


def test_an_unreadable_date_is_its_rows_fault(tmp_path):
    text = BASE["attendance_event"] + "0004,0042,2024-13-40,A,1\n"
    study = opened(tmp_path, {"attendance_event": text}, toml=LOOSE)
    found = account(study, "attendance_event")
    assert found["quarantined"] == 1 and found["loaded"] == 3
    assert "date: a date that does not exist" in found["reasons"]


def test_excel_numbers_are_dates_only_when_the_whole_column_is(tmp_path):
    whole = EVENTS + "0001,0042,45541,A,1\n0002,0042,45548,A,1\n"
    assert dates(opened(tmp_path / "a", {"attendance_event": whole})) == ["2024-09-06", "2024-09-13"]
    mixed = BASE["attendance_event"] + "0004,0042,45541,A,1\n"
    assert (
        account(opened(tmp_path / "b", {"attendance_event": mixed}, toml=LOOSE), "attendance_event")["quarantined"] == 1
    )


@pytest.mark.parametrize("end", ["9999-12-31", "12/31/9999", ""])
def test_year_9999_and_blank_are_open_ends(tmp_path, end):
    text = BASE["enrollment"].replace("0001,0042,2025,2024-09-03,", f"0001,0042,2025,2024-09-03,{end}")
    assert opened(tmp_path, {"enrollment": text}).table("enrollment")["exit_date"].isna().all()


def test_a_zero_date_of_excel_is_blank(tmp_path):
    text = BASE["enrollment"].replace("0001,0042,2025,2024-09-03,", "0001,0042,2025,2024-09-03,1/0/1900")
    study = opened(tmp_path, {"enrollment": text})
    assert study.table("enrollment")["exit_date"].isna().all() and account(study, "enrollment")["repaired"] == 1


def test_exact_repeats_are_duplicates_and_conflicts_keep_the_most_absence(tmp_path):
    text = BASE["attendance_event"] + "0001,0042,2024-09-04,A,1\n0002,0042,2024-09-05,A,1\n"
    study = opened(tmp_path, {"attendance_event": text}, toml=LOOSE)
    found = account(study, "attendance_event")
    assert (found["duplicate"], found["quarantined"], found["loaded"]) == (1, 1, 3)
    kept = study.table("attendance_event").set_index("student_id")["absent_days"]
    assert kept["0002"] == 1.0


def test_the_code_table_decides_which_conflicting_row_has_more_absence(tmp_path):
    text = EVENTS + "0001,0042,2024-09-04,T,\n0001,0042,2024-09-04,A,\n0003,0042,2024-09-13,T,\n"
    study = opened(tmp_path, {"attendance_event": text}, toml=LOOSE)
    assert study.table("attendance_event")["code_local"].tolist() == ["A", "T"]


def test_a_later_extract_wins(tmp_path):
    head = "student_id,school_id,date,code_local,as_of\n"
    first, later = (
        head + "0001,0042,2024-09-04,A,2024-09-10\n0002,0042,2024-09-05,A,2024-09-10\n",
        (head + "0001,0042,2024-09-04,T,2024-09-20\n0002,0042,2024-09-05,A,2024-09-20\n"),
    )
    study = opened(
        tmp_path, {"attendance_event": None, "attendance_event_1.csv": first, "attendance_event_2.csv": later}
    )
    assert study.table("attendance_event")["code_local"].tolist() == ["T", "A"]
    found = account(study, "attendance_event")
    assert found["quarantined"] == 1 and found["duplicate"] == 1 and found["loaded"] == 2


def test_parts_in_a_folder_are_one_table(tmp_path):
    lines = BASE["attendance_event"].splitlines(keepends=True)
    parts = {
        "attendance_event": None,
        "attendance_event/p1.csv": "".join(lines[:3]),
        "attendance_event/p2.csv": lines[0] + lines[3],
    }
    one, several = opened(tmp_path / "a"), opened(tmp_path / "b", parts)
    pd.testing.assert_frame_equal(one.table("attendance_event"), several.table("attendance_event"))


def test_spans_that_cannot_be_are_set_aside(tmp_path):
    text = (
        BASE["enrollment"]
        + "0001,0042,2025,2024-09-10,2024-09-05\n0002,0042,2025,2024-09-04,2024-09-04\n0002,0042,2025,2020-09-04,\n"
    )
    study = opened(tmp_path, {"enrollment": text}, toml=LOOSE)
    found = account(study, "enrollment")
    assert found["quarantined"] == 2 and found["loaded"] == 5
    assert any("same day" in remark for remark in study.remarks)


def test_no_shows_are_dropped_and_do_not_count_against_the_file(tmp_path):
    text = (
        "student_id,school_id,school_year,entry_date,exit_date,exit_type\n"
        "0001,0042,2025,2024-09-03,2024-09-03,NO SHOW\n"
        + "".join(f"{s},0042,2025,2024-09-03,,\n" for s in ("0002", "0003", "0004"))
    )
    study = opened(tmp_path, {"enrollment": text, "attendance_event": EVENTS + "0002,0042,2024-09-05,A,1\n"})
    assert len(study.table("enrollment")) == 3 and account(study, "enrollment")["quarantined"] == 1


def test_exclusive_exit_dates_move_a_day(tmp_path):
    text = BASE["enrollment"].replace("0001,0042,2025,2024-09-03,", "0001,0042,2025,2024-09-03,2024-09-06")
    head = '[study]\nname = "t"\nschool_year = 2025\nexit_is_exclusive = true\n'
    study = opened(tmp_path, {"enrollment": text}, head=head)
    assert study.table("enrollment")["exit_date"][0] == pd.Timestamp("2024-09-05")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("0001,0042,2024-09-07,A,1", "not a school day"),
        ("0001,0042,2024-09-02,A,1", "not a school day"),
        ("0001,0042,2031-09-04,A,1", "outside the school year"),
        ("9999,0042,2024-09-04,A,1", "unknown student"),
        ("0001,0057,2024-09-04,A,1", "not a school day"),
        ("0001,0042,2024-09-05,A,1.5", "above 1"),
        ("0001,0042,2024-09-05,A,-1", "negative"),
        ("0001,0042,2024-09-05,A,lots", "cannot be read"),
        ("0001,0042,,A,1", "blank"),
    ],
)
def test_impossible_events_are_set_aside_with_their_reason(tmp_path, row, reason):
    study = opened(tmp_path, {"attendance_event": BASE["attendance_event"] + row + "\n"}, toml=LOOSE)
    found = account(study, "attendance_event")
    assert found["quarantined"] == 1 and found["loaded"] == 3
    assert any(reason in why for why in found["reasons"])


def test_events_after_the_exit_are_dropped_and_on_the_last_day_kept(tmp_path):
    text = BASE["enrollment"].replace("0001,0042,2025,2024-09-03,", "0001,0042,2025,2024-09-03,2024-09-05")
    events = EVENTS + "0001,0042,2024-09-05,A,1\n0001,0042,2024-09-06,A,1\n0003,0042,2024-09-13,T,\n"
    study = opened(tmp_path, {"enrollment": text, "attendance_event": events}, toml=LOOSE)
    assert dates(study) == ["2024-09-05", "2024-09-13"]


def test_unmapped_codes_are_listed_with_counts_and_a_stub(tmp_path):
    text = BASE["attendance_event"] + "0004,0042,2024-09-05,HH,\n0004,0042,2024-09-06,HH,\n0004,0042,2024-09-09,UNV,\n"
    far = refused(tmp_path / "a", {"attendance_event": text})
    assert far.culprits == ('"HH": 2 rows', '"UNV": 1 rows') and '"HH" = "UnexcusedAbsence"' in far.remedy
    study = opened(
        tmp_path / "b",
        {"attendance_event": text},
        toml='[codes]\nHH = "home_hospital"\nUNV = { status = "Unverified", counts_absent = 1 }\n',
    )
    assert set(study.table("code_table")["code_local"]) == {"A", "T", "HH", "UNV"}


def test_a_blank_code_needs_a_declared_meaning(tmp_path):
    text = BASE["attendance_event"] + "0004,0042,2024-09-05,,\n"
    assert "blank_code" in refused(tmp_path / "a", {"attendance_event": text}).remedy
    head = '[study]\nname = "t"\nschool_year = 2025\nblank_code = "present"\n'
    assert len(opened(tmp_path / "b", {"attendance_event": text}, head=head).table("attendance_event")) == 4
    table = BASE["code_table"] + ",Present,Present,0,true,false,false,false\n"
    assert len(opened(tmp_path / "c", {"attendance_event": text, "code_table": table}).table("attendance_event")) == 4


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_encodings_are_found(tmp_path, encoding):
    text = BASE["student"].replace("grade_level\n", "grade_level,bus_route\n").replace(",03\n", ",03,Ruta é\n")
    study = opened(tmp_path, {"student": text.encode(encoding)})
    assert study.table("student")["bus_route"].tolist() == ["Ruta é"] * 4
    assert any("cp1252" in remark for remark in study.remarks) == (encoding == "cp1252")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    assert refused(tmp_path / "a", {"student": b"student_id,grade_level\n\x81\x8d,03\n"}).file == "student.csv"
    assert refused(tmp_path / "b", {"student": b"\x00\x01\x02\x03" * 40}).file == "student.csv"
    assert refused(tmp_path / "c", {"student": b""}).file == "student.csv"
    assert refused(tmp_path / "d", {"student": b"student_id,grade_level\n"}).file == "student.csv"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(tmp_path, delimiter):
    assert len(opened(tmp_path, {"student": BASE["student"].replace(",", delimiter)}).table("student")) == 4


def test_decimal_commas_percent_and_thousands(tmp_path):
    text = TOTALS["attendance_total"].replace(",", ";").replace(";20;2\n", ";20;1,5\n")
    study = opened(tmp_path, {"attendance_total": text}, base=TOTALS)
    assert study.table("attendance_total")["days_absent"].tolist() == [1.5] * 4
    assert study.table("attendance_total")["days_absent_units"].tolist() == [180_000] * 4


def test_titles_footers_totals_and_blank_lines_are_no_data(tmp_path):
    text = "Attendance list,\nRun 2/3/2025,\n" + BASE["student"] + ",\n,\nTotal,4\nRecords: 4,\n"
    study = opened(tmp_path, {"student": text})
    found = account(study, "student")
    assert (found["rows_read"], found["loaded"], found["quarantined"]) == (8, 4, 4)


def test_a_head_row_that_is_not_there_is_refused_without_showing_data(tmp_path):
    far = refused(tmp_path, {"student": "0001,Nuñez\n0002,Lee\n"})
    assert "student_id" in far.remedy and "Nuñez" not in far.screen() and "0001" not in far.screen()


def test_columns_have_local_names(tmp_path):
    text = BASE["student"].replace("student_id", "PERMNUMBER").replace("grade_level", "Gr")
    assert "PERMNUMBER" not in refused(tmp_path / "a", {"student": text}).what
    study = opened(
        tmp_path / "b", {"student": text}, toml='[columns.student]\nstudent_id = "PERMNUMBER"\ngrade_level = "gr"\n'
    )
    assert len(study.table("student")) == 4


def test_a_missing_column_is_named_with_the_nearest(tmp_path):
    far = refused(tmp_path, {"assignment": BASE["assignment"].replace("begin_date", "begindate")})
    assert "begin_date" in far.what and far.file == "assignment.csv" and "begindate" in far.screen()


@pytest.mark.parametrize("mark", ["s", "*", "<5", "-9999", "-6666", "NS"])
def test_marks_of_hidden_values_are_missing_never_numbers(tmp_path, mark):
    text = "student_id,school_year,days_enrolled,days_absent,suspensions\n" + f"0001,2024,180,10,{mark}\n"
    study = opened(tmp_path, {"prior_year": text})
    assert study.table("prior_year")["suspensions"].isna().all() and account(study, "prior_year")["repaired"] == 1


@pytest.mark.parametrize(
    ("pair", "is_used"), [("20,20", True), ("20,20.5", False), ("20,-1", False), ("20,0", True), ("0,0", True)]
)
def test_totals_that_cannot_be_are_set_aside(tmp_path, pair, is_used):
    text = TOTALS["attendance_total"] + f"0001,0042,2024-10-01,2024-10-31,{pair}\n"
    study = opened(tmp_path, {"attendance_total": text}, base=TOTALS, toml=LOOSE)
    assert len(study.table("attendance_total")) == 4 + is_used


@pytest.mark.parametrize(
    ("given", "grade"),
    [
        ("0K", "KG"),
        ("KF", "KG"),
        ("-1", "PK"),
        ("Grade   1", "01"),
        ("PK in K-12 Schools", "PK"),
        ("3", "03"),
        ("3rd", "03"),
        ("Ninth grade", "09"),
        ("3.0", "03"),
        ("12", "12"),
    ],
)
def test_grades_are_mapped(tmp_path, given, grade):
    study = opened(tmp_path, {"student": BASE["student"].replace("0001,03", f"0001,{given}")})
    assert study.table("student")["grade_level"][0] == grade


def test_unmapped_grades_are_refused_until_mapped(tmp_path):
    text = BASE["student"].replace("0001,03", "0001,Zebra")
    far = refused(tmp_path / "a", {"student": text})
    assert '"Zebra"' in str(far.culprits) and "[codes.grade_level]" in far.remedy
    study = opened(tmp_path / "b", {"student": text}, toml='[codes.grade_level]\nZebra = "UG"\n')
    assert study.table("student")["grade_level"][0] == "UG"


def test_a_period_file_is_not_taken_for_daily(tmp_path):
    rows = "".join(f"000{s},0042,2024-09-05,{p},A\n" for s in (1, 2, 3) for p in range(1, 6))
    far = refused(tmp_path, {"attendance_event": "student_id,school_id,date,period,code_local\n" + rows})
    assert "attendance_period" in far.remedy


def test_extra_columns_are_dropped_and_listed(tmp_path):
    text = BASE["student"].replace("grade_level\n", "grade_level,Home Address\n").replace(",03\n", ",03,12 Elm\n")
    study = opened(tmp_path, {"student": text})
    assert "Home Address" not in study.table("student").columns
    assert any("Home Address" in remark for remark in study.remarks) and not any(
        "Elm" in remark for remark in study.remarks
    )


@pytest.mark.parametrize(("text", "minutes"), [("90", 90), ("90 min", 90), ("1:30", 90), ("1.5 h", 90), ("240", 240)])
def test_minutes_are_read_in_words(tmp_path, text, minutes):
    rows = f"contact_id,student_id,mentor_id,date,activity,minutes\nC1,0001,M1,2024-09-06,d_meeting,{text}\n"
    assert opened(tmp_path, {"contact": rows}).table("contact")["minutes"].tolist() == [minutes]


@pytest.mark.parametrize(
    "row",
    [
        "C2,0001,M1,2024-09-06,d_meeting,241",
        "C2,,M1,2024-09-06,d_meeting,5",
        "C2,0001,M1,2034-09-06,d_meeting,5",
        "C2,0099,M1,2024-09-06,d_meeting,5",
        "C2,0001,M1,2024-09-06,d_meeting,1.5",
    ],
)
def test_contacts_that_cannot_be_are_set_aside(tmp_path, row):
    rows = "contact_id,student_id,mentor_id,date,activity,minutes\nC1,,M1,2024-09-06,h_team_meeting,30\n" + row + "\n"
    assert opened(tmp_path, {"contact": rows}, toml=LOOSE).table("contact")["contact_id"].tolist() == ["C1"]


def test_more_than_five_percent_set_aside_is_refused_and_exactly_five_is_not(tmp_path):
    rows = "student_id,mentor_id,begin_date,end_date\n" + "".join(f"0001,M{i},2024-09-05,\n" for i in range(19))
    assert len(opened(tmp_path / "a", {"assignment": rows + "0099,M1,2024-09-05,\n"}).table("assignment")) == 19
    far = refused(tmp_path / "b", {"assignment": rows.replace("0001,M0,", "0098,M0,") + "0099,M1,2024-09-05,\n"})
    assert "5%" in far.what and "max_set_aside" in far.remedy and "0099" not in far.screen()


@pytest.mark.parametrize(
    "missing", ["student", "enrollment", "calendar", "attendance_event", "code_table", "assignment"]
)
def test_a_missing_table_is_named(tmp_path, missing):
    far = refused(tmp_path, {missing: None})
    assert missing in far.what


def test_a_study_of_totals_needs_no_calendar(tmp_path):
    study = opened(tmp_path, base=TOTALS)
    assert {"totals", "rates"} <= study.can and "daily" not in study.can


def test_notes_are_read_and_the_last_row_of_an_id_wins(tmp_path):
    rows = "action_id,decided_on,about,what,status\nN1,2024-09-06,school,Call,open\nN1,2024-09-06,school,Call,done\n"
    study = opened(tmp_path, {"notes/action.csv": rows})
    assert study.table("action")["status"].tolist() == ["done"]


def test_a_workbook_reads_as_csv_does(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Attendance report"])
    for line in BASE["attendance_event"].splitlines():
        cells = line.split(",")
        sheet.append(
            [
                *cells[:2],
                pd.Timestamp(cells[2]) if cells[2][0] == "2" else cells[2],
                cells[3],
                float(cells[4]) if cells[4] and cells[4][0].isdigit() else cells[4],
            ]
        )
    hidden = book.create_sheet("secret")
    hidden.sheet_state = "hidden"
    hidden.append(["student_id"])
    write(tmp_path / "x", {"attendance_event": None})
    book.save(tmp_path / "x" / "attendance_event.xlsx")
    one, other = opened(tmp_path / "a"), open_study(tmp_path / "x")
    pd.testing.assert_frame_equal(one.table("attendance_event"), other.table("attendance_event"))
    assert any("other not read" in remark for remark in other.remarks)


def test_parquet_reads_as_csv_does(tmp_path):
    folder = write(tmp_path / "p", {"attendance_event": None})
    frame = pd.DataFrame(
        {
            "student_id": ["0001", "0002", "0003"],
            "school_id": "0042",
            "date": pd.to_datetime(["2024-09-04", "2024-09-05", "2024-09-13"]),
            "code_local": ["A", "A", "T"],
            "absent_days": [1, 0.5, None],
        }
    )
    frame.to_parquet(folder / "attendance_event.parquet")
    pd.testing.assert_frame_equal(
        opened(tmp_path / "a").table("attendance_event"), open_study(folder).table("attendance_event")
    )


def test_a_workbook_that_would_fill_the_memory_is_refused_unopened(tmp_path):
    import zipfile

    folder = write(tmp_path, {"student": None})
    with zipfile.ZipFile(folder / "student.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * 200_000_000)
    with pytest.raises(UserError, match="150 MB"):
        open_study(folder)


def test_a_pipe_or_a_folder_in_place_of_a_file_is_refused(tmp_path):
    import os

    folder = write(tmp_path, {"student": None})
    os.mkfifo(folder / "student.csv")
    with pytest.raises(UserError, match="ordinary file"):
        open_study(folder)


def test_set_aside_rows_are_kept_apart_and_private(tmp_path):
    folder = write(tmp_path / "s", {"assignment": BASE["assignment"] + "0099,=M1,2024-09-05,\n"}, toml=LOOSE)
    outcome = check_study(folder, out=tmp_path / "out")
    kept = list(outcome.kept.iterdir())
    assert [path.name for path in kept] == ["assignment.csv"]
    assert kept[0].stat().st_mode & 0o777 == 0o600 and outcome.kept.stat().st_mode & 0o777 == 0o700
    assert "0099,'=M1" in kept[0].read_text(encoding="utf-8")
    with pytest.raises(UserError, match="inside the study"):
        check_study(folder, out=folder)


def test_no_message_holds_an_id(tmp_path):
    study = opened(tmp_path, {"assignment": BASE["assignment"] + "777777,M1,2024-09-05,\n"}, toml=LOOSE)
    assert "777777" not in str(study.account.to_dict()) + str(study.remarks)


PERIOD_HEAD = "student_id,school_id,date,period,code_local,minutes_scheduled,minutes_present\n"


def period_file(present: int) -> str:
    """Two periods a day on every school day; student 0001 is there for `present` of 50 minutes in each."""
    rows = [f"{s},0042,{d},{p},,50,{present if s == '0001' else 50}\n" for s in STUDENTS for d in DAYS for p in (1, 2)]
    return PERIOD_HEAD + "".join(rows)


@pytest.mark.parametrize(("present", "toml", "days"), [
    (26, "", 0), (25, "", 9), (25, '[rules]\nperiod_rollup = "half_day_bands"\n', 4.5),
    (0, '[rules]\nperiod_rollup = "homeroom"\nhomeroom_period = "2"\n', 9)])
def test_a_study_of_periods_opens_by_a_named_rule(tmp_path, present, toml, days):
    from evalkit import panel

    study = opened(tmp_path, {"attendance_event": None, "attendance_period": period_file(present)}, toml=toml)
    assert {"daily", "rates"} <= study.can
    assert any("made of periods" in remark for remark in study.remarks)
    rows = panel.student_panel(study).set_index("student_id")
    assert rows.loc["0001", ["enrolled_days", "absent_days"]].tolist() == [9, days]
    assert rows.loc["0002", "absent_days"] == 0


def test_missed_periods_alone_ask_for_the_periods_in_a_day(tmp_path):
    missed = PERIOD_HEAD + "0001,0042,2024-09-05,1,A,50,0\n"
    far = refused(tmp_path, {"attendance_event": None, "attendance_period": missed})
    assert "periods_in_day" in far.remedy
    some = missed + "0001,0042,2024-09-05,2,,50,50\n0001,0042,2024-09-06,1,A,50,0\n"
    far = refused(tmp_path / "c", {"attendance_event": None, "attendance_period": some})
    assert "missed periods only" not in far.what and "1 of 3 rows say present" in far.culprits[0]
    far = refused(tmp_path / "b", {"attendance_event": None, "attendance_period": period_file(0)},
                  toml='[rules]\nperiod_rollup = "homeroom"\nhomeroom_period = "HR"\n')
    assert '"1", "2"' in far.remedy


@pytest.mark.parametrize(("head", "names"), [
    ("ADMINID,PERMNUMBER,ATTEVENTDATE,DAILY_STATUS\n", "ADMINID, PERMNUMBER, ATTEVENTDATE, DAILY_STATUS"),
    ("matricula;escuela;fecha;codigo\n", "matricula, escuela, fecha, codigo"),
    ("David,Abshire,Madrid\n", ""), ("Ana,12 Elm St,0001\n", "")])
def test_a_head_row_of_other_names_is_shown_and_data_never(tmp_path, head, names):
    far = refused(tmp_path, {"attendance_event": head + "1,2,3,4\n"})
    assert names in far.screen() if names else "line 1:" in far.screen()
    assert not any(word in far.screen() for word in ("David", "Abshire", "Ana", "Elm"))


def test_a_quote_never_closed_is_named_by_its_row(tmp_path):
    far = refused(tmp_path, {"student": 'student_id,grade_level\n0001,03\n"0002,03\n0003,03\n'})
    assert far.row == 3 and "never closed" in far.what


def test_a_study_whose_every_assignment_is_unknown_is_refused_in_words(tmp_path):
    contact = "contact_id,student_id,mentor_id,date,activity\nc1,0001,M1,2024-09-06,a_greet\n"
    refused(tmp_path, {"assignment": BASE["assignment"].replace("0001", "0999"), "contact": contact})


def test_a_workbook_is_named_by_its_file_alone(tmp_path):
    """The account and the manifest name inputs that stand in the folder, so that `verify` finds them again."""
    xlsxwriter = pytest.importorskip("xlsxwriter")
    folder = write(tmp_path, {"student": None})
    book = xlsxwriter.Workbook(str(folder / "student.xlsx"))
    sheet = book.add_worksheet("Roster")
    for i, line in enumerate(BASE["student"].splitlines()):
        for j, cell in enumerate(line.split(",")):
            sheet.write_string(i, j, cell)
    book.close()
    study = open_study(folder)
    assert {entry["file"] for entry in study.account.to_dict()["files"]} >= {"student.xlsx"}
    assert all((folder / name).is_file() for name in study.inputs)


@pytest.mark.parametrize(("rule", "words"), [
    ('complete_through = "2024-13-01"', "not a date"),
    ("complete_through = 2024-09-06T10:00:00", "not a date"),
    ("complete_through = 1999-09-06", "outside"),
    ("complete_through = 2031-09-06", "outside"),
])
def test_a_last_complete_day_that_cannot_be_is_an_input_fault(tmp_path, rule, words):
    problem = refused(tmp_path, toml=f"[rules]\n{rule}\n")
    assert (words in problem.what and problem.exit_code == 1 and "2024" in problem.remedy) or "2026" in problem.remedy


def test_a_schools_last_complete_day_outside_the_year_is_its_rows_fault(tmp_path):
    school = "school_id,name,complete_through\n0042,Otter,2062-06-01\n0043,Elm,2025-06-01\n"
    study = opened(tmp_path, {"school": school}, toml=LOOSE)
    assert account(study, "school")["reasons"] == {"complete_through: outside the school year": 1}
    assert study.as_of < pd.Timestamp("2026-01-01")


def test_a_remedy_for_a_list_is_written_as_toml(tmp_path):
    assert '["W2", "M1", "M2", "2m"]' in refused(tmp_path, toml='[rules]\nearly_warning = "W2"\n').remedy


def test_home_and_hospital_codes_follow_the_rule_on_homebound(tmp_path):
    from evalkit.panel import attendance_panel

    events = BASE["attendance_event"] + "0004,0042,2024-09-04,HH,\n"
    for place, rule, days in (("out", "exclude", 8), ("in", "include", 9)):
        toml = f'[rules]\nhomebound = "{rule}"\n[codes]\nHH = "home_hospital"\n'
        frame = attendance_panel(opened(tmp_path / place, {"attendance_event": events}, toml=toml))
        assert frame.set_index("student_id")["n_days"]["0004"] == days


def test_column_names_and_no_rows_are_read_as_none_where_the_study_can_do_without(tmp_path):
    heads = {"recognition": "student_id,award,date\n", "attendance_event_2024-10": EVENTS}
    study = opened(tmp_path / "a", heads)
    assert "recognition" not in study.tables and len(dates(study)) == 3
    said = next(remark for remark in study.remarks if "no rows, read as none" in remark)
    assert "recognition.csv" in said and "attendance_event_2024-10.csv" in said
    assert {"recognition.csv", "attendance_event_2024-10.csv"} <= {
        entry["file"] for entry in study.account.to_dict()["files"] if not entry["rows_read"]}
    head = BASE["assignment"].split("\n")[0] + "\n"
    problem = refused(tmp_path / "b", {"assignment": head})
    assert "assignment.csv" in problem.where and "no_mentors_yet" in problem.remedy
    assert len(dates(opened(tmp_path / "c", {"assignment": head}, head=TOML + "no_mentors_yet = true\n"))) == 3
    problem = refused(tmp_path / "d", {"calendar": BASE["calendar"].split("\n")[0] + "\n"})
    assert "calendar.csv" in problem.where and "no_mentors_yet" not in problem.remedy


def test_a_study_of_periods_can_be_asked_about_a_day_before_its_first_row(tmp_path):
    """A review looks back at the one before: no row is known, so no day is counted, as in the whole study."""
    from evalkit import panel

    later = "".join(row for row in period_file(0).splitlines(keepends=True) if row[10:20] not in DAYS[:2])
    study = opened(tmp_path, {"attendance_event": None, "attendance_period": later})
    before = panel.student_panel(study.at("2024-09-04"))
    whole = panel.student_panel(study, end="2024-09-04")
    assert len(before) == len(whole) == 0 and list(before.columns) == list(whole.columns)
    assert len(panel.student_panel(study)) == 4


@pytest.mark.parametrize("name", ["Att Date", "DATE_OF_DAY", "Dates"])
def test_a_renamed_column_is_offered_as_the_missing_one(tmp_path, name):
    problem = refused(tmp_path, {"attendance_event": BASE["attendance_event"].replace(",date,", f",{name},", 1)})
    assert problem.culprits == (f'date: is it your column "{name}"?',)


def test_a_folder_is_called_a_folder(tmp_path):
    assert refused(tmp_path / "st", {"calendar": None}).where == "folder st"


def test_guesses_nobody_confirmed_are_counted_until_the_marks_are_off(tmp_path):
    toml = '# a # confirm\n[columns.student]\nsex = "Gender"  # confirm\n[codes]\n"X" = "Tardy"  # confirm: rows: 1\n'
    said = [one for one in opened(tmp_path / "a", toml=toml).remarks if "nobody has confirmed" in one]
    assert len(said) == 1 and "yet: 2." in said[0]
    assert not [one for one in opened(tmp_path / "b").remarks if "nobody has confirmed" in one]


def test_a_table_whose_rows_begin_later_is_not_asked_for(tmp_path):
    study = opened(tmp_path)
    before = study.at("2024-09-04")
    assert before.lacks("assignment")[0].endswith("no row yet on 2024-09-04; its rows begin later.")
    assert study.at("2024-09-05").lacks("assignment") == ()
    assert "To switch it on" in before.lacks("contact")[0]
