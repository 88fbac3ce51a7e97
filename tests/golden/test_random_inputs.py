"""The formulas behind vectors.json, worked out a second way on random inputs: the method must hold, not the case.

Every check here is a brute force, a generic solver or the textbook formula written out; none shares code with evalkit.
"""

from __future__ import annotations

from itertools import product
from math import exp, log, sqrt

import numpy as np
import pytest
from scipy import optimize, stats

from evalkit import evidence
from evalkit.checks import power
from evalkit.checks.attrition import BOUNDARY, attrition_rating
from evalkit.checks.e_value import e_value
from evalkit.checks.rosenbaum import SignedRank, mcnemar_bounds
from evalkit.checks.sensemakr import adjust, robustness_value
from evalkit.estimators.linear import weighted_least_squares
from evalkit.estimators.multiple import benjamini_hochberg
from evalkit.estimators.sequence import margin, tuning
from evalkit.estimators.spending import spending_boundaries
from evalkit.estimators.variance import cluster_error
from evalkit.pooling import pool_effects

CLOSED = 1e-9
SEEDS = range(5)


def spearman_df(n: float, size: float, icc: float) -> float:
    """h of WWC E.21 by Satterthwaite: 2 E^2 / Var of the pooled variance of equal clusters of one size."""
    between, within, clusters = 1 + (size - 1) * icc, 1 - icc, n / size
    # sums of squares: between clusters (clusters - 2) and within them (n - clusters), each a scaled chi square
    mean = (clusters - 2) * between + (n - clusters) * within
    spread = 2 * ((clusters - 2) * between**2 + (n - clusters) * within**2)
    return 2 * mean**2 / spread


