"""Group-sequential boundaries when the looks are fixed in advance: Lan & DeMets 1983, doi:10.1093/biomet/70.3.659."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import special, stats
from scipy.optimize import brentq

from evalkit.errors import UserError
from evalkit.estimators.linear import Array

_NODES = 801
"""Simpson nodes per look: boundaries are exact to about 1e-6."""


def spent(shares: Array, alpha: float = 0.05) -> Array:
    """O'Brien-Fleming type spending, two-sided: the error used up at each share of the information."""
    return 4.0 * stats.norm.sf(stats.norm.isf(alpha / 4.0) / np.sqrt(np.asarray(shares, dtype=float)))


def spending_boundaries(shares: Sequence[float], *, alpha: float = 0.05) -> Array:
    """Two-sided z boundaries at the given shares of the information (rising, at most 1)."""
    at = np.asarray(shares, dtype=float)
    if not (np.diff(at, prepend=0.0) > 0).all() or at[-1] > 1 + 1e-12:
        raise UserError("Shares of the information must rise and end at 1 or below.",
                        remedy="Write 0.25, 0.5, 0.75, 1.")
    steps = np.diff(spent(at, alpha), prepend=0.0)
    bounds = [float(stats.norm.isf(steps[0] / 2.0))]
    nodes, mass = _first(bounds[0] * np.sqrt(at[0]), at[0])
    for index in range(1, len(at)):
        scale = np.sqrt(at[index] - at[index - 1])
        edge = _edge(nodes, mass, scale, steps[index], at[index])
        bounds.append(edge / np.sqrt(at[index]))
        nodes, mass = _next(nodes, mass, scale, edge)
    return np.array(bounds)


def _first(edge: float, variance: float) -> tuple[Array, Array]:
    nodes, weights = _simpson(edge)
    return nodes, weights * stats.norm.pdf(nodes, scale=np.sqrt(variance))


def _edge(nodes: Array, mass: Array, scale: float, step: float, share: float) -> float:
    """Where the chance of crossing for the first time now equals the error to be spent."""
    def crossing(edge: float) -> float:
        outside = special.ndtr((nodes - edge) / scale) + special.ndtr((-edge - nodes) / scale)
        return float(mass @ outside) - step

    return float(brentq(crossing, 0.0, 12.0 * np.sqrt(share), xtol=1e-10))


def _next(nodes: Array, mass: Array, scale: float, edge: float) -> tuple[Array, Array]:
    new, weights = _simpson(edge)
    density = stats.norm.pdf((new[:, None] - nodes[None, :]) / scale) / scale @ mass
    return new, weights * density


def _simpson(edge: float) -> tuple[Array, Array]:
    nodes = np.linspace(-edge, edge, _NODES)
    weights = np.full(_NODES, 2.0)
    weights[1::2] = 4.0
    weights[[0, -1]] = 1.0
    return nodes, weights * (nodes[1] - nodes[0]) / 3.0
