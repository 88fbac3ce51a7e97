"""Shares as lengths: attendance bands, reasons, weekdays, a distribution."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from evalkit.figures.canvas import LINE, Canvas, shorten, text_width, wrap
from evalkit.figures.drawing import FULL, THIRD, Drawing, draw, need
from evalkit.figures.marks import marker
from evalkit.figures.palette import BAND_TEXT, BANDS, BLUE, DEEP, DOT_BLUE, GRAY, GRID, INK, SOFT
from evalkit.figures.scale import Scale, bounds, known, tick_text
from evalkit.tables import is_missing, number, percent

BAND_COLUMNS = ("satisfactory", "at_risk", "moderate", "severe", "extreme")
BAND_WORDS = ("Under 5%", "5–10%", "10–20%", "20–50%", "50% or more")


def band_bars(data: pd.DataFrame, *, label: str = "label", shares: Sequence[str] = BAND_COLUMNS,
              words: Sequence[str] = BAND_WORDS, missed: str = "missed 10% or more", hidden: str = "hidden",
              now: str = "now", widths: Sequence[int] = FULL) -> Drawing:
    """The five attendance bands as one bar per time or group. Grain: one row per bar; the last is the newest, in bold.

    `shares`: five columns of 0 to 1 that add up to 1. The ink tick stands where the third band begins (10 %); its words
    give the share beyond it. A row with a missing share shows the word "hidden" instead of a bar. Where a band is too
    thin for its number, the key under the figure gives the newest bar's.
    """
    frame = need(data, "band_bars", label, *shares)
    known_rows = frame.dropna(subset=list(shares))

    def paint(canvas: Canvas) -> float:
        first = frame[list(shares)].iloc[0]
        y = 0.0 if first.isna().any() else _band_heads(canvas, first.to_numpy(), words)
        keyed = y == 0.0 and len(known_rows) > 0
        told = {
            i for i, s in enumerate(shares) if len(known_rows) and all(_fits(v, canvas.width) for v in known_rows[s])
        }
        for i in range(len(frame)):
            y = _band_row(canvas, y, frame.iloc[i], label, shares, missed, hidden, told, newest=i == len(frame) - 1)
        newest = frame[list(shares)].iloc[-1]
        untold = {} if newest.isna().any() else {i: float(v) for i, v in enumerate(newest) if i not in told}
        return _band_key(canvas, y, [f"{word} ({now} {percent(untold[i], 1)})" if i in untold else word
                                     for i, word in enumerate(words)]) if keyed else y

    return draw("band_bars", widths, paint)


def _fits(share: float, width: float) -> bool:
    return text_width(percent(share, 1)) + 0.5 <= width * share


def _band_heads(canvas: Canvas, row: Any, words: Sequence[str]) -> float:
    """Band names over the first bar, where all fit on two lines; else 0 and a key under the figure."""
    starts = [canvas.width * float(sum(row[:i])) for i in range(len(words))]
    wides = [text_width(w) for w in words]
    starts[-2] = min(starts[-2], canvas.width - 8 - wides[-2])
    ends = [s + w for s, w in zip(starts, wides, strict=True)]
    if any(ends[i] + 6 > starts[i + 1] for i in range(len(words) - 2)) or ends[-2] > canvas.width:
        return 0.0
    for x, text in zip(starts[:-1], words[:-1], strict=True):
        canvas.text(x, 32, text)
    canvas.text(canvas.width, 14, words[-1], anchor="end")
    canvas.line(canvas.width - 0.6, 19, canvas.width - 0.6, 59, width=1)
    return 36.0


def _band_row(canvas: Canvas, y: float, row: Any, label: str, shares: Sequence[str], missed: str, hidden: str,
              told: set[int], *, newest: bool) -> float:
    weight, tall = (700, 28.0) if newest else (400, 20.0)
    values = [row[s] for s in shares]
    if any(is_missing(v) for v in values):
        canvas.text(0, y + 18, shorten(str(row[label]), canvas.width, weight=weight), weight=weight)
        canvas.rect(0.5, y + 25, canvas.width - 1, tall, stroke=GRAY, stroke_width=1, dash="4 3")
        canvas.text(canvas.width / 2, y + 29.5 + tall / 2, hidden, anchor="middle")
        return y + 25 + tall + 20
    beyond = float(sum(values[2:]))
    y = _band_line(canvas, y, str(row[label]), f"{percent(beyond, 1)} {missed}", weight)
    _band_boxes(canvas, y, [float(v) for v in values], tall, told)
    tick = canvas.width * (1 - beyond)
    canvas.line(
        min(max(tick, 1.25), canvas.width - 1.25),
        y - 4,
        min(max(tick, 1.25), canvas.width - 1.25),
        y + tall + 4,
        width=2.5,
    )
    return y + tall + 20


def _band_line(canvas: Canvas, y: float, left: str, right: str, weight: int) -> float:
    """The line over a bar: its name and its share; two lines where one is too narrow."""
    clear = canvas.width - 8 if y else canvas.width
    if text_width(left, weight=weight) + text_width(right, weight=weight) + 12 <= clear:
        canvas.text(0, y + 17, left, weight=weight)
        canvas.text(clear, y + 17, right, weight=weight, anchor="end")
        return y + 25
    canvas.text(0, y + 17, shorten(left, clear, weight=weight), weight=weight)
    canvas.text(0, y + 34, shorten(right, clear, weight=weight), weight=weight)
    return y + 42


def _band_boxes(canvas: Canvas, y: float, values: list[float], tall: float, told: set[int]) -> None:
    """The segments; a band carries its number in every bar or in none."""
    x = 0.0
    for i, value in enumerate(values):
        wide = canvas.width * value
        canvas.rect(x + 0.4, y, wide - 0.4, tall, fill=BANDS[i], stroke=DEEP)
        if i in told:
            canvas.text(x + wide / 2, y + tall / 2 + 4.6, percent(value, 1), color=BAND_TEXT[i], anchor="middle")
        x += wide


def _band_key(canvas: Canvas, y: float, words: Sequence[str]) -> float:
    x, y = 0.0, y + 8
    for i, text in enumerate(words):
        wide = 19 + text_width(text)
        if x and x + wide > canvas.width:
            x, y = 0.0, y + 20
        canvas.rect(x + 0.5, y - 10, 12, 12, fill=BANDS[i], stroke=DEEP)
        canvas.text(x + 18, y, text)
        x += wide + 14
    return y + 8


def share_bars(
    data: pd.DataFrame,
    *,
    label: str = "label",
    share: str = "share",
    text: str = "",
    hidden: str = "hidden",
    decimals: int = 0,
    widths: Sequence[int] = THIRD,
) -> Drawing:
    """Shares as bars from zero, name above, number at the end. Grain: one row per item, in the order to show.

    `share` is 0 to 1; `text` a column with the words at the bar's end (the percent when not given).
    """
    frame = need(data, "share_bars", label, share)
    texts = [hidden if is_missing(v) else str(frame[text].iloc[i]) if text else percent(v, decimals)
             for i, v in enumerate(frame[share])]

    def paint(canvas: Canvas) -> float:
        longest = max([*known(frame[share]), 1e-9])
        room = canvas.width - max(text_width(t, weight=600) for t in texts) - 8
        y = 0.0
        for i in range(len(frame)):
            y = canvas.lines(0, y + 14, wrap(str(frame[label].iloc[i]), canvas.width, most=2)) - LINE + 6
            value = frame[share].iloc[i]
            wide = 0.0 if is_missing(value) else max(1.0, room * float(value) / longest)
            canvas.rect(0, y, wide, 11, fill=BLUE)
            canvas.text(wide + 6 if wide else 0, y + 10, texts[i], weight=600)
            y += 18
        return y

    return draw("share_bars", widths, paint)


def weekday_dots(
    data: pd.DataFrame,
    *,
    panel: str = "panel",
    day: str = "day",
    value: str = "value",
    low: str = "ci_low",
    high: str = "ci_high",
    strong: str = "strong",
    decimals: int = 1,
    widths: Sequence[int] = THIRD,
) -> Drawing:
    """Shares absent by weekday in one or two panels on one scale from zero. Grain: one row per panel and day, in order.

    Shares are 0 to 1. The first panel is drawn as rings when there are two. The highest and lowest day carry numbers;
    `strong` is a yes/no column of the days to set in bold (those two when it is not there).
    """
    frame = need(data.assign(**{panel: ""}) if panel not in data.columns else data, "weekday_dots", day, value)
    frame = frame if strong in frame.columns else frame.assign(**{strong: pd.NA})
    for column in (low, high):
        frame = frame if column in frame.columns else frame.assign(**{column: float("nan")})
    panels = [(str(name), part.reset_index(drop=True)) for name, part in frame.groupby(panel, sort=False)]

    def paint(canvas: Canvas) -> float:
        _, top_value, ticks = bounds([*frame[value], *frame[high]], most=4)
        axis = max(text_width(percent(t)) for t in ticks) + 8
        scale = Scale(0.0, top_value, 206.0, 40.0)
        for i, tick in enumerate(ticks):
            words = tick_text(tick, ticks[1], share=True) + ("%" if i == len(ticks) - 1 else "")
            canvas.text(axis - 8, scale(tick) + 4.5, words, color=SOFT, anchor="end")
        gap = 16.0
        wide = (canvas.width - axis - gap * (len(panels) - 1)) / len(panels)
        for i, (name, part) in enumerate(panels):
            left = axis + i * (wide + gap)
            _weekday_panel(canvas, scale, ticks, left, wide, name, part, (day, value, low, high),
                           "comparison" if i == 0 and len(panels) > 1 else "program", decimals, strong)
        return 230.0

    return draw("weekday_dots", widths, paint)


def _weekday_panel(canvas: Canvas, scale: Scale, ticks: Sequence[float], left: float, wide: float, name: str,
                   part: pd.DataFrame, columns: tuple[str, str, str, str], kind: str, decimals: int,
                   strong: str) -> None:
    day, value, low, high = columns
    for tick in ticks:
        canvas.line(left, scale(tick), left + wide, scale(tick), color=GRID if tick else INK, width=1 if tick else 1.3)
    canvas.text(left, 14, shorten(name, wide + 8, weight=700), weight=700)
    step = wide / len(part)
    marked = {part[value].idxmax(), part[value].idxmin()} if known(part[value]) else set()
    short = step < max(text_width(str(d)[:3], weight=700) for d in part[day]) + 4
    for i, row in part.iterrows():
        x = left + step * (int(str(i)) + 0.5)
        bold = i in marked if is_missing(row[strong]) else bool(row[strong])
        canvas.text(x, 224, str(row[day])[:1 if short else 3], weight=700 if bold else 400, anchor="middle")
        if is_missing(row[value]):
            continue
        color = GRAY if kind == "comparison" else BLUE
        if not is_missing(row[low]) and not is_missing(row[high]):
            canvas.line(x, scale(row[low]), x, scale(row[high]), color=color, width=3)
        marker(canvas, x, scale(row[value]), kind)
        if i in marked:
            words = number(100 * row[value], decimals)
            half = text_width(words, weight=600) / 2
            upper = row[value] if is_missing(row[high]) else row[high]
            canvas.text(min(max(x, left + half), canvas.width - half), scale(upper) - 9, words, weight=600,
                        anchor="middle", halo=True)


def distribution(
    data: pd.DataFrame,
    *,
    low: str = "low",
    high: str = "high",
    count: str = "n",
    series: str = "",
    line_at: float | None = None,
    line_words: str = "",
    unit: str = "",
    widths: Sequence[int] = FULL,
) -> Drawing:
    """Counts in bins, drawn from (protected) counts only. Grain: one row per bin (and series, at most two).

    The first series is filled, a second one an ink outline; a bin with a missing count shows the word "hidden".
    """
    frame = need(data, "distribution", low, high, count)
    names = list(dict.fromkeys(frame[series])) if series else [""]

    def paint(canvas: Canvas) -> float:
        _, most, ticks = bounds(frame[count], most=4)
        axis = max(text_width(number(t)) for t in ticks) + 8
        across = Scale(float(frame[low].min()), float(frame[high].max()), axis, canvas.width - 4.0)
        up = Scale(0.0, most, 200.0, 24.0)
        for tick in ticks:
            canvas.line(axis, up(tick), canvas.width, up(tick), color=GRID if tick else INK)
            canvas.text(axis - 8, up(tick) + 4.5, number(tick), color=SOFT, anchor="end")
        for i, name in enumerate(names):
            _bins(
                canvas, across, up, frame[frame[series] == name] if series else frame, (low, high, count), outline=i > 0
            )
        _bin_axis(canvas, across, sorted({*frame[low], *frame[high]}), unit)
        if line_at is not None:
            canvas.line(across.clip(line_at), 18, across.clip(line_at), 200, width=2.5)
            half = text_width(line_words) / 2
            canvas.text(min(max(across.clip(line_at), half), canvas.width - half), 13, line_words, anchor="middle")
        return 240.0 if unit else 224.0

    return draw("distribution", widths, paint)


def _bins(canvas: Canvas, across: Scale, up: Scale, part: pd.DataFrame, columns: tuple[str, str, str], *,
          outline: bool) -> None:
    low, high, count = columns
    for _, row in part.iterrows():
        a, b = across(row[low]), across(row[high])
        if is_missing(row[count]):
            canvas.rect(a + 1, 180, b - a - 2, 20, stroke=GRAY, dash="3 2")
        elif outline:
            canvas.rect(a + 3, up(row[count]), b - a - 6, 200 - up(row[count]), stroke=INK, stroke_width=1.6)
        else:
            canvas.rect(a + 0.6, up(row[count]), b - a - 1.2, 200 - up(row[count]), fill=DOT_BLUE, stroke=DEEP)


def _bin_axis(canvas: Canvas, across: Scale, edges: Sequence[float], unit: str) -> None:
    right = -99.0
    for edge in edges:
        text = f"{edge:g}"
        half = text_width(text) / 2
        x = min(max(across(edge), half), canvas.width - half)
        if x - half > right + 6:
            canvas.text(x, 218, text, color=SOFT, anchor="middle")
            right = x + half
    if unit:
        canvas.text(canvas.width, 235, unit, color=SOFT, anchor="end")


