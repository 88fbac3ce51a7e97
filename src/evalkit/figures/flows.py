"""Who went where: from the roster to the analysis, and from last year's band to this year's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from evalkit.figures.canvas import LINE, Canvas, px, shorten, text_width, wrap
from evalkit.figures.drawing import FULL, Drawing, draw, need
from evalkit.figures.palette import BANDS, BLUE, DEEP, GRAY, INK, PALE_BLUE, WHITE
from evalkit.tables import is_missing, number, percent


def flow_diagram(data: pd.DataFrame, *, step: str = "step", n: str = "n", text: str = "text", kind: str = "kind",
                 hidden: str = "hidden", widths: Sequence[int] = FULL) -> Drawing:
    """From the roster to the analysis, top to bottom. Grain: one row per box; boxes of one `step` stand side by side.

    kind: kept (solid frame), out (dashed: left out, with the reason in `text`), end (blue: compared).
    """
    frame = need(data, "flow_diagram", step, n, text, kind)
    steps = [part.reset_index(drop=True) for _, part in frame.groupby(step, sort=False)]

    def paint(canvas: Canvas) -> float:
        y = 1.0
        for i, part in enumerate(steps):
            wide = (canvas.width - 10.0 * (len(part) - 1)) / len(part)
            boxes = [_flow_lines(row, n, text, wide - 18, hidden) for _, row in part.iterrows()]
            tall = 12 + LINE * max(len(lines) for lines in boxes)
            for j, lines in enumerate(boxes):
                _flow_box(canvas, j * (wide + 10), y, wide, tall, lines, str(part[kind].iloc[j]))
            if i + 1 < len(steps):
                _flow_joins(canvas, y + tall, len(part), len(steps[i + 1]))
            y += tall + 14
        return y - 13

    return draw("flow_diagram", widths, paint)


def _flow_lines(row: Any, n: str, text: str, width: float, hidden: str) -> list[list[tuple[str, int]]]:
    """The box's words: the count in bold, then the rest, wrapped together."""
    count = hidden if is_missing(row[n]) else number(row[n])
    first = width - text_width(count + " ", weight=700)
    words = str(row[text]).split()
    head = ""
    while words and text_width(f"{head} {words[0]}".strip()) <= first:
        head = f"{head} {words.pop(0)}".strip()
    lines: list[list[tuple[str, int]]] = [[(count, 700), (head, 400)]]
    return lines + [[(line, 400)] for line in (wrap(" ".join(words), width, most=5) if words else [])]


def _flow_box(canvas: Canvas, x: float, y: float, wide: float, tall: float, lines: list[list[tuple[str, int]]],
              kind: str) -> None:
    canvas.rect(x + 0.8, y, wide - 1.6, tall, fill=PALE_BLUE if kind == "end" else WHITE,
                stroke=DEEP if kind == "end" else INK if kind == "kept" else GRAY,
                stroke_width=1.8 if kind == "end" else 1.1, dash="4 3" if kind == "out" else "")
    for i, pieces in enumerate(lines):
        at = x + 9
        for text, weight in pieces:
            if text:
                at += canvas.text(at, y + 18 + i * LINE, text, weight=weight) + text_width(" ")


def _flow_joins(canvas: Canvas, y: float, here: int, below: int) -> None:
    """Short lines down to the next step, one per narrower box."""
    n = max(here, below)
    wide = (canvas.width - 10.0 * (n - 1)) / n
    for j in range(n):
        at = j * (wide + 10) + wide / 2
        canvas.line(at, y, at, y + 14, color=INK)


def flow_bands(data: pd.DataFrame, *, panel: str = "panel", source: str = "source", target: str = "target",
               share: str = "share", heads: tuple[str, str] = ("Last year", "This year"), strong: Sequence[str] = (),
               depths: dict[str, int] | None = None, widths: Sequence[int] = FULL) -> Drawing:
    """How students moved between bands, one panel per group, on one scale. Grain: one row per panel, source and target.

    `share` is of all students of the panel (they add up to 1). Bands keep the order in which they first come; `strong`
    names the targets whose flows are drawn in color; `depths` gives each band its depth of blue (0 to 4).
    """
    frame = need(data, "flow_bands", source, target, share)
    frame = frame if panel in frame.columns else frame.assign(**{panel: ""})
    panels = [(str(name), part) for name, part in frame.groupby(panel, sort=False)]
    order = list(dict.fromkeys([*frame[target], *frame[source]]))
    shades = depths or {band: min(i + 1, 4) for i, band in enumerate(order)}

    def paint(canvas: Canvas) -> float:
        n_across = 1 if canvas.width < 400 else len(panels)
        gap = 26.0
        wide = (canvas.width - gap * (n_across - 1)) / n_across
        y = 0.0
        for i, (name, part) in enumerate(panels):
            top = y if n_across == 1 else 0.0
            colored = BLUE if i == 0 else GRAY
            bottom = _flow_panel(canvas, part, (source, target, share), (i % n_across) * (wide + gap), top, wide, name,
                                 heads, strong, shades, colored)
            y = max(y, bottom) + (14 if n_across == 1 and i + 1 < len(panels) else 0)
        return y

    return draw("flow_bands", widths, paint)


