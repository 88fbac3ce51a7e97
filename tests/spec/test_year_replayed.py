"""The year replayed at ten month-ends: every list, measure and mentor number against a recount in plain Python, flows
from month to month, files cut at the date, and what a person typed in between."""

from __future__ import annotations

import csv
import json
import shutil
from collections import Counter
from datetime import date
from functools import cache

import pytest
import recount
import recount_review

import evalkit as ek
from evalkit import notes
from evalkit.render.folder import jsonable, results
from evalkit.render.html import page_html
from evalkit.reports import monthly_review
from evalkit.simulate import simulate_district, write_study

MONTH_ENDS = recount.month_ends()
CUT_AT = (date(2025, 11, 26), date(2026, 1, 30), date(2026, 3, 31))
"""A cut study has to be read anew, so three dates: with one look, with two, and past the second plan change."""
SECTIONS = (monthly_review.at_a_glance, monthly_review.lists, monthly_review.patterns, monthly_review.actions)
PARAMS = monthly_review.Params()
BANDS = ("satisfactory", "at_risk", "moderate", "severe", "extreme")


@cache
def whole():
    return ek.open_study(recount.SAMPLE)


def review(study) -> tuple[dict, str]:
    """What results.json would hold, and the page."""
    sections = [section(study, PARAMS) for section in SECTIONS]
    return results(sections), page_html(tuple(sections))


@cache
def said(when: date) -> dict:
    """results.json of one month-end. The page is made too, and its marks looked at, so that every date renders."""
    found, page = review(whole().at(when.isoformat()))
    assert page.count("<section") >= 4 and f"{when.year}" in page
    return found


def each_month(test):
    return pytest.mark.parametrize("when", MONTH_ENDS, ids=str)(test)


def test_there_are_ten_month_ends() -> None:
    assert len(MONTH_ENDS) == 10


@each_month
@pytest.mark.parametrize("name", list(recount_review.LISTS))
def test_the_list_is_what_the_files_say(when: date, name: str) -> None:
    found = said(when)["lists"]
    assert list(found) == list(recount_review.LISTS)
    assert len(found[name]) == len(set(found[name]))
    assert set(found[name]) == recount_review.LISTS[name](when)


def test_no_list_is_empty_all_year() -> None:
    """So that the recount of each list is a recount of something."""
    for name in recount_review.LISTS:
        assert any(said(when)["lists"][name] for when in MONTH_ENDS), name


@each_month
def test_measures_are_what_the_files_say(when: date) -> None:
    rows, expected = said(when)["measures"], recount.measures(when)
    assert [row["school_id"] for row in rows] == [*sorted(s for s in expected if s), None]
    for row in rows:
        truth = expected[row["school_id"]]
        ada = 1 - truth["n_absent_days"] / truth["n_enrolled_days"]
        counts = {f"n_{name}": truth[name] for name in BANDS} | {"n_chronic": sum(truth[name] for name in BANDS[2:])}
        exact = {name: truth[name] for name in ("n_students", "n_enrolled_days", "n_absent_days")}
        assert {name: row[name] for name in counts | exact} == counts | exact
        assert row["ada"] == pytest.approx(ada, abs=1e-12)  # one division of the same integers


@each_month
def test_what_mentors_did_is_what_the_log_says(when: date) -> None:
    numbers = said(when)["programme"]
    truth = recount_review.elements(when)
    for row in numbers["elements"]:
        n, of = truth[row["element"]]
        assert (row["n"] or 0, row["of"] or 0) == (n, of), row["element"]
        assert row["share"] == (n / of if of else None)
    assert {row["element"] for row in numbers["elements"]} == set(truth)


