"""Drawings of finished numbers, in the house style. No statistics inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Drawing:
    """One figure drawn at fixed widths. svgs: width in px -> SVG text. kind: the function that drew it."""

    kind: str
    svgs: Mapping[int, str]
