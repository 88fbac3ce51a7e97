"""Tables as an attacker sees them: one list of counts, and every sum that ties them together."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

_MOST_SUBSET_COLUMNS = 8


@dataclass
class Cells:
    """Counts and the sums between them.

    values: the true counts. printed: whether a cell stands in a table (a complement does not). whole: whether it is a
    total of others, hidden last. sums: each is (cells, signs, constant): sum of sign x count = constant.
    places: where a printed cell stands, as (table, row, column).
    """

    values: list[int] = field(default_factory=list)
    printed: list[bool] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    sums: list[tuple[tuple[int, ...], tuple[int, ...], int]] = field(default_factory=list)
    places: dict[tuple[int, int, Hashable], int] = field(default_factory=dict)
    _known: dict[Hashable, int] = field(default_factory=dict)
    _sum_keys: set[Hashable] = field(default_factory=set)

    def add(self, identity: Hashable, value: int, *, printed: bool, whole: bool = False) -> int:
        """The number of this cell; the same identity and value in two tables is one cell."""
        key = (identity, value)
        if key not in self._known:
            self._known[key] = len(self.values)
            self.values.append(value)
            self.printed.append(printed)
            self.whole.append(whole)
        number = self._known[key]
        self.printed[number] |= printed
        self.whole[number] |= whole
        return number

    def add_sum(self, whole: int, parts: Iterable[int]) -> None:
        """Parts add up to the whole, give or take a constant the attacker is taken to know."""
        parts = tuple(sorted(set(parts) - {whole}))
        if not parts or (whole, parts) in self._sum_keys:
            return
        self._sum_keys.add((whole, parts))
        constant = self.values[whole] - sum(self.values[part] for part in parts)
        self.whole[whole] = True
        self.sums.append(((whole, *parts), (1, *(-1 for _ in parts)), constant))


@dataclass(frozen=True)
class Layout:
    """How one table is built: its key columns, count columns, (numerator, denominator) pairs, label of totals."""

    name: str
    frame: pd.DataFrame
    keys: tuple[Hashable, ...]
    counts: tuple[Hashable, ...]
    ratios: tuple[tuple[Hashable, Hashable], ...]
    total: Any
    parts: Mapping[Hashable, tuple[Hashable, ...]]


def to_base(value: int, base: int) -> int:
    """The nearest multiple of `base`; a half goes up."""
    return int((2 * value + base) // (2 * base) * base)


def lay_out(tables: list[Layout]) -> Cells:
    """Every count of every table, with row totals, column totals, complements, and sums found in the numbers."""
    cells = Cells()
    for number, table in enumerate(tables):
        for row in range(len(table.frame)):
            for column in table.counts:
                value = table.frame[column].iloc[row]
                if pd.notna(value):
                    identity = _identity(table, row, column)
                    cells.places[number, row, column] = cells.add(identity, int(value), printed=True)
        _row_sums(cells, number, table)
        _column_sums(cells, number, table)
        _complements(cells, number, table)
    return cells


def _identity(table: Layout, row: int, column: Hashable) -> Hashable:
    keys = ((key, table.frame[key].iloc[row]) for key in table.keys)
    return frozenset((key, str(value)) for key, value in keys if not _is_total(value, table.total)), str(column)


def _is_total(value: Any, total: Any) -> bool:
    return (total is not None and str(value) == str(total)) or value is None or value is pd.NA or value != value


def total_rows(table: Layout) -> np.ndarray:
    """Which rows are totals: the label where one is given, else the first or last row that is the sum of the others."""
    frame = table.frame
    if table.total is not None or any(frame[key].isna().any() for key in table.keys):
        marks = [frame[key].map(lambda value: _is_total(value, table.total)).to_numpy(bool) for key in table.keys]
        return np.logical_or.reduce(marks) if marks else np.zeros(len(frame), bool)
    found = np.zeros(len(frame), bool)
    numbers = frame[list(table.counts)].astype("float64").to_numpy()
    for row in {0, len(frame) - 1} if len(frame) > 2 else ():
        if np.array_equal(numbers[row], numbers.sum(axis=0) - numbers[row]):
            found[row] = True
            return found
    return found


def _row_sums(cells: Cells, number: int, table: Layout) -> None:
    """Rows that add up to a total row, one key at a time; groups that leave a rest get that rest as a cell."""
    is_total = total_rows(table)
    keys = [[str(value) for value in table.frame[key]] for key in table.keys]
    marks = [[_is_total(value, table.total) for value in table.frame[key]] for key in table.keys]
    for whole in np.flatnonzero(is_total):
        for parts in _parts_of(int(whole), is_total, keys, marks):
            rests = _rests(cells, number, table, int(whole), parts)
            overlap = any(rest < 0 for rest in rests.values())
            for column, rest in rests.items():
                _sum_or_rest(cells, number, table, int(whole), parts, column, 0 if overlap else rest)


def _parts_of(whole: int, is_total: np.ndarray, keys: list[list[str]], marks: list[list[bool]]) -> list[list[int]]:
    """Lists of rows that together may be the total row `whole`."""
    rows, found = range(len(is_total)), []
    for k in range(len(keys)):
        others = [j for j in range(len(keys)) if j != k]
        if marks[k][whole]:
            found.append([r for r in rows if not marks[k][r] and r != whole
                          and all(keys[j][r] == keys[j][whole] for j in others)])
    if not any(found):
        found = [[r for r in rows if not is_total[r] and keys[k][r] == value]
                 for k in range(len(keys)) for value in dict.fromkeys(keys[k])]
        found.append([r for r in rows if not is_total[r]])
    return [parts for parts in found if parts]


def _rests(cells: Cells, number: int, table: Layout, whole: int, parts: list[int]) -> dict[Hashable, int]:
    """By count column: what the parts leave of the whole. Below 0 the parts overlap (a student of two schools), and
    then no difference is a group: who counts once in the whole may count in another band in each part."""
    found, place = {}, cells.places
    for column in table.counts:
        if (number, whole, column) in place and all((number, part, column) in place for part in parts):
            value = sum(cells.values[place[number, part, column]] for part in parts)
            found[column] = cells.values[place[number, whole, column]] - value
    return found


def _sum_or_rest(cells: Cells, number: int, table: Layout, whole: int, parts: list[int], column: Hashable,
                 rest: int) -> None:
    """The parts and the whole; where the parts leave people out, those are a cell of their own."""
    total, *numbers = (cells.places[number, row, column] for row in (whole, *parts))
    if rest > 0:
        numbers.append(cells.add(("rest", table.name, whole, tuple(parts), str(column)), rest, printed=False))
    cells.add_sum(total, numbers)


def _column_sums(cells: Cells, number: int, table: Layout) -> None:
    """Columns that add up to another column: those stated, and those the numbers show."""
    stated = [(whole, tuple(parts)) for whole, parts in table.parts.items()]
    for whole, parts in [*stated, *_found_column_sums(table)]:
        for row in range(len(table.frame)):
            wanted = [(number, row, column) for column in (whole, *parts)]
            if all(place in cells.places for place in wanted):
                cells.add_sum(cells.places[wanted[0]], [cells.places[place] for place in wanted[1:]])


def _found_column_sums(table: Layout) -> list[tuple[Hashable, tuple[Hashable, ...]]]:
    """Every count column that equals the sum of two or more others in all rows.

    A sum that is stated stands; a column of zeros is no part, for a reader who does not see it cannot leave it out.
    """
    columns = [column for column in table.counts if column in table.parts or table.frame[column].fillna(0).any()]
    numbers = table.frame[columns].astype("float64").fillna(0).to_numpy()
    found: list[tuple[Hashable, tuple[Hashable, ...]]] = []
    for w, whole in enumerate(columns):
        others = [i for i in range(len(columns)) if i != w] if whole not in table.parts else []
        few = len(table.frame) >= 2 and len(others) <= _MOST_SUBSET_COLUMNS
        sizes = range(2, len(others) + 1) if few else [len(others)]
        for subset in (s for size in sizes for s in combinations(others, size) if size >= 2):
            if numbers[:, w].any() and np.array_equal(numbers[:, w], numbers[:, list(subset)].sum(axis=1)):
                found.append((whole, tuple(columns[i] for i in subset)))
    return found


def _complements(cells: Cells, number: int, table: Layout) -> None:
    """Denominator minus numerator: those who did not, a count nobody prints and everybody can subtract."""
    for row in range(len(table.frame)):
        for top, bottom in table.ratios:
            if (number, row, top) in cells.places and (number, row, bottom) in cells.places:
                above, below = cells.places[number, row, top], cells.places[number, row, bottom]
                rest = cells.values[below] - cells.values[above]
                if above != below and rest >= 0:
                    other = cells.add(("not", _identity(table, row, top), str(bottom)), rest, printed=False)
                    cells.add_sum(below, [above, other])
