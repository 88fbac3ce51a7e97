"""Page 1 of the review, piece by piece: title, lead, tiles, verdict, counts by list, how sound the data are."""

from __future__ import annotations

import pandas as pd

from evalkit.disclosure.types import HIDDEN
from evalkit.measures import CHRONIC_BANDS as CHRONIC
from evalkit.programme import caseloads, mentors_without_logs
from evalkit.render.blocks import BulletList, Callout, CountList, Tile, Tiles
from evalkit.reports.gate import Gate
from evalkit.reports.month_facts import NO_DENOMINATOR, Facts
from evalkit.reports.month_patterns import reasons_known
from evalkit.reports.month_release import hidden_bands, hidden_elements, released_flows
from evalkit.reports.month_windows import days_behind, has_no_day, stale_schools
from evalkit.sources.silent import silent_days
from evalkit.wording import (
    IN_A_SENTENCE,
    MEANING,
    VERDICTS,
    date_words,
    listed,
    month_words,
    moved_title,
    number,
    percent,
    plural,
)
from evalkit.wording.verdicts import TOO_EARLY, TOO_FEW

NOT_SHOWN = "Not shown here, to protect students in small groups."
LIST_WORDS = {
    "celebrate": "Celebrate: a personal gain in 20 days",
    "watch": "Watch: 3 or more of the last 10 days, or 3 in a row",
    "decide": "Decide: 8 weeks of steady mentoring, no gain yet",
    "reach_out_first": "Reach out first: half the year missed, or not seen for 10 days",
    "no_family_contact": "Family still not met, 10 school days after the match",
    "escalations": "Students for whom a mentor asked the team for help",
    "newly_flagged": "First early-warning sign since the last review",
    "crossed_10": "First time at 10% of days missed this year, since the last review",
}


def window_words(facts: Facts) -> str:
    """January, or the week to January 30."""
    end = facts.window.end
    return month_words(end) if facts.window.period == "month" else f"the week to {date_words(end, year=False)}"


def opening(study, facts: Facts, gate: Gate) -> tuple[str, str]:
    """Title and lead: which way students moved, how the mentored compare, and how many need a check-in."""
    if not len(facts.now):
        return _opening_without_days(study, facts, gate)
    moved = released_flows(facts, gate)
    title = gate.fixed("How the month went")
    if facts.window.before is not None:
        back, over = moved["n_back_under"], moved["n_crossed"]
        title = gate.fixed(
            moved_title(back, over, window_words(facts))
            if back is not None and over is not None
            else f"{window_words(facts).capitalize()}: where attendance stands"
        )
    else:
        title = gate.fixed(f"{window_words(facts).capitalize()}: where the year begins")
    sound = stale_words(study) or _silent_words(study)
    told = [sound, _moved(facts, moved, gate), _mentored(facts, gate), _check_ins(study, facts, gate)]
    return title, gate.fixed(" ".join(filter(None, told)))


def _opening_without_days(study, facts: Facts, gate: Gate) -> tuple[str, str]:
    if "rates" in study.can:
        lead = f"No school day lies on or before {date_words(study.as_of)}, so there is nothing to count yet."
        return gate.fixed("Before the first school day"), gate.fixed(lead)
    row = facts.overall
    lead = gate.text(
        "{absent:,} days missed are on record. " + NO_DENOMINATOR,
        absent=(gate.days(row["n_absent_days"]), row["n_students"]),
    )
    return gate.fixed("Days missed are counted; shares are not known"), lead


def _moved(facts: Facts, moved: dict[str, int | None], gate: Gate) -> str:
    if facts.window.before is None:
        row = facts.overall
        if {"n_chronic", "n"} & hidden_bands(facts, gate)["now"]:
            return ""
        return gate.text(
            "{n:,} of {of:,} students have missed 10% or more of their days so far.",
            n=(row["n_chronic"], (row["n_chronic"], row["n_students"])),
            of=(row["n_students"], row["n_students"]),
        )
    since, back, over = date_words(facts.window.before, year=False), moved["n_back_under"], moved["n_crossed"]
    if back == 0 and over == 0:
        return (
            gate.fixed(f"Since {since} the same students stand on each side of the 10% line.") if gate.is_team else ""
        )
    verb = "student is" if back == 1 else "students are"
    return gate.text(
        "{back:,} {verb} back below the 10% line since {since}; {over:,} went over it, "
        "for the first time or again.",
        words={"since": since, "verb": verb},
        back=(back, back or 0),
        over=(over, over or 0),
        otherwise="How many moved over the 10% line is not shown here, to protect students in small groups.",
    )


