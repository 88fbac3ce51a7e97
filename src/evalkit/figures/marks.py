"""Markers and bars that differ in shape, so that gray print keeps the meaning."""

from __future__ import annotations

from evalkit.errors import must_be_one_of
from evalkit.figures.canvas import Canvas, px, text_width
from evalkit.figures.palette import BLUE, GRAY, INK, WHITE
from evalkit.figures.scale import Scale
from evalkit.tables import is_missing

MARKERS = ("program", "comparison", "lottery", "other")


def marker(canvas: Canvas, x: float, y: float, kind: str = "program", *, size: float = 5.0, color: str = "") -> None:
    """program: filled circle; comparison: open ring; lottery: filled diamond; other: open square."""
    must_be_one_of("A marker", kind, MARKERS)
    if kind == "program":
        canvas.circle(x, y, size, fill=color or BLUE, stroke=WHITE, width=1)
    elif kind == "comparison":
        canvas.circle(x, y, size - 0.75, fill=WHITE, stroke=color or GRAY, width=2.2)
    elif kind == "lottery":
        r = size + 1
        canvas.path(f"M{px(x)} {px(y - r)}L{px(x + r)} {px(y)}L{px(x)} {px(y + r)}L{px(x - r)} {px(y)}Z",
                    fill=color or INK)
    else:
        canvas.rect(x - size + 0.5, y - size + 0.5, 2 * size - 1, 2 * size - 1, fill=WHITE, stroke=color or INK,
                    stroke_width=2)


def interval_bar(canvas: Canvas, scale: Scale, y: float, low: object, high: object, *, color: str = BLUE,
                 width: float = 3.0) -> None:
    """A bar from `low` to `high` with end ticks; an end beyond the scale is an arrow at its edge."""
    if is_missing(low) or is_missing(high):
        return
    a, b = scale.clip(float(low)), scale.clip(float(high))  # type: ignore[arg-type]
    canvas.line(a, y, b, y, color=color, width=width)
    for value, x, way in ((low, a, -1), (high, b, 1)):
        if scale.low <= float(value) <= scale.high:  # type: ignore[arg-type]
            canvas.line(x, y - 5, x, y + 5, color=color, width=1.8)
        else:
            tip, back = px(x + 5 * way), px(x - 2 * way)
            canvas.path(f"M{tip} {px(y)}L{back} {px(y - 5)}L{back} {px(y + 5)}Z", fill=color)


def key_line(canvas: Canvas, y: float, items: list[tuple[str, str]]) -> float:
    """The key, one line under the figure (more where it does not fit): (marker, words); returns the y below it."""
    x = 0.0
    for kind, words in items:
        wide = 18 + text_width(words)
        if x and x + wide > canvas.width:
            x, y = 0.0, y + 19
        marker(canvas, x + 7, y - 4.5, kind)
        canvas.text(x + 18, y, words)
        x += wide + 16
    return y + 8
