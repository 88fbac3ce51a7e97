"""Estimand shift: who is left once treated students without a partner are dropped?"""

from __future__ import annotations

from evalkit.checks.context import Context
from evalkit.checks.result import CheckResult

_CAUTION, _FAIL = 0.10, 0.30


def run(context: Context) -> CheckResult:
    """Share of treated students not in the estimate; above 10 % a caution, above 30 % a fail, with how they differ."""
    students = getattr(context.comparison, "students", context.comparison)
    treated = students[students["treated"].astype(float) == 1]
    key = "student_id" if "student_id" in treated.columns else None
    everyone = treated[key].nunique() if key else len(treated)
    used = context.rows[context.rows["treated"] == 1]
    kept = used[key].nunique() if key and key in used.columns else len(used)
    near = context.estimate.estimator == "discontinuity"
    kept = min(kept, context.estimate.n_treated) if near or context.months is not None else kept
    share = 1 - kept / everyone
    if near:
        return CheckResult("estimand_shift", "pass" if share <= _CAUTION else "caution", share,
                           f"The estimate is about the {kept} of {everyone} treated students near the threshold, and "
                           "says nothing of the others.")
    verdict = "pass" if share <= _CAUTION else "caution" if share <= _FAIL else "fail"
    text = (f"{everyone - kept} of {everyone} treated students ({share:.0%}) are not in the estimate"
            + (", so it is about the others." if kept < everyone else ".") + _before(context, everyone)
            + _who(context, share))
    return CheckResult("estimand_shift", verdict, share, text)


def _before(context: Context, everyone: int) -> str:
    """Mentored students whom the plan's baseline date leaves out before anyone is compared."""
    baseline = str(context.setting("baseline", "landmark"))
    flow = getattr(context.comparison, "flow", None)
    if baseline == "landmark" or flow is None or "treated" not in flow:
        return ""
    out = int(flow["treated"].iloc[0]) - everyone
    told = f" {out} more had a mentor before {baseline}, the plan's baseline, or were not enrolled then."
    return told if out > 0 else ""


def _who(context: Context, share: float) -> str:
    """The covariate on which dropped and kept treated students differ most."""
    profile = getattr(context.comparison, "dropped_profile", None)
    if not share or profile is None or profile.empty or "covariate" not in profile.columns:
        return ""
    columns = [name for name in ("smd", "difference") if name in profile.columns]
    if not columns or profile[columns[0]].isna().all():
        return ""
    row = profile.loc[profile[columns[0]].abs().idxmax()]
    return f' Those left out differ most in "{row["covariate"]}" ({row[columns[0]]:+.2f} standard deviations).'
