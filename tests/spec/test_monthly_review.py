"""The review of the sample, recounted from the raw csv files; the year replayed month by month."""

from __future__ import annotations

from datetime import date

import pytest
import recount

import evalkit as ek
from evalkit.reports import monthly_review
from evalkit.reports.month_facts import flows, list_ids, month_facts
from evalkit.wording import avoided_words

DATES = (date(2025, 11, 26), date(2026, 1, 30), date(2026, 4, 30))
SECTIONS = (monthly_review.at_a_glance, monthly_review.lists, monthly_review.patterns, monthly_review.actions)


@pytest.fixture(scope="module")
def sample():
    return ek.open_study(recount.SAMPLE)


@pytest.fixture(scope="module")
def facts(sample):
    params = monthly_review.Params()
    found = {}
    for when in DATES:
        study = sample.at(when.isoformat())
        found[when] = (study, month_facts(study, params))
    return found


@pytest.mark.parametrize("when", DATES)
def test_measures_are_what_the_files_say(facts, when: date) -> None:
    _, found = facts[when]
    expected = recount.measures(when)
    assert [row["school_id"] for row in found.measures] == [*sorted(s for s in expected if s), None]
    for row in found.measures:
        truth = expected[row["school_id"]]
        assert row["n_students"] == truth["n_students"]
        assert row["n_enrolled_days"] == truth["n_enrolled_days"]
        assert row["n_absent_days"] == truth["n_absent_days"]
        for name in ("satisfactory", "at_risk", "moderate", "severe", "extreme"):
            assert row[f"n_{name}"] == truth[name], (row["school_id"], name)
        assert row["n_chronic"] == truth["moderate"] + truth["severe"] + truth["extreme"]
        assert row["ada"] == pytest.approx(
            1 - truth["n_absent_days"] / truth["n_enrolled_days"], abs=1e-12
        )  # one division


@pytest.mark.parametrize("when", DATES)
def test_celebrate_is_three_points_or_a_better_band(facts, when: date) -> None:
    expected = set()
    for student in recount.students():
        now, before = recount.last_days(student, when, 20), recount.last_days(student, when, 20, back=20)
        if now is None or before is None or len(now) < 20 or len(before) < 20:
            continue
        fell = sum(before) / len(before) - sum(now) / len(now) >= recount.Fraction(3, 100)
        order = ("satisfactory", "at_risk", "moderate", "severe", "extreme")
        better = order.index(recount.band_of(sum(now), len(now))) < order.index(
            recount.band_of(sum(before), len(before))
        )
        expected |= {student} if fell or better else set()
    assert set(list_ids(facts[when][1])["celebrate"]) == expected


@pytest.mark.parametrize("when", DATES)
def test_watch_is_three_of_ten_or_three_in_a_row(facts, when: date) -> None:
    expected = set()
    for student in recount.students():
        now = recount.last_days(student, when, 10)
        if not now:
            continue
        run = 0
        for _, _, share in reversed(recount.year_of(student, when)):
            if share < 1:
                break
            run += 1
        expected |= {student} if sum(now) >= 3 or run >= 3 else set()
    assert set(list_ids(facts[when][1])["watch"]) == expected


@pytest.mark.parametrize("when", DATES)
def test_reach_out_first_is_half_the_year_or_not_seen(facts, when: date) -> None:
    expected = set()
    for student in recount.students():
        now = recount.last_days(student, when, 10)
        if not now:
            continue
        shares = [share for _, _, share in recount.year_of(student, when)]
        half = len(shares) >= 10 and 2 * sum(shares) >= len(shares)
        away = len(now) >= 10 and sum(now) == len(now)
        expected |= {student} if half or away else set()
    assert set(list_ids(facts[when][1])["reach_out_first"]) == expected


@pytest.mark.parametrize("when", DATES)
def test_crossed_10_is_the_first_crossing_since_the_last_review(facts, when: date) -> None:
    _, found = facts[when]
    before = found.window.before.date()
    expected = set()
    for student in recount.students():
        absent, first = recount.Fraction(0), None
        for place, (day, _, share) in enumerate(recount.year_of(student, when), 1):
            absent += share
            if place >= 20 and 10 * absent >= place and first is None:
                first = day
        expected |= {student} if first and before < first <= when else set()
    assert set(list_ids(found)["crossed_10"]) == expected


@pytest.mark.parametrize("when", DATES)
def test_no_family_contact_is_ten_school_days_after_the_match(facts, when: date) -> None:
    met = {}
    for row in recount.rows("contact"):
        if row["activity"] == "e_family_intro" and row["status"] in ("", "held"):
            met.setdefault((row["student_id"], row["mentor_id"]), []).append(recount.day(row["date"]))
    expected = set()
    for pair in recount.active_pairs(when):
        if recount.last_days(pair["student"], when, 10) in (None, []):
            continue
        school = recount.school_on(pair["student"], pair["begin"]) or recount.spans()[pair["student"]][0]["school"]
        days = [d for d in recount.calendar()[school] if d >= pair["begin"]]
        if (
            len(days) > 10
            and days[10] < when
            and not any(d <= when for d in met.get((pair["student"], pair["mentor"]), []))
        ):
            expected.add(pair["student"])
    assert set(list_ids(facts[when][1])["no_family_contact"]) == expected


