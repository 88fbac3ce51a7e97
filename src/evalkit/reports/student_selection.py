"""Whom to help first: lists, groups, a score with its parts shown, places, proposals, summer, and readiness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from evalkit.errors import UsageError
from evalkit.render.blocks import BulletList, Callout, Column, CountList, Paragraph, Row, Section, Table, Tile, Tiles
from evalkit.reports import datt, selection_places, selection_support, selection_tables
from evalkit.reports.gate import Gate, gate_of
from evalkit.reports.month_tables import People
from evalkit.reports.params import Params as BaseParams
from evalkit.reports.params import make_context
from evalkit.reports.selection_facts import GROUPS, Selection, grades_of, selection_of, weights_of
from evalkit.vocabulary import grades
from evalkit.wording import date_words, grade_words, listed, number, plural

TITLE = "Student selection"
NO_LISTS = "Lists of students are in the team's copy only."

STEPS = (
    ("Use chronic absence data", "attendance"),
    ("Choose priority grades", "grades"),
    ("Recruit schools", "schools"),
    ("Invest in a coordinator at each site", "meetings"),
    ("Make the program known", "by hand"),
    ("Recruit, screen, train, match and support mentors", "mentors"),
    ("Plan for growth and for next year", "by hand"),
)


@dataclass(frozen=True)
class Params(BaseParams):
    """What the selection can be asked for: the score's weights, the transition grades, and the attendance floor."""

    score: str = "need=45 transition=15 persistence=20 adult=10 grade_rate=10 grades=KG,06,09"
    floor: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        weights_of(self)
        known = {grade.grade_level for grade in grades()}
        wrong = [grade for grade in grades_of(self) if grade not in known]
        if wrong:
            raise UsageError(
                "score names a grade evalkit does not know.",
                remedy=f"Write codes with commas: {', '.join(sorted(known))}.",
            )
        if not 0 < self.floor <= 1:
            raise UsageError(
                "floor must be a share above 0 and at most 1.", remedy="0.5 means half of the days missed."
            )


def who_to_help(study, params: Params) -> Section:
    """Page 1: how many may need a mentor, how many places are open, and how the score is made."""
    gate = gate_of(study, params, nearly=True)
    if "daily" not in study.can and "prior_year" not in study.can:
        text = gate.fixed("Lists need attendance_event and calendar, or prior_year; either would switch this page on.")
        return Section(
            _context(study, params),
            "who_to_help",
            gate.fixed("Whom to help first"),
            (Paragraph(text),),
            is_opening=True,
        )
    found = selection_of(study, params)
    blocks = (
        _tiles(found, gate),
        selection_tables.capacity_table(found, gate),
        Row(((_score_words(params, gate),), (_first_words(found, params, gate),)), (7, 5)),
    )
    return Section(
        _context(study, params),
        "who_to_help",
        gate.fixed("Whom to help first, and the places there are"),
        blocks,
        lead=_lead(found, gate),
        is_opening=True,
        numbers=_numbers(found, gate),
        off=tuple(map(gate.fixed, (*study.lacks("prior_year"), *(() if gate.is_team else (NO_LISTS,))))),
    )


def _context(study, params: Params) -> Any:
    return make_context(study, params, TITLE)


def _lead(found: Selection, gate: Gate) -> str:
    n, places = len(found.route("match")), int(found.capacity["n_open"].sum())
    return gate.text(
        "**{n:,} students** on a list have no mentor yet; **{places:,} places** are open.",
        n=(n, n),
        places=(places, None),
        otherwise=f"How many students on a list have no mentor yet is not shown; **{plural(places, 'place')}** "
                  f"{'is' if places == 1 else 'are'} open.",
    )


def _tiles(found: Selection, gate: Gate) -> Tiles:
    counts = (
        ("Missed 10% or more last year", len(found.prior), "and still on the roll"),
        ("Early sign this year", len(found.warned), "2 days in a month, 4 in two"),
        ("To match", len(found.route("match")), "on a list, no mentor yet"),
        ("Reach out first", len(found.route("reach_out_first")), "a visit before a mentor"),
    )
    return Tiles(
        tuple(Tile(gate.fixed(label), gate.text("{n:,}", n=(n, n)), gate.fixed(note)) for label, n, note in counts)
    )


