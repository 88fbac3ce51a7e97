"""Two-way fixed effects: one coefficient of "treated by now" with unit and period effects.

With staggered starts it compares late starters with early ones, and effects that grow can even turn its sign
(Goodman-Bacon 2021, doi:10.1016/j.jeconom.2021.03.014): the warning travels with the number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from evalkit.estimators.leads import lead_test, staggered_test
from evalkit.estimators.panel_data import make_panel
from evalkit.estimators.panel_estimate import panel_estimate
from evalkit.estimators.result import Estimate
from evalkit.estimators.sample import Request
from evalkit.estimators.within import fit_within, within_error

WARNING = ("Starts are staggered: two-way fixed effects also compare late starters with early ones, which "
           "misleads when effects grow. Read it beside callaway_santanna.")


def run(panel: pd.DataFrame | None, comparison: Any, ask: Request) -> Estimate:
    """The coefficient, with its warning where starts differ. CR2: clusters' own small-sample correction and df."""
    data = make_panel(panel, comparison, ask)
    found = fit_within(data, data.is_on.astype(float)[:, None], ("treated",), kind=ask.standard_errors)
    staggered = len(np.unique(data.first[data.ever_treated])) > 1
    contrast = found.fit.unit_contrast("treated")
    error, df = within_error(data, found, contrast, ask.standard_errors)
    value = float(found.coef[0])
    influence = found.fit.scores @ (found.fit.bread @ contrast)
    return panel_estimate(data, ask, value, error, df, caveats=(WARNING,) if staggered else (), details={
        "staggered": staggered, "pre_test": lead_test(data),
        "staggered_test": staggered_test(data, value, influence) if staggered else None})
