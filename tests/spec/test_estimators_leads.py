"""What panel, session-day and whole-school estimates say about their own assumptions, and the checks that read it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evalkit.checks import run_checks
from evalkit.checks.power import multiplier
from evalkit.errors import UserError
from evalkit.estimators import estimate
from evalkit.estimators.leads import smallest_seen


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


def test_what_a_test_sees_in_four_studies_of_five_is_its_closed_form() -> None:
    """One parameter: z(0.975) + z(0.8) standard errors; with few degrees of freedom the noncentral t of `power`."""
    from evalkit.checks.power import Design

    # the far tail that the closed form leaves out is below 1e-6
    assert smallest_seen(1 / 0.5**2, 1, None) == pytest.approx(0.5 * (1.959964 + 0.841621), rel=1e-4)
    # the root is found to 1e-12
    assert Design(0.5, 9).power(smallest_seen(1 / 0.5**2, 1, 9.0)) == pytest.approx(0.8, abs=1e-6)
    assert smallest_seen(0.0, 1, 9.0) is None


@pytest.mark.parametrize(("name", "options"), [("twfe", {}), ("callaway_santanna", {"base_period": "varying"}),
                                               ("callaway_santanna", {"base_period": "universal"})])
def test_a_dip_of_the_size_named_is_seen_in_four_studies_of_five(name: str, options: dict[str, str]) -> None:
    """100 draws with a dip of the treated, in their last month before the start, of the size the estimate names."""
    size = np.median([estimate(months(150, seed=seed), estimator=name, **options).details["pre_test"]["detectable"]
                      for seed in range(5)])
    seen = []
    for seed in range(100):
        rows = months(150, seed=1000 + seed)
        last = rows["first_treated"] - rows["month"] == 1
        found = estimate(rows.assign(absence_rate=rows["absence_rate"] + size * last), estimator=name, **options)
        seen.append(found.details["pre_test"]["p_value"] < 0.05)
    # 0.8 with two Monte Carlo errors of 100 draws, and what estimating the variance adds
    assert 0.70 <= np.mean(seen) <= 0.92


def counts(n: int, seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = months(n, seed=seed).assign(enrolled_days=18.0)
    return rows.assign(absent_days=rng.binomial(18, rows["absence_rate"].clip(0.01, 0.9)).astype(float))


@pytest.mark.parametrize("name", ["panel_poisson", "twfe", "callaway_santanna"])
def test_a_panel_too_small_to_see_a_dip_as_large_as_the_effect_is_not_cleared(name: str) -> None:
    outcome = "absent_days" if name == "panel_poisson" else "absence_rate"
    for n, verdict in ((100, "caution"), (4000, "pass")):
        rows = counts(n)
        if name != "panel_poisson":
            rows["absence_rate"] = rows["absent_days"] / 18
        found = estimate(rows, estimator=name, outcome=outcome)
        one = run_checks(rows, None, found, which=["pre_trend"])[0]
        assert one.verdict == verdict, one.text
        assert ("cannot clear it" in one.text) == (verdict == "caution")


def test_the_effect_on_counts_is_set_beside_the_rate_its_leads_are_tested_on() -> None:
    found = estimate(counts(4000), estimator="panel_poisson", outcome="absent_days")
    # planted: -0.03 as a share of days; 4,000 students know it to 0.002
    assert found.details["pre_test"]["effect"] == pytest.approx(-0.03, abs=0.004)


def two_by_twos(rows: pd.DataFrame) -> tuple[float, float]:
    """Every 2x2 comparison of a balanced panel with its variance weight (Goodman-Bacon 2021, theorem 1): their sum,
    and the share of the weight in which already treated units stand in for untreated ones."""
    table = rows.pivot(index="student_id", columns="month", values="absence_rate")
    first = rows.drop_duplicates("student_id").set_index("student_id")["first_treated"]
    starts, n_months = [*sorted(first[first > 0].unique()), 0], table.shape[1]

    def change(members: int, after: list[int], before: list[int]) -> float:
        mine = table[(first == members).to_numpy()]
        return float(mine[after].to_numpy().mean() - mine[before].to_numpy().mean())

    months_of, parts = list(table.columns), []
    for one in starts[:-1]:
        for other in starts:
            if one == other:
                continue
            if other == 0 or other > one:  # `other` is not treated in these months
                window = [m for m in months_of if other == 0 or m < other]
            else:  # `other` was treated before: only months in which it is
                window = [m for m in months_of if m >= other]
            after, before = [m for m in window if m >= one], [m for m in window if m < one]
            share = len(after) / len(window)
            size = (first == one).mean(), (first == other).mean()
            weight = size[0] * size[1] * (len(window) / n_months) ** 2 * share * (1 - share)
            parts.append((weight, change(one, after, before) - change(other, after, before), 0 < other < one))
    total = sum(weight for weight, _, _ in parts)
    return (sum(weight * effect for weight, effect, _ in parts) / total,
            sum(weight for weight, _, already in parts if already) / total)


def test_the_share_on_already_treated_is_that_of_all_two_by_two_comparisons() -> None:
    rows = months(200, effect=-0.02, grows=-0.01)
    found = estimate(rows, estimator="twfe")
    value, share = two_by_twos(rows)
    assert value == pytest.approx(found.value, abs=1e-12)  # the theorem: an identity of the same sums
    assert found.details["staggered_test"]["already_treated"] == pytest.approx(share, rel=1e-9)


def test_staggered_two_way_effects_are_never_cleared_where_early_starters_stand_in_for_untreated() -> None:
    one = run_checks(months(), None, estimate(months(), estimator="twfe"), which=["specification_curve"])[0]
    assert one.verdict == "caution" and "already mentored" in one.text and "would hide" in one.text
    rows = months(2000)
    rows = rows[~rows["student_id"].isin(rows.loc[rows["first_treated"] == 6, "student_id"].unique()[20:])]
    few = run_checks(rows, None, estimate(rows, estimator="twfe"), which=["specification_curve"])[0]
    assert few.details["already_treated"] < 0.10 and few.verdict == "pass"


def test_too_few_session_days_to_see_what_lasts_are_not_cleared() -> None:
    rows = session_days()
    small = rows[rows["student_id"] < 25]
    one = run_checks(small, None, estimate(small, estimator="session_day"), which=["spillover"])[0]
    assert one.verdict == "caution" and "cannot clear it" in one.text and one.details["p_value"] > 0.05
    found = estimate(rows, estimator="session_day").details["day_after"]
    whole = run_checks(rows, None, estimate(rows, estimator="session_day"), which=["spillover"])[0]
    assert whole.details["detectable"] == pytest.approx(multiplier(found["df"]) * found["standard_error"])


@pytest.mark.parametrize("estimator", ["callaway_santanna", "did2s", "sun_abraham", "twfe", "panel_poisson"])
@pytest.mark.parametrize(("starts", "says"), [
    (lambda unit: np.nan, "Nobody in the panel starts"), (lambda unit: 1, "from the first period on"),
    (lambda unit: 1 if unit < 20 else np.nan, "from the first period on"), (lambda unit: 3, "")],
    ids=["nobody", "all first", "some first", "together"])
def test_a_panel_without_a_change_is_refused(estimator, starts, says) -> None:
    """Nobody starts, everybody starts first, all start together: never a number (a period was once dropped instead)."""
    rng = np.random.default_rng(4)
    rows = pd.DataFrame([(unit, time) for unit in range(60) for time in range(1, 7)], columns=["student_id", "month"])
    rows = rows.assign(first_treated=rows["student_id"].map(starts).astype(float), enrolled_days=20,
                       absent_days=rng.integers(0, 5, len(rows)))
    rows["absence_rate"] = rows["absent_days"] / 20
    outcome = "absent_days" if estimator == "panel_poisson" else "absence_rate"
    with pytest.raises(UserError) as caught:
        estimate(rows, estimator=estimator, outcome=outcome)
    assert says in caught.value.what and caught.value.remedy
