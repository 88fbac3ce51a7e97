"""What every method of comparison is given, and what it gives back. Rows stand in canonical order (see `choose`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from evalkit.comparison.covariates import Column, Design
from evalkit.comparison.nearest import Caliper, Pairs


@dataclass(frozen=True)
class Problem:
    """Arrays over rows. `focal` marks whom partners are found for: the treated, or for ATC the others.

    score, probability, metric (coordinates of a covariate distance): an array over rows, or None where not asked for.
    """

    treated: np.ndarray
    focal: np.ndarray
    columns: Sequence[Column]
    design: Design
    score: Any
    probability: Any
    metric: Any
    strata: np.ndarray
    usable: np.ndarray
    width: float
    calipers: Sequence[Caliper]
    data_place: np.ndarray
    frame: pd.DataFrame
    plan: Mapping[str, Any]
    alone: np.ndarray

    @property
    def estimand(self) -> str:
        return str(self.plan["estimand"])

    def focal_rows(self) -> np.ndarray:
        return np.flatnonzero((self.focal == 1) & self.usable)

    def partner_rows(self) -> np.ndarray:
        return np.flatnonzero((self.focal == 0) & self.usable)


@dataclass(frozen=True)
class Result:
    """Weight of every row (0 = not used), its set (-1 = none), who was paired with whom, and what to tell."""

    weights: np.ndarray
    subclass: np.ndarray
    pairs: Pairs | None = None
    remarks: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def nobody(rows: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(rows), np.full(rows, -1, dtype=np.int64)


def result_of_pairs(problem: Problem, pairs: Pairs, *, replace: bool) -> Result:
    """Focal rows weigh 1, each of their k partners 1/k (summed when a partner is used again)."""
    weights, subclass = nobody(len(problem.treated))
    counts = np.bincount(pairs.treated, minlength=len(weights))
    weights[counts > 0] = 1.0
    np.add.at(weights, pairs.partner, 1.0 / counts[pairs.treated])
    if not replace:
        number = np.cumsum(counts > 0) - 1
        subclass[counts > 0] = number[counts > 0]
        subclass[pairs.partner] = number[pairs.treated]
    return Result(weights, subclass, pairs)


def weights_of_subclasses(subclass: np.ndarray, treated: np.ndarray, estimand: str) -> np.ndarray:
    """Weights that make each set's two arms stand for its treated (ATT), its untreated (ATC) or all of it (ATE)."""
    inside = subclass >= 0
    size = int(subclass.max(initial=-1)) + 1
    n1 = np.bincount(subclass[inside & (treated == 1)], minlength=size)
    n0 = np.bincount(subclass[inside & (treated == 0)], minlength=size)
    odds = np.divide(n1, n0, out=np.zeros(size), where=n0 > 0)
    inverse = np.divide(n0, n1, out=np.zeros(size), where=n1 > 0)
    place = np.where(inside, subclass, 0)
    if size == 0:
        return np.zeros(len(treated))
    if estimand == "ATT":
        weights = np.where(treated == 1, 1.0, odds[place])
    elif estimand == "ATC":
        weights = np.where(treated == 1, inverse[place], 1.0)
    else:
        weights = np.where(treated == 1, 1 + inverse[place], 1 + odds[place])
    return np.where(inside, weights, 0.0)


def normalized(weights: np.ndarray, treated: np.ndarray) -> np.ndarray:
    """Weights with mean 1 over the used rows of each arm, as MatchIt gives them."""
    out = weights.copy()
    for arm in (1, 0):
        used = (treated == arm) & (weights != 0)
        if used.any():
            out[used] /= out[used].mean()
    return out
