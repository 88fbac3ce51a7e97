"""Page 1 of the impact study, piece by piece. Every number goes through the gate."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit import figures
from evalkit.evidence import banner
from evalkit.evidence import benchmarks as published
from evalkit.measures import outcome_row
from evalkit.programme import fidelity
from evalkit.render.blocks import BigNumber, Callout, Column, Figure, Heading, Paragraph, Table, Tile, Tiles
from evalkit.reports.gate import Gate
from evalkit.reports.impact_estimators import follows_months
from evalkit.reports.impact_groups import LEAST_PER_ARM
from evalkit.reports.impact_plan import better_sign
from evalkit.reports.impact_run import LEVEL_NAME, Analysis
from evalkit.reports.impact_units import (
    YEAR,
    any_gain,
    arms,
    comes_back_anyway,
    gain,
    in_days,
    n_failed,
    outcome_words,
    shown_as,
)
from evalkit.reports.impact_words import THIN, check_title
from evalkit.tables import long_date
from evalkit.wording import between, count_words, listed, number, percent, plural
from evalkit.wording.verdicts import Gain, gain_title

ELEMENT_LABELS = {
    "three_contacts": "Three contacts a week",
    "b_call_absent": "Absences followed up",
    "e_family_intro": "Families met in 10 school days",
    "f_connect_resource": "Help connected",
}


def opening(study, main: Analysis, gate: Gate) -> tuple[str, str]:
    """The message as title, and the uncertainty in words."""
    found = gain(main)
    shown = gate.numbers("gain", value=(found.value if found else None, arms(main)))["value"]
    if found is None or shown is None:
        return gate.fixed("Mentored and similar students, compared"), _other_lead(main, gate)
    if comes_back_anyway(main):
        return gate.fixed(COMES_BACK_TITLE), _not_to_rely_on(main, gate, found)
    few = min(arms(main)) < LEAST_PER_ARM
    n_schools = main.comparison.arm(1)["school_id"].nunique()
    schools = f"{count_words(n_schools)} school{'' if n_schools == 1 else 's'}"
    lead = gate.text(
        "{n:,} students in {schools} had a mentor and could be compared. {ends} {sure}",
        n=(main.planned.n_treated,) * 2,
        words={"schools": schools, "ends": _ends(found), "sure": _sure(found, n_failed(main), few)},
    )
    return gate.fixed("Too few students to judge alone: under 30 on a side" if few else gain_title(found)), lead


COMES_BACK_TITLE = "This difference may be students coming back anyway"


def _not_to_rely_on(main: Analysis, gate: Gate, found: Gain) -> str:
    """The lead where the check on change that comes anyway did not hold: both numbers, and not to act on the first."""
    level = next((b for name, b in main.beyond if name == LEVEL_NAME), None)
    other = in_days(main, level) if level is not None else None
    text = ("{n:,} students had a mentor and could be compared. The difference of {v} days a year cannot be relied on: "
            "students get a mentor in a hard time, and come back toward their usual level with or without one.")
    counts: dict[str, Any] = {"n": (main.planned.n_treated,) * 2, "v": (_signed(found.value), arms(main))}
    if other is None:
        return gate.text(text, **counts)
    return gate.text(text + " With earlier absence taken into account it is {l} days (95% interval {a} to {b}).",
                     **counts, l=(_signed(other.value), arms(main)), a=(number(other.low, 1), arms(main)),
                     b=(number(other.high, 1), arms(main)))


def _other_lead(main: Analysis, gate: Gate) -> str:
    """The lead of an outcome that is not in days: who is compared, and the difference with its interval."""
    about, low, high = arms(main), *_ends_of(main.planned)
    counts: dict[str, Any] = {"n": (main.planned.n_treated,) * 2, "m": (main.planned.n_comparison,) * 2}
    text = "{n:,} mentored students are compared with {m:,} similar students."
    if main.planned.value is None or low is None or high is None:
        return gate.text(text, **counts)
    turn, unit, digits = shown_as(main.planned)
    return gate.text(
        text + " {what} differ by {v} {unit}; the true figure most likely lies between {a} and {b}.{better}",
        **counts, v=(_signed(turn(main.planned.value), digits), about), a=(number(turn(low), digits), about),
        b=(number(turn(high), digits), about),
        words={"what": outcome_words(main.planned.outcome), "unit": unit,
               "better": BETTER[better_sign(main.planned.outcome)]})


BETTER = {-1: " Below zero is better.", 1: " Above zero is better.", 0: ""}
"""Which sign is the good one, where the number is told in the outcome's own direction."""


