"""E-value: how strongly would a hidden cause have to be tied to both mentoring and absence to explain the result?"""

from __future__ import annotations

from math import exp, sqrt

from evalkit.checks.context import Context, known
from evalkit.checks.result import CheckResult, not_run

_STRONG = 1.5


def e_value(ratio: float, *, true_ratio: float = 1.0) -> float:
    """E-value of a risk or rate ratio against a true ratio (1 by default)."""
    ratio = ratio / true_ratio
    ratio = 1 / ratio if ratio < 1 else ratio
    return ratio + sqrt(ratio * (ratio - 1))


def e_value_interval(low: float, high: float) -> float:
    """E-value of the interval's edge nearer 1; 1 where the interval holds 1."""
    if low <= 1 <= high:
        return 1.0
    return e_value(high if high < 1 else low)


def ratio_from_g(g: float) -> float:
    """The rate ratio a standardised difference stands for, exp(0.91 g)."""
    return exp(0.91 * g)


def ratio_from_odds(odds_ratio: float) -> float:
    """The risk ratio a common outcome's odds ratio stands for, its square root."""
    return sqrt(odds_ratio)


def run(context: Context) -> CheckResult:
    """E-values of the estimate and of its interval, by the Poisson ratio if any, else by the effect size."""
    found = _ratios(context)
    if found is None:
        return not_run("e_value", "the effect cannot be put as a ratio.")
    point, low, high = found
    value, edge = e_value(point), e_value_interval(low, high)
    verdict = "pass" if edge >= _STRONG else "caution"  # a weak edge is no worse than an interval that holds no effect
    text = (f"A hidden cause would need ties of {value:.2f} times with both mentoring and {context.what} to explain "
            f"the whole effect, and of {edge:.2f} to bring the interval to no effect"
            + (" (it reaches no effect already)." if edge == 1.0 else "."))
    return CheckResult("e_value", verdict, edge, text, {"e_value": value, "ratio": point})


def _ratios(context: Context) -> tuple[float, float, float] | None:
    estimate, details = context.estimate, context.estimate.details
    if details.get("ratio") and details.get("ratio_low") is not None:
        root = ratio_from_odds if estimate.estimator == "logistic" else float
        return root(details["ratio"]), root(details["ratio_low"]), root(details["ratio_high"])
    arms = details.get("arms")
    if not arms or estimate.ci_low is None or not arms["sd_comparison"]:
        return None
    spread = sqrt((arms["sd_treated"] ** 2 + arms["sd_comparison"] ** 2) / 2)
    numbers = known(estimate)
    if numbers is None:
        return None
    return (ratio_from_g(numbers.value / spread), ratio_from_g(numbers.ci_low / spread),
            ratio_from_g(numbers.ci_high / spread))
