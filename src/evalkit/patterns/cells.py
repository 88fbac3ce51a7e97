"""Subgroups of two columns (grade 7 in one zip): searched on one half of the households, told from the other half.

The first half only chooses what to ask; the second, which the choice never saw, gives the rate ratio and the p-value
that enter the one count of everything tested. So a subgroup is never praised on the data that picked it.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from evalkit.patterns.calendar import COLUMNS, find_calendar
from evalkit.patterns.grid import AND, GROUP_COLUMNS, DayGrid, _values, part_of
from evalkit.patterns.reasons import find_reasons

MIN_CELL = 40
"""Students in a cell: about 20 in each half."""
NEARLY_ALL = 0.8
"""A cell that is nearly all of one of its two groups says nothing that the group does not say."""
SCREEN = 0.01
SURE = 0.05
MOST_CELLS = 4_000
_LEADS = ("grade_level", "school_id")


def is_cell(group: pd.Series) -> pd.Series:
    """Which groups are subgroups of two columns."""
    return group.astype("str").str.contains(AND, regex=False)


def cell_members(grid: DayGrid) -> dict[str, np.ndarray]:
    """Cells to search: "grade_level=07 & zip5=..." -> rows of the grid.

    Pairs of grade or school with any other column; at least 40 students inside and outside, and under 80 % of either
    of the two groups. Past 4,000 cells only the largest are searched.
    """
    values = {column: _values(grid, column) for column in GROUP_COLUMNS}
    codes = {c: pd.factorize(v, sort=True) for c, v in values.items() if v.notna().any()}
    found: dict[str, np.ndarray] = {}
    for one, other in combinations(codes, 2):
        if one in _LEADS:
            found |= _pair(one, codes[one], other, codes[other])
    kept = sorted(found, key=lambda name: (-len(found[name]), name))[:MOST_CELLS]
    return {name: found[name] for name in sorted(kept)}


def _pair(
    one: str, first: tuple[np.ndarray, pd.Index], other: str, second: tuple[np.ndarray, pd.Index]
) -> dict[str, np.ndarray]:
    (a, a_names), (b, b_names) = first, second
    n_all = len(a)
    size_a, size_b = np.bincount(a[a >= 0], minlength=len(a_names)), np.bincount(b[b >= 0], minlength=len(b_names))
    place = np.where((a >= 0) & (b >= 0), a * len(b_names) + b, -1)
    found = {}
    for code, rows in pd.Series(np.arange(n_all)).groupby(place).indices.items():
        i, j = divmod(int(code), len(b_names))
        if code < 0 or not MIN_CELL <= len(rows) <= n_all - MIN_CELL:
            continue
        if len(rows) < NEARLY_ALL * min(size_a[i], size_b[j]):
            found[f"{one}={a_names[i]}{AND}{other}={b_names[j]}"] = np.asarray(rows)
    return found


def find_cells(
    grid: DayGrid, absences: pd.DataFrame, *, kinds: tuple[str, ...] = ("reasons", "calendar"), seed: int = 20262
) -> pd.DataFrame:
    """Cells with a calendar pattern or a reason of their own. Grain: cell x pattern: chosen by the first half (p under
    0.01 and a higher rate there); all figures are of the second half. n_students: of the second half."""
    cells = cell_members(grid)
    chosen_half = _halves(grid, seed)
    searches = {"calendar": find_calendar, "reasons": lambda g, groups: find_reasons(g, absences, groups=groups)}
    parts = []
    for kind in ("reasons", "calendar"):
        if kind in kinds and cells:
            parts.append(_search(grid, cells, chosen_half, searches[kind]))
    parts = [part for part in parts if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def _search(grid: DayGrid, cells: dict[str, np.ndarray], first: np.ndarray, search) -> pd.DataFrame:
    screened = search(*_half(grid, cells, first))
    picked = screened[(screened["p_value"] < SCREEN) & (screened["rate_ratio"] > 1) & is_cell(screened["group"])]
    asked = set(zip(picked["group"], picked["pattern"], strict=True))
    if not asked:
        return screened.iloc[:0]
    told = search(*_half(grid, {name: cells[name] for name in sorted({group for group, _ in asked})}, ~first))
    keep = [pair in asked for pair in zip(told["group"], told["pattern"], strict=True)]
    return told[keep]


def _halves(grid: DayGrid, seed: int) -> np.ndarray:
    """True for the half that chooses. Households stay whole, so that brothers and sisters do not link the halves."""
    rng = np.random.default_rng(seed)
    alone = pd.Series(grid.students["student_id"].astype("str"))
    home = alone
    if "household_id" in grid.students:
        named = grid.students["household_id"].astype("str")
        home = named.where(named.notna() & named.ne("") & named.ne("nan"), alone)
    code = pd.factorize(home)[0]
    return (rng.random(code.max(initial=-1) + 1) < 0.5)[code]


def _half(grid: DayGrid, cells: dict[str, np.ndarray], rows: np.ndarray) -> tuple[DayGrid, dict[str, np.ndarray]]:
    """The grid of one half of the students, and the cells' rows in it."""
    place = np.cumsum(rows) - 1
    half = part_of(grid, rows)
    return half, {name: place[members[rows[members]]] for name, members in cells.items()}
