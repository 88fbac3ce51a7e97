"""Attrition against the WWC boundary: overall and differential loss, cautious and optimistic columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from evalkit.checks.context import Context
from evalkit.checks.result import CheckResult, not_run
from evalkit.errors import must_be_one_of

BOUNDARY: dict[str, tuple[float, ...]] = {
    "cautious": (
        5.7, 5.8, 5.9, 5.9, 6.0, 6.1, 6.2, 6.3, 6.3, 6.3, 6.3, 6.2, 6.2, 6.1, 6.0, 5.9, 5.9, 5.8, 5.7, 5.5, 5.4, 5.3,
        5.2, 5.1, 4.9, 4.8, 4.7, 4.5, 4.4, 4.3, 4.1, 4.0, 3.8, 3.6, 3.5, 3.3, 3.2, 3.1, 2.9, 2.8, 2.6, 2.5, 2.3, 2.1,
        2.0, 1.8, 1.6, 1.5, 1.3, 1.2, 1.0, 0.9, 0.7, 0.6, 0.4, 0.3, 0.2, 0.0),
    "optimistic": (
        10.0, 10.1, 10.2, 10.3, 10.4, 10.5, 10.7, 10.8, 10.9, 10.9, 10.9, 10.9, 10.9, 10.8, 10.8, 10.7, 10.6, 10.5,
        10.3, 10.2, 10.0, 9.9, 9.7, 9.5, 9.4, 9.2, 9.0, 8.8, 8.6, 8.4, 8.2, 8.0, 7.8, 7.6, 7.4, 7.2, 7.0, 6.7, 6.5,
        6.3, 6.0, 5.8, 5.6, 5.3, 5.1, 4.9, 4.6, 4.4, 4.2, 3.9, 3.7, 3.5, 3.2, 3.0, 2.8, 2.6, 2.3, 2.1, 1.9, 1.6, 1.4,
        1.1, 0.9, 0.7, 0.5, 0.3),
}
"""WWC Standards Handbook 4.1, Table II.1: largest differential loss (percentage points) at each whole percent lost."""
_ALPHAS = {"cautious": (0.45, 0.39), "optimistic": (0.27, 0.22)}
_ROUNDING = 1e-9


def attrition_boundary(overall: float, assumption: str = "cautious") -> float:
    """Largest differential attrition (a share) that still counts as low; NaN beyond the table."""
    must_be_one_of("assumption", assumption, list(BOUNDARY))
    row = BOUNDARY[assumption]
    if not 0 <= overall * 100 <= len(row) - 1 + _ROUNDING:
        return float("nan")
    return float(np.interp(overall * 100, np.arange(len(row)), row)) / 100


def attrition_rating(overall: float, differential: float, assumption: str = "cautious") -> str:
    """low or high. Between whole percents the boundary is interpolated; beyond the table attrition is high."""
    bound = attrition_boundary(overall, assumption)
    return "low" if abs(differential) <= bound + _ROUNDING else "high"


def attrition_bias(overall: float, differential: float, assumption: str = "cautious") -> float:
    """The bias in SDs that this loss could make under the WWC's model (the formula behind the table)."""
    one, zero = _ALPHAS[assumption]
    response = 1 - overall - differential / 2, 1 - overall + differential / 2
    parts = [alpha * stats.norm.pdf(stats.norm.ppf(1 - p)) / p for alpha, p in zip((one, zero), response, strict=True)]
    return float(parts[0] - parts[1])


def boundary_by_formula(overall: float, assumption: str = "cautious", *, most: float = 0.055) -> float:
    """The differential at which the modelled bias reaches `most`; a check on the table."""
    top = 2 * min(overall, 1 - overall) - 1e-9 if overall else 0.0
    return float(brentq(lambda d: attrition_bias(overall, d, assumption) - most, 0.0, top)) if top else float("nan")


def run(context: Context) -> CheckResult:
    """Who was chosen (or drawn) and is not in the result: low by the cautious column passes.

    The boundary is the WWC's rule for lotteries. Without one the WWC asks how alike the students in the result were at
    the start, so there it is only a yardstick, and the sentence says so.
    """
    counts = context.given.get("attrition") or getattr(context.comparison, "details", {}).get("attrition")
    if not counts or min(counts[arm]["n"] for arm in ARMS) == 0:
        return not_run("attrition", "nobody counted who was left out for lack of an outcome.")
    left = {arm: _left(counts[arm]) / counts[arm]["n"] for arm in ARMS}
    overall = sum(_left(counts[arm]) for arm in ARMS) / sum(counts[arm]["n"] for arm in ARMS)
    gap = abs(left["treated"] - left["comparison"])
    cautious, optimistic = (attrition_rating(overall, gap, column) for column in ("cautious", "optimistic"))
    verdict = "pass" if cautious == "low" else "caution" if optimistic == "low" else "fail"
    drawn = "randomized" in (context.setting("comparison"), context.estimate.estimator)
    text = f"{_counted(counts, drawn)} {_rated(overall, gap, cautious, optimistic, drawn)}"
    return CheckResult("attrition", verdict, overall, text, {"differential": gap, "cautious": cautious,
                                                            "optimistic": optimistic})


ARMS = ("treated", "comparison")


def _left(arm: Mapping[str, Any]) -> int:
    """Students of one arm who are not in the result: lost themselves, or gone with their matched set."""
    return int(arm["lost"]) + int(arm.get("with_set", 0))


def _counted(counts: Mapping[str, Any], drawn: bool) -> str:
    n, gone = sum(counts[arm]["n"] for arm in ARMS), sum(_left(counts[arm]) for arm in ARMS)
    lost, sets = (sum(int(counts[arm].get(key, 0)) for arm in ARMS) for key in ("lost", "with_set"))
    by_arm = ", ".join(f"{_left(counts[arm])} of {counts[arm]['n']} {word}"
                       for arm, word in zip(ARMS, ("treated students", "comparison students"), strict=True))
    why = f"; {lost} had no usable outcome, and {sets} left with their matched set" if sets else ""
    return (f"{gone} of {n} students {'drawn' if drawn else 'chosen'} ({gone / n:.1%}) are not in the result: "
            f"{by_arm}{why}.")


def _rated(overall: float, gap: float, cautious: str, optimistic: str, drawn: bool) -> str:
    line = (f"{gap * 100:.1f} points between the groups: {cautious} by the cautious column, {optimistic} by the "
            "optimistic.")
    if drawn:
        return f"By the WWC's attrition standard for lotteries, {line}"
    return ("The WWC rates attrition of lotteries only; without one it asks how alike the students in the result were "
            f"at the start. Its boundary as a yardstick, {line}")
