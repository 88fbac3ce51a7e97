"""vectors.json: asymptotic confidence sequences, Lan-DeMets boundaries, Benjamini-Hochberg."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).parent))
from effects_reference import CLOSED, vectors

from evalkit.estimators.multiple import benjamini_hochberg
from evalkit.estimators.sequence import margin, tuning
from evalkit.estimators.spending import spending_boundaries, spent

GRID = 1.5e-4
"""ldbounds prints four decimals and integrates on a coarse grid: its own error is about 1e-4. Ours is finer."""


def near(found: np.ndarray, wanted: list[float]) -> None:
    """ldbounds solves each boundary to 1e-7 in probability, which far out in the tail is more than a digit of z:
    its second of ten looks (4.8989) spends less than its own table says (4.8769 spends 1.0e-6 at t = 0.2)."""
    slack = GRID + 3e-7 / (2 * stats.norm.pdf(wanted))
    assert abs(found[0] - wanted[0]) <= GRID
    assert (np.abs(found - np.array(wanted)) <= slack).all()


def test_asymptotic_confidence_sequence() -> None:
    wanted = vectors()["asymp_cs"]
    rho2 = tuning(100, 0.05)
    assert rho2 == pytest.approx(wanted["rho2_exact_t100_a05"], rel=CLOSED)
    for time, width in wanted["margin_sd1_rho2_exact"].items():
        assert float(margin(float(time), rho2)) == pytest.approx(width, rel=CLOSED)
    for time, width in wanted["margin_rho2_0.1"].items():
        assert float(margin(float(time), 0.1)) == pytest.approx(width, rel=CLOSED)


def test_lan_demets_boundaries() -> None:
    wanted = vectors()["ldobf_two_sided_05"]
    for looks in ("2", "3", "4", "5", "9", "10"):
        shares = np.arange(1, int(looks) + 1) / int(looks)
        near(spending_boundaries(shares), wanted[looks])
    near(spending_boundaries([0.2, 0.5, 0.75, 1.0]), wanted["t=.2,.5,.75,1"])
    for looks in (5, 10):
        assert spent(np.arange(1, looks + 1) / looks) == pytest.approx(wanted[f"spent_K{looks}"], abs=6e-7)


def test_benjamini_hochberg_1995() -> None:
    wanted = vectors()["bh1995"]
    rejected = np.array(wanted["p"])[benjamini_hochberg(wanted["p"]) <= wanted["alpha"]]
    assert len(rejected) == wanted["reject"] and rejected.max() == wanted["threshold"]
