"""Papers for people, really rendered: what each says, to whom, in which language, and what no file may give away."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import stat
from datetime import date

import pandas as pd
import pypdf
import pytest
import recount

import evalkit as ek
from evalkit.errors import UserError
from evalkit.render.pdf import can_print, set_pdf
from evalkit.render.view import runs
from evalkit.reports import papers
from evalkit.reports.papers_certificates import consented, mentor_page
from evalkit.reports.papers_letters import families_to_write, letter_page, letter_sentences
from evalkit.reports.papers_people import People, is_stale, spoken
from evalkit.reports.papers_sheets import PRIVATE, PROMPTS, sheet_page
from evalkit.vocabulary import activities
from evalkit.wording import avoided_words, reading_grade

END = date(2026, 6, 9)


@pytest.fixture(scope="module")
def study():
    """One school is enough: every kind of paper is made by school or by mentor."""
    return ek.open_study(recount.SAMPLE, as_of=END.isoformat(), school="0103")


@pytest.fixture(scope="module")
def people(study):
    return People(study)


@pytest.fixture(scope="module")
def made(study, people):
    mentor = study.table("mentor")["mentor_id"].min()
    return {kind: papers.set_papers(study, kind, people=people, mentor=mentor if kind in ("sheet", "packet") else "")
            for kind in papers.KINDS}


def texts(pdf: bytes) -> list[str]:
    """Page by page, with line ends as spaces."""
    return [" ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def with_tables(study, **tables):
    """The study with some tables replaced, for cases the sample does not have."""
    return dataclasses.replace(study, tables={**study.tables, **tables}, can=study.can | set(tables))


@pytest.mark.parametrize("kind", papers.KINDS)
def test_every_kind_renders_and_is_kind(made, kind) -> None:
    assert made[kind].pdfs
    for pdf in [made[kind].pdfs[papers.ALL if papers.ALL in made[kind].pdfs else min(made[kind].pdfs)]]:
        said = " ".join(texts(pdf))
        found = [hit for language in ("en", "es") for hit in avoided_words(said, language)]
        assert said and not found
        root = pypdf.PdfReader(io.BytesIO(pdf)).trailer["/Root"]
        assert "/StructTreeRoot" in root and "pdfuaid:part>1<" in root["/Metadata"].get_data().decode()


def test_a_sheet_is_one_page_strengths_first_and_says_the_days_of_the_files(study, people, made) -> None:
    mentor = study.table("mentor")["mentor_id"].min()
    pages = texts(made["sheet"].pdfs[f"mentor-{papers._stem(study, mentor)}"])
    students = [s for _, found in papers._students(study, people, mentor) for s in found]
    assert len(pages) == len(students) == made["sheet"].pages
    for student, page in zip(students, pages, strict=True):
        enrolled, absent = recounted(student)
        assert page.startswith("CONFIDENTIAL") and "What is strong" in page
        assert page.index("What is strong") < page.index("Days in school")
        assert f"missed {plain(absent)} of {plain(enrolled)} days ({absent / enrolled:.0%})" in page
        assert people.person(student).name in page and student not in page


def recounted(student: str) -> tuple[float, float]:
    """(enrolled, absent) days, counted from the files by the tests' own recount."""
    days = recount.year_of(student, END)
    return float(len(days)), float(sum(share for *_, share in days))


def plain(n: float) -> str:
    return f"{n:.0f}" if float(n).is_integer() else f"{n:.1f}"


def test_a_packet_has_the_role_a_to_h_and_the_prompts(made) -> None:
    pages = texts(next(iter(made["packet"].pdfs.values())))
    assert all(f"{activity.letter} {activity.label}" in pages[0] for activity in activities())
    assert all(prompt in pages[-1] for prompt in PROMPTS)


def test_letters_go_to_students_on_roll_who_are_matched_or_missed_ten_percent(study, people, made) -> None:
    asked = families_to_write(study, people)
    assert made["letter"].pages == len(asked) > 0 and set(asked) <= people.on_roll
    for student in asked[::40]:
        person = people.person(student)
        assert person.missed > 0
        assert person.missed * 10 >= person.enrolled or student in set(study.table("assignment")["student_id"])


def test_the_letter_speaks_the_home_language(study, people, made) -> None:
    asked = [people.person(student) for student in families_to_write(study, people)]
    spanish = [person for person in asked if spoken(person.family.get("home_language")) == "es"]
    said = texts(made["letter"].pdfs["school-0103"])
    assert sum(page.count("Estimada familia de ") for page in said) == len(spanish) > 0
    assert sum(page.count("Dear family of ") for page in said) == len(asked) - len(spanish)
    assert all(("¿Qué les ayudaría?" in page) != ("What would help?" in page) for page in said)


@pytest.mark.parametrize("language", ["en", "es"])
def test_letters_read_easily_and_blame_nobody(study, people, language) -> None:
    asked = [people.person(s) for s in families_to_write(study, people)]
    chosen = [person for person in asked if person.language == language]
    assert chosen
    for person in chosen[:60]:
        said = " ".join(letter_sentences(study, person)).replace("**", "")
        assert not avoided_words(said, language)
        assert language == "es" or reading_grade(said) <= 8, reading_grade(said)
        assert re.search(rf"\b{re.escape(plain(person.missed))}\b", said) and f"{plain(person.enrolled)} " in said