def _mentored(facts: Facts, gate: Gate) -> str:
    look = facts.impact.now
    if look is None:
        return ""
    judged = look.verdict not in (TOO_EARLY, TOO_FEW)
    return gate.text(
        "Students with a mentor **{words}**{beside}.",
        words={"words": IN_A_SENTENCE[look.verdict], "beside": " beside similar students" if judged else ""},
    )


def _check_ins(study, facts: Facts, gate: Gate) -> str:
    if not gate.is_team or "daily" not in study.can:
        return ""
    n = len(set(facts.lists["watch"]["student_id"]) | set(facts.lists["reach_out_first"]["student_id"]))
    who = f"{number(n)} {'student needs' if n == 1 else 'students need'} a check-in this week"
    return f"{who} (on the lists Watch or Reach out first)."


def tiles(facts: Facts, gate: Gate) -> Tiles:
    """Average daily attendance, missed 10 % or more, absences followed up, three contacts a week."""
    return Tiles(
        (
            _ada(facts, gate),
            _chronic(facts, gate),
            _element(facts, gate, "b_call_absent", "Absences followed up", "{n:,} of {of:,} within one school day."),
            _element(
                facts, gate, "three_contacts", "Three contacts a week", "{n:,} of {of:,} student weeks reached 3."
            ),
        )
    )


def _ada(facts: Facts, gate: Gate) -> Tile:
    row, last = facts.overall, facts.last_year
    gone, gate = "n" in hidden_bands(facts, gate)["now"], gate.exact

    def ada_words(of) -> str:
        return "{ada:.0%}" if not gate.is_team and gate.share_digits(of) < 3 else "{ada:.1%}"

    value = (
        gate.text(ada_words(row["n_enrolled_days"]), ada=(row["ada"], 0 if gone else row["n_students"]))
        if row["ada"] is not None
        else gate.fixed("Not known")
    )
    note = (
        gate.text(ada_words(row["n_enrolled_days"]) + " {when}", words={"when": last["when"]},
                  ada=(last["ada"], last["n"]))
        if last.get("ada") is not None
        else ""
    )
    if HIDDEN in note:
        note = ""
    elif value == HIDDEN:
        note = gate.fixed(f"{NOT_SHOWN} Before: {note}" if note else NOT_SHOWN)
    return Tile(gate.fixed("Average daily attendance"), value, note or _no_last_year(value, gate))


def _no_last_year(value: str, gate: Gate) -> str:
    return gate.fixed(NOT_SHOWN if value == HIDDEN else "No figure for last year")


def _chronic(facts: Facts, gate: Gate) -> Tile:
    label, last = gate.fixed("Missed 10% or more"), facts.last_year
    n, of = facts.overall["n_chronic"], facts.overall["n_students"]
    if n is None or not of:
        return Tile(label, gate.fixed("Not known"), gate.fixed("Days enrolled are not known"))
    gone, gate = hidden_bands(facts, gate), gate.exact
    shown = not {"n_chronic", "n"} & gone["now"]
    share = gate.text("{share:.1%}", share=(n / of, (n, of) if shown else 0))
    note = gate.text("{n:,} of {of:,} students.", n=(n, (n, of)), of=(of, of))
    note = note if shown and share != HIDDEN else gate.fixed(NOT_SHOWN)
    if last.get("n") and not {"n_chronic", "n"} & gone["last_year"]:
        over = sum(last["bands"].get(name, 0) for name in CHRONIC)
        before = gate.text("Last year {share:.1%}", share=(over / last["n"], (over, last["n"])))
        note = gate.fixed(f"{note} {before}" if HIDDEN not in before else note)
    return Tile(label, share, note)


def _element(facts: Facts, gate: Gate, code: str, label: str, template: str) -> Tile:
    now, before = facts.element(code), facts.element_before(code)
    if not now.of:
        return Tile(
            gate.fixed(label), gate.fixed("Not known"), gate.fixed(now.off or "Nothing to count in this window")
        )
    gone = hidden_elements(facts, gate)[code]
    share = gate.text("{share:.0%}", share=(now.share, 0 if "share" in gone else (now.n, now.of)))
    note = gate.text(template, n=(now.n, now.n), of=(now.of, now.of)) if share != HIDDEN else gate.fixed(NOT_SHOWN)
    if before.of and "before" not in gone:
        when = month_words(facts.window.before) if facts.window.period == "month" else "The week before"
        earlier = gate.text("{when} {share:.0%}", words={"when": when}, share=(before.share, (before.n, before.of)))
        note = gate.fixed(f"{note} {earlier}" if HIDDEN not in earlier else note)
    return Tile(gate.fixed(label), share, note)


