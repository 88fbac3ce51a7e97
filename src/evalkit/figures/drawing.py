"""The record of one figure, and how it is drawn at each width."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from evalkit.figures.canvas import Canvas

FULL, THIRD = (330, 480, 660), (240, 330)


@dataclass(frozen=True)
class Drawing:
    """One figure drawn at fixed widths. svgs: width in px -> SVG text. kind: the function that drew it."""

    kind: str
    svgs: Mapping[int, str]

    def __repr__(self) -> str:
        return f"Drawing {self.kind} at {', '.join(str(width) for width in sorted(self.svgs))} px"

    def _repr_svg_(self) -> str:
        return self.svgs[max(self.svgs)]


def draw(kind: str, widths: Sequence[int], paint: Callable[[Canvas], float]) -> Drawing:
    """Call `paint(canvas)` -> height once per width."""
    svgs = {}
    for width in widths:
        canvas = Canvas(width)
        height = paint(canvas)
        svgs[width] = canvas.svg(height)
    return Drawing(kind, svgs)


def need(data: pd.DataFrame, kind: str, *columns: str) -> pd.DataFrame:
    """`data` with a plain index; a missing column or an empty frame is a fault of the caller, named."""
    absent = [column for column in columns if column not in data.columns]
    if absent or data.empty:
        raise ValueError(
            f"{kind} needs rows and the columns {', '.join(columns)}; missing: {', '.join(absent) or 'rows'}."
        )
    return data.reset_index(drop=True)