def test_only_a_child_who_was_there_on_the_last_school_day_is_said_to_be_back(study, people, made) -> None:
    """Against the file: who has any absence on the school's last counted day is not welcomed back."""
    asked = families_to_write(study, people)
    last = study.table("attendance_event")
    last = last[last["date"].eq(study.complete_through["0103"])]
    codes = study.table("code_table").drop_duplicates("code_local").set_index("code_local")["counts_absent"]
    missed = set(last.loc[last["absent_days"].fillna(last["code_local"].map(codes)) > 0, "student_id"]) & set(asked)
    said = "".join(texts(made["letter"].pdfs["school-0103"]))
    away = said.count("look forward to seeing") + said.count("esperamos verle pronto")
    assert away == len(missed) > 0 and said.count("glad to see") + said.count("nos alegra verle") == len(asked) - away
    assert {student for student in asked if not people.person(student).is_back} == missed


def test_a_family_that_guessed_fewer_hears_the_count(study, people) -> None:
    first = people.person(families_to_write(study, people)[0])
    person = dataclasses.replace(first, guess=1.0, missed=9.0, language="en")
    assert "You told us you thought it was about 1 day." in " ".join(letter_sentences(study, person))
    right = dataclasses.replace(person, guess=12.0)
    assert "You told us" not in " ".join(letter_sentences(study, right))


def test_certificates_only_with_a_yes_and_without_any_number_of_days(study, people, made) -> None:
    rows = study.table("recognition")
    yes = set(rows.loc[rows["name_consent"].eq("yes").fillna(False) & (rows["date"] <= study.as_of), "student_id"])
    assert set(consented(study)["student_id"]) <= yes
    pages = texts(made["certificate"].pdfs[papers.ALL])
    assert len(pages) == len(consented(study)) + 1
    for page in pages:
        dates = r"20\d\d(–\d\d)?|(January|February|March|April|May|June) \d+,|\d+ de "
        assert not re.search(r"\d", re.sub(dates, "", page))


@pytest.mark.parametrize("consent", ["no", "not_asked", None])
def test_a_no_and_an_unknown_are_no_certificate(study, people, consent) -> None:
    rows = study.table("recognition").assign(name_consent=pd.array([consent] * len(study.table("recognition")), "str"))
    silent = with_tables(study, recognition=rows)
    found = papers.set_papers(silent, "certificate", people=people)
    assert found.pages == 1 and "mentor-blank" in found.pdfs and any("consent" in text for text in found.remarks)


def test_one_no_among_several_answers_counts(study) -> None:
    row = study.table("recognition").iloc[[0]]
    day = pd.Timestamp("2026-05-01")
    both = pd.concat([row.assign(name_consent="yes", date=day), row.assign(name_consent="no", date=day, award="good")])
    assert consented(with_tables(study, recognition=both)).empty


def test_the_frame_of_a_certificate_has_180_dots(study) -> None:
    pdf = set_pdf("certificate.typ", {"title": "t", "language": "en", "pages": [mentor_page(study)], "fallback": False})
    page = pypdf.PdfReader(io.BytesIO(pdf)).pages[0]
    drawn = page.get_contents().get_data()
    circles = [part for part in drawn.split(b"\n") if part.endswith(b" c")]
    assert len(circles) == 180
    assert float(page.mediabox.width) > float(page.mediabox.height)


@pytest.mark.parametrize("name", ["Иван Петров", "王小明", "Zoë Nguyễn-Şahin", "A" + "bcdefghij" * 9])
def test_any_name_can_be_printed(study, people, name) -> None:
    page = mentor_page(study) | {"name": runs(name), "tint": "student"}
    found = papers._set("certificate", "certificate.typ", "Certificates", {"x": [page]}, "en", ())
    said = texts(found.pdfs["x"])
    assert len(said) == 1
    if can_print(name):
        assert name.replace(" ", "") in said[0].replace(" ", "") and not found.remarks
    else:
        assert papers.WRITE_IN in said[0] and found.remarks == (papers.NO_FONT,)
    person = dataclasses.replace(people.person(study.table("student")["student_id"].iloc[0]), name=name, first=name)
    sheet = papers._pdf("papers.typ", "Sheets", [sheet_page(study, person, "M1", "volunteer"),
                                                 letter_page(study, person)], "en")
    assert len(texts(sheet)) == 2


