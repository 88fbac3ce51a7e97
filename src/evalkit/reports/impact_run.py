"""The planned analyses of a study, run as written: comparison, planned estimate, beyond the plan, checks, evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from evalkit.checks import CheckResult, run_checks
from evalkit.comparison import Comparison
from evalkit.comparison.planned_outcome import earlier_column
from evalkit.config import AnalysisPlan
from evalkit.errors import UserError, must_be_one_of
from evalkit.estimators import Estimate
from evalkit.estimators.multiple import benjamini_hochberg
from evalkit.estimators.result import no_estimate, plain
from evalkit.evidence import StudyFacts, effect_sizes, read_evidence
from evalkit.measures import DOMAIN, outcome_row
from evalkit.reports.impact_estimators import (
    NEAR,
    adjusts_for,
    details_to_show,
    has_wild_bootstrap,
    level_instead,
    measures_change,
    options_of,
    with_last_step,
)
from evalkit.reports.impact_groups import change_since_last_year, dose_estimates, group_estimates
from evalkit.reports.impact_plan import (
    better_sign,
    check_plan,
    is_default,
    never_mentored_only,
    plain_plan,
    plan_faults,
    planned_comparison,
    planned_estimate,
)


@dataclass(frozen=True)
class Analysis:
    """One planned analysis with everything its pages say.

    groups, doses: a row per subgroup or dose with its own estimate. change: last year and now, both arms. q_value: p
    corrected for the number of planned analyses, where there are several. is_default: the study wrote no plan.
    """

    plan: AnalysisPlan
    comparison: Comparison
    planned: Estimate
    beyond: tuple[tuple[str, Estimate], ...]
    checks: tuple[CheckResult, ...]
    effect_sizes: Mapping[str, Any]
    evidence: Mapping[str, Any]
    groups: pd.DataFrame
    doses: pd.DataFrame
    change: pd.DataFrame
    q_value: float | None = None
    is_default: bool = False
    facts: StudyFacts | None = None

    @property
    def enrolled_days(self) -> float:
        """Mean enrolled days from the start on of the mentored students compared."""
        treated = self.comparison.arm(1)
        return float(np.average(treated["enrolled_days"].astype(float), weights=treated["weight"].astype(float)))

    @property
    def n_treated_in(self) -> tuple[int, int]:
        """Mentored students in the estimate, and those who were matched or not and are not in it."""
        matched, dropped = self.comparison.n_treated_matched, self.comparison.n_treated_dropped
        if "not_followed" not in self.comparison.details:
            return matched, dropped
        return self.planned.n_treated, matched + dropped - self.planned.n_treated

    @property
    def n_in_both(self) -> int:
        """Students compared both before their mentor began and, as mentored, after."""
        return len(set(self.comparison.arm(1)["student_id"]) & set(self.comparison.arm(0)["student_id"]))

    def to_dict(self) -> dict[str, Any]:
        """The entry of results.json: estimates[0] is the planned one, the others are marked exploratory."""
        return {
            "id": self.plan.id,
            "plan": plain_plan(self.plan),
            "plan_sha256": self.plan.sha256,
            "plan_is_default": self.is_default,
            "q_value": self.q_value,
            "enrolled_days_treated": self.enrolled_days,
            "schools": sorted(map(str, self.comparison.used["school_id"].unique())),
            "remarks": list(self.comparison.remarks),
            "caveats": list(self.planned.caveats),
            "details": plain(details_to_show(self.plan, self.planned)),
            "estimates": [self.planned.to_dict(), *({**found.to_dict(), "name": name} for name, found in self.beyond)],
            "balance": self.comparison.balance_rows(),
            "n_treated_matched": self.n_treated_in[0],
            "n_treated_dropped": self.n_treated_in[1],
            "flow": self.comparison.flow.to_dict("records"),
            "left_out": left_out(self.comparison),
            "n_in_both_groups": self.n_in_both,
            "baseline": baseline_g(self.comparison, self.plan.outcome),
            "groups": plain(self.groups.to_dict("records")),
            "doses": plain(self.doses.to_dict("records")),
            "change_since_last_year": plain(self.change.to_dict("records")),
            "checks": [check.to_dict() for check in self.checks],
            "effect_sizes": dict(self.effect_sizes),
            "evidence": dict(self.evidence),
        }


def left_out(comparison: Comparison) -> list[dict[str, Any]]:
    """Students not in the comparison, by arm and reason; they add up to everyone in the data who is not compared."""
    flow = comparison.flow
    dropped = comparison.dropped
    kept = {arm: set(comparison.arm(arm)["student_id"]) for arm in (1, 0)}
    rows = []
    for arm, name in ((1, "treated"), (0, "comparison")):
        mine = dropped[(dropped["treated"] == arm) & ~dropped["student_id"].isin(kept[arm])]
        counts = mine.drop_duplicates("student_id")["reason"].value_counts(sort=True)
        found = [{"arm": name, "reason": str(reason), "n": int(n)} for reason, n in counts.items()]
        unfollowed = comparison.details.get("not_followed", {}).get(name, 0)
        if unfollowed > 0:
            reason = FAR if flow["step"].iloc[-1] == NEAR else NOT_FOLLOWED
            found.append({"arm": name, "reason": reason, "n": unfollowed})
        rest = int(flow[name].iloc[0] - flow[name].iloc[-1]) - int(counts.sum()) - unfollowed
        if rest > 0:
            found.append({"arm": name, "reason": NOT_AT_RISK, "n": rest})
        rows += found
    return rows


NOT_FOLLOWED = "no month before the start, or too few who started in the same month"
FAR = "not near the threshold"
NOT_AT_RISK = "not enrolled, not eligible or already mentored on every start day"


def run_analyses(study, params) -> tuple[Analysis, ...]:
    """Every `[[analysis]]` of the study (or the one named by params.analysis), as planned.

    Refused with the remedy: a study without assignments, without unmentored students, without rates, or with rates on
    an estimated calendar; a plan that asks for what cannot be had (checked for all plans before any is run).
    """
    must_bear(study)
    plans = study.config.analyses
    if params.analysis:
        must_be_one_of("analysis", params.analysis, [plan.id for plan in plans])
        plans = tuple(plan for plan in plans if plan.id == params.analysis)
    for plan in plans:
        check_plan(study, plan)
    return corrected(tuple(run_analysis(study, plan) for plan in plans))


def corrected(found: tuple[Analysis, ...]) -> tuple[Analysis, ...]:
    """Benjamini-Hochberg over the planned estimates of a domain (WWC): all attendance outcomes are one domain."""
    domain = [DOMAIN if outcome_row(one.plan.outcome) else one.plan.outcome for one in found]
    q_values: dict[int, float] = {}
    for name in dict.fromkeys(domain):
        p_values = {place: one.planned.p_value for place, one in enumerate(found)
                    if domain[place] == name and one.planned.p_value is not None}
        if len(p_values) > 1:
            q_values |= dict(zip(p_values, map(float, benjamini_hochberg(list(p_values.values()))), strict=True))
    return tuple(_with_q(one, q_values.get(place)) for place, one in enumerate(found))


def _with_q(one: Analysis, q_value: float | None) -> Analysis:
    """With several planned estimates of a domain, the WWC counts as significant what stays so once corrected."""
    if q_value is None or one.facts is None:
        return replace(one, q_value=q_value)
    facts = replace(one.facts, is_significant=q_value < 0.05 and not one.planned.is_thin)
    return replace(one, q_value=q_value, facts=facts, evidence=read_evidence(facts).to_dict())


def must_bear(study) -> None:
    for need in ("assignment", "rates", "unmentored"):
        if need not in study.can:
            raise UserError(
                f"An impact study cannot be made from this study. {' '.join(study.lacks(need))}",
                remedy="Add what is missing, or run data_check to see what this study can show.",
            )
    if "estimated_calendar" in study.can:
        raise UserError(
            "An impact study needs a real school calendar; here school days were inferred from the events.",
            remedy="Add the table calendar (a row per school and date).",
        )


def run_analysis(study, plan: AnalysisPlan) -> Analysis:
    """One plan: who is compared with whom, the planned number, then everything else, marked as beyond the plan."""
    check_plan(study, plan)
    comparison = planned_comparison(study, plan)
    with plan_faults(plan):
        planned = planned_estimate(comparison, plan)
    comparison = with_last_step(comparison, plan, planned)
    checks = tuple(run_checks(study, comparison, planned, plan, options=options_of(plan, plan.estimator)))
    facts = study_facts(study, comparison, planned, checks, plan)
    return Analysis(
        plan,
        comparison,
        planned,
        tuple(_beyond(study, comparison, plan)),
        checks,
        effect_sizes(planned),
        read_evidence(facts).to_dict(),
        group_estimates(study, comparison, plan),
        dose_estimates(study, comparison, plan),
        change_since_last_year(comparison, plan),
        is_default=is_default(study, plan),
        facts=facts,
    )


def _beyond(study, comparison: Comparison, plan: AnalysisPlan) -> Sequence[tuple[str, Estimate]]:
    """What a careful reader asks next. Each is exploratory; one that cannot be had says why."""
    by_school = {"clustered_by": "school_id"}
    wanted: list[tuple[str, dict[str, Any]]] = [
        *([(LEVEL_NAME, level_instead(plan))]
          if measures_change(plan) else []),
        ("Without adjusting for the gaps that stayed", {"estimator": "difference"}),
        ("Standard errors by school", {**by_school, "standard_errors": "CR2"}),
        *([("By school, few-schools test (wild bootstrap)", {**by_school, "standard_errors": "wild_bootstrap"})]
          if has_wild_bootstrap(plan) else []),
        ("Share of days missed", {"estimator": "regression_adjusted", "outcome": "absence_rate"}),
        ("Share missing 10% or more", {"estimator": "regression_adjusted", "outcome": "is_chronic"}),
    ]
    asked = {"estimator": plan.estimator, "outcome": plan.outcome}
    rows = [(name, _or_reason(study, comparison, plan, **changes)) for name, changes in wanted
            if any(asked.get(key) != value for key, value in changes.items())]
    if plan.comparison != "randomized" and plan.later_assigned == "censor" and plan.comparison != "waitlist":
        rows.append(("Compared with never-mentored students only", _or_reason(study, None, plan)))
    return rows


def _or_reason(study, comparison: Comparison | None, plan: AnalysisPlan, **changes: Any) -> Estimate:
    """The planned estimate with one thing changed, marked exploratory; a refusal becomes its reason.

    comparison None: the never-mentored only, matched anew.
    """
    try:
        if comparison is None:
            comparison = planned_comparison(study, never_mentored_only(plan))
        return planned_estimate(comparison, plan, **changes).as_exploratory()
    except UserError as refusal:
        return no_estimate(f"{refusal.what} {refusal.remedy}".strip(), exploratory=True, comparison=plan.comparison,
                           estimator=str(changes.get("estimator", plan.estimator)), estimand=plan.estimand,
                           outcome=str(changes.get("outcome", plan.outcome)))


LEVEL_NAME = "From the start on, earlier absence as a covariate"
COMES_BACK = "regression_to_the_mean"
PRE_MEASURES = ("prior_absence_rate", "pre_absence_rate")


def study_facts(
    study, comparison: Comparison, planned: Estimate, checks: Sequence[CheckResult], plan: AnalysisPlan
) -> StudyFacts:
    """What a WWC or ESSA reviewer would ask of this analysis, from what was done."""
    used = comparison.used
    schools = {arm: set(used.loc[used["treated"] == arm, "school_id"]) for arm in (0, 1)}
    mentors = study.table("assignment")
    mentors = mentors.loc[
        mentors["student_id"].isin(used.loc[used["treated"] == 1, "student_id"]), "mentor_id"
    ].nunique()
    return StudyFacts(
        is_randomized=plan.comparison == "randomized",
        baseline_g=baseline_g(comparison, plan.outcome),
        adjusted_for=adjusts_for(plan),
        attrition=_attrition(checks),
        n_students=used["student_id"].nunique(),
        n_schools=len(schools[0] | schools[1]),
        n_mentors=int(mentors) or None,
        is_favorable=planned.value is not None and planned.value * better_sign(plan.outcome) > 0,
        direction_known=better_sign(plan.outcome) != 0,
        is_significant=planned.p_value is not None and planned.p_value < 0.05 and not planned.is_thin,
        arms_share_schools=bool(schools[0] & schools[1]),
        different_years=plan.comparison == "prior_cohort",
        n_treated_schools=len(schools[1]),
        n_comparison_schools=len(schools[0]),
        n_treated=planned.n_treated,
        n_comparison=planned.n_comparison,
        design=plan.comparison,
        is_threshold=plan.estimator == "discontinuity",
        comes_back_anyway=any(one.name == COMES_BACK and one.verdict == "fail" for one in checks),
    )


def baseline_g(comparison: Comparison, outcome: str = "absence_rate") -> dict[str, float | None]:
    """Hedges' g of each earlier measure of the outcome on the students compared, with the weights of the comparison.

    Earlier absence for attendance outcomes; for another measure its own last value before the start, or nothing.
    """
    from evalkit.evidence import hedges_g

    found: dict[str, float | None] = {}
    for name in PRE_MEASURES if outcome_row(outcome) else (earlier_column(outcome),):
        rows = comparison.used
        rows = rows[rows[name].notna()] if name in rows else rows.iloc[:0]
        arms = [rows[rows["treated"] == arm] for arm in (1, 0)]
        if min(map(len, arms)) < 2 or min(arm["weight"].sum() for arm in arms) <= 0:
            continue
        means = [float((arm[name] * arm["weight"]).sum() / arm["weight"].sum()) for arm in arms]
        sd_treated, sd_comparison = (float(arm[name].std(ddof=1)) for arm in arms)
        found[name] = hedges_g(means[0] - means[1], sd_treated, sd_comparison, len(arms[0]), len(arms[1]))
    return found


def _attrition(checks: Sequence[CheckResult]) -> str:
    """low or high by the WWC boundary, from the attrition check."""
    verdict = next((check.verdict for check in checks if check.name == "attrition"), "")
    return {"pass": "low", "caution": "high", "fail": "high"}.get(verdict, "")
