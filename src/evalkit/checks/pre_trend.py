"""Pre-trend: were the groups drifting apart before, and could this study have seen a drift that matters?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from evalkit.checks.context import Context, known, p_words
from evalkit.checks.history import OTHER_SCALE, history, with_history
from evalkit.checks.power import multiplier
from evalkit.checks.result import CheckResult, not_run
from evalkit.estimators.sample import drop_with_sets


def run(context: Context) -> CheckResult:
    """Difference in slope per earlier window of four weeks; passes when none is seen that would matter."""
    pre_test = context.estimate.details.get("pre_test")
    if pre_test is not None:
        return _from_panel(context, pre_test)
    effect = context.as_rate
    if effect is None:
        return not_run("pre_trend", OTHER_SCALE)
    slopes = _slopes(history(context))
    rows = with_history(context, slopes)
    if rows.groupby("treated").size().min() < 10 if len(rows) else True:
        return not_run("pre_trend", "too few students have two earlier windows.")
    rows = drop_with_sets(rows, np.zeros(len(rows), dtype=bool))
    again = context.again(rows, outcome="_earlier", estimator="difference", covariates=(), exact=())
    found = known(again)
    if found is None:
        return not_run("pre_trend", again.reason)
    seen = found.p_value < 0.05
    smallest = multiplier(found.df) * found.standard_error
    blind = smallest > abs(effect)
    verdict = "fail" if seen else "caution" if blind else "pass"
    text = (f"Before the start the gap moved by {context.rate_words(found.value)} every four weeks "
            f"({p_words(found.p_value)}). A drift of {context.rate_words(smallest)} or more would be seen in "
            f"four studies of five"
            + (", which is larger than the effect itself" + ("." if seen else ", so this cannot clear it.")
               if blind else "."))
    return CheckResult("pre_trend", verdict, found.value, text, {"detectable": smallest, "p_value": found.p_value})


def _slopes(earlier: pd.DataFrame) -> pd.Series:
    """Least-squares slope of the rate over the windows, for students with two or more."""
    keys = [key for key in ("student_id", "landmark") if key in earlier.columns]
    centred = earlier.assign(_x=earlier["period"] - earlier.groupby(keys)["period"].transform("mean"))
    centred = centred.assign(_xy=centred["_x"] * centred["rate"], _xx=centred["_x"] ** 2)
    parts = centred.groupby(keys)[["_xy", "_xx"]].sum()
    return (parts["_xy"] / parts["_xx"].where(parts["_xx"] > 0)).dropna()


CHOSEN_MONTH = ("A month that was chosen because it followed bad ones is followed by better ones anyway, and no "
                "series can show that it was not: say who set the month of the change and when (a date fixed long "
                "before, such as the start of a term, is safe), and look at schools with months as bad that did not "
                "change.")


def _from_panel(context: Context, pre_test: Mapping[str, Any]) -> CheckResult:
    """The estimator's own joint test, and the dip just before the start that it could not have seen.

    A series of schools is never cleared: what chose the month of the change is not in it.
    """
    p_value, smallest = pre_test.get("p_value"), pre_test.get("detectable")
    if p_value is None:
        return not_run("pre_trend", "there are no earlier periods to test.")
    effect, of_series = abs(pre_test.get("effect", context.value)), context.estimate.estimator == "interrupted_series"
    seen, blind = p_value < 0.05, smallest is None or smallest > effect
    text = f"The joint test that all effects before the start are zero has {p_words(p_value)}."
    if smallest is not None:
        beyond = ", which is larger than the effect itself" + ("" if seen else ", so this cannot clear it")
        text += (f" A dip of {_size(context, smallest, pre_test)} just before the start would be seen in four studies "
                 f"of five{beyond if blind else ''}.")
    verdict = "fail" if seen else "caution" if blind or of_series else "pass"
    if of_series:
        moved, said = _without_the_spell(context)
        verdict, text = "fail" if moved else verdict, f"{text}{said}"
    return CheckResult("pre_trend", verdict, p_value, f"{text} {CHOSEN_MONTH}" if of_series else text,
                       {"detectable": smallest, "p_value": p_value})


def _without_the_spell(context: Context) -> tuple[bool, str]:
    """Whether the months just before the change carry it: half of it, or its sign, goes with them."""
    rows = [row for row in context.estimate.details.get("without_months_before", ()) if row["value"] is not None]
    if not rows:
        return False, ""
    last = rows[-1]
    moved = (last["value"] * context.value <= 0 or abs(last["value"]) < abs(context.value) / 2) and context.is_clear
    without = context.in_words(last["value"])
    return moved, (f" Without the {last['months']} months just before it the change is {without} instead of "
                   f"{context.in_words(context.value)}"
                   + (": those months carry it." if moved else "."))


def _size(context: Context, value: float, pre_test: Mapping[str, Any]) -> str:
    words = context.rate_words(value) if pre_test.get("unit") == "share" else context.in_words(value)
    return words.removeprefix("+")
