"""The methods section in sentences, each written from the plan and the comparison that ran."""

from __future__ import annotations

from evalkit.config import AnalysisPlan
from evalkit.reports.impact_estimators import earlier_value, measures_change
from evalkit.reports.impact_run import Analysis
from evalkit.reports.impact_words import column_word
from evalkit.tables import long_date
from evalkit.wording import count_words, listed, number

METHODS = {
    "exact": "grouped exactly",
    "nearest": "paired with the nearest similar student",
    "optimal": "paired so that the total distance is smallest",
    "full": "matched in full sets",
    "subclass": "grouped by their chance of having a mentor, inside each start date and school",
    "cem": "grouped on coarsened measures",
    "entropy": "compared with everyone, weighted until the averages agree",
    "weighting": "compared with everyone, weighted by the chance of having a mentor",
    "cbps": "compared with everyone, weighted by a chance of having a mentor that balances the measures",
    "none": "compared with everyone, without selection",
}
DISTANCES = {
    "propensity": "the chance of having a mentor (logistic regression)",
    "logit": "the logit of the chance of having a mentor",
    "probit": "the chance of having a mentor (probit regression)",
    "mahalanobis": "the Mahalanobis distance",
    "robust_mahalanobis": "the rank-based Mahalanobis distance",
    "scaled_euclidean": "the Euclidean distance of scaled measures",
}
ORDERS = {"largest": "highest first", "smallest": "lowest first", "closest": "closest pairs first",
          "random": "in random order", "data": "in the order of the data"}
CLUSTERS = {"subclass": "matched set", "student_id": "student", "school_id": "school", "mentor_id": "mentor"}
ABOUT = {
    "ATT": "the mentored students who could be compared (ATT)",
    "ATE": "all students compared (ATE)",
    "ATC": "students without a mentor (ATC)",
    "ATO": "students who might or might not have had a mentor (ATO)",
    "effect at the threshold": "students near the threshold",
    "ITT": "the students who were offered a mentor (ITT)",
}
ELIGIBLE = {
    "prior_chronic": "Only students who missed 10% or more last year could be chosen as comparison.",
    "early_warning": "Only students with an early-warning flag before that day could be chosen as comparison.",
}


def method_lines(analysis: Analysis) -> list[str]:
    """The methods section: selection, start, who could serve, estimate, uncertainty."""
    lines = [_selection(analysis), *_matching(analysis), _start(analysis), *_pool(analysis), _change(analysis.plan),
             _estimate(analysis)]
    return [line for line in lines if line]


def _selection(analysis: Analysis) -> str:
    plan = analysis.plan
    strata = list(dict.fromkeys([*(["school_id"] if plan.comparison in ("within_school", "prior_cohort") else []),
                                 *plan.exact]))
    same = f" within the same {listed([column_word(column) for column in strata])}" if strata else ""
    if plan.method == "none":
        of = f" of the same {listed([column_word(column) for column in strata])}" if strata else ""
        return f"Mentored students were compared with everyone{of}, without selection."
    by = f", by {listed([column_word(name) for name in plan.covariates])}"
    return f"Mentored students were {METHODS[plan.method]}{same}{by}."


def _matching(analysis: Analysis) -> list[str]:
    plan = analysis.plan
    if plan.method not in ("nearest", "optimal"):
        return []
    again = "none used twice" if not plan.replace else "who may be used again"
    partners = "one partner" if plan.ratio == 1 else f"up to {count_words(plan.ratio)} partners"
    order = ORDERS.get(str(plan.order or analysis.comparison.plan.get("order") or ""), "")
    within = f", at most {plan.caliper:g} standard deviations apart" if plan.caliper else ""
    turn = f", {order}" if order and plan.method == "nearest" else ""
    return [f"Each got {partners}, {again}, nearest by {DISTANCES[plan.distance]}{within}{turn}."]


def _start(analysis: Analysis) -> str:
    plan = analysis.plan
    if plan.baseline != "landmark":
        return f"The comparison begins on {long_date(plan.baseline)} for all; nothing later was used to choose them."
    event = "was assigned (intent to treat)" if plan.clock == "assigned" else "began"
    return (f"The day a mentor {event} is the start for the mentored student and for those it is compared with; "
            "nothing measured on or after it was used to choose them.")


def _pool(analysis: Analysis) -> list[str]:
    plan = analysis.plan
    later = ("Only students who never got a mentor could be chosen as comparison; that looks into the future."
             if plan.later_assigned == "exclude" else
             "A student who got a mentor later served as comparison until the day before.")
    end = f"Follow-up ends on {long_date(plan.follow_up_end)}." if plan.follow_up_end else ""
    return [ELIGIBLE.get(plan.eligible, ""), later if plan.baseline == "landmark" else "", end]


def _change(plan: AnalysisPlan) -> str:
    """What a difference-in-differences takes the change from."""
    if plan.estimator == "did":
        return (f"The estimate is a change: the outcome less {column_word(earlier_value(plan))}, mentored against "
                "similar.")
    if measures_change(plan):
        return ("The estimate is a change over months: each student is followed month by month, before and after its "
                "mentor began, beside students whose mentor had not begun.")
    return ""


def _estimate(analysis: Analysis) -> str:
    plan, found = analysis.plan, analysis.planned
    return (f"The outcome is {column_word(plan.outcome)}; the mentored were followed for "
            f"{number(analysis.enrolled_days)} enrolled days on average. The estimator is "
            f"“{plan.estimator.replace('_', ' ')}”, with standard errors {_errors(analysis)}. The result is about "
            f"{ABOUT.get(found.estimand, found.estimand)}.")


def _errors(analysis: Analysis) -> str:
    kind, by = analysis.planned.standard_errors, analysis.planned.clustered_by
    words = [CLUSTERS.get(name, name.replace("_", " ")) for name in by.split(" and ")] if by else []
    return kind.replace("_", " ") + (f", clustered by {listed(words)}" if words else "")
