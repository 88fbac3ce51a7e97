"""WWC and ESSA readings, the banner, benchmarks, and pooling's reading of effects.json."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from evalkit import evidence
from evalkit.errors import UserError
from evalkit.estimators import estimate
from evalkit.estimators.sequence import VERDICTS, monthly_verdict, verdict
from evalkit.pooling import pool_effects, pool_rows, read_effects
from evalkit.reports.impact_plan import better_sign


def facts(**changes: Any) -> evidence.StudyFacts:
    return evidence.StudyFacts(**{
        "is_randomized": False, "baseline_g": {"prior_absence_rate": 0.03}, "adjusted_for": ["prior_absence_rate"],
        "n_students": 350, "n_schools": 2, "n_mentors": 9, "is_favorable": True, "is_significant": True, **changes})


@pytest.mark.parametrize(("g", "kind"), [(0.03, "ok"), (-0.05, "ok"), (0.12, "adjust"), (0.25, "adjust"),
                                         (0.80, "fail"), (-0.251, "fail"), (None, "unknown")])
def test_baseline_categories(g: float | None, kind: str) -> None:
    assert evidence.baseline_category(g) == kind


@pytest.mark.parametrize(("changes", "wwc", "tier"), [
    ({}, "with reservations", "Tier 2"),
    ({"is_randomized": True, "attrition": "low"}, "without reservations", "Tier 1"),
    ({"is_randomized": True, "attrition": "high"}, "with reservations", "Tier 2"),
    ({"baseline_g": {"prior_absence_rate": 0.3}}, "would not meet", "Tier 3"),
    ({"baseline_g": {"prior_absence_rate": 0.2}, "adjusted_for": ["other"]}, "would not meet", "Tier 3"),
    ({"baseline_g": {}}, "would not meet", "Tier 3"),
    ({"different_years": True}, "would not meet", "Tier 3"),
    ({"n_mentors": 1}, "would not meet", "Tier 3"),
    ({"arms_share_schools": False, "n_treated_schools": 1, "n_comparison_schools": 3}, "would not meet", "Tier 3"),
    ({"n_students": 349}, "with reservations", "Tier 3"),
    ({"n_schools": 1}, "with reservations", "Tier 3"),
    ({"is_significant": False}, "with reservations", "Tier 4"),
])
def test_readings(changes: dict[str, Any], wwc: str, tier: str) -> None:
    found = evidence.read_evidence(facts(**changes))
    assert wwc in found.wwc and tier in found.essa
    assert "could" in found.wwc + found.essa and " is Tier" not in found.essa
    assert bool(found.reasons) == (changes not in ({}, {"is_randomized": True, "attrition": "low"},
                                                   {"is_randomized": True, "attrition": "high"}))


@pytest.mark.parametrize(("outcome", "sign"), [
    ("absence_rate", -1), ("is_chronic", -1), ("absent_days", -1), ("gpa", 1), ("course_failures", -1),
    ("umbrellas", 0)])
def test_which_way_is_better_comes_from_the_outcome(outcome: str, sign: int) -> None:
    assert better_sign(outcome) == sign


def test_an_outcome_without_a_known_direction_is_never_favorable() -> None:
    found = evidence.read_evidence(facts(direction_known=False))
    assert "Tier 4" in found.essa and "better is not known" in found.reasons[0]


@pytest.mark.parametrize(("g", "n", "wwc"), [
    (0.93, 700, "would not meet"), (0.20, 700, "without reservations"), (0.40, 20, "without reservations")])
def test_a_lottery_that_no_draw_could_bring_is_not_read_as_one(g: float, n: int, wwc: str) -> None:
    """0.93 SD in 350 a side is 12 standard errors; 0.40 SD in 10 a side is 0.9 of one."""
    found = evidence.read_evidence(facts(is_randomized=True, attrition="low", baseline_g={"prior_absence_rate": g},
                                         n_students=n, n_treated=n // 2, n_comparison=n // 2))
    assert wwc in found.wwc and ("Tier 1" in found.essa) == (wwc == "without reservations" and n >= 350)
    assert any("lottery brings" in reason for reason in found.reasons) == (wwc == "would not meet")


def test_quasi_experiment_is_never_without_reservations() -> None:
    assert "without" not in evidence.read_evidence(facts(attrition="low")).wwc


@pytest.mark.parametrize(("sizes", "is_large"), [
    ({"days_per_180": -9.0, "hedges_g": -0.4}, False), ({"days_per_180": -9.1, "hedges_g": -0.2}, True),
    ({"days_per_180": -3.0, "hedges_g": -0.41}, True), ({"days_per_180": None, "hedges_g": None}, False)])
def test_banner(sizes: dict[str, Any], is_large: bool) -> None:
    assert bool(evidence.banner(sizes)) == is_large


def test_benchmarks_are_rows_with_a_study_each() -> None:
    table = evidence.benchmarks()
    assert len(table) >= 9 and table["study"].is_unique and table["result"].str.len().min() > 10


def write(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_effects_files(tmp_path: Path) -> None:
    row = {"outcome": "absence_rate", "unit": "share", "value": -0.02, "standard_error": 0.01}
    one = write(tmp_path, "one.json", {"site": "A", "effects": [row]})
    two = write(tmp_path, "two.json", {"site": "B", "effects": [{**row, "value": -0.03}]})
    found = pool_rows(read_effects([one, two]), outcome="absence_rate")
    assert found.n_sites == 2 and found.value == pytest.approx(-0.025)
    assert found.caveats and found.prediction_low is None
    bad = {"broken": "{", "empty": {"site": "C", "effects": []}, "no error": {"site": "C", "effects": [
        {**row, "standard_error": None}]}}
    for name, content in bad.items():
        with pytest.raises(UserError) as refusal:
            read_effects([write(tmp_path, "bad.json", content)])
        assert refusal.value.file == "bad.json" and refusal.value.remedy, name
    with pytest.raises(UserError, match="twice"):
        read_effects([one, one])
    other = write(tmp_path, "other.json", {"site": "D", "effects": [{**row, "unit": "days"}]})
    with pytest.raises(UserError, match="different units"):
        pool_rows(read_effects([one, other]), outcome="absence_rate")
    with pytest.raises(UserError, match="two sites"):
        pool_effects([0.1], [0.1])


def looks(values: list[float], error: float = 0.01, **changes: Any):
    import pandas as pd
    return pd.DataFrame({"estimate": values, "standard_error": error, "n_treated": 60, "n_comparison": 120,
                         "follow_up_days": [20 * (i + 1) for i in range(len(values))], **changes})


@pytest.mark.parametrize(("frame", "word"), [
    (looks([-0.05]), "clearly_better"), (looks([0.05]), "clearly_worse"), (looks([-0.02]), "leans_better"),
    (looks([0.012]), "leans_worse"), (looks([-0.003]), "no_clear_change"),
    (looks([-0.05], follow_up_days=[19]), "too_early"), (looks([-0.05], n_treated=29), "too_few"),
    (looks([-0.05], n_treated=30), "clearly_better"), (looks([-0.05, -0.001]), "no_clear_change"),
    (looks([float("nan")]), "too_few")])
def test_monthly_words(frame: Any, word: str) -> None:
    assert verdict(frame) == word and word in VERDICTS
    assert monthly_verdict(frame).text.endswith(".")


def test_higher_can_be_better_and_few_clusters_count_less() -> None:
    assert verdict(looks([0.05]), better="higher") == "clearly_better"
    assert verdict(looks([-0.05], df=[2.0])) == "leans_better"


def test_g_and_the_improvement_index_have_the_interval_of_the_estimate() -> None:
    """Each end of the interval on g's scale: omega times the end over the pooled SD, by hand; Phi of it less a half."""
    rng = np.random.default_rng(4)
    rows = pd.DataFrame({"student_id": np.arange(60), "treated": np.arange(60) % 2, "weight": 1.0})
    rows = rows.assign(absence_rate=0.1 - 0.02 * rows["treated"] + 0.04 * rng.standard_normal(60))
    found = estimate(None, rows, estimator="difference", standard_errors="HC2")
    sizes = evidence.effect_sizes(found)
    arms = [rows.loc[rows["treated"] == arm, "absence_rate"] for arm in (1, 0)]
    spread = np.sqrt((29 * arms[0].var() + 29 * arms[1].var()) / 58)
    for end in ("ci_low", "ci_high"):
        g = (1 - 3 / (4 * 60 - 9)) * getattr(found, end) / spread
        # the same few operations in another order
        assert sizes[f"hedges_g_{end}"] == pytest.approx(g, rel=1e-12)
        assert sizes[f"improvement_index_{end}"] == pytest.approx(100 * (stats.norm.cdf(g) - 0.5), rel=1e-12)
    assert sizes["hedges_g_ci_low"] < sizes["hedges_g"] < sizes["hedges_g_ci_high"]
    share = sizes["hedges_g"] / found.value
    assert sizes["hedges_g_ci_high"] / found.ci_high == pytest.approx(share, rel=1e-12)
    nothing = evidence.effect_sizes(replace(found, ci_low=None, ci_high=None))
    assert nothing["hedges_g_ci_low"] is None and nothing["improvement_index_ci_high"] is None


