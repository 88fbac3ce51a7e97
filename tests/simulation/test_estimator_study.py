"""The stored simulation study is what the code gives today, has every estimator, and checks see its failures."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from estimator_study import ABOUT, ANALYSES, BY_NAME, FIRST, PAGE, SUMMARY, applies, is_failing, one_draw
from estimator_study_page import BY_DESIGN, QUIET, SEEN, objections, page
from worlds import WORLDS

from evalkit.estimators import ESTIMATORS

STORED = pd.read_csv(SUMMARY)
BY_CELL = {(row.world, row.analysis): row for row in STORED.itertuples()}
WORLD = {world.name: world for world in WORLDS}
EXACT = [("constant", "chosen_on_need"), ("growing", "months_of_students"), ("null_regression", "lottery"),
         ("few_clusters", "threshold"), ("cohort", "session_days"), ("few_clusters", "series_of_schools")]


def again(world: str, design: str, seeds: range) -> pd.DataFrame:
    analyses = [a for a in ANALYSES if a.design == design and applies(a, world) and (world, a.name) in BY_CELL]
    return pd.DataFrame([row for seed in seeds for row in one_draw(WORLD[world], design, analyses, seed, checks=False)])


def test_every_estimator_and_six_worlds_are_in_the_study() -> None:
    assert {BY_NAME[name].estimator for name in STORED["analysis"]} == set(ESTIMATORS)
    for estimator in ESTIMATORS:
        for world in STORED["world"].unique():
            mine = [a for a in ANALYSES if a.estimator == estimator and not a.only]
            assert any((world, a.name) in BY_CELL or world in a.never for a in mine), (estimator, world)
    assert STORED["world"].nunique() >= 6


@pytest.mark.parametrize(("world", "design"), EXACT)
def test_the_first_draws_give_the_stored_numbers(world: str, design: str) -> None:
    for name, part in again(world, design, range(1, FIRST + 1)).groupby("analysis"):
        # six digits are stored
        assert part["value"].mean() == pytest.approx(BY_CELL[world, name].first_draws, rel=2e-5), name


@pytest.mark.parametrize(("world", "design"), [("growing", "months_of_students"), ("spillover", "lottery")])
def test_fresh_draws_agree_within_monte_carlo_error(world: str, design: str) -> None:
    """Draws nobody has seen: bias within four Monte Carlo errors of both samples (once in 16,000 by chance alone)."""
    rows = again(world, design, range(100_001, 100_013))
    for name, part in rows.groupby("analysis"):
        stored, n = BY_CELL[world, name], len(part)
        error = np.hypot(stored.spread / n**0.5, stored.bias_mc)
        assert abs((part["value"] - part["truth"]).mean() - stored.bias) < 4 * error, name
        covered = ((part["ci_low"] <= part["truth"]) & (part["truth"] <= part["ci_high"])).mean()
        room = 4 * np.sqrt(max(stored.coverage * (1 - stored.coverage), 0.02) / n) + 2 * stored.coverage_mc
        assert abs(covered - stored.coverage) < room, name


def test_each_failure_is_seen_by_its_check_or_named_as_unseen() -> None:
    """A failing line whose check objects in fewer than three quarters of the draws stands in QUIET with its reason."""
    assert {line for line, share in objections(STORED).items() if share < SEEN} == set(QUIET)
    assert set(BY_DESIGN) <= set(objections(STORED)) and (STORED["checked"] >= 18).all()


@pytest.mark.parametrize("line", BY_DESIGN)
def test_a_caution_by_design_objects_in_every_draw_and_the_page_says_so(line: tuple[str, str]) -> None:
    """A sentence of the page that says why; the check itself objects in nine draws of ten or more."""
    assert objections(STORED)[line] >= 0.9
    assert BY_DESIGN[line] in PAGE.read_text(encoding="utf-8")


def test_the_stored_verdicts_are_those_of_today() -> None:
    """One checked draw made again (seed 20): where the stored share is nought or one, its verdict is the same."""
    for world, design in (("null_regression", "series_of_schools"), ("cohort", "months_of_students"),
                          ("spillover", "session_days")):
        analyses = [a for a in ANALYSES if a.design == design and applies(a, world)]
        for row in one_draw(WORLD[world], design, analyses, 20, checks=True):
            stored = json.loads(BY_CELL[world, row["analysis"]].objections)
            for name, verdict in json.loads(row["checks"]).items():
                assert stored[name] not in (0.0, 1.0) or (verdict != "pass") == (stored[name] == 1.0), (row, name)


def test_the_page_is_made_from_the_stored_results() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(STORED, json.loads(ABOUT.read_text(encoding="utf-8")))


def test_where_they_should_hold_they_do() -> None:
    """What the programme relies on: no bias and honest intervals where each estimator's own assumptions hold."""
    sound = [("regression_adjusted", w) for w in ("null_regression", "constant", "growing", "cohort", "few_clusters")]
    staggered = ("callaway_santanna", "sun_abraham", "did2s")
    sound += [(name, w) for name in staggered for w in ("constant", "growing", "cohort")]
    sound += [("randomized", w) for w in ("null_regression", "constant", "growing", "cohort", "few_clusters")]
    others = ("discontinuity", "session_day", "poisson")
    sound += [(name, w) for name in others for w in ("null_regression", "constant")]
    failing = [cell for cell in sound if (cell[1], cell[0]) in BY_CELL and is_failing(BY_CELL[cell[1], cell[0]])]
    assert not failing