def _score_words(params: Params, gate: Gate) -> BulletList:
    """The score in words, with the weights of this run."""
    weights = weights_of(params)
    moving = listed((grade_words(grade) for grade in grades_of(params)), "or") or "none chosen"
    lines = (
        f"Need, up to {weights.need:g}: share of days missed, this year from 20 days on, else last year. 20% is full.",
        f"Years, up to {weights.persistence:g}: years in a row with 10% or more missed. Two years is full.",
        f"New school, {weights.transition:g}: grade {moving}.",
        f"Known adult, up to {weights.adult:g}: a mentor who knows the student, by how well; a sixth of it where only "
        "a partner is on site.",
        f"Grade, up to {weights.grade_rate:g}: how common missing 10% is in the grade.",
    )
    return BulletList(gate.fixed("How the score is made"), tuple(map(gate.fixed, lines)))


def _first_words(found: Selection, params: Params, gate: Gate) -> Callout:
    lines = (
        f"Students who missed {100 * params.floor:g}% of days or more, or were not seen for 10 school days, stand on "
        "their own list.",
        "A mentor meets students in school. A home visit or the county's help comes first; a mentor can follow.",
    )
    return Callout(gate.fixed("Reach out first"), tuple(map(gate.fixed, lines)), tone="caution")


def _numbers(found: Selection, gate: Gate) -> dict[str, Any]:
    """results.json: counts by route, and for the team the ids of every list and the proposals."""
    counts = {
        "n_prior_year": len(found.prior),
        "n_early_warning": len(found.warned),
        **{f"n_{name}": len(found.route(name)) for name in ("match", "reach_out_first", "has_mentor")},
    }
    numbers: dict[str, Any] = {"counts": gate.numbers("counts", **{k: (n, n) for k, n in counts.items()})}
    if not gate.is_team:
        return numbers
    pairs = found.pairing.pairs
    return numbers | {
        "lists": {
            "prior_year": found.prior["student_id"].tolist(),
            "early_warning": found.warned["student_id"].tolist(),
            "match": found.route("match")["student_id"].tolist(),
            "reach_out_first": found.route("reach_out_first")["student_id"].tolist(),
            "summer": found.summer["student_id"].tolist(),
        },
        "proposals": pairs[["student_id", "mentor_id"]].to_dict("records"),
        "proposals_total": found.pairing.total,
    }


def groups(study, params: Params) -> Section:
    """Page 2: number and percent by group, in the column order of the DATT."""
    gate = gate_of(study, params, nearly=True)
    if "daily" not in study.can and "prior_year" not in study.can:
        return Section(_context(study, params), "groups", gate.fixed("By group"))
    found = selection_of(study, params)
    note = gate.fixed(
        "Groups differ in what they face, not in what they want. Look at number and percent together."
    )
    return Section(
        _context(study, params),
        "groups",
        gate.fixed("By group: number and percent"),
        tuple(selection_tables.breakdown_tables(found, gate)),
        lead=note,
    )


def places(study, params: Params) -> Section:
    """Page 3: schools past 20 %, school by zip, moves to a new school level, signs together, year by year."""
    gate, title = gate_of(study, params), "Where: schools, neighborhoods, and moves to a new school"
    if "daily" not in study.can and "prior_year" not in study.can:
        return Section(_context(study, params), "places", gate.fixed(title))
    found = selection_of(study, params)
    spots = selection_places.hot_spot_table(study, found, gate)
    beside = (selection_places.signs_table(study, found, gate), selection_places.years_table(study, gate))
    blocks = (
        *selection_places.schools_block(study, found, gate),
        Row(((spots,), beside), (7, 5)),
        selection_places.moves_figure(study, params, found, gate),
    )
    return Section(_context(study, params), "places", gate.fixed(title), blocks)


