"""What panel, session-day and whole-school estimates say about their own assumptions, and the checks that read it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evalkit.checks import run_checks
from evalkit.estimators import estimate


def months(n: int = 400, *, effect: float = -0.03, grows: float = 0.0, drift: float = 0.0,
           seed: int = 3) -> pd.DataFrame:
    """Eight months, two starts; `drift` moves the treated before their start already."""
    rng = np.random.default_rng(seed)
    first = rng.choice([0, 4, 6], n)
    rows = pd.DataFrame({"student_id": np.repeat(np.arange(n), 8), "month": np.tile(np.arange(1, 9), n),
                         "first_treated": np.repeat(first, 8)})
    since = rows["month"] - rows["first_treated"]
    on, ever = (rows["first_treated"] > 0) & (since >= 0), rows["first_treated"] > 0
    level = np.repeat(0.1 + 0.02 * rng.standard_normal(n), 8)
    return rows.assign(absence_rate=level + on * (effect + grows * since) + drift * ever * rows["month"]
                       + 0.02 * rng.standard_normal(len(rows)))


@pytest.mark.parametrize("name", ["twfe", "did2s", "sun_abraham"])
def test_leads_see_a_drift_and_nothing_else(name: str) -> None:
    assert estimate(months(), estimator=name).details["pre_test"]["p_value"] > 0.05
    found = estimate(months(drift=0.01), estimator=name)
    assert found.details["pre_test"]["p_value"] < 0.01 and found.details["pre_test"]["df"] == 3
    assert run_checks(months(), None, found, which=["pre_trend"])[0].verdict == "fail"


def test_leads_hold_their_level_with_eight_clusters() -> None:
    """200 draws without drift, eight schools with shocks: at 5 % more than 10 % is seen once in 500."""
    rejected = []
    for seed in range(200):
        rows = months(64, seed=seed)
        rows = rows.assign(school=rows["student_id"] % 8)
        rejected.append(estimate(rows, estimator="twfe", clustered_by="school").details["pre_test"]["p_value"] < 0.05)
    assert np.mean(rejected) < 0.10


def test_the_two_way_test_is_the_gap_to_two_stages() -> None:
    rows = months(effect=0.0, grows=-0.02)
    found = estimate(rows, estimator="twfe")
    test, two_stage = found.details["staggered_test"], estimate(rows, estimator="did2s")
    # two sums of the same numbers
    assert test["two_stage"] == pytest.approx(two_stage.value, rel=1e-10)
    assert test["difference"] == pytest.approx(found.value - two_stage.value, rel=1e-8)
    assert test["p_value"] < 0.001
    assert run_checks(rows, None, found, which=["specification_curve"])[0].verdict == "fail"


def test_the_error_of_the_gap_is_its_spread_over_draws() -> None:
    """150 draws with the same effect everywhere: the clustered error is the spread of the gap to 25 %."""
    found = [estimate(months(150, seed=seed), estimator="twfe").details["staggered_test"] for seed in range(150)]
    spread = np.std([one["difference"] for one in found])
    # the spread of 150 draws is known to 6 %
    assert np.mean([one["standard_error"] for one in found]) == pytest.approx(spread, rel=0.25)
    assert np.mean([one["p_value"] < 0.05 for one in found]) < 0.11


def session_days(*, lasts: float = 0.0, chosen: float = 0.0, seed: int = 2) -> pd.DataFrame:
    """Session days cut absence by 10 points; a share `lasts` stays the next day; `chosen`: absence today brings one."""
    rng = np.random.default_rng(seed)
    n, days = 120, 60
    absent, on = np.zeros((n, days)), np.zeros((n, days), dtype=int)
    for t in range(days):
        before = absent[:, t - 1] if t else np.zeros(n)
        on[:, t] = rng.random(n) < 0.3 + chosen * before
        change = -0.1 * on[:, t] - 0.1 * lasts * (on[:, t - 1] if t else 0)
        absent[:, t] = rng.random(n) < 0.3 + change
    return pd.DataFrame({"student_id": np.repeat(np.arange(n), days), "date": np.tile(np.arange(days), n),
                         "scheduled": on.ravel(), "absence_rate": absent.ravel()})


def test_session_days_look_at_the_day_before_and_the_day_after() -> None:
    plain, lasting, chosen = (estimate(session_days(**options), estimator="session_day")
                              for options in ({}, {"lasts": 0.8}, {"chosen": 0.4}))
    verdicts = [{one.name: one.verdict for one in run_checks(session_days(), None, found,
                                                             which=["spillover", "placebo_date"])}
                for found in (plain, lasting, chosen)]
    assert verdicts[0]["placebo_date"] == "pass" and verdicts[0]["spillover"] == "pass"
    assert verdicts[1]["spillover"] == "fail"
    assert verdicts[2]["placebo_date"] == "fail"
    assert plain.details["day_after"]["value"] == pytest.approx(
        0.0, abs=4 * plain.details["day_after"]["standard_error"])
    assert lasting.details["day_after"]["value"] == pytest.approx(
        -0.08, abs=4 * lasting.details["day_after"]["standard_error"])


def test_whole_schools_taken_as_independent_students_fail() -> None:
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"student_id": np.arange(400), "school_id": np.arange(400) % 8, "weight": 1.0})
    rows = rows.assign(treated=(rows["school_id"] < 4).astype(int), absence_rate=0.1 + 0.03 * rng.standard_normal(400))
    by_student = estimate(None, rows, estimator="difference", standard_errors="HC2")
    by_school = estimate(None, rows, estimator="difference", clustered_by="school_id")
    verdict = [run_checks(rows, None, found, which=["school_clusters"])[0].verdict for found in (by_student, by_school)]
    assert verdict == ["fail", "pass"]