@pytest.mark.parametrize("when", DATES)
def test_escalations_are_the_log_rows_that_ask_for_the_team(facts, when: date) -> None:
    start = when.replace(day=1)
    expected = {
        row["student_id"]
        for row in recount.rows("contact")
        if row["needs_team"] == "true"
        and row["student_id"]
        and row["status"] != "cancelled"
        and start <= recount.day(row["date"]) <= when
    }
    assert set(list_ids(facts[when][1])["escalations"]) == expected


def test_flows_add_up_from_month_to_month(sample) -> None:
    """Stock at the last review + crossed + joined over the line - back under - left = stock now, at ten month-ends."""
    params = monthly_review.Params()
    for when in recount.month_ends()[1:]:
        study = sample.at(when.isoformat())
        found = month_facts(study, params)
        moved = flows(found)
        before, now = set(found.before["student_id"]), set(found.now["student_id"])
        over = {
            s
            for s, chronic in zip(found.now["student_id"], found.now["is_chronic"].eq(True).fillna(False), strict=True)
            if chronic
        }
        assert moved["n_stayed_over"] + moved["n_crossed"] + len(over - before) == len(over)
        assert moved["n_before"] - len(before - now) + moved["n_joined"] == moved["n_now"]


def test_nothing_after_as_of_is_used(sample, facts, tmp_path) -> None:
    """A study whose files end at as_of gives the same review as the whole year's files read as of that day."""
    import csv
    import shutil

    when = date(2026, 1, 30)
    cut = {
        "attendance_event": "date",
        "contact": "date",
        "referral": "made_date",
        "assignment": "begin_date",
        "insight": "date",
        "enrollment": "entry_date",
        "action": "decided_on",
        "plan_change": "changed_on",
        "team_meeting": "date",
        "service": "scheduled_date",
    }
    for path in recount.SAMPLE.glob("*.*"):
        if path.is_file():
            shutil.copy(path, tmp_path / path.name)
    for name, column in cut.items():
        kept = recount.rows(name)
        kept = [row for row in kept if not row[column] or recount.day(row[column]) <= when]
        with (tmp_path / f"{name}.csv").open("w", encoding="utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, fieldnames=list(kept[0]))
            writer.writeheader()
            writer.writerows(kept)
    early = month_facts(ek.open_study(tmp_path, as_of=when.isoformat()), monthly_review.Params())
    late = facts[when][1]
    assert early.measures == late.measures
    assert list_ids(early) == list_ids(late)
    assert [e.to_dict() for e in early.elements] == [e.to_dict() for e in late.elements]


@pytest.mark.parametrize("audience", ["team", "partner"])
def test_every_page_keeps_to_the_avoid_list(sample, audience: str) -> None:
    from evalkit.render.html import page_html

    params = monthly_review.Params(month="2026-01", audience=audience)
    study = sample.at("2026-01-30")
    page = page_html(tuple(section(study, params) for section in SECTIONS))
    assert not avoided_words(page)


def test_a_partner_copy_has_no_lists_and_no_ids(sample) -> None:
    from evalkit.render.html import page_html

    params = monthly_review.Params(month="2026-01", audience="partner")
    study = sample.at("2026-01-30")
    sections = [section(study, params) for section in SECTIONS]
    assert all("lists" not in section.numbers for section in sections)
    page = page_html(tuple(sections))
    ids = {row["student_id"] for row in recount.rows("student")}
    names = {row["last_name"] for row in recount.rows("identity")}
    assert not any(student in page for student in ids)
    assert not any(f">{name}<" in page for name in names)


def test_week_and_month_are_the_only_periods() -> None:
    with pytest.raises(ek.UserError, match="period"):
        monthly_review.Params(period="year")


def test_before_the_first_school_day_there_are_sentences(sample) -> None:
    study, params = sample.at("2025-08-20"), monthly_review.Params()
    sections = [section(study, params) for section in SECTIONS]
    assert "nothing to count yet" in sections[0].lead
    assert sections[0].numbers["measures"][-1]["reason"]


@pytest.mark.parametrize("when", ["2025-08-20", "2026-01-30"])
def test_a_measure_that_is_null_in_a_copy_for_others_comes_with_a_reason(sample, when: str) -> None:
    """interfaces.md: a row per school and one for all, with every key; what cannot be had is null with a reason."""
    study = sample.at(when)
    told, whole = (monthly_review.at_a_glance(study, monthly_review.Params(audience=audience)).numbers["measures"]
                   for audience in ("partner", "team"))
    assert [row["school_id"] for row in told] == [row["school_id"] for row in whole]
    for row, known in zip(told, whole, strict=True):
        assert {*row, "reason"} == {*known, "reason"}
        assert row.get("reason") if None in [row[key] for key in row if key != "school_id"] else "reason" not in row
