"""Schools past 20 %, school by zip, moves to a new school, years, signs, the DATT workbook: recounted."""

from __future__ import annotations

import io
from collections import Counter
from datetime import date
from fractions import Fraction

import pandas as pd
import pytest
import recount

import evalkit as ek
from evalkit.panel import student_panel
from evalkit.reports import datt, selection_places, student_selection
from evalkit.reports.gate import Gate
from evalkit.reports.month_more import past_20
from evalkit.reports.rough import share_table
from evalkit.reports.selection_facts import selection_of
from evalkit.selection import candidates
from evalkit.selection import places as p

END = date(2026, 1, 30)


@pytest.fixture(scope="module")
def study():
    return ek.open_study(recount.SAMPLE, as_of=END.isoformat())


@pytest.fixture(scope="module")
def scored(study):
    return candidates(study)


def over(student: str, when: date = END) -> bool:
    days = recount.year_of(student, when)
    return 10 * sum(d[2] for d in days) >= len(days)


def roll() -> list[str]:
    return [s for s in recount.students() if recount.last_days(s, END, 1)]


def prior() -> dict[str, bool]:
    """student -> chronically absent last year, days added up where a student has several rows."""
    days: dict[str, list[Fraction]] = {}
    for row in recount.rows("prior_year"):
        mine = days.setdefault(row["student_id"], [Fraction(0), Fraction(0)])
        mine[0] += Fraction(row["days_absent"])
        mine[1] += Fraction(row["days_enrolled"])
    return {s: 10 * a >= e for s, (a, e) in days.items() if e > 0}


def test_schools_and_the_twenty_percent_line(study, scored) -> None:
    expected: dict[str, list[bool]] = {}
    for student in roll():
        expected.setdefault(recount.year_of(student, END)[-1][1], []).append(over(student))
    table = p.school_table(p.judged(scored, study.rules)).set_index("school_id")
    assert {s: (len(f), sum(f), 5 * sum(f) >= len(f)) for s, f in expected.items()} == {
        s: (row["n_students"], row["n_chronic"], row["is_20"]) for s, row in table.drop("all").iterrows()}
    edge = pd.DataFrame({"school_id": ["A"] * 10 + ["B"] * 10, "is_chronic": [True] * 2 + [False] * 8 + [True]
                         + [False] * 9})
    assert p.school_table(edge)["is_20"].tolist() == [True, False, False]


def test_the_reviews_sentence_names_schools_from_twenty_percent_on() -> None:
    rows = pd.DataFrame({"school": ["A", "B", "C"], "n": [50, 50, 49], "n_chronic": [10, 9, 10]})
    assert past_20(rows) == "20% or more: A and C."
    assert past_20(rows[rows["school"] == "B"]) == "No school is at 20%."


def test_school_by_zip_adds_up_and_names_the_largest_excess_first(study, scored) -> None:
    zips = {row["student_id"].strip(): row["zip5"] for row in recount.rows("student")}
    expected = Counter()
    for student in roll():
        if over(student):
            expected[(recount.year_of(student, END)[-1][1], zips[student])] += 1
    spots = p.hot_spots(p.judged(scored, study.rules))
    named = spots[~spots["zip"].isin(["Other", "not given"])]
    assert {(r.school_id, r.zip): r.n_chronic for r in named.itertuples() if r.n_chronic} == {
        key: n for key, n in expected.items() if key[1] in set(named["zip"])}
    assert spots["beyond"].is_monotonic_decreasing and spots["n_chronic"].sum() == sum(map(over, roll()))


def test_the_same_students_in_both_years_by_grade(study, scored) -> None:
    grades = dict(zip(study.table("student")["student_id"], study.table("student")["grade_level"], strict=True))
    before = prior()
    expected: dict[str, list[tuple[bool, bool]]] = {}
    for student in roll():
        if student in before:
            expected.setdefault(grades[student], []).append((before[student], over(student)))
    table = p.grade_moves(scored, study.rules).set_index("grade_level")
    assert {g: (len(v), sum(a for a, _ in v), sum(b for _, b in v)) for g, v in expected.items()} == {
        g: (row["n_students"], row["n_before"], row["n_now"]) for g, row in table.iterrows()}
    assert table.index[table["is_move"]].tolist() == [g for g in ("KG", "06", "09") if g in expected]


def test_year_by_year(study) -> None:
    table = p.year_by_year(study, student_panel(study)).set_index("school_year")
    before = prior()
    assert tuple(table.loc[2025, ["n_students", "n_chronic"]]) == (len(before), sum(before.values()))
    year = [s for s in recount.students() if recount.year_of(s, END)]
    assert tuple(table.loc[2026, ["n_students", "n_chronic"]]) == (len(year), sum(map(over, year)))


def test_signs_stand_beside_each_other(study, scored) -> None:
    found = selection_of(study, student_selection.Params(as_of=END.isoformat()))
    flags = p.outcome_flags(study)
    behavior = {row["student_id"] for row in recount.rows("outcome") if row["measure"].startswith("behavior")
                and recount.day(row["date"]) <= END and float(row["value"]) >= 1}
    attendance = set(found.warned["student_id"])
    expected = Counter((s in attendance, s in behavior) for s in roll())
    counts = p.sign_counts(scored, found.warned, flags)
    assert {(r.attendance, r.behavior): r.n_students for r in counts.itertuples()} == dict(expected)
    listed = selection_places.sign_list(study, found)
    assert set(listed["student_id"]) == {s for s in roll() if s in attendance | behavior}


