"""Regression discontinuity: mentors went to students at or above a threshold, so compare just above with just below.

Hahn, Todd & van der Klaauw 2001, doi:10.1111/1468-0262.00183; interval by a local quadratic of the same bandwidth,
the robust bias correction of Calonico, Cattaneo & Titiunik 2014, doi:10.3982/ECTA11757, with equal bandwidths.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from evalkit.errors import UserError
from evalkit.estimators.linear import Array, Fit, weighted_least_squares
from evalkit.estimators.linear_estimate import from_fit
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request, Sample, need_columns, numbers

_LEAST = 20
"""Students needed on each side within the bandwidth."""
_SHARP = 0.95


def run(sample: Sample, ask: Request) -> Estimate:
    """The jump at the threshold. Options: score (column), cutoff, bandwidth, side ("above" or "below").

    value: local linear, triangular weights. Interval and p: local quadratic (bias-corrected), so the interval need not
    be centred on the value. details: jump in treatment, other bandwidths, a test for heaping at the threshold.
    """
    score, cutoff = ask.option("score"), ask.option("cutoff")
    if score is None or cutoff is None:
        raise UserError("A regression discontinuity needs the score and the threshold mentors were given by.",
                        remedy='Say score="prior_absence_rate" and cutoff=0.10.')
    need_columns(sample.frame, [score], what="score")
    away = numbers(sample.frame[score]) - float(cutoff)
    sign = 1.0 if ask.option("side", "above") == "above" else -1.0
    away = sign * away
    over = (away >= 0) if sign > 0 else (away > 0)
    width = float(ask.option("bandwidth", _rule_of_thumb(away)))
    near = _near(sample, away, over, width)
    linear, quadratic = (_fit(sample, away, over, near, width, degree) for degree in (1, 2))
    here = Sample(sample.frame[near].reset_index(drop=True), sample.outcome)
    made = from_fit(quadratic, here, replace(ask, estimand="effect at the threshold"))
    return _record(made, linear, sample, away, over, width, near)


def _rule_of_thumb(away: Array) -> float:
    """1.84 SD n^(-1/5) (Imbens & Kalyanaraman 2012 call this the pilot bandwidth)."""
    known = away[~np.isnan(away)]
    return float(1.84 * known.std(ddof=1) * len(known) ** -0.2)


def _near(sample: Sample, away: Array, over: NDArray[np.bool_], width: float) -> NDArray[np.bool_]:
    near = np.abs(away) < width
    if min(int((near & over).sum()), int((near & ~over).sum())) < _LEAST:
        raise UserError(f"Fewer than {_LEAST} students lie on one side of the threshold within the bandwidth.",
                        remedy="Give a wider bandwidth, or another design.")
    return near


def _fit(sample: Sample, away: Array, over: NDArray[np.bool_], near: NDArray[np.bool_], width: float, degree: int,
         outcome: Array | None = None) -> Fit:
    x, side = away[near] / width, over[near].astype(float)
    powers = [x**power for power in range(1, degree + 1)]
    design = np.column_stack([np.ones(len(x)), *powers, *(side * power for power in powers), side])
    names = ("(intercept)", *(f"x{power}" for power in range(2 * degree)), "treated")
    weights = sample.weights[near] * (1 - np.abs(x))
    return weighted_least_squares(design, (sample.y if outcome is None else outcome)[near], weights, names)


def _record(made: Estimate, linear: Fit, sample: Sample, away: Array, over: NDArray[np.bool_], width: float,
            near: NDArray[np.bool_]) -> Estimate:
    jump = _fit(sample, away, over, near, width, 1, outcome=sample.treated)
    taken = float(jump.coef[jump.names.index("treated")])
    others = {f"bandwidth x {factor}": _other(sample, away, over, width * factor) for factor in (0.5, 2.0)}
    slim = np.abs(away) < width / 4
    heaping = float(stats.binomtest(int((slim & over).sum()), max(int(slim.sum()), 1)).pvalue)
    fuzzy = ((f"Mentoring jumps by {taken:.0%} at the threshold, not from none to all: this is the effect of crossing "
              "it, not of having a mentor.",) if taken < _SHARP else ())
    heaped = (("There are many more students on one side of the threshold than on the other: the score may have been "
               "moved on purpose.",) if heaping < 0.05 else ())
    details: dict[str, Any] = {**made.details, "bandwidth": width, "jump_in_treatment": taken, "heaping_p": heaping,
                               "bias_corrected_value": made.value, **others}
    value = float(linear.coef[linear.names.index("treated")]) if made.value is not None else None
    return replace(made, value=value, n_treated=int((near & over).sum()), n_comparison=int((near & ~over).sum()),
                   caveats=(*made.caveats, *fuzzy, *heaped), details=details)


def _other(sample: Sample, away: Array, over: NDArray[np.bool_], width: float) -> float | None:
    try:
        fit = _fit(sample, away, over, _near(sample, away, over, width), width, 1)
    except UserError:
        return None
    return float(fit.coef[fit.names.index("treated")])
