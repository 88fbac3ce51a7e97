"""Barrier patterns: why students miss school, how sure that is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from evalkit.patterns.findings import family_of, group_words, pattern_words
from evalkit.patterns.notes import reason_proposals
from evalkit.render.blocks import BulletList, Callout, Paragraph, Row, Section
from evalkit.reports import barrier_blocks as blocks
from evalkit.reports import barrier_counts
from evalkit.reports.barrier_belonging import belonging_blocks
from evalkit.reports.barrier_facts import BarrierFacts, barrier_facts, reason_shares
from evalkit.reports.barrier_help import help_blocks
from evalkit.reports.barrier_people import people_blocks
from evalkit.reports.barrier_supports import support_blocks, support_tables
from evalkit.reports.barrier_voices import voice_blocks
from evalkit.reports.gate import Gate, gate_of
from evalkit.reports.params import Params as BaseParams
from evalkit.reports.params import make_context

TITLE = "Barrier patterns"
NEEDS = "attendance_event, enrollment and calendar"


@dataclass(frozen=True)
class Params(BaseParams):
    """What the barrier report can be asked for."""


def _begin(study: Any, params: Params) -> tuple[BarrierFacts, Gate, Any]:
    return barrier_facts(study, params.audience), gate_of(study, params), make_context(study, params, TITLE)


def _why_none(study: Any) -> str:
    """Why no group is compared with another."""
    if "rates" not in study.can:
        return ("Days enrolled are not known here, so no group can be compared with another. "
                "Counts of days missed are shown as they stand.")
    if "daily" not in study.can:
        return "Days missed are known as totals only, so no weekday, period or month can be compared with another."
    return "The groups here are too small to compare one with another. Counts of days missed are shown as they stand."


def what_stands_out(study: Any, params: Params) -> Section:
    """Page 1: at most three findings in plain words, each with its picture, its sureness and a next step."""
    facts, gate, context = _begin(study, params)
    off = tuple(gate.fixed(text) for text in study.lacks("daily", "rates", "reasons"))
    if facts.table.empty:
        counts = barrier_counts.counts_only(study, facts, gate)
        known = (BulletList("What is known about these data", study.remarks),) if gate.is_team and study.remarks else ()
        return Section(
            context,
            "what_stands_out",
            gate.fixed("What these data can and cannot show"),
            counts + known,
            is_opening=True,
            lead=gate.fixed(_why_none(study)),
            off=off,
            numbers={"patterns": [], **barrier_counts.count_numbers(counts)},
        )
    found = facts.findings
    title, lead = _opening(study, facts, gate)
    body = [block for k in range(len(found)) for block in _finding(study, facts, found.iloc[k], gate)]
    body = body or [
        Callout(
            gate.fixed("No group differs"),
            (
                gate.fixed(
                    "What everyone shares (weekdays, seasons) is on the next page. "
                    "That no group stands out is good to know: plan for everyone."
                ),
            ),
        )
    ]
    numbers = gate.fixed_numbers(n_searched=facts.n_searched) | {"patterns": blocks.pattern_numbers(facts, gate)}
    numbers |= {"subgroups": blocks.pattern_numbers(facts, gate, cells=True)} if gate.is_team else {}
    return Section(context, "what_stands_out", title, tuple(body), lead=lead, is_opening=True, numbers=numbers, off=off)


def _opening(study: Any, facts: BarrierFacts, gate: Gate) -> tuple[str, str]:
    """The message and how sure: nothing is called a reason that is only a pattern."""
    found = facts.findings
    if found.empty:
        return (
            gate.fixed("No group of students differs from the rest"),
            gate.text(
                "We looked at {n} combinations of groups and patterns. None stands out beyond chance.",
                n=(f"{facts.n_searched:,}", None),
            ),
        )
    title = gate.fixed(
        {1: "One pattern worth a conversation", 2: "Two patterns worth a conversation"}.get(
            len(found), "Three patterns worth a conversation"
        )
    )
    names = ". ".join(_title(study, family_of(row["group"], row["pattern"]).title, row) for _, row in found.iterrows())
    lead = gate.text(
        "{names}. We looked at {n} combinations of groups and patterns. **A pattern points to something to ask "
        "about. It does not say why.**",
        words={"names": names},
        n=(f"{facts.n_searched:,}", None),
    )
    return title, lead


def _title(study: Any, template: str, row: pd.Series) -> str:
    value = str(row["pattern"]).partition("=")[2]
    return template.format(
        group=group_words(row["group"], study.school_name),
        day=value,
        period=value,
        month=pattern_words(row["pattern"]) if value else "",
        reason=f'"{pattern_words(row["pattern"])}"',
    )


def _finding(study: Any, facts: BarrierFacts, row: pd.Series, gate: Gate) -> list[Any]:
    """One finding: its words, picture, sureness, next step and owner."""
    family = family_of(row["group"], row["pattern"])
    day = str(row["pattern"]).partition("=")[2]
    reading = family.reading.format(group=group_words(row["group"], study.school_name), day=day)
    picture = blocks.finding_figure(study, facts, row, _title(study, family.title, row), gate)
    n = int(row["n_students"])
    numbers = gate.text(
        "{ratio} times the rate of other students like them (between {low} and {high}), {n} students.",
        otherwise="The group is too small for its numbers to be shown.",
        ratio=(f"{row['rate_ratio']:.1f}", n),
        low=(f"{row['ci_low']:.1f}", n),
        high=(f"{row['ci_high']:.1f}", n),
        n=(gate.about(n), n),
    )
    action = family.action.format(group=group_words(row["group"], study.school_name), day=day)
    step = gate.text("**Next step:** {action}", words={"action": action})
    owner = gate.text("**Owner:** {owner}", words={"owner": family.owner})
    sure = gate.text(
        "Of findings this strong, fewer than {k} in {m} would be chance.",
        k=(1, None),
        m=({"very sure": "1,000", "sure": "100"}.get(row["sureness"], "20"), None),
    )
    days = blocks.standout_sentence(study, facts, row, gate)
    said = (gate.text("{reading}", words={"reading": reading}), numbers, days, step, owner, sure)
    title = gate.text("How sure: {word}", words={"word": row["sureness"]})
    return [Row(((picture,), (Callout(title, tuple(text for text in said if text)),)), (7, 5))]


def reasons(study: Any, params: Params) -> Section:
    """Page 2: how many absences have a reason, which reasons there are, and where."""
    facts, gate, context = _begin(study, params)
    title = gate.fixed("Reasons: how many absences have one, and which")
    if "reasons" not in study.can or not facts.n_missed or not blocks.has_reasons(study, facts, gate):
        none = "No absence here has a reason on record." if gate.is_team else "No reason on record can be shown here."
        text = gate.fixed(
            f"{none} Excused or not says what the rule is, not why. Record "
            "one reason per absence (code_table pattern, or the barrier table) to switch this page on."
        )
        return Section(
            context, "reasons", title, (Callout(gate.fixed("Reasons are not known"), (text,), tone="caution"),)
        )
    why = gate.fixed(
        "Excused or not is no reason. A student may have several reasons, so shares are of "
        "students and do not add up to a whole."
    )
    first, *more = blocks.reason_blocks(study, facts, gate)
    beside = (Paragraph(why), blocks.coverage_table(study, facts, gate))
    body = [Row((beside, (first,)), (7, 5)), *blocks.reason_month_blocks(facts, gate)]
    tables = {block.key: block.data for block in more}
    tables |= {"reason_proposals": reason_proposals(study)} if gate.is_team and "contact" in study.can else {}
    tables |= {"reasons_by_group": reason_shares(study, facts)} if gate.is_team else {}
    return Section(
        context, "reasons", title, tuple([*body, *voice_blocks(study, gate)]), starts_page=True, tables=tables
    )


def when(study: Any, params: Params) -> Section:
    """Page 3: everyone's weekdays and months, and every pattern that stands out."""
    facts, gate, context = _begin(study, params)
    title = gate.fixed("When: what everyone shares, and who differs")
    if facts.table.empty:
        text = gate.fixed(f"Needs {NEEDS}: with days enrolled, groups can be compared day by day.")
        return Section(
            context, "when", title, (Callout(gate.fixed("Groups are not compared"), (text,), tone="caution"),)
        )
    lead = gate.fixed("What everyone shares is the school's calendar and the season, and no finding about a group.")
    body = [
        *blocks.side_by_side(blocks.profile_blocks(facts, gate)),
        blocks.findings_table(study, facts, gate),
        *people_blocks(study, gate),
    ]
    return Section(
        context,
        "when",
        title,
        tuple(body),
        lead=lead,
        tables={"patterns": blocks.released_patterns(facts, gate)},
    )