def _ends_of(found: Any) -> tuple[float | None, float | None]:
    return found.ci_low, found.ci_high


def _ends(found: Gain) -> str:
    if found.low < 0 < found.high:
        ends = between(found.low, found.high).replace("between", "from", 1).replace(" and ", " to ", 1)
        return f"The difference may lie anywhere **{ends}**."
    word = "more" if found.low >= 0 else "fewer"
    low, high = sorted((abs(found.low), abs(found.high)))
    ends = between(low, high, digits=1) if low < 1 else between(low, high)
    return f"They most likely spent **{ends}** {word} in school per year."


def lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _sure(found: Gain, failed: int, few: bool) -> str:
    if few:
        return f"With under {LEAST_PER_ARM} students on a side this is no result to act on alone."
    if found.low < 0 < found.high:
        return "So we cannot say whether having a mentor went with more days in school."
    if failed:
        return f"But {plural(failed, 'check')} of the method did not hold, so other causes may be behind it."
    return "Chance alone seldom brings such a difference; we are less sure how large it is."


def big_number(main: Analysis, gate: Gate) -> BigNumber | Callout:
    """The one number, its interval, and further readings of it."""
    found, about = gain(main), arms(main)
    if found is None:
        return _other_number(main, gate)
    share = gate.text("{v} points ({a} to {b})", v=(_signed(found.value / YEAR * 100), about),
                      a=(number(found.low / YEAR * 100, 1), about), b=(number(found.high / YEAR * 100, 1), about))
    return BigNumber(
        gate.fixed("Difference in days in school per 180-day year" + (
            ", as planned; not to be relied on" if comes_back_anyway(main) else "")),
        gate.text("{v}", v=(_signed(found.value), about)),
        gate.fixed("days"),
        gate.text("95% interval: {a} to {b} days", a=(number(found.low, 1), about), b=(number(found.high, 1), about)),
        ((gate.fixed("As a share of days"), share),
         (gate.fixed("Scaled to 180 days from"), gate.text("{d} days followed", d=(number(main.enrolled_days), about))),
         *_sizes(main, gate, sign=better_sign(main.planned.outcome))),
    )


def _other_number(main: Analysis, gate: Gate) -> BigNumber | Callout:
    """The planned number of an outcome that is not in days; a sentence where it has none, or no interval."""
    found, about = main.planned, arms(main)
    if found.value is None or found.ci_low is None or found.ci_high is None:
        why = found.reason or "The planned outcome has no interval, so no number is shown."
        return Callout(gate.fixed("No number to show"), (gate.fixed(why),), tone="caution")
    turn, unit, digits = shown_as(found)
    return BigNumber(
        gate.fixed(f"{outcome_words(found.outcome)}: mentored minus similar"),
        gate.text("{v}", v=(_signed(turn(found.value), digits), about)), gate.fixed(unit),
        gate.text("95% interval: {a} to {b}", a=(number(turn(found.ci_low), digits), about),
                  b=(number(turn(found.ci_high), digits), about)),
        (*_followed(main, gate), *_sizes(main, gate, sign=1)))


def _followed(main: Analysis, gate: Gate) -> tuple[tuple[str, str], ...]:
    """How long the students were followed, where the outcome was counted from their attendance."""
    if outcome_row(main.planned.outcome) is None:
        return ()
    days = gate.text("{d} days", d=(number(main.enrolled_days), arms(main)))
    return ((gate.fixed("Students were followed for"), days),)


