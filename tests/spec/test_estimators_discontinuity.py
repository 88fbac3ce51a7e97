"""Regression discontinuity against rdrobust (run where installed, stored otherwise), and what it says of itself."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evalkit.errors import UserError
from evalkit.estimators import Estimate, estimate
from evalkit.estimators.manipulation import density_test

GOLDEN = Path(__file__).parents[1] / "golden"
SCRIPT = importlib.util.spec_from_file_location("discontinuity_peer", GOLDEN / "discontinuity_peer.py")
peer = importlib.util.module_from_spec(SCRIPT)
SCRIPT.loader.exec_module(peer)
STORED = json.loads((GOLDEN / "discontinuity.json").read_text(encoding="utf-8"))["answers"]


def students(name: str = "plain") -> pd.DataFrame:
    x, y = peer.scores(*peer.CASES[name])
    return pd.DataFrame({"student_id": np.arange(len(x)), "school_id": np.arange(len(x)) % 15, "score": x,
                         "treated": (x >= peer.CUTOFF).astype(int), "absence_rate": y})


def run(rows: pd.DataFrame, **options: object) -> Estimate:
    return estimate(rows, estimator="discontinuity", score="score", cutoff=peer.CUTOFF, **options)


def compare(found: Estimate, other: dict[str, float]) -> None:
    # the peer divides score and outcome by their SDs and inverts with Cholesky: sums in another order
    assert found.value == pytest.approx(other["value"], rel=1e-6)
    assert found.details["bias_corrected_value"] == pytest.approx(other["corrected"], rel=1e-6)
    assert found.standard_error == pytest.approx(other["standard_error"], rel=1e-6)
    assert (found.ci_low, found.ci_high) == pytest.approx((other["ci_low"], other["ci_high"]), rel=1e-6)
    assert found.details["bandwidth"] == pytest.approx(other["bandwidth"], rel=1e-6)
    assert found.details["bias_bandwidth"] == pytest.approx(other["bias_bandwidth"], rel=1e-6)


@pytest.mark.parametrize("name", list(peer.CASES))
def test_value_interval_and_bandwidths_are_those_of_rdrobust(name: str) -> None:
    compare(run(students(name)), STORED[f"{name}.HC2"])


@pytest.mark.parametrize("kind", ["HC0", "HC1", "HC2", "HC3"])
def test_every_error_at_a_given_bandwidth_is_that_of_rdrobust(kind: str) -> None:
    """A given bandwidth serves jump and bias alike."""
    compare(run(students(), bandwidth=0.08, standard_errors=kind), STORED[f"given.{kind}"])


def test_the_stored_answers_are_what_the_installed_peer_says() -> None:
    pytest.importorskip("rdrobust", reason="rdrobust is not installed (extra: peers); its stored answers were compared")
    for key, value in peer.peer("plain", "HC2").items():
        assert STORED["plain.HC2"][key] == pytest.approx(value, rel=1e-9)  # the same code on another machine


def test_weights_count_as_students() -> None:
    """A weight of two is the same student twice: value and bias correction agree (errors differ: two are more)."""
    rows = students()
    double = run(pd.concat([rows, rows[rows.index % 2 == 0]], ignore_index=True), bandwidth=0.08)
    weighted = run(rows.assign(weight=np.where(rows.index % 2 == 0, 2.0, 1.0)), bandwidth=0.08)
    assert weighted.value == pytest.approx(double.value, rel=1e-9)
    assert weighted.details["bias_corrected_value"] == pytest.approx(double.details["bias_corrected_value"], rel=1e-9)


def test_below_mirrors_above() -> None:
    rows = students()
    mirrored = rows.assign(score=-rows["score"] + 2 * peer.CUTOFF)
    assert run(mirrored, side="below").value == pytest.approx(run(rows).value, rel=1e-6)  # bandwidths agree to rounding


def test_other_bandwidths_and_the_density_are_told() -> None:
    found = run(students("many"))
    factors = {row["factor"]: row for row in found.details["other_bandwidths"]}
    assert set(factors) == {0.5, 0.75, 1.5, 2.0}
    assert all(row["ci_low"] < row["ci_high"] for row in factors.values())
    assert found.details["density_test"]["p_value"] == found.details["heaping_p"]
    assert any("near the threshold" in said for said in found.caveats)


def test_a_fuzzy_threshold_tells_the_effect_per_student_moved() -> None:
    """Mentoring jumps by 60 points and the outcome by 0.6 x -0.05: per student moved it is -0.05."""
    rng = np.random.default_rng(4)
    x = rng.uniform(-1, 1, 6000)
    mentored = (rng.random(6000) < np.where(x >= 0, 0.8, 0.2)).astype(int)
    rows = pd.DataFrame({"score": x, "treated": mentored,
                         "absence_rate": 0.1 + 0.02 * x - 0.05 * mentored + 0.03 * rng.standard_normal(6000)})
    found = estimate(rows, estimator="discontinuity", score="score", cutoff=0.0)
    moved = found.details["per_student_moved"]
    assert found.details["jump_in_treatment"] == pytest.approx(0.6, abs=0.12)  # four standard errors near 0.03
    assert abs(moved["value"] + 0.05) < 4 * moved["standard_error"] and moved["ci_low"] < -0.05 < moved["ci_high"]
    assert any("not of having a mentor" in said for said in found.caveats)


def test_clusters_are_summed_over_both_sides() -> None:
    """Schools whose students lie on both sides share a shock: it cancels in the jump, so the error hardly grows."""
    rows = students("many")
    shocks = 0.1 * np.random.default_rng(1).standard_normal(15)
    rows = rows.assign(absence_rate=rows["absence_rate"] + shocks[rows["school_id"]])
    found = run(rows, clustered_by="school_id", bandwidth=0.1)
    assert found.standard_errors == "CR1" and found.df == 14 and found.clustered_by == "school_id"
    assert found.standard_error < 1.5 * run(rows, bandwidth=0.1).standard_error
    with pytest.raises(UserError, match="needs clusters"):
        run(rows, standard_errors="CR1")


def test_density_test_holds_its_level_and_sees_a_moved_score() -> None:
    """400 smooth samples: at a true 5 % more than 8 % is seen once in 200; 15 % moved from under to over is seen."""
    rng = np.random.default_rng(6)
    smooth = [density_test(rng.normal(0.3, 1.0, 1500))["p_value"] for _ in range(400)]
    assert np.mean(np.array(smooth) < 0.05) < 0.08
    away = rng.normal(0.3, 1.0, 4000)
    moved = np.where((away < 0) & (away > -0.4) & (rng.random(4000) < 0.6), -away, away)
    assert density_test(moved)["p_value"] < 0.001 and density_test(moved)["log_difference"] > 0
    assert density_test(np.linspace(0.1, 1, 50))["p_value"] is None


def test_too_few_students_near_the_threshold_is_a_sentence() -> None:
    with pytest.raises(UserError, match="Fewer than 20"):
        run(students(), bandwidth=0.002)
