"""Pre-trend: were the groups drifting apart before, and could this study have seen a drift that matters?"""

from __future__ import annotations

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
        return _from_staggered(pre_test)
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


def _from_staggered(pre_test: dict) -> CheckResult:
    p_value = pre_test.get("p_value")
    if p_value is None:
        return not_run("pre_trend", "there are no earlier periods to test.")
    return CheckResult("pre_trend", "fail" if p_value < 0.05 else "pass", p_value,
                       f"The joint test that all effects before the start are zero has {p_words(p_value)}.")
