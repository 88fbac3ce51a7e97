"""What a reader of released numbers can work out: unknown counts, the ties between them, and each one's range."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

_TOLERANCE = 1e-6
"""LP answers and full-precision shares carry rounding of about 1e-9 of counts up to 1e5; far below one student."""


@dataclass
class Bounds:
    """Counts of 0 or more, each known to lie in a range, and rows `low <= sum of weight x count <= high`.

    low, high: what is printed about each count. hidden: the numbers of counts printed as hidden -> where they stand.
    small: counts nobody prints (left over, others) -> where; a reader must not learn that one is 1 to 9.
    """

    numbers: dict[tuple, int] = field(default_factory=dict)
    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    hidden: dict[int, str] = field(default_factory=dict)
    small: dict[int, str] = field(default_factory=dict)
    rows: list[tuple[dict[int, float], float, float]] = field(default_factory=list)
    clashes: set[int] = field(default_factory=set)
    """Counts printed in two places with ranges that do not meet: one of the two is no such count."""

    def count(self, key: tuple) -> int:
        """The number of the count with this identity; the same key in two tables is one count."""
        if key not in self.numbers:
            self.numbers[key] = len(self.low)
            self.low.append(0.0)
            self.high.append(np.inf)
        return self.numbers[key]

    def know(self, cell: int, low: float, high: float) -> None:
        """A range printed for the count; ranges of several tables meet, or else the first stands and it is a clash."""
        low, high = max(low, self.low[cell]), min(high, self.high[cell])
        if low <= high + _TOLERANCE:
            self.low[cell], self.high[cell] = low, high
        else:
            self.clashes.add(cell)

    def is_known(self, cell: int) -> bool:
        return self.high[cell] - self.low[cell] < 1

    def tie(self, whole: int, parts: Iterable[int], *, slack: tuple[float, float] = (0.0, 0.0)) -> None:
        """whole - sum(parts) lies in `slack`."""
        weights = {whole: 1.0}
        for part in parts:
            weights[part] = weights.get(part, 0.0) - 1.0
        self.rows.append((weights, *slack))

    def left_over(self, key: tuple, whole: int, part: int, where: str) -> None:
        """Those of `whole` who are not in `part`, a count of their own that must not come out small."""
        if self.high[whole] < self.low[part] - _TOLERANCE:
            return
        rest = self.count(key)
        self.small.setdefault(rest, where)
        self.tie(whole, [part, rest])

    def share(self, top: int, bottom: int, value: float, precision: float) -> None:
        """top / bottom was printed as `value`, give or take `precision`."""
        for sign in (1.0, -1.0):
            self.rows.append(({top: sign, bottom: -sign * (value + sign * precision)}, -np.inf, _TOLERANCE))

    def ranges(self, wanted: Iterable[int]) -> dict[int, tuple[float, float]]:
        """The least and greatest value of each wanted count that agrees with all that is printed (HiGHS LPs)."""
        found: dict[int, tuple[float, float]] = {}
        open_ones = [cell for cell in wanted if not self.is_known(cell)]
        found |= {cell: (self.low[cell], self.high[cell]) for cell in wanted if self.is_known(cell)}
        rows = [row for row in self.rows if any(not self.is_known(cell) for cell in row[0])]
        groups = _groups(rows, self.is_known)
        for cell in open_ones:
            group = groups.get(cell, [])
            found[cell] = self._range(cell, group) if group else (self.low[cell], self.high[cell])
        return found

    def _range(self, cell: int, rows: list[tuple[dict[int, float], float, float]]) -> tuple[float, float]:
        from scipy.optimize import linprog

        cells = sorted({c for weights, _, _ in rows for c in weights})
        place = {c: i for i, c in enumerate(cells)}
        above, limits = [], []
        for weights, low, high in rows:
            line = np.zeros(len(cells))
            for c, weight in weights.items():
                line[place[c]] = weight
            for sign, limit in ((1.0, high), (-1.0, -low)):
                if np.isfinite(limit):
                    above.append(sign * line)
                    limits.append(limit + _TOLERANCE)
        bounds = [(self.low[c], self.high[c] if np.isfinite(self.high[c]) else None) for c in cells]
        aim = np.zeros(len(cells))
        aim[place[cell]] = 1.0
        ends = []
        for sign in (1.0, -1.0):
            answer = linprog(sign * aim, A_ub=np.array(above), b_ub=np.array(limits), bounds=bounds, method="highs")
            without = np.inf if answer.status in (3, 4) else np.nan
            ends.append(answer.x[place[cell]] if answer.status == 0 else without)
        low, high = ends
        if np.isnan(low) or np.isnan(high):
            return 0.0, np.inf  # the ties do not hold together here (students who count twice): nothing follows
        return float(low) if np.isfinite(low) else 0.0, float(high)


def _groups(rows, is_known) -> dict[int, list]:
    """Count -> the rows that can say something of it: rows joined by an unknown count."""
    parent: dict[int, int] = {}

    def root(cell: int) -> int:
        parent.setdefault(cell, cell)
        while parent[cell] != cell:
            parent[cell] = parent[parent[cell]]
            cell = parent[cell]
        return cell

    for weights, _, _ in rows:
        unknown = [cell for cell in weights if not is_known(cell)]
        for cell in unknown[1:]:
            parent[root(cell)] = root(unknown[0])
        root(unknown[0])
    gathered: dict[int, list] = {}
    for row in rows:
        gathered.setdefault(root(next(cell for cell in row[0] if not is_known(cell))), []).append(row)
    return {cell: gathered[root(cell)] for cell in list(parent) if root(cell) in gathered}