@pytest.mark.parametrize("seed", SEEDS)
def test_cluster_corrections(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clusters, size, icc = int(rng.integers(8, 60)), int(rng.integers(5, 60)), float(rng.uniform(0, 0.3))
    n = clusters * size
    assert evidence.cluster_df(n, size, icc) == pytest.approx(spearman_df(n, size, icc), rel=CLOSED)
    g, treated = float(rng.normal(0, 0.4)), n // 2
    found = evidence.cluster_corrected_t(g, treated, n - treated, clusters, icc=icc)
    plain = g / sqrt(1 / treated + 1 / (n - treated) + g * g / (2 * n))
    # bias factor over inflation: Hedges 2007, equations 15 and 16
    corrected = plain * sqrt((1 - 2 * (size - 1) * icc / (n - 2)) / (1 + (size - 1) * icc))
    p_value = 2 * stats.t.cdf(-abs(corrected), spearman_df(n, size, icc))
    assert [found["t"], found["t_corrected"], found["p_value"]] == pytest.approx([plain, corrected, p_value],
                                                                                 rel=CLOSED)


@pytest.mark.parametrize("seed", SEEDS)
def test_effect_sizes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, zero = rng.gamma(2, 0.05, rng.integers(5, 90)), rng.gamma(2, 0.06, rng.integers(5, 90))
    n1, n0 = len(one), len(zero)
    both = np.concatenate([one - one.mean(), zero - zero.mean()])
    g = (1 - 3 / (4 * (n1 + n0) - 9)) * (one.mean() - zero.mean()) / sqrt((both @ both) / (n1 + n0 - 2))
    assert evidence.hedges_g(one.mean() - zero.mean(), one.std(ddof=1), zero.std(ddof=1), n1, n0) == pytest.approx(
        g, rel=CLOSED)
    assert evidence.g_from_t(float(stats.ttest_ind(one, zero).statistic), n1, n0) == pytest.approx(g, rel=CLOSED)
    p1, p0 = rng.uniform(0.05, 0.95, 2)
    assert evidence.cox_index(p1, p0) == pytest.approx(log(p1 * (1 - p0) / (p0 * (1 - p1))) / 1.65, rel=CLOSED)
    moved = 100 * (stats.norm.cdf(zero.mean() + g, loc=zero.mean()) - 0.5)
    assert evidence.improvement_index(g) == pytest.approx(moved, rel=1e-8)  # a difference of shares near 0.5


@pytest.mark.parametrize("assumption", list(BOUNDARY))
def test_attrition_between_whole_percents(assumption: str) -> None:
    rng = np.random.default_rng(1)
    row = BOUNDARY[assumption]
    for overall in rng.uniform(0, (len(row) - 1) / 100, 50):
        low, part = int(overall * 100), overall * 100 - int(overall * 100)
        edge = ((1 - part) * row[low] + part * row[min(low + 1, len(row) - 1)]) / 100
        assert attrition_rating(overall, edge - 1e-6, assumption) == "low"
        assert attrition_rating(overall, -(edge + 1e-6), assumption) == "high"
    assert attrition_rating(0.67, 0.0, assumption) == "high"


@pytest.mark.parametrize("seed", SEEDS)
def test_e_value_is_the_weakest_joint_confounder(seed: int) -> None:
    """VanderWeele & Ding's bound RR_u RR_u / (2 RR_u - 1) equals the observed ratio at the E-value."""
    ratio = exp(float(np.random.default_rng(seed).normal(0, 0.7)))
    root = optimize.brentq(lambda u: u * u / (2 * u - 1) - max(ratio, 1 / ratio), 1, 1e4, xtol=1e-14)
    assert e_value(ratio) == pytest.approx(root, rel=1e-8)  # the solver's own digits


@pytest.mark.parametrize("seed", SEEDS)
def test_robustness_value_is_where_the_hidden_cause_wins(seed: int) -> None:
    rng = np.random.default_rng(seed)
    t, df = float(rng.uniform(0.5, 12)), float(rng.integers(10, 900))
    gone = optimize.brentq(lambda r: adjust(t, 1.0, df, r, r).estimate, 1e-12, 1 - 1e-9, xtol=1e-14)
    assert robustness_value(t, df) == pytest.approx(gone, rel=1e-8)  # the solver's own digits
    edge = stats.t.isf(0.025, df - 1)
    if t / sqrt(df) > edge / sqrt(df - 1):
        # the smallest strength at which some hidden cause, no stronger with either, brings t to the edge
        def least(r: float) -> float:
            return min(adjust(t, 1.0, df, r, y).t for y in np.linspace(0, r, 4001)) - edge
        assert robustness_value(t, df, alpha=0.05) == pytest.approx(optimize.brentq(least, 1e-9, 1 - 1e-6), abs=1e-6)
    else:
        assert robustness_value(t, df, alpha=0.05) == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_rosenbaum_bounds_by_every_sign(seed: int) -> None:
    """Nine pairs: the bound's mean and variance over all 512 signs, each positive with chance gamma / (1 + gamma)."""
    rng = np.random.default_rng(seed)
    gaps, gamma = np.round(rng.normal(0.5, 1, 9), 1), float(rng.uniform(1, 3))
    gaps = gaps[gaps != 0]
    ranks = stats.rankdata(np.abs(gaps))
    observed, chance = ranks[gaps > 0].sum(), gamma / (1 + gamma)
    signs = np.array(list(product((0, 1), repeat=len(gaps))))
    mass, sums = (chance**signs * (1 - chance) ** (1 - signs)).prod(axis=1), signs @ ranks
    mean = mass @ sums
    wanted = stats.norm.sf((observed - mean) / sqrt(mass @ (sums - mean) ** 2))
    ranked = SignedRank.of(gaps)
    assert ranked.statistic == observed and ranked.p_bounds(gamma)[0] == pytest.approx(wanted, rel=1e-8)
    for wins, losses in rng.integers(1, 9, (3, 2)):
        tosses = np.array(list(product((0, 1), repeat=int(wins + losses))))
        more = tosses.sum(axis=1) >= wins
        exact = (chance**tosses * (1 - chance) ** (1 - tosses)).prod(axis=1)[more].sum()
        assert mcnemar_bounds(int(wins), int(losses), gamma)[0] == pytest.approx(exact, rel=CLOSED)


@pytest.mark.parametrize("seed", SEEDS)
def test_benjamini_hochberg_is_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = np.round(rng.beta(0.4, 2, 30), 3)  # with ties
    assert benjamini_hochberg(p) == pytest.approx(stats.false_discovery_control(p), rel=CLOSED)


@pytest.mark.parametrize("shares", [[0.3, 1.0], [0.15, 0.6, 1.0], [0.3, 0.45, 0.8, 1.0], [0.5, 0.7]])
def test_spending_boundaries_by_the_normal_distribution(shares: list[float]) -> None:
    """Chance of staying inside at every look, by scipy's multivariate normal: what is left of the error spent."""
    bounds = spending_boundaries(shares)
    z = stats.norm.isf(0.05 / 4)
    for looks in range(1, len(shares) + 1):
        at = np.array(shares[:looks])
        correlation = np.sqrt(np.minimum.outer(at, at) / np.maximum.outer(at, at))
        inside = stats.multivariate_normal(cov=correlation).cdf(bounds[:looks], lower_limit=-bounds[:looks],
                                                                rng=np.random.default_rng(0))
        # scipy integrates to 1e-5
        assert 1 - inside == pytest.approx(4 * stats.norm.sf(z / sqrt(at[-1])), abs=3e-5)


@pytest.mark.parametrize("seed", SEEDS)
def test_confidence_sequence_is_where_the_mixture_reaches_one_over_alpha(seed: int) -> None:
    """Robbins' mixture: the likelihood ratio averaged over normal means of variance rho^2 is 1 / alpha at the edge."""
    rng = np.random.default_rng(seed)
    time, rho2, alpha = float(rng.integers(5, 400)), float(rng.uniform(0.005, 0.5)), float(rng.choice([0.05, 0.1]))
    edge = float(margin(time, rho2, alpha)) * time  # a sum of `time` steps of variance 1
    spread = 1 / (time + 1 / rho2)  # of the product of prior and likelihood, around edge * spread
    means = edge * spread + sqrt(spread) * np.linspace(-12, 12, 4001)
    heights = np.exp(means * edge - means**2 * time / 2) * stats.norm.pdf(means, scale=sqrt(rho2))
    ratio = log(np.trapezoid(heights, means))
    assert ratio == pytest.approx(log(1 / alpha), abs=1e-9)  # the trapezoid rule is exact to rounding here
    least = optimize.minimize_scalar(lambda r: float(margin(time, exp(r), alpha)), bounds=(-14, 4), method="bounded",
                                     options={"xatol": 1e-10})
    assert tuning(time, alpha) == pytest.approx(exp(least.x), rel=1e-5)  # a flat minimum


@pytest.mark.parametrize("seed", SEEDS)
def test_pooling_by_generic_solvers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    k = int(rng.integers(4, 15))
    error = rng.uniform(0.05, 0.4, k)
    y = rng.normal(-0.1, 0.3, k) + error * rng.standard_normal(k)

    def restricted(tau2: float) -> float:
        weight = 1 / (error**2 + tau2)
        mean = weight @ y / weight.sum()
        return float(0.5 * (-np.log(weight).sum() + log(weight.sum()) + weight @ (y - mean) ** 2))

    def q(tau2: float) -> float:
        weight = 1 / (error**2 + tau2)
        return float(weight @ (y - weight @ y / weight.sum()) ** 2)

    best = min((optimize.minimize_scalar(restricted, bounds=(lo, lo + 0.25), method="bounded",
                                         options={"xatol": 1e-12}) for lo in np.arange(0, 2, 0.25)),
               key=lambda found: found.fun)
    mandel = optimize.brentq(lambda tau2: q(tau2) - (k - 1), 0, 50, xtol=1e-14) if q(0) > k - 1 else 0.0
    for method, tau2, digits in (("REML", best.x if best.fun < restricted(0.0) else 0.0, 1e-5), ("PM", mandel, 1e-9)):
        found = pool_effects(list(y), list(error), method=method)
        assert found.tau2 == pytest.approx(tau2, abs=digits)
        weight = 1 / (error**2 + found.tau2)
        mean = weight @ y / weight.sum()
        knapp = sqrt(weight @ (y - mean) ** 2 / (k - 1) / weight.sum())
        edge = stats.t.isf(0.025, k - 1) * max(knapp, found.standard_error)
        assert found.value == pytest.approx(mean, rel=CLOSED)
        assert found.standard_error == pytest.approx(knapp, rel=CLOSED)
        assert [found.ci_low, found.ci_high] == pytest.approx([mean - edge, mean + edge], rel=CLOSED)


@pytest.mark.parametrize("seed", SEEDS)
def test_power_by_the_noncentral_t(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, share, r2 = int(rng.integers(60, 2000)), float(rng.uniform(0.1, 0.9)), float(rng.uniform(0, 0.7))
    design = power.students_assigned(n, share=share, r2=r2, n_covariates=3)
    error = sqrt((1 - r2) / (share * (1 - share) * n))
    df = n - 3 - 2
    assert design.df == df
    assert design.mdes() == pytest.approx((stats.t.isf(0.025, df) + stats.t.ppf(0.8, df)) * error, rel=CLOSED)
    size, edge = design.mdes(), stats.t.isf(0.025, df)
    exact = stats.nct.sf(edge, df, size / error) + stats.nct.cdf(-edge, df, size / error)
    assert design.power(size) == pytest.approx(exact, abs=2e-3)  # the planning formula is not the noncentral t


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("weighted", [False, True])
def test_cluster_errors_by_plain_matrices(seed: int, weighted: bool) -> None:
    """CR0 to CR3 and the Satterthwaite df as Pustejovsky & Tipton 2018 write them, with whole n x n matrices."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 9, 7)
    code = np.repeat(np.arange(7), sizes)
    n = len(code)
    x = np.column_stack([np.ones(n), (rng.random(n) < 0.4), rng.normal(size=n), rng.integers(0, 2, n)]).astype(float)
    y = x @ [1, -0.5, 0.3, 0.2] + rng.normal(size=7)[code] + rng.normal(size=n)
    w = rng.uniform(0.3, 3, n) if weighted else np.ones(n)
    bread = np.linalg.inv(x.T @ (w[:, None] * x))
    keep = np.eye(n) - x @ bread @ (w[:, None] * x).T
    left = keep @ y
    fit = weighted_least_squares(x, y, w, ("one", "treated", "age", "flag"))
    contrast = fit.unit_contrast("treated")
    for kind in ("CR0", "CR1", "CR1S", "CR2", "CR3"):
        scale = {"CR1": 7 / 6, "CR1S": 7 / 6 * (n - 1) / (n - 4)}.get(kind, 1.0)
        pulls = np.zeros((7, n))
        for j in range(7):
            rows = code == j
            block = keep[rows]
            adjust_by = np.eye(rows.sum())
            if kind == "CR2":
                values, vectors = np.linalg.eigh(block @ block.T)
                adjust_by = vectors @ np.diag([v**-0.5 if v > 1e-12 else 0 for v in values]) @ vectors.T
            elif kind == "CR3":
                adjust_by = np.linalg.inv(block[:, rows])
            pulls[j] = (bread[1] @ x[rows].T * w[rows]) @ adjust_by @ block
        table = pulls @ pulls.T
        error = sqrt(scale * ((pulls @ y) ** 2).sum())
        df = np.trace(table) ** 2 / (table**2).sum()
        assert left == pytest.approx(fit.residuals, abs=1e-10)
        assert cluster_error(fit, contrast, code, kind) == pytest.approx((error, df), rel=1e-8)
