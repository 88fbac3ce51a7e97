"""Public percentages: the smaller the group, the wider the statement (SLDS Technical Brief 3, NCES 2011-603)."""

from __future__ import annotations

import math

_EDGES = ((300, 1, 1), (100, 2, 1), (40, 5, 1), (20, 10, 10), (10, 20, 20))
"""Smallest group, the percent shown at either end as "at most / at least", and the width of the ranges between."""


def percent_ladder(share: float, n: int, *, min_cell: int = 10) -> str:
    """A share (0-1) of a group of `n` as it may be published where only percents are: "12%", "30-39%", "<=10%".

    Below `min_cell` the answer is "n<10". Nobody is ever told that all or none of a small group did something.
    """
    if n < min_cell or not math.isfinite(share):
        return f"n<{min_cell}"
    end, width = next(((end, width) for least, end, width in _EDGES if n >= least), (20, 20))
    percent = round(100 * share)
    if percent <= end:
        return f"<={end}%"
    if percent >= 100 - end:
        return f">={100 - end}%"
    if width == 1:
        return f"{percent}%"
    low = percent // width * width
    return f"{max(low, end + 1)}-{min(low + width - 1, 99 - end)}%"
