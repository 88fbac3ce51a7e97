"""Every estimator of the table: cites a paper, has a page, recovers a planted effect, ignores row order, leaves the
caller's frame alone, and refuses in a sentence what would give a number that only looks fine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evalkit.errors import UserError
from evalkit.estimators import ESTIMATORS, Estimate, estimate, estimate_or_reason

ROOT = Path(__file__).parents[2]
EFFECT = -0.03
SEED = 20260


def students(n: int = 2000, *, seed: int = SEED, effect: float = EFFECT) -> pd.DataFrame:
    """Students of 12 schools, more often treated when absent before; the effect on the rate is `effect`."""
    rng = np.random.default_rng(seed)
    school = rng.integers(0, 12, n)
    before = np.clip(rng.beta(2, 14, n), 0, 0.9)
    treated = (rng.random(n) < 1 / (1 + np.exp(2.5 - 12 * before))).astype(int)
    days = rng.integers(90, 170, n)
    mean = 0.04 + 0.7 * before + 0.01 * rng.standard_normal(12)[school] + effect * treated
    rate = np.clip(mean + 0.03 * rng.standard_normal(n), 0, 1)
    return pd.DataFrame({
        "student_id": [f"s{i:05d}" for i in range(n)], "school_id": [f"{s:02d}" for s in school],
        "before_rate": before, "earlier_rate": np.clip(before + 0.03 * rng.standard_normal(n), 0, 1),
        "treated": treated, "weight": 1.0, "enrolled_days": days, "absence_rate": rate, "absent_days": rate * days,
        "is_chronic": (rate >= 0.1).astype(int)})


def months(n: int = 600, *, seed: int = SEED, effect: float = EFFECT) -> pd.DataFrame:
    """Ten months of students, a third starting in month 3, 5 or 7."""
    rng = np.random.default_rng(seed)
    first = rng.choice([0, 0, 0, 0, 3, 5, 7], n)
    level = np.clip(0.12 + 0.03 * rng.standard_normal(n), 0.02, 1)
    rows = pd.DataFrame({"student_id": np.repeat([f"s{i:04d}" for i in range(n)], 10),
                         "school_id": np.repeat([f"{i % 30:02d}" for i in range(n)], 10),
                         "month": np.tile(np.arange(1, 11), n), "first_treated": np.repeat(first, 10),
                         "enrolled_days": 18.0})
    on = (rows["first_treated"] > 0) & (rows["month"] >= rows["first_treated"])
    noise = 0.02 * rng.standard_normal(len(rows))
    rows["absence_rate"] = np.clip(np.repeat(level, 10) + 0.002 * rows["month"] + effect * on + noise, 0.001, 1)
    return rows


def school_series(*, effect: float = EFFECT) -> pd.DataFrame:
    rng = np.random.default_rng(SEED)
    rows = pd.DataFrame([(f"{u:02d}", t, 8 if u < 6 else np.nan) for u in range(12) for t in range(16)],
                        columns=["student_id", "month", "first_treated"])
    on = rows["month"] >= rows["first_treated"]
    return rows.assign(absence_rate=0.1 + 0.001 * rows["month"] + effect * on + 0.004 * rng.standard_normal(len(rows)))


def session_days(*, effect: float = EFFECT) -> pd.DataFrame:
    rng = np.random.default_rng(SEED)
    rows = pd.DataFrame({"student_id": np.repeat(np.arange(300), 90), "date": np.tile(np.arange(90), 300)})
    rows["school_id"] = rows["student_id"] % 4
    rows["scheduled"] = ((rows["date"] + rows["student_id"]) % 3 == 0).astype(int)
    chance = 0.15 + 0.1 * rng.random(300)[rows["student_id"]] + effect * rows["scheduled"]
    return rows.assign(absence_rate=(rng.random(len(rows)) < chance).astype(float))


def thresholded(*, effect: float = EFFECT) -> pd.DataFrame:
    rows = students(6000, effect=0.0)
    treated = (rows["before_rate"] >= 0.12).astype(int)
    return rows.assign(treated=treated, absence_rate=rows["absence_rate"] + effect * treated)


def randomly(*, effect: float = EFFECT) -> pd.DataFrame:
    rows = students(effect=0.0)
    treated = np.random.default_rng(1).permutation(np.arange(len(rows)) % 2)
    return rows.assign(treated=treated, absence_rate=rows["absence_rate"] + effect * treated)


COVARIATES = {"covariates": ["before_rate"], "exact": ["school_id"]}
CASES: dict[str, tuple[Any, dict[str, Any]]] = {
    "regression_adjusted": (students, COVARIATES),
    "difference": (randomly, {}),
    "did": (students, {"before": "earlier_rate", **COVARIATES}),
    "poisson": (randomly, {"outcome": "absent_days_shifted", **COVARIATES}),
    "logistic": (randomly, {"outcome": "is_chronic_shifted", **COVARIATES}),
    "callaway_santanna": (months, {}), "did2s": (months, {}), "sun_abraham": (months, {}), "twfe": (months, {}),
    "panel_poisson": (months, {"exposure": "enrolled_days", "outcome": "days"}),
    "interrupted_series": (school_series, {}),
    "session_day": (session_days, {}),
    "randomized": (randomly, {"draws": 199, **COVARIATES}),
    "discontinuity": (thresholded, {"score": "before_rate", "cutoff": 0.12, "bandwidth": 0.08}),
}


def case(name: str) -> tuple[pd.DataFrame, dict[str, Any], float]:
    """Data, options and the truth on the estimator's own scale."""
    make, options = CASES[name]
    rows, truth = make(), EFFECT
    if name == "poisson":
        rows["absent_days_shifted"] = (rows["absence_rate"] + 0.05) * rows["enrolled_days"]  # the effect may pass 0
    if name == "logistic":
        rng, share = np.random.default_rng(3), np.where(rows["treated"] == 1, 0.30, 0.40)
        rows["is_chronic_shifted"], truth = (rng.random(len(rows)) < share).astype(int), -0.10
    if name == "panel_poisson":
        on = (rows["first_treated"] > 0) & (rows["month"] >= rows["first_treated"])
        rows["days"], truth = months(effect=0.0)["absence_rate"] * 18 * np.where(on, np.exp(-0.25), 1.0), -0.25
    return rows, options, truth


