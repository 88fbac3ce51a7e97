"""What mentors did, as tables and numbers: the seven elements, help that waits, caseloads; and the words' meaning."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit.programme import (
    caseloads,
    closures,
    mentor_funnel,
    mentors_without_logs,
    referral_funnel,
)
from evalkit.render.blocks import Callout, Column, Paragraph, Table
from evalkit.reports import month_more, month_patterns
from evalkit.reports.gate import Gate, is_whole
from evalkit.reports.month_facts import Facts
from evalkit.reports.month_glance import window_words
from evalkit.reports.month_release import hidden_elements, released_elements
from evalkit.wording import (
    listed,
    number,
    plural,
    say,
)


def fidelity_table(facts: Facts, gate: Gate) -> Table | Callout:
    """The seven elements of the mentor's work: done in the window and in the one before."""
    table = released_elements(facts, gate)
    title = gate.fixed("What mentors did")
    if table is None:
        return Callout(title, (gate.fixed(facts.elements[0].off or "No student is matched yet."),), tone="caution")
    off = sorted({element.off for element in facts.elements if element.off})
    columns = (
        Column("what", "What mentors do"),
        Column("share", window_words(facts).capitalize(), "percent", "% done"),
        Column("before", "Before", "percent", "% done"),
        Column("n", "Done", "integer"),
        Column("of", "Of", "integer"),
        Column("counted", "Counted"),
    )
    return Table(
        title,
        gate.fixed(f"Students with a mentor, {window_words(facts)}. Every student and mentor counts."),
        table,
        columns,
        note=gate.fixed(" ".join([*off, "" if gate.is_team and is_whole(table) else table.rule]).strip()),
        key="fidelity",
    )


def help_table(study, gate: Gate) -> Table | None:
    """Needs that were referred this year, and how many wait: where help is short."""
    if "referral" not in study.can:
        return None
    made = referral_funnel(study)
    made = made[made["pattern"].notna()]
    if made.empty:
        return None
    states = made.assign(connected=made["state"].eq("connected"), waiting=made["state"].isin(["waitlisted", "unknown"]))
    table = (
        states.groupby("pattern")
        .agg(n=("referral_id", "size"), connected=("connected", "sum"), waiting=("waiting", "sum"))
        .reset_index()
    )
    table = table.sort_values(["waiting", "n", "pattern"], ascending=[False, False, True]).head(4)
    table = table.assign(
        need=[month_patterns.reason_label(p) for p in table["pattern"]],
        ended=table["n"] - table["connected"] - table["waiting"],
    )
    released = gate.table(
        "help",
        table[["need", "n", "connected", "waiting", "ended"]].reset_index(drop=True),
        keys=("need",),
        counts=("n", "connected", "waiting", "ended"),
        parts={"n": ("connected", "waiting", "ended")},
    )
    waiting = int(states["waiting"].sum())
    n = gate.text("{n:,} {verb} for an answer", n=(waiting, waiting),
                  words={"verb": "referral waits" if waiting == 1 else "referrals wait"},
                  otherwise="Referrals, by need")
    columns = (
        Column("need", "Need, as referred"),
        Column("n", "Referrals", "integer"),
        Column("connected", "Connected", "integer"),
        Column("waiting", "Waiting", "integer"),
        Column("ended", "Declined or closed", "integer"),
    )
    return Table(
        n,
        gate.fixed("Referrals made this year, by need; the four with most waiting (on a list, or no answer yet). A "
                   "student can have several."),
        released,
        columns,
        key="help",
        note=gate.fixed("" if gate.is_team else released.rule),
    )


def mentor_note(study, facts: Facts, gate: Gate) -> Paragraph | None:
    """Caseloads, closures and mentors on the way, in a few sentences; for the team only."""
    if not gate.is_team or not {"mentor", "assignment"} <= study.can:
        return None  # others read how many places are filled on page 1
    loads, ended, stages = caseloads(study, facts.window.start, facts.window.end), closures(study), mentor_funnel(study)
    steps = listed(f"{number(row.n)} {say(f'stage.{row.stage}')}" for row in stages.itertuples() if pd.notna(row.n))
    students, room = int(loads["n_students"].sum()), number(int(loads["cap"].sum()))
    have = plural(students, "student has", "students have")
    parts = [f"Mentors: {steps}.", f"{have} a mentor today; the plan has room for {room}."]
    early = ended[ended["is_early"]]
    if len(early):
        reasons = (
            early["reason"]
            .value_counts()
            .rename_axis("reason")
            .reset_index(name="n")
            .sort_values(["n", "reason"], ascending=[False, True])
        )
        named = listed(f"{say('end_reason.' + row.reason)} {row.n}" for row in reasons.head(3).itertuples())
        parts.append(f"{number(len(early))} pairings closed early this year ({named}).")
    parts += month_more.sentences(study, gate)
    return Paragraph(gate.fixed(" ".join(parts)), "note")


