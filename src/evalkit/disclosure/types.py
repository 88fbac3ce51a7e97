"""What has passed disclosure control: nothing else can stand in a report for partners or the public."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

HIDDEN = "hidden"


class ReleasedText(str):
    """A sentence whose every number passed disclosure control, or that holds none taken from data."""

    __slots__ = ()


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
