"""Difference-in-differences of two periods: the change of the treated less the change of the comparison.

Refused where the earlier period was matched or selected on: the change then holds regression to the mean
(Daw & Hatfield 2018, doi:10.1111/1475-6773.12993).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from evalkit.errors import UserError
from evalkit.estimators.design import design_matrix
from evalkit.estimators.linear import weighted_least_squares
from evalkit.estimators.linear_estimate import arms, from_fit
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request, Sample, need_columns, numbers


def run(sample: Sample, ask: Request) -> Estimate:
    """The effect on the change from the column `before`; options: before, selected_on."""
    before = ask.option("before")
    if not before:
        raise UserError("A difference-in-differences needs the column that holds the earlier value.",
                        remedy='Say before="..." with the same measure in a period nobody was matched or chosen on.')
    need_columns(sample.frame, [before], what="before")
    _refuse_matched_on(before, (*ask.covariates, *ask.exact, *ask.option("selected_on", ())))
    earlier = numbers(sample.frame[before])
    if np.isnan(earlier).any():
        raise UserError("The earlier value is missing for some students of the analysis.", column=before,
                        remedy="Leave them out before choosing the comparison.")
    adjusted = [name for name in ask.covariates if name != before]
    design, names = design_matrix(sample, adjusted, ask.exact)
    fit = weighted_least_squares(design, sample.y - earlier, sample.weights, names)
    lagged = weighted_least_squares(np.column_stack([design, earlier]), sample.y, sample.weights, (*names, before))
    sizes = {"arms_before": arms(replace(sample, frame=sample.frame.assign(**{sample.outcome: earlier})))}
    correlation = float(np.corrcoef(sample.y, earlier)[0, 1])
    return from_fit(fit, sample, ask, details={
        **sizes, "before": before, "correlation_before_after": correlation,
        "lagged_outcome_estimate": float(lagged.coef[lagged.names.index("treated")])})


SAME_PERIOD = (("prior_absence_rate", "prior_chronic", "prior_rate"), ("pre_absence_rate", "pre_rate"))
"""Names evalkit gives to measures of one earlier period: matching on one of them is matching on that period."""


def of_same_period(name: str) -> tuple[str, ...]:
    """The measures that are about the same earlier period as this one, itself among them."""
    return next((period for period in SAME_PERIOD if name in period), (name,))


def _refuse_matched_on(before: str, used: tuple[str, ...]) -> None:
    if set(of_same_period(before)) & set(used):
        raise UserError("The earlier period of this difference-in-differences was matched or selected on, so the "
                        "change would count regression to the mean as an effect.", column=before,
                        remedy='Use estimator = "regression_adjusted", or name an earlier period nobody was chosen on.')
