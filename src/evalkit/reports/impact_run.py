"""The planned analyses of a study, run as written: comparison, planned estimate, beyond the plan, checks, evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from evalkit.checks import CheckResult, run_checks
from evalkit.comparison import Comparison, landmark_comparison
from evalkit.config import AnalysisPlan
from evalkit.errors import UserError, must_be_one_of
from evalkit.estimators import Estimate, estimate, estimate_or_reason
from evalkit.estimators.result import plain
from evalkit.evidence import StudyFacts, effect_sizes, read_evidence
from evalkit.reports.impact_groups import change_since_last_year, dose_estimates, group_estimates


@dataclass(frozen=True)
class Analysis:
    """One planned analysis with everything its pages say.

    groups, doses: a row per subgroup or dose with its own estimate. change: last year and now, both arms.
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

    def to_dict(self) -> dict[str, Any]:
        """The entry of results.json: estimates[0] is the planned one, the others are marked exploratory."""
        return {
            "id": self.plan.id,
            "plan": plain_plan(self.plan),
            "plan_sha256": self.plan.sha256,
            "estimates": [self.planned.to_dict(), *({**found.to_dict(), "name": name} for name, found in self.beyond)],
            "balance": self.comparison.balance_rows(),
            "n_treated_matched": self.comparison.n_treated_matched,
            "n_treated_dropped": self.comparison.n_treated_dropped,
            "flow": self.comparison.flow.to_dict("records"),
            "left_out": left_out(self.comparison),
            "baseline": baseline_g(self.comparison),
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
        rest = int(flow[name].iloc[0] - flow[name].iloc[-1]) - sum(row["n"] for row in found)
        if rest > 0:
            found.append({"arm": name, "reason": NOT_AT_RISK, "n": rest})
        rows += found
    return rows


NOT_AT_RISK = "not enrolled, not eligible or already mentored on every start day"


def plain_plan(plan: AnalysisPlan) -> dict[str, Any]:
    """The plan as JSON can hold it."""
    from dataclasses import asdict

    return {
        key: value.isoformat() if hasattr(value, "isoformat") else list(value) if isinstance(value, tuple) else value
        for key, value in asdict(plan).items()
    }


def run_analyses(study, params) -> tuple[Analysis, ...]:
    """Every `[[analysis]]` of the study (or the one named by params.analysis), as planned.

    Refused with the remedy: a study without assignments, without unmentored students, without rates, or with rates on
    an estimated calendar.
    """
    must_bear(study)
    plans = study.config.analyses
    if params.analysis:
        must_be_one_of("analysis", params.analysis, [plan.id for plan in plans], error=UserError)
        plans = tuple(plan for plan in plans if plan.id == params.analysis)
    return tuple(run_analysis(study, plan) for plan in plans)


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
    comparison = landmark_comparison(study, plan)
    planned = estimate(
        None,
        comparison,
        estimator=plan.estimator,
        outcome=plan.outcome,
        clustered_by=plan.clustered_by or None,
        standard_errors=plan.standard_errors,
        seed=plan.seed,
    )
    beyond = tuple(_beyond(study, comparison, plan))
    checks = tuple(run_checks(study, comparison, planned, plan))
    sizes = effect_sizes(planned)
    return Analysis(
        plan,
        comparison,
        planned,
        beyond,
        checks,
        sizes,
        read_evidence(study_facts(study, comparison, planned, checks, plan)).to_dict(),
        group_estimates(study, comparison, plan),
        dose_estimates(study, comparison, plan),
        change_since_last_year(comparison, plan),
    )


def _beyond(study, comparison: Comparison, plan: AnalysisPlan) -> Sequence[tuple[str, Estimate]]:
    """What a careful reader asks next. Each is exploratory; one that cannot be had says why."""
    main = {
        "estimator": plan.estimator,
        "outcome": plan.outcome,
        "standard_errors": plan.standard_errors,
        "clustered_by": plan.clustered_by or None,
        "exploratory": True,
        "seed": plan.seed,
    }
    rows = [
        (
            "Without adjusting for the gaps that stayed",
            estimate_or_reason(None, comparison, **{**main, "estimator": "difference"}),
        ),
        (
            "Standard errors by school",
            estimate_or_reason(None, comparison, **{**main, "clustered_by": "school_id", "standard_errors": "CR2"}),
        ),
        (
            "By school, few-schools test (wild bootstrap)",
            estimate_or_reason(
                None, comparison, **{**main, "clustered_by": "school_id", "standard_errors": "wild_bootstrap"}
            ),
        ),
        ("Share missing 10% or more", estimate_or_reason(None, comparison, **{**main, "outcome": "is_chronic"})),
    ]
    if plan.comparison != "randomized" and plan.later_assigned == "censor":
        rows.append(("Compared with never-mentored students only", _never_mentored(study, plan, main)))
    return rows


def _never_mentored(study, plan: AnalysisPlan, main: Mapping[str, Any]) -> Estimate:
    """The sensitivity the landmark design names: it conditions on the future, so it is never the plan."""
    try:
        comparison = landmark_comparison(study, replace(plan, later_assigned="exclude"))
    except UserError as refusal:
        return estimate_or_reason(None, None, **{**main, "name": f"not available: {refusal.what}"})
    return estimate_or_reason(None, comparison, **main)


PRE_MEASURES = ("prior_absence_rate", "pre_absence_rate")


def study_facts(
    study, comparison: Comparison, planned: Estimate, checks: Sequence[CheckResult], plan: AnalysisPlan
) -> StudyFacts:
    """What a WWC or ESSA reviewer would ask of this analysis, from what was done."""
    used = comparison.used
    schools = {arm: set(used.loc[used["treated"] == arm, "school_id"]) for arm in (0, 1)}
    adjusted = plan.covariates if plan.estimator not in ("difference",) else ()
    mentors = study.table("assignment")
    mentors = mentors.loc[
        mentors["student_id"].isin(used.loc[used["treated"] == 1, "student_id"]), "mentor_id"
    ].nunique()
    return StudyFacts(
        is_randomized=plan.comparison == "randomized",
        baseline_g=baseline_g(comparison),
        adjusted_for=tuple(adjusted),
        attrition=_attrition(checks),
        n_students=planned.n_treated + planned.n_comparison,
        n_schools=len(schools[0] | schools[1]),
        n_mentors=int(mentors) or None,
        is_favorable=planned.value is not None and planned.value < 0,
        is_significant=planned.p_value is not None and planned.p_value < 0.05,
        arms_share_schools=bool(schools[0] & schools[1]),
        different_years=plan.comparison == "prior_cohort",
        n_treated_schools=len(schools[1]),
        n_comparison_schools=len(schools[0]),
    )


def baseline_g(comparison: Comparison) -> dict[str, float | None]:
    """Hedges' g of each earlier absence rate on the students compared, with the weights of the comparison."""
    from evalkit.evidence import hedges_g

    found: dict[str, float | None] = {}
    for name in PRE_MEASURES:
        rows = comparison.used
        rows = rows[rows[name].notna()] if name in rows else rows.iloc[:0]
        arms = [rows[rows["treated"] == arm] for arm in (1, 0)]
        if min(map(len, arms)) < 2:
            continue
        means = [float((arm[name] * arm["weight"]).sum() / arm["weight"].sum()) for arm in arms]
        spreads = [float(arm[name].std(ddof=1)) for arm in arms]
        found[name] = hedges_g(means[0] - means[1], *spreads, len(arms[0]), len(arms[1]))
    return found


def _attrition(checks: Sequence[CheckResult]) -> str:
    """low or high by the WWC boundary, from the attrition check."""
    verdict = next((check.verdict for check in checks if check.name == "attrition"), "")
    return {"pass": "low", "caution": "high", "fail": "high"}.get(verdict, "")
