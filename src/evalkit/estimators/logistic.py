"""Logistic regression for a yes/no outcome, told as a difference in shares (average marginal effect).

McCullagh & Nelder 1989; delta method on the predicted shares (Greene, Econometric Analysis).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evalkit.errors import UserError
from evalkit.estimators.design import design_matrix
from evalkit.estimators.glm import fit_glm
from evalkit.estimators.marginal import marginal_estimate
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request, Sample


def run(sample: Sample, ask: Request) -> Estimate:
    """Difference in the share with the outcome; details hold the log odds ratio and the two shares."""
    if not np.isin(sample.y, (0.0, 1.0)).all():
        raise UserError("A logistic model needs an outcome of yes and no.", column=ask.outcome,
                        remedy='Use outcome = "is_chronic", or estimator = "regression_adjusted".')
    for arm, word in ((1, "treated"), (0, "comparison")):
        if np.ptp(sample.y[sample.treated == arm]) == 0:
            raise UserError(f"Every {word} student has the same outcome, so a logistic model has no answer.",
                            column=ask.outcome, remedy='Use estimator = "difference", or a longer follow-up.')
    design, names = design_matrix(sample, ask.covariates, ask.exact)
    model = fit_glm(design, sample.y, sample.weights, names, family="binomial")
    return marginal_estimate(model, sample, replace(ask, unit=ask.unit or "share"), family="binomial")
