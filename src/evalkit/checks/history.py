"""The months before the start: earlier windows of the same students, from a study or given."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.checks.context import Context
from evalkit.errors import UserError
from evalkit.estimators.sample import need_columns

STEP_DAYS, STEPS = 28, 3
"""Windows of four calendar weeks (about 20 school days), three of them."""
OTHER_SCALE = "earlier weeks are known as shares of days missed, and this estimate is on another scale."
_KEYS = ("student_id", "landmark")


def history(context: Context) -> pd.DataFrame:
    """One row per row of the analysis and earlier window: student_id (and landmark), period (-1 the last), rate.

    given["history"] where there is one; else absence rates in three windows before the landmark, from the study.
    """
    given = context.given.get("history")
    if given is not None:
        need_columns(given, ["student_id", "period", "rate"], what="history")
        return given
    rows = context.rows
    if context.study is None or "landmark" not in rows.columns:
        raise UserError("no earlier windows of these students are at hand.")
    from evalkit.panel import window_panel

    keys = rows[list(_KEYS)].drop_duplicates()
    start = pd.to_datetime(keys["landmark"])
    windows = pd.concat([keys.assign(period=-step, start=start - pd.Timedelta(days=STEP_DAYS * step),
                                     end=start - pd.Timedelta(days=STEP_DAYS * (step - 1) + 1))
                         for step in range(1, STEPS + 1)], ignore_index=True)
    seen = window_panel(context.study, windows)
    enrolled = seen["enrolled_units"].to_numpy(dtype=float)
    rate = np.divide(seen["absent_units"].to_numpy(dtype=float), enrolled, out=np.full(len(seen), np.nan),
                     where=enrolled > 0)
    return seen[[*_KEYS, "period"]].assign(rate=rate).dropna(subset=["rate"])


def with_history(context: Context, found: pd.Series) -> pd.DataFrame:
    """The rows of the analysis with one number per student (and landmark) from their history; rows without it go."""
    keys = list(found.index.names)
    return context.rows.merge(found.rename("_earlier").reset_index(), on=keys, how="inner").dropna(subset=["_earlier"])
