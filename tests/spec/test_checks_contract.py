"""Every check of the table: cites a source, has a page, runs on a frame, and says fail where it should."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evalkit.checks import CHECKS, CheckResult, run_checks
from evalkit.errors import UserError
from evalkit.estimators import Estimate, estimate

ROOT = Path(__file__).parents[2]
SEED = 5


def sets(*, n: int = 200, effect: float = -0.04, hidden: float = 0.0, seed: int = SEED) -> pd.DataFrame:
    """n pairs of students in six schools, alike before; the treated differ by `effect` afterwards."""
    rng = np.random.default_rng(seed)
    before = np.clip(np.repeat(rng.beta(3, 18, n), 2) + 0.01 * rng.standard_normal(2 * n), 0.01, 0.6)
    treated = np.tile([1, 0], n)
    rate = np.clip(0.05 + 0.6 * before + effect * treated + hidden * treated + 0.03 * rng.standard_normal(2 * n), 0, 1)
    return pd.DataFrame({
        "student_id": [f"s{i}" for i in range(2 * n)], "school_id": np.repeat([f"{i % 6}" for i in range(n)], 2),
        "prior_absence_rate": before, "other": rng.standard_normal(2 * n), "treated": treated, "weight": 1.0,
        "subclass": np.repeat(np.arange(n), 2), "distance": before, "absence_rate": rate})


def made(rows: pd.DataFrame, *, covariates: tuple[str, ...] = ("prior_absence_rate",), dropped: int = 0,
         smd: float = 0.01, **details: Any) -> tuple[Any, Estimate]:
    """A comparison on these rows (with `dropped` unused treated) and its estimate."""
    unused = rows[rows["treated"] == 1].head(dropped).assign(weight=0.0, student_id=lambda f: "d" + f["student_id"])
    comparison = SimpleNamespace(
        students=pd.concat([rows, unused], ignore_index=True), plan={"covariates": covariates}, details=details,
        balance=pd.DataFrame({"covariate": ["prior_absence_rate"], "smd_after": [smd]}))
    return comparison, estimate(None, comparison, clustered_by="subclass")


def check(name: str, rows: pd.DataFrame, given: dict[str, Any] | None = None, **options: Any) -> CheckResult:
    comparison, found = made(rows, **options)
    return run_checks(None, comparison, found, which=[name], **(given or {}))[0]


@pytest.mark.parametrize("name", list(CHECKS))
def test_listed_with_source_page_and_a_verdict(name: str) -> None:
    page = ROOT / "docs" / "methods" / "checks" / f"{name}.md"
    assert CHECKS[name].paper and CHECKS[name].question.endswith("?")
    assert page.exists() and CHECKS[name].paper in page.read_text(encoding="utf-8")
    found = check(name, sets())
    assert found.name == name and found.verdict in ("pass", "caution", "fail")
    assert found.text.endswith(".") and set(found.to_dict()) == {"name", "verdict", "value", "text"}


def test_unknown_check_is_refused_with_the_choices() -> None:
    with pytest.raises(UserError, match="overlap"):
        check("overlaps", sets())


def test_checks_without_an_estimate_are_cautions_with_the_reason() -> None:
    from evalkit.estimators.result import no_estimate
    comparison, _ = made(sets())
    for found in run_checks(None, comparison, no_estimate("Too few.", estimator="difference", outcome="absence_rate")):
        assert found.verdict == "caution" or found.name in ("overlap", "balance", "estimand_shift", "attrition")


@pytest.mark.parametrize(("dropped", "verdict"), [(0, "pass"), (22, "pass"), (23, "caution"), (85, "caution"),
                                                  (86, "fail")])
def test_estimand_shift_edges(dropped: int, verdict: str) -> None:
    """22 of 222 is 9.9 %, 23 of 223 is 10.3 %; 85 of 285 is 29.8 %, 86 of 286 is 30.1 %."""
    assert check("estimand_shift", sets(), dropped=dropped).verdict == verdict


@pytest.mark.parametrize(("smd", "verdict"), [(0.05, "pass"), (0.25, "pass"), (0.251, "fail")])
def test_balance_by_the_wwc_thresholds(smd: float, verdict: str) -> None:
    assert check("balance", sets(), smd=smd).verdict == verdict


@pytest.mark.parametrize(("design", "says"), [("waitlist", "came onto the list"), ("randomized", "list of the draw"),
                                              ("prior_cohort", "both years"), ("within_school", "caliper")])
def test_groups_too_far_apart_are_mended_as_their_design_can(design: str, says: str) -> None:
    comparison, found = made(sets(), smd=0.4)
    comparison.plan = {**comparison.plan, "comparison": design}
    one = run_checks(None, comparison, found, which=["balance"])[0]
    assert one.verdict == "fail" and says in one.text


def test_balance_without_adjustment_is_a_caution() -> None:
    comparison, _ = made(sets(), smd=0.1)
    plain = estimate(None, comparison, estimator="difference")
    assert run_checks(None, comparison, plain, which=["balance"])[0].verdict == "caution"


@pytest.mark.parametrize(("lost", "verdict"), [((10, 10), "pass"), ((30, 12), "caution"), ((60, 5), "fail")])
def test_attrition(lost: tuple[int, int], verdict: str) -> None:
    """200 a side: 5 % and 0 apart; 10.5 % and 9 points (cautious 6.3, optimistic 10.9); 16 % and 27 points."""
    counts = {"treated": {"n": 200, "lost": lost[0]}, "comparison": {"n": 200, "lost": lost[1]}}
    assert check("attrition", sets(), {"attrition": counts}).verdict == verdict


def test_attrition_counts_everyone_who_left_and_names_the_standard_only_where_it_rules() -> None:
    """The sample's counts: 4 lost and 3 gone with their set are 7 of 543, and without a lottery only a yardstick."""
    counts = {"treated": {"n": 196, "lost": 1, "with_set": 1}, "comparison": {"n": 347, "lost": 3, "with_set": 2}}
    one = check("attrition", sets(), {"attrition": counts})
    assert one.value == pytest.approx(7 / 543) and one.details["differential"] == pytest.approx(5 / 347 - 2 / 196)
    assert "7 of 543" in one.text and "4 had no usable outcome, and 3 left with their matched set" in one.text
    assert "rates attrition of lotteries only" in one.text
    comparison, found = made(sets())
    drawn = SimpleNamespace(students=comparison.students, details={}, plan={**comparison.plan,
                                                                           "comparison": "randomized"})
    said = run_checks(None, drawn, found, which=["attrition"], attrition=counts)[0].text
    assert "attrition standard for lotteries" in said and "lotteries only" not in said


