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


class LadderShare(float):
    """A share as the public may see it: as a number the middle of its rung, as a percentage the rung in words."""

    __slots__ = ("words",)
    words: str

    def __new__(cls, share: float, n: int, *, min_cell: int = 10) -> LadderShare:
        words = percent_ladder(share, n, min_cell=min_cell)
        made = super().__new__(cls, _middle(words))
        made.words = words
        return made

    @property
    def is_exact(self) -> bool:
        """Whether the rung is one whole percent."""
        return self.words.rstrip("%").isdigit()

    def __format__(self, spec: str) -> str:
        return self.words if spec.endswith("%") else super().__format__(spec)


def _middle(words: str) -> float:
    bare = words.rstrip("%")
    if bare.startswith("<="):
        return int(bare[2:]) / 200
    if bare.startswith(">="):
        return (100 + int(bare[2:])) / 200
    ends = [int(part) for part in bare.split("-")] if bare.replace("-", "").isdigit() else [math.nan]
    return sum(ends) / len(ends) / 100
