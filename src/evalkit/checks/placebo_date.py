"""Placebo date: the same comparison on the weeks just before the start, when nobody had a mentor."""

from __future__ import annotations

from evalkit.checks.context import Context, known
from evalkit.checks.history import history, with_history
from evalkit.checks.result import CheckResult, not_run
from evalkit.estimators.sample import drop_with_sets


def run(context: Context) -> CheckResult:
    """The difference in the last four weeks before the start; passes when it is small beside the effect."""
    earlier = history(context)
    keys = [key for key in ("student_id", "landmark") if key in earlier.columns]
    last = earlier[earlier["period"] == earlier["period"].max()].set_index(keys)["rate"]
    rows = with_history(context, last)
    if rows.groupby("treated").size().min() < 10 if len(rows) else True:
        return not_run("placebo_date", "too few students were enrolled in the weeks before.")
    rows = drop_with_sets(rows, (rows["weight"] <= 0).to_numpy())
    kept = tuple(name for name in context.covariates if not name.startswith("pre_"))
    again = context.again(rows, outcome="_earlier", covariates=kept,
                          estimator="regression_adjusted" if kept or context.exact else "difference")
    found = known(again)
    if found is None:
        return not_run("placebo_date", again.reason)
    clear, size = found.ci_low > 0 or found.ci_high < 0, abs(found.value)
    verdict = "pass" if not clear else "caution" if size < abs(context.value) / 2 else "fail"
    matched = any(name.startswith("pre_") for name in context.covariates)
    text = (f"In the four weeks before the start the groups already differed by {context.in_words(found.value)} "
            f"({context.in_words(found.ci_low)} to {context.in_words(found.ci_high)})."
            + (" These weeks are part of what students were matched on, so a small gap proves little."
               if matched and not clear else ""))
    return CheckResult("placebo_date", verdict, found.value, text, {"ci_low": found.ci_low, "ci_high": found.ci_high})
