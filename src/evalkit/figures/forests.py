"""Values with their intervals, one row each, on one scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd

from evalkit.figures.canvas import LINE, Canvas, text_width, wrap
from evalkit.figures.drawing import FULL, THIRD, Drawing, draw, need
from evalkit.figures.marks import interval_bar, key_line, marker
from evalkit.figures.palette import BLUE, GRAY, GRID, INK, PALE_BLUE, SOFT, WASH
from evalkit.figures.scale import Scale, bounds, known, log_bounds, step_of, tick_text
from evalkit.tables import interval, is_missing, number, percent

_TICK_ROW = 24.0


@dataclass(frozen=True)
class _Columns:
    """Where the label, the count, the plot and the value text stand."""

    label_width: float
    count_right: float
    left: float
    right: float
    text_right: float


def _columns(canvas: Canvas, labels: Sequence[str], counts: Sequence[str], texts: Sequence[str], *,
             pad: float = 14.0, weight: int = 400) -> _Columns:
    """Share the width: values whole, labels at most 40 %, the plot gets the rest."""
    text = max((text_width(t, weight=600) for t in texts), default=0.0)
    count = max((text_width(c) for c in counts), default=0.0)
    room = canvas.width - text - count - 2 * pad - (pad if text else 0) - (pad if count else 0)
    label = min(max((text_width(t, weight=600) for t in labels), default=0.0), max(0.40 * canvas.width, room - 170))
    count_right = label + (pad + count if count else 0)
    return _Columns(label, count_right, count_right + pad, canvas.width - (text + pad if text else 0) - pad / 2,
                    float(canvas.width))


def _ticks(canvas: Canvas, scale: Scale, ticks: Sequence[float], y: float, bottom: float, *, signed: bool = False,
           share: bool = False, below: bool = False, strips: Sequence[tuple[float, float]] = (),
           cut_zero: bool = False) -> None:
    """Tick numbers above (or below) the plot, thin lines through it (or its `strips` only), and the ink line at zero."""
    whole = ((y, bottom),)
    strips = strips or whole
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    texts = [tick_text(t, step, signed=signed, share=share) + ("%" if share else "") for t in ticks]
    keep = _fitting(canvas, [scale(t) for t in ticks], texts)
    for i, (tick, text) in enumerate(zip(ticks, texts, strict=True)):
        for top, end in strips if tick else ():
            canvas.line(scale(tick), top, scale(tick), end, color=GRID)
        if i in keep:
            x, anchor = _inside(canvas, scale(tick), text)
            canvas.text(x, bottom + 18 if below else y - 8, text, color=SOFT, anchor=anchor)
    for top, end in (strips if cut_zero else whole) if scale.low <= 0 <= scale.high else ():
        canvas.line(scale(0), top, scale(0), end, color=INK, width=1.3)


def _inside(canvas: Canvas, x: float, text: str, weight: int = 400) -> tuple[float, str]:
    """Where a centered text may stand so that it is not cut off."""
    half = text_width(text, weight=weight) / 2
    return min(max(x, half), canvas.width - half), "middle"


def _fitting(canvas: Canvas, at: Sequence[float], texts: Sequence[str]) -> set[int]:
    """All labels, or every second (fourth ...) where they would touch."""
    for every in (1, 2, 4, 8):
        picked = list(range(0, len(at), every))
        spans = [(_inside(canvas, at[i], texts[i])[0], text_width(texts[i]) / 2) for i in picked]
        if all(b[0] - b[1] - (a[0] + a[1]) >= 5 for a, b in pairwise(spans)):
            return set(picked)
    return {0}


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
        at = _columns(canvas, frame[label].map(str).tolist() + [c for c in texts[change] if c], [], [], pad=10)
        lo, hi, ticks = bounds([*frame[low], *frame[high], *frame[value]], most=4)
        scale = Scale(lo, hi, at.left + 8, canvas.width - 10)
        top = _side_words(canvas, scale, sides)
        y, rows = top, []
        for i in range(len(frame)):
            y += 20 if texts[change][i] else 0
            rows.append(y + 20)
            y += 40
        _ticks(canvas, scale, ticks, top, y, signed=True, below=True)
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


def _side_words(canvas: Canvas, scale: Scale, sides: tuple[str, str]) -> float:
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
        x, anchor = _inside(canvas, scale.clip(float(row[value])), text, 700)
        canvas.text(x, y - 10, text, weight=700, anchor=anchor, halo=True)


def interval_forest(data: pd.DataFrame, *, label: str = "label", value: str = "value", low: str = "ci_low",
                    high: str = "ci_high", count: str = "n", group: str = "", text: str = "", decimals: int = 1,
                    overall: tuple[float, float, float] | None = None, sides: tuple[str, str] = ("", ""),
                    signed: bool = True, hidden: str = "hidden", widths: Sequence[int] = FULL) -> Drawing:
    """Groups or schools with their interval on one scale. Grain: one row per group, in its natural order.

    `group` starts a gap where it changes; `overall` (value, low, high) is a dashed line with a band; `text` a column
    with the words at the right (made from the value and interval when not given). A row without a value shows the word `hidden`.
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
    label, value, low, high = columns
    stacked = canvas.width < 400
    at = _columns(canvas, [] if stacked else frame[label].map(str).tolist(), [] if stacked else counts,
                  [] if stacked else words)
    lo, hi, ticks = bounds([*frame[low], *frame[high], *frame[value], *(overall or ())], most=4 if stacked else 5)
    scale = Scale(lo, hi, 8 if stacked else at.left + 6, canvas.width - 8 if stacked else at.right)
    top = _TICK_ROW + (17 if any(sides) else 0)
    rows, y = _row_places(frame[label].map(str).tolist(), groups, top, at.label_width, stacked)
    strips = [(at_y - 8, at_y + 9) for at_y, _ in rows] if stacked else [(top, y)]
    for start, end in strips if overall else ():
        canvas.rect(scale.clip(overall[1]), start, scale.clip(overall[2]) - scale.clip(overall[1]), end - start,
                    fill=PALE_BLUE)
    if any(sides):
        _side_words(canvas, scale, sides)
    _ticks(canvas, scale, ticks, top, y, signed=signed, strips=strips, cut_zero=stacked)
    for start, end in strips if overall else ():
        canvas.line(scale(overall[0]), start, scale(overall[0]), end, color=BLUE, width=1.5, dash="4 3")
    for i, (at_y, lines) in enumerate(rows):
        _forest_row(canvas, scale, at, at_y, lines, frame.iloc[i], columns, words[i], counts[i] if counts else "", stacked)
    return y + 4


