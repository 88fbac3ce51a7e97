"""Placebo date: the same comparison on the weeks just before the start, when nobody had a mentor."""

from __future__ import annotations

from evalkit.checks.context import Context, known, p_words
from evalkit.checks.history import OTHER_SCALE, history, with_history
from evalkit.checks.result import CheckResult, not_run
from evalkit.estimators.sample import drop_with_sets


def run(context: Context) -> CheckResult:
    """The difference in the last four weeks before the start; passes when it is small beside the effect."""
    if "day_before" in context.estimate.details:
        return _day_before(context)
    if context.measures_change:
        return not_run("placebo_date", "a change takes out a gap that was there before; whether the groups moved alike "
                       "before the start is a check of its own.")
    effect = context.as_rate
    if effect is None:
        return not_run("placebo_date", OTHER_SCALE)
    earlier = history(context)
    keys = [key for key in ("student_id", "landmark") if key in earlier.columns]
    last = earlier[earlier["period"] == earlier["period"].max()].set_index(keys)["rate"]
    rows = with_history(context, last)
    if rows.groupby("treated").size().min() < 10 if len(rows) else True:
        return not_run("placebo_date", "too few students were enrolled in the weeks before.")
    rows = drop_with_sets(rows, (rows["weight"] <= 0).to_numpy())
    kept = tuple(name for name in context.covariates if not name.startswith("pre_"))
    design = context.estimate.details.get("again")  # of a threshold: the jump of the earlier weeks, not a difference
    again = (context.again(rows, outcome="_earlier", **design) if design else
             context.again(rows, outcome="_earlier", covariates=kept,
                           estimator="regression_adjusted" if kept or context.exact else "difference"))
    found = known(again)
    if found is None:
        return not_run("placebo_date", again.reason)
    clear, size = found.ci_low > 0 or found.ci_high < 0, abs(found.value)
    verdict = "pass" if not clear else "caution" if size < abs(effect) / 2 else "fail"
    matched = context.setting("method") != "none" and any(name.startswith("pre_") for name in context.covariates)
    text = (f"In the four weeks before the start the groups already differed by {context.rate_words(found.value)} "
            f"({context.rate_words(found.ci_low)} to {context.rate_words(found.ci_high)})."
            + (" These weeks are part of what students were matched on, so a small gap proves little."
               if matched and not clear else ""))
    return CheckResult("placebo_date", verdict, found.value, text, {"ci_low": found.ci_low, "ci_high": found.ci_high})


def _day_before(context: Context) -> CheckResult:
    """Days with a session: nothing can differ on the school day before one unless sessions follow absence."""
    found = context.estimate.details["day_before"]
    if found["p_value"] is None:
        return not_run("placebo_date", "no student has days before a session to look at.")
    seen, large = found["p_value"] < 0.05, abs(found["value"]) >= abs(context.value) / 2
    return CheckResult(
        "placebo_date", "fail" if seen and large else "caution" if seen else "pass", found["value"],
        f"On the school day before a session absence differs by {context.in_words(found['value'])} "
        f"({p_words(found['p_value'])}), where a session cannot have done anything yet.",
        {"p_value": found["p_value"]})
