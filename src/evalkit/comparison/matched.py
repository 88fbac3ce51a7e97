"""The nearest family on a problem: scores, covariate distances, calipers, exact strata, variable ratio, replacement."""

from __future__ import annotations

import heapq

import numpy as np

from evalkit.comparison.nearest import (Pairs, match_nearest, rank_treated, start_search, variable_ratio)
from evalkit.comparison.problem import Problem, Result, result_of_pairs
from evalkit.errors import UsageError


def nearest(problem: Problem) -> Result:
    """Greedy nearest neighbours, 1:k. Every caliper is checked again on the pairs that come out."""
    pairs = _by_metric(problem) if problem.metric is not None else _by_score(problem)
    assert_calipers(problem, pairs)
    return result_of_pairs(problem, pairs, replace=bool(problem.plan["replace"]))


def partners_wanted(problem: Problem, focal: np.ndarray) -> np.ndarray:
    """How many partners each focal row asks for."""
    plan = problem.plan
    if plan["max_controls"] is None:
        return np.full(len(focal), int(plan["ratio"]), dtype=np.int64)
    if problem.score is None or problem.metric is not None and not plan["mahvars"]:
        raise UsageError("A variable ratio needs a score to rank students by.",
                         remedy="Use distance propensity, logit or probit, or drop min_controls and max_controls.")
    return variable_ratio(problem.score[focal], problem.score[problem.partner_rows()], ratio=float(plan["ratio"]),
                          least=int(plan["min_controls"] or 1), most=int(plan["max_controls"]))


def _choosing_order(problem: Problem, focal: np.ndarray) -> np.ndarray:
    scores = np.zeros(len(focal)) if problem.score is None else problem.score[focal]
    order = str(problem.plan["order"])
    return rank_treated(scores, order="smallest" if order == "closest" else order,
                        data_place=problem.data_place[focal], seed=int(problem.plan["seed"]))


def _by_score(problem: Problem) -> Pairs:
    focal = problem.focal_rows()
    search = start_search(problem.score, focal, problem.partner_rows(), strata=problem.strata,
                          calipers=problem.calipers, width=problem.width)
    return match_nearest(search, _choosing_order(problem, focal), partners_wanted(problem, focal),
                         replace=bool(problem.plan["replace"]), closest=problem.plan["order"] == "closest")


def _by_metric(problem: Problem) -> Pairs:
    """Covariate distance: strata one after the other, each focal row against all free partners at once."""
    focal = problem.focal_rows()
    order, wanted = _choosing_order(problem, focal), partners_wanted(problem, focal)
    partners = problem.partner_rows()
    taken: list[np.ndarray] = []
    for code in np.unique(problem.strata[focal]):
        inside = order[problem.strata[focal[order]] == code]
        there = partners[problem.strata[partners] == code]
        if len(there):
            taken += _MetricStratum(problem, focal, there, wanted).match(inside)
    rows = np.array(taken, dtype=np.int64).reshape(-1, 3)
    return Pairs(focal[rows[:, 0]], rows[:, 1], rows[:, 2])


class _MetricStratum:
    """Free partners of one stratum; `match` gives (focal place, partner row, round)."""

    def __init__(self, problem: Problem, focal: np.ndarray, partners: np.ndarray, wanted: np.ndarray) -> None:
        self.problem, self.focal, self.partners, self.wanted = problem, focal, partners, wanted
        self.free = np.ones(len(partners), dtype=bool)
        self.replace = bool(problem.plan["replace"])
        self.mine: dict[int, list[int]] = {}

    def gaps(self, i: int) -> np.ndarray:
        """Squared distance to every partner; infinite where taken, already mine, or outside a caliper."""
        row, problem = self.focal[i], self.problem
        difference = problem.metric[self.partners] - problem.metric[row]
        gaps = np.einsum("ij,ij->i", difference, difference)
        allowed = self.free.copy()
        allowed[self.mine.get(i, [])] = False
        if problem.score is not None and np.isfinite(problem.width):
            allowed &= np.abs(problem.score[self.partners] - problem.score[row]) <= problem.width
        for caliper in problem.calipers:
            allowed &= caliper.allows(row, self.partners)
        return np.where(allowed, gaps, np.inf)

    def take(self, i: int, place: int) -> None:
        self.mine.setdefault(i, []).append(place)
        if not self.replace:
            self.free[place] = False

    def match(self, order: np.ndarray) -> list[tuple[int, int, int]]:
        out: list[tuple[int, int, int]] = []
        waiting = [int(i) for i in order]
        for k in range(1, int(self.wanted[order].max(initial=0)) + 1):
            waiting = [i for i in waiting if self.wanted[i] >= k]
            closest = self.problem.plan["order"] == "closest"
            found = self._closest(waiting) if closest else self._ordered(waiting)
            out += [(i, int(self.partners[place]), k) for i, place in found]
            matched = {i for i, _ in found}
            waiting = [i for i in waiting if i in matched]
        return out

    def _ordered(self, waiting: list[int]) -> list[tuple[int, int]]:
        found = []
        for i in waiting:
            gaps = self.gaps(i)
            place = int(gaps.argmin())
            if np.isfinite(gaps[place]):
                self.take(i, place)
                found.append((i, place))
        return found

    def _closest(self, waiting: list[int]) -> list[tuple[int, int]]:
        heap: list[tuple[float, int, int]] = []
        for i in waiting:
            self._queue(heap, i)
        found = []
        while heap:
            _, i, place = heapq.heappop(heap)
            if self.free[place]:
                self.take(i, place)
                found.append((i, place))
            else:
                self._queue(heap, i)
        return found

    def _queue(self, heap: list[tuple[float, int, int]], i: int) -> None:
        gaps = self.gaps(i)
        place = int(gaps.argmin())
        if np.isfinite(gaps[place]):
            heapq.heappush(heap, (float(gaps[place]), i, place))


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
