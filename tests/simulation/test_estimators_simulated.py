"""Short seeded versions of the simulations of this folder."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from monthly_looks_estimators import WORLDS, World, errors

SCRIPT = importlib.util.spec_from_file_location("coverage_of_intervals", Path(__file__).parent / "coverage.py")
intervals = importlib.util.module_from_spec(SCRIPT)
SCRIPT.loader.exec_module(intervals)


@pytest.mark.parametrize("world", WORLDS[1:4], ids=lambda world: world.name)
def test_null_years_are_rarely_called_clear(world: World) -> None:
    """400 years: at a true 5 % more than 7.2 % would be seen once in 40; the plain rule errs about twice as often."""
    found = errors(world, 400, seed=7)
    assert found["better"] <= 0.05 and found["worse"] <= 0.05
    assert found["better"] + found["worse"] <= 0.072
    assert found["plain"] > found["better"]


@pytest.mark.slow
@pytest.mark.parametrize("effect", [0.0, -4.0])
def test_interval_holds_the_truth_and_the_naive_change_does_not(effect: float) -> None:
    """15 studies: at 95 % coverage fewer than 12 hold the truth once in 180 such tests; the naive change is off."""
    found = intervals.summarize(pd.DataFrame([intervals.one_study(seed, effect) for seed in range(500, 515)]))
    assert found["no estimate"] <= 3  # about 4 in 100 groups this small are refused with a sentence
    assert found["coverage"] >= 0.8
    assert found["naive error"] < -1.0
    assert abs(found["bias"]) < 3 * found["spread"] / 15**0.5