def _flow_panel(canvas: Canvas, part: pd.DataFrame, columns: tuple[str, str, str], left: float, top: float, wide: float,
                name: str, heads: tuple[str, str], strong: Sequence[str], shades: dict[str, int], color: str) -> float:
    source, target, share = columns
    lines = wrap(name, wide, weight=700, most=2) if name else []
    y = canvas.lines(left, top + 13, lines, weight=700) + 2 if lines else top + 13
    targets = list(dict.fromkeys(part[target]))
    room = max(text_width(str(t)) for t in targets) + 8
    right = left + wide - min(max(room, 60.0), 0.45 * wide) - 20
    canvas.text(left, y, shorten(heads[0], right - left - 4))
    canvas.text(right, y, shorten(heads[1], left + wide - right))
    y += 8
    tall, space = 150.0, 6.0
    starts = _stack(part.groupby(source, sort=False)[share].sum(), y, tall, space)
    ends = _stack(part.groupby(target, sort=False)[share].sum(), y, tall, space)
    _ribbons(canvas, part, columns, (left + 20, right), starts, ends, strong, color, tall)
    for band, (at, high) in starts.items():
        canvas.rect(left + 0.5, at, 20, high, fill=BANDS[shades[band]], stroke=DEEP)
    for band, (at, high) in ends.items():
        canvas.rect(right, at, 20, high, fill=BANDS[shades[band]], stroke=DEEP)
    _source_words(canvas, starts, left + 26, right - left - 30)
    return _target_words(canvas, ends, {b: float(v) for b, v in part.groupby(target, sort=False)[share].sum().items()},
                         right + 26, left + wide, y + tall + space * 2)


def _stack(sums: pd.Series, top: float, tall: float, space: float) -> dict[str, tuple[float, float]]:
    """Band -> (top, height), one above the other."""
    found, y = {}, top
    for band, value in sums.items():
        found[str(band)] = (y, tall * float(value))
        y += tall * float(value) + space
    return found


def _ribbons(canvas: Canvas, part: pd.DataFrame, columns: tuple[str, str, str], between: tuple[float, float],
             starts: dict[str, tuple[float, float]], ends: dict[str, tuple[float, float]], strong: Sequence[str],
             color: str, tall: float) -> None:
    source, target, share = columns
    a_used, b_used = dict.fromkeys(starts, 0.0), dict.fromkeys(ends, 0.0)
    (x1, x2), middle = between, (between[0] + between[1]) / 2
    for _, row in part.iterrows():
        a, b, high = str(row[source]), str(row[target]), tall * float(row[share])
        y1, y2 = starts[a][0] + a_used[a], ends[b][0] + b_used[b]
        a_used[a] += high
        b_used[b] += high
        d = (
            f"M{px(x1)} {px(y1)}C{px(middle)} {px(y1)} {px(middle)} {px(y2)} {px(x2)} {px(y2)}L{px(x2)} {px(y2 + high)}"
            f"C{px(middle)} {px(y2 + high)} {px(middle)} {px(y1 + high)} {px(x1)} {px(y1 + high)}Z"
        )
        canvas.path(d, fill=color if b in strong else "#C9D1D8", opacity=0.55 if b in strong else 0.45)


def _source_words(canvas: Canvas, starts: dict[str, tuple[float, float]], x: float, room: float) -> None:
    for band, (at, high) in starts.items():
        if high >= LINE:
            canvas.text(x, at + min(high / 2 + 4.5, 15), shorten(band, room), halo=True)


def _target_words(canvas: Canvas, ends: dict[str, tuple[float, float]], sums: dict[str, float], x: float, edge: float,
                  bottom: float) -> float:
    """Share and name beside each band, pushed down where they would touch."""
    y = 0.0
    for band, (at, high) in ends.items():
        names = wrap(band, edge - x, most=2)
        y = max(y, at + high / 2 - 4)
        canvas.text(x, y, percent(sums[band]), weight=700)
        y = canvas.lines(x, y + 16, names) + 2
    return max(bottom, y)
