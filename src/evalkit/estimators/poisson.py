"""Poisson quasi-likelihood for days with an exposure offset: ratio of rates, and the difference in rates.

Gourieroux, Monfort & Trognon 1984, doi:10.2307/1913472: right whenever the mean is, whatever the spread.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evalkit.errors import UserError
from evalkit.estimators.design import design_matrix
from evalkit.estimators.glm import fit_glm
from evalkit.estimators.marginal import marginal_estimate
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request, Sample, need_columns, numbers


def run(sample: Sample, ask: Request) -> Estimate:
    """Difference in days per exposed day (a share); details hold the log ratio, the ratio and its interval.

    exposure: the column of enrolled days. An outcome that is a rate is multiplied by it first.
    """
    exposure = ask.option("exposure", "enrolled_days")
    need_columns(sample.frame, [exposure], what="exposure")
    days = numbers(sample.frame[exposure])
    if not (days > 0).all():
        raise UserError("Some students of the analysis have no enrolled days.", column=exposure,
                        remedy="Leave them out before choosing the comparison.")
    counts = sample.y * days if ask.outcome.endswith("_rate") else sample.y
    if (counts < 0).any():
        raise UserError("A count of days is below zero.", column=ask.outcome, remedy="Correct the data.")
    if counts[sample.treated == 1].sum() == 0 or counts[sample.treated == 0].sum() == 0:
        raise UserError("One group has no absences at all, so a ratio of rates has no answer.", column=ask.outcome,
                        remedy='Use estimator = "regression_adjusted".')
    design, names = design_matrix(sample, ask.covariates, ask.exact)
    model = fit_glm(design, counts, sample.weights, names, family="poisson", offset=np.log(days))
    return marginal_estimate(model, sample, replace(ask, unit=ask.unit or "share"), family="poisson")
