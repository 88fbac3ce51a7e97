"""The nearest family on a problem: scores, covariate distances, calipers, exact strata, variable ratio, replacement."""

from __future__ import annotations

import numpy as np

from evalkit.comparison.nearest import Pairs, match_nearest, match_rounds, rank_treated, start_search, variable_ratio
from evalkit.comparison.problem import Problem, Result, result_of_pairs
from evalkit.errors import UsageError


def nearest(problem: Problem) -> Result:
    """Greedy nearest neighbours, 1:k. Every caliper is checked again on the pairs that come out."""
    pairs = by_metric(problem) if problem.metric is not None else _by_score(problem)
    assert_calipers(problem, pairs)
    return result_of_pairs(problem, pairs, replace=bool(problem.plan["replace"]))


def partners_wanted(problem: Problem, focal: np.ndarray) -> np.ndarray:
    """How many partners each focal row asks for."""
    plan = problem.plan
    if plan["max_controls"] is None:
        return np.full(len(focal), int(plan["ratio"]), dtype=np.int64)
    if problem.score is None or (problem.metric is not None and not plan["mahvars"]):
        raise UsageError("A variable ratio needs a score to rank students by.",
                         remedy="Use distance propensity, logit or probit, or drop min_controls and max_controls.")
    return variable_ratio(problem.score[focal], problem.score[problem.partner_rows()], ratio=float(plan["ratio"]),
                          least=int(plan["min_controls"] or 1), most=int(plan["max_controls"]))


def choosing_order(problem: Problem, focal: np.ndarray) -> np.ndarray:
    scores = np.zeros(len(focal)) if problem.score is None else problem.score[focal]
    order = str(problem.plan["order"])
    return rank_treated(scores, order="smallest" if order == "closest" else order,
                        data_place=problem.data_place[focal], seed=int(problem.plan["seed"]))


def _by_score(problem: Problem) -> Pairs:
    focal = problem.focal_rows()
    search = start_search(problem.score, focal, problem.partner_rows(), strata=problem.strata,
                          calipers=problem.calipers, width=problem.width)
    return match_nearest(search, choosing_order(problem, focal), partners_wanted(problem, focal),
                         replace=bool(problem.plan["replace"]), closest=problem.plan["order"] == "closest")


def by_metric(problem: Problem) -> Pairs:
    """Covariate distance: each focal row in turn against all free partners of its stratum at once."""
    focal, partners = problem.focal_rows(), problem.partner_rows()
    taken = match_rounds(MetricFinder(problem, focal, partners), choosing_order(problem, focal),
                         partners_wanted(problem, focal), replace=bool(problem.plan["replace"]),
                         closest=problem.plan["order"] == "closest")
    return Pairs(focal[taken[:, 0]], partners[taken[:, 1]], taken[:, 2])


class MetricFinder:
    """Free partners by stratum, and squared covariate distances to them; ties go to the first row."""

    def __init__(self, problem: Problem, focal: np.ndarray, partners: np.ndarray) -> None:
        self.problem, self.focal, self.partners = problem, focal, partners
        self.free = np.ones(len(partners), dtype=bool)
        by_stratum = np.argsort(problem.strata[partners], kind="stable")
        codes = problem.strata[partners][by_stratum]
        cuts = np.flatnonzero(np.diff(codes)) + 1
        groups = np.split(by_stratum, cuts) if len(codes) else []
        self.places = {int(problem.strata[partners[group[0]]]): group for group in groups}

    def _gaps(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Places of the row's stratum and squared distances; infinite where taken or outside a caliper."""
        row, problem = self.focal[i], self.problem
        places = self.places.get(int(problem.strata[row]), np.zeros(0, dtype=np.int64))
        places = places[self.free[places]]
        rows = self.partners[places]
        difference = problem.metric[rows] - problem.metric[row]
        gaps = np.einsum("ij,ij->i", difference, difference)
        gaps[~self._allowed(row, rows)] = np.inf
        return places, gaps

    def _allowed(self, row: int, rows: np.ndarray) -> np.ndarray:
        problem = self.problem
        allowed = np.ones(len(rows), dtype=bool)
        if problem.score is not None and np.isfinite(problem.width):
            gap = np.abs(problem.score[rows] - problem.score[row])
            allowed &= gap <= problem.width if problem.width >= 0 else gap > -problem.width
        for caliper in problem.calipers:
            allowed &= caliper.allows(row, rows)
        return allowed

    def nearest(self, i: int) -> int:
        places, gaps = self._gaps(i)
        best = int(gaps.argmin()) if len(gaps) else -1
        return int(places[best]) if best >= 0 and np.isfinite(gaps[best]) else -1

    def nearest_many(self, i: int, count: int) -> list[int]:
        places, gaps = self._gaps(i)
        near = np.argsort(gaps, kind="stable")[:count]
        return places[near[np.isfinite(gaps[near])]].tolist()

    def gap(self, i: int, partner: int) -> float:
        difference = self.problem.metric[self.partners[partner]] - self.problem.metric[self.focal[i]]
        return float(difference @ difference)

    def is_free(self, partner: int) -> bool:
        return bool(self.free[partner])

    def take(self, partner: int) -> None:
        self.free[partner] = False


def assert_calipers(problem: Problem, pairs: Pairs) -> None:
    """Every pair keeps every caliper and its exact stratum; a broken one is our fault, never the reader's."""
    broken = problem.strata[pairs.treated] != problem.strata[pairs.partner]
    if problem.score is not None and np.isfinite(problem.width):
        gap = np.abs(problem.score[pairs.treated] - problem.score[pairs.partner])
        broken |= gap > problem.width if problem.width >= 0 else gap <= -problem.width
    for caliper in problem.calipers:
        broken |= ~caliper.allows(pairs.treated, pairs.partner)
    if broken.any():
        raise AssertionError(f"{int(broken.sum())} pairs break a caliper or an exact group")
