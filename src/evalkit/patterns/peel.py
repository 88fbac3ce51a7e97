"""Which findings are the shadow of a stronger one: a school shows what one of its grades has, the other grades the
reverse.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from evalkit.patterns.calendar import blocks, contrasts, days_of, observed_and_expected, squares
from evalkit.patterns.cells import SURE, cell_members, is_cell
from evalkit.patterns.grid import AND, DayGrid, group_members, membership

STATS = ["rate_ratio", "ci_low", "ci_high", "p_value", "excess_days"]
LEFT_OVER = 0.01
"""A finding that is no longer at p < 0.01 once the stronger one is taken out is explained by it."""


def explain(grid: DayGrid, table: pd.DataFrame, *, most: int = 6) -> pd.DataFrame:
    """Mark findings that fade once a stronger calendar finding's students and days are taken out of the data.

    Adds `explained_by` ("group pattern" or ""). Repeats for the strongest groups left, at most `most` times. The ratio,
    interval and p of a group marked so are those of what is left beside the stronger finding (missing where too little
    is). A subgroup is never taken out first: it stands beside its group only where even its low end lies above the
    group's rate ratio, and then the group is marked where nothing is left of it without the subgroup.
    """
    table = table.assign(explained_by="")
    groups = _all_groups(grid, table)
    left = grid
    taken: set[object] = set()
    above: set[object] = set()
    for _ in range(most):
        open_ = table[_is_sure(table) & table["kind"].eq("calendar") & table["explained_by"].eq("")]
        firsts = open_[open_["is_finding"] & ~open_.index.isin(taken) & ~is_cell(open_["group"])].sort_values("p_value")
        if len(firsts) < 1 or len(open_) < 2:
            break
        first, rest = firsts.iloc[0], open_.drop(index=[*taken, firsts.index[0]], errors="ignore")
        taken.add(firsts.index[0])
        left = without(left, groups[first["group"]], days_of(grid, groups[first["group"]], first["pattern"]))
        inside = _inside(rest, first)
        above |= set(rest.index[inside & (rest["ci_low"] > first["rate_ratio"])])
        by = f"{first['group']} {first['pattern']}"
        table.loc[rest.index[inside & ~rest.index.isin(above)], "explained_by"] = by
        fade(table, again(left, groups, rest[~inside & ~rest.index.isin(above)]), by)
    return _under_cells(grid, table, groups)


def _is_sure(table: pd.DataFrame) -> pd.Series:
    """Rows that may be a shadow: findings, and groups that seem to miss less because another misses more."""
    return (table["q_value"] < SURE) & table["group"].ne("all")


def _all_groups(grid: DayGrid, table: pd.DataFrame) -> dict[str, np.ndarray]:
    named = _is_sure(table) & is_cell(table["group"])
    return group_members(grid) | (cell_members(grid) if named.any() else {})


def _inside(rows: pd.DataFrame, group: pd.Series) -> pd.Series:
    """Which rows are subgroups of the group with the same pattern."""
    inside = [group["group"] in name.split(AND)[:2] and AND in name for name in rows["group"]]
    return pd.Series(inside, index=rows.index, dtype=bool) & rows["pattern"].eq(group["pattern"])


def fade(table: pd.DataFrame, again: pd.DataFrame, by: str) -> None:
    """Write what is left of the rows that are no longer clear into the table, in place."""
    flipped = (again["rate_ratio"] > 1) != (table.loc[again.index, "rate_ratio"] > 1)
    gone = again[~(again["p_value"] < LEFT_OVER) | flipped]
    table.loc[gone.index, STATS] = gone[STATS].to_numpy()
    table.loc[gone.index, "explained_by"] = by


def _under_cells(grid: DayGrid, table: pd.DataFrame, groups: dict[str, np.ndarray]) -> pd.DataFrame:
    """Mark a group whose pattern is gone once its own subgroup is taken out."""
    open_ = table[table["is_finding"] & table["kind"].eq("calendar") & table["explained_by"].eq("")]
    for cell in open_[is_cell(open_["group"])].sort_values("p_value").itertuples():
        parents = open_[open_["group"].isin(cell.group.split(AND)) & open_["pattern"].eq(cell.pattern)]
        if parents.empty:
            continue
        left = without(grid, groups[cell.group], days_of(grid, groups[cell.group], cell.pattern))
        fade(table, again(left, groups, parents), f"{cell.group} {cell.pattern}")
    return table


def without(grid: DayGrid, members: np.ndarray, days: np.ndarray) -> DayGrid:
    """The grid without these students on these days: neither enrolled nor absent."""
    school, absent, enrolled = grid.school.copy(), grid.absent.copy(), grid.enrolled.copy()
    cells = np.ix_(members, np.flatnonzero(days))
    school[cells], absent[cells], enrolled[cells] = -1, False, False
    return replace(grid, school=school, absent=absent, enrolled=enrolled)


def again(grid: DayGrid, groups: dict[str, np.ndarray], rows: pd.DataFrame) -> pd.DataFrame:
    """The figures of each row on what is left; missing where too little is left to say."""
    own = {name: groups[name] for name in rows["group"].unique()}
    member = membership(own, len(grid.students))
    seen, expected = observed_and_expected(grid, own) if own else (np.empty((0, 0)), np.empty((0, 0)))
    place = {name: k for k, name in enumerate(own)}
    found = pd.DataFrame(np.nan, index=rows.index, columns=STATS)
    for index, group, pattern in zip(rows.index, rows["group"], rows["pattern"], strict=True):
        k = place[group]
        days = days_of(grid, own[group], pattern)
        row = contrasts(seen[[k]], expected[[k]], days, blocks(grid, pattern), squares(grid, member[[k]], days))
        if len(row["row"]):
            found.loc[index] = [float(row[name][0]) for name in STATS]
    return found
