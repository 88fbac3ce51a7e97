"""Values over months: mentored beside similar students, and small panels on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from evalkit.figures.canvas import Canvas, px, shorten, text_width, wrap
from evalkit.figures.drawing import FULL, Drawing, draw, need
from evalkit.figures.marks import key_line, marker
from evalkit.figures.palette import BLUE, GRAY, GRID, INK, SOFT
from evalkit.figures.scale import Scale, bounds, known, tick_text
from evalkit.tables import is_missing, number, percent


def trend_lines(
    data: pd.DataFrame,
    *,
    x: str = "month",
    program: str = "program",
    comparison: str = "comparison",
    change: str = "change",
    words: tuple[str, str] = ("With a mentor", "Similar students"),
    share: bool = True,
    decimals: int = 1,
    zero: bool = True,
    widths: Sequence[int] = FULL,
) -> Drawing:
    """Two series by month with direct labels. Grain: one row per month, in order. A missing value breaks its line.

    Columns `<series>_low` and `<series>_high`, where there, are drawn as intervals. `change` holds the words of a plan
    change that came before the month: a dotted line with its number. `share`: values are 0 to 1, shown in percent.
    """
    frame = need(data, "trend_lines", x, program)
    series = [(program, "program", words[0], BLUE), (comparison, "comparison", words[1], GRAY)]
    series = [item for item in series if item[0] in frame.columns and known(frame[item[0]])]
    all_values = [v for item in series for c in (item[0], f"{item[0]}_low", f"{item[0]}_high") if c in frame.columns
                  for v in frame[c]]

    shown = [percent(known(frame[item[0]])[-1], decimals) if share else number(known(frame[item[0]])[-1], decimals)
             for item in series]
    room = max((text_width(t, weight=600) for t in shown), default=0.0) + 14

    def paint(canvas: Canvas) -> float:
        low, high, ticks = bounds(all_values, most=5, zero=zero)
        axis = max(text_width(_tick(t, ticks, share)) for t in ticks) + 10
        right = max((text_width(w, weight=600) for _, _, w, _ in series), default=0.0) + 14
        below = right > 0.32 * canvas.width
        right = room if below else max(right, room)
        across = Scale(0, max(len(frame) - 1, 1), axis + 12, canvas.width - right)
        up = Scale(low, high, 226.0, 40.0)
        _y_axis(canvas, up, ticks, axis, across.right + 10, share)
        _x_axis(canvas, across, [str(v) for v in frame[x]], 246.0)
        _changes(canvas, across, frame, change, up)
        for column, kind, _, color in series:
            _series(canvas, across, up, frame, column, kind, color)
        _end_words(canvas, across, up, frame, series, share, decimals, with_names=not below)
        return key_line(canvas, 272.0, [(kind, name) for _, kind, name, _ in series]) if below else 254.0

    return draw("trend_lines", widths, paint)


def _tick(value: float, ticks: Sequence[float], share: bool) -> str:
    return tick_text(value, ticks[1] - ticks[0], share=share) + ("%" if share and value == ticks[-1] else "")


def _y_axis(canvas: Canvas, up: Scale, ticks: Sequence[float], left: float, right: float, share: bool) -> None:
    for tick in ticks:
        canvas.line(left, up(tick), right, up(tick), color=INK if tick == 0 else GRID, width=1.3 if tick == 0 else 1)
        canvas.text(left - 8, up(tick) + 4.5, _tick(tick, ticks, share), color=SOFT, anchor="end")


def _x_axis(canvas: Canvas, across: Scale, labels: Sequence[str], y: float) -> None:
    """Month names under their points; shortened to three letters, then every second, so that none touch."""
    step = (across.right - across.left) / max(len(labels) - 1, 1)
    texts = [t if max(text_width(u) for u in labels) + 6 <= step else t[:3] for t in labels]
    every = next(k for k in (1, 2, 3, 4, 6, 12, 99) if max(text_width(t) for t in texts) + 6 <= step * k)
    for i in range(0, len(texts), every):
        half = text_width(texts[i]) / 2
        canvas.text(min(max(across(i), half), canvas.width - half), y, texts[i], color=SOFT, anchor="middle")


def _changes(canvas: Canvas, across: Scale, frame: pd.DataFrame, change: str, up: Scale) -> None:
    edge = -99.0
    for i in range(len(frame)):
        text = "" if change not in frame.columns or is_missing(frame[change].iloc[i]) else str(frame[change].iloc[i])
        if not text:
            continue
        at = across(max(i - 0.5, 0))
        canvas.line(at, 20, at, up.left, width=1.2, dash="3 3")
        wide = text_width(text, weight=600)
        left = min(max(at - wide / 2, 0), canvas.width - wide)
        if left > edge:
            canvas.text(left, 14, text, weight=600)
            edge = left + wide + 6


def _series(canvas: Canvas, across: Scale, up: Scale, frame: pd.DataFrame, column: str, kind: str, color: str) -> None:
    pieces, pen = [], "M"
    for i, value in enumerate(frame[column]):
        if is_missing(value):
            pen = "M"
            continue
        pieces.append(f"{pen}{px(across(i))} {px(up(float(value)))}")
        pen = "L"
    canvas.path("".join(pieces), stroke=color, width=2.4 if kind == "program" else 2.0)
    for i, value in enumerate(frame[column]):
        if is_missing(value):
            continue
        ends = [frame[c].iloc[i] for c in (f"{column}_low", f"{column}_high") if c in frame.columns]
        if len(ends) == 2 and len(known(ends)) == 2:
            canvas.line(across(i), up(ends[0]), across(i), up(ends[1]), color=color, width=2.4)
        marker(canvas, across(i), up(float(value)), kind, size=4.2)


def _end_words(canvas: Canvas, across: Scale, up: Scale, frame: pd.DataFrame, series: list[tuple[str, str, str, str]],
               share: bool, decimals: int, *, with_names: bool) -> None:
    """Name and last value at the right end of each line, moved apart where they would touch."""
    ends: list[list[Any]] = []
    for column, _, name, color in series:
        last = frame[column].last_valid_index()
        value = float(frame[column].loc[last])  # type: ignore[index]
        ends.append(
            [
                up(value),
                name if with_names else "",
                percent(value, decimals) if share else number(value, decimals),
                color,
            ]
        )
    ends.sort(key=lambda end: end[0])
    _spread(ends, 34.0 if with_names else 17.0, up.left - (14 if with_names else 2))
    for y, name, value, color in ends:
        ink = INK if color == GRAY else color
        if name:
            canvas.text(across.right + 12, y - 1, name, weight=600, color=ink)
        canvas.text(across.right + 12, y + (15 if name else 4.5), value, color=ink, weight=600)


def _spread(ends: list[list[Any]], room: float, lowest: float) -> None:
    """Move words apart so that `room` px lie between them and none stands under `lowest`."""
    if len(ends) == 2 and ends[1][0] - ends[0][0] < room:
        middle = (ends[0][0] + ends[1][0]) / 2
        ends[0][0], ends[1][0] = middle - room / 2, middle + room / 2
    for i in reversed(range(len(ends))):
        ends[i][0] = min(ends[i][0], lowest)
        lowest = ends[i][0] - room


def small_multiples(data: pd.DataFrame, *, panel: str = "panel", x: str = "month", value: str = "value",
                    reference: str = "", share: bool = True, decimals: int = 0, zero: bool = True,
                    widths: Sequence[int] = FULL) -> Drawing:
    """One small line per panel, all on one scale; `reference` a column drawn as a thin gray line behind.

    Grain: one row per panel and month, in order. Only the last value of each panel carries a number.
    """
    frame = need(data, "small_multiples", panel, x, value)
    parts = [(str(name), part.reset_index(drop=True)) for name, part in frame.groupby(panel, sort=False)]

    def paint(canvas: Canvas) -> float:
        n_across = min(len(parts), 2 if canvas.width < 400 else 3 if canvas.width < 600 else 4)
        gap = 18.0
        wide = (canvas.width - gap * (n_across - 1)) / n_across
        low, high, _ = bounds([*frame[value], *(frame[reference] if reference else ())], most=4, zero=zero)
        titles = [wrap(name, wide, weight=600, most=2) for name, _ in parts]
        head = 17.0 * max(len(t) for t in titles)
        tall = head + 84
        for i, (_, part) in enumerate(parts):
            left, top = (i % n_across) * (wide + gap), (i // n_across) * tall
            canvas.lines(left, top + 13, titles[i], weight=600)
            _small_panel(canvas, part, (x, value, reference), left, top + head + 8, wide, (low, high), share, decimals)
        return tall * -(-len(parts) // n_across)

    return draw("small_multiples", widths, paint)


def _small_panel(
    canvas: Canvas,
    part: pd.DataFrame,
    columns: tuple[str, str, str],
    left: float,
    top: float,
    wide: float,
    span: tuple[float, float],
    share: bool,
    decimals: int,
) -> None:
    x, value, reference = columns
    values = known(part[value])
    words = "hidden" if not values else percent(values[-1], decimals) if share else number(values[-1], decimals)
    across = Scale(0, max(len(part) - 1, 1), left + 4, left + wide - text_width(words, weight=600) - 10)
    up = Scale(*span, top + 46, top + 6)
    base = min(max(0.0, span[0]), span[1])
    canvas.line(left, up(base), across.right + 4, up(base), color=INK if span[0] <= 0 else GRID)
    for column, color, width in ((reference, GRAY, 1.2), (value, BLUE, 2.2)):
        points = [(across(i), up(float(v))) for i, v in enumerate(part[column])
                  if not is_missing(v)] if column else []
        if len(points) > 1:
            canvas.path("M" + "L".join(f"{px(a)} {px(b)}" for a, b in points), stroke=color, width=width)
    if values:
        last = int(part[value].last_valid_index())  # type: ignore[arg-type]
        marker(canvas, across(last), up(values[-1]), "program", size=4)
    canvas.text(across.right + 10, (up(values[-1]) if values else top + 26) + 4.5, words, weight=600)
    names = [str(part[x].iloc[i]) for i in (0, -1)]
    first, end = (n if text_width(names[0] + names[1]) + 12 <= across.right - left else shorten(n[:3], wide / 2 - 8)
                  for n in names)
    canvas.text(left, top + 64, first, color=SOFT)
    if len(part) > 1:
        canvas.text(max(across.right + 4, left + text_width(first) + 8 + text_width(end)), top + 64, end, color=SOFT,
                    anchor="end")
