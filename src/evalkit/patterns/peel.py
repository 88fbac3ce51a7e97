"""Which findings are the shadow of a stronger one: a school shows what one of its grades has, the other grades the
reverse.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from evalkit.patterns.calendar import MIN_DAYS, contrast, day_classes, observed_and_expected, weeks
from evalkit.patterns.grid import DayGrid, group_members

LEFT_OVER = 0.01
"""A finding that is no longer at p < 0.01 once the stronger one is taken out is explained by it."""


def explain(grid: DayGrid, table: pd.DataFrame, *, most: int = 6) -> pd.DataFrame:
    """Mark findings that fade once a stronger calendar finding's students and days are taken out of the data.

    Adds `explained_by` ("group pattern" or ""). Repeats for the strongest findings left, at most `most` times. Only
    calendar findings are taken out and marked.
    """
    table = table.assign(explained_by="")
    groups, classes = group_members(grid), day_classes(grid)
    left = grid
    for _ in range(most):
        open_ = table[table["is_finding"] & table["kind"].eq("calendar") & table["explained_by"].eq("")]
        open_ = open_[~open_.index.isin(table.attrs.get("peeled", []))].sort_values("p_value")
        if len(open_) < 2:
            break
        first = open_.iloc[0]
        table.attrs["peeled"] = [*table.attrs.get("peeled", []), open_.index[0]]
        left = _without(left, groups[first["group"]], _days(grid, groups[first["group"]], first["pattern"], classes))
        for index, p in _again(left, groups, classes, open_.iloc[1:]).items():
            if not p < LEFT_OVER:
                table.loc[index, "explained_by"] = f"{first['group']} {first['pattern']}"
    table.attrs.clear()
    return table


def _days(grid: DayGrid, members: np.ndarray, pattern: str, classes: dict[str, np.ndarray]) -> np.ndarray:
    return grid.early[grid.home[members]].mean(axis=0) > 0.5 if pattern == "early_dismissal" else classes[pattern]


def _without(grid: DayGrid, members: np.ndarray, days: np.ndarray) -> DayGrid:
    """The grid without these students on these days: neither enrolled nor absent."""
    school, absent, enrolled = grid.school.copy(), grid.absent.copy(), grid.enrolled.copy()
    cells = np.ix_(members, np.flatnonzero(days))
    school[cells], absent[cells], enrolled[cells] = -1, False, False
    return replace(grid, school=school, absent=absent, enrolled=enrolled)


def _again(
    grid: DayGrid, groups: dict[str, np.ndarray], classes: dict[str, np.ndarray], rows: pd.DataFrame
) -> dict[object, float]:
    """p of each row on what is left; 1 where too little is left to say."""
    own = {name: groups[name] for name in rows["group"].unique()}
    seen, expected = observed_and_expected(grid, own)
    place = {name: k for k, name in enumerate(own)}
    found: dict[object, float] = {}
    for index, row in rows.iterrows():
        k, members = place[row["group"]], own[row["group"]]
        days = _days(grid, members, row["pattern"], classes)
        block = weeks(grid.dates) if row["pattern"].startswith("month") else np.arange(len(grid.dates))
        again = contrast(seen[k], expected[k], days, block, grid.absent[members]) if days.sum() >= MIN_DAYS else None
        found[index] = 1.0 if again is None or again["rate_ratio"] <= 1 else float(again["p_value"])
    return found