def test_placebo_outcome_finds_what_was_there_before() -> None:
    rows = sets()
    gap = rows.assign(older=rows["prior_absence_rate"] + 0.05 * rows["treated"])
    assert check("placebo_outcome", gap, {"placebo_outcomes": "older"}).verdict == "fail"
    assert check("placebo_outcome", rows, {"placebo_outcomes": "other"}).verdict == "pass"


def history(rows: pd.DataFrame, drift: float, noise: float = 0.01) -> pd.DataFrame:
    rng = np.random.default_rng(SEED)
    parts = [rows[["student_id"]].assign(period=period, rate=0.1 + drift * period * rows["treated"]
                                         + noise * rng.standard_normal(len(rows))) for period in (-3, -2, -1)]
    return pd.concat(parts)


def test_pre_trend_sees_a_drift_and_says_when_it_could_not() -> None:
    rows = sets()
    assert check("pre_trend", rows, {"history": history(rows, 0.0)}).verdict == "pass"
    assert check("pre_trend", rows, {"history": history(rows, 0.02)}).verdict == "fail"
    blind = check("pre_trend", rows, {"history": history(rows, 0.0, noise=0.5)})
    assert blind.verdict == "caution" and "cannot clear it" in blind.text


def test_placebo_date() -> None:
    rows = sets()
    assert check("placebo_date", rows, {"history": history(rows, 0.0)}).verdict == "pass"
    assert check("placebo_date", rows, {"history": history(rows, 0.05)}).verdict == "fail"


