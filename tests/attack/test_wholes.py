"""An attacker's arithmetic on small made districts: the whole less its parts, a share out of two measures of balance.

Each test redoes what was deduced from released copies in November 2026: true counts of one to nine students. The
attack is written on its own; evalkit's auditor must see the same leak when it is put back (last tests).
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import math
import re
import shutil
from dataclasses import replace

import pytest
from sample_runs import SAMPLE
from told import district, told

from evalkit.disclosure.audit import Copy, audit
from evalkit.disclosure.fingerprints import keyed_fingerprints
from evalkit.run import run_report, verify_run

LEAST, WIDTH = 10, 5


def number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def spread(value: float | None, rounded_to: int) -> tuple[float, float]:
    """What a reader knows of a printed count: nothing under ten is printed, and a half was rounded up."""
    if value is None:
        return 0.0, math.inf
    half = rounded_to // 2
    return max(LEAST, value - half), value + max(0, half - 1)


def follows(part, whole) -> bool:
    """Whether those of the whole who are not in the part are known to be few: under ten, to fewer than five values."""
    low, high = max(0.0, whole[0] - part[1]), whole[1] - part[0]
    return high >= 0 and low < LEAST and high - low < WIDTH and high > 0


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """150 students, 11 with a mentor in the year and 10 today, 4 of those with days to follow."""
    return district(tmp_path_factory.mktemp("small") / "d1", 150, 3, 1)


@pytest.fixture(scope="session")
def copies(small):
    return {report: told(report, small, "2026-01") for report in ("monthly_review", "celebration", "program_profile")}


@pytest.fixture(scope="session")
def medium(tmp_path_factory):
    """700 students, 61 of them with a mentor and 44 compared."""
    return district(tmp_path_factory.mktemp("medium") / "d4", 700, 3, 4)


@pytest.fixture(scope="session")
def impact(medium):
    return told("impact_study", medium, "2026-03")


def compared(copy: Copy) -> list[float]:
    return [float(copy.tables["flow"][place]["treated"]) for place in (0, -1)]


def test_no_share_follows_from_two_measures_of_balance(impact):
    """(KS / SMD)^2 = p (1 - p): on the main line of November it gave one mentored student in grade 2, of 61."""
    rows = impact.results["analyses"][0]["balance"]
    assert len(rows) >= 4 and {"covariate", "smd_before", "smd_after", "ks_before", "ks_after"} <= set(rows[0])
    for row, when in itertools.product(rows, ("before", "after")):
        assert row[f"ks_{when}"] is None
        assert row[f"smd_{when}"] is None or round(row[f"smd_{when}"], 2) == row[f"smd_{when}"]


def test_a_rounded_difference_leaves_five_counts_open(impact, medium):
    """With the other group's share known from elsewhere, SMD = (p - p0) / sqrt(p (1 - p)): how many p fit?"""
    from evalkit import open_study
    from evalkit.reports import impact_study

    study = open_study(str(medium), month="2026-03")
    main = impact_study.analyses(study, impact_study.Params(study=str(medium), month="2026-03"))[0]
    truth = main.comparison.balance.set_index("covariate")
    shown = [row for row in impact.results["analyses"][0]["balance"] if truth.loc[row["covariate"], "is_binary"]]
    assert shown
    for row, (when, n) in itertools.product(shown, zip(("before", "after"), compared(impact), strict=True)):
        other = truth.loc[row["covariate"], f"mean_comparison_{when}"]
        step = 0.1 if n >= 262 else 0.2 if n >= 73 else 0.5
        p_before = truth.loc[row["covariate"], "mean_treated_before"]
        sd = math.sqrt(p_before * (1 - p_before))
        fits = [k for k in range(LEAST, int(n) - LEAST + 1)
                if abs((k / n - other) / sd - row[f"smd_{when}"]) <= step / 2 + 1e-9]
        assert len(fits) >= WIDTH, (row["covariate"], when)
        assert round(n * truth.loc[row["covariate"], f"mean_treated_{when}"]) in fits, "the true count must fit"


