"""Dosage: within the treated, do more contacts go with fewer absences? No proof: contacts follow need and presence."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.checks.context import DAYS, Context
from evalkit.checks.result import CheckResult, not_run
from evalkit.estimators.design import design_matrix
from evalkit.estimators.linear import weighted_least_squares
from evalkit.estimators.linear_estimate import unit_of
from evalkit.estimators.sample import Sample, numbers
from evalkit.estimators.variance import robust_error
from evalkit.measures import outcome_row

_CLEAR = 1.645
"""Standard errors beyond which a slope is told from none, one-sided at 5 %."""
_CAVEAT = " More contacts may follow need or presence, so this is no proof either way."


def run(context: Context) -> CheckResult:
    """Slope of the outcome on contacts a week, covariates adjusted.

    Passes where it goes the way of the effect, for the better, and clearly so (one-sided 5 %); else a caution, never a
    fail.
    """
    rows = context.rows[context.rows["treated"] == 1].reset_index(drop=True)
    dose = _dose(context, rows)
    if dose is None or dose.notna().sum() < 20 or dose.std() == 0:
        return not_run("dosage", "contacts of at least 20 treated students are not known, or do not differ.")
    known = dose.notna().to_numpy()
    rows = rows[known].assign(_dose=numbers(dose[known])).reset_index(drop=True)
    sample = Sample(rows, context.estimate.outcome)
    design, names = design_matrix(sample, ("_dose", *context.covariates), ())
    fit = weighted_least_squares(design[:, :-1], sample.y, sample.weights, names[:-1])
    if "_dose" not in fit.names or fit.n <= fit.rank + 5:
        return not_run("dosage", "contacts cannot be told from the covariates.")
    contrast = fit.unit_contrast("_dose")
    slope, (error, _) = float(contrast @ fit.coef), robust_error(fit, contrast, "HC2")
    known_better = outcome_row(context.estimate.outcome)
    worse = known_better is not None and slope * known_better.better < 0
    clear = slope * context.value > 0 and not worse and abs(slope) >= _CLEAR * error
    verdict = "pass" if clear else "caution"
    text = (f"Each further contact a week goes with {context.outcome_words(slope)} among the treated "
            f"(standard error {abs(error) * _scale(context):.2g})"
            + (", which is not clearly apart from none." if abs(slope) < _CLEAR * error else ".") + _CAVEAT)
    return CheckResult("dosage", verdict, slope, text, {"standard_error": error, "n": fit.n})


def _scale(context: Context) -> float:
    """What `outcome_words` multiplies by."""
    if unit_of(context.estimate.outcome) == "days" or context.estimate.unit != "share":
        return 1.0
    return float(DAYS) if context.is_a_year else 100.0


def _dose(context: Context, rows: pd.DataFrame) -> pd.Series | None:
    given = context.given.get("dose")
    if given is not None:
        return rows["student_id"].map(given)
    for name in ("dose", "contacts_per_week", "n_contacts"):
        if name in rows.columns:
            return rows[name]
    if context.study is None or not {"landmark", "follow_up_end", "enrolled_days"} <= set(rows.columns):
        return None
    contacts = context.study.table("contact")
    if contacts.empty:
        return None
    status = contacts["status"]
    return contacts_a_week(rows, contacts[status.isna() | status.eq("held")])  # cancelled and unanswered: no contact


def contacts_a_week(treated: pd.DataFrame, held: pd.DataFrame) -> pd.Series:
    """Contacts held from each row's own start to the end of its own follow-up, per five days it was enrolled then."""
    own = treated[["student_id", "landmark", "follow_up_end"]].assign(row=np.arange(len(treated)))
    both = own.merge(held[["student_id", "date"]], on="student_id")
    inside = both[(both["date"] >= both["landmark"]) & (both["date"] <= both["follow_up_end"])]
    count = inside.groupby("row").size().reindex(range(len(treated)), fill_value=0).to_numpy()
    return pd.Series(count / (numbers(treated["enrolled_days"]) / 5.0), index=treated.index)
