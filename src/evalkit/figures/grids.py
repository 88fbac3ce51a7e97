"""Cells and dots: a value per row and column, and the days of a school year."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pandas as pd

from evalkit.figures.canvas import LINE, Canvas, text_width, wrap
from evalkit.figures.drawing import FULL, Drawing, draw, need
from evalkit.figures.palette import BAND_TEXT, BANDS, DEEP, DOT_BLUE, GRAY, INK, SOFT, WHITE
from evalkit.figures.scale import known
from evalkit.tables import is_missing, number, percent


def heat_map(
    data: pd.DataFrame,
    *,
    row: str = "row",
    column: str = "column",
    value: str = "value",
    cuts: Sequence[float] = (0.1, 0.2, 0.3, 0.4),
    share: bool = True,
    decimals: int = 0,
    hidden: str = "hidden",
    widths: Sequence[int] = FULL,
) -> Drawing:
    """A value per row and column in five depths of blue, darker is more. Grain: one row per cell.

    Rows and columns keep the order in which they first come. `cuts`: the four values where a deeper blue begins. A cell
    that is there but missing is hidden (dashed); one that is not there stays empty.
    """
    frame = need(data, "heat_map", row, column, value)
    rows, columns = list(dict.fromkeys(frame[row])), list(dict.fromkeys(frame[column]))
    cells = {(r, c): v for r, c, v in zip(frame[row], frame[column], frame[value], strict=True)}

    def paint(canvas: Canvas) -> float:
        label = min(max(text_width(str(r)) for r in rows), 0.36 * canvas.width)
        wide = (canvas.width - label - 10) / len(columns)
        texts = {k: percent(v, decimals).rstrip("%") if share else number(v, decimals) for k, v in cells.items()
                 if not is_missing(v)}
        numbered = all(text_width(t) + 4 <= wide for t in texts.values())
        heads = _heads([str(c) for c in columns], wide)
        slim = not heads
        y = 6.0 if slim else LINE * max(len(h) for h in heads) + 4
        if slim:
            y = _numbered_heads(canvas, columns, label + 10, wide)
        else:
            for j, lines in enumerate(heads):
                canvas.lines(label + 10 + (j + 0.5) * wide, y - 8 - LINE * (len(lines) - 1), lines, anchor="middle",
                             color=SOFT)
        for r in rows:
            y = _heat_row(canvas, y, r, columns, cells, texts, label, wide, cuts, numbered)
        y = _heat_key(canvas, y + 20, cuts, share, hidden if any(is_missing(v) for v in cells.values()) else "")
        return _head_key(canvas, y, columns) if slim else y

    return draw("heat_map", widths, paint)


def _heads(columns: list[str], wide: float) -> list[list[str]]:
    """Names over the columns, or first letters of short ones (months); none where whole words do not fit."""
    if all(text_width(word) <= wide for c in columns for word in c.split()) and all(
            text_width(c) <= 2 * (wide - 4) or len(c.split()) == 1 for c in columns):
        return [wrap(c, max(wide, max(text_width(word) for word in c.split() or [""])), most=2) for c in columns]
    return [[c[:1]] for c in columns] if all(len(c) <= 3 for c in columns) else []


def _numbered_heads(canvas: Canvas, columns: Sequence[object], left: float, wide: float) -> float:
    """Numbers over the columns where names do not fit; the key under the figure says which is which."""
    every = 1 if wide >= text_width(str(len(columns))) + 3 else 2
    for j in range(0, len(columns), every):
        canvas.text(left + (j + 0.5) * wide, 13, str(j + 1), anchor="middle", color=SOFT)
    return 21.0


def _head_key(canvas: Canvas, y: float, columns: Sequence[object]) -> float:
    words = "; ".join(f"{j + 1} {c}" for j, c in enumerate(columns))
    return canvas.lines(0, y + 10, wrap(words, canvas.width, most=40), color=SOFT)


def _heat_row(
    canvas: Canvas,
    y: float,
    row: object,
    columns: Sequence[object],
    cells: dict[tuple[object, object], object],
    texts: dict[tuple[object, object], str],
    label: float,
    wide: float,
    cuts: Sequence[float],
    numbered: bool,
) -> float:
    lines = wrap(str(row), label + 1, most=2)
    tall = max(26.0, LINE * len(lines) + 6)
    canvas.lines(0, y + tall / 2 + 4.5 - LINE * (len(lines) - 1) / 2, lines)
    for j, column in enumerate(columns):
        if (row, column) not in cells:
            continue
        x, value = label + 10 + j * wide, cells[(row, column)]
        if is_missing(value):
            canvas.rect(x + 2, y + 3, wide - 4, tall - 6, stroke=GRAY, stroke_width=1, dash="3 2")
            continue
        depth = sum(float(value) >= cut for cut in cuts)  # type: ignore[arg-type]
        canvas.rect(x + 0.5, y + 0.5, wide - 1, tall - 1, fill=BANDS[depth], stroke=WHITE)
        if numbered:
            canvas.text(x + wide / 2, y + tall / 2 + 4.6, texts[(row, column)], color=BAND_TEXT[depth], anchor="middle")
    return y + tall


def _heat_key(canvas: Canvas, y: float, cuts: Sequence[float], share: bool, hidden: str) -> float:
    ends = [percent(c) if share else f"{c:g}" for c in cuts]
    words = [f"under {ends[0]}", *(f"{a} to {b}" for a, b in pairwise(ends)), f"{ends[-1]} or more"]
    items = [(BANDS[i], w) for i, w in enumerate(words)] + ([("", hidden)] if hidden else [])
    x = 0.0
    for fill, text in items:
        wide = 19 + text_width(text)
        if x and x + wide > canvas.width:
            x, y = 0.0, y + 20
        canvas.rect(
            x + 0.5, y - 10, 12, 12, fill=fill or WHITE, stroke=DEEP if fill else GRAY, dash="" if fill else "3 2"
        )
        canvas.text(x + 18, y, text)
        x += wide + 14
    return y + 8


def day_dots(*, best: float, high: float, words: tuple[str, str] = ("", ""), total: int = 180,
             widths: Sequence[int] = FULL) -> Drawing:
    """A school year of dots: solid for the best estimate of days gained, rings up to the interval's upper end.

    Only for a gain (0 <= best <= high); whole days, rounded. words: two lines over the dots, the first in bold.
    """
    if not known([best, high]) or not 0 <= best <= high:
        raise ValueError("day_dots shows a gain: it needs 0 <= best <= high.")
    solid, rings = min(round(best), total), min(round(high), total)

    def paint(canvas: Canvas) -> float:
        n_across = 36 if canvas.width >= 400 else 30 if canvas.width >= 300 else 20
        n_down = -(-total // n_across)
        step = canvas.width / n_across
        top = _dot_words(canvas, words)
        for k in range(total):
            column, row = divmod(total - 1 - k, n_down)
            x, y = (column + 0.5) * step, top + (row + 0.5) * step
            order = _dot_order(column, row, total, n_down)
            if order < solid:
                canvas.circle(x, y, 0.38 * step, fill=DEEP)
            elif order < rings:
                canvas.circle(x, y, 0.38 * step - 0.9, fill=WHITE, stroke=DEEP, width=1.8)
            else:
                canvas.circle(x, y, 0.34 * step, fill=DOT_BLUE)
        return top + n_down * step + 2

    return draw("day_dots", widths, paint)


def _dot_order(column: int, row: int, total: int, n_down: int) -> int:
    """How early a dot is marked: the last column first, from the top down."""
    last = -(-total // n_down) - 1
    return (last - column) * n_down + row


def _dot_words(canvas: Canvas, words: tuple[str, str]) -> float:
    y = 0.0
    for text, weight, color in ((words[0], 700, INK), (words[1], 400, SOFT)):
        for line in wrap(text, canvas.width, weight=weight) if text else []:
            canvas.text(canvas.width, y + 14, line, weight=weight, color=color, anchor="end")
            y += LINE
    if y:
        canvas.line(canvas.width - 7, y + 3, canvas.width - 7, y + 20, color=DEEP, width=1.2)
    return y + 24 if y else 0.0