@each_month
def test_caseloads_closures_and_the_funnel_are_what_the_files_say(when: date) -> None:
    numbers = said(when)["programme"]
    if "caseload" not in numbers:  # before the first pairing
        assert not any(recount_review.is_active(row, when) for row in recount.rows("assignment"))
        return
    loads = {row["mentor_type"]: {k: v for k, v in row.items() if k != "mentor_type"} for row in numbers["caseload"]}
    assert loads == recount_review.caseload(when)
    assert numbers["n_mentors_without_logs"] == recount_review.n_mentors_without_logs(when)
    ended = Counter({(row["reason"], row["is_early"]): row["n"] for row in numbers["closures"]})
    assert ended == recount_review.closures(when)
    assert {row["stage"]: row["n"] for row in numbers["funnel"]} == recount_review.funnel(when)


def chronic(when: date) -> dict[str, bool]:
    years = {student: recount.year_of(student, when) for student in recount.students()}
    return {student: 10 * sum(share for *_, share in year) >= len(year) for student, year in years.items() if year}


@pytest.mark.parametrize("place", range(1, 10))
def test_flows_add_up_from_month_to_month(place: int) -> None:
    """Each flow is a recount, and last month's stock with this month's flows is this month's stock."""
    then, now = (chronic(when) for when in MONTH_ENDS[place - 1 : place + 1])
    flows, last, this = said(MONTH_ENDS[place])["flows"], *(said(when) for when in MONTH_ENDS[place - 1 : place + 1])
    over, was = {s for s, flag in now.items() if flag}, {s for s, flag in then.items() if flag}
    assert flows["n_back_under"] == len(was - over) and flows["n_stayed_over"] == len(was & over)
    assert flows["n_crossed"] == len({s for s in over - was if s in then})
    assert flows["n_joined"] == len(set(now) - set(then))
    assert this["window"]["before"] == last["as_of"]
    assert flows["n_before"] == last["measures"][-1]["n_students"]
    assert flows["n_now"] == this["measures"][-1]["n_students"] == flows["n_before"] + flows["n_joined"]
    joined_over = len(over - set(then))
    assert last["measures"][-1]["n_chronic"] == flows["n_stayed_over"] + flows["n_back_under"]
    assert this["measures"][-1]["n_chronic"] == flows["n_stayed_over"] + flows["n_crossed"] + joined_over


def test_nobody_is_new_twice() -> None:
    """A first sign and a first crossing stand in exactly one month of the year; together they are all there are."""
    for name in ("newly_flagged", "crossed_10"):
        listed = Counter(student for when in MONTH_ENDS for student in said(when)["lists"][name])
        assert set(listed.values()) == {1}
    ever = {student for student in recount.students() if recount_review.signs(student)}
    assert ever == {student for when in MONTH_ENDS for student in said(when)["lists"]["newly_flagged"]}


HAPPENED = {
    "attendance_event": "date", "attendance_period": "date", "enrollment": "entry_date", "assignment": "begin_date",
    "contact": "date", "barrier": "identified_date", "referral": "made_date", "recognition": "date",
    "team_meeting": "date", "action": "decided_on", "plan_change": "changed_on", "insight": "date",
    "service": "scheduled_date", "survey": "asked_on", "success_plan": "made_on", "observation": "date",
    "outcome": "date", "mentor": "applied_date"}
"""The schema's column that says when a row came to be."""
LATER = {"enrollment": ("exit_date", {"exit_type": ""}), "assignment": ("end_date", {"end_reason": ""}),
         "barrier": ("resolved_date", {"status": "open"}), "referral": ("outcome_date", {"outcome": "unknown"}),
         "action": ("closed_on", {"status": "open"}), "mentor": ("end_date", {}), "contact": ("entered_date", {}),
         "identity": ("last_verified_date", {}), "resource": ("checked_date", {})}
"""What is written on a row afterwards, and what it reads until then."""


def as_it_was(row: dict[str, str], table: str, when: date) -> dict[str, str] | None:
    """A row of a file as it stood on a day; None where it was not there yet."""
    begun = row.get(HAPPENED.get(table, ""), "")
    if begun and recount.day(begun) > when:
        return None
    column, until = LATER.get(table, ("", {}))
    if row.get(column) and recount.day(row[column]) > when:
        row = row | {column: ""} | until
    if table == "school":
        row = row | {"complete_through": min(row["complete_through"], when.isoformat())}
    return row


