"""Shares for partners whose students also stand, counted a little differently, in other tables: whole percents only.

Exact counts of nearly the same students in two reports can be subtracted. Here a copy for partners holds the share as a
whole percent and the group's size to the nearest ten, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from evalkit.disclosure.ladder import LadderShare
from evalkit.disclosure.types import Released
from evalkit.render.blocks import Column
from evalkit.reports.gate import Gate


def is_few(gate: Gate, n: float, of: float) -> bool:
    """Whether a share rests on too few students to be told outside the team (those without it count too)."""
    return not gate.is_team and (pd.isna(n) or pd.isna(of) or min(n, of - n, of) < gate.rules.min_cell)


def share_table(name: str, frame: pd.DataFrame, gate: Gate, *, keys: Sequence[str], n: str = "n", of: str = "of",
                share: str = "share", plain: Sequence[str] = ()) -> Released:
    """A table of shares n / of. The team sees everything; others `of` to the nearest ten and whole percents.

    plain: further shares of the row (interval ends), rounded and hidden with it. A row hidden for a small side has no
    share. For the public a share also keeps to the percent ladder.
    """
    figures = [share, *plain]
    if gate.is_team:
        return gate.table(name, frame[[*keys, n, of, *figures]], keys=tuple(keys), counts=(n, of),
                          shares={share: (n, of)}, plain=dict.fromkeys(plain, of))
    few = [is_few(gate, a, b) or not _on_ladder(gate, a, b) for a, b in zip(frame[n], frame[of], strict=True)]
    shown = frame[[*keys, of, *figures]].reset_index(drop=True)
    shown[figures] = shown[figures].astype("float64").round(2)
    also = {row: figures for row, is_hidden in enumerate(few) if is_hidden}
    return gate.table(name, shown, keys=tuple(keys), counts=(of,), plain=dict.fromkeys(figures, of), about=(of,),
                      also=also)


def _on_ladder(gate: Gate, n: float, of: float) -> bool:
    if gate.audience != "public" or not of:
        return True
    return LadderShare(float(n) / float(of), int(of), min_cell=gate.rules.min_cell).is_exact


def shown_columns(table: Released, *columns: Column) -> tuple[Column, ...]:
    """The columns that the released table has: a count that is not told has none."""
    return tuple(column for column in columns if column.key in table.frame.columns)
