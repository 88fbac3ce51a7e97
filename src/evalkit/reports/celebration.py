"""The end-of-year celebration: the plain headline, thanks, what changed, what we learned, and next year."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from evalkit.render.blocks import Callout, Paragraph, Row, Section
from evalkit.reports import celebration_facts, celebration_parts, celebration_people, celebration_year
from evalkit.reports.gate import Gate, gate_of
from evalkit.reports.impact_line import impact_to_date
from evalkit.reports.params import Params as BaseParams
from evalkit.reports.params import make_context

TITLE = "Celebration"


@dataclass(frozen=True)
class Params(BaseParams):
    """What the celebration can be asked for."""


def _context(study, params: Params):
    context = make_context(study, params, f"{TITLE} {study.school_year}")
    return replace(context, definitions=f"{context.definitions}\n{_definitions(params.audience)}")


def invitation(study, params: Params) -> Section:
    """The headline, the event, the four answers, days gained and what mentors did."""
    gate, impact, counts = gate_of(study, params, nearly=True), impact_to_date(study), celebration_facts.totals(study)
    title, lead = celebration_parts.opening(study, impact, counts, gate)
    blocks = (
        Row(((Paragraph(lead, "lead"),), (celebration_parts.event(study),)), (8, 4)),
        celebration_parts.answers(study, impact, counts, gate),
        Row(
            (
                (celebration_parts.days_figure(impact, gate),),
                (celebration_parts.what_mentors_did(study, counts, gate),),
            ),
            (8, 4),
        ),
    )
    return Section(
        _context(study, params),
        "invitation",
        title,
        blocks,
        is_opening=True,
        numbers={"totals": _totals(study, counts, gate), "impact": _impact(impact, gate)},
        off=tuple(map(gate.fixed, study.lacks())),
    )


def _totals(study, counts: dict[str, Any], gate: Gate) -> dict[str, Any]:
    """results.json `totals`: a count of contacts or absences rests on the students it is about."""
    told = celebration_facts.told_on(study, counts, gate)
    return gate.numbers("totals", **{key: (n, told.get(key)) for key, n in counts.items()})


def _impact(impact, gate: Gate) -> dict[str, Any]:
    look = impact.now
    if look is None:
        return {"verdict": None, "reason": impact.off}
    arms = [look.n_treated, look.n_comparison]
    return gate.exact.numbers(
        "impact",
        verdict=(look.verdict, None),
        gain_days=(look.value, arms),
        ci_low=(look.low, arms),
        ci_high=(look.high, arms),
        n_treated=(gate.about(look.n_treated), look.n_treated),
        n_comparison=(gate.about(look.n_comparison), look.n_comparison),
    )


def thanks(study, params: Params) -> Section:
    """Thank you: students, families, mentors, partners, the whole school, everyone who helped."""
    gate, counts = gate_of(study, params, nearly=True), celebration_facts.totals(study)
    rows = celebration_people.thanks(study, counts, celebration_facts.recognised(study), gate)
    return Section(_context(study, params), "thanks", gate.fixed("Thank you"), tuple(rows))


def in_their_words(study, params: Params) -> Section:
    """Quotes shared with consent, by role only."""
    gate = gate_of(study, params, nearly=True)
    row = celebration_people.quotes(study, gate)
    blocks = (
        (row,)
        if row
        else (Paragraph(gate.fixed("No quote has consent yet. Ask: may we share this, without your name?"), "note"),)
    )
    return Section(_context(study, params), "in_their_words", gate.fixed("In their words"), blocks)


def what_changed(study, params: Params) -> Section:
    """Bands last year and this year beside similar students, recognition by school, and all students together."""
    gate, impact = gate_of(study, params, nearly=True), impact_to_date(study)
    found = celebration_facts.recognised(study)
    blocks: list[Any] = [
        Row(
            (
                (celebration_year.flows_figure(study, impact, gate),),
                (celebration_people.recognised_table(study, found, gate),),
            ),
            (7, 5),
        )
    ]
    blocks += [
        block
        for block in (celebration_people.names_list(study, found, gate), celebration_year.good_news(study, gate))
        if block is not None
    ]
    return Section(
        _context(study, params),
        "what_changed",
        gate.fixed("What changed for students"),
        tuple(blocks),
        starts_page=True,
        numbers={"recognised": _recognised(study, found, gate)},
    )


def _recognised(study, found: celebration_facts.Recognised, gate: Gate) -> dict[str, Any]:
    """results.json `recognised`: counts per list; ids for the team only. For others, what the table of schools says."""
    lists = {"good": found.good, "improved": found.improved, "named_with_consent": found.named}
    if not gate.is_team:
        n_named = found.named["student_id"].nunique()
        return celebration_people.recognised_counts(study, found, gate) | gate.numbers(
            "recognised", n_named_with_consent=(n_named, n_named))
    numbers: dict[str, Any] = gate.numbers(
        "recognised", **{f"n_{name}": (frame["student_id"].nunique(),) * 2 for name, frame in lists.items()}
    )
    return numbers | {name: sorted(frame["student_id"].unique().tolist()) for name, frame in lists.items()}


def next_year(study, params: Params) -> Section:
    """What we learned, what we will change, how you can help, and the forecast for next year."""
    gate, ahead = gate_of(study, params, nearly=True), celebration_facts.next_year(study)
    released = _ahead(study, ahead, gate)
    contact = study.config.brief.get("contact", "")
    text = gate.fixed(
        f"Write to {contact} or come to the event." if contact else "Tell the school office, or come to the event."
    )
    table = celebration_year.next_year_table(ahead, released, gate, study.school_year)
    blocks = (
        celebration_year.learned(study, gate),
        Row(((table,), (Callout(gate.fixed("Want to join?"), (text,), tone="thanks"),)), (8, 4)),
    )
    return Section(
        _context(study, params),
        "next_year",
        gate.fixed("What we learned, and next year"),
        blocks,
        numbers={"next_year": released},
    )


def _definitions(audience: str) -> str:
    """What the words on these pages mean: lines for the footer."""
    small = (
        ""
        if audience == "team"
        else "\n**Small groups** are joined or hidden, and numbers of students rounded to 10, so that no one can be "
        "picked out."
    )
    return (
        "**Similar students:** same school, missed about as many days before, no mentor. **Range:** each end is 95% "
        f"safe, also when we look every month.{small}"
    )


def _ahead(study, ahead: dict[str, Any], gate: Gate) -> dict[str, Any]:
    """results.json `next_year`; for others each count only as far as it tells nothing of the few it leaves out."""
    told = celebration_facts.told_ahead(study, ahead, gate)
    n, of = ahead["n_may_need_support"], ahead["n_returning"]
    shown = ahead if gate.is_team else ahead | celebration_facts.range_ahead(gate.about(n), gate.about(of))
    found = gate.numbers(
        "next_year",
        n_may_need_support=(n, (n, of) if told["n_may_need_support"] else 0),
        n_returning=(of, told["n_returning"]),
        low=(shown["low"], told["n_may_need_support"]),
        high=(shown["high"], told["n_may_need_support"]),
        **{key: (ahead[key], told[key]) for key in ("n_mentored_returning", "n_mentored") if key in ahead},
        **{key: (ahead[key], None) for key in ("n_mentors", "n_places") if key in ahead},
    )
    return found | {"n_into_transition": celebration_year.transitions(ahead["n_into_transition"], gate)}


__all__ = ["Params", "in_their_words", "invitation", "next_year", "thanks", "what_changed"]
