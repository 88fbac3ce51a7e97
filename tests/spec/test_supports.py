"""Supports, training, visits and peers, recounted from the csv files in plain Python."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import combinations

import pandas as pd
import pytest
import recount

import evalkit as ek
from evalkit.programme import supports as s
from evalkit.programme import training as t
from evalkit.vocabulary import DOMAINS, need_domains, reasons

END = date(2026, 4, 30)


@pytest.fixture(scope="module")
def study():
    return ek.open_study(recount.SAMPLE, as_of=END.isoformat())


def spans() -> dict[str, dict[str, list[date]]]:
    """student -> support -> dates: scheduled sessions, or the first and last day of pairings."""
    found: dict[str, dict[str, list[date]]] = {}
    for row in recount.rows("service"):
        if (day := recount.day(row["scheduled_date"])) <= END:
            found.setdefault(row["student_id"], {}).setdefault(row["intervention_code"], []).append(day)
    for row in recount.rows("assignment"):
        begin, end = recount.day(row["begin_date"]), recount.day(row["end_date"]) or END
        if begin <= END:
            found.setdefault(row["student_id"], {}).setdefault(row["intervention_code"], []).extend(
                [begin, min(end, END)])
    return found


def test_students_by_support_and_number(study) -> None:
    rows, expected = s.supports(study), spans()
    assert len(rows) == sum(map(len, expected.values()))
    by_support = rows.groupby("support")["student_id"].nunique().to_dict()
    names = {name for had in expected.values() for name in had}
    assert by_support == {name: sum(name in had for had in expected.values()) for name in names}
    counts = s.by_number(rows).set_index("n_supports")["n_students"].to_dict()
    assert counts == {k: sum(len(had) == k for had in expected.values()) for k in counts}
    assert sum(counts.values()) == len(expected)


def test_two_supports_at_one_time_share_a_day(study) -> None:
    expected: dict[tuple[str, str], int] = {}
    for had in spans().values():
        for a, b in combinations(sorted(had), 2):
            if max(min(had[a]), min(had[b])) <= min(max(had[a]), max(had[b])):
                expected[(a, b)] = expected.get((a, b), 0) + 1
    found = s.overlaps(s.supports(study))
    assert {(row.first, row.second): row.n_students for row in found.itertuples()} == expected
    more = s.overlapping_students(s.supports(study))
    assert set(more["student_id"]) == {student for student, had in spans().items() if len(had) > 1}


def test_the_portfolio_carries_both_tags(study) -> None:
    table = s.portfolio(s.supports(study))
    tags = {(row["intervention_code"], row["approach"], row["support_tier"]) for row in recount.rows("service")}
    said = {(row.support, row.approach, row.support_tier) for row in table.itertuples()}
    assert said == tags | {("SUCCESS-MENTOR", "problem_solving", "tier2")}
    sessions = [row for row in recount.rows("service") if recount.day(row["scheduled_date"]) <= END]
    for row in table[table["support"] != "SUCCESS-MENTOR"].itertuples():
        mine = [r for r in sessions if r["intervention_code"] == row.support]
        assert (row.n_sessions, row.n_attended) == (len(mine), sum(r["attended"] == "true" for r in mine))


def test_the_dose_of_a_service(study) -> None:
    sessions = [row for row in recount.rows("service")
                if recount.day(row["scheduled_date"]) <= END and row["intervention_code"] == "TUTORING"]
    found = s.support_dose(study).set_index("support").loc["TUTORING"]
    each: dict[str, list[date]] = {}
    for row in sessions:
        each.setdefault(row["student_id"], []).append(recount.day(row["scheduled_date"]))
    weeks = sum(max(1.0, (max(days) - min(days)).days / 7) for days in each.values())
    assert (found["n_students"], found["n_sessions"]) == (len(each), len(sessions))
    assert found["a_week"] == pytest.approx(len(sessions) / weeks, abs=1e-12)  # one division
    came = sum(row["attended"] == "true" for row in sessions)
    assert found["came"] == pytest.approx(came / len(sessions), abs=1e-12) and found["minutes"] == 45


def test_every_known_reason_has_one_of_four_domains() -> None:
    known = {item.pattern for item in reasons()} - {"no_reason", "unknown"}
    assert known - set(need_domains()) == set()
    assert set(need_domains().values()) == set(DOMAINS)


def test_needs_by_domain(study) -> None:
    from evalkit.patterns.help import open_barriers

    needs = open_barriers(study.table("barrier"))[["student_id", "pattern"]]
    expected: dict[str, set[str]] = {}
    for row in recount.rows("barrier"):
        done = row["status"] in ("resolved", "cannot_resolve") and not (
            row["resolved_date"] and recount.day(row["resolved_date"]) > END)
        if recount.day(row["identified_date"]) <= END and not done and row["source"] != "text_suggested":
            expected.setdefault(need_domains()[row["pattern"]], set()).add(row["student_id"])
    table = s.by_domain(s.supports(study), needs).set_index("domain")
    assert {d: int(table.loc[d, "n_needs"]) for d in DOMAINS} == {d: len(expected.get(d, ())) for d in DOMAINS}


def test_who_has_had_which_training(study) -> None:
    active = {pair["mentor"] for pair in recount.active_pairs(END)}
    expected: dict[str, set[str]] = {}
    for row in recount.rows("team_meeting"):
        if row["kind"] == "training" and recount.day(row["date"]) <= END:
            expected.setdefault(row["topic"], set()).update(set(row["mentor_ids"].split(";")) & active)
    found = t.training_coverage(study)
    assert {row.topic: (row.n, row.of) for row in found.itertuples()} == {
        topic: (len(who), len(active)) for topic, who in expected.items()}
    wide = t.training_by_mentor(study).set_index("mentor_id")
    assert {topic: set(wide.index[wide[topic].notna()]) for topic in expected} == expected


def test_a_topic_nobody_has_had_is_still_listed(study) -> None:
    table = study.table("team_meeting")
    bare = replace(study, tables={**study.tables, "team_meeting": table[table["topic"] != "referral"]})
    found = t.training_coverage(bare).set_index("topic")
    assert found.loc["referral", "n"] == 0 and pd.isna(found.loc["referral", "last_on"])


def test_visits_of_mentors(study) -> None:
    active = sorted({pair["mentor"] for pair in recount.active_pairs(END)})
    scores = {m: [float(r["score"]) for r in recount.rows("observation")
                  if r["mentor_id"] == m and recount.day(r["date"]) <= END] for m in active}
    found = t.observed_mentors(study)
    assert dict(zip(found["mentor_id"], found["n_observed"], strict=True)) == {m: len(v) for m, v in scores.items()}
    for row in found.itertuples():
        mean = sum(scores[row.mentor_id]) / len(scores[row.mentor_id])
        assert row.mean_score == pytest.approx(mean, abs=1e-12)  # one division


def test_a_peer_with_a_young_child_is_told(study) -> None:
    assert t.peers_below_grade(study).empty
    grades = study.table("student").set_index("student_id")["grade_level"]
    mentors = study.table("mentor").copy()
    mentors["mentor_type"] = mentors["mentor_type"].mask(mentors["mentor_id"].isin(["M0001", "M0014"]), "peer")
    found = t.peers_below_grade(replace(study, tables={**study.tables, "mentor": mentors}))
    low = {"IT", "PR", "PK", "TK", "KG", "01", "02", "03", "04", "05"}
    expected = {pair["student"] for pair in recount.active_pairs(END)
                if pair["mentor"] in ("M0001", "M0014") and grades[pair["student"]] in low}
    assert set(found["student_id"]) == expected and expected