def test_a_partner_on_site_counts_a_sixth_and_a_tie_its_strength(study, scored) -> None:
    strength = {}
    for row in recount.rows("nomination"):
        strength[row["student_id"]] = max(strength.get(row["student_id"], 0), int(row["strength"]))
    partners = {row["school_id"] for row in recount.rows("mentor")
                if row["mentor_type"] in ("partner_staff", "volunteer", "college")}
    for row in scored.itertuples():
        named = strength.get(row.student_id, 0) / 3
        assert row.part_adult == pytest.approx(max(named, 1 / 6 if row.school_id in partners else 0), abs=1e-12)
    assert set(scored["adult_from"]) == {"named", "partner on site", ""}


def test_the_datt_workbook_reads_back(study) -> None:
    found = selection_of(study, student_selection.Params(as_of=END.isoformat()))
    book = pd.read_excel(io.BytesIO(datt.workbook_of(study, found)), sheet_name=None, dtype={"Student ID": str})
    assert list(book) == ["Data", "A Grade", "B Race or ethnicity", "C Special education", "D Students", "E School",
                          "F Gender", "G English learner", "H Economic status", "I Zip code"]
    data = book["Data"].set_index("Student ID")
    assert list(data.index.sort_values()) == sorted(roll())
    for student in roll()[::40]:
        days = recount.year_of(student, END)
        row = data.loc[student]
        missed = float(sum(d[2] for d in days))
        assert (row["Days enrolled"], row["Days absent"]) == (len(days), missed)
        kinds = row[["Excused days", "Unexcused days", "Suspended days"]]
        assert kinds.sum() == pytest.approx(missed, abs=1e-9)  # three halves or wholes
        assert row["Days present"] + row["Days absent"] == row["Days enrolled"]
    grade = book["A Grade"]
    heads = ("Severe chronic", "Moderate chronic", "All chronic", "At risk", "Satisfactory")
    assert list(grade.columns) == ["Grade", *(f"{kind} {head}" for head in heads for kind in ("NUMBER", "PERCENT")),
                                   "Total"]
    total = grade[grade["Grade"] == "Total"].iloc[0]
    assert (total["NUMBER All chronic"], total["Total"]) == (sum(map(over, roll())), len(roll()))
    assert len(book["D Students"]) == total["NUMBER All chronic"]


@pytest.mark.parametrize("audience", ["partner", "public"])
def test_outside_the_team_a_place_has_no_counts(study, audience: str) -> None:
    params = student_selection.Params(as_of=END.isoformat(), audience=audience)
    section = student_selection.places(study, params)
    tables = {block.key: block.data.frame for block in section.walk() if getattr(block, "key", "")}
    assert set(tables["hot_spots"].columns) == {"school", "zip", "level"} and "by_school" not in tables
    found = selection_of(study, params)
    small = p.hot_spots(p.judged(found.scored, study.rules))
    small = small[(small["n_chronic"] < 10) | (small["n_students"] - small["n_chronic"] < 10)]
    hidden = {(study.school_name(r.school_id), r.zip) for r in small.itertuples()}
    assert not hidden & set(tables["hot_spots"][["school", "zip"]].itertuples(index=False, name=None))
    assert (tables["years"]["n_students"] % 10 == 0).all() and "n_chronic" not in tables["years"]
    lists = student_selection.lists(study, params)
    assert not lists.files and not lists.tables


def test_rough_shares_hide_a_small_side_and_round_the_rest() -> None:
    from types import SimpleNamespace

    privacy = SimpleNamespace(min_cell=10, protect_width=5, rounding_base=1)
    frame = pd.DataFrame({"k": list("abcd"), "n": [9, 25, 192, 100], "of": [100, 50, 200, 301]})
    frame["share"] = frame["n"] / frame["of"]
    shown = share_table("t", frame, Gate(privacy, "partner"), keys=("k",)).frame
    assert shown["share"].isna().tolist() == [True, False, True, False]
    assert shown["share"].dropna().tolist() == [0.5, 0.33] and shown["of"].tolist() == [100, 50, 200, 300]
    assert "n" not in shown
    team = share_table("t", frame, Gate(privacy, "team"), keys=("k",)).frame
    assert team["n"].tolist() == [9, 25, 192, 100]


def test_the_datt_data_sheet_is_a_study_of_totals(study, tmp_path) -> None:
    import shutil

    from evalkit.measures import is_chronic

    found = selection_of(study, student_selection.Params(as_of=END.isoformat()))
    (tmp_path / "attendance_total.xlsx").write_bytes(datt.workbook_of(study, found))
    for name in ("student", "assignment"):
        shutil.copy(recount.SAMPLE / f"{name}.csv", tmp_path / f"{name}.csv")
    page = (recount.SAMPLE.parents[1] / "docs" / "how-to" / "datt.md").read_text(encoding="utf-8")
    (tmp_path / "study.toml").write_text(page.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    again = ek.open_study(tmp_path)
    rows = student_panel(again)
    assert len(rows) == len(roll()) and int(is_chronic(rows, rules=again.rules).sum()) == sum(map(over, roll()))
