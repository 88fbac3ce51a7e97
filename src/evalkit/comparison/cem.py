"""Coarsened exact matching: numbers are cut into bins, then matched exactly (Iacus, King & Porro 2012)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from evalkit.comparison.distances import COVARIATE_DISTANCES, metric_columns
from evalkit.comparison.exact import crossed, sets_with_both
from evalkit.comparison.matched import by_metric
from evalkit.comparison.nearest import Pairs
from evalkit.comparison.problem import Problem, Result, nobody, result_of_pairs, weights_of_subclasses
from evalkit.errors import UsageError, UserError, must_be_one_of

RULES = ("sturges", "scott", "fd")


def cem(problem: Problem) -> Result:
    """Sets equal on every factor, exact column and bin. `k2k` keeps one partner for each treated student of a set."""
    codes = coarse_codes(problem)
    subclass = sets_with_both(codes, problem)
    if (subclass < 0).all():
        return Result(*nobody(len(subclass)))
    if not problem.plan["k2k"]:
        return Result(weights_of_subclasses(subclass, problem.treated, problem.estimand), subclass)
    pairs = one_to_one(problem, subclass)
    return result_of_pairs(problem, pairs, replace=False)


def coarse_codes(problem: Problem) -> np.ndarray:
    """One code a row for its combination of bins."""
    cutpoints = problem.plan["cutpoints"]
    rules = dict(cutpoints) if isinstance(cutpoints, Mapping) else {}
    numeric = {column.name for column in problem.columns if not column.levels}
    for name in rules:
        must_be_one_of("cutpoints", name, sorted(numeric))
    codes = problem.strata
    for column in problem.columns:
        if column.levels:
            codes = crossed(codes, column.values)
            continue
        rule = rules.get(column.name, "sturges" if isinstance(cutpoints, Mapping) else cutpoints)
        present = np.isfinite(column.values)
        bins = np.zeros(len(codes), dtype=np.int64)
        bins[present] = 1 + bin_numbers(column.values[present], rule, name=column.name)
        codes = crossed(codes, bins)
    return codes


def bin_numbers(values: np.ndarray, rule: str | int | Sequence[float], *, name: str = "") -> np.ndarray:
    """Bin of every value. rule: sturges, scott, fd, q4 (quartiles), a number of bins, or the cut points themselves.

    A value on a cut point belongs to the bin above. 0 bins: every value its own; 1 bin: all alike.
    """
    if isinstance(rule, str) and rule[:1] == "q" and rule[1:].isdigit() and int(rule[1:]) > 0:
        count = int(rule[1:])
        rule = [float(np.quantile(values, k / count)) for k in range(1, count)]
    if isinstance(rule, str):
        must_be_one_of("cutpoints", rule, (*RULES, "q4"))
        rule = _bin_count(values, rule)
    if isinstance(rule, int | np.integer) and not isinstance(rule, bool):
        if rule < 0:
            raise UsageError(f'cutpoints for "{name}" is a negative number of bins.', remedy="Use 1 or more.")
        if rule == 0:
            return np.unique(values, return_inverse=True)[1]
        inner = np.linspace(values.min(), values.max(), int(rule) + 1)[1:-1]
    else:
        inner = np.unique(np.asarray(rule, dtype=float))
    return np.searchsorted(inner, values, side="right")


def _bin_count(values: np.ndarray, rule: str) -> int:
    """Numbers of bins as R's nclass functions give them."""
    n = len(values)
    sturges = int(np.ceil(np.log2(n) + 1))
    if rule == "sturges":
        return sturges
    if rule == "scott":
        width = 3.5 * np.sqrt(values.var(ddof=1)) * n ** (-1 / 3)
    else:
        quarter, three = np.quantile(values, [0.25, 0.75])
        width = 2 * (three - quarter) * n ** (-1 / 3)
    return max(1, int(np.ceil(np.ptp(values) / width))) if width > 0 else 1


def one_to_one(problem: Problem, subclass: np.ndarray) -> Pairs:
    """Within each set one partner for each focal row: by covariate distance, or the nearest row of the data."""
    from dataclasses import replace
    rule = problem.plan["k2k_distance"]
    inside = replace(problem, strata=subclass, usable=subclass >= 0, score=None, width=np.inf, calipers=(),
                     plan={**problem.plan, "ratio": 1, "replace": False, "max_controls": None, "mahvars": (),
                           "order": "data" if problem.plan["order"] in ("largest", "smallest") else
                           problem.plan["order"]})
    if rule is None:
        return _nearest_row(inside)
    must_be_one_of("k2k_distance", rule, COVARIATE_DISTANCES)
    metric = metric_columns(problem.columns, problem.treated, np.ones(len(subclass), dtype=bool), distance=rule)
    return by_metric(replace(inside, metric=metric))


def _nearest_row(problem: Problem) -> Pairs:
    """Data order: each focal row takes the free partner fewest rows away, the one above first."""
    focal, partners = problem.focal_rows(), problem.partner_rows()
    focal = focal[np.argsort(problem.data_place[focal])]
    free = np.ones(len(partners), dtype=bool)
    taken = []
    for row in focal:
        away = problem.data_place[partners] - problem.data_place[row]
        open_to = free & (problem.strata[partners] == problem.strata[row])
        cost = np.where(open_to, np.abs(away) + 0.5 * (away > 0), np.inf)
        place = int(cost.argmin())
        if np.isfinite(cost[place]):
            free[place] = False
            taken.append((row, partners[place]))
    rows = np.array(taken, dtype=np.int64).reshape(-1, 2)
    if not len(rows):
        raise UserError("No set has both a treated and an untreated student.", remedy="Use coarser cutpoints.")
    return Pairs(rows[:, 0], rows[:, 1], np.ones(len(rows), dtype=np.int64))