def test_spillover_share_and_estimate_without() -> None:
    rows = sets()
    shared = {student: f"h{i}" for i, student in enumerate(rows["student_id"])}
    shared |= {f"s{2 * i + 1}": f"h{2 * i}" for i in range(60)}
    found = check("spillover", rows, {"household": shared})
    assert found.verdict == "fail" and found.value == pytest.approx(0.3) and "Without them" in found.text
    later = SimpleNamespace(table=lambda name: pd.DataFrame(
        {"student_id": [f"s{2 * i + 1}" for i in range(60)], "household_id": [f"x{i}" for i in range(60)]}))
    comparison, found = made(rows)
    own = run_checks(later, comparison, found, which=["spillover"])[0]
    assert own.verdict == "pass" and own.value == 0.0, "a student's own later mentor is no spillover"
    alone = {student: f"h{i}" for i, student in enumerate(rows["student_id"])}
    assert check("spillover", rows, {"household": alone}).verdict == "pass"


def test_one_school_that_carries_everything_fails() -> None:
    rows = sets(effect=0.0)
    carried = rows["school_id"].eq("0") & rows["treated"].eq(1)
    rows.loc[carried, "absence_rate"] = np.clip(rows.loc[carried, "absence_rate"] - 0.3, 0, 1)
    rows.loc[~carried & rows["treated"].eq(1), "absence_rate"] += 0.004
    assert check("leave_one_school_out", rows).verdict == "fail"
    assert check("leave_one_school_out", sets()).verdict == "pass"


def test_sensitivity_is_strong_for_a_strong_effect_and_weak_for_a_weak_one() -> None:
    for name in ("rosenbaum", "e_value", "sensemakr"):
        assert check(name, sets(effect=-0.06)).verdict == "pass", name
        assert check(name, sets(effect=-0.004)).verdict in ("caution", "fail"), name


def test_specification_curve_lists_its_analyses() -> None:
    found = check("specification_curve", sets(), covariates=("prior_absence_rate", "other"))
    assert found.verdict == "pass" and len(found.details["curve"]) >= 6


def test_regression_to_the_mean_names_the_change_without_a_programme() -> None:
    rows = sets()
    drift = rows.assign(absence_rate=np.clip(rows["prior_absence_rate"] - 0.03 - 0.04 * rows["treated"], 0, 1))
    comparison, found = made(drift)
    adjusted = run_checks(None, comparison, found, which=["regression_to_the_mean"])[0]
    assert adjusted.verdict == "pass" and adjusted.value == pytest.approx(-0.03, abs=0.004)
    comparison.plan = {"covariates": ()}
    plain = estimate(None, comparison, estimator="difference")
    assert run_checks(None, comparison, plain, which=["regression_to_the_mean"])[0].verdict == "fail"


def test_dosage_counts_held_contacts_of_the_own_follow_up_only() -> None:
    """One is followed longer than the others; contacts after the own end, cancelled or unanswered count for nobody."""
    rows = sets(n=61)
    start, treated = pd.Timestamp("2025-10-01"), rows["treated"] == 1
    rows = rows.assign(landmark=start, enrolled_days=10.0, follow_up_end=start + pd.Timedelta(days=14))
    rows.loc[treated & (rows.index == 0), "follow_up_end"] = start + pd.Timedelta(days=140)
    ids = rows.loc[treated, "student_id"].to_numpy()
    n_held = np.arange(len(ids)) % 4
    day = start + pd.Timedelta(days=3)
    held = pd.DataFrame({"student_id": np.repeat(ids, n_held), "date": day, "status": "held"})
    more = [pd.DataFrame({"student_id": ids[1:], "date": when, "status": status}) for when, status in (
        (start + pd.Timedelta(days=60), "held"), (day, "cancelled"), (day, "no_answer"))]
    contacts = pd.concat([held, *more, *more], ignore_index=True)
    comparison, found = made(rows)
    study = SimpleNamespace(table=lambda name: contacts)
    dose = dict(zip(ids, n_held / 2.0, strict=True))  # ten days are two weeks
    ours, asked = (run_checks(study, comparison, found, which=["dosage"], **given)[0] for given in ({}, {"dose": dose}))
    assert ours.value == pytest.approx(asked.value, rel=1e-12) and ours.text == asked.text


