"""Edges of the review that the sample does not hold: a weekend between two reviews, a mentor still to come, the dose of
an earlier pairing, attendance that stopped coming, a school in which nobody has missed a day yet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import evalkit as ek
from evalkit.programme import caseloads
from evalkit.reports import month_glance, monthly_review
from evalkit.reports.gate import gate_of
from evalkit.reports.month_lists import asked_for_help, review_lists
from evalkit.reports.month_windows import days_behind, review_window, stale_schools
from evalkit.rules import make_rules

DAYS = [day for day in pd.bdate_range("2025-09-01", "2026-01-30")
        if not "2025-12-22" <= f"{day:%Y-%m-%d}" <= "2026-01-04"]
SENT = [day for day in DAYS if f"{day:%Y-%m-%d}" <= "2026-01-16"]


def lines(head: str, rows) -> str:
    return "\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n"


def study_of(folder: Path, *, contacts=(), assignments=(("s01", "M1", "2025-09-08", ""),), absences=(), mentors=(),
             toml: str = "") -> Path:
    """Twelve students of one school from September 1, with what a test adds."""
    tables = {
        "student": lines("student_id,grade_level", [(f"s{n:02d}", "05") for n in range(1, 13)]),
        "enrollment": lines("student_id,school_id,school_year,entry_date,exit_date",
                            [(f"s{n:02d}", "0001", 2026, "2025-09-01", "") for n in range(1, 13)]),
        "calendar": lines("school_id,calendar_code,date,day_type,is_instructional",
                          [("0001", "", f"{day:%Y-%m-%d}", "instructional", "true") for day in DAYS]),
        "code_table": "code_local,description,status,counts_absent,counts_enrolled,is_tardy,is_excused,is_suspension\n"
                      "A,Absent,UnexcusedAbsence,1,true,false,false,false\n",
        "attendance_event": lines("student_id,school_id,date,code_local", [
            *((who, "0001", day, "A") for who, day in absences), ("s12", "0001", "2026-01-16", "A")]),
        "assignment": lines("student_id,mentor_id,begin_date,end_date", assignments),
        "mentor": lines("mentor_id,mentor_type,school_id,applied_date,start_date,end_date,capacity",
                        [("M1", "volunteer", "0001", "2025-07-01", "2025-09-01", "", 3), *mentors]),
        "contact": lines("contact_id,student_id,mentor_id,date,activity,status,needs_team", [
            ("c0", "s01", "M1", "2025-09-09", "d_meeting", "held", "false"), *contacts])}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    (folder / "study.toml").write_text(f'[study]\nname = "Edges"\nschool_year = 2026\n{toml}', encoding="utf-8")
    return folder


def test_a_call_for_help_on_the_weekend_between_two_reviews_is_in_the_next_one(tmp_path) -> None:
    """November's review is of Friday, the 28th; the row of Sunday, the 30th, is in December's."""
    asked = [("c1", "s01", "M1", "2025-11-30", "g_notes", "held", "true"),
             ("c2", "s02", "M1", "2025-11-28", "g_notes", "held", "true")]
    whole = ek.open_study(study_of(tmp_path, contacts=asked))
    months = {when: whole.at(when) for when in ("2025-11-28", "2025-12-19")}
    found = {when: set(asked_for_help(study, review_window(study))["student_id"]) for when, study in months.items()}
    assert found == {"2025-11-28": {"s02"}, "2025-12-19": {"s01"}}


def test_a_mentor_still_to_come_has_no_open_place(tmp_path) -> None:
    later = ("M2", "volunteer", "0001", "2025-11-03", "2026-01-12", "", 5)
    whole = ek.open_study(study_of(tmp_path, mentors=[later]))
    days = ("2025-10-31", "2025-11-28", "2026-01-16")
    opens = {when: int(caseloads(whole.at(when))["n_open"].sum()) for when in days}
    assert opens == {"2025-10-31": 2, "2025-11-28": 2, "2026-01-16": 7}


@pytest.mark.parametrize(("per_week", "is_listed"), [(3, True), (2, False)])
def test_the_dose_of_decide_is_that_of_the_pairing_in_force(tmp_path, per_week: int, is_listed: bool) -> None:
    """An earlier pairing's empty weeks do not dilute the dose of today's mentor, nor do its contacts add to it."""
    weeks = pd.bdate_range("2025-10-20", "2026-01-16", freq="W-MON")
    held = [(f"c{week:%m%d}{n}", "s01", "M1", f"{week + pd.Timedelta(days=n):%Y-%m-%d}", "d_meeting", "held", "false")
            for week in weeks for n in range(per_week)]
    held += [] if is_listed else [(f"e{day:%m%d}", "s01", "M1", f"{day:%Y-%m-%d}", "d_meeting", "held", "false")
                                  for day in DAYS[5:30]]
    pairs = [("s01", "M1", "2025-09-08", "2025-10-10"), ("s01", "M1", "2025-10-20", "")]
    missed = [("s01", f"{day:%Y-%m-%d}") for day in DAYS[40:100:4]]
    study = ek.open_study(study_of(tmp_path, contacts=held, assignments=pairs, absences=missed)).at("2026-01-16")
    found = review_lists(study, review_window(study))["decide"]
    assert (set(found["student_id"]) == {"s01"}) is is_listed


@pytest.mark.parametrize(("as_of", "behind"), [
    ("2026-01-16", 0), ("2026-01-17", 0), ("2026-01-23", 5), ("2026-01-26", 6)])
def test_old_data_are_said_on_the_page_and_in_the_numbers(tmp_path, as_of: str, behind: int) -> None:
    """The last day sent is Friday, January 16; a weekend is no school day; more than five school days are old."""
    study = ek.open_study(study_of(tmp_path), as_of=as_of)
    params = monthly_review.Params(as_of=as_of)
    section = monthly_review.at_a_glance(study, params)
    assert days_behind(study) == {"0001": behind}
    data = section.numbers["data"]
    assert data["school_days_behind"] == behind and data["stale_after"] == 5
    assert data["is_stale"] is (behind > 5) and (data["stale_schools"] == ["0001"]) is (behind > 5)
    assert ("Old data" in section.lead) is (behind > 5)
    words = month_glance.stale_words(study)
    assert (f"{behind} school days old" in words) is (behind > 5)
    assert section.numbers["measures"][-1]["n_enrolled_days"] == 12 * len(SENT)  # days not sent are not enrolled days


def test_when_data_are_old_is_a_rule_of_the_study(tmp_path) -> None:
    study = ek.open_study(study_of(tmp_path, toml="[rules]\nstale_after = 3\n"), as_of="2026-01-22")
    assert stale_schools(study) == ["0001"] and days_behind(study) == {"0001": 4}
    assert make_rules({}).stale_after == 5
    with pytest.raises(ek.UserError, match="stale_after"):
        make_rules({"stale_after": -1})
    partner = gate_of(study, monthly_review.Params(audience="partner"))
    assert month_glance.freshness(study, partner)["is_stale"] is True


def test_a_school_in_which_nobody_has_missed_a_day_yet_has_a_review(tmp_path) -> None:
    """The only absence of the year is on January 16: in October every day was a day present, and none is unknown."""
    study = ek.open_study(study_of(tmp_path)).at("2025-10-31")
    row = monthly_review.at_a_glance(study, monthly_review.Params()).numbers["measures"][-1]
    days = sum(f"{day:%Y-%m-%d}" <= "2025-10-31" for day in DAYS)
    assert (row["n_students"], row["n_enrolled_days"], row["n_absent_days"]) == (12, 12 * days, 0)
    assert row["ada"] == 1 and row["n_satisfactory"] == 12 and "daily" in study.can


def test_lists_of_a_school_without_a_matched_day_are_made(tmp_path) -> None:
    """The only pairing begins after the review's date: no matched week is no reason to stop."""
    study = ek.open_study(study_of(tmp_path, assignments=[("s01", "M1", "2026-01-12", "")])).at("2025-11-28")
    assert review_lists(study, review_window(study))["decide"].empty
    late = ek.open_study(study_of(tmp_path / "b", assignments=[("s01", "M1", "2025-11-30", "")])).at("2025-11-30")
    assert review_lists(late, review_window(late))["decide"].empty