def test_the_fullest_sheet_stays_on_one_page(study, people) -> None:
    long = "very kind to younger students and to everybody else in the whole wide school, " * 5
    plan = {"strengths": long, "goal_days": 5, "helpers": long, "made_on": pd.Timestamp("2026-01-05"),
            "review_on": pd.Timestamp("2026-02-05")}
    one = {"pattern": "transportation", "resource_id": study.table("resource")["resource_id"].iloc[0],
           "outcome": "connected", "outcome_date": pd.NaT}
    person = dataclasses.replace(
        people.person(study.table("student")["student_id"].iloc[0]), name="Maximiliana Konstantinopolskaya de la Cruz",
        plan=plan, plan_missed=3.5, awards=("improved", "good", "streak", "other"), gain=(5.5, 1.5), recent=(3.0, 10.0),
        barriers=("transportation", "health_physical", "child_care", "bullying", "housing"), days_left=3,
        solved=("family_care", "student_work", "sleep"), referrals=(one, one, one),
        family={"family_contact": long, "phone": long, "home_language": long, "last_verified_date": pd.NaT})
    pages = texts(papers._pdf("papers.typ", "Sheets", [sheet_page(study, person, "M" * 30, "volunteer")], "en"))
    assert len(pages) == 1 and "Last contact" in pages[0] and "Notes" in pages[0]


def test_what_is_private_is_not_written_down(study, people) -> None:
    person = dataclasses.replace(people.person(study.table("student")["student_id"].iloc[0]),
                                 barriers=("housing", "transportation"), solved=("mental_health",))
    page = " ".join(texts(papers._pdf("papers.typ", "S", [sheet_page(study, person, "M1", "volunteer")], "en")))
    assert PRIVATE in page and "Transportation" in page
    assert not re.search("hous|mental", page, re.I)


def test_a_trained_peer_sees_no_record_of_another_child(study, people) -> None:
    student = next(s for s in study.table("barrier")["student_id"] if people.person(s).missed)
    sheet = sheet_page(study, people.person(student), "M1", "peer")
    page = " ".join(texts(papers._pdf("papers.typ", "S", [sheet], "en")))
    assert people.person(student).name in page
    assert not re.search(r"missed|absence|Phone|gets in the way|Goal|Last contact", page.split("CONFIDENTIAL")[1])


def test_contact_details_older_than_sixty_days_are_flagged(study, people) -> None:
    student = study.table("identity")["student_id"].iloc[0]
    for days, stale in ((60, False), (61, True)):
        family = {"last_verified_date": study.as_of - pd.Timedelta(days=days)}
        assert is_stale(dataclasses.replace(people.person(student), family=family), study.as_of) is stale


def test_the_agenda_has_the_leads_standing_block_and_no_child(study, people, made) -> None:
    said = " ".join(texts(made["agenda"].pdfs["agenda"]))
    assert "The program lead reports" in said and "The lists, in counts" in said
    assert "Next actions" in said and "Questions for the meeting" in said
    names = {people.person(s).name for s in study.table("assignment")["student_id"]}
    assert not [name for name in names if name and name in said]


def test_the_folder_is_private_whole_and_names_no_child(study, people, tmp_path) -> None:
    mentor = study.table("mentor")["mentor_id"].max()
    done = [*papers.make_papers(study, kinds=("sheet",), mentor=mentor, out=tmp_path),
            *papers.make_papers(study, kinds=("certificate",), out=tmp_path)]
    children = set(study.table("student")["student_id"])
    names = {str(n).casefold() for n in study.table("identity")["last_name"].dropna()}
    for one in done:
        known = json.loads((one.folder / "MANIFEST.json").read_text(encoding="utf-8"))
        assert set(known["outputs"]) == {path.name for path in one.folder.glob("*.pdf")} and known["inputs"]
    for path in tmp_path.rglob("*"):
        parts = set(re.split(r"[-_.]", path.relative_to(tmp_path).as_posix().casefold()))
        assert not parts & children and not parts & names
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_failure_leaves_the_earlier_folder(study, people, tmp_path, monkeypatch) -> None:
    first = papers.make_papers(study, kinds=("certificate",), out=tmp_path)[0]
    before = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    monkeypatch.setattr(papers, "_manifest", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        papers.make_papers(study, kinds=("certificate",), out=tmp_path)
    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == before
    assert not [path for path in first.folder.parent.iterdir() if path.name.startswith(".")]


def test_same_bytes_twice(study, people, made) -> None:
    again = papers.set_papers(study, "certificate", people=people)
    assert again.pdfs == made["certificate"].pdfs


def test_what_cannot_be_made_is_said(study, people) -> None:
    with pytest.raises(UserError, match="No assignment names that mentor"):
        papers.make_papers(study, kinds=("sheet",), mentor="nobody")
    with pytest.raises(UserError, match="--mentor goes with"):
        papers.make_papers(study, kinds=("letter",), mentor="M0001")
    with pytest.raises(UserError, match="kind"):
        papers.make_papers(study, kinds=("sheets",))
    nameless = dataclasses.replace(study, can=study.can - {"identity"},
                                   tables={k: v for k, v in study.tables.items() if k != "identity"})
    found = papers.set_papers(nameless, "letter")
    assert not found.pdfs and "identity" in found.remarks[0]


def test_a_peer_whose_id_is_a_students_is_told_by_place(study) -> None:
    peer = study.table("student")["student_id"].iloc[5]
    pairs = study.table("assignment")
    pairs = pairs.assign(mentor_id=pairs["mentor_id"].where(pairs.index != pairs.index[0], peer))
    assert re.fullmatch(r"peer-\d{3}", papers._stem(with_tables(study, assignment=pairs), peer))
