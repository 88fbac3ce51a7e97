"""Matching over many start dates, where a student is a partner once in the study although it is at risk on many days.

Greedy rounds take a student away at every date at once; the optimal pairs are one assignment of students, each at the
row of the day its partner started.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from evalkit.comparison.matched import MetricFinder, assert_calipers, choosing_order, partners_wanted
from evalkit.comparison.nearest import Pairs, ScoreFinder, Search, match_rounds, start_search
from evalkit.comparison.optimal import MOST_CELLS, TOO_MANY, cheapest, distances
from evalkit.comparison.problem import Problem, Result
from evalkit.errors import UserError


class _OnceEach:
    """Mixed into a finder: taking one row of a student takes all of them, at every landmark."""

    def share(self, students: np.ndarray) -> _OnceEach:
        by_student = np.argsort(students, kind="stable")
        cuts = np.flatnonzero(np.diff(students[by_student])) + 1
        self.copies = [group.tolist() for group in np.split(by_student, cuts)] if len(students) else []
        self.student = np.unique(students, return_inverse=True)[1].tolist()
        return self

    def take(self, partner: int) -> None:
        for place in self.copies[self.student[partner]]:
            super().take(place)  # type: ignore[misc]


class _ScoreOnce(_OnceEach, ScoreFinder):
    pass


class _MetricOnce(_OnceEach, MetricFinder):
    pass


def nearest_once(problem: Problem, rows: pd.DataFrame) -> Result:
    """Greedy nearest partners; with replacement each (student, landmark) is its own row."""
    focal = problem.focal_rows()
    order, wanted = choosing_order(problem, focal), partners_wanted(problem, focal)
    replace = bool(problem.plan["replace"])
    finder, partners = _finder(problem, focal, _students(problem, rows), replace)
    taken = match_rounds(finder, order, wanted, replace=replace, closest=problem.plan["order"] == "closest")
    return _paired(problem, Pairs(focal[taken[:, 0]], partners[taken[:, 1]], taken[:, 2]))


def optimal_once(problem: Problem, rows: pd.DataFrame) -> Result:
    """As many pairs as the calipers allow, then the least total distance, over all start dates together.

    A treated row may take any student at risk in its own risk set; students whom two risk sets share tie them into one
    assignment (balanced risk set matching: Li, Propert & Rosenbaum 2001, JASA 96, doi:10.1198/016214501753208573).
    """
    ratio = int(problem.plan["ratio"])
    students = _students(problem, rows)
    taken = [np.zeros((0, 3), dtype=np.int64)]
    for focal, partners in _tied(problem, students):
        cost, row_of = _cost(problem, focal, partners, students, ratio)
        at, column = cheapest(np.repeat(cost, ratio, axis=0))
        found = np.stack([focal[at // ratio], row_of[at // ratio, column], at % ratio + 1], axis=1)
        taken.append(found[np.lexsort((found[:, 1], found[:, 0]))])
    pairs = np.concatenate(taken)
    return _paired(problem, Pairs(pairs[:, 0], pairs[:, 1], pairs[:, 2]))


def _students(problem: Problem, rows: pd.DataFrame) -> np.ndarray:
    """The student of each row of the problem, as a number."""
    return pd.factorize(rows["student_id"], sort=True)[0][problem.data_place]


def _paired(problem: Problem, pairs: Pairs) -> Result:
    assert_calipers(problem, pairs)
    weights = np.zeros(len(problem.treated))
    weights[pairs.treated], weights[pairs.partner] = 1.0, 1.0
    return Result(weights, np.full(len(weights), -1), pairs)


def _finder(problem: Problem, focal: np.ndarray, students: np.ndarray, replace: bool) -> tuple[Any, np.ndarray]:
    if problem.metric is not None:
        partners = problem.partner_rows()
        finder: Any = MetricFinder(problem, focal, partners) if replace else \
            _MetricOnce(problem, focal, partners).share(students[partners])
        return finder, partners
    search: Search = start_search(problem.score, focal, problem.partner_rows(), strata=problem.strata,
                                  calipers=problem.calipers, width=problem.width)
    found: Any = ScoreFinder(search) if replace else _ScoreOnce(search).share(students[search.partners])
    return found, search.partners


def _tied(problem: Problem, students: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(focal, partners) of each group of risk sets that share a student; groups can be solved one by one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    focal, partners = problem.focal_rows(), problem.partner_rows()
    partners = partners[np.isin(problem.strata[partners], problem.strata[focal])]
    n_strata, n_students = int(problem.strata.max()) + 1, int(students.max()) + 1
    shares = coo_array((np.ones(len(partners)), (problem.strata[partners], n_strata + students[partners])),
                       shape=(n_strata + n_students,) * 2)
    group = connected_components(shares, directed=False)[1]
    mine, theirs = group[problem.strata[focal]], group[problem.strata[partners]]
    for code in np.intersect1d(mine, theirs):
        yield focal[mine == code], partners[theirs == code]


def _cost(problem: Problem, focal: np.ndarray, partners: np.ndarray, students: np.ndarray,
          ratio: int) -> tuple[np.ndarray, np.ndarray]:
    """Distance of each focal row to each student, infinite where not at risk that day, and the row of that day."""
    here, column = np.unique(students[partners], return_inverse=True)
    if len(focal) * len(here) * ratio > MOST_CELLS:
        raise UserError(TOO_MANY[0], remedy=TOO_MANY[1])
    cost = np.full((len(focal), len(here)), np.inf)
    row_of = np.full(cost.shape, -1, dtype=np.int64)
    for code in np.unique(problem.strata[focal]):
        at = np.flatnonzero(problem.strata[focal] == code)
        who = np.flatnonzero(problem.strata[partners] == code)
        cost[np.ix_(at, column[who])] = distances(problem, focal[at], partners[who])
        row_of[np.ix_(at, column[who])] = partners[who]
    return cost, row_of
