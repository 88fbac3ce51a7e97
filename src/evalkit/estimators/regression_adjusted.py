"""Regression-adjusted effect: weighted regression on treated, covariates and exact strata.

Ho, Imai, King & Stuart 2007, doi:10.1093/pan/mpl013 (adjust after matching); landmark month as docs/methods say.
"""

from __future__ import annotations

import numpy as np

from evalkit.errors import UserError
from evalkit.estimators.design import design_matrix
from evalkit.estimators.linear import Array, weighted_least_squares
from evalkit.estimators.linear_estimate import from_fit
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request, Sample


def run(sample: Sample, ask: Request) -> Estimate:
    """The coefficient of treated, with what was adjusted for in `details`.

    Option interacted: every covariate also times treated, read at the covariates of those the effect is about
    (g-computation of a linear model: the treated for ATT, the others for ATC, everybody for ATE; Lin 2013).
    """
    if not ask.covariates and not ask.exact:
        raise UserError("Regression adjustment was asked for with nothing to adjust for.",
                        remedy='Name covariates, or use estimator = "difference".')
    design, names = design_matrix(sample, ask.covariates, ask.exact)
    if ask.option("interacted", False):
        design, names = _interacted(design, names, sample, ask.estimand)
    fit = weighted_least_squares(design, sample.y, sample.weights, names)
    return from_fit(fit, sample, ask, details={"adjusted_for": [*ask.exact, *ask.covariates]})


def _interacted(design: Array, names: tuple[str, ...], sample: Sample,
                estimand: str) -> tuple[Array, tuple[str, ...]]:
    """The design with each column times treated, centred where the effect is read, so that treated is that effect."""
    about = {"ATT": sample.treated == 1, "ATC": sample.treated == 0}.get(estimand, sample.treated >= 0)
    others = design[:, 1:-1]
    center = np.average(others[about], axis=0, weights=sample.weights[about])
    crossed = (others - center) * sample.treated[:, None]
    return (np.column_stack([design[:, :-1], crossed, design[:, -1]]),
            (*names[:-1], *(f"treated x {name}" for name in names[1:-1]), names[-1]))
