"""Two values on one row: before and after selection, last year and now."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

from evalkit.figures.canvas import LINE, Canvas, text_width
from evalkit.figures.drawing import FULL, THIRD, Drawing, draw, need
from evalkit.figures.marks import interval_bar, key_line, marker
from evalkit.figures.palette import GRAY, SOFT, WASH
from evalkit.figures.rows import TICK_ROW, draw_ticks, inside, row_places, share_width
from evalkit.figures.scale import Scale, bounds, known, step_of
from evalkit.tables import is_missing, number, percent


def love_plot(
    data: pd.DataFrame,
    *,
    label: str = "covariate",
    before: str = "smd_before",
    after: str = "smd_after",
    inner: float = 0.05,
    outer: float = 0.25,
    words: tuple[str, str] = ("before comparing", "students compared"),
    widths: Sequence[int] = THIRD,
) -> Drawing:
    """Standardized differences before (ring) and after (filled) selection. Grain: one row per covariate."""
    frame = need(data, "love_plot", label, before, after)

    def paint(canvas: Canvas) -> float:
        labels = frame[label].map(str).tolist()
        at = share_width(canvas, labels, [], [], pad=10)
        edge = max([outer, *(abs(v) for v in known([*frame[before], *frame[after]]))]) * 1.06
        scale = Scale(-edge, edge, at.left, canvas.width - 6)
        rows, y = row_places(labels, [0] * len(labels), TICK_ROW, at.label_width, False)
        for limit, fill in ((outer, WASH), (inner, "#D7E6F1")):
            canvas.rect(scale(-limit), TICK_ROW, scale(limit) - scale(-limit), y - TICK_ROW, fill=fill)
        _limit_words(canvas, scale, inner, outer)
        canvas.line(scale(0), TICK_ROW, scale(0), y, width=1.3)
        for i, (at_y, lines) in enumerate(rows):
            canvas.lines(0, at_y + 4.5 - LINE * (len(lines) - 1) / 2, lines)
            _before_after(canvas, scale, at_y, frame[before].iloc[i], frame[after].iloc[i])
        return key_line(canvas, y + 20, [("comparison", words[0]), ("program", words[1])])

    return draw("love_plot", widths, paint)


def _limit_words(canvas: Canvas, scale: Scale, inner: float, outer: float) -> None:
    """The limits' numbers over the plot: all four, the outer two, or round ticks where the limits lie too close."""
    for at in (
        (-outer, -inner, inner, outer),
        (-outer, outer),
        (-round(0.8 * scale.high, 1), 0.0, round(0.8 * scale.high, 1)),
    ):
        texts = [number(v, 2 if len(at) != 3 else 1) for v in at]
        spans = [(inside(canvas, scale(v), t)[0], text_width(t) / 2) for v, t in zip(at, texts, strict=True)]
        if all(b[0] - b[1] - a[0] - a[1] >= 4 for a, b in pairwise(spans)) or len(at) == 3:
            for (x, _), text in zip(spans, texts, strict=True):
                canvas.text(x, TICK_ROW - 8, text, color=SOFT, anchor="middle")
            return


def _before_after(canvas: Canvas, scale: Scale, y: float, before: object, after: object) -> None:
    values = known([before, after])
    if len(values) == 2:
        canvas.line(scale(values[0]), y, scale(values[1]), y, color=GRAY)
    if not is_missing(before):
        marker(canvas, scale(float(before)), y, "comparison")  # type: ignore[arg-type]
    if not is_missing(after):
        marker(canvas, scale(float(after)), y, "program")  # type: ignore[arg-type]


def school_dots(data: pd.DataFrame, *, label: str = "label", value: str = "value", low: str = "ci_low",
                high: str = "ci_high", before: str = "before", words: tuple[str, str] = ("now, with 95% interval",
                "last year, same day"), hidden: str = "hidden", widths: Sequence[int] = FULL) -> Drawing:
    """Shares (0 to 1) now (filled, with interval) and before (ring), a row per school in its natural order."""
    frame = need(data, "school_dots", label, value, low, high)
    with_before = before in frame.columns and bool(known(frame[before]))
    texts = [hidden if is_missing(v) else percent(v, 1) for v in frame[value]]

    def paint(canvas: Canvas) -> float:
        labels = frame[label].map(str).tolist()
        at = share_width(canvas, labels, [], texts)
        _, hi, _ = bounds([*frame[high], *frame[value], *(frame[before] if with_before else ())])
        hi = min(hi, 1.0)
        step = step_of(hi, 5 if canvas.width > 400 else 3)
        ticks = [round(i * step, 6) for i in range(int(hi / step + 1e-9) + 1)]
        scale = Scale(0.0, hi, at.left + 8, at.right)
        rows, y = row_places(labels, [0] * len(labels), TICK_ROW, at.label_width, False)
        draw_ticks(canvas, scale, ticks, TICK_ROW, y, share=True)
        for i, (at_y, lines) in enumerate(rows):
            canvas.lines(0, at_y + 4.5 - LINE * (len(lines) - 1) / 2, lines)
            canvas.text(at.text_right, at_y + 4.5, texts[i], weight=600, anchor="end")
            _now_before(canvas, scale, at_y, frame.iloc[i], (value, low, high, before), with_before)
        items = [("program", words[0])] + ([("comparison", words[1])] if with_before else [])
        return key_line(canvas, y + 20, items)

    return draw("school_dots", widths, paint)


def _now_before(canvas: Canvas, scale: Scale, y: float, row: Any, columns: tuple[str, str, str, str],
                with_before: bool) -> None:
    value, low, high, before = columns
    if with_before and not is_missing(row[before]):
        marker(canvas, scale.clip(float(row[before])), y, "comparison")
    if not is_missing(row[value]):
        interval_bar(canvas, scale, y, row[low], row[high])
        marker(canvas, scale.clip(float(row[value])), y, "program")