def verdict_callout(facts: Facts, gate: Gate) -> Callout:
    """The mentored beside similar students: the verdict, its numbers, and what the word means."""
    look = facts.impact.now
    if look is None:
        return Callout(
            gate.fixed("Students with a mentor"), (gate.fixed(facts.impact.off),), gate.fixed("Not compared"), "caution"
        )
    lines, about = [gate.fixed(MEANING[look.verdict])], "" if gate.is_team else "about "
    if look.value is not None:
        arms = [look.n_treated, look.n_comparison]
        way = "more" if look.value >= 0 else "fewer"
        lines.insert(
            0,
            gate.text(
                "**{gain:.1f} {way} days** in school per 180-day year than {about}{n:,} similar students. The true "
                "figure may lie anywhere from {low} to {high}.",
                words={"way": way, "about": about},
                gain=(abs(look.value), arms),
                n=(gate.about(look.n_comparison), look.n_comparison),
                low=(_end(look.low), arms),
                high=(_end(look.high), arms),
            ),
        )
    if look.n_treated:
        lines.append(
            gate.text("Based on {about}{n:,} students matched for 20 school days or more.", words={"about": about},
                      n=(gate.about(look.n_treated), look.n_treated))
        )
    if facts.district is not None:
        lines.append(gate.fixed(f"All schools together: **{VERDICTS[facts.district.verdict].lower()}**."))
    return Callout(gate.fixed("Students with a mentor: our verdict"), tuple(lines), gate.fixed(VERDICTS[look.verdict]))


def _end(value: float | None) -> str | None:
    return None if value is None else f"{number(abs(value), 1)} days {'more' if value >= 0 else 'fewer'}"


def list_counts(study, facts: Facts) -> CountList | Callout:
    """How many students stand on each list (team only)."""
    if "daily" not in study.can:
        return Callout(
            "Students, by list",
            ("Lists need dated absences; attendance_event, calendar and enrollment would switch them on.",),
            tone="caution",
        )
    return CountList(
        "This week's students, by list" if facts.window.period == "week" else "Students, by list",
        tuple(
            (number(len(facts.lists[name])), words + _mentored_of(facts, name)) for name, words in LIST_WORDS.items()
        ),
    )


def _mentored_of(facts: Facts, name: str) -> str:
    """How many of the students to celebrate have a mentor: the list holds everyone, these come first."""
    rows = facts.lists[name]
    if name != "celebrate" or "is_matched" not in rows or rows.empty:
        return ""
    return f" ({number(int(rows['is_matched'].sum()))} have a mentor)"


def soundness(study, facts: Facts, gate: Gate, month: str = "") -> BulletList:
    """Last day sent, reasons known, mentors without a log, open places, and what the reader was not shown. month: the
    one asked for, which the data may not have reached."""
    lines = [_other_month(study, gate, month), _sent(study, gate, facts.window), _reasons(study, facts, gate),
             _logs(study, facts, gate), _places(study, gate)]
    return BulletList(gate.fixed("How sound is this month's data?"), tuple(line for line in lines if line))


def _other_month(study, gate: Gate, month: str) -> str:
    """A warning where the page is not about the month that was asked for."""
    if not month or f"{study.as_of:%Y-%m}" == month:
        return ""
    asked = month_words(pd.Timestamp(f"{month}-01"), year=True)
    return gate.fixed(f"**Not {asked}:** the data end on {date_words(study.as_of)}, and this page is about that day. "
                      "Ask for a new export.")


def _sent(study, gate: Gate, window=None) -> str:
    through = {school: day for school, day in study.complete_through.items() if pd.notna(day)}
    if stale := stale_words(study):
        return gate.fixed(stale)
    if silent := _silent_words(study):
        return gate.fixed(silent)
    if not through:
        return gate.fixed("The last day sent is not known.")
    if window is not None and has_no_day(study, window):
        return gate.fixed(f"The calendar holds no school day in {month_words(window.end)}.")
    last = max(through.values())
    late = {school: day for school, day in through.items() if day < last}
    if not late:
        return gate.fixed(f"Every school sent every day to {date_words(last)}.")
    if len(late) > 2:
        return gate.fixed(
            f"{len(through) - len(late)} of {len(through)} schools sent every day to {date_words(last)}. Later days of "
            "the others are left out, not counted as present."
        )
    named = listed(f"{study.school_name(school)} to {date_words(day, year=False)}" for school, day in late.items())
    return gate.fixed(f"Data reach {date_words(last)}; {named}. Later days are left out, not counted as present.")


