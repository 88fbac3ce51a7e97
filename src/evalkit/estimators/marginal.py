"""What a nonlinear model says on the scale people read: the average difference, with its delta-method interval."""

from __future__ import annotations

from typing import Any

import numpy as np

from evalkit.errors import UserError
from evalkit.estimators.glm import GlmFit
from evalkit.estimators.inference import infer
from evalkit.estimators.linear import Array
from evalkit.estimators.linear_estimate import from_fit
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request, Sample


def marginal_estimate(model: GlmFit, sample: Sample, ask: Request, *, family: str) -> Estimate:
    """Mean predicted outcome if treated less if not, over the rows the estimand is about (g-computation)."""
    if "treated" not in model.names:
        raise UserError("A covariate or stratum tells the treated apart completely, so no effect can be told from it.",
                        remedy="Take the covariate that says who was treated out of the plan.")
    share = _rows_about(sample, ask)
    column = model.names.index("treated")
    with_it, without = model.design.copy(), model.design.copy()
    with_it[:, column], without[:, column] = 1.0, 0.0
    (one, slope_one), (zero, slope_zero) = (_predict(rows @ model.coef, family) for rows in (with_it, without))
    gradient = share @ (with_it * slope_one[:, None] - without * slope_zero[:, None])
    details = {"share_treated": float(share @ one), "share_comparison": float(share @ zero),
               **_coefficient(model, sample, ask)}
    return from_fit(model.fit, sample, ask, contrast=gradient, value=float(share @ (one - zero)), details=details)


def _rows_about(sample: Sample, ask: Request) -> Array:
    treated = sample.treated == 1
    about = {"ATT": treated, "ATC": ~treated}.get(ask.estimand, np.ones(len(treated), dtype=bool))
    weights = np.where(about, sample.weights, 0.0)
    return weights / weights.sum()


def _predict(predictor: Array, family: str) -> tuple[Array, Array]:
    """The mean and its slope in the linear predictor."""
    mean = np.exp(predictor) if family == "poisson" else 1 / (1 + np.exp(-predictor))
    return mean, mean if family == "poisson" else mean * (1 - mean)


def _coefficient(model: GlmFit, sample: Sample, ask: Request) -> dict[str, Any]:
    """The coefficient itself, and its ratio (rate ratio or odds ratio) with the interval."""
    found = infer(model.fit, model.fit.unit_contrast("treated"), sample, ask)
    value = float(model.coef[model.names.index("treated")])
    edges = {name: None if edge is None else float(np.exp(edge))
             for name, edge in (("ratio_low", found.ci_low), ("ratio_high", found.ci_high))}
    return {"coefficient": value, "coefficient_standard_error": found.standard_error, "ratio": float(np.exp(value)),
            **edges}
