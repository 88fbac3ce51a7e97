"""Looking every month without fooling oneself: an anytime-valid confidence sequence and the words it earns.

Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, arXiv:2103.06476 (asymptotic confidence sequences; normal mixture).
Months add information to the same students, so time is counted in information, 1 / standard error squared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from evalkit.errors import UserError, must_be_one_of
from evalkit.estimators.linear import Array

VERDICTS = ("clearly_better", "leans_better", "no_clear_change", "leans_worse", "clearly_worse", "too_early", "too_few")
MIN_DAYS, MIN_ARM, LEAN = 20, 30, 0.80
"""standards 7.1: under 20 school days of follow-up is too early, under 30 students in an arm too few to judge alone."""
_TUNED = 2.0
"""The sequence is tightest at twice the information of the first look: known at the first look, so no peeking."""


@dataclass(frozen=True)
class MonthlyVerdict:
    """name: one of VERDICTS. probability_better: today's one-sided probability. ci: the sequence's bounds today."""

    name: str
    probability_better: float | None
    ci_low: float | None
    ci_high: float | None
    n_looks: int
    text: str


def tuning(at: float, alpha: float = 0.05) -> float:
    """The mixture variance rho^2 that makes the two-sided sequence tightest at time `at` (exact, Lambert W)."""
    return float(-special.lambertw(-(alpha**2) * np.exp(-1.0), -1).real - 1.0) / at


def margin(time: Array | float, rho2: float, alpha: float = 0.05, *, sided: int = 2) -> Array:
    """Half-width, in standard deviations of one observation, at sample size (or information) `time`."""
    grown = np.asarray(time, dtype=float) * rho2 + 1.0
    spread = 2.0 * grown / (np.asarray(time, dtype=float) ** 2 * rho2)
    inside = np.log(np.sqrt(grown) / alpha) if sided == 2 else np.log1p(np.sqrt(grown) / (2.0 * alpha))
    return np.sqrt(spread * inside)


def confidence_sequence(estimates: Any, standard_errors: Any, *, dfs: Any = None, alpha: float = 0.05, sided: int = 1,
                        tuned_at: float | None = None) -> pd.DataFrame:
    """Bounds that hold at every look together. One row per look: estimate, ci_low, ci_high.

    sided=1: each bound alone errs in at most alpha of null years; sided=2: both together. tuned_at: information at
    which it is tightest (default: twice that of the first look). Few degrees of freedom widen the error first.
    """
    must_be_one_of("sided", str(sided), ("1", "2"), error=UserError)
    value, error = np.asarray(estimates, dtype=float), np.asarray(standard_errors, dtype=float)
    if not np.isfinite(value).all() or not (error > 0).all():
        raise UserError("A look without an estimate or a standard error cannot enter a confidence sequence.",
                        remedy="Leave that month out.")
    if dfs is not None:
        error = _normal_error(value, error, np.asarray(dfs, dtype=float))
    information = 1.0 / error**2
    rho2 = tuning(tuned_at or _TUNED * information[0], alpha if sided == 2 else 2 * alpha)
    width = margin(information, rho2, alpha, sided=sided)
    return pd.DataFrame({"look": np.arange(1, len(value) + 1), "estimate": value, "standard_error": error,
                         "ci_low": value - width, "ci_high": value + width})


def _normal_error(value: Array, error: Array, df: Array) -> Array:
    """The standard error at which a normal statistic has the p the t statistic has (few clusters count less)."""
    known = np.isfinite(df) & (value != 0)
    statistic = np.abs(value[known]) / error[known]
    normal = -special.ndtri(special.stdtr(df[known], -statistic))
    wider = error.copy()
    wider[known] = np.abs(value[known]) / np.minimum(np.where(np.isfinite(normal), normal, statistic), statistic)
    return wider


def monthly_verdict(looks: pd.DataFrame, *, better: str = "lower", alpha: float = 0.05, min_days: int = MIN_DAYS,
                    min_arm: int = MIN_ARM) -> MonthlyVerdict:
    """The word this year's looks earn today.

    looks: a row per look, oldest first: estimate, standard_error, n_treated, n_comparison, follow_up_days, and df
    where few clusters carry it. better: "lower" where fewer is better. Looks before `min_days` of follow-up or below
    `min_arm` students do not count as looks (nothing was concluded from them).
    """
    must_be_one_of("better", better, ("lower", "higher"), error=UserError)
    if looks.empty or looks["follow_up_days"].iloc[-1] < min_days:
        return _word("too_early", len(looks), f"Under {min_days} school days of follow-up: too early to say.")
    if min(looks["n_treated"].iloc[-1], looks["n_comparison"].iloc[-1]) < min_arm:
        return _word("too_few", len(looks), f"Under {min_arm} students in a group: too few to judge alone.")
    is_large = looks[["n_treated", "n_comparison"]].min(axis=1) >= min_arm
    counted = looks[(looks["follow_up_days"] >= min_days) & is_large]
    counted = counted[counted["estimate"].notna() & counted["standard_error"].notna()]
    if counted.empty or counted.index[-1] != looks.index[-1]:
        return _word("too_few", len(looks), "Today's difference has no interval, so it is too little to judge alone.")
    return _judge(counted, -1.0 if better == "lower" else 1.0, alpha)


def verdict(looks: pd.DataFrame, **options: Any) -> str:
    """As `monthly_verdict`, the word alone."""
    return monthly_verdict(looks, **options).name


def _judge(looks: pd.DataFrame, sign: float, alpha: float) -> MonthlyVerdict:
    df = looks["df"].astype(float) if "df" in looks.columns else None
    band = confidence_sequence(looks["estimate"], looks["standard_error"], dfs=df, alpha=alpha).iloc[-1]
    statistic = sign * band["estimate"] / band["standard_error"]
    probability = float(special.ndtr(statistic))
    low, high = float(band["ci_low"]), float(band["ci_high"])
    good, bad = (high < 0, low > 0) if sign < 0 else (low > 0, high < 0)
    name = ("clearly_better" if good else "clearly_worse" if bad else "leans_better" if probability >= LEAN
            else "leans_worse" if probability <= 1 - LEAN else "no_clear_change")
    text = {"clearly_better": "Clearly better: the difference holds at every monthly look.",
            "clearly_worse": "Clearly worse: the difference holds at every monthly look.",
            "leans_better": f"Leans better: a {probability:.0%} chance today, not yet clear.",
            "leans_worse": f"Leans worse: a {1 - probability:.0%} chance today, not yet clear.",
            "no_clear_change": "No clear change."}[name]
    return MonthlyVerdict(name, probability, low, high, len(looks), text)


def _word(name: str, n_looks: int, text: str) -> MonthlyVerdict:
    return MonthlyVerdict(name, None, None, None, n_looks, text)
