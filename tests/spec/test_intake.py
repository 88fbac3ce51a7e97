"""`evalkit new`: exports become a study; what is guessed is marked and said, nothing is guessed silently."""

from __future__ import annotations

import csv
import io
import tomllib
from pathlib import Path

import pytest
from sources_world import BASE, TOTALS

from evalkit.cli import main
from evalkit.errors import UserError
from evalkit.intake import new_study
from evalkit.panel import attendance_panel
from evalkit.study import open_study

SHAPES = Path(__file__).parents[1] / "fixtures" / "sis_shapes"


def exports(folder: Path, **files: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def renamed(text: str, **names: str) -> str:
    head, _, rest = text.partition("\n")
    return ",".join(names.get(cell, cell) for cell in head.split(",")) + "\n" + rest


def without(text: str, *columns: str) -> str:
    rows = list(csv.reader(io.StringIO(text)))
    keep = [i for i, name in enumerate(rows[0]) if name not in columns]
    return "\n".join(",".join(row[i] for i in keep) for row in rows) + "\n"


LOCAL = {"student_id": "Student_Number", "school_id": "SCHOOL_CODE", "date": "Att_Date", "code_local": "Att_Code"}


def district(folder: Path, **changes: str) -> Path:
    """The tiny study as a school system would export it: its own column names, no school year, day types as letters."""
    spans = renamed(without(BASE["enrollment"], "school_year"), student_id="STUDENT_ID", school_id="SCHOOL_CODE",
                    entry_date="ENTRY_DATE", exit_date="EXIT_DATE")
    days = renamed(without(BASE["calendar"], "is_instructional", "calendar_code"), school_id="SchoolID", date="Date",
                   day_type="DayType").replace("instructional", "I").replace("holiday", "H")
    codes = "Att_Code,Description,Presence_Status_CD\nA,Absent Unexcused,Absent\nT,Tardy,Present\n"
    found = {"roster__csv": renamed(BASE["student"], student_id="Perm Number", grade_level="Gr"),
             "spans__csv": spans, "days__csv": days, "attendance__csv": renamed(BASE["attendance_event"], **LOCAL),
             "codes__csv": codes, "assignment__csv": BASE["assignment"]}
    return exports(folder, **{**found, **changes})


def days_of(study) -> list[tuple]:
    frame = attendance_panel(study)
    return list(zip(frame["student_id"], frame["enrolled_days"], frame["absent_days"], strict=True))


def test_exports_under_other_names_give_the_same_days_as_the_study_written_by_hand(tmp_path):
    from sources_world import opened

    begun = new_study(tmp_path / "s", district(tmp_path / "x"))
    assert begun.needed == ()
    assert days_of(open_study(tmp_path / "s")) == days_of(opened(tmp_path / "hand"))


def test_a_file_whose_columns_suffice_is_copied_and_mapped(tmp_path):
    source = district(tmp_path / "x")
    new_study(tmp_path / "s", source)
    settings = tomllib.loads((tmp_path / "s" / "study.toml").read_text(encoding="utf-8"))
    assert settings["tables"]["attendance_event"] == "attendance.csv"
    assert settings["columns"]["attendance_event"]["student_id"] == "Student_Number"
    assert settings["codes"] == {"A": "UnexcusedAbsence", "T": "Tardy"}
    assert settings["study"]["school_year"] == 2025
    copied = tmp_path / "s" / "attendance.csv"
    assert copied.read_bytes() == (source / "attendance.csv").read_bytes() and copied.stat().st_mode & 0o077 == 0


def test_every_guess_is_marked_and_said(tmp_path):
    begun = new_study(tmp_path / "s", district(tmp_path / "x"))
    lines = (tmp_path / "s" / "study.toml").read_text(encoding="utf-8").splitlines()
    guesses = [line for line in lines if " = " in line and not line.startswith(("name", "#")) and ".csv" not in line]
    assert guesses and all("# confirm" in line for line in guesses)
    page = (tmp_path / "s" / "CONFIRM.md").read_text(encoding="utf-8")
    assert all(line in page for line in (*begun.confirm, *begun.read))
    assert any("day type" in line for line in begun.confirm) and any("school year" in line for line in begun.confirm)


def test_an_unknown_code_is_left_to_the_reader_and_check_asks_for_it(tmp_path):
    events = renamed(BASE["attendance_event"], **LOCAL) + "0004,0042,2024-09-06,QX,\n"
    begun = new_study(tmp_path / "s", district(tmp_path / "x", attendance__csv=events))
    assert any(line.startswith("[codes]") for line in begun.needed)
    assert '# "QX" = ""' in (tmp_path / "s" / "study.toml").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="not in the code table"):
        open_study(tmp_path / "s")


