"""Two-way fixed effects: one coefficient of "treated by now" with unit and period effects.

With staggered starts it compares late starters with early ones, and effects that grow can even turn its sign
(Goodman-Bacon 2021, doi:10.1016/j.jeconom.2021.03.014): the warning travels with the number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.estimators.panel_data import make_panel
from evalkit.estimators.panel_estimate import panel_estimate
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request
from evalkit.estimators.within import fit_within

WARNING = ("Starts are staggered: two-way fixed effects also compare late starters with early ones, which "
           "misleads when effects grow. Read it beside callaway_santanna.")


def run(panel: pd.DataFrame | None, comparison: Any, ask: Request) -> Estimate:
    """The coefficient, with its warning where starts differ."""
    data = make_panel(panel, comparison, ask)
    found = fit_within(data, data.is_on.astype(float)[:, None], ("treated",), kind=ask.standard_errors)
    staggered = len(np.unique(data.first[data.ever_treated])) > 1
    return panel_estimate(data, ask, float(found.coef[0]), float(np.sqrt(found.covariance[0, 0])), found.df,
                          caveats=(WARNING,) if staggered else (), details={"staggered": staggered})
