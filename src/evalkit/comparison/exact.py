"""Exact matching: everybody stays who shares every covariate with somebody of the other arm."""

from __future__ import annotations

import numpy as np

from evalkit.comparison.problem import Problem, Result, weights_of_subclasses


def exact(problem: Problem) -> Result:
    """Sets of rows equal on every covariate and exact column, with both arms in them."""
    codes = problem.strata
    for column in problem.columns:
        values = column.values if column.absent is None else np.where(column.absent, np.inf, column.values)
        codes = crossed(codes, np.unique(values, return_inverse=True)[1])
    subclass = sets_with_both(codes, problem)
    return Result(weights_of_subclasses(subclass, problem.treated, problem.estimand), subclass)


def crossed(codes: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Codes of the combination of two groupings, kept small so that many columns do not overflow."""
    return np.unique(codes * (int(more.max(initial=0)) + 1) + more, return_inverse=True)[1].astype(np.int64)


def sets_with_both(codes: np.ndarray, problem: Problem) -> np.ndarray:
    """Number the groups that hold both arms among usable rows from 0; every other row gets -1."""
    usable, treated = problem.usable, problem.treated
    both = np.intersect1d(codes[usable & (treated == 1)], codes[usable & (treated == 0)])
    place = np.searchsorted(both, codes)
    found = usable & (place < len(both)) & (both[np.minimum(place, len(both) - 1)] == codes) if len(both) else \
        np.zeros(len(codes), dtype=bool)
    return np.where(found, place, -1)
