"""What has passed disclosure control: nothing else can stand in a report for partners or the public."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

HIDDEN = "hidden"
WITHHELD = "Withheld: "


class ReleasedText(str):
    """A sentence whose every number passed disclosure control, or that holds none taken from data."""

    __slots__ = ()


class ReleasedNumbers(dict):
    """Figures for results.json that passed disclosure control; a hidden one is None. Made by the gate alone."""

    __slots__ = ()

    def __or__(self, other: Mapping[str, Any]) -> ReleasedNumbers:  # type: ignore[override]
        """Both, when the other holds no number from past the gate."""
        if not is_released_numbers(other):
            raise TypeError("Released numbers were to be joined with others.")
        return ReleasedNumbers({**self, **other})


class ReleasedRows(list):
    """Rows of a released table for results.json. Made by the gate alone."""

    __slots__ = ()


def is_released_numbers(value: Any) -> bool:
    """Whether no number in `value` came past the gate: text, dates, yes or no and nothing at all are free."""
    if isinstance(value, ReleasedNumbers | ReleasedRows | Released) or value is None:
        return True
    if isinstance(value, Mapping):
        return all(is_released_numbers(item) for item in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return all(is_released_numbers(item) for item in value)
    return isinstance(value, str | bool) or hasattr(value, "isoformat") or value is pd.NA


@dataclass(frozen=True)
class Released:
    """A table that passed disclosure control. Grain: as the table that went in.

    name: the table's name in the ledger and in tables/. frame: the values to show; a hidden cell is missing.
    hidden: booleans of the same shape. rule: the rule in one plain sentence. audience: who may see it.
    numbers: the same values for results.json (None where hidden).
    """

    name: str
    frame: pd.DataFrame
    hidden: pd.DataFrame
    rule: str
    audience: str
    numbers: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Released {self.name}: {len(self.frame)} rows, {int(self.hidden.to_numpy().sum())} cells hidden"


def is_withheld(data: Any) -> bool:
    """Whether a released table shows no number at all: then its labels stay inside too, on the page and in files."""
    return isinstance(data, Released) and bool(len(data.frame)) and data.rule.startswith(WITHHELD)
