"""Subclassification: everybody is kept, in groups of similar score (Rosenbaum & Rubin 1984)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evalkit.comparison.problem import Problem, Result, weights_of_subclasses
from evalkit.errors import UsageError


def subclass(problem: Problem) -> Result:
    """Cut the score at quantiles of the estimand's group; empty arms of a group are filled from the next group."""
    usable, scored = problem.usable, np.isfinite(problem.score)  # as MatchIt, quantiles include discarded rows
    basis = {"ATT": scored & (problem.treated == 1), "ATC": scored & (problem.treated == 0), "ATE": scored}
    cuts = _quantiles(problem.score[basis[problem.estimand]], _shares(problem.plan["subclasses"]))
    codes = np.clip(np.searchsorted(cuts, problem.score, side="right") - 1, 0, len(cuts) - 2)
    groups = len(cuts) - 1
    found = np.where(usable, codes, -1)
    moved = fill_empty(found, problem.treated, problem.score)
    number = {code: place for place, code in enumerate(np.unique(moved[moved >= 0]))}
    final = np.array([number.get(code, -1) for code in range(-1, groups)], dtype=np.int64)[moved + 1]
    remarks = []
    if len(number) < groups:
        remarks.append(f"The score takes few values: {len(number)} groups instead of {groups}.")
    if (moved != found).any():
        remarks.append(f"{int((moved != found).sum())} students were moved to the next group, so that each has both "
                       f"arms.")
    return Result(weights_of_subclasses(final, problem.treated, problem.estimand), final, remarks=tuple(remarks))


def _quantiles(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """R's quantile (type 7) in R's own order of arithmetic: a score that is a cut falls on the same side as MatchIt's.

    numpy's differs in the last digit, which moves a student to the next group where a cut is somebody's score.
    """
    ordered = np.sort(values)
    index = 1 + (len(values) - 1) * shares
    low = np.floor(index).astype(np.int64)
    left, right = ordered[low - 1], ordered[np.ceil(index).astype(np.int64) - 1]
    share = index - low
    return np.where((index > low) & (right != left), (1 - share) * left + share * right, left)


def _shares(subclasses: int | Sequence[float]) -> np.ndarray:
    if isinstance(subclasses, int | np.integer):
        if subclasses < 2:
            raise UsageError("subclasses must be at least 2.", remedy="Use 5 or 6, or a list of quantiles from 0 to 1.")
        return np.linspace(0, 1, int(subclasses) + 1)
    shares = np.asarray(subclasses, dtype=float)
    if shares.min() < 0 or shares.max() > 1:
        raise UsageError("subclasses as quantiles must lie between 0 and 1.", 
                         remedy="For example [0.2, 0.4, 0.6, 0.8].")
    return np.unique(np.concatenate([[0.0], shares, [1.0]]))


def fill_empty(codes: np.ndarray, treated: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Give every group one row of each arm at least, from the nearest group on the side with more to spare."""
    codes = codes.copy()
    groups = np.unique(codes[codes >= 0])
    for arm in (0, 1):
        rows = np.flatnonzero((treated == arm) & (codes >= 0))
        if len(rows) < len(groups):
            continue
        while True:
            counts = np.array([(codes[rows] == group).sum() for group in groups])
            if (counts > 0).all():
                break
            empty = int(np.flatnonzero(counts == 0)[0])
            _move_one(codes, rows, score, groups, counts, empty)
    return codes


def _move_one(codes: np.ndarray, rows: np.ndarray, score: np.ndarray, groups: np.ndarray, counts: np.ndarray,
              empty: int) -> None:
    away = np.arange(len(groups)) - empty
    spare = np.where(counts > 1, counts - 1, 0)
    pull = sum(s / a for s, a in zip(spare, away, strict=True) if a != 0)
    from_left = empty == len(groups) - 1 or (empty > 0 and pull <= 0)
    side = np.flatnonzero((counts > 0) & (away < 0 if from_left else away > 0))
    source = groups[side[-1] if from_left else side[0]]
    inside = rows[codes[rows] == source]
    best = inside[score[inside].argmax() if from_left else score[inside].argmin()]
    codes[best] = groups[empty]
