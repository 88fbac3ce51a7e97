"""Many tests at once: Benjamini & Hochberg 1995, doi:10.1111/j.2517-6161.1995.tb02031.x."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit.estimators.linear import Array


def benjamini_hochberg(p_values: Any) -> Array:
    """q-values in the order given; reject those at or below alpha. A missing p stays missing and is not counted."""
    p = np.asarray(p_values, dtype=float)
    q = np.full(p.shape, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    stepped = p[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(np.minimum.accumulate(stepped[::-1])[::-1], 1.0)
    return q