def programme_numbers(study, facts: Facts, gate: Gate) -> dict[str, Any]:
    """results.json `programme`: the elements, caseload, closures, mentors' funnel."""
    elements = [element.to_dict() for element in facts.elements]
    if not gate.is_team:
        kept = [{key: row[key] for key in ("element", "n", "of", "share")} for row in elements if row["of"]]
        gone = hidden_elements(facts, gate)
        shares = [
            gate.numbers(
                "element",
                n=(row["n"], 0 if "n" in gone[row["element"]] else (row["n"], row["of"])),
                of=(row["of"], 0 if "of" in gone[row["element"]] else row["of"]),
                share=(row["share"], 0 if "share" in gone[row["element"]] else (row["n"], row["of"])),
            )
            for row in kept
        ]
        return {
            "elements": [released | {"element": row["element"]} for row, released in zip(kept, shares, strict=True)]
        }
    numbers: dict[str, Any] = {"elements": elements} | month_more.numbers(study)
    if {"mentor", "assignment"} <= study.can:
        loads, ended = caseloads(study, facts.window.start, facts.window.end), closures(study)
        by_type = loads.groupby("mentor_type")[["n_students", "cap", "n_open", "is_over_cap"]].sum().reset_index()
        numbers |= {
            "caseload": by_type.to_dict("records"),
            "n_mentors_without_logs": len(mentors_without_logs(study, facts.window.start, facts.window.end)),
            "closures": ended.groupby(["reason", "is_early"]).size().rename("n").reset_index().to_dict("records"),
            "funnel": [
                {"stage": row.stage, "n": None if pd.isna(row.n) else int(row.n)}
                for row in mentor_funnel(study).itertuples()
            ],
        }
    return numbers


def mentor_tables(study, facts: Facts, gate: Gate) -> dict[str, Any]:
    """For the team's workbook: caseloads and contacts on a day missed. Mentors stand by school and id, never ranked."""
    if not gate.is_team or not {"mentor", "assignment"} <= study.can:
        return month_more.tables(study) if gate.is_team else {}
    from evalkit.programme import answered_absences, conflicts

    tables = {"mentors": caseloads(study, facts.window.start, facts.window.end)}
    if "contact" in study.can:
        calls = answered_absences(study, facts.window.start, facts.window.end)
        open_calls = calls[~calls["answered"]][["student_id", "mentor_id", "date", "due_on"]]
        tables |= {
            "unanswered_absences": open_calls,
            "contact_conflicts": conflicts(study, facts.window.start, facts.window.end),
        }
    return {name: table for name, table in tables.items() if len(table)} | month_more.tables(study)


BANDS_FOR_TEAM = "**Bands** include their lower edge; exactly 10% is in the third. "
VERDICTS_FOR_TEAM = ("**Probably better:** today's chance of a true gain is 80% or more. **Clearly better:** the "
                     "monthly-safe interval excludes zero. ")
"""Others read these over the table of bands and under the verdict; their copy has two pages to fill, not four."""


def definitions(study, audience: str) -> str:
    """What the words on these pages mean: lines for the footer."""
    share = f"{100 * study.rules.threshold:g}%"
    lines = [
        f"{BANDS_FOR_TEAM if audience == 'team' else ''}Half days count as half. "
        "**Same school day last year:** the same day number, not the same date.",
        f"**Can still miss:** days that keep the whole year under {share}. After that a monthly goal is shown."
        if audience == "team" else "",
        f"{VERDICTS_FOR_TEAM if audience == 'team' else ''}**Similar students:** same school, like absence before the "
        "match, no mentor then.",
    ]
    return "\n".join(line for line in lines if line)
