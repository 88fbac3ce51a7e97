"""Optimal pair and full matching: the smallest total distance there is, by scipy's assignment solver.

Pairs: Rosenbaum 1989 (JASA 84). Full matching without bounds is a least-cost edge cover of the two arms (Hansen 2004,
JASA 99): every row costs its own cheapest edge, and a maximum-weight matching of the savings finds the optimum.
"""

from __future__ import annotations

import numpy as np

from evalkit.comparison.matched import assert_calipers
from evalkit.comparison.nearest import Pairs
from evalkit.comparison.problem import Problem, Result, result_of_pairs, weights_of_subclasses
from evalkit.errors import UserError

MOST_CELLS = 60_000_000
"""Distances held at once (about 0.5 GB); above it the reader is asked to split by exact columns."""
TOO_MANY = ("There are too many students in one group for an exact optimum.",
            'Name exact columns (school, grade) so that groups are smaller, or use method "nearest".')


def optimal(problem: Problem) -> Result:
    """Sets of one focal row and `ratio` partners with the least total distance; calipers hold, most pairs first."""
    ratio = int(problem.plan["ratio"])
    taken = [np.zeros((0, 3), dtype=np.int64)]
    for focal, partners in _strata(problem, cells=ratio):
        cost = distances(problem, focal, partners)
        rows, columns = cheapest(np.repeat(cost, ratio, axis=0))
        taken.append(np.stack([focal[rows // ratio], partners[columns], rows % ratio + 1], axis=1))
    pairs = np.concatenate(taken)
    found = Pairs(pairs[:, 0], pairs[:, 1], pairs[:, 2])
    assert_calipers(problem, found)
    return result_of_pairs(problem, found, replace=False)


def cheapest(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Assignment with as many allowed pairs as possible, then the least total; forbidden cells are infinite."""
    from scipy.optimize import linear_sum_assignment  # slow to import: only where it is asked for

    allowed = np.isfinite(cost)
    if not allowed.any():
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    if not allowed.all():
        most = float(cost[allowed].max())
        cost = np.where(allowed, cost, (most + 1.0) * (min(cost.shape) + 1))
    rows, columns = linear_sum_assignment(cost)
    kept = allowed[rows, columns]
    return rows[kept], columns[kept]


def full(problem: Problem) -> Result:
    """Sets of one treated with several others, or one other with several treated; everybody allowed is in one."""
    subclass = np.full(len(problem.treated), -1, dtype=np.int64)
    number = 0
    for focal, partners in _strata(problem):
        cost = distances(problem, focal, partners)
        for rows, columns in stars(cost):
            subclass[focal[rows]] = subclass[partners[columns]] = number
            number += 1
    return Result(weights_of_subclasses(subclass, problem.treated, problem.estimand), subclass,
                  extra={"total_distance": total_distance(problem, subclass)})


def stars(cost: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Least-cost cover of rows and columns by stars. Rows and columns with no allowed partner stay out."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = np.flatnonzero(np.isfinite(cost).any(axis=1)), np.flatnonzero(np.isfinite(cost).any(axis=0))
    if not len(rows):
        return []
    inner = cost[np.ix_(rows, columns)]
    by_row, by_column = inner.min(axis=1), inner.min(axis=0)
    saving = np.minimum(inner - by_row[:, None] - by_column[None, :], 0.0)
    r, c = linear_sum_assignment(saving)
    good = saving[r, c] < 0
    edges = set(zip(r[good].tolist(), c[good].tolist(), strict=True))
    covered_rows, covered_columns = {i for i, _ in edges}, {j for _, j in edges}
    edges |= {(i, int(inner[i].argmin())) for i in range(len(rows)) if i not in covered_rows}
    edges |= {(int(inner[:, j].argmin()), j) for j in range(len(columns)) if j not in covered_columns}
    return _components(_without_bridges(edges), rows, columns)


def _without_bridges(edges: set[tuple[int, int]]) -> list[tuple[int, int]]:
    """Drop edges both of whose ends are covered otherwise (free of cost only when tied): what is left are stars."""
    row_uses: dict[int, int] = {}
    column_uses: dict[int, int] = {}
    for i, j in edges:
        row_uses[i] = row_uses.get(i, 0) + 1
        column_uses[j] = column_uses.get(j, 0) + 1
    kept = []
    for i, j in sorted(edges):
        if row_uses[i] > 1 and column_uses[j] > 1:
            row_uses[i] -= 1
            column_uses[j] -= 1
        else:
            kept.append((i, j))
    return kept


def _components(edges: list[tuple[int, int]], rows: np.ndarray, columns: np.ndarray):
    """Each star as (rows, columns): the centre is the end used more than once."""
    uses: dict[int, int] = {}
    for i, _ in edges:
        uses[i] = uses.get(i, 0) + 1
    groups: dict[tuple[str, int], tuple[set[int], set[int]]] = {}
    for i, j in edges:
        key = ("row", i) if uses[i] > 1 else ("column", j)
        mine = groups.setdefault(key, (set(), set()))
        mine[0].add(i)
        mine[1].add(j)
    return [(rows[sorted(i)], columns[sorted(j)]) for i, j in groups.values()]


def distances(problem: Problem, focal: np.ndarray, partners: np.ndarray) -> np.ndarray:
    """Distance of every focal row to every partner; infinite outside a caliper."""
    if problem.metric is not None:
        from scipy.spatial.distance import cdist

        cost = cdist(problem.metric[focal], problem.metric[partners])
    else:
        cost = np.abs(problem.score[focal][:, None] - problem.score[partners][None, :])
    if problem.score is not None and np.isfinite(problem.width):
        gap = np.abs(problem.score[focal][:, None] - problem.score[partners][None, :])
        cost = np.where(gap <= problem.width, cost, np.inf)
    for caliper in problem.calipers:
        cost = np.where(caliper.allows(focal[:, None], partners[None, :]), cost, np.inf)
    return cost


def _strata(problem: Problem, *, cells: int = 1):
    """(focal, partners) of each stratum that has both; refuses what would not fit in memory."""
    focal, partners = problem.focal_rows(), problem.partner_rows()
    for code in np.intersect1d(problem.strata[focal], problem.strata[partners]):
        mine, theirs = focal[problem.strata[focal] == code], partners[problem.strata[partners] == code]
        if len(mine) * len(theirs) * cells > MOST_CELLS:
            raise UserError(TOO_MANY[0], remedy=TOO_MANY[1])
        yield mine, theirs


def total_distance(problem: Problem, subclass: np.ndarray) -> float:
    """Sum over sets of the distances between each treated and each other row of the set (stars: every edge once)."""
    total = 0.0
    order = np.argsort(subclass, kind="stable")
    order = order[subclass[order] >= 0]
    for rows in np.split(order, np.flatnonzero(np.diff(subclass[order])) + 1) if len(order) else []:
        focal, partners = rows[problem.focal[rows] == 1], rows[problem.focal[rows] == 0]
        total += float(distances(problem, focal, partners).sum())
    return total
