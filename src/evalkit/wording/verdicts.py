"""The seven verdicts (standards 7.1) and sentences that claim no more than the interval allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evalkit.measures import outcome_row
from evalkit.wording.words import between, days, number, percent, plural, title_case_limit

CLEARLY_BETTER, PROBABLY_BETTER, NO_CLEAR_CHANGE = "clearly_better", "leans_better", "no_clear_change"
PROBABLY_WORSE, CLEARLY_WORSE = "leans_worse", "clearly_worse"
TOO_EARLY, TOO_FEW = "too_early", "too_few"

VERDICTS: Mapping[str, str] = {
    CLEARLY_BETTER: "Clearly better",
    PROBABLY_BETTER: "Probably better",
    NO_CLEAR_CHANGE: "No clear change",
    PROBABLY_WORSE: "Probably worse",
    CLEARLY_WORSE: "Clearly worse",
    TOO_EARLY: "Too early",
    TOO_FEW: "Too few to judge alone",
}
IN_A_SENTENCE: Mapping[str, str] = {
    CLEARLY_BETTER: "are clearly doing better",
    PROBABLY_BETTER: "lean better",
    NO_CLEAR_CHANGE: "show no clear change",
    PROBABLY_WORSE: "lean worse",
    CLEARLY_WORSE: "are clearly doing worse",
    TOO_EARLY: "cannot be judged yet: it is too early",
    TOO_FEW: "are too few to judge alone",
}
MEANING: Mapping[str, str] = {
    CLEARLY_BETTER: "Clearly: the interval that stays valid although we look every month excludes zero.",
    CLEARLY_WORSE: "Clearly: the interval that stays valid although we look every month excludes zero.",
    PROBABLY_BETTER: "Probably: today's chance of a true gain is 80% or more; the monthly interval still reaches zero.",
    PROBABLY_WORSE: "Probably: today's chance of a true loss is 80% or more; the monthly interval still reaches zero.",
    NO_CLEAR_CHANGE: "No clear change: neither a gain nor a loss has a chance of 80%.",
    TOO_EARLY: "Too early: fewer than 20 school days since the students were matched.",
    TOO_FEW: "Too few: fewer than 30 students on one of the two sides.",
}


@dataclass(frozen=True)
class Gain:
    """A difference said as days more in school: value, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def gain_of(estimate, *, year_days: int = 180) -> Gain:
    """An Estimate of absences or presence (treated minus comparison) as days gained in a year of `year_days`.

    Outcomes as a share of days are multiplied by year_days; outcomes in days stand as they are.
    """
    row = outcome_row(estimate.outcome)
    scale = 1.0 if estimate.unit == "days" else float(year_days)
    if row is not None and row.in_school > 0:
        return Gain(estimate.value * scale, estimate.ci_low * scale, estimate.ci_high * scale)
    return Gain(-estimate.value * scale, -estimate.ci_high * scale, -estimate.ci_low * scale)


def gain_title(gain: Gain | None, who: str = "Mentored students") -> str:
    """A title of at most 12 words that calls nothing a gain unless the whole interval is one."""
    if gain is None:
        return f"{who} and similar students: not compared yet"
    shown = number(abs(gain.value)) if abs(gain.value) >= 0.5 else "under 1"
    word = "day" if shown == "1" else "days"
    if gain.low > 0 or gain.high < 0:
        way = "more" if gain.low > 0 else "fewer"
        said = f"{who} were in school about {shown} {way} {word} than similar students"
        return said if title_case_limit(said) else said.removesuffix(" than similar students")
    return f"{who} and similar students: no clear difference in days in school"


def gain_sentence(gain: Gain | None, n_treated: int = 0, n_comparison: int = 0) -> str:
    """One sentence with the estimate, its uncertainty and its comparison."""
    if gain is None:
        return "The comparison with similar students is not available in this study."
    way = "more" if gain.value >= 0 else "fewer"
    digits = 1 if abs(gain.value) < 10 else 0
    sentence = (
        f"{number(abs(gain.value), digits)} {way} days in school per 180-day year than "
        f"{plural(n_comparison, 'similar student')}"
    )
    ends = _ends(gain, digits)
    return f"{sentence}, for {plural(n_treated, 'mentored student')}. {ends}"


def _ends(gain: Gain, digits: int) -> str:
    if gain.low < 0 < gain.high:
        ends = between(gain.low, gain.high, digits=digits)
        return f"The true figure may lie anywhere {ends.replace('between', 'from', 1).replace(' and ', ' to ', 1)}."
    return f"The true figure most likely lies {between(gain.low, gain.high, digits=digits)}."


def estimate_sentence(estimate) -> str:
    """Any Estimate in one sentence: value with its unit, interval, numbers of students, and the comparison."""
    row = outcome_row(estimate.outcome)
    if row is not None and row.in_school:
        return f"Mentored students had {gain_sentence(gain_of(estimate), estimate.n_treated, estimate.n_comparison)}"
    low, high = estimate.ci_low, estimate.ci_high
    if estimate.outcome.startswith("is_"):
        way = "higher" if estimate.value > 0 else "lower"
        name = row.who if row else estimate.outcome[3:].replace("_", " ")
        return (
            f"The share of mentored students who {name} was {number(100 * abs(estimate.value), 1)} points {way} than "
            f"for similar students (95% interval {number(100 * low, 1)} to {number(100 * high, 1)} points)."
        )
    return (
        f"Mentored students differ by {number(estimate.value, 2)} in {_words(estimate.outcome)} from similar "
        f"students (95% interval {number(low, 2)} to {number(high, 2)})."
    )


def _words(outcome: str) -> str:
    row = outcome_row(outcome)
    return row.in_a_sentence() if row else outcome.replace("_", " ")


CHECK_WORDS: Mapping[str, str] = {"pass": "holds", "caution": "needs care", "fail": "does not hold"}


def check_sentence(check) -> str:
    """A CheckResult as one sentence: what was checked, how it came out, and its own text."""
    name = check.name.replace("_", " ")
    return f"{name[:1].upper()}{name[1:]}: {CHECK_WORDS[check.verdict]}. {check.text}"


def moved_title(n_left: int, n_joined: int, month: str) -> str:
    """The opening title of a month: which way students moved over the 10% line, as counts and no more."""
    if n_left > n_joined:
        return f"In {month}, more students moved out of chronic absence than into it"
    if n_left and n_left == n_joined:
        return f"In {month}, as many students left chronic absence as entered it"
    if n_left:
        return f"In {month}, {number(n_left)} {'student' if n_left == 1 else 'students'} came back under the 10% line"
    return f"In {month}, here is who to celebrate and who to reach"


def share_title(now: float | None, before: float | None, since: str) -> str:
    """A figure title about the share missing 10% or more; a move of under half a point is "about the same"."""
    if now is None or before is None:
        return "Students by share of days missed"
    if now <= before - 0.005:
        return f"The share missing 10% or more is lower than {since}"
    if now >= before + 0.005:
        return f"The share missing 10% or more is higher than {since}"
    return f"The share missing 10% or more is about the same as {since}"


__all__ = [
    "CHECK_WORDS",
    "IN_A_SENTENCE",
    "MEANING",
    "VERDICTS",
    "Gain",
    "check_sentence",
    "days",
    "estimate_sentence",
    "gain_of",
    "gain_sentence",
    "gain_title",
    "moved_title",
    "percent",
    "share_title",
]