def _sizes(main: Analysis, gate: Gate, *, sign: int) -> tuple[tuple[str, str], ...]:
    """Effect sizes as (label, value with its interval): for absences turned so that more is better."""
    sizes, about = main.effect_sizes, arms(main)
    labels = (("hedges_g", "Effect size (Hedges’ g)", 2, ""), ("cox_index", "Effect size (Cox index)", 2, ""),
              ("improvement_index", "Improvement index", 0, " points"))
    found = []
    for key, label, digits, unit in (row for row in labels if sizes.get(row[0]) is not None):
        ends = sorted(sign * float(end) for end in (sizes.get(f"{key}_ci_{side}") for side in ("low", "high"))
                      if end is not None)
        band: dict[str, Any] = {name: (number(end, digits), about) for name, end in zip("ab", ends, strict=False)}
        text = "{v}" + unit + (" ({a} to {b})" if len(band) == 2 else "")
        found.append((gate.fixed(label), gate.text(text, v=(_signed(sign * float(sizes[key]), digits), about), **band)))
    return tuple(found)


def _signed(value: float, digits: int = 1) -> str:
    text = number(value, digits)
    return f"+{text}" if value > 0 and float(text.replace(",", "")) else text


def question(gate: Gate) -> Paragraph:
    return Paragraph(
        gate.fixed(
            "**The question.** Do students who are matched with a caring adult come to school more than they "
            "would have without one?"
        )
    )


DESIGNS = {
    "within_school": "Not by lottery: similar students, same schools",
    "comparison_schools": "Not by lottery: similar students, other schools",
    "waitlist": "Not by lottery: students on the waiting list",
    "prior_cohort": "Not by lottery: students of the year before",
    "randomized": "By lottery",
}


def _how(main: Analysis) -> str:
    """How this program was studied, in a few words."""
    if main.plan.estimator == "discontinuity":
        return "Not by lottery: students just above and below a line"
    return DESIGNS[main.plan.comparison]


def benchmarks(main: Analysis, gate: Gate) -> Figure | Table:
    """This program beside published studies, each with how it was studied."""
    frame = _study_rows(main)
    table = gate.table(
        "benchmarks",
        frame,
        keys=("label", "detail", "marker"),
        counts=("n",),
        plain={"value": "n", "ci_low": "n", "ci_high": "n"},
    )
    shown = table.frame[table.frame["value"].notna()]
    columns = (
        Column("label", "Study"),
        Column("detail", "How it was studied"),
        Column("value", "More days in school", "signed1", "per 180-day year"),
        Column("ci_low", "From", "signed1"),
        Column("ci_high", "To", "signed1"),
    )
    alt = " ".join(f"{row.label}: {number(row.value, 1)} days." for row in shown.itertuples())
    note = (
        "Diamond: by lottery. Square: not. The others’ intervals were not at hand; they served other students in "
        "other years."
    )
    title = "This program beside what other studies found"
    return Figure(
        gate.fixed(title),
        gate.fixed("More days in school per 180-day year, and this program’s 95% interval"),
        figures.benchmark_forest(shown),
        gate.fixed(alt),
        table,
        columns,
        note=gate.fixed(note),
        key="benchmarks",
    )


def _study_rows(main: Analysis) -> pd.DataFrame:
    """This program first, then the published studies: days more in school a year, how studied, its own interval."""
    found, was_planned = any_gain(main)
    beyond = "" if was_planned else "; beyond the plan, which has another outcome"
    own = {"label": "This program", "detail": _how(main) + beyond, "marker": "program", "n": min(arms(main))}
    own |= {"value": found.value, "ci_low": found.low, "ci_high": found.high} if found else {}
    others = [{"label": row["label"], "detail": row["detail"], "marker": row["marker"], "value": row["days"],
               "n": 10_000} for row in _published()]
    frame = pd.DataFrame([own, *others], columns=["label", "detail", "marker", "n", "value", "ci_low", "ci_high"])
    return frame.astype({"value": "float64", "ci_low": "float64", "ci_high": "float64"})


def _published() -> list[dict[str, Any]]:
    """Studies with a result in days, as published."""
    table = published()
    return table[table["days"].notna() & table["label"].notna()].to_dict("records")


WHERE = {
    "within_school": "of the same schools",
    "comparison_schools": "of comparison schools",
    "waitlist": "still waiting for a mentor",
    "prior_cohort": "of the year before",
    "randomized": "without an assignment, taken as having drawn no place",
}