def test_a_school_is_filled_in_only_where_the_exports_tell_it(tmp_path):
    events = without(renamed(BASE["attendance_event"], **LOCAL), "SCHOOL_CODE")
    begun = new_study(tmp_path / "one", district(tmp_path / "x", attendance__csv=events))
    assert any("one school" in line for line in begun.confirm)
    assert days_of(open_study(tmp_path / "one")) == days_of(open_study(_by_hand(tmp_path)))
    two = BASE["calendar"].replace("0042", "0057").partition("\n")[2]
    more = new_study(tmp_path / "two", district(tmp_path / "y", attendance__csv=events + "0009,2024-09-06,A,1\n",
                                                days__csv=BASE["calendar"] + two))
    assert any(line.startswith("attendance_event.csv: fill in school_id in 1 rows; its export attendance.csv")
               for line in more.needed)


def _by_hand(tmp_path):
    from sources_world import write

    return write(tmp_path / "hand")


def test_the_order_of_dates_is_told_by_the_school_year_or_asked_for(tmp_path):
    events = "Student_Number,SCHOOL_CODE,Att_Date,Att_Code\n0001,0042,9/4/2024,A\n0002,0042,9/5/2024,A\n"
    begun = new_study(tmp_path / "told", district(tmp_path / "x", attendance__csv=events))
    assert any("month first" in line for line in begun.confirm)
    assert 'date_order = "month_first"  # confirm' in (tmp_path / "told" / "study.toml").read_text(encoding="utf-8")
    both = events.replace("9/4", "9/10").replace("9/5", "10/9")
    new_study(tmp_path / "asked", district(tmp_path / "y", attendance__csv=both))
    assert '# date_order = "month_first"' in (tmp_path / "asked" / "study.toml").read_text(encoding="utf-8")
    with pytest.raises(UserError, match="month/day"):
        open_study(tmp_path / "asked")


def test_a_grid_of_days_becomes_events_and_its_blanks_are_said(tmp_path):
    grid = "ID,Name,9/3,9/4,9/5\n0001,\"A, B\",,A,\n0002,\"C, D\",T,,A\n"
    begun = new_study(tmp_path / "s", district(tmp_path / "x", attendance__csv=grid))
    assert any("blank cell" in line for line in begun.confirm) and any('"ID"' in line for line in begun.confirm)
    text = (tmp_path / "s" / "attendance_event.csv").read_text(encoding="utf-8")
    assert text.splitlines()[1:] == ["0002,0042,2024-09-03,T", "0001,0042,2024-09-04,A", "0002,0042,2024-09-05,A"]


def test_totals_by_month_become_a_row_a_month(tmp_path):
    wide = ('"Attendance Summary",,,,,\n,,September,,October,\nPupil No,Gr,Days Enr,Days Abs,Days Enr,Days Abs\n'
            "0001,03,19,2,22,1.5\n0002,03,19,0,,\n,Total,38,2,22,1.5\n")
    begun = new_study(tmp_path / "s", exports(tmp_path / "x", wide__csv=wide, assignment__csv=BASE["assignment"]))
    lines = (tmp_path / "s" / "attendance_total.csv").read_text(encoding="utf-8").splitlines()
    assert lines[1:] == ["0001,,2024-09-01,2024-09-30,19,2", "0002,,2024-09-01,2024-09-30,19,0",
                         "0001,,2024-10-01,2024-10-31,22,1.5"]
    assert any("school_id" in line for line in begun.needed)