def test_groups_and_doses_are_not_the_whole_less_the_others(impact):
    whole = compared(impact)[-1]
    for stem in ("groups", "dose_main"):
        rows = impact.tables.get(stem, [])
        for group in {row.get("group", "") for row in rows}:
            known = [number(row["n"]) for row in rows if row.get("group", "") == group]
            hidden, rest = known.count(None), whole - sum(n for n in known if n is not None)
            assert rest == 0 or (hidden != 1 and rest >= LEAST), (stem, group)


def test_two_analyses_do_not_differ_by_a_few(impact):
    planned = compared(impact)[-1]
    others = [one["n_treated"] for one in impact.results["analyses"][0]["estimates"][1:]]
    others += [number(row["n"]) for row in impact.tables["estimates_main"]]
    others += [number(row["n"]) for row in impact.tables["change_main"]]
    assert all(n is None or n % 10 == 0 for n in others) and planned % 10


def test_the_cost_per_student_does_not_give_the_number_of_students(impact):
    rows = {row["item"]: row for row in impact.tables["cost"]}
    whole, each = float(rows["Program"]["amount"]), float(rows["Per student"]["amount"])
    assert number(rows["Program"]["n"]) % 10 == 0
    step = 10 ** (math.floor(math.log10(each)) - 1) / 2
    assert whole / (each - step) - whole / (each + step) > 0.5


PAIRS = [("celebration", "totals", "n_families_met", "celebration", "totals", "n_students"),
         ("celebration", "next_year", "n_mentored", "celebration", "totals", "n_students"),
         ("celebration", "next_year", "n_mentored_returning", "celebration", "next_year", "n_mentored"),
         ("celebration", "next_year", "n_mentored_returning", "celebration", "totals", "n_students"),
         ("celebration", "next_year", "n_returning", "monthly_review", "", "n_students"),
         ("celebration", "next_year", "n_may_need_support", "monthly_review", "", "n_chronic"),
         ("program_profile", "profile", "n_students", "program_profile", "profile", "n_ever"),
         ("program_profile", "profile", "n_students", "celebration", "totals", "n_students"),
         ("program_profile", "profile", "n_waiting", "monthly_review", "", "n_chronic"),
         ("celebration", "recognised", "n_good", "monthly_review", "", "n_satisfactory")]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[2]} of {pair[5]}")
def test_a_part_beside_its_whole_in_another_place(copies, pair):
    def known(report, place, name):
        copy = copies[report]
        part = copy.results[place] if place else copy.results["measures"][-1]
        return spread(number(part[name]), copy.rounded_to)

    assert not follows(known(*pair[:3]), known(*pair[3:]))


def test_grades_that_move_up_are_not_their_sum_less_the_others(copies):
    """27 into 6 or 9 less 19 into 9 were 8 fifth-graders."""
    copy = copies["celebration"]
    parts = copy.results["next_year"]["n_into_transition"]
    whole = next(number(row["n"]) for row in copy.tables["next_year"] if row["what"].startswith("Moving up"))
    assert len(parts) == 2
    for one, other in itertools.permutations(parts.values()):
        assert one is not None or not follows(spread(other, copy.rounded_to), spread(whole, copy.rounded_to))


