"""vectors.json cr2_tiny: clubSandwich's numbers on 21 rows in six clusters."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from effects_reference import vectors

from evalkit.estimators.linear import weighted_least_squares
from evalkit.estimators.variance import cluster_error

PRINTED = 2e-9
"""The vectors were printed with ten digits."""


@pytest.mark.parametrize("kind", ["CR0", "CR1", "CR1S", "CR2", "CR3"])
def test_cr2_tiny(kind: str) -> None:
    tiny = vectors()["cr2_tiny"]
    clusters = np.repeat(np.arange(6), tiny["g_sizes"])
    design = np.column_stack([np.ones(21), np.array(tiny["t_by_cluster"], float)[clusters], tiny["x"]])
    fit = weighted_least_squares(design, np.array(tiny["y"], float), np.ones(21), ("(intercept)", "t", "x"))
    assert fit.coef == pytest.approx(tiny["beta"], rel=PRINTED)
    found = [cluster_error(fit, fit.unit_contrast(name), clusters, kind) for name in fit.names]
    assert [error for error, _ in found] == pytest.approx(tiny[f"{kind}_se"], rel=PRINTED)
    if f"{kind}_df" in tiny:
        assert [df for _, df in found] == pytest.approx(tiny[f"{kind}_df"], rel=PRINTED)