def lists(study, params: Params) -> Section:
    """Page 5, team only: highest scores with their parts, reach out first, newest signs, proposals."""
    gate = gate_of(study, params, nearly=True)
    if not gate.is_team or ("daily" not in study.can and "prior_year" not in study.can):
        return Section(_context(study, params), "lists", gate.fixed("Lists"), ())
    found, people = selection_of(study, params), People(study)
    match = found.route("match")
    blocks: list[Any] = [selection_tables.score_table(selection_tables.score_frame(study, match, people))]
    pairs = selection_tables.proposal_frame(study, found, people)
    blocks.append(
        selection_tables.proposal_table(pairs)
        if len(pairs)
        else Paragraph("No pairing can be proposed: no place is open where a student waits.")
    )
    first, short = found.route("reach_out_first"), []
    if len(first):
        seen = [_days(row) for row in first.itertuples()]
        short.append(
            selection_tables.plain_list(
                first,
                people,
                seen,
                title=f"Reach out first: {number(len(first))} students",
                key="reach_out_first",
                measure="Hardly in school: half of the days missed, or not seen for 10 school days.",
            )
        )
    warned = found.warned.merge(match[["student_id", "school_id"]], on="student_id")
    if len(warned):
        seen = [f"First sign {date_words(row.flagged_on, year=False)}" for row in warned.itertuples()]
        short.append(
            selection_tables.plain_list(
                warned,
                people,
                seen,
                title=f"Early sign and no mentor: {number(len(warned))} students",
                key="early_warning",
                measure="2 days missed in the first 10 or 20 school days, 4 in 40, 2 a month after. Newest first.",
            )
        )
    blocks += [Row(((short[0],), (short[1],)), (6, 6))] if len(short) == 2 else short
    return Section(
        _context(study, params),
        "lists",
        "Lists: who to talk about, and with whom to pair",
        tuple(blocks),
        tables=selection_tables.workbook(study, found, people)
        | {"signs_by_student": selection_places.sign_list(study, found)},
        files={"datt.xlsx": datt.workbook_of(study, found)},
    )


def _days(row) -> str:
    if pd.isna(row.enrolled_units) or not row.enrolled_units:
        return "Missed half of last year or more"
    from evalkit.rules import UNITS_PER_DAY

    return f"Missed {row.absent_units / UNITS_PER_DAY:g} of {row.enrolled_units / UNITS_PER_DAY:g} days"


def next_steps(study, params: Params) -> Section:
    """Page 4: the summer's outreach, and whether the program is ready (seven steps)."""
    gate = gate_of(study, params, nearly=True)
    blocks: list[Any] = []
    if "daily" in study.can or "prior_year" in study.can:
        blocks.append(Row(((_summer(selection_of(study, params), gate),), (readiness(study, gate),)), (4, 8)))
    else:
        blocks.append(readiness(study, gate))
    blocks.append(selection_support.training_table(study, gate))
    return Section(
        _context(study, params),
        "next_steps",
        gate.fixed("Next: the summer, and are we ready?"),
        tuple(blocks),
        tables=selection_support.training_tables(study, gate),
    )


def _summer(found: Selection, gate: Gate) -> CountList:
    n, moving = len(found.summer), int(found.summer["is_moving"].sum())
    items = (
        (
            gate.text("{n:,}", n=(n, n)),
            gate.fixed("students to greet in August: missed 10% or more this year or last, and not in the last grade"),
        ),
        (
            gate.text("{n:,}", n=(moving, moving)),
            gate.fixed("of them move to a new school level; call these families first"),
        ),
    )
    return CountList(gate.fixed("Summer outreach"), items)


def readiness(study, gate: Gate) -> Table:
    """The seven steps to get started: what the study shows for each, and a place for the owner."""
    shown = {
        "attendance": "daily" in study.can,
        "grades": "daily" in study.can or "prior_year" in study.can,
        "schools": "school" in study.can,
        "meetings": "team_meeting" in study.can,
        "mentors": "mentor" in study.can and "assignment" in study.can,
    }
    words = {True: "The data show it", False: "Not in the data yet"}
    frame = pd.DataFrame(
        [
            {
                "step": f"{k}. {name}",
                "state": words[shown[what]] if what in shown else "The team says",
                "owner": "",
                "due": "",
            }
            for k, (name, what) in enumerate(STEPS, 1)
        ]
    )
    released = gate.table("readiness", frame, keys=("step", "state", "owner", "due"))
    columns = (
        Column("step", "Step"),
        Column("state", "Seen in the study"),
        Column("owner", "Owner"),
        Column("due", "By when"),
    )
    return Table(
        gate.fixed("Seven steps to a program that lasts"),
        gate.fixed("Attendance Works' steps. Fill in owner and date at the meeting."),
        released,
        columns,
        key="readiness",
    )


__all__ = ["GROUPS", "Params", "groups", "lists", "next_steps", "places", "who_to_help"]
