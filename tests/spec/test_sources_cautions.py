"""What is odd is said with its count, and no row is lost for it."""

from __future__ import annotations

import pytest
from sources_world import BASE, DAYS, STUDENTS, TOTALS, account, opened

EIGHT = "student_id,school_id,school_year,entry_date,exit_date"
MANY = [f"{n:04d}" for n in range(1, 13)]
ROSTER = "student_id,grade_level\n" + "".join(f"{s},03\n" for s in MANY)
ENROLLED = f"{EIGHT}\n" + "".join(f"{s},0042,2025,2024-09-03,\n" for s in MANY)
EVENTS = "student_id,school_id,date,code_local,absent_days\n"
LONG = "school_id,calendar_code,date,day_type,is_instructional\n" + "".join(
    f"0042,R,{d:%Y-%m-%d},instructional,true\n" for d in __import__("pandas").bdate_range("2024-09-02", periods=187))
CODES = BASE["code_table"]
ODD = {
    "age": ({"student": "student_id,grade_level,birth_year\n0001,03,2012\n0002,03,2013\n0003,03,2016\n0004,KG,2019\n"},
            "older or younger than is usual for their grade: 1."),
    "fte": ({"enrollment": f"{EIGHT},fte\n" + "".join(f"{s},0042,2025,2024-09-03,,{f}\n"
                                                        for s, f in zip(STUDENTS, ("0.5", "1", "", "0.8"),
                                                                        strict=True))},
            "part-time students (fte below 1): 2."),
    "two meanings": ({"code_table": CODES.replace("T,Tardy,Tardy,0", "A,Absent,ExcusedAbsence,1,true,false,true,false\n"
                                                   "T,Tardy,Tardy,0")}, "two meanings in one school year: 1."),
    "two statuses": ({"attendance_event": "student_id,school_id,date,code_local,status\n0001,0042,2024-09-04,A,Tardy\n"
                      "0002,0042,2024-09-13,A,UnexcusedAbsence\n"}, "more than one status: 1."),
    "nobody came": ({"student": ROSTER, "enrollment": ENROLLED, "attendance_event": EVENTS + "".join(
        f"{s},0042,2024-09-13,A,1\n" for s in MANY) + "0001,0042,2024-09-12,A,1\n"}, "(0% attendance): 1."),
    "long year": ({"calendar": LONG}, "more than 185 days enrolled in a school year: 4."),
    "caseload": ({"mentor": "mentor_id,mentor_type,school_id,capacity\nM1,volunteer,0042,1\nM2,volunteer,0042,1\n",
                  "assignment": "student_id,mentor_id,begin_date,end_date\n0001,M1,2024-09-05,\n0002,M1,2024-09-06,\n"
                                "0003,M2,2024-09-04,2024-09-05\n0004,M2,2024-09-06,\n"}, "than their capacity: 1."),
    "early contact": ({"contact": "contact_id,student_id,mentor_id,date,activity\nc1,0001,M1,2024-09-04,a_greet\n"
                                  "c2,0001,M1,2024-09-05,a_greet\n"}, "before the student's assignment begins: 1."),
    "lone contact": ({"contact": "contact_id,student_id,mentor_id,date,activity\nc1,0002,M1,2024-09-06,a_greet\n"},
                     "have no assignment: 1."),
    "mentor": ({"mentor": "mentor_id,mentor_type,school_id\nM2,volunteer,0042\n"},
               "a mentor not in the table mentor: 1. They are kept. First in assignment.csv, row 2: correct mentor_id "
               "there, or add the mentor."),
    "resource": ({"resource": "resource_id,name,checked_date\nR1,Bus,2024-03-17\nR2,Van,2024-03-16\n",
                  "referral": "referral_id,student_id,resource_id,made_date\nf1,0001,R9,2024-09-06\n"},
                 "a resource not in the table resource: 1."),
    "old resource": ({"resource": "resource_id,name,checked_date\nR1,Bus,2024-03-17\nR2,Van,2024-03-16\n"},
                     "more than 180 days before the last day of attendance: 1."),
    "zeros": ({"assignment": "student_id,mentor_id,begin_date,end_date\n0001,M1,2024-09-05,\n2,M1,2024-09-05,\n"},
              "Digits by table: student 4; enrollment 4; attendance_event 4; assignment 1 and 4."),
    "saturday": ({"calendar": BASE["calendar"] + "0042,R,2024-09-07,instructional,true\n"}, "in the calendar: 1."),
    "short year": ({}, "fewer than 150 or more than 200 school days in a year: 1."),
}


@pytest.mark.parametrize("name", ODD)
def test_an_oddity_is_said_with_its_count(tmp_path, name):
    tables, sentence = ODD[name]
    study = opened(tmp_path, tables, toml="[rules]\nmax_set_aside = 0.9\n")
    assert any(sentence in remark for remark in study.remarks), study.remarks
    plain = opened(tmp_path / "plain")
    assert name == "short year" or not any(sentence[:25] in remark for remark in plain.remarks)


def test_totals_above_the_calendar(tmp_path):
    study = opened(tmp_path, {"calendar": BASE["calendar"]}, base=TOTALS)
    assert any(f"than the calendar has school days: {len(STUDENTS)}." in r for r in study.remarks)  # 20 days against 9
    assert len(DAYS) == 9 and account(study, "attendance_total")["loaded"] == len(STUDENTS)