def test_the_range_of_the_forecast_gives_no_exact_number(copies):
    """The ends are Wilson's for the numbers shown, not for the exact ones."""
    from evalkit.reports.celebration_facts import range_ahead

    ahead = copies["celebration"].results["next_year"]
    if ahead["n_may_need_support"] is None:
        assert ahead["low"] is None and ahead["high"] is None
        return
    open_counts = [n for n in range(10, 60) if all(
        10 * ((2 * end + 10) // 20) == ahead[name]
        for name, end in range_ahead(10 * ((2 * n + 10) // 20), ahead["n_returning"]).items())]
    assert len(open_counts) >= WIDTH


def test_recognised_students_beside_those_who_missed_under_5_percent(copies):
    schools = [row["school"] for row in copies["monthly_review"].tables["schools"]]
    satisfactory = dict(zip(schools, [row["n_satisfactory"] for row in copies["monthly_review"].results["measures"]],
                            strict=False))
    rounded = copies["celebration"].rounded_to
    for row in copies["celebration"].tables["recognised"]:
        if row["school"] in satisfactory:
            assert not follows(spread(number(row["good"]), rounded), spread(satisfactory[row["school"]], 1)), row


def test_all_recognised_beside_all_who_missed_under_5_percent():
    """1,187 of the sample's students missed under 5 % by May; 1,190 to the nearest ten recognised left fewer than ten,
    and the review was refused beside the celebration."""
    celebration, review = (told(report, SAMPLE, "2026-05") for report in ("celebration", "monthly_review"))
    good = spread(number(celebration.tables["recognised"][-1]["good"]), celebration.rounded_to)
    assert not follows(good, spread(review.results["measures"][-1]["n_satisfactory"], 1))
    assert not [one for one in audit([celebration, review]) if "recognised" in one.where]


def test_kinds_of_mentors_are_not_the_tile_less_the_others(medium):
    """57 with a mentor less 52 of school staff were the 5 students of one partner's mentor."""
    copy = told("program_profile", medium, "2026-03")
    whole = spread(copy.results["profile"]["n_students"], copy.rounded_to)
    assert copy.rounded_to == 10 and copy.results["profile"]["n_students"] % 10 == 0
    for row in copy.tables.get("mentor_types", []):
        assert not follows(spread(number(row["n_students"]), copy.rounded_to), whole)


def test_no_count_of_contacts_or_absences_rests_on_a_few_students(tmp_path):
    copy = told("celebration", district(tmp_path / "d60", 60, 2, 7), "2026-01")
    totals = copy.results["totals"]
    assert totals["n_students"] is None
    assert all(totals[name] is None for name in ("n_contacts", "n_absences", "n_answered", "n_hours", "n_referrals"))
    assert "greetings, talks and calls" not in copy.text and "to protect students in small groups" in copy.text


def test_nothing_is_left_when_the_copies_are_attacked_together(copies, impact):
    """No part of a whole, recognised list or group of these reports is found (other reports: see their own tests)."""
    mine = ("less", "groups", "balance", "estimates", "recognised", "mentor")
    found = [one for one in audit([copies["celebration"], copies["program_profile"], copies["monthly_review"]])
             if any(word in one.where for word in mine)]
    assert not [one for one in [*found, *audit([impact])] if "monthly_review" not in one.copy]


def test_a_copy_for_others_has_no_hash_to_guess_a_row_by(small, tmp_path):
    """Three of four rows of nomination.csv known: with the file's sha256 the fourth was found in two seconds."""
    folder = run_report("data_check", small, params={"month": "2026-01", "audience": "partner"}, out=tmp_path)
    said = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))
    real = {hashlib.sha256(path.read_bytes()).hexdigest() for path in small.iterdir() if path.is_file()}
    every_byte = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file()).decode("utf-8", "ignore")
    assert "nomination.csv" in said["inputs"] and not [digest for digest in real if digest in every_byte]
    assert verify_run(folder, study=small).run_again, "the team can still have it made again"
    moved = tmp_path / "elsewhere" / "a" / "copy"
    moved.parent.mkdir(parents=True)
    folder.rename(moved)
    found = verify_run(moved, study=small)
    assert not found.faults and found.run_again, "with the study at hand a copy handed on can be made again too"
    other = tmp_path / "other"
    shutil.copytree(small, other)
    (other / "nomination.csv").write_bytes((other / "nomination.csv").read_bytes() + b"\n")
    found = verify_run(moved, study=other)
    assert not found.faults and not found.run_again and found.remarks
    assert "nomination" not in found.remarks[0], "which file differs is not told: every fingerprint hangs on all files"


def test_the_manifest_of_a_copy_for_others_fingerprints_every_input_without_giving_it_away(small, tmp_path):
    """interfaces.md: sha256 and row counts of every input. A guess of one row cannot be tried without all the rest."""
    folder = run_report("data_check", small, params={"month": "2026-01", "audience": "public"}, out=tmp_path)
    said = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))["inputs"]
    real = {name: hashlib.sha256((small / name).read_bytes()).hexdigest() for name in said}
    assert set(said) == {path.name for path in small.iterdir() if path.is_file()}
    assert all(re.fullmatch("[0-9a-f]{64}", one["sha256"]) and one["keyed"] is True for one in said.values())
    assert {one["sha256"] for one in said.values()} == set(keyed_fingerprints(real).values())
    # What an attacker can try with all rows of one file right but another file of the study unknown: no mark comes out.
    for name in said:
        partly = {**real, "calendar.csv" if name != "calendar.csv" else "student.csv": "0" * 64}
        assert keyed_fingerprints(partly)[name] != said[name]["sha256"]
        assert hmac.new(b"", real[name].encode(), hashlib.sha256).hexdigest() != said[name]["sha256"]
    assert said["school.csv"]["rows"] == 3 and said["study.toml"]["rows"] == 0, "no school is a student"
    assert said["nomination.csv"]["rows"] is None


