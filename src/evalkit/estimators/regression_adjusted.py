"""Regression-adjusted effect: weighted regression on treated, covariates and exact strata.

Ho, Imai, King & Stuart 2007, doi:10.1093/pan/mpl013 (adjust after matching); landmark month as docs/methods say.
"""

from __future__ import annotations

from evalkit.errors import UserError
from evalkit.estimators.design import design_matrix
from evalkit.estimators.linear import weighted_least_squares
from evalkit.estimators.linear_estimate import from_fit
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request, Sample


def run(sample: Sample, ask: Request) -> Estimate:
    """The coefficient of treated, with what was adjusted for in `details`."""
    if not ask.covariates and not ask.exact:
        raise UserError("Regression adjustment was asked for with nothing to adjust for.",
                        remedy='Name covariates, or use estimator = "difference".')
    design, names = design_matrix(sample, ask.covariates, ask.exact)
    fit = weighted_least_squares(design, sample.y, sample.weights, names)
    return from_fit(fit, sample, ask, details={"adjusted_for": [*ask.exact, *ask.covariates]})
