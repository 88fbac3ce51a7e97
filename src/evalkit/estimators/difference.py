"""Weighted difference in means (matched sets carry their weights). Neyman 1923; Ho, Imai, King & Stuart 2007."""

from __future__ import annotations

from evalkit.estimators.design import design_matrix
from evalkit.estimators.linear import weighted_least_squares
from evalkit.estimators.linear_estimate import from_fit
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request, Sample


def run(sample: Sample, ask: Request) -> Estimate:
    """Regression of the outcome on treated alone, with the comparison's weights."""
    design, names = design_matrix(sample, (), ())
    fit = weighted_least_squares(design, sample.y, sample.weights, names)
    return from_fit(fit, sample, ask)
