"""Rosenbaum bounds: how much likelier may one of a pair be treated, for a hidden reason, before this is undone?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from evalkit.checks.context import Context
from evalkit.checks.result import CheckResult, not_run
from evalkit.estimators.linear import Array
from evalkit.estimators.sample import numbers

_STRONG, _SOME = 1.5, 1.2
_MOST = 50.0


@dataclass(frozen=True)
class SignedRank:
    """Ranks of non-zero differences (mid-ranks for ties) and the statistic: the sum of the positive ones."""

    ranks: Array
    statistic: float

    @classmethod
    def of(cls, differences: Array) -> SignedRank:
        some = differences[differences != 0]
        ranks = stats.rankdata(np.abs(some))
        return cls(ranks, float(ranks[some > 0].sum()))

    def p_bounds(self, gamma: float) -> tuple[float, float]:
        """(largest, smallest) one-sided p at a hidden bias of gamma; normal approximation, no continuity correction."""
        share = gamma / (1 + gamma)
        spread = np.sqrt(share * (1 - share) * (self.ranks**2).sum())
        total = self.ranks.sum()
        upper = stats.norm.sf((self.statistic - share * total) / spread)
        lower = stats.norm.sf((self.statistic - total / (1 + gamma)) / spread)
        return float(upper), float(lower)


def critical_gamma(differences: Array, alpha: float = 0.05) -> float | None:
    """The hidden bias at which the largest p reaches alpha; None where it is above alpha already at 1."""
    ranked = SignedRank.of(differences)
    if not len(ranked.ranks) or ranked.p_bounds(1.0)[0] > alpha:
        return None
    if ranked.p_bounds(_MOST)[0] <= alpha:
        return _MOST
    return float(brentq(lambda gamma: ranked.p_bounds(gamma)[0] - alpha, 1.0, _MOST, xtol=1e-10))


def hodges_lehmann_bounds(differences: Array, gamma: float) -> tuple[float, float]:
    """Smallest and largest constant effect that a hidden bias of gamma could leave (Rosenbaum 1993).

    The signed-rank statistic at an effect counts the pairwise averages above it, so bounds are quantiles of these.
    At gamma 1 zero differences are left out, as wilcox.test does, from which rbounds starts its search.
    """
    used = differences[differences != 0] if gamma == 1 else differences
    first, second = np.triu_indices(len(used))
    averages = np.sort((used[first] + used[second]) / 2)
    return tuple(_crossing(averages, share)  # type: ignore[return-value]
                 for share in (gamma / (1 + gamma), 1 / (1 + gamma)))


def _crossing(averages: Array, share: float) -> float:
    """Where `share` of the averages lie above; the middle of a gap when that is exact."""
    place = len(averages) * (1 - share)
    at = min(int(np.floor(place + 1e-9)), len(averages) - 1)
    exact = abs(place - round(place)) < 1e-9 and at > 0
    return float((averages[at - 1] + averages[at]) / 2 if exact else averages[at])


def mcnemar_bounds(n_favorable: int, n_unfavorable: int, gamma: float) -> tuple[float, float]:
    """(largest, smallest) one-sided exact p of discordant pairs at a hidden bias of gamma."""
    n = n_favorable + n_unfavorable
    return tuple(float(stats.binom.sf(n_favorable - 1, n, share))  # type: ignore[return-value]
                 for share in (gamma / (1 + gamma), 1 / (1 + gamma)))


def mcnemar_normal(n_favorable: int, n_unfavorable: int, gamma: float) -> float:
    """The largest p by the normal approximation with continuity correction."""
    n, share = n_favorable + n_unfavorable, gamma / (1 + gamma)
    return float(stats.norm.sf((n_favorable - 0.5 - n * share) / np.sqrt(n * share * (1 - share))))


def set_differences(context: Context) -> Array:
    """Per matched set, the mean of its partners less the treated (fewer absences is a benefit, above zero)."""
    rows = context.rows
    if "subclass" not in rows.columns or rows["subclass"].isna().all():
        return np.array([])
    y = numbers(rows[context.estimate.outcome])
    if context.estimate.estimator == "did":
        y = y - numbers(rows[context.estimate.details["before"]])
    frame = rows.assign(_y=y, _wy=y * rows["weight"].to_numpy(dtype=float))[rows["subclass"].notna().to_numpy()]
    sums = frame.groupby(["subclass", "treated"], sort=True)[["_wy", "weight"]].sum()
    means = (sums["_wy"] / sums["weight"]).unstack("treated")
    return (means[0.0] - means[1.0]).dropna().to_numpy(dtype=float)


def run(context: Context) -> CheckResult:
    """The critical gamma of the signed-rank test on matched sets, in the direction of the estimate."""
    if context.months is not None:
        return not_run("rosenbaum", "it is made for one outcome a student, and this estimate is a change over months.")
    differences = set_differences(context)
    if len(differences) < 10:
        return not_run("rosenbaum", "it needs at least ten matched sets.")
    if context.value > 0:
        differences = -differences
    gamma = critical_gamma(differences)
    if gamma is None:
        return CheckResult("rosenbaum", "caution", 1.0, "The matched sets alone do not show a difference beyond "
                           "chance, so there is nothing for a hidden cause to undo.")
    verdict = "pass" if gamma >= _STRONG else "caution" if gamma >= _SOME else "fail"
    text = (f"If, within matched sets, some hidden reason made one student {gamma:.2f} times as likely to be mentored, "
            "chance could explain the result; anything weaker could not.")
    return CheckResult("rosenbaum", verdict, gamma, text, {"n_sets": len(differences)})