def test_dosage_direction() -> None:
    rows = sets()
    rng = np.random.default_rng(1)
    dose = dict(zip(rows["student_id"], rng.uniform(0, 4, len(rows)), strict=True))
    gain = 0.02 * rows["treated"] * rows["student_id"].map(dose)
    better = rows.assign(absence_rate=rows["absence_rate"] - gain + 0.1)
    assert check("dosage", better, {"dose": dose}).verdict == "pass"
    worse = rows.assign(absence_rate=rows["absence_rate"] + gain - 0.1 * rows["treated"] + 0.1)
    assert check("dosage", worse, {"dose": dose}).verdict == "caution"


def test_planning_says_how_many_students() -> None:
    from evalkit.checks.power import students_needed, students_with_mentors
    n = students_needed(4, sd_days=12, r2=0.4)
    assert students_with_mentors(n, 15, 0.0, r2=0.4).mdes() <= 4 / 12
    assert students_with_mentors(int(n * 0.95), 15, 0.0, r2=0.4).mdes() > 4 / 12
    assert students_needed(4, sd_days=12, r2=0.4, icc=0.1) > n
    with pytest.raises(UserError):
        students_needed(0, sd_days=12)


@pytest.mark.parametrize(("shift", "said"), [(-0.03, "count that as effect"), (0.03, "show too little")])
def test_before_after_is_said_by_the_way_the_comparison_moved(shift: float, said: str) -> None:
    rows = sets()
    rows["absence_rate"] = rows["prior_absence_rate"] + shift + 0.01 * np.sin(np.arange(len(rows)))
    assert said in check("regression_to_the_mean", rows).text


def test_a_clear_effect_below_what_the_study_can_see_needs_care() -> None:
    """Standard error 0.00825 (1.5 days): 4.2 days can be seen, and 3.2 are claimed."""
    comparison, found = made(sets())
    made_up = {"standard_error": 0.00825, "ci_low": -0.034, "ci_high": -0.0013, "df": 190.0}
    small, large = (replace(found, value=value, **made_up) for value in (-0.0176, -0.05))
    small, large = (run_checks(None, comparison, one, which=["power"])[0] for one in (small, large))
    assert small.value * 180 == pytest.approx(4.2, abs=0.05)  # multiplier 2.8
    assert (small.verdict, large.verdict) == ("caution", "pass") and "too large" in small.text


def test_an_e_value_is_no_worse_for_a_clear_result_than_for_an_unclear_one() -> None:
    comparison, found = made(sets())
    unclear = replace(found, ci_low=-0.03, ci_high=0.001)
    weak = replace(found, ci_low=-0.03, ci_high=-0.0003)
    both = [run_checks(None, comparison, one, which=["e_value"])[0].verdict for one in (unclear, weak)]
    assert both == ["caution", "caution"]


def test_a_significance_that_little_undoes_needs_care() -> None:
    found = [check("sensemakr", sets(effect=effect)) for effect in (-0.04, -0.008)]
    assert found[0].verdict == "pass" and found[1].verdict == "caution"
    assert 0 < found[1].details["robustness_value_alpha"] < 0.05 < found[0].details["robustness_value_alpha"]


def test_schools_as_the_unit_follow_their_own_interval_for_a_model_too() -> None:
    rows = sets(n=300)
    shift = rows["school_id"].map(dict(zip("012345", (-0.5, -0.4, 0.3, -0.3, 0.35, -0.35), strict=True)))
    rng = np.random.default_rng(3)
    chance = (0.45 + shift * rows["treated"]).clip(0.02, 0.98)
    rows["is_chronic"] = (rng.random(len(rows)) < chance).astype(float)
    comparison = SimpleNamespace(students=rows, plan={"covariates": ("prior_absence_rate",)}, details={})
    found = estimate(None, comparison, estimator="logistic", outcome="is_chronic", clustered_by="subclass")
    by_school = estimate(None, comparison, estimator="logistic", outcome="is_chronic", clustered_by="school_id")
    assert found.ci_high < 0 < by_school.ci_high
    one = run_checks(None, comparison, found, which=["school_clusters"])[0]
    assert one.verdict == "caution" and one.details["ci_high"] == pytest.approx(by_school.ci_high)