def test_weekdays_on_which_half_days_were_missed_keep_the_half(tmp_path) -> None:
    """Half a day is no 0 beside its share; whole days are written without a decimal."""
    from sources_world import opened

    from evalkit.reports import month_where
    from evalkit.reports.month_facts import month_facts

    params = monthly_review.Params()
    for folder, half, kind in (("half", "0.5", "decimal1"), ("whole", "1", "integer")):
        study = opened(tmp_path / folder, {"attendance_event": "student_id,school_id,date,code_local,absent_days\n"
                                           f"0002,0042,2024-09-05,A,{half}\n0003,0042,2024-09-13,A,1\n"})
        block = month_where.weekday_figure(study, month_facts(study, params), gate_of(study, params))
        kinds = {column.key: column.kind for column in block.columns}
        assert (kinds["absent_days"], kinds["enrolled_days"]) == (kind, "integer")


def test_the_lead_names_the_lists_its_check_ins_come_from(tmp_path) -> None:
    """Three days in a row to the last day: on watch; the lead's count says which lists it adds up."""
    from sources_world import opened

    from evalkit.reports.month_facts import month_facts

    rows = "".join(f"0001,0042,2024-09-{day},A,1\n" for day in (11, 12, 13))
    study = opened(tmp_path, {"attendance_event": "student_id,school_id,date,code_local,absent_days\n" + rows})
    params = monthly_review.Params()
    facts = month_facts(study, params)
    assert list(facts.lists["watch"]["student_id"]) == ["0001"]
    lead = month_glance.opening(study, facts, gate_of(study, params))[1]
    assert "1 student needs a check-in this week (on the lists Watch or Reach out first)." in lead
