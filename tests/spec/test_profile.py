"""The program's profile and the review's further counts: recounted, kindly worded, no child in a partner's copy."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
import recount

import evalkit as ek
from evalkit.render.pdf import page_pdf
from evalkit.reports import month_more, profile_parts, program_profile
from evalkit.reports.gate import gate_of
from evalkit.wording import avoided_words, reading_grade

END = date(2026, 1, 30)


@pytest.fixture(scope="module")
def study():
    return ek.open_study(recount.SAMPLE, as_of=END.isoformat())


def test_the_profile_counts_what_the_files_say(study) -> None:
    pairs = recount.active_pairs(END)
    roll = [s for s in recount.students() if recount.last_days(s, END, 1)]
    over = {s for s in roll if 10 * sum(d[2] for d in recount.year_of(s, END)) >= len(recount.year_of(s, END))}
    matched = {pair["student"] for pair in pairs}
    found = profile_parts.counts(study)
    assert found["n_students"] == len(matched) and found["n_mentors"] == len({p["mentor"] for p in pairs})
    assert found["n_waiting"] == len(over - matched)
    caps = {row["mentor_id"]: int(row["capacity"]) for row in recount.rows("mentor")}
    load = {m: sum(p["mentor"] == m for p in pairs) for m in caps}
    assert found["n_places"] == sum(max(0, caps[m] - load[m]) for m in caps)


@pytest.mark.parametrize("audience", ["team", "partner", "public"])
def test_one_page_and_a_page_of_messages(study, audience: str) -> None:
    import io

    import pypdf

    params = program_profile.Params(as_of=END.isoformat(), audience=audience)
    pages = pypdf.PdfReader(io.BytesIO(page_pdf([program_profile.at_a_glance(study, params),
                                                 program_profile.messages(study, params)]))).pages
    assert len(pages) == 2
    said = " ".join(page.extract_text() for page in pages)
    assert not avoided_words(said)
    names = {row["first_name"] + " " + row["last_name"] for row in recount.rows("identity")}
    assert not [name for name in names if name in said]


def test_who_pays_and_who_helps_stand_on_the_page_as_study_toml_names_them(study) -> None:
    """Every key of [brief] acts: contact, funder and the partners' names."""
    brief = {"contact": "the office, 555-0100", "funder": "Riverbend Fund", "partner_names": ("Night Market Kitchen",)}
    told = replace(study, config=replace(study.config, brief=brief))
    for audience in ("team", "public"):
        gate = gate_of(told, program_profile.Params(as_of=END.isoformat(), audience=audience))
        said = f"{profile_parts.honest(told, gate)} {profile_parts.partners(told, gate)}"
        assert all(word in said for word in (brief["contact"], brief["funder"], "Night Market Kitchen"))
        assert "Riverbend Youth Corps" in said, "the organizations that agreed stay"


def test_messages_are_plain(study) -> None:
    params = program_profile.Params(as_of=END.isoformat(), audience="public")
    words = profile_parts.message_words(study, profile_parts.counts(study), gate_of(study, params))
    said = " ".join(text if text.endswith(".") else f"{text}." for text in words)
    assert reading_grade(said) <= 8


def test_runs_of_ten_are_marked(study) -> None:
    expected = set()
    for student in recount.students():
        run: list[date] = []
        for day, _, share in [*recount.year_of(student, END), (END, "", None)]:
            if share is not None and share >= 1:
                run.append(day)
                continue
            if len(run) >= 3:
                expected.add((student, run[0], len(run), len(run) >= 10))
            run = []
    found = month_more.long_runs(study)
    assert {(r.student_id, r.first_date.date(), r.n_days, r.is_10_or_more) for r in found.itertuples()} == expected
    assert month_more.run_words(9) == "" and month_more.run_words(10) == "10+ days: "


def test_contact_details_to_check(study) -> None:
    checked = {row["student_id"]: recount.day(row["last_verified_date"]) for row in recount.rows("identity")}
    matched = {pair["student"] for pair in recount.active_pairs(END)}
    old = {s for s in matched if checked.get(s) is None or checked[s] > END or (END - checked[s]).days > 60}
    assert set(month_more.contacts_to_check(study)["student_id"]) == old
    fresh = month_more.freshness(study)
    assert (fresh["stale"] + fresh["unknown"], sum(fresh.values())) == (len(old), len(matched))


def test_the_review_says_them_to_the_team_only(study) -> None:
    from evalkit.reports.monthly_review import Params

    team = month_more.sentences(study, gate_of(study, Params(as_of=END.isoformat())))
    assert any("Training, of" in text for text in team) and any("Visited twice" in text for text in team)
    assert month_more.sentences(study, gate_of(study, Params(as_of=END.isoformat(), audience="partner"))) == []
