"""Standard errors against brute force: CR2 by the full formula, wild bootstrap by refitting, two-way by identity."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from evalkit.estimators.linear import Fit, weighted_least_squares
from evalkit.estimators.variance import (
    _half_inverse_dense,
    _half_inverse_low_rank,
    _satterthwaite,
    _satterthwaite_many,
    cluster_error,
    robust_error,
    two_way_error,
)
from evalkit.estimators.wild import wild_cluster_test

EXACT = 1e-9
"""Two routes to one formula differ only by rounding."""


def fitted(*, n: int = 60, n_clusters: int = 6, seed: int = 1) -> tuple[Fit, np.ndarray]:
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, n_clusters, n)
    design = np.column_stack([np.ones(n), rng.standard_normal(n), clusters % 2 + 0.1 * rng.standard_normal(n)])
    outcome = design @ [1.0, 0.5, -0.3] + rng.standard_normal(n_clusters)[clusters] + rng.standard_normal(n)
    weights = rng.uniform(0.3, 2.0, n)
    return weighted_least_squares(design, outcome, weights, ("(intercept)", "x", "treated")), clusters


def test_cr2_and_its_df_by_the_full_matrices() -> None:
    """A_j = (I - H - H' + X S X')_jj^(-1/2), df = 2 E(V)^2 / Var(V), written out with n x n matrices."""
    fit, clusters = fitted()
    x, w, c = fit.design, np.diag(fit.weights), fit.unit_contrast("treated")
    hat = x @ fit.bread @ x.T @ w
    keep = np.eye(fit.n) - hat
    total, vectors = 0.0, []
    for cluster in np.unique(clusters):
        rows = clusters == cluster
        block = (keep @ keep.T)[np.ix_(rows, rows)]
        values, turn = np.linalg.eigh(block)
        adjust = turn @ np.diag(values**-0.5) @ turn.T
        lead = adjust @ (fit.weights[rows] * (x[rows] @ (fit.bread @ c)))
        total += float(lead @ fit.residuals[rows]) ** 2
        vectors.append(keep[rows].T @ lead)
    table = np.array(vectors) @ np.array(vectors).T
    found = cluster_error(fit, c, clusters, "CR2")
    assert found == pytest.approx((np.sqrt(total), np.trace(table) ** 2 / (table**2).sum()), rel=EXACT)


def test_large_clusters_take_the_low_rank_road_to_the_same_number() -> None:
    fit, clusters = fitted(n=90)
    rows = np.flatnonzero(clusters == 2)[None, :]
    vector = np.random.default_rng(2).standard_normal(rows.shape)
    assert _half_inverse_low_rank(fit, vector[0], rows[0]) == pytest.approx(_half_inverse_dense(fit, vector, rows)[0],
                                                                           rel=1e-8)


def test_df_of_many_clusters_needs_no_large_table() -> None:
    fit, _ = fitted()
    rng = np.random.default_rng(3)
    squares, inner, outer = rng.uniform(1, 2, 9), rng.standard_normal((9, 3)), rng.standard_normal((9, 3))
    assert _satterthwaite_many(fit, squares, inner, outer) == pytest.approx(_satterthwaite(fit, squares, inner, outer),
                                                                            rel=EXACT)


def test_two_way_is_the_sum_less_the_overlap_and_never_less_than_either() -> None:
    fit, first = fitted(n=200, n_clusters=20)
    second = np.random.default_rng(5).integers(0, 25, 200)
    both = np.unique(np.column_stack([first, second]), axis=0, return_inverse=True)[1].ravel()
    c = fit.unit_contrast("treated")
    one, two, joint = (cluster_error(fit, c, codes, "CR1")[0] for codes in (first, second, both))
    wanted = max(one**2 + two**2 - joint**2, one**2, two**2)
    assert two_way_error(fit, c, first, second, "CR1")[0] == pytest.approx(np.sqrt(wanted), rel=EXACT)


def test_every_row_its_own_cluster_is_the_robust_error() -> None:
    fit, _ = fitted()
    c, alone = fit.unit_contrast("treated"), np.arange(60)
    assert cluster_error(fit, c, alone, "CR0")[0] == pytest.approx(robust_error(fit, c, "HC0")[0], rel=EXACT)
    assert cluster_error(fit, c, alone, "CR3")[0] == pytest.approx(robust_error(fit, c, "HC3")[0], rel=EXACT)


def test_wild_bootstrap_by_refitting_every_draw() -> None:
    fit, clusters = fitted()
    c = fit.unit_contrast("treated")
    outcome = fit.residuals + fit.design @ fit.coef
    root = np.sqrt(fit.weights)

    def statistic(y: np.ndarray, null: float) -> float:
        again = weighted_least_squares(fit.design, y, fit.weights, fit.names)
        return (c @ again.coef - null) / cluster_error(again, c, clusters, "CR0")[0]

    def p_value(null: float) -> float:
        rest, tested = fit.design[:, :2], fit.design[:, 2]
        base = np.linalg.lstsq(rest * root[:, None], (outcome - null * tested) * root, rcond=None)[0]
        center = rest @ base + null * tested
        draws = [statistic(center + (outcome - center) * np.array(signs)[clusters], null)
                 for signs in itertools.product((-1.0, 1.0), repeat=6)]
        return float(np.mean(np.abs(draws) >= abs(statistic(outcome, null)) - 1e-10))

    found = wild_cluster_test(fit, c, clusters)
    assert found.p_value == p_value(0.0) and found.t == pytest.approx(statistic(outcome, 0.0), rel=1e-8)
    low, high = found.ci_low, found.ci_high
    assert low < c @ fit.coef < high
    # just inside the interval p is above 5 %, just outside it is not
    for edge, outwards in ((low, -1), (high, 1)):
        assert p_value(edge - outwards * 1e-3) > 0.05 >= p_value(edge + outwards * 1e-3)


def test_few_clusters_bound_no_wild_interval() -> None:
    """With five clusters no p below 2/32 exists, so no 95 % interval either."""
    fit, clusters = fitted(n_clusters=5)
    found = wild_cluster_test(fit, fit.unit_contrast("treated"), clusters)
    assert found.ci_low is None and found.least_p == pytest.approx(0.0625)


def test_a_repeated_column_is_left_out_and_named() -> None:
    fit, _ = fitted()
    twice = np.column_stack([fit.design[:, :2], fit.design[:, 1] * 2 - 1, fit.design[:, 2]])
    found = weighted_least_squares(twice, fit.residuals + fit.design @ fit.coef, fit.weights, ("i", "x", "again", "t"))
    assert found.dropped == ("again",) and found.coef == pytest.approx(fit.coef, rel=1e-8)
