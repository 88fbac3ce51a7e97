"""A sheet to draw on, in px: text is measured with the shipped font before it is placed, and must fit.

SVG is written here directly and with presentation attributes only: a page's policy forbids style attributes, so what
a plotting library writes would lose its colors; and the bytes depend on nothing but the numbers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from xml.sax.saxutils import escape, quoteattr

from evalkit.figures.palette import INK, WHITE
from evalkit.tables import plain

SIZE, LINE = 13.0, 17.0
_FAMILY = "Public Sans, system-ui, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"
_SLACK = 0.75


class DrawingError(Exception):
    """A label does not fit its drawing: a fault of the drawing function, never of the reader."""

    exit_code = 4


@cache
def _widths() -> dict[str, dict[str, int]]:
    return json.loads(resources.files("evalkit.figures").joinpath("widths.json").read_text(encoding="utf-8"))


def covers(text: str) -> bool:
    """Whether the shipped font has every letter of `text`."""
    known = _widths()["400"]
    return all(c in known or c == "\n" for c in text)


def text_width(text: str, size: float = SIZE, weight: int = 400) -> float:
    """Width of one line in px, kerning left out (it only narrows); an unknown letter counts as a wide one."""
    table = _widths()[str(weight)]
    return sum(table.get(c, 1000) for c in text) * size / 1000


def wrap(text: str, width: float, size: float = SIZE, weight: int = 400, *, most: int = 3) -> list[str]:
    """`text` in lines of at most `width` px; a word that is too long is broken; beyond `most` lines an ellipsis."""
    lines: list[str] = []
    for word in _words(plain(text), width, size, weight):
        if lines and text_width(f"{lines[-1]} {word}", size, weight) <= width:
            lines[-1] = f"{lines[-1]} {word}"
        else:
            lines.append(word)
    if len(lines) <= most:
        return lines or [""]
    return [*lines[:most - 1], shorten(f"{lines[most - 1]}…", width, size, weight)]


def _words(text: str, width: float, size: float, weight: int) -> list[str]:
    parts: list[str] = []
    for word in text.split():
        while text_width(word, size, weight) > width and len(word) > 1:
            n = max(1, next((i - 1 for i in range(1, len(word) + 1) if text_width(word[:i], size, weight) > width), 1))
            parts.append(word[:n])
            word = word[n:]
        parts.append(word)
    return parts


def shorten(text: str, width: float, size: float = SIZE, weight: int = 400) -> str:
    """`text`, cut with an ellipsis where it is wider than `width` px."""
    text = plain(text).replace("\n", " ")
    if text_width(text, size, weight) <= width:
        return text
    stem = text.rstrip("…")
    while stem and text_width(stem.rstrip() + "…", size, weight) > width:
        stem = stem[:-1]
    return stem.rstrip() + "…"


def px(value: float) -> str:
    """A coordinate with at most two decimals, without trailing zeros."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


class Canvas:
    """Elements collected for one width; `svg()` closes it. Every text box is kept so that tests can see overlaps."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.parts: list[str] = []
        self.boxes: list[tuple[float, float, float, float, str]] = []

    def text(self, x: float, y: float, text: str, *, size: float = SIZE, weight: int = 400, color: str = INK,
             anchor: str = "start", halo: bool = False) -> float:
        """One line with its baseline at `y`; returns its width. Refuses what would be cut off at either side."""
        text = plain(text).replace("\n", " ")
        wide = text_width(text, size, weight)
        left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
        if left < -_SLACK or left + wide > self.width + _SLACK:
            raise DrawingError(f"A label of {len(text)} characters does not fit {self.width} px.")
        self.boxes.append((left, y - 0.75 * size, left + wide, y + 0.2 * size, text))
        look = "" if weight == 400 else f' font-weight="{weight}"'
        look += "" if size == SIZE else f' font-size="{px(size)}"'
        look += "" if color == INK else f' fill="{color}"'
        look += "" if anchor == "start" else f' text-anchor="{anchor}"'
        look += f' stroke="{WHITE}" stroke-width="3" paint-order="stroke" stroke-linejoin="round"' if halo else ""
        self.parts.append(f'<text x="{px(x)}" y="{px(y)}"{look}>{escape(text)}</text>')
        return wide

    def lines(self, x: float, y: float, lines: Sequence[str], *, size: float = SIZE, weight: int = 400,
              color: str = INK, anchor: str = "start", line: float = LINE) -> float:
        """Several lines from baseline `y` down; returns the baseline after the last."""
        for i, text in enumerate(lines):
            self.text(x, y + i * line, text, size=size, weight=weight, color=color, anchor=anchor)
        return y + len(lines) * line

    def line(self, x1: float, y1: float, x2: float, y2: float, *, color: str = INK, width: float = 1.0,
             dash: str = "") -> None:
        """A straight line."""
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<path d="M{px(x1)} {px(y1)}L{px(x2)} {px(y2)}" stroke="{color}" '
                          f'stroke-width="{px(width)}"{dashes} fill="none"/>')

    def rect(self, x: float, y: float, width: float, height: float, *, fill: str = "none", stroke: str = "",
             stroke_width: float = 0.8, dash: str = "") -> None:
        """A box; a negative or zero size draws nothing."""
        if width <= 0 or height <= 0:
            return
        edge = f' stroke="{stroke}" stroke-width="{px(stroke_width)}"' if stroke else ""
        edge += f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<rect x="{px(x)}" y="{px(y)}" width="{px(width)}" height="{px(height)}" '
                          f'fill="{fill}"{edge}/>')

    def path(self, d: str, *, fill: str = "none", stroke: str = "", width: float = 1.0, opacity: float = 1.0,
             dash: str = "") -> None:
        """A free path of an already rounded `d`."""
        edge = f' stroke="{stroke}" stroke-width="{px(width)}" stroke-linejoin="round"' if stroke else ""
        edge += f' stroke-dasharray="{dash}"' if dash else ""
        edge += f' fill-opacity="{px(opacity)}"' if opacity != 1 else ""
        self.parts.append(f'<path d="{d}" fill="{fill}"{edge}/>')

    def circle(self, x: float, y: float, r: float, *, fill: str, stroke: str = "", width: float = 0.0) -> None:
        """A disc or a ring."""
        edge = f' stroke="{stroke}" stroke-width="{px(width)}"' if stroke else ""
        self.parts.append(f'<circle cx="{px(x)}" cy="{px(y)}" r="{px(r)}" fill="{fill}"{edge}/>')

    def svg(self, height: float) -> str:
        """The finished drawing; alt text is put on it by the page."""
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{px(height)}" '
                f'viewBox="0 0 {self.width} {px(height)}" font-family={quoteattr(_FAMILY)} font-size="{px(SIZE)}" '
                f'fill="{INK}">{"".join(self.parts)}</svg>')

    def overlaps(self, slack: float = 1.0) -> list[tuple[str, str]]:
        """Pairs of texts whose boxes meet by more than `slack` px: none in a good drawing."""
        found = []
        for i, (a1, b1, a2, b2, one) in enumerate(self.boxes):
            for c1, d1, c2, d2, other in self.boxes[i + 1:]:
                if min(a2, c2) - max(a1, c1) > slack and min(b2, d2) - max(b1, d1) > slack:
                    found.append((one, other))
        return found
