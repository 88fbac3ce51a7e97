"""The program's profile: one page to share at any time of the year, and what to say to whom. No student is named."""

from __future__ import annotations

from dataclasses import dataclass

from evalkit.render.blocks import Callout, Paragraph, Row, Section
from evalkit.reports import profile_parts as parts
from evalkit.reports.gate import gate_of
from evalkit.reports.params import Params as BaseParams
from evalkit.reports.params import make_context
from evalkit.reports.selection_places import years_table

TITLE = "Program profile"


@dataclass(frozen=True)
class Params(BaseParams):
    """What the profile can be asked for."""


def at_a_glance(study, params: Params) -> Section:
    """The one page: the program in numbers, what a mentor does, who mentors are, years, partners."""
    gate, context = gate_of(study, params, nearly=True), make_context(study, params, TITLE)
    if "assignment" not in study.can:
        off = Callout(gate.fixed("No student is matched yet"), tuple(map(gate.fixed, study.lacks("assignment"))),
                      tone="caution")
        return Section(context, "at_a_glance", gate.fixed("A program about to begin"), (off, parts.role(gate)),
                       is_opening=True)
    found = parts.counts(study)
    title, lead = parts.opening(study, found, gate)
    blocks = (
        parts.tiles(study, found, gate),
        Row(((parts.role(gate),), (parts.mentor_table(study, gate), parts.partners(study, gate))), (6, 6)),
        Row(((years_table(study, gate),), (parts.honest(study, gate),)), (7, 5)),
        Paragraph(gate.fixed(parts.NO_NAMES if gate.is_team else f"{parts.NO_NAMES} {parts.ROUNDED}"), "note"),
    )
    return Section(context, "at_a_glance", title, blocks, lead=lead, is_opening=True,
                   numbers=parts.numbers(study, found, gate),
                   off=tuple(map(gate.fixed, study.lacks("mentor", "rates"))))


def messages(study, params: Params) -> Section:
    """What to say and what to ask, for each audience."""
    gate = gate_of(study, params, nearly=True)
    blocks = (parts.messages_table(study, parts.counts(study), gate),)
    title = gate.fixed("To share: attendance is everyone's")
    return Section(make_context(study, params, TITLE), "messages", title, blocks, starts_page=True)


__all__ = ["Params", "at_a_glance", "messages"]
