"""What can be worked out from what is shown: the narrowest range of every hidden count, by linear programming."""

from __future__ import annotations

import numpy as np

from evalkit.disclosure.cells import Cells

_HARVEST_ROUNDS = 8


def too_narrow(cells: Cells, hidden: np.ndarray, sensitive: np.ndarray, *, width: float) -> list[int]:
    """The cells of `sensitive` whose possible values span less than `width`, given all that is shown.

    hidden: which counts the reader does not see. A count is never negative; nothing else bounds it from outside.
    Method: HiGHS LPs (scipy.optimize.linprog). Random objectives certify most cells at once, the rest get two LPs each.
    Widths are of real numbers; whole numbers can be a little narrower, which is why `width` is 5 and not 1.
    """
    unknown = np.flatnonzero(hidden)
    wanted = [int(cell) for cell in np.flatnonzero(sensitive & hidden)]
    if not wanted:
        return []
    matrix, right = _equations(cells, unknown)
    truth = np.array([cells.values[cell] for cell in unknown], float)
    if matrix.shape[0] == 0:
        return []
    column = {int(cell): i for i, cell in enumerate(unknown)}
    low, high = _harvest(matrix, right, truth)
    doubtful = [cell for cell in wanted if high[column[cell]] - low[column[cell]] < width]
    return [cell for cell in doubtful if _span(matrix, right, column[cell], truth) < width]


def pinned_by_rounding(cells: Cells, hidden: np.ndarray, *, base: int, width: float) -> list[int]:
    """The shown cells that sums narrow below half of what rounding leaves open (and below `width`).

    Every count is rounded by itself, so a sum holds only within the rounding of its members; where the errors of all
    point one way, a reader could still undo them. That matters where the exact count stands in another copy.
    """
    values = np.array(cells.values, int)
    nearest = (2 * values + base) // (2 * base) * base
    tied = {cell for members, _, _ in cells.sums for cell in members}
    wanted = [cell for cell in sorted(tied) if not hidden[cell]]
    if not wanted:
        return []
    most = 2.0 * values.sum() + 100
    low = np.where(hidden, 0.0, np.maximum(nearest - base // 2, 0))
    high = np.where(hidden, most, nearest + (base - 1) // 2)
    matrix, right = _equations(cells, np.arange(len(values)))
    limits = np.column_stack([low, high])
    seen = _harvest(matrix, right, values.astype(float), limits)
    limit = min(width, base / 2)
    doubtful = [cell for cell in wanted if seen[1][cell] - seen[0][cell] < limit]
    return [cell for cell in doubtful if _span(matrix, right, cell, values.astype(float), limits) < limit]


def _equations(cells: Cells, unknown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The sums that hold between unknown cells: A x = b, known cells moved to the right side."""
    column = {int(cell): i for i, cell in enumerate(unknown)}
    rows, right = [], []
    for members, signs, constant in cells.sums:
        row, rest = np.zeros(len(unknown)), float(constant)
        for cell, sign in zip(members, signs, strict=True):
            if cell in column:
                row[column[cell]] += sign
            else:
                rest -= sign * cells.values[cell]
        if row.any():
            rows.append(row)
            right.append(rest)
    return np.array(rows).reshape(len(rows), len(unknown)), np.array(right)


def _harvest(matrix: np.ndarray, right: np.ndarray, truth: np.ndarray,
             limits: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The least and greatest value of each unknown seen over a few random corners of what is possible."""
    low, high = truth.copy(), truth.copy()
    random = np.random.default_rng(0)
    limits = _any_count(truth) if limits is None else limits
    for _ in range(_HARVEST_ROUNDS):
        aim = random.normal(size=len(truth))
        for objective in (aim, -aim):
            corner = _solve(objective, matrix, right, limits)
            if corner is not None:
                low, high = np.minimum(low, corner), np.maximum(high, corner)
    return low, high


def _any_count(truth: np.ndarray) -> np.ndarray:
    """What is possible of a count that nothing is said of: 0 up to far more than there are."""
    return np.column_stack([np.zeros(len(truth)), np.full(len(truth), float(truth.sum()) * 2 + 100)])


def _span(matrix: np.ndarray, right: np.ndarray, column: int, truth: np.ndarray,
          limits: np.ndarray | None = None) -> float:
    """Greatest minus least possible value of one unknown."""
    objective = np.zeros(matrix.shape[1])
    objective[column] = 1.0
    limits = _any_count(truth) if limits is None else limits
    least, greatest = (_solve(sign * objective, matrix, right, limits) for sign in (1, -1))
    if least is None or greatest is None:
        return 0.0
    return float(greatest[column] - least[column]) + 1e-7


def _solve(objective: np.ndarray, matrix: np.ndarray, right: np.ndarray, limits: np.ndarray) -> np.ndarray | None:
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    answer = linprog(objective, A_eq=csr_array(matrix), b_eq=right, bounds=limits, method="highs")
    return answer.x if answer.status == 0 else None