def test_canonical_files_need_no_guess(tmp_path):
    begun = new_study(tmp_path / "s", exports(tmp_path / "x", **{f"{k}__csv": v for k, v in TOTALS.items()}))
    assert begun.needed == () and open_study(tmp_path / "s").table("attendance_total").shape[0] == 4


def test_the_sample_exports_are_each_recognized(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["new", str(tmp_path / "s"), "--from", str(SHAPES)])
    said = capsys.readouterr().out
    assert end.value.code == 0 and "not recognized" not in said
    for shape, table in (("01_", "attendance_event"), ("02_", "attendance_event"), ("03_", "totals by month"),
                         ("04_", "attendance_period"), ("05_", "enrollment"), ("06_", "attendance_event"),
                         ("07_", "calendar"), ("08_", "code_table"), ("09_", "daily grid"),
                         ("10_", "attendance_event")):
        assert any(line.strip().startswith(f"- {shape}") and f": {table} (" in line for line in said.splitlines())
    assert "000123" not in said and "Núñez" not in said
    every = b"".join(path.read_bytes() for path in (tmp_path / "s").iterdir())
    assert "Núñez".encode() not in every and b"mam" not in every
    assert b"Records: 1" not in (tmp_path / "s" / "student.csv").read_bytes()


def test_nothing_is_overwritten_and_exports_stay_as_they_are(tmp_path):
    source = district(tmp_path / "x")
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "mine.txt").write_text("x")
    with pytest.raises(UserError, match="not empty"):
        new_study(tmp_path / "s", source)
    with pytest.raises(UserError, match="inside the exports"):
        new_study(source / "s", source)
    new_study(tmp_path / "t", source)
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before


@pytest.mark.parametrize("given", ["nowhere", "empty", "strange"])
def test_what_is_no_export_is_refused_in_words(tmp_path, given):
    exports(tmp_path / "empty")
    exports(tmp_path / "strange", a__csv="color,taste\nred,sweet\n")
    with pytest.raises(UserError) as refused:
        new_study(tmp_path / "s", tmp_path / given)
    assert refused.value.remedy and not (tmp_path / "s").exists()


def test_a_grid_without_any_year_asks_for_it(tmp_path):
    source = exports(tmp_path / "x", grid__csv="ID,9/3,9/4,9/5\n0001,,A,\n")
    with pytest.raises(UserError, match="school year is not known"):
        new_study(tmp_path / "s", source)
    new_study(tmp_path / "s", source, school_year="2024-25")
    assert "2024-09-04" in (tmp_path / "s" / "attendance_event.csv").read_text(encoding="utf-8")


def test_a_folder_of_exports_is_told_how_to_become_a_study():
    with pytest.raises(UserError) as refused:
        open_study(SHAPES)
    assert f"evalkit new STUDY --from {SHAPES.name}" in refused.value.remedy


def test_exports_without_mentors_become_a_study_before_its_first_match(tmp_path):
    source = district(tmp_path / "x")
    (source / "assignment.csv").unlink()
    begun = new_study(tmp_path / "s", source)
    settings = (tmp_path / "s" / "study.toml").read_text(encoding="utf-8")
    assert "\nno_mentors_yet = true  # confirm\n" in settings and not (tmp_path / "s" / "assignment.csv").exists()
    assert begun.needed == () and any(line.startswith("no_mentors_yet") for line in begun.confirm)
    assert len(attendance_panel(open_study(tmp_path / "s"))) == 4