def help_for_barriers(study: Any, params: Params) -> Section:
    """Page 4: need against places, what became of referrals, what to ask partners for."""
    _, gate, context = _begin(study, params)
    title = gate.fixed("From barrier to help")
    lacking = study.lacks("barrier", "resource", "referral")
    if "barrier" not in study.can:
        return Section(
            context,
            "help_for_barriers",
            title,
            (
                Callout(
                    gate.fixed("Barriers are not on record"),
                    tuple(gate.fixed(text) for text in lacking),
                    tone="caution",
                ),
            ),
        )
    body = help_blocks(study, gate)
    return Section(
        context, "help_for_barriers", title, tuple(body), off=tuple(map(gate.fixed, lacking))
    )


def belonging(study: Any, params: Params) -> Section:
    """Who has someone at school, what goes along with it, and what families thought."""
    gate, context = gate_of(study, params), make_context(study, params, TITLE)
    return Section(
        context,
        "belonging",
        gate.fixed("Belonging: who has someone at school"),
        tuple(belonging_blocks(study, gate)),
    )


def what_exists(study: Any, params: Params) -> Section:
    """Supports by approach, tier and domain, where they overlap, and the inventory."""
    gate, context = gate_of(study, params), make_context(study, params, TITLE)
    return Section(
        context,
        "what_exists",
        gate.fixed("What already exists: supports, and who has which"),
        tuple(support_blocks(study, gate)),
        tables=support_tables(study, gate),
    )
