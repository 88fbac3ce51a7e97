"""Drawings of finished numbers, in the house style: frames in, `Drawing` out. No statistics inside.

Every function draws at fixed widths (`FULL` for a column of half the page or more, `THIRD` for a narrow one), measures
text before placing it, and gives the same bytes for the same numbers.
"""

from evalkit.figures.bars import band_bars, distribution, share_bars, weekday_dots
from evalkit.figures.canvas import DrawingError
from evalkit.figures.drawing import FULL, THIRD, Drawing
from evalkit.figures.forests import (
    benchmark_forest,
    interval_forest,
    interval_looks,
    love_plot,
    rate_ratio_forest,
    school_dots,
)

__all__ = ["FULL", "THIRD", "Drawing", "DrawingError", "band_bars", "benchmark_forest", "distribution",
           "interval_forest", "interval_looks", "love_plot", "rate_ratio_forest", "school_dots", "share_bars",
           "weekday_dots"]
