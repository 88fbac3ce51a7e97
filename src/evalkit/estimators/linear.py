"""Weighted least squares, kept in the form that every sandwich variance needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
"""Floats, of whatever shape the name or docstring says."""
_RANK = 1e-9
"""A column is a combination of the earlier ones when less than this share of its length is left (R's lm uses 1e-7)."""


@dataclass(frozen=True)
class Fit:
    """A fitted regression. design: n x p, weights and residuals: n, bread: (X'WX)^-1, coef: p.

    A generalised linear model is held as its last weighted step, already multiplied by the root of its working
    weights (then weights are 1), so one set of variance formulas serves all.
    """

    names: tuple[str, ...]
    design: Array
    weights: Array
    residuals: Array
    bread: Array
    coef: Array
    dropped: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        return self.design.shape[0]

    @property
    def rank(self) -> int:
        return self.design.shape[1]

    @cached_property
    def scores(self) -> Array:
        """Each row's contribution w * e * x to the estimating equations, n x p."""
        return self.design * (self.weights * self.residuals)[:, None]

    @cached_property
    def leverage(self) -> Array:
        """Diagonal of the hat matrix."""
        return np.einsum("ij,jk,ik->i", self.design, self.bread, self.design) * self.weights

    def unit_contrast(self, name: str) -> Array:
        """The vector that picks one coefficient."""
        contrast = np.zeros(self.rank)
        contrast[self.names.index(name)] = 1.0
        return contrast


def weighted_least_squares(design: Array, outcome: Array, weights: Array, names: tuple[str, ...]) -> Fit:
    """Least squares with weights by QR; columns that repeat earlier ones are left out and named in `dropped`."""
    root = np.sqrt(weights)
    keep = independent_columns(design * root[:, None])
    kept = np.ascontiguousarray(design[:, keep])
    q, r = np.linalg.qr(kept * root[:, None])
    r_inverse = np.linalg.inv(r)
    coef = r_inverse @ (q.T @ (outcome * root))
    left_out = tuple(name for index, name in enumerate(names) if index not in set(keep))
    return Fit(names=tuple(names[index] for index in keep), design=kept, weights=weights,
               residuals=outcome - kept @ coef, bread=r_inverse @ r_inverse.T, coef=coef, dropped=left_out)


def independent_columns(design: Array) -> list[int]:
    """Indexes of the columns that are no combination of earlier ones, in order (as R's lm keeps them)."""
    length = np.sqrt((design**2).sum(axis=0))
    scaled = design / np.where(length > 0, length, 1.0)
    keep = [index for index in range(design.shape[1]) if length[index] > 0]
    while True:
        left = np.abs(np.diag(np.linalg.qr(scaled[:, keep], mode="r")))
        weak = np.flatnonzero(left < _RANK) if len(left) == len(keep) else np.arange(len(left), len(keep))
        if not len(weak):
            return keep
        del keep[int(weak[0])]
