"""The planned analyses of a study, run as written: comparison, planned estimate, what was run beyond it, checks, evidence."""

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
from evalkit.evidence import StudyFacts, effect_sizes, read_evidence

GROUPS = {
    "english_learner": ("English learners", "Not English learners"),
    "disability_idea": ("Special education", "No special education"),
    "econ_disadvantaged": ("Economic disadvantage: yes", "Economic disadvantage: no"),
}
GRADE_BANDS = {
    "Grades PK to 5": ("IT", "PR", "PK", "TK", "KG", "01", "02", "03", "04", "05"),
    "Grades 6 to 8": ("06", "07", "08"),
    "Grades 9 to 12": ("09", "10", "11", "12", "13"),
}
LEAST_PER_ARM = 10


@dataclass(frozen=True)
class Analysis:
    """One planned analysis with everything its pages say. groups: a row per subgroup with its own estimate."""

    plan: AnalysisPlan
    comparison: Comparison
    planned: Estimate
    beyond: tuple[tuple[str, Estimate], ...]
    checks: tuple[CheckResult, ...]
    effect_sizes: Mapping[str, Any]
    evidence: Mapping[str, Any]
    groups: pd.DataFrame

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
            "checks": [check.to_dict() for check in self.checks],
            "effect_sizes": dict(self.effect_sizes),
            "evidence": dict(self.evidence),
        }


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
        group_estimates(comparison, plan),
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


def group_estimates(comparison: Comparison, plan: AnalysisPlan) -> pd.DataFrame:
    """The planned estimate within groups of students. Grain: one row per group; a group too small has no value.

    A matched set belongs to the group of its mentored student, so that like is compared with like.
    """
    rows = []
    used = comparison.used
    for group, label, member in _memberships(used):
        part = _sets_of(used, member)
        n_treated, n_comparison = int((part["treated"] == 1).sum()), int((part["treated"] == 0).sum())
        row = {
            "group": group,
            "label": label,
            "n": n_treated,
            "n_comparison": n_comparison,
            "value": None,
            "ci_low": None,
            "ci_high": None,
        }
        if min(n_treated, n_comparison) >= LEAST_PER_ARM:
            found = estimate_or_reason(
                None,
                part,
                estimator=plan.estimator,
                outcome=plan.outcome,
                exploratory=True,
                clustered_by="subclass" if part["subclass"].notna().all() else None,
                standard_errors="CR2",
                covariates=_usable(part, plan),
                exact=(),
                estimand="ATT",
            )
            if found.value is not None:
                row |= {"value": found.value, "ci_low": found.ci_low, "ci_high": found.ci_high}
        rows.append(row)
    return pd.DataFrame(rows, columns=["group", "label", "n", "n_comparison", "value", "ci_low", "ci_high"])


def _memberships(used: pd.DataFrame):
    """(group, label, mask over the rows) for every planned grouping the rows can bear."""
    if "grade_level" in used:
        for label, grades in GRADE_BANDS.items():
            if (mask := used["grade_level"].astype(str).isin(grades)).any():
                yield "grade", label, mask
    for column, (yes, no) in GROUPS.items():
        if column in used and used[column].notna().any():
            flag = used[column].astype("boolean")
            yield column, yes, flag.fillna(False).astype(bool)
            yield column, no, (~flag).fillna(False).astype(bool)
    if "prior_absence_rate" in used and used["prior_absence_rate"].notna().any():
        rate = pd.to_numeric(used["prior_absence_rate"], errors="coerce")
        yield "prior", "Missed under 20% last year", rate < 0.20
        yield "prior", "Missed 20% or more last year", rate >= 0.20


def _sets_of(used: pd.DataFrame, member: pd.Series) -> pd.DataFrame:
    """The whole sets whose mentored student is a member; without sets, the members themselves."""
    if used["subclass"].isna().any():
        return used[member]
    focal = used.loc[member & (used["treated"] == 1), "subclass"]
    return used[used["subclass"].isin(focal)]


def _usable(part: pd.DataFrame, plan: AnalysisPlan) -> tuple[str, ...]:
    """The plan's numeric and yes/no covariates that vary inside the group, so that small groups can be adjusted."""
    kept = []
    for name in plan.covariates:
        column = part[name] if name in part else pd.Series(dtype=float)
        if (
            column.notna().all()
            and column.nunique() > 1
            and not isinstance(column.dtype, pd.StringDtype)
            and column.dtype != object
        ):
            kept.append(name)
    return tuple(kept)


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