def _row_places(labels: list[str], groups: list[Any], top: float, label_width: float,
                stacked: bool) -> tuple[list[tuple[float, list[str]]], float]:
    """Baselines' centers and the wrapped labels, and the bottom."""
    rows, y = [], top + 4
    for i, text in enumerate(labels):
        y += 9 if i and groups[i] != groups[i - 1] else 0
        lines = [text] if stacked else wrap(text, label_width + 1, weight=400, most=2)
        tall = 42.0 if stacked else max(24.0, LINE * len(lines) + 7)
        rows.append((y + (30 if stacked else tall / 2), lines))
        y += tall
    return rows, y + 2


def _forest_row(canvas: Canvas, scale: Scale, at: _Columns, y: float, lines: list[str], row: Any,
                columns: tuple[str, str, str, str], words: str, count: str, stacked: bool) -> None:
    _, value, low, high = columns
    if stacked:
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
                      sides: tuple[str, str] = ("fewer absences", "more absences"),
                      widths: Sequence[int] = FULL) -> Drawing:
    """Rate ratios with intervals on a ratio scale; 1 is no difference. Grain: one row per pattern."""
    frame = need(data, "rate_ratio_forest", label, value, low, high)
    words = [f"{number(v, decimals)} ({interval(a, b, decimals)})"
             for v, a, b in zip(frame[value], frame[low], frame[high], strict=True)]
    counts = [number(n) for n in frame[count]] if count in frame.columns else []

    def paint(canvas: Canvas) -> float:
        stacked = canvas.width < 400
        at = _columns(canvas, [] if stacked else frame[label].map(str).tolist(), [] if stacked else counts,
                      [] if stacked else words)
        lo, hi, ticks = log_bounds([*frame[low], *frame[high], *frame[value]])
        scale = Scale(lo, hi, 8 if stacked else at.left + 6, canvas.width - 8 if stacked else at.right, log=True)
        top = _TICK_ROW + 17
        rows, y = _row_places(frame[label].map(str).tolist(), [0] * len(frame), top, at.label_width, stacked)
        _ratio_axis(canvas, scale, ticks, sides, top, y)
        for i, (at_y, lines) in enumerate(rows):
            _forest_row(canvas, scale, at, at_y, lines, frame.iloc[i], (label, value, low, high), words[i],
                        counts[i] if counts else "", stacked)
        return y + 4

    return draw("rate_ratio_forest", widths, paint)