LEAKS = {
    "balance": ("impact_study", {"analyses": [{"balance": [
        {"covariate": "grade", "ks_before": 0.1, "smd_before": 0.1 / math.sqrt(3 / 61 * 58 / 61), "ks_after": None,
         "smd_after": None, "variance_ratio_before": None, "variance_ratio_after": None}]}]},
        {"flow": [{"stage": "a", "treated": "61"}, {"stage": "b", "treated": "44"}]}),
    "a group": ("impact_study", {}, {"flow": [{"stage": "b", "treated": "44"}], "groups": [
        {"group": "g", "label": "yes", "n": "hidden"}, {"group": "g", "label": "no", "n": "42"}]}),
    "another analysis": ("impact_study", {}, {"flow": [{"stage": "b", "treated": "128"}],
                                              "estimates_main": [{"n": "128"}, {"n": "124"}]}),
    "a kind": ("program_profile", {"profile": {"n_students": 57}}, {"mentor_types": [
        {"kind": "Partner staff", "n_students": "hidden"}, {"kind": "School staff", "n_students": "52"}]}),
    "today": ("program_profile", {"profile": {"n_students": 10, "n_ever": 11}}, {}),
    "grade 12": ("celebration", {"next_year": {"n_mentored": 20, "n_mentored_returning": 16}}, {}),
    "families": ("celebration", {"totals": {"n_students": 21, "n_families_met": 20}}, {}),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_the_auditor_sees_the_leak_when_it_is_put_back(leak):
    report, results, tables = LEAKS[leak]
    copy = Copy("c", "study", report, "2026-01-30", "", "partner", results, tables)
    assert audit([copy])
    assert not audit([replace(copy, results={}, tables={})])


def test_the_auditor_sets_the_celebration_beside_the_review():
    measures = {"measures": [{"school_id": None, "n_students": 148, "n_chronic": 23, "n_satisfactory": 90,
                              "n_at_risk": 35, "n_moderate": 13, "n_severe": 10, "n_extreme": 0}]}
    review = Copy("r", "study", "monthly_review", "2026-01-30", "", "partner", measures, {})
    party = Copy("c", "study", "celebration", "2026-01-30", "", "partner", {"next_year": {"n_returning": 140}}, {})
    assert [one for one in audit([review, party]) if "returning" in one.where]
    rounded = replace(party, rounded_to=10)
    assert not [one for one in audit([review, rounded]) if "returning" in one.where]


def test_a_look_hidden_in_one_copy_does_not_stand_in_the_one_before(medium):
    """November: December's numbers were hidden in January's copy, two students off, and stood in December's own."""
    seen: dict[str, dict[str, set[str]]] = {}
    for month in ("2026-02", "2026-03"):
        copy = told("monthly_review", medium, month)
        for row in copy.tables["looks"]:
            for name in ("n_treated", "n_comparison"):
                seen.setdefault(row["label"], {}).setdefault(name, set()).add(row[name])
        assert {copy.results["impact_to_date"][name] % 10 for name in ("n_treated", "n_comparison")} == {0}
    told_ones = [values for look in seen.values() for values in look.values() if values != {"hidden"}]
    assert len(told_ones) >= 4 and all(len(values) == 1 and int(min(values)) % 10 == 0 for values in told_ones)
