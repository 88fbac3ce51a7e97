"""Effect sizes as the What Works Clearinghouse computes them, with the corrections for clusters.

Procedures Handbook 4.1 appendices E and F, Standards and Procedures Handbook 5.0 appendix E; one-arm clustering by
Hedges & Citkowitz 2015, doi:10.3758/s13428-014-0538-z. Signs follow the data: fewer absences is negative.
"""

from __future__ import annotations

from math import isfinite, log, sqrt
from typing import Any

import numpy as np
from scipy import optimize, stats

from evalkit.errors import UserError
from evalkit.measures import outcome_row

SCHOOL_YEAR = 180
ICC = {"achievement": 0.20, "attendance": 0.10}
"""Intraclass correlations the WWC assumes where a study reports none (Procedures Handbook 4.1, appendix F)."""


def omega(n: float) -> float:
    """The small-sample factor 1 - 3 / (4N - 9)."""
    return 1.0 - 3.0 / (4.0 * n - 9.0)


def pooled_sd(sd_treated: float, sd_comparison: float, n_treated: int, n_comparison: int) -> float:
    """Root of the pooled variance of the unadjusted outcome."""
    squares = (n_treated - 1) * sd_treated**2 + (n_comparison - 1) * sd_comparison**2
    return sqrt(squares / (n_treated + n_comparison - 2))


def hedges_g(difference: float, sd_treated: float, sd_comparison: float, n_treated: int,
             n_comparison: int) -> float | None:
    """omega * difference / pooled SD; the difference may be adjusted, the SD never is. None where the SD is zero."""
    spread = pooled_sd(sd_treated, sd_comparison, n_treated, n_comparison)
    return omega(n_treated + n_comparison) * difference / spread if spread > 0 else None


def did_g(change_treated: float, change_comparison: float, sd_after_treated: float, sd_after_comparison: float,
          n_treated: int, n_comparison: int) -> float | None:
    """Difference in changes over the pooled SD of the later measure (same measure before and after)."""
    return hedges_g(change_treated - change_comparison, sd_after_treated, sd_after_comparison, n_treated, n_comparison)


def cox_index(share_treated: float, share_comparison: float, n: int | None = None) -> float | None:
    """Difference in log odds / 1.65, times omega when n is given. None where a share is 0 or 1 (never infinity)."""
    if not (0 < share_treated < 1 and 0 < share_comparison < 1):
        return None
    odds = log(share_treated / (1 - share_treated)) - log(share_comparison / (1 - share_comparison))
    return (1.0 if n is None else omega(n)) * odds / 1.65


def g_from_t(t: float, n_treated: int, n_comparison: int) -> float:
    """omega * t * sqrt((nT + nC) / (nT nC))."""
    n = n_treated + n_comparison
    return omega(n) * t * sqrt(n / (n_treated * n_comparison))


def improvement_index(g: float) -> float:
    """Percentile points an average comparison student would move: 100 * (Phi(g) - 0.5), in g's own direction."""
    return 100.0 * (float(stats.norm.cdf(g)) - 0.5)


def days_per_180(share: float) -> float:
    """A difference in absence rate as days of a 180-day school year."""
    return SCHOOL_YEAR * share


def g_variance(g: float, n_treated: int, n_comparison: int, *, r2: float = 0.0, eta: float = 1.0,
               h: float | None = None, n_covariates: int = 0) -> float:
    """Sampling variance of g: (1/nT + 1/nC)(1 - R2) eta + g^2 / (2 (h - q))."""
    freedom = (n_treated + n_comparison if h is None else h) - n_covariates
    return (1 / n_treated + 1 / n_comparison) * (1 - r2) * eta + g**2 / (2 * freedom)


def cluster_df(n: float, per_cluster: float, icc: float) -> float:
    """Degrees of freedom h when both arms are clustered (WWC 5.0, equation E.21)."""
    total = (n - 2) - 2 * (per_cluster - 1) * icc
    rest = n - 2 * per_cluster
    spread = (n - 2) * (1 - icc) ** 2 + per_cluster * rest * icc**2 + 2 * rest * icc * (1 - icc)
    return total**2 / spread


def cluster_corrected_t(g: float, n_treated: int, n_comparison: int, n_clusters: int, *,
                        icc: float = ICC["attendance"]) -> dict[str, float]:
    """t, corrected t, df and p of an effect whose analysis ignored that whole clusters were assigned (F.1.0-F.1.4)."""
    n = n_treated + n_comparison
    per_cluster = n / n_clusters
    t = g / sqrt(n / (n_treated * n_comparison) + g**2 / (2 * n))
    shrink = ((n - 2) - 2 * (per_cluster - 1) * icc) / ((n - 2) * (1 + (per_cluster - 1) * icc))
    corrected, df = t * sqrt(shrink), cluster_df(n, per_cluster, icc)
    return {"t": t, "t_corrected": corrected, "df": df, "p_value": float(2 * stats.t.sf(abs(corrected), df))}