def test_few_degrees_of_freedom_by_school_are_a_caution_though_the_reading_stays() -> None:
    """Pustejovsky & Tipton 2018: under four Satterthwaite degrees of freedom the test is not to be relied on.

    400 students in pairs inside schools of one size: schools - 1 degrees of freedom.
    """
    rng = np.random.default_rng(5)
    for n_schools, thin in ((4, True), (12, False)):
        rows = pd.DataFrame({"student_id": np.arange(400), "school_id": np.arange(400) // 2 % n_schools, "weight": 1.0,
                             "subclass": np.arange(400) // 2, "treated": np.arange(400) % 2})
        rows = rows.assign(absence_rate=0.1 - 0.05 * rows["treated"] + 0.01 * rng.standard_normal(400))
        comparison = SimpleNamespace(students=rows, plan={"covariates": (), "exact": ()}, details={})
        plain = {"estimator": "difference", "clustered_by": "subclass"}
        one = run_checks(None, comparison, estimate(None, comparison, **plain), which=["school_clusters"])[0]
        # 200 pairs do not divide evenly into twelve schools
        assert one.details["df"] == pytest.approx(n_schools - 1, rel=0.01)
        assert one.verdict == "caution" if thin else "Under 4" not in one.text
        assert ("cannot be relied on" in one.text) == thin
        by_school = estimate(None, comparison, **plain | {"clustered_by": "school_id"})
        assert by_school.is_thin == thin == any("cannot be relied on" in caveat for caveat in by_school.caveats)


def test_few_degrees_of_freedom_alone_turn_a_pass_into_a_caution() -> None:
    """Nothing seen by sets nor by four schools: the reading is the same, yet the interval by school is thin."""
    rng = np.random.default_rng(8)
    rows = pd.DataFrame({"student_id": np.arange(400), "school_id": np.arange(400) // 2 % 4, "weight": 1.0,
                         "subclass": np.arange(400) // 2, "treated": np.arange(400) % 2,
                         "absence_rate": 0.1 + 0.01 * rng.standard_normal(400)})
    comparison = SimpleNamespace(students=rows, plan={"covariates": (), "exact": ()}, details={})
    found = estimate(None, comparison, estimator="difference", clustered_by="subclass")
    one = run_checks(None, comparison, found, which=["school_clusters"])[0]
    assert "The reading stays the same" in one.text and one.verdict == "caution"


def test_a_p_is_never_nought() -> None:
    from evalkit.checks.context import p_words
    assert [p_words(p) for p in (0.0001, 0.01, 0.34)] == ["p < 0.01", "p = 0.01", "p = 0.34"]


@pytest.mark.parametrize("name", ["pre_trend", "placebo_date"])
@pytest.mark.parametrize("outcome", ["gpa", "is_chronic"])
def test_earlier_weeks_are_not_set_beside_another_scale(name: str, outcome: str) -> None:
    rows = sets()
    rows[outcome] = (rows["absence_rate"] > 0.1).astype(float) if outcome == "is_chronic" else 4 - rows["absence_rate"]
    comparison = SimpleNamespace(students=rows, plan={"covariates": ("prior_absence_rate",)}, details={})
    found = estimate(None, comparison, outcome=outcome, clustered_by="subclass")
    history = pd.DataFrame({"student_id": np.repeat(rows["student_id"].to_numpy(), 3),
                            "period": np.tile([-3, -2, -1], len(rows)), "rate": 0.1})
    one = run_checks(None, comparison, found, which=[name], history=history)[0]
    assert one.verdict == "caution" and one.value is None and "another scale" in one.text
