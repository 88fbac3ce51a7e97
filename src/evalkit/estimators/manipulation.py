"""Was the score moved across the threshold? McCrary 2008, doi:10.1016/j.jeconom.2007.05.005: a jump in its density."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from evalkit.estimators.linear import Array

_LEAST = 10
_KAPPA = 3.348
"""McCrary's constant of the bandwidth for a triangular kernel."""


def density_test(away: Array) -> dict[str, Any]:
    """Log difference in the density of the score just over and just under the threshold, its error and p.

    away: signed distance of each student's score from the threshold. None where a side has too few to say.
    """
    unknown = {"log_difference": None, "standard_error": None, "p_value": None, "bandwidth": None}
    if min(int((away < 0).sum()), int((away >= 0).sum())) < 2 * _LEAST or away.std() == 0:
        return unknown
    bin_width = 2 * away.std(ddof=1) / np.sqrt(len(away))
    middles, heights = _bins(away, bin_width)
    width = _bandwidth(middles, heights)
    near = np.abs(away) < (width or 0.0)
    if width is None or min(int((near & (away >= 0)).sum()), int((near & (away < 0)).sum())) < _LEAST:
        return unknown
    over, under = (_level(middles[side], heights[side], width) for side in (middles > 0, middles < 0))
    if over <= 0 or under <= 0:
        return unknown
    difference = float(np.log(over) - np.log(under))
    error = float(np.sqrt(24 / 5 * (1 / over + 1 / under) / (len(away) * width)))
    return {"log_difference": difference, "standard_error": error, "bandwidth": width,
            "p_value": float(2 * stats.norm.sf(abs(difference) / error))}


def _bins(away: Array, width: float) -> tuple[Array, Array]:
    """Middles and densities of a histogram in which no bin holds both sides; the empty inside is kept."""
    place = np.floor(away / width).astype(int)
    edges = np.arange(place.min(), place.max() + 1)
    count = np.bincount(place - place.min(), minlength=len(edges))
    return (edges + 0.5) * width, count / (len(away) * width)


def _bandwidth(middles: Array, heights: Array) -> float | None:
    """Mean over both sides of the plug-in width from a fourth-degree polynomial of the histogram."""
    widths = []
    for side in (middles < 0, middles > 0):
        x, y = middles[side], heights[side]
        if len(x) < 8:
            return None
        scale = np.abs(x).max()
        coef = np.polynomial.polynomial.polyfit(x / scale, y, 4)
        left = y - np.polynomial.polynomial.polyval(x / scale, coef)
        bend = np.polynomial.polynomial.polyval(x / scale, np.polynomial.polynomial.polyder(coef, 2)) / scale**2
        variance = float((left**2).sum()) / (len(x) - 5)
        widths.append(_KAPPA * (variance * scale / float((bend**2).sum())) ** 0.2)
    return float(np.mean(widths))


def _level(x: Array, y: Array, width: float) -> float:
    """Local line at the threshold with triangular weights."""
    root = np.sqrt(np.maximum(1 - np.abs(x) / width, 0.0))
    design = np.column_stack([np.ones(len(x)), x / width])
    return float(np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0][0])
