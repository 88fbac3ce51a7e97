"""From values to px: linear and logarithmic scales with round ticks."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from evalkit.tables import is_missing, number


@dataclass(frozen=True)
class Scale:
    """Values `low`..`high` on px `left`..`right`; `log` for ratios."""

    low: float
    high: float
    left: float
    right: float
    log: bool = False

    def __call__(self, value: float) -> float:
        share = ((math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low)) if self.log
                 else (value - self.low) / (self.high - self.low))
        return self.left + share * (self.right - self.left)

    def clip(self, value: float) -> float:
        """The px of `value`, kept inside the scale."""
        return self(min(max(value, self.low), self.high))


def known(values: Iterable[object]) -> list[float]:
    """The values that are there, as floats."""
    return [float(v) for v in values if not is_missing(v) and math.isfinite(float(v))]  # type: ignore[arg-type]


def step_of(span: float, most: int) -> float:
    """The smallest of 1, 2, 4 (or 2.5), 5 x 10^k that cuts `span` into at most `most` steps."""
    if span <= 0:
        return 1.0
    base = 10.0 ** math.floor(math.log10(span / most))
    return next(base * m for m in (1, 2, 4, 5, 10, 20) if span / (base * m) <= most + 1e-9)


def bounds(values: Iterable[object], *, most: int = 5, zero: bool = True) -> tuple[float, float, list[float]]:
    """Low, high and ticks of a linear scale that holds every value (and zero)."""
    found = known(values) + ([0.0] if zero else [])
    low, high = (min(found), max(found)) if found else (0.0, 1.0)
    if high - low < 1e-12:
        low, high = low - (0 if zero and low >= 0 else 1), high + 1
    step = step_of(high - low, most)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return first * step, last * step, [round(i * step, 10) for i in range(first, last + 1)]


def log_bounds(values: Iterable[object]) -> tuple[float, float, list[float]]:
    """Low, high and ticks of a ratio scale around 1."""
    found = [v for v in known(values) if v > 0] or [1.0]
    steps = [0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0]
    low = max((s for s in steps if s <= min([*found, 0.8])), default=0.1)
    high = min((s for s in steps if s >= max([*found, 1.25])), default=10.0)
    marks = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0] if high / low > 4 else [0.5, 0.67, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0]
    return low, high, [m for m in marks if low <= m <= high]


def tick_text(value: float, step: float, *, signed: bool = False, share: bool = False) -> str:
    """A tick with as many decimals as its step needs."""
    factor = 100 if share else 1
    decimals = max(0, -math.floor(math.log10(abs(step * factor)) + 1e-9)) if step else 0
    return number(value * factor, min(decimals, 3), signed=signed)
