"""Overlap: does every treated student have comparison students near it, and do a few of them carry all the weight?"""

from __future__ import annotations

import numpy as np

from evalkit.checks.context import Context
from evalkit.checks.result import CheckResult, not_run

_PASS, _CAUTION = 0.95, 0.80
_LEAST_EFFECTIVE = 30.0


def run(context: Context) -> CheckResult:
    """Share of all treated whose score lies inside the comparison's range; effective number of comparison students."""
    students = getattr(context.comparison, "students", context.comparison)
    if "distance" not in students.columns or students["distance"].isna().all():
        return not_run("overlap", "this comparison has no single score to look at; read the balance instead.")
    arm = students["treated"].to_numpy(dtype=float)
    score = students["distance"].to_numpy(dtype=float)
    ours, theirs = score[(arm == 1) & ~np.isnan(score)], score[(arm == 0) & ~np.isnan(score)]
    inside = float(((ours >= theirs.min()) & (ours <= theirs.max())).mean())
    n_used = _students(context)
    weights = context.rows.loc[context.rows["treated"] == 0, "weight"].to_numpy(dtype=float)
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    verdict = ("pass" if inside >= _PASS and effective >= _LEAST_EFFECTIVE
               else "caution" if inside >= _CAUTION and effective >= 10 else "fail")
    text = (f"{inside:.0%} of the treated students have a score within the range of the comparison students; the "
            f"{n_used} comparison students used are worth {effective:.0f} equally weighted "
            + ("ones." if n_used == len(weights) else f"rows of {len(weights)}, one for each start date."))
    return CheckResult("overlap", verdict, inside, text, {"effective_n": effective})


def _students(context: Context) -> int:
    """Comparison students used, each once."""
    rows = context.rows[context.rows["treated"] == 0]
    return int(rows["student_id"].nunique()) if "student_id" in rows.columns else len(rows)