def _ratio_axis(canvas: Canvas, scale: Scale, ticks: Sequence[float], sides: tuple[str, str], top: float,
                bottom: float) -> None:
    texts = [f"{t:g}" for t in ticks]
    keep = _fitting(canvas, [scale(t) for t in ticks], texts)
    for i, tick in enumerate(ticks):
        canvas.line(scale(tick), top, scale(tick), bottom, color=INK if tick == 1 else GRID, width=1.3 if tick == 1 else 1)
        if i in keep or tick == 1:
            x, anchor = _inside(canvas, scale(tick), texts[i])
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
        places, y = _benchmark_places(canvas, frame, (label, detail), max(scale(0), left) + 6)
        for i, (at_y, _) in enumerate(places):
            if frame[kind].iloc[i] == "program":
                canvas.rect(0, at_y - 2, canvas.width, _benchmark_tall(places, i, y), fill=PALE_BLUE)
        strips = [(at_y + LINE * len(lines) + 1, at_y + LINE * len(lines) + 24) for at_y, lines in places]
        _ticks(canvas, scale, ticks, _TICK_ROW, y, strips=strips)
        for i, (at_y, lines) in enumerate(places):
            _benchmark_row(canvas, scale, at_y, lines, frame.iloc[i], (value, low, high, kind), texts[i])
        return y + 4

    return draw("benchmark_forest", widths, paint)


def _benchmark_places(canvas: Canvas, frame: pd.DataFrame, columns: tuple[str, str],
                      x: float) -> tuple[list[tuple[float, list[tuple[float, str, int]]]], float]:
    """Per study: its top, and its lines as (x, words, weight)."""
    y, places = _TICK_ROW + 4, []
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
    weight = 700 if own else 400
    wide = text_width(text, weight=weight)
    if end + wide <= canvas.width:
        canvas.text(end, y + 4.5, text, weight=weight, color=INK, halo=True)
    else:
        canvas.text(max(start, wide), y + 4.5, text, weight=weight, color=INK, anchor="end", halo=True)


def love_plot(data: pd.DataFrame, *, label: str = "covariate", before: str = "smd_before", after: str = "smd_after",
              inner: float = 0.05, outer: float = 0.25, words: tuple[str, str] = ("before comparing", "students compared"),
              widths: Sequence[int] = THIRD) -> Drawing:
    """Standardized differences before (ring) and after (filled) selection. Grain: one row per covariate."""
    frame = need(data, "love_plot", label, before, after)

    def paint(canvas: Canvas) -> float:
        labels = frame[label].map(str).tolist()
        at = _columns(canvas, labels, [], [], pad=10)
        edge = max([outer, *(abs(v) for v in known([*frame[before], *frame[after]]))]) * 1.06
        scale = Scale(-edge, edge, at.left, canvas.width - 6)
        rows, y = _row_places(labels, [0] * len(labels), _TICK_ROW, at.label_width, False)
        for limit, fill in ((outer, WASH), (inner, "#D7E6F1")):
            canvas.rect(scale(-limit), _TICK_ROW, scale(limit) - scale(-limit), y - _TICK_ROW, fill=fill)
        _limit_words(canvas, scale, inner, outer)
        canvas.line(scale(0), _TICK_ROW, scale(0), y, width=1.3)
        for i, (at_y, lines) in enumerate(rows):
            canvas.lines(0, at_y + 4.5 - LINE * (len(lines) - 1) / 2, lines)
            _before_after(canvas, scale, at_y, frame[before].iloc[i], frame[after].iloc[i])
        return key_line(canvas, y + 20, [("comparison", words[0]), ("program", words[1])])

    return draw("love_plot", widths, paint)


def _limit_words(canvas: Canvas, scale: Scale, inner: float, outer: float) -> None:
    """The limits' numbers over the plot: all four, the outer two, or round ticks where the limits lie too close."""
    for at in ((-outer, -inner, inner, outer), (-outer, outer), (-round(0.8 * scale.high, 1), 0.0, round(0.8 * scale.high, 1))):
        texts = [number(v, 2 if len(at) != 3 else 1) for v in at]
        spans = [(_inside(canvas, scale(v), t)[0], text_width(t) / 2) for v, t in zip(at, texts, strict=True)]
        if all(b[0] - b[1] - a[0] - a[1] >= 4 for a, b in pairwise(spans)) or len(at) == 3:
            for (x, _), text in zip(spans, texts, strict=True):
                canvas.text(x, _TICK_ROW - 8, text, color=SOFT, anchor="middle")
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
    """Shares now (filled, with interval) and before (ring), a row per school in its natural order. Shares are 0 to 1."""
    frame = need(data, "school_dots", label, value, low, high)
    with_before = before in frame.columns and bool(known(frame[before]))
    texts = [hidden if is_missing(v) else percent(v, 1) for v in frame[value]]

    def paint(canvas: Canvas) -> float:
        labels = frame[label].map(str).tolist()
        at = _columns(canvas, labels, [], texts)
        _, hi, _ = bounds([*frame[high], *frame[value], *(frame[before] if with_before else ())])
        hi = min(hi, 1.0)
        step = step_of(hi, 5 if canvas.width > 400 else 3)
        ticks = [round(i * step, 6) for i in range(int(hi / step + 1e-9) + 1)]
        scale = Scale(0.0, hi, at.left + 8, at.right)
        rows, y = _row_places(labels, [0] * len(labels), _TICK_ROW, at.label_width, False)
        _ticks(canvas, scale, ticks, _TICK_ROW, y, share=True)
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
