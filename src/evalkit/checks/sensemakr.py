"""Omitted-variable bias in terms of partial R2: robustness values and bounds by what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy import stats

from evalkit.checks.context import Context
from evalkit.checks.result import CheckResult, not_run
from evalkit.estimators.design import design_matrix
from evalkit.estimators.linear import Array, Fit, weighted_least_squares
from evalkit.estimators.sample import Sample


def partial_r2(t: float, df: float) -> float:
    """Share of leftover variance explained by a regressor with this t."""
    return t**2 / (t**2 + df)


def robustness_value(t: float, df: float, *, q: float = 1.0, alpha: float | None = None) -> float:
    """Partial R2 a hidden cause needs with both treatment and outcome to undo q of the effect (or significance)."""
    f = q * abs(t / sqrt(df))
    critical = 0.0 if alpha is None else abs(stats.t.ppf(alpha / 2, df - 1)) / sqrt(df - 1)
    left = f - critical
    if left < 0:
        return 0.0
    if critical and f > 1 / critical:
        return (f**2 - critical**2) / (1 + f**2)
    return 0.5 * (sqrt(left**4 + 4 * left**2) - left**2)


@dataclass(frozen=True)
class Adjusted:
    """What is left of an estimate under a hidden cause of the given strength."""

    r2_treatment: float
    r2_outcome: float
    estimate: float
    standard_error: float
    t: float


def adjust(estimate: float, standard_error: float, df: float, r2_treatment: float, r2_outcome: float) -> Adjusted:
    """Estimate and error once a hidden cause with these partial R2 is taken out (towards zero)."""
    bias = sqrt(r2_outcome * r2_treatment / (1 - r2_treatment)) * standard_error * sqrt(df)
    value = np.sign(estimate) * (abs(estimate) - bias)
    error = sqrt((1 - r2_outcome) / (1 - r2_treatment)) * standard_error * sqrt(df / (df - 1))
    t = float(value / error) if error else float(np.sign(value)) * float("inf")
    return Adjusted(r2_treatment, r2_outcome, float(value), error, t)


def benchmark_bound(r2_treatment: float, r2_outcome: float, k: float = 1.0) -> tuple[float, float] | None:
    """Partial R2 of a hidden cause k times as strong as a measured one; None where none that strong can exist."""
    with_treatment = k * r2_treatment / (1 - r2_treatment)
    if with_treatment >= 1:
        return None
    tied = k * r2_treatment**2 / ((1 - k * r2_treatment) * (1 - r2_treatment))
    if tied >= 1:
        return None
    with_outcome = ((sqrt(k) + sqrt(tied)) / sqrt(1 - tied)) ** 2 * r2_outcome / (1 - r2_outcome)
    return with_treatment, min(with_outcome, 1.0)


def _t(fit: Fit, name: str) -> float:
    """The ordinary t of a coefficient."""
    index = fit.names.index(name)
    variance = (fit.weights * fit.residuals**2).sum() / (fit.n - fit.rank)
    return float(fit.coef[index] / sqrt(variance * fit.bread[index, index]))


def benchmark_strengths(design: Array, names: tuple[str, ...], outcome: Array,
                        weights: Array) -> dict[str, tuple[float, float]]:
    """(partial R2 with treatment, partial R2 with outcome) of every covariate column."""
    with_outcome = weighted_least_squares(design, outcome, weights, names)
    column = names.index("treated")
    rest = tuple(name for name in names if name != "treated")
    with_treatment = weighted_least_squares(np.delete(design, column, axis=1), design[:, column], weights, rest)
    freedom = with_outcome.n - with_outcome.rank
    return {name: (partial_r2(_t(with_treatment, name), freedom + 1), partial_r2(_t(with_outcome, name), freedom))
            for name in rest if name in with_outcome.names and name in with_treatment.names and name != "(intercept)"}


_LITTLE = 0.05
"""Robustness value of the significance below which a weak hidden cause is enough to undo it."""


def run(context: Context) -> CheckResult:
    """Robustness value, and what a hidden cause as strong as the strongest measured one would leave."""
    if context.estimate.estimator not in ("regression_adjusted", "poisson", "logistic") or not context.covariates:
        return not_run("sensemakr", "it needs a regression with covariates.")
    sample = Sample(context.rows, context.estimate.outcome)
    design, names = design_matrix(sample, context.covariates, context.exact)
    fit = weighted_least_squares(design, sample.y, sample.weights, names)
    t, df = _t(fit, "treated"), float(fit.n - fit.rank)
    value = float(fit.coef[fit.names.index("treated")])
    strengths = benchmark_strengths(design, names, sample.y, sample.weights)
    if not strengths:
        return not_run("sensemakr", "no covariate is left to compare a hidden cause with.")
    strengths = {name: strengths[name] for name in strengths if name in context.covariates} or strengths
    name = max(strengths, key=lambda one: min(strengths[one]))
    bound = benchmark_bound(*strengths[name])
    rv, rva = robustness_value(t, df), robustness_value(t, df, alpha=0.05)
    left = adjust(value, value / t, df, *bound) if bound else None
    verdict = _verdict(value, left, df) if context.is_clear else "caution"
    if verdict == "pass" and rva < _LITTLE:
        verdict = "caution"
    text = (f"A hidden cause would have to explain {rv:.1%} of what is left of both mentoring and {context.what} to "
            f"undo the whole effect ({rva:.1%} to undo its significance). "
            + (f'One as strong as "{name}" would leave {context.outcome_words(left.estimate)}.' if left else
               f'"{name}" is so strong that no hidden cause like it can exist.')
            + ("" if context.is_clear else " The interval holds no effect already, so there is little to undo."))
    return CheckResult("sensemakr", verdict, rv, text, {"robustness_value": rv, "robustness_value_alpha": rva,
                                                       "benchmark": name, "partial_r2": partial_r2(t, df)})


def _verdict(value: float, left: Adjusted | None, df: float) -> str:
    if left is None:
        return "caution"
    if left.estimate * value <= 0:
        return "fail"
    return "pass" if abs(left.t) > stats.t.ppf(0.975, df - 1) else "caution"
