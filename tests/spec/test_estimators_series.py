"""Interrupted series: the model against a regression with every dummy written out, its errors, seasons and refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from evalkit.checks import run_checks
from evalkit.errors import UserError
from evalkit.estimators import Estimate, estimate
from evalkit.estimators.linear import weighted_least_squares
from evalkit.estimators.series_errors import long_run
from evalkit.estimators.variance import cluster_error

LEVEL, SLOPE = -0.03, -0.002


def series(*, changed: int = 6, others: int = 6, periods: int = 30, carry: float = 0.4, season: float = 0.01,
           seed: int = 1, starts: tuple[int, ...] = (14, 18)) -> pd.DataFrame:
    """Schools with levels and trends of their own; `changed` of them drop by LEVEL and then by SLOPE a month."""
    rng, schools = np.random.default_rng(seed), changed + others
    noise = np.zeros((schools, periods))
    for t in range(periods):
        noise[:, t] = (carry * noise[:, t - 1] if t else 0) + 0.006 * rng.standard_normal(schools)
    rows = pd.DataFrame([(f"{s:02d}", t, starts[s % len(starts)] if s < changed else np.nan)
                         for s in range(schools) for t in range(periods)], columns=["school", "month", "first_treated"])
    since = rows["month"] - rows["first_treated"]
    effect = np.where(since >= 0, LEVEL + SLOPE * since, 0.0)
    base = 0.1 + 0.01 * rng.standard_normal(schools)
    base = (base + 0.0002 * rng.standard_normal(schools) * np.arange(periods)[:, None]).T.ravel()
    return rows.assign(month_of_year=rows["month"] % 12,
                       absence_rate=base + season * np.cos(rows["month"] * np.pi / 6) + noise.ravel() + effect)


def run(rows: pd.DataFrame, **options: object) -> Estimate:
    return estimate(rows, estimator="interrupted_series", unit_id="school", **options)


def written_out(rows: pd.DataFrame) -> tuple[object, np.ndarray]:
    """The same model with a dummy and a trend per school and a dummy per month; the contrast of the mean level."""
    school = pd.get_dummies(rows["school"]).to_numpy(float)
    month = pd.get_dummies(rows["month"]).to_numpy(float)[:, 1:]
    parts, names = [school, school * rows["month"].to_numpy()[:, None], month], []
    starts = sorted(rows["first_treated"].dropna().unique())
    for start in starts:
        here, since = (rows["first_treated"] == start).to_numpy(), rows["month"].to_numpy() - start
        parts.append(np.column_stack([here & (since >= 0), np.where(here, np.maximum(since, 0), 0)]).astype(float))
        names += [f"level {start}", f"slope {start}"]
    design = np.column_stack(parts)
    names = [*(f"x{i}" for i in range(design.shape[1] - len(names))), *names]
    fit = weighted_least_squares(design, rows["absence_rate"].to_numpy(), np.ones(len(rows)), tuple(names))
    share = rows.drop_duplicates("school").groupby("first_treated").size() / rows.loc[
        rows["first_treated"].notna(), "school"].nunique()
    contrast = np.zeros(fit.rank)
    for start in starts:
        contrast[fit.names.index(f"level {start}")] = share[start]
    return fit, contrast


def test_level_and_school_error_equal_the_model_written_out() -> None:
    """Levels and trends taken out first give the same CR2, because they are nested in the schools."""
    rows = series()
    found, (fit, contrast) = run(rows), written_out(rows)
    error, df = cluster_error(fit, contrast, pd.factorize(rows["school"])[0].astype(np.intp), "CR2")
    assert found.standard_errors == "CR2" and found.details["comparative"]
    # the same algebra in another order
    assert found.value == pytest.approx(float(contrast @ fit.coef), rel=1e-8)
    assert found.standard_error == pytest.approx(error, rel=1e-6) and found.df == pytest.approx(df, rel=1e-6)


def test_each_break_tells_its_level_and_slope() -> None:
    found = run(series(changed=8, others=8))
    assert [row["period"] for row in found.details["breaks"]] == ["14", "18"]
    for row in found.details["breaks"]:
        assert abs(row["level"] - LEVEL) < 4 * row["level_standard_error"]  # one seeded draw, four errors
        assert abs(row["slope"] - SLOPE) < 4 * row["slope_standard_error"]
    assert abs(found.details["slope"] - SLOPE) < 4 * found.details["slope_standard_error"]
    at_end = LEVEL + SLOPE * (29 - 16)
    assert abs(found.details["effect_at_end"] - at_end) < 4 * found.details["effect_at_end_standard_error"]


def test_a_second_change_of_the_same_schools_is_told_apart() -> None:
    rows = series(starts=(10,), seed=3)
    later = (rows["first_treated"] == 10) & (rows["month"] >= 20)
    rows = rows.assign(absence_rate=rows["absence_rate"] + 0.05 * later)
    found = run(rows, breaks={f"{s:02d}": [10, 20] for s in range(6)})
    first, second = found.details["breaks"]
    assert first["first"] and not second["first"] and found.value == first["level"]
    assert abs(second["level"] - 0.05) < 4 * second["level_standard_error"]
    assert abs(first["level"] - LEVEL) < 4 * first["level_standard_error"]
    with pytest.raises(UserError, match="not in the series"):
        run(rows, breaks={"00": [99]})


def test_alone_the_season_is_taken_out_by_month_terms() -> None:
    rows = series(others=0, periods=40, season=0.03, starts=(26,), carry=0.0)
    with_terms, without = run(rows, season="month_of_year"), run(rows)
    assert abs(with_terms.value - LEVEL) < 4 * with_terms.standard_error
    assert abs(without.value - LEVEL) > 3 * with_terms.standard_error, "the season must matter to prove anything"
    assert with_terms.details["season"] and not without.details["season"]
    assert any("anything else that happened" in said for said in with_terms.caveats)
    assert any("No month terms" in said for said in without.caveats)
    with pytest.raises(UserError, match="every month twice"):
        run(rows[rows["month"] >= 15], season="month_of_year")


def test_dates_bring_their_own_months() -> None:
    rows = series(others=0, periods=40, season=0.03, starts=(26,))
    months = pd.date_range("2020-01-01", periods=40, freq="MS")
    dated = rows.assign(month=months[rows["month"]], first_treated=months[26])
    assert run(dated).value == pytest.approx(run(rows, season="month_of_year").value, rel=1e-9)


def test_few_schools_use_newey_west_with_its_lag_stated() -> None:
    found = run(series(changed=2, others=2))
    assert found.standard_errors == "newey_west" and found.details["lags"] == 3  # floor(4 (30/100)^(2/9))
    assert any("2 schools with and 2 without" in said for said in found.caveats)
    assert run(series(changed=2, others=2), lags=6).details["lags"] == 6
    assert run(series(), standard_errors="newey_west").standard_errors == "newey_west"


@pytest.mark.parametrize(("rows", "words"), [
    (series(periods=16, starts=(3,)), "4 periods before"), (series(periods=16, starts=(14,)), "3 after"),
    (series(others=0, periods=16, starts=(6,)), "8 periods before"),
    (series(changed=0), "No school has a break")])
def test_too_few_points_are_refused_with_a_remedy(rows: pd.DataFrame, words: str) -> None:
    with pytest.raises(UserError, match=words) as refusal:
        run(rows)
    assert refusal.value.remedy


def test_long_run_variance_of_a_carried_series() -> None:
    """The sum of an AR(1) of 0.5 has 1 / (1 - 0.5)^2 the variance of its steps; mean over 200 series of 200 points."""
    rng, carry, n = np.random.default_rng(2), 0.5, 200
    found = []
    for _ in range(200):
        steps = rng.standard_normal(n)
        line = np.zeros(n)
        for t in range(n):
            line[t] = (carry * line[t - 1] if t else 0) + steps[t]
        found.append(long_run(line[None, :], 4) / n)
    # the estimate of one series has a spread of about 30 %, so 200 of them are known to 2 %; 10 % leaves room for bias
    assert np.mean(found) == pytest.approx(1 / (1 - carry) ** 2, rel=0.1)


@pytest.mark.parametrize("others", [6, 0])
def test_a_series_is_never_cleared_for_its_months_may_have_been_chosen(others: int) -> None:
    from evalkit.checks import run_checks

    rows = series(others=others, changed=6)
    found = run(rows, **({} if others else {"season": "month_of_year"}))
    one = run_checks(rows, None, found, which=["pre_trend"])[0]
    assert one.details["p_value"] > 0.05 and one.details["detectable"] < abs(found.value), "it could have seen a dip"
    assert one.verdict == "caution" and "say who set the month of the change" in one.text


def test_a_dip_before_the_break_is_seen_by_the_pre_test() -> None:
    rows = series(changed=6, others=6, carry=0.0)
    dip = (rows["month"] - rows["first_treated"]).isin([-1, -2, -3])
    seen = run(rows.assign(absence_rate=rows["absence_rate"] + 0.03 * dip)).details["pre_test"]
    assert seen["p_value"] < 0.01 < run(rows).details["pre_test"]["p_value"]


def test_months_before_are_left_out_and_a_spell_that_carries_the_change_is_seen() -> None:
    """A term for a month is the same as its row left out; a planted dip of three months before is the whole change."""
    rows = series(changed=6, others=6)
    found = run(rows)
    since = rows["month"] - rows["first_treated"]
    for told in found.details["without_months_before"]:
        short = rows[~since.between(-told["months"], -1)]
        fit, contrast = written_out(short)
        assert told["value"] == pytest.approx(float(contrast @ fit.coef), rel=1e-7)  # the same algebra in another order
    dip = rows.assign(absence_rate=rows["absence_rate"] - np.where(since >= 0, LEVEL + SLOPE * since, 0.0)
                      + np.where(since.between(-3, -1), 0.04, 0.0))
    for table, verdict in ((rows, "caution"), (dip, "fail")):
        estimate_of = run(table)
        check = run_checks(table, None, estimate_of, which=["pre_trend"])[0]
        assert check.verdict == verdict and "months just before" in check.text