HOW_ADJUSTED = {
    "difference": "",
    "did": ", and took for each student the change since an earlier time",
    "discontinuity": ", just above and just below the line that decided who got a mentor",
}


def design(main: Analysis, gate: Gate) -> Callout:
    """Who was compared with whom, in one sentence."""
    plan = main.plan
    day = "the day the mentor began" if plan.baseline == "landmark" else long_date(plan.baseline)
    alike = ("" if plan.method == "none" else
             f", weighted to be alike on {day}" if plan.method in ("weighting", "entropy", "cbps") else
             f" who were most alike on {day}")
    adjusted = HOW_ADJUSTED.get(plan.estimator, ", and adjusted for the gaps that stayed")
    if follows_months(plan):
        adjusted = ", and followed each student over the months before and after"
    text = gate.text(
        "We compared {n:,} mentored students with {m:,} students {where}{alike}{adjusted}.{both}",
        n=(main.planned.n_treated,) * 2,
        m=(main.planned.n_comparison,) * 2,
        words={"where": WHERE[plan.comparison], "alike": alike, "adjusted": adjusted, "both": _in_both(main, gate)},
    )
    return Callout(gate.fixed("The design, in one sentence"), (text,), tone="answer")


def _in_both(main: Analysis, gate: Gate) -> str:
    """Students who are in both groups, one after the other: how many is for the team."""
    twice = main.n_in_both
    if not twice:
        return ""
    who = (f"{count_words(twice)} {'is' if twice == 1 else 'are'}".capitalize() if gate.is_team else "Some may be")
    return f" {who} in both groups: first without a mentor, later with one."


def why_not_before_after(gate: Gate) -> Callout:
    return Callout(
        gate.fixed("Why not just before and after?"),
        (
            gate.fixed(
                "Students chosen in a hard year often do better the next year anyway, mentor or not. So only the "
                "difference between the two groups counts here."
            ),
        ),
        tone="answer",
    )


TOO_FEW = f"Too few to judge alone: under {LEAST_PER_ARM} students on a side."
NO_PLAN = ("The study has no [[analysis]] block, so evalkit’s usual plan ran. Nobody fixed it before the result; "
           "write a plan to make the next study stronger.")


def banners(main: Analysis, gate: Gate) -> list[Callout]:
    """What to see before quoting the number: failed checks, and a gain larger than any lottery study found."""
    failed = n_failed(main)
    names = listed([lower_first(check_title(check.name)) for check in main.checks if check.verdict == "fail"])
    lines = []
    where = "The appendix says why." if gate.is_team else "The team’s copy says why."
    if failed:
        lines.append(
            gate.fixed(f"{plural(failed, 'check')} of the method did not hold: {names}. {where}")
        )
    more = (*main.comparison.details.get("banners", ()), banner(dict(main.effect_sizes)),
            NO_PLAN if main.is_default else "", THIN if main.planned.is_thin else "",
            TOO_FEW if min(arms(main)) < LEAST_PER_ARM else "")
    lines += [gate.fixed(line) for line in more if line]
    return [Callout(gate.fixed("Read this before you quote the number"), tuple(lines), tone="caution")] if lines else []


def what_mentors_did(study, gate: Gate) -> tuple[list[Any], list[Any]]:
    """Tiles of the role's elements that the mentors' log can show, and their counts for results.json."""
    shown = [element for element in fidelity(study) if element.of and element.code in ELEMENT_LABELS][:4]
    tiles = tuple(
        Tile(gate.fixed(ELEMENT_LABELS[one.code]), gate.text("{s}", s=(percent(_share(one)), (one.n, one.of))),
             gate.text("{n:,} of {of:,}", n=(one.n, (one.n, one.of)), of=(one.of, one.of))) for one in shown)
    counts = [gate.numbers("mentors", element=(one.code, None), n=(one.n, (one.n, one.of)), of=(one.of, one.of),
                           share=(_share(one), (one.n, one.of))) for one in shown]
    return ([Heading(gate.fixed("What mentors did")), Tiles(tiles)] if tiles else []), counts


def _share(element: Any) -> float:
    return float(element.n / element.of)
