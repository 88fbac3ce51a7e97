"""Power: the smallest effect a study can see, and how many students it would take (planning)."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

from scipy import stats

from evalkit.checks.context import DAYS, Context
from evalkit.checks.result import CheckResult
from evalkit.errors import UserError

_GOOD, _SOME = 4.2, 9.0
"""Days a year: the best causal anchor for mentoring (Check & Connect) and the largest published figure."""


@dataclass(frozen=True)
class Design:
    """standard_error of the effect in SDs, and its degrees of freedom."""

    standard_error: float
    df: float

    def mdes(self, *, alpha: float = 0.05, power: float = 0.80) -> float:
        """Minimum detectable effect size, in SDs (two-sided)."""
        return multiplier(self.df, alpha=alpha, power=power) * self.standard_error

    def power(self, effect: float, *, alpha: float = 0.05) -> float:
        """Chance of a significant result when the true effect is `effect` SDs (noncentral t)."""
        shift, edge = abs(effect) / self.standard_error, stats.t.ppf(1 - alpha / 2, self.df)
        return float(stats.nct.sf(edge, self.df, shift) + stats.nct.cdf(-edge, self.df, shift))


def multiplier(df: float, *, alpha: float = 0.05, power: float = 0.80) -> float:
    """Bloom's multiplier, t(1 - alpha/2) + t(power)."""
    return float(stats.t.ppf(1 - alpha / 2, df) + stats.t.ppf(power, df))


def students_assigned(n: int, *, share: float = 0.5, r2: float = 0.0, n_covariates: int = 0) -> Design:
    """Students assigned one by one (PowerUpR ira1r1)."""
    return Design(sqrt((1 - r2) / (share * (1 - share) * n)), n - n_covariates - 2)


def schools_assigned(n_schools: int, per_school: float, icc: float, *, share: float = 0.5, r2: float = 0.0,
                     r2_schools: float = 0.0, n_school_covariates: int = 0) -> Design:
    """Whole schools assigned (PowerUpR cra2)."""
    split = share * (1 - share) * n_schools
    variance = icc * (1 - r2_schools) / split + (1 - icc) * (1 - r2) / (split * per_school)
    return Design(sqrt(variance), n_schools - n_school_covariates - 2)


def students_in_schools(n_schools: int, per_school: float, *, icc: float = 0.0, omega: float = 0.0,
                        share: float = 0.5, r2: float = 0.0, r2_effect: float = 0.0, n_covariates: int = 0,
                        effect: str = "fixed") -> Design:
    """Students assigned within schools whose effect is fixed, constant or random (PowerUpR bira2f1, bira2c1, bira2)."""
    within = (1 - icc) * (1 - r2) / (share * (1 - share) * n_schools * per_school)
    if effect == "random":
        return Design(sqrt(icc * omega * (1 - r2_effect) / n_schools + within), n_schools - n_covariates - 1)
    lost = 2 if effect == "fixed" else 1
    df = n_schools * (per_school - lost) - n_covariates - (1 if effect == "constant" else 0)
    return Design(sqrt(within), df)


def students_with_mentors(n: int, per_mentor: float, icc: float, *, share: float = 0.5, r2: float = 0.0) -> Design:
    """Only the treated sit in groups, one per mentor (PowerUpR ira_pn, Satterthwaite df)."""
    n_treated, n_comparison = share * n, (1 - share) * n
    n_mentors = n_treated / per_mentor
    treated = (icc / (1 - icc) + 1 / per_mentor) * (1 - r2) / n_mentors
    comparison = (1 - r2) / n_comparison
    df = (treated + comparison) ** 2 / (treated**2 / (n_mentors - 1) + comparison**2 / (n_comparison - 1))
    return Design(sqrt(treated + comparison), df)


def students_needed(effect_days: float, *, sd_days: float, share: float = 0.5, r2: float = 0.5,
                    per_mentor: float = 15.0, icc: float = 0.0, power: float = 0.80, alpha: float = 0.05) -> int:
    """How many students in all (mentored and not) a study needs to see an effect of this many days a year.

    sd_days: SD of days absent a year; r2: what earlier attendance explains; icc: likeness of one mentor's students.
    """
    if not effect_days or sd_days <= 0:
        raise UserError("Planning needs an effect above zero and the spread of days absent.",
                        remedy="Say effect_days=4 and sd_days from last year's attendance.")
    target = abs(effect_days) / sd_days
    n = ceil(2.2 * per_mentor / share)  # two mentors at least
    while students_with_mentors(n, per_mentor, icc, share=share, r2=r2).mdes(alpha=alpha, power=power) > target:
        n = ceil(n * 1.01) + 1
        if n > 10_000_000:
            raise UserError("No number of students can show an effect this small.", remedy="Plan for a larger effect.")
    return n


def run(context: Context) -> CheckResult:
    """The smallest effect this estimate could have seen with power 80 %, from its own standard error.

    Passes where that is at most the published anchor, and at most the study's own effect where it claims one: a clear
    effect smaller than what the study can reliably see is likely too large (winner's curse).
    """
    estimate = context.estimate
    if estimate.standard_error is None:
        return CheckResult("power", "fail", None,
                           f"This study cannot say how small an effect it could see. {estimate.reason}")
    df = estimate.df or 1e6
    smallest = multiplier(df) * estimate.standard_error
    if not (context.is_about_absence and estimate.unit == "share"):
        verdict, shown = "pass" if abs(context.value) >= smallest else "caution", context.in_words(smallest)
    else:
        days = smallest * DAYS
        reach = min(_GOOD, max(abs(context.value) * DAYS, 0.0)) if context.is_clear else _GOOD
        verdict, shown = "pass" if days <= reach else "caution" if days <= _SOME else "fail", f"{days:.1f} days a year"
    text = (f"With these students an effect of {shown} or more would be seen in four studies of five"
            + (f"; the best randomized study of mentoring found {_GOOD} days." if context.is_about_absence else ".")
            + (" The effect found is smaller than that, so it may well be too large." if context.is_clear
               and abs(context.value) < smallest else ""))
    return CheckResult("power", verdict, smallest, text, {"df": df})
