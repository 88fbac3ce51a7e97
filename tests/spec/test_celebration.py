"""The celebration of the sample: counts recounted from the files, names only with consent, no word to be sorry for."""

from __future__ import annotations

from datetime import date

import pytest
import recount

import evalkit as ek
from evalkit.render.html import page_html
from evalkit.reports import celebration
from evalkit.reports.celebration_facts import recognised, totals
from evalkit.wording import avoided_words

END = date(2026, 6, 5)
SECTIONS = (
    celebration.invitation,
    celebration.thanks,
    celebration.in_their_words,
    celebration.what_changed,
    celebration.next_year,
)


@pytest.fixture(scope="module")
def study():
    return ek.open_study(recount.SAMPLE, as_of=END.isoformat())


@pytest.fixture(scope="module")
def pages(study):
    return {
        audience: tuple(section(study, celebration.Params(audience=audience)) for section in SECTIONS)
        for audience in ("team", "partner", "public")
    }


def test_good_is_under_five_percent_and_improved_is_the_second_half_against_the_first(study) -> None:
    found = recognised(study)
    middle = found.halves[0].date()
    order = ("satisfactory", "at_risk", "moderate", "severe", "extreme")
    good, better = set(), set()
    for student in recount.students():
        days = recount.year_of(student, END)
        shares = [share for _, _, share in days]
        if len(shares) >= 20 and sum(shares) * 20 < len(shares):
            good.add(student)
        first, second = [s for d, _, s in days if d < middle], [s for d, _, s in days if d >= middle]
        if min(len(first), len(second)) < 20:
            continue
        fell = sum(first) / len(first) - sum(second) / len(second) >= recount.Fraction(3, 100)
        moved = order.index(recount.band_of(sum(second), len(second))) < order.index(
            recount.band_of(sum(first), len(first))
        )
        better |= {student} if fell or moved else set()
    assert set(found.good["student_id"]) == good
    assert set(found.improved["student_id"]) == better


def test_totals_are_what_the_log_says(study) -> None:
    held = [row for row in recount.rows("contact") if row["status"] in ("", "held") and recount.day(row["date"]) <= END]
    found = totals(study)
    assert found["n_contacts"] == sum(row["activity"] != "h_team_meeting" for row in held)
    assert found["n_hours"] == sum(int(row["minutes"] or 0) for row in held) // 60
    assert found["n_students"] == len(
        {row["student_id"] for row in recount.rows("assignment") if recount.day(row["begin_date"]) <= END}
    )


def test_names_stand_only_in_the_team_copy_and_only_with_consent(pages) -> None:
    yes = {
        row["display_name"]
        for row in recount.rows("recognition")
        if row["name_consent"] == "yes" and row["display_name"] and recount.day(row["date"]) <= END
    }
    team = page_html(pages["team"])
    block = [
        item
        for section in pages["team"]
        for item in section.walk()
        if getattr(item, "title", "") == "Recognized by name, with consent"
    ]
    named = {
        name.strip()
        for item in block
        for line in item.items
        for name in line.split("**")[-1].replace(" and ", ", ").split(",")
    }
    assert {name for name in named if name and "more" not in name} <= yes
    for audience in ("partner", "public"):
        page = page_html(pages[audience])
        assert "by name" not in page
        assert not any(row["student_id"] in page for row in recount.rows("student"))
    assert not any(f"{row['last_name']}" in team for row in recount.rows("identity"))


def test_quotes_have_consent_and_no_name(pages) -> None:
    allowed = {row["quote"] for row in recount.rows("insight") if row["quote_consent"] == "yes"}
    quotes = [item.text for section in pages["public"] for item in section.walk() if type(item).__name__ == "Quote"]
    assert quotes
    assert set(quotes) <= allowed


@pytest.mark.parametrize("audience", ["team", "partner", "public"])
def test_no_word_to_avoid(pages, audience: str) -> None:
    assert not avoided_words(page_html(pages[audience]))


def test_the_headline_stands_beside_similar_students_or_claims_nothing(pages) -> None:
    invitation = pages["team"][0]
    low, high = invitation.numbers["impact"].get("ci_low"), invitation.numbers["impact"].get("ci_high")
    if low is not None and low <= 0 <= high:
        assert "more" not in invitation.title and "gain" not in invitation.title and "stood by" in invitation.title
    assert len(invitation.title.split()) <= 12


def test_public_numbers_hold_no_ids(pages) -> None:
    for section in pages["public"]:
        for values in section.numbers.values():
            assert not any(isinstance(value, list) for value in values.values())
