"""Success plans and resource sheets, really rendered: one page each, both languages, nobody named in vain."""

from __future__ import annotations

import dataclasses
import io
from datetime import date

import pandas as pd
import pypdf
import pytest
import recount

import evalkit as ek
from evalkit.reports import papers, papers_plans, papers_resources
from evalkit.reports.papers_people import People
from evalkit.vocabulary import reason
from evalkit.wording import LANGUAGES

END = date(2026, 4, 30)


@pytest.fixture(scope="module")
def study():
    return ek.open_study(recount.SAMPLE, as_of=END.isoformat(), school="0103")


@pytest.fixture(scope="module")
def people(study):
    return People(study)


def pages(pdf: bytes) -> list[str]:
    return [" ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def test_every_student_with_a_mentor_has_one_page(study, people) -> None:
    plans = papers_plans.plan_pages(study, people)
    students = {s for s in study.table("assignment")["student_id"]
                if s in {pair["student"] for pair in recount.active_pairs(END)}}
    assert sum(map(len, plans.values())) >= len(students)
    mentor = min(plans)
    made = papers.set_papers(study, "plan", people=people, mentor=mentor)
    assert made.pages == len(plans[mentor]) == len(pages(next(iter(made.pdfs.values()))))


def said(page: dict) -> str:
    """All text of a page, in order."""
    def walk(value):
        if isinstance(value, dict):
            if "t" in value:
                yield value["t"]
            else:
                for inner in value.values():
                    yield from walk(inner)
        elif isinstance(value, list | tuple):
            for inner in value:
                yield from walk(inner)
    return " ".join(walk(page))


def test_a_plan_on_file_is_told_and_a_blank_one_has_lines(study, people) -> None:
    matched = {pair["student"] for pair in recount.active_pairs(END)}
    newest: dict[str, dict] = {}
    for row in recount.rows("success_plan"):
        if recount.day(row["made_on"]) <= END and row["made_on"] >= newest.get(row["student_id"], row)["made_on"]:
            newest[row["student_id"]] = row
    with_plan = [s for s in sorted(matched) if s in people.plans and people.person(s).language == "en"]
    for student in with_plan[:5]:
        text, plan = said(papers_plans.plan_page(study, people.person(student))), newest[student]
        assert plan["strengths"] in text and plan["helpers"] in text and f"No more than {plan['goal_days']} day" in text
    without = next(s for s in sorted(matched) if s not in people.plans and people.person(s).language == "en"
                   and s in people.schools and people.panel.get(s))
    page = papers_plans.plan_page(study, people.person(without))
    assert "A goal in days: no more than ___ missed until May 30, 2026" in said(page)  # one month on
    blank = [block for block in page["blocks"][0]["left"] + page["blocks"][0]["right"] if block["kind"] == "lines"]
    assert sum(block["n"] for block in blank) >= 15


def test_a_plan_speaks_the_home_language(study, people) -> None:
    student = next(s for s in sorted({pair["student"] for pair in recount.active_pairs(END)})
                   if people.person(s).language == "es")
    page = papers_plans.plan_page(study, people.person(student))
    assert page["language"] == "es" and "Plan de éxito" in said(page) and "Success plan" not in said(page)


def test_a_peer_gets_no_plan_of_another_child(study, people) -> None:
    mentors = study.table("mentor").copy()
    mentor = min(papers_plans.plan_pages(study, people))
    mentors["mentor_type"] = mentors["mentor_type"].mask(mentors["mentor_id"] == mentor, "peer")
    changed = dataclasses.replace(study, tables={**study.tables, "mentor": mentors})
    plans = papers_plans.plan_pages(changed, people)
    assert mentor not in plans and papers_plans.LEAD in plans


def test_a_sheet_for_every_barrier_in_both_languages_and_no_student(study, people) -> None:
    made = papers.set_papers(study, "resource", people=people)
    patterns = papers_resources.barriers_for_sheets(study)
    answered = {p for row in recount.rows("resource") if row["active"] == "true" for p in row["patterns"].split(";")}
    assert answered <= set(patterns)
    assert set(made.pdfs) - {papers.ALL} == {f"{code}-{p}" for code in LANGUAGES for p in patterns}
    text = pages(made.pdfs[papers.ALL])
    assert len(text) == made.pages == 2 * len(patterns)
    names = {f"{row['first_name']} {row['last_name']}" for row in recount.rows("identity")}
    whole = " ".join(text)
    assert not [name for name in names if name in whole]
    assert pages(made.pdfs["es-transportation"])[0].startswith(reason("transportation").label_es)


def test_only_active_resources_that_speak_the_language_stand_on_a_sheet(study) -> None:
    rows = pd.DataFrame({
        "resource_id": ["a", "b", "c", "d"], "name": ["English desk", "Both desk", "Closed desk", "Old desk"],
        "patterns": "transportation", "contact": "x", "languages": ["en", "en;es", "en;es", None], "eligibility": None,
        "capacity": pd.array([1, 2, 3, None], dtype="Int64"), "active": pd.array([True, True, False, None],
                                                                                dtype="boolean"),
        "checked_date": pd.to_datetime(["2026-04-01", "2026-04-01", "2026-04-01", "2024-01-01"])})
    changed = dataclasses.replace(study, tables={**study.tables, "resource": rows})
    english = said(papers_resources.resource_page(changed, "transportation", "en"))
    spanish = said(papers_resources.resource_page(changed, "transportation", "es"))
    assert "English desk" in english and "English desk" not in spanish and "Both desk" in spanish
    assert "Closed desk" not in english + spanish and "Please call first" in english
