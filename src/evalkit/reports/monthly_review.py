"""The monthly (or weekly) review: one screen, then the team's lists, patterns and what mentors did, and actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from evalkit.render.blocks import FormLines, Paragraph, Row, Section, Table
from evalkit.reports import (
    month_actions,
    month_charts,
    month_glance,
    month_mentors,
    month_proposals,
    month_release,
    month_schools,
    month_tables,
    month_where,
)
from evalkit.reports.gate import gate_of
from evalkit.reports.month_facts import list_ids, month_facts
from evalkit.reports.params import Params as BaseParams
from evalkit.reports.params import make_context

TITLE = "Monthly review"
NO_LISTS = "Lists of students and the team's actions are in the team's copy only."


@dataclass(frozen=True)
class Params(BaseParams):
    """What the review can be asked for. period: month, or week for the weekly conversation."""

    period: str = "month"

    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"period": ("month", "week")}


def _context(study, params: Params):
    context = make_context(study, params, TITLE if params.period == "month" else "Weekly review")
    words = month_mentors.definitions(study, params.audience)
    return replace(context, definitions=f"{context.definitions}\n{words}")


def at_a_glance(study, params: Params) -> Section:
    """Page 1: what moved, the tiles, the bands, the verdict, the lists in counts, how sound the data are."""
    facts, gate = month_facts(study, params), gate_of(study, params)
    title, lead = month_glance.opening(study, facts, gate)
    bands = month_charts.bands_figure(study, facts, gate)
    top = Row(((bands,), (month_glance.verdict_callout(facts, gate),)), (8, 4))
    looks = month_charts.looks_figure(study, facts, gate)
    sound = month_glance.soundness(study, facts, gate, params.month)
    cells = ((looks,), (month_glance.list_counts(study, facts),), (sound,)) if gate.is_team else ((looks,), (sound,))
    bottom = Row(cells, (4, 4, 4) if gate.is_team else (7, 5))
    return Section(
        _context(study, params),
        "at_a_glance",
        title,
        (month_glance.tiles(facts, gate), top, bottom),
        lead=lead,
        is_opening=True,
        numbers=_numbers(study, facts, gate),
        off=tuple(map(gate.fixed, (*study.lacks(), *(() if gate.is_team else (NO_LISTS,))))),
    )


def _numbers(study, facts, gate) -> dict[str, Any]:
    """results.json: measures, flows, impact; lists for the team."""
    numbers: dict[str, Any] = {
        "measures": month_release.released_measures(facts, gate),
        "window": {
            "start": f"{facts.window.start:%Y-%m-%d}",
            "end": f"{facts.window.end:%Y-%m-%d}",
            "before": f"{facts.window.before:%Y-%m-%d}" if facts.window.before is not None else None,
        },
        "data": month_glance.freshness(study, gate),
        "impact_to_date": month_charts.released_impact(facts, gate),
    }
    if facts.window.before is not None:
        numbers["flows"] = month_release.released_flows(facts, gate)
    return numbers | ({"lists": list_ids(facts)} if gate.is_team else {})


def lists(study, params: Params) -> Section:
    """Page 2, team only: who to celebrate, watch, decide on, reach out to first. At most five rows each."""
    facts, gate = month_facts(study, params), gate_of(study, params)
    if not gate.is_team:
        return Section(_context(study, params), "lists", gate.fixed("Lists"), ())
    if "daily" not in study.can:
        lacking = "Lists need dated absences; attendance_event, calendar and enrollment would switch them on."
        return Section(_context(study, params), "lists", "Lists", (Paragraph(lacking, "note"),))
    people = month_tables.People(study)
    blocks: list[Table | Paragraph] = []
    for text in month_tables.LIST_TEXTS:
        frame = month_tables.list_frame(study, facts, text.name, people)
        blocks.append(month_tables.list_table(frame, text) if len(frame) else Paragraph(month_tables.empty_list(text)))
    return Section(
        _context(study, params),
        "lists",
        "Lists: who to celebrate, and who to reach this week",
        tuple(blocks),
        lead="Strengths first. The last column is where the next person starts.",
        starts_page=True,
        tables=month_tables.workbook(study, facts, people),
    )


def _lists_fill(facts) -> bool:
    """Whether the lists fill a page of their own: short ones (first weeks, a small school) share it with patterns."""
    rows = sum(min(month_tables.SHOWN, len(facts.lists[text.name])) for text in month_tables.LIST_TEXTS)
    return rows >= 2 * month_tables.SHOWN


def patterns(study, params: Params) -> Section:
    """Page 3: schools, weekdays and reasons in short, and what mentors did."""
    facts, gate = month_facts(study, params), gate_of(study, params)
    blocks = month_where.pattern_rows(study, facts, gate)
    return Section(
        _context(study, params),
        "patterns",
        gate.fixed("Patterns: where and when days are missed"),
        tuple(blocks),
        lead=gate.fixed("Patterns point to something to ask about. They do not say why."),
        starts_page=not gate.is_team or _lists_fill(facts),
        numbers={
            "patterns": month_where.pattern_numbers(study, facts, gate),
            "schools": month_schools.school_numbers(study, gate),
            "programme": month_mentors.programme_numbers(study, facts, gate),
        },
        tables=month_mentors.mentor_tables(study, facts, gate),
    )


def actions(study, params: Params) -> Section:
    """Page 4, team only: what we said, what we learned, what comes next."""
    facts, gate = month_facts(study, params), gate_of(study, params)
    if not gate.is_team:
        return Section(_context(study, params), "actions", gate.fixed("Actions"), ())
    voices = [
        block
        for block in (
            month_actions.voices(study, facts),
            *month_actions.quotes(study, facts, 1),
            month_actions.plan_changes(study),
        )
        if block
    ]
    right = tuple(voices) or (FormLines("What did students, families and teachers tell us?", ("", "")),)
    blocks = (
        month_actions.actions_table(study, facts),
        month_actions.works(study, facts),
        month_actions.next_actions(),
        Row(((month_actions.questions(),), right), (6, 6)),
    )
    return Section(
        _context(study, params),
        "actions",
        "Actions: what we said, what we learned, what comes next",
        blocks,
        lead="What the team types in the notes files stays here when the review is run again.",
        starts_page=True,
        tables=_proposed(study, facts),
    )


def _proposed(study, facts) -> dict[str, Any]:
    """tables/proposals.csv, for a person to edit; nothing where the month asks for nothing."""
    rows = month_proposals.proposal_rows(study, facts.window, lists=facts.lists, now=facts.elements,
                                         before=facts.elements_before)
    return {"proposals": rows} if len(rows) else {}


__all__ = ["Params", "actions", "at_a_glance", "lists", "patterns"]