def one_arm_correction(n_treated: int, n_comparison: int, per_cluster: float, *,
                       icc: float = ICC["attendance"]) -> dict[str, float]:
    """eta, gamma and h when only the treated sit in clusters (students of one mentor)."""
    n, rest = n_treated + n_comparison, n_treated - per_cluster
    gamma = 1 - (n_comparison + per_cluster - 2) * icc / (n - 2)
    total = (n - 2) * (1 - icc) + rest * icc
    spread = (n - 2) * (1 - icc) ** 2 + rest * per_cluster * icc**2 + 2 * rest * (1 - icc) * icc
    return {"eta": 1 + (per_cluster * n_comparison / n - 1) * icc, "gamma": gamma, "h": total**2 / spread}


def two_arm_factor(n: int, per_cluster: float, icc: float) -> float:
    """The bias factor of a cluster-level effect size, sqrt(1 - 2 (n - 1) icc / (N - 2))."""
    return sqrt(1 - 2 * (per_cluster - 1) * icc / (n - 2))


def intraclass_correlation(values: Any, clusters: Any) -> float:
    """Share of the variance that lies between clusters (schools), from the study's own comparison rows.

    A mean and a random intercept, fitted by restricted maximum likelihood (Searle, Casella & McCulloch 1992, ch. 6), as
    lme4's lmer(y ~ 1 + (1 | cluster)). 0 where clusters differ no more than chance; UserError below two clusters.
    """
    y, codes = np.asarray(values, dtype=float), np.unique(np.asarray(clusters), return_inverse=True)[1]
    size = np.bincount(codes)
    if len(size) < 2 or len(y) <= len(size):
        raise UserError("An intraclass correlation needs two clusters with several students.",
                        remedy=f"Use the WWC's {ICC['attendance']} for attendance.")
    means = np.bincount(codes, y) / size
    inside = float(((y - means[codes]) ** 2).sum())

    def criterion(share: float) -> float:
        lift = 1 + size * share / (1 - share)
        weight = size / lift
        left = inside + weight @ (means - weight @ means / weight.sum()) ** 2
        return float((len(y) - 1) * np.log(left) + np.log(lift).sum() + np.log(weight.sum()))

    found = optimize.minimize_scalar(criterion, bounds=(0.0, 0.999), method="bounded", options={"xatol": 1e-12})
    return float(found.x) if found.fun < criterion(0.0) else 0.0


SIZES = ("hedges_g", "cox_index", "improvement_index", "days_per_180")
ENDS = ("ci_low", "ci_high")


def effect_sizes(estimate: Any) -> dict[str, float | None]:
    """The effect sizes of results.json for one Estimate; None for each that does not apply.

    hedges_g and the improvement index made from it have the ends of the estimate's own interval on their scale
    (`hedges_g_ci_low` ...): the small-sample factor is in both, the outcome's SD is taken as known. A Cox index comes
    from the shares of the arms, not from the estimate, and has none.
    """
    arms = estimate.details.get("arms", {})
    found: dict[str, float | None] = dict.fromkeys(
        (*SIZES, *(f"{size}_{end}" for size in ("hedges_g", "improvement_index") for end in ENDS)))
    if estimate.value is None:
        return found
    row = outcome_row(estimate.outcome)
    if arms and (row.kind == "flag" if row else arms.get("is_binary")):
        found["cox_index"] = _cox(estimate, arms)
    elif arms and _same_unit(estimate):
        found |= _g_with_interval(estimate, arms)
    size = found["hedges_g"] if found["hedges_g"] is not None else found["cox_index"]
    if size is not None and isfinite(size):
        found["improvement_index"] = improvement_index(size)
    in_school = row.in_school != 0 if row else "rate" in estimate.outcome or estimate.outcome.endswith("_days")
    if estimate.unit == "share" and in_school:
        found["days_per_180"] = days_per_180(estimate.value)
    return found


def _cox(estimate: Any, arms: Any) -> float | None:
    """The Cox index of the shares; of a change, the later index less the earlier (WWC 5.0, appendix E)."""
    n = estimate.n_treated + estimate.n_comparison
    later = cox_index(arms["mean_treated"], arms["mean_comparison"], n)
    before = estimate.details.get("arms_before")
    if before is None or later is None:
        return None if estimate.estimator == "did" else later
    earlier = cox_index(before["mean_treated"], before["mean_comparison"], n) if before["is_binary"] else None
    return None if earlier is None else later - earlier


def _g_with_interval(estimate: Any, arms: Any) -> dict[str, float | None]:
    """g of the estimate and of the ends of its interval, and the improvement index of those ends."""
    found: dict[str, float | None] = {}
    for name, value in (("hedges_g", estimate.value), *((f"hedges_g_{end}", getattr(estimate, end)) for end in ENDS)):
        found[name] = None if value is None else hedges_g(value, arms["sd_treated"], arms["sd_comparison"],
                                                          estimate.n_treated, estimate.n_comparison)
    for end in ENDS:
        g = found[f"hedges_g_{end}"]
        found[f"improvement_index_{end}"] = None if g is None else improvement_index(g)
    return found


def _same_unit(estimate: Any) -> bool:
    """Whether the effect is in the unit of the outcome's spread (a Poisson model of days speaks in shares)."""
    return not ((estimate.unit == "share" and estimate.outcome.endswith("_days")) or "log ratio" in estimate.unit)
