"""What mentors did in the sample, recounted from the csv files in plain Python; edges on small counts."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
import recount
from statsmodels.stats.proportion import proportion_confint

import evalkit as ek
from evalkit import programme

START, END = date(2026, 1, 1), date(2026, 1, 30)
WITH_STUDENT = {"a_greet", "b_call_absent", "c_track_celebrate", "d_meeting", "e_family_intro", "f_connect_resource"}


@pytest.fixture(scope="module")
def study():
    return ek.open_study(recount.SAMPLE, as_of=END.isoformat())


def matched(student: str, when: date) -> bool:
    return any(
        recount.day(row["begin_date"]) <= when and (not row["end_date"] or recount.day(row["end_date"]) >= when)
        for row in PAIRS.get(student, ())
    )


PAIRS: dict[str, list[dict]] = {}
for pair in recount.rows("assignment"):
    PAIRS.setdefault(pair["student_id"], []).append(pair)


def matched_days(end: date = END) -> list[tuple[str, date, str, recount.Fraction]]:
    last = recount.through(end)
    return [
        (student, when, school, recount.missed().get((student, when), recount.Fraction(0)))
        for student in PAIRS
        for when, school in recount.enrolled_days_raw(student)
        if when <= last[school] and matched(student, when)
    ]


def contacts(activities: set[str], *, attempts: bool = False) -> list[tuple[str, date, str]]:
    wanted = {"", "held"}
    return [
        (row["student_id"], recount.day(row["date"]), row["status"])
        for row in recount.rows("contact")
        if row["activity"] in activities
        and (row["status"] in wanted or (attempts and row["status"] != "cancelled"))
        and recount.day(row["date"]) <= END
    ]


def element(study, code: str) -> programme.Element:
    found = programme.fidelity(study, start=START, end=END)
    return next(item for item in found if item.code == code)


def test_greetings_are_a_share_of_days_in_school(study) -> None:
    greeted = {(student, when) for student, when, _ in contacts({"a_greet"})}
    present = [(s, d) for s, d, _, share in matched_days() if START <= d <= END and share < 1]
    found = element(study, "a_greet")
    assert (found.n, found.of) == (sum(key in greeted for key in present), len(present))


def test_an_absence_is_answered_by_the_end_of_the_next_school_day(study) -> None:
    calls = contacts({"b_call_absent"}, attempts=True)
    by_student: dict[str, list[date]] = {}
    for student, when, _ in calls:
        by_student.setdefault(student, []).append(when)
    due = answered = 0
    for student, when, school, share in matched_days():
        later = [d for d in recount.calendar()[school] if d > when]
        if share == 0 or not later or not START <= later[0] <= END:
            continue
        due += 1
        answered += any(when <= call <= later[0] for call in by_student.get(student, ()))
    found = element(study, "b_call_absent")
    assert (found.n, found.of) == (answered, due)


def test_three_contacts_a_week(study) -> None:
    held: dict[tuple[str, date], int] = {}
    for student, when, _ in contacts(WITH_STUDENT):
        week = when - timedelta(days=when.weekday())
        held[(student, week)] = held.get((student, week), 0) + 1
    weeks: dict[tuple[str, date], list[tuple[date, str]]] = {}
    for student, when, school, _ in matched_days():
        weeks.setdefault((student, when - timedelta(days=when.weekday())), []).append((when, school))
    of = n = 0
    for (student, week), days in weeks.items():
        last = max(d for d in recount.calendar()[days[-1][1]] if week <= d <= week + timedelta(days=6))
        if len(days) < 3 or not START <= last <= END:
            continue
        of += 1
        n += held.get((student, week), 0) >= 3
    found = element(study, "three_contacts")
    assert (found.n, found.of) == (n, of)


def test_conflicts_are_in_person_contacts_on_a_day_missed_whole(study) -> None:
    whole = {(s, d) for s, d, _, share in matched_days() if share >= 1}
    expected = {
        row["contact_id"]
        for row in recount.rows("contact")
        if row["mode"] == "in_person"
        and row["status"] in ("", "held")
        and row["with_whom"] in ("", "student")
        and row["activity"] in {"a_greet", "b_call_absent", "c_track_celebrate", "d_meeting", "f_connect_resource"}
        and (row["student_id"], recount.day(row["date"])) in whole
        and recount.day(row["date"]) <= END
    }
    assert set(programme.conflicts(study)["contact_id"]) == expected


def test_referrals_keep_only_outcomes_known_by_then(study) -> None:
    made = [row for row in recount.rows("referral") if recount.day(row["made_date"]) <= END]
    known = sum(row["outcome"] == "connected" and recount.day(row["outcome_date"]) <= END for row in made)
    found = element(study, "f_connect_resource")
    assert (found.n, found.of) == (known, len(made))


def test_caseloads_stand_beside_caps_and_are_not_ranked(study) -> None:
    table = programme.caseloads(study, START, END)
    active: dict[str, set[str]] = {}
    for row in recount.rows("assignment"):
        if recount.day(row["begin_date"]) <= END and (not row["end_date"] or recount.day(row["end_date"]) >= END):
            active.setdefault(row["mentor_id"], set()).add(row["student_id"])
    assert dict(zip(table["mentor_id"], table["n_students"], strict=True)) == {
        row["mentor_id"]: len(active.get(row["mentor_id"], ())) for row in recount.rows("mentor")
    }
    assert list(table["mentor_id"]) == [
        row["mentor_id"] for row in sorted(recount.rows("mentor"), key=lambda r: (r["school_id"], r["mentor_id"]))
    ]
    assert (table["is_small"] == (table["n_absences"] < 10)).all()
    assert (table["is_over_cap"] == (table["n_students"] > table["cap"])).all()


@pytest.mark.parametrize(("n", "of"), [(0, 5), (1, 7), (50, 100), (100, 100), (366, 515)])
def test_wilson_is_the_reference_interval(n: int, of: int) -> None:
    low, high = proportion_confint(n, of, method="wilson")
    assert programme.wilson(n, of) == pytest.approx((low, high), abs=1e-12)  # the same closed form


def test_contact_details_go_stale_after_sixty_days() -> None:
    import pandas as pd

    identity = pd.DataFrame(
        {"student_id": ["1", "2", "3"], "last_verified_date": pd.to_datetime(["2026-01-01", "2025-12-31", None])}
    )
    found = programme.contact_freshness(identity, pd.Series(["1", "2", "3", "4"]), "2026-03-02")
    assert found == {"fresh": 1, "stale": 1, "unknown": 2}


def test_without_a_log_each_element_says_what_would_switch_it_on(study) -> None:
    from dataclasses import replace

    bare = replace(
        study,
        tables={k: v for k, v in study.tables.items() if k not in ("contact", "referral", "team_meeting")},
        can=study.can - {"contact", "referral", "team_meeting"},
    )
    for item in programme.fidelity(bare, start=START, end=END):
        assert item.of is None
        assert "switch this on" in item.off
