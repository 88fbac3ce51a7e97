"""What a reviewer of the What Works Clearinghouse or an ESSA panel could say: always "could ... if reviewed".

Standards Handbook 4.1/5.0 group designs; ESSA non-regulatory guidance 2016 (revised 2023). evalkit rates nothing: it
lists the conditions that a review would look at, which of them fail here, and what would mend each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import sqrt
from typing import Any

from evalkit.comparison.remedies import apart

NEGLIGIBLE, ADJUSTABLE = 0.05, 0.25
NEVER_BY_CHANCE = 4.0
"""Standard errors: a lottery brings a gap this wide in one draw of 16,000."""
ESSA_STUDENTS, ESSA_SITES = 350, 2


@dataclass(frozen=True)
class StudyFacts:
    """What the reading rests on. Baseline g: pre-measures of the outcome -> g on the analytic sample, same weights."""

    is_randomized: bool
    baseline_g: dict[str, float | None]
    adjusted_for: Sequence[str]
    attrition: str = ""
    n_students: int = 0
    n_schools: int = 0
    n_mentors: int | None = None
    is_favorable: bool = False
    direction_known: bool = True
    is_significant: bool = False
    arms_share_schools: bool = True
    different_years: bool = False
    n_treated_schools: int | None = None
    n_comparison_schools: int | None = None
    n_treated: int = 0
    n_comparison: int = 0
    design: str = ""
    is_threshold: bool = False
    comes_back_anyway: bool = False


@dataclass(frozen=True)
class Condition:
    """One condition of a standard: whether it holds, why not, and what would mend it."""

    name: str
    holds: bool
    why: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class EvidenceReading:
    """wwc, essa: a sentence each. reasons: each failed condition with its remedy."""

    wwc: str
    essa: str
    reasons: tuple[str, ...]
    conditions: tuple[Condition, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        return {"wwc": self.wwc, "essa": self.essa, "reasons": list(self.reasons)}


def baseline_category(g: float | None) -> str:
    """ok (|g| <= 0.05), adjust (to 0.25), fail (above), unknown."""
    if g is None or g != g:
        return "unknown"
    size = abs(g)
    return "ok" if size <= NEGLIGIBLE else "adjust" if size <= ADJUSTABLE else "fail"


def baseline_conditions(baseline_g: dict[str, float | None], adjusted_for: Sequence[str],
                        design: str = "") -> list[Condition]:
    """Baseline equivalence of each pre-measure of the outcome; one above 0.25 fails the domain."""
    if not baseline_g:
        return [Condition("baseline", False, "No earlier measure of the outcome was compared.",
                          "Give the same measure before the start: last year's or this year's absence.")]
    found = []
    for name, g in baseline_g.items():
        kind, shown = baseline_category(g), "not known" if g is None else f"{g:+.2f}"
        holds = kind == "ok" or (kind == "adjust" and name in adjusted_for)
        remedy = f"Adjust for {name} in the regression." if kind == "adjust" else apart(design)
        found.append(Condition(f"baseline {name}", holds,
                               "" if holds else f"Groups differ at the start on {name} (effect size {shown}).", remedy))
    return found


def read_evidence(facts: StudyFacts) -> EvidenceReading:
    """The two readings and every failed condition with its remedy."""
    base = baseline_conditions(facts.baseline_g, facts.adjusted_for, facts.design)
    shared = _confounds(facts)
    if facts.is_randomized:
        draw = _draw(facts)
        shared, facts = [*shared, draw], replace(facts, is_randomized=draw.holds)
    if facts.is_threshold:
        base = [THRESHOLD]
    low = facts.is_randomized and facts.attrition == "low"
    needed = shared if low else [*shared, *base]
    meets = all(condition.holds for condition in needed)
    wwc = ("is not judged here: a regression discontinuity has standards of its own" if facts.is_threshold else
           "could meet standards without reservations, if reviewed" if meets and low
           else "could meet standards with reservations, if reviewed" if meets
           else "would not meet standards as it stands")
    size = _essa_conditions(facts)
    everything = tuple(_of_design(condition, facts.design) for condition in (*needed, *size))
    reasons = tuple(f"{c.why} {c.remedy}".strip() for c in everything if not c.holds)
    return EvidenceReading(wwc, _essa(meets, low, size, facts), reasons, everything)


THRESHOLD = Condition(
    "threshold", False, "A regression discontinuity is reviewed by standards of its own (was the score moved, do "
    "earlier measures jump, is the bandwidth right), which evalkit does not read.",
    "Give a reviewer the checks, the density test and the other bandwidths in results.json.")
LONGER = "Waiting students serve only until their own mentor begins: a longer list or a longer wait shows more."
OF_DESIGN = {
    ("waitlist", "favorable"): f"{LONGER} Else only a stronger program mends this.",
    ("waitlist", "350 students"): f"{LONGER} Or pool sites (evalkit pool).",
    ("waitlist", "one school a side"): "Keep a list in every school, so that students of one school are compared.",
    ("prior_cohort", "same school year"): 'Compare within this year: comparison = "within_school", or a waiting list '
                                          '("waitlist") for the next mentors.',
    ("prior_cohort", "350 students"): "Pool sites (evalkit pool): the year before has no more students than it had.",
    ("randomized", "favorable"): "Draw again next year and pool the years; else only a stronger program mends this.",
    ("randomized", "350 students"): "Draw from a longer list, or pool sites that draw too (evalkit pool).",
    ("randomized", "one school a side"): "Draw students inside each school, not whole schools.",
    ("comparison_schools", "one school a side"): "Add a second school on each side, better four: with so few the "
                                                 "schools and the program cannot be told apart.",
}
"""(design, condition) -> its remedy, where the general one does not fit the design."""


def _of_design(condition: Condition, design: str) -> Condition:
    return replace(condition, remedy=OF_DESIGN.get((design, condition.name), condition.remedy))


def _draw(facts: StudyFacts) -> Condition:
    """Whether a lottery could have made groups as far apart at the start as these."""
    sizes = facts.n_treated or facts.n_students / 2, facts.n_comparison or facts.n_students / 2
    error = sqrt(1 / sizes[0] + 1 / sizes[1]) if min(sizes) > 0 else float("inf")
    far = [name for name, g in facts.baseline_g.items()
           if g is not None and abs(g) > ADJUSTABLE and abs(g) / error > NEVER_BY_CHANCE]
    return Condition("random draw", not far, f"The groups differ at the start on {' and '.join(far)} by more than a "
                     "lottery brings about, so the comparison group cannot be who drew no place.",
                     "Give the list of everyone who was in the draw, or plan another comparison.")


def _confounds(facts: StudyFacts) -> list[Condition]:
    alone = [word for word, n in (("treated", facts.n_treated_schools), ("comparison", facts.n_comparison_schools))
             if n == 1 and not facts.arms_share_schools]
    return [
        Condition("one school a side", not alone, f"The {' and '.join(alone)} students are all in one school, so the "
                  "school and the program cannot be told apart.", "Add a second school on each side."),
        Condition("one mentor", facts.n_mentors is None or facts.n_mentors > 1,
                  "All treated students have the same mentor, so the mentor and the program cannot be told apart.",
                  "Add a second mentor."),
        Condition("coming back anyway", not facts.comes_back_anyway,
                  "The difference may be students coming back toward their usual level: the check on change that comes "
                  "anyway did not hold.",
                  'Plan estimator = "regression_adjusted" with earlier absence as a covariate.'),
        Condition("same school year", not facts.different_years,
                  "The groups are from different school years, which is a confound.",
                  "Use a comparison from the same school year."),
    ]


def _essa_conditions(facts: StudyFacts) -> list[Condition]:
    return [
        _favorable(facts),
        Condition("350 students", facts.n_students >= ESSA_STUDENTS,
                  f"{facts.n_students} students, fewer than {ESSA_STUDENTS}.", "Pool sites (evalkit pool)."),
        Condition("two sites", facts.n_schools >= ESSA_SITES, f"{facts.n_schools} school, fewer than {ESSA_SITES}.",
                  "Add a school. (The 2016 guidance says two districts, the WWC two educational sites.)"),
    ]


def _favorable(facts: StudyFacts) -> Condition:
    if not facts.direction_known:
        return Condition("favorable", False, "Whether more or less of this outcome is better is not known, so the "
                         "difference is not counted as favorable.",
                         "Name the measure so that it says what it counts, such as gpa or course_failures.")
    return Condition("favorable", facts.is_favorable and facts.is_significant and not facts.comes_back_anyway,
                     "The effect is not favorable and statistically significant.",
                     "Nothing mends this but more students or a stronger program.")


def _essa(meets: bool, low: bool, size: list[Condition], facts: StudyFacts) -> str:
    favorable, enough = size[0].holds, size[1].holds and size[2].holds
    if not favorable:
        return "could support a Tier 4 claim (a rationale, with this study as the test under way)"
    if meets and enough:
        return f"could support a Tier {1 if low else 2} claim, if reviewed"
    if facts.adjusted_for or facts.is_randomized:
        return "could support a Tier 3 claim, if reviewed"
    return "could support a Tier 4 claim: the comparison has no statistical controls"
