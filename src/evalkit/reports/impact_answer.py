"""Page 1 of the impact study, piece by piece. Every number goes through the gate."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit import figures
from evalkit.evidence import banner
from evalkit.evidence import benchmarks as published
from evalkit.programme import fidelity
from evalkit.render.blocks import BigNumber, Callout, Column, Figure, Heading, Paragraph, Table, Tile, Tiles
from evalkit.reports.gate import Gate
from evalkit.reports.impact_run import Analysis
from evalkit.reports.impact_words import check_title
from evalkit.wording import between, count_words, gain_of, listed, number, percent, plural
from evalkit.wording.verdicts import Gain, gain_title

YEAR = 180
ELEMENT_LABELS = {
    "three_contacts": "Three contacts a week",
    "b_call_absent": "Absences followed up",
    "e_family_intro": "Families met",
    "f_connect_resource": "Help connected",
}


def gain(main: Analysis) -> Gain | None:
    """The planned answer in days more in school per 180-day year; None where it is not in days or has no interval."""
    found = main.planned
    if found.outcome not in ("absence_rate", "absent_days") or None in (found.value, found.ci_low, found.ci_high):
        return None
    return gain_of(found, year_days=YEAR)


def arms(main: Analysis) -> list[int]:
    """The students each estimate rests on, by group: both must be large enough to show it."""
    return [main.planned.n_treated, main.planned.n_comparison]


def opening(study, main: Analysis, gate: Gate) -> tuple[str, str]:
    """The message as title, and the uncertainty in words."""
    found = gain(main)
    n_schools = main.comparison.arm(1)["school_id"].nunique()
    schools = f"{count_words(n_schools)} school{'' if n_schools == 1 else 's'}"
    shown = gate.numbers("gain", value=(found.value if found else None, arms(main)))["value"]
    if found is None or shown is None:
        lead = gate.text(
            "{n:,} mentored students are compared with {m:,} similar students.",
            n=(main.planned.n_treated,) * 2,
            m=(main.planned.n_comparison,) * 2,
        )
        return gate.fixed("Mentored and similar students, compared"), lead
    lead = gate.text(
        "{n:,} students in {schools} had a mentor and could be compared. {ends} {sure}",
        n=(main.planned.n_treated,) * 2,
        words={"schools": schools, "ends": _ends(found), "sure": _sure(found, n_failed(main))},
    )
    return gate.fixed(gain_title(found)), lead


def _ends(found: Gain) -> str:
    if found.low < 0 < found.high:
        ends = between(found.low, found.high).replace("between", "from", 1).replace(" and ", " to ", 1)
        return f"The difference may lie anywhere **{ends}**."
    word = "more" if found.low >= 0 else "fewer"
    low, high = sorted((abs(found.low), abs(found.high)))
    ends = between(low, high, digits=1) if low < 1 else between(low, high)
    return f"They most likely spent **{ends}** {word} in school per year."


def n_failed(main: Analysis) -> int:
    """How many checks of the planned estimate did not hold."""
    return sum(check.verdict == "fail" for check in main.checks)


def lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]


def _sure(found: Gain, failed: int) -> str:
    if found.low < 0 < found.high:
        return "So we cannot say whether having a mentor went with more days in school."
    if failed:
        return f"But {plural(failed, 'check')} of the method did not hold, so other causes may be behind it."
    return "Chance alone seldom brings such a difference; we are less sure how large it is."


def big_number(main: Analysis, gate: Gate) -> BigNumber | Callout:
    """The one number, its interval, and further readings of it."""
    found, sizes = gain(main), main.effect_sizes
    label = gate.fixed("Difference in days in school per 180-day year")
    if found is None:
        return Callout(
            gate.fixed("No number in days"),
            (gate.fixed(main.planned.reason or "The planned outcome is not counted in days."),),
            tone="caution",
        )
    about = arms(main)
    also = [
        (
            gate.fixed("As a share of days"),
            gate.text(
                "{v} points ({a} to {b})",
                v=(_signed(found.value / YEAR * 100), about),
                a=(number(found.low / YEAR * 100, 1), about),
                b=(number(found.high / YEAR * 100, 1), about),
            ),
        )
    ]
    if sizes.get("hedges_g") is not None:
        also.append(
            (gate.fixed("Effect size (Hedges’ g)"), gate.text("{g}", g=(_signed(-sizes["hedges_g"], 2), about)))
        )
    if sizes.get("improvement_index") is not None:
        also.append(
            (
                gate.fixed("Improvement index"),
                gate.text("{i} points", i=(_signed(-sizes["improvement_index"], 0), about)),
            )
        )
    return BigNumber(
        label,
        gate.text("{v}", v=(_signed(found.value), about)),
        gate.fixed("days"),
        gate.text("95% interval: {a} to {b} days", a=(number(found.low, 1), about), b=(number(found.high, 1), about)),
        tuple(also),
    )


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


def benchmarks(main: Analysis, gate: Gate) -> Figure | Table:
    """This program beside published studies, each with how it was studied."""
    found = gain(main)
    rows = [
        {
            "label": "This program",
            "detail": DESIGNS[main.plan.comparison],
            "marker": "program",
            "n": min(arms(main)),
            "value": found.value if found else None,
            "ci_low": found.low if found else None,
            "ci_high": found.high if found else None,
        }
    ]
    rows += [
        {
            "label": row["label"],
            "detail": row["detail"],
            "marker": row["marker"],
            "value": row["days"],
            "ci_low": None,
            "ci_high": None,
            "n": 10_000,
        }
        for row in _published()
    ]
    frame = pd.DataFrame(rows).astype({"value": "float64", "ci_low": "float64", "ci_high": "float64"})
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
        "Diamond: by lottery. Square: not by lottery. Other studies are single points here because their intervals "
        "were not at hand. They served other students in other years."
    )
    title = "This program beside what other studies found"
    return Figure(
        gate.fixed(title),
        gate.fixed("More days in school per 180-day year: this program with its 95% interval, and published studies"),
        figures.benchmark_forest(shown),
        gate.fixed(alt),
        table,
        columns,
        note=gate.fixed(note),
        key="benchmarks",
    )


def _published() -> list[dict[str, Any]]:
    """Studies with a result in days, as published."""
    table = published()
    return table[table["days"].notna() & table["label"].notna()].to_dict("records")


def design(main: Analysis, gate: Gate) -> Callout:
    """Who was compared with whom, in one sentence."""
    plan = main.plan
    where = {
        "within_school": "of the same schools",
        "comparison_schools": "of comparison schools",
        "waitlist": "still waiting for a mentor",
        "prior_cohort": "of the year before",
        "randomized": "who drew no place in the lottery",
    }[plan.comparison]
    adjusted = ", and adjusted for the gaps that stayed" if plan.estimator != "difference" else ""
    text = gate.text(
        "We compared {n:,} mentored students with {m:,} students {where} who were most alike on the day the mentor "
        "began{adjusted}.",
        n=(main.planned.n_treated,) * 2,
        m=(main.planned.n_comparison,) * 2,
        words={"where": where, "adjusted": adjusted},
    )
    return Callout(gate.fixed("The design, in one sentence"), (text,), tone="answer")


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


def banners(main: Analysis, gate: Gate) -> list[Callout]:
    """What to see before quoting the number: failed checks, and a gain larger than any lottery study found."""
    failed = n_failed(main)
    names = listed([lower_first(check_title(check.name)) for check in main.checks if check.verdict == "fail"])
    lines = []
    if failed:
        lines.append(
            gate.fixed(f"{plural(failed, 'check')} of the method did not hold: {names}. The appendix says why.")
        )
    warning = banner(dict(main.effect_sizes))
    lines += [gate.fixed(warning)] if warning else []
    return [Callout(gate.fixed("Read this before you quote the number"), tuple(lines), tone="caution")] if lines else []


def what_mentors_did(study, gate: Gate) -> list[Any]:
    """Tiles of the role's elements that the mentors' log can show."""
    tiles = []
    for element in fidelity(study):
        if element.of and element.code in ELEMENT_LABELS and len(tiles) < 4:
            share = gate.text("{s}", s=(percent(element.n / element.of), (element.n, element.of)))
            tiles.append(
                Tile(
                    gate.fixed(ELEMENT_LABELS[element.code]),
                    share,
                    gate.text("{n:,} of {of:,}", n=(element.n, (element.n, element.of)), of=(element.of, element.of)),
                )
            )
    return [Heading(gate.fixed("What mentors did")), Tiles(tuple(tiles))] if tiles else []


def released_analysis(main: Analysis, gate: Gate) -> dict[str, Any]:
    """results.json for partners and the public: the planned number and its reading, hidden where arms are small.

    The keys are those of the team's entry; balance rests on both arms, sentences of checks hold counts and stay out.
    """
    about = arms(main)
    n_matched, n_dropped = main.comparison.n_treated_matched, main.comparison.n_treated_dropped
    entry = gate.numbers("counts", n_treated_matched=(n_matched, about),
                         n_treated_dropped=(n_dropped, (n_dropped, n_matched + n_dropped)))
    sizes = gate.numbers("effect_sizes", **{key: (value, about) for key, value in main.effect_sizes.items()})
    beyond = [_released_row(found.to_dict(), [found.n_treated, found.n_comparison], gate) for _, found in main.beyond]
    for row, (name, _) in zip(beyond, main.beyond, strict=True):
        row["name"] = name
    entry.update(
        id=main.plan.id,
        plan_sha256=main.plan.sha256,
        estimates=[_released_row(main.planned.to_dict(), about, gate), *beyond],
        balance=[_released_row(row, about, gate) for row in main.comparison.balance_rows()],
        checks=[{"name": check.name, "verdict": check.verdict, "value": None, "text": ""} for check in main.checks],
        effect_sizes=sizes,
        evidence={"wwc": main.evidence["wwc"], "essa": main.evidence["essa"], "reasons": []},
    )
    return entry


def _released_row(row: dict[str, Any], about: list[int], gate: Gate) -> Any:
    """One row of results.json: text as it is, every number only where both arms are large enough."""
    return gate.numbers("row", **{key: (value, None if isinstance(value, str | bool) else about)
                                  for key, value in row.items()})
