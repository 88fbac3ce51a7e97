"""The celebration's first page: headline, event, the four answers, days gained, what mentors did."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit import figures
from evalkit.disclosure.types import HIDDEN
from evalkit.render.blocks import (
    Callout,
    Column,
    CountList,
    EventBox,
    Figure,
    Row,
)
from evalkit.reports.celebration_facts import told_on
from evalkit.reports.gate import Gate
from evalkit.reports.impact_line import Impact
from evalkit.wording import Gain, date_words, gain_title, number, plural


def gain(impact: Impact) -> Gain | None:
    """The newest look as a gain in days, where there is one to state."""
    look = impact.now
    if look is None or look.value is None or look.low is None or look.high is None:
        return None
    return Gain(look.value, look.low, look.high)


def event(study) -> EventBox:
    """Day, time and place from `[celebration]`; blank ones become lines to fill in."""
    settings = study.config.celebration
    day = settings.get("date", "")
    return EventBox(date_words(day) if day else "", str(settings.get("time", "")), str(settings.get("place", "")))


def opening(study, impact: Impact, counts: dict[str, Any], gate: Gate) -> tuple[str, str]:
    """Headline: the mentored students' change with similar students' beside it, or what was done."""
    look, found, term = impact.now, gain(impact), study.config.mentor_term
    if not counts["n_students"]:
        return (gate.fixed("A year of being there"),
                gate.fixed(f"No student has a {term} yet. Thank you to everyone who was glad to see a child today."))
    word = "student" if counts["n_students"] == 1 else "students"
    who = gate.text(
        "This year {n:,} {word} had a {term}.", words={"term": term, "word": word},
        n=(counts["n_students"], counts["n_students"]),
        otherwise=f"This year students had a {term}.",
    )
    if look is None or found is None:
        title = gate.text(
            "{n:,} {word} had someone in their corner this year",
            words={"word": word},
            n=(counts["n_students"], counts["n_students"]),
            otherwise="Students had someone in their corner this year",
        )
        return title, gate.fixed(f"{who} {impact.off}".strip())
    arms = [look.n_treated, look.n_comparison]
    lead = gate.text(
        "The {t:,} who could be compared were in school {gain} {way} days each than {m:,} similar students without "
        "one, in a year of 180 days. "
        "The true figure may lie anywhere from **{low} to {high}**.",
        words={"way": "more" if found.value >= 0 else "fewer"},
        gain=(f"about {number(abs(found.value), 1)}", arms),
        t=(look.n_treated, look.n_treated),
        m=(look.n_comparison, look.n_comparison),
        low=(_days(found.low), arms),
        high=(_days(found.high), arms),
    )
    return _headline(found, arms, counts, gate), gate.fixed(f"{who} {lead}")


def _headline(found: Gain, arms: list[int], counts: dict[str, Any], gate: Gate) -> str:
    """The gain where the whole interval is one; else what was done, which is certain."""
    otherwise = "A year of being there"
    if found.low > 0:
        return gate.text("{title}", title=(gain_title(found), arms), otherwise=otherwise)
    mentors, word = plural(counts["n_mentors"], "mentor"), "student" if counts["n_students"] == 1 else "students"
    return gate.text("{mentors} stood by {n:,} {word} this year", words={"mentors": mentors, "word": word},
                     n=(counts["n_students"], counts["n_students"]), otherwise=otherwise)


def _days(value: float) -> str:
    return f"{number(abs(value), 1)} days {'more' if value >= 0 else 'fewer'}"


def answers(study, impact: Impact, counts: dict[str, Any], gate: Gate) -> Row:
    """What was done, for whom, did it help, how sure are we."""
    done = gate.text(
        "{who} greeted students, called when they were out, and helped families find support.",
        words={"who": plural(counts["n_mentors"], "mentor")},
    )
    schools = study.table("school")
    n_schools = int(schools["programme_school"].eq(True).sum()) or len(schools)
    if not counts["n_mentors"]:
        done = gate.fixed("No mentor has started yet.")
    where = f" in {plural(n_schools, 'school')}" if n_schools else ""
    whom = gate.text(
        "{n:,} {word}{where}, matched because of many days missed.",
        words={"where": where, "word": "student" if counts["n_students"] == 1 else "students"},
        n=(counts["n_students"], counts["n_students"]),
        otherwise=f"Students{where}, matched because of many days missed.",
    )
    if not counts["n_students"]:
        whom = gate.fixed("No student is matched yet.")
    return Row(
        tuple(
            (Callout(gate.fixed(title), (text,), tone="answer"),)
            for title, text in (
                ("What was done", done),
                ("For whom", whom),
                ("Did it help?", _helped(impact, gate)),
                ("How sure are we?", _sure(impact, gate)),
            )
        ),
        (3, 3, 3, 3),
    )


def _helped(impact: Impact, gate: Gate) -> str:
    look, found = impact.now, gain(impact)
    if look is None or found is None:
        return gate.fixed("We cannot say: there is no comparison with similar students in this study.")
    arms = [look.n_treated, look.n_comparison]
    words = {
        "clearly_better": "Yes.",
        "leans_better": "It leans that way.",
        "no_clear_change": "We cannot tell yet.",
        "leans_worse": "It leans the other way.",
        "clearly_worse": "No, not this year.",
        "too_early": "It is too early to say.",
        "too_few": "There are too few students to judge alone.",
    }[look.verdict]
    return gate.text(
        "{words} They were in school about {gain} {way} days than similar students.",
        words={"words": words, "way": "more" if found.value >= 0 else "fewer"},
        gain=(number(abs(found.value), 1), arms),
    )


def _sure(impact: Impact, gate: Gate) -> str:
    look, found = impact.now, gain(impact)
    if look is None or found is None:
        return gate.fixed("Not sure at all. What was done can be counted; what it changed is not known.")
    arms = [look.n_treated, look.n_comparison]
    start = (
        "Quite sure it is more than zero."
        if found.low > 0
        else "Not sure it differs from zero."
        if found.high > 0
        else "Quite sure it is less than zero."
    )
    return gate.text(
        "{start} The range runs from {low} to {high}.",
        words={"start": start},
        low=(_days(found.low), arms),
        high=(_days(found.high), arms),
    )


def days_figure(impact: Impact, gate: Gate) -> Figure | Callout:
    """A school year of dots, only where the whole interval is a gain; else the range in words."""
    look, found = impact.now, gain(impact)
    if look is None or found is None:
        return Callout(
            gate.fixed("With a mentor, beside similar students"),
            (gate.fixed(impact.off or "Not compared."),),
            tone="caution",
        )
    arms = [look.n_treated, look.n_comparison]
    released = gate.numbers("days", value=(found.value, arms), low=(found.low, arms), high=(found.high, arms))
    if found.low <= 0 or None in released.values():
        text = gate.text(
            "Students with a mentor and similar students differ by {value} days. The range is {low} to {high}, "
            "so we cannot "
            "say that one group was in school more.",
            value=(number(found.value, 1), arms),
            low=(_days(found.low), arms),
            high=(_days(found.high), arms),
        )
        return Callout(gate.fixed("With a mentor, beside similar students"), (text,), tone="caution")
    table = gate.table(
        "days_gained",
        pd.DataFrame(
            [
                {
                    "what": "Days gained in a 180-day year",
                    "n_treated": look.n_treated,
                    "n_comparison": look.n_comparison,
                    "value": found.value,
                    "low": found.low,
                    "high": found.high,
                }
            ]
        ),
        keys=("what",),
        counts=("n_treated", "n_comparison"),
        plain={"value": "n_treated", "low": "n_treated", "high": "n_treated"},
    )
    columns = (
        Column("what", "Measure"),
        Column("value", "Best estimate", "decimal1"),
        Column("low", "From", "decimal1"),
        Column("high", "To", "decimal1"),
        Column("n_treated", "Mentored", "integer"),
        Column("n_comparison", "Similar", "integer"),
    )
    best = f"about {plural(round(found.value), 'day')} gained (dark)"
    words = (best, f"at most about {number(found.high)} (rings), at least about {number(found.low)}")
    return Figure(
        gate.fixed(f"About {plural(round(found.value), 'more school day', 'more school days')} out of 180"),
        gate.fixed("Each dot is one school day of the year for one mentored student, compared with similar students"),
        figures.day_dots(best=found.value, high=found.high, words=words),
        gate.fixed(f"{best}; {words[1]}."),
        table,
        columns,
        note=gate.fixed("Mentors were not given out by lottery, so part of the gain may have other causes."),
        key="days_gained",
    )


def what_mentors_did(study, counts: dict[str, Any], gate: Gate) -> CountList | Callout:
    """The year's work in four numbers, each resting on the students it is about."""
    told = told_on(study, counts, gate)
    lines = []
    if counts.get("n_contacts") is not None:
        lines = [
            (
                gate.text("{v:,}", v=(counts["n_contacts"], told["n_contacts"])),
                gate.fixed("greetings, talks and calls"),
            ),
            (
                gate.text("{v:,}", v=(counts["n_answered"], told["n_answered"])),
                gate.text(
                    "absences answered within one school day, of {of:,}",
                    of=(counts["n_absences"], told["n_absences"]),
                ),
            ),
        ]
    if counts.get("n_connected") is not None:
        lines.append(
            (gate.text("{v:,}", v=(counts["n_connected"], told["n_connected"])), gate.fixed("links to help made"))
        )
    if counts.get("n_hours") is not None:
        lines.append((gate.text("{v:,}", v=(counts["n_hours"], told["n_hours"])), gate.fixed("hours given")))
    title, told_of = gate.fixed("What our mentors did"), tuple(one for one in lines if HIDDEN not in " ".join(one))
    if told_of:
        return CountList(title, told_of)
    why = "Not shown here, to protect students in small groups." if lines else "The table contact would switch this on."
    return Callout(title, (gate.fixed(why),), tone="caution")