def export_on(when: date, folder, source=recount.SAMPLE) -> None:
    """A study's files as they were exported on a day: nothing in them is later, apart from the calendar's plan."""
    folder.mkdir(exist_ok=True)
    shutil.copy(source / "study.toml", folder)
    for path in source.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as handle:
            reader = csv.DictReader(handle)
            rows = [kept for row in reader if (kept := as_it_was(row, path.stem, when))]
        if not rows:  # nothing of the kind was written down yet
            (folder / path.name).unlink(missing_ok=True)
            continue
        with (folder / path.name).open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, fieldnames=list(reader.fieldnames or ()))
            writer.writeheader()
            writer.writerows(rows)


def later_dates(folder, when: date) -> set[str]:
    """Tables of a study folder that hold a date after a day."""
    return {path.stem for path in folder.glob("*.csv") if path.stem != "calendar"
            for row in csv.DictReader(path.open(encoding="utf-8", newline=""))
            for name, text in row.items() if name.endswith(("date", "_on", "complete_through"))
            and text and name not in ("due_on", "review_on", "check_back_on") and recount.day(text) > when}


@pytest.mark.parametrize("when", CUT_AT, ids=str)
def test_nothing_after_as_of_is_used(tmp_path, when: date) -> None:
    """Files that physically end on the day give the same results.json, byte for byte, as the whole year's files read
    as of that day; only the count of rows read (row_account) is the files' own."""
    export_on(when, tmp_path / "sample")
    assert not later_dates(tmp_path / "sample", when)
    early, late = review(ek.open_study(tmp_path / "sample"))[0], said(when)
    assert early["as_of"] == late["as_of"] == when.isoformat()
    texts = [json.dumps(jsonable({k: v for k, v in found.items() if k != "row_account"}), sort_keys=False)
             for found in (early, late)]
    assert texts[0] == texts[1]


def page_of(folder, when: date) -> str:
    return page_html((monthly_review.actions(ek.open_study(folder, as_of=when.isoformat()), PARAMS),))


def test_typed_notes_survive_new_exports_and_show_in_the_next_review(tmp_path) -> None:
    """October's review, notes typed in Excel and by command, November's export over the files: all is there, as typed;
    October run again does not know November's."""
    source = write_study(tmp_path / "district", simulate_district(n_students=90, n_schools=2, effect_days=-4, seed=7))
    study, october, november = tmp_path / "exports", date(2025, 10, 31), date(2025, 11, 26)
    export_on(october, study, source)
    typed = ("\ufeffaction_id;decided_on;what;owner;due_on;status;closed_on\r\n"
             "T1;2025-10-31;Ask at the front desk about late buses;Ana Ñ.;2025-11-28;open;\r\n").encode()
    (study / "notes").mkdir()
    (study / "notes" / "action.csv").write_bytes(typed)
    assert "late buses" in page_of(study, october)
    notes.add_note(study, "insight", {"theme": "walking_group", "works": "works_well", "source_role": "family"},
                   today=date(2025, 11, 12))
    notes.add_note(study, "plan_change", {"what": "Doors open at seven"}, today=date(2025, 11, 17))
    before = {path.name: path.read_bytes() for path in (study / "notes").iterdir() if path.suffix == ".csv"}
    export_on(november, study, source)
    page = page_of(study, november)
    assert all(text in page for text in ("late buses", "Ana Ñ.", "Walking group", "Doors open at seven"))
    notes.close_action(study, "T1", {}, today=date(2025, 11, 26))
    assert (study / "notes" / "action.csv").read_bytes().startswith(typed)
    assert all((study / "notes" / name).read_bytes().startswith(data) for name, data in before.items())
    again = page_of(study, october)
    assert "late buses" in again and "Walking group" not in again and "Doors open" not in again
    assert ">Done<" not in again.split("late buses")[1].split("</tr>")[0]
    assert "Done" in page_of(study, november).split("late buses")[1].split("</tr>")[0]
