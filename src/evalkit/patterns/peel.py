"""Which findings are the shadow of a stronger one: a school shows what one of its grades has, the other grades the
reverse.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from evalkit.patterns.calendar import MIN_DAYS, contrast, day_classes, observed_and_expected, weeks
from evalkit.patterns.cells import AND, cell_members, is_cell
from evalkit.patterns.grid import DayGrid, group_members

LEFT_OVER = 0.01
"""A finding that is no longer at p < 0.01 once the stronger one is taken out is explained by it."""


def explain(grid: DayGrid, table: pd.DataFrame, *, most: int = 6) -> pd.DataFrame:
    """Mark findings that fade once a stronger calendar finding's students and days are taken out of the data.

    Adds `explained_by` ("group pattern" or ""). Repeats for the strongest groups left, at most `most` times. A subgroup
    is never taken out first: it stands beside its group only where even its low end lies above the group's rate ratio,
    and then the group is marked where nothing is left of it without the subgroup.
    """
    table = table.assign(explained_by="")
    groups, classes = _all_groups(grid, table), day_classes(grid)
    left, taken, above = grid, set(), set()
    for _ in range(most):
        open_ = table[table["is_finding"] & table["kind"].eq("calendar") & table["explained_by"].eq("")]
        firsts = open_[~open_.index.isin(taken) & ~is_cell(open_["group"])].sort_values("p_value")
        if len(firsts) < 1 or len(open_) < 2:
            break
        first, rest = firsts.iloc[0], open_.drop(index=[*taken, firsts.index[0]], errors="ignore")
        taken.add(firsts.index[0])
        left = _without(left, groups[first["group"]], _days(grid, groups[first["group"]], first["pattern"], classes))
        inside = _inside(rest, first)
        above |= set(rest.index[inside & (rest["ci_low"] > first["rate_ratio"])])
        shadows = [*rest.index[inside & ~rest.index.isin(above)], *_faded(left, groups, classes, rest, inside, above)]
        table.loc[shadows, "explained_by"] = f"{first['group']} {first['pattern']}"
    return _under_cells(grid, table, groups, classes)


def _all_groups(grid: DayGrid, table: pd.DataFrame) -> dict[str, np.ndarray]:
    named = table["is_finding"] & is_cell(table["group"])
    return group_members(grid) | (cell_members(grid) if named.any() else {})


def _inside(rows: pd.DataFrame, group: pd.Series) -> pd.Series:
    """Which rows are subgroups of the group with the same pattern."""
    inside = [group["group"] in name.split(AND)[:2] and AND in name for name in rows["group"]]
    return pd.Series(inside, index=rows.index, dtype=bool) & rows["pattern"].eq(group["pattern"])


def _faded(
    left: DayGrid,
    groups: dict[str, np.ndarray],
    classes: dict[str, np.ndarray],
    rest: pd.DataFrame,
    inside: pd.Series,
    above: set[object],
) -> list[object]:
    asked = rest[~inside & ~rest.index.isin(above)]
    if asked.empty:
        return []
    return [index for index, p in _again(left, groups, classes, asked).items() if not p < LEFT_OVER]


def _under_cells(
    grid: DayGrid, table: pd.DataFrame, groups: dict[str, np.ndarray], classes: dict[str, np.ndarray]
) -> pd.DataFrame:
    """Mark a group whose pattern is gone once its own subgroup is taken out."""
    open_ = table[table["is_finding"] & table["kind"].eq("calendar") & table["explained_by"].eq("")]
    for cell in open_[is_cell(open_["group"])].sort_values("p_value").itertuples():
        parents = open_[open_["group"].isin(cell.group.split(AND)) & open_["pattern"].eq(cell.pattern)]
        if parents.empty:
            continue
        left = _without(grid, groups[cell.group], _days(grid, groups[cell.group], cell.pattern, classes))
        gone = [index for index, p in _again(left, groups, classes, parents).items() if not p < LEFT_OVER]
        table.loc[gone, "explained_by"] = f"{cell.group} {cell.pattern}"
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
