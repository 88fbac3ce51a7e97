"""Optimal pairs and full matching over many start dates, against a solver of whole-number programmes (HiGHS)."""

from __future__ import annotations

import dataclasses as dc

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import LinearConstraint, milp
from test_landmark import PLAN, Diary, greedy, made_world

from evalkit.comparison import landmark_comparison

COVARIATES = ("prior_absence_rate", "pre_absence_rate")
OPTIMAL = dc.replace(PLAN, method="optimal", covariates=COVARIATES)


def at_risk(made):
    rows = made.students.drop_duplicates(["student_id", "landmark", "treated"])
    rows = rows[rows["distance"].notna()]
    return rows[rows["treated"] == 1].reset_index(drop=True), rows[rows["treated"] == 0].reset_index(drop=True)


def edges(made, plan):
    """(treated row, partner row, distance) of every pair the plan allows."""
    treated, others = at_risk(made)
    both = pd.concat([treated, others])
    width = np.inf if plan.caliper is None else plan.caliper * both["distance"].std(ddof=1)
    keys = ["landmark", "school_id", *plan.exact]
    pairs = treated.reset_index(names="t").merge(others.reset_index(names="o"), on=keys, suffixes=("_t", "_o"))
    pairs = pairs.assign(gap=(pairs["distance_t"] - pairs["distance_o"]).abs())
    return pairs[pairs["gap"] <= width].reset_index(drop=True)


def at_most(groups, most):
    rows = pd.get_dummies(groups).to_numpy(float).T
    return LinearConstraint(rows, 0, most)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("changes", [{}, {"caliper": 0.3}, {"ratio": 2}, {"ratio": 2, "caliper": 0.2},
                                     {"exact": ("grade_level",)}], ids=str)
def test_pairs_are_the_most_and_then_the_nearest_there_are(seed, changes):
    plan = dc.replace(OPTIMAL, **changes)
    study = made_world(seed, n=50, mentored=14)
    made = landmark_comparison(study, plan)
    possible = edges(made, plan)
    once = [at_most(possible["student_id_o"], 1), at_most(possible["student_id_t"], plan.ratio)]
    whole, bounds = np.ones(len(possible)), (0, 1)
    most = milp(-whole, constraints=once, integrality=whole, bounds=bounds_of(bounds, whole))
    count = round(-most.fun)
    least = milp(possible["gap"].to_numpy(), constraints=[*once, LinearConstraint(whole[None, :], count, count)],
                 integrality=whole, bounds=bounds_of(bounds, whole))
    found = chosen(study, plan)
    assert len(found) == count
    # HiGHS stops within 1e-6 of whole numbers; sums of a few dozen distances differ by less
    assert found["gap"].sum() == pytest.approx(least.fun, abs=1e-6)
    assert not found["student_id_o"].duplicated().any()


def bounds_of(bounds, whole):
    from scipy.optimize import Bounds
    return Bounds(bounds[0] * whole, bounds[1] * whole)


def chosen(study, plan):
    """The pairs as they were made, before anyone is lost to a short follow-up."""
    from evalkit.comparison import landmark as room
    world = room.open_world(study, plan)
    risk = room.build_risk(world)
    problem = room._problem(risk.rows, room.plan_options(plan), world.strata, plan)
    pairs = room._match(problem, risk.rows).pairs
    rows = risk.rows.iloc[problem.data_place].reset_index(drop=True)
    both = pd.DataFrame({"student_id_t": rows["student_id"].to_numpy()[pairs.treated],
                         "student_id_o": rows["student_id"].to_numpy()[pairs.partner],
                         "gap": np.abs(problem.score[pairs.treated] - problem.score[pairs.partner])})
    same = rows["landmark"].to_numpy()
    assert (same[pairs.treated] == same[pairs.partner]).all()
    return both


@pytest.mark.parametrize("seed", range(3))
def test_greedy_pairs_are_never_nearer_in_sum(seed):
    plan = dc.replace(OPTIMAL, ratio=1)
    study = made_world(seed)
    best = chosen(study, plan)
    near = greedy(landmark_comparison(study, dc.replace(plan, method="nearest")).students, plan, study)
    total = sum(abs(p.distance - row.distance) for row, partners in near.items() for p in partners)
    assert len(best) >= len(near)
    if len(best) == len(near):
        assert best["gap"].sum() <= total + 1e-12  # rounding of a sum


def test_sets_follow_weights_and_ends_are_those_of_pairs():
    study = made_world(4)
    made = landmark_comparison(study, dc.replace(OPTIMAL, ratio=2))
    diary, used = Diary(study), made.used
    for _, rows in used.groupby("subclass"):
        partners = rows[rows["treated"] == 0]
        ends = [diary.begin[s] - pd.Timedelta(days=1) for s in partners["student_id"] if s in diary.begin]
        assert rows["follow_up_end"].nunique() == 1
        assert rows["follow_up_end"].iloc[0] <= min([*ends, pd.Timestamp("2200-01-01")])
        assert np.allclose(partners["weight"], 1 / len(partners))
    assert not used.loc[used["treated"] == 0, "student_id"].duplicated().any()
    assert made.n_treated_matched > 8


@pytest.mark.parametrize("seed", range(3))
def test_full_matching_covers_every_risk_set_at_the_least_distance(seed):
    """Each risk set is its own problem: sets of one with several, nobody left out who has somebody, least total."""
    plan = dc.replace(PLAN, method="full", covariates=COVARIATES)
    study = made_world(seed, n=40, mentored=10)
    from evalkit.comparison import landmark as room
    world = room.open_world(study, plan)
    risk = room.build_risk(world)
    problem = room._problem(risk.rows, room.plan_options(plan), world.strata, plan)
    sets = room._match(problem, risk.rows).subclass
    seen = 0
    for code in np.unique(problem.strata):
        here = np.flatnonzero((problem.strata == code) & problem.usable)
        treated, others = (here[problem.treated[here] == arm] for arm in (1, 0))
        if not len(treated) or not len(others):
            assert (sets[here] == -1).all()
            continue
        gap = np.abs(problem.score[treated][:, None] - problem.score[others][None, :])
        whole = np.ones(gap.size)
        t, o = np.divmod(np.arange(gap.size), len(others))
        cover = [LinearConstraint(pd.get_dummies(axis).to_numpy(float).T, 1, np.inf) for axis in (t, o)]
        least = milp(gap.ravel(), constraints=cover, integrality=whole, bounds=bounds_of((0, 1), whole))
        total = 0.0
        for number in np.unique(sets[here]):
            rows = here[sets[here] == number]
            a, b = (rows[problem.treated[rows] == arm] for arm in (1, 0))
            assert min(len(a), len(b)) == 1
            total += np.abs(problem.score[a][:, None] - problem.score[b][None, :]).sum()
        assert total == pytest.approx(least.fun, abs=1e-6)  # HiGHS stops within 1e-6
        seen += 1
    assert seen > 3
