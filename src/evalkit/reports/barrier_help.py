"""The blocks of the help page: need against places, what to ask partners for, what became of referrals."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit.patterns.findings import pattern_words
from evalkit.patterns.help import gap_matrix, referral_funnel
from evalkit.render.blocks import BulletList, Column, Paragraph, Table
from evalkit.reports.gate import Gate


def help_blocks(study: Any, gate: Gate) -> list[Any]:
    """Gap matrix, funnel, and what to ask partners for next month."""
    barriers = study.table("barrier")
    found: list[Any] = []
    if "resource" in study.can:
        gap = gap_matrix(barriers, study.table("resource"), study.as_of)
        found += [_gap_table(gap, gate), _asks(gap, gate)]
    if "referral" in study.can:
        found.append(_funnel_table(referral_funnel(barriers, study.table("referral")), gate))
    return found or [Paragraph(gate.fixed("Barriers are on record; resources and referrals are not yet."))]


def _gap_table(gap: pd.DataFrame, gate: Gate) -> Table:
    frame = gap.assign(label=[pattern_words(f"reason={p}") for p in gap["pattern"]]).drop(columns="pattern")
    table = gate.table(
        "gap",
        frame[["label", "ask", "n_students", "n_resources", "capacity", "unserved", "n_stale"]],
        keys=("label", "ask"),
        counts=("n_students", "unserved"),
        plain={"n_resources": "n_students", "capacity": "n_students", "n_stale": "n_students"},
    )
    columns = (
        Column("label", "Barrier"),
        Column("n_students", "Students", "integer", "open"),
        Column("n_resources", "Resources", "integer"),
        Column("capacity", "Places", "integer"),
        Column("unserved", "Without a place", "integer"),
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
    )


def _asks(gap: pd.DataFrame, gate: Gate) -> BulletList | Paragraph:
    short = gap[gap["ask"].isin(["Find a first partner", "Ask for more places"])].head(5)
    if short.empty:
        return Paragraph(gate.fixed("Every barrier named has a resource with places."))
    items = tuple(
        gate.fixed(f"{pattern_words(f'reason={row.pattern}')}: {row.ask.lower()}.") for row in short.itertuples()
    )
    return BulletList(gate.fixed("To ask partners for next month"), items)


def _funnel_table(funnel: pd.DataFrame, gate: Gate) -> Table:
    frame = funnel.assign(label=[pattern_words(f"reason={p}") for p in funnel["pattern"]])
    counts = ("n_barriers", "n_referred", "n_connected", "n_waiting")
    table = gate.table(
        "funnel",
        frame[["label", *counts, "days_to_connect"]],
        keys=("label",),
        counts=counts,
        plain={"days_to_connect": "n_connected"},
    )
    columns = (
        Column("label", "Barrier"),
        Column("n_barriers", "Students", "integer"),
        Column("n_referred", "Referred", "integer"),
        Column("n_connected", "Connected", "integer"),
        Column("n_waiting", "Waiting", "integer"),
        Column("days_to_connect", "Days to connect", "integer", "median"),
    )
    return Table(
        gate.fixed("From referral to connection"),
        gate.fixed("Students by barrier, school year so far"),
        table,
        columns,
        note="" if gate.is_team else gate.fixed(table.rule),
        key="funnel",
    )