@pytest.mark.parametrize(("design", "changes", "says", "never"), [
    ("waitlist", {"baseline_g": {"prior_absence_rate": 0.4}}, "came onto the list at the same time", "caliper"),
    ("waitlist", {"is_significant": False}, "a longer wait shows more", "Nothing mends"),
    ("waitlist", {"n_students": 90}, "a longer list", "Nothing mends"),
    ("prior_cohort", {"different_years": True}, 'comparison = "within_school"', "Use a comparison from the same"),
    ("prior_cohort", {"baseline_g": {"prior_absence_rate": 0.4}}, "same days of both years", "caliper"),
    ("randomized", {"is_randomized": True, "attrition": "high", "baseline_g": {"prior_absence_rate": 0.3},
                    "n_students": 40}, "list of the draw", "Use a caliper"),
    ("randomized", {"is_significant": False, "is_randomized": True, "attrition": "low"}, "Draw again", "Nothing mends"),
    ("within_school", {"baseline_g": {"prior_absence_rate": 0.4}}, "Use a caliper", "the list"),
])
def test_the_remedy_of_a_failed_condition_fits_the_design(design: str, changes: dict, says: str, never: str) -> None:
    reasons = " ".join(evidence.read_evidence(facts(design=design, **changes)).reasons)
    assert says in reasons and never not in reasons, reasons