def run(name: str, rows: pd.DataFrame, options: dict[str, Any]) -> Estimate:
    return estimate(rows, None, estimator=name, **options)


def test_every_estimator_has_a_case() -> None:
    assert set(CASES) == set(ESTIMATORS)


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_listed_with_paper_and_page(name: str) -> None:
    method = ESTIMATORS[name]
    assert method.label and method.paper and method.standard_errors and method.shape in ("students", "panel")
    page = ROOT / "docs" / "methods" / "estimators" / f"{name}.md"
    assert page.exists() and method.paper.split(",")[0].split(" ")[0] in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_recovers_a_planted_effect(name: str) -> None:
    rows, options, truth = case(name)
    found = run(name, rows, options)
    assert found.ci_low <= found.ci_high and found.standard_error > 0
    # four standard errors: one seeded draw, so a right estimator fails this about once in 16,000
    assert abs(found.value - truth) < 4 * found.standard_error
    assert found.standard_error < abs(truth) / 1.9, "a test that could not see the effect proves nothing"
    assert found.to_dict()["value"] == found.value and found.describe()


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_row_order_is_irrelevant_and_the_frame_stays(name: str) -> None:
    rows, options, _ = case(name)
    before = rows.copy(deep=True)
    first = run(name, rows, options)
    pd.testing.assert_frame_equal(rows, before)
    again = run(name, rows.sample(frac=1, random_state=4), options)
    # sums in another order differ in the last digits
    assert again.value == pytest.approx(first.value, rel=1e-8)
    if name != "randomized":  # its p is drawn, its standard error is not
        assert again.p_value == pytest.approx(first.p_value, rel=1e-5, abs=1e-12)
    assert again.standard_error == pytest.approx(first.standard_error, rel=1e-7)


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_an_option_it_does_not_have_is_refused(name: str) -> None:
    rows, options, _ = case(name)
    with pytest.raises(UserError, match="does not know"):
        run(name, rows, {**options, "speling": 1})
    with pytest.raises(UserError, match="standard_errors"):
        run(name, rows, {**options, "standard_errors": "guess"})


def test_unknown_estimator_names_the_nearest() -> None:
    with pytest.raises(UserError, match="regression_adjusted"):
        estimate(students(50), estimator="regresion_adjusted")


BAD: list[tuple[str, Any, dict[str, Any], str]] = [
    ("constant outcome", lambda rows: rows.assign(absence_rate=0.1), {}, "same value"),
    ("missing outcome", lambda rows: rows.assign(absence_rate=rows["absence_rate"].mask(rows.index == 3)), {},
     "missing"),
    ("one arm", lambda rows: rows.assign(treated=0), {}, "Fewer than two treated"),
    ("one cluster", lambda rows: rows.assign(school_id="1"), {"exact": [], "clustered_by": "school_id"}, "one cluster"),
    ("separated", lambda rows: rows.assign(before_rate=rows["treated"] * 1.0), {}, "tells the treated apart"),
    ("no such column", lambda rows: rows, {"covariates": ["before_rte"]}, "not in the data"),
    ("text outcome", lambda rows: rows.assign(absence_rate="x"), {}, "must hold numbers"),
    ("matched on", lambda rows: rows, {"estimator": "did", "before": "before_rate"}, "regression to the mean"),
    ("infinite", lambda rows: rows.assign(absence_rate=np.where(rows.index == 3, np.inf, 0.1)), {}, "infinite"),
]


