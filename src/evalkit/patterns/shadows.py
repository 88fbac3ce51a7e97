"""Absent on the same days, beside a calendar finding of the same group: which of the two is the shadow of the other."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.patterns.calendar import days_of
from evalkit.patterns.cells import SURE, is_cell
from evalkit.patterns.grid import AND, DayGrid, group_members
from evalkit.patterns.peel import again, fade, without
from evalkit.patterns.shared import SHARED_COLUMNS, classes, standout_days


def explain_by_days(grid: DayGrid, table: pd.DataFrame) -> pd.DataFrame:
    """Mark a calendar finding of which nothing is left without the few days on which its group was absent together.

    A bus that did not come on six mornings of September is no hard September. Only where the common days are the surer
    finding of the two; else `within_parents` marks these.
    """
    found = table[table["is_finding"] & table["explained_by"].eq("")]
    groups = group_members(grid)
    for row in found[found["pattern"].eq("same_days") & found["n_days"].gt(0)].itertuples():
        same = found[found["kind"].eq("calendar") & found["group"].eq(row.group) & found["p_value"].gt(row.p_value)]
        if same.empty or row.group not in groups:
            continue
        mine = groups[str(row.group)]
        left = without(grid, mine, _standout(grid, str(row.group), mine))
        fade(table, again(left, groups, same), f"{row.group} same_days")
    return table


def within_parents(grid: DayGrid, table: pd.DataFrame) -> pd.DataFrame:
    """Mark cells that say what one of their two groups says: a reason the group has as well, unless the cell is clearly
    above; and classes absent on the same days, or routes and zips, that have a calendar finding of their own or of one
    of their groups (unless most days that stand out lie elsewhere); and longer spells of a group that has a hard month
    or is absent on the same days.

    Fills `explained_by`; calendar cells are judged by taking the stronger finding out (`explain`).
    """
    found = table[table["is_finding"] & table["explained_by"].eq("")]
    groups = found[~is_cell(found["group"])].set_index(["kind", "group", "pattern"])["rate_ratio"]
    explained = table["explained_by"].copy()
    for row in found[is_cell(found["group"]) & found["kind"].eq("reasons")].itertuples():
        for parent in row.group.split(AND):
            ratio = groups.get(("reasons", parent, row.pattern))
            if ratio is not None and row.ci_low <= ratio:
                explained[row.Index] = f"{parent} {row.pattern}"
    return _meetings_and_spells(grid, table.assign(explained_by=explained), found)


def _meetings_and_spells(grid: DayGrid, table: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    calendar = found[found["kind"].eq("calendar")].sort_values("p_value").drop_duplicates("group").set_index("group")
    explained, members = table["explained_by"].copy(), group_members(grid, SHARED_COLUMNS) | classes(grid)
    open_ = table[(table["q_value"] < SURE) & table["explained_by"].eq("")]
    for row in open_[open_["pattern"].isin(["same_days", "long_spells"])].itertuples():
        for name in (row.group, *row.group.split(AND)):
            if name not in calendar.index:
                continue
            pattern = calendar.loc[name, "pattern"]
            if row.pattern == "long_spells" or not _elsewhere(grid, row.group, members, pattern):
                explained[row.Index] = f"{name} {pattern}"
    meeting = set(open_.loc[open_["pattern"].eq("same_days") & explained[open_.index].eq(""), "group"])
    for row in open_[open_["pattern"].eq("long_spells") & open_["group"].isin(meeting)].itertuples():
        explained[row.Index] = f"{row.group} same_days"
    return table.assign(explained_by=explained)


def _elsewhere(grid: DayGrid, group: str, members: dict[str, np.ndarray], pattern: str) -> bool:
    """Whether most of the days that stand out in the group are none of the pattern's days."""
    if group not in members:
        return False
    out = _standout(grid, group, members[group])
    return bool(2 * (out & days_of(grid, members[group], pattern)).sum() < out.sum())


def _standout(grid: DayGrid, group: str, members: np.ndarray) -> np.ndarray:
    return np.asarray(grid.dates.isin(standout_days(grid, {group: members})["date"]))
