"""Drawings of finished numbers, in the house style: frames in, `Drawing` out. No statistics inside.

Every function draws at fixed widths (`FULL` for a column of half the page or more, `THIRD` for a narrow one), measures
text before placing it, and gives the same bytes for the same numbers.
"""

from evalkit.figures.bars import band_bars, distribution, share_bars, weekday_dots
from evalkit.figures.canvas import DrawingError
from evalkit.figures.drawing import FULL, THIRD, Drawing
from evalkit.figures.flows import flow_bands, flow_diagram
from evalkit.figures.forests import benchmark_forest, interval_forest, interval_looks, rate_ratio_forest
from evalkit.figures.grids import day_dots, heat_map
from evalkit.figures.lines import small_multiples, trend_lines
from evalkit.figures.pairs import love_plot, school_dots

__all__ = ["FULL", "THIRD", "Drawing", "DrawingError", "band_bars", "benchmark_forest", "day_dots", "distribution",
           "flow_bands", "flow_diagram", "heat_map", "interval_forest", "interval_looks", "love_plot",
           "rate_ratio_forest", "school_dots", "share_bars", "small_multiples", "trend_lines", "weekday_dots"]
