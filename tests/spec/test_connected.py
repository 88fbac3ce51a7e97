"""Belonging, adults on record, families' estimates: recounted from the csv files; the interval against scipy."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import recount
from scipy import stats

import evalkit as ek
from evalkit.programme import connected as c
from evalkit.reports import barrier_belonging, barrier_patterns, impact_connected

END = date(2026, 4, 30)
ITEMS = ("trusted_adult", "friend_at_school", "belonging")


@pytest.fixture(scope="module")
def study():
    return ek.open_study(recount.SAMPLE, as_of=END.isoformat())


def said() -> dict[tuple[str, str], list[tuple[date, bool]]]:
    found: dict[tuple[str, str], list[tuple[date, bool]]] = {}
    for row in recount.rows("survey"):
        if row["item"] in ITEMS and recount.day(row["asked_on"]) <= END and row["respondent"] == "student":
            answer = (recount.day(row["asked_on"]), row["value"] == "agree")
            found.setdefault((row["student_id"], row["item"]), []).append(answer)
    return {key: sorted(answers) for key, answers in found.items()}


def newest(item: str) -> dict[str, bool]:
    return {student: answers[-1][1] for (student, name), answers in said().items() if name == item}


def matched() -> set[str]:
    return {pair["student"] for pair in recount.active_pairs(END)}


def test_shares_of_yes_by_mentor(study) -> None:
    table = c.connection(study).set_index(["item", "group"])
    for item in ITEMS:
        answers = newest(item)
        groups = {"with a mentor": matched(), "no mentor": set(answers) - matched(), "all": set(answers)}
        for group, who in groups.items():
            mine = [yes for student, yes in answers.items() if student in who]
            assert tuple(table.loc[(item, group), ["n", "n_yes"]]) == (len(mine), sum(mine))


@pytest.mark.parametrize(("value", "is_yes"), [("Agree", True), ("1", True), ("Sí", True), ("no", False), ("0", False),
                                               ("strongly disagree", False), ("maybe", None), ("3", None)])
def test_which_answers_count(study, value: str, is_yes: bool | None) -> None:
    rows = pd.DataFrame({"student_id": ["x"], "asked_on": [pd.Timestamp("2026-01-05")], "item": ["belonging"],
                         "respondent": ["student"], "value": [value]})
    found = c.answers(replace(study, tables={**study.tables, "survey": rows}))
    assert found["is_yes"].tolist() == ([] if is_yes is None else [is_yes])


def test_an_adult_on_record_is_a_mentor_a_tie_or_an_answer(study) -> None:
    roll = [s for s in recount.students() if recount.last_days(s, END, 1)]
    ties = {row["student_id"] for row in recount.rows("nomination")}
    yes = {s for s, answer in newest("trusted_adult").items() if answer}
    expected = {s for s in roll if s in matched() | ties | yes}  # the sample has no trained peers
    rows = barrier_belonging.adult_counts(study).set_index("group")
    assert tuple(rows.loc["All students on the roll", ["n", "of"]]) == (len(expected), len(roll))
    over = {s for s in roll if 10 * sum(d[2] for d in recount.year_of(s, END)) >= len(recount.year_of(s, END))}
    assert tuple(rows.loc["Missed 10% or more", ["n", "of"]]) == (len(expected & over), len(over))


def test_no_friend_yet_lists_the_newest_no(study) -> None:
    roll = pd.Series([s for s in recount.students() if recount.last_days(s, END, 1)])
    expected = {s for s, answer in newest("friend_at_school").items() if not answer} & set(roll)
    assert set(c.without_friend(study, roll)["student_id"]) == expected


def test_absence_by_answer_is_welchs_comparison(study) -> None:
    table = c.absence_by_answer(study).set_index("item")
    for item in ITEMS:
        groups: dict[bool, list[float]] = {True: [], False: []}
        for (student, name), answers in said().items():
            first, yes = answers[0]
            days = [share for day, _, share in recount.year_of(student, END) if day > first]
            if name == item and len(days) >= 20:
                groups[yes].append(float(sum(days, Fraction(0)) / len(days)))
        row = table.loc[item]
        assert (row["n_yes"], row["n_no"]) == (len(groups[True]), len(groups[False]))
        interval = stats.ttest_ind(groups[True], groups[False], equal_var=False).confidence_interval(0.95)
        # the same closed form in doubles
        np.testing.assert_allclose([row["difference"], row["ci_low"], row["ci_high"]], [
            np.mean(groups[True]) - np.mean(groups[False]), interval.low, interval.high], rtol=0, atol=1e-9)


def test_families_guess_beside_days_on_record(study) -> None:
    expected = {}
    for row in recount.rows("survey"):
        when = recount.day(row["asked_on"])
        if row["item"] == "estimated_days_missed" and when <= END:
            days = [share for day, _, share in recount.year_of(row["student_id"], when)]
            if days:
                expected[row["student_id"]] = (float(row["value"]), float(sum(days, Fraction(0))))
    found = c.family_estimates(study)
    assert {r.student_id: (r.guess, r.missed) for r in found.itertuples()} == expected  # halves of days are exact
    assert (found["guess"] < found["missed"]).mean() > 0.8  # planted: families think it is about half


def test_without_answers_the_page_says_what_would_switch_it_on(study) -> None:
    bare = replace(study, tables={k: v for k, v in study.tables.items() if k != "survey"}, can=study.can - {"survey"})
    section = barrier_patterns.belonging(bare, barrier_patterns.Params(as_of=END.isoformat()))
    said = " ".join(text for block in section.walk() for text in getattr(block, "text", ()) if isinstance(text, str))
    assert "survey" in said and "would switch this on" in said


def test_outside_the_team_nobody_is_listed_and_sizes_are_rough(study) -> None:
    params = barrier_patterns.Params(as_of=END.isoformat(), audience="partner")
    section = barrier_patterns.belonging(study, params)
    tables = {block.key: block.data for block in section.walk() if getattr(block, "key", "")}
    assert "no_friend_yet" not in tables
    for name in ("connection", "named_adult"):
        sizes = tables[name].frame[next(x for x in ("n", "of") if x in tables[name].frame)].dropna()
        assert (sizes % 10 == 0).all()
    assert not {"n_yes", "has_mentor"} & set(tables["connection"].frame) | {"n"} & set(tables["named_adult"].frame)


def test_belonging_beside_similar_students_is_a_weighted_share(study) -> None:
    """Two arms with weights, by hand: the difference and its shares."""
    first = pd.Timestamp("2025-09-15")
    students = sorted(newest("trusted_adult"))[:60]
    used = pd.DataFrame({"student_id": students, "treated": [1] * 30 + [0] * 30, "weight": [1.0] * 30 + [0.5, 2.0] * 15,
                         "subclass": np.nan, "landmark": first, "follow_up_end": pd.Timestamp(END),
                         "absence_rate": np.linspace(0, 0.3, 60), "school_id": "0101"})
    row = impact_connected.belonging_gap(study, used).set_index("item").loc["trusted_adult"]
    answers = np.array([newest("trusted_adult")[s] for s in students], dtype=float)
    yes = answers[:30].mean()
    similar = (answers[30:] * used["weight"][30:]).sum() / used["weight"][30:].sum()
    # sums of sixty doubles
    np.testing.assert_allclose([row["yes"], row["yes_comparison"], row["difference"]], [yes, similar, yes - similar],
                               rtol=0, atol=1e-9)
    assert row["ci_low"] < row["difference"] < row["ci_high"]
    rates = used["absence_rate"].to_numpy()
    np.testing.assert_allclose(row[["rate_yes", "rate_no"]].astype(float),
                               [rates[answers == 1].mean(), rates[answers == 0].mean()],
                               rtol=0, atol=1e-12)  # two means