def _silent_words(study) -> str:
    """A warning where school days inside what was sent hold no row at all: everybody counts as present on them."""
    silent = silent_days(study.tables, study.complete_through, study.school_year)
    if silent.empty:
        return ""
    who = listed(map(study.school_name, silent["school_id"])) if len(silent) < 3 else f"{number(len(silent))} schools"
    least, most = int(silent["n_days"].min()), int(silent["n_days"].max())
    days = number(most) if least == most else f"{number(least)} to {number(most)}"
    when = f"{date_words(silent['first'].min())} to {date_words(silent['last'].max())}"
    return (f"**Days missing:** {who} sent no absence on {days} school days from {when}. Everybody counts as present "
            "on them. Ask for these days before you act.")


def stale_words(study) -> str:
    """A warning where the newest attendance is older than the rule allows; blank where it is not (R82)."""
    behind, stale = days_behind(study), stale_schools(study)
    if not stale:
        return ""
    least, most = min(behind[school] for school in stale), max(behind[school] for school in stale)
    days = number(most) if least == most else f"{number(least)} to {number(most)}"
    if len(stale) == len(behind):
        return f"**Old data:** the newest attendance is {days} school days old. Ask for a new export before you act."
    who = listed(study.school_name(school) for school in stale) if len(stale) < 4 else f"{number(len(stale))} schools"
    return f"**Old data** for {who}: the newest attendance is {days} school days old. Ask for a new export."


def freshness(study, gate: Gate) -> dict[str, object]:
    """results.json `data`: how old the newest attendance is, in school days, and what the rule calls old."""
    behind = days_behind(study)
    return gate.fixed_numbers(school_days_behind=max(behind.values(), default=0), stale_after=study.rules.stale_after,
                              is_stale=bool(stale_schools(study)), stale_schools=stale_schools(study))


def _reasons(study, facts: Facts, gate: Gate) -> str:
    if "reasons" not in study.can:
        return gate.fixed("Reasons for absences are not recorded; a pattern in code_table would switch them on.")
    n, of = reasons_known(study, facts.window.start, facts.window.end)
    if not of:
        return ""
    text: str = gate.text(
        "A reason is known for {share:.0%} of {month}'s absences",
        words={"month": window_words(facts)},
        share=(n / of, (n, of)),
        otherwise="How many absences have a known reason is not shown here, to protect students in small groups",
    )
    if facts.window.before is not None:
        n0, of0 = reasons_known(study, facts.window.before_start, facts.window.before)
        if of0:
            earlier = gate.text("{share:.0%}", share=(n0 / of0, (n0, of0)))
            text += f" (before: {earlier})" if earlier != HIDDEN else ""
    return gate.fixed(f"{text}. The aim is {percent(0.8)}." if "not shown" not in text else f"{text}.")


def _logs(study, facts: Facts, gate: Gate) -> str:
    if not {"contact", "assignment"} <= study.can:
        return gate.fixed("No mentor log is in the study; the table contact would switch on what mentors did.")
    silent = mentors_without_logs(study, facts.window.start, facts.window.end)
    if not gate.is_team and "share" in hidden_elements(facts, gate).get("g_notes", {"share"}):
        return ""
    if not len(silent):
        return gate.fixed("Every mentor with a student wrote in the log.")
    if not gate.is_team:
        return ""
    who = plural(len(silent), "mentor")
    return f"{who} with a student wrote no log in this window. Their students count in the result."


def _places(study, gate: Gate) -> str:
    if not {"mentor", "assignment"} <= study.can:
        return ""
    table = caseloads(study)
    filled, open_places, over = (
        int(table["n_students"].sum()),
        int(table["n_open"].sum()),
        int(table["is_over_cap"].sum()),
    )
    opened = f"{plural(open_places, 'mentor place is', 'mentor places are')} open"
    text = gate.text("{opened}; {filled:,} {verb} filled.", filled=(filled, filled), otherwise=f"{opened}.",
                     words={"opened": opened, "verb": "is" if filled == 1 else "are"})
    return gate.fixed(
        text
        + (
            f" {plural(over, 'mentor has', 'mentors have')} more students than planned."
            if over and gate.is_team
            else ""
        )
    )
