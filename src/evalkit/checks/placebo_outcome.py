"""Placebo outcome: an effect on something the programme cannot have changed is a sign that the groups differ."""

from __future__ import annotations

from evalkit.checks.context import Context, known, p_words
from evalkit.checks.result import CheckResult, not_run
from evalkit.estimators.did import of_same_period

_FIXED = ("prior_absence_rate", "prior_rate", "prior_score")


def run(context: Context) -> CheckResult:
    """Each outcome of given["placebo_outcomes"], else an earlier measure that was not matched on."""
    named = context.given.get("placebo_outcomes")
    names = [named] if isinstance(named, str) else list(named or [
        name for name in _FIXED if name in context.rows.columns and name not in (*context.covariates, *context.exact)])
    score = context.estimate.details.get("again", {}).get("score")
    if score and not named:  # of a threshold: what the score itself is made of cannot be tested against it
        names = [name for name in names if name not in of_same_period(score)]
    if context.measures_change and not named:
        return not_run("placebo_outcome", "a change takes out gaps that were there before; name an outcome that "
                       "mentors cannot change (placebo_outcomes).")
    if not names:
        return not_run("placebo_outcome", "every earlier measure was matched on or is the score; name another that "
                       "mentors cannot have changed (placebo_outcomes).")
    level = {"estimator": "regression_adjusted" if context.covariates or context.exact else "difference"}
    found = {name: context.again(outcome=name, unit=context.estimate.unit, **(level if context.measures_change else {}))
             for name in names}
    numbers = {name: one for name, one in ((name, known(one)) for name, one in found.items()) if one is not None}
    if not numbers:
        return not_run("placebo_outcome", next(iter(found.values())).reason)
    worst = min(numbers, key=lambda name: numbers[name].p_value)
    smallest = numbers[worst].p_value * len(numbers)
    verdict = "pass" if smallest >= 0.10 else "caution" if smallest >= 0.05 else "fail"
    text = (f'On "{worst}", which mentors cannot have changed, the groups differ by {numbers[worst].value:+.3g} '
            f"({p_words(numbers[worst].p_value)}, {len(numbers)} tried).")
    return CheckResult("placebo_outcome", verdict, numbers[worst].value, text,
                       {"p_value": numbers[worst].p_value})
