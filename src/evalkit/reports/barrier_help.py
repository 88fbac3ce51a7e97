"""The blocks of the help page: need against places, what to ask partners for, what became of referrals."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit.patterns.findings import pattern_words
from evalkit.patterns.help import after_resolution, gap_matrix, referral_funnel
from evalkit.render.blocks import BulletList, Column, Paragraph, Table
from evalkit.reports.barrier_facts import open_to
from evalkit.reports.gate import Gate

GAP = ["label", "ask", "n_students", "n_resources", "capacity", "unserved", "n_stale"]
STEPS = ("n_barriers", "n_referred", "n_connected", "n_waiting")


def help_blocks(study: Any, gate: Gate) -> list[Any]:
    """Gap matrix, funnel, and what to ask partners for next month."""
    barriers = open_to(study.table("barrier"), gate.is_team)
    gap = _labeled(gap_matrix(barriers, study.table("resource"), study.as_of)) if "resource" in study.can else None
    funnel = (
        _labeled(referral_funnel(barriers, open_to(study.table("referral"), gate.is_team)))
        if "referral" in study.can
        else None
    )
    gone = _hidden_together(gap, funnel, gate)
    found: list[Any] = []
    if gap is not None:
        found += [_gap_table(gap, gate, gone), _asks(gap, gate)]
    if funnel is not None:
        found.append(_funnel_table(funnel, gate, gone))
    if {"daily", "rates"} <= study.can:
        found += _resolution(open_to(after_resolution(study), gate.is_team), gate)
    return found or [Paragraph(gate.fixed("Barriers are on record; resources and referrals are not yet."))]


def _labeled(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(label=[pattern_words(f"reason={p}") for p in frame["pattern"]])


def _hidden_together(gap: pd.DataFrame | None, funnel: pd.DataFrame | None, gate: Gate) -> dict[str, set[str]]:
    """Label -> counts to hide: students with an open barrier are part of those who ever had it, in the other table."""
    if gate.is_team or gap is None or funnel is None:
        return {}
    frame = funnel[["label", *STEPS]].merge(gap[["label", "n_students"]], on="label", how="left")
    within = {
        "n_referred": "n_barriers",
        "n_connected": "n_referred",
        "n_waiting": "n_referred",
        "n_students": "n_barriers",
    }
    table = gate.table("help", frame, keys=("label",), counts=(*STEPS, "n_students"), within=within)
    return {
        label: {name for name in (*STEPS, "n_students") if bool(table.hidden[name].iloc[row])}
        for row, label in enumerate(frame["label"])
    }


def _gap_table(gap: pd.DataFrame, gate: Gate, gone: dict[str, set[str]]) -> Table:
    names = GAP if gate.is_team else [name for name in GAP if name != "unserved"]  # it is students less places
    table = gate.table(
        "gap",
        gap[names],
        keys=("label", "ask"),
        counts=("n_students", *(name for name in ("unserved",) if gate.is_team)),
        plain={"n_resources": "n_students", "capacity": "n_students", "n_stale": "n_students"},
        also={row: gone.get(label, set()) for row, label in enumerate(gap["label"])},
    )
    columns = (
        Column("label", "Barrier"),
        Column("n_students", "Students", "integer", "open"),
        Column("n_resources", "Resources", "integer"),
        Column("capacity", "Places", "integer"),
        *(Column(name, "Without a place", "integer") for name in ("unserved",) if gate.is_team),
        Column("n_stale", "To check", "integer", "180 days old"),
        Column("ask", "Next ask"),
    )
    note = "A resource for several barriers lends all its places to each: the picture is the most favorable one."
    return Table(
        gate.fixed("Need against places"),
        gate.fixed("Students with an open barrier, and places at active resources"),
        table,
        columns,
        note=gate.fixed(note if gate.is_team else f"{note} {table.rule}"),
        key="gap",
        most_rows=8,
    )


def _asks(gap: pd.DataFrame, gate: Gate) -> BulletList | Paragraph:
    short = gap[gap["ask"].isin(["Find a first partner", "Ask for more places"])].head(5)
    if short.empty:
        return Paragraph(gate.fixed("Every barrier named has a resource with places."))
    items = tuple(
        gate.fixed(f"{pattern_words(f'reason={row.pattern}')}: {row.ask.lower()}.") for row in short.itertuples()
    )
    return BulletList(gate.fixed("To ask partners for next month"), items)


def _funnel_table(funnel: pd.DataFrame, gate: Gate, gone: dict[str, set[str]]) -> Table:
    table = gate.table(
        "funnel",
        funnel[["label", *STEPS, "days_to_connect"]],
        keys=("label",),
        counts=STEPS,
        also={row: gone.get(label, set()) for row, label in enumerate(funnel["label"])},
        within={"n_referred": "n_barriers", "n_connected": "n_referred", "n_waiting": "n_referred"},
        plain={"days_to_connect": "n_connected"},
    )
    columns = (
        Column("label", "Barrier"),
        Column("n_barriers", "Students", "integer"),
        Column("n_referred", "Referred", "integer"),
        Column("n_connected", "Connected", "integer"),
        Column("n_waiting", "On a waiting list", "integer"),
        Column("days_to_connect", "Days to connect", "integer", "median"),
    )
    return Table(
        gate.fixed("From referral to connection"),
        gate.fixed("Students by barrier, school year so far"),
        table,
        columns,
        note="" if gate.is_team else gate.fixed(table.rule),
        key="funnel",
        most_rows=6,
    )


def _resolution(rows: pd.DataFrame, gate: Gate) -> list[Any]:
    """Absence after a barrier was resolved, beside the same barrier still open: goes along with, never an effect."""
    if rows.empty:
        return [Paragraph(gate.fixed("Too few barriers are resolved to look at what came after."), "note")]
    words = ["All barriers" if p == "all" else pattern_words(f"reason={p}") for p in rows["pattern"]]
    frame = rows.assign(label=words).drop(columns="pattern")
    figures = ("change_resolved", "change_open", "difference", "ci_low", "ci_high")
    for name in figures:
        frame[name] = 100 * frame[name]
    table = gate.table(
        "after_resolution",
        frame,
        keys=("label",),
        counts=("n_resolved", "n_open"),
        total="All barriers",
        plain={name: "n_resolved" for name in figures},
    )
    columns = (
        Column("label", "Barrier"),
        Column("n_resolved", "Resolved", "integer", "students"),
        Column("n_open", "Open", "integer", "students"),
        Column("difference", "Difference", "signed1", "points"),
        Column("ci_low", "From", "signed1"),
        Column("ci_high", "To", "signed1"),
    )
    return [
        Table(
            gate.fixed("After a barrier was resolved"),
            gate.fixed(
                "Change in the share of days missed, six weeks before to six weeks after, beside students with the "
                "same barrier still open"
            ),
            table,
            columns,
            note=gate.fixed(
                "This goes along with getting help. It does not show that the help did it."
                + ("" if gate.is_team else f" {table.rule}")
            ),
            key="after_resolution",
            most_rows=5,
        )
    ]
