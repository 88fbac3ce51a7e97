"""Specification curve: the same question by every reasonable analysis of these rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from evalkit.checks.context import Context, p_words
from evalkit.checks.result import CheckResult, not_run

_PASS = 0.9
_ALREADY = 0.10
"""Share of the weight on comparisons with already treated units from which a two-way estimate is never cleared."""


def run(context: Context) -> CheckResult:
    """Share of specifications with the planned estimate's sign; details hold each with its interval."""
    if context.estimate.details.get("staggered_test"):
        return _two_way(context, context.estimate.details["staggered_test"])
    if context.estimate.estimator not in ("regression_adjusted", "difference", "poisson", "logistic"):
        return not_run("specification_curve", "it is made for regressions of the level with a row per student.")
    curve = specification_curve(context)
    known = curve["value"].notna()
    if known.sum() < 2:
        return not_run("specification_curve", "fewer than two specifications have an answer on the estimate's scale.")
    same = float((np.sign(curve.loc[known, "value"]) == np.sign(context.value)).mean())
    low, high = curve.loc[known, "value"].min(), curve.loc[known, "value"].max()
    verdict = "pass" if same >= _PASS else "caution" if same >= 0.5 else "fail"
    if not context.is_clear:  # a sign means nothing where no effect is seen: do all analyses stay in the interval?
        inside = context.holds(float(low)) and context.holds(float(high))
        verdict = "pass" if inside else "caution"
    text = (f"{int(known.sum())} reasonable analyses of these students give {context.in_words(low)} to "
            f"{context.in_words(high)}; {same:.0%} agree with the planned one on the direction. "
            "Students are not matched anew.")
    return CheckResult("specification_curve", verdict, same, text, {"curve": curve.to_dict("records")})


def specification_curve(context: Context) -> pd.DataFrame:
    """One row per specification on the planned estimate's scale: name, value, ci_low, ci_high."""
    rows = []
    for name, changes, frame in _specifications(context):
        found = context.again(frame, **changes)
        if context.same_scale(found) or found.value is None:
            rows.append({"name": name, "value": found.value, "ci_low": found.ci_low, "ci_high": found.ci_high})
    return pd.DataFrame(rows, columns=["name", "value", "ci_low", "ci_high"])


def _specifications(context: Context) -> Iterator[tuple[str, dict[str, Any], pd.DataFrame]]:
    rows, covariates, linear = context.rows, context.covariates, {"estimator": "regression_adjusted"}
    yield "difference in means", {"estimator": "difference"}, rows
    if covariates or context.exact:
        yield "all covariates", linear, rows
    for name in covariates:
        rest = tuple(other for other in covariates if other != name)
        if rest or context.exact:
            yield f"without {name}", {**linear, "covariates": rest}, rows
        yield f"{name} alone", {**linear, "covariates": (name,), "exact": ()}, rows
    if "enrolled_days" in rows.columns and "rate" in context.estimate.outcome:
        yield "Poisson for days", {"estimator": "poisson"}, rows
        trimmed = rows[context.rows[context.estimate.outcome].astype(float) < 0.5]
        yield "without students absent half the time", linear if covariates else {"estimator": "difference"}, trimmed


def _two_way(context: Context, test: Mapping[str, Any]) -> CheckResult:
    """Two-way fixed effects beside the two-stage effect of the same rows, which never compares with late starters."""
    gap, seen = float(test["difference"]), test["p_value"] < 0.05
    large = abs(gap) > abs(float(test["two_stage"])) / 4
    share = float(test["already_treated"])
    verdict = ("fail" if seen and large else "caution" if seen or large or share >= _ALREADY else "pass")
    text = (f"{share:.0%} of the weight lies on comparisons with students already mentored. Two-way fixed effects "
            f"differ by {gap:+.3g} from an estimate that never takes mentored students as the "
            f"comparison ({test['two_stage']:+.3g}; difference {p_words(test['p_value'])})"
            + (": staggered starts make little difference here." if verdict == "pass" else
               ": effects differ by cohort or grow, so read callaway_santanna instead." if seen or large else
               ": no difference is seen, but effects that differ by cohort would hide in such comparisons, so read "
               "callaway_santanna beside it."))
    return CheckResult("specification_curve", verdict, gap, text, dict(test))