@pytest.mark.parametrize(("break_it", "options", "words"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_is_a_sentence_with_a_remedy(break_it: Any, options: dict[str, Any], words: str) -> None:
    settings = {**COVARIATES, **options}
    with pytest.raises(UserError, match=words) as refusal:
        estimate(break_it(students(400)), **settings)
    assert refusal.value.remedy
    reason = estimate_or_reason(break_it(students(400)), **settings)
    assert reason.value is None and reason.reason and reason.to_dict()["ci_low"] is None


def test_tiny_df_gives_no_number_that_looks_fine() -> None:
    rows = students(60)
    rows = rows.assign(site=np.where(rows.index < 58, "a", "b"))
    rows.loc[[58, 59], "treated"] = [1, 0]
    found = estimate(rows, estimator="difference", clustered_by="site")
    assert found.value is None and found.ci_low is None and "too few clusters" in found.reason


def test_outcomes_dropped_with_their_sets() -> None:
    rows = pd.DataFrame({"student_id": list("abcdefgh"), "treated": [1, 0, 0, 1, 0, 1, 0, 0],
                         "subclass": [1, 1, 1, 2, 2, 3, 3, 3], "weight": [1, 0.5, 0.5, 1, 1, 1, 0.5, 0.5],
                         "y": [1.0, 2.0, np.nan, np.nan, 3.0, 0.0, 1.0, 2.0]})
    found = estimate(rows, outcome="y", estimator="difference", missing="drop", standard_errors="HC2")
    # set 2 goes with its treated student; the partner left in set 1 carries the whole set
    assert found.value == pytest.approx((1.0 + 0.0) / 2 - (2.0 + 1.5) / 2)
    assert (found.n_treated, found.n_comparison) == (2, 3) and "left out" in found.caveats[0]


def test_rows_are_joined_by_student_not_by_place() -> None:
    rows = students(300)
    panel = rows[["student_id", "absence_rate"]].sample(frac=1, random_state=2).reset_index(drop=True)
    joined = estimate(panel, rows.drop(columns="absence_rate"), **COVARIATES)
    assert joined.value == pytest.approx(estimate(rows, **COVARIATES).value, rel=1e-12)
    other = rows.drop(columns="student_id").sort_values("before_rate").reset_index(drop=True)
    with pytest.raises(UserError, match="not the rows"):
        estimate(other, rows.drop(columns="student_id"), **COVARIATES)


def test_tiny_cohort_is_named_not_estimated() -> None:
    rows = months(200)
    few = rows["student_id"].isin(rows["student_id"].unique()[:3])
    rows.loc[few, "first_treated"] = 9
    found = estimate(rows, estimator="callaway_santanna")
    table = pd.DataFrame(found.details["group_time"])
    started = rows.loc[~few & (rows["first_treated"] > 0), "student_id"].nunique()
    assert found.n_treated == started  # the three left out count for nothing
    assert table.loc[table["group"] == 9, "att"].isna().all() and any("Group 9" in c for c in found.caveats)


def test_callaway_santanna_bootstrap_is_near_the_analytic_error() -> None:
    rows = months(400)
    analytic = estimate(rows, estimator="callaway_santanna", clustered_by="school_id")
    drawn = estimate(rows, estimator="callaway_santanna", clustered_by="school_id", standard_errors="bootstrap",
                     draws=999)
    # 999 draws: the interquartile-range error is itself known to about 5 %
    assert drawn.standard_error == pytest.approx(analytic.standard_error, rel=0.25)
    assert drawn.details["chosen"]["overall"] == drawn.value == pytest.approx(analytic.value)
    event = drawn.details["aggregates"]["event"]
    assert 2.0 < event["uniform_critical_value"] < 5.0, "a band over many events is wider than one interval"
    assert analytic.df == 29


def test_randomization_p_is_exact_in_a_tiny_experiment() -> None:
    """Six students, three treated: of 20 assignments two are as extreme, so p is 0.1 (up to drawing)."""
    rows = pd.DataFrame({"treated": [1, 1, 1, 0, 0, 0], "weight": 1.0, "y": [0.0, 0.1, 0.2, 1.0, 1.1, 1.2]})
    found = estimate(rows, estimator="randomized", outcome="y", draws=4999)
    assert found.p_value == pytest.approx(0.1, abs=0.015)  # three standard errors of 4,999 draws
    assert found.estimand == "ITT"


def test_default_clusters_follow_the_rule() -> None:
    """Ten schools with both arms: schools; fewer: the matched set, said in clustered_by."""
    rows = students(1200)
    assert estimate(rows, **COVARIATES).clustered_by == "school_id"
    few = rows[rows["school_id"].isin(["00", "01", "02"])].assign(subclass=lambda f: np.arange(len(f)) // 3)
    assert estimate(few, **COVARIATES).clustered_by == "subclass"


def test_a_rate_in_percent_is_refused() -> None:
    rng = np.random.default_rng(2)
    rows = pd.DataFrame({"treated": np.repeat([1, 0], 20), "absence_rate": rng.uniform(0, 30, 40)})
    with pytest.raises(UserError, match="share from 0 to 1"):
        estimate(rows, estimator="difference", outcome="absence_rate")
    shares = rows.assign(absence_rate=rows["absence_rate"] / 100)
    assert estimate(shares, estimator="difference", outcome="absence_rate").value is not None
