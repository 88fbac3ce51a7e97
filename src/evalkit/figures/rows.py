"""What drawings with a row per item share: columns, ticks, places of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from evalkit.figures.canvas import LINE, Canvas, text_width, wrap
from evalkit.figures.palette import GRID, INK, SOFT
from evalkit.figures.scale import Scale, tick_text

TICK_ROW = 24.0

@dataclass(frozen=True)
class Columns:
    """Where the label, the count, the plot and the value text stand."""

    label_width: float
    count_right: float
    left: float
    right: float
    text_right: float


def share_width(canvas: Canvas, labels: Sequence[str], counts: Sequence[str], texts: Sequence[str], *,
             pad: float = 14.0, weight: int = 400) -> Columns:
    """Share the width: values whole, labels at most 40 %, the plot gets the rest."""
    text = max((text_width(t, weight=600) for t in texts), default=0.0)
    count = max((text_width(c) for c in counts), default=0.0)
    room = canvas.width - text - count - 2 * pad - (pad if text else 0) - (pad if count else 0)
    label = min(max((text_width(t, weight=600) for t in labels), default=0.0), max(0.40 * canvas.width, room - 170))
    count_right = label + (pad + count if count else 0)
    return Columns(label, count_right, count_right + pad, canvas.width - (text + pad if text else 0) - pad / 2,
                    float(canvas.width))


def draw_ticks(canvas: Canvas, scale: Scale, ticks: Sequence[float], y: float, bottom: float, *, signed: bool = False,
           share: bool = False, below: bool = False, strips: Sequence[tuple[float, float]] = (),
           cut_zero: bool = False) -> None:
    """Tick numbers over (or under) the plot, thin lines through it (or its `strips` only), the ink line at zero."""
    whole = ((y, bottom),)
    strips = strips or whole
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    texts = [tick_text(t, step, signed=signed, share=share) + ("%" if share else "") for t in ticks]
    keep = fitting(canvas, [scale(t) for t in ticks], texts)
    for i, (tick, text) in enumerate(zip(ticks, texts, strict=True)):
        for top, end in strips if tick else ():
            canvas.line(scale(tick), top, scale(tick), end, color=GRID)
        if i in keep:
            x, anchor = inside(canvas, scale(tick), text)
            canvas.text(x, bottom + 18 if below else y - 8, text, color=SOFT, anchor=anchor)
    for top, end in (strips if cut_zero else whole) if scale.low <= 0 <= scale.high else ():
        canvas.line(scale(0), top, scale(0), end, color=INK, width=1.3)


def inside(canvas: Canvas, x: float, text: str, weight: int = 400) -> tuple[float, str]:
    """Where a centered text may stand so that it is not cut off."""
    half = text_width(text, weight=weight) / 2
    return min(max(x, half), canvas.width - half), "middle"


def fitting(canvas: Canvas, at: Sequence[float], texts: Sequence[str]) -> set[int]:
    """All labels, or every second (fourth ...) where they would touch."""
    for every in (1, 2, 4, 8):
        picked = list(range(0, len(at), every))
        spans = [(inside(canvas, at[i], texts[i])[0], text_width(texts[i]) / 2) for i in picked]
        if all(b[0] - b[1] - (a[0] + a[1]) >= 5 for a, b in pairwise(spans)):
            return set(picked)
    return {0}


def side_words(canvas: Canvas, scale: Scale, sides: tuple[str, str]) -> float:
    """What left and right of zero mean; a side without room is left out together with the other."""
    zero = min(max(scale(0), scale.left), scale.right)
    less, more = (text_width(s) for s in sides)
    if zero - 7 - less >= 0 and zero + 7 + more <= canvas.width:
        canvas.text(zero - 7, 14, sides[0], color=SOFT, anchor="end")
        canvas.text(zero + 7, 14, sides[1], color=SOFT)
    elif zero - 7 - less >= 0 and zero > scale.right - 20:
        canvas.text(zero - 7, 14, sides[0], color=SOFT, anchor="end")
    else:
        canvas.text(canvas.width, 14, sides[1], color=SOFT, anchor="end")
    return 26.0


def row_places(labels: list[str], groups: list[Any], top: float, label_width: float,
                stacked: bool, *, split: bool = False) -> tuple[list[tuple[float, list[str]]], float]:
    """Baselines' centers and the wrapped labels, and the bottom.

    stacked: words over the interval, split: on two lines.
    """
    rows, y = [], top + 4
    for i, text in enumerate(labels):
        y += 9 if i and groups[i] != groups[i - 1] else 0
        lines = [text] if stacked else wrap(text, label_width + 1, weight=400, most=2)
        over = LINE if split else 0.0
        tall = 42.0 + over if stacked else max(24.0, LINE * len(lines) + 7)
        rows.append((y + (30 + over if stacked else tall / 2), lines))
        y += tall
    return rows, y + 2
