"""Regression discontinuity: mentors went to students at or above a threshold, so compare just above with just below.

Hahn, Todd & van der Klaauw 2001, doi:10.1111/1468-0262.00183; bandwidth and robust bias-corrected interval of
Calonico, Cattaneo & Titiunik 2014, doi:10.3982/ECTA11757; density test of McCrary 2008. Own code: the one package
there is (rdrobust) draws plots at run time and is no light dependency; the tests compare with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from evalkit.errors import UserError, must_be_one_of
from evalkit.estimators.aggregate import cluster_sums
from evalkit.estimators.inference import cluster_codes
from evalkit.estimators.linear import Array
from evalkit.estimators.linear_estimate import unit_of
from evalkit.estimators.local_polynomial import Jump, Side, mse_bandwidths, side_jump
from evalkit.estimators.manipulation import density_test
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request, Sample, need_columns, numbers

_LEAST = 20
"""Students needed on each side within the bandwidth."""
_SHARP = 0.95
_LEAST_JUMP = 0.10
"""Jump in mentoring below which crossing the threshold hardly mattered, and its effect says nothing of mentoring."""
_FEW = 20
SENSITIVITY = (0.5, 0.75, 1.5, 2.0)


@dataclass(frozen=True)
class _Problem:
    """Signed distances (over: treated side), outcome, weights and clusters of students with a score."""

    away: Array
    over: NDArray[np.bool_]
    y: Array
    weight: Array
    treated: Array
    clusters: NDArray[np.intp] | None
    kind: str

    def sides(self, outcome: Array) -> tuple[Side, Side]:
        return tuple(Side(self.away[rows], outcome[rows], self.weight[rows])  # type: ignore[return-value]
                     for rows in (~self.over, self.over))


@dataclass(frozen=True)
class _Answer:
    value: float
    corrected: float
    error: float
    df: float | None


def run(sample: Sample, ask: Request) -> Estimate:
    """The jump at the threshold. Options: score (column), cutoff, bandwidth, side ("above" or "below").

    value: local linear, triangular weights, bandwidth with the least mean squared error unless given. Interval and p:
    robust bias-corrected, so the interval need not be centred on the value. details: bandwidths, jump in treatment
    and the effect per student moved, other bandwidths, density test.
    """
    problem = _problem(sample, ask)
    asked = ask.option("bandwidth")
    width, bias_width = ((float(asked), float(asked)) if asked else mse_bandwidths(*problem.sides(problem.y)))
    near = _near(problem, width)
    answer = _answer(problem, problem.y, width, bias_width)
    if not answer.error > 0:
        raise UserError("The outcome does not vary near the threshold, so nothing can be said about a jump.",
                        column=ask.outcome, remedy="Give a wider bandwidth, or choose another outcome.")
    taken = _answer(problem, problem.treated, width, bias_width)
    _refuse_no_jump(taken.value)
    density = density_test(problem.away)
    details: dict[str, Any] = {
        "again": {name: ask.option(name) for name in ("score", "cutoff", "side") if ask.option(name) is not None},
        "bandwidth": width, "bias_bandwidth": bias_width, "bandwidth_chosen": "given" if asked else "mse",
        "bias_corrected_value": answer.corrected, "jump_in_treatment": taken.value, "density_test": density,
        "heaping_p": density["p_value"], "per_student_moved": _moved(problem, answer, taken, width, bias_width, ask),
        "other_bandwidths": [_other(problem, width * factor, bias_width * factor, factor, ask)
                             for factor in SENSITIVITY]}
    return _record(problem, answer, near, ask, sample, details, _caveats(taken.value, density, answer, width))


def _problem(sample: Sample, ask: Request) -> _Problem:
    score, cutoff = ask.option("score"), ask.option("cutoff")
    if score is None or cutoff is None:
        raise UserError("A regression discontinuity needs the score and the threshold mentors were given by.",
                        remedy='Say score="prior_absence_rate" and cutoff=0.10.')
    need_columns(sample.frame, [score, *([ask.clustered_by] if isinstance(ask.clustered_by, str) else [])],
                 what="The regression discontinuity")
    side = ask.option("side", "above")
    must_be_one_of("side", side, ("above", "below"), error=UserError)
    away = numbers(sample.frame[score]) - float(cutoff)
    away = away if side == "above" else -away
    over = away >= 0 if side == "above" else away > 0
    known = ~np.isnan(away)
    kind, codes = _errors_asked(sample, ask)
    return _Problem(away[known], over[known], sample.y[known], sample.weights[known], sample.treated[known],
                    None if codes is None else codes[known], kind)


def _errors_asked(sample: Sample, ask: Request) -> tuple[str, NDArray[np.intp] | None]:
    """Clusters only where they were named: schools then, with CR1; else each student alone."""
    kind = "HC1" if ask.standard_errors == "robust" else ask.standard_errors
    if ask.clustered_by is None:
        if kind == "CR1":
            raise UserError("CR1 needs clusters.", remedy='Say clustered_by = "school_id".')
        return kind, None
    if not isinstance(ask.clustered_by, str):
        raise UserError("A regression discontinuity takes one clustering.", remedy="Name one column in clustered_by.")
    codes = cluster_codes(sample.frame[ask.clustered_by])
    if len(np.unique(codes)) < 3:
        raise UserError("There are fewer than three clusters, so no standard error can be had.",
                        column=ask.clustered_by, remedy="Leave clustered_by out and say: for these schools.")
    return "CR1", codes


def _near(problem: _Problem, width: float) -> NDArray[np.bool_]:
    near = np.abs(problem.away) < width
    if min(int((near & problem.over).sum()), int((near & ~problem.over).sum())) < _LEAST:
        raise UserError(f"Fewer than {_LEAST} students lie on one side of the threshold within the bandwidth.",
                        remedy="Give a wider bandwidth, or another design.")
    return near


def _answer(problem: _Problem, outcome: Array, width: float, bias_width: float) -> _Answer:
    below, above = (side_jump(side, width, bias_width) for side in problem.sides(outcome))
    error, df = _error(problem, below, above)
    return _Answer(above.value - below.value, above.corrected - below.corrected, error, df)


def _error(problem: _Problem, below: Jump, above: Jump) -> tuple[float, float | None]:
    """Standard error of the bias-corrected jump; clusters are summed over both sides."""
    if problem.clusters is not None:
        scores = np.zeros(len(problem.y))
        for rows, jump, sign in ((~problem.over, below, -1.0), (problem.over, above, 1.0)):
            scores[rows] = sign * jump.weights * jump.residuals
        used = below.n + above.n
        sums = cluster_sums(scores[:, None], problem.clusters)
        groups = len(sums)
        return float(np.sqrt((sums**2).sum() * groups / (groups - 1) * (used - 1) / (used - 6))), float(groups - 1)
    power = {"HC0": 0.0, "HC1": 0.0, "HC2": 1.0, "HC3": 2.0}[problem.kind]
    total = sum(float(((jump.weights * jump.residuals) ** 2 / np.maximum(1 - jump.leverage, 1e-8) ** power).sum())
                * (jump.n / (jump.n - 3) if problem.kind == "HC1" else 1.0) for jump in (below, above))
    return float(np.sqrt(total)), None


def _reach(answer: _Answer, ask: Request) -> float:
    tail = stats.t(answer.df) if answer.df else stats.norm
    return float(tail.ppf((1 + ask.level) / 2) * answer.error)


def _other(problem: _Problem, width: float, bias_width: float, factor: float, ask: Request) -> dict[str, Any]:
    """The same at another bandwidth, None where too few students are left."""
    row: dict[str, Any] = {"factor": factor, "bandwidth": width, "value": None, "ci_low": None, "ci_high": None}
    try:
        _near(problem, width)
        found = _answer(problem, problem.y, width, bias_width)
    except UserError:
        return row
    reach = _reach(found, ask)
    return row | {"value": found.value, "ci_low": found.corrected - reach, "ci_high": found.corrected + reach}


def _refuse_no_jump(taken: float) -> None:
    if taken <= -_LEAST_JUMP:
        raise UserError(f"Mentoring falls at the threshold (by {-taken:.0%}): mentors went to students on the other "
                        "side of it.",
                        remedy='Write side = "below" for mentors at scores below the threshold, else "above".')
    if taken < _LEAST_JUMP:
        raise UserError(f"Mentoring does not jump at the threshold (by {taken:+.0%}), so the threshold did not decide "
                        "who got a mentor.", remedy="Check score, cutoff and side; else use another design.")


def _moved(problem: _Problem, answer: _Answer, taken: _Answer, width: float, bias_width: float,
           ask: Request) -> dict[str, Any] | None:
    """Jump in the outcome per jump in mentoring (fuzzy design), by the delta method; None where it hardly jumps."""
    if not 0.05 < taken.value < _SHARP:
        return None
    ratio, corrected = answer.value / taken.value, answer.corrected / taken.corrected
    left = _answer(problem, problem.y - ratio * problem.treated, width, bias_width)
    moved = _Answer(ratio, corrected, left.error / abs(taken.value), answer.df)
    reach = _reach(moved, ask)
    return {"value": ratio, "standard_error": moved.error, "ci_low": corrected - reach, "ci_high": corrected + reach}


def _caveats(taken: float, density: dict[str, Any], answer: _Answer, width: float) -> tuple[str, ...]:
    said = [f"About students near the threshold (within {width:.3g} of it); it says nothing about others.",
            "The interval allows for the bias of the lines fitted on either side, so it is not centered on the number."]
    if taken < _SHARP:
        said.append(f"Mentoring jumps by {taken:.0%} at the threshold, not from none to all: this is the effect of "
                    "crossing it, not of having a mentor.")
    if density["p_value"] is not None and density["p_value"] < 0.05:
        said.append("There are many more students on one side of the threshold than on the other: the score may have "
                    "been moved on purpose.")
    if answer.df and answer.df + 1 < _FEW:
        said.append(f"{int(answer.df) + 1} clusters: too few for this standard error to be trusted to the digit.")
    return tuple(said)


def _record(problem: _Problem, answer: _Answer, near: NDArray[np.bool_], ask: Request, sample: Sample,
            details: dict[str, Any], caveats: tuple[str, ...]) -> Estimate:
    reach = _reach(answer, ask)
    tail = stats.t(answer.df) if answer.df else stats.norm
    return Estimate(
        comparison=ask.comparison, estimator=ask.estimator, estimand="effect at the threshold", outcome=ask.outcome,
        unit=unit_of(ask.outcome, ask.unit), value=answer.value, standard_error=answer.error,
        ci_low=answer.corrected - reach, ci_high=answer.corrected + reach, df=answer.df,
        p_value=float(2 * tail.sf(abs(answer.corrected) / answer.error)), n_treated=int((near & problem.over).sum()),
        n_comparison=int((near & ~problem.over).sum()), standard_errors=problem.kind, level=ask.level,
        clustered_by=ask.clustered_by if isinstance(ask.clustered_by, str) else "",
        caveats=(*sample.caveats, *caveats), details={"n_rows": len(problem.y), **details})
