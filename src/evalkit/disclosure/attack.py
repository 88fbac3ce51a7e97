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


def _harvest(matrix: np.ndarray, right: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and greatest value of each unknown seen over a few random corners of what is possible."""
    low, high = truth.copy(), truth.copy()
    random = np.random.default_rng(0)
    for _ in range(_HARVEST_ROUNDS):
        aim = random.normal(size=len(truth))
        for objective in (aim, -aim):
            corner = _solve(objective, matrix, right, bound=float(truth.sum()) * 2 + 100)
            if corner is not None:
                low, high = np.minimum(low, corner), np.maximum(high, corner)
    return low, high


def _span(matrix: np.ndarray, right: np.ndarray, column: int, truth: np.ndarray) -> float:
    """Greatest minus least possible value of one unknown."""
    objective = np.zeros(matrix.shape[1])
    objective[column] = 1.0
    bound = float(truth.sum()) * 2 + 100
    least, greatest = (_solve(sign * objective, matrix, right, bound=bound) for sign in (1, -1))
    if least is None or greatest is None:
        return 0.0
    return float(greatest[column] - least[column]) + 1e-7


def _solve(objective: np.ndarray, matrix: np.ndarray, right: np.ndarray, *, bound: float) -> np.ndarray | None:
    from scipy.optimize import linprog
    from scipy.sparse import csr_array

    answer = linprog(objective, A_eq=csr_array(matrix), b_eq=right, bounds=(0, bound), method="highs")
    return answer.x if answer.status == 0 else None
