"""Balance after weighting by the WWC's thresholds: to 0.05 alike, to 0.25 only with adjustment, above it not alike."""

from __future__ import annotations

from evalkit.checks.context import Context, known, p_words
from evalkit.checks.result import CheckResult, not_run
from evalkit.comparison.remedies import apart
from evalkit.estimators.design import is_factor

_ALIKE, _ADJUSTABLE = 0.05, 0.25
_PRE_MEASURES = ("prior_absence_rate", "pre_absence_rate", "prior_rate", "pre_rate")


def run(context: Context) -> CheckResult:
    """The largest standardised difference left. Earlier absence decides; other covariates above 0.25 are a caution."""
    if context.estimate.estimator == "discontinuity":
        return _at_threshold(context)
    table = getattr(context.comparison, "balance", None)
    if table is None or table.empty:
        return not_run("balance", "the comparison has no balance table.")
    table = table[(table["covariate"] != "distance") & table["smd_after"].notna()]
    if table.empty:
        return not_run("balance", "no covariate was given to compare the groups on.")
    size = table.set_index("covariate")["smd_after"].abs()
    worst, largest = str(size.idxmax()), float(size.max())
    earlier = size[[name for name in size.index if name in _PRE_MEASURES]]
    verdict = _verdict(context, size, earlier)
    text = (f'The largest difference left is {largest:.2f} standard deviations, in "{worst}". '
            + {"pass": "Differences up to 0.25 are adjusted for in the estimate." if largest > _ALIKE
               else "The groups started alike.",
               "caution": "Differences from 0.05 to 0.25 count only when adjusted for, and this estimate does not "
                          "adjust for all of them.",
               "fail": "Earlier absence differs by more than 0.25: adjusting does not mend that. "
                       + apart(str(context.setting("comparison", "")))}[verdict])
    return CheckResult("balance", verdict, largest, text)


def _at_threshold(context: Context) -> CheckResult:
    """Near a threshold groups need not be alike: what was known before must not jump there (Lee & Lemieux 2010,
    doi:10.1257/jel.48.2.281). Passes where no earlier measure or numeric covariate jumps, corrected for their number.
    """
    again = dict(context.estimate.details["again"])
    names = [name for name in dict.fromkeys([*context.covariates, *_PRE_MEASURES])
             if name != again["score"] and name in context.rows and context.rows[name].nunique() > 1
             and not is_factor(context.rows[name])]
    jumps = {name: found for name in names
             if (found := known(context.again(context.rows[context.rows[name].notna()], outcome=name,
                                              unit="", **again))) is not None}
    if not jumps:
        return not_run("balance", "no earlier measure but the score itself can be looked at near the threshold.")
    worst = min(jumps, key=lambda name: jumps[name].p_value)
    p_value = min(1.0, jumps[worst].p_value * len(jumps))
    verdict = "fail" if p_value < 0.05 else "caution" if p_value < 0.10 else "pass"
    return CheckResult("balance", verdict, p_value, f'Of {len(jumps)} earlier measures the one that jumps most at the '
                       f'threshold is "{worst}" ({p_words(p_value)}, corrected for their number). Nothing known before '
                       "may jump there.", {name: found.value for name, found in jumps.items()})


def _verdict(context: Context, size, earlier) -> str:
    if len(earlier) and earlier.max() > _ADJUSTABLE:
        return "fail"
    if size.max() > _ADJUSTABLE:
        return "caution"
    left = [name for name, gap in size.items() if gap > _ALIKE and not context.adjusts(str(name))]
    return "caution" if left else "pass"
