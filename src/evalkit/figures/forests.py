"""Values with their intervals, one row each, on one scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from evalkit.figures.canvas import LINE, Canvas, shorten, text_width, wrap
from evalkit.figures.drawing import FULL, THIRD, Drawing, draw, need
from evalkit.figures.marks import interval_bar, marker
from evalkit.figures.palette import BLUE, GRAY, GRID, INK, PALE_BLUE, SOFT
from evalkit.figures.rows import TICK_ROW, Columns, draw_ticks, fitting, inside, row_places, share_width, side_words
from evalkit.figures.scale import Scale, bounds, known, log_bounds
from evalkit.tables import interval, is_missing, number


def interval_looks(data: pd.DataFrame, *, label: str = "label", value: str = "value", low: str = "ci_low",
                   high: str = "ci_high", state: str = "state", change: str = "change", unit: str = "days",
                   sides: tuple[str, str] = ("fewer days", "more days"), decimals: int = 1,
                   widths: Sequence[int] = THIRD) -> Drawing:
    """Each monthly look with its interval, the newest in blue. Grain: one row per look, oldest first.

    `state` holds words shown instead of a marker ("Too early"); `change` the words of a plan change that came before
    the look ("Plan change 1"), drawn as a dotted line above it. Values: more is better, zero is no difference.
    """
    frame = need(data, "interval_looks", label, value, low, high)
    texts = {column: [_word(frame, column, i) for i in range(len(frame))] for column in (state, change)}

    def paint(canvas: Canvas) -> float:
        at = share_width(canvas, frame[label].map(str).tolist() + [c for c in texts[change] if c], [], [], pad=10)
        lo, hi, ticks = bounds([*frame[low], *frame[high], *frame[value]], most=4)
        scale = Scale(lo, hi, at.left + 8, canvas.width - 10)
        top = side_words(canvas, scale, sides)
        y, rows = top, []
        for i in range(len(frame)):
            y += 20 if texts[change][i] else 0
            rows.append(y + 20)
            y += 37
        draw_ticks(canvas, scale, ticks, top, y, signed=True, below=True)
        for i, at_y in enumerate(rows):
            if texts[change][i]:
                canvas.line(0, at_y - 20, canvas.width, at_y - 20, width=1.2, dash="3 3")
                canvas.text(0, at_y - 25, texts[change][i], weight=600)
            _look(canvas, scale, at_y, frame.iloc[i], (label, value, low, high), texts[state][i], at.label_width,
                  newest=i == len(frame) - 1, words=lambda v: f"{number(v, decimals, signed=True)} {unit}")
        return y + 24

    return draw("interval_looks", widths, paint)


def _word(frame: pd.DataFrame, column: str, i: int) -> str:
    return "" if column not in frame.columns or is_missing(frame[column].iloc[i]) else str(frame[column].iloc[i])


def _look(canvas: Canvas, scale: Scale, y: float, row: Any, columns: tuple[str, str, str, str], state: str,
          label_width: float, *, newest: bool, words: Callable[[float], str]) -> None:
    label, value, low, high = columns
    weight = 700 if newest else 400
    lines = wrap(str(row[label]), label_width + 4, weight=weight, most=2)
    canvas.lines(0, y + 4.5 - LINE * (len(lines) - 1) / 2, lines, weight=weight)
    if state or is_missing(row[value]):
        x = min(max(scale(0), scale.left) + 7, canvas.width - text_width(state))
        canvas.text(max(x, 0), y + 4.5, state, color=SOFT)
        return
    color = BLUE if newest else GRAY
    interval_bar(canvas, scale, y, row[low], row[high], color=color)
    marker(canvas, scale.clip(float(row[value])), y, "program" if newest else "comparison", color=color)
    if newest:
        text = words(float(row[value]))
        x, anchor = inside(canvas, _beside_zero(scale, float(row[value]), text), text, 700)
        canvas.text(x, y - 10, text, weight=700, anchor=anchor, halo=True)


def _beside_zero(scale: Scale, value: float, text: str) -> float:
    """The middle of a label over its marker, moved so that the zero line does not run through it."""
    x, half = scale.clip(value), text_width(text, weight=700) / 2
    zero = scale.clip(0)
    if abs(x - zero) >= half + 4 or not scale.low <= 0 <= scale.high:
        return x
    right, left = zero + half + 4, zero - half - 4
    return right if (value >= 0 and right + half <= scale.right + 10) or left - half < 0 else left


def interval_forest(data: pd.DataFrame, *, label: str = "label", value: str = "value", low: str = "ci_low",
                    high: str = "ci_high", count: str = "n", group: str = "", text: str = "", decimals: int = 1,
                    overall: tuple[float, float, float] | None = None, sides: tuple[str, str] = ("", ""),
                    signed: bool = True, hidden: str = "hidden", widths: Sequence[int] = FULL) -> Drawing:
    """Groups or schools with their interval on one scale. Grain: one row per group, in its natural order.

    `group` starts a gap where it changes; `overall` (value, low, high) is a dashed line with a band; `text` a column
    with the words at the right (made from the value and interval when not given). A row without a value shows the
    word `hidden`.
    """
    frame = need(data, "interval_forest", label, value, low, high)
    words = ([str(t) for t in frame[text]] if text else
             [hidden if is_missing(v) else f"{number(v, decimals)} ({interval(a, b, decimals)})"
              for v, a, b in zip(frame[value], frame[low], frame[high], strict=True)])
    counts = ["" if is_missing(n) else number(n) for n in frame[count]] if count in frame.columns else []
    groups = frame[group].tolist() if group else [0] * len(frame)

    def paint(canvas: Canvas) -> float:
        return _forest(canvas, frame, (label, value, low, high), words, counts, groups, overall, sides, signed)

    return draw("interval_forest", widths, paint)


def _forest(canvas: Canvas, frame: pd.DataFrame, columns: tuple[str, str, str, str], words: list[str],
            counts: list[str], groups: list[Any], overall: tuple[float, float, float] | None, sides: tuple[str, str],
            signed: bool) -> float:
    label = columns[0]
    stacked = canvas.width < 400
    at = share_width(canvas, [] if stacked else frame[label].map(str).tolist(), [] if stacked else counts,
                  [] if stacked else words)
    lo, hi, ticks = bounds([*_shown_ends(frame, columns), *(overall or ())], most=4 if stacked else 5)
    scale = Scale(lo, hi, 8 if stacked else at.left + 6, canvas.width - 8 if stacked else at.right)
    top = TICK_ROW + (17 if any(sides) else 0)
    names = frame[label].map(str).tolist()
    split = stacked and not _one_line(canvas, names, counts, words)
    rows, y = row_places(names, groups, top, at.label_width, stacked, split=split)
    strips = [(at_y - 8, at_y + 9) for at_y, _ in rows] if stacked else [(top, y)]
    band = [scale.clip(v) for v in overall or ()]
    for start, end in strips if band else ():
        canvas.rect(band[1], start, band[2] - band[1], end - start, fill=PALE_BLUE)
    if any(sides):
        side_words(canvas, scale, sides)
    draw_ticks(canvas, scale, ticks, top, y, signed=signed, strips=strips, cut_zero=stacked)
    for start, end in strips if band else ():
        canvas.line(band[0], start, band[0], end, color=BLUE, width=1.5, dash="4 3")
    for i, (at_y, lines) in enumerate(rows):
        _forest_row(
            canvas, scale, at, at_y, lines, frame.iloc[i], columns, words[i], counts[i] if counts else "", stacked,
            split
        )
    return y + 4


def _one_line(canvas: Canvas, names: list[str], counts: list[str], words: list[str]) -> bool:
    """Whether every name with its count and its words fit one line over the interval (on a phone)."""
    tails = [f" ({count})" if count else "" for count in counts] or [""] * len(names)
    return all(text_width(name + tail) + text_width(text, weight=600) + 12 <= canvas.width
               for name, tail, text in zip(names, tails, words, strict=True))


def _shown_ends(frame: pd.DataFrame, columns: tuple[str, str, str, str]) -> list[float]:
    """What the scale must hold: every value, and every interval but those many times wider than the middle one.

    A wider one is drawn to the edge with an arrow instead of an end tick; its words at the right give both ends.
    """
    _, value, low, high = columns
    ends = [(float(a), float(b)) for a, b in zip(frame[low], frame[high], strict=True)
            if not is_missing(a) and not is_missing(b)]
    middle = sorted(b - a for a, b in ends)[len(ends) // 2] if ends else 0.0
    return [*known(frame[value]), *(end for a, b in ends if b - a <= 4 * middle for end in (a, b))]


def _forest_row(canvas: Canvas, scale: Scale, at: Columns, y: float, lines: list[str], row: Any,
                columns: tuple[str, str, str, str], words: str, count: str, stacked: bool, split: bool) -> None:
    _, value, low, high = columns
    if split:
        canvas.text(0, y - 30, shorten(lines[0], canvas.width), halo=True)
        canvas.text(0, y - 13, f"({count})" if count else "", color=SOFT, halo=True)
        canvas.text(canvas.width, y - 13, words, weight=600, anchor="end", halo=True)
    elif stacked:
        right = text_width(words, weight=600)
        tail = f" ({count})" if count else ""
        head = wrap(lines[0] + tail, canvas.width - right - 12, most=1)[0]
        canvas.text(0, y - 13, head, halo=True)
        canvas.text(canvas.width, y - 13, words, weight=600, anchor="end", halo=True)
    else:
        canvas.lines(0, y + 4.5 - LINE * (len(lines) - 1) / 2, lines)
        if count:
            canvas.text(at.count_right, y + 4.5, count, color=SOFT, anchor="end")
        canvas.text(at.text_right, y + 4.5, words, weight=600, anchor="end")
    if not is_missing(row[value]):
        interval_bar(canvas, scale, y, row[low], row[high], color=INK, width=2.4)
        marker(canvas, scale.clip(float(row[value])), y, "program", color=INK)


def rate_ratio_forest(data: pd.DataFrame, *, label: str = "label", value: str = "rate_ratio", low: str = "ci_low",
                      high: str = "ci_high", count: str = "n_students", decimals: int = 2,
                      sides: tuple[str, str] = ("fewer absences", "more absences"), hidden: str = "hidden",
                      widths: Sequence[int] = FULL) -> Drawing:
    """Rate ratios with intervals on a ratio scale; 1 is no difference. Grain: one row per pattern."""
    frame = need(data, "rate_ratio_forest", label, value, low, high)
    words = [hidden if is_missing(v) else f"{number(v, decimals)} ({interval(a, b, decimals)})"
             for v, a, b in zip(frame[value], frame[low], frame[high], strict=True)]
    counts = [number(n) for n in frame[count]] if count in frame.columns else []

    def paint(canvas: Canvas) -> float:
        stacked = canvas.width < 400
        at = share_width(canvas, [] if stacked else frame[label].map(str).tolist(), [] if stacked else counts,
                      [] if stacked else words)
        lo, hi, ticks = log_bounds([*frame[low], *frame[high], *frame[value]])
        scale = Scale(lo, hi, 8 if stacked else at.left + 6, canvas.width - 8 if stacked else at.right, log=True)
        top = TICK_ROW + 17
        names = frame[label].map(str).tolist()
        split = stacked and not _one_line(canvas, names, counts, words)
        rows, y = row_places(names, [0] * len(frame), top, at.label_width, stacked, split=split)
        _ratio_axis(canvas, scale, ticks, sides, top, [(at_y - 8, at_y + 9) for at_y, _ in rows] if stacked
                    else [(top, y)])
        for i, (at_y, lines) in enumerate(rows):
            _forest_row(canvas, scale, at, at_y, lines, frame.iloc[i], (label, value, low, high), words[i],
                        counts[i] if counts else "", stacked, split)
        return y + 4

    return draw("rate_ratio_forest", widths, paint)


def _ratio_axis(canvas: Canvas, scale: Scale, ticks: Sequence[float], sides: tuple[str, str], top: float,
                strips: Sequence[tuple[float, float]]) -> None:
    texts = [f"{t:g}" for t in ticks]
    keep = fitting(canvas, [scale(t) for t in ticks], texts)
    for i, tick in enumerate(ticks):
        for start, end in strips:
            canvas.line(scale(tick), start, scale(tick), end, color=INK if tick == 1 else GRID,
                        width=1.3 if tick == 1 else 1)
        if i in keep or tick == 1:
            x, anchor = inside(canvas, scale(tick), texts[i])
            canvas.text(x, top - 8, texts[i], color=SOFT, anchor=anchor)
    one, (less, more) = scale(1.0), (text_width(s) for s in sides)
    if any(sides) and one - 7 - less >= 0 and one + 7 + more <= canvas.width:
        canvas.text(one - 7, 14, sides[0], color=SOFT, anchor="end")
        canvas.text(one + 7, 14, sides[1], color=SOFT)


def benchmark_forest(data: pd.DataFrame, *, label: str = "label", detail: str = "detail", value: str = "value",
                     low: str = "ci_low", high: str = "ci_high", kind: str = "marker", text: str = "text",
                     unit: str = "days", decimals: int = 1, widths: Sequence[int] = FULL) -> Drawing:
    """This program beside published studies. Grain: one row per study, the program first.

    `marker`: program, lottery (filled diamond) or other (open square); `detail` the line under the name; `text` the
    words beside the marker (made from the value when blank).
    """
    frame = need(data, "benchmark_forest", label, value, kind)
    for column in (low, high):
        frame = frame if column in frame.columns else frame.assign(**{column: float("nan")})
    texts = [_word(frame, text, i) or f"{number(v, decimals)} {unit}"
             + ("" if is_missing(a) else f" ({interval(a, b, decimals)})")
             for i, (v, a, b) in enumerate(zip(frame[value], frame[low], frame[high], strict=True))]

    def paint(canvas: Canvas) -> float:
        lo, hi, ticks = bounds([*frame[value], *frame[low], *frame[high]], most=5 if canvas.width > 400 else 4)
        left = 10.0 if lo < 0 else 44.0 if canvas.width > 400 else 12.0
        scale = Scale(lo, hi, left, canvas.width - 12)
        beside = max(scale(0), left) + 6  # names stand right of zero, where there is room for them
        beside = beside if canvas.width - beside >= 0.4 * canvas.width else 4.0
        places, y = _benchmark_places(canvas, frame, (label, detail), beside)
        for i, (at_y, _) in enumerate(places):
            if frame[kind].iloc[i] == "program":
                canvas.rect(0, at_y - 2, canvas.width, _benchmark_tall(places, i, y), fill=PALE_BLUE)
        strips = [(at_y + LINE * len(lines) + 1, at_y + LINE * len(lines) + 24) for at_y, lines in places]
        draw_ticks(canvas, scale, ticks, TICK_ROW, y, strips=strips)
        for i, (at_y, lines) in enumerate(places):
            _benchmark_row(canvas, scale, at_y, lines, frame.iloc[i], (value, low, high, kind), texts[i])
        return y + 4

    return draw("benchmark_forest", widths, paint)


def _benchmark_places(canvas: Canvas, frame: pd.DataFrame, columns: tuple[str, str],
                      x: float) -> tuple[list[tuple[float, list[tuple[float, str, int]]]], float]:
    """Per study: its top, and its lines as (x, words, weight)."""
    y, places = TICK_ROW + 4, []
    for i in range(len(frame)):
        lines = [(x, t, 600) for t in wrap(str(frame[columns[0]].iloc[i]), canvas.width - x - 4, weight=600, most=2)]
        detail = _word(frame, columns[1], i)
        lines += [(x, t, 400) for t in (wrap(detail, canvas.width - x - 4, most=2) if detail else [])]
        places.append((y, lines))
        y += LINE * len(lines) + 26
    return places, y


def _benchmark_tall(places: list[tuple[float, list[Any]]], i: int, bottom: float) -> float:
    return (places[i + 1][0] if i + 1 < len(places) else bottom) - places[i][0]


def _benchmark_row(canvas: Canvas, scale: Scale, top: float, lines: list[tuple[float, str, int]], row: Any,
                   columns: tuple[str, str, str, str], text: str) -> None:
    value, low, high, kind = columns
    for j, (x, words, weight) in enumerate(lines):
        canvas.text(x, top + 13 + j * LINE, words, weight=weight, color=INK if weight == 600 else SOFT, halo=True)
    y, own = top + LINE * len(lines) + 12, row[kind] == "program"
    if is_missing(row[value]):
        canvas.text(lines[0][0], y + 4.5, text, color=SOFT)
        return
    interval_bar(canvas, scale, y, row[low], row[high], color=BLUE if own else INK)
    at = scale.clip(float(row[value]))
    marker(canvas, at, y, str(row[kind]))
    end = max([at, *(scale.clip(v) for v in known([row[high]]))]) + 10
    start = min([at, *(scale.clip(v) for v in known([row[low]]))]) - 10
    name = (lines[0][0], lines[0][0] + text_width(lines[0][1], weight=600))
    _beside(canvas, (start, end), (y + 4.5, top + 13), scale(0), name, text, 700 if own else 400)


def _beside(canvas: Canvas, sides: tuple[float, float], rows: tuple[float, float], zero: float,
            name: tuple[float, float], text: str, weight: int) -> None:
    """Words to the right of a bar, else to its left; in the row of the name where they would lie on the zero line, and
    on that line after all where the name leaves no room."""
    wide = text_width(text, weight=weight)
    places = ((sides[1], rows[0], zero, zero), (sides[0] - wide, rows[0], zero, zero),
              (zero - 6 - wide, rows[1], *name), (canvas.width - 4 - wide, rows[1], *name))
    free = [(x, y) for x, y, begin, end in places
            if x >= 0 and x + wide <= canvas.width and not (x - 4 < end and begin < x + wide + 4)]
    x, y = free[0] if free else (max(0.0, min(sides[1], canvas.width - wide)), rows[0])
    canvas.text(x, y, text, weight=weight, color=INK, halo=True)
