"""Leave one school out: does the effect rest on one school?"""

from __future__ import annotations

from evalkit.checks.context import Context
from evalkit.checks.result import CheckResult, not_run


def run(context: Context) -> CheckResult:
    """Range of the estimate with each school left out; a changed sign fails, a change by half is a caution."""
    rows, value = context.rows, context.value
    column = next((name for name in ("school_id", "school") if name in rows.columns), None)
    if column is None or rows[column].nunique() < 3:
        return not_run("leave_one_school_out", "it needs three schools.")
    found = [again.value for school in rows[column].unique()
             if (again := context.again(rows[rows[column] != school])).value is not None]
    if not found:
        return not_run("leave_one_school_out", "no estimate is left without a school.")
    low, high = min(found), max(found)
    moved = max(abs(one - value) for one in found)
    flips = low * value < 0 or high * value < 0
    stays = not context.is_clear and context.holds(low) and context.holds(high)
    verdict = ("pass" if stays else "fail" if flips and context.is_clear
               else "caution" if flips or moved > abs(value) / 2 else "pass")
    text = (f"Without one school at a time the estimate runs from {context.in_words(low)} to {context.in_words(high)}"
            + {"pass": ": no school carries it alone.", "caution": ": one school matters much.",
               "fail": ": without one school it changes its sign."}[verdict])
    return CheckResult("leave_one_school_out", verdict, moved, text,
                       {"low": low, "high": high, "n_schools": len(found)})

